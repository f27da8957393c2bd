"""A city's own rules, published in the application: one mechanism for procedures and for tables of rules.

A *book* reads the files of one kind (`kind`): `RuleFile` those with a schema of their own, `rule_procedures` the
procedures. What a city publishes is a `RuleVersion`: the text as written, who, when and why, appended for ever. The last
version of a file is in force; an empty one takes the city's file back, and what ships is in force again.

Rules in memory are tables of `city.memory`: every process sees a new version within a second, none has to be restarted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Generic, Protocol, TypeVar

from django.db import transaction
from django.db.models import Max, QuerySet
from pydantic import BaseModel, ValidationError

from xiuhua.casework import moments
from xiuhua.casework.models import RuleVersion
from xiuhua.casework.procedures import Procedure
from xiuhua.casework.schema_words import schema_fault
from xiuhua.casework.yaml_source import Path, Source, SourceFile, SourcesBroken, read
from xiuhua.city import memory, platforms
from xiuhua.city.access import Actor
from xiuhua.manifest import Text

log = logging.getLogger("xiuhua.rules")
TABLE = "rules"
PERMISSION = "procedure.manage"
MOST_REASON = 200  # characters

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Change:
    """What would be different: ``before`` and ``after`` are texts, empty for what was or will not be there."""

    title: Text
    before: str
    after: str
    procedure: Procedure | None = None  # as it would be, to be drawn


@dataclass(frozen=True, slots=True)
class Verdict:
    """A faultless text: what it changes, and what the book made of it on the way."""

    changes: tuple[Change, ...]
    made: Any = None


class Book(Protocol):
    """All files of one kind. ``name`` says which; '' where a book has only one."""

    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> Text: ...
    @property
    def help(self) -> Text: ...
    def names(self) -> tuple[str, ...]:
        """Files that there are before a city has written one."""

    def knows(self, name: str) -> bool:
        """May there be a file of this name?"""

    def title_of(self, name: str) -> Text: ...
    def platform_of(self, name: str) -> str:
        """Code of the platform whose rules these are; '' for the whole city's."""

    def start(self, name: str) -> str:
        """A text to begin with: what ships, or a pattern."""

    def shipped(self, name: str) -> tuple[SourceFile, ...]:
        """What ships and is in force, or lies below, without a file of the city."""

    def judge(self, name: str, text: str) -> Verdict:
        """Raises `SourcesBroken` with every fault."""

    def take(self, row: RuleVersion, verdict: Verdict) -> None:
        """What else follows from a publication, in its transaction."""


class Overtaken(Exception):
    """Somebody published in between; `row` is the version in force now."""

    def __init__(self, row: RuleVersion) -> None:
        self.row = row
        super().__init__(str(row))


class Unchanged(Exception):
    """The text is the one in force."""


_books: dict[str, Book] = {}


def register(book: Book) -> None:
    """Done by the modules that a manifest lists under ``imports``."""
    _books[book.kind] = book


def books() -> Mapping[str, Book]:
    return _books


def may(actor: Actor, book: Book, name: str) -> bool:
    """Whether the actor has the duty of rules on the platform whose rules these are."""
    code = book.platform_of(name)
    rows = platforms.platforms()
    return any(
        seat.platform_code == code if code else rows.by_code[seat.platform_code].parent_id is None
        for seat in actor.seats_with(PERMISSION)
        if seat.platform_code in rows.by_code
    )


# -- versions ----------------------------------------------------------------------------------------------------------


def latest() -> QuerySet[RuleVersion]:
    """The last version of every file."""
    last = RuleVersion.objects.order_by().values("kind", "name").annotate(last=Max("pk")).values("last")
    return RuleVersion.objects.filter(pk__in=last)


def versions(kind: str, name: str) -> QuerySet[RuleVersion]:
    """Newest first."""
    return RuleVersion.objects.filter(kind=kind, name=name).select_related("published_by").order_by("-version")


def store(kind: str, name: str, text: str, *, by: int | None, reason: str) -> RuleVersion:
    """Append a version as it is; whoever calls has judged it, inside a transaction that said `begin`."""
    last = versions(kind, name).first()
    return RuleVersion.objects.create(
        kind=kind,
        name=name,
        version=last.version + 1 if last else 1,
        text=text,
        reason=reason[:MOST_REASON],
        published_by_id=by,
        published_at=moments.now(),
    )


