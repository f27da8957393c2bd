"""Imports an organisation profile (YAML): units, one set per county, and the posts that units of a kind have.

Importing again updates names and parents by code; nothing is deleted, because cases refer to units and posts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xiuhua.city import memory, roles
from xiuhua.city.models import Organisation, Platform, Post
from xiuhua.city.roles import TextData

SAMPLE = Path(__file__).parent / "data" / "organisations" / "sample.yaml"
TABLE_NAME = "organisations"


class ProfileError(ValueError):
    """The profile cannot be imported; one sentence per fault. Nothing was changed."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class _Unit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")
    kind: Organisation.Kind
    zh: str = Field(min_length=1, max_length=90)
    en: str = Field(min_length=1, max_length=120)
    short: str = Field(default="", max_length=40)
    parent: str = ""
    credit_code: str = Field(default="", pattern=r"^([0-9A-Z]{18})?$")
    assessed: bool = False


class _Counties(BaseModel):
    model_config = ConfigDict(extra="forbid")
    platforms: dict[str, TextData]
    organisations: list[_Unit]


class _PostRule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^[a-z0-9-]{1,12}$")
    role: str
    kinds: list[Organisation.Kind]
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Profile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    profile: str
    simulated: bool
    suffix: TextData | None = None
    organisations: list[_Unit]
    counties: _Counties | None = None
    posts: list[_PostRule] = []


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One unit of the profile, county part spread out; ``platform`` '' = the city's."""

    unit: _Unit
    code: str
    parent: str
    platform: str
    place: str


@dataclass(frozen=True, slots=True)
class Imported:
    organisations: int
    posts: int


def read(path: Path = SAMPLE) -> tuple[Profile, list[UnitRow]]:
    """Read and check a profile; raises `ProfileError` naming the place of every fault."""
    try:
        profile = Profile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise ProfileError([f"{path.name}: {error}"]) from error
    except ValidationError as error:
        raise ProfileError(
            f"{path.name}: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors(include_url=False)
        ) from error
    rows = list(_spread(profile))
    faults = list(_faults(path.name, profile, rows))
    if faults:
        raise ProfileError(faults)
    return profile, rows


def _spread(profile: Profile) -> Iterator[UnitRow]:
    for index, unit in enumerate(profile.organisations):
        yield UnitRow(unit, unit.code, unit.parent, "", f"organisations.{index} ({unit.code})")
    for platform, name in profile.counties.platforms.items() if profile.counties else ():
        for index, unit in enumerate(profile.counties.organisations if profile.counties else ()):
            words = {"{county}": name.zh, "{en}": name.en}
            filled = unit.model_copy(
                update={field: _fill(getattr(unit, field), words) for field in ("zh", "en", "short")}
            )
            parent = f"{platform}-{unit.parent}" if unit.parent else ""
            yield UnitRow(
                filled,
                f"{platform}-{unit.code}",
                parent,
                platform,
                f"counties.organisations.{index} ({unit.code})",
            )


def _fill(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _faults(file: str, profile: Profile, rows: list[UnitRow]) -> Iterator[str]:
    seen: set[str] = set()
    for row in rows:
        if row.code in seen:
            yield f"{file}: {row.place}: code {row.code!r} stands twice"
        if row.parent and row.parent not in seen:
            yield f"{file}: {row.place}: parent {row.parent!r} does not stand above"
        seen.add(row.code)
    for index, rule in enumerate(profile.posts):
        if roles.role(rule.role) is None:
            yield f"{file}: posts.{index} ({rule.code}): unknown role {rule.role!r}"


def import_profile(path: Path = SAMPLE, city: str = "") -> Imported:
    """Bring a profile into the database in one transaction.

    ``city`` is the code of the city platform; when empty, the only platform of level city is taken.
    Raises `ProfileError` also for platforms that do not exist yet (import the ground first).
    """
    profile, rows = read(path)
    platforms = {p.code: p for p in Platform.objects.all()}
    cities = [p for p in platforms.values() if p.level == Platform.Level.CITY]
    top = platforms.get(city) if city else (cities[0] if len(cities) == 1 else None)
    faults = [] if top else [f"{path.name}: name the city platform; there are {len(cities)} of level city"]
    faults += [
        f"{path.name}: counties.platforms: platform {code!r} does not exist"
        for code in sorted({row.platform for row in rows} - {""} - set(platforms))
    ]
    if faults or top is None:
        raise ProfileError(faults)
    suffix_zh, suffix_en = (profile.suffix.zh, profile.suffix.en) if profile.suffix else ("", "")
    with transaction.atomic():
        units: dict[str, Organisation] = {}
        posts = 0
        for row in rows:
            platform = platforms[row.platform] if row.platform else top
            units[row.code], _created = Organisation.objects.update_or_create(
                code=row.code,
                defaults={
                    "name": row.unit.zh + suffix_zh,
                    "name_en": row.unit.en + suffix_en,
                    "short_name": row.unit.short,
                    "kind": row.unit.kind,
                    "parent": units.get(row.parent),
                    "platform": platform,
                    "credit_code": row.unit.credit_code,
                    "assessed": row.unit.assessed,
                    "simulated": profile.simulated,
                },
            )
            posts += _make_posts(profile, row, units[row.code], platform)
        memory.bump(TABLE_NAME)
    return Imported(len(units), posts)


def _make_posts(profile: Profile, row: UnitRow, organisation: Organisation, platform: Platform) -> int:
    label, label_en = row.unit.short or row.unit.zh, row.unit.en
    made = 0
    for rule in profile.posts:
        if row.unit.kind not in rule.kinds:
            continue
        Post.objects.update_or_create(
            code=f"{row.code}:{rule.code}",
            defaults={
                "name": f"{label}{rule.zh}"[:60],
                "name_en": f"{label_en}: {rule.en}"[:80],
                "role": rule.role,
                "platform": platform,
                "organisation": organisation,
            },
        )
        made += 1
    return made
