"""Where a point is: unit grid, responsibility grid, community, sub-district, county and platform.

All layers lie in memory over the stored shapes (`layers.Layer`, `memory.Table` "ground"); one point and a million
go the same way. A point on an edge belongs to the touching feature with the lowest code. Where a layer has no
shape for a point (no licensed township boundary exists), the value is read from the grid's code, then from the
community's. A point outside the city is an answer, not an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from xiuhua.city import memory
from xiuhua.city.codes import CodeError, grid_code
from xiuhua.city.layers import Codes, Floats, Indexes, Layer
from xiuhua.city.models import Division, Place, Platform, ResponsibilityGrid, UnitGrid
from xiuhua.city.whereabouts import PlaceInfo, Places
from xiuhua.manifest import Text

#: Name of the in-memory table: whoever changes platforms, divisions, grids or places bumps it.
TABLE_NAME = "ground"

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


class _Chain:
    """A value that is read from the first of several columns that has one. Each column ends with '' for the index -1."""

    def __init__(self, *columns: Codes) -> None:
        self.codes: Codes = np.concatenate(columns)
        self.filled = self.codes != ""
        self._has = [column != "" for column in columns]
        self._starts = np.cumsum([0, *(len(column) for column in columns)])[:-1]

    def at(self, *indexes: Indexes) -> Indexes:
        """Where in ``codes`` the value of each row stands, by the row's index in every column."""
        # One before the start of a column is the '' of the column before it; before the first it is the last of all.
        found = self._starts[-1] + indexes[-1]
        for start, has, index in zip(self._starts[-2::-1], self._has[-2::-1], indexes[-2::-1], strict=True):
            found = np.where(has[index], start + index, found)
        return found

    def first(self, *indexes: int) -> str:
        """The value of one row."""
        for start, has, index in zip(self._starts, self._has, indexes, strict=True):
            if has[index]:
                return str(self.codes[start + index])
        return ""


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
        columns = (self.grids.lookup, self.responsibility, self._communities.codes, self._streets.codes,
                   self._counties.codes, self._platforms.codes)  # fmt: skip
        empty: list[Any] = [np.empty(xs.size, kind) for kind in (*(column.dtype for column in columns), np.bool_)]
        made = LocatedArrays(*empty)
        for start in range(0, xs.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            places, made.inside_city[part] = self._places_of(xs[part], ys[part])
            for field, column, place in zip(fields(LocatedArrays), columns, places, strict=False):
                np.take(column, place, out=getattr(made, field.name)[part], mode="wrap")  # -1 is the '' at the end
        return made

    def _places_of(self, xs: Floats, ys: Floats) -> tuple[tuple[Indexes, ...], npt.NDArray[np.bool_]]:
        """Where in each column the codes of the points stand, and which of them lie inside the city."""
        grid, community = self.grids.find(xs, ys), self.communities.find(xs, ys)
        street = self._streets.at(self.sub_districts.find(xs, ys), grid, community, grid)
        county = self._counties.at(self.counties.find(xs, ys), grid, community, grid)
        inside = self._counties.filled[county] | (grid >= 0)
        rest = np.flatnonzero(~inside)
        inside[rest] = self.cities.find(xs[rest], ys[rest]) >= 0
        platform = self._platforms.at(grid, county, inside.astype(np.intp) - 1)
        return (grid, grid, self._communities.at(community, grid), street, county, platform), inside

    def locate(self, lon: float, lat: float) -> Located:
        """As `locate` of the module."""
        grid, community = self.grids.find_one(lon, lat), self.communities.find_one(lon, lat)
        county = self._counties.first(self.counties.find_one(lon, lat), grid, community, grid)
        inside = bool(county) or grid >= 0 or self.cities.find_one(lon, lat) >= 0
        return Located(
            str(self.grids.lookup[grid]),
            str(self.responsibility[grid]),
            self._communities.first(community, grid),
            self._streets.first(self.sub_districts.find_one(lon, lat), grid, community, grid),
            county,
            str(self.grid_platform[grid])
            or self.county_platform.get(county, "")
            or (self.city_platform if inside else ""),
            inside,
        )

    @cached_property
    def _communities(self) -> _Chain:
        return _Chain(self.communities.lookup, self.grid_prefixes["community"])

    @cached_property
    def _streets(self) -> _Chain:
        by_code = (self.communities.lookup.astype("U9"), self.grid_prefixes["community"].astype("U9"))
        return _Chain(self.sub_districts.lookup, self.grid_prefixes["street"], *by_code)

    @cached_property
    def _counties(self) -> _Chain:
        by_code = (self.communities.lookup.astype("U6"), self.grid_prefixes["community"].astype("U6"))
        return _Chain(self.counties.lookup, self.grid_prefixes["county"], *by_code)

    @cached_property
    def _platforms(self) -> _Chain:
        """The grid's platform, else that of the county, else the city's where the point lies inside."""
        of_county = np.array(
            [*(self.county_platform.get(str(code), "") for code in self._counties.codes)], dtype=np.str_
        )
        return _Chain(self.grid_platform, of_county, np.array([self.city_platform, ""], dtype=np.str_))

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
    return ground().locate(lon, lat)


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
