"""The history of ledgers: events appended to a ledger's chain with what `casework.chain` says of digests (ADR 23).

An event says which row, who, when, what kind of change and which columns; the values before and after stand in its
payload, apart and erasable. One chain per ledger: whoever appends holds the chain's row until the transaction ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max

from xiuhua.casework import chain, moments
from xiuhua.casework.ids import new_id
from xiuhua.casework.moments import to_us
from xiuhua.city.access import Actor
from xiuhua.ledgers.columns import Plain
from xiuhua.ledgers.models import LedgerChain, LedgerEvent, LedgerPayload

Values = dict[str, Plain]
CHUNK = 2000

# RFC 8785 for what stands here: ASCII names, text, whole numbers, true, false, null. A test holds it to `canonical`.
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be said of one row. ``before`` None: it was made; ``after`` None: it was removed.

    Without both the event changes no value (a masked number was shown): ``fields`` says which columns it is about.
    """

    row: int
    action: str
    before: Values | None = None
    after: Values | None = None
    fields: tuple[str, ...] = ()


def changed(before: Values | None, after: Values | None) -> list[str]:
    """Names of the columns whose value differs."""
    old, new = before or {}, after or {}
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def append(ledger: str, entries: Iterable[Entry], actor: Actor, *, batch: str = "") -> int:
    """Append events to the chain of a ledger inside the caller's transaction; returns how many.

    1. hold the chain; 2. one instant for all, never before the last event; 3. chain them in order; 4. move the head.
    Of a change only the columns that differ are kept.
    """
    assert connection.in_atomic_block, "history belongs to the transaction that changes the rows"
    head = held(ledger)
    seq, prev = head.seq, head.digest
    last = LedgerEvent.objects.filter(chain=head, seq=seq).aggregate(Max("at"))["at__max"] if seq else None
    at = moments.now()
    if last is not None and at <= last:
        at = last + timedelta(microseconds=1)
    at_us, algorithm = to_us(at), settings.DIGEST
    events: list[tuple[Any, ...]] = []
    payloads: list[tuple[Any, ...]] = []
    for entry in entries:
        seq += 1
        fields = sorted(entry.fields) or changed(entry.before, entry.after)
        old = None if entry.before is None else {name: entry.before.get(name) for name in fields}
        new = None if entry.after is None else {name: entry.after.get(name) for name in fields}
        body = _encode({"fields": fields, "row": str(entry.row)})
        payload, salt, digest = "", "", ""
        if entry.before is not None or entry.after is not None:
            payload, salt = _encode({"after": new, "before": old}), chain.new_salt()
            digest = chain.payload_digest(algorithm, salt, payload)
        pk = new_id()
        own = chain.event_digest(
            version=chain.VERSION, algorithm=algorithm, id=pk, case=head.pk, seq=seq, action=entry.action,
            actor=actor.ref, at_us=at_us, from_state="", to_state="", batch=batch, payload_digest=digest,
            prev_digest=prev, body=body,
        )  # fmt: skip
        events.append(
            (pk, head.pk, seq, entry.row, entry.action, actor.ref, actor.user_id, at, body, digest, prev, own,
             algorithm, chain.VERSION, batch)
        )  # fmt: skip
        if payload:
            payloads.append((pk, salt, payload))
        prev = own
        if len(events) >= CHUNK:
            _insert(events, payloads)
    _insert(events, payloads)
    count = seq - head.seq
    if count:
        LedgerChain.objects.filter(pk=head.pk).update(seq=seq, digest=prev)
    return count


def held(ledger: str) -> LedgerChain:
    """The chain of a ledger, held until the transaction ends; made when there is none."""
    LedgerChain.objects.bulk_create([LedgerChain(ledger=ledger)], ignore_conflicts=True)
    return LedgerChain.objects.select_for_update().get(ledger=ledger)


_EVENT_SQL = (
    'INSERT INTO ledgers_ledgerevent (id, chain_id, seq, "row", action, actor, actor_user_id, at, body, payload_digest, '
    "prev_digest, digest, algorithm, version, batch) VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
)
_PAYLOAD_SQL = "INSERT INTO ledgers_ledgerpayload (event_id, salt, body) VALUES (%s,%s,%s)"


def _insert(events: list[tuple[Any, ...]], payloads: list[tuple[Any, ...]]) -> None:
    """Write and empty both lists. Plain statements: model objects would cost three times as much."""
    with connection.cursor() as cursor:
        if events:
            shaped = [(*e[:7], connection.ops.adapt_datetimefield_value(e[7]), *e[8:]) for e in events]
            cursor.executemany(_EVENT_SQL, shaped)
        if payloads:
            cursor.executemany(_PAYLOAD_SQL, payloads)
    events.clear()
    payloads.clear()


# -- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a row as it is read: None for values that are erased or were never kept."""

    seq: int
    action: str
    actor: str
    actor_name: str
    at: datetime
    fields: tuple[str, ...]
    before: Values | None
    after: Values | None
    erased: bool
    batch: str
    digest: str


def of_row(ledger: str, row: int, *, before_seq: int | None = None, size: int = 50) -> list[Change]:
    """Events of a row, newest first; one more than ``size`` says that there are older ones. Two statements."""
    events = (
        LedgerEvent.objects.filter(chain__ledger=ledger, row=row)
        .select_related("payload", "actor_user")
        .order_by("-seq")
    )
    if before_seq is not None:
        events = events.filter(seq__lt=before_seq)
    return [change_of(event) for event in events[: size + 1]]


def change_of(event: LedgerEvent) -> Change:
    payload: LedgerPayload | None = getattr(event, "payload", None)
    text = payload.body if payload else ""
    values = json.loads(text) if text else {}
    body = json.loads(event.body)
    user = event.actor_user
    return Change(
        event.seq, event.action, event.actor, user.display_name if user else "", event.at,
        tuple(body.get("fields", ())), values.get("before"), values.get("after"),
        payload is not None and not text, event.batch, event.digest,
    )  # fmt: skip


def newest_seq(ledger: str, rows: Sequence[int]) -> dict[int, int]:
    """Row -> its newest event."""
    found = LedgerEvent.objects.filter(chain__ledger=ledger, row__in=rows).values("row").annotate(Max("seq"))
    return {one["row"]: one["seq__max"] for one in found}
