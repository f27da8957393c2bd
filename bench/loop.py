"""Life-cycles of a case a second over HTTP: create, dispatch, handle, close, one search, by eight clients at once.

    bin/xiuhua bench loop [--database-url URL | --sqlite] [--stored 1000000] [--seconds 30]

Client, server, outbox worker and database share this machine. All rules are on: forms, guards, seats and scopes, the throttle,
two layers of look-up on the ground, three clocks with their timers, personal data sealed, idempotency keys, the chained
log. The database is empty at the start, or holds years of a city (``--stored``, `bench_million`). The reference is a bare
request of the same server (where is this point, which touches no case): ``ratio`` is how many such requests one life-cycle
costs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import secrets
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import bench_city
import bench_house
import bench_million
import bench_pg


@dataclass
class Client:
    """One connection that is kept, and the times of what it asked, in seconds."""

    port: int
    people: bench_city.People
    rng: random.Random
    times: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    connection: http.client.HTTPConnection | None = None

    def ask(self, step: str, post: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.rng.choice(self.people.tokens[post])}"}
        sent = None
        if body is not None:
            sent = json.dumps(body).encode()
            headers |= {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(12)}
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.perf_counter()
        self.connection.request(method, path, sent, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        self.times.setdefault(step, []).append(time.perf_counter() - began)
        if answer.status not in (200, 201):
            self.faults.append(f"{step}: {answer.status} {content.decode()[:300]}")
            raise RuntimeError(self.faults[-1])
        return json.loads(content)

    def create(self, matter: bench_city.Matter, serial: int) -> str:
        answers = bench_city.report(matter, self.rng, serial)
        body = {"procedure": "bench_loop", "action": "report", "answers": answers}
        return str(self.ask("create", "cg-centre:hotline", "POST", "/api/v1/cases", body)["number"])

    def life(self, matter: bench_city.Matter, serial: int) -> None:
        number = self.create(matter, serial)
        for action, post, answers in (
            (
                "dispatch",
                "cg-centre:dispatch",
                {"condition": matter.condition, "unit": "cg-municipal", "note": "请按时限处置"},
            ),
            ("handle", "cg-municipal:desk", {"result": "已处置完毕，现场恢复正常"}),
            ("close", "cg-centre:hotline", {"condition_met": True}),
        ):
            self.ask(action, post, "POST", f"/api/v1/cases/{number}/actions/{action}", {"answers": answers})
        found = self.ask("search", "cg-centre:hotline", "GET", f"/api/v1/cases?q={number}")
        if [row["number"] for row in found["items"]] != [number]:
            raise RuntimeError(f"the search did not find {number}")


def run(clients: list[Client], what: Any, seconds: float) -> tuple[int, float]:
    """How often all clients did ``what`` in so many seconds, and how long it took in truth."""
    end, counts = time.perf_counter() + seconds, [0] * len(clients)

    def work(place: int) -> None:
        while time.perf_counter() < end:
            what(clients[place], place * 10**6 + counts[place])
            counts[place] += 1

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.perf_counter() - began


def percentiles(values: list[float]) -> dict[str, float]:
    """Milliseconds."""
    values = sorted(values)
    return {f"p{p}_ms": round(values[min(len(values) - 1, len(values) * p // 100)] * 1000, 1) for p in (50, 95, 99)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL; without, one of the bench's own")
    parser.add_argument("--sqlite", action="store_true", help="SQLite in a temporary folder")
    parser.add_argument("--stored", type=int, default=0, help="cases, with their events, that are there before")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with ExitStack() as stack:
        url = options.database_url
        if not url and not options.sqlite:
            url = stack.enter_context(bench_pg.server())
        engine = stack.enter_context(bench_house.environment(url))
        people = bench_city.load()
        loaded = bench_million.fill(options.stored, people) if options.stored else {}
        matters = bench_city.matters()
        port = stack.enter_context(bench_house.serving())
        clients = [Client(port, people, random.Random(i)) for i in range(options.concurrency)]  # noqa: S311

        def life(client: Client, serial: int) -> None:
            client.life(client.rng.choice(matters), serial)

        def create(client: Client, serial: int) -> None:
            client.create(client.rng.choice(matters), serial)

        def bare(client: Client, _serial: int) -> None:
            client.ask("bare", "cg-centre:hotline", "GET", "/api/v1/locate?lon=114.32&lat=29.84")

        run(clients, life, 3)  # fills the tables in memory, plans the statements
        for client in clients:
            client.times.clear()
        lives, seconds = run(clients, life, options.seconds)
        creates, create_seconds = run(clients, create, options.seconds / 3)
        bares, bare_seconds = run(clients, bare, options.seconds / 6)
        times: dict[str, list[float]] = {}
        for client in clients:
            for step, found in client.times.items():
                times.setdefault(step, []).extend(found)
        rate, bare_rate = lives / seconds, bares / bare_seconds
        whole = bench_house.verify_tail()
    result = {
        "bench": "loop",
        "engine": engine,
        "cases_before": options.stored,
        "concurrency": options.concurrency,
        "lifecycles_per_s": round(rate, 1),
        "creates_per_s": round(creates / create_seconds, 1),
        "reference": "GET /api/v1/locate on the same server, requests a second",
        "reference_per_s": round(bare_rate, 1),
        "ratio": round(bare_rate / rate, 1),
        "steps": {step: percentiles(found) for step, found in times.items()},
        "faults": sum(len(client.faults) for client in clients),
        "sample_of_chains_verifies": whole,
        **({"load": loaded} if loaded else {}),
        "load_before": [round(one, 2) for one in load_before],
        "load_after": [round(one, 2) for one in os.getloadavg()],
    }
    print(json.dumps(result) if options.json else json.dumps(result, indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
