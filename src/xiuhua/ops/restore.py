"""``xiuhua restore FOLDER``: a backup into the database and data folder that the environment names, and verified there.

Nothing is touched before the backup itself was read and found whole (manifest, digest of the database, every file it
lists) and the target found empty, or ``--force`` given. Bytes come before rows. Afterwards rows are counted table by
table against the manifest, and the whole log is verified with the backup's newest anchor.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from xiuhua.casework import files, text_index, verify
from xiuhua.casework.anchor_files import read_anchor
from xiuhua.city import crypto
from xiuhua.ops import backup, postgres
from xiuhua.ops.backup import BackupFault, file_digest, place
from xiuhua.ops.postgres import ToolFault


class RestoreRefused(Exception):
    """Nothing was changed; the message says why and what would help."""


@dataclass
class Restored:
    """What a restore brought back. ``different``: tables whose rows are not as many as the backup says."""

    tables: int
    rows: int
    files: int
    files_copied: int
    different: list[str]
    report: verify.Report
    migrated: bool = False
    missing_files: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.report.ok and not self.different and not self.missing_files


def restore(folder: Path, *, force: bool = False) -> Restored:
    """Bring one backup back. Raises `RestoreRefused` before anything is changed, `ToolFault` when the database failed."""
    folder = _chosen(folder)
    manifest, listed = read(folder)
    connection = connections["default"]
    _fits(manifest, connection)
    if connection.vendor == "sqlite":  # it makes files, not folders
        Path(connection.settings_dict["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    filled = _filled(connection)
    if filled and not force:
        raise RestoreRefused(f"the target is not empty ({filled}); --force throws it away")
    copied = _files_back(folder.parent / backup.STORE, listed)
    for name in manifest["kept"]:
        target = Path(settings.DATA_DIR) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / backup.KEPT / name, target)
    source = folder / manifest["database"]
    if connection.vendor == "sqlite":
        _sqlite(connection, source)
    else:
        _postgres(connection, source)
    counted = _counts(connection)
    different = sorted(
        f"{name}: {counted.get(name, 0)} instead of {rows}"
        for name, rows in manifest["tables"].items()
        if counted.get(name) != rows
    )
    migrated = _migrate(manifest)
    anchor = read_anchor(manifest["anchor"]) if manifest["anchor"] else None
    return Restored(
        len(manifest["tables"]),
        sum(manifest["tables"].values()),
        len(listed),
        copied,
        different,
        verify.verify(anchor=anchor),
        migrated,
        [digest for digest in listed if not files.path_of(digest).exists()],
    )


# -- before --------------------------------------------------------------------------------------------------------


def _chosen(folder: Path) -> Path:
    """The backup itself, or the newest one in a folder of backups."""
    if (folder / backup.MANIFEST).is_file():
        return folder
    found = backup.backups(folder)
    if not found:
        raise RestoreRefused(f"{folder} holds no backup ({backup.MANIFEST} is missing)")
    return found[-1]


def read(folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Manifest and list of files of a backup that is whole; raises `RestoreRefused` naming what is not."""
    try:
        manifest: dict[str, Any] = json.loads((folder / backup.MANIFEST).read_text("utf-8"))
        if manifest["format"] != backup.FORMAT:
            raise RestoreRefused(f"the format {manifest['format']!r} of this backup is not known here")
        if file_digest(folder / manifest["database"])[0] != manifest["database_sha256"]:
            raise RestoreRefused(f"{manifest['database']} is not what the manifest says: the backup is damaged")
        if file_digest(folder / backup.LIST)[0] != manifest["files_list_sha256"]:
            raise RestoreRefused(f"{backup.LIST} is not what the manifest says: the backup is damaged")
        for name, digest in manifest["kept"].items():
            if ".." in Path(name).parts or file_digest(folder / backup.KEPT / name)[0] != digest:
                raise RestoreRefused(f"{name} is not what the manifest says: the backup is damaged")
        listed = backup.read_list(folder)
    except (OSError, ValueError, KeyError) as error:
        raise RestoreRefused(f"{folder} cannot be read as a backup: {error}") from None
    store = folder.parent / backup.STORE
    bad = [digest for digest in listed if not _good(store, digest)]
    if bad:
        raise RestoreRefused(f"{len(bad)} files of the backup are missing or damaged, the first: {bad[0]}")
    return manifest, listed


