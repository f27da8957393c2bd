"""Taking a ledger out as a file, and the empty file that an import asks for."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from xiuhua.casework import moments, paging
from xiuhua.city.access import signed_in
from xiuhua.ledgers import columns, exports, filters
from xiuhua.ledgers.pages import common


@signed_in
def export(request: HttpRequest, code: str) -> HttpResponseBase:
    """What the list shows under its filters, as ``?format=csv|xlsx|geojson|gpkg``."""
    ledger, actor = common.find(request, code)
    form = request.GET.get("format", "csv")
    if form not in exports.formats(ledger):
        raise Http404
    chosen = filters.choose(ledger, actor, request.GET.dict())
    counted = paging.count(chosen.rows, exports.MOST[form])
    if counted.more:
        messages.error(
            request,
            _("More than %(most)s rows fit; filter the list, or take another format.")
            % {"most": f"{exports.MOST[form]:,}"},
        )
        return redirect(f"{reverse('ledger', args=[code])}?{chosen.query}")
    book, language = columns.book(ledger), get_language() or "zh-hans"

    def pieces() -> Iterator[bytes]:
        with override(language):
            yield from exports.made(book, chosen.rows, form)

    day = timezone.localtime(moments.now())
    response = StreamingHttpResponse(pieces(), content_type=exports.TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{code}-{day:%Y%m%d-%H%M}.{form}"'
    response["Cache-Control"] = "private, no-store"
    return response


@signed_in
def template(request: HttpRequest, code: str, form: str) -> HttpResponse:
    """Headers to fill in, as CSV or XLSX."""
    ledger, _actor = common.find(request, code, "manage")
    if form not in ("csv", "xlsx"):
        raise Http404
    response = HttpResponse(exports.template(columns.book(ledger), form), content_type=exports.TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{code}-template.{form}"'
    return response
