"""Starting a case: the doors that the actor's posts open, then the form."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from xiuhua.casework import engine, forms, library, step
from xiuhua.casework.answers import form_context
from xiuhua.casework.pages import foresee, present, questions, similar
from xiuhua.casework.pages.questions import form_key
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform
from xiuhua.ui.forms import FormView
from xiuhua.ui.parts import Confirm


def doors(actor: Actor) -> list[tuple[Procedure, Action]]:
    """Start actions that one of the actor's seats gives, the main one first."""
    roles = actor.roles()
    platform = _platform(actor)
    found = []
    for code in dict.fromkeys(library.version(pk).code for pk in library.active()):
        _pk, rules = library.current(code, platform)
        found += [(rules, act) for act in rules.start_actions() if roles & set(act.by)]
    return found


def _platform(actor: Actor) -> Platform:
    return Platform.objects.get(pk=present.platform_of(actor))


@requires("case.report")
def choose(request: HttpRequest) -> HttpResponse:
    """Which kind of report; with one kind only, its form at once."""
    found = doors(request.actor)  # type: ignore[attr-defined]
    if len(found) == 1:
        rules, act = found[0]
        return redirect("report-as", rules.code, act.code)
    return render(request, "casework/report_choose.html", {"doors": found})


@requires("case.report")
@require_http_methods(["GET", "POST"])
def report(request: HttpRequest, procedure: str, action: str) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    pair = next(((r, a) for r, a in doors(actor) if r.code == procedure and a.code == action), None)
    if pair is None:
        raise Http404(_("Your posts have no such report."))
    rules, chosen = pair
    platform = _platform(actor)
    blank = step.blank_case(rules, 0, platform.pk)
    if request.method == "GET":
        values = forms.prefill(chosen.form, form_context(blank, actor))
        return _show(request, rules, chosen, platform, values, None, uuid.uuid4().hex)
    data = forms.from_post(chosen.form, request.POST)
    if "preview" in request.GET:
        told = foresee.rows(blank, rules, chosen, actor, data)
        return render(request, "ui/parts/facts.html", {"rows": told})
    key = form_key(request) or uuid.uuid4().hex
    try:
        done = engine.create(procedure, platform, actor, data, action=action, key=key, door="web")
    except Refused as refused:
        return _show(request, rules, chosen, platform, data, refused.refusal, key, status=422)
    messages.success(request, _("Reported as case %(number)s.") % {"number": done.number})
    attach = similar.attach_url(actor, done.number, request.POST.get(similar.ATTACH, ""))
    return redirect(attach or reverse("case", args=[done.number]))


def _show(
    request: HttpRequest,
    rules: Procedure,
    chosen: Action,
    platform: Platform,
    values: Mapping[str, Any],
    refusal: Refusal | None,
    key: str,
    status: int = 200,
) -> HttpResponse:
    blank = step.blank_case(rules, 0, platform.pk)
    blank.urgency = "ordinary"
    errors: dict[str, tuple[str, ...]] = {}
    for one in refusal.missing if refusal else ():
        errors[one.field] = (*errors.get(one.field, ()), one.message)
    rows = foresee.rows(blank, rules, chosen, request.actor, values)  # type: ignore[attr-defined]
    form = FormView(
        questions=questions.build(chosen, blank, values, errors, {}),
        url=reverse("report-as", args=[rules.code, chosen.code]),
        submit=chosen.title,
        cancel_url=reverse("home"),
        summary=refusal.message if refusal else "",
        key=key,
        draft=f"report.{rules.code}.{chosen.code}",
        confirm=Confirm(_("What happens next"), rows, chosen.title) if rows else None,
    )
    return render(
        request,
        "casework/report.html",
        {
            "rules": rules,
            "action": chosen,
            "form": form,
            "similar": similar.part(platform.pk, rules, chosen, None),
        },
        status=status,
    )
