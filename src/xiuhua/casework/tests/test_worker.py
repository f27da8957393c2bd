"""A worker that is told to stop finishes the row in hand, takes no other, and gives back what does not end."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest

from xiuhua.casework import deliver, moments, registry, worker, write
from xiuhua.casework.models import Outbox, WorkerBeat


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    yield
    signal.alarm(0)
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def rows(transactional_db: None) -> list[Outbox]:
    return [Outbox.objects.create(**write.outbox_row(f"w{n}", "told", moments.now())) for n in range(3)]


def handle(monkeypatch: pytest.MonkeyPatch, what: object) -> None:
    monkeypatch.setitem(registry._handlers, "told", registry.Registered("told", what, ""))  # type: ignore[arg-type]


def test_the_row_in_hand_is_finished_and_no_other_taken(rows: list[Outbox], monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def told(row: Outbox) -> None:
        signal.raise_signal(signal.SIGTERM)
        assert WorkerBeat.objects.filter(name=deliver.ME).exists()
        done.append(row.pk)

    handle(monkeypatch, told)
    assert worker.main([]) == 0
    assert len(done) == 1
    left = Outbox.objects.filter(done_at__isnull=True)
    assert {(row.attempts, row.lease_by) for row in left} == {(0, "")} and left.count() == 2
    assert not WorkerBeat.objects.exists(), "nobody waits for a worker that stopped"


def test_what_does_not_end_is_given_back(rows: list[Outbox], monkeypatch: pytest.MonkeyPatch) -> None:
    def told(row: Outbox) -> None:
        signal.raise_signal(signal.SIGTERM)
        assert signal.alarm(0) > 0, "the grace runs"
        signal.raise_signal(signal.SIGALRM)

    handle(monkeypatch, told)
    assert worker.main([]) == 0
    assert {(r.attempts, r.lease_by, r.lease_until, r.done_at) for r in Outbox.objects.all()} == {(0, "", None, None)}
    handle(monkeypatch, lambda row: None)
    assert deliver.run_due() == 3


def test_a_row_carries_the_number_of_its_request_into_the_workers_log(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from xiuhua import logs, request_id

    with request_id.of("0123456789abcdef"):
        Outbox.objects.create(**write.outbox_row("with", "told", moments.now(), None, {"about": "x"}))
    said = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(logs.JsonFormatter().format(record))

    def told(row: Outbox) -> None:
        raise ValueError("欧阳测试壹贰 13871234567")

    handle(monkeypatch, told)
    keep = Keep()
    deliver.log.addHandler(keep)
    try:
        assert deliver.run_due() == 1
    finally:
        deliver.log.removeHandler(keep)
    assert '"request": "0123456789abcdef"' in said[0] and "ValueError" in said[0]
    assert "欧阳" not in said[0] and "13871234567" not in said[0]
