"""Where a point is: unit grid, responsibility grid, community, sub-district, county and platform.

All layers lie in memory as STRtrees over the stored shapes (`memory.Table` "ground"); one point and a million
go the same way. A point on an edge belongs to the touching feature with the lowest code. Where a layer has no
shape for a point (no licensed township boundary exists), the value is read from the grid's code, then from the
community's. A point outside the city is an answer, not an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import STRtree

from xiuhua.city import memory
from xiuhua.city.codes import CodeError, grid_code
from xiuhua.city.models import Division, Place, Platform, ResponsibilityGrid, UnitGrid
from xiuhua.city.whereabouts import PlaceInfo, Places
from xiuhua.manifest import Text

#: Name of the in-memory table: whoever changes platforms, divisions, grids or places bumps it.
TABLE_NAME = "ground"

Codes = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.intp]

#: Carried boundaries are simplified by up to 300 m and phones err: so far beyond them a place may still be the city's.
REACH_DEGREES = 0.005  # about 500 m

_CHUNK = 100_000  # points at a time: bounds the memory of a million


@dataclass(frozen=True, slots=True)
class Located:
    """Codes of what contains one point; '' where nothing does."""

    grid: str = ""
    responsibility_grid: str = ""
    community: str = ""
    sub_district: str = ""
    county: str = ""
    platform: str = ""
    inside_city: bool = False


@dataclass(frozen=True, slots=True)
class LocatedArrays:
    """The same for many points: one array of codes per field, in the order of the points."""

    grid: Codes
    responsibility_grid: Codes
    community: Codes
    sub_district: Codes
    county: Codes
    platform: Codes
    inside_city: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.grid)

    def __getitem__(self, index: int) -> Located:
        return Located(
            str(self.grid[index]),
            str(self.responsibility_grid[index]),
            str(self.community[index]),
            str(self.sub_district[index]),
            str(self.county[index]),
            str(self.platform[index]),
            bool(self.inside_city[index]),
        )


class Layer:
    """Features with a code and a polygon each, sorted by code, so that the lowest index is the lowest code."""

    def __init__(self, rows: Iterable[tuple[str, bytes | memoryview]]) -> None:
        ordered = sorted((code, bytes(wkb)) for code, wkb in rows)
        self.codes: list[str] = [code for code, _ in ordered]
        self.index: dict[str, int] = {code: place for place, code in enumerate(self.codes)}
        self.shapes: Any = shapely.from_wkb([wkb for _, wkb in ordered])
        self.tree = STRtree(self.shapes)
        shapely.prepare(self.shapes)
        # The index of a prepared shape is made by its first use: make it here, before threads share it.
        shapely.intersects(self.shapes, shapely.point_on_surface(self.shapes))
        #: Indexed by what `find` returns: -1, nothing, is the last entry.
        self.lookup: Codes = np.array([*self.codes, ""], dtype=np.str_)

    def __len__(self) -> int:
        return len(self.codes)

    def find(self, points: Any) -> Indexes:
        """Index of the lowest feature that each point lies in or on; -1 for none."""
        # The tree compares boxes only; its own predicate would prepare the points instead of the shapes.
        which, feature = self.tree.query(points)
        hit = shapely.intersects(self.shapes[feature], points[which])
        lowest = np.full(len(points), len(self), dtype=np.intp)
        np.minimum.at(lowest, which[hit], feature[hit])
        lowest[lowest == len(self)] = -1
        return lowest

    def shape(self, code: str) -> Any | None:
        place = self.index.get(code)
        return None if place is None else self.shapes[place]

    def is_near(self, point: Any, degrees: float) -> bool:
        """Whether a feature lies within so many degrees of the point."""
        return bool(len(self.tree.query(point, predicate="dwithin", distance=degrees)))

    def touching(self, code: str) -> tuple[str, ...]:
        """Codes of the features that share an edge or a corner with this one, in order."""
        place = self.index.get(code)
        if place is None:
            return ()
        near = self.tree.query(self.shapes[place], predicate="intersects")
        return tuple(self.codes[other] for other in sorted(near) if other != place)


@dataclass(frozen=True)
class Ground:
    """All layers as they stood at one version. ``responsibility`` and the columns after it follow the grids."""

    grids: Layer
    communities: Layer
    sub_districts: Layer
    counties: Layer
    cities: Layer
    responsibility: Codes
    grid_platform: Codes
    grid_prefixes: dict[str, Codes]
    county_platform: dict[str, str]
    city_platform: str
    names: dict[str, tuple[str, str]]
    places: Places

    def locate_many(self, lons: Any, lats: Any) -> LocatedArrays:
        """As `locate_many` of the module."""
        xs, ys = np.asarray(lons, dtype=np.float64).ravel(), np.asarray(lats, dtype=np.float64).ravel()
        if xs.shape != ys.shape:
            raise ValueError(f"{xs.size} longitudes but {ys.size} latitudes")
        pieces = [
            self._chunk(xs[start : start + _CHUNK], ys[start : start + _CHUNK])
            for start in range(0, max(xs.size, 1), _CHUNK)
        ]
        if len(pieces) == 1:
            return pieces[0]
        names = [one.name for one in fields(LocatedArrays)]
        return LocatedArrays(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))

    def _chunk(self, xs: Floats, ys: Floats) -> LocatedArrays:
        # A point at infinity stands for what is no position: it lies in nothing.
        bad = ~(np.isfinite(xs) & np.isfinite(ys))
        points = shapely.points(np.where(bad, 1e9, xs), np.where(bad, 1e9, ys))
        grid_at = self.grids.find(points)
        community_at = self.communities.find(points)
        community = self._or_prefix(self.communities.lookup[community_at], grid_at, "community")
        street = self._or_prefix(self.sub_districts.lookup[self.sub_districts.find(points)], grid_at, "street")
        county = self._or_prefix(self.counties.lookup[self.counties.find(points)], grid_at, "county")
        street = np.where(street == "", community.astype("U9"), street)
        county = np.where(county == "", community.astype("U6"), county)
        inside = (county != "") | (grid_at >= 0)
        rest = np.flatnonzero(~inside)
        inside[rest] = self.cities.find(points[rest]) >= 0
        return LocatedArrays(
            self.grids.lookup[grid_at],
            self.responsibility[grid_at],
            community,
            street,
            county,
            self._platform(grid_at, county, inside),
            inside,
        )

    def _or_prefix(self, codes: Codes, grid_at: Indexes, part: str) -> Codes:
        return np.where(codes == "", self.grid_prefixes[part][grid_at], codes)

    def _platform(self, grid_at: Indexes, county: Codes, inside: npt.NDArray[np.bool_]) -> Codes:
        """The grid's platform, else that of the county, else the city's."""
        found = self.grid_platform[grid_at]
        rest = found == ""
        if not rest.any():
            return found
        known, back = np.unique(county[rest], return_inverse=True)
        of_county = np.array([self.county_platform.get(str(code), "") for code in known], dtype=np.str_)[back]
        others = np.where((of_county == "") & inside[rest], self.city_platform, of_county)
        filled = np.zeros(len(found), dtype=others.dtype)
        filled[rest] = others
        return np.where(rest, filled, found)

    def reaches(self, lon: float, lat: float) -> bool:
        """As `reaches` of the module."""
        layers = [layer for layer in (self.cities, self.counties, self.grids) if len(layer)]
        if not (math.isfinite(lon) and math.isfinite(lat)):
            return False
        point = shapely.Point(lon, lat)
        return not layers or any(layer.is_near(point, REACH_DEGREES) for layer in layers)

    def name(self, code: str, language: str | None = None) -> str:
        """Name of a platform, division or responsibility grid; the code itself when it is not known."""
        zh, en = self.names.get(code, (code, ""))
        return en if (language or "").startswith("en") and en else zh


def build() -> Ground:
    """Read all layers from the database."""
    platforms = list(Platform.objects.order_by("level", "code"))
    platform_codes = {row.pk: row.code for row in platforms}
    divisions = list(Division.objects.values_list("code", "name", "name_en", "level", "boundary"))
    layers = {
        level: Layer((code, wkb) for code, _, _, at, wkb in divisions if at == level and wkb is not None)
        for level in Division.Level.values
    }
    rows = list(UnitGrid.objects.current().values_list("pk", "code", "boundary", "platform_id", "community"))
    grids = Layer((code, wkb) for _, code, wkb, _, _ in rows)
    of_code = {code: (pk, platform, community) for pk, code, _, platform, community in rows}
    responsible, names = _responsibility()
    names |= {code: (name, name_en) for code, name, name_en, _, _ in divisions}
    names |= {row.code: (row.name, row.name_en) for row in platforms if row.code not in names}
    cities = [row.code for row in platforms if row.level == Platform.Level.CITY]
    return Ground(
        grids=grids,
        communities=layers["village"],
        sub_districts=layers["township"],
        counties=layers["county"],
        cities=layers["city"],
        responsibility=_column(responsible.get(of_code[code][0], "") for code in grids.codes),
        grid_platform=_column(platform_codes[of_code[code][1]] for code in grids.codes),
        grid_prefixes=_prefixes(grids.codes, {code: row[2] for code, row in of_code.items()}),
        county_platform={row.adcode: row.code for row in platforms if row.level == Platform.Level.COUNTY},
        city_platform=cities[0] if cities else "",
        names=names,
        places=_places(),
    )


def _column(values: Iterable[str]) -> Codes:
    """Values in the order of the grids, with '' at the end for "no grid"."""
    return np.array([*values, ""], dtype=np.str_)


def _responsibility() -> tuple[dict[int, str], dict[str, tuple[str, str]]]:
    """Unit grid id -> code of its patrol grid (the lowest when there are several), and the names."""
    found: dict[int, str] = {}
    current = ResponsibilityGrid.objects.current()
    patrol = current.filter(kind=ResponsibilityGrid.Kind.PATROL).order_by("-code")
    for code, unit_grid in patrol.values_list("code", "unit_grids"):
        if unit_grid is not None:
            found[unit_grid] = code
    return found, {code: (name, en) for code, name, en in current.values_list("code", "name", "name_en")}


def _prefixes(codes: list[str], communities: dict[str, str]) -> dict[str, Codes]:
    """County, street and community that each grid's code nests in; a code of another scheme by its column."""
    columns: dict[str, list[str]] = {"county": [], "street": [], "community": []}
    for code in codes:
        try:
            read = grid_code(code)
            county, street, community = read.county, read.sub_district, read.community
        except CodeError:
            community = communities[code]
            county, street = community[:6], community[:9]
        columns["county"].append(county)
        columns["street"].append(street)
        columns["community"].append(community)
    return {name: _column(values) for name, values in columns.items()}


