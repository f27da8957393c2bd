"""The case row as a projection of its events: one function applies an event, now and in every rebuild.

An event's body is canonical JSON with these keys, all optional::

    set      {column: value}   columns of Case; instants as microseconds, 61-bit ids as decimal text
    clk      [op, ...]         clock operations (`clock.py`)
    spawn    [id, ...]         child cases made
    erased   [seq, ...]        events whose payloads were erased with this one
    undo     seq               the event of a batch that this one takes back
    calendar id                calendar version under which deadlines were counted
    facts    {name: code}      answers that are only shown; merged into the column ``facts``
    note     {...}             codes that are only shown (which clock warned, which child ended, ...)

Free text stands in the payload under ``text`` {column: words} and goes to columns too, until it is erased.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models

from xiuhua.casework import clock
from xiuhua.casework.models import Case
from xiuhua.casework.moments import from_us, to_us

#: Columns that hold words a person wrote; they come from payloads only and go with an erasure.
TEXT_COLUMNS = ("title", "description", "address")
#: Columns that are not derived from the log.
OUTSIDE = frozenset({"id", "number", "anchored_seq"})

_FIELDS: dict[str, models.Field[Any, Any]] = {f.attname: f for f in Case._meta.concrete_fields}


def encode(column: str, value: Any) -> Any:
    """A column's value as it stands in an event."""
    if isinstance(value, datetime):
        return to_us(value)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and (_is_case_id(column) or abs(value) >= 2**53):
        return str(value)
    return value


def decode(column: str, value: Any) -> Any:
    """The value of a column as it stands on the case."""
    field = _FIELDS[column]
    if value is None:
        return None
    if isinstance(field, models.DateTimeField):
        return from_us(value)
    if isinstance(value, str) and _is_case_id(column):
        return int(value)
    return value


def _is_case_id(column: str) -> bool:
    field = _FIELDS[column]
    return column == "id" or (isinstance(field, models.ForeignKey) and field.related_model is Case)


def apply(
    case: Case,
    *,
    seq: int,
    at: datetime,
    to_state: str,
    digest: str,
    body: dict[str, Any],
    texts: dict[str, str] | None,
) -> None:
    """Bring ``case`` from event ``seq - 1`` to event ``seq``."""
    if seq == 1:
        case.created_at = at
    case.state = to_state
    case.seq = seq
    case.updated_at = at
    case.head_digest = digest
    for column, value in body.get("set", {}).items():
        setattr(case, column, decode(column, value))
    if body.get("facts"):
        case.facts = {**case.facts, **body["facts"]}
    if body.get("clk"):
        state = clock.from_json(case.clocks)
        for op in body["clk"]:
            state = clock.apply(state, op, to_us(at))
        case.clocks = clock.to_json(state)
    if "calendar" in body:
        case.calendar_version = body["calendar"]
    for column, words in (texts or {}).items():
        setattr(case, column, words)
    if "erased" in body:
        for column in TEXT_COLUMNS:
            setattr(case, column, "")


def replay(case: Case, events: Iterable[tuple[Any, str | None]]) -> Case:
    """Derive the row of ``case`` again from (event, payload text or None) in order of seq."""
    fresh = Case(id=case.id, number=case.number, anchored_seq=case.anchored_seq)
    for event, payload in events:
        texts = json.loads(payload).get("text") if payload else None
        apply(
            fresh,
            seq=event.seq,
            at=event.at,
            to_state=event.to_state,
            digest=event.digest,
            body=json.loads(event.body),
            texts=texts,
        )
    return fresh


def differences(stored: Case, derived: Case) -> list[str]:
    """Columns in which a stored row is not what its events say."""
    return [
        column for column in _FIELDS if column not in OUTSIDE and getattr(stored, column) != getattr(derived, column)
    ]


def writable_columns() -> tuple[str, ...]:
    """Columns that a procedure may name, by field name ("responsible_org") and attribute name."""
    engine = {"id", "number", "seq", "head_digest", "anchored_seq", "state", "clocks", "open", "created_at"}
    names = {n for f in Case._meta.concrete_fields for n in (f.name, f.attname)}
    return tuple(sorted(names - engine))


def attname(column: str) -> str:
    """``responsible_org`` -> ``responsible_org_id``; raises KeyError for what is no column."""
    if column in _FIELDS:
        return column
    for field in _FIELDS.values():
        if field.name == column:
            return field.attname
    raise KeyError(column)
