"""The bulk writer makes the same rows as the engine; and a log that moved to PostgreSQL verifies there."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import connection, models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xiuhua.casework import anchors, bulk, engine, move, rebuild, verify
from xiuhua.casework.bulk import History, Step
from xiuhua.casework.models import (
    Case,
    Event,
    Hand,
    Numbering,
    Outbox,
    Party,
    Payload,
    Personal,
)
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import START, City, TestClock, build_city, forget

TABLES: tuple[type[models.Model], ...] = (Case, Event, Payload, Personal, Hand, Party, Outbox)

MOVES: list[tuple[str, str, dict[str, Any]]] = [
    ("accept", "operator", {"note": "核实"}),
    ("discard", "operator", {"reason": "重复"}),
    ("dispatch", "dispatcher", {"unit": "roads", "advice": "速办"}),
    ("receive", "unit", {}),
    ("give_back", "unit", {}),
    ("look", "unit", {"collector": "collector", "note": "去看"}),
    ("report_seen", "collector", {"seen": "还在"}),
    ("ask_vote", "unit", {"voters": [{"user": "collector"}, {"user": "dispatcher"}]}),
    ("vote", "collector", {"choice": "yes"}),
    ("vote", "dispatcher", {"choice": "no"}),
    ("vote", "dispatcher", {"choice": "yes"}),
    ("extend", "dispatcher", {}),
    ("finish", "unit", {"result": "补好"}),
    ("redo", "dispatcher", {}),
    ("close", "dispatcher", {"points": 5}),
    ("reopen", "dispatcher", {}),
]
#: A way that touches everything, for the start of every example.
FULL = [0, 2, 4, 2, 3, 11, 5, 6, 7, 8, 10, 12, 13, 12, 14, 15, 2, 3, 5]


@contextmanager
def same_chance(seed: int) -> Iterator[None]:
    """Identifiers, salts and nonces come out the same in both runs."""
    serial, chance = count(10**15), random.Random(seed)
    ids = ("step", "answers", "write", "engine")
    with ExitStack() as stack:
        for module in ids:
            stack.enter_context(patch(f"xiuhua.casework.{module}.new_id", lambda: next(serial)))
        stack.enter_context(patch("xiuhua.casework.chain.new_salt", lambda: f"{chance.getrandbits(128):032x}"))
        stack.enter_context(patch("xiuhua.city.crypto.os.urandom", chance.randbytes))
        yield


def by_engine(city: City, clock: TestClock, steps: tuple[Step, ...]) -> list[int]:
    """Play the steps through the engine; returns the places that it accepted."""
    accepted, root = [], 0
    for place, one in enumerate(steps):
        clock.at = one.at
        try:
            if place == 0:
                root = engine.create("repair", city.platform, one.actor, one.data).case_id
            else:
                target = root
                if one.child is not None:
                    target = _children(root)[one.child]
                engine.advance(target, one.action, one.actor, one.data)
        except (Refused, IndexError):
            continue
        accepted.append(place)
    return accepted


def _children(root: int) -> list[int]:
    return list(Case.objects.filter(parent_id=root).order_by("number").values_list("pk", flat=True))


def steps_of(city: City, choice: list[int], gaps: list[int], urgency: str) -> tuple[Step, ...]:
    at = START
    first = {"description": "井盖缺失", "title": "t", "urgency": urgency, "reporter_phone": "13800000001"}
    found = [Step("report", city.operator, first, at)]
    children = -1
    for place, index in enumerate(choice):
        action, who, data = MOVES[index]
        at += timedelta(seconds=gaps[place % len(gaps)])
        children += action == "look"
        child = max(children, 0) if action == "report_seen" else None
        found.append(Step(action, city.actors[who], data, at, child))
    return tuple(found)


def dump() -> dict[str, list[dict[str, Any]]]:
    """All rows that a history leaves, without automatic keys."""
    dumped = {}
    for model in TABLES:
        fields = [f.attname for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]
        rows = [dict(zip(fields, row, strict=True)) for row in model._default_manager.values_list(*fields)]
        for row in rows:
            for name in ("lease_by", "done_at"):  # when exactly within the step an effect was marked as done
                if name in row:
                    row[name] = bool(row[name])
        dumped[model.__name__] = sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))
    return dumped


def empty() -> None:
    call_command("flush", interactive=False, verbosity=0)
    forget()


@pytest.mark.django_db(transaction=True)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    choice=st.lists(st.integers(0, len(MOVES) - 1), max_size=25).map(lambda more: FULL + more),
    gaps=st.lists(st.integers(1, 50_000), min_size=1, max_size=6),
    urgency=st.sampled_from(["ordinary", "urgent"]),
    seed=st.integers(0, 1000),
)
def test_engine_and_bulk_make_the_same_rows(choice: list[int], gaps: list[int], urgency: str, seed: int) -> None:
    """The same steps, once through the door and once in bulk, leave the same rows to the last digest."""
    from xiuhua.casework import moments

    clock = TestClock()
    clock.__class__ = _StillClock
    with moments.clock_set(clock):
        empty()
        city = build_city()
        steps = steps_of(city, choice, gaps, urgency)
        with same_chance(seed):
            accepted = by_engine(city, clock, steps)
        empty_cases()
        kept = tuple(steps[place] for place in accepted)
        # Refused steps drew no identifiers that were kept; played once more, only the accepted ones draw.
        with same_chance(seed):
            by_engine(city, clock, kept)
        one = dump()
        empty_cases()
        with same_chance(seed):
            loaded = bulk.load([History("repair", city.platform, kept)])
        assert loaded.refused == []
        two = dump()
        assert len(two["Event"]) > 20 and len(two["Case"]) >= 3
        for table in one:
            assert one[table] == two[table], table
        report = verify.verify()
        assert report.ok, report.faults
        assert list(rebuild.compare()) == []


class _StillClock(TestClock):
    """Stands still within a step, as the bulk writer's does."""

    def __call__(self) -> Any:
        return self.at


