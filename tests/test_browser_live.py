"""Live update in headless Chromium: one person acts, another's open page shows it; a stream that is away is said."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import live as live_module
import pytest
from live import Live
from windows import Walk

from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import POINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

WORDS = "人行道上供水井盖缺失"
WRITTEN_IN_CHINESE = [
    WORDS, "模拟大道1号", *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212",
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    made, database = live_module.make("hashed")
    try:
        live_module.start(made)
        yield made
    finally:
        live_module.end(made, database)


@pytest.fixture(params=[("desk", "zh-hans"), ("phone", "en")], ids=["desk-zh", "phone-en"])
def walk(request: pytest.FixtureRequest, browser: Browser, server: Live) -> Iterator[Walk]:
    made = Walk(browser, server, *request.param)
    made.data += ["WGS"] if made.is_zh else WRITTEN_IN_CHINESE
    yield made
    made.close()


def report(server: Live, shade: int) -> str:
    answers = {
        "source": "patrol", "description": WORDS, "address": "模拟大道1号", "position": POINT,
        "photos": [server.program("hotline").photo(shade)],
    }  # fmt: skip
    made = server.program("hotline").post("/cases", {"procedure": "city_case", "answers": answers})
    assert made.status == 201, made.body
    return str(made.json["number"])


def until_title(page: Page, pattern: str) -> None:
    from playwright.sync_api import expect

    expect(page).to_have_title(re.compile(pattern), timeout=30_000)


def test_a_case_arrives_in_an_open_inbox_and_is_counted(walk: Walk) -> None:
    page = walk.go("intake", "")
    before = int(page.locator("#live-inbox .x-count").first.inner_text())
    # The window looks away, as one does; the count stands in the title until it looks back.
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    number = report(walk.server, 41)
    until_title(page, r"^\(1\) ")
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    row = page.locator(f"tr[data-case='{number}']")
    row.wait_for()
    assert "is-fresh" in (row.get_attribute("class") or "")
    assert int(page.locator("#live-inbox .x-count").first.inner_text()) == before + 1
    assert not page.title().startswith("(")
    walk.look(page, "arrived")


def test_what_another_hand_does_shows_beside_what_one_types(walk: Walk) -> None:
    number = report(walk.server, 42)
    reader = walk.go("chief", f"cases/{number}/")
    writer = walk.go("hotline", f"cases/{number}/do/send_verification/")
    typed = writer.locator("form.x-form [name=note]")
    typed.fill("看看井盖")
    walk.number = number
    other = walk.open("intake", "send_verification")
    walk.fill(other, collector="采集员一号")
    walk.send(other)
    for page in (reader, writer):
        page.locator("[data-changed] a").wait_for()
    assert typed.input_value() == "看看井盖"
    walk.look(reader, "changed")
    reader.locator("[data-changed] a").click()
    reader.wait_for_load_state()
    assert reader.locator("[data-changed] a").count() == 0


def test_the_sound_is_off_until_switched_on(walk: Walk) -> None:
    page = walk.go("intake", "")
    page.evaluate("localStorage.removeItem('xiuhua_sound')")
    page.reload()
    page.locator(".x-user").click()
    switch = page.locator("[data-sound]")
    assert switch.get_attribute("aria-pressed") == "false"
    page.evaluate(
        "() => { window.started = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...a) { window.started += 1; return start.apply(this, a) } }"
    )
    switch.click()
    assert switch.get_attribute("aria-pressed") == "true"
    walk.look(page, "sound")
    tried = page.evaluate("window.started")
    number = report(walk.server, 43)
    page.locator(f"tr[data-case='{number}']").wait_for()
    page.wait_for_function("n => window.started > n", arg=tried)
    switch.click()
    quiet = page.evaluate("window.started")
    number = report(walk.server, 44)
    page.locator(f"tr[data-case='{number}']").wait_for()
    assert page.evaluate("window.started") == quiet


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_a_stream_that_is_away_is_said_and_the_page_asks(walk: Walk) -> None:
    page = walk.go("intake", "")
    page.wait_for_load_state()
    stream = _stream_process(walk.server)
    os.kill(stream, signal.SIGSTOP)  # it hangs; a new page gets no stream
    try:
        page = walk.go("intake", "")
        page.locator("#live-down").wait_for()
        walk.look(page, "down")
        number = report(walk.server, 45)
        page.locator(f"tr[data-case='{number}']").wait_for()
    finally:
        os.kill(stream, signal.SIGCONT)
    page.locator("#live-down").wait_for(state="detached", timeout=60_000)


def _stream_process(server: Live) -> int:
    """The process that listens: the last of the line of those with the stream's command."""
    assert server.process
    found = server.process.pid
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"stream" in words and parent == server.process.pid:
            found = int(path.name)
    children = Path(f"/proc/{found}/task/{found}/children").read_text().split()
    assert found != server.process.pid
    return int(children[0]) if children else found
