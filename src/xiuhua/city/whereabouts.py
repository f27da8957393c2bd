"""Where a point is, in words: at which junction, on or beside which road, how far and on which side.

The words follow the location text of the geocoding part: "青禾路以东约30米". Distances are measured on a plane of
metres scaled at the latitude of the places, good to half a percent inside one city.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import STRtree

from xiuhua.manifest import Text

#: Metres of one degree of latitude on the mean earth.
METRES_PER_DEGREE = 111_195.0
#: How near a place must be to be named, metres.
REACH_M = 500.0
_JUNCTION_M = 40.0
_ON_ROAD_M = 8.0

_SIDES = (
    Text("以东", "east of"),
    Text("东北侧", "north-east of"),
    Text("以北", "north of"),
    Text("西北侧", "north-west of"),
    Text("以西", "west of"),
    Text("西南侧", "south-west of"),
    Text("以南", "south of"),
    Text("东南侧", "south-east of"),
)


@dataclass(frozen=True, slots=True)
class PlaceInfo:
    """A place as far as words need it."""

    id: int
    kind: str
    name: str
    name_en: str
    simulated: bool

    @property
    def title(self) -> Text:
        return Text(self.name, self.name_en or self.name)


@dataclass(frozen=True, slots=True)
class Near:
    """A place near a point: metres between them and the direction from place to point, degrees from east."""

    place: PlaceInfo
    metres: float
    bearing: float


class Places:
    """Roads, junctions and points of interest by nearness. ``rows`` are places with their WKB in degrees."""

    def __init__(self, rows: Iterable[tuple[PlaceInfo, bytes]]) -> None:
        pairs = list(rows)
        self.infos = tuple(info for info, _ in pairs)
        degrees = shapely.from_wkb([wkb for _, wkb in pairs])
        latitudes = shapely.get_coordinates(degrees)[:, 1] if pairs else np.zeros(1)
        self._scale = np.array([math.cos(math.radians(float(latitudes.mean()))), 1.0]) * METRES_PER_DEGREE
        self._shapes: Any = shapely.transform(degrees, lambda xy: xy * self._scale) if pairs else degrees
        self._of_kind: dict[str, tuple[Any, STRtree]] = {}
        for kind in {info.kind for info in self.infos}:
            index = np.flatnonzero([info.kind == kind for info in self.infos])
            self._of_kind[kind] = (index, STRtree(self._shapes[index]))

    def __len__(self) -> int:
        return len(self.infos)

    def nearest(self, lon: float, lat: float, kind: str, reach: float = REACH_M) -> Near | None:
        """The nearest place of a kind within ``reach`` metres (the first loaded when several are as near)."""
        if kind not in self._of_kind or not (math.isfinite(lon) and math.isfinite(lat)):
            return None
        index, tree = self._of_kind[kind]
        point = shapely.Point(np.array([lon, lat]) * self._scale)
        found = tree.query_nearest(point, max_distance=reach)
        if not len(found):
            return None
        place = int(index[found.min()])
        (x0, y0), (x1, y1) = shapely.shortest_line(self._shapes[place], point).coords
        bearing = math.degrees(math.atan2(y1 - y0, x1 - x0)) % 360
        return Near(self.infos[place], math.hypot(x1 - x0, y1 - y0), bearing)

    def describe(self, lon: float, lat: float) -> Text | None:
        """The point in words, or None when no junction and no road is near."""
        junction = self.nearest(lon, lat, "junction", _JUNCTION_M)
        if junction:
            title = junction.place.title
            return Text(f"{title.zh}附近", f"near {title.en}")
        road = self.nearest(lon, lat, "road")
        if road is None:
            return None
        title = road.place.title
        if road.metres <= _ON_ROAD_M:
            return Text(f"{title.zh}上", f"on {title.en}")
        side = _SIDES[round(road.bearing / 45) % 8]
        step = 5 if road.metres < 100 else 10
        about = round(road.metres / step) * step
        return Text(f"{title.zh}{side.zh}约{about}米", f"about {about} m {side.en} {title.en}")
