"""The API of all ledgers: list, read, make, change, history, import, undo — through the same checks as the pages.

Values are plain (`columns.Plain`): text, whole numbers, true, false, null; references by their codes; positions as
``lon`` and ``lat`` in CGCS2000 degrees, lines and polygons as ``wkt``. Rows out of sight are not there (404).
"""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import File, Path, Query, Schema
from ninja.files import UploadedFile
from ninja.responses import Status

from xiuhua.api_base import ApiRouter, Problem, allow, answers
from xiuhua.casework import paging
from xiuhua.city.access import Actor
from xiuhua.ledgers import columns, drafts, filters, history, imports, registry, scope, shapes, store, undo, write
from xiuhua.ledgers.columns import Plain, Refs
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.ledgers.models import Batch
from xiuhua.ledgers.pages.batches import mine
from xiuhua.ledgers.store import FileRefused
from xiuhua.manifest import Text

ledgers = ApiRouter(tags=["ledgers"])

Code = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="code of the ledger")]
RowId = Annotated[str, Path(pattern=r"^[0-9]{1,18}$", description="id of the row")]
BatchId = Annotated[str, Path(pattern=r"^[0-9]{1,18}$", description="id of the batch")]


class ColumnOut(Schema):
    """One column: its name in requests, its titles, what it takes."""

    name: str
    title_zh: str
    title_en: str
    type: str
    required: bool
    editable: bool
    filtered: bool
    choices: list[str] = []


class LedgerOut(Schema):
    code: str
    title_zh: str
    title_en: str
    key: list[str]
    columns: list[ColumnOut]
    sorts: list[str]
    shaped: bool
    may_manage: bool


class LedgerList(Schema):
    items: list[LedgerOut]


class RowOut(Schema):
    """A row. ``version`` goes back with a change, which is refused when the row is another by then."""

    id: str
    version: str
    values: dict[str, Any]


class RowList(Schema):
    items: list[RowOut]
    next: str | None
    count: int | None
    count_is_capped: bool


class RowIn(Schema):
    values: dict[str, Any]
    system: str = "cgcs2000"


class RowChange(RowIn):
    version: str


