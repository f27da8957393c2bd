"""What machines ask: alive, ready, figures; and who may read the figures."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from xiuhua import metrics
from xiuhua.casework import moments, write
from xiuhua.casework.models import Outbox, WorkerBeat
from xiuhua.ops import health

TOKEN = "a-token-of-more-than-twenty-characters"


def read(client: Client, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    got = client.get("/metrics", headers=headers)
    assert got.status_code == 200, got.content
    families = text_string_to_metric_families(got.content.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def beat(ago: float = 0) -> None:
    now = timezone.now()
    seen = now - timedelta(seconds=ago)
    WorkerBeat.objects.update_or_create(name="w", defaults={"started_at": now, "seen_at": seen})


def test_alive_without_a_database(client: Client) -> None:
    """No fixture of the database: asking it would fail."""
    got = client.get("/healthz")
    assert (got.status_code, got.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


def test_ready_when_all_is_well(client: Client, db: None) -> None:
    beat()
    got = client.get("/readyz")
    assert got.status_code == 200
    assert got.json() == {"ready": True, "database": "ok", "migrations": "ok", "worker": "ok", "disk": "ok"}


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_not_ready_and_why(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").json()["worker"] == "none"
    beat(ago=health.SILENCE.total_seconds() + 5)
    got = client.get("/readyz")
    assert got.status_code == 503 and got.json()["worker"] == "silent"
    beat()
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 10))
        assert client.get("/readyz").json()["disk"] == "full"

    def away() -> str:
        raise OperationalError("password=hunter2")

    monkeypatch.setattr(health, "database", away)
    got = client.get("/readyz")
    assert got.status_code == 503 and got.json()["database"] == "OperationalError"
    assert b"hunter2" not in got.content


def test_figures_are_for_this_machine_and_for_the_token(client: Client, db: None, settings: Any) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.7").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    got = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, REMOTE_ADDR="10.0.0.7")
    assert got.status_code == 200
    settings.METRICS_TOKEN = ""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert client.get("/metrics").status_code == 403, "behind a proxy everybody comes from loopback"


def test_figures_count_requests_by_route_and_never_by_address(client: Client, db: None) -> None:
    key = ("xiuhua_http_requests_total", (("method", "GET"), ("route", "login"), ("status", "200")))
    before = read(client).get(key, 0)
    client.get("/login?next=/cases/欧阳")
    client.get("/login")
    after = read(client)
    assert after[key] == before + 2
    assert not [name for name, labels in after if any("欧阳" in value for _label, value in labels)]
    assert after["xiuhua_http_requests_in_hand", ()] == 1, "the one that asks"


def test_figures_of_queue_worker_and_disk(client: Client, db: None) -> None:
    beat()
    Outbox.objects.create(**write.outbox_row("due", "notice", moments.now() - timedelta(minutes=5)))
    Outbox.objects.create(**write.outbox_row("later", "notice", moments.now() + timedelta(days=1)))
    Outbox.objects.create(**{**write.outbox_row("dead", "notice", moments.now()), "dead": True})
    found = read(client)
    assert found["xiuhua_outbox_due", ()] == 1 and found["xiuhua_outbox_dead", ()] == 1
    assert 300 <= found["xiuhua_outbox_oldest_seconds", ()] < 400
    assert found["xiuhua_workers", ()] == 1 and found["xiuhua_ready", (("question", "worker"),)] == 1
    assert found["xiuhua_disk_free_bytes", ()] > 0 and found["xiuhua_database_bytes", ()] > 0


def test_figures_of_all_processes_are_summed(client: Client, db: None) -> None:
    key = ("xiuhua_outbox_deliveries_total", (("kind", "counted"), ("result", "done")))
    program = "from xiuhua import metrics; metrics.DELIVERIES.labels('counted', 'done').inc({})"
    for amount in (2, 3):
        subprocess.run([sys.executable, "-c", program.format(amount)], check=True)
    assert read(client)[key] == 5


@pytest.mark.parametrize("given, kept", [("proxy-0123456789", True), ("short", False), ("bad id\x7f 欧", False)])
def test_every_answer_has_the_number_of_its_request(client: Client, db: None, given: str, kept: bool) -> None:
    headers = {"X-Request-ID": given}
    for path in ("/login", "/nothing/here", "/api/v1/nothing", "/healthz"):
        number = client.get(path, headers=headers).headers["X-Request-ID"]
        assert (number == given) is kept and len(number) >= 8


def test_error_pages_and_problems_tell_the_number(client: Client, db: None) -> None:
    page = client.get("/nothing/here")
    assert page.status_code == 404 and page.headers["X-Request-ID"] in page.content.decode()
    problem = client.get("/api/v1/nothing")
    assert problem.json()["request"] == problem.headers["X-Request-ID"]


def test_the_page_of_a_failure_tells_the_number(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError

    monkeypatch.setattr(health, "questions", broken)
    got = Client(raise_request_exception=False).get("/readyz")
    assert got.status_code == 500 and got.headers["X-Request-ID"] in got.content.decode()


def test_the_files_of_the_figures_have_no_holes() -> None:
    """Counting into a hole of a full disk would end the process (SIGBUS)."""
    metrics.STREAM_TOLD.inc(0)
    files = list(metrics.folder().glob("*.db"))
    assert files
    for file in files:
        found = file.stat()
        assert found.st_blocks * 512 >= found.st_size > 0, file.name


def test_a_file_of_figures_that_grows_has_no_holes_either(tmp_path: Path) -> None:
    book = metrics.values.MmapedDict(str(tmp_path / "counter_here-1.db"))
    before = (tmp_path / "counter_here-1.db").stat().st_size
    for number in range(before // 200 + 10):  # each entry takes more than 200 bytes
        book.write_value("x" * 190 + f"{number:08}", 1.0, 0.0)
    found = (tmp_path / "counter_here-1.db").stat()
    assert found.st_size == 2 * before and found.st_blocks * 512 >= found.st_size
    assert sum(value for _key, value, _time in book.read_all_values()) == before // 200 + 10
