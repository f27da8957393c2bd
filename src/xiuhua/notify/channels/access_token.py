"""Access tokens of WeCom and DingTalk: fetched with the application's secret, kept until shortly before they end.

Both sides ask that a token be kept and not fetched for every call. One that the other side no longer takes (it was
revoked, or another process fetched a new one) is thrown away and fetched once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from xiuhua.casework import moments

EARLY = timedelta(minutes=5)
_kept: dict[str, tuple[str, datetime]] = {}
_lock = threading.Lock()


def forget() -> None:
    with _lock:
        _kept.clear()


def use(
    account: str, fetch: Callable[[], tuple[str, int]], ask: Callable[[str], dict[str, Any]], stale: frozenset[int]
) -> dict[str, Any]:
    """The answer of ``ask(token)``. ``fetch`` gives a token and its life in seconds; ``stale``: codes that want a new one."""
    answer = ask(_token(account, fetch))
    if answer.get("errcode") in stale or answer.get("sub_code") in {str(code) for code in stale}:
        with _lock:
            _kept.pop(account, None)
        answer = ask(_token(account, fetch))
    return answer


def _token(account: str, fetch: Callable[[], tuple[str, int]]) -> str:
    with _lock:
        kept = _kept.get(account)
    if kept is not None and kept[1] > moments.now():
        return kept[0]
    token, seconds = fetch()
    with _lock:
        _kept[account] = token, moments.now() + max(timedelta(seconds=seconds) - EARLY, timedelta(0))
    return token
