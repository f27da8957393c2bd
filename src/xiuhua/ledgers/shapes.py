"""Shapes of rows: read from files in any known coordinate system, checked, kept in CGCS2000, given back.

Points are two integers of 1e-7 degree; lines and polygons are WKB with a point on them for lists and labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from xiuhua.city.coordinates import Datum, to_wgs84
from xiuhua.ledgers.columns import Plain, Wrong
from xiuhua.ledgers.declare import Ledger

#: Coordinate systems in which a file may come, with the words of the chooser. EPSG:4526 has the zone before the easting.
SYSTEMS: dict[str, Any] = {
    "cgcs2000": _("CGCS2000 longitude and latitude (EPSG:4490)"),
    "wgs84": _("WGS 84 longitude and latitude (EPSG:4326)"),
    "gcj02": _("GCJ-02 (Amap, Tencent)"),
    "bd09": _("BD-09 (Baidu)"),
    "epsg4547": _("CGCS2000 3-degree zone, 114E (EPSG:4547)"),
    "epsg4526": _("CGCS2000 3-degree zone 38, with zone number (EPSG:4526)"),
}
#: EPSG numbers that a file may name itself.
EPSG = {4490: "cgcs2000", 4326: "wgs84", 4547: "epsg4547", 4526: "epsg4526"}
#: Eastings of zone 38 begin with its number.
_ZONE = 38_000_000.0
_KINDS = {
    "Point": ("点", "a point"),
    "LineString": ("线", "a line"),
    "MultiLineString": ("多线", "a multi-line"),
    "Polygon": ("面", "a polygon"),
    "MultiPolygon": ("多面", "a multi-polygon"),
}
MOST_POINTS = 100_000


def to_degrees(x: Any, y: Any, system: str) -> tuple[Any, Any]:
    """Arrays in ``system`` as longitude and latitude of CGCS2000; NaN for what is no position there."""
    if system == "epsg4526":
        x, system = np.asarray(x, dtype=np.float64) - _ZONE, "epsg4547"
    return to_wgs84(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), Datum(system))


def stored_datum(system: str) -> str:
    """The datum that a row keeps: EPSG:4526 is EPSG:4547 with a number before it."""
    return "epsg4547" if system == "epsg4526" else system


def checked(geometry: Any, ledger: Ledger, system: str) -> Any:
    """A geometry in degrees, of a kind that the ledger has, and whole; raises `Wrong`."""
    assert ledger.shape is not None
    if geometry is None or geometry.is_empty:
        raise Wrong("没有图形。", "There is no shape.")
    kind = geometry.geom_type
    if kind == "MultiPoint" and len(geometry.geoms) == 1:
        geometry, kind = geometry.geoms[0], "Point"
    if kind not in ledger.shape.kinds:
        wanted = [_KINDS[one] for one in ledger.shape.kinds if one in _KINDS]
        has = _KINDS.get(kind, (kind, kind))
        raise Wrong(
            f"图形应为{'、'.join(w[0] for w in wanted)}，这里是{has[0]}。",
            f"The shape must be {' or '.join(w[1] for w in wanted)}; here is {has[1]}.",
        )
    if shapely.get_num_coordinates(geometry) > MOST_POINTS:
        raise Wrong(f"图形超过{MOST_POINTS}个点。", f"The shape has more than {MOST_POINTS} points.")
    geometry = shapely.force_2d(geometry)
    if not shapely.is_valid(geometry):
        reason = shapely.is_valid_reason(geometry)
        raise Wrong(f"图形不合规（自相交等）：{reason}。", f"The shape is not valid: {reason}.")
    points = shapely.get_coordinates(geometry)
    lon, lat = to_degrees(points[:, 0].copy(), points[:, 1].copy(), system)
    if not (np.isfinite(lon) & np.isfinite(lat)).all():
        raise not_there(system)
    return shapely.set_coordinates(geometry, np.round(np.column_stack([lon, lat]), 9))


def not_there(system: str) -> Wrong:
    return Wrong(
        f"坐标超出所选坐标系（{system.upper()}）的范围。", f"The coordinates are no position in {system.upper()}."
    )


def assign(ledger: Ledger, values: dict[str, Any], geometry: Any, system: str) -> None:
    """Put a checked geometry into the model's columns."""
    shape = ledger.shape
    assert shape is not None
    point = geometry if geometry.geom_type == "Point" else shapely.point_on_surface(geometry)
    values[shape.lon], values[shape.lat] = round(point.x * 1e7), round(point.y * 1e7)
    if shape.geometry:
        values[shape.geometry] = shapely.to_wkb(geometry)
    if shape.datum:
        values[shape.datum] = stored_datum(system)


def plain(ledger: Ledger, row: Model) -> dict[str, Plain]:
    """``lon`` and ``lat`` in degrees as text, ``wkt`` of lines and polygons."""
    shape = ledger.shape
    if shape is None:
        return {}
    lon, lat = getattr(row, shape.lon), getattr(row, shape.lat)
    if lon is None or lat is None:
        return {"lon": None, "lat": None}
    found: dict[str, Plain] = {"lon": degrees(lon), "lat": degrees(lat)}
    if shape.datum:
        found["datum"] = getattr(row, shape.datum)
    if shape.geometry:
        wkb = getattr(row, shape.geometry)
        geometry = shapely.from_wkb(bytes(wkb)) if wkb else None
        found["wkt"] = None if geometry is None else shapely.to_wkt(geometry, rounding_precision=9)
    return found


def degrees(e7: int) -> str:
    """``1143200000`` as ``114.3200000``, exactly."""
    sign, whole = ("-" if e7 < 0 else ""), abs(e7)
    return f"{sign}{whole // 10**7}.{whole % 10**7:07d}"


def geometry_of(ledger: Ledger, row: Model) -> Any:
    """The row's geometry in degrees; None when it has none."""
    shape = ledger.shape
    if shape is None:
        return None
    if shape.geometry:
        wkb = getattr(row, shape.geometry)
        return shapely.from_wkb(bytes(wkb)) if wkb else None
    lon, lat = getattr(row, shape.lon), getattr(row, shape.lat)
    return None if lon is None or lat is None else shapely.Point(lon / 1e7, lat / 1e7)
