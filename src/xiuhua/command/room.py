"""指挥: the city case from report to close."""

from xiuhua.manifest import Manifest, Text

ROOM = Manifest(
    code="command",
    title=Text("指挥", "Command"),
    icon="broadcast",
    procedures=("xiuhua.command.procedures",),
    imports=("xiuhua.command.guards", "xiuhua.command.explain"),
)
