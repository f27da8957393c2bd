"""Which channel a rule means, which of the configured ones serves it, and how it sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from xiuhua.casework.trouble import Hopeless
from xiuhua.manifest import Text
from xiuhua.notify.channels import dingtalk, email, sms_aliyun, sms_tencent, webhook, wecom
from xiuhua.notify.channels.message import Message

IN_APP = "in_app"
#: Channels that reach a person, by the address that they want.
PERSONAL = ("sms", "wecom", "dingtalk", "email")
TITLES: dict[str, Text] = {
    IN_APP: Text("站内", "In the system"),
    "sms": Text("短信", "SMS"),
    "wecom": Text("企业微信", "WeCom"),
    "dingtalk": Text("钉钉", "DingTalk"),
    "email": Text("电子邮件", "E-mail"),
    "wecom_robot": Text("企业微信群机器人", "WeCom group robot"),
    "dingtalk_robot": Text("钉钉群机器人", "DingTalk group robot"),
    "webhook": Text("回调接口", "Webhook"),
}
#: Channels that make a sound at night.
RINGING = frozenset({"sms", "wecom", "dingtalk", "wecom_robot", "dingtalk_robot"})

_SENDERS: dict[str, Callable[[Any, str, Message], str]] = {
    "sms_aliyun": sms_aliyun.send,
    "sms_tencent": sms_tencent.send,
    "wecom": wecom.send,
    "wecom_robot": wecom.send_robot,
    "dingtalk": dingtalk.send,
    "dingtalk_robot": dingtalk.send_robot,
    "email": email.send,
    "webhook": webhook.send,
}


def medium(kind: str) -> str:
    """``sms`` for both kinds of short messages."""
    return "sms" if kind.startswith("sms_") else kind


def by_code(code: str) -> Any | None:
    return next((one for one in settings.NOTIFY_CHANNELS if one.code == code), None)


def for_medium(name: str) -> Any | None:
    """The first configured account of a personal channel."""
    return next((one for one in settings.NOTIFY_CHANNELS if medium(one.kind) == name), None)


def send(channel: Any, target: str, message: Message) -> str:
    """Send by one configured account; returns the provider's number of the message, if it gives one."""
    sender = _SENDERS.get(channel.kind)
    if sender is None:
        raise Hopeless(f"{channel.code}: unknown kind {channel.kind!r}")
    return sender(channel, target, message)
