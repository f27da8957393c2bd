"""Filters of a ledger's list, made from its columns with django-filter; the same for list, map, export, bulk and API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

import django_filters
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from xiuhua.casework import paging
from xiuhua.casework.paging import Sort
from xiuhua.city import crypto
from xiuhua.city.access import Actor
from xiuhua.ledgers import columns, scope
from xiuhua.ledgers.columns import Col
from xiuhua.ledgers.declare import Ledger
from xiuhua.ui.forms import Option
from xiuhua.ui.parts import Tag

#: Names of an address that are not filters.
OWN = ("q", "sort", "after", "view", "format")
_YES_NO = (("1", gettext_lazy("Yes")), ("0", gettext_lazy("No")))


@dataclass(frozen=True, slots=True)
class Control:
    """One filter as the form shows it."""

    name: str
    title: Any
    kind: str  # choice, ref, date, text
    value: str
    options: list[Option] = field(default_factory=list)


@cache
def filter_set(ledger: Ledger) -> type[django_filters.FilterSet]:
    """The FilterSet of a ledger's filtered columns."""
    book = columns.book(ledger)
    made: dict[str, Any] = {}
    for col in book.cols.values():
        if col.column.filtered:
            made.update(_filters(col))
    meta = type("Meta", (), {"model": book.model, "fields": []})
    return type(f"{book.model.__name__}Filters", (django_filters.FilterSet,), {**made, "Meta": meta})


def _filters(col: Col) -> dict[str, Any]:
    if col.type == "ref" and col.ref is not None:
        rows = col.ref._default_manager.all()
        return {
            col.name: django_filters.ModelChoiceFilter(field_name=col.name, queryset=rows, to_field_name=col.ref_key)
        }
    if col.type == "choice":
        return {col.name: django_filters.ChoiceFilter(field_name=col.name, choices=list(col.choices.items()))}
    if col.type == "bool":
        return {
            col.name: django_filters.TypedChoiceFilter(field_name=col.name, choices=_YES_NO, coerce=lambda v: v == "1")
        }
    if col.type in ("date", "datetime"):
        return {
            f"{col.name}_from": django_filters.DateFilter(field_name=col.name, lookup_expr="gte"),
            f"{col.name}_to": django_filters.DateFilter(field_name=col.name, lookup_expr="lte"),
        }
    return {col.name: django_filters.CharFilter(field_name=col.name, lookup_expr="startswith", max_length=40)}


@dataclass
class Chosen:
    """What an address asks of a ledger: the rows, the filters in force, the words, the order; ``wrong`` = refused filters."""

    ledger: Ledger
    rows: QuerySet[Model]
    values: dict[str, str]
    titles: dict[str, str]
    words: str
    sort: Sort
    wrong: dict[str, list[str]]

    @property
    def about(self) -> dict[str, str]:
        """What the cursor and links carry."""
        found = dict(self.values)
        if self.words:
            found["q"] = self.words
        if self.sort.code != self.ledger.sorts[0].code:
            found["sort"] = self.sort.code
        return found

    @property
    def query(self) -> str:
        return urlencode(self.about)


def choose(ledger: Ledger, actor: Actor, given: Mapping[str, str], rows: QuerySet[Model] | None = None) -> Chosen:
    """The rows that the actor may read under the filters, words and order of an address."""
    rows = scope.visible(ledger, actor) if rows is None else rows
    made = filter_set(ledger)
    data = {name: str(given[name]).strip() for name in made.base_filters if given.get(name)}
    filtered = made(data, queryset=rows)
    wrong: dict[str, list[str]] = {}
    if not filtered.form.is_valid():
        wrong = {name: [str(e) for e in errors] for name, errors in filtered.form.errors.items()}
        data = {name: value for name, value in data.items() if name not in wrong}
        filtered = made(data, queryset=rows)
        filtered.form.is_valid()
    found: QuerySet[Model] = filtered.qs
    words = " ".join(str(given.get("q", "")).replace("\0", "").split())[:80]
    if words and ledger.search:
        found = found.filter(reduce(or_, (Q(**{lookup: words}) for lookup in ledger.search), _by_number(ledger, words)))
    titles = {name: _title(ledger, name, value, filtered.form.cleaned_data.get(name)) for name, value in data.items()}
    sort = next((one for one in ledger.sorts if one.code == given.get("sort")), ledger.sorts[0])
    return Chosen(ledger, found, data, titles, words, sort, wrong)


def _by_number(ledger: Ledger, words: str) -> Q:
    """A telephone number finds its row by the whole number only: it is kept sealed."""
    found, number = Q(pk__in=[]), crypto.normalise_phone(words)
    if len(number) >= 7:
        for column in ledger.columns:
            if column.personal:
                found |= Q(**{f"{column.name}_lookup": crypto.blind_index("phone", number)})
    return found


def _title(ledger: Ledger, name: str, value: str, clean: Any) -> str:
    book = columns.book(ledger)
    col = book.cols.get(name)
    if col is None:
        base, _dash, end = name.rpartition("_")
        title = book.cols[base].title
        return (_("%(title)s from %(day)s") if end == "from" else _("%(title)s until %(day)s")) % {
            "title": title,
            "day": value,
        }
    said = clean if col.type == "ref" else columns.shown(col, value == "1" if col.type == "bool" else value)
    return f"{col.title} {said}"


def controls(ledger: Ledger, given: Mapping[str, str]) -> list[Control]:
    """The filters for the form; references are found by typing unless they are few."""
    book = columns.book(ledger)
    found: list[Control] = []
    for col in book.cols.values():
        if not col.column.filtered:
            continue
        value = str(given.get(col.name, ""))
        if col.type == "choice":
            options = [Option(code, title) for code, title in col.choices.items()]
            found.append(Control(col.name, col.title, "choice", value, options))
        elif col.type == "bool":
            found.append(Control(col.name, col.title, "choice", value, [Option(c, t) for c, t in _YES_NO]))
        elif col.type == "ref" and col.ref is not None:
            row = col.ref._default_manager.filter(**{col.ref_key: value}).first() if value else None
            options = [Option(value, str(row))] if row is not None else []
            found.append(Control(col.name, col.title, "ref", value, options))
        elif col.type in ("date", "datetime"):
            for end, words in (("from", _("%(title)s from")), ("to", _("%(title)s until"))):
                name = f"{col.name}_{end}"
                found.append(Control(name, words % {"title": col.title}, "date", str(given.get(name, ""))))
        else:
            found.append(Control(col.name, col.title, "text", value))
    return found


def tags(chosen: Chosen) -> list[Tag]:
    """The filters in force, each with the way to take it off."""
    found = []
    for name, title in chosen.titles.items():
        left = {key: value for key, value in chosen.about.items() if key != name}
        found.append(Tag(title, active=True, remove_url=f"?{urlencode(left)}"))
    return found


def page(chosen: Chosen, cursor: str = "", size: int = 50) -> paging.Page[Model]:
    """One page by key; a mark of another list begins at the first page again only when the caller catches it."""
    return paging.page(chosen.rows, chosen.sort, filters=chosen.about, cursor=cursor, size=size)
