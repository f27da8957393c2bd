"""In-memory tables: when they look, when they rebuild, and what they serve meanwhile."""

from __future__ import annotations

import logging
import threading

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from xiuhua.city import memory
from xiuhua.city.models import TableVersion


class World:
    """A table over one number, with a clock and a spawner in the hands of the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.number = 1
        self.builds = 0
        self.jobs: list[memory.Job] = []
        self.table = memory.Table("test", self.build, clock=lambda: self.now, spawn=self.spawn)

    def build(self) -> int:
        self.builds += 1
        return self.number

    def spawn(self, job: memory.Job) -> None:
        self.jobs.append(job)

    def change(self, number: int) -> None:
        self.number = number
        memory.bump("test")


@pytest.fixture
def world(transactional_db) -> World:
    return World()


def test_the_first_get_builds_and_the_next_ones_do_not(world, django_assert_num_queries):
    assert world.table.get() == 1
    with django_assert_num_queries(0):
        assert [world.table.get() for _ in range(5)] == [1] * 5
    assert world.builds == 1


def test_the_version_is_looked_at_once_a_second(world, django_assert_num_queries):
    world.table.get()
    world.now += 0.99
    with django_assert_num_queries(0):
        world.table.get()
    world.now += 0.01
    with django_assert_num_queries(1):
        world.table.get()
        world.table.get()


def test_a_change_elsewhere_is_built_off_the_request_and_then_swapped(world):
    world.table.get()
    world.number = 2
    TableVersion.objects.create(name="test", version=1)  # another process bumped
    assert world.table.get() == 1
    world.now += 1
    assert world.table.get() == 1, "the old one serves"
    assert (world.builds, len(world.jobs)) == (1, 1), "nothing was built by the request"
    world.now += 5
    assert world.table.get() == 1
    assert len(world.jobs) == 1, "one rebuild at a time"
    world.jobs.pop()()
    assert world.table.get() == 2
    world.now += 1
    assert world.table.get() == 2
    assert (world.builds, world.jobs) == (2, [])


def test_a_bump_here_is_looked_at_by_the_next_get(world):
    world.table.get()
    world.change(2)
    world.table.get()
    assert len(world.jobs) == 1


def test_a_change_during_the_build_costs_another_build(world):
    world.table.get()
    world.change(2)
    world.table.get()
    job = world.jobs.pop()
    real = world.build

    def meanwhile() -> int:
        value = real()
        world.table._build = real
        world.change(3)
        return value

    world.table._build = meanwhile
    job()
    world.table.get()
    world.jobs.pop()()
    assert world.table.get() == 3


def test_a_build_that_fails_leaves_the_old_table_and_is_tried_again(world, caplog):
    world.table.get()
    world.change(2)
    world.table.get()
    real, world.table._build = world.table._build, lambda: 1 // 0
    with caplog.at_level(logging.ERROR):
        world.jobs.pop()()
    assert "could not be rebuilt" in caplog.text
    world.table._build = real
    world.now += 1
    assert world.table.get() == 1
    world.jobs.pop()()
    assert world.table.get() == 2


def test_a_database_that_is_away_leaves_the_old_table(world, monkeypatch):
    world.table.get()

    def away(name: str) -> int:
        raise DatabaseError("gone")

    monkeypatch.setattr(memory, "stored_version", away)
    world.now += 1
    assert world.table.get() == 1


def test_inside_a_transaction_nothing_is_asked(world, django_assert_num_queries):
    world.table.get()
    world.now += 10
    with transaction.atomic(), django_assert_num_queries(0):
        assert world.table.get() == 1


def test_a_transaction_sees_its_own_change_and_nobody_else_does(world):
    world.table.get()
    with pytest.raises(RuntimeError), transaction.atomic():
        world.change(2)
        assert world.table.get() == 2
        world.change(3)
        assert world.table.get() == 3
        assert world.table.version == 0
        raise RuntimeError
    world.number = 1
    world.now += 1
    assert world.table.get() == 1
    assert world.jobs == []


def test_versions_count_up(world):
    assert memory.stored_version("test") == 0
    for expected in (1, 2, 3):
        memory.bump("test")
        assert memory.stored_version("test") == expected


def test_a_real_thread_rebuilds_while_the_old_table_serves(transactional_db):
    started, go = threading.Event(), threading.Event()
    threads: list[str] = []

    def build() -> int:
        threads.append(threading.current_thread().name)
        if len(threads) > 1:
            started.set()
            assert go.wait(30)
        return len(threads)

    table = memory.Table("thread", build)
    assert table.get() == 1
    memory.bump("thread")
    assert table.get() == 1
    assert started.wait(30)
    assert table.get() == 1, "requests do not wait for the build"
    go.set()
    table.settle()
    assert table.get() == 2
    assert threads[1] == "xiuhua-memory" != threads[0]


def test_one_statement_looks_after_all_tables(transactional_db: None) -> None:
    """Whichever table is asked first after its second reads the versions of all, and each hears of its own change."""
    at = [0.0]
    tables = [memory.Table(f"t{n}", lambda: object(), clock=lambda: at[0], spawn=memory.in_place) for n in range(4)]
    before = [table.get() for table in tables]
    TableVersion.objects.create(name="t2", version=9)  # another process changed it
    at[0] += memory.CHECK_SECONDS
    with CaptureQueriesContext(connection) as seen:
        after = [table.get() for table in tables]
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, True, False, True]
    assert (
        len([one for one in seen.captured_queries if "city_tableversion" in one["sql"]]) == 2
    )  # the look, the rebuild
