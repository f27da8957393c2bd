"""City and counties: the city supervises, a case is handed over with its chain, and nobody acts on another's case."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import permits, rebuild, search, verify
from xiuhua.casework.engine import advance, allowed, create
from xiuhua.casework.models import Case, Event, Party
from xiuhua.casework.refusal import Refused
from xiuhua.city import categories, memory
from xiuhua.city.calendar import calendar_for
from xiuhua.city.models import Platform
from xiuhua.command import routing
from xiuhua.demo.tests.small_city import POINT
from xiuhua.demo.tests.test_city_case import Desk, Time, desk, time  # noqa: F401  fixtures

JIAYU, CHIBI = "421221", "421281"


class Two(Desk):
    """The desk with a county beside the city."""

    def county(self, **more: Any) -> Case:
        """A case of the county, filed there."""
        answers = {
            "source": "hotline_12319", "description": "井盖缺失", "address": "县里的路", "position": POINT,
            "reporter_name": "市民乙", "reporter_phone": "13900000002", **more,
        }  # fmt: skip
        self.number = create("city_case", Platform.objects.get(code=JIAYU), self.who("jiayu-intake"), answers).number
        return self.do("jiayu-intake", "file", condition=self.condition())

    def condition(self) -> int:
        found = categories.catalogue().category("2026", "component", "01001")
        assert found is not None
        return found.conditions[0].id

    def offer(self, who: str = "hotline", to: str = JIAYU) -> Case:
        return self.do(who, "hand_over", platform=to, reason="该处属县级管理范围")

    def handed(self) -> Case:
        """A city case in the county's hands."""
        self.report()
        self.offer()
        return self.do("jiayu-intake", "take", on=self.child("hand_over"))


@pytest.fixture
def two(city: Platform) -> Two:
    return Two(city)


def sees(two: Two, name: str, case: Case | None = None) -> bool:
    one = Case.objects.get(pk=(case or two.case).pk)
    listed = permits.visible(two.who(name)).filter(pk=one.pk).exists()
    assert permits.sees(two.who(name), one) is listed, "what is opened by its number is what is listed"
    return listed


# -- the city supervises ---------------------------------------------------------------------------------------


def test_the_city_supervises_a_countys_case_and_gets_the_answer(two: Two, time: Time) -> None:  # noqa: F811
    two.county()
    two.do("jiayu-dispatcher", "dispatch", unit=f"{JIAYU}-municipal")
    two.do("chief", "remind", text="请抓紧")
    case = two.do(
        "chief",
        "supervise",
        level="city",
        answerer=f"{JIAYU}-municipal",
        text="限期办结",
        answer_due="2026-03-05T10:00",
    )
    assert case.supervised == 1 and case.state == "to_receive"
    task = two.child("supervision")
    assert task.platform.code == "421200", "who supervised judges the answer"
    assert sees(two, "jiayu-chief", task) and sees(two, "chief", task)
    unit = two.who("jiayu-municipal")
    assert permits.inbox(unit).filter(pk=task.pk).exists()
    two.do("jiayu-municipal", "answer", on=task, answer="今晚办结")
    assert two.refused("jiayu-chief", "accept", on=two.child("supervision")) == "not_yours"
    two.do("chief", "accept", on=two.child("supervision"))
    assert two.child("supervision").outcome == "accepted"


def test_a_countys_own_supervision_stays_in_the_county(two: Two) -> None:
    two.county()
    two.do(
        "jiayu-chief", "supervise", level="duty", answerer=f"{JIAYU}-bureau", text="催", answer_due="2026-03-05T10:00"
    )
    assert two.child("supervision").platform.code == JIAYU


def test_across_gives_what_the_procedure_says_and_nothing_else(two: Two) -> None:
    two.county()
    offered = {a.action.code for a in allowed(two.case, two.who("chief"))}
    assert offered == {"remind", "supervise"}
    assert {a.action.code for a in allowed(two.case, two.who("leader"))} == {
        "remind", "supervise", "force_close", "void_filed",
    }  # fmt: skip
    assert two.refused("chief", "dispatch", unit=f"{JIAYU}-municipal") == "not_yours"
    assert two.refused("dispatcher", "remind", text="请抓紧") == "not_yours", "not among those who act across"


def test_a_county_never_acts_on_the_citys_or_anothers_case(two: Two) -> None:
    two.filed()
    for name in ("jiayu-chief", "jiayu-intake", "jiayu-dispatcher"):
        assert not allowed(two.case, two.who(name)) and not sees(two, name)
        assert two.refused(name, "remind", text="请抓紧") == "not_yours"
        assert two.refused(name, "dispatch", unit="cg-municipal") == "not_yours"
    chibi = Platform.objects.get(code=CHIBI)
    answers = {"source": "leader", "description": "赤壁的事", "address": "赤壁", "position": POINT}
    two.number = create("city_case", chibi, two.who("municipal"), answers).number
    assert two.refused("jiayu-chief", "void", reason="unclear") == "not_yours" and not sees(two, "jiayu-chief")
    assert sees(two, "chief")


