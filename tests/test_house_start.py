"""Starting: demo secrets, uv from the lock, ports, children and the doctor."""

from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import signal
import socket
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from xiuhua import demo_env, doctor, serve
from xiuhua.env import read
from xiuhua.manifest import Text
from xiuhua.ui import assets

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [n for n in os.environ if n.startswith("XIUHUA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XIUHUA_DATA_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def test_demo_secrets_are_made_once_and_kept_private(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo_env.wanted() and not demo_env.load()
    demo_env.create()
    first = (bare / "demo.env").read_text()
    demo_env.create()
    assert (bare / "demo.env").read_text() == first
    assert stat.S_IMODE((bare / "demo.env").stat().st_mode) == 0o600
    before = dict(os.environ)
    try:
        assert demo_env.load()
        env = read()
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert env.demo and len(env.data_key_bytes) == 32 and len(env.demo_password) >= 12


def test_two_demos_share_no_secret(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo_env.create()
    first = (bare / "demo.env").read_text().splitlines()
    monkeypatch.setenv("XIUHUA_DATA_DIR", str(tmp_path / "other"))
    demo_env.create()
    second = (tmp_path / "other/demo.env").read_text().splitlines()
    assert set(first) & set(second) == {"XIUHUA_DEMO=true", "XIUHUA_LOG_FORMAT=line"}


def fetcher() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "bin/_uv.py"))


def test_uv_is_taken_only_with_the_digest_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        wheel.writestr("uv-1.data/scripts/uv", b"#!/bin/sh\necho uv 1\n")
    wheel_path = tmp_path / "uv-1-py3-none-any.whl"
    wheel_path.write_bytes(buffer.getvalue())
    module = fetcher()
    fetch = module["fetch"]
    good = hashlib.sha256(buffer.getvalue()).hexdigest()
    for digest, accepted in ((good, True), ("0" * 64, False)):
        fetch.__globals__["choose"] = lambda _package, d=digest: (wheel_path.as_uri(), d)
        target = tmp_path / digest[:4]
        if accepted:
            fetch(target)
            assert subprocess.run([target / "uv"], capture_output=True, check=True).stdout == b"uv 1\n"
        else:
            with pytest.raises(SystemExit, match="not the one"):
                fetch(target)
            assert not target.exists()


def test_the_lock_has_a_uv_for_the_usual_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fetcher()
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr("platform.machine", lambda m=machine: m)
        url, digest = module["choose"](module["locked"]())
        assert machine in url and len(digest) == 64


def test_a_busy_port_is_a_clear_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(serve.Fault, match=f"127.0.0.1:{port}"):
            serve.check_port("127.0.0.1", port)
    serve.check_port("127.0.0.1", port)
    with pytest.raises(serve.Fault):
        serve.check_port("127.0.0.1", 70000)


def test_children_are_stopped_with_their_children(tmp_path: Path) -> None:
    """Even those that ignore the polite signal's parent: the whole group ends."""
    code = (
        "import subprocess, sys\n"
        "from xiuhua import serve\n"
        "with serve.children() as family:\n"
        "    family.append(serve.start('shell', ['sh', '-c', 'sleep 300 & echo $!; wait']))\n"
        # One write per line: with PYTHONUNBUFFERED print() writes the number and its end apart, and the shell writes too.
        "    sys.stdout.write(f'{family[0].process.pid}\\n')\n"
        "    sys.stdout.flush()\n"
        "    sys.stdin.readline()\n"
    )
    running = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin and running.stdout
    pids = [int(running.stdout.readline()) for _ in range(2)]
    running.stdin.write("\n")
    running.stdin.close()
    assert running.wait(30) == 0
    running.stdout.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0) if not _zombie(pid) else os.kill(2**22 + 1, 0)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def test_a_child_that_dies_is_a_fault_not_a_silence() -> None:
    with serve.children() as family:
        family.append(serve.start("server", [sys.executable, "-c", "raise SystemExit(3)"]))
        family[0].process.wait(30)
        with pytest.raises(serve.Fault, match="server ended with code 3"):
            serve.wait_until_ready("127.0.0.1", 1, family)


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Any:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_columns_line_up_with_chinese() -> None:
    lines = serve.table([["张三", "x"], ["ab", "y"]]).splitlines()
    assert lines == ["  张三  x", "  ab    y"]


def test_the_doctor_reports_a_broken_check_and_goes_on() -> None:
    def broken() -> list[doctor.Finding]:
        raise RuntimeError("no such thing")

    topic = Text("甲", "A")
    found = doctor.examine([(topic, broken), (doctor.PYTHON, doctor.check_python)])
    assert [f.level for f in found] == ["fault", "ok"]
    assert "no such thing" in found[0].message.en
    assert json.loads(doctor.as_json(found))[0]["topic"] == {"zh": "甲", "en": "A"}
    assert doctor.report(found, "zh").startswith("✗ 甲: ")


@pytest.mark.django_db
def test_the_doctor_finds_the_database_sound() -> None:
    faults = [f.message.en for f in (*doctor.check_database(), *doctor.check_log()) if f.level == "fault"]
    assert [f for f in faults if "PRAGMA synchronous" not in f] == []  # OFF in tests, on purpose


def test_the_doctor_sees_a_mistyped_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIUHUA_MAP_TILES", "x")
    assert any("XIUHUA_MAP_TILES" in f.message.en and f.level == "warn" for f in doctor.check_environment())


def test_assets_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(assets.AssetError, match=r"node_modules/@tabler/core.*npm ci"):
        assets.build(modules=tmp_path, target=tmp_path / "vendor")
    assert "tabler.css" in assets.missing(tmp_path / "vendor")


def test_assets_are_cut_to_the_icons_we_name(tmp_path: Path) -> None:
    symbols = "".join(f'<symbol id="tabler-{{0}}{name}"><path/></symbol>' for name in ("home", "zzz"))
    sprite = f"<svg><defs>{symbols}</defs></svg>"
    for name, prefix in zip(assets.SPRITES, ("", "filled-"), strict=True):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sprite.format(prefix))
    made = assets.sprite({"home"}, tmp_path).decode()
    assert 'id="tabler-home"' in made and 'id="tabler-filled-home"' in made and "zzz" not in made
