"""One small city per module: built in an outer transaction, each test in a savepoint of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from xiuhua.casework import library
from xiuhua.city import memory
from xiuhua.city.models import Platform
from xiuhua.demo.tests import small_city


@pytest.fixture(scope="module")
def _built(django_db_setup: Any, django_db_blocker: Any) -> Iterator[Platform]:
    with django_db_blocker.unblock():
        memory.forget()
        library.version.cache_clear()
        outer = transaction.atomic()
        outer.__enter__()
        try:
            yield small_city.build()
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)
            memory.forget()
            library.version.cache_clear()


@pytest.fixture
def city(_built: Platform, db: Any) -> Platform:
    memory.forget()
    return _built
