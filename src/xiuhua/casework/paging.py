"""Keyset paging: a page begins after the last row of the page before, so that depth costs nothing.

Only sorts with an index that ends in id are offered. The cursor is signed and carries the sort, a digest of the
filters and the last row's values; another filter or sort makes it worthless and says so. There are no page numbers,
and counts stop at 10,000.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from xiuhua.manifest import Text

M = TypeVar("M", bound=Model)

SALT = "xiuhua.paging"
MOST_ROWS = 200
COUNT_CAP = 10_000


class CursorRefused(ValueError):
    """A cursor that was altered, or belongs to another list; the message is for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Sort:
    """An order: by ``column`` and then ``tie`` in the same direction. Rows without a value come last."""

    code: str
    title: Text
    column: str
    descending: bool = False
    nullable: bool = False
    tie: str = "id"


_ALL = (
    Sort("newest", Text("最新上报", "Newest first"), "id", descending=True),
    Sort("due", Text("最紧时限", "Due first"), "due_at", nullable=True),
    Sort("updated", Text("最近办理", "Last changed first"), "updated_at", descending=True),
    Sort("changes", Text("变更顺序", "In order of change"), "updated_at"),
)
#: The sorts of case lists; each has an index of `Case`.
CASE_SORTS: dict[str, Sort] = {sort.code: sort for sort in _ALL}
#: The order of a case's log.
EVENT_SORT = Sort("seq", Text("顺序", "In order"), "seq", tie="seq")


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows, and the cursor of the next page ('' on the last)."""

    rows: list[M]
    next: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many, up to the cap; ``str`` gives "10,000+" beyond it."""

    value: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.value:,}{'+' if self.more else ''}"


def page(
    rows: QuerySet[M], sort: Sort, *, filters: Mapping[str, Any] | None = None, cursor: str = "", size: int = 50
) -> Page[M]:
    """One page of ``rows``; at most two statements. ``filters`` is what the caller filtered by, for the cursor.

    1. read the cursor: which part of the list (rows with a value, then rows without) and where in it;
    2. take one row more than asked; 3. the row too many says that there is a next page.
    Raises `CursorRefused`.
    """
    size = max(1, min(size, MOST_ROWS))
    mark = _mark(sort, filters)
    valued, after = _read(cursor, mark, sort) if cursor else (True, None)
    found: list[M] = []
    if valued:
        part = rows.filter(**{f"{sort.column}__isnull": False}) if sort.nullable else rows
        found = list(_ordered(_beyond(part, sort, after), sort)[: size + 1])
        after = None
    if sort.nullable and len(found) <= size:
        part = rows.filter(**{f"{sort.column}__isnull": True})
        if after is not None:
            part = part.filter(**{f"{sort.tie}__{'lt' if sort.descending else 'gt'}": after[1]})
        found += list(part.order_by(_signed(sort.tie, sort))[: size + 1 - len(found)])
    more = len(found) > size
    found = found[:size]
    return Page(found, _write(found[-1], sort, mark) if more else "")


def around(rows: QuerySet[M], sort: Sort, row: M) -> tuple[M | None, M | None]:
    """The rows before and after ``row`` in the order, whether or not it still belongs to them; one statement."""
    back = replace(sort, descending=not sort.descending)
    own = (getattr(row, sort.column), getattr(row, sort.tie))
    if not sort.nullable:
        parts = [_ordered(_beyond(rows, one, own), one) for one in (back, sort)]
    else:
        # Rows without a value stand behind all others in both directions of a sort; among them only the tie orders.
        valued = rows.filter(**{f"{sort.column}__isnull": False})
        empty = rows.filter(**{f"{sort.column}__isnull": True})
        forth, behind = empty.order_by(_signed(sort.tie, sort)), empty.order_by(_signed(sort.tie, back))
        if own[0] is None:
            up, down = ("lt", "gt") if sort.descending else ("gt", "lt")
            further, nearer = (f"{sort.tie}__{way}" for way in (up, down))
            parts = [_ordered(valued, back), behind.filter(**{nearer: own[1]}), forth.filter(**{further: own[1]})]
        else:
            parts = [*(_ordered(_beyond(valued, one, own), one) for one in (back, sort)), forth]
    # SQLite takes no limit inside a union, but inside a condition of its parts.
    model = rows.model._default_manager
    firsts = [model.filter(pk__in=part.values("pk")[:1]).order_by().values("pk") for part in parts]
    before, after = None, None
    for found in model.filter(pk__in=firsts[0].union(*firsts[1:], all=True)):
        if found.pk == row.pk:
            continue
        if _precedes(found, row, sort):
            before = found if before is None or _precedes(before, found, sort) else before
        else:
            after = found if after is None or _precedes(found, after, sort) else after
    return before, after


