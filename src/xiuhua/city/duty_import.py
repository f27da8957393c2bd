"""Imports a duty profile (YAML) as routing rows: per class from its typical unit, per major, per territory.

A class gets a row of its own only where its unit differs from the unit of its major class. Importing again
updates rows in place and ends (never deletes) rows of sample profiles that the profile no longer has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import yaml
from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xiuhua.city import memory
from xiuhua.city.categories import CategoryInfo, catalogue
from xiuhua.city.category_files import Kind
from xiuhua.city.models import Duty, Organisation, Platform
from xiuhua.city.organisation_import import ProfileError
from xiuhua.city.roles import TextData
from xiuhua.manifest import Text

SAMPLE = Path(__file__).parent / "data" / "duties" / "sample.yaml"
TABLE_NAME = "duties"

Majors = dict[str, str]


class _Basis(BaseModel):
    model_config = ConfigDict(extra="forbid")
    unit: TextData
    major: TextData
    territory: TextData


class _Majors(BaseModel):
    model_config = ConfigDict(extra="forbid")
    component: Majors
    event: dict[str, Majors]

    def unit(self, scheme: str, kind: str, major: str) -> str:
        table = self.component if kind == "component" else self.event.get(scheme, {})
        return table.get(major, "")


class _Territory(BaseModel):
    model_config = ConfigDict(extra="forbid")
    division: str = Field(pattern=r"^[0-9]{2,12}$")
    organisation: str
    place: TextData
    unit: str = ""
    scheme: str = ""
    kind: Kind | None = None
    major: str = Field(default="", pattern=r"^([0-9]{2})?$")


class _Area(BaseModel):
    model_config = ConfigDict(extra="forbid")
    units: dict[str, str]
    majors: _Majors


class _City(_Area):
    territory: list[_Territory] = []


class _Counties(_Area):
    platforms: list[str]


class Profile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    profile: str
    sample: bool
    valid_from: date
    basis: _Basis
    city: _City
    counties: _Counties | None = None


def read(path: Path = SAMPLE) -> Profile:
    """Read a profile; raises `ProfileError` naming the place of every fault."""
    try:
        return Profile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise ProfileError([f"{path.name}: {error}"]) from error
    except ValidationError as error:
        raise ProfileError(
            f"{path.name}: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors(include_url=False)
        ) from error


def import_profile(path: Path = SAMPLE, city: str = "") -> int:
    """Bring the duties into the database in one transaction and return how many stand.

    Needs platforms, organisations and categories; raises `ProfileError` for a code that none of them has.
    """
    profile = read(path)
    platforms = {p.code: p for p in Platform.objects.all()}
    organisations = {o.code: o for o in Organisation.objects.all()}
    cities = [p for p in platforms.values() if p.level == Platform.Level.CITY]
    top = platforms.get(city) if city else (cities[0] if len(cities) == 1 else None)
    if top is None:
        raise ProfileError([f"{path.name}: name the city platform; there are {len(cities)} of level city"])
    classes = catalogue().current()
    if not classes:
        raise ProfileError([f"{path.name}: import the categories first"])
    faults: list[str] = []
    rows: list[Duty] = []

    def organisation(code: str, place: str) -> Organisation | None:
        found = organisations.get(code)
        if found is None:
            faults.append(f"{path.name}: {place}: organisation {code!r} does not exist")
        return found

    def add(drafts: Iterable[tuple[str, str, Duty]]) -> None:
        for code, place, duty in drafts:
            unit = organisation(code, place)
            if unit is not None:
                duty.organisation = unit
                rows.append(duty)

    add(_area(profile, profile.city, top, "", classes, "city", faults, path.name))
    add(_territory(profile, top, classes))
    for code in profile.counties.platforms if profile.counties else ():
        if code not in platforms:
            faults.append(f"{path.name}: counties.platforms: platform {code!r} does not exist")
        elif profile.counties is not None:
            area = _area(profile, profile.counties, platforms[code], f"{code}-", classes, "counties", faults, path.name)
            add(area)
    if faults:
        raise ProfileError(dict.fromkeys(faults))
    with transaction.atomic():
        store(rows, sample=profile.sample)
    return len(rows)


def _area(
    profile: Profile,
    area: _Area,
    platform: Platform,
    prefix: str,
    classes: list[CategoryInfo],
    name: str,
    faults: list[str],
    file: str,
) -> Iterator[tuple[str, str, Duty]]:
    majors: dict[tuple[str, str, str], Text] = {}
    for row in classes:
        majors.setdefault((row.scheme.code, row.kind, row.major_code), row.major)
    for (scheme, kind, major), title in majors.items():
        code = area.majors.unit(scheme, kind, major)
        if not code:
            faults.append(f"{file}: {name}.majors.{kind}: major {major} of scheme {scheme} has no unit")
            continue
        basis = profile.basis.major
        yield (
            prefix + code,
            f"{name}.majors.{kind}.{major}",
            _duty(profile, platform, scheme, kind, major, "", _fill(basis, title, None), 200),
        )
    for row in classes:
        code = area.units.get(row.typical_unit.zh, "")
        if not code or code == area.majors.unit(row.scheme.code, row.kind, row.major_code):
            continue
        text = _fill(profile.basis.unit, row.title, row.typical_unit)
        yield (
            prefix + code,
            f"{name}.units.{row.typical_unit.zh}",
            _duty(profile, platform, row.scheme.code, row.kind, row.code, "", text, 100),
        )


def _territory(profile: Profile, platform: Platform, classes: list[CategoryInfo]) -> Iterator[tuple[str, str, Duty]]:
    for index, rule in enumerate(profile.city.territory):
        words = {"{place}": (rule.place.zh, rule.place.en)}
        text = _replace(profile.basis.territory, words)
        place = f"city.territory.{index}"
        if not rule.unit:
            yield (
                rule.organisation,
                place,
                _duty(
                    profile,
                    platform,
                    rule.scheme,
                    rule.kind or "",
                    rule.major,
                    rule.division,
                    text,
                    150,
                ),
            )
            continue
        for row in classes:
            if row.typical_unit.zh == rule.unit:
                yield (
                    rule.organisation,
                    place,
                    _duty(profile, platform, row.scheme.code, row.kind, row.code, rule.division, text, 100),
                )


def _duty(
    profile: Profile,
    platform: Platform,
    scheme: str,
    kind: str,
    class_prefix: str,
    division: str,
    basis: Text,
    priority: int,
) -> Duty:
    return Duty(
        platform=platform,
        scheme=scheme,
        kind=kind,
        class_prefix=class_prefix,
        division_prefix=division,
        basis=basis.zh[:200],
        basis_en=basis.en[:240],
        priority=priority,
        valid_from=profile.valid_from,
        sample=profile.sample,
    )


def _fill(basis: TextData, title: Text, unit: Text | None) -> Text:
    words = {"{class}": (title.zh.removesuffix("类"), title.en[:1].lower() + title.en[1:])}
    if unit is not None:
        words["{unit}"] = (unit.zh, unit.en)
    return _replace(basis, words)


def _replace(basis: TextData, words: dict[str, tuple[str, str]]) -> Text:
    zh, en = basis.zh, basis.en
    for word, (in_zh, in_en) in words.items():
        zh, en = zh.replace(word, in_zh), en.replace(word, in_en)
    return Text(zh, en)


_KEY = ("platform", "scheme", "kind", "class_prefix", "division_prefix", "organisation", "valid_from")


def store(rows: list[Duty], *, sample: bool) -> None:
    """Write a whole profile: its rows are updated in place, other rows of its kind on its platforms are ended."""
    memory.bump(TABLE_NAME)
    Duty.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=list(_KEY),
        update_fields=["basis", "basis_en", "priority", "valid_until", "sample"],
        batch_size=500,
    )
    kept = {tuple(getattr(row, f"{n}_id" if n in ("platform", "organisation") else n) for n in _KEY) for row in rows}
    fields = [f"{n}_id" if n in ("platform", "organisation") else n for n in _KEY]
    standing = Duty.objects.filter(
        sample=sample, platform__in={row.platform_id for row in rows}, valid_until__isnull=True
    )
    gone = [pk for pk, *key in standing.values_list("pk", *fields) if tuple(key) not in kept]
    Duty.objects.filter(pk__in=gone).update(valid_until=timezone.localdate() - timedelta(days=1))
