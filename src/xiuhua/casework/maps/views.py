"""Vector tiles of the map: in the reader's scope, kept by the reader's browser only, checked by an entity tag.

The tag of a tile of cases covers the reader's seats, the address, the language, the minute (what is overdue changes
with time) and the latest changes of the log. Several rows stand for "the latest", because a transaction that began
earlier may commit later.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import moments
from xiuhua.casework.maps import case_tiles, ground_tiles, mvt
from xiuhua.casework.maps.tile_math import Tile
from xiuhua.casework.models import Case
from xiuhua.casework.pages import case_list
from xiuhua.city import component_points, coordinates, organisations
from xiuhua.city.access import Actor, requires

TYPE = "application/vnd.mapbox-vector-tile"
GROUND = ("components", "grids", "roads")
#: Rows of the log's end that a tag covers.
LATEST = 64


@requires("ground.read", "case.read")
def tile(request: HttpRequest, layer: str, z: int, x: int, y: int) -> HttpResponse:
    """One tile of ``components``, ``grids``, ``roads``, or of ``cases`` under the list's filters."""
    at = Tile(z, x, y)
    if not at.exists:
        raise Http404
    actor: Actor = request.actor  # type: ignore[attr-defined]
    english = (get_language() or "").startswith("en")
    if layer in GROUND:
        tag = _tag(layer, ground_tiles.version(layer), english, z, x, y)
        if request.headers.get("If-None-Match") == tag:
            return _kept(HttpResponseNotModified(), tag, seconds=300)
        return _kept(HttpResponse(ground_tiles.tile(layer, at, english=english), content_type=TYPE), tag, seconds=300)
    if layer != "cases" or not actor.has("case.read"):
        raise Http404
    now = moments.now()
    tag = _tag(
        layer, latest(), scope(actor), request.META.get("QUERY_STRING", ""), english, now.strftime("%H%M"), z, x, y
    )
    if request.headers.get("If-None-Match") == tag:
        return _kept(HttpResponseNotModified(), tag)
    cases, _active, _words = case_list.chosen(actor, request)
    body = mvt.encode(layer, case_tiles.features(cases, at, now))
    return _kept(HttpResponse(body, content_type=TYPE), tag)


def latest() -> list[Any]:
    """The newest changes of cases, enough to notice any new one; one statement on an index."""
    return list(Case.objects.order_by("-updated_at", "-id").values_list("updated_at", "id", "seq")[:LATEST])


def scope(actor: Actor) -> str:
    """What an actor may see, as far as posts, token and the tree of units decide it."""
    seats = [(s.role, s.platform_id, s.organisation_id, s.division_prefix, s.post_id) for s in actor.seats]
    scopes = None if actor.scopes is None else sorted(actor.scopes)
    organisations.tree()
    return json.dumps([actor.kind, actor.user_id, seats, scopes, organisations.TABLE.version], default=str)


def _tag(*parts: Any) -> str:
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'


def _kept(response: HttpResponse, tag: str, seconds: int = 0) -> HttpResponse:
    response["ETag"] = tag
    response["Cache-Control"] = f"private, max-age={seconds}" if seconds else "private, no-cache"
    response["Vary"] = "Cookie, Authorization, Accept-Language"
    return response


@requires("ground.read", "case.read", "case.report")
def nearest(request: HttpRequest) -> JsonResponse:
    """Components around a point, nearest first: ``lon``, ``lat`` and their ``datum``."""
    try:
        datum = coordinates.Datum(request.GET.get("datum", "wgs84"))
        lon, lat = coordinates.to_wgs84(float(request.GET["lon"]), float(request.GET["lat"]), datum)
    except (KeyError, ValueError):
        return JsonResponse({"results": []})
    language = get_language()
    return JsonResponse(
        {
            "results": [
                {
                    "value": one.code,
                    "label": one.name.in_language(language),
                    "note": one.code,
                    "far": _("%(metres)d m") % {"metres": round(one.metres)},
                    "lon": one.lon_e7 / 1e7,
                    "lat": one.lat_e7 / 1e7,
                }
                for one in component_points.nearest(lon, lat)
            ]
        }
    )
