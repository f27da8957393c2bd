"""Alibaba Cloud short messages: Dysmsapi 2017-05-25, action SendSms, signature ACS3-HMAC-SHA256 (V3).

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

from xiuhua.casework import moments
from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import AliyunSms

VERSION, ACTION = "2017-05-25", "SendSms"
#: Limits of a number are by minute, hour and day; nobody says which was met.
LIMITED = timedelta(minutes=10)
_LATER = ("isp.", "Throttling", "ServiceUnavailable", "InternalError", "isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE")


def sign(secret: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    """Names of the signed headers and the signature in hex. ``headers`` are lower-case, with the body's digest."""
    pairs = sorted(query.items())
    canonical_query = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in pairs)
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    signed = ";".join(names)
    request = "\n".join([method, path, canonical_query, lines, signed, headers["x-acs-content-sha256"]])
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    return signed, hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def send(channel: AliyunSms, phone: str, message: Message) -> str:
    """Returns the BizId. Raises what the code means."""
    template = channel.templates.get(message.template)
    if template is None:
        raise Hopeless(f"{channel.code}: no template {message.template!r} is registered")
    query = {
        "PhoneNumbers": phone,
        "SignName": channel.sign_name,
        "TemplateCode": template.id,
        "TemplateParam": json.dumps({p: message.words.get(p, "") for p in template.params}, ensure_ascii=False),
        "OutId": message.key,
    }
    headers = {
        "host": urlsplit(channel.base).netloc,
        "x-acs-action": ACTION,
        "x-acs-version": VERSION,
        "x-acs-date": f"{moments.now():%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": secrets.token_hex(16),
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    names, signature = sign(channel.key_secret.get_secret_value(), "POST", "/", query, headers)
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={channel.key_id},SignedHeaders={names},Signature={signature}"
    )
    url = f"{channel.base}/?{urlencode(query, quote_via=quote, safe='~')}"
    answer = http.call("POST", url, timeout=channel.timeout, headers=headers)
    code = str(answer.get("Code", ""))
    if code == "OK":
        return str(answer.get("BizId", ""))
    told = f"{channel.code}: {code or 'no code'}"
    if code == "isv.BUSINESS_LIMIT_CONTROL":
        raise NotNow(told, LIMITED)
    raise (http.Unreachable if code.startswith(_LATER) else Hopeless)(told)
