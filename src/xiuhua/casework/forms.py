"""Answers to the form of an action: parsed, checked and made safe for JSON, the same for page and API.

`parse` takes what a browser or a program sent and returns answers that hold only text, whole numbers,
true/false, lists and mappings (no floats: fractions are text, positions whole 1e-7 degrees) and one
sentence for each wrong or missing answer. Parsing an answer again gives the same answer. No I/O besides the
look-ups of the `FormContext`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from django.utils.translation import gettext as _

from xiuhua.casework.answer_values import Bad, clean, whole_number
from xiuhua.casework.refusal import FieldError
from xiuhua.casework.schema import Field

__all__ = ["FieldError", "FormContext", "Split", "from_post", "parse", "prefill", "split"]

POSITION_PARTS = ("lon", "lat", "datum", "accuracy_m")


class Attached(Protocol):
    """What a form asks of an uploaded file."""

    media_type: str


def _none(value: Any, field: Field) -> Any:
    return None


@dataclass(frozen=True)
class FormContext:
    """Look-ups and circumstances of one form.

    Each resolver takes the given value and the field and returns the stored key (whole number or text) or
    None when there is nothing of that name *for this actor*; it must accept its own results. `attachment`
    takes a SHA-256 in hex. `to_wgs84(x, y, datum)` gives longitude and latitude in degrees and raises
    ValueError for an unknown datum; `in_city(lon, lat)` says whether the city reaches there. `case` holds columns of the case at hand for defaults such as
    ``$case.category``.
    """

    today: date
    category: Callable[[Any, Field], int | str | None] = _none
    condition: Callable[[Any, Field], int | str | None] = _none
    organisation: Callable[[Any, Field], int | str | None] = _none
    platform: Callable[[Any, Field], int | str | None] = _none
    user: Callable[[Any, Field], int | str | None] = _none
    case_key: Callable[[Any, Field], int | str | None] = _none
    component: Callable[[Any, Field], int | str | None] = _none
    attachment: Callable[[str], Attached | None] = lambda digest: None
    to_wgs84: Callable[[float, float, str], tuple[float, float]] | None = None
    in_city: Callable[[float, float], bool] = lambda lon, lat: True
    case: Mapping[str, Any] = field(default_factory=dict)
    actor: int | None = None
    now: str = ""  # ISO 8601 UTC, for ``$now``


def parse(fields: Sequence[Field], data: Any, context: FormContext) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """Answers by field name, and every error in the order of the form. Answers are whole only without errors.

    1. default what was left out; 2. clean each answer by its type; 3. look for missing ones, where
    ``required_if`` reads the cleaned answers; 4. refuse names that the form does not ask.
    """
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        return {}, (FieldError("", _("The answers must be a mapping of field names to values.")),)
    answers: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for item in fields:
        raw = data.get(item.name)
        if is_blank(raw):
            raw = default_of(item, context)
        if is_blank(raw):
            continue
        try:
            answers[item.name] = _parse_one(item, raw, context)
        except Bad as bad:
            errors[item.name] = str(bad)
    for item in fields:
        if item.name in errors or not is_blank(answers.get(item.name)):
            continue
        answers.pop(item.name, None)
        if item.required or (item.required_if and applies(item, answers)):
            errors[item.name] = _("Please answer “%(title)s”.") % {"title": item.title}
    names = {item.name for item in fields}
    ordered = [FieldError(item.name, errors[item.name]) for item in fields if item.name in errors]
    ordered += [FieldError(str(name)[:60], _("This form has no such field.")) for name in data if name not in names]
    return answers, tuple(ordered)


def is_blank(value: Any) -> bool:
    """Nothing was answered: absent, empty or only spaces; ``False`` and 0 are answers."""
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, Mapping):
        return all(part in (None, "") for key, part in value.items() if key != "datum")
    return value is None or (isinstance(value, list | tuple) and not value)


def applies(item: Field, answers: Mapping[str, Any]) -> bool:
    """Do all conditions of ``required_if`` hold?"""
    for name, wanted in item.required_if.items():
        values = wanted if isinstance(wanted, list | tuple) else (wanted,)
        given = answers.get(name, False if isinstance(wanted, bool) else None)
        if isinstance(given, list):
            if not set(given) & set(values):
                return False
        elif given not in values or isinstance(given, bool) is not isinstance(values[0], bool):
            return False
    return True


def default_of(item: Field, context: FormContext) -> Any:
    """The value that stands when nothing is answered."""
    default = item.default
    if not isinstance(default, str) or not default.startswith("$"):
        return default
    if default == "$today":
        return context.today.isoformat()
    if default == "$now":
        return context.now or None
    if default == "$actor":
        return context.actor
    return context.case.get(default.removeprefix("$case."))


def prefill(fields: Sequence[Field], context: FormContext) -> dict[str, Any]:
    """What an empty form shows."""
    found = {item.name: default_of(item, context) for item in fields}
    return {name: value for name, value in found.items() if not is_blank(value)}


# -- one answer --------------------------------------------------------------------------------------------


def _parse_one(item: Field, raw: Any, context: FormContext) -> Any:
    if item.type == "position":
        return _position(raw, context)
    if item.type == "photos":
        return _photos(item, raw, context)
    if item.type == "hands":
        return _hands(item, raw, context)
    if item.type in _RESOLVED:
        name, sentence = _RESOLVED[item.type]
        return _resolve(item, raw, getattr(context, name), sentence())
    return clean(item, raw, context.today)


_RESOLVED: dict[str, tuple[str, Callable[[], str]]] = {
    "category": ("category", lambda: _("There is no such category.")),
    "condition": ("condition", lambda: _("There is no such file condition.")),
    "organisation": (
        "organisation",
        lambda: _("There is no such organisation, or it cannot be chosen here."),
    ),
    "platform": ("platform", lambda: _("There is no such platform, or it cannot be chosen here.")),
    "user": ("user", lambda: _("There is no such person, or they cannot be chosen here.")),
    "case": ("case_key", lambda: _("There is no such case, or you may not see it.")),
    "component": ("component", lambda: _("There is no such component.")),
}


def _resolve(item: Field, raw: Any, resolver: Callable[[Any, Field], int | str | None], sentence: str) -> int | str:
    if isinstance(raw, bool) or not isinstance(raw, int | str) or len(str(raw)) > 64:
        raise Bad(sentence)
    if isinstance(raw, int) and abs(raw) >= 2**63:
        raise Bad(sentence)
    found = resolver(raw.strip() if isinstance(raw, str) else raw, item)
    if found is None:
        raise Bad(sentence)
    return found


def _photos(item: Field, raw: Any, context: FormContext) -> list[str]:
    """Digests of uploaded pictures, in order, each once."""
    given = [raw] if isinstance(raw, str) else raw
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise Bad(_("Photos are given by the digests that the upload returned."))
    digests = list(dict.fromkeys(one.strip().lower() for one in given if one.strip()))
    least, most = int(item.min or 0), int(item.max or 9)
    if len(digests) < least:
        raise Bad(_("At least %(count)d photos are needed.") % {"count": least})
    if len(digests) > most:
        raise Bad(_("At most %(count)d photos can be added.") % {"count": most})
    for digest in digests:
        found = context.attachment(digest) if len(digest) == 64 else None
        if found is None:
            raise Bad(_("A photo has not been uploaded yet."))
        if not found.media_type.startswith("image/"):
            raise Bad(_("One of the files is not a picture."))
    return digests


def _hands(item: Field, raw: Any, context: FormContext) -> list[dict[str, Any]]:
    """Who must act: ``[{user: …} | {organisation: …}, lead?: true]``, each once, at most one in the lead."""
    given = raw if isinstance(raw, list | tuple) else [raw]
    hands: list[dict[str, Any]] = []
    for one in given:
        one = {"user": one} if isinstance(one, int | str) and not isinstance(one, bool) else one
        if not isinstance(one, Mapping) or set(one) - {"user", "organisation", "lead"}:
            raise Bad(_("Each one is named by person or by organisation."))
        kinds = [kind for kind in ("user", "organisation") if one.get(kind) is not None]
        lead = one.get("lead", False)
        if len(kinds) != 1 or not isinstance(lead, bool):
            raise Bad(_("Each one is named by person or by organisation."))
        name, sentence = _RESOLVED[kinds[0]]
        key = _resolve(item, one[kinds[0]], getattr(context, name), sentence())
        if any(hand.get(kinds[0]) == key for hand in hands):
            raise Bad(_("Someone is named twice."))
        hands.append({kinds[0]: key, **({"lead": True} if lead else {})})
    if sum("lead" in hand for hand in hands) > 1:
        raise Bad(_("Only one can have the lead."))
    least, most = int(item.min or 1), int(item.max or 50)
    if not least <= len(hands) <= most:
        raise Bad(_("Between %(least)d and %(most)d must be named.") % {"least": least, "most": most})
    return hands


DATUMS = ("wgs84", "cgcs2000", "gcj02", "bd09", "epsg4547")


def _position(raw: Any, context: FormContext) -> dict[str, Any]:
    """``{lon, lat, datum, accuracy_m}`` -> whole 1e-7 degrees of WGS 84, with the numbers as they were
    given.
    """
    sentence = _("A position needs longitude and latitude as numbers.")
    if not isinstance(raw, Mapping):
        raise Bad(sentence)
    stored = "lon_e7" in raw
    allowed = {"lon_e7", "lat_e7", "datum", "raw_x", "raw_y", "accuracy_m"} if stored else set(POSITION_PARTS)
    if unknown := sorted(str(key)[:20] for key in set(raw) - allowed):
        raise Bad(_("A position has no part “%(part)s”.") % {"part": unknown[0]})
    datum = raw.get("datum") or "wgs84"
    if datum not in DATUMS:
        raise Bad(_("Unknown datum; known are %(known)s.") % {"known": ", ".join(DATUMS)})
    accuracy = None
    if not is_blank(raw.get("accuracy_m")):
        metres = _coordinate(raw["accuracy_m"])
        if metres is None or not 0 <= metres <= 100_000:
            raise Bad(_("The accuracy must be a number of metres from 0 to 100,000."))
        accuracy = math.ceil(metres)
    if stored:
        lon_e7, lat_e7 = whole_number(raw["lon_e7"]), whole_number(raw.get("lat_e7"))
        raw_x, raw_y = raw.get("raw_x", ""), raw.get("raw_y", "")
        if not all(isinstance(part, str) and len(part) <= 32 for part in (raw_x, raw_y)):
            raise Bad(sentence)
    else:
        x, y = _coordinate(raw.get("lon")), _coordinate(raw.get("lat"))
        if x is None or y is None:
            raise Bad(sentence)
        raw_x, raw_y = _plain(x), _plain(y)
        lon, lat = _degrees(x, y, datum, context)
        lon_e7, lat_e7 = round(lon * 10**7), round(lat * 10**7)
    if lon_e7 is None or lat_e7 is None or abs(lon_e7) > 180 * 10**7 or abs(lat_e7) > 90 * 10**7:
        raise Bad(_("Longitude or latitude is out of range."))
    _within_city(lon_e7 / 1e7, lat_e7 / 1e7, context)
    answer: dict[str, Any] = {
        "lon_e7": lon_e7, "lat_e7": lat_e7, "datum": datum, "raw_x": raw_x, "raw_y": raw_y,
    }  # fmt: skip
    return answer if accuracy is None else {**answer, "accuracy_m": accuracy}


def _within_city(lon: float, lat: float, context: FormContext) -> None:
    """A place out of the city's reach is a slip of the hand or of the datum, and nobody here could deal with it."""
    if context.in_city(lon, lat):
        return
    if abs(lon) <= 90 and context.in_city(lat, lon):
        raise Bad(_("Longitude and latitude are swapped: with them the other way round the place lies in the city."))
    raise Bad(_("This place lies outside the city. Check the numbers and the datum, or leave the position empty."))


