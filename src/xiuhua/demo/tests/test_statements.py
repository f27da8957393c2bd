"""No page of the desk asks the database more than twelve times, whatever it shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import moments, permits
from xiuhua.city.models import Platform
from xiuhua.demo.tests.test_city_case import Desk
from xiuhua.demo.tests.test_desk import Clock, waiting
from xiuhua.demo.tests.test_pages_told import browser

MOST = 12
LISTS = (
    "/", "/cases/", "/cases/?open=1&sort=due", "/cases/?sort=updated", "/cases/?state=handling", "/cases/?grid=421202001001001",
    "/cases/?category=1&unit=1&county=421202", "/cases/?q=井盖", "/cases/?q=咸宁大道 井盖", "/cases/?q=00001", "/cases/?q=13900000001",
    "/cases/count/?open=1", "/cases/count/?q=井盖", "/cases/lists/",
)  # fmt: skip


@pytest.fixture
def desk(city: Platform) -> Any:
    with moments.clock_set(Clock()):
        yield Desk(city)


def asked(client: Any, path: str) -> list[str]:
    """The statements of a page that was shown once before."""
    client.get(path)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200, path
    return [one["sql"] for one in seen.captured_queries]


@pytest.mark.parametrize("many", (0, permits.MANY))
@pytest.mark.parametrize("who", ("dispatcher", "municipal", "collector", "chief", "auditor"))
def test_lists_and_searches(desk: Desk, monkeypatch: pytest.MonkeyPatch, who: str, many: int) -> None:
    monkeypatch.setattr(permits, "MANY", many)
    monkeypatch.setattr(permits, "_known", {})
    waiting(desk, 3)
    desk.handling()
    client = browser(who)
    for path in LISTS:
        seen = asked(client, path)
        assert len(seen) <= MOST, (path, len(seen), *seen)


@pytest.mark.parametrize("who", ("dispatcher", "municipal", "chief"))
def test_a_case_alone_and_beside_its_list(desk: Desk, who: str) -> None:
    """With a task under it, a place with others around it, personal data, and a list to walk in three orders."""
    waiting(desk, 3)
    desk.handling()
    lists = ("list=open%3D1", "list=open%3D1%26sort%3Ddue", "list=sort%3Dupdated")
    for path in ("", *(f"?pane=1&{one}" for one in lists)):
        seen = asked(browser(who), f"/cases/{desk.number}/{path}")
        assert len(seen) <= MOST, (path, len(seen), *seen)


def test_the_overview(desk: Desk) -> None:
    desk.handling()
    desk.report(urgency="urgent")
    for path in ("/overview/", "/overview/figures/"):
        seen = asked(browser("chief"), path)
        assert len(seen) <= MOST, (path, len(seen), *seen)


def test_an_early_hour_counts_as_this_day(desk: Desk) -> None:
    """The figures of today are summed from hours of the clock and begin at the local midnight."""
    from xiuhua.command import overview

    late = datetime(2026, 3, 4, 15, 59, tzinfo=UTC)  # one minute before midnight in the city
    with moments.clock_set(lambda: late):
        desk.report()
    found = overview.figures(desk.who("chief"), datetime(2026, 3, 4, 16, 5, tzinfo=UTC))
    assert found.now["reported"] == 0 and sum(n for _hour, n, _closed in found.hours) == 1
