"""The outbox: delivered at least once and by one worker at a time, in order per case, dead after so many tries."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, connections

from xiuhua.casework import deliver, engine, moments, registry, sweep, trouble, worker, write
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import City, TestClock


@pytest.fixture
def handled() -> Iterator[list[str]]:
    """What the handlers "test" (which works) and "broken" (which does not) were given, by key."""
    seen: list[str] = []

    def works(row: Outbox) -> None:
        """Notes the row."""
        seen.append(row.key)

    def fails(row: Outbox) -> None:
        """Fails."""
        seen.append(row.key)
        raise OSError(f"no way to {row.key}")

    registry._handlers["test"] = registry.Registered("test", works, "")
    registry._handlers["broken"] = registry.Registered("broken", fails, "")
    yield seen
    del registry._handlers["test"], registry._handlers["broken"]


def put(key: str, kind: str = "test", case: Case | None = None, minutes: float = 0) -> Outbox:
    at = moments.now() + timedelta(minutes=minutes)
    return Outbox.objects.create(**write.outbox_row(key, kind, at, case.pk if case else None))


def test_what_is_due_is_delivered_once(city: City, clock: TestClock, handled: list[str]) -> None:
    put("now"), put("later", minutes=5)
    assert deliver.run_due() == 1 and handled == ["now"]
    assert deliver.run_due() == 0
    clock.forward(minutes=6)
    assert deliver.run_due() == 1 and handled == ["now", "later"]
    assert not Outbox.objects.filter(done_at__isnull=True).exists()


def test_a_failing_row_backs_off_dies_and_can_be_revived(city: City, clock: TestClock, handled: list[str]) -> None:
    row = put("x", "broken")
    waits = []
    for attempt in range(1, deliver.MAX_ATTEMPTS + 1):
        assert deliver.run_due() == 1
        row.refresh_from_db()
        assert (row.attempts, row.last_error, row.lease_until) == (attempt, "OSError: no way to x", None)
        waits.append(row.run_at - clock.at)
        clock.at = row.run_at
    for attempt, wait in enumerate(waits):
        least = timedelta(seconds=min(trouble.LONGEST, 5 * 3**attempt))
        assert least - timedelta(milliseconds=1) <= wait <= least * (1 + trouble.JITTER)
    assert row.dead and deliver.run_due() == 0
    deliver.retry(row)
    row.refresh_from_db()
    assert (row.dead, row.attempts) == (False, 0)
    row.kind = "test"
    row.save()
    assert deliver.run_due() == 1
    row.refresh_from_db()
    assert row.done_at is not None and row.last_error == ""


def test_in_each_case_rows_go_in_order(city: City, clock: TestClock, handled: list[str]) -> None:
    one, two = city.case(), city.case()
    Outbox.objects.all().delete()
    put("a1", "broken", one), put("a2", "test", one), put("b1", "test", two)
    assert deliver.run_due() == 2 and handled == ["a1", "b1"]
    assert deliver.run_due() == 0, "a2 waits although it is due: a1 comes again"
    Outbox.objects.filter(key="a1").update(kind="test")
    clock.forward(minutes=1)
    city.run()
    assert handled == ["a1", "b1", "a1", "a2"]


def test_a_dead_row_no_longer_holds_up_its_case(city: City, clock: TestClock, handled: list[str]) -> None:
    case = city.case()
    Outbox.objects.all().delete()
    put("a1", "broken", case), put("a2", "test", case)
    Outbox.objects.filter(key="a1").update(dead=True)
    assert deliver.run_due() == 1 and handled == ["a2"]


def test_a_leased_row_is_left_alone_until_the_lease_ends(city: City, clock: TestClock, handled: list[str]) -> None:
    row = put("x")
    Outbox.objects.filter(pk=row.pk).update(lease_until=clock.at + deliver.LEASE, lease_by="somebody")
    assert deliver.run_due() == 0
    clock.forward(minutes=3)
    assert deliver.run_due() == 1 and handled == ["x"]


def test_who_was_away_longer_than_the_lease_does_not_finish_for_another(
    city: City, clock: TestClock, handled: list[str]
) -> None:
    """The slow worker's handler ends after another has taken the row over and failed: the failure stands."""
    row = put("slow")

    def slow(job: Outbox) -> None:
        clock.forward(minutes=3)
        Outbox.objects.filter(pk=job.pk).update(lease_by="another", last_error="the other one's", attempts=2)

    registry._handlers["test"] = registry.Registered("test", slow, "")
    deliver.run_due()
    row.refresh_from_db()
    assert (row.done_at, row.lease_by, row.last_error) == (None, "another", "the other one's")


