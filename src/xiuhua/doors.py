"""What a view asks at the door: `public`, `signed_in`, `requires`. No models: every room may import it.

The decorators set ``view.access`` (a test walks the URL map and fails for a view without it) and look only at
``request.actor``, which a middleware of the house sets: an object with ``has(permission)``, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Access:
    """What a view asks: any one of ``permissions``, being signed in, or nothing with the reason why."""

    kind: Literal["permission", "signed_in", "public"]
    permissions: tuple[str, ...] = ()
    why: str = ""


V = TypeVar("V", bound=Callable[..., Any])


def requires(*permissions: str) -> Callable[[V], V]:
    """Only actors with one of these permissions. Others are sent to the log-in, or refused with 403."""
    if not permissions or not all(permissions):
        raise ValueError("requires() names at least one permission")
    return _guard(Access("permission", permissions))


def signed_in(view: V) -> V:
    """Anybody with an account."""
    return _guard(Access("signed_in"))(view)


def public(why: str) -> Callable[[V], V]:
    """Everybody, with the reason why that is right."""
    if not why.strip():
        raise ValueError("a public view says why it is public")
    return _guard(Access("public", why=why))


def _guard(access: Access) -> Callable[[V], V]:
    def decorate(view: V) -> V:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refusal = refuse(request, access)
            return refusal if refusal is not None else view(request, *args, **kwargs)

        guarded.access = access  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def refuse(request: HttpRequest, access: Access) -> HttpResponse | None:
    """None when the actor may pass, else the way to the log-in; raises PermissionDenied (the 403 page)."""
    if access.kind == "public":
        return None
    actor = getattr(request, "actor", None)
    if actor is None:
        return to_login(request)
    if access.kind == "signed_in" or any(actor.has(permission) for permission in access.permissions):
        return None
    raise PermissionDenied(_("Your posts do not allow this."))


def to_login(request: HttpRequest) -> HttpResponse:
    """Redirect to the log-in page and back; an htmx request gets the way as a header, so the page moves."""
    htmx = bool(request.headers.get("HX-Request"))
    back = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    if htmx:
        parts = urlsplit(request.headers.get("HX-Current-URL", "/"))
        back = parts.path + (f"?{parts.query}" if parts.query else "")
    target = f"{resolve_url(settings.LOGIN_URL)}?next={quote(back or '/', safe='/')}"
    if not htmx:
        return HttpResponseRedirect(target)
    response = HttpResponse(status=401)
    response["HX-Redirect"] = target
    return response
