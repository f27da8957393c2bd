"""From rows to what the API shows. Lists ask the database nothing beyond their rows; personal data stay masked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from xiuhua.casework import builtin, clock, clock_count, engine, form_schema, library, moments, why, words
from xiuhua.casework.api_schemas import iso
from xiuhua.casework.clock_state import ClockState, Limit
from xiuhua.casework.deadlines import calendar_of
from xiuhua.casework.models import Attachment, Case, Event, Payload, Personal
from xiuhua.casework.moments import from_us, to_us
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.casework.schema import Field
from xiuhua.casework.thumbnails import PICTURES, SIZES
from xiuhua.city import categories, crypto, organisations, platforms, roles
from xiuhua.city.access import Actor
from xiuhua.city.models import User

#: Columns that a row of a list needs; the rest of a case stays in the database.
LIST_COLUMNS = (
    "id", "number", "platform__code", "procedure_id", "procedure_code", "state", "stage", "open", "outcome", "title",
    "address", "urgency", "source", "category_id", "lon_e7", "lat_e7", "grid", "community", "sub_district", "county",
    "holder_role", "holder_org_id", "due_at", "due_clock", "paused", "supervised", "reported_at", "created_at",
    "updated_at", "seq",
)  # fmt: skip


# -- a case --------------------------------------------------------------------------------------------------------


def brief(case: Case) -> dict[str, Any]:
    """A row of a list; ``case.platform`` must have been selected with it."""
    rules = library.version(case.procedure_id)
    now = moments.now()
    return {
        "id": str(case.pk),
        "number": case.number,
        "platform": case.platform.code,
        "procedure": case.procedure_code,
        "state": case.state,
        "state_title": str(builtin.state_title(rules, case.state)),
        "stage": case.stage,
        "open": case.open,
        "outcome": case.outcome,
        "title": case.title,
        "address": case.address,
        "urgency": case.urgency,
        "source": case.source,
        "category": _category(case.category_id),
        "position": position(case.lon_e7, case.lat_e7),
        "grid": case.grid,
        "community": case.community,
        "sub_district": case.sub_district,
        "county": case.county,
        "holder": {
            "role": case.holder_role,
            "role_title": _role(case.holder_role),
            "organisation": organisation(case.holder_org_id),
        },
        "due_at": iso(case.due_at),
        "due_clock": case.due_clock,
        "overdue": case.open and case.due_at is not None and case.due_at < now,
        "paused": case.paused,
        "supervised": case.supervised,
        "reported_at": iso(case.reported_at),
        "created_at": iso(case.created_at),
        "updated_at": iso(case.updated_at),
        "seq": case.seq,
    }


def detail(case: Case) -> dict[str, Any]:
    """Everything of one case but its log."""
    rules = library.version(case.procedure_id)
    found = brief(case)
    found["holder"]["user"] = _person(case.holder_user)
    found |= {
        "description": case.description,
        "condition": _condition(case.condition_id),
        "component": case.component_code,
        "datum": case.datum,
        "accuracy_m": case.accuracy_m,
        "responsibility_grid": case.responsibility_grid,
        "responsible": organisation(case.responsible_org_id),
        "created_by": _person(case.created_by),
        **{f"{name}_at": iso(getattr(case, f"{name}_at")) for name in ("filed", "dispatched", "handled", "closed")},
        **{f"{name}_due_at": iso(getattr(case, f"{name}_due_at")) for name in ("handling", "total")},
        "clock": _clock_now(case, rules),
        **{name: getattr(case, name) for name in ("rounds", "returns", "extensions", "holds", "reopened")},
        "answers": _answers(rules.fields(), case.facts),
        "personal": [_masked(row) for row in Personal.objects.filter(case_id=case.pk).order_by("field")],
        "attachments": [attachment(row) for row in case.attachments.order_by("id")],
        "parent": case.parent.number if case.parent else None,
        "main_case": case.main_case.number if case.main_case else None,
        "came_from": [
            {"platform": row.code, "until": iso(from_us(until))}
            for pk, until in case.facts.get("came_from", [])
            if (row := platforms.platforms().by_id.get(pk)) is not None
        ],
        "children": [_relative(child) for child in case.children.order_by("id")],
        "head_digest": case.head_digest,
    }
    return found


def _category(pk: int | None) -> dict[str, Any] | None:
    row = categories.catalogue().by_id.get(pk) if pk else None
    if row is None:
        return None
    return {"id": str(row.id), "scheme": row.scheme.code, "kind": row.kind, "code": row.code, "title": str(row.title)}


def _condition(pk: int | None) -> dict[str, Any] | None:
    row = categories.catalogue().conditions.get(pk) if pk else None
    if row is None:
        return None
    return {
        "id": str(row.id),
        "ref": row.ref,
        "text": str(row.text),
        "limit_value": None if row.limit_value is None else format(row.limit_value.normalize(), "f"),
        "limit_unit": row.limit_unit,
        "close": str(row.close),
        "sample": row.sample,
    }


def position(lon_e7: int | None, lat_e7: int | None) -> dict[str, float] | None:
    return None if lon_e7 is None or lat_e7 is None else {"lon": lon_e7 / 1e7, "lat": lat_e7 / 1e7}


def organisation(pk: int | None) -> dict[str, str] | None:
    row = organisations.tree().by_id.get(pk) if pk else None
    return None if row is None else {"code": row.code, "title": str(row.name)}


def _person(user: User | None) -> dict[str, str] | None:
    return None if user is None else {"code": user.username, "title": user.display_name}


def _role(code: str) -> str:
    role = roles.role(code) if code else None
    return str(role.title) if role else code


def _relative(case: Case) -> dict[str, Any]:
    rules = library.version(case.procedure_id)
    return {
        "number": case.number,
        "procedure": case.procedure_code,
        "relation": case.relation,
        "lead": case.lead,
        "state": case.state,
        "state_title": str(builtin.state_title(rules, case.state)),
        "open": case.open,
        "outcome": case.outcome,
    }


def attachment(row: Attachment) -> dict[str, Any]:
    sizes = SIZES if row.media_type in PICTURES else ()
    return {
        "sha256": row.sha256,
        "media_type": row.media_type,
        "size": row.size,
        "width": row.width,
        "height": row.height,
        "name": row.name,
        "stage": row.stage,
        "taken_at": iso(row.taken_at),
        "position": position(row.lon_e7, row.lat_e7),
        "uploaded_at": iso(row.uploaded_at),
        "url": reverse("api:get_attachment", args=[row.sha256]),
        "thumbnails": {str(size): reverse("api:get_thumbnail", args=[row.sha256, size]) for size in sizes},
    }


def done(outcome: engine.Outcome, version: int) -> dict[str, Any]:
    """``version``: the procedure's that the case follows."""
    rules = library.version(version)
    state = rules.states.get(outcome.state)
    return {
        "id": str(outcome.case_id),
        "number": outcome.number,
        "seq": outcome.seq,
        "state": outcome.state,
        "state_title": str(builtin.state_title(rules, outcome.state)),
        "open": state is not None and not state.final,
        "replayed": outcome.replayed,
        "url": reverse("api:get_case", args=[outcome.number]),
    }


