"""Fixtures of the tests of the whole house."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import live as live_module
from live import Live


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """A running server with the small city, shared by the tests of this process."""
    made, database = live_module.make()
    try:
        live_module.start(made)
        yield made
    finally:
        live_module.end(made, database)
