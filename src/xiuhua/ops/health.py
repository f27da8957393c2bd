"""Is this process alive, and may it be sent work: a few questions, each answered in well under a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max

from xiuhua.casework import moments
from xiuhua.casework.models import WorkerBeat
from xiuhua.doctor import MIN_FREE

#: A worker that was not seen for so long is not there: longer than any row is leased.
SILENCE = timedelta(seconds=150)


@dataclass(frozen=True)
class Answer:
    """One question: its name, whether all is well, and a code that says what is not."""

    name: str
    ok: bool
    why: str = ""


def questions() -> Iterator[Answer]:
    """Database, version of the tables, worker, disk; a question that fails is answered, not raised."""
    asked: tuple[tuple[str, Callable[[], str]], ...] = (
        ("database", database),
        ("migrations", migrations),
        ("worker", worker),
        ("disk", disk),
    )
    for name, ask in asked:
        try:
            why = ask()
        except (DatabaseError, OSError) as error:
            why = type(error).__name__
        yield Answer(name, not why, why)


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return ""


_complete: set[str] = set()


def migrations() -> str:
    """Tables do not go back while a process runs, so a good answer is remembered."""
    key = str(connection.settings_dict["NAME"])
    if key not in _complete:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "waiting"
        _complete.add(key)
    return ""


def worker() -> str:
    seconds = silence()
    return "none" if seconds is None else "silent" if seconds > SILENCE.total_seconds() else ""


def silence() -> float | None:
    """Seconds since the last sign of life of any worker; None when there is none."""
    seen = WorkerBeat.objects.aggregate(seen=Max("seen_at"))["seen"]
    return None if seen is None else max(0.0, (moments.now() - seen).total_seconds())


def disk() -> str:
    return "full" if shutil.disk_usage(settings.DATA_DIR).free < MIN_FREE else ""
