"""The engine's room: procedures, cases, events, the clock, the outbox."""

from xiuhua.manifest import Api, Command, Manifest, NavItem, Text

ROOM = Manifest(
    code="casework",
    title=Text("案件引擎", "Casework"),
    icon="timeline-event",
    urls="xiuhua.casework.urls",
    nav=(
        NavItem(Text("待办", "Waiting for me"), "home", "desk", "inbox", "case.read", 1),
        NavItem(Text("上报", "Report"), "report", "desk", "plus", "case.report", 2),
        NavItem(Text("案件", "Cases"), "cases", "command", "list-details", "case.read", 10),
        NavItem(Text("案件地图", "Map"), "map", "command", "map", "case.read", 11),
        NavItem(Text("办理流程", "Procedures"), "procedures", "settings", "sitemap", "case.read", 20),
        NavItem(Text("本市规则", "Rules of the city"), "rules", "settings", "adjustments", "procedure.manage", 21),
        NavItem(Text("停表令", "Clock orders"), "clock-orders", "supervise", "clock-pause", "clockorder.issue", 10),
        NavItem(Text("发件箱", "Outbox"), "outbox", "settings", "send", "outbox.manage", 30),
    ),
    api=(
        Api("/cases", "xiuhua.casework.api:cases"),
        Api("/attachments", "xiuhua.casework.api:attachments"),
        Api("/procedures", "xiuhua.casework.api:procedures"),
    ),
    personal="xiuhua.casework.personal_stores",
    commands=(
        Command("log verify", "xiuhua.casework.verify:main", "verify the event log and name the first broken event"),
        Command("log anchor", "xiuhua.casework.anchors:main", "anchor the log now and write the anchor's file"),
        Command("log move", "xiuhua.casework.move:main", "copy everything from SQLite to PostgreSQL, log and all"),
        Command("case erase", "xiuhua.casework.erase:main", "erase the personal data of a case"),
        Command("casework rebuild", "xiuhua.casework.rebuild:main", "derive every case again from the log and compare"),
        Command("procedure check", "xiuhua.casework.procedure_commands:check", "check the procedures of all rooms"),
        Command(
            "procedure publish",
            "xiuhua.casework.procedure_commands:publish",
            "store changed procedures as new versions",
        ),
        Command(
            "worker", "xiuhua.casework.worker:main", "deliver effects, watch the clocks, anchor the log every hour"
        ),
        Command("stream", "xiuhua.casework.live.server:main", "tell open pages what changes (server-sent events)"),
    ),
    imports=(
        "xiuhua.casework.builtin",
        "xiuhua.casework.deliver",
        "xiuhua.casework.anchors",
        "xiuhua.casework.clock_orders",
        "xiuhua.casework.erase",
        "xiuhua.casework.recount",
        "xiuhua.casework.rule_procedures",
        "xiuhua.casework.similar",
        "xiuhua.casework.work_lists",
    ),
)
