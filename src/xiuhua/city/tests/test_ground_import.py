"""Importing the ground: divisions of the carried data, and unit grids row by row with every kind of fault."""

from __future__ import annotations

import json
from datetime import date

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import mapping

from xiuhua.city import ground_import, locator, memory
from xiuhua.city.coordinates import from_wgs84
from xiuhua.city.division_import import english_name, import_city
from xiuhua.city.ground_import import GroundFileError, import_grids, main
from xiuhua.city.models import Division, Platform, ResponsibilityGrid, UnitGrid

SINCE = date(2026, 1, 1)
COMMUNITY = "421202001002"  # has a shape in these tests
OPEN = "421202001003"  # has none
WEST, SOUTH, STEP = 114.30, 29.80, 0.001


def box(column: float, row: float, columns: float = 1, rows: float = 1) -> shapely.Polygon:
    return shapely.box(
        round(WEST + column * STEP, 7),
        round(SOUTH + row * STEP, 7),
        round(WEST + (column + columns) * STEP, 7),
        round(SOUTH + (row + rows) * STEP, 7),
    )


def feature(code, shape):
    geometry = mapping(shape) if isinstance(shape, shapely.Geometry) else shape
    return {"type": "Feature", "properties": {"code": code}, "geometry": geometry}


@pytest.fixture
def city(db, small_city):
    import_city(small_city)
    outline = shapely.to_wkb(box(0, 0, 4, 4))
    Division.objects.filter(code=COMMUNITY).update(boundary=outline, simulated=True)


@pytest.fixture
def load(city, tmp_path):
    def run(*features, since=SINCE, crs=None, **options):
        document = {"type": "FeatureCollection", "features": list(features)}
        if crs:
            document["crs"] = {"type": "name", "properties": {"name": crs}}
        path = tmp_path / "grids.geojson"
        path.write_text(json.dumps(document), encoding="utf-8")
        return import_grids(path, since, **options)

    return run


def current():
    return sorted(UnitGrid.objects.current().values_list("code", flat=True))


def test_the_carried_divisions(db):
    import_city()
    assert Platform.objects.count() == 7
    assert Platform.objects.filter(parent__code="421200", level="county").count() == 6
    levels = [Division.objects.filter(level=level).count() for level in Division.Level.values]
    assert levels == [1, 1, 6, 89, 1096]
    assert not Division.objects.filter(parent=None).exclude(level="province").exists()
    assert not Division.objects.filter(name_en="").exists()
    assert Division.objects.get(code="421202001").parent.code == "421202"
    union = shapely.union_all([shapely.from_wkb(bytes(d.boundary)) for d in Division.objects.filter(level="county")])
    whole = shapely.from_wkb(bytes(Division.objects.get(code="421200").boundary))
    assert union.symmetric_difference(whole).area < 1e-6 * whole.area


def test_loading_the_divisions_again_keeps_ids_and_simulated_shapes(city, small_city):
    before = list(Division.objects.order_by("code").values_list("pk", "code", "parent_id", "boundary"))
    import_city(small_city)
    after = list(Division.objects.order_by("code").values_list("pk", "code", "parent_id", "boundary"))
    assert [tuple(map(_plain, row)) for row in after] == [tuple(map(_plain, row)) for row in before]


def _plain(value):
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize(
    ("name", "english"),
    [
        ("温泉街道", "Wenquan Sub-district"),
        ("通羊镇", "Tongyang Town"),
        ("温泉社区居民委员会", "Wenquan Community"),
        ("白鹤村委会", "Baihe Village"),
        ("长安社区", "Chang'an Community"),
    ],
)
def test_english_names(name, english):
    assert english_name(name) == english


def test_good_rows_go_in(load):
    report = load(feature(COMMUNITY + "001", box(0, 0)), feature(COMMUNITY + "002", box(1, 0)))
    assert (report.total, report.added, report.faults) == (2, 2, [])
    row = UnitGrid.objects.get(code=COMMUNITY + "001")
    assert (row.community, row.platform.code, row.valid_from) == (COMMUNITY, "421202", SINCE)
    assert 10_600 < row.area_m2 < 10_800
    assert locator.locate(WEST + STEP / 2, SOUTH + STEP / 2).grid == COMMUNITY + "001"


