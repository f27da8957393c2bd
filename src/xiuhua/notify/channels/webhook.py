"""Signed webhooks as Standard Webhooks 1.0 says (https://www.standardwebhooks.com), so that ready libraries verify them.

Headers webhook-id, webhook-timestamp (seconds) and webhook-signature (``v1,`` and base64 of HMAC-SHA256 over
``id.timestamp.body``). A receiver refuses timestamps more than five minutes off and ids that it has seen: that is the
replay window.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from xiuhua.casework import moments
from xiuhua.notify.channels import http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import Webhook

#: Seconds within which a receiver should take a timestamp.
WINDOW = 300


def sign(secret: str, key: str, timestamp: int, body: bytes) -> str:
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{key}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(raw, text, hashlib.sha256).digest()).decode()


def send(channel: Webhook, _target: str, message: Message) -> str:
    """Any 2xx is a receipt. Raises what another status means."""
    timestamp = int(moments.now().timestamp())
    content = {"type": f"notice.{message.about.get('rule', 'test')}", "timestamp": f"{moments.now():%Y-%m-%dT%H:%M:%SZ}",
               "data": dict(message.about)}  # fmt: skip
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": message.key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(channel.secret.get_secret_value(), message.key, timestamp, body),
    }
    answer = http.exchange("POST", channel.url, timeout=channel.timeout, body=body, headers=headers)
    http.check_status(answer.host, answer.status, answer.retry_after)
    return ""
