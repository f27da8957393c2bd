"""The change of duty and the overview, with the city case: what is listed, who signs, what holds it together."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.casework import moments, rule_files
from xiuhua.casework.models import Case
from xiuhua.casework.refusal import Refused
from xiuhua.casework.yaml_source import SourcesBroken
from xiuhua.city.models import Appointment, Platform, User
from xiuhua.command import duty, hand_over, overview
from xiuhua.command.models import HandOver
from xiuhua.demo import foundation
from xiuhua.demo.tests.test_city_case import Desk
from xiuhua.demo.tests.test_pages_told import browser, words

#: Wednesday 2026-03-04 07:40 in Asia/Shanghai: twenty minutes before the morning's change.
MORNING = datetime(2026, 3, 3, 23, 40, tzinfo=UTC)
SAMPLE = duty.RULES.start("")


@pytest.fixture
def desk(city: Platform) -> Any:
    with moments.clock_set(lambda: MORNING):
        yield Desk(city)


def changed(old: str, new: str) -> str:
    assert old in SAMPLE
    return SAMPLE.replace(old, new, 1)


class TestMoment:
    @pytest.mark.parametrize(
        ("local", "code", "day"),
        [
            ("2026-03-04T05:59", "evening", 3),
            ("2026-03-04T06:00", "morning", 4),
            ("2026-03-04T08:00", "morning", 4),
            ("2026-03-04T15:29", "morning", 4),
            ("2026-03-04T15:30", "evening", 4),
            ("2026-03-04T23:59", "evening", 4),
        ],
    )
    def test_the_change_in_hand(self, local: str, code: str, day: int) -> None:
        rules = duty.RULES.parse(rule_files.SourceFile("duty", SAMPLE))[1]
        now = datetime.fromisoformat(local).replace(tzinfo=duty.LOCAL)
        found = duty.moment_of(rules, now.astimezone(UTC))
        assert (found.change.code, found.at.astimezone(duty.LOCAL).day) == (code, day)

    @given(st.integers(0, 60 * 24 * 366), st.integers(0, 720))
    def test_never_before_it_may_be_signed_and_never_older_than_a_day(self, minute: int, early: int) -> None:
        rules = duty.RULES.parse(rule_files.SourceFile("duty", SAMPLE))[1].model_copy(update={"early_minutes": early})
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
        found = duty.moment_of(rules, now)
        assert found.at - timedelta(minutes=early) <= now < found.at + timedelta(days=1)

    @pytest.mark.parametrize(
        ("old", "new", "where"),
        [
            ('at: "08:00"', 'at: "8:00"', "at"),
            ('at: "08:00"', 'at: "24:00"', "at"),
            ("code: evening", "code: morning", "code"),
            ("states: [to_receive]", "states: [to_recieve]", "states"),
            ("urgency: [urgent, very_urgent]", "urgency: [hot]", "urgency"),
            ("    rings: true", "    rings: true\n    due: today", "sections"),
            ("    due: overdue", "    due: ''", "sections"),
            ("early_minutes: 120", "early_minutes: -1", "early_minutes"),
        ],
    )
    def test_a_broken_file_says_where(self, city: Platform, old: str, new: str, where: str) -> None:
        with pytest.raises(SourcesBroken) as broken:
            duty.RULES.judge(city.code, changed(old, new))
        assert where in str(broken.value)

    def test_what_ships_is_faultless(self, city: Platform) -> None:
        assert duty.RULES.judge(city.code, SAMPLE).changes


class TestList:
    def test_what_is_left_to_the_next_duty(self, desk: Desk) -> None:
        unsigned = desk.filed()
        desk.do("dispatcher", "dispatch", unit="cg-municipal")
        urgent = desk.report(urgency="very_urgent")
        desk.handling()
        chief = desk.who("chief")
        rules = duty.rules_of(desk.city.code)
        found = {
            part.section.code: [case.number for case in part.cases]
            for part in hand_over.parts(chief, desk.city.pk, rules, MORNING)
        }
        assert found["unsigned"] == [unsigned.number]
        assert found["urgent"] == [urgent.number]
        assert found["overdue"] == [] and found["waking"] == [] and found["calls"] == []
        late = hand_over.parts(chief, desk.city.pk, rules, MORNING + timedelta(days=30))
        assert {case.number for part in late if part.section.code == "overdue" for case in part.cases} == set(
            Case.objects.filter(parent__isnull=True, open=True).values_list("number", flat=True)
        )

    def test_a_hold_wakes_on_its_day(self, desk: Desk) -> None:
        case = desk.handling()
        Case.objects.filter(pk=case.pk).update(state="on_hold", due_at=duty.end_of_day(MORNING) - timedelta(seconds=1))
        other = desk.handling()
        Case.objects.filter(pk=other.pk).update(state="on_hold", due_at=duty.end_of_day(MORNING))
        rules = duty.rules_of(desk.city.code)
        found = {p.section.code: p for p in hand_over.parts(desk.who("chief"), desk.city.pk, rules, MORNING)}
        assert [one.number for one in found["waking"].cases] == [case.number]

    def test_posts_that_nobody_holds(self, desk: Desk) -> None:
        before = {post.code for post in hand_over.vacant(desk.city.pk, MORNING)}
        assert "cg-centre:dispatch" not in before
        Appointment.objects.filter(post__code="cg-centre:dispatch").update(until=MORNING.date() - timedelta(days=1))
        assert {post.code for post in hand_over.vacant(desk.city.pk, MORNING)} == before | {"cg-centre:dispatch"}

    def test_statements_do_not_grow_with_the_cases(self, desk: Desk) -> None:
        client = browser("chief")

        def asked() -> int:
            with CaptureQueriesContext(
                connection,
            ) as seen:
                assert client.get("/hand-over/").status_code == 200
            return len(seen)

        desk.report(urgency="urgent")
        asked()
        few = asked()
        for _n in range(4):
            desk.report(urgency="urgent")
        assert asked() == few <= 18


class TestSignatures:
    def test_two_people_sign(self, desk: Desk) -> None:
        case = desk.report(urgency="urgent")
        row = hand_over.sign_off(desk.who("chief"), desk.city, "注意降雨", "采集员三号请假")
        assert hand_over.content_of(row)["sections"][0]["cases"] == [{"number": case.number, "state": "reported"}]
        with pytest.raises(Refused, match=r"交班人不能接班|cannot take over"):
            hand_over.take_over(desk.who("chief"), row)
        for stranger in ("dispatcher", "leader", "jiayu-chief"):
            with pytest.raises(Refused):
                hand_over.take_over(foundation.actor(stranger), row)
        hand_over.take_over(desk.who("chief2"), row)
        row.refresh_from_db()
        assert row.on_by == User.objects.get(username="chief2") and hand_over.faults(row) == []
        for again in (hand_over.take_over, hand_over.withdraw):
            with pytest.raises(Refused):
                again(desk.who("chief2"), row)

    def test_a_moment_is_signed_once(self, desk: Desk) -> None:
        hand_over.sign_off(desk.who("chief"), desk.city, "", "")
        with pytest.raises(Refused):
            hand_over.sign_off(desk.who("chief2"), desk.city, "", "")
        assert HandOver.objects.count() == 1

    def test_withdrawn_and_signed_anew(self, desk: Desk) -> None:
        first = hand_over.sign_off(desk.who("chief"), desk.city, "", "")
        with pytest.raises(Refused):
            hand_over.withdraw(desk.who("chief2"), first)
        hand_over.withdraw(desk.who("chief"), first)
        first.refresh_from_db()
        with pytest.raises(Refused):
            hand_over.take_over(desk.who("chief2"), first)
        second = hand_over.sign_off(desk.who("chief2"), desk.city, "", "")
        assert second.previous_digest == first.digest
        assert hand_over.faults(first) == hand_over.faults(second) == []

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"content": '{"as_of":"","sections":[],"vacant":[]}'}, "list"),
            ({"off_at": MORNING - timedelta(hours=1)}, "list"),
            ({"words": '{"absences":"","notes":"x"}'}, "words"),
            ({"on_at": MORNING - timedelta(hours=1)}, "taken"),
            ({"previous_digest": "0" * 64}, "chain"),
        ],
    )
    def test_what_is_changed_later_is_found(self, desk: Desk, change: dict[str, Any], fault: str) -> None:
        row = hand_over.sign_off(desk.who("chief"), desk.city, "注意", "")
        hand_over.take_over(desk.who("chief2"), row)
        HandOver.objects.filter(pk=row.pk).update(**change)
        assert fault in hand_over.faults(HandOver.objects.get(pk=row.pk))

    def test_emptied_words_leave_a_record_that_holds(self, desk: Desk) -> None:
        row = hand_over.sign_off(desk.who("chief"), desk.city, "某人", "")
        HandOver.objects.filter(pk=row.pk).update(words="", salt="")
        row.refresh_from_db()
        assert hand_over.faults(row) == [] and hand_over.words_of(row) == {"notes": "", "absences": ""}

    def test_on_the_page(self, desk: Desk) -> None:
        case = desk.report(urgency="urgent")
        first, second = browser("chief", "en"), browser("chief2", "en")
        page = words(first.get("/hand-over/").content.decode())
        assert "Night duty to day duty" in page and case.number in page and "Sign and hand over" in page
        got = first.post("/hand-over/", {"notes": "Watch the rain", "absences": ""}, follow=True)
        page = words(got.content.decode())
        assert "Waits for the next duty" in page and "Watch the rain" in page and "Withdraw" in page
        assert "Take over the duty" not in page
        row = HandOver.objects.get()
        desk.do("hotline", "void", reason="below_condition", reporter_told=True)
        page = words(second.get("/hand-over/", follow=True).content.decode())
        assert "Take over the duty" in page and "1 has moved on since" in page
        got = second.post(f"/hand-over/{row.pk}/sign/", {"do": "take_over"}, follow=True)
        assert "unchanged since it was signed" in words(got.content.decode())
        assert browser("dispatcher").post("/hand-over/", {}).status_code == 302 and HandOver.objects.count() == 1
        assert browser("dispatcher").post(f"/hand-over/{row.pk}/sign/", {"do": "take_over"}).status_code == 403
        assert browser("jiayu-chief").get(f"/hand-over/{row.pk}/").status_code == 404
        assert browser("hotline").get("/hand-over/").status_code == 403


class TestOverview:
    def test_counts_are_those_of_the_records(self, desk: Desk) -> None:
        for urgency in ("ordinary", "urgent", "very_urgent"):
            desk.report(urgency=urgency)
        desk.handling()
        chief = desk.who("chief")
        found = overview.figures(chief, MORNING)
        assert (found.now["open"], found.now["urgent"], found.now["overdue"], found.now["reported"]) == (4, 2, 0, 4)
        assert sum(row["n"] for row in found.states) == sum(row["n"] for row in found.counties) == 4
        assert found.hours[-1][1:] == (4, 0) and len(found.hours) == 24
        later = overview.figures(chief, MORNING + timedelta(days=60))
        assert later.now["overdue"] == 4 and later.now["reported"] == 0 and not any(n for _h, n, _c in later.hours)

    def test_only_what_one_may_see(self, desk: Desk) -> None:
        desk.report()
        assert overview.figures(foundation.actor("jiayu-chief"), MORNING).now["open"] == 0

    def test_statements(self, desk: Desk) -> None:
        desk.handling()
        chief = desk.who("chief")
        with CaptureQueriesContext(connection) as seen:
            overview.figures(chief, MORNING)
        assert len(seen) == 7
        client = browser("chief", "en")
        client.get("/overview/")
        with CaptureQueriesContext(connection) as seen:
            page = words(client.get("/overview/figures/").content.decode())
        assert len(seen) <= 12
        assert "By state" in page and "Being handled" in page and "No worker is at work" in page

    def test_figures_are_links_to_what_they_count(self, desk: Desk) -> None:
        desk.handling()
        client = browser("chief", "en")
        page = client.get("/overview/").content.decode()
        listed = client.get("/cases/?open=1&state=handling").content.decode()
        assert 'href="/cases/?open=1&amp;state=handling"' in page and desk.number in listed


def test_the_list_names_nobody(desk: Desk) -> None:
    desk.report(urgency="urgent")
    row = hand_over.sign_off(desk.who("chief"), desk.city, "", "")
    assert "市民甲" not in row.content and "13900000001" not in json.dumps(row.content)
