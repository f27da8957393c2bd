"""A house for a bench: fresh keys, a database of its own, and a server of its own."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bench_pg


@contextmanager
def environment(database_url: str = "", within: Path | None = None) -> Iterator[str]:
    """An empty migrated database; gives the name of the engine. SQLite runs with synchronous FULL, as in service.

    ``within``: the folder in which the data folder is made.
    """
    with tempfile.TemporaryDirectory(prefix="xiuhua-bench-", dir=within) as folder:
        os.environ |= {
            "XIUHUA_DATA_DIR": folder,
            "XIUHUA_DATABASE_URL": database_url,
            "XIUHUA_SECRET_KEY": secrets.token_urlsafe(48),
            "XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "XIUHUA_STATIC": "plain",
            "DJANGO_SETTINGS_MODULE": "xiuhua.settings",
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from xiuhua.casework.models import Case

        call_command("migrate", verbosity=0)
        if Case.objects.exists():
            raise SystemExit("a bench runs on an empty database only")
        yield connection.vendor
        connection.close()


@contextmanager
def house(database_url: str = "") -> Iterator[tuple[Any, str]]:
    """Gives the small city of the engine's tests and the name of the engine."""
    with environment(database_url) as vendor:
        from xiuhua.casework.tests import conftest

        yield conftest.build_city(), vendor


@contextmanager
def serving(*, worker: bool = True) -> Iterator[int]:
    """Page server and outbox worker as `xiuhua run` starts them, on a free port that is given. What they log goes to a file
    in the data folder, as to the journal in service."""
    from xiuhua import serve

    port = bench_pg.free_port()
    commands = [serve.server_command("127.0.0.1", port)]
    if worker:
        commands.append([sys.executable, "-m", "xiuhua.cli", "worker"])
    with (Path(os.environ["XIUHUA_DATA_DIR"]) / "bench.log").open("ab") as log:
        family = [subprocess.Popen(one, start_new_session=True, stdout=log, stderr=log) for one in commands]
    try:
        wait_for(port)
        yield port
    finally:
        for process in family:
            os.killpg(process.pid, signal.SIGTERM)
        for process in family:
            process.wait(20)


def wait_for(port: int, path: str = "/api/v1/openapi.json") -> float:
    """Until the server answers; returns the seconds."""
    began = time.perf_counter()
    while time.perf_counter() - began < 60:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30):
                return time.perf_counter() - began
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the server does not answer")


def verify_tail(count: int = 200) -> bool:
    """Whether the chains of the newest cases verify."""
    from xiuhua.casework import verify
    from xiuhua.casework.models import Case

    return all(verify.verify(case_id=pk).ok for pk in Case.objects.order_by("-id").values_list("pk", flat=True)[:count])
