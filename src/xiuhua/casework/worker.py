"""``xiuhua worker``: delivers the outbox, sweeps every few minutes, takes the hourly anchor. Any number may run.

SIGTERM and SIGINT end it after the row in hand. A row that is not finished `GRACE` seconds later is given back, so that
another worker may take it at once. One that is killed gives nothing back: its row is free when its lease ends.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from types import FrameType

from django.db import DatabaseError, close_old_connections, connections

from xiuhua.casework import deliver, moments, sweep
from xiuhua.casework.models import WorkerBeat

log = logging.getLogger("xiuhua.worker")
SWEEP_EVERY = 180.0  # seconds
PAUSE = 1.0  # seconds between two looks when nothing is due
AFTER_AN_ERROR = 5.0
BEAT_EVERY = 10.0
#: Seconds for the row in hand after the word to stop; whoever stops us must wait longer (`serve.STOP_SECONDS`).
GRACE = 15


class Worker:
    """The loop; `stop` ends it from any thread or signal."""

    def __init__(self, pause: float = PAUSE, sweep_every: float = SWEEP_EVERY, name: str = deliver.ME) -> None:
        self.pause, self.sweep_every, self.name = pause, sweep_every, name
        self.stopped = threading.Event()
        self._swept = self._beaten = float("-inf")
        self._since = moments.now()

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
        self.beat()
        taken = deliver.run_due(limit=50, goes_on=self._goes_on)
        if not self.stopped.is_set() and time.monotonic() - self._swept >= self.sweep_every:
            self._swept = time.monotonic()
            swept = sweep.sweep()
            if swept:
                log.info("sweep: %s", swept)
        return taken

    def _goes_on(self) -> bool:
        self.beat()
        return not self.stopped.is_set()

    def beat(self) -> None:
        """Leave a sign of life, at most every `BEAT_EVERY` seconds."""
        if time.monotonic() - self._beaten < BEAT_EVERY:
            return
        self._beaten = time.monotonic()
        signs = {"started_at": self._since, "seen_at": moments.now()}
        WorkerBeat.objects.update_or_create(name=self.name, defaults=signs)

    def leave(self) -> None:
        """Take the sign of life away: nobody waits for this one."""
        WorkerBeat.objects.filter(name=self.name).delete()


def main(argv: list[str]) -> int:
    """Deliver the outbox until told to stop."""
    parser = argparse.ArgumentParser(prog="xiuhua worker", description=__doc__)
    parser.add_argument("--once", action="store_true", help="sweep once, deliver until nothing is due, and end")
    options = parser.parse_args(argv)
    worker = Worker()
    if options.once:
        while worker.round():
            pass
        worker.leave()
        return 0

    def stop(number: int, frame: FrameType | None) -> None:
        worker.stop()
        signal.alarm(GRACE)

    def give_back(number: int, frame: FrameType | None) -> None:
        raise deliver.GivenBack

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGALRM, give_back)
    log.info("worker %s is at work", deliver.ME)
    try:
        worker.run()
    except deliver.GivenBack:
        log.warning("worker %s did not finish in time", deliver.ME)
    signal.alarm(0)
    try:
        worker.leave()
    except DatabaseError:
        log.exception("the sign of life stays")
    log.info("worker %s has stopped", deliver.ME)
    return 0
