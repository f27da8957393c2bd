"""The chains of ledgers read again: a part of ``xiuhua log verify`` (`casework.verify.also`).

Every event follows the one before, is what its digest was taken over, and its payload is what was written or erased.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework import chain, log_reader
from xiuhua.casework.verify import Fault, Report

_EVENTS = (
    "SELECT e.id, e.chain_id, e.seq, e.action, e.actor, e.actor_user_id, e.at, e.body, e.payload_digest, e.prev_digest, "
    "e.digest, e.algorithm, e.version, e.batch, p.salt, p.body, p.erased_at "
    "FROM ledgers_ledgerevent e LEFT JOIN ledgers_ledgerpayload p ON p.event_id = e.id "
    "WHERE (e.chain_id, e.seq) > (%s, %s) ORDER BY e.chain_id, e.seq LIMIT %s"
)


def check(connection: BaseDatabaseWrapper, report: Report) -> None:
    """Add what is wrong with any ledger's chain."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, ledger, seq, digest FROM ledgers_ledgerchain ORDER BY id")
        heads = {pk: (ledger, seq, digest) for pk, ledger, seq, digest in cursor.fetchall()}
    us = log_reader.microseconds(connection.vendor)
    sql = log_reader.as_text(connection, _EVENTS, "e.at", "p.erased_at")
    last: dict[int, tuple[int, str]] = {}
    for row in log_reader.rows(connection, sql, (1, 2), (-1, -1)):
        seq, prev = last.get(row[1], (0, ""))
        name = f"ledger {heads[row[1]][0] if row[1] in heads else row[1]}"
        for code, message in _faults(row, seq, prev, us):
            report.add(Fault(name, int(row[2]), code, message))
        report.events += 1
        last[row[1]] = (int(row[2]), row[10])
    for pk, (ledger, seq, digest) in heads.items():
        if last.get(pk, (0, "")) != (seq, digest):
            report.add(
                Fault(
                    f"ledger {ledger}",
                    seq,
                    "tail_cut",
                    f"its head is event {seq}, the log ends at {last.get(pk, (0,))[0]}",
                )
            )


def _faults(row: tuple[Any, ...], seq: int, prev: str, us: Any) -> Iterator[tuple[str, str]]:
    (pk, chain_id, own, action, actor, user, at, body, payload_digest, prev_digest, digest, algorithm, version, batch,
     salt, payload, erased_at) = row  # fmt: skip
    if own != seq + 1:
        yield "gap", f"follows event {seq}: something is missing or doubled"
    if prev_digest != prev:
        yield "chain", "does not follow from the event before it"
    try:
        again = chain.event_digest(
            version=version, algorithm=algorithm, id=pk, case=chain_id, seq=own, action=action, actor=actor, at_us=us(at),
            from_state="", to_state="", batch=batch, payload_digest=payload_digest, prev_digest=prev_digest, body=body,
        )  # fmt: skip
        readable = chain.canonical(json.loads(body)) == body
    except (ValueError, TypeError, OverflowError) as error:
        yield "unreadable", f"cannot be read: {error}"
        return
    if again != digest:
        yield "altered", "is not what its digest was taken over"
    if not readable:
        yield "not_canonical", "its body is not canonical JSON"
    if actor != ("system" if user is None else f"user:{user}"):
        yield "altered", "names another actor than its actor column"
    if payload is None:
        if payload_digest:
            yield "payload_gone", "its payload row is gone"
    elif erased_at is None and chain.payload_digest(algorithm, salt, payload) != payload_digest:
        yield "payload_altered", "its payload is not what was written"
    elif erased_at is not None and (payload or salt):
        yield "payload_altered", "its payload is marked as erased and is not"
