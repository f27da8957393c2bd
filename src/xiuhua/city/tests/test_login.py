"""Log-in, log-out, throttling, and one's own account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from xiuhua.city import login_throttle, memory, tokens
from xiuhua.city.models import ApiToken, Appointment, LoginThrottle, Platform, Post, User

pytestmark = pytest.mark.django_db
PASSWORD = "right-Password-1"


@pytest.fixture(autouse=True)
def _fresh(settings: object) -> Iterator[None]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def user() -> User:
    platform = Platform.objects.create(
        code="421200", name="市级平台", name_en="City platform", level="city", adcode="421200"
    )
    return User.objects.create_user("wang", PASSWORD, display_name="王某", platform=platform, language="zh-hans")


def seat(user: User, role: str) -> Post:
    post = Post.objects.create(
        code=f"{role}-{Post.objects.count()}", name=f"{role}岗", role=role, platform=user.platform
    )
    Appointment.objects.create(user=user, post=post, since=date(2020, 1, 1))
    return post


def enter(client: Client, password: str = PASSWORD, username: str = "wang", **more: str) -> object:
    return client.post("/login", {"username": username, "password": password, **more})


def test_the_right_password_opens(client: Client, user: User) -> None:
    response = enter(client, next="/account")
    assert response.status_code == 302 and response.url == "/account"  # type: ignore[attr-defined]
    page = client.get("/account")
    assert page.status_code == 200 and "王某" in page.content.decode()
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_the_way_back_stays_in_the_house(client: Client, user: User, next_page: str) -> None:
    assert enter(client, next=next_page).url == "/"  # type: ignore[attr-defined]


def test_a_planted_session_key_is_worth_nothing(client: Client, user: User) -> None:
    client.get("/login")
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["xiuhua_session"] = before = session.session_key
    enter(client)
    assert client.cookies["xiuhua_session"].value != before
    assert Client(headers={"Cookie": f"xiuhua_session={before}"}).get("/account").status_code == 302


@pytest.mark.parametrize("case", ["wrong", "unknown", "closed", "service"])
def test_all_refusals_read_alike(client: Client, user: User, case: str) -> None:
    if case == "closed":
        User.objects.update(is_active=False)
    if case == "service":
        User.objects.update(kind="service")
    response = enter(client, "wrong" if case == "wrong" else PASSWORD, "nobody" if case == "unknown" else "wang")
    assert response.status_code == 401  # type: ignore[attr-defined]
    assert 'role="alert"' in response.content.decode()  # type: ignore[attr-defined]
    assert client.get("/account").status_code == 302


@pytest.mark.parametrize("data", [{}, {"username": "wang"}, {"username": "x" * 61, "password": "y"}])
def test_an_incomplete_form_is_explained(client: Client, user: User, data: dict[str, str]) -> None:
    response = client.post("/login", data)
    assert response.status_code == 422 and "invalid-feedback" in response.content.decode()
    assert not LoginThrottle.objects.exists()


def test_the_form_asks_for_its_csrf_token(user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert enter(strict).status_code == 403  # type: ignore[attr-defined]


def test_an_account_is_closed_for_a_while_after_five_failures(client: Client, user: User) -> None:
    for _try in range(login_throttle.ACCOUNT_FAILURES):
        assert enter(client, "wrong").status_code == 401  # type: ignore[attr-defined]
    locked = enter(client)
    assert locked.status_code == 429 and int(locked["Retry-After"]) > 0  # type: ignore[attr-defined,index]
    LoginThrottle.objects.update(window_start=timezone.now() - login_throttle.WINDOW - timedelta(seconds=1))
    assert enter(client).status_code == 302  # type: ignore[attr-defined]


def test_success_clears_the_account_but_not_the_address(client: Client, user: User) -> None:
    for _try in range(4):
        enter(client, "wrong")
    enter(client)
    assert list(LoginThrottle.objects.values_list("failures", flat=True)) == [4]
    assert login_throttle.wait_seconds("wang", "127.0.0.1") == 0


def test_one_address_cannot_try_many_accounts(client: Client, user: User) -> None:
    for number in range(login_throttle.ADDRESS_FAILURES):
        login_throttle.failed(f"name{number}", "127.0.0.1")
    assert enter(client).status_code == 429  # type: ignore[attr-defined]
    other = client.post("/login", {"username": "wang", "password": PASSWORD}, REMOTE_ADDR="10.0.0.9")
    assert other.status_code == 302


def test_the_throttle_holds_no_name_and_no_address(user: User) -> None:
    login_throttle.failed("wang", "10.1.2.3")
    stored = str(list(LoginThrottle.objects.values()))
    assert "wang" not in stored and "10.1.2.3" not in stored


def test_upper_case_is_the_same_account_for_the_throttle(user: User) -> None:
    for _try in range(login_throttle.ACCOUNT_FAILURES):
        login_throttle.failed(" WANG ", f"10.0.0.{_try}")
    assert login_throttle.wait_seconds("wang", "10.9.9.9") > 0


def test_an_address_is_believed_only_from_our_proxy(rf: object, settings: object) -> None:
    request = rf.get("/", headers={"X-Forwarded-For": "6.6.6.6, 10.0.0.7"})  # type: ignore[attr-defined]
    settings.SECURE_PROXY_SSL_HEADER = None  # type: ignore[attr-defined]
    assert login_throttle.address_of(request) == "127.0.0.1"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # type: ignore[attr-defined]
    assert login_throttle.address_of(request) == "10.0.0.7"


def test_leaving_is_a_post(client: Client, user: User) -> None:
    enter(client)
    assert client.get("/logout").status_code == 405
    assert client.get("/account").status_code == 200
    assert client.post("/logout").url == "/login"
    assert client.get("/account").status_code == 302


def change(client: Client, old: str, new: str, again: str | None = None) -> object:
    return client.post("/account/password", {"old": old, "new": new, "again": new if again is None else again})


def test_a_new_password_ends_other_sessions_but_not_this_one(client: Client, user: User) -> None:
    other = Client()
    enter(client)
    enter(other)
    assert change(client, PASSWORD, "another-Secret-22").status_code == 302  # type: ignore[attr-defined]
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 302
    assert enter(Client(), "another-Secret-22").status_code == 302  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("not-it", "another-Secret-22", None),
        (PASSWORD, "short", None),
        (PASSWORD, "password123", None),
        (PASSWORD, "another-Secret-22", "different-Secret-22"),
        (PASSWORD, "", None),
    ],
)
def test_a_bad_change_is_explained(client: Client, user: User, old: str, new: str, again: str | None) -> None:
    enter(client)
    response = change(client, old, new, again)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "invalid-feedback" in response.content.decode()  # type: ignore[attr-defined]
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_guessing_the_old_password_is_throttled(client: Client, user: User) -> None:
    enter(client)
    for _try in range(login_throttle.ACCOUNT_FAILURES):
        change(client, "guess", "another-Secret-22")
    change(client, PASSWORD, "another-Secret-22")
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_a_person_may_act_in_one_seat(client: Client, user: User) -> None:
    dispatcher, auditor = seat(user, "dispatcher"), seat(user, "auditor")
    enter(client)
    assert client.post("/account/seat", {"seat": auditor.pk}).status_code == 302
    assert client.post("/account/tokens", {}).status_code == 403, "an auditor makes no tokens"
    client.post("/account/seat", {"seat": dispatcher.pk})
    assert client.post("/account/tokens", {}).status_code == 422
    client.post("/account/seat", {"seat": "999999"})
    assert client.session["seat"] == dispatcher.pk, "a seat that is not held changes nothing"
    client.post("/account/seat", {"seat": ""})
    assert "seat" not in client.session


def test_a_token_is_shown_once(client: Client, user: User) -> None:
    seat(user, "dispatcher")
    enter(client)
    data = {"name": "对账", "days": "30", "scopes": ["case.read"]}
    response = client.post("/account/tokens", data)
    shown = response.content.decode()
    raw = shown.split('id="new-token">', 1)[1].split("<", 1)[0]
    assert response.status_code == 201 and response["Cache-Control"].find("no-store") >= 0
    assert tokens.authenticate(raw) is not None
    later = client.get("/account").content.decode()
    assert raw not in later and "对账" in later
    row = ApiToken.objects.get()
    assert client.post(f"/account/tokens/{row.pk}/revoke").status_code == 302
    assert tokens.authenticate(raw) is None


def test_scopes_beyond_ones_posts_are_refused(client: Client, user: User) -> None:
    seat(user, "dispatcher")
    enter(client)
    data = {"name": "t", "days": "30", "scopes": ["accounts.manage"]}
    assert client.post("/account/tokens", data).status_code == 422
    assert not ApiToken.objects.exists()


def test_the_account_speaks_the_persons_language(client: Client, user: User) -> None:
    seat(user, "dispatcher")
    enter(client)
    assert client.get("/account", headers={"Accept-Language": "en"})["Content-Language"] == "zh-hans"
    User.objects.update(language="en")
    page = client.get("/account", headers={"Accept-Language": "zh-CN"})
    assert page["Content-Language"] == "en" and "City platform" in page.content.decode()
