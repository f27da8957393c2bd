"""``bin/xiuhua bench``: names what there is, passes options on, and says so where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from xiuhua import bench

SCRIPT = '"""Says what it was told. Prints JSON."""\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(len(sys.argv) - 1)\n'


def test_the_benchmarks_of_the_tree_are_named_and_none_of_their_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([]) == 0
    told = capsys.readouterr().out
    assert {"desk", "import", "locate", "log-verify", "loop", "start", "tiles"} <= set(bench.names())
    assert not any(name.startswith("bench") for name in bench.names())
    assert all(name in told and words in told for name, words in bench.names().items())
    assert all('"--json"' in path.read_text("utf-8") for path in bench.FOLDER.glob("[!b]*.py"))


def test_options_and_exit_code_pass_through(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "say_it.py").write_text(SCRIPT)
    assert bench.main(["say-it", "--json", "--rows", "7"], tmp_path) == 3
    assert json.loads(capfd.readouterr().out) == ["--json", "--rows", "7"]


def test_what_cannot_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bench_part.py").write_text('"""A part."""\n')
    assert bench.main(["loop"], tmp_path) == 2
    assert "source tree" in capsys.readouterr().err
    (tmp_path / "say.py").write_text(SCRIPT)
    assert bench.main(["part"], tmp_path) == 2
    assert "no benchmark 'part'" in capsys.readouterr().err


def _run(name: str, *options: str) -> dict[str, Any]:
    """What a benchmark of the tree prints; on the engine of these tests where it has a choice."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("XIUHUA_", "DJANGO_", "PROM"))
    }
    done = subprocess.run(
        [sys.executable, bench.FOLDER / f"{name.replace('-', '_')}.py", "--json", *options],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["bench"] == name
    return found


ON_SQLITE = connection.vendor == "sqlite"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("desk", ("--cases", "1500", "--times", "1", "--page", "5", *(["--sqlite"] if ON_SQLITE else []))),
        ("import", ("--rows", "300", *([] if ON_SQLITE else ["--postgres"]))),
        ("log-verify", ("--cases", "1000", *(["--sqlite"] if ON_SQLITE else []))),
        ("tiles", ("--cases", "300", "--components", "300", "--tiles", "2")),
    ],
)
def test_a_small_run_gives_its_figures(name: str, options: tuple[str, ...]) -> None:
    """Whether the benchmarks still run; how fast is their own matter."""
    assert "reference" in str(_run(name, *options))


def test_killed_under_load() -> None:
    """A short run of the drill: what was acknowledged is there, once. Not the outbox worker: a row that it held is free again
    only when its lease has ended, after two minutes."""
    victims = ("server", "server process", *(() if ON_SQLITE else ("backend", "database")))
    words = [word for victim in victims for word in ("--victim", victim)]
    found = _run("drills", "--rounds", "6", "--clients", "4", *words, *(["--sqlite"] if ON_SQLITE else []))
    assert not found["faults"] and found["log_verifies"] and found["steps_acknowledged"] > 6
    assert sum(found["kills"].values()) == 6
