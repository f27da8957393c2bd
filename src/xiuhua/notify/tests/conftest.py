"""The engine's small city and clock, rules of its own for it, telephones, and a stand-in provider."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xiuhua.casework.tests.conftest import City, city, clock  # noqa: F401
from xiuhua.city import crypto
from xiuhua.city.models import User
from xiuhua.notify import rules
from xiuhua.notify.channels import access_token
from xiuhua.notify.tests.standin import SECRET, Provider, provider
from xiuhua.notify_channel import AliyunSms, Wecom, WecomRobot

PHONE = "13812345678"
RULES = """
sample: true
source: {zh: 测试, en: Test}
quiet: {from: "21:30", to: "07:00", except: [urgent]}
rules:
  - code: dispatched
    title: {zh: 派遣, en: Dispatched}
    when: {procedure: repair, enters: [to_receive]}
    to: [unit]
    ways: [{by: in_app}, {by: wecom}, {by: sms, after: 10}]
    sms: task
    link: [receive]
    receipt: {within: {value: 30, unit: minute}, by: [receive, give_back], deemed_by: [deem_received]}
    text: {zh: {subject: "新案件 {number}", body: "{title} {unit} {due}"}, en: {subject: "New {number}", body: "{title} {unit}"}}
  - code: returned
    title: {zh: 返工, en: Redo}
    when: {procedure: repair, action: [redo]}
    to: [unit]
    ways: [{by: in_app}]
    receipt: {within: {value: 1, unit: hour}, deemed: {value: 3, unit: hour}}
    text: {zh: {subject: "返工 {number}", body: "返工"}, en: {subject: "Redo {number}", body: "Redo"}}
  - code: group
    title: {zh: 群, en: Group}
    when: {named: dispatched}
    to: [channel]
    ways: [{by: channel, to: [duty-group]}]
    text: {zh: {subject: "群 {number}", body: "{state}"}, en: {subject: "Group {number}", body: "{state}"}}
  - code: told
    title: {zh: 告知, en: Told}
    when: {procedure: repair, action: [close]}
    to: [reporter]
    ways: [{by: sms}]
    sms: task
    text: {zh: {subject: "办结", body: "{number}"}, en: {subject: "Done", body: "{number}"}}
"""


@pytest.fixture
def there(settings: Any, tmp_path: Path) -> Iterator[Provider]:
    """The provider, the settings that lead to it, and the rules."""
    rules.forget()
    access_token.forget()
    with provider() as found:
        settings.DATA_DIR = tmp_path
        settings.PUBLIC_URL = "https://city.example"
        settings.NOTIFY_PRIVATE = (ipaddress.ip_network("127.0.0.0/8"),)
        templates = {"task": {"id": "SMS_1", "params": ("number", "link")}}
        settings.NOTIFY_CHANNELS = (
            Wecom(kind="wecom", code="w", corp_id="ww1", agent_id=1000002, secret=SECRET, base=found.url),
            AliyunSms(kind="sms_aliyun", code="a", key_id="key-id", key_secret=SECRET, sign_name="城管", templates=templates, base=found.url),
            WecomRobot(kind="wecom_robot", code="duty-group", key=SECRET, base=found.url),
        )  # fmt: skip
        path = tmp_path / "rules" / "notices" / "421200.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(RULES, "utf-8")
        yield found
    rules.forget()
    access_token.forget()


@pytest.fixture
def told(city: City, there: Provider) -> City:  # noqa: F811
    """The city, with a telephone at the roads unit."""
    user = User.objects.get(username="unit")
    user.phone_cipher = crypto.encrypt(PHONE, "ledger:people:unit:phone")
    user.save()
    return city
