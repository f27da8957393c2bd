"""Unit grids row by row: good rows go in, every other row is told with number, field and reason and kept as it came.

Checks follow the census rules (GB/T 47678.5): code format and uniqueness, a readable and valid polygon, inside its
community (inside its county where the community has no shape), no overlap with any other current grid. A grid
that comes again with another shape ends the old row and begins a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import shapely
from django.db import transaction
from shapely import STRtree

from xiuhua.city import memory
from xiuhua.city.codes import CodeError, grid_code
from xiuhua.city.coordinates import Datum, from_wgs84, in_china
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Division, Platform, ResponsibilityGrid, UnitGrid
from xiuhua.manifest import Text

#: Surveyed edges meet to the centimetre; below this area (m2) two grids only touch.
TOUCH_M2 = 1.0
#: Part of a grid that may stick out of its community before it is refused (borders are drawn by others).
OUTSIDE_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row of a file: its number from 1, the code as read, a polygon in CGCS2000 degrees, and the raw row."""

    number: int
    code: str
    shape: Any
    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row was refused: ``field`` is code or geometry; ``raw`` is the row as it came."""

    row: int
    code: str
    field: str
    message: Text
    raw: dict[str, Any]


@dataclass(slots=True)
class ImportReport:
    """What an import did; counts are rows."""

    total: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    faults: list[RowFault] = field(default_factory=list)

    def refuse(self, row: GridRow, where: str, zh: str, en: str) -> None:
        self.faults.append(RowFault(row.number, row.code, where, Text(zh, en), row.raw))


def area_m2(shapes: Any) -> Any:
    """Area in the projected zone (EPSG:4547), m2, of one polygon or an array of them."""
    return shapely.area(projected(shapes))


def projected(shapes: Any) -> Any:
    """Shapes in degrees, in metres of EPSG:4547."""

    def project(points: Any) -> Any:
        return np.column_stack(from_wgs84(points[:, 0].copy(), points[:, 1].copy(), Datum.EPSG4547))

    return shapely.transform(shapes, project)


@transaction.atomic
def import_rows(
    rows: Sequence[GridRow],
    since: date,
    *,
    platform: Platform | None = None,
    simulated: bool = False,
    source: str = "",
    dry_run: bool = False,
) -> ImportReport:
    """Check all rows and write the good ones, valid from ``since``.

    ``platform`` owns the grids; without it the platform of the grid's county does. With ``dry_run`` nothing is
    written. Rows already refused by the reader are not passed here.
    """
    report = ImportReport(total=len(rows))
    platforms = _Platforms(platform)
    standing = {grid.code: grid for grid in UnitGrid.objects.current()}
    good = _codes_and_shapes(rows, platforms, report)
    good = _nested(good, report)
    good = _dated(good, standing, since, report)
    good = _apart(good, standing, report)
    if not dry_run:
        _write(good, standing, since, platforms, simulated, source, report)
        if report.added or report.replaced:
            memory.bump(TABLE_NAME)
    report.faults.sort(key=lambda fault: fault.row)
    return report


class _Platforms:
    """The platform of a grid: the one given, else that of its county."""

    def __init__(self, given: Platform | None) -> None:
        self._given = given
        self._of_county = {row.adcode: row for row in Platform.objects.order_by("-level")}

    def of(self, county: str) -> Platform | None:
        return self._given or self._of_county.get(county)


def _codes_and_shapes(rows: Iterable[GridRow], platforms: _Platforms, report: ImportReport) -> list[GridRow]:
    """Rows whose own content is right: code, community, platform, validity of the polygon."""
    communities = set(Division.objects.filter(level="village").values_list("code", flat=True))
    first: dict[str, int] = {}
    good = []
    for row in rows:
        try:
            read = grid_code(row.code)
        except CodeError as error:
            report.refuse(row, "code", error.message.zh, error.message.en)
            continue
        if row.code in first:
            earlier = first[row.code]
            report.refuse(
                row,
                "code",
                f"编码{row.code}与第{earlier}行重复。",
                f"Code {row.code} stands in row {earlier} already.",
            )
        elif read.community not in communities:
            report.refuse(
                row,
                "code",
                f"没有编码为{read.community}的社区（村）。",
                f"There is no community {read.community}.",
            )
        elif platforms.of(read.county) is None:
            report.refuse(
                row, "code", f"没有{read.county}对应的平台。", f"There is no platform for county {read.county}."
            )
        elif fault := _shape_fault(row.shape):
            report.refuse(row, "geometry", fault.zh, fault.en)
        else:
            good.append(row)
        first.setdefault(row.code, row.number)
    return good


def _shape_fault(shape: Any) -> Text | None:
    if shape.geom_type != "Polygon" or shape.is_empty:
        return Text(f"应为单个多边形，实为{shape.geom_type}。", f"One polygon is expected, not {shape.geom_type}.")
    corners = shapely.get_coordinates(shape)
    if not np.all(in_china(corners[:, 0], corners[:, 1])):
        return Text("图形超出国境范围。", "A corner lies outside the country.")
    if not shape.is_valid:
        reason = shapely.is_valid_reason(shape)
        return Text(f"图形无效：{reason}。", f"The shape is not valid: {reason}.")
    area = float(area_m2(shape))
    if not area > TOUCH_M2:
        return Text(f"面积仅{area:.2f}平方米。", f"Its area is only {area:.2f} m².")
    return None


def _nested(rows: list[GridRow], report: ImportReport) -> list[GridRow]:
    """Rows inside their community, or touching their county where the community has no shape."""
    codes = {row.code[:12] for row in rows} | {row.code[:6] for row in rows}
    found = Division.objects.filter(code__in=codes, boundary__isnull=False).values_list("code", "boundary")
    shapes = {code: shapely.from_wkb(bytes(wkb)) for code, wkb in found if wkb}
    shapely.prepare(list(shapes.values()))
    good = []
    for row in rows:
        community, county = shapes.get(row.code[:12]), shapes.get(row.code[:6])
        # County borders are simplified by hundreds of metres: only what lies wholly elsewhere is refused.
        if community is None:
            if county is not None and not county.intersects(row.shape):
                report.refuse(
                    row,
                    "geometry",
                    f"不在{row.code[:6]}的行政区域内。",
                    f"It lies outside county {row.code[:6]}.",
                )
                continue
        elif not community.covers(row.shape):
            outside = float(area_m2(row.shape.difference(community)))
            if outside > max(TOUCH_M2, OUTSIDE_SHARE * float(area_m2(row.shape))):
                report.refuse(
                    row,
                    "geometry",
                    f"有{outside:.0f}平方米超出社区{row.code[:12]}的边界。",
                    f"{outside:.0f} m² lie outside community {row.code[:12]}.",
                )
                continue
        good.append(row)
    return good


def _dated(rows: list[GridRow], standing: dict[str, UnitGrid], since: date, report: ImportReport) -> list[GridRow]:
    good = []
    for row in rows:
        old = standing.get(row.code)
        if old is not None and old.valid_from > since:
            report.refuse(
                row,
                "code",
                f"现行网格自{old.valid_from}起生效，晚于{since}。",
                f"The grid that stands began on {old.valid_from}, after {since}.",
            )
        else:
            good.append(row)
    return good


def _apart(rows: list[GridRow], standing: dict[str, UnitGrid], report: ImportReport) -> list[GridRow]:
    """Rows that overlap nothing: of two in the file the earlier stays.

    A refused row leaves its old shape standing, on which an accepted one may then lie; so this goes round until
    no more row is refused.
    """
    old_shapes = {code: shapely.from_wkb(bytes(grid.boundary)) for code, grid in standing.items()}
    good = sorted(rows, key=lambda row: row.number)
    while True:
        coming = {row.code for row in good}
        others = [(0, code, shape) for code, shape in old_shapes.items() if code not in coming]
        everything = [*others, *((row.number, row.code, row.shape) for row in good)]
        tree = STRtree([shape for _, _, shape in everything])
        refused: set[int] = set()
        for row in good:
            for at in sorted(tree.query(row.shape, predicate="intersects")):
                number, code, shape = everything[at]
                if number >= row.number or number in refused:
                    continue
                common = row.shape.intersection(shape)
                area = float(area_m2(common)) if common.area else 0.0
                if area > TOUCH_M2:
                    refused.add(row.number)
                    which_zh = f"第{number}行的" if number else "现行"
                    which_en = f" of row {number}" if number else ""
                    report.refuse(
                        row,
                        "geometry",
                        f"与{which_zh}网格{code}重叠{area:.0f}平方米。",
                        f"It overlaps grid {code}{which_en} by {area:.0f} m².",
                    )
                    break
        if not refused:
            return good
        good = [row for row in good if row.number not in refused]


def _write(
    rows: list[GridRow],
    standing: dict[str, UnitGrid],
    since: date,
    platforms: _Platforms,
    simulated: bool,
    source: str,
    report: ImportReport,
) -> None:
    fresh: list[UnitGrid] = []
    ended: dict[str, int] = {}
    for row in rows:
        old = standing.get(row.code)
        if old is not None:
            if shapely.from_wkb(bytes(old.boundary)).normalize() == row.shape.normalize():
                report.unchanged += 1
                continue
            ended[row.code] = old.pk
        owner = platforms.of(row.code[:6])
        assert owner is not None  # checked with the code
        fresh.append(
            UnitGrid(
                code=row.code,
                community=row.code[:12],
                platform=owner,
                boundary=shapely.to_wkb(row.shape),
                area_m2=round(float(area_m2(row.shape)), 1),
                valid_from=since,
                simulated=simulated,
                source=source,
            )
        )
    report.replaced, report.added = len(ended), len(fresh) - len(ended)
    UnitGrid.objects.filter(pk__in=ended.values()).end(since)
    made = {row.code: row.pk for row in UnitGrid.objects.bulk_create(fresh, batch_size=200)}
    _follow({old: made[code] for code, old in ended.items()})


def _follow(successors: dict[int, int]) -> None:
    """Responsibility grids that hold an ended unit grid hold its successor too; the old link is history."""
    through = ResponsibilityGrid.unit_grids.through
    links = through.objects.filter(unitgrid_id__in=successors, responsibilitygrid__valid_to__isnull=True)
    through.objects.bulk_create(
        [
            through(responsibilitygrid_id=link.responsibilitygrid_id, unitgrid_id=successors[link.unitgrid_id])
            for link in links
        ]
    )
