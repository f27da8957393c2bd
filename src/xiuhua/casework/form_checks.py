"""What must agree within the form of one action."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

from xiuhua.casework.schema import BOUND_TYPES, CHOICE_TYPES, Action
from xiuhua.casework.yaml_source import Path

Say = Callable[[Path, str, str], None]  # place, Chinese, English
Name = Callable[[Path, str], None]  # checks a name at a place


#: Columns for words (`projection.TEXT_COLUMNS`): erasable. All others, and facts, stand in the log, which never forgets.
WORD_COLUMNS = ("title", "description", "address")
_NOT_THERE = (
    "文字和个人信息不能写入此处：记录不可清除；文字只能进入 title、description、address",
    "words and personal data may not go here, where they cannot be erased; words go to title, description or address",
)


def _says_words(action: Action, value: object) -> bool:
    """Whether an argument brings words: ``$field`` of a text or personal field, or a column of words."""
    if not isinstance(value, str) or not value.startswith("$"):
        return False
    if value.startswith("$case."):
        return value.removeprefix("$case.") in WORD_COLUMNS
    field = action.field(value[1:])
    return field is not None and (field.is_text or field.is_personal)


def check_form(action: Action, say: Say, column: Name, role: Name) -> None:
    """Fields of one form: names, columns, choices, bounds, defaults, conditions."""
    names: set[str] = set()
    for index, field in enumerate(action.form):
        path: Path = ("actions", action.code, "form", index)
        if field.name in names:
            say((*path, "name"), f"字段 {field.name} 重复", f"field {field.name!r} is asked twice")
        names.add(field.name)
        if field.column:
            column((*path, "column"), field.column)
            if field.is_personal or (field.is_text and field.column not in WORD_COLUMNS):
                say((*path, "column"), *_NOT_THERE)
        if field.role:
            role((*path, "role"), field.role)
        if field.type in CHOICE_TYPES and not field.choices:
            say(path, "选择字段须有 choices", "a choice needs choices")
        if field.choices and field.type not in CHOICE_TYPES:
            say((*path, "choices"), "只有选择字段有 choices", "only a choice has choices")
        codes = [choice.code for choice in field.choices]
        for place, code in enumerate(codes):
            if code in codes[:place]:
                say((*path, "choices", place), f"选项 {code} 重复", f"choice {code!r} is listed twice")
        for part in ("min", "max"):
            if (bound := getattr(field, part)) is not None and (problem := bad_bound(field.type, bound)):
                say((*path, part), *problem)
        if field.required and field.required_if:
            say(
                (*path, "required_if"),
                "required 与 required_if 只能写一个",
                "needs either required or required_if",
            )
        if isinstance(field.default, str) and field.default.startswith("$"):
            if not field.default.startswith("$case.") and field.default not in (
                "$today",
                "$now",
                "$actor",
            ):
                say((*path, "default"), "默认值只能引用 $case.字段、$today、$now、$actor",
                         "a default may refer to $case.column, $today, $now or $actor")  # fmt: skip
            elif field.default.startswith("$case."):
                column((*path, "default"), field.default[len("$case.") :])
        elif field.default is not None and codes and field.type == "choice" and field.default not in codes:
            say((*path, "default"), f"没有选项 {field.default}", f"there is no choice {field.default!r}")
    for index, effect in enumerate(action.effects):
        for name, value in effect.args.items() if effect.name in ("set", "facts") else ():
            if _says_words(action, value) and not (effect.name == "set" and name in WORD_COLUMNS):
                say(("actions", action.code, "effects", index, effect.name, name), *_NOT_THERE)
    for index, field in enumerate(action.form):
        for other, wanted in field.required_if.items():
            where: Path = ("actions", action.code, "form", index, "required_if", other)
            asked = action.field(other)
            if asked is None or other == field.name:
                say(where, f"表单中没有字段 {other}", f"the form has no field {other!r}")
                continue
            values = wanted if isinstance(wanted, list) else [wanted]
            codes = [choice.code for choice in asked.choices]
            for value in values:
                if codes and value not in codes:
                    say(
                        where,
                        f"字段 {other} 没有选项 {value}",
                        f"field {other!r} has no choice {value!r}",
                    )


def bad_bound(kind: str, bound: str) -> tuple[str, str] | None:
    """Why ``bound`` is no min or max for a field of this type (zh, en); None when it is one."""
    if kind not in BOUND_TYPES:
        return f"类型 {kind} 没有 min/max", f"type {kind} has no min or max"
    if kind in ("date", "datetime"):
        if re.fullmatch(r"today([+-][0-9]{1,5})?", bound):
            return None
        try:
            datetime.date.fromisoformat(bound)
        except ValueError:
            return "应为日期或 today+天数", "must be a date or today+days"
        return None
    pattern = r"-?[0-9]{1,15}(\.[0-9]{1,9})?" if kind in ("decimal", "money") else r"-?[0-9]{1,15}"
    return None if re.fullmatch(pattern, bound) else ("应为数字", "must be a number")
