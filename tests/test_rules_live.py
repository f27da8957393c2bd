"""What a city publishes on a page is in force in the server and in the worker, which nobody has restarted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from live import PATIENCE, Live

from xiuhua.command import direct
from xiuhua.demo.tests.small_city import COVER, POINT

OVERRIDE = """\
override: city_case
for: two_centre
clocks:
  intake: {limit: {value: 77, unit: minute}, source: "Document 12", sample: false}
"""


class Editor:
    """One file in the city's editor."""

    def __init__(self, live: Live, path: str) -> None:
        self.visitor, self.path, self.base = live.visitor("admin"), f"/rules/{path}/", 0

    def send(self, do: str, text: str = "") -> None:
        fields = {"text": text, "do": do, "base": str(self.base), "reason": "Document 12"}
        got = self.visitor.post(self.path, fields)
        assert got.status == 302, got.body.decode()[-3000:]
        self.base += 1


def until(found: Callable[[], Any]) -> Any:
    """What there is, as soon as it is there."""
    end = time.monotonic() + PATIENCE
    while not (got := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)
    return got


@pytest.fixture
def edit(live: Live) -> Any:
    """Whatever a test publishes is taken back after it: the server is shared."""
    opened: list[Editor] = []

    def open_(path: str) -> Editor:
        opened.append(Editor(live, path))
        return opened[-1]

    yield open_
    for one in opened:
        if one.base:
            one.send("withdraw")


def test_the_server_goes_by_it(live: Live, edit: Callable[[str], Editor]) -> None:
    chief = live.program("chief")

    def variants() -> set[str]:
        """By enough requests to meet every process of the server."""
        return {chief.get("/procedures/city_case").json["variant"] for _request in range(12)}

    assert variants() == {""}
    file = edit("procedure/city_case.two_centre")
    file.send("publish", OVERRIDE)
    until(lambda: variants() == {"two_centre"})
    file.send("withdraw")
    until(lambda: variants() == {""})
    file.send("publish", OVERRIDE)
    until(lambda: variants() == {"two_centre"})


def test_the_worker_goes_by_it(live: Live, edit: Callable[[str], Editor]) -> None:
    """The worker has looked at the rules before, and dispatched nothing by them."""
    collector, chief = live.program("collector"), live.program("chief")
    book = chief.get("/categories?scheme=2026&kind=component&q=01001").json["items"]
    category = next(one["id"] for one in book if one["code"] == "01001")

    numbers = itertools.count()

    def report() -> str:
        """Each some metres from the one before."""
        number = next(numbers)
        answers = {
            "photos": [collector.photo(number)], "category": category, "component": COVER, "description": "井盖缺失",
            "position": {**POINT, "lon": f"{float(POINT['lon']) + number / 10_000:.7f}"},
        }  # fmt: skip
        made = collector.post("/cases", {"procedure": "city_case", "action": "patrol_report", "answers": answers})
        assert made.status == 201, made.body
        return str(made.json["number"])

    def state(number: str) -> str:
        return str(chief.get(f"/cases/{number}").json["state"])

    plain = report()
    waiting = "casework_outbox WHERE kind = 'direct_dispatch' AND done_at IS NULL"
    until(lambda: live.counts(waiting) == {waiting: 0})
    text = (
        direct.RULES.start("").replace("switched_on: false", "switched_on: true").replace("near_m: 30 ", "near_m: 0 ")
    )
    edit("direct_dispatch/421200").send("publish", text.replace("sample_percent: 10", "sample_percent: 0"))
    # The worker may have looked within the second before: then the first reports go the usual way.
    ruled: list[str] = []

    def moved() -> bool:
        ruled.append(report())
        return any(state(number) != "reported" for number in ruled)

    until(moved)
    assert state(plain) == "reported"
