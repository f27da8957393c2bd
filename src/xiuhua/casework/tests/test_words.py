"""Remaining time in words, Chinese and English, with state and icon."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from xiuhua.casework import clock
from xiuhua.casework.tests.test_clock import CALENDAR, FINISH, PAUSE, run, start, us
from xiuhua.casework.words import AMBER, GREEN, ICONS, PAUSED, RED, clock_words, duration
from xiuhua.messages import compile_all

HOUR4 = ("2026-03-02 09:00", start("4", "hour"))
DAY3 = ("2026-03-02 08:00", start("3", "work_day"))
WORK1 = ("2026-03-06 16:45", start("1", "work_hour"))
STOP = ["stop", "handling", us("2026-03-02 10:00"), None, "咸城管〔2026〕12 号"]


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    compile_all()


CASES = [
    # events, now, state, zh, en
    ([HOUR4], "2026-03-02 10:45", GREEN, "还剩 2 小时 15 分", "2 hours 15 minutes left"),
    ([HOUR4], "2026-03-02 12:12", AMBER, "还剩 48 分", "48 minutes left"),
    ([HOUR4], "2026-03-02 13:00", AMBER, "还剩 不到 1 分", "less than a minute left"),
    ([HOUR4], "2026-03-03 13:00", RED, "超期 1 天", "1 day overdue"),
    ([HOUR4], "2026-03-03 14:01", RED, "超期 1 天 1 小时", "1 day 1 hour overdue"),
    ([DAY3], "2026-03-02 08:00", GREEN, "还剩 3 个工作日", "3 working days left"),
    ([DAY3], "2026-03-02 11:45", GREEN, "还剩 2.5 个工作日", "2.5 working days left"),
    ([DAY3], "2026-03-03 17:30", GREEN, "还剩 1 个工作日", "1 working day left"),
    ([DAY3], "2026-03-04 11:00", AMBER, "还剩工作时间 4 小时 30 分", "4 hours 30 minutes of office time left"),
    ([WORK1], "2026-03-06 18:00", GREEN, "还剩工作时间 15 分", "15 minutes of office time left"),
    (
        [HOUR4, ("2026-03-02 11:00", PAUSE)],
        "2026-03-09 11:00",
        PAUSED,
        "已暂停：挂账，还剩 2 小时",
        "paused: On hold, 2 hours left",
    ),
    (
        [HOUR4, ("2026-03-02 14:00", PAUSE)],
        "2026-03-09 11:00",
        RED,
        "超期 1 小时（已暂停：挂账）",
        "1 hour overdue (paused: On hold)",
    ),
    (
        [HOUR4, ("2026-03-02 10:00", STOP)],
        "2026-03-02 12:00",
        PAUSED,
        "已停表：咸城管〔2026〕12 号，还剩 3 小时",
        "stopped by order 咸城管〔2026〕12 号, 3 hours left",
    ),
    ([HOUR4, ("2026-03-02 13:00", FINISH)], "2026-03-09 11:00", GREEN, "按时完成", "finished in time"),
    (
        [HOUR4, ("2026-03-02 13:30", FINISH)],
        "2026-03-09 11:00",
        RED,
        "超期 30 分完成",
        "finished 30 minutes late",
    ),
]


@pytest.mark.parametrize(("events", "now", "state", "zh", "en"), CASES)
def test_words(events, now, state, zh, en) -> None:
    for language, text, title in (("zh-hans", zh, "挂账"), ("en", en, "On hold")):
        with override(language):
            said = clock_words(run(*events), CALENDAR, us(now), reasons={"on_hold": title})
            assert (str(said), said.state) == (text, state)
            assert said.icon in ICONS.values()


def test_icon_and_percent_say_the_same_as_the_colour() -> None:
    green, amber, red = (
        clock_words(run(HOUR4), CALENDAR, us(now))
        for now in ("2026-03-02 10:00", "2026-03-02 12:30", "2026-03-02 14:00")
    )
    assert [(w.state, w.icon, w.percent) for w in (green, amber, red)] == [
        (GREEN, "clock", 25),
        (AMBER, "clock-exclamation", 87),
        (RED, "alert-triangle", 125),
    ]
    assert clock_words(run(HOUR4, ("2026-03-02 10:00", PAUSE)), CALENDAR, us("2026-03-02 10:00")).icon == "clock-pause"
    done = run(HOUR4, ("2026-03-02 10:00", FINISH))
    assert clock_words(done, CALENDAR, us("2026-03-02 10:00")).icon == "clock-check"


@pytest.mark.parametrize(
    ("seconds", "en"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (86400 + 59 * 60, "1 day"),
        (2 * 86400 + 3 * 3600 + 120, "2 days 3 hours"),
    ],
)
def test_durations_have_two_parts_at_most(seconds, en) -> None:
    with override("en"):
        assert duration(seconds) == en


def test_a_mixed_limit_is_told_on_the_wall_clock() -> None:
    state = run(HOUR4, ("2026-03-02 09:00", ["extend", "handling", ["1", "work_day"]]))
    rest = clock.remaining(state, CALENDAR, us("2026-03-02 09:00"))
    with override("en"):
        said = str(clock_words(state, CALENDAR, us("2026-03-02 09:00")))
    assert rest.due == us("2026-03-03 12:00")
    assert said == "1 day 3 hours left"
