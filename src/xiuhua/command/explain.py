"""What the command room says before sending: the unit that the rules propose, and why."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages.questions import explainer
from xiuhua.city import categories, coordinates, locator, organisations, platforms
from xiuhua.command import direct, routing
from xiuhua.ui.forms import Option
from xiuhua.ui.parts import Row

#: Options (None: those of the field itself) and the value to begin with, by field; rows that say why.
Told = tuple[dict[str, tuple[list[Option] | None, Any]], list[Row]]


@explainer("city_case", "dispatch")
@explainer("city_case", "redispatch")
@explainer("city_case", "decide_dispute")
def propose_unit(case: Case, answers: Mapping[str, Any]) -> Told:
    """The proposed unit first and chosen, the others of the platform below; the rule behind the one chosen."""
    found = routing.propose(case)
    known = {str(p.organisation_id): p for p in found}
    first = [Option(str(p.organisation_id), p.organisation, p.reason, group=_("Proposed")) for p in found]
    rest = [
        Option(str(o.id), o.name, o.short_name, group=_("Other units"))
        for o in organisations.tree().of_platform(case.platform_id)
        if str(o.id) not in known
    ]
    proposed = str(found[0].organisation_id) if found else None
    chosen = str(answers.get("unit") or proposed or "")
    rows = []
    if chosen in known:
        rule = known[chosen]
        note = " · ".join(str(w) for w in (rule.basis, _("sample value") if rule.sample else "") if w)
        rows.append(Row(_("By the rule"), rule.reason, note=note, icon="route"))
    elif found:
        note = _("Proposed: %(unit)s") % {"unit": found[0].organisation}
        rows.append(Row(_("By the rule"), _("none: chosen by hand"), note=note, icon="route"))
    else:
        rows.append(Row(_("By the rule"), _("no rule names one"), icon="route"))
    others = [f"{p.organisation} ({p.reason})" for p in found if str(p.organisation_id) != chosen]
    if others:
        rows.append(Row(_("Also proposed"), others[0], note=" · ".join(others[1:3]), icon="arrow-right"))
    return {"unit": ([*first, *rest], proposed)}, rows


@explainer("city_case", "file")
def propose_condition(case: Case, answers: Mapping[str, Any]) -> Told:
    """The condition that is the only one of its class, or that a rule of direct dispatch in force names."""
    book = categories.catalogue()
    row = book.by_id.get(case.category_id or 0)
    fileable = [one for one in row.conditions if one.fileable] if row else []
    found, why = None, ""
    if len(fileable) == 1:
        found, why = fileable[0], _("the only one of its class")
    elif row is not None and (rule := direct.named(platforms.platforms().by_id[case.platform_id].code, row)):
        found, why = rule[1], _("rule of direct dispatch: %(rule)s") % {"rule": rule[0].title.text()}
    chosen = str(answers.get("condition") or (found.id if found else ""))
    if not chosen:
        return {}, []
    by = why if found is not None and chosen == str(found.id) else _("chosen by hand")
    text = book.conditions.get(row_id(chosen))
    rows = [Row(_("File condition"), text.text, note=by, icon="route")] if text else []
    return {"condition": (None, str(found.id) if found else None)}, rows


@explainer("city_case", "file_and_dispatch")
def propose_both(case: Case, answers: Mapping[str, Any]) -> Told:
    """The condition, and the unit for the class and the place as they are answered."""
    offered, rows = propose_condition(case, answers)
    units, more = propose_unit(_as_answered(case, answers), answers)
    return {**offered, **units}, [*rows, *more]


def _as_answered(case: Case, answers: Mapping[str, Any]) -> Case:
    """A copy with the class of the condition and the ground under the position that are answered."""
    probe = copy.copy(case)
    found = categories.catalogue().of_condition(row_id(str(answers.get("condition") or "")))
    if found is not None:
        probe.category_id, probe.kind, probe.scheme = found[0].id, found[0].kind, found[0].scheme.code
    place = answers.get("position")
    if not isinstance(place, Mapping) or "lon" not in place:
        return probe
    try:
        datum = coordinates.Datum(place.get("datum") or "wgs84")
        here = locator.locate(*coordinates.to_wgs84(float(place["lon"]), float(place["lat"]), datum))
    except (KeyError, ValueError):
        return probe  # the form says what is wrong with it
    probe.community, probe.sub_district, probe.county = here.community, here.sub_district, here.county
    return probe


def _below(case: Case, field: str) -> Told:
    """Only units below the one that has the case."""
    tree = organisations.tree()
    own = case.holder_org_id or case.responsible_org_id
    rows = [tree.by_id[pk] for pk in tree.subtree_ids(own) if pk != own]
    options = [Option(str(o.id), o.name, o.short_name) for o in sorted(rows, key=lambda o: o.code) if o.active]
    return {field: (options, None)}, []


@explainer("city_case", "sub_dispatch")
@explainer("sub_dispatch", "pass_down")
@explainer("sub_dispatch", "send_crew")
def below(case: Case, answers: Mapping[str, Any]) -> Told:
    """Units to pass a case down to."""
    return _below(case, "sub_unit")


@explainer("city_case", "send_crew")
def crews(case: Case, answers: Mapping[str, Any]) -> Told:
    """Crews to send."""
    return _below(case, "crew")
