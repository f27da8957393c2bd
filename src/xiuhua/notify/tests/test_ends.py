"""Ways that end, notices of cases that were handed over, and what is swept."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from xiuhua.casework import moments, registry
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city.models import User
from xiuhua.notify import listen, people, receipts, sweep
from xiuhua.notify.models import Delivery, Link, Notice, Reader
from xiuhua.notify.tests.standin import Provider
from xiuhua.notify.tests.test_notices import client_of, dispatched, link_of, sms

REFUSED = (200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL"}, {})
DOWN = (503, {}, {})


@pytest.fixture(autouse=True)
def _no_robot(there: Provider, settings: Any) -> None:
    """The next answer of the stand-in is for the person's way, not for the group's."""
    settings.NOTIFY_CHANNELS = settings.NOTIFY_CHANNELS[:2]


def ring_list() -> str:
    return client_of("dispatcher").get("/ring/").content.decode()


def test_a_way_that_ends_makes_the_next_due_at_once(told: City, there: Provider) -> None:
    people.keep_address(User.objects.get(username="unit"), "wecom", "nobody-there")
    there.answers = [(200, {"errcode": 81013}, {})]
    dispatched(told)
    told.run()
    states = dict(Delivery.objects.filter(notice__rule="dispatched").values_list("channel", "state"))
    assert states == {"wecom": "failed", "sms": "sent"}
    assert Notice.objects.get(rule="dispatched").ring_at is None, "one way has reached the unit"


def test_after_the_last_way_the_dispatcher_rings_at_once(told: City, there: Provider) -> None:
    there.answers = [REFUSED]
    case = dispatched(told)
    told.run()
    assert Notice.objects.get(rule="dispatched").ring_at is not None
    assert case.number in ring_list()


def test_after_the_last_attempt_the_dispatcher_rings(told: City, there: Provider, clock: TestClock) -> None:
    there.answers = [DOWN] * 8
    case = dispatched(told)
    told.run()
    # Other effects than this one have their own times: the rule's receipt must not be what puts it on the list.
    Outbox.objects.filter(kind="notice_unanswered").delete()
    Outbox.objects.filter(kind__in=["clock_warning", "clock_expired"]).delete()
    tries = 1
    while not Outbox.objects.get(kind="notify", key__contains=":2:").dead:
        assert Notice.objects.get(rule="dispatched").ring_at is None
        clock.forward(minutes=73)  # longer than the longest pause, and the night is not reached
        told.run()
        tries += 1
        assert tries <= 8
    assert tries == 8 and there.answers == []
    assert case.number in ring_list()


def test_no_address_alone_does_not_ring_before_the_receipt_is_due(told: City, there: Provider, settings: Any) -> None:
    settings.NOTIFY_CHANNELS = ()
    dispatched(told)
    told.run()
    assert Notice.objects.get(rule="dispatched").ring_at is None


def test_from_the_page_of_failed_effects_a_notice_is_sent_again(told: City, there: Provider) -> None:
    there.answers = [REFUSED]
    dispatched(told)
    told.run()
    row = Outbox.objects.get(kind="notify", dead=True, key__contains=":2:")
    assert sms(there) == []
    client = client_of("administrator")
    assert f"/outbox/{row.pk}/retry/" in client.get("/outbox/").content.decode()
    assert client.post(f"/outbox/{row.pk}/retry/").status_code == 302
    told.run()
    assert len(sms(there)) == 1 and Outbox.objects.get(pk=row.pk).done_at is not None
    assert f"/outbox/{row.pk}/retry/" not in client.get("/outbox/").content.decode()
    assert client_of("unit").post(f"/outbox/{row.pk}/retry/").status_code == 403


def test_notices_of_a_case_handed_over_end(told: City, there: Provider, clock: TestClock) -> None:
    case = dispatched(told)
    told.run()
    url = link_of(there)
    step = Event.objects.filter(case=case).order_by("seq").last()
    assert step is not None
    row = Outbox(key=f"notice_moved:{step.pk}", kind="notice_moved", case_id=case.pk)
    receipts.moved(row)
    assert Notice.objects.get(rule="dispatched").received_at is None, "what the step itself calls for stays"
    told.act(case, "receive")
    last = Event.objects.filter(case=case).order_by("seq").last()
    assert last is not None
    Notice.objects.update(received_at=None, received_how="")
    receipts.moved(Outbox(key=f"notice_moved:{last.pk}", kind="notice_moved", case_id=case.pk))
    notice = Notice.objects.filter(rule="dispatched").order_by("id")[0]
    assert notice.received_how == "moved"
    clock.forward(minutes=31)
    told.run()
    assert Notice.objects.get(pk=notice.pk).ring_at is None
    with moments.clock_set(clock):
        assert Client().post(url).status_code == 404


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_hand_over_is_heard(told: City, elsewhere: bool) -> None:
    case = dispatched(told)
    seen: list[str] = []
    change = SimpleNamespace(
        columns={"platform_id": case.platform_id}, to_state=case.state, send=lambda kind, about: seen.append(kind)
    )
    before = SimpleNamespace(platform_id=-1 if elsewhere else case.platform_id, seq=case.seq, state=case.state)
    context = SimpleNamespace(
        case=before, procedure=SimpleNamespace(code="repair"), action=SimpleNamespace(code="hand_over")
    )
    listen.heard(context, change)  # type: ignore[arg-type]
    assert ("notice_moved" in seen) == elsewhere
    assert "notice_moved" in registry.outbox_kinds()


def test_old_links_and_lines_are_swept(told: City, there: Provider, clock: TestClock) -> None:
    case, _open = dispatched(told), dispatched(told)
    told.run()
    assert Outbox.objects.filter(kind=sweep.KIND, done_at__isnull=True).count() == 1, "a notice queues the sweep"
    clock.forward(days=2, hours=1)
    told.run()
    assert Link.objects.count() >= 1, "a link that has just ended is kept for questions"
    clock.forward(days=8)
    told.run()
    assert not Link.objects.exists()
    lines = Reader.objects.filter(notice__case=case)
    assert lines.exists()
    Case.objects.filter(pk=case.pk).update(open=False)
    clock.forward(days=181)
    told.run()
    assert not lines.exists() and Notice.objects.filter(case=case).exists()
    assert Reader.objects.exists(), "lines of an open case stay"
    assert Outbox.objects.filter(kind=sweep.KIND, done_at__isnull=True, run_at__gt=moments.now()).count() == 1
    assert timedelta(days=180) == sweep.LINES
