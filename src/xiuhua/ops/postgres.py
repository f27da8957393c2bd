"""PostgreSQL's own programs, called with this installation's connection."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


class ToolFault(Exception):
    """A program is missing or failed; the message is for the operator."""


def find(name: str, server: int) -> str:
    """Path of the oldest ``name`` that is not older than the server's major version; raises `ToolFault`."""
    on_path = shutil.which(name)
    places = [Path(on_path)] if on_path else []
    for pattern in _FOLDERS:
        places += [folder / name for folder in Path("/").glob(pattern[1:]) if (folder / name).is_file()]
    found = sorted((version, str(place)) for place in places if (version := _version(place)) >= server)
    if not found:
        raise ToolFault(f"{name} {server} or newer is needed (Debian: apt-get install postgresql-client)")
    return found[0][1]


def _version(place: Path) -> int:
    said = subprocess.run([str(place), "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"\) (\d+)", said)
    return int(match.group(1)) if match else 0


def server_version(connection: BaseDatabaseWrapper) -> int:
    """The server's major version."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return int(cursor.fetchone()[0]) // 10000


def run(connection: BaseDatabaseWrapper, name: str, *arguments: str) -> None:
    """Run a program on the connection's database; the password goes by environment, never by argument."""
    from psycopg.conninfo import make_conninfo

    settings = connection.settings_dict
    given = {"dbname": settings["NAME"], "user": settings["USER"], "host": settings["HOST"], "port": settings["PORT"]}
    options = {key: value for key, value in settings["OPTIONS"].items() if isinstance(value, str)}
    conninfo = make_conninfo(**options, **{key: value for key, value in given.items() if value})
    secret = {"PGPASSWORD": settings["PASSWORD"]} if settings["PASSWORD"] else {}
    command = [find(name, server_version(connection)), "--no-password", f"--dbname={conninfo}", *arguments]
    done = subprocess.run(command, env={**os.environ, **secret}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolFault(f"{name} failed: {done.stderr.strip()[-1500:]}")
