"""Who may act on a case, and which cases an actor may read.

Acting needs a seat whose role the action names and whose scope covers the case: the platform, the unit (its own
tree), the person where the case is held by one, and the division of the seat. A seat of a platform that supervises
the case's platform gives what an action says under ``across``, and nothing else. Reading follows `Role.reads` on the
seat's platform and those below it, and whoever ever held a case, person, unit or platform, keeps it readable (`Party`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet

from xiuhua.casework.models import Case, Hand, Party
from xiuhua.casework.procedures import Action, State
from xiuhua.casework.schema import UNIT_ROLES
from xiuhua.city import organisations, roles
from xiuhua.city.access import Actor, Seat
from xiuhua.city.platforms import platforms
from xiuhua.city.roles import Reads

#: Roles that act themselves: where a person holds the case it must be this one.
PERSON_ROLES = frozenset({"collector", "handler", "crew"})


def seat_covers(seat: Seat, case: Case, actor: Actor) -> bool:
    """Whether a seat's scope covers a case."""
    if seat.role in UNIT_ROLES:
        unit = case.holder_org_id or case.responsible_org_id
        if unit is None or seat.organisation_id is None:
            return False
        if unit not in organisations.tree().subtree_ids(seat.organisation_id):
            return False
    elif seat.platform_id != case.platform_id:
        return False
    if not _in_division(seat, case):
        return False
    return not (seat.role in PERSON_ROLES and case.holder_user_id is not None and case.holder_user_id != actor.user_id)


def supervises(seat: Seat, case: Case) -> bool:
    """Whether a seat stands on a platform above the case's, and its division covers the case."""
    return platforms().supervises(seat.platform_id, case.platform_id) and _in_division(seat, case)


def _in_division(seat: Seat, case: Case) -> bool:
    prefix = seat.division_prefix
    return not prefix or any(
        code.startswith(prefix) for code in (case.community, case.sub_district, case.county) if code
    )


def holds(actor: Actor, case: Case) -> bool:
    """Whether the actor is who the case waits for."""
    if case.holder_user_id is not None:
        return case.holder_user_id == actor.user_id
    if any(hand_is(actor, hand, case) for hand in case.hands if not hand.get("choice")):
        return True
    return any(seat_covers(seat, case, actor) for seat in actor.seats_for(case.holder_role))


def hand_is(actor: Actor, hand: dict[str, object], case: Case) -> bool:
    """Whether an open seat of a collect state is the actor's."""
    if hand.get("user"):
        return hand["user"] == actor.user_id
    if hand.get("organisation"):
        return any(s.organisation_id == hand["organisation"] for s in actor.seats_for("unit"))
    return any(s.platform_id == case.platform_id for s in actor.seats_for(str(hand.get("role") or "")))


def may_act(actor: Actor, case: Case, action: Action, state: State | None) -> bool:
    """Whether one of the actor's seats gives this action on this case."""
    if actor.kind == "system":
        return action.system
    if actor.scopes is not None and not actor.has("case.act"):
        return False
    if action.start and case.seq == 0:
        return any(
            s.platform_id == case.platform_id or s.role in UNIT_ROLES for r in action.by for s in actor.seats_for(r)
        )
    if state is not None and state.collect and state.collect.action == action.code:
        return any(hand_is(actor, hand, case) for hand in case.hands if not hand.get("choice"))
    if action.holder and holds(actor, case):
        return True
    if any(seat_covers(seat, case, actor) for role in action.by for seat in actor.seats_for(role)):
        return True
    return supervising_seat(actor, case, action) is not None


def supervising_seat(actor: Actor, case: Case, action: Action) -> Seat | None:
    """The seat of a platform above the case's that gives this action, if there is one."""
    seats = (seat for role in action.across for seat in actor.seats_for(role))
    return next((seat for seat in seats if supervises(seat, case)), None)


def acting_platform(actor: Actor, case: Case, action: Action) -> int:
    """On which platform the seat stands from which the actor takes this action; the case's own before one above."""
    if actor.kind == "system" or any(seat_covers(s, case, actor) for r in action.by for s in actor.seats_for(r)):
        return case.platform_id
    seat = supervising_seat(actor, case, action)
    return case.platform_id if seat is None else seat.platform_id


def within_reach(actor: Actor, case: Case, permission: str) -> bool:
    """Whether a seat with this permission is of the case's platform, of a unit, or oversees it from above."""
    return any(
        seat.role in UNIT_ROLES
        or seat.platform_id == case.platform_id
        or ((role := roles.role(seat.role)) is not None and role.reads == Reads.ALL and supervises(seat, case))
        for seat in actor.seats_with(permission)
    )


def who_may(action: Action) -> tuple[str, ...]:
    """Titles of the roles that an action names, in the reader's language."""
    found = (roles.role(code) for code in action.by)
    return tuple(str(role.title) for role in found if role is not None)


def sees(actor: Actor, case: Case) -> bool:
    """Whether `visible` gives this case. What the row itself says is decided without a query."""
    return _row_shows(actor, case) or visible(actor, Case.objects.filter(pk=case.pk)).exists()


def seen_among(actor: Actor, cases: Iterable[Case]) -> set[int]:
    """Ids of those cases that `visible` gives; at most one query, none when the rows themselves decide."""
    cases = list(cases)
    seen = {case.pk for case in cases if _row_shows(actor, case)}
    asked = [case.pk for case in cases if case.pk not in seen]
    if asked:
        seen |= set(visible(actor, Case.objects.filter(pk__in=asked)).values_list("pk", flat=True))
    return seen


