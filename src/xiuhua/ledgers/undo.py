"""Undoing a batch: every row as it was before, by compensating events, in one transaction, or not at all.

A row that somebody changed since keeps the whole batch from being undone: the page says which rows those are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import shapely
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError

from xiuhua.casework import moments
from xiuhua.city import crypto
from xiuhua.city.access import SYSTEM, Actor, actor_for
from xiuhua.ledgers import columns, history, imports, registry, write
from xiuhua.ledgers.columns import Book, Col, Plain, Refs
from xiuhua.ledgers.history import Change, Entry
from xiuhua.ledgers.models import Batch, LedgerEvent
from xiuhua.ledgers.store import Progress
from xiuhua.ledgers.write import Conflict

CHUNK = 2000


def ask(batch: Batch, actor: Actor) -> bool:
    """Queue the undoing; False when the batch is not done."""
    with transaction.atomic():
        if not Batch.objects.filter(pk=batch.pk, status=Batch.Status.DONE).update(
            status=Batch.Status.UNDOING, error={}, undone_by_id=actor.user_id
        ):
            return False
        imports.queue(batch, "ledger_undo")
    return True


def run(batch: Batch) -> None:
    """Undo; what stands in the way is written to the batch, which then is done as before."""
    if batch.status != Batch.Status.UNDOING:
        return
    total = batch.counts.get("new", 0) + batch.counts.get("changed", 0)
    progress = Progress(batch.pk, "undo", total)
    try:
        with transaction.atomic():
            held = Batch.objects.select_for_update().get(pk=batch.pk)
            if held.status == Batch.Status.UNDOING:
                _undo(held, actor_for(held.undone_by) if held.undone_by else SYSTEM, progress)
                Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.UNDONE, undone_at=moments.now())
    except Conflict as conflict:
        Batch.objects.filter(pk=batch.pk).update(
            status=Batch.Status.DONE, error={"zh": conflict.text.zh, "en": conflict.text.en}
        )
    finally:
        progress.end()


def _undo(batch: Batch, actor: Actor, progress: Progress) -> None:
    ledger = registry.ledgers()[batch.ledger]
    book = columns.book(ledger)
    done = 0
    for events in _events(batch):
        newest = history.newest_seq(batch.ledger, [event.row for event in events])
        changed = [event for event in events if newest[event.row] != event.seq]
        if changed:
            raise _since(book, changed)
        entries = _back(book, events)
        history.append(batch.ledger, entries, actor, batch=f"undo:{batch.pk}")
        progress(done := done + len(events))
    write.bump(ledger)


def _events(batch: Batch) -> Iterator[list[LedgerEvent]]:
    """The batch's events, newest first, a few thousand at a time."""
    rows = LedgerEvent.objects.filter(batch=str(batch.pk), chain__ledger=batch.ledger).select_related("payload")
    last: int | None = None
    while part := list((rows if last is None else rows.filter(seq__lt=last)).order_by("-seq")[:CHUNK]):
        yield part
        last = part[-1].seq


def _since(book: Book, events: list[LedgerEvent]) -> Conflict:
    rows = book.model._default_manager.filter(pk__in=[event.row for event in events[:5]])
    names = [str(row) for row in rows] or [str(event.row) for event in events[:5]]
    more = " …" if len(events) > 5 else ""
    return Conflict(
        0,
        f"以下记录在导入之后又改过，不能整批撤销：{'、'.join(names)}{more}",
        f"These rows were changed since, so the batch cannot be undone: {', '.join(names)}{more}",
    )


def _back(book: Book, events: list[LedgerEvent]) -> list[Entry]:
    """Rows that were made are taken out, rows that were changed get their values back."""
    changes = [(event.row, history.change_of(_light(event))) for event in events]
    made = [(row, change) for row, change in changes if change.before is None]
    altered = [(row, change) for row, change in changes if change.before is not None]
    if made:
        try:
            with transaction.atomic():
                book.model._default_manager.filter(pk__in=[row for row, _change in made]).delete()
        except (ProtectedError, IntegrityError):
            raise Conflict(
                0,
                "这批记录已被别处引用，不能撤销。",
                "Rows of this batch are referred to elsewhere by now; it cannot be undone.",
            ) from None
    _restore(book, altered)
    return [Entry(row, "undo", change.after, change.before) for row, change in (*made, *altered)]


def _light(event: LedgerEvent) -> LedgerEvent:
    event.actor_user_id = None  # the name of who did it is not asked for
    return event


def _restore(book: Book, altered: list[tuple[int, Change]]) -> None:
    if not altered:
        return
    refs = Refs()
    for col in book.cols.values():
        if col.ref is not None:
            refs.keys(col, {str(c.before[col.name]) for _r, c in altered if c.before and c.before.get(col.name)})
    rows: dict[int, Model] = book.model._default_manager.in_bulk([row for row, _change in altered])
    touched: set[str] = set()
    for pk, change in altered:
        for name, value in (change.before or {}).items():
            for attribute, attname, restored in _attributes(book, rows[pk], name, value, refs):
                setattr(rows[pk], attname, restored)
                touched.add(attribute)
    if touched:
        book.model._default_manager.bulk_update(list(rows.values()), sorted(touched), batch_size=200)


def _attributes(book: Book, row: Model, name: str, value: Plain, refs: Refs) -> Iterator[tuple[str, str, Any]]:
    """Field, attribute and value of the model for a plain value of the history."""
    shape = book.ledger.shape
    if name in book.cols:
        col = book.cols[name]
        if col.column.personal:
            clear = columns.opened(book, {**_keys(book, row, refs), name: value}, name)
            yield f"{name}_cipher", f"{name}_cipher", value or ""
            yield f"{name}_lookup", f"{name}_lookup", crypto.blind_index("phone", clear) if clear else ""
        else:
            yield name, col.attname, from_plain(col, value, refs)
    elif shape is not None and name in ("lon", "lat"):
        target = shape.lon if name == "lon" else shape.lat
        yield target, target, None if value is None else round(Decimal(str(value)) * 10**7)
    elif shape is not None and name == "wkt" and shape.geometry:
        yield shape.geometry, shape.geometry, None if value is None else shapely.to_wkb(shapely.from_wkt(str(value)))
    elif shape is not None and name == "datum" and shape.datum:
        yield shape.datum, shape.datum, value


def _keys(book: Book, row: Model, refs: Refs) -> dict[str, Plain]:
    return {
        key: columns.plain_value(book.cols[key], getattr(row, book.cols[key].attname), refs) for key in book.ledger.key
    }


def from_plain(col: Col, value: Plain, refs: Refs) -> Any:
    """The model's value of a plain one."""
    if value is None:
        return None
    if col.type == "ref":
        return refs.pk(col, str(value))
    if col.type == "date":
        return date.fromisoformat(str(value))
    if col.type == "datetime":
        return datetime.fromisoformat(str(value))
    if col.type == "decimal":
        return Decimal(str(value))
    return value
