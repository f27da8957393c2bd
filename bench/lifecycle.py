"""Life-cycles of a case through the engine, a second: report, file, dispatch, sign for, handle, close (six events).

    bin/xiuhua bench lifecycle [--cases 300] [--database-url URL]

Prints JSON for SQLite (synchronous FULL) or the given empty PostgreSQL. ``ratio`` is the time over plain ORM inserts of
the same number of rows, one transaction per event, in the same run: what checking, chaining and projecting cost.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from bench_house import house

STEPS = (
    ("accept", "operator", {"note": "核实无误"}),
    ("dispatch", "dispatcher", {"unit": "roads", "advice": "请速办"}),
    ("receive", "unit", {}),
    ("finish", "unit", {"result": "已修复"}),
    ("close", "dispatcher", {"points": 5}),
)


def life(city: Any) -> None:
    """One case from report to close."""
    from xiuhua.casework import engine

    data = {"description": "井盖缺失", "title": "井盖", "reporter_phone": "13800000001"}
    case = engine.create("repair", city.platform, city.operator, data).case_id
    for action, who, answers in STEPS:
        engine.advance(case, action, city.actors[who], answers)


def plain(rows: list[tuple[Any, list[Any]]], per_transaction: int) -> float:
    """Seconds for inserting as many rows of the same kinds with the ORM, a few per transaction."""
    from django.db import transaction

    from xiuhua.casework.ids import new_id

    flat = [(model, dict(values)) for model, found in rows for values in found]
    began = time.perf_counter()
    for start in range(0, len(flat), per_transaction):
        with transaction.atomic():
            for model, values in flat[start : start + per_transaction]:
                values["id"] = new_id()
                model(**values).save(force_insert=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--database-url", default="", help="an empty database; SQLite in a temporary folder without")
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    with house(options.database_url) as (city, engine):
        from xiuhua.casework import verify
        from xiuhua.casework.models import Event, Outbox, Payload

        life(city)  # fills the tables in memory
        counts = {m: m._default_manager.count() for m in (Event, Payload, Outbox)}
        began = time.perf_counter()
        for _ in range(options.cases):
            life(city)
        seconds = time.perf_counter() - began
        assert verify.verify().ok
        made = {m: m._default_manager.count() - n for m, n in counts.items()}
        # Outbox rows stand for all of them: about the same width, and nothing refuses them.
        sample = list(Outbox.objects.values()[:50])
        for row in sample:
            row.pop("key")
        total = sum(made.values())
        rows = [(Outbox, [{**sample[i % len(sample)], "key": f"bench{i}"} for i in range(total)])]
        orm = plain(rows, max(1, total // (options.cases * 6)))
        result = {
            "bench": "lifecycle",
            "engine": engine,
            "cases": options.cases,
            "lifecycles_per_s": round(options.cases / seconds, 1),
            "events_per_s": round(made[Event] / seconds),
            "rows": total,
            "plain_orm_s": round(orm, 2),
            "ratio": round(seconds / orm, 2),
        }
        print(json.dumps(result, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
