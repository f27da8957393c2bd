"""Direct dispatch by rule: a trusted collector's report of a class that a rule names is filed and dispatched by the engine.

Rules are data, one file for each platform; without a file of its own a platform has none. Whatever is missing or in
doubt (a post, a component, a unit, a place in no grid, a like case near by, a faulty file) leaves the report with the
operator, as if there were no rules.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import cos, radians
from pathlib import Path

import yaml
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xiuhua.casework.context import Change, Context
from xiuhua.casework.engine import advance
from xiuhua.casework.models import Case, Outbox
from xiuhua.casework.refusal import Refused
from xiuhua.casework.registry import effect, outbox
from xiuhua.city import categories
from xiuhua.city.access import SYSTEM
from xiuhua.city.models import Appointment, Platform
from xiuhua.city.roles import TextData
from xiuhua.command import routing

log = logging.getLogger("xiuhua.direct")
KIND = "direct_dispatch"
SAMPLE = "direct_dispatch.sample.yaml"
_M_PER_E7 = 0.0111195  # metres of 1e-7 degree of latitude


class RulesBroken(ValueError):
    """The file cannot be used; the message names it, and every fault with its place."""


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


def parse(text: str, name: str) -> Rules:
    """Raises `RulesBroken`."""
    try:
        found = Rules.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        lines = (
            [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors(include_url=False)]
            if isinstance(error, ValidationError)
            else [str(error)]
        )
        raise RulesBroken("\n".join(f"{name}: {line}" for line in lines)) from error
    known = {rule for rules in routing.rules().order.values() for rule in rules}
    wrong = [
        f"{rule.code}: no routing rule {unit!r}" for rule in found.rules for unit in rule.units if unit not in known
    ]
    if wrong:
        raise RulesBroken("\n".join(f"{name}: {line}" for line in wrong))
    return found


def sample() -> Rules:
    """The profile that ships, switched off."""
    return parse((resources.files("xiuhua.command") / "data" / SAMPLE).read_text("utf-8"), SAMPLE)


def file_of(platform_code: str) -> Path:
    return Path(settings.DATA_DIR) / "rules" / KIND / f"{platform_code}.yaml"


def rules_of(platform_code: str) -> Rules:
    """What is in force on a platform: its own file, else the sample. Raises `RulesBroken`, OSError."""
    path = file_of(platform_code)
    if not path.is_file():
        return sample()
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> Rules:
    return parse(path.read_text("utf-8"), path.name)


def decide(case: Case) -> Decision | None:
    """1. the platform's rules; 2. the first rule of post, class and urgency; 3. its condition can be filed under and the
    place lies in a grid; 4. nothing like it near by; 5. the unit that routing names first is named by a rule allowed here.
    """
    try:
        book = rules_of(case.platform.code)
    except (RulesBroken, OSError) as error:
        log.warning("direct dispatch is out of use: %s", error)
        return None
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
    """Say which rules of direct dispatch are in force on a platform; exit code 1 with every fault of its file."""
    parser = argparse.ArgumentParser(prog="xiuhua dispatch rules", description=main.__doc__)
    parser.add_argument("platform", help="code of the platform, for example 421200")
    options = parser.parse_args(argv)
    if not Platform.objects.filter(code=options.platform).exists():
        print(f"there is no platform {options.platform}", file=sys.stderr)
        return 1
    try:
        book = rules_of(options.platform)
    except (RulesBroken, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    path = file_of(options.platform)
    source = path if path.is_file() else f"the sample ({path} does not exist)"
    print(f"direct dispatch is {'on' if book.switched_on else 'off'}, by {source}")
    for rule in book.rules:
        print(
            f"  {rule.code}: {rule.title.en}; {', '.join(c.code for c in rule.classes)}; posts {', '.join(rule.posts)}"
        )
    return 0
