"""Cases of one tile: single ones close up, clusters with counts from afar; grouped by the database, in one statement.

Cells are an eighth of a tile and lie inside it, so every case is counted in exactly one cluster at each zoom. The
second statement, when there is one, brings the cases that stand alone in their cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Count, ExpressionWrapper, F, Max, Min, Q, QuerySet, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from xiuhua.casework.maps.mvt import Feature
from xiuhua.casework.maps.tile_math import Tile
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present

#: From this zoom on every case is drawn by itself, unless a tile holds more than `MOST`.
SINGLE_ZOOM = 15
MOST = 3000
CELLS = 8
#: Stage of a procedure -> shape on the map.
STAGES = {
    "report": "report",
    "dispatch": "file",
    "handle": "handle",
    "check": "check",
    "close": "check",
    "end": "closed",
}
COLUMNS = (
    "id", "number", "title", "address", "stage", "open", "urgency", "due_at", "lon_e7", "lat_e7", "category",
    "procedure", "parent",
)  # fmt: skip


def features(cases: QuerySet[Case], tile: Tile, now: datetime) -> list[Feature]:
    """What to draw of ``cases`` (already narrowed to scope and filters) in ``tile``; one statement or two."""
    inside = within(cases, tile.bounds_e7)
    if tile.z >= SINGLE_ZOOM:
        rows = list(_columns(inside).order_by("-id")[: MOST + 1])
        if len(rows) <= MOST:
            return _points(rows, tile, now)
    cells = list(_cells(inside, tile, now))
    alone = [cell["first"] for cell in cells if cell["n"] == 1]
    singles = list(_columns(cases.filter(pk__in=alone))) if alone else []
    return _clusters((cell for cell in cells if cell["n"] > 1), tile) + _points(singles, tile, now)


def within(cases: QuerySet[Case], box: tuple[int, int, int, int]) -> QuerySet[Case]:
    """Cases in a half-open box (west, south, east, north in 1e-7 degree)."""
    west, south, east, north = box
    return cases.filter(lon_e7__gte=west, lon_e7__lt=east, lat_e7__gte=south, lat_e7__lt=north)


def overdue(now: datetime) -> Q:
    return Q(open=True, due_at__lt=now)


def properties(case: Case, now: datetime) -> dict[str, Any]:
    """What a case carries on the map; nothing personal."""
    return {
        "number": case.number,
        "title": present.title_of(case),
        "stage": STAGES.get(case.stage, "handle") if case.open else "closed",
        "urgency": case.urgency,
        "overdue": bool(case.open and case.due_at and case.due_at < now),
        "note": case.address,
        "url": present.case_url(case),
    }


def _columns(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Only what the map shows; a task's title is its parent's."""
    above = [
        f"{path}__{name}"
        for path in ("parent", "parent__parent")
        for name in ("title", "category", "procedure", "parent")
    ]
    return cases.select_related("parent__parent").only(*COLUMNS, *above)


def _cell(column: str, low: int, high: int) -> Combinable:
    """Number of the cell that a position falls in, whole-number division on both engines."""
    step = -(-(high - low) // CELLS)
    away = ExpressionWrapper(
        Cast(F(column), BigIntegerField()) - Value(low, BigIntegerField()), output_field=BigIntegerField()
    )
    return ExpressionWrapper(away / Value(step, BigIntegerField()), output_field=BigIntegerField())


def _cells(cases: QuerySet[Case], tile: Tile, now: datetime) -> Any:
    west, south, east, north = tile.bounds_e7
    return (
        cases.select_related(None)
        .annotate(cx=_cell("lon_e7", west, east), cy=_cell("lat_e7", south, north))
        .values("cx", "cy")
        .order_by()
        .annotate(
            n=Count("id"),
            first=Min("id"),
            lons=Sum(Cast("lon_e7", BigIntegerField())),
            lats=Sum(Cast("lat_e7", BigIntegerField())),
            west=Min("lon_e7"),
            south=Min("lat_e7"),
            east=Max("lon_e7"),
            north=Max("lat_e7"),
            urgent=Count("id", filter=Q(urgency="urgent")),
            over=Count("id", filter=Q(urgency="very_urgent") | overdue(now)),
        )
    )


def _clusters(cells: Iterable[dict[str, Any]], tile: Tile) -> list[Feature]:
    found = []
    for cell in cells:
        xs, ys = tile.units(int(cell["lons"]) / cell["n"] / 1e7, int(cell["lats"]) / cell["n"] / 1e7)
        found.append(
            Feature(
                "point",
                [[(int(xs), int(ys))]],
                {
                    "point_count": cell["n"],
                    "said": short(cell["n"]),
                    "urgent": cell["urgent"],
                    "over": cell["over"],
                    # Where a click leads: the box of what is inside.
                    "west": cell["west"] / 1e7,
                    "south": cell["south"] / 1e7,
                    "east": cell["east"] / 1e7,
                    "north": cell["north"] / 1e7,
                },
            )
        )
    return found


def short(count: int) -> str:
    """12, 3.4k, 56k."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k".replace(".0k", "k") if count < 9950 else f"{round(count / 1000)}k"


def _points(cases: list[Case], tile: Tile, now: datetime) -> list[Feature]:
    lons, lats = [(c.lon_e7 or 0) / 1e7 for c in cases], [(c.lat_e7 or 0) / 1e7 for c in cases]
    xs, ys = tile.units(lons, lats)
    return [
        Feature("point", [[(int(x), int(y))]], {"id": case.number, **properties(case, now)})
        for case, x, y in zip(cases, xs, ys, strict=True)
    ]
