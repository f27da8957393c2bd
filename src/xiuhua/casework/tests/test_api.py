"""The case API: the same loop as on the pages, and a clear problem for everything that is not possible."""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from xiuhua.api_base import PROBLEM_TYPE
from xiuhua.casework.models import Case, Event
from xiuhua.casework.tests.api_client import ROOT, Api, Caller, picture, problem, report
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city.models import ApiToken, User

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PHONE, NAME = "13800138000", "欧阳测试"


class TestLoop:
    def test_from_report_to_close_by_five_programs(
        self, caller: Caller, city: City, settings: Any, tmp_path: Any
    ) -> None:
        settings.DATA_DIR = tmp_path
        operator, dispatcher, unit = caller("operator"), caller("dispatcher"), caller("unit")
        photo = operator.upload(picture(), stage="before").json()
        made = report(
            operator,
            title="井盖",
            photos=[photo["sha256"]],
            reporter_name=NAME,
            reporter_phone=f"+86 {PHONE}",
            position={"lon": 114.3, "lat": 29.85},
        )
        where = f"/cases/{made['number']}"
        assert (made["seq"], made["state"], made["state_title"], made["open"]) == (1, "reported", "Reported", True)

        offered = {one["action"]: one for one in operator.get(f"{where}/actions").json()["actions"]}
        assert offered["accept"]["allowed"] and "note" in offered["accept"]["form"]["properties"]

        def act(api: Api, action: str, **answers: Any) -> dict[str, Any]:
            seq = Case.objects.get(number=made["number"]).seq
            answer = api.post(f"{where}/actions/{action}", {"answers": answers, "seq": seq})
            assert answer.status_code == 200, answer.content
            return dict(answer.json())

        act(operator, "accept")
        act(dispatcher, "dispatch", unit="roads", advice="请尽快")
        act(unit, "receive")
        done = unit.upload(picture() + b"\0").json()["sha256"]
        act(unit, "finish", result="已更换", photos=[done])
        assert act(dispatcher, "close", points=5)["open"] is False

        seen = unit.get(where).json()
        assert (seen["state"], seen["open"], seen["responsible"]["code"]) == ("closed", False, "roads")
        assert seen["position"] == {"lon": 114.3, "lat": 29.85}
        assert [one["stage"] for one in seen["attachments"]] == ["before", "after"]
        log = unit.get(f"{where}/events").json()["items"]
        assert [one["action"] for one in log] == ["report", "accept", "dispatch", "receive", "finish", "close"]
        assert all(a["digest"] == b["prev_digest"] for a, b in itertools.pairwise(log))
        assert log[-1]["digest"] == seen["head_digest"]
        assert log[2]["answers"][1] == {"field": "advice", "title": "Advice", "value": "请尽快", "personal": False}
        picture_answer = unit.get(f"/attachments/{photo['sha256']}")
        assert picture_answer["Content-Type"] == "image/jpeg"
        assert b"".join(picture_answer.streaming_content) == picture()

    def test_the_log_can_be_checked_from_outside(self, caller: Caller, city: City, settings: Any) -> None:
        """With nothing but the answers and the recipe of docs/api.md."""
        for algorithm in ("sha256", "sm3"):
            settings.DIGEST = algorithm
            case = city.handled(position={"lon": 114.3, "lat": 29.8})
            unit = caller("unit")
            before = ""
            for one in unit.get(f"/cases/{case.number}/events").json()["items"]:
                at = datetime.fromisoformat(one["at"].replace("Z", "+00:00"))
                line = [
                    one["version"], one["algorithm"], one["id"], unit.get(f"/cases/{case.number}").json()["id"], one["seq"],
                    one["action"], one["actor"], (at - EPOCH) // timedelta(microseconds=1), one["from_state"],
                    one["to_state"], one["batch"], one["payload_digest"], before, one["body"],
                ]  # fmt: skip
                before = hashlib.new(one["algorithm"], rfc8785.dumps(line)).hexdigest()
                assert one["digest"] == before, one["seq"]
            assert before == unit.get(f"/cases/{case.number}").json()["head_digest"]

    def test_names_and_telephones_are_masked_everywhere(self, caller: Caller) -> None:
        operator = caller("operator")
        made = report(operator, reporter_name=NAME, reporter_phone=PHONE)
        seen = operator.get(f"/cases/{made['number']}").json()
        assert {one["field"]: one["masked"] for one in seen["personal"]} == {
            "reporter_name": "欧***",
            "reporter_phone": "138****8000",
        }
        log = operator.get(f"/cases/{made['number']}/events")
        answers = {one["field"]: one["value"] for one in log.json()["items"][0]["answers"]}
        assert answers["reporter_phone"] == "138****8000"
        for answer in (operator.get("/cases"), operator.get(f"/cases/{made['number']}"), log):
            assert NAME not in answer.content.decode() and PHONE not in answer.content.decode()
        assert "personal" not in operator.get("/cases").json()["items"][0]

    def test_a_look_at_personal_data_is_an_event(self, caller: Caller) -> None:
        operator = caller("operator")
        where = f"/cases/{report(operator, reporter_phone=PHONE)['number']}"
        asked = {"field": "reporter_phone", "reason": "回访"}
        problem(operator.post(f"{where}/reveal", {"field": "reporter_phone"}), 422, "invalid")
        problem(operator.post(f"{where}/reveal", {"field": "reporter_id", "reason": "x"}), 404, "not_found")
        problem(caller("auditor").post(f"{where}/reveal", asked), 403, "forbidden")
        problem(caller("operator", "case.read", "case.act").post(f"{where}/reveal", asked), 403, "not_yours")
        assert Event.objects.count() == 1
        assert operator.post(f"{where}/reveal", asked).json() == {"field": "reporter_phone", "value": PHONE}
        last = operator.get(f"{where}/events").json()["items"][-1]
        assert (last["action"], last["actor_name"], last["answers"][0]["value"]) == ("reveal", "operator", "回访")

    def test_why_this_deadline(self, caller: Caller, city: City) -> None:
        case = city.handled()
        found = caller("unit").get(f"/cases/{case.number}/deadline").json()
        clocks = {one["name"]: one for one in found["clocks"]}
        assert found["due_clock"] == "handling" and found["due_at"] == clocks["handling"]["due_at"]
        assert clocks["handling"]["limit"] == {"value": "2", "unit": "work_day"}
        assert clocks["handling"]["segments"][0]["kind"] == "running"
        assert clocks["intake"]["finished_at"] and clocks["handling"]["text"] == "2 working days left"

    def test_erased_words_are_gone_and_the_link_stays(self, caller: Caller, city: City) -> None:
        from django.utils import timezone

        from xiuhua.casework.models import Payload

        case = city.case(description="秘密")
        Payload.objects.filter(case=case).update(body="", erased_at=timezone.now())
        (event,) = caller("operator").get(f"/cases/{case.number}/events").json()["items"]
        assert (event["erased"], event["words"], event["answers"]) == (True, {}, [])
        assert len(event["digest"]) == 64


