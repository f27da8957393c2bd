"""Categories in memory: look-up by id or code, and the search behind the class picker.

The table holds every version, so that an old case finds its row; search and look-up by code use the current
version of each scheme.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils import timezone

from xiuhua.city import memory
from xiuhua.city.category_import import TABLE_NAME
from xiuhua.city.models import Category, CategoryScheme, FileCondition
from xiuhua.manifest import Text


@dataclass(frozen=True, slots=True)
class SchemeInfo:
    id: int
    code: str
    version: int
    title: Text
    standard: str
    valid_from: date | None
    sample: bool
    current: bool


@dataclass(frozen=True, slots=True)
class ConditionInfo:
    """A file condition; ``limit_value`` counts ``limit_unit`` (hour, day, work_hour, work_day)."""

    id: int
    category_id: int
    ref: str
    text: Text
    limit_value: Decimal | None
    limit_unit: str
    close: Text
    sample: bool
    fileable: bool
    gap: str


@dataclass(frozen=True, slots=True)
class CategoryInfo:
    id: int
    scheme: SchemeInfo
    kind: str
    code: str
    major_code: str
    major: Text
    minor_code: str
    title: Text
    legacy_code: str
    typical_unit: Text
    derived: str
    confirmed: bool
    initials: str
    conditions: tuple[ConditionInfo, ...]

    @property
    def fileable(self) -> bool:
        return any(condition.fileable for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All schemes, immutable; a new one replaces it when the table's version changes."""

    schemes: tuple[SchemeInfo, ...]
    by_id: dict[int, CategoryInfo]
    by_code: dict[tuple[str, str, str], CategoryInfo]
    conditions: dict[int, ConditionInfo]

    def category(self, scheme: str, kind: str, code: str) -> CategoryInfo | None:
        """The class in the current version of a scheme."""
        return self.by_code.get((scheme, kind, code))

    def of_condition(self, condition_id: int) -> tuple[CategoryInfo, ConditionInfo] | None:
        """A condition of any version with its class."""
        condition = self.conditions.get(condition_id)
        return (self.by_id[condition.category_id], condition) if condition else None

    def current(self, scheme: str = "", kind: str = "") -> list[CategoryInfo]:
        """Classes of the current versions, by scheme, kind and code."""
        return [
            row
            for (in_scheme, of_kind, _code), row in self.by_code.items()
            if (not scheme or in_scheme == scheme) and (not kind or of_kind == kind)
        ]

    def majors(self, scheme: str, kind: str) -> list[tuple[str, Text, int]]:
        """Major classes (大类) as code, title and number of minor classes."""
        found: dict[str, tuple[Text, int]] = {}
        for row in self.current(scheme, kind):
            title, count = found.get(row.major_code, (row.major, 0))
            found[row.major_code] = (title, count + 1)
        return [(code, *found[code]) for code in sorted(found)]

    def default_scheme(self, day: date | None = None) -> str:
        """The national scheme in force on a day: the one with a standard that began last; '' if none."""
        day = day or timezone.localdate()
        begun = [s for s in self.schemes if s.current and s.standard and s.valid_from and s.valid_from <= day]
        return max(begun, key=lambda s: s.valid_from or date.min).code if begun else ""

    def search(
        self, text: str, *, scheme: str = "", kind: str = "", fileable: bool = False, limit: int = 20
    ) -> list[CategoryInfo]:
        """Classes that fit a text, best first: code, Chinese name, pinyin initials, English name, condition.

        Several words must all fit. An empty text lists classes in the order of their codes.
        """
        words = _fold(text).replace("-", " ").split()
        ranked: list[tuple[int, str, str, CategoryInfo]] = []
        for row in self.current(scheme, kind):
            if fileable and not row.fileable:
                continue
            ranks = [_rank(row, word) for word in words]
            if all(rank is not None for rank in ranks):
                worst = max((rank for rank in ranks if rank is not None), default=0)
                ranked.append((worst, row.code, row.kind, row))
        ranked.sort(key=lambda item: item[:3])
        return [row for *_key, row in ranked[:limit]]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _rank(row: CategoryInfo, word: str) -> int | None:
    """How well a folded word fits, 0 best; None when it does not."""
    zh, en = _fold(row.title.zh), row.title.en.casefold()
    if word in (row.code, zh):
        return 0
    if word.isdigit() and (row.code.startswith(word) or row.legacy_code == word):
        return 1
    if zh.startswith(word):
        return 2
    if word in zh:
        return 3
    if word.isascii() and word.isalpha():
        if row.initials.startswith(word):
            return 4
        if any(part.startswith(word) for part in en.replace("-", " ").split()):
            return 5
        if len(word) > 1 and word in row.initials:
            return 6
        if len(word) > 2 and (word in en or any(word in c.text.en.casefold() for c in row.conditions)):
            return 7
    elif any(word in _fold(c.text.zh) for c in row.conditions):
        return 7
    return None


def build() -> Catalogue:
    """Read the whole table: three statements."""
    schemes = {
        row.pk: SchemeInfo(
            row.pk,
            row.code,
            row.version,
            Text(row.name, row.name_en),
            row.standard,
            row.valid_from,
            row.sample,
            row.superseded_at is None,
        )
        for row in CategoryScheme.objects.order_by("code", "version")
    }
    conditions: dict[int, list[ConditionInfo]] = {}
    by_condition: dict[int, ConditionInfo] = {}
    for row in FileCondition.objects.order_by("pk").iterator():
        info = ConditionInfo(
            row.pk,
            row.category_id,
            row.ref,
            Text(row.zh, row.en),
            row.limit_value,
            row.limit_unit,
            Text(row.close_zh, row.close_en),
            row.sample,
            row.fileable,
            row.gap,
        )
        conditions.setdefault(row.category_id, []).append(info)
        by_condition[row.pk] = info
    by_id: dict[int, CategoryInfo] = {}
    by_code: dict[tuple[str, str, str], CategoryInfo] = {}
    for one in _classes(schemes, conditions):
        by_id[one.id] = one
        if one.scheme.current:
            by_code[one.scheme.code, one.kind, one.code] = one
    return Catalogue(tuple(schemes.values()), by_id, by_code, by_condition)


def _classes(schemes: dict[int, SchemeInfo], conditions: dict[int, list[ConditionInfo]]) -> Iterable[CategoryInfo]:
    for row in Category.objects.order_by("scheme__code", "kind", "code").iterator():
        yield CategoryInfo(
            row.pk,
            schemes[row.scheme_id],
            row.kind,
            row.code,
            row.major_code,
            Text(row.major_zh, row.major_en),
            row.minor_code,
            Text(row.minor_zh, row.minor_en),
            row.legacy_code,
            Text(row.typical_unit_zh, row.typical_unit_en),
            row.derived,
            row.confirmed,
            row.initials,
            tuple(conditions.get(row.pk, ())),
        )


TABLE = memory.Table(TABLE_NAME, build)


def catalogue() -> Catalogue:
    """The categories as they are now (checked against the table's version at most once a second)."""
    return TABLE.get()