BOWTIE = {
    "type": "Polygon",
    "coordinates": [[[114.3, 29.8], [114.301, 29.801], [114.301, 29.8], [114.3, 29.801], [114.3, 29.8]]],
}
FAULTS = [
    ("short code", COMMUNITY + "02", box(1, 0), "code", "15 digits"),
    ("letter in the code", COMMUNITY + "0X2", box(1, 0), "code", "Character 14"),
    ("no code", None, box(1, 0), "code", "0 characters"),
    ("number zero", COMMUNITY + "000", box(1, 0), "code", "Digits 13-15"),
    ("unknown community", "421202001999001", box(1, 0), "code", "no community 421202001999"),
    ("double", COMMUNITY + "001", box(1, 0), "code", "row 1 already"),
    ("outside its community", COMMUNITY + "002", box(3.5, 0), "geometry", "outside community"),
    ("overlap", COMMUNITY + "002", box(0.5, 0), "geometry", f"overlaps grid {COMMUNITY}001 of row 1"),
    ("within another", COMMUNITY + "002", box(0.2, 0.2, 0.1, 0.1), "geometry", "overlaps grid"),
    ("bow tie", COMMUNITY + "002", BOWTIE, "geometry", "not valid"),
    ("in another county", OPEN + "001", shapely.box(113.85, 29.72, 113.851, 29.721), "geometry", "county 421202"),
    ("a point", COMMUNITY + "002", shapely.Point(114.3, 29.8), "geometry", "no polygon"),
    ("two pieces", COMMUNITY + "002", shapely.union(box(1, 1), box(3, 3)), "geometry", "not MultiPolygon"),
    ("no geometry", COMMUNITY + "002", None, "geometry", "no polygon"),
    ("a tiny shape", COMMUNITY + "002", box(1, 0, 0.001, 0.001), "geometry", "area"),
    ("in metres", COMMUNITY + "002", shapely.box(531000, 3299000, 531100, 3299100), "geometry", "no position"),
    ("in Europe", OPEN + "001", shapely.box(9.0, 48.0, 9.001, 48.001), "geometry", "outside the country"),
    ("words", COMMUNITY + "002", {"type": "Polygon", "coordinates": [["a", "b"]]}, "geometry", "cannot be read"),
    ("empty", COMMUNITY + "002", {"type": "Polygon", "coordinates": []}, "geometry", "Polygon"),
]


