"""Notice rules: data with a schema. ``DATA_DIR/rules/notices/PLATFORM.yaml``, else the sample that ships."""

from __future__ import annotations

import logging
import string
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import yaml
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from xiuhua.casework.models import Case
from xiuhua.city.platforms import platforms
from xiuhua.city.roles import TextData
from xiuhua.notify.channels.registry import IN_APP, PERSONAL

log = logging.getLogger("xiuhua.notify")
LOCAL = ZoneInfo("Asia/Shanghai")
SAMPLE = "notices.sample.yaml"
#: Words that a text may use; `words.py` fills them.
WORDS = frozenset({"number", "title", "place", "state", "unit", "due", "action", "platform"})
#: Seconds for which a look at the file holds.
LOOK = 5.0


class RulesBroken(ValueError):
    """The file cannot be used; the message names it, and every fault with its place."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quiet(_Data):
    """Hours (Asia/Shanghai) in which nothing rings, and the urgencies for which it does."""

    start: str = Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    end: str = Field(alias="to", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    urgent: tuple[str, ...] = Field(default=(), alias="except")

    def until(self, at: datetime, urgency: str) -> datetime | None:
        """The end of the quiet in which ``at`` lies; None when a telephone may ring."""
        if urgency in self.urgent or self.start == self.end:
            return None
        local = at.astimezone(LOCAL)
        start, end = clock_time.fromisoformat(self.start), clock_time.fromisoformat(self.end)
        now = local.time()
        inside = start <= now < end if start < end else now >= start or now < end
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if start > end and now >= start else 0)
        return datetime.combine(day, end, LOCAL).astimezone(at.tzinfo)


class When(_Data):
    """What happens: an action, a state that is entered, or a name that a procedure's ``notify`` effect gives."""

    procedure: str = ""
    action: tuple[str, ...] = ()
    enters: tuple[str, ...] = ()
    named: str = ""

    @model_validator(mode="after")
    def _one(self) -> When:
        if sum(map(bool, (self.action, self.enters, self.named))) != 1:
            raise ValueError("say one of action, enters, named")
        return self


class Way(_Data):
    """One channel, ``after`` so many minutes without a receipt (0: at once). ``to``: codes of robots and webhooks."""

    by: Literal["in_app", "sms", "wecom", "dingtalk", "email", "channel"]
    after: int = Field(default=0, ge=0, le=10080)
    to: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _named(self) -> Way:
        if (self.by == "channel") != bool(self.to):
            raise ValueError("`to` names robots and webhooks, and goes with `by: channel`")
        return self


Unit = Literal["minute", "hour", "day", "work_minute", "work_hour", "work_day"]


class Span(_Data):
    value: int = Field(ge=1, le=10080)
    unit: Unit

    def counted(self) -> tuple[Fraction, str]:
        """Amount and unit as the work calendar counts: it has no minutes of office time, but parts of hours."""
        return (
            (Fraction(self.value, 60), "work_hour") if self.unit == "work_minute" else (Fraction(self.value), self.unit)
        )


class Receipt(_Data):
    """When a receipt is due, and what counts as one. Then the dispatcher rings; then it is deemed.

    ``by``: actions of the case that are a receipt. ``deemed_by``: the clock's own action, where the procedure has one.
    ``deemed``: so long after the notice it is deemed received, where no clock of the case says so.
    """

    within: Span
    by: tuple[str, ...] = ()
    deemed_by: tuple[str, ...] = ()
    deemed: Span | None = None


class Said(_Data):
    subject: str = Field(min_length=1, max_length=80)
    body: str = Field(min_length=1, max_length=600)

    @field_validator("subject", "body")
    @classmethod
    def _known_words(cls, value: str) -> str:
        try:
            used = {name for _text, name, _format, _conversion in string.Formatter().parse(value) if name is not None}
        except ValueError as error:
            raise ValueError(f"a brace is not closed: {error}") from None
        if unknown := sorted(used - WORDS):
            raise ValueError(f"unknown words {', '.join(unknown)}; known are {', '.join(sorted(WORDS))}")
        return value


