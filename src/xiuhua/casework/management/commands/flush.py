"""Django's ``flush`` on a log that refuses to be emptied: for the demo and for test databases only."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.flush import Command as DjangoFlush
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework import guard_rails


def is_test_database(connection: BaseDatabaseWrapper) -> bool:
    """Whether the connection leads to a database that Django's test runner made."""
    name = str(connection.settings_dict["NAME"])
    planned = connection.settings_dict.get("TEST", {}).get("NAME")
    if connection.vendor == "sqlite":
        return "memory" in name or (bool(planned) and name.startswith(str(planned).removesuffix(".sqlite3")))
    return name.startswith("test_") or (bool(planned) and name.startswith(str(planned)))


class Command(DjangoFlush):
    help = "Empty the database, its event log too. Refused outside the demo and tests."

    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        if not settings.DEMO and not is_test_database(connection):
            raise CommandError(
                "the event log of a live system is never emptied; flush works in the demo and in tests only"
            )
        with guard_rails.lifted(connection):
            super().handle(**options)