def _row_shows(actor: Actor, case: Case) -> bool:
    """The part of `visible` that needs only the case's columns; False says nothing."""
    if actor.kind == "system":
        return True
    for seat in actor.seats_with("case.read"):
        role = roles.role(seat.role)
        if role is None:
            continue
        if role.reads in (Reads.ALL, Reads.PLATFORM):
            reach = _reach(seat, role.reads)
            if reach is None or (case.platform_id in reach and _in_division(seat, case)):
                return True
        elif role.reads == Reads.ORGANISATION and seat.organisation_id is not None:
            tree = organisations.tree().subtree_ids(seat.organisation_id)
            if case.responsible_org_id in tree or case.holder_org_id in tree:
                return True
    if actor.user_id is None or not actor.has("case.read"):
        return False
    return actor.user_id in (case.created_by_id, case.holder_user_id)


def _reach(seat: Seat, reads: Reads) -> frozenset[int] | None:
    """The platforms whose cases a seat reads (`Reads.ALL` or `Reads.PLATFORM`); None: everything there is."""
    if reads == Reads.PLATFORM:
        return frozenset({seat.platform_id})
    known = platforms()
    reach = known.reach(seat.platform_id)
    return None if len(reach) >= len(known.by_id) else reach


def _area(prefix: str) -> Q:
    """Cases in a division, by the codes of their place."""
    return (
        Q(community__startswith=prefix) | Q(sub_district__startswith=prefix) | Q(county__startswith=prefix)
        if prefix
        else Q()
    )


def visible(actor: Actor, cases: QuerySet[Case] | None = None) -> QuerySet[Case]:
    """The cases that an actor may read. Every unit and person that a case was created, held or answered for by is a
    `Party` of it, so that the columns of the case need not be asked too."""
    cases = Case.objects.all() if cases is None else cases
    if actor.kind == "system":
        return cases
    wide, units = Q(), set[int]()
    for seat in actor.seats_with("case.read"):
        role = roles.role(seat.role)
        if role is None:
            continue
        if role.reads in (Reads.ALL, Reads.PLATFORM):
            reach = _reach(seat, role.reads)
            if reach is None:
                return cases
            here = Q(platform_id=seat.platform_id) if len(reach) == 1 else Q(platform_id__in=reach)
            handed = _asked_of_each(Party.objects.filter(platform_id=seat.platform_id))
            wide |= (here | handed) & _area(seat.division_prefix)
        elif role.reads == Reads.ORGANISATION and seat.organisation_id is not None:
            units |= organisations.tree().subtree_ids(seat.organisation_id)
    own = Q(organisation_id__in=sorted(units)) if units else Q()
    mine = actor.has("case.read") and actor.user_id is not None
    if mine:
        own |= Q(user_id=actor.user_id)
    if not own:
        return cases.filter(wide) if wide else cases.none()
    parties = Party.objects.filter(own)
    if not wide and not _many(actor, frozenset(units)):
        within = parties.values("case_id")
        # What waits for somebody can be opened by them, whatever else their post reads.
        return cases.filter(pk__in=within.union(inbox(actor).values("pk"), all=True) if mine else within)
    wide |= _asked_of_each(parties)
    return cases.filter(wide | Q(open=True) & waiting(actor) if mine else wide)


def _asked_of_each(parties: QuerySet[Party]) -> Q:
    """Whether a case is among those of the parties, asked of each row of a list as it is walked.

    The second condition says nothing new. It keeps PostgreSQL from making the set of all their cases first, a quarter of a
    million for a large unit, for a page of fifty.
    """
    return Q(Exists(parties.filter(case_id=OuterRef("pk"), case_id__gte=OuterRef("pk"))))


#: Who has ever had more cases than this finds one soon by walking a list; others' cases are fetched by their ids.
MANY = 10_000
#: Seconds for which the answer is kept; it decides how the database is asked, never what it answers.
_KEPT_SECONDS = 300.0
_known: dict[tuple[int | None, frozenset[int]], tuple[float, bool]] = {}


def _many(actor: Actor, units: frozenset[int]) -> bool:
    """Whether an actor's person and units have ever had many cases."""
    key, now = (actor.user_id, units), time.monotonic()
    kept = _known.get(key)
    if kept is not None and kept[0] > now:
        return kept[1]
    counted = Party.objects.filter(Q(organisation_id__in=units) | Q(user_id=actor.user_id))
    many = counted[: MANY + 1].count() > MANY
    if len(_known) > 5000:
        _known.clear()
    _known[key] = (now + _KEPT_SECONDS, many)
    return many


def inbox(actor: Actor) -> QuerySet[Case]:
    """What waits for this actor, in person and through posts."""
    return Case.objects.filter(waiting(actor), open=True)


def waiting(actor: Actor) -> Q:
    """Cases that an actor's person or posts hold; whoever asks adds that they are open."""
    held = Q(holder_user_id=actor.user_id)
    hands = Q(user_id=actor.user_id)
    for seat in actor.seats:
        mine = Q(holder_role=seat.role, holder_user__isnull=True)
        if seat.role in UNIT_ROLES:
            if seat.organisation_id is None:
                continue
            mine &= Q(holder_org_id__in=organisations.tree().subtree_ids(seat.organisation_id))
        else:
            mine &= Q(platform_id=seat.platform_id)
        held |= mine & _area(seat.division_prefix)
        if seat.organisation_id is not None and seat.role == "unit":
            hands |= Q(organisation_id=seat.organisation_id)
        hands |= Q(role=seat.role, user__isnull=True, organisation__isnull=True, case__platform_id=seat.platform_id)
    return held | Q(Exists(Hand.objects.filter(hands, case_id=OuterRef("pk"), open=True)))
