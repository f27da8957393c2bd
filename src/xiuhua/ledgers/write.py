"""The one door by which rows of a ledger change: rows, history and versions of tables in memory, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError

from xiuhua.city import memory
from xiuhua.city.access import Actor
from xiuhua.ledgers import columns, history
from xiuhua.ledgers.columns import Refs
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.ledgers.history import Entry
from xiuhua.manifest import Text

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Written:
    made: int
    changed: int


class Conflict(Exception):
    """A row is no longer what the draft was made from, or another one took its key: nothing was written."""

    def __init__(self, no: int, zh: str, en: str) -> None:
        self.no = no
        self.text = Text(zh, en)
        super().__init__(en)


def apply(
    work: Work, drafts: Sequence[Draft], *, batch: str = "", progress: Callable[[int], None] | None = None
) -> Written:
    """Write good drafts. All or none; raises `Conflict`. Opens a transaction, or joins the caller's.

    1. new rows; 2. changed rows, after a look whether they are still what they were; 3. the events of all, in the
    order of the drafts; 4. versions of the tables in memory. The chain is held last and shortly.
    """
    new = [draft for draft in drafts if draft.kind == "new"]
    changed = [draft for draft in drafts if draft.kind == "changed"]
    say = progress or (lambda _count: None)
    with transaction.atomic():
        done = 0
        for part in _chunks(new):
            _make(work, part)
            say(done := done + len(part))
        for part in _chunks(changed):
            _change(work, part)
            say(done := done + len(part))
        made_or_changed = [draft for draft in drafts if draft.kind in ("new", "changed")]
        history.append(
            work.ledger.code,
            (
                Entry(draft.row.pk, "change" if draft.before is not None else "create", draft.before, draft.after)
                for draft in made_or_changed
                if draft.row is not None
            ),
            work.actor,
            batch=batch,
        )
        if made_or_changed:
            bump(work.ledger)
    return Written(len(new), len(changed))


def _chunks(drafts: Sequence[Draft]) -> Iterable[list[Draft]]:
    rest = iter(drafts)
    while part := list(islice(rest, CHUNK)):
        yield part


def _make(work: Work, drafts: list[Draft]) -> None:
    rows = [work.book.model(**draft.values) for draft in drafts]
    try:
        with transaction.atomic():
            work.book.model._default_manager.bulk_create(rows)
    except IntegrityError:
        raise Conflict(
            drafts[0].no,
            "有记录与台账中已有的重复，请重新检查。",
            "A row is in the ledger by now; check again.",
        ) from None
    for draft, row in zip(drafts, rows, strict=True):
        draft.row = row


def _change(work: Work, drafts: list[Draft]) -> None:
    """Rows that somebody else changed since the draft stop everything."""
    model = work.book.model
    by_pk = {draft.row.pk: draft for draft in drafts if draft.row is not None}
    now = list(model._default_manager.select_for_update().filter(pk__in=by_pk))
    refs = Refs().of_rows(work.book, now)
    if len(now) != len(by_pk):
        raise Conflict(drafts[0].no, "有记录已被删除，请重新检查。", "A row was removed meanwhile; check again.")
    for row in now:
        draft = by_pk[row.pk]
        if columns.plain(work.book, row, refs) != draft.before:
            raise Conflict(
                draft.no,
                "这条记录刚被别人改过，请重新打开再改。",
                "Somebody else has just changed this row; open it again.",
            )
        for name, value in draft.values.items():
            setattr(row, name, value)
    names = sorted({_field_name(model, name) for draft in drafts for name in draft.values})
    try:
        with transaction.atomic():
            model._default_manager.bulk_update(now, names, batch_size=200)
    except IntegrityError:
        raise Conflict(drafts[0].no, "与另一条记录重复。", "It would be the same as another row.") from None


def _field_name(model: type[Model], attname: str) -> str:
    return next(f.name for f in model._meta.concrete_fields if f.attname == attname)


def remove(work: Work, rows: Sequence[Model], *, batch: str = "", action: str = "remove") -> int:
    """Delete rows that nothing points at, with their last values kept in the history; raises `Conflict`."""
    refs = Refs().of_rows(work.book, rows)
    entries = [Entry(row.pk, action, columns.plain(work.book, row, refs), None) for row in rows]
    with transaction.atomic():
        for row in rows:
            try:
                with transaction.atomic():
                    row.delete()
            except (ProtectedError, IntegrityError, ValueError):
                raise Conflict(
                    0,
                    f"“{row}”已被别处引用，不能删除。",
                    f"{row} is referred to elsewhere and cannot be removed.",
                ) from None
        history.append(work.ledger.code, entries, work.actor, batch=batch)
        bump(work.ledger)
    return len(entries)


def bump(ledger: Ledger) -> None:
    for name in ledger.bumps:
        memory.bump(name)


def note(ledger: Ledger, row: Model, action: str, actor: Actor, names: Iterable[str]) -> None:
    """An event that changes no value (a masked number was shown): which columns, no payload."""
    with transaction.atomic():
        history.append(ledger.code, [Entry(row.pk, action, fields=tuple(names))], actor)


def plain_now(work: Work, row: Model) -> dict[str, Any]:
    """The row as plain values, sealed columns as they are."""
    return columns.plain(work.book, row, Refs().of_rows(work.book, [row]))
