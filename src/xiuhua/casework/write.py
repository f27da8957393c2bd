"""One change of a case, spread over all its tables by one statement.

`advance()` collects what it wants to write as one JSON document, table by table. On PostgreSQL a single
statement with data-modifying CTEs takes it apart; on SQLite an INSTEAD OF trigger on the view
``casework_write`` does. The plain ORM needs some 26 statements for the same (design.md).

The column lists come from the models, so a new column needs no change here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework.ids import new_id
from xiuhua.casework.models import (
    Attachment,
    Case,
    Event,
    Hand,
    Idempotency,
    Outbox,
    Party,
    Payload,
    Personal,
)
from xiuhua.database import prepared_cursor


class Stale(Exception):
    """The case moved on between reading and writing: nothing was written."""


@dataclass(frozen=True)
class Part:
    """How one list of the document goes into one table."""

    key: str
    model: type[models.Model]
    mode: str  # insert | ignore | update | upsert
    keys: tuple[str, ...] = ("id",)
    only: tuple[str, ...] = ()  # columns; empty: all but automatic keys
    guard: str = ""  # column that must still hold the value the row was read with

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)

    def fields(self) -> list[models.Field[Any, Any]]:
        found = [f for f in self.model._meta.concrete_fields if not isinstance(f, models.AutoField)]
        return [f for f in found if f.column in self.only] if self.only else found

    def columns(self) -> list[str]:
        return [str(f.column) for f in self.fields()]


_FIXED = ("id", "number", "created_at", "anchored_seq", "parent_id", "relation")

PARTS: tuple[Part, ...] = (
    Part("new_cases", Case, "insert"),
    Part("cases", Case, "update", guard="seq"),
    Part("events", Event, "insert"),
    Part("payloads", Payload, "insert"),
    Part("personal", Personal, "upsert", keys=("case_id", "field")),
    Part("hands", Hand, "upsert", keys=("case_id", "slot")),
    Part("parties", Party, "ignore"),
    Part("attachments", Attachment, "update", only=("id", "case_id", "event_id", "stage")),
    Part("outbox", Outbox, "ignore"),
    Part("idempotency", Idempotency, "insert"),
)


@dataclass
class Document:
    """Rows by part; every row is a plain dict of columns."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {p.key: [] for p in PARTS})

    def add(self, part: str, **row: Any) -> None:
        self.rows[part].append(row)

    def to_json(self, vendor: str) -> str:
        def encode(value: Any) -> Any:
            if isinstance(value, datetime):
                text = value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
                return text if vendor == "sqlite" else text + "+00:00"
            raise TypeError(f"{type(value).__name__} cannot stand in a change document")

        return json.dumps({k: v for k, v in self.rows.items() if v}, default=encode, ensure_ascii=False)


def case_row(case: Case) -> dict[str, Any]:
    """All columns of a case as one row of the document."""
    return {str(f.column): getattr(case, f.attname) for f in Case._meta.concrete_fields}


def outbox_row(
    key: str, kind: str, run_at: datetime, case_id: int | None = None, payload: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "key": key,
        "kind": kind,
        "case_id": case_id,
        "payload": payload or {},
        "run_at": run_at,
        "attempts": 0,
        "lease_until": None,
        "lease_by": "",
        "last_error": "",
        "done_at": None,
        "dead": False,
    }


def apply(document: Document, *, using: str = "default") -> None:
    """Write the document in one statement inside the caller's transaction; Stale when a case moved on."""
    connection = connections[using]
    text = document.to_json(connection.vendor)
    with prepared_cursor(connection) as cursor:
        if connection.vendor == "sqlite":
            from django.db.utils import IntegrityError, OperationalError

            try:
                cursor.execute("INSERT INTO casework_write(doc) VALUES (%s)", [text])
            except (IntegrityError, OperationalError) as error:
                if "casework stale" in str(error):
                    raise Stale from error
                raise
            return
        cursor.execute(_postgres_sql(tuple(key for key, rows in document.rows.items() if rows)), [text])
        (updated,) = cursor.fetchone()
        if updated != len(document.rows["cases"]):
            raise Stale


