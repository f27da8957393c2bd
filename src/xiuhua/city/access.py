"""Who acts, from which seats, and what a page asks of them.

A *seat* is a post that a person holds today; an *actor* is a person (or the system) with the seats in use.
Every view says what it asks by `requires`, `signed_in` or `public`; a test walks the URL map and fails for a
view that says nothing. Which cases an actor sees is decided in `casework` from `Role.reads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _

from xiuhua.city import roles as role_data
from xiuhua.city.roles import Reads, Role

if TYPE_CHECKING:
    from xiuhua.city.models import User

API_PREFIX = "/api/"


@dataclass(frozen=True, slots=True)
class Seat:
    """A post held today: the role, where it counts and for whom. ``division_prefix`` '' = everywhere."""

    role: str
    platform_id: int
    platform_code: str
    organisation_id: int | None = None
    division_prefix: str = ""
    post_id: int | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """The one who acts. ``scopes`` narrows an API token; None = all that the seats give."""

    kind: Literal["user", "system"]
    user_id: int | None
    username: str
    display_name: str
    platform_id: int | None
    seats: tuple[Seat, ...] = ()
    scopes: frozenset[str] | None = None
    language: str = ""

    @property
    def ref(self) -> str:
        """How events name the actor: ``user:12`` or ``system``."""
        return f"user:{self.user_id}" if self.kind == "user" else "system"

    def has(self, permission: str) -> bool:
        if self.kind == "system":
            return True
        if self.scopes is not None and permission not in self.scopes:
            return False
        return any(permission in r.permissions for r in self._roles())

    def permissions(self) -> frozenset[str]:
        return frozenset(p for p in role_data.permissions() if self.has(p))

    def roles(self) -> frozenset[str]:
        return frozenset(seat.role for seat in self.seats)

    def seats_for(self, role: str) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.role == role)

    def seats_with(self, permission: str) -> tuple[Seat, ...]:
        """Seats whose role gives the permission, none when the token's scopes leave it out."""
        if self.scopes is not None and permission not in self.scopes:
            return ()
        return tuple(
            seat
            for seat in self.seats
            if (known := role_data.role(seat.role)) is not None and permission in known.permissions
        )

    def reads(self) -> frozenset[Reads]:
        """The widths of sight of the seats that may read cases."""
        if self.kind == "system":
            return frozenset({Reads.ALL})
        found = (role_data.role(seat.role) for seat in self.seats_with("case.read"))
        return frozenset(known.reads for known in found if known is not None)

    def acting_as(self, post_id: int) -> Actor:
        """The same actor in one seat only; unchanged when the seat is not held."""
        seats = tuple(seat for seat in self.seats if seat.post_id == post_id)
        return replace(self, seats=seats) if seats else self

    def with_scopes(self, scopes: Iterable[str]) -> Actor:
        return replace(self, scopes=frozenset(scopes))

    def _roles(self) -> Iterable[Role]:
        found = (role_data.role(seat.role) for seat in self.seats)
        return (known for known in found if known is not None)


SYSTEM = Actor(
    kind="system", user_id=None, username="system", display_name="系统", platform_id=None, language="zh-hans"
)


def actor_for(user: User) -> Actor:
    """The actor of an account with every seat it holds today (date of Asia/Shanghai); one query.

    An inactive account has no seats.
    """
    from django.db.models import Q

    from xiuhua.city.models import Appointment

    seats: tuple[Seat, ...] = ()
    if user.is_active:
        today = timezone.localdate()
        rows = (
            Appointment.objects.filter(user_id=user.pk, since__lte=today)
            .filter(Q(until__isnull=True) | Q(until__gte=today))
            .order_by("post_id")
            .values_list(
                "post__role",
                "post__platform_id",
                "post__platform__code",
                "post__organisation_id",
                "post__division_prefix",
                "post_id",
            )
        )
        seats = tuple(dict.fromkeys(Seat(*row) for row in rows))
    return Actor(
        kind="user",
        user_id=user.pk,
        username=user.username,
        display_name=user.display_name,
        platform_id=user.platform_id,
        seats=seats,
        language=user.language,
    )


@dataclass(frozen=True, slots=True)
class Access:
    """What a view asks: any one of ``permissions``, being signed in, or nothing with the reason why."""

    kind: Literal["permission", "signed_in", "public"]
    permissions: tuple[str, ...] = ()
    why: str = ""


V = TypeVar("V", bound=Callable[..., Any])


def current_actor(request: HttpRequest) -> Actor | None:
    return getattr(request, "actor", None)


def requires(*permissions: str) -> Callable[[V], V]:
    """Only actors with one of these permissions. Others are sent to the log-in, or refused with 403."""
    unknown = sorted(set(permissions) - set(role_data.permissions()))
    if unknown or not permissions:
        raise ValueError(f"unknown permissions: {', '.join(unknown) or 'none given'}")
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
    """None when the actor may pass; else the way to the log-in (401 for the API).

    Raises PermissionDenied (the 403 page) for a page, answers 403 as a problem document under ``/api/``.
    """
    if access.kind == "public":
        return None
    actor = current_actor(request)
    api = request.path.startswith(API_PREFIX)
    if actor is None:
        if api:
            response = problem(401, _("Please log in or send a valid token."))
            response["WWW-Authenticate"] = "Bearer"
            return response
        return to_login(request)
    if access.kind == "signed_in" or any(actor.has(p) for p in access.permissions):
        return None
    titles = role_data.permissions()
    message = _("Your posts do not allow this: %(permission)s.") % {
        "permission": " / ".join(str(titles[p]) for p in access.permissions)
    }
    if api:
        return problem(403, message)
    raise PermissionDenied(message)


def to_login(request: HttpRequest) -> HttpResponse:
    """Redirect to the log-in page and back; htmx requests get the redirect as a header, so the page moves."""
    back = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    if request.headers.get("HX-Request"):
        back = request.headers.get("HX-Current-URL", "/").split("://", 1)[-1]
        back = "/" + back.partition("/")[2] if not back.startswith("/") else back
    target = f"{resolve_url(settings.LOGIN_URL)}?next={quote(back, safe='/')}"
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=401)
        response["HX-Redirect"] = target
        return response
    return HttpResponseRedirect(target)


def problem(status: int, detail: str) -> JsonResponse:
    """An RFC 9457 problem document."""
    return JsonResponse(
        {"type": "about:blank", "title": detail, "status": status, "detail": detail},
        status=status,
        content_type="application/problem+json",
        json_dumps_params={"ensure_ascii": False},
    )


def api_actor(request: HttpRequest) -> Actor | None:
    """For ``auth=`` of django-ninja: the actor of a token, or of a session whose unsafe request carries its
    CSRF token. None makes ninja answer 401."""
    actor = current_actor(request)
    if actor is None or getattr(request, "by_token", False):
        return actor
    from ninja.utils import check_csrf

    return None if check_csrf(request) is not None else actor
