"""Forms: each type cleans what people and programs send, says exactly what is wrong, and is stable when read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import jsonschema_rs
import pytest
from django.http import QueryDict
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.casework.form_schema import action_schemas, json_schema
from xiuhua.casework.forms import FormContext, from_post, parse, prefill, split
from xiuhua.casework.procedures import Field, SourceFile, load
from xiuhua.casework.schema import FIELD_TYPES, Choice
from xiuhua.casework.tests.test_procedures import CHILD, GOOD
from xiuhua.manifest import Text
from xiuhua.messages import compile_all

DIGEST = "ab" * 32
TEXT_FILE = "cd" * 32


@dataclass
class File:
    media_type: str


def known(value: Any, item: Field) -> int | None:
    return int(value) if str(value) in ("1", "2", "3") else None


CONTEXT = FormContext(
    today=date(2026, 3, 4),
    category=known,
    condition=known,
    organisation=known,
    user=known,
    case_key=known,
    component=lambda value, item: str(value) if str(value).startswith("4212") else None,
    attachment=lambda digest: {DIGEST: File("image/jpeg"), TEXT_FILE: File("text/plain")}.get(digest),
    to_wgs84=lambda x, y, datum: (x - 0.0055, y + 0.0021),
    case={"urgency": "high", "rounds": 0},
    actor=7,
    now="2026-03-04T02:00:00Z",
)


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    compile_all()


def field(kind: str, name: str = "a", **more: Any) -> Field:
    if kind in ("choice", "multi_choice"):
        more.setdefault("choices", (Choice("low", "低", "Low"), Choice("high", "高", "High")))
    return Field(name=name, type=kind, title=Text("甲", "Alpha"), **more)  # type: ignore[arg-type]


def answer(kind: str, raw: Any, **more: Any) -> Any:
    answers, errors = parse([field(kind, **more)], {"a": raw}, CONTEXT)
    assert not errors, errors
    return answers.get("a")


def error(kind: str, raw: Any, language: str = "en", **more: Any) -> str:
    with override(language):
        answers, errors = parse([field(kind, **more)], {"a": raw}, CONTEXT)
    assert len(errors) == 1 and errors[0].field == "a", (answers, errors)
    assert "a" not in answers
    return errors[0].message


POINT = {"lon": 114.3221234, "lat": "29.84", "accuracy_m": 7.2}
POINT_E7 = {
    "lon_e7": 1143221234, "lat_e7": 298400000, "datum": "wgs84", "raw_x": "114.3221234", "raw_y": "29.84", "accuracy_m": 8,
}  # fmt: skip

GOOD_ANSWERS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("text", "　井盖　缺失 １２３ ", "井盖 缺失 123", {}),
    ("text", "a\nb", "a b", {}),
    ("text", 15, "15", {}),
    ("long_text", "一\r\n二 \n", "一\n二", {}),
    ("choice", " low ", "low", {}),
    ("multi_choice", ["high", "low", "high"], ["low", "high"], {}),
    ("multi_choice", "high", ["high"], {}),
    ("bool", "on", True, {}),
    ("bool", "false", False, {}),
    ("bool", False, False, {}),
    ("integer", "１，２００".replace("，", ","), 1200, {}),
    ("integer", "０", 0, {}),
    ("integer", 12, 12, {}),
    ("integer", 3.0, 3, {}),
    ("decimal", "１．５０", "1.50", {}),
    ("decimal", 0.1, "0.1", {}),
    ("decimal", "-0", "0", {}),
    ("money", "¥56,180", "56180.00", {}),
    ("money", "0.5", "0.50", {}),
    ("date", "2026年5月1日", "2026-05-01", {}),
    ("date", "２０２６/5/1", "2026-05-01", {}),
    ("datetime", "2026-05-01 09:30", "2026-05-01T01:30:00Z", {}),
    ("datetime", "2026-05-01T09:30:15.25+08:00", "2026-05-01T01:30:15Z", {}),
    ("datetime", "2026-05-01T01:30:00Z", "2026-05-01T01:30:00Z", {}),
    ("category", "2", 2, {}),
    ("component", "4212001234567890", "4212001234567890", {}),
    ("photos", [DIGEST.upper(), DIGEST], [DIGEST], {"min": "1"}),
    ("phone", "１３８ ０００１-2345", "13800012345", {}),
    ("phone", "+86 13800012345", "13800012345", {}),
    ("phone", "0715-8126000", "0715-8126000", {}),
    ("phone", "12319", "12319", {}),
    ("person_name", " 测试　某 ", "测试 某", {}),
    ("id_number", "11010519491231002x", "11010519491231002X", {}),
    ("hands", [1, {"organisation": 2, "lead": True}], [{"user": 1}, {"organisation": 2, "lead": True}], {}),
    ("position", POINT, POINT_E7, {}),
    ("position", {"lon": "114.5", "lat": "29.5", "datum": "gcj02"},
     {"lon_e7": 1144945000, "lat_e7": 295021000, "datum": "gcj02", "raw_x": "114.5", "raw_y": "29.5"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "raw", "stored", "more"), GOOD_ANSWERS)
def test_answers_are_cleaned(kind: str, raw: Any, stored: Any, more: dict[str, Any]) -> None:
    assert answer(kind, raw, **more) == stored
    assert answer(kind, stored, **more) == stored, "reading a stored answer again changes nothing"


BAD_ANSWERS: list[tuple[str, Any, str, dict[str, Any]]] = [
    ("text", "字" * 201, "At most 200 characters; there are 201.", {}),
    ("text", "字" * 11, "At most 10", {"max": "10"}),
    ("text", "字", "At least 2", {"min": "2"}),
    ("text", ["x"], "must be text", {}),
    ("text", True, "must be text", {}),
    ("text", "a\x00b", "cannot be stored", {}),
    ("text", "a\ud800b", "cannot be stored", {}),
    ("choice", "mid", "Choose one of: Low / High.", {}),
    ("choice", {"low": 1}, "Choose one of", {}),
    ("multi_choice", ["low", "mid"], "Choose one of", {}),
    ("multi_choice", ["low"], "at least 2", {"min": "2"}),
    ("bool", "perhaps", "true or false", {}),
    ("integer", "1.5", "whole number", {}),
    ("integer", True, "whole number", {}),
    ("integer", 2**60, "whole number", {}),
    ("integer", float("inf"), "whole number", {}),
    ("integer", "11", "at most 10", {"max": "10"}),
    ("integer", "-1", "at least 0", {"min": "0"}),
    ("decimal", "1e9", "must be a number", {}),
    ("decimal", "1" * 16, "must be a number", {}),
    ("decimal", float("nan"), "must be a number", {}),
    ("money", "1.005", "two decimals", {}),
    ("money", "-1", "at least 0", {"min": "0"}),
    ("date", "2026-02-30", "Give a date", {}),
    ("date", 20260501, "Give a date", {}),
    ("date", "2026-03-04", "not be before 2026-03-05", {"min": "today+1"}),
    ("date", "2026-03-04", "not be after 2026-03-03", {"max": "2026-03-03"}),
    ("datetime", "soon", "Give a time", {}),
    ("datetime", "2026-03-03 23:59", "not be before 2026-03-04", {"min": "today"}),
    ("category", "9", "no such category", {}),
    ("organisation", [1], "no such organisation", {}),
    ("user", True, "no such person", {}),
    ("user", 2**70, "no such person", {}),
    ("photos", [], "Please answer", {"required": True}),
    ("photos", [DIGEST], "At least 2 photos", {"min": "2"}),
    ("photos", ["ef" * 32], "not been uploaded", {}),
    ("photos", ["../../etc/passwd"], "not been uploaded", {}),
    ("photos", [TEXT_FILE], "not a picture", {}),
    ("photos", [{"x": 1}], "digests", {}),
    ("phone", "12", "telephone", {}),
    ("phone", "1380001234x", "telephone", {}),
    ("person_name", "R2D2", "no digits", {}),
    ("id_number", "110105194912310021", "check character", {}),
    ("id_number", "11010519491331002X", "date of birth", {}),
    ("id_number", "123", "18 characters", {}),
    ("hands", [1, 1], "named twice", {}),
    ("hands", [{"user": 1, "lead": True}, {"user": 2, "lead": True}], "Only one", {}),
    ("hands", [{"user": 1, "organisation": 2}], "by person or by organisation", {}),
    ("position", {"lon": 114.3}, "longitude and latitude", {}),
    ("position", {"lon": "x", "lat": 1}, "longitude and latitude", {}),
    ("position", {"lon": True, "lat": 1}, "longitude and latitude", {}),
    ("position", {"lon": float("nan"), "lat": 1}, "longitude and latitude", {}),
    ("position", {"lon": "1e999999", "lat": 1}, "longitude and latitude", {}),
    ("position", {"lon": 181, "lat": 1}, "out of range", {}),
    ("position", {"lon": 1, "lat": 1, "datum": "mars"}, "Unknown datum", {}),
    ("position", {"lon": 1, "lat": 1, "alt": 3}, "no part “alt”", {}),
    ("position", {"lon": 1, "lat": 1, "accuracy_m": -1}, "accuracy", {}),
    ("position", "114,29", "longitude and latitude", {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "raw", "words", "more"), BAD_ANSWERS)
def test_wrong_answers_are_told(kind: str, raw: Any, words: str, more: dict[str, Any]) -> None:
    assert words in error(kind, raw, **more)
    chinese = error(kind, raw, "zh-hans", **more)
    assert any("\u4e00" <= char <= "\u9fff" for char in chinese), chinese


FORM = [
    field("choice", "level", required=True),
    field("text", "why", required_if={"level": "high"}),
    field("integer", "count", default=1),
    field("choice", "urgency", default="$case.urgency"),
    field("user", "who", default="$actor"),
]
OTHER = FormContext(today=date(2026, 3, 4), user=lambda value, item: int(value), case={"urgency": "low"}, actor=7)


def test_defaults_requirements_and_unknown_names() -> None:
    with override("en"):
        answers, errors = parse(FORM, {"level": "high", "extra": 1}, OTHER)
    assert [(e.field, e.message) for e in errors] == [
        ("why", "Please answer “Alpha”."),
        ("extra", "This form has no such field."),
    ]
    answers, errors = parse(FORM, {"level": "low", "why": "  "}, OTHER)
    assert not errors
    assert answers == {"level": "low", "count": 1, "urgency": "low", "who": 7}
    assert parse(FORM, None, OTHER)[1][0].field == "level"
    assert parse(FORM, ["level"], OTHER)[1][0].field == ""
    assert prefill(FORM, OTHER) == {"count": 1, "urgency": "low", "who": 7}


def test_a_wrong_answer_does_not_hide_the_others() -> None:
    _answers, errors = parse(FORM, {"level": "mid", "count": "x", "urgency": "mid"}, OTHER)
    assert [e.field for e in errors] == ["level", "count", "urgency"]


def test_a_browser_form_says_the_same_as_the_api() -> None:
    form = [
        field("photos", "photos"), field("position", "place"), field("bool", "sure"), field("multi_choice", "kinds"),
        field("hands", "hands"), field("text", "note"),
    ]  # fmt: skip
    post = QueryDict(
        f"photos={DIGEST}&place.lon=114.3221234&place.lat=29.84&place.accuracy_m=7.2&sure=on&kinds=low&kinds=high"
        "&hands=user:1&hands=organisation:2&hands.lead=organisation:2&note=x&csrfmiddlewaretoken=t"
    )
    api = {
        "photos": [DIGEST], "place": POINT, "sure": True, "kinds": ["low", "high"],
        "hands": [{"user": 1}, {"organisation": 2, "lead": True}], "note": "x",
    }  # fmt: skip
    assert parse(form, from_post(form, post), CONTEXT) == parse(form, api, CONTEXT)
    assert parse(form, api, CONTEXT)[1] == ()


def test_an_empty_browser_form_is_empty() -> None:
    form = [field(kind, kind) for kind in FIELD_TYPES]
    answers, errors = parse(form, from_post(form, QueryDict("&".join(f"{kind}=" for kind in FIELD_TYPES))), CONTEXT)
    assert (answers, errors) == ({"bool": False}, ())


def test_personal_answers_and_words_are_told_apart() -> None:
    form = [
        field("person_name", "name"),
        field("text", "note"),
        field("integer", "n"),
        field("text", "secret", personal=True),
    ]
    parts = split(form, {"name": "某", "note": "x", "n": 3, "secret": "y"})
    assert (parts.facts, parts.text, parts.personal) == ({"n": 3}, {"note": "x"}, {"name": "某", "secret": "y"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
parts = st.sampled_from(["lon", "lat", "datum", "accuracy_m", "lon_e7", "lat_e7", "raw_x", "raw_y", "user", "lead"])


@given(st.sampled_from(FIELD_TYPES), json_values | st.dictionaries(parts, json_values, max_size=5))
def test_whatever_is_sent_is_answered(kind: str, raw: Any) -> None:
    """Anything becomes an answer that JSON keeps without floats and that reads back the same, or a sentence."""
    answers, errors = parse([field(kind)], {"a": raw}, CONTEXT)
    assert all(e.message for e in errors)
    if not errors:
        json.dumps(answers, allow_nan=False).encode()
        assert "float" not in {type(v).__name__ for v in _leaves(answers)}
        assert parse([field(kind)], answers, CONTEXT) == (answers, ())


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


@given(st.integers(-1_800_000_000, 1_800_000_000), st.integers(-900_000_000, 900_000_000))
def test_positions_keep_every_digit(lon_e7: int, lat_e7: int) -> None:
    given_place = {"lon": lon_e7 / 1e7, "lat": lat_e7 / 1e7}
    found = answer("position", given_place)
    assert (found["lon_e7"], found["lat_e7"]) == (lon_e7, lat_e7)


# -- JSON Schema ------------------------------------------------------------------------------------------------------


def test_the_schema_describes_the_form() -> None:
    schema = json_schema(FORM, "en")
    assert schema["required"] == ["level"] and schema["additionalProperties"] is False
    assert schema["properties"]["level"]["enum"] == ["low", "high"]
    assert (
        schema["properties"]["level"]["title"] == "Alpha"
        and json_schema(FORM, "zh-hans")["properties"]["level"]["title"] == "甲"
    )
    assert schema["properties"]["count"]["default"] == 1
    assert schema["allOf"] == [
        {"if": {"properties": {"level": {"enum": ["high"]}}, "required": ["level"]}, "then": {"required": ["why"]}}
    ]


def test_the_schema_accepts_what_the_form_accepts() -> None:
    """In the API's own types; pages send text where the schema asks a number, a list or an object."""
    typed = {"bool": bool, "integer": int, "multi_choice": list, "text": str, "photos": list}
    checked = set()
    for kind, raw, stored, more in GOOD_ANSWERS:
        if kind in ("hands", "date", "datetime", "multi_choice"):
            raw = stored
        if kind == "choice":
            raw = raw.strip()
        if isinstance(raw, typed.get(kind, object)):
            jsonschema_rs.validate(json_schema([field(kind, **more)], "en"), {"a": raw})
            checked.add(kind)
    assert checked >= {
        "text",
        "choice",
        "multi_choice",
        "bool",
        "integer",
        "decimal",
        "date",
        "photos",
        "position",
        "hands",
    }


def test_every_type_has_a_schema() -> None:
    for language in ("zh-hans", "en"):
        schema = json_schema([field(kind, kind) for kind in FIELD_TYPES], language)
        jsonschema_rs.meta.validate(schema)
        assert set(schema["properties"]) == set(FIELD_TYPES)


def test_engine_actions_are_no_part_of_the_api() -> None:
    procedure = load([SourceFile("fix.yaml", GOOD), SourceFile("glance.yaml", CHILD)]).get("fix")
    assert set(action_schemas(procedure, "en")) == {"fix.report", "fix.look", "fix.finish", "fix.reopen"}