def _good(store: Path, digest: str) -> bool:
    path = place(store, digest)
    return path.is_file() and file_digest(path)[0] == digest


def _fits(manifest: dict[str, Any], connection: BaseDatabaseWrapper) -> None:
    if manifest["engine"] != connection.vendor:
        raise RestoreRefused(
            f"this is a backup of {manifest['engine']}, the target is {connection.vendor}. "
            "Restore it on its own kind, then `xiuhua log move`."
        )
    if manifest["key_id"] != crypto.key_id(settings.DATA_KEY):
        raise RestoreRefused(
            f"the backup is sealed under another XIUHUA_DATA_KEY (id {manifest['key_id']}); with the present one its "
            "personal data could not be read. Set the key that was kept apart."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    newer = [name for name in manifest["migrations"] if name not in known]
    if newer:
        raise RestoreRefused(f"the backup was made by a newer Xiuhua ({newer[0]} is not known here)")


def _filled(connection: BaseDatabaseWrapper) -> str:
    """What the target already holds, in words; '' when nothing but what `migrate` makes."""
    counted = _counts(connection)
    made = ("django_", "auth_")
    rows = {name: count for name, count in counted.items() if count and not name.startswith(made)}
    if rows:
        return ", ".join(f"{count:,} rows in {name}" for name, count in sorted(rows.items())[:3])
    held = next(backup.every_file(files.root()), None)
    return f"files in {files.root()}" if held else ""


def _counts(connection: BaseDatabaseWrapper) -> dict[str, int]:
    counted = {}
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            if name == "sqlite_sequence" or text_index.is_part(name):
                continue
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")
            counted[name] = int(cursor.fetchone()[0])
    return counted


# -- bringing back -------------------------------------------------------------------------------------------------


def _files_back(store: Path, listed: dict[str, int]) -> int:
    copied = 0
    for digest in listed:
        target = files.path_of(digest)
        if target.is_file() and file_digest(target)[0] == digest:
            continue
        backup.copy_checked(place(store, digest), target, digest)
        copied += 1
    return copied


def _sqlite(connection: BaseDatabaseWrapper, source: Path) -> None:
    """Put the file in place by one rename; the old one goes with its write-ahead log."""
    target = Path(connection.settings_dict["NAME"])
    connection.close()
    part = target.with_name(f"{target.name}.restoring")
    shutil.copyfile(source, part)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    for suffix in ("-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    part.replace(target)
    connection.ensure_connection()


def _postgres(connection: BaseDatabaseWrapper, source: Path) -> None:
    """Empty the schema and restore in one transaction of pg_restore: all of it or nothing."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(table)} CASCADE")
        cursor.execute("DROP FUNCTION IF EXISTS casework_refuse() CASCADE")
        cursor.execute(text_index.DROP_FUNCTIONS)
    postgres.run(
        connection, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
        str(source),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _migrate(manifest: dict[str, Any]) -> bool:
    """An older backup is brought to this version; True when it was older."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    if known <= set(manifest["migrations"]):
        return False
    call_command("migrate", interactive=False, verbosity=0)
    return True


# -- command -------------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Bring a backup back and verify the log. Stop the service first."""
    parser = argparse.ArgumentParser(prog="xiuhua restore", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="one backup, or the folder of backups (then the newest)")
    parser.add_argument("--force", action="store_true", help="throw away what the target holds")
    parser.add_argument("--check", action="store_true", help="only read the backup and say whether it is whole")
    options = parser.parse_args(argv)
    try:
        if options.check:
            folder = _chosen(options.folder)
            manifest, listed = read(folder)
            print(f"{folder}: whole; {sum(manifest['tables'].values()):,} rows, {len(listed):,} files")
            return 0
        done = restore(options.folder, force=options.force)
    except (RestoreRefused, BackupFault, ToolFault, OSError, sqlite3.Error) as error:
        print(f"xiuhua restore: {error}", file=sys.stderr)
        return 2
    print(
        f"{done.rows:,} rows of {done.tables} tables and {done.files:,} files are back ({done.files_copied:,} copied)"
    )
    if done.migrated:
        print("The backup was older; it was brought to this version.")
    for sentence in done.different:
        print(f"DIFFERENT: {sentence}", file=sys.stderr)
    for digest in done.missing_files:
        print(f"MISSING: file {digest}", file=sys.stderr)
    verify.show(done.report)
    return 0 if done.ok else 1
