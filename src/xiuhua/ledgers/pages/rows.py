"""One row: its page with history, its form, removing it, and the look at a masked number."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from xiuhua import manifest
from xiuhua.city.access import Actor, signed_in
from xiuhua.ledgers import columns, drafts, history, scope, shapes, write
from xiuhua.ledgers.columns import Book, Col, Plain, Refs
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.ledgers.history import Change
from xiuhua.ledgers.pages import common, maps
from xiuhua.ui.forms import FormView, Option, Question
from xiuhua.ui.parts import Badge, Button, Layer, MapView, Moment, Row

_ICONS = {
    "create": "plus",
    "change": "edit",
    "remove": "trash",
    "undo": "arrow-back-up",
    "reveal": "eye",
    "erase": "eraser",
}

_TITLES = {
    "lon": gettext_lazy("Longitude"),
    "lat": gettext_lazy("Latitude"),
    "wkt": gettext_lazy("Shape"),
    "datum": gettext_lazy("Coordinate system"),
}


def action_title(action: str) -> str:
    return {
        "create": _("Registered"),
        "change": _("Changed"),
        "remove": _("Removed"),
        "undo": _("Change undone"),
        "reveal": _("Number shown"),
        "erase": _("Personal data erased"),
    }.get(action, action)


@signed_in
def row_page(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """All that is known of a row, where it is, and everything that was ever changed."""
    ledger, actor = common.find(request, code)
    row = common.find_row(ledger, actor, pk)
    book = columns.book(ledger)
    refs = Refs().of_rows(book, [row])
    values = columns.masked(book, columns.plain(book, row, refs))
    may = actor.has(ledger.manage) and scope.manageable(ledger, actor).filter(pk=pk).exists()
    before = request.GET.get("before", "")
    changes = history.of_row(code, pk, before_seq=int(before) if before.isdigit() else None)
    return render(
        request,
        "ledgers/row.html",
        {
            "ledger": ledger,
            "row": row,
            "title": common.title_of(book, values, row, refs),
            "badge": _badge(book, row),
            "facts": facts(book, values, row, refs),
            "related": manifest.load(ledger.related)(row, actor) if ledger.related else [],
            "map": _map(book, row),
            "moments": [moment(book, change) for change in changes[:50]],
            "more_url": f"?before={changes[49].seq}#history" if len(changes) > 50 else "",
            "earlier": bool(before),
            "buttons": _buttons(ledger, row, may),
            "sealed": [col for col in book.cols.values() if may and col.column.personal and values.get(col.name)],
        },
    )


def _badge(book: Book, row: Model) -> Badge | None:
    retire = book.ledger.retire
    if retire is None or getattr(row, retire[0]) != retire[1]:
        return None
    col = book.cols[retire[0]]
    return Badge(_("Not in use") if col.type == "bool" else columns.shown(col, retire[1]), "paused", "archive")


def facts(book: Book, values: dict[str, Plain], row: Model, refs: Refs) -> list[Row]:
    """Columns as labels and values; empty ones are shown, so that one sees what is missing."""
    found = []
    for col in book.cols.values():
        title = refs.title(col, getattr(row, col.attname)) if col.type == "ref" else ""
        note = values.get(col.name) if col.type == "ref" and title != values.get(col.name) else ""
        found.append(Row(col.title, columns.shown(col, values.get(col.name), title), note))
    if book.ledger.shape is not None and values.get("lon") is not None:
        datum = book.ledger.shape.datum
        came = shapes.SYSTEMS.get(getattr(row, datum), getattr(row, datum)) if datum else ""
        note = _("came in as %(datum)s") % {"datum": came} if came else ""
        found.append(Row(_("Position"), f"{values['lon']}, {values['lat']}", note))
    return found


def moment(book: Book, change: Change) -> Moment:
    """One event as an entry of the timeline: who, when, before, after."""
    rows = []
    for name in change.fields:
        col = book.cols.get(name)
        title = col.title if col else _TITLES.get(name, name)
        if change.action in ("reveal",):
            continue
        old, new = said(book, col, name, change.before), said(book, col, name, change.after)
        if change.before is None and change.after is not None:
            rows.append(Row(title, new))
        elif change.after is None:
            rows.append(Row(title, old))
        else:
            rows.append(Row(title, f"{old or '—'} → {new or '—'}"))
    names = [str(book.cols[n].title if n in book.cols else _TITLES.get(n, n)) for n in change.fields]
    text = _("The values were erased.") if change.erased else ""
    summary = "" if change.action == "create" else "、".join(names) if _is_zh() else ", ".join(names)
    return Moment(
        change.at,
        action_title(change.action),
        change.actor_name or (_("System") if change.actor == "system" else change.actor),
        text,
        _ICONS.get(change.action, "point"),
        rows=[row for row in rows if change.action != "create" or row.value not in ("", "—")],
        change=summary[:120],
        mark=f"#{change.seq} {change.digest[:16]}",
    )


def _is_zh() -> bool:
    from django.utils.translation import get_language

    return not (get_language() or "").startswith("en")


def said(book: Book, col: Col | None, name: str, values: dict[str, Plain] | None) -> str:
    """A value of the history as people read it; sealed ones stay sealed."""
    value = (values or {}).get(name)
    if value is None or value == "":
        return ""
    if col is None:
        return str(value)[:120]
    if col.column.personal:
        return _("(sealed)")
    return str(columns.shown(col, value))


def _map(book: Book, row: Model) -> MapView | None:
    shape = book.ledger.shape
    geometry = shapes.geometry_of(book.ledger, row)
    if shape is None or geometry is None:
        return None
    point = (getattr(row, shape.lon) / 1e7, getattr(row, shape.lat) / 1e7)
    layers = [
        Layer("counties", reverse("layer", args=["counties"]), _("Counties")),
        Layer("communities", reverse("layer", args=["communities"]), _("Communities")),
        Layer("roads", reverse("layer", args=["roads"]), _("Roads")),
        Layer("grids", reverse("layer", args=["grids"]), _("Unit grids")),
        maps.own_layer(
            book.ledger, [(row.pk, geometry, str(row))], kind="here" if geometry.geom_type == "Point" else ""
        ),
    ]
    return MapView(layers, centre=point, zoom=16, size="small", title=_("Where it is"), legend=False)


def _buttons(ledger: Ledger, row: Model, may: bool) -> list[Button]:
    if not may:
        return []
    found = [
        Button(_("Change"), reverse("ledger-edit", args=[ledger.code, row.pk]), key="e", tone="primary", icon="edit")
    ]
    if ledger.retire is None:
        found.append(Button(_("Remove"), reverse("ledger-remove", args=[ledger.code, row.pk]), icon="trash"))
    return found


# -- the form ------------------------------------------------------------------------------------------------------


@signed_in
def add(request: HttpRequest, code: str) -> HttpResponse:
    """A new row by form."""
    ledger, actor = common.find(request, code, "manage")
    return _form(request, ledger, actor, None)


@signed_in
def edit(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Change a row by form; what somebody else changed meanwhile is not overwritten."""
    ledger, actor = common.find(request, code, "manage")
    return _form(request, ledger, actor, common.find_row(ledger, actor, pk, "manage"))


