"""Procedures: what a case may do, who may do it, and how much time it takes; loaded from YAML, whole or not
at all.

`load` takes the sources of all rooms (and of overrides), checks every one against the schema and against
each other, and either returns a `Library` or raises `ProceduresBroken` with every fault found. Pure Python:
no models, no I/O besides `package_sources`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import resources
from typing import Any

from pydantic import TypeAdapter, ValidationError

from xiuhua.casework.overrides import Override, merge
from xiuhua.casework.schema import (
    Action,
    Amount,
    Assign,
    Call,
    Choice,
    ClockChange,
    ClockRule,
    Collect,
    Extend,
    Field,
    Head,
    Holder,
    Limit,
    OnEnd,
    Origin,
    Spawn,
    State,
)
from xiuhua.casework.schema_words import schema_fault
from xiuhua.casework.yaml_source import Path, ProcedureFault, Source, SourceFile, SourcesBroken, read
from xiuhua.manifest import Text

__all__ = [
    "Action", "Amount", "Assign", "Call", "Choice", "ClockChange", "ClockRule", "Collect", "Extend", "Field",
    "Holder", "Known", "Library", "Limit", "OnEnd", "Origin", "Procedure", "ProcedureFault",
    "ProceduresBroken", "SourceFile", "Spawn", "State", "check", "from_canonical", "load", "package_sources",
]  # fmt: skip

SECTIONS = ("clocks", "states", "actions")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Known:
    """Names that live outside the YAML; ``None`` means "do not check" (for stored versions and tools)."""

    roles: frozenset[str] | None = None
    guards: frozenset[str] | None = None
    effects: frozenset[str] | None = None
    outbox: frozenset[str] | None = None
    columns: frozenset[str] | None = None


class ProceduresBroken(SourcesBroken):
    """No procedure was loaded."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """One procedure, resolved (base and overrides). `text` is the canonical JSON that a stored version
    keeps.
    """

    code: str
    variant: str  # the ``for`` of the override, empty for the base
    title: Text
    number_prefix: str
    clocks: Mapping[str, ClockRule]
    states: Mapping[str, State]
    actions: Mapping[str, Action]
    text: str = field(repr=False)
    digest: str
    stage_titles: Mapping[str, Text] = field(default_factory=dict)
    _from: Mapping[str, tuple[Action, ...]] = field(default_factory=dict, repr=False)

    def actions_from(self, state: str) -> tuple[Action, ...]:
        """Actions that may be taken in a state, in the order of the file."""
        return self._from.get(state, ())

    def start_actions(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions.values() if action.start)

    def outcomes(self) -> frozenset[str]:
        """The outcomes in which a case of this procedure can end."""
        return frozenset(outcome_of(state) for state in self.states.values() if state.final)

    def stages(self) -> tuple[str, ...]:
        """The stages in use, in the order of the file."""
        used = dict.fromkeys(state.stage for state in self.states.values())
        return tuple(code for code in self.stage_titles if code in used) or tuple(used)

    def main_clock(self, state: str) -> ClockRule | None:
        """The clock whose due time a case shows in this state: the main one, else the first stage clock,
        else total.
        """
        entered = self.states[state]
        rules = [self.clocks[code] for code in (*entered.run, *entered.keep, *entered.pause)]
        ranked = sorted(rules, key=lambda rule: (not rule.main, rule.layer == "total"))
        return ranked[0] if ranked else None

    def fields(self) -> dict[str, Field]:
        """Every form field by name; the first action that asks it wins."""
        found: dict[str, Field] = {}
        for action in self.actions.values():
            for item in action.form:
                found.setdefault(item.name, item)
        return found


def outcome_of(state: State) -> str:
    return state.outcome or state.code


@dataclass(frozen=True, slots=True)
class Library:
    """All procedures of one load. A platform's variant falls back to the base."""

    procedures: Mapping[tuple[str, str], Procedure]

    def get(self, code: str, variant: str = "") -> Procedure:
        """Raises KeyError for an unknown procedure."""
        found = self.procedures.get((code, variant))
        return found if found is not None else self.procedures[code, ""]

    def codes(self) -> tuple[str, ...]:
        return tuple(code for code, variant in self.procedures if not variant)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.procedures.values())


