"""``xiuhua backup FOLDER``: database and files, taken while the service runs.

    FOLDER/files/ab/cd/<sha256>      bytes of all backups, each once: only new ones are copied
    FOLDER/20261126T031500Z/         one backup: manifest.json, database.sqlite3 or database.dump, files.list, kept/…

1. The database is copied as of one instant (SQLite: online backup; PostgreSQL: pg_dump on an exported snapshot).
2. Files are copied after it: bytes are always stored before their row, so all that the copy names are there, except
   what was erased in between, which is said. Each is hashed on its way and must fit its name.
3. The manifest goes last and the folder gets its name by one rename: what is there is whole.

Keys are not in a backup; the manifest says which are needed. Thumbnails are not either: they are made again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework import files, log_reader, text_index
from xiuhua.city import crypto
from xiuhua.ops import growth, postgres
from xiuhua.ops.postgres import ToolFault

FORMAT = "xiuhua-backup-1"
STORE, MANIFEST, LIST, KEPT = "files", "manifest.json", "files.list", "kept"
#: Small folders of DATA_DIR that go into every backup whole.
FOLDERS = ("anchors", "rules")
CHUNK = 1 << 20

KEYS = (
    "XIUHUA_DATA_KEY is NOT in this backup. Without it the personal data in it can never be read. Keep it apart, "
    "in two places, and not beside the backups.",
    "XIUHUA_SECRET_KEY is NOT in this backup. With another one everybody signs in anew; nothing else is lost.",
    "The password of the database, certificates and the unit files of the server are NOT in this backup.",
    "The words of cases are in it as they are: protect this folder like the server itself.",
)


class BackupFault(Exception):
    """Nothing was kept, or what was read is not right; the message is for the operator."""


@dataclass
class Manifest:
    """What a backup holds. ``tables``: rows by table; ``anchor``: "ID:DIGEST" of the newest, or ""."""

    format: str
    made_at: str
    engine: str
    version: str
    database: str
    database_sha256: str
    database_bytes: int
    key_id: str
    files: int
    files_bytes: int
    files_new: int
    files_list_sha256: str
    tables: dict[str, int]
    anchor: str
    migrations: list[str]
    kept: dict[str, str]
    erased_meanwhile: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    not_included: tuple[str, ...] = KEYS


@dataclass(frozen=True)
class Copied:
    """The database as of one instant, and what it says about itself."""

    name: str
    tables: dict[str, int]
    anchor: str
    migrations: list[str]
    named: frozenset[str]


def backup(target: Path, *, keep: int = 0) -> tuple[Path, Manifest]:
    """Make one backup under ``target`` and return its folder and manifest; then, with ``keep``, thin out older ones.

    Raises `BackupFault` or `ToolFault`; then nothing is left but bytes in the common store, which the next one uses.
    """
    now = datetime.now(UTC)
    if settings.DATA_DIR in (target.absolute(), *target.absolute().parents):
        raise BackupFault("a backup must not lie in the data folder that it is a backup of")
    (target / STORE).mkdir(parents=True, exist_ok=True, mode=0o700)
    making = target / f".making-{now:%Y%m%dT%H%M%S}-{os.getpid()}"
    making.mkdir(mode=0o700)
    try:
        connection = connections["default"]
        copied = _sqlite(connection, making) if connection.vendor == "sqlite" else _postgres(connection, making)
        digest, size = file_digest(making / copied.name)
        store = _copy_files(target / STORE, copied.named)
        listing = "".join(f"{name} {length}\n" for name, length in sorted(store.listed.items()))
        (making / LIST).write_text(listing, "ascii")
        manifest = Manifest(
            format=FORMAT,
            made_at=now.isoformat(timespec="seconds"),
            engine=connection.vendor,
            version=_version(),
            database=copied.name,
            database_sha256=digest,
            database_bytes=size,
            key_id=crypto.key_id(settings.DATA_KEY),
            files=len(store.listed),
            files_bytes=sum(store.listed.values()),
            files_new=store.new,
            files_list_sha256=hashlib.sha256(listing.encode()).hexdigest(),
            tables=copied.tables,
            anchor=copied.anchor,
            migrations=copied.migrations,
            kept=_keep_folders(making),
            erased_meanwhile=sorted(copied.named - set(store.listed) - set(store.damaged)),
            damaged=store.damaged,
        )
        (making / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n", "utf-8")
        _sync(making)
        final = _free_name(target, now)
        making.rename(final)
        _sync_folder(target)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    if keep:
        thin_out(target, keep)
    # A disk too full for one more line must not turn a whole backup into a failed one.
    with contextlib.suppress(OSError):
        growth.record()
    return final, manifest


def _free_name(target: Path, now: datetime) -> Path:
    name = target / f"{now:%Y%m%dT%H%M%SZ}"
    return name if not name.exists() else target / f"{now:%Y%m%dT%H%M%S}{now.microsecond:06d}Z"


def _version() -> str:
    from importlib.metadata import version

    return version("xiuhua")


# -- the database --------------------------------------------------------------------------------------------------


def _sqlite(connection: BaseDatabaseWrapper, folder: Path) -> Copied:
    """One step of the online backup reads one snapshot of the write-ahead log: writers go on meanwhile."""
    path = folder / "database.sqlite3"
    path.touch(0o600)
    live = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(live, timeout=20)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")

        def ask(sql: str) -> list[tuple[Any, ...]]:
            return copy.execute(sql).fetchall()

        names = [name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
        own = [name for name in names if not (name.startswith("sqlite_") or text_index.is_part(name))]
        return _told(path.name, {name: ask(f'SELECT count(*) FROM "{name}"')[0][0] for name in own}, ask)


def _postgres(connection: BaseDatabaseWrapper, folder: Path) -> Copied:
    path = folder / "database.dump"
    path.touch(0o600)
    with log_reader.snapshot(connection), connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        postgres.run(
            connection, "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
            f"--snapshot={snapshot}", f"--file={path}",
        )  # fmt: skip
        tables = {}
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")
            tables[name] = cursor.fetchone()[0]

        def ask(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        return _told(path.name, tables, ask)


def _told(name: str, tables: dict[str, int], ask: Any) -> Copied:
    anchors = ask("SELECT id, digest FROM casework_anchor ORDER BY id DESC LIMIT 1")
    return Copied(
        name,
        tables,
        f"{anchors[0][0]}:{anchors[0][1]}" if anchors else "",
        [f"{app}.{migration}" for app, migration in ask("SELECT app, name FROM django_migrations ORDER BY app, name")],
        frozenset(digest for (digest,) in ask("SELECT DISTINCT sha256 FROM casework_attachment")),
    )


# -- files ---------------------------------------------------------------------------------------------------------


@dataclass
class _Store:
    listed: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    new: int = 0


def _copy_files(store: Path, named: frozenset[str]) -> _Store:
    """Every file of the house that the store lacks. What does not fit its own name is not taken, and named."""
    done = _Store()
    for digest, size in every_file(files.root()):
        there = place(store, digest)
        if there.exists() and there.stat().st_size == size:
            done.listed[digest] = size
            continue
        try:
            done.listed[digest] = copy_checked(files.path_of(digest), there, digest)
        except FileNotFoundError:  # erased meanwhile
            continue
        except BackupFault:
            done.damaged.append(digest)
            continue
        done.new += 1
    # A file whose bytes went bad after an earlier backup is still good there.
    for digest in named - set(done.listed) - set(done.damaged):
        if not files.path_of(digest).exists():
            continue
        done.listed[digest] = copy_checked(files.path_of(digest), place(store, digest), digest)
        done.new += 1
    return done


def place(store: Path, digest: str) -> Path:
    return store / digest[:2] / digest[2:4] / digest


def every_file(root: Path) -> Iterator[tuple[str, int]]:
    """Digest and size of all stored files."""
    for folder, _folders, names in os.walk(root):
        for name in names:
            if len(name) == 64 and not set(name) - set("0123456789abcdef"):
                try:
                    yield name, Path(folder, name).stat().st_size
                except FileNotFoundError:
                    continue


def copy_checked(source: Path, target: Path, digest: str) -> int:
    """Copy, synced and whole or not at all; `BackupFault` when the bytes do not have the digest. Returns the size."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    part = target.with_name(f".{target.name[:16]}-{os.getpid()}.part")
    found, size = hashlib.sha256(), 0
    try:
        with source.open("rb") as read, part.open("wb") as write:
            while chunk := read.read(CHUNK):
                found.update(chunk)
                size += len(chunk)
                write.write(chunk)
            write.flush()
            os.fsync(write.fileno())
        if found.hexdigest() != digest:
            raise BackupFault(f"{source} does not hold what its name says: it is damaged")
        part.chmod(0o640)
        part.replace(target)
        return size
    finally:
        part.unlink(missing_ok=True)