# -- hand-over -------------------------------------------------------------------------------------------------


def test_a_city_case_goes_to_the_county_with_its_chain(two: Two, time: Time) -> None:  # noqa: F811
    two.report()
    number, total = two.case.number, two.case.clocks["total"]
    time.pass_(minutes=3)
    case = two.offer()
    assert (case.state, case.platform.code, case.holder_role) == ("handing_over", "421200", "")
    task = two.child("hand_over")
    assert task.platform.code == JIAYU and permits.inbox(two.who("jiayu-intake")).filter(pk=task.pk).exists()
    assert sees(two, "jiayu-intake"), "who is asked may look at what is offered"
    assert not {a.action.code for a in allowed(case, two.who("jiayu-intake"))}
    time.pass_(minutes=7)
    case = two.do("jiayu-intake", "take", on=task, opinion="同意接收")
    assert (case.number, case.platform.code, case.state) == (number, JIAYU, "reported")
    assert (case.holder_role, case.responsible_org_id, case.holder_user_id) == ("intake_operator", None, None)
    assert case.procedure.variant == "one_centre", "the receiver's own variant"
    assert case.facts["came_from"] == [[two.city.pk, case.facts["came_from"][0][1]]]
    # Clocks: intake and the whole case begin anew with the receiver; the first round stays in the log.
    assert case.clocks["total"]["round"] == 2 and case.clocks["total"]["past"][0]["started"] == total["started"]
    assert case.clocks["intake"]["round"] == 2 and not case.clocks["intake"]["finished"]
    assert permits.inbox(two.who("jiayu-intake")).filter(pk=case.pk).exists()
    assert not permits.inbox(two.who("hotline")).filter(pk=case.pk).exists()
    # One centre: its operator files and dispatches to its own unit.
    two.do("jiayu-intake", "file", condition=two.condition())
    assert two.case.holder_role == "intake_operator"
    two.do("jiayu-intake", "dispatch", unit=f"{JIAYU}-municipal")
    assert two.do("jiayu-municipal", "sign").state == "handling"
    assert _unbroken(two)


def test_who_gave_it_away_reads_but_acts_no_more(two: Two) -> None:
    two.handed()
    assert sees(two, "hotline") and sees(two, "dispatcher")
    assert not allowed(two.case, two.who("hotline"))
    assert two.refused("hotline", "void", reason="unclear") == "not_yours"
    assert two.refused("dispatcher", "hand_over", platform=JIAYU, reason="x") == "not_yours"
    # The city's chief supervises on.
    assert [a.action.code for a in allowed(two.case, two.who("chief"))] == ["remind"]


def test_a_county_case_goes_to_the_city_and_the_county_cannot_act(two: Two) -> None:
    two.county()
    two.offer("jiayu-dispatcher", "421200")
    assert two.refused("jiayu-intake", "take", on=two.child("hand_over")) == "not_yours"
    case = two.do("intake", "take", on=two.child("hand_over"))
    assert case.platform.code == "421200" and case.number.startswith(JIAYU)
    assert case.procedure.variant == ""
    assert two.refused("jiayu-chief", "remind", text="请抓紧") == "not_yours" and sees(two, "jiayu-chief")
    two.do("hotline", "file", condition=two.condition())
    assert two.case.holder_role == "dispatcher", "two centres again"
    assert all(str(p.organisation).find("嘉鱼") < 0 for p in routing.propose(two.case)), "the city's duties now"
    two.do("dispatcher", "dispatch", unit="cg-municipal")
    assert _unbroken(two)


def test_it_is_given_back_with_a_reason(two: Two) -> None:
    two.filed()
    two.offer("dispatcher")
    assert two.refused("jiayu-dispatcher", "give_back", on=two.child("hand_over")) == "invalid"
    case = two.do("jiayu-dispatcher", "give_back", on=two.child("hand_over"), reason="属市管道路")
    assert (case.state, case.platform.code, case.holder_role) == ("to_file", "421200", "intake_operator")
    two.do("hotline", "file", condition=two.condition())
    assert two.case.state == "to_dispatch" and _unbroken(two)


def test_it_is_recalled_before_it_is_taken(two: Two) -> None:
    two.report()
    two.offer()
    case = two.do("hotline", "recall_hand_over", reason="已查明属市管")
    assert case.state == "to_file" and two.child("hand_over").outcome == "cancelled"
    assert two.refused("jiayu-intake", "take", on=two.child("hand_over")) == "closed"


