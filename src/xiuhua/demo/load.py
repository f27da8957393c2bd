"""``xiuhua demo load``: the simulated city of 咸宁, its components and 200 cases in all states, made through the engine.

Only the county boundaries are real; grids, communities, roads, components, units and cases are simulated.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection

from xiuhua.casework import deliver, moments
from xiuhua.casework.models import Case, Outbox
from xiuhua.casework.moments import clock_set
from xiuhua.city.models import Platform
from xiuhua.demo import components, foundation, stories
from xiuhua.demo.stories import Cast, Story

SEED = 20261123
COMPONENTS = 300


def main(argv: list[str]) -> int:
    """Load the demo; refuses a database that holds cases."""
    parser = argparse.ArgumentParser(prog="xiuhua demo load", description=__doc__)
    parser.add_argument("--cases", type=int, default=0, help="how many cases (default: the planned 200)")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(argv)
    if Case.objects.exists():
        print("the database holds cases already; nothing was loaded", file=sys.stderr)
        return 1
    with _unhurried_disk():
        load(cases=options.cases, seed=options.seed)
    failed = Outbox.objects.exclude(last_error="").values_list("kind", flat=True)
    if failed:
        print(f"effects failed while loading: {', '.join(sorted(set(failed)))}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _unhurried_disk() -> Iterator[None]:
    """A demo that is lost with the power is loaded again: no need to wait for the disk at every commit."""
    get, put = {
        "sqlite": ("PRAGMA synchronous", "PRAGMA synchronous = {}"),
        "postgresql": ("SHOW synchronous_commit", "SET synchronous_commit = {}"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(get)
        (before,) = cursor.fetchone()
        cursor.execute(put.format("off"))
        try:
            yield
        finally:
            cursor.execute(put.format(before))


def load(*, cases: int = 0, seed: int = SEED, now: datetime | None = None) -> None:
    """Everything: foundation, components, cases."""
    rng = random.Random(seed)  # noqa: S311  a repeatable city
    foundation.load()
    city = Platform.objects.get(code=foundation.CITY)
    components.load(city, COMPONENTS, rng)
    tell(rng, now or moments.now(), cases)


def tell(rng: random.Random, now: datetime, limit: int = 0) -> None:
    """Live through the planned stories, oldest first, so that numbers and times go together."""
    cast = Cast.of_demo()
    places = components.places(cast.city, rng)
    drafts = []
    for _name, count, steps, (least, most) in stories.PLANS:
        for _ in range(count):
            start = components.work_time(now - timedelta(days=rng.uniform(least, most)), least, rng)
            drafts.append((start, rng.random(), steps))
    drafts.sort(key=lambda draft: draft[:2])
    if limit:
        drafts = drafts[-limit:]
    kinds = stories.matters().matters
    for i, (start, _tie, steps) in enumerate(drafts):
        matter = kinds[rng.randrange(len(kinds))]
        place = places(matter)
        story = Story(cast, matter, place, start, now, rng, i)
        for step in steps:
            step(story)
        story.settle(now)
    with clock_set(now):
        while deliver.run_due():
            pass
