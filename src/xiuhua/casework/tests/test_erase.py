"""After an erasure the name is nowhere: in no table, no file of the database, no file of the house."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, models
from PIL import Image

from xiuhua.casework import (
    deliver,
    engine,
    erase,
    files,
    form_checks,
    personal_stores,
    procedures,
    projection,
    rebuild,
    reveal,
    text_index,
    verify,
    write,
)
from xiuhua.casework.models import Attachment, Case, Event, Outbox, Payload, Personal
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city.access import SYSTEM

NAME, PHONE, IDENTITY = "欧阳测试壹贰", "13871234567", "11010519491231002X"
WORDS = (NAME, PHONE, IDENTITY, "Ouyang-EXIF", "Ouyang-file")


@pytest.fixture(autouse=True)
def house(settings: object, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"  # type: ignore[attr-defined]
    return tmp_path / "data"


def photo(colour: str, artist: str = "Ouyang-EXIF") -> bytes:
    image, out = Image.new("RGB", (400, 300), colour), io.BytesIO()
    exif = Image.Exif()
    exif[0x013B] = artist
    exif[0x8825] = {1: "N", 2: (29.0, 50.0, 0.0), 3: "E", 4: (114.0, 19.0, 0.0)}
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.fixture
def planted(city: City, clock: TestClock, house: Path) -> Case:
    """A case with the name in every field that takes words, in its child, its files and its requests."""
    sent = photo("red")
    upload = files.upload(city.operator, [sent], name="Ouyang-file.jpg")
    answers = {
        "title": f"{NAME}的投诉", "description": f"{NAME} {PHONE}", "address": f"{NAME}家门口",
        "reporter_name": NAME, "reporter_phone": PHONE, "reporter_id": IDENTITY, "photos": [upload.sha256],
    }  # fmt: skip
    found = engine.create("repair", city.platform, city.operator, answers, key="request-1")
    case = Case.objects.get(pk=found.case_id)
    engine.advance(case, "accept", city.operator, {"note": f"已联系{NAME}"}, key="request-2")
    case = city.act(case, "dispatch", unit="roads", advice=f"找{NAME}")
    case = city.act(case, "receive")
    city.act(case, "look", collector="collector", note=f"去{NAME}家")
    city.act(Case.objects.get(parent=case), "report_seen", seen=f"{NAME}在家")
    case = Case.objects.get(pk=case.pk)
    reveal.reveal(case, "reporter_phone", city.unit, f"回访{NAME}")
    late = write.outbox_row("to-send", "notice", clock.at, case.pk, {"about": "call", "words": f"{NAME} {PHONE}"})
    failed = write.outbox_row("failed", "join", clock.at, case.pk, {"event": "0"})
    failed.update(last_error=f"could not tell {NAME}", dead=True)
    Outbox.objects.bulk_create([Outbox(**late), Outbox(**failed)])
    assert sorted(_in_tables()) and _in_files(house)
    return Case.objects.get(pk=case.pk)


def _in_tables() -> list[str]:
    """Tables and columns of the whole database in which one of the words stands, read as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table == text_index.TABLE:  # keeps no text of its own; what it keeps stands in tables beside it
                continue
            columns = [c.name for c in connection.introspection.get_table_description(cursor, table)]
            quoted = [connection.ops.quote_name(c) for c in columns]
            kind = "BLOB" if connection.vendor == "sqlite" else "text"
            cursor.execute(f"SELECT {', '.join(f'CAST({q} AS {kind})' for q in quoted)} FROM {table}")
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    if any(_stands(word, text) for word in WORDS):
                        found.append(f"{table}.{column}")
    return found


def _stands(word: str, text: str) -> bool:
    return word in text or json.dumps(word)[1:-1] in text


def _in_files(*folders: Path) -> list[str]:
    """Files in whose bytes one of the words stands, in any spelling that we write."""
    spellings = {s for w in WORDS for s in (w.encode(), w.encode("utf-16-le"), json.dumps(w)[1:-1].encode())}
    paths = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    if connection.vendor == "sqlite":
        base = Path(str(connection.settings_dict["NAME"]))
        paths += [p for p in (base, Path(f"{base}-wal"), Path(f"{base}-journal")) if p.exists()]
        assert base.exists(), "the test must look into the file of the database itself"
    return [str(p) for p in paths if any(s in p.read_bytes() for s in spellings)]


