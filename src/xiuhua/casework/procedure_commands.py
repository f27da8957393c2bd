"""``xiuhua procedure check`` and ``procedure publish``: the procedures of all rooms and of named files, whole or not at
all. What is wrong is said in the terminal's language.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from django.db import transaction

from xiuhua import cli
from xiuhua.casework import library, rule_files
from xiuhua.casework.procedures import Library, ProceduresBroken
from xiuhua.casework.yaml_source import ProcedureFault, SourceFile
from xiuhua.manifest import Text

#: Larger is no procedure.
MOST_BYTES = 2**20


def _source(name: str) -> SourceFile:
    """The file's text; raises `ProceduresBroken` for what cannot be read as text."""
    path = Path(name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _unreadable(name, Text("文件过大，不是流程文件", "the file is too large to be a procedure"))
        return SourceFile(name, path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise _unreadable(name, Text("文件不是 UTF-8 文本", "the file is not UTF-8 text")) from None
    except OSError as error:
        said = Text(f"无法读取文件（{error.strerror}）", f"the file cannot be read ({error.strerror})")
        raise _unreadable(name, said) from None


def _unreadable(name: str, said: Text) -> ProceduresBroken:
    return ProceduresBroken([ProcedureFault(name, 1, 1, "", said)])


def _load(words: str, argv: list[str], doc: str) -> tuple[Library, list[SourceFile]] | None:
    parser = argparse.ArgumentParser(prog=f"xiuhua procedure {words}", description=doc)
    parser.add_argument("files", nargs="*", metavar="FILE", help="a city's own procedure or override (YAML)")
    names = parser.parse_args(argv).files
    try:
        sources = [_source(name) for name in names]
        return library.from_rooms(sources), sources
    except ProceduresBroken as broken:
        language = cli.terminal_language()
        for fault in broken.faults:
            print(fault.in_language(language), file=sys.stderr)
        count = len(broken.faults)
        print(
            Text(f"共 {count} 处错误，未发布任何流程。", f"{count} faults; nothing was published.").in_language(
                language
            ),
            file=sys.stderr,
        )
        return None


def check(argv: list[str]) -> int:
    """Check the procedures of all rooms, of the city and of the named files; every fault with file, line and field."""
    found = _load("check", argv, str(check.__doc__))
    if found is None:
        return 1
    count = len(found[0].procedures)
    print(Text(f"{count} 个流程均正确。", f"{count} procedures are in order.").in_language(cli.terminal_language()))
    return 0


def publish(argv: list[str]) -> int:
    """Store every procedure whose text changed, of rooms and named files, as its next version.

    A named file becomes the city's own, as if it had been published in the application.
    """
    with transaction.atomic():
        rule_files.begin()
        found = _load("publish", argv, str(publish.__doc__))
        if found is None:
            return 1
        made, sources = found
        row = None
        for source in sources:
            name = str(library.name_of(source))
            last = rule_files.versions(library.KIND, name).first()
            if last is None or last.text != source.text:
                row = rule_files.store(library.KIND, name, source.text, by=None, reason="xiuhua procedure publish")
        for version in library.publish(made, row):
            print(version)
    return 0
