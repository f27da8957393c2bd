"""Casework's records: one concept a file."""

from xiuhua.casework.models.attachment import Attachment
from xiuhua.casework.models.case import Case, Hand, Numbering, Party
from xiuhua.casework.models.clock_order import ClockOrder
from xiuhua.casework.models.event import Anchor, AnchorEntry, Event, Payload, Personal
from xiuhua.casework.models.outbox import Idempotency, Outbox
from xiuhua.casework.models.procedure import ProcedureVersion
from xiuhua.casework.models.rule import RuleVersion
from xiuhua.casework.models.work_list import WorkList
from xiuhua.casework.models.worker_beat import WorkerBeat

__all__ = [
    "Anchor",
    "AnchorEntry",
    "Attachment",
    "Case",
    "ClockOrder",
    "Event",
    "Hand",
    "Idempotency",
    "Numbering",
    "Outbox",
    "Party",
    "Payload",
    "Personal",
    "ProcedureVersion",
    "RuleVersion",
    "WorkList",
    "WorkerBeat",
]