def begin() -> None:
    """First word of a publishing transaction: one publishes at a time, and each sees what was published before."""
    memory.bump(TABLE)


def publish(book: Book, name: str, text: str, *, base: int, actor: Actor, reason: str) -> RuleVersion:
    """Put a text in force; '' takes the city's file back. ``base``: the version that the writer started from, 0 for none.

    1. wait for whoever publishes; 2. compare the base; 3. judge against what is in force now; 4. append; 5. let the book
    take it. Raises `Overtaken`, `Unchanged` or `SourcesBroken`, and then nothing has changed.
    """
    with transaction.atomic():
        begin()
        last = versions(book.kind, name).first()
        if last is not None and last.version != base:
            raise Overtaken(last)
        if text == (last.text if last else ""):
            raise Unchanged
        verdict = book.judge(name, text)
        row = store(book.kind, name, text, by=actor.user_id, reason=reason)
        book.take(row, verdict)
    return row


# -- tables of rules with a schema -------------------------------------------------------------------------------------


def _texts() -> dict[tuple[str, str], str]:
    return {(row.kind, row.name): row.text for row in latest().exclude(kind="procedure").exclude(text="")}


_table = memory.Table(TABLE, _texts, spawn=memory.in_place)


@dataclass(frozen=True)
class RuleFile(Generic[M]):
    """Rules of one schema. ``package`` and ``file`` name what ships; ``check`` yields what a schema cannot see, as path
    and words, for the file of a name."""

    kind: str
    title: Text
    help: Text
    schema: type[M]
    package: str
    file: str
    per_platform: bool = False
    check: Callable[[M, str], Iterable[tuple[Path, str, str]]] = field(default=lambda _rules, _name: ())

    def value(self, name: str = "") -> M:
        """The rules in force, from memory. A city's file that no longer fits the schema is out of use: what ships is in
        force, and the log and the page of the file say so."""
        text = _table.get().get((self.kind, name))
        if text is not None:
            try:
                return self._parsed(text)
            except SourcesBroken as broken:
                log.error("the city's own %s %s is out of use: %s", self.kind, name, broken)
        return self._parsed(self._shipped().text)

    def own(self, name: str = "") -> bool:
        """Whether the city has a file of its own in force."""
        return (self.kind, name) in _table.get()

    def parse(self, source: SourceFile) -> tuple[Source, M]:
        """Raises `SourcesBroken`."""
        tree, faults = read(source)
        if faults:
            raise SourcesBroken(faults)
        try:
            return tree, self.schema.model_validate(tree.data)
        except ValidationError as error:
            wrong = error.errors(include_url=False)
            raise SourcesBroken(schema_fault(tree, (), dict(one)) for one in wrong) from error

    def _parsed(self, text: str) -> M:
        found: M = _parse(self.kind, text)
        return found

    def _shipped(self) -> SourceFile:
        return SourceFile(self.file, _packaged(self.package, self.file))

    def names(self) -> tuple[str, ...]:
        return tuple(platforms.platforms().by_code) if self.per_platform else ("",)

    def knows(self, name: str) -> bool:
        return name in self.names()

    def title_of(self, name: str) -> Text:
        return platforms.platforms().by_code[name].name if name else self.title

    def platform_of(self, name: str) -> str:
        return name

    def start(self, name: str) -> str:
        return self._shipped().text

    def shipped(self, name: str) -> tuple[SourceFile, ...]:
        return (self._shipped(),)

    def judge(self, name: str, text: str) -> Verdict:
        old = latest().filter(kind=self.kind, name=name).first()
        before = (old.text if old else "") or self._shipped().text
        if text:
            tree, rules = self.parse(SourceFile(name or self.kind, text))
            if faults := [tree.fault(*one) for one in self.check(rules, name)]:
                raise SourcesBroken(faults)
        return Verdict((Change(self.title_of(name), before, text or self._shipped().text),))

    def take(self, row: RuleVersion, verdict: Verdict) -> None:
        """Memory is told by `begin`; there is nothing else to do."""


@lru_cache(maxsize=64)
def _packaged(package: str, file: str) -> str:
    return (resources.files(package) / "data" / file).read_text("utf-8")


@lru_cache(maxsize=256)
def _parse(kind: str, text: str) -> Any:
    book = _books[kind]
    assert isinstance(book, RuleFile)
    return book.parse(SourceFile(kind, text))[1]
