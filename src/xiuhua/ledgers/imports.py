"""Importing a file into a ledger: received, checked without writing, imported in one transaction (ADR 24).

1. `receive` keeps the file and queues the check; 2. the worker walks the file once and says what would happen (counts,
samples, a report of refused rows that can be mended and sent again); 3. `go` queues the import; 4. the worker walks the
file again and spools good rows to an unnamed temporary file, outside any transaction; 5. one transaction writes them all
with their history and marks the batch. A killed worker leaves nothing: the spool vanishes, the transaction rolls back,
and the outbox row comes again.
"""

from __future__ import annotations

import csv
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import shapely
from django.db import transaction

from xiuhua.casework import moments
from xiuhua.casework import write as outbox_write
from xiuhua.casework.deliver import LEASE
from xiuhua.casework.models import Outbox
from xiuhua.casework.registry import outbox
from xiuhua.city.access import SYSTEM, Actor, actor_for
from xiuhua.ledgers import columns, drafts, readers, registry, shapes, store, write
from xiuhua.ledgers.columns import Book, fold, neutral
from xiuhua.ledgers.declare import Ledger
from xiuhua.ledgers.drafts import Draft, Work
from xiuhua.ledgers.models import Batch
from xiuhua.ledgers.readers import Raw, Table
from xiuhua.ledgers.store import FileRefused, Progress
from xiuhua.manifest import Text

CHUNK = 5000
SAMPLES = 40
#: Files of imports are kept so long, for mending and for proof; the history stays.
KEEP = timedelta(days=30)
#: Headers of a position, folded.
_PLACE = {
    "lon": "lon", "lng": "lon", "longitude": "lon", "经度": "lon", "x": "lon", "横坐标": "lon", "东坐标": "lon",
    "lat": "lat", "latitude": "lat", "纬度": "lat", "y": "lat", "纵坐标": "lat", "北坐标": "lat",
    "wkt": "wkt", "geometry": "wkt", "图形": "wkt", "图形wkt": "wkt", "shape": "wkt", "shapewkt": "wkt",
}  # fmt: skip
#: Columns that the report adds before those of the file; passed over when it is sent again.
REPORT_COLUMNS = ("行号 Row", "问题 Problem")


