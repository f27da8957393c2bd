"""Why this deadline: every clock of a case with the segments that were counted, and the calendar behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import clock, library, moments, why
from xiuhua.casework.deadlines import calendar_of
from xiuhua.casework.pages import present
from xiuhua.casework.pages.case_page import find
from xiuhua.city.access import requires
from xiuhua.city.calendar import calendar_for


@dataclass(frozen=True)
class ClockView:
    """One clock as the page shows it."""

    title: Any
    words: Any
    round: int
    limit: str
    extensions: list[str]
    source: str
    sample: bool
    started: datetime
    original_due: datetime
    due: datetime | None
    finished: datetime | None
    segments: list[dict[str, Any]]


def _kinds() -> dict[str, str]:
    return {
        "running": _("counted"),
        "paused": _("paused"),
        "stopped": _("stopped by order"),
        "closed_hours": _("outside office hours"),
        "weekend": _("weekend"),
        "holiday": _("holiday"),
        "overdue": _("overdue"),
    }


@requires("case.read")
def why_page(request: HttpRequest, number: str) -> HttpResponse:
    case = find(request.actor, number)  # type: ignore[attr-defined]
    rules = library.version(case.procedure_id)
    now = moments.to_us(moments.now())
    reasons = {code: str(state.title) for code, state in rules.states.items()}
    views = []
    for name, state in clock.from_json(case.clocks).items():
        rule = rules.clocks.get(name)
        calendar = calendar_of(case, state)
        due = clock.due(state, calendar)
        views.append(
            ClockView(
                rule.title if rule else name,
                present.said(case, state, rules),
                state.round,
                present.limit_words(state.limit),
                [present.limit_words(one) for one in state.extensions],
                _(rule.source) if rule and rule.source else "",
                rule.sample if rule else False,
                moments.from_us(state.started),
                moments.from_us(clock.original_due(state, calendar)),
                moments.from_us(due) if due is not None else None,
                moments.from_us(state.finished) if state.finished is not None else None,
                [_segment(one, reasons) for one in why.segments(state, calendar, now)],
            )
        )
    views.sort(key=lambda view: (view.finished is not None, view.started))
    years = sorted(
        {timezone.localtime(v.started).year for v in views} | {timezone.localtime(v.due).year for v in views if v.due}
    )
    calendar = calendar_for(case.platform_id)
    return render(
        request,
        "casework/why.html",
        {
            "case": case,
            "title": present.title_of(case),
            "clocks": views,
            "years": [(year, calendar.status(year)) for year in years],
            "back": present.case_url(case),
            "version": calendar.version,
        },
    )


def _segment(one: why.Segment, reasons: dict[str, str]) -> dict[str, Any]:
    english = (get_language() or "").startswith("en")
    reason = (one.reason_en if english and one.reason_en else one.reason) or ""
    kinds = _kinds()
    return {
        "kind": kinds.get(one.kind, one.kind),
        "code": one.kind,
        "start": moments.from_us(one.start),
        "to": moments.from_us(one.to),
        "counted": present.amount_words(one.counted, one.unit) if one.counted else "—",
        "reason": kinds.get(reason, reasons.get(reason, reason)),
        "planned": one.planned,
    }
