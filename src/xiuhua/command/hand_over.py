"""Handing over the duty: the list as it stands, the two signatures, and the chain that holds one list to the next.

The list names cases by number and knows nothing else of them, so nothing has to be erased from it. What the off-going
duty writes stands apart under a salted digest, as the words of a case's events do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from xiuhua.casework import chain, moments, permits
from xiuhua.casework.models import Case
from xiuhua.casework.refusal import Refusal, Refused
from xiuhua.city import roles
from xiuhua.city.access import Actor
from xiuhua.city.models import Appointment, Platform, Post
from xiuhua.command import duty
from xiuhua.command.duty import DutyRules, Moment, Section
from xiuhua.command.models import HandOver
from xiuhua.notify.models import Notice

ALGORITHM = "sha256"
#: Cases named in a section; how many there are is always said.
MOST = 50
MOST_WORDS = 2000
READ, SIGN = "duty.read", "duty.sign"


@dataclass(frozen=True)
class Part:
    """A section as it stands: title, how many, and the first of them, most urgent first."""

    section: Section
    total: int
    cases: list[Case]


def seat_platforms(actor: Actor, permission: str = READ) -> list[int]:
    """Platforms whose duty the actor reads (or signs), the own seats' order."""
    return list(dict.fromkeys(seat.platform_id for seat in actor.seats_with(permission)))


def _wanted(section: Section, now: datetime) -> Q:
    part = Q(open=True)
    if section.states:
        part &= Q(state__in=section.states)
    if section.urgency:
        part &= Q(urgency__in=section.urgency, parent__isnull=True)
    if section.sources:
        part &= Q(source__in=section.sources)
    if section.due == "overdue":
        part &= Q(due_at__lt=now, parent__isnull=True)
    if section.due == "today":
        part &= Q(due_at__lt=duty.end_of_day(now))
    if section.rings:
        waiting = Notice.objects.filter(case=OuterRef("pk"), ring_at__isnull=False, received_at__isnull=True)
        part &= Q(Exists(waiting))
    return part


def parts(actor: Actor, platform_id: int, rules: DutyRules, now: datetime) -> list[Part]:
    """Every section as it stands now; two statements a section, one while it is short."""
    found = []
    for section in rules.sections:
        cases = permits.visible(actor, Case.objects.filter(platform_id=platform_id)).filter(_wanted(section, now))
        rows = list(cases.select_related("parent__parent").order_by("due_at", "id")[: MOST + 1])
        total = cases.order_by().count() if len(rows) > MOST else len(rows)
        found.append(Part(section, total, rows[:MOST]))
    return found


def vacant(platform_id: int, now: datetime) -> QuerySet[Post]:
    """Posts of the centre that nobody holds today: of the organisations whose own posts sign the change of duty."""
    today = now.astimezone(duty.LOCAL).date()
    held = Appointment.objects.filter(post=OuterRef("pk"), since__lte=today, user__is_active=True)
    held = held.filter(Q(until__isnull=True) | Q(until__gte=today))
    signing = [code for code, role in roles.roles().items() if SIGN in role.permissions]
    centre = Post.objects.filter(platform_id=platform_id, role__in=signing).values("organisation")
    return Post.objects.filter(~Exists(held), platform_id=platform_id, organisation__in=centre).order_by("code")


def current(platform_id: int, moment: Moment) -> HandOver | None:
    """The hand-over of this change of duty, once the off-going duty has signed."""
    rows = HandOver.objects.filter(platform_id=platform_id, moment=moment.at, withdrawn_at__isnull=True)
    return rows.select_related("off_by", "on_by", "platform").first()


