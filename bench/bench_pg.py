"""A PostgreSQL for a bench: a cluster of its own in a temporary folder, on a free port, as durable as in service.

Nothing is tuned but what every installation sets by the size of its memory; fsync and synchronous_commit stay on.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What `docs/operators` recommends for a server of 4 GB and more.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
}


def binaries() -> Path:
    """Folder of initdb and pg_ctl, the newest; SystemExit when PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise SystemExit("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return found[-1].parent


def _lent() -> dict[str, object]:
    """The server refuses to run as root: root lends it the user ``postgres`` (or ``nobody``)."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name: one for one in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database ``xiuhua``; the cluster is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="xiuhua-bench-pg-"))
    lent = _lent()
    if lent:
        os.chown(folder, lent["user"], lent["group"])  # type: ignore[arg-type]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bin_folder, quiet = binaries(), {"stdout": subprocess.DEVNULL, "cwd": folder, **lent}
    control = [str(bin_folder / "pg_ctl"), "-D", str(folder / "data"), "-w", "-t", "120"]
    try:
        words = ["-D", str(folder / "data"), "-U", "xiuhua", "-A", "trust", "-E", "UTF8", "--no-locale"]
        subprocess.run([str(bin_folder / "initdb"), *words], check=True, **quiet)  # type: ignore[call-overload]
        options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
        start = ["-l", str(folder / "log"), "-o", f"-p {port} -k {folder} {options}", "start"]
        subprocess.run([*control, *start], check=True, **quiet)  # type: ignore[call-overload]
        create = [str(bin_folder / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "xiuhua", "xiuhua"]
        subprocess.run(create, check=True, **quiet)  # type: ignore[call-overload]
        yield f"postgresql://xiuhua@127.0.0.1:{port}/xiuhua"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, **quiet)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
