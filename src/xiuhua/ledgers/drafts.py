"""Drafts: rows as somebody wants them, checked before anything is written.

Form, API, bulk edit and import all come through here, so that one set of checks holds for all of them::

    given values -> read columns -> find the row by its key -> shape -> the ledger's own ``prepare`` -> scope

A draft with faults is not written. Faults are said in both languages, for the report of a file is read by many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import shapely
from django.db.models import Model

from xiuhua import manifest
from xiuhua.city import crypto
from xiuhua.city.access import Actor
from xiuhua.ledgers import columns, scope, shapes
from xiuhua.ledgers.columns import Book, Col, Refs, Wrong
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.history import Values
from xiuhua.manifest import Text


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is refused, or what is worth a look: the column ('' for the row) and a sentence."""

    column: str
    message: Text


@dataclass(slots=True)
class Draft:
    """One row to be. ``given``: what came, by column; ``geometry`` what came as a shape, in ``system``.

    ``row`` is the row that stands (None = a new one), ``values`` the model's attributes to be set, ``before`` and
    ``after`` plain values.
    """

    no: int
    given: dict[str, Any]
    geometry: Any = None
    row: Model | None = None
    values: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    before: Values | None = None
    after: Values | None = None
    #: Where the row belongs, when that is another row's affair (``post__platform_id``); filled in by ``prepare``.
    belongs: dict[str, Any] = field(default_factory=dict)

    def fault(self, column: str, zh: str, en: str) -> None:
        self.faults.append(Fault(column, Text(zh, en)))

    def note(self, column: str, zh: str, en: str) -> None:
        self.notes.append(Fault(column, Text(zh, en)))

    def get(self, attribute: str) -> Any:
        """The attribute as it will be: the new value, else the row's."""
        if attribute in self.values:
            return self.values[attribute]
        if "__" in attribute:
            return self.belongs.get(attribute)
        return getattr(self.row, attribute) if self.row is not None else None

    @property
    def ok(self) -> bool:
        return not self.faults

    @property
    def kind(self) -> str:
        if self.faults:
            return "refused"
        if self.row is None:
            return "new"
        return "same" if self.before == self.after else "changed"


@dataclass
class Work:
    """What the checks of one undertaking share. ``system`` is the coordinate system of what is given."""

    ledger: Ledger
    actor: Actor
    system: str = "cgcs2000"
    source: str = ""
    refs: Refs = field(default_factory=Refs)
    seen: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book: Book = columns.book(self.ledger)
        self.reach = scope.reach(self.ledger, self.actor, self.ledger.manage)


Prepare = Callable[[Work, list[Draft]], None]


@cache
def _prepare(target: str) -> Prepare:
    found: Prepare = manifest.load(target)
    return found


def check(work: Work, drafts: Sequence[Draft], *, by_key: bool) -> None:
    """Complete and check drafts, many at a time. ``by_key``: the rows are found by their keys, as in a file.

    1. bring what they point at; 2. read every column; 3. find the rows; 4. shapes; 5. the ledger's own checks;
    6. may the actor have this row here; 7. plain values before and after.
    """
    book = work.book
    for col in book.cols.values():
        if col.ref is not None:
            work.refs.keys(col, {_word(d.given[col.name]) for d in drafts if d.given.get(col.name)})
    for draft in drafts:
        _read(work, draft)
    if by_key:
        _find(work, drafts)
    for draft in drafts:
        _complete(work, draft)
    if work.ledger.shape is not None:
        _shapes(work, drafts)
    if work.ledger.prepare:
        _prepare(work.ledger.prepare)(work, [d for d in drafts if d.ok])
    good = [draft for draft in drafts if draft.ok]
    for draft in good:
        if not _covered(work, draft):
            draft.fault("", "不在您可维护的范围内。", "This is not among what you may manage.")
    _before_and_after(work, [draft for draft in good if draft.ok])


def _word(given: Any) -> str:
    text = str(given).strip()
    return text[1:] if text[:1] == "'" else text


def _read(work: Work, draft: Draft) -> None:
    for name, given in draft.given.items():
        col = work.book.cols.get(name)
        if col is None or not col.column.edit:
            continue
        try:
            value = columns.read(col, given, work.refs)
        except Wrong as wrong:
            draft.faults.append(Fault(name, wrong.text))
            continue
        draft.values[col.attname] = value


