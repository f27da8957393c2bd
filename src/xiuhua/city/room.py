"""What the room ``city`` tells the house."""

from __future__ import annotations

from xiuhua.manifest import Api, Command, Manifest, NavItem, Text

ROOM = Manifest(
    code="city",
    title=Text("城市底座", "City"),
    icon="building-community",
    nav=(NavItem(Text("我的账号", "My account"), "account", "settings", "user-circle", "signed_in", 10),),
    api=(
        Api("/me", "xiuhua.city.api:me"),
        Api("/tokens", "xiuhua.city.api:own_tokens"),
        Api("/categories", "xiuhua.city.api:categories"),
        Api("/locate", "xiuhua.city.api:places"),
    ),
    urls="xiuhua.city.urls",
    personal="xiuhua.city.personal_stores",
    commands=(
        Command("ground import", "xiuhua.city.ground_import:main", "import divisions, grids, places, components"),
        Command("categories import", "xiuhua.city.category_commands:import_main", "import category schemes"),
        Command("categories gaps", "xiuhua.city.category_commands:gaps_main", "list what a scheme lacks"),
        Command("organisations import", "xiuhua.city.organisations:main", "import units and posts"),
        Command("duties import", "xiuhua.city.duties:main", "import duties: class and area to unit"),
    ),
)
