"""Many cases like one: a history is played once and printed many times with other words and places.

For loads that stand for years of service (a rehearsal, a bench). The bulk writer plays the pattern, so every rule has
been asked; a copy differs from it in identifiers, numbers, salts and in what its blanks are filled with, which are words
and positions on the same ground, and its digests are computed anew over the same bytes by the same functions. So its
chain verifies and its rows are those that the bulk writer would have made (a property test holds them together).

What a pattern costs is paid once; a copy is a few formatted texts for each table.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain as joined
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import connections, transaction

from xiuhua.casework import answers, bulk, chain, write
from xiuhua.casework.ids import new_id
from xiuhua.casework.moments import to_us
from xiuhua.city import crypto, locator

#: Parts of a document that a copy may have; a history with photos is played, not copied.
_PARTS = tuple(part for part in write.PARTS if part.key not in ("cases", "attachments", "idempotency"))
#: So many patterns may be printed and not yet written.
AHEAD = 2
#: What of the ground a case keeps: a copy lies in all of it, like its pattern.
_GROUND = ("grid", "responsibility_grid", "community", "sub_district", "county")
#: In the text form of COPY these have a meaning of their own.
_COPY = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class Blank:
    """A text in the answers of a pattern that every copy fills with its own. It must be found nowhere else in them."""

    name: str
    text: str


@dataclass(frozen=True)
class Spot:
    """A position of the pattern, degrees of CGCS2000 times 10**7, as its answers have it (seven decimals)."""

    lon_e7: int
    lat_e7: int


@dataclass(frozen=True)
class Filling:
    """What one copy has of its own: a text for every blank, its position, personal answers by field.

    A telephone or identity number is given as the form would keep it; a personal field that is not named keeps the
    pattern's value, sealed anew.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    spot: Spot | None = None
    personal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pattern:
    """``settled``: until when the worker is taken to have kept up, as `bulk.kept_up` says."""

    history: bulk.History
    blanks: tuple[Blank, ...] = ()
    spot: Spot | None = None
    settled: datetime | None = None


class _Names:
    """The texts of a played family that differ from copy to copy, and the place of each in a copy's values.

    Words have two places: as they are, and as JSON writes them.
    """

    def __init__(self) -> None:
        self.place: dict[str, int] = {}
        self.in_json: dict[int, int] = {}
        self.finder = re.compile("")

    def add(self, text: str) -> int:
        return self.place.setdefault(text, len(self.place))

    def close(self, words: Iterable[int]) -> None:
        self.in_json = {place: len(self.place) + i for i, place in enumerate(words)}
        longest_first = sorted(self.place, key=len, reverse=True)
        self.finder = re.compile("|".join(map(re.escape, longest_first)))

    @property
    def size(self) -> int:
        return len(self.place) + len(self.in_json)


class _Print:
    """A text with places that are filled from a copy's values."""

    def __init__(self, form: str, places: Sequence[int]) -> None:
        self.form, self.places = form, tuple(places)
        self.pick = itemgetter(*places) if places else lambda _values: ()

    @classmethod
    def of(cls, text: str, names: _Names, *, in_json: bool) -> _Print:
        places: list[int] = []

        def leave(match: re.Match[str]) -> str:
            place = names.place[match.group()]
            places.append(names.in_json.get(place, place) if in_json else place)
            return "\0"

        left = names.finder.sub(leave, text)
        return cls(left.replace("%", "%%").replace("\0", "%s"), places)

    def text(self, values: Sequence[str]) -> str:
        return self.form % self.pick(values)


@dataclass(frozen=True)
class _Secret:
    """A personal field: where its case, its sealed form and its index stand, and what it says in the pattern."""

    case: int
    field: str
    kind: str
    value: str
    cipher: int
    lookup: int


@dataclass(frozen=True)
class _Link:
    """One event to chain: where its values stand, and over what they are computed."""

    digest: int
    over: _Print
    salt: int = -1
    payload_digest: int = -1
    payload: _Print | None = None


