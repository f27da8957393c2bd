"""A full disk and a jumping clock under load: clear answers, nothing lost, recovery without hands. Prints JSON.

    bin/xiuhua bench faults [--sqlite] [--seed 1] [--json]

*Full disk*: the data (and the PostgreSQL cluster) lie on a small file system of memory, which is filled to the last byte while
clients live lives of cases. Programs must be told so with 503 and a time to try again, readiness must say no, and when room is
made again steps must be acknowledged without a hand, with all that was acknowledged before in the log, once. Needs root.

*Clock*: server and worker run under libfaketime; their clock jumps three days ahead, back to three days before and home
again under load. No event may be dated before the one before it, chains verify, effects that are due are done.
``ratio`` is the seconds until the first step after room was made over those of a step before.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import bench_city
import bench_house
import bench_pg
import bench_victims
from drills import Client, Drill, Told

SIZE_MIB = 640
JUMPS = ("+0", "+3d", "-3d", "+0")


@contextmanager
def small_disk(mib: int) -> Iterator[Path]:
    """A file system of memory of so many MiB."""
    if os.geteuid() != 0:
        raise SystemExit("a file system can be mounted by root only")
    folder = Path(tempfile.mkdtemp(prefix="xiuhua-small-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take the last byte; gives the file that does."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    if not file.write(b"\0" * size):
                        break
                except OSError:
                    break
    return ballast


def ready(port: int) -> int:
    """Status of the readiness page; 0 without an answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request("GET", "/readyz")
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        line.close()


@contextmanager
def load(
    stack: ExitStack, database: bench_pg.Cluster | None, seed: int, **more: str
) -> Iterator[tuple[int, Drill, Told]]:
    """A house under load by six clients, in the environment that stands."""
    people, matters, told, port = bench_city.load(), bench_city.matters(), Told(), bench_pg.free_port()
    parts: dict[str, Any] = {"database": database} if database else {}
    parts |= stack.enter_context(bench_victims.family(port, **more))
    drill = Drill(seed, parts, told)
    clients = [Client(port, people, told, seed * 1000 + n, matters) for n in range(6)]
    told.goes_on.set()
    for client in clients:
        client.start()
    drill.grown(60)
    yield port, drill, told
    for client in clients:
        client.over.set()
    bench_victims.wait_until(
        lambda: (bench_victims.mend(list(parts.values())), not any(c.is_alive() for c in clients))[1], "clients", 120
    )


def full_disk(sqlite: bool, seed: int) -> dict[str, Any]:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(SIZE_MIB))
        database = None
        if not sqlite:
            (disk / "pg").mkdir()
            database = stack.enter_context(bench_pg.cluster(disk / "pg", max_wal_size="128MB", shared_buffers="64MB"))
        stack.enter_context(bench_house.environment(database.url if database else "", disk))
        with load(stack, database, seed) as (port, drill, told):
            began = time.monotonic()
            drill.grown(100)
            before = (time.monotonic() - began) / 100
            ballast = fill(disk)
            told.refused.clear()
            statuses: dict[int, int] = {}
            end = time.monotonic() + 15
            while time.monotonic() < end:
                status = ready(port)
                statuses[status] = statuses.get(status, 0) + 1
                bench_victims.mend([drill.parts["server"], drill.parts["worker"]])
                time.sleep(0.25)
            refused = {f"{status}, {kind}, {'with' if again else 'without'} Retry-After": n
                       for (status, again, kind), n in told.refused.items()}  # fmt: skip
            ballast.unlink()
            began = time.monotonic()
            drill.grown(1)
            after = time.monotonic() - began
            drill.grown(60)
        ended = drill.end()
        odd = [words for words in refused if not words.startswith("503") or "without" in words]
        if odd:
            told.fault(f"a full disk was answered otherwise than by 503 with a time: {odd}")
        return {
            "answers": refused,
            "readiness": statuses,
            "first_step_after_room_s": round(after, 2),
            "reference": "seconds a step before",
            "reference_s": round(before, 4),
            "ratio": round(after / before, 1),
            "faults": told.faults[:10],
            **ended,
        }


def jumping_clock(sqlite: bool, seed: int) -> dict[str, Any]:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise SystemExit("libfaketime is not installed (Debian: apt-get install faketime)")
    with ExitStack() as stack:
        database = None if sqlite else stack.enter_context(bench_pg.cluster())
        stack.enter_context(bench_house.environment(database.url if database else ""))
        offset = Path(os.environ["XIUHUA_DATA_DIR"]) / "offset"
        offset.write_text(JUMPS[0])
        fake = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_CACHE_DURATION": "1"}
        with load(stack, database, seed, **fake, FAKETIME_DONT_FAKE_MONOTONIC="1") as (_port, drill, told):
            from xiuhua.casework.models import Event

            seen = {}
            for jump in JUMPS:
                offset.write_text(jump)
                time.sleep(1.5)  # the library looks once a second
                drill.grown(150)
                drill.compare(f"clock {jump}")
                newest = Event.objects.order_by("-id").values_list("at", flat=True)[:50]
                seen[jump if jump not in seen else f"{jump} again"] = max(newest).isoformat(timespec="seconds")
        ended = drill.end()
        last: dict[int, Any] = {}
        backwards = 0
        for case, at in Event.objects.order_by("case_id", "seq").values_list("case_id", "at").iterator():
            backwards += case in last and at <= last[case]
            last[case] = at
        if backwards:
            told.fault(f"{backwards} events are dated before the one before them")
        return {"newest_event_by_jump": seen, "events_backwards": backwards, "faults": told.faults[:10], **ended}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sqlite", action="store_true", help="SQLite, else PostgreSQL of its own")
    parser.add_argument("--only", choices=("disk", "clock"), default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    result: dict[str, Any] = {"bench": "faults", "engine": "sqlite" if options.sqlite else "postgresql"}
    for name, what in (("disk", full_disk), ("clock", jumping_clock)):
        if options.only in ("", name):
            # Each in a process of its own: the environment of a house is that of its process.
            pid_result = _apart(name, options) if not options.only else what(options.sqlite, options.seed)
            result[name] = pid_result
    print(json.dumps(result) if options.json else json.dumps(result, indent=1, ensure_ascii=False))
    return 1 if any(part.get("faults") for part in result.values() if isinstance(part, dict)) else 0


def _apart(name: str, options: argparse.Namespace) -> Any:
    words = [sys.executable, __file__, "--only", name, "--json", "--seed", str(options.seed)]
    done = subprocess.run([*words, *(["--sqlite"] if options.sqlite else [])], stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout)[name]


if __name__ == "__main__":
    sys.exit(main())
