"""Guards and effects of the city case, named by its procedures."""

from __future__ import annotations

import copy
from typing import Any

from django.utils.translation import gettext as _

from xiuhua.casework.context import Change, Context
from xiuhua.casework.registry import effect, guard
from xiuhua.city import categories, organisations, platforms

TITLE_LENGTH = 60


@guard("fileable")
def fileable(ctx: Context, value: Any = None) -> str | None:
    """The file condition is complete: Chinese text, limit and unit."""
    found = categories.catalogue().of_condition(int(value)) if value is not None else None
    if found is None:
        return _("Choose the condition under which the case is filed.")
    _category, condition = found
    if not condition.fileable:
        return _("This condition cannot be filed under: it lacks %(gap)s.") % {"gap": condition.gap}
    return None


@guard("not_self")
def not_self(ctx: Context, value: Any = None) -> str | None:
    """The named case is another one."""
    return _("Name another case, not this one.") if str(value) == str(ctx.case.pk) else None


@guard("linked_platform")
def linked_platform(ctx: Context, value: Any = None) -> str | None:
    """The named platform stands directly above or below the case's: city and county, never county and county."""
    known = platforms.platforms()
    if any(row.id == value for row in known.neighbours(ctx.case.platform_id)):
        return None
    if value == ctx.case.platform_id:
        return _("The case is with this platform already.")
    above = next(
        (row for row in known.neighbours(ctx.case.platform_id) if known.supervises(row.id, int(value or 0))), None
    )
    if above is not None:
        return _("A case goes to another county over %(platform)s only.") % {"platform": above.name}
    return _("A case can be handed over to the platform above or below only.")


@guard("has_handler")
def has_handler(ctx: Context, value: Any = True) -> str | None:
    """Somebody is assigned."""
    return _("Nobody is assigned.") if ctx.case.holder_user_id is None else None


@guard("subordinate")
def subordinate(ctx: Context, value: Any = None) -> str | None:
    """The named unit stands below the one that has the case."""
    unit = ctx.case.holder_org_id or ctx.case.responsible_org_id
    if value is None or unit is None:
        return None
    tree = organisations.tree()
    if value != unit and tree.within(int(value), unit):
        return None
    return _("Only a unit below yours can be chosen.")


@guard("ticked")
def ticked(ctx: Context, value: str) -> str | None:
    """A box of the form is ticked."""
    return None if ctx.data.get(value) is True else _("Tick the box first.")


@guard("needs_answer")
def needs_answer(ctx: Context, field: str, when: dict[str, Any]) -> str | None:
    """A question must be answered when columns of the case have given values."""
    for column, wanted in when.items():
        found = getattr(ctx.case, column)
        if found not in (wanted if isinstance(wanted, list) else [wanted]):
            return None
    return None if ctx.data.get(field) else _("A question that this case needs is not answered yet.")


@effect("entitle")
def entitle(ctx: Context, change: Change, value: Any = None) -> None:
    """Name the case by its class and condition, else by the beginning of its description."""
    book = categories.catalogue()
    condition = book.of_condition(change.columns.get("condition_id", ctx.case.condition_id) or 0)
    category = book.by_id.get(change.columns.get("category_id", ctx.case.category_id) or 0)
    if condition is not None:
        row, text = condition
        change.texts["title"] = f"{row.title.zh}：{text.text.zh}"[:TITLE_LENGTH]
    elif category is not None:
        change.texts["title"] = category.title.zh[:TITLE_LENGTH]
    else:
        words = change.texts.get("description", ctx.case.description).split("\n")[0]
        change.texts["title"] = words[:TITLE_LENGTH]


@effect("withdraw")
def withdraw(ctx: Context, change: Change, value: str) -> None:
    """Take back the open tasks of a relation."""
    kept = copy.deepcopy(change.columns.get("children_open", ctx.case.children_open))
    entry = kept.get(value)
    if entry and entry["open"]:
        entry["open"] = entry["lead_open"] = 0
        change.set(children_open=kept)
        change.send("cancel_children", value)
