"""What the engine's refusals and this room's exceptions mean to a program."""

from __future__ import annotations

from django.utils.translation import gettext as _

from xiuhua.api_base import Problem, answers
from xiuhua.casework.paging import CursorRefused
from xiuhua.casework.refusal import Refused
from xiuhua.casework.thumbnails import FileRefused
from xiuhua.city.crypto import Unreadable

#: HTTP status by the code of a refusal (`Refusal`); what is not named is a conflict with the present state.
STATUS = {"unknown_action": 404, "not_found": 404, "not_yours": 403, "invalid": 422}
_FILE_STATUS = {"too_large": 413, "unsupported": 415}


@answers(Refused)
def of_refusal(error: Refused) -> Problem:
    refusal = error.refusal
    return Problem(
        STATUS.get(refusal.code, 409),
        refusal.code,
        refusal.message,
        errors=[(one.field, one.message) for one in refusal.missing],
        who=refusal.who,
        seq=error.detail.get("seq"),
    )


@answers(FileRefused)
def of_file(error: FileRefused) -> Problem:
    return Problem(_FILE_STATUS.get(error.code, 422), error.code, str(error))


@answers(CursorRefused)
def of_cursor(error: CursorRefused) -> Problem:
    return Problem(400, "cursor", str(error))


@answers(Unreadable)
def of_sealed(_error: Unreadable) -> Problem:
    return Problem(409, "sealed", _("This value is sealed under a key that is not here."))
