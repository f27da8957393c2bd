"""Seats, actors, what roles give, and the doors of this room's pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern
from django.utils import timezone

from xiuhua.city import memory, roles, tokens, urls
from xiuhua.city.access import SYSTEM, Actor, Seat, actor_for, api_actor, requires
from xiuhua.city.middleware import ActorMiddleware
from xiuhua.city.models import Appointment, Platform, Post, User
from xiuhua.city.roles import Reads, RolesError

ROLES = {
    "administrator", "leader", "duty_chief", "intake_operator", "dispatcher", "unit", "handler", "crew",
    "collector", "coordinator", "evaluator", "auditor",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh(settings: object) -> Iterator[None]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def user(db: None) -> User:
    platform = Platform.objects.create(code="421200", name="市", level="city", adcode="421200")
    return User.objects.create_user("wang", "right-Password-1", display_name="王某", platform=platform)


def appoint(user: User, role: str, since: int = -10, until: int | None = None) -> Post:
    """Days are counted from today."""
    today = timezone.localdate()
    post = Post.objects.create(code=f"{role}-{Post.objects.count()}", name=role, role=role, platform=user.platform)
    Appointment.objects.create(
        user=user,
        post=post,
        since=today + timedelta(days=since),
        until=None if until is None else today + timedelta(days=until),
    )
    return post


def test_the_roles_file_has_every_role_and_no_more() -> None:
    assert set(roles.roles()) == ROLES
    used = {p for role in roles.roles().values() for p in role.permissions}
    assert used == set(roles.permissions()), "a permission that no role has"
    for role in roles.roles().values():
        assert role.title.zh and role.title.en
        assert "case.act" not in role.permissions or "case.read" in role.permissions


def test_who_sees_how_far() -> None:
    reads = {code: role.reads for code, role in roles.roles().items()}
    assert {code for code, width in reads.items() if width == Reads.OWN} == {"handler", "collector"}
    assert reads["unit"] == reads["crew"] == Reads.ORGANISATION
    assert not {"case.search_phone", "case.reveal"} & roles.roles()["auditor"].permissions
    assert {c for c, r in roles.roles().items() if "accounts.manage" in r.permissions} == {"administrator"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("permissions: {}\nroles: [{code: a_b, title: {zh: 甲, en: A}, reads: all, permissions: [fly]}]", "fly"),
        ("permissions: {}\nroles: [{code: a_b, title: {zh: 甲}, reads: all, permissions: []}]", "title.en"),
        ("permissions: {}\nroles: [{code: a_b, title: {zh: 甲, en: A}, reads: much, permissions: []}]", "reads"),
        ("permissions: {}\nroles: [", "while parsing"),
        (
            "permissions: {}\nroles:\n" + "- {code: a_b, title: {zh: 甲, en: A}, reads: all, permissions: []}\n" * 2,
            "stands twice",
        ),
    ],
)
def test_a_broken_roles_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(RolesError, match=message):
        roles.parse(text)


def test_only_seats_of_today_count(user: User) -> None:
    appoint(user, "dispatcher")
    appoint(user, "unit", since=0, until=0)
    appoint(user, "leader", since=-10, until=-1)
    appoint(user, "auditor", since=1)
    actor = actor_for(user)
    assert actor.roles() == {"dispatcher", "unit"}
    assert actor.seats_for("dispatcher")[0].platform_code == "421200"
    assert actor.ref == f"user:{user.pk}"
    assert actor.has("case.act") and not actor.has("log.verify")


def test_a_closed_account_has_no_seat(user: User) -> None:
    appoint(user, "administrator")
    user.is_active = False
    assert actor_for(user).seats == ()


def test_actor_for_asks_once(user: User, django_assert_num_queries: object) -> None:
    appoint(user, "dispatcher")
    appoint(user, "unit")
    with django_assert_num_queries(1):  # type: ignore[operator]
        actor_for(user)


def actor(*roles: str, scopes: frozenset[str] | None = None) -> Actor:
    seats = tuple(Seat(role, 1, "421200", post_id=n) for n, role in enumerate(roles, start=1))
    return Actor("user", 7, "wang", "王某", 1, seats, scopes)


def test_scopes_only_take_away() -> None:
    wide, narrow = actor("dispatcher"), actor("dispatcher", scopes=frozenset({"case.read", "log.verify"}))
    assert wide.has("case.act") and not narrow.has("case.act")
    assert narrow.has("case.read") and not narrow.has("log.verify")
    assert narrow.permissions() == {"case.read"}
    assert narrow.seats_with("case.act") == () and len(wide.seats_with("case.act")) == 1
    assert actor("dispatcher", scopes=frozenset()).reads() == frozenset()


def test_one_seat_or_all() -> None:
    both = actor("dispatcher", "auditor")
    assert both.reads() == {Reads.PLATFORM, Reads.ALL}
    assert both.acting_as(2).roles() == {"auditor"}
    assert both.acting_as(99) == both


def test_an_unknown_role_gives_nothing() -> None:
    assert actor("emperor").permissions() == frozenset()
    assert actor("emperor").reads() == frozenset()


def test_the_system_may_all() -> None:
    assert SYSTEM.has("case.act") and SYSTEM.ref == "system" and SYSTEM.reads() == {Reads.ALL}


def test_a_misspelt_permission_stops_the_start() -> None:
    with pytest.raises(ValueError, match=r"case\.reed"):
        requires("case.reed")


def test_every_page_of_this_room_says_what_it_asks() -> None:
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        access = getattr(pattern.callback, "access", None)
        assert access is not None, f"{pattern.name} has no access rule"
        assert access.kind != "public" or access.why


PAGES = [
    ("get", "/account"), ("post", "/account/seat"), ("post", "/account/password"),
    ("post", "/account/tokens"), ("post", "/account/tokens/1/revoke"),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), PAGES)
def test_visitors_are_sent_to_the_log_in(client: Client, method: str, path: str) -> None:
    response = getattr(client, method)(path)
    assert response.status_code == 302 and response.url.startswith("/login?next=/")


def through(request: object, user: object) -> object:
    """The request after the middleware, with a session that is signed in as ``user``."""
    request.user, request.session = user, {}  # type: ignore[attr-defined]
    seen: list[object] = []

    def view(passed: object) -> HttpResponse:
        seen.append(passed)
        return HttpResponse()

    response = ActorMiddleware(view)(request)  # type: ignore[arg-type]
    return seen[0] if seen else response


def test_tokens_count_under_api_only(user: User, rf: RequestFactory) -> None:
    appoint(user, "dispatcher")
    _row, raw = tokens.issue(user, actor_for(user), "t", ["case.read"], 1)
    from django.contrib.auth.models import AnonymousUser

    headers = {"Authorization": f"Bearer {raw}"}
    api = through(rf.get("/api/v1/cases", headers=headers), AnonymousUser())
    assert api.actor.user_id == user.pk and api.by_token and api_actor(api) == api.actor  # type: ignore
    assert not api.user.is_authenticated  # type: ignore[attr-defined]
    page = through(rf.get("/account", headers=headers), AnonymousUser())
    assert page.actor is None  # type: ignore[attr-defined]


def test_a_wrong_token_never_falls_back_to_the_session(user: User, rf: RequestFactory) -> None:
    request = rf.get("/api/v1/cases", headers={"Authorization": "Bearer xh_wrong"})
    response = through(request, user)
    assert isinstance(response, HttpResponse) and response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"


def test_a_session_needs_its_csrf_token_for_unsafe_api_requests(user: User) -> None:
    strict = RequestFactory(enforce_csrf_checks=True)
    assert api_actor(through(strict.get("/api/v1/cases"), user)) is not None  # type: ignore[arg-type]
    assert api_actor(through(strict.post("/api/v1/cases"), user)) is None  # type: ignore[arg-type]
