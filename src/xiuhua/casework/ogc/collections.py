"""The collections of OGC API – Features: what each holds, in which order, and one feature as GeoJSON.

Pages go by key: rows in the order of their primary key after the last one seen. Points are found by the columns of
their position; shapes by an index in memory, because the database knows no geometry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from xiuhua.casework import builtin, library, moments, paging
from xiuhua.casework.api_schemas import iso
from xiuhua.casework.models import Case
from xiuhua.casework.ogc.wishes import Box, Interval
from xiuhua.casework.pages import present
from xiuhua.city import component_points, memory, organisations
from xiuhua.city.access import Actor
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Component, Division, Place, UnitGrid
from xiuhua.manifest import Text

GROUND = ("ground.read", "case.read")
Pks = npt.NDArray[np.int64]


# -- shapes in memory ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shapes of one collection by primary key, with an index. ``extent``: west, south, east, north or None."""

    pks: Pks
    shapes: Any
    tree: Any
    extent: Box | None

    def meeting(self, box: Box) -> list[int]:
        """Keys of the shapes that meet a box, ascending."""
        places = self.tree.query(shapely.box(*box), predicate="intersects")
        return [int(pk) for pk in np.sort(self.pks[places])]


def _shapes(rows: Iterable[tuple[int, Any]]) -> Shapes:
    pairs = list(rows)
    shapes = shapely.from_wkb([bytes(wkb) for _pk, wkb in pairs])
    bounds = shapely.total_bounds(shapes) if pairs else None
    extent = None if bounds is None else (float(bounds[0]), float(bounds[1]), float(bounds[2]), float(bounds[3]))
    return Shapes(np.array([pk for pk, _wkb in pairs], dtype=np.int64), shapes, shapely.STRtree(shapes), extent)


def _all_shapes() -> dict[str, Shapes]:
    return {
        "divisions": _shapes(_divisions().values_list("pk", "boundary")),
        "unit-grids": _shapes(UnitGrid.objects.current().values_list("pk", "boundary")),
        "places": _shapes(Place.objects.values_list("pk", "geometry")),
    }


_TABLE: memory.Table[dict[str, Shapes]] = memory.Table(TABLE_NAME, _all_shapes)


def _divisions() -> QuerySet[Division]:
    return Division.objects.filter(boundary__isnull=False)


# -- one feature ---------------------------------------------------------------------------------------------------


def _unit(pk: int | None) -> str:
    found = organisations.tree().by_id.get(pk or 0)
    return str(found.name) if found else ""


def _point(lon_e7: int | None, lat_e7: int | None) -> dict[str, Any] | None:
    if lon_e7 is None or lat_e7 is None:
        return None
    return {"type": "Point", "coordinates": [lon_e7 / 1e7, lat_e7 / 1e7]}


def _shape(wkb: Any) -> dict[str, Any] | None:
    geometry = shapely.from_wkb(bytes(wkb))
    return {"type": geometry.geom_type, "coordinates": shapely.geometry.mapping(geometry)["coordinates"]}


def _case(case: Case, now: datetime) -> dict[str, Any]:
    rules = library.version(case.procedure_id)
    return {
        "number": case.number,
        "platform": case.platform.code,
        "title": present.title_of(case),
        "procedure": case.procedure_code,
        "state": case.state,
        "state_title": str(builtin.state_title(rules, case.state)),
        "stage": case.stage,
        "open": case.open,
        "outcome": case.outcome,
        "urgency": case.urgency,
        "overdue": bool(case.open and case.due_at is not None and case.due_at < now),
        "source": case.source,
        "unit": _unit(case.responsible_org_id),
        "address": case.address,
        "component": case.component_code,
        "grid": case.grid,
        "community": case.community,
        "sub_district": case.sub_district,
        "county": case.county,
        "reported_at": iso(case.reported_at),
        "due_at": iso(case.due_at),
        "closed_at": iso(case.closed_at),
        "updated_at": iso(case.updated_at),
    }


def _component(row: Component) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "name_en": row.name_en,
        "scheme": row.scheme,
        "major": row.major,
        "minor": row.minor,
        "state": row.state,
        "owner": _unit(row.owner_id),
        "maintainer": _unit(row.maintainer_id),
        "competent": _unit(row.competent_id),
        "grid": row.grid_code,
        "surveyed_on": row.surveyed_on.isoformat() if row.surveyed_on else None,
        "changed_on": row.changed_on.isoformat() if row.changed_on else None,
        "simulated": row.simulated,
        "source": row.source,
    }


def _grid(row: UnitGrid) -> dict[str, Any]:
    return {
        "code": row.code,
        "community": row.community,
        "area_m2": row.area_m2,
        "valid_from": row.valid_from.isoformat(),
        "simulated": row.simulated,
        "source": row.source,
    }


def _division(row: Division) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "name_en": row.name_en,
        "level": row.level,
        "simulated": row.simulated,
        "source": row.source,
    }


def _place(row: Place) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "name": row.name,
        "name_en": row.name_en,
        "simulated": row.simulated,
        "source": row.source,
    }


