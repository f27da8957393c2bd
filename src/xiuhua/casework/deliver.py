"""Delivering outbox rows: claim, do, mark; and the engine's own effects.

A row is claimed by one conditional UPDATE, so any number of workers may run. A failed row comes back with a
growing pause and is dead after `MAX_ATTEMPTS` (`trouble.py`), shown to the operators and retryable. In each case the rows
go in order: a row waits while an earlier one of its case is due or has failed and comes again; kinds registered with
``in_order=False`` (messages to people) neither wait nor make others wait. A worker that was away longer than its lease
does not finish what another has taken over.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q
from django.utils import translation

from xiuhua import metrics, request_id
from xiuhua.casework import clock, clock_count, moments, registry, trouble
from xiuhua.casework.context import Extra
from xiuhua.casework.models import Case, Event, Outbox, Payload
from xiuhua.casework.moments import to_us
from xiuhua.casework.refusal import Refused
from xiuhua.casework.registry import outbox
from xiuhua.city.access import SYSTEM
from xiuhua.city.calendar import calendar_for
from xiuhua.database import prepared_cursor
from xiuhua.manifest import Text

log = logging.getLogger("xiuhua.outbox")
LEASE = timedelta(minutes=2)
MAX_ATTEMPTS = trouble.MAX_ATTEMPTS
#: How the last error of a row begins that a person gave up.
GIVEN_UP = "given up by"
ME = f"{socket.gethostname()[:30]}:{os.getpid()}"
_claims = count(1)
_WHENEVER = datetime(9999, 1, 1, tzinfo=UTC)


def at_once(keys: list[str]) -> None:
    """Deliver rows right after their commit; what fails stays for the worker."""
    if not keys:
        return
    rows = Outbox.objects.filter(key__in=keys, done_at__isnull=True, dead=False)
    # One that failed before goes first, with its own pause; what follows it waits for the worker.
    failed = Outbox.objects.filter(_same_case_before(), attempts__gt=0, done_at__isnull=True, dead=False)
    for row in rows.exclude(Exists(failed)).order_by("id"):
        deliver(row)


def _same_case_before() -> Q:
    return Q(case_id=OuterRef("case_id"), id__lt=OuterRef("id")) & ~Q(kind__in=registry.unordered_kinds())


class GivenBack(BaseException):
    """Raised into a handler that does not end in time when the worker has to: its row is free at once."""


def run_due(limit: int = 200, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Deliver what is due, oldest first; returns how many rows were taken. ``goes_on`` is asked before each row."""
    now = moments.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    earlier = Outbox.objects.filter(_same_case_before(), done_at__isnull=True, dead=False).filter(
        Q(run_at__lte=now) | Q(attempts__gt=0)
    )
    rows = (
        Outbox.objects.filter(free, done_at__isnull=True, dead=False, run_at__lte=now, attempts__lt=MAX_ATTEMPTS)
        .filter(Q(case_id__isnull=True) | Q(kind__in=registry.unordered_kinds()) | ~Exists(earlier))
        .order_by("run_at", "id")[:limit]
    )
    return sum(deliver(row, due=now) for row in takewhile(lambda _row: goes_on(), list(rows)))


def deliver(row: Outbox, due: datetime | None = None) -> bool:
    """Claim and deliver one row; False when somebody else has it, or has put it off beyond ``due``."""
    now, claim = moments.now(), f"{ME}:{next(_claims)}"
    attempts = _claim(row.pk, claim, now, due or _WHENEVER)
    if attempts is None:
        return False
    row.attempts = attempts
    mine = Outbox.objects.filter(pk=row.pk, lease_by=claim)
    began = time.perf_counter()
    with request_id.of(str(row.payload.get("request", ""))):
        try:
            with translation.override("zh-hans"):
                registry.handler(row.kind)(row)
        except GivenBack:
            mine.update(lease_until=None, lease_by="", attempts=F("attempts") - 1)
            log.warning("outbox %s (%s) is given back unfinished", row.pk, row.kind)
            raise
        except Exception as error:  # whatever a handler raises is kept and shown, and the row comes back
            dead = trouble.is_dead(error, row.attempts)
            mine.update(
                lease_until=None,
                lease_by="",
                last_error=trouble.words(error),
                dead=dead,
                run_at=now + trouble.wait_after(error, row.attempts),
            )
            metrics.DELIVERIES.labels(row.kind, "dead" if dead else "failed").inc()
            fields = {"outbox": row.pk, "kind": row.kind, "attempt": row.attempts, "dead": dead}
            log.warning("an effect failed", exc_info=True, extra={"fields": fields})
            return True
    metrics.DELIVERIES.labels(row.kind, "done").inc()
    metrics.DELIVERY_SECONDS.labels(row.kind).observe(time.perf_counter() - began)
    _done(row.pk, claim, moments.now())
    return True


