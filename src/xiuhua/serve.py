"""``xiuhua run``: makes all ready, then runs page server, outbox worker and stream until told to stop.

Without a configured environment it serves the demonstration city with secrets of its own in the data folder.
The steps, each skipped when nothing changed: translations, static files, migrations, demo. Usually nothing did:
`stands` finds that out without Django, and this process, which then only watches its children, never loads it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType

from xiuhua import cli, demo_env, manifest, stands
from xiuhua.env import PREFIX, env
from xiuhua.manifest import Text

READY_SECONDS = 60
#: Running requests (page_server.REQUEST_SECONDS) and the worker's row in hand (worker.GRACE) finish sooner; then all is
#: killed.
STOP_SECONDS = 25
LOG_INS = "demo-logins.json"
_PR_SET_PDEATHSIG = 1


class Fault(Exception):
    """Why the start is refused, in words for whoever started it."""


class Stop(BaseException):
    """A signal asked us to stop."""


def speak(text: Text) -> str:
    return text.in_language(cli.terminal_language())


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="xiuhua run", description="Make everything ready and serve Xiuhua.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default %(default)s)")
    parser.add_argument("--database-url", metavar="URL", help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    parser.add_argument("--stream-port", type=int, help="port of live updates (default: the next one, else any free)")
    parser.add_argument(
        "--server-only", action="store_true", help="no worker and no stream: they run as services of their own"
    )
    parser.add_argument("--reset", action="store_true", help="throw the demo city away and load it anew")
    return parser.parse_args(argv)


def check_port(host: str, port: int) -> None:
    """Raise `Fault` when nobody could listen there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise Fault(
            speak(
                Text(
                    f"无法监听 {host}:{port}({error})。请停止占用者,或用 --port 另选端口。",
                    f"cannot listen on {host}:{port} ({error}). Stop what uses it or choose with --port.",
                )
            )
        ) from None


def stream_port(host: str, port: int, wanted: int | None) -> int:
    """Where live updates are served: the port asked for (`Fault` when taken), else the next one, else any free one."""
    if wanted is not None:
        check_port(host, wanted)
        return wanted
    try:
        check_port(host, port + 1)
        return port + 1
    except Fault:
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])


def stream_command(options: argparse.Namespace) -> list[str]:
    """The command of the stream process, [] when there is none here; pages are told where it is by the environment."""
    if options.server_only:
        return []
    port = stream_port(options.host, options.port, options.stream_port)
    os.environ.setdefault(f"{PREFIX}STREAM_URL", f":{port}/stream")
    os.environ.setdefault(f"{PREFIX}STREAM_PAGES_PORT", str(options.port))
    return [sys.executable, "-m", "xiuhua.cli", "stream", "--host", options.host, "--port", str(port)]


def collect_static() -> None:
    """Collect static files when any of them changed since the last time."""
    from django.core.management import call_command

    if stands.static_stands(env()):
        return
    stamp = stands.static_stamp(env())
    digest = stands.static_digest()
    call_command("collectstatic", interactive=False, verbosity=0, clear=stamp.parent.is_dir())
    stamp.write_text(digest)


