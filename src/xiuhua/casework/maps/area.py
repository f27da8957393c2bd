"""A drawn area as a filter of cases: ``area=lon,lat;lon,lat;…`` in the address, a condition of one SQL statement.

The database itself casts the ray (no PostGIS): a point is inside when it lies west of an odd number of the edges that
span its latitude. Whole numbers of 1e-7 degree, so both engines and the check in Python agree to the last case.
"""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, F, Func, Q
from pyproj import Transformer

Point = tuple[int, int]

MOST_POINTS = 100
#: The widest area, degrees: keeps the products within 63 bits, and the address short.
WIDEST = 5.0


def read(text: str) -> list[Point] | None:
    """The corners in 1e-7 degree, closed by itself; None for what is no area (fewer than 3 corners, too wide)."""
    corners: list[Point] = []
    for part in text.split(";"):
        try:
            lon, lat = (float(number) for number in part.split(","))
        except ValueError:
            return None
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            return None
        corners.append((round(lon * 1e7), round(lat * 1e7)))
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    if not 3 <= len(corners) <= MOST_POINTS:
        return None
    west, south, east, north = box(corners)
    if (east - west) > WIDEST * 1e7 or (north - south) > WIDEST * 1e7 or west == east or south == north:
        return None
    return corners


def box(corners: list[Point]) -> tuple[int, int, int, int]:
    """West, south, east, north in 1e-7 degree."""
    lons, lats = [lon for lon, _lat in corners], [lat for _lon, lat in corners]
    return min(lons), min(lats), max(lons), max(lats)


def edges(corners: list[Point]) -> list[tuple[int, int, int, int]]:
    """(x1, y1, x2, y2) with y1 < y2; level edges never cross a ray."""
    found = []
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 < y2:
            found.append((x1, y1, x2, y2))
        elif y2 < y1:
            found.append((x2, y2, x1, y1))
    return found


def inside(corners: list[Point], lon: int, lat: int) -> bool:
    """The same question in Python."""
    hits = sum(
        1 for x1, y1, x2, y2 in edges(corners) if y1 <= lat < y2 and (lon - x1) * (y2 - y1) < (lat - y1) * (x2 - x1)
    )
    return hits % 2 == 1


class Inside(Func):
    """True for rows whose ``lon_e7``, ``lat_e7`` lie inside the corners."""

    output_field = BooleanField()

    def __init__(self, corners: list[Point]) -> None:
        super().__init__(F("lon_e7"), F("lat_e7"))
        self.corners = tuple(corners)

    def as_sql(
        self,
        compiler: Any,
        connection: Any,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> tuple[str, tuple[Any, ...]]:
        lon, lon_values = compiler.compile(self.source_expressions[0])
        lat, lat_values = compiler.compile(self.source_expressions[1])
        parts: list[str] = []
        values: list[Any] = []
        for x1, y1, x2, y2 in edges(list(self.corners)):
            # Only numbers made here stand in the text; columns come from the compiler.
            parts.append(
                f"CASE WHEN {lat} >= {y1} AND {lat} < {y2} AND (CAST({lon} AS BIGINT) - {x1}) * {y2 - y1}"
                f" < (CAST({lat} AS BIGINT) - {y1}) * {x2 - x1} THEN 1 ELSE 0 END"
            )
            values += [*lat_values, *lat_values, *lon_values, *lat_values]
        return f"(({' + '.join(parts)}) %% 2 = 1)", tuple(values)


def condition(corners: list[Point]) -> Q:
    """Inside the box (an index serves that) and inside the area."""
    west, south, east, north = box(corners)
    return Q(lon_e7__range=(west, east), lat_e7__range=(south, north)) & Q(Inside(corners))


def square_metres(corners: list[Point]) -> float:
    """Area in the projected 3-degree zone of CGCS2000 in which it lies (EPSG:4547 around 114 degrees east)."""
    west, _south, east, _north = box(corners)
    zone = Transformer.from_crs("EPSG:4490", _zone((west + east) / 2e7), always_xy=True)
    xs, ys = zone.transform([lon / 1e7 for lon, _ in corners], [lat / 1e7 for _, lat in corners])
    twice = sum(x * ys[i - 1] - xs[i - 1] * y for i, (x, y) in enumerate(zip(xs, ys, strict=True)))
    return abs(twice) / 2


def _zone(lon: float) -> str:
    """The transverse Mercator zone of 3 degrees around the nearest meridian."""
    return f"+proj=tmerc +lat_0=0 +lon_0={round(lon / 3) * 3} +k=1 +x_0=500000 +y_0=0 +ellps=GRS80 +units=m +no_defs"
