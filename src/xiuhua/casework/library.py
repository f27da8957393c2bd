"""The procedures in force: loaded from the rooms' YAML, published as versions, and kept in memory.

A case keeps the version it started with (`ProcedureVersion`), so a version in memory never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from django.db import transaction

from xiuhua import manifest
from xiuhua.casework import moments, projection, registry
from xiuhua.casework.models import ProcedureVersion
from xiuhua.casework.procedures import Known, Library, Procedure, from_canonical, load, package_sources
from xiuhua.casework.yaml_source import SourceFile
from xiuhua.city import memory, roles
from xiuhua.city.models import Platform

TABLE = "procedures"


def known() -> Known:
    """Names that procedures may use."""
    return Known(
        roles=frozenset(roles.roles()),
        guards=registry.guard_names(),
        effects=registry.effect_names(),
        outbox=registry.outbox_kinds(),
        columns=frozenset(projection.writable_columns()),
    )


def from_rooms(more: Sequence[SourceFile] = ()) -> Library:
    """All procedures of all rooms and of ``more`` files; raises `ProceduresBroken` with every fault, loads nothing."""
    packages = [package for room in manifest.rooms() for package in room.procedures]
    return load([*package_sources(packages), *more], known())


def publish(library: Library | None = None) -> list[ProcedureVersion]:
    """Store each procedure whose text changed as its next version; returns the new ones."""
    library = library or from_rooms()
    made = []
    with transaction.atomic():
        active = {(v.code, v.variant): v for v in ProcedureVersion.objects.filter(active=True)}
        for (code, variant), procedure in library.procedures.items():
            old = active.get((code, variant))
            if old and old.digest == procedure.digest:
                continue
            if old:
                ProcedureVersion.objects.filter(pk=old.pk).update(active=False)
            last = ProcedureVersion.objects.filter(code=code, variant=variant).order_by("-version").first()
            made.append(
                ProcedureVersion.objects.create(
                    code=code,
                    variant=variant,
                    version=last.version + 1 if last else 1,
                    digest=procedure.digest,
                    title_zh=procedure.title.zh,
                    title_en=procedure.title.en,
                    text=procedure.text,
                    published_at=moments.now(),
                )
            )
        if made:
            memory.bump(TABLE)
    return made


def _active() -> dict[tuple[str, str], int]:
    rows = ProcedureVersion.objects.filter(active=True).values_list("code", "variant", "pk")
    return {(code, variant): pk for code, variant, pk in rows}


_table = memory.Table(TABLE, _active)


@lru_cache(maxsize=512)
def version(pk: int) -> Procedure:
    """The procedure of a stored version."""
    return from_canonical(ProcedureVersion.objects.values_list("text", flat=True).get(pk=pk))


def current(code: str, platform: Platform) -> tuple[int, Procedure]:
    """The version in force on a platform; the variant of its centre model falls back to the base.

    Raises KeyError for an unknown procedure.
    """
    active = _table.get()
    pk = active.get((code, f"{platform.centre_model}_centre")) or active[code, ""]
    return pk, version(pk)


def active() -> list[int]:
    """Stored versions in force, base versions before variants."""
    return [pk for (_code, _variant), pk in sorted(_table.get().items(), key=lambda item: item[0][1])]
