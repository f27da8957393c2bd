"""Every way out against a stand-in that checks its protocol."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.notify.channels import access_token, guard, registry, sms_aliyun, sms_tencent, webhook
from xiuhua.notify.channels.http import Unreachable
from xiuhua.notify.channels.message import Message
from xiuhua.notify.tests.standin import SECRET, Provider, provider, smtp
from xiuhua.notify_channel import (
    AliyunSms,
    Dingtalk,
    DingtalkRobot,
    Smtp,
    TencentSms,
    Webhook,
    Wecom,
    WecomRobot,
)

PHONE = "13812345678"
KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
SAID = Message(
    "7:1:3", "新派遣案件 A 1+2", "井盖缺失（温泉路 1号）~*", "https://x.example/l/abc", "task",
    {"number": "A 1+2", "due": "2026-03-04 18:00", "link": "https://x.example/l/abc"}, {"rule": "unit_dispatched", "case": "A1"},
)  # fmt: skip


@pytest.fixture
def there() -> Iterator[Provider]:
    access_token.forget()
    with provider() as found:
        yield found
    access_token.forget()


def channel(kind: str, url: str, secret: str = SECRET) -> Any:
    templates = {"task": {"id": "SMS_1", "params": ["number", "due", "link"]}}
    return {
        "sms_aliyun": lambda: AliyunSms(kind="sms_aliyun", code="a", key_id="key-id", key_secret=secret, sign_name="咸宁城管", templates=templates, base=url),
        "sms_tencent": lambda: TencentSms(kind="sms_tencent", code="t", secret_id="id", secret_key=secret, app_id="14", sign_name="咸宁城管", templates=templates, base=url),
        "wecom": lambda: Wecom(kind="wecom", code="w", corp_id="ww1", agent_id=1000002, secret=secret, base=url),
        "wecom_robot": lambda: WecomRobot(kind="wecom_robot", code="wr", key=secret, base=url),
        "dingtalk": lambda: Dingtalk(kind="dingtalk", code="d", app_key="ding1", app_secret=secret, agent_id=77, base=url),
        "dingtalk_robot": lambda: DingtalkRobot(kind="dingtalk_robot", code="dr", token="t", secret=secret, base=url),
        "webhook": lambda: Webhook(kind="webhook", code="h", url=f"{url}/hook", secret=KEY),
    }[kind]()  # fmt: skip


TARGETS = {"sms_aliyun": PHONE, "sms_tencent": PHONE, "wecom": "zhang", "dingtalk": "manager1"}
KINDS = ("sms_aliyun", "sms_tencent", "wecom", "wecom_robot", "dingtalk", "dingtalk_robot", "webhook")


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.NOTIFY_PRIVATE = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_is_taken(there: Provider, kind: str) -> None:
    registry.send(channel(kind, there.url), TARGETS.get(kind, ""), SAID)
    assert there.refused == [] and len(there.sent) == 1
    assert "A 1+2" in str(there.sent[0]) or (kind == "webhook" and there.sent[0]["id"] == SAID.key)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "webhook"])
def test_a_wrong_secret_is_hopeless(there: Provider, kind: str) -> None:
    with pytest.raises(Hopeless) as told:
        registry.send(channel(kind, there.url, "wrong"), TARGETS.get(kind, ""), SAID)
    assert there.sent == [] and there.refused and "wrong" not in str(told.value)


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_of_the_other_side_comes_again(there: Provider, kind: str) -> None:
    there.answers = [(503, {}, {}), (429, {}, {"Retry-After": "90"})]
    one = channel(kind, there.url)
    with pytest.raises(Unreachable):
        registry.send(one, TARGETS.get(kind, ""), SAID)
    with pytest.raises(NotNow) as told:
        registry.send(one, TARGETS.get(kind, ""), SAID)
    assert told.value.wait == timedelta(seconds=90) and there.sent == []


@pytest.mark.parametrize(
    ("kind", "answer", "error"),
    [
        ("sms_aliyun", {"Code": "isv.BUSINESS_LIMIT_CONTROL"}, NotNow),
        ("sms_aliyun", {"Code": "isv.MOBILE_NUMBER_ILLEGAL"}, Hopeless),
        ("sms_aliyun", {"Code": "isp.SYSTEM_ERROR"}, Unreachable),
        ("sms_tencent", {"Response": {"SendStatusSet": [{"Code": "LimitExceeded.PhoneNumberDailyLimit"}]}}, NotNow),
        ("sms_tencent", {"Response": {"Error": {"Code": "InternalError"}}}, Unreachable),
        ("sms_tencent", {"Response": {"SendStatusSet": [{"Code": "FailedOperation.TemplateIncorrectOrUnapproved"}]}}, Hopeless),
        ("wecom", {"errcode": 45009}, NotNow), ("wecom", {"errcode": -1}, Unreachable), ("wecom", {"errcode": 60111}, Hopeless),
        ("dingtalk", {"errcode": 88, "sub_code": "90018"}, NotNow), ("dingtalk", {"errcode": 33012}, Hopeless),
    ],
)  # fmt: skip
def test_codes_mean_now_later_or_never(there: Provider, kind: str, answer: Any, error: type[Exception]) -> None:
    there.answers = [(200, answer, {})]
    with pytest.raises(error) as told:
        registry.send(channel(kind, there.url), TARGETS[kind], SAID)
    assert PHONE not in str(told.value)


@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
def test_a_token_is_kept_and_fetched_again_when_it_is_refused(there: Provider, kind: str) -> None:
    one = channel(kind, there.url)
    registry.send(one, TARGETS[kind], SAID)
    registry.send(one, TARGETS[kind], SAID)
    assert there.tokens == 1
    there.token = "revoked by another process"
    registry.send(one, TARGETS[kind], SAID)
    assert there.tokens == 2 and len(there.sent) == 3


def test_somebody_unknown_to_wecom_is_hopeless(there: Provider) -> None:
    with pytest.raises(Hopeless):
        registry.send(channel("wecom", there.url), "nobody", SAID)


@pytest.mark.parametrize("kind", ["wecom_robot", "dingtalk_robot"])
def test_a_robot_asks_for_patience_after_twenty(there: Provider, kind: str) -> None:
    one = channel(kind, there.url)
    for _turn in range(20):
        registry.send(one, "", SAID)
    with pytest.raises(NotNow):
        registry.send(one, "", SAID)


def test_a_silent_network_comes_again() -> None:
    with provider() as gone:
        one = channel("wecom_robot", gone.url)
    with pytest.raises(Unreachable) as told:
        registry.send(one, "", SAID)
    assert SECRET not in str(told.value)


# -- published examples --------------------------------------------------------------------------------------------


def test_aliyuns_published_example() -> None:
    query = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances", "x-acs-version": "2014-05-26",
        "x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }  # fmt: skip
    _names, signature = sms_aliyun.sign("YourAccessKeySecret", "POST", "/", query, headers)
    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


def test_tencents_published_example() -> None:
    """The key of the published example is masked; its canonical request is not."""
    body = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    request = sms_tencent.canonical(
        "cvm.tencentcloudapi.com", "application/json; charset=utf-8", "DescribeInstances", body
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    assert digest == "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"


def test_the_example_of_standard_webhooks() -> None:
    found = webhook.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# -- webhooks and the inside of the house --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1",
     "fc00::1", "fe80::1%eth0", "::ffff:10.0.0.1", "2002:0a00:0001::1"],
)  # fmt: skip
def test_private_addresses_are_shut(address: str) -> None:
    assert not guard.is_open(address)


def test_public_and_allowed_addresses_are_open() -> None:
    allowed = (ipaddress.ip_network("10.20.0.0/16"),)
    assert guard.is_open("114.114.114.114") and guard.is_open("2400:3200::1")
    assert guard.is_open("10.20.3.4", allowed) and not guard.is_open("10.21.3.4", allowed)


def test_a_webhook_into_the_house_is_refused_before_it_is_called(there: Provider, settings: Any) -> None:
    settings.NOTIFY_PRIVATE = ()
    for url in (there.url, there.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(Hopeless):
            registry.send(channel("webhook", url), "", SAID)
    assert there.hits == 0


def test_a_redirect_is_not_followed(there: Provider) -> None:
    there.answers = [(302, {}, {"Location": "http://169.254.169.254/"})]
    with pytest.raises(Hopeless):
        registry.send(channel("webhook", there.url), "", SAID)


# -- e-mail --------------------------------------------------------------------------------------------------------


def mailer(port: int, password: str = SECRET) -> Smtp:
    return Smtp(
        kind="email", code="m", host="127.0.0.1", port=port, security="none", username="house", password=password,
        sender="notice@city.example", sender_name="咸宁城管",
    )  # fmt: skip


def test_a_mail_arrives_whole() -> None:
    with smtp() as server:
        registry.send(mailer(server.server_address[1]), "a@unit.example", SAID)
    ((sender, to, raw),) = server.mails
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert (sender, to) == ("notice@city.example", ["a@unit.example"])
    assert mail["Subject"] == SAID.subject and "咸宁城管" in mail["From"]
    text = mail.get_content()
    assert SAID.body in text and SAID.link in text and mail["Message-ID"] == "<7.1.3@city.example>"


@pytest.mark.parametrize(("name", "error"), [("nobody", Hopeless), ("full", Unreachable)])
def test_what_a_mail_server_refuses(name: str, error: type[Exception]) -> None:
    with smtp() as server, pytest.raises(error):
        registry.send(mailer(server.server_address[1]), f"{name}@unit.example", SAID)
    assert server.mails == []


def test_a_mail_server_that_does_not_know_us_is_hopeless() -> None:
    with smtp() as server, pytest.raises(Hopeless):
        registry.send(mailer(server.server_address[1], "wrong"), "a@unit.example", SAID)


def test_headers_cannot_be_smuggled() -> None:
    with smtp() as server:
        bad = Message("1", "a\r\nBcc: x@evil.example", "b")
        registry.send(mailer(server.server_address[1]), "a@unit.example", bad)
    assert server.mails[0][1] == ["a@unit.example"] and b"\nBcc:" not in server.mails[0][2]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "webhook"])
def test_no_way_leads_into_the_house_unless_that_is_allowed(there: Provider, settings: Any, kind: str) -> None:
    settings.NOTIFY_PRIVATE = ()
    with pytest.raises(Hopeless, match="XIUHUA_NOTIFY_PRIVATE"):
        registry.send(channel(kind, there.url), TARGETS.get(kind, ""), SAID)
    assert there.hits == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_way_follows_a_redirect(there: Provider, kind: str) -> None:
    with provider() as elsewhere:
        there.answers = [(307, {}, {"Location": f"{elsewhere.url}/hook"})]
        with pytest.raises(Hopeless, match="redirects are not followed"):
            registry.send(channel(kind, there.url), TARGETS.get(kind, ""), SAID)
        assert elsewhere.hits == 0