def test_two_workers_never_deliver_the_same_row(city: City) -> None:
    """Threads with connections of their own, all at the same rows."""
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def note(row: Outbox) -> None:
        with lock:
            seen[row.key] += 1

    registry._handlers["test"] = registry.Registered("test", note, "")
    try:
        rows = [Outbox(**write.outbox_row(f"r{i}", "test", moments.now())) for i in range(60)]
        Outbox.objects.bulk_create(rows)
        ready = threading.Barrier(4)

        def work() -> None:
            try:
                ready.wait()
                while deliver.run_due(limit=20):
                    pass
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        del registry._handlers["test"]
    assert set(seen) == {row.key for row in rows}
    assert set(seen.values()) == {1}


def test_a_warning_is_said_once_and_only_if_it_is_still_true(city: City, clock: TestClock) -> None:
    case = city.case()
    clock.forward(minutes=8)
    city.run()
    said = Event.objects.filter(case=case, action="clock_warning")
    assert said.count() == 1 and Case.objects.get(pk=case.pk).warned == 50
    row = Outbox.objects.get(kind="clock_warning", done_at__isnull=False)
    Outbox.objects.filter(pk=row.pk).update(done_at=None, lease_until=None)
    city.run()
    assert said.count() == 1, "delivered again: the key says that it was done"
    city.act(case, "accept")
    clock.forward(days=30)
    clocks = {"intake"}
    before = said.count()
    city.run()
    later = [e for e in said.order_by("seq")[before:] if any(f'"clock":"{c}"' in e.body for c in clocks)]
    assert later == [], "intake has ended"


def test_a_limit_used_up_is_followed_by_its_action(city: City, clock: TestClock) -> None:
    case = city.act(city.act(city.case(), "accept"), "dispatch", unit="roads")
    clock.forward(minutes=59)
    city.run()
    assert Case.objects.get(pk=case.pk).state == "to_receive"
    clock.forward(minutes=2)
    city.run()
    case.refresh_from_db()
    assert case.state == "handling"
    assert Event.objects.get(case=case, seq=case.seq).actor == "system"


