"""Cases as pages show them: titles in the reader's language, remaining time in words. No query per row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from xiuhua.casework import builtin, clock, library, moments
from xiuhua.casework.deadlines import calendar_of
from xiuhua.casework.models import Case
from xiuhua.casework.procedures import Procedure
from xiuhua.casework.words import ClockWords, clock_words, duration
from xiuhua.city import categories, organisations, roles
from xiuhua.city.access import Actor
from xiuhua.manifest import Text
from xiuhua.ui.parts import Badge

URGENCIES = {
    "ordinary": Text("一般", "Ordinary"),
    "urgent": Text("紧急", "Urgent"),
    "very_urgent": Text("特急", "Very urgent"),
}


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One line of a list."""

    case: Case
    url: str
    title: str
    state: Text
    procedure: Text
    time: Any
    place: str
    unit: str
    urgency: Badge | None
    task: str = ""  # what a task is called, when its title does not say so


#: Names of datums, the same in every language.
DATUMS = {"wgs84": "WGS 84", "cgcs2000": "CGCS2000", "gcj02": "GCJ-02", "bd09": "BD-09", "epsg4547": "EPSG:4547"}


def title_of(case: Case) -> str:
    """The case's title; in English its class, because titles are written in Chinese.

    A task is called by what it is and by the case it belongs to, whose words it shares.
    """
    if case.parent_id is not None and not case.title:
        parent = case.parent
        title = str(library.version(case.procedure_id).title)
        return _("%(task)s: %(title)s") % {"task": title, "title": title_of(parent)} if parent is not None else title
    if (get_language() or "").startswith("en"):
        row = categories.catalogue().by_id.get(case.category_id or 0)
        if row is not None:
            return str(row.title)
    return case.title or str(library.version(case.procedure_id).title)


def unit_name(pk: int | None) -> str:
    """Name of an organisation, '' for none."""
    found = organisations.tree().by_id.get(pk or 0)
    return str(found.name) if found else ""


def role_title(code: str) -> str:
    found = roles.role(code)
    return str(found.title) if found else code


def time_of(case: Case, rules: Procedure) -> Any:
    """Words for the clock that presses now; None when nothing runs."""
    clocks = clock.from_json(case.clocks)
    name = case.due_clock
    if not name and case.open:
        name = next((n for n, c in clocks.items() if c.finished is None and c.paused), "")
    if not case.open:
        name = next((n for n, r in rules.clocks.items() if r.main and n in clocks), "")
    state = clocks.get(name)
    if state is None:
        return None
    return said(case, state, rules)


def said(case: Case, state: clock.ClockState, rules: Procedure) -> ClockWords:
    """A clock in words, on the calendar it counts by."""
    reasons = {code: str(known.title) for code, known in rules.states.items()}
    calendar = calendar_of(case, state)
    return clock_words(state, calendar, moments.to_us(moments.now()), reasons=reasons)


def unit_words(code: str, value: Fraction | Decimal | None) -> str:
    """A unit of limits in words, for so many of it."""
    many = 1 if value == 1 else 2  # a part of one is said like many: 0.14 working days
    return {
        "minute": ngettext("minute", "minutes", many),
        "hour": ngettext("hour, day and night", "hours, day and night", many),
        "day": ngettext("day of 24 hours", "days of 24 hours", many),
        "work_hour": ngettext("working hour", "working hours", many),
        "work_day": ngettext("working day", "working days", many),
    }.get(code, code)


def limit_words(limit: clock.Limit) -> str:
    """“4 working hours”."""
    return amount_words(limit.value, limit.unit)


def amount_words(value: Fraction, unit: str) -> str:
    """An amount of a unit; many minutes (a hold until a date) as days and hours."""
    if unit == "minute" and value >= 240:
        return duration(int(value * 60))
    return f"{float(value):,.2f}".rstrip("0").rstrip(".") + f" {unit_words(unit, value)}"


def urgency_badge(case: Case) -> Badge | None:
    if case.urgency in ("", "ordinary"):
        return None
    tone = "over" if case.urgency == "very_urgent" else "soon"
    return Badge(URGENCIES[case.urgency], tone, "urgent")


def case_url(case: Case) -> str:
    return reverse("case", args=[case.number])


def rows(cases: Iterable[Case]) -> list[CaseRow]:
    """Lines of a list; everything beside the case (and its parent, which the query brings) comes from memory."""
    found = []
    for case in cases:
        rules = library.version(case.procedure_id)
        title = title_of(case)
        found.append(
            CaseRow(
                case,
                case_url(case),
                title,
                builtin.state_title(rules, case.state),
                rules.title,
                time_of(case, rules),
                case.address or (case.parent.address if case.parent_id and case.parent else ""),
                unit_name(case.holder_org_id or case.responsible_org_id),
                urgency_badge(case),
                str(rules.title) if case.parent_id and str(rules.title) not in title else "",
            )
        )
    return found


def holder_words(case: Case, rules: Procedure, names: dict[int, str]) -> str:
    """Who has the case: a person, else a role and its unit, else its tasks."""
    if not case.open:
        return _("nobody: the case has ended")
    if case.holder_user_id is not None:
        return names.get(case.holder_user_id, "") or _("a person")
    if case.holder_role:
        parts = [role_title(case.holder_role), unit_name(case.holder_org_id)]
        return " · ".join(part for part in parts if part)
    return _("its open tasks")


def platform_of(actor: Actor) -> int:
    """The platform that an actor's first seat stands on; 0, which is none, without any."""
    return (actor.seats[0].platform_id if actor.seats else actor.platform_id) or 0