def migrate() -> None:
    """Bring the database to this version."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)


def load_demo(reset: bool) -> None:
    """Migrate, and load the demo city into a new database.

    Refuses a database that is not the demo's. A load that was cut short is begun anew.
    """
    from xiuhua import database

    state = database.mark()
    if state is None and database.has_people():
        raise Fault(
            speak(
                Text(
                    f"该数据库不是演示数据,未作改动。请设置 {PREFIX}SECRET_KEY 等变量后再启动。",
                    "this database holds a city that is not the demo and is left alone. To serve it, configure "
                    f"{PREFIX}SECRET_KEY, {PREFIX}DATA_KEY and {PREFIX}DATABASE_URL.",
                )
            )
        )
    if state == "loading" or (reset and state == "loaded"):
        database.wipe()
        state = None
    migrate()
    if state is None:
        print(speak(Text("正在装载演示城市……", "loading the demo city …")), flush=True)
        database.set_mark("loading")
        if manifest.load("xiuhua.demo.load:main")([]):
            raise Fault(speak(Text("演示城市装载失败。", "the demo city could not be loaded (see above).")))
        database.set_mark("loaded")


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]

    def stop(self, how: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            return


def _die_with_parent() -> None:
    """In the child: a parent that is killed takes its children with it (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start(name: str, command: list[str]) -> Child:
    # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with_parent, stdin=subprocess.DEVNULL)
    return Child(name, process)


def stop(family: list[Child]) -> None:
    """Stop all, politely first, and empty the list."""
    for child in family:
        child.stop(signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    for child in family:
        try:
            child.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.stop(signal.SIGKILL)
            child.process.wait()
        child.stop(signal.SIGKILL)  # what is left of its group
    family.clear()


def _no_more_interrupts() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def children() -> Iterator[list[Child]]:
    """A list of children; all are stopped at the end, politely first."""
    family: list[Child] = []
    try:
        yield family
    finally:
        _no_more_interrupts()
        stop(family)


def _dead(family: list[Child]) -> Child | None:
    return next((child for child in family if child.process.poll() is not None), None)


def served(host: str, port: int) -> bool:
    """Whether a page comes back, were it a refusal: a server that only listens is not ready, one in trouble neither."""
    try:
        line = http.client.HTTPConnection(host, port, timeout=READY_SECONDS)
        with contextlib.closing(line):
            line.request("GET", "/login")
            return line.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False


def wait_until_ready(host: str, port: int, family: list[Child]) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and not _dead(family):
        if served(host, port):
            return
        time.sleep(0.02)
    dead = _dead(family)
    raise Fault(f"{dead.name} ended with code {dead.process.returncode}" if dead else "the server serves no page")


def stop_on_signals() -> None:
    def handler(_number: int, _frame: FrameType | None) -> None:
        raise Stop

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def table(rows: list[list[str]]) -> str:
    """Columns padded for a terminal, where a Chinese character is two cells wide."""
    from unicodedata import east_asian_width

    def cells(text: str) -> int:
        return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)

    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return "\n".join(
        "  " + "  ".join(t + " " * (w - cells(t)) for t, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def log_ins() -> list[list[str]]:
    """Rows of user name, password and post. Names and posts are kept beside the secrets for starts without Django."""
    kept = env().data_dir / LOG_INS
    try:
        rows = json.loads(kept.read_text(encoding="utf-8"))
    except FileNotFoundError:
        cli.ready()
        rows = [[name, post] for name, _password, post in manifest.load("xiuhua.demo.logins:table")()]
        kept.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return [[name, env().demo_password, post] for name, post in rows]


def welcome(host: str, port: int) -> str:
    lines = ["", speak(Text("绣花已启动:", "Xiuhua is ready: ")) + f"http://{host}:{port}/"]
    if env().demo:
        lines += [speak(Text("演示账号:", "Demo log-ins:")), table(log_ins())]
    lines.append(speak(Text("按 Ctrl-C 停止。", "Press Ctrl-C to stop.")))
    return "\n".join(lines)


def configure(options: argparse.Namespace) -> None:
    """Settle the environment, for this process and its children; raises `EnvError` or `Fault`."""
    if options.database_url:
        os.environ[f"{PREFIX}DATABASE_URL"] = options.database_url
    if demo_env.wanted():
        demo_env.create()
        demo_env.load()
    if options.reset and not env().demo:
        raise Fault("--reset throws away a demo; this environment is configured for a real city")


def prepare(options: argparse.Namespace) -> None:
    """Everything that must stand before the first request."""
    from xiuhua import messages

    messages.compile_all()
    cli.ready()
    (env().data_dir / LOG_INS).unlink(missing_ok=True)
    if env().static == "hashed":
        collect_static()
    if env().demo:
        load_demo(options.reset)
    else:
        migrate()
    from django.db import connections

    connections.close_all()


def server_command(host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "xiuhua.page_server", host, str(port)]


def serve(options: argparse.Namespace) -> int:
    """Prepare and serve until a signal (0) or until a child dies (`Fault`)."""
    configure(options)
    check_port(options.host, options.port)
    stop_on_signals()
    manifest.load("xiuhua.metrics:forget_dead")()
    try:
        if options.reset or not stands.everything(env()):
            prepare(options)
        stream = stream_command(options)
        with children() as family:
            family.append(start("server", server_command(options.host, options.port)))
            wait_until_ready(options.host, options.port, family)
            if not options.server_only:
                family.append(start("worker", [sys.executable, "-m", "xiuhua.cli", "worker"]))
            if stream:
                family.append(start("stream", stream))
            print(welcome(options.host, options.port), flush=True)
            while not (dead := _dead(family)):
                time.sleep(0.2)
    except Stop:
        print(speak(Text("已停止。", "stopped.")), flush=True)
        return 0
    raise Fault(f"the {dead.name} ended with code {dead.process.returncode}; everything else was stopped")


def main(argv: list[str]) -> int:
    options = parse(argv)
    try:
        return serve(options)
    except Fault as fault:
        print(f"xiuhua run: {fault}", file=sys.stderr)
        return 1
