"""GeoJSON (RFC 7946), read by json and shapely: positions are WGS 84 unless an older ``crs`` member says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import shape

from xiuhua.ledgers.readers.table import MOST_ROWS, Raw, Table, headers_of, too_many_rows
from xiuhua.ledgers.shapes import EPSG
from xiuhua.ledgers.store import FileRefused
from xiuhua.manifest import Text


def open_table(path: Path, encoding: str) -> Table:
    """A FeatureCollection; headers are all names of properties."""
    data = _load(path, encoding)
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list):
        raise FileRefused("不是 GeoJSON 要素集合（FeatureCollection）。", "This is no GeoJSON FeatureCollection.")
    if not features:
        raise FileRefused("文件里没有要素。", "There are no features in the file.")
    if len(features) > MOST_ROWS:
        raise too_many_rows()
    names: dict[str, None] = {}
    for feature in features:
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if isinstance(properties, dict):
            names.update(dict.fromkeys(str(name) for name in properties))
    system, problem = _system(data)
    headers = headers_of(list(names)) if names else []

    def rows() -> Iterator[Raw]:
        for number, feature in enumerate(features, 1):
            yield _raw(number, feature)

    return Table(headers, rows, count=len(features), system=system, problem=problem, shaped=True)


def _load(path: Path, encoding: str) -> Any:
    raw = path.read_bytes()
    tries = (
        ["utf-8-sig", "gb18030"] if encoding == "auto" else ["gb18030" if encoding.startswith("gb") else "utf-8-sig"]
    )
    for one in tries:
        try:
            text = raw.decode(one)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise FileRefused("文件不是 UTF-8 编码。", "The file is not in UTF-8.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"（第{error.lineno}行）" if isinstance(error, json.JSONDecodeError) else ""
        raise FileRefused(f"不是 JSON{where}。", f"This is no JSON: {str(error)[:120]}.") from None


def _system(data: dict[str, Any]) -> tuple[str, Text | None]:
    crs = data.get("crs")
    if crs is None:
        return "wgs84", None
    name = str((crs.get("properties") or {}).get("name", "")) if isinstance(crs, dict) else str(crs)
    code = name.rsplit(":", 1)[-1]
    if code.upper() == "CRS84":
        return "wgs84", None
    if code.isdigit() and int(code) in EPSG:
        return EPSG[int(code)], None
    return "", Text(
        f"文件的坐标系“{name[:60]}”未知，请自己选定。",
        f"The file's coordinate system {name[:60]!r} is not known; choose one.",
    )


def _raw(number: int, feature: Any) -> Raw:
    if not isinstance(feature, dict):
        return Raw(number, {}, faults=[Text("不是要素。", "This is no feature.")])
    properties = feature.get("properties")
    values = {str(k): _flat(v) for k, v in properties.items()} if isinstance(properties, dict) else {}
    raw = Raw(number, values)
    geometry = feature.get("geometry")
    if geometry is None:
        return raw
    try:
        if geometry.get("type") == "Point":
            x, y = geometry["coordinates"][:2]
            raw.geometry = shapely.Point(float(x), float(y))
        else:
            raw.geometry = shape(geometry)
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, shapely.errors.ShapelyError, RecursionError):
        raw.faults.append(Text("图形坐标无法读取。", "The coordinates of the shape cannot be read."))
    return raw


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
