"""The locator against a brute force that knows nothing of trees, and the table that keeps it fresh."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xiuhua.city import division_import, layers, locator, memory
from xiuhua.city.grid_import import GridRow, import_rows
from xiuhua.city.layers import Layer
from xiuhua.city.locator import Located, locate, locate_many
from xiuhua.city.models import Division, Place, Platform, ResponsibilityGrid, UnitGrid

SINCE = date(2026, 1, 1)
WEST, SOUTH, STEP = 114.30, 29.80, 0.001
COMMUNITIES = ("421202001002", "421202001003")

# Corners, edges, insides and outsides of the little town all lie on quarter steps.
quarter = st.integers(-4, 20).map(lambda n: n / 4)


def square(column: float, row: float, columns: float = 1, rows: float = 1) -> shapely.Polygon:
    return shapely.box(
        round(WEST + column * STEP, 7),
        round(SOUTH + row * STEP, 7),
        round(WEST + (column + columns) * STEP, 7),
        round(SOUTH + (row + rows) * STEP, 7),
    )


def at(column: float, row: float) -> tuple[float, float]:
    return round(WEST + column * STEP, 7), round(SOUTH + row * STEP, 7)


@pytest.fixture
def town(db, small_city):
    """Two communities of 2 x 4 unit grids each, numbered from the south on purpose; one patrol in the first."""
    division_import.import_city(small_city)
    city = Platform.objects.get(code="421200")
    rows = []
    for side, community in enumerate(COMMUNITIES):
        outline = square(side * 2, 0, 2, 4)
        Division.objects.filter(code=community).update(boundary=shapely.to_wkb(outline), simulated=True)
        for number in range(8):
            shape = square(side * 2 + number % 2, number // 2)
            rows.append(GridRow(len(rows) + 1, f"{community}{number + 1:03d}", shape, {}))
    assert not import_rows(rows, SINCE, platform=city).faults
    patrol = ResponsibilityGrid.objects.create(
        code="421202001002Z01", name="1号责任网格", platform=city, valid_from=SINCE
    )
    patrol.unit_grids.set(UnitGrid.objects.filter(code__lte="421202001002004"))
    memory.bump(locator.TABLE_NAME)
    return city


def brute_force(lon: float, lat: float) -> Located:
    """Every feature asked one by one, in the order of codes."""
    point = shapely.Point(lon, lat)

    def first(rows):
        hits = [code for code, wkb in sorted(rows) if shapely.from_wkb(bytes(wkb)).intersects(point)]
        return hits[0] if hits else ""

    def division(level):
        found = Division.objects.filter(level=level, boundary__isnull=False)
        return first(found.values_list("code", "boundary"))

    grid = first(UnitGrid.objects.filter(valid_to=None).values_list("code", "boundary"))
    patrols = ResponsibilityGrid.objects.filter(unit_grids__code=grid, unit_grids__valid_to=None)
    community = division("village") or grid[:12]
    county = division("county") or grid[:6] or community[:6]
    inside = bool(division("city") or county or grid)
    platform = "421200" if grid or (inside and not county) else county
    return Located(
        grid,
        min(patrols.values_list("code", flat=True), default=""),
        community,
        division("township") or grid[:9] or community[:9],
        county,
        platform,
        inside,
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(quarter, quarter)
def test_any_point_is_located_as_by_brute_force(town, column, row):
    assert locate(*at(column, row)) == brute_force(*at(column, row))


def test_a_corner_of_four_grids_belongs_to_the_lowest_code(town):
    found = locate(*at(2, 1))
    assert (found.grid, found.community) == ("421202001002002", "421202001002")
    assert found.responsibility_grid == "421202001002Z01"


def test_a_sub_district_without_a_shape_is_read_from_the_grid(town):
    assert not Division.objects.filter(level="township", boundary__isnull=False).exists()
    assert locate(*at(3.5, 3.5)).sub_district == "421202001"


def test_a_grid_in_a_community_without_a_shape(town):
    Division.objects.filter(level="village").update(boundary=None)
    memory.bump(locator.TABLE_NAME)
    found = locate(*at(3.5, 3.5))
    assert (found.grid, found.community) == ("421202001003008", "421202001003")


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        (116.4, 39.9, Located()),
        (float("nan"), 29.8, Located()),
        (float("inf"), float("-inf"), Located()),
        (114.45, 29.90, Located(county="421202", platform="421202", inside_city=True)),
        (113.8512, 29.72775, Located(county="421281", platform="421281", inside_city=True)),
    ],
)
def test_outside_and_open_country_are_answers(town, lon, lat, expected):
    assert locate(lon, lat) == expected


def test_an_empty_city_locates_nothing(db):
    assert locate(114.3, 29.8) == Located()
    assert len(locate_many([], [])) == 0
    assert locator.neighbours("421202001002001") == ()
    assert locator.describe(114.3, 29.8) is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(quarter, quarter), max_size=40))
def test_many_points_are_located_as_one_by_one(town, places):
    points = [at(*place) for place in places]
    many = locate_many([p[0] for p in points], [p[1] for p in points])
    assert [many[i] for i in range(len(many))] == [locate(*point) for point in points]


def test_more_points_than_one_chunk_keep_their_order(town, monkeypatch):
    monkeypatch.setattr(locator, "_CHUNK", 7)
    xs, ys = np.meshgrid(np.arange(-1, 5.5, 0.5), np.arange(-1, 5.5, 0.5))
    points = [at(x, y) for x, y in zip(xs.ravel(), ys.ravel(), strict=True)]
    many = locate_many(*np.array(points).T)
    assert [many[i] for i in range(len(many))] == [locate(*point) for point in points]


def test_lengths_must_agree(town):
    with pytest.raises(ValueError, match="2 longitudes but 1 latitudes"):
        locate_many([114.3, 114.4], [29.8])


def test_neighbours_share_an_edge_or_a_corner(town):
    assert locator.neighbours("421202001002001") == (
        "421202001002002",
        "421202001002003",
        "421202001002004",
    )
    assert "421202001003001" in locator.neighbours("421202001002002")
    assert locator.neighbours("000") == ()


def test_names_in_both_languages(town):
    assert locator.name("421202001", "zh-hans") == "温泉街道"
    assert locator.name("421202001", "en") == "Wenquan Sub-district"
    assert locator.name("421281", "en") == "Chibi City"
    assert locator.name("999", "en") == "999"


@given(st.lists(st.integers(0, 30), unique=True, max_size=12), st.integers(-2, 130), st.integers(-2, 6))
def test_a_layer_finds_the_lowest_touching_code(numbers, x, y):
    """Strips of width 3 that overlap by one: many share a point."""
    shapes = {f"{n:02d}": shapely.box(4 * n, 0, 4 * n + 5, 4) for n in numbers}
    layer = Layer((code, shapely.to_wkb(shape)) for code, shape in shapes.items())
    expected = min((code for code, s in shapes.items() if s.intersects(shapely.Point(x, y))), default="")
    assert layer.lookup[layer.find(np.array([float(x)]), np.array([float(y)]))[0]] == expected


@pytest.mark.parametrize(
    ("column", "row", "zh", "en"),
    [
        (2.0, 3.0, "青禾路上", "on Qinghe Road"),
        (2.3, 3.0, "青禾路以东约30米", "about 30 m east of Qinghe Road"),
        (1.7, 3.0, "青禾路以西约30米", "about 30 m west of Qinghe Road"),
        (2.0, 4.1, "青禾路以北约10米", "about 10 m north of Qinghe Road"),
        (2.1, 0.1, "青禾路与晨光街交叉口附近", "near Qinghe Road and Chenguang Street"),
        (40.0, 3.0, None, None),
    ],
)
def test_a_point_in_words(town, column, row, zh, en):
    road = shapely.LineString([at(2, 0), at(2, 4)])
    corner = shapely.Point(at(2, 0))
    for kind, name, name_en, shape in (
        ("road", "青禾路", "Qinghe Road", road),
        ("junction", "青禾路与晨光街交叉口", "Qinghe Road and Chenguang Street", corner),
    ):
        Place.objects.create(
            platform=town, kind=kind, name=name, name_en=name_en, geometry=shapely.to_wkb(shape), lon_e7=0, lat_e7=0
        )
    memory.bump(locator.TABLE_NAME)
    words = locator.describe(*at(column, row))
    assert (words and words.zh, words and words.en) == (zh, en)


def test_the_locator_follows_a_new_shape(town):
    before = locate(*at(3.5, 3.5))
    assert before.grid == "421202001003008"
    smaller = square(3, 3, 0.4, 1)
    report = import_rows([GridRow(1, "421202001003008", smaller, {})], date(2026, 6, 1), platform=town)
    assert (report.replaced, report.faults) == (1, [])
    assert locate(*at(3.5, 3.5)).grid == ""
    assert locate(*at(3.2, 3.5)).grid == "421202001003008"


corner = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda at: (at[0] / 4, at[1] / 4))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(corner, min_size=3, max_size=7, unique=True), min_size=1, max_size=6),
    st.sampled_from([4, 25, 400, 1 << 16]),
    st.sampled_from([1, 5, 40]),
    st.lists(st.tuples(st.integers(-8, 88), st.integers(-8, 88)).map(lambda at: (at[0] / 8, at[1] / 8)), max_size=60),
)
def test_cells_answer_as_the_shapes_do(outlines, coarse, across, places):
    """Any polygons, with holes and overlaps, under coarse and fine cells; many points share a cell, an edge or a corner."""
    shapes = [shapely.make_valid(shapely.Polygon(outline), method="structure") for outline in outlines]
    shapes = [shape.difference(shape.centroid.buffer(0.3, 2)) for shape in shapes if shape.area]
    shapes = [shape for shape in shapes if shape.geom_type in ("Polygon", "MultiPolygon") and not shape.is_empty]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "COARSE", coarse)
        patch.setattr(layers, "CELLS_ACROSS", across)
        layer = Layer((f"{n:02d}", shapely.to_wkb(shape)) for n, shape in enumerate(shapes))
    xs, ys = (np.array([float(place[axis]) for place in places]) for axis in (0, 1))
    expected = [next((n for n, shape in enumerate(shapes) if shape.intersects(shapely.Point(at))), -1) for at in places]
    assert list(layer.find(xs, ys)) == expected
    assert [layer.find_one(*at) for at in zip(xs.tolist(), ys.tolist(), strict=True)] == expected
