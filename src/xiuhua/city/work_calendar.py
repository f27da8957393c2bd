"""The work calendar: which seconds are office time; pure, immutable and exact.

Counted in Asia/Shanghai, which has stood at UTC+8 without summer time since 1992; instants are whole seconds
UTC. Working days follow the notices of the State Council (公共假日与调休); a year without one is *assumed* to
follow the weekday rule, and says so. One `work_day` is that day's whole office time, whatever its length.

Counting goes by monotone maps, each a bisection over a cumulative array: instant -> office seconds ->
working days. Their inverses take the *first* instant that reaches an amount, so a limit used up at closing
time is due at closing time and not at the next opening.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import NamedTuple

FIRST = date(2004, 1, 1)  # the first year that the package `chinesecalendar` knows
END = date(2064, 1, 1)  # exclusive
DAY = 86400
OFFSET = 8 * 3600
EPOCH = date(1970, 1, 1).toordinal()
CONTINUOUS = {"minute": 60, "hour": 3600, "day": DAY}
OFFICE = ("work_hour", "work_day")

ANNOUNCED, ASSUMED, UNKNOWN = "announced", "assumed", "unknown"

Slot = tuple[int, int]  # seconds of the local day, from and to


class CalendarRangeError(ValueError):
    """An instant outside the years of the calendar."""


@dataclass(frozen=True, slots=True)
class Day:
    """One listed day: a day off, or a weekend day that is worked."""

    work: bool
    name: str
    name_en: str = ""


@dataclass(frozen=True, slots=True)
class Season:
    """Office hours from one day of the year to another, both included; may run over New Year."""

    start: tuple[int, int]  # month, day
    to: tuple[int, int]
    slots: tuple[Slot, ...]

    def holds(self, month: int, day: int) -> bool:
        if self.start <= self.to:
            return self.start <= (month, day) <= self.to
        return (month, day) >= self.start or (month, day) <= self.to


@dataclass(frozen=True, slots=True)
class OfficeProfile:
    """The seasons of a year; every day of the year belongs to exactly one.

    Raises ValueError with what overlaps or is missing.
    """

    seasons: tuple[Season, ...]
    sample: bool = False

    def __post_init__(self) -> None:
        for season in self.seasons:
            last = 0
            if not season.slots:
                raise ValueError(f"season {_md(season.start)} to {_md(season.to)} has no office hours")
            for a, b in season.slots:
                if not last <= a < b <= DAY:
                    raise ValueError(
                        f"season {_md(season.start)} to {_md(season.to)}: "
                        "office hours must follow each other within one day"
                    )
                last = b
        for day in range(366):
            there = date(2024, 1, 1) + timedelta(days=day)
            found = sum(season.holds(there.month, there.day) for season in self.seasons)
            if found != 1:
                fault = "no season" if found == 0 else f"{found} seasons"
                raise ValueError(f"{_md((there.month, there.day))} belongs to {fault}")

    def slots(self, month: int, day: int) -> tuple[Slot, ...]:
        return next(season.slots for season in self.seasons if season.holds(month, day))


def _md(pair: tuple[int, int]) -> str:
    return f"{pair[0]:02}-{pair[1]:02}"


class Stretch(NamedTuple):
    """Whole seconds `a` to `b` of one kind: office, closed_hours, weekend or holiday (with its names)."""

    a: int
    b: int
    kind: str
    name: str = ""
    name_en: str = ""


@dataclass(frozen=True, eq=False)
class WorkCalendar:
    """Counts office time.

    `version`: id of the newest notice that counts, 0 for the package only. `days`: listed days. `years`: year
    -> announced or assumed (absent: assumed). `profiles`: (first day, profile), rising, from `FIRST` on.
    """

    version: int
    days: Mapping[date, Day] = field(repr=False)
    years: Mapping[int, str] = field(repr=False)
    profiles: Sequence[tuple[date, OfficeProfile]] = field(repr=False)
    _starts: array[int] = field(init=False, repr=False)  # slot -> opening second
    _before: array[int] = field(init=False, repr=False)  # slot -> office seconds before it, one more at the end
    _worked: array[int] = field(init=False, repr=False)  # working day -> office seconds before it, one more

    def __post_init__(self) -> None:
        if not self.profiles or self.profiles[0][0] > FIRST:
            raise ValueError("office hours must be given from the first day of the calendar")
        starts, before, worked = array("q"), array("q", [0]), array("q", [0])
        firsts = [first for first, _ in self.profiles]
        tables = [
            {(m, d): p.slots(m, d) for m in range(1, 13) for d in range(1, _LENGTHS[m - 1] + 1)}
            for _, p in self.profiles
        ]
        total = 0
        for ordinal in range(FIRST.toordinal(), END.toordinal()):
            day = date.fromordinal(ordinal)
            if not self.is_workday(day):
                continue
            midnight = (ordinal - EPOCH) * DAY - OFFSET
            for a, b in tables[bisect_right(firsts, day) - 1][day.month, day.day]:
                starts.append(midnight + a)
                total += b - a
                before.append(total)
            worked.append(total)
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_before", before)
        object.__setattr__(self, "_worked", worked)

    # -------------------------------------------------------------------------------------------- days

    def status(self, year: int) -> str:
        """'announced' (package or notice), 'assumed' (weekday rule) or 'unknown' (outside the calendar)."""
        if not FIRST.year <= year < END.year:
            return UNKNOWN
        return self.years.get(year, ASSUMED)

    def unannounced(self, a: int, b: int) -> list[int]:
        """Years between two seconds whose notice is not out: a deadline there is marked as assumed."""
        years = range(local_date(a).year, local_date(b).year + 1)
        return [year for year in years if self.status(year) != ANNOUNCED]

    def is_workday(self, day: date) -> bool:
        listed = self.days.get(day)
        return day.weekday() < 5 if listed is None else listed.work

    def profile(self, day: date) -> OfficeProfile:
        """The office hours in force on a day."""
        return self.profiles[bisect_right([first for first, _ in self.profiles], day) - 1][1]

    def slots(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """Office hours of a day as aware UTC instants; none on a day off."""
        return tuple((_instant(a), _instant(b)) for a, b in self._day_slots(day))

    def _day_slots(self, day: date) -> list[Slot]:
        if not self.is_workday(day):
            return []
        midnight = (day.toordinal() - EPOCH) * DAY - OFFSET
        return [(midnight + a, midnight + b) for a, b in self.profile(day).slots(day.month, day.day)]

    def stretches(self, a: int, b: int) -> Iterator[Stretch]:
        """What the seconds from `a` to `b` are, in order and without gaps."""
        held: Stretch | None = None
        for ordinal in range(local_date(a).toordinal(), local_date(b).toordinal() + 1):
            for piece in self._day_stretches(date.fromordinal(ordinal)):
                cut = piece._replace(a=max(piece.a, a), b=min(piece.b, b))
                if cut.a >= cut.b:
                    continue
                if held is not None and held[2:] == cut[2:]:
                    held = held._replace(b=cut.b)
                    continue
                if held is not None:
                    yield held
                held = cut
        if held is not None:
            yield held

    def _day_stretches(self, day: date) -> Iterator[Stretch]:
        midnight = (day.toordinal() - EPOCH) * DAY - OFFSET
        listed = self.days.get(day)
        if not self.is_workday(day):
            kind, names = ("weekend", ("", "")) if listed is None else ("holiday", (listed.name, listed.name_en))
            yield Stretch(midnight, midnight + DAY, kind, *names)
            return
        cursor = midnight
        for a, b in self._day_slots(day):
            yield Stretch(cursor, a, "closed_hours")
            yield Stretch(a, b, "office")
            cursor = b
        yield Stretch(cursor, midnight + DAY, "closed_hours")

    # -------------------------------------------------------------------------------------------- counting

    def after(self, second: int, amount: Fraction, unit: str) -> int:
        """First whole second at which `amount` of `unit` has been counted since `second`.

        Amount 0 gives `second` itself, inside office hours or not. Raises ValueError for an unknown unit or a
        negative amount, `CalendarRangeError` outside the years of the calendar.
        """
        _check(second)
        if amount < 0:
            raise ValueError(f"cannot count {amount} {unit} backwards")
        if unit not in CONTINUOUS and unit not in OFFICE:
            raise ValueError(f"unknown unit {unit!r}")
        if amount == 0:
            return second
        if unit in CONTINUOUS:
            return _check(second + ceil(amount * CONTINUOUS[unit]))
        if unit == "work_hour":
            return self._at(self._office(second) + ceil(amount * 3600))
        days = self._days(second) + amount
        whole = ceil(days) - 1  # so that a whole number is the end of a day, not the start of the next
        if whole + 1 >= len(self._worked):
            raise CalendarRangeError(f"the calendar ends with {END.year - 1}")
        length = self._worked[whole + 1] - self._worked[whole]
        return self._at(self._worked[whole] + ceil((days - whole) * length))

    def between(self, a: int, b: int, unit: str) -> Fraction:
        """Amount of `unit` counted from second `a` to second `b`. Raises as `after`."""
        _check(a)
        _check(b)
        if b < a:
            raise ValueError(f"{b} is before {a}")
        if unit in CONTINUOUS:
            return Fraction(b - a, CONTINUOUS[unit])
        if unit == "work_hour":
            return Fraction(self._office(b) - self._office(a), 3600)
        if unit == "work_day":
            return self._days(b) - self._days(a)
        raise ValueError(f"unknown unit {unit!r}")

    def add(self, start: datetime, amount: Fraction | int, unit: str) -> datetime:
        """`after` for aware datetimes; a part of a second in `start` is dropped. The answer is in UTC."""
        return _instant(self.after(_second(start), Fraction(amount), unit))

    def consumed(self, a: datetime, b: datetime, unit: str) -> Fraction:
        """`between` for aware datetimes."""
        return self.between(_second(a), _second(b), unit)

    def _office(self, second: int) -> int:
        """Office seconds from the first day to `second`."""
        slot = bisect_right(self._starts, second) - 1
        if slot < 0:
            return 0
        return min(self._before[slot] + second - self._starts[slot], self._before[slot + 1])

    def _at(self, office: int) -> int:
        """First second with `office` office seconds before it; `office` is above zero."""
        slot = bisect_left(self._before, office) - 1
        if slot >= len(self._starts):
            raise CalendarRangeError(f"the calendar ends with {END.year - 1}")
        return self._starts[slot] + office - self._before[slot]

    def _days(self, second: int) -> Fraction:
        """Working days from the first day to `second`."""
        office = self._office(second)
        day = bisect_right(self._worked, office) - 1
        if day + 1 >= len(self._worked):
            return Fraction(day)
        return day + Fraction(office - self._worked[day], self._worked[day + 1] - self._worked[day])


_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST_SECOND = (FIRST.toordinal() - EPOCH) * DAY - OFFSET
_END_SECOND = (END.toordinal() - EPOCH) * DAY - OFFSET


def local_date(second: int) -> date:
    """The date in Asia/Shanghai at a second UTC."""
    return date.fromordinal(EPOCH + (second + OFFSET) // DAY)


def _check(second: int) -> int:
    if not _FIRST_SECOND <= second < _END_SECOND:
        raise CalendarRangeError(f"the calendar knows {FIRST.year} to {END.year - 1}")
    return second


def _second(moment: datetime) -> int:
    if moment.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def _instant(second: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
