"""A missing manhole cover from report to close in headless Chromium, by five people.

Fails on a breach of the content policy, a console error, a failed request, a page wider than its window, or a
serious fault of accessibility. ``XIUHUA_TEST_SHOTS=folder`` keeps a picture of every step to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import live as live_module
import pytest
from live import Live, picture

from xiuhua.demo.tests.small_city import COVER, POINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """With collected files, as a city has it."""
    made, database = live_module.make("hashed")
    try:
        live_module.start(made)
        yield made
    finally:
        live_module.end(made, database)


class Walk:
    """One case and a window per person, all of one size and language."""

    def __init__(self, browser: Browser, server: Live, size: str, language: str) -> None:
        self.browser, self.server, self.size, self.language = browser, server, size, language
        self.complaints: list[str] = []
        self.pages: dict[str, Page] = {}
        self.contexts: list[BrowserContext] = []
        self.number, self.shots = "", 0

    # -- people ----------------------------------------------------------------------------------------------------

    def at(self, name: str) -> Page:
        """This person's window, logged in by the form."""
        if name not in self.pages:
            context = self.browser.new_context(
                viewport=SIZES[self.size],  # type: ignore[arg-type]
                has_touch=self.size == "phone",
                is_mobile=self.size == "phone",
                locale="zh-CN" if self.language == "zh-hans" else "en-GB",
            )
            context.set_default_timeout(30_000)
            context.add_cookies([{"name": "xiuhua_language", "value": self.language, "url": self.server.url}])
            self.contexts.append(context)
            page = self.pages[name] = context.new_page()
            page.on("console", self._heard)
            page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
            page.on("requestfailed", self._failed)
            page.on("response", self._answered)
            page.goto(f"{self.server.url}/login")
            page.locator("input[name=username]").fill(name)
            page.locator("input[name=password]").fill(self.server.password)
            page.locator("input[name=password]").press("Enter")
            page.wait_for_url(lambda url: "/login" not in url)
        return self.pages[name]

    def _heard(self, message: Any) -> None:
        # A refused form is answered with 422 on purpose; Chromium notes every such answer.
        expected = "GL Driver Message" in message.text or "status of 422" in message.text
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Any) -> None:
        # What a page has asked for when it is left is aborted by the browser itself.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400 and response.status != 422:
            self.complaints.append(f"{response.status}: {response.url}")

    # -- looking ---------------------------------------------------------------------------------------------------

    def look(self, page: Page, name: str, axe: bool = False) -> None:
        """Fits, is translated and accessible; keeps a picture when a folder is given."""
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name}: {wide} px too wide on {self.size}"
        folder = os.environ.get("XIUHUA_TEST_SHOTS")
        if folder:
            self.shots += 1
            target = Path(folder) / f"{self.size}-{self.language}-{self.shots:02d}-{name}.png"
            page.screenshot(path=target, full_page=True)
        if axe:
            from axe_playwright_python.sync_playwright import Axe

            found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
            faults = [
                (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:300])
                for one in found.response["violations"]
                if one["impact"] in ("serious", "critical")
            ]
            assert faults == [], name

    # -- doing -----------------------------------------------------------------------------------------------------

    def open(self, name: str, action: str, number: str = "") -> Page:
        """From the case page by the button of the action, as a person goes."""
        page = self.at(name)
        number = number or self.number
        page.goto(f"{self.server.url}/cases/{number}/")
        page.locator(f"a[href$='/cases/{number}/do/{action}/']:visible").first.click()
        page.locator("form.x-form").wait_for()
        return page

    def do(self, name: str, action: str, number: str = "", shot: bool = False, **answers: Any) -> Page:
        page = self.open(name, action, number)
        self.fill(page, **answers)
        if shot:
            self.look(page, action, axe=True)
        self.send(page)
        return page

    def fill(self, page: Page, **answers: Any) -> None:
        for field, value in answers.items():
            if field == "photos":
                upload = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture(value)}
                page.set_input_files("#q-photos", upload)  # type: ignore[arg-type]
                page.locator(".x-upload-item input[name=photos]").first.wait_for(state="attached")
            elif field == "position":
                page.locator(f"[name='{field}.lon']").fill(POINT["lon"])
                page.locator(f"[name='{field}.lat']").fill(POINT["lat"])
                page.keyboard.press("Tab")
            elif isinstance(value, bool):
                page.locator(f"[type=checkbox][name={field}]").set_checked(value)
            else:
                self._answer(page, field, str(value))

    def _answer(self, page: Page, field: str, value: str) -> None:
        control = page.locator(f"form.x-form [name={field}]").first
        kind = control.evaluate("e => e.type || e.tagName")
        if kind == "radio":
            page.locator(f"form.x-form [name={field}][value='{value}']").check(force=True)
        elif kind in ("select-one", "select-multiple"):
            if control.get_attribute("data-combobox") is None:
                control.select_option(value)
                return
            label = control.evaluate(
                "(e, v) => [...e.options].find((o) => o.value === v)?.textContent.trim() || v", value
            )
            box = page.get_by_role("combobox").and_(page.locator(f"[id^='q-{field}']")).first
            box.fill(label)
            page.locator(".x-combo [role=option]").filter(has_text=label).first.wait_for()
            page.keyboard.press("Enter")
        else:
            control.fill(value)

    def send(self, page: Page) -> None:
        before = page.url
        page.locator("form.x-form button[type=submit]").last.click()
        page.wait_for_url(lambda url: url != before)

    def task(self, name: str) -> str:
        """The task that waits for this collector, found in the inbox."""
        page = self.at(name)
        page.goto(f"{self.server.url}/")
        link = page.locator(f"a[href*='/cases/{self.number}-']:visible").first
        link.wait_for()
        return str(re.search(r"/cases/([^/]+)/", link.get_attribute("href") or "").group(1))  # type: ignore[union-attr]


