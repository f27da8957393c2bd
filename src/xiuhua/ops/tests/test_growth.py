"""The forecast of the disk: what is kept, what it says, and that it warns in time."""

from __future__ import annotations

import json
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from xiuhua import doctor
from xiuhua.casework import moments
from xiuhua.ops import growth

pytestmark = pytest.mark.django_db
Usage = namedtuple("Usage", "total used free")
MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def history(folder: Path, a_day: int, days: int = 20) -> None:
    """Measurements of the days before now, as if files had grown by so many bytes a day up to none."""
    now = moments.now()
    lines = [
        growth.Measure(
            (now - timedelta(days=n)).isoformat(timespec="seconds"), growth.measure().database, -n * a_day, 0
        )
        for n in range(days, 0, -1)
    ]
    (folder / growth.NAME).write_text("".join(json.dumps(vars(line)) + "\n" for line in lines))


def free(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(10**12, 0, free_bytes))


def test_a_day_is_measured_once_and_kept(folder: Path) -> None:
    assert len(growth.record()) == 1
    assert len(growth.record()) == 1
    (only,) = growth.kept(folder / growth.NAME)
    assert only.database > 100_000 and only.files == 0
    with (folder / growth.NAME).open("a") as file:
        file.write('{"at": "2026-')  # cut short by a crash
    assert growth.kept(folder / growth.NAME) == [only]


def test_too_little_is_said_not_guessed(folder: Path) -> None:
    ((level, _zh, en),) = growth.findings()
    assert level == "ok" and "too few" in en


@pytest.mark.parametrize(("days", "level"), [(100, "ok"), (20, "warn"), (3, "fault")])
def test_it_warns_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch, days: int, level: str) -> None:
    history(folder, 100 * MIB)
    free(monkeypatch, doctor.MIN_FREE + days * 100 * MIB)
    found = next(iter(growth.findings()))
    assert found[0] == level
    assert "files +100.0 MiB" in found[2] and f"full in about {days} days" in found[2]
    assert f"约 {days} 天后写满" in found[1]


def test_what_shrinks_never_fills(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(folder, -100 * MIB)
    free(monkeypatch, doctor.MIN_FREE)
    found = next(iter(growth.findings()))
    assert found[0] == "ok" and "nothing grows" in found[2]


def test_one_large_day_does_not_decide() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    points = [(start + timedelta(days=n), n * 10 + (500 if n == 15 else 0)) for n in range(31)]
    slope = growth.per_day(points)
    assert slope == pytest.approx(10)
    assert growth.per_day(points[:2]) is None


def test_the_doctor_tells_it(folder: Path) -> None:
    (found,) = doctor.check_growth()
    assert found.topic.en == "Growth" and found.level == "ok"
    assert (doctor.GROWTH, doctor.check_growth) in doctor.CHECKS
