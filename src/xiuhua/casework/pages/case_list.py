"""The list of cases with filters that an index serves, and the same filters on the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from xiuhua.casework import moments, paging, permits, search, work_lists
from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages import filters, present
from xiuhua.casework.pages.filters import Filter
from xiuhua.city import categories, locator, organisations, platforms
from xiuhua.city.access import Actor, requires
from xiuhua.ui.parts import Tag


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
                ("state", _("State"), _sorted(filters.states())),
                ("stage", _("Stage"), list(filters.stages().items())),
                ("urgency", _("Urgency"), list(present.URGENCIES.items())),
                ("county", _("County"), counties),
                ("source", _("Source of the report"), list(filters.sources().items())),
                (
                    "platform",
                    _("Platform"),
                    [(row.code, str(row.name)) for row in platforms.platforms().by_id.values()],
                ),
            )
        ],
        "category": category,
        "unit": unit,
        "more": any(request.GET.get(name) for name in ("stage", "county", "source", "platform", "category", "unit")),
        "kept": [
            (k, v)
            for k, v in request.GET.items()
            if k in ("mine", "open", "overdue", "due", "tasks", "grid", "supervised", "area")
        ],
    }


def _sorted(titles: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(titles.items(), key=lambda item: str(item[1]))


def chosen(actor: Actor, request: HttpRequest) -> tuple[QuerySet[Case], list[Filter], str]:
    """Cases that the actor may see under the filters and the search words of an address."""
    return chosen_by(actor, request.GET)


def chosen_by(actor: Actor, given: Mapping[str, str]) -> tuple[QuerySet[Case], list[Filter], str]:
    """The same for an address that another page was given."""
    active = filters.read(given, actor)
    words = search.clean(given.get("q", ""))
    cases = search.search(actor, words).cases if words else permits.visible(actor)
    asked = {**given, "tasks": "1"} if words else given
    return cases.filter(filters.together(asked, active)).prefetch_related("parent__parent"), active, words


def tags(request: HttpRequest, active: list[Filter]) -> list[Tag]:
    """Filters in force, removable; and a few that are often wanted."""

    def without(name: str) -> str:
        left = {k: v for k, v in request.GET.items() if k not in (name, "after", "at")}
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
@require_safe
def case_list(request: HttpRequest) -> HttpResponse:
    """Cases under filters, by a sort that has an index, paged by key; work lists beside them, one case opened beside."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    cases, active, words = chosen(actor, request)
    sort = sort_of(request.GET)
    about = {k: v for k, v in request.GET.items() if k not in ("after", "at")}
    try:
        page = paging.page(cases, sort, filters=about, cursor=request.GET.get("after", ""))
    except paging.CursorRefused:
        page = paging.page(cases, sort, filters=about)
    query = urlencode({k: v for k, v in about.items() if k != "sort"})
    here = work_lists.canonical({**about, "sort": about.get("sort", "newest")})
    lists = work_lists.of(actor)
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
            "total_url": f"{reverse('case-count')}?{urlencode(about)}",
            "next_url": f"?{urlencode({**about, 'after': page.next})}" if page.next else "",
            "first_url": f"?{urlencode(about)}" if request.GET.get("after") else "",
            "map_url": f"{reverse('map')}?{query}",
            "listed_lists": [(one, one.query == here, None) for one in lists],
            "listed": urlencode(about),
            "at": request.GET.get("at", ""),
            "may_keep": bool(active) and not any(one.query == here for one in lists),
            "shares": work_lists.shares(actor),
            "may_act": actor.has("case.act"),
            "as_of": moments.now(),
        },
    )


@requires("case.read")
@require_safe
@never_cache
def count(request: HttpRequest) -> HttpResponse:
    """How many cases the filters leave, asked for by the list when it stands: counting may take longer than the page."""
    cases, _active, _words = chosen(request.actor, request)  # type: ignore[attr-defined]
    return render(request, "ui/parts/total.html", {"total": paging.count(cases)})


def sort_of(given: Mapping[str, str]) -> paging.Sort:
    return paging.CASE_SORTS.get(given.get("sort", ""), paging.CASE_SORTS["newest"])


@requires("case.read")
@require_safe
@never_cache
def counts(request: HttpRequest) -> HttpResponse:
    """The work lists with how many cases wait in each, asked for by the page when it stands and when something changed."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    lists = work_lists.of(actor)
    found = work_lists.counts(actor, lists)
    here = work_lists.canonical(
        {"sort": "newest", **{k: v for k, v in request.GET.items() if k not in ("after", "at")}}
    )
    shown = [(one, one.query == here, found.get(one.id)) for one in lists]
    return render(request, "casework/work_lists.html", {"lists": shown})


@requires("case.read")
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Keep the filters of the list under a name, for oneself or for a role of one's own."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    given = QueryDict(request.POST.get("query", ""))
    row = work_lists.keep(actor, request.POST.get("name", ""), given.dict(), request.POST.get("role", ""))
    if row is None:
        messages.error(request, _("Filter the list first and give it a name."))
        return redirect(f"{reverse('cases')}?{given.urlencode()}")
    messages.success(request, _("The list “%(name)s” is kept; search words are not.") % {"name": row.name})
    return redirect(f"{reverse('cases')}?{row.query}")


@requires("case.read")
@require_POST
def drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Drop a list of one's own."""
    if not work_lists.drop(request.actor, pk):  # type: ignore[attr-defined]
        raise Http404
    messages.success(request, _("The list is dropped."))
    return redirect("cases")


def around(actor: Actor, listed: str, case: Case) -> dict[str, Any]:
    """The cases before and after this one in a list, and the list itself, as addresses; {} without a list."""
    if not listed:
        return {}
    given = QueryDict(listed)
    rows, _active, _words = chosen_by(actor, given.dict())
    before, after = paging.around(rows, sort_of(given), case)

    def url(one: Case | None) -> str:
        return f"{present.case_url(one)}?{urlencode({'list': listed})}" if one is not None else ""

    return {"list": listed, "before": url(before), "after": url(after), "url": f"{reverse('cases')}?{listed}"}
