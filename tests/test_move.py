"""A really used city moves from SQLite to PostgreSQL: every row of every table, and a log that verifies there too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import live
import pytest

pytestmark = pytest.mark.skipif(
    not os.environ.get("XIUHUA_DATABASE_URL", "").startswith("postgres"),
    reason="a move needs a PostgreSQL to move to: bin/test --postgres starts one",
)

_ROWS = """
import hashlib, json
from xiuhua import cli
cli.ready()
from django.apps import apps
from django.db import models

found = {}
for model in apps.get_models(include_auto_created=True):
    if not model._meta.managed or model._meta.proxy:
        continue
    names = [f.attname for f in model._meta.concrete_fields]
    digest = hashlib.sha256()
    count = 0
    for row in model._base_manager.order_by("pk").values_list(*names).iterator():
        said = [bytes(v).hex() if isinstance(v, (bytes, memoryview)) else v for v in row]
        digest.update(json.dumps(said, default=str, sort_keys=True, ensure_ascii=False).encode())
        count += 1
    found[model._meta.db_table] = [count, digest.hexdigest()]
print(json.dumps(found))
"""


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=live.ROOT, capture_output=True, text=True, timeout=240
    )


def rows(environment: dict[str, str]) -> dict[str, list[object]]:
    """Every table: how many rows, and a digest over all of them."""
    done = run(environment, "-c", _ROWS)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_used_city_moves_whole(tmp_path: Path) -> None:
    source = live.environment(tmp_path)
    target = live.Database()
    try:
        lived = run(source, str(live.ROOT / "tests" / "lived.py"))
        assert lived.returncode == 0, lived.stderr[-3000:]
        told = json.loads(lived.stdout.splitlines()[-1])
        here = rows(source)
        moved = run(source, "-m", "xiuhua.cli", "log", "move", "--to", target.url)
        assert moved.returncode == 0, moved.stdout + moved.stderr
        there_now = {**source, "XIUHUA_DATABASE_URL": target.url}
        there = rows(there_now)
        assert here.keys() == there.keys()
        assert {table: (here[table], there[table]) for table in here if here[table] != there[table]} == {}
        assert here["casework_case"][0] == told["cases"] and here["casework_event"][0] == told["events"]
        for more in ((), ("--anchor", told["anchor"])):
            checked = run(there_now, "-m", "xiuhua.cli", "log", "verify", "--json", *more)
            assert checked.returncode == 0, checked.stdout + checked.stderr
            report = json.loads(checked.stdout)
            assert report["ok"] and report["events"] == told["events"] and report["erased"] > 0
        again = run(source, "-m", "xiuhua.cli", "log", "move", "--to", target.url)
        assert again.returncode == 2 and "not empty" in again.stderr
        _tamper(target.url)
        broken = run(there_now, "-m", "xiuhua.cli", "log", "verify", "--anchor", told["anchor"])
        assert broken.returncode == 1, "what is changed after the move is found"
    finally:
        target.drop()


def _tamper(url: str) -> None:
    import psycopg

    with psycopg.connect(url) as line:
        line.execute("SET session_replication_role = replica")
        line.execute("UPDATE casework_event SET action = 'close' WHERE id = (SELECT min(id) FROM casework_event)")
