"""A ledger on the map, and its rows as GeoJSON: what the list's filter shows, no more than a map can bear."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import shapely
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from xiuhua.casework import moments, paging
from xiuhua.city.access import signed_in
from xiuhua.ledgers import columns, filters, shapes, views
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.pages import common
from xiuhua.ui.parts import Layer, MapView

#: So many rows are drawn; beyond that one comes nearer or filters.
MOST = 5000


def own_layer(ledger: Ledger, rows: Iterable[tuple[int, Any, str]], kind: str = "") -> Layer:
    """Rows given as (id, geometry, title) in a layer of their own."""
    return Layer(kind or "things", "", ledger.title, data=_collection(ledger, rows))


def _collection(ledger: Ledger, rows: Iterable[tuple[int, Any, str]]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": json.loads(shapely.to_geojson(geometry)),
                "properties": {"title": title, "url": reverse("ledger-row", args=[ledger.code, pk])},
            }
            for pk, geometry, title in rows
        ],
    }


@signed_in
def ledger_map(request: HttpRequest, code: str) -> HttpResponse:
    """The rows of the list under the same filters, on the map; the first of them beside it as a list."""
    ledger, actor = common.find(request, code)
    if ledger.shape is None:
        raise Http404
    given = request.GET.dict()
    chosen = filters.choose(ledger, actor, given)
    page = filters.page(chosen, size=30)
    total = paging.count(chosen.rows)
    controls = filters.controls(ledger, given)
    layers = [
        Layer("counties", reverse("layer", args=["counties"]), _("Counties")),
        Layer("communities", reverse("layer", args=["communities"]), _("Communities")),
        Layer("roads", reverse("layer", args=["roads"]), _("Roads"), shown=ledger.code != "places"),
        Layer("grids", reverse("layer", args=["grids"]), _("Unit grids"), shown=False),
        Layer("things", f"{reverse('ledger-features', args=[code])}?{chosen.query}", ledger.title),
    ]
    return render(
        request,
        "ledgers/map.html",
        {
            "ledger": ledger,
            "map": MapView(layers, bounds=bounds(ledger, page.rows), size="large", title=ledger.title),
            "lines": common.lines(columns.book(ledger), page.rows),
            "first_controls": controls[:3],
            "more_controls": controls[3:],
            "more": any(control.value for control in controls[3:]),
            "tags": views.tags(ledger, actor, chosen) + filters.tags(chosen),
            "clear_url": reverse("ledger-map", args=[code]) if chosen.values or chosen.words else "",
            "words": chosen.words,
            "total": total,
            "too_many": total.value > MOST,
            "most": MOST,
            "list_url": reverse("ledger", args=[code]) + (f"?{chosen.query}" if chosen.query else ""),
            "as_of": moments.now(),
        },
    )


def bounds(ledger: Ledger, rows: list[Model]) -> tuple[float, float, float, float] | None:
    """A box around the middle one of the first rows."""
    assert ledger.shape is not None
    lons = sorted(lon for row in rows if (lon := getattr(row, ledger.shape.lon)) is not None)
    lats = sorted(lat for row in rows if (lat := getattr(row, ledger.shape.lat)) is not None)
    if not lons or not lats:
        return None
    lon, lat = lons[len(lons) // 2] / 1e7, lats[len(lats) // 2] / 1e7
    return lon - 0.014, lat - 0.012, lon + 0.014, lat + 0.012


@signed_in
def features(request: HttpRequest, code: str) -> HttpResponse:
    """GeoJSON of the rows under the list's filters; ``bbox=west,south,east,north`` in degrees bounds them."""
    ledger, actor = common.find(request, code)
    if ledger.shape is None:
        raise Http404
    chosen = filters.choose(ledger, actor, request.GET.dict())
    rows = within(ledger, chosen.rows, request.GET.get("bbox", ""))
    found = [
        (row.pk, geometry, str(row))
        for row in rows.order_by("-id")[:MOST]
        if (geometry := shapes.geometry_of(ledger, row)) is not None
    ]
    text = json.dumps(_collection(ledger, found), ensure_ascii=False)
    response = HttpResponse(text, content_type="application/geo+json")
    response["Cache-Control"] = "private, no-cache"
    return response


def within(ledger: Ledger, rows: QuerySet[Model], box: str) -> QuerySet[Model]:
    """Rows whose point lies in a box; all when the box cannot be read."""
    assert ledger.shape is not None
    try:
        west, south, east, north = (round(float(part) * 1e7) for part in box.split(","))
    except (ValueError, OverflowError):
        return rows
    return rows.filter(**{f"{ledger.shape.lon}__range": (west, east), f"{ledger.shape.lat}__range": (south, north)})
