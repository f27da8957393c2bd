"""How fast vector tiles are served, against plain GeoJSON of the same box. Prints one JSON object.

    bin/xiuhua bench tiles [--cases 100000] [--components 200000] [--tiles 12]

A temporary database (XIUHUA_DATABASE_URL, else SQLite) gets the small city of the tests, then copies of one case and
components strewn over 40 x 40 km with three towns in it. Every figure is a whole request through the middleware, with
session, scope and filters, by a dispatcher. The references: every feature of the box as GeoJSON, made in the same run
by the same process; and the library mapbox-vector-tile for the encoding alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any


def prepare(folder: str) -> None:
    import base64
    import secrets

    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "xiuhua.settings",
        "XIUHUA_DATA_DIR": folder,
        "XIUHUA_SECRET_KEY": secrets.token_urlsafe(48),
        "XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "XIUHUA_STATIC": "plain",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def spots(rng: random.Random) -> tuple[int, int]:
    """A position: nine in ten in a town, one in ten anywhere."""
    if rng.random() < 0.9:
        lon, lat, wide = rng.choice(((114.32, 29.84, 0.05), (114.20, 29.75, 0.03), (114.45, 29.95, 0.02)))
        return round((lon + rng.gauss(0, wide / 2)) * 1e7), round((lat + rng.gauss(0, wide / 2)) * 1e7)
    return round(rng.uniform(114.1, 114.5) * 1e7), round(rng.uniform(29.65, 30.05) * 1e7)


def fill(cases: int, components: int) -> None:
    from xiuhua.casework import engine
    from xiuhua.casework.ids import new_id
    from xiuhua.casework.models import Case
    from xiuhua.city.models import Component, Platform
    from xiuhua.demo import foundation
    from xiuhua.demo.tests import small_city

    small_city.build()
    city = Platform.objects.get(code=foundation.CITY)
    answers = {"source": "patrol", "description": "井盖缺失", "address": "模拟大道1号", "position": small_city.POINT}
    engine.create("city_case", city, foundation.actor("hotline"), {**answers, "source": "citizen"})
    rng = random.Random(1)  # noqa: S311  a repeatable bench
    pattern = Case.objects.get()
    values = {f.attname: getattr(pattern, f.attname) for f in Case._meta.concrete_fields}
    rows = []
    for n in range(cases):
        lon, lat = spots(rng)
        urgency = rng.choice(("ordinary", "ordinary", "ordinary", "urgent", "very_urgent"))
        own = {
            "id": new_id(),
            "number": f"B{n:09d}",
            "lon_e7": lon,
            "lat_e7": lat,
            "urgency": urgency,
            "open": n % 5 == 0,
        }
        rows.append(Case(**{**values, **own}))
        if len(rows) == 2000:
            Case.objects.bulk_create(rows)
            rows = []
    Case.objects.bulk_create(rows)
    parts = []
    for n in range(components):
        lon, lat = spots(rng)
        part = {"code": f"42120202{n:08d}", "scheme": "2013", "major": "02", "minor": "001", "name": "路灯"}
        parts.append(Component(**part, name_en="Street lamp", platform=city, lon_e7=lon, lat_e7=lat))
        if len(parts) == 5000:
            Component.objects.bulk_create(parts)
            parts = []
    Component.objects.bulk_create(parts)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def around(z: int, count: int) -> list[tuple[int, int]]:
    """``count`` tiles of a zoom: those around the middle of the first town, as a screen shows them."""
    import math

    n = 2**z
    x = (114.32 + 180) / 360 * n
    y = (1 - math.asinh(math.tan(math.radians(29.84))) / math.pi) / 2 * n
    near = [(int(x) + dx, int(y) + dy) for dx in range(-3, 4) for dy in range(-3, 4)]
    near.sort(key=lambda at: math.hypot(at[0] + 0.5 - x, at[1] + 0.5 - y))
    return near[:count]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = work()
    return (time.perf_counter() - start) * 1000, answer


def figures(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1),
    }


def geojson(layer: str, box: tuple[int, int, int, int]) -> bytes:
    """The reference: every feature of the box, as `json` writes it, read through the ORM."""
    from xiuhua.casework import moments
    from xiuhua.casework.maps import case_tiles
    from xiuhua.casework.models import Case
    from xiuhua.city.models import Component

    now = moments.now()
    if layer == "cases":
        rows: Any = case_tiles.within(Case.objects.select_related("parent__parent"), box)
        features = [(row.lon, row.lat, case_tiles.properties(row, now)) for row in rows]
    else:
        west, south, east, north = box
        rows = Component.objects.filter(lon_e7__gte=west, lon_e7__lt=east, lat_e7__gte=south, lat_e7__lt=north)
        features = [(row.lon_e7 / 1e7, row.lat_e7 / 1e7, {"code": row.code, "name": row.name}) for row in rows]
    made = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": properties}
        for lon, lat, properties in features
    ]
    return json.dumps({"type": "FeatureCollection", "features": made}, ensure_ascii=False).encode()


def measure(client: Any, layer: str, z: int, count: int) -> dict[str, Any]:
    import mapbox_vector_tile

    from xiuhua.casework.maps.tile_math import Tile

    times, sizes, shown, kept = [], [], 0, []
    for x, y in around(z, count):
        took, answer = timed(lambda x=x, y=y: client.get(f"/tiles/{layer}/{z}/{x}/{y}.mvt"))
        assert answer.status_code == 200, answer.status_code
        times.append(took)
        sizes.append(len(answer.content))
        if answer.content:
            shown += len(mapbox_vector_tile.decode(answer.content)[layer]["features"])
        tag = answer["ETag"]
        took, again = timed(
            lambda x=x, y=y, tag=tag: client.get(f"/tiles/{layer}/{z}/{x}/{y}.mvt", headers={"if-none-match": tag})
        )
        assert again.status_code == 304
        kept.append(took)
    x, y = around(z, 1)[0]
    plain, body = timed(lambda: geojson(layer, Tile(z, x, y).bounds_e7))
    return {
        "zoom": z,
        "tiles": len(times),
        **figures(times),
        "not_modified": figures(kept),
        "features": shown,
        "largest_bytes": max(sizes),
        "reference_geojson_ms": round(plain, 1),
        "reference_geojson_bytes": len(body),
        "times_faster": round(plain / times[0], 1),
        "times_smaller": round(len(body) / max(1, sizes[0]), 1),
    }


def encoding() -> dict[str, Any]:
    """5,000 points by our writer and by the library."""
    import mapbox_vector_tile

    from xiuhua.casework.maps import mvt
    from xiuhua.casework.maps.mvt import Feature

    rng = random.Random(2)  # noqa: S311
    rows = [(rng.randrange(4096), rng.randrange(4096), f"42120202{n:08d}") for n in range(5000)]
    ours, _tile = timed(
        lambda: mvt.encode("l", [Feature("point", [[(x, y)]], {"code": code, "name": "路灯"}) for x, y, code in rows])
    )
    features = [{"geometry": f"POINT({x} {y})", "properties": {"code": code, "name": "路灯"}} for x, y, code in rows]
    library, _tile = timed(lambda: mapbox_vector_tile.encode({"name": "l", "features": features}))
    return {
        "points": 5000,
        "ours_ms": round(ours, 1),
        "library_ms": round(library, 1),
        "ratio": round(library / ours, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--components", type=int, default=200_000)
    parser.add_argument("--tiles", type=int, default=12)
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        from django.db import connection
        from django.test import Client

        from xiuhua.city import component_points
        from xiuhua.city.models import User

        filling, _none = timed(lambda: fill(options.cases, options.components))
        print(f"filled in {filling / 1000:.0f} s", file=sys.stderr)
        client = Client(headers={"host": "localhost"})
        client.force_login(User.objects.get(username="dispatcher"))
        client.get("/cases/")
        reading, _table = timed(component_points.points)
        found = {
            "bench": "tiles",
            "engine": connection.vendor,
            "cases": options.cases,
            "components": options.components,
            "components_read_ms": round(reading),
            "layers": {
                layer: [measure(client, layer, z, options.tiles) for z in zooms]
                for layer, zooms in (("cases", (9, 11, 13, 15, 16)), ("components", (11, 13, 15, 16)))
            },
            "encode": encoding(),
        }
        connection.close()
    print(json.dumps(found, indent=None if options.json else 1, ensure_ascii=False))


if __name__ == "__main__":
    main()
