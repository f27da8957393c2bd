"""10,000 random histories: the engine's clock against the slow reference, through JSON and back.

A history is a list of operations at random instants across units, seasons, swapped working days, New Year,
pauses, clock orders (corrected and cancelled), extensions, new rounds and recounts on other calendars.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import pairwise

import pytest

from xiuhua.casework import clock, why
from xiuhua.casework.tests.clock_reference import (
    NEW_SUMMER,
    NEW_WINTER,
    OFF_NOTICE,
    STEP,
    WORK_NOTICE,
    DayTable,
    Walk,
    second,
    walk,
)
from xiuhua.city.calendar import ANNOUNCED, Notice, build
from xiuhua.city.calendar_hours import slot
from xiuhua.city.work_calendar import FIRST, OfficeProfile, Season

MICRO = 1_000_000
ROWS = (*((day, "off", "元旦") for day in OFF_NOTICE), *((day, "work", "元旦") for day in WORK_NOTICE))
DAYS = Notice(1, None, 2027, ANNOUNCED, ROWS, FIRST, None)
HOURS = Notice(
    2,
    None,
    None,
    ANNOUNCED,
    (),
    date(2026, 6, 10),
    OfficeProfile(
        (
            Season((10, 1), (4, 30), tuple(slot(a, b) for a, b in NEW_WINTER)),
            Season((5, 1), (9, 30), tuple(slot(a, b) for a, b in NEW_SUMMER)),
        )
    ),
)
CALENDARS = [build(), build((DAYS,)), build((DAYS, HOURS))]
TABLES = [DayTable(False, False), DayTable(True, False), DayTable(True, True)]
AMOUNTS = {
    "minute": ["15", "30", "45", "120", "1/2"],
    "hour": ["1", "2", "3", "24", "5/2"],
    "day": ["1", "2", "3", "1/3"],
    "work_hour": ["1/2", "1", "2", "4", "5/4"],
    "work_day": ["1/2", "1/3", "1", "2", "3", "5"],
}
STARTS = [
    second(text)
    for text in ("2026-02-09 00:00", "2026-04-27 00:00", "2026-06-08 00:00", "2026-09-17 00:00", "2026-12-28 00:00")
]


@dataclass
class History:
    """One random life of one clock, as operations and, for the reference, as plain lists."""

    events: list[tuple[int, list[clock.Op]]] = field(default_factory=list)
    parts: list[tuple[Fraction, str]] = field(default_factory=list)
    running: list[tuple[int, int | None]] = field(default_factory=list)
    stops: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    version: int = 0
    finished: int | None = None
    paused: bool = False
    rounds: int = 0
    last: int = 0

    def add(self, at: int, op: clock.Op, jitter: int) -> None:
        self.events.append((at * MICRO + jitter, [op]))
        self.last = at

    def start(self, at: int, amount: list[str], kind: str, jitter: int) -> None:
        self.add(at, [kind, "handling", amount, None, self.version], jitter)
        self.parts = [(Fraction(amount[0]), amount[1])]
        self.running = [(at, None)]
        self.finished, self.paused = None, False
        self.rounds += 1

    def halt(self, at: int) -> None:
        self.running[-1] = (self.running[-1][0], at)


def amount(chance: random.Random, units: list[str]) -> list[str]:
    unit = chance.choice(units)
    return [chance.choice(AMOUNTS[unit]), unit]


def make(chance: random.Random, step: int = STEP, units: list[str] | None = None) -> History:
    """A random history on a grid of `step` seconds; the microseconds within the second are noise."""
    units = units or list(AMOUNTS)

    def jitter() -> int:
        return chance.choice([0, 0, 1, 999_999])

    def gap() -> int:
        return step * chance.choice([0, 1, 2, 3, 7, 20, 50, 95, 96, 200])

    history = History(version=chance.randrange(3))
    at = chance.choice(STARTS) + step * chance.randrange(5 * 86400 // step)
    history.start(at, amount(chance, units), "start", jitter())
    for number in range(chance.randrange(7)):
        at += gap()
        noise = 999_999 if number else jitter()  # never before the last event
        acts = ["stop", "recount"]
        if history.finished is None:
            acts += ["pause", "resume"] if history.paused else ["pause", "pause"]
            acts += ["extend", "extend", "finish", "restart", "stop"]
        else:
            acts += ["start"]
        act = chance.choice(acts)
        if act == "pause" and not history.paused:
            history.add(at, ["pause", "handling", "on_hold"], noise)
            history.halt(at)
            history.paused = True
        elif act == "resume" or (act == "pause" and history.paused):
            history.add(at, ["resume", "handling"], noise)
            history.running.append((at, None))
            history.paused = False
        elif act == "extend":
            more = amount(chance, units)
            history.add(at, ["extend", "handling", more], noise)
            history.parts.append((Fraction(more[0]), more[1]))
        elif act == "finish":
            history.add(at, ["finish", "handling"], noise)
            history.finished = at
        elif act in ("restart", "start"):
            if act == "start" and history.finished is None:
                continue
            history.start(at, amount(chance, units), act, noise)
        elif act == "recount":
            version = chance.randrange(3)
            history.add(at, ["recount", version], noise)
            if history.finished is None:
                history.version = version
        elif act == "stop":
            ref = chance.choice(["a", "b", "c"])
            start = at + step * chance.randrange(-100, 60)
            to = None if chance.random() < 0.2 else start + step * chance.randrange(0, 150)
            history.add(at, ["stop", "handling", start * MICRO, None if to is None else to * MICRO, ref], noise)
            if to is not None and to <= start:
                history.stops.pop(ref, None)
            else:
                history.stops[ref] = (start, to)
    return history


def compare(history: History, chance: random.Random, step: int = STEP) -> str:
    """Compare all that the engine says with the reference; returns what kind of history it was."""
    wire = json.loads(json.dumps(history.events))
    state = clock.replay((at, ops) for at, ops in wire)
    state = clock.from_json(json.loads(json.dumps(clock.to_json(state))))
    one = state["handling"]
    assert one.round == history.rounds
    calendar, table = CALENDARS[one.calendar], TABLES[history.version]
    assert one.calendar == history.version

    now = history.last + step * chance.choice([0, 1, 5, 40, 96, 500])
    here = now if history.finished is None else history.finished
    stops = list(history.stops.values())
    expected = walk(table, history.parts, history.running, stops, here, step)

    due = clock.due(one, calendar)
    assert due == (None if expected.due is None else expected.due * MICRO)
    assert clock.overdue_seconds(one, calendar, now * MICRO) == expected.overdue
    assert clock.is_overdue(one, calendar, now * MICRO) == (expected.overdue > 0)

    rest = clock.remaining(one, calendar, now * MICRO)
    assert [(p.value, p.unit) for p in rest.parts] == expected.left
    if expected.left:
        resumed = resume(history, table, expected, stops, here, step)
        assert rest.due == resumed * MICRO
        assert rest.wall_seconds == resumed - here
    else:
        assert rest.due == due
    check_segments(one, calendar, now, due)
    return kind_of(history, expected)


def resume(
    history: History,
    table: DayTable,
    expected: Walk,
    stops: list[tuple[int, int | None]],
    here: int,
    step: int,
) -> int:
    """The deadline if the clock is let run from `here` on, with clock orders that have an end kept."""
    closed = [(a, b) for a, b in stops if b is not None]
    found = walk(table, expected.left, [(here, None)], closed, here, step).due
    assert found is not None
    return found


def check_segments(one: clock.ClockState, calendar: clock.Calendar, now: int, due: int | None) -> None:
    """The segments follow each other without gaps, and count the limit and each extension to the deadline."""
    found = why.segments(one, calendar, now * MICRO)
    if not found:
        return
    for before, after in pairwise(found):
        assert before.to == after.start
    assert found[0].start == one.started
    whole = due is not None and (one.finished is None or due <= one.finished)
    for index, part in enumerate(one.parts):
        counted = why.total(found, index)
        assert counted == part.value if whole else counted <= part.value
    if whole:
        assert all(s.counted == 0 for s in found if s.start >= due)


def kind_of(history: History, expected: Walk) -> str:
    if expected.due is None:
        return "still"
    return "overdue" if expected.overdue else "in time"


@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_histories_agree_with_the_reference(part: int) -> None:
    chance = random.Random(20260301 + part)
    seen: dict[str, int] = {}
    for number in range(1000):
        history = make(chance)
        try:
            kind = compare(history, chance)
        except AssertionError as error:
            raise AssertionError(f"history {part}/{number}: {history}") from error
        seen[kind] = seen.get(kind, 0) + 1
    # the histories are worth something only if they reach all standings
    assert all(seen.get(kind, 0) > 50 for kind in ("still", "overdue", "in time")), seen


def test_histories_of_single_seconds_agree_too() -> None:
    chance = random.Random(7)
    for number in range(60):
        history = make(chance, step=1, units=["minute", "work_hour"])
        shift = chance.choice([0, 3600 * 8 - 600, 3600 * 12 - 900, 3600 * 17 + 1000])
        midnight = history.running[0][0] // 86400 * 86400 - 8 * 3600
        moved = moved_by(history, midnight + shift - history.events[0][0] // MICRO + 86400)
        try:
            compare(moved, chance, step=1)
        except AssertionError as error:
            raise AssertionError(f"history {number}: {moved}") from error


def moved_by(history: History, seconds: int) -> History:
    """The same history at another time of day, near the edge of an office slot."""

    def later(op: clock.Op) -> clock.Op:
        if op[0] != "stop":
            return op
        return [*op[:2], op[2] + seconds * MICRO, None if op[3] is None else op[3] + seconds * MICRO, op[4]]

    def both(span: tuple[int, int | None]) -> tuple[int, int | None]:
        return span[0] + seconds, None if span[1] is None else span[1] + seconds

    history.events = [(at + seconds * MICRO, [later(op) for op in ops]) for at, ops in history.events]
    history.running = [both(span) for span in history.running]
    history.stops = {ref: both(span) for ref, span in history.stops.items()}
    history.finished = None if history.finished is None else history.finished + seconds
    history.last += seconds
    return history
