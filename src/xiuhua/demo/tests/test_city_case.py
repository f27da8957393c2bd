"""The city case of `command`, lived by the demo's people: every branch of the case loop (case-loop sections 5 to 7, 11)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from xiuhua.casework import clock, deliver, files, moments
from xiuhua.casework.engine import advance, allowed, create
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.casework.refusal import Refused
from xiuhua.city import categories
from xiuhua.city.access import Actor
from xiuhua.city.models import Organisation, Platform
from xiuhua.command import routing
from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import COVER, POINT

#: Wednesday 2026-03-04 09:00 in Asia/Shanghai.
START = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)


class Time:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, **by: float) -> None:
        """Let time pass and deliver what falls due on the way, each at its time."""
        until = self.at + timedelta(**by)
        while (
            row := Outbox.objects.filter(done_at=None, dead=False, run_at__lte=until).order_by("run_at", "id").first()
        ):
            self.at = max(self.at, row.run_at)
            deliver.deliver(row)
        self.at = until


@pytest.fixture(autouse=True)
def time() -> Iterator[Time]:
    source = Time()
    with moments.clock_set(source):
        yield source


class Desk:
    """Short words for the tests: who does what to the one case."""

    def __init__(self, city: Platform) -> None:
        self.city, self.people, self.number = city, {}, ""

    def who(self, name: str) -> Actor:
        if name not in self.people:
            self.people[name] = foundation.actor(name)
        return self.people[name]

    @property
    def case(self) -> Case:
        return Case.objects.get(number=self.number)

    def photo(self, name: str, shade: int = 90) -> list[str]:
        out = io.BytesIO()
        Image.new("RGB", (64, 48), (shade, 120, 90)).save(out, "JPEG")
        return [files.upload(self.who(name), io.BytesIO(out.getvalue()), "a.jpg").sha256]

    def report(self, **more: Any) -> Case:
        answers = {
            "source": "hotline_12319",
            "description": "人行道上供水井盖缺失",
            "address": "模拟大道1号",
            "position": POINT,
            "component": COVER,
            "reporter_name": "市民甲",
            "reporter_phone": "13900000001",
            **more,
        }
        self.number = create("city_case", self.city, self.who("hotline"), answers).number
        return self.case

    def do(self, name: str, action: str, on: Case | None = None, **answers: Any) -> Case:
        advance(on or self.case, action, self.who(name), answers)
        return self.case

    def child(self, relation: str) -> Case:
        return Case.objects.filter(parent=self.case, relation=relation).order_by("-id")[0]

    def filed(self, condition: int = 0) -> Case:
        self.report()
        found = categories.catalogue().category("2026", "component", "01001")
        assert found is not None
        return self.do("hotline", "file", condition=found.conditions[condition].id)

    def handling(self, condition: int = 0) -> Case:
        self.filed(condition)
        self.do("dispatcher", "dispatch", unit="cg-municipal")
        return self.do("municipal", "sign")

    def to_check(self) -> Case:
        self.handling()
        self.do("municipal", "submit_result", photos=self.photo("municipal"), result="已更换")
        return self.do("municipal", "confirm_result")

    def checked(self, action: str) -> Case:
        self.do("hotline", "send_check", collector="collector2")
        return self.do(
            "collector2",
            action,
            on=self.child("check"),
            photos=self.photo("collector2", 30),
            position=POINT,
            remark="看过",
        )

    def refused(self, name: str, action: str, on: Case | None = None, **answers: Any) -> str:
        before = (on or self.case).seq
        with pytest.raises(Refused) as caught:
            self.do(name, action, on, **answers)
        assert Case.objects.get(pk=(on or self.case).pk).seq == before
        return caught.value.refusal.code


@pytest.fixture
def desk(city: Platform) -> Iterator[Desk]:
    """The desk; and when a test is done no effect of what it did has failed."""
    yield Desk(city)
    while deliver.run_due():
        pass
    failed = Outbox.objects.exclude(last_error="").values_list("kind", "key", "last_error")
    assert list(failed) == []


def test_the_whole_loop_with_verification_and_check(desk: Desk, time: Time) -> None:
    case = desk.report()
    assert (case.state, case.holder_role) == ("reported", "intake_operator")
    assert (case.grid, case.community, case.sub_district, case.county) == (
        "421202001002001",
        "421202001002",
        "421202001",
        "421202",
    )
    assert case.number == "4212002026030400001"
    time.pass_(minutes=5)
    desk.do("hotline", "send_verification", collector="collector")
    assert desk.case.state == "verifying" and desk.case.clocks["intake"]["pauses"]
    task = desk.child("verification")
    assert task.number == f"{case.number}-01"
    assert task.holder_user_id == desk.who("collector").user_id
    time.pass_(minutes=10)
    desk.do("collector", "confirm_real", on=task, photos=desk.photo("collector"), position=POINT)
    assert desk.case.state == "to_file", "the child's end moves the parent at once"
    found = categories.catalogue().category("2026", "component", "01001")
    desk.do("hotline", "file", condition=found.conditions[0].id)
    assert desk.case.title == "供水井盖：缺失、移位或开裂，存在安全隐患"
    assert routing.propose(desk.case)[0].rule == "owner", "components go to their owner first"
    desk.do("dispatcher", "dispatch", unit="cg-municipal", note="速办")
    assert desk.case.holder_org.code == "cg-municipal"
    assert desk.case.handling_due_at == time.at + timedelta(hours=2), "2 h run day and night"
    time.pass_(minutes=10)
    desk.do("municipal", "sign")
    desk.do("municipal", "submit_result", photos=desk.photo("municipal"), result="已更换")
    desk.do("municipal", "confirm_result")
    assert desk.case.clocks["handling"]["finished"] is not None
    desk.checked("pass")
    assert desk.case.state == "to_close"
    assert desk.refused("hotline", "close", condition_met=True) == "guard", "a citizen's case needs a call-back"
    assert desk.refused("hotline", "close", callback="satisfied") == "guard", "the close condition must be ticked"
    desk.do("hotline", "close", condition_met=True, callback="satisfied")
    assert (desk.case.state, desk.case.open, desk.case.outcome) == ("closed", False, "closed")
    assert Event.objects.filter(case=desk.case).count() == desk.case.seq


def test_a_failed_check_is_rework_under_half_the_limit(desk: Desk, time: Time) -> None:
    desk.to_check()
    desk.checked("fail")
    case = desk.case
    assert (case.state, case.rounds) == ("rework", 1)
    assert case.clocks["rework"]["limit"] == ["1", "hour"]
    assert case.due_at == time.at + timedelta(hours=1)
    desk.do("municipal", "submit_result", photos=desk.photo("municipal", 10), result="再次更换")
    assert desk.refused("municipal", "reject_result", reason="x") == "guard"
    desk.do("municipal", "reject_rework", reason="不牢固")
    assert desk.case.state == "rework"


def test_returns_pause_the_handling_clock_and_two_of_them_may_be_disputed(desk: Desk, time: Time) -> None:
    desk.handling()
    time.pass_(minutes=30)
    desk.do("municipal", "return_not_ours", reason="not_ours", explanation="不属我单位")
    assert desk.case.state == "returned" and desk.case.returns == 1
    assert desk.refused("dispatcher", "declare_dispute", reason="都不认") == "guard"
    time.pass_(minutes=40)
    before = desk.case.clocks["handling"]["segments"]
    desk.do("dispatcher", "refuse_return", reason="属于你单位")
    spans = desk.case.clocks["handling"]["segments"]
    assert spans[0][0] == before[0][0] and spans[-1][1] is None and len(spans) == 1, "the pause is taken back"
    desk.do("municipal", "return_not_ours", reason="not_ours", explanation="坚持意见")
    desk.do("dispatcher", "declare_dispute", reason="两家都不认")
    assert desk.case.holder_role == "coordinator"
    desk.do("coordinator", "decide_dispute", unit="cg-sanitation", decision="由环卫负责")
    assert (desk.case.state, desk.case.holder_org.code) == ("to_receive", "cg-sanitation")
    assert desk.case.clocks["handling"]["round"] == 2, "another unit starts anew"
    assert desk.case in _visible(desk, "municipal"), "who held a case keeps it readable"
    assert desk.refused("municipal", "sign") == "not_yours"


def _visible(desk: Desk, name: str) -> list[Case]:
    from xiuhua.casework.permits import visible

    return list(visible(desk.who(name)))


def test_an_assigned_handler_must_be_recalled_before_a_return(desk: Desk) -> None:
    desk.handling()
    desk.do("municipal", "assign_handler", handler="handler")
    assert desk.case.holder_user_id == desk.who("handler").user_id
    assert desk.refused("municipal", "return_not_ours", reason="not_ours", explanation="x") == "guard"
    desk.do("municipal", "recall_handler")
    desk.do("municipal", "return_not_ours", reason="not_ours", explanation="x")


def test_receipt_is_deemed_after_one_working_hour(desk: Desk, time: Time) -> None:
    desk.filed()
    desk.do("dispatcher", "dispatch", unit="cg-municipal")
    time.pass_(minutes=59)
    assert desk.case.state == "to_receive"
    time.pass_(minutes=2)
    assert desk.case.state == "handling"
    assert Event.objects.filter(case=desk.case, action="deem_received", actor="system").count() == 1


def test_warnings_at_50_80_and_100_percent(desk: Desk, time: Time) -> None:
    desk.handling()
    time.pass_(hours=3)
    said = [e.body for e in Event.objects.filter(case=desk.case, action="clock_warning").order_by("seq")]
    assert [b for b in said if '"clock":"handling"' in b and '"percent":50' in b]
    assert [b for b in said if '"clock":"handling"' in b and '"percent":80' in b]
    assert [b for b in said if '"clock":"handling"' in b and '"percent":100' in b]
    assert desk.case.warned == 100


def test_an_extension_adds_the_original_limit_once(desk: Desk, time: Time) -> None:
    desk.handling()
    due = desk.case.handling_due_at
    desk.do("municipal", "ask_extension", ground="material", reason="等配件")
    assert desk.refused("municipal", "ask_extension", ground="material", reason="再来") == "guard"
    desk.do("dispatcher", "forward", on=desk.child("extension"))
    desk.do("chief", "grant", on=desk.child("extension"))
    assert desk.case.handling_due_at == due + timedelta(hours=2)
    assert desk.case.extensions == 1
    time.pass_(hours=5)
    assert desk.refused("municipal", "ask_extension", ground="works", reason="超期后") == "guard"


def test_a_hold_stops_the_clock_until_its_date(desk: Desk, time: Time) -> None:
    desk.handling(condition=2)  # 2 working days
    remaining = clock.remaining(clock.from_json(desk.case.clocks)["handling"], _calendar(desk), _us(time.at)).parts
    desk.do("municipal", "ask_hold", ground="engineering", reason="待改造", planned="2026-03-20")
    desk.do("dispatcher", "forward", on=desk.child("hold"))
    desk.do("leader", "grant", on=desk.child("hold"), until="2026-03-20")
    assert (desk.case.state, desk.case.paused) == ("on_hold", False)
    assert clock.from_json(desk.case.clocks)["handling"].paused
    assert desk.refused("municipal", "submit_result", photos=desk.photo("municipal"), result="x") == "not_now"
    time.pass_(days=17)
    assert desk.case.state == "handling", "it wakes up by itself"
    state = clock.from_json(desk.case.clocks)["handling"]
    resumed = state.segments[-1][0]
    assert clock.remaining(state, _calendar(desk), resumed).parts == remaining


def _calendar(desk: Desk) -> Any:
    from xiuhua.city.calendar import calendar_for

    return calendar_for(desk.city.pk)


def _us(at: datetime) -> int:
    return moments.to_us(at)


def test_work_passed_down_two_levels_under_one_clock(desk: Desk, time: Time) -> None:
    desk.handling()
    due = desk.case.due_at
    desk.do("municipal", "sub_dispatch", sub_unit="co-road-a")
    first = desk.child("sub")
    assert first.due_at == due
    assert desk.refused("municipal", "submit_result", photos=desk.photo("municipal"), result="x") == "guard"
    desk.do("roadworks", "pass_down", on=first, sub_unit="co-road-a-1")
    second = Case.objects.get(parent=first)
    assert second.due_at == due
    desk.do("site-office", "send_crew", on=second, sub_unit="co-road-a-1-1")
    third = Case.objects.get(parent=second)
    assert third.number == f"{desk.number}-01-01-01"
    desk.do("crew", "finish", on=third, photos=desk.photo("crew"), result="已更换")
    for one in (first, second, third):
        assert Case.objects.get(pk=one.pk).open is False
    assert desk.case.state == "handled"


def test_joint_handling_holds_the_confirmation(desk: Desk) -> None:
    desk.handling()
    desk.do("municipal", "invite_joint", co_unit="cg-sanitation", task="清运渣土")
    desk.do("municipal", "submit_result", photos=desk.photo("municipal"), result="已更换")
    assert desk.refused("municipal", "confirm_result") == "guard"
    desk.do("sanitation", "sign", on=desk.child("joint"))
    desk.do("sanitation", "finish", on=desk.child("joint"), result="已清运")
    desk.do("municipal", "confirm_result")


def test_supervision_is_answered_and_counted(desk: Desk) -> None:
    desk.handling()
    desk.do("chief", "supervise", level="duty", answerer="cg-municipal", text="加快", answer_due="2026-03-04 18:00")
    assert desk.case.supervised == 1
    desk.do("municipal", "answer", on=desk.child("supervision"), answer="今日完成")
    desk.do("chief", "accept", on=desk.child("supervision"))
    assert desk.case.children_open["supervision"]["open"] == 0


def test_void_merge_and_split(desk: Desk) -> None:
    main = desk.report()
    other = desk.report(description="同一处井盖")
    desk.do("hotline", "merge_duplicate", main_case=main.number)
    assert (desk.case.state, desk.case.main_case_id) == ("voided", main.pk)
    third = desk.report(description="井盖和路灯两件事")
    assert desk.refused("hotline", "merge_duplicate", main_case=third.number) == "guard", "not into itself"
    desk.do("hotline", "split", description="路灯不亮")
    part = Case.objects.get(parent=third)
    assert (part.procedure_code, part.state, part.description) == ("city_case", "reported", "路灯不亮")
    desk.do("hotline", "void", reason="other", explanation="重复来电")
    assert desk.case.state == "voided"
    assert Case.objects.get(pk=part.pk).open, "a case split off lives on"
    assert other.pk != third.pk


def test_a_recalled_verification_is_cancelled_and_can_be_sent_again(desk: Desk) -> None:
    desk.report()
    desk.do("hotline", "send_verification", collector="collector")
    desk.do("hotline", "recall_verification", reason="已电话核实")
    assert (desk.case.state, desk.child("verification").state) == ("to_file", "cancelled")
    desk.do("hotline", "send_verification", collector="collector2")
    assert desk.case.children_open["verification"]["open"] == 1


def test_forced_close_cancels_what_is_open_below(desk: Desk) -> None:
    desk.handling()
    desk.do("municipal", "ask_extension", ground="works", reason="量大")
    assert desk.refused("chief", "force_close", approval="1", reason="x") == "not_yours"
    desk.do("leader", "force_close", approval="批示1号", reason="道路改造")
    assert desk.case.state == "forced_closed"
    assert Case.objects.get(pk=desk.child("extension").pk).state == "cancelled"


def test_reopen_only_within_seven_days(desk: Desk, time: Time) -> None:
    desk.to_check()
    desk.checked("pass")
    desk.do("hotline", "close", condition_met=True, callback="satisfied")
    time.pass_(days=8)
    assert desk.refused("chief", "reopen", reason="又坏了") == "guard"
    time.at -= timedelta(days=2)
    desk.do("chief", "reopen", reason="又坏了")
    assert (desk.case.state, desk.case.reopened, desk.case.open) == ("rework", 1, True)


def test_an_appeal_needs_an_overrun_and_is_possible_once(desk: Desk, time: Time) -> None:
    desk.handling()
    time.pass_(hours=3)
    desk.do("municipal", "submit_result", photos=desk.photo("municipal"), result="已更换")
    desk.do("municipal", "confirm_result")
    desk.checked("pass")
    desk.do("hotline", "close", condition_met=True, callback="satisfied")
    desk.do("municipal", "appeal_overdue", reason="施工受阻")
    appeal = desk.child("appeal")
    assert [a.action.code for a in allowed(appeal, desk.who("dispatcher"))] == ["give_opinion"]
    desk.do("dispatcher", "give_opinion", on=appeal, opinion="support", explanation="属实")
    desk.do("hotline", "grant", on=desk.child("appeal"), reason="同意")
    assert desk.case.facts["left_out_of_score"] == "overdue_appeal"
    assert desk.refused("municipal", "appeal_overdue", reason="再来") in ("guard", "not_now")


def test_the_simple_flow_is_one_record(desk: Desk) -> None:
    event_class = categories.catalogue().category("2026", "event", "06042")
    done = create(
        "self_handled",
        desk.city,
        desk.who("collector"),
        {
            "before": desk.photo("collector", 1),
            "after": desk.photo("collector", 2),
            "position": POINT,
            "category": event_class.id,
            "description": "箱门已关好",
        },
        action="record",
    )
    case = Case.objects.get(pk=done.case_id)
    assert (case.state, case.open, case.seq) == ("recorded", False, 1)


def test_one_centre_lets_one_operator_do_both(desk: Desk) -> None:
    Platform.objects.filter(pk=desk.city.pk).update(centre_model="one")
    desk.city.refresh_from_db()
    desk.filed()
    desk.do("hotline", "dispatch", unit="cg-municipal")
    assert desk.case.state == "to_receive"


def test_a_refusal_says_who_could_and_what_is_missing(desk: Desk) -> None:
    desk.report()
    with pytest.raises(Refused) as caught:
        desk.do("dispatcher", "file")
    assert caught.value.refusal.code == "not_yours" and caught.value.refusal.who
    with pytest.raises(Refused) as caught:
        desk.do("hotline", "file")
    assert [m.field for m in caught.value.refusal.missing] == ["condition"]


def test_a_position_outside_the_city_is_refused_and_none_cannot_be_filed(desk: Desk) -> None:
    with pytest.raises(Refused) as caught:
        desk.report(position={"lon": "116.39", "lat": "39.90", "datum": "wgs84"})
    assert [m.field for m in caught.value.refusal.missing] == ["position"]
    desk.report(position=None)
    found = categories.catalogue().category("2026", "component", "01001")
    assert desk.refused("hotline", "file", condition=found.conditions[0].id) == "guard"


def test_an_incomplete_condition_cannot_be_filed_under(desk: Desk) -> None:
    desk.report()
    bare = next(c for c in categories.catalogue().conditions.values() if not c.fileable)
    assert desk.refused("hotline", "file", condition=bare.id) in ("guard", "invalid")


def test_the_same_key_answers_once_and_another_content_is_a_conflict(desk: Desk) -> None:
    case = desk.report()
    first = advance(case, "void", desk.who("hotline"), {"reason": "not_found"}, key="k1")
    again = advance(case, "void", desk.who("hotline"), {"reason": "not_found"}, key="k1")
    assert (again.seq, again.replayed) == (first.seq, True)
    with pytest.raises(Refused) as caught:
        advance(case, "void", desk.who("hotline"), {"reason": "unclear"}, key="k1")
    assert caught.value.refusal.code == "conflict"


def test_units_see_only_what_they_hold_or_held(desk: Desk) -> None:
    desk.handling()
    assert desk.case in _visible(desk, "municipal")
    assert desk.case not in _visible(desk, "greening")
    assert desk.case not in _visible(desk, "jiayu-intake"), "a county sees its own"
    assert desk.case in _visible(desk, "chief")
    assert Organisation.objects.get(code="cg-municipal").pk == desk.case.responsible_org_id


def test_what_the_form_decides_is_offered_before_it_is_filled_in(desk: Desk) -> None:
    desk.report(position=None)
    offered = {a.action.code: a.refusal for a in allowed(desk.case, desk.who("hotline"))}
    assert offered["file"] is None, "the position is asked in the form"
    desk.to_check()
    desk.checked("pass")
    offered = {a.action.code: a.refusal for a in allowed(desk.case, desk.who("hotline"))}
    assert offered["close"] is None, "the box is ticked in the form"
