"""The procedures in force: loaded from the rooms' YAML and the city's own files, published as versions, kept in memory.

A case keeps the version it started with (`ProcedureVersion`), so a version in memory never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from django.db import transaction
from django.db.models import Max

from xiuhua import manifest
from xiuhua.casework import moments, projection, registry
from xiuhua.casework.models import ProcedureVersion, RuleVersion
from xiuhua.casework.procedures import Known, Library, Procedure, from_canonical, load, package_sources
from xiuhua.casework.yaml_source import SourceFile, read
from xiuhua.city import memory, roles
from xiuhua.city.models import Platform

TABLE = "procedures"
KIND = "procedure"  # of a `RuleVersion`


def known() -> Known:
    """Names that procedures may use."""
    return Known(
        roles=frozenset(roles.roles()),
        guards=registry.guard_names(),
        effects=registry.effect_names(),
        outbox=registry.outbox_kinds(),
        columns=frozenset(projection.writable_columns()),
    )


def shipped_sources() -> list[SourceFile]:
    """The files of all rooms."""
    return package_sources([package for room in manifest.rooms() for package in room.procedures])


@cache
def shipped_codes() -> frozenset[str]:
    """Codes of the procedures that ship."""
    return frozenset(name for one in shipped_sources() if (name := name_of(one)) and "." not in name)


def name_of(source: SourceFile) -> str | None:
    """What a file makes: ``code``, or ``code.variant`` for an override; None when it does not say."""
    data, _faults = read(source)
    found = data.data if isinstance(data.data, Mapping) else {}
    if "override" in found:
        return f"{found['override']}.{found.get('for')}"
    code = found.get("procedure")
    return code if isinstance(code, str) else None


def own_sources() -> list[SourceFile]:
    """The city's own files in force, by the name of what they make."""
    last = RuleVersion.objects.filter(kind=KIND).order_by().values("name").annotate(last=Max("pk")).values("last")
    rows = RuleVersion.objects.filter(pk__in=last).exclude(text="").order_by("name")
    return [SourceFile(row.name, row.text) for row in rows]


def from_rooms(more: Sequence[SourceFile] = (), without: str = "") -> Library:
    """All procedures of all rooms, of the city's own files and of ``more``, which stand in the place of own files that
    make the same; ``without`` the own file of that name. Raises `ProceduresBroken` with every fault, loads nothing.
    """
    replaced = {without, *map(name_of, more)}
    own = [one for one in own_sources() if one.name not in replaced]
    return load([*shipped_sources(), *own, *more], known())


def publish(library: Library | None = None, rule: RuleVersion | None = None) -> list[ProcedureVersion]:
    """Store each procedure whose text changed as its next version; returns the new ones.

    A procedure or variant that the library lacks is in force no longer. ``rule``: what the city published to cause this.
    """
    library = library or from_rooms()
    made = []
    with transaction.atomic():
        active = {(v.code, v.variant): v for v in ProcedureVersion.objects.filter(active=True)}
        gone = [old.pk for place, old in active.items() if place not in library.procedures]
        ProcedureVersion.objects.filter(pk__in=gone).update(active=False)
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
                    rule=rule,
                )
            )
        if made or gone:
            memory.bump(TABLE)
    return made


def _active() -> dict[tuple[str, str], int]:
    rows = ProcedureVersion.objects.filter(active=True).values_list("code", "variant", "pk")
    return {(code, variant): pk for code, variant, pk in rows}


_table = memory.Table(TABLE, _active, spawn=memory.in_place)


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