class TestRefusals:
    def test_not_yours_names_who_could(self, caller: Caller) -> None:
        made = report(caller("operator"))
        body = problem(caller("dispatcher").post(f"/cases/{made['number']}/actions/accept", {}), 403, "not_yours")
        assert body["who"] == ["Intake operator"]
        chinese = caller("dispatcher", language="zh-CN").post(f"/cases/{made['number']}/actions/accept", {})
        assert problem(chinese, 403, "not_yours")["who"] == ["受理员"]
        assert chinese["Content-Language"] == "zh-hans"

    def test_missing_answers_are_named(self, caller: Caller) -> None:
        answer = caller("operator").post("/cases", {"procedure": "repair", "answers": {"nonsense": 1}})
        assert [one["field"] for one in problem(answer, 422, "invalid")["errors"]] == ["description", "nonsense"]
        assert not Case.objects.exists()

    def test_an_action_that_is_not_possible_now(self, caller: Caller, city: City) -> None:
        case = city.case()
        problem(caller("dispatcher").post(f"/cases/{case.number}/actions/close", {}), 409, "not_now")
        problem(caller("dispatcher").post(f"/cases/{case.number}/actions/fly", {}), 404, "unknown_action")
        city.act(case, "discard", reason="重复")
        problem(caller("operator").post(f"/cases/{case.number}/actions/accept", {}), 409, "closed")

    def test_who_looked_at_an_older_state_is_told(self, caller: Caller, city: City) -> None:
        case = city.handled()
        stale = caller("unit").post(f"/cases/{case.number}/actions/finish", {"seq": 1})
        assert problem(stale, 409, "stale")["seq"] == case.seq

    def test_the_engines_own_actions_have_no_door_here(self, caller: Caller, city: City) -> None:
        case = city.case()
        for action in ("cancel", "erase", "undo", "reveal", "clock_warning", "deem_received"):
            answer = caller("operator").post(f"/cases/{case.number}/actions/{action}", {"answers": {"reason": "x"}})
            assert answer.status_code in (403, 409), action
        assert Event.objects.count() == 1

    def test_a_case_out_of_sight_is_not_there(self, caller: Caller, city: City) -> None:
        case = city.handled()
        stranger = caller("park_unit")
        for path in ("", "/actions", "/events", "/deadline"):
            problem(stranger.get(f"/cases/{case.number}{path}"), 404, "not_found")
        problem(stranger.post(f"/cases/{case.number}/actions/finish", {}), 404, "not_found")
        assert stranger.get("/cases").json()["items"] == []
        assert stranger.get(f"/cases?q={case.number}").json()["items"] == []

    def test_wrong_bodies(self, caller: Caller) -> None:
        for body, field in [
            ({"procedure": "no_such"}, "procedure"),
            ({"platform": "999999"}, "platform"),
            ({"procedure": 5}, "body.procedure"),
            ({"answers": []}, "body.answers"),
            ({"colour": "red"}, "body.colour"),
        ]:
            answer = caller("operator").post("/cases", {"procedure": "repair", **body})
            assert [one["field"] for one in problem(answer, 422, "invalid")["errors"]] == [field]

    def test_an_unknown_start(self, caller: Caller) -> None:
        problem(caller("operator").post("/cases", {"procedure": "repair", "action": "accept"}), 404, "unknown_action")
        problem(caller("dispatcher").post("/cases", {"procedure": "repair"}), 403, "not_yours")