# Written out, because these two are asked for every effect.


def _claim(pk: int, claim: str, now: datetime, due: datetime) -> int | None:
    """Take a row that is free and due; which attempt this is, None when it is not to be had."""
    moment = connection.ops.adapt_datetimefield_value
    with prepared_cursor(connection) as cursor:
        # What killed so many workers is not taken again: the sweep calls it dead.
        cursor.execute(
            "UPDATE casework_outbox SET lease_until = %s, lease_by = %s, attempts = attempts + 1 "
            "WHERE id = %s AND done_at IS NULL AND NOT dead AND attempts < %s AND run_at <= %s "
            "AND (lease_until IS NULL OR lease_until < %s) RETURNING attempts",
            [moment(now + LEASE), claim, pk, MAX_ATTEMPTS, moment(due), moment(now)],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _done(pk: int, claim: str, now: datetime) -> None:
    with prepared_cursor(connection) as cursor:
        cursor.execute(
            "UPDATE casework_outbox SET done_at = %s, lease_until = NULL, lease_by = '', last_error = '' "
            "WHERE id = %s AND lease_by = %s",
            [connection.ops.adapt_datetimefield_value(now), pk, claim],
        )


def retry(row: Outbox, by: str = "system") -> bool:
    """Give a failed or dead row another life now; False when it is done or in somebody's hands."""
    now = moments.now()
    free = Outbox.objects.filter(pk=row.pk, done_at__isnull=True)
    done = free.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now)).update(
        dead=False, attempts=0, run_at=now, lease_until=None, lease_by=""
    )
    if done:
        log.info("outbox %s (%s) is tried again by %s", row.pk, row.kind, by)
    return bool(done)


def give_up(row: Outbox, by: str) -> bool:
    """Stop trying a failed row; False when it is done, dead already or in somebody's hands. It stays in the list.

    Only what failed can be given up: what waits for its time is part of a procedure.
    """
    now = moments.now()
    failing = Outbox.objects.filter(pk=row.pk, done_at__isnull=True, dead=False).exclude(last_error="")
    done = failing.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now)).update(
        dead=True, lease_until=None, lease_by="", last_error=f"{GIVEN_UP} {by}: {row.last_error}"[:2000]
    )
    if done:
        log.info("outbox %s (%s) is given up by %s", row.pk, row.kind, by)
    return bool(done)


def _system(
    case: Case | int,
    action: str,
    key: str,
    data: dict[str, Any] | None = None,
    extra: Extra | None = None,
    seq: int | None = None,
) -> bool:
    """An action by the engine; False when it is refused. Raises when the case moved on since event ``seq``."""
    from xiuhua.casework.engine import advance

    try:
        advance(case, action, SYSTEM, data or {}, key=key, door="system", extra=extra or Extra(), seq=seq)
    except Refused as refused:
        if refused.refusal.code == "stale":
            raise  # what was worked out no longer fits: the row comes again
        log.info("system action %s refused on %s: %s", action, case, refused.refusal.code)
        return False
    return True


def _case(row: Outbox) -> Case:
    """The case that an effect is about."""
    assert row.case_id is not None
    return Case.objects.get(pk=row.case_id)


# --- the engine's own effects -----------------------------------------------------------------------------------


@outbox("join", title=Text("子任务办结并入主案", "A task's end reaches its case"))
def join(row: Outbox) -> None:
    """A child has ended: the parent takes the action that the spawn named, or just notes the end."""
    child = _case(row)
    assert child.parent_id is not None
    payload = Payload.objects.filter(event_id=int(row.payload["event"])).first()
    action, data, extra = joining(child, payload.body if payload else "")
    if action and _system(child.parent_id, action, row.key, data, extra):
        return
    _system(child.parent_id, "child_ended", f"{row.key}:noted", extra=extra)


def joining(child: Case, payload: str) -> tuple[str, dict[str, Any], Extra]:
    """What an ended child asks of its parent: action ("" for none), answers, and the end to be noted.

    ``$field`` of the spawn's on_end: the answers of the child's last event, else its facts and columns.
    """
    answers = json.loads(payload).get("answers", {}) if payload else {}

    def find(value: Any) -> Any:
        if not (isinstance(value, str) and value.startswith("$")):
            return value
        name = value[1:]
        return answers.get(name, child.facts.get(name, getattr(child, name, None)))

    ended = {"relation": child.relation, "outcome": child.outcome, "number": child.number, "lead": child.lead}
    action, data = (child.facts.get("on_end") or {}).get(child.outcome, ["", {}])
    given = {name: found for name, value in data.items() if (found := find(value)) is not None}
    return action, given, Extra(child=ended)


