"""One's own notices: the list, the count of unread ones, opening, and where else they reach one; and those of a case."""

from __future__ import annotations

import re

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from xiuhua.casework import moments
from xiuhua.casework.ids import row_id
from xiuhua.casework.pages.case_page import find
from xiuhua.city.access import Actor, requires, signed_in
from xiuhua.city.models import User
from xiuhua.manifest import Text
from xiuhua.notify import people, receipts, words
from xiuhua.notify.channels.registry import TITLES
from xiuhua.notify.models import Address, Delivery, Notice, Reader, Ring
from xiuhua.ui.parts import Badge

SIZE = 50
#: More unread ones are told as "99+".
COUNTED = 99
_OWN = ("wecom", "dingtalk", "email")
_FORMS = {
    "wecom": r"[A-Za-z0-9_.@-]{1,64}",
    "dingtalk": r"[A-Za-z0-9_.@-]{1,64}",
    "email": r"[^@\s<>]{1,64}@[^@\s<>]{3,190}",
}
HOW = {
    "read": Text("已阅", "Read"),
    "link": Text("已打开链接", "Link opened"),
    "action": Text("已办理", "Acted on"),
    "rung": Text("电话已告知", "Told by telephone"),
    "deemed": Text("视为送达", "Deemed received"),
    "moved": Text("案件已移交，终止", "Ended: case handed over"),
}
_STATES = {
    "sent": (Text("已发出", "Sent"), "ok"),
    "failed": (Text("未送达", "Failed"), "over"),
    "no_address": (Text("无地址或未配置", "No address or channel"), "done"),
}


def _unread(actor: Actor) -> int:
    return len(Reader.objects.filter(user=actor.user_id, read_at__isnull=True).values_list("pk")[: COUNTED + 1])


@signed_in
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """Newest first, unread ones or all."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    every = request.GET.get("all") == "1"
    rows = Reader.objects.filter(user=actor.user_id).select_related("notice__case").order_by("-id")
    if not every:
        rows = rows.filter(read_at__isnull=True)
    if before := row_id(request.GET.get("before", "")):
        rows = rows.filter(pk__lt=before)
    page = list(rows[: SIZE + 1])
    lines = [(one, *words.shown(one.notice, get_language())) for one in page[:SIZE]]
    context = {
        "lines": lines,
        "older": page[SIZE - 1].pk if len(page) > SIZE else 0,
        "every": every,
        "unread": _unread(actor),
        "as_of": moments.now(),
    }
    return render(request, "notify/notices.html", context)


@never_cache
@signed_in
@require_safe
def unread(request: HttpRequest) -> HttpResponse:
    """The number beside the bell; the shell asks for it after the page stands."""
    count = _unread(request.actor)  # type: ignore[attr-defined]
    shown = f"{COUNTED}+" if count > COUNTED else str(count)
    return render(request, "notify/unread.html", {"count": count, "shown": shown})


@signed_in
@require_POST
def opened(request: HttpRequest, reader: int) -> HttpResponse:
    """Marks one's own notice as read, and goes to its case."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    one = get_object_or_404(Reader.objects.select_related("notice__case"), pk=reader, user=actor.user_id)
    receipts.read(one)
    return redirect("case", one.notice.case.number)


@signed_in
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Marks what the page showed as read: up to the newest notice on it, no later one."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    newest = row_id(request.POST.get("newest", ""))
    if newest:
        for one in Reader.objects.filter(user=actor.user_id, read_at__isnull=True, pk__lte=newest)[:500]:
            receipts.read(one)
    return redirect("notices")


@signed_in
@require_http_methods(["GET", "POST"])
def addresses(request: HttpRequest) -> HttpResponse:
    """Where notices reach me besides this system."""
    user = get_object_or_404(User, pk=request.actor.user_id)  # type: ignore[attr-defined]
    error, status = "", 200
    channel = request.POST.get("channel", "")
    if request.method == "POST" and channel in _OWN:
        value = request.POST.get("value", "").strip()
        if value and not re.fullmatch(_FORMS[channel], value):
            error, status = _("This does not look like an address of this kind."), 422
        else:
            people.keep_address(user, channel, value)
            messages.success(request, _("Kept."))
            return redirect("notice-addresses")
    kept = set(Address.objects.filter(user=user).values_list("channel", flat=True))
    rows = [
        {
            "code": code,
            "title": TITLES[code],
            "value": people.masked(code, people.address_of(user, code)) if code in kept else "",
            "error": error if code == channel else "",
        }
        for code in _OWN
    ]
    phone = people.phone_of(user)
    return render(
        request,
        "notify/addresses.html",
        {"rows": rows, "phone": people.masked("sms", phone) if phone else ""},
        status=status,
    )


@requires("case.read")
@require_safe
def of_case(request: HttpRequest, number: str) -> HttpResponse:
    """Every notice of a case: to whom, by which ways, received how."""
    case = find(request.actor, number)  # type: ignore[attr-defined]
    notices = list(
        Notice.objects.filter(case=case).select_related("organisation", "received_by").order_by("-id")[:SIZE]
    )
    ways: dict[int, list[tuple[Delivery, object, Badge]]] = {}
    for one in Delivery.objects.filter(notice__in=notices).select_related("user").order_by("id"):
        title, tone = _STATES.get(one.state, (Text(one.state, one.state), ""))
        ways.setdefault(one.notice_id, []).append((one, TITLES.get(one.channel, one.channel), Badge(title, tone)))
    calls: dict[int, list[tuple[Ring, object]]] = {}
    for ring in Ring.objects.filter(notice__in=notices).select_related("by").order_by("id"):
        calls.setdefault(ring.notice_id, []).append((ring, receipts.OUTCOMES.get(ring.outcome, ring.outcome)))
    lines = [
        {
            "notice": one,
            "subject": words.shown(one, get_language())[0],
            "state": _state(one),
            "ways": ways.get(one.pk, []),
            "calls": calls.get(one.pk, []),
        }
        for one in notices
    ]
    return render(
        request, "notify/of_case.html", {"case": case, "lines": lines, "back": reverse("case", args=[number])}
    )


def _state(one: Notice) -> Badge:
    if one.received_at is not None:
        return Badge(
            HOW.get(one.received_how, one.received_how),
            "paused" if one.received_how in ("deemed", "moved") else "ok",
            "check",
        )
    if one.ring_at is not None:
        return Badge(_("To be rung"), "over", "phone")
    return Badge(_("No receipt yet"), "soon", "clock") if one.wants_receipt else Badge(_("No receipt needed"), "done")
