"""Reporting and filing in headless Chromium: similar cases beside the form as class and place change, and what they lead to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import live as live_module
import pytest
from live import Live
from windows import Walk

from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import COVER, POINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

WORDS = "人行道上供水井盖缺失"
WRITTEN_IN_CHINESE = [
    WORDS, "模拟大道1号", "另一处", *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212", "模拟大道",
]  # fmt: skip
NAMES_AND_CODES = ["WGS 84", "CGCS2000", "GCJ-02", "BD-09"]
REPORT = "report/city_case/report/"


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
    made.data += NAMES_AND_CODES if made.is_zh else WRITTEN_IN_CHINESE
    yield made
    made.close()


def reported(walk: Walk, code: str = "01001", kind: str = "component", **more: object) -> str:
    """A case as it comes in: class, place and words are known."""
    program = walk.server.program("hotline")
    book = program.get(f"/categories?kind={kind}&q={code}").json["items"]
    category = next(one for one in book if one["code"] == code)["id"]
    answers = {
        "source": "patrol", "description": WORDS, "address": "模拟大道1号", "position": POINT, "category": category,
        "component": COVER, **more,
    }  # fmt: skip
    made = program.post("/cases", {"procedure": "city_case", "answers": answers})
    assert made.status == 201, made.body
    return str(made.json["number"])


def number_of(page: Page) -> str:
    found = re.search(r"/cases/([^/]+)/", page.url)
    assert found, page.url
    return found[1]


def test_similar_cases_follow_class_and_place(walk: Walk) -> None:
    """Nothing until the place is known; then what is near and like; chosen, the report is attached to it."""
    first = reported(walk)
    page = walk.go("hotline", REPORT)
    part = page.locator("#similar")
    part.locator("p.x-note").nth(1).wait_for()
    assert first not in part.inner_text()
    walk.fill(page, position=True)
    part.get_by_text(first).first.wait_for()
    walk.look(page, "similar-found")
    page.get_by_role("combobox", name="案件类别" if walk.is_zh else "Category").fill("06028")
    page.locator("[role=option]").first.wait_for()
    page.keyboard.press("Enter")
    part.get_by_text(first).first.wait_for(state="hidden")
    walk.look(page, "similar-none")
    page.get_by_role("combobox", name="案件类别" if walk.is_zh else "Category").fill("01001")
    page.locator("[role=option]").first.wait_for()
    page.keyboard.press("Enter")
    part.get_by_text(first).first.wait_for()
    part.locator(f"input[name=attach][value='{first}']").check()
    walk.fill(page, source="patrol", description=WORDS, address="另一处")
    page.locator(f"#similar input[value='{first}']:checked").wait_for()
    walk.send(page)
    page.wait_for_url(f"**/do/merge_duplicate/?main_case={first}")
    walk.look(page, "similar-attach")
    second = number_of(page)
    walk.send(page)
    done = walk.server.program("hotline").get(f"/cases/{second}").json
    assert (done["state"], done["main_case"]) == ("voided", first)


def test_a_case_to_be_filed_is_attached_to_a_similar_one(walk: Walk) -> None:
    first, second = reported(walk), reported(walk)
    page = walk.open("hotline", "file", second)
    line = page.locator("#similar li").filter(has_text=first)
    line.wait_for()
    walk.look(page, "similar-file")
    line.locator("a[href*='/do/merge_duplicate/']").click()
    page.wait_for_url(f"**/cases/{second}/do/merge_duplicate/?main_case={first}")
    walk.send(page)
    assert walk.server.program("hotline").get(f"/cases/{second}").json["main_case"] == first


class Hand:
    """A person's hand on mouse and keyboard; it counts clicks and key strokes (a chord is one)."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.strokes = page, 0, 0

    def click(self, selector: str) -> None:
        self.clicks += 1
        self.page.locator(selector).click()

    def press(self, key: str) -> None:
        self.strokes += 1
        self.page.keyboard.press(key)


def state(walk: Walk, number: str) -> str:
    return str(walk.server.program("chief").get(f"/cases/{number}").json["state"])


def test_routine_filing_takes_two_clicks_or_two_keys(walk: Walk) -> None:
    """From the opened case to filed and dispatched, everything said before it is sent."""
    for by in ("click", "press"):
        if by == "press" and walk.size == "phone":
            continue
        number = reported(walk, "09005", "event")
        page = walk.go("chief", f"cases/{number}/")
        hand = Hand(page)
        way = f"a[href$='/cases/{number}/do/file_and_dispatch/']"
        page.locator(way).wait_for()
        hand.click(way) if by == "click" else hand.press("g")
        page.locator("[data-confirm]").wait_for()
        told = page.locator("[data-confirm]").inner_text()
        for part in (
            ("该类别仅此一条", "执法支队一大队", "职责清单", "签收时限", "处置时限", "截止 20")
            if walk.is_zh
            else ("the only one of its class", "Enforcement Brigade One", "Duty list", "Receipt", "Handling", "due 20")
        ):
            assert part in told, part
        if by == "click":
            walk.look(page, "file-and-dispatch")
            hand.click("form.x-form button[type=submit]")
        else:
            hand.press("Control+Enter")
        page.wait_for_url(f"**/cases/{number}/")
        assert state(walk, number) == "to_receive"
        assert (hand.clicks, hand.strokes) == ((2, 0) if by == "click" else (0, 2))


def test_two_people_take_two_clicks_each(walk: Walk) -> None:
    """Where the centres are two, the operator files and the dispatcher dispatches."""
    number = reported(walk, "09005", "event")
    for name, action, after in (("hotline", "file", "to_dispatch"), ("dispatcher", "dispatch", "to_receive")):
        page = walk.go(name, f"cases/{number}/")
        hand = Hand(page)
        hand.click(f"a[href$='/cases/{number}/do/{action}/']")
        page.locator("[data-confirm]").wait_for()
        hand.click("form.x-form button[type=submit]")
        page.wait_for_url(f"**/cases/{number}/")
        assert (state(walk, number), hand.clicks) == (after, 2)
