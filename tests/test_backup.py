"""A backup is taken while the city works, brought back elsewhere, and is the same city: rows, files, log."""

from __future__ import annotations

import base64
import io
import json
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import live as live_module
import pytest
from live import Database, Live, Program
from PIL import Image
from test_move import rows

REPORT = {"source": "media", "description": "井盖缺失", "address": "模拟大道3号"}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Path]]:
    """A running server and a folder for its backups."""
    made, database = live_module.make()
    try:
        live_module.start(made)
        yield made, tmp_path_factory.mktemp("backups")
    finally:
        live_module.end(made, database)


@pytest.fixture
def elsewhere(city: tuple[Live, Path], tmp_path: Path) -> Iterator[Live]:
    """An empty place with the same keys: another folder, another database."""
    live, _kept = city
    database = Database()
    folder = tmp_path / "elsewhere"
    environment = {**live.environment, "XIUHUA_DATA_DIR": str(folder), "XIUHUA_DATABASE_URL": database.url}
    try:
        yield replace(live, folder=folder, environment=environment, process=None)
    finally:
        database.drop()


class Writer(threading.Thread):
    """Reports with photos until told to stop; remembers what was acknowledged."""

    def __init__(self, live: Live) -> None:
        super().__init__(daemon=True)
        self.program = live.program("hotline")
        self.told = threading.Event()
        self.acknowledged: list[str] = []
        self.first = threading.Event()

    def run(self) -> None:
        while not self.told.is_set():
            photo = fresh(self.program)
            got = self.program.post("/cases", {"answers": {**REPORT, "photos": [photo]}}, secrets.token_hex(8))
            assert got.status == 201, got.body
            self.acknowledged.append(got.json["number"])
            self.first.set()


def numbers(live: Live) -> set[str]:
    program = "from xiuhua import cli; cli.ready(); from xiuhua.casework.models import Case; import json; "
    program += "print(json.dumps(list(Case.objects.values_list('number', flat=True))))"
    from test_move import run

    done = run(live.environment, "-c", program)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def fresh(program: Program) -> str:
    """Upload a picture that was never there; its digest."""
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), secrets.token_bytes(192)).save(out, "PNG")
    sent = program.upload(out.getvalue(), "a.png")
    assert sent.status == 201, sent.body
    return str(sent.json["sha256"])


def stored(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / "files").rglob("*") if p.is_file() and len(p.name) == 64}


