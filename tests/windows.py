"""Browser windows of people on a running server, and all that is wrong with the pages they see.

A `Walk` is one size and one language. It hears every console error and warning, page error, breach of the content
policy, failed request and unexpected status; it looks whether a page fits, is translated and accessible.
``XIUHUA_TEST_SHOTS=folder`` keeps a picture of every look.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from live import Live, picture

from xiuhua.demo.tests.small_city import POINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
RULES = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa")

_TELL_BREACHES = """document.addEventListener("securitypolicyviolation", (event) =>
  window.policyBreach(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"""

#: Every word a person can read or hear on the page: text that is drawn, and the attributes that speak.
_READ = """() => {
  const found = [], hears = ["title", "aria-label", "placeholder", "alt"];
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      const parent = node.parentElement;
      if (!parent.closest("script, style, noscript, code, kbd, [lang]:not(html)")) found.push(node.data);
    } else if (!node.closest("[lang]:not(html)")) {
      for (const name of hears) if (node.hasAttribute(name)) found.push(node.getAttribute(name));
      if (node.matches("input[type=submit], input[type=button]")) found.push(node.value);
    }
  }
  return [...new Set(found.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean))];
}"""

HAN = re.compile(r"[\u3400-\u9fff]+")
LATIN = re.compile(r"[A-Za-z][A-Za-z'’]{2,}")


class Walk:
    """One case and a window per person, all of one size and language."""

    def __init__(self, browser: Browser, server: Live, size: str, language: str) -> None:
        self.browser, self.server, self.size, self.language = browser, server, size, language
        self.complaints: list[str] = []
        self.pages: dict[str, Page] = {}
        self.contexts: list[BrowserContext] = []
        self.number, self.shots = "", 0
        self.expected: frozenset[int] = frozenset({422})  # a refused form is answered so on purpose
        #: What stands on pages in the other language because somebody wrote it or it is a name or code.
        self.data: list[str] = []

    @property
    def is_zh(self) -> bool:
        return self.language == "zh-hans"

    # -- people ----------------------------------------------------------------------------------------------------

    def window(self) -> Page:
        """A new window of nobody."""
        context = self.browser.new_context(
            viewport=SIZES[self.size],  # type: ignore[arg-type]
            has_touch=self.size == "phone",
            is_mobile=self.size == "phone",
            locale="zh-CN" if self.is_zh else "en-GB",
            reduced_motion="reduce",  # what is measured stands still
        )
        context.set_default_timeout(30_000)
        context.expose_binding("policyBreach", lambda _source, said: self.complaints.append(f"policy: {said}"))
        context.add_init_script(_TELL_BREACHES)
        context.add_cookies([{"name": "xiuhua_language", "value": self.language, "url": self.server.url}])
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)
        return page

    def at(self, name: str) -> Page:
        """This person's window, logged in by the form."""
        if name not in self.pages:
            page = self.pages[name] = self.window()
            self.log_in(page, name, self.server.password)
            page.wait_for_url(lambda url: "/login" not in url)
        return self.pages[name]

    def log_in(self, page: Page, name: str, password: str) -> None:
        page.goto(f"{self.server.url}/login")
        page.locator("input[name=username]").fill(name)
        page.locator("input[name=password]").fill(password)
        page.locator("input[name=password]").press("Enter")

    def go(self, name: str, path: str) -> Page:
        page = self.at(name)
        page.goto(f"{self.server.url}/{path}")
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    # -- hearing ---------------------------------------------------------------------------------------------------

    @contextmanager
    def expecting(self, *statuses: int) -> Iterator[None]:
        """These answers are what is asked for here."""
        before, self.expected = self.expected, self.expected | set(statuses)
        try:
            yield
        finally:
            self.expected = before

    def _heard(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        # Chromium notes every answer above 399; the software renderer remarks on its own speed.
        known = [f"responded with a status of {status}" for status in self.expected]
        if not any(one in message.text for one in ("GL Driver Message", *known)):
            self.complaints.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Any) -> None:
        # What a page has asked for when it is left is aborted by the browser itself.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.complaints.append(f"{response.status}: {response.url}")

    # -- looking ---------------------------------------------------------------------------------------------------

    def look(self, page: Page, name: str) -> None:
        """The page as it stands fits, is translated, accessible and has nothing to complain about."""
        if page.locator("[data-map]").count():
            page.locator("[data-map]").first.scroll_into_view_if_needed()
            page.wait_for_selector("[data-map-state=ready]")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name}: {wide} px too wide on {self.size}"
        if self.size == "phone" and (frame := page.locator(".x-frame")).count():
            ground = frame.evaluate("one => getComputedStyle(one).backgroundImage")
            assert ground == "none", f"{name}: the ground of the side bar is drawn where there is none"
        # As high as the page is: what is measured must not lie under a bar only because of where it was scrolled to.
        height = max(SIZES[self.size]["height"], page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": SIZES[self.size]["width"], "height": height})
        page.evaluate("scrollTo(0, 0)")
        self._picture(page, name)
        for kind, found in (
            ("not translated", self.untranslated(page)),
            ("barriers", self.barriers(page)),
            ("complaints", self.complaints),
        ):
            assert not found, f"{self.size} {self.language} {name}: {kind}: {found}"
        page.set_viewport_size(SIZES[self.size])  # type: ignore[arg-type]

    def _picture(self, page: Page, name: str) -> None:
        folder = os.environ.get("XIUHUA_TEST_SHOTS")
        if folder:
            self.shots += 1
            target = Path(folder) / f"{self.size}-{self.language}-{self.shots:02d}-{name}.png"
            page.screenshot(path=target, full_page=True)

    def barriers(self, page: Page) -> list[tuple[str, str, str]]:
        """Serious and critical faults of accessibility."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(page, options={"runOnly": list(RULES), "resultTypes": ["violations"]})
        return [
            (one["id"], node["html"][:200], node["failureSummary"][:300])
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]

    def untranslated(self, page: Page) -> list[str]:
        """Texts of the page that still hold words of the other language when names, codes and data are taken out."""
        other = LATIN if self.is_zh else HAN
        left = []
        for text in page.evaluate(_READ):
            bare = text
            for one in self.data:
                bare = bare.replace(one, " ")
            if other.search(bare):
                left.append(text)
        return left

    # -- doing -----------------------------------------------------------------------------------------------------

    def open(self, name: str, action: str, number: str = "") -> Page:
        """From the case page by the button of the action, as a person goes."""
        number = number or self.number
        page = self.go(name, f"cases/{number}/")
        button = page.locator(f"a[href$='/cases/{number}/do/{action}/']:visible").first
        self.until(page, button)
        button.click()
        page.locator("form.x-form").wait_for()
        return page

    def until(self, page: Page, one: Locator) -> None:
        """Asks again until it is there: what another case has caused comes by the outbox, a moment after its answer."""
        end = monotonic() + 60
        while not one.is_visible():
            assert monotonic() < end, f"{page.url}: no {one}"
            page.reload()

    def do(self, name: str, action: str, number: str = "", **answers: Any) -> Page:
        page = self.open(name, action, number)
        self.fill(page, **answers)
        self.look(page, action)
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
            page.locator(f"#{box.get_attribute('aria-controls')} [role=option]").first.wait_for()
            page.keyboard.press("Enter")
        else:
            control.fill(value)

    def choose_first(self, page: Page, field: str) -> None:
        """The first of what is offered."""
        control = page.locator(f"form.x-form [name={field}]").first
        offered = control.evaluate("e => [...(e.options || [])].map((o) => o.value).filter(Boolean)")
        if offered:
            control.evaluate(
                "(e, v) => { e.value = v; e.dispatchEvent(new Event('change', {bubbles: true})) }", offered[0]
            )
        else:
            control.check(force=True)

    def send(self, page: Page) -> None:
        before = page.url
        page.locator("form.x-form button[type=submit]").last.click()
        page.wait_for_url(lambda url: url != before)

    def task(self, name: str) -> str:
        """The task that waits for this collector, found in the inbox."""
        page = self.go(name, "")
        link = page.locator(f"a[href*='/cases/{self.number}-']:visible").first
        self.until(page, link)
        found = re.search(r"/cases/([^/]+)/", link.get_attribute("href") or "")
        assert found
        return found[1]
