"""A house for a bench: fresh keys, a database of its own, the small city of the engine's tests."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def house(database_url: str = "") -> Iterator[tuple[Any, str]]:
    """Gives the city and the name of the engine. SQLite runs with synchronous FULL, as in service."""
    with tempfile.TemporaryDirectory(prefix="xiuhua-bench-") as folder:
        os.environ["XIUHUA_DATA_DIR"] = folder
        os.environ["XIUHUA_DATABASE_URL"] = database_url
        os.environ["XIUHUA_SECRET_KEY"] = secrets.token_urlsafe(48)
        os.environ["XIUHUA_DATA_KEY"] = base64.b64encode(secrets.token_bytes(32)).decode()
        os.environ["DJANGO_SETTINGS_MODULE"] = "xiuhua.settings"
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from xiuhua.casework.models import Case
        from xiuhua.casework.tests import conftest

        call_command("migrate", verbosity=0)
        if Case.objects.exists():
            raise SystemExit("a bench runs on an empty database only")
        yield conftest.build_city(), connection.vendor
        connection.close()
