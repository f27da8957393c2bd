"""The ring list: notices whose receipt is due and has not come; who to ring, what came of it."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from xiuhua.casework import moments, permits
from xiuhua.casework.ids import row_id
from xiuhua.city.access import Actor, requires
from xiuhua.notify import people, receipts, words
from xiuhua.notify.models import Notice, Reader, Ring

SIZE = 50


def waiting(actor: Actor) -> QuerySet[Notice]:
    """Notices to be rung about, of cases that the actor may read, on the platforms of the seats that ring."""
    platforms = {seat.platform_id for seat in actor.seats_with("notice.ring")}
    found = Notice.objects.filter(platform__in=platforms, ring_at__isnull=False, received_at__isnull=True)
    return found.filter(case__in=permits.visible(actor).values("pk"), case__open=True)


@requires("notice.ring")
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """Longest waiting first."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    rows = waiting(actor).select_related("case", "organisation").order_by("ring_at", "id")
    rows = rows.prefetch_related(Prefetch("rings", Ring.objects.order_by("id")))
    page = list(rows[: SIZE + 1])
    lines = []
    for one in page[:SIZE]:
        calls = list(one.rings.all())
        last = receipts.OUTCOMES.get(calls[-1].outcome, "") if calls else ""
        lines.append({"notice": one, "subject": words.shown(one, get_language())[0], "calls": len(calls), "last": last})
    context = {"lines": lines, "more": len(page) > SIZE, "size": SIZE, "as_of": moments.now()}
    return render(request, "notify/ring_list.html", context)


@never_cache
@requires("notice.ring")
@require_http_methods(["GET", "POST"])
def call(request: HttpRequest, notice: int) -> HttpResponse:
    """Whom to ring about one notice. POST shows a telephone (which the log keeps), or notes what came of the call."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    one = get_object_or_404(waiting(actor).select_related("case", "organisation"), pk=notice)
    readers = list(Reader.objects.filter(notice=one).select_related("user").order_by("user_id"))
    by_user = {reader.user_id: reader.user for reader in readers}
    person, shown = row_id(request.POST.get("person", "")), ""
    if request.method == "POST" and person in by_user:
        if request.POST.get("do") == "show":
            receipts.note(one.case_id, receipts.SHOWN, actor, rule=one.rule, user=person)
            shown = people.phone_of(by_user[person])
        elif (outcome := request.POST.get("outcome", "")) in receipts.OUTCOMES:
            receipts.rung(one, person, outcome, actor)
            messages.success(request, _("Noted."))
            return redirect("ring-list") if outcome == "reached" else redirect("ring-call", notice)
    subject, body = words.shown(one, get_language())
    calls = Ring.objects.filter(notice=one).select_related("by", "to").order_by("-id")
    return render(
        request,
        "notify/ring.html",
        {
            "notice": one,
            "subject": subject,
            "body": body,
            "people": [
                (
                    user,
                    people.masked("sms", phone) if (phone := people.phone_of(user)) else "",
                    shown if pk == person else "",
                )
                for pk, user in by_user.items()
            ],
            "outcomes": list(receipts.OUTCOMES.items()),
            "calls": [(ring, receipts.OUTCOMES.get(ring.outcome, ring.outcome)) for ring in calls],
        },
    )
