"""The one door through which a case changes.

`create` and `advance` check state, role, scope, form and guards, append one event, update the case and queue
effects, in one transaction of four statements: begin, read (and lock), write, commit. What needs I/O (files,
look-ups) is prepared before, what leaves the house goes to the outbox. A refused action changes nothing and
says why. Between the two statements nothing but arithmetic happens.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from xiuhua.casework import builtin, chain, library, moments, permits, read, registry, step, write
from xiuhua.casework.answers import Prepared, prepare
from xiuhua.casework.context import NOTHING, Context, Extra
from xiuhua.casework.ids import new_id
from xiuhua.casework.models import Case
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.refusal import FieldError, Refusal, Refused
from xiuhua.city.access import Actor
from xiuhua.city.calendar import calendar_for
from xiuhua.city.models import Platform

LOCAL = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Outcome:
    """What an accepted action did. ``replayed``: the same key had been answered before; nothing was done again."""

    case_id: int
    number: str
    seq: int
    state: str
    replayed: bool = False


@dataclass(frozen=True)
class Allowed:
    """An action offered to an actor; ``refusal`` says why it cannot be taken now."""

    action: Action
    refusal: Refusal | None = None


@dataclass
class BatchOutcome:
    """What a bulk action did: one event per case under one batch number, a refusal per case that stayed."""

    batch: str
    done: list[Outcome] = field(default_factory=list)
    refused: list[tuple[str, Refusal]] = field(default_factory=list)


class _Replay(Exception):
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


def create(
    procedure: str,
    platform: Platform,
    actor: Actor,
    data: Mapping[str, Any],
    *,
    action: str = "report",
    key: str | None = None,
    door: str = "web",
) -> Outcome:
    """Start a case. ``key`` makes it idempotent per actor and door.

    Raises `Refused`. KeyError when there is no such procedure.
    """
    pk, rules = library.current(procedure, platform)
    act = rules.actions.get(action)
    if act is None or not act.start:
        raise Refused(Refusal("unknown_action", _("A case cannot start with “%(action)s”.") % {"action": action}))
    case = step.blank_case(rules, pk, platform.pk)
    if actor.kind != "system" and not permits.may_act(actor, case, act, None):
        raise Refused(not_yours(act))
    digest = _request_digest({"procedure": procedure, "platform": platform.code, "action": action, "data": data})
    earlier = read.answered(actor.ref, door, key) if key else None
    if earlier is not None:  # its files belong to the case by now, so the same answers would no longer be accepted
        return _replayed(earlier, digest)
    prepared = prepare(rules, act, case, actor, data)
    if prepared.errors:
        raise Refused(invalid(prepared))

    def attempt() -> step.Written:
        now = moments.now()
        prefix = number_prefix(rules, platform, now)
        # Taken in the one reading statement; the row stays locked for one more statement and the commit.
        serial, answered = read.next_serial(prefix, actor.ref, door, key)
        if answered is not None:
            raise _Replay(_replayed(answered, digest))
        fresh = copy.copy(case)
        fresh.number = f"{prefix}{serial:05d}"
        return _write(fresh, rules, act, actor, prepared, now, key, door, digest, is_new=True)

    return _run(attempt, key)


def number_prefix(rules: Procedure, platform: Platform, at: datetime) -> str:
    """What stands before the serial of a case number: the platform's code and the local day."""
    return f"{rules.number_prefix}{platform.adcode}{at.astimezone(LOCAL):%Y%m%d}"