def empty_cases() -> None:
    """Everything of cases, while people and procedures stay."""
    from xiuhua.casework import guard_rails
    from xiuhua.casework.models import Idempotency

    with guard_rails.lifted():
        for model in (Outbox, Idempotency, Hand, Party, Personal, Payload, Event):
            model._default_manager.all().delete()
        Case.objects.update(parent=None)
        Case.objects.all().delete()
        Numbering.objects.all().delete()


def test_many_histories_in_batches_with_numbers_in_a_row(city: City) -> None:
    histories = [History("repair", city.platform, steps_of(city, FULL, [600 + i], "ordinary")) for i in range(7)]
    loaded = bulk.load(histories, batch=3)
    assert loaded.refused == [] and loaded.cases == 7 * 3 and loaded.events == Event.objects.count()
    assert loaded.numbers == [f"42120020260304{i:05d}" for i in range(1, 8)]
    assert engine.create("repair", city.platform, city.operator, {"description": "x"}).number.endswith("00008")
    anchors.take()
    assert verify.verify().ok and list(rebuild.compare()) == []
    city.run()
    assert verify.verify().ok


def test_what_the_engine_would_refuse_is_refused_whole(city: City) -> None:
    good = steps_of(city, [0, 2], [60], "ordinary")
    wrong_state = steps_of(city, [0, 14], [60], "ordinary")
    wrong_actor = (*good[:1], Step("accept", city.collector, {}, START + timedelta(minutes=1)))
    wrong_answer = (Step("report", city.operator, {"title": "ohne"}, START),)
    own_action = (*good[:1], Step("erase", city.operator, {"reason": "x"}, START))
    loaded = bulk.load(
        History("repair", city.platform, s) for s in (wrong_state, good, wrong_actor, wrong_answer, own_action)
    )
    assert [(place, at, r.code) for place, at, r in loaded.refused] == [
        (0, 2, "not_now"), (2, 1, "not_yours"), (3, 0, "invalid"), (4, 1, "unknown_action"),
    ]  # fmt: skip
    assert Case.objects.count() == 1 and verify.verify().ok


