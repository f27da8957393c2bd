"""Which pixels of a provider's tiles make one of ours. Pure numpy; positions in degrees, x east, y south.

Our tile is 256 x 256 pixels of EPSG:3857, XYZ numbering, in WGS 84 = CGCS2000. Positions are worked out exactly on a
lattice of 17 x 17 points and between them linearly: within one tile neither the projection nor the GCJ-02 shift bends by
more than a hundredth of a pixel from zoom 6 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, degrees, sinh
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xiuhua.city.coordinates import Datum, from_wgs84

SIZE = 256
LATTICE = 17
Matrix = Literal["mercator", "degrees"]
Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Plan:
    """Where the 256 x 256 pixels of our tile lie in the provider's picture of level ``z``, in its pixels.

    ``x`` and ``y`` count pixel edges from the upper left corner of the whole world: pixel k covers k to k + 1.
    """

    z: int
    x: Floats
    y: Floats

    @property
    def tiles(self) -> list[tuple[int, int]]:
        """Numbers (column, row) of the tiles that are needed, west to east, then north to south."""
        left, right = _span(self.x)
        top, bottom = _span(self.y)
        return [(column, row) for row in range(top, bottom + 1) for column in range(left, right + 1)]


def _span(values: Floats) -> tuple[int, int]:
    # Half a pixel more on each side: bilinear sampling looks at the neighbours' middles.
    return int((values.min() - 0.5) // SIZE), int((values.max() + 0.5) // SIZE)


def plan(z: int, x: int, y: int, matrix: Matrix, datum: str) -> Plan:
    """The pixels of tile ``z``/``x``/``y`` in a provider's picture of that zoom."""
    n = 1 << z
    # Lattice points at pixel middles 0.5 and 255.5 and between.
    steps = np.linspace(0.5, SIZE - 0.5, LATTICE)
    lons = (x + steps / SIZE) / n * 360.0 - 180.0
    lats = np.array([degrees(atan(sinh(np.pi * (1.0 - 2.0 * (y + s / SIZE) / n)))) for s in steps])
    lon, lat = np.meshgrid(lons, lats)
    if datum in (Datum.GCJ02, Datum.BD09):
        lon, lat = from_wgs84(lon, lat, datum)
    if matrix == "degrees":
        there_x = (lon + 180.0) / 360.0 * n * SIZE
        there_y = (90.0 - lat) / 360.0 * n * SIZE
    else:
        there_x = (lon + 180.0) / 360.0 * n * SIZE
        there_y = (1.0 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2.0 * n * SIZE
    return Plan(z, _fine(there_x), _fine(there_y))


def _fine(lattice: Floats) -> Floats:
    """The lattice drawn out to every pixel, linearly in both directions."""
    at = np.arange(SIZE) / (SIZE - 1) * (LATTICE - 1)
    low = np.minimum(at.astype(np.intp), LATTICE - 2)
    part = at - low
    rows = lattice[low] * (1 - part)[:, None] + lattice[low + 1] * part[:, None]
    return np.asarray(rows[:, low] * (1 - part) + rows[:, low + 1] * part)


def draw(there: Plan, pictures: dict[tuple[int, int], Picture]) -> Picture:
    """Our tile (256 x 256 RGBA) from the provider's tiles (each 256 x 256 RGBA); a tile that is missing is clear.

    Between pixels the four nearest are mixed, their colours weighed by their opacity, so that names keep clean edges.
    """
    columns = sorted({column for column, _row in there.tiles})
    rows = sorted({row for _column, row in there.tiles})
    sheet = np.zeros((len(rows) * SIZE, len(columns) * SIZE, 4), dtype=np.float32)
    for (column, row), picture in pictures.items():
        top, left = (row - rows[0]) * SIZE, (column - columns[0]) * SIZE
        sheet[top : top + SIZE, left : left + SIZE] = picture
    sheet[..., :3] *= sheet[..., 3:] / 255.0
    x, y = there.x - columns[0] * SIZE - 0.5, there.y - rows[0] * SIZE - 0.5
    x0 = np.clip(np.floor(x).astype(np.intp), 0, sheet.shape[1] - 2)
    y0 = np.clip(np.floor(y).astype(np.intp), 0, sheet.shape[0] - 2)
    right: Any = np.clip(x - x0, 0, 1)[..., None].astype(np.float32)
    down: Any = np.clip(y - y0, 0, 1)[..., None].astype(np.float32)
    upper = sheet[y0, x0] * (1 - right) + sheet[y0, x0 + 1] * right
    lower = sheet[y0 + 1, x0] * (1 - right) + sheet[y0 + 1, x0 + 1] * right
    mixed = upper * (1 - down) + lower * down
    opacity = mixed[..., 3:]
    mixed[..., :3] = np.divide(mixed[..., :3] * 255.0, opacity, out=np.zeros_like(mixed[..., :3]), where=opacity > 0)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
