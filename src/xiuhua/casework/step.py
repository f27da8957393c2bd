"""One step of a case: from a checked action to the rows of one change document.

Pure arithmetic between the reading and the writing statement of `engine.advance`: no query, no file, no network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.conf import settings

from xiuhua.casework import builtin, chain, clock, clock_orders, deadlines, projection, registry, write
from xiuhua.casework.answers import HandOver, Prepared
from xiuhua.casework.context import NOTHING, Change, Context, Extra
from xiuhua.casework.ids import new_id
from xiuhua.casework.models import Case
from xiuhua.casework.moments import to_us
from xiuhua.casework.procedures import Action, Procedure, Spawn
from xiuhua.city import categories
from xiuhua.city.access import Actor
from xiuhua.city.calendar import calendar_for


@dataclass
class Written:
    """The case after the step, the document to write, and outbox keys to deliver at once after the commit."""

    case: Case
    document: write.Document
    at_once: list[str] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    told: bool = True  # whether listeners hear of it


def blank_case(rules: Procedure, version: int, platform_id: int) -> Case:
    """A case before its first event."""
    case = Case(id=new_id(), number="", seq=0)
    case.platform_id = platform_id
    case.procedure_id = version
    case.procedure_code = rules.code
    case.state = ""
    return case


def resolve(value: Any, context: Context) -> Any:
    """``$field`` -> the answer, ``$case.column`` -> a column, ``$actor`` -> the user id; deep."""
    if isinstance(value, Mapping):
        return {k: resolve(v, context) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(v, context) for v in value]
    if isinstance(value, str) and value.startswith("$"):
        name = value[1:]
        if name == "actor":
            return context.actor.user_id
        if name.startswith("case."):
            return getattr(context.case, projection.attname(name[5:]))
        return context.data.get(name)
    return value


def needs_answers(value: Any) -> bool:
    """Whether arguments name a form field, so that they say nothing before the form is filled in."""
    if isinstance(value, Mapping):
        return any(needs_answers(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(needs_answers(v) for v in value)
    return isinstance(value, str) and value.startswith("$") and value != "$actor" and not value.startswith("$case.")


def take(
    case: Case,
    rules: Procedure,
    act: Action,
    actor: Actor,
    prepared: Prepared,
    now: datetime,
    *,
    is_new: bool = False,
    batch: str = "",
    hold: timedelta | None = None,
    extra: Extra = NOTHING,
    told: bool = True,
) -> Written:
    """The whole change of one action: its event, its children's first events, effects."""
    written = Written(case, write.Document(), told=told)
    written.case = _append(
        written, case, rules, act, actor, prepared, now, is_new=is_new, batch=batch, hold=hold, extra=extra
    )
    return written


def _append(
    written: Written,
    case: Case,
    rules: Procedure,
    act: Action,
    actor: Actor,
    prepared: Prepared,
    now: datetime,
    *,
    is_new: bool,
    batch: str = "",
    hold: timedelta | None = None,
    extra: Extra = NOTHING,
    parent: Case | None = None,
    first: dict[str, Any] | None = None,
) -> Case:
    """1. collect changes; 2. plan children; 3. move clocks; 4. say who holds next; 5. chain the event."""
    calendar = extra.calendar or calendar_for(case.platform_id)
    event_id = new_id()
    context = Context(case, rules, act, actor, prepared.answers, now, calendar, parent=parent, extra=extra)
    change = Change(extra.to_state or act.to or case.state, note=dict(extra.note), ops=list(extra.ops))
    change.columns.update(first or {})
    change.columns.update(extra.columns)
    change.columns.update(prepared.columns)
    change.texts.update({**extra.texts, **prepared.texts})
    if extra.undo:
        change.hands = change.columns.pop("hands", None)
    if is_new:
        change.columns.update(_birth(case, actor))
    if act.assigns:
        change.columns.update(_assigned(act, context))
    for call in act.effects:
        registry.run_effect(call.name, context, change, resolve(call.args, context))
    if extra.child:
        _note_ended_child(context, change, extra.child)
    if prepared.hand_over is not None:  # from here on the rules and the calendar of the receiving platform
        rules = _hand_over(context, change, prepared.hand_over)
        calendar = calendar_for(prepared.hand_over.platform_id)
        context = replace(context, procedure=rules, calendar=calendar)

    state = rules.states.get(change.to_state)
    entered = is_new or change.to_state != case.state
    _collect(context, change, state, entered)
    made = _children(written, context, change, rules, act, prepared, event_id)

    ops, clocks = _clocks(context, change, rules, state, entered, parent)
    if ops:
        change.columns.update(deadlines.due_columns(clocks, rules, calendar))
    if extra.undo:
        pass  # who holds and until when stands in the difference that is taken back
    elif state is not None:
        change.columns.update(_held(case, change, state))
        if state.final and case.open:
            change.set(closed_at=now)
    elif change.to_state == builtin.CANCELLED:
        change.columns.update(builtin.cancelled_columns(now))

    if written.told and not extra.undo:
        registry.tell_listeners(context, change)
    return _chain(written, context, change, ops, clocks, made, event_id, prepared, is_new, batch, hold)