@dataclass
class Counts:
    """What a walk through a file found; ``samples`` are rows for the page: number, kind, key, sentences."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    refused: int = 0
    noted: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, draft: Draft, key: str) -> None:
        self.rows += 1
        kind = draft.kind
        setattr(self, kind, getattr(self, kind) + 1)
        self.noted += bool(draft.notes)
        said = draft.faults or draft.notes
        wanted = "refused" if draft.faults else "noted" if draft.notes else kind
        if wanted != "same" and sum(one["kind"] == wanted for one in self.samples) < SAMPLES // 4:
            fields = columns_changed(draft) if kind == "changed" else []
            self.samples.append(
                {
                    "no": draft.no,
                    "kind": wanted,
                    "key": key[:80],
                    "said": [[one.column, one.message.zh, one.message.en] for one in said[:5]],
                    "fields": fields,
                }
            )

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def columns_changed(draft: Draft) -> list[str]:
    old, new = draft.before or {}, draft.after or {}
    return [name for name in new if old.get(name) != new.get(name)]


# -- receiving -----------------------------------------------------------------------------------------------------


def receive(ledger: Ledger, actor: Actor, name: str, chunks: Iterable[bytes], options: dict[str, Any]) -> Batch:
    """Keep a file that came in and queue its check. Raises `FileRefused` for one that is too large."""
    suffix = Path(name).suffix.lower()
    if suffix not in (*readers.FORMATS, ".txt", ".tsv"):
        raise FileRefused(
            "只收 CSV、XLSX、GeoJSON、GeoPackage（.gpkg）和 SHP 压缩包（.zip）。",
            "CSV, XLSX, GeoJSON, GeoPackage (.gpkg) and zipped shapefiles are taken.",
        )
    forget_old()
    digest, size = store.put(chunks)
    with transaction.atomic():
        batch = Batch.objects.create(
            ledger=ledger.code,
            kind=Batch.Kind.IMPORT,
            status=Batch.Status.WAITING,
            platform_id=actor.platform_id,
            created_by_id=actor.user_id,
            scopes=None if actor.scopes is None else sorted(actor.scopes),
            created_at=moments.now(),
            file_name=Path(name).name[-200:],
            sha256=digest,
            size=size,
            options=options,
        )
        queue(batch, "ledger_check")
    return batch


def queue(batch: Batch, kind: str) -> None:
    """Hand a batch to the worker; the same step of the same state only once."""
    count = Outbox.objects.filter(key__startswith=f"{kind}:{batch.pk}:").count()
    row = outbox_write.outbox_row(f"{kind}:{batch.pk}:{count + 1}", kind, moments.now())
    row["payload"] = {"batch": str(batch.pk)}
    Outbox.objects.create(**row)


def again(batch: Batch, options: dict[str, Any]) -> bool:
    """Check once more with other options; False when the batch has gone on."""
    with transaction.atomic():
        waiting = Batch.objects.filter(pk=batch.pk, status__in=(Batch.Status.CHECKED, Batch.Status.REFUSED))
        if not waiting.update(status=Batch.Status.WAITING, options=options, error={}, counts={}):
            return False
        queue(batch, "ledger_check")
    return True


def go(batch: Batch, *, only_good: bool) -> bool:
    """Queue the import of a checked batch; False when it is not checked or has refused rows that must be mended."""
    with transaction.atomic():
        found = Batch.objects.select_for_update().filter(pk=batch.pk, status=Batch.Status.CHECKED).first()
        if found is None or not _anything(found.counts) or (found.counts.get("refused") and not only_good):
            return False
        found.status = Batch.Status.QUEUED
        found.options = {**found.options, "only_good": only_good}
        found.save(update_fields=["status", "options"])
        queue(found, "ledger_import")
    return True


def _anything(counts: dict[str, Any]) -> bool:
    return bool(counts.get("new") or counts.get("changed"))


def forget_old() -> None:
    """Remove the bytes of imports after `KEEP`; nobody else names them."""
    before = moments.now() - KEEP
    for batch in Batch.objects.filter(created_at__lt=before).exclude(sha256="", report="").order_by("id")[:50]:
        for digest in {batch.sha256, batch.report} - {""}:
            if not Batch.objects.filter(sha256=digest, created_at__gte=before).exists():
                store.drop(digest)
        Batch.objects.filter(pk=batch.pk).update(sha256="", report="")


# -- the file and its columns --------------------------------------------------------------------------------------


def guess(book: Book, headers: Iterable[str]) -> dict[str, str]:
    """Header of the file -> column of the ledger, by names, titles and aliases; unknown headers are left out."""
    known = book.headers()
    found: dict[str, str] = {}
    for header in headers:
        word = fold(header)
        name = known.get(word) or (_PLACE.get(word) if book.ledger.shape is not None else None)
        if name and name not in found.values() and header not in REPORT_COLUMNS:
            found[header] = name
    return found


def mapping_of(book: Book, batch: Batch, headers: list[str]) -> dict[str, str]:
    """What was chosen, else what is guessed; raises `FileRefused` when the key is not among it."""
    chosen = batch.options.get("mapping")
    found = guess(book, headers) if chosen is None else {h: n for h, n in chosen.items() if n and h in headers}
    needed = [name for name in book.ledger.key if _is_needed(book, name)]
    missing = [book.cols[name] for name in needed if name not in found.values()]
    if missing:
        from django.utils.translation import override

        said = []
        for language in ("zh-hans", "en"):
            with override(language):
                said.append([str(col.title) for col in missing])
        raise FileRefused(
            f"找不到列：{'、'.join(said[0])}。请在下面指定哪一列是它。",
            f"There is no column for: {', '.join(said[1])}. Say below which header it is.",
        )
    return found


def _is_needed(book: Book, name: str) -> bool:
    return book.cols[name].required


def open_batch(batch: Batch) -> Table:
    options = batch.options
    path = store.path_of(batch.sha256) if batch.sha256 else None
    if path is None or not path.exists():
        raise FileRefused("文件已过保存期，请重新上传。", "The file is no longer kept; send it again.")
    return readers.open_table(
        path, batch.file_name, encoding=options.get("encoding") or "auto", layer=options.get("layer") or ""
    )


def system_of(ledger: Ledger, batch: Batch, table: Table, mapping: dict[str, str]) -> str:
    """In which coordinate system the file is; raises `FileRefused` when nobody says."""
    placed = table.shaped or any(name in ("lon", "lat", "wkt") for name in mapping.values())
    chosen = str(batch.options.get("system") or "")
    if ledger.shape is None or not placed:
        return chosen or "cgcs2000"
    if chosen in shapes.SYSTEMS:
        return chosen
    if table.system:
        return table.system
    problem = table.problem or Text(
        "文件有坐标但没有说明坐标系，请自己选定。",
        "The file has coordinates but does not say in which system; choose one.",
    )
    raise FileRefused(problem.zh, problem.en)


def actor_of(batch: Batch) -> Actor:
    """Who sent it, with what he may do now."""
    if batch.created_by is None:
        return SYSTEM
    actor = actor_for(batch.created_by)
    return actor if batch.scopes is None else actor.with_scopes(batch.scopes)


# -- the walk ------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """One way through the file: what was found, and the report of refused rows."""

    batch: Batch
    ledger: Ledger
    work: Work
    table: Table
    mapping: dict[str, str]
    counts: Counts = field(default_factory=Counts)
    report: str = ""


def begin(batch: Batch) -> Walk:
    """Open the file and settle columns and coordinates; raises `FileRefused`."""
    ledger = registry.ledgers()[batch.ledger]
    actor = actor_of(batch)
    if actor.kind != "system" and not actor.has(ledger.manage):
        raise FileRefused("您已没有维护这本台账的权限。", "You may no longer manage this ledger.")
    table = open_batch(batch)
    Batch.objects.filter(pk=batch.pk).update(headers=table.headers)
    book = columns.book(ledger)
    mapping = mapping_of(book, batch, table.headers)
    system = system_of(ledger, batch, table, mapping)
    work = Work(ledger, actor, system=system, source=batch.file_name[:200])
    return Walk(batch, ledger, work, table, mapping)


def chunks(walk: Walk, progress: Progress, alive: Any = None) -> Iterator[list[Draft]]:
    """Checked drafts, `CHUNK` at a time; counts and the report grow as they pass."""
    rows = walk.table.rows()
    with tempfile.TemporaryDirectory(prefix="xiuhua-report-") as folder:
        path = Path(folder) / "report.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            shaped = walk.table.shaped
            writer.writerow([*REPORT_COLUMNS, *map(neutral, walk.table.headers), *(["wkt"] if shaped else [])])
            while part := list(islice(rows, CHUNK)):
                made = [_draft(walk, raw) for raw in part]
                drafts.check(walk.work, made, by_key=True)
                for raw, draft in zip(part, made, strict=True):
                    walk.counts.add(draft, _key(walk, draft))
                    if draft.faults:
                        writer.writerow(_report_row(walk, raw, draft, shaped))
                yield made
                progress(walk.counts.rows)
                if alive:
                    alive()
        if walk.counts.refused:
            walk.report, _size = store.put_file(path)


def _draft(walk: Walk, raw: Raw) -> Draft:
    given = {name: raw.values[header] for header, name in walk.mapping.items() if header in raw.values}
    draft = Draft(raw.no, given, geometry=raw.geometry)
    for said in raw.faults:
        draft.fault("", said.zh, said.en)
    return draft


def _key(walk: Walk, draft: Draft) -> str:
    return " · ".join(str(draft.given.get(name, "")) for name in walk.ledger.key if draft.given.get(name))


def _report_row(walk: Walk, raw: Raw, draft: Draft, shaped: bool) -> list[Any]:
    """The row as it came, after its number and what is wrong with it."""
    titles = {header: name for name, header in ((n, h) for h, n in walk.mapping.items())}
    by_name = {"position": "位置 Position"} | {name: header for header, name in titles.items()}
    said = "；".join(
        f"{by_name.get(f.column, '')}{'：' if by_name.get(f.column) else ''}{f.message.zh} {f.message.en}"
        for f in draft.faults
    )
    row = [raw.no, neutral(said), *(neutral(_cell(raw.values.get(header))) for header in walk.table.headers)]
    if shaped:
        row.append("" if raw.geometry is None else shapely.to_wkt(raw.geometry, rounding_precision=9))
    return row


def _cell(value: Any) -> Any:
    return "" if value is None else value if isinstance(value, int | float) else str(value)


# -- what the worker does ------------------------------------------------------------------------------------------


def _alive(row: Outbox | None) -> Any:
    """Keeps the worker's lease while a long walk goes on."""
    if row is None:
        return None

    def renew() -> None:
        Outbox.objects.filter(pk=row.pk, done_at__isnull=True).update(lease_until=moments.now() + LEASE)

    return renew


