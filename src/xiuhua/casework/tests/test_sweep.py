"""The sweep finds what was lost and leaves alone what stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from xiuhua.casework import sweep
from xiuhua.casework.models import Case, Idempotency, Outbox
from xiuhua.casework.tests.conftest import City, TestClock


@pytest.fixture(autouse=True)
def house(settings: object, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path  # type: ignore[attr-defined]


def timers() -> set[str]:
    return set(Outbox.objects.filter(kind__startswith="clock_").values_list("key", flat=True))


def test_nothing_is_lost_nothing_is_made(city: City) -> None:
    city.act(city.act(city.case(), "accept"), "dispatch", unit="roads")
    city.handled()
    swept = sweep.sweep()
    assert swept.timers == 0 and not swept


def test_a_lost_timer_is_made_again_and_fires(city: City, clock: TestClock) -> None:
    case = city.act(city.act(city.case(), "accept"), "dispatch", unit="roads")
    before = timers()
    running = {k for k in before if ":receipt:" in k or ":handling:" in k}
    assert running
    Outbox.objects.filter(key__in=before).delete()
    assert sweep.sweep().timers == len(running)
    assert timers() == running
    assert sweep.sweep().timers == 0
    clock.forward(minutes=61)
    city.run()
    assert Case.objects.get(pk=case.pk).state == "handling"


def test_a_timer_that_fired_is_not_made_again(city: City, clock: TestClock) -> None:
    city.case()
    clock.forward(minutes=8)
    city.run()
    assert sweep.sweep().timers == 0


def test_leases_of_dead_workers_are_freed(city: City, clock: TestClock) -> None:
    case = city.case()
    Outbox.objects.filter(case=case).update(lease_until=clock.at + timedelta(minutes=2), lease_by="gone:1")
    assert sweep.sweep().leases == 0
    clock.forward(minutes=3)
    assert sweep.sweep().leases == Outbox.objects.filter(case=case).count()
    assert not Outbox.objects.exclude(lease_by="").exists()


def test_old_rows_go_those_of_open_cases_stay(city: City, clock: TestClock) -> None:
    open_case = city.handled(key="one")
    closed = city.act(city.act(city.handled(), "finish"), "close")
    city.run()
    Outbox.objects.filter(kind__startswith="clock_").update(done_at=clock.at)
    clock.forward(days=31)
    assert sweep.sweep().old_rows > 0
    assert not Outbox.objects.filter(case=closed, done_at__isnull=False).exists()
    assert Outbox.objects.filter(case=open_case, done_at__isnull=False).exists(), "else its timers would fire again"
    assert not Idempotency.objects.exists()
    assert sweep.sweep().timers == 0