def _birth(case: Case, actor: Actor) -> dict[str, Any]:
    return {
        "platform_id": case.platform_id,
        "procedure_id": case.procedure_id,
        "procedure_code": case.procedure_code,
        "created_by_id": actor.user_id,
        "parent_id": case.parent_id,
        "relation": case.relation,
        "lead": case.lead,
    }


def _assigned(act: Action, context: Context) -> dict[str, Any]:
    assert act.assigns is not None
    columns: dict[str, Any] = {}
    if "organisation" in act.assigns.clear:
        columns["responsible_org_id"] = None
    if "user" in act.assigns.clear:
        columns["holder_user_id"] = None
    if act.assigns.organisation:
        columns["responsible_org_id"] = resolve(act.assigns.organisation, context)
    if act.assigns.user:
        columns["holder_user_id"] = resolve(act.assigns.user, context)
    return columns


def _hand_over(context: Context, change: Change, to: HandOver) -> Procedure:
    """The case goes to another platform; where it came from, and until when, stays with it."""
    case = context.case
    change.set(platform_id=to.platform_id, procedure_id=to.version)
    trail = [*case.facts.get("came_from", []), [case.platform_id, to_us(context.now)]]
    change.set(facts={**change.columns.get("facts", {}), "came_from": trail})
    change.note.update(platform=[case.platform_id, to.platform_id])
    return to.rules


def _held(case: Case, change: Change, state: Any) -> dict[str, Any]:
    """Columns that follow from the state: stage, who holds, whether it has ended."""

    def now_is(column: str) -> Any:
        return change.columns.get(column, getattr(case, column))

    holder = state.holder
    columns: dict[str, Any] = {
        "stage": state.stage,
        "open": not state.final,
        "outcome": (state.outcome or state.code) if state.final else "",
        "holder_role": (holder.role or "") if holder else "",
        "holder_org_id": None,
        "holder_user_id": None,
    }
    if holder is not None:
        if holder.organisation == "responsible_org":
            columns["holder_org_id"] = now_is("responsible_org_id")
        if holder.user == "holder_user":
            columns["holder_user_id"] = now_is("holder_user_id")
        elif holder.user == "created_by":
            columns["holder_user_id"] = now_is("created_by_id")
    return columns


def _collect(context: Context, change: Change, state: Any, entered: bool) -> None:
    """Seats of a collect state: made when it is entered, marked when a hand acts."""
    if change.hands is not None or context.extra.undo:
        return
    before = context.procedure.states.get(context.case.state)
    if before is not None and before.collect and before.collect.action == context.action.code:
        change.hands = builtin.mark_hand(context, before.collect)
        if choice := builtin.tally(change.hands, before.collect.tally):
            change.send("tally", before.collect.then["yes" if choice == "yes" else "no"])
    elif entered and state is not None and state.collect:
        change.hands = builtin.hands_of(context.data.get(state.collect.source), context.case.seq + 1)
    elif entered and context.case.hands:
        change.hands = []


