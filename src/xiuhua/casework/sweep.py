"""The sweep: looks every few minutes for what should be queued and is not, and tidies what is done with.

Everything here can be derived from the cases, so a lost outbox row is made again under its own key, and one that
stands is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef

from xiuhua.casework import anchors, clock, clock_orders, deadlines, files, library, moments, recount, trouble, undo
from xiuhua.casework.models import Case, Idempotency, Outbox, WorkerBeat
from xiuhua.city.calendar import calendar_for

BATCH = 500
#: Delivered rows of ended cases, and answers of idempotent requests, are kept so long.
KEEP = timedelta(days=30)


@dataclass
class Swept:
    """What a sweep did."""

    timers: int = 0
    leases: int = 0
    orders: int = 0
    calendars: int = 0
    old_rows: int = 0
    old_files: int = 0

    def __str__(self) -> str:
        return (
            f"{self.timers} lost timers made again, {self.leases} leases freed, {self.orders} cases brought under clock "
            f"orders, {self.calendars} counted on a new calendar, {self.old_rows} old rows and {self.old_files} forgotten files removed"
        )

    def __bool__(self) -> bool:
        return any(vars(self).values())


def sweep() -> Swept:
    """1. effects held by an undo that died; 2. leases of workers that died; 3. lost timers; 4. notices and clock orders
    that did not reach a case; 5. the hour's anchor; 6. old rows and forgotten files."""
    swept = Swept(leases=undo.settle_held() + free_leases(), timers=find_lost_timers())
    swept.calendars = recount.repair()
    swept.orders = sum(clock_orders.spread(order) for order in clock_orders.to_repair())
    anchors.schedule()
    swept.old_rows = forget_old()
    swept.old_files = files.collect_garbage().files
    return swept


STUCK = "the worker that had taken it ended or took longer than its lease"


def free_leases() -> int:
    """Leases that have run out: the worker died, the row may be taken at once (it may be anyway).

    A row under which one worker after the other dies is dead after as many attempts as any other, so it cannot take
    the house down for ever; it is shown among what failed.
    """
    freed, now = 0, moments.now()
    stuck = Outbox.objects.filter(done_at__isnull=True, dead=False, lease_until__lt=now)
    for row in stuck.exclude(lease_by__startswith=undo.PREFIX):
        mine = Outbox.objects.filter(
            pk=row.pk, lease_by=row.lease_by, lease_until=row.lease_until, done_at__isnull=True
        )
        freed += mine.update(
            lease_until=None,
            lease_by="",
            last_error=STUCK,
            dead=row.attempts >= trouble.MAX_ATTEMPTS,
        )
    return freed


def find_lost_timers() -> int:
    """Make the missing outbox rows of running clocks of open cases."""
    made, batch = 0, []
    for case in Case.objects.filter(open=True).exclude(clocks={}).order_by("pk").iterator(chunk_size=BATCH):
        clocks = clock.from_json(case.clocks)
        calendar = calendar_for(case.platform_id, case.calendar_version)
        batch += [Outbox(**row) for row in deadlines.timers(case, clocks, library.version(case.procedure_id), calendar)]
        if len(batch) >= BATCH:
            made += _make_missing(batch)
            batch = []
    return made + _make_missing(batch)


def _make_missing(rows: list[Outbox]) -> int:
    standing = set(Outbox.objects.filter(key__in=[row.key for row in rows]).values_list("key", flat=True))
    missing = [row for row in rows if row.key not in standing]
    Outbox.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def forget_old() -> int:
    """Delivered rows of cases that ended, or of none, and answered requests, after `KEEP`."""
    before = moments.now() - KEEP
    open_case = Case.objects.filter(pk=OuterRef("case_id"), open=True)
    rows = Outbox.objects.filter(done_at__lt=before).exclude(Exists(open_case))
    WorkerBeat.objects.filter(seen_at__lt=moments.now() - timedelta(days=1)).delete()  # of workers that were killed
    return rows.delete()[0] + Idempotency.objects.filter(at__lt=before).delete()[0]
