"""The parts of a procedure: frozen dataclasses that pydantic checks, one definition for file and program.

Short forms are accepted where a person would write them (``guards: [located, {joined: any}]``) and turned
into one shape here. An unknown key anywhere is an error. What must agree *between* parts is checked in
`procedure_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field as plain_field
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, StrictBool, StringConstraints
from pydantic import Field as Pydantic
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from xiuhua.manifest import Text

FORBID = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

UNITS = ("minute", "hour", "day", "work_hour", "work_day")
URGENCIES = ("ordinary", "urgent", "very_urgent")

Unit = Literal["minute", "hour", "day", "work_hour", "work_day"]
Urgency = Literal["ordinary", "urgent", "very_urgent"]
Tone = Literal["", "primary", "danger", "quiet"]
FieldType = Literal[
    "text", "long_text", "choice", "multi_choice", "bool", "integer", "decimal", "money", "date", "datetime",
    "category", "condition", "organisation", "platform", "user", "photos", "position", "case", "component",
    "phone", "person_name", "id_number", "hands",
]  # fmt: skip
FIELD_TYPES: tuple[str, ...] = FieldType.__args__  # type: ignore[attr-defined]

#: Roles of a unit: they act where the case's unit is theirs.
UNIT_ROLES = frozenset({"unit", "handler", "crew"})
PERSONAL_TYPES = frozenset({"phone", "person_name", "id_number"})
TEXT_TYPES = frozenset({"text", "long_text"})
CHOICE_TYPES = frozenset({"choice", "multi_choice"})
BOUND_TYPES = frozenset(
    {
        "text",
        "long_text",
        "integer",
        "decimal",
        "money",
        "date",
        "datetime",
        "photos",
        "multi_choice",
        "hands",
    }
)


def wrong(zh: str, en: str) -> PydanticCustomError:
    """A schema error that carries both languages."""
    return PydanticCustomError("procedure", "{en}", {"zh": zh, "en": en})


def _text(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if not isinstance(value, Mapping):
        raise wrong("应写成 {zh: …, en: …}", "must be written {zh: …, en: …}")
    if unknown := sorted(set(value) - {"zh", "en"}):
        raise wrong(f"不认识的语言：{'、'.join(unknown)}", f"unknown language: {', '.join(unknown)}")
    for language in ("zh", "en"):
        words = value.get(language)
        if not isinstance(words, str) or not words.strip():
            raise wrong(f"缺少 {language} 文字", f"the {language} text is missing")
    return Text(value["zh"].strip(), value["en"].strip())


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


Code = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
ChoiceCode = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]+$", max_length=40)]
Title = Annotated[Text, BeforeValidator(_text)]
Codes = Annotated[tuple[Code, ...], BeforeValidator(_as_list)]


# -- limits and clocks -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, config=FORBID)
class Amount:
    """A length of time: ``value`` in ``unit`` (work units count office hours of working days)."""

    value: Annotated[Decimal, Pydantic(gt=0, le=100_000)]
    unit: Unit


@dataclass(frozen=True, slots=True, config=FORBID)
class Limit:
    """How much time a clock gives; exactly one kind.

    ``amount``: by urgency (a plain limit stands under all three); ``condition``: of the case's file
    condition; ``parent``: the due time of the parent's main clock; ``of``: ``ratio`` of another clock's
    original limit; ``until``: the moment named by an earlier date or datetime answer.
    """

    kind: Literal["amount", "condition", "parent", "of", "until"]
    amounts: dict[Urgency, Amount] = plain_field(default_factory=dict)
    of: str = ""
    ratio: Fraction | None = None
    until: str = ""

    def amount(self, urgency: str) -> Amount:
        """The limit for one urgency; only for kind ``amount``."""
        return self.amounts[urgency if urgency in self.amounts else "ordinary"]


def _amount(value: Any) -> Amount:
    if not isinstance(value, Mapping):
        raise wrong("期限应写成 {value: 数字, unit: 单位}", "a limit must be written {value: number, unit: unit}")
    if unknown := sorted(set(value) - {"value", "unit"}):
        raise wrong(f"不认识的字段：{'、'.join(unknown)}", f"unknown key: {', '.join(unknown)}")
    unit = value.get("unit")
    if unit not in UNITS:
        raise wrong(
            f"期限单位“{unit}”无效，应为 {'、'.join(UNITS)} 之一",
            f"unit {unit!r} is not one of {', '.join(UNITS)}",
        )
    number = value.get("value")
    if isinstance(number, bool) or not isinstance(number, int | Decimal | str):
        raise wrong("期限的 value 应为数字", "the value of a limit must be a number")
    try:
        decimal = Decimal(number)
    except ArithmeticError:
        raise wrong("期限的 value 应为数字", "the value of a limit must be a number") from None
    if not decimal.is_finite() or not 0 < decimal <= 100_000:
        raise wrong("期限应大于 0 且不超过 100000", "a limit must be more than 0 and at most 100000")
    return Amount(value=decimal, unit=unit)


def _limit(value: Any) -> Limit:
    if isinstance(value, Limit):
        return value
    if value in ("condition", "parent"):
        return Limit(kind=value)
    if not isinstance(value, Mapping):
        raise wrong(
            "limit 应为 condition、parent 或 {value, unit}",
            "limit must be condition, parent or a mapping with value and unit",
        )
    keys = set(value)
    if keys == {"until"}:
        if not isinstance(value["until"], str):
            raise wrong("until 应为字段名", "until must name a form field")
        return Limit(kind="until", until=value["until"])
    if "of" in keys:
        if keys != {"of", "ratio"} or not isinstance(value["of"], str):
            raise wrong("应写成 {of: 计时, ratio: 1/2}", "must be written {of: clock, ratio: 1/2}")
        try:
            ratio = Fraction(str(value["ratio"]))
        except (ValueError, ZeroDivisionError):
            raise wrong("ratio 应为分数，如 1/2", "ratio must be a fraction such as 1/2") from None
        if not 0 < ratio <= 10:
            raise wrong("ratio 应大于 0 且不超过 10", "ratio must be more than 0 and at most 10")
        return Limit(kind="of", of=value["of"], ratio=ratio)
    if keys & set(URGENCIES):
        if keys - set(URGENCIES) or "ordinary" not in keys:
            raise wrong(
                "按紧急程度分列时须有 ordinary，且只能有 ordinary、urgent、very_urgent",
                "a limit by urgency needs ordinary and knows only ordinary, urgent, very_urgent",
            )
        return Limit(kind="amount", amounts={u: _amount(value[u]) for u in URGENCIES if u in keys})  # type: ignore[misc]
    return Limit(kind="amount", amounts={"ordinary": _amount(value)})


@dataclass(frozen=True, slots=True, config=FORBID)
class ClockRule:
    """One clock of a procedure; states say when it runs. ``warn`` in percent; ``expire`` is a system
    action.
    """

    code: str
    title: Title
    limit: Annotated[Limit, BeforeValidator(_limit)]
    warn: tuple[Annotated[int, Pydantic(gt=0, le=1000)], ...] = (50, 80, 100)
    main: StrictBool = False
    layer: Literal["stage", "total"] = "stage"
    expire: Code | None = None
    sample: StrictBool = False
    source: str = ""


# -- states ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, config=FORBID)
class Holder:
    """Who has the case in a state: the named user if there is one, else the role in the organisation, or
    its children.
    """

    role: Code | None = None
    organisation: Literal["responsible_org", "platform", "none"] = "platform"
    user: Literal["holder_user", "created_by", "none"] = "none"
    children: Code | None = None  # relation of the child cases that hold it


@dataclass(frozen=True, slots=True, config=FORBID)
class Collect:
    """Several hands act once each; the state leaves by ``then`` when the tally is met."""

    tally: Literal["all", "any", "majority", "two_thirds", "lead"]
    source: Annotated[Code, Pydantic(alias="from")]  # the form field of type `hands` that named them
    action: Code
    then: dict[Literal["yes", "no"], Code]


@dataclass(frozen=True, slots=True, config=FORBID)
class State:
    """One state. Entering it starts or resumes the clocks in ``run``, pauses those in ``pause``, leaves
    those in ``keep`` as they are and finishes every other running clock."""

    code: str
    title: Title
    stage: Code = "work"
    holder: Holder | None = None
    run: Codes = ()
    pause: Codes = ()
    keep: Codes = ()
    final: StrictBool = False
    outcome: str = ""
    collect: Collect | None = None


# -- actions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, config=FORBID)
class Choice:
    code: ChoiceCode
    zh: Annotated[str, StringConstraints(strict=True, min_length=1)]
    en: Annotated[str, StringConstraints(strict=True, min_length=1)]

    @property
    def title(self) -> Text:
        return Text(self.zh, self.en)


Bound = Annotated[
    str,
    BeforeValidator(lambda v: str(v) if isinstance(v, int | Decimal) and not isinstance(v, bool) else v),
    StringConstraints(max_length=40),
]


@dataclass(frozen=True, slots=True, config=FORBID)
class Field:
    """One question of an action's form; ``min``/``max`` bound a number, a date (``today+7``), a length or a
    count.
    """

    name: Code
    type: FieldType
    title: Title
    required: StrictBool = False
    required_if: dict[str, Any] = plain_field(default_factory=dict)
    default: Any = None
    min: Bound | None = None
    max: Bound | None = None
    choices: tuple[Choice, ...] = ()
    column: str | None = None
    personal: StrictBool = False
    help: Title | None = None
    phrases: tuple[Title, ...] = ()  # standard phrases offered for a text
    stage: str = ""  # photos: the stage that they show (before, after, check, …)
    role: Code | None = None  # user, hands: whom to offer

    @property
    def is_personal(self) -> bool:
        """Encrypted, masked, erasable."""
        return self.personal or self.type in PERSONAL_TYPES

    @property
    def is_text(self) -> bool:
        """Free text: kept in the erasable payload, never in the facts of a case."""
        return self.type in TEXT_TYPES


CALL_EXTRAS = frozenset({"lawful", "say", "hide", "on_submit"})


@dataclass(frozen=True, slots=True, config=FORBID)
class Call:
    """A guard or effect by name. A single plain argument is passed as ``value``; ``say`` replaces its
    refusal; ``hide``: an action that this guard refuses is not offered at all; ``lawful``: no override may
    remove it."""

    name: Code
    args: dict[str, Any] = plain_field(default_factory=dict)
    lawful: StrictBool = False
    say: Title | None = None
    hide: StrictBool = False
    on_submit: StrictBool = False  # judged with the answers, not while the action is only offered


def _call(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping) or "name" in value:
        return value
    names = [key for key in value if key not in CALL_EXTRAS]
    if len(names) != 1:
        raise wrong(
            "应写成名称、{名称: 参数} 或 {name: 名称, args: {…}}",
            "must be a name, {name: arguments} or {name: …, args: {…}}",
        )
    args = value[names[0]]
    return {
        "name": names[0],
        "args": dict(args) if isinstance(args, Mapping) else {} if args is None else {"value": args},
        **{key: value[key] for key in value if key in CALL_EXTRAS},
    }


Calls = tuple[Annotated[Call, BeforeValidator(_call)], ...]


@dataclass(frozen=True, slots=True, config=FORBID)
class OnEnd:
    """What the parent does when a child ends: a system action, with answers taken from the child's
    (``$field``).
    """

    action: Code
    data: Annotated[dict[Code, Any], Pydantic(alias="pass")] = plain_field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=FORBID)
class Spawn:
    """A child case: started by ``action`` of ``procedure``; place and class come from the parent, answers
    by ``pass``.
    """

    procedure: Code
    action: Code
    relation: Code
    data: Annotated[dict[Code, Any], Pydantic(alias="pass")] = plain_field(default_factory=dict)
    #: On which platform the child stands: the parent's, the one from which the actor acts, or one named by a $field.
    platform: Annotated[str, StringConstraints(pattern=r"^(case|actor|\$[a-z][a-z0-9_]*)$")] = "case"
    pauses_parent: StrictBool = False
    independent: StrictBool = False  # lives on when the parent ends
    lead: StrictBool | Annotated[str, StringConstraints(pattern=r"^\$[a-z][a-z0-9_.]*$")] = False
    on_end: dict[Code, Annotated[OnEnd, BeforeValidator(lambda v: {"action": v} if isinstance(v, str) else v)]] = (
        plain_field(default_factory=dict)
    )


@dataclass(frozen=True, slots=True, config=FORBID)
class Assign:
    """Who holds next: ``organisation`` -> responsible_org, ``user`` -> holder_user; ``clear`` empties one
    or both. ``platform`` hands the case over to another platform.
    """

    platform: str | None = None
    organisation: str | None = None
    user: str | None = None
    clear: Annotated[tuple[Literal["organisation", "user"], ...], BeforeValidator(_as_list)] = ()


@dataclass(frozen=True, slots=True, config=FORBID)
class Extend:
    """More time on a clock: ``by: original`` adds the original limit once, else ``value`` in ``unit`` (or
    $fields).
    """

    clock: Code
    by: Literal["original"] | None = None
    value: Any = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, config=FORBID)
class ClockChange:
    """What an action does to clocks beyond its states: ``take_back`` counts the last pause as time used."""

    restart: Codes = ()
    extend: Extend | None = None
    take_back: Codes = ()


@dataclass(frozen=True, slots=True, config=FORBID)
class Origin:
    """Where an action may be taken: named states, all states of stages, or every open state."""

    states: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    everywhere: bool = False

    @property
    def wide(self) -> bool:
        """Said by stage or for all states, not state by state (drawn once in a diagram)."""
        return self.everywhere or bool(self.stages)


def _origin(value: Any) -> Any:
    if isinstance(value, Origin) or value is None:
        return value
    if value == "*":
        return Origin(everywhere=True)
    if isinstance(value, str):
        return Origin(states=(value,))
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return Origin(states=tuple(value))
    if isinstance(value, Mapping) and value and set(value) <= {"stages", "states", "except"}:
        lists = {key: [value[key]] if isinstance(value[key], str) else value[key] for key in value}
        if all(isinstance(item, list) and all(isinstance(s, str) for s in item) for item in lists.values()):
            return Origin(
                states=tuple(lists.get("states", ())),
                stages=tuple(lists.get("stages", ())),
                without=tuple(lists.get("except", ())),
                everywhere=not (lists.get("states") or lists.get("stages")),
            )
    raise wrong(
        "from 应为状态列表、'*' 或 {stages: […], except: […]}",
        "from must be a list of states, '*' or {stages: […], except: […]}",
    )


@dataclass(frozen=True, slots=True, config=FORBID)
class Action:
    """One thing that may be done. ``by``: roles; ``across``: roles of a supervising platform that may take it
    too; ``holder``: also whoever holds the case; ``system``: also the engine.

    ``from_states`` is the origin spelled out over the procedure's states, filled in when the procedure is
    built.
    """

    code: str
    title: Title
    start: StrictBool = False
    origin: Annotated[Origin | None, BeforeValidator(_origin), Pydantic(alias="from")] = None
    to: Code | None = None
    by: Codes = ()
    across: Codes = ()
    holder: StrictBool = False
    system: StrictBool = False
    after_end: StrictBool = False  # may be taken in a final state (reopen, appeal)
    key: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-il-z0-9]$")] = ""
    tone: Tone = ""
    lawful: StrictBool = False  # no override may remove this action or any of its guards
    help: Title | None = None
    form: tuple[Field, ...] = ()
    guards: Calls = ()
    effects: Calls = ()
    assigns: Assign | None = None
    clocks: ClockChange | None = None
    spawn: Annotated[tuple[Spawn, ...], BeforeValidator(_as_list)] = ()
    from_states: Annotated[tuple[str, ...], Pydantic(init=False)] = ()

    @property
    def system_only(self) -> bool:
        return self.system and not self.by and not self.across and not self.holder

    @property
    def has_text(self) -> bool:
        return any(field.is_text for field in self.form)

    def field(self, name: str) -> Field | None:
        return next((field for field in self.form if field.name == name), None)


@dataclass(frozen=True, slots=True, config=FORBID)
class Head:
    """The top of a file besides clocks, states and actions."""

    procedure: Code
    title: Title
    number_prefix: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z0-9]*$", max_length=6)] = ""
    stages: dict[Code, Title] = plain_field(default_factory=dict)  # in the order of the work
    source: str = ""