def advance(
    case: Case | int,
    action: str,
    actor: Actor,
    data: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    door: str = "web",
    seq: int | None = None,
    batch: str = "",
    hold_effects: timedelta | None = None,
    extra: Extra = NOTHING,
) -> Outcome:
    """Take one action on a case. ``seq``: the event the actor looked at; a case that moved on is refused.

    1. read the case as it is, find the action and prepare the answers (files, look-ups);
    2. begin, read and lock the case with the answer of an earlier request of the same key;
    3. check replay, sequence, state, role and scope, form, guards, in this order;
    4. write event, payload, case, children and outbox rows in one statement, commit;
    5. deliver what must happen at once (a parent that a child holds).

    Raises `Refused`.
    """
    data = data or {}
    seen = case if isinstance(case, Case) else read.by_id(case)
    if seen is None:
        raise Refused(Refusal("not_found", _("There is no such case.")))
    rules = library.version(seen.procedure_id)
    act = rules.actions.get(action) or builtin.ACTIONS.get(action)
    if act is None:
        raise Refused(Refusal("unknown_action", _("This procedure has no action “%(action)s”.") % {"action": action}))
    prepared = prepare(rules, act, seen, actor, data)
    digest = _request_digest({"case": str(seen.pk), "action": action, "data": data})

    def attempt() -> step.Written:
        row, answered = read.locked(seen.pk, actor.ref, door, key)
        if answered is not None:
            raise _Replay(_replayed(answered, digest))
        if (seq is not None and row.seq != seq) or row.platform_id != seen.platform_id:  # handed over
            raise Refused(
                Refusal("stale", _("The case has moved on since you opened it. Look again before you act.")),
                {"seq": row.seq},
            )
        refusal = check(row, rules, act, actor, prepared, extra=extra)
        if refusal is not None:
            raise Refused(refusal)
        now = max(moments.now(), row.updated_at + timedelta(microseconds=1))
        return _write(
            row, rules, act, actor, prepared, now, key, door, digest, batch=batch, hold=hold_effects, extra=extra
        )

    return _run(attempt, key)


def check(
    case: Case,
    rules: Procedure,
    act: Action,
    actor: Actor,
    prepared: Prepared | None = None,
    *,
    extra: Extra = NOTHING,
) -> Refusal | None:
    """Why an action is refused, or None. Without ``prepared`` the form is not asked."""
    state = rules.states.get(case.state)
    if act.code in builtin.ACTIONS:
        # Whoever asks through a door brings no Extra: reveal, erasure and undo check permission in their own modules.
        if actor.kind != "system" and (act.code not in builtin.BY_USERS or extra is NOTHING):
            return not_yours(act)
        return invalid(prepared) if prepared is not None and prepared.errors else None
    if case.state not in act.from_states:
        if not case.open:
            return Refusal(
                "closed", _("The case has ended (%(state)s).") % {"state": builtin.state_title(rules, case.state)}
            )
        return Refusal(
            "not_now",
            _("“%(action)s” is not possible while the case is “%(state)s”.")
            % {"action": act.title, "state": builtin.state_title(rules, case.state)},
            who=permits.who_may(act),
        )
    if not permits.may_act(actor, case, act, state):
        return not_yours(act)
    if prepared is not None and prepared.errors:
        return invalid(prepared)
    context = Context(
        case=_without_child(case, extra),
        procedure=rules,
        action=act,
        actor=actor,
        data=prepared.answers if prepared else {},
        now=moments.now(),
        calendar=calendar_for(case.platform_id),
        extra=extra,
    )
    for call in act.guards:
        if prepared is None and (call.on_submit or step.needs_answers(call.args)):
            continue
        message = registry.run_guard(call.name, context, step.resolve(call.args, context))
        if message:
            return Refusal("guard", str(call.say) if call.say else message)
    return None


def _without_child(case: Case, extra: Extra) -> Case:
    """The case as guards see it: a child that has just ended is no longer open."""
    if not extra.child:
        return case
    seen = copy.copy(case)
    seen.children_open = step.ended(case.children_open, extra.child)
    return seen


def allowed(case: Case, actor: Actor) -> list[Allowed]:
    """The actions that concern this actor now: those he may take, and those that something still holds up."""
    rules = library.version(case.procedure_id)
    found = []
    for act in rules.actions_from(case.state):
        if act.system_only:
            continue
        refusal = check(case, rules, act, actor)
        if refusal is None:
            found.append(Allowed(act))
        elif refusal.code == "guard" and not _hidden(case, rules, act, actor):
            found.append(Allowed(act, refusal))
    return found


