"""What the pages of every ledger share: which ledger, may the actor, rows as cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from xiuhua.city.access import Actor
from xiuhua.ledgers import columns, registry, scope
from xiuhua.ledgers.columns import Book, Col, Plain, Refs
from xiuhua.ledgers.declare import Ledger


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as a table shows it."""

    text: Any
    tone: str = ""
    number: bool = False
    key: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the list."""

    pk: int
    url: str
    title: str
    cells: list[Cell]


def find(request: HttpRequest, code: str, permission: str = "read") -> tuple[Ledger, Actor]:
    """The ledger and who asks; 404 for no ledger, 403 without the ledger's permission."""
    ledger = registry.ledgers().get(code)
    if ledger is None:
        raise Http404
    actor: Actor = request.actor  # type: ignore[attr-defined]
    needed = ledger.read if permission == "read" else ledger.manage
    if not actor.has(needed):
        raise PermissionDenied(_("Your posts do not allow this: %(permission)s.") % {"permission": needed})
    return ledger, actor


def find_row(ledger: Ledger, actor: Actor, pk: int, permission: str = "read") -> Model:
    """A row in the actor's sight, else 404."""
    rows = scope.visible(ledger, actor) if permission == "read" else scope.manageable(ledger, actor)
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def listed(book: Book) -> list[Col]:
    return [col for col in book.cols.values() if col.column.listed]


def lines(book: Book, rows: Sequence[Model]) -> list[Line]:
    """Rows as cells; one statement per model that they point at."""
    refs = Refs().of_rows(book, rows)
    cols = listed(book)
    found = []
    for row in rows:
        values = columns.masked(book, columns.plain(book, row, refs))
        cells = [cell(book, col, values, row, refs) for col in cols]
        url = reverse("ledger-row", args=[book.ledger.code, row.pk])
        found.append(Line(row.pk, url, title_of(book, values, row, refs), cells))
    return found


def cell(book: Book, col: Col, values: dict[str, Plain], row: Model, refs: Refs) -> Cell:
    value = values.get(col.name)
    title = refs.title(col, getattr(row, col.attname)) if col.type == "ref" else ""
    text = columns.shown(col, value, title)
    retired = book.ledger.retire
    tone = ""
    if col.type == "choice" and col.name == "state":
        tone = {"intact": "ok", "broken": "over", "lost": "over", "abandoned": "paused", "removed": "paused"}.get(
            str(value), ""
        )
    if retired is not None and col.name == retired[0] and value == retired[1]:
        tone = "paused"
    return Cell(text, tone, col.type in ("integer", "decimal"), col.name == book.ledger.key[0])


def title_of(book: Book, values: dict[str, Plain], row: Model, refs: Refs) -> str:
    """What people call a row."""
    col = book.cols[book.ledger.label]
    if col.type == "ref":
        return refs.title(col, getattr(row, col.attname))
    return str(values.get(col.name) or values.get(book.ledger.key[0]) or row.pk)


def version(values: dict[str, Plain]) -> str:
    """A short digest of a row's values: the same as long as nobody changed it."""
    import hashlib
    import json

    text = json.dumps(values, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
