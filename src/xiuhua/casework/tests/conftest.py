"""A small city for the tests of the engine: one platform, two units, people in their posts, a clock to move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from django.core.cache import cache as cache_of_pages

from xiuhua.casework import deliver, engine, library, moments
from xiuhua.casework.models import Case
from xiuhua.casework.procedures import Library, load, package_sources
from xiuhua.casework.tests.api_client import ALL_SCOPES, Api, Caller
from xiuhua.city import memory, tokens
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.models import Appointment, Organisation, Platform, Post, User

#: Wednesday 2026-03-04 10:00 in Asia/Shanghai, inside office hours.
START = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)


class TestClock:
    """The engine's clock; it moves only when told, and a microsecond at each look."""

    __test__ = False

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at

    def forward(self, **by: float) -> datetime:
        """``forward(minutes=5)``"""
        self.at += timedelta(**by)
        return self.at


@pytest.fixture
def clock() -> Iterator[TestClock]:
    source = TestClock()
    with moments.clock_set(source):
        yield source


@pytest.fixture(autouse=True)
def _fresh_memory() -> Iterator[None]:
    """Rows of one test must not serve the next from memory."""
    forget()
    yield
    forget()


def forget() -> None:
    memory.forget()
    library.version.cache_clear()


@dataclass
class City:
    """People by what they do; `case()` and `act()` are the engine with the usual arguments."""

    platform: Platform
    roads: Organisation
    parks: Organisation
    actors: dict[str, Actor] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Actor:
        try:
            return self.actors[name]
        except KeyError:
            raise AttributeError(name) from None

    def case(self, **data: Any) -> Case:
        """A reported case."""
        key = data.pop("key", None)
        answers = {"description": "井盖缺失", **data}
        found = engine.create("repair", self.platform, self.operator, answers, key=key)
        return Case.objects.get(pk=found.case_id)

    def act(self, case: Case, action: str, actor: Actor | None = None, **data: Any) -> Case:
        """One action by whoever usually takes it; returns the case as it is then."""
        engine.advance(case.pk, action, actor or self.actors[USUAL[action]], data)
        return Case.objects.get(pk=case.pk)

    def handled(self, **data: Any) -> Case:
        """A case in the hands of the roads unit."""
        case = self.act(self.case(**data), "accept")
        case = self.act(case, "dispatch", unit=self.roads.code)
        return self.act(case, "receive")

    def run(self, rounds: int = 20) -> int:
        """Deliver what is due until nothing is."""
        done = 0
        for _round in range(rounds):
            taken = deliver.run_due()
            done += taken
            if not taken:
                break
        return done


USUAL = {
    "accept": "operator", "discard": "operator", "dispatch": "dispatcher", "receive": "unit", "give_back": "unit",
    "look": "unit", "report_seen": "collector", "ask_vote": "unit", "extend": "dispatcher", "finish": "unit",
    "redo": "dispatcher", "close": "dispatcher", "reopen": "dispatcher",
}  # fmt: skip

POSTS = {
    "operator": ("intake_operator", None),
    "dispatcher": ("dispatcher", None),
    "unit": ("unit", "roads"),
    "park_unit": ("unit", "parks"),
    "collector": ("collector", None),
    "leader": ("leader", None),
    "chief": ("duty_chief", None),
    "administrator": ("administrator", None),
    "auditor": ("auditor", None),
}


@cache
def _procedures() -> Library:
    return load(package_sources(["xiuhua.casework.tests.procedures"]), library.known())


def build_city() -> City:
    """Make the rows; for tests and benches."""
    platform = Platform.objects.create(code="421200", name="测试市", name_en="Test city", level="city", adcode="421200")
    units = {
        code: Organisation.objects.create(code=code, name=code, kind="department", platform=platform)
        for code in ("roads", "parks")
    }
    city = City(platform, units["roads"], units["parks"])
    for name, (role, unit) in POSTS.items():
        organisation = units.get(unit or "")
        user = User.objects.create(username=name, display_name=name, platform=platform, organisation=organisation)
        post = Post.objects.create(code=name, name=name, role=role, platform=platform, organisation=organisation)
        Appointment.objects.create(user=user, post=post, since=date(2020, 1, 1))
        city.actors[name] = actor_for(user)
    library.publish(_procedures())
    forget()
    return city


@pytest.fixture
def city(transactional_db: None, clock: TestClock) -> City:
    """The city on a database without an outer transaction: the engine opens the outermost itself."""
    return build_city()


@pytest.fixture
def make_case(city: City) -> Callable[..., Case]:
    return city.case


@pytest.fixture
def caller(city: City) -> Caller:
    """``caller("operator")`` -> a program of that person."""
    cache_of_pages.clear()

    def make(name: str, *scopes: str, language: str = "en") -> Api:
        user = User.objects.get(username=name)
        _row, raw = tokens.issue(user, city.actors[name], "test", scopes or ALL_SCOPES, 30, check=False)
        return Api(raw, language)

    return make
