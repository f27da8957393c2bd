"""What the room ``ledgers`` tells the house."""

from xiuhua.manifest import Api, Command, Manifest, NavItem, Text

ROOM = Manifest(
    code="ledgers",
    title=Text("台账", "Ledgers"),
    icon="books",
    urls="xiuhua.ledgers.urls",
    ledgers=("xiuhua.ledgers.declarations:LEDGERS",),
    nav=(
        NavItem(Text("部件", "Components"), "ledger-components", "ledgers", "manual-gearbox", "ground.read", 10),
        NavItem(Text("单位", "Organisations"), "ledger-organisations", "ledgers", "building", "ground.read", 20),
        NavItem(Text("职责", "Duties"), "ledger-duties", "ledgers", "clipboard-list", "ground.read", 30),
        NavItem(Text("地点", "Places"), "ledger-places", "ledgers", "map-pin", "ground.read", 40),
        NavItem(Text("人员", "People"), "ledger-people", "ledgers", "users", "accounts.manage", 50),
        NavItem(Text("任职", "Appointments"), "ledger-appointments", "ledgers", "id-badge", "accounts.manage", 60),
        NavItem(Text("全部台账", "All ledgers"), "ledgers", "ledgers", "books", "signed_in", 90),
    ),
    api=(Api("/ledgers", "xiuhua.ledgers.api:ledgers"),),
    commands=(
        Command("ledger list", "xiuhua.ledgers.commands:list_main", "list the ledgers"),
        Command("ledger import", "xiuhua.ledgers.commands:import_main", "import a file into a ledger"),
        Command("ledger export", "xiuhua.ledgers.commands:export_main", "export a ledger to a file"),
        Command("ledger undo", "xiuhua.ledgers.commands:undo_main", "undo a batch"),
    ),
    imports=("xiuhua.ledgers.imports", "xiuhua.ledgers.seals"),
)
