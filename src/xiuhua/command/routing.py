"""Which unit should handle a case, and why: proposed before one sends, chosen by a person.

The order of looking (owner first for components, territory first for events) is a rule file (`data/routing.yaml` ships);
the units come from the component's own record and from the duty list (class x area -> unit).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from xiuhua.casework import rule_files
from xiuhua.casework.models import Case
from xiuhua.casework.yaml_source import Path
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


#: Kinds of class, and the rules by which a unit is looked for.
KINDS = frozenset({"component", "event"})
WAYS = frozenset({"owner", "maintainer", "competent", "duty"})


def _check(book: RoutingRules, _name: str) -> Iterator[tuple[Path, str, str]]:
    """Kinds and rules that there are, each rule with its reason."""
    for kind, ways in book.order.items():
        if kind not in KINDS:
            yield ("order", kind), f"没有类别 {kind}", f"there is no kind {kind!r}"
        for number, way in enumerate(ways):
            if way not in WAYS:
                yield ("order", kind, number), f"没有规则 {way}", f"there is no rule {way!r}"
            elif way not in book.reasons:
                yield ("order", kind, number), f"reasons 中缺少 {way} 的说明", f"'reasons' has no words for {way!r}"


RULES = rule_files.RuleFile(
    kind="routing",
    title=Text("派遣建议顺序", "Order of routing"),
    help=Text(
        "按什么顺序寻找责任单位，以及向派遣员说明的理由。", "In which order a responsible unit is looked for, and why."
    ),
    schema=RoutingRules,
    package="xiuhua.command",
    file="routing.yaml",
    check=_check,
)
rule_files.register(RULES)


def rules() -> RoutingRules:
    """What is in force: the city's own order, else the sample that ships."""
    return RULES.value()


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
