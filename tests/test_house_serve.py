"""`xiuhua run` for a real city, as a process: it serves, ends cleanly, and does not outlive its server."""

from __future__ import annotations

import base64
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from xiuhua import messages
from xiuhua.rooms import ROOMS


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """One `xiuhua run`, started and announced."""

    def __init__(self, folder: Path, *options: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XIUHUA_")}
        self.environment = {
            **kept,
            "LC_ALL": "C.UTF-8",
            "XIUHUA_SECRET_KEY": secrets.token_urlsafe(48),
            "XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "XIUHUA_DATA_DIR": str(folder),
            "XIUHUA_STATIC": "plain",
            "XIUHUA_SQLITE_SYNCHRONOUS": "OFF",
        }
        self.port = _free_port()
        command = [sys.executable, "-m", "xiuhua.cli", "run", "--port", str(self.port), *options]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        assert self.process.stdout
        self.said += self.process.stdout.read()
        return self.process.wait(60)

    def again(self) -> subprocess.CompletedProcess[str]:
        """A second start on the same port."""
        command = [sys.executable, "-m", "xiuhua.cli", "run", "--port", str(self.port)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def children(self) -> dict[str, int]:
        """Name -> process id of the server and the worker."""
        found = {}
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in task.read_text().split():
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            name = next(one for one in ("xiuhua.page_server", "worker", "stream") if one in line)
            found[name.replace("xiuhua.page_server", "server")] = int(pid)
        return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    it = Running(tmp_path)
    yield it
    if it.process.poll() is None:
        it.end(signal.SIGTERM)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_serves_keeps_its_port_and_ctrl_c_ends_all_of_it(running: Running) -> None:
    assert f"http://127.0.0.1:{running.port}/" in running.said, running.said
    assert "log-ins" not in running.said  # a real city shows none
    assert running.get("/login") == 200
    assert running.get("/api/v1/openapi.json") == 200
    second = running.again()
    assert second.returncode == 1
    assert "--port" in second.stderr and "Traceback" not in second.stderr
    family = running.children()
    assert set(family) == {"server", "worker", "stream"}
    assert running.end(signal.SIGINT) == 0
    assert not _answers(running.port)
    assert not any(Path(f"/proc/{pid}").exists() for pid in family.values())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_server_that_dies_takes_the_rest_along_and_the_code_says_so(running: Running) -> None:
    family = running.children()
    os.kill(family["server"], signal.SIGKILL)
    assert running.wait() == 1
    assert "the server ended with code -9" in running.said
    assert not Path(f"/proc/{family['worker']}").exists()


def test_reset_is_refused_for_a_real_city(tmp_path: Path) -> None:
    it = Running(tmp_path, "--reset")
    assert it.wait() == 1
    assert "configured for a real city" in it.said


_STATIC = re.compile(r"""\{%\s*static\s+(['"])(.+?)\1""")


@pytest.mark.parametrize("room", ROOMS)
def test_every_static_file_that_a_template_names_exists(room: str) -> None:
    """In production a missing one is an error page (hashed names)."""
    for template in sorted((messages.HERE / room).glob("templates/**/*.html")):
        for _quote, name in _STATIC.findall(template.read_text(encoding="utf-8")):
            assert finders.find(name), f"{template.name}: {name}"
