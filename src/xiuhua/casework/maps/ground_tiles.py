"""Tiles of what stands: components, unit grids, roads. From memory; no statement but the look at the version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import shapely

from xiuhua.casework.maps import mvt
from xiuhua.casework.maps.case_tiles import CELLS, SINGLE_ZOOM, short
from xiuhua.casework.maps.mvt import EXTENT, Feature
from xiuhua.casework.maps.tile_math import Tile
from xiuhua.city import component_points, memory
from xiuhua.city.component_points import Points
from xiuhua.city.locator import TABLE_NAME as GROUND
from xiuhua.city.models import Place, UnitGrid

#: Single components of one tile; beyond, cells with counts.
MOST = 8000
#: How far shapes reach beyond the tile, in tile units, so that no edge of the clipping shows.
BUFFER = 64
#: Tiles kept of one table; the next one empties the shelf.
MOST_KEPT = 1024


@dataclass(frozen=True, eq=False)
class Shapes:
    """Grids and roads with their indexes."""

    grid_codes: list[str]
    grid_pks: list[int]
    grids: Any
    grid_tree: Any
    road_names: list[tuple[str, str]]
    road_pks: list[int]
    roads: Any
    road_tree: Any


def _build() -> Shapes:
    grids = list(UnitGrid.objects.current().order_by("code").values_list("pk", "code", "boundary"))
    roads = list(Place.objects.filter(kind="road").order_by("pk").values_list("pk", "name", "name_en", "geometry"))
    outlines = shapely.orient_polygons(shapely.from_wkb([bytes(row[2]) for row in grids]), exterior_cw=True)
    lines = shapely.from_wkb([bytes(row[3]) for row in roads])
    return Shapes(
        [row[1] for row in grids],
        [row[0] for row in grids],
        outlines,
        shapely.STRtree(outlines),
        [(row[1], row[2] or row[1]) for row in roads],
        [row[0] for row in roads],
        lines,
        shapely.STRtree(lines),
    )


_TABLE: memory.Table[Shapes] = memory.Table(GROUND, _build)
#: Tiles made of a table; they go when it goes.
_made: WeakKeyDictionary[Any, dict[tuple[str, Tile, bool], bytes]] = WeakKeyDictionary()


def version(layer: str) -> int:
    """Version of what a layer shows, as served by this process now."""
    table = _table(layer)
    table.get()
    return table.version or 0


def tile(layer: str, at: Tile, *, english: bool) -> bytes:
    """The bytes of a tile of ``components``, ``grids`` or ``roads``; made once while the table stands."""
    table: Any = _table(layer).get()
    made = _made.setdefault(table, {})
    key = (layer, at, english)
    body = made.get(key)
    if body is None:
        if layer == "components":
            found = components(table, at, english=english)
        elif layer == "grids":
            found = _grids(table, at)
        else:
            found = _roads(table, at, english=english)
        body = mvt.encode(layer, found)
        if len(made) >= MOST_KEPT:
            made.clear()
        made[key] = body
    return body


def _table(layer: str) -> memory.Table[Any]:
    return component_points.TABLE if layer == "components" else _TABLE


def components(points: Points, at: Tile, *, english: bool) -> list[Feature]:
    """Single components close up, cells with counts from afar."""
    inside = points.inside(at.bounds_e7)
    if not len(inside):
        return []
    lons, lats = points.lon_e7[inside], points.lat_e7[inside]
    if at.z >= SINGLE_ZOOM and len(inside) <= MOST:
        xs, ys = at.units(lons / 1e7, lats / 1e7)
        names = [name.en if english else name.zh for name in points.names]
        return [
            Feature("point", (((x, y),),), {"code": code, "name": names[kind]}, pk)
            for x, y, code, kind, pk in zip(
                xs.tolist(),
                ys.tolist(),
                points.code[inside].tolist(),
                points.kind[inside].tolist(),
                points.pk[inside].tolist(),
                strict=True,
            )
        ]
    return _cells(at, lons, lats)


def _cells(at: Tile, lons: Any, lats: Any) -> list[Feature]:
    west, south, east, north = at.bounds_e7
    across, up = -(-(east - west) // CELLS), -(-(north - south) // CELLS)
    cell = (lons - west) // across * CELLS + (lats - south) // up
    which, counts = np.unique(cell, return_counts=True)
    places = np.searchsorted(which, cell)
    xs, ys = at.units(
        np.bincount(places, lons) / counts / 1e7,
        np.bincount(places, lats) / counts / 1e7,
    )
    return [
        Feature("point", (((x, y),),), {"point_count": n, "said": short(n)})
        for x, y, n in zip(xs.tolist(), ys.tolist(), counts.tolist(), strict=True)
    ]


def _box(at: Tile) -> tuple[float, float, float, float]:
    west, south, east, north = at.bounds
    wide, high = (east - west) * BUFFER / EXTENT, (north - south) * BUFFER / EXTENT
    return west - wide, south - high, east + wide, north + high


def _grids(shapes: Shapes, at: Tile) -> list[Feature]:
    box = _box(at)
    which = np.sort(shapes.grid_tree.query(shapely.box(*box)))
    found = []
    for place, part in _parts(shapes.grids, which, box, 2):
        rings = [_path(at, ring) for ring in (part.exterior, *part.interiors)]
        if rings := [ring for ring in rings if len(ring) >= 4]:
            code = shapes.grid_codes[place]
            found.append(Feature("polygon", rings, {"code": code, "name": code[-3:]}, shapes.grid_pks[place]))
    return found


def _roads(shapes: Shapes, at: Tile, *, english: bool) -> list[Feature]:
    box = _box(at)
    which = np.sort(shapes.road_tree.query(shapely.box(*box)))
    found = []
    for place, part in _parts(shapes.roads, which, box, 1):
        line = _path(at, part)
        if len(line) >= 2:
            name = shapes.road_names[place][1 if english else 0]
            found.append(Feature("line", [line], {"name": name, "kind": "main"}, shapes.road_pks[place]))
    return found


def _parts(shapes: Any, which: Any, box: tuple[float, float, float, float], dimension: int) -> Any:
    """(place, simple geometry of that dimension) of every shape cut to the box."""
    cut = shapely.clip_by_rect(shapes[which], *box)
    parts, owner = shapely.get_parts(cut, return_index=True)
    if dimension == 2:
        parts = shapely.orient_polygons(parts, exterior_cw=True)
    kept = shapely.get_dimensions(parts) == dimension
    empty = shapely.is_empty(parts)
    for part, place in zip(parts[kept & ~empty], which[owner[kept & ~empty]], strict=True):
        yield int(place), part


def _path(at: Tile, line: Any) -> list[tuple[int, int]]:
    """Points of a line or ring in tile units, without steps of no length."""
    lons, lats = shapely.get_coordinates(line).T
    xs, ys = at.units(lons, lats)
    kept = np.ones(len(xs), dtype=bool)
    kept[1:] = (np.diff(xs) != 0) | (np.diff(ys) != 0)
    return list(zip(xs[kept].tolist(), ys[kept].tolist(), strict=True))