# -- answers and personal data -------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Whole numbers that JavaScript would round travel as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53 else value


def _answers(fields: dict[str, Field], values: dict[str, Any], case_id: int = 0) -> list[dict[str, Any]]:
    """Answers in the order of the form; what the engine keeps for itself beside them is left out."""
    found = []
    for name, item in fields.items():
        if name in values:
            personal = item.is_personal
            shown = mask(item.type, values[name], f"case:{case_id}:{name}") if personal else plain(values[name])
            found.append({"field": name, "title": str(item.title), "value": shown, "personal": personal})
    return found


def mask(kind: str, cipher: Any, context: str) -> str:
    """A sealed value with most of it hidden; stars alone when it cannot be opened."""
    try:
        value = crypto.decrypt(str(cipher), context)
    except crypto.Unreadable:
        return "***"
    if kind == "phone":
        return crypto.mask_phone(value)
    return crypto.mask_id(value) if kind == "id_number" else crypto.mask_name(value)


def _masked(row: Personal) -> dict[str, Any]:
    return {
        "field": row.field,
        "kind": row.kind,
        "masked": mask(row.kind, row.cipher, f"case:{row.case_id}:{row.field}"),
    }


# -- the log -------------------------------------------------------------------------------------------------------


def events(case: Case, rows: Iterable[Event]) -> list[dict[str, Any]]:
    """Events with their words; one statement more for the payloads of them all."""
    rules = library.version(case.procedure_id)
    rows = list(rows)
    said = {
        p.event_id: p.body for p in Payload.objects.filter(event_id__in=[e.pk for e in rows], erased_at__isnull=True)
    }
    return [_event(case, rules, row, said.get(row.pk, "")) for row in rows]


def _event(case: Case, rules: Procedure, row: Event, payload: str) -> dict[str, Any]:
    said = json.loads(payload) if payload else {}
    act = rules.actions.get(row.action) or builtin.ACTIONS.get(row.action)
    fields = {item.name: item for item in act.form} if act else {}
    return {
        "id": str(row.pk),
        "seq": row.seq,
        "action": row.action,
        "action_title": str(builtin.action_title(rules, row.action)),
        "actor": row.actor,
        "actor_name": row.actor_user.display_name if row.actor_user else "",
        "at": iso(row.at),
        "from_state": row.from_state,
        "to_state": row.to_state,
        "to_state_title": str(builtin.state_title(rules, row.to_state)),
        "batch": row.batch,
        "body": json.loads(row.body),
        "words": {name: str(text) for name, text in said.get("text", {}).items()},
        "answers": _answers(fields, said.get("answers", {}), case.pk),
        "erased": bool(row.payload_digest) and not payload,
        "payload_digest": row.payload_digest,
        "prev_digest": row.prev_digest,
        "digest": row.digest,
        "algorithm": row.algorithm,
        "version": row.version,
    }


