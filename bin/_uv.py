"""Fetches the uv that uv.lock names, with nothing but Python's standard library.

    python3 bin/_uv.py version            the version in the lock
    python3 bin/_uv.py requirement        "uv==… --hash=…", for `pip install --require-hashes -r`
    python3 bin/_uv.py fetch FOLDER       download the wheel for this machine and unpack FOLDER/uv

Address and SHA-256 come from the lock, so no host stands here; proxies and SSL_CERT_FILE are honoured as
Python does. On a machine without certificate authorities the download goes on unverified, because the digest
in the lock already decides whether the file is the right one.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import ssl
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "uv.lock"
TIMEOUT = 60  # seconds without a byte


def locked() -> dict[str, Any]:
    import tomllib

    with LOCK.open("rb") as file:
        for package in tomllib.load(file)["package"]:
            if package["name"] == "uv":
                return package
    raise SystemExit("uv.lock names no uv; it belongs to the dev group")


def tags() -> list[str]:
    """Parts of a wheel's name that fit this machine, best first."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if sys.platform == "darwin":
        return [f"macosx_{version}_{'arm64' if machine == 'aarch64' else machine}" for version in ("11_0", "10_12")]
    if sys.platform.startswith("linux"):
        libc = platform.libc_ver()[0]
        return [f"manylinux_2_17_{machine}", f"manylinux2014_{machine}"] if libc else [f"musllinux_1_1_{machine}"]
    raise SystemExit(f"no uv for {sys.platform} is known here; install uv yourself and start again")


def choose(package: dict[str, Any]) -> tuple[str, str]:
    """Address and SHA-256 of the wheel for this machine."""
    for tag in tags():
        for wheel in package["wheels"]:
            if tag in wheel["url"].rsplit("/", 1)[-1]:
                return wheel["url"], wheel["hash"].removeprefix("sha256:")
    raise SystemExit(f"uv.lock has no uv for {platform.machine()}; install uv yourself and start again")


def download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return bytes(answer.read())
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLCertVerificationError) or ssl.create_default_context().get_ca_certs():
            raise
        unverified = ssl._create_unverified_context()
        with urllib.request.urlopen(url, timeout=TIMEOUT, context=unverified) as answer:
            return bytes(answer.read())


def fetch(folder: Path) -> None:
    """Write FOLDER/uv, executable; raises SystemExit with a sentence when it cannot."""
    url, digest = choose(locked())
    try:
        content = download(url)
    except OSError as error:
        raise SystemExit(f"cannot download uv: {error}. Check network, proxy and SSL_CERT_FILE.") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise SystemExit("the uv that was downloaded is not the one uv.lock names; nothing was installed")
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith("/scripts/uv"))
        binary = wheel.read(name)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"uv.{os.getpid()}"
    part.write_bytes(binary)
    part.chmod(0o755)
    part.replace(folder / "uv")


def main(argv: list[str]) -> int:
    if argv == ["version"]:
        print(locked()["version"])
    elif argv == ["requirement"]:
        package = locked()
        hashes = " ".join(f"--hash={wheel['hash']}" for wheel in package["wheels"])
        print(f"uv=={package['version']} {hashes}")
    elif len(argv) == 2 and argv[0] == "fetch":
        fetch(Path(argv[1]))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
