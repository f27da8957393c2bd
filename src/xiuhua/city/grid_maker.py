"""A plausible built-up area where no licensed shapes exist: generated, the same each time, marked simulated.

``data/xianning/built_up.yaml`` is the recipe. An area is a bent lattice; every node is computed once, so that
neighbouring cells share their corners to the last digit and there are neither gaps nor overlaps. Cells are unit
grids of about 10,000 m2; blocks of them are communities; roads run along lattice lines.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, product
from pathlib import Path

import shapely
import yaml
from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field
from shapely import LineString, Point, Polygon

from xiuhua.city import memory
from xiuhua.city.codes import make_grid_code
from xiuhua.city.coordinates import Datum, from_wgs84, to_e7, to_wgs84
from xiuhua.city.division_import import XIANNING, short_name
from xiuhua.city.grid_import import GridRow, import_rows
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Division, Place, Platform, ResponsibilityGrid, UnitGrid

RECIPE = XIANNING / "built_up.yaml"
SOURCE = "simulated: built_up.yaml"
#: A community of more unit grids than this is walked by two patrols.
_ONE_PATROL = 14

Node = tuple[int, int]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(_Model):
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Road(Named):
    #: "v3": the third lattice line from the west; "h3": from the north.
    line: str = Field(pattern=r"^[vh]\d+$")


class Area(_Model):
    """One built-up area of the recipe; lengths in metres, centre in CGCS2000 degrees."""

    county: str
    platform: str
    centre: tuple[float, float]
    turn_deg: float
    cell_m: float = Field(gt=20)
    columns: int = Field(gt=0, le=60)
    rows: int = Field(gt=0, le=60)
    rounded: bool = False
    bend_m: float = 0.0
    column_cuts: tuple[int, ...]
    row_cuts: tuple[tuple[int, ...], ...]
    communities: tuple[tuple[str, ...], ...]
    roads: tuple[Road, ...]
    places: tuple[Named, ...]


class Recipe(_Model):
    source: Named
    areas: tuple[Area, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One unit grid of the lattice."""

    code: str
    community: str
    column: int
    row: int
    shape: Polygon


@dataclass(frozen=True, slots=True)
class BuiltUp:
    """A generated area in CGCS2000 degrees: cells in the order of their codes, roads with their lattice line."""

    area: Area
    cells: tuple[Cell, ...]
    communities: dict[str, Polygon]
    sub_districts: dict[str, Polygon]
    roads: tuple[tuple[Road, LineString], ...]
    junctions: tuple[tuple[Road, Road, Point], ...]


def read_recipe(path: Path = RECIPE) -> Recipe:
    """Read and check the recipe; raises pydantic.ValidationError naming the field."""
    return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def make(area: Area) -> BuiltUp:
    """Generate one area.

    1. Bend a lattice and turn it about the centre. 2. Leave out the corners of a rounded area. 3. Give each cell
    to the community of its block. 4. Number the cells of a community from west to east, then north to south.
    5. Unite cells to communities and these to sub-districts. 6. Lay roads along lattice lines.
    """
    nodes = _nodes(area)
    kept = [(c, r) for r, c in product(range(area.rows), range(area.columns)) if _kept(area, c, r)]
    count: dict[str, int] = {}
    cells: list[Cell] = []
    for column, row in kept:
        community = _community(area, column, row)
        count[community] = count.get(community, 0) + 1
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        outline = Polygon([nodes[corner] for corner in corners])
        cells.append(Cell(make_grid_code(community, count[community]), community, column, row, outline))
    cells.sort(key=lambda cell: cell.code)
    communities = {
        code: shapely.union_all([cell.shape for cell in cells if cell.community == code]) for code in sorted(count)
    }
    streets = sorted({code[:9] for code in communities})
    sub_districts = {
        street: shapely.union_all([shape for code, shape in communities.items() if code[:9] == street])
        for street in streets
    }
    laid = [(road, _road_nodes(area, road, set(kept))) for road in area.roads]
    roads = tuple((road, LineString([nodes[node] for node in path])) for road, path in laid)
    junctions = tuple(
        (first, second, Point(nodes[node]))
        for (first, path), (second, other) in product(laid, laid)
        if first.line[0] == "v" and second.line[0] == "h"
        for node in path
        if node in other
    )
    return BuiltUp(area, tuple(cells), communities, sub_districts, roads, junctions)


