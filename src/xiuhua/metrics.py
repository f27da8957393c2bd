"""Figures for Prometheus, counted by every process of the house in one folder and summed when they are asked for.

Each process counts in memory-mapped files of its own under ``DATA_DIR/metrics`` (prometheus-client's multiprocess
mode), so any number of server processes and workers may run; whichever is asked answers for all on this machine.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from xiuhua.env import env

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def folder() -> Path:
    return env().data_dir / "metrics"


def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum() or c in ".-")[:40]


def _begin() -> None:
    """Before prometheus-client is imported: it looks into the environment once."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o750)
    os.environ[FOLDER] = str(folder())


_begin()

from prometheus_client import Counter, Gauge, Histogram, mmap_dict, values  # noqa: E402

ROOM = 1 << 20  # bytes of a new file: series of all routes, methods and answers fit, so that growth is rare


class _Reserved(mmap_dict.MmapedDict):
    """A file whose room on the disk is taken before it is used. The library leaves holes in it, and a process that counts
    into a hole of a full disk dies by SIGBUS; without room this is an OSError (ENOSPC) instead."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        path = Path(filename)
        if not read_mode and not (path.exists() and path.stat().st_size):
            with path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, ROOM)
        super().__init__(filename, read_mode)

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + 32 > self._capacity:  # an entry is its key, 4 + 16 bytes and padding
            os.posix_fallocate(self._f.fileno(), self._capacity, self._capacity)
        super()._init_value(key)


values.MmapedDict = _Reserved  # type: ignore[misc]
# Containers of one volume have the same process numbers, so the machine's name is part of a file's.
values.ValueClass = values.MultiProcessValue(lambda: f"{_host()}-{os.getpid()}")

REQUESTS = Counter("xiuhua_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "xiuhua_http_request_seconds",
    "Time from request to answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_HAND = Gauge("xiuhua_http_requests_in_hand", "Requests being answered.", multiprocess_mode="livesum")
DELIVERIES = Counter("xiuhua_outbox_deliveries_total", "Effects tried by workers.", ["kind", "result"])
DELIVERY_SECONDS = Histogram(
    "xiuhua_outbox_delivery_seconds", "Time of one effect.", ["kind"], buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120)
)
LISTENERS = Gauge("xiuhua_stream_listeners", "Open streams of live updates.", multiprocess_mode="livesum")
STREAM_TOLD = Counter("xiuhua_stream_messages_total", "Changes told to listeners.")
STREAM_REFUSED = Counter("xiuhua_stream_refused_total", "Streams refused or ended early.", ["why"])


def text(*collectors: Any) -> bytes:
    """All figures in Prometheus' text format: those of the processes, and those that the collectors work out now."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder()))
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


def forget_dead() -> int:
    """Remove the files of this machine's processes that are no more; called when a server starts anew.

    Counters then begin at zero, as Prometheus expects of a restart.
    """
    removed = 0
    for path in folder().glob(f"*_{_host()}-*.db"):
        number = path.stem.rpartition("-")[2]
        if number.isdigit() and not _alive(int(number)):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _alive(process: int) -> bool:
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


__all__ = [
    "DELIVERIES", "DELIVERY_SECONDS", "IN_HAND", "LISTENERS", "REQUESTS", "SECONDS", "STREAM_REFUSED", "STREAM_TOLD",
    "folder", "forget_dead", "text",
]  # fmt: skip
