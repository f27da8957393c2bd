"""Direct dispatch by rule: a trusted collector's report of a class that a rule names is filed and dispatched by the engine.

Rules are a rule file for each platform, edited in the application; what ships is a sample, switched off. Whatever is
missing or in doubt (a post, a component, a unit, a place in no grid, a like case near by, a faulty file) leaves the report
with the operator, as if there were no rules.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, radians

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from pydantic import BaseModel, ConfigDict, Field

from xiuhua.casework import rule_files
from xiuhua.casework.context import Change, Context
from xiuhua.casework.engine import advance
from xiuhua.casework.models import Case, Outbox
from xiuhua.casework.refusal import Refused
from xiuhua.casework.registry import effect, outbox
from xiuhua.casework.yaml_source import Path
from xiuhua.city import categories
from xiuhua.city.access import SYSTEM
from xiuhua.city.categories import CategoryInfo, ConditionInfo
from xiuhua.city.models import Appointment, Platform, Post
from xiuhua.city.roles import TextData
from xiuhua.command import routing
from xiuhua.manifest import Text

log = logging.getLogger("xiuhua.direct")
KIND = "direct_dispatch"
URGENCIES = frozenset({"ordinary", "urgent", "very_urgent"})
_M_PER_E7 = 0.0111195  # metres of 1e-7 degree of latitude


class ClassRule(BaseModel):
    """A class of a scheme and the condition under which it is filed, counted from 1 in the order of the manual."""

    model_config = ConfigDict(extra="forbid")
    scheme: str
    kind: str
    code: str
    condition: int = Field(ge=1)


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: TextData
    posts: list[str] = Field(min_length=1)
    urgency: list[str] = ["ordinary"]
    units: list[str] = Field(min_length=1)
    classes: list[ClassRule] = Field(min_length=1)


class Rules(BaseModel):
    """One file. ``near_m`` in metres; ``sample_percent`` of the cases are looked at by an operator."""

    model_config = ConfigDict(extra="forbid")
    sample: bool
    switched_on: bool
    near_m: int = Field(ge=0, le=500)
    sample_percent: int = Field(ge=0, le=100)
    rules: list[Rule]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says about a case."""

    rule: Rule
    condition_id: int
    organisation_id: int
    basis: str
    sampled: bool


def _check(book: Rules, platform: str) -> Iterator[tuple[Path, str, str]]:
    """Posts, routing rules, classes and conditions that there are."""
    ways = {way for order in routing.rules().order.values() for way in order}
    posts = set(Post.objects.filter(platform__code=platform).values_list("code", flat=True))
    catalogue = categories.catalogue()
    for number, rule in enumerate(book.rules):
        here: Path = ("rules", number)
        for place, post in enumerate(rule.posts):
            if post not in posts:
                yield (*here, "posts", place), f"本平台没有岗位 {post}", f"the platform has no post {post!r}"
        for place, urgency in enumerate(rule.urgency):
            if urgency not in URGENCIES:
                yield (*here, "urgency", place), f"没有紧急程度 {urgency}", f"there is no urgency {urgency!r}"
        for place, unit in enumerate(rule.units):
            if unit not in ways:
                yield (*here, "units", place), f"派遣规则中没有 {unit}", f"there is no routing rule {unit!r}"
        for place, one in enumerate(rule.classes):
            found = catalogue.category(one.scheme, one.kind, one.code)
            where = (*here, "classes", place)
            if found is None:
                yield where, f"没有案件类别 {one.scheme}/{one.code}", f"there is no class {one.scheme}/{one.code}"
            elif one.condition > len(found.conditions):
                count = len(found.conditions)
                yield (*where, "condition"), f"该类别只有 {count} 条立案条件", f"the class has {count} conditions"


RULES = rule_files.RuleFile(
    kind=KIND,
    title=Text("按规则直派", "Direct dispatch"),
    help=Text(
        "可信采集员上报的指定类别由系统直接立案派遣，受理员事后抽查。",
        "A trusted collector's report of a named class is filed and dispatched by the engine; an operator looks at a sample.",
    ),
    schema=Rules,
    package="xiuhua.command",
    file="direct_dispatch.sample.yaml",
    per_platform=True,
    check=_check,
)
rule_files.register(RULES)


def rules_of(platform_code: str) -> Rules:
    """What is in force on a platform: its own file, else the sample, which is switched off."""
    return RULES.value(platform_code)


def named(platform_code: str, category: CategoryInfo) -> tuple[Rule, ConditionInfo] | None:
    """The first rule in force that names the class, and the condition that it files under; None while switched off."""
    book = rules_of(platform_code)
    place = (category.scheme.code, category.kind, category.code)
    for rule in book.rules if book.switched_on else ():
        for one in rule.classes:
            if (one.scheme, one.kind, one.code) == place and one.condition <= len(category.conditions):
                condition = category.conditions[one.condition - 1]
                return (rule, condition) if condition.fileable else None
    return None


