"""What the room ``ui`` tells the house."""

from __future__ import annotations

from xiuhua.manifest import Manifest, Text

# The style guide is not in the navigation: in the demo the user menu links to it.
ROOM = Manifest(
    code="ui",
    title=Text("界面", "Shell"),
    icon="needle-thread",
    urls="xiuhua.ui.urls",
)