def _form(request: HttpRequest, ledger: Ledger, actor: Actor, row: Model | None) -> HttpResponse:
    work = Work(ledger, actor)
    book = work.book
    errors: dict[str, list[str]] = {}
    summary = ""
    present = {} if row is None else write.plain_now(work, row)
    mark = common.version(present) if row is not None else ""
    if request.method == "POST":
        given = _given(request, book, row)
        work.system = request.POST.get("position.datum") or "cgcs2000"
        if work.system not in shapes.SYSTEMS:
            work.system = "cgcs2000"
        draft = Draft(1, given, row=row)
        drafts.check(work, [draft], by_key=row is None)
        if row is None and draft.row is not None:
            draft.fault(ledger.key[0], "台账中已有这一条。", "The ledger has this one already.")
        if row is not None and request.POST.get("version") != mark:
            summary = _("Somebody else has just changed this row. Look at it again below, then save.")
        elif draft.ok:
            if draft.kind == "same":
                messages.info(request, _("Nothing was changed."))
                return redirect("ledger-row", ledger.code, draft.row.pk)  # type: ignore[union-attr]
            try:
                write.apply(work, [draft])
            except write.Conflict as conflict:
                summary = str(conflict.text)
            else:
                messages.success(request, _("Saved."))
                return redirect("ledger-row", ledger.code, draft.row.pk)  # type: ignore[union-attr]
        errors = drafts.faults_by_column([draft])
        summary = summary or " ".join(errors.pop("", [])) or _("Some values are missing or wrong.")
        values: dict[str, Any] = {**present, **given}
    else:
        values = columns.masked(book, present)
    questions = [question(book, col, values, errors, row) for col in book.cols.values() if _asked(col, row)]
    if ledger.shape is not None:
        questions.append(_position(request, ledger, values, errors))
    heading = _("Add: %(ledger)s") % {"ledger": ledger.title} if row is None else _("Change: %(row)s") % {"row": row}
    back = reverse("ledger", args=[ledger.code]) if row is None else reverse("ledger-row", args=[ledger.code, row.pk])
    form = FormView(
        questions,
        request.path,
        _("Save"),
        cancel_url=back,
        summary=summary if request.method == "POST" else "",
        hidden={"version": mark} if mark else {},
    )
    status = 422 if request.method == "POST" else 200
    return render(
        request,
        "ledgers/form.html",
        {"ledger": ledger, "form": form, "heading": heading, "back_url": back, "back_text": ledger.title},
        status=status,
    )


def _asked(col: Col, row: Model | None) -> bool:
    return col.column.edit and not (row is not None and col.column.once)


