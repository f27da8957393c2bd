"""Simulated cases: each is lived through the engine by the demo's people, so that its chain verifies like any other.

A `Story` walks one case along a plan (a list of steps) with the clock set to the simulated time; timers that fall
due on the way are delivered at their time. Nothing here writes a case by another door.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from importlib import resources
from typing import Any

import yaml
from django.db.models import Q
from pydantic import BaseModel, ConfigDict

from xiuhua.casework import deliver, files
from xiuhua.casework.engine import advance, create
from xiuhua.casework.models import Case, Outbox
from xiuhua.casework.moments import clock_set
from xiuhua.city import categories
from xiuhua.city.access import Actor
from xiuhua.city.models import Component, Platform
from xiuhua.demo import foundation, photos


class Matter(BaseModel):
    """What is wrong somewhere, in words before and after the work."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    code: str
    condition: int
    text: str
    after: str
    scene: str


class Matters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    matters: list[Matter]
    names: list[str]


@cache
def matters() -> Matters:
    text = (resources.files("xiuhua.demo") / "data" / "matters.yaml").read_text("utf-8")
    return Matters.model_validate(yaml.safe_load(text))


@dataclass(frozen=True)
class Place:
    """Where a story happens: degrees CGCS2000, words, and the component if one is hit."""

    lon: float
    lat: float
    words: str
    component: Component | None = None


@dataclass
class Story:
    """One case and the simulated time at which it stands."""

    cast: Cast
    matter: Matter
    place: Place
    at: datetime
    end: datetime
    rng: random.Random
    variant: int
    number: str = ""
    unit: str = ""

    # -- time and the engine -------------------------------------------------------------------------------

    @property
    def case(self) -> Case:
        return Case.objects.get(number=self.number)

    def wait(self, low: float, high: float) -> None:
        """Let between ``low`` and ``high`` minutes pass, at most to the story's end; deliver what falls due."""
        until = min(self.end, self.at + timedelta(minutes=self.rng.uniform(low, high)))
        self.settle(until)
        self.at = until

    def settle(self, until: datetime) -> None:
        if not self.number:
            return
        here = Q(case__number=self.number) | Q(case__number__startswith=f"{self.number}-")
        due = Outbox.objects.filter(here, done_at__isnull=True, dead=False, run_at__lte=until)
        while rows := list(due.order_by("run_at", "id")):
            for row in rows:
                with clock_set(max(row.run_at, self.at)):
                    deliver.deliver(row)

    def do(self, action: str, who: str, on: Case | None = None, **answers: Any) -> None:
        with clock_set(self.at):
            advance(on or self.case, action, self.cast[who], answers, door="demo")

    def child(self, relation: str) -> Case:
        return Case.objects.filter(parent__number=self.number, relation=relation, open=True).order_by("-id")[0]

    def photo(self, who: str, mended: bool, more: int = 0) -> list[str]:
        with clock_set(self.at):
            data = photos.picture(self.matter.scene, mended, (self.variant + more) % 6)
            return [files.upload(self.cast[who], iter([data]), "photo.jpg").sha256]

    def position(self, jitter: float = 0.00004) -> dict[str, Any]:
        return {
            "lon": f"{self.place.lon + self.rng.uniform(-jitter, jitter):.7f}",
            "lat": f"{self.place.lat + self.rng.uniform(-jitter, jitter):.7f}",
            "datum": "wgs84",
            "accuracy_m": self.rng.choice([3, 5, 8, 12]),
        }

    @cached_property
    def class_(self) -> categories.CategoryInfo:
        book = categories.catalogue()
        found = book.category(book.default_scheme(), self.matter.kind, self.matter.code)
        if found is None:
            raise LookupError(f"no class {self.matter.kind} {self.matter.code}")
        return found

    # -- steps ---------------------------------------------------------------------------------------------

    def report(self) -> None:
        answers: dict[str, Any] = {
            "category": self.class_.id,
            "description": self.matter.text.format(place=self.place.words),
            "address": self.place.words,
            "position": self.position(),
        }
        if self.place.component is not None:
            answers["component"] = self.place.component.code
        citizen = self.rng.random() < 0.55
        who = "hotline" if citizen else "collector"
        if citizen:
            answers |= {
                "source": self.rng.choice(["hotline_12319", "hotline_12319", "citizen", "transfer_12345"]),
                "reporter_name": self.rng.choice(matters().names),
                "reporter_phone": f"1390000{self.rng.randint(0, 9999):04d}",
            }
        else:
            answers["photos"] = self.photo("collector", mended=False)
        with clock_set(self.at):
            done = create(
                "city_case",
                self.cast.city,
                self.cast[who],
                answers,
                action="report" if citizen else "patrol_report",
                door="demo",
            )
        self.number = done.number

    def verify(self) -> None:
        self.do("send_verification", "hotline", collector=self.cast[self.collector].user_id, note="请核实现场情况")
        self.wait(6, 22)
        self.do(
            "confirm_real",
            self.collector,
            on=self.child("verification"),
            photos=self.photo(self.collector, mended=False),
            position=self.position(),
        )
        self.wait(1, 4)

    @cached_property
    def collector(self) -> str:
        return self.rng.choice(["collector2", "collector3"])

    def file(self) -> None:
        conditions = [c for c in self.class_.conditions if c.fileable]
        chosen = conditions[min(self.matter.condition, len(conditions) - 1)]
        self.do("file", "hotline", condition=chosen.id)
        self.wait(2, 9)

    def dispatch(self) -> None:
        from xiuhua.command import routing

        proposals = routing.propose(self.case)
        known = [p for p in proposals if p.organisation_id in self.cast.desks]
        unit = known[0].organisation_id if known else self.cast.fallback
        self.unit = self.cast.desks[unit]
        self.do("dispatch", "dispatcher", unit=unit, note="请按时限处置并反馈")
        self.wait(8, 35)

    def sign(self) -> None:
        self.do("sign", self.unit)
        self.wait(15, 70)

    def submit(self) -> None:
        self.do("submit_result", self.unit, photos=self.photo(self.unit, mended=True), result=self.matter.after)
        self.wait(4, 15)

    def confirm(self) -> None:
        self.do("confirm_result", self.unit)
        self.wait(3, 15)

    def send_check(self) -> None:
        self.do("send_check", "hotline", collector=self.cast[self.collector].user_id)
        self.wait(8, 25)

    def answer_check(self, passed: bool) -> None:
        self.do(
            "pass" if passed else "fail",
            self.collector,
            on=self.child("check"),
            photos=self.photo(self.collector, mended=passed, more=1),
            position=self.position(),
            remark="现场已恢复" if passed else "现场仍有残留，未处置到位",
        )
        self.wait(3, 14)

    def close(self) -> None:
        answers: dict[str, Any] = {"condition_met": True}
        if self.case.source in ("hotline_12319", "transfer_12345", "citizen"):
            answers["callback"] = self.rng.choice(["satisfied", "satisfied", "fair"])
        self.do("close", "hotline", **answers)


