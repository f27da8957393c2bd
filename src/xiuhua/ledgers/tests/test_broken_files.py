"""Files as strangers send them: each is refused with the reason, or its rows are, with column and row named in the user's language."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely

from xiuhua.city.models import Component, Place
from xiuhua.ledgers import imports, store
from xiuhua.ledgers.readers import archive
from xiuhua.ledgers.store import FileRefused
from xiuhua.ledgers.tests.conftest import Ground, component_code

pytestmark = pytest.mark.django_db
HEADER = ("标识码", "部件名称", "经度", "纬度")
GOOD = (component_code(1), "供水井盖", "114.32", "29.84")


def text_of(*rows: tuple[str, ...], encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([HEADER, *rows])
    return out.getvalue().encode(encoding)


def workbook(*rows: tuple[Any, ...], change: Callable[[Any], None] | None = None) -> bytes:
    file = openpyxl.Workbook()
    sheet = file.active
    for row in (HEADER, *rows):
        sheet.append(row)
    if change:
        change(sheet)
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return out.getvalue()


def shapefile(
    folder: Path, encoding: str = "UTF-8", *, without: tuple[str, ...] = (), crs: str = "EPSG:4547",
    point: tuple[float, float] | None = None,
) -> dict[str, bytes]:  # fmt: skip
    """The parts of a shapefile of one component, as GDAL writes it."""
    if point is None:
        from xiuhua.city.coordinates import from_wgs84

        point = tuple(float(one) for one in from_wgs84(114.32, 29.84, "epsg4547"))  # type: ignore[assignment]
    path = folder / "部件.shp"
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(shapely.Point(point))], dtype=object),
        [np.array([one], dtype=object) for one in GOOD[:2]],
        np.array(["GLBJBSM", "GLBJMC"], dtype=object),
        driver="ESRI Shapefile",
        geometry_type="Point",
        crs=crs,
        encoding=encoding,
    )
    return {p.name: p.read_bytes() for p in sorted(folder.glob("部件.*")) if p.suffix not in without}


def geojson(*shapes: str, crs: str = "") -> bytes:
    """A collection of areas; ``crs`` as the older member names it."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": f"园{number}", "kind": "area", "platform": "421200"},
            "geometry": json.loads(shapely.to_geojson(shapely.from_wkt(wkt))),
        }
        for number, wkt in enumerate(shapes)
    ]
    named = {"crs": {"type": "name", "properties": {"name": crs}}} if crs else {}
    return json.dumps({"type": "FeatureCollection", **named, "features": features}, ensure_ascii=False).encode()


def polygon_for_a_point(_folder: Path) -> bytes:
    content = json.loads(geojson("POINT (114.32 29.84)", BOX))
    for serial, feature in enumerate(content["features"], 1):
        feature["properties"] = {"code": component_code(serial), "name": "井盖"}
    return json.dumps(content).encode()


def without_shape(_folder: Path) -> bytes:
    content = json.loads(geojson(BOX, BOX))
    content["features"][1]["geometry"] = None
    return json.dumps(content).encode()


def geopackage(folder: Path) -> bytes:
    path = folder / "a.gpkg"
    pyogrio.raw.write(
        path, np.array([shapely.to_wkb(shapely.Point(114.32, 29.84))], dtype=object),
        [np.array([one], dtype=object) for one in GOOD[:2]], np.array(["GLBJBSM", "GLBJMC"], dtype=object),
        driver="GPKG", geometry_type="Point", crs="EPSG:4490",
    )  # fmt: skip
    return path.read_bytes()


@pytest.mark.parametrize("encoding", ["UTF-8", "GB18030", "GBK"])
@pytest.mark.parametrize("cpg", [True, False])
def test_shapefiles_in_utf8_and_gbk(ground: Ground, tmp_path: Path, encoding: str, cpg: bool) -> None:
    parts = shapefile(tmp_path, encoding, without=() if cpg else (".cpg",))
    assert cpg == any(name.endswith(".cpg") for name in parts)
    batch = ground.bring("components", "部件.zip", zipped(parts))
    assert batch.counts["new"] == 1 and batch.options["system"] == "epsg4547", "as the .prj says"
    made = Component.objects.get()
    assert (made.code, made.name, made.datum) == (GOOD[0], GOOD[1], "epsg4547")
    assert abs(made.lon_e7 - 1_143_200_000) < 20 and abs(made.lat_e7 - 298_400_000) < 20


