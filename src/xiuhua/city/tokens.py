"""API tokens: shown once, kept as SHA-256 digests, narrowed by scopes, expiring.

The token is 256 random bits, so a plain digest cannot be guessed back; ``xh_`` lets secret scanners find it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db import connections
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from xiuhua.city.access import Actor, Seat
from xiuhua.city.models import ApiToken, User
from xiuhua.database import prepared_cursor

PREFIX = "xh_"
MAX_DAYS = 366
#: ``last_used`` is written at most this often, so reading by API costs no write per request.
USE_STEP = timedelta(minutes=10)


class TokenRefused(ValueError):
    """The wished token cannot be made; the message is for the person who asked."""


def digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()


def issue(
    user: User, actor: Actor, name: str, scopes: Collection[str], days: int, *, check: bool = True
) -> tuple[ApiToken, str]:
    """Make a token and return it with its text, which is never seen again.

    Raises `TokenRefused` for scopes that the actor does not have, none at all, or a life outside 1-366 days.
    """
    wished = sorted(set(scopes))
    if not name.strip():
        raise TokenRefused(_("Give the token a name that says who uses it."))
    if not wished:
        raise TokenRefused(_("Choose at least one scope."))
    if not 1 <= days <= MAX_DAYS:
        raise TokenRefused(_("A token lives between 1 and %(days)d days.") % {"days": MAX_DAYS})
    if check:
        if not actor.has("api.token"):
            raise TokenRefused(_("Your posts do not allow API tokens."))
        beyond = [scope for scope in wished if not actor.has(scope)]
        if beyond:
            raise TokenRefused(_("You cannot give what you do not have: %(scopes)s.") % {"scopes": ", ".join(beyond)})
    raw = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name.strip()[:60],
        digest=digest(raw),
        scopes=wished,
        expires_at=timezone.now() + timedelta(days=days),
    )
    return token, raw


_FIND = (
    "SELECT t.id, t.scopes, (t.last_used IS NULL OR t.last_used < %s), u.id, u.username, u.display_name, u.platform_id, "
    "u.language, p.role, p.platform_id, l.code, p.organisation_id, p.division_prefix, p.id "
    "FROM city_apitoken t JOIN city_user u ON u.id = t.user_id "
    "LEFT JOIN city_appointment a ON a.user_id = u.id AND a.since <= %s AND (a.until IS NULL OR a.until >= %s) "
    "LEFT JOIN city_post p ON p.id = a.post_id LEFT JOIN city_platform l ON l.id = p.platform_id "
    "WHERE t.digest = %s AND t.expires_at > %s AND t.revoked_at IS NULL AND u.is_active ORDER BY p.id"
)


def authenticate(raw: str) -> Actor | None:
    """The actor behind a token, or None when it is unknown, expired, revoked or its account is closed.

    One statement for token, account and posts, written out because it runs at every request.
    """
    if not raw.startswith(PREFIX):
        return None
    now, today, connection = timezone.now(), timezone.localdate(), connections["default"]
    when, day = connection.ops.adapt_datetimefield_value, connection.ops.adapt_datefield_value
    with prepared_cursor(connection) as cursor:
        cursor.execute(_FIND, [when(now - USE_STEP), day(today), day(today), digest(raw), when(now)])
        rows = cursor.fetchall()
    if not rows:
        return None
    token, scopes, unused, user, username, display_name, platform, language = rows[0][:8]
    if unused:
        ApiToken.objects.filter(pk=token).filter(Q(last_used__isnull=True) | Q(last_used__lt=now - USE_STEP)).update(
            last_used=now
        )
    seats = tuple(dict.fromkeys(Seat(*row[8:]) for row in rows if row[8] is not None))
    actor = Actor("user", user, username, display_name, platform, seats, language=language)
    return actor.with_scopes(json.loads(scopes) if isinstance(scopes, str) else scopes)


def revoke(user: User, token_id: int) -> bool:
    """End one of the user's own tokens; False when there is no such living token."""
    return bool(
        ApiToken.objects.filter(pk=token_id, user=user, revoked_at__isnull=True).update(revoked_at=timezone.now())
    )
