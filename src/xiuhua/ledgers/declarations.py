"""The first ledgers: the city's own records. Their models live in `city`.

Aliases are the field names of GB/T 47678.5-2026 and of the data that the field has from 2013.
"""

from __future__ import annotations

from xiuhua.ledgers.declare import NEWEST, OLDEST, Column, Ledger, Scope, Shape, Sort
from xiuhua.manifest import Text

_BY_CODE = Sort("code", Text("按代码", "By code"), "code")
_PLATFORM = Column("platform", Text("所属平台", "Platform"), filtered=True)
_SOURCE = Column("source", Text("数据来源", "Source"), ("SJLY", "DataSource"), listed=False)
_SIMULATED = Column("simulated", Text("模拟数据", "Simulated"), listed=False, edit=False)

COMPONENTS = Ledger(
    code="components",
    title=Text("部件", "Managing components"),
    intro=Text(
        "城市管理部件普查数据；标识码2013版16位、2026版17位，网格由位置自动确定。",
        "The census of managing components; identifiers of 16 digits (2013) or 17 (2026); the grid follows from the position.",
    ),
    icon="manual-gearbox",
    model="city.Component",
    key=("code",),
    label="name",
    read="ground.read",
    manage="ground.manage",
    columns=(
        Column("code", aliases=("GLBJBSM", "ObjID", "部件标识码", "标识码", "部件编码"), once=True),
        Column("name", aliases=("GLBJMC", "ObjName", "部件名称"), bulk=True),
        Column("name_en", listed=False),
        Column("state", aliases=("GLBJZT", "ObjState", "部件状态"), bulk=True, filtered=True),
        Column("major", edit=False, filtered=True, listed=False),
        Column("minor", edit=False, filtered=True, listed=False),
        Column("scheme", edit=False, filtered=True, listed=False),
        Column("competent", aliases=("ZGBMDM", "DeptCode1", "主管部门代码"), bulk=True, filtered=True, listed=False),
        Column("owner", aliases=("QSDWDM", "DeptCode2", "权属单位代码", "权属单位"), bulk=True, filtered=True),
        Column("maintainer", aliases=("YHDWDM", "DeptCode3", "养护单位代码", "养护单位"), bulk=True, filtered=True),
        Column("grid_code", aliases=("SZDYWGBSM", "BGID", "所在单元网格标识码"), edit=False, filtered=True),
        Column("platform", Text("所属平台", "Platform"), edit=False, filtered=True, listed=False),
        Column("surveyed_on", aliases=("CSRQ", "ORDate", "初始日期"), bulk=True, filtered=True, listed=False),
        Column("changed_on", aliases=("BGRQ", "CHDate", "变更日期"), filtered=True, listed=False),
        Column("replaced_by", listed=False),
        Column("note", aliases=("BZ", "Note", "备注"), bulk=True, listed=False),
        _SOURCE,
        _SIMULATED,
    ),
    search=("code__startswith", "name__contains"),
    sorts=(NEWEST, OLDEST, _BY_CODE, Sort("grid", Text("按网格", "By grid"), "grid_code")),
    scope=Scope(division="grid_code", organisations=("owner", "maintainer", "competent")),
    shape=Shape(datum="datum"),
    prepare="xiuhua.ledgers.components:prepare",
    related="xiuhua.ledgers.components:related",
    bumps=("components",),
    retire=("state", "removed"),
)

ORGANISATIONS = Ledger(
    code="organisations",
    title=Text("单位", "Organisations"),
    intro=Text(
        "责任单位、主管部门、养护与作业单位，一棵树。", "Responsible units, departments and contractors, in one tree."
    ),
    icon="building",
    model="city.Organisation",
    key=("code",),
    label="name",
    read="ground.read",
    manage="ground.manage",
    columns=(
        Column("code", Text("代码", "Code"), ("单位代码",), once=True),
        Column("name", Text("名称", "Name"), ("单位名称",)),
        Column("name_en", Text("英文名称", "English name"), listed=False),
        Column("short_name", Text("简称", "Short name")),
        Column(
            "kind",
            Text("类别", "Kind"),
            choices=(
                ("commission", Text("委员会", "Commission")),
                ("centre", Text("中心", "Centre")),
                ("enforcement", Text("执法支队", "Enforcement")),
                ("professional", Text("专业单位", "Professional unit")),
                ("department", Text("部门", "Department")),
                ("county", Text("县市区", "County")),
                ("subdistrict", Text("街道", "Sub-district")),
                ("utility", Text("公用企业", "Utility")),
                ("contractor", Text("承包企业", "Contractor")),
                ("sub_unit", Text("二级单位", "Sub-unit")),
                ("crew", Text("班组", "Crew")),
            ),
            bulk=True,
            filtered=True,
        ),
        Column("parent", Text("上级单位", "Parent"), filtered=True, bulk=True),
        _PLATFORM,
        Column("credit_code", Text("统一社会信用代码", "Unified social credit code"), listed=False),
        Column("assessed", Text("参加考核", "Assessed"), filtered=True, bulk=True),
        Column("active", Text("在用", "Active"), filtered=True, bulk=True),
        _SIMULATED,
    ),
    search=("code__startswith", "name__contains", "short_name__contains"),
    sorts=(NEWEST, OLDEST, _BY_CODE),
    prepare="xiuhua.ledgers.checks:organisation",
    bumps=("organisations", "duties"),
    retire=("active", False),
)