def _keep_folders(folder: Path) -> dict[str, str]:
    """Copy the small folders; path -> digest."""
    kept = {}
    for name in FOLDERS:
        base = Path(settings.DATA_DIR) / name
        for source in sorted(p for p in base.rglob("*") if p.is_file()):
            inside = f"{name}/{source.relative_to(base).as_posix()}"
            target = folder / KEPT / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            kept[inside] = file_digest(target)[0]
    return kept


def file_digest(path: Path) -> tuple[str, int]:
    """SHA-256 and size."""
    found, size = hashlib.sha256(), 0
    with path.open("rb") as read:
        while chunk := read.read(CHUNK):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size


def _sync(folder: Path) -> None:
    for path in (*(p for p in folder.rglob("*")), folder):
        _sync_folder(path)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -- old ones ------------------------------------------------------------------------------------------------------


def backups(target: Path) -> list[Path]:
    """The whole backups under a folder, oldest first."""
    return sorted(p.parent for p in target.glob(f"[0-9]*Z/{MANIFEST}"))


def read_list(folder: Path) -> dict[str, int]:
    """Digest -> size of the files of a backup."""
    lines = (folder / LIST).read_text("ascii").split("\n")
    return {name: int(size) for line in lines if line for name, size in [line.split(" ")]}


