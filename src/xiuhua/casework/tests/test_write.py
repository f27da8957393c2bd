"""advance() writes everything in one statement, and at most four in its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from xiuhua.casework import engine, library, projection, write
from xiuhua.casework.models import Case, Event, Outbox, Payload
from xiuhua.casework.tests.conftest import City

#: The one writing statement, by its first word on each engine.
WRITE = ["INSERT"] if connection.vendor == "sqlite" else ["WITH"]


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements of the transactions inside, with BEGIN and COMMIT, which Django sends past its cursors."""
    sent: list[str] = []
    inside = False

    def note(sql: str) -> None:
        nonlocal inside
        word = sql.split(None, 1)[0].upper()
        inside = inside or word == "BEGIN"
        if inside:
            sent.append(sql[:120])
        if word in ("COMMIT", "ROLLBACK"):
            inside = False

    def each(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        note(sql)
        return execute(sql, params, many, context)

    commit, autocommit = connection._commit, connection._set_autocommit

    def commits() -> None:
        note("COMMIT")
        commit()

    def begins(on: bool) -> None:
        if not on:
            note("BEGIN")  # psycopg sends it with the first statement
        autocommit(on)

    with patch.object(connection, "_commit", commits), connection.execute_wrapper(each):
        if connection.vendor == "sqlite":  # there BEGIN IMMEDIATE goes through a cursor
            yield sent
        else:
            with patch.object(connection, "_set_autocommit", begins):
                yield sent


def test_an_action_takes_four_statements(city: City) -> None:
    case = city.case()
    engine.advance(case, "accept", city.operator, {"note": "核实无误"}, key="warm")
    case = city.case()
    with counted() as sent:
        engine.advance(case, "accept", city.operator, {"note": "核实无误"}, key="k")
    assert [sql.split()[0] for sql in sent] == ["BEGIN", "SELECT", *WRITE, "COMMIT"], sent


def test_a_new_case_takes_four_statements(city: City) -> None:
    city.case()
    with counted() as sent:
        engine.create("repair", city.platform, city.operator, {"description": "路灯不亮"}, key="k")
    assert len(sent) <= 4, sent


def test_an_action_with_children_takes_four_statements(city: City) -> None:
    city.act(city.handled(), "look", collector="collector", note="去看看")
    case = city.handled()
    with counted() as sent:
        engine.advance(case, "look", city.unit, {"collector": "collector", "note": "去看看"})
    assert len(sent) <= 4, sent
    assert Case.objects.filter(parent=case).count() == 1


def test_every_column_survives_the_document(city: City) -> None:
    """What the writing statement stored is what the model would have stored."""
    case = city.handled(title='标题 with "quotes" and \\ 𠮷', address="路 1 号")
    fresh = projection.replay(case, [(e, p) for e, p in _events(case)])
    assert projection.differences(case, fresh) == []
    again = Case.objects.get(pk=case.pk)
    again.save()
    assert projection.differences(Case.objects.get(pk=case.pk), fresh) == []


def _events(case: Case) -> list[tuple[Event, str | None]]:
    words = dict(Payload.objects.filter(case=case).values_list("event_id", "body"))
    return [(e, words.get(e.pk)) for e in Event.objects.filter(case=case).order_by("seq")]


def test_a_case_that_moved_on_is_not_overwritten(city: City) -> None:
    case = city.case()
    document = write.Document()
    stale = Case.objects.get(pk=case.pk)
    city.act(case, "accept")
    stale.state = "void"
    stale.seq += 1
    document.add("cases", **write.case_row(stale), seen=stale.seq - 1)
    from django.db import transaction

    with pytest.raises(write.Stale), transaction.atomic():
        write.apply(document)
    assert Case.objects.get(pk=case.pk).state == "to_dispatch"


def test_half_a_document_is_never_written(city: City) -> None:
    """An event that stands already takes the whole document back."""
    case = city.case()
    event = Event.objects.get(case=case)
    document = write.Document()
    document.add("outbox", **write.outbox_row("half", "notice", case.created_at, case.pk))
    row = {f.column: getattr(event, f.attname) for f in Event._meta.concrete_fields}
    document.add("events", **row)
    from django.db import DatabaseError, transaction

    with pytest.raises(DatabaseError), transaction.atomic():
        write.apply(document)
    assert not Outbox.objects.filter(key="half").exists()


def test_the_library_knows_the_test_procedures(city: City) -> None:
    _pk, rules = library.current("repair", city.platform)
    assert {a.code for a in rules.start_actions()} == {"report"}
