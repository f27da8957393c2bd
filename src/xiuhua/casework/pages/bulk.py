"""One action on many cases: which there are, what will come of each, the doing, and half a minute to take it back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from xiuhua.casework import engine, forms, library, permits, undo
from xiuhua.casework.answers import form_context, prepare
from xiuhua.casework.models import Case, Event
from xiuhua.casework.pages import present, questions
from xiuhua.casework.procedures import Action
from xiuhua.casework.refusal import Refusal
from xiuhua.city.access import Actor, requires
from xiuhua.ui.forms import FormView

#: Cases of one bulk action.
MOST = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A case of the batch, and why it would be, or was, left out (None: it goes along)."""

    row: present.CaseRow
    refusal: Refusal | None


@requires("case.act")
@require_http_methods(["GET", "POST"])
def bulk(request: HttpRequest) -> HttpResponse:
    """POST ``bulk.case`` (numbers): choose an action; with ``bulk.action``: form and preview; with ``bulk.sure``: done."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    cases = _cases(actor, request.POST.getlist("bulk.case"))
    listed = request.POST.get("bulk.list", "")[:2000]
    back = f"{reverse('cases')}?{listed}"
    if not cases:
        messages.error(request, _("Choose cases first: tick them in the list."))
        return redirect(back)
    code = request.POST.get("bulk.action", "")
    context: dict[str, Any] = {
        "numbers": [case.number for case in cases],
        "n": len(cases),
        "cut": len(set(request.POST.getlist("bulk.case"))) > MOST,
        "most": MOST,
        "list": listed,
        "back": back,
    }
    if not code:
        context["offers"] = _offers(cases, actor)
        context["rows"] = present.rows(cases)
        return render(request, "casework/bulk.html", context)
    chosen = _action(cases, code)
    data = forms.from_post(chosen.form, request.POST) if "bulk.sure" in request.POST else {}
    lines = [Line(row, _refusal(row.case, code, actor, None)) for row in present.rows(cases)]
    able = [line.row.case for line in lines if line.refusal is None]
    if "bulk.sure" in request.POST and (again := _sent_before(cases, _batch(request), actor)):
        return _do(
            request,
            again,
            [Line(line.row, None) for line in lines if line.row.case in again],
            chosen,
            actor,
            data,
            context,
        )
    errors: dict[str, tuple[str, ...]] = {}
    if "bulk.sure" in request.POST and able:
        # The form is the same for all: it is checked once, on the first, before anything is written.
        prepared = prepare(library.version(able[0].procedure_id), chosen, able[0], actor, data)
        for fault in prepared.errors:
            errors[fault.field] = (*errors.get(fault.field, ()), fault.message)
        if not errors:
            return _do(request, able, lines, chosen, actor, data, context)
    first = able[0] if able else cases[0]
    values = data or _common(chosen, forms.prefill(chosen.form, form_context(first, actor)))
    offered = _offered(able or [first], chosen, values)
    values = {**{name: value for name, (_options, value) in offered.items() if value}, **values}
    hidden = {"bulk.action": code, "bulk.sure": "1", "bulk.list": listed}
    context |= {
        "action": chosen,
        "lines": lines,
        "able": len(able),
        "form": FormView(
            questions=questions.build(chosen, first, values, errors, offered),
            url=reverse("bulk"),
            submit=ngettext("%(action)s: %(n)s case", "%(action)s: %(n)s cases", len(able))
            % {"action": chosen.title, "n": len(able)},
            cancel_url=back,
            key=uuid.uuid4().hex,
            hidden=hidden,
            many=tuple(("bulk.case", case.number) for case in cases),
            tone=chosen.tone or "primary",
        ),
    }
    return render(request, "casework/bulk.html", context, status=422 if errors else 200)


@requires("case.act")
@require_POST
def take_back(request: HttpRequest) -> HttpResponse:
    """Take a bulk action of one's own back within its window."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    batch = request.POST.get("batch", "")[:40]
    listed = request.POST.get("bulk.list", "")[:2000]
    if not batch or not Event.objects.filter(batch=batch, actor_user_id=actor.user_id).exists():
        raise Http404
    result = undo.undo(batch, actor)
    if result.done:
        n = len(result.done)
        messages.success(request, ngettext("%(n)s case is as before.", "%(n)s cases are as before.", n) % {"n": n})
    for _pk, refusal in result.refused[:5]:
        messages.error(request, refusal.message)
    return redirect(f"{reverse('cases')}?{listed}")