# -- actions -------------------------------------------------------------------------------------------------------


def actions(case: Case, actor: Actor, language: str) -> list[dict[str, Any]]:
    return [_allowed(one, language) for one in engine.allowed(case, actor)]


def _allowed(one: engine.Allowed, language: str) -> dict[str, Any]:
    return {
        "action": one.action.code,
        "title": str(one.action.title),
        "help": str(one.action.help or ""),
        "tone": one.action.tone,
        "allowed": one.refusal is None,
        "refusal": one.refusal.as_dict() if one.refusal else None,
        "form": form_schema.json_schema(one.action.form, language),
    }


def procedure(rules: Procedure, language: str) -> dict[str, Any]:
    return {
        "procedure": rules.code,
        "variant": rules.variant,
        "title": str(rules.title),
        "digest": rules.digest,
        "states": [
            {"state": state.code, "title": str(state.title), "stage": state.stage, "final": state.final}
            for state in rules.states.values()
        ],
        "actions": [_procedure_action(act, language) for act in rules.actions.values() if not act.system_only],
    }


def _procedure_action(act: Action, language: str) -> dict[str, Any]:
    return {
        "action": act.code,
        "title": str(act.title),
        "start": act.start,
        "to": act.to or "",
        "roles": list(act.by),
        "across": list(act.across),
        "form": form_schema.json_schema(act.form, language),
    }


# -- clocks --------------------------------------------------------------------------------------------------------


def _said(case: Case, state: ClockState, rules: Procedure) -> words.ClockWords:
    reasons = {code: str(known.title) for code, known in rules.states.items()}
    calendar = calendar_of(case, state)
    return words.clock_words(state, calendar, to_us(moments.now()), reasons=reasons)


def _clock_title(rules: Procedure, name: str) -> str:
    return str(rules.clocks[name].title) if name in rules.clocks else name


def _clock_now(case: Case, rules: Procedure) -> dict[str, Any] | None:
    """The clock that lists sort by, or the paused one that waits in its place."""
    clocks = clock.from_json(case.clocks)
    name = case.due_clock
    if not name:
        waiting = [n for n, c in clocks.items() if c.finished is None and c.paused]
        name = waiting[0] if waiting else ""
    state = clocks.get(name)
    if state is None:
        return None
    said = _said(case, state, rules)
    return {
        "name": name,
        "title": _clock_title(rules, name),
        "due_at": iso(case.due_at),
        "text": said.text,
        "level": said.state,
        "percent": said.percent,
    }


def deadlines(case: Case) -> dict[str, Any]:
    """Every clock with the stretches that add up to its limit."""
    rules = library.version(case.procedure_id)
    clocks = clock.from_json(case.clocks)
    return {
        "number": case.number,
        "due_at": iso(case.due_at),
        "due_clock": case.due_clock,
        "clocks": [_clock(case, name, state, rules) for name, state in clocks.items()],
    }


def _clock(case: Case, name: str, state: ClockState, rules: Procedure) -> dict[str, Any]:
    rule = rules.clocks.get(name)
    calendar = calendar_of(case, state)
    now = to_us(moments.now())
    said = _said(case, state, rules)
    due = clock_count.due(state, calendar)
    return {
        "name": name,
        "title": _clock_title(rules, name),
        "main": bool(rule and rule.main),
        "layer": rule.layer if rule else "stage",
        "round": state.round,
        "limit": _amount(state.limit),
        "extensions": [_amount(one) for one in state.extensions],
        "sample": bool(rule and rule.sample),
        "source": rule.source if rule else "",
        "started_at": iso(from_us(state.started)),
        "finished_at": None if state.finished is None else iso(from_us(state.finished)),
        "due_at": None if due is None else iso(from_us(due)),
        "original_due_at": iso(from_us(clock_count.original_due(state, calendar))),
        "calendar": state.calendar,
        "text": said.text,
        "level": said.state,
        "percent": said.percent,
        "segments": [_segment(one) for one in why.segments(state, calendar, now)],
    }


def _amount(limit: Limit) -> dict[str, str]:
    return {"value": str(limit.value), "unit": limit.unit}


def _segment(one: why.Segment) -> dict[str, Any]:
    from django.utils.translation import get_language

    english = (get_language() or "").startswith("en")
    return {
        "kind": one.kind,
        "start": iso(from_us(one.start)),
        "to": iso(from_us(one.to)),
        "counted": str(one.counted),
        "unit": one.unit,
        "part": one.part,
        "reason": one.reason_en if english else one.reason,
        "planned": one.planned,
    }
