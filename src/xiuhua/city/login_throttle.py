"""Counts failed log-ins per account and per address, in the database, so that every process knows them.

Keys are keyed digests: the table holds neither user names nor addresses. A count that began more than a
window ago starts anew; a right password clears the account's count, never the address's.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from xiuhua.city.models import LoginThrottle

WINDOW = timedelta(minutes=15)
ACCOUNT_FAILURES = 5
#: Higher, because a whole office may share one address.
ADDRESS_FAILURES = 50


def address_of(request: HttpRequest) -> str:
    """The client's address; behind the HTTPS proxy that we trust, the last hop that it wrote."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.SECURE_PROXY_SSL_HEADER and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def _key(kind: str, value: str) -> str:
    message = f"login {kind} {value.strip().casefold()}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()


def _keys(username: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (_key("account", username), ACCOUNT_FAILURES), (_key("address", address), ADDRESS_FAILURES)


def wait_seconds(username: str, address: str) -> int:
    """Seconds until the next try is heard; 0 when it may be made now."""
    now = timezone.now()
    limits = dict(_keys(username, address))
    rows = LoginThrottle.objects.filter(key__in=limits, window_start__gt=now - WINDOW)
    waits = [(row.window_start + WINDOW - now).total_seconds() for row in rows if row.failures >= limits[row.key]]
    return max((int(wait) + 1 for wait in waits), default=0)


def failed(username: str, address: str) -> None:
    """Count one failure for the account and one for the address."""
    for key, _limit in _keys(username, address):
        _count(key)


def guesses_wait(kind: str, address: str) -> int:
    """Seconds until an address may try again to open what only a secret opens (``kind``); 0 when it may now."""
    now = timezone.now()
    row = LoginThrottle.objects.filter(key=_key(kind, address), window_start__gt=now - WINDOW).first()
    if row is None or row.failures < ADDRESS_FAILURES:
        return 0
    return int((row.window_start + WINDOW - now).total_seconds()) + 1


def guessed(kind: str, address: str) -> None:
    """Count one wrong secret of an address."""
    _count(_key(kind, address))


def _count(key: str) -> None:
    now = timezone.now()
    if LoginThrottle.objects.filter(key=key, window_start__gt=now - WINDOW).update(failures=F("failures") + 1):
        return
    if LoginThrottle.objects.filter(key=key).update(failures=1, window_start=now):
        return
    try:
        with transaction.atomic():
            LoginThrottle.objects.create(key=key, failures=1, window_start=now)
    except IntegrityError:  # another process was first
        LoginThrottle.objects.filter(key=key).update(failures=F("failures") + 1)


def succeeded(username: str) -> None:
    """Forget the account's failures, and rows whose window is long over."""
    LoginThrottle.objects.filter(key=_key("account", username)).delete()
    LoginThrottle.objects.filter(window_start__lt=timezone.now() - 4 * WINDOW).delete()
