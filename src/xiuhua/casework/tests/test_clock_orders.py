"""A clock order stops the clocks of an area and its classes by one row, and every deadline stays derivable."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from xiuhua.casework import clock as clocks
from xiuhua.casework import clock_orders, rebuild, recount, sweep, verify
from xiuhua.casework.models import Case, ClockOrder, Event, Outbox
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import City, TestClock, forget
from xiuhua.city import calendar_load, categories, memory
from xiuhua.city.models import Category, CategoryScheme, Platform


def issue(city: City, clock: TestClock, *, hours: float | None = 24, **more: Any) -> ClockOrder:
    """Two working days from now on, unless said otherwise."""
    start = more.pop("starts_at", clock.at)
    row = clock_orders.issue(
        more.pop("platform", city.platform), city.leader, document_number=more.pop("number", "停表〔2026〕1号"),
        signatory="值班主任", starts_at=start, ends_at=start + timedelta(hours=hours) if hours else None, **more,
    )  # fmt: skip
    city.run()
    return row


def stops(case: Case) -> dict[str, list[str]]:
    """Orders laid on the unfinished clocks of a case."""
    fresh = Case.objects.get(pk=case.pk)
    return {n: [s.ref for s in c.stops] for n, c in clocks.from_json(fresh.clocks).items() if c.finished is None}


def due(case: Case) -> Any:
    return Case.objects.get(pk=case.pk).handling_due_at


def test_every_open_case_gets_later_and_says_why(city: City, clock: TestClock) -> None:
    open_case, closed = city.handled(), city.act(city.act(city.handled(), "finish"), "close")
    before = due(open_case)
    order = issue(city, clock)
    assert due(open_case) - before == timedelta(days=3), "a day and then a weekend"
    event = Event.objects.get(case=open_case, action="recount")
    assert order.document_number in event.body
    assert not Event.objects.filter(case=closed, action="recount").exists()
    assert list(rebuild.compare()) == [] and verify.verify().ok


def test_a_clock_that_starts_during_the_order_is_stopped_too(city: City, clock: TestClock) -> None:
    issue(city, clock)
    forget()  # as a process does within a second
    clock.forward(minutes=5)
    case = city.case()
    assert stops(case) == {"intake": ["停表〔2026〕1号"], "total": ["停表〔2026〕1号"]}
    assert not Event.objects.filter(case=case, action="recount").exists()
    clock.forward(days=3)
    later = city.case()
    assert stops(later) == {"intake": [], "total": []}


def test_only_the_area_named(city: City, clock: TestClock) -> None:
    there, elsewhere = city.handled(), city.handled()
    Case.objects.filter(pk=there.pk).update(community="421202001003", county="421202")
    Case.objects.filter(pk=elsewhere.pk).update(county="421221")
    issue(city, clock, division_prefixes=["421202001"])
    assert stops(there)["handling"] and not stops(elsewhere)["handling"]


def test_only_the_classes_named(city: City, clock: TestClock) -> None:
    scheme = CategoryScheme.objects.create(code="s", version=1, name="s", name_en="s", digest="", imported_at=clock.at)
    rows = [
        Category.objects.create(
            scheme=scheme, kind=kind, code=code, major_code=code[:2], minor_code=code[2:], major_zh="m", major_en="m",
            minor_zh="n", minor_en="n",
        )
        for kind, code in (("component", "01001"), ("component", "02001"), ("event", "01001"))
    ]  # fmt: skip
    memory.bump(categories.TABLE_NAME)
    forget()
    cases = [city.handled() for _ in rows]
    for case, row in zip(cases, rows, strict=True):
        Case.objects.filter(pk=case.pk).update(category=row, kind=row.kind)
    issue(city, clock, class_prefixes=["component:01", "event"])
    assert [bool(stops(case)["handling"]) for case in cases] == [True, False, True]


def test_a_city_covers_its_counties_and_a_county_itself(city: City, clock: TestClock) -> None:
    county = Platform.objects.create(code="421202", name="区", level="county", adcode="421202", parent=city.platform)
    forget()
    own, below = city.handled(), city.handled()
    Case.objects.filter(pk=below.pk).update(platform=county)
    issue(city, clock, platform=county, number="县1号")
    assert (stops(own)["handling"], stops(below)["handling"]) == ([], ["县1号"])
    issue(city, clock, number="市1号")
    assert (stops(own)["handling"], stops(below)["handling"]) == (["市1号"], ["县1号", "市1号"])


def test_an_order_without_an_end_holds_until_it_is_closed(city: City, clock: TestClock) -> None:
    case = city.handled()
    before = due(case)
    order = issue(city, clock, hours=None)
    assert due(case) is None
    clock.forward(days=1)
    clock_orders.close(order, city.leader, clock.at)
    city.run()
    assert due(case) - before == timedelta(days=3)
    assert list(rebuild.compare()) == []


def test_a_cancelled_order_never_was(city: City, clock: TestClock) -> None:
    case = city.handled()
    before = due(case)
    order = issue(city, clock)
    assert due(case) != before
    clock_orders.cancel(order, city.leader)
    city.run()
    assert due(case) == before
    assert list(rebuild.compare()) == []


def test_cancelled_before_it_reached_the_case(city: City, clock: TestClock) -> None:
    case = city.handled()
    order = clock_orders.issue(
        city.platform, city.leader, document_number="1", signatory="x", starts_at=clock.at,
        ends_at=clock.at + timedelta(days=1),
    )  # fmt: skip
    clock_orders.cancel(order, city.leader)
    city.run()
    assert stops(case)["handling"] == []
    assert not Event.objects.filter(case=case, action="recount").exists()


def test_two_orders_overlap_and_time_is_stopped_once(city: City, clock: TestClock) -> None:
    case = city.handled()
    issue(city, clock, hours=24, number="1")
    once = due(case)
    issue(city, clock, hours=12, number="2")
    assert due(case) == once


def test_what_a_crash_left_out_the_sweep_brings(city: City, clock: TestClock, settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path
    case = city.handled()
    clock_orders.issue(
        city.platform, city.leader, document_number="1", signatory="x", starts_at=clock.at,
        ends_at=clock.at + timedelta(days=1),
    )  # fmt: skip
    Outbox.objects.filter(kind="clock_order").delete()
    assert sweep.sweep().orders == 1
    city.run()
    assert stops(case)["handling"] == ["1"]
    assert sweep.sweep().orders == 0


def test_thousands_are_queued_in_batches(city: City, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_orders, "BATCH", 2)
    cases = [city.case() for _ in range(5)]
    issue(city, clock)
    assert Outbox.objects.filter(kind="clock_order").count() == 5
    assert all(stops(case)["intake"] for case in cases)


def test_warnings_move_with_the_deadline(city: City, clock: TestClock) -> None:
    case = city.case()
    issue(city, clock, hours=2)
    clock.forward(minutes=20)
    city.run()
    assert not Event.objects.filter(case=case, action="clock_warning").exists()
    clock.forward(hours=2)
    city.run()
    assert Event.objects.filter(case=case, action="clock_warning").count() == 3


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"document_number": " "}, "document_number"),
        ({"signatory": ""}, "signatory"),
        ({"hours": -1}, "ends_at"),
        ({"division_prefixes": ["城区"]}, "division_prefixes"),
        ({"class_prefixes": ["manholes"]}, "class_prefixes"),
    ],
)
def test_a_wrong_order_is_refused_with_its_field(
    city: City, clock: TestClock, wrong: dict[str, Any], field: str
) -> None:
    given: dict[str, Any] = {
        "document_number": "1", "signatory": "x", "starts_at": clock.at, "ends_at": clock.at + timedelta(hours=wrong.pop("hours", 1)),
    }  # fmt: skip
    with pytest.raises(Refused) as refused:
        clock_orders.issue(city.platform, city.leader, **{**given, **wrong})
    assert [m.field for m in refused.value.refusal.missing] == [field]
    assert not ClockOrder.objects.exists()


def test_one_number_one_order_and_only_by_who_may(city: City, clock: TestClock) -> None:
    order = issue(city, clock, number="1")
    with pytest.raises(Refused):
        issue(city, clock, number="1")
    for name in ("operator", "dispatcher", "administrator"):
        with pytest.raises(Refused):
            clock_orders.cancel(order, city.actors[name])
    assert ClockOrder.objects.count() == 1


# --- notices ----------------------------------------------------------------------------------------------------


def test_a_new_notice_recounts_those_it_concerns_and_no_others(city: City, clock: TestClock) -> None:
    soon, done = city.handled(), city.act(city.act(city.handled(), "finish"), "close")
    before = due(soon)
    calendar_load.store_notice([calendar_load.NoticeDay(date(2026, 3, 5), "off", "试")], 2026)
    forget()
    city.run()
    assert due(soon) - before == timedelta(days=3)
    assert not Event.objects.filter(case=done, action="recount").exists()
    events = Event.objects.filter(action="recount").count()
    calendar_load.store_notice([calendar_load.NoticeDay(date(2026, 3, 5), "off", "试")], 2026)
    forget()
    city.run()
    assert Event.objects.filter(action="recount").count() == events, "the same days again move nothing"
    assert list(rebuild.compare()) == [] and verify.verify().ok


def test_a_notice_that_is_taken_back_queues_nothing(city: City) -> None:
    from django.db import transaction

    city.handled()
    with transaction.atomic():
        calendar_load.store_notice([calendar_load.NoticeDay(date(2026, 3, 5), "off", "试")], 2026)
        transaction.set_rollback(True)
    forget()
    assert not Outbox.objects.filter(kind=recount.KIND).exists()


def test_a_process_with_the_old_calendar_waits(city: City, clock: TestClock) -> None:
    """The look through the cases must not be done with the calendar of before."""
    case = city.handled()
    before = due(case)
    days = [calendar_load.NoticeDay(date(2026, 3, 5), "off", "试")]
    version = calendar_load.store_notice(days, 2026)
    forget()
    Outbox.objects.filter(kind=recount.KIND).update(payload={"platform": None, "version": version + 1})
    city.run()
    row = Outbox.objects.get(kind=recount.KIND)
    assert "CalendarNotSeen" in row.last_error and due(case) == before
    Outbox.objects.filter(kind=recount.KIND).update(payload={"platform": None, "version": version})
    clock.forward(minutes=1)
    city.run()
    assert due(case) > before
