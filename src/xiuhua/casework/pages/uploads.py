"""Pictures in and out: one photo at a time in, the file or a thumbnail out to those who may see the case."""

from __future__ import annotations

from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from xiuhua.casework import files
from xiuhua.city.access import requires, signed_in


@requires("case.report", "case.act")
@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    """``{id, name, thumb}``; ``id`` is the digest that a form posts."""
    given = request.FILES.get("file")
    if given is None:
        return JsonResponse({"error": _("No file was sent.")}, status=400)
    try:
        row = files.upload(request.actor, given, given.name or "")  # type: ignore[attr-defined]
    except files.FileRefused as refused:
        return JsonResponse({"error": str(refused)}, status=413 if refused.code == "too_large" else 415)
    return JsonResponse({"id": row.sha256, "name": row.name, "thumb": reverse("thumbnail", args=[row.sha256, 320])})


@signed_in
def file(request: HttpRequest, sha256: str) -> HttpResponseBase:
    return _serve(request, sha256, None)


@signed_in
def sized(request: HttpRequest, sha256: str, size: str) -> HttpResponseBase:
    return _serve(request, sha256, int(size))


def _serve(request: HttpRequest, sha256: str, size: int | None) -> HttpResponseBase:
    actor = request.actor  # type: ignore[attr-defined]
    row = files.find(actor, sha256)
    if row is None or (size is not None and size not in files.SIZES):
        raise Http404(_("There is no such file, or you may not see it."))
    return files.open_for(actor, row, size=size, request=request)
