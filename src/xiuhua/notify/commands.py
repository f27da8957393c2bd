"""``xiuhua notify test | address | check``."""

from __future__ import annotations

import argparse
import sys
import uuid

from django.conf import settings

from xiuhua.casework.trouble import Hopeless, NotNow
from xiuhua.city.models import Platform, User
from xiuhua.notify import people, rules
from xiuhua.notify.channels import registry as channels
from xiuhua.notify.channels.http import Unreachable
from xiuhua.notify.channels.message import Message


def test(argv: list[str]) -> int:
    """Send one message by a configured channel and say what the provider answered."""
    parser = argparse.ArgumentParser(prog="xiuhua notify test", description=test.__doc__)
    parser.add_argument("channel", help="code of a channel of XIUHUA_NOTIFY_CHANNELS")
    parser.add_argument(
        "target", nargs="?", default="", help="telephone, user id or e-mail; none for robots and webhooks"
    )
    parser.add_argument("--template", default="task", help="registered text of short messages")
    options = parser.parse_args(argv)
    channel = channels.by_code(options.channel)
    if channel is None:
        known = ", ".join(one.code for one in settings.NOTIFY_CHANNELS) or "none"
        print(f"no channel {options.channel!r} is configured; known: {known}", file=sys.stderr)
        return 2
    medium = channels.medium(channel.kind)
    if medium in channels.PERSONAL and not options.target:
        print(f"{medium} wants a target", file=sys.stderr)
        return 2
    blanks = dict.fromkeys(rules.WORDS, "测试")
    message = Message(f"test:{uuid.uuid4().hex}", "绣花 测试 / Xiuhua test", "这是一条测试消息。 This is a test.",
                      template=options.template, words=blanks, about={"rule": "test"})  # fmt: skip
    try:
        reference = channels.send(channel, options.target, message)
    except (Hopeless, NotNow, Unreachable) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(f"✓ {channel.code} {people.masked(medium, options.target) if options.target else ''} {reference}".rstrip())
    return 0


def address(argv: list[str]) -> int:
    """Keep where a person is reached by WeCom, DingTalk or e-mail."""
    parser = argparse.ArgumentParser(prog="xiuhua notify address", description=address.__doc__)
    parser.add_argument("username")
    parser.add_argument("channel", choices=[one for one in channels.PERSONAL if one != "sms"])
    parser.add_argument("value", help="'' forgets it")
    options = parser.parse_args(argv)
    user = User.objects.filter(username=options.username).first()
    if user is None:
        print(f"there is no account {options.username!r}", file=sys.stderr)
        return 2
    people.keep_address(user, options.channel, options.value.strip())
    return 0


def check(argv: list[str]) -> int:
    """Check the notice rules of every platform, and the channels that they name."""
    argparse.ArgumentParser(prog="xiuhua notify check", description=check.__doc__).parse_args(argv)
    faults = faults_of_rules()
    for fault in faults:
        print(f"✗ {fault}", file=sys.stderr)
    if not faults:
        print("✓")
    return 1 if faults else 0


def faults_of_rules() -> list[str]:
    """Broken files, and robots or webhooks that no setting knows."""
    faults = []
    for code in Platform.objects.order_by("code").values_list("code", flat=True):
        try:
            found = rules.read(code)
        except (rules.RulesBroken, OSError) as error:
            faults += str(error).splitlines()
            continue
        named = {name for rule in found.rules for way in rule.ways for name in way.to}
        faults += [f"{code}: no channel {name!r} is configured" for name in sorted(named) if not channels.by_code(name)]
    return faults
