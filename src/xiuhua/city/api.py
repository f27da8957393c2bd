"""The API of the ground: who am I, categories, where is this point, and one's own tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from ninja import Path, Query, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field, StrictFloat, StrictInt, StrictStr, WithJsonSchema

from xiuhua.api_base import ApiRouter, Problem, allow, answers
from xiuhua.city import coordinates, locator, organisations, roles, tokens
from xiuhua.city.access import Actor
from xiuhua.city.categories import CategoryInfo, catalogue
from xiuhua.city.models import ApiToken, Platform, User

me = ApiRouter(tags=["account"])
own_tokens = ApiRouter(tags=["account"])
categories = ApiRouter(tags=["categories"])
places = ApiRouter(tags=["places"])

#: Points in one request of ``POST /locate``.
MOST_POINTS = 10_000

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
DatumName = Literal["wgs84", "cgcs2000", "gcj02", "bd09", "epsg4547"]


def _iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at.replace(tzinfo=None).isoformat()}Z"


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def _user_id(request: HttpRequest) -> int:
    """Only people and services call from outside, and both have accounts."""
    found = _actor(request).user_id
    assert found is not None
    return found


@answers(coordinates.CoordinateError)
def of_coordinates(error: coordinates.CoordinateError) -> Problem:
    return Problem(422, "invalid", str(error), errors=[("lon", str(error)), ("lat", str(error))])


# -- the account ---------------------------------------------------------------------------------------------------


class SeatOut(Schema):
    role: str
    role_title: str
    platform: str
    organisation: str
    division_prefix: str


class Me(Schema):
    """``scopes`` is null in a session, where the posts alone count."""

    username: str
    display_name: str
    platform: str
    language: str
    seats: list[SeatOut]
    permissions: list[str]
    scopes: list[str] | None


@me.get("", response=Me, summary="Who you are")
@allow()
def get_me(request: HttpRequest) -> dict[str, Any]:
    """Your posts, and what they and the scopes of this token let you do."""
    actor = _actor(request)
    platform = Platform.objects.filter(users=_user_id(request)).values_list("code", flat=True).first()
    return {
        "username": actor.username,
        "display_name": actor.display_name,
        "platform": platform or "",
        "language": get_language() or "",
        "seats": [
            {
                "role": seat.role,
                "role_title": str(known.title) if (known := roles.role(seat.role)) else seat.role,
                "platform": seat.platform_code,
                "organisation": _organisation_code(seat.organisation_id),
                "division_prefix": seat.division_prefix,
            }
            for seat in actor.seats
        ],
        "permissions": sorted(actor.permissions()),
        "scopes": None if actor.scopes is None else sorted(actor.scopes),
    }


def _organisation_code(pk: int | None) -> str:
    row = organisations.tree().by_id.get(pk) if pk else None
    return row.code if row else ""


class NewToken(Schema):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[StrictStr, Field(min_length=1, max_length=60)]
    scopes: Annotated[list[Annotated[StrictStr, Field(max_length=40)]], Field(min_length=1, max_length=40)]
    days: Annotated[StrictInt, Field(ge=1, le=tokens.MAX_DAYS)] = 90


class TokenOut(Schema):
    id: str
    name: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment
    last_used: Moment | None


class TokenMade(TokenOut):
    """``token`` is shown this once."""

    token: str


def _token(row: ApiToken) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "scopes": row.scopes,
        "created_at": _iso(row.created_at),
        "expires_at": _iso(row.expires_at),
        "last_used": _iso(row.last_used),
    }


@own_tokens.get("", response=list[TokenOut], summary="Your tokens")
@allow("api.token")
def list_tokens(request: HttpRequest) -> list[dict[str, Any]]:
    """The living ones; their text is not kept."""
    rows = ApiToken.objects.filter(user_id=_user_id(request), revoked_at__isnull=True, expires_at__gt=timezone.now())
    return [_token(row) for row in rows.order_by("-id")[:200]]


@own_tokens.post("", response={201: TokenMade}, summary="Make a token")
@allow("api.token")
def create_token(request: HttpRequest, body: NewToken) -> Status[Any]:
    """Only from a signed-in browser: a token cannot make others and so outlive itself."""
    if getattr(request, "by_token", False):
        raise Problem(403, "forbidden", _("A token cannot make tokens. Sign in to make one."))
    user = request.user
    assert isinstance(user, User)
    try:
        row, raw = tokens.issue(user, _actor(request), body.name, body.scopes, body.days)
    except tokens.TokenRefused as refused:
        raise Problem(422, "invalid", str(refused), errors=[("scopes", str(refused))]) from None
    return Status(201, {**_token(row), "token": raw})


@own_tokens.delete("/{token_id}", response={204: None}, summary="Revoke a token")
@allow("api.token")
def revoke_token(request: HttpRequest, token_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Status[Any]:
    """Ends one of your own tokens at once."""
    user = User.objects.filter(pk=_user_id(request)).first()
    if user is None or not tokens.revoke(user, token_id):
        raise Problem(404, "not_found", _("There is no such valid token of yours."))
    return Status(204, None)


# -- categories ----------------------------------------------------------------------------------------------------


class ConditionOut(Schema):
    """A file condition (立案条件); ``limit_value`` counts ``limit_unit``. What is not fileable says why in ``gap``."""

    id: str
    ref: str
    text: str
    limit_value: str | None
    limit_unit: str
    close: str
    sample: bool
    fileable: bool
    gap: str


class CategoryBrief(Schema):
    id: str
    scheme: str
    scheme_version: int
    kind: str
    code: str
    major_code: str
    major: str
    title: str
    legacy_code: str
    fileable: bool
    confirmed: bool


class CategoryOut(CategoryBrief):
    typical_unit: str
    derived: str
    conditions: list[ConditionOut]


class CategoryList(Schema):
    """``default_scheme``: under which new cases are filed today."""

    items: list[CategoryBrief]
    default_scheme: str


def _category(row: CategoryInfo) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "scheme": row.scheme.code,
        "scheme_version": row.scheme.version,
        "kind": row.kind,
        "code": row.code,
        "major_code": row.major_code,
        "major": str(row.major),
        "title": str(row.title),
        "legacy_code": row.legacy_code,
        "fileable": row.fileable,
        "confirmed": row.confirmed,
    }


@categories.get("", response=CategoryList, summary="Find categories")
@allow("ground.read", "case.read")
def list_categories(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=60, description="code, name, pinyin initials or words of a condition")] = "",
    scheme: Annotated[str, Query(max_length=40)] = "",
    kind: Annotated[Literal["", "component", "event"], Query()] = "",
    fileable: Annotated[bool, Query(description="only those under which a case can be filed")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """The best fit first; without words in the order of their codes. Current versions of the schemes only."""
    book = catalogue()
    found = book.search(q, scheme=scheme, kind=kind, fileable=fileable, limit=limit)
    return {"items": [_category(row) for row in found], "default_scheme": book.default_scheme()}


@categories.get("/{category_id}", response=CategoryOut, summary="One category")
@allow("ground.read", "case.read")
def get_category(request: HttpRequest, category_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> dict[str, Any]:
    """Of any version, with its file conditions: an old case keeps the row under which it was filed."""
    row = catalogue().by_id.get(category_id)
    if row is None:
        raise Problem(404, "not_found", _("There is no such category."))
    return {
        **_category(row),
        "typical_unit": str(row.typical_unit),
        "derived": row.derived,
        "conditions": [
            {
                "id": str(one.id),
                "ref": one.ref,
                "text": str(one.text),
                "limit_value": None if one.limit_value is None else format(one.limit_value.normalize(), "f"),
                "limit_unit": one.limit_unit,
                "close": str(one.close),
                "sample": one.sample,
                "fileable": one.fileable,
                "gap": one.gap,
            }
            for one in row.conditions
        ],
    }


# -- places --------------------------------------------------------------------------------------------------------


class LocatedOut(Schema):
    """Degrees in CGCS2000 and the codes of what lies under them, '' where nothing does.

    ``lon`` and ``lat`` are null for what is no position in the datum.
    """

    lon: float | None
    lat: float | None
    inside_city: bool
    grid: str
    responsibility_grid: str
    community: str
    sub_district: str
    county: str
    platform: str


class LocatedNamed(LocatedOut):
    """With the names of the codes, in your language."""

    names: dict[str, str]


Number = StrictInt | StrictFloat
Coordinate = Annotated[Number, Field(ge=-1e9, le=1e9)]


class Points(Schema):
    """Many points of one datum, x before y: longitude, latitude; for epsg4547 metres east, north."""

    model_config = ConfigDict(extra="forbid")

    datum: DatumName = "wgs84"
    points: Annotated[
        list[Annotated[list[Coordinate], Field(min_length=2, max_length=2)]], Field(max_length=MOST_POINTS)
    ]


class LocatedMany(Schema):
    """In the order of the points."""

    items: list[LocatedOut]


_PARTS = ("grid", "responsibility_grid", "community", "sub_district", "county", "platform")


@places.get("", response=LocatedNamed, summary="Where is this point")
@allow("ground.read")
def locate(
    request: HttpRequest,
    lon: Annotated[float, Query(ge=-1e9, le=1e9, allow_inf_nan=False)],
    lat: Annotated[float, Query(ge=-1e9, le=1e9, allow_inf_nan=False)],
    datum: Annotated[DatumName, Query()] = "wgs84",
) -> dict[str, Any]:
    """Grids, community, sub-district, county and platform of one point. Outside the city is an answer too."""
    x, y = coordinates.to_wgs84(lon, lat, datum)
    found = locator.locate(x, y)
    codes = {part: getattr(found, part) for part in _PARTS}
    names = {part: locator.name(code, get_language()) for part, code in codes.items() if code}
    return {"lon": round(x, 7), "lat": round(y, 7), "inside_city": found.inside_city, **codes, "names": names}


@places.post("", response=LocatedMany, summary="Where are these points")
@allow("ground.read")
def locate_many(request: HttpRequest, body: Points) -> dict[str, Any]:
    """Up to 10,000 points at once."""
    given = np.array(body.points, dtype=np.float64).reshape(-1, 2)
    lons, lats = coordinates.to_wgs84(given[:, 0], given[:, 1], body.datum)
    found = locator.locate_many(lons, lats)
    items = []
    for index in range(len(given)):
        good = bool(np.isfinite(lons[index]))
        one = found[index]
        items.append(
            {
                "lon": round(float(lons[index]), 7) if good else None,
                "lat": round(float(lats[index]), 7) if good else None,
                "inside_city": one.inside_city,
                **{part: getattr(one, part) for part in _PARTS},
            }
        )
    return {"items": items}
