"""Look-ups behind searchable boxes: ``?q=`` -> {"results": [{value, label, note}]}; and the words for a position."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import permits, search
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present, questions
from xiuhua.city import categories, component_points, coordinates, locator, organisations
from xiuhua.city.access import Actor, requires, signed_in
from xiuhua.city.models import Component

LIMIT = 20


@requires("case.report", "case.act", "case.read")
def lookup(request: HttpRequest, kind: str) -> JsonResponse:
    """Categories, conditions, organisations, people by role, cases, components."""
    actor = request.actor  # type: ignore[attr-defined]
    text = search.clean(request.GET.get("q", ""))
    case = permits.visible(actor).filter(number=request.GET.get("case", "")).first()
    name, _dash, role = kind.partition("-")
    finder = _FINDERS.get(name)
    if finder is None:
        raise Http404
    return JsonResponse({"results": finder(actor, text, case, role)[:LIMIT]})


def _categories(actor: Actor, text: str, case: Case | None, role: str) -> list[dict[str, Any]]:
    book = categories.catalogue()
    rows = book.search(text, scheme=book.default_scheme(), fileable=True, limit=LIMIT)
    return [
        {"value": str(r.id), "label": str(r.title), "note": f"{r.code} · {_kind(r.kind)} · {r.major}"} for r in rows
    ]


def _kind(kind: str) -> str:
    return _("component") if kind == "component" else _("event")


def _conditions(actor: Actor, text: str, case: Case | None, role: str) -> list[dict[str, Any]]:
    """Conditions of the case's class; with words, of any class that fits them."""
    if case is not None and not text:
        return [_plain(option) for option in questions.conditions(case)]
    book = categories.catalogue()
    found = []
    for row in book.search(text, scheme=book.default_scheme(), fileable=True, limit=8):
        probe = Case(category_id=row.id)
        found += [_plain(option) for option in questions.conditions(probe)]
    return found


def _plain(option: Any) -> dict[str, Any]:
    group = f"{option.group} · " if option.group else ""
    return {"value": option.value, "label": f"{group}{option.label}", "note": str(option.note)}


def _organisations(actor: Actor, text: str, case: Case | None, role: str) -> list[dict[str, Any]]:
    platform = case.platform_id if case is not None else present.platform_of(actor)
    words = text.casefold()
    return [
        {"value": str(o.id), "label": str(o.name), "note": o.short_name}
        for o in organisations.tree().of_platform(platform or 0)
        if not words or words in f"{o.name.zh}{o.name.en}{o.short_name}{o.code}".casefold()
    ]


def _users(actor: Actor, text: str, case: Case | None, role: str) -> list[dict[str, Any]]:
    probe = case or Case(platform_id=present.platform_of(actor))
    found = questions.people(probe, "" if role == "any" else role)
    return [_plain(option) for option in found if not text or text in str(option.label)]


def _cases(actor: Actor, text: str, case: Case | None, role: str) -> list[dict[str, Any]]:
    if not text:
        return []
    rows = search.search(actor, text).cases.filter(parent__isnull=True).order_by("-id")[:LIMIT]
    return [{"value": r.number, "label": r.number, "note": f"{present.title_of(r)} · {r.address}"} for r in rows]


def _components(actor: Actor, text: str, case: Case | None, role: str) -> list[dict[str, Any]]:
    """By code or name; without words the ones around the case, nearest first."""
    rows = Component.objects.exclude(state="removed")
    if text:
        rows = rows.filter(code__startswith=text) if text.isdigit() else rows.filter(name__contains=text)
    elif case is not None and case.lon is not None and case.lat is not None:
        return [
            {"value": one.code, "label": one.code, "note": f"{one.name} · {_('%(metres)d m') % {'metres': one.metres}}"}
            for one in component_points.nearest(case.lon, case.lat, radius=150, limit=LIMIT)
        ]
    return [{"value": c.code, "label": c.code, "note": c.name} for c in rows.order_by("code")[:LIMIT]]


_FINDERS = {
    "category": _categories,
    "condition": _conditions,
    "organisation": _organisations,
    "user": _users,
    "case": _cases,
    "component": _components,
}


@signed_in
def place(request: HttpRequest) -> HttpResponse:
    """A fragment that says where a typed or picked position is."""
    try:
        lon, lat = (float(next(str(v) for k, v in request.GET.items() if k.endswith(end))) for end in (".lon", ".lat"))
        datum = next((str(v) for k, v in request.GET.items() if k.endswith(".datum")), "wgs84")
        lon, lat = coordinates.to_wgs84(lon, lat, coordinates.Datum(datum))
        found = locator.locate(lon, lat)
    except (StopIteration, ValueError, RuntimeError):
        return render(request, "casework/place.html", {"found": None})
    language = get_language()
    names = [
        locator.name(code, language) or code for code in (found.county, found.sub_district, found.community) if code
    ]
    return render(request, "casework/place.html", {"found": found, "names": names})
