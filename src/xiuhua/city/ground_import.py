"""``xiuhua ground import``: the carried ground of Xianning, or unit grids from a GeoJSON file.

Without a file: platforms, divisions and, with ``--simulated``, the generated built-up areas. With a file: unit
grids row by row (`grid_import`); the datum comes from the file's ``crs`` or from ``--datum``. Refused rows are
printed and, with ``--rejects``, written out as they came with their reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from django.utils import timezone
from shapely.geometry import shape

from xiuhua.city import grid_maker
from xiuhua.city.coordinates import Datum, to_wgs84
from xiuhua.city.division_import import XIANNING, ImportedCity, import_city
from xiuhua.city.grid_import import GridRow, ImportReport, RowFault, import_rows
from xiuhua.city.models import Platform
from xiuhua.manifest import Text

__all__ = ["GroundFileError", "ImportedCity", "import_city", "import_grids", "main", "read_grids"]

#: Names under which census contractors deliver the grid code (the standard's own first).
CODE_FIELDS = ("DYWGBSM", "SZDYWGBSM", "BGID", "BGCODE", "GRIDCODE", "code")

_CRS = {
    "CRS84": Datum.WGS84,
    "4326": Datum.WGS84,
    "4490": Datum.CGCS2000,
    "4547": Datum.EPSG4547,
}


class GroundFileError(ValueError):
    """The file as a whole cannot be used; ``message`` says why in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        self.message = Text(zh, en)
        super().__init__(en)


def import_grids(
    path: Path,
    since: date,
    *,
    datum: Datum | None = None,
    platform: Platform | None = None,
    simulated: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Import unit grids from a GeoJSON file, valid from ``since``; raises GroundFileError."""
    rows, faults = read_grids(path, datum)
    report = import_rows(rows, since, platform=platform, simulated=simulated, source=path.name[:200], dry_run=dry_run)
    report.total += len(faults)
    report.faults = sorted([*report.faults, *faults], key=lambda fault: fault.row)
    return report


def read_grids(path: Path, datum: Datum | None = None) -> tuple[list[GridRow], list[RowFault]]:
    """The rows of a GeoJSON file in CGCS2000, and the rows whose geometry cannot be read at all."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise GroundFileError(f"文件无法读取：{error.strerror}。", f"Cannot read it: {error.strerror}.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise GroundFileError(f"文件不是JSON：{error}。", f"The file is no JSON: {error}.") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise GroundFileError("文件不是GeoJSON的FeatureCollection。", "The file is no GeoJSON FeatureCollection.")
    datum = datum or _file_datum(document)
    rows: list[GridRow] = []
    faults: list[RowFault] = []
    for number, feature in enumerate(features, 1):
        raw = feature if isinstance(feature, dict) else {"value": feature}
        code = _code(raw)
        outline = _outline(raw.get("geometry"), datum)
        if isinstance(outline, Text):
            faults.append(RowFault(number, code, "geometry", outline, raw))
        else:
            rows.append(GridRow(number, code, outline, raw))
    return rows, faults


def _file_datum(document: dict[str, Any]) -> Datum:
    crs = document.get("crs")
    if crs is None:
        return Datum.CGCS2000
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    datum = _CRS.get(name.rsplit(":", 1)[-1].upper())
    if datum is None:
        raise GroundFileError(
            f"文件坐标系“{name}”未知，请用--datum指明。",
            f"Coordinate system {name!r} of the file is unknown; name it with --datum.",
        )
    return datum


def _code(raw: dict[str, Any]) -> str:
    properties = raw.get("properties")
    if isinstance(properties, dict):
        by_name = {str(key).lower(): value for key, value in properties.items()}
        for name in CODE_FIELDS:
            value = by_name.get(name.lower())
            if isinstance(value, str | int) and not isinstance(value, bool):
                return str(value).strip()
    return ""


def _outline(geometry: Any, datum: Datum) -> Any | Text:
    """The polygon in CGCS2000 degrees, or why there is none."""
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return Text("没有多边形图形。", "There is no polygon.")
    try:
        outline = shapely.force_2d(shape(geometry))
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, shapely.errors.ShapelyError):
        return Text("图形坐标无法读取。", "The coordinates of the shape cannot be read.")
    if outline.geom_type == "MultiPolygon" and len(outline.geoms) == 1:
        outline = outline.geoms[0]

    points = shapely.get_coordinates(outline)
    lons, lats = to_wgs84(points[:, 0].copy(), points[:, 1].copy(), datum)
    if not (np.isfinite(lons) & np.isfinite(lats)).all():
        return Text("坐标超出所述坐标系的范围。", f"A corner is no position in {datum.value}.")
    return shapely.set_coordinates(outline, np.round(np.column_stack([lons, lats]), 9))


