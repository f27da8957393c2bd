"""Tencent Cloud short messages: sms 2021-01-11, action SendSms, signature TC3-HMAC-SHA256.

https://cloud.tencent.com/document/api/382/52072 (signature), https://cloud.tencent.com/document/api/382/55981 (SendSms)
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from xiuhua.casework import moments
from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import TencentSms

SERVICE, VERSION, ACTION = "sms", "2021-01-11", "SendSms"
LIMITED = timedelta(minutes=10)
_LATER = ("InternalError", "RequestLimitExceeded", "FailedOperation.InsufficientBalance", "AuthFailure.SignatureExpire")
_LIMIT = ("LimitExceeded", "RequestLimitExceeded")


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


SIGNED = "content-type;host;x-tc-action"


def canonical(host: str, content_type: str, action: str, body: bytes) -> str:
    """The canonical request of a POST."""
    lines = f"content-type:{content_type}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    return "\n".join(["POST", "/", "", lines, SIGNED, hashlib.sha256(body).hexdigest()])


def authorization(secret_id: str, secret_key: str, service: str, host: str, content_type: str, action: str,
                  body: bytes, timestamp: int) -> str:  # fmt: skip
    """The Authorization header; content-type, host and x-tc-action are signed."""
    day = f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"
    request = canonical(host, content_type, action, body)
    scope = f"{day}/{service}/tc3_request"
    text = "\n".join(["TC3-HMAC-SHA256", str(timestamp), scope, hashlib.sha256(request.encode()).hexdigest()])
    key = _mac(_mac(_mac(f"TC3{secret_key}".encode(), day), service), "tc3_request")
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={SIGNED}, Signature={signature}"


def send(channel: TencentSms, phone: str, message: Message) -> str:
    """Returns the SerialNo. Raises what the code means."""
    template = channel.templates.get(message.template)
    if template is None:
        raise Hopeless(f"{channel.code}: no template {message.template!r} is registered")
    body = json.dumps(
        {
            "PhoneNumberSet": [phone if phone.startswith("+") else f"+86{phone}"],
            "SmsSdkAppId": channel.app_id,
            "SignName": channel.sign_name,
            "TemplateId": template.id,
            "TemplateParamSet": [message.words.get(name, "") for name in template.params],
            "SessionContext": message.key,
        },
        ensure_ascii=False,
    ).encode()
    timestamp, content_type = int(moments.now().timestamp()), "application/json; charset=utf-8"
    host = urlsplit(channel.base).netloc
    headers = {
        "Content-Type": content_type,
        "Host": host,
        "X-TC-Action": ACTION,
        "X-TC-Version": VERSION,
        "X-TC-Region": channel.region,
        "X-TC-Timestamp": str(timestamp),
        "Authorization": authorization(
            channel.secret_id,
            channel.secret_key.get_secret_value(),
            SERVICE,
            host,
            content_type,
            ACTION,
            body,
            timestamp,
        ),
    }
    answer = http.call("POST", f"{channel.base}/", timeout=channel.timeout, body=body, headers=headers)
    response = answer.get("Response") or {}
    status = (response.get("SendStatusSet") or [{}])[0]
    code = str((response.get("Error") or {}).get("Code") or status.get("Code") or "")
    if code == "Ok":
        return str(status.get("SerialNo", ""))
    told = f"{channel.code}: {code or 'no code'}"
    if code.startswith(_LIMIT):
        raise NotNow(told, LIMITED)
    raise (http.Unreachable if code.startswith(_LATER) else Hopeless)(told)
