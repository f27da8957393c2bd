"""The database goes away under a working city and comes back: nothing needs a hand, nothing acknowledged is lost."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import live as live_module
import pytest
from live import PATIENCE, Live, free_port

pytestmark = pytest.mark.skipif(
    not os.environ.get("XIUHUA_DATABASE_URL", "").startswith("postgres"), reason="SQLite has no server that could go"
)
REPORT = {"answers": {"source": "media", "description": "井盖缺失", "address": "模拟大道3号"}}


class Cluster:
    """A PostgreSQL of this test alone, durable as shipped, that may be stopped hard and started again."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        where = str(found[-1]) if found else shutil.which("initdb")
        assert where, "the tests run on a PostgreSQL, but its programs were not found"
        self.bin = Path(where).parent
        self.folder = Path(tempfile.mkdtemp(prefix="xiuhua-gone-"))
        self.port = free_port()
        self.user = "postgres" if getpass.getuser() == "root" else ""
        if self.user:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "xiuhua", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://xiuhua@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *words: str) -> None:
        before = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if self.user else []
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            subprocess.run([*before, self.bin / program, *words], check=True, cwd="/", stdout=log, stderr=log)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", "-o", options, "start")

    def stop(self) -> None:
        """As a crash: no checkpoint, connections cut."""
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder.parent / f"{self.folder.name}.log").unlink(missing_ok=True)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    made.start()
    try:
        yield made
    finally:
        if (made.folder / "data/postmaster.pid").exists():
            made.stop()
        made.remove()


@pytest.fixture
def house(cluster: Cluster) -> Iterator[Live]:
    made, database = live_module.make(database_url=cluster.url)
    try:
        live_module.start(made)
        yield made
    finally:
        live_module.end(made, database)


def test_gone_and_back(house: Live, cluster: Cluster) -> None:
    program = house.program("hotline")
    assert house.process
    before = program.post("/cases", REPORT, secrets.token_hex(8))
    assert before.status == 201
    key = secrets.token_hex(8)
    for _round in range(2):
        cluster.stop()
        refused = program.post("/cases", REPORT, key)
        assert refused.status == 503 and refused.headers["retry-after"]
        assert refused.json["code"] == "unavailable" and "database" in refused.json["detail"]
        assert program.raw("GET", "/healthz", None, {}).status == 200
        ready = program.raw("GET", "/readyz", None, {})
        assert ready.status == 503 and b'"ready": false' in ready.body
        page = program.raw("GET", "/login", None, {})
        assert page.status in (200, 503) and b"Traceback" not in page.body
        cluster.start()
        again = program.get(f"/cases/{before.json['number']}")
        assert again.status == 200, house.said()[-2500:]
        assert house.process.poll() is None, "nobody started anything again"
    after = program.post("/cases", REPORT, key)
    assert after.status == 201
    assert program.post("/cases", REPORT, key).json["number"] == after.json["number"]
    end = time.monotonic() + PATIENCE
    while program.raw("GET", "/readyz", None, {}).status != 200:  # the worker comes back by itself too
        assert time.monotonic() < end, house.said()[-3000:]
        time.sleep(0.2)
    verified = house.command("log", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
