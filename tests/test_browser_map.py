"""The map in headless Chromium over a stand-in provider: it draws, measures, filters and picks, and keeps its secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import live as live_module
import pytest
from live import Live
from windows import Walk

from xiuhua.city.basemap.stand_in import TOKEN, StandIn, serving
from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import COVER, POINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

REVIEW = "GS(0000)0000号"
WORDS = "人行道上供水井盖缺失"
WRITTEN_IN_CHINESE = [
    WORDS,
    *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212", "简体中文", "号", "模拟大道1号",
    "模拟大道", "供水井盖",
]  # fmt: skip


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with serving(StandIn(matrix="degrees", datum="gcj02")) as there:
        yield there


@pytest.fixture(scope="module")
def server(provider: StandIn) -> Iterator[Live]:
    made, database = live_module.make("hashed")
    one = {
        "code": "stand-in", "url": provider.url(), "token": TOKEN, "matrix": "degrees", "datum": "gcj02",
        "attribution": "Stand-in", "review_number": REVIEW, "per_second": 500,
    }  # fmt: skip
    made.environment["XIUHUA_MAP_PROVIDERS"] = json.dumps([one], ensure_ascii=False)
    try:
        live_module.start(made)
        program = made.program("hotline")
        for shade in range(3):
            answers = {
                "source": "patrol", "description": WORDS, "address": "模拟大道1号", "position": POINT,
                "photos": [program.photo(40 + shade)],
            }  # fmt: skip
            assert program.post("/cases", {"procedure": "city_case", "answers": answers}).status == 201
        yield made
    finally:
        live_module.end(made, database)


@pytest.fixture(
    params=[("desk", "zh-hans"), ("phone", "en"), ("desk", "en"), ("phone", "zh-hans")],
    ids=["desk-zh", "phone-en", "desk-en", "phone-zh"],
)
def walk(request: pytest.FixtureRequest, browser: Browser, server: Live) -> Iterator[Walk]:
    made = Walk(browser, server, *request.param)
    made.data += (
        ["WGS 84", "CGCS2000", "GCJ-02", "BD-09", "EPSG:4547", "Stand-in", "English", "event", "component", "city_case"]
        if made.is_zh
        else WRITTEN_IN_CHINESE
    )
    yield made
    made.close()


def test_the_map_draws_and_measures(walk: Walk, provider: StandIn) -> None:
    page = walk.at("dispatcher")
    answers: list[Any] = []
    page.on("response", lambda one: answers.append(one))
    page.add_init_script('addEventListener("map:ready", (event) => { window.drawnMap = event.detail.map })')
    walk.go("dispatcher", "map/")
    page.wait_for_selector("[data-map-state=ready]")
    walk.look(page, "map")
    assert REVIEW in page.locator(".maplibregl-ctrl-attrib").inner_text(), "the review number is seen without a click"
    kinds = {urlsplit(one.url).path.split("/")[1] for one in answers if one.status == 200}
    assert {"basemap", "tiles"} <= kinds, kinds
    assert provider.count, "the provider was asked by the server"
    hosts = {urlsplit(one.url).netloc for one in answers if one.url.startswith("http")}
    ours = {f"{walk.server.host}:{port}" for port in (walk.server.port, walk.server.stream_port)}
    assert hosts <= ours, "the browser speaks with nobody else"
    assert TOKEN not in page.content() and not any(TOKEN in one.url for one in answers)

    # A length from the centre, taken by keyboard, to a point that is clicked.
    page.locator(".x-draw button").first.click()
    page.keyboard.press("Enter")
    page.locator("[data-map] canvas").click(position={"x": 60, "y": 200})
    page.wait_for_function("() => /\\d k?m$/.test(document.querySelector('.x-draw-said').textContent)")
    page.wait_for_function('() => drawnMap.queryRenderedFeatures({ layers: ["drawn-line"] }).length')
    walk.look(page, "map-measured")
    assert re.search(r"[1-9]", page.locator(".x-draw-said").inner_text())
    assert walk.complaints == []


def test_the_nearest_component_is_picked_without_the_map(walk: Walk) -> None:
    page = walk.go("hotline", "report/city_case/report/")
    walk.fill(page, position=True)
    offered = page.locator("[data-nearby] button").first
    offered.wait_for()
    walk.look(page, "report-nearby")
    offered.focus()
    page.keyboard.press("Enter")
    assert page.locator("[name=component]").input_value() == COVER
    assert walk.complaints == []