def _hidden(case: Case, rules: Procedure, act: Action, actor: Actor) -> bool:
    context = Context(case, rules, act, actor, {}, moments.now(), calendar_for(case.platform_id))
    return any(
        registry.run_guard(call.name, context, step.resolve(call.args, context))
        for call in act.guards
        if call.hide and not call.on_submit and not step.needs_answers(call.args)
    )


def advance_many(
    cases: Iterable[Case | int],
    action: str,
    actor: Actor,
    data: Mapping[str, Any] | None = None,
    *,
    door: str = "web",
    undo_window: timedelta = timedelta(seconds=30),
    batch: str = "",
) -> BatchOutcome:
    """The same action on many cases: an event each, refusals per case, effects after the undo window."""
    result = BatchOutcome(batch or f"b{new_id()}")
    for case in cases:
        pk = case.pk if isinstance(case, Case) else case
        try:
            result.done.append(
                advance(
                    pk, action, actor, data, key=f"{result.batch}:{pk}", door=door, batch=result.batch,
                    hold_effects=undo_window,
                )
            )  # fmt: skip
        except Refused as refused:
            result.refused.append((str(pk), refused.refusal))
    return result


def _write(
    case: Case,
    rules: Procedure,
    act: Action,
    actor: Actor,
    prepared: Prepared,
    now: datetime,
    key: str | None,
    door: str,
    request_digest: str,
    *,
    is_new: bool = False,
    batch: str = "",
    hold: timedelta | None = None,
    extra: Extra = NOTHING,
) -> step.Written:
    written = step.take(case, rules, act, actor, prepared, now, is_new=is_new, batch=batch, hold=hold, extra=extra)
    after = written.case
    written.outcome = {"case": str(after.id), "number": after.number, "seq": after.seq, "state": after.state}
    if key:
        written.document.add(
            "idempotency",
            actor=actor.ref,
            door=door,
            key=key,
            request_digest=request_digest,
            answer=written.outcome,
            at=now,
        )
    write.apply(written.document)
    return written


def _run(attempt: Any, key: str | None) -> Outcome:
    """One transaction, once more when two requests of one key or two new ids met."""
    for last in (False, True):
        try:
            with transaction.atomic(durable=True):
                written = attempt()
            break
        except _Replay as replay:
            return replay.outcome
        except (IntegrityError, write.Stale):
            # A second request of the same key, or two identifiers that met: look once more.
            if last:
                raise
        except Refused:
            # PostgreSQL: whoever waited for the lock saw the case as the first request left it, but not yet that
            # request's answer. With a key, look once more.
            if last or not key:
                raise
    from xiuhua.casework import deliver

    deliver.at_once(written.at_once)
    return _outcome(written.outcome)


def _outcome(answer: Mapping[str, Any], replayed: bool = False) -> Outcome:
    return Outcome(int(answer["case"]), answer["number"], answer["seq"], answer["state"], replayed)


def _replayed(earlier: read.Answered, digest: str) -> Outcome:
    if earlier.digest != digest:
        raise Refused(
            Refusal("conflict", _("This key was used before with other content. Use a new key for a new request."))
        )
    answer = earlier.answer
    return _outcome(json.loads(answer) if isinstance(answer, str) else answer, replayed=True)


def _request_digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def not_yours(act: Action) -> Refusal:
    who = permits.who_may(act)
    if not who:
        return Refusal("not_yours", _("“%(action)s” is done by whoever holds the case.") % {"action": act.title})
    return Refusal(
        "not_yours",
        _("“%(action)s” is done by: %(who)s.") % {"action": act.title, "who": _("、").join(who)},
        who=who,
    )


def invalid(prepared: Prepared) -> Refusal:
    missing: tuple[FieldError, ...] = prepared.errors
    return Refusal("invalid", _("Some answers are missing or wrong."), missing=missing)


__all__ = ["Allowed", "BatchOutcome", "Outcome", "advance", "advance_many", "allowed", "chain", "check", "create"]