def _write_rejects(path: Path, faults: Sequence[RowFault]) -> None:
    features = [
        {**fault.raw, "refused": {"row": fault.row, "field": fault.field, **_both(fault.message)}} for fault in faults
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _language() -> str:
    locale = next((v for n in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := os.environ.get(n))), "")
    return "zh" if locale.startswith("zh") else "en"


def main(argv: list[str]) -> int:
    """Exit code 0 when everything went in, 1 when rows were refused, 2 when the file cannot be used."""
    parser = argparse.ArgumentParser(prog="xiuhua ground import", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="GeoJSON of unit grids; without: the carried ground")
    parser.add_argument("--datum", type=Datum, choices=list(Datum), help="datum of the file's coordinates")
    parser.add_argument("--since", type=date.fromisoformat, help="first day of the grids, YYYY-MM-DD (today)")
    parser.add_argument("--platform", help="code of the platform that owns the grids (that of their county)")
    parser.add_argument("--simulated", action="store_true", help="mark as simulated; without FILE: make them")
    parser.add_argument("--dry-run", action="store_true", help="only check the file")
    parser.add_argument("--rejects", type=Path, help="write refused rows to this file as they came")
    parser.add_argument("--language", choices=("zh", "en"), default=_language())
    options = parser.parse_args(argv)
    since = options.since or timezone.localdate()
    say = _Say(options.language)
    if options.file is None:
        if options.dry_run or options.rejects:
            parser.error("--dry-run and --rejects need a file")
        return _carried(since, options.simulated, say)
    platform = None
    if options.platform:
        platform = Platform.objects.filter(code=options.platform).first()
        if platform is None:
            say(sys.stderr, f"没有平台{options.platform}。", f"There is no platform {options.platform}.")
            return 2
    try:
        report = import_grids(
            options.file,
            since,
            datum=options.datum,
            platform=platform,
            simulated=options.simulated,
            dry_run=options.dry_run,
        )
    except GroundFileError as error:
        say(sys.stderr, error.message.zh, error.message.en)
        return 2
    for fault in report.faults:
        zh = f"第{fault.row}行 {fault.code} {fault.field}：{fault.message.zh}"
        say(sys.stderr, zh, f"row {fault.row} {fault.code} {fault.field}: {fault.message.en}")
    if options.rejects:
        _write_rejects(options.rejects, report.faults)
    refused = len({fault.row for fault in report.faults})
    say(
        sys.stdout,
        f"共{report.total}行：新增{report.added}，替换{report.replaced}，未变{report.unchanged}，退回{refused}。",
        f"{report.total} rows: {report.added} added, {report.replaced} replaced, "
        f"{report.unchanged} unchanged, {refused} refused.",
    )
    return 1 if refused else 0


def _carried(since: date, simulated: bool, say: _Say) -> int:
    city = import_city(XIANNING)
    say(
        sys.stdout,
        f"平台{city.platforms}个，行政区划{city.divisions}个，其中{city.boundaries}个有边界。",
        f"{city.platforms} platforms, {city.divisions} divisions, {city.boundaries} of them with a boundary.",
    )
    if simulated:
        count = grid_maker.load(since)
        say(sys.stdout, f"模拟单元网格{count}个。", f"{count} simulated unit grids.")
    return 0


class _Say:
    """Print in the language asked for."""

    def __init__(self, language: str) -> None:
        self._language = language

    def __call__(self, stream: Any, zh: str, en: str) -> None:
        print(Text(zh, en).in_language(self._language), file=stream)
