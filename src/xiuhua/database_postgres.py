"""Prepared statements on PostgreSQL (imported only there)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import ServerBindingCursor

#: psycopg never prepares while a connection has no threshold; nothing but `PreparedCursor` reaches this one.
THRESHOLD = 2**31 - 1

# Its bases depend on the driver at run time, which the stubs do not follow.
_Base: Any = ServerBindingCursor


class PreparedCursor(_Base):
    """Prepares at the first use."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        done = super().execute(query, params, prepare=True, **options)
        own: Any = self
        if own._query is None:
            # Django's log of statements reads it here; without the values, which never were part of it.
            own._query = SimpleNamespace(query=str(query).encode())
        return done


def prepared(connection: BaseDatabaseWrapper) -> Any:
    """A cursor of Django's own wrappers around a `PreparedCursor`."""
    # As Django's own cursor() does: a connection that the server dropped is opened anew, not tried and lost.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw: Any = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = THRESHOLD
    wrapper: Any = connection
    return wrapper._prepare_cursor(PreparedCursor(raw))
