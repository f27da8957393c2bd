"""One way to speak HTTP for all channels: short patience, no redirects, no retries of its own, answers as JSON.

What goes wrong becomes an outbox error: the network and 5xx mean "later", 429 keeps the other side's Retry-After, other
4xx are hopeless. Messages name the host and the code, never the address (it may hold a key) or the body.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import urllib3

from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import guard
from xiuhua.notify.channels.guard import Unreachable

__all__ = ["AGENT", "Answer", "Unreachable", "call", "check_status", "exchange", "post_json", "tls_trouble"]

AGENT = "Xiuhua-Notify/1"
LONGEST_ANSWER = 256 * 1024
WAIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Answer:
    host: str
    status: int
    retry_after: str
    body: bytes


def exchange(
    method: str,
    url: str,
    *,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request to the checked address of the host, over TLS with a checked certificate for https."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = guard.address_of(host, port)
    sent = {"Accept": "application/json", **(headers or {}), "Host": parts.netloc, "User-Agent": AGENT}
    pool: urllib3.HTTPConnectionPool
    if secure:
        pool = urllib3.HTTPSConnectionPool(
            address, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED", retries=False
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, port, retries=False)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with pool:
            answer = pool.request(
                method, target, body=body, headers=sent, timeout=timeout, redirect=False, preload_content=False
            )
            raw = answer.read(LONGEST_ANSWER, decode_content=True)
            answer.close()
    except urllib3.exceptions.SSLError as error:
        raise Unreachable(f"{host}: {tls_trouble(error)}") from None
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{host}: {type(error).__name__}") from None
    return Answer(host, answer.status, answer.headers.get("Retry-After", ""), raw)


def tls_trouble(error: BaseException) -> str:
    """What is wrong with a certificate or a handshake, in the words of OpenSSL and without an address."""
    cause: object = error.args[0] if error.args else error
    found = error if isinstance(error, ssl.SSLError) else cause
    if isinstance(found, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({found.verify_message.rstrip('.')})"
    if "match" in str(found):
        return "the certificate is for another name"
    return f"no TLS ({getattr(found, 'reason', None) or type(found).__name__})"


def call(
    method: str,
    url: str,
    *,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object that the other side answers; also of a 4xx that carries one, since its code says more."""
    answer = exchange(method, url, timeout=timeout, body=body, headers=headers)
    check_status(answer.host, answer.status, answer.retry_after, ok_until=500)
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise (Hopeless if 400 <= answer.status < 500 else Unreachable)(
            f"{answer.host}: HTTP {answer.status}, no JSON object"
        )
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