# -- canonical form ----------------------------------------------------------------------------------------


def canonical(data: Any) -> str:
    """The resolved data as JSON without spaces; fractions become text, so there are no floats."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Decimal) else value

    # The order of clocks, states, actions and fields means something, so keys keep the order of the file.
    return json.dumps(plain(data), ensure_ascii=False, separators=(",", ":"))


def from_canonical(text: str) -> Procedure:
    """A stored version back as it was; names outside the procedure are not checked again."""
    data = json.loads(text)
    variant = data.pop("variant", "")
    draft, faults = shape(Source(data))
    if faults or draft.head is None:
        raise ProceduresBroken(faults)
    return build(draft, variant)


# -- from data to parts ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Draft:
    """The parts of one source as far as they have the right shape; `whole` when all of them do."""

    source: Source
    head: Head | None = None
    clocks: dict[str, ClockRule] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    whole: bool = True
    dropped: set[Path] = field(default_factory=set)  # keys left out of a part because their shape is wrong

    def named(self, section: str) -> tuple[str, ...]:
        """Codes written in a section, right or wrong in shape."""
        content = self.source.data.get(section)
        return tuple(content) if isinstance(content, Mapping) else ()


_PARTS: dict[str, type[Any]] = {"clocks": ClockRule, "states": State, "actions": Action}
_KINDS: tuple[type[Any], ...] = (Head, *_PARTS.values())
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _KINDS}


def shape(source: Source) -> tuple[Draft, list[ProcedureFault]]:
    """Every part on its own, so that one wrong part does not hide the faults of the others."""
    faults: list[ProcedureFault] = []
    draft = Draft(source)
    data = source.data

    def validate(kind: type[Any], value: Mapping[str, Any], path: Path) -> Any:
        try:
            return _ADAPTERS[kind].validate_python(value)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            faults.extend(schema_fault(source, path, dict(item)) for item in errors)
        wrong = {item["loc"][0] for item in errors if item["loc"]}
        draft.dropped |= {(*path, str(key)) for key in wrong}
        try:  # what is left of the part still helps to find what else is wrong
            return _ADAPTERS[kind].validate_python({k: v for k, v in value.items() if k not in wrong})
        except ValidationError:
            return None

    draft.head = validate(Head, {k: v for k, v in data.items() if k not in (*SECTIONS, "override", "for")}, ())
    for section, kind in _PARTS.items():
        content = data.get(section)
        if content is None and section == "clocks":
            continue
        if not isinstance(content, Mapping) or (not content and section != "clocks"):
            faults.append(
                source.fault((section,), f"“{section}”应为非空的键值对", f"{section!r} must be a mapping, not empty")
            )
            continue
        parts = getattr(draft, section)
        for code, value in content.items():
            path: Path = (section, code)
            if not isinstance(value, Mapping):
                faults.append(source.fault(path, "应为键值对", "must be a mapping"))
                continue
            if "code" in value:
                faults.append(source.fault((*path, "code"), "不认识的字段 code", "unknown key 'code'"))
                continue
            part = validate(kind, {**value, "code": code}, path)
            if not _CODE.fullmatch(code):
                faults.append(source.fault(path, "代码应为小写字母、数字和下划线", "a code has only a-z, 0-9 and _"))
            elif part is not None:
                parts[code] = part
    draft.whole = not faults
    return draft, faults


def build(draft: Draft, variant: str) -> Procedure:
    """The procedure of a faultless draft; spells out where each action may be taken."""
    assert draft.head is not None
    starting: dict[str, list[Action]] = {code: [] for code in draft.states}
    for action in draft.actions.values():
        object.__setattr__(action, "from_states", origin_states(action, draft.states))
        for code in action.from_states:
            starting[code].append(action)
    text = canonical({**draft.source.data, **({"variant": variant} if variant else {})})
    return Procedure(
        code=draft.head.procedure,
        variant=variant,
        title=draft.head.title,
        number_prefix=draft.head.number_prefix,
        clocks=draft.clocks,
        states=draft.states,
        actions=draft.actions,
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        stage_titles=draft.head.stages,
        _from={code: tuple(actions) for code, actions in starting.items()},
    )


def origin_states(action: Action, states: Mapping[str, State]) -> tuple[str, ...]:
    """The known states in which an action may be taken; wide origins leave final states out."""
    origin = action.origin
    if origin is None:
        return ()
    if not origin.wide and not origin.without:
        return tuple(code for code in dict.fromkeys(origin.states) if code in states)
    return tuple(
        code
        for code, state in states.items()
        if code not in origin.without
        and (code in origin.states or (not state.final and (origin.everywhere or state.stage in origin.stages)))
    )


# -- loading -----------------------------------------------------------------------------------------------


def check(sources: Iterable[SourceFile], known: Known = Known()) -> tuple[ProcedureFault, ...]:
    """Every fault of these sources; empty when `load` would succeed."""
    try:
        load(sources, known)
    except ProceduresBroken as broken:
        return broken.faults
    return ()


def load(sources: Iterable[SourceFile], known: Known = Known()) -> Library:
    """All procedures of the sources, or `ProceduresBroken` with every fault.

    1. read each file with its places; 2. part base files from overrides; 3. merge every override variant
    over its base; 4. check the shape of each part; 5. check names, ways and children across all; 6. build.
    """
    from xiuhua.casework.procedure_checks import cross_check

    faults: list[ProcedureFault] = []
    bases: dict[str, Source] = {}
    overrides: list[Override] = []
    for file in sources:
        tree, found = read(file)
        faults += found
        if not isinstance(tree.data, Mapping):
            continue
        if "override" in tree.data:
            if found:  # laid over its base in part, it would only make faults that nobody wrote
                continue
            override, found = Override.of(tree)
            faults += found
            overrides += [override] if override else []
            continue
        code = tree.data.get("procedure")
        if isinstance(code, str) and code in bases:
            first = bases[code].mark(()).file
            faults.append(
                tree.fault(
                    ("procedure",),
                    f"流程 {code} 已在 {first} 中定义",
                    f"procedure {code!r} is already in {first}",
                )
            )
        else:
            bases[code if isinstance(code, str) else f"?{file.name}"] = tree

    resolved: dict[tuple[str, str], Source] = {(code, ""): tree for code, tree in bases.items()}
    for override in overrides:
        if override.base not in bases:
            faults.append(
                override.source.fault(
                    ("override",),
                    f"没有名为 {override.base} 的流程",
                    f"there is no procedure {override.base!r}",
                )
            )
            continue
        place = (override.base, override.variant)
        merged, found = merge(resolved.get(place, bases[override.base]), override)
        faults += found
        resolved[place] = merged

    drafts: dict[tuple[str, str], Draft] = {}
    for place, tree in resolved.items():
        draft, found = shape(tree)
        faults += found
        drafts[place] = draft
    for (_, variant), draft in drafts.items():
        near = {other: drafts.get((other, variant), base) for (other, v), base in drafts.items() if not v}
        faults += cross_check(draft, near, known)
    if faults:
        raise ProceduresBroken(faults)
    return Library({place: build(draft, place[1]) for place, draft in drafts.items()})


def package_sources(packages: Sequence[str]) -> list[SourceFile]:
    """The YAML files that lie in the named packages, by name."""
    found = []
    for package in packages:
        folder = resources.files(package)
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.name.endswith((".yaml", ".yml")):
                found.append(SourceFile(f"{package.replace('.', '/')}/{entry.name}", entry.read_text("utf-8")))
    return found
