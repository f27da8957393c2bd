"""Columns of a ledger as the model has them: type, title, choices; values read from text and written as plain ones.

A *plain* value is text, a whole number, true, false or nothing: what the API gives, files hold and history keeps.
Dates are ISO, decimals and degrees text, references the natural key of the row they point at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from django.db import models
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from xiuhua.api_base import storable
from xiuhua.city import crypto
from xiuhua.ledgers.declare import Column, Ledger
from xiuhua.ledgers.registry import model_of
from xiuhua.manifest import Text

Plain = str | int | bool | None
ModelClass = type[Model]

_TRUE = frozenset({"1", "true", "yes", "y", "t", "on", "是", "有", "对", "√"})
_FALSE = frozenset({"0", "false", "no", "n", "f", "off", "否", "无", "错", "×"})
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]0{1,2}:00(?::00(?:\.0+)?)?)?")
_CALL = re.compile(r"[+\-@][^\d\s]*[(!|]")
_MARKS = ("=", "+", "-", "@", "\t", "\r")


class Wrong(ValueError):
    """A value that cannot stand; the message says what would be accepted, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        self.text = Text(zh, en)
        super().__init__(en)


@dataclass(frozen=True, slots=True)
class Col:
    """One column resolved against the model."""

    name: str
    column: Column
    type: str
    title: Any
    attname: str
    required: bool
    nullable: bool
    max_length: int | None
    choices: dict[str, Any]
    ref: ModelClass | None = None
    ref_key: str = ""
    default: Any = None

    @property
    def is_text(self) -> bool:
        return self.type in ("text", "long_text", "choice")


@dataclass(frozen=True, slots=True)
class Book:
    """A ledger with its columns by name."""

    ledger: Ledger
    model: type[Model]
    cols: dict[str, Col]

    @property
    def refs(self) -> set[type[Model]]:
        return {col.ref for col in self.cols.values() if col.ref is not None}

    def headers(self) -> dict[str, str]:
        """Every header under which a file may bring a column, folded -> column name."""
        found: dict[str, str] = {}
        for col in self.cols.values():
            titles = (col.title.zh, col.title.en) if isinstance(col.title, Text) else _both(col.title)
            for name in (col.name, *titles, *col.column.aliases):
                found.setdefault(fold(str(name)), col.name)
        return found


def fold(header: str) -> str:
    """A header without case, blanks, marks and byte-order mark."""
    return re.sub(r"[\s_*＊（）()：:\-\ufeff]+", "", header).casefold()


def _both(title: Any) -> tuple[str, ...]:
    if not isinstance(title, Promise):
        return (str(title),)
    from django.utils.translation import override

    said = []
    for language in ("zh-hans", "en"):
        with override(language):
            said.append(str(title))
    return tuple(said)


def titles(col: Col) -> tuple[str, str]:
    """The column's title in Chinese and English."""
    if isinstance(col.title, Text):
        return col.title.zh, col.title.en
    said = _both(col.title)
    return said[0], said[-1]


@cache
def book(ledger: Ledger) -> Book:
    model = model_of(ledger)
    return Book(ledger, model, {column.name: _resolve(model, column) for column in ledger.columns})


_TYPES: tuple[tuple[type[models.Field[Any, Any]], str], ...] = (
    (models.ForeignKey, "ref"),
    (models.BooleanField, "bool"),
    (models.DateTimeField, "datetime"),
    (models.DateField, "date"),
    (models.DecimalField, "decimal"),
    (models.IntegerField, "integer"),
    (models.TextField, "long_text"),
    (models.CharField, "text"),
)


def _resolve(model: type[Model], column: Column) -> Col:
    if column.personal:
        field: Any = model._meta.get_field(f"{column.name}_cipher")
        title = column.title or field.verbose_name
        return Col(column.name, column, "phone", title, field.attname, bool(column.required), False, 40, {})
    field = model._meta.get_field(column.name)
    kind = next((name for cls, name in _TYPES if isinstance(field, cls)), "")
    if not kind:
        raise TypeError(f"{model.__name__}.{column.name}: a column of this kind cannot be in a ledger")
    choices: dict[str, Any] = {str(value): label for value, label in (field.choices or ())}
    choices.update(dict(column.choices))
    if choices:
        kind = "choice"
    ref = field.related_model if kind == "ref" else None
    required = (
        column.required if column.required is not None else not (field.blank or field.null or field.has_default())
    )
    return Col(
        column.name,
        column,
        kind,
        column.title or field.verbose_name,
        field.attname,
        required,
        field.null,
        field.max_length,
        choices,
        ref,
        _natural(ref) if ref is not None else "",
        field.get_default()
        if field.has_default()
        else ("" if isinstance(field, models.CharField | models.TextField) else None),
    )