class Texts(_Data):
    zh: Said
    en: Said


class Rule(_Data):
    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: TextData
    when: When
    to: tuple[Literal["unit", "handler", "reporter", "dispatcher", "duty_chief", "channel"], ...] = Field(min_length=1)
    ways: tuple[Way, ...] = Field(min_length=1)
    quiet: bool = True
    sms: str = Field(default="", description="name of the registered text, in the channel's templates")
    link: tuple[str, ...] = Field(default=(), description="actions that the one-time link offers; none: no link")
    link_hours: int = Field(default=48, ge=1, le=720)
    receipt: Receipt | None = None
    text: Texts

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        if ("channel" in self.to) != any(way.by == "channel" for way in self.ways):
            raise ValueError("`to: [channel]` and a way `by: channel` go together")
        if any(way.by == "sms" for way in self.ways) and not self.sms:
            raise ValueError("a way by sms needs `sms`, the name of a registered text")
        if "reporter" in self.to and (self.link or self.receipt or {way.by for way in self.ways} != {"sms"}):
            raise ValueError("a reporter is reached by sms alone, without link and receipt")
        return self

    def fits(self, procedure: str, action: str, enters: str) -> bool:
        """Whether a step calls for it. ``enters``: the state that the step enters, '' for none."""
        when = self.when
        if when.procedure and when.procedure != procedure:
            return False
        return action in when.action or bool(enters and enters in when.enters)


class Rules(_Data):
    sample: bool
    source: TextData
    quiet: Quiet | None = None
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _codes_once(self) -> Rules:
        codes = [rule.code for rule in self.rules]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"rule {twice[0]!r} stands twice")
        return self

    def rule(self, code: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.code == code), None)

    def receipts_by(self, action: str) -> dict[str, bool]:
        """Codes of the rules for which an action is a receipt, and whether it is a deemed one."""
        found = {rule.code: False for rule in self.rules if rule.receipt and action in rule.receipt.by}
        return found | {rule.code: True for rule in self.rules if rule.receipt and action in rule.receipt.deemed_by}


assert {IN_APP, *PERSONAL, "channel"} == set(Way.model_fields["by"].annotation.__args__)  # type: ignore[union-attr]


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
    return Path(settings.DATA_DIR) / "rules" / "notices" / f"{platform_code}.yaml"


@lru_cache(maxsize=1)
def sample() -> Rules:
    return parse((resources.files("xiuhua.notify") / "data" / SAMPLE).read_text("utf-8"), SAMPLE)


def read(platform_code: str) -> Rules:
    """What stands on disk now. Raises `RulesBroken`, OSError."""
    path = file_of(platform_code)
    return parse(path.read_text("utf-8"), path.name) if path.is_file() else sample()


@dataclass
class _Kept:
    rules: Rules
    stamp: int
    looked: float


_kept: dict[Path, _Kept] = {}


def forget() -> None:
    _kept.clear()


def rules_of(platform_code: str) -> Rules:
    """What is in force, from memory; a broken file leaves the rules as they were, and the log says so."""
    path, now = file_of(platform_code), time.monotonic()
    kept = _kept.get(path)
    if kept is not None and now - kept.looked < LOOK:
        return kept.rules
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    if kept is not None and kept.stamp == stamp:
        kept.looked = now
        return kept.rules
    try:
        rules = read(platform_code)
    except (RulesBroken, OSError):
        log.exception("the notice rules cannot be used", extra={"fields": {"platform": platform_code}})
        rules = kept.rules if kept is not None else sample()
    _kept[path] = _Kept(rules, stamp, now)
    return rules


def rules_for(case: Case) -> Rules:
    """What is in force on the platform of a case."""
    info = platforms().by_id.get(case.platform_id)
    return rules_of(info.code if info else "")
