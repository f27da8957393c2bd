"""YAML read with its places: every value knows file, line and column, so that a fault can name the exact
spot.

The dialect is a small and safe part of YAML 1.2: no tags, no anchors or aliases, ``true``/``false`` are the
only booleans (``yes`` and ``no`` are words), numbers with a leading zero stay text (codes), fractions
become `Decimal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from xiuhua.manifest import Text

Path = tuple[str | int, ...]

MAX_SOURCE_CHARS = 1_000_000
MAX_DEPTH = 40

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+")
_NULL = {"", "~", "null"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ProcedureFault:
    """One thing wrong with a procedure, at an exact place, said in both languages."""

    file: str
    line: int
    column: int
    field: str
    message: Text

    def __str__(self) -> str:
        return self.in_language("en")

    def in_language(self, language: str) -> str:
        """``city.yaml:12:5: actions.file.by: …``"""
        return f"{self.file}:{self.line}:{self.column}: {self.field or '-'}: {self.message.in_language(language)}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The text of one procedure or override and the name by which faults speak of it."""

    name: str
    text: str


class SourcesBroken(Exception):
    """Nothing of these sources takes effect; `faults` lists everything that is wrong, by file and line."""

    def __init__(self, faults: Iterable[ProcedureFault]) -> None:
        self.faults = tuple(sorted(set(faults), key=lambda f: (f.file, f.line, f.column, f.field, f.message.en)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(slots=True)
class Source:
    """Plain data (dict, list, str, int, Decimal, bool, None) and the place of every node by its path."""

    data: Any
    marks: dict[Path, Mark] = field(default_factory=dict)

    def mark(self, path: Path) -> Mark:
        """The place of the node, or of the nearest parent that is written down."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.marks:
                return self.marks[path[:end]]
        return Mark("", 1, 1)

    def fault(self, path: Path, zh: str, en: str) -> ProcedureFault:
        mark = self.mark(path)
        return ProcedureFault(mark.file, mark.line, mark.column, dotted(path), Text(zh, en))

    def sub_marks(self, path: Path) -> Iterator[tuple[Path, Mark]]:
        """Paths below (and at) ``path``, relative to it, with their places."""
        size = len(path)
        for full, mark in self.marks.items():
            if full[:size] == path:
                yield full[size:], mark


def dotted(path: Path) -> str:
    """``("actions", "file", "form", 0)`` -> ``actions.file.form[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def read(source: SourceFile) -> tuple[Source, list[ProcedureFault]]:
    """Parse one source; the data is whole only when the list of faults is empty."""
    tree = Source(None)
    faults: list[ProcedureFault] = []

    def say(line: int, column: int, path: Path, zh: str, en: str) -> None:
        faults.append(ProcedureFault(source.name, line, column, dotted(path), Text(zh, en)))

    if len(source.text) > MAX_SOURCE_CHARS:
        say(1, 1, (), "文件过大", "the file is too large")
        return tree, faults
    try:
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        line, column = (place.line + 1, place.column + 1) if place else (1, 1)
        problem = error.problem or error.context or "syntax error"
        say(line, column, (), f"YAML 语法错误：{problem}", f"YAML syntax error: {problem}")
        return tree, faults
    except yaml.YAMLError as error:  # characters that YAML does not allow carry no mark
        before = source.text[: getattr(error, "position", 0)]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        say(
            line,
            column,
            (),
            "文件含有 YAML 不允许的字符",
            "the file has a character that YAML does not allow",
        )
        return tree, faults
    except RecursionError:
        say(1, 1, (), "嵌套层数过多", "the file is nested too deeply")
        return tree, faults
    if root is None:
        say(1, 1, (), "文件为空", "the file is empty")
        return tree, faults

    seen: set[int] = set()

    def convert(node: yaml.Node, path: Path) -> Any:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        tree.marks.setdefault(path, Mark(source.name, line, column))
        if id(node) in seen:
            say(line, column, path, "不允许使用锚点和别名（& *）", "anchors and aliases (& *) are not allowed")
            return None
        seen.add(id(node))
        if len(path) > MAX_DEPTH:
            say(line, column, path, "嵌套层数过多", "nested too deeply")
            return None
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            say(line, column, path, f"不允许使用标签 {node.tag}", f"tag {node.tag} is not allowed")
            return None
        if isinstance(node, yaml.MappingNode):
            return convert_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [convert(item, (*path, index)) for index, item in enumerate(node.value)]
        return scalar(node.value, plain=not getattr(node, "style", None))

    def convert_mapping(node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
            if not isinstance(key_node, yaml.ScalarNode):
                say(line, column, path, "键必须是文字", "a key must be text")
                continue
            key = str(key_node.value)
            if key in found:
                first = tree.marks[(*path, key)].line
                say(
                    line,
                    column,
                    (*path, key),
                    f"键“{key}”重复，第一次出现在第 {first} 行",
                    f"key {key!r} is written twice; first on line {first}",
                )
                continue
            tree.marks[(*path, key)] = Mark(source.name, line, column)
            found[key] = convert(value_node, (*path, key))
        return found

    tree.data = convert(root, ())
    if not isinstance(tree.data, Mapping):
        faults.append(tree.fault((), "文件应为键值对", "the file must be a mapping of keys to values"))
    return tree, faults


def scalar(value: str, *, plain: bool) -> str | int | bool | Decimal | None:
    """The meaning of one scalar; quoted and block scalars are always text."""
    if not plain:
        return value
    if value in _NULL:
        return None
    if value in ("true", "false"):
        return value == "true"
    if _INTEGER.fullmatch(value):
        return int(value)
    if _FRACTION.fullmatch(value):
        return Decimal(value)
    return value
