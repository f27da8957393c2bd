"""Legal holds: set by one person, lifted by another; every erasure asks here first, whoever starts it."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from xiuhua.casework import erase, moments, permits
from xiuhua.casework.models import Case
from xiuhua.casework.refusal import FieldError, Refusal, Refused
from xiuhua.city.access import Actor
from xiuhua.ops.models import LegalHold

PERMISSION = "retention.hold"


@erase.forbids
def standing(family: list[int]) -> str | None:
    """Why a family of cases may not be erased, or None."""
    hold = LegalHold.objects.filter(case_id__in=family, lifted_at__isnull=True).order_by("pk").first()
    if hold is None:
        return None
    return _("A legal hold stands on this case: %(document)s.") % {"document": hold.document_number}


def put(number: str, actor: Actor, *, document_number: str, reason: str) -> LegalHold:
    """Put a hold on a case and all that belongs to it. Raises `Refused`."""
    document_number, reason = document_number.strip()[:80], reason.strip()[:300]
    case = permits.visible(actor).filter(number=number.strip()).first()
    missing = [
        FieldError(name, _("This is needed."))
        for name, value in (("document_number", document_number), ("reason", reason))
        if not value
    ]
    if case is None:
        missing.insert(0, FieldError("number", _("There is no case of this number that you may read.")))
    if missing:
        raise Refused(Refusal("invalid", _("Some answers are missing or wrong."), missing=tuple(missing)))
    assert case is not None and actor.user_id is not None
    if not permits.within_reach(actor, case, PERMISSION):
        raise Refused(Refusal("not_yours", _("You may not put holds on cases of this platform.")))
    top = Case.objects.only("pk", "platform_id").get(pk=erase.family(case)[0])
    return LegalHold.objects.create(
        platform_id=top.platform_id,
        case_id=top.pk,
        document_number=document_number,
        reason=reason,
        set_by_id=actor.user_id,
        set_at=moments.now(),
    )


def lift(hold: LegalHold, actor: Actor) -> None:
    """End a hold; never by who set it. Raises `Refused`."""
    with transaction.atomic():
        row = LegalHold.objects.select_for_update(of=("self",)).select_related("case").get(pk=hold.pk)
        if not permits.within_reach(actor, row.case, PERMISSION):
            raise Refused(Refusal("not_yours", _("You may not lift holds of this platform.")))
        if row.lifted_at is not None:
            raise Refused(Refusal("not_now", _("This hold was lifted before.")))
        if row.set_by_id == actor.user_id:
            raise Refused(Refusal("guard", _("Another person than the one who set a hold must lift it.")))
        row.lifted_by_id, row.lifted_at = actor.user_id, moments.now()
        row.save(update_fields=["lifted_by", "lifted_at"])
