"""When a new calendar notice is loaded, open cases whose deadlines move are counted again, each by an event.

The notice's transaction only queues one outbox row; the worker then looks through the open cases and queues those for
whom anything changes, which the sweep would find again if that were lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from xiuhua.casework import clock, clock_count, library, moments, write
from xiuhua.casework.models import Case, Outbox
from xiuhua.casework.registry import outbox
from xiuhua.city.calendar import WorkCalendar, calendar_for, on_calendar_change
from xiuhua.city.models import CalendarNotice, Platform
from xiuhua.manifest import Text

KIND = "recount_calendar"
BATCH = 500


class CalendarNotSeen(RuntimeError):
    """The notice is in the database, and the calendar in memory is still the one before; a second later it is not."""


def calendar_changed(platform_id: int | None, version: int) -> None:
    """Registered with the calendar: queue one look through the open cases, in the notice's own transaction."""
    row = write.outbox_row(
        f"calendar:{version}", KIND, moments.now(), None, {"platform": platform_id, "version": version}
    )
    Outbox.objects.bulk_create([Outbox(**row)], ignore_conflicts=True)


if calendar_changed not in on_calendar_change:
    on_calendar_change.append(calendar_changed)


@outbox(KIND, title=Text("按新日历重算时限", "Deadlines follow a new calendar"))
def look_through(row: Outbox) -> None:
    """Queue a recount for every open case whose deadlines or marks differ on the new calendar."""
    platform_id, version = row.payload["platform"], row.payload["version"]
    if calendar_for(platform_id).version < version:
        raise CalendarNotSeen(f"this process does not have calendar version {version} in memory yet")
    spread(platform_id, version)


def repair() -> int:
    """For the sweep: cases that a process with the old calendar in memory counted after the look through."""
    lately = CalendarNotice.objects.filter(loaded_at__gte=timezone.now() - timedelta(hours=1)).order_by("-pk").first()
    return spread(lately.platform_id, lately.pk) if lately is not None else 0


def spread(platform_id: int | None, version: int) -> int:
    """Returns how many cases were queued; what was queued for this version before is not queued again."""
    queued, batch = 0, []
    cases = Case.objects.filter(open=True, calendar_version__lt=version).exclude(clocks={})
    if platform_id is not None:
        below = Platform.objects.filter(Q(pk=platform_id) | Q(parent_id=platform_id)).values("pk")
        cases = cases.filter(platform_id__in=below)
    for case in cases.order_by("pk").iterator(chunk_size=BATCH):
        after = calendar_for(case.platform_id)
        if after.version >= version and moves(case, calendar_for(case.platform_id, case.calendar_version), after):
            about = {
                "ops": [["recount", after.version]],
                "note": {"calendar": after.version},
                "calendar": after.version,
            }
            key = f"calendar:{version}:{case.pk}:{case.seq}"
            batch.append(Outbox(**write.outbox_row(key, "recount_case", moments.now(), case.pk, about)))
        if len(batch) >= BATCH:
            queued += _queue(batch)
            batch = []
    return queued + _queue(batch)


def _queue(rows: list[Outbox]) -> int:
    with transaction.atomic():
        Outbox.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def moves(case: Case, before: WorkCalendar, after: WorkCalendar) -> bool:
    """Whether an unfinished clock of the case has another deadline or warning under the other calendar."""
    rules = library.version(case.procedure_id)
    for name, state in clock.from_json(case.clocks).items():
        if state.finished is not None:
            continue
        warn = rules.clocks[name].warn if name in rules.clocks else ()
        if _says(state, before, warn) != _says(state, after, warn):
            return True
    return False


def _says(state: clock.ClockState, calendar: WorkCalendar, warn: Any) -> tuple[Any, ...]:
    return (
        clock_count.due(state, calendar),
        clock_count.marks(state, calendar, warn),
        clock_count.original_due(state, calendar),
    )
