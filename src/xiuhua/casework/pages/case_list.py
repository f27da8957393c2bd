"""The list of cases with filters that an index serves, and the same filters on the map."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import library, moments, paging, permits, search
from xiuhua.casework.ids import row_id
from xiuhua.casework.maps import area
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present
from xiuhua.city import categories, locator, organisations
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform
from xiuhua.ui.parts import Tag

LOCAL = ZoneInfo("Asia/Shanghai")


@dataclass
class Filter:
    """One filter in force: its name in the address, what it says, what it does."""

    name: str
    value: str
    label: str
    part: Q


def filters(request: HttpRequest) -> list[Filter]:
    """The filters of an address; what cannot be read is left out."""
    found: list[Filter] = []
    get = request.GET.get

    def add(name: str, label: str, part: Q) -> None:
        found.append(Filter(name, get(name, ""), label, part))

    if get("open") in ("1", "0"):
        add("open", _("Open") if get("open") == "1" else _("Ended"), Q(open=get("open") == "1"))
    if state := get("state", ""):
        add("state", str(_states().get(state, state)), Q(state=state))
    if get("overdue") == "1":
        add("overdue", _("Overdue"), Q(open=True, due_at__lt=moments.now()))
    if (urgency := get("urgency", "")) in present.URGENCIES:
        add("urgency", str(present.URGENCIES[urgency]), Q(urgency=urgency))
    tree = organisations.tree()
    if (unit := row_id(get("unit", ""))) in tree.by_id:
        add("unit", str(tree.by_id[unit].name), Q(responsible_org_id__in=tree.subtree_ids(unit)))
    if platform := get("platform", ""):
        row = Platform.objects.filter(code=platform).first()
        if row is not None:
            add("platform", row.title(request.LANGUAGE_CODE), Q(platform_id=row.pk))
    if stage := get("stage", ""):
        add("stage", str(_stages().get(stage, stage)), Q(stage=stage))
    if procedure := get("procedure", ""):
        add("procedure", str(_procedures().get(procedure, procedure)), Q(procedure_code=procedure))
    if source := get("source", ""):
        add("source", str(_sources().get(source, source)), Q(source=source))
    if row_id(county := get("county", "")):
        add("county", locator.name(county, request.LANGUAGE_CODE) or county, Q(county=county))
    if (category := row_id(get("category", ""))) in categories.catalogue().by_id:
        add("category", str(categories.catalogue().by_id[category].title), Q(category_id=category))
    if get("supervised") == "1":
        add("supervised", _("Supervised"), Q(supervised__gt=0))
    if grid := get("grid", ""):
        add("grid", _("Grid %(code)s") % {"code": grid}, Q(grid=grid))
    if corners := area.read(get("area", "")):
        size = area.square_metres(corners)
        words = _("%(km2).2f km²") % {"km2": size / 1e6} if size >= 1e5 else _("%(m2)s m²") % {"m2": f"{size:,.0f}"}
        add("area", _("Drawn area, %(size)s") % {"size": words}, area.condition(corners))
    if get("tasks") == "1":
        add("tasks", _("With tasks and requests"), Q())
    for name, label, way in (("from", _("from %(day)s"), "gte"), ("to", _("until %(day)s"), "lt")):
        try:
            day = parse_date(get(name, ""))
        except ValueError:
            day = None
        if day is not None:
            start = datetime.combine(day, time(), LOCAL) + timedelta(days=1 if name == "to" else 0)
            add(name, label % {"day": day.isoformat()}, Q(**{f"reported_at__{way}": start}))
    return found


def _states() -> dict[str, Any]:
    """States of the procedures in force, by code."""
    found: dict[str, Any] = {}
    for pk in library.active():
        for code, state in library.version(pk).states.items():
            found.setdefault(code, state.title)
    return found


def _stages() -> dict[str, Any]:
    return {code: title for pk in library.active() for code, title in library.version(pk).stage_titles.items()}


def _procedures() -> dict[str, Any]:
    return {one.code: one.title for one in map(library.version, library.active())}


def _sources() -> dict[str, Any]:
    """Where cases come from, as the procedures' own forms say."""
    found: dict[str, Any] = {}
    for rules in map(library.version, library.active()):
        for act in rules.start_actions():
            for item in act.form:
                if item.column == "source":
                    found.update((choice.code, choice.title) for choice in item.choices)
    return found


