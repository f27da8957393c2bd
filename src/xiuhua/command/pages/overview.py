"""The duty chief's overview; its figures come again by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from xiuhua.casework import builtin, library, moments, permits
from xiuhua.casework.pages import inbox, present
from xiuhua.city import locator
from xiuhua.city.access import Actor, requires
from xiuhua.command import overview as counted
from xiuhua.ops.health import SILENCE

#: Cases named under the figures, the most urgent first.
FIRST = 8


@requires("duty.read")
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return render(request, "command/overview.html", {**_context(actor), "posts": "、".join(inbox.posts(actor))})


@never_cache
@requires("duty.read")
@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """The figures alone, asked for again by the page."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return render(request, "command/overview_figures.html", _context(actor))


def _context(actor: Actor) -> dict[str, Any]:
    now = moments.now()
    found = counted.figures(actor, now)
    urgent = permits.visible(actor).filter(parent__isnull=True, open=True, urgency__in=("urgent", "very_urgent"))
    rows = urgent.select_related("parent__parent").order_by("due_at", "id")[:FIRST]
    worker = found.house["worker"]
    return {
        "tiles": _tiles(found.now),
        "states": _states(found.states),
        "counties": [
            _line(
                locator.name(row["county"], get_language()) or row["county"] or _("no county"),
                row,
                county=row["county"],
            )
            for row in found.counties
        ],
        "units": [
            _line(present.unit_name(row["responsible_org_id"]), row, unit=str(row["responsible_org_id"]))
            for row in found.units
        ],
        "hours": _bars(found.hours),
        "urgent": present.rows(rows),
        "house": found.house,
        "silent": worker is None or now - worker > SILENCE,
        "as_of": now,
    }


def _bars(hours: list[tuple[datetime, int, int]]) -> list[dict[str, Any]]:
    """Places and heights of the drawing (480 wide, the line at 75, at most 60 to each side); every sixth hour is named."""
    most = max([1, *(max(reported, closed) for _hour, reported, closed in hours)])
    return [
        {
            "hour": hour,
            "reported": reported,
            "closed": closed,
            "x": 20 * place + 3,
            "up": 60 * reported // most,
            "top": 75 - 60 * reported // most,
            "down": 60 * closed // most,
            "label": f"{hour:%H:%M}" if hour.hour % 6 == 0 else "",
        }
        for place, (hour, reported, closed) in enumerate(hours)
    ]


def _url(**query: str) -> str:
    return f"{reverse('cases')}?{urlencode({'open': '1', **{k: v for k, v in query.items() if v}})}"


def _tiles(now: dict[str, int]) -> list[dict[str, Any]]:
    """The counts of the first line, each with the list that it counts."""
    return [
        {"title": _("Open"), "n": now["open"], "url": _url(), "tone": ""},
        {
            "title": _("Overdue"),
            "n": now["overdue"],
            "url": _url(overdue="1"),
            "tone": "over" if now["overdue"] else "",
        },
        {
            "title": _("Due within 2 hours"),
            "n": now["soon"],
            "url": _url(sort="due"),
            "tone": "soon" if now["soon"] else "",
        },
        {"title": _("Urgent"), "n": now["urgent"], "url": "#urgent", "tone": "over" if now["urgent"] else ""},
        {"title": _("Supervised"), "n": now["supervised"], "url": _url(supervised="1"), "tone": ""},
        {"title": _("Clock stopped"), "n": now["paused"], "url": "", "tone": ""},
        {"title": _("Reported today"), "n": now["reported"], "url": "", "tone": ""},
        {"title": _("Closed today"), "n": now["closed"], "url": "", "tone": ""},
    ]


def _states(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """States by title: versions of a procedure share theirs."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        title = str(builtin.state_title(library.version(row["procedure_id"]), row["state"]))
        line = found.setdefault(row["state"], _line(title, {"n": 0, "overdue": 0, "urgent": 0}, state=row["state"]))
        for name in ("n", "overdue", "urgent"):
            line[name] += row[name]
    return sorted(found.values(), key=lambda line: -line["n"])


def _line(title: str, row: dict[str, Any], **query: str) -> dict[str, Any]:
    late = _url(overdue="1", **query)
    return {"title": title, "url": _url(**query), "late_url": late, **{k: row[k] for k in ("n", "overdue", "urgent")}}
