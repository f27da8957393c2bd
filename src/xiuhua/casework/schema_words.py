"""What a schema finds wrong with a file, in words of both languages and at its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xiuhua.casework.yaml_source import Path, ProcedureFault, Source

_WORDS: dict[str, tuple[str, str]] = {
    "missing": ("缺少必填项“{last}”", "{last!r} is required"),
    "unexpected_keyword_argument": ("不认识的字段“{last}”", "unknown key {last!r}"),
    "extra_forbidden": ("不认识的字段“{last}”", "unknown key {last!r}"),
    "string_type": ("应为文字（数字请加引号）", "must be text (put numbers in quotes)"),
    "string_pattern_mismatch": ("“{input}”的写法不合规则", "{input!r} is not written as this key requires"),
    "string_too_long": ("文字过长", "the text is too long"),
    "string_too_short": ("不能为空", "must not be empty"),
    "bool_parsing": ("应为 true 或 false", "must be true or false"),
    "bool_type": ("应为 true 或 false", "must be true or false"),
    "int_type": ("应为整数", "must be a whole number"),
    "int_parsing": ("应为整数", "must be a whole number"),
    "int_from_float": ("应为整数", "must be a whole number"),
    "list_type": ("应为列表", "must be a list"),
    "tuple_type": ("应为列表", "must be a list"),
    "dict_type": ("应为键值对", "must be a mapping"),
    "model_type": ("应为键值对", "must be a mapping"),
    "dataclass_type": ("应为键值对", "must be a mapping"),
    "literal_error": ("“{input}”无效，应为 {expected} 之一", "{input!r} is not one of {expected}"),
    "too_short": ("至少要有 {min_length} 项", "needs at least {min_length}"),
    "greater_than_equal": ("不能小于 {ge}", "must be at least {ge}"),
    "greater_than": ("应大于 {gt}", "must be more than {gt}"),
    "less_than_equal": ("不能超过 {le}", "must be at most {le}"),
}


def schema_fault(source: Source, base: Path, error: Mapping[str, Any]) -> ProcedureFault:
    """A pydantic error as a fault at its place; parts of ``loc`` that are not written in the file are left
    out.
    """
    path = base
    loc = error["loc"]
    last = str(loc[-1]) if loc else ""
    for part in loc:
        if (*path, part) in source.marks:
            path = (*path, part)
    context = error.get("ctx") or {}
    if error["type"] == "procedure":
        return source.fault(path, context["zh"], context["en"])
    if error["type"] == "missing":
        mark = source.mark(path)
        zh, en = _WORDS["missing"]
        full = source.fault((*path, last), zh.format(last=last), en.format(last=last))
        return ProcedureFault(mark.file, mark.line, mark.column, full.field, full.message)
    value = error.get("input")
    shown = value if isinstance(value, str | int) else type(value).__name__
    zh, en = _WORDS.get(error["type"], ("{msg}", "{msg}"))
    words = {**context, "last": last, "input": shown, "msg": error["msg"]}
    return source.fault(path, zh.format(**words), en.format(**words))
