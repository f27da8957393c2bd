"""Erasing by rule: what is due, proposed by one person, approved by another, done by the worker, case by case.

Nothing is erased that came under a hold, was reopened or got a new task after it was proposed: each case is looked at
again when its turn comes. An erasure itself is `casework.erase`: an event, and a walk through all stores of personal data.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from xiuhua.casework import erase, moments, write
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.casework.registry import outbox
from xiuhua.city.access import SYSTEM, Actor
from xiuhua.city.models import Platform
from xiuhua.ops import holds
from xiuhua.ops.models import ErasureItem, ErasureProposal, LegalHold
from xiuhua.ops.retention_rules import Rule, Rules, rules_of

log = logging.getLogger("xiuhua.retention")
PROPOSE, APPROVE = "retention.propose", "retention.approve"
KIND = "retention_run"
#: Cases of one proposal: what two people can answer for. The rest comes with the next.
MOST = 5000
#: Cases between two looks of the worker at its lease.
BATCH = 20
State = ErasureProposal.State


def due(platform: Platform, rules: Rules, rule: Rule, now: datetime) -> QuerySet[Case]:
    """Reported cases of a rule that ended long enough ago, are not under a hold and were not erased since, oldest first."""
    ended = Case.objects.annotate(ended=Coalesce("closed_at", "updated_at"))
    erased = Event.objects.filter(case_id=OuterRef("pk"), action="erase", at__gte=OuterRef("ended"))
    held = LegalHold.objects.filter(case_id=OuterRef("pk"), lifted_at__isnull=True)
    at_work = Case.objects.filter(parent_id=OuterRef("pk"), open=True)
    proposed = ErasureItem.objects.filter(
        case_id=OuterRef("pk"), result="", proposal__state__in=[State.PROPOSED, State.APPROVED]
    )
    return (
        ended.filter(rules.condition(rule), platform=platform, open=False, parent__isnull=True)
        .filter(ended__lt=now - timedelta(days=rule.days))
        .exclude(Exists(erased))
        .exclude(Exists(held))
        .exclude(Exists(at_work))
        .exclude(Exists(proposed))
        .order_by("pk")
    )


def propose(platform: Platform, code: str, actor: Actor) -> ErasureProposal:
    """Write down which cases a rule would erase now. Raises `Refused`."""
    _require(actor, platform, PROPOSE)
    rules, now = rules_of(platform.code), moments.now()
    rule = rules.rule(code)
    if rule is None:
        raise Refused(Refusal("not_found", _("There is no such rule.")))
    cases = list(due(platform, rules, rule, now).values_list("pk", flat=True)[:MOST])
    if not cases:
        raise Refused(Refusal("not_now", _("No case is due under this rule.")))
    assert actor.user_id is not None
    with transaction.atomic():
        made = ErasureProposal.objects.create(
            platform=platform,
            rule=rule.model_dump(mode="json"),
            before=now - timedelta(days=rule.days),
            count=len(cases),
            proposed_by_id=actor.user_id,
            proposed_at=now,
        )
        ErasureItem.objects.bulk_create([ErasureItem(proposal=made, case_id=pk) for pk in cases], batch_size=500)
    log.info("erasure proposed", extra={"fields": {"proposal": made.pk, "rule": code, "cases": len(cases)}})
    return made


def approve(proposal: ErasureProposal, actor: Actor) -> None:
    """Let the worker do it; never by who proposed it. Raises `Refused`."""
    with transaction.atomic():
        row = _waiting(proposal)
        _require(actor, row.platform, APPROVE)
        if row.proposed_by_id == actor.user_id:
            raise Refused(Refusal("guard", _("Another person than the one who proposed it must approve.")))
        _decide(row, actor, State.APPROVED)
        Outbox.objects.create(**_row(row.pk, 0))


def refuse(proposal: ErasureProposal, actor: Actor) -> None:
    """Refuse a proposal, or take back one's own. Raises `Refused`."""
    with transaction.atomic():
        row = _waiting(proposal)
        own = row.proposed_by_id == actor.user_id
        _require(actor, row.platform, PROPOSE if own else APPROVE)
        _decide(row, actor, State.REFUSED)


def _waiting(proposal: ErasureProposal) -> ErasureProposal:
    row = ErasureProposal.objects.select_for_update(of=("self",)).select_related("platform").get(pk=proposal.pk)
    if row.state != State.PROPOSED:
        raise Refused(Refusal("not_now", _("This proposal was decided before.")))
    return row


def _decide(row: ErasureProposal, actor: Actor, state: ErasureProposal.State) -> None:
    row.state, row.decided_by_id, row.decided_at = state, actor.user_id, moments.now()
    row.save(update_fields=["state", "decided_by", "decided_at"])
    log.info("erasure decided", extra={"fields": {"proposal": row.pk, "state": str(state), "actor": actor.ref}})


def _require(actor: Actor, platform: Platform, permission: str) -> None:
    if not any(seat.platform_id == platform.pk for seat in actor.seats_with(permission)):
        raise Refused(Refusal("not_yours", _("Your posts do not allow this on this platform.")))


# --- the worker ---------------------------------------------------------------------------------------------------


def _row(proposal: int, number: int) -> dict[str, object]:
    key = f"{KIND}:{proposal}:{number}"
    return write.outbox_row(key, KIND, moments.now(), None, {"proposal": proposal, "number": number})


@outbox(KIND)
def run(row: Outbox) -> None:
    """Erase the next cases of an approved proposal and queue the ones after them; may be repeated."""
    proposal = ErasureProposal.objects.get(pk=row.payload["proposal"])
    if proposal.state != State.APPROVED:
        return
    items = list(proposal.items.filter(result="").select_related("case").order_by("pk")[:BATCH])
    with erase.overwritten_once():
        for item in items:
            item.result, item.at = erase_one(item, proposal), moments.now()
            item.save(update_fields=["result", "at"])
    if proposal.items.filter(result="").exists():
        following = Outbox(**_row(proposal.pk, row.payload["number"] + 1))
        Outbox.objects.bulk_create([following], ignore_conflicts=True)
        return
    ErasureProposal.objects.filter(pk=proposal.pk).update(state=State.DONE, done_at=moments.now())
    log.info("erasure done", extra={"fields": {"proposal": proposal.pk, "cases": proposal.count}})


def erase_one(item: ErasureItem, proposal: ErasureProposal) -> str:
    """Look at one case again and erase its family; returns what came of it."""
    family = erase.family(item.case)
    ended = Case.objects.filter(pk__in=family).annotate(ended=Coalesce("closed_at", "updated_at"))
    done = Event.objects.filter(case_id=item.case_id, action="erase", at__gte=proposal.decided_at)
    if done.exists():  # by the attempt before this one
        return "erased"
    if ended.filter(Q(open=True) | Q(ended__gte=proposal.before, pk=item.case_id)).exists():
        return "not_due"
    if holds.standing(family):
        return "held"
    rule = Rule.model_validate(proposal.rule)
    reason = f"retention:{rule.code} proposal:{proposal.pk}"
    try:
        erase.erase(item.case, SYSTEM, reason, keep_evidence=rule.keep_evidence)
    except Refused as refused:
        return "held" if refused.refusal.code == "held" else "refused"
    return "erased"


def results(proposal: ErasureProposal) -> dict[str, int]:
    """Result -> cases; '' are those that wait."""

    rows = proposal.items.values_list("result").annotate(count=Count("pk")).order_by("result")
    return dict(rows)
