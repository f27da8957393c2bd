"""Receipts: what counts as one, who is rung when there is none, and when it is deemed.

A notice is received when its party opens it, when an action of the case says so, when somebody was reached by telephone,
or when it is deemed received. Each is a conditional update, so the first one stands.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from xiuhua.casework import builtin, engine, moments
from xiuhua.casework.context import Extra
from xiuhua.casework.models import Event, Outbox
from xiuhua.casework.registry import outbox
from xiuhua.city.access import SYSTEM, Actor
from xiuhua.manifest import Text
from xiuhua.notify.models import Link, Notice, Reader, Ring
from xiuhua.notify.rules import Rule, rules_for

RUNG = builtin.own_action("notice_rung", "电话催收", "Rung about a notice")
SHOWN = builtin.own_action("notice_phone_shown", "查看催收电话", "Telephone shown for ringing")
DEEMED = builtin.own_action("notice_deemed", "通知视为送达", "Notice deemed received")
OPENED = builtin.own_action("notice_link_opened", "打开一次性链接", "One-time link opened")

#: What a call can come to.
OUTCOMES: dict[str, Text] = {
    "reached": Text("已接通并告知", "Reached and told"),
    "no_answer": Text("无人接听", "No answer"),
    "busy": Text("占线", "Busy"),
    "wrong": Text("号码有误", "Wrong number"),
}


def note(case_id: int, action: str, actor: Actor, **codes: Any) -> None:
    """Write one of the room's own events: who acted, and codes, never words."""
    engine.advance(case_id, action, actor, {}, door="notify", extra=Extra(note=codes))


def received(notice_id: int, how: str, user_id: int | None, at: datetime | None = None) -> bool:
    """False when it had been received before."""
    return bool(
        Notice.objects.filter(pk=notice_id, received_at__isnull=True).update(
            received_at=at or moments.now(), received_how=how, received_by_id=user_id
        )
    )


def read(reader: Reader) -> None:
    """Its reader has opened it in the system: that is a receipt too."""
    Reader.objects.filter(pk=reader.pk, read_at__isnull=True).update(read_at=moments.now())
    received(reader.notice_id, "read", reader.user_id)


def settled(notice: Notice, rule: Rule, event: Event) -> bool:
    """Whether the case had its receipt before the notice could be made; then it is noted."""
    assert rule.receipt is not None
    counts = (*rule.receipt.by, *rule.receipt.deemed_by)
    later = Event.objects.filter(case_id=notice.case_id, seq__gt=event.seq, action__in=counts).order_by("seq").first()
    if later is None:
        return False
    how = "deemed" if later.action in rule.receipt.deemed_by else "action"
    return received(notice.pk, how, later.actor_user_id, later.at)


@outbox("notice_answered", in_order=False, title=Text("登记通知回执", "Receipts are noted"))
def answered(row: Outbox) -> None:
    """An action of the case is the receipt of its open notices, or the deemed one."""
    if row.case_id is None:
        return
    event = Event.objects.filter(pk=int(row.key.split(":")[1])).select_related("case").first()
    if event is None:
        return
    codes = rules_for(event.case).receipts_by(event.action)
    waiting = Notice.objects.filter(case_id=row.case_id, rule__in=codes, wants_receipt=True, received_at__isnull=True)
    before = Event.objects.filter(case_id=row.case_id, seq__lt=event.seq).values("pk")
    for notice in waiting.filter(event__in=before):
        received(notice.pk, "deemed" if codes[notice.rule] else "action", event.actor_user_id, event.at)


@outbox("notice_moved", in_order=False, title=Text("移交后通知终止", "Notices of a case handed over end"))
def moved(row: Outbox) -> None:
    """The case went to another platform: what was told before the step has no addressee any more, and its links end."""
    event = Event.objects.filter(pk=int(row.key.split(":")[1])).first()
    if event is None:
        return
    before = Event.objects.filter(case_id=event.case_id, seq__lt=event.seq).values("pk")
    open_ones = Notice.objects.filter(case_id=event.case_id, received_at__isnull=True, event__in=before)
    Link.objects.filter(notice__in=open_ones.values("pk")).update(expires_at=event.at)
    open_ones.update(received_at=event.at, received_how="moved")


def to_be_rung(notice_id: int) -> None:
    """Onto the ring list, unless it was received or stands there."""
    Notice.objects.filter(pk=notice_id, received_at__isnull=True, ring_at__isnull=True, case__open=True).update(
        ring_at=moments.now()
    )


@outbox("notice_unanswered", in_order=False, title=Text("通知无回执", "A notice has no receipt"))
def unanswered(row: Outbox) -> None:
    """The receipt is due and has not come: the dispatcher rings."""
    to_be_rung(int(row.key.split(":")[1]))


@outbox("notice_deemed", in_order=False, title=Text("通知视为送达", "A notice is deemed received"))
def deemed(row: Outbox) -> None:
    """Long enough after the notice it counts as received; the case's log says so."""
    notice = Notice.objects.filter(pk=int(row.key.split(":")[1]), case__open=True).first()
    if notice is not None and received(notice.pk, "deemed", None):
        note(notice.case_id, DEEMED, SYSTEM, rule=notice.rule)


def rung(notice: Notice, to: int | None, outcome: str, actor: Actor) -> None:
    """The dispatcher rang. ``to``: whom; `reached` is a receipt."""
    assert actor.user_id is not None
    Ring.objects.create(notice=notice, by_id=actor.user_id, to_id=to, outcome=outcome, at=moments.now())
    note(notice.case_id, RUNG, actor, rule=notice.rule, outcome=outcome, user=to or 0)
    if outcome == "reached":
        received(notice.pk, "rung", to)