@dataclass
class Cast:
    """Who acts in the stories, and which units have a desk of their own in the demo."""

    city: Platform
    people: dict[str, Actor] = field(default_factory=dict)
    desks: dict[int, str] = field(default_factory=dict)
    fallback: int = 0

    def __getitem__(self, username: str) -> Actor:
        if username not in self.people:
            self.people[username] = foundation.actor(username)
        return self.people[username]

    @classmethod
    def of_demo(cls) -> Cast:
        """1. the city; 2. every account with a unit post; 3. the municipal team for what nobody else has."""
        cast = cls(Platform.objects.get(code=foundation.CITY))
        for person in foundation.people():
            actor = cast[person.username]
            for seat in actor.seats_for("unit"):
                if seat.organisation_id is not None:
                    cast.desks.setdefault(seat.organisation_id, person.username)
        cast.fallback = next(pk for pk, name in cast.desks.items() if name == "municipal")
        return cast


Step = Callable[[Story], None]

_TO_FILE: list[Step] = [Story.report, lambda s: s.wait(2, 8), Story.verify]
_TO_DISPATCH: list[Step] = [*_TO_FILE, Story.file]
_TO_RECEIVE: list[Step] = [*_TO_DISPATCH, Story.dispatch]
_HANDLING: list[Step] = [*_TO_RECEIVE, Story.sign]
_HANDLED: list[Step] = [*_HANDLING, Story.submit]
_TO_CHECK: list[Step] = [*_HANDLED, Story.confirm]
_CHECKING: list[Step] = [*_TO_CHECK, Story.send_check]
_TO_CLOSE: list[Step] = [*_CHECKING, lambda s: s.answer_check(True)]
_CLOSED: list[Step] = [*_TO_CLOSE, Story.close]
_REWORK: list[Step] = [*_CHECKING, lambda s: s.answer_check(False)]


def _verifying(story: Story) -> None:
    collector = story.rng.choice(["collector", "collector2"])
    story.do("send_verification", "hotline", collector=story.cast[collector].user_id)


def _void(story: Story) -> None:
    story.do("void", "hotline", reason="below_condition", reporter_told=True)


def _return(story: Story) -> None:
    story.do("return_not_ours", story.unit, reason="not_ours", explanation="经现场查看，该设施不属我单位管养。")
    story.wait(5, 20)


