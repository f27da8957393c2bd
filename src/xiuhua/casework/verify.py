"""``xiuhua log verify``: reads the whole log and names the first event that is not what it was.

What is found inside, and what only an outside anchor finds: `docs/operators/log.md`. In one pass over cases, events
and anchor entries in order of case:

1. sequence without gaps, each event chained to the one before, later in time, from the state where that one ended;
2. body canonical, digest re-derived to the byte, payload under its digest or erased by a later event;
3. the case's head is the last event; what an anchor once recorded still stands;
4. the anchors form a chain over entries that are all there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework import chain, guard_rails, log_reader
from xiuhua.casework.anchor_files import AnchorCopy, AnchorFileError, read_anchor
from xiuhua.casework.log_reader import EventRow
from xiuhua.casework.moments import from_us

#: So many faults are kept with their words; all are counted.
KEEP = 100
#: Logs of rooms above (`xiuhua.ledgers.verify`), read on the same snapshot: each adds its faults to the report.
also: list[Callable[[BaseDatabaseWrapper, Report], None]] = []


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. ``case`` is the number (or the id where no case is left), ``seq`` 0 for the whole."""

    case: str
    seq: int
    code: str
    message: str

    def __str__(self) -> str:
        if not self.case:
            return self.message
        return (
            f"case {self.case}, event {self.seq}: {self.message}" if self.seq else f"case {self.case}: {self.message}"
        )


@dataclass
class Report:
    """What a verification found. ``first`` is the first broken event in the order of the log."""

    events: int = 0
    cases: int = 0
    anchors: int = 0
    erased: int = 0
    erasing: int = 0
    broken: int = 0
    faults: list[Fault] = field(default_factory=list)
    unguarded: list[str] = field(default_factory=list)
    vouched_to: int = 0
    vouches: str = ""
    seconds: float = 0.0

    @property
    def first(self) -> Fault | None:
        return self.faults[0] if self.faults else None

    @property
    def ok(self) -> bool:
        return not self.broken and not self.unguarded

    def add(self, fault: Fault) -> None:
        self.broken += 1
        if len(self.faults) < KEEP:
            self.faults.append(fault)


@dataclass(slots=True)
class _Head:
    id: int
    number: str
    seq: int
    digest: str
    anchored: int


@dataclass(slots=True)
class _Entry:
    anchor: int
    seq: int
    digest: str


def verify(*, using: str = "default", anchor: AnchorCopy | None = None, case_id: int | None = None) -> Report:
    """Verify the whole log, or the chain of one case. ``anchor``: a copy that was kept outside."""
    connection = connections[using]
    report, began = Report(), time.monotonic()
    report.unguarded = guard_rails.faults(connection)
    try:
        with log_reader.snapshot(connection):
            _everything(connection, report, anchor, case_id)
    except DatabaseError as error:  # pages or characters that the database itself cannot read
        report.add(Fault("", 0, "unreadable", f"the database cannot read its own rows: {error}"))
    report.vouches = _vouches(report, anchor)
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _everything(
    connection: BaseDatabaseWrapper, report: Report, anchor: AnchorCopy | None, case_id: int | None
) -> None:
    outside = {case: (seq, digest) for case, seq, digest in anchor.entries} if anchor else {}
    for faults in _cases(connection, report, outside, case_id):
        for fault in sorted(faults, key=lambda f: f.seq or 1 << 60):
            report.add(fault)
    if case_id is None:
        _orphans(connection, report)
        _anchor_chain(connection, report, anchor)
        for check in also:
            check(connection, report)


# --- cases and their events -------------------------------------------------------------------------------------


def _cases(
    connection: BaseDatabaseWrapper, report: Report, outside: dict[int, tuple[int, str]], only: int | None
) -> Iterator[list[Fault]]:
    """Merge cases, events and anchor entries, all in order of case; yields the faults of each case."""
    heads = _Peek(_heads(connection, only), lambda h: h.id)
    entries = _Peek(_entries(connection, only), lambda e: e[0])
    events = _Peek(log_reader.events(connection, only), lambda e: e.case_id)
    checker = _Checker(connection.vendor, report)
    while True:
        keys = [k for k in (heads.key(), events.key(), entries.key()) if k is not None]
        if not keys:
            break
        case = min(keys)
        head = next(heads.of(case), None)
        recorded = [_Entry(anchor, seq, digest) for _case, anchor, seq, digest in entries.of(case)]
        if case in outside:
            recorded.append(_Entry(0, *outside.pop(case)))
        report.cases += head is not None
        if faults := checker.case(case, head, events.of(case), recorded):
            yield faults
    for case, (seq, _digest) in sorted(outside.items()) if only is None else ():
        yield [Fault(str(case), seq, "case_gone", "the outside anchor recorded this case; nothing of it is left")]


