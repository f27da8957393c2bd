"""A missing manhole cover through the whole loop over HTTP, by programs of five roles, on a running server."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from live import Live, Program, picture

from xiuhua.demo.tests.small_city import COVER, POINT

CITIZEN, PHONE = "市民甲", "13900000001"


class Loop:
    """One case and the programs that work on it."""

    def __init__(self, live: Live) -> None:
        self.live, self.number = live, ""

    def who(self, name: str) -> Program:
        return self.live.program(name)

    def report(self, **more: Any) -> dict[str, Any]:
        answers = {
            "source": "hotline_12319",
            "description": "人行道上供水井盖缺失",
            "address": "模拟大道1号",
            "position": POINT,
            "component": COVER,
            "reporter_name": CITIZEN,
            "reporter_phone": PHONE,
            **more,
        }
        made = self.who("hotline").post("/cases", {"procedure": "city_case", "answers": answers})
        assert made.status == 201, made.body
        self.number = made.json["number"]
        return dict(made.json)

    def case(self, name: str = "chief", number: str = "") -> dict[str, Any]:
        got = self.who(name).get(f"/cases/{number or self.number}")
        assert got.status == 200, got.body
        return dict(got.json)

    def do(self, name: str, action: str, on: str = "", **answers: Any) -> dict[str, Any]:
        done = self.who(name).post(f"/cases/{on or self.number}/actions/{action}", {"answers": answers})
        assert done.status == 200, (action, done.body.decode())
        return dict(done.json)

    def refused(self, name: str, action: str, **answers: Any) -> tuple[int, dict[str, Any]]:
        before = self.case()["seq"]
        got = self.who(name).post(f"/cases/{self.number}/actions/{action}", {"answers": answers})
        assert got.headers["content-type"] == "application/problem+json"
        assert self.case()["seq"] == before, "a refused action changes nothing"
        return got.status, got.json

    def task_of(self, name: str) -> str:
        """The one open task of this case that waits for a collector."""
        rows = self.who(name).get("/cases?holder=me").json["items"]
        found = [row["number"] for row in rows if row["number"].startswith(f"{self.number}-")]
        assert len(found) == 1, rows
        return str(found[0])

    def condition(self) -> str:
        book = self.who("hotline").get("/categories?scheme=2026&kind=component&q=01001").json["items"]
        row = next(one for one in book if one["code"] == "01001")
        return str(self.who("hotline").get(f"/categories/{row['id']}").json["conditions"][0]["id"])


@pytest.fixture
def loop(live: Live) -> Loop:
    return Loop(live)


def test_from_report_to_close_by_five_roles(loop: Loop) -> None:
    made = loop.report()
    assert (made["state"], made["seq"], made["replayed"]) == ("reported", 1, False)
    assert loop.case()["community"] == "421202001002", "found from the position"

    loop.do("hotline", "send_verification", collector="collector")
    assert loop.case()["state"] == "verifying"
    seen = loop.who("collector").photo(11, "verify")
    loop.do("collector", "confirm_real", on=loop.task_of("collector"), photos=[seen], position=POINT)
    assert loop.case()["state"] == "to_file", "the answer of the task moves the case"

    status, problem = loop.refused("hotline", "file")
    assert (status, problem["code"]) == (422, "invalid")
    assert [one["field"] for one in problem["errors"]] == ["condition"]
    status, problem = loop.refused("dispatcher", "file", condition=loop.condition())
    assert (status, problem["code"]) == (403, "not_yours") and "Intake operator" in problem["who"]
    loop.do("hotline", "file", condition=loop.condition())

    status, problem = loop.refused("dispatcher", "dispatch", unit="no-such-unit")
    assert (status, problem["errors"][0]["field"]) == (422, "unit")
    loop.do("dispatcher", "dispatch", unit="cg-municipal", note="速办")
    case = loop.case()
    assert case["responsible"]["code"] == "cg-municipal" and case["due_at"]

    loop.do("municipal", "sign")
    status, problem = loop.refused("municipal", "submit_result", result="已更换")
    assert (status, problem["errors"][0]["field"]) == (422, "photos")
    after = loop.who("municipal").photo(12, "after")
    loop.do("municipal", "submit_result", photos=[after], result="已更换")
    loop.do("municipal", "confirm_result")

    loop.do("hotline", "send_check", collector="collector2")
    same_view = loop.who("collector2").photo(13, "check")
    task = loop.task_of("collector2")
    loop.do("collector2", "pass", on=task, photos=[same_view], position=POINT, remark="现场已恢复")
    assert loop.case()["state"] == "to_close"

    status, problem = loop.refused("hotline", "close", condition_met=True)
    assert (status, problem["code"]) == (409, "guard"), "a citizen's case needs a call-back"
    done = loop.do("hotline", "close", condition_met=True, callback="satisfied")
    assert (done["state"], done["open"]) == ("closed", False)
    status, problem = loop.refused("hotline", "close", condition_met=True, callback="satisfied")
    assert (status, problem["code"]) == (409, "closed")

    log = loop.who("chief").get(f"/cases/{loop.number}/events").json["items"]
    assert [one["action"] for one in log if one["actor"] != "system"] == [
        "report",
        "send_verification",
        "file",
        "dispatch",
        "sign",
        "submit_result",
        "confirm_result",
        "send_check",
        "close",
    ]
    assert all(a["digest"] == b["prev_digest"] for a, b in itertools.pairwise(log))
    assert log[-1]["digest"] == loop.case()["head_digest"]
    whole = json.dumps([loop.case("chief"), log], ensure_ascii=False)
    assert PHONE not in whole and CITIZEN not in whole, "personal data are masked"
    checked = loop.live.command("log", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_key_is_answered_once(loop: Loop) -> None:
    hotline = loop.who("hotline")
    body = {"answers": {"source": "media", "description": "井盖缺失", "address": "模拟大道2号"}}
    first, again = (hotline.post("/cases", body, key="create-1") for _ in range(2))
    assert (first.status, first.json["number"]) == (again.status, again.json["number"])
    assert (first.json["replayed"], again.json["replayed"]) == (False, True)
    other = hotline.post("/cases", {"answers": {**body["answers"], "address": "别处"}}, key="create-1")
    assert (other.status, other.json["code"]) == (409, "conflict")

    path = f"/cases/{first.json['number']}/actions/void"
    one, two = (hotline.post(path, {"answers": {"reason": "not_found"}}, key="void-1") for _ in range(2))
    assert (one.status, two.status, two.json["replayed"]) == (200, 200, True)
    assert one.json["seq"] == two.json["seq"] == 2
    changed = hotline.post(path, {"answers": {"reason": "unclear"}}, key="void-1")
    assert (changed.status, changed.json["code"]) == (409, "conflict")


def test_who_has_nothing_to_do_with_a_case_sees_nothing_of_it(loop: Loop) -> None:
    photo = loop.who("hotline").photo(21, "before")
    loop.report(photos=[photo])
    for name in ("jiayu-intake", "greening", "collector3", "crew"):
        for path in ("", "/actions", "/events", "/deadline"):
            got = loop.who(name).get(f"/cases/{loop.number}{path}")
            assert (got.status, got.json["code"]) == (404, "not_found"), (name, path)
        assert loop.who(name).get(f"/attachments/{photo}").status == 404
        tried = loop.who(name).post(f"/cases/{loop.number}/actions/void", {"answers": {"reason": "not_found"}})
        assert tried.status == 404
    assert loop.who("chief").get(f"/attachments/{photo}").body == picture(21)


def test_a_case_moved_on_is_not_acted_on_blindly(loop: Loop) -> None:
    loop.report()
    body = {"answers": {"reason": "not_found"}, "seq": 7}
    got = loop.who("hotline").post(f"/cases/{loop.number}/actions/void", body)
    assert (got.status, got.json["code"], got.json["seq"]) == (409, "stale", 1)