class ChangeOut(Schema):
    seq: int
    action: str
    actor: str
    at: str
    fields: list[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    erased: bool
    digest: str


class ChangeList(Schema):
    items: list[ChangeOut]
    next: int | None


class BatchOut(Schema):
    """``status``: waiting, checked, queued, done, undoing, undone or refused."""

    id: str
    status: str
    file_name: str
    counts: dict[str, Any]
    progress: dict[str, Any]
    error: str


class Go(Schema):
    only_good: bool = False


class Nothing(Schema):
    pass


@answers(FileRefused)
def _refused(error: FileRefused) -> Problem:
    return Problem(422, "file_refused", str(error.text))


@answers(write.Conflict)
def _conflict(error: write.Conflict) -> Problem:
    return Problem(409, "conflict", str(error.text))


def _find(request: HttpRequest, code: str, permission: str = "read") -> tuple[Ledger, Actor]:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    ledger = registry.ledgers().get(code)
    if ledger is None:
        raise Problem(404, "not_found", _("There is no such ledger."))
    needed = ledger.read if permission == "read" else ledger.manage
    if not actor.has(needed):
        raise Problem(403, "forbidden", _("Your posts do not allow this: %(permission)s.") % {"permission": needed})
    return ledger, actor


def _row(ledger: Ledger, actor: Actor, pk: str, permission: str = "read") -> Model:
    rows = scope.visible(ledger, actor) if permission == "read" else scope.manageable(ledger, actor)
    row = rows.filter(pk=int(pk)).first()
    if row is None:
        raise Problem(404, "not_found", _("There is no such row, or you may not see it."))
    return row


def _out(ledger: Ledger, rows: list[Model]) -> list[dict[str, Any]]:
    book = columns.book(ledger)
    refs = Refs().of_rows(book, rows)
    found = []
    for row in rows:
        plain = columns.plain(book, row, refs)
        found.append({"id": str(row.pk), "version": version(plain), "values": columns.masked(book, plain)})
    return found


def version(plain: dict[str, Plain]) -> str:
    from xiuhua.ledgers.pages.common import version as of

    return of(plain)


@ledgers.get("", response=LedgerList, summary="List the ledgers")
@allow()
def list_ledgers(request: HttpRequest) -> dict[str, Any]:
    """The ledgers that you may read, with their columns."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return {"items": [_describe(one, actor) for one in registry.ledgers().values() if actor.has(one.read)]}


def _describe(ledger: Ledger, actor: Actor) -> dict[str, Any]:
    cols = []
    for col in columns.book(ledger).cols.values():
        zh, en = columns.titles(col)
        cols.append(
            {
                "name": col.name,
                "title_zh": zh,
                "title_en": en,
                "type": col.type,
                "required": col.required,
                "editable": col.column.edit,
                "filtered": col.column.filtered,
                "choices": list(col.choices),
            }
        )
    return {
        "code": ledger.code,
        "title_zh": ledger.title.zh,
        "title_en": ledger.title.en,
        "key": list(ledger.key),
        "columns": cols,
        "sorts": [sort.code for sort in ledger.sorts],
        "shaped": ledger.shape is not None,
        "may_manage": actor.has(ledger.manage),
    }


@ledgers.get("/{code}", response=RowList, summary="List rows")
@allow()
def list_rows(
    request: HttpRequest,
    code: Code,
    q: Annotated[str, Query(max_length=80)] = "",
    sort: Annotated[str, Query(max_length=40)] = "",
    cursor: Annotated[str, Query(max_length=2000, description="``next`` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=paging.MOST_ROWS)] = 50,
    count: Annotated[bool, Query(description="also count, up to 10,000")] = False,
) -> dict[str, Any]:
    """A page of what you may see. Filters are parameters named by the columns (days as ``<name>_from``, ``_to``)."""
    ledger, actor = _find(request, code)
    chosen = filters.choose(ledger, actor, request.GET.dict())
    if chosen.wrong:
        wrong = [(name, " ".join(said)) for name, said in chosen.wrong.items()]
        raise Problem(422, "invalid", _("Some values are missing or wrong."), errors=wrong)
    page = filters.page(chosen, cursor, limit)
    counted = paging.count(chosen.rows) if count else None
    return {
        "items": _out(ledger, page.rows),
        "next": page.next or None,
        "count": counted.value if counted else None,
        "count_is_capped": bool(counted and counted.more),
    }


@ledgers.post("/{code}", response={201: RowOut}, summary="Add a row")
@allow()
def add_row(request: HttpRequest, code: Code, body: RowIn) -> Status[Any]:
    """The same checks as the form; a row with the same key is a conflict."""
    ledger, actor = _find(request, code, "manage")
    work = Work(ledger, actor, system=_system(body.system))
    draft = Draft(1, _given(work, body.values))
    drafts.check(work, [draft], by_key=True)
    if draft.row is not None:
        raise Problem(409, "conflict", _("The ledger has this one already."))
    _write(work, draft)
    assert draft.row is not None
    return Status(201, _out(ledger, [draft.row])[0])


@ledgers.get("/{code}/rows/{row}", response=RowOut, summary="One row")
@allow()
def get_row(request: HttpRequest, code: Code, row: RowId) -> dict[str, Any]:
    """All values of a row."""
    ledger, actor = _find(request, code)
    return _out(ledger, [_row(ledger, actor, row)])[0]


@ledgers.patch("/{code}/rows/{row}", response=RowOut, summary="Change a row")
@allow()
def change_row(request: HttpRequest, code: Code, row: RowId, body: RowChange) -> dict[str, Any]:
    """Only the values given are changed; ``version`` must be that of the row as you saw it."""
    ledger, actor = _find(request, code, "manage")
    found = _row(ledger, actor, row, "manage")
    work = Work(ledger, actor, system=_system(body.system))
    if version(write.plain_now(work, found)) != body.version:
        raise Problem(409, "conflict", _("Somebody else has just changed this row. Read it again."))
    draft = Draft(1, _given(work, body.values), row=found)
    drafts.check(work, [draft], by_key=False)
    _write(work, draft)
    return _out(ledger, [_row(ledger, actor, row, "manage")])[0]


def _system(name: str) -> str:
    if name not in shapes.SYSTEMS:
        said = _("Choose one of: %(choices)s.") % {"choices": ", ".join(shapes.SYSTEMS)}
        raise Problem(422, "invalid", said, errors=[("system", said)])
    return name


def _given(work: Work, values: dict[str, Any]) -> dict[str, Any]:
    known = {name for name, col in work.book.cols.items() if col.column.edit}
    if work.ledger.shape is not None:
        known |= {"lon", "lat", "wkt"}
    wrong = [(name, _("This is not known here.")) for name in values if name not in known]
    wrong += [
        (name, _("Give text, a number, true, false or null."))
        for name, value in values.items()
        if not (value is None or isinstance(value, str | int | float | bool))
    ]
    if wrong:
        raise Problem(422, "invalid", _("Some values are missing or wrong."), errors=wrong[:50])
    return values


def _write(work: Work, draft: Draft) -> None:
    if draft.faults:
        said = [(fault.column or "row", str(fault.message)) for fault in draft.faults]
        raise Problem(422, "invalid", _("Some values are missing or wrong."), errors=said)
    if draft.kind != "same":
        write.apply(work, [draft])


@ledgers.get("/{code}/rows/{row}/history", response=ChangeList, summary="History of a row")
@allow()
def get_history(
    request: HttpRequest, code: Code, row: RowId, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> dict[str, Any]:
    """Newest first; go on with ``next`` as ``before``. Sealed values stay sealed."""
    ledger, actor = _find(request, code)
    pk = _row(ledger, actor, row).pk
    changes = history.of_row(code, pk, before_seq=before)
    personal = {column.name for column in ledger.columns if column.personal}

    def sealed(values: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if values is None else {k: "***" if k in personal and v else v for k, v in values.items()}

    items = [
        {
            "seq": one.seq,
            "action": one.action,
            "actor": one.actor,
            "at": one.at.isoformat(),
            "fields": list(one.fields),
            "before": sealed(one.before),
            "after": sealed(one.after),
            "erased": one.erased,
            "digest": one.digest,
        }
        for one in changes[:50]
    ]
    return {"items": items, "next": changes[49].seq if len(changes) > 50 else None}


# -- batches -------------------------------------------------------------------------------------------------------


@ledgers.post("/{code}/imports", response={202: BatchOut}, summary="Send a file")
@allow(most_bytes=lambda: store.MOST_BYTES)
def send_file(
    request: HttpRequest,
    code: Code,
    file: Annotated[UploadedFile, File(description="CSV, XLSX, GeoJSON, GeoPackage or zipped shapefile")],
    system: Annotated[str, Query(max_length=12, description="coordinate system; '' = as the file says")] = "",
    encoding: Annotated[str, Query(pattern="^(auto|utf-8|gb18030)$")] = "auto",
    layer: Annotated[str, Query(max_length=80)] = "",
) -> Status[Any]:
    """The worker checks it; look at the batch until it is ``checked``, then ``go``."""
    ledger, actor = _find(request, code, "manage")
    options = {"system": _system(system) if system else "", "encoding": encoding, "layer": layer}
    batch = imports.receive(ledger, actor, file.name or "", file.chunks(), options)
    return Status(202, _batch_out(batch))


def _batch(request: HttpRequest, code: str, pk: str) -> tuple[Batch, Actor]:
    ledger, actor = _find(request, code, "manage")
    batch = mine(ledger, actor).filter(pk=int(pk)).first()
    if batch is None:
        raise Problem(404, "not_found", _("There is no such batch."))
    return batch, actor


def _batch_out(batch: Batch) -> dict[str, Any]:
    return {
        "id": str(batch.pk),
        "status": batch.status,
        "file_name": batch.file_name,
        "counts": batch.counts,
        "progress": store.progress(batch.pk),
        "error": str(Text(batch.error["zh"], batch.error["en"])) if batch.error else "",
    }


@ledgers.get("/{code}/imports/{batch}", response=BatchOut, summary="How far a batch is")
@allow()
def get_batch(request: HttpRequest, code: Code, batch: BatchId) -> dict[str, Any]:
    """Counts, samples of rows and progress."""
    return _batch_out(_batch(request, code, batch)[0])


@ledgers.post("/{code}/imports/{batch}/go", response={202: BatchOut}, summary="Import a checked batch")
@allow()
def go(request: HttpRequest, code: Code, batch: BatchId, body: Go) -> Status[Any]:
    """All rows together; with ``only_good`` the refused ones are left out."""
    found, _actor = _batch(request, code, batch)
    if not imports.go(found, only_good=body.only_good):
        raise Problem(409, "conflict", _("It cannot be imported now: check it again, or mend the refused rows first."))
    found.refresh_from_db()
    return Status(202, _batch_out(found))


@ledgers.post("/{code}/imports/{batch}/undo", response={202: BatchOut}, summary="Undo a batch")
@allow()
def undo_batch(request: HttpRequest, code: Code, batch: BatchId, body: Nothing) -> Status[Any]:
    """Every row as it was before, or nothing."""
    found, actor = _batch(request, code, batch)
    if not undo.ask(found, actor):
        raise Problem(409, "conflict", _("This batch cannot be undone now."))
    found.refresh_from_db()
    return Status(202, _batch_out(found))
