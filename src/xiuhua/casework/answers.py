"""From the answers of a form to the columns, words, facts, personal data and files of an event.

This is the part of an action that may look things up, so it happens before the transaction opens. Children that
the action will start are prepared here too: their answers come from the parent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q

from xiuhua.casework import forms, library, moments, projection
from xiuhua.casework.forms import FormContext
from xiuhua.casework.ids import new_id
from xiuhua.casework.models import Attachment, Case
from xiuhua.casework.procedures import Action, Field, Procedure, Spawn
from xiuhua.casework.refusal import FieldError
from xiuhua.city import categories, coordinates, crypto, locator, organisations, platforms
from xiuhua.city.access import Actor
from xiuhua.city.models import Component, Platform, User

LOCAL = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class PersonalAnswer:
    """A personal answer, sealed; ``lookup`` is its keyed index, '' for a name."""

    field: str
    kind: str
    cipher: str
    lookup: str


@dataclass(frozen=True)
class ChildAnswers:
    """A child case to be started on a platform, with its answers."""

    spawn: Spawn
    platform_id: int
    case_id: int
    version: int
    rules: Procedure
    action: Action
    prepared: Prepared


@dataclass
class HandOver:
    """The platform that receives a case, the version of the procedure in force there, and all cases below this one."""

    platform_id: int
    version: int
    rules: Procedure
    below: list[int] = field(default_factory=list)


@dataclass
class Prepared:
    """Everything that an action's answers say."""

    answers: dict[str, Any] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, Any] = field(default_factory=dict)
    personal: list[PersonalAnswer] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    children: list[ChildAnswers] = field(default_factory=list)
    hand_over: HandOver | None = None


NO_ANSWERS = Prepared()


def prepare(rules: Procedure, act: Action, case: Case, actor: Actor, data: Mapping[str, Any]) -> Prepared:
    """Parse and sort the answers of one action; errors are kept, not raised."""
    if not act.form and not data and not act.spawn:
        return Prepared()
    files: dict[str, Attachment] = {}
    context = form_context(case, actor, files)
    answers, errors = forms.parse(act.form, data, context)
    result = Prepared(answers=answers, errors=errors)
    if errors:
        return result
    parts = forms.split(act.form, answers)
    for item in act.form:
        if item.name in answers:
            _place(result, item, answers[item.name], files)
    _seal(result, act.form, parts, case)
    result.facts = {k: v for k, v in parts.facts.items() if not _is_column(act, k)}
    if act.assigns is not None and act.assigns.platform:
        result.hand_over = _hand_over(rules, act, case, answers)
    for spawn in act.spawn:
        child = _child(spawn, act, case, actor, answers)
        result.children.append(child)
        result.errors += child.prepared.errors
    return result


def _is_column(act: Action, name: str) -> bool:
    item = act.field(name)
    return item is not None and (item.column is not None or item.type in ("position", "photos"))


def _place(result: Prepared, item: Field, value: Any, files: Mapping[str, Attachment]) -> None:
    """Columns that an answer fills by its type or by ``column``."""
    if item.type == "position":
        result.columns.update(position_columns(value))
    elif item.type == "condition" and item.column in (None, "condition"):
        found = categories.catalogue().of_condition(value)
        if found is not None:
            row, _condition = found
            result.columns.update(condition_id=value, category_id=row.id, kind=row.kind, scheme=row.scheme.code)
    elif item.type == "category" and item.column in (None, "category"):
        row = categories.catalogue().by_id[value]
        result.columns.update(category_id=value, kind=row.kind, scheme=row.scheme.code)
    elif item.type == "photos":
        for digest in value:
            file = files[digest]
            file.stage = item.stage or file.stage
            result.files.append(file)
    elif item.column:
        if item.column in projection.TEXT_COLUMNS:
            result.texts[item.column] = str(value)
        else:
            result.columns[projection.attname(item.column)] = value


