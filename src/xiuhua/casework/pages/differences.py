"""What differs between two texts, line by line, as pages show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

#: Lines shown around a difference.
AROUND = 3


@dataclass(frozen=True, slots=True)
class Line:
    """``sign``: '+' new, '-' gone, ' ' the same, '…' lines left out; ``number`` counts in the new text, in the old for '-'."""

    sign: str
    number: int
    text: str

    @property
    def added(self) -> bool:
        return self.sign == "+"

    @property
    def removed(self) -> bool:
        return self.sign == "-"


def lines(before: str, after: str) -> tuple[Line, ...]:
    """Empty when nothing differs."""
    return tuple(_lines(before.splitlines(), after.splitlines()))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(AROUND)):
        if number or group[0][3]:
            yield Line("…", 0, "")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (Line(" ", j + 1, new[j]) for j in range(j1, j2))
                continue
            yield from (Line("-", i + 1, old[i]) for i in range(i1, i2))
            yield from (Line("+", j + 1, new[j]) for j in range(j1, j2))
