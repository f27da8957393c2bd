"""Prepared statements on PostgreSQL (imported only there)."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import ServerBindingCursor

#: psycopg never prepares while a connection has no threshold; nothing but `PreparedCursor` reaches this one.
THRESHOLD = 2**31 - 1


class PreparedCursor(ServerBindingCursor):  # type: ignore[misc]
    """Prepares at the first use."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, prepare=True, **options)


def prepared(connection: BaseDatabaseWrapper) -> Any:
    """A cursor of Django's own wrappers around a `PreparedCursor`."""
    connection.ensure_connection()
    raw: Any = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = THRESHOLD
    return connection._prepare_cursor(PreparedCursor(raw))  # type: ignore[attr-defined]
