"""The clock by example: operations, refusals, entering a state, deadlines, marks and segments."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from xiuhua.casework import clock, why
from xiuhua.casework.clock import ClockError, Limit
from xiuhua.casework.tests.clock_reference import second
from xiuhua.city.calendar import build

CALENDAR = build()
MICRO = 1_000_000


def us(text: str) -> int:
    """Shanghai time like "2026-03-02 09:00" as UTC microseconds."""
    return second(text) * MICRO


def run(*events: tuple[str, list]) -> clock.ClockState:
    """The clock "handling" after (Shanghai time, operation) pairs."""
    return clock.replay((us(at), [op]) for at, op in events)["handling"]


def start(value: str, unit: str) -> list:
    return ["start", "handling", [value, unit]]


PAUSE, RESUME, FINISH = ["pause", "handling", "on_hold"], ["resume", "handling"], ["finish", "handling"]


def due(state: clock.ClockState) -> int | None:
    return clock.due(state, CALENDAR)


def test_hold_keeps_the_remaining_time_exactly() -> None:
    state = run(
        ("2026-03-02 09:00", start("4", "work_hour")),
        ("2026-03-02 11:10", PAUSE),
    )
    assert due(state) is None
    rest = clock.remaining(state, CALENDAR, us("2026-03-20 09:00"))
    assert (rest.value, rest.unit) == (Fraction(11, 6), "work_hour")
    assert rest.due == us("2026-03-20 10:50")
    resumed = clock.apply({"handling": state}, RESUME, us("2026-03-20 09:00"))["handling"]
    assert due(resumed) == us("2026-03-20 10:50")


def test_a_limit_used_up_at_closing_time_is_due_then() -> None:
    state = run(("2026-03-06 16:30", start("1", "work_hour")))
    assert due(state) == us("2026-03-06 17:30")
    assert not clock.is_overdue(state, CALENDAR, us("2026-03-06 17:30"))
    assert clock.overdue_seconds(state, CALENDAR, us("2026-03-06 17:31")) == 60


def test_extensions_follow_the_limit_in_their_own_units() -> None:
    state = run(
        ("2026-03-06 16:30", start("2", "hour")),
        ("2026-03-06 17:00", ["extend", "handling", ["1", "work_day"]]),
        ("2026-03-06 17:05", ["extend", "handling", ["30", "minute"]]),
    )
    # 18:30 on Friday, then Monday's office day, then half an hour of the evening
    assert due(state) == us("2026-03-09 18:00")
    assert clock.original_due(state, CALENDAR) == us("2026-03-06 18:30")


def test_a_clock_order_stops_is_corrected_and_cancelled() -> None:
    begin = ("2026-03-02 09:00", start("3", "hour"))
    open_end = ("2026-03-02 10:00", ["stop", "handling", us("2026-03-02 10:00"), None, "order-1"])
    ended = ("2026-03-02 15:00", ["stop", "handling", us("2026-03-02 10:00"), us("2026-03-02 14:00"), "order-1"])
    cancelled = ("2026-03-02 16:00", ["stop", "handling", us("2026-03-02 10:00"), us("2026-03-02 10:00"), "order-1"])
    assert due(run(begin, open_end)) is None
    assert due(run(begin, open_end, ended)) == us("2026-03-02 16:00")
    assert due(run(begin, open_end, ended, cancelled)) == us("2026-03-02 12:00")


def test_a_stop_entered_late_reaches_finished_rounds() -> None:
    """A typhoon's order signed after the case was handled takes back an overdue."""
    state = run(
        ("2026-03-02 09:00", start("3", "hour")),
        ("2026-03-02 13:00", FINISH),
        ("2026-03-02 14:00", ["restart", "handling", ["90", "minute"]]),
        ("2026-03-02 14:10", ["stop", "handling", us("2026-03-02 09:30"), us("2026-03-02 10:30"), "order-2"]),
    )
    first = state.past[0]
    assert due(first) == us("2026-03-02 13:00")
    assert clock.overdue_seconds(first, CALENDAR, us("2026-03-02 18:00")) == 0
    assert (state.round, due(state)) == (2, us("2026-03-02 15:30"))


def test_pause_and_stop_may_overlap() -> None:
    state = run(
        ("2026-03-02 09:00", start("3", "hour")),
        ("2026-03-02 10:00", PAUSE),
        ("2026-03-02 11:00", ["stop", "handling", us("2026-03-02 11:00"), us("2026-03-02 14:00"), "order"]),
        ("2026-03-02 12:00", RESUME),
    )
    assert due(state) == us("2026-03-02 16:00")
    kinds = [(s.kind, s.reason) for s in why.segments(state, CALENDAR, us("2026-03-02 12:30"))]
    assert kinds == [
        ("running", ""),
        ("paused", "on_hold"),
        ("stopped", "order"),
        ("stopped", "order"),
        ("running", ""),
    ]


