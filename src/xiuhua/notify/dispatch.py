"""From an outbox row to notices, and from a notice to each way out.

1. ``notice``: who is told of this event under this rule; the notice, its readers and one row for each way and person
   are made in one transaction, so nothing is lost and nothing made twice.
2. ``notify``: one way to one person. A way that cannot be gone (no address, no account, refused for good) makes the next
   way due at once; one that fails for now comes again as every outbox row does. In quiet hours nothing rings.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from xiuhua.casework import moments, read, trouble, write
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.casework.registry import outbox
from xiuhua.city.calendar import calendar_for
from xiuhua.city.models import User
from xiuhua.manifest import Text
from xiuhua.notify import links, people, receipts, sweep, words
from xiuhua.notify.channels import registry as channels
from xiuhua.notify.models import Delivery, Notice, Reader
from xiuhua.notify.rules import Rule, Span, rules_for

#: What happened longer ago is no news: the worker was away, or histories were brought in.
STALE = timedelta(days=2)


@outbox("notice", in_order=False, title=Text("生成通知", "Notices are made"))
def make(row: Outbox) -> None:
    """The notices of one event under one rule, or under every rule of a name that a procedure gives."""
    if row.case_id is None:
        return
    about = str(row.payload.get("about", ""))
    case = read.by_id(row.case_id)
    rules = [rule for rule in rules_for(case).rules if about in (rule.code, rule.when.named)] if case else []
    event = Event.objects.filter(pk=int(row.key.split(":")[1])).first() if rules else None
    if case is None or event is None or moments.now() - event.at > STALE:
        return
    for rule in rules:
        for party in people.parties(rule, case):
            _make(rule, case, event, party)


def _make(rule: Rule, case: Case, event: Event, party: people.Party) -> None:
    now = moments.now()
    asks = rule.receipt is not None and bool(party.users)
    with transaction.atomic():
        notice, fresh = Notice.objects.get_or_create(
            event=event.pk,
            rule=rule.code,
            party=party.key,
            defaults={
                "platform_id": case.platform_id,
                "case": case,
                "organisation_id": party.organisation_id,
                "text": words.text_of(rule, case, event),
                "made_at": now,
                "wants_receipt": asks,
            },
        )
        if not fresh:
            return
        if asks and receipts.settled(notice, rule, event):
            return
        Reader.objects.bulk_create([Reader(notice=notice, user_id=pk) for pk in party.users])
        rows = [*_rows(rule, notice, party, now), sweep.wake_up()]
        if asks and rule.receipt is not None:
            due = _after(case, now, rule.receipt.within)
            rows.append(write.outbox_row(f"notice_unanswered:{notice.pk}", "notice_unanswered", due, case.pk))
            if rule.receipt.deemed is not None:
                at = _after(case, now, rule.receipt.deemed)
                rows.append(write.outbox_row(f"notice_deemed:{notice.pk}", "notice_deemed", at, case.pk))
        Outbox.objects.bulk_create([Outbox(**one) for one in rows], ignore_conflicts=True)


def _after(case: Case, start: datetime, span: Span) -> datetime:
    return calendar_for(case.platform_id).add(start, *span.counted())


def _rows(rule: Rule, notice: Notice, party: people.Party, now: datetime) -> list[dict[str, Any]]:
    """One row for each way and person, robot or webhook. Its key says all: ``notify:NOTICE:STEP:WHO``."""
    rows = []
    for step, way in enumerate(rule.ways):
        if way.by == channels.IN_APP:
            continue
        who: tuple[int | str, ...] = way.to if party.targets and way.by == "channel" else ()
        if way.by != "channel" and not party.targets:
            who = ("reporter",) if party.key == "reporter" else party.users
        for one in who:
            key, about = f"notify:{notice.pk}:{step}:{one}", f"{rule.code} · {way.by}"
            rows.append(
                write.outbox_row(key, "notify", now + timedelta(minutes=way.after), notice.case_id, {"about": about})
            )
    return rows


@outbox("notify", in_order=False, title=Text("发送通知", "A notice is sent"))
def send(row: Outbox) -> None:
    """One way to one person. Raises when it is to be tried again, or never will do."""
    _kind, notice_id, step_text, who = row.key.split(":", 3)
    notice = Notice.objects.select_related("case").filter(pk=int(notice_id)).first()
    if notice is None or not notice.text:  # erased
        return
    rules, step = rules_for(notice.case), int(step_text)
    rule = rules.rule(notice.rule)
    if rule is None or step >= len(rule.ways):
        return  # the city has changed its rules since
    way = rule.ways[step]
    if notice.received_at is not None or _sent(notice, step, who):
        return
    user = User.objects.filter(pk=int(who), is_active=True).first() if who.isdigit() else None
    channel = channels.by_code(who) if way.by == "channel" else channels.for_medium(way.by)
    medium = way.by if channel is None else channels.medium(channel.kind)
    target = who if way.by == "channel" else people.address_of(user, way.by) if user else _reporter(notice, who)
    if channel is None or not target:
        _note(notice, step, medium, user, "no_address", target="" if channel else str(who) * (way.by == "channel"))
        _next(notice, step, who)
        if way.by == "channel" and channel is None:
            raise trouble.Hopeless(f"no channel {who!r} is configured")
        return
    if rule.quiet and rules.quiet and medium in channels.RINGING:
        until = rules.quiet.until(moments.now(), notice.case.urgency)
        if until is not None:
            raise trouble.NotNow("quiet hours", until - moments.now())
    shown = who if way.by == "channel" else people.masked(way.by, target)
    try:
        link = links.make(notice, user, rule) if user and rule.link else ""
        language = user.language if user and user.language else "zh-hans"
        reference = channels.send(
            channel, target, words.message(notice, rule, f"{notice.pk}:{step}:{who}", language, link)
        )
    except Exception as error:
        if trouble.is_dead(error, row.attempts):
            _note(notice, step, medium, user, "failed", shown, trouble.words(error))
            _next(notice, step, who)
        raise
    _note(notice, step, medium, user, "sent", shown, reference=reference)


def _sent(notice: Notice, step: int, who: str) -> bool:
    """A worker that died between sending and saying so must not send again."""
    sent = Delivery.objects.filter(notice=notice, step=step, state="sent")
    return (
        sent.filter(user_id=int(who)).exists()
        if who.isdigit()
        else sent.exists()
        if who == "reporter"
        else sent.filter(target=who).exists()
    )


def _reporter(notice: Notice, who: str) -> str:
    return people.reporter_phone(notice.case_id) if who == "reporter" else ""


def _note(
    notice: Notice,
    step: int,
    channel: str,
    user: User | None,
    state: str,
    target: str = "",
    error: str = "",
    reference: str = "",
) -> None:
    Delivery.objects.create(
        notice=notice,
        step=step,
        channel=channel,
        user=user,
        target=target[:80],
        state=state,
        error=error[:200],
        reference=reference[:200],
        at=moments.now(),
    )


def _next(notice: Notice, step: int, who: str) -> None:
    """A way is at its end: the next one of the same person is due, and after the last of all the dispatcher rings."""
    _hasten(notice, step, who)
    if not notice.readers.exists():
        return  # a reporter, a group or a system: the page of failed effects shows it
    seen = list(Delivery.objects.filter(notice=notice).values_list("step", "user_id", "state"))
    ended = {f"notify:{notice.pk}:{at}:{user}" for at, user, _state in seen}
    ways = Outbox.objects.filter(kind="notify", case_id=notice.case_id, key__startswith=f"notify:{notice.pk}:")
    states = {state for _at, _user, state in seen}
    if "sent" not in states and "failed" in states and set(ways.values_list("key", flat=True)) <= ended:
        receipts.to_be_rung(notice.pk)


def _hasten(notice: Notice, step: int, who: str) -> None:
    """The next way of the same person is due now."""
    following = Outbox.objects.filter(
        key__in=[f"notify:{notice.pk}:{later}:{who}" for later in range(step + 1, step + 8)],
        done_at__isnull=True,
        dead=False,
    ).order_by("run_at", "key")
    first = following.first()
    if first is not None and first.run_at > moments.now():
        Outbox.objects.filter(pk=first.pk, attempts=0).update(run_at=moments.now())
