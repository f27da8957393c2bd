"""All ledgers on one page; the list of one ledger with filters, saved views, pages by key."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from xiuhua.casework import moments, paging
from xiuhua.city.access import signed_in
from xiuhua.ledgers import columns, exports, filters, registry, scope, views
from xiuhua.ledgers.pages import common
from xiuhua.ui.parts import Button


@signed_in
def index(request: HttpRequest) -> HttpResponse:
    """The ledgers that the actor may read, with how many rows are in sight."""
    actor = request.actor  # type: ignore[attr-defined]
    cards = [
        {
            "ledger": ledger,
            "url": reverse("ledger", args=[ledger.code]),
            "count": paging.count(scope.visible(ledger, actor)),
        }
        for ledger in registry.ledgers().values()
        if actor.has(ledger.read)
    ]
    return render(request, "ledgers/index.html", {"cards": cards, "as_of": moments.now()})


@signed_in
def ledger_list(request: HttpRequest, code: str) -> HttpResponse:
    """Rows under filters, by a sort that has an index, paged by key."""
    ledger, actor = common.find(request, code)
    given = request.GET.dict()
    chosen = filters.choose(ledger, actor, given)
    after = request.GET.get("after", "")
    try:
        page = filters.page(chosen, after)
    except paging.CursorRefused:
        page, after = filters.page(chosen), ""
    book = columns.book(ledger)
    controls = filters.controls(ledger, given)
    manage = actor.has(ledger.manage)
    return render(
        request,
        "ledgers/list.html",
        {
            "ledger": ledger,
            "cols": common.listed(book),
            "lines": common.lines(book, page.rows),
            "first_controls": controls[:3],
            "more_controls": controls[3:],
            "more": any(control.value for control in controls[3:]),
            "wrong": [f"{name}: {' '.join(said)}" for name, said in chosen.wrong.items()],
            "tags": views.tags(ledger, actor, chosen) + filters.tags(chosen),
            "may_save": bool(chosen.query),
            "clear_url": reverse("ledger", args=[code]) if chosen.values or chosen.words else "",
            "words": chosen.words,
            "sorts": [(one, one.code == chosen.sort.code) for one in ledger.sorts],
            "total": paging.count(chosen.rows),
            "next_url": f"?{urlencode({**chosen.about, 'after': page.next})}" if page.next else "",
            "first_url": f"?{chosen.query}" if after else "",
            "query": chosen.query,
            "buttons": _buttons(ledger, manage, chosen.query),
            "manage": manage,
            "formats": exports.formats(ledger),
            "shares": views.shares(actor),
            "as_of": moments.now(),
        },
    )


def _buttons(ledger: common.Ledger, manage: bool, query: str) -> list[Button]:
    end = f"?{query}" if query else ""
    found = []
    if manage:
        found.append(Button(_("Add"), reverse("ledger-add", args=[ledger.code]), key="a", tone="primary", icon="plus"))
        found.append(Button(_("Import"), reverse("ledger-import", args=[ledger.code]), icon="file-import"))
        if any(column.bulk for column in ledger.columns):
            found.append(Button(_("Bulk edit"), reverse("ledger-bulk", args=[ledger.code]) + end, icon="edit"))
    if ledger.shape is not None:
        found.append(Button(_("Map"), reverse("ledger-map", args=[ledger.code]) + end, key="m", icon="map"))
    return found


@signed_in
def lookup(request: HttpRequest, code: str, name: str) -> JsonResponse:
    """What a reference column may point at: ``?q=`` -> {"results": [{value, label, note}]}."""
    ledger, actor = common.find(request, code)
    col = columns.book(ledger).cols.get(name)
    if col is None or col.ref is None:
        return JsonResponse({"results": []})
    return JsonResponse({"results": views.candidates(ledger, actor, col, request.GET.get("q", ""))})
