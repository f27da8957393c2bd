"""The generated built-up areas: topology, nesting, numbering; and grids that are never deleted."""

from __future__ import annotations

from datetime import date
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
import shapely
from django.db import IntegrityError, transaction

from xiuhua.city import division_import, grid_maker, locator
from xiuhua.city.codes import grid_code
from xiuhua.city.grid_import import area_m2
from xiuhua.city.models import Division, GridKept, Place, Platform, ResponsibilityGrid, UnitGrid

SINCE = date(2026, 1, 1)
AREAS = grid_maker.read_recipe().areas
by_county = pytest.mark.parametrize("area", AREAS, ids=lambda area: area.county)


@cache
def built(area):
    return grid_maker.make(area)


@by_county
def test_cells_leave_no_gap_and_do_not_overlap(area):
    shapes = [cell.shape for cell in built(area).cells]
    assert all(shape.is_valid for shape in shapes)
    whole = shapely.union_all(shapes)
    assert whole.geom_type == "Polygon" and not whole.interiors, "one piece without holes"
    areas = area_m2(np.array(shapes))
    assert abs(float(areas.sum()) - float(area_m2(whole))) < 1.0


@by_county
def test_cells_nest_in_communities_and_these_in_sub_districts(area):
    made = built(area)
    for cell in made.cells:
        assert grid_code(cell.code).community == cell.community
        assert made.communities[cell.community].covers(cell.shape)
    for code, outline in made.communities.items():
        assert outline.geom_type == "Polygon"
        assert made.sub_districts[code[:9]].covers(outline)
    for first, second in combinations(made.communities.values(), 2):
        assert float(area_m2(first.intersection(second))) < 0.01


@by_county
def test_numbers_run_west_to_east_then_north_to_south(area):
    made = built(area)
    for community in made.communities:
        cells = [cell for cell in made.cells if cell.community == community]
        assert [grid_code(cell.code).number for cell in cells] == list(range(1, len(cells) + 1))
        assert [(cell.row, cell.column) for cell in cells] == sorted((cell.row, cell.column) for cell in cells)
        for one, following in pairwise(cells):
            if one.row == following.row:
                assert one.shape.centroid.x < following.shape.centroid.x


@by_county
def test_unit_grids_are_about_ten_thousand_square_metres(area):
    areas = area_m2(np.array([cell.shape for cell in built(area).cells]))
    assert 9_000 < areas.mean() < 11_000
    assert areas.min() > 5_000 and areas.max() < 16_000


@by_county
def test_roads_run_along_edges_and_meet_at_junctions(area):
    made = built(area)
    edges = shapely.union_all([cell.shape.boundary for cell in made.cells])
    for _road, line in made.roads:
        assert line.is_simple and edges.covers(line)
    for _first, _second, point in made.junctions:
        assert sum(line.intersects(point) for _, line in made.roads) == 2


@by_county
def test_patrols_are_a_partition_of_the_unit_grids(area):
    members = [code for patrol in grid_maker.patrols(built(area)).values() for code in patrol]
    assert sorted(members) == [cell.code for cell in built(area).cells]


def test_the_same_city_each_time():
    assert grid_maker.make(AREAS[1]) == grid_maker.make(AREAS[1])


def test_the_size_of_the_demo():
    main = built(AREAS[0])
    assert (len(main.communities), len(main.sub_districts), len(main.roads)) == (12, 3, 14)
    assert 400 <= len(main.cells) <= 600
    assert {area.county for area in AREAS} == {"421202", "421221", "421222", "421223", "421224", "421281"}
    assert all(len(built(area).cells) == 20 for area in AREAS[1:])


@pytest.fixture
def city(db):
    division_import.import_city()
    return grid_maker.load(SINCE)


def test_loaded_ground_is_found_by_the_locator_and_says_that_it_is_simulated(city):
    for area in AREAS:
        for cell in built(area).cells[::7]:
            point = cell.shape.representative_point()
            found = locator.locate(point.x, point.y)
            assert (found.grid, found.community) == (cell.code, cell.community)
            assert found.sub_district == cell.community[:9]
            assert (found.county, found.platform) == (area.county, area.platform)
            assert cell.code in dict(grid_maker.patrols(built(area)))[found.responsibility_grid]
    for model in (UnitGrid, ResponsibilityGrid, Place):
        assert model.objects.exists() and not model.objects.filter(simulated=False).exists()
    shaped = Division.objects.filter(boundary__isnull=False)
    assert set(shaped.filter(simulated=False).values_list("level", flat=True)) == {"city", "county"}
    assert set(shaped.filter(simulated=True).values_list("level", flat=True)) == {"township", "village"}


def test_every_platform_has_ground(city):
    with_ground = set(UnitGrid.objects.values_list("platform__code", flat=True))
    assert with_ground == {area.platform for area in AREAS}


def test_loading_again_changes_nothing(city):
    def rows():
        return [
            list(UnitGrid.objects.order_by("pk").values_list("pk", "code", "valid_to")),
            list(ResponsibilityGrid.objects.order_by("pk").values_list("pk", "code")),
            sorted(ResponsibilityGrid.unit_grids.through.objects.values_list("unitgrid", "responsibilitygrid")),
            list(Place.objects.order_by("platform", "kind", "name").values_list("name", "lon_e7", "lat_e7")),
        ]

    before = rows()
    division_import.import_city()
    grid_maker.load(date(2026, 5, 1))
    assert rows() == before
    assert Division.objects.filter(simulated=True, boundary__isnull=True).count() == 0


@pytest.fixture
def grid(db):
    platform = Platform.objects.create(code="421200", name="咸宁市", level="city", adcode="421200")
    return UnitGrid.objects.create(
        code="421202001002001",
        community="421202001002",
        platform=platform,
        boundary=shapely.to_wkb(shapely.box(0, 0, 1, 1)),
        area_m2=10_000,
        valid_from=SINCE,
    )


def test_a_grid_is_never_deleted(grid):
    with pytest.raises(GridKept):
        grid.delete()
    with pytest.raises(GridKept):
        UnitGrid.objects.all().delete()
    with pytest.raises(GridKept):
        ResponsibilityGrid.objects.filter(code="x").delete()
    assert UnitGrid.objects.count() == 1


def test_a_grid_that_ended_is_still_known_on_its_days(grid):
    assert UnitGrid.objects.all().end(date(2026, 3, 1)) == 1
    assert UnitGrid.objects.current().count() == 0
    days = [date(2025, 12, 31), SINCE, date(2026, 2, 28), date(2026, 3, 1)]
    assert [UnitGrid.objects.on(day).count() for day in days] == [0, 1, 1, 0]


def test_a_grid_never_ends_before_it_began(grid):
    UnitGrid.objects.all().end(date(2025, 1, 1))
    grid.refresh_from_db()
    assert grid.valid_to == SINCE
    with pytest.raises(IntegrityError), transaction.atomic():
        UnitGrid.objects.update(valid_to=date(2025, 1, 1))


def test_one_code_stands_once(grid):
    grid.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        grid.save(force_insert=True)
    UnitGrid.objects.all().end(date(2026, 3, 1))
    grid.valid_from = date(2026, 3, 1)
    grid.save(force_insert=True)
    assert UnitGrid.objects.filter(code=grid.code).count() == 2