@pytest.fixture(params=[("desk", "zh-hans")], ids=["desk-zh"])
def walk(request: pytest.FixtureRequest, browser: Browser, server: Live) -> Iterator[Walk]:
    made = Walk(browser, server, *request.param)
    yield made
    for context in made.contexts:
        context.close()


def test_from_report_to_close(walk: Walk) -> None:
    zh = walk.language == "zh-hans"
    page = walk.at("hotline")
    walk.look(page, "inbox-empty")
    page.goto(f"{walk.server.url}/report/city_case/report/")
    walk.fill(page, source="hotline_12319", description="人行道上供水井盖缺失", address="模拟大道1号", position=True)
    walk.look(page, "report", axe=True)
    page.locator("form.x-form button[type=submit]").last.click()
    page.locator("[role=alert] a[href='#q-reporter_phone']").wait_for()
    walk.look(page, "report-refused")
    assert page.locator("[name=description]").input_value() == "人行道上供水井盖缺失", "nothing typed is lost"
    walk.fill(page, reporter_name="市民甲", reporter_phone="13900000001", component=COVER, category="井盖")
    walk.send(page)
    walk.number = re.search(r"/cases/(\d+)/", page.url).group(1)  # type: ignore[union-attr]
    walk.look(page, "case-reported", axe=True)
    assert "13900000001" not in page.content(), "personal data are masked"

    walk.do("hotline", "send_verification", collector="采集员一号", note="看看井盖", shot=True)
    task = walk.task("collector")
    walk.look(walk.at("collector"), "collector-inbox", axe=True)
    walk.do("collector", "confirm_real", task, photos=11, position=True, shot=True)

    page = walk.open("hotline", "file")
    options = page.locator("[name=condition]").first.evaluate(
        "e => [...(e.options || [])].map(o => o.value).filter(Boolean)"
    )
    if options:
        page.locator("select[name=condition]").evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('change', {bubbles: true})) }", options[0]
        )
    else:
        page.locator("[name=condition]").first.check(force=True)
    walk.look(page, "file", axe=True)
    walk.send(page)

    page = walk.open("dispatcher", "dispatch")
    walk.look(page, "dispatch-proposal", axe=True)
    assert "市政" in page.locator("form.x-form").inner_text() or not zh, "the unit is proposed"
    walk.send(page)
    walk.look(page, "case-dispatched")

    walk.do("municipal", "sign")
    walk.do("municipal", "submit_result", photos=12, result="已更换井盖", shot=True)
    walk.do("municipal", "confirm_result")
    walk.do("hotline", "send_check", collector="采集员二号")
    walk.do("collector2", "pass", walk.task("collector2"), photos=13, position=True, remark="现场已恢复")
    walk.do("hotline", "close", condition_met=True, callback="satisfied", shot=True)

    page = walk.at("chief")
    page.goto(f"{walk.server.url}/cases/{walk.number}/")
    words = page.locator("main").inner_text()
    assert ("结案" if zh else "Closed") in words
    walk.look(page, "case-closed", axe=True)
    for path in ("cases/", "map/", f"cases/{walk.number}/why/", "procedures/", "procedures/city_case/"):
        page.goto(f"{walk.server.url}/{path}")
        if page.locator("[data-map]").count():
            page.locator("[data-map]").first.scroll_into_view_if_needed()
            page.wait_for_selector("[data-map-state]")
        walk.look(page, path.strip("/").replace("/", "-"), axe=True)
