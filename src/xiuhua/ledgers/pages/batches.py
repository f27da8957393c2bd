"""Batches: what was imported or edited in bulk, what a dry run found, going on with it, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from xiuhua.casework import moments
from xiuhua.city.access import Actor, signed_in
from xiuhua.ledgers import columns, imports, shapes, store, undo
from xiuhua.ledgers.columns import Book
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.models import Batch
from xiuhua.ledgers.pages import common
from xiuhua.ledgers.pages.imports import encodings, options_of
from xiuhua.manifest import Text
from xiuhua.ui.parts import Badge

_TONES = {
    "waiting": "info",
    "checked": "soon",
    "queued": "info",
    "done": "ok",
    "undoing": "info",
    "refused": "over",
    "undone": "paused",
}
#: States in which the worker has something to do, so that the page looks again.
BUSY = ("waiting", "queued", "undoing")


def mine(ledger: Ledger, actor: Actor) -> QuerySet[Batch]:
    """The actor's own batches, and those of the platforms whose ledger he manages."""
    platforms = {seat.platform_id for seat in actor.seats_with(ledger.manage)}
    return Batch.objects.filter(Q(created_by_id=actor.user_id) | Q(platform_id__in=platforms), ledger=ledger.code)


def _find(request: HttpRequest, code: str, pk: int) -> tuple[Ledger, Actor, Batch]:
    ledger, actor = common.find(request, code, "manage")
    batch = mine(ledger, actor).select_related("created_by", "undone_by").filter(pk=pk).first()
    if batch is None:
        raise Http404
    return ledger, actor, batch


def badge(batch: Batch) -> Badge:
    return Badge(batch.get_status_display(), _TONES[batch.status])


@signed_in
def batch_list(request: HttpRequest, code: str) -> HttpResponse:
    """Imports and bulk edits, newest first."""
    ledger, actor = common.find(request, code, "manage")
    rows = mine(ledger, actor).select_related("created_by").order_by("-id")[:100]
    return render(
        request,
        "ledgers/batches.html",
        {"ledger": ledger, "rows": [(batch, badge(batch)) for batch in rows], "as_of": moments.now()},
    )


def _context(ledger: Ledger, batch: Batch) -> dict[str, Any]:
    book = columns.book(ledger)
    counts, seen = batch.counts, store.progress(batch.pk)
    done, total = int(seen.get("done", 0)), int(seen.get("total", 0))
    error = str(Text(batch.error["zh"], batch.error["en"])) if batch.error else ""
    figures = [
        (_("Rows"), counts.get("rows", 0), ""),
        (_("New"), counts.get("new", 0), "ok"),
        (_("Changed"), counts.get("changed", 0), "soon"),
        (_("Unchanged"), counts.get("same", 0), ""),
        (_("Refused"), counts.get("refused", 0), "over" if counts.get("refused") else ""),
    ]
    return {
        "ledger": ledger,
        "batch": batch,
        "badge": badge(batch),
        "busy": batch.status in BUSY,
        "phase": {"check": _("Checking"), "read": _("Checking again"), "write": _("Writing"), "undo": _("Undoing")}.get(
            str(seen.get("phase")), _("Waiting for the worker")
        ),
        "done": done,
        "total": total,
        "error": error,
        "figures": figures if counts else [],
        "samples": [_sample(book, one) for one in counts.get("samples", ())],
        "refused": counts.get("refused", 0),
        "anything": bool(counts.get("new") or counts.get("changed")),
        "good": counts.get("new", 0) + counts.get("changed", 0),
        "title": batch.file_name or _("Bulk edit of “%(column)s”") % {"column": _column(book, batch)},
    }


def _column(book: Book, batch: Batch) -> Any:
    name = batch.options.get("column", "")
    return book.cols[name].title if name in book.cols else name


def _sample(book: Book, one: dict[str, Any]) -> dict[str, Any]:
    """A row of the report in the reader's language."""
    titles = {"new": _("New"), "changed": _("Changed"), "refused": _("Refused"), "noted": _("To be looked at")}
    tones = {"new": "ok", "changed": "soon", "refused": "over", "noted": "info"}
    said = [
        f"{book.cols[name].title}: {Text(zh, en)}" if name in book.cols else str(Text(zh, en))
        for name, zh, en in one["said"]
    ]
    fields = [str(book.cols[name].title) if name in book.cols else name for name in one.get("fields", ())]
    return {
        "no": one["no"],
        "key": one["key"],
        "badge": Badge(titles[one["kind"]], tones[one["kind"]]),
        "said": said or ([", ".join(fields)] if fields else []),
    }


