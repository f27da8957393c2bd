"""The database itself guards the log, and takes one change in one statement.

Two kinds of database objects live here, put back after every migration and checked by `doctor`:

* triggers that refuse UPDATE, DELETE, TRUNCATE and REPLACE on events, anchors and published rules;
* on SQLite the view ``casework_write`` whose INSTEAD OF trigger spreads one JSON document over the tables
  (`write.py`; PostgreSQL does the same in one statement with data-modifying CTEs).

The triggers that keep SQLite's index of words (`text_index.py`) are put back and checked with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework import text_index, write

SEALED = ("casework_event", "casework_anchor", "casework_anchorentry", "casework_ruleversion")
_DOUBLE = {
    "casework_event": "id = NEW.id OR (case_id = NEW.case_id AND seq = NEW.seq)",
    "casework_anchor": "id = NEW.id",
    "casework_anchorentry": "id = NEW.id OR (anchor_id = NEW.anchor_id AND case_id = NEW.case_id)",
    "casework_ruleversion": "id = NEW.id OR (kind = NEW.kind AND name = NEW.name AND version = NEW.version)",
}

#: Append-only tables of other rooms and their double, as `_DOUBLE` has it.
_more: dict[str, str] = {}


def seal(table: str, double: str) -> None:
    """A room above has a log of its own: its table is guarded like the events. ``double`` is SQL over ``NEW``."""
    _more[table] = double


def sealed() -> tuple[str, ...]:
    """All append-only tables."""
    return (*SEALED, *_more)


def _sqlite_statements() -> dict[str, str]:
    made: dict[str, str] = {}
    doubles = _DOUBLE | _more
    for table in sealed():
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            made[name] = (
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN "
                f"SELECT RAISE(ABORT, 'the log is append-only: {verb} on {table} is refused'); END"
            )
        # INSERT OR REPLACE deletes without firing delete triggers: the double is refused before it happens.
        name = f"{table}_no_replace"
        made[name] = (
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {doubles[table]}) BEGIN "
            f"SELECT RAISE(ABORT, 'the log is append-only: REPLACE on {table} is refused'); END"
        )
    made["casework_write_apply"] = write.sqlite_trigger()
    made.update(text_index.sqlite_triggers())
    return made


def _postgres_statements() -> dict[str, str]:
    made: dict[str, str] = {}
    for table in sealed():
        made[f"{table}_sealed"] = (
            f"CREATE TRIGGER {table}_sealed BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION casework_refuse()"
        )
        made[f"{table}_no_truncate"] = (
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION casework_refuse()"
        )
    return made


_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION casework_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME;
END $$
"""


def expected(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Name -> definition of every trigger that must stand on this engine."""
    return _sqlite_statements() if connection.vendor == "sqlite" else _postgres_statements()


def _table_of(name: str) -> str:
    if name == "casework_write_apply":
        return "casework_write"
    return next(t for t in sorted(sealed(), key=len, reverse=True) if name.startswith(t + "_"))


def _present(connection: BaseDatabaseWrapper) -> dict[str, str]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            return dict(cursor.fetchall())
        cursor.execute(
            "SELECT t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE NOT t.tgisinternal AND n.nspname = current_schema()"
        )
        return dict(cursor.fetchall())


def faults(connection: BaseDatabaseWrapper | None = None) -> list[str]:
    """Triggers that are missing, altered or switched off, as sentences; empty when the log is guarded."""
    connection = connection or connections["default"]
    present = _present(connection)
    found = []
    for name, sql in expected(connection).items():
        if name not in present:
            found.append(f"trigger {name} is missing")
        elif connection.vendor == "sqlite" and present[name] != sql:
            found.append(f"trigger {name} is not the one that this version installs")
        elif connection.vendor == "postgresql" and present[name] != "O":
            found.append(f"trigger {name} is switched off")
    return found


def install(connection: BaseDatabaseWrapper | None = None) -> None:
    """Put every trigger (back) in place."""
    connection = connection or connections["default"]
    tables = set(connection.introspection.table_names())
    if not set(sealed()) <= tables:
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP VIEW IF EXISTS casework_write")
            cursor.execute("CREATE VIEW casework_write(doc) AS SELECT NULL WHERE 0")
        else:
            cursor.execute(_POSTGRES_FUNCTION)
        for name, sql in expected(connection).items():
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {_table_of(name)}")
            cursor.execute(sql)


def remove(connection: BaseDatabaseWrapper | None = None) -> None:
    connection = connection or connections["default"]
    with connection.cursor() as cursor:
        for name in expected(connection):
            if name.startswith(text_index.TABLE):
                continue  # it guards nothing: without it the index would be wrong afterwards
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {_table_of(name)}")


@contextmanager
def lifted(connection: BaseDatabaseWrapper | None = None) -> Iterator[None]:
    """Without guard inside the block: for the test reset and for tests that tamper; never for the product."""
    remove(connection)
    try:
        yield
    finally:
        install(connection)


def step_aside_for_migrate(**kwargs: Any) -> None:
    """SQLite cannot rename a remade table while a trigger of another names it: the writing view goes before every
    migration and comes back after it. The seals of the log stay until their table is remade."""
    connection = connections[kwargs.get("using", "default")]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW IF EXISTS casework_write")


def install_after_migrate(**kwargs: Any) -> None:
    install(connections[kwargs.get("using", "default")])
