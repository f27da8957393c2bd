"""``xiuhua procedure check`` and ``procedure publish``: the procedures of all rooms, whole or not at all."""

from __future__ import annotations

import argparse
import sys

from xiuhua.casework import library
from xiuhua.casework.procedures import Library, ProceduresBroken


def _load(words: str, argv: list[str], doc: str) -> Library | None:
    argparse.ArgumentParser(prog=f"xiuhua procedure {words}", description=doc).parse_args(argv)
    try:
        return library.from_rooms()
    except ProceduresBroken as broken:
        for fault in broken.faults:
            print(fault, file=sys.stderr)
        print(f"{len(broken.faults)} faults; nothing was published.", file=sys.stderr)
        return None


def check(argv: list[str]) -> int:
    """Check the procedures of all rooms; every fault with file, line and field."""
    found = _load("check", argv, str(check.__doc__))
    if found is None:
        return 1
    print(f"{len(found.procedures)} procedures are in order.")
    return 0


def publish(argv: list[str]) -> int:
    """Store every procedure whose text changed as its next version."""
    found = _load("publish", argv, str(publish.__doc__))
    if found is None:
        return 1
    for version in library.publish(found):
        print(version)
    return 0