def _nodes(area: Area) -> dict[Node, tuple[float, float]]:
    """The lattice in degrees, rounded once to 1e-7."""
    chance = random.Random(f"built-up {area.county}")  # noqa: S311  the same shapes each time
    xs, ys = _steps(area.columns, area.cell_m, chance), _steps(area.rows, area.cell_m, chance)
    east, north = from_wgs84(*area.centre, Datum.EPSG4547)
    cos, sin = math.cos(math.radians(area.turn_deg)), math.sin(math.radians(area.turn_deg))
    phase = chance.uniform(0, math.tau)
    nodes: dict[Node, tuple[float, float]] = {}
    for column, row in product(range(area.columns + 1), range(area.rows + 1)):
        x = xs[column] + area.bend_m * math.sin(phase + ys[row] / 430) + chance.uniform(-5, 5)
        y = -ys[row] + area.bend_m * math.sin(phase + xs[column] / 610) + chance.uniform(-5, 5)
        lon, lat = to_wgs84(east + x * cos - y * sin, north + x * sin + y * cos, Datum.EPSG4547)
        nodes[column, row] = (round(lon, 7), round(lat, 7))
    return nodes


def _steps(count: int, step: float, chance: random.Random) -> list[float]:
    """``count`` + 1 places about zero, in metres, with streets of uneven width."""
    places = [0.0]
    for _ in range(count):
        places.append(places[-1] + step * chance.uniform(0.84, 1.16))
    return [place - places[-1] / 2 for place in places]


def _kept(area: Area, column: int, row: int) -> bool:
    if not area.rounded:
        return True
    u, v = (2 * column + 1) / area.columns - 1, (2 * row + 1) / area.rows - 1
    return u**4 + v**4 <= 1


def _community(area: Area, column: int, row: int) -> str:
    block = sum(column >= cut for cut in area.column_cuts)
    return area.communities[sum(row >= cut for cut in area.row_cuts[block])][block]


def _road_nodes(area: Area, road: Road, kept: set[Node]) -> list[Node]:
    """The lattice line of a road as far as cells lie along it."""
    at = int(road.line[1:])
    steps: list[tuple[Node, Node, Node, Node]] = []  # from, to, and the cells on both sides
    if road.line[0] == "v":
        steps = [((at, r), (at, r + 1), (at - 1, r), (at, r)) for r in range(area.rows)]
    else:
        steps = [((c, at), (c + 1, at), (c, at - 1), (c, at)) for c in range(area.columns)]
    path: list[Node] = []
    for start, end, left, right in steps:
        if left in kept or right in kept:
            path += [end] if path else [start, end]
    return path


@transaction.atomic
def load(since: date, recipe: Path = RECIPE) -> int:
    """Write every area of the recipe as simulated rows; returns the number of unit grids.

    Divisions and platforms must stand (`division_import.import_city`). Unit grids pass the same checks as an
    imported file; raises RuntimeError if one of them fails, because then the recipe is wrong.
    """
    total = 0
    for area in read_recipe(recipe).areas:
        made = make(area)
        platform = Platform.objects.get(code=area.platform)
        _shape_divisions(made)
        rows = [
            GridRow(number, cell.code, cell.shape, {"code": cell.code}) for number, cell in enumerate(made.cells, 1)
        ]
        report = import_rows(rows, since, platform=platform, simulated=True, source=SOURCE)
        if report.faults:
            raise RuntimeError(f"{recipe.name}: {report.faults[0].code}: {report.faults[0].message.en}")
        _patrols(made, platform, since)
        _places(made, platform)
        total += len(made.cells)
    memory.bump(TABLE_NAME)
    return total


