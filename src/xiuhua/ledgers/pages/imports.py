"""Sending a file: the form, what is taken, and the empty templates."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from xiuhua.city.access import signed_in
from xiuhua.ledgers import columns, imports, readers, shapes
from xiuhua.ledgers.pages import common
from xiuhua.ledgers.store import FileRefused

ENCODINGS = ("auto", "utf-8", "gb18030")


def encodings() -> list[tuple[str, str]]:
    return [("auto", _("Found out by itself")), ("utf-8", "UTF-8"), ("gb18030", "GBK / GB 18030")]


def options_of(request: HttpRequest) -> dict[str, Any]:
    """Coordinate system, encoding and layer as the form says; unknown ones fall back to what the file says."""
    post = request.POST.get
    system, encoding = post("system", ""), post("encoding", "auto")
    return {
        "system": system if system in shapes.SYSTEMS else "",
        "encoding": encoding if encoding in ENCODINGS else "auto",
        "layer": post("layer", "").strip()[:80],
    }


@signed_in
def upload(request: HttpRequest, code: str) -> HttpResponse:
    """The form; a file that comes in is checked by the worker, nothing is written yet."""
    ledger, actor = common.find(request, code, "manage")
    error, status = "", 200
    if request.method == "POST":
        file = request.FILES.get("file")
        if file is None:
            error, status = _("Choose a file."), 422
        else:
            try:
                batch = imports.receive(ledger, actor, file.name or "", file.chunks(), options_of(request))
            except FileRefused as refused:
                error, status = str(refused.text), 422
            else:
                return redirect("ledger-batch", code, batch.pk)
    book = columns.book(ledger)
    return render(
        request,
        "ledgers/import.html",
        {
            "ledger": ledger,
            "error": error,
            "formats": readers.FORMATS,
            "systems": list(shapes.SYSTEMS.items()) if ledger.shape is not None else [],
            "encodings": encodings(),
            "cols": [col for col in book.cols.values() if col.column.edit],
            "keys": [book.cols[name].title for name in ledger.key],
            "accept": ",".join(readers.FORMATS),
        },
        status=status,
    )
