"""OGC API – Features: in sight, page after page, under the list's filters, and what it refuses. GDAL: tests/test_gis.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import shapely
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import moments, permits
from xiuhua.casework.models import Case
from xiuhua.casework.ogc.api import CRS84, MOST
from xiuhua.casework.ogc.wishes import box, interval
from xiuhua.city import memory, tokens
from xiuhua.city.access import actor_for
from xiuhua.city.models import Component, Platform, UnitGrid, User
from xiuhua.demo.tests.test_city_case import Desk, Time
from xiuhua.demo.tests.test_map import EAST, NORTH, SOUTH, TRIANGLE, WEST, add_components, scatter

SCOPES = ("case.read", "ground.read")


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


@pytest.fixture
def time() -> Iterator[Time]:
    source = Time()
    with moments.clock_set(source):
        yield source


def token(name: str, *scopes: str) -> str:
    user = User.objects.get(username=name)
    return tokens.issue(user, actor_for(user), "gis", scopes or SCOPES, 2, check=False)[1]


class Gis:
    """A desktop GIS: a token, and the addresses that the server itself gives."""

    def __init__(self, name: str, *scopes: str, language: str = "zh-hans") -> None:
        self.headers = {"Authorization": f"Bearer {token(name, *scopes)}", "Accept-Language": language}
        self.client = Client()

    def get(self, url: str) -> Any:
        parts = urlsplit(url)
        return self.client.get(f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=self.headers)

    def follow(self, url: str) -> list[dict[str, Any]]:
        """Every page from a first one on."""
        found: list[dict[str, Any]] = []
        while url:
            answer = self.get(url)
            assert answer.status_code == 200 and answer["Content-Type"] == "application/geo+json", answer.content
            page = answer.json()
            assert page["numberReturned"] == len(page["features"])
            found += page["features"]
            url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
        return found


def test_everything_is_found_from_the_landing_page(desk: Desk) -> None:
    desk.report()
    gis = Gis("dispatcher")
    landing = gis.get("/ogc/").json()
    links = {link["rel"]: link["href"] for link in landing["links"]}
    assert {"self", "service-desc", "conformance", "data"} <= set(links)
    assert any(one.endswith("conf/core") for one in gis.get(links["conformance"]).json()["conformsTo"])
    document = gis.get(links["service-desc"]).json()
    assert "/ogc/collections/{collection}/items" in document["paths"]
    for one in gis.get(links["data"]).json()["collections"]:
        assert one["crs"] == [CRS84] and len(one["extent"]["spatial"]["bbox"][0]) == 4
        items = next(link["href"] for link in one["links"] if link["rel"] == "items")
        features = gis.follow(items)
        assert features, one["id"]
        for feature in features:
            assert shapely.geometry.shape(feature["geometry"]).is_valid
            again = gis.get(f"{items}/{feature['id']}").json()
            assert again["properties"] == feature["properties"] and again["geometry"] == feature["geometry"]


def test_titles_speak_the_readers_language(desk: Desk) -> None:
    desk.report()
    titles = {
        language: [
            one["title"] for one in Gis("dispatcher", language=language).get("/ogc/collections").json()["collections"]
        ]
        for language in ("zh-hans", "en")
    }
    assert "案件" in titles["zh-hans"] and "Cases" in titles["en"]


# -- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 50, MOST, 10 * MOST])
def test_pages_bring_every_feature_once(desk: Desk, city: Platform, size: int) -> None:
    scatter(desk.report(), 20)
    add_components(city, 20)
    gis = Gis("dispatcher")
    for code, count in (("cases", 21), ("components", 21)):
        found = gis.follow(f"/ogc/collections/{code}/items?limit={size}")
        assert len(found) == len({one["id"] for one in found}) == count
    assert gis.get(f"/ogc/collections/cases/items?limit={size}").json()["numberMatched"] == 21


def test_a_box_means_what_lies_in_it(desk: Desk, city: Platform) -> None:
    scatter(desk.report(), 120)
    add_components(city, 120)
    west, south, east, north = WEST + 0.01, SOUTH + 0.01, WEST + 0.02, SOUTH + 0.03
    gis = Gis("dispatcher")
    for code, model in (("cases", Case), ("components", Component)):
        lon, lat = (round(west * 1e7), round(east * 1e7)), (round(south * 1e7), round(north * 1e7))
        inside = model.objects.filter(lon_e7__range=lon, lat_e7__range=lat).count()
        assert 0 < inside < 120
        found = gis.follow(f"/ogc/collections/{code}/items?bbox={west},{south},{east},{north}&limit=9")
        assert len(found) == inside
        # With heights, as some clients send them.
        assert len(gis.follow(f"/ogc/collections/{code}/items?bbox={west},{south},-5,{east},{north},900")) == inside
    for code in ("unit-grids", "places", "divisions"):
        assert gis.follow(f"/ogc/collections/{code}/items?bbox={west},{south},{east},{north}"), code
        assert gis.follow(f"/ogc/collections/{code}/items?bbox=10,10,11,11") == [], code


def test_the_ground_follows_its_changes(city: Platform) -> None:
    gis = Gis("dispatcher")
    url = f"/ogc/collections/unit-grids/items?bbox={WEST},{SOUTH},{EAST},{NORTH}"
    assert len(gis.follow(url)) == 1
    UnitGrid.objects.all().end(UnitGrid.objects.get().valid_from + timedelta(days=1))
    memory.bump("ground")
    assert gis.follow(url) == []


def test_datetime_is_about_the_report(desk: Desk, time: Time) -> None:
    first = desk.report()
    time.pass_(hours=30)
    desk.report()
    at = first.reported_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    later = (first.reported_at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    gis = Gis("dispatcher")
    for wish, count in ((at, 1), (f"{at}/..", 2), (f"../{at}", 1), (f"{later}/", 1), (f"/{later}", 1), ("../..", 2)):
        assert len(gis.follow(f"/ogc/collections/cases/items?datetime={wish}&limit=1")) == count, wish
    assert len(gis.follow(f"/ogc/collections/components/items?datetime={at}")) == 1, "what has no time is always there"


def test_the_filters_are_those_of_the_list(desk: Desk) -> None:
    scatter(desk.report(), 100)
    gis, browser = Gis("dispatcher"), Client()
    browser.force_login(User.objects.get(username="dispatcher"))
    for query in (
        "urgency=urgent",
        "overdue=1",
        "open=0",
        "state=reported&urgency=very_urgent",
        f"area={TRIANGLE}",
        "q=井盖",
    ):
        listed = browser.get(f"/cases/count/?{query}").context["total"].value
        assert len(gis.follow(f"/ogc/collections/cases/items?{query}&limit=30")) == listed, query


def test_a_page_costs_a_constant_number_of_statements(desk: Desk, city: Platform) -> None:
    base = desk.report()
    gis = Gis("dispatcher")
    costs: dict[str, set[int]] = {"cases": set(), "components": set(), "unit-grids": set()}
    for seed, count in ((1, 5), (2, 150)):
        scatter(base, count, seed)
        for code, seen in costs.items():
            url = f"/ogc/collections/{code}/items?limit=1000&bbox={WEST},{SOUTH},{EAST},{NORTH}"
            gis.get(url)
            with CaptureQueriesContext(connection) as asked:
                gis.get(url)
            seen.add(len(asked))
    assert all(len(seen) == 1 and max(seen) <= 8 for seen in costs.values()), costs


# -- who ------------------------------------------------------------------------------------------------------------


def test_nobody_sees_another_ones_cases(desk: Desk) -> None:
    scatter(desk.report(), 30)
    for name in ("dispatcher", "municipal", "jiayu-intake", "collector", "crew", "auditor"):
        seen = set(permits.visible(desk.who(name)).filter(parent__isnull=True).values_list("number", flat=True))
        gis = Gis(name)
        assert {one["id"] for one in gis.follow("/ogc/collections/cases/items")} == seen, name
        assert gis.get(f"/ogc/collections/cases/items/{desk.number}").status_code == (
            200 if desk.number in seen else 404
        )
    assert not permits.visible(desk.who("jiayu-intake")).exists(), "a county that sees nothing is among them"


def test_a_token_shows_no_more_than_its_scopes(desk: Desk) -> None:
    desk.report()
    gis = Gis("dispatcher", "ground.read")
    assert "cases" not in {one["id"] for one in gis.get("/ogc/collections").json()["collections"]}
    assert gis.get("/ogc/collections/cases").status_code == 404
    assert gis.get("/ogc/collections/cases/items").status_code == 403
    assert gis.get("/ogc/collections/components/items").status_code == 200


def test_nothing_personal_goes_out(desk: Desk) -> None:
    desk.report()
    body = Gis("dispatcher").get("/ogc/collections/cases/items").content
    assert desk.number.encode() in body
    assert "市民甲".encode() not in body and b"13900000001" not in body


def test_a_basic_log_in_carries_the_token(city: Platform) -> None:
    import base64

    raw = token("dispatcher")

    def status(path: str, word: str) -> int:
        basic = base64.b64encode(f"gis:{word}".encode()).decode()
        return int(Client().get(path, headers={"Authorization": f"Basic {basic}"}).status_code)

    assert status("/ogc/collections", raw) == 200
    assert status("/ogc/collections", "wrong") == 401
    assert status("/api/v1/me", raw) == 401, "only here"
    assert Client().get("/ogc/", headers={"Authorization": "Basic %%%"}).status_code == 401
    assert Client().get("/ogc/").status_code == 401
    assert Client().get("/ogc/")["WWW-Authenticate"] == "Bearer"


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["bbox=1,2,3", "bbox=a,b,c,d", "bbox=3,1,2,2", "bbox=1,2,200,3", "bbox=nan,1,2,3", "bbox=1,1,inf,2", "limit=0",
     "limit=x", "limit=-1", "datetime=yesterday", "datetime=2026-05-02/2026-05-01", "datetime=a/b", "datetime=/x",
     "after=-1", "after=9999999999999999999999", "colour=red", "open=7", "state=" + "x" * 50],
)  # fmt: skip
def test_a_wrong_question_is_told(city: Platform, query: str) -> None:
    answer = Gis("dispatcher").get(f"/ogc/collections/cases/items?{query}")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json" and answer.json()["status"] == 400


@pytest.mark.parametrize(
    "path", ["collections/nothing", "collections/nothing/items", "collections/components/items/1", "nothing",
             "collections/places/items/x", "collections/places/items/99999999999999999999", "collections/cases/items/1"]
)  # fmt: skip
def test_what_is_not_there_is_not_found(city: Platform, path: str) -> None:
    assert Gis("dispatcher").get(f"/ogc/{path}").status_code == 404


def test_filters_of_cases_are_not_the_grounds(city: Platform) -> None:
    assert Gis("dispatcher").get("/ogc/collections/components/items?urgency=urgent").status_code == 400


def test_boxes_and_intervals_are_read() -> None:
    assert box("") is None and interval("") is None
    assert box("1,2,3,4") == (1, 2, 3, 4) and box("1,2,9,3,4,9") == (1, 2, 3, 4)
    day = interval("2026-05-01")
    assert day is not None and day[0] is not None and day[1] is not None
    assert day[0].isoformat() == "2026-04-30T16:00:00+00:00" and (day[1] - day[0]) < timedelta(days=1)
    zoned, blank = interval("2026-05-01T09:30:00+08:00"), interval("2026-05-01T09:30:00 08:00")
    assert zoned == blank == interval("2026-05-01T01:30:00Z") == interval("2026-05-01T09:30:00")
