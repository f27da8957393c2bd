"""Bulk edit: choose a column and a value, look at what would change, confirm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from xiuhua.casework import paging
from xiuhua.city.access import signed_in
from xiuhua.ledgers import bulk_edit, columns, filters, scope, write
from xiuhua.ledgers.bulk_edit import Proposal
from xiuhua.ledgers.columns import Col
from xiuhua.ledgers.drafts import Draft
from xiuhua.ledgers.pages import common
from xiuhua.ledgers.pages.rows import question
from xiuhua.ui.forms import Question

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the preview."""

    title: str
    url: str
    before: Any
    after: Any
    said: list[str]


@signed_in
def bulk(request: HttpRequest, code: str) -> HttpResponse:
    """``?column=`` chooses the column; a POST without ``mark`` previews, with the mark of what was seen it writes."""
    ledger, actor = common.find(request, code, "manage")
    book = columns.book(ledger)
    cols = [col for col in book.cols.values() if col.column.bulk]
    if not cols:
        raise Http404
    asked = request.POST.get("column") or request.GET.get("column") or cols[0].name
    col = next((one for one in cols if one.name == asked), cols[0])
    chosen = filters.choose(ledger, actor, request.GET.dict())
    mine = chosen.rows.filter(scope.reach(ledger, actor, ledger.manage).q())
    proposal, errors, status = None, [], 200
    if request.method == "POST":
        value: Any = request.POST.get(col.name, "")
        if col.type == "bool":
            value = value in ("on", "1")
        proposal = bulk_edit.propose(ledger, actor, chosen.rows, col.name, value)
        errors = _of_column(proposal)
        if proposal.too_many or errors:
            status = 422
        elif request.POST.get("mark"):
            if request.POST["mark"] != proposal.mark:
                messages.error(request, _("The rows changed meanwhile. Look at the preview again."))
                status = 409
            elif not proposal.changed:
                messages.info(request, _("Nothing would change."))
            else:
                try:
                    batch = bulk_edit.run(proposal, actor)
                except write.Conflict as conflict:
                    messages.error(request, str(conflict.text))
                    status = 409
                else:
                    messages.success(request, _("%(count)s rows changed.") % {"count": len(proposal.changed)})
                    return redirect("ledger-batch", code, batch.pk)
    query = f"?{chosen.query}" if chosen.query else ""
    given = {col.name: request.POST.get(col.name)} if request.method == "POST" else {}
    asked_question: Question = question(book, col, given, {col.name: errors}, None)
    return render(
        request,
        "ledgers/bulk.html",
        {
            "ledger": ledger,
            "cols": cols,
            "col": col,
            "question": asked_question,
            "value": _posted(request, col),
            "tags": filters.tags(chosen),
            "words": chosen.words,
            "total": paging.count(mine, bulk_edit.MOST),
            "most": bulk_edit.MOST,
            "query": query,
            "kept": list(chosen.about.items()),
            "back_url": reverse("ledger", args=[code]) + query,
            "proposal": None if errors else proposal,
            "changed": [_line(code, col, one) for one in proposal.changed[:SHOWN]] if proposal else [],
            "refused": [_line(code, col, one) for one in proposal.refused[:SHOWN]] if proposal else [],
        },
        status=status,
    )


def _posted(request: HttpRequest, col: Col) -> str:
    if col.type == "bool":
        return "1" if request.POST.get(col.name) in ("on", "1") else "0"
    return request.POST.get(col.name, "")


def _of_column(proposal: Proposal) -> list[str]:
    """When every row is refused for the value itself, that is a fault of the form and not of the rows."""
    refused = proposal.refused
    if not refused or len(refused) < len(proposal.drafts):
        return []
    said = {tuple(str(f.message) for f in draft.faults if f.column == proposal.col.name) for draft in refused}
    return list(said.pop()) if len(said) == 1 else []


def _line(code: str, col: Col, draft: Draft) -> Line:
    assert draft.row is not None
    before, after = draft.before or {}, draft.after or {}
    return Line(
        str(draft.row),
        reverse("ledger-row", args=[code, draft.row.pk]),
        columns.shown(col, before.get(col.name)),
        columns.shown(col, after.get(col.name)),
        [str(fault.message) for fault in draft.faults],
    )
