"""DingTalk (钉钉): work notices to a person, and group robots with signature.

https://open.dingtalk.com/document/orgapp/obtain-orgapp-token (gettoken),
/asynchronous-sending-of-enterprise-session-messages (asyncsend_v2), /customize-robot-security-settings (sign).
A robot takes 20 messages a minute and is shut for ten minutes after that; timestamps may be an hour off.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from xiuhua.casework import moments
from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import access_token, http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import Dingtalk, DingtalkRobot

_STALE = frozenset({40014, 42001, 33001})
#: 90002, 90006, 90018: calls by minute, second or address; 130101, 410100: a robot's messages.
_LIMITS = {90002: 1, 90006: 1, 90018: 1, 90005: 1, 130101: 10, 410100: 10}
_LATER = frozenset({-1, 15, 404001})


def sign(secret: str, timestamp_ms: int) -> str:
    """Base64 of HMAC-SHA256 over timestamp, newline and secret."""
    text = f"{timestamp_ms}\n{secret}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def fetch_token(channel: Dingtalk) -> tuple[str, int]:
    """A new token and its life in seconds."""
    query = urlencode({"appkey": channel.app_key, "appsecret": channel.app_secret.get_secret_value()})
    answer = http.call("GET", f"{channel.base}/gettoken?{query}", timeout=channel.timeout)
    _check(channel.code, answer)
    return str(answer["access_token"]), int(answer.get("expires_in", 0))


def send(channel: Dingtalk, userid: str, message: Message) -> str:
    """Returns the task_id: DingTalk delivers afterwards. Raises what the code means."""

    if message.link:
        card = {"title": message.subject[:100], "markdown": f"### {message.subject}\n\n{message.body}"[:1000],
                "single_title": "查看", "single_url": message.link}  # fmt: skip
        msg: dict[str, Any] = {"msgtype": "action_card", "action_card": card}
    else:
        msg = {"msgtype": "text", "text": {"content": f"{message.subject}\n{message.body}"[:2000]}}
    content = {"agent_id": channel.agent_id, "userid_list": userid, "msg": msg}

    def ask(token: str) -> dict[str, Any]:
        path = f"/topapi/message/corpconversation/asyncsend_v2?{urlencode({'access_token': token})}"
        return http.post_json(f"{channel.base}{path}", content, timeout=channel.timeout)

    answer = access_token.use(f"{channel.kind}:{channel.app_key}", lambda: fetch_token(channel), ask, _STALE)
    _check(channel.code, answer)
    return str(answer.get("task_id", ""))


def send_robot(channel: DingtalkRobot, _target: str, message: Message) -> str:
    """Into the robot's group."""
    now = int(moments.now().timestamp() * 1000)
    query = urlencode(
        {
            "access_token": channel.token.get_secret_value(),
            "timestamp": now,
            "sign": sign(channel.secret.get_secret_value(), now),
        }
    )
    text = f"### {message.subject}\n\n{message.body}" + (f"\n\n[查看]({message.link})" if message.link else "")
    content = {"msgtype": "markdown", "markdown": {"title": message.subject[:60], "text": text[:4000]}}
    _check(channel.code, http.post_json(f"{channel.base}/robot/send?{query}", content, timeout=channel.timeout))
    return ""


def _check(code: str, answer: dict[str, Any]) -> None:
    error = answer.get("errcode", 0)
    if error == 0:
        return
    if error == 88:  # the true code stands below
        error = int(answer["sub_code"]) if str(answer.get("sub_code", "")).isdigit() else error
    told = f"{code}: errcode {error}"
    if error in _LIMITS:
        raise NotNow(told, timedelta(minutes=_LIMITS[error]))
    raise (http.Unreachable if error in _LATER else Hopeless)(told)
