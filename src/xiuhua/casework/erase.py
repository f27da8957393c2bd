"""Erasing the personal data of a case: the log keeps that something was said, and forgets what.

An erasure covers a whole family, the case that was reported and everything that was made of it, because words are
handed from parent to child and back. For each case one event names what it erases; that event's outbox row then walks
`personal_stores.all_stores`, and comes again until all is gone. The log verifies on: "erased under event N".
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connections, transaction
from django.utils.translation import gettext as _

from xiuhua.casework import engine, permits, text_index
from xiuhua.casework.context import Change, Context, Extra
from xiuhua.casework.models import Case, Event, Outbox, Payload
from xiuhua.casework.personal_stores import Erasure, all_stores
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.casework.registry import effect, outbox
from xiuhua.city.access import SYSTEM, Actor
from xiuhua.manifest import Text

PERMISSION = "case.erase"
KIND = "erase_stores"
_TABLES = ("case", "payload", "personal", "idempotency", "outbox", "attachment")


#: ``f(cases of a family) -> why they may not be erased, or None``; rooms above add to it.
_forbidding: list[Callable[[list[int]], str | None]] = []
_later: ContextVar[bool] = ContextVar("overwrite later", default=False)


def forbids(function: Callable[[list[int]], str | None]) -> Callable[[list[int]], str | None]:
    """Register a reason of a room above why cases may not be erased (a legal hold)."""
    if function not in _forbidding:
        _forbidding.append(function)
    return function


class StillInUse(RuntimeError):
    """The database could not overwrite everything yet: another connection reads an older state."""


def erase(case: Case, actor: Actor, reason: str, *, keep_evidence: bool = False) -> list[engine.Outcome]:
    """Erase a case's family; ``keep_evidence``: photos and files stay, without names, times and places.

    Raises `Refused`. Returns the erase event of each case.
    """
    if actor.kind != "system" and not (permits.within_reach(actor, case, PERMISSION) and permits.sees(actor, case)):
        raise Refused(Refusal("not_yours", _("You may not erase personal data of this case.")))
    cases = family(case)
    for forbidding in _forbidding:
        if why := forbidding(cases):
            raise Refused(Refusal("held", why))
    answers = {"reason": reason, "keep_evidence": keep_evidence}
    return [_erase_one(pk, actor, answers) for pk in cases]


def family(case: Case) -> list[int]:
    """The case that was reported first, and all below it, parents before children."""
    top = case
    while top.parent_id is not None:
        top = Case.objects.get(pk=top.parent_id)
    return list(_below(top.pk))


def _below(pk: int) -> Iterator[int]:
    yield pk
    for child in Case.objects.filter(parent_id=pk).order_by("pk").values_list("pk", flat=True):
        yield from _below(child)


def _erase_one(pk: int, actor: Actor, answers: dict[str, object]) -> engine.Outcome:
    for last in (False, False, True):
        seq = Case.objects.values_list("seq", flat=True).get(pk=pk)
        words = Payload.objects.filter(case_id=pk, erased_at__isnull=True, event__seq__lte=seq)
        seqs = list(words.order_by("event__seq").values_list("event__seq", flat=True))
        try:
            return engine.advance(pk, "erase", actor, answers, door="erase", seq=seq, extra=Extra(erased=seqs))
        except Refused as refused:
            if last or refused.refusal.code != "stale":
                raise
    raise AssertionError


@effect(KIND)
def queue_stores(ctx: Context, change: Change) -> None:
    """Queue the walk through all stores of personal data."""
    change.send(KIND, "stores", seq=ctx.case.seq + 1, keep_evidence=bool(ctx.data.get("keep_evidence")))


@outbox(KIND, title=Text("清除个人信息", "Personal data is erased"))
def erase_stores(row: Outbox) -> None:
    """Walk the stores; may be repeated. Raises `StillInUse` while the database cannot overwrite."""
    assert row.case_id is not None
    event = Event.objects.get(case_id=row.case_id, seq=row.payload["seq"])
    seqs = json.loads(event.body).get("erased", [])
    stores = all_stores()
    work = Erasure(row.case_id, tuple(seqs), event.at, bool(row.payload.get("keep_evidence")))
    with transaction.atomic():
        for store in stores[:-1]:
            store.erase(work)
    stores[-1].erase(work)  # deletes bytes: only when the rows are safely gone
    if not _later.get():
        overwrite()


@contextmanager
def overwritten_once() -> Iterator[None]:
    """Many erasures inside, and the database made to forget once, at the end. A block that raises is to be repeated."""
    token = _later.set(True)
    try:
        yield
    finally:
        _later.reset(token)
    overwrite()


def overwrite(using: str = "default") -> None:
    """Make the database forget what it deleted.

    SQLite overwrites deleted content (``secure_delete``) and here empties its write-ahead log; the index of words only
    marks what is taken from it until its parts are joined, so they are joined here. PostgreSQL gives dead rows free; their place is overwritten by and by (`docs/operators/log.md`).
    """
    connection = connections[using]
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(text_index.JOIN_PARTS)
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()[0]
            if busy:
                raise StillInUse(
                    "the write-ahead log could not be emptied: a long read is under way; it is tried again"
                )
        else:
            cursor.execute(f"VACUUM {', '.join(f'casework_{name}' for name in _TABLES)}")


# --- command ----------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Erase the personal data of a case and of all that was made of it."""
    parser = argparse.ArgumentParser(prog="xiuhua case erase", description=main.__doc__)
    parser.add_argument("number", help="case number")
    parser.add_argument("--reason", required=True, help="why; kept with the erase event")
    parser.add_argument("--keep-evidence", action="store_true", help="keep photos and files themselves")
    options = parser.parse_args(argv)
    case = Case.objects.filter(number=options.number).first()
    if case is None:
        print(f"xiuhua case erase: there is no case {options.number}", file=sys.stderr)
        return 2
    try:
        done = erase(case, SYSTEM, options.reason, keep_evidence=options.keep_evidence)
    except Refused as refused:
        print(f"xiuhua case erase: {refused.refusal.message}", file=sys.stderr)
        return 1
    waiting = Outbox.objects.filter(kind=KIND, case_id__in=[d.case_id for d in done], done_at__isnull=True)
    for one in done:
        print(f"{one.number}: erased under event {one.seq}")
    for row in waiting:
        print(f"not finished yet, the worker tries again: {row.last_error}", file=sys.stderr)
    return 1 if waiting else 0
