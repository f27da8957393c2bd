"""Secrets of a demonstration city: made once per data folder, kept there in ``demo.env``, never in code."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from xiuhua.env import PREFIX

NAME = "demo.env"
#: Spoken and typed without mistakes: no 0/o, 1/l.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def folder() -> Path:
    """The data folder that the environment names, ``var`` by default."""
    return Path(os.environ.get(f"{PREFIX}DATA_DIR") or "var").expanduser().absolute()


def wanted() -> bool:
    """True when nobody configured a real city: then `run` serves the demo."""
    return f"{PREFIX}SECRET_KEY" not in os.environ


def load() -> bool:
    """Put the demo's variables into the environment; False when this folder has no demo.

    A variable that is already set wins.
    """
    try:
        text = (folder() / NAME).read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and name.startswith(PREFIX):
            os.environ.setdefault(name, value)
    return True


def create() -> None:
    """Write new secrets, readable by the owner alone; nothing happens when they are there."""
    path = folder() / NAME
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    password = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))
    values = {
        "DEMO": "true",
        "LOG_FORMAT": "line",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "DEMO_PASSWORD": password,
    }
    part = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{PREFIX}{name}={value}\n" for name, value in values.items())
    part.replace(path)
