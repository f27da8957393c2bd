"""How a room declares a ledger: plain frozen dataclasses beside a Django model.

A declaration names the model and its columns; types, lengths, choices and titles are read from the model. From that
follow list, map, detail, form, bulk edit, import, export and API. A room lists its declarations in the manifest::

    LEDGERS = (Ledger(code="toilets", title=Text("公厕", "Public toilets"), model="lines.Toilet", key=("code",), …),)
    ROOM = Manifest(…, ledgers=("xiuhua.lines.toilets.ledgers:LEDGERS",))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xiuhua.casework.paging import Sort
from xiuhua.manifest import Text

__all__ = ["NEWEST", "OLDEST", "Choice", "Column", "Ledger", "Scope", "Shape", "Sort"]

NEWEST = Sort("newest", Text("最新登记", "Newest first"), "id", descending=True)
OLDEST = Sort("oldest", Text("最早登记", "Oldest first"), "id")

#: A code and what people read.
Choice = tuple[str, Text]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a ledger: a field of the model, which is also its name in files and in the API.

    ``aliases`` are other headers under which files bring it (standards' abbreviations). ``edit`` False: worked out by
    ``prepare`` or given by nobody. ``once``: only when the row is made. ``personal`` ("phone"): kept encrypted in
    ``<name>_cipher``, found by ``<name>_lookup``, masked wherever it is shown.
    """

    name: str
    title: Text | None = None
    aliases: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    help: Text | None = None
    required: bool | None = None
    edit: bool = True
    once: bool = False
    bulk: bool = False
    listed: bool = True
    filtered: bool = False
    personal: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a row is: a point in two integers of 1e-7 degree, or ``geometry`` in WKB with a point on it for labels."""

    lon: str = "lon_e7"
    lat: str = "lat_e7"
    datum: str = ""
    geometry: str = ""
    kinds: tuple[str, ...] = ("Point",)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which columns say to whom a row belongs. ``counties``: a city's seat also has the rows of its counties."""

    platform: str = "platform"
    division: str = ""
    organisations: tuple[str, ...] = ()
    counties: bool = True


@dataclass(frozen=True, slots=True)
class Ledger:
    """A register of things that stand.

    ``key``: columns that name a row in files (the first is shown in lists). ``label``: the column that people call it
    by. ``search``: Django look-ups tried with the words of a search. ``sorts`` need an index that ends in id.
    ``prepare`` ("module:function") checks and completes drafts many at a time; ``bumps`` are the in-memory tables to
    be built anew after a change. ``retire``: column and value of a row that no longer stands, instead of deleting it.
    ``related`` ("module:function") gives further lists for the detail page.
    """

    code: str
    title: Text
    model: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    label: str
    read: str
    manage: str
    icon: str = "list-details"
    intro: Text | None = None
    search: tuple[str, ...] = ()
    sorts: tuple[Sort, ...] = (NEWEST, OLDEST)
    scope: Scope = Scope()
    shape: Shape | None = None
    prepare: str = ""
    related: str = ""
    bumps: tuple[str, ...] = ()
    retire: tuple[str, Any] | None = None
