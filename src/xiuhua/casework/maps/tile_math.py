"""Web-mercator tiles (EPSG:3857, XYZ numbering) over positions in degrees; 1e-7 degree where the database asks."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, degrees, floor, pi, sinh
from typing import Any

import numpy as np
import numpy.typing as npt

from xiuhua.casework.maps.mvt import EXTENT

Floats = npt.NDArray[np.float64]
MAX_ZOOM = 22


@dataclass(frozen=True, slots=True)
class Tile:
    """Tile ``x``, ``y`` of zoom ``z``; y counts from the north."""

    z: int
    x: int
    y: int

    @property
    def exists(self) -> bool:
        return 0 <= self.z <= MAX_ZOOM and 0 <= self.x < 1 << self.z and 0 <= self.y < 1 << self.z

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        return (_lon(self.z, self.x), _lat(self.z, self.y + 1), _lon(self.z, self.x + 1), _lat(self.z, self.y))

    @property
    def bounds_e7(self) -> tuple[int, int, int, int]:
        """The same in 1e-7 degree; neighbours share the very number, so that half-open boxes count no point twice."""
        west, south, east, north = self.bounds
        return floor(west * 1e7), floor(south * 1e7), floor(east * 1e7), floor(north * 1e7)

    def units(self, lon: Any, lat: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Positions in degrees as whole tile units (arrays); outside the tile they are below 0 or above EXTENT."""
        lons, lats = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        n = float(1 << self.z)
        x = ((lons + 180.0) / 360.0 * n - self.x) * EXTENT
        phi = np.radians(np.clip(lats, -85.06, 85.06))
        y = ((1.0 - np.arcsinh(np.tan(phi)) / pi) / 2.0 * n - self.y) * EXTENT
        return np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)


def _lon(z: int, x: int) -> float:
    return x / (1 << z) * 360.0 - 180.0


def _lat(z: int, y: int) -> float:
    return degrees(atan(sinh(pi * (1.0 - 2.0 * y / (1 << z)))))
