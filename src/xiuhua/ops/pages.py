"""Retention of personal data: the rules, what is proposed and decided, and the holds; one page and one for a proposal."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from xiuhua.casework import moments
from xiuhua.casework.pages import present
from xiuhua.casework.personal_stores import all_stores
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform
from xiuhua.manifest import Text
from xiuhua.ops import holds, retention
from xiuhua.ops.models import ErasureProposal, LegalHold
from xiuhua.ops.retention_rules import Rule, Rules, RulesBroken, rules_of
from xiuhua.ui.forms import FormView, Question
from xiuhua.ui.parts import Badge, Row

ANY = (retention.PROPOSE, retention.APPROVE, holds.PERMISSION)
#: More due cases are told as "1,000+".
COUNTED = 1000
SHOWN = 100
_TITLES = {
    "number": Text("案件编号", "Case number"),
    "document_number": Text("文号", "Document number"),
    "reason": Text("事由（不写姓名）", "Reason (no names)"),
}


@requires(*ANY)
@require_http_methods(["GET", "POST"])
def overview(request: HttpRequest) -> HttpResponse:
    """Rules, proposals and holds of the actor's platform; POST puts a hold."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    refusal, typed, status = None, {}, 200
    if request.method == "POST":
        typed = {name: request.POST.get(name, "").strip() for name in _TITLES}
        try:
            if not actor.has(holds.PERMISSION):
                raise Refused(Refusal("not_yours", _("Your posts do not allow this on this platform.")))
            holds.put(typed["number"], actor, document_number=typed["document_number"], reason=typed["reason"])
        except Refused as refused:
            refusal, status = refused.refusal, 422
        else:
            messages.success(request, _("The hold stands: nothing of this case is erased."))
            return redirect("retention")
    platform = Platform.objects.filter(pk=present.platform_of(actor)).first()
    rules, broken = _rules(platform)
    proposals = ErasureProposal.objects.filter(platform=platform).select_related("proposed_by", "decided_by")
    standing = LegalHold.objects.filter(platform=platform).select_related("case", "set_by", "lifted_by")
    return render(
        request,
        "ops/retention.html",
        {
            "platform": platform,
            "rules": [_rule_row(platform, rules, rule) for rule in rules.rules] if rules and platform else [],
            "sample": rules is not None and rules.sample,
            "source": rules.source.text() if rules else "",
            "broken": broken,
            "proposals": [_proposal_row(one, actor) for one in proposals.order_by("-pk")[:SHOWN]],
            "holds": [_hold_row(one, actor) for one in _newest(standing)],
            "form": _form(typed, refusal) if actor.has(holds.PERMISSION) else None,
            "may_propose": actor.has(retention.PROPOSE),
            "stores": all_stores(),
            "as_of": moments.now(),
        },
        status=status,
    )


def _newest(found: QuerySet[LegalHold]) -> list[LegalHold]:
    """Those that stand first."""
    return [
        *found.filter(lifted_at__isnull=True).order_by("-pk")[:SHOWN],
        *found.filter(lifted_at__isnull=False).order_by("-pk")[:20],
    ]


def _rules(platform: Platform | None) -> tuple[Rules | None, str]:
    try:
        return (rules_of(platform.code), "") if platform else (None, "")
    except (RulesBroken, OSError) as error:
        return None, str(error)


def _rule_row(platform: Platform, rules: Rules, rule: Rule) -> dict[str, Any]:
    found = retention.due(platform, rules, rule, moments.now())
    return {
        "rule": rule,
        "title": rule.title.text(),
        "due": len(found.values_list("pk")[: COUNTED + 1]),
        "most": COUNTED,
    }


def _state(one: ErasureProposal) -> Badge:
    return {
        "proposed": Badge(_("Waits for a second person"), "soon", "user-question"),
        "approved": Badge(_("Approved, being done"), "info", "player-play"),
        "refused": Badge(_("Refused"), "done"),
        "done": Badge(_("Done"), "ok", "check"),
    }[one.state]


def _proposal_row(one: ErasureProposal, actor: Actor) -> dict[str, Any]:
    waits, own = one.state == "proposed", one.proposed_by_id == actor.user_id
    return {
        "proposal": one,
        "title": Rule.model_validate(one.rule).title.text(),
        "state": _state(one),
        "approve": waits and not own and actor.has(retention.APPROVE),
        "refuse": waits and actor.has(retention.PROPOSE if own else retention.APPROVE),
        "own": own,
    }