class TestDoors:
    def test_without_a_token(self, city: City) -> None:
        answer = Client().get(f"{ROOT}/cases", headers={"Accept-Language": "en"})
        problem(answer, 401, "not_signed_in")
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_with_a_wrong_token(self, city: City) -> None:
        for raw in ("xh_wrong", "", "no", "\xff"):
            problem(Client().get(f"{ROOT}/cases", headers={"Authorization": f"Bearer {raw}"}), 401, "token")

    def test_scopes_narrow_the_posts(self, caller: Caller) -> None:
        reader = caller("operator", "case.read")
        assert reader.get("/cases").status_code == 200
        assert "case.report" in problem(reader.post("/cases", {}), 403, "forbidden")["detail"]
        problem(caller("operator", "ground.read").get("/cases"), 403, "forbidden")

    def test_a_browser_needs_its_csrf_token(self, city: City) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.get(username="operator"))
        send = {"data": json.dumps({"procedure": "repair", "answers": {"description": "x"}})}
        problem(client.post(f"{ROOT}/cases", content_type="application/json", **send), 403, "csrf")
        assert client.get(f"{ROOT}/cases").status_code == 200
        client.cookies["xiuhua_csrf"] = "a" * 32
        answer = client.post(
            f"{ROOT}/cases", content_type="application/json", headers={"X-CSRFToken": "a" * 32}, **send
        )
        assert answer.status_code == 201, answer.content

    def test_every_operation_says_who_may_call_it(self) -> None:
        from ninja.operation import Operation

        from xiuhua import manifest
        from xiuhua.doors import Access
        from xiuhua.urls import build_api

        found: list[Operation] = [
            operation
            for router in build_api(manifest.rooms())._get_bound_routers()
            for view in router.path_operations.values()
            for operation in view.operations
        ]
        assert len(found) >= 18
        for operation in found:
            access = operation.view_func.access
            assert isinstance(access, Access) and access.kind in ("permission", "signed_in"), operation.path
            assert operation.auth_callbacks[0].access == access

    def test_no_operation_without_access(self) -> None:
        from xiuhua.api_base import ApiRouter

        with pytest.raises(TypeError, match="does not say who may call it"):

            @ApiRouter().get("/x")
            def forgotten(request: Any) -> None: ...

    def test_too_many_requests(self, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        from xiuhua import api_base

        monkeypatch.setattr(api_base.Rate, "allow_request", lambda *_: False)
        answer = caller("operator").get("/me")
        problem(answer, 429, "too_many")
        assert 0 < int(answer["Retry-After"]) <= 60

    def test_addresses_and_methods_that_are_not_there(self, caller: Caller) -> None:
        operator = caller("operator")
        problem(operator.get("/nothing/here"), 404, "not_found")
        problem(operator.post("/nothing", {}), 404, "not_found")
        answer = operator("DELETE", "/cases")
        problem(answer, 405, "method")
        assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
        assert Client().get(f"{ROOT}/").json()["openapi"] == f"{ROOT}/openapi.json"


class TestBadInput:
    def test_unreadable_bodies(self, caller: Caller) -> None:
        for body in [
            b"{",
            b"\xff\xfe",
            b'{"answers": {"description": NaN}}',
            b'{"answers": {"a": 1e999}}',
            b'{"answers": {"a": "\\u0000"}}',
            b'{"answers": {"a": "\\ud800"}}',
            b'{"answers": {"\\udfff": 1}}',
            b'{"answers": {}, "answers": {}}',
            b'{"answers": ' + b'{"a":' * 60 + b"1" + b"}" * 61,
            b"[" * 100_000,
            b'{"answers": {"a": ' + b"9" * 5000 + b"}}",
        ]:
            operator = caller("operator")
            answer = Client().generic(
                "POST", f"{ROOT}/cases", body, "application/json", headers={"Authorization": f"Bearer {operator.raw}"}
            )
            problem(answer, 400, "unreadable")

    def test_absurd_answers(self, caller: Caller) -> None:
        operator = caller("operator")
        for field in ("description", "title", "urgency", "position", "reporter_phone", "reporter_id", "photos"):
            for value in (10**400, -(10**18), 1e300, "长" * 5000, ["x"], {"a": 1}, True, "井\u202e盖", [[[]]]):
                answer = operator.post("/cases", {"procedure": "repair", "answers": {"description": "x", field: value}})
                assert answer.status_code in (201, 422), (field, value, answer.content)

    def test_impossible_positions(self, caller: Caller) -> None:
        for position in [
            {"lon": 500, "lat": 1},
            {"lon": "x", "lat": 1},
            {"lon": 1},
            {"lon": 114, "lat": 29, "datum": "mars"},
            [114, 29],
        ]:
            body = {"procedure": "repair", "answers": {"description": "x", "position": position}}
            (error,) = problem(caller("operator").post("/cases", body), 422, "invalid")["errors"]
            assert error["field"] == "position"

    def test_a_position_outside_the_city_is_kept_without_codes(self, caller: Caller) -> None:
        operator = caller("operator")
        made = report(operator, position={"lon": 2.35, "lat": 48.85, "datum": "gcj02"})
        seen = operator.get(f"/cases/{made['number']}").json()
        assert (seen["position"], seen["grid"], seen["datum"]) == ({"lon": 2.35, "lat": 48.85}, "", "gcj02")

    def test_wrong_filters(self, caller: Caller) -> None:
        for query, status in [
            ("colour=red", 422),
            ("limit=0", 422),
            ("limit=100000", 422),
            ("limit=ten", 422),
            ("sort=title", 422),
            ("state=%00", 400),
            ("q=%00", 400),
            ("open=perhaps", 422),
            ("category=99999999999999999999", 422),
            ("category=a:b:c", 422),
            ("updated_after=yesterday", 422),
            ("updated_after=0001-01-01T00:00:00%2B14:00", 422),
            ("updated_after=99999", 422),
            ("cursor=rubbish", 400),
            ("cursor=%E6%BC%A2", 400),
            ("holder=you", 422),
        ]:
            answer = caller("operator").get(f"/cases?{query}")
            assert answer.status_code == status and answer["Content-Type"] == PROBLEM_TYPE, answer.content

    def test_wrong_numbers(self, caller: Caller) -> None:
        for number in ("x", "%00", "../../etc", "9" * 60, "%ED%A0%80", "'; DROP TABLE x"):
            answer = caller("operator").get(f"/cases/{number}")
            assert answer.status_code in (404, 422) and answer["Content-Type"] == PROBLEM_TYPE

    def test_other_kinds_of_content(self, caller: Caller) -> None:
        raw = caller("operator").raw
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
            answer = Client().generic("POST", f"{ROOT}/cases", "a=1", kind, headers={"Authorization": f"Bearer {raw}"})
            problem(answer, 415, "unsupported")

    def test_a_body_beyond_the_limit(self, caller: Caller, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        problem(caller("operator").post("/cases", {"answers": {"description": "x" * 2000}}), 413, "too_large")

    def test_keys_that_are_none(self, caller: Caller) -> None:
        for key in ("", "a b", "x" * 121, "钥"):
            answer = caller("operator").post(
                "/cases", {"procedure": "repair", "answers": {"description": "x"}}, **{"Idempotency-Key": key}
            )
            problem(answer, 422, "invalid")


class TestKeys:
    def test_the_same_key_makes_one_case(self, caller: Caller) -> None:
        operator = caller("operator")
        body = {"procedure": "repair", "answers": {"description": "井盖"}}
        first = operator.post("/cases", body, **{"Idempotency-Key": "k1"}).json()
        again = operator.post("/cases", body, **{"Idempotency-Key": "k1"}).json()
        assert again == {**first, "replayed": True} and Case.objects.count() == 1
        other = operator.post("/cases", {**body, "answers": {"description": "路灯"}}, **{"Idempotency-Key": "k1"})
        problem(other, 409, "conflict")

    def test_the_same_key_acts_once(self, caller: Caller, city: City) -> None:
        operator, number = caller("operator"), city.case().number
        first = operator.post(f"/cases/{number}/actions/accept", {}, **{"Idempotency-Key": "k2"})
        again = operator.post(f"/cases/{number}/actions/accept", {}, **{"Idempotency-Key": "k2"})
        assert (first.status_code, again.json()["replayed"], Event.objects.count()) == (200, True, 2)


class TestLists:
    def test_pages_have_no_gap_and_no_double(self, caller: Caller, city: City, clock: TestClock) -> None:
        numbers = []
        for _ in range(7):
            clock.forward(minutes=1)
            numbers.append(city.case().number)
        operator = caller("operator")
        for sort, expected in (("newest", numbers[::-1]), ("due", numbers), ("changes", numbers)):
            seen, cursor = [], ""
            while True:
                page = operator.get(f"/cases?limit=3&sort={sort}&cursor={cursor}").json()
                seen += [one["number"] for one in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
            assert seen == expected, sort

    def test_a_cursor_of_another_list(self, caller: Caller, city: City) -> None:
        city.case()
        city.case()
        operator = caller("operator")
        cursor = operator.get("/cases?limit=1").json()["next"]
        problem(operator.get(f"/cases?limit=1&open=true&cursor={cursor}"), 400, "cursor")
        problem(operator.get(f"/cases?limit=1&sort=due&cursor={cursor}"), 400, "cursor")
        problem(operator.get(f"/cases?limit=1&cursor={cursor[:-1]}x"), 400, "cursor")

    def test_filters(self, caller: Caller, city: City) -> None:
        reported, handled = city.case(title="路灯不亮"), city.handled()
        operator = caller("operator")

        def numbers(api: Api, query: str) -> set[str]:
            answer = api.get(f"/cases?{query}")
            assert answer.status_code == 200, answer.content
            return {one["number"] for one in answer.json()["items"]}

        assert numbers(operator, "state=reported") == {reported.number}
        assert numbers(operator, "holder=me") == {reported.number}
        assert numbers(caller("unit"), "holder=me") == {handled.number}
        assert numbers(operator, "q=路灯") == {reported.number}
        assert numbers(operator, "platform=421200&procedure=repair&open=true") == {reported.number, handled.number}
        assert numbers(operator, "open=false") == set()
        after = reported.updated_at.isoformat().replace("+", "%2B")
        assert numbers(operator, f"updated_after={after}") == {handled.number}
        later = handled.updated_at + timedelta(hours=8)  # without zone: local time
        assert numbers(operator, f"updated_after={later.replace(tzinfo=None).isoformat()}") == set()
        counted = operator.get("/cases?count=true&limit=1").json()
        assert (counted["count"], counted["count_is_capped"]) == (2, False)

    def test_the_telephone_is_found_by_who_may(self, caller: Caller, city: City) -> None:
        number = city.case(reporter_phone=PHONE).number
        for asked in (PHONE, f"%2B86 {PHONE}", "１３８００１３８０００"):
            found = caller("operator").get(f"/cases?q={asked}").json()["items"]
            assert [one["number"] for one in found] == [number], asked
            assert caller("dispatcher").get(f"/cases?q={asked}").json()["items"] == []
        assert caller("operator", "case.read").get(f"/cases?q={PHONE}").json()["items"] == []

    def test_statements_do_not_grow_with_the_rows(self, caller: Caller, city: City) -> None:
        operator = caller("operator")

        def statements(path: str) -> int:
            operator.get(path)  # what lies in memory is read once
            with CaptureQueriesContext(connection) as seen:
                assert operator.get(path).status_code == 200
            return len(seen)

        case = city.handled()
        few = statements("/cases")
        log = statements(f"/cases/{case.number}/events")
        for _ in range(5):
            city.handled(reporter_phone=PHONE)
        city.act(case, "extend")
        assert statements("/cases") == few <= 4
        assert statements(f"/cases/{case.number}/events") == log <= 6


def test_forms_of_a_procedure(caller: Caller) -> None:
    found = caller("collector").get("/procedures/repair").json()
    start = next(one for one in found["actions"] if one["start"])
    assert start["form"]["required"] == ["description"] and start["roles"] == ["collector", "intake_operator"]
    assert "looked" not in {one["action"] for one in found["actions"]}
    problem(caller("collector").get("/procedures/no_such"), 404, "not_found")
    problem(caller("collector").get("/procedures/repair?platform=999"), 404, "not_found")


def test_the_use_of_a_token_is_noted_once_in_ten_minutes(caller: Caller) -> None:
    operator = caller("operator")
    operator.get("/me")
    first = ApiToken.objects.get(user__username="operator").last_used
    operator.get("/me")
    assert ApiToken.objects.get(user__username="operator").last_used == first is not None