def take(live: Live, kept: Path, *more: str) -> dict[str, object]:
    done = live.command("backup", str(kept), "--json", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_under_load_then_elsewhere(city: tuple[Live, Path], elsewhere: Live) -> None:
    live, kept = city
    writers = [Writer(live) for _number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        assert writer.first.wait(60)
    before = {number for writer in writers for number in list(writer.acknowledged)}
    made = take(live, kept)
    after = {number for writer in writers for number in list(writer.acknowledged)}
    assert all(writer.is_alive() for writer in writers), "the city worked on"
    for writer in writers:
        writer.told.set()
        writer.join(60)
    assert made["erased_meanwhile"] == [] and made["damaged"] == []
    back = elsewhere.command("restore", str(made["folder"]))
    assert back.returncode == 0, back.stdout + back.stderr
    assert "The log is whole." in back.stdout
    there = numbers(elsewhere)
    assert before <= there, "what was acknowledged before the backup began is in it"
    assert len(after - before) > 0 and made["tables"]["casework_case"] == len(there)  # type: ignore[index]
    bytes_there = stored(elsewhere.folder)
    assert bytes_there.items() <= stored(live.folder).items()


def test_at_rest_it_is_equal_row_by_row_and_only_new_files_are_copied(city: tuple[Live, Path], elsewhere: Live) -> None:
    live, kept = city
    program = live.program("hotline")
    first = take(live, kept)
    photo = fresh(program)
    assert program.post("/cases", {"answers": {**REPORT, "photos": [photo]}}).status == 201
    live_module.stop(live)
    anchored = live.command("log", "anchor")
    assert anchored.returncode == 0, anchored.stderr
    made = take(live, kept)
    assert made["files_new"] == 1 and made["files"] == int(str(first["files"])) + 1
    assert made["anchor"]
    back = elsewhere.command("restore", str(kept))
    assert back.returncode == 0, back.stdout + back.stderr
    assert rows(elsewhere.environment) == rows(live.environment)
    assert stored(elsewhere.folder) == stored(live.folder)
    assert list((elsewhere.folder / "anchors").iterdir())
    doctor = json.loads(elsewhere.command("doctor", "--json").stdout)
    assert [one for one in doctor if one["topic"]["en"] == "Log guards" and one["level"] != "ok"] == []
    live_module.start(live)


def test_a_target_that_holds_something_is_left_alone_unless_forced(city: tuple[Live, Path], elsewhere: Live) -> None:
    live, kept = city
    made = take(live, kept)
    assert elsewhere.command("restore", str(kept)).returncode == 0
    before = rows(elsewhere.environment)
    refused = elsewhere.command("restore", str(kept))
    assert refused.returncode == 2 and "not empty" in refused.stderr and "--force" in refused.stderr
    assert rows(elsewhere.environment) == before
    forced = elsewhere.command("restore", str(made["folder"]), "--force")
    assert forced.returncode == 0, forced.stdout + forced.stderr
    assert rows(elsewhere.environment) == before


def test_any_generation_comes_back(city: tuple[Live, Path], elsewhere: Live) -> None:
    live, kept = city
    older = take(live, kept)
    then = numbers(live)
    program = live.program("hotline")
    later = fresh(program)
    assert program.post("/cases", {"answers": {**REPORT, "photos": [later]}}).status == 201
    newer = take(live, kept)
    for made, cases, there in ((older, then, False), (newer, numbers(live), True)):
        back = elsewhere.command("restore", str(made["folder"]), "--force")
        assert back.returncode == 0, back.stdout + back.stderr
        assert numbers(elsewhere) == cases
        assert made["files"] == int(str(older["files"])) + there
        assert there <= (later in stored(elsewhere.folder))


def test_every_backup_measures_the_house(city: tuple[Live, Path]) -> None:
    live, kept = city
    made = take(live, kept)
    (line,) = (live.folder / "growth.jsonl").read_text().splitlines()
    measured = json.loads(line)
    assert measured["events"] >= made["tables"]["casework_event"] > 0  # type: ignore[index]
    assert measured["database"] > 0 and measured["files"] > 0


def test_a_spoilt_backup_changes_nothing(city: tuple[Live, Path], elsewhere: Live, tmp_path: Path) -> None:
    live, kept = city
    program = live.program("hotline")
    assert program.post("/cases", {"answers": {**REPORT, "photos": [fresh(program)]}}).status == 201
    made = take(live, kept)
    spoilt = tmp_path / "spoilt"
    shutil.copytree(kept, spoilt)
    name = Path(str(made["folder"])).name
    dump = spoilt / name / str(made["database"])
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-100] + bytes(100))
    refused = elsewhere.command("restore", str(spoilt / name))
    assert refused.returncode == 2 and "damaged" in refused.stderr
    dump.write_bytes(whole)
    victim = next(p for p in (spoilt / "files").rglob("*") if p.is_file())
    victim.write_bytes(b"something else")
    refused = elsewhere.command("restore", str(spoilt / name))
    assert refused.returncode == 2 and victim.name in refused.stderr
    victim.unlink()
    assert elsewhere.command("restore", str(spoilt / name), "--check").returncode == 2
    assert not stored(elsewhere.folder)
    assert elsewhere.command("restore", str(kept / name), "--check").returncode == 0


def test_the_keys_are_told_and_not_taken(city: tuple[Live, Path], elsewhere: Live) -> None:
    live, kept = city
    done = live.command("backup", str(kept))
    assert done.returncode == 0, done.stderr
    assert "XIUHUA_DATA_KEY is NOT in this backup" in done.stdout
    key, secret = live.environment["XIUHUA_DATA_KEY"], live.environment["XIUHUA_SECRET_KEY"]
    spellings = [key.encode(), secret.encode(), base64.b64decode(key)]
    for path in (p for p in kept.rglob("*") if p.is_file()):
        content = path.read_bytes()
        assert not any(spelling in content for spelling in spellings), path
    other = {"XIUHUA_DATA_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}
    refused = elsewhere.command("restore", str(kept), **other)
    assert refused.returncode == 2 and "another XIUHUA_DATA_KEY" in refused.stderr


def test_old_backups_go_and_take_their_bytes_along(city: tuple[Live, Path], tmp_path: Path) -> None:
    live, _kept = city
    kept = tmp_path / "few"
    take(live, kept)
    digest = fresh(live.program("hotline"))  # an upload of no case: gone from the house a day later
    made = take(live, kept)
    assert made["files_new"] == 1
    (live.folder / "files" / digest[:2] / digest[2:4] / digest).unlink()
    take(live, kept, "--keep", "2")
    assert len(list(kept.glob("[0-9]*Z"))) == 2 and digest in stored(kept)
    take(live, kept, "--keep", "1")
    assert len(list(kept.glob("[0-9]*Z"))) == 1 and digest not in stored(kept)
    inside = live.command("backup", str(live.folder / "backups"))
    assert inside.returncode == 2 and "must not lie in" in inside.stderr