def test_a_geopackage_says_its_system(ground: Ground, tmp_path: Path) -> None:
    batch = ground.bring("components", "a.gpkg", geopackage(tmp_path))
    assert batch.options["system"] == "cgcs2000" and Component.objects.get().name == GOOD[1]


# -- files that are refused as a whole -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Whole:
    """A file, and words of the reason in Chinese and English."""

    id: str
    name: str
    content: Callable[[Path], bytes]
    zh: str
    en: str
    options: dict[str, str] | None = None


def bomb(_folder: Path) -> bytes:
    return zipped({"部件.shp": b"\0" * (64 << 20), "部件.shx": b"", "部件.dbf": b""})


def many(_folder: Path) -> bytes:
    return zipped({f"{n}.txt": b"" for n in range(archive.MOST_MEMBERS + 1)})


def locked(_folder: Path) -> bytes:
    content = bytearray(zipped({"部件.shp": b"x"}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        at = content.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        content[at] |= 1
    return bytes(content)


def truncated_shp(folder: Path) -> bytes:
    parts = shapefile(folder)
    name = next(name for name in parts if name.endswith(".shp"))
    return zipped({**parts, name: parts[name][:60]})


def several_layers(folder: Path) -> bytes:
    path = folder / "two.gpkg"
    for layer in ("甲", "乙"):
        pyogrio.raw.write(
            path, np.array([shapely.to_wkb(shapely.Point(1, 2))], dtype=object), [], np.array([], dtype=object),
            layer=layer, driver="GPKG", geometry_type="Point", crs="EPSG:4490", append=path.exists(),
        )  # fmt: skip
    return path.read_bytes()


def plain_sqlite(folder: Path) -> bytes:
    path = folder / "x.db"
    with sqlite3.connect(path) as line:
        line.execute("CREATE TABLE t (a)")
    return path.read_bytes()


def merged_header(_folder: Path) -> bytes:
    return workbook(GOOD, change=lambda sheet: sheet.merge_cells("A1:B1"))


WHOLE = [
    Whole("empty", "a.csv", lambda f: b"", "空", "empty"),
    Whole("header missing", "a.csv", lambda f: b"\n\n", "表头", "headers"),
    Whole("no key column", "a.csv", lambda f: b"x,y\n1,2\n", "找不到列", "no column for"),
    Whole("headers twice", "a.csv", lambda f: "标识码,标识码\n1,2\n".encode(), "表头重复", "stand twice"),
    Whole("wrong encoding chosen", "a.csv", lambda f: text_of(GOOD, encoding="gbk"), "编码", "utf-8", {"encoding": "utf-8", "system": "wgs84"}),
    Whole("neither encoding", "a.csv", lambda f: text_of(GOOD) + b"\xff\xff\xfe\x80", "第3行", "Line 3", {"system": "wgs84"}),
    Whole("bytes", "a.csv", lambda f: b"a,b\n\0\0\0", "文本", "text file"),
    Whole("quotes never end", "a.csv", lambda f: '标识码,部件名称\n"'.encode() + b"x" * (2 << 20), "CSV", "CSV"),
    Whole("no coordinate system", "a.csv", lambda f: text_of(GOOD), "坐标系", "in which system", {"system": ""}),
    Whole("xlsx called csv", "a.csv", lambda f: workbook(GOOD), "Excel", "workbook"),
    Whole("csv called xlsx", "a.xlsx", lambda f: text_of(GOOD), "损坏", "damaged"),
    Whole("zip called xlsx", "a.xlsx", lambda f: zipped({"a.txt": b"x"}), "工作簿", "workbook"),
    Whole("old xls", "a.xls", lambda f: b"\xd0\xcf\x11\xe0", "只收", "are taken"),
    Whole("program", "a.exe", lambda f: b"MZ", "只收", "are taken"),
    Whole("truncated xlsx", "a.xlsx", lambda f: workbook(GOOD)[:-200], "损坏", "damaged"),
    Whole("merged header", "a.xlsx", merged_header, "合并", "merged"),
    Whole("no json", "a.geojson", lambda f: b'{"type": "FeatureCollection", "features": [', "JSON", "JSON"),
    Whole("no collection", "a.geojson", lambda f: b'{"type":"Point"}', "FeatureCollection", "FeatureCollection"),
    Whole("nothing in it", "a.geojson", lambda f: b'{"type":"FeatureCollection","features":[]}', "没有要素", "no features"),
    Whole("unknown crs", "a.geojson", lambda f: geojson("POINT (1 2)", crs="EPSG:2154"), "2154", "2154", {}),
    Whole("no geopackage", "a.gpkg", lambda f: text_of(GOOD), "GeoPackage", "GeoPackage"),
    Whole("sqlite, no layers", "a.gpkg", plain_sqlite, "损坏", "damaged"),
    Whole("truncated gpkg", "a.gpkg", lambda f: geopackage(f)[:5000], "损坏", "damaged"),
    Whole("several layers", "a.gpkg", several_layers, "甲、乙", "several layers"),
    Whole("no zip", "a.zip", lambda f: text_of(GOOD), "ZIP", "ZIP"),
    Whole("no shp", "a.zip", lambda f: zipped({"a.txt": b"x"}), ".shp", ".shp"),
    Whole("shp without dbf", "a.zip", lambda f: zipped(shapefile(f, without=(".dbf",))), ".dbf", ".dbf"),
    Whole("shp without prj", "a.zip", lambda f: zipped(shapefile(f, without=(".prj",))), ".prj", ".prj", {}),
    Whole("prj of another land", "a.zip", lambda f: zipped(shapefile(f, crs="EPSG:2154")), "坐标系", "coordinate system", {}),
    Whole("shp that is none", "a.zip", lambda f: zipped({**shapefile(f), "部件.shp": b"no shapes here"}), "损坏", "damaged"),
    Whole("truncated shp", "a.zip", truncated_shp, "损坏", "damaged"),
    Whole("zip bomb", "a.zip", bomb, "过大", "too much"),
    Whole("zip bomb called xlsx", "a.xlsx", bomb, "过大", "too much"),
    Whole("too many members", "a.zip", many, "超过", "more than"),
    Whole("leads out", "a.zip", lambda f: zipped({"../../a.shp": b"x"}), "指向外面", "leads out"),
    Whole("locked", "a.zip", locked, "密码", "password"),
]  # fmt: skip


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.id)
def test_what_cannot_be_used_is_refused_with_the_reason(ground: Ground, tmp_path: Path, case: Whole) -> None:
    made = tmp_path / "made"
    made.mkdir()
    content = case.content(made)
    options = {"system": "wgs84"} if case.options is None else case.options
    ledger = "places" if case.id == "unknown crs" else "components"
    try:
        batch = ground.send(ledger, case.name, content, **options)
    except FileRefused as refused:
        said = {"zh": refused.text.zh, "en": refused.text.en}
    else:
        assert batch.status == "refused", batch.counts
        said = batch.error
        assert not imports.go(batch, only_good=True), "and cannot be gone on with"
        page = ground.client().get(f"/ledgers/{ledger}/batches/{batch.pk}/")
        assert page.status_code == 200 and said["en"] in page.context["error"]
    assert case.zh in said["zh"] and case.en in said["en"], said
    assert not Component.objects.exists() and not Place.objects.exists()


def test_a_missing_prj_is_mended_by_choosing(ground: Ground, tmp_path: Path) -> None:
    batch = ground.send("components", "a.zip", zipped(shapefile(tmp_path, without=(".prj",))))
    assert batch.status == "refused"
    assert imports.again(batch, {"system": "epsg4547"})
    assert ground.work(batch).counts["new"] == 1


def test_a_bomb_is_never_unpacked(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_args: Any, **_more: Any) -> None:
        raise AssertionError("a member was opened")

    content = bomb(tmp_path)
    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    assert ground.send("components", "a.zip", content).status == "refused"


# -- rows that are refused -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A file whose row ``no`` is refused for ``column``, with words of the reason; ``good`` other rows stand."""

    id: str
    ledger: str
    name: str
    content: Callable[[Path], bytes]
    no: int
    column: str
    zh: str
    en: str
    good: int = 1


def _csv(*row: str) -> Callable[[Path], bytes]:
    return lambda _folder: text_of(GOOD, row)


def _formula(_folder: Path) -> bytes:
    return workbook(GOOD, (component_code(2), "=1+1", 114.32, 29.84))


def _merged_row(_folder: Path) -> bytes:
    two = (component_code(2), "甲", 114.32, 29.84)
    return workbook(GOOD, two, change=lambda sheet: sheet.merge_cells("B3:C3"))


def _as_number(_folder: Path) -> bytes:
    return workbook(GOOD, (int(component_code(2)), "甲", 114.32, 29.84))


BOX = "POLYGON ((114.31 29.83, 114.32 29.83, 114.32 29.84, 114.31 29.83))"
BOW = "POLYGON ((114.31 29.83, 114.32 29.84, 114.32 29.83, 114.31 29.84, 114.31 29.83))"
TWO = component_code(2)
ROWS = [
    Row("id twice", "components", "a.csv", _csv(*GOOD), 3, "标识码", "与第2行重复", "as row 2"),
    Row("id too short", "components", "a.csv", _csv("123", "x", "114.32", "29.84"), 3, "标识码", "实有3位", "there are 3"),
    Row("id of letters", "components", "a.csv", _csv("4212020100100000X", "x", "114.32", "29.84"), 3, "标识码", "不是数字", "no digit"),
    Row("no such class", "components", "a.csv", _csv("42120201999000001", "x", "114.32", "29.84"), 3, "标识码", "01999", "01999"),
    Row("name missing", "components", "a.csv", _csv(TWO, "", "114.32", "29.84"), 3, "部件名称", "必填", "required"),
    Row("name too long", "components", "a.csv", _csv(TWO, "长" * 400, "114.32", "29.84"), 3, "部件名称", "最多", "At most"),
    Row("control sign", "components", "a.csv", _csv(TWO, "a\x07b", "114.32", "29.84"), 3, "部件名称", "无法保存", "cannot be stored"),
    Row("formula in csv", "components", "a.csv", _csv(TWO, "=cmd|'/c calc'!A1", "114.32", "29.84"), 3, "部件名称", "公式", "formula"),
    Row("formula in xlsx", "components", "a.xlsx", _formula, 3, "部件名称", "公式", "formula"),
    Row("id kept as number", "components", "a.xlsx", _as_number, 3, "标识码", "末位已丢失", "lost its last digits"),
    Row("merged cells", "components", "a.xlsx", _merged_row, 3, "B3:C3", "合并单元格", "are merged"),
    Row("no coordinate", "components", "a.csv", _csv(TWO, "x", "", ""), 3, "位置", "没有位置", "no position"),
    Row("no number", "components", "a.csv", _csv(TWO, "x", "东", "29.84"), 3, "位置", "不是坐标", "no coordinate"),
    Row("not a number", "components", "a.csv", _csv(TWO, "x", "nan", "29.84"), 3, "位置", "范围", "no position"),
    Row("swapped", "components", "a.csv", _csv(TWO, "x", "29.84", "114.32"), 3, "位置", "范围", "no position"),
    Row("another city", "components", "a.csv", _csv(TWO, "x", "116.4", "39.9"), 3, "位置", "本市范围", "outside the city"),
    Row("cells too many", "components", "a.csv", _csv(TWO, "x", "114.32", "29.84", "更多"), 3, "5", "表头只有4列", "5 cells"),
    Row("self-crossing", "places", "a.geojson", lambda f: geojson(BOX, BOW), 2, "位置", "自相交", "not valid"),
    Row("polygon for a point", "components", "a.geojson", polygon_for_a_point, 2, "位置", "图形应为点", "must be a point"),
    Row("no shape", "places", "a.geojson", without_shape, 2, "位置", "没有位置", "no position"),
]  # fmt: skip


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_what_is_wrong_with_a_row_is_said_of_it(ground: Ground, tmp_path: Path, case: Row) -> None:
    batch = ground.send(case.ledger, case.name, case.content(tmp_path), system="wgs84")
    assert batch.status == "checked", batch.error
    assert (batch.counts["refused"], batch.counts["new"]) == (1, case.good), batch.counts
    text = store.path_of(batch.report).read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    said = row["问题 Problem"]
    assert row["行号 Row"] == str(case.no) and case.column in said, said
    assert case.zh in said and case.en in said, said
    url = f"/ledgers/{case.ledger}/batches/{batch.pk}/"
    client = ground.client()
    for language, words in (("zh-hans", case.zh), ("en", case.en)):
        page = client.get(url, headers={"accept-language": language})
        (sample,) = [one for one in page.context["samples"] if one["badge"].tone == "over"]
        assert sample["no"] == case.no and words in " ".join(sample["said"]), sample
    assert client.get(url + "report.csv").status_code == 200
    assert imports.go(batch, only_good=True) and ground.work(batch).status == "done"
    assert (Component if case.ledger == "components" else Place).objects.count() == case.good


def test_a_shapefile_header_that_lies_about_its_size(ground: Ground, tmp_path: Path) -> None:
    parts = shapefile(tmp_path)
    name = next(name for name in parts if name.endswith(".dbf"))
    dbf = bytearray(parts[name])
    dbf[4:8] = struct.pack("<I", 2_000_000_000)
    batch = ground.send("components", "a.zip", zipped({**parts, name: bytes(dbf)}))
    assert batch.status in ("refused", "checked") and batch.counts.get("rows", 0) <= 1
