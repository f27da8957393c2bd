"""What is shipped to run one server: units, environment, compose file name commands, settings and services that exist."""

from __future__ import annotations

import base64
import re
import secrets
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from xiuhua import cli, manifest, serve
from xiuhua.env import PREFIX, Env

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SOURCES = DEPLOY.parent / "src/xiuhua"
UNITS = sorted((DEPLOY / "systemd").iterdir())
PROGRAM = "/opt/xiuhua/bin/xiuhua"
systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")


def options_known(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Fail unless the words are a command of ours and its help knows every option."""
    command, rest = cli.find(argv, cli.commands())
    assert command is not None, argv
    if command.words == "run":
        serve.parse(rest)
    elif command.words != "manage":
        with pytest.raises(SystemExit):
            manifest.load(command.target)(["--help"])
        told = capsys.readouterr().out
        assert [word for word in rest if word.startswith("--") and word not in told] == []


def test_every_command_that_reads_options_can_be_called() -> None:
    """A command that no room lists is written but nobody can call it."""
    sources = "\n".join(path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
    written = set(re.findall(r'prog="xiuhua ([a-z0-9 -]+)"', sources))
    assert "calendar load" in written
    assert written <= set(cli.commands())


def unit_commands() -> list[list[str]]:
    lines = [line for unit in UNITS for line in unit.read_text().splitlines() if line.startswith("Exec")]
    return [shlex.split(line.partition("=")[2]) for line in lines]


def test_units_start_commands_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    commands = unit_commands()
    assert {words[1] for words in commands} == {"run", "worker", "stream", "manage", "backup", "restore"}
    for program, *argv in commands:
        assert program == PROGRAM
        options_known(argv, capsys)


@systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    stand_in = tmp_path / "xiuhua"
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, str(stand_in)))
    for unit in UNITS:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True
        )
        ours = [line for line in done.stderr.splitlines() if "xiuhua" in line]
        assert (done.returncode, ours) == (0, [])


@systemd
@pytest.mark.parametrize("unit", [u for u in UNITS if u.suffix == ".service"], ids=lambda u: u.stem)
def test_units_are_confined(unit: Path) -> None:
    """systemd's own rating, 0 (closed) to 10 (open); a unit without these options has 9.2 or more."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    rating = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert rating, done.stderr
    assert float(rating[1]) < 2.5


def variables() -> dict[str, str]:
    lines = (DEPLOY / "xiuhua.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_environment_is_one_we_know(monkeypatch: pytest.MonkeyPatch) -> None:
    given = variables()
    assert {name.removeprefix(PREFIX).lower() for name in given} <= set(Env.model_fields)
    assert given[f"{PREFIX}SECRET_KEY"] == given[f"{PREFIX}DATA_KEY"] == ""  # nobody's keys are shipped
    given[f"{PREFIX}SECRET_KEY"] = secrets.token_urlsafe(48)
    given[f"{PREFIX}DATA_KEY"] = base64.b64encode(secrets.token_bytes(32)).decode()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    it = Env()
    assert it.https and "127.0.0.1" in it.allowed_hosts and not it.demo


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def test_compose_starts_commands_that_exist(compose: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    ours = {name: one for name, one in compose["services"].items() if name != "database"}
    assert set(ours) == {"server", "worker", "stream", "backup"}
    for one in ours.values():
        options_known(one["command"], capsys)
    image = (DEPLOY / "Dockerfile").read_text()
    assert f'ENTRYPOINT ["{PROGRAM}"]' in image
    command = re.search(r"^CMD (\[.*\])$", image, re.MULTILINE)
    assert command and yaml.safe_load(command[1]) == ours["server"]["command"]


def test_compose_holds_together(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, one in services.items():
        for needed, how in one.get("depends_on", {}).items():
            assert needed in services, name
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed]
        for volume in one["volumes"]:
            assert volume.split(":")[0] in compose["volumes"], name
        if one["restart"] != "no":
            assert "healthcheck" in one, name
    for port in (*services["server"]["ports"], *services["stream"]["ports"]):
        assert port.startswith("127.0.0.1:")
    for name in ("server", "worker", "stream", "backup"):
        assert services[name]["env_file"] == "xiuhua.env"
        assert services[name]["environment"][f"{PREFIX}DATABASE_URL"].startswith("postgresql://")


def test_health_checks_are_programs_that_compile_and_ask_for_our_pages(compose: dict[str, Any]) -> None:
    from django.urls import resolve

    for name in ("server", "worker"):
        source = compose["services"][name]["healthcheck"]["test"][-1]
        compile(source, name, "exec")
        path = re.search(r"http://[^/']+(/\w+)", source)
        assert path and resolve(path[1])
