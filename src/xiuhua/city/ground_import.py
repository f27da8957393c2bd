"""Bringing the ground in: the divisions that Xiuhua carries, and unit grids from a GeoJSON file.

Divisions and county boundaries of 咸宁 stand in ``data/xianning`` (NOTICE there says from where and under which
licence). A grid file is checked row by row: what is right goes in, what is wrong is reported with its row, field and
reason in both languages and kept beside the file for repair.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from django.db import transaction
from shapely import STRtree

from xiuhua.city import coordinates, memory
from xiuhua.city.codes import CodeError, grid_code
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Division, Platform, UnitGrid
from xiuhua.manifest import Text

PROVINCE = ("42", "湖北省", "Hubei")
DATA_SOURCE = "data/xianning (see NOTICE)"
#: Overlap of two grids, or area outside the community, that is still drawing noise (m2).
TOLERANCE_M2 = 1.0


@dataclass(frozen=True)
class RowFault:
    """What is wrong in one row (from 1) of a file; ``field`` is empty when it is the whole row."""

    row: int
    field: str
    message: Text

    def __str__(self) -> str:
        return f"{self.row}: {self.field or '-'}: {self.message}"


@dataclass
class Imported:
    """How many rows came in, and the faults of those that did not."""

    made: int = 0
    faults: list[RowFault] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)


# --- divisions ----------------------------------------------------------------------------------------------


def _table(name: str) -> list[dict[str, str]]:
    text = (resources.files("xiuhua.city") / "data" / "xianning" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@transaction.atomic
def import_city() -> None:
    """Platforms and divisions of the city that is carried: idempotent, boundaries in CGCS2000."""
    text = (resources.files("xiuhua.city") / "data" / "xianning" / "boundaries_epsg4490.geojson").read_text("utf-8")
    shapes = {f["properties"]["adcode"]: f for f in json.loads(text)["features"]}
    known: dict[str, Division] = {}

    def division(code: str, name: str, level: str, parent: str, **more: Any) -> None:
        values = {"name": name, "level": level, "parent": known.get(parent), "source": DATA_SOURCE, **more}
        known[code], _made = Division.objects.update_or_create(code=code, defaults=values)

    division(PROVINCE[0], PROVINCE[1], "province", "", name_en=PROVINCE[2])
    for adcode, feature in sorted(shapes.items(), key=lambda item: item[1]["properties"]["level"] != "city"):
        about = feature["properties"]
        city = about["level"] == "city"
        division(
            adcode,
            about["name"],
            "city" if city else "county",
            PROVINCE[0] if city else about["parent"],
            boundary=shapely.to_wkb(shapely.make_valid(shapely.from_geojson(json.dumps(feature["geometry"])))),
            label_lon=about["label_lon"],
            label_lat=about["label_lat"],
        )
        parent = None if city else Platform.objects.get(code=about["parent"])
        Platform.objects.get_or_create(
            code=adcode,
            defaults={"name": about["name"], "level": "city" if city else "county", "adcode": adcode, "parent": parent},
        )
    for row in _table("townships.csv"):
        division(row["code"], row["name"], "township", row["county_code"], kind_zh=row["kind_by_code"])
    have = set(Division.objects.filter(level="village").values_list("code", flat=True))
    Division.objects.bulk_create(
        Division(
            code=row["code"],
            name=row["name"],
            level="village",
            parent=known[row["township_code"]],
            source=DATA_SOURCE,
        )
        for row in _table("villages.csv")
        if row["code"] not in have
    )
    memory.bump(TABLE_NAME)


# --- unit grids ---------------------------------------------------------------------------------------------


@dataclass
class _Row:
    number: int
    code: str
    shape: shapely.Geometry
    raw: Any


def import_grids(document: Any, platform: Platform, since: date, datum: str = "cgcs2000", source: str = "") -> Imported:
    """Unit grids from a GeoJSON FeatureCollection with the property ``code`` (15 digits).

    1. read each feature; 2. refuse doubles, in the file and against grids that stand; 3. refuse shapes that leave
    their community or overlap another grid; 4. store what is left in one transaction.
    """
    result = Imported()
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        result.faults.append(
            RowFault(0, "features", Text("不是 GeoJSON 要素集合。", "This is no GeoJSON feature collection."))
        )
        return result
    rows = list(_read(features, datum, result))
    rows = list(_singular(rows, result))
    rows = list(_placed(rows, result))
    with transaction.atomic():
        UnitGrid.objects.bulk_create(
            UnitGrid(
                code=row.code,
                community=row.code[:12],
                platform=platform,
                boundary=shapely.to_wkb(row.shape),
                area_m2=round(area_m2(row.shape), 1),
                valid_from=since,
                source=source,
            )
            for row in rows
        )
        memory.bump(TABLE_NAME)
    result.made = len(rows)
    result.faults.sort(key=lambda fault: fault.row)
    return result


def area_m2(shape: shapely.Geometry) -> float:
    """Area on EPSG:4547 (CGCS2000 3-degree zone 38)."""

    def project(points: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        xs, ys = coordinates.from_wgs84(points[:, 0], points[:, 1], coordinates.Datum.EPSG4547)
        return np.column_stack([xs, ys])

    return float(shapely.transform(shape, project).area)


def _fault(result: Imported, row: int, name: str, zh: str, en: str, raw: Any) -> None:
    result.faults.append(RowFault(row, name, Text(zh, en)))
    result.raw.append(raw)


def _read(features: Iterable[Any], datum: str, result: Imported) -> Iterable[_Row]:
    for number, feature in enumerate(features, start=1):
        about = feature.get("properties") if isinstance(feature, dict) else None
        code = str((about or {}).get("code", "")).strip()
        try:
            grid_code(code)
        except CodeError as error:
            result.faults.append(RowFault(number, "code", error.message))
            result.raw.append(feature)
            continue
        try:
            shape = shapely.from_geojson(json.dumps(feature.get("geometry")))
        except (shapely.errors.GEOSException, TypeError, ValueError):
            _fault(result, number, "geometry", "图形无法读取。", "The geometry cannot be read.", feature)
            continue
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or shape.is_empty:
            _fault(result, number, "geometry", "单元网格必须是面。", "A unit grid must be a polygon.", feature)
            continue
        if not shape.is_valid:
            why = shapely.is_valid_reason(shape)
            _fault(result, number, "geometry", f"图形无效：{why}。", f"The polygon is not valid: {why}.", feature)
            continue
        yield _Row(number, code, _to_store(shape, datum), feature)


def _to_store(shape: shapely.Geometry, datum: str) -> shapely.Geometry:
    if datum in ("cgcs2000", "wgs84"):
        return shape

    def convert(points: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.column_stack(coordinates.to_wgs84(points[:, 0], points[:, 1], datum))

    return shapely.transform(shape, convert)


def _singular(rows: Iterable[_Row], result: Imported) -> Iterable[_Row]:
    stand = set(UnitGrid.objects.current().values_list("code", flat=True))
    seen: dict[str, int] = {}
    for row in rows:
        if row.code in stand:
            _fault(result, row.number, "code", "该网格已存在。", "This grid exists already.", row.raw)
        elif row.code in seen:
            first = seen[row.code]
            _fault(result, row.number, "code", f"与第 {first} 行重复。", f"The same as in row {first}.", row.raw)
        else:
            seen[row.code] = row.number
            yield row


def _placed(rows: list[_Row], result: Imported) -> Iterable[_Row]:
    """Inside their community where it has a shape, and apart from each other and from grids that stand."""
    communities = {
        d.code: shapely.from_wkb(bytes(d.boundary)) if d.boundary else None
        for d in Division.objects.filter(code__in={row.code[:12] for row in rows})
    }
    standing = [shapely.from_wkb(bytes(b)) for b in UnitGrid.objects.current().values_list("boundary", flat=True)]
    kept: list[_Row] = []
    old = STRtree(standing)
    new = STRtree([row.shape for row in rows])
    for position, row in enumerate(rows):
        community = row.code[:12]
        if community not in communities:
            _fault(
                result, row.number, "code", f"没有社区 {community}。", f"There is no community {community}.", row.raw
            )
            continue
        outline = communities[community]
        if outline is not None and area_m2(shapely.difference(row.shape, outline)) > TOLERANCE_M2:
            _fault(result, row.number, "geometry", "超出社区范围。", "It leaves its community.", row.raw)
            continue
        others = [standing[i] for i in old.query(row.shape)]
        others += [rows[i].shape for i in new.query(row.shape) if i < position]
        if any(area_m2(shapely.intersection(row.shape, other)) > TOLERANCE_M2 for other in others):
            _fault(result, row.number, "geometry", "与其他网格重叠。", "It overlaps another grid.", row.raw)
            continue
        kept.append(row)
    return kept


def main(argv: list[str]) -> int:
    """``xiuhua ground import FILE``: unit grids from GeoJSON; exit code 1 when rows were refused."""
    parser = argparse.ArgumentParser(prog="xiuhua ground import", description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--platform", required=True, help="code of the platform whose grids these are")
    parser.add_argument("--since", type=date.fromisoformat, default=date.today(), help="valid from (YYYY-MM-DD)")  # noqa: DTZ011
    parser.add_argument("--datum", default="cgcs2000", choices=[d.value for d in coordinates.Datum])
    options = parser.parse_args(argv)
    try:
        platform = Platform.objects.get(code=options.platform)
        document = json.loads(options.file.read_text("utf-8"))
    except Platform.DoesNotExist:
        print(f"there is no platform {options.platform!r}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    result = import_grids(document, platform, options.since, options.datum, source=options.file.name)
    print(f"{result.made} grids imported, {len(result.faults)} rows refused")
    for fault in result.faults:
        print(fault, file=sys.stderr)
    if result.raw:
        kept = options.file.with_suffix(".refused.geojson")
        kept.write_text(json.dumps({"type": "FeatureCollection", "features": result.raw}, ensure_ascii=False), "utf-8")
        print(f"refused rows are kept in {kept} for repair", file=sys.stderr)
    return 1 if result.faults else 0
