"""``xiuhua calendar load``, ``calendar hours`` and ``calendar show``: the yearly notice and the office hours.

A notice is a CSV with the columns date, name, kind (off: day off; work: weekend day that is worked), or JSON:
a list of such objects, or the form of holiday-cn (``{"days": [{"date", "name", "isOffDay"}]}``). Days that
are not listed follow the weekday rule. A few days around New Year stand in the notice of the following year,
so a notice may list days of the December before. What is loaded is added, never changed: a newer notice for
the same year replaces the older one as a whole, and open deadlines are recounted.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from xiuhua.city.calendar_hours import HoursError, HoursForm, read_hours
from xiuhua.city.work_calendar import END, FIRST

KINDS = ("off", "work")
FIELDS = ("date", "name", "kind")
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class RowFault:
    """A fault of a notice; `row` counts data rows from 1, 0 is the file as a whole."""

    row: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"row {self.row}, {self.field}" if self.row else self.field
        return f"{place}: {self.message}"


class NoticeError(ValueError):
    """A notice that cannot be loaded, with all its faults."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True, order=True)
class NoticeDay:
    """One checked row."""

    day: date
    kind: str
    name: str


def read_notice(text: str, year: int) -> list[NoticeDay]:
    """The days of a notice of `year`, sorted; the format is told from the first character.

    Rows with another ``list_year`` are passed over, so that a file of many years can be loaded year by year.
    Raises `NoticeError` with row and field of every fault.
    """
    if not FIRST.year <= year < END.year:
        raise NoticeError([RowFault(0, "year", f"{year} is outside {FIRST.year} to {END.year - 1}")])
    text = text.removeprefix("\ufeff")
    rows = _json_rows(text) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text)
    days: dict[date, NoticeDay] = {}
    faults: list[RowFault] = []
    for number, row in enumerate(rows, 1):
        if str(row.get("list_year") or year) != str(year):
            continue
        found = _day(number, row, year)
        if not isinstance(found, NoticeDay):
            faults += found
        elif found.day in days:
            faults.append(RowFault(number, "date", f"{found.day} is listed twice"))
        else:
            days[found.day] = found
    if not faults and not any(day.kind == "off" for day in days.values()):
        faults.append(RowFault(0, "file", f"lists no day off in {year}"))
    if faults:
        raise NoticeError(faults)
    return sorted(days.values())


def _day(number: int, row: Mapping[str, Any], year: int) -> NoticeDay | list[RowFault]:
    values = {field: str(row.get(field) or "").strip() for field in FIELDS}
    faults = [RowFault(number, field, "is empty") for field in FIELDS if not values[field]]
    if values["kind"] and values["kind"] not in KINDS:
        faults.append(RowFault(number, "kind", f"{values['kind']!r} is neither off nor work"))
    if len(values["name"]) > 60:
        faults.append(RowFault(number, "name", "is longer than 60 characters"))
    day = None
    if values["date"]:
        try:
            day = date.fromisoformat(values["date"])
        except ValueError:
            faults.append(RowFault(number, "date", f"{values['date']!r} is no date of the form 2027-01-31"))
    if day is not None and day.year != year and (day.year, day.month) != (year - 1, 12):
        faults.append(RowFault(number, "date", f"{day} is neither in {year} nor in the December before"))
    if faults or day is None:
        return faults
    return NoticeDay(day, values["kind"], values["name"])