# --- SQLite ---------------------------------------------------------------------------------------------------


def _set_list(part: Part, source: str) -> str:
    skip = {*part.keys, *(_FIXED if part.model is Case else ())}
    return ", ".join(f"{c} = {source.format(c=c)}" for c in part.columns() if c not in skip)


def sqlite_trigger() -> str:
    """The INSTEAD OF trigger that spreads ``NEW.doc`` over the tables."""
    lines = []
    for part in PARTS:
        columns = part.columns()
        each = f"json_each(NEW.doc, '$.{part.key}') AS r"
        names = ", ".join(columns)
        values = ", ".join(f"json_extract(r.value, '$.{c}')" for c in columns)
        if part.mode == "update":
            guard = f" AND {part.table}.{part.guard} = json_extract(r.value, '$.seen')" if part.guard else ""
            changes = _set_list(part, "json_extract(r.value, '$.{c}')")
            lines.append(
                f"UPDATE {part.table} SET {changes} FROM {each} "
                f"WHERE {part.table}.id = json_extract(r.value, '$.id'){guard}"
            )
            if part.guard:
                lines.append(
                    f"SELECT RAISE(ABORT, 'casework stale') FROM {each} JOIN {part.table} t "
                    f"ON t.id = json_extract(r.value, '$.id') "
                    f"WHERE t.{part.guard} <> json_extract(r.value, '$.{part.guard}') "
                    "OR t.head_digest <> json_extract(r.value, '$.head_digest')"
                )
            continue
        verb = "INSERT OR IGNORE" if part.mode == "ignore" else "INSERT"
        tail = ""
        if part.mode == "upsert":
            tail = f" ON CONFLICT({', '.join(part.keys)}) DO UPDATE SET {_set_list(part, 'excluded.{c}')}"
        lines.append(f"{verb} INTO {part.table}({names}) SELECT {values} FROM {each} WHERE true{tail}")
    return "CREATE TRIGGER casework_write_apply INSTEAD OF INSERT ON casework_write BEGIN " + "; ".join(lines) + "; END"


# --- PostgreSQL -----------------------------------------------------------------------------------------------


@cache
def _postgres_sql(parts: tuple[str, ...]) -> str:
    """The statement for a document with these parts. There are few combinations, so each is planned once."""
    connection: BaseDatabaseWrapper = connections["default"]
    steps = ["doc AS (SELECT %s::jsonb AS d)"]
    for part in PARTS:
        if part.key not in parts:
            continue
        columns = part.columns()
        typed = ", ".join(f"{f.column} {f.db_type(connection)}" for f in part.fields())
        seen = ", seen integer" if part.guard else ""
        each = f"jsonb_to_recordset((SELECT d->'{part.key}' FROM doc)) AS r({typed}{seen})"
        names = ", ".join(columns)
        values = ", ".join(f"r.{c}" for c in columns)
        if part.mode == "update":
            guard = f" AND t.{part.guard} = r.seen" if part.guard else ""
            steps.append(
                f"w_{part.key} AS (UPDATE {part.table} t SET {_set_list(part, 'r.{c}')} FROM {each} "
                f"WHERE t.id = r.id{guard} RETURNING t.id)"
            )
            continue
        tail = ""
        if part.mode == "ignore":
            tail = " ON CONFLICT DO NOTHING"
        elif part.mode == "upsert":
            tail = f" ON CONFLICT ({', '.join(part.keys)}) DO UPDATE SET {_set_list(part, 'excluded.{c}')}"
        steps.append(f"w_{part.key} AS (INSERT INTO {part.table} ({names}) SELECT {values} FROM {each}{tail})")
    counted = "SELECT count(*) FROM w_cases" if "cases" in parts else "SELECT 0"
    return f"WITH {', '.join(steps)} {counted}"
