"""How fast a file of components is imported, against the database's own bulk load. Prints one JSON object.

    bin/xiuhua bench import [--rows 200000] [--postgres]

A temporary database (SQLite; with --postgres a cluster of the bench's own) gets the small city of the tests. A CSV
with identifiers of 17 digits, owners and positions is received, checked (the dry run), imported in one transaction with
history, and verified; progress is read from another thread as the page reads it. The reference, in the same run and
database: the same rows by COPY (PostgreSQL) or executemany (SQLite), with neither checks nor history.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))


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


def write_file(path: Path, rows: int) -> None:
    rng = random.Random(1)  # noqa: S311  a repeatable bench
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["标识码", "部件名称", "部件状态", "权属单位代码", "初始日期", "经度", "纬度"])
        for n in range(rows):
            lon, lat = rng.uniform(114.301, 114.339), rng.uniform(29.821, 29.859)
            code = f"42120201001{n + 2:06d}"  # the small city has the first
            writer.writerow([code, "供水井盖", "完好", "cg-municipal", "2026-05-01", f"{lon:.7f}", f"{lat:.7f}"])


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


def watched(batch: int, work: Callable[[], Any]) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of ``work``, and every state of progress that somebody who looks five times a second has seen."""
    from xiuhua.ledgers import store

    seen: list[dict[str, Any]] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            found = store.progress(batch)
            if found and (not seen or found != seen[-1]):
                seen.append(found)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        took, _none = timed(work)
    finally:
        ended.set()
        thread.join()
    return took, seen


def reference() -> float:
    """Seconds for the rows of the ledger into an empty copy of its table, with the same indexes, by the bulk load."""
    from django.db import connection

    table, copy = "city_component", "bench_component"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)")  # names of ours
        else:
            cursor.execute("SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL", [table])
            for (sql,) in cursor.fetchall():
                cursor.execute(sql.replace(table, copy).replace('INDEX "', 'INDEX "bench_', 1))
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  names of ours
        rows = cursor.fetchall()
        names = ", ".join(f'"{column[0]}"' for column in cursor.description)
        if connection.vendor == "postgresql":

            def load() -> None:
                with cursor.copy(f"COPY {copy} ({names}) FROM STDIN") as out:
                    for row in rows:
                        out.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(rows[0]))

            def load() -> None:
                from django.db import transaction

                with transaction.atomic():
                    cursor.executemany(f"INSERT INTO {copy} ({names}) VALUES ({marks})", rows)  # noqa: S608

        took, _none = timed(load)
        cursor.execute(f"DROP TABLE {copy}")
    return took


def measure(rows: int, folder: Path) -> dict[str, Any]:
    from django.db import connection

    from xiuhua.casework import verify
    from xiuhua.city.access import SYSTEM
    from xiuhua.city.models import Component
    from xiuhua.demo.tests import small_city
    from xiuhua.ledgers import imports, registry, undo
    from xiuhua.ledgers.models import Batch

    small_city.build()
    path = folder / "components.csv"
    write_file(path, rows)

    def receive() -> Batch:
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(1 << 16), b"")
            return imports.receive(registry.ledgers()["components"], SYSTEM, path.name, chunks, {"system": "wgs84"})

    receiving, batch = timed(receive)
    checking, _seen = watched(batch.pk, lambda: imports.check(batch))
    batch.refresh_from_db()
    print(f"checked in {checking:.1f} s", file=sys.stderr)
    assert batch.status == "checked" and batch.counts["new"] == rows, (batch.error, batch.counts)
    assert imports.go(batch, only_good=False)
    batch.refresh_from_db()
    writing, seen = watched(batch.pk, lambda: imports.run(batch))
    batch.refresh_from_db()
    print(f"imported in {writing:.1f} s", file=sys.stderr)
    assert batch.status == "done" and Component.objects.count() == rows + 1, batch.error
    plain = reference()
    verifying, report = timed(verify.verify)
    assert report.ok, report.faults[:3]
    assert undo.ask(batch, SYSTEM)
    batch.refresh_from_db()
    undoing, _seen = watched(batch.pk, lambda: undo.run(batch))
    assert Component.objects.count() == 1
    return {
        "bench": "import",
        "engine": connection.vendor,
        "rows": rows,
        "receive_s": round(receiving, 2),
        "check_s": round(checking, 1),
        "import_s": round(writing, 1),
        "receive_check_import_s": round(receiving + checking + writing, 1),
        "rows_per_s": round(rows / (receiving + checking + writing)),
        "progress_seen": {phase: sum(one["phase"] == phase for one in seen) for phase in ("read", "write")},
        "reference": "COPY" if connection.vendor == "postgresql" else "executemany",
        "reference_s": round(plain, 2),
        "import_over_reference": round(writing / plain, 1),
        "verify_s": round(verifying, 1),
        "undo_s": round(undoing, 1),
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "within_two_minutes": receiving + checking + writing < 120,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    import bench_pg

    with tempfile.TemporaryDirectory() as folder, bench_pg.server() if options.postgres else nullcontext() as url:
        if url:
            os.environ["XIUHUA_DATABASE_URL"] = url
        prepare(folder)
        from django.db import connection

        found = measure(options.rows, Path(folder))
        connection.close()
    print(json.dumps(found, indent=None if options.json else 1, ensure_ascii=False))


if __name__ == "__main__":
    main()
