"""The duty chief's overview: how the platform stands now, counted by the database, one statement a part.

Every figure is of cases that the reader may see; tasks are not counted beside the case they belong to. Office figures of
assessment are not made here: these are counts of the present hour, each with the list that it counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import TruncHour

from xiuhua.casework import permits
from xiuhua.casework.models import Case, Outbox, WorkerBeat
from xiuhua.city.access import Actor
from xiuhua.command import duty

SOON = timedelta(hours=2)
HOURS = 24
#: Units named in the table of those with most overdue.
UNITS = 12


@dataclass(frozen=True)
class Figures:
    """``now``: counts by name; ``states``, ``counties``, ``units``: rows of code and counts; ``hours``: oldest first."""

    now: dict[str, int]
    states: list[dict[str, Any]]
    counties: list[dict[str, Any]]
    units: list[dict[str, Any]]
    hours: list[tuple[datetime, int, int]]
    house: dict[str, Any]


def figures(actor: Actor, now: datetime) -> Figures:
    """All parts; seven statements whatever the city's size."""
    seen = permits.visible(actor).filter(parent__isnull=True)
    waiting = seen.filter(open=True)
    late = Q(due_at__lt=now)
    urgent = Q(urgency__in=("urgent", "very_urgent"))
    midnight = duty.end_of_day(now) - timedelta(days=1)
    counts = waiting.aggregate(
        open=Count("pk"),
        overdue=Count("pk", filter=late),
        soon=Count("pk", filter=Q(due_at__gte=now, due_at__lt=now + SOON)),
        urgent=Count("pk", filter=urgent),
        supervised=Count("pk", filter=Q(supervised__gt=0)),
        paused=Count("pk", filter=Q(paused=True)),
    )
    hours = _hours(seen, now)
    since = [hour for hour in hours if hour[0] >= midnight]
    today = {"reported": sum(n for _hour, n, _c in since), "closed": sum(n for _hour, _r, n in since)}

    def table(*by: str) -> QuerySet[Any, dict[str, Any]]:
        rows = waiting.order_by().values(*by)
        return rows.annotate(n=Count("pk"), overdue=Count("pk", filter=late), urgent=Count("pk", filter=urgent))

    return Figures(
        {**counts, **today},
        list(table("procedure_id", "state").order_by("-n")),
        list(table("county").order_by("-n")),
        list(table("responsible_org_id").filter(responsible_org__isnull=False).order_by("-overdue", "-n")[:UNITS]),
        hours,
        house(now),
    )


def _hours(seen: QuerySet[Case], now: datetime) -> list[tuple[datetime, int, int]]:
    """Reported and closed in each of the last 24 hours of the clock, the present one last."""
    this = now.astimezone(duty.LOCAL).replace(minute=0, second=0, microsecond=0)
    first = this - timedelta(hours=HOURS - 1)
    # What was reported or closed since then has been changed since then, and of that there is an index.
    changed = seen.filter(updated_at__gte=first).order_by()
    pairs = changed.annotate(
        reported=TruncHour("reported_at", tzinfo=duty.LOCAL), closed=TruncHour("closed_at", tzinfo=duty.LOCAL)
    )
    came, ended = Counter[datetime | None](), Counter[datetime | None]()
    for reported, closed, n in pairs.values_list("reported", "closed").annotate(n=Count("pk")):
        came[reported] += n
        ended[closed] += n
    hours = [first + timedelta(hours=n) for n in range(HOURS)]
    return [(hour, came[hour], ended[hour]) for hour in hours]


def house(now: datetime) -> dict[str, Any]:
    """Whether effects leave: the last sign of a worker, what waits beyond its time, what has failed. Two statements."""
    last = WorkerBeat.objects.order_by("-seen_at").values_list("seen_at", flat=True).first()
    undone = Outbox.objects.filter(done_at__isnull=True)
    rows = undone.aggregate(
        failed=Count("pk", filter=Q(dead=True) | ~Q(last_error="")),
        late=Count("pk", filter=Q(dead=False, run_at__lt=now - timedelta(minutes=1))),
        since=Min("run_at", filter=Q(dead=False, run_at__lt=now - timedelta(minutes=1))),
    )
    return {"worker": last, **rows}