def _precedes(one: Model, other: Model, sort: Sort) -> bool:
    """Whether a row stands before another one in the order."""
    (a, a_tie), (b, b_tie) = ((getattr(row, sort.column), getattr(row, sort.tie)) for row in (one, other))
    if (a is None) != (b is None):
        return b is None
    mine, theirs = ((a_tie,), (b_tie,)) if a is None else ((a, a_tie), (b, b_tie))
    return mine > theirs if sort.descending else mine < theirs


def count(rows: QuerySet[Any], cap: int = COUNT_CAP) -> Count:
    """How many rows, without counting further than the cap."""
    found = rows.order_by()[: cap + 1].count()
    return Count(min(found, cap), found > cap)


def _signed(column: str, sort: Sort) -> str:
    return f"-{column}" if sort.descending else column


def _ordered(rows: QuerySet[M], sort: Sort) -> QuerySet[M]:
    columns = dict.fromkeys((sort.column, sort.tie))
    return rows.order_by(*(_signed(column, sort) for column in columns))


def _beyond(rows: QuerySet[M], sort: Sort, after: tuple[Any, Any] | None) -> QuerySet[M]:
    if after is None:
        return rows
    way = "lt" if sort.descending else "gt"
    value, tie = after
    if sort.column == sort.tie:
        return rows.filter(**{f"{sort.tie}__{way}": tie})
    # The first condition alone lets the database begin at the right place of the index.
    return rows.filter(
        Q(**{f"{sort.column}__{way}e": value})
        & (Q(**{f"{sort.column}__{way}": value}) | Q(**{f"{sort.tie}__{way}": tie}))
    )


# -- the cursor ----------------------------------------------------------------------------------------------------


def _mark(sort: Sort, filters: Mapping[str, Any] | None) -> str:
    """What the list is: a short digest of sort and filters."""
    kept = {key: value for key, value in (filters or {}).items() if value not in (None, "", [], ())}
    text = json.dumps([sort.code, kept], sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(row: Model, sort: Sort, mark: str) -> str:
    value = getattr(row, sort.column)
    # An instant or a day is marked as one, so that text which looks like one stays text.
    shown = [type(value).__name__, value.isoformat()] if isinstance(value, date) else value
    tie = getattr(row, sort.tie)
    return signing.Signer(salt=SALT).sign_object([mark, shown if sort.column != sort.tie else 0, str(tie)])


def _read(cursor: str, mark: str, sort: Sort) -> tuple[bool, tuple[Any, Any]]:
    try:
        if not cursor.isascii() or len(cursor) > 2000:
            raise ValueError
        seen, value, tie = signing.Signer(salt=SALT).unsign_object(cursor)
        if isinstance(value, list):
            kind, text = value
            value = (datetime if kind == "datetime" else date).fromisoformat(text)
        after = (value, int(tie))
    except (signing.BadSignature, ValueError, TypeError, UnicodeError):
        raise CursorRefused(_("This page mark is not valid. Begin again at the first page.")) from None
    if seen != mark:
        raise CursorRefused(
            _("This page mark belongs to a list with another filter or order. Begin at the first page.")
        )
    return value is not None, after