def test_recount_changes_open_clocks_only() -> None:
    state = clock.replay(
        [
            (us("2026-03-02 09:00"), [["start", "intake", ["15", "minute"]], start("3", "work_day")]),
            (us("2026-03-02 09:10"), [["finish", "intake"]]),
            (us("2026-03-02 10:00"), [["recount", 7]]),
        ]
    )
    assert (state["intake"].calendar, state["handling"].calendar) == (0, 7)


def test_overdue_stands_while_paused_and_after_the_finish() -> None:
    state = run(
        ("2026-03-02 09:00", start("1", "hour")),
        ("2026-03-02 12:00", PAUSE),
    )
    assert due(state) == us("2026-03-02 10:00")
    assert clock.overdue_seconds(state, CALENDAR, us("2026-03-09 12:00")) == 7200
    done = clock.apply({"handling": state}, FINISH, us("2026-03-09 12:00"))["handling"]
    assert clock.overdue_seconds(done, CALENDAR, us("2026-04-01 00:00")) == 7200


def test_marks_of_one_unit_of_several_and_of_a_paused_clock() -> None:
    state = run(("2026-03-02 08:00", start("2", "work_day")))
    assert clock.marks(state, CALENDAR, (50, 80, 100)) == {
        50: us("2026-03-02 17:30"),
        80: us("2026-03-03 14:30"),  # 0.6 of 7.5 hours: the morning and half an hour
        100: us("2026-03-03 17:30"),
    }
    mixed = run(
        ("2026-03-02 08:00", start("8", "hour")),
        ("2026-03-02 09:00", ["extend", "handling", ["1", "work_day"]]),
    )
    assert clock.marks(mixed, CALENDAR, (50,)) == {50: us("2026-03-02 16:00")}
    paused = run(("2026-03-02 08:00", start("10", "hour")), ("2026-03-02 14:00", PAUSE))
    assert clock.marks(paused, CALENDAR, (50, 80)) == {50: us("2026-03-02 13:00"), 80: None}
    with pytest.raises(ClockError):
        clock.marks(state, CALENDAR, (0,))


def test_shares_and_consumed() -> None:
    state = run(("2026-03-02 08:00", start("1", "work_day")))
    assert clock.consumed(state, CALENDAR, us("2026-03-02 11:00")) == Fraction(2, 5)
    assert clock.used_share(state, CALENDAR, us("2026-03-02 11:00")) == Fraction(2, 5)
    assert clock.used_share(state, CALENDAR, us("2026-03-03 11:00")) == Fraction(7, 5)


# --------------------------------------------------------------------------------- entering a state

LIMITS = {"intake": Limit.of(15, "minute"), "handling": Limit.of("2", "work_day"), "total": Limit.of(10, "work_day")}


def enter(clocks, run, pause, at, **more):
    ops = clock.enter_state(clocks, run, pause, LIMITS, us(at), calendar=CALENDAR, **more)
    assert json.loads(json.dumps(ops)) == ops
    return clock.apply_all(clocks, ops, us(at)), [op[:2] for op in ops]


def test_entering_states_walks_the_rule() -> None:
    clocks, ops = enter({}, ["intake", "total"], [], "2026-03-02 09:00")
    assert ops == [["start", "intake"], ["start", "total"]]
    assert clocks["intake"].original_due == us("2026-03-02 09:15")
    clocks, ops = enter(clocks, ["total"], ["intake"], "2026-03-02 09:05", reason="verifying")
    assert ops == [["pause", "intake"]]
    assert clocks["intake"].reason == "verifying"
    clocks, ops = enter(clocks, ["total"], ["intake", "handling"], "2026-03-02 09:06")
    assert ops == []  # paused stays paused, what never started is not paused
    clocks, ops = enter(clocks, ["intake", "total"], [], "2026-03-02 09:30")
    assert ops == [["resume", "intake"]]
    assert due(clocks["intake"]) == us("2026-03-02 09:40")
    clocks, ops = enter(clocks, ["handling", "total"], [], "2026-03-02 09:31")
    assert ops == [["finish", "intake"], ["start", "handling"]]
    clocks, ops = enter(clocks, ["intake", "total"], ["handling"], "2026-03-02 10:00", reason="returned")
    assert ops == [["pause", "handling"], ["restart", "intake"]]
    assert clocks["intake"].round == 2
    clocks, ops = enter(clocks, ["handling", "total"], [], "2026-03-02 10:01", restart=["handling"])
    assert ops == [["finish", "intake"], ["restart", "handling"]]
    assert (clocks["handling"].round, clocks["handling"].past[0].finished) == (2, us("2026-03-02 10:01"))
    clocks, ops = enter(clocks, [], [], "2026-03-02 11:00")
    assert sorted(ops) == [["finish", "handling"], ["finish", "total"]]


