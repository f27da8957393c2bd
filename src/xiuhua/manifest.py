"""What a room may declare: plain frozen dataclasses without models, so that every floor may import them.

A room announces itself in ``<room>/room.py`` as ``ROOM = Manifest(...)``; a business line in ``line.py``.
Navigation, URL map, API, command line and procedures are assembled from the manifests that
``settings.ROOMS`` lists, and start-up refuses doubles and missing names (`check`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """A title in the two languages of the product."""

    zh: str
    en: str

    def in_language(self, language: str | None) -> str:
        return self.en if (language or "").startswith("en") else self.zh

    def __str__(self) -> str:
        from django.utils.translation import get_language

        return self.in_language(get_language())


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the left navigation; ``group`` is one of the five verbs, ``ledgers`` or ``settings``."""

    title: Text
    url_name: str
    group: str
    icon: str
    permission: str
    order: int = 100


@dataclass(frozen=True, slots=True)
class Command:
    """One command of ``bin/xiuhua``: words ("log verify") and ``module:function`` taking ``argv`` -> exit code."""

    words: str
    target: str
    help: str


@dataclass(frozen=True, slots=True)
class Api:
    """A django-ninja router ``module:name`` mounted under ``/api/v1`` + prefix."""

    prefix: str
    router: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that one room tells the house."""

    code: str
    title: Text
    icon: str = ""
    nav: tuple[NavItem, ...] = ()
    api: tuple[Api, ...] = ()
    urls: str = ""  # module with `urlpatterns`, mounted at the site root
    procedures: tuple[str, ...] = ()  # packages whose *.yaml files are procedures
    commands: tuple[Command, ...] = ()
    personal: str = ""  # module with STORES and HOLDS_NONE: where this room keeps personal data, and where not
    imports: tuple[str, ...] = ()  # modules that register guards, effects and outbox handlers
    ledgers: tuple[str, ...] = ()  # ``module:name`` of tuples of `xiuhua.ledgers.declare.Ledger`


NAV_GROUPS: dict[str, Text] = {
    "desk": Text("工作台", "Desk"),
    "sense": Text("感知", "Sense"),
    "analyse": Text("分析", "Analyse"),
    "serve": Text("服务", "Serve"),
    "command": Text("指挥", "Command"),
    "supervise": Text("监察", "Supervise"),
    "ledgers": Text("台账", "Ledgers"),
    "settings": Text("设置", "Settings"),
}


def load(target: str) -> Any:
    """Import ``module:attribute``."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def check(rooms: Iterable[Manifest]) -> list[str]:
    """Doubles and unknown names among manifests, as sentences; empty when all is well."""
    faults: list[str] = []
    seen: dict[tuple[str, str], str] = {}
    for room in rooms:
        names = [("room", room.code)]
        names += [("command", c.words) for c in room.commands]
        names += [("page", n.url_name) for n in room.nav]
        names += [("api prefix", a.prefix) for a in room.api]
        for kind, name in names:
            if (kind, name) in seen:
                faults.append(f"{kind} {name!r} is declared by {seen[kind, name]} and again by {room.code}")
            seen[kind, name] = room.code
        for item in room.nav:
            if item.group not in NAV_GROUPS:
                faults.append(f"{room.code}: page {item.url_name!r} is in unknown group {item.group!r}")
    return faults


@cache
def rooms() -> tuple[Manifest, ...]:
    """The manifests of ``settings.ROOMS``, in that order."""
    from django.conf import settings

    return tuple(import_module(f"xiuhua.{name}.room").ROOM for name in settings.ROOMS)
