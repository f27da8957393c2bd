"""Manifests: doubles are refused, what they declare exists, and floors agree wherever they are written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from django.urls import reverse

from xiuhua import cli, manifest, urls
from xiuhua.manifest import Api, Command, Manifest, NavItem, Text
from xiuhua.rooms import FLOORS, ROOMS

ROOT = Path(__file__).resolve().parent.parent
T = Text("名", "Name")


def nav(url_name: str = "inbox", group: str = "desk") -> NavItem:
    return NavItem(T, url_name, group, "inbox", "case.read")


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (Manifest("a", T), Manifest("a", T), "room 'a'"),
        (Manifest("a", T, nav=(nav(),)), Manifest("b", T, nav=(nav(),)), "page 'inbox'"),
        (
            Manifest("a", T, commands=(Command("log verify", "m:f", ""),)),
            Manifest("b", T, commands=(Command("log verify", "m:g", ""),)),
            "command 'log verify'",
        ),
        (
            Manifest("a", T, api=(Api("/cases", "m:r"),)),
            Manifest("b", T, api=(Api("/cases", "m:r"),)),
            "api prefix",
        ),
        (Manifest("a", T), Manifest("b", T, nav=(nav(group="portal"),)), "unknown group 'portal'"),
    ],
)
def test_doubles_and_unknown_names_stop_the_start(first: Manifest, second: Manifest, says: str) -> None:
    assert any(says in fault for fault in manifest.check([first, second]))
    with pytest.raises(ValueError, match=re.escape(says)):
        urls.build((first, second))


def test_the_house_has_no_faults() -> None:
    assert manifest.check(manifest.rooms()) == []
    assert tuple(room.code for room in manifest.rooms()) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_declares_exists(room: str) -> None:
    declared = next(m for m in manifest.rooms() if m.code == room)
    for item in declared.nav:
        assert reverse(item.url_name), item
        assert item.title.zh and item.title.en
    for part in declared.api:
        assert manifest.load(part.router)
    for command in declared.commands:
        assert callable(manifest.load(command.target)), command
    for name in declared.imports:
        assert manifest.import_module(name)


def test_the_api_describes_itself(client) -> None:  # type: ignore[no-untyped-def]
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["info"]["title"] == "Xiuhua"
    assert client.get("/api/v1/docs").status_code == 404  # it would load scripts from afar


def test_import_contract_has_the_floors_of_rooms_py() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c for c in contracts if c["type"] == "layers")["layers"]
    present = [
        tuple(sorted(name.strip() for name in layer.split("|") if not name.strip().startswith("(")))
        for layer in reversed(layers)
    ]
    assert [rooms for rooms in present if rooms] == [tuple(sorted(floor)) for floor in FLOORS]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for words in ("run", "doctor", "manage", "migrate", *cli.commands()):
        assert any(line.strip().startswith(f"{words} ") for line in lines), words


def test_an_unknown_command_says_what_begins_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"log verify": Command("log verify", "m:f", "verify")}
    monkeypatch.setattr(cli, "commands", lambda: known)
    assert cli.main(["log", "burn"]) == 2
    assert "'log burn'" in (said := capsys.readouterr().err) and "log verify" in said


def test_the_longest_words_win() -> None:
    known = {w: Command(w, "m:f", "") for w in ("log", "log verify")}
    assert cli.find(["log", "verify", "--all"], known) == (known["log verify"], ["--all"])
    assert cli.find(["log", "show"], known) == (known["log"], ["show"])
    assert cli.find(["x"], known) == (None, ["x"])
