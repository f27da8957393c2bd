"""The simulated city of the demo for the benches: ground, units, categories, duties, procedures, and many people with tokens.

Many, because one token may ask 1200 times a minute: a bench that went round the throttle would not measure the house.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Post -> how many people hold it in a bench.
POSTS = {"cg-centre:hotline": 24, "cg-centre:dispatch": 16, "cg-municipal:desk": 16}
SCOPES = ("case.report", "case.read", "case.act", "case.search_phone", "ground.read")


@dataclass(frozen=True)
class People:
    """User names and tokens by post, in one order."""

    names: dict[str, list[str]]
    tokens: dict[str, list[str]]


def load() -> People:
    """Everything but cases, into an empty migrated database."""
    from xiuhua.casework import library
    from xiuhua.casework.procedures import SourceFile, load, package_sources
    from xiuhua.city import memory, tokens
    from xiuhua.city.models import User
    from xiuhua.demo import foundation
    from xiuhua.demo.foundation import Person

    foundation.load()
    own = [
        SourceFile(path.name, path.read_text("utf-8"))
        for path in sorted((Path(__file__).parent / "procedures").glob("*.yaml"))
    ]
    library.publish(load([*package_sources(["xiuhua.command.procedures"]), *own], library.known()))
    names = {post: [f"bench-{post.split(':')[1]}-{i}" for i in range(count)] for post, count in POSTS.items()}
    wanted = [Person(username=name, zh=name, post=post) for post, found in names.items() for name in found]
    foundation.accounts(wanted, None)
    memory.forget()
    given: dict[str, list[str]] = {}
    for post, found in names.items():
        users = {user.username: user for user in User.objects.filter(username__in=found)}
        actors = [foundation.actor(name) for name in found]
        scopes = [s for s in SCOPES if actors[0].has(s)]
        given[post] = [
            tokens.issue(users[name], actor, "bench", scopes, 7, check=False)[1]
            for name, actor in zip(found, actors, strict=True)
        ]
    return People(names, given)


@dataclass(frozen=True)
class Matter:
    """A class with a file condition, and words for it."""

    category: int
    condition: int
    text: str


def matters() -> list[Matter]:
    """What is reported in the benches: the demo's kinds of trouble."""
    from xiuhua.city import categories
    from xiuhua.demo import stories

    book, found = categories.catalogue(), []
    for one in stories.matters().matters:
        row = book.category(book.default_scheme(), one.kind, one.code)
        conditions = [c for c in row.conditions if c.fileable] if row else []
        if row and conditions:
            found.append(Matter(row.id, conditions[min(one.condition, len(conditions) - 1)].id, one.text))
    return found


def report(matter: Matter, rng: random.Random, serial: int) -> dict[str, Any]:
    """Answers of a report somewhere in the built-up area."""
    place = f"青禾路{rng.randrange(1, 900)}号"
    return {
        "source": "hotline_12319",
        "category": matter.category,
        "description": f"{matter.text.format(place=place)}（{serial}）",
        "address": place,
        "position": {
            "lon": f"{rng.uniform(114.307, 114.333):.7f}",
            "lat": f"{rng.uniform(29.829, 29.851):.7f}",
            "datum": "wgs84",
        },
        "urgency": rng.choice(["ordinary", "ordinary", "ordinary", "urgent"]),
        "reporter_name": "来电人",
        "reporter_phone": f"139{rng.randrange(10**8):08d}",
    }
