"""Effects that failed: what, how often, why, and another try."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from xiuhua.casework import deliver, moments
from xiuhua.casework.models import Outbox
from xiuhua.city.access import requires


@requires("outbox.manage")
def outbox(request: HttpRequest) -> HttpResponse:
    failed = Outbox.objects.filter(done_at__isnull=True).exclude(last_error="").select_related("case")
    return render(
        request,
        "casework/outbox.html",
        {
            "rows": failed.order_by("-dead", "-id")[:100],
            "waiting": Outbox.objects.filter(done_at__isnull=True, dead=False, run_at__lte=moments.now()).count(),
            "as_of": moments.now(),
        },
    )


@requires("outbox.manage")
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    deliver.retry(get_object_or_404(Outbox, pk=pk))
    messages.success(request, _("It is tried again now."))
    return redirect("outbox")
