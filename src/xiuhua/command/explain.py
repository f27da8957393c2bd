"""What the command room says before sending: the unit that the rules propose, and why."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from xiuhua.casework.models import Case
from xiuhua.casework.pages.questions import explainer
from xiuhua.city import organisations
from xiuhua.command import routing
from xiuhua.ui.forms import Option
from xiuhua.ui.parts import Row


@explainer("city_case", "dispatch")
@explainer("city_case", "redispatch")
def propose_unit(case: Case) -> tuple[dict[str, tuple[list[Option], Any]], list[Row]]:
    """The proposed unit first and chosen, the others of the platform below."""
    found = routing.propose(case)
    first = [Option(str(p.organisation_id), p.organisation, p.reason, group=_("Proposed")) for p in found]
    known = {p.organisation_id for p in found}
    rest = [
        Option(str(o.id), o.name, o.short_name, group=_("Other units"))
        for o in organisations.tree().of_platform(case.platform_id)
        if o.id not in known
    ]
    chosen = str(found[0].organisation_id) if found else None
    rows = [
        Row(_("Proposed unit"), p.organisation, note=" · ".join(str(w) for w in (p.reason, p.basis) if w), icon="route")
        for p in found[:3]
    ] or [Row(_("Proposed unit"), _("no rule names one"), icon="route")]
    return {"unit": ([*first, *rest], chosen)}, rows
