"""Retention rules: data with a schema, one file for each platform, else the sample that ships."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

import yaml
from django.conf import settings
from django.db.models import Q
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xiuhua.city.roles import TextData

SAMPLE = "retention.sample.yaml"


class RulesBroken(ValueError):
    """The file cannot be used; the message names it, and every fault with its place."""


class Rule(BaseModel):
    """Which cases, and how many days after their end their personal data goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: TextData
    procedures: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    days: int = Field(ge=30, le=36500)
    keep_evidence: bool = False

    @model_validator(mode="after")
    def _classes_have_a_kind(self) -> Rule:
        wrong = [one for one in self.classes if not one.partition(":")[0]]
        if wrong:
            raise ValueError(f"a class is kind:code, such as event:01, not {wrong[0]!r}")
        return self

    def fits(self) -> Q:
        """The condition on cases."""
        found = Q()
        if self.procedures:
            found &= Q(procedure_code__in=self.procedures)
        if self.sources:
            found &= Q(source__in=self.sources)
        if self.classes:
            any_class = Q(pk__in=[])
            for one in self.classes:
                kind, _colon, code = one.partition(":")
                any_class |= Q(kind=kind, category__code__startswith=code) if code else Q(kind=kind)
            found &= any_class
        return found


class Rules(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sample: bool
    source: TextData
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _codes_once(self) -> Rules:
        codes = [rule.code for rule in self.rules]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]!r} stands twice")
        return self

    def rule(self, code: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.code == code), None)

    def condition(self, rule: Rule) -> Q:
        """The cases of a rule: those that it fits and no rule before it."""
        found = rule.fits()
        for earlier in self.rules[: self.rules.index(rule)]:
            condition = earlier.fits()
            # An empty Q fits everything; its negation would fit everything too.
            found &= ~condition if condition else Q(pk__in=[])
        return found


def parse(text: str, name: str) -> Rules:
    """Raises `RulesBroken`."""
    try:
        return Rules.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors(include_url=False)]
        raise RulesBroken("\n".join(f"{name}: {fault}" for fault in faults)) from error
    except yaml.YAMLError as error:
        raise RulesBroken(f"{name}: {error}") from error


def file_of(platform_code: str) -> Path:
    return Path(settings.DATA_DIR) / "rules" / "retention" / f"{platform_code}.yaml"


def rules_of(platform_code: str) -> Rules:
    """What is in force on a platform. Raises `RulesBroken`, OSError."""
    path = file_of(platform_code)
    if not path.is_file():
        return _sample()
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _sample() -> Rules:
    return parse((resources.files("xiuhua.ops") / "data" / SAMPLE).read_text("utf-8"), SAMPLE)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> Rules:
    return parse(path.read_text("utf-8"), path.name)
