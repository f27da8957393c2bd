"""A PostgreSQL for a bench: a cluster of its own in a temporary folder, on a free port, as durable as in service.

Nothing is tuned but what every installation sets by the size of its memory; fsync and synchronous_commit stay on.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """Direct children of a process; [] when it is gone."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _lent() -> dict[str, object]:
    """The server refuses to run as root: root lends it the user ``postgres`` (or ``nobody``)."""
    if os.geteuid() != 0:
        return {}
    names = {one.pw_name: one for one in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


class Cluster:
    """A PostgreSQL of its own that may be killed; its files stay where ``folder`` says."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder, self.lent = folder, _lent()
        if self.lent:
            os.chown(folder, self.lent["user"], self.lent["group"])  # type: ignore[arg-type]
        self.port = free_port()
        self.quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **self.lent}
        words = ["-D", str(folder / "data"), "-U", "xiuhua", "-A", "trust", "-E", "UTF8", "--no-locale"]
        self._run("initdb", *words)
        chosen = {**OPTIONS, **options}
        self.options = f"-p {self.port} -k {folder} " + " ".join(f"-c {name}={value}" for name, value in chosen.items())
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "xiuhua", "xiuhua")

    @property
    def url(self) -> str:
        return f"postgresql://xiuhua@127.0.0.1:{self.port}/xiuhua"

    def _run(self, program: str, *words: str, check: bool = True) -> int:
        done = subprocess.run([str(binaries() / program), *words], check=check, **self.quiet)  # type: ignore[call-overload]
        return int(done.returncode)

    def start(self, check: bool = True) -> bool:
        words = ["-D", str(self.folder / "data"), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", self.options]
        return self._run("pg_ctl", *words, "start", check=check) == 0

    def pid(self) -> int:
        """Of the postmaster; 0 when there is none."""
        try:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            return 0
        return pid if Path(f"/proc/{pid}").exists() else 0

    def kill(self) -> None:
        """SIGKILL for the postmaster and all that it started."""
        pid = self.pid()
        for one in (pid, *children(pid)) if pid else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)

    def kill_one_backend(self, rng: random.Random) -> None:
        """SIGKILL for one that serves a connection: PostgreSQL then ends all and recovers by itself."""
        found = []
        for pid in children(self.pid()):
            with contextlib.suppress(OSError):
                if "127.0.0.1" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(found), signal.SIGKILL)

    def mend(self) -> bool:
        return not self.pid() and self.start(check=False)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop", check=False)


@contextmanager
def cluster(folder: Path | None = None, **options: str) -> Iterator[Cluster]:
    """A cluster in a folder of its own, or in one that is given."""
    home = folder or Path(tempfile.mkdtemp(prefix="xiuhua-bench-pg-"))
    made = Cluster(home, **options)
    try:
        yield made
    finally:
        made.stop()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database ``xiuhua``; the cluster is removed at the end."""
    with cluster() as made:
        yield made.url