def ended(children: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """The count of children after one of them has ended."""
    kept = copy.deepcopy(children)
    entry = kept.setdefault(child["relation"], {"made": 0, "open": 0, "lead_open": 0, "outcomes": {}})
    entry["open"] = max(0, entry["open"] - 1)
    if child.get("lead"):
        entry["lead_open"] = max(0, entry["lead_open"] - 1)
    entry["outcomes"][child["outcome"]] = entry["outcomes"].get(child["outcome"], 0) + 1
    return kept


def _note_ended_child(context: Context, change: Change, child: dict[str, Any]) -> None:
    change.set(children_open=ended(context.case.children_open, child))
    change.note.update(child=child["number"], outcome=child["outcome"])


def _children(
    written: Written,
    context: Context,
    change: Change,
    rules: Procedure,
    act: Action,
    prepared: Prepared,
    event_id: int,
) -> list[Case]:
    """Make the first event of every child in the same document."""
    case, made = context.case, []
    kept = copy.deepcopy(change.columns.get("children_open", case.children_open))
    count = case.children_made
    for plan in prepared.children:
        count += 1
        lead = bool(resolve(plan.spawn.lead, context)) if isinstance(plan.spawn.lead, str) else plan.spawn.lead
        fresh = blank_case(plan.rules, plan.version, plan.platform_id)
        fresh.id, fresh.number = plan.case_id, f"{case.number}-{count:02d}"
        fresh.parent_id, fresh.relation, fresh.lead = case.id, plan.spawn.relation, lead
        made.append(
            _append(
                written,
                fresh,
                plan.rules,
                plan.action,
                context.actor,
                plan.prepared,
                context.now,
                is_new=True,
                parent=case,
                first={**_inherited(case, change), **_joining(plan.spawn)},
            )
        )
        entry = kept.setdefault(plan.spawn.relation, {"made": 0, "open": 0, "lead_open": 0, "outcomes": {}})
        entry["made"] += 1
        if not plan.spawn.independent:
            entry["open"] += 1
            entry["lead_open"] += bool(lead)
    if made:
        change.set(children_open=kept, children_made=count)
    return made


_SHARED = (
    "scheme", "kind", "category_id", "condition_id", "component_code", "urgency", "lon_e7", "lat_e7", "datum",
    "accuracy_m", "grid", "responsibility_grid", "community", "sub_district", "county", "responsible_org_id",
)  # fmt: skip


def _inherited(parent: Case, change: Change) -> dict[str, Any]:
    """What a child takes from its parent unless its own form says otherwise; words are read from the parent."""
    return {c: change.columns.get(c, getattr(parent, c)) for c in _SHARED} | {"source": "parent"}


def _joining(spawn: Spawn) -> dict[str, Any]:
    ends = {outcome: [end.action, end.data] for outcome, end in spawn.on_end.items()}
    facts: dict[str, Any] = {"on_end": ends}
    if spawn.independent:
        facts["independent"] = True
    return {"facts": facts}


def _clocks(
    context: Context, change: Change, rules: Procedure, state: Any, entered: bool, parent: Case | None
) -> tuple[list[Any], dict[str, clock.ClockState]]:
    """Operations of this step and the clocks after it."""
    case, act, at = context.case, context.action, to_us(context.now)
    clocks = clock.from_json(case.clocks)
    ops: list[Any] = []
    if context.extra.undo:
        return [], {}

    def do(more: list[Any]) -> None:
        nonlocal clocks
        for op in more:
            clocks = clock.apply(clocks, op, at)
        ops.extend(more)

    if act.clocks:
        do([["take_back", name] for name in act.clocks.take_back if name in clocks])
        if act.clocks.extend and act.clocks.extend.clock in clocks:
            more = act.clocks.extend
            target = clocks[more.clock]
            amount = (
                target.limit
                if more.by == "original"
                else clock.Limit.of(str(resolve(more.value, context)), str(resolve(more.unit, context)))
            )
            do([["extend", more.clock, amount.to_json()]])
    do(change.ops)
    restart = {*change.restart, *(act.clocks.restart if act.clocks else ())}
    if state is not None and state.final:
        do([["finish", name] for name, c in clocks.items() if c.finished is None])
    elif state is not None and (entered or restart):
        pause = [name for name in state.pause if name in clocks]
        run = list(state.run)
        if any(spawn.pauses_parent for spawn in act.spawn) and not entered:
            pause, run = [*pause, *run], []
        limits = {
            name: limit for name in run if (limit := _limit(rules, name, context, change, clocks, parent)) is not None
        }
        run = [n for n in run if n in limits or (n in clocks and clocks[n].finished is None and n not in restart)]
        do(
            clock.enter_state(
                clocks,
                run,
                pause,
                limits,
                at,
                keep=state.keep,
                restart=restart & set(limits),
                reason=change.to_state,
                calendar=context.calendar,
                urgency=str(change.columns.get("urgency", case.urgency)),
                stops=clock_orders.stops_for({**vars(case), **change.columns}, at),
            )
        )
    elif change.to_state == builtin.CANCELLED:
        do([["finish", name] for name, c in clocks.items() if c.finished is None])
    if "platform_id" in change.columns and any(c.finished is None for c in clocks.values()) and case.seq:
        do([["recount", context.calendar.version]])  # handed over: what goes on counts on the receiver's calendar
    return ops, clocks


def _limit(
    rules: Procedure,
    name: str,
    context: Context,
    change: Change,
    clocks: Mapping[str, clock.ClockState],
    parent: Case | None,
) -> clock.Limit | None:
    """The limit with which a clock starts now; None when the case has none yet (no file condition)."""
    limit, at = rules.clocks[name].limit, to_us(context.now)
    if limit.kind == "amount":
        amount = limit.amount(str(change.columns.get("urgency", context.case.urgency)))
        return clock.Limit.of(amount.value, amount.unit)
    if limit.kind == "condition":
        pk = change.columns.get("condition_id", context.case.condition_id)
        row = categories.catalogue().conditions.get(pk) if pk else None
        if row is None or row.limit_value is None:
            return None
        return clock.Limit.of(row.limit_value, row.limit_unit)
    if limit.kind == "of" and limit.ratio is not None:
        base = (
            clocks[limit.of].limit if limit.of in clocks else _limit(rules, limit.of, context, change, clocks, parent)
        )
        return base.times(limit.ratio) if base else None
    if limit.kind == "parent":
        return deadlines.left_of_parent(parent, context.calendar, at) if parent is not None else None
    value = context.data.get(limit.until) or context.case.facts.get(limit.until)
    if value:
        seconds = (builtin.end_of(value) - context.now) // timedelta(seconds=1)
        return clock.Limit(Fraction(max(seconds, 1), 60), "minute")
    return None


def _chain(
    written: Written,
    context: Context,
    change: Change,
    ops: list[Any],
    clocks: Mapping[str, clock.ClockState],
    made: list[Case],
    event_id: int,
    prepared: Prepared,
    is_new: bool,
    batch: str,
    hold: timedelta | None,
) -> Case:
    """Append the event, update the projection, queue the effects."""
    case, now = context.case, context.now
    document, algorithm = written.document, settings.DIGEST
    columns = {projection.attname(c): v for c, v in change.columns.items()}
    facts = {} if context.extra.undo else {**columns.pop("facts", {}), **prepared.facts}
    if change.hands is not None:
        columns["hands"] = change.hands
    if prepared.files:
        change.note["files"] = [f.sha256 for f in prepared.files]
    body: dict[str, Any] = {
        "set": {c: projection.encode(c, v) for c, v in columns.items() if is_new or getattr(case, c) != v}
    }
    for name, value in (
        ("clk", ops),
        ("facts", facts),
        ("note", change.note),
        ("spawn", [str(c.id) for c in made]),
    ):
        if value:
            body[name] = value
    if ops:
        body["calendar"] = context.calendar.version
    if context.extra.erased:
        body["erased"] = context.extra.erased
    if context.extra.undo:
        body["undo"] = context.extra.undo
    payload = (
        chain.canonical({"answers": prepared.stored, "text": change.texts}) if (prepared.stored or change.texts) else ""
    )
    salt = chain.new_salt() if payload else ""
    sealed = chain.payload_digest(algorithm, salt, payload) if payload else ""
    event = {
        "action": context.action.code,
        "actor": context.actor.ref,
        "from_state": case.state,
        "to_state": change.to_state,
        "batch": batch,
        "payload_digest": sealed,
        "prev_digest": case.head_digest,
        "body": chain.canonical(body),
        "seq": case.seq + 1,
        "version": chain.VERSION,
        "algorithm": algorithm,
    }
    digest = chain.event_digest(id=event_id, case=case.id, at_us=to_us(now), **event)  # type: ignore[arg-type]
    document.add(
        "events", id=event_id, case_id=case.id, at=now, actor_user_id=context.actor.user_id, digest=digest, **event
    )
    if payload:
        document.add("payloads", event_id=event_id, case_id=case.id, salt=salt, body=payload, erased_at=None)

    after = copy.copy(case)
    after.clocks = copy.deepcopy(case.clocks)
    projection.apply(
        after, seq=case.seq + 1, at=now, to_state=change.to_state, digest=digest, body=body, texts=change.texts
    )
    row = write.case_row(after)
    if is_new:
        document.add("new_cases", **row)
    else:
        document.add("cases", **row, seen=case.seq)
    _side_rows(written, context, change, after, event_id, prepared, columns)
    _effects(written, context, change, after, clocks if ops else {}, event_id, hold)
    return after


def _side_rows(
    written: Written,
    context: Context,
    change: Change,
    after: Case,
    event_id: int,
    prepared: Prepared,
    columns: Mapping[str, Any],
) -> None:
    document, case = written.document, context.case
    for item in prepared.personal:
        document.add(
            "personal", case_id=after.id, field=item.field, kind=item.kind, cipher=item.cipher, lookup=item.lookup
        )
    for file in prepared.files:
        if file.case_id is None:
            document.add("attachments", id=file.pk, case_id=after.id, event_id=event_id, stage=file.stage)
    for hand in [*(change.hands or []), *_gone(case.hands, change.hands)]:
        document.add(
            "hands",
            case_id=after.id,
            slot=hand["slot"],
            role=hand.get("role") or "",
            organisation_id=hand.get("organisation"),
            user_id=hand.get("user"),
            choice=hand.get("choice") or "",
            open=not hand.get("choice") and hand in (change.hands or []),
        )
    parties = {("organisation", columns.get(c)) for c in ("holder_org_id", "responsible_org_id") if columns.get(c)} | {
        ("user", columns.get(c)) for c in ("holder_user_id", "created_by_id") if columns.get(c)
    }
    parties |= {("user", h["user"]) for h in change.hands or [] if h.get("user")}
    readers = {(after.id, kind, pk) for kind, pk in parties}
    # A platform keeps what it gave away and sees what concerns it: tasks it asked of others, cases asked of it.
    if prepared.hand_over is not None:
        readers.add((after.id, "platform", case.platform_id))
        readers |= {(pk, "platform", after.platform_id) for pk in prepared.hand_over.below}
    for plan in prepared.children:
        if plan.platform_id != after.platform_id:
            readers |= {(after.id, "platform", plan.platform_id), (plan.case_id, "platform", after.platform_id)}
    for case_id, kind, pk in sorted(readers):
        of = {f"{name}_id": pk if name == kind else None for name in ("organisation", "user", "platform")}
        document.add("parties", case_id=case_id, **of)


def _gone(before: list[dict[str, Any]], after: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Hands that were open and are no longer asked."""
    if after is None:
        return []
    slots = {h["slot"] for h in after}
    return [h for h in before if h["slot"] not in slots and not h.get("choice")]


def _has_open(case: Case) -> bool:
    return any(entry["open"] for entry in case.children_open.values())


def _effects(
    written: Written,
    context: Context,
    change: Change,
    after: Case,
    moved: Mapping[str, clock.ClockState],
    event_id: int,
    hold: timedelta | None,
) -> None:
    document, now = written.document, context.now
    start = now + hold if hold else now
    if context.extra.undo:
        moved = clock.from_json(after.clocks)
    rows = deadlines.timers(after, moved, context.procedure, context.calendar)
    for kind, about, at, payload in change.outbox:
        key = f"{kind}:{event_id}:{about}"
        rows.append(write.outbox_row(key, kind, at or start, after.id, {**payload, "about": about}))
    if context.case.open and not after.open and context.case.seq and not context.extra.undo:
        joins = after.parent_id is not None and not after.facts.get("independent")
        if joins and after.state != builtin.CANCELLED:
            rows.append(
                write.outbox_row(f"join:{after.id}:{after.seq}", "join", start, after.id, {"event": str(event_id)})
            )
        if _has_open(after):
            rows.append(write.outbox_row(f"cancel_children:{event_id}", "cancel_children", start, after.id))
    elif moved and _has_open(context.case) and _has_open(after):
        rows.append(write.outbox_row(f"share_clock:{event_id}", "share_clock", start, after.id))
    for row in rows:
        document.add("outbox", **row)
        if row["kind"] in builtin.AT_ONCE and not hold:
            written.at_once.append(row["key"])
