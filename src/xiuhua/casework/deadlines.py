"""Deadlines of a case from its clocks: the columns that lists sort by, and the outbox rows that watch them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from xiuhua.casework import clock, clock_count, library, write
from xiuhua.casework.models import Case
from xiuhua.casework.moments import from_us
from xiuhua.casework.procedures import Procedure
from xiuhua.city.calendar import WorkCalendar, calendar_for

#: The shortest limit that can be given: what is left of a clock that is already used up.
LEAST = clock.Limit(Fraction(1, 60), "minute")


def left_of_parent(parent: Case, calendar: WorkCalendar, at: int) -> clock.Limit:
    """What is left of the parent's main clock: a child under one clock is due when its parent is."""
    rules = library.version(parent.procedure_id)
    rule = rules.main_clock(parent.state) if parent.state in rules.states else None
    own = clock.from_json(parent.clocks)
    if rule is None or rule.code not in own:
        return LEAST
    left = clock_count.remaining(own[rule.code], calendar, at)
    value = left.value
    return clock.Limit(value, left.unit) if value > 0 else LEAST


def due_columns(clocks: Mapping[str, clock.ClockState], rules: Procedure, calendar: WorkCalendar) -> dict[str, Any]:
    """The deadlines that lists sort by, from the clocks as they are."""
    dues = {n: clock_count.due(c, calendar) for n, c in clocks.items() if c.finished is None and c.running}
    stage = {n: d for n, d in dues.items() if d is not None and n in rules.clocks and rules.clocks[n].layer == "stage"}
    first = min(stage, key=lambda n: (stage[n], n)) if stage else ""
    main = next((n for n, r in rules.clocks.items() if r.main), "")
    total = next((n for n, r in rules.clocks.items() if r.layer == "total"), "")
    waits = any(c.finished is None and c.paused and _is_stage(rules, n) for n, c in clocks.items())

    def moment(name: str) -> datetime | None:
        own = clocks.get(name)
        value = clock_count.due(own, calendar) if own is not None else None
        return None if value is None else from_us(value)

    return {
        "due_at": from_us(stage[first]) if first else None,
        "due_clock": first,
        "handling_due_at": moment(main),
        "total_due_at": moment(total),
        "paused": not first and waits,
    }


def _is_stage(rules: Procedure, name: str) -> bool:
    return name in rules.clocks and rules.clocks[name].layer == "stage"


def calendar_of(case: Case, state: clock.ClockState) -> WorkCalendar:
    """The calendar on which a clock counts: one that ended before a hand-over, that of the platform it ran on."""
    for platform_id, until in case.facts.get("came_from", ()):
        if (
            state.finished is not None
            and state.finished <= until
            and state.started < until // clock.MICRO * clock.MICRO
        ):
            return calendar_for(platform_id, state.calendar)
    return calendar_for(case.platform_id, state.calendar)


def timers(
    case: Case, clocks: Mapping[str, clock.ClockState], rules: Procedure, calendar: WorkCalendar
) -> list[dict[str, Any]]:
    """Outbox rows for warnings and expiries of the running clocks; keyed, so making them twice makes them once."""
    rows = []
    for name, state in clocks.items():
        rule = rules.clocks.get(name)
        if rule is None or not state.running or rule.layer == "total":
            continue
        for percent, at in clock_count.marks(state, calendar, rule.warn).items():
            if at is not None:
                key = f"warn:{case.id}:{name}:{state.round}:{percent}:{at}"
                about = {"clock": name, "round": state.round, "percent": percent, "at": at}
                rows.append(write.outbox_row(key, "clock_warning", from_us(at), case.id, about))
        due = clock_count.due(state, calendar)
        if rule.expire and due is not None:
            key = f"expire:{case.id}:{name}:{state.round}:{due}"
            about = {"clock": name, "round": state.round, "action": rule.expire, "at": due}
            rows.append(write.outbox_row(key, "clock_expired", from_us(due), case.id, about))
    return rows
