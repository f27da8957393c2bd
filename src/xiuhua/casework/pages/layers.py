"""The city's own map layers as GeoJSON: ground layers from memory, cases and components by box, never a query per row."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import shapely
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import moments
from xiuhua.casework.maps import area, case_tiles
from xiuhua.casework.models import Case
from xiuhua.casework.pages import case_list, present
from xiuhua.city import memory
from xiuhua.city.access import requires
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Component, Division, Place, UnitGrid
from xiuhua.ui.parts import Layer, MapView

MOST = 2000


def _shapes(level: str) -> list[dict[str, Any]]:
    rows = Division.objects.filter(level=level, boundary__isnull=False).order_by("code")
    return [
        {
            "type": "Feature",
            "geometry": json.loads(shapely.to_geojson(shapely.from_wkb(bytes(row.boundary)))),
            "properties": {
                "code": row.code,
                "name": row.name,
                "name_en": row.name_en,
                "label_lon": row.label_lon,
                "label_lat": row.label_lat,
                "simulated": row.simulated,
            },
        }
        for row in rows
        if row.boundary
    ]


def _roads() -> list[dict[str, Any]]:
    return [
        {
            "type": "Feature",
            "geometry": json.loads(shapely.to_geojson(shapely.from_wkb(bytes(row.geometry)))),
            "properties": {"name": row.name, "kind": "main", "simulated": row.simulated},
        }
        for row in Place.objects.filter(kind="road").order_by("pk")
    ]


def _ground() -> dict[str, Any]:
    """Layers that fit in memory, and an index of the unit grids."""
    grids = list(UnitGrid.objects.current().order_by("code").values_list("code", "boundary", "platform_id"))
    shapes = shapely.from_wkb([bytes(boundary) for _code, boundary, _platform in grids])
    owners = [platform for _code, _boundary, platform in grids]
    bounds = {
        platform: tuple(shapely.total_bounds([s for s, own in zip(shapes, owners, strict=True) if own == platform]))
        for platform in set(owners)
    }
    return {
        "counties": _shapes("county"),
        "communities": _shapes("village"),
        "roads": _roads(),
        "grids": ([code for code, _b, _p in grids], shapes, shapely.STRtree(shapes)),
        "bounds": bounds,
    }


_TABLE = memory.Table(TABLE_NAME, _ground)


def built_up(platform_id: int) -> tuple[float, float, float, float] | None:
    """West, south, east, north (degrees) of a platform's unit grids; None when it has none."""
    found: tuple[float, float, float, float] | None = _TABLE.get()["bounds"].get(platform_id)
    return found


@requires("ground.read", "case.read")
def layer(request: HttpRequest, name: str) -> HttpResponse:
    """One layer; the big ones want ``bbox=west,south,east,north`` in degrees."""
    if name in ("counties", "communities", "roads"):
        return _answer(request, _named(_TABLE.get()[name]), shared=True)
    box = _box(request.GET.get("bbox", ""))
    if name == "grids":
        return _answer(request, _grids(box), shared=True)
    if name == "components":
        return _answer(request, _components(box))
    if name == "cases":
        return _answer(request, _cases(request, box))
    raise Http404