def position_columns(value: Mapping[str, Any]) -> dict[str, Any]:
    """A position and the codes of the ground under it, found once, here."""
    found = locator.locate(value["lon_e7"] / 1e7, value["lat_e7"] / 1e7)
    return {
        "lon_e7": value["lon_e7"],
        "lat_e7": value["lat_e7"],
        "datum": value["datum"],
        "raw_x": value.get("raw_x", "")[:24],
        "raw_y": value.get("raw_y", "")[:24],
        "accuracy_m": value.get("accuracy_m"),
        "grid": found.grid,
        "responsibility_grid": found.responsibility_grid,
        "community": found.community,
        "sub_district": found.sub_district,
        "county": found.county,
    }


def _seal(result: Prepared, fields: tuple[Field, ...], parts: forms.Split, case: Case) -> None:
    """Personal answers are sealed before they are kept anywhere."""
    kinds = {item.name: item.type for item in fields}
    sealed = {}
    for name, value in parts.personal.items():
        cipher, lookup = seal(kinds[name], str(value), case.id, name)
        result.personal.append(PersonalAnswer(name, kinds[name], cipher, lookup))
        sealed[name] = cipher
    result.stored = {**parts.facts, **parts.text, **sealed}


def seal_context(case: int, field: str) -> str:
    """What a personal answer is sealed to: it cannot be moved to another case or field unnoticed."""
    return f"case:{case}:{field}"


def seal(kind: str, value: str, case: int, field: str) -> tuple[str, str]:
    """A personal answer of a field type, sealed to its case; and its keyed index, '' for a name."""
    of = {"phone": "phone", "id_number": "id"}.get(kind, "")
    lookup = crypto.blind_index(of, value) if of in ("phone", "id") else ""  # type: ignore[arg-type]
    return crypto.encrypt(value, seal_context(case, field)), lookup


def _hand_over(rules: Procedure, act: Action, case: Case, answers: Mapping[str, Any]) -> HandOver | None:
    """The same procedure as it is in force where the case goes; None when the answer names no platform."""
    assert act.assigns is not None
    to = _from_parent(act.assigns.platform, case, answers)
    platform = platforms.platforms().row(pk=to)
    if platform is None or platform.pk == case.platform_id:
        return None
    version, there = library.current(rules.code, platform)
    if (act.to or case.state) not in there.states:  # a city's own variant has done away with the state
        version, there = case.procedure_id, rules
    return HandOver(platform.pk, version, there, descendants(case.pk))


def descendants(pk: int) -> list[int]:
    """All cases below one, parents before children."""
    found: list[int] = []
    level = [pk]
    while level := list(Case.objects.filter(parent_id__in=level).order_by("pk").values_list("pk", flat=True)):
        found += level
    return found


def _child(spawn: Spawn, parent_act: Action, case: Case, actor: Actor, answers: Mapping[str, Any]) -> ChildAnswers:
    from xiuhua.casework import permits

    where = case.platform_id
    if spawn.platform == "actor":
        where = permits.acting_platform(actor, case, parent_act)
    elif spawn.platform != "case":
        where = answers.get(spawn.platform[1:]) or where
    platform = platforms.platforms().row(pk=where)
    if platform is None:
        raise Platform.DoesNotExist
    version, rules = library.current(spawn.procedure, platform)
    act = rules.actions[spawn.action]
    data = {}
    for name, value in spawn.data.items():
        found = _from_parent(value, case, answers)
        if found is not None:
            data[name] = found
    blank = Case(id=new_id(), platform_id=where, parent_id=case.pk)
    blank.procedure_code = rules.code
    return ChildAnswers(spawn, where, blank.id, version, rules, act, prepare(rules, act, blank, actor, data))


def _from_parent(value: Any, case: Case, answers: Mapping[str, Any]) -> Any:
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    name = value[1:]
    return getattr(case, projection.attname(name[5:])) if name.startswith("case.") else answers.get(name)


