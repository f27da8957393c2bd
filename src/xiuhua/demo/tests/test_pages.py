"""The engine's pages with the city case: they answer in both languages, cost a constant number of queries, keep what was typed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from xiuhua.casework.models import Case, Event
from xiuhua.city import categories
from xiuhua.city.models import Organisation, Platform, User
from xiuhua.demo.tests.test_city_case import Desk

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


def browser(username: str, language: str = "zh-hans") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(User.objects.get(username=username))
    return client


def pages(number: str) -> list[str]:
    case = f"/cases/{number}/"
    return [
        "/",
        "/cases/",
        "/cases/?q=井盖&state=reported&overdue=1&from=2026-01-01&to=x&unit=1&grid=1",
        "/map/",
        "/report/city_case/report/",
        case,
        f"{case}why/",
        f"{case}do/file/",
        f"{case}do/send_verification/",
        f"{case}personal/reporter_phone/",
        "/procedures/",
        "/procedures/city_case/",
        "/procedures/sub_dispatch/",
    ]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_answers_in_both_languages(desk: Desk, language: str) -> None:
    desk.report()
    client = browser("hotline", language)
    for path in pages(desk.number):
        response = client.get(path)
        assert response.status_code == 200, path
        text = response.content.decode()
        assert f'lang="{"en" if language == "en" else "zh"}' in text
        assert "<h1" in text
        assert not re.search(r"\sstyle=|<style|<script(?![^>]*\b(src|type=\"application/json\"))", text), path


@pytest.mark.parametrize(
    "path",
    [
        "/lookup/category/?q=jg",
        "/lookup/category/?q=井盖",
        "/lookup/user-collector/",
        "/lookup/organisation/?q=市政",
        "/lookup/condition/?q=井盖",
        "/lookup/component/?q=42120201001",
    ],
)
def test_look_ups_find_something(desk: Desk, path: str) -> None:
    results = browser("hotline").get(path).json()["results"]
    assert results and all({"value", "label", "note"} <= set(row) for row in results)


def test_the_place_of_a_position_in_words(desk: Desk) -> None:
    client = browser("hotline")
    assert "421202001002001" in client.get("/place/?p.lon=114.32&p.lat=29.84").content.decode()
    assert "市域之外" in client.get("/place/?p.lon=116.4&p.lat=39.9").content.decode()
    assert client.get("/place/?p.lon=x&p.lat=nan").status_code == 200


def test_map_layers_are_geojson_with_an_entity_tag(desk: Desk) -> None:
    desk.report()
    client = browser("chief")
    for path, least in (
        ("/layers/counties.geojson", 1),
        ("/layers/communities.geojson", 1),
        ("/layers/roads.geojson", 1),
        ("/layers/grids.geojson?bbox=114,29,115,30", 1),
        ("/layers/grids.geojson?bbox=1,1,2,2", 0),
        ("/layers/components.geojson?bbox=114,29,115,30", 1),
        ("/layers/cases.geojson?open=1", 1),
    ):
        response = client.get(path)
        assert len(response.json()["features"]) >= least, path
        assert client.get(path, headers={"if-none-match": response["ETag"]}).status_code == 304
    assert client.get("/layers/nothing.geojson").status_code == 404


def test_a_case_through_its_forms(desk: Desk) -> None:
    hotline, dispatcher = browser("hotline"), browser("dispatcher")
    answers = {
        "source": "hotline_12319",
        "description": "井盖缺失",
        "address": "模拟大道1号",
        "position.lon": "114.32",
        "position.lat": "29.84",
        "urgency": "ordinary",
        "reporter_phone": "13900000002",
        "key": "form-1",
    }
    response = hotline.post("/report/city_case/report/", answers)
    assert response.status_code == 302
    case = Case.objects.get(number=response["Location"].strip("/").split("/")[-1])
    again = hotline.post("/report/city_case/report/", answers)
    assert again["Location"] == response["Location"], "the same form sent twice makes one case"
    found = categories.catalogue().category("2026", "component", "01001")
    assert found is not None
    response = hotline.post(
        f"/cases/{case.number}/do/file/", {"condition": found.conditions[0].id, "key": "k", "seq": "1"}
    )
    assert response.status_code == 302, response.content.decode()[:3000]
    page = dispatcher.get(f"/cases/{case.number}/do/dispatch/").content.decode()
    unit = Organisation.objects.get(code="cg-municipal")
    assert unit.name in page and "2 " in page, "the proposed unit and the clock are said before sending"
    response = dispatcher.post(f"/cases/{case.number}/do/dispatch/", {"unit": unit.pk, "key": "k2", "seq": "2"})
    assert response.status_code == 302
    assert Case.objects.get(pk=case.pk).holder_org_id == unit.pk


def test_a_refused_form_keeps_what_was_typed(desk: Desk) -> None:
    client = browser("hotline")
    response = client.post(
        "/report/city_case/report/", {"source": "citizen", "description": "只写了这一句", "key": "x"}
    )
    assert response.status_code == 422
    text = response.content.decode()
    assert "只写了这一句" in text and 'aria-invalid="true"' in text
    assert not Case.objects.exists()


def test_a_stale_form_is_refused_and_changes_nothing(desk: Desk) -> None:
    desk.report()
    client = browser("hotline")
    desk.do("hotline", "send_verification", collector="collector")
    desk.do("hotline", "recall_verification", reason="x")
    response = client.post(f"/cases/{desk.number}/do/void/", {"reason": "not_found", "key": "x", "seq": "1"})
    assert response.status_code == 422
    assert desk.case.state == "to_file"


def test_personal_data_is_masked_and_a_look_is_logged_with_its_reason(desk: Desk) -> None:
    case = desk.report()
    client = browser("hotline")
    assert "13900000001" not in client.get(f"/cases/{case.number}/").content.decode()
    assert client.post(f"/cases/{case.number}/personal/reporter_phone/", {"reason": ""}).status_code == 422
    shown = client.post(f"/cases/{case.number}/personal/reporter_phone/", {"reason": "回访"})
    assert "13900000001" in shown.content.decode()
    assert Event.objects.filter(case=case, action="reveal").count() == 1


def test_who_may_not_see_a_case_learns_nothing(desk: Desk) -> None:
    case = desk.report()
    for path in (f"/cases/{case.number}/", f"/cases/{case.number}/why/", f"/cases/{case.number}/do/file/"):
        assert browser("greening").get(path).status_code == 404
        assert Client().get(path).status_code == 302


def _queries(client: Client, path: str) -> int:
    client.get(path)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


@pytest.mark.parametrize("path", ["/", "/cases/", "/map/", "/layers/cases.geojson"])
def test_lists_cost_the_same_for_few_and_many(desk: Desk, path: str) -> None:
    client = browser("hotline")
    for _ in range(2):
        desk.report()
    few = _queries(client, path)
    for _ in range(10):
        desk.report()
    assert _queries(client, path) == few


def test_the_case_page_costs_the_same_for_few_and_many_events(desk: Desk) -> None:
    desk.report()
    client = browser("hotline")
    path = reverse("case", args=[desk.number])
    few = _queries(client, path)
    for _ in range(4):
        desk.do("hotline", "send_verification", collector="collector")
        desk.do("hotline", "recall_verification", reason="x")
    more: Any = _queries(client, path)
    assert more <= few + 1
