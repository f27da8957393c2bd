"""Files of imports: what came in and what is reported, under their digest in DATA_DIR/ledgers; progress beside them.

Bytes are written aside, synced and put in place before a row names them. Progress is a small file, because the
transaction that imports shows nobody its rows before it ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings

from xiuhua.manifest import Text

_DIGEST = re.compile(r"[0-9a-f]{64}")
#: Bytes of one file that comes in.
MOST_BYTES = 200 * 2**20


class FileRefused(Exception):
    """The file cannot be used at all; the message says why and what would do."""

    def __init__(self, zh: str, en: str) -> None:
        self.text = Text(zh, en)
        super().__init__(en)


def root() -> Path:
    return Path(settings.DATA_DIR) / "ledgers"


def path_of(digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a file is named by 64 lower-case hexadecimal digits")
    return root() / "files" / digest[:2] / digest


def put(chunks: Iterable[bytes], most: int = MOST_BYTES) -> tuple[str, int]:
    """Keep bytes; returns digest and size. Raises `FileRefused` as soon as they are too many."""
    folder = root() / "part"
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder)
    part = Path(name)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as out:
            for chunk in chunks:
                size += len(chunk)
                if size > most:
                    raise FileRefused(f"文件超过{most // 2**20} MB。", f"The file is larger than {most // 2**20} MB.")
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        target = path_of(digest.hexdigest())
        target.parent.mkdir(parents=True, exist_ok=True)
        part.chmod(0o640)
        part.replace(target)
        return digest.hexdigest(), size
    finally:
        part.unlink(missing_ok=True)


def put_file(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return put(iter(lambda: file.read(1 << 20), b""))


def drop(digest: str) -> bool:
    """Remove bytes; False when they were gone already."""
    if not digest or not path_of(digest).exists():
        return False
    path_of(digest).unlink()
    return True


# -- progress ------------------------------------------------------------------------------------------------------


class Progress:
    """Says how far a batch is, at most twice a second."""

    def __init__(self, batch: int, phase: str, total: int = 0, *, every: float = 0.5) -> None:
        self.path = _progress_path(batch)
        self.phase, self.total, self.every = phase, total, every
        self._last = float("-inf")

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._last < self.every and done != self.total:
            return
        self._last = now
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"phase": self.phase, "done": done, "total": self.total}))
        part.replace(self.path)

    def end(self) -> None:
        self.path.unlink(missing_ok=True)


def _progress_path(batch: int) -> Path:
    return root() / "progress" / f"{batch}.json"


def progress(batch: int) -> dict[str, Any]:
    """Phase, rows done and in all; empty when nothing runs."""
    try:
        found: dict[str, Any] = json.loads(_progress_path(batch).read_text())
        return found
    except (OSError, ValueError):
        return {}