def decide(case: Case) -> Decision | None:
    """1. the platform's rules; 2. the first rule of post, class and urgency; 3. its condition can be filed under and the
    place lies in a grid; 4. nothing like it near by; 5. the unit that routing names first is named by a rule allowed here.
    """
    book = rules_of(case.platform.code)
    category = categories.catalogue().by_id.get(case.category_id or 0)
    if not book.switched_on or category is None or not case.grid:
        return None
    posts = _posts(case)
    place = (category.scheme.code, category.kind, category.code)
    for rule in book.rules:
        chosen = next((c for c in rule.classes if (c.scheme, c.kind, c.code) == place), None)
        if chosen is None or case.urgency not in rule.urgency or not posts & set(rule.posts):
            continue
        condition = category.conditions[chosen.condition - 1] if chosen.condition <= len(category.conditions) else None
        proposed = routing.propose(case)
        if condition is None or not condition.fileable or not proposed or proposed[0].rule not in rule.units:
            return None
        if _alike_near(case, book.near_m):
            return None
        first = proposed[0]
        return Decision(
            rule, condition.id, first.organisation_id, str(first.reason), _sampled(case, book.sample_percent)
        )
    return None


def _posts(case: Case) -> frozenset[str]:
    """Codes of the posts that the reporter holds today on the case's platform."""
    if case.created_by_id is None:
        return frozenset()
    today = timezone.localdate()
    held = Appointment.objects.filter(
        Q(until__isnull=True) | Q(until__gte=today), user_id=case.created_by_id, since__lte=today,
        post__platform_id=case.platform_id,
    )  # fmt: skip
    return frozenset(held.values_list("post__code", flat=True))


def _alike_near(case: Case, metres: int) -> bool:
    """Whether an open case of the class lies within so many metres (a square is near enough)."""
    if case.lon_e7 is None or case.lat_e7 is None or case.category_id is None:
        return True
    up = int(metres / _M_PER_E7)
    along = int(up / max(cos(radians(case.lat_e7 / 1e7)), 0.1))
    return (
        Case.objects.filter(
            open=True, parent__isnull=True, category_id=case.category_id,
            lon_e7__range=(case.lon_e7 - along, case.lon_e7 + along),
            lat_e7__range=(case.lat_e7 - up, case.lat_e7 + up),
        ).exclude(pk=case.pk).exists()
    )  # fmt: skip


def _sampled(case: Case, percent: int) -> bool:
    """The same answer for the same case however often it is asked, and none that a reporter can choose."""
    drawn = salted_hmac("xiuhua.command.direct", str(case.pk), algorithm="sha256").digest()
    return int.from_bytes(drawn[:4], "big") % 100 < percent


@effect("direct_dispatch")
def consider(ctx: Context, change: Change, value: object = None) -> None:
    """Let the rules of direct dispatch look at the new report."""
    change.send(KIND, "report")


@outbox(KIND)
def dispatch_by_rule(row: Outbox) -> None:
    """File and dispatch, each an event that names the rule; a case that anybody has touched meanwhile is left alone.

    Coming again after a crash, the first step answers from its key and only what is missing is done.
    """
    assert row.case_id is not None
    case = Case.objects.select_related("platform").get(pk=row.case_id)
    found = decide(case)
    if found is None:
        return
    rule = f"{found.rule.title.zh} ({found.rule.code})"
    unit = {"unit": found.organisation_id, "rule": rule, "basis": found.basis}
    action = "dispatch_by_rule_sampled" if found.sampled else "dispatch_by_rule"
    try:
        filing = {"condition": found.condition_id, "rule": rule}
        advance(case.pk, "file_by_rule", SYSTEM, filing, key=f"{row.key}:file", door="system", seq=1)
        advance(case.pk, action, SYSTEM, unit, key=f"{row.key}:dispatch", door="system", seq=2)
    except Refused as refused:
        log.info("direct dispatch of %s left to the operator: %s", case, refused.refusal.code)


def main(argv: list[str]) -> int:
    """Say which rules of direct dispatch are in force on a platform."""
    parser = argparse.ArgumentParser(prog="xiuhua dispatch rules", description=main.__doc__)
    parser.add_argument("platform", help="code of the platform, for example 421200")
    options = parser.parse_args(argv)
    if not Platform.objects.filter(code=options.platform).exists():
        print(f"there is no platform {options.platform}", file=sys.stderr)
        return 1
    book = rules_of(options.platform)
    source = "the platform's own file" if RULES.own(options.platform) else "the sample that ships"
    print(f"direct dispatch is {'on' if book.switched_on else 'off'}, by {source}")
    for rule in book.rules:
        print(
            f"  {rule.code}: {rule.title.en}; {', '.join(c.code for c in rule.classes)}; posts {', '.join(rule.posts)}"
        )
    return 0
