"""What a guard sees and what an effect may propose.

A `Context` is read-only by convention; a `Change` collects columns, words, clock operations, children and
outbox rows. Neither does I/O, so that the transaction of `advance()` holds nothing but two statements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xiuhua.casework.models import Case
    from xiuhua.casework.procedures import Action, Procedure
    from xiuhua.city.access import Actor
    from xiuhua.city.calendar import WorkCalendar


@dataclass(frozen=True)
class Extra:
    """What the engine's own actions bring along instead of a form.

    ``child``: an ended child (relation, outcome, number, lead). ``calendar``: another calendar to count on from
    here. ``undo``: the event that is taken back; then ``columns`` hold the whole difference, clocks, facts and
    hands among them, and ``texts`` the words that stood before.
    """

    child: dict[str, Any] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ops: list[list[Any]] = field(default_factory=list)
    to_state: str = ""
    erased: list[int] = field(default_factory=list)
    undo: int = 0
    calendar: WorkCalendar | None = None


NOTHING = Extra()


@dataclass(frozen=True)
class Context:
    """The case before the action, who acts with which answers, and when."""

    case: Case
    procedure: Procedure
    action: Action
    actor: Actor
    data: dict[str, Any]
    now: datetime
    calendar: WorkCalendar
    parent: Case | None = None
    extra: Extra = NOTHING

    def relation(self, name: str) -> dict[str, Any]:
        """Children of one relation: {"made": n, "open": n, "lead_open": n, "outcomes": {code: n}}."""
        empty: dict[str, Any] = {"made": 0, "open": 0, "lead_open": 0, "outcomes": {}}
        return {**empty, **self.case.children_open.get(name, {})}


@dataclass
class ChildPlan:
    """A child case that an action starts."""

    procedure: str
    action: str
    relation: str
    data: dict[str, Any]
    lead: bool = False


@dataclass
class Change:
    """What an action proposes to change; the engine turns it into one event and one statement."""

    to_state: str
    columns: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ops: list[list[Any]] = field(default_factory=list)
    restart: set[str] = field(default_factory=set)
    children: list[ChildPlan] = field(default_factory=list)
    outbox: list[tuple[str, str, datetime | None, dict[str, Any]]] = field(default_factory=list)
    hands: list[dict[str, Any]] | None = None
    note: dict[str, Any] = field(default_factory=dict)

    def set(self, **columns: Any) -> None:
        """Columns of Case by attribute name (``responsible_org_id=7``)."""
        self.columns.update(columns)

    def count(self, case: Case, column: str, by: int = 1) -> None:
        self.columns[column] = self.columns.get(column, getattr(case, column)) + by

    def send(self, kind: str, about: str, at: datetime | None = None, **payload: Any) -> None:
        """Queue an effect; ``about`` makes its key unique within the event."""
        self.outbox.append((kind, about, at, payload))