class _Peek:
    """An iterator in order of case that gives its rows case by case."""

    def __init__(self, source: Iterator[Any], key: Any) -> None:
        self._source, self._key = source, key
        self._next: Any = next(source, None)

    def key(self) -> int | None:
        return None if self._next is None else self._key(self._next)

    def of(self, case: int) -> Iterator[Any]:
        while self._next is not None and self._key(self._next) == case:
            row, self._next = self._next, next(self._source, None)
            yield row


def _heads(connection: BaseDatabaseWrapper, only: int | None) -> Iterator[_Head]:
    sql = "SELECT id, number, seq, head_digest, anchored_seq FROM casework_case WHERE id > %s ORDER BY id LIMIT %s"
    found = (_Head(*row) for row in log_reader.rows(connection, sql, (0,), (-1 if only is None else only - 1,)))
    return found if only is None else takewhile(lambda head: head.id == only, found)


def _entries(connection: BaseDatabaseWrapper, only: int | None) -> Iterator[tuple[int, int, int, str]]:
    sql = (
        "SELECT case_id, anchor_id, seq, digest, id FROM casework_anchorentry WHERE (case_id, seq, id) > (%s, %s, %s) "
        "ORDER BY case_id, seq, id LIMIT %s"
    )
    found = log_reader.rows(connection, sql, (0, 2, 4), (-1 if only is None else only, -1, -1))
    rows = ((row[0], row[1], row[2], row[3]) for row in found)
    return rows if only is None else takewhile(lambda row: row[0] == only, rows)


class _Checker:
    """Checks the chain of one case after the other."""

    def __init__(self, vendor: str, report: Report) -> None:
        self.report = report
        self.us = log_reader.microseconds(vendor)

    def case(self, case: int, head: _Head | None, events: Iterator[EventRow], recorded: list[_Entry]) -> list[Fault]:
        """All faults of one case."""
        name = head.number if head else str(case)
        faults: list[Fault] = []

        def say(seq: int, code: str, message: str) -> None:
            faults.append(Fault(name, seq, code, message))

        expected, prev, state, at = 1, "", "", -1
        gone: dict[int, int] = {}  # events whose payload is erased -> when
        known = {e.seq: e for e in recorded}
        count = 0
        for event in events:
            count += 1
            try:
                seq = int(event.seq)
                if seq != expected:
                    missing = f"{expected}" if seq == expected + 1 else f"{expected} to {seq - 1}"
                    if seq > expected:
                        say(expected, "missing", f"event {missing} is missing")
                    else:
                        say(seq, "double", "this sequence number stands twice")
                elif event.prev_digest != prev:
                    say(seq, "unlinked", "does not follow from the event before it")
                elif event.from_state != state:
                    say(seq, "unlinked", f"starts from state {event.from_state!r}, the event before ended in {state!r}")
                expected, prev, state = seq + 1, event.digest, event.to_state
                moment = self.us(event.at)
                if moment < at:
                    say(seq, "time", "is earlier than the event before it")
                at = moment
                body = self._content(event, moment, say)
                self._payload(event, gone, body, moment, say)
                entry = known.pop(seq, None)
                if entry is not None and entry.digest != event.digest:
                    say(seq, "not_as_anchored", f"is not the event that {_anchor_name(entry)} recorded")
            except (ValueError, TypeError, OverflowError, AttributeError) as error:
                say(event.seq if isinstance(event.seq, int) else expected, "unreadable", f"cannot be read: {error}")
        self.report.events += count
        for seq in gone:
            say(seq, "payload_gone", "its payload is gone, and no event erased it")
        if head is None:
            say(0, "no_case", f"{count} events, and no case")
        elif count == 0 and not recorded:
            say(0, "no_events", "a case without events")
        self._end(head, expected - 1, prev, known, recorded, say)
        return faults

    def _content(self, event: EventRow, moment: int, say: Any) -> dict[str, Any]:
        """Digest, canonical form and the columns that stand beside the digest."""
        seq = event.seq
        if event.version != chain.VERSION or event.algorithm not in chain.ALGORITHMS:
            say(seq, "unknown_version", f"version {event.version} with {event.algorithm!r} is not known")
            return {}
        digest = chain.event_digest(
            version=event.version,
            algorithm=event.algorithm,
            id=event.id,
            case=event.case_id,
            seq=seq,
            action=event.action,
            actor=event.actor,
            at_us=moment,
            from_state=event.from_state,
            to_state=event.to_state,
            batch=event.batch,
            payload_digest=event.payload_digest,
            prev_digest=event.prev_digest,
            body=event.body,
        )
        if digest != event.digest:
            say(seq, "altered", "is not what its digest was taken over")
        if event.actor != ("system" if event.actor_user is None else f"user:{event.actor_user}"):
            say(seq, "altered", "names another actor than its actor column")
        body = _read(event.body)
        if not isinstance(body, dict) or not _is_canonical(event.body, body):
            say(seq, "not_canonical", "its body is not canonical JSON")
            return {}
        return body

    def _payload(self, event: EventRow, gone: dict[int, int], body: dict[str, Any], moment: int, say: Any) -> None:
        seq = event.seq
        if event.payload is None:
            if event.payload_digest:
                say(seq, "payload_gone", "its payload row is gone")
        elif not event.payload_digest:
            say(seq, "payload_added", "has a payload that it never had")
        elif event.payload_case != event.case_id:
            say(seq, "payload_altered", "its payload belongs to another case")
        elif event.payload or event.salt:
            if chain.payload_digest(event.algorithm, event.salt or "", event.payload) != event.payload_digest:
                say(seq, "payload_altered", "its payload is not what was written")
            elif event.erased_at is not None:
                say(seq, "payload_altered", "its payload is marked as erased and is not")
        else:
            self.report.erased += 1
            gone[seq] = self.us(event.erased_at) if event.erased_at is not None else -1
        for one in body.get("erased", ()):
            if one in gone:
                if gone.pop(one) != moment:
                    say(one, "payload_gone", f"was erased under event {seq}, but not at its time")
            elif one < seq:
                self.report.erasing += 1

    def _end(
        self,
        head: _Head | None,
        last: int,
        digest: str,
        known: dict[int, _Entry],
        recorded: list[_Entry],
        say: Any,
    ) -> None:
        """The tail against the case's head and against the anchors."""
        if head is not None:
            if head.seq > last:
                say(
                    last + 1,
                    "tail_cut",
                    f"the tail is cut: the case's head is event {head.seq}, the last one here is {last}",
                )
            elif head.seq < last:
                say(head.seq + 1, "tail_added", f"stands behind the case's head, which is event {head.seq}")
            elif head.digest != digest:
                say(last, "head_differs", "is not the event that the case's head names")
            inside = max((e.seq for e in recorded if e.anchor), default=0)
            if head.anchored != inside:
                say(
                    head.anchored or inside,
                    "anchor_gone",
                    f"the case was anchored at event {head.anchored}, the anchors say {inside}",
                )
        for seq, entry in sorted(known.items()):
            if seq > last:
                say(last + 1, "tail_cut", f"the tail is cut: {_anchor_name(entry)} recorded event {seq}")


