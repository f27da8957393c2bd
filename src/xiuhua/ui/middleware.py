"""Security headers of every response; requests that are refused before any view: heard out, and answered in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.views.defaults import bad_request

HEADER = "Content-Security-Policy"
#: Bytes of a refused request that are read before the answer.
MOST_DRAINED = 64 * 2**20


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


def stream_origin(request: HttpRequest) -> str:
    """Where live updates come from when that is another port of this host; '' otherwise."""
    url: str = settings.STREAM_URL
    if not url.startswith(":"):
        return ""
    with suppress(DisallowedHost):
        host, _port = split_domain_port(request.get_host())
        return f"{request.scheme}://{host}{url.partition('/')[0]}"
    return ""


@lru_cache(maxsize=64)
def policy(tile_url: str, stream: str = "") -> str:
    """The content policy: nothing inline, nothing evaluated, nothing from afar but the configured tiles.

    ``stream`` is the origin of live updates where they have a port of their own.
    """
    tiles = tile_origin(tile_url)
    suffix = f" {tiles}" if tiles else ""
    live = f" {stream}" if stream else ""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: blob:{suffix}",
            "font-src 'self'",
            "worker-src 'self'",
            f"connect-src 'self'{suffix}{live}",
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
        headers.setdefault(HEADER, policy(settings.MAP_TILE_URL, stream_origin(request)))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "geolocation=(self), camera=(self), microphone=(), payment=()")
        return response


class ReadToTheEndMiddleware:
    """Reads what is left of a refused body, so that the sender gets to hear the refusal.

    A server that answers and closes while the other side still sends cuts the connection: the browser then shows a
    network failure instead of “the file is too large”. More than `MOST_DRAINED` is cut off all the same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        stream = getattr(request, "_stream", None)
        if stream is not None and response.status_code >= 400:
            left = MOST_DRAINED
            with suppress(OSError):
                while left > 0 and (chunk := stream.read(min(left, 2**16))):
                    left -= len(chunk)
        return response


class ReadableAddressMiddleware:
    """Answers 400 for an address with a NUL: PostgreSQL takes it in no value, SQLite finds nothing with it.

    The API says the same in its own way (`xiuhua.api_base.StrictParser`); forms say it beside the field.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/") or not _has_nul(request):
            return self.get_response(request)
        return bad_request(request, ValueError("NUL in the address"))


def _has_nul(request: HttpRequest) -> bool:
    values = (text for name, found in request.GET.lists() for text in (name, *found))
    return "\0" in request.path or any("\0" in text for text in values)
