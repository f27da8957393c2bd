"""Questions of a form, drawn by ``ui/parts/field.html`` from the fields of a procedure.

A field is anything with ``name``, ``type``, ``title`` and, where they apply, ``required``, ``help``,
``choices``, ``min``, ``max``, ``stage``, ``phrases`` and ``is_personal``; `casework.schema.Field` is one.
Every answer is posted under the field's name; a position under ``<name>.lon``, ``.lat``, ``.datum`` and
``.accuracy_m``; the lead among several hands under ``<name>.lead``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone

from xiuhua.ui.parts import MapView

#: Field type -> template that draws its control.
CONTROLS = {
    "text": "input",
    "phone": "input",
    "person_name": "input",
    "id_number": "input",
    "integer": "input",
    "decimal": "input",
    "money": "input",
    "date": "input",
    "datetime": "input",
    "long_text": "long_text",
    "bool": "bool",
    "choice": "choice",
    "multi_choice": "many",
    "hands": "hands",
    "category": "select",
    "condition": "select",
    "organisation": "select",
    "platform": "select",
    "user": "select",
    "case": "select",
    "component": "select",
    "photos": "photos",
    "position": "position",
}
_INPUT_TYPES = {"phone": "tel", "date": "date", "datetime": "datetime-local"}
_INPUT_MODES = {"integer": "numeric", "decimal": "decimal", "money": "decimal", "phone": "tel"}
_AUTOCOMPLETE = {"phone": "off", "person_name": "off", "id_number": "off"}
#: More choices than this become a list to search instead of radio buttons.
FEW = 6


class FieldLike(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def title(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose; ``note`` stands beside it, ``find`` has more words for it (pinyin, codes)."""

    value: str
    label: Any
    note: Any = ""
    find: str = ""
    group: Any = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One field ready to be drawn. ``value`` is what was typed or the default; ``errors`` are sentences.

    ``source`` is an address that answers ``?q=`` with ``{"results": [{value, label, note}]}``. ``upload_url``
    takes one photo (multipart ``file``) and answers ``{id, name, thumb}``, or 4xx with ``{error}``.
    ``place_url`` answers a position with a fragment that says where it is, ``near_url`` with the components around it.
    """

    name: str
    type: str
    title: Any
    required: bool = False
    help: Any = ""
    value: Any = None
    errors: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    source: str = ""
    upload_url: str = ""
    place_url: str = ""
    near_url: str = ""
    map: MapView | None = None
    photos: tuple[Mapping[str, str], ...] = ()  # uploaded before: id, name, thumb
    min: str | None = None
    max: str | None = None
    stage: str = ""
    phrases: tuple[Any, ...] = ()
    personal: bool = False
    prefix: str = "q"
    autofocus: bool = False
    show_if: str = ""  # "field=value": asked only then
    need_if: str = ""  # "field=value|value": required only then, and marked as soon as it is so

    @property
    def template(self) -> str:
        control = CONTROLS[self.type]
        if control == "choice" and len(self.options) > FEW:
            control = "select"
        return f"ui/parts/controls/{control}.html"

    @property
    def is_group(self) -> bool:
        """Drawn as a fieldset with a legend because it has several controls."""
        return self.template.rsplit("/", 1)[1] in ("choice.html", "many.html", "hands.html", "position.html")

    @property
    def id(self) -> str:
        return f"{self.prefix}-{self.name}"

    @property
    def help_id(self) -> str:
        return f"{self.id}-help"

    @property
    def error_id(self) -> str:
        return f"{self.id}-error"

    @property
    def described_by(self) -> str:
        """Ids for ``aria-describedby``; '' when there is nothing to describe."""
        ids = [self.help_id] if self.help else []
        ids += [self.error_id] if self.errors else []
        return " ".join(ids)

    @property
    def input_type(self) -> str:
        return _INPUT_TYPES.get(self.type, "text")

    @property
    def input_mode(self) -> str:
        return _INPUT_MODES.get(self.type, "")

    @property
    def autocomplete(self) -> str:
        return _AUTOCOMPLETE.get(self.type, "")

    @property
    def text(self) -> str:
        """The value as an input shows it."""
        value = self.value
        if value is None:
            return ""
        if isinstance(value, datetime):
            value = timezone.localtime(value) if timezone.is_aware(value) else value
            return value.strftime("%Y-%m-%dT%H:%M")
        return str(value)

    @property
    def values(self) -> frozenset[str]:
        """The chosen values of a question with several."""
        if self.value is None:
            return frozenset()
        if isinstance(self.value, str) or not isinstance(self.value, Iterable):
            return frozenset({str(self.value)})
        return frozenset(_hand(v) if isinstance(v, Mapping) else str(v) for v in self.value)

    @property
    def lead(self) -> str:
        """The hand in the lead, as its option's value."""
        hands = self.value if isinstance(self.value, list | tuple) else ()
        return next((_hand(h) for h in hands if isinstance(h, Mapping) and h.get("lead")), "")

    @property
    def checked(self) -> bool:
        return self.value in (True, "true", "True", "on", "1", 1)

    @property
    def position(self) -> Mapping[str, Any]:
        """The parts as typed; a stored answer (whole 1e-7 degrees) as it was given."""
        value = self.value if isinstance(self.value, Mapping) else {}
        if "lon_e7" not in value:
            return value
        return {
            "lon": value.get("raw_x") or f"{value['lon_e7'] / 1e7:.6f}",
            "lat": value.get("raw_y") or f"{value['lat_e7'] / 1e7:.6f}",
            "datum": value.get("datum", "wgs84"),
            "accuracy_m": value.get("accuracy_m", ""),
        }

    @property
    def groups(self) -> list[tuple[Any, list[Option]]]:
        """Options by group, in the order given."""
        found: dict[str, tuple[Any, list[Option]]] = {}
        for option in self.options:
            found.setdefault(str(option.group), (option.group, []))[1].append(option)
        return list(found.values())

    @property
    def max_length(self) -> str:
        return self.max if self.max and self.max.isdigit() and self.type in ("text", "long_text") else ""


