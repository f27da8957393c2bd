"""The one clock of the engine, and instants as whole microseconds UTC.

Tests and the demo set the clock; nothing else in casework asks the machine for the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_source: ContextVar[Callable[[], datetime] | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """The present instant, UTC, aware."""
    source = _source.get()
    return source().astimezone(UTC) if source else datetime.now(UTC)


@contextmanager
def clock_set(source: Callable[[], datetime] | datetime) -> Iterator[None]:
    """Within the block time comes from ``source`` (a fixed instant or a function)."""
    token = _source.set(source if callable(source) else (lambda: source))
    try:
        yield
    finally:
        _source.reset(token)


def to_us(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exact."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
