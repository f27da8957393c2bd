"""Migration lint: a foreign key and a migration point only downward (``python -m xiuhua.floors``).

`import-linter` holds the same for imports; this holds it for what lives in the database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from xiuhua.rooms import FLOORS, floor_of


def upward(own: str, other: str) -> bool:
    """True when room ``own`` may not point at ``other``; what is not a room (Django's own) lies below all."""
    if own == other:
        return False
    try:
        own_floor = floor_of(own)
    except LookupError:
        return False
    try:
        return floor_of(other) >= own_floor
    except LookupError:
        return False


def relation_faults(relations: Iterable[tuple[str, str, str]]) -> list[str]:
    """``(room, field label, room pointed at)`` -> sentences about those that point up or sideways."""
    return [
        f"{label} of {own} points at {other}, which is not on a lower floor"
        for own, label, other in relations
        if upward(own, other)
    ]


def model_relations() -> list[tuple[str, str, str]]:
    from django.apps import apps

    return [
        (model._meta.app_label, field.name and f"{model.__name__}.{field.name}", target._meta.app_label)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and (target := field.related_model) and target != "self"
        if not isinstance(target, str)
    ]


def migration_relations() -> list[tuple[str, str, str]]:
    """Dependencies of migrations, as far as they are files."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, ignore_no_migrations=True)
    return [
        (app, f"migration {name}", needed_app)
        for (app, name), migration in loader.disk_migrations.items()
        for needed_app, _needed in migration.dependencies
        if needed_app != "__setting__"
    ]


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xiuhua.settings")
    django.setup()
    found = relation_faults([*model_relations(), *migration_relations()])
    print("\n".join(found) if found else f"floors: every relation points down ({len(FLOORS)} floors)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
