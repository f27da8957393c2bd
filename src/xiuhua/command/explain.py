"""What the command room says before sending: the unit that the rules propose, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from xiuhua.casework.models import Case
from xiuhua.casework.pages.questions import explainer
from xiuhua.city import organisations
from xiuhua.command import routing
from xiuhua.ui.forms import Option
from xiuhua.ui.parts import Row

Told = tuple[dict[str, tuple[list[Option], Any]], list[Row]]


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
