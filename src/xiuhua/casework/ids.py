"""Time-ordered 61-bit identifiers made in the application.

41 bits of milliseconds since 2020-01-01 UTC and 20 random bits that count up within a millisecond. A row can
therefore name itself before it is written, which lets `advance()` write everything in one statement, and lists
in order of id are in order of time. They exceed 2**53: outside Python and the database they travel as text.
"""

from __future__ import annotations

import secrets
import threading
import time

EPOCH_MS = 1_577_836_800_000
_lock = threading.Lock()
_last_ms = 0
_tail = 0


def new_id() -> int:
    """A fresh identifier, larger than every one that this process gave before."""
    global _last_ms, _tail
    with _lock:
        now = time.time_ns() // 1_000_000 - EPOCH_MS
        if now > _last_ms:
            _last_ms, _tail = now, secrets.randbits(19)
        else:
            _tail += 1
            if _tail >= 1 << 20:
                _last_ms, _tail = _last_ms + 1, 0
        return (_last_ms << 20) | _tail


def row_id(text: str) -> int:
    """The id that an address or a form names; 0, which no row has, for everything else."""
    return int(text) if len(text) < 19 and text.isascii() and text.isdigit() else 0
