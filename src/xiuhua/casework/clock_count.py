"""What a clock says at an instant: deadline, marks, remaining and overdue time; pure and exact.

A deadline is the first instant at which the counted time reaches the limit. So a limit that is used up when
the office closes is due at closing time, not at the next opening. A fraction of a second is rounded up, for
the party. The limit is used up first, then each extension in its own unit, in the order of their granting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from xiuhua.casework.clock_state import MICRO, Calendar, ClockError, ClockState, Limit

#: Weights of units against each other, in seconds: used only for the share of a limit that mixes units.
NOMINAL = {"minute": 60, "hour": 3600, "day": 86400, "work_hour": 3600, "work_day": 28800}

Span = tuple[int, int | None]


class Piece(NamedTuple):
    """A stretch of running time: whole seconds `a` to `b`, and the amount of the part that it uses.

    `part` is None after the last part is used up: the time is overdue, and `b` None if it runs on.
    `full` marks the piece that uses up its part.
    """

    a: int
    b: int | None
    part: int | None
    amount: Fraction
    full: bool


def running_time(clock: ClockState, until: int | None = None, *, onward: bool = True) -> list[Span]:
    """Intervals (whole seconds) in which the clock runs, without pauses and clock orders, oldest first.

    1. Take the segments; with `onward`, a clock that ran when it was finished is let run on, which gives the
       deadline that was in force then.
    2. Take the clock orders out.
    3. Cut at `until` (seconds), if given.
    """
    spans: list[Span] = [(a // MICRO, None if b is None else b // MICRO) for a, b in clock.segments]
    if onward and clock.finished is not None and not clock.paused:
        spans[-1] = (spans[-1][0], None)
    for stop in clock.stops:
        start, to = stop.start // MICRO, None if stop.to is None else stop.to // MICRO
        spans = [rest for span in spans for rest in _without(span, start, to)]
    if until is not None:
        spans = [(a, until if b is None or b > until else b) for a, b in spans if a < until]
    return spans


def _without(span: Span, start: int, to: int | None) -> Iterator[Span]:
    a, b = span
    if a < start:
        yield (a, start if b is None or b > start else b)
        if b is not None and b <= start:
            return
    if to is not None and (b is None or b > to):
        yield (max(a, to), b)


def walk(spans: Iterable[Span], parts: Sequence[Limit], calendar: Calendar) -> Iterator[Piece]:
    """Use up `parts` in order over the running time `spans`."""
    index = 0
    left = parts[0].value
    for a, b in spans:
        cursor = a
        while index < len(parts):
            unit = parts[index].unit
            if b is not None and (got := calendar.between(cursor, b, unit)) < left:
                yield Piece(cursor, b, index, got, False)
                left -= got
                break
            end = calendar.after(cursor, left, unit)
            yield Piece(cursor, end, index, left, True)
            cursor, index = end, index + 1
            left = parts[index].value if index < len(parts) else Fraction(0)
        else:
            if b is None or cursor < b:
                yield Piece(cursor, b, None, Fraction(0), False)


def due(clock: ClockState, calendar: Calendar) -> int | None:
    """The deadline in UTC microseconds, on a whole second.

    None while the clock is paused, or stopped without an end, before the limit is used up. A clock that was
    finished while running keeps the deadline that was in force.
    """
    found = _reached(clock, clock.parts, calendar)
    return None if found is None else found * MICRO


def original_due(clock: ClockState, calendar: Calendar) -> int:
    """The deadline as first promised: without pauses, stops and extensions."""
    if clock.original_due is not None:
        return clock.original_due
    return calendar.after(clock.started // MICRO, clock.limit.value, clock.limit.unit) * MICRO


def marks(clock: ClockState, calendar: Calendar, percents: Iterable[int] = (50, 80, 100)) -> dict[int, int | None]:
    """For each percent of the limit with its extensions, the instant (UTC microseconds) at which it is used.

    None for what a paused clock has not reached. A limit that mixes units is weighed by `NOMINAL`.
    """
    result: dict[int, int | None] = {}
    for percent in percents:
        found = _reached(clock, _share(clock.parts, percent), calendar)
        result[percent] = None if found is None else found * MICRO
    return result


def _reached(clock: ClockState, parts: Sequence[Limit], calendar: Calendar) -> int | None:
    last = len(parts) - 1
    for piece in walk(running_time(clock), parts, calendar):
        if piece.full and piece.part == last:
            return piece.b
    return None


def _share(parts: Sequence[Limit], percent: int) -> list[Limit]:
    """The first `percent` of `parts`, above zero."""
    if percent <= 0:
        raise ClockError(f"a mark is above 0 %, not {percent}")
    whole = sum((_weight(p) for p in parts), Fraction(0))
    left = whole * Fraction(percent, 100)
    result: list[Limit] = []
    for i, part in enumerate(parts):
        weight = _weight(part)
        if left <= weight or i == len(parts) - 1:  # above 100 %: the last part runs on
            return [*result, part.times(left / weight)]
        result.append(part)
        left -= weight
    return result


def _weight(part: Limit) -> Fraction:
    return part.value * NOMINAL[part.unit]


def _now(clock: ClockState, now: int) -> int:
    """`now` in whole seconds, or the finish of a finished clock."""
    return (now if clock.finished is None else min(now, clock.finished)) // MICRO


def consumed(clock: ClockState, calendar: Calendar, now: int) -> Fraction:
    """Time counted until `now` in the unit of the limit (runs past the limit when overdue)."""
    unit = clock.limit.unit
    spans = running_time(clock, _now(clock, now))
    return sum((calendar.between(a, b, unit) for a, b in spans if b is not None), Fraction(0))


def used_share(clock: ClockState, calendar: Calendar, now: int) -> Fraction:
    """Used part of limit and extensions: 0 to 1, and above 1 when overdue (in the last part's unit)."""
    used, over = Fraction(0), Fraction(0)
    for piece in walk(running_time(clock, _now(clock, now)), clock.parts, calendar):
        assert piece.b is not None  # cut at now
        if piece.part is None:
            last = clock.parts[-1].unit
            over += calendar.between(piece.a, piece.b, last) * NOMINAL[last]
        else:
            used += piece.amount * NOMINAL[clock.parts[piece.part].unit]
    return (used + over) / sum((_weight(p) for p in clock.parts), Fraction(0))


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a clock at an instant.

    `parts`: amounts still unused, in order (empty when used up). `due`: deadline in UTC microseconds if the
    clock runs on, or is resumed at that instant. `wall_seconds`: seconds on the wall until then, at or below
    zero when used up. `office_seconds`: how many of them the clock runs in office hours.
    """

    parts: tuple[Limit, ...]
    due: int
    wall_seconds: int
    office_seconds: int = 0

    @property
    def value(self) -> Fraction:
        """Left in the unit `unit` (of the part in use; zero when used up)."""
        unit = self.unit
        return sum((p.value for p in self.parts if p.unit == unit), Fraction(0))

    @property
    def unit(self) -> str:
        return self.parts[0].unit if self.parts else "minute"


def remaining(clock: ClockState, calendar: Calendar, now: int) -> Remaining:
    """What is left at `now` (or at the finish), as if a paused or stopped clock were resumed then."""
    second = _now(clock, now)
    pieces = list(walk(running_time(clock, second), clock.parts, calendar))
    last = len(clock.parts) - 1
    for piece in pieces:
        if piece.full and piece.part == last:
            assert piece.b is not None  # a used-up part has an end
            return Remaining((), piece.b * MICRO, piece.b - second)
    index = max((p.part + p.full for p in pieces if p.part is not None), default=0)
    used = sum((p.amount for p in pieces if p.part == index), Fraction(0))
    part = clock.parts[index]
    left = (Limit(part.value - used, part.unit), *clock.parts[index + 1 :])
    onward: list[Span] = [(second, None)]
    for stop in clock.stops:
        if stop.to is not None:
            onward = [s for span in onward for s in _without(span, stop.start // MICRO, stop.to // MICRO)]
    end, office = second, Fraction(0)
    for piece in walk(onward, left, calendar):
        if piece.part is None or piece.b is None:
            break
        end = piece.b
        office += calendar.between(piece.a, piece.b, "work_hour")
    return Remaining(left, end * MICRO, end - second, int(office * 3600))


def overdue_seconds(clock: ClockState, calendar: Calendar, now: int) -> int:
    """Seconds on the wall from the deadline to `now` or the finish, without pauses and clock orders."""
    spans = running_time(clock, _now(clock, now))
    return sum(p.b - p.a for p in walk(spans, clock.parts, calendar) if p.part is None and p.b is not None)


def is_overdue(clock: ClockState, calendar: Calendar, now: int) -> bool:
    """Whether the clock ran beyond its limit; in the very second of the deadline it is still in time."""
    return overdue_seconds(clock, calendar, now) > 0
