"""Every place where casework keeps personal data, with what erases it; and `all_stores`, the table of the whole house.

A new store of words or personal data is a new row here, or in the ``STORES`` of a module of another room that its
manifest names (``personal``); a test walks all columns of all models of all rooms and fails for a text column that neither
stands in ``STORES`` nor in ``HOLDS_NONE`` (with the reason). Outside the database and DATA_DIR lie
backups and the databases' own archives: `docs/operators/log.md` says how long they may be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from django.db.models import Q

from xiuhua import manifest
from xiuhua.casework import files
from xiuhua.casework.models import Attachment, Event, Idempotency, Outbox, Payload, Personal
from xiuhua.casework.projection import TEXT_COLUMNS
from xiuhua.manifest import Text


@dataclass(frozen=True)
class Erasure:
    """What is erased: the words of these events of a case, and all that the case keeps besides."""

    case_id: int
    seqs: tuple[int, ...]
    at: datetime
    keep_evidence: bool = False


@dataclass(frozen=True)
class Store:
    """One store. ``columns``: model.column; ``erase`` returns how many rows it touched and may be called twice."""

    code: str
    columns: tuple[str, ...]
    what: Text
    how: Text
    erase: Callable[[Erasure], int]


def _payloads(e: Erasure) -> int:
    named = Event.objects.filter(case_id=e.case_id, seq__in=e.seqs).values("pk")
    return Payload.objects.filter(event__in=named, erased_at__isnull=True).update(body="", salt="", erased_at=e.at)


def _case_words(e: Erasure) -> int:
    return 0  # the erase event has emptied them in its own transaction; what was written since is another matter


def _personal(e: Erasure) -> int:
    return Personal.objects.filter(case_id=e.case_id).delete()[0]


def _idempotency(e: Erasure) -> int:
    # The answer names the case; the digest of a short request could be guessed, so the row goes as a whole.
    return Idempotency.objects.filter(answer__case=str(e.case_id)).delete()[0]


#: Outbox kinds of the engine itself: their payloads hold codes, numbers and instants only.
CODES_ONLY = (
    "join", "cancel_children", "tally", "share_clock", "clock_warning", "clock_expired", "recount_case", "clock_order",
    "erase_stores", "anchor", "retention_run",
)  # fmt: skip


def _outbox(e: Erasure) -> int:
    own = Outbox.objects.filter(case_id=e.case_id)
    gone = own.filter(Q(done_at__isnull=False) | Q(dead=True)).exclude(kind__in=CODES_ONLY).delete()[0]
    for row in own.exclude(kind__in=CODES_ONLY):
        kept = {"about": row.payload["about"]} if "about" in row.payload else {}
        gone += Outbox.objects.filter(pk=row.pk).update(payload=kept)
    return gone + own.exclude(last_error="").exclude(kind="erase_stores").update(last_error="")


def _attachments(e: Erasure) -> int:
    own = Attachment.objects.filter(case_id=e.case_id)
    if e.keep_evidence:
        return own.update(name="", lon_e7=None, lat_e7=None, taken_at=None)
    return files.erase(list(own))


#: In this order; what cannot be taken back (file bytes) last.
STORES: tuple[Store, ...] = (
    Store(
        "payload",
        ("Payload.body", "Payload.salt"),
        Text("事项文字和表单回答（个人字段已加密）", "The words and answers of events (personal ones encrypted)"),
        Text("删除正文与盐值，保留摘要", "Text and salt are deleted, the digest stays"),
        _payloads,
    ),
    Store(
        "case_words",
        tuple(f"Case.{column}" for column in TEXT_COLUMNS),
        Text("案件的标题、描述、地址（也供搜索）", "Title, description and address of the case (also searched)"),
        Text("随清除事项置空", "Emptied with the erase event"),
        _case_words,
    ),
    Store(
        "personal",
        ("Personal.cipher", "Personal.lookup"),
        Text("加密的姓名、电话、证件号及检索摘要", "Encrypted name, phone and identity number, and their index"),
        Text("删除整行", "The rows are deleted"),
        _personal,
    ),
    Store(
        "idempotency",
        ("Idempotency.request_digest", "Idempotency.answer", "Idempotency.key"),
        Text("请求摘要与答复", "Digests of requests and their answers"),
        Text("删除整行；其余 30 天后删除", "The rows are deleted; all others after 30 days"),
        _idempotency,
    ),
    Store(
        "outbox",
        ("Outbox.payload", "Outbox.last_error"),
        Text("待发通知的内容与错误信息", "Contents of waiting notices, and error messages"),
        Text("已办的删除，待办的去掉内容", "Delivered rows are deleted, waiting ones lose their contents"),
        _outbox,
    ),
    Store(
        "attachments",
        ("Attachment.name", "Attachment.sha256", "files", "thumbnails"),
        Text("照片、文件、缩略图及其文件名、拍摄时间地点", "Photos, files, thumbnails, with names, times and places"),
        Text(
            "删除行、文件与缩略图（另案仍用的文件保留；要求保全证据时保留文件）",
            "Rows, bytes and thumbnails are deleted (bytes that another case names stay; all bytes stay as evidence on request)",
        ),
        _attachments,
    ),
)


def all_stores() -> tuple[Store, ...]:
    """Of all rooms, those of casework first, and its files last: their bytes go when all rows are gone."""
    others = (store for room, module in personal_modules() if room != "casework" for store in module.STORES)
    return (*STORES[:-1], *others, STORES[-1])


def personal_modules() -> list[tuple[str, Any]]:
    """Room and module of every manifest that says what its room keeps: ``STORES`` and ``HOLDS_NONE``."""
    return [(room.code, import_module(room.personal)) for room in manifest.rooms() if room.personal]


#: Text columns that hold no personal data of a reporter, and why.
HOLDS_NONE: dict[str, str] = {
    "Case.number": "a serial", "Case.procedure_code": "a code", "Case.state": "a code", "Case.stage": "a code",
    "Case.outcome": "a code", "Case.holder_role": "a code", "Case.relation": "a code", "Case.source": "a code",
    "Case.urgency": "a code", "Case.scheme": "a code", "Case.kind": "a code", "Case.component_code": "a code",
    "Case.datum": "a code", "Case.raw_x": "a number", "Case.raw_y": "a number", "Case.grid": "a code",
    "Case.responsibility_grid": "a code", "Case.community": "a code", "Case.sub_district": "a code",
    "Case.county": "a code", "Case.due_clock": "a code", "Case.head_digest": "a digest",
    "Case.children_open": "codes and counts", "Case.hands": "staff ids and codes", "Case.clocks": "codes and instants",
    "Case.facts": "answers that are codes, numbers and dates; words are refused there",
    "Party.": "staff", "Hand.slot": "a serial", "Hand.role": "a code", "Hand.choice": "a code",
    "Numbering.prefix": "a serial",
    "Event.action": "a code", "Event.actor": "staff or system", "Event.from_state": "a code",
    "Event.to_state": "a code", "Event.body": "codes, numbers and digests (chain.py)", "Event.payload_digest": "salted",
    "Event.prev_digest": "a digest", "Event.digest": "a digest", "Event.algorithm": "a code", "Event.batch": "a serial",
    "Personal.field": "a code", "Personal.kind": "a code",
    "Anchor.prev_digest": "a digest", "Anchor.entries_digest": "a digest", "Anchor.digest": "a digest",
    "Anchor.algorithm": "a code", "AnchorEntry.digest": "a digest",
    "Outbox.key": "ids and codes", "Outbox.kind": "a code", "Outbox.lease_by": "a process",
    "Idempotency.actor": "staff or system", "Idempotency.door": "a code",
    "Attachment.media_type": "a code", "Attachment.stage": "a code",
    "ClockOrder.document_number": "a public document", "ClockOrder.signatory": "staff, a public document",
    "ClockOrder.reason": "a public document", "ClockOrder.division_prefixes": "codes",
    "ClockOrder.class_prefixes": "codes",
    "ProcedureVersion.": "rules, not cases", "RuleVersion.": "rules, not cases", "WorkerBeat.name": "a process",
    "WorkList.": "filters without search words, and the name that staff gives a list",
}  # fmt: skip