def test_a_case_that_moved_on_between_look_and_action_is_looked_at_again(
    city: City, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit signs in the very moment in which the worker wants to deem it signed."""
    case = city.act(city.act(city.case(), "accept"), "dispatch", unit="roads")
    clock.forward(minutes=61)
    real = engine.advance
    meddled = []

    def meddling(target: object, action: str, *args: object, **more: object) -> object:
        if action == "deem_received" and not meddled:
            meddled.append(True)
            real(case.pk, "receive", city.unit)
        return real(target, action, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "advance", meddling)
    city.run()
    clock.forward(minutes=1)
    city.run()
    assert meddled
    actions = list(Event.objects.filter(case=case).order_by("seq").values_list("action", flat=True))
    assert "deem_received" not in actions and actions.count("receive") == 1
    assert not Outbox.objects.filter(kind="clock_expired", done_at__isnull=True, run_at__lte=clock.at).exists()


def test_the_same_request_at_the_same_moment_is_answered_twice_and_done_once(city: City) -> None:
    case = city.case()
    answers: list[object] = []
    ready = threading.Barrier(4)

    def ask() -> None:
        try:
            ready.wait()
            answers.append(engine.advance(case.pk, "accept", city.operator, {"note": "同一请求"}, key="same"))
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [getattr(a, "seq", a) for a in answers] == [2] * 4
    assert sorted(a.replayed for a in answers) == [False, True, True, True]  # type: ignore[attr-defined]
    assert Event.objects.filter(case=case).count() == 2


def test_a_repeated_creation_with_photos_gets_its_first_answer(city: City, settings: object, tmp_path: object) -> None:
    from xiuhua.casework import files
    from xiuhua.casework.tests.test_erase import photo

    settings.DATA_DIR = tmp_path  # type: ignore[attr-defined]
    upload = files.upload(city.operator, [photo("green")], name="a.jpg")
    data = {"description": "照片", "photos": [upload.sha256]}
    one = engine.create("repair", city.platform, city.operator, data, key="k")
    two = engine.create("repair", city.platform, city.operator, data, key="k")
    assert two.replayed and two.number == one.number
    with pytest.raises(Refused) as other:
        engine.create("repair", city.platform, city.operator, {"description": "别的"}, key="k")
    assert other.value.refusal.code == "conflict"


def test_a_worker_stops_cleanly_when_told(city: City, handled: list[str]) -> None:
    one = worker.Worker(pause=60, sweep_every=1e9)
    one._swept = 0.0
    put("x")
    original = registry._handlers["test"].call

    def then_stop(row: Outbox) -> None:
        original(row)
        one.stop()

    registry._handlers["test"] = registry.Registered("test", then_stop, "")
    one.run()
    assert handled == ["x"] and Outbox.objects.get(key="x").done_at is not None


def test_a_worker_process_ends_on_sigterm(city: City) -> None:
    """The real process, on the test database: it delivers, and ends with code 0 within its grace."""
    row = put("x", "notice")
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        user, host, port = settings["USER"], settings["HOST"], settings["PORT"]
        url = f"postgresql://{user}@{host}:{port}/{settings['NAME']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "xiuhua.cli", "worker"], env={**os.environ, "XIUHUA_DATABASE_URL": url}
    )
    try:
        waiting = threading.Event()
        for _ in range(300):
            row.refresh_from_db()
            if row.done_at is not None or process.poll() is not None:
                break
            waiting.wait(0.1)
        assert row.done_at is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()


def test_pauses_are_spread_by_chance() -> None:
    assert len({trouble.pause(3) for _time in range(20)}) > 1


def test_the_other_side_says_when_and_what_is_hopeless_dies_at_once(
    city: City, clock: TestClock, handled: list[str]
) -> None:
    def patience(row: Outbox) -> None:
        raise trouble.NotNow("too many at once", timedelta(minutes=7))

    def hopeless(row: Outbox) -> None:
        raise trouble.Hopeless("no such number")

    slow, lost = put("slow"), put("lost", "broken")
    registry._handlers["test"] = registry.Registered("test", patience, "")
    registry._handlers["broken"] = registry.Registered("broken", hopeless, "")
    assert deliver.run_due() == 2
    slow.refresh_from_db(), lost.refresh_from_db()
    assert not slow.dead and slow.run_at - clock.at > timedelta(minutes=6)
    assert slow.last_error == "too many at once"
    assert (lost.dead, lost.attempts, lost.last_error) == (True, 1, "no such number")


def test_messages_stand_outside_the_order_of_their_case(city: City, clock: TestClock, handled: list[str]) -> None:
    case = city.case()
    Outbox.objects.all().delete()
    known = registry._handlers["broken"]
    registry._handlers["broken"] = registry.Registered("broken", known.call, "", in_order=False)
    put("a message", "broken", case), put("a step", "test", case)
    assert deliver.run_due() == 2, "the step does not wait for the message"
    put("waits", "test", case), put("first", "test", case)
    assert handled == ["a message", "a step"]


def test_giving_up_and_taking_up_again(city: City, clock: TestClock, handled: list[str]) -> None:
    row, waits = put("x", "broken"), put("y", minutes=5)
    assert not deliver.give_up(row, "user:1"), "what has not failed cannot be given up"
    deliver.run_due()
    row.refresh_from_db()
    assert deliver.give_up(row, "user:1") and not deliver.give_up(waits, "user:1")
    row.refresh_from_db()
    assert row.dead and row.last_error == "given up by user:1: OSError: no way to x"
    clock.forward(hours=2)
    assert deliver.run_due() == 1 and handled == ["x", "y"]
    assert deliver.retry(row, "user:1") and deliver.run_due() == 1 and handled == ["x", "y", "x"]
    done = Outbox.objects.get(key="y")
    assert not deliver.retry(done), "what is done is not done again"


def test_a_row_that_kills_its_workers_ends_dead(city: City, clock: TestClock, handled: list[str]) -> None:
    """A worker that dies leaves only its lease; the sweep counts it as a try and says why."""
    row = put("poison")

    def dies(row: Outbox) -> None:
        raise SystemExit  # not an Exception: nothing is marked, as after kill -9

    registry._handlers["test"] = registry.Registered("test", dies, "")
    for _attempt in range(trouble.MAX_ATTEMPTS):
        with pytest.raises(SystemExit):
            deliver.run_due()
        row.refresh_from_db()
        assert row.lease_until is not None and not row.dead
        clock.at = row.lease_until + timedelta(seconds=1)
        if _attempt == 2:
            sweep.free_leases()
            row.refresh_from_db()
            assert row.last_error == sweep.STUCK and not row.dead
    assert deliver.run_due() == 0, "it is not taken a ninth time"
    sweep.free_leases()
    row.refresh_from_db()
    assert row.dead and row.last_error == sweep.STUCK