class Press:
    """A pattern, played and set for copying.

    Raises `Refused` where the engine would, ValueError for what cannot be copied: a history with files.
    """

    def __init__(self, pattern: Pattern, vendor: str) -> None:
        self.pattern, self.vendor, self.algorithm = pattern, vendor, settings.DIGEST
        self.prefix = bulk.prefix_of(pattern.history)
        family = bulk.Family()
        family.play(pattern.history, f"{self.prefix}00000")
        document = write.Document()
        family.write(document)
        if document.rows["attachments"]:
            raise ValueError("a history with files cannot be copied")
        self.rows = document.rows
        self._settle(family)
        self.ground = tuple(getattr(family.root, name) for name in _GROUND)
        self._name(family.root.number)
        payloads = {row["event_id"]: row for row in self.rows["payloads"]}
        self._links = [self._link(row, payloads.get(row["id"])) for row in self.rows["events"]]
        self._cells = {
            part.key: [[self._cell(str(c), row[str(c)]) for c in part.columns()] for row in self.rows[part.key]]
            for part in _PARTS
        }
        self._lines = {key: _copy_line(rows) for key, rows in self._cells.items() if rows}

    @property
    def cases(self) -> int:
        return len(self.rows["new_cases"])

    @property
    def events(self) -> int:
        return len(self.rows["events"])

    def _settle(self, family: bulk.Family) -> None:
        if self.pattern.settled is not None:
            self.rows["outbox"] = bulk.kept_up(self.rows["outbox"], family.cases, self.pattern.settled)

    def _name(self, number: str) -> None:
        names = self._names = _Names()
        self._number = names.add(number)
        ids = [row["id"] for key in ("new_cases", "events", "outbox") for row in self.rows[key]]
        self._ids = [names.add(str(pk)) for pk in sorted(ids)]  # a copy's come in the same order
        self._words = {blank.name: names.add(blank.text) for blank in self.pattern.blanks}
        spot = self.pattern.spot
        numbers = () if spot is None else (spot.lon_e7, spot.lat_e7)
        self._spot = [(names.add(str(number)), names.add(_degrees(number))) for number in numbers]
        for row in self.rows["events"]:
            names.add(row["digest"])
            if row["payload_digest"]:
                names.add(row["payload_digest"])
        for row in self.rows["payloads"]:
            names.add(row["salt"])
        self._secrets = [self._secret(row) for row in self.rows["personal"]]
        names.close(self._words.values())

    def _secret(self, row: Mapping[str, Any]) -> _Secret:
        names, case, name = self._names, row["case_id"], row["field"]
        value = crypto.decrypt(row["cipher"], answers.seal_context(case, name))
        lookup = names.add(row["lookup"]) if row["lookup"] else -1
        return _Secret(names.add(str(case)), name, row["kind"], value, names.add(row["cipher"]), lookup)

    def _link(self, row: Mapping[str, Any], payload: Mapping[str, Any] | None) -> _Link:
        names = self._names
        told = {k: v for k, v in row.items() if k not in ("case_id", "at", "actor_user_id", "digest")}
        over = chain.event_text(case=row["case_id"], at_us=to_us(row["at"]), **told)
        digest, text = names.place[row["digest"]], _Print.of(over, names, in_json=True)
        if payload is None:
            return _Link(digest, text)
        salt, sealed = names.place[payload["salt"]], names.place[row["payload_digest"]]
        return _Link(digest, text, salt, sealed, _Print.of(payload["body"], names, in_json=True))

    def _cell(self, column: str, value: Any) -> Any:
        """What the database takes: a constant, or a `_Print` where copies differ."""
        if isinstance(value, datetime):
            text = value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
            return text if self.vendor == "sqlite" else text + "+00:00"
        if value is None or isinstance(value, bool):
            return value
        in_json = isinstance(value, dict | list) or column == "body"
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        found = _Print.of(text, self._names, in_json=in_json)
        return found if found.places else text

    def check(self, filling: Filling) -> None:
        """ValueError when a filling does not fit the blanks of the pattern."""
        if set(filling.words) != set(self._words):
            raise ValueError(f"the blanks are {sorted(self._words)}, not {sorted(filling.words)}")
        if more := set(filling.personal) - {secret.field for secret in self._secrets}:
            raise ValueError(f"the pattern has no personal answer {', '.join(sorted(more))}")
        if (filling.spot is None) != (self.pattern.spot is None):
            raise ValueError("a copy has a position exactly when its pattern has one")

    def values(self, filling: Filling, number: str) -> list[str]:
        """Everything of one copy that differs from the pattern, with its digests."""
        values = [""] * self._names.size
        values[self._number] = number
        for place in self._ids:
            values[place] = str(new_id())
        for name, place in self._words.items():
            word = values[place] = filling.words[name]
            values[self._names.in_json[place]] = json.dumps(word, ensure_ascii=False)[1:-1]
        if filling.spot is not None:
            for (whole, degrees), e7 in zip(self._spot, (filling.spot.lon_e7, filling.spot.lat_e7), strict=True):
                values[whole], values[degrees] = str(e7), _degrees(e7)
        for secret in self._secrets:
            value = filling.personal.get(secret.field, secret.value)
            values[secret.cipher], lookup = answers.seal(secret.kind, value, int(values[secret.case]), secret.field)
            if secret.lookup >= 0:
                values[secret.lookup] = lookup
        for link in self._links:
            if link.payload is not None:
                salt = values[link.salt] = chain.new_salt()
                values[link.payload_digest] = chain.payload_digest(self.algorithm, salt, link.payload.text(values))
            values[link.digest] = chain.hex_digest(self.algorithm, link.over.text(values).encode())
        return values

    def printed(self, copies: Sequence[list[str]]) -> list[tuple[str, Any]]:
        """The statements that write copies, table by table: COPY with its text, or INSERT with its rows."""
        made: list[tuple[str, Any]] = []
        escaped = [_escaped(values) for values in copies] if self.vendor == "postgresql" else []
        for part in _PARTS:
            if part.key not in self._lines:
                continue
            names, line, rows = ", ".join(part.columns()), self._lines[part.key], self._cells[part.key]
            if self.vendor == "postgresql":
                text = "".join([line.text(values) for values in escaped])
                made.append((f"COPY {part.table} ({names}) FROM STDIN", text.encode()))
            else:
                marks = ", ".join(["%s"] * len(part.columns()))
                filled = [[_plain(cell, values) for cell in row] for values in copies for row in rows]
                made.append((f"INSERT INTO {part.table} ({names}) VALUES ({marks})", filled))  # noqa: S608
        return made


