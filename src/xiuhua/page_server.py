"""``python -m xiuhua.page_server HOST PORT``: the processes that serve pages and API (granian).

The application is imported once, before the processes part: they share its memory, and a start costs one import on
one core however many processes there are. Where processes cannot be forked safely each imports it for itself.
"""

from __future__ import annotations

import multiprocessing
import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from xiuhua.env import env

APPLICATION = "xiuhua.wsgi:application"


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
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
