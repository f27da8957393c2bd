"""The desk at a million cases: how long its pages take, and how many statements they need. Prints JSON.

    bin/xiuhua bench desk [--cases 1000000] [--database-url URL | --sqlite] [--times 40] [--json]

The database is filled with three years of a city first (`bench_million`). Every figure is a whole page through the
middleware, with session, scope and filters, asked one after the other by a dispatcher (who sees the whole city) and by the
desk of a unit; what a page asks for later by itself (counts of the lists) is a figure of its own. The reference is the
account page of the same process, which asks nothing of the cases: ``ratio`` is the slowest page over it.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import random
import re
import sys
import time
from contextlib import ExitStack
from typing import Any

import bench_city
import bench_house
import bench_million
import bench_pg

GOAL_MS, GOAL_STATEMENTS = 60, 12


class Desk:
    """One person at a desk, in this process."""

    def __init__(self, username: str) -> None:
        from django.test import Client

        from xiuhua.city.models import User

        self.client = Client(SERVER_NAME="127.0.0.1")  # a name that the server answers to
        self.client.force_login(User.objects.get(username=username))

    def ask(self, path: str) -> tuple[float, int, str]:
        """Seconds, statements, content."""
        from django.db import connection, reset_queries
        from django.test.utils import CaptureQueriesContext

        reset_queries()  # the list of them is not endless
        with CaptureQueriesContext(connection) as seen:
            began = time.perf_counter()
            answer = self.client.get(path)
            took = time.perf_counter() - began
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code}")
        return took, len(seen), answer.content.decode()


def pages(rng: random.Random) -> dict[str, Any]:
    """Name -> a function that gives an address, another at each call."""
    from xiuhua.casework.models import Case, Personal
    from xiuhua.city import crypto

    top = Case.objects.order_by("-id").values_list("id", flat=True).first() or 0
    low = Case.objects.order_by("id").values_list("id", flat=True).first() or 0

    def some() -> Case:
        found = Case.objects.filter(pk__gte=rng.randrange(low, top)).order_by("id").first()
        assert found is not None
        return found

    def phone() -> str:
        row = Personal.objects.filter(case=some(), field="reporter_phone").get()
        return crypto.decrypt(row.cipher, f"case:{row.case_id}:reporter_phone")

    return {
        "list": lambda: "/cases/",
        "list_due": lambda: "/cases/?open=1&sort=due",
        "list_updated": lambda: "/cases/?sort=updated",
        "state": lambda: f"/cases/?state={rng.choice(['reported', 'handling', 'handled', 'closed'])}",
        "category": lambda: f"/cases/?category={some().category_id}",
        "unit": lambda: f"/cases/?unit={some().responsible_org_id}",
        "county": lambda: f"/cases/?county={some().county}",
        "grid": lambda: f"/cases/?grid={some().grid}",
        "text_rare": lambda: f"/cases/?q={rng.choice(bench_million.RARE)}",
        "text_common": lambda: f"/cases/?q={some().description[:3]}",
        "text_address": lambda: f"/cases/?q={some().address}",
        "text_unknown": lambda: f"/cases/?q={rng.choice(['鲸鱼', '火箭发射', '冰川'])}",
        "number": lambda: f"/cases/?q={some().number}",
        "serial": lambda: f"/cases/?q={rng.randrange(1, 300)}",
        "phone": lambda: f"/cases/?q={phone()}",
        "case": lambda: f"/cases/{some().number}/",
        "case_beside": lambda: f"/cases/{some().number}/?pane=1&list=open%3D1",
        "inbox": lambda: "/",
        "counts": lambda: "/cases/lists/",
        "total": lambda: f"/cases/count/?state={rng.choice(['handling', 'handled', 'closed'])}",
        "total_text": lambda: f"/cases/count/?q={some().description[:3]}",
        "overview": lambda: "/overview/",
        "account": lambda: "/account",
    }


def far(desk: Desk, depth: int) -> str:
    """The address of a page so many pages on, by following the link to the next."""
    path = "/cases/"
    for _ in range(depth - 1):
        _took, _count, content = desk.ask(path)
        found = re.search(r'href="(\?[^"]*after=[^"]+)"', content)
        if not found:
            raise SystemExit("there is no next page")
        path = "/cases/" + found.group(1).replace("&amp;", "&")
    return path


def percentile(values: list[float], part: int) -> float:
    """Milliseconds."""
    return round(sorted(values)[min(len(values) - 1, len(values) * part // 100)] * 1000, 1)


def measure(desk: Desk, address: Any, times: int) -> dict[str, Any]:
    took, most = [], 0
    desk.ask(address())
    for _ in range(times):
        seconds, count, _content = desk.ask(address())
        took.append(seconds)
        most = max(most, count)
    return {"p50_ms": percentile(took, 50), "p95_ms": percentile(took, 95), "statements": most}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL; without, one of the bench's own")
    parser.add_argument("--sqlite", action="store_true", help="SQLite in a temporary folder")
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--page", type=int, default=500, help="the page of the list that is asked for by its key")
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with ExitStack() as stack:
        url = options.database_url
        if not url and not options.sqlite:
            url = stack.enter_context(bench_pg.server())
        engine = stack.enter_context(bench_house.environment(url))
        loaded = bench_million.fill(options.cases, bench_city.load())
        result = run(engine, options.times, options.page)
    result |= {"load": loaded, "load_before": [round(one, 2) for one in load_before]}
    print(json.dumps(result) if options.json else json.dumps(result, indent=1, ensure_ascii=False))
    return 0


def run(engine: str, times: int, page: int) -> dict[str, Any]:
    """All figures on the database that stands."""
    logging.disable(logging.WARNING)  # one line for each request is the server's to write
    rng = random.Random(1)  # noqa: S311
    desks = {"dispatcher": Desk("bench-dispatch-1"), "unit": Desk("municipal")}
    figures: dict[str, dict[str, Any]] = {}
    for desk in desks.values():
        desk.ask("/cases/")
    gc.collect()
    gc.freeze()  # as the server does when it has started
    gc.set_threshold(20_000, 20, 20)
    for who, desk in desks.items():
        asked = pages(rng)
        if who == "unit":
            asked = {
                name: asked[name]
                for name in ("list", "list_due", "state", "text_rare", "text_address", "inbox", "counts", "total")
            }
        for name, address in asked.items():
            figures[f"{who}:{name}"] = measure(desk, address, times)
    deep = far(desks["dispatcher"], page)
    figures[f"dispatcher:page_{page}"] = measure(desks["dispatcher"], lambda: deep, times)
    bare = figures.pop("dispatcher:account")
    slowest = max(figures, key=lambda name: float(figures[name]["p95_ms"]))
    return {
        "bench": "desk",
        "engine": engine,
        "pages": figures,
        "slowest": slowest,
        "over_goal": sorted(
            n for n, f in figures.items() if f["p95_ms"] > GOAL_MS or f["statements"] > GOAL_STATEMENTS
        ),
        "reference": "the account page of the same process",
        "reference_p95_ms": bare["p95_ms"],
        "ratio": round(figures[slowest]["p95_ms"] / max(bare["p95_ms"], 0.1), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
