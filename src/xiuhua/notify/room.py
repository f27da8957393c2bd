"""What the room ``notify`` tells the house."""

from __future__ import annotations

from xiuhua.manifest import Command, Manifest, NavItem, Text

ROOM = Manifest(
    code="notify",
    title=Text("通知", "Notices"),
    icon="message",
    urls="xiuhua.notify.urls",
    personal="xiuhua.notify.personal_stores",
    nav=(
        NavItem(Text("通知", "Notices"), "notices", "desk", "messages", "signed_in", 5),
        NavItem(Text("电话催收", "Ring list"), "ring-list", "command", "phone", "notice.ring", 15),
        NavItem(Text("通知渠道", "Notice channels"), "notice-channels", "settings", "broadcast", "outbox.manage", 31),
    ),
    commands=(
        Command("notify test", "xiuhua.notify.commands:test", "send a test message: CHANNEL TARGET"),
        Command(
            "notify address", "xiuhua.notify.commands:address", "keep where a person is reached: USER CHANNEL VALUE"
        ),
        Command("notify check", "xiuhua.notify.commands:check", "check the notice rules"),
    ),
    imports=("xiuhua.notify.listen", "xiuhua.notify.dispatch", "xiuhua.notify.receipts", "xiuhua.notify.sweep"),
)
