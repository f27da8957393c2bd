"""Direct dispatch by rule: filed and dispatched without an operator where everything is plain, else the usual way."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.db import transaction

from xiuhua.casework import deliver, rebuild, rule_files, verify
from xiuhua.casework.engine import create
from xiuhua.casework.models import Case, Event, Outbox, Payload
from xiuhua.city import categories, memory
from xiuhua.city.models import Component, Organisation, Platform
from xiuhua.command import direct
from xiuhua.demo.tests.small_city import COVER, POINT
from xiuhua.demo.tests.test_city_case import Desk, Time, desk, time  # noqa: F401  fixtures

SAMPLE = direct.RULES.parse(direct.RULES.shipped("")[0])[1]


@pytest.fixture
def ruled(desk: Desk) -> Desk:  # noqa: F811
    switch(desk)
    return desk


def switch(desk: Desk, text: str = "", **changes: Any) -> None:  # noqa: F811
    """Put the city's own file in force as it is, right or wrong."""
    book = {**SAMPLE.model_dump(), "switched_on": True, "sample_percent": 0, **changes}
    with transaction.atomic():
        rule_files.begin()
        text = text or yaml.safe_dump(book, allow_unicode=True)
        rule_files.store(direct.KIND, desk.city.code, text, by=None, reason="test")
    memory.forget()


def patrol(desk: Desk, who: str = "collector", **more: Any) -> Case:  # noqa: F811
    """A report from patrol, and what the engine makes of it."""
    found = categories.catalogue().category("2026", "component", "01001")
    assert found is not None
    answers = {
        "photos": desk.photo(who), "position": POINT, "category": found.id, "component": COVER,
        "description": "井盖缺失", **more,
    }  # fmt: skip
    answers = {name: value for name, value in answers.items() if value is not None}
    desk.number = create("city_case", desk.city, desk.who(who), answers, action="patrol_report").number
    run(desk)
    return desk.case


def run(desk: Desk) -> None:  # noqa: F811
    for row in Outbox.objects.filter(kind=direct.KIND, done_at=None):
        deliver.deliver(row)
        row.refresh_from_db()
        assert not row.last_error, row.last_error


def test_it_ships_switched_off(desk: Desk) -> None:  # noqa: F811
    assert not SAMPLE.switched_on and SAMPLE.sample
    assert patrol(desk).state == "reported"


def test_filed_and_dispatched_and_the_timeline_says_by_which_rule(ruled: Desk) -> None:
    case = patrol(ruled)
    assert case.state == "to_receive" and case.responsible_org is not None
    assert case.responsible_org.code == "cg-municipal", "the owner of the cover"
    events = list(Event.objects.filter(case=case).order_by("seq"))
    assert [(e.action, e.actor) for e in events[1:]] == [("file_by_rule", "system"), ("dispatch_by_rule", "system")]
    for event in events[1:]:
        assert "cover_to_owner" in Payload.objects.get(event=event).body
    assert case.filed_at and case.dispatched_at and case.handling_due_at
    assert ruled.do("municipal", "sign").state == "handling"
    assert verify.verify().ok and [str(d) for d in rebuild.compare()] == []


def test_the_operator_looks_at_a_sample_and_takes_a_wrong_one_back(ruled: Desk) -> None:
    switch(ruled, sample_percent=100)
    patrol(ruled)
    ruled.do("hotline", "find_right", on=ruled.child("review"))
    assert ruled.case.state == "to_receive", "a look that finds nothing changes nothing"
    ruled.do("leader", "force_close", approval="1", reason="试")
    patrol(ruled)
    ruled.do("hotline", "find_wrong", on=ruled.child("review"), reason="应派排水")
    assert (ruled.case.state, ruled.case.holder_role) == ("returned", "dispatcher")


