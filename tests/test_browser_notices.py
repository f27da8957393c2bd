"""The notices' pages in headless Chromium: desk and phone, Chinese and English, light and dark; full, empty, shut."""

from __future__ import annotations

import json
import re
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

WORDS = "人行道上供水井盖缺失"
WRITTEN_IN_CHINESE = [WORDS, *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212", "简体中文"]


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    made, database = live_module.make("hashed")
    made.environment["XIUHUA_NOTIFY_CHANNELS"] = json.dumps(
        [
            {
                "kind": "wecom_robot",
                "code": "duty-group",
                "key": "k",
                "base": f"http://127.0.0.1:{live_module.free_port()}",
            }
        ]
    )
    made.environment["XIUHUA_PUBLIC_URL"] = "https://city.example"
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
    made.data += (
        ["duty-group", "XIUHUA_PUBLIC_URL", "XIUHUA_NOTIFY_CHANNELS", "English"] if made.is_zh else WRITTEN_IN_CHINESE
    )
    yield made
    made.close()


def test_every_page_of_the_notices(walk: Walk) -> None:
    program = walk.server.program("hotline")
    answers = {
        "source": "patrol", "description": WORDS, "address": "模拟大道1号", "position": POINT,
        "photos": [program.photo(40)],
    }  # fmt: skip
    made = program.post("/cases", {"procedure": "city_case", "answers": answers})
    assert made.status == 201
    number = str(made.json["number"])
    for name, path in (
        ("municipal", "notices/"),
        ("municipal", "notices/?all=1"),
        ("municipal", "notices/addresses"),
        ("dispatcher", "ring/"),
        ("hotline", f"cases/{number}/notices/"),
        ("admin", "settings/notices/"),
        ("admin", "outbox/"),
    ):
        page = walk.go(name, path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            walk.look(page, f"{re.sub('[^a-z]+', '-', path)}-{scheme}")
    for name, path, status in (
        ("municipal", "ring/", 403),
        ("municipal", "settings/notices/", 403),
        ("dispatcher", "ring/1/", 404),
        ("dispatcher", f"l/{'A' * 32}", 404),
    ):
        with walk.expecting(status):
            walk.look(walk.go(name, path), f"shut-{status}")
    assert walk.complaints == []


def test_a_wrong_address_says_so(walk: Walk) -> None:
    page = walk.go("municipal", "notices/addresses")
    page.locator("#a-email").fill("nowhere")
    page.locator("form", has=page.locator("#a-email")).locator("button").click()
    page.locator("[role=alert]").wait_for()
    walk.look(page, "address-wrong")
    assert page.locator("#a-email").get_attribute("aria-invalid") == "true"