@pytest.mark.parametrize(("code", "shape", "field", "words"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_bad_row_is_told_and_the_good_ones_go_in(load, code, shape, field, words):
    bad = feature(code, shape)
    report = load(feature(COMMUNITY + "001", box(0, 0)), bad, feature(COMMUNITY + "003", box(2, 0)))
    (fault,) = report.faults
    assert (fault.row, fault.field) == (2, field)
    assert words in fault.message.en
    assert fault.message.zh and fault.message.zh != fault.message.en
    assert fault.raw == json.loads(json.dumps(bad)), "the row is kept as it came"
    assert current() == [COMMUNITY + "001", COMMUNITY + "003"]
    assert (report.total, report.added) == (3, 2)


def test_a_row_that_overlaps_what_stands_is_refused(load):
    load(feature(COMMUNITY + "001", box(0, 0)))
    report = load(feature(COMMUNITY + "002", box(0.5, 0)))
    assert f"overlaps grid {COMMUNITY}001 by" in report.faults[0].message.en
    assert current() == [COMMUNITY + "001"]


def test_a_new_shape_ends_the_old_one_and_keeps_it(load):
    load(feature(COMMUNITY + "001", box(0, 0)), feature(COMMUNITY + "002", box(1, 0)))
    patrol = ResponsibilityGrid.objects.create(
        code="Z01", name="1号", platform=Platform.objects.get(code="421200"), valid_from=SINCE
    )
    patrol.unit_grids.set(UnitGrid.objects.current())
    # The border between the two moves west; each new shape overlaps only what it replaces.
    report = load(
        feature(COMMUNITY + "001", box(0, 0, 0.8)),
        feature(COMMUNITY + "002", box(0.8, 0, 1.2)),
        since=date(2026, 6, 1),
    )
    assert (report.replaced, report.added, report.faults) == (2, 0, [])
    assert UnitGrid.objects.count() == 4
    assert set(UnitGrid.objects.filter(valid_to=date(2026, 6, 1)).values_list("code", flat=True)) == set(current())
    found = locator.locate(WEST + 0.9 * STEP, SOUTH + STEP / 2)
    assert (found.grid, found.responsibility_grid) == (COMMUNITY + "002", "Z01")


def test_a_refused_replacement_leaves_the_old_shape_and_pushes_off_its_rivals(load):
    load(feature(COMMUNITY + "001", box(0, 0)), feature(COMMUNITY + "002", box(1, 0)))
    report = load(
        feature(COMMUNITY + "001", box(3.5, 0)),  # refused: outside its community
        feature(COMMUNITY + "002", box(0.5, 0)),  # would lie on what 001 keeps
        since=date(2026, 6, 1),
    )
    assert [fault.row for fault in report.faults] == [1, 2]
    assert UnitGrid.objects.count() == 2 and len(current()) == 2


def test_the_same_file_again_changes_nothing(load):
    rows = [feature(COMMUNITY + "001", box(0, 0)), feature(COMMUNITY + "002", box(1, 0))]
    load(*rows)
    version = memory.stored_version(locator.TABLE_NAME)
    report = load(*rows, since=date(2026, 6, 1))
    assert (report.unchanged, report.added, report.replaced) == (2, 0, 0)
    assert memory.stored_version(locator.TABLE_NAME) == version


def test_a_shape_from_before_what_stands_is_refused(load):
    load(feature(COMMUNITY + "001", box(0, 0)))
    report = load(feature(COMMUNITY + "001", box(0, 0, 0.5)), since=date(2025, 1, 1))
    assert "after 2025-01-01" in report.faults[0].message.en


@pytest.mark.parametrize(
    ("crs", "datum"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "wgs84"),
        ("urn:ogc:def:crs:EPSG::4490", "cgcs2000"),
        ("EPSG:4547", "epsg4547"),
        (None, "gcj02"),
    ],
)
def test_coordinates_are_taken_in_the_datum_of_the_file(load, crs, datum):
    ring = [from_wgs84(lon, lat, datum) for lon, lat in box(1, 1).exterior.coords]
    named = {} if crs else {"datum": ground_import.Datum(datum)}
    report = load(feature(COMMUNITY + "001", shapely.Polygon(ring)), crs=crs, **named)
    assert report.faults == []
    stored = shapely.from_wkb(bytes(UnitGrid.objects.get().boundary))
    assert stored.hausdorff_distance(box(1, 1)) < 1e-8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "FeatureCollection"),
        ('{"type": "FeatureCollection"}', "FeatureCollection"),
        ('{"type": "FeatureCollection", "features": [], "crs": {"properties": {"name": "EPSG:9999"}}}', "EPSG:9999"),
        ('{"type": "FeatureCollection", "features": [], "crs": 7}', "unknown"),
    ],
)
def test_a_file_that_cannot_be_used(city, tmp_path, text, words):
    path = tmp_path / "bad.geojson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GroundFileError) as caught:
        import_grids(path, SINCE)
    assert words in caught.value.message.en and caught.value.message.zh


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
odd_geometry = st.fixed_dictionaries({"type": st.sampled_from(["Polygon", "MultiPolygon"]), "coordinates": json_like})


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(odd=json_like, geometry=odd_geometry)
def test_odd_rows_are_refused_and_never_break_the_import(load, odd, geometry):
    broken = {"type": "Feature", "properties": odd, "geometry": geometry}
    report = load(odd, broken, feature(COMMUNITY + "001", box(0, 0)), dry_run=True)
    assert [fault.row for fault in report.faults] == [1, 2]


def test_the_command_tells_refused_rows_and_writes_them_out(city, tmp_path, capsys):
    path, rejects = tmp_path / "grids.geojson", tmp_path / "rejects.geojson"
    bad = feature(COMMUNITY + "02", box(1, 0))
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature(COMMUNITY + "001", box(0, 0)), bad]}),
        encoding="utf-8",
    )
    assert main([str(path), "--dry-run", "--language", "en"]) == 1
    assert UnitGrid.objects.count() == 0
    capsys.readouterr()
    assert main([str(path), "--since", "2026-01-01", "--rejects", str(rejects), "--language", "zh"]) == 1
    told = capsys.readouterr()
    assert "第2行" in told.err and "新增1" in told.out and "退回1" in told.out
    (kept,) = json.loads(rejects.read_text(encoding="utf-8"))["features"]
    assert kept["refused"]["field"] == "code"
    assert {key: kept[key] for key in bad} == json.loads(json.dumps(bad))
    assert main([str(tmp_path / "none.geojson")]) == 2
    assert main([str(path), "--platform", "999999"]) == 2


def test_the_command_loads_the_carried_ground(db, capsys):
    assert main(["--simulated", "--since", "2026-01-01", "--language", "en"]) == 0
    assert "1193 divisions" in capsys.readouterr().out
    assert locator.locate(114.32, 29.84).sub_district == "421202002"
