"""The work calendar: days against an independent list, counting against its own definition, and the edges."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, time, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiuhua.city.calendar import CalendarRangeError, Notice, build, days_of
from xiuhua.city.work_calendar import ANNOUNCED, ASSUMED, FIRST, UNKNOWN, OfficeProfile, Season

LISTED = Path(__file__).parent / "data" / "calendar" / "holiday_cn.csv"
SHANGHAI = timezone(timedelta(hours=8))
PLAIN = build()
FLAT = OfficeProfile((Season((1, 1), (12, 31), ((8 * 3600, 12 * 3600), (14 * 3600, 18 * 3600))),))
NOTICE_2027 = Notice(
    id=7,
    platform_id=None,
    year=2027,
    status=ANNOUNCED,
    days=(("2026-12-31", "off", "元旦"), ("2027-01-01", "off", "元旦"), ("2027-01-09", "work", "元旦")),
    valid_from=FIRST,
    profile=None,
)
FLAT_HOURS = Notice(9, None, None, ANNOUNCED, (), date(2026, 7, 1), FLAT)


def at(text: str) -> datetime:
    """Shanghai time like "2026-02-13 17:30" as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def test_every_day_of_the_announced_years_agrees_with_an_independent_list() -> None:
    with LISTED.open(encoding="utf-8") as source:
        listed = {date.fromisoformat(row["date"]): row["kind"] == "work" for row in csv.DictReader(source)}
    day = date(2010, 1, 1)
    while day.year <= 2026:
        assert PLAIN.is_workday(day) == listed.get(day, day.weekday() < 5), day
        day += timedelta(days=1)


def test_2026_has_248_working_days_and_six_swapped_ones() -> None:
    swapped = [f"{day:%m-%d}" for day, listed in days_of(PLAIN, 2026) if listed.work]
    assert swapped == ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"]
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert sum(PLAIN.is_workday(day) for day in year) == 248
    assert dict(days_of(PLAIN, 2026))[date(2026, 2, 17)].name == "春节"


def test_a_year_is_announced_assumed_or_unknown() -> None:
    assert [PLAIN.status(year) for year in (2003, 2004, 2026, 2027, 2064)] == [
        UNKNOWN,
        ANNOUNCED,
        ANNOUNCED,
        ASSUMED,
        UNKNOWN,
    ]
    with_notice = build((NOTICE_2027,))
    assert with_notice.status(2027) == ANNOUNCED
    a, b = int(at("2026-12-30 10:00").timestamp()), int(at("2028-01-01 00:00").timestamp())
    assert PLAIN.unannounced(a, b) == [2027, 2028]
    assert with_notice.unannounced(a, b) == [2028]
    # half an hour before the New Year of Shanghai it is still 2026, though UTC is further back
    assert PLAIN.unannounced(a, int(at("2026-12-31 23:59").timestamp())) == []


def test_a_notice_changes_days_and_the_version() -> None:
    calendar = build((NOTICE_2027,))
    assert (PLAIN.version, calendar.version) == (0, 7)
    assert PLAIN.is_workday(date(2026, 12, 31))
    assert not calendar.is_workday(date(2026, 12, 31))  # stands in the notice of the following year
    assert calendar.is_workday(date(2027, 1, 9))  # a Saturday
    assert calendar.add(at("2026-12-30 08:00"), 2, "work_day") == at("2027-01-04 17:30")
    assert PLAIN.add(at("2026-12-30 08:00"), 2, "work_day") == at("2026-12-31 17:30")


def test_the_newest_notice_of_a_year_replaces_the_older_and_a_platform_goes_first() -> None:
    corrected = Notice(8, None, 2027, ANNOUNCED, (("2027-01-01", "off", "元旦"),), FIRST, None)
    calendar = build((NOTICE_2027, corrected))
    assert calendar.is_workday(date(2026, 12, 31))
    assert not calendar.is_workday(date(2027, 1, 9))
    own = Notice(3, 5, 2027, ANNOUNCED, (("2027-01-09", "off", "本地"),), FIRST, None)
    both = build((own, NOTICE_2027))
    assert not both.is_workday(date(2027, 1, 9))
    assert not both.is_workday(date(2027, 1, 1))


