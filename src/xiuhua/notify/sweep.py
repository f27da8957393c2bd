"""Once a day: links that have ended and old lines of people's lists go.

A row of the outbox wakes it. Every notice queues the next day's, and the sweep itself while anything is left, so no timer
is needed and an idle house has none. The words of notices belong to their cases: retention erases them with these, by
its own periods and under its legal holds (`personal_stores.py`); who was told and who answered stays.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from xiuhua.casework import moments, write
from xiuhua.casework.models import Outbox
from xiuhua.casework.registry import outbox
from xiuhua.manifest import Text
from xiuhua.notify.models import Link, Reader

KIND = "notice_sweep"
#: So long after its end a link is kept, that a question about it can be answered.
LINKS = timedelta(days=7)
#: So long a notice of a case that is over stands in people's lists.
LINES = timedelta(days=180)
BATCH = 5_000


def wake_up() -> dict[str, Any]:
    """The row of the next day's sweep; its key makes it one."""
    day = moments.now().astimezone(UTC).replace(hour=19, minute=0, second=0, microsecond=0)  # 03:00 in China
    at: datetime = day if day > moments.now() else day + timedelta(days=1)
    return write.outbox_row(f"{KIND}:{at:%Y%m%d}", KIND, at)


@outbox(KIND, title=Text("清理过期通知", "Old links and lines of notices are swept"))
def sweep(_row: Outbox) -> None:
    now = moments.now()
    ended = Link.objects.filter(expires_at__lt=now - LINKS).order_by("expires_at").values_list("pk", flat=True)
    Link.objects.filter(pk__in=list(ended[:BATCH])).delete()
    old = (
        Reader.objects.filter(notice__made_at__lt=now - LINES, notice__case__open=False)
        .order_by("id")
        .values_list("pk", flat=True)
    )
    Reader.objects.filter(pk__in=list(old[:BATCH])).delete()
    if Link.objects.exists() or Reader.objects.exists():
        Outbox.objects.bulk_create([Outbox(**wake_up())], ignore_conflicts=True)