def _shape_divisions(made: BuiltUp) -> None:
    shapes = {**made.communities, **made.sub_districts}
    rows = list(Division.objects.filter(code__in=shapes))
    for row in rows:
        outline = shapes.pop(row.code)
        label = outline.representative_point()
        row.boundary, row.simulated = shapely.to_wkb(outline), True
        row.label_lon, row.label_lat = round(label.x, 6), round(label.y, 6)
    if shapes:
        raise RuntimeError(f"unknown division {min(shapes)} in the recipe")
    Division.objects.bulk_update(rows, ["boundary", "simulated", "label_lon", "label_lat"])


def patrols(made: BuiltUp) -> dict[str, tuple[str, ...]]:
    """Responsibility grids: code (community + Z + number) -> its unit grids; large communities are halved."""
    found: dict[str, tuple[str, ...]] = {}
    for community in made.communities:
        cells = sorted((c for c in made.cells if c.community == community), key=lambda c: (c.column, c.row))
        cuts = [0, len(cells)] if len(cells) <= _ONE_PATROL else [0, len(cells) // 2, len(cells)]
        for number, (start, end) in enumerate(pairwise(cuts), 1):
            found[f"{community}Z{number:02d}"] = tuple(sorted(cell.code for cell in cells[start:end]))
    return found


def _patrols(made: BuiltUp, platform: Platform, since: date) -> None:
    names = dict(Division.objects.filter(code__in=made.communities).values_list("code", "name"))
    english = dict(Division.objects.filter(code__in=made.communities).values_list("code", "name_en"))
    ids = dict(UnitGrid.objects.current().filter(code__in=[c.code for c in made.cells]).values_list("code", "pk"))
    for code, members in patrols(made).items():
        community, number = code[:12], int(code[-2:])
        row, _new = ResponsibilityGrid.objects.current().get_or_create(
            code=code,
            valid_to=None,
            defaults={
                "name": f"{short_name(names[community])}{number}号责任网格",
                "name_en": f"{english[community]}, responsibility grid {number}",
                "platform": platform,
                "valid_from": since,
                "simulated": True,
                "source": SOURCE,
            },
        )
        row.unit_grids.set([ids[member] for member in members])


def _places(made: BuiltUp, platform: Platform) -> None:
    """Roads, their junctions and one place per community; what an earlier run made here is replaced."""
    source = f"{SOURCE} {made.area.county}"
    rows = [_place(platform, "road", road.zh, road.en, line) for road, line in made.roads]
    for first, second, point in made.junctions:
        zh, en = f"{first.zh}与{second.zh}交叉口", f"{first.en} and {second.en}"
        rows.append(_place(platform, "junction", zh, en, point))
    names = dict(Division.objects.filter(code__in=made.communities).values_list("code", "name"))
    english = dict(Division.objects.filter(code__in=made.communities).values_list("code", "name_en"))
    for turn, community in enumerate(made.communities):
        kind = made.area.places[turn % len(made.area.places)]
        cells = [cell for cell in made.cells if cell.community == community]
        point = cells[len(cells) // 2].shape.representative_point()
        name = f"{short_name(names[community])}{kind.zh}（模拟）"
        rows.append(_place(platform, "poi", name, f"{english[community]} {kind.en} (simulated)", point))
    for row in rows:
        row.source = source
    Place.objects.filter(platform=platform, source=source).delete()
    Place.objects.bulk_create(rows)


def _place(platform: Platform, kind: str, zh: str, en: str, shape: shapely.Geometry) -> Place:
    middle = shape.interpolate(0.5, normalized=True) if kind == "road" else shape
    return Place(
        platform=platform,
        kind=kind,
        name=zh,
        name_en=en,
        geometry=shapely.to_wkb(shape),
        lon_e7=to_e7(middle.x),
        lat_e7=to_e7(middle.y),
        simulated=True,
    )
