"""When the database does not answer or a disk is full: 503 with the time to try again, as a page or a problem document.

Django's own answer to an exception is a plain 500; the same request would succeed a minute later, and programs should know.
"""

from __future__ import annotations

import errno
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.utils.translation import gettext as _
from django.views.defaults import server_error

from xiuhua.api_base import Problem, respond

RETRY_SECONDS = 10
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_outage(error: BaseException | None) -> bool:
    """Whether what failed is the ground under us and not the request."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return isinstance(error, OperationalError | InterfaceError)


def problem() -> Problem:
    detail = _("The database does not answer or a disk is full. What was saved is safe; try again in a minute.")
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


def answer(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``: called while the exception is being handled."""
    if not is_outage(sys.exc_info()[1]):
        return server_error(request)
    if request.path.startswith("/api/"):
        return respond(problem())
    page = loader.get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"})
