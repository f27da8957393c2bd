"""The processes of a house that may be killed and are started again, as the service manager of a server would do."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bench_house
import bench_pg

PATIENCE = 60.0


def wait_until(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> float:
    """Ask again and again; seconds until it was true. Raises TimeoutError."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > patience:
            raise TimeoutError(what)
        time.sleep(0.02)
    return time.monotonic() - began


class Process:
    """One program in a session of its own. What it logs goes to a file."""

    def __init__(self, name: str, command: list[str], log: Path, more: dict[str, str] | None = None) -> None:
        self.name, self.command, self.log, self.more = name, command, log, more or {}
        self.starts = 0
        self.running = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command, start_new_session=True, stdout=log, stderr=log, env={**os.environ, **self.more}
            )

    def kill(self) -> None:
        """SIGKILL for the whole program."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, signal.SIGKILL)

    def kill_one_child(self, rng: random.Random) -> None:
        found = bench_pg.children(self.running.pid)
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(found), signal.SIGKILL)

    def mend(self) -> bool:
        """Start it again when it has ended, after what is left of it."""
        if self.running.poll() is None:
            return False
        self.kill()
        self.running = self._start()
        return True

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, signal.SIGTERM)
        try:
            self.running.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def family(port: int, **more: str) -> Iterator[dict[str, Process]]:
    """Page server and outbox worker of the environment, serving; ended at the end."""
    from xiuhua import serve

    with tempfile.TemporaryDirectory(prefix="xiuhua-drill-log-") as folder:
        log = Path(folder) / "log"  # not where the data are: the journal of a server is another's
        made = {
            "server": Process("server", serve.server_command("127.0.0.1", port), log, more),
            "worker": Process("worker", [sys.executable, "-m", "xiuhua.cli", "worker"], log, more),
        }
        try:
            bench_house.wait_for(port)
            yield made
        finally:
            for one in made.values():
                one.end()
            if kept := os.environ.get("XIUHUA_DRILL_LOG"):
                shutil.copy(log, kept)


def mend(parts: list[Any]) -> None:
    """Start again what has ended."""
    for one in parts:
        one.mend()