PEOPLE = Ledger(
    code="people",
    title=Text("人员", "People"),
    intro=Text(
        "账号与联系方式；电话加密保存，只显示首尾，每次查看都有记录。",
        "Accounts and how to reach them; phones are kept encrypted and masked, every look at one is recorded.",
    ),
    icon="users",
    model="city.User",
    key=("username",),
    label="display_name",
    read="accounts.manage",
    manage="accounts.manage",
    columns=(
        Column("username", Text("登录名", "Log-in name"), ("账号", "用户名"), once=True),
        Column("display_name", Text("姓名", "Name"), ("姓名",)),
        Column(
            "kind",
            Text("类别", "Kind"),
            choices=(("person", Text("人员", "Person")), ("service", Text("服务账号", "Service"))),
            filtered=True,
        ),
        Column("platform", Text("所属平台", "Platform"), filtered=True),
        Column("organisation", Text("单位", "Organisation"), ("单位代码",), filtered=True, bulk=True),
        Column("phone", Text("电话", "Phone"), ("手机", "手机号", "联系电话"), personal="phone"),
        Column("is_active", Text("在用", "Active"), filtered=True, bulk=True),
    ),
    search=("username__startswith", "display_name__contains"),
    sorts=(NEWEST, OLDEST, Sort("username", Text("按登录名", "By log-in name"), "username")),
    scope=Scope(counties=False),
    prepare="xiuhua.ledgers.people:prepare",
    related="xiuhua.ledgers.people:related",
    retire=("is_active", False),
)

APPOINTMENTS = Ledger(
    code="appointments",
    title=Text("任职", "Appointments"),
    intro=Text(
        "谁在什么岗位、从哪天到哪天；岗位决定权限。", "Who holds which post from when to when; posts give the rights."
    ),
    icon="id-badge",
    model="city.Appointment",
    key=("user", "post", "since"),
    label="user",
    read="accounts.manage",
    manage="accounts.manage",
    columns=(
        Column("user", Text("人员", "Person"), ("登录名", "账号"), once=True, filtered=True),
        Column("post", Text("岗位", "Post"), ("岗位代码",), once=True, filtered=True),
        Column("since", Text("起", "From"), ("起日", "任职日期"), once=True, filtered=True),
        Column("until", Text("止", "Until"), ("止日", "离任日期"), bulk=True),
    ),
    search=("user__username__startswith", "user__display_name__contains", "post__name__contains"),
    scope=Scope(platform="post__platform", counties=False),
    prepare="xiuhua.ledgers.people:prepare_appointments",
)

DUTIES = Ledger(
    code="duties",
    title=Text("职责", "Duties"),
    intro=Text(
        "什么类别、在什么区域、由哪个单位负责，依据是什么。",
        "Which unit answers for which class where, and on what basis.",
    ),
    icon="clipboard-list",
    model="city.Duty",
    key=("platform", "scheme", "kind", "class_prefix", "division_prefix", "organisation", "valid_from"),
    label="basis",
    read="ground.read",
    manage="ground.manage",
    columns=(
        _PLATFORM,
        Column("organisation", Text("责任单位", "Responsible unit"), ("单位代码",), filtered=True, bulk=True),
        Column("scheme", Text("分类版本", "Category scheme"), filtered=True),
        Column(
            "kind",
            Text("部件或事件", "Component or event"),
            choices=(("component", Text("部件", "Component")), ("event", Text("事件", "Event"))),
            filtered=True,
        ),
        Column("class_prefix", Text("类别代码", "Class code"), filtered=True),
        Column("division_prefix", Text("区划代码", "Division code"), filtered=True),
        Column("basis", Text("依据", "Basis"), bulk=True),
        Column("basis_en", Text("依据（英文）", "Basis in English"), listed=False),
        Column("priority", Text("次序", "Priority"), bulk=True),
        Column("valid_from", Text("起", "Valid from"), filtered=True),
        Column("valid_until", Text("止", "Valid until"), bulk=True),
        Column("sample", Text("样例", "Sample"), filtered=True, bulk=True),
    ),
    search=("basis__contains", "class_prefix__startswith", "organisation__name__contains"),
    scope=Scope(division="division_prefix", organisations=("organisation",), counties=False),
    prepare="xiuhua.ledgers.checks:duty",
    bumps=("duties",),
)

PLACES = Ledger(
    code="places",
    title=Text("地点", "Places"),
    intro=Text(
        "基本地点数据：名称与图形相连，曾用名可查（GB/T 30428.3）。",
        "Names linked with shapes, older names kept (GB/T 30428.3).",
    ),
    icon="map-pin",
    model="city.Place",
    key=("platform", "kind", "name"),
    label="name",
    read="ground.read",
    manage="ground.manage",
    columns=(
        Column("name", aliases=("地点名称", "MC")),
        Column("kind", filtered=True, bulk=True),
        Column("name_en", listed=False),
        Column("aliases", aliases=("别名", "曾用名"), listed=False),
        _PLATFORM,
        _SOURCE,
        _SIMULATED,
    ),
    search=("name__contains", "aliases__contains"),
    sorts=(NEWEST, OLDEST),
    shape=Shape(geometry="geometry", kinds=("Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon")),
    prepare="xiuhua.ledgers.checks:place",
    bumps=("ground",),
)

LEDGERS = (COMPONENTS, ORGANISATIONS, PEOPLE, APPOINTMENTS, DUTIES, PLACES)
