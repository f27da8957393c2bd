"""The URL map as a list of doors, and a city in which to try them: one case in sight, one in a county."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import URLPattern, URLResolver
from live import picture

from xiuhua.casework import engine, files
from xiuhua.casework.models import Case, Event, Outbox, WorkerBeat
from xiuhua.city import categories
from xiuhua.city.models import ApiToken, Platform, User
from xiuhua.demo import foundation
from xiuhua.demo.foundation import people
from xiuhua.demo.tests.small_city import POINT
from xiuhua.doors import Access
from xiuhua.ledgers.models import Batch, LedgerEvent

__all__ = ["Door", "Known", "Place", "doors", "fill", "people", "state"]

METHODS = ("GET", "POST")


@dataclass(frozen=True)
class Place:
    """What stands in the blanks of a route."""

    number: str
    sha256: str
    token_id: int
    outbox_id: int
    words: str
    blanks: dict[str, str]


@dataclass(frozen=True)
class Known:
    """``mine``: a case of the city; ``theirs``: one of a county. Each has words that nobody else may read."""

    mine: Place
    theirs: Place

    @property
    def places(self) -> tuple[Place, Place]:
        return self.mine, self.theirs

    @property
    def numbers(self) -> set[str]:
        return {self.mine.number, self.theirs.number}

    def nothing_of(self, got: Any, where: Any, but: frozenset[str] | set[str] = frozenset()) -> None:
        """No word of a case out of sight stands in the answer."""
        body = b"".join(got.streaming_content) if got.streaming else got.content
        text = body.decode("utf-8", "replace")
        for place in self.places:
            if place.number not in but:
                assert place.words not in text, where


@dataclass(frozen=True)
class Door:
    """One address: its route, what it asks, and how to call it."""

    route: str
    pattern: str
    access: Any
    by_method: tuple[tuple[str, Access], ...] = ()

    @property
    def is_api(self) -> bool:
        return self.route.startswith(("api/", "ogc/"))

    @property
    def names_case(self) -> bool:
        return "number" in self.pattern or "sha256" in self.pattern

    def access_of(self, method: str) -> Any:
        return dict(self.by_method).get(method, self.access)

    def calls(self, place: Place) -> Iterator[tuple[str, str]]:
        """Method and address, for every filling of the blanks worth trying."""
        methods = tuple(method for method, _access in self.by_method) or METHODS
        for url in _fillings(self.pattern, place):
            for method in methods:
                yield method, url


#: What a blank may be, besides what `Place` says.
_WAYS: dict[str, tuple[str, ...]] = {
    "action": ("file", "sign", "confirm_real", "clock_warning", "nothing"),
    "kind": ("category", "condition", "organisation", "user-collector", "case", "component", "nothing"),
    "name": ("counties", "communities", "grids", "roads", "components", "cases", "nothing"),
    "field": ("reporter_phone", "nothing"),
    "procedure": ("city_case", "nothing"),
    "code": ("city_case", "nothing"),
    "size": ("320", "1280"),
    "path": ("nothing/here",),
    "category_id": ("1",),
    "collection": ("components", "nothing"),
    "feature": ("42120201001000001",),
    "layer": ("cases", "components", "nothing"),
    # A tile around the cases of `fill`.
    "z": ("10",),
    "x": (str(int((float(POINT["lon"]) + 180) / 360 * 2**10)),),
    "y": ("423",),
    "proposal_id": ("1",),
    "hold_id": ("1",),
    "reader": ("1",),
    "notice": ("1",),
    "token": ("nothing",),
    "deed": ("sign", "nothing"),
    "book": ("procedure", "routing", "nothing"),
    "file": ("city_case.one_centre", "421221", "nothing.nothing"),
}


#: Blanks of the ledgers: one with positions, one with people, one that is not there; rows and batches by number.
_LEDGERS: dict[str, tuple[str, ...]] = {
    "code": ("components", "people", "nothing"),
    "pk": ("1", "999999"),
    "row": ("1", "999999"),
    "batch": ("1",),
    "name": ("owner", "phone", "nothing"),
    "form": ("csv", "xlsx", "nothing"),
}


def _fillings(pattern: str, place: Place) -> list[str]:
    found = ["/" + pattern]
    ledger = "ledgers/" in pattern
    for blank in re.findall(r"\{(\w+)\}", pattern):
        if ledger and blank in _LEDGERS:
            values: tuple[str, ...] | None = _LEDGERS[blank]
        else:
            values = (place.blanks[blank],) if blank in place.blanks else _WAYS.get(blank)
        if values is None:
            raise KeyError(f"the walk does not know what to put into {{{blank}}} of {pattern}: say it in walkers.py")
        found = [url.replace(f"{{{blank}}}", value) for url in found for value in values]
    return found


def doors(resolver: URLResolver, route: str = "", pattern: str = "") -> list[Door]:
    """Every leaf of the URL map; operations of the API each with what their methods ask."""
    found = []
    for entry in resolver.url_patterns:
        here = route + str(entry.pattern)
        blank = pattern + _blanks(str(entry.pattern))
        if isinstance(entry, URLResolver):
            found += doors(entry, here, blank)
        elif isinstance(entry, URLPattern):
            view = entry.callback
            by_method = _operations(view)
            access = by_method[0][1] if by_method else getattr(view, "access", None)
            found.append(Door(here, blank, access, by_method))
    return found


def _blanks(text: str) -> str:
    """``cases/<str:number>/`` and ``^files/(?P<sha256>…)$`` -> ``cases/{number}/``, ``files/{sha256}``."""
    text = re.sub(r"\(\?P<(\w+)>[^()]*\)", r"{\1}", text.removeprefix("^").removesuffix("$"))
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", text)


def _operations(view: Any) -> tuple[tuple[str, Access], ...]:
    """Method -> access of a path of the API, from django-ninja's path view behind the wrapper."""
    seen = view
    while seen is not None:
        for cell in getattr(seen, "__closure__", None) or ():
            holder = getattr(cell.cell_contents, "__self__", None) or cell.cell_contents
            if type(holder).__name__ == "PathView":
                return tuple(
                    (method, operation.view_func.access)
                    for operation in holder.operations
                    for method in sorted(operation.methods)
                )
        seen = getattr(seen, "__wrapped__", None)
    return ()


