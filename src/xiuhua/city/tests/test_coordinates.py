"""Datums against control points (200 points in Xianning, CC0, see the README beside the file) and prcoords."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import prcoords
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.city.coordinates import CHINA, CoordinateError, Datum, from_e7, from_wgs84, in_china, to_e7, to_wgs84

POINTS = list(csv.DictReader((Path(__file__).parent / "data" / "control_points.csv").open(encoding="utf-8")))
COLUMNS = {
    Datum.WGS84: ("wgs_lon", "wgs_lat"),
    Datum.CGCS2000: ("wgs_lon", "wgs_lat"),
    Datum.GCJ02: ("gcj_lon", "gcj_lat"),
    Datum.BD09: ("bd_lon", "bd_lat"),
    Datum.EPSG4547: ("east_4547", "north_4547"),
}
china_lon = st.floats(CHINA[0] + 1e-6, CHINA[2] - 1e-6)
china_lat = st.floats(CHINA[1] + 1e-6, CHINA[3] - 1e-6)
shifted = st.sampled_from([Datum.GCJ02, Datum.BD09])


def column(name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in POINTS])


def metres(lon_a, lat_a, lon_b, lat_b):
    """Distance on the small: exact enough below a kilometre."""
    return 111_320 * np.hypot((lon_a - lon_b) * np.cos(np.radians(lat_a)), lat_a - lat_b)


@pytest.mark.parametrize("datum", list(Datum))
def test_control_points_forward(datum):
    x, y = from_wgs84(column("wgs_lon"), column("wgs_lat"), datum)
    ref_x, ref_y = (column(name) for name in COLUMNS[datum])
    off = np.hypot(x - ref_x, y - ref_y) if datum is Datum.EPSG4547 else metres(x, y, ref_x, ref_y)
    assert len(POINTS) == 200
    assert off.max() < 0.02


@pytest.mark.parametrize("datum", list(Datum))
def test_control_points_back(datum):
    lon, lat = to_wgs84(*(column(name) for name in COLUMNS[datum]), datum)
    # The file itself is rounded to 1e-7 degree, that is about a centimetre: compare through the exact forward.
    exact = to_wgs84(*from_wgs84(column("wgs_lon"), column("wgs_lat"), datum), datum)
    assert metres(*exact, column("wgs_lon"), column("wgs_lat")).max() < 0.0001
    assert metres(lon, lat, column("wgs_lon"), column("wgs_lat")).max() < 0.02


def test_the_shift_here_is_about_600_metres():
    lon, lat = from_wgs84(114.32, 29.84, "gcj02")
    assert 450 < metres(lon, lat, 114.32, 29.84) < 700


@given(china_lon, china_lat)
def test_the_same_as_prcoords_everywhere_in_china(lon, lat):
    for datum, reference in ((Datum.GCJ02, prcoords.wgs_gcj), (Datum.BD09, prcoords.wgs_bd)):
        ref_lat, ref_lon = reference((lat, lon))
        x, y = from_wgs84(lon, lat, datum)
        assert math.isclose(x, ref_lon, abs_tol=1e-10) and math.isclose(y, ref_lat, abs_tol=1e-10)


@given(china_lon, china_lat, shifted)
def test_round_trip_below_a_millimetre(lon, lat, datum):
    back = to_wgs84(*from_wgs84(lon, lat, datum), datum)
    assert metres(*back, lon, lat) < 0.001


@given(st.floats(113.0, 115.5), st.floats(28.5, 31.0))
def test_round_trip_through_the_projected_zone(lon, lat):
    assert metres(*to_wgs84(*from_wgs84(lon, lat, "epsg4547"), "epsg4547"), lon, lat) < 0.0001


@given(st.floats(-180, 180), st.floats(-90, 90), shifted)
def test_no_shift_outside_china(lon, lat, datum):
    if not in_china(lon, lat):
        assert from_wgs84(lon, lat, datum) == (lon, lat)
    if not in_china(lon, lat, margin=0.1):
        assert to_wgs84(lon, lat, datum) == (lon, lat)


@given(st.lists(st.tuples(china_lon, china_lat), max_size=8), st.sampled_from(list(Datum)))
def test_arrays_answer_as_single_points(points, datum):
    lons, lats = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    xs, ys = from_wgs84(lons, lats, datum)
    singles = [from_wgs84(lon, lat, datum) for lon, lat in points]
    assert np.allclose(np.column_stack([xs, ys]), np.reshape(singles, (-1, 2)), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "datum"),
    [
        (math.nan, 29.8, "wgs84"),
        (math.inf, 29.8, "gcj02"),
        (181.0, 29.8, "wgs84"),
        (29.8, 114.3, "bd09"),  # latitude and longitude swapped
        (38531720.4, 3299704.2, "epsg4547"),  # easting with its zone number
        (3299704.2, 531720.4, "epsg4547"),  # north before east
    ],
)
def test_what_is_no_position_is_refused_alone_and_nan_among_others(x, y, datum):
    with pytest.raises(CoordinateError):
        to_wgs84(x, y, datum)
    xs, ys = to_wgs84(np.array([x, *to_xy(datum)[:1]]), np.array([y, *to_xy(datum)[1:]]), datum)
    assert np.isnan(xs[0]) and np.isnan(ys[0]) and np.isfinite(xs[1]) and np.isfinite(ys[1])


def to_xy(datum):
    return from_wgs84(114.32, 29.84, datum)


def test_unknown_datum_is_a_value_error():
    with pytest.raises(ValueError, match="mars"):
        to_wgs84(114.3, 29.8, "mars")


@given(st.integers(-1_800_000_000, 1_800_000_000))
def test_stored_integers_survive_degrees(value):
    assert to_e7(from_e7(value)) == value