# -- the collections -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Collection:
    """``key`` is the column that names a feature; ``shape`` the column of its shape, '' for a position."""

    code: str
    title: Text
    says: Text
    permissions: tuple[str, ...]
    rows: Callable[[], QuerySet[Any]]
    tell: Callable[[Any], dict[str, Any]]
    key: str = "code"
    shape: str = ""
    geometry: str = "Point"

    def may(self, actor: Actor) -> bool:
        return any(actor.has(one) for one in self.permissions)

    @property
    def extent(self) -> Box | None:
        """West, south, east, north of what it holds; of cases, that of the divisions."""
        if self.code == "components":
            points = component_points.points()
            if not len(points):
                return None
            lats = points.lat_e7
            west, east = int(points.lon_e7[0]), int(points.lon_e7[-1])
            return west / 1e7, int(lats.min()) / 1e7, east / 1e7, int(lats.max()) / 1e7
        return _TABLE.get()["divisions" if self.code == "cases" else self.code].extent

    def feature(self, row: Any) -> dict[str, Any]:
        """GeoJSON of a row; positions in degrees, longitude first."""
        return {
            "type": "Feature",
            "id": str(getattr(row, self.key)),
            "geometry": _shape(getattr(row, self.shape)) if self.shape else _point(row.lon_e7, row.lat_e7),
            "properties": self.tell(row),
        }


def _rows_of_cases() -> QuerySet[Case]:
    return Case.objects.select_related("platform", "parent__parent")


CASES = Collection(
    "cases",
    Text("案件", "Cases"),
    Text("您有权查看的案件，筛选同案件列表", "The cases that you may see, under the filters of their list"),
    ("case.read",),
    _rows_of_cases,
    lambda row: _case(row, moments.now()),
    key="number",
)
COLLECTIONS = {
    one.code: one
    for one in (
        CASES,
        Collection(
            "components",
            Text("管理部件", "Components"),
            Text("在用的城市管理部件", "Managing components that stand"),
            GROUND,
            lambda: Component.objects.exclude(state=Component.State.REMOVED),
            _component,
        ),
        Collection(
            "unit-grids",
            Text("单元网格", "Unit grids"),
            Text("现行的单元网格", "Unit grids as they stand now"),
            GROUND,
            lambda: UnitGrid.objects.current(),
            _grid,
            shape="boundary",
            geometry="Polygon",
        ),
        Collection(
            "divisions",
            Text("行政区划", "Divisions"),
            Text("有边界的行政区划", "Divisions whose boundary is known"),
            GROUND,
            _divisions,
            _division,
            shape="boundary",
            geometry="MultiPolygon",
        ),
        Collection(
            "places",
            Text("地点", "Places"),
            Text("道路和有名称的地点", "Roads and named places"),
            GROUND,
            lambda: Place.objects.all(),
            _place,
            key="pk",
            shape="geometry",
            geometry="Geometry",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Page:
    """Features, the key after which the next page begins (0 on the last), and how many there are if that is known."""

    features: list[dict[str, Any]]
    next: int
    matched: int | None


def page(
    which: Collection, rows: QuerySet[Any], box: Box | None, interval: Interval | None, after: int, size: int
) -> Page:
    """One page; at most two statements. The count comes with the first page only, of cases up to its cap.

    ``interval`` is about the report of a case; what has no time is in every interval, as the standard has it.
    """
    within = rows
    keys: list[int] | None = None
    if box is not None and which.shape:
        keys = _TABLE.get()[which.code].meeting(box)
    elif box is not None:
        west, south, east, north = (round(part * 1e7) for part in box)
        within = within.filter(lon_e7__range=(west, east), lat_e7__range=(south, north))
    if interval is not None and which is CASES:
        start, end = interval
        within = within.filter(reported_at__isnull=False)
        within = within.filter(reported_at__gte=start) if start else within
        within = within.filter(reported_at__lte=end) if end else within
    matched = None
    if not after:
        matched = len(keys) if keys is not None else _count(which, within)
    if keys is not None:
        wanted = [pk for pk in keys if pk > after][: size + 1]
        found = list(within.filter(pk__in=wanted).order_by("pk"))
        more = len(wanted) > size
    else:
        found = list(within.filter(pk__gt=after).order_by("pk")[: size + 1])
        more = len(found) > size
    found = found[:size]
    return Page([which.feature(row) for row in found], found[-1].pk if more and found else 0, matched)


def _count(which: Collection, rows: QuerySet[Any]) -> int | None:
    if which is not CASES:
        return int(rows.order_by().count())
    counted = paging.count(rows)
    return None if counted.more else counted.value


def said(which: Collection) -> dict[str, Any]:
    """Title, description and extent of a collection, in the reader's language; links are the door's affair."""
    found: dict[str, Any] = {
        "id": which.code,
        "title": str(which.title),
        "description": f"{which.says}. {_('Longitude and latitude in CGCS2000, equal to WGS 84 here.')}",
        "itemType": "feature",
    }
    if extent := which.extent:
        found["extent"] = {"spatial": {"bbox": [list(extent)], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
    return found
