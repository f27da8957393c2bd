"""``/basemap/CODE/Z/X/Y``: a tile of a configured provider, for people who are signed in."""

from __future__ import annotations

import hashlib
import logging

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified

from xiuhua.city.access import signed_in
from xiuhua.city.basemap import proxy
from xiuhua.city.basemap.fetch import Missing, Unavailable

log = logging.getLogger(__name__)

TYPES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"RIFF", "image/webp"), (b"GIF8", "image/gif"))


@signed_in
def tile(request: HttpRequest, code: str, z: int, x: int, y: int) -> HttpResponse:
    """A raster tile in Mercator squares and CGCS2000; kept a day by the reader's browser."""
    known = proxy.proxies(settings.MAP_PROVIDERS, settings.DATA_DIR / "basemap", settings.MAP_CACHE_BYTES)
    one = known.get(code)
    if one is None or not one.provider.min_zoom <= z <= one.provider.max_zoom or x >= 1 << z or y >= 1 << z:
        raise Http404
    try:
        body = one.tile(z, x, y)
    except Missing:
        # 204 is what MapLibre takes for an empty tile.
        response = HttpResponse(status=204)
        response["Cache-Control"] = "private, max-age=3600"
        return response
    except Unavailable as error:
        log.warning("base map: %s", error)
        response = HttpResponse(status=503)
        response["Retry-After"] = "5"
        response["Cache-Control"] = "no-store"
        return response
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponseNotModified()
    else:
        kind = next((kind for start, kind in TYPES if body.startswith(start)), "application/octet-stream")
        response = HttpResponse(body, content_type=kind)
    response["ETag"] = tag
    response["Cache-Control"] = "private, max-age=86400"
    return response