def test_the_name_is_nowhere_and_the_log_stands(city: City, planted: Case, house: Path) -> None:
    before = Event.objects.count()
    done = erase.erase(planted, SYSTEM, "本人申请")
    assert [d.case_id for d in done] == erase.family(planted) and len(done) == 2
    assert _in_tables() == []
    assert _in_files(house) == []
    for word in WORDS:
        assert not Case.objects.filter(text_index.may_have([word])[word], pk__in=erase.family(planted)).exists()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # pairs that were taken out are in no older part of the index
            cursor.execute(f"SELECT count(DISTINCT segid) FROM {text_index.TABLE}_idx")
            assert cursor.fetchone()[0] <= 1
    assert not list(house.rglob("*.webp")) and not Attachment.objects.exists()
    report = verify.verify()
    assert report.ok and report.events == before + 2 and report.erased > 5
    assert list(rebuild.compare()) == []


def test_sealed_values_go_too(city: City, planted: Case) -> None:
    ciphers = list(Personal.objects.values_list("cipher", flat=True))
    assert len(ciphers) == 3
    erase.erase(planted, SYSTEM, "申请")
    assert not Personal.objects.exists()
    left = "".join(Payload.objects.values_list("body", flat=True))
    assert not any(cipher in left for cipher in ciphers)
    with pytest.raises(Refused):
        reveal.reveal(planted, "reporter_phone", city.unit, "看看")


def test_from_a_child_the_whole_family_is_erased(city: City, planted: Case, house: Path) -> None:
    erase.erase(Case.objects.get(parent=planted), SYSTEM, "申请")
    assert _in_tables() == [] and _in_files(house) == []


def test_work_goes_on_after_an_erasure(city: City, planted: Case) -> None:
    erase.erase(planted, SYSTEM, "申请")
    case = city.act(planted, "finish", result="补好")
    assert case.state == "to_close" and verify.verify().ok
    erase.erase(case, SYSTEM, "再次申请")
    assert verify.verify().ok
    assert not Payload.objects.exclude(body="").exclude(event__action="erase").exists()


def test_an_idempotent_request_after_the_erasure_is_a_new_one(city: City, planted: Case) -> None:
    """Its answer went with the case, so nothing that was said in it can be guessed from a digest."""
    from xiuhua.casework.models import Idempotency

    assert Idempotency.objects.filter(key="request-1").exists()
    erase.erase(planted, SYSTEM, "申请")
    assert not Idempotency.objects.filter(key__startswith="request").exists()


def test_bytes_that_another_case_names_stay(city: City, house: Path) -> None:
    cases = []
    for name in ("一", "二"):
        upload = files.upload(city.operator, [photo("blue")], name=f"{name}.jpg")
        cases.append(city.case(description=name, photos=[upload.sha256]))
    digest = Attachment.objects.filter(case=cases[1]).get().sha256
    erase.erase(cases[0], SYSTEM, "申请")
    assert files.path_of(digest).exists() and not Attachment.objects.filter(case=cases[0]).exists()
    erase.erase(cases[1], SYSTEM, "申请")
    assert not files.path_of(digest).exists()


def test_evidence_is_kept_on_request_without_names_and_places(city: City, planted: Case) -> None:
    erase.erase(planted, SYSTEM, "申请", keep_evidence=True)
    row = Attachment.objects.get()
    assert files.path_of(row.sha256).exists()
    assert (row.name, row.lon_e7, row.taken_at) == ("", None, None)
    assert _in_tables() == []


