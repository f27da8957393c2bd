"""The desk in headless Chromium: lists with counts, a case beside the list, keys from end to end, many at once, print."""

from __future__ import annotations

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
    WORDS, "模拟大道1号", *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212", "模拟大道",
]  # fmt: skip
TO_DISPATCH = "cases/?open=1&state=to_dispatch&sort=due"


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
    made.data += ["WGS 84"] if made.is_zh else WRITTEN_IN_CHINESE
    yield made
    made.close()


def filed(walk: Walk, n: int) -> list[str]:
    """Cases that wait for the dispatcher."""
    program = walk.server.program("hotline")
    cover = next(one for one in program.get("/categories?kind=component").json["items"] if one["code"] == "01001")
    cover = program.get(f"/categories/{cover['id']}").json
    numbers = []
    for _ in range(n):
        answers = {
            "source": "patrol", "description": WORDS, "address": "模拟大道1号", "position": POINT, "category": cover["id"],
            "component": COVER, "photos": [program.photo(40)],
        }  # fmt: skip
        made = program.post("/cases", {"procedure": "city_case", "answers": answers})
        assert made.status == 201, made.body
        number = str(made.json["number"])
        condition = cover["conditions"][0]["id"]
        done = program.post(f"/cases/{number}/actions/file", {"answers": {"condition": condition}})
        assert done.status == 200, done.body
        numbers.append(number)
    return numbers


def row(page: Page, number: str) -> str:
    return f"tr[data-case='{number}']"


def test_the_list_with_a_case_beside_it(walk: Walk) -> None:
    first, second = filed(walk, 2)
    page = walk.go("dispatcher", TO_DISPATCH)
    page.locator(".w-lists [data-filter=to_dispatch] .x-count").wait_for(state="attached")
    assert (
        int(page.locator(".w-lists [data-filter=to_dispatch] .x-count").inner_text() or "0") >= 2
        or walk.size == "phone"
    )
    walk.look(page, "desk-list")
    page.locator(f"{row(page, first)} a").first.click()
    if walk.size == "phone":
        page.wait_for_url(f"**/cases/{first}/?list=*")
        walk.look(page, "desk-case")
        page.locator("[rel=next]").click()
        page.wait_for_url(f"**/cases/{second}/?list=*")
        return
    page.locator("#pane-title").wait_for()
    assert f"at={first}" in page.url and page.url.startswith(f"{walk.server.url}/{TO_DISPATCH}")
    walk.look(page, "desk-pane")
    page.keyboard.press("]")
    page.wait_for_url(f"**at={second}")
    page.reload()
    page.locator(f"#pane [data-number='{second}']").wait_for(state="attached")
    page.keyboard.press("Escape")
    page.locator("#pane").wait_for(state="hidden")
    assert "at=" not in page.url


def test_from_list_to_list_with_the_keys_alone(walk: Walk) -> None:
    if walk.size == "phone":
        pytest.skip("a phone has no keys")
    filed(walk, 2)
    page = walk.go("dispatcher", TO_DISPATCH)
    page.keyboard.press("j")
    number = page.locator("tr.is-here").get_attribute("data-case")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**at={number}")
    page.keyboard.press("j")
    following = str(page.locator("tr.is-here").get_attribute("data-case"))
    page.wait_for_url(f"**at={following}")
    page.keyboard.press("d")
    page.wait_for_url(f"**/cases/{following}/do/dispatch/?list=*")
    page.locator("form.x-form").wait_for()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: "/do/" not in url)
    assert page.locator("#content").get_by_text(following).first.is_visible()
    assert walk.server.program("dispatcher").get(f"/cases/{following}").json["state"] == "to_receive"


def test_many_at_once_and_taken_back(walk: Walk) -> None:
    numbers = filed(walk, 2)
    page = walk.go("dispatcher", "cases/?open=1&state=to_dispatch&sort=newest")
    for number in numbers:
        page.locator(f"{row(page, number)} input[type=checkbox]").check()
    assert page.locator("[data-chosen]").inner_text() == "2"
    page.locator("#bulk button[type=submit]").click()
    page.locator("button[value=dispatch]").wait_for()
    walk.look(page, "bulk-offers")
    page.locator("button[value=dispatch]").click()
    page.locator("form.x-form").wait_for()
    walk.look(page, "bulk-preview")
    page.locator("form.x-form button[type=submit]").click()
    page.locator("input[name=batch]").wait_for(state="attached")
    walk.look(page, "bulk-done")
    program = walk.server.program("dispatcher")
    assert {program.get(f"/cases/{number}").json["state"] for number in numbers} == {"to_receive"}
    page.locator("form:has(input[name=batch]) button").click()
    page.wait_for_url("**/cases/?*")
    assert {program.get(f"/cases/{number}").json["state"] for number in numbers} == {"to_dispatch"}


def test_a_list_is_kept_and_shared(walk: Walk) -> None:
    name = f"{len(walk.size)}-{len(walk.language)}"
    page = walk.go("dispatcher", "cases/?open=1&urgency=urgent")
    if walk.size == "phone":
        page.locator(".w-lists > details > summary").click()
    page.locator(".w-keep > summary").click()
    page.locator(".w-keep input[name=name]").fill(name)
    walk.look(page, "desk-keep")
    page.locator(".w-keep button[type=submit]").click()
    page.locator(".w-lists").get_by_text(name).first.wait_for(state="attached")
    walk.look(page, "desk-kept")


def test_on_paper(walk: Walk) -> None:
    filed(walk, 1)
    page = walk.go("dispatcher", TO_DISPATCH)
    page.emulate_media(media="print")
    for shut in (".w-lists", ".x-top", ".x-filters", "#bulk", ".x-pager a"):
        assert page.locator(shut).first.is_hidden(), shut
    assert page.locator("tr[data-case] a").first.is_visible()


def test_nothing_fits(walk: Walk) -> None:
    walk.look(walk.go("dispatcher", "cases/?grid=000000000000000"), "desk-empty")
