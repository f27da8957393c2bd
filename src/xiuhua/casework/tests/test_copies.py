"""Copies of a pattern are the rows that the bulk writer would have made, under other identifiers, and their chains verify."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xiuhua.casework import anchors, bulk, copies, engine, rebuild, verify
from xiuhua.casework.bulk import History
from xiuhua.casework.copies import Blank, Filling, Pattern, Spot
from xiuhua.casework.models import Case, Event, Outbox, Payload, Personal
from xiuhua.casework.tests.conftest import START, City, TestClock, build_city
from xiuhua.casework.tests.test_bulk import FULL, MOVES, dump, empty, empty_cases, steps_of
from xiuhua.city import crypto

BLANKS = (Blank("description", "〔描述〕"), Blank("title", "〔标题〕"))
#: What forms keep as it is typed: letters of all kinds, quotes, backslashes, percent signs; a long text has lines as well.
LINE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
LINES = st.lists(LINE | st.sampled_from([r"a\b", '"', "%s", r"\N", "%(x)s"]), min_size=1, max_size=3).map("\n".join)


def history(city: City, choice: list[int], gaps: list[int], words: Mapping[str, str], phone: str) -> History:
    """Only what the engine accepts."""
    steps = list(steps_of(city, choice, gaps, "ordinary"))
    first = steps[0]
    steps[0] = type(first)(first.action, first.actor, {**first.data, **words, "reporter_phone": phone}, first.at)
    kept = steps[:1]
    for step in steps[1:]:
        try:
            family = bulk.Family()
            family.play(History("repair", city.platform, (*kept, step)), "1" * 19)
        except (bulk.RefusedAt, IndexError):
            continue
        kept.append(step)
    return History("repair", city.platform, tuple(kept))


_NEW = re.compile(r"[0-9a-f]{32,64}|1:[0-9a-f]{8}:[A-Za-z0-9_=-]+|(?<![0-9])[0-9]{18,19}(?![0-9])")


def alike(dumped: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """Rows with their identifiers, digests, salts and sealed texts numbered in order of appearance."""
    seen: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return seen.setdefault(match.group(), f"<{len(seen)}>")

    ordered = {table: sorted(rows, key=_place) for table, rows in dumped.items()}
    return {
        table: [_NEW.sub(name, json.dumps(row, default=str, ensure_ascii=False, sort_keys=True)) for row in rows]
        for table, rows in ordered.items()
    }


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Order that does not hang on identifiers: they are made in the order of the rows."""
    return (row.get("id") or row.get("event_id") or 0, str(row.get("field", "")), str(row.get("slot", "")), str(row))


@pytest.mark.django_db(transaction=True)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    choice=st.lists(st.integers(0, len(MOVES) - 1), max_size=8).map(lambda more: FULL + more),
    gaps=st.lists(st.integers(1, 50_000), min_size=1, max_size=4),
    description=LINES,
    title=LINE,
    serial=st.integers(0, 10**8 - 1),
)
def test_a_copy_is_what_the_bulk_writer_makes(
    choice: list[int], gaps: list[int], description: str, title: str, serial: int
) -> None:
    empty()
    city = build_city()
    words, phone = {"description": description, "title": title}, f"139{serial:08d}"
    wanted = history(city, choice, gaps, words, phone)
    assert not bulk.load([wanted]).refused
    one = alike(dump())
    empty_cases()
    pattern = Pattern(history(city, choice, gaps, {b.name: b.text for b in BLANKS}, "13800000001"), BLANKS)
    beside = connection.vendor == "postgresql"  # the database in memory of these tests has one connection
    loaded = copies.load([(pattern, [Filling(words, personal={"reporter_phone": phone})])], beside=beside)
    assert not loaded.refused and loaded.events == Event.objects.count() > 15 and loaded.cases == Case.objects.count()
    two = alike(dump())
    for table in one:
        assert one[table] == two[table], table
    report = verify.verify()
    assert report.ok, report.faults
    assert list(rebuild.compare()) == []
    cipher = Personal.objects.get(field="reporter_phone")
    assert crypto.decrypt(cipher.cipher, f"case:{cipher.case_id}:reporter_phone") == phone


def many(city: City, count: int, **more: Any) -> tuple[Pattern, list[Filling]]:
    pattern = Pattern(history(city, FULL, [600], {b.name: b.text for b in BLANKS}, "13800000001"), BLANKS, **more)
    fillings = [Filling({"description": f"第{i}处", "title": f"标题{i}"}) for i in range(count)]
    return pattern, fillings


def test_many_copies_are_a_log_to_go_on_with(city: City, clock: TestClock) -> None:
    pattern, fillings = many(city, 40)
    loaded = copies.load([(pattern, fillings), (pattern, fillings[:2])])
    assert loaded.cases == Case.objects.count() == 42 * 3
    roots = Case.objects.filter(parent=None).order_by("number")
    assert [case.number for case in roots] == [f"42120020260304{i:05d}" for i in range(1, 43)]
    assert [case.description for case in roots][:40] == [f"第{i}处" for i in range(40)]
    salts = Payload.objects.values_list("salt", flat=True)
    assert len(set(salts)) == len(salts)
    anchors.take()
    assert verify.verify().ok and list(rebuild.compare()) == []
    assert engine.create("repair", city.platform, city.operator, {"description": "x"}).number.endswith("00043")
    clock.at = START + timedelta(days=3)
    look = Case.objects.filter(parent=roots[7], open=True).get()
    engine.advance(look.pk, "report_seen", city.actors["collector"], {"seen": "还在"})
    city.run()
    engine.advance(roots[7].pk, "finish", city.actors["unit"], {"result": "修好"})
    assert verify.verify().ok


def test_what_the_worker_has_done_by_then_is_settled(city: City) -> None:
    pattern, fillings = many(city, 2)
    copies.load([(pattern, fillings)])
    before = Outbox.objects.filter(done_at__isnull=True).count()
    assert before
    empty_cases()
    copies.load([(Pattern(pattern.history, BLANKS, settled=START + timedelta(days=400)), fillings)])
    assert not Outbox.objects.filter(done_at__isnull=True).exists() and Outbox.objects.exists()
    ended = Case.objects.filter(open=False).values("pk")
    assert not Outbox.objects.filter(case__in=ended).exists()


def test_what_does_not_fit_is_refused_by_name(city: City) -> None:
    pattern, fillings = many(city, 1)
    refused = History("repair", city.platform, (*pattern.history.steps[:1], pattern.history.steps[3]))
    loaded = copies.load([(Pattern(refused, BLANKS), fillings)])
    assert [(place, step) for place, step, _why in loaded.refused] == [(0, 1)] and not Case.objects.exists()
    for filling, words in (
        (Filling({"description": "x"}), "the blanks are"),
        (Filling(fillings[0].words, Spot(1, 1)), "position exactly when"),
        (Filling(fillings[0].words, personal={"reporter_name": "x"}), "no personal answer reporter_name"),
    ):
        with pytest.raises(ValueError, match=words):
            copies.load([(pattern, [fillings[0], filling])])
    assert not Case.objects.exists()


def test_the_number_of_statements_does_not_grow_with_copies(city: City) -> None:
    pattern, fillings = many(city, 30)
    press, counts = copies.Press(pattern, connection.vendor), []
    for count in (1, 30):
        values = [press.values(one, f"X{count}-{i}") for i, one in enumerate(fillings[:count])]
        with CaptureQueriesContext(connection) as seen:
            copies.write_printed(press.printed(values))
        counts.append(len(seen))
    assert counts[0] == counts[1] and verify.verify().ok
