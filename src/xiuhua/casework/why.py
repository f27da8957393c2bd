"""Why a deadline is where it is: the life of a clock as segments, and what each counted towards the limit.

The counted amounts of the segments before the deadline add up to the limit and its extensions, part by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from xiuhua.casework.clock_count import Piece, Span, due, running_time, walk
from xiuhua.casework.clock_state import MICRO, Calendar, ClockState

RUNNING = "running"
PAUSED = "paused"  # reason: code given by the procedure
STOPPED = "stopped"  # reason: the clock order
CLOSED_HOURS, WEEKEND, HOLIDAY = "closed_hours", "weekend", "holiday"  # reason of a holiday: its name
OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Segment:
    """From `start` to `to` (UTC microseconds), with the amount of `unit` counted towards part `part`.

    Part 0 is the limit, 1 the first extension and so on; `planned` is in the future.
    """

    kind: str
    start: int
    to: int
    counted: Fraction
    unit: str
    part: int
    reason: str = ""
    reason_en: str = ""
    planned: bool = False


def segments(clock: ClockState, calendar: Calendar, now: int) -> list[Segment]:
    """The segments from the start to the deadline, or to `now` when paused or overdue, or to the finish.

    1. Running time is used up part by part; in working units it is cut at office hours.
    2. Pauses and clock orders are laid in the gaps; where both hold, it is a pause.
    3. What crosses `now` is cut there, so that each segment is past or planned.
    """
    now = now // MICRO
    end = _horizon(clock, calendar, now)
    spans = running_time(clock, end, onward=False)
    found = [s for piece in walk(spans, clock.parts, calendar) for s in _running(clock, piece, calendar, now)]
    found += _pauses(clock, end, now) + _stops(clock, end, now)
    found.sort(key=lambda s: (s.start, s.to))
    return _with_parts(clock, [s for s in found if s.start < s.to])


def total(found: list[Segment], part: int) -> Fraction:
    """What the segments counted towards one part."""
    return sum((s.counted for s in found if s.part == part), Fraction(0))


def _horizon(clock: ClockState, calendar: Calendar, now: int) -> int:
    if clock.finished is not None:
        return clock.finished // MICRO
    deadline = due(clock, calendar)
    return now if deadline is None else max(now, deadline // MICRO)


def _running(clock: ClockState, piece: Piece, calendar: Calendar, now: int) -> Iterator[Segment]:
    assert piece.b is not None  # cut at the horizon
    if piece.part is None:
        last = len(clock.parts) - 1
        for a, b in _cut(piece.a, piece.b, now):
            yield _segment(OVERDUE, a, b, now, unit=clock.parts[last].unit, part=last)
        return
    unit, left = clock.parts[piece.part].unit, piece.amount
    for a, b, kind, zh, en in _stretches(piece.a, piece.b, unit, calendar):
        if kind != "office":
            for c, d in _cut(a, b, now):
                yield _segment(kind, c, d, now, unit=unit, part=piece.part, reason=zh, reason_en=en)
            continue
        for c, d in _cut(a, b, now):
            counted = min(left, calendar.between(c, d, unit))  # the last second may be counted in part only
            left -= counted
            yield _segment(RUNNING, c, d, now, counted=counted, unit=unit, part=piece.part)


def _stretches(a: int, b: int, unit: str, calendar: Calendar) -> list[tuple[int, int, str, str, str]]:
    if unit in ("work_hour", "work_day"):
        return [(s[0], s[1], s[2], s[3], s[4]) for s in calendar.stretches(a, b)]
    return [(a, b, "office", "", "")]


def _pauses(clock: ClockState, end: int, now: int) -> list[Segment]:
    return [
        _segment(PAUSED, a, b, now, reason=pause.reason)
        for pause in clock.pauses
        for a, b in _cut(pause.start // MICRO, end if pause.to is None else pause.to // MICRO, now)
    ]


def _stops(clock: ClockState, end: int, now: int) -> list[Segment]:
    """Clock orders within running segments; of two that overlap the earlier one is named."""
    found: list[Segment] = []
    taken = clock.started // MICRO
    for stop in clock.stops:
        start = max(stop.start // MICRO, taken)
        to = end if stop.to is None else min(stop.to // MICRO, end)
        taken = max(taken, to)
        for a, b in _spans(clock, end):
            for c, d in _cut(max(a, start), min(b, to), now):
                found.append(_segment(STOPPED, c, d, now, reason=stop.ref))
    return found


def _spans(clock: ClockState, end: int) -> list[tuple[int, int]]:
    spans: list[Span] = [(a // MICRO, None if b is None else b // MICRO) for a, b in clock.segments]
    return [(a, end if b is None else b) for a, b in spans]


def _cut(a: int, b: int, now: int) -> list[tuple[int, int]]:
    if a >= b:
        return []
    return [(a, now), (now, b)] if a < now < b else [(a, b)]


def _segment(
    kind: str,
    a: int,
    b: int,
    now: int,
    *,
    counted: Fraction = Fraction(0),
    unit: str = "",
    part: int = -1,
    reason: str = "",
    reason_en: str = "",
) -> Segment:
    return Segment(kind, a * MICRO, b * MICRO, counted, unit, part, reason, reason_en or reason, a >= now)


def _with_parts(clock: ClockState, found: list[Segment]) -> list[Segment]:
    """Pauses and stops belong to the part that was in use."""
    result: list[Segment] = []
    part = 0
    for one in found:
        part = one.part if one.part >= 0 else part
        result.append(replace(one, part=part, unit=clock.parts[part].unit))
    return result
