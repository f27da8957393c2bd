"""What waits for me: one inbox per person and post, most urgent first."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from xiuhua.casework import moments, paging, permits
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present
from xiuhua.city.access import signed_in
from xiuhua.ui.parts import Tag

SOON = timedelta(hours=2)


def _kinds() -> dict[str, tuple[str, Q, str]]:
    """Filters of the inbox: label, condition, tone."""
    now = moments.now()
    return {
        "": (_("All"), Q(), ""),
        "overdue": (_("Overdue"), Q(due_at__lt=now), "over"),
        "soon": (_("Due within 2 hours"), Q(due_at__gte=now, due_at__lt=now + SOON), "soon"),
        "supervised": (_("Supervised"), Q(supervised__gt=0), "over"),
        "task": (_("Tasks and requests"), Q(parent__isnull=False), ""),
    }


@signed_in
def inbox(request: HttpRequest) -> HttpResponse:
    """The first page after log-in."""
    actor = request.actor  # type: ignore[attr-defined]
    waiting = permits.inbox(actor)
    kinds = _kinds()
    chosen = request.GET.get("show", "")
    chosen = chosen if chosen in kinds else ""
    counts = waiting.aggregate(
        **{f"n_{code or 'all'}": Count("pk", filter=part or None) for code, (_l, part, _t) in kinds.items()}
    )
    tags = [
        Tag(label, f"?show={code}" if code else "?", counts[f"n_{code or 'all'}"], code == chosen, tone=tone)
        for code, (label, _part, tone) in kinds.items()
    ]
    cases: QuerySet[Case] = waiting.filter(kinds[chosen][1]).select_related("parent__parent")
    try:
        page = paging.page(
            cases, paging.CASE_SORTS["due"], filters={"inbox": chosen}, cursor=request.GET.get("after", ""), size=50
        )
    except paging.CursorRefused:
        page = paging.page(cases, paging.CASE_SORTS["due"], filters={"inbox": chosen}, size=50)
    return render(
        request,
        "casework/inbox.html",
        {
            "rows": present.rows(page.rows),
            "tags": tags,
            "next_url": f"?show={chosen}&after={page.next}" if page.next else "",
            "first_url": f"?show={chosen}" if request.GET.get("after") else "",
            "total": counts[f"n_{chosen or 'all'}"],
            "as_of": moments.now(),
        },
    )
