"""Open cases that may be the same matter as the one being reported or filed: like in class, near by, not long ago.

How near and how long ago is a rule of the platform for each class (`data/similar.sample.yaml` ships). What is found lies
within the asking person's sight; it is a hint to a person, who opens a case or attaches the report to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import cos, hypot, radians
from typing import Literal

from django.db.models import F, FloatField, Q
from django.db.models.functions import Cast
from pydantic import BaseModel, ConfigDict, Field

from xiuhua.casework import engine, library, moments, permits, rule_files, step
from xiuhua.casework.models import Case
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.yaml_source import Path
from xiuhua.city import categories
from xiuhua.city.access import Actor
from xiuhua.city.categories import CategoryInfo
from xiuhua.manifest import Text

KIND = "similar"
_M_PER_E7 = 0.0111195  # metres of 1e-7 degree of latitude


class Reach(BaseModel):
    """``radius_m`` in metres around the place, ``days`` of 24 hours back from now."""

    model_config = ConfigDict(extra="forbid")
    same: Literal["class", "major", "kind", "any"]
    radius_m: int = Field(ge=1, le=2000)
    days: int = Field(ge=1, le=366)


class ClassReach(Reach):
    """For the classes of a kind whose codes begin so."""

    kind: Literal["component", "event"]
    code: str = Field(pattern=r"^\d{2,8}$")


class SimilarRules(BaseModel):
    """One file. ``most``: how many are shown; ``forms``: procedure -> actions beside whose form they are."""

    model_config = ConfigDict(extra="forbid")
    sample: bool
    most: int = Field(ge=1, le=30)
    forms: dict[str, list[str]]
    otherwise: Reach
    kinds: dict[Literal["component", "event"], Reach] = {}
    classes: list[ClassReach] = Field(default=[], max_length=500)

    def reach(self, category: CategoryInfo | None) -> Reach:
        """The rule for a class; None: for no class chosen yet."""
        if category is None:
            return self.otherwise
        fits = [one for one in self.classes if one.kind == category.kind and category.code.startswith(one.code)]
        if fits:
            return max(fits, key=lambda one: len(one.code))
        return next((reach for kind, reach in self.kinds.items() if kind == category.kind), self.otherwise)


@dataclass(frozen=True, slots=True)
class Near:
    """A case that may be the same matter, and how far it is."""

    case: Case
    metres: int


def _check(book: SimilarRules, _platform: str) -> Iterator[tuple[Path, str, str]]:
    """Procedures, actions and classes that there are, each class once."""
    known: dict[str, set[str]] = {}
    for rules in map(library.version, library.active()):
        known.setdefault(rules.code, set()).update(rules.actions)
    for code, actions in book.forms.items():
        if code not in known:
            yield ("forms", code), f"没有流程 {code}", f"there is no procedure {code!r}"
            continue
        for place, action in enumerate(actions):
            if action not in known[code]:
                where: Path = ("forms", code, place)
                yield where, f"流程中没有动作 {action}", f"the procedure has no action {action!r}"
    codes = {(row.kind, row.code) for row in categories.catalogue().current()}
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(book.classes):
        where = ("classes", number, "code")
        if (one.kind, one.code) in seen:
            yield where, f"类别 {one.code} 重复", f"the class {one.code!r} stands twice"
        seen.add((one.kind, one.code))
        if not any(kind == one.kind and code.startswith(one.code) for kind, code in codes):
            yield where, f"没有案件类别 {one.code}", f"there is no class {one.code!r}"


RULES = rule_files.RuleFile(
    kind=KIND,
    title=Text("相似案件", "Similar cases"),
    help=Text(
        "受理立案表单旁列出哪些在办案件：各类别的范围和时间。",
        "Which open cases stand beside the filing form: how near and how recent, for each class.",
    ),
    schema=SimilarRules,
    package="xiuhua.casework",
    file="similar.sample.yaml",
    per_platform=True,
    check=_check,
)
rule_files.register(RULES)


def stands_beside(platform_code: str, procedure: str, action: str) -> bool:
    """Whether the platform's rules want similar cases beside the form of an action."""
    return action in RULES.value(platform_code).forms.get(procedure, ())


def find(
    actor: Actor,
    procedure: str,
    reach: Reach,
    category: CategoryInfo | None,
    place: tuple[float, float],
    *,
    but: int | None = None,
    most: int = 8,
) -> list[Near]:
    """Open cases of the procedure within a reach of a place (degrees, CGCS2000), the nearest first. One statement.

    ``but``: the id of the case at hand. Tasks are never among them; a case without class is, whatever `Reach.same` says.
    """
    lon, lat = place[0] * 1e7, place[1] * 1e7
    squeeze = max(cos(radians(place[1])), 0.01)
    up = reach.radius_m / _M_PER_E7
    along = up / squeeze
    east = (Cast(F("lon_e7"), FloatField()) - lon) * squeeze
    north = Cast(F("lat_e7"), FloatField()) - lat
    rows = (
        permits.visible(actor)
        .filter(
            _like(reach, category),
            open=True,
            parent__isnull=True,
            procedure_code=procedure,
            created_at__gte=moments.now() - timedelta(days=reach.days),
            lon_e7__range=(int(lon - along), int(lon + along) + 1),
            lat_e7__range=(int(lat - up), int(lat + up) + 1),
        )
        .exclude(pk=but or 0)
        .annotate(away=east * east + north * north)
        .order_by("away", "id")[:most]
    )
    found = [
        Near(case, round(hypot((case.lon_e7 - lon) * squeeze, case.lat_e7 - lat) * _M_PER_E7))
        for case in rows
        if case.lon_e7 is not None and case.lat_e7 is not None
    ]
    return [one for one in found if one.metres <= reach.radius_m]


def _like(reach: Reach, category: CategoryInfo | None) -> Q:
    if reach.same == "any" or category is None:
        return Q()
    if reach.same == "kind":
        return Q(kind=category.kind) | Q(category__isnull=True)
    # A fault of a component is an event under the component's digits: whoever reports may name either.
    rows = (
        row
        for row in categories.catalogue().by_id.values()
        if row.scheme.code == category.scheme.code
        and (row.kind == category.kind or "component_fault" in (row.derived, category.derived))
    )
    if reach.same == "class":
        ids = [row.id for row in rows if row.code == category.code]
    else:
        ids = [row.id for row in rows if row.major_code == category.major_code]
    return Q(category_id__in=ids) | Q(category__isnull=True)


# -- attaching as a duplicate ------------------------------------------------------------------------------------------


def merging(rules: Procedure) -> tuple[Action, str] | None:
    """The action by which a case is attached to another one, and its question for that case; None: there is none.

    It is known by its effect: it sets ``main_case`` from an answer.
    """
    for act in rules.actions.values():
        for call in act.effects:
            name = str(call.args.get("main_case", "")).removeprefix("$") if call.name == "set" else ""
            field = act.field(name)
            if field is not None and field.type == "case" and not act.system_only:
                return act, name
    return None


def may_merge(case: Case, rules: Procedure, actor: Actor, start: Action | None = None) -> tuple[Action, str] | None:
    """`merging`, when the procedure permits it to the actor for this case, or for one that ``start`` is to open."""
    found = merging(rules)
    if found is None:
        return None
    act, _name = found
    if start is None:
        return found if engine.check(case, rules, act, actor) is None else None
    if start.to not in act.from_states:
        return None
    opened = step.blank_case(rules, case.procedure_id, case.platform_id)
    opened.seq, opened.state = 1, start.to or ""
    return found if permits.may_act(actor, opened, act, rules.states.get(opened.state)) else None