def _complete(work: Work, draft: Draft) -> None:
    """What must be given, what may not change, and what is sealed."""
    for col in work.book.cols.values():
        if draft.row is None and col.required and col.column.edit and col.attname not in draft.values:
            if not any(fault.column == col.name for fault in draft.faults):
                draft.fault(col.name, "必填。", "This is required.")
        elif draft.row is None and col.default is not None and not col.column.personal:
            draft.values.setdefault(col.attname, col.default)
        if col.column.once and _differs(draft, col):
            draft.fault(col.name, "登记后不能更改。", "This cannot be changed once it is registered.")
        if col.column.personal and col.attname in draft.values:
            _seal(work, draft, col)


def _differs(draft: Draft, col: Col) -> bool:
    """Whether a draft would change what its row has."""
    return (
        draft.row is not None
        and col.attname in draft.values
        and draft.values[col.attname] != getattr(draft.row, col.attname)
    )


def _seal(work: Work, draft: Draft, col: Col) -> None:
    clear = draft.values[col.attname]
    lookup = f"{col.name}_lookup"
    if draft.row is not None and "*" in str(draft.given.get(col.name, "")):
        del draft.values[col.attname]  # the masked number came back: it stays as it is
        return
    if "*" in str(draft.given.get(col.name, "")):
        draft.fault(col.name, "号码被遮盖，请填写完整号码。", "The number is masked; give the whole number.")
        return
    draft.values[lookup] = crypto.blind_index("phone", clear) if clear else ""
    if draft.row is not None and draft.values[lookup] == getattr(draft.row, lookup):
        del draft.values[col.attname], draft.values[lookup]
        return
    key = {k: draft.get(work.book.cols[k].attname) for k in work.ledger.key}
    draft.values[col.attname] = crypto.encrypt(clear, columns.context(work.book, key, col.name)) if clear else ""


def key_of(work: Work, draft: Draft) -> tuple[Any, ...] | None:
    """The values that name the row; None when one is missing."""
    cols = [work.book.cols[name] for name in work.ledger.key]
    found = tuple(draft.values.get(col.attname, col.default) for col in cols)
    return None if any(value is None for value in found) else found


def _find(work: Work, drafts: Sequence[Draft]) -> None:
    """The rows that stand under these keys; the same key twice in one file is a fault of the second."""
    cols = [work.book.cols[name] for name in work.ledger.key]
    keys = {id(draft): key_of(work, draft) for draft in drafts}
    wanted = {key for key in keys.values() if key is not None}
    standing: dict[tuple[Any, ...], list[Model]] = defaultdict(list)
    if wanted:
        best = max(cols, key=lambda col: len({key[cols.index(col)] for key in wanted}))
        place = cols.index(best)
        rows = work.book.model._default_manager.filter(**{f"{best.attname}__in": {key[place] for key in wanted}})
        for row in rows:
            standing[tuple(getattr(row, col.attname) for col in cols)].append(row)
    for draft in drafts:
        key = keys[id(draft)]
        if key is None:
            continue
        first = work.seen.setdefault(key, draft.no)
        if first != draft.no:
            draft.fault(
                work.ledger.key[0],
                f"与第{first}行重复。",
                f"The same as row {first}.",
            )
        found = standing.get(key, [])
        if len(found) == 1:
            draft.row = found[0]
        elif found:
            draft.fault(
                work.ledger.key[0],
                f"台账中有{len(found)}条相同的记录，无法判断是哪一条。",
                f"{len(found)} rows of the ledger have this key; which one is meant cannot be told.",
            )


