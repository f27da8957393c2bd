"""Operations: backup and restore, health and figures, retention of personal data."""

from xiuhua.manifest import Command, Manifest, NavItem, Text

ROOM = Manifest(
    code="ops",
    title=Text("运维", "Operations"),
    icon="server-cog",
    urls="xiuhua.ops.urls",
    personal="xiuhua.ops.personal_stores",
    imports=("xiuhua.ops.holds", "xiuhua.ops.retention"),
    nav=(
        NavItem(
            Text("个人信息保存与清除", "Keeping and erasing"), "retention", "settings", "eraser", "retention.hold", 40
        ),
    ),
    commands=(
        Command("backup", "xiuhua.ops.backup:main", "copy database and files to a folder, while the service runs"),
        Command("restore", "xiuhua.ops.restore:main", "bring a backup back and verify the log"),
    ),
)
