"""What pages say before an action is sent, filters of list and inbox, clock orders: with the city case."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from xiuhua.casework.models import Case, ClockOrder, Event, Outbox
from xiuhua.city import categories
from xiuhua.city.models import Organisation, Platform, User
from xiuhua.demo.tests.small_city import COVER, POINT
from xiuhua.demo.tests.test_city_case import Desk


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


def browser(username: str, language: str = "zh-hans") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(User.objects.get(username=username))
    return client


def cover() -> Any:
    found = categories.catalogue().category("2026", "component", "01001")
    assert found is not None
    return found


def to_dispatch(desk: Desk) -> Case:
    """A missing manhole cover, filed."""
    case = desk.report(position=POINT, component=COVER, category=cover().id)
    desk.do("hotline", "file", condition=cover().conditions[0].id)
    return Case.objects.get(pk=case.pk)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_before_dispatch_it_is_said_who_gets_it_by_which_rule_and_until_when(desk: Desk) -> None:
    case = to_dispatch(desk)
    page = words(browser("dispatcher", "en").get(f"/cases/{case.number}/do/dispatch/").content.decode())
    unit = Organisation.objects.get(code="cg-municipal")
    assert re.search(rf"Goes to Responsible unit · {re.escape(unit.name_en)}", page)
    assert re.search(r"Clock starts Receipt: 1 working hour due 20\d\d-\d\d-\d\d \d\d:\d\d", page)
    assert re.search(r"Clock starts Handling: .* due 20\d\d", page)
    assert "Clock stops Dispatch" in page


def test_another_choice_is_told_again_and_nothing_is_written(desk: Desk) -> None:
    case = to_dispatch(desk)
    client = browser("dispatcher", "en")
    other = Organisation.objects.get(code="cg-greening")
    before = (Event.objects.count(), Outbox.objects.count(), Case.objects.get(pk=case.pk).seq)
    answer = client.post(f"/cases/{case.number}/do/dispatch/?preview=1", {"unit": other.pk})
    told = words(answer.content.decode())
    assert answer.status_code == 200 and "<form" not in answer.content.decode()
    assert f"Goes to Responsible unit · {other.name_en}" in told
    assert "none: chosen by hand" in told
    assert before == (Event.objects.count(), Outbox.objects.count(), Case.objects.get(pk=case.pk).seq)


def test_a_preview_bears_nonsense(desk: Desk) -> None:
    case = to_dispatch(desk)
    client = browser("chief")
    for action, data in (
        ("dispatch", {"unit": "x"}),
        ("dispatch", {"unit": "9" * 30}),
        ("supervise", {"answer_due": "never", "level": "?"}),
        ("dispatch", {}),
    ):
        assert client.post(f"/cases/{case.number}/do/{action}/?preview=1", data).status_code == 200


def test_a_chosen_file_condition_says_limit_and_close_condition(desk: Desk) -> None:
    case = desk.report(position=POINT, category=cover().id)
    condition = cover().conditions[0]
    answer = browser("hotline").post(f"/cases/{case.number}/do/file/?preview=1", {"condition": condition.id})
    assert condition.close.zh in answer.content.decode()


def test_the_task_that_will_be_made_and_who_does_it(desk: Desk) -> None:
    case = desk.report()
    collector = User.objects.get(username="collector")
    answer = browser("hotline", "en").post(
        f"/cases/{case.number}/do/send_verification/?preview=1", {"collector": collector.pk}
    )
    told = words(answer.content.decode())
    assert f"Makes a task Verification task · {collector.display_name}" in told
    assert "Clock pauses Intake" in told


def test_after_acting_the_page_says_what_happened(desk: Desk) -> None:
    case = to_dispatch(desk)
    unit = Organisation.objects.get(code="cg-municipal")
    answer = browser("dispatcher", "en").post(
        f"/cases/{case.number}/do/dispatch/", {"unit": unit.pk, "key": "k", "seq": case.seq}, follow=True
    )
    said = words(answer.content.decode())
    assert "The case is now “To be signed for”. With: Responsible unit" in said and "Due 20" in said


def test_only_units_below_are_offered_for_passing_down(desk: Desk) -> None:
    case = to_dispatch(desk)
    desk.do("dispatcher", "dispatch", unit="cg-municipal")
    desk.do("municipal", "sign")
    page = browser("municipal").get(f"/cases/{case.number}/do/sub_dispatch/").content.decode()
    below, beside = (Organisation.objects.get(code=code).pk for code in ("co-road-a", "cg-greening"))
    assert f'<option value="{below}"' in page and f'<option value="{beside}"' not in page


def test_the_inbox_counts_by_state_and_shows_one_of_them(desk: Desk) -> None:
    filed = to_dispatch(desk)
    desk.report()
    waiting = desk.case.number
    chief = browser("hotline")
    assert waiting in chief.get("/").content.decode()
    dispatcher = browser("dispatcher").get("/").content.decode()
    assert filed.number in dispatcher and waiting not in dispatcher
    assert waiting in chief.get("/?state=reported").content.decode()
    assert chief.get("/?show=overdue&state=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("stage=report", True), ("stage=handle", False), ("county=421202", True), ("county=421221", False),
        ("source=citizen", False), ("procedure=city_case", True), ("procedure=check_task", False),
        ("supervised=1", False), ("urgency=ordinary", True), ("category=x&unit=y&from=z&after=q", True),
        ("sort=due", True), ("sort=updated&open=1", True), ("open=0", False),
    ],
)  # fmt: skip
def test_filters_of_the_list_and_of_its_map(desk: Desk, query: str, found: bool) -> None:
    case = desk.report(position=POINT)
    client = browser("hotline")
    assert (case.number in client.get(f"/cases/?{query}").content.decode()) is found
    layer = client.get(f"/layers/cases.geojson?{query}").json()["features"]
    assert (case.number in [feature["properties"]["number"] for feature in layer]) is found
    assert client.get(f"/map/?{query}").status_code == 200


def test_clock_orders_are_issued_listed_and_ended_by_those_who_may(desk: Desk) -> None:
    leader = browser("leader")
    form = {"document_number": "模拟停表〔2026〕1号", "signatory": "签发人", "starts_at": "2026-01-01T08:00"}
    wrong = leader.post("/clock-orders/", {**form, "signatory": "", "class_prefixes": "nonsense"})
    assert wrong.status_code == 422 and "模拟停表〔2026〕1号" in wrong.content.decode()
    assert not ClockOrder.objects.exists()
    assert leader.post("/clock-orders/", form).status_code == 302
    order = ClockOrder.objects.get()
    assert "模拟停表〔2026〕1号" in leader.get("/clock-orders/").content.decode()
    assert browser("hotline").post("/clock-orders/", form).status_code == 403
    assert browser("hotline").post(f"/clock-orders/{order.pk}/end/").status_code == 403
    assert leader.post(f"/clock-orders/{order.pk}/end/", {"how": "close"}).status_code == 302
    order.refresh_from_db()
    assert order.ends_at is not None


def test_failed_effects_are_shown_to_who_manages_them_and_tried_again(desk: Desk) -> None:
    case = desk.report()
    row = Outbox.objects.filter(case=case).order_by("id").first()
    assert row is not None
    Outbox.objects.filter(pk=row.pk).update(dead=True, last_error="OSError: nobody there", attempts=8)
    admin = browser("admin")
    assert "nobody there" in admin.get("/outbox/").content.decode()
    assert browser("hotline").get("/outbox/").status_code == 403
    assert admin.post(f"/outbox/{row.pk}/retry/").status_code == 302
    row.refresh_from_db()
    assert not row.dead and row.attempts == 0
    Outbox.objects.filter(pk=row.pk).update(last_error="OSError: nobody there", done_at=None)
    assert browser("hotline").post(f"/outbox/{row.pk}/give-up/").status_code == 403
    assert admin.post(f"/outbox/{row.pk}/give-up/").status_code == 302
    row.refresh_from_db()
    assert row.dead and row.last_error.startswith("given up by user:")
    assert "nobody there" in admin.get("/outbox/").content.decode()
