"""The one conversion module: every point comes in with a datum and is kept in CGCS2000 longitude/latitude.

WGS 84 and CGCS2000 (EPSG:4490) are taken as equal, which is usual at the accuracy of a phone. GCJ-02 (Amap,
Tencent, WeChat) and BD-09 (Baidu) are undone by iteration; EPSG:4547 is the 3-degree Gauss-Kruger zone of
central meridian 114E, easting without zone number. The formulas are those of the package prcoords (CC0),
which takes no arrays: here they stand in numpy, and the tests hold them to prcoords and control points.

Everything takes numbers or numpy arrays, x first (longitude or easting). Accuracy inside China: forward as
prcoords, inverse better than a millimetre. In Xianning the GCJ-02 shift is about 600 m.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _
from pyproj import Transformer

Floats = npt.NDArray[np.float64]

#: Krasovsky 1940 ellipsoid, on which the GCJ-02 shift is computed: metres, first eccentricity squared.
_AXIS = 6378245.0
_ECCENTRICITY2 = 0.00669342162296594323
#: Offset that BD-09 adds after its twist, degrees.
_BD_LON, _BD_LAT = 0.0065, 0.0060
#: The box in which the shift applies, degrees: lon from, lat from, lon to, lat to.
CHINA = (72.004, 0.8293, 137.8347, 55.8271)
#: Eastings and northings that a 3-degree zone of this country can hold, metres.
_EASTING, _NORTHING = (0.0, 1_000_000.0), (0.0, 6_300_000.0)
#: No point of the box is shifted further than this, degrees; what lies beyond cannot come from inside.
_FARTHEST = 0.1
_ROUNDS = 20
_CLOSE = 1e-11  # degrees; about a micrometre


class Datum(StrEnum):
    """The coordinate systems in which a point can arrive."""

    WGS84 = "wgs84"
    CGCS2000 = "cgcs2000"
    GCJ02 = "gcj02"
    BD09 = "bd09"
    EPSG4547 = "epsg4547"


class CoordinateError(ValueError):
    """A single position that cannot be one; the message says why in the reader's language."""


@overload
def to_wgs84(x: float, y: float, datum: Datum | str) -> tuple[float, float]: ...
@overload
def to_wgs84(x: Floats, y: Floats, datum: Datum | str) -> tuple[Floats, Floats]: ...
def to_wgs84(x: Any, y: Any, datum: Datum | str) -> tuple[Any, Any]:
    """Longitude and latitude (degrees, WGS 84 = CGCS2000) of a point given in ``datum``.

    Raises CoordinateError for a single point that is no position; in arrays such a point becomes NaN.
    Raises ValueError for an unknown datum.
    """
    datum = Datum(datum)
    xs, ys = _arrays(x, y)
    if datum is Datum.EPSG4547:
        inside = _within(xs, ys, _EASTING, _NORTHING)
        lon, lat = _projection(inverse=True).transform(np.where(inside, xs, np.nan), np.where(inside, ys, np.nan))
    else:
        inside = _within(xs, ys, (-180.0, 180.0), (-90.0, 90.0))
        lon, lat = np.where(inside, xs, np.nan), np.where(inside, ys, np.nan)
        if datum is Datum.GCJ02:
            lon, lat = _undo(_gcj, lon, lat)
        elif datum is Datum.BD09:
            lon, lat = _undo(_bd, lon, lat)
    return _answer(x, y, lon, lat, datum)


@overload
def from_wgs84(lon: float, lat: float, datum: Datum | str) -> tuple[float, float]: ...
@overload
def from_wgs84(lon: Floats, lat: Floats, datum: Datum | str) -> tuple[Floats, Floats]: ...
def from_wgs84(lon: Any, lat: Any, datum: Datum | str) -> tuple[Any, Any]:
    """The point in ``datum``: degrees, or metres (east, north) for EPSG:4547. Errors as in `to_wgs84`."""
    datum = Datum(datum)
    xs, ys = _arrays(lon, lat)
    inside = _within(xs, ys, (-180.0, 180.0), (-90.0, 90.0))
    xs, ys = np.where(inside, xs, np.nan), np.where(inside, ys, np.nan)
    if datum is Datum.GCJ02:
        xs, ys = _shift(_gcj, xs, ys)
    elif datum is Datum.BD09:
        xs, ys = _shift(_bd, xs, ys)
    elif datum is Datum.EPSG4547:
        # Far from its meridian the projection folds back into plausible numbers; China is wide enough.
        near = in_china(xs, ys)
        xs, ys = np.where(near, xs, np.nan), np.where(near, ys, np.nan)
        xs, ys = _projection(inverse=False).transform(xs, ys)
    return _answer(lon, lat, xs, ys, datum)


