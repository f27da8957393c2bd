"""Clock orders (停表令): one signed row stops the clocks of an area and its classes for a time.

An order of a platform covers its own cases and those of the platforms below it. It reaches open cases as one
outbox row each, which appends an event, and cases that start a clock later through the table in memory. Matching:
``division_prefixes`` are prefixes of the case's community, sub-district or county; ``class_prefixes`` are
``kind:code`` prefixes ("event", "component:01", "component:01001"); an empty list covers everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from xiuhua.casework import clock, deliver, moments, write
from xiuhua.casework.models import Case, ClockOrder, Outbox
from xiuhua.casework.moments import to_us
from xiuhua.casework.refusal import FieldError, Refusal, Refused
from xiuhua.casework.registry import outbox
from xiuhua.city import categories, memory
from xiuhua.city.access import Actor
from xiuhua.city.models import Platform
from xiuhua.manifest import Text

TABLE = "clock_orders"
PERMISSION = "clockorder.issue"
BATCH = 500
#: How long an order that has ended is still laid on clocks that were started before a process had seen it.
LATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Order:
    """An order as clocks see it; instants in UTC microseconds."""

    id: int
    ref: str
    platforms: frozenset[int]
    divisions: tuple[str, ...]
    classes: tuple[str, ...]
    start: int
    to: int | None

    def covers(self, columns: Mapping[str, Any]) -> bool:
        """Whether a case with these columns stands under the order."""
        if columns.get("platform_id") not in self.platforms:
            return False
        if self.divisions:
            codes = [str(columns.get(c) or "") for c in ("community", "sub_district", "county")]
            if not any(code.startswith(prefix) for code in codes if code for prefix in self.divisions):
                return False
        if self.classes:
            row = categories.catalogue().by_id.get(columns.get("category_id") or 0)
            name = f"{row.kind}:{row.code}" if row is not None else f"{columns.get('kind') or ''}:"
            return any(name.startswith(prefix) for prefix in self.classes)
        return True

    def stop(self) -> tuple[int, int | None, str]:
        return self.start, self.to, self.ref


def _build() -> tuple[Order, ...]:
    rows = ClockOrder.objects.filter(cancelled=False).exclude(ends_at__lt=moments.now() - LATE).order_by("pk")
    return tuple(map(order_of, rows))


def order_of(row: ClockOrder) -> Order:
    return Order(
        id=row.pk,
        ref=row.document_number,
        platforms=frozenset(_below(row.platform_id)),
        divisions=tuple(row.division_prefixes),
        classes=tuple(row.class_prefixes),
        start=_second(row.starts_at),
        to=_second(row.ends_at) if row.ends_at else None,
    )


def _second(at: datetime) -> int:
    return to_us(at) // clock.MICRO * clock.MICRO  # as clocks keep it


def _below(platform_id: int) -> Iterator[int]:
    yield platform_id
    for pk in Platform.objects.filter(parent_id=platform_id).values_list("pk", flat=True):
        yield from _below(pk)


_table = memory.Table(TABLE, _build)


def stops_for(columns: Mapping[str, Any], at: int) -> list[tuple[int, int | None, str]]:
    """Stops to lay on a clock that starts at ``at`` in a case with these columns."""
    return [o.stop() for o in _table.get() if (o.to is None or o.to > at) and o.covers(columns)]


# --- issuing ----------------------------------------------------------------------------------------------------


def issue(
    platform: Platform,
    actor: Actor,
    *,
    document_number: str,
    signatory: str,
    starts_at: datetime,
    ends_at: datetime | None = None,
    division_prefixes: Sequence[str] = (),
    class_prefixes: Sequence[str] = (),
    reason: str = "",
) -> ClockOrder:
    """Issue an order and queue it for every open case that it covers. Raises `Refused`."""
    _require(actor, platform)
    errors = [
        FieldError(n, _("This is needed."))
        for n, v in (("document_number", document_number), ("signatory", signatory))
        if not v.strip()
    ]
    if ends_at is not None and ends_at <= starts_at:
        errors.append(FieldError("ends_at", _("The end must be after the beginning.")))
    errors += [
        FieldError("division_prefixes", _("“%s” is no division code.") % p)
        for p in division_prefixes
        if not p.isdigit()
    ]
    errors += [
        FieldError("class_prefixes", _("“%s” is no class; write event, component or component:01.") % p)
        for p in class_prefixes
        if p.partition(":")[0] not in ("event", "component")
    ]
    if errors:
        raise Refused(Refusal("invalid", _("Some answers are missing or wrong."), missing=tuple(errors)))
    assert actor.user_id is not None
    try:
        with transaction.atomic():
            row = ClockOrder.objects.create(
                platform=platform,
                document_number=document_number.strip(),
                signatory=signatory.strip(),
                reason=reason,
                division_prefixes=list(division_prefixes),
                class_prefixes=list(class_prefixes),
                starts_at=starts_at,
                ends_at=ends_at,
                issued_by_id=actor.user_id,
                issued_at=moments.now(),
            )
            memory.bump(TABLE)
    except IntegrityError:
        taken = FieldError("document_number", _("There is an order of this number already."))
        raise Refused(Refusal("invalid", taken.message, missing=(taken,))) from None
    spread(row)
    return row


def close(order: ClockOrder, actor: Actor, ends_at: datetime) -> int:
    """Give an order another end; clocks run again from there. Returns how many cases were queued."""
    _require(actor, order.platform)
    if ends_at <= order.starts_at:
        raise Refused(Refusal("invalid", _("The end must be after the beginning. To take an order back, cancel it.")))
    return _changed(order, ends_at=ends_at)


def cancel(order: ClockOrder, actor: Actor) -> int:
    """Take an order back as if it had never stopped a clock that is still unfinished."""
    _require(actor, order.platform)
    return _changed(order, cancelled=True)


def _changed(order: ClockOrder, **values: Any) -> int:
    with transaction.atomic():
        ClockOrder.objects.filter(pk=order.pk).update(**values)
        memory.bump(TABLE)
    order.refresh_from_db()
    return spread(order)


def _require(actor: Actor, platform: Platform) -> None:
    seats = {seat.platform_id for seat in actor.seats_with(PERMISSION)}
    if actor.kind != "system" and not seats & {platform.pk, platform.parent_id}:
        raise Refused(Refusal("not_yours", _("You may not issue clock orders for this platform.")))


def spread(row: ClockOrder) -> int:
    """Queue a look at each open case whose unfinished clocks are not yet as the order says.

    May be repeated at any time: what stands already is left alone (the sweep repairs what a crash left out).
    """
    order, queued = order_of(row), 0
    batch: list[Outbox] = []
    cases = Case.objects.filter(open=True, platform_id__in=order.platforms).order_by("pk")
    for case in cases.iterator(chunk_size=BATCH):
        if not _ops(row, order, case):
            continue
        key = f"order:{row.pk}:{'cancelled' if row.cancelled else order.to}:{case.pk}:{case.seq}"
        batch.append(Outbox(**write.outbox_row(key, "clock_order", moments.now(), case.pk, {"order": row.pk})))
        if len(batch) >= BATCH:
            queued += _queue(batch)
            batch = []
    return queued + _queue(batch)


def _ops(row: ClockOrder, order: Order, case: Case) -> list[list[Any]]:
    """Operations that bring the unfinished clocks of a case to what the order says now."""
    if not row.cancelled and not order.covers(vars(case)):
        return []
    wanted = None if row.cancelled else clock.Stop(*order.stop())
    ops = []
    for name, state in clock.from_json(case.clocks).items():
        if state.finished is not None:
            continue
        laid = next((s for s in state.stops if s.ref == order.ref), None)
        over = laid is None and wanted is not None and wanted.to is not None and wanted.to <= state.started
        if laid != wanted and not over:
            ops.append(["stop", name, order.start, order.start if row.cancelled else order.to, order.ref])
    return ops


def _queue(rows: list[Outbox]) -> int:
    with transaction.atomic():
        Outbox.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


@outbox("clock_order", title=Text("停表令生效", "A clock order takes effect"))
def reach_case(job: Outbox) -> None:
    """One case under a clock order: its clocks are stopped, or run again, as the order stands at delivery."""
    row = ClockOrder.objects.get(pk=job.payload["order"])
    assert job.case_id is not None
    case = Case.objects.get(pk=job.case_id)
    if case.open and (ops := _ops(row, order_of(row), case)):
        deliver.recount(case, ops, job.key, {"order": row.document_number})


def to_repair() -> list[ClockOrder]:
    """Orders whose effect may still be missing somewhere: those in force, just ended, or cancelled of late."""
    now = moments.now()
    recent = Q(cancelled=False) & (Q(ends_at__isnull=True) | Q(ends_at__gte=now - LATE))
    return list(ClockOrder.objects.filter(recent | Q(cancelled=True, issued_at__gte=now - timedelta(days=60))))
