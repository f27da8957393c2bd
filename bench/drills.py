"""kill -9 under load: nothing acknowledged is lost, nothing is applied twice, chains verify. Prints JSON.

    bin/xiuhua bench drills [--rounds 200] [--sqlite] [--clients 6] [--victim NAME]… [--seed 1] [--json]

A house as in service (page server, outbox worker, PostgreSQL or SQLite with synchronous FULL) works under load by clients
that live whole lives of cases over the API. Every round kills one part with SIGKILL, chosen by chance: all of the page
server, one of its processes, the worker, server and worker at once; on PostgreSQL also the whole cluster or one backend. What
a service manager would start again is started again. A client that gets no answer, or a 5xx, asks again under the same
Idempotency-Key until it is answered. After every round the log is compared with what was acknowledged; at the end
`log verify` reads all of it and the outbox has to be empty of what is due. ``ratio`` is acknowledged steps a second, the
reading of the log after each round included, over those of the same load before the first round.
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
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import bench_city
import bench_house
import bench_pg
import bench_victims

#: Acknowledged steps between a recovery and the next kill, all clients together.
STEPS = 12
GIVE_UP = 90.0
SAMPLE = 10


@dataclass
class Told:
    """What the house has acknowledged: case number -> actions, each once; and what went wrong in the eyes of a client."""

    steps: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    acknowledged: int = 0
    asked_again: int = 0
    #: Answers that were no success: (status, whether a time to try again was given, media type) -> how many.
    refused: Counter[tuple[int, bool, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Cleared while the log is read: the next request waits, those under way go on.
    goes_on: threading.Event = field(default_factory=threading.Event)

    def add(self, number: str, action: str) -> None:
        with self.lock:
            self.steps.setdefault(number, []).append(action)
            self.acknowledged += 1

    def fault(self, words: str) -> None:
        with self.lock:
            self.faults.append(words)


class Client(threading.Thread):
    """Lives lives of cases until it is told to stop; finishes the life in hand."""

    def __init__(self, port: int, people: bench_city.People, told: Told, seed: int, matters: list[Any]) -> None:
        super().__init__(daemon=True)
        self.port, self.people, self.told, self.matters = port, people, told, matters
        self.rng, self.over = random.Random(seed), threading.Event()  # noqa: S311

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.life()
            except Exception as error:
                self.told.fault(f"{type(error).__name__}: {error}")
                return

    def life(self) -> None:
        matter = self.rng.choice(self.matters)
        answers = bench_city.report(matter, self.rng, self.rng.randrange(10**6))
        body = {"procedure": "bench_loop", "action": "report", "answers": answers}
        number = str(self.ask("cg-centre:hotline", "/api/v1/cases", body)["number"])
        self.told.add(number, "report")
        for action, post, given in (
            (
                "dispatch",
                "cg-centre:dispatch",
                {"condition": matter.condition, "unit": "cg-municipal", "note": "请速办"},
            ),
            ("handle", "cg-municipal:desk", {"result": "已处置完毕"}),
            ("close", "cg-centre:hotline", {"condition_met": True}),
        ):
            if self.over.is_set():
                return
            self.ask(post, f"/api/v1/cases/{number}/actions/{action}", {"answers": given})
            self.told.add(number, action)

    def ask(self, post: str, path: str, body: Any) -> Any:
        """One step under one key, asked until it is answered."""
        self.told.goes_on.wait()
        key, began, sent = secrets.token_hex(12), time.monotonic(), json.dumps(body).encode()
        token = self.rng.choice(self.people.tokens[post])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": key}
        while True:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                line.request("POST", path, sent, headers)
                answer = line.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                answer = None
            finally:
                line.close()
            if answer is not None and answer.status in (200, 201):
                return json.loads(content)
            if answer is not None and answer.status < 500:
                raise RuntimeError(f"{path}: {answer.status} {content.decode()[:300]}")
            if time.monotonic() - began > GIVE_UP:
                raise TimeoutError(f"{path}: not answered in {GIVE_UP:.0f} s")
            with self.told.lock:
                self.told.asked_again += 1
                if answer is not None:
                    kind = answer.getheader("Content-Type", "").partition(";")[0]
                    self.told.refused[answer.status, answer.getheader("Retry-After") is not None, kind] += 1
            time.sleep(0.05)


class Drill:
    """The house, its load, and what is compared after each round."""

    def __init__(self, seed: int, parts: dict[str, Any], told: Told, chosen: tuple[str, ...] = ()) -> None:
        self.rng, self.parts, self.told = random.Random(seed), parts, told  # noqa: S311
        self.chosen = chosen
        self.checked: set[str] = set()
        self.recovery: list[float] = []
        self.kills: Counter[str] = Counter()

    def victims(self) -> dict[str, Any]:
        server, worker = self.parts["server"], self.parts["worker"]
        found = {
            "server": server.kill,
            "server process": lambda: server.kill_one_child(self.rng),
            "worker": worker.kill,
            "server and worker": lambda: (server.kill(), worker.kill()),
        }
        if database := self.parts.get("database"):
            found |= {"database": database.kill, "backend": lambda: database.kill_one_backend(self.rng)}
        if strange := set(self.chosen) - set(found):
            raise SystemExit(f"no such victim here: {', '.join(sorted(strange))}; there are {', '.join(sorted(found))}")
        return {name: kill for name, kill in found.items() if not self.chosen or name in self.chosen}

    def grown(self, by: int) -> None:
        """Until so many more steps are acknowledged, while what has ended is started again."""
        start = self.told.acknowledged

        def more() -> bool:
            bench_victims.mend(list(self.parts.values()))
            return self.told.acknowledged >= start + by or bool(self.told.faults)

        bench_victims.wait_until(more, "no step is acknowledged any more", GIVE_UP)

    def round(self) -> None:
        name, kill = self.rng.choice(sorted(self.victims().items()))
        time.sleep(self.rng.random() * 0.1)  # not always at the same point of a step
        kill()
        self.kills[name] += 1
        began = time.monotonic()
        self.grown(1)
        self.recovery.append(time.monotonic() - began)
        self.grown(STEPS)
        self.compare(f"round {sum(self.kills.values())} ({name})")

    def compare(self, when: str) -> None:
        """Every acknowledged step stands in the log exactly once, and the chains of those cases verify."""
        from django.db import DatabaseError, connection

        self.told.goes_on.clear()
        for _time in range(200):
            try:
                self._compare(when)
                break
            except DatabaseError:
                connection.close()
                bench_victims.mend(list(self.parts.values()))
                time.sleep(0.05)
        else:
            self.told.fault(f"{when}: the database could not be read")
        self.told.goes_on.set()

    def _compare(self, when: str) -> None:
        from xiuhua.casework import verify
        from xiuhua.casework.models import Case, Event

        with self.told.lock:
            steps = {n: list(found) for n, found in self.told.steps.items() if n not in self.checked}
        ids = dict(Case.objects.filter(number__in=steps).values_list("number", "pk"))
        stand: dict[int, Counter[str]] = {}
        for pk, action in Event.objects.filter(case_id__in=ids.values()).values_list("case_id", "action"):
            stand.setdefault(pk, Counter())[action] += 1
        for number, acknowledged in steps.items():
            events = stand.get(ids.get(number, 0), Counter())
            for action in acknowledged:
                if events[action] != 1:
                    self.told.fault(f"{when}: {number} {action} stands {events[action]} times in the log")
            if any(n > 1 for action, n in events.items() if action in ("report", "dispatch", "handle", "close")):
                self.told.fault(f"{when}: {number} has a step twice: {dict(events)}")
            if "close" in acknowledged:
                self.checked.add(number)
        # The youngest are those that the kill met; at the end all are read.
        for number in sorted(ids, key=ids.__getitem__)[-SAMPLE:]:
            if not verify.verify(case_id=ids[number]).ok:
                self.told.fault(f"{when}: the chain of {number} does not verify")

    def end(self) -> dict[str, Any]:
        """The whole log, and that no effect that is due was left lying or done twice."""
        from xiuhua.casework import verify
        from xiuhua.casework.models import Case, Outbox

        def quiet() -> bool:
            from django.utils import timezone

            bench_victims.mend(list(self.parts.values()))
            return not Outbox.objects.filter(done_at__isnull=True, dead=False, run_at__lte=timezone.now()).exists()

        try:
            # A row whose worker was killed is free when its lease has ended.
            settled = bench_victims.wait_until(quiet, "effects that are due are left lying", 300)
        except TimeoutError as error:
            self.told.fault(str(error))
            settled = -1.0
        self.checked.clear()
        self.compare("at the end")
        report = verify.verify()
        if not report.ok:
            self.told.fault(f"the log does not verify: {report.faults[:3]}")
        effects = Counter(Outbox.objects.filter(kind="notice").values_list("case_id", flat=True))
        whole = Case.objects.filter(procedure_code="bench_loop", state="closed").values_list("pk", flat=True)
        odd = [pk for pk in whole if effects[pk] != 3]
        if odd:
            self.told.fault(f"{len(odd)} closed cases have not their three effects")
        # Every request was asked until it was answered, so a case that nobody was told of came of one asked twice.
        unknown = Case.objects.filter(procedure_code="bench_loop").exclude(number__in=self.told.steps).count()
        if unknown:
            self.told.fault(f"{unknown} cases were made that nobody was told of")
        return {
            "cases": report.cases,
            "events": report.events,
            "log_verifies": report.ok,
            "unacknowledged_cases": unknown,
            "dead_effects": Outbox.objects.filter(dead=True).count(),
            "effects_settled_s": round(settled, 1),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--sqlite", action="store_true", help="SQLite in a temporary folder, else PostgreSQL of its own"
    )
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--victim", action="append", default=[], help="only these are killed; without, all kinds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only the result, as one line")
    options = parser.parse_args()
    with ExitStack() as stack:
        database = None if options.sqlite else stack.enter_context(bench_pg.cluster())
        engine = stack.enter_context(bench_house.environment(database.url if database else ""))
        people, matters, told = bench_city.load(), bench_city.matters(), Told()
        port = bench_pg.free_port()
        parts: dict[str, Any] = {"database": database} if database else {}
        parts |= stack.enter_context(bench_victims.family(port))
        drill = Drill(options.seed, parts, told, tuple(options.victim))
        clients = [Client(port, people, told, options.seed * 1000 + n, matters) for n in range(options.clients)]
        told.goes_on.set()
        for client in clients:
            client.start()
        drill.grown(60)
        began, before = time.monotonic(), told.acknowledged
        drill.grown(300)
        calm = (told.acknowledged - before) / (time.monotonic() - began)
        began, before = time.monotonic(), told.acknowledged
        for _round in range(options.rounds):
            if told.faults:
                break
            drill.round()
            if not options.json:
                print(f"\r{sum(drill.kills.values())}/{options.rounds}", end="", file=sys.stderr, flush=True)
        rate = (told.acknowledged - before) / max(time.monotonic() - began, 0.001)
        for client in clients:
            client.over.set()
        bench_victims.wait_until(
            lambda: (bench_victims.mend(list(parts.values())), not any(c.is_alive() for c in clients))[1],
            "clients",
            120,
        )
        ended = drill.end()
        times = sorted(drill.recovery) or [0.0]
        result = {
            "bench": "drills",
            "engine": engine,
            "seed": options.seed,
            "rounds": sum(drill.kills.values()),
            "kills": dict(sorted(drill.kills.items())),
            "steps_acknowledged": told.acknowledged,
            "asked_again": told.asked_again,
            "faults": told.faults[:10],
            "first_step_after_a_kill_s": {
                f"p{part}": round(times[min(len(times) - 1, len(times) * part // 100)], 2) for part in (50, 95, 100)
            },
            "starts": {name: one.starts for name, one in parts.items() if hasattr(one, "starts")},
            **ended,
            "steps_per_s": round(rate, 1),
            "reference": "steps a second of the same load before the first round",
            "reference_per_s": round(calm, 1),
            "ratio": round(rate / calm, 2),
            "load_after": [round(one, 2) for one in os.getloadavg()],
        }
    print(json.dumps(result) if options.json else json.dumps(result, indent=1, ensure_ascii=False))
    return 1 if told.faults else 0


if __name__ == "__main__":
    sys.exit(main())
