"""What is worked out when Prometheus asks: queue, workers, cases, disk. What processes count stands in `xiuhua.metrics`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Q
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from xiuhua.casework import moments
from xiuhua.casework.models import Case, Outbox, WorkerBeat
from xiuhua.ops import health


class Figures(Collector):
    """Five statements, each on an index of what is open or waiting."""

    def collect(self) -> Iterator[Metric]:
        now = moments.now()
        answers = GaugeMetricFamily(
            "xiuhua_ready", "1 when the question of /readyz is answered well.", labels=["question"]
        )
        for answer in health.questions():
            answers.add_metric([answer.name], float(answer.ok))
        yield answers
        waiting = Outbox.objects.filter(done_at__isnull=True, dead=False, run_at__lte=now)
        due = waiting.aggregate(count=Count("pk"), oldest=Min("run_at"))
        yield _gauge("xiuhua_outbox_due", "Effects that are due and wait for a worker.", due["count"])
        age = (now - due["oldest"]).total_seconds() if due["oldest"] else 0.0
        yield _gauge("xiuhua_outbox_oldest_seconds", "How long the oldest of them has been due.", age)
        dead = Outbox.objects.filter(dead=True).count()
        yield _gauge("xiuhua_outbox_dead", "Effects that were given up and wait for a person.", dead)
        seen = WorkerBeat.objects.filter(seen_at__gte=now - health.SILENCE).count()
        yield _gauge("xiuhua_workers", "Workers that were seen lately.", seen)
        cases = Case.objects.filter(open=True).aggregate(
            open=Count("pk"), overdue=Count("pk", filter=Q(due_at__lt=now, paused=False))
        )
        yield _gauge("xiuhua_cases_open", "Open cases of all procedures.", cases["open"])
        yield _gauge("xiuhua_cases_overdue", "Open cases whose clock has run out.", cases["overdue"])
        disk = shutil.disk_usage(settings.DATA_DIR)
        yield _gauge("xiuhua_disk_free_bytes", "Free bytes where the data folder lies.", disk.free)
        yield _gauge("xiuhua_database_bytes", "Size of the database.", database_bytes())


def database_bytes() -> int:
    """Size of the whole database, the free pages inside it included."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        else:
            cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=float(value))
