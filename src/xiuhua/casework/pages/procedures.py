"""Procedures as drawings with live counts of the cases that the reader may see."""

from __future__ import annotations

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import diagram, library, moments, permits
from xiuhua.casework.pages import present
from xiuhua.casework.procedures import Procedure
from xiuhua.city import roles
from xiuhua.city.access import requires
from xiuhua.city.models import Platform


@requires("case.read", "procedure.manage")
def procedure_list(request: HttpRequest) -> HttpResponse:
    """Every procedure in force with the number of open cases."""
    actor = request.actor  # type: ignore[attr-defined]
    counts = dict(
        permits.visible(actor).filter(open=True).order_by().values_list("procedure_code").annotate(n=Count("pk"))
    )
    rows: dict[str, tuple[Procedure, int]] = {}
    for pk in library.active():
        rules = library.version(pk)
        rows.setdefault(rules.code, (rules, counts.get(rules.code, 0)))
    return render(request, "casework/procedures.html", {"rows": rows.values(), "as_of": moments.now()})


@requires("case.read", "procedure.manage")
def procedure(request: HttpRequest, code: str) -> HttpResponse:
    """One procedure as it runs on the reader's platform."""
    actor = request.actor  # type: ignore[attr-defined]
    try:
        _pk, rules = library.current(code, Platform.objects.get(pk=present.platform_of(actor)))
    except KeyError:
        raise Http404(_("There is no such procedure.")) from None
    counts = dict(
        permits.visible(actor)
        .filter(procedure_code=code, open=True)
        .order_by()
        .values_list("state")
        .annotate(n=Count("pk"))
    )
    drawing = diagram.diagram(
        rules,
        get_language() or "zh-hans",
        counts=counts,
        role_titles={role_code: role.title for role_code, role in roles.roles().items()},
    )
    return render(
        request,
        "casework/procedure.html",
        {
            "rules": rules,
            "diagram": mark_safe(drawing),  # noqa: S308  our own drawing, titles escaped there
            "states": [(s, counts.get(c, 0)) for c, s in rules.states.items() if not s.final],
            "clocks": [(rule, _(rule.source) if rule.source else "") for rule in rules.clocks.values()],
            "as_of": moments.now(),
        },
    )
