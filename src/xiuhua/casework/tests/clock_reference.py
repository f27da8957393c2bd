"""A slow, obviously right clock to compare the engine with: it walks through time step by step.

It shares no code with the engine: its own day table written out from the notice, its own office hours, plain
loops, whole numbers. Time is in seconds UTC; nothing changes within a step except that a limit may be used up,
and then the exact second is worked out inside the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

OFF = [
    "2026-01-01",
    "2026-01-02",
    "2026-01-03",
    "2026-02-15",
    "2026-02-16",
    "2026-02-17",
    "2026-02-18",
    "2026-02-19",
    "2026-02-20",
    "2026-02-21",
    "2026-02-22",
    "2026-02-23",
    "2026-04-04",
    "2026-04-05",
    "2026-04-06",
    "2026-05-01",
    "2026-05-02",
    "2026-05-03",
    "2026-05-04",
    "2026-05-05",
    "2026-06-19",
    "2026-06-20",
    "2026-06-21",
    "2026-09-25",
    "2026-09-26",
    "2026-09-27",
    "2026-10-01",
    "2026-10-02",
    "2026-10-03",
    "2026-10-04",
    "2026-10-05",
    "2026-10-06",
    "2026-10-07",
]
WORK = ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
OFF_NOTICE = ["2026-12-31", "2027-01-01", "2027-01-02", "2027-02-08", "2027-02-09", "2027-02-10"]
WORK_NOTICE = ["2027-01-03", "2027-02-06", "2027-02-13"]

WINTER = [("08:00", "12:00"), ("14:00", "17:30")]
SUMMER = [("08:00", "12:00"), ("14:30", "18:00")]
NEW_WINTER = [("08:30", "12:00"), ("13:30", "18:00")]
NEW_SUMMER = [("08:00", "12:00"), ("15:00", "18:00")]

#: Every unit's amount is counted in whole shares of 1/SHARES, so that each office day divides evenly.
SHARES = 3_024_000 * 60
STEP = 900


def second(text: str) -> int:
    """Seconds UTC of a Shanghai time like "2026-02-13 17:30"."""
    local = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(local.timestamp()) - 8 * 3600


@dataclass
class DayTable:
    """Office slots of every day, in seconds UTC, from 2025-12-01 on."""

    notice: bool
    new_hours: bool

    def __post_init__(self) -> None:
        off = set(OFF)
        work = set(WORK)
        if self.notice:
            off |= set(OFF_NOTICE)
            work |= set(WORK_NOTICE)
        self.days: dict[int, list[tuple[int, int]]] = {}
        day = date(2025, 12, 1)
        while day < date(2030, 1, 1):
            number = (day - date(1970, 1, 1)).days
            text = day.isoformat()
            is_work = text in work or (day.weekday() < 5 and text not in off)
            slots = []
            if is_work:
                summer = 5 <= day.month <= 9
                hours = SUMMER if summer else WINTER
                if self.new_hours and text >= "2026-06-10":
                    hours = NEW_SUMMER if summer else NEW_WINTER
                slots = [(second(f"{text} {a}"), second(f"{text} {b}")) for a, b in hours]
            self.days[number] = slots
            day += timedelta(days=1)

    def rate(self, unit: str, at: int) -> int:
        """Shares of `unit` that one second at `at` counts."""
        if unit == "minute":
            return SHARES // 60
        if unit == "hour":
            return SHARES // 3600
        if unit == "day":
            return SHARES // 86400
        slots = self.days[(at + 8 * 3600) // 86400]
        for a, b in slots:
            if a <= at < b:
                if unit == "work_hour":
                    return SHARES // 3600
                whole = 0
                for c, d in slots:
                    whole += d - c
                return SHARES // whole
        return 0


@dataclass
class Walk:
    """What the walk found: the deadline, and the standing at `now`."""

    due: int | None
    left: list[tuple[Fraction, str]]
    overdue: int


def walk(
    table: DayTable,
    parts: list[tuple[Fraction, str]],
    running: list[tuple[int, int | None]],
    stops: list[tuple[int, int | None]],
    now: int,
    step: int = STEP,
) -> Walk:
    """Walk from the start of the first running interval until the limit is used up, and at least to `now`.

    The deadline is None when the clock stands still for ever before that.
    """
    at = running[0][0]
    left = [int(value * SHARES) for value, _unit in parts]
    units = [unit for _value, unit in parts]
    index = 0
    due = None
    overdue = 0
    standing: list[tuple[Fraction, str]] | None = None

    def snapshot() -> list[tuple[Fraction, str]]:
        return [(Fraction(left[i], SHARES), units[i]) for i in range(index, len(left))]

    changes = [t for span in running + stops for t in span if t is not None]
    last_change = max([*changes, now])
    while True:
        if at >= now and standing is None:
            standing = snapshot()
        if standing is not None and due is not None:
            break
        runs = False
        for a, b in running:
            if a <= at and (b is None or at < b):
                runs = True
        for a, b in stops:
            if a <= at and (b is None or at < b):
                runs = False
        if not runs and at > last_change:
            break
        end = at - at % step + step
        if runs and index < len(left):
            rate = table.rate(units[index], at)
            if rate and left[index] <= rate * (end - at):
                at += -(-left[index] // rate)
                left[index] = 0
                index += 1
                if index == len(left):
                    due = at
                continue
            left[index] -= rate * (end - at)
        elif runs:
            overdue += max(0, min(end, now) - at)
        at = end
    return Walk(due, standing or [], overdue)
