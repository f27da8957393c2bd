"""Keeping a filter under a name, and dropping one's own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from xiuhua.city.access import signed_in
from xiuhua.ledgers import views
from xiuhua.ledgers.models import SavedView
from xiuhua.ledgers.pages import common


@signed_in
@require_POST
def save(request: HttpRequest, code: str) -> HttpResponse:
    """Keep the filter of the list for oneself, or for all who hold one of one's own roles on the platform."""
    ledger, actor = common.find(request, code)
    post = request.POST.get
    row = views.save(ledger, actor, post("name", ""), post("query", ""), post("role", ""))
    if row is None:
        messages.error(request, _("Filter the list first and give the view a name."))
        return redirect(f"{reverse('ledger', args=[code])}?{views.clean(ledger, post('query', ''))}")
    messages.success(request, _("The view “%(name)s” is kept.") % {"name": row.name})
    return redirect(f"{reverse('ledger', args=[code])}?{row.query}")


@signed_in
def manage(request: HttpRequest, code: str) -> HttpResponse:
    """One's own views of a ledger, each to be dropped."""
    ledger, actor = common.find(request, code)
    rows = SavedView.objects.filter(ledger=code, owner_id=actor.user_id).order_by("name", "id")
    if request.method == "POST" and request.POST.get("drop", "").isdigit():
        rows.filter(pk=int(request.POST["drop"])).delete()
        messages.success(request, _("The view is dropped."))
        return redirect("ledger-views", code)
    return render(request, "ledgers/views.html", {"ledger": ledger, "rows": rows})
