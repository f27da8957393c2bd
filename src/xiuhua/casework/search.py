"""One search for cases: by number, text, place and telephone, always within what the actor may see.

What a person types decides where to look. Digits are a number (whole or its tail), a grid, a component or a
telephone number, all by index; words are looked for in title, description, address and in the names of places,
which become codes. A telephone number is found by its keyed digest and only by who may search so
(``case.search_phone``). Names of persons are not searched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

import shapely
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import StrIndex, Upper
from django.db.models.lookups import GreaterThan

from xiuhua.casework import permits, read, text_index
from xiuhua.casework.models import Case, Numbering, Personal
from xiuhua.city import crypto, locator
from xiuhua.city.access import Actor
from xiuhua.city.models import Division, Place

LONGEST = 100
MOST_WORDS = 6
#: A tail of a number is looked for among so many of the last days on which cases were numbered.
MOST_DAYS = 366
MOST_GRIDS = 400
MOST_SHAPES = 20
SERIAL = 5

_NUMBER = re.compile(r"[A-Z]{0,10}[0-9]{14,25}(-[0-9]{2,3})*")
_DIGITS = re.compile(r"[0-9]{1,25}")
#: Figures of these lengths can be a grid, a component, an identity or a telephone number as well.
_SHORT = re.compile(r"[0-9]{1,18}")
_IDENTITY = re.compile(r"[1-9][0-9]{16}[0-9X]")
_PHONE = re.compile(r"[+(]?[0-9][0-9 \-()]{5,24}")
#: Endings that people leave out of a name: 街道, 社区, 村 and their like.
_ENDINGS = (
    "街道办事处",
    "街道",
    "社区",
    "村民委员会",
    "居民委员会",
    "村委会",
    "居委会",
    "村",
    "镇",
    "乡",
    "区",
    "县",
    "市",
)
#: About 50 m in degrees of latitude: how far beside a road its cases lie.
_BESIDE = 0.00045
_LEVELS = {"county": "county", "township": "sub_district", "village": "community"}


@dataclass(frozen=True, slots=True)
class Found:
    """The cases found, and how the text was read: number, phone, grid, component, place, text, nothing.

    ``phone_refused``: it looked like a telephone number, but this actor may not search by one.
    """

    cases: QuerySet[Case]
    kinds: tuple[str, ...]
    phone_refused: bool = False


def search(actor: Actor, text: str, cases: QuerySet[Case] | None = None) -> Found:
    """Cases that fit ``text`` among ``cases`` (default: all) that the actor may see; an empty text finds them all."""
    words = clean(text)
    if cases is None and (number := _whole_number(words)):
        row = read.by_number(number)
        seen = row is not None and permits.sees(actor, row)
        return Found(Case.objects.filter(pk=row.pk) if row is not None and seen else Case.objects.none(), ("number",))
    within = permits.visible(actor, cases)
    if not words:
        return Found(within, ())
    found, refused = _by_figures(actor, words)
    if not found:
        found = {"text": _by_words(words)}
    return Found(within.filter(reduce(or_, found.values())), tuple(found), refused)


def _whole_number(words: str) -> str:
    """The number that the text can only be, '' when it could mean something else as well."""
    compact = words.replace(" ", "").upper()
    return compact if _NUMBER.fullmatch(compact) and not _SHORT.fullmatch(compact) else ""


def clean(text: str) -> str:
    """Half-width, one blank between words, at most 100 characters, nothing that a database cannot hold."""
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Cf") else c for c in text[: LONGEST * 4])
    return " ".join(unicodedata.normalize("NFKC", text).split())[:LONGEST].strip()


# -- figures -------------------------------------------------------------------------------------------------------


def _by_figures(actor: Actor, words: str) -> tuple[dict[str, Q], bool]:
    """Every reading of figures; none when the text is something else."""
    found: dict[str, Q] = {}
    refused = False
    compact = words.replace(" ", "").upper()
    if _NUMBER.fullmatch(compact):
        found["number"] = Q(number=compact)
    elif _DIGITS.fullmatch(compact):
        found["number"] = Q(number__in=_numbers_ending(compact))
    if _DIGITS.fullmatch(compact) and 15 <= len(compact) <= 17:
        found["grid"] = Q(grid=compact)
        found["component"] = Q(component_code=compact)
    for kind in ("phone", "id"):
        fits = _PHONE.fullmatch(words) if kind == "phone" else _IDENTITY.fullmatch(compact)
        if not fits:
            continue
        value = crypto.normalise_phone(words) if kind == "phone" else compact
        if kind == "phone" and not (7 <= len(value.lstrip("+")) <= 13):
            continue
        if not actor.has("case.search_phone"):
            refused = True
            continue
        index = crypto.blind_index(kind, value)
        found[kind] = Q(pk__in=Personal.objects.filter(lookup=index).values("case_id"))
    if refused and not found:
        found["nothing"] = Q(pk__in=[])
    return found, refused


def _numbers_ending(tail: str) -> list[str]:
    """Whole numbers that a tail can mean: "123" is serial 00123, "050600123" that of the 6th of May."""
    serial, day = int(tail[-SERIAL:]), tail[:-SERIAL]
    days = Numbering.objects.filter(value__gte=serial, prefix__endswith=day).order_by("-id")
    return [f"{prefix}{serial:0{SERIAL}d}" for prefix in days.values_list("prefix", flat=True)[:MOST_DAYS]]


# -- words ---------------------------------------------------------------------------------------------------------


def _by_words(words: str) -> Q:
    """Every word must stand in the case's text or name its place; or all of them together are its place's name."""
    parts = words.split()[:MOST_WORDS]
    placed, listed = places({*parts, words}), text_index.may_have(parts)

    def of(word: str) -> Q:
        within = reduce(or_, (_stands_in(word, text) for text in text_index.TEXTS)) & listed[word]
        if _NUMBER.fullmatch(word.upper()):
            within |= Q(number=word.upper())
        return within | placed[word]

    each = reduce(and_, map(of, parts))
    return each | placed[words] if len(parts) > 1 else each


def _stands_in(word: str, column: str) -> Q:
    """As ``icontains``, in other words: PostgreSQL takes LIKE for a rare thing, and a common word that the index of words
    knows as common would be fetched whole for a page that the newest rows fill."""
    return Q(GreaterThan(StrIndex(Upper(column), Upper(Value(word))), 0))


def places(names: Iterable[str]) -> dict[str, Q]:
    """For each name the cases in the division or along the road of that name; nothing for an unknown one or a part of a
    name. Two statements."""
    found = {name: Q(pk__in=[]) for name in names}
    told = {name: {name, *(f"{name}{ending}" for ending in _ENDINGS)} for name in found if len(name) >= 2}
    if not told:
        return found
    called, shaped = Q(name__in=set().union(*told.values())), Q()
    for name in told:
        called |= Q(name_en__iexact=name)
        shaped |= Q(name=name) | Q(name_en__iexact=name) | Q(aliases__contains=name)
    grids: dict[str, set[str]] = {name: set() for name in told}
    for division in Division.objects.filter(called, level__in=_LEVELS):
        for name, forms in told.items():
            if division.name in forms or division.name_en.lower() == name.lower():
                found[name] |= Q(**{_LEVELS[division.level]: division.code})
    for row in Place.objects.filter(shaped)[: MOST_SHAPES * len(told)]:
        for name in told:
            if name in (row.name, *row.aliases.split("\n")) or name.lower() == row.name_en.lower():
                grids[name] |= grids_under(bytes(row.geometry))
    return {
        name: q | Q(grid__in=sorted(grids[name])[:MOST_GRIDS]) if grids.get(name) else q for name, q in found.items()
    }


def grids_under(wkb: bytes) -> set[str]:
    """Unit grids that lie under a shape or within about 50 m of it."""
    layer = locator.ground().grids
    if not len(layer):
        return set()
    shape = shapely.from_wkb(wkb).buffer(_BESIDE)
    return {layer.codes[at] for at in layer.tree.query(shape, predicate="intersects")}