def _anchor_name(entry: _Entry) -> str:
    return f"anchor {entry.anchor}" if entry.anchor else "the outside anchor"


def _no_float(text: str) -> float:
    raise ValueError(f"a float ({text}) may not stand in the log")


# Made once: they are called for every event.
_read = json.JSONDecoder(parse_float=_no_float).decode
_sorted = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


def _is_canonical(text: str, value: Any) -> bool:
    # json.dumps sorts by code point, RFC 8785 by UTF-16 unit: they part only beyond the basic plane.
    if _sorted(value) == text:
        return True
    return chain.canonical(value) == text


def _orphans(connection: BaseDatabaseWrapper, report: Report) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.event_id, p.case_id FROM casework_payload p "
            "WHERE NOT EXISTS (SELECT 1 FROM casework_event e WHERE e.id = p.event_id) ORDER BY 1 LIMIT 100"
        )
        for event, case in cursor.fetchall():
            report.add(Fault(str(case), 0, "payload_orphan", f"a payload of event id {event}, which is not there"))


# --- anchors ----------------------------------------------------------------------------------------------------


def _anchor_chain(connection: BaseDatabaseWrapper, report: Report, outside: AnchorCopy | None) -> None:
    """Each anchor follows from the one before and covers exactly its entries."""
    us = log_reader.microseconds(connection.vendor)

    def say(anchor: int, message: str) -> None:
        report.add(Fault("", 0, "anchor", f"anchor {anchor}: {message}"))

    sql = (
        "SELECT anchor_id, case_id, seq, digest FROM casework_anchorentry WHERE (anchor_id, case_id) > (%s, %s) "
        "ORDER BY anchor_id, case_id LIMIT %s"
    )
    entries = _Peek(log_reader.rows(connection, sql, (0, 1), (-1, -1)), lambda row: row[0])
    sql = (
        "SELECT id, at, cases, prev_digest, entries_digest, digest, algorithm FROM casework_anchor "
        "WHERE id > %s ORDER BY id LIMIT %s"
    )
    sql = log_reader.as_text(connection, sql, "at")
    prev, found, last = "", None, 0
    for pk, at, cases, prev_digest, entries_digest, digest, algorithm in log_reader.rows(connection, sql, (0,), (-1,)):
        report.anchors += 1
        while (key := entries.key()) is not None and key < pk:
            say(key, f"there are entries ({sum(1 for _ in entries.of(key))}), but the anchor is gone")
        own = [(case, seq, head) for _pk, case, seq, head in entries.of(pk)]
        try:
            if prev_digest != prev:
                say(pk, "does not follow from the anchor before it")
            if algorithm not in chain.ALGORITHMS:
                say(pk, f"algorithm {algorithm!r} is not known")
                continue
            if len(own) != cases or chain.entries_digest(algorithm, own) != entries_digest:
                say(pk, f"its {len(own)} entries are not the {cases} that it was taken over")
            if digest != chain.anchor_digest(
                algorithm, at_us=us(at), cases=cases, entries_digest=entries_digest, prev_digest=prev_digest
            ):
                say(pk, "is not what its digest was taken over")
        except (ValueError, TypeError, OverflowError) as error:
            say(pk, f"cannot be read: {error}")
        finally:
            prev, last = digest, pk
        if outside is not None and pk == outside.id:
            found, report.vouched_to = digest, us(at)
    while (key := entries.key()) is not None:
        say(key, f"there are entries ({sum(1 for _ in entries.of(key))}), but the anchor is gone")
    if outside is None:
        return
    if found is None:
        say(outside.id, f"the outside copy is of an anchor that is not here (the last one here is {last})")
    elif found != outside.digest:
        say(outside.id, "is not the anchor that the outside copy shows: the log was rewritten after it left the house")


