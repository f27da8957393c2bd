"""What a client may ask of a collection besides a page: ``bbox`` and ``datetime`` of OGC API – Features, part 1."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from xiuhua.api_base import Problem

LOCAL = ZoneInfo("Asia/Shanghai")
Box = tuple[float, float, float, float]
Interval = tuple[datetime | None, datetime | None]


def _wrong(name: str, said: str) -> Problem:
    return Problem(400, "invalid", said, errors=[(name, said)])


def box(text: str) -> Box | None:
    """West, south, east, north in degrees from 4 numbers, or 6 whose heights are left aside; None for no wish."""
    if not text:
        return None
    said = _("bbox is west,south,east,north in degrees (CRS84).")
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise _wrong("bbox", said) from None
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4:
        raise _wrong("bbox", said)
    west, south, east, north = numbers
    # West above east would cross the 180th meridian, where no Chinese city lies.
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _wrong("bbox", said)
    return west, south, east, north


def interval(text: str) -> Interval | None:
    """An instant, or ``start/end`` with '..' or nothing for an open side; both ends belong to it. None for no wish."""
    if not text:
        return None
    first, slash, last = text.partition("/")
    start = _moment(first, begins=True)
    end = _moment(last if slash else first, begins=False)
    if slash and start is None and end is None and not {first, last} <= {"", ".."}:
        raise _wrong("datetime", _said())
    if not slash and start is None:
        raise _wrong("datetime", _said())
    if start is not None and end is not None and end < start:
        raise _wrong("datetime", _("The interval ends before it begins."))
    return start, end


def _said() -> str:
    return _("datetime is a time such as 2026-05-01T01:30:00Z, or an interval start/end with .. for an open side.")


def _moment(text: str, *, begins: bool) -> datetime | None:
    """A moment in UTC; a day of this country begins or ends there; without a zone it is local time."""
    if text in ("", ".."):
        return None
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=0 if begins else 1)
            edge = datetime.combine(day, time(), LOCAL)
            return (edge if begins else edge - timedelta(microseconds=1)).astimezone(UTC)
        # In a query "+" is a blank.
        at = datetime.fromisoformat(text.replace(" ", "+"))
        return (at if at.tzinfo else at.replace(tzinfo=LOCAL)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong("datetime", _said()) from None
