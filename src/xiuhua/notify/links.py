"""One-time links: open exactly one case, for one person, without a log-in.

A token is 16 random bytes and eight bytes of HMAC over them, so that a made-up one is known without the database; stored
is its SHA-256. Looking at the address does nothing (chat programs look at every link); the button binds the link to
the browser that pressed it, by a second secret in a cookie, and writes an event. From then on only that browser opens it,
until it ends. Tries are counted for each address, with the log-in's own counter.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.urls import reverse

from xiuhua.casework import moments
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.models import User
from xiuhua.notify import receipts
from xiuhua.notify.models import Link, Notice
from xiuhua.notify.rules import Rule

RANDOM, MARK = 16, 8


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _mark(raw: bytes) -> bytes:
    return hmac.new(settings.SECRET_KEY.encode(), b"notify link " + raw, hashlib.sha256).digest()[:MARK]


def token() -> str:
    raw = secrets.token_bytes(RANDOM)
    return base64.urlsafe_b64encode(raw + _mark(raw)).decode()


def is_ours(text: str) -> bool:
    """Whether a token was made here."""
    try:
        raw = base64.urlsafe_b64decode(text.encode())
    except ValueError:
        return False
    return len(raw) == RANDOM + MARK and hmac.compare_digest(raw[RANDOM:], _mark(raw[:RANDOM]))


def make(notice: Notice, user: User, rule: Rule) -> str:
    """The address of a new link, '' when the house has no public address. An unopened one of before ends."""
    if not settings.PUBLIC_URL:
        return ""
    now = moments.now()
    Link.objects.filter(notice=notice, user=user, opened_at__isnull=True).update(expires_at=now)
    text = token()
    Link.objects.create(
        case_id=notice.case_id,
        notice=notice,
        user=user,
        actions=list(rule.link),
        token_digest=digest(text),
        made_at=now,
        expires_at=now + timedelta(hours=rule.link_hours),
    )
    return f"{settings.PUBLIC_URL}{reverse('link', args=[text])}"


def find(text: str) -> Link | None:
    """The living link of a token, opened or not."""
    if not is_ours(text):
        return None
    rows = Link.objects.select_related("case", "user", "notice").filter(token_digest=digest(text))
    return rows.filter(expires_at__gt=moments.now(), user__is_active=True).first()


def bind(link: Link) -> str:
    """Take the link for this browser; returns the secret for its cookie, '' when another was first."""
    secret, now = secrets.token_urlsafe(24), moments.now()
    done = Link.objects.filter(pk=link.pk, opened_at__isnull=True, expires_at__gt=now).update(
        opened_at=now, browser_digest=digest(secret)
    )
    if not done:
        return ""
    receipts.note(link.case_id, receipts.OPENED, actor_of(link), rule=link.notice.rule)
    receipts.received(link.notice_id, "link", link.user_id)
    return secret


def opened(pk: int, secret: str) -> Link | None:
    """The link that this browser has bound, while it lives."""
    rows = Link.objects.select_related("case__parent", "user", "notice")
    link = rows.filter(pk=pk, expires_at__gt=moments.now(), user__is_active=True).exclude(browser_digest="").first()
    return link if link and secret and hmac.compare_digest(link.browser_digest, digest(secret)) else None


def actor_of(link: Link) -> Actor:
    """The person whom the link was sent to, with today's posts, narrowed to acting on a case."""
    return replace(actor_for(link.user), scopes=frozenset({"case.act", "case.read"}))