def _vouches(report: Report, anchor: AnchorCopy | None) -> str:
    if anchor is None:
        return (
            "No outside anchor was given: changes by somebody who could rewrite the whole database, anchors too, "
            "or cut the newest events with the heads of their cases, would not be seen."
        )
    when = f" of {_iso(report.vouched_to or anchor.at)}" if report.vouched_to or anchor.at else ""
    if not report.broken:
        return (
            f"With outside anchor {anchor.id}{when}: all up to that moment is as it was then. "
            "What came later is checked only against itself."
        )
    return f"With outside anchor {anchor.id}{when}: this log is not what it was then, or was damaged since."


def _iso(at_us: int) -> str:
    return from_us(at_us).isoformat(sep=" ", timespec="seconds")


# --- command ----------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Verify the event log."""
    from xiuhua.casework.models import Case

    parser = argparse.ArgumentParser(prog="xiuhua log verify", description=__doc__)
    parser.add_argument("--anchor", default="", help="outside anchor: a file of `log anchor`, or ID:DIGEST")
    parser.add_argument("--case", default="", help="number of the only case to verify")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(argv)
    try:
        anchor = read_anchor(options.anchor) if options.anchor else None
    except AnchorFileError as error:
        print(f"xiuhua log verify: {error}", file=sys.stderr)
        return 2
    case_id = None
    if options.case:
        case_id = Case.objects.filter(number=options.case).values_list("pk", flat=True).first()
        if case_id is None:
            print(f"xiuhua log verify: there is no case {options.case}", file=sys.stderr)
            return 2
    report = verify(anchor=anchor, case_id=case_id)
    if options.json:
        print(json.dumps({"ok": report.ok, **asdict(report)}, ensure_ascii=False))
    else:
        show(report)
    return 0 if report.ok else 1


def show(report: Report) -> None:
    rate = f"{report.events / report.seconds:,.0f} events/s" if report.seconds else "at once"
    print(
        f"{report.events:,} events of {report.cases:,} cases, {report.anchors:,} anchors, in {report.seconds:.1f} s ({rate})"
    )
    if report.erased or report.erasing:
        waiting = f"; {report.erasing:,} wait to be erased" if report.erasing else ""
        print(f"{report.erased:,} payloads were erased under later events{waiting}")
    for sentence in report.unguarded:
        print(f"UNGUARDED: {sentence} (`xiuhua migrate` puts it back)")
    if not report.broken:
        print("The log is whole.")
    else:
        print(f"BROKEN: {report.broken:,} faults. The first: {report.first}")
        for fault in report.faults[1:20]:
            print(f"  {fault}")
        if report.broken > 20:
            print(f"  and {report.broken - 20:,} more (--json lists {KEEP})")
    print(report.vouches)
