"""What happened to cases, as listeners hear it: read from the log, cut to what each may see.

News holds a case's number, the number of the event and three yes or no; no names, no words. Order is that of event ids,
which are made before their transaction ends: one may become visible after a later one. Readers therefore look back
`WINDOW` again and again, and whoever hears a thing twice looks at the event's number in its case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from xiuhua.casework import moments, permits
from xiuhua.casework.ids import EPOCH_MS, row_id
from xiuhua.casework.models import Case, Event
from xiuhua.city.access import Actor

#: Longer than a transaction that changes a case takes from making its event to its end.
WINDOW = timedelta(seconds=10)
#: Events of one look; when there are more, listeners are told to look for themselves.
MOST = 2000


@dataclass(frozen=True, slots=True)
class Happened:
    """One event with the case as it is now."""

    event: int
    case: Case
    seq: int
    user: int | None
    moved: bool

    def told_to(self, actor: Actor) -> dict[str, Any]:
        """What a listener who may see the case is told.

        ``mine``: the listener did it. ``arrived``: it moved, and now waits for the listener.
        """
        mine = self.user is not None and self.user == actor.user_id
        waits = self.case.open and permits.holds(actor, self.case)
        return {
            "id": str(self.event),
            "case": self.case.number,
            "seq": self.seq,
            "mine": mine,
            "arrived": self.moved and waits and not mine,
        }


def id_at(at: datetime) -> int:
    """The smallest event id of an instant; 0 before there were any."""
    return max(0, moments.to_us(at) // 1000 - EPOCH_MS) << 20


def look_back(event: int) -> int:
    """Where to read from when all up to this event was heard."""
    return max(0, event - ((WINDOW // timedelta(milliseconds=1)) << 20))


def floor_of(after: str, at: str) -> int | None:
    """Where to read from: ``after`` is the id of an event that was heard, ``at`` the milliseconds since 1970 of a page."""
    if event := row_id(after):
        return look_back(event)
    if at.isascii() and at.isdigit() and len(at) < 15:
        return look_back(max(0, int(at) - EPOCH_MS) << 20)
    return None


def since(floor: int, known: Iterable[int] = (), most: int = MOST) -> tuple[list[Happened], bool]:
    """Events after ``floor`` that are not ``known``, oldest first, and whether that is all; two queries."""
    rows = list(
        Event.objects.filter(pk__gt=floor)
        .order_by("pk")
        .values_list("pk", "case_id", "seq", "actor_user_id", "from_state", "to_state")[: most + 1]
    )
    heard = set(known)
    fresh = [row for row in rows[:most] if row[0] not in heard]
    cases = Case.objects.in_bulk({row[1] for row in fresh}) if fresh else {}
    return [
        Happened(pk, cases[case], seq, user, before != after)
        for pk, case, seq, user, before, after in fresh
        if case in cases
    ], len(rows) <= most


def heard_by(actor: Actor, happened: list[Happened]) -> list[dict[str, Any]]:
    """What of it this actor may hear; at most one query."""
    seen = permits.seen_among(actor, {one.case.pk: one.case for one in happened}.values())
    return [one.told_to(actor) for one in happened if one.case.pk in seen]


def as_text(kind: str, data: dict[str, Any]) -> bytes:
    """One message of an event stream."""
    number = f"id: {data['id']}\n" if "id" in data else ""
    return f"{number}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
