"""What the ledger of managing components checks: identifier by scheme, class, grid under the point, district.

GB/T 30428.2-2013 has identifiers of 16 digits, GB/T 47678.5-2026 of 17 (`city.codes`). The unit grid, and with it the
platform, is found by the locator; a grid in the file that is not the one under the point is the best sign of a mixed-up
coordinate system, so the row is refused.
"""

from __future__ import annotations

import numpy as np
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone

from xiuhua.city import categories, codes, locator
from xiuhua.city.access import Actor
from xiuhua.city.models import Platform
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.manifest import Text

_SCHEMES = {scheme.length: code for code, scheme in codes.COMPONENT_SCHEMES.items()}


def prepare(work: Work, drafts: list[Draft]) -> None:
    """Check and complete drafts: scheme and class from the identifier, grid and platform from the position."""
    book = categories.catalogue()
    known: dict[tuple[str, str], bool] = {}
    for draft in drafts:
        if draft.row is None:
            _identify(draft, book, known)
    _place(work, [draft for draft in drafts if draft.ok])
    today = timezone.localdate()
    for draft in drafts:
        if draft.row is not None and _touched(draft) and "changed_on" not in draft.values:
            draft.values["changed_on"] = today
        if draft.row is None and work.source and not draft.get("source"):
            draft.values["source"] = work.source


def _identify(draft: Draft, book: categories.Catalogue, known: dict[tuple[str, str], bool]) -> None:
    code = str(draft.values.get("code", ""))
    scheme = _SCHEMES.get(len(code))
    if scheme is None:
        draft.fault(
            "code",
            f"部件标识码应为16位（2013版）或17位（2026版），实有{len(code)}位。",
            f"A component identifier has 16 (2013) or 17 digits (2026); there are {len(code)}.",
        )
        return
    try:
        read = codes.component_code(code, scheme)
    except codes.CodeError as error:
        for fault in error.faults:
            draft.fault("code", fault.message.zh, fault.message.en)
        return
    key = (scheme, read.class_code)
    if key not in known:
        known[key] = book.category(scheme, "component", read.class_code) is not None
    if not known[key]:
        draft.fault(
            "code",
            f"{scheme}版分类中没有部件小类{read.class_code}。",
            f"Scheme {scheme} has no component class {read.class_code}.",
        )
    draft.values.update(scheme=scheme, kind="component", major=read.major, minor=read.minor)


def _touched(draft: Draft) -> bool:
    return any(getattr(draft.row, name) != value for name, value in draft.values.items())


def _place(work: Work, drafts: list[Draft]) -> None:
    """Grid, platform and district of those whose position is new, many at a time."""
    moved = [d for d in drafts if "lon_e7" in d.values and (d.row is None or _is_moved(d))]
    new_places = {id(draft) for draft in moved}
    for draft in drafts:
        if id(draft) not in new_places:
            draft.values.pop("grid_code", None)
    if not moved:
        return
    lons = np.array([draft.values["lon_e7"] for draft in moved]) / 1e7
    lats = np.array([draft.values["lat_e7"] for draft in moved]) / 1e7
    found = locator.locate_many(lons, lats)
    platforms = dict(Platform.objects.values_list("code", "pk"))
    grids, counties, owners = found.grid.tolist(), found.county.tolist(), found.platform.tolist()
    inside = found.inside_city.tolist()
    for place, draft in enumerate(moved):
        if not inside[place]:
            draft.fault(
                "position",
                "位置不在本市范围内，请核对坐标系。",
                "The position is outside the city; look at the coordinate system.",
            )
            continue
        said = str(draft.given.get("grid_code") or "").strip()
        if said and said != grids[place]:
            under = grids[place] or "—"
            draft.fault(
                "grid_code",
                f"所填网格{said}与该点所在网格{under}不符，请核对坐标系。",
                f"Grid {said} is not the one under the point ({under}); look at the coordinate system.",
            )
            continue
        code = str(draft.get("code"))
        if draft.row is None and counties[place] and counties[place] != code[:6]:
            draft.note(
                "code",
                f"标识码属{code[:6]}，该点在{counties[place]}。",
                f"The identifier belongs to {code[:6]}, the point lies in {counties[place]}.",
            )
        draft.values["grid_code"] = grids[place]
        draft.values["platform_id"] = platforms[owners[place]]


def _is_moved(draft: Draft) -> bool:
    row = draft.row
    return (getattr(row, "lon_e7", None), getattr(row, "lat_e7", None)) != (
        draft.values["lon_e7"],
        draft.values["lat_e7"],
    )


def related(row: Model, actor: Actor) -> list[tuple[Text, list[tuple[str, str, str]]]]:
    """What a component is linked with: the one that replaced it, and those it replaced."""
    found = []
    replaced = getattr(row, "replaced_by", None)
    if replaced is not None:
        found.append((Text("被以下部件替换", "Replaced by"), [_link(replaced)]))
    replaces = list(row.replaces.order_by("id")[:20])  # type: ignore[attr-defined]
    if replaces:
        found.append((Text("替换了", "Replaces"), [_link(one) for one in replaces]))
    return found


def _link(row: Model) -> tuple[str, str, str]:
    return str(row), "", reverse("ledger-row", args=["components", row.pk])
