"""Tables without their indexes and references while a bench fills them; both are made again at the end.

A row then costs its own writing only, and an index is built once from all rows. Primary and unique keys stay, and so do
the guards of the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

from xiuhua.casework import text_index


@contextmanager
def bare(tables: Sequence[str]) -> Iterator[dict[str, float]]:
    """Gives a dictionary that holds the seconds of making all again in ``rebuild_s``."""
    import time

    told: dict[str, float] = {}
    drop, make = _sqlite(tables) if connection.vendor == "sqlite" else _postgres(tables)
    _run(drop)
    yield told
    began = time.perf_counter()
    _run(make)
    if connection.vendor == "sqlite" and "casework_case" in tables:
        text_index.fill(connection)
    told["rebuild_s"] = time.perf_counter() - began


def _run(statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


def _rows(sql: str, tables: Sequence[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql.format(marks=", ".join(["%s"] * len(tables))), list(tables))
        return list(cursor.fetchall())


def _sqlite(tables: Sequence[str]) -> tuple[list[str], list[str]]:
    found = _rows(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT LIKE 'CREATE UNIQUE%%' AND tbl_name IN ({marks})",
        tables,
    )
    drop = [f'DROP INDEX "{name}"' for name, _sql in found]
    words = text_index.sqlite_triggers() if "casework_case" in tables else {}
    drop += [f"DROP TRIGGER {name}" for name in words]
    make = [*(sql for _name, sql in found), *words.values(), "PRAGMA foreign_keys = ON", "ANALYZE"]
    return ["PRAGMA foreign_keys = OFF", *drop], make


def _postgres(tables: Sequence[str]) -> tuple[list[str], list[str]]:
    references = _rows(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND conrelid::regclass::text IN ({marks})",
        tables,
    )
    indexes = _rows(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE NOT indisunique AND indrelid::regclass::text IN ({marks})",
        tables,
    )
    drop = [f'ALTER TABLE {table} DROP CONSTRAINT "{name}"' for table, name, _sql in references]
    drop += [f"DROP INDEX {name}" for name, _sql in indexes]
    make = [sql for _name, sql in indexes]
    make += [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {sql}' for table, name, sql in references]
    return drop, [*make, *(f"VACUUM ANALYZE {table}" for table in tables)]