def _redispatch(story: Story) -> None:
    others = [pk for pk, name in story.cast.desks.items() if name != story.unit]
    unit = story.rng.choice(others)
    story.unit = story.cast.desks[unit]
    story.do("redispatch", "dispatcher", unit=unit)
    story.wait(10, 30)


def _dispute(story: Story) -> None:
    story.do("declare_dispute", "dispatcher", reason="两家单位均认为不属其管养范围，请协调。")


def _hold(story: Story) -> None:
    planned = (story.at + timedelta(days=40)).date().isoformat()
    story.do("ask_hold", story.unit, ground="engineering", reason="需纳入道路改造工程一并实施。", planned=planned)
    story.wait(10, 40)
    story.do("forward", "dispatcher", on=story.child("hold"), opinion="情况属实")
    story.wait(10, 60)
    story.do("grant", "leader", on=story.child("hold"), until=planned)


def _extension(story: Story) -> None:
    story.do("ask_extension", story.unit, ground="material", reason="所需配件正在采购。")


def _extension_granted(story: Story) -> None:
    _extension(story)
    story.wait(5, 20)
    story.do("forward", "dispatcher", on=story.child("extension"))
    story.wait(5, 20)
    story.do("grant", "chief", on=story.child("extension"))


def _supervise(story: Story) -> None:
    case = story.case
    due = (story.at + timedelta(hours=8)).isoformat()
    story.do(
        "supervise",
        "chief",
        level="duty",
        answerer=case.responsible_org_id,
        text="请说明处置进展并加快办理。",
        answer_due=due,
    )


def _forced(story: Story) -> None:
    story.do("force_close", "leader", approval="模拟批示〔2026〕1号", reason="道路整体改造，设施已拆除。")


def _reworked(story: Story) -> None:
    story.wait(20, 60)
    story.submit()
    story.confirm()
    story.send_check()
    story.answer_check(True)
    story.close()


def _assigned(story: Story) -> None:
    story.do("assign_handler", "municipal", handler=story.cast["handler"].user_id, note="请带警示锥筒")


def _to_municipal(story: Story) -> None:
    unit = story.cast.fallback
    story.unit = "municipal"
    story.do("dispatch", "dispatcher", unit=unit)
    story.wait(8, 35)


def _passed_down(story: Story) -> None:
    from xiuhua.city.models import Organisation

    below = Organisation.objects.get(code="co-road-a")
    story.do("sub_dispatch", "municipal", sub_unit=below.pk, note="请安排班组")


#: How many cases stand in which state, the steps that bring them there, and how old they are (days).
PLANS: tuple[tuple[str, int, list[Step], tuple[float, float]], ...] = (
    ("closed", 84, _CLOSED, (1, 24)),
    ("closed after rework", 8, [*_REWORK, _reworked], (3, 24)),
    ("forced_closed", 3, [*_HANDLING, _forced], (4, 20)),
    ("voided", 12, [Story.report, lambda s: s.wait(3, 9), _void], (0.5, 24)),
    ("reported", 8, [Story.report], (0.002, 0.02)),
    ("verifying", 7, [Story.report, lambda s: s.wait(1, 4), _verifying], (0.004, 0.02)),
    ("to_file", 6, _TO_FILE, (0.02, 0.04)),
    ("to_dispatch", 8, _TO_DISPATCH, (0.03, 0.05)),
    ("to_receive", 8, _TO_RECEIVE, (0.05, 0.12)),
    ("returned", 4, [*_HANDLING, _return], (0.2, 1)),
    ("disputed", 2, [*_HANDLING, _return, _redispatch, Story.sign, _return, _dispute], (0.8, 3)),
    ("handling", 16, _HANDLING, (0.1, 2)),
    ("handling, assigned", 4, [*_TO_DISPATCH, _to_municipal, Story.sign, _assigned], (0.1, 0.6)),
    ("handling, passed down", 2, [*_TO_DISPATCH, _to_municipal, Story.sign, _passed_down], (0.1, 0.6)),
    ("handling, extension asked", 3, [*_HANDLING, _extension], (0.08, 0.12)),
    ("handling, extended", 3, [*_HANDLING, _extension_granted], (0.08, 0.15)),
    ("handling, supervised", 3, [*_HANDLING, _supervise], (1, 3)),
    ("on_hold", 4, [*_HANDLING, _hold], (2, 12)),
    ("handled", 4, _HANDLED, (0.15, 1)),
    ("to_check", 4, _TO_CHECK, (0.15, 0.4)),
    ("checking", 4, _CHECKING, (0.15, 0.4)),
    ("rework", 3, _REWORK, (0.3, 1)),
    ("to_close", 6, _TO_CLOSE, (0.2, 0.5)),
)
