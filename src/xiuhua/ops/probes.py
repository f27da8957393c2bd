"""``/healthz``, ``/readyz`` and ``/metrics``, for machines."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from xiuhua import metrics
from xiuhua.doors import public
from xiuhua.ops import health
from xiuhua.ops.figures import Figures

LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host")


@public("a supervisor asks whether the process answers; tells nothing else")
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: answers without asking anything of anybody."""
    return HttpResponse("ok\n", content_type="text/plain")


@public("a balancer asks whether to send work; tells yes or no for database, worker and disk")
@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all questions are answered well, else 503."""
    answers = list(health.questions())
    ready = all(answer.ok for answer in answers)
    told = {answer.name: "ok" if answer.ok else answer.why for answer in answers}
    return JsonResponse({"ready": ready, **told}, status=200 if ready else 503)


@public("opened by XIUHUA_METRICS_TOKEN, or from this machine itself when no proxy stands between; no personal data")
@require_safe
@never_cache
def figures(request: HttpRequest) -> HttpResponse:
    """All figures in Prometheus' text format; 403 for everybody else."""
    if not may_read(request):
        return HttpResponse(
            "Forbidden: send XIUHUA_METRICS_TOKEN as a bearer token.\n", status=403, content_type="text/plain"
        )
    return HttpResponse(metrics.text(Figures()), content_type="text/plain; version=0.0.4; charset=utf-8")


def may_read(request: HttpRequest) -> bool:
    """By token; without one only from loopback and not through a proxy, behind which everybody comes from loopback."""
    if settings.METRICS_TOKEN:
        scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode(), settings.METRICS_TOKEN.encode()
        )
    proxied = settings.SECURE_PROXY_SSL_HEADER is not None or any(name in request.headers for name in FORWARDED)
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not proxied