def _hand(hand: Mapping[str, Any]) -> str:
    """``{user: 12}`` as the value of an option: ``user:12``."""
    kind = "organisation" if hand.get("organisation") is not None else "user"
    return f"{kind}:{hand.get(kind)}"


@dataclass(frozen=True, slots=True)
class FormView:
    """A whole form (`parts/form.html`). ``summary`` is the refusal that stands above it."""

    questions: Sequence[Question]
    url: str
    submit: Any
    cancel_url: str = ""
    summary: Any = ""
    key: str = ""  # idempotency key
    seq: int | None = None  # the case's sequence the form was drawn for
    draft: str = ""  # name under which the browser keeps a draft; '' keeps none
    target: str = ""  # htmx target; '' posts the page
    tone: str = "primary"
    hidden: Mapping[str, str] = field(default_factory=dict)
    many: Sequence[tuple[str, str]] = ()  # hidden values of which a name has several
    confirm: Any = None
    id: str = "answers"

    @property
    def wrong(self) -> list[Question]:
        return [question for question in self.questions if question.errors]

    @property
    def has_files(self) -> bool:
        return any(question.type == "photos" for question in self.questions)


def question(
    asked: FieldLike,
    value: Any = None,
    errors: Iterable[str] = (),
    options: Iterable[Option] | None = None,
    **more: Any,
) -> Question:
    """A `Question` from a procedure's field; ``options`` only for what the field does not list itself."""
    if asked.type not in CONTROLS:
        raise ValueError(f"no control draws a field of type {asked.type!r}")
    choices = (
        tuple(Option(c.code, c.title) for c in getattr(asked, "choices", ())) if options is None else tuple(options)
    )
    default = getattr(asked, "default", None)
    return Question(
        name=asked.name,
        type=asked.type,
        title=asked.title,
        required=bool(getattr(asked, "required", False)),
        help=getattr(asked, "help", None) or "",
        value=default if value is None else value,
        errors=tuple(errors),
        options=choices,
        min=getattr(asked, "min", None),
        max=getattr(asked, "max", None),
        stage=getattr(asked, "stage", ""),
        phrases=tuple(getattr(asked, "phrases", ())),
        personal=bool(getattr(asked, "is_personal", False)),
        **more,
    )
