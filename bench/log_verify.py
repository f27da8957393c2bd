"""How fast `xiuhua log verify` reads a big log: events a second, and the share of plain hashing in it. Prints JSON.

    bin/xiuhua bench log-verify [--cases 500000] [--database-url URL | --sqlite] [--json]

The database is filled with years of a city first (`bench_million`, four events for a case that has ended) and anchored once.
``ratio`` is the time of the verification over the time that plain SHA-256 takes for as many digests of the same length.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from contextlib import ExitStack
from typing import Any

import bench_city
import bench_house
import bench_million
import bench_pg

SAMPLE = 20_000


def hashing(events: int) -> float:
    """Seconds of plain SHA-256 over what the digests of so many events cover, measured on a sample of the log."""
    from xiuhua.casework.models import Event, Payload

    rows = list(Event.objects.order_by("id").values_list("body", flat=True)[:SAMPLE])
    texts = list(Payload.objects.order_by("event_id").values_list("body", flat=True)[:SAMPLE])
    covered = [body.encode() + b"0" * 400 for body in rows] + [(body or "").encode() + b"0" * 33 for body in texts]
    began = time.perf_counter()
    for content in covered:
        hashlib.sha256(content).hexdigest()
    return (time.perf_counter() - began) * events / max(len(rows), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500_000)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL; without, one of the bench's own")
    parser.add_argument("--sqlite", action="store_true", help="SQLite in a temporary folder")
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with ExitStack() as stack:
        url = options.database_url
        if not url and not options.sqlite:
            url = stack.enter_context(bench_pg.server())
        engine = stack.enter_context(bench_house.environment(url))
        loaded = bench_million.fill(options.cases, bench_city.load())
        result = run(engine, loaded)
    result["load_before"] = [round(one, 2) for one in load_before]
    print(json.dumps(result) if options.json else json.dumps(result, indent=1))
    return 0


def run(engine: str, loaded: dict[str, Any]) -> dict[str, Any]:
    from xiuhua.casework import anchors, verify

    anchors.take()
    report = verify.verify()
    if not report.ok or report.events != loaded["events"]:
        raise SystemExit(f"the log does not verify: {report.faults[:3]}")
    plain = hashing(report.events)
    return {
        "bench": "log-verify",
        "engine": engine,
        "events": report.events,
        "cases": report.cases,
        "verify_s": round(report.seconds, 1),
        "verify_events_per_s": round(report.events / report.seconds),
        "reference": "SHA-256 of the same content alone, s",
        "reference_s": round(plain, 1),
        "ratio": round(report.seconds / plain, 1),
        "load": loaded,
    }


if __name__ == "__main__":
    sys.exit(main())
