"""Overview and change of duty in headless Chromium: two people sign on desk and phone, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import live as live_module
import pytest
from live import Live
from windows import Walk

from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import POINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

WORDS, NOTE = "人行道上供水井盖缺失", "雨夜注意3号井盖"
WRITTEN_IN_CHINESE = [
    WORDS, NOTE, "模拟大道1号", *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212",
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    made, database = live_module.make("hashed")
    try:
        live_module.start(made)
        yield made
    finally:
        live_module.end(made, database)


@pytest.fixture(
    params=[("desk", "zh-hans"), ("phone", "en"), ("desk", "en"), ("phone", "zh-hans")],
    ids=["desk-zh", "phone-en", "desk-en", "phone-zh"],
)
def walk(request: pytest.FixtureRequest, browser: Browser, server: Live) -> Iterator[Walk]:
    made = Walk(browser, server, *request.param)
    made.data += [] if made.is_zh else WRITTEN_IN_CHINESE
    yield made
    made.close()


def test_the_overview(walk: Walk) -> None:
    page = walk.go("chief", "overview/")
    walk.look(page, "overview-empty")
    answers = {
        "source": "patrol", "description": WORDS, "address": "模拟大道1号", "position": POINT, "urgency": "urgent",
        "photos": [walk.server.program("hotline").photo(40)],
    }  # fmt: skip
    made = walk.server.program("hotline").post("/cases", {"procedure": "city_case", "answers": answers})
    assert made.status == 201
    page = walk.go("chief", "overview/")
    assert page.locator(f"a[href='/cases/{made.json['number']}/']").is_visible()
    walk.look(page, "overview")
    page.locator("#states + table a").first.click()
    page.locator(f"tr a[href^='/cases/{made.json['number']}/']").wait_for()


def test_two_people_sign(walk: Walk) -> None:
    page = walk.go("chief", "hand-over/")
    walk.look(page, "hand-over")
    page.locator("#notes").fill(NOTE)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/hand-over/*/")
    walk.look(page, "hand-over-signed")
    other = walk.go("chief2", "hand-over/")
    walk.look(other, "hand-over-waits")
    assert other.url == page.url and NOTE in other.inner_text("main")
    assert page.locator("button[value=take_over]").count() == 0
    if (walk.size, walk.language) == ("phone", "zh-hans"):
        other.locator("button[value=take_over]").click()
        other.wait_for_load_state()
        walk.look(other, "hand-over-taken")
        assert other.locator("button[value=take_over]").count() == 0
    else:
        page.locator("button[value=withdraw]").click()
        page.wait_for_url("**/hand-over/")
        walk.look(page, "hand-over-withdrawn")
