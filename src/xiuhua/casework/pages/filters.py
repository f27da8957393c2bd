"""The filters of the case list, read from an address: the same on list, map, kept lists and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.dateparse import parse_date
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import library, moments, permits
from xiuhua.casework.ids import row_id
from xiuhua.casework.maps import area
from xiuhua.casework.pages import present
from xiuhua.city import categories, locator, organisations, platforms
from xiuhua.city.access import Actor

LOCAL = ZoneInfo("Asia/Shanghai")
SOON = timedelta(hours=2)
#: What an address of the list may hold beside search words, sort and place in the list.
NAMES = (
    "mine", "open", "state", "overdue", "due", "urgency", "unit", "platform", "stage", "procedure", "source", "county",
    "category", "supervised", "grid", "area", "tasks", "from", "to",
)  # fmt: skip


@dataclass
class Filter:
    """One filter in force: its name in the address, what it says, what it does."""

    name: str
    value: str
    label: str
    part: Q


def read(given: Mapping[str, str], actor: Actor) -> list[Filter]:
    """The filters of an address; what cannot be read is left out. No statement."""
    found: list[Filter] = []
    now, language = moments.now(), get_language()

    def get(name: str, default: str = "") -> str:
        return str(given.get(name, default))

    def add(name: str, label: Any, part: Q) -> None:
        found.append(Filter(name, get(name), str(label), part))

    if get("mine") == "1":
        add("mine", _("Waiting for me"), Q(open=True) & permits.waiting(actor))
    if get("open") in ("1", "0"):
        add("open", _("Open") if get("open") == "1" else _("Ended"), Q(open=get("open") == "1"))
    if state := get("state"):
        add("state", states().get(state, state), Q(state=state))
    if get("overdue") == "1":
        add("overdue", _("Overdue"), Q(open=True, due_at__lt=now))
    if get("due") == "soon":
        add("due", _("Due within 2 hours"), Q(open=True, due_at__gte=now, due_at__lt=now + SOON))
    if urgencies := [one for one in get("urgency").split(",") if one in present.URGENCIES]:
        add("urgency", "、".join(str(present.URGENCIES[one]) for one in urgencies), Q(urgency__in=urgencies))
    tree = organisations.tree()
    if (unit := row_id(get("unit"))) in tree.by_id:
        add("unit", tree.by_id[unit].name, Q(responsible_org_id__in=tree.subtree_ids(unit)))
    if (row := platforms.platforms().by_code.get(get("platform"))) is not None:
        add("platform", row.name, Q(platform_id=row.id))
    if stage := get("stage"):
        add("stage", stages().get(stage, stage), Q(stage=stage))
    if procedure := get("procedure"):
        add("procedure", procedures().get(procedure, procedure), Q(procedure_code=procedure))
    if source := get("source"):
        add("source", sources().get(source, source), Q(source=source))
    if row_id(county := get("county")):
        add("county", locator.name(county, language) or county, Q(county=county))
    if (category := row_id(get("category"))) in categories.catalogue().by_id:
        add("category", categories.catalogue().by_id[category].title, Q(category_id=category))
    if get("supervised") == "1":
        add("supervised", _("Supervised"), Q(supervised__gt=0))
    if grid := get("grid"):
        add("grid", _("Grid %(code)s") % {"code": grid}, Q(grid=grid))
    if corners := area.read(get("area")):
        size = area.square_metres(corners)
        words = _("%(km2).2f km²") % {"km2": size / 1e6} if size >= 1e5 else _("%(m2)s m²") % {"m2": f"{size:,.0f}"}
        add("area", _("Drawn area, %(size)s") % {"size": words}, area.condition(corners))
    if get("tasks") == "1":
        add("tasks", _("With tasks and requests"), Q())
    for name, label, way in (("from", _("from %(day)s"), "gte"), ("to", _("until %(day)s"), "lt")):
        try:
            day = parse_date(get(name))
        except ValueError:
            day = None
        if day is not None:
            start = datetime.combine(day, time(), LOCAL) + timedelta(days=1 if name == "to" else 0)
            add(name, label % {"day": day.isoformat()}, Q(**{f"reported_at__{way}": start}))
    return found


def together(given: Mapping[str, str], active: list[Filter]) -> Q:
    """All filters as one condition. Tasks stand in a list only when it asks for them, or for what waits for somebody."""
    part = Q() if given.get("tasks") == "1" or given.get("mine") == "1" else Q(parent__isnull=True)
    for one in active:
        part &= one.part
    return part


def states() -> dict[str, Any]:
    """States of the procedures in force, by code."""
    found: dict[str, Any] = {}
    for pk in library.active():
        for code, state in library.version(pk).states.items():
            found.setdefault(code, state.title)
    return found


def stages() -> dict[str, Any]:
    return {code: title for pk in library.active() for code, title in library.version(pk).stage_titles.items()}


def procedures() -> dict[str, Any]:
    return {one.code: one.title for one in map(library.version, library.active())}


def sources() -> dict[str, Any]:
    """Where cases come from, as the procedures' own forms say."""
    found: dict[str, Any] = {}
    for rules in map(library.version, library.active()):
        for act in rules.start_actions():
            for item in act.form:
                if item.column == "source":
                    found.update((choice.code, choice.title) for choice in item.choices)
    return found