def _named(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not (get_language() or "").startswith("en"):
        return features
    return [
        {**f, "properties": {**f["properties"], "name": f["properties"].get("name_en") or f["properties"]["name"]}}
        for f in features
    ]


def _box(text: str) -> tuple[float, float, float, float] | None:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        return None
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        return None
    return west, south, east, north


def _grids(box: tuple[float, float, float, float] | None) -> list[dict[str, Any]]:
    codes, shapes, tree = _TABLE.get()["grids"]
    found = sorted(tree.query(shapely.box(*box)))[:MOST] if box and len(codes) else range(min(len(codes), MOST))
    return [
        {
            "type": "Feature",
            "geometry": json.loads(shapely.to_geojson(shapes[i])),
            "properties": {"code": codes[i], "name": codes[i][-3:]},
        }
        for i in found
    ]


def _within(rows: Any, box: tuple[float, float, float, float] | None) -> Any:
    if box is None:
        return rows
    west, south, east, north = (round(part * 1e7) for part in box)
    return rows.filter(lon_e7__range=(west, east), lat_e7__range=(south, north))


def _components(box: tuple[float, float, float, float] | None) -> list[dict[str, Any]]:
    rows = _within(Component.objects.exclude(state="removed"), box).order_by("pk")[:MOST]
    return [_point(c.lon_e7, c.lat_e7, {"code": c.code, "name": c.name, "title": c.name}) for c in rows]


def _cases(request: HttpRequest, box: tuple[float, float, float, float] | None) -> list[dict[str, Any]]:
    cases, _active, _words = case_list.chosen(request.actor, request)  # type: ignore[attr-defined]
    rows = _within(cases.filter(lon_e7__isnull=False), box).order_by("-id")[:MOST]
    now = moments.now()
    return [_case(row, now) for row in rows]


def _case(case: Case, now: Any) -> dict[str, Any]:
    return _point(case.lon_e7 or 0, case.lat_e7 or 0, {"id": case.number, **case_tiles.properties(case, now)})


def _point(lon_e7: int, lat_e7: int, properties: dict[str, Any]) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [lon_e7 / 1e7, lat_e7 / 1e7]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _answer(request: HttpRequest, features: list[dict[str, Any]], *, shared: bool = False) -> HttpResponse:
    """GeoJSON with an entity tag; ground layers may be kept by the browser for some minutes."""
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'
    response: HttpResponse
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(text, content_type="application/geo+json")
    response["ETag"] = tag
    response["Cache-Control"] = "private, max-age=300" if shared else "private, no-cache"
    response["Vary"] = "Cookie, Accept-Language"
    return response


@requires("case.read")
def map_page(request: HttpRequest) -> HttpResponse:
    """Cases on the map under the list's filters, with the list beside it for those who do not use the map."""
    cases, active, words = case_list.chosen(request.actor, request)  # type: ignore[attr-defined]
    query = request.META.get("QUERY_STRING", "")
    kept = {k: v for k, v in request.GET.items() if k not in ("area", "after")}
    rows = present.rows(cases.filter(lon_e7__isnull=False).order_by("-id")[:50])
    view = MapView(
        [
            Layer("counties", reverse("layer", args=["counties"]), _("Counties")),
            Layer("communities", reverse("layer", args=["communities"]), _("Communities")),
            tiled("roads", _("Roads")),
            tiled("grids", _("Unit grids"), shown=False, minzoom=13),
            tiled("components", _("Components"), shown=False, minzoom=11),
            *_area(request),
            tiled("cases", _("Cases"), query=query),
        ],
        bounds=_bounds(request, [row.case for row in rows]),
        size="large",
        title=_("Cases on the map"),
        tools={"select": f"?{urlencode([*kept.items(), ('area', 'AREA')])}"},
    )
    return render(
        request,
        "casework/map.html",
        {
            **case_list.choices(request),
            "map": view,
            "rows": rows,
            "tags": case_list.tags(request, active),
            "words": words,
            "list_url": f"{reverse('cases')}?{query}",
            "as_of": moments.now(),
        },
    )


def tiled(kind: str, title: str, *, query: str = "", shown: bool = True, minzoom: int = 0) -> Layer:
    """A layer of vector tiles; ``query`` filters cases as on their list."""
    address = reverse("vector-tile", args=[kind, 0, 0, 0]).replace("/0/0/0.", "/{z}/{x}/{y}.")
    return Layer(kind, tiles=f"{address}?{query}" if query else address, title=title, shown=shown, minzoom=minzoom)


def _area(request: HttpRequest) -> list[Layer]:
    """The drawn area that filters, as a layer."""
    corners = area.read(request.GET.get("area", ""))
    if not corners:
        return []
    ring = [[lon / 1e7, lat / 1e7] for lon, lat in [*corners, corners[0]]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    return [Layer("area", title=_("Drawn area"), data={"type": "FeatureCollection", "features": [feature]})]


def _bounds(request: HttpRequest, cases: list[Case]) -> tuple[float, float, float, float] | None:
    """The drawn area, else a box around the newest cases of one built-up area (the median keeps far ones out)."""
    if corners := area.read(request.GET.get("area", "")):
        west, south, east, north = area.box(corners)
        return west / 1e7, south / 1e7, east / 1e7, north / 1e7
    lons = sorted(c.lon for c in cases if c.lon is not None)
    lats = sorted(c.lat for c in cases if c.lat is not None)
    if not lons or not lats:
        return None
    lon, lat = lons[len(lons) // 2], lats[len(lats) // 2]
    return lon - 0.014, lat - 0.012, lon + 0.014, lat + 0.012
