"""Tiles read back by an independent decoder, and drawn areas asked of the database and of shapely."""

from __future__ import annotations

from typing import Any

import mapbox_vector_tile
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.casework.maps import area, mvt
from xiuhua.casework.maps.mvt import Feature
from xiuhua.casework.maps.tile_math import Tile

UNITS = st.integers(-64, mvt.EXTENT + 64)
POINT = st.tuples(UNITS, UNITS)
VALUE = st.one_of(
    st.text("ab é城市井盖🧵", max_size=8),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)
PROPERTIES = st.dictionaries(st.sampled_from(["a", "名", "point_count", "x"]), VALUE, max_size=4)


def read(tile: bytes) -> list[dict[str, Any]]:
    found = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})
    return found["l"]["features"] if found else []


@given(st.lists(st.tuples(POINT, PROPERTIES, st.integers(0, 2**60)), max_size=30))
def test_points_come_back(rows: list[Any]) -> None:
    tile = mvt.encode("l", [Feature("point", [[at]], properties, pk) for at, properties, pk in rows])
    back = read(tile)
    assert [tuple(one["geometry"]["coordinates"]) for one in back] == [at for at, _p, _k in rows]
    for one, (_at, properties, pk) in zip(back, rows, strict=True):
        assert one["id"] == pk
        assert one["properties"] == properties
        assert {k: type(v) for k, v in one["properties"].items()} == {k: type(v) for k, v in properties.items()}


@given(st.lists(POINT, min_size=2, max_size=20, unique=True))
def test_lines_come_back(points: list[tuple[int, int]]) -> None:
    (back,) = read(mvt.encode("l", [Feature("line", [points])]))
    assert [tuple(at) for at in back["geometry"]["coordinates"]] == points


def test_a_polygon_with_a_hole_comes_back() -> None:
    outer = [(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)]
    hole = [(10, 10), (10, 20), (20, 20), (20, 10), (10, 10)]
    (back,) = read(mvt.encode("l", [Feature("polygon", [outer, hole])]))
    assert back["geometry"]["type"] == "Polygon"
    got = shapely.Polygon(back["geometry"]["coordinates"][0], back["geometry"]["coordinates"][1:])
    assert got.equals(shapely.Polygon(outer, [hole]))


def test_nothing_is_an_empty_tile() -> None:
    assert mvt.encode("l", []) == b""


@given(st.integers(0, 18), st.floats(-179, 179), st.floats(-84, 84))
def test_a_point_lies_in_exactly_one_tile(z: int, lon: float, lat: float) -> None:
    import math

    x = int((lon + 180) / 360 * 2**z)
    y = int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z)
    at = (math.floor(lon * 1e7), math.floor(lat * 1e7))
    hits = []
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            tile = Tile(z, x + dx, y + dy)
            if tile.exists:
                west, south, east, north = tile.bounds_e7
                if west <= at[0] < east and south <= at[1] < north:
                    hits.append(tile)
    assert len(hits) == 1


RING = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=3, max_size=12, unique=True)


@given(RING, st.integers(0, 400), st.integers(0, 400))
def test_inside_agrees_with_shapely(ring: list[tuple[int, int]], x: int, y: int) -> None:
    polygon = shapely.Polygon(ring)
    point = shapely.Point(x + 0.5, y + 0.25)  # off every corner; the edges may still be hit
    if not polygon.is_valid or polygon.exterior.distance(point) < 1e-9:
        return
    scaled = [(px * 4, py * 4) for px, py in ring]
    assert area.inside(scaled, x * 4 + 2, y * 4 + 1) == polygon.contains(point)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,2", "1,2;3,4", "1,2;3,4;nan,1", "1,2;3,4;200,1", "0,0;50,0;50,50", "1,1;2,2;1,1", "1,1;1,2;1,3",
     ";".join(f"{n / 1000},{n % 7 / 1000}" for n in range(101))],
)  # fmt: skip
def test_what_is_no_area_is_refused(text: str) -> None:
    assert area.read(text) is None


def test_the_area_is_that_of_the_projected_zone() -> None:
    from pyproj import Transformer

    corners = area.read("114.3,29.8;114.31,29.8;114.31,29.81;114.3,29.81")
    assert corners is not None
    zone = Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)
    expected = shapely.Polygon([zone.transform(lon / 1e7, lat / 1e7) for lon, lat in corners]).area
    assert area.square_metres(corners) == pytest.approx(expected, abs=0.01)
    assert 1_000_000 < expected < 1_100_000