# --- look-ups ---------------------------------------------------------------------------------------------------


def form_context(case: Case, actor: Actor, files: dict[str, Attachment] | None = None) -> FormContext:
    """The look-ups of a form for one case and actor; ``files`` collects the pictures that were named."""
    found_files = files if files is not None else {}
    now = moments.now()

    def attachment(digest: str) -> Attachment | None:
        mine = Q(uploaded_by_id=actor.user_id) if actor.kind == "user" else Q()
        if case.pk:
            mine |= Q(case_id=case.pk)
        row = Attachment.objects.filter(mine, Q(case_id__isnull=True) | Q(case_id=case.pk), sha256=digest).first()
        if row is None and case.parent_id:
            row = Attachment.objects.filter(case_id=case.parent_id, sha256=digest).first()
        if row is not None:
            found_files[digest] = row
        return row

    def case_key(value: Any, _field: Field) -> str | None:  # text: the key exceeds what JSON keeps exactly
        from xiuhua.casework import permits

        row = permits.visible(actor).filter(number=str(value)).first()
        if row is None and (pk := _integer(value)) is not None:
            row = permits.visible(actor).filter(pk=pk).first()
        return str(row.pk) if row is not None else None

    return FormContext(
        today=now.astimezone(LOCAL).date(),
        now=now.isoformat(),
        category=_category,
        condition=_condition,
        organisation=_organisation,
        platform=_platform,
        user=_user,
        case_key=case_key,
        component=_component,
        attachment=attachment,
        to_wgs84=lambda x, y, datum: coordinates.to_wgs84(x, y, coordinates.Datum(datum)),
        in_city=locator.reaches,
        case={f.name: getattr(case, f.attname) for f in Case._meta.concrete_fields if hasattr(case, f.attname)},
        actor=actor.user_id,
    )


def _integer(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _category(value: Any, _field: Field) -> int | None:
    """By row id, or by "scheme:kind:code"."""
    book = categories.catalogue()
    parts = str(value).split(":")
    if len(parts) == 3:
        row = book.category(*parts)
        return row.id if row else None
    pk = _integer(value)
    return pk if pk in book.by_id else None


def _condition(value: Any, _field: Field) -> int | None:
    """A condition under which a case may be filed, by row id, or by "scheme:ref"."""
    book = categories.catalogue()
    scheme, _colon, ref = str(value).partition(":")
    if ref:
        for row in book.current(scheme):
            for condition in row.conditions:
                if condition.ref == ref:
                    return condition.id
        return None
    pk = _integer(value)
    return pk if pk in book.conditions else None


def _organisation(value: Any, _field: Field) -> int | None:
    """By row id or code."""
    tree = organisations.tree()
    by_code = tree.by_code.get(str(value))
    if by_code is not None:
        return by_code.id
    pk = _integer(value)
    return pk if pk in tree.by_id else None


def _platform(value: Any, _field: Field) -> int | None:
    """By code or row id; a code is six digits and goes first."""
    known = platforms.platforms()
    by_code = known.by_code.get(str(value))
    if by_code is not None:
        return by_code.id
    pk = _integer(value)
    return pk if pk in known.by_id else None


def _user(value: Any, item: Field) -> int | None:
    """By row id or log-in name; only people who hold the field's role today."""
    from django.utils import timezone

    pk = _integer(value)
    people = User.objects.filter(Q(pk=pk) if pk is not None else Q(username=str(value)), is_active=True)
    if item.role:
        today = timezone.localdate()
        people = people.filter(
            Q(appointments__until__isnull=True) | Q(appointments__until__gte=today),
            appointments__since__lte=today,
            appointments__post__role=item.role,
        )
    return people.values_list("pk", flat=True).first()


def _component(value: Any, _field: Field) -> str | None:
    return Component.objects.filter(code=str(value)).values_list("code", flat=True).first()
