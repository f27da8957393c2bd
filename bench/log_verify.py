"""How fast `xiuhua log verify` reads a big log: events a second, and the share of plain hashing in it.

    bin/xiuhua bench log-verify [--events 2000000] [--database-url URL]

Plays one history through the bulk writer's functions, multiplies it with fresh identifiers, salts and digests, loads
it with one anchor per 100,000 events, verifies, and prints JSON. ``ratio`` is the time of the verification over the
time that plain SHA-256 takes for the same bytes. The database is made anew and removed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from bench_house import house


def rows_of_one_history(city: Any) -> dict[str, dict[Any, dict[str, Any]]]:
    """Events and payloads of a case, its columns as they are at the end."""
    from xiuhua.casework import bulk
    from xiuhua.casework.tests import test_bulk

    family = bulk._Family()
    way = [0, 2, 3, 11, 12, 13, 12, 14, 15, 2, 3, 12, 14]
    family.play(bulk.History("repair", city.platform, test_bulk.steps_of(city, way, [600], "ordinary")), "0")
    return family.rows


def copies(rows: dict[str, Any], events: int) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Batches of the history under other identifiers, chained and salted anew."""
    from xiuhua.casework import chain
    from xiuhua.casework.ids import new_id
    from xiuhua.casework.moments import to_us

    template = sorted(rows["events"].values(), key=lambda e: e["seq"])
    payloads, last = rows["payloads"], next(iter(rows["cases"].values()))
    made, serial = 0, 0
    keys = ("version", "algorithm", "seq", "action", "actor", "from_state", "to_state", "batch", "body")
    while made < events:
        batch: dict[str, list[dict[str, Any]]] = {"cases": [], "events": [], "payloads": []}
        while len(batch["events"]) < 20_000 and made < events:
            case, prev, serial = new_id(), "", serial + 1
            for old in template:
                one = {**old, "id": new_id(), "case_id": case, "prev_digest": prev}
                if payload := payloads.get(old["id"]):
                    salt = chain.new_salt()
                    one["payload_digest"] = chain.payload_digest(one["algorithm"], salt, payload["body"])
                    batch["payloads"].append({**payload, "event_id": one["id"], "case_id": case, "salt": salt})
                prev = one["digest"] = chain.event_digest(
                    id=one["id"], case=case, at_us=to_us(one["at"]), payload_digest=one["payload_digest"],
                    prev_digest=one["prev_digest"], **{k: one[k] for k in keys},
                )  # fmt: skip
                batch["events"].append(one)
            made += len(template)
            batch["cases"].append({**last, "id": case, "number": f"bench{serial:09d}", "head_digest": prev})
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--database-url", default="", help="an empty database; SQLite in a temporary folder without")
    options = parser.parse_args()
    with house(options.database_url) as (city, engine):
        from django.db import transaction

        from xiuhua.casework import anchors, verify
        from xiuhua.casework.models import Case, Event, Payload

        rows = rows_of_one_history(city)
        began, count, size = time.perf_counter(), 0, 0
        contents: list[bytes] = []
        for batch in copies(rows, options.events):
            with transaction.atomic():
                seen = ("seen",)
                Case.objects.bulk_create(
                    (Case(**{k: v for k, v in row.items() if k not in seen}) for row in batch["cases"]), batch_size=500
                )
                Event.objects.bulk_create((Event(**row) for row in batch["events"]), batch_size=2000)
                Payload.objects.bulk_create((Payload(**row) for row in batch["payloads"]), batch_size=2000)
            count += len(batch["events"])
            if count % 100_000 < 20_000:
                anchors.take()
            size += sum(len(row["body"]) + 400 for row in batch["events"])
            size += sum(len(row["body"].encode()) + 33 for row in batch["payloads"])
            if not contents:
                contents = [(row["body"] + "0" * 400).encode() for row in batch["events"]]
                contents += [(row["body"] + "0" * 33).encode() for row in batch["payloads"]]
        loaded = time.perf_counter() - began
        anchors.take()

        report = verify.verify()
        assert report.ok and report.events == count, report.faults[:3]
        began, hashed = time.perf_counter(), 0
        while hashed < size:
            for content in contents:
                hashlib.sha256(content).hexdigest()
            hashed += sum(map(len, contents))
        plain = (time.perf_counter() - began) * size / hashed
        result = {
            "bench": "log_verify",
            "engine": engine,
            "events": count,
            "cases": report.cases,
            "anchors": report.anchors,
            "load_events_per_s": round(count / loaded),
            "verify_s": round(report.seconds, 1),
            "verify_events_per_s": round(count / report.seconds),
            "plain_sha256_s": round(plain, 1),
            "ratio": round(report.seconds / plain, 1),
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
