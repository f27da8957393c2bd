"""指挥: the city case from report to close, the change of duty, the overview of those on duty."""

from xiuhua.manifest import Command, Manifest, NavItem, Text

ROOM = Manifest(
    code="command",
    title=Text("指挥", "Command"),
    icon="broadcast",
    urls="xiuhua.command.urls",
    personal="xiuhua.command.personal_stores",
    procedures=("xiuhua.command.procedures",),
    nav=(
        NavItem(Text("值班总览", "Overview"), "overview", "command", "gauge", "duty.read", 5),
        NavItem(Text("值班交接", "Change of duty"), "hand-over", "command", "arrows-exchange", "duty.read", 16),
    ),
    commands=(
        Command("dispatch rules", "xiuhua.command.direct:main", "say which rules of direct dispatch are in force"),
    ),
    imports=(
        "xiuhua.command.guards", "xiuhua.command.explain", "xiuhua.command.routing", "xiuhua.command.direct",
        "xiuhua.command.duty",
    ),
)  # fmt: skip
