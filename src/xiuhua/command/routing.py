"""Which unit should handle a case, and why: proposed before one sends, chosen by a person.

The order of looking (owner first for components, territory first for events) is data (`data/routing.yaml`);
the units come from the component's own record and from the duty list (class x area -> unit).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

from xiuhua.casework.models import Case
from xiuhua.city import categories, duties, organisations
from xiuhua.city.models import Component
from xiuhua.manifest import Text


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid")
    zh: str
    en: str


class RoutingRules(BaseModel):
    """The file's schema."""

    model_config = ConfigDict(extra="forbid")
    sample: bool
    order: dict[str, list[str]]
    reasons: dict[str, _Words]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A unit and the rule that names it; ``basis`` is the duty row's own text, if there is one."""

    organisation_id: int
    organisation: Text
    rule: str
    reason: Text
    basis: Text | None = None
    sample: bool = False


@cache
def rules() -> RoutingRules:
    text = (resources.files("xiuhua.command") / "data" / "routing.yaml").read_text("utf-8")
    return RoutingRules.model_validate(yaml.safe_load(text))


def propose(case: Case) -> list[Proposal]:
    """Units for a case, the best first, each once; empty when no rule names one."""
    own = rules()
    category = categories.catalogue().by_id.get(case.category_id) if case.category_id else None
    kind = category.kind if category else case.kind or "event"
    component = Component.objects.filter(code=case.component_code).first() if case.component_code else None
    tree = organisations.tree()
    found: dict[int, Proposal] = {}
    for rule in own.order.get(kind, []):
        words = own.reasons[rule]
        reason = Text(words.zh, words.en)
        if rule == "duty":
            for row in duties.duties_for(
                case.platform_id,
                category.scheme.code if category else case.scheme,
                kind,
                category.code if category else "",
                case.community or case.sub_district or case.county,
            ):
                unit = tree.by_id.get(row.organisation_id)
                if unit is not None:
                    proposal = Proposal(unit.id, unit.name, rule, reason, row.basis, row.sample)
                    found.setdefault(unit.id, proposal)
        elif component is not None:
            unit = tree.by_id.get(getattr(component, f"{rule}_id") or 0)
            if unit is not None and unit.active:
                found.setdefault(unit.id, Proposal(unit.id, unit.name, rule, reason))
    return list(found.values())
