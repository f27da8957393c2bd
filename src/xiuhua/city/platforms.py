"""The platforms in memory: who stands above whom, without a query. The city supervises its counties."""

from __future__ import annotations

from dataclasses import dataclass, field

from xiuhua.city.memory import Table
from xiuhua.city.models import Platform
from xiuhua.manifest import Text

TABLE_NAME = "platforms"


@dataclass(frozen=True, slots=True)
class PlatformInfo:
    id: int
    code: str
    name: Text
    parent_id: int | None


@dataclass(frozen=True, slots=True)
class Platforms:
    """All platforms, immutable. Unknown ids give empty answers, never errors."""

    by_id: dict[int, PlatformInfo]
    by_code: dict[str, PlatformInfo]
    #: The rows themselves, for reading only: all threads share them.
    rows: dict[str, Platform] = field(default_factory=dict)

    def row(self, *, code: str = "", pk: int | None = None) -> Platform | None:
        """The row of a platform by its code, or by its key; None for an unknown one."""
        if not code:
            info = self.by_id.get(pk or 0)
            code = info.code if info is not None else ""
        return self.rows.get(code)

    def supervises(self, above: int, below: int) -> bool:
        """Whether a platform stands above another one, at any distance; none supervises itself."""
        seen: set[int] = set()
        row = self.by_id.get(below)
        while row is not None and row.parent_id is not None and row.id not in seen:
            if row.parent_id == above:
                return True
            seen.add(row.id)
            row = self.by_id.get(row.parent_id)
        return False

    def reach(self, platform_id: int) -> frozenset[int]:
        """A platform and all that it supervises."""
        return frozenset({platform_id, *(pk for pk in self.by_id if self.supervises(platform_id, pk))})

    def neighbours(self, platform_id: int) -> tuple[PlatformInfo, ...]:
        """The platform above and those directly below, in the order of their codes: where a case may be handed over."""
        own = self.by_id.get(platform_id)
        return tuple(
            row
            for row in self.by_id.values()
            if own is not None and (row.id == own.parent_id or row.parent_id == own.id) and row.id != own.id
        )

    def name(self, platform_id: int | None) -> str:
        row = self.by_id.get(platform_id or 0)
        return str(row.name) if row is not None else ""


def _build() -> Platforms:
    found = list(Platform.objects.order_by("code"))
    rows = [PlatformInfo(row.pk, row.code, Text(row.name, row.name_en or row.name), row.parent_id) for row in found]
    return Platforms({row.id: row for row in rows}, {row.code: row for row in rows}, {row.code: row for row in found})


TABLE = Table(TABLE_NAME, _build)


def platforms() -> Platforms:
    """The platforms as they are now."""
    return TABLE.get()