def test_a_clock_that_starts_under_an_order_stands_still() -> None:
    order = (us("2026-03-01 00:00"), None, "order-9")
    clocks, ops = enter({}, ["intake"], [], "2026-03-02 09:00", stops=[order])
    assert ops == [["start", "intake"], ["stop", "intake"]]
    assert due(clocks["intake"]) is None


def test_a_clock_without_a_limit_is_refused() -> None:
    with pytest.raises(ClockError, match="'check' must start and has no limit"):
        clock.enter_state({}, ["check"], [], LIMITS, 0)


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([("2026-03-02 09:00", RESUME)], "never started"),
        ([("2026-03-02 09:00", start("1", "hour")), ("2026-03-02 09:01", start("1", "hour"))], "runs already"),
        ([("2026-03-02 09:00", start("1", "hour")), ("2026-03-02 09:01", RESUME)], "not paused"),
        ([("2026-03-02 09:00", start("1", "hour")), ("2026-03-02 08:59", PAUSE)], "before the clock's last"),
        ([("2026-03-02 09:00", start("0", "hour"))], "above zero"),
        ([("2026-03-02 09:00", start("1", "week"))], "unknown unit"),
        ([("2026-03-02 09:00", ["start", "handling", [1.5, "hour"]])], "fraction or a decimal"),
        ([("2026-03-02 09:00", ["start", "handling", ["1/0", "hour"]])], "no amount"),
        ([("2026-03-02 09:00", ["start", "handling", ["one", "hour"]])], "no amount"),
        ([("2026-03-02 09:00", ["start", "handling", "1 hour"])], "value, unit"),
        ([("2026-03-02 09:00", ["start", "handling"])], "wrong number"),
        ([("2026-03-02 09:00", ["begin", "handling"])], "unknown clock operation"),
        ([("2026-03-02 09:00", ["finish"])], "name is missing"),
        ([("2026-03-02 09:00", [])], "no clock operation"),
        ([("2026-03-02 09:00", ["recount", "7"])], "calendar version"),
        ([("2026-03-02 09:00", start("1", "hour")), ("2026-03-02 09:00", ["stop", "handling", None, 5, "x"])], "stop"),
    ],
)
def test_operations_that_do_not_fit_are_refused(events, message) -> None:
    with pytest.raises(ClockError, match=message):
        clock.replay((us(at), [op]) for at, op in events)


@pytest.mark.parametrize("op", [PAUSE, RESUME, FINISH, ["extend", "handling", ["1", "hour"]]])
def test_a_finished_clock_takes_no_more(op) -> None:
    state = {"handling": run(("2026-03-02 09:00", start("1", "hour")), ("2026-03-02 09:30", FINISH))}
    before = dict(state)
    with pytest.raises(ClockError):
        clock.apply(state, op, us("2026-03-02 10:00"))
    assert state == before


# --------------------------------------------------------------------------------- why


def test_segments_tell_nights_holidays_and_what_is_planned() -> None:
    state = run(("2026-04-03 17:00", start("1", "work_hour")))
    found = why.segments(state, CALENDAR, us("2026-04-06 12:00"))
    assert [(s.kind, s.reason, s.counted, s.planned) for s in found] == [
        ("running", "", Fraction(1, 2), False),
        ("closed_hours", "", 0, False),
        ("holiday", "清明节", 0, False),
        ("holiday", "清明节", 0, True),
        ("closed_hours", "", 0, True),
        ("running", "", Fraction(1, 2), True),
    ]
    assert found[-1].to == due(state)


def test_segments_of_an_overdue_clock_end_now() -> None:
    state = run(("2026-03-02 09:00", start("1", "hour")))
    found = why.segments(state, CALENDAR, us("2026-03-02 11:30"))
    assert [(s.kind, s.to) for s in found] == [
        ("running", us("2026-03-02 10:00")),
        ("overdue", us("2026-03-02 11:30")),
    ]


def test_a_limit_with_a_part_of_a_second_still_adds_up() -> None:
    state = run(("2026-03-02 09:00", start("1/7", "minute")))
    found = why.segments(state, CALENDAR, us("2026-03-02 09:00"))
    assert why.total(found, 0) == Fraction(1, 7)
    assert due(state) == us("2026-03-02 09:00:09")
