"""Overrides: a city's own limits, roles, routing and forms laid over a base procedure, place by place.

``override: city_case`` with ``for: one_centre`` merges deeply: mappings key by key, lists and limits of another kind replaced whole,
``null`` removes. The places of every node travel with it, so a later fault names the file that wrote the
value. What is marked lawful in the base cannot be taken away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xiuhua.casework.schema import CALL_EXTRAS
from xiuhua.casework.yaml_source import Path, ProcedureFault, Source

_VARIANT = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Override:
    """One override file: the base's code, the variant that it makes, and the rest of its content."""

    base: str
    variant: str
    source: Source

    @classmethod
    def of(cls, source: Source) -> tuple[Override | None, list[ProcedureFault]]:
        base, variant = source.data.get("override"), source.data.get("for")
        faults = []
        if not isinstance(base, str):
            faults.append(
                source.fault(("override",), "override 应为流程代码", "override must be the code of a procedure")
            )
        if not isinstance(variant, str) or not _VARIANT.fullmatch(variant):
            faults.append(
                source.fault(("for",), "缺少 for：覆盖版本的代码", "'for' is required: the code of the variant")
            )
        if "procedure" in source.data:
            faults.append(
                source.fault(("procedure",), "覆盖文件不能改流程代码", "an override cannot change the procedure's code")
            )
        return (None if faults else cls(str(base), str(variant), source)), faults


def merge(base: Source, override: Override) -> tuple[Source, list[ProcedureFault]]:
    """The resolved source of base and override, and what the override was not allowed to do."""
    merged = Source(None, dict(base.marks))
    data = {key: value for key, value in override.source.data.items() if key not in ("override", "for")}
    merged.data = _lay(base.data, data, (), merged, override.source)
    return merged, list(_lawful_losses(base, merged, override.source))


def _lay(below: Any, above: Any, path: Path, merged: Source, source: Source) -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping) or _other_limit(below, above, path):
        for old in [old for old, _ in merged.sub_marks(path)]:
            del merged.marks[(*path, *old)]
        merged.marks.update({(*path, *rest): mark for rest, mark in source.sub_marks(path)})
        return above
    result = dict(below)
    if path in source.marks:  # what is wrong with the whole of it came with the override: the base is judged by itself
        merged.marks[path] = source.marks[path]
    for key, value in above.items():
        here = (*path, key)
        if value is None:
            result.pop(key, None)
            for old in [old for old, _ in merged.sub_marks(here)]:
                del merged.marks[(*here, *old)]
        elif key in result:
            result[key] = _lay(result[key], value, here, merged, source)
        else:
            result[key] = value
            merged.marks.update({(*here, *rest): mark for rest, mark in source.sub_marks(here)})
    return result


def _other_limit(below: Mapping[str, Any], above: Mapping[str, Any], path: Path) -> bool:
    """``{value, unit}`` over a limit by urgency is not a part of it but takes its place."""
    return len(path) == 3 and path[0] == "clocks" and path[2] == "limit" and not below.keys() & above.keys()


def _guards(action: Any) -> list[dict[str, Any]]:
    """The guards of a raw action in one shape, lawful ones told apart; anything of a wrong shape is left
    out.
    """
    found = []
    guards = action.get("guards") if isinstance(action, Mapping) else None
    every = isinstance(action, Mapping) and action.get("lawful") is True
    for guard in guards if isinstance(guards, list) else ():
        if isinstance(guard, str):
            guard = {"name": guard}
        if not isinstance(guard, Mapping):
            continue
        lawful = every or guard.get("lawful") is True
        if "name" in guard:
            found.append({"name": guard["name"], "args": guard.get("args") or {}, "lawful": lawful})
        else:
            for name in [key for key in guard if key not in CALL_EXTRAS][:1]:
                args = guard[name]
                args = args if isinstance(args, Mapping) else {} if args is None else {"value": args}
                found.append({"name": name, "args": args, "lawful": lawful})
    return found


def _lawful_losses(base: Source, merged: Source, source: Source) -> list[ProcedureFault]:
    """Lawful actions and guards of the base that the merged procedure lacks, or that a new action walks
    around.
    """
    faults = []
    old = base.data.get("actions")
    new = merged.data.get("actions") if isinstance(merged.data, Mapping) else None
    if not isinstance(old, Mapping):
        return []
    new = new if isinstance(new, Mapping) else {}
    protected: dict[str, list[dict[str, Any]]] = {}
    for code, action in old.items():
        lawful = [guard for guard in _guards(action) if guard["lawful"]]
        if not isinstance(action, Mapping) or not (lawful or action.get("lawful") is True):
            continue
        path: Path = ("actions", code)
        if not isinstance(new.get(code), Mapping):
            faults.append(
                source.fault(
                    path,
                    f"动作 {code} 依法必需，不能删除",
                    f"action {code!r} is required by law and cannot be removed",
                )
            )
            continue
        place: Path = (*path, "guards") if (*path, "guards") in source.marks else path
        kept = _guards(new[code])
        for guard in lawful:
            if guard not in kept:
                faults.append(_lost(source, place, guard, code))
        if action.get("lawful") is True and new[code].get("lawful") is not True:
            faults.append(
                source.fault((*path, "lawful"), "不能取消 lawful 标记", "the mark 'lawful' cannot be taken away")
            )
        if lawful and isinstance(target := action.get("to"), str):
            protected.setdefault(target, []).extend(lawful)
    for code, action in new.items():
        if not isinstance(action, Mapping) or code in old or action.get("to") not in protected:
            continue
        if _overlaps(action, [a for a in old.values() if isinstance(a, Mapping) and a.get("to") == action["to"]]):
            kept = [{**guard, "lawful": True} for guard in _guards(action)]
            for guard in protected[action["to"]]:
                if guard not in kept:
                    faults.append(_lost(source, ("actions", code), guard, code))
    return faults


def _lost(source: Source, path: Path, guard: Mapping[str, Any], action: str) -> ProcedureFault:
    return source.fault(
        path,
        f"动作 {action} 缺少依法必需的条件 {guard['name']}，覆盖文件不能去掉或改写它",
        f"action {action!r} lacks the lawful guard {guard['name']!r}; an override cannot remove or change it",
    )


def _overlaps(action: Mapping[str, Any], others: list[Mapping[str, Any]]) -> bool:
    """Could the action start where a lawfully guarded one starts? Said by stage or '*': assume yes."""
    mine = action.get("from")
    mine = [mine] if isinstance(mine, str) and mine != "*" else mine
    for other in others:
        if not any(guard["lawful"] for guard in _guards(other)):
            continue
        theirs = other.get("from")
        theirs = [theirs] if isinstance(theirs, str) and theirs != "*" else theirs
        if not isinstance(mine, list) or not isinstance(theirs, list) or set(mine) & set(theirs):
            return True
    return False