def _natural(model: type[Model]) -> str:
    """The text column by which people name a row of a model."""
    for field in model._meta.concrete_fields:
        if field.unique and isinstance(field, models.CharField):
            return field.name
    raise TypeError(f"{model.__name__} has no unique text by which a file could name it")


# -- references ----------------------------------------------------------------------------------------------------


class Refs:
    """Rows that others point at, by key and by id; each look-up brings many with one statement."""

    def __init__(self) -> None:
        self._by_key: dict[type[Model], dict[str, int]] = {}
        self._by_pk: dict[type[Model], dict[int, tuple[str, str]]] = {}
        self._missing: dict[type[Model], set[str]] = {}

    def keys(self, col: Col, wanted: Iterable[str]) -> None:
        """Bring the rows of these natural keys."""
        assert col.ref is not None
        have = self._by_key.setdefault(col.ref, {})
        gone = self._missing.setdefault(col.ref, set())
        new = {one for one in wanted if one and one not in have and one not in gone}
        if new:
            self._keep(col.ref, col.ref._default_manager.filter(**{f"{col.ref_key}__in": new}), col.ref_key)
            gone |= {one for one in new if one not in have}

    def pks(self, model: type[Model], key: str, wanted: Iterable[int | None]) -> None:
        """Bring the rows of these ids."""
        have = self._by_pk.setdefault(model, {})
        new = {one for one in wanted if one is not None and one not in have}
        if new:
            self._keep(model, model._default_manager.filter(pk__in=new), key)

    def _keep(self, model: type[Model], rows: Any, key: str) -> None:
        for row in rows:
            name = getattr(row, key)
            self._by_key.setdefault(model, {})[name] = row.pk
            self._by_pk.setdefault(model, {})[row.pk] = (name, str(row))

    def pk(self, col: Col, key: str) -> int | None:
        assert col.ref is not None
        return self._by_key.get(col.ref, {}).get(key)

    def key(self, col: Col, pk: int | None) -> str | None:
        if pk is None or col.ref is None:
            return None
        return self._by_pk[col.ref][pk][0]

    def title(self, col: Col, pk: int | None) -> str:
        if pk is None or col.ref is None:
            return ""
        return self._by_pk[col.ref][pk][1]

    def of_rows(self, book: Book, rows: Iterable[Model]) -> Refs:
        """Bring all that these rows point at, one statement per model."""
        rows = list(rows)
        for model in book.refs:
            cols = [col for col in book.cols.values() if col.ref is model]
            self.pks(model, cols[0].ref_key, (getattr(row, col.attname) for row in rows for col in cols))
        return self


# -- to plain ------------------------------------------------------------------------------------------------------


def plain_value(col: Col, value: Any, refs: Refs) -> Plain:
    if value is None or isinstance(value, bool):
        return value
    if col.type == "ref":
        return refs.key(col, value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int):
        return value if -(2**53) < value < 2**53 else str(value)
    return str(value)


def plain(book: Book, row: Model, refs: Refs) -> dict[str, Plain]:
    """A row as plain values: its columns, and ``lon`` and ``lat`` or ``wkt`` where it has a shape.

    Personal columns come as they are kept: sealed.
    """
    from xiuhua.ledgers import shapes

    found = {col.name: plain_value(col, getattr(row, col.attname), refs) for col in book.cols.values()}
    found.update(shapes.plain(book.ledger, row))
    return found


def masked(book: Book, values: dict[str, Plain]) -> dict[str, Plain]:
    """The same with personal columns opened and masked."""
    personal = [col.name for col in book.cols.values() if col.column.personal and values.get(col.name)]
    if not personal:
        return values
    return {**values, **{name: crypto.mask_phone(opened(book, values, name)) for name in personal}}


def opened(book: Book, values: dict[str, Plain], name: str) -> str:
    """The clear text of a personal column; '' when its key is gone."""
    try:
        return crypto.decrypt(str(values[name]), context(book, values, name)) if values.get(name) else ""
    except crypto.Unreadable:
        return ""


def context(book: Book, values: dict[str, Any], name: str) -> str:
    """What a sealed text is bound to: ledger, key of the row, column."""
    return f"ledger:{book.ledger.code}:{'/'.join(str(values.get(k, '')) for k in book.ledger.key)}:{name}"


def shown(col: Col, value: Plain, title: str = "") -> Any:
    """A plain value as people read it."""
    if value is None or value == "":
        return ""
    if col.type == "bool":
        return _("Yes") if value else _("No")
    if col.type == "choice":
        return col.choices.get(str(value), value)
    if col.type == "ref":
        return title or value
    return value


# -- from text -----------------------------------------------------------------------------------------------------


