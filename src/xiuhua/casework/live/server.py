"""``xiuhua stream``: the process that tells open pages what changes (ADR 32)."""

from __future__ import annotations

import argparse

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from xiuhua.page_server import log_config

APPLICATION = "xiuhua.casework.live.application:application"
#: Seconds that open streams get to end when told to stop: they hold nothing, and browsers come back.
STOP_SECONDS = 2


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="xiuhua stream", description="Tell open pages what changes.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on (default %(default)s)")
    options = parser.parse_args(argv)
    Granian(
        APPLICATION,
        address=options.host,
        port=options.port,
        interface=Interfaces.ASGI,
        workers=1,
        http=HTTPModes.http1,
        websockets=False,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig=log_config(),
    ).serve()
    return 0