def test_from_county_to_county_over_the_city_only(two: Two) -> None:
    two.county()
    with pytest.raises(Refused) as caught:
        two.offer("jiayu-intake", CHIBI)
    assert caught.value.refusal.code == "guard" and "咸宁市" in caught.value.refusal.message
    with pytest.raises(Refused):
        two.offer("jiayu-intake", JIAYU)
    assert two.refused("jiayu-intake", "hand_over", platform="421200") == "invalid", "a reason is required"
    two.offer("jiayu-intake", "421200")
    two.do("intake", "take", on=two.child("hand_over"))
    case = two.offer("intake", CHIBI)
    assert case.state == "handing_over" and two.child("hand_over").platform.code == CHIBI
    assert _unbroken(two)


def test_after_a_return_the_old_unit_keeps_reading_only(two: Two, time: Time) -> None:  # noqa: F811
    two.handling()
    time.pass_(minutes=30)
    two.do("municipal", "return_not_ours", reason="wrong_place", explanation="在嘉鱼境内")
    two.offer("dispatcher")
    case = two.do("jiayu-intake", "take", on=two.child("hand_over"))
    assert case.responsible_org_id is None and case.clocks["handling"]["finished"]
    assert not allowed(case, two.who("municipal")) and sees(two, "municipal")
    two.do("jiayu-intake", "file", condition=two.condition())
    case = two.do("jiayu-intake", "dispatch", unit=f"{JIAYU}-municipal")
    assert case.clocks["handling"]["round"] == 2 and case.handling_due_at is not None
    assert _unbroken(two)


def test_tasks_made_before_are_readable_after(two: Two, time: Time) -> None:  # noqa: F811
    two.report()
    two.do("hotline", "send_verification", collector="collector")
    two.do("collector", "confirm_real", on=two.child("verification"), photos=two.photo("collector"), position=POINT)
    two.offer()
    two.do("jiayu-intake", "take", on=two.child("hand_over"))
    assert sees(two, "jiayu-intake", two.child("verification"))
    assert sees(two, "hotline", two.child("hand_over"))


def test_list_search_and_reveal_follow_the_case(two: Two) -> None:
    two.handed()
    found = search.search(two.who("jiayu-intake"), two.number[-5:]).cases
    assert [c.number for c in found.filter(parent=None)] == [two.number]
    from xiuhua.casework import reveal

    assert reveal.may_reveal(two.case, two.who("jiayu-intake"))
    assert reveal.may_reveal(two.case, two.who("chief")), "the city supervises"
    assert not reveal.may_reveal(two.case, two.who("hotline")), "reads on, masked"


def test_the_clock_counts_on_the_receivers_calendar(two: Two, time: Time) -> None:  # noqa: F811
    """The county works from 10:00 to 12:00 only: what the city promised stays, what the county promises is longer."""
    from xiuhua.casework import clock, deadlines
    from xiuhua.city.models import CalendarNotice, OfficeHours

    county = Platform.objects.get(code=JIAYU)
    notice = CalendarNotice.objects.create(
        platform=county, kind=CalendarNotice.Kind.HOURS, status="announced", valid_from="2026-01-01", days=[]
    )
    OfficeHours.objects.create(notice=notice, from_md="01-01", to_md="12-31", slots=[["10:00", "12:00"]])
    memory.forget()
    two.handling()
    time.pass_(minutes=20)
    two.do("municipal", "return_not_ours", reason="wrong_place", explanation="在嘉鱼境内")
    before = two.case.clocks
    two.offer("dispatcher")
    case = two.do("jiayu-intake", "take", on=two.child("hand_over"))
    clocks = clock.from_json(case.clocks)
    assert case.calendar_version == notice.pk
    ended = clocks["handling"]
    assert ended.finished is not None and ended.original_due == before["handling"]["original_due"]
    assert deadlines.calendar_of(case, ended).version == 0, "what ended before counts as it was promised"
    assert deadlines.calendar_of(case, clocks["total"]).version == notice.pk
    first, again = clocks["total"].past[0], clocks["total"]
    assert deadlines.calendar_of(case, first).version == 0 and first.calendar == 0
    there = calendar_for(county.pk)
    assert again.original_due == there.after(again.started // clock.MICRO, again.limit.value, "work_day") * clock.MICRO
    assert (
        again.original_due
        != calendar_for(two.city.pk).after(again.started // clock.MICRO, again.limit.value, "work_day") * clock.MICRO
    )
    assert _unbroken(two)


def test_four_statements_across_and_at_a_hand_over(two: Two) -> None:
    two.county()
    with CaptureQueriesContext(connection) as sent:
        advance(two.case, "remind", two.who("chief"), {"text": "请抓紧"})
    writes = [q["sql"] for q in sent if "casework_write" in q["sql"] or q["sql"].startswith("WITH doc")]
    assert len(writes) == 1


def _unbroken(two: Two) -> bool:
    """The log verifies and every row, deadlines among it, comes out of it again."""
    report = verify.verify()
    assert report.ok, report.faults
    assert [str(d) for d in rebuild.compare()] == []
    seqs = list(Event.objects.filter(case=two.case).order_by("seq").values_list("seq", flat=True))
    return seqs == list(range(1, two.case.seq + 1)) and Party.objects.filter(case=two.case).exists()
