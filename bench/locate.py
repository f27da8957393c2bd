"""How fast points are located, against PostGIS and a plain loop over all shapes. Prints one JSON object.

    bin/xiuhua bench locate [--points 1000000] [--postgis 200000] [--loop 300] [--json]

The simulated ground of Xianning is loaded into a temporary database; points are drawn evenly over the built-up
area (four fifths) and the whole city (one fifth). The loop asks every polygon of every layer in the order of
codes, as a first version would. PostGIS has the same layers with indexes, in a cluster of the bench's own, and finds the
same four codes in one statement (`bench_postgis`). The answers of both must equal the locator's. ``ratio`` is points a
second of processor time, the locator's over those of PostGIS; the locator finds the responsibility grid too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from datetime import date
from typing import Any

import bench_postgis
import numpy as np


def prepare(folder: str) -> None:
    """A database of its own, and the ground in it."""
    import base64
    import secrets

    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "xiuhua.settings",
        "XIUHUA_DATA_DIR": folder,
        "XIUHUA_SECRET_KEY": secrets.token_urlsafe(48),
        "XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    os.environ.pop("XIUHUA_DATABASE_URL", None)
    import django

    django.setup()
    from django.core.management import call_command

    from xiuhua.city import division_import, grid_maker

    call_command("migrate", verbosity=0)
    division_import.import_city()
    grid_maker.load(date(2026, 1, 1))


def points(count: int) -> tuple[Any, Any]:
    chance = np.random.default_rng(42)
    town, land = int(count * 0.8), count - int(count * 0.8)
    lons = np.concatenate([chance.uniform(114.307, 114.333, town), chance.uniform(113.5, 115.0, land)])
    lats = np.concatenate([chance.uniform(29.829, 29.851, town), chance.uniform(29.0, 30.3, land)])
    order = chance.permutation(count)
    return lons[order], lats[order]


def loop(ground: Any, lon: float, lat: float) -> tuple[str, str, str, str]:
    """Grid, community, sub-district and county by asking every shape."""
    import shapely

    point = shapely.Point(lon, lat)
    found = []
    for layer in (ground.grids, ground.communities, ground.sub_districts, ground.counties):
        hits = (code for code, shape in zip(layer.codes, layer.shapes, strict=True) if shape.intersects(point))
        found.append(next(hits, ""))
    return found[0], found[1], found[2], found[3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--loop", type=int, default=300, help="points for the plain loop")
    parser.add_argument("--postgis", type=int, default=200_000, help="points for PostGIS")
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        from xiuhua.city import locator

        started = time.perf_counter()
        ground = locator.ground()
        build_s = time.perf_counter() - started
        lons, lats = points(options.points)

        runs = []
        for _time in range(3):
            started, used = time.perf_counter(), time.process_time()
            many = locator.locate_many(lons, lats)
            runs.append((time.process_time() - used, time.perf_counter() - started))
        many_cpu_s, many_s = sorted(runs)[1]

        sample = random.Random(1).sample(range(options.points), min(options.loop, options.points))  # noqa: S311
        started = time.perf_counter()
        singles = [locator.locate(lons[at], lats[at]) for at in sample]
        single_s = (time.perf_counter() - started) / len(sample)

        started = time.perf_counter()
        slow = [loop(ground, lons[at], lats[at]) for at in sample]
        loop_s = (time.perf_counter() - started) / len(sample)

        same = all(
            one == many[at] and (one.grid, one.community, one.sub_district, one.county) == reference
            for at, one, reference in zip(sample, singles, slow, strict=True)
        )
        asked = min(options.postgis, options.points)
        postgis_s, codes, version = bench_postgis.ask(ground, lons[:asked], lats[:asked])
        fields = (many.grid, many.community, many.sub_district, many.county)
        same = same and codes == list(zip(*([str(code) for code in one[:asked]] for one in fields), strict=True))
    rate = options.points / many_cpu_s
    print(
        json.dumps(
            {
                "bench": "locate",
                "points": options.points,
                "unit_grids": len(ground.grids),
                "in_a_grid": round(float((many.grid != "").mean()), 3),
                "build_s": round(build_s, 4),
                "locate_many_s": round(many_s, 3),
                "locate_many_cpu_s": round(many_cpu_s, 3),
                "points_per_s_and_core": round(rate),
                "locate_one_us": round(single_s * 1e6, 1),
                "loop_points_per_s": round(1 / loop_s, 1),
                "times_faster_than_loop": round(options.points / many_s * loop_s, 1),
                "reference": f"PostGIS {version}, points a second of processor time",
                "reference_per_s": round(asked / postgis_s),
                "ratio": round(rate * postgis_s / asked, 1),
                "answers_equal": same,
                "load_before": [round(one, 2) for one in load_before],
            },
            indent=None if options.json else 1,
        )
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