def test_an_interrupted_erasure_is_finished_by_the_worker(
    city: City, clock: TestClock, planted: Case, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(rows: object) -> int:
        raise OSError("the disk went away")

    with monkeypatch.context() as broken:
        broken.setattr(files, "erase", crash)
        erase.erase(planted, SYSTEM, "申请")
    assert files.path_of(Attachment.objects.get().sha256).exists()
    assert "disk went away" in Outbox.objects.filter(kind="erase_stores", done_at__isnull=True)[0].last_error
    clock.forward(minutes=1)
    city.run()
    assert _in_tables() == [] and _in_files(house) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has a write-ahead log of ours to empty")
def test_a_long_read_delays_the_end_of_an_erasure(city: City, planted: Case, clock: TestClock, house: Path) -> None:
    """The write-ahead log cannot be emptied while somebody reads an older state: the row says so and comes again."""
    import sqlite3

    reader = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM casework_case").fetchone()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    try:
        erase.erase(planted, SYSTEM, "申请")
        waiting = Outbox.objects.filter(kind="erase_stores", done_at__isnull=True)
        assert waiting.exists() and "StillInUse" in waiting[0].last_error
    finally:
        reader.close()
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20000")
    clock.forward(minutes=5)
    city.run()
    assert not Outbox.objects.filter(kind="erase_stores", done_at__isnull=True).exists()
    assert _in_files(house) == []


def test_only_who_may(city: City, planted: Case) -> None:
    for name in ("operator", "unit", "collector", "dispatcher", "auditor"):
        with pytest.raises(Refused):
            erase.erase(planted, city.actors[name], "好奇")
    for action in ("erase", "reveal", "undo", "recount", "cancel"):
        with pytest.raises(Refused):
            engine.advance(planted, action, city.operator, {"reason": "好奇"})
    assert NAME in Case.objects.get(pk=planted.pk).title
    erase.erase(planted, city.administrator, "本人申请")
    assert Case.objects.get(pk=planted.pk).title == ""


def test_without_a_reason_nothing_is_erased(city: City, planted: Case) -> None:
    with pytest.raises(Refused) as refused:
        erase.erase(planted, SYSTEM, " ")
    assert refused.value.refusal.missing[0].field == "reason"
    assert Case.objects.get(pk=planted.pk).title


def test_the_command(planted: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert erase.main([planted.number, "--reason", "本人申请"]) == 0
    assert f"{planted.number}: erased under event {planted.seq + 1}" in capsys.readouterr().out
    assert erase.main(["nothing", "--reason", "x"]) == 2
    assert _in_tables() == []


def test_every_column_that_can_hold_words_is_in_the_table() -> None:
    """A new text column anywhere in the room must say whether it holds personal data."""
    listed = {column for store in personal_stores.STORES for column in store.columns}
    none = personal_stores.HOLDS_NONE
    kinds = (models.CharField, models.TextField, models.JSONField, models.BinaryField)
    unsaid = []
    for model in apps.get_app_config("casework").get_models():
        for field in model._meta.concrete_fields:
            name = f"{model.__name__}.{field.name}"
            if isinstance(field, kinds) and name not in listed | set(none) and f"{model.__name__}." not in none:
                unsaid.append(name)
    assert unsaid == []


def test_delivery_is_not_needed_twice(city: City, planted: Case) -> None:
    """The walk through the stores may be repeated."""
    erase.erase(planted, SYSTEM, "申请")
    for row in Outbox.objects.filter(kind="erase_stores"):
        deliver.registry.handler("erase_stores")(row)
    assert verify.verify().ok


@pytest.mark.parametrize(
    "broken",
    [
        "form: [{name: who, type: text, column: source, title: {zh: 甲, en: A}}]",
        "form: [{name: who, type: person_name, column: title, title: {zh: 甲, en: A}}]",
        "form: [{name: who, type: long_text, title: {zh: 甲, en: A}}]\n    effects: [{set: {source: $who}}]",
        "form: [{name: who, type: phone, title: {zh: 甲, en: A}}]\n    effects: [{facts: {who: $who}}]",
        "effects: [{facts: {who: $case.description}}]",
    ],
)
def test_a_procedure_that_would_put_words_into_the_log_is_not_loaded(broken: str) -> None:
    """What the log keeps for ever must not hold what has to be forgotten."""
    text = f"""
procedure: talk
title: {{zh: 试, en: Try}}
states:
  open: {{title: {{zh: 开, en: Open}}}}
  done: {{title: {{zh: 完, en: Done}}, final: true}}
actions:
  start: {{title: {{zh: 始, en: Start}}, start: true, to: open, by: [unit]}}
  close:
    title: {{zh: 止, en: Close}}
    from: open
    to: done
    by: [unit]
    {broken}
"""
    faults = procedures.check([procedures.SourceFile("talk.yaml", text)])
    assert [f for f in faults if "cannot be erased" in f.message.en and "close" in f.field], faults


def test_the_columns_for_words_are_the_same_everywhere() -> None:
    assert form_checks.WORD_COLUMNS == projection.TEXT_COLUMNS
