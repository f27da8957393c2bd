"""Showing a masked personal field: asks why, writes the event, shows the value once."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from xiuhua.casework import library
from xiuhua.casework.answer_values import Bad, plain
from xiuhua.casework.pages import present
from xiuhua.casework.pages.case_page import find
from xiuhua.casework.refusal import Refused
from xiuhua.casework.reveal import may_reveal, reveal
from xiuhua.city.access import signed_in


@never_cache
@signed_in
@require_http_methods(["GET", "POST"])
def show(request: HttpRequest, number: str, field: str) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    case = find(actor, number)
    asked = library.version(case.procedure_id).fields().get(field)
    if asked is None or not asked.is_personal:
        raise Http404(_("This case has no such personal data."))
    context = {
        "case": case,
        "title": asked.title,
        "back": present.case_url(case),
        "may": may_reveal(case, actor),
        "value": "",
        "error": "",
    }
    status = 200 if context["may"] else 403
    if request.method == "POST" and context["may"]:
        try:
            reason = plain(request.POST.get("reason", ""))[:200]
        except Bad as bad:
            reason, context["error"], status = "", str(bad), 422
        if not reason:
            context["error"], status = context["error"] or _("Say why you need it."), 422
        else:
            try:
                context["value"] = reveal(case, field, actor, reason)
            except Refused as refused:
                context["error"], status = refused.refusal.message, 422
    return render(request, "casework/reveal.html", context, status=status)
