"""The demo's ground: real divisions and county boundaries, simulated communities, grids and roads.

The built-up area is a warped lattice around the centre of 咸安区: columns west to east, rows north to south, lines
shared by neighbours so that there is no gap and no overlap. Blocks of the lattice are unit grids of about 10,000 m2,
5 x 8 of them one community, four communities one sub-district. Every county gets a small one of its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import shapely
from django.db import transaction

from xiuhua.city import coordinates, ground_import, memory
from xiuhua.city.codes import make_grid_code
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Division, Place, Platform, ResponsibilityGrid, UnitGrid

SINCE = date(2026, 1, 1)
SOURCE = "simulated by the demo"
CENTRE = (114.3280, 29.8420)  # degrees; the middle of the simulated built-up area
BLOCK = 100.0  # metres
COMMUNITY = (8, 5)  # columns, rows of unit grids
STREETS = ("421202001", "421202002", "421202003")
ROAD_EVERY = 4
NORTH_SOUTH = ("云溪路", "枫林路", "明月路", "清风路", "望湖路", "竹影路", "听泉路")
WEST_EAST = ("一环北路", "桂香路", "锦绣路", "花溪路", "星河路", "南苑路")


@dataclass(frozen=True)
class Lattice:
    """Corner points in degrees, ``at(column, row)``; row 0 is the northern edge."""

    points: dict[tuple[int, int], tuple[float, float]]

    @classmethod
    def around(cls, centre: tuple[float, float], columns: int, rows: int, rng: random.Random) -> Lattice:
        east, north = coordinates.from_wgs84(*centre, coordinates.Datum.EPSG4547)
        xs, ys = _steps(columns, rng), _steps(rows, rng)
        left, top = east - xs[-1] / 2, north + ys[-1] / 2
        phase = rng.uniform(0, math.tau)
        points = {}
        for c, x in enumerate(xs):
            for r, y in enumerate(ys):
                bend = 14 * math.sin(phase + y / 420)
                swell = 11 * math.sin(phase + x / 510)
                lon, lat = coordinates.to_wgs84(left + x + bend, top - y + swell, coordinates.Datum.EPSG4547)
                points[c, r] = (round(lon, 7), round(lat, 7))
        return cls(points)

    def block(self, column: int, row: int, columns: int = 1, rows: int = 1) -> shapely.Polygon:
        """The outline of blocks; every lattice point on it is a corner, so neighbours share their edges."""
        west, north, east, south = column, row, column + columns, row + rows
        ring = [self.points[c, north] for c in range(west, east)]
        ring += [self.points[east, r] for r in range(north, south)]
        ring += [self.points[c, south] for c in range(east, west, -1)]
        ring += [self.points[west, r] for r in range(south, north, -1)]
        return shapely.Polygon(ring)


def _steps(count: int, rng: random.Random) -> list[float]:
    at, found = 0.0, [0.0]
    for _ in range(count):
        at += BLOCK * rng.uniform(0.86, 1.16)
        found.append(at)
    return found


@transaction.atomic
def load(rng: random.Random) -> None:
    """Divisions, then the simulated layers of the city and of its counties."""
    ground_import.import_city()
    platforms = {p.code: p for p in Platform.objects.all()}
    city = next(p for p in platforms.values() if p.level == Platform.Level.CITY)
    columns, rows = COMMUNITY[0] * len(STREETS), COMMUNITY[1] * 4
    lattice = Lattice.around(CENTRE, columns, rows, rng)
    communities = []
    for s, street in enumerate(STREETS):
        names = Division.objects.filter(parent__code=street, level="village", name__contains="社区").order_by("code")[
            :4
        ]
        communities += [(row, s * COMMUNITY[0], i * COMMUNITY[1]) for i, row in enumerate(names)]
    for division, column, row in communities:
        _community(division, lattice, column, row, COMMUNITY, city)
    _roads(lattice, columns, rows, city)
    for code, platform in sorted(platforms.items()):
        if platform.level == Platform.Level.COUNTY:
            _county(Division.objects.get(code=code), platform, rng)
    memory.bump(TABLE_NAME)


def _community(
    division: Division, lattice: Lattice, column: int, row: int, size: tuple[int, int], platform: Platform
) -> None:
    """Outline, unit grids numbered west to east then north to south, and two responsibility grids."""
    outline = lattice.block(column, row, *size)
    division.boundary, division.simulated = shapely.to_wkb(outline), True
    division.label_lon, division.label_lat = outline.centroid.x, outline.centroid.y
    division.save(update_fields=["boundary", "simulated", "label_lon", "label_lat"])
    made = UnitGrid.objects.bulk_create(list(_grids(division, lattice, column, row, size, platform)))
    half = len(made) // 2
    for number, part in enumerate((made[:half], made[half:]), start=1):
        patrol = ResponsibilityGrid.objects.create(
            code=f"{division.code}Z{number:02d}",
            name=f"{division.name}责任网格{number}",
            name_en=f"Responsibility grid {number} of {division.code}",
            platform=platform,
            valid_from=SINCE,
            simulated=True,
            source=SOURCE,
        )
        patrol.unit_grids.set(part)


def _grids(
    division: Division, lattice: Lattice, column: int, row: int, size: tuple[int, int], platform: Platform
) -> Iterator[UnitGrid]:
    number = 0
    for r in range(row, row + size[1]):
        for c in range(column, column + size[0]):
            number += 1
            shape = lattice.block(c, r)
            yield UnitGrid(
                code=make_grid_code(division.code, number),
                community=division.code,
                platform=platform,
                boundary=shapely.to_wkb(shape),
                area_m2=round(_area(shape), 1),
                valid_from=SINCE,
                simulated=True,
                source=SOURCE,
            )


def _area(shape: shapely.Polygon) -> float:
    ring = [coordinates.from_wgs84(x, y, coordinates.Datum.EPSG4547) for x, y in shape.exterior.coords]
    return shapely.Polygon(ring).area


def _roads(lattice: Lattice, columns: int, rows: int, city: Platform) -> None:
    """Roads along every fourth line, and their junctions."""
    lines = [
        (name, [lattice.points[c, r] for r in range(rows + 1)])
        for name, c in zip(NORTH_SOUTH, range(0, columns + 1, ROAD_EVERY), strict=False)
    ] + [
        (name, [lattice.points[c, r] for c in range(columns + 1)])
        for name, r in zip(WEST_EAST, range(0, rows + 1, ROAD_EVERY), strict=False)
    ]
    found = [_place(city, "road", name, shapely.LineString(points)) for name, points in lines]
    for a, c in zip(NORTH_SOUTH, range(0, columns + 1, ROAD_EVERY), strict=False):
        for b, r in zip(WEST_EAST, range(0, rows + 1, ROAD_EVERY), strict=False):
            found.append(_place(city, "junction", f"{a}{b}路口", shapely.Point(lattice.points[c, r])))
    Place.objects.bulk_create(found)


def _place(platform: Platform, kind: str, name: str, shape: shapely.Geometry) -> Place:
    middle = shape.interpolate(0.5, normalized=True) if kind == "road" else shape
    return Place(
        platform=platform,
        kind=kind,
        name=name,
        geometry=shapely.to_wkb(shape),
        lon_e7=round(middle.x * 1e7),
        lat_e7=round(middle.y * 1e7),
        simulated=True,
        source=SOURCE,
    )


def _county(county: Division, platform: Platform, rng: random.Random) -> None:
    """A small built-up area around the county's label point: one community of 5 x 4 unit grids."""
    # The city's own three streets have their shapes already.
    free = Division.objects.filter(code__startswith=county.code, level="village", boundary__isnull=True)
    community = free.filter(name__contains="社区").exclude(parent__code__in=STREETS).order_by("code").first()
    if community is None or county.label_lon is None or county.label_lat is None:
        return
    lattice = Lattice.around((county.label_lon, county.label_lat), 5, 4, rng)
    _community(community, lattice, 0, 0, (5, 4), platform)
    line = shapely.LineString([lattice.points[2, r] for r in range(5)])
    Place.objects.bulk_create([_place(platform, "road", "城关路", line)])
