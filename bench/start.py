"""How long a second start takes, and what a server process weighs. Prints one JSON object.

    bin/xiuhua bench start [--database-url URL | --sqlite] [--times 5]

The database is migrated and empty of cases; files are in the cache of the system and compiled modules on the disk, as
after any first start. ``run``: `xiuhua run` until it says that it is ready, and until an own request for the log-in page
is answered. ``server``: the page server alone until that answer. Seconds, the median of several. The reference is
Django with its accounts and nothing of ours, set up by a fresh interpreter: ``ratio`` is how many such starts ours costs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import bench_house
import bench_pg

from xiuhua import serve

REFERENCE = (
    "from django.conf import settings\n"
    "settings.configure(INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth'])\n"
    "import django\n"
    "django.setup()\n"
    "import django.contrib.auth.views\n"
)
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def reference() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", REFERENCE], check=True)
    return time.perf_counter() - began


def run() -> tuple[float, float]:
    """Seconds until `xiuhua run` says that it is ready, and until a page came after that."""
    port, began = bench_pg.free_port(), time.perf_counter()
    command = [sys.executable, "-m", "xiuhua.cli", "run", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    for line in process.stdout:
        if f":{port}/" in line:
            break
    ready = time.perf_counter() - began
    bench_house.wait_for(port, "/login")
    page = time.perf_counter() - began
    end(process)
    return ready, page


def server() -> tuple[float, list[float]]:
    """Seconds until a page server answers, and the resident memory of its processes after that page, MiB."""
    port, began = bench_pg.free_port(), time.perf_counter()
    process = subprocess.Popen(serve.server_command("127.0.0.1", port), text=True, **SILENT)  # type: ignore[call-overload]
    bench_house.wait_for(port, "/login")
    page = time.perf_counter() - began
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    memory = [resident(pid) for pid in pids]
    end(process)
    return page, memory


def resident(pid: str) -> float:
    """MiB."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL; without, one of the bench's own")
    parser.add_argument("--sqlite", action="store_true", help="SQLite in a temporary folder")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as bin/run does
    load_before = os.getloadavg()
    with ExitStack() as stack:
        url = options.database_url
        if not url and not options.sqlite:
            url = stack.enter_context(bench_pg.server())
        engine = stack.enter_context(bench_house.environment(url))
        for what in (reference, run, server):
            what()  # what is not compiled or not in the system's cache yet
        plain = statistics.median(reference() for _ in range(options.times))
        runs = [run() for _ in range(options.times)]
        servers = [server() for _ in range(options.times)]
    pages = [seconds for seconds, _memory in servers]
    result = {
        "bench": "start",
        "engine": engine,
        "times": options.times,
        "run_ready_s": round(statistics.median(ready for ready, _page in runs), 2),
        "run_first_page_s": round(statistics.median(page for _ready, page in runs), 2),
        "server_first_page_s": round(statistics.median(pages), 2),
        "server_first_page_worst_s": round(max(pages), 2),
        "rss_mib_per_process": servers[-1][1],
        "reference": "a fresh interpreter that sets up Django with accounts alone, s",
        "reference_s": round(plain, 2),
        "ratio": round(statistics.median(ready for ready, _page in runs) / plain, 1),
        "load_before": [round(one, 2) for one in load_before],
        "load_after": [round(one, 2) for one in os.getloadavg()],
    }
    print(json.dumps(result, indent=None if options.json else 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