def _coordinate(value: Any) -> Decimal | None:
    """A number as given (text, whole or floating), or None; at most 12 digits before and 15 after the
    point.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value).strip()[:40])
    except ArithmeticError:
        return None
    exponent = number.as_tuple().exponent
    if not number.is_finite() or not isinstance(exponent, int) or exponent < -25 or abs(number) >= 10**12:
        return None
    return number


def _plain(number: Decimal) -> str:
    """Without an exponent, at most 15 places after the point."""
    text = format(number, "f")
    return text if len(text) <= 32 else format(round(number, 12), "f")


def _degrees(x: Decimal, y: Decimal, datum: str, context: FormContext) -> tuple[Decimal, Decimal]:
    if datum in ("wgs84", "cgcs2000"):
        return x, y
    if datum != "epsg4547" and (abs(x) > 180 or abs(y) > 90):
        raise Bad(_("Longitude or latitude is out of range."))
    if context.to_wgs84 is None:
        raise Bad(_("Positions of this datum cannot be converted here."))
    try:
        lon, lat = context.to_wgs84(float(x), float(y), datum)
    except ValueError:
        lon = lat = math.nan
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise Bad(_("Longitude or latitude is out of range."))
    return Decimal(repr(float(lon))), Decimal(repr(float(lat)))


# -- the way in and the way on -----------------------------------------------------------------------------


def from_post(fields: Sequence[Field], post: Any) -> dict[str, Any]:
    """Data of a browser form (a QueryDict): lists where it asks lists, ``position.lon`` put together."""
    data: dict[str, Any] = {}
    for item in fields:
        if item.type in ("photos", "multi_choice"):
            data[item.name] = [one for one in post.getlist(item.name) if one]
        elif item.type == "hands":
            lead = post.get(f"{item.name}.lead", "")
            data[item.name] = [
                {**_hand(one), **({"lead": True} if one == lead else {})} for one in post.getlist(item.name) if one
            ]
        elif item.type == "position":
            parts = {part: post.get(f"{item.name}.{part}", "") for part in POSITION_PARTS}
            data[item.name] = {part: value for part, value in parts.items() if value}
        elif item.type == "bool":
            data[item.name] = post.get(item.name) not in (None, "", "false", "0", "off")
        elif item.name in post:
            data[item.name] = post.get(item.name)
    return data


def _hand(value: str) -> dict[str, Any]:
    """``user:12`` or ``organisation:5``; a bare key is a person."""
    kind, colon, key = value.partition(":")
    return {kind: key} if colon and kind in ("user", "organisation") else {"user": value}


@dataclass(frozen=True)
class Split:
    """Where the answers of a form go: by field name, each answer in exactly one place."""

    facts: dict[str, Any]  # may stand in the log and in the case's JSON
    text: dict[str, str]  # free words: erasable payload
    personal: dict[str, Any]  # encrypted, in the erasable payload


def split(fields: Sequence[Field], answers: Mapping[str, Any]) -> Split:
    parts = Split({}, {}, {})
    for item in fields:
        if item.name in answers:
            place = parts.personal if item.is_personal else parts.text if item.is_text else parts.facts
            place[item.name] = answers[item.name]
    return parts