def test_hours_change_from_a_day_on() -> None:
    calendar = build((FLAT_HOURS,))
    assert [t.astimezone(SHANGHAI).time() for pair in calendar.slots(date(2026, 6, 30)) for t in pair] == [
        time(8),
        time(12),
        time(14, 30),
        time(18),
    ]
    assert calendar.slots(date(2026, 7, 1))[1] == (at("2026-07-01 14:00"), at("2026-07-01 18:00"))
    assert calendar.slots(date(2026, 7, 4)) == ()


ADDED = [
    # start, amount, unit, due
    ("2026-03-02 09:00", 15, "minute", "2026-03-02 09:15"),
    ("2026-03-06 23:50", 2, "hour", "2026-03-07 01:50"),
    ("2026-02-14 10:00", 1, "day", "2026-02-15 10:00"),
    ("2026-03-02 09:00", 1, "work_hour", "2026-03-02 10:00"),
    ("2026-03-02 11:30", 1, "work_hour", "2026-03-02 14:30"),  # over the lunch break
    ("2026-03-02 11:00", 1, "work_hour", "2026-03-02 12:00"),  # used up when the slot ends: due then
    ("2026-03-02 12:30", 1, "work_hour", "2026-03-02 15:00"),  # starts outside office hours
    ("2026-03-06 17:00", 1, "work_hour", "2026-03-09 08:30"),  # over a weekend
    ("2026-04-30 17:00", 2, "work_hour", "2026-05-06 09:30"),  # over a holiday into the summer
    ("2026-05-08 17:30", 1, "work_hour", "2026-05-09 08:30"),  # the Saturday is worked
    ("2026-02-13 08:00", 1, "work_day", "2026-02-13 17:30"),
    ("2026-02-13 08:00", 2, "work_day", "2026-02-14 17:30"),  # swapped Saturday
    ("2026-02-13 08:00", 3, "work_day", "2026-02-24 17:30"),  # over the Spring Festival
    ("2026-02-13 17:30", 1, "work_day", "2026-02-14 17:30"),
    ("2026-02-13 20:00", 1, "work_day", "2026-02-14 17:30"),
    ("2026-02-15 03:00", 1, "work_day", "2026-02-24 17:30"),
    ("2026-03-02 10:00", 1, "work_day", "2026-03-03 10:00"),
    ("2026-03-02 08:00", Fraction(1, 2), "work_day", "2026-03-02 11:45"),
    ("2026-03-02 12:00", 0, "work_hour", "2026-03-02 12:00"),
    ("2026-03-07 03:21", 0, "work_day", "2026-03-07 03:21"),
]


@pytest.mark.parametrize(("start", "amount", "unit", "due"), ADDED)
def test_add(start: str, amount: Fraction, unit: str, due: str) -> None:
    assert PLAIN.add(at(start), amount, unit) == at(due)


def test_a_work_day_is_a_day_whatever_its_length() -> None:
    """From 7.5 hours to 8: half of a day stays half of a day."""
    calendar = build((FLAT_HOURS,))
    assert calendar.add(at("2026-06-30 08:00"), 2, "work_day") == at("2026-07-01 18:00")
    # 15:45 leaves 2.25 of 7.5 hours, 0.3 days; 0.5 days end after 0.2 of 8 hours
    assert calendar.add(at("2026-06-30 15:45"), Fraction(1, 2), "work_day") == at("2026-07-01 09:36")
    assert calendar.consumed(at("2026-06-30 15:45"), at("2026-07-01 09:36"), "work_day") == Fraction(1, 2)
    assert calendar.consumed(at("2026-06-30 15:45"), at("2026-07-01 09:36"), "work_hour") == Fraction(77, 20)


def test_a_part_of_a_second_is_rounded_for_the_party() -> None:
    assert PLAIN.add(at("2026-03-02 09:00"), Fraction(1, 7), "minute") == at("2026-03-02 09:00:09")
    assert PLAIN.add(at("2026-03-02 09:00:00.900000"), 1, "minute") == at("2026-03-02 09:01:00")


