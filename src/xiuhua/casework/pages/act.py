"""Taking an action: the form with what will happen, then the one door of the engine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from xiuhua.casework import builtin, engine, forms, library
from xiuhua.casework.answers import form_context
from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages import case_list, foresee, present, questions, similar
from xiuhua.casework.pages.case_page import find
from xiuhua.casework.pages.questions import form_key
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city.access import Actor, requires
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
    if request.method == "POST" and "preview" in request.GET:
        told = told_before(case, rules, chosen, actor, forms.from_post(chosen.form, request.POST))
        return render(request, "ui/parts/facts.html", {"rows": told})
    if request.method == "POST":
        return _take(request, case, rules, chosen, actor)
    refusal = engine.check(case, rules, chosen, actor)
    values = {**forms.prefill(chosen.form, form_context(case, actor)), **_named(request, chosen)}
    return _show(request, case, rules, chosen, values, refusal, uuid.uuid4().hex, blocked=refusal is not None)


def _take(request: HttpRequest, case: Case, rules: Procedure, chosen: Action, actor: Actor) -> HttpResponse:
    data = forms.from_post(chosen.form, request.POST)
    key = form_key(request)
    way = case_list.around(actor, _listed(request), case)  # asked before: the step may take the case out of the list
    seq = request.POST.get("seq", "")
    try:
        done = engine.advance(case, chosen.code, actor, data, key=key or None, door="web", seq=row_id(seq) or None)
    except Refused as refused:
        fresh = uuid.uuid4().hex if refused.refusal.code == "conflict" else key
        return _show(request, case, rules, chosen, data, refused.refusal, fresh, status=422)
    after = Case.objects.select_related("holder_user").get(pk=done.case_id)
    said = _what_happened(after, rules, chosen)
    messages.success(request, f"{case.number} {said}" if way else said)
    target = reverse("case", args=[case.number])
    if way:
        target = way["after"] or way["url"]
    elif case.holder_user_id == actor.user_id and not after.open and after.parent_id:
        target = reverse("home")
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = target
        return response
    return redirect(target)


def _named(request: HttpRequest, chosen: Action) -> dict[str, str]:
    """Other cases that the address names for the form, as the part of similar cases does."""
    names = (item.name for item in chosen.form if item.type == "case")
    return {name: request.GET[name][:40] for name in names if request.GET.get(name)}


def _listed(request: HttpRequest) -> str:
    """The list from which the case was opened, as its address says."""
    return request.GET.get("list", "")[:2000]


def _what_happened(after: Case, rules: Procedure, chosen: Action) -> str:
    """“Dispatch: done. The case is now “To be signed for” with …, due 2026-11-24 10:39.”"""
    said = _("%(action)s: done. The case is now “%(state)s”.") % {
        "action": chosen.title,
        "state": builtin.state_title(rules, after.state),
    }
    gap = " " if (get_language() or "").startswith("en") else ""
    if after.open:
        names = {after.holder_user.pk: after.holder_user.display_name} if after.holder_user else {}
        said += gap + _("With: %(who)s.") % {"who": present.holder_words(after, rules, names)}
        if after.due_at:
            said += gap + _("Due %(time)s.") % {"time": f"{timezone.localtime(after.due_at):%Y-%m-%d %H:%M}"}
    return said


def told_before(case: Case, rules: Procedure, chosen: Action, actor: Actor, data: Mapping[str, Any]) -> list[Row]:
    """What the room of the procedure says about these answers, then what will follow."""
    explain = questions.EXPLAINERS.get((rules.code, chosen.code))
    return [*(explain(case, data)[1] if explain else ()), *foresee.rows(case, rules, chosen, actor, data)]


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
    offered = explain(case, values)[0] if explain else {}
    filled = {**{name: value for name, (_options, value) in offered.items() if value}, **values}
    rows = told_before(case, rules, chosen, request.actor, filled)  # type: ignore[attr-defined]
    kept = f"?{urlencode({'list': listed})}" if (listed := _listed(request)) else ""
    cancel = reverse("case", args=[case.number]) + kept
    form = FormView(
        questions=questions.build(chosen, case, filled, errors, offered),
        url=reverse("case-act", args=[case.number, chosen.code]) + kept,
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
            "similar": None if blocked else similar.part(case.platform_id, rules, chosen, case),
            "preview": f"{form.url}{'&' if kept else '?'}preview=1",
        },
        status=status,
    )
