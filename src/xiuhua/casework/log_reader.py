"""Reading the whole log as a stream: raw rows in chunks by key, on one snapshot, without holding up writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework.moments import to_us

CHUNK = 5000


class EventRow(NamedTuple):
    """An event with its payload; instants as the database gives them (see `microseconds`)."""

    id: int
    case_id: int
    seq: int
    action: str
    actor: str
    actor_user: int | None
    at: Any
    from_state: str
    to_state: str
    body: str
    payload_digest: str
    prev_digest: str
    digest: str
    algorithm: str
    version: int
    batch: str
    payload_case: int | None
    salt: str | None
    payload: str | None
    erased_at: Any


_EVENTS = (
    "SELECT e.id, e.case_id, e.seq, e.action, e.actor, e.actor_user_id, e.at, e.from_state, e.to_state, e.body, "
    "e.payload_digest, e.prev_digest, e.digest, e.algorithm, e.version, e.batch, p.case_id, p.salt, p.body, p.erased_at "
    "FROM casework_event e LEFT JOIN casework_payload p ON p.event_id = e.id "
    "WHERE (e.case_id, e.seq) > (%s, %s) ORDER BY e.case_id, e.seq LIMIT %s"
)


@contextmanager
def snapshot(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Everything read inside belongs to one instant. On SQLite a deferred transaction, which locks no writer out."""
    connection.ensure_connection()
    if connection.in_atomic_block:
        yield
        return
    begin = "BEGIN DEFERRED" if connection.vendor == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    with connection.cursor() as cursor:
        cursor.execute(begin)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def rows(
    connection: BaseDatabaseWrapper, sql: str, key: tuple[int, ...], start: tuple[Any, ...]
) -> Iterator[tuple[Any, ...]]:
    """All rows of a keyset query: ``sql`` takes the last key's parts and a limit; ``key`` are their columns."""
    last = start
    with connection.cursor() as cursor:
        while True:
            cursor.execute(sql, [*last, CHUNK])
            chunk = cursor.fetchall()
            yield from chunk
            if len(chunk) < CHUNK:
                return
            last = tuple(chunk[-1][i] for i in key)


def as_text(connection: BaseDatabaseWrapper, sql: str, *instants: str) -> str:
    """On SQLite instants are read as the text they are, so that a spoilt one is a fault and not the end of the reading."""
    if connection.vendor == "sqlite":
        for name in instants:
            sql = sql.replace(f"{name},", f"CAST({name} AS TEXT),").replace(
                f"{name} FROM", f"CAST({name} AS TEXT) FROM"
            )
    return sql


def events(connection: BaseDatabaseWrapper, case_id: int | None = None) -> Iterator[EventRow]:
    """All events in order of (case, seq), or those of one case."""
    start = (-1, -1) if case_id is None else (case_id, -1)
    sql = as_text(connection, _EVENTS, "e.at", "p.erased_at")
    found = map(EventRow._make, rows(connection, sql, (1, 2), start))
    return found if case_id is None else takewhile(lambda row: row.case_id == case_id, found)


def microseconds(vendor: str) -> Callable[[Any], int]:
    """Turns a raw instant of the engine into whole microseconds UTC; ValueError for what is no instant."""
    if vendor != "sqlite":
        return to_us
    memo: dict[str, int] = {}

    def parse(value: Any) -> int:
        text = str(value)
        day = memo.get(text[:10])
        if day is None:
            day = to_us(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC))
            memo[text[:10]] = day
        clock, rest = text[11:19], text[19:]
        if len(clock) != 8 or text[10] != " " or clock[2] != ":" or clock[5] != ":":
            raise ValueError(f"{text!r} is no instant")
        seconds = int(clock[:2]) * 3600 + int(clock[3:5]) * 60 + int(clock[6:])
        if not rest:
            return day + seconds * 1_000_000
        if rest[0] != "." or len(rest) != 7:
            raise ValueError(f"{text!r} is no instant")
        return day + seconds * 1_000_000 + int(rest[1:])

    return parse