def neutral(value: Any) -> Any:
    """Text for a cell of a spreadsheet: what it would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_MARKS) else value


def _bare(text: str) -> str:
    """Our own apostrophe taken off again."""
    return text[1:] if text[:1] == "'" and text[1:2] in _MARKS else text


def read(col: Col, given: Any, refs: Refs) -> Any:
    """The model's value of what a file, form or request gives; raises `Wrong`. References must have been brought."""
    if given is None:
        text = ""
    elif isinstance(given, str):
        text = given.strip()
    elif isinstance(given, bool):
        text = "1" if given else "0"
    elif isinstance(given, datetime | date):
        text = given.isoformat()
    elif isinstance(given, float) and given.is_integer():
        text = str(int(given))
    else:
        text = str(given)
    if text.startswith("'"):
        text = _bare(text)
    elif text.startswith("=") or (text[:1] in "+-@" and _CALL.match(text)):
        raise Wrong("单元格里是公式，请改为值。", "The cell holds a formula; put its value there.")
    if not text:
        if col.required:
            raise Wrong("必填。", "This is required.")
        return _empty(col)
    if not storable(text) or any(ord(c) < 32 and c not in "\n\r\t" for c in text):
        raise Wrong("含有无法保存的字符。", "There are characters that cannot be stored.")
    return _READERS[col.type](col, text, refs)


def _empty(col: Col) -> Any:
    if col.default is not None:
        return col.default
    if col.nullable:
        return None
    return "" if col.type in ("text", "long_text", "phone", "choice") else None


def _text(col: Col, text: str, refs: Refs) -> str:
    if col.max_length and len(text) > col.max_length:
        raise Wrong(
            f"最多{col.max_length}个字，实有{len(text)}个。",
            f"At most {col.max_length} characters; there are {len(text)}.",
        )
    if col.type == "text" and ("\n" in text or "\r" in text):
        raise Wrong("只能写一行。", "Only one line is possible here.")
    return text


def _integer(col: Col, text: str, refs: Refs) -> int:
    try:
        value = int(text.replace(",", ""))
    except ValueError:
        raise Wrong(f"“{text[:40]}”不是整数。", f"{text[:40]!r} is no whole number.") from None
    if not -(2**31) <= value < 2**31 or (col.name == "priority" and not 0 <= value <= 32767):
        raise Wrong(f"{value}超出范围。", f"{value} is out of range.")
    return value


def _decimal(col: Col, text: str, refs: Refs) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise Wrong(f"“{text[:40]}”不是数。", f"{text[:40]!r} is no number.") from None
    if not value.is_finite():
        raise Wrong(f"“{text[:40]}”不是数。", f"{text[:40]!r} is no number.")
    return value


def _date(col: Col, text: str, refs: Refs) -> date:
    found = _DATE.fullmatch(text)
    try:
        if found:
            return date(*(int(part) for part in found.groups()))
        if len(text) == 8 and text.isascii() and text.isdigit():
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        return date.fromisoformat(text[:10]) if len(text) > 10 and text[10] in "T " else date.fromisoformat(text)
    except ValueError:
        raise Wrong(
            f"“{text[:40]}”不是日期，应写作2026-11-23。", f"{text[:40]!r} is no date; write it as 2026-11-23."
        ) from None


def _bool(col: Col, text: str, refs: Refs) -> bool:
    word = text.casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Wrong(f"“{text[:40]}”应为是或否。", f"{text[:40]!r}: answer yes or no.")


def _choice(col: Col, text: str, refs: Refs) -> str:
    if text in col.choices:
        return text
    word = text.casefold()
    for code, title in col.choices.items():
        titles = (title.zh, title.en) if isinstance(title, Text) else _both(title)
        if word == code.casefold() or word in (t.casefold() for t in titles):
            return code
    zh = "、".join(title.zh if isinstance(title, Text) else _both(title)[0] for title in col.choices.values())
    en = ", ".join(title.en if isinstance(title, Text) else _both(title)[-1] for title in col.choices.values())
    raise Wrong(f"“{text[:40]}”不在可选之列：{zh}。", f"{text[:40]!r} is none of: {en}.")


def _ref(col: Col, text: str, refs: Refs) -> int:
    pk = refs.pk(col, text)
    if pk is None:
        raise Wrong(f"没有代码为“{text[:40]}”的记录。", f"There is no record with the code {text[:40]!r}.")
    return pk


def _phone(col: Col, text: str, refs: Refs) -> str:
    number = crypto.normalise_phone(text)
    if not 5 <= len(number) <= 20:
        raise Wrong("不是电话号码。", "This is no phone number.")
    return number


_READERS: dict[str, Any] = {
    "text": _text,
    "long_text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "date": _date,
    "datetime": _date,
    "bool": _bool,
    "choice": _choice,
    "ref": _ref,
    "phone": _phone,
}