def state() -> tuple[int, ...]:
    """How much there is: an answer that refuses leaves it as it was."""
    return tuple(model.objects.count() for model in (Case, Event, Outbox, ApiToken, LedgerEvent, Batch))


def fill() -> Known:
    """The two cases, each with a photo, a token of its reporter and an outbox row."""
    book = categories.catalogue()
    found = book.category("2026", "component", "01001")
    assert found is not None
    # So that the house is ready, however long the walk takes: a beat of now would be old before its end.
    WorkerBeat.objects.create(name="walk", started_at=_now(), seen_at=_now() + timedelta(hours=2))
    return Known(
        _place("hotline", foundation.CITY, "只有本市能看的话甲甲", 31),
        _place("jiayu-intake", "421221", "只有嘉鱼能看的话乙乙", 200),
    )


def _place(username: str, platform: str, words: str, shade: int) -> Place:
    actor = foundation.actor(username)
    photo = files.upload(actor, io.BytesIO(picture(shade)), "a.jpg").sha256
    answers = {
        "source": "hotline_12319",
        "description": words,
        "address": words,
        "position": POINT,
        "photos": [photo],
        "reporter_name": "市民甲",
        "reporter_phone": "13900000001",
    }
    made = engine.create("city_case", Platform.objects.get(code=platform), actor, answers)
    user = User.objects.get(username=username)
    token = ApiToken.objects.create(
        user=user, name=words, digest=f"{shade:064d}", scopes=["case.read"], expires_at=_later()
    )
    row = Outbox.objects.filter(case_id=made.case_id).order_by("id").first()
    blanks = {"number": made.number, "sha256": photo, "token_id": str(token.pk), "pk": str(row.pk if row else 1)}
    return Place(made.number, photo, token.pk, row.pk if row else 1, words, blanks)


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


def _later() -> Any:
    from django.utils import timezone

    return timezone.now() + timedelta(days=2)
