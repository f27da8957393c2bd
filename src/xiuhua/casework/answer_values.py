"""Plain values of a form: text, numbers, dates, choices and personal data, cleaned by type.

Full-width digits and spaces become plain ones; what a database or a canonical log cannot hold is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from xiuhua.casework.schema import Field

LOCAL = ZoneInfo("Asia/Shanghai")

TEXT_LENGTH = 200
LONG_TEXT_LENGTH = 4000
NAME_LENGTH = 60
SAFE_INTEGER = 2**53 - 1  # RFC 8785: whole numbers that every JSON reader keeps exactly

_WIDE = {0xFF10 + digit: 0x30 + digit for digit in range(10)} | {0x3000: 0x20, 0xA0: 0x20}
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?")
_DATE = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_LANDLINE = re.compile(r"(0[0-9]{2,3}-?)?[2-9][0-9]{6,7}(-[0-9]{1,6})?|[48]00-?[0-9]{3}-?[0-9]{4}|1[0-9]{2,4}")
#: Of any other country, as E.164 has it: + and the country code. Mainland numbers keep their national form.
_ABROAD = re.compile(r"\+(?!86)[1-9][0-9]{6,14}")


class Bad(ValueError):
    """An answer that does not fit its field; the sentence is for the person."""


def clean(item: Field, raw: Any, today: date) -> Any:
    """The stored form of one answer. Raises `Bad`."""
    return _CLEANERS[item.type](item, raw, today)


# -- words -------------------------------------------------------------------------------------------------


def plain(value: Any) -> str:
    """Text with plain digits and spaces, trimmed; raises `Bad` for what is no text or cannot be stored."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Bad(_("This must be text."))
    if isinstance(value, int) and abs(value) > 10**30:
        raise Bad(_("This is too long."))
    text = str(value).replace("\r\n", "\n").replace("\r", "\n").translate(_WIDE)
    if any(unicodedata.category(char) in ("Cs", "Cc") and char not in "\n\t" for char in text):
        raise Bad(_("This holds characters that cannot be stored."))
    return text.strip()


def _length(item: Field, text: str, most: int) -> str:
    most = int(item.max) if item.max else most
    if len(text) > most:
        raise Bad(_("At most %(most)d characters; there are %(count)d.") % {"most": most, "count": len(text)})
    if item.min and len(text) < int(item.min):
        raise Bad(_("At least %(least)d characters, please.") % {"least": int(item.min)})
    return text


def _text(item: Field, raw: Any, today: date) -> str:
    return _length(item, re.sub(r"\s+", " ", plain(raw)), TEXT_LENGTH)


def _long_text(item: Field, raw: Any, today: date) -> str:
    return _length(item, plain(raw), LONG_TEXT_LENGTH)


def _choice(item: Field, raw: Any, today: date) -> str:
    code = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    if code not in [choice.code for choice in item.choices]:
        raise Bad(_("Choose one of: %(choices)s.") % {"choices": _listed(item)})
    return code


def _multi_choice(item: Field, raw: Any, today: date) -> list[str]:
    given = raw if isinstance(raw, list | tuple) else [raw]
    chosen = {_choice(item, one, today) for one in given}
    if item.min and len(chosen) < int(item.min):
        raise Bad(_("Choose at least %(count)d.") % {"count": int(item.min)})
    if item.max and len(chosen) > int(item.max):
        raise Bad(_("Choose at most %(count)d.") % {"count": int(item.max)})
    return [choice.code for choice in item.choices if choice.code in chosen]


def _listed(item: Field) -> str:
    return " / ".join(str(choice.title) for choice in item.choices)


def _bool(item: Field, raw: Any, today: date) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else raw
    if word in ("true", "1", "on", 1):
        return True
    if word in ("false", "0", "off", 0):
        return False
    raise Bad(_("Answer true or false."))


# -- numbers and dates -------------------------------------------------------------------------------------


