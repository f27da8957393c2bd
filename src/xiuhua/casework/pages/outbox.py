"""Effects that failed: what, of which case, why, how often, when again; another try, or giving one up.

A manager sees the effects of the cases that he may read, and those that belong to no case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from xiuhua.casework import deliver, moments, permits, registry
from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Outbox
from xiuhua.city.access import Actor, requires
from xiuhua.ui.parts import Badge

SIZE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One failed effect as the page shows it."""

    row: Outbox
    what: str
    about: str
    state: Badge
    may_give_up: bool


def in_sight(actor: Actor) -> QuerySet[Outbox]:
    """Effects of cases that the actor may read, and of none."""
    return Outbox.objects.filter(Q(case__isnull=True) | Q(case__in=permits.visible(actor).values("pk")))


def failed(actor: Actor) -> QuerySet[Outbox]:
    """Effects that have failed at least once and are not done, newest first."""
    return in_sight(actor).filter(done_at__isnull=True).exclude(last_error="").select_related("case").order_by("-id")


def lines(rows: Iterable[Outbox]) -> list[Line]:
    found = []
    for row in rows:
        if row.dead and row.last_error.startswith(deliver.GIVEN_UP):
            badge = Badge(_("given up by hand"), "done", "ban")
        elif row.dead:
            badge = Badge(_("given up"), "over", "alert-triangle")
        else:
            badge = Badge(_("is tried again"), "soon", "refresh")
        about = str(row.payload.get("about", "")) if isinstance(row.payload, dict) else ""
        found.append(Line(row, str(registry.title_of_kind(row.kind)), about, badge, not row.dead))
    return found


@requires("outbox.manage")
def outbox(request: HttpRequest) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    rows = failed(actor)
    if before := row_id(request.GET.get("before", "")):
        rows = rows.filter(pk__lt=before)
    page = list(rows[: SIZE + 1])
    waiting = in_sight(actor).filter(done_at__isnull=True, dead=False, run_at__lte=moments.now())
    return render(
        request,
        "casework/outbox.html",
        {
            "lines": lines(page[:SIZE]),
            "older": page[SIZE - 1].pk if len(page) > SIZE else 0,
            "waiting": waiting.count(),
            "as_of": moments.now(),
        },
    )


@requires("outbox.manage")
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    if deliver.retry(get_object_or_404(in_sight(actor), pk=pk), actor.ref):
        messages.success(request, _("It is tried again now."))
    else:
        messages.error(request, _("It is done already, or a worker has it in hand."))
    return redirect("outbox")


@requires("outbox.manage")
@require_POST
def give_up(request: HttpRequest, pk: int) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    if deliver.give_up(get_object_or_404(in_sight(actor), pk=pk), actor.ref):
        messages.success(request, _("It is not tried any more. It stays in this list and can be tried again."))
    else:
        messages.error(request, _("It is done already, or a worker has it in hand."))
    return redirect("outbox")