def thin_out(target: Path, keep: int) -> int:
    """Keep the newest ``keep`` backups; the bytes that only older ones name go too. Returns the backups removed.

    What was erased in the house is thereby forgotten here as well, once the last backup that knew it is gone.
    """
    if keep < 1:
        raise ValueError("at least one backup is kept")
    old, kept = backups(target)[:-keep], backups(target)[-keep:]
    needed: set[str] = set()
    for folder in kept:
        needed |= set(read_list(folder))
    for folder in old:
        shutil.rmtree(folder)
    if old:
        for digest, _size in list(every_file(target / STORE)):
            if digest not in needed:
                place(target / STORE, digest).unlink(missing_ok=True)
    return len(old)


# -- command -------------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Copy database and files to a folder, while the service runs."""
    parser = argparse.ArgumentParser(prog="xiuhua backup", description=main.__doc__)
    parser.add_argument(
        "folder", type=Path, help="where backups are kept; the same each time, so only new files are copied"
    )
    parser.add_argument("--keep", type=int, default=0, metavar="N", help="afterwards keep only the newest N backups")
    parser.add_argument("--json", action="store_true", help="print the manifest and the folder as JSON")
    options = parser.parse_args(argv)
    if options.keep < 0:
        parser.error("--keep takes a number of backups, at least 1")
    try:
        folder, manifest = backup(options.folder, keep=options.keep)
    except (BackupFault, ToolFault, OSError, sqlite3.Error) as error:
        print(f"xiuhua backup: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({"folder": str(folder), **asdict(manifest)}, ensure_ascii=False))
    else:
        _show(folder, manifest)
    return 1 if manifest.damaged else 0


def _show(folder: Path, manifest: Manifest) -> None:
    rows = sum(manifest.tables.values())
    megabytes = manifest.database_bytes / 2**20
    print(f"{folder}: {rows:,} rows of {len(manifest.tables)} tables ({megabytes:,.1f} MiB), {manifest.files:,} files")
    print(f"{manifest.files_new:,} files were new and copied. Newest anchor: {manifest.anchor or 'none yet'}")
    print(f"Digest of the manifest, to be noted apart: {file_digest(folder / MANIFEST)[0]}")
    _several("erased while the backup was made", manifest.erased_meanwhile)
    _several("DAMAGED and not taken (their bytes do not fit their name)", manifest.damaged)
    for sentence in manifest.not_included:
        print(f"! {sentence}")


def _several(what: str, digests: Iterable[str]) -> None:
    for digest in digests:
        print(f"{what}: {digest}", file=sys.stderr)