def sign_off(actor: Actor, platform: Platform, notes: str, absences: str) -> HandOver:
    """The off-going duty signs: the list is frozen. Raises `Refused` without the right, or when it is signed already."""
    _may(actor, platform.pk)
    assert actor.user_id is not None
    now = moments.now()
    rules = duty.rules_of(platform.code)
    moment = duty.moment_of(rules, now)
    listed = {
        "as_of": now.isoformat(),
        "sections": [
            {
                "code": part.section.code,
                "title": part.section.title.model_dump(),
                "total": part.total,
                "cases": [{"number": case.number, "state": case.state} for case in part.cases],
            }
            for part in parts(actor, platform.pk, rules, now)
        ],
        "vacant": [post.code for post in vacant(platform.pk, now)],
    }
    words, salt = _words(notes, absences), chain.new_salt()
    row = HandOver(
        platform=platform,
        moment=moment.at,
        change=moment.change.code,
        content=chain.canonical(listed),
        words=words,
        salt=salt,
        words_digest=chain.payload_digest(ALGORITHM, salt, words),
        off_by_id=actor.user_id,
        off_at=now,
    )
    try:
        with transaction.atomic():
            Platform.objects.select_for_update().get(pk=platform.pk)  # one chain, one hand
            last = HandOver.objects.filter(platform=platform).order_by("-id").first()
            row.previous_digest = last.digest if last else ""
            row.digest = digest_of(row)
            row.save(force_insert=True)
    except IntegrityError as error:
        raise Refused(Refusal("stale", _("This change of duty is signed already."))) from error
    return row


def take_over(actor: Actor, row: HandOver) -> None:
    """The on-coming duty signs. Raises `Refused`: another person than the off-going duty, and only once."""
    _may(actor, row.platform_id)
    if row.off_by_id == actor.user_id:
        raise Refused(Refusal("not_yours", _("Whoever hands over cannot take over: the next duty signs.")))
    now = moments.now()
    done = HandOver.objects.filter(pk=row.pk, on_by__isnull=True, withdrawn_at__isnull=True).update(
        on_by_id=actor.user_id, on_at=now, on_digest=on_digest_of(row, actor.user_id, now)
    )
    if not done:
        raise Refused(Refusal("stale", _("It was taken over or withdrawn in the meantime.")))


def withdraw(actor: Actor, row: HandOver) -> None:
    """Whoever signed off takes it back, as long as nobody has taken over; the row stays."""
    _may(actor, row.platform_id)
    mine = HandOver.objects.filter(pk=row.pk, on_by__isnull=True, withdrawn_at__isnull=True, off_by_id=actor.user_id)
    if not mine.update(withdrawn_at=moments.now()):
        raise Refused(Refusal("stale", _("It was taken over or withdrawn in the meantime.")))


def _may(actor: Actor, platform_id: int) -> None:
    if platform_id not in seat_platforms(actor, SIGN):
        raise Refused(Refusal("not_yours", _("Only the duty chief of this platform signs.")))


def _words(notes: str, absences: str) -> str:
    return chain.canonical({"notes": notes.strip()[:MOST_WORDS], "absences": absences.strip()[:MOST_WORDS]})


# -- what holds it together --------------------------------------------------------------------------------------------


def digest_of(row: HandOver) -> str:
    """Over the list, the digest of the words, who and when, and the hand-over before."""
    told = {
        "previous": row.previous_digest,
        "platform": row.platform_id,
        "moment": moments.to_us(row.moment),
        "change": row.change,
        "list": json.loads(row.content),
        "words": row.words_digest,
        "off": [row.off_by_id, moments.to_us(row.off_at)],
    }
    return chain.payload_digest(ALGORITHM, "", chain.canonical(told))


def on_digest_of(row: HandOver, user_id: int | None, at: datetime) -> str:
    """Over the off-going duty's signature, and who took over when."""
    return chain.payload_digest(ALGORITHM, "", chain.canonical([row.digest, user_id, moments.to_us(at)]))


def faults(row: HandOver) -> list[str]:
    """What does not hold, as codes: ``list``, ``words``, ``taken``, ``chain``; empty when all is well. Two statements."""
    found = []
    if row.digest != digest_of(row):
        found.append("list")
    if row.words and row.words_digest != chain.payload_digest(ALGORITHM, row.salt, row.words):
        found.append("words")
    if row.on_by_id is not None and row.on_at and row.on_digest != on_digest_of(row, row.on_by_id, row.on_at):
        found.append("taken")
    before = HandOver.objects.filter(platform_id=row.platform_id, pk__lt=row.pk).order_by("-id").first()
    if row.previous_digest != (before.digest if before else ""):
        found.append("chain")
    return found


def content_of(row: HandOver) -> dict[str, Any]:
    """The frozen list: ``as_of``, ``sections`` (code, title, total, cases), ``vacant``."""
    found: dict[str, Any] = json.loads(row.content)
    return found


def words_of(row: HandOver) -> dict[str, str]:
    """``notes`` and ``absences``; empty texts once they were erased."""
    found: dict[str, str] = json.loads(row.words) if row.words else {"notes": "", "absences": ""}
    return found
