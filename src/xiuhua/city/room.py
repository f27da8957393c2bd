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
        Command(
            "calendar load", "xiuhua.city.calendar_load:main", "load the yearly notice of holidays and swapped days"
        ),
        Command("calendar hours", "xiuhua.city.calendar_load:hours_main", "load office hours by season"),
        Command("calendar show", "xiuhua.city.calendar_load:show_main", "show the work calendar of a year"),
        Command("organisations import", "xiuhua.city.organisations:main", "import units and posts"),
        Command("duties import", "xiuhua.city.duties:main", "import duties: class and area to unit"),
    ),
)
