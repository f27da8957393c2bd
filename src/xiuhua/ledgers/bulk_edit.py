"""Bulk edit: one column of all rows under a filter, looked at first, written in one transaction that can be undone.

The guard: who confirms says how many rows he saw; when by then it would be others, nothing is written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from xiuhua.casework import moments
from xiuhua.city.access import Actor
from xiuhua.ledgers import drafts, scope, write
from xiuhua.ledgers.columns import Col
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.ledgers.models import Batch

#: Rows of one bulk edit.
MOST = 5000


@dataclass
class Proposal:
    """What a bulk edit would do. ``too_many``: more rows than `MOST` fit the filter, so nothing was looked at."""

    work: Work
    col: Col
    drafts: list[Draft]
    too_many: bool = False

    @property
    def changed(self) -> list[Draft]:
        return [draft for draft in self.drafts if draft.kind == "changed"]

    @property
    def refused(self) -> list[Draft]:
        return [draft for draft in self.drafts if draft.faults]

    @property
    def same(self) -> int:
        return sum(draft.kind == "same" for draft in self.drafts)

    @property
    def mark(self) -> str:
        """Names what was seen: rows, what they were and what they become."""
        seen = sorted((d.row.pk, str(d.before), str(d.after)) for d in self.changed if d.row is not None)
        return hashlib.sha256(repr((self.col.name, seen)).encode()).hexdigest()[:32]


def propose(ledger: Ledger, actor: Actor, rows: QuerySet[Model], name: str, value: Any) -> Proposal:
    """Check the edit on every row under the filter that the actor may manage. KeyError for no such column."""
    work = Work(ledger, actor)
    col = work.book.cols[name]
    if not col.column.bulk:
        raise KeyError(name)
    mine = rows.filter(scope.reach(ledger, actor, ledger.manage).q())
    found = list(mine.order_by("pk")[: MOST + 1])
    if len(found) > MOST:
        return Proposal(work, col, [], too_many=True)
    made = [Draft(number, {name: value}, row=row) for number, row in enumerate(found, 1)]
    drafts.check(work, made, by_key=False)
    return Proposal(work, col, made)


def run(proposal: Proposal, actor: Actor) -> Batch:
    """Write what may be changed as one batch. Raises `write.Conflict`."""
    changed = proposal.changed
    with transaction.atomic():
        now = moments.now()
        batch = Batch.objects.create(
            ledger=proposal.work.ledger.code,
            kind=Batch.Kind.BULK,
            status=Batch.Status.DONE,
            platform_id=actor.platform_id,
            created_by_id=actor.user_id,
            scopes=None if actor.scopes is None else sorted(actor.scopes),
            created_at=now,
            done_at=now,
            options={"column": proposal.col.name},
            counts={"rows": len(proposal.drafts), "changed": len(changed), "refused": len(proposal.refused)},
        )
        write.apply(proposal.work, changed, batch=str(batch.pk))
    return batch
