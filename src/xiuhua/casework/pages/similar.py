"""The part beside a filing form that shows similar open cases; it follows the class and the place as they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from xiuhua.casework import library, moments, permits, similar, step
from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.words import duration
from xiuhua.city import categories, coordinates, platforms
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform
from xiuhua.manifest import Text

#: The name under which a start form posts the case that the report is to be attached to.
ATTACH = "attach"


@dataclass(frozen=True, slots=True)
class Part:
    """Where the part asks, and which answers of the form it sends along."""

    url: str
    names: str


@dataclass(frozen=True, slots=True)
class Line:
    """One similar case. ``merge_url`` leads to attaching a case that stands already."""

    number: str
    url: str
    title: str
    place: str
    metres: int
    age: str
    state: Text
    merge_url: str = ""


def part(platform_id: int, rules: Procedure, chosen: Action, case: Case | None) -> Part | None:
    """The part for a form; None where the platform's rules want none there."""
    if not similar.stands_beside(platforms.platforms().by_id[platform_id].code, rules.code, chosen.code):
        return None
    names = [item.name for item in chosen.form if item.type in ("category", "condition")]
    for item in chosen.form:
        if item.type == "position":
            names += [f"{item.name}.{one}" for one in ("lon", "lat", "datum")]
    url = reverse("similar", args=[rules.code, chosen.code])
    return Part(f"{url}?{urlencode({'case': case.number})}" if case else url, ",".join([*names, ATTACH]))


@requires("case.report", "case.act")
def similar_part(request: HttpRequest, procedure: str, action: str) -> HttpResponse:
    """``?case=`` for a case that stands, else for a report on the actor's platform; then answers by field name."""
    actor = request.actor  # type: ignore[attr-defined]
    number = request.GET.get("case", "")
    case = permits.visible(actor).filter(number=number).first() if number else None
    platform = case.platform_id if case else present.platform_of(actor)
    if (number and case is None) or platform not in platforms.platforms().by_id:
        raise Http404(_("There is no such case, or you may not see it."))
    rules, chosen = _rules(procedure, action, platform, case)
    book = similar.RULES.value(platforms.platforms().by_id[platform].code)
    category = _category(chosen, request.GET, case)
    reach, place = book.reach(category), _place(chosen, request.GET, case)
    merge = similar.may_merge(case or step.blank_case(rules, 0, platform), rules, actor, None if case else chosen)
    found = (
        similar.find(actor, procedure, reach, category, place, but=case.pk if case else None, most=book.most)
        if place
        else []
    )
    return render(
        request,
        "casework/similar.html",
        {
            "located": place is not None,
            "lines": [_line(one, case, merge) for one in found],
            "merge": merge and merge[0].title,
            "attach": "" if case else ATTACH,
            "chosen": request.GET.get(ATTACH, ""),
            "rule": _rule_words(reach),
            "sample": book.sample,
        },
    )


def _rules(procedure: str, action: str, platform: int, case: Case | None) -> tuple[Procedure, Action]:
    if case is not None:
        rules = library.version(case.procedure_id)
    else:
        if procedure not in {library.version(pk).code for pk in library.active()}:
            raise Http404(_("There is no such action."))
        rules = library.current(procedure, Platform.objects.get(pk=platform))[1]
    chosen = rules.actions.get(action)
    if rules.code != procedure or chosen is None or chosen.system_only or chosen.start != (case is None):
        raise Http404(_("There is no such action."))
    return rules, chosen


def _category(chosen: Action, given: Mapping[str, Any], case: Case | None) -> categories.CategoryInfo | None:
    """The class answered, else that of the condition answered, else the case's."""
    book = categories.catalogue()
    for item in chosen.form:
        pk = row_id(str(given.get(item.name) or ""))
        if item.type == "category" and pk in book.by_id:
            return book.by_id[pk]
        if item.type == "condition" and pk and (found := book.of_condition(pk)):
            return found[0]
    return book.by_id.get(case.category_id or 0) if case else None


def _place(chosen: Action, given: Mapping[str, Any], case: Case | None) -> tuple[float, float] | None:
    """Longitude and latitude in degrees: as answered, else the case's; None while there are none."""
    for item in chosen.form:
        if item.type != "position" or not (given.get(f"{item.name}.lon") or given.get(f"{item.name}.lat")):
            continue
        try:
            lon, lat = float(given[f"{item.name}.lon"]), float(given[f"{item.name}.lat"])
            datum = coordinates.Datum(given.get(f"{item.name}.datum") or "wgs84")
            lon, lat = coordinates.to_wgs84(lon, lat, datum)
        except (KeyError, ValueError):
            return None
        return (lon, lat) if abs(lon) <= 180 and abs(lat) <= 90 else None
    if case is not None and case.lon is not None and case.lat is not None:
        return case.lon, case.lat
    return None


def _line(near: similar.Near, case: Case | None, merge: tuple[Action, str] | None) -> Line:
    other = near.case
    rules = library.version(other.procedure_id)
    age = duration(max(0, int((moments.now() - other.created_at).total_seconds())))
    url = ""
    if case is not None and merge is not None:
        query = urlencode({merge[1]: other.number})
        url = f"{reverse('case-act', args=[case.number, merge[0].code])}?{query}"
    state = rules.states.get(other.state)
    title = state.title if state else Text(other.state, other.state)
    return Line(
        other.number, present.case_url(other), present.title_of(other), other.address, near.metres, age, title, url
    )


def _rule_words(reach: similar.Reach) -> str:
    same = {
        "class": _("same class"),
        "major": _("same major class"),
        "kind": _("same kind"),
        "any": _("any class"),
    }[reach.same]
    days = ngettext("%(count)d day", "%(count)d days", reach.days) % {"count": reach.days}
    return _("%(same)s, within %(metres)d m, in the last %(days)s") % {
        "same": same,
        "metres": reach.radius_m,
        "days": days,
    }


def attach_url(actor: Actor, number: str, wanted: str) -> str:
    """Where a new report is attached to the case that was chosen beside its form; '' when it was none or may not be."""
    if not wanted:
        return ""
    case = Case.objects.get(number=number)
    rules = library.version(case.procedure_id)
    merge = similar.may_merge(case, rules, actor)
    other = permits.visible(actor).filter(number=wanted, open=True).exclude(pk=case.pk).first()
    if merge is None or other is None:
        return ""
    return f"{reverse('case-act', args=[number, merge[0].code])}?{urlencode({merge[1]: other.number})}"
