"""Who acts, from which seats, and what a page asks of them.

A *seat* is a post that a person holds today; an *actor* is a person (or the system) with the seats in use.
Every view says what it asks by `requires`, `signed_in` or `public` (of `xiuhua.doors`, given again here).
Which cases an actor sees is decided in `casework` from `Role.reads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from xiuhua import doors
from xiuhua.city import roles as role_data
from xiuhua.city.roles import Reads, Role
from xiuhua.doors import Access, public, signed_in

if TYPE_CHECKING:
    from xiuhua.city.models import User

__all__ = [
    "SYSTEM",
    "Access",
    "Actor",
    "Seat",
    "actor_for",
    "api_actor",
    "current_actor",
    "problem",
    "public",
    "requires",
    "signed_in",
]

V = TypeVar("V", bound=Callable[..., Any])


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


def current_actor(request: HttpRequest) -> Actor | None:
    """Who `ActorMiddleware` found; None for a visitor."""
    return getattr(request, "actor", None)


def requires(*permissions: str) -> Callable[[V], V]:
    """`doors.requires` for permissions that ``data/roles.yaml`` knows; a misspelt one stops the start."""
    unknown = sorted(set(permissions) - set(role_data.permissions()))
    if unknown:
        raise ValueError(f"unknown permissions: {', '.join(unknown)}")
    return doors.requires(*permissions)


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
