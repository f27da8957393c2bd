"""A missing manhole cover from report to close in headless Chromium, by five people, on desk and phone, in Chinese
and English; then the pages around it, and what is shown where nothing is or may be seen.

Every look at a page fails on a breach of the content policy, a console error, a failed request, a page wider than its
window, a word of the other language or a serious fault of accessibility (`windows.Walk`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import live as live_module
import pytest
import yaml
from live import Live
from windows import Walk

from xiuhua.command import procedures as command_procedures
from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import COVER

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

WORDS = "人行道上供水井盖缺失"
PHONE = "13900000001"

PROCEDURES = [path.stem for path in Path(command_procedures.__file__).parent.glob("*.yaml") if "." not in path.stem]
STATES = list(
    yaml.safe_load((Path(command_procedures.__file__).parent / "city_case.yaml").read_text("utf-8"))["states"]
)
#: Names and codes that are the same in every language.
NAMES_AND_CODES = [
    "WGS 84",
    "CGCS2000",
    "YAML",
    "lamp_check",
    "fortnight",
    "work_hour",
    "work_day",
    "minute",
    "hour",
    "day",
    "GCJ-02",
    "BD-09",
    "EPSG:4547",
    "a.jpg",
    *PROCEDURES,
    *STATES,
    "English",
    "chief",
    "test",
    "event",
    "component",
]
#: What people wrote in this test, and names that the small city has in Chinese only.
WRITTEN_IN_CHINESE = [
    *(person.zh for person in foundation.people()), "咸宁市", "区4212", "县4212", "简体中文",
    WORDS, "看看井盖", "已更换井盖", "现场已恢复", "模拟大道1号", "模拟大道", "没有这样的案件", "市**",
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """With collected files, as a city has it."""
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


def test_from_report_to_close(walk: Walk) -> None:
    _nobody(walk)
    _report(walk)
    _verify_and_file(walk)
    _handle(walk)
    _check_and_close(walk)
    _look_around(walk)
    _rules(walk)
    _nothing_and_not_allowed(walk)
    checked = walk.server.command("log", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert walk.complaints == []


def _nobody(walk: Walk) -> None:
    """The door: what a wrong password is told."""
    page = walk.window()
    page.goto(f"{walk.server.url}/cases/")
    page.wait_for_url(lambda url: "/login" in url)
    walk.look(page, "login")
    with walk.expecting(401):
        walk.log_in(page, "auditor", "not the password")
        page.locator("[role=alert]").first.wait_for()
        walk.look(page, "login-refused")


def _report(walk: Walk) -> None:
    page = walk.at("hotline")
    walk.look(page, "inbox")
    page = walk.go("hotline", "report/city_case/report/")
    walk.fill(page, source="hotline_12319", description=WORDS, address="模拟大道1号", position=True)
    assert page.locator("label[for=q-reporter_phone] .x-required").is_visible(), "marked before it is asked for"
    walk.look(page, "report")
    page.locator("form.x-form button[type=submit]").last.click()
    page.locator("[role=alert] a[href='#q-reporter_phone']").wait_for()
    walk.look(page, "report-refused")
    assert page.locator("[name=description]").input_value() == WORDS, "nothing typed is lost"
    walk.fill(page, reporter_name="市民甲", reporter_phone=PHONE, component=COVER, category="01001")
    walk.send(page)
    found = re.search(r"/cases/(\d+)/", page.url)
    assert found
    walk.number = found[1]
    walk.look(page, "case-reported")
    assert PHONE not in page.content(), "personal data are masked"


def _verify_and_file(walk: Walk) -> None:
    walk.do("hotline", "send_verification", collector="采集员一号", note="看看井盖")
    task = walk.task("collector")
    walk.look(walk.at("collector"), "collector-inbox")
    walk.look(walk.go("collector", f"cases/{task}/"), "task")
    walk.do("collector", "confirm_real", task, photos=11, position=True)
    page = walk.open("hotline", "file")
    walk.choose_first(page, "condition")
    walk.look(page, "file")
    walk.send(page)


def _handle(walk: Walk) -> None:
    page = walk.open("dispatcher", "dispatch")
    walk.look(page, "dispatch")
    said = page.locator("form.x-form").inner_text()
    assert ("市政" if walk.is_zh else "Municipal") in said, "the unit is proposed"
    walk.send(page)
    walk.look(page, "case-dispatched")
    walk.do("municipal", "sign")
    walk.do("municipal", "submit_result", photos=12, result="已更换井盖")
    walk.do("municipal", "confirm_result")


def _check_and_close(walk: Walk) -> None:
    walk.do("hotline", "send_check", collector="采集员二号")
    walk.do("collector2", "pass", walk.task("collector2"), photos=13, position=True, remark="现场已恢复")
    walk.do("hotline", "close", condition_met=True, callback="satisfied")
    page = walk.go("chief", f"cases/{walk.number}/")
    assert ("结案" if walk.is_zh else "Closed") in page.locator("main").inner_text()
    walk.look(page, "case-closed")


def _look_around(walk: Walk) -> None:
    for name, path in (
        ("chief", "cases/"),
        ("chief", "map/"),
        ("chief", f"cases/{walk.number}/why/"),
        ("chief", "procedures/"),
        ("chief", "procedures/city_case/"),
        ("chief", "account"),
        ("hotline", f"cases/{walk.number}/personal/reporter_phone/"),
        ("leader", "clock-orders/"),
        ("admin", "outbox/"),
        ("admin", "rules/"),
        ("admin", "rules/routing/"),
    ):
        walk.look(walk.go(name, path), f"{name}-{path.strip('/').replace('/', '-')}")


def _rules(walk: Walk) -> None:
    """A limit of the city's own: a fault, a preview, published, taken back."""
    page = walk.go("admin", "rules/procedure/city_case.two_centre/")
    walk.look(page, "rule")
    text = "override: city_case\nfor: two_centre\nclocks:\n  intake: {limit: {value: 20, unit: fortnight}}\n"
    page.locator("#text").fill(text)
    page.locator("button[value=check]").click()
    page.locator(".x-faults a").first.click()
    chosen = page.evaluate(
        "(() => { const e = document.activeElement; return e.value.slice(e.selectionStart, e.selectionEnd) })()"
    )
    assert chosen.startswith("limit"), "the place of the fault is one click away"
    assert page.locator("#text").input_value() == text
    walk.look(page, "rule-fault")
    page.locator("#text").fill(text.replace("fortnight", "minute"))
    page.locator("button[value=check]").click()
    page.locator(".x-diff .is-new").first.wait_for()
    walk.look(page, "rule-preview")
    page.locator("#reason").fill("2026-12")
    page.locator("button[value=publish]").click()
    page.locator("#versions").wait_for()
    walk.look(page, "rule-published")
    base = page.locator("input[name=base]").input_value()
    page.evaluate("document.querySelector('input[name=base]').value = '0'")
    with walk.expecting(409):
        page.locator("#text").fill(text.replace("20, unit: fortnight", "30, unit: minute"))
        page.locator("#reason").fill("2026-13")
        page.locator("button[value=publish]").click()
        page.locator("[role=alert]").first.wait_for()
        walk.look(page, "rule-overtaken")
    assert base != "0"
    walk.look(walk.go("admin", "procedures/"), "procedures-own")
    walk.look(walk.go("admin", "procedures/city_case/"), "procedure-own")
    walk.look(walk.go("admin", "rules/"), "rules-own")
    page = walk.go("admin", f"rules/procedure/city_case.two_centre/?version={base}")
    walk.look(page, "rule-version")
    page.locator("#reason").fill("2026-14")
    page.locator("button[value=withdraw]").click()
    page.locator("button[value=withdraw]").wait_for(state="detached")


def _nothing_and_not_allowed(walk: Walk) -> None:
    """Nothing waits, nothing found, out of sight, not allowed, not there."""
    for path, status in (
        ("", 200),
        ("cases/?q=没有这样的案件", 200),
        (f"cases/{walk.number}/", 404),
        ("outbox/", 403),
        ("nothing/here/", 404),
    ):
        with walk.expecting(status):
            page = walk.go("greening", path)
            walk.look(page, f"nothing-{status}-{path.partition('?')[0].strip('/').replace('/', '-') or 'inbox'}")
            assert page.locator("main a:visible").count(), f"{path}: there is a way on"
