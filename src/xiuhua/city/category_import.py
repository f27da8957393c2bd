"""Brings category schemes into the database, a new version for every changed list.

Rows under which a case may have been filed are never altered or deleted: the old version stays and is marked
superseded. Importing an unchanged list changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from xiuhua.city import category_files, memory
from xiuhua.city.category_files import Scheme
from xiuhua.city.models import Category, CategoryScheme, FileCondition
from xiuhua.city.pinyin import initials

TABLE_NAME = "categories"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did to one scheme."""

    scheme: str
    version: int
    changed: bool
    classes: int
    conditions: int
    fileable: int


def import_folder(folder: Path = category_files.FOLDER) -> list[Imported]:
    """Import every scheme of a folder in one transaction; raises `CategoryFilesError` before any change."""
    schemes = category_files.read(folder)
    with transaction.atomic():
        done = [import_scheme(scheme) for scheme in schemes.values()]
        if any(one.changed for one in done):
            memory.bump(TABLE_NAME)
    return done


def import_scheme(scheme: Scheme) -> Imported:
    """Make the next version of a scheme unless the current one has the same digest."""
    meta = scheme.meta
    current = CategoryScheme.objects.filter(code=meta.code, superseded_at__isnull=True).first()
    counted = sum(len(row.conditions) for row in scheme.classes)
    fileable = sum(not c.gap for row in scheme.classes for c in row.conditions)
    if current is not None and current.digest == scheme.digest:
        return Imported(meta.code, current.version, False, len(scheme.classes), counted, fileable)
    highest = CategoryScheme.objects.filter(code=meta.code).aggregate(top=Max("version"))["top"] or 0
    now = timezone.now()
    CategoryScheme.objects.filter(code=meta.code, superseded_at__isnull=True).update(superseded_at=now)
    row = CategoryScheme.objects.create(
        code=meta.code,
        version=highest + 1,
        name=meta.name.zh,
        name_en=meta.name.en,
        standard=meta.standard,
        valid_from=meta.valid_from,
        sample=meta.sample,
        source=meta.source,
        digest=scheme.digest,
        imported_at=now,
    )
    categories = Category.objects.bulk_create(
        [
            Category(
                scheme=row,
                kind=one.kind,
                code=one.code,
                major_code=one.major,
                major_zh=scheme.major(one.kind, one.major).zh,
                major_en=scheme.major(one.kind, one.major).en,
                minor_code=one.minor,
                minor_zh=one.zh,
                minor_en=one.en,
                legacy_code=one.legacy,
                typical_unit_zh=one.unit_zh,
                typical_unit_en=one.unit_en,
                derived=one.derived,
                confirmed=one.confirmed,
                initials=initials(one.zh)[:60],
                source=one.source,
            )
            for one in scheme.classes
        ]
    )
    FileCondition.objects.bulk_create(
        [
            FileCondition(
                category=category,
                ref=f"{one.kind[0]}{one.code}-{number}",
                zh=condition.zh,
                en=condition.en,
                limit_value=condition.limit,
                limit_unit=condition.unit,
                close_zh=condition.close_zh,
                close_en=condition.close_en,
                sample=meta.sample,
                source=condition.source,
                fileable=not condition.gap,
                gap=condition.gap,
            )
            for category, one in zip(categories, scheme.classes, strict=True)
            for number, condition in enumerate(one.conditions, start=1)
        ]
    )
    return Imported(meta.code, row.version, True, len(categories), counted, fileable)
