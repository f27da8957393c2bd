"""A bulk action is taken back within its window, by an event of its own; and personal fields are shown by an event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from xiuhua.casework import engine, projection, rebuild, reveal, sweep, undo, verify
from xiuhua.casework.models import Case, Event, Hand, Outbox, Payload
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city import crypto

IGNORED = {"seq", "head_digest", "updated_at", "children_made"}


def restored(before: Case) -> bool:
    """Whether a case is again what it was."""
    now = Case.objects.get(pk=before.pk)
    return set(projection.differences(before, now)) <= IGNORED


def test_all_is_as_before_and_nothing_is_deleted(city: City, clock: TestClock) -> None:
    cases = [city.act(city.case(title=f"t{i}"), "accept") for i in range(3)]
    batch = engine.advance_many(cases, "dispatch", city.dispatcher, {"unit": "roads", "advice": "速办"})
    assert len(batch.done) == 3
    clock.forward(seconds=10)
    result = undo.undo(batch.batch, city.dispatcher)
    assert [o.state for o in result.done] == ["to_dispatch"] * 3 and result.refused == []
    assert all(restored(case) for case in cases)
    assert Event.objects.filter(batch=batch.batch).count() == 6
    assert verify.verify().ok and list(rebuild.compare()) == []


def test_waiting_effects_never_leave(city: City, clock: TestClock) -> None:
    case = city.act(city.case(), "accept")
    city.run()
    batch = engine.advance_many([case], "dispatch", city.dispatcher, {"unit": "roads"})
    clock.forward(seconds=5)
    city.run()
    notice = Outbox.objects.get(kind="notice")
    assert notice.done_at is None, "it waits out the window"
    undo.undo(batch.batch, city.dispatcher)
    notice.refresh_from_db()
    assert notice.done_at is not None and notice.last_error == "undone" and notice.attempts == 0


def test_without_undo_effects_leave_after_the_window(city: City, clock: TestClock) -> None:
    case = city.act(city.case(), "accept")
    engine.advance_many([case], "dispatch", city.dispatcher, {"unit": "roads"})
    clock.forward(seconds=31)
    city.run()
    assert Outbox.objects.get(kind="notice").attempts == 1


def test_clocks_run_on_as_if_nothing_had_been(city: City, clock: TestClock) -> None:
    case = city.case()
    batch = engine.advance_many([case], "accept", city.operator)
    clock.forward(seconds=20)
    undo.undo(batch.batch, city.operator)
    assert Case.objects.get(pk=case.pk).due_at == case.due_at
    clock.forward(minutes=8)
    city.run()
    assert Event.objects.filter(case=case, action="clock_warning").count() == 1
    assert list(rebuild.compare()) == []


def test_children_are_cancelled_and_keep_their_numbers(city: City, clock: TestClock) -> None:
    case = city.handled()
    batch = engine.advance_many([case], "look", city.unit, {"collector": "collector", "note": "看"})
    undo.undo(batch.batch, city.unit)
    child = Case.objects.get(parent=case)
    assert child.state == "cancelled" and restored(case)
    city.run()
    again = city.act(Case.objects.get(pk=case.pk), "look", collector="collector")
    numbers = list(Case.objects.filter(parent=again).order_by("number").values_list("number", flat=True))
    assert numbers == [f"{case.number}-01", f"{case.number}-02"]
    city.act(Case.objects.get(number=numbers[1]), "report_seen", seen="好")
    assert Case.objects.get(pk=case.pk).state == "handling"
    assert verify.verify().ok and list(rebuild.compare()) == []


def test_seats_of_a_vote_are_taken_back(city: City) -> None:
    case = city.handled()
    voters = [{"user": city.collector.user_id}, {"user": city.dispatcher.user_id}]
    batch = engine.advance_many([case], "ask_vote", city.unit, {"voters": voters})
    assert Hand.objects.filter(case=case, open=True).count() == 2
    undo.undo(batch.batch, city.unit)
    assert restored(case) and not Hand.objects.filter(case=case, open=True).exists()
    city.act(case, "ask_vote", voters=voters)
    batch = engine.advance_many([case], "vote", city.collector, {"choice": "yes"})
    before = Case.objects.get(pk=case.pk)
    undo.undo(batch.batch, city.collector)
    assert Hand.objects.filter(case=case, open=True).count() == 2
    assert city.act(before, "vote", city.collector, choice="yes").hands[0]["choice"] == "yes"


def refusal(city: City, batch: str, **more: Any) -> str:
    result = undo.undo(batch, more.pop("actor", city.operator), **more)
    assert result.done == []
    return result.refused[0][1].code


def test_too_late_or_moved_on_or_somebody_else(city: City, clock: TestClock) -> None:
    case = city.case()
    batch = engine.advance_many([case], "accept", city.operator).batch
    assert refusal(city, batch, actor=city.chief) == "not_yours"
    clock.forward(seconds=31)
    assert refusal(city, batch) == "closed"
    city.act(case, "dispatch", unit="roads")
    assert refusal(city, batch, window=timedelta(hours=1)) == "stale"
    assert Case.objects.get(pk=case.pk).state == "to_receive"


def test_not_twice(city: City) -> None:
    case = city.case()
    batch = engine.advance_many([case], "accept", city.operator).batch
    assert undo.undo(batch, city.operator).done
    assert refusal(city, batch) == "stale"


def test_what_has_left_cannot_be_taken_back(city: City, clock: TestClock) -> None:
    case = city.act(city.case(), "accept")
    batch = engine.advance_many([case], "dispatch", city.dispatcher, {"unit": "roads"}, undo_window=timedelta(0)).batch
    clock.forward(seconds=1)
    city.run()
    assert refusal(city, batch, actor=city.dispatcher) == "stale"
    assert not Outbox.objects.filter(lease_by__startswith="undo:").exists()


def test_part_of_a_batch(city: City) -> None:
    cases = [city.case(), city.case()]
    batch = engine.advance_many(cases, "accept", city.operator).batch
    city.act(cases[0], "dispatch", unit="roads")
    result = undo.undo(batch, city.operator)
    assert [o.case_id for o in result.done] == [cases[1].pk]
    assert [r[0] for r in result.refused] == [str(cases[0].pk)]


@pytest.mark.parametrize("undone", [True, False])
def test_an_undo_that_died_is_settled_by_the_sweep(
    city: City, clock: TestClock, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any, undone: bool
) -> None:
    """The process died after holding the effects, before or after the compensating event."""
    settings.DATA_DIR = tmp_path
    case = city.act(city.case(), "accept")
    batch = engine.advance_many([case], "dispatch", city.dispatcher, {"unit": "roads"}).batch
    event = Event.objects.get(batch=batch)
    if undone:
        undo.undo(batch, city.dispatcher)
    held = {"lease_until": clock.at + undo.HELD, "lease_by": f"undo:{event.pk}", "done_at": None, "last_error": ""}
    Outbox.objects.filter(kind="notice").update(**held)
    clock.forward(minutes=6)
    city.run()
    sweep.sweep()
    row = Outbox.objects.get(kind="notice")
    assert (row.last_error == "undone") is undone and (row.done_at is not None) is undone
    city.run()
    row.refresh_from_db()
    assert row.attempts == (0 if undone else 1)


# --- reveal -----------------------------------------------------------------------------------------------------


def test_every_look_is_an_event_with_its_reason(city: City) -> None:
    case = city.handled(reporter_phone="138 7123 4567", reporter_name="张三")
    assert crypto.normalise_phone(reveal.reveal(case, "reporter_phone", city.unit, "回访")) == "13871234567"
    event = Event.objects.get(case=case, action="reveal")
    assert event.actor_user_id == city.unit.user_id and '"field":"reporter_phone"' in event.body
    assert "回访" in Payload.objects.get(event=event).body and "回访" not in event.body
    assert verify.verify().ok


def test_nobody_else_and_nothing_without_a_reason(city: City) -> None:
    case = city.handled(reporter_phone="13871234567")
    for name in ("park_unit", "collector", "auditor", "administrator"):
        with pytest.raises(Refused) as refused:
            reveal.reveal(case, "reporter_phone", city.actors[name], "好奇")
        assert refused.value.refusal.code == "not_yours"
    with pytest.raises(Refused) as refused:
        reveal.reveal(case, "reporter_phone", city.unit, "")
    assert refused.value.refusal.missing[0].field == "reason"
    with pytest.raises(Refused) as refused:
        reveal.reveal(case, "reporter_id", city.unit, "回访")
    assert refused.value.refusal.code == "not_found"
    assert not Event.objects.filter(action="reveal").exists()


def test_a_look_does_not_move_the_case(city: City) -> None:
    case = city.handled(reporter_phone="13871234567")
    reveal.reveal(case, "reporter_phone", city.unit, "回访")
    after = Case.objects.get(pk=case.pk)
    assert set(projection.differences(case, after)) <= IGNORED
