"""``xiuhua worker``: delivers the outbox, sweeps every few minutes, takes the hourly anchor. Any number may run.

SIGTERM and SIGINT end it after the row in hand; what it had not finished, another takes over when its lease ends.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from types import FrameType

from django.db import DatabaseError, close_old_connections, connections

from xiuhua.casework import deliver, sweep

log = logging.getLogger("xiuhua.worker")
SWEEP_EVERY = 180.0  # seconds
PAUSE = 1.0  # seconds between two looks when nothing is due
AFTER_AN_ERROR = 5.0


class Worker:
    """The loop; `stop` ends it from any thread or signal."""

    def __init__(self, pause: float = PAUSE, sweep_every: float = SWEEP_EVERY) -> None:
        self.pause, self.sweep_every = pause, sweep_every
        self.stopped = threading.Event()
        self._swept = float("-inf")

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        self.stopped.set()

    def run(self) -> None:
        """Until stopped. A database that is away is waited for."""
        while not self.stopped.is_set():
            close_old_connections()
            try:
                taken = self.round()
            except DatabaseError:
                log.exception("the database does not answer; trying again")
                connections.close_all()
                self.stopped.wait(AFTER_AN_ERROR)
                continue
            if not taken:
                self.stopped.wait(self.pause)

    def round(self) -> int:
        """Deliver what is due, sweep when it is time; returns how many rows were taken."""
        taken = deliver.run_due(limit=50)
        if not self.stopped.is_set() and time.monotonic() - self._swept >= self.sweep_every:
            self._swept = time.monotonic()
            swept = sweep.sweep()
            if swept:
                log.info("sweep: %s", swept)
        return taken


def main(argv: list[str]) -> int:
    """Deliver the outbox until told to stop."""
    parser = argparse.ArgumentParser(prog="xiuhua worker", description=__doc__)
    parser.add_argument("--once", action="store_true", help="sweep once, deliver until nothing is due, and end")
    options = parser.parse_args(argv)
    worker = Worker()
    if options.once:
        while worker.round():
            pass
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop)
    log.info("worker %s is at work", deliver.ME)
    worker.run()
    log.info("worker %s has stopped", deliver.ME)
    return 0