def whole_number(raw: Any) -> int | None:
    """A whole number within what JSON keeps exactly, or None."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() and abs(raw) <= SAFE_INTEGER else None
    if isinstance(raw, str):
        word = unicodedata.normalize("NFKC", raw).strip().replace(",", "").replace("−", "-")
        raw = int(word) if re.fullmatch(r"[+-]?[0-9]{1,16}", word) else None
    return raw if isinstance(raw, int) and abs(raw) <= SAFE_INTEGER else None


def _integer(item: Field, raw: Any, today: date) -> int:
    number = whole_number(raw)
    if number is None:
        raise Bad(_("This must be a whole number."))
    _within(item, Decimal(number))
    return number


def _decimal(item: Field, raw: Any, today: date) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise Bad(_("This must be a number."))
    word = unicodedata.normalize("NFKC", str(raw)[:64]).strip().replace(",", "").replace("−", "-")
    if item.type == "money":
        word = word.lstrip("¥￥").strip()
    if not _DECIMAL.fullmatch(word):
        raise Bad(_("This must be a number with at most 15 digits before and 9 after the point."))
    number = Decimal(word)
    if item.type == "money":
        if number != number.quantize(Decimal("0.01")):
            raise Bad(_("An amount of money has at most two decimals."))
        number = number.quantize(Decimal("0.01"))
    _within(item, number)
    text = format(number, "f")
    return "0" + text[2:] if text.startswith("-0") and not number else text


def _within(item: Field, number: Decimal) -> None:
    if item.min is not None and number < Decimal(item.min):
        raise Bad(_("This must be at least %(least)s.") % {"least": item.min})
    if item.max is not None and number > Decimal(item.max):
        raise Bad(_("This must be at most %(most)s.") % {"most": item.max})


def day_of(bound: str, today: date) -> date:
    """``today``, ``today+7`` or an ISO date."""
    if bound.startswith("today"):
        return today + timedelta(days=int(bound.removeprefix("today") or 0))
    return date.fromisoformat(bound)


def _day_within(item: Field, day: date, today: date) -> None:
    if item.min and day < (least := day_of(item.min, today)):
        raise Bad(_("The date must not be before %(day)s.") % {"day": least.isoformat()})
    if item.max and day > (most := day_of(item.max, today)):
        raise Bad(_("The date must not be after %(day)s.") % {"day": most.isoformat()})


def _date(item: Field, raw: Any, today: date) -> str:
    if isinstance(raw, date) and not isinstance(raw, datetime):
        raw = raw.isoformat()
    found = _DATE.fullmatch(unicodedata.normalize("NFKC", raw).strip()) if isinstance(raw, str) else None
    try:
        if found is None:
            raise ValueError
        day = date(*(int(part) for part in found.groups()))
    except ValueError:
        raise Bad(_("Give a date such as 2026-05-01.")) from None
    _day_within(item, day, today)
    return day.isoformat()


def _datetime(item: Field, raw: Any, today: date) -> str:
    """UTC in ISO 8601; a time without zone is local time (Asia/Shanghai)."""
    try:
        if isinstance(raw, datetime):
            moment = raw
        elif isinstance(raw, str) and 10 <= len(raw.strip()) <= 40:
            moment = datetime.fromisoformat(unicodedata.normalize("NFKC", raw).strip().replace("/", "-"))
        else:
            raise ValueError
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Bad(_("Give a time such as 2026-05-01 09:30.")) from None
    _day_within(item, moment.astimezone(LOCAL).date(), today)
    whole = moment.replace(tzinfo=None, microsecond=0)
    return whole.isoformat() + "Z"


# -- personal data -----------------------------------------------------------------------------------------


def _phone(item: Field, raw: Any, today: date) -> str:
    word = unicodedata.normalize("NFKC", plain(raw)).replace(" ", "")
    word = re.sub(r"^(\+|00)86-?", "", word)
    digits = word.replace("-", "")
    if _MOBILE.fullmatch(digits):
        return digits
    if _LANDLINE.fullmatch(word):
        return word
    if _ABROAD.fullmatch(abroad := re.sub(r"[-.()]", "", word)):
        return abroad
    raise Bad(_("This is no telephone number: give one of mainland China, or one with + and its country code."))


def _person_name(item: Field, raw: Any, today: date) -> str:
    name = re.sub(r"\s+", " ", plain(raw))
    if any(char.isdigit() for char in name):
        raise Bad(_("A name has no digits."))
    return _length(item, name, NAME_LENGTH)


_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _id_number(item: Field, raw: Any, today: date) -> str:
    """The 18-character citizen identity number with its check character (GB 11643-1999)."""
    word = unicodedata.normalize("NFKC", plain(raw)).replace(" ", "").upper()
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", word):
        raise Bad(_("An identity number has 18 characters."))
    try:
        born = date(int(word[6:10]), int(word[10:12]), int(word[12:14]))
    except ValueError:
        raise Bad(_("The date of birth in this identity number does not exist.")) from None
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, word, strict=False))
    if word[17] != "10X98765432"[total % 11] or born > today:
        raise Bad(_("This identity number is mistyped: its check character does not fit."))
    return word


_CLEANERS: dict[str, Callable[[Field, Any, date], Any]] = {
    "text": _text,
    "long_text": _long_text,
    "choice": _choice,
    "multi_choice": _multi_choice,
    "bool": _bool,
    "integer": _integer,
    "decimal": _decimal,
    "money": _decimal,
    "date": _date,
    "datetime": _datetime,
    "phone": _phone,
    "person_name": _person_name,
    "id_number": _id_number,
}
