"""The engine's room: procedures, cases, events, the clock, the outbox."""

from xiuhua.manifest import Manifest, Text

ROOM = Manifest(
    code="casework",
    title=Text("案件引擎", "Casework"),
    icon="timeline-event",
    imports=("xiuhua.casework.builtin", "xiuhua.casework.deliver"),
)
