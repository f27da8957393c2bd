"""The second writer: whole case histories, played in memory and written many at a time.

It stands on the same functions as the engine, `prepare`, `check`, `step.take` and `write.apply`, so a history that the
engine would refuse is refused here, and what is written is what the engine would have written; a property test holds
the two together. Effects that the engine delivers right after a commit (children, tallies) happen here in memory.
Nothing is kept about requests: a load has no idempotency keys, so whoever loads must know what is loaded already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connections, transaction

from xiuhua.casework import builtin, deliver, engine, library, moments, permits, step, write
from xiuhua.casework.answers import prepare
from xiuhua.casework.context import NOTHING, Extra
from xiuhua.casework.models import Case
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city.access import SYSTEM, Actor
from xiuhua.city.calendar import calendar_for
from xiuhua.city.models import Platform

BATCH = 100


@dataclass(frozen=True)
class Step:
    """One action at an instant. ``child``: on which child, by its place among all children (0 the first made)."""

    action: str
    actor: Actor
    data: Mapping[str, Any]
    at: datetime
    child: int | None = None


@dataclass(frozen=True)
class History:
    """A case from its first action on, in order of time."""

    procedure: str
    platform: Platform
    steps: tuple[Step, ...]


@dataclass
class Loaded:
    """What a load did. ``refused``: place of the history, place of the step, why; nothing of it was written."""

    cases: int = 0
    events: int = 0
    numbers: list[str] = field(default_factory=list)
    refused: list[tuple[int, int, Refusal]] = field(default_factory=list)


def load(histories: Iterable[History], *, batch: int = BATCH, settled: datetime | None = None) -> Loaded:
    """Play and write histories, ``batch`` in a transaction. ``settled``: see `kept_up`; None keeps every effect."""
    loaded, source, place = Loaded(), iter(histories), 0
    while chunk := list(islice(source, batch)):
        numbers = reserve(Counter(map(prefix_of, chunk)))
        played = []
        for history in chunk:
            family = Family()
            try:
                family.play(history, next(numbers[prefix_of(history)]))
                played.append(family)
                loaded.numbers.append(family.root.number)
            except RefusedAt as refused:
                loaded.refused.append((place, refused.step, refused.refusal))
            place += 1
        document = write.Document()
        for family in played:
            family.write(document, settled)
        with transaction.atomic():
            write.apply(document)
        loaded.cases += len(document.rows["new_cases"])
        loaded.events += len(document.rows["events"])
    return loaded


class RefusedAt(Exception):
    """A history cannot be played: the place of the step, and why."""

    def __init__(self, step: int, refusal: Refusal) -> None:
        super().__init__(step, refusal)
        self.step, self.refusal = step, refusal


def prefix_of(history: History) -> str:
    """The beginning of the number that the case will have."""
    _pk, rules = library.current(history.procedure, history.platform)
    return engine.number_prefix(rules, history.platform, history.steps[0].at)


def reserve(wanted: Mapping[str, int]) -> dict[str, Iterator[str]]:
    """So many case numbers in a row for every prefix; those of a refused history leave a gap."""
    numbers = {}
    with connections["default"].cursor() as cursor:
        for prefix, count in wanted.items():
            cursor.execute(
                "INSERT INTO casework_numbering(prefix, value) VALUES (%s, %s) ON CONFLICT (prefix) "
                "DO UPDATE SET value = casework_numbering.value + excluded.value RETURNING value",
                [prefix, count],
            )
            (last,) = cursor.fetchone()
            serials = range(last - count + 1, last + 1)
            numbers[prefix] = iter([f"{prefix}{serial:05d}" for serial in serials])
    return numbers


def kept_up(rows: Iterable[dict[str, Any]], cases: Mapping[int, Case], until: datetime) -> list[dict[str, Any]]:
    """Outbox rows as if the worker had kept up ``until`` then: what was due is delivered, or not there at all for a case
    that has ended (the sweep would have removed it)."""
    kept = []
    for row in rows:
        if row["run_at"] > until:
            kept.append(row)
        elif row["case_id"] is not None and cases[row["case_id"]].open:
            done = {"done_at": row["done_at"] or row["run_at"], "attempts": max(1, row["attempts"])}
            kept.append({**row, **done})
    return kept


class Family:
    """A case and its children while their history is played."""

    def __init__(self) -> None:
        self.cases: dict[int, Case] = {}
        self.rows: dict[str, dict[Any, dict[str, Any]]] = {part.key: {} for part in write.PARTS}

    @property
    def root(self) -> Case:
        return next(iter(self.cases.values()))

    def play(self, history: History, number: str) -> None:
        """Raises `RefusedAt` where the engine would refuse."""
        for place, one in enumerate(history.steps):
            try:
                with moments.clock_set(one.at):
                    if place == 0:
                        self._start(history, one, number)
                    else:
                        case = list(self.cases.values())[0 if one.child is None else one.child + 1]
                        self._advance(case.pk, one.action, one.actor, one.data)
            except Refused as refused:
                raise RefusedAt(place, refused.refusal) from refused

    def write(self, document: write.Document, settled: datetime | None = None) -> None:
        """Add all rows; a case stands in its last form only."""
        for case in self.cases.values():
            document.add("new_cases", **write.case_row(case))
        for part, rows in self.rows.items():
            if part == "outbox" and settled is not None:
                document.rows[part] += kept_up(rows.values(), self.cases, settled)
            elif part not in ("new_cases", "cases"):
                document.rows[part] += rows.values()

    # --- the engine's two doors, without their transactions -----------------------------------------------------

    def _start(self, history: History, one: Step, number: str) -> None:
        pk, rules = library.current(history.procedure, history.platform)
        act = rules.actions.get(one.action)
        if act is None or not act.start:
            raise Refused(Refusal("unknown_action", f"A case cannot start with {one.action!r}."))
        case = step.blank_case(rules, pk, history.platform.pk)
        if one.actor.kind != "system" and not permits.may_act(one.actor, case, act, None):
            raise Refused(engine.not_yours(act))
        prepared = prepare(rules, act, case, one.actor, one.data)
        if prepared.errors:
            raise Refused(engine.invalid(prepared))
        case.number = number
        self._take(step.take(case, rules, act, one.actor, prepared, moments.now(), is_new=True, told=False))

    def _advance(self, pk: int, action: str, actor: Actor, data: Mapping[str, Any], extra: Extra = NOTHING) -> None:
        case = self.cases[pk]
        rules = library.version(case.procedure_id)
        act = rules.actions.get(action) or builtin.ACTIONS.get(action)
        if act is None or action in builtin.BY_USERS:
            raise Refused(Refusal("unknown_action", f"This procedure has no action {action!r}."))
        prepared = prepare(rules, act, case, actor, data)
        if prepared.hand_over is not None:  # the family stands in memory, not yet in the table
            prepared.hand_over.below = self._below(pk)
        if refusal := engine.check(case, rules, act, actor, prepared, extra=extra):
            raise Refused(refusal)
        now = max(moments.now(), case.updated_at + timedelta(microseconds=1))
        self._take(step.take(case, rules, act, actor, prepared, now, extra=extra, told=False))

    def _take(self, written: step.Written) -> None:
        self.cases[written.case.pk] = written.case
        for row in written.document.rows["new_cases"]:
            if row["id"] != written.case.pk:
                self.cases[row["id"]] = Case(**row)
        for part in write.PARTS:
            for row in written.document.rows[part.key]:
                key = _key(part, row)
                if part.mode == "ignore" and key in self.rows[part.key]:
                    continue
                self.rows[part.key][key] = row
        for key in written.at_once:
            self._deliver(self.rows["outbox"][key])

    # --- effects at once ----------------------------------------------------------------------------------------

    def _deliver(self, row: dict[str, Any]) -> None:
        """What `deliver` does with the row, in memory."""
        _EFFECTS[row["kind"]](self, row)
        row.update(done_at=moments.now(), attempts=row["attempts"] + 1)

    def _try(self, pk: int, action: str, data: Mapping[str, Any], extra: Extra) -> bool:
        try:
            self._advance(pk, action, SYSTEM, data, extra)
        except Refused:
            return False
        return True

    def join(self, row: dict[str, Any]) -> None:
        child = self.cases[row["case_id"]]
        assert child.parent_id is not None
        payload = self.rows["payloads"].get(int(row["payload"]["event"]), {}).get("body", "")
        action, data, extra = deliver.joining(child, payload)
        if not (action and self._try(child.parent_id, action, data, extra)):
            self._try(child.parent_id, "child_ended", {}, extra)

    def tally(self, row: dict[str, Any]) -> None:
        self._try(row["case_id"], row["payload"]["about"], {}, Extra())

    def cancel_children(self, row: dict[str, Any]) -> None:
        relation = row["payload"].get("about")
        for child in self._open_below(row["case_id"]):
            if (not relation or child.relation == relation) and not child.facts.get("independent"):
                self._try(child.pk, "cancel", {}, Extra())

    def share_clock(self, row: dict[str, Any]) -> None:
        parent = self.cases[row["case_id"]]
        for child in self._open_below(parent.pk):
            if ops := deliver.shared_ops(parent, child):
                note = {"parent": parent.number}
                self._try(child.pk, "recount", {}, Extra(ops=ops, note=note, calendar=calendar_for(child.platform_id)))

    def _below(self, pk: int) -> list[int]:
        children = [case.pk for case in self.cases.values() if case.parent_id == pk]
        return [*children, *(below for child in children for below in self._below(child))]

    def _open_below(self, pk: int) -> list[Case]:
        return [case for case in self.cases.values() if case.parent_id == pk and case.open]


_EFFECTS = {
    "join": Family.join,
    "tally": Family.tally,
    "cancel_children": Family.cancel_children,
    "share_clock": Family.share_clock,
}


def _key(part: write.Part, row: Mapping[str, Any]) -> Any:
    """What makes a row one row: later ones take its place, or give way to it."""
    if part.key == "parties":
        return row["case_id"], row["organisation_id"], row["user_id"], row["platform_id"]
    if part.key == "outbox":
        return row["key"]
    if part.key == "payloads":
        return row["event_id"]
    return tuple(row[name] for name in part.keys)
