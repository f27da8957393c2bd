"""API tokens: shown once, kept as digests, narrowed, expiring, revocable."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import pytest
from django.utils import timezone

from xiuhua.city import tokens
from xiuhua.city.access import actor_for
from xiuhua.city.models import ApiToken, Appointment, Platform, Post, User
from xiuhua.city.tokens import TokenRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    platform = Platform.objects.create(code="421200", name="市", level="city", adcode="421200")
    user = User.objects.create_user("li", display_name="李某", platform=platform)
    post = Post.objects.create(code="p", name="派遣员", role="dispatcher", platform=platform)
    Appointment.objects.create(user=user, post=post, since=date(2020, 1, 1))
    return user


def issue(user: User, *scopes: str, days: int = 30) -> tuple[ApiToken, str]:
    return tokens.issue(user, actor_for(user), "接口", scopes or ("case.read",), days)


def test_only_the_digest_is_kept(user: User) -> None:
    row, raw = issue(user)
    assert raw.startswith("xh_") and len(raw) >= 43
    row.refresh_from_db()
    assert row.digest == hashlib.sha256(raw.encode()).hexdigest()
    assert raw not in str(ApiToken.objects.values().get())


def test_a_token_acts_for_its_person_with_its_scopes(user: User) -> None:
    _row, raw = issue(user, "case.read", "ground.read")
    actor = tokens.authenticate(raw)
    assert actor is not None and actor.user_id == user.pk
    assert actor.has("case.read") and not actor.has("case.act")


def test_a_token_brings_every_seat_of_today_as_a_log_in_does(user: User) -> None:
    county = Platform.objects.create(code="421221", name="县", level="county", adcode="421221", parent=user.platform)
    today = timezone.localdate()
    for code, since, until in (
        ("b", date(2020, 1, 1), today),
        ("c", today, None),
        ("d", today + timedelta(days=1), None),
        ("e", date(2020, 1, 1), today - timedelta(days=1)),
    ):
        post = Post.objects.create(code=code, name=code, role="duty_chief", platform=county, division_prefix="421221")
        Appointment.objects.create(user=user, post=post, since=since, until=until)
    actor = tokens.authenticate(issue(user)[1])
    assert actor == actor_for(user).with_scopes(["case.read"])
    assert actor is not None and len(actor.seats) == 3


def test_a_scope_is_lost_with_the_post(user: User) -> None:
    _row, raw = issue(user)
    Appointment.objects.update(until=timezone.localdate() - timedelta(days=1))
    actor = tokens.authenticate(raw)
    assert actor is not None and not actor.has("case.read")


@pytest.mark.parametrize("change", ["expired", "revoked", "closed", "altered"])
def test_what_no_longer_works(user: User, change: str) -> None:
    row, raw = issue(user)
    if change == "expired":
        ApiToken.objects.update(expires_at=timezone.now())
    elif change == "revoked":
        assert tokens.revoke(user, row.pk) and not tokens.revoke(user, row.pk)
    elif change == "closed":
        User.objects.update(is_active=False)
    else:
        raw = raw[:-1] + ("A" if raw[-1] != "A" else "B")
    assert tokens.authenticate(raw) is None


@pytest.mark.parametrize("raw", ["", "xh_", "Basic x", "xh_\x00", "x" * 5000])
def test_nonsense_is_not_a_token(user: User, raw: str) -> None:
    assert tokens.authenticate(raw) is None


@pytest.mark.parametrize(
    ("scopes", "days"), [(["log.verify"], 30), ([], 30), (["fly"], 30), (["case.read"], 0), (["case.read"], 367)]
)
def test_what_is_refused(user: User, scopes: list[str], days: int) -> None:
    with pytest.raises(TokenRefused):
        tokens.issue(user, actor_for(user), "接口", scopes, days)
    with pytest.raises(TokenRefused):
        tokens.issue(user, actor_for(user), " ", ["case.read"], 30)
    assert not ApiToken.objects.exists()


def test_a_role_without_the_permission_makes_none(user: User) -> None:
    Post.objects.update(role="handler")
    with pytest.raises(TokenRefused):
        issue(user)


def test_a_narrow_token_cannot_make_a_wider_one(user: User) -> None:
    narrow = actor_for(user).with_scopes({"case.read", "api.token"})
    with pytest.raises(TokenRefused, match=r"case\.act"):
        tokens.issue(user, narrow, "更宽", ["case.act"], 30)


def test_nobody_revokes_another_persons_token(user: User) -> None:
    row, raw = issue(user)
    other = User.objects.create_user("zhao", display_name="赵某", platform=user.platform)
    assert not tokens.revoke(other, row.pk)
    assert tokens.authenticate(raw) is not None


def test_use_is_noted_at_most_every_ten_minutes(user: User) -> None:
    row, raw = issue(user)
    tokens.authenticate(raw)
    row.refresh_from_db()
    first = row.last_used
    assert first is not None
    tokens.authenticate(raw)
    row.refresh_from_db()
    assert row.last_used == first
    ApiToken.objects.update(last_used=first - timedelta(minutes=11))
    tokens.authenticate(raw)
    row.refresh_from_db()
    assert row.last_used is not None and row.last_used >= first
