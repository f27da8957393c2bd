"""What a reader gives: headers, and rows one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from xiuhua.ledgers.store import FileRefused
from xiuhua.manifest import Text

MOST_COLUMNS = 200
MOST_ROWS = 1_000_000


@dataclass(slots=True)
class Raw:
    """One row as it came: number (of the line in the file), values by header, shape, and what is wrong already."""

    no: int
    values: dict[str, Any]
    geometry: Any = None
    faults: list[Text] = field(default_factory=list)


@dataclass
class Table:
    """``rows`` opens the file anew at each call. ``system``: what the file itself says of its coordinates, '' = nothing.
    ``problem``: why it says nothing that can be used. ``count`` 0 = not known before reading. ``shaped``: rows bring geometries."""

    headers: list[str]
    rows: Callable[[], Iterator[Raw]]
    count: int = 0
    system: str = ""
    problem: Text | None = None
    shaped: bool = False
    encoding: str = ""


def headers_of(cells: Sequence[Any]) -> list[str]:
    """Headers of a table, checked; raises `FileRefused`."""
    found = ["" if cell is None else str(cell).strip().lstrip("\ufeff") for cell in cells]
    while found and not found[-1]:
        found.pop()
    if not found:
        raise FileRefused("第一行应为表头，这里是空的。", "The first line should hold the headers; it is empty.")
    if len(found) > MOST_COLUMNS:
        raise FileRefused(
            f"有{len(found)}列，最多{MOST_COLUMNS}列。请只保留需要的列。",
            f"There are {len(found)} columns, {MOST_COLUMNS} at most. Keep only those that are needed.",
        )
    named = [one for one in found if one]
    twice = sorted({one for one in named if named.count(one) > 1})
    if twice:
        raise FileRefused(f"表头重复：{'、'.join(twice[:5])}。", f"Headers stand twice: {', '.join(twice[:5])}.")
    return found


def too_many_rows() -> FileRefused:
    return FileRefused(
        f"超过{MOST_ROWS:,}行，请分成几个文件。", f"There are more than {MOST_ROWS:,} rows; split the file."
    )
