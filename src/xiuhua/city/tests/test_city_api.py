"""The API of the ground: account, tokens, categories, places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import shapely
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from xiuhua.api_base import PROBLEM_TYPE
from xiuhua.city import category_import, coordinates, locator, memory, tokens
from xiuhua.city.access import actor_for
from xiuhua.city.models import ApiToken, Appointment, Division, Organisation, Platform, Post, UnitGrid, User

ROOT = "/api/v1"
GRID, COMMUNITY = "421202001001001", "421202001001"
INSIDE = (114.3005, 29.8405)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache.clear()
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def user(db: None) -> User:
    """A duty chief who sits at a unit's desk too."""
    city = Platform.objects.create(code="421200", name="测试市", name_en="Test city", level="city", adcode="421200")
    county = Platform.objects.create(code="421202", name="测试区", level="county", adcode="421202", parent=city)
    unit = Organisation.objects.create(code="roads", name="道路", kind="department", platform=city)
    user = User.objects.create(username="chief", display_name="值班长", platform=city)
    for role, organisation in (("duty_chief", None), ("unit", unit)):
        post = Post.objects.create(code=role, name=role, role=role, platform=city, organisation=organisation)
        Appointment.objects.create(user=user, post=post, since=date(2020, 1, 1))
    Division.objects.create(code="421202", name="测试区", name_en="Test district", level="county")
    box = shapely.box(114.300, 29.840, 114.301, 29.841)
    UnitGrid.objects.create(
        code=GRID,
        community=COMMUNITY,
        platform=county,
        boundary=shapely.to_wkb(box),
        area_m2=10_000,
        valid_from=date(2026, 1, 1),
    )
    memory.bump(locator.TABLE_NAME)
    return user


@pytest.fixture
def api(user: User) -> Any:
    """``api("GET", "/me")`` as a program of the duty chief."""
    scopes = ["case.read", "ground.read", "api.token"]
    _row, raw = tokens.issue(user, actor_for(user), "test", scopes, 30)

    def call(method: str, path: str, body: Any = None, **headers: str) -> Any:
        return Client().generic(
            method,
            f"{ROOT}{path}",
            "" if body is None else json.dumps(body),
            "" if body is None else "application/json",
            headers={"Authorization": f"Bearer {raw}", "Accept-Language": "en", **headers},
        )

    return call


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer["Content-Type"] == PROBLEM_TYPE, answer.content
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    return dict(answer.json())


def test_who_i_am(api: Any, browser: Client) -> None:
    by_token = api("GET", "/me").json()
    assert by_token["username"] == "chief" and by_token["platform"] == "421200"
    assert {seat["role"]: seat["organisation"] for seat in by_token["seats"]} == {"duty_chief": "", "unit": "roads"}
    assert by_token["scopes"] == by_token["permissions"] == ["api.token", "case.read", "ground.read"]
    in_session = browser.get(f"{ROOT}/me").json()
    assert in_session["scopes"] is None and "case.act" in in_session["permissions"]
    problem(Client().get(f"{ROOT}/me"), 401, "not_signed_in")


class TestTokens:
    def send(self, browser: Client, body: Any) -> Any:
        return browser.post(f"{ROOT}/tokens", json.dumps(body), content_type="application/json")

    def test_made_once_listed_without_its_text_and_revoked(self, api: Any, browser: Client) -> None:
        made = self.send(browser, {"name": "报表", "scopes": ["case.read"], "days": 10})
        assert made.status_code == 201
        raw, pk = made.json()["token"], made.json()["id"]
        header = {"headers": {"Authorization": f"Bearer {raw}"}}
        assert Client().get(f"{ROOT}/me", **header).json()["scopes"] == ["case.read"]
        listed = api("GET", "/tokens")
        assert raw not in listed.content.decode() and pk in [one["id"] for one in listed.json()]
        assert api("DELETE", f"/tokens/{pk}").status_code == 204
        problem(Client().get(f"{ROOT}/me", **header), 401, "token")
        problem(api("DELETE", f"/tokens/{pk}"), 404, "not_found")
        assert pk not in [one["id"] for one in api("GET", "/tokens").json()]

    def test_a_token_makes_no_tokens(self, api: Any) -> None:
        problem(api("POST", "/tokens", {"name": "x", "scopes": ["case.read"]}), 403, "forbidden")
        assert ApiToken.objects.count() == 1

    def test_wishes_that_are_refused(self, browser: Client) -> None:
        for body in (
            {"name": "x", "scopes": ["accounts.manage"]},
            {"name": "x", "scopes": ["no.such"]},
            {"name": "x", "scopes": []},
            {"name": "", "scopes": ["case.read"]},
            {"name": " ", "scopes": ["case.read"]},
            {"name": "x", "scopes": ["case.read"], "days": 367},
            {"name": "x", "scopes": ["case.read"], "days": "10"},
            {"name": "x", "scopes": ["case.read"], "admin": True},
        ):
            problem(self.send(browser, body), 422, "invalid")
        assert not ApiToken.objects.exists()

    def test_others_tokens_cannot_be_revoked(self, api: Any, user: User) -> None:
        other = User.objects.create(username="other", display_name="x", platform=user.platform)
        row = ApiToken.objects.create(
            user=other, name="x", digest="0" * 64, expires_at=timezone.now() + timedelta(days=1)
        )
        problem(api("DELETE", f"/tokens/{row.pk}"), 404, "not_found")
        row.refresh_from_db()
        assert row.revoked_at is None


