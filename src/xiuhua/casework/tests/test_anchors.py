"""Anchors: taken hourly over what changed, chained, and out of the house as files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.db import connection
from django.utils import translation

from xiuhua.casework import anchor_files, anchors, deliver, verify, worker
from xiuhua.casework.models import Anchor, Case, Outbox
from xiuhua.casework.tests.conftest import City, TestClock


@pytest.fixture(autouse=True)
def house(settings: object, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"  # type: ignore[attr-defined]
    return tmp_path / "data"


def test_an_anchor_covers_what_changed_since_the_last(city: City, clock: TestClock) -> None:
    first, second = city.case(), city.case()
    one = anchors.take()
    assert one and one.cases == 2
    assert anchors.take() is None, "nothing changed"
    city.act(second, "accept")
    two = anchors.take()
    assert two and two.cases == 1 and two.prev_digest == one.digest
    assert list(two.entries.values_list("case_id", "seq")) == [(second.pk, 2)]
    assert Case.objects.get(pk=first.pk).anchored_seq == 1
    assert Case.objects.get(pk=second.pk).anchored_seq == 2
    assert verify.verify().ok


def test_a_file_leaves_the_house_and_everybody_else_who_carries_it(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    carried: list[anchor_files.AnchorCopy] = []

    def broken(copy: anchor_files.AnchorCopy) -> None:
        raise OSError("the mail server is away")

    monkeypatch.setattr(anchors, "anchor_leaves", [broken, carried.append])
    city.case()
    anchor = anchors.take()
    assert anchor
    path = anchors.leave(anchor)
    assert anchor_files.read_anchor(str(path)) == anchor_files.copy_of(anchor) == carried[0]
    assert path.parent == anchors.folder()
    assert json.loads(path.read_text())["digest"] == anchor.digest


def test_the_file_holds_no_words(city: City) -> None:
    city.case(description="张三丰的电话", reporter_name="张三丰")
    anchor = anchors.take()
    assert anchor and "张" not in anchors.leave(anchor).read_text("utf-8")


def test_the_foot_of_a_page_can_be_given_to_verify(city: City) -> None:
    assert anchors.footer() == ""
    city.case()
    anchors.take()
    for language in ("zh-hans", "en"):
        with translation.override(language):
            printed = re.search(r"\d+:[0-9a-f]{64}", anchors.footer())
        assert printed
        report = verify.verify(anchor=anchor_files.read_anchor(printed[0]))
        assert report.ok and report.vouched_to


def test_every_hour_by_itself(city: City, clock: TestClock) -> None:
    city.case()
    anchors.schedule()
    anchors.schedule()
    assert Outbox.objects.filter(kind="anchor").count() == 1
    for hour in range(1, 4):
        city.act(city.case(), "accept")
        clock.forward(hours=1)
        city.run()
        assert Anchor.objects.count() == hour
        assert len(list(anchors.folder().glob("*.json"))) == hour
    assert Outbox.objects.filter(kind="anchor", done_at__isnull=True).count() == 1, "the next hour waits"
    assert verify.verify().ok


def test_a_file_that_could_not_be_written_leaves_with_the_next_hour(
    city: City, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(copy: anchor_files.AnchorCopy, where: Path) -> Path:
        raise OSError("No space left on device")

    city.case()
    anchors.schedule()
    clock.forward(hours=1)
    with monkeypatch.context() as disk:
        disk.setattr(anchors, "write_file", full)
        deliver.run_due()
    row = Outbox.objects.get(kind="anchor", last_error__contains="No space")
    clock.forward(minutes=1)
    city.run()
    row.refresh_from_db()
    assert row.done_at and len(list(anchors.folder().glob("*.json"))) == 1


def test_a_worker_keeps_the_hours_going(city: City) -> None:
    worker.main(["--once"])
    assert Outbox.objects.filter(kind="anchor", done_at__isnull=True).count() == 1


def test_the_command(city: City, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert anchors.main([]) == 0
    assert "nothing to anchor" in capsys.readouterr().out
    city.case()
    assert anchors.main(["--out", str(tmp_path / "out.json")]) == 0
    anchor = Anchor.objects.get()
    assert f"{anchor.pk}:{anchor.digest}" in capsys.readouterr().out
    assert anchors.main(["--check", str(tmp_path / "out.json")]) == 0
    assert anchors.main(["--check", f"{anchor.pk}:{'0' * 64}"]) == 1
    assert verify.main(["--anchor", str(tmp_path / "out.json")]) == 0
    assert "all up to that moment is as it was then" in capsys.readouterr().out


def test_anchoring_does_not_disturb_a_case_in_hand(city: City) -> None:
    """The mark of an anchor is no part of the projection: an action on a row read before it goes through."""
    case = city.case()
    anchors.take()
    assert city.act(case, "accept").anchored_seq == 1
    assert connection.in_atomic_block is False
