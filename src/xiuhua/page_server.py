"""``python -m xiuhua.page_server HOST PORT``: the processes that serve pages and API (granian).

The application is imported once, before the processes part: they share its memory, and a start costs one import on
one core however many processes there are. Where processes cannot be forked safely each imports it for itself.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from xiuhua.env import env

APPLICATION = "xiuhua.wsgi:application"
#: Seconds that running requests get to finish when told to stop.
REQUEST_SECONDS = 20


def log_config() -> dict[str, Any] | None:
    """The server's own lines as JSON where all others are; None leaves them as they come."""
    if env().log_format != "json":
        return None
    config: dict[str, Any] = json.loads(Path(__file__).with_name("granian_log.json").read_text(encoding="utf-8"))
    return config


def main(argv: list[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    host, port = argv
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork")
        import xiuhua.wsgi  # noqa: F401
    Granian(
        APPLICATION,
        address=host,
        port=int(port),
        interface=Interfaces.WSGI,
        workers=env().server_processes(),
        blocking_threads=env().worker_threads,
        http=HTTPModes.http1,
        websockets=False,
        workers_kill_timeout=REQUEST_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig=log_config(),
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