def _csv_rows(text: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [(name or "").strip() for name in reader.fieldnames or ()]
    missing = [field for field in FIELDS if field not in names]
    if missing:
        raise NoticeError([RowFault(0, "header", f"column {', '.join(missing)} is missing")])
    reader.fieldnames = names
    try:
        return list(reader)
    except csv.Error as error:
        raise NoticeError([RowFault(0, "file", str(error))]) from None


def _json_rows(text: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoticeError([RowFault(0, "file", f"is no JSON: {error}")]) from None
    rows = data.get("days") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise NoticeError([RowFault(0, "file", "has no list of days")])
    result: list[dict[str, Any]] = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise NoticeError([RowFault(number, "row", "is not an object")])
        if "kind" not in row and isinstance(row.get("isOffDay"), bool):
            row = {**row, "kind": "off" if row["isOffDay"] else "work"}
        result.append(row)
    return result


def store_notice(
    days: Sequence[NoticeDay],
    year: int,
    *,
    platform_id: int | None = None,
    announced: bool = True,
    source: str = "",
) -> int:
    """Add a notice; returns the new calendar version. In one transaction with the callbacks that recount."""
    from xiuhua.city.models import CalendarNotice

    status = CalendarNotice.Status.ANNOUNCED if announced else CalendarNotice.Status.ASSUMED
    notice = CalendarNotice(
        platform_id=platform_id,
        kind=CalendarNotice.Kind.DAYS,
        year=year,
        status=status,
        days=[[day.day.isoformat(), day.kind, day.name] for day in days],
        source=source[:300],
    )
    return _add(notice, None)


def store_hours(form: HoursForm, *, platform_id: int | None = None) -> int:
    """Add a notice of office hours; returns the new calendar version."""
    from xiuhua.city.models import CalendarNotice

    notice = CalendarNotice(
        platform_id=platform_id,
        kind=CalendarNotice.Kind.HOURS,
        status=CalendarNotice.Status.ASSUMED if form.sample else CalendarNotice.Status.ANNOUNCED,
        valid_from=form.valid_from,
        source=form.source[:300],
    )
    return _add(notice, form)


def _add(notice: Any, form: HoursForm | None) -> int:
    """1. Row and seasons. 2. Raise the table's version, for other processes. 3. Tell who must recount."""
    from django.db import transaction

    from xiuhua.city import calendar, memory
    from xiuhua.city.models import OfficeHours

    with transaction.atomic():
        notice.save()
        for season in form.seasons if form is not None else ():
            OfficeHours(
                notice=notice, from_md=season.start, to_md=season.to, slots=[list(s) for s in season.slots]
            ).save()
        memory.bump(calendar.TABLE)
        for callback in calendar.on_calendar_change:
            callback(notice.platform_id, notice.pk)
    return int(notice.pk)


# ---------------------------------------------------------------------------------------------- commands


def main(argv: list[str]) -> int:
    """Load the notice of a year: days off and swapped working days."""
    parser = argparse.ArgumentParser(prog="xiuhua calendar load", description=main.__doc__)
    parser.add_argument("file", type=Path, help="CSV or JSON with date, name, kind (off or work)")
    parser.add_argument("--year", type=int, required=True)
    parser.add_argument("--platform", default="", help="code of the only platform it holds for")
    parser.add_argument("--assumed", action="store_true", help="a forecast, not the announced notice")
    parser.add_argument("--source", default="", help="where the notice was published")
    options = parser.parse_args(argv)
    try:
        if options.file.stat().st_size > MAX_BYTES:
            raise NoticeError([RowFault(0, "file", f"is larger than {MAX_BYTES} bytes")])
        days = read_notice(options.file.read_text(encoding="utf-8"), options.year)
    except (OSError, UnicodeDecodeError, NoticeError) as error:
        return _refuse(options.file, str(error))
    platform_id = _platform(options.platform)
    if options.platform and platform_id is None:
        return _refuse(options.file, f"there is no platform {options.platform!r}")
    version = store_notice(
        days, options.year, platform_id=platform_id, announced=not options.assumed, source=options.source
    )
    off = sum(day.kind == "off" for day in days)
    state = "assumed" if options.assumed else "announced"
    swapped = len(days) - off
    print(f"{options.year} is {state}: {off} days off and {swapped} swapped working days; calendar version {version}")
    return 0


def hours_main(argv: list[str]) -> int:
    """Load the office hours of the seasons."""
    parser = argparse.ArgumentParser(prog="xiuhua calendar hours", description=hours_main.__doc__)
    parser.add_argument("file", type=Path, help="YAML in the form of office_hours.sample.yaml")
    parser.add_argument("--platform", default="", help="code of the only platform they hold for")
    options = parser.parse_args(argv)
    try:
        form = read_hours(options.file)
    except HoursError as error:
        return _refuse(options.file, str(error))
    platform_id = _platform(options.platform)
    if options.platform and platform_id is None:
        return _refuse(options.file, f"there is no platform {options.platform!r}")
    version = store_hours(form, platform_id=platform_id)
    print(f"{len(form.seasons)} seasons of office hours loaded; calendar version {version}")
    return 0


def show_main(argv: list[str]) -> int:
    """Show a year: its standing, the listed days and the count of working days."""
    from xiuhua.city.calendar import calendar_for, days_of

    parser = argparse.ArgumentParser(prog="xiuhua calendar show", description=show_main.__doc__)
    parser.add_argument("year", type=int)
    parser.add_argument("--platform", default="")
    options = parser.parse_args(argv)
    calendar = calendar_for(_platform(options.platform))
    status = calendar.status(options.year)
    print(f"{options.year}: {status}, calendar version {calendar.version}")
    if status == "unknown":
        return 1
    for day, listed in days_of(calendar, options.year):
        print(f"  {day}  {'work' if listed.work else 'off '}  {listed.name}")
    first, end = date(options.year, 1, 1).toordinal(), date(options.year + 1, 1, 1).toordinal()
    print(f"  {sum(calendar.is_workday(date.fromordinal(n)) for n in range(first, end))} working days")
    return 0


def _platform(code: str) -> int | None:
    from xiuhua.city.models import Platform

    return Platform.objects.filter(code=code).values_list("pk", flat=True).first() if code else None


def _refuse(file: Path, message: str) -> int:
    print(f"{file.name} was not loaded:\n{message}", file=sys.stderr)
    return 1
