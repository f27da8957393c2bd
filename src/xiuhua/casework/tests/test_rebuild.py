"""The case row is what its events say, deadlines among it."""

from __future__ import annotations

from datetime import date

import pytest

from xiuhua.casework import erase, rebuild
from xiuhua.casework.models import Case
from xiuhua.casework.tests.conftest import City, TestClock, forget
from xiuhua.city import calendar_load
from xiuhua.city.access import SYSTEM


@pytest.fixture
def history(city: City, clock: TestClock) -> Case:
    """A case that went every way the test procedure has."""
    case = city.act(city.case(title="井盖", reporter_phone="13800000001", urgency="urgent"), "accept")
    case = city.act(case, "dispatch", unit="roads")
    clock.forward(minutes=20)
    case = city.act(case, "give_back")
    case = city.act(case, "dispatch", unit="roads")
    clock.forward(hours=3)
    city.run()  # deemed received
    case = city.act(Case.objects.get(pk=case.pk), "look", collector="collector", note="看看")
    clock.forward(hours=20)
    city.act(Case.objects.get(parent=case), "report_seen", seen="还在")
    case = city.act(case, "extend")
    voters = [{"user": city.collector.user_id}, {"user": city.dispatcher.user_id}]
    case = city.act(case, "ask_vote", voters=voters)
    for name in ("collector", "dispatcher"):
        case = city.act(case, "vote", city.actors[name], choice="yes")
    clock.forward(days=4)
    city.run()
    case = city.act(case, "finish", result="补好")
    case = city.act(case, "redo")
    case = city.act(case, "finish")
    case = city.act(case, "close", points=5)
    return city.act(case, "reopen")


def test_rows_and_deadlines_come_out_of_the_log_again(history: Case) -> None:
    assert history.seq > 15
    assert list(rebuild.compare()) == []


def test_after_an_erasure_too(history: Case) -> None:
    erase.erase(history, SYSTEM, "申请")
    assert list(rebuild.compare()) == []


def test_a_row_that_differs_is_named_and_put_right(history: Case, capsys: pytest.CaptureFixture[str]) -> None:
    Case.objects.filter(pk=history.pk).update(state="closed", rounds=9)
    found = list(rebuild.compare())
    assert [(d.case_id, set(d.columns)) for d in found] == [(history.pk, {"state", "rounds"})]
    assert rebuild.main(["--check"]) == 1
    assert "rounds: 9, the log says 1" in capsys.readouterr().err
    assert rebuild.main([]) == 0
    assert rebuild.main(["--check"]) == 0
    assert Case.objects.get(pk=history.pk).rounds == 1


def test_a_deadline_under_an_older_calendar_stays_derivable(city: City, clock: TestClock) -> None:
    """A notice that is loaded later does not change what was counted before it."""
    case = city.handled()
    before = case.handling_due_at
    days = [
        calendar_load.NoticeDay(date(2026, 3, 5), "off", "试"),
        calendar_load.NoticeDay(date(2026, 3, 6), "off", "试"),
    ]
    calendar_load.store_notice(days, 2026)
    assert Case.objects.get(pk=case.pk).handling_due_at == before
    assert list(rebuild.compare()) == []
    forget()  # as a process does within a second
    city.run()
    after = Case.objects.get(pk=case.pk)
    assert before and after.handling_due_at and after.handling_due_at > before
    assert after.calendar_version > case.calendar_version
    assert list(rebuild.compare()) == []
