"""Signed webhooks as Standard Webhooks 1.0 says (https://www.standardwebhooks.com), so that ready libraries verify them.

Headers webhook-id, webhook-timestamp (seconds) and webhook-signature (``v1,`` and base64 of HMAC-SHA256 over
``id.timestamp.body``). A receiver refuses timestamps more than five minutes off and ids that it has seen: that is the
replay window.

The address is the operator's, but names change: the host is looked up here, every address that it has must be public (or
in ``XIUHUA_NOTIFY_PRIVATE``), and the connection goes to the address that was checked. Redirects are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import urllib3
from django.conf import settings

from xiuhua.casework import moments
from xiuhua.casework.trouble import Hopeless
from xiuhua.notify.channels import http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import Network, Webhook

#: Seconds within which a receiver should take a timestamp.
WINDOW = 300


def sign(secret: str, key: str, timestamp: int, body: bytes) -> str:
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{key}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(raw, text, hashlib.sha256).digest()).decode()


def is_open(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether a webhook may reach an IP address: a public one, or one in a network that the operator allows."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if inner is not None:
        ip = inner
    if any(ip in network for network in allowed if network.version == ip.version):
        return True
    return ip.is_global and not ip.is_multicast


def address_of(host: str, port: int) -> str:
    """The address to connect to. Raises `Hopeless` when any address of the host is not open to webhooks."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise http.Unreachable(f"{host}: no address") from None
    if shut := [one for one in found if not is_open(one, settings.NOTIFY_PRIVATE)]:
        raise Hopeless(f"{host}: {shut[0]} is not public, and not in XIUHUA_NOTIFY_PRIVATE")
    return sorted(found, key=lambda one: (":" in one, one))[0]


def send(channel: Webhook, _target: str, message: Message) -> str:
    """Any 2xx is a receipt. Raises what another status means."""
    parts = urlsplit(channel.url)
    host, secure = channel.host, parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = address_of(host, port)
    timestamp = int(moments.now().timestamp())
    content = {"type": f"notice.{message.about.get('rule', 'test')}", "timestamp": f"{moments.now():%Y-%m-%dT%H:%M:%SZ}",
               "data": dict(message.about)}  # fmt: skip
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {
        "Host": parts.netloc,
        "User-Agent": http.AGENT,
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": message.key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(channel.secret.get_secret_value(), message.key, timestamp, body),
    }
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
                "POST",
                target,
                body=body,
                headers=headers,
                timeout=channel.timeout,
                redirect=False,
                preload_content=False,
            )
            answer.close()
    except urllib3.exceptions.HTTPError as error:
        raise http.Unreachable(f"{host}: {type(error).__name__}") from None
    http.check_status(host, answer.status, answer.headers.get("Retry-After", ""))
    return ""
