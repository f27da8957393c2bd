"""Every single-row change of a log is found, at its place; an outside anchor finds what the inside cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection, transaction

from xiuhua.casework import anchor_files, anchors, chain, erase, guard_rails, verify
from xiuhua.casework.models import Anchor, AnchorEntry, Case, Event, Payload
from xiuhua.casework.moments import to_us
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city.access import SYSTEM


@contextmanager
def tampering() -> Iterator[None]:
    """As somebody would work who has the database itself: no triggers, no foreign keys."""
    with guard_rails.lifted():
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA foreign_keys = OFF")
            else:
                cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    cursor.execute("PRAGMA foreign_keys = ON")
                else:
                    cursor.execute("SET session_replication_role = origin")


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is rolled back: many changes of one log without building it anew."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def sql(statement: str, *params: object) -> None:
    with tampering(), connection.cursor() as cursor:
        cursor.execute(statement, params)


@pytest.fixture
def log(city: City, clock: TestClock) -> list[Case]:
    """Three cases, the middle one with five events, anchored; then one more event each."""
    cases = [city.case(), city.handled(reporter_phone="13800000001"), city.case()]
    clock.forward(minutes=1)
    anchors.take()
    cases[0] = city.act(cases[0], "accept")
    cases[1] = city.act(cases[1], "finish", result="已补")
    return cases


def first(case: Case | None = None) -> verify.Fault:
    """The first fault; verification must find at least one."""
    report = verify.verify()
    assert not report.ok
    assert report.first is not None
    if case is not None:
        assert report.first.case == case.number, report.faults
    return report.first


def test_a_whole_log_verifies(log: list[Case]) -> None:
    report = verify.verify()
    assert report.ok and report.faults == []
    assert (report.events, report.cases, report.anchors) == (Event.objects.count(), 3, 1)


CHANGES = {
    "id": "id + 1", "seq": "seq + 50", "action": "'close'", "actor": "'user:999'", "actor_user_id": "NULL",
    "at": None, "from_state": "'closed'", "to_state": "'closed'", "body": "'{}'", "payload_digest": "''",
    "prev_digest": "''", "digest": f"'{'0' * 64}'", "algorithm": "'sha256'", "version": "2", "batch": "'b1'",
}  # fmt: skip


def test_the_list_of_columns_is_complete() -> None:
    assert set(CHANGES) | {"case_id"} == {f.column for f in Event._meta.concrete_fields}


def test_every_changed_column_is_found_at_its_event(log: list[Case]) -> None:
    for column in CHANGES:
        for seq in (1, 3, 5):
            with undone():
                _change(log[1], column, seq)
                assert first(log[1]).seq == seq, column


def _change(case: Case, column: str, seq: int) -> None:
    value = CHANGES[column]
    if value is None:
        value = "datetime(at, '+1 hour')" if connection.vendor == "sqlite" else "at + interval '1 hour'"
    event = Event.objects.get(case=case, seq=seq)
    if column == "payload_digest" and not event.payload_digest:
        value = f"'{'1' * 64}'"
    if column == "prev_digest" and seq == 1:
        value = f"'{'1' * 64}'"
    sql(f"UPDATE casework_event SET {column} = {value} WHERE id = %s", event.pk)


def test_an_event_moved_to_another_case_is_found(log: list[Case]) -> None:
    sql("UPDATE casework_event SET case_id = %s, seq = 3 WHERE case_id = %s AND seq = 4", log[0].pk, log[1].pk)
    report = verify.verify()
    assert report.first and report.first.case == log[0].number
    assert any(f.case == log[1].number and f.seq == 4 and f.code == "missing" for f in report.faults)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores no spoilt instants or types")
def test_what_cannot_even_be_read_is_a_fault_of_its_event(log: list[Case]) -> None:
    for change in (
        "at = '2026-13-45 99:00:00'",
        "at = 'gone'",
        "seq = 'x'",
        "version = 'x'",
        "body = x'ff'",
        "body = '{'",
    ):
        with undone():
            sql(f"UPDATE casework_event SET {change} WHERE case_id = %s AND seq = 3", log[1].pk)
            assert first(log[1]).seq in (3, 4), change
            assert any(f.seq in (3, 6) for f in verify.verify().faults), change
    with undone():
        sql("UPDATE casework_event SET body = CAST(x'ff' AS TEXT) WHERE case_id = %s AND seq = 3", log[1].pk)
        assert not verify.verify().ok


def test_a_deleted_event_is_found(log: list[Case]) -> None:
    for seq in (1, 2, 4, 5):
        with undone():
            sql("DELETE FROM casework_event WHERE case_id = %s AND seq = %s", log[1].pk, seq)
            found = first(log[1])
            assert (found.seq, found.code) == ((seq, "missing") if seq < 5 else (5, "tail_cut"))


def _insert(case: Case, seq: int, verb: str = "INSERT") -> None:
    """A forged event that links to the one before and has a right digest of its own."""
    before = Event.objects.filter(case=case, seq__lt=seq).order_by("-seq").first()
    source = Event.objects.get(case=case, seq=min(seq, case.seq))
    fields = {f.column: getattr(source, f.attname) for f in Event._meta.concrete_fields}
    fields.update(
        id=source.pk if verb != "INSERT" else source.pk + 7, seq=seq, action="close", payload_digest="", body="{}",
        prev_digest=before.digest if before else "", from_state=before.to_state if before else "",
    )  # fmt: skip
    stored_at = connection.ops.adapt_datetimefield_value(fields["at"])
    fields["digest"] = chain.event_digest(
        case=case.pk, at_us=to_us(fields["at"]),
        **{k: fields[k] for k in (
            "version", "algorithm", "id", "seq", "action", "actor", "from_state", "to_state", "batch",
            "payload_digest", "prev_digest", "body",
        )},
    )  # fmt: skip
    fields["at"] = stored_at
    with tampering(), connection.cursor() as cursor:
        if verb == "REPLACE":
            cursor.execute("DELETE FROM casework_event WHERE id = %s", [source.pk])
        names = ", ".join(fields)
        marks = ", ".join(["%s"] * len(fields))
        cursor.execute(f"INSERT INTO casework_event({names}) VALUES ({marks})", list(fields.values()))


def test_an_appended_event_is_found(log: list[Case]) -> None:
    _insert(log[1], 6)
    assert (first(log[1]).seq, first(log[1]).code) == (6, "tail_added")


def test_a_replaced_event_is_found(log: list[Case]) -> None:
    """INSERT OR REPLACE with a right digest of its own: its payload no longer fits, or the next link, or the head."""
    for seq, at in ((1, 1), (4, 4), (5, 5)):
        with undone():
            _insert(log[1], seq, "REPLACE")
            assert first(log[1]).seq == at, seq


def test_two_swapped_events_are_found(log: list[Case]) -> None:
    with tampering(), connection.cursor() as cursor:
        for old, new in ((2, 1002), (3, 2), (1002, 3)):
            cursor.execute("UPDATE casework_event SET seq = %s WHERE case_id = %s AND seq = %s", [new, log[1].pk, old])
    assert first(log[1]).seq == 2


def test_a_cut_tail_is_found_by_the_head(log: list[Case]) -> None:
    sql("DELETE FROM casework_event WHERE case_id = %s AND seq >= 4", log[1].pk)
    found = first(log[1])
    assert (found.seq, found.code) == (4, "tail_cut") and "head is event 5" in found.message


def _adapt_head(case: Case, seq: int) -> None:
    last = Event.objects.get(case=case, seq=seq)
    sql(
        "DELETE FROM casework_payload WHERE event_id IN (SELECT id FROM casework_event WHERE case_id = %s AND seq > %s)",
        case.pk,
        seq,
    )
    sql("DELETE FROM casework_event WHERE case_id = %s AND seq > %s", case.pk, seq)
    sql("UPDATE casework_case SET seq = %s, head_digest = %s WHERE id = %s", seq, last.digest, case.pk)


def test_a_cut_tail_with_its_head_is_found_by_an_anchor(log: list[Case]) -> None:
    _adapt_head(log[1], 3)
    found = first(log[1])
    assert (found.seq, found.code) == (4, "anchor_gone") or found.code == "tail_cut"


def test_what_came_after_the_last_anchor_can_be_cut_unseen_and_the_report_says_so(log: list[Case]) -> None:
    _adapt_head(log[1], 4)
    report = verify.verify()
    assert report.ok and "would not be seen" in report.vouches


def test_a_log_rewritten_with_its_anchors_is_found_only_from_outside(log: list[Case], tmp_path: Path) -> None:
    anchor = Anchor.objects.get()
    path = anchors.write_file(anchor_files.copy_of(anchor), tmp_path)
    _adapt_head(log[1], 3)
    last = Event.objects.get(case=log[1], seq=3)
    sql("UPDATE casework_anchorentry SET seq = 3, digest = %s WHERE case_id = %s", last.digest, log[1].pk)
    sql("UPDATE casework_case SET anchored_seq = 3 WHERE id = %s", log[1].pk)
    entries = list(AnchorEntry.objects.order_by("case_id").values_list("case_id", "seq", "digest"))
    sealed = chain.entries_digest(anchor.algorithm, entries)
    digest = chain.anchor_digest(
        anchor.algorithm, at_us=to_us(anchor.at), cases=anchor.cases, entries_digest=sealed, prev_digest=""
    )
    sql("UPDATE casework_anchor SET entries_digest = %s, digest = %s WHERE id = %s", sealed, digest, anchor.pk)
    assert verify.verify().ok, "from inside the rewritten log is whole"
    report = verify.verify(anchor=anchor_files.read_anchor(str(path)))
    assert report.first and report.first.case == log[1].number
    on_paper = verify.verify(anchor=anchor_files.read_anchor(f"{anchor.pk}:{anchor.digest}"))
    assert on_paper.first and "rewritten after it left the house" in on_paper.first.message


def test_an_outside_anchor_vouches_up_to_its_moment(log: list[Case]) -> None:
    anchor = Anchor.objects.get()
    for given in (anchor_files.copy_of(anchor), anchor_files.read_anchor(f"{anchor.pk}:{anchor.digest}")):
        report = verify.verify(anchor=given)
        assert report.ok and report.vouched_to == to_us(anchor.at)
        assert "all up to that moment" in report.vouches


def test_a_case_that_vanished_whole_is_found_by_the_anchor(log: list[Case]) -> None:
    for table, column in (
        ("payload", "case_id"), ("personal", "case_id"), ("party", "case_id"), ("outbox", "case_id"),
        ("event", "case_id"), ("case", "id"),
    ):  # fmt: skip
        sql(f"DELETE FROM casework_{table} WHERE {column} = %s", log[1].pk)
    assert verify.verify().first.code == "tail_cut"  # type: ignore[union-attr]


PAYLOADS = (
    "UPDATE casework_payload SET body = '{{}}' WHERE event_id = {event}",
    "UPDATE casework_payload SET salt = '00' WHERE event_id = {event}",
    "UPDATE casework_payload SET salt = '', body = '' WHERE event_id = {event}",
    "UPDATE casework_payload SET erased_at = '2026-01-01 00:00:00' WHERE event_id = {event}",
    "UPDATE casework_payload SET case_id = {other} WHERE event_id = {event}",
    "DELETE FROM casework_payload WHERE event_id = {event}",
    "UPDATE casework_payload SET event_id = 5 WHERE event_id = {event}",
)


def test_a_tampered_payload_is_found(log: list[Case]) -> None:
    event = Event.objects.get(case=log[1], seq=1)
    for statement in PAYLOADS:
        with undone():
            sql(statement.format(event=event.pk, other=log[0].pk))
            found = first(log[1])
            assert found.seq == 1 and found.code.startswith("payload"), (statement, found)


HEADS = (
    "UPDATE casework_case SET seq = seq + 1 WHERE id = {case}",
    "UPDATE casework_case SET seq = seq - 1 WHERE id = {case}",
    "UPDATE casework_case SET head_digest = '0' WHERE id = {case}",
    "UPDATE casework_case SET anchored_seq = 0 WHERE id = {case}",
    "DELETE FROM casework_event WHERE case_id = {case}",
    "UPDATE casework_anchorentry SET digest = '0' WHERE case_id = {case}",
    "UPDATE casework_anchorentry SET seq = 2 WHERE case_id = {case}",
    "DELETE FROM casework_anchorentry WHERE case_id = {case}",
)


def test_a_tampered_head_or_entry_is_found(log: list[Case]) -> None:
    for statement in HEADS:
        with undone():
            sql(statement.format(case=log[1].pk))
            assert first().case in (log[1].number, ""), statement


ANCHOR = (
    "id = id + 5",
    "cases = cases + 1",
    "prev_digest = '1'",
    "entries_digest = '1'",
    "digest = '1'",
    "algorithm = 'sha256'",
    "at = ",
)


def test_a_tampered_anchor_is_found(log: list[Case]) -> None:
    hour = "datetime(at, '+1 hour')" if connection.vendor == "sqlite" else "at + interval '1 hour'"
    for change in ANCHOR:
        with undone():
            sql(f"UPDATE casework_anchor SET {change}{hour if change == 'at = ' else ''}")
            assert "anchor" in first().message, change


def test_a_deleted_anchor_is_found(log: list[Case]) -> None:
    sql("DELETE FROM casework_anchor")
    assert not verify.verify().ok


def test_a_case_without_events_is_found(city: City) -> None:
    case = city.case()
    sql("DELETE FROM casework_payload")
    sql("DELETE FROM casework_event")
    assert first(case).code in ("no_events", "tail_cut")


def test_events_without_a_case_are_found(city: City) -> None:
    case = city.case()
    sql("DELETE FROM casework_case WHERE id = %s", case.pk)
    assert (first().case, first().code) == (str(case.pk), "no_case")


def test_a_body_that_is_not_canonical_is_found_even_with_a_right_digest(city: City) -> None:
    case = city.case()
    event = Event.objects.get(case=case)
    body = json.dumps(json.loads(event.body), indent=1)
    digest = chain.event_digest(
        version=event.version, algorithm=event.algorithm, id=event.pk, case=case.pk, seq=1, action=event.action,
        actor=event.actor, at_us=to_us(event.at), from_state="", to_state=event.to_state, batch="",
        payload_digest=event.payload_digest, prev_digest="", body=body,
    )  # fmt: skip
    sql("UPDATE casework_event SET body = %s, digest = %s WHERE id = %s", body, digest, event.pk)
    sql("UPDATE casework_case SET head_digest = %s WHERE id = %s", digest, case.pk)
    assert first(case).code == "not_canonical"


def test_an_erased_payload_is_no_fault_and_counted(log: list[Case]) -> None:
    erase.erase(log[1], SYSTEM, "申请")
    report = verify.verify()
    assert report.ok and report.erased == Payload.objects.filter(erased_at__isnull=False).count() > 0


def test_an_erasure_under_way_is_no_fault(log: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xiuhua.casework.deliver.at_once", lambda keys: None)
    erase.erase(log[1], SYSTEM, "申请")
    report = verify.verify()
    assert report.ok and report.erasing > 0 and report.erased == 0


def test_one_case_alone(log: list[Case]) -> None:
    sql("UPDATE casework_event SET action = 'x' WHERE case_id = %s AND seq = 2", log[1].pk)
    assert verify.verify(case_id=log[0].pk).ok
    assert not verify.verify(case_id=log[1].pk).ok


def test_chunks_join_without_a_seam(log: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, 3):
        monkeypatch.setattr("xiuhua.casework.log_reader.CHUNK", size)
        report = verify.verify()
        assert report.ok and report.events == Event.objects.count()


def test_missing_triggers_are_said(log: list[Case]) -> None:
    guard_rails.remove()
    try:
        report = verify.verify()
        assert not report.ok and report.unguarded and report.first is None
    finally:
        guard_rails.install()


def test_the_command_names_the_first_and_ends_with_1(log: list[Case], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([]) == 0
    assert "The log is whole" in capsys.readouterr().out
    sql("UPDATE casework_event SET action = 'x' WHERE case_id = %s AND seq = 2", log[1].pk)
    assert verify.main([]) == 1
    assert f"case {log[1].number}, event 2" in capsys.readouterr().out
    assert verify.main(["--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False and report["faults"][0]["seq"] == 2
    assert verify.main(["--case", log[0].number]) == 0
    assert verify.main(["--case", "nothing"]) == 2
    assert verify.main(["--anchor", "nowhere.json"]) == 2


def test_an_anchor_file_altered_outside_is_refused(log: list[Case], tmp_path: Path) -> None:
    whole, path = anchor_files.copy_of(Anchor.objects.get()), tmp_path / "a.json"
    spoilt = [
        replace(whole, at=whole.at + 1),
        replace(whole, entries=whole.entries[1:]),
        replace(whole, digest="0" * 64),
        replace(whole, prev_digest="0"),
    ]
    for one in spoilt:
        path.write_text(one.text())
        with pytest.raises(anchor_files.AnchorFileError):
            anchor_files.read_anchor(str(path))
