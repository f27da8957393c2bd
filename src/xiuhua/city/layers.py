"""One layer of polygons that answers which of them a point lies in, for one point or a million at once.

Over its bounds lies a table of small cells. A cell that no boundary touches lies wholly in the same polygons, so that one
exact answer holds for every point in it; only points in cells on a boundary are asked of the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import GeometryType, STRtree

Codes = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.intp]

#: Coarse cells; cells across a usual feature, where it pays; small cells at most.
COARSE, CELLS_ACROSS, MOST_CELLS = 1 << 16, 32, 1 << 22
#: How far beside a boundary, in cells, a cell still counts as touched: far more than a position is ever rounded.
_BESIDE = 1e-6
_TOUCHED = -2
_POLYGONS = (GeometryType.POLYGON, GeometryType.MULTIPOLYGON)


class Layer:
    """Features with a code and a polygon each, sorted by code, so that the lowest index is the lowest code."""

    def __init__(self, rows: Iterable[tuple[str, bytes | memoryview]]) -> None:
        ordered = sorted((code, bytes(wkb)) for code, wkb in rows)
        self.codes: list[str] = [code for code, _ in ordered]
        self.index: dict[str, int] = {code: place for place, code in enumerate(self.codes)}
        self.shapes: Any = shapely.from_wkb([wkb for _, wkb in ordered])
        self.tree = STRtree(self.shapes)
        shapely.prepare(self.shapes)
        # The index of a prepared shape is made by its first use: make it here, before threads share it.
        shapely.intersects(self.shapes, shapely.point_on_surface(self.shapes))
        #: Indexed by what `find` returns: -1, nothing, is the last entry.
        self.lookup: Codes = np.array([*self.codes, ""], dtype=np.str_)
        self._cells = _Cells(self.shapes, self._exact) if self.codes else None

    def __len__(self) -> int:
        return len(self.codes)

    def find(self, xs: Floats, ys: Floats) -> Indexes:
        """Index of the lowest feature that each point lies in or on; -1 for none, and for what is no position."""
        found = np.full(len(xs), -1, dtype=np.intp)
        if self._cells is None:
            return found
        near, cells = self._cells.of(xs, ys)
        found[near] = known = self._cells.table[cells]
        asked = near[known == _TOUCHED]
        found[asked] = self._exact(xs[asked], ys[asked])
        return found

    def find_one(self, x: float, y: float) -> int:
        """As `find`, for one point."""
        if self._cells is None:
            return -1
        known = self._cells.at(x, y)
        return known if known != _TOUCHED else int(self._exact(np.array([x]), np.array([y]))[0])

    def _exact(self, xs: Floats, ys: Floats) -> Indexes:
        points = shapely.points(xs, ys)
        # The tree compares boxes only; its own predicate would prepare the points instead of the shapes.
        which, feature = self.tree.query(points)
        hit = shapely.intersects(self.shapes[feature], points[which])
        lowest = np.full(len(points), len(self), dtype=np.intp)
        np.minimum.at(lowest, which[hit], feature[hit])
        lowest[lowest == len(self)] = -1
        return lowest

    def shape(self, code: str) -> Any | None:
        place = self.index.get(code)
        return None if place is None else self.shapes[place]

    def is_near(self, point: Any, degrees: float) -> bool:
        """Whether a feature lies within so many degrees of the point."""
        return bool(len(self.tree.query(point, predicate="dwithin", distance=degrees)))

    def touching(self, code: str) -> tuple[str, ...]:
        """Codes of the features that share an edge or a corner with this one, in order."""
        place = self.index.get(code)
        if place is None:
            return ()
        near = self.tree.query(self.shapes[place], predicate="intersects")
        return tuple(self.codes[other] for other in sorted(near) if other != place)


class _Cells:
    """The table: for each cell an index of a feature, -1 for none, or that a boundary touches it.

    Coarse cells cover the bounds. Those that a boundary touches are divided where features are small, so that a dense town
    in a wide county costs no more than it needs.
    """

    def __init__(self, shapes: Any, exact: Callable[[Floats, Floats], Indexes]) -> None:
        west, south, east, north = shapely.total_bounds(shapes)
        width, height = max(east - west, 1e-9), max(north - south, 1e-9)
        # Nearly square; half a cell stands over on every side.
        self.columns = max(2, min(COARSE // 2, round((COARSE * width / height) ** 0.5)))
        self.rows = max(2, COARSE // self.columns)
        size = np.array([width / (self.columns - 1), height / (self.rows - 1)])
        self.origin, self.scale = np.array([west, south]) - size / 2, 1 / size
        (self._west, self._south), (self._per_x, self._per_y) = self.origin.tolist(), self.scale.tolist()
        self.parts, self.block = 1, np.full(self.columns * self.rows, -1, dtype=np.int32)
        kind = np.int16 if len(shapes) < np.iinfo(np.int16).max else np.int32
        self.table: npt.NDArray[Any] = np.full(self.columns * self.rows, -1, dtype=kind)
        if not np.isin(shapely.get_type_id(shapes), _POLYGONS).all():
            self.table[:] = _TOUCHED
            return
        self._mark(shapes, size.min())
        touched = np.flatnonzero(self.table == _TOUCHED)
        corners: Floats = np.stack(
            np.unravel_index(np.arange(len(self.table)), (self.rows, self.columns))[::-1], axis=1
        ).astype(np.float64)
        self._fill(self.table.reshape(self.rows, self.columns), corners, 1, exact)
        bounds = shapely.bounds(shapes)
        usual = np.median(np.minimum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1]))
        wanted = int(np.ceil(size.max() * CELLS_ACROSS / max(usual, 1e-9)))
        parts = min(wanted, int((MOST_CELLS / len(touched)) ** 0.5))
        if parts < 2:
            return
        self.parts = parts
        self.block[touched] = np.arange(len(touched), dtype=np.int32)
        coarse = self.table
        self.table = np.concatenate([coarse, np.full(len(touched) * parts * parts, -1, dtype=kind)])
        self._mark(shapes, size.min() / parts)
        within = np.stack(np.unravel_index(np.arange(parts * parts), (parts, parts))[::-1], axis=1) / parts
        inner = (corners[touched][:, None, :] + within[None, :, :]).reshape(-1, 2)
        self._fill(self.table[len(coarse) :].reshape(-1, parts), inner, parts, exact)

    def _fill(self, table: npt.NDArray[Any], corners: Floats, parts: int, exact: Any) -> None:
        """Answers for the cells of a table with rows that no boundary touches. Neighbours in a row have no boundary
        between them and one answer, so that only the first of each run is asked. ``corners``: south-west ones, in coarse
        cells."""
        free = table != _TOUCHED
        first = free.copy()
        first[:, 1:] &= ~free[:, :-1]
        middles = (corners[first.ravel()] + 0.5 / parts) / self.scale + self.origin
        answers = exact(middles[:, 0], middles[:, 1])
        run = np.cumsum(first.ravel()) - 1
        table[free] = answers[run[free.ravel()]]

    def _mark(self, shapes: Any, longest: float) -> None:
        """Mark the smallest cells under the boundaries, which are cut into pieces no longer than a cell."""
        lines = shapely.get_parts(shapely.segmentize(shapely.boundary(shapes), float(longest)))
        ends, line = shapely.get_coordinates(lines, return_index=True)
        ends = (ends - self.origin) * self.scale
        same = line[1:] == line[:-1]
        one, other = ends[:-1][same], ends[1:][same]
        beside = _BESIDE / self.parts
        low, high = np.minimum(one, other) - beside, np.maximum(one, other) + beside
        # The cells under the four corners of a piece are all that it can touch.
        for x in (low[:, 0], high[:, 0]):
            for y in (low[:, 1], high[:, 1]):
                self.table[self._number(x, y)] = _TOUCHED

    def of(self, xs: Floats, ys: Floats) -> tuple[Indexes, Indexes]:
        """Which of the points lie over the table, and in which cell each of those."""
        x, y = (xs - self.origin[0]) * self.scale[0], (ys - self.origin[1]) * self.scale[1]
        near = np.flatnonzero((x >= 0) & (x < self.columns) & (y >= 0) & (y < self.rows))
        return near, self._number(x[near], y[near])

    def at(self, x: float, y: float) -> int:
        """What the table says of one point; -1 beside it."""
        x, y = (x - self._west) * self._per_x, (y - self._south) * self._per_y
        if not (0 <= x < self.columns and 0 <= y < self.rows):
            return -1
        column, row = int(x), int(y)
        number = row * self.columns + column
        if self.parts > 1 and (block := self.block.item(number)) >= 0:
            right, up = (
                min(int((x - column) * self.parts), self.parts - 1),
                min(int((y - row) * self.parts), self.parts - 1),
            )
            number = self.columns * self.rows + (block * self.parts + up) * self.parts + right
        return int(self.table.item(number))

    def _number(self, x: Floats, y: Floats) -> Indexes:
        column, row = x.astype(np.intp), y.astype(np.intp)
        number = row * self.columns + column
        if self.parts == 1:
            return number
        divided = np.flatnonzero(self.block[number] >= 0)
        if not len(divided):
            return number
        last = self.parts - 1
        right = np.minimum(((x[divided] - column[divided]) * self.parts).astype(np.intp), last)
        up = np.minimum(((y[divided] - row[divided]) * self.parts).astype(np.intp), last)
        block = self.block[number[divided]].astype(np.intp)
        number[divided] = self.columns * self.rows + (block * self.parts + up) * self.parts + right
        return number