def in_china(lon: Any, lat: Any, margin: float = 0.0) -> Any:
    """Whether a point (degrees) lies in the box where GCJ-02 is shifted, widened by ``margin`` degrees."""
    west, south, east, north = CHINA
    return (west - margin <= lon) & (lon <= east + margin) & (south - margin <= lat) & (lat <= north + margin)


def to_e7(degrees: float) -> int:
    """Degrees as the integer of 1e-7 degree in which positions are stored (about 1 cm)."""
    return round(degrees * 1e7)


def from_e7(value: int) -> float:
    """Degrees of a stored integer of 1e-7 degree."""
    return value / 1e7


def _arrays(x: Any, y: Any) -> tuple[Floats, Floats]:
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.shape != ys.shape:
        raise ValueError(f"x and y differ in shape: {xs.shape} and {ys.shape}")
    return xs, ys


def _within(xs: Floats, ys: Floats, x_range: tuple[float, float], y_range: tuple[float, float]) -> Any:
    return (x_range[0] <= xs) & (xs <= x_range[1]) & (y_range[0] <= ys) & (ys <= y_range[1])


def _answer(x: Any, y: Any, xs: Any, ys: Any, datum: Datum) -> tuple[Any, Any]:
    xs, ys = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    good = np.isfinite(xs) & np.isfinite(ys)
    if xs.ndim:
        return np.where(good, xs, np.nan), np.where(good, ys, np.nan)
    if not good:
        raise CoordinateError(
            _("The point %(x)s, %(y)s is no position in %(datum)s.") % {"x": x, "y": y, "datum": datum.value.upper()}
        )
    return float(xs), float(ys)


@cache
def _projection(*, inverse: bool) -> Transformer:
    codes = ("EPSG:4547", "EPSG:4490") if inverse else ("EPSG:4490", "EPSG:4547")
    return Transformer.from_crs(*codes, always_xy=True)


def _gcj(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """GCJ-02 of WGS 84, without asking whether the point is in China."""
    x, y = lon - 105.0, lat - 35.0
    pi = np.pi
    # Two short waves in longitude that both deviations share.
    short = 2 * np.sin(6 * pi * x) + 2 * np.sin(2 * pi * x)
    north_m = (
        (-100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)))
        + (short + 2 * np.sin(pi * y) + 4 * np.sin(pi / 3 * y)) * 20 / 3
        + (16 * np.sin(pi / 12 * y) + 32 * np.sin(pi / 30 * y)) * 20 / 3
    )
    east_m = (
        (300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)))
        + (short + 2 * np.sin(pi * x) + 4 * np.sin(pi / 3 * x)) * 20 / 3
        + (15 * np.sin(pi / 12 * x) + 30 * np.sin(pi / 30 * x)) * 20 / 3
    )
    phi = np.radians(lat)
    flat = 1 - _ECCENTRICITY2 * np.sin(phi) ** 2
    metres_per_lat = np.radians(_AXIS * (1 - _ECCENTRICITY2) / (flat * np.sqrt(flat)))
    metres_per_lon = np.radians(_AXIS * np.cos(phi) / np.sqrt(flat))
    return lon + east_m / metres_per_lon, lat + north_m / metres_per_lat


def _bd(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """BD-09 of WGS 84: the GCJ-02 point twisted about the origin, then moved."""
    x, y = _gcj(lon, lat)
    radius = np.hypot(x, y) + 0.00002 * np.sin(np.radians(y) * 3000)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(np.radians(x) * 3000)
    return radius * np.cos(angle) + _BD_LON, radius * np.sin(angle) + _BD_LAT


def _shift(forward: Any, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    inside = in_china(lon, lat)
    x, y = forward(np.where(inside, lon, 105.0), np.where(inside, lat, 35.0))
    return np.where(inside, x, lon), np.where(inside, y, lat)


def _undo(forward: Any, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Invert a shift by fixed-point steps.

    1. Guess that the point is unshifted. 2. Take off by how much the guess overshoots. 3. Stop when no point
    moves. 4. A point whose original lies outside China was never shifted.
    """
    near = in_china(x, y, _FARTHEST)
    goal_x, goal_y = np.where(near, x, 105.0), np.where(near, y, 35.0)
    lon, lat = goal_x, goal_y
    for _round in range(_ROUNDS):
        there_x, there_y = forward(lon, lat)
        over_x, over_y = there_x - goal_x, there_y - goal_y
        lon, lat = lon - over_x, lat - over_y
        if np.all(np.abs(over_x) < _CLOSE) and np.all(np.abs(over_y) < _CLOSE):
            break
    shifted = near & in_china(lon, lat)
    return np.where(shifted, lon, x), np.where(shifted, lat, y)