def write_printed(statements: Sequence[tuple[str, Any]]) -> None:
    """Write what `Press.printed` made, in one transaction."""
    connection = connections["default"]
    with transaction.atomic(), connection.cursor() as cursor:
        for sql, content in statements:
            if connection.vendor == "postgresql":
                with cursor.copy(sql) as copy:
                    copy.write(content)
            else:
                cursor.executemany(sql, content)


def load(runs: Iterable[tuple[Pattern, Sequence[Filling]]], *, beside: bool = False) -> bulk.Loaded:
    """Write a copy for every filling, the copies of a pattern in one transaction; the pattern itself is not written.

    A pattern that the engine would refuse is told in ``refused`` (its place, the step, why). ValueError when a filling
    does not fit, or lies on other ground than its pattern; the patterns before it stay written. ``beside``: a thread
    writes on a connection of its own while the next copies are printed; not for use inside a transaction.
    """
    loaded = bulk.Loaded()
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[None]] = deque()
        try:
            for statements in _printed(runs, loaded):
                if not beside:
                    write_printed(statements)
                    continue
                waiting.append(thread.submit(write_printed, statements))
                if len(waiting) > AHEAD:
                    waiting.popleft().result()
            for one in waiting:
                one.result()
        finally:
            thread.submit(connections.close_all).result()
    return loaded


def _printed(runs: Iterable[tuple[Pattern, Sequence[Filling]]], loaded: bulk.Loaded) -> Iterator[list[tuple[str, Any]]]:
    vendor = connections["default"].vendor
    for place, (pattern, fillings) in enumerate(runs):
        try:
            press = Press(pattern, vendor)
        except bulk.RefusedAt as refused:
            loaded.refused.append((place, refused.step, refused.refusal))
            continue
        for filling in fillings:
            press.check(filling)
        _check_ground(press, fillings)
        numbers = bulk.reserve(Counter({press.prefix: len(fillings)}))[press.prefix]
        yield press.printed([press.values(filling, next(numbers)) for filling in fillings])
        loaded.cases += press.cases * len(fillings)
        loaded.events += press.events * len(fillings)


def _check_ground(press: Press, fillings: Sequence[Filling]) -> None:
    spots = [filling.spot for filling in fillings if filling.spot is not None]
    if not spots:
        return
    found = locator.locate_many([one.lon_e7 / 1e7 for one in spots], [one.lat_e7 / 1e7 for one in spots])
    for name, wanted in zip(_GROUND, press.ground, strict=True):
        codes = getattr(found, name)
        for spot, code in zip(spots, codes, strict=True):
            if code != wanted:
                raise ValueError(f"{spot} lies in {name} {code!r}, its pattern in {wanted!r}")


def _degrees(e7: int) -> str:
    return f"{e7 / 1e7:.7f}"


def _copy_line(rows: Sequence[Sequence[Any]]) -> _Print:
    """All rows of one table as one text of COPY."""
    forms, places = [], []
    for row in rows:
        cells = []
        for cell in row:
            if isinstance(cell, _Print):
                cells.append(cell.form.translate(_COPY))
                places.append(cell.places)
            elif cell is None:
                cells.append("\\N")
            elif isinstance(cell, bool):
                cells.append("t" if cell else "f")
            else:
                cells.append(str(cell).translate(_COPY).replace("%", "%%"))
        forms.append("\t".join(cells) + "\n")
    return _Print("".join(forms), list(joined.from_iterable(places)))


def _escaped(values: list[str]) -> list[str]:
    """For COPY; nearly always nothing has to be escaped."""
    whole = "".join(values)
    if whole.isprintable() and "\\" not in whole:
        return values
    return [value.translate(_COPY) for value in values]


def _plain(cell: Any, values: list[str]) -> Any:
    return cell.text(values) if isinstance(cell, _Print) else cell
