"""What a second start looks at instead of doing it: any doubt is a no, and nothing of it needs Django."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from xiuhua import serve, stands
from xiuhua.env import Env, env


def city(url: str, **more: object) -> Env:
    return env().model_copy(update={"database_url": url, **more})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small SQLite file in which all migrations are noted as applied."""
    path = tmp_path / "a city.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as line, line:
        line.execute("CREATE TABLE django_migrations (app text, name text)")
        line.executemany("INSERT INTO django_migrations VALUES (?, ?)", sorted(stands.migrations()))
    return path


def test_the_migrations_are_those_that_django_finds() -> None:
    assert stands.migrations() == set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


@pytest.mark.django_db
def test_the_database_of_this_run_stands_and_one_migration_more_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    told = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{told['NAME']}"
    else:
        url = (
            f"postgresql://{quote(told['USER'])}:{quote(told['PASSWORD'])}@{told['HOST']}:{told['PORT']}/{told['NAME']}"
        )
    assert stands.database_stands(city(url, demo=False))
    assert not stands.database_stands(city(url, demo=True)), "it has no mark of a demo"
    known = stands.migrations()
    monkeypatch.setattr(stands, "migrations", lambda: known | {("casework", "9999_later")})
    assert not stands.database_stands(city(url, demo=False))


@pytest.mark.parametrize("state", ["loading", "loaded"])
def test_a_demo_stands_when_it_was_loaded_to_its_end(base: Path, state: str) -> None:
    with contextlib.closing(sqlite3.connect(base)) as line, line:
        line.execute(f"CREATE TABLE {stands.DEMO_MARK} (state text)")
        line.execute(f"INSERT INTO {stands.DEMO_MARK} VALUES ('{state}')")
    assert stands.database_stands(city(f"sqlite:///{base}", demo=True)) is (state == "loaded")


def test_a_database_that_is_new_away_or_no_database_is_a_no(base: Path, tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("not a database, by far not one")
    with contextlib.closing(sqlite3.connect(tmp_path / "new")):
        pass
    for url in (f"sqlite:///{tmp_path}/{name}" for name in ("none", "new", "junk")):
        assert not stands.database_stands(city(url, demo=False))
    assert not stands.database_stands(city("postgresql://nobody@127.0.0.1:1/none", demo=False))
    assert stands.database_stands(city(f"sqlite:///{base}", demo=False))


def test_a_changed_static_file_and_a_newer_translation_are_a_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stands, "HERE", tmp_path)
    page = tmp_path / "city/static/city/page.css"
    page.parent.mkdir(parents=True)
    page.write_text("a")
    here = city("", data_dir=tmp_path / "var", static="hashed")
    assert not stands.static_stands(here)
    stamp = stands.static_stamp(here)
    stamp.parent.mkdir(parents=True)
    stamp.write_text(stands.static_digest())
    assert stands.static_stands(here)
    page.write_text("ab")
    assert not stands.static_stands(here)
    po = tmp_path / "city/locale/zh_Hans/LC_MESSAGES/django.po"
    po.parent.mkdir(parents=True)
    po.write_text("")
    assert stands.stale_translations(base=tmp_path) == [po]
    po.with_suffix(".mo").write_text("")
    os.utime(po, ns=(1, 1))
    assert stands.stale_translations(base=tmp_path) == []


def test_a_start_that_has_nothing_to_do_loads_no_django(base: Path) -> None:
    code = (
        "import sys\n"
        "from xiuhua import cli, serve, stands\n"
        "from xiuhua.env import env\n"
        "assert cli.find(['run'], cli.commands())[0]\n"
        "assert stands.database_stands(env())\n"
        "stands.everything(env())\n"
        "print('django' in sys.modules)\n"
    )
    there = {**os.environ, "XIUHUA_DATABASE_URL": f"sqlite:///{base}", "XIUHUA_DEMO": "", "XIUHUA_DEMO_PASSWORD": ""}
    there.pop("XIUHUA_DEMO")
    done = subprocess.run([sys.executable, "-c", code], env=there, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")


@contextlib.contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (302, True), (400, True), (500, False), (503, False)])
def test_ready_is_who_serves_a_page(status: int, ready: bool) -> None:
    with answering(status) as port:
        assert serve.served("127.0.0.1", port) is ready


def test_who_only_listens_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "READY_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not serve.served("127.0.0.1", silent.getsockname()[1])