# --- move -------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_postgres() -> Iterator[str]:
    """The URL of an empty database on the PostgreSQL of this run; `bin/test` fails in CI when it has none."""
    import psycopg

    if connection.vendor != "postgresql":
        pytest.skip("moving is tested in the part of bin/test that has a PostgreSQL")
    own = connection.settings_dict
    server, name = f"postgresql://{own['USER']}@{own['HOST']}:{own['PORT']}", f"move_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def xiuhua(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, on another database."""
    return python(url, "-m", "xiuhua.cli", *words)


def python(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XIUHUA_DATABASE_URL": url}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


_FILL = """
from xiuhua import cli
cli.ready()
from xiuhua.casework import anchors, bulk, moments
from xiuhua.casework.bulk import History
from xiuhua.casework.tests import conftest, test_bulk
with moments.clock_set(conftest.TestClock()):
    city = conftest.build_city()
    steps = test_bulk.steps_of(city, test_bulk.FULL, [900], "urgent")
    assert bulk.load([History("repair", city.platform, steps)] * 3).refused == []
    city.case(title="𠮷 and 'quotes'", reporter_name="张三")
    anchor = anchors.take()
print(f"{anchor.pk}:{anchor.digest}")
"""


def test_the_same_log_verifies_after_the_move(empty_postgres: str, tmp_path: Path) -> None:
    """From a SQLite file to PostgreSQL: rows, digests, triggers, sequences."""
    import psycopg

    file = tmp_path / "source.sqlite3"
    source = f"sqlite:///{file}"
    assert xiuhua(source, "migrate").returncode == 0
    filled = python(source, "-c", _FILL)
    assert filled.returncode == 0, filled.stderr
    before = json.loads(xiuhua(source, "log", "verify", "--json").stdout)
    assert before["ok"] and before["events"] > 50
    moved = xiuhua(source, "log", "move", "--to", empty_postgres)
    assert moved.returncode == 0, moved.stderr
    assert "The log is whole" in moved.stdout
    checked = xiuhua(empty_postgres, "log", "verify", "--json", "--anchor", filled.stdout.split()[-1])
    report = json.loads(checked.stdout)
    assert report["ok"] and report["vouched_to"] and not report["unguarded"], report
    assert (report["events"], report["cases"]) == (before["events"], before["cases"])
    assert xiuhua(empty_postgres, "casework", "rebuild", "--check").returncode == 0
    with psycopg.connect(empty_postgres) as there, sqlite3.connect(file) as here:
        for table, columns in (
            ("casework_event", "id, case_id, digest, body"), ("casework_payload", "event_id, salt, body"),
            ("casework_case", "id, number, title, state, head_digest, holder_org_id, lead"),
            ("casework_personal", "id, cipher, lookup"), ("casework_anchorentry", "id, digest"),
            ("city_user", "id, username, is_active"), ("casework_procedureversion", "id, digest, text"),
        ):  # fmt: skip
            sql = f"SELECT {columns} FROM {table} ORDER BY 1"
            rows = here.execute(sql).fetchall()
            assert rows and there.execute(sql).fetchall() == rows, table  # type: ignore[arg-type]
        there.execute("INSERT INTO casework_numbering(prefix, value) VALUES ('new', 1)")
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            there.execute("DELETE FROM casework_event")
    again = xiuhua(source, "log", "move", "--to", empty_postgres)
    assert again.returncode == 2 and "not empty" in again.stderr


def test_only_to_postgresql(city: City, capsys: pytest.CaptureFixture[str]) -> None:
    assert move.main(["--to", "sqlite:////tmp/x.sqlite3"]) == 2
    assert "must be a PostgreSQL URL" in capsys.readouterr().err
