"""TLS to webhooks and mail servers: certificates are checked, and what is wrong with one is said."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from xiuhua.casework.trouble import Hopeless
from xiuhua.notify.channels import registry
from xiuhua.notify.channels.http import Unreachable
from xiuhua.notify.tests.certificates import made
from xiuhua.notify.tests.standin import SECRET, provider, smtp
from xiuhua.notify.tests.test_channels import SAID, TARGETS, channel
from xiuhua.notify_channel import Smtp


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.NOTIFY_PRIVATE = (ipaddress.ip_network("127.0.0.0/8"),)


def mailer(port: int, security: str) -> Smtp:
    return Smtp.model_validate(
        {"kind": "email", "code": "m", "host": "127.0.0.1", "port": port, "security": security, "username": "house",
         "password": SECRET, "sender": "notice@city.example"}
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["webhook", "sms_aliyun", "dingtalk_robot"])
def test_https_with_a_trusted_certificate(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = made(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with provider(context) as there:
        registry.send(channel(kind, there.url), TARGETS.get(kind, ""), SAID)
    assert len(there.sent) == 1 and there.refused == []


@pytest.mark.parametrize("kind", ["webhook", "sms_aliyun", "dingtalk_robot"])
def test_a_self_signed_certificate_is_refused(kind: str, tmp_path: Path) -> None:
    context, _trusted = made(tmp_path, "127.0.0.1")
    with provider(context) as there, pytest.raises(Unreachable, match=r"certificate is not trusted \(self-signed"):
        registry.send(channel(kind, there.url), TARGETS.get(kind, ""), SAID)
    assert there.hits == 0


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = made(tmp_path, "other.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with provider(context) as there, pytest.raises(Unreachable, match="certificate is"):
        registry.send(channel("webhook", there.url), "", SAID)
    assert there.hits == 0


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_through_tls(security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = made(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with smtp(security, context) as server:
        registry.send(mailer(server.server_address[1], security), "a@unit.example", SAID)
    assert server.mails[0][1] == ["a@unit.example"] and server.secure == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("name", ["127.0.0.1", "other.example"])
def test_mail_does_not_go_to_a_server_that_is_not_trusted(
    security: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = made(tmp_path, name)
    if name != "127.0.0.1":
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with smtp(security, context) as server, pytest.raises(Unreachable, match="certificate is not trusted"):
        registry.send(mailer(server.server_address[1], security), "a@unit.example", SAID)
    assert server.mails == []


def test_mail_does_not_fall_back_to_plain_text() -> None:
    with smtp() as server, pytest.raises(Hopeless, match="offers no STARTTLS"):
        registry.send(mailer(server.server_address[1], "starttls"), "a@unit.example", SAID)
    assert server.mails == []
