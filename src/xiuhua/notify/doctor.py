"""For ``xiuhua doctor``: every configured way out is asked without sending anything, and the rules are read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings

from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import dingtalk, email, guard, wecom
from xiuhua.notify.channels.http import Unreachable
from xiuhua.notify.commands import faults_of_rules

Level = Literal["ok", "warn", "fault"]


def findings() -> Iterator[tuple[Level, str, str]]:
    """Level and sentence in both languages."""
    for fault in faults_of_rules():
        yield "fault", fault, fault
    if not settings.NOTIFY_CHANNELS:
        yield "ok", "未配置外发渠道,仅站内通知", "no way out is configured; notices stay in the system"
    for channel in settings.NOTIFY_CHANNELS:
        try:
            asked = probe(channel)
        except (Hopeless, NotNow, Unreachable, OSError) as error:
            yield "warn", f"{channel.code}:{error}", f"{channel.code}: {error}"
        else:
            yield "ok", f"{channel.code}:{asked}", f"{channel.code}: {asked}"
    if not settings.PUBLIC_URL:
        yield "warn", "未设置 XIUHUA_PUBLIC_URL,不发一次性链接", "XIUHUA_PUBLIC_URL is not set: no one-time links"


def probe(channel: Any) -> str:
    """What answered. WeCom and DingTalk give a token, the mail server greets, others take a connection."""
    if channel.kind == "wecom":
        wecom.fetch_token(channel)
        return "access_token"
    if channel.kind == "dingtalk":
        dingtalk.fetch_token(channel)
        return "access_token"
    if channel.kind == "email":
        with email.connect(channel) as server:
            if channel.username:
                server.login(channel.username, channel.password.get_secret_value())
            return f"{channel.host}:{channel.port}"
    parts = urlsplit(channel.url if channel.kind == "webhook" else channel.base)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = guard.address_of(host, port)
    with socket.create_connection((address, port), timeout=channel.timeout):
        return f"{host}:{port}"
