"""``xiuhua ledger …``: what the pages do, for big files and for scripts. Runs as the system."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from xiuhua.city.access import SYSTEM
from xiuhua.ledgers import columns, exports, imports, readers, registry, scope, shapes, undo
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.models import Batch
from xiuhua.ledgers.store import FileRefused


def list_main(argv: list[str]) -> int:
    """List the ledgers."""
    argparse.ArgumentParser(prog="xiuhua ledger list", description=list_main.__doc__).parse_args(argv)
    for ledger in registry.ledgers().values():
        count = registry.model_of(ledger)._default_manager.count()
        print(f"{ledger.code:<16} {count:>9,}  {ledger.title.en} / {ledger.title.zh}")
    return 0


def _ledger(code: str) -> Ledger:
    found = registry.ledgers().get(code)
    if found is None:
        raise SystemExit(f"xiuhua ledger: there is no ledger {code!r}; `xiuhua ledger list` names them")
    return found


def import_main(argv: list[str]) -> int:
    """Check a file against a ledger, and with --go import it. Exit code 1 when rows are refused, 2 for the whole file."""
    parser = argparse.ArgumentParser(prog="xiuhua ledger import", description=import_main.__doc__)
    parser.add_argument("ledger")
    parser.add_argument("file", type=Path, help=" ".join(readers.FORMATS))
    parser.add_argument("--system", default="", choices=["", *shapes.SYSTEMS], help="coordinate system of the file")
    parser.add_argument("--encoding", default="auto", choices=["auto", "utf-8", "gb18030"])
    parser.add_argument("--layer", default="", help="layer of a GeoPackage, sheet of a workbook")
    parser.add_argument("--go", action="store_true", help="import, not only check")
    parser.add_argument("--only-good", action="store_true", help="import the good rows although others are refused")
    parser.add_argument("--report", type=Path, help="where to write the report of refused rows")
    options = parser.parse_args(argv)
    ledger = _ledger(options.ledger)
    chosen = {"system": options.system, "encoding": options.encoding, "layer": options.layer}
    try:
        with options.file.open("rb") as file:
            batch = imports.receive(ledger, SYSTEM, options.file.name, iter(lambda: file.read(1 << 20), b""), chosen)
    except (OSError, FileRefused) as error:
        print(f"xiuhua ledger import: {error}", file=sys.stderr)
        return 2
    imports.check(batch)
    batch.refresh_from_db()
    _say(batch, options.report)
    if batch.status != Batch.Status.CHECKED:
        return 2
    if options.go:
        if not imports.go(batch, only_good=options.only_good):
            print("nothing was imported", file=sys.stderr)
            return 1
        batch.refresh_from_db()
        imports.run(batch)
        batch.refresh_from_db()
        print(f"batch {batch.pk}: {batch.status}")
        if batch.status != Batch.Status.DONE:
            print(batch.error.get("en", ""), file=sys.stderr)
            return 2
    return 1 if batch.counts.get("refused") else 0


def _say(batch: Batch, report: Path | None) -> None:
    if batch.error:
        print(f"refused: {batch.error['en']}", file=sys.stderr)
        return
    counts = batch.counts
    print(", ".join(f"{counts[name]:,} {name}" for name in ("rows", "new", "changed", "same", "refused")))
    for one in counts["samples"]:
        for column, _zh, en in one["said"]:
            print(f"  row {one['no']} {one['key']}: {column}: {en}")
    if report is not None and batch.report:
        from xiuhua.ledgers import store

        report.write_bytes(store.path_of(batch.report).read_bytes())


def export_main(argv: list[str]) -> int:
    """Write a whole ledger to a file; its ending says the format."""
    parser = argparse.ArgumentParser(prog="xiuhua ledger export", description=export_main.__doc__)
    parser.add_argument("ledger")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(argv)
    ledger = _ledger(options.ledger)
    form = options.file.suffix.lstrip(".").lower()
    if form not in exports.formats(ledger):
        print(f"xiuhua ledger export: use one of {', '.join(exports.formats(ledger))}", file=sys.stderr)
        return 2
    exports.to_file(columns.book(ledger), scope.visible(ledger, SYSTEM), form, options.file)
    return 0


def undo_main(argv: list[str]) -> int:
    """Undo a batch: every row as it was before."""
    parser = argparse.ArgumentParser(prog="xiuhua ledger undo", description=undo_main.__doc__)
    parser.add_argument("batch", type=int)
    options = parser.parse_args(argv)
    batch = Batch.objects.filter(pk=options.batch).first()
    if batch is None or not undo.ask(batch, SYSTEM):
        print("xiuhua ledger undo: there is no such batch, or it is not done", file=sys.stderr)
        return 2
    batch.refresh_from_db()
    undo.run(batch)
    batch.refresh_from_db()
    print(batch.status if batch.status == Batch.Status.UNDONE else batch.error.get("en", batch.status))
    return 0 if batch.status == Batch.Status.UNDONE else 1
