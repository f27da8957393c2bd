"""Sample data of the style guide. Everything is invented and simulated; nothing is read from the city."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.templatetags.static import static
from django.urls import reverse

from xiuhua.manifest import Text
from xiuhua.ui.forms import FormView, Option, Question, question
from xiuhua.ui.parts import (
    Badge,
    Button,
    Confirm,
    Layer,
    MapView,
    Moment,
    Photo,
    PhotoStage,
    Row,
    Tag,
)

PAGES = ("parts", "form", "map", "case")
NOW = datetime(2026, 11, 23, 1, 5, tzinfo=UTC)
CENTRE = (114.322, 29.846)


@dataclass(frozen=True)
class Asked:
    """A field as a procedure would give it."""

    name: str
    type: str
    title: Text
    required: bool = False
    help: Text | None = None
    choices: tuple[Any, ...] = ()
    min: str | None = None
    max: str | None = None
    stage: str = ""
    phrases: tuple[Text, ...] = ()
    is_personal: bool = False


@dataclass(frozen=True)
class Chosen:
    code: str
    title: Text


def photo(name: str) -> Photo:
    titles = {
        "before": Text("井盖缺失，洞口敞开", "Manhole without its cover"),
        "after": Text("新井盖已安装平整", "New cover, level with the road"),
        "check": Text("核查：路面完好", "Check: road surface whole"),
    }
    return Photo(
        url=static(f"ui/guide/{name}.svg"),
        alt=titles[name],
        caption=titles[name],
        taken_at=NOW - timedelta(hours=3),
        width=640,
        height=480,
    )


CATEGORIES = (
    Option(
        "11",
        Text("雨水箅子", "Storm drain grating"),
        "01-02",
        "yushuibizi ysbz",
        Text("公用设施", "Utilities"),
    ),
    Option(
        "12",
        Text("上水井盖", "Water manhole cover"),
        "01-01",
        "shangshuijinggai ssjg",
        Text("公用设施", "Utilities"),
    ),
    Option(
        "13",
        Text("污水井盖", "Sewer manhole cover"),
        "01-03",
        "wushuijinggai wsjg",
        Text("公用设施", "Utilities"),
    ),
    Option("14", Text("路灯", "Street lamp"), "01-20", "ludeng ld", Text("公用设施", "Utilities")),
    Option("21", Text("暴露垃圾", "Exposed rubbish"), "02-03", "baolulaji bllj", Text("市容环境", "Street scene")),
    Option("22", Text("道路破损", "Damaged road"), "02-11", "daoluposun dlps", Text("市容环境", "Street scene")),
    Option(
        "23",
        Text("无证游商", "Unlicensed vendor"),
        "02-30",
        "wuzhengyoushang wzys",
        Text("街面秩序", "Order"),
    ),
)


def options_for(query: str) -> list[dict[str, str]]:
    found = [o for o in CATEGORIES if query.lower() in f"{o.label} {o.note} {o.find}".lower()]
    return [{"value": o.value, "label": str(o.label), "note": str(o.note)} for o in found]


def questions() -> list[Question]:
    piece = "ui-guide-piece"
    view = MapView(layers=layers()[:4], centre=CENTRE, zoom=14, size="small")
    return [
        question(
            Asked(
                "category",
                "category",
                Text("类别", "Category"),
                True,
                Text("可输入名称、拼音首字母或代码", "Type a name, a code or pinyin initials"),
            ),
            options=CATEGORIES,
        ),
        question(
            Asked(
                "urgency",
                "choice",
                Text("紧急程度", "Urgency"),
                True,
                choices=(
                    Chosen("ordinary", Text("一般", "Ordinary")),
                    Chosen("urgent", Text("紧急", "Urgent")),
                    Chosen("very_urgent", Text("特急", "Very urgent")),
                ),
            ),
            value="ordinary",
        ),
        question(
            Asked(
                "description",
                "long_text",
                Text("情况描述", "What is wrong"),
                True,
                max="300",
                phrases=(
                    Text("井盖缺失，存在安全隐患", "Cover missing, danger to walkers"),
                    Text("已设置临时围挡", "Barrier put up"),
                ),
            ),
            errors=(str(Text("请填写情况描述：至少写明是什么、在哪里", "Please say what is wrong and where")),),
        ),
        question(
            Asked(
                "place",
                "position",
                Text("位置", "Position"),
                True,
                Text("在地图上点选，或直接填写坐标", "Pick it on the map or type the coordinates"),
            ),
            value={"lon": "114.322000", "lat": "29.846000"},
            map=view,
            place_url=reverse(piece, args=["place"]),
        ),
        question(
            Asked(
                "address",
                "text",
                Text("地址描述", "Address in words"),
                help=Text("没有地图时，只写地址也可以上报", "The address alone is enough without a map"),
            )
        ),
        question(
            Asked(
                "photos",
                "photos",
                Text("处置前照片", "Photos before"),
                True,
                min="1",
                max="3",
                stage="before",
                help=Text("1 至 3 张，现场拍摄", "One to three, taken on the spot"),
            ),
            upload_url=reverse(piece, args=["photo"]),
        ),
        question(
            Asked("unit", "organisation", Text("主办单位", "Lead unit")),
            options=(
                Option("1", Text("甲区市政维护中心（模拟）", "District A maintenance (simulated)"), "", "jq"),
                Option("2", Text("乙区环卫所（模拟）", "District B sanitation (simulated)"), "", "yq"),
            ),
        ),
        question(
            Asked("hands", "hands", Text("协办单位", "Joining units")),
            options=tuple(
                Option(f"organisation:{n}", Text(f"协办单位{n}（模拟）", f"Joining unit {n} (simulated)"))
                for n in range(1, 5)
            ),
            value=[{"organisation": 2, "lead": True}],
        ),
        question(Asked("reporter", "person_name", Text("反映人", "Caller"), is_personal=True)),
        question(Asked("phone", "phone", Text("联系电话", "Telephone"), is_personal=True)),
        question(Asked("cost", "money", Text("预计费用", "Estimated cost")), value="56180.00"),
        question(Asked("done_by", "datetime", Text("计划完成时间", "To be done by")), value=NOW),
        question(Asked("night", "bool", Text("需要夜间作业", "Work at night needed")), value=True),
        question(
            Asked(
                "needs",
                "multi_choice",
                Text("需要的设备", "Equipment needed"),
                choices=(
                    Chosen("barrier", Text("围挡", "Barrier")),
                    Chosen("crane", Text("吊车", "Crane")),
                    Chosen("pump", Text("抽水泵", "Pump")),
                ),
            ),
            value=["barrier"],
        ),
    ]


def timeline() -> list[Moment]:
    say = Text
    return [
        Moment(
            NOW,
            say("处置完成", "Handled"),
            say("维修班组（模拟）", "Repair crew (simulated)"),
            say("已更换井盖并恢复路面。", "Cover replaced, surface restored."),
            "check",
            "ok",
            (Row(say("用时", "Took"), say("1 小时 40 分", "1 h 40 min")), Row(say("照片", "Photos"), "2")),
            say("处置中 → 待核查", "Handling → to be checked"),
            "9f3c21",
        ),
        Moment(
            NOW - timedelta(hours=2),
            say("签收", "Signed for"),
            say("甲区市政维护中心（模拟）", "District A (simulated)"),
            "",
            "inbox",
            "",
            (),
            say("待签收 → 处置中", "To receive → handling"),
            "41aa07",
        ),
        Moment(
            NOW - timedelta(hours=3),
            say("派遣", "Dispatched"),
            say("派遣员（模拟）", "Dispatcher (simulated)"),
            say("按“部件权属优先”规则派遣。", "By the rule “owner of the component first”."),
            "send",
            "info",
            (Row(say("规则", "Rule"), say("部件权属优先", "Owner first")),),
            "",
            "0b77e1",
        ),
        Moment(
            NOW - timedelta(hours=4),
            say("上报", "Reported"),
            say("采集员（模拟）", "Collector (simulated)"),
            "",
            "camera",
            "",
            (),
            "",
            "c01d55",
        ),
    ]


def _square(lon: float, lat: float, half: float) -> dict[str, Any]:
    ring = [
        [lon - half, lat - half],
        [lon + half, lat - half],
        [lon + half, lat + half],
        [lon - half, lat + half],
    ]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def _collection(features: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": g, "properties": p} for g, p in features],
    }


def layer(name: str) -> dict[str, Any] | None:
    """GeoJSON of a simulated layer around the middle of the guide's map; None for an unknown name."""
    lon, lat = CENTRE
    steps = range(-2, 3)
    if name == "counties":
        return _collection([(_square(lon, lat, 0.03), {"name": str(Text("模拟区", "Simulated district"))})])
    if name == "communities":
        return _collection(
            [
                (
                    _square(lon + dx * 0.012, lat + dy * 0.012, 0.006),
                    {
                        "name": str(
                            Text(
                                f"模拟社区{1 + (dx + 1) * 3 + dy + 1}",
                                f"Community {1 + (dx + 1) * 3 + dy + 1}",
                            )
                        )
                    },
                )
                for dx in (-1, 0, 1)
                for dy in (-1, 0, 1)
            ]
        )
    if name == "grids":
        return _collection([(_square(lon + dx * 0.003, lat + dy * 0.003, 0.0015), {}) for dx in steps for dy in steps])
    if name == "roads":
        return _collection(
            [
                (
                    {
                        "type": "LineString",
                        "coordinates": [
                            [lon - 0.018, lat + 0.0035],
                            [lon, lat + 0.004],
                            [lon + 0.018, lat + 0.002],
                        ],
                    },
                    {"name": str(Text("模拟大道", "Sample Avenue")), "kind": "main"},
                ),
                (
                    {
                        "type": "LineString",
                        "coordinates": [[lon + 0.004, lat - 0.018], [lon + 0.0035, lat + 0.018]],
                    },
                    {"name": str(Text("模拟路", "Sample Road")), "kind": "minor"},
                ),
            ]
        )
    if name == "components":
        return _collection(
            [
                (
                    {"type": "Point", "coordinates": [lon + dx * 0.0041, lat + dy * 0.0037]},
                    {"title": f"{dx}/{dy}"},
                )
                for dx in steps
                for dy in steps
            ]
        )
    if name == "cases":
        stages = ("report", "file", "handle", "check", "closed")
        urgencies = ("ordinary", "urgent", "very_urgent")
        features = []
        for n in range(40):
            spread = 0.0022 if n < 22 else 0.009
            features.append(
                (
                    {
                        "type": "Point",
                        "coordinates": [
                            lon + ((n * 37) % 19 - 9) * spread / 9 + (0.004 if n < 22 else 0),
                            lat + ((n * 53) % 17 - 8) * spread / 8,
                        ],
                    },
                    {
                        "id": n,
                        "stage": stages[n % 5],
                        "urgency": urgencies[(n // 5) % 3 if n % 7 == 0 else 0],
                        "overdue": n % 9 == 0 and n % 5 != 4,
                        "title": str(Text("井盖缺失", "Cover missing")),
                        "number": f"42120020261123{n:05}",
                        "url": "#",
                    },
                )
            )
        return _collection(features)
    return None


def layers() -> list[Layer]:
    titles = {
        "counties": Text("区县界", "Counties"),
        "communities": Text("社区", "Communities"),
        "grids": Text("单元网格", "Unit grids"),
        "roads": Text("道路", "Roads"),
        "components": Text("部件", "Components"),
        "cases": Text("案件", "Cases"),
    }
    return [
        Layer(kind, reverse("ui-guide-piece", args=[kind]), title, kind != "components")
        for kind, title in titles.items()
    ]


def confirm() -> Confirm:
    return Confirm(
        title=Text("派遣给甲区市政维护中心（模拟）", "Dispatch to District A maintenance (simulated)"),
        rows=(
            Row(
                Text("收件人", "Goes to"),
                Text("甲区市政维护中心 · 值班席", "District A maintenance, desk"),
                icon="user",
            ),
            Row(
                Text("依据", "Rule"),
                Text("部件权属优先：井盖权属单位", "Owner of the component first"),
                icon="route",
            ),
            Row(
                Text("启动时钟", "Clock"),
                Text("签收 1 工时；处置 4 工时", "Receipt 1 work hour; handling 4"),
                icon="clock",
            ),
            Row(Text("处置到期", "Due"), "2026-11-23 14:05", icon="calendar-due"),
        ),
        submit=Text("派遣", "Dispatch"),
        warning=Text("该单位已有 2 件同类案件超期。", "This unit has two such cases overdue."),
    )


def sample() -> dict[str, Any]:
    """All that the guide's pages show."""
    return {
        "times": [
            Badge(Text("还剩 2 小时 15 分", "2 h 15 min left"), "ok", "clock", Text("已用 44 %", "44 % used")),
            Badge(Text("还剩 18 分", "18 min left"), "soon", "clock-exclamation", Text("已用 91 %", "91 % used")),
            Badge(
                Text("超期 1 天", "1 day overdue"),
                "over",
                "alert-triangle",
                Text("应于昨日 09:05 办结", "Was due yesterday"),
            ),
            Badge(
                Text("暂停：等待核实", "Paused: verification"),
                "paused",
                "player-pause",
                Text("核实后继续计时", "Goes on after it"),
            ),
            Badge(Text("按期办结", "Closed in time"), "done", "circle-check", ""),
        ],
        "tags": [
            Tag(Text("待派遣", "To dispatch"), "?page=parts&tag=1", 12, True, "?page=parts"),
            Tag(Text("即将超期", "Nearly due"), "?page=parts&tag=2", 3, tone="soon"),
            Tag(Text("已超期", "Overdue"), "?page=parts&tag=3", 1, tone="over"),
            Tag(Text("我督办的", "Supervised by me"), "?page=parts&tag=4", 0),
        ],
        "stages": [
            PhotoStage(Text("处置前", "Before"), [photo("before")]),
            PhotoStage(Text("处置后", "After"), [photo("after")]),
            PhotoStage(Text("核查", "Check"), [photo("check")]),
        ],
        "before": photo("before"),
        "after": photo("after"),
        "timeline": timeline(),
        "buttons": [
            Button(Text("派遣", "Dispatch"), "#confirm", "d", "primary", "send"),
            Button(Text("退回", "Return"), "#", "r", "", "arrow-back-up"),
            Button(Text("申请延期", "Ask for more time"), "#", "e", "", "clock-plus"),
            Button(Text("作废", "Void"), "#", "v", "danger", "trash"),
            Button(
                Text("结案", "Close"),
                "#",
                "c",
                refusal=Text("须先完成核查（核查员）", "The check must be done first (collector)"),
            ),
        ],
        "confirm": confirm(),
        "form": FormView(
            questions(),
            "?page=form",
            Text("上报", "Report"),
            "?page=parts",
            key="sample",
            draft="guide",
            summary=Text("还不能上报：有 1 项需要补充。", "This cannot be sent yet: one answer is missing."),
        ),
        "map": MapView(layers(), centre=CENTRE, zoom=13.6, size="large", title=Text("案件分布", "Cases on the map")),
        "place_map": MapView(
            layers(), centre=CENTRE, zoom=15, size="small", title=Text("案件位置", "Where the case is")
        ),
        "facts": [
            Row(
                Text("类别", "Category"),
                Text("部件 · 公用设施 · 污水井盖", "Component, utilities, sewer cover"),
            ),
            Row(
                Text("位置", "Place"),
                Text("模拟大道与模拟路交叉口东北角", "Sample Avenue and Sample Road, north-east corner"),
            ),
            Row(Text("社区", "Community"), Text("模拟社区5", "Community 5")),
            Row(
                Text("责任单位", "Responsible"),
                Text("甲区市政维护中心（模拟）", "District A maintenance (simulated)"),
            ),
            Row(Text("立案条件", "Condition"), Text("井盖缺失，4 小时内", "Cover missing, within 4 hours")),
        ],
        "rows": [
            {
                "number": f"4212002026112300{n:03}",
                "title": title,
                "state": state,
                "time": time,
                "place": place,
            }
            for n, (title, state, time, place) in enumerate(
                [
                    (
                        Text("污水井盖缺失", "Sewer cover missing"),
                        Badge(Text("待派遣", "To dispatch")),
                        Badge(Text("超期 25 分", "25 min overdue"), "over", "alert-triangle"),
                        Text("模拟大道", "Sample Avenue"),
                    ),
                    (
                        Text("路灯不亮", "Street lamp out"),
                        Badge(Text("处置中", "Handling"), "info"),
                        Badge(Text("还剩 35 分", "35 min left"), "soon", "clock-exclamation"),
                        Text("模拟路", "Sample Road"),
                    ),
                    (
                        Text("暴露垃圾", "Exposed rubbish"),
                        Badge(Text("待核查", "To check"), "info"),
                        Badge(Text("还剩 3 小时", "3 h left"), "ok", "clock"),
                        Text("模拟社区2", "Community 2"),
                    ),
                    (
                        Text("道路破损", "Damaged road"),
                        Badge(Text("缓办", "On hold"), "paused"),
                        Badge(Text("暂停：等待材料", "Paused: material"), "paused", "player-pause"),
                        Text("模拟社区7", "Community 7"),
                    ),
                ]
            )
        ],
        "now": NOW,
        "money": "56180",
        "area": 4085,
    }
