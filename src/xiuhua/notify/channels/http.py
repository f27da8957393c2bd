"""One way to speak HTTP for all channels: short patience, no redirects, no retries of its own, answers as JSON.

What goes wrong becomes an outbox error: the network and 5xx mean "later", 429 keeps the other side's Retry-After, other
4xx are hopeless. Messages name the host and the code, never the address (it may hold a key) or the body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import urllib3

from xiuhua.casework.trouble import Hopeless, NotNow

AGENT = "Xiuhua-Notify/1"
LONGEST_ANSWER = 256 * 1024
WAIT = timedelta(minutes=1)


class Unreachable(Exception):
    """No answer, or one that the other side's trouble explains: it is tried again."""


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(num_pools=16, maxsize=4, retries=False, headers={"User-Agent": AGENT})


def call(
    method: str,
    url: str,
    *,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object that the other side answers; also of a 4xx that carries one, since its code says more."""
    host = urlsplit(url).hostname or ""
    sent = {"User-Agent": AGENT, "Accept": "application/json", **(headers or {})}
    try:
        answer = _pool().request(
            method, url, body=body, headers=sent, timeout=timeout, redirect=False, preload_content=False
        )
        try:
            raw = answer.read(LONGEST_ANSWER, decode_content=True)
        finally:
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{host}: {type(error).__name__}") from None
    check_status(host, answer.status, answer.headers.get("Retry-After", ""), ok_until=500)
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise (Hopeless if 400 <= answer.status < 500 else Unreachable)(f"{host}: HTTP {answer.status}, no JSON object")
    return found


def check_status(host: str, status: int, retry_after: str, *, ok_until: int = 300) -> None:
    """Raise what a status means; nothing for one below ``ok_until`` that is no redirect."""
    if status == 429:
        wait = timedelta(seconds=min(int(retry_after), 3600)) if retry_after.isdigit() else WAIT
        raise NotNow(f"{host}: HTTP 429", wait)
    if status >= 500 or status == 408:
        raise Unreachable(f"{host}: HTTP {status}")
    if 300 <= status < 400:
        raise Hopeless(f"{host}: HTTP {status}, redirects are not followed")
    if status >= ok_until:
        raise Hopeless(f"{host}: HTTP {status}")


def post_json(url: str, content: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return call("POST", url, timeout=timeout, body=body, headers=headers)