def test_a_look_that_comes_too_late_is_noted(ruled: Desk) -> None:
    switch(ruled, sample_percent=100)
    patrol(ruled)
    ruled.do("municipal", "sign")
    ruled.do("municipal", "submit_result", photos=ruled.photo("municipal"), result="已换")
    ruled.do("hotline", "find_wrong", on=ruled.child("review"), reason="晚了")
    assert ruled.case.state == "handled"
    assert Event.objects.filter(case=ruled.case).order_by("-seq")[0].action == "child_ended"


@pytest.mark.parametrize(
    "doubt",
    [
        "post",
        "class",
        "urgency",
        "grid",
        "unit",
        "condition",
        "near",
        "off",
        "broken",
        "unknown unit rule",
        "unreadable",
    ],
)
def test_any_doubt_leaves_it_to_the_operator(ruled: Desk, doubt: str) -> None:
    rule = SAMPLE.rules[0].model_dump()
    more: dict[str, Any] = {}
    if doubt == "post":
        switch(ruled, rules=[{**rule, "posts": ["co-collect:nobody"]}])
    elif doubt == "class":
        switch(ruled, rules=[{**rule, "classes": [{**rule["classes"][0], "code": "01002"}]}])
    elif doubt == "urgency":
        more["urgency"] = "very_urgent"
    elif doubt == "grid":
        more["position"] = {**POINT, "lon": "114.3900000"}
    elif doubt == "unit":
        more["component"] = None
    elif doubt == "condition":
        switch(ruled, rules=[{**rule, "classes": [{**rule["classes"][0], "condition": 99}]}])
    elif doubt == "near":
        ruled.filed()
    elif doubt == "off":
        switch(ruled, switched_on=False)
    elif doubt == "broken":
        switch(ruled, "switched_on: perhaps\n")
    elif doubt == "unknown unit rule":
        switch(ruled, rules=[{**rule, "units": ["whoever"]}])
    elif doubt == "unreadable":
        switch(ruled, "rules: [")
    case = patrol(ruled, **more)
    assert (case.state, case.seq, case.holder_role) == ("reported", 1, "intake_operator")


def test_a_unit_that_the_duty_list_names_needs_a_rule_that_says_so(ruled: Desk) -> None:
    """The owner is gone: routing names another unit first, by a rule that is not allowed here."""
    Component.objects.filter(code=COVER).update(owner=None, maintainer=None, competent=None)
    assert patrol(ruled).state == "reported"
    Component.objects.filter(code=COVER).update(owner=Organisation.objects.get(code="cg-municipal"))


def test_an_operator_who_was_quicker_is_not_overtaken(ruled: Desk) -> None:
    found = categories.catalogue().category("2026", "component", "01001")
    assert found is not None
    answers = {
        "photos": ruled.photo("collector"), "position": POINT, "category": found.id, "component": COVER,
        "description": "井盖缺失",
    }  # fmt: skip
    ruled.number = create("city_case", ruled.city, ruled.who("collector"), answers, action="patrol_report").number
    ruled.do("hotline", "send_verification", collector="collector2")
    run(ruled)
    assert (ruled.case.state, ruled.case.seq) == ("verifying", 2)


def test_coming_again_does_nothing_twice(ruled: Desk) -> None:
    case = patrol(ruled)
    Outbox.objects.filter(kind=direct.KIND).update(done_at=None)
    run(ruled)
    assert ruled.case.seq == case.seq == 3


def test_another_platform_is_not_switched_on_by_it(ruled: Desk) -> None:
    assert not direct.rules_of("421221").switched_on


def test_the_command_says_what_is_in_force(ruled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert direct.main([ruled.city.code]) == 0 and "is on, by the platform's own" in capsys.readouterr().out
    assert direct.main(["421221"]) == 0 and "is off, by the sample" in capsys.readouterr().out
    assert direct.main(["999999"]) == 1


def test_a_person_cannot_file_by_rule(ruled: Desk, time: Time) -> None:  # noqa: F811
    ruled.report()
    assert Platform.objects.filter(code=ruled.city.code).exists()
    assert ruled.refused("chief", "file_by_rule", condition=1, rule="x") == "not_yours"