UNIT = st.sampled_from(["minute", "hour", "day", "work_hour", "work_day"])
SECOND = st.integers(
    int(datetime(2025, 12, 1, tzinfo=UTC).timestamp()), int(datetime(2027, 6, 1, tzinfo=UTC).timestamp())
)
AMOUNT = st.fractions(0, 30, max_denominator=12)
CALENDAR = st.sampled_from([PLAIN, build((NOTICE_2027,)), build((NOTICE_2027, FLAT_HOURS))])


@settings(max_examples=300, deadline=None)
@given(CALENDAR, SECOND, AMOUNT, UNIT)
def test_the_deadline_is_the_first_second_that_reaches_the_amount(calendar, second, amount, unit) -> None:
    due = calendar.after(second, amount, unit)
    assert calendar.between(second, due, unit) >= amount
    if due > second:
        assert calendar.between(second, due - 1, unit) < amount


@settings(max_examples=300, deadline=None)
@given(CALENDAR, st.lists(SECOND, min_size=3, max_size=3), UNIT)
def test_counted_time_adds_up(calendar, seconds, unit) -> None:
    a, b, c = sorted(seconds)
    assert calendar.between(a, b, unit) + calendar.between(b, c, unit) == calendar.between(a, c, unit)


@settings(max_examples=60, deadline=None)
@given(CALENDAR, SECOND, st.integers(0, 20 * 86400))
def test_stretches_cover_the_time_and_agree_with_the_count(calendar, a, length) -> None:
    found = list(calendar.stretches(a, a + length))
    edges = [(s.a, s.b) for s in found]
    assert edges == sorted(edges)
    assert all(x[1] == y[0] for x, y in pairwise(edges))
    assert sum(b - a for a, b in edges) == length
    office = sum(s.b - s.a for s in found if s.kind == "office")
    assert Fraction(office, 3600) == calendar.between(a, a + length, "work_hour")


def test_stretches_name_the_holiday() -> None:
    a, b = (int(at(text).timestamp()) for text in ("2026-04-03 17:00", "2026-04-07 08:30"))
    assert [(s.kind, s.name, s.name_en) for s in PLAIN.stretches(a, b)] == [
        ("office", "", ""),
        ("closed_hours", "", ""),
        ("holiday", "清明节", "Tomb-sweeping Day"),
        ("closed_hours", "", ""),
        ("office", "", ""),
    ]


def test_refusals() -> None:
    start = at("2026-03-02 09:00")
    with pytest.raises(ValueError, match="time zone"):
        PLAIN.add(datetime(2026, 3, 2), 1, "hour")  # noqa: DTZ001
    with pytest.raises(ValueError, match="unknown unit 'week'"):
        PLAIN.add(start, 1, "week")
    with pytest.raises(ValueError, match="backwards"):
        PLAIN.add(start, -1, "hour")
    with pytest.raises(ValueError, match="before"):
        PLAIN.consumed(start, start - timedelta(hours=1), "hour")
    for unit, amount in (("work_day", 20000), ("work_hour", 200000), ("day", 20000)):
        with pytest.raises(CalendarRangeError):
            PLAIN.add(start, amount, unit)
    with pytest.raises(CalendarRangeError):
        PLAIN.add(datetime(2003, 12, 31, tzinfo=UTC), 1, "hour")


MORNING = ((8 * 3600, 12 * 3600),)


@pytest.mark.parametrize(
    ("seasons", "message"),
    [
        ((Season((1, 1), (12, 30), MORNING),), "12-31 belongs to no season"),
        ((Season((10, 1), (5, 1), MORNING), Season((5, 1), (9, 30), MORNING)), "05-01 belongs to 2 seasons"),
        ((Season((1, 1), (12, 31), ((8, 12), (11, 13))),), "follow each other"),
        ((Season((1, 1), (12, 31), ((8, 8),)),), "follow each other"),
        ((Season((1, 1), (12, 31), ()),), "no office hours"),
    ],
)
def test_a_profile_covers_the_year_exactly_once(seasons, message) -> None:
    with pytest.raises(ValueError, match=message):
        OfficeProfile(seasons)
