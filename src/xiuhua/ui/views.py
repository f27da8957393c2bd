"""Language switch, the style guide, and the answer for too many requests."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from xiuhua.doors import public, signed_in
from xiuhua.ui import guide_data


@public("everybody chooses the language, also on the log-in page")
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Keep the language in a cookie, and with the account when signed in; back to the page one came from."""
    chosen = request.POST.get("language", "")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if safe else "/")
    if chosen not in dict(settings.LANGUAGES):
        return response
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        chosen,
        max_age=365 * 24 * 3600,
        samesite="Lax",
        secure=request.is_secure(),
        httponly=True,
    )
    user: Any = request.user
    if user.is_authenticated and getattr(user, "language", chosen) != chosen:
        user.language = chosen
        user.save(update_fields=["language"])
    return response


def too_many_requests(request: HttpRequest, retry_after: int) -> HttpResponse:
    """The 429 page; ``retry_after`` in seconds. Rooms that count requests answer with it."""
    response = render(request, "429.html", {"retry_after": retry_after}, status=429)
    response["Retry-After"] = str(retry_after)
    return response


@signed_in
@require_GET
def guide(request: HttpRequest) -> HttpResponse:
    """Every part with sample data; listed in the demo only, so that designers can look at it."""
    name = request.GET.get("page", "parts")
    if name not in guide_data.PAGES:
        raise Http404
    return render(request, f"ui/guide/{name}.html", {"guide": guide_data.sample(), "page_name": name})


@signed_in
def guide_piece(request: HttpRequest, name: str) -> HttpResponse:
    """Pieces that the guide loads: sample layers, looked-up options, and an upload that keeps nothing."""
    if name == "photo" and request.method == "POST":
        return JsonResponse({"id": "sample", "name": "sample", "thumb": guide_data.photo("after").url})
    if name == "options":
        return JsonResponse({"results": guide_data.options_for(request.GET.get("q", ""))})
    if name == "place":
        return render(request, "ui/guide/place.html", {"lon": request.GET.get("place.lon", "")})
    layer = guide_data.layer(name)
    if layer is None:
        raise Http404
    return JsonResponse(layer)
