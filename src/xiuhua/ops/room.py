"""Operations: backup and restore, health and figures, retention of personal data."""

from xiuhua.manifest import Command, Manifest, Text

ROOM = Manifest(
    code="ops",
    title=Text("运维", "Operations"),
    icon="server-cog",
    urls="xiuhua.ops.urls",
    commands=(
        Command("backup", "xiuhua.ops.backup:main", "copy database and files to a folder, while the service runs"),
        Command("restore", "xiuhua.ops.restore:main", "bring a backup back and verify the log"),
    ),
)
