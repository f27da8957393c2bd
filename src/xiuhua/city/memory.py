"""In-memory tables: built from rows, served without a query, replaced when their version row changes.

A `Table` is built once, synchronously, by whoever asks first. After that ``get`` only returns it; at most
once a second one statement reads the version rows of all tables, and when one has changed a background thread
builds the next table while the old one serves. The new one is put in place by a single assignment.

1. Whoever changes the rows calls ``bump(name)`` in the same transaction.
2. Inside a transaction ``get`` asks the database nothing, so a short transaction stays short; only a
   transaction that bumped the table itself sees its own rows, in a private copy that ends with it.
3. A build that fails is logged and tried again at the next check; the old table serves on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakSet

from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F

from xiuhua.city.models.versions import TableVersion
from xiuhua.database import prepared_cursor

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[], None]

#: Seconds between two looks at the version row.
CHECK_SECONDS = 1.0
_EXPIRED = float("-inf")

_tables: WeakSet[Table] = WeakSet()
_local = threading.local()


@dataclass(frozen=True, slots=True)
class _Built(Generic[T]):
    """One finished table and the version that it was built from."""

    version: int
    value: T


def stored_version(name: str) -> int:
    """The version row of ``name``; 0 when nothing was ever bumped."""
    with prepared_cursor(connection) as cursor:
        cursor.execute("SELECT version FROM city_tableversion WHERE name = %s", [name])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _stored_versions() -> dict[str, int]:
    """All version rows by name. Written out, because every process asks once a second."""
    with prepared_cursor(connection) as cursor:
        cursor.execute("SELECT name, version FROM city_tableversion")
        return {name: int(version) for name, version in cursor.fetchall()}


def bump(name: str) -> None:
    """Say that the rows behind table ``name`` changed; call it in the transaction that changes them."""
    rows = TableVersion.objects.filter(name=name)
    if not rows.update(version=F("version") + 1):
        TableVersion.objects.bulk_create([TableVersion(name=name, version=0)], ignore_conflicts=True)
        rows.update(version=F("version") + 1)
    block = _transaction()
    if block is not None:
        if getattr(_local, "block", None) is not block:
            _local.block, _local.names, _local.built = block, set(), {}
        _local.names.add(name)
    transaction.on_commit(lambda: _expire(name))


def _transaction() -> object | None:
    """The outermost transaction of this thread, or None in autocommit."""
    return connection.atomic_blocks[0] if connection.in_atomic_block else None


def _expire(name: str) -> None:
    for table in list(_tables):
        if table.name == name:
            table.expire()


def forget() -> None:
    """Drop every built table of this process after running rebuilds have ended; the next ``get`` builds anew.

    For tests and for commands that replace the whole database.
    """
    for table in list(_tables):
        table.settle()
        table.drop()
    _local.__dict__.clear()


def in_thread(job: Job) -> threading.Thread:
    """Run ``job`` in a daemon thread that closes its own database connections."""

    def run() -> None:
        try:
            job()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="xiuhua-memory", daemon=True)
    thread.start()
    return thread


def in_place(job: Job) -> None:
    """For small tables of which the old one would be a wrong rule: whoever notices the change waits for the next."""
    job()


class Table(Generic[T]):
    """One in-memory table: ``build`` reads the rows and returns an immutable value.

    ``clock`` is a monotonic clock in seconds; ``spawn`` starts a job off the request path and returns its
    thread, or None when it has already run. Both are given by tests.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[], T],
        *,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Job], threading.Thread | None] = in_thread,
    ) -> None:
        self.name = name
        self._build = build
        self._clock = clock
        self._spawn = spawn
        self._built: _Built[T] | None = None
        self._checked = _EXPIRED
        self._first = threading.Lock()
        self._rebuilding = threading.Lock()
        self._thread: threading.Thread | None = None
        _tables.add(self)

    def get(self) -> T:
        """The table as it is now, or as it was while the next one is being built."""
        block = _transaction()
        if block is not None:
            if getattr(_local, "block", None) is block and self.name in _local.names:
                return self._own().value
            return (self._built or self._build_first()).value
        built = self._built or self._build_first()
        if self._clock() - self._checked >= CHECK_SECONDS:
            self._check()
            built = self._built or built
        return built.value

    @property
    def version(self) -> int | None:
        """The version that is being served; None before the first ``get``."""
        return self._built.version if self._built else None

    def expire(self) -> None:
        """Let the next ``get`` look at the version row without waiting for its second."""
        self._checked = _EXPIRED

    def settle(self) -> None:
        """Wait until a running rebuild has ended."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def drop(self) -> None:
        self._built = None
        self.expire()

    def _make(self) -> _Built[T]:
        # The version is read first: rows that change in between cost one more rebuild, never a stale table.
        version = stored_version(self.name)
        return _Built(version, self._build())

    def _build_first(self) -> _Built[T]:
        with self._first:
            if self._built is None:
                now = self._clock()
                self._built = self._make()
                self._checked = now
            return self._built

    def _own(self) -> _Built[T]:
        """What this uncommitted transaction would publish, kept apart from what the others are served."""
        version = stored_version(self.name)
        built: _Built[T] | None = _local.built.get(id(self))
        if built is None or built.version != version:
            built = _local.built[id(self)] = self._make()
        return built

    def _check(self) -> None:
        """Read the versions and tell every table of this process its own."""
        self._checked = self._clock()
        try:
            current = _stored_versions()
        except DatabaseError:
            log.warning("table %s: its version could not be read; the old one serves on", self.name)
            return
        for table in list(_tables):
            table._hear(current.get(table.name, 0))

    def _hear(self, version: int) -> None:
        built = self._built
        if built is None or self._checked == _EXPIRED:  # expired since the versions were read: it looks for itself
            return
        self._checked = self._clock()
        if version != built.version and self._rebuilding.acquire(blocking=False):
            try:
                self._thread = self._spawn(self._rebuild)
            except BaseException:
                self._rebuilding.release()
                raise

    def _rebuild(self) -> None:
        try:
            self._built = self._make()
        except Exception:
            log.exception("table %s could not be rebuilt; the old one serves on", self.name)
        finally:
            self._rebuilding.release()


#: The longer name, for rooms where ``Table`` alone would say too little.
MemoryTable = Table
