"""The URL map: pages and API of every room, assembled from the manifests."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from xiuhua import api_base, manifest
from xiuhua.api_base import XiuhuaAPI
from xiuhua.manifest import Manifest

API_ROOT = "api/v1/"


def build_api(rooms: tuple[Manifest, ...]) -> XiuhuaAPI:
    """One API of all rooms. ``openapi.json`` is served; there is no page that loads scripts from afar."""
    api = XiuhuaAPI()
    for room in rooms:
        for part in room.api:
            api.add_router(part.prefix, manifest.load(part.router))
    return api


def build(rooms: tuple[Manifest, ...]) -> list[URLPattern | URLResolver]:
    """URL patterns of the given rooms; raises ValueError when manifests contradict each other."""
    faults = manifest.check(rooms)
    if faults:
        raise ValueError("; ".join(faults))
    patterns: list[URLPattern | URLResolver] = [path("", include(room.urls)) for room in rooms if room.urls]
    return [path(API_ROOT, build_api(rooms).urls), path(f"{API_ROOT}<path:path>", api_base.unknown), *patterns]


urlpatterns = build(manifest.rooms())
handler500 = "xiuhua.outage.answer"
