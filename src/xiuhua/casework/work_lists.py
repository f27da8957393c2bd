"""Work lists: filters of the case list under a name, as the platform's rules give them and as people keep them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db.models import Count, Q
from pydantic import BaseModel, ConfigDict, Field

from xiuhua.casework import moments, paging, permits, rule_files
from xiuhua.casework.models import WorkList
from xiuhua.casework.pages import filters
from xiuhua.casework.yaml_source import Path
from xiuhua.city import roles
from xiuhua.city.access import Actor
from xiuhua.city.platforms import platforms
from xiuhua.city.roles import TextData
from xiuhua.manifest import Text

KIND = "work_lists"
#: Kept lists shown beside the cases.
MOST = 30


class ListRule(BaseModel):
    """One list of the rules. ``roles`` empty: everybody's."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: TextData
    roles: list[str] = []
    query: dict[str, str] = Field(min_length=1)


class ListRules(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sample: bool
    lists: list[ListRule] = Field(min_length=1, max_length=40)


def _check(book: ListRules, _platform: str) -> Iterator[tuple[Path, str, str]]:
    """Doubles, unknown roles and filters, states that no procedure in force has, and orders that there are not."""
    known, seen = filters.states(), set()
    for number, one in enumerate(book.lists):
        here: Path = ("lists", number)
        if one.code in seen:
            yield (*here, "code"), f"代码 {one.code} 重复", f"the code {one.code!r} stands twice"
        seen.add(one.code)
        for place, role in enumerate(one.roles):
            if roles.role(role) is None:
                yield (*here, "roles", place), f"没有角色 {role}", f"there is no role {role!r}"
        for name, value in one.query.items():
            where: Path = (*here, "query", name)
            if name not in (*filters.NAMES, "sort"):
                yield where, f"没有筛选项 {name}", f"there is no filter {name!r}"
            elif name == "state" and value not in known:
                yield where, f"没有状态 {value}", f"no procedure has a state {value!r}"
            elif name == "sort" and value not in paging.CASE_SORTS:
                yield where, f"没有排序 {value}", f"there is no order {value!r}"


RULES = rule_files.RuleFile(
    kind=KIND,
    title=Text("工作清单", "Work lists"),
    help=Text("案件旁预置的清单，按岗位角色。", "The lists that stand beside the cases, by role."),
    schema=ListRules,
    package="xiuhua.casework",
    file="work_lists.sample.yaml",
    per_platform=True,
    check=_check,
)
rule_files.register(RULES)


@dataclass(frozen=True, slots=True)
class Entry:
    """One list beside the cases. ``id`` is stable; ``pk`` is there for a kept one; ``own``: the reader may drop it."""

    id: str
    title: str
    query: str
    pk: int = 0
    own: bool = False
    shared: bool = False

    @property
    def given(self) -> dict[str, str]:
        return dict(parse_qsl(self.query))

    @property
    def is_open(self) -> bool:
        """Whether all its cases are open, so that it is counted beside the others in one look at the open ones."""
        return any(self.given.get(name) for name in ("mine", "overdue", "due")) or self.given.get("open") == "1"


def of(actor: Actor) -> list[Entry]:
    """The platform's lists of the actor's roles, then those kept by him or shared with a role of his. One statement."""
    have = actor.roles()
    code = next((row.code for seat in actor.seats if (row := platforms().by_id.get(seat.platform_id))), "")
    found = [
        Entry(one.code, str(one.title.text()), canonical(one.query))
        for one in RULES.value(code).lists
        if not one.roles or have & set(one.roles)
    ]
    shared = Q(pk__in=[])
    for seat in actor.seats:
        shared |= Q(role=seat.role, platform_id=seat.platform_id)
    rows = WorkList.objects.filter(Q(owner_id=actor.user_id) | shared).order_by("name", "id")[:MOST]
    return found + [
        Entry(f"kept-{row.pk}", row.name, row.query, row.pk, row.owner_id == actor.user_id, bool(row.role))
        for row in rows
    ]


def counts(actor: Actor, entries: list[Entry]) -> dict[str, int]:
    """How many open cases each list holds, by id; lists that look beyond the open ones are not counted. One statement."""
    parts = {}
    for number, entry in enumerate(one for one in entries if one.is_open):
        given = entry.given
        parts[f"n{number}"] = (entry.id, filters.together(given, filters.read(given, actor)))
    if not parts:
        return {}
    seen = permits.visible(actor).filter(open=True)
    found = seen.aggregate(**{name: Count("pk", filter=part) for name, (_id, part) in parts.items()})
    return {id_: found[name] for name, (id_, _part) in parts.items()}


def canonical(given: Mapping[str, Any]) -> str:
    """The part of an address that a list keeps: known filters and the order, in a fixed sequence."""
    return urlencode([(name, given[name]) for name in (*filters.NAMES, "sort") if given.get(name)])[:1000]


def shares(actor: Actor) -> list[tuple[str, Any]]:
    """Roles with which the actor may share a list: his own."""
    return [(code, role.title) for code in sorted(actor.roles()) if (role := roles.role(code)) is not None]


def keep(actor: Actor, name: str, given: Mapping[str, Any], role: str) -> WorkList | None:
    """Keep a list under a name; the same name again replaces it. None when there is nothing to keep."""
    name, query = " ".join(name.split())[:40], canonical(given)
    seat = next(iter(actor.seats_for(role)), None) if role else None
    platform = seat.platform_id if seat else next((one.platform_id for one in actor.seats), actor.platform_id)
    if not name or not query or actor.user_id is None or platform is None:
        return None
    row, _made = WorkList.objects.update_or_create(
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


def drop(actor: Actor, pk: int) -> bool:
    """Drop a list that the actor has kept himself."""
    return bool(WorkList.objects.filter(pk=pk, owner_id=actor.user_id).delete()[0])
