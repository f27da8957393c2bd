"""A real server of its own: temporary data folder and database, free port, the small city and its people.

Started by the product's own ``xiuhua run``, so what these tests talk to is what a city starts. Run as a program it
loads the city into the database that the environment names and prints a token per account.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
#: Seconds in which a server must answer; a first start with static files takes a few.
PATIENCE = 90
SCOPES = ("case.report", "case.read", "case.act", "case.search_phone", "case.reveal", "ground.read")


@dataclass
class Answer:
    """What came back: status, headers in lower case, bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Program:
    """A caller of the API over HTTP with one token; a new connection each time, so threads may share it."""

    host: str
    port: int
    token: str
    language: str = "en"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", "Accept-Language": self.language, **headers}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        return self.raw(method, f"/api/v1{path}", body, sent)

    def raw(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        line = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            line.request(method, path, body, headers)
            got = line.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            line.close()

    def get(self, path: str) -> Answer:
        return self("GET", path)

    def post(self, path: str, body: Any, key: str = "") -> Answer:
        return self("POST", path, body, **({"Idempotency-Key": key} if key else {}))

    def upload(self, data: bytes, name: str = "photo.jpg", stage: str = "") -> Answer:
        body, kind = multipart(data, name, stage)
        return self("POST", "/attachments", body, **{"Content-Type": kind})

    def photo(self, shade: int, stage: str = "") -> str:
        """Upload a small picture; its digest."""
        sent = self.upload(picture(shade), stage=stage)
        assert sent.status == 201, sent.body
        return str(sent.json["sha256"])


@dataclass
class Visitor:
    """A person's browser without the browser: cookies and forms over HTTP, signed in by the log-in page."""

    host: str
    port: int
    language: str = "en"
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self.raw("GET", path)

    def post(self, path: str, fields: Mapping[str, Any] | Sequence[tuple[str, str]], **headers: str) -> Answer:
        """Send a form as a page of the site would, with its CSRF token."""
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
        body = urlencode([("csrfmiddlewaretoken", self._csrf()), *pairs], doseq=True).encode()
        return self.raw("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", **headers})

    def upload(self, data: bytes, name: str = "photo.jpg") -> Answer:
        """Send one file as a form's photo field does."""
        body, kind = multipart(data, name)
        return self.raw("POST", "/uploads/", body, {"Content-Type": kind, "X-CSRFToken": self._csrf()})

    def log_in(self, username: str, password: str) -> Answer:
        self.get("/login")
        return self.post("/login", {"username": username, "password": password})

    def raw(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        jar = {"xiuhua_language": self.language, **self.cookies}
        sent = {
            "Cookie": "; ".join(f"{k}={v}" for k, v in jar.items()),
            "Accept-Language": self.language,
            "Referer": f"http://{self.host}:{self.port}/",
            **(headers or {}),
        }
        line = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            line.request(method, path, body, sent)
            got = line.getresponse()
            for value in got.headers.get_all("Set-Cookie", []):
                name, _equals, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            line.close()

    def _csrf(self) -> str:
        return next(value for name, value in self.cookies.items() if "csrf" in name.lower())


def multipart(data: bytes, name: str = "photo.jpg", stage: str | None = None) -> tuple[bytes, str]:
    """One file as multipart/form-data: body and content type."""
    edge = secrets.token_hex(12)
    parts = []
    if stage is not None:
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="stage"\r\n\r\n{stage}\r\n'.encode())
    parts.append(
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + f"\r\n--{edge}--\r\n".encode()
    )
    return b"".join(parts), f"multipart/form-data; boundary={edge}"


def picture(shade: int = 90, kind: str = "JPEG") -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 48), (shade % 256, 120, 90)).save(out, kind)
    return out.getvalue()


