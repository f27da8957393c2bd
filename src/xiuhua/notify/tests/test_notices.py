"""From a step of a case to the telephone, the receipt, the ring list and the deemed receipt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import deliver, engine, moments, registry
from xiuhua.casework.erase import erase
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city.calendar import calendar_for
from xiuhua.city.models import User
from xiuhua.notify import links, people, receipts, rules
from xiuhua.notify.models import Delivery, Link, Notice, Reader
from xiuhua.notify.tests.conftest import PHONE, RULES
from xiuhua.notify.tests.standin import Provider


def dispatched(city: City, **data: Any) -> Case:
    case = city.act(city.case(**data), "accept")
    return city.act(case, "dispatch", unit=city.roads.code)


def sms(there: Provider) -> list[dict[str, Any]]:
    return [one for one in there.sent if "PhoneNumbers" in one]


def client_of(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def test_a_unit_is_told_in_the_system_and_after_ten_minutes_by_telephone(
    told: City, there: Provider, clock: TestClock
) -> None:
    case = dispatched(told, title="井盖")
    told.run()
    notice = Notice.objects.get(rule="dispatched")
    assert list(notice.readers.values_list("user__username", flat=True)) == ["unit"]
    assert notice.text["zh"]["subject"] == f"新案件 {case.number}" and notice.text["en"]["subject"].startswith("New")
    assert [one["markdown"]["content"][:7] for one in there.sent if "markdown" in one] == ["**群 421"]
    # There is no WeCom id of this person, so the next way is due at once.
    assert [one["PhoneNumbers"] for one in sms(there)] == [PHONE]
    states = dict(Delivery.objects.filter(notice=notice).values_list("channel", "state"))
    assert states == {"wecom": "no_address", "sms": "sent"}
    assert Delivery.objects.get(channel="sms").target == "138****5678"


def test_who_has_a_wecom_id_is_rung_later_and_only_without_a_receipt(
    told: City, there: Provider, clock: TestClock
) -> None:
    people.keep_address(User.objects.get(username="unit"), "wecom", "zhang")
    case = dispatched(told)
    told.run()
    assert [one["touser"] for one in there.sent if "touser" in one] == ["zhang"] and sms(there) == []
    told.act(case, "receive")
    clock.forward(minutes=11)
    told.run()
    notice = Notice.objects.get(rule="dispatched")
    assert sms(there) == [] and notice.received_how == "action" and notice.received_by is not None


def test_reading_in_the_system_is_a_receipt(told: City, there: Provider) -> None:
    case = dispatched(told)
    told.run()
    client = client_of("unit")
    assert "1" in client.get("/notices/unread").content.decode()
    page = client.get("/notices/").content.decode()
    assert case.number in page
    reader = Reader.objects.get(user__username="unit")
    assert client_of("park_unit").post(f"/notices/{reader.pk}/open").status_code == 404
    assert client.post(f"/notices/{reader.pk}/open").headers["Location"] == f"/cases/{case.number}/"
    assert Notice.objects.get(rule="dispatched").received_how == "read"
    assert client.get("/notices/unread").content.decode().strip() == ""


def test_a_receipt_that_overtakes_its_notice_counts(told: City, there: Provider) -> None:
    case = told.act(dispatched(told), "receive")
    told.run()
    assert Notice.objects.get(case=case, rule="dispatched").received_how == "action"
    assert sms(there) == [] and not Outbox.objects.filter(kind="notice_unanswered").exists()


def test_what_is_told_once_is_not_told_twice(told: City, there: Provider) -> None:
    dispatched(told)
    told.run()
    sent = len(there.sent)
    for row in Outbox.objects.filter(kind__in=["notice", "notify"]):
        Outbox.objects.filter(pk=row.pk).update(done_at=None)
    told.run()
    assert Notice.objects.filter(rule="dispatched").count() == 1 and len(there.sent) == sent


def test_without_a_receipt_the_dispatcher_rings_then_it_is_deemed(
    told: City, there: Provider, clock: TestClock
) -> None:
    case = dispatched(told)
    told.run()
    clock.forward(minutes=31)
    told.run()
    notice = Notice.objects.get(rule="dispatched")
    assert notice.ring_at is not None and notice.received_at is None
    client = client_of("dispatcher")
    assert case.number in client.get("/ring/").content.decode()
    page = client.get(f"/ring/{notice.pk}/").content.decode()
    assert "138****5678" in page and PHONE not in page
    unit = User.objects.get(username="unit")
    shown = client.post(f"/ring/{notice.pk}/", {"person": unit.pk, "do": "show"}).content.decode()
    assert PHONE in shown
    assert Event.objects.filter(case_id=case.pk, action=receipts.SHOWN).get().actor.startswith("user:")
    client.post(f"/ring/{notice.pk}/", {"person": unit.pk, "outcome": "no_answer"})
    assert Event.objects.filter(case_id=case.pk, action=receipts.RUNG).count() == 1
    assert Notice.objects.get(pk=notice.pk).received_at is None
    clock.forward(hours=1)
    told.run()
    assert Case.objects.get(pk=case.pk).state == "handling", "the clock of the case deems it received"
    assert Notice.objects.get(pk=notice.pk).received_how == "deemed"
    assert case.number not in client.get("/ring/").content.decode()


def test_who_was_reached_by_telephone_has_received(told: City, there: Provider, clock: TestClock) -> None:
    dispatched(told)
    told.run()
    clock.forward(minutes=31)
    told.run()
    notice = Notice.objects.get(rule="dispatched")
    unit = User.objects.get(username="unit")
    client_of("dispatcher").post(f"/ring/{notice.pk}/", {"person": unit.pk, "outcome": "reached"})
    assert Notice.objects.get(pk=notice.pk).received_how == "rung"
    assert client_of("unit").get("/ring/").status_code == 403


def test_where_no_clock_deems_the_rule_does(told: City, there: Provider, clock: TestClock) -> None:
    case = told.act(told.act(told.handled(), "finish"), "redo")
    told.run()
    clock.forward(hours=2)
    told.run()
    assert Notice.objects.get(rule="returned").ring_at is not None
    clock.forward(hours=2)
    told.run()
    assert Notice.objects.get(rule="returned").received_how == "deemed"
    event = Event.objects.get(case_id=case.pk, action=receipts.DEEMED)
    assert event.actor == "system" and case.state == Case.objects.get(pk=case.pk).state


def test_at_night_nothing_rings_unless_it_is_urgent(told: City, there: Provider, clock: TestClock) -> None:
    clock.at = datetime(2026, 3, 4, 14, 0, tzinfo=UTC)  # 22:00
    dispatched(told)
    told.run()
    assert there.sent == []
    urgent = dispatched(told, urgency="urgent")
    told.run()
    assert [one["TemplateParam"]["number"] for one in sms(there)] == [urgent.number]
    clock.at = datetime(2026, 3, 4, 23, 1, tzinfo=UTC)  # 07:01
    told.run()
    assert len(sms(there)) == 2


def test_the_reporter_is_told_and_the_number_stands_nowhere_else(told: City, there: Provider, clock: TestClock) -> None:
    case = told.act(told.act(told.handled(reporter_phone="13700001111"), "finish"), "close")
    told.run()
    assert len(sms(there)) == 1, "the unit has signed before it could be told"
    assert [one["PhoneNumbers"] for one in sms(there)][-1] == "13700001111"
    kept = (
        str(list(Outbox.objects.values())) + str(list(Delivery.objects.values())) + str(list(Notice.objects.values()))
    )
    assert "13700001111" not in kept and "137****1111" in kept
    assert case.open is False


def test_a_refused_number_is_shown_among_what_failed(told: City, there: Provider) -> None:
    there.answers = [(200, {"errcode": 0}, {}), (200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL"}, {})]
    dispatched(told)
    told.run()
    row = Outbox.objects.get(kind="notify", dead=True)
    assert "isv.MOBILE_NUMBER_ILLEGAL" in row.last_error and PHONE not in row.last_error
    page = client_of("administrator").get("/outbox/").content.decode()
    assert "isv.MOBILE_NUMBER_ILLEGAL" in page and "dispatched" in page
    assert deliver.retry(row)
    told.run()
    assert len(sms(there)) == 1 and Outbox.objects.get(pk=row.pk).done_at is not None


def test_old_news_is_not_told(told: City, there: Provider, clock: TestClock) -> None:
    dispatched(told)
    clock.forward(days=3)
    told.run()
    assert not Notice.objects.exists() and there.sent == []


def test_erasure_leaves_who_was_told_when(told: City, there: Provider, clock: TestClock) -> None:
    case = told.act(told.act(told.handled(title="张三家门口", reporter_phone="13700001111"), "finish"), "close")
    told.run()
    assert "张三" in str(list(Notice.objects.values()))
    erase(case, told.administrator, "期满")
    told.run()
    kept = str(list(Notice.objects.values())) + str(list(Delivery.objects.values())) + str(list(Link.objects.values()))
    assert "张三" not in kept and "1111" not in kept and "5678" not in kept
    assert Notice.objects.filter(rule="dispatched", received_how="action").exists()


def test_advance_asks_no_more_of_the_database(told: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def statements() -> int:
        case = told.act(told.case(), "accept")
        with CaptureQueriesContext(connection) as seen:
            engine.advance(case.pk, "dispatch", told.dispatcher, {"unit": told.roads.code})
        return len(seen)

    dispatched(told)  # memory is warm
    with_notices = statements()
    assert Outbox.objects.filter(kind="notice", key__endswith=":dispatched").count() >= 2
    monkeypatch.setattr(registry, "_listeners", {})
    assert statements() == with_notices


@pytest.mark.parametrize("path", ["/notices/", "/notices/?all=1", "/ring/"])
def test_lists_ask_the_same_however_long(told: City, there: Provider, clock: TestClock, path: str) -> None:
    name = "dispatcher" if path == "/ring/" else "unit"
    counts = []
    for _turn in range(2):
        for _case in range(1 if not counts else 4):
            dispatched(told)
        told.run()
        clock.forward(minutes=31)
        told.run()
        client = client_of(name)
        client.get(path)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(path).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 12


# -- one-time links ------------------------------------------------------------------------------------------------


def link_of(there: Provider) -> str:
    return str(sms(there)[-1]["TemplateParam"]["link"]).removeprefix("https://city.example")


def test_a_link_opens_its_case_once_and_takes_its_action(told: City, there: Provider) -> None:
    case, other = dispatched(told, title="井盖"), dispatched(told)
    told.run()
    notice = Notice.objects.get(rule="dispatched", case=case)
    made = Link.objects.get(notice=notice)
    url = next(
        u for one in sms(there) if one["TemplateParam"]["number"] == case.number for u in [one["TemplateParam"]["link"]]
    ).removeprefix("https://city.example")
    assert url.removeprefix("/l/") not in str(list(Link.objects.values())), "only a digest is kept"
    robot, phone, thief = Client(), Client(), Client()
    assert robot.get(url).status_code == 200 and Link.objects.get(pk=made.pk).opened_at is None
    got = phone.post(url)
    assert got.headers["Location"] == f"/link/{made.pk}/"
    page = phone.get(f"/link/{made.pk}/").content.decode()
    assert case.number in page and "井盖" in page
    assert Event.objects.get(case_id=case.pk, action=receipts.OPENED).actor.startswith("user:")
    assert Notice.objects.get(pk=notice.pk).received_how == "link"
    assert thief.post(url).status_code == 410 and thief.get(f"/link/{made.pk}/").status_code == 404
    assert phone.get(url).status_code == 302, "the same browser may come again"
    elsewhere = Link.objects.get(case=other).pk
    assert phone.get(f"/link/{elsewhere}/").status_code == 404
    assert phone.post(f"/link/{made.pk}/finish").status_code == 404, "only the actions that it names"
    assert phone.get(f"/cases/{case.number}/").status_code == 302, "it is no log-in"
    assert phone.post(f"/link/{made.pk}/receive").status_code == 302
    event = Event.objects.get(case_id=case.pk, action="receive")
    assert event.actor_user_id == User.objects.get(username="unit").pk
    assert phone.post(f"/link/{made.pk}/receive").status_code == 422, "the case has moved on"


def test_a_link_ends(told: City, there: Provider, clock: TestClock) -> None:
    dispatched(told)
    told.run()
    url = link_of(there)
    phone = Client()
    phone.post(url)
    pk = Link.objects.get().pk
    clock.forward(hours=49)
    with moments.clock_set(clock):
        assert phone.get(f"/link/{pk}/").status_code == 404 and Client().post(url).status_code == 404


def test_who_has_left_cannot_use_a_link(told: City, there: Provider) -> None:
    dispatched(told)
    told.run()
    User.objects.filter(username="unit").update(is_active=False)
    assert Client().post(link_of(there)).status_code == 404


def test_a_made_up_link_is_known_without_the_database_and_counted(
    told: City, django_assert_num_queries: Any, settings: Any
) -> None:
    assert links.is_ours(links.token()) and not links.is_ours("A" * 32) and not links.is_ours("井盖")
    with django_assert_num_queries(0):
        assert links.find("A" * 32) is None
    client = Client()
    for _turn in range(50):
        assert client.get("/l/" + "A" * 32).status_code == 404
    assert client.get("/l/" + "A" * 32).status_code == 429
    assert client.get("/login").status_code == 200, "log-in is counted apart"


def test_a_door_cannot_take_the_rooms_own_actions(told: City) -> None:
    case = told.case()
    for action in (receipts.RUNG, receipts.SHOWN, receipts.DEEMED, receipts.OPENED):
        with pytest.raises(Refused):
            engine.advance(case.pk, action, told.dispatcher, {})


# -- rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", get_args(rules.Unit))
def test_the_work_calendar_counts_every_unit_of_a_rule(city: City, unit: rules.Unit) -> None:
    monday = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Asia/Shanghai, in office hours
    amount, counted = rules.Span(value=30, unit=unit).counted()
    end = calendar_for(city.platform.pk).add(monday, amount, counted)
    assert end > monday
    if unit.endswith("minute"):
        assert end - monday == timedelta(minutes=30)


def test_the_sample_is_sound() -> None:
    assert len(rules.sample().rules) >= 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{number}", "{phone}", "unknown words phone"),
        ("sms: task", "sms: ''", "needs `sms`"),
        ("to: [reporter]", "to: [mayor]", "rules.3.to"),
        ("code: group", "code: told", "stands twice"),
        ('from: "21:30"', 'from: "25:00"', "quiet.from"),
        ("when: {named: dispatched}", "when: {procedure: repair}", "say one of"),
        ("ways: [{by: channel, to: [duty-group]}]", "ways: [{by: in_app}]", "go together"),
        ("link: [receive]", "link: [receive", "421200"),
    ],
)
def test_a_wrong_file_says_where(old: str, new: str, said: str) -> None:
    assert old in RULES
    with pytest.raises(rules.RulesBroken, match=said.replace("`", ".")):
        rules.parse(RULES.replace(old, new), "421200.yaml")


def test_a_broken_file_leaves_the_rules_as_they_were(there: Provider, tmp_path: Any) -> None:
    before = rules.rules_of("421200")
    assert before.rule("dispatched") is not None
    rules.file_of("421200").write_text("rules: [", "utf-8")
    for kept in rules._kept.values():
        kept.looked = float("-inf")
    assert rules.rules_of("421200") is before


@pytest.mark.parametrize(("hour", "quiet"), [(20, False), (22, True), (3, True), (7, False)])
def test_quiet_hours_pass_midnight(hour: int, quiet: bool) -> None:
    found = rules.Quiet.model_validate({"from": "21:30", "to": "07:00", "except": ["urgent"]})
    at = datetime(2026, 3, 4, hour, 0, tzinfo=rules.LOCAL)
    until = found.until(at, "ordinary")
    assert (until is not None) == quiet and found.until(at, "urgent") is None
    if until is not None:
        local = until.astimezone(rules.LOCAL)
        assert local > at and (local.hour, local.minute) == (7, 0) and (local - at).total_seconds() < 86400


def test_both_languages(told: City, there: Provider, clock: TestClock) -> None:
    dispatched(told)
    told.run()
    client = client_of("unit")
    english = client.get("/notices/", headers={"Accept-Language": "en"}).content.decode()
    assert "New 4212" in english and "Mark these as read" in english
    assert "新案件" in client.get("/notices/", headers={"Accept-Language": "zh-CN"}).content.decode()
