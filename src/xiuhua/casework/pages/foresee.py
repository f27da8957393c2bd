"""Said before sending: the action is tried on a copy, nothing is written, and what would follow is told."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from xiuhua.casework import clock, library, moments, step
from xiuhua.casework.answers import Prepared, prepare
from xiuhua.casework.deadlines import calendar_of
from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages import present
from xiuhua.casework.procedures import Action, Procedure
from xiuhua.city import categories, platforms
from xiuhua.city.access import Actor
from xiuhua.city.models import User
from xiuhua.ui.parts import Row


def rows(case: Case, rules: Procedure, chosen: Action, actor: Actor, data: Mapping[str, Any]) -> list[Row]:
    """Next state, who gets it, which clocks start, stop or grow and when they are due, which tasks are made."""
    found = _condition_rows(chosen, data)
    after, tasks = _tried(case, rules, chosen, actor, data)
    if after is None:
        state = rules.states.get(chosen.to or "")
        return [*found, *([Row(_("Next state"), state.title, icon="arrow-right")] if state else [])]
    names = _names(after, tasks)
    if after.state != case.state:
        state = rules.states.get(after.state)
        found.append(Row(_("Next state"), state.title if state else after.state, icon="arrow-right"))
    if after.platform_id != case.platform_id:
        found.append(Row(_("Goes to the platform"), platforms.platforms().name(after.platform_id), icon="building"))
    before = (case.state, case.holder_role, case.holder_org_id, case.holder_user_id)
    if after.open and before != (after.state, after.holder_role, after.holder_org_id, after.holder_user_id):
        found.append(Row(_("Goes to"), present.holder_words(after, rules, names), icon="user"))
    found += _clock_rows(case, after, rules)
    for task in tasks:
        who = present.holder_words(task, library.version(task.procedure_id), names)
        due = _("due %(time)s") % {"time": _local(task.due_at)} if task.due_at else ""
        title = str(library.version(task.procedure_id).title)
        if task.platform_id != after.platform_id:
            title += f" · {platforms.platforms().name(task.platform_id)}"
        found.append(Row(_("Makes a task"), f"{title} · {who}", note=due, icon="clipboard"))
    return found


def _condition_rows(chosen: Action, data: Mapping[str, Any]) -> list[Row]:
    """The limit and the close condition of the file condition that is chosen."""
    found = []
    for item in chosen.form:
        value = str(data.get(item.name) or "") if item.type == "condition" else ""
        row = categories.catalogue().conditions.get(row_id(value))
        if row is None:
            continue
        if row.limit_value is not None:
            limit = f"{row.limit_value.normalize():f} {present.unit_words(row.limit_unit, row.limit_value)}"
            note = _("sample profile") if row.sample else ""
            found.append(Row(_("Limit"), limit, note=note, icon="clock"))
        found.append(Row(_("Close condition"), row.close, icon="check"))
    return found


def _tried(
    case: Case, rules: Procedure, chosen: Action, actor: Actor, data: Mapping[str, Any]
) -> tuple[Case | None, list[Case]]:
    """The case and its new tasks after the action; None when the answers so far do not carry it.

    1. prepare what is answered, whatever is still missing; 2. leave out what is wrong; 3. take the step in memory.
    """
    loose = _unasking(chosen)
    prepared = prepare(rules, loose, case, actor, data)
    if wrong := {e.field for e in prepared.errors}:
        prepared = prepare(rules, loose, case, actor, {k: v for k, v in data.items() if k not in wrong})
    try:
        written = step.take(
            copy.copy(case), rules, chosen, actor, _without_files(prepared), moments.now(), is_new=case.seq == 0
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, clock.ClockError):
        return None, []  # an effect or a clock needs an answer that is not given yet
    tasks = [_case_of(row) for row in written.document.rows["new_cases"] if row["id"] != written.case.pk]
    return written.case, tasks


def _unasking(chosen: Action) -> Action:
    """The same action with nothing required."""
    fields = []
    for item in chosen.form:
        free = copy.copy(item)
        object.__setattr__(free, "required", False)
        object.__setattr__(free, "required_if", {})
        if item.type in ("photos", "hands"):
            object.__setattr__(free, "min", None)
        fields.append(free)
    loose = copy.copy(chosen)
    object.__setattr__(loose, "form", tuple(fields))
    return loose


def _without_files(prepared: Prepared) -> Prepared:
    prepared.files = []
    return prepared


def _case_of(row: Mapping[str, Any]) -> Case:
    columns = {str(f.column): f.attname for f in Case._meta.concrete_fields}
    return Case(**{columns[name]: value for name, value in row.items() if name in columns})


def _names(after: Case, tasks: list[Case]) -> dict[int, str]:
    wanted = {c.holder_user_id for c in (after, *tasks) if c.holder_user_id is not None}
    return dict(User.objects.filter(pk__in=wanted).values_list("pk", "display_name")) if wanted else {}


def _clock_rows(case: Case, after: Case, rules: Procedure) -> list[Row]:
    old, new = clock.from_json(case.clocks), clock.from_json(after.clocks)
    found = []
    for name, state in new.items():
        was = old.get(name)
        rule = rules.clocks.get(name)
        title = rule.title if rule else name
        due = clock.due(state, calendar_of(after, state))
        until = _("due %(time)s") % {"time": _local(moments.from_us(due))} if due is not None else ""
        length = present.limit_words(state.limit)
        if was is None or was.round != state.round:
            if state.finished is None:
                note = f"{until} · {_('sample value')}" if rule and rule.sample else until
                found.append(Row(_("Clock starts"), f"{title}: {length}", note=note, icon="clock"))
        elif state.finished is not None and was.finished is None:
            if after.open:
                found.append(Row(_("Clock stops"), title, icon="clock-check"))
        elif was.paused and not state.paused:
            found.append(Row(_("Clock goes on"), title, note=until, icon="clock"))
        elif state.paused and not was.paused:
            found.append(Row(_("Clock pauses"), title, icon="clock-pause"))
        elif len(state.extensions) > len(was.extensions):
            found.append(Row(_("Clock is extended"), title, note=until, icon="clock-plus"))
    return found


def _local(at: Any) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