@signed_in
def batch_page(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """One batch: how far it is, what was found, and what may be done now."""
    ledger, _actor, batch = _find(request, code, pk)
    return render(request, "ledgers/batch.html", {**_context(ledger, batch), **_options(ledger, batch)})


@signed_in
def state(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """The part of the page that looks again while the worker is at it; when it has ended the page comes anew."""
    ledger, _actor, batch = _find(request, code, pk)
    context = _context(ledger, batch)
    response = render(request, "ledgers/progress.html", context)
    if not context["busy"]:
        response["HX-Refresh"] = "true"
    return response


def _options(ledger: Ledger, batch: Batch) -> dict[str, Any]:
    """The form by which columns, coordinates and encoding of a file are put right."""
    book = columns.book(ledger)
    chosen = batch.options.get("mapping")
    mapping = imports.guess(book, batch.headers) if chosen is None else chosen
    wanted = [
        (col.name, col.title, col.required) for col in book.cols.values() if col.column.edit or col.name == "grid_code"
    ]
    if ledger.shape is not None:
        wanted += [("lon", _("Longitude"), False), ("lat", _("Latitude"), False), ("wkt", _("Shape (WKT)"), False)]
    return {
        "may_change": batch.kind == "import" and batch.status in ("checked", "refused") and bool(batch.sha256),
        "mapping": [(number, header, mapping.get(header, "")) for number, header in enumerate(batch.headers) if header],
        "ignored": [header for header in batch.headers if header and not mapping.get(header)],
        "wanted": wanted,
        "systems": list(shapes.SYSTEMS.items()) if ledger.shape is not None else [],
        "system": batch.options.get("system", ""),
        "system_title": shapes.SYSTEMS.get(batch.options.get("system", ""), "") if ledger.shape is not None else "",
        "encodings": encodings(),
        "encoding": batch.options.get("encoding", "auto"),
        "layer": batch.options.get("layer", ""),
    }


@signed_in
@require_POST
def mapping(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Check the same file again, with other columns, coordinates or encoding."""
    ledger, _actor, batch = _find(request, code, pk)
    options = options_of(request)
    names = {*columns.book(ledger).cols, "lon", "lat", "wkt"}
    chosen = {header: request.POST.get(f"column-{number}", "") for number, header in enumerate(batch.headers) if header}
    chosen = {header: name for header, name in chosen.items() if name in names}
    if batch.headers and chosen:
        options["mapping"] = chosen
    if "system" not in request.POST and "encoding" not in request.POST:
        messages.error(request, _("Nothing was chosen."))
    elif not imports.again(batch, options):
        messages.error(request, _("This batch has gone on meanwhile."))
    return redirect("ledger-batch", code, pk)


@signed_in
@require_POST
def go(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Import what was checked: all of it, or the good rows when that was asked for."""
    _ledger, _actor, batch = _find(request, code, pk)
    if not imports.go(batch, only_good=request.POST.get("only_good") == "1"):
        messages.error(request, _("It cannot be imported now: check it again, or mend the refused rows first."))
    return redirect("ledger-batch", code, pk)


@signed_in
def undo_page(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Take a batch back, after saying what that means."""
    ledger, actor, batch = _find(request, code, pk)
    if request.method == "POST" and request.POST.get("sure") == "1":
        if not undo.ask(batch, actor):
            messages.error(request, _("This batch cannot be undone now."))
        return redirect("ledger-batch", code, pk)
    return render(
        request, "ledgers/undo.html", {**_context(ledger, batch), "back_url": reverse("ledger-batch", args=[code, pk])}
    )


@signed_in
def report(request: HttpRequest, code: str, pk: int) -> HttpResponseBase:
    """The refused rows as they came, each with its reasons: mend them and send the file again."""
    _ledger, _actor, batch = _find(request, code, pk)
    return _bytes(batch.report, f"{code}-{batch.pk}-refused.csv", "text/csv; charset=utf-8")


@signed_in
def file(request: HttpRequest, code: str, pk: int) -> HttpResponseBase:
    """The file as it came."""
    _ledger, _actor, batch = _find(request, code, pk)
    return _bytes(batch.sha256, batch.file_name, "application/octet-stream")


def _bytes(digest: str, name: str, kind: str) -> HttpResponseBase:
    if not digest or not store.path_of(digest).exists():
        raise Http404
    return FileResponse(store.path_of(digest).open("rb"), as_attachment=True, filename=name, content_type=kind)