def check(batch: Batch, row: Outbox | None = None) -> None:
    """The dry run: what would happen, written to the batch; a file that cannot be used is refused with the reason."""
    if batch.status != Batch.Status.WAITING:
        return
    progress = Progress(batch.pk, "check")
    now = Batch.objects.filter(pk=batch.pk, status=Batch.Status.WAITING)
    try:
        walk = begin(batch)
        progress.total = walk.table.count
        for _part in chunks(walk, progress, _alive(row)):
            pass
    except FileRefused as refused:
        now.update(status=Batch.Status.REFUSED, error=_both(refused), checked_at=moments.now())
        return
    finally:
        progress.end()
    options = {
        **batch.options,
        "mapping": walk.mapping,
        "system": walk.work.system,
        "encoding_found": walk.table.encoding,
    }
    now.update(
        status=Batch.Status.CHECKED,
        counts=walk.counts.as_json(),
        report=walk.report,
        options=options,
        checked_at=moments.now(),
    )


def _both(refused: FileRefused | write.Conflict) -> dict[str, str]:
    return {"zh": refused.text.zh, "en": refused.text.en}


def run(batch: Batch, row: Outbox | None = None) -> None:
    """Check again and write all good rows in one transaction; refused wholly when a row is, unless only good ones are wanted."""
    if batch.status != Batch.Status.QUEUED:
        return
    progress = Progress(batch.pk, "read", batch.counts.get("rows", 0))
    with tempfile.TemporaryFile(prefix="xiuhua-import-") as spool:
        try:
            walk = begin(batch)
            parts = 0
            for part in chunks(walk, progress, _alive(row)):
                good = [draft for draft in part if draft.kind in ("new", "changed")]
                for draft in good:
                    draft.given, draft.geometry = {}, None
                pickle.dump(good, spool, protocol=pickle.HIGHEST_PROTOCOL)
                parts += 1
            if walk.counts.refused and not batch.options.get("only_good"):
                raise FileRefused(
                    f"现在有{walk.counts.refused}行不能导入，请重新检查。",
                    f"{walk.counts.refused} rows cannot be imported now; check the file again.",
                )
            spool.seek(0)
            progress = Progress(batch.pk, "write", walk.counts.new + walk.counts.changed)
            _write(walk, (pickle.load(spool) for _part in range(parts)), progress)  # noqa: S301  # our own file of a moment ago
        except (FileRefused, write.Conflict) as refused:
            Batch.objects.filter(pk=batch.pk, status=Batch.Status.QUEUED).update(
                status=Batch.Status.REFUSED, error=_both(refused)
            )
        finally:
            progress.end()


def _write(walk: Walk, parts: Iterator[list[Draft]], progress: Progress) -> None:
    """One transaction: rows, history, and the mark on the batch, which also keeps a second worker out."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=walk.batch.pk)
        if batch.status != Batch.Status.QUEUED:
            return
        done = 0
        for part in parts:
            write.apply(walk.work, part, batch=str(batch.pk))
            done += len(part)
            progress(done)
        batch.status, batch.done_at = Batch.Status.DONE, moments.now()
        batch.counts, batch.report = walk.counts.as_json(), walk.report
        batch.save(update_fields=["status", "done_at", "counts", "report"])


def _batch(row: Outbox) -> Batch:
    return Batch.objects.select_related("created_by").get(pk=int(row.payload["batch"]))


@outbox("ledger_check")
def on_check(row: Outbox) -> None:
    """Look through a file that came in."""
    check(_batch(row), row)


@outbox("ledger_import")
def on_import(row: Outbox) -> None:
    """Import a checked file."""
    run(_batch(row), row)


@outbox("ledger_undo")
def on_undo(row: Outbox) -> None:
    """Undo a batch."""
    from xiuhua.ledgers import undo

    undo.run(_batch(row))
