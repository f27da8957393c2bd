"""Sets ``request.actor`` from the session or a bearer token, and speaks the person's language."""

from __future__ import annotations

import base64
from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _

from xiuhua.api_base import Problem, respond
from xiuhua.city import tokens
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.platforms import platforms

#: Where a token counts; under the second also as the password of a basic log-in, which is what desktop GIS can send.
API_PREFIX, OGC_PREFIX = "/api/", "/ogc/"
SEAT_KEY = "seat"


class ActorMiddleware:
    """After AuthenticationMiddleware. ``request.by_token`` tells a token from a session.

    Tokens count under ``/api/`` and ``/ogc/`` only. A wrong one is refused at once and never falls back to the session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raw = _token(request)
        by_token = raw is not None
        if by_token:
            request.user = AnonymousUser()
        actor = tokens.authenticate(raw) if raw is not None else session_actor(request)
        request.actor = actor  # type: ignore[attr-defined]
        request.by_token = by_token  # type: ignore[attr-defined]
        if by_token and actor is None:
            refusal = _("The token is unknown, expired or revoked.")
            return respond(Problem(401, "token", refusal, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}))
        if actor is None or not actor.language or by_token:
            return self.get_response(request)
        with translation.override(actor.language):
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or "")
        return response


def _token(request: HttpRequest) -> str | None:
    """The token that a request carries, whatever it is worth; None for none where one counts."""
    scheme, _space, raw = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and request.path.startswith((API_PREFIX, OGC_PREFIX)):
        return raw.strip()
    if scheme.lower() == "basic" and request.path.startswith(OGC_PREFIX):
        try:
            return base64.b64decode(raw.strip(), validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return None


def session_actor(request: HttpRequest) -> Actor | None:
    """The person of the session, in the seat that was chosen; None for a visitor."""
    user = request.user
    if not user.is_authenticated:
        return None
    actor = actor_for(user)
    platform = platforms().row(pk=user.platform_id)
    if platform is not None:
        user.platform = platform  # every page shows its name
    seat = request.session.get(SEAT_KEY)
    return actor.acting_as(seat) if seat is not None else actor
