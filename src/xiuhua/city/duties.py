"""Duties in memory: the units that answer for a class at a place, most specific first, each with its basis.

Whether the owner or the territory goes first is decided where cases are dispatched; this table only ranks.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.utils import timezone

from xiuhua.city import duty_import, memory
from xiuhua.city.duty_import import TABLE_NAME
from xiuhua.city.models import Duty
from xiuhua.city.organisation_import import ProfileError
from xiuhua.manifest import Text


@dataclass(frozen=True, slots=True)
class DutyInfo:
    """One routing row; empty scheme, kind or prefixes match everything. ``valid_until`` is included."""

    id: int
    organisation_id: int
    organisation_code: str
    organisation: Text
    scheme: str
    kind: str
    class_prefix: str
    division_prefix: str
    basis: Text
    priority: int
    valid_from: date
    valid_until: date | None
    sample: bool

    def in_force(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    @property
    def rank(self) -> tuple[int, int, int, int, int]:
        """Sort key: longer class, longer division, named scheme and kind, then priority, then age."""
        named = bool(self.scheme) + bool(self.kind)
        return (-len(self.class_prefix), -len(self.division_prefix), -named, self.priority, self.id)


@dataclass(frozen=True, slots=True)
class DutyTable:
    """Rows by (platform code, scheme, kind, class prefix), so a question looks at few of them."""

    rows: dict[tuple[str, str, str, str], tuple[DutyInfo, ...]]
    platform_codes: dict[int, str]

    def find(self, platform: int | str, scheme: str, kind: str, code: str, division: str, day: date) -> list[DutyInfo]:
        place = self.platform_codes.get(platform, "") if isinstance(platform, int) else platform
        found = [
            row
            for in_scheme in {scheme, ""}
            for of_kind in {kind, ""}
            for length in range(len(code) + 1)
            for row in self.rows.get((place, in_scheme, of_kind, code[:length]), ())
            if division.startswith(row.division_prefix) and row.in_force(day)
        ]
        found.sort(key=lambda row: row.rank)
        return found


def build() -> DutyTable:
    rows: dict[tuple[str, str, str, str], list[DutyInfo]] = {}
    codes: dict[int, str] = {}
    for row in Duty.objects.select_related("platform", "organisation").order_by("pk"):
        codes[row.platform_id] = row.platform.code
        unit = row.organisation
        if not unit.active:
            continue
        info = DutyInfo(
            row.pk,
            unit.pk,
            unit.code,
            Text(unit.name, unit.name_en or unit.name),
            row.scheme,
            row.kind,
            row.class_prefix,
            row.division_prefix,
            Text(row.basis, row.basis_en or row.basis),
            row.priority,
            row.valid_from,
            row.valid_until,
            row.sample,
        )
        rows.setdefault((row.platform.code, row.scheme, row.kind, row.class_prefix), []).append(info)
    return DutyTable({key: tuple(value) for key, value in rows.items()}, codes)


TABLE = memory.Table(TABLE_NAME, build)


def duties_for(
    platform: int | str, scheme: str, kind: str, code: str, division: str = "", day: date | None = None
) -> list[DutyInfo]:
    """Units that answer for a class at a place, most specific first, one row per unit.

    ``platform`` is an id or a code; ``code`` the class ('06010'; '' = class unknown); ``division`` the
    longest known division code of the place ('' = unknown, then rows bound to a division do not apply).
    """
    rows = TABLE.get().find(platform, scheme, kind, code, division, day or timezone.localdate())
    units: dict[int, DutyInfo] = {}
    for row in rows:
        units.setdefault(row.organisation_id, row)
    return list(units.values())


def main(argv: list[str]) -> int:
    """Import a duty profile; exit code 1 and every fault on stderr when it cannot be used."""
    parser = argparse.ArgumentParser(prog="xiuhua duties import", description=main.__doc__)
    parser.add_argument("--file", type=Path, default=duty_import.SAMPLE)
    parser.add_argument("--city", default="", help="code of the city platform")
    options = parser.parse_args(argv)
    try:
        count = duty_import.import_profile(options.file, options.city)
    except ProfileError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} duties stand as in {options.file.name}")
    return 0
