"""One case, one page, one story: the same page for every procedure, drawn from the procedure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from xiuhua.casework import builtin, clock, diagram, engine, library, moments, permits, reveal
from xiuhua.casework.deadlines import calendar_of
from xiuhua.casework.models import Attachment, Case, Event
from xiuhua.casework.pages import case_list, present
from xiuhua.casework.procedures import Procedure
from xiuhua.city import categories, crypto, locator, platforms, roles
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import User
from xiuhua.ui.parts import Badge, Button, Layer, MapView, Moment, Photo, PhotoStage, Row

_MASKS = {"phone": crypto.mask_phone, "person_name": crypto.mask_name, "id_number": crypto.mask_id}
_TONES = {"primary": "primary", "danger": "danger", "quiet": "quiet"}
_ICONS = {
    "clock_warning": ("alarm", "soon"),
    "reveal": ("eye", ""),
    "erase": ("eraser", "over"),
    "recount": ("calendar-time", ""),
    "child_ended": ("git-merge", ""),
    "cancel": ("ban", ""),
}


def find(actor: Actor, number: str) -> Case:
    """The case of a number, if the actor may see it; 404 otherwise, so that numbers tell nothing."""
    case = permits.visible(actor).select_related("parent__parent", "main_case").filter(number=number).first()
    if case is None:
        raise Http404(_("There is no such case, or you may not see it."))
    return case


@requires("case.read")
def case_page(request: HttpRequest, number: str) -> HttpResponse:
    actor = request.actor  # type: ignore[attr-defined]
    case = find(actor, number)
    rules = library.version(case.procedure_id)
    events = list(Event.objects.filter(case_id=case.pk).select_related("payload").order_by("seq"))
    children = list(Case.objects.filter(parent_id=case.pk).order_by("pk"))
    for child in children:
        child.parent = case  # its words are the case's
    answers = {e.pk: _answers(e) for e in events}
    names = _names([case, *children], events, _people_in(rules, events, answers))
    above = case.parent if case.parent is not None and permits.sees(actor, case.parent) else None
    of_cases = [case.pk, *(c.pk for c in children), *([above.pk] if above else ())]
    photos = list(Attachment.objects.filter(case_id__in=of_cases).order_by("id"))
    visited = {e.from_state for e in events} | {e.to_state for e in events}
    stages = _stages(photos)
    listed = request.GET.get("list", "")[:2000]
    return render(
        request,
        "casework/case_pane.html" if request.GET.get("pane") == "1" else "casework/case.html",
        {
            "case": case,
            "way": case_list.around(actor, listed, case),
            "full_url": f"{present.case_url(case)}?{urlencode({'list': listed})}" if listed else present.case_url(case),
            "title": present.title_of(case),
            "state": Badge(builtin.state_title(rules, case.state), "done" if not case.open else "info"),
            "time": present.time_of(case, rules),
            "urgency": present.urgency_badge(case),
            "buttons": _buttons(case, actor, listed),
            "facts": _facts(case, rules),
            "holding": _holding(case, rules, names, above),
            "words": case.description or (case.parent.description if case.parent_id and case.parent else ""),
            "clock_rows": _clock_rows(case, rules),
            "personal": _personal(case, actor),
            "stages": stages,
            "before": next((s.photos[0] for c, s in stages if c in ("before", "verify")), None),
            "after": next((s.photos[-1] for c, s in reversed(stages) if c in ("after", "check")), None),
            "photo_stages": [stage for _code, stage in stages],
            "map": _map(case),
            "children": [
                (row, present.holder_words(row.case, library.version(row.case.procedure_id), names))
                for row in present.rows(children)
            ],
            "moments": [_moment(e, rules, names, answers[e.pk]) for e in reversed(events)],
            # Drawn by our own code from a checked procedure; titles are escaped there.
            "diagram": mark_safe(  # noqa: S308
                diagram.diagram(
                    rules,
                    get_language() or "zh-hans",
                    current=case.state,
                    visited=visited,
                    role_titles={code: role.title for code, role in roles.roles().items()},
                )
            ),
            "rules": rules,
            "place": place_rows(case),
            "near": present.rows(neighbours_of(case, actor)),
            "why_url": reverse("case-why", args=[case.number]),
        },
    )


def _answers(event: Event) -> dict[str, Any]:
    """The words of an event, {} when it has none or they were erased."""
    payload = getattr(event, "payload", None)
    return json.loads(payload.body).get("answers", {}) if payload is not None and payload.body else {}


def _people_in(rules: Procedure, events: list[Event], answers: dict[int, dict[str, Any]]) -> set[int]:
    found = set()
    for event in events:
        act = rules.actions.get(event.action)
        for item in act.form if act else ():
            if item.type == "user" and item.name in answers[event.pk]:
                found.add(int(answers[event.pk][item.name]))
    return found


def _names(cases: list[Case], events: list[Event], more: set[int]) -> dict[int, str]:
    """Display names of everybody on the page: one query."""
    wanted: set[int | None] = {*more}
    wanted |= {e.actor_user_id for e in events} | {c.holder_user_id for c in cases} | {c.created_by_id for c in cases}
    return dict(User.objects.filter(pk__in=[pk for pk in wanted if pk]).values_list("pk", "display_name"))


def _buttons(case: Case, actor: Actor, listed: str = "") -> list[Button]:
    kept = f"?{urlencode({'list': listed})}" if listed else ""
    offered = engine.allowed(case, actor) if actor.has("case.act") else []
    return [
        Button(
            a.action.title,
            reverse("case-act", args=[case.number, a.action.code]) + kept,
            key=a.action.key,
            tone=_TONES.get(a.action.tone, ""),
            refusal=a.refusal.message if a.refusal else None,
        )
        for a in offered
    ]


def _facts(case: Case, rules: Procedure) -> list[Row]:
    book = categories.catalogue()
    category = book.by_id.get(case.category_id or 0)
    condition = book.conditions.get(case.condition_id or 0)
    rows = [Row(_("Procedure"), rules.title, url=reverse("procedure", args=[rules.code]))]
    if case.reported_at:
        source = rules.fields().get("source")
        titles = {c.code: c.title for c in source.choices} if source else {}
        at = f"{timezone.localtime(case.reported_at):%Y-%m-%d %H:%M}"
        rows.append(Row(_("Reported"), at, note=titles.get(case.source, "")))
    if category:
        code = f"{category.scheme.title} · {category.code}"
        rows.append(Row(_("Class"), f"{category.major} / {category.title}", note=code))
    if condition:
        limit = (
            f"{condition.limit_value.normalize():f} {present.unit_words(condition.limit_unit, condition.limit_value)}"
            if condition.limit_value
            else ""
        )
        rows.append(Row(_("File condition"), condition.text, note=_("sample profile") if condition.sample else ""))
        rows.append(Row(_("Limit"), limit))
        rows.append(Row(_("Close condition"), condition.close))
    return rows


def _clock_rows(case: Case, rules: Procedure) -> list[Row]:
    """Every clock that is not finished: its deadline now, and the first one where it moved."""
    rows = []
    for name, state in clock.from_json(case.clocks).items():
        if state.finished is not None:
            continue
        calendar = calendar_of(case, state)
        due, first = clock.due(state, calendar), clock.original_due(state, calendar)
        rule = rules.clocks.get(name)
        now = _local(due) if due is not None else _("open while paused")
        note = _("first promised: %(time)s") % {"time": _local(first)} if due != first else ""
        rows.append(Row(rule.title if rule else name, now, note=note))
    return rows


def _local(at_us: int) -> str:
    return f"{timezone.localtime(moments.from_us(at_us)):%Y-%m-%d %H:%M}"


def _holding(case: Case, rules: Procedure, names: dict[int, str], above: Case | None) -> list[Row]:
    """Who has the case, what it belongs to, and what has happened to it so far."""
    rows: list[Row] = []
    known = platforms.platforms()
    rows.append(Row(_("Has it now"), present.holder_words(case, rules, names)))
    rows.append(Row(_("Platform"), known.name(case.platform_id)))
    for platform_id, until in reversed(case.facts.get("came_from", [])):
        rows.append(
            Row(_("Came from"), known.name(platform_id), note=_("handed over %(time)s") % {"time": _local(until)})
        )
    if case.responsible_org_id:
        rows.append(Row(_("Responsible unit"), present.unit_name(case.responsible_org_id)))
    if case.parent_id and case.parent:
        rows.append(Row(_("Part of"), case.parent.number, url=present.case_url(above) if above else ""))
    if case.main_case_id and case.main_case:
        rows.append(Row(_("Merged into"), case.main_case.number, url=present.case_url(case.main_case)))
    for count, label in (
        (case.returns, _("Returned")),
        (case.rounds, _("Reworked")),
        (case.extensions, _("Extended")),
        (case.supervised, _("Supervised")),
    ):
        if count:
            rows.append(Row(label, ngettext("%(count)s time", "%(count)s times", count) % {"count": count}))
    return rows


def place_rows(case: Case) -> list[Row]:
    language = get_language()
    rows = [Row(_("Place"), case.address or (case.parent.address if case.parent_id and case.parent else "") or "—")]
    for code, label in (
        (case.county, _("County")),
        (case.sub_district, _("Sub-district")),
        (case.community, _("Community")),
    ):
        if code:
            rows.append(Row(label, locator.name(code, language) or code, note=code))
    if case.grid:
        rows.append(Row(_("Unit grid"), case.grid, url=f"{reverse('cases')}?grid={case.grid}"))
    if case.lon is not None and case.lat is not None:
        note = _("came as %(datum)s") % {"datum": present.DATUMS.get(case.datum, case.datum)}
        rows.append(Row(_("Position"), f"{case.lon:.6f}, {case.lat:.6f}", note=note))
    if case.component_code:
        rows.append(Row(_("Component"), case.component_code))
    return rows


def _map(case: Case) -> MapView | None:
    if case.lon is None or case.lat is None:
        return None
    here = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [case.lon, case.lat]},
                "properties": {"title": present.title_of(case)},
            }
        ],
    }
    span = 0.004
    box = f"{case.lon - span},{case.lat - span},{case.lon + span},{case.lat + span}"
    layers = [
        Layer("communities", reverse("layer", args=["communities"]), _("Communities")),
        Layer("grids", f"{reverse('layer', args=['grids'])}?bbox={box}", _("Unit grids")),
        Layer("roads", reverse("layer", args=["roads"]), _("Roads")),
        Layer("components", f"{reverse('layer', args=['components'])}?bbox={box}", _("Components")),
        Layer("cases", f"{reverse('layer', args=['cases'])}?bbox={box}&open=1", _("Open cases")),
        Layer("here", "", _("This case"), data=here),
    ]
    return MapView(layers, centre=(case.lon, case.lat), zoom=16, size="small", title=_("Where it is"))


def stage_titles() -> dict[str, str]:
    return {
        "before": _("Before"),
        "verify": _("Verification"),
        "after": _("After"),
        "check": _("Check"),
        "evidence": _("Evidence"),
    }


def _stages(rows: list[Attachment]) -> list[tuple[str, PhotoStage]]:
    titles = stage_titles()
    found: dict[str, list[Photo]] = {}
    for row in rows:
        if not row.media_type.startswith("image/"):
            continue
        found.setdefault(row.stage or "before", []).append(
            Photo(
                reverse("file", args=[row.sha256]),
                reverse("thumbnail", args=[row.sha256, 320]),
                alt=_("Photo, %(stage)s") % {"stage": titles.get(row.stage, row.stage)},
                caption=titles.get(row.stage, row.stage),
                taken_at=row.taken_at or row.uploaded_at,
                width=row.width or 0,
                height=row.height or 0,
            )
        )
    order = [code for code in titles if code in found] + [code for code in found if code not in titles]
    return [(code, PhotoStage(titles.get(code, code), found[code])) for code in order]


def _personal(case: Case, actor: Actor) -> list[dict[str, Any]]:
    """Personal fields, masked; with a way to see them for those who may."""
    may = reveal.may_reveal(case, actor)
    fields = library.version(case.procedure_id).fields()
    found = []
    for row in case.personal.all():
        try:
            value = crypto.decrypt(row.cipher, f"case:{case.pk}:{row.field}")
        except crypto.Unreadable:
            value = ""
        title = fields[row.field].title if row.field in fields else row.field
        mask = _MASKS.get(row.kind, crypto.mask_name)
        url = reverse("case-reveal", args=[case.number, row.field]) if may else ""
        found.append({"title": title, "value": mask(value) or "—", "url": url, "field": row.field})
    return found


def _moment(event: Event, rules: Procedure, names: dict[int, str], answers: dict[str, Any]) -> Moment:
    body = json.loads(event.body)
    payload = getattr(event, "payload", None)
    erased = payload is not None and payload.erased_at is not None
    act = rules.actions.get(event.action) or builtin.ACTIONS.get(event.action)
    rows, text = [], ""
    for name, value in answers.items():
        item = act.field(name) if act else None
        if item is None:
            continue
        if item.is_personal:
            rows.append(Row(item.title, _("recorded, hidden here")))
            continue
        rows.append(Row(item.title, answer_words(item, value, names)))
    note = body.get("note", {})
    if event.action == "clock_warning":
        rule = rules.clocks.get(note.get("clock", ""))
        text = _("%(clock)s: %(percent)s %% used") % {
            "clock": rule.title if rule else note.get("clock"),
            "percent": note.get("percent"),
        }
    if "child" in note:
        rows.append(Row(_("Task"), note["child"]))
    if erased:
        rows.append(Row(_("Words"), _("erased")))
    icon, tone = _ICONS.get(event.action, ("point", ""))
    change = ""
    if event.from_state != event.to_state and event.from_state:
        change = f"{builtin.state_title(rules, event.from_state)} → {builtin.state_title(rules, event.to_state)}"
    return Moment(
        event.at,
        builtin.action_title(rules, event.action),
        who=names.get(event.actor_user_id or 0, "") or _("System"),
        text=text,
        icon=icon,
        tone=tone,
        rows=rows,
        change=change,
        mark=event.digest[:12],
    )


def answer_words(item: Any, value: Any, names: dict[int, str]) -> str:
    """A stored answer as a person reads it."""
    if item.type in ("choice", "multi_choice"):
        titles = {c.code: str(c.title) for c in item.choices}
        return "、".join(titles.get(v, str(v)) for v in (value if isinstance(value, list) else [value]))
    if item.type == "organisation":
        return present.unit_name(value) or str(value)
    if item.type == "platform":
        return platforms.platforms().name(value) or str(value)
    if item.type == "category":
        row = categories.catalogue().by_id.get(value)
        return str(row.title) if row else str(value)
    if item.type == "condition":
        found = categories.catalogue().conditions.get(value)
        return str(found.text) if found else str(value)
    if item.type == "user":
        return names.get(int(value), str(value))
    if item.type == "photos":
        return _("%(count)s photos") % {"count": len(value)}
    if item.type == "bool":
        return _("yes") if value else _("no")
    if item.type == "position":
        return f"{value['lon_e7'] / 1e7:.6f}, {value['lat_e7'] / 1e7:.6f}"
    if item.type == "datetime":
        return f"{timezone.localtime(builtin.end_of(value)):%Y-%m-%d %H:%M}"
    return str(value)


def neighbours_of(case: Case, actor: Actor) -> list[Case]:
    """Other open cases within about 150 m."""
    if case.lon_e7 is None or case.lat_e7 is None:
        return []
    reach = 14_000  # 1e-7 degree, about 150 m
    near = permits.visible(actor).filter(
        open=True,
        parent__isnull=True,
        lon_e7__range=(case.lon_e7 - reach, case.lon_e7 + reach),
        lat_e7__range=(case.lat_e7 - reach, case.lat_e7 + reach),
    )
    return list(near.exclude(pk=case.pk).select_related("parent__parent").order_by("-id")[:10])
