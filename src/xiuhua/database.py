"""Whose database is this: new, a demonstration city that may be wiped, or a real one that may not.

A demo leaves the table ``xiuhua_demo_mark`` with one word, ``loading`` or ``loaded``; a load that was cut
short is thus seen at the next start.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

Mark = Literal["loading", "loaded"]
_TABLE = "xiuhua_demo_mark"


def mark() -> Mark | None:
    """The demo's mark, or None when there is none."""
    if _TABLE not in connection.introspection.table_names():
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT state FROM {_TABLE}")  # noqa: S608
        row = cursor.fetchone()
    return row[0] if row else None


def set_mark(state: Mark) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (state varchar(10) NOT NULL)")
        cursor.execute(f"DELETE FROM {_TABLE}")  # noqa: S608
        cursor.execute(f"INSERT INTO {_TABLE} (state) VALUES (%s)", [state])  # noqa: S608


def has_people() -> bool:
    """True when somebody can log in: the database is in use."""
    model = get_user_model()
    return model._meta.db_table in connection.introspection.table_names() and model.objects.exists()


def wipe() -> None:
    """Remove every table and file of a demo; call only after looking at `mark`."""
    if connection.vendor == "sqlite":
        name = Path(connection.settings_dict["NAME"])
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{name}{suffix}").unlink(missing_ok=True)
    else:
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names():
                cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(table)} CASCADE")
        connection.close()
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)


def prepared_cursor(connection: BaseDatabaseWrapper) -> Any:
    """A cursor whose statements PostgreSQL plans once per connection; SQLite keeps its last statements anyway.

    For statements written out in full that run at every request. Their parameters are bound by the server, so each
    must have a type by its place. They are counted and logged as all others are.
    """
    if connection.vendor != "postgresql":
        return connection.cursor()
    from xiuhua.database_postgres import prepared

    return prepared(connection)
