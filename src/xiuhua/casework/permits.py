"""Who may act on a case, and which cases an actor may read.

Acting needs a seat whose role the action names and whose scope covers the case: the platform, the unit (its own
tree), the person where the case is held by one, and the division of the seat. Reading follows `Role.reads`, and
whoever ever held a case keeps it readable (`Party`).
"""

from __future__ import annotations

from django.db.models import Q, QuerySet

from xiuhua.casework.models import Case, Hand, Party
from xiuhua.casework.procedures import Action, State
from xiuhua.city import organisations, roles
from xiuhua.city.access import Actor, Seat
from xiuhua.city.roles import Reads

#: Roles of a unit: they act where the case's unit is theirs.
UNIT_ROLES = frozenset({"unit", "handler", "crew"})
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
    if seat.division_prefix and not any(
        code.startswith(seat.division_prefix) for code in (case.community, case.sub_district, case.county) if code
    ):
        return False
    return not (seat.role in PERSON_ROLES and case.holder_user_id is not None and case.holder_user_id != actor.user_id)


def holds(actor: Actor, case: Case) -> bool:
    """Whether the actor is who the case waits for."""
    if case.holder_user_id is not None:
        return case.holder_user_id == actor.user_id
    if any(hand_is(actor, hand) for hand in case.hands if not hand.get("choice")):
        return True
    return any(seat_covers(seat, case, actor) for seat in actor.seats_for(case.holder_role))


def hand_is(actor: Actor, hand: dict[str, object]) -> bool:
    """Whether an open seat of a collect state is the actor's."""
    if hand.get("user"):
        return hand["user"] == actor.user_id
    if hand.get("organisation"):
        return any(s.organisation_id == hand["organisation"] for s in actor.seats_for("unit"))
    return bool(hand.get("role")) and bool(actor.seats_for(str(hand["role"])))


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
        return any(hand_is(actor, hand) for hand in case.hands if not hand.get("choice"))
    if action.holder and holds(actor, case):
        return True
    return any(seat_covers(seat, case, actor) for role in action.by for seat in actor.seats_for(role))


def who_may(action: Action) -> tuple[str, ...]:
    """Titles of the roles that an action names, in the reader's language."""
    found = (roles.role(code) for code in action.by)
    return tuple(str(role.title) for role in found if role is not None)


def visible(actor: Actor, cases: QuerySet[Case] | None = None) -> QuerySet[Case]:
    """The cases that an actor may read."""
    cases = Case.objects.all() if cases is None else cases
    if actor.kind == "system":
        return cases
    allowed = Q(pk__in=[])
    for seat in actor.seats_with("case.read"):
        role = roles.role(seat.role)
        if role is None:
            continue
        area = Q()
        if seat.division_prefix:
            area = (
                Q(community__startswith=seat.division_prefix)
                | Q(sub_district__startswith=seat.division_prefix)
                | Q(county__startswith=seat.division_prefix)
            )
        if role.reads == Reads.ALL:
            return cases
        if role.reads == Reads.PLATFORM:
            allowed |= Q(platform_id=seat.platform_id) & area
        elif role.reads == Reads.ORGANISATION and seat.organisation_id is not None:
            tree = organisations.tree().subtree_ids(seat.organisation_id)
            allowed |= Q(responsible_org_id__in=tree) | Q(holder_org_id__in=tree)
            allowed |= Q(pk__in=Party.objects.filter(organisation_id__in=tree).values("case_id"))
    if actor.has("case.read") and actor.user_id is not None:
        allowed |= Q(created_by_id=actor.user_id) | Q(holder_user_id=actor.user_id)
        allowed |= Q(pk__in=Party.objects.filter(user_id=actor.user_id).values("case_id"))
        allowed |= Q(pk__in=Hand.objects.filter(user_id=actor.user_id).values("case_id"))
        # What waits for somebody can be opened by them, whatever else their post reads.
        allowed |= Q(open=True) & _waiting(actor)
    return cases.filter(allowed)


def inbox(actor: Actor) -> QuerySet[Case]:
    """What waits for this actor, in person and through posts."""
    return Case.objects.filter(_waiting(actor), open=True)


def _waiting(actor: Actor) -> Q:
    """Cases that an actor's person or posts hold."""
    waiting = Q(holder_user_id=actor.user_id)
    hands = Q(user_id=actor.user_id)
    for seat in actor.seats:
        mine = Q(holder_role=seat.role, holder_user__isnull=True)
        if seat.role in UNIT_ROLES:
            if seat.organisation_id is None:
                continue
            mine &= Q(holder_org_id__in=organisations.tree().subtree_ids(seat.organisation_id))
        else:
            mine &= Q(platform_id=seat.platform_id)
        if seat.division_prefix:
            mine &= (
                Q(community__startswith=seat.division_prefix)
                | Q(sub_district__startswith=seat.division_prefix)
                | Q(county__startswith=seat.division_prefix)
            )
        waiting |= mine
        if seat.organisation_id is not None and seat.role == "unit":
            hands |= Q(organisation_id=seat.organisation_id)
        hands |= Q(role=seat.role, user__isnull=True, organisation__isnull=True)
    waiting |= Q(pk__in=Hand.objects.filter(hands, open=True).values("case_id"))
    return waiting
