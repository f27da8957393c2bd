"""Taking back a bulk action within its window: one compensating event per case, never a deletion.

The case gets back the columns, words, clocks and hands that its events gave it before; effects that waited out the
window are marked done and never leave. A case that has moved on, or whose effects have left, stays as it is.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from xiuhua.casework import engine, library, moments, projection
from xiuhua.casework.context import Extra
from xiuhua.casework.models import Case, Event, Outbox, Payload
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city.access import SYSTEM, Actor

WINDOW = timedelta(seconds=30)
#: Waiting effects are held so long; if the process dies meanwhile, the sweep looks what became of them.
HELD = timedelta(minutes=10)
PREFIX = "undo:"
_NOT_RESTORED = frozenset({"id", "number", "seq", "head_digest", "anchored_seq", "state", "updated_at", "created_at"})
#: A cancelled child keeps its number.
_ONLY_UP = frozenset({"children_made"})


def undo(batch: str, actor: Actor, window: timedelta = WINDOW) -> engine.BatchOutcome:
    """Take back what `advance_many` did under this batch number; refusals per case, as there."""
    result = engine.BatchOutcome(batch)
    for event in Event.objects.filter(batch=batch).exclude(action="undo").order_by("id"):
        try:
            result.done.append(_undo_one(event, actor, window))
        except Refused as refused:
            result.refused.append((str(event.case_id), refused.refusal))
    return result


def _undo_one(event: Event, actor: Actor, window: timedelta) -> engine.Outcome:
    """1. hold the effects; 2. append the compensating event; 3. mark the effects done, cancel children."""
    if actor.kind != "system" and event.actor_user_id != actor.user_id:
        raise Refused(Refusal("not_yours", _("Only who did it can take it back.")))
    if moments.now() > event.at + window:
        raise Refused(Refusal("closed", _("It is too late to take this back.")))
    case = Case.objects.get(pk=event.case_id)
    if case.seq != event.seq or event.seq == 1:
        raise Refused(Refusal("stale", _("The case has moved on; it can no longer be taken back.")))
    if _sets_personal(event):
        raise Refused(Refusal("guard", _("This action recorded personal data and cannot be taken back.")))
    children = list(Case.objects.filter(parent_id=case.pk, created_at=event.at))
    if any(child.seq > 1 for child in children):
        raise Refused(Refusal("stale", _("A task that this action gave out has been worked on already.")))
    waiting = effects_of(event)
    held = waiting.filter(done_at__isnull=True, lease_until__isnull=True)
    held.update(lease_until=moments.now() + HELD, lease_by=f"{PREFIX}{event.pk}")
    mine = waiting.filter(lease_by=f"{PREFIX}{event.pk}")
    try:
        if waiting.exclude(lease_by=f"{PREFIX}{event.pk}").exists():
            raise Refused(Refusal("stale", _("Its effects have already left; it can no longer be taken back.")))
        outcome = engine.advance(
            case.pk, "undo", actor, key=f"undo:{event.pk}", door="undo", seq=event.seq, batch=event.batch,
            extra=_before(case, event),
        )  # fmt: skip
    except Refused:
        mine.update(lease_until=None, lease_by="")
        raise
    mine.update(done_at=moments.now(), last_error="undone", lease_until=None, lease_by="")
    for child in children:
        engine.advance(child.pk, "cancel", SYSTEM, key=f"undo:{event.pk}:{child.pk}", door="system")
    return outcome


def effects_of(event: Event) -> QuerySet[Outbox]:
    """The outbox rows that an event queued; timers are not among them, they look again when they fire."""
    join = Q(key=f"join:{event.case_id}:{event.seq}")
    return Outbox.objects.filter(join | Q(key__contains=f":{event.pk}"), case_id=event.case_id)


def _sets_personal(event: Event) -> bool:
    body = Payload.objects.filter(event_id=event.pk).values_list("body", flat=True).first()
    if not body:
        return False
    rules = library.version(Case.objects.values_list("procedure_id", flat=True).get(pk=event.case_id))
    act = rules.actions.get(event.action)
    answers = json.loads(body).get("answers", {})
    return act is not None and any(item.is_personal and item.name in answers for item in act.form)


def _before(case: Case, event: Event) -> Extra:
    """What must be said so that the case is as it was before the event."""
    words = dict(Payload.objects.filter(case_id=case.pk).values_list("event_id", "body"))
    earlier = Event.objects.filter(case_id=case.pk, seq__lt=event.seq).order_by("seq")
    then = projection.replay(case, [(e, words.get(e.pk)) for e in earlier])
    columns: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for column in projection.differences(case, then):
        if column in projection.TEXT_COLUMNS:
            texts[column] = getattr(then, column)
        elif column not in _NOT_RESTORED | _ONLY_UP:
            columns[column] = getattr(then, column)
    return Extra(columns=columns, texts=texts, to_state=event.from_state, undo=event.seq)


def settle_held() -> int:
    """For the sweep: effects held by an undo that died. Its event stands: they are done; else they go on."""
    settled = 0
    stale = Outbox.objects.filter(
        lease_by__startswith=PREFIX, done_at__isnull=True, lease_until__lt=moments.now() + HELD / 2
    )
    for row in stale:
        event = Event.objects.get(pk=int(row.lease_by.removeprefix(PREFIX)))
        undone = Event.objects.filter(case_id=event.case_id, seq=event.seq + 1, action="undo").exists()
        own = Outbox.objects.filter(pk=row.pk, lease_by=row.lease_by)
        if undone:
            settled += own.update(done_at=moments.now(), last_error="undone", lease_until=None, lease_by="")
        else:
            settled += own.update(lease_until=None, lease_by="")
    return settled
