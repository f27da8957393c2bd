"""``/ogc/``: OGC API – Features 1.0, parts core and GeoJSON (OGC 17-069r4), for QGIS, GDAL and their like.

Positions are CRS84, pages go by ``next`` links, what is asked wrongly is told with 400. The door is that of the API:
a bearer token with its scopes, or the same token as the password of a basic log-in; or a session.
"""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Query, Schema
from pydantic import Field, WithJsonSchema

from xiuhua.api_base import ApiRouter, Problem, XiuhuaAPI, allow
from xiuhua.casework import permits
from xiuhua.casework.ogc import collections, wishes
from xiuhua.casework.ogc.collections import CASES, COLLECTIONS, GROUND, Collection
from xiuhua.casework.pages import case_list
from xiuhua.city.access import Actor

GEOJSON = "application/geo+json"
MOST = 2000
USUAL = 100
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CONFORMS = tuple(f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{part}" for part in ("core", "geojson"))

router = ApiRouter(tags=["features"])

Number = Annotated[str, Path(pattern=r"^[A-Z0-9-]{1,40}$", description="the case number")]
Code = Annotated[str, Path(pattern=r"^[a-z-]{1,40}$", description="a collection")]
FeatureId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,40}$")]
BBox = Annotated[str, Query(max_length=200, description="west,south,east,north in degrees (CRS84)")]
Moment = Annotated[
    str, Query(max_length=100, alias="datetime", description="when a case was reported: an instant or start/end")
]
# More than the most is no error: the standard wants the most to be given.
Limit = Annotated[
    int,
    Query(ge=1, description=f"features of a page, at most {MOST}"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST}),
]
After = Annotated[int, Query(ge=0, le=2**63 - 1, description="from a next link: where the page before ended")]

_FEATURES = {
    "responses": {200: {"description": "Features", "content": {GEOJSON: {"schema": {"type": "object"}}}}},
}


class CaseFilters(Schema):
    """The filters of the list of cases, by the same names as in its address."""

    q: Annotated[str, Field(max_length=100)] = ""
    state: Annotated[str, Field(max_length=40)] = ""
    stage: Annotated[str, Field(max_length=40)] = ""
    procedure: Annotated[str, Field(max_length=40)] = ""
    platform: Annotated[str, Field(max_length=12)] = ""
    county: Annotated[str, Field(max_length=6)] = ""
    grid: Annotated[str, Field(max_length=20)] = ""
    unit: Annotated[str, Field(max_length=18)] = ""
    category: Annotated[str, Field(max_length=18)] = ""
    urgency: Annotated[str, Field(max_length=20)] = ""
    source: Annotated[str, Field(max_length=40)] = ""
    open: Annotated[str, Field(pattern="^[01]?$")] = ""
    overdue: Annotated[str, Field(pattern="^1?$")] = ""
    supervised: Annotated[str, Field(pattern="^1?$")] = ""
    tasks: Annotated[str, Field(pattern="^1?$")] = ""
    area: Annotated[str, Field(max_length=4000, description="lon,lat;lon,lat;… the corners of an area")] = ""


class FeaturesAPI(XiuhuaAPI):
    """The house's API under other rules: what is asked wrongly is 400, and the root is the landing page."""

    def told(self, problem: Problem) -> Problem:
        if problem.status == 422:
            problem.status = 400
        return problem

    def get_root_path(self, path_params: dict[str, Any]) -> str:
        return reverse(f"{self.urls_namespace}:landing", kwargs=path_params)

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        return [one for one in super()._get_urls() if getattr(one, "name", "") != "api-root"]


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def _at(request: HttpRequest, path: str = "") -> str:
    return request.build_absolute_uri(f"/ogc/{path}")


def _link(href: str, rel: str, kind: str = "application/json", title: str = "") -> dict[str, str]:
    return {"href": href, "rel": rel, "type": kind, **({"title": title} if title else {})}


def _json(body: dict[str, Any], kind: str = "application/json") -> HttpResponse:
    response = HttpResponse(json.dumps(body, ensure_ascii=False), content_type=kind)
    response["Vary"] = "Authorization, Cookie, Accept-Language"
    return response


def _collection(request: HttpRequest, code: str) -> Collection:
    found = COLLECTIONS.get(code)
    if found is None or not found.may(_actor(request)):
        raise Problem(404, "not_found", _("There is no such collection, or you may not see it."))
    return found


# -- what there is -------------------------------------------------------------------------------------------------


@router.get("", summary="Landing page")
@allow(*GROUND)
def landing(request: HttpRequest) -> HttpResponse:
    """Where everything stands."""
    return _json(
        {
            "title": _("Xiuhua: cases and ground"),
            "description": _("What you may see of the city's cases and of the ground they stand on."),
            "links": [
                _link(_at(request), "self"),
                _link(_at(request, "api"), "service-desc", "application/vnd.oai.openapi+json;version=3.1"),
                _link(_at(request, "conformance"), "conformance"),
                _link(_at(request, "collections"), "data"),
            ],
        }
    )