class TestCategories:
    @pytest.fixture(autouse=True)
    def _lists(self, user: User) -> None:
        category_import.import_folder()

    def test_found_by_word_code_and_pinyin(self, api: Any) -> None:
        by_name = api("GET", "/categories?q=井盖&scheme=2026&kind=component").json()
        first = by_name["items"][0]
        assert "井盖" in api("GET", f"/categories/{first['id']}", **{"Accept-Language": "zh-CN"}).json()["title"]
        assert first["id"] in [
            one["id"] for one in api("GET", f"/categories?q={first['code']}&limit=1000").json()["items"]
        ]
        assert all(one["kind"] == "event" for one in api("GET", "/categories?kind=event").json()["items"])
        assert api("GET", "/categories?q=zzzzzz").json()["items"] == []
        assert len(api("GET", "/categories?limit=3").json()["items"]) == 3
        fileable = api("GET", "/categories?fileable=true&limit=1000").json()["items"]
        assert fileable and all(one["fileable"] for one in fileable)

    def test_one_with_its_conditions(self, api: Any) -> None:
        first = api("GET", "/categories?fileable=true&limit=1").json()["items"][0]
        found = api("GET", f"/categories/{first['id']}").json()
        condition = next(one for one in found["conditions"] if one["fileable"])
        assert float(condition["limit_value"]) > 0 and condition["limit_unit"] and condition["close"]
        for missing in ("999999999", str(2**63 - 1)):
            problem(api("GET", f"/categories/{missing}"), 404, "not_found")
        for wrong in ("0", "-1", "x", "9" * 30):
            problem(api("GET", f"/categories/{wrong}"), 422, "invalid")

    def test_from_memory(self, api: Any) -> None:
        api("GET", "/categories?q=井盖")
        with CaptureQueriesContext(connection) as seen:
            api("GET", "/categories?q=井盖")
        assert not [one for one in seen if "city_category" in one["sql"]]


class TestPlaces:
    def test_one_point(self, api: Any) -> None:
        found = api("GET", f"/locate?lon={INSIDE[0]}&lat={INSIDE[1]}").json()
        assert (found["lon"], found["lat"]) == INSIDE
        assert (found["grid"], found["community"], found["sub_district"]) == (GRID, COMMUNITY, COMMUNITY[:9])
        assert (found["county"], found["platform"], found["inside_city"]) == ("421202", "421202", True)
        assert found["names"]["county"] == "Test district"

    @pytest.mark.parametrize("datum", ["cgcs2000", "gcj02", "bd09", "epsg4547"])
    def test_every_datum_leads_to_the_same_grid(self, api: Any, datum: str) -> None:
        x, y = coordinates.from_wgs84(*INSIDE, datum)
        found = api("GET", f"/locate?lon={x}&lat={y}&datum={datum}").json()
        assert found["grid"] == GRID
        assert abs(found["lon"] - INSIDE[0]) < 2e-7 and abs(found["lat"] - INSIDE[1]) < 2e-7

    def test_outside_is_an_answer(self, api: Any) -> None:
        found = api("GET", "/locate?lon=2.35&lat=48.85").json()
        assert (found["inside_city"], found["grid"], found["platform"], found["names"]) == (False, "", "", {})

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "lon=1",
            "lon=x&lat=1",
            "lon=nan&lat=1",
            "lon=inf&lat=1",
            "lon=500&lat=1",
            "lon=1&lat=1&datum=mars",
            "x=1",
        ],
    )
    def test_what_is_no_position(self, api: Any, query: str) -> None:
        assert problem(api("GET", f"/locate?{query}"), 422, "invalid")["errors"]

    def test_many_points_in_their_order(self, api: Any) -> None:
        points = [[INSIDE[0], INSIDE[1]], [2.35, 48.85], [500, 1]]
        found = api("POST", "/locate", {"points": points}).json()["items"]
        assert [one["grid"] for one in found] == [GRID, "", ""]
        assert [one["inside_city"] for one in found] == [True, False, False]
        assert found[2]["lon"] is None and found[2]["lat"] is None
        assert api("POST", "/locate", {"points": []}).json() == {"items": []}

    def test_ten_thousand_and_not_one_more(self, api: Any) -> None:
        assert len(api("POST", "/locate", {"points": [[114.3, 29.84]] * 10_000}).json()["items"]) == 10_000
        problem(api("POST", "/locate", {"points": [[114.3, 29.84]] * 10_001}), 422, "invalid")

    @pytest.mark.parametrize(
        "body", [{}, {"points": [[1]]}, {"points": [[1, 2, 3]]}, {"points": [["1", 2]]}, {"points": [[True, 1]]},
                 {"points": [[1, 2]], "datum": "mars"}, {"points": [[10**400, 1]]}, []],
    )  # fmt: skip
    def test_points_that_are_none(self, api: Any, body: Any) -> None:
        problem(api("POST", "/locate", body), 422, "invalid")
