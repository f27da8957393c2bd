"""What waits for me: one inbox per person and post, most urgent first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from xiuhua.casework import builtin, library, moments, paging, permits
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present
from xiuhua.city.access import Actor, signed_in
from xiuhua.ui.parts import Tag

SOON = timedelta(hours=2)
#: The kinds of the inbox as filters of the case list, for those that it has.
_FILTERS = {"overdue": {"overdue": "1"}, "soon": {"due": "soon"}, "supervised": {"supervised": "1"}}


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


def posts(actor: Actor) -> list[str]:
    """The seats from which the actor works, as role and unit."""
    found = [
        " · ".join(part for part in (present.unit_name(s.organisation_id), present.role_title(s.role)) if part)
        for s in actor.seats
    ]
    return list(dict.fromkeys(found))


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
    by_state = waiting.order_by().values_list("procedure_id", "state").annotate(n=Count("pk"))
    states: dict[str, tuple[Any, int]] = {}
    for version, code, n in by_state:
        title = builtin.state_title(library.version(version), code)
        states[code] = (title, states.get(code, (title, 0))[1] + n)
    state = request.GET.get("state", "")
    if state in states and not chosen:
        waiting = waiting.filter(state=state)
        tags[0] = replace(tags[0], active=False)
    else:
        state = ""
    state_tags = [
        Tag(title, f"?state={code}", n, code == state, remove_url="?")
        for code, (title, n) in sorted(states.items(), key=lambda item: -item[1][1])
    ]
    cases: QuerySet[Case] = waiting.filter(kinds[chosen][1]).prefetch_related("parent__parent")
    about = {"inbox": chosen, "state": state}
    here = urlencode({name: value for name, value in (("show", chosen), ("state", state)) if value})
    try:
        page = paging.page(cases, paging.CASE_SORTS["due"], filters=about, cursor=request.GET.get("after", ""), size=50)
    except paging.CursorRefused:
        page = paging.page(cases, paging.CASE_SORTS["due"], filters=about, size=50)
    return render(
        request,
        "casework/inbox.html",
        {
            "rows": present.rows(page.rows),
            "tags": tags,
            "state_tags": state_tags if len(states) > 1 else [],
            "posts": "、".join(posts(actor)),
            "narrowed": bool(chosen or state),
            "next_url": f"?{here}&after={page.next}" if page.next else "",
            "first_url": f"?{here}" if request.GET.get("after") else "",
            "total": states[state][1] if state else counts[f"n_{chosen or 'all'}"],
            "listed": urlencode(
                {"mine": "1", **_FILTERS.get(chosen, {}), **({"state": state} if state else {}), "sort": "due"}
            ),
            "as_of": moments.now(),
        },
    )
