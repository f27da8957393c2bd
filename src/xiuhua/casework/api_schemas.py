"""What goes in and out of the case API. Identifiers above 2**53 are text, times ISO 8601 UTC, positions degrees."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, StrictInt, StrictStr, WithJsonSchema

from xiuhua.api_base import ErrorItem

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def iso(at: datetime | None) -> str | None:
    """UTC with as many microseconds as there are: 2026-05-06T01:30:00Z."""
    return None if at is None else f"{at.replace(tzinfo=None).isoformat()}Z"


class Body(Schema):
    """What is sent to us: nothing unknown, nothing guessed."""

    model_config = ConfigDict(extra="forbid")


# -- in ------------------------------------------------------------------------------------------------------------


class NewCase(Body):
    """A case to start. The form of each starting action: ``GET /procedures/{code}``."""

    procedure: Annotated[StrictStr, Field(max_length=40)] = "city_case"
    platform: Annotated[StrictStr, Field(max_length=12, description="code; empty: your own platform")] = ""
    action: Annotated[StrictStr, Field(max_length=40)] = "report"
    answers: dict[str, Any] = {}


class Act(Body):
    """One action: its answers, and the number of the last event you saw (``seq``), so that you act on what you saw."""

    answers: dict[str, Any] = {}
    seq: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] | None = None


class Reveal(Body):
    """Which personal field must be seen and why; the reason is kept in the log."""

    field: Annotated[StrictStr, Field(min_length=1, max_length=60)]
    reason: Annotated[StrictStr, Field(min_length=1, max_length=500)]


SortName = Literal["newest", "due", "updated", "changes"]


# -- out -----------------------------------------------------------------------------------------------------------


class Done(Schema):
    """An accepted action. ``replayed``: this key was answered before, and nothing was done again."""

    id: str
    number: str
    seq: int
    state: str
    state_title: str
    open: bool
    replayed: bool
    url: str


class Named(Schema):
    code: str
    title: str


class Position(Schema):
    """Degrees, CGCS2000 (= WGS 84 at the accuracy of a phone)."""

    lon: float
    lat: float


class CategoryRef(Schema):
    id: str
    scheme: str
    kind: str
    code: str
    title: str


class Holder(Schema):
    """Who the case waits for: a role, a unit, and in the single case the person."""

    role: str
    role_title: str
    organisation: Named | None = None
    user: Named | None = None


class CaseBrief(Schema):
    """A row of a list; no personal data."""

    id: str
    number: str
    platform: str
    procedure: str
    state: str
    state_title: str
    stage: str
    open: bool
    outcome: str
    title: str
    address: str
    urgency: str
    source: str
    category: CategoryRef | None
    position: Position | None
    grid: str
    community: str
    sub_district: str
    county: str
    holder: Holder
    due_at: Moment | None
    due_clock: str
    overdue: bool
    paused: bool
    supervised: int
    reported_at: Moment | None
    created_at: Moment
    updated_at: Moment
    seq: int


class CaseList(Schema):
    """A page. ``next`` is the cursor of the next one, null on the last; ``count`` only when asked."""

    items: list[CaseBrief]
    next: str | None
    count: int | None = None
    count_is_capped: bool = False


class Condition(Schema):
    id: str
    ref: str
    text: str
    limit_value: str | None
    limit_unit: str
    close: str
    sample: bool


class PersonalField(Schema):
    """Masked; to see the value a reason must be given (``POST /cases/{number}/reveal``)."""

    field: str
    kind: str
    masked: str


class Answer(Schema):
    """An answer as it was given; personal ones masked."""

    field: str
    title: str
    value: Any
    personal: bool


class AttachmentOut(Schema):
    sha256: str
    media_type: str
    size: int
    width: int | None
    height: int | None
    name: str
    stage: str
    taken_at: Moment | None
    position: Position | None
    uploaded_at: Moment
    url: str
    thumbnails: dict[str, str]


class Relative(Schema):
    number: str
    procedure: str
    relation: str
    lead: bool
    state: str
    state_title: str
    open: bool
    outcome: str


class ClockNow(Schema):
    """The clock that counts now, in words; ``level`` is green, amber, red or paused."""

    name: str
    title: str
    due_at: Moment | None
    text: str
    level: str
    percent: int


class CameFrom(Schema):
    """A platform that had the case before, and until when; oldest first."""

    platform: str
    until: Moment


class CaseDetail(CaseBrief):
    description: str
    condition: Condition | None
    component: str
    datum: str
    accuracy_m: int | None
    responsibility_grid: str
    responsible: Named | None
    created_by: Named | None
    filed_at: Moment | None
    dispatched_at: Moment | None
    handled_at: Moment | None
    closed_at: Moment | None
    handling_due_at: Moment | None
    total_due_at: Moment | None
    clock: ClockNow | None
    rounds: int
    returns: int
    extensions: int
    holds: int
    reopened: int
    answers: list[Answer]
    personal: list[PersonalField]
    attachments: list[AttachmentOut]
    parent: str | None
    main_case: str | None
    came_from: list[CameFrom]
    children: list[Relative]
    head_digest: str


class RefusalOut(Schema):
    code: str
    message: str
    who: list[str]
    missing: list[ErrorItem]


class ActionOut(Schema):
    """An action that concerns you now. ``form`` is the JSON Schema (2020-12) of its answers."""

    action: str
    title: str
    help: str
    tone: str
    allowed: bool
    refusal: RefusalOut | None
    form: dict[str, Any]


class ActionList(Schema):
    """``seq`` may be sent with an action: then it is refused when the case has moved on."""

    seq: int
    state: str
    actions: list[ActionOut]


class EventOut(Schema):
    """One link of the chain. ``digest`` covers what ``docs/api.md`` names; ``words`` can be erased, the link not."""

    id: str
    seq: int
    action: str
    action_title: str
    actor: str
    actor_name: str
    at: Moment
    from_state: str
    to_state: str
    to_state_title: str
    batch: str
    body: dict[str, Any]
    words: dict[str, str]
    answers: list[Answer]
    erased: bool
    payload_digest: str
    prev_digest: str
    digest: str
    algorithm: str
    version: int


class EventList(Schema):
    items: list[EventOut]
    next: str | None


class Amount(Schema):
    value: str
    unit: str


class SegmentOut(Schema):
    """A stretch of time, what it counted towards which part (0 the limit, 1 the first extension)."""

    kind: str
    start: Moment
    to: Moment
    counted: str
    unit: str
    part: int
    reason: str
    planned: bool


class ClockOut(Schema):
    name: str
    title: str
    main: bool
    layer: str
    round: int
    limit: Amount
    extensions: list[Amount]
    sample: bool
    source: str
    started_at: Moment
    finished_at: Moment | None
    due_at: Moment | None
    original_due_at: Moment
    calendar: int
    text: str
    level: str
    percent: int
    segments: list[SegmentOut]


class Deadlines(Schema):
    """Every clock of the case, and why its deadline is where it is."""

    number: str
    due_at: Moment | None
    due_clock: str
    clocks: list[ClockOut]


class StateOut(Schema):
    state: str
    title: str
    stage: str
    final: bool


class ProcedureAction(Schema):
    action: str
    title: str
    start: bool
    to: str
    roles: list[str]
    across: list[str]
    form: dict[str, Any]


class ProcedureOut(Schema):
    procedure: str
    variant: str
    title: str
    digest: str
    states: list[StateOut]
    actions: list[ProcedureAction]


class Revealed(Schema):
    """A personal value in clear; who asked and why stands in the log."""

    field: str
    value: str
