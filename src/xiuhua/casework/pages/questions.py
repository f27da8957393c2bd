"""Questions of an action's form with what they need on a page: options, look-ups, uploads, a map."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from xiuhua.casework.ids import row_id
from xiuhua.casework.models import Case
from xiuhua.casework.pages import layers, present
from xiuhua.casework.procedures import Action, Field
from xiuhua.city import categories, organisations, platforms
from xiuhua.city.models import User
from xiuhua.ui.forms import Option, Question, question
from xiuhua.ui.parts import Layer, MapView

#: What the room of a procedure adds to a form: (procedure, action) -> function of the case and the answers so far,
#: giving {field: (options or None, preselected value)} and rows that say why.
EXPLAINERS: dict[tuple[str, str], Any] = {}


def explainer(procedure: str, action: str) -> Any:
    """Register ``f(case, answers) -> (dict field -> (options, value), list of Row)`` for one action's form."""

    def decorate(function: Any) -> Any:
        EXPLAINERS[procedure, action] = function
        return function

    return decorate


def form_key(request: HttpRequest) -> str:
    """The idempotency key of a posted form, '' for none or one that is not of our making."""
    key = request.POST.get("key", "")
    return key if re.fullmatch(r"[!-~]{1,64}", key) else ""


def build(
    act: Action,
    case: Case,
    values: Mapping[str, Any],
    errors: Mapping[str, tuple[str, ...]],
    offered: Mapping[str, tuple[list[Option] | None, Any]],
) -> list[Question]:
    """The questions of a form, filled in and marked."""
    found = []
    for number, item in enumerate(act.form):
        options, _preselected = offered.get(item.name, (None, None))
        value = values.get(item.name)
        more = _more(item, case)
        if options is not None:
            more.pop("source", None)  # all there is to choose is on the page
        else:
            options = _options(item, case, value)
        found.append(
            question(item, value, errors.get(item.name, ()), options, autofocus=number == 0 and not errors, **more)
        )
    return found


def _more(item: Field, case: Case) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if item.required_if and len(item.required_if) == 1:
        name, wanted = next(iter(item.required_if.items()))
        first = wanted[0] if isinstance(wanted, list | tuple) else wanted
        if not isinstance(first, bool) and not isinstance(wanted, list | tuple):
            more["show_if"] = f"{name}={first}"
        else:
            values = wanted if isinstance(wanted, list | tuple) else (wanted,)
            more["need_if"] = f"{name}={'|'.join('on' if one is True else str(one) for one in values)}"
    if item.type == "photos":
        more["upload_url"] = reverse("upload")
    elif item.type == "position":
        more["place_url"] = reverse("place")
        more["near_url"] = reverse("nearest-components")
        more["map"] = _map(case)
    elif item.type in ("category", "condition", "organisation", "user", "case", "component"):
        kind = {"user": f"user-{item.role or 'any'}"}.get(item.type, item.type)
        number = f"?case={case.number}" if case.number else ""
        more["source"] = reverse("lookup", args=[kind]) + number
    return more


def _map(case: Case) -> MapView:
    lon, lat = case.lon, case.lat
    centre = (lon, lat) if lon is not None and lat is not None else None
    shown = [
        Layer("counties", reverse("layer", args=["counties"]), _("Counties")),
        Layer("communities", reverse("layer", args=["communities"]), _("Communities")),
        layers.tiled("roads", _("Roads")),
        layers.tiled("components", _("Components")),
    ]
    if centre:
        point = {"type": "Point", "coordinates": list(centre)}
        here = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": point, "properties": {}}]}
        shown.append(Layer("here", "", _("This case"), data=here))
    return MapView(
        shown, centre=centre, bounds=None if centre else layers.built_up(case.platform_id), zoom=16 if centre else 13, size="small",
        title=_("Pick the place"),
    )  # fmt: skip


def _options(item: Field, case: Case, value: Any) -> list[Option] | None:
    """Options that are few, and the chosen one of a long list so that it can be shown."""
    if item.choices:
        return None
    if item.type == "condition":
        return conditions(case)
    if item.type == "organisation":
        tree = organisations.tree()
        return [Option(str(o.id), o.name, o.short_name) for o in tree.of_platform(case.platform_id)]
    if item.type == "platform":
        return [Option(str(p.id), p.name, p.code) for p in platforms.platforms().neighbours(case.platform_id)]
    if item.type in ("user", "hands"):
        return people(case, item.role or "")
    if item.type == "category" and value:
        row = categories.catalogue().by_id.get(row_id(str(value)))
        return [Option(str(row.id), row.title, row.code)] if row else []
    if item.type in ("case", "component") and value:
        return [Option(str(value), str(value))]
    return [] if item.type in ("category", "case", "component") else None


def conditions(case: Case) -> list[Option]:
    """Conditions under which the case's class may be filed, with limit and close condition."""
    row = categories.catalogue().by_id.get(case.category_id or 0)
    if row is None:
        return []
    return [
        Option(
            str(c.id),
            c.text,
            _("%(limit)s %(unit)s · close: %(close)s")
            % {
                "limit": f"{c.limit_value.normalize():f}" if c.limit_value else "",
                "unit": present.unit_words(c.limit_unit, c.limit_value),
                "close": c.close,
            },
            group=row.title,
        )
        for c in row.conditions
        if c.fileable
    ]


def people(case: Case, role: str) -> list[Option]:
    """People who hold a role today on the case's platform, in the case's unit for roles of units."""
    from django.utils import timezone

    from xiuhua.casework.permits import UNIT_ROLES

    today = timezone.localdate()
    found = User.objects.filter(
        is_active=True,
        appointments__since__lte=today,
        appointments__post__platform_id=case.platform_id,
    ).exclude(appointments__until__lt=today)
    if role:
        found = found.filter(appointments__post__role=role)
    if role in UNIT_ROLES and case.responsible_org_id:
        tree = organisations.tree().subtree_ids(case.responsible_org_id)
        found = found.filter(appointments__post__organisation_id__in=tree)
    return [
        Option(str(u.pk), u.display_name, present.unit_name(u.organisation_id))
        for u in found.distinct().order_by("display_name", "pk")[:200]
    ]