def _given(request: HttpRequest, book: Book, row: Model | None) -> dict[str, Any]:
    """What the form sends, by column; a box that is not ticked sends nothing and means no."""
    given: dict[str, Any] = {}
    for col in book.cols.values():
        if not _asked(col, row):
            continue
        sent = request.POST.get(col.name)
        if col.type == "bool":
            given[col.name] = sent in ("on", "1", "true", "True")
        elif sent is not None:
            given[col.name] = sent
    if book.ledger.shape is not None:
        if request.POST.get("wkt"):
            given["wkt"] = request.POST["wkt"]
        elif request.POST.get("position.lon") or request.POST.get("position.lat"):
            given["lon"], given["lat"] = request.POST.get("position.lon", ""), request.POST.get("position.lat", "")
    return given


def question(book: Book, col: Col, values: dict[str, Any], errors: dict[str, list[str]], row: Model | None) -> Question:
    """A column as a question of the form."""
    kind = {"ref": "organisation", "datetime": "date"}.get(col.type, col.type)
    value = values.get(col.name)
    options: list[Option] = []
    source = ""
    if col.type == "choice":
        options = [Option(code, title) for code, title in col.choices.items()]
        if value in (None, "") and row is None and not col.required and col.default in col.choices:
            value = col.default
    elif col.type == "ref" and col.ref is not None:
        source = reverse("ledger-lookup", args=[book.ledger.code, col.name])
        if value:
            found = col.ref._default_manager.filter(**{col.ref_key: value}).first()
            options = [Option(str(value), str(found) if found is not None else str(value))]
    elif col.type == "bool" and value is None and row is None:
        value = col.default
    return Question(
        name=col.name,
        type=kind,
        title=col.title,
        required=col.required,
        help=col.column.help or "",
        value=value,
        errors=tuple(errors.get(col.name, ())),
        options=tuple(options),
        source=source,
        max=str(col.max_length) if col.max_length else None,
    )


def _position(request: HttpRequest, ledger: Ledger, values: dict[str, Any], errors: dict[str, list[str]]) -> Question:
    """Where it is: picked on the map or typed; lines and polygons as WKT."""
    wkt = str(values.get("wkt") or "")
    if ledger.shape is not None and ledger.shape.geometry and wkt and not wkt.startswith("POINT"):
        return Question(
            name="wkt",
            type="long_text",
            title=_("Shape (WKT)"),
            value=wkt,
            errors=tuple(errors.get("position", ())),
            help=_("Lines and polygons are drawn in a GIS and imported; here their text can be corrected."),
        )
    value = {
        "lon": values.get("lon") or "",
        "lat": values.get("lat") or "",
        "datum": request.POST.get("position.datum", "cgcs2000"),
    }
    view = MapView(
        [
            Layer("counties", reverse("layer", args=["counties"]), _("Counties")),
            Layer("roads", reverse("layer", args=["roads"]), _("Roads")),
            Layer("grids", reverse("layer", args=["grids"]), _("Unit grids")),
        ],
        title=_("Where it is"),
        legend=False,
    )
    return Question(
        name="position",
        type="position",
        title=_("Position"),
        required=True,
        value=value,
        errors=tuple(errors.get("position", ())),
        place_url=reverse("place"),
        map=view,
    )


# -- removing and looking ------------------------------------------------------------------------------------------


@signed_in
def remove(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Take a row out of the ledger, after saying what that means. Where rows are retired instead, there is no removing."""
    ledger, actor = common.find(request, code, "manage")
    if ledger.retire is not None:
        raise Http404
    row = common.find_row(ledger, actor, pk, "manage")
    if request.method == "POST" and request.POST.get("sure") == "1":
        try:
            write.remove(Work(ledger, actor), [row])
        except write.Conflict as conflict:
            messages.error(request, str(conflict.text))
            return redirect("ledger-row", code, pk)
        messages.success(request, _("Removed. Its values are kept in the history."))
        return redirect("ledger", code)
    return render(
        request,
        "ledgers/remove.html",
        {"ledger": ledger, "row": row, "back_url": reverse("ledger-row", args=[code, pk])},
    )


@signed_in
@require_POST
def reveal(request: HttpRequest, code: str, pk: int, name: str) -> HttpResponse:
    """A masked number in clear, for who manages the row; the look is an event."""
    ledger, actor = common.find(request, code, "manage")
    row = common.find_row(ledger, actor, pk, "manage")
    book = columns.book(ledger)
    col = book.cols.get(name)
    if col is None or not col.column.personal:
        raise Http404
    if actor.scopes is not None:
        raise PermissionDenied(_("Numbers are shown on the page only."))
    if request.POST.get("sure") != "1":
        return redirect("ledger-row", code, pk)
    values = columns.plain(book, row, Refs().of_rows(book, [row]))
    write.note(ledger, row, "reveal", actor, [name])
    return render(
        request,
        "ledgers/reveal.html",
        {
            "title": col.title,
            "row": row,
            "value": columns.opened(book, values, name),
            "back_url": reverse("ledger-row", args=[code, pk]),
        },
    )
