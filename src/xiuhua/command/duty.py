"""The rules of the change of duty: when it is, and what is handed over. A rule file for each platform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xiuhua.casework import library, rule_files
from xiuhua.casework.yaml_source import Path
from xiuhua.city.roles import TextData
from xiuhua.manifest import Text

KIND = "duty"
LOCAL = ZoneInfo("Asia/Shanghai")
CODE = r"^[a-z][a-z0-9_]{0,39}$"


class Change(BaseModel):
    """A time of the local day at which duty changes."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=CODE)
    at: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    title: TextData

    @property
    def time(self) -> time:
        return time.fromisoformat(self.at)


class Section(BaseModel):
    """Open cases that the one duty leaves to the next; every part that is not empty narrows them."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=CODE)
    title: TextData
    states: list[str] = []
    urgency: list[Literal["urgent", "very_urgent"]] = []
    sources: list[str] = []
    due: Literal["", "overdue", "today"] = ""
    rings: bool = False

    @model_validator(mode="after")
    def _something(self) -> Section:
        asked = bool(self.states or self.urgency or self.sources or self.due)
        if asked == self.rings:
            raise ValueError("a section asks for cases, or for rings, not for both and not for nothing")
        return self


class DutyRules(BaseModel):
    """One file. ``early_minutes``: how long before the moment it may be signed."""

    model_config = ConfigDict(extra="forbid")
    sample: bool
    early_minutes: int = Field(ge=0, le=720)
    changes: list[Change] = Field(min_length=1, max_length=6)
    sections: list[Section] = Field(min_length=1, max_length=12)


@dataclass(frozen=True, slots=True)
class Moment:
    """A change of duty at an instant (UTC)."""

    at: datetime
    change: Change


def _check(book: DutyRules, _platform: str) -> Iterator[tuple[Path, str, str]]:
    """Doubles, and states that no procedure in force has."""
    for name, codes in (("changes", [c.code for c in book.changes]), ("sections", [s.code for s in book.sections])):
        for number, code in enumerate(codes):
            if code in codes[:number]:
                yield (name, number, "code"), f"代码 {code} 重复", f"the code {code!r} stands twice"
    states = {code for pk in library.active() for code in library.version(pk).states}
    for number, section in enumerate(book.sections):
        for place, state in enumerate(section.states):
            if state not in states:
                where: Path = ("sections", number, "states", place)
                yield where, f"没有状态 {state}", f"no procedure has a state {state!r}"


RULES = rule_files.RuleFile(
    kind=KIND,
    title=Text("值班交接", "Change of duty"),
    help=Text(
        "何时交接班，交接单上列哪些案件。",
        "When duty changes, and which cases the hand-over lists.",
    ),
    schema=DutyRules,
    package="xiuhua.command",
    file="duty.sample.yaml",
    per_platform=True,
    check=_check,
)
rule_files.register(RULES)


def rules_of(platform_code: str) -> DutyRules:
    return RULES.value(platform_code)


def moment_of(rules: DutyRules, now: datetime) -> Moment:
    """The change of duty in hand: the latest that has come, or may be signed already."""
    local = now.astimezone(LOCAL)
    early = timedelta(minutes=rules.early_minutes)
    found = [
        Moment(at, change)
        for days in (-1, 0, 1)
        for change in rules.changes
        if (at := datetime.combine(local.date() + timedelta(days=days), change.time, LOCAL)) - early <= now
    ]
    return max(found, key=lambda one: one.at)


def end_of_day(now: datetime) -> datetime:
    """The local midnight that follows."""
    local = now.astimezone(LOCAL)
    return datetime.combine(local.date() + timedelta(days=1), time(), LOCAL)
