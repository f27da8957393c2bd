"""The calendar in force for a platform, and as it was under any earlier version.

Days come from the package `chinesecalendar` for the years it knows, with loaded notices laid over them: of
one platform and year the newest notice counts, and a platform's own notice goes before the common one. Office
hours come from the newest notice in force on the day; before any is loaded, from the sample profile in
`data/calendar`.

The version of a calendar is the id of the newest notice that counts, 0 for the package alone. Calendars are
immutable and shared, and looked up without a query (`memory.Table`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path

import yaml
from chinese_calendar.constants import holidays, workdays

from xiuhua.city.calendar_hours import SAMPLE, month_day, read_hours, slot
from xiuhua.city.memory import Table
from xiuhua.city.models.calendar import CalendarNotice
from xiuhua.city.work_calendar import (
    ANNOUNCED,
    ASSUMED,
    FIRST,
    UNKNOWN,
    CalendarRangeError,
    Day,
    OfficeProfile,
    Season,
    Stretch,
    WorkCalendar,
)

__all__ = [
    "ANNOUNCED",
    "ASSUMED",
    "UNKNOWN",
    "CalendarRangeError",
    "Day",
    "Stretch",
    "WorkCalendar",
    "calendar_for",
    "on_calendar_change",
]

TABLE = "calendar"
NAMES = Path(__file__).parent / "data" / "calendar" / "holiday_names.yaml"

#: Called in the transaction that loads a notice, with its platform (None: all) and the new version: the
#: floors above register here what must be recounted. A callback does no I/O but to the database.
on_calendar_change: list[Callable[[int | None, int], None]] = []


@dataclass(frozen=True, slots=True)
class Notice:
    """A `CalendarNotice` as a value."""

    id: int
    platform_id: int | None
    year: int | None  # None: office hours
    status: str
    days: tuple[tuple[str, str, str], ...]  # date, kind, name
    valid_from: date
    profile: OfficeProfile | None

    @property
    def rank(self) -> tuple[bool, date, int]:
        """A platform's own before the common one, then the later, then the newer."""
        return self.platform_id is not None, self.valid_from, self.id


@cache
def _package() -> tuple[dict[date, Day], dict[int, str]]:
    """Days and years that the package knows, by their Chinese names."""
    chinese: dict[str, str] = yaml.safe_load(NAMES.read_text(encoding="utf-8"))
    days = {day: Day(False, chinese.get(name, name), name) for day, name in holidays.items()}
    days |= {day: Day(True, chinese.get(name, name), name) for day, name in workdays.items()}
    return days, dict.fromkeys({day.year for day in holidays}, ANNOUNCED)


@cache
def _sample_hours() -> OfficeProfile:
    return read_hours(SAMPLE).profile()


@lru_cache(maxsize=64)
def build(notices: tuple[Notice, ...] = ()) -> WorkCalendar:
    """The calendar of these notices, oldest first, over the package and the sample office hours."""
    known, years = _package()
    days, status = dict(known), dict(years)
    english = {day.name: day.name_en for day in known.values()}
    newest: dict[tuple[bool, int], Notice] = {}
    for notice in notices:
        if notice.year is not None:
            newest[notice.platform_id is not None, notice.year] = notice
    for _, notice in sorted(newest.items()):
        for text, kind, name in notice.days:
            days[date.fromisoformat(text)] = Day(kind == "work", name, english.get(name, name))
        if notice.year is not None and status.get(notice.year) != ANNOUNCED:
            status[notice.year] = notice.status
    version = max((notice.id for notice in notices), default=0)
    return WorkCalendar(version, days, status, _profiles(n for n in notices if n.profile is not None))


def _profiles(notices: Iterable[Notice]) -> list[tuple[date, OfficeProfile]]:
    """From which day on which office hours are in force."""
    offered = list(notices)
    result = []
    for first in sorted({FIRST, *(n.valid_from for n in offered)}):
        best = max((n for n in offered if n.valid_from <= first), key=lambda n: n.rank, default=None)
        result.append((first, _sample_hours() if best is None or best.profile is None else best.profile))
    return result


class _Shelf:
    """All notices of the database, and the calendars made of them."""

    def __init__(self) -> None:
        self.calendars: dict[tuple[int | None, int | None], WorkCalendar] = {}
        rows = CalendarNotice.objects.order_by("id").prefetch_related("hours")
        self.notices = tuple(
            Notice(
                id=row.pk,
                platform_id=row.platform_id,
                year=row.year,
                status=row.status,
                days=tuple((day, kind, name) for day, kind, name in row.days),
                valid_from=max(row.valid_from or FIRST, FIRST),
                profile=_profile(row) if row.kind == CalendarNotice.Kind.HOURS else None,
            )
            for row in rows
        )

    def calendar(self, platform_id: int | None, version: int | None) -> WorkCalendar:
        key = platform_id, version
        found = self.calendars.get(key)
        if found is None:
            found = build(
                tuple(
                    n
                    for n in self.notices
                    if n.platform_id in (None, platform_id) and (version is None or n.id <= version)
                )
            )
            self.calendars[key] = found
        return found


def _profile(row: CalendarNotice) -> OfficeProfile:
    return OfficeProfile(
        tuple(
            Season(month_day(h.from_md), month_day(h.to_md), tuple(slot(a, b) for a, b in h.slots))
            for h in row.hours.all()
        )
    )


_shelf: Table[_Shelf] = Table(TABLE, _Shelf)


def calendar_for(platform_id: int | None, version: int | None = None) -> WorkCalendar:
    """The calendar of a platform now, or as it was when notice `version` was the newest."""
    return _shelf.get().calendar(platform_id, version)


def days_of(calendar: WorkCalendar, year: int) -> list[tuple[date, Day]]:
    """The listed days of a year in order, for the page that shows them."""
    day, result = date(year, 1, 1), []
    while day.year == year:
        listed = calendar.days.get(day)
        if listed is not None:
            result.append((day, listed))
        day += timedelta(days=1)
    return result
