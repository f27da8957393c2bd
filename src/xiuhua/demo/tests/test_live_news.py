"""What live update tells to whom, with the city case: the same cases as the lists show, and few statements."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from xiuhua.casework import ids, permits
from xiuhua.casework.live import app, hub, news
from xiuhua.casework.live.hub import Hub, Listener
from xiuhua.casework.models import Case, Event
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.models import Platform, User
from xiuhua.demo.tests.test_city_case import Desk
from xiuhua.demo.tests.test_pages_told import browser


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


def everybody() -> list[Actor]:
    return [actor_for(user) for user in User.objects.order_by("pk")]


def test_everybody_hears_of_the_cases_that_they_see(desk: Desk) -> None:
    desk.to_check()
    desk.report()
    happened, complete = news.since(0)
    assert complete and len(happened) == Event.objects.count()
    numbers = set()
    for actor in everybody():
        heard = {one["case"] for one in news.heard_by(actor, happened)}
        assert heard == set(permits.visible(actor).values_list("number", flat=True)), actor.username
        numbers.add(len(heard))
    assert len(numbers) > 2  # some see nothing, some part, some all


def test_arrived_is_told_to_whom_it_now_waits_for(desk: Desk) -> None:
    desk.filed()
    desk.do("dispatcher", "dispatch", unit="cg-municipal")
    happened, _complete = news.since(0)

    def arrived(name: str) -> list[int]:
        told = news.heard_by(desk.who(name), happened)
        return [one["seq"] for one in told if one["arrived"] and one["case"] == desk.number]

    last = desk.case.seq
    assert last in arrived("municipal")
    assert not arrived("dispatcher") and not arrived("hotline") and not arrived("chief")


def test_news_costs_three_statements_however_much_happened(desk: Desk, django_assert_num_queries: Any) -> None:
    for _n in range(4):
        desk.filed()
    handler = desk.who("handler")
    for actor in (handler, desk.who("chief")):
        news.heard_by(actor, news.since(0)[0])  # the tables in memory
    with django_assert_num_queries(2):
        happened, _complete = news.since(0)
    with django_assert_num_queries(1):
        news.heard_by(handler, happened)
    with django_assert_num_queries(0):
        news.heard_by(desk.who("chief"), happened)
    heard = [one.event for one in happened]
    with django_assert_num_queries(1):
        assert news.since(0, heard) == ([], True)
    assert news.since(0, most=3)[1] is False


def test_asking_and_the_changed_box_cost_few_statements(desk: Desk, django_assert_max_num_queries: Any) -> None:
    client = browser("chief")
    now = time.time_ns() // 1_000_000
    for _n in range(5):
        desk.filed()
    client.get(f"/live/?at={now}")
    with django_assert_max_num_queries(7):  # session, account, posts, table versions; events and cases
        told = client.get(f"/live/?at={now}").json()
    assert desk.number in {one["case"] for one in told["news"]}
    with django_assert_max_num_queries(9):
        box = client.get(f"/cases/{desk.number}/changed/?seq=1")
    assert "热线坐席一号" in box.content.decode()
    assert browser("handler").get(f"/cases/{desk.number}/changed/?seq=1").status_code == 404
    assert browser("handler").get(f"/live/?at={now}").json()["news"] == []


class TestHub:
    @pytest.fixture
    def loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        made = asyncio.new_event_loop()
        yield made
        made.close()

    def heard(self, listener: Listener) -> list[tuple[str, dict[str, Any]] | None]:
        async def drain() -> list[tuple[str, dict[str, Any]] | None]:
            await asyncio.sleep(0)
            found = []
            while not listener.queue.empty():
                found.append(listener.queue.get_nowait())
            return found

        return listener.loop.run_until_complete(drain())

    def test_each_thing_is_told_once_and_also_what_becomes_visible_late(
        self, desk: Desk, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Hub, "_written", lambda _watch: True)  # there is one connection here, it never says so
        watch, listener = Hub(), Listener(desk.who("chief"), loop)
        desk.report()
        first = Event.objects.get(case=desk.case)
        watch.join(listener, None)
        watch.look()
        # Named before the newest event, and visible only after that was told.
        earlier = time.time_ns() - 2 * 10**9
        with monkeypatch.context() as before:
            before.setattr(ids, "_last_ms", 0)
            before.setattr("time.time_ns", lambda: earlier)
            late = Desk(desk.city).report()
        written = Event.objects.get(case=late)
        assert written.pk < first.pk
        watch.look()
        watch.look()
        told = [data["id"] for kind, data in filter(None, self.heard(listener)) if kind == "case"]
        assert told == [str(first.pk), str(written.pk)]

    def test_who_reads_too_slowly_is_cut_off(
        self, desk: Desk, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "QUEUE", 3)
        listener = Listener(desk.who("chief"), loop)
        listener.tell([("case", {"id": str(n)}) for n in range(5)])
        assert self.heard(listener)[0] is None

    def test_more_than_can_be_told_is_said(
        self, desk: Desk, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch, listener = Hub(), Listener(desk.who("chief"), loop)
        watch.join(listener, None)
        monkeypatch.setattr(news.since, "__defaults__", ((), 2))
        for _n in range(3):
            desk.report()
        watch.look()
        assert [one for one in self.heard(listener) if one] == [("hello", {}), ("reset", {})]


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("", "127.0.0.1:8001", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8001", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8001", True),
        ("http://127.0.0.1:8002", "127.0.0.1:8001", False),
        ("http://127.0.0.1", "127.0.0.1:8001", False),
        ("http://[::1]:8000", "[::1]:8001", True),
        ("http://x@127.0.0.1:8000", "127.0.0.1:8001", False),
        ("http://127.0.0.1.evil.cn:8000", "127.0.0.1:8001", False),
        ("http://127.0.0.1:port", "127.0.0.1:8001", False),
        ("https://city.gov.cn", "city.gov.cn", True),
        ("https://office.gov.cn", "city.gov.cn", True),
        ("null", "127.0.0.1:8001", False),
    ],
)
def test_whose_pages_may_read(settings: Any, origin: str, host: str, allowed: bool) -> None:
    settings.STREAM_PAGES_PORT, settings.CSRF_TRUSTED_ORIGINS = 8000, ["https://office.gov.cn"]
    assert app.origin_allowed(origin, host) is allowed
    if origin.endswith(":8000"):
        settings.STREAM_PAGES_PORT = 0
        assert not app.origin_allowed(origin, host)


def test_cases_are_found_by_the_row_where_that_is_enough(desk: Desk, django_assert_num_queries: Any) -> None:
    desk.report()
    cases = list(Case.objects.all())
    permits.seen_among(desk.who("chief"), cases)
    with django_assert_num_queries(0):
        assert permits.seen_among(desk.who("chief"), cases) == {case.pk for case in cases}
