"""JSON Schema (2020-12) of a form, so that page, API and OpenAPI document come from the same procedure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xiuhua.casework.answer_values import LONG_TEXT_LENGTH, NAME_LENGTH, TEXT_LENGTH
from xiuhua.casework.forms import DATUMS
from xiuhua.casework.procedures import Procedure
from xiuhua.casework.schema import Field

_KEY: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 64}]}
_NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "maxLength": 40}]}

_SHAPES: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "integer": {"type": "integer"},
    "decimal": _NUMBER,
    "money": _NUMBER,
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "category": _KEY,
    "condition": _KEY,
    "organisation": _KEY,
    "platform": _KEY,
    "user": _KEY,
    "case": _KEY,
    "component": _KEY,
    "phone": {"type": "string", "maxLength": 40},
    "person_name": {"type": "string", "maxLength": NAME_LENGTH},
    "id_number": {"type": "string", "maxLength": 40},
    "position": {
        "type": "object",
        "properties": {
            "lon": _NUMBER,
            "lat": _NUMBER,
            "datum": {"type": "string", "enum": list(DATUMS)},
            "accuracy_m": _NUMBER,
        },
        "required": ["lon", "lat"],
        "additionalProperties": False,
    },
}


def field_schema(item: Field, language: str) -> dict[str, Any]:
    """The schema of one answer, with title and help in the language."""
    schema: dict[str, Any] = {**_shape(item, language), "title": item.title.in_language(language)}
    notes = [item.help.in_language(language)] if item.help else []
    if item.choices and item.type == "choice":
        notes += [f"{choice.code}: {choice.title.in_language(language)}" for choice in item.choices]
    if notes:
        schema["description"] = "\n".join(notes)
    if item.default is not None and not (isinstance(item.default, str) and item.default.startswith("$")):
        schema["default"] = item.default
    return schema


def _shape(item: Field, language: str) -> dict[str, Any]:
    codes = [choice.code for choice in item.choices]
    least, most = item.min, item.max
    if item.type in ("text", "long_text"):
        size = int(most) if most else TEXT_LENGTH if item.type == "text" else LONG_TEXT_LENGTH
        return {"type": "string", "maxLength": size, **({"minLength": int(least)} if least else {})}
    if item.type == "choice":
        return {"type": "string", "enum": codes}
    if item.type == "multi_choice":
        return {
            "type": "array",
            "items": {"type": "string", "enum": codes},
            **_counts(least, most, len(codes)),
        }
    if item.type == "photos":
        digest = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
        return {"type": "array", "items": digest, **_counts(least, most, 9)}
    if item.type == "hands":
        hand = {
            "type": "object",
            "properties": {"user": _KEY, "organisation": _KEY, "lead": {"type": "boolean"}},
            "additionalProperties": False,
        }
        return {"type": "array", "items": hand, **_counts(least or "1", most, 50)}
    if item.type == "integer":
        bounds = {"minimum": least, "maximum": most}
        return {"type": "integer", **{key: int(value) for key, value in bounds.items() if value is not None}}
    return dict(_SHAPES[item.type])


def _counts(least: str | None, most: str | None, default_most: int) -> dict[str, int]:
    return {**({"minItems": int(least)} if least else {}), "maxItems": int(most) if most else default_most}


def json_schema(fields: Sequence[Field], language: str) -> dict[str, Any]:
    """The schema of all answers of a form; ``required_if`` becomes if/then."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {item.name: field_schema(item, language) for item in fields},
        "additionalProperties": False,
    }
    # What has a default need not be sent.
    if required := [item.name for item in fields if item.required and item.default is None]:
        schema["required"] = required
    rules = []
    for item in fields:
        if item.required_if and item.default is None:
            tests = {
                name: {"enum": list(wanted) if isinstance(wanted, list | tuple) else [wanted]}
                for name, wanted in item.required_if.items()
            }
            condition = {"properties": tests, "required": list(tests)}
            rules.append({"if": condition, "then": {"required": [item.name]}})
    return {**schema, "allOf": rules} if rules else schema


def action_schemas(procedure: Procedure, language: str) -> dict[str, dict[str, Any]]:
    """Schemas for an OpenAPI document by component name (``city_case.file``), for what people do."""
    return {
        f"{procedure.code}.{action.code}": {
            **json_schema(action.form, language),
            "title": action.title.in_language(language),
        }
        for action in procedure.actions.values()
        if not action.system_only
    }