@outbox("cancel_children", title=Text("取消子任务", "Open tasks are cancelled"))
def cancel_children(row: Outbox) -> None:
    """The parent has ended, or takes back the tasks of one relation: what is open below is cancelled."""
    below = Case.objects.filter(parent_id=row.case_id, open=True)
    if relation := row.payload.get("about"):
        below = below.filter(relation=relation)
    for child in below:
        if not child.facts.get("independent"):
            _system(child, "cancel", f"{row.key}:{child.pk}")


@outbox("tally", title=Text("会签表决有结果", "A vote is decided"))
def tally_met(row: Outbox) -> None:
    """A collect state is decided."""
    assert row.case_id is not None
    _system(row.case_id, row.payload["about"], row.key)


@outbox("share_clock", title=Text("子任务时限随主案调整", "Tasks follow the case's deadline"))
def share_clock(row: Outbox) -> None:
    """The parent's deadline moved: children under the same clock are counted again."""
    parent = _case(row)
    for child in Case.objects.filter(parent_id=parent.pk, open=True):
        if ops := shared_ops(parent, child):
            recount(child, ops, f"{row.key}:{child.pk}", {"parent": parent.number})


def shared_ops(parent: Case, child: Case) -> list[list[Any]]:
    """Operations by which a child's clocks of limit ``parent`` take what is left of the parent's."""
    from xiuhua.casework import deadlines, library

    at = to_us(moments.now())
    names = [n for n, r in library.version(child.procedure_id).clocks.items() if r.limit.kind == "parent"]
    own = clock.from_json(child.clocks)
    limit = deadlines.left_of_parent(parent, calendar_for(parent.platform_id), at)
    calendar = calendar_for(child.platform_id)
    return [clock.start_op(n, limit, at, calendar, restart=True) for n in names if n in own and own[n].finished is None]


def recount(case: Case, ops: list[list[Any]], key: str, note: dict[str, Any], version: int | None = None) -> bool:
    """Append a recount event: new clock operations and the deadlines that follow."""
    calendar = calendar_for(case.platform_id, version)
    if version is not None and calendar.version < version:
        raise RuntimeError(f"calendar version {version} is not in memory yet")
    return _system(case, "recount", key, extra=Extra(ops=ops, note=note, calendar=calendar), seq=case.seq)


@outbox("clock_warning", title=Text("时限预警", "Time warning"))
def clock_warning(row: Outbox) -> None:
    """A share of a limit is used up: said once, if it is still true."""
    case = _case(row)
    state = clock.from_json(case.clocks).get(row.payload["clock"])
    if not case.open or state is None or not state.running or state.round != row.payload["round"]:
        return
    percent = row.payload["percent"]
    at = clock_count.marks(state, calendar_for(case.platform_id), [percent])[percent]
    if at != row.payload["at"]:
        return
    note = {"clock": row.payload["clock"], "percent": percent}
    _system(
        case,
        "clock_warning",
        row.key,
        extra=Extra(note=note, columns={"warned": max(case.warned, percent)}),
        seq=case.seq,
    )


@outbox("clock_expired", title=Text("时限届满", "A limit has run out"))
def clock_expired(row: Outbox) -> None:
    """A limit is used up and the procedure says what follows (deemed receipt)."""
    case = _case(row)
    state = clock.from_json(case.clocks).get(row.payload["clock"])
    if not case.open or state is None or not state.running or state.round != row.payload["round"]:
        return
    if clock_count.due(state, calendar_for(case.platform_id)) != row.payload["at"]:
        return
    _system(case, row.payload["action"], row.key, seq=case.seq)


@outbox("recount_case", title=Text("重算时限", "Deadline counted again"))
def recount_case(row: Outbox) -> None:
    """One case after a clock order or a new calendar: its clocks are stopped or counted again by an event."""
    case = _case(row)
    if case.open:
        recount(case, row.payload["ops"], row.key, row.payload.get("note", {}), row.payload.get("calendar"))


def last_event(case: Case) -> Event:
    """The newest event of a case."""
    return Event.objects.filter(case_id=case.pk).order_by("-seq")[0]
