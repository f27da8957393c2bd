"""The outermost middleware: gives a request its number, counts and times it, and writes its log line.

The line names the route ("cases/<str:number>/"), never the address or its query: a search holds what somebody looked
for. Who called is told by the number of the account.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from xiuhua import metrics, request_id

log = logging.getLogger("xiuhua.request")
#: Asked every few seconds; counted, not written.
QUIET = frozenset({"healthz", "readyz", "metrics", "static", "live/"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class WatchMiddleware:
    """Stands first in the list."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        number = request_id.given_or_new(request.headers.get(request_id.HEADER, ""))
        with request_id.of(number), metrics.IN_HAND.track_inprogress():
            response = self.get_response(request)
            seconds = time.perf_counter() - began
            response.headers[request_id.HEADER] = number
            self._note(request, response, seconds)
        return response

    def _note(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        route, method = route_of(request), request.method if request.method in METHODS else "OTHER"
        metrics.REQUESTS.labels(method, route, str(response.status_code)).inc()
        metrics.SECONDS.labels(route).observe(seconds)
        if route in QUIET and response.status_code < 500:
            return
        actor = getattr(request, "actor", None)
        fields = {
            "method": method,
            "route": route,
            "status": response.status_code,
            "ms": round(seconds * 1000, 1),
            "actor": getattr(actor, "ref", "") or "",
        }
        level = logging.WARNING if response.status_code >= 500 else logging.INFO
        log.log(level, "answered", extra={"fields": fields})


def route_of(request: HttpRequest) -> str:
    """The pattern of the URL map that answered; ``static`` for files, ``none`` where nothing did."""
    match = request.resolver_match
    if match is not None:
        return match.route or "/"
    return "static" if request.path_info.startswith(str(settings.STATIC_URL)) else "none"