def _shapes(work: Work, drafts: Sequence[Draft]) -> None:
    """Positions and geometries into degrees, the points of all drafts at once."""
    shape = work.ledger.shape
    assert shape is not None
    pairs: list[tuple[Draft, float, float]] = []
    for draft in drafts:
        geometry = draft.geometry
        try:
            if geometry is None and draft.given.get("wkt"):
                geometry = _of_wkt(str(draft.given["wkt"]))
            if geometry is not None and not (geometry.geom_type == "Point" and shape.kinds == ("Point",)):
                shapes.assign(
                    work.ledger, draft.values, shapes.checked(geometry, work.ledger, work.system), work.system
                )
            elif geometry is not None and not geometry.is_empty:
                pairs.append((draft, geometry.x, geometry.y))
            elif any(draft.given.get(name) not in (None, "") for name in ("lon", "lat")):
                pairs.append((draft, _number(draft, "lon"), _number(draft, "lat")))
            elif draft.row is None:
                raise Wrong("没有位置。", "There is no position.")
        except Wrong as wrong:
            draft.faults.append(Fault("position", wrong.text))
    if not pairs:
        return
    xs, ys = np.array([x for _d, x, _y in pairs]), np.array([y for _d, _x, y in pairs])
    lons, lats = shapes.to_degrees(xs, ys, work.system)
    good = np.isfinite(lons) & np.isfinite(lats)
    lon_e7 = np.rint(np.where(good, lons, 0) * 1e7).astype(np.int64).tolist()
    lat_e7 = np.rint(np.where(good, lats, 0) * 1e7).astype(np.int64).tolist()
    datum = shapes.stored_datum(work.system)
    for (draft, _x, _y), fine, lon, lat in zip(pairs, good.tolist(), lon_e7, lat_e7, strict=True):
        if not fine:
            draft.faults.append(Fault("position", shapes.not_there(work.system).text))
            continue
        draft.values[shape.lon], draft.values[shape.lat] = lon, lat
        if shape.datum and (
            draft.row is None or (getattr(draft.row, shape.lon), getattr(draft.row, shape.lat)) != (lon, lat)
        ):
            draft.values[shape.datum] = datum
        if shape.geometry:
            draft.values[shape.geometry] = shapely.to_wkb(shapely.Point(lon / 1e7, lat / 1e7))


def _number(draft: Draft, name: str) -> float:
    text = str(draft.given.get(name, "")).strip()
    try:
        return float(text)
    except ValueError:
        raise Wrong(f"“{text[:40]}”不是坐标。", f"{text[:40]!r} is no coordinate.") from None


def _of_wkt(text: str) -> Any:
    try:
        return shapely.from_wkt(text)
    except shapely.errors.ShapelyError:
        raise Wrong("WKT 图形无法读取。", "The shape cannot be read as WKT.") from None


def _covered(work: Work, draft: Draft) -> bool:
    """The row as it stands and as it will be both lie in what the actor may manage."""
    if work.actor.kind == "system":
        return True
    ledger = work.ledger
    names = [f"{ledger.scope.platform}_id", ledger.scope.division, *(f"{o}_id" for o in ledger.scope.organisations)]
    will_be = {name: draft.get(name) for name in names if name}
    if not work.reach.covers(will_be):
        return False
    return draft.row is None or work.reach.covers({name: _follow(draft.row, name) for name in names if name})


def _follow(row: Model, path: str) -> Any:
    """``post__platform_id`` of an appointment."""
    value: Any = row
    for name in path.split("__"):
        value = getattr(value, name, None)
    return value


def _before_and_after(work: Work, drafts: Sequence[Draft]) -> None:
    book = work.book
    for model in book.refs:
        cols = [col for col in book.cols.values() if col.ref is model]
        wanted: set[int | None] = {draft.get(col.attname) for draft in drafts for col in cols}
        wanted |= {getattr(draft.row, col.attname) for draft in drafts if draft.row is not None for col in cols}
        work.refs.pks(model, cols[0].ref_key, wanted)
    for draft in drafts:
        probe = book.model(**draft.values) if draft.row is None else _with(draft.row, draft.values)
        draft.after = columns.plain(book, probe, work.refs)
        draft.before = None if draft.row is None else columns.plain(book, draft.row, work.refs)


def _with(row: Model, values: dict[str, Any]) -> Model:
    """A copy of the row with other values."""
    fields = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}
    return type(row)(**{**fields, **values})


def faults_by_column(drafts: Iterable[Draft]) -> dict[str, list[str]]:
    """Sentences by column in the reader's language, for a form."""
    found: dict[str, list[str]] = defaultdict(list)
    for draft in drafts:
        for fault in draft.faults:
            found[fault.column].append(str(fault.message))
    return dict(found)
