"""The pages behind a one-time link: an entrance that does nothing until its button is pressed, and one case."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from xiuhua.casework import builtin, engine, library
from xiuhua.casework.models import Attachment
from xiuhua.casework.pages import present, questions
from xiuhua.casework.refusal import Refused
from xiuhua.city import login_throttle
from xiuhua.city.access import public
from xiuhua.notify import links
from xiuhua.notify.models import Link
from xiuhua.ui.parts import Badge, Row

WHY = "whoever has the link is asked for nothing else; it opens one case, once, and is counted against guessing"


def _cookie(pk: int) -> str:
    return f"xiuhua_link_{pk}"


def _gone(request: HttpRequest, status: int = 404) -> HttpResponse:
    """The same words for a link that never was, one that ended, and one that another browser has taken."""
    return render(request, "notify/link_gone.html", {}, status=status)


@never_cache
@public(WHY)
@require_http_methods(["GET", "POST"])
def entrance(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, so that a program that looks at links opens none. POST binds the link to this browser."""
    address = login_throttle.address_of(request)
    if login_throttle.guesses_wait("link", address):
        return render(request, "notify/link_gone.html", {"later": True}, status=429)
    link = links.find(token)
    if link is None:
        login_throttle.guessed("link", address)
        return _gone(request)
    if links.opened(link.pk, request.COOKIES.get(_cookie(link.pk), "")) is not None:
        return redirect("link-case", link.pk)
    if link.opened_at is not None:
        return _gone(request, 410)
    if request.method == "GET":
        return render(request, "notify/link.html", {"link": link})
    secret = links.bind(link)
    if not secret:
        return _gone(request, 410)
    response = redirect("link-case", link.pk)
    response.set_cookie(
        _cookie(link.pk),
        secret,
        expires=link.expires_at,
        path=reverse("link-case", args=[link.pk]),
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def _mine(request: HttpRequest, pk: int) -> Link | None:
    return links.opened(pk, request.COOKIES.get(_cookie(pk), ""))


@never_cache
@public(WHY)
@require_safe
def case(request: HttpRequest, pk: int) -> HttpResponse:
    """What the case is, and the few actions that the link offers."""
    link = _mine(request, pk)
    return _gone(request) if link is None else _show(request, link)


def _show(request: HttpRequest, link: Link, refusal: str = "", status: int = 200) -> HttpResponse:
    found = link.case
    rules = library.version(found.procedure_id)
    actor = links.actor_of(link)
    offered = [
        (one.action, one.refusal.message if one.refusal else "")
        for one in engine.allowed(found, actor)
        if one.action.code in link.actions and not one.action.form
    ]
    words = found.description or (found.parent.description if found.parent_id and found.parent else "")
    facts = [
        Row(_("Place"), found.address or "—"),
        Row(_("Unit"), present.unit_name(found.holder_org_id or found.responsible_org_id)),
    ]
    return render(
        request,
        "notify/link_case.html",
        {
            "link": link,
            "case": found,
            "title": present.title_of(found),
            "state": Badge(builtin.state_title(rules, found.state), "info" if found.open else "done"),
            "time": present.time_of(found, rules),
            "words": words,
            "facts": facts,
            "photos": Attachment.objects.filter(case=found, stage="before").count(),
            "offered": offered,
            "key": uuid.uuid4().hex,
            "refusal": refusal,
        },
        status=status,
    )


@never_cache
@public(WHY)
@require_POST
def act(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """One of the link's actions, as the person whom it was sent to."""
    link = _mine(request, pk)
    if link is None or deed not in link.actions:
        return _gone(request)
    data: dict[str, Any] = {}
    try:
        engine.advance(
            link.case_id, deed, links.actor_of(link), data, key=questions.form_key(request) or None, door="link"
        )
    except Refused as refused:
        return _show(request, link, refused.refusal.message, 422)
    messages.success(request, _("Done. Thank you."))
    return redirect("link-case", pk)
