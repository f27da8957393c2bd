"""``bin/xiuhua bench``: names what there is, passes options on, and says so where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