def _hold_row(one: LegalHold, actor: Actor) -> dict[str, Any]:
    stands = one.lifted_at is None
    return {
        "hold": one,
        "state": Badge(_("Stands"), "soon", "lock") if stands else Badge(_("Lifted"), "done"),
        "lift": stands and one.set_by_id != actor.user_id and actor.has(holds.PERMISSION),
        "own": stands and one.set_by_id == actor.user_id,
    }


def _form(typed: dict[str, str], refusal: Refusal | None) -> FormView:
    errors: dict[str, tuple[str, ...]] = {}
    for one in refusal.missing if refusal else ():
        errors[one.field] = (*errors.get(one.field, ()), one.message)
    questions = [
        Question(name, "text", title, required=True, value=typed.get(name) or None, errors=errors.get(name, ()))
        for name, title in _TITLES.items()
    ]
    return FormView(
        questions, reverse("retention"), _("Put the hold"), summary=refusal.message if refusal else "", tone="danger"
    )


@requires(retention.PROPOSE)
@require_POST
def propose(request: HttpRequest) -> HttpResponse:
    """Propose to erase what is due under a rule."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    platform = get_object_or_404(Platform, pk=present.platform_of(actor))
    try:
        made = retention.propose(platform, request.POST.get("rule", ""), actor)
    except (Refused, RulesBroken, OSError) as error:
        messages.error(request, error.refusal.message if isinstance(error, Refused) else str(error))
        return redirect("retention")
    messages.success(request, _("Proposed. Another person must approve it."))
    return redirect("retention-proposal", made.pk)


@requires(*ANY)
@require_http_methods(["GET", "POST"])
def proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """One proposal with its cases; POST approves or refuses it."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    one = get_object_or_404(
        ErasureProposal.objects.select_related("platform", "proposed_by", "decided_by"),
        pk=proposal_id,
        platform__in={seat.platform_id for seat in actor.seats},
    )
    if request.method == "POST":
        try:
            if request.POST.get("how") == "approve":
                retention.approve(one, actor)
                messages.success(request, _("Approved. The worker erases the cases one by one."))
            elif request.POST.get("how") == "refuse":
                retention.refuse(one, actor)
                messages.success(request, _("Refused. Nothing is erased."))
        except Refused as refused:
            messages.error(request, refused.refusal.message)
        return redirect("retention-proposal", one.pk)
    return render(
        request,
        "ops/proposal.html",
        {
            **_proposal_row(one, actor),
            "facts": _facts(one),
            "items": one.items.select_related("case").order_by("pk")[:SHOWN],
            "shown": SHOWN,
            "words": {
                "": _("waits"),
                "erased": _("erased"),
                "held": _("held"),
                "not_due": _("worked on again"),
                "refused": _("refused"),
            },
            "as_of": moments.now(),
        },
    )


def _facts(one: ErasureProposal) -> list[Row]:
    from xiuhua.ui.templatetags.xiuhua import datetime_

    rule, counts = Rule.model_validate(one.rule), retention.results(one)
    rows = [
        Row(_("Platform"), one.platform.title(get_language())),
        Row(_("Cases that ended before"), datetime_(one.before), _("%(days)s days") % {"days": rule.days}),
        Row(_("Cases"), f"{one.count:,}"),
        Row(
            _("Photos and files"),
            _("stay, without names, times and places") if rule.keep_evidence else _("are deleted"),
        ),
        Row(_("Proposed by"), one.proposed_by.display_name, datetime_(one.proposed_at)),
    ]
    if one.decided_by:
        rows.append(Row(_("Decided by"), one.decided_by.display_name, datetime_(one.decided_at)))
    if one.state in ("approved", "done"):
        rows.append(Row(_("Erased"), f"{counts.get('erased', 0):,}"))
        kept = sum(counts.get(name, 0) for name in ("held", "not_due", "refused"))
        rows.append(Row(_("Left alone"), f"{kept:,}", _("held, worked on again or refused")))
    return rows


@requires(holds.PERMISSION)
@require_POST
def lift(request: HttpRequest, hold_id: int) -> HttpResponse:
    """Lift a hold that another person set."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    try:
        holds.lift(get_object_or_404(LegalHold, pk=hold_id), actor)
    except Refused as refused:
        messages.error(request, refused.refusal.message)
    else:
        messages.success(request, _("The hold is lifted."))
    return redirect("retention")
