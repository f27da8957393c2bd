"""All ledgers that the manifests name, and what is wrong with their declarations."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Field, Model

from xiuhua import manifest
from xiuhua.city import roles
from xiuhua.ledgers.declare import Ledger


@cache
def ledgers() -> dict[str, Ledger]:
    """Code -> ledger, in the order of rooms and declarations."""
    found: dict[str, Ledger] = {}
    for room in manifest.rooms():
        for target in room.ledgers:
            for one in manifest.load(target):
                if one.code in found:
                    raise ImproperlyConfigured(f"ledger {one.code!r} is declared twice")
                found[one.code] = one
    return found


def model_of(ledger: Ledger) -> type[Model]:
    return apps.get_model(ledger.model)


def check() -> None:
    """Refuse to start with a declaration that does not fit its model."""
    faults = [fault for ledger in ledgers().values() for fault in faults_of(ledger)]
    if faults:
        raise ImproperlyConfigured("; ".join(faults))


def faults_of(ledger: Ledger) -> list[str]:
    """What a declaration gets wrong, as sentences."""
    found: list[str] = []
    try:
        model = model_of(ledger)
    except LookupError:
        return [f"ledger {ledger.code}: there is no model {ledger.model}"]

    def has(path: str) -> bool:
        at = model
        for name in path.split("__"):
            try:
                at = at._meta.get_field(name).related_model or at
            except FieldDoesNotExist:
                return False
        return True

    names = [column.name for column in ledger.columns]
    found += [f"column {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for column in ledger.columns:
        needed = [f"{column.name}_cipher", f"{column.name}_lookup"] if column.personal else [column.name]
        found += [f"{ledger.model} has no field {name!r}" for name in needed if not has(name)]
    found += [f"key {name!r} is no column" for name in ledger.key if name not in names]
    if ledger.label not in names:
        found.append(f"label {ledger.label!r} is no column")
    found += [
        f"permission {permission!r} is not known"
        for permission in (ledger.read, ledger.manage)
        if permission not in roles.permissions()
    ]
    shape = ledger.shape
    wanted = [ledger.scope.platform, ledger.scope.division, *ledger.scope.organisations]
    wanted += [shape.lon, shape.lat, shape.datum, shape.geometry] if shape else []
    wanted += [ledger.retire[0]] if ledger.retire else []
    found += [f"{ledger.model} has no field {name!r}" for name in wanted if name and not has(name)]
    found += [f"sort {sort.code!r} has no index that ends in id" for sort in ledger.sorts if not _served(model, sort)]
    return [f"ledger {ledger.code}: {fault}" for fault in found]


def _served(model: type[Model], sort: object) -> bool:
    """Whether an index serves an order: id itself, a unique column, or an index on the column and then id."""
    column = getattr(sort, "column", "")
    if column == "id":
        return True
    try:
        field = model._meta.get_field(column)
    except FieldDoesNotExist:
        return False
    if isinstance(field, Field) and field.unique:
        return True
    return any(list(index.fields) == [column, "id"] for index in model._meta.indexes)
