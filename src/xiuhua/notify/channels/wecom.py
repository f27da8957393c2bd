"""WeCom (企业微信): messages of an application to a person, and group robots.

https://developer.work.weixin.qq.com/document/path/91039 (gettoken), /90236 (message/send), /91770 (robot),
/90313 (codes). A robot takes 20 messages a minute.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import access_token, http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import Wecom, WecomRobot

_STALE = frozenset({40014, 42001, 40001})
_LIMITS = frozenset({45009, 45033, 45047, 90389})
_LATER = frozenset({-1, 40016, 45034})
LIMITED = timedelta(minutes=1)


def fetch_token(channel: Wecom) -> tuple[str, int]:
    """A new token and its life in seconds."""
    query = urlencode({"corpid": channel.corp_id, "corpsecret": channel.secret.get_secret_value()})
    answer = http.call("GET", f"{channel.base}/cgi-bin/gettoken?{query}", timeout=channel.timeout)
    _check(channel.code, answer)
    return str(answer["access_token"]), int(answer.get("expires_in", 0))


def send(channel: Wecom, userid: str, message: Message) -> str:
    """Returns the msgid. Raises what the code means."""

    content: dict[str, Any] = {
        "touser": userid,
        "agentid": channel.agent_id,
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 1800,
    }
    if message.link:
        card = {
            "title": message.subject[:128],
            "description": message.body[:512],
            "url": message.link,
            "btntxt": "查看",
        }
        content |= {"msgtype": "textcard", "textcard": card}
    else:
        content |= {"msgtype": "text", "text": {"content": f"{message.subject}\n{message.body}"[:2000]}}

    def ask(token: str) -> dict[str, Any]:
        url = f"{channel.base}/cgi-bin/message/send?{urlencode({'access_token': token})}"
        return http.post_json(url, content, timeout=channel.timeout)

    answer = access_token.use(
        f"{channel.kind}:{channel.corp_id}:{channel.agent_id}", lambda: fetch_token(channel), ask, _STALE
    )
    _check(channel.code, answer)
    if answer.get("invaliduser") or answer.get("unlicenseduser"):
        raise Hopeless(f"{channel.code}: the person is not in the application's range, or not known")
    return str(answer.get("msgid", ""))


def send_robot(channel: WecomRobot, _target: str, message: Message) -> str:
    """Into the robot's group."""
    text = f"**{message.subject}**\n{message.body}" + (f"\n[查看]({message.link})" if message.link else "")
    url = f"{channel.base}/cgi-bin/webhook/send?{urlencode({'key': channel.key.get_secret_value()})}"
    while len(text.encode()) > 4096:  # the protocol counts bytes
        text = text[:-16]
    _check(
        channel.code,
        http.post_json(url, {"msgtype": "markdown", "markdown": {"content": text}}, timeout=channel.timeout),
    )
    return ""


def _check(code: str, answer: dict[str, Any]) -> None:
    error = answer.get("errcode", 0)
    if error == 0:
        return
    told = f"{code}: errcode {error}"
    if error in _LIMITS:
        raise NotNow(told, LIMITED)
    raise (http.Unreachable if error in _LATER else Hopeless)(told)
