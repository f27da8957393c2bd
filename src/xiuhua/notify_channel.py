"""The ways out of the house, as the operator declares them in ``XIUHUA_NOTIFY_CHANNELS`` (a JSON list).

One entry is one account with one provider; ``code`` is what the notice rules call a group robot or a webhook, and what
``xiuhua notify test`` takes. ``base`` is there for private deployments (政务微信, a gateway in the government's network).
Protocols: `xiuhua.notify.channels`, one file each. Secrets are never shown again.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

Address = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+", max_length=500)]


class SmsTemplate(BaseModel):
    """A text registered with the provider: its id, and which of our words fill its blanks, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(min_length=1, max_length=60)
    params: tuple[Literal["number", "title", "place", "state", "unit", "due", "action", "link"], ...] = ()


class _Channel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    timeout: float = Field(default=8.0, gt=0, le=60, description="seconds")


class AliyunSms(_Channel):
    """Alibaba Cloud short messages (Dysmsapi)."""

    kind: Literal["sms_aliyun"]
    key_id: str = Field(min_length=1)
    key_secret: SecretStr
    sign_name: str = Field(min_length=1, max_length=40)
    templates: dict[str, SmsTemplate]
    base: Address = "https://dysmsapi.aliyuncs.com"


class TencentSms(_Channel):
    """Tencent Cloud short messages (sms, 2021-01-11)."""

    kind: Literal["sms_tencent"]
    secret_id: str = Field(min_length=1)
    secret_key: SecretStr
    app_id: str = Field(min_length=1)
    sign_name: str = Field(min_length=1, max_length=40)
    region: str = "ap-guangzhou"
    templates: dict[str, SmsTemplate]
    base: Address = "https://sms.tencentcloudapi.com"


class Wecom(_Channel):
    """Messages of a WeCom application to a person (企业微信应用消息)."""

    kind: Literal["wecom"]
    corp_id: str = Field(min_length=1)
    agent_id: int
    secret: SecretStr
    base: Address = "https://qyapi.weixin.qq.com"


class WecomRobot(_Channel):
    """A WeCom group robot (群机器人)."""

    kind: Literal["wecom_robot"]
    key: SecretStr
    base: Address = "https://qyapi.weixin.qq.com"


class Dingtalk(_Channel):
    """DingTalk work notices to a person (工作通知)."""

    kind: Literal["dingtalk"]
    app_key: str = Field(min_length=1)
    app_secret: SecretStr
    agent_id: int
    base: Address = "https://oapi.dingtalk.com"


class DingtalkRobot(_Channel):
    """A DingTalk group robot with signature (加签)."""

    kind: Literal["dingtalk_robot"]
    token: SecretStr
    secret: SecretStr
    base: Address = "https://oapi.dingtalk.com"


class Smtp(_Channel):
    """E-mail."""

    kind: Literal["email"]
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")
    sender_name: str = ""


class Webhook(_Channel):
    """A system of others that is told; signed as Standard Webhooks 1.0 says."""

    kind: Literal["webhook"]
    url: Address
    secret: SecretStr

    @field_validator("secret")
    @classmethod
    def _key(cls, value: SecretStr) -> SecretStr:
        try:
            raw = base64.b64decode(value.get_secret_value().removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("a webhook's secret is whsec_ and base64") from None
        if not 24 <= len(raw) <= 64:
            raise ValueError("a webhook's secret has 24 to 64 bytes")
        return value

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


Channel = Annotated[
    AliyunSms | TencentSms | Wecom | WecomRobot | Dingtalk | DingtalkRobot | Smtp | Webhook, Field(discriminator="kind")
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
