"""Filing by routine: what is proposed and why, filing and dispatching in one step, and many at once without mixing them up."""

from __future__ import annotations

from typing import Any

import pytest

from xiuhua.casework import clock, rule_files
from xiuhua.casework.models import Case, Event
from xiuhua.casework.pages import questions
from xiuhua.casework.refusal import Refused
from xiuhua.city import categories, memory
from xiuhua.city.models import Organisation, Platform
from xiuhua.command import direct
from xiuhua.demo.tests.small_city import COVER, POINT
from xiuhua.demo.tests.test_city_case import Desk, Time, time
from xiuhua.demo.tests.test_pages_told import browser, words

__all__ = ["time"]
CITY = "421200"


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


def category(kind: str, code: str) -> categories.CategoryInfo:
    found = categories.catalogue().category("2026", kind, code)
    assert found is not None
    return found


def reported(desk: Desk, of: categories.CategoryInfo | None = None, **more: Any) -> Case:
    known = {"category": of.id} if of else {}
    return desk.report(position=POINT, component=COVER, **known, **more)


def offered(case: Case, action: str, **answers: Any) -> dict[str, Any]:
    found = questions.EXPLAINERS["city_case", action](case, answers)[0]
    return {name: value for name, (_options, value) in found.items()}


def switch_on() -> None:
    text = direct.RULES.start(CITY).replace("switched_on: false", "switched_on: true")
    rule_files.store(direct.KIND, CITY, text, by=None, reason="test")
    memory.bump(rule_files.TABLE)
    memory.forget()


class TestProposal:
    def test_the_only_condition_of_a_class(self, desk: Desk) -> None:
        trade = category("event", "09005")
        assert len(trade.conditions) == 1
        case = reported(desk, trade)
        assert offered(case, "file") == {"condition": str(trade.conditions[0].id)}
        page = browser("hotline", "en").get(f"/cases/{case.number}/do/file/").content.decode()
        assert f'<option value="{trade.conditions[0].id}"' in page and "selected" in page
        assert "the only one of its class" in words(page)

    def test_of_several_none_is_guessed(self, desk: Desk) -> None:
        case = reported(desk, category("component", "01001"))
        assert offered(case, "file").get("condition") is None
        page = browser("hotline", "en").get(f"/cases/{case.number}/do/file/").content.decode()
        options = page.split('name="condition"', 1)[1].split("</select>")[0]
        assert options.count("<option") == 5 and "selected" not in options

    def test_of_several_the_one_that_a_rule_in_force_names(self, desk: Desk) -> None:
        cover = category("component", "01001")
        case = reported(desk, cover)
        switch_on()
        assert offered(case, "file") == {"condition": str(cover.conditions[0].id)}
        told = words(browser("hotline", "en").get(f"/cases/{case.number}/do/file/").content.decode())
        assert "rule of direct dispatch: Covers go to their owner" in told
        other = {"condition": str(cover.conditions[1].id)}
        answer = browser("hotline", "en").post(f"/cases/{case.number}/do/file/?preview=1", other)
        assert "chosen by hand" in words(answer.content.decode())

    def test_without_a_class_nothing(self, desk: Desk) -> None:
        assert offered(reported(desk), "file") == {}

    def test_the_unit_follows_the_class_of_the_condition_and_the_place(self, desk: Desk) -> None:
        case = desk.report(position=None, component=None, category=category("event", "09005").id)
        enforcement = offered(case, "file_and_dispatch", position=POINT)["unit"]
        assert enforcement == str(Organisation.objects.get(code="cg-enforce-1").pk)
        lamp = category("component", "04002").conditions[0]
        assert offered(case, "file_and_dispatch", condition=str(lamp.id), position=POINT)["unit"] != enforcement


class TestInOneStep:
    def test_it_says_everything_before_and_does_it(self, desk: Desk, time: Time) -> None:
        case = reported(desk, category("event", "09005"))
        client = browser("chief", "en")
        told = words(client.get(f"/cases/{case.number}/do/file_and_dispatch/").content.decode())
        unit = Organisation.objects.get(code="cg-enforce-1")
        for part in (
            "the only one of its class", "By the rule Duty list", f"Goes to Responsible unit · {unit.name_en}",
            "Clock starts Receipt: 1 working hour due 2026-03-04 10:00", "Clock starts Handling:", "Clock stops Intake",
        ):  # fmt: skip
            assert part in told, (part, told)
        after = desk.do(
            "chief", "file_and_dispatch", condition=category("event", "09005").conditions[0].id, unit="cg-enforce-1"
        )
        assert (after.state, after.responsible_org_id) == ("to_receive", unit.pk)
        assert after.filed_at == after.dispatched_at is not None
        assert after.condition_id and after.title.startswith("店外经营")
        clocks = clock.from_json(after.clocks)
        assert clocks["intake"].finished is not None and clocks["handling"].finished is None
        assert Event.objects.filter(case_id=case.pk).count() == 2

    def test_who_may(self, desk: Desk) -> None:
        reported(desk, category("event", "09005"))
        answers = {"condition": category("event", "09005").conditions[0].id, "unit": "cg-enforce-1"}
        for name in ("hotline", "dispatcher"):
            with pytest.raises(Refused):
                desk.do(name, "file_and_dispatch", **answers)
        assert desk.do("chief", "file_and_dispatch", **answers).state == "to_receive"

    def test_lawful_conditions_hold(self, desk: Desk) -> None:
        desk.report(position=None, component=None, category=category("event", "09005").id)
        answers = {"condition": category("event", "09005").conditions[0].id, "unit": "cg-enforce-1"}
        with pytest.raises(Refused):
            desk.do("chief", "file_and_dispatch", **answers)
        assert desk.do("chief", "file_and_dispatch", position=POINT, **answers).state == "to_receive"


class TestManyAtOnce:
    def bulk(self, cases: list[Case], action: str, name: str = "hotline") -> str:
        fields = {"bulk.case": [case.number for case in cases], "bulk.action": action}
        return browser(name, "en").post("/cases/bulk/", fields).content.decode()

    def test_nothing_of_one_case_is_preset_for_others(self, desk: Desk) -> None:
        trade, refuse = category("event", "09005"), category("event", "06042")
        assert len(refuse.conditions) == 1
        one, two = reported(desk, trade, address="甲处"), reported(desk, refuse, address="乙处")
        form = self.bulk([one, two], "file")
        assert "甲处" not in form.split("<form", 2)[-1].split("</form>")[0].replace("placeholder", "")
        assert " selected>" not in form.split('name="condition"', 1)[1].split("</select>")[0]
        alike = reported(desk, trade)
        chosen = self.bulk([one, alike], "file").split('name="condition"', 1)[1].split("</select>")[0]
        assert " selected>" in chosen, "what is proposed for all is preset"

    def test_each_keeps_its_own_place(self, desk: Desk) -> None:
        trade = category("event", "09005")
        cases = [reported(desk, trade, address=address) for address in ("甲处", "乙处")]
        fields = {
            "bulk.case": [case.number for case in cases], "bulk.action": "file", "bulk.sure": "1", "key": "k1",
            "condition": str(trade.conditions[0].id), "address": "",
        }  # fmt: skip
        browser("hotline", "en").post("/cases/bulk/", fields)
        assert [(c.state, c.address) for c in Case.objects.filter(parent=None).order_by("id")] == [
            ("to_dispatch", "甲处"), ("to_dispatch", "乙处"),
        ]  # fmt: skip
