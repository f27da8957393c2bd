"""Which rows of a ledger an actor may read or manage, by the seats that give the ledger's permission.

A seat that reads *all* on the city's platform covers everything; others cover their own platform, and the platforms
below a city where the ledger says so. A seat that reads its *organisation* covers rows that name a unit of its own
tree, where the ledger has such columns. A seat bound to a division covers rows there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet

from xiuhua.city import organisations, roles
from xiuhua.city.access import Actor
from xiuhua.city.models import Platform
from xiuhua.city.roles import Reads
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.registry import model_of


@dataclass(frozen=True, slots=True)
class _Part:
    """What one seat covers; None = no bound."""

    platforms: frozenset[int] | None
    organisations: frozenset[int] | None
    division: str


@dataclass(frozen=True)
class Reach:
    """All that an actor covers on a ledger."""

    ledger: Ledger
    parts: tuple[_Part, ...]

    @property
    def nothing(self) -> bool:
        return not self.parts

    def q(self) -> Q:
        scope, found = self.ledger.scope, Q(pk__in=[])
        for part in self.parts:
            one = Q()
            if part.platforms is not None:
                one &= Q(**{f"{scope.platform}__in": part.platforms})
            if part.organisations is not None:
                any_of = Q(pk__in=[])
                for column in scope.organisations:
                    any_of |= Q(**{f"{column}__in": part.organisations})
                one &= any_of
            if part.division and scope.division:
                one &= Q(**{f"{scope.division}__startswith": part.division})
            if not one:
                return Q()
            found |= one
        return found

    def covers(self, values: dict[str, Any]) -> bool:
        """The same for a row given by its model's attributes (``platform_id`` …)."""
        scope = self.ledger.scope
        return any(
            (part.platforms is None or values.get(f"{scope.platform}_id") in part.platforms)
            and (
                part.organisations is None
                or any(values.get(f"{column}_id") in part.organisations for column in scope.organisations)
            )
            and (
                not part.division
                or not scope.division
                or str(values.get(scope.division) or "").startswith(part.division)
            )
            for part in self.parts
        )


def reach(ledger: Ledger, actor: Actor, permission: str) -> Reach:
    """What the actor covers with ``permission`` (`Ledger.read` or `Ledger.manage`)."""
    if actor.kind == "system":
        return Reach(ledger, (_Part(None, None, ""),))
    parts: list[_Part] = []
    for seat in actor.seats_with(permission):
        role = roles.role(seat.role)
        if role is None:
            continue
        everywhere = role.reads == Reads.ALL and permission == ledger.read and _is_city(seat.platform_id)
        platforms = None if everywhere else _platforms(ledger, seat.platform_id)
        units = None
        if role.reads == Reads.ORGANISATION and ledger.scope.organisations:
            if seat.organisation_id is None:
                continue
            units, platforms = organisations.tree().subtree_ids(seat.organisation_id), None
        parts.append(_Part(platforms, units, seat.division_prefix))
    return Reach(ledger, tuple(dict.fromkeys(parts)))


def _is_city(platform_id: int) -> bool:
    return any(pk == platform_id and level == "city" for pk, level, _parent in _all_platforms())


def _platforms(ledger: Ledger, platform_id: int) -> frozenset[int]:
    own = {platform_id}
    if ledger.scope.counties:
        own |= {pk for pk, _level, parent in _all_platforms() if parent == platform_id}
    return frozenset(own)


def _all_platforms() -> list[tuple[int, str, int | None]]:
    return list(Platform.objects.values_list("pk", "level", "parent_id"))


def visible(ledger: Ledger, actor: Actor) -> QuerySet[Model]:
    """The rows that an actor may read."""
    return model_of(ledger)._default_manager.filter(reach(ledger, actor, ledger.read).q())


def manageable(ledger: Ledger, actor: Actor) -> QuerySet[Model]:
    """The rows that an actor may change."""
    return model_of(ledger)._default_manager.filter(reach(ledger, actor, ledger.manage).q())
