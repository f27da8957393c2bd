"""Simulated components along the demo's roads, and the places where its stories happen."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import shapely

from xiuhua.city import categories, locator
from xiuhua.city.codes import make_component_code
from xiuhua.city.models import Component, Organisation, Platform
from xiuhua.city.models import Place as Road
from xiuhua.demo.stories import Matter, Place, matters

LOCAL = ZoneInfo("Asia/Shanghai")
OFFSET = 0.00006  # degrees, about 6 m beside the centre line
#: Sides of a road in words.
SIDES = ("东侧", "西侧", "南侧", "北侧")


def _roads(platform: Platform) -> list[tuple[str, shapely.Geometry]]:
    rows = Road.objects.filter(platform=platform, kind="road").order_by("name", "pk")
    return [(row.name, shapely.from_wkb(bytes(row.geometry))) for row in rows]


def _point(roads: list[tuple[str, shapely.Geometry]], rng: random.Random) -> tuple[float, float, str] | None:
    """A point beside a road that lies in a unit grid, and its words."""
    name, line = roads[rng.randrange(len(roads))]
    share = rng.uniform(0.05, 0.95)
    point = shapely.line_interpolate_point(line, share, normalized=True)
    lon = point.x + rng.choice((-OFFSET, OFFSET)) * rng.uniform(0.6, 1.8)
    lat = point.y + rng.choice((-OFFSET, OFFSET)) * rng.uniform(0.6, 1.8)
    if not locator.locate(lon, lat).grid:
        return None
    return lon, lat, f"{name}{int(share * 200) + 1}号{rng.choice(SIDES)}"


def load(city: Platform, count: int, rng: random.Random) -> None:
    """``count`` components of the classes that the stories hit, with owner and maintainer, all simulated."""
    book = categories.catalogue()
    scheme = book.default_scheme()
    classes = [book.category(scheme, "component", m.code) for m in matters().matters if m.kind == "component"]
    kinds = [row for row in classes if row is not None]
    roads = _roads(city)
    units = {o.code: o for o in Organisation.objects.filter(code__in=["cg-municipal", "co-road-a", "cg-greening"])}
    rows: list[Component] = []
    serials: dict[tuple[str, str], int] = {}
    tries = 0
    while len(rows) < count and tries < count * 40:
        tries += 1
        found = _point(roads, rng)
        if found is None:
            continue
        lon, lat, _words = found
        where = locator.locate(lon, lat)
        row = kinds[rng.randrange(len(kinds))]
        key = (where.county, row.code)
        serials[key] = serials.get(key, 0) + 1
        green = row.major_code == "04"
        rows.append(
            Component(
                code=make_component_code(scheme, where.county, row.code, serials[key]),
                scheme=scheme,
                kind="component",
                major=row.major_code,
                minor=row.minor_code,
                name=row.title.zh,
                name_en=row.title.en,
                platform=city,
                owner=units["cg-greening" if green else "cg-municipal"],
                maintainer=units["cg-greening" if green else "co-road-a"],
                competent=units["cg-greening" if green else "cg-municipal"],
                lon_e7=round(lon * 1e7),
                lat_e7=round(lat * 1e7),
                datum="cgcs2000",
                grid_code=where.grid,
                state="intact",
                surveyed_on=date(2026, 3, 1),
                simulated=True,
            )
        )
    Component.objects.bulk_create(rows)


def places(city: Platform, rng: random.Random) -> Callable[[Matter], Place]:
    """A function that finds a place for a matter: at a component of its class, else beside a road."""
    roads = _roads(city)
    by_class: dict[str, list[Component]] = {}
    for component in Component.objects.filter(platform=city).order_by("code"):
        by_class.setdefault(component.major + component.minor, []).append(component)

    def find(matter: Matter) -> Place:
        known = by_class.get(matter.code, []) if matter.kind == "component" else []
        if known:
            component = known[rng.randrange(len(known))]
            lon, lat = component.lon_e7 / 1e7, component.lat_e7 / 1e7
            return Place(lon, lat, _beside(roads, lon, lat), component)
        while True:
            found = _point(roads, rng)
            if found is not None:
                return Place(*found)

    return find


def _beside(roads: list[tuple[str, shapely.Geometry]], lon: float, lat: float) -> str:
    point = shapely.Point(lon, lat)
    name, line = min(roads, key=lambda road: shapely.distance(road[1], point))
    share = shapely.line_locate_point(line, point, normalized=True)
    return f"{name}{int(share * 200) + 1}号旁"


def work_time(at: datetime, least_days: float, rng: random.Random) -> datetime:
    """Move an old report into the day (7:00 to 19:00 in Asia/Shanghai); fresh ones stay when they are."""
    if least_days < 0.5:
        return at
    local = at.astimezone(LOCAL)
    return local.replace(hour=rng.randint(7, 15), minute=rng.randint(0, 59)) - timedelta(seconds=rng.randint(0, 59))
