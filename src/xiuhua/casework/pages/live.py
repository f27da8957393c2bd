"""What pages ask for live update: what changed, when no stream tells them; and who changed the case on the page."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from xiuhua.casework import builtin, library, moments
from xiuhua.casework.ids import row_id
from xiuhua.casework.live import news
from xiuhua.casework.models import Event
from xiuhua.casework.pages.case_page import find
from xiuhua.city.access import requires
from xiuhua.city.models import User

#: How far back an answer reaches; who asks less often looks anew.
REACH = timedelta(minutes=10)
MOST = 300


@requires("case.read")
def live(request: HttpRequest) -> HttpResponse:
    """``{"after", "reset", "news"}`` after the event id ``?after=``; three queries at most, whatever has happened."""
    actor = request.actor  # type: ignore[attr-defined]
    now = news.id_at(moments.now())
    floor = news.floor_of(request.GET.get("after", ""), request.GET.get("at", ""))
    if floor is None or floor < news.id_at(moments.now() - REACH):
        return JsonResponse({"after": str(now), "reset": True, "news": []})
    happened, complete = news.since(floor, most=MOST)
    heard = news.heard_by(actor, happened) if complete else []
    return JsonResponse({"after": str(now), "reset": not complete, "news": heard})


@requires("case.read")
def changed(request: HttpRequest, number: str) -> HttpResponse:
    """Who changed a case last, when and how, for pages that show an older one; 204 when nobody has."""
    actor = request.actor  # type: ignore[attr-defined]
    case = find(actor, number)
    if case.seq <= row_id(request.GET.get("seq", "")):
        return HttpResponse(status=204)
    event = Event.objects.filter(case_id=case.pk, seq=case.seq).first()
    rules = library.version(case.procedure_id)
    who = User.objects.filter(pk=event.actor_user_id).first() if event and event.actor_user_id else None
    return render(
        request,
        "casework/changed.html",
        {
            "case": case,
            "who": who.display_name if who else _("System"),
            "at": event.at if event else case.updated_at,
            "action": builtin.action_title(rules, event.action) if event else "",
            "state": builtin.state_title(rules, case.state),
        },
    )