@router.get("conformance", summary="What this conforms to")
@allow(*GROUND)
def conformance(request: HttpRequest) -> HttpResponse:
    """Classes of the standard that are kept."""
    return _json({"conformsTo": list(CONFORMS)})


@router.get("collections", summary="The collections")
@allow(*GROUND)
def list_collections(request: HttpRequest) -> HttpResponse:
    """The collections that you may see."""
    actor = _actor(request)
    return _json(
        {
            "links": [_link(_at(request, "collections"), "self")],
            "collections": [_said(request, one) for one in COLLECTIONS.values() if one.may(actor)],
        }
    )


@router.get("collections/{collection}", summary="One collection")
@allow(*GROUND)
def get_collection(request: HttpRequest, collection: Code) -> HttpResponse:
    """What a collection holds and where."""
    return _json(_said(request, _collection(request, collection)))


def _said(request: HttpRequest, one: Collection) -> dict[str, Any]:
    here = _at(request, f"collections/{one.code}")
    return {
        **collections.said(one),
        "crs": [CRS84],
        "links": [_link(here, "self"), _link(f"{here}/items", "items", GEOJSON, str(one.title))],
    }


# -- features ------------------------------------------------------------------------------------------------------


@router.get("collections/cases/items", summary="Cases", openapi_extra=_FEATURES)
@allow("case.read")
def list_cases(
    request: HttpRequest,
    filters: Query[CaseFilters],
    bbox: BBox = "",
    at: Moment = "",
    limit: Limit = USUAL,
    after: After = 0,
) -> HttpResponse:
    """The cases that you may see, in the order in which they came. ``datetime`` is about their report."""
    cases, _active, _words = case_list.chosen(_actor(request), request)
    rows = cases.select_related("platform", "parent__parent")
    return _page(request, CASES, rows, bbox, at, limit, after)


@router.get("collections/cases/items/{number}", summary="One case", openapi_extra=_FEATURES)
@allow("case.read")
def get_case(request: HttpRequest, number: Number) -> HttpResponse:
    """A case by its number."""
    return _one(request, CASES, permits.visible(_actor(request), CASES.rows()).filter(number=number).first())


@router.get("collections/{collection}/items", summary="Features of the ground", openapi_extra=_FEATURES)
@allow(*GROUND)
def list_features(
    request: HttpRequest, collection: Code, bbox: BBox = "", at: Moment = "", limit: Limit = USUAL, after: After = 0
) -> HttpResponse:
    """What stands, in the order in which it was entered."""
    which = _collection(request, collection)
    return _page(request, which, which.rows(), bbox, at, limit, after)


@router.get("collections/{collection}/items/{feature}", summary="One feature of the ground", openapi_extra=_FEATURES)
@allow(*GROUND)
def get_feature(request: HttpRequest, collection: Code, feature: FeatureId) -> HttpResponse:
    """A feature by its id."""
    which = _collection(request, collection)
    if which.key == "pk" and not (feature.isascii() and feature.isdigit() and len(feature) <= 18):
        return _one(request, which, None)
    return _one(request, which, which.rows().filter(**{which.key: feature}).order_by("pk").first())


def _page(
    request: HttpRequest, which: Collection, rows: Any, bbox: str, at: str, limit: int, after: int
) -> HttpResponse:
    found = collections.page(which, rows, wishes.box(bbox), wishes.interval(at), after, min(limit, MOST))
    here = _at(request, f"collections/{which.code}")
    asked = {name: value for name, value in request.GET.items() if name != "after"}
    links = [
        _link(request.build_absolute_uri(), "self", GEOJSON),
        _link(here, "collection"),
    ]
    if found.next:
        links.append(_link(f"{here}/items?{urlencode({**asked, 'after': found.next})}", "next", GEOJSON))
    body: dict[str, Any] = {
        "type": "FeatureCollection",
        "timeStamp": timezone.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        "numberReturned": len(found.features),
    }
    if found.matched is not None:
        body["numberMatched"] = found.matched
    response = _json({**body, "links": links, "features": found.features}, GEOJSON)
    response["Content-Crs"] = f"<{CRS84}>"
    return response


def _one(request: HttpRequest, which: Collection, row: Any) -> HttpResponse:
    if row is None:
        raise Problem(404, "not_found", _("There is no such feature, or you may not see it."))
    here = _at(request, f"collections/{which.code}")
    feature = which.feature(row)
    links = [_link(f"{here}/items/{feature['id']}", "self", GEOJSON), _link(here, "collection")]
    response = _json({**feature, "links": links}, GEOJSON)
    response["Content-Crs"] = f"<{CRS84}>"
    return response


api = FeaturesAPI(title="Xiuhua: OGC API – Features", version="1.0.0", urls_namespace="ogc", openapi_url="/api")
api.add_router("/", router)