def choices(request: HttpRequest) -> dict[str, Any]:
    """What the filter form offers; the same on list and map."""
    language = get_language()
    book, tree = categories.catalogue(), organisations.tree()
    category = book.by_id.get(row_id(request.GET.get("category", "")))
    unit = tree.by_id.get(row_id(request.GET.get("unit", "")))
    counties = [(code, locator.name(code, language)) for code in locator.ground().counties.codes]
    return {
        "get": request.GET,
        "selects": [
            (name, title, options, request.GET.get(name, ""))
            for name, title, options in (
                ("state", _("State"), _sorted(_states())),
                ("stage", _("Stage"), list(_stages().items())),
                ("urgency", _("Urgency"), list(present.URGENCIES.items())),
                ("county", _("County"), counties),
                ("source", _("Source of the report"), list(_sources().items())),
                (
                    "platform",
                    _("Platform"),
                    [(p.code, p.title(language)) for p in Platform.objects.order_by("level", "code")],
                ),
            )
        ],
        "category": category,
        "unit": unit,
        "more": any(request.GET.get(name) for name in ("stage", "county", "source", "platform", "category", "unit")),
        "kept": [
            (k, v) for k, v in request.GET.items() if k in ("open", "overdue", "tasks", "grid", "supervised", "area")
        ],
    }


def _sorted(titles: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(titles.items(), key=lambda item: str(item[1]))


def chosen(actor: Actor, request: HttpRequest) -> tuple[QuerySet[Case], list[Filter], str]:
    """Cases that the actor may see under the filters and the search words of an address."""
    active = filters(request)
    words = search.clean(request.GET.get("q", ""))
    cases = search.search(actor, words).cases if words else permits.visible(actor)
    if request.GET.get("tasks") != "1" and not words:
        cases = cases.filter(parent__isnull=True)
    for one in active:
        cases = cases.filter(one.part)
    return cases.select_related("parent__parent"), active, words


def tags(request: HttpRequest, active: list[Filter]) -> list[Tag]:
    """Filters in force, removable; and a few that are often wanted."""

    def without(name: str) -> str:
        left = {k: v for k, v in request.GET.items() if k not in (name, "after")}
        return f"?{urlencode(left)}"

    def with_(name: str, value: str) -> str:
        return f"?{urlencode({**{k: v for k, v in request.GET.items() if k != 'after'}, name: value})}"

    found = [Tag(one.label, active=True, remove_url=without(one.name)) for one in active]
    have = {one.name for one in active}
    wanted = (
        ("open", "1", _("Open")),
        ("overdue", "1", _("Overdue")),
        ("urgency", "urgent", _("Urgent")),
        ("supervised", "1", _("Supervised")),
        ("tasks", "1", _("With tasks and requests")),
    )
    found += [Tag(label, with_(name, value)) for name, value, label in wanted if name not in have]
    return found


@requires("case.read")
def case_list(request: HttpRequest) -> HttpResponse:
    """Cases under filters, by a sort that has an index, paged by key."""
    actor = request.actor  # type: ignore[attr-defined]
    cases, active, words = chosen(actor, request)
    sort = paging.CASE_SORTS.get(request.GET.get("sort", ""), paging.CASE_SORTS["newest"])
    about = {k: v for k, v in request.GET.items() if k != "after"}
    try:
        page = paging.page(cases, sort, filters=about, cursor=request.GET.get("after", ""))
    except paging.CursorRefused:
        page = paging.page(cases, sort, filters=about)
    query = urlencode({k: v for k, v in about.items() if k != "sort"})
    return render(
        request,
        "casework/case_list.html",
        {
            **choices(request),
            "rows": present.rows(page.rows),
            "tags": tags(request, active),
            "clear_url": reverse("cases") if active or words else "",
            "words": words,
            "sorts": [(s, s.code == sort.code) for s in paging.CASE_SORTS.values() if s.code != "changes"],
            "total": paging.count(cases),
            "next_url": f"?{urlencode({**about, 'after': page.next})}" if page.next else "",
            "first_url": f"?{urlencode(about)}" if request.GET.get("after") else "",
            "map_url": f"{reverse('map')}?{query}",
            "as_of": moments.now(),
        },
    )
