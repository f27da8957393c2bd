"""``xiuhua log move``: copies the whole house from SQLite to PostgreSQL; the same log then verifies there.

Stop the service first. Tables are copied as they are, row by row by COPY, in one transaction of the target, so that
either all of it is there or nothing. Afterwards counts are compared and the log is verified on the target.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework import guard_rails, verify
from xiuhua.env import database

TARGET = "move_target"
CHUNK = 2000
#: Django fills these tables itself.
MADE_BY_MIGRATE = ("contenttypes", "auth")


class MoveRefused(Exception):
    """Nothing was copied; the message says why."""


def move(url: str, *, source: str = "default") -> verify.Report:
    """Copy all tables of this database into an empty one at ``url``; returns the verification there."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise MoveRefused("the target must be a PostgreSQL URL: postgresql://USER:PASSWORD@HOST/NAME")
    target = connect(url)
    try:
        call_command("migrate", database=TARGET, verbosity=0, run_syncdb=True)
        if guard_rails.faults(target):
            guard_rails.install(target)
        tables = _tables()
        filled = [m._meta.db_table for m in tables if m._meta.app_label not in MADE_BY_MIGRATE and _count(target, m)]
        if filled:
            raise MoveRefused(f"the target is not empty: {', '.join(filled[:5])}")
        with transaction.atomic(using=TARGET):
            for model in tables:
                _copy(model, connections[source], target)
            _reset_sequences(target, tables)
        different = [m._meta.db_table for m in tables if _count(target, m) != _count(connections[source], m)]
        if different:
            raise MoveRefused(
                f"the source was written to meanwhile: {', '.join(different)}; empty the target and repeat"
            )
        return verify.verify(using=TARGET)
    finally:
        target.close()


def connect(url: str) -> BaseDatabaseWrapper:
    """A connection of its own to another database, under the alias `TARGET`."""
    known = {**connections.settings, TARGET: database(url, "FULL")}
    connections.settings = connections.configure_settings(known)
    connection = connections.create_connection(TARGET)
    connections[TARGET] = connection
    return connection


def _tables() -> list[type[models.Model]]:
    found = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed and not m._meta.proxy]
    return sorted(found, key=lambda m: m._meta.db_table)


def _count(connection: BaseDatabaseWrapper, model: type[models.Model]) -> int:
    return model._base_manager.using(connection.alias).count()


def _copy(model: type[models.Model], source: BaseDatabaseWrapper, target: BaseDatabaseWrapper) -> None:
    """All rows of one table. Foreign keys are checked at the end of the transaction."""
    fields = list(model._meta.concrete_fields)
    quote = target.ops.quote_name
    columns = ", ".join(quote(f.column or "") for f in fields)
    table = quote(model._meta.db_table)
    with target.cursor() as cursor:
        if model._meta.app_label in MADE_BY_MIGRATE:  # ours keep their numbers
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in _rows(model, fields, source):
                copy.write_row(row)


def _rows(
    model: type[models.Model], fields: list[models.Field[Any, Any]], source: BaseDatabaseWrapper
) -> Iterator[list[Any]]:
    from psycopg.types.json import Jsonb

    json_places = {i for i, f in enumerate(fields) if isinstance(f, models.JSONField)}
    rows = model._base_manager.using(source.alias).order_by("pk").values_list(*(f.attname for f in fields))
    for row in rows.iterator(chunk_size=CHUNK):
        yield [Jsonb(value) if i in json_places and value is not None else value for i, value in enumerate(row)]


def _reset_sequences(target: BaseDatabaseWrapper, tables: list[type[models.Model]]) -> None:
    with target.cursor() as cursor:
        for sql in target.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(sql)


def main(argv: list[str]) -> int:
    """Copy everything into an empty PostgreSQL database and verify the log there."""
    parser = argparse.ArgumentParser(prog="xiuhua log move", description=__doc__)
    parser.add_argument("--to", required=True, metavar="DATABASE_URL", help="postgresql://USER:PASSWORD@HOST/NAME")
    options = parser.parse_args(argv)
    try:
        report = move(options.to)
    except MoveRefused as error:
        print(f"xiuhua log move: {error}", file=sys.stderr)
        return 2
    verify.show(report)
    if report.ok:
        print("All is there. Set XIUHUA_DATABASE_URL to the new database and start the service.")
    return 0 if report.ok else 1
