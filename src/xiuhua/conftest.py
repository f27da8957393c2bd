"""Fixtures of every room's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def fresh_memory() -> Iterator[None]:
    """No in-memory table outlives the rows of the test that built it."""
    from xiuhua.city import memory

    memory.forget()
    yield
    memory.forget()
