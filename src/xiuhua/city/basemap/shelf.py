"""Tiles on disk: whole files put in place by renaming, the oldest thrown away when the shelf is full.

The folder holds nothing that cannot be fetched again; it is no part of a backup. Several processes share it: each counts
what it writes and, after a twentieth of the limit, one sweep brings the whole folder below nine tenths of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)


class Shelf:
    """``limit`` bytes below ``folder``; ``clock`` gives seconds since 1970 (the files' times are compared with it)."""

    def __init__(self, folder: Path, limit: int, clock: Callable[[], float] = time.time) -> None:
        self.folder, self.limit, self.clock = folder, limit, clock
        self._written = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> tuple[bytes, float] | None:
        """Bytes of a file and its age in seconds."""
        path = self.folder / name
        try:
            return path.read_bytes(), max(0.0, self.clock() - path.stat().st_mtime)
        except OSError:
            return None

    def put(self, name: str, body: bytes) -> None:
        """Keep a file; a full or broken disk costs the keeping, never the answer."""
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                now = self.clock()
                os.utime(temporary, (now, now))
                Path(temporary).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
        except OSError as error:
            log.warning("a map tile could not be kept: %s", error.strerror)
            return
        with self._lock:
            self._written += len(body)
            due = self._written >= self.limit / 20
            if due:
                self._written = 0
        if due:
            self.sweep()

    def sweep(self) -> int:
        """Throw away the oldest files until nine tenths of the limit are left; returns how many went."""
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file():
                    stat = path.stat()
                    files.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _when, size, _path in files)
        gone = 0
        if total <= self.limit:
            return 0
        for _when, size, path in sorted(files):
            if total <= self.limit * 0.9:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
                gone += 1
        return gone
