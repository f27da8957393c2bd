"""``xiuhua categories import`` and ``xiuhua categories gaps``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from xiuhua.city import category_files
from xiuhua.city.category_files import CategoryFilesError, ClassRow


def import_main(argv: list[str]) -> int:
    """Import a folder of category lists; exit code 1 and every fault on stderr when it cannot be used."""
    parser = argparse.ArgumentParser(prog="xiuhua categories import", description=import_main.__doc__)
    parser.add_argument("--folder", type=Path, default=category_files.FOLDER)
    parser.add_argument("--check", action="store_true", help="only read and report, change nothing")
    options = parser.parse_args(argv)
    try:
        if options.check:
            for scheme in category_files.read(options.folder).values():
                print(f"{scheme.meta.code}: {len(scheme.classes)} classes can be imported")
            return 0
        from xiuhua.city.category_import import import_folder

        done = import_folder(options.folder)
    except CategoryFilesError as error:
        print(error, file=sys.stderr)
        return 1
    for one in done:
        state = f"is now version {one.version}" if one.changed else f"unchanged at version {one.version}"
        print(
            f"{one.scheme}: {state}; {one.classes} classes, {one.fileable} of {one.conditions} conditions "
            "can be filed under"
        )
    return 0


def gaps_main(argv: list[str]) -> int:
    """List what a derived scheme lacks, and the classes under which nothing can be filed."""
    parser = argparse.ArgumentParser(prog="xiuhua categories gaps", description=gaps_main.__doc__)
    parser.add_argument("--folder", type=Path, default=category_files.FOLDER)
    parser.add_argument("--scheme", default="2013")
    options = parser.parse_args(argv)
    try:
        schemes = category_files.read(options.folder)
    except CategoryFilesError as error:
        print(error, file=sys.stderr)
        return 1
    if options.scheme not in schemes:
        print(f"no scheme {options.scheme!r}; there are {', '.join(schemes)}", file=sys.stderr)
        return 1
    found = category_files.gaps(schemes, options.scheme)
    if found.base:
        print(f"{len(found.without_number)} classes of {found.base} carry no number of {found.scheme}:")
        _print_classes(found.without_number)
        count = sum(len(codes) for codes in found.never_seen.values())
        print(f"{count} numbers of {found.scheme} below the highest known one were never seen:")
        for (kind, major), codes in found.never_seen.items():
            print(f"  {kind} {major}: {' '.join(codes)}")
    print(f"{len(found.not_fileable)} classes of {found.scheme} have no condition to file under:")
    _print_classes(found.not_fileable)
    return 0


def _print_classes(rows: tuple[ClassRow, ...]) -> None:
    for row in rows:
        print(f"  {row.kind} {row.code} {row.zh} / {row.en}")
