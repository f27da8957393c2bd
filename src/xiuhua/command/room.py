"""指挥: the city case from report to close."""

from xiuhua.manifest import Command, Manifest, Text

ROOM = Manifest(
    code="command",
    title=Text("指挥", "Command"),
    icon="broadcast",
    procedures=("xiuhua.command.procedures",),
    commands=(
        Command("dispatch rules", "xiuhua.command.direct:main", "say which rules of direct dispatch are in force"),
    ),
    imports=("xiuhua.command.guards", "xiuhua.command.explain", "xiuhua.command.routing", "xiuhua.command.direct"),
)
