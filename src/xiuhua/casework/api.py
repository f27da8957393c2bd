"""The case API: report, list, look, act, read the log and the deadlines; upload and fetch files.

It goes through the same door as every page (`engine.create`, `engine.advance`), so what a person may do on a page,
his token may do here, and no more. Cases out of sight are not there (404).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from ninja import Header, Path, Query
from ninja.responses import Status

from xiuhua.api_base import ApiRouter, Problem, allow, storable
from xiuhua.casework import (
    api_present,
    engine,
    files,
    library,
    paging,
    permits,
    problems,  # noqa: F401  # says what this room's exceptions mean
    read,
    reveal,
    search,
)
from xiuhua.casework.api_schemas import (
    Act,
    ActionList,
    AttachmentOut,
    CaseDetail,
    CaseList,
    Deadlines,
    Done,
    EventList,
    NewCase,
    ProcedureOut,
    Reveal,
    Revealed,
    SortName,
)
from xiuhua.casework.models import Attachment, Case
from xiuhua.casework.thumbnails import EXTENSIONS, SIZES, THUMBNAIL_TYPE
from xiuhua.city import categories
from xiuhua.city.access import Actor
from xiuhua.city.models import Platform
from xiuhua.city.platforms import platforms

LOCAL = ZoneInfo("Asia/Shanghai")
DOOR = "api"

cases = ApiRouter(tags=["cases"])
attachments = ApiRouter(tags=["attachments"])
procedures = ApiRouter(tags=["procedures"])

Number = Annotated[str, Path(pattern=r"^[A-Z0-9-]{1,40}$", description="the case number")]
Code = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="digest of the file, lower-case hexadecimal")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,120}$",
        description="the same key with the same content is answered as before, with other content refused (409)",
    ),
]
Cursor = Annotated[str, Query(max_length=400, description="``next`` of the page before")]
Limit = Annotated[int, Query(ge=1, le=paging.MOST_ROWS)]


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def _language() -> str:
    return get_language() or settings.LANGUAGE_CODE


def _case(request: HttpRequest, number: str, rows: QuerySet[Case] | None = None) -> Case:
    """The case of that number if the actor may see it; ``rows``: with what is to be read along."""
    found = read.by_number(number) if rows is None else rows.filter(number=number).first()
    if found is None or not permits.sees(_actor(request), found):
        raise Problem(404, "not_found", _("There is no such case, or you may not see it."))
    return found


# -- cases ---------------------------------------------------------------------------------------------------------


@cases.post("", response={201: Done}, summary="Report a case")
@allow("case.report")
def create_case(request: HttpRequest, body: NewCase, idempotency_key: Key = None) -> Status[Any]:
    """Starts a case of a procedure. What the form asks stands under ``GET /procedures/{code}``."""
    actor = _actor(request)
    platform = platforms().row(code=body.platform or "", pk=actor.platform_id)
    if platform is None:
        raise Problem(422, "invalid", _("There is no such platform."), errors=[("platform", _("Unknown code."))])
    try:
        version, _rules = library.current(body.procedure, platform)
    except KeyError:
        said = _("There is no such procedure.")
        raise Problem(422, "invalid", said, errors=[("procedure", _("Unknown code."))]) from None
    made = engine.create(
        body.procedure, platform, actor, body.answers, action=body.action, key=idempotency_key, door=DOOR
    )
    if made.replayed:  # the case may be of an earlier version
        version = Case.objects.values_list("procedure_id", flat=True).get(pk=made.case_id)
    return Status(201, api_present.done(made, version))


@cases.get("", response=CaseList, summary="List cases")
@allow("case.read")
def list_cases(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=100, description="number or its tail, words, a place, a telephone number")] = "",
    state: Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$|^$")] = "",
    procedure: Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$|^$")] = "",
    platform: Annotated[str, Query(max_length=12)] = "",
    category: Annotated[str, Query(max_length=60, description="id, or scheme:kind:code")] = "",
    grid: Annotated[str, Query(max_length=20)] = "",
    holder: Annotated[str, Query(pattern="^(me)?$", description="me: what waits for you (the inbox)")] = "",
    open: Annotated[bool | None, Query()] = None,
    updated_after: Annotated[str, Query(max_length=40, description="ISO 8601; for fetching what changed")] = "",
    sort: Annotated[SortName, Query()] = "newest",
    cursor: Cursor = "",
    limit: Limit = 50,
    count: Annotated[bool, Query(description="also count, up to 10,000")] = False,
) -> dict[str, Any]:
    """A page of what you may see. Go on with ``next`` under the same filters; there are no page numbers."""
    actor = _actor(request)
    wanted = {
        "q": search.clean(q),
        "state": state,
        "procedure": procedure,
        "platform": platform,
        "category": category,
        "grid": grid,
        "holder": holder,
        "open": open,
        "updated_after": updated_after,
    }
    rows = search.search(actor, q).cases if wanted["q"] else permits.visible(actor)
    rows = _filtered(rows, actor, wanted).select_related("platform").only(*api_present.LIST_COLUMNS)
    found = paging.page(rows, paging.CASE_SORTS[sort], filters=wanted, cursor=cursor, size=limit)
    counted = paging.count(rows) if count else None
    return {
        "items": [api_present.brief(case) for case in found.rows],
        "next": found.next or None,
        "count": counted.value if counted else None,
        "count_is_capped": bool(counted and counted.more),
    }


def _filtered(rows: QuerySet[Case], actor: Actor, wanted: dict[str, Any]) -> QuerySet[Case]:
    for name, column in (("state", "state"), ("procedure", "procedure_code"), ("grid", "grid")):
        if wanted[name]:
            rows = rows.filter(**{column: wanted[name]})
    if wanted["platform"]:
        rows = rows.filter(platform__code=wanted["platform"])
    if wanted["open"] is not None:
        rows = rows.filter(open=wanted["open"])
    if wanted["category"]:
        rows = rows.filter(category_id=_category_id(wanted["category"]))
    if wanted["updated_after"]:
        rows = rows.filter(updated_at__gt=_moment(wanted["updated_after"]))
    if wanted["holder"] == "me":
        rows = rows.filter(pk__in=permits.inbox(actor).values("pk"))
    return rows


def _category_id(text: str) -> int:
    book = categories.catalogue()
    parts = text.split(":")
    row = book.category(*parts) if len(parts) == 3 else None
    if row is None and re.fullmatch(r"[0-9]{1,18}", text):
        row = book.by_id.get(int(text))
    if row is None:
        raise Problem(422, "invalid", _("There is no such category."), errors=[("category", _("Unknown code."))])
    return row.id


def _moment(text: str) -> datetime:
    """A time without zone is local time (Asia/Shanghai)."""
    try:
        # In a query "+" is a blank.
        at = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()))
        return (at if at.tzinfo else at.replace(tzinfo=LOCAL)).astimezone(UTC)
    except (ValueError, OverflowError):
        said = _("Give a time such as 2026-05-01T09:30:00+08:00.")
        raise Problem(422, "invalid", said, errors=[("updated_after", said)]) from None


@cases.get("/{number}", response=CaseDetail, summary="One case")
@allow("case.read")
def get_case(request: HttpRequest, number: Number) -> dict[str, Any]:
    """Everything but the log. Personal data are masked."""
    joined = ("platform", "holder_user", "created_by", "parent", "main_case")
    return api_present.detail(_case(request, number, Case.objects.select_related(*joined)))


@cases.get("/{number}/actions", response=ActionList, summary="What you may do")
@allow("case.read")
def list_actions(request: HttpRequest, number: Number) -> dict[str, Any]:
    """The actions that concern you now: those you may take, and those that something holds up, with the reason."""
    case = _case(request, number)
    return {
        "seq": case.seq,
        "state": case.state,
        "actions": api_present.actions(case, _actor(request), _language()),
    }


@cases.post("/{number}/actions/{action}", response=Done, summary="Act on a case")
@allow("case.act")
def act(request: HttpRequest, number: Number, action: Code, body: Act, idempotency_key: Key = None) -> dict[str, Any]:
    """Takes one action. A refusal says who could do it (``who``) and what is missing (``errors``)."""
    case = _case(request, number)
    done = engine.advance(case, action, _actor(request), body.answers, key=idempotency_key, door=DOOR, seq=body.seq)
    return api_present.done(done, case.procedure_id)


@cases.get("/{number}/events", response=EventList, summary="The log")
@allow("case.read")
def list_events(request: HttpRequest, number: Number, cursor: Cursor = "", limit: Limit = 100) -> dict[str, Any]:
    """What happened, in order, with the digests of the chain. Words that were erased are gone; the link stays."""
    case = _case(request, number)
    rows = case.events.select_related("actor_user")
    found = paging.page(rows, paging.EVENT_SORT, filters={"case": str(case.pk)}, cursor=cursor, size=limit)
    return {"items": api_present.events(case, found.rows), "next": found.next or None}


@cases.get("/{number}/deadline", response=Deadlines, summary="Why this deadline")
@allow("case.read")
def get_deadline(request: HttpRequest, number: Number) -> dict[str, Any]:
    """Every clock with the stretches of time that it counted, did not count, and will count."""
    return api_present.deadlines(_case(request, number))


@cases.post("/{number}/reveal", response=Revealed, summary="Personal data in clear")
@allow("case.reveal", "case.act")
def reveal_personal(request: HttpRequest, number: Number, body: Reveal) -> dict[str, Any]:
    """Shows one masked field to who holds the case or has ``case.reveal``; every look is an event with its reason."""
    value = reveal.reveal(_case(request, number), body.field, _actor(request), body.reason)
    return {"field": body.field, "value": value}


# -- procedures ----------------------------------------------------------------------------------------------------


@procedures.get("/{code}", response=ProcedureOut, summary="A procedure and its forms")
@allow("case.read", "case.report")
def get_procedure(
    request: HttpRequest, code: Code, platform: Annotated[str, Query(max_length=12)] = ""
) -> dict[str, Any]:
    """The version in force on a platform (default: your own), with the JSON Schema of every form."""
    where = {"code": platform} if platform else {"pk": _actor(request).platform_id}
    found = Platform.objects.filter(**where).first()
    try:
        if found is None:
            raise KeyError
        _pk, rules = library.current(code, found)
    except KeyError:
        raise Problem(404, "not_found", _("There is no such procedure.")) from None
    return api_present.procedure(rules, _language())


# -- files ---------------------------------------------------------------------------------------------------------

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "stage": {"type": "string", "maxLength": 40, "pattern": "^[a-z_]*$"},
                    },
                    "required": ["file"],
                    "additionalProperties": False,
                }
            }
        },
    }
}


def _sent(*media_types: str) -> dict[str, Any]:
    return {
        "responses": {
            200: {"description": "The bytes.", "content": dict.fromkeys(media_types, _BINARY)},
            304: {"description": "You have it already (If-None-Match)."},
        }
    }


def _most_bytes() -> int:
    """The file and what multipart/form-data adds to it."""
    return int(settings.UPLOAD_MAX_BYTES) + 64 * 1024


@attachments.post("", response={201: AttachmentOut}, openapi_extra=_UPLOAD, summary="Upload a file")
@allow("case.report", "case.act", most_bytes=_most_bytes)
def upload(request: HttpRequest) -> Status[Any]:
    """Takes a picture (JPEG, PNG, WebP) or a PDF. Name its ``sha256`` in the answers of an action within a day."""
    sent = request.FILES.getlist("file")
    unknown = ({*request.FILES, *request.POST} - {"file", "stage"}) | ({"file"} if "file" in request.POST else set())
    if unknown or len(sent) != 1:
        errors = [(name[:60], _("This is not known here.")) for name in sorted(unknown) if storable(name)]
        said = _("Send exactly one file, in the field “file”.")
        raise Problem(422, "invalid", said, errors=errors or [("file", said)])
    stage = request.POST.get("stage", "")
    if not re.fullmatch(r"[a-z_]{0,40}", stage):
        said = _("This is not written as it must be.")
        raise Problem(422, "invalid", said, errors=[("stage", said)])
    row = files.upload(_actor(request), sent[0], sent[0].name or "", stage)
    return Status(201, api_present.attachment(row))


def _attachment(request: HttpRequest, sha256: str) -> Attachment:
    found = files.find(_actor(request), sha256)
    if found is None:
        raise _no_file()
    return found


def _no_file() -> Problem:
    return Problem(404, "not_found", _("There is no such file, or you may not see it."))


@attachments.get("/{sha256}", response={200: None}, openapi_extra=_sent(*EXTENSIONS), summary="A file")
@allow("case.read")
def get_attachment(request: HttpRequest, sha256: Sha256) -> HttpResponseBase:
    """The bytes as they came, for who may see a case that has them, or sent them."""
    try:
        return files.serve(_attachment(request, sha256), request=request)
    except FileNotFoundError:
        raise _no_file() from None


@attachments.get(
    "/{sha256}/thumbnail/{size}", response={200: None}, openapi_extra=_sent(THUMBNAIL_TYPE), summary="A thumbnail"
)
@allow("case.read")
def get_thumbnail(
    request: HttpRequest, sha256: Sha256, size: Annotated[int, Path(ge=min(SIZES), le=max(SIZES))]
) -> HttpResponse | HttpResponseBase:
    """The picture at most 320 or 1280 pixels wide and high, upright, without anything the camera wrote."""
    try:
        return files.serve(_attachment(request, sha256), size=size, request=request)
    except FileNotFoundError:
        raise Problem(404, "not_found", _("This file has no picture of that size.")) from None