def _do(
    request: HttpRequest,
    able: list[Case],
    lines: list[Line],
    chosen: Action,
    actor: Actor,
    data: dict[str, Any],
    context: dict[str, Any],
) -> HttpResponse:
    """Write, then say of every case what came of it."""
    result = engine.advance_many(able, chosen.code, actor, data, batch=_batch(request))
    refused = dict(result.refused)
    done = {outcome.case_id for outcome in result.done}
    after = {case.pk: case for case in Case.objects.filter(pk__in=done).select_related("parent__parent")}
    shown = present.rows([after.get(line.row.case.pk, line.row.case) for line in lines])
    told = [
        Line(row, line.refusal or refused.get(str(line.row.case.pk))) for row, line in zip(shown, lines, strict=True)
    ]
    context |= {
        "action": chosen,
        "result": told,
        "done": len(done),
        "batch": result.batch if done else "",
        "window": int(undo.WINDOW.total_seconds()),
    }
    return render(request, "casework/bulk.html", context)


def _batch(request: HttpRequest) -> str:
    key = questions.form_key(request)
    return f"b{key}"[:40] if key else ""


def _sent_before(cases: list[Case], batch: str, actor: Actor) -> list[Case]:
    """The cases on which this very form has acted already: a second click is answered like the first."""
    if not batch:
        return []
    done = set(Event.objects.filter(batch=batch, actor_user_id=actor.user_id).values_list("case_id", flat=True))
    return [case for case in cases if case.pk in done]


def _cases(actor: Actor, numbers: list[str]) -> list[Case]:
    """The cases in sight among these numbers, most urgent first. One statement."""
    asked = list(dict.fromkeys(numbers))[:MOST]
    rows = permits.visible(actor).filter(number__in=asked).select_related("parent__parent", "platform", "main_case")
    return sorted(rows, key=lambda case: asked.index(case.number))


def _offers(cases: list[Case], actor: Actor) -> list[tuple[Action, int]]:
    """Actions that at least one of the cases allows, those that most allow first."""
    found: dict[str, tuple[Action, int]] = {}
    for case in cases:
        for one in engine.allowed(case, actor):
            if one.refusal is None:
                action, n = found.get(one.action.code, (one.action, 0))
                found[one.action.code] = (action, n + 1)
    return sorted(found.values(), key=lambda offer: -offer[1])


def _action(cases: list[Case], code: str) -> Action:
    """The action of this code: as the first case that is ready for it has it, else as any has it."""
    known = [(case, library.version(case.procedure_id).actions.get(code)) for case in cases]
    named = [(case, action) for case, action in known if action is not None and not action.system_only]
    for case, action in named:
        if case.state in action.from_states:
            return action
    for _case, action in named:
        return action
    raise Http404(_("There is no such action."))


def _refusal(case: Case, code: str, actor: Actor, prepared: Any) -> Refusal | None:
    rules = library.version(case.procedure_id)
    action = rules.actions.get(code)
    if action is None:
        return Refusal("unknown_action", _("This procedure has no such action."))
    return engine.check(case, rules, action, actor, prepared)


def _common(chosen: Action, values: dict[str, Any]) -> dict[str, Any]:
    """What may stand in the one form for all: what comes from a case is left open, and each keeps its own."""
    own = {item.name for item in chosen.form if str(item.default).startswith("$case.")}
    return {name: value for name, value in values.items() if name not in own}


def _offered(cases: list[Case], chosen: Action, values: Any) -> dict[str, Any]:
    """What the room offers for the first, and preselects only where it does so for all."""
    found: dict[str, Any] = {}
    asked = {(one.procedure_id, one.category_id, one.component_code, one.community): one for one in reversed(cases)}
    for case in reversed(asked.values()):
        explain = questions.EXPLAINERS.get((library.version(case.procedure_id).code, chosen.code))
        offered = explain(case, values)[0] if explain else {}
        found = found or dict(offered)
        for name, (options, value) in found.items():
            if offered.get(name, (None, None))[1] != value:
                found[name] = (options, None)
    return found