@dataclass
class Live:
    """One running server."""

    port: int
    password: str
    environment: dict[str, str]
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    stream_port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def program(self, username: str, language: str = "en") -> Program:
        return Program(self.host, self.port, self.tokens[username], language)

    def visitor(self, username: str, language: str = "en") -> Visitor:
        """Somebody signed in."""
        made = Visitor(self.host, self.port, language)
        got = made.log_in(username, self.password)
        assert got.status == 302, got.body.decode()[-2000:]
        return made

    def counts(self, *tables: str) -> dict[str, int]:
        """Rows of tables, straight from the database, past everything of ours."""
        url = self.environment["XIUHUA_DATABASE_URL"]
        if url.startswith("postgres"):
            import psycopg

            with psycopg.connect(url) as line:
                return {t: line.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}  # type: ignore[arg-type, index]
        with contextlib.closing(sqlite3.connect(self.folder / "xiuhua.sqlite3")) as base:
            return {t: base.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}

    def command(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """``xiuhua WORDS…`` on this server's database."""
        return subprocess.run(
            [sys.executable, "-m", "xiuhua.cli", *words],
            env={**self.environment, **more},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, database_url: str = "", static: str = "plain") -> dict[str, str]:
    """A city's settings with keys of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XIUHUA_", "DJANGO_"))}
    return {
        **kept,
        "XIUHUA_DATA_DIR": str(folder),
        "XIUHUA_SECRET_KEY": secrets.token_urlsafe(48),
        "XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "XIUHUA_DATABASE_URL": database_url,
        "XIUHUA_STATIC": static,
        "XIUHUA_SQLITE_SYNCHRONOUS": "OFF",
        "XIUHUA_UPLOAD_MAX_BYTES": str(2**20),
    }


class Database:
    """A PostgreSQL database of its own on the server of this test run; nothing when the run is on SQLite."""

    def __init__(self) -> None:
        base = os.environ.get("XIUHUA_DATABASE_URL", "")
        self.base = base if base.startswith("postgres") else ""
        self.name = f"live_{secrets.token_hex(6)}"
        self.url = ""
        if self.base:
            self._run(f'CREATE DATABASE "{self.name}"')
            self.url = urlunsplit(urlsplit(self.base)._replace(path=f"/{self.name}"))

    def drop(self) -> None:
        if self.base:
            self._run(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def _run(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.base, autocommit=True) as line:
            line.execute(sql)  # type: ignore[arg-type]  # a name of our own making


def load(live: Live) -> None:
    """Migrate the server's database and load the small city into it."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve())],
        env={**live.environment, "XIUHUA_LIVE_PASSWORD": live.password},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    live.tokens = json.loads(done.stdout.splitlines()[-1])


def start(live: Live) -> None:
    """``xiuhua run``, and wait until it says that it is ready."""
    log = (live.folder / "server.log").open("ab")
    with log:
        live.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "xiuhua.cli",
                "run",
                "--port",
                str(live.port),
                "--stream-port",
                str(live.stream_port),
            ],
            env={**live.environment, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + PATIENCE
    while f":{live.port}/" not in live.said():
        assert live.process.poll() is None, live.said()[-3000:]
        assert time.monotonic() < end, f"the server did not start\n{live.said()[-3000:]}"
        time.sleep(0.05)
    while socket.socket().connect_ex((live.host, live.port)):
        assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.05)
    while socket.socket().connect_ex((live.host, live.stream_port)):
        assert time.monotonic() < end, "the stream does not answer"
        time.sleep(0.05)


def stop(live: Live) -> None:
    """As Ctrl-C does; what it started goes with it."""
    if live.process is None:
        return
    live.process.send_signal(signal.SIGINT)
    try:
        live.process.wait(60)
    finally:
        if live.process.poll() is None:
            live.process.kill()
            live.process.wait()
        live.process = None


def make(static: str = "plain", *, database_url: str | None = None) -> tuple[Live, Database | None]:
    """A server that is loaded but not started."""
    folder = Path(tempfile.mkdtemp(prefix="xiuhua-live-"))
    database = Database() if database_url is None else None
    url = database.url if database else database_url or ""
    live = Live(free_port(), secrets.token_urlsafe(15), environment(folder, url, static), folder)
    load(live)
    return live, database


def end(live: Live, database: Database | None) -> None:
    """Stop it and remove what it left."""
    try:
        stop(live)
    finally:
        if database:
            database.drop()
        shutil.rmtree(live.folder, ignore_errors=True)


def main() -> None:
    """Migrate, build the small city, print ``{username: token}``."""
    from xiuhua import cli

    cli.ready()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    from xiuhua.city import memory, tokens
    from xiuhua.city.access import actor_for
    from xiuhua.city.models import User
    from xiuhua.demo import foundation
    from xiuhua.demo.tests import small_city

    small_city.build()
    foundation.accounts(foundation.people(), os.environ["XIUHUA_LIVE_PASSWORD"])
    memory.forget()
    made = {}
    for user in User.objects.order_by("pk"):
        scopes = [scope for scope in SCOPES if actor_for(user).has(scope)]
        made[user.username] = tokens.issue(user, actor_for(user), "test", scopes, 2, check=False)[1]
    print(json.dumps(made))


if __name__ == "__main__":
    main()
