"""Clock orders (停表令): the list with where and when each stops clocks, the form that issues one, its end."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from xiuhua.casework import clock_orders, moments
from xiuhua.casework.models import ClockOrder
from xiuhua.casework.pages import present
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city import locator
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform
from xiuhua.manifest import Text
from xiuhua.ui.forms import FormView, Question
from xiuhua.ui.parts import Badge

LOCAL = ZoneInfo("Asia/Shanghai")
_SPLIT = re.compile(r"[\s,，、;；]+")


@requires("clockorder.issue", "log.verify")
@require_http_methods(["GET", "POST"])
def order_list(request: HttpRequest) -> HttpResponse:
    """Orders of the platforms that the actor's posts stand on, newest first; the form for those who may issue."""
    actor = request.actor  # type: ignore[attr-defined]
    refusal, typed, status = None, {}, 200
    if request.method == "POST":
        typed = {name: request.POST.get(name, "").strip() for name in _TITLES}
        try:
            _issue(actor, typed)
        except Refused as refused:
            refusal, status = refused.refusal, 422
        else:
            messages.success(request, _("The order is in force; the cases under it are stopped one by one."))
            return redirect("clock-orders")
    seats = {seat.platform_id for seat in actor.seats}
    orders = ClockOrder.objects.filter(platform__in=[*seats]) | ClockOrder.objects.filter(platform__parent__in=[*seats])
    return render(
        request,
        "casework/clock_orders.html",
        {
            "orders": [_row(one) for one in orders.select_related("platform", "issued_by").order_by("-pk")[:100]],
            "form": _form(typed, refusal) if actor.has("clockorder.issue") else None,
            "may": actor.has("clockorder.issue"),
            "as_of": moments.now(),
        },
        status=status,
    )


_TITLES = {
    "document_number": Text("文号", "Document number"),
    "signatory": Text("签发人", "Signed by"),
    "starts_at": Text("开始", "Begins"),
    "ends_at": Text("结束", "Ends"),
    "division_prefixes": Text("区域代码", "Area codes"),
    "class_prefixes": Text("案件类别", "Classes"),
    "reason": Text("事由", "Reason"),
}
_HELP = {
    "ends_at": Text("留空表示另行通知", "Empty: until further notice"),
    "division_prefixes": Text(
        "区划代码，用空格分开；留空为全域", "Division codes with spaces between; empty: everywhere"
    ),
    "class_prefixes": Text(
        "如 event 或 component:01，用空格分开；留空为全部",
        "Such as event or component:01, with spaces between; empty: all classes",
    ),
}
_TYPES = {"starts_at": "datetime", "ends_at": "datetime", "reason": "long_text"}


def _form(typed: dict[str, str], refusal: Refusal | None) -> FormView:
    errors: dict[str, tuple[str, ...]] = {}
    for one in refusal.missing if refusal else ():
        errors[one.field] = (*errors.get(one.field, ()), one.message)
    questions = [
        Question(
            name,
            _TYPES.get(name, "text"),
            title,
            required=name in ("document_number", "signatory", "starts_at"),
            help=_HELP.get(name, ""),
            value=typed.get(name) or None,
            errors=errors.get(name, ()),
        )
        for name, title in _TITLES.items()
    ]
    summary = refusal.message if refusal else ""
    return FormView(questions, reverse("clock-orders"), _("Issue the order"), summary=summary, tone="danger")


def _issue(actor: Actor, typed: dict[str, str]) -> None:
    platform = Platform.objects.get(pk=present.platform_of(actor))
    starts_at, ends_at = _moment(typed["starts_at"]), _moment(typed["ends_at"])
    clock_orders.issue(
        platform,
        actor,
        document_number=typed["document_number"][:80],
        signatory=typed["signatory"][:80],
        starts_at=starts_at or moments.now(),
        ends_at=ends_at,
        division_prefixes=[part for part in _SPLIT.split(typed["division_prefixes"]) if part],
        class_prefixes=[part for part in _SPLIT.split(typed["class_prefixes"]) if part],
        reason=typed["reason"][:2000],
    )


def _moment(text: str) -> datetime | None:
    """A local time as a form sends it; None for none or nonsense."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or LOCAL) if at else None


def _row(order: ClockOrder) -> dict[str, Any]:
    now = moments.now()
    over = order.ends_at is not None and order.ends_at <= now
    if order.cancelled:
        state = Badge(_("Taken back"), "done")
    elif over:
        state = Badge(_("Ended"), "done")
    else:
        state = Badge(_("In force"), "soon", "clock-pause") if order.starts_at <= now else Badge(_("To come"), "info")
    language = get_language()
    return {
        "order": order,
        "state": state,
        "living": not order.cancelled and not over,
        "platform": order.platform.title(language),
        "areas": "、".join(locator.name(code, language) for code in order.division_prefixes) or _("everywhere"),
        "classes": "、".join(order.class_prefixes) or _("all classes"),
    }


@requires("clockorder.issue")
@require_POST
def end_order(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an order end now, or take it back as if it had never been."""
    actor = request.actor  # type: ignore[attr-defined]
    order = get_object_or_404(ClockOrder, pk=pk)
    try:
        if request.POST.get("how") == "cancel":
            queued = clock_orders.cancel(order, actor)
        else:
            queued = clock_orders.close(order, actor, moments.now())
    except Refused as refused:
        messages.error(request, refused.refusal.message)
    else:
        messages.success(request, _("Done; %(count)s cases are counted again.") % {"count": queued})
    return redirect("clock-orders")
