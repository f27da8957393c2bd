"""A small ground: a city with one county, one unit grid, the carried categories, and people with posts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely
from django.test import Client
from django.utils import timezone

from xiuhua.casework import deliver
from xiuhua.city import memory
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.models import (
    Appointment,
    Category,
    CategoryScheme,
    Component,
    Division,
    Organisation,
    Platform,
    Post,
    UnitGrid,
    User,
)
from xiuhua.ledgers import imports, registry
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.models import Batch

GRID = "421202001002001"
BOX = shapely.box(114.30, 29.82, 114.34, 29.86)
COVER = "42120201001000001"


def component_code(serial: int, scheme: str = "2026") -> str:
    """A good identifier of a manhole cover."""
    return f"42120201001{serial:06d}" if scheme == "2026" else f"4212020101{serial:06d}"


@dataclass
class Ground:
    """The city, its people, and short ways to what tests do."""

    city: Platform
    county: Platform
    unit: Organisation
    county_unit: Organisation
    users: dict[str, User]

    def actor(self, name: str = "admin") -> Actor:
        return actor_for(self.users[name])

    def client(self, name: str = "admin") -> Client:
        client = Client(headers={"accept-language": "en"})
        client.force_login(self.users[name])
        return client

    def ledger(self, code: str) -> Ledger:
        return registry.ledgers()[code]

    def cover(self, serial: int = 1, **more: Any) -> Component:
        values = {
            "code": component_code(serial), "scheme": "2026", "major": "01", "minor": "001", "name": "供水井盖",
            "platform": self.city, "owner": self.unit, "lon_e7": 1_143_200_000, "lat_e7": 298_400_000,
            "grid_code": GRID, **more,
        }  # fmt: skip
        return Component.objects.create(**values)

    def send(self, ledger: str, name: str, content: bytes, who: str = "admin", **options: Any) -> Batch:
        """A file received and checked."""
        batch = imports.receive(self.ledger(ledger), self.actor(who), name, [content], options)
        return self.work(batch)

    def work(self, batch: Batch) -> Batch:
        """The worker has done what was due."""
        while deliver.run_due():
            pass
        return Batch.objects.get(pk=batch.pk)

    def bring(self, ledger: str, name: str, content: bytes, *, only_good: bool = False, **options: Any) -> Batch:
        """A file imported."""
        batch = self.send(ledger, name, content, **options)
        assert imports.go(batch, only_good=only_good), (batch.status, batch.error, batch.counts)
        return self.work(batch)


_PEOPLE = (
    ("admin", "administrator", "city"),
    ("county-admin", "administrator", "county"),
    ("watch", "dispatcher", "city"),
    ("unit", "unit", "city"),
    ("none", "", "city"),
)


@pytest.fixture
def ground(db: Any, settings: Any, tmp_path: Path) -> Ground:
    settings.DATA_DIR = tmp_path
    city = Platform.objects.create(code="421200", name="咸宁市", level="city", adcode="421200")
    county = Platform.objects.create(code="421221", name="嘉鱼县", level="county", adcode="421221", parent=city)
    platforms = {"city": city, "county": county}
    around = shapely.to_wkb(shapely.box(114.2, 29.7, 114.5, 30))
    parent = None
    for code, level, boundary in (
        ("4212", "city", around),
        ("421202", "county", around),
        ("421202001", "township", None),
        ("421202001002", "village", shapely.to_wkb(BOX)),
    ):
        parent = Division.objects.create(code=code, name=f"区{code}", level=level, parent=parent, boundary=boundary)
    UnitGrid.objects.create(
        code=GRID, community=GRID[:12], platform=city, boundary=shapely.to_wkb(BOX), area_m2=10_000,
        valid_from=date(2026, 1, 1),
    )  # fmt: skip
    unit = Organisation.objects.create(code="cg-municipal", name="市政中心", kind="professional", platform=city)
    other = Organisation.objects.create(code="jy-municipal", name="嘉鱼市政", kind="county", platform=county)
    for scheme, minor in (("2026", "001"), ("2013", "01")):
        version = CategoryScheme.objects.create(
            code=scheme, version=1, name=scheme, digest="", imported_at=timezone.now()
        )
        Category.objects.create(
            scheme=version, kind="component", code=f"01{minor}", major_code="01", minor_code=minor, minor_zh="供水井盖"
        )
    users = {}
    for name, role, where in _PEOPLE:
        users[name] = User.objects.create(
            username=name,
            display_name=f"人{name}",
            platform=platforms[where],
            organisation=unit if name == "unit" else None,
        )
        if role:
            post = Post.objects.create(
                code=f"{where}:{role}", name=role, role=role, platform=platforms[where],
                organisation=unit if name == "unit" else None,
            )  # fmt: skip
            Appointment.objects.create(user=users[name], post=post, since=date(2026, 1, 1))
    memory.forget()
    return Ground(city, county, unit, other, users)


@pytest.fixture
def csv_of() -> Callable[..., bytes]:
    """Rows as a CSV file in bytes."""

    def make(header: str, *rows: str, encoding: str = "utf-8") -> bytes:
        return "\n".join((header, *rows, "")).encode(encoding)

    return make
