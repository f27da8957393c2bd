"""Saved views of a ledger, and the candidates behind a reference's search box."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db.models import CharField, Q

from xiuhua.casework import moments
from xiuhua.city import roles
from xiuhua.city.access import Actor
from xiuhua.ledgers import filters, registry, scope
from xiuhua.ledgers.columns import Col
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.filters import Chosen
from xiuhua.ledgers.models import SavedView
from xiuhua.ui.parts import Tag

MOST = 30
LIMIT = 20


def of(ledger: Ledger, actor: Actor) -> list[SavedView]:
    """The actor's own views, and those shared with one of his roles on its platform."""
    shared = Q(pk__in=[])
    for seat in actor.seats:
        shared |= Q(role=seat.role, platform_id=seat.platform_id)
    rows = SavedView.objects.filter(Q(owner_id=actor.user_id) | shared, ledger=ledger.code)
    return list(rows.order_by("name", "id")[:MOST])


def tags(ledger: Ledger, actor: Actor, chosen: Chosen) -> list[Tag]:
    """Saved views as tags; the one that is on is marked."""
    return [Tag(view.name, f"?{view.query}", active=view.query == chosen.query) for view in of(ledger, actor)]


def shares(actor: Actor) -> list[tuple[str, Any]]:
    """Roles with which the actor may share a view: his own."""
    return [(code, role.title) for code in sorted(actor.roles()) if (role := roles.role(code)) is not None]


def clean(ledger: Ledger, query: str) -> str:
    """The part of an address' query that the list knows, in order."""
    known = {*filters.filter_set(ledger).base_filters, "q", "sort"}
    return urlencode([(name, value) for name, value in parse_qsl(query) if name in known])[:1000]


def save(ledger: Ledger, actor: Actor, name: str, query: str, role: str) -> SavedView | None:
    """Keep a view under a name; the same name again replaces it. None when there is nothing to keep."""
    name, query = " ".join(name.split())[:40], clean(ledger, query)
    if not name or not query or actor.user_id is None:
        return None
    seat = next((seat for seat in actor.seats_for(role)), None) if role else None
    platform = seat.platform_id if seat else actor.platform_id
    if platform is None:
        return None
    row, _made = SavedView.objects.update_or_create(
        ledger=ledger.code,
        owner_id=actor.user_id,
        name=name,
        defaults={
            "query": query,
            "role": role if seat else "",
            "platform_id": platform,
            "created_at": moments.now(),
        },
    )
    return row


def candidates(ledger: Ledger, actor: Actor, col: Col, words: str) -> list[dict[str, str]]:
    """Rows that a reference may point at, by code or name. Where the model has a ledger, what the actor may read."""
    assert col.ref is not None
    own = next((one for one in registry.ledgers().values() if registry.model_of(one) is col.ref), None)
    rows = scope.visible(own, actor) if own is not None and actor.has(own.read) else col.ref._default_manager.all()
    words = " ".join(words.replace("\0", "").split())[:40]
    if words:
        names = [f.name for f in col.ref._meta.concrete_fields if isinstance(f, CharField) and f.name in _NAMES]
        looks = [Q(**{f"{col.ref_key}__startswith": words}), *(Q(**{f"{name}__contains": words}) for name in names)]
        rows = rows.filter(reduce(or_, looks))
    return [
        {"value": str(getattr(row, col.ref_key)), "label": str(row), "note": str(getattr(row, col.ref_key))}
        for row in rows.order_by(col.ref_key)[:LIMIT]
    ]


_NAMES = frozenset({"name", "short_name", "display_name", "name_en"})
