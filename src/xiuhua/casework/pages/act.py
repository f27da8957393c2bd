"""Taking an action: the form with what will happen, then the one door of the engine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from xiuhua.casework import builtin, clock, engine, forms, library, moments, step
from xiuhua.casework.answers import form_context
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present, questions
from xiuhua.casework.pages.case_page import find, unit_words
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city import categories
from xiuhua.city.access import Actor, requires
from xiuhua.city.calendar import calendar_for
from xiuhua.ui.forms import FormView
from xiuhua.ui.parts import Confirm, Row


@requires("case.act")
@require_http_methods(["GET", "POST"])
def act(request: HttpRequest, number: str, action: str) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    case = find(actor, number)
    rules = library.version(case.procedure_id)
    chosen = rules.actions.get(action)
    if chosen is None or chosen.system_only:
        raise Http404(_("There is no such action."))
    if request.method == "POST":
        return _take(request, case, rules, chosen, actor)
    refusal = engine.check(case, rules, chosen, actor)
    values = forms.prefill(chosen.form, form_context(case, actor))
    return _show(request, case, rules, chosen, values, refusal, uuid.uuid4().hex, blocked=refusal is not None)


def _take(request: HttpRequest, case: Case, rules: Procedure, chosen: Action, actor: Actor) -> HttpResponse:
    data = forms.from_post(chosen.form, request.POST)
    key = request.POST.get("key", "")[:64]
    seq = request.POST.get("seq", "")
    try:
        done = engine.advance(
            case, chosen.code, actor, data, key=key or None, door="web", seq=int(seq) if seq.isdigit() else None
        )
    except Refused as refused:
        fresh = uuid.uuid4().hex if refused.refusal.code == "conflict" else key
        return _show(request, case, rules, chosen, data, refused.refusal, fresh, status=422)
    after = Case.objects.get(pk=done.case_id)
    state = builtin.state_title(rules, after.state)
    messages.success(
        request,
        _("%(action)s: done. The case is now “%(state)s”.") % {"action": chosen.title, "state": state},
    )
    target = reverse("case", args=[case.number])
    if case.holder_user_id == actor.user_id and not after.open and after.parent_id:
        target = reverse("home")
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = target
        return response
    return redirect(target)


def _show(
    request: HttpRequest,
    case: Case,
    rules: Procedure,
    chosen: Action,
    values: Mapping[str, Any],
    refusal: Refusal | None,
    key: str,
    *,
    status: int = 200,
    blocked: bool = False,
) -> HttpResponse:
    errors: dict[str, tuple[str, ...]] = {}
    for one in refusal.missing if refusal else ():
        errors[one.field] = (*errors.get(one.field, ()), one.message)
    explain = questions.EXPLAINERS.get((rules.code, chosen.code))
    offered, why = explain(case) if explain else ({}, [])
    rows = [*why, *preview(case, rules, chosen)]
    cancel = reverse("case", args=[case.number])
    form = FormView(
        questions=questions.build(chosen, case, values, errors, offered),
        url=reverse("case-act", args=[case.number, chosen.code]),
        submit=chosen.title,
        cancel_url=cancel,
        summary=refusal.message if refusal else "",
        key=key,
        seq=case.seq,
        draft=f"{case.number}.{chosen.code}",
        tone=chosen.tone or "primary",
        confirm=Confirm(_("What happens next"), rows, chosen.title, tone=chosen.tone or "primary") if rows else None,
    )
    return render(
        request,
        "casework/act.html",
        {
            "case": case,
            "title": present.title_of(case),
            "action": chosen,
            "form": form,
            "refusal": refusal,
            "blocked": blocked,
            "time": present.time_of(case, rules),
            "cancel": cancel,
        },
        status=status,
    )


def preview(case: Case, rules: Procedure, chosen: Action) -> list[Row]:
    """Said before sending: who gets it, which clocks start, when they are due."""
    rows: list[Row] = []
    now = moments.now()
    if chosen.to and chosen.to in rules.states:
        state = rules.states[chosen.to]
        rows.append(Row(_("Next state"), state.title, icon="arrow-right"))
        if state.holder and state.holder.role:
            unit = present.unit_name(case.responsible_org_id) if state.holder.organisation == "responsible_org" else ""
            who = " · ".join(p for p in (present.role_title(state.holder.role), unit) if p)
            rows.append(Row(_("Goes to"), who, icon="user"))
        clocks = clock.from_json(case.clocks)
        calendar = calendar_for(case.platform_id)
        for name in state.run:
            running = clocks.get(name)
            if running is not None and running.finished is None and not running.paused:
                continue
            rule = rules.clocks[name]
            limit = _limit(case, rules, name)
            if limit is None:
                note = _("by the file condition") if rule.limit.kind == "condition" else ""
                rows.append(Row(_("Clock starts"), rule.title, note=note, icon="clock"))
                continue
            if running is not None and running.finished is None and running.paused:
                due = clock.remaining(running, calendar, moments.to_us(now)).due
            else:
                due = calendar.after(moments.to_us(now) // 1_000_000, limit.value, limit.unit) * 1_000_000
            words = f"{timezone.localtime(moments.from_us(due)):%Y-%m-%d %H:%M}"
            length = f"{float(limit.value):g} {unit_words(limit.unit)}"
            rows.append(Row(_("Clock starts"), f"{rule.title}: {length}", note=_("due %(time)s") % {"time": words}, icon="clock"))
    for spawn in chosen.spawn:
        child = library.version(case.procedure_id) if spawn.procedure == rules.code else None
        title = child.title if child else _procedure_title(spawn.procedure)
        rows.append(Row(_("Makes a task"), title, icon="git-branch"))
    return rows


def _procedure_title(code: str) -> Any:
    for pk in library.active():
        one = library.version(pk)
        if one.code == code:
            return one.title
    return code


def _limit(case: Case, rules: Procedure, name: str) -> clock.Limit | None:
    limit = rules.clocks[name].limit
    if limit.kind == "amount":
        amount = limit.amount(case.urgency)
        return clock.Limit.of(amount.value, amount.unit)
    if limit.kind == "condition":
        row = categories.catalogue().conditions.get(case.condition_id or 0)
        if row is not None and row.limit_value is not None:
            return clock.Limit.of(row.limit_value, row.limit_unit)
    if limit.kind == "of" and limit.ratio is not None:
        base = _limit(case, rules, limit.of)
        return base.times(limit.ratio) if base else None
    if limit.kind == "parent" and case.parent is not None:
        return step.left_of_parent(case.parent, calendar_for(case.platform_id), moments.to_us(moments.now()))
    return None
