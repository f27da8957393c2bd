"""The number of a request: in its answer, on its error page, in every log line, and in what it leaves for the worker."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-ID"
_GOOD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The number of the request in hand; '' outside one."""
    return _current.get()


def given_or_new(given: str) -> str:
    """The number that a proxy gave, when it is written as one, else a new one."""
    return given if _GOOD.fullmatch(given) else secrets.token_hex(8)


@contextmanager
def of(number: str) -> Iterator[None]:
    """Within the block work is done for this request."""
    token = _current.set(number)
    try:
        yield
    finally:
        _current.reset(token)
