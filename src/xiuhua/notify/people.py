"""Who is told, and where each is reached. Addresses are opened here, at the moment of sending, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from xiuhua.casework import moments
from xiuhua.casework.models import Case, Personal
from xiuhua.city import crypto
from xiuhua.city.models import Appointment, User
from xiuhua.notify.models import Address
from xiuhua.notify.rules import Rule

#: More people of one unit or desk than this are not told in person of one event.
MOST = 30
REPORTER_PHONE = "reporter_phone"


@dataclass(frozen=True)
class Party:
    """``key`` makes the notice one; ``users`` have it in their lists. ``targets``: robots and webhooks by code."""

    key: str
    organisation_id: int | None = None
    users: tuple[int, ...] = ()
    targets: tuple[str, ...] = ()


def parties(rule: Rule, case: Case) -> list[Party]:
    """The parties of a rule for a case as it is now; those that the case lacks are left out."""
    found = []
    for whom in rule.to:
        if whom == "unit" and (unit := case.holder_org_id or case.responsible_org_id):
            found.append(Party(f"unit:{unit}", unit, at_desk("unit", organisation_id=unit)))
        elif whom == "handler" and case.holder_user_id:
            found.append(Party(f"person:{case.holder_user_id}", users=(case.holder_user_id,)))
        elif whom in ("dispatcher", "duty_chief"):
            found.append(Party(f"role:{whom}", users=at_desk(whom, platform_id=case.platform_id)))
        elif whom == "reporter" and Personal.objects.filter(case_id=case.pk, field=REPORTER_PHONE).exists():
            found.append(Party("reporter"))
        elif whom == "channel":
            codes = tuple(dict.fromkeys(code for way in rule.ways for code in way.to))
            found.append(Party("channels", targets=codes))
    return found


def at_desk(role: str, *, organisation_id: int | None = None, platform_id: int | None = None) -> tuple[int, ...]:
    """Active people who hold a post of the role today, of the unit itself or of the platform."""
    today = timezone.localdate(moments.now())
    where = Q(post__organisation_id=organisation_id) if organisation_id else Q(post__platform_id=platform_id)
    rows = (
        Appointment.objects.filter(where, post__role=role, user__is_active=True, since__lte=today)
        .filter(Q(until__isnull=True) | Q(until__gte=today))
        .order_by("user_id")
        .values_list("user_id", flat=True)
        .distinct()
    )
    return tuple(rows[:MOST])


def phone_of(user: User) -> str:
    """'' when there is none, or no key opens it."""
    return _opened(user.phone_cipher, f"ledger:people:{user.username}:phone")


def address_of(user: User, channel: str) -> str:
    """Where a person is reached by a personal channel; '' when that is not known."""
    if channel == "sms":
        return phone_of(user)
    row = Address.objects.filter(user_id=user.pk, channel=channel).first()
    return _opened(row.cipher, context(user.pk, channel)) if row is not None else ""


def keep_address(user: User, channel: str, value: str) -> None:
    """Keep or, with an empty value, forget an address."""
    if not value:
        Address.objects.filter(user=user, channel=channel).delete()
        return
    sealed = crypto.encrypt(value, context(user.pk, channel))
    Address.objects.update_or_create(
        user=user, channel=channel, defaults={"cipher": sealed, "changed_at": moments.now()}
    )


def reporter_phone(case_id: int) -> str:
    row = Personal.objects.filter(case_id=case_id, field=REPORTER_PHONE).first()
    return crypto.normalise_phone(_opened(row.cipher, f"case:{case_id}:{REPORTER_PHONE}")) if row is not None else ""


def context(user_id: int, channel: str) -> str:
    return f"notify:{user_id}:{channel}"


def _opened(cipher: str, bound_to: str) -> str:
    try:
        return crypto.decrypt(cipher, bound_to) if cipher else ""
    except crypto.Unreadable:
        return ""


def masked(channel: str, value: str) -> str:
    """An address as lists and logs show it."""
    if channel == "sms":
        return crypto.mask_phone(value)
    if channel == "email" and "@" in value:
        name, _at, host = value.rpartition("@")
        return f"{name[:1]}***@{host}"
    return f"{value[:2]}***" if len(value) > 4 else "***"


def names_of(pks: Iterable[int | None]) -> dict[int, str]:
    return dict(User.objects.filter(pk__in={pk for pk in pks if pk}).values_list("pk", "display_name"))
