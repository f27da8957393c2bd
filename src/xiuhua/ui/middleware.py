"""Security headers of every response: content policy, referrer, permissions of the browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"


def tile_origin(url: str) -> str:
    """Scheme and host of a tile URL; '' when tiles come from this site or there are none.

    A host with a sub-domain pattern such as ``{s}.example.cn`` becomes ``*.example.cn``.
    """
    parts = urlsplit(url)
    if not parts.netloc:
        return ""
    first, dot, rest = parts.netloc.partition(".")
    host = f"*.{rest}" if dot and "{" in first else parts.netloc
    return f"{parts.scheme}://{host}"


@cache
def policy(tile_url: str) -> str:
    """The content policy: nothing inline, nothing evaluated, nothing from afar but the configured tiles."""
    tiles = tile_origin(tile_url)
    suffix = f" {tiles}" if tiles else ""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: blob:{suffix}",
            "font-src 'self'",
            "worker-src 'self'",
            f"connect-src 'self'{suffix}",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class ContentPolicyMiddleware:
    """Adds the headers; a view may set a stricter policy of its own (for instance for served files)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        headers = response.headers
        headers.setdefault(HEADER, policy(settings.MAP_TILE_URL))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "geolocation=(self), camera=(self), microphone=(), payment=()")
        return response
