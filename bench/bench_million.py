"""Years of a city in a few minutes: cases of the bench's procedure with their events, chained, for the benches at a million.

Patterns are played by the bulk writer at instants over three years, in their hour, by the people and units of the demo's
city; every pattern is copied to places in its own unit grid, under other words and telephones (`xiuhua.casework.copies`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bench_city
from bench_tables import bare

#: How far the cases of a load have come: most have ended, as in a city that keeps up.
FATES = (("closed", 955), ("handled", 10), ("handling", 25), ("reported", 10))
STOPS_BEFORE = {"reported": "dispatch", "handling": "handle", "handled": "close"}
UNITS = ("municipal", "sanitation", "greening", "enforcement")
COPIES = 250
YEARS = 3
ROADS = "青禾云栖晴川月湖枫林桂香竹影长堤梧桐石桥星河锦绣"
#: One word in a thousand cases, to be searched for.
RARE = ("塌陷", "渗漏", "倾斜", "锈蚀", "冒水", "异响")
TABLES = (
    "casework_case", "casework_event", "casework_payload", "casework_personal", "casework_party", "casework_outbox",
)  # fmt: skip


def fill(cases: int, people: bench_city.People, *, seed: int = 1) -> dict[str, Any]:
    """Write so many cases; gives what was written and how fast. The events are those of whole histories, as played."""
    from django.db import connection

    from xiuhua.casework import copies

    began = time.perf_counter()
    with bare(TABLES) as told:
        loaded = copies.load(_runs(cases, people, random.Random(seed)), beside=connection.vendor == "postgresql")  # noqa: S311
        written = time.perf_counter() - began
    if loaded.refused or loaded.cases != cases:
        raise SystemExit(f"{loaded.cases} of {cases} cases were written; refused: {loaded.refused[:2]}")
    whole = time.perf_counter() - began
    return {
        "cases": loaded.cases,
        "events": loaded.events,
        "write_s": round(written, 1),
        "indexes_s": round(told["rebuild_s"], 1),
        "events_per_s": round(loaded.events / written),
        "events_per_s_with_indexes": round(loaded.events / whole),
    }


def _runs(cases: int, people: bench_city.People, rng: random.Random) -> Iterator[Any]:
    """Patterns with their fillings, in order of time."""
    from xiuhua.city import memory

    memory.forget()
    town = _Town(people, rng)
    count = -(-cases // COPIES)
    for serial, start in enumerate(sorted(town.instant() for _ in range(count))):
        pattern = town.pattern(start)
        yield pattern, town.fillings(pattern, min(COPIES, cases - serial * COPIES))


class _Town:
    """Who reports and handles what, where and when."""

    def __init__(self, people: bench_city.People, rng: random.Random) -> None:
        from xiuhua.city.access import actor_for
        from xiuhua.city.models import Platform, User
        from xiuhua.demo import foundation

        self.people, self.rng = people, rng
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.platform = Platform.objects.get(code=foundation.CITY)
        names = [*(name for found in people.names.values() for name in found), *UNITS]
        users = User.objects.filter(username__in=names).select_related("organisation")
        self.actors = {user.username: actor_for(user) for user in users}
        self.units = {u.username: u.organisation.code for u in users if u.username in UNITS and u.organisation}
        self.matters = bench_city.matters()
        self.places = self._places()

    def _places(self) -> list[tuple[int, int]]:
        """Positions in the built-up area, degrees times 10**7, that lie in a unit grid."""
        from xiuhua.city import locator

        found: list[tuple[int, int]] = []
        while len(found) < 5000:
            tries = [
                (self.rng.randrange(1143070000, 1143330000), self.rng.randrange(298290000, 298510000))
                for _ in range(5000)
            ]
            located = locator.locate_many([x / 1e7 for x, _ in tries], [y / 1e7 for _, y in tries])
            found += [spot for spot, grid in zip(tries, located.grid, strict=True) if grid]
        return found

    def instant(self) -> datetime:
        """In office hours of a weekday (Asia/Shanghai) within the last years, twelve hours ago at the latest."""
        while True:
            day = self.now - timedelta(days=self.rng.randrange(1, 365 * YEARS))
            if day.weekday() < 5:
                return day.replace(hour=0, minute=30, second=0) + timedelta(seconds=self.rng.randrange(8 * 3600))

    def pattern(self, start: datetime) -> Any:
        """A report and how far it came, each step after some minutes."""
        from xiuhua.casework.bulk import History, Step
        from xiuhua.casework.copies import Blank, Pattern, Spot

        rng = self.rng
        matter, unit, spot = rng.choice(self.matters), rng.choice(UNITS), Spot(*rng.choice(self.places))
        fate = "closed"
        if self.now - start < timedelta(days=21):
            fate = rng.choices([name for name, _ in FATES], [share for _, share in FATES])[0]
        blanks = (Blank("description", "〔描述〕"), Blank("address", "〔地点〕"))
        report = bench_city.report(matter, rng, 0) | {
            "description": blanks[0].text,
            "address": blanks[1].text,
            "position": {"lon": f"{spot.lon_e7 / 1e7:.7f}", "lat": f"{spot.lat_e7 / 1e7:.7f}", "datum": "wgs84"},
        }
        names = self.people.names
        steps = [Step("report", self._one(names["cg-centre:hotline"]), report, start)]
        way = {
            "dispatch": (self._one(names["cg-centre:dispatch"]), {"condition": matter.condition, "unit": self.units[unit], "note": "请按时限处置"}),
            "handle": (self.actors[unit], {"result": "已处置完毕，现场恢复正常"}),
            "close": (self._one(names["cg-centre:hotline"]), {"condition_met": True}),
        }  # fmt: skip
        at = start
        for action, (actor, answers) in way.items():
            if action == STOPS_BEFORE.get(fate):
                break
            at += timedelta(minutes=rng.randrange(2, 9))
            steps.append(Step(action, actor, answers, at))
        history = History("bench_loop", self.platform, tuple(steps))
        self.matter = matter
        return Pattern(history, blanks, spot, self.now)

    def _one(self, names: list[str]) -> Any:
        return self.actors[self.rng.choice(names)]

    def fillings(self, pattern: Any, count: int) -> list[Any]:
        """Copies in the pattern's own unit grid, some ten metres apart."""
        from xiuhua.casework.copies import Filling, Spot
        from xiuhua.city import locator

        rng, home = self.rng, pattern.spot
        tries = [
            (home.lon_e7 + rng.randrange(-4000, 4001), home.lat_e7 + rng.randrange(-4000, 4001)) for _ in range(count)
        ]
        located = locator.locate_many([home.lon_e7 / 1e7, *(x / 1e7 for x, _ in tries)], [home.lat_e7 / 1e7, *(y / 1e7 for _, y in tries)])  # fmt: skip
        grounds = list(zip(located.grid, located.responsibility_grid, located.community, strict=True))
        made = []
        for spot, ground in zip(tries, grounds[1:], strict=True):
            road = "".join(rng.sample(ROADS, 2))
            place = f"{road}路{rng.randrange(1, 900)}号"
            text = self.matter.text.format(place=place)
            if rng.random() < 0.006:
                text += "，" + rng.choice(RARE)
            inside = Spot(*spot) if ground == grounds[0] else home
            phone = {"reporter_phone": f"139{rng.randrange(10**8):08d}"}
            made.append(Filling({"description": text, "address": place}, inside, phone))
        return made
