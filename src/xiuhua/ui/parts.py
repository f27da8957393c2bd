"""What the template parts in ``ui/parts`` are given: small frozen dataclasses, or objects with these names.

Rooms fill them from their own records; a part never looks anything up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.conf import settings

Tone = Literal["", "ok", "soon", "over", "paused", "done", "info"]


@dataclass(frozen=True, slots=True)
class Badge:
    """Text with colour and icon (`parts/badge.html`); ``title`` is the longer explanation."""

    text: Any
    tone: str = ""
    icon: str = ""
    title: Any = ""


@dataclass(frozen=True, slots=True)
class Button:
    """One action (`parts/actions.html`). ``refusal`` says why it is not possible now; ``key`` is one letter.

    ``method`` get = a link (or a fragment into ``target`` by htmx), post = a form of its own.
    """

    title: Any
    url: str = ""
    key: str = ""
    tone: str = ""
    icon: str = ""
    refusal: Any = None
    target: str = ""
    method: Literal["get", "post"] = "get"
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Label and value (`parts/facts.html`, confirm panel); ``url`` makes the value a link."""

    label: Any
    value: Any
    note: Any = ""
    url: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Said before sending (`parts/confirm.html`): who gets it, by which rule, which clock, when due."""

    title: Any
    rows: Sequence[Row]
    submit: Any
    warning: Any = ""
    tone: str = "primary"


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo (`parts/photos.html`). ``alt`` says what is seen."""

    url: str
    thumb: str = ""
    alt: Any = ""
    caption: Any = ""
    taken_at: datetime | None = None
    width: int = 0
    height: int = 0

    @property
    def small(self) -> str:
        return self.thumb or self.url


@dataclass(frozen=True, slots=True)
class PhotoStage:
    """Photos of one stage: before, after, check."""

    title: Any
    photos: Sequence[Photo]


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a timeline (`parts/timeline.html`), newest first; ``rows`` open under it."""

    at: datetime
    title: Any
    who: Any = ""
    text: Any = ""
    icon: str = "point"
    tone: str = ""
    rows: Sequence[Row] = ()
    change: Any = ""  # "to be dispatched → to be received"
    mark: str = ""  # short digest of the event


@dataclass(frozen=True, slots=True)
class Tag:
    """A saved filter (`parts/tags.html`): ``url`` applies it; ``remove_url`` takes it away when active."""

    label: Any
    url: str = ""
    count: Any = None
    active: bool = False
    remove_url: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """A map layer: ``kind`` counties, communities, grids, roads, components, cases, area, here; ``url`` GeoJSON.

    ``tiles`` in place of ``url``: a template ``/…/{z}/{x}/{y}.mvt`` of vector tiles whose layer is named ``kind``.
    """

    kind: str
    url: str = ""
    title: Any = ""
    shown: bool = True
    data: Any = None  # GeoJSON in place of a url
    tiles: str = ""
    minzoom: int = 0
    maxzoom: int = 16


def base_tiles() -> list[dict[str, Any]]:
    """The raster tiles under a map, lowest first: of the proxied providers, else of the one tile address."""
    if settings.MAP_PROVIDERS:
        return [
            {
                "url": f"/basemap/{one.code}/{{z}}/{{x}}/{{y}}",
                "datum": "wgs84",
                "attribution": one.credit,
                "minzoom": one.min_zoom,
                "maxzoom": one.max_zoom,
                "overlay": one.overlay,
            }
            for one in settings.MAP_PROVIDERS
        ]
    if not settings.MAP_TILE_URL:
        return []
    only = {
        "url": settings.MAP_TILE_URL,
        "datum": settings.MAP_TILE_DATUM,
        "attribution": settings.MAP_TILE_ATTRIBUTION,
    }
    return [only]


@dataclass(frozen=True, slots=True)
class MapView:
    """A map (`parts/map.html`). ``bounds`` west, south, east, north in degrees; ``centre`` lon, lat.

    ``pick`` is the id prefix of a position question (`parts/position.html` sets it itself).
    """

    layers: Sequence[Layer]
    bounds: tuple[float, float, float, float] | None = None
    centre: tuple[float, float] | None = None
    zoom: float = 13
    size: Literal["", "small", "large", "full"] = ""
    title: Any = ""
    pick: str = ""
    legend: bool = True
    #: Draw and measure; ``{"select": address}`` with AREA in it also chooses cases by an area.
    tools: dict[str, str] | None = None

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(layer.kind for layer in self.layers)

    @property
    def config(self) -> str:
        """JSON for ``data-map``."""
        return json.dumps(
            {
                "layers": [
                    {
                        "kind": layer.kind,
                        "url": layer.url,
                        "title": str(layer.title),
                        "shown": layer.shown,
                        "data": layer.data,
                        "tiles": layer.tiles,
                        "minzoom": layer.minzoom,
                        "maxzoom": layer.maxzoom,
                    }
                    for layer in self.layers
                ],
                "bounds": self.bounds,
                "centre": self.centre,
                "zoom": self.zoom,
                "pick": self.pick,
                "tools": self.tools,
                "tiles": base_tiles(),
            },
            ensure_ascii=False,
        )
