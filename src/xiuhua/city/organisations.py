"""The organisation tree in memory: names, parents, and everything below a unit in one look-up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xiuhua.city import memory, organisation_import
from xiuhua.city.models import Organisation
from xiuhua.city.organisation_import import TABLE_NAME, ProfileError
from xiuhua.manifest import Text


@dataclass(frozen=True, slots=True)
class OrganisationInfo:
    id: int
    code: str
    name: Text
    short_name: str
    kind: str
    parent_id: int | None
    platform_id: int
    assessed: bool
    simulated: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Tree:
    """All organisations, immutable. Unknown ids give empty answers, never errors."""

    by_id: dict[int, OrganisationInfo]
    by_code: dict[str, OrganisationInfo]
    children: dict[int | None, tuple[int, ...]]

    def subtree_ids(self, organisation_id: int | None) -> frozenset[int]:
        """The unit and all below it."""
        if organisation_id not in self.by_id:
            return frozenset()
        found: set[int] = set()
        waiting = [organisation_id]
        while waiting:
            one = waiting.pop()
            if one is not None and one not in found:
                found.add(one)
                waiting.extend(self.children.get(one, ()))
        return frozenset(found)

    def ancestor_ids(self, organisation_id: int | None) -> tuple[int, ...]:
        """The unit itself, its parent, and so on to the top."""
        found: list[int] = []
        one = organisation_id
        while one is not None and one in self.by_id and one not in found:
            found.append(one)
            one = self.by_id[one].parent_id
        return tuple(found)

    def within(self, organisation_id: int | None, ancestor_id: int | None) -> bool:
        """Whether a unit is the other one or stands below it."""
        return ancestor_id is not None and ancestor_id in self.ancestor_ids(organisation_id)

    def of_platform(self, platform_id: int, kinds: Iterable[str] = ()) -> list[OrganisationInfo]:
        """Active units of a platform in the order of their codes, of some kinds only when given."""
        wanted = set(kinds)
        return [
            one
            for one in self.by_code.values()
            if one.platform_id == platform_id and one.active and (not wanted or one.kind in wanted)
        ]


def build() -> Tree:
    rows = [
        OrganisationInfo(
            row.pk,
            row.code,
            Text(row.name, row.name_en or row.name),
            row.short_name or row.name,
            row.kind,
            row.parent_id,
            row.platform_id,
            row.assessed,
            row.simulated,
            row.active,
        )
        for row in Organisation.objects.order_by("code")
    ]
    children: dict[int | None, list[int]] = {}
    for row in rows:
        children.setdefault(row.parent_id, []).append(row.id)
    return Tree(
        {row.id: row for row in rows},
        {row.code: row for row in rows},
        {parent: tuple(ids) for parent, ids in children.items()},
    )


TABLE = memory.Table(TABLE_NAME, build)


def tree() -> Tree:
    """The organisations as they are now."""
    return TABLE.get()


def main(argv: list[str]) -> int:
    """Import an organisation profile; exit code 1 and every fault on stderr when it cannot be used."""
    parser = argparse.ArgumentParser(prog="xiuhua organisations import", description=main.__doc__)
    parser.add_argument("--file", type=Path, default=organisation_import.SAMPLE)
    parser.add_argument("--city", default="", help="code of the city platform")
    options = parser.parse_args(argv)
    try:
        done = organisation_import.import_profile(options.file, options.city)
    except ProfileError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{done.organisations} organisations and {done.posts} posts stand as in {options.file.name}")
    return 0