def _places() -> Places:
    rows = Place.objects.order_by("id").iterator()
    return Places(
        (PlaceInfo(row.pk, row.kind, row.name, row.name_en, row.simulated), bytes(row.geometry)) for row in rows
    )


TABLE: memory.Table[Ground] = memory.Table(TABLE_NAME, build)


def ground() -> Ground:
    """The layers as they are now."""
    return TABLE.get()


def locate(lon: float, lat: float) -> Located:
    """Where one point is (degrees, CGCS2000 = WGS 84). Nothing known is ''; raises nothing for odd numbers."""
    return locate_many([lon], [lat])[0]


def locate_many(lons: Any, lats: Any) -> LocatedArrays:
    """Where many points are; both sequences or arrays of degrees in CGCS2000, of one length.

    Raises ValueError when their lengths differ; NaN and infinite positions lie outside everything.
    """
    return ground().locate_many(lons, lats)


def reaches(lon: float, lat: float) -> bool:
    """Whether the city could be in charge at a point: in its bounds or just beyond them, or no bounds are known."""
    return ground().reaches(lon, lat)


def neighbours(grid: str) -> tuple[str, ...]:
    """Codes of the unit grids that share an edge or a corner with ``grid``; () for an unknown grid."""
    return ground().grids.touching(grid)


def describe(lon: float, lat: float) -> Text | None:
    """One point in words ("青禾路以东约30米"), or None when no road is near."""
    return ground().places.describe(lon, lat)


def name(code: str, language: str | None = None) -> str:
    """Name of a platform, division or responsibility grid by its code."""
    return ground().name(code, language)
