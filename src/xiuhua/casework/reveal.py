"""Showing a masked personal field: every look is an event with its reason."""

from __future__ import annotations

from django.utils.translation import gettext as _

from xiuhua.casework import engine, permits
from xiuhua.casework.context import Extra
from xiuhua.casework.models import Case, Personal
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city import crypto
from xiuhua.city.access import Actor

PERMISSION = "case.reveal"


def may_reveal(case: Case, actor: Actor) -> bool:
    """Who holds the case, or who has the permission on its platform or above and may read it."""
    if actor.kind == "system":
        return True
    if actor.scopes is not None and PERMISSION not in actor.scopes:
        return False
    if case.open and permits.holds(actor, case):
        return True
    return permits.within_reach(actor, case, PERMISSION) and permits.sees(actor, case)


def reveal(case: Case, field: str, actor: Actor, reason: str) -> str:
    """The plain value of a personal field; the event is written before the value is given.

    Raises `Refused` (not_yours, not_found, invalid without a reason); `crypto.Unreadable` when no key opens it.
    """
    if not may_reveal(case, actor):
        raise Refused(Refusal("not_yours", _("You may not see the personal data of this case.")))
    row = Personal.objects.filter(case_id=case.pk, field=field).first()
    if row is None:
        raise Refused(Refusal("not_found", _("The case has no such personal data, or it was erased.")))
    value = crypto.decrypt(row.cipher, f"case:{case.pk}:{field}")
    engine.advance(case.pk, "reveal", actor, {"reason": reason}, door="reveal", extra=Extra(note={"field": field}))
    return value
