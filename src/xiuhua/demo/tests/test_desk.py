"""The desk: work lists with counts, the way through a list, one action on many cases and its taking back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import moments, work_lists
from xiuhua.casework.models import Case, Event, WorkList
from xiuhua.casework.pages import case_list
from xiuhua.casework.yaml_source import SourcesBroken
from xiuhua.city.models import Platform
from xiuhua.demo import foundation
from xiuhua.demo.tests.test_city_case import Desk
from xiuhua.demo.tests.test_pages_told import browser, to_dispatch, words

START = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
SAMPLE = work_lists.RULES.start("")
TO_DISPATCH = "open=1&state=to_dispatch&sort=due"


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at


@pytest.fixture
def clock() -> Any:
    source = Clock()
    with moments.clock_set(source):
        yield source


@pytest.fixture
def desk(city: Platform, clock: Clock) -> Desk:
    return Desk(city)


def waiting(desk: Desk, n: int) -> list[str]:
    return [to_dispatch(desk).number for _ in range(n)]


def municipal() -> str:
    return str(foundation.actor("municipal").seats[0].organisation_id)


class TestWorkLists:
    def test_every_role_has_its_own(self, desk: Desk) -> None:
        ids = {
            name: {one.id for one in work_lists.of(foundation.actor(name))}
            for name in ("dispatcher", "municipal", "collector")
        }
        assert {"mine", "to_dispatch", "returned"} <= ids["dispatcher"]
        assert {"mine", "handling", "rework"} <= ids["municipal"] and "to_dispatch" not in ids["municipal"]
        assert ids["collector"] == {"mine", "mine_late", "mine_soon"}

    def test_counts_are_those_of_the_lists(self, desk: Desk) -> None:
        waiting(desk, 2)
        desk.handling()
        desk.report(urgency="urgent")
        for name in ("dispatcher", "municipal", "hotline", "greening"):
            actor = foundation.actor(name)
            entries = work_lists.of(actor)
            found = work_lists.counts(actor, entries)
            assert set(found) == {one.id for one in entries}
            for one in entries:
                rows = case_list.chosen_by(actor, QueryDict(one.query).dict())[0]
                assert found[one.id] == rows.count(), (name, one.id)
        assert (
            work_lists.counts(foundation.actor("dispatcher"), work_lists.of(foundation.actor("dispatcher")))[
                "to_dispatch"
            ]
            == 2
        )

    def test_one_statement_however_many_lists(self, desk: Desk) -> None:
        actor = foundation.actor("dispatcher")
        for n in range(8):
            work_lists.keep(actor, f"l{n}", {"open": "1", "urgency": "urgent"}, "")
        entries = work_lists.of(actor)
        work_lists.counts(actor, entries)  # tables come into memory
        with CaptureQueriesContext(connection) as seen:
            work_lists.counts(actor, entries)
        assert len(seen) == 1

    def test_kept_and_shared_and_dropped(self, desk: Desk) -> None:
        mine, other, elsewhere = browser("dispatcher", "en"), browser("intake", "en"), browser("jiayu-dispatcher", "en")
        got = mine.post(
            "/cases/lists/keep/", {"name": " My  list ", "query": "open=1&urgency=urgent&q=13900000001", "role": ""}
        )
        row = WorkList.objects.get()
        assert (row.name, row.query) == ("My list", "open=1&urgency=urgent") and got[
            "Location"
        ] == f"/cases/?{row.query}"
        assert "My list" in mine.get("/cases/lists/").content.decode()
        assert "My list" not in other.get("/cases/lists/").content.decode()
        mine.post("/cases/lists/keep/", {"name": "My list", "query": "open=1&supervised=1", "role": "dispatcher"})
        assert WorkList.objects.get().role == "dispatcher"
        assert "My list" not in elsewhere.get("/cases/lists/").content.decode(), "another platform"
        assert other.post(f"/cases/lists/{row.pk}/drop/").status_code == 404
        assert mine.post(f"/cases/lists/{row.pk}/drop/").status_code == 302 and not WorkList.objects.exists()

    def test_what_cannot_be_kept(self, desk: Desk) -> None:
        client = browser("dispatcher")
        for fields in (
            {"name": "", "query": "open=1"},
            {"name": "x", "query": "q=井盖"},
            {"name": "x", "query": "nonsense=1"},
        ):
            assert client.post("/cases/lists/keep/", fields).status_code == 302
        client.post("/cases/lists/keep/", {"name": "x", "query": "open=1", "role": "leader"})
        assert [row.role for row in WorkList.objects.all()] == [""], "shared only with a role of one's own"

    @pytest.mark.parametrize(
        ("old", "new", "where"),
        [
            ("state: to_dispatch", "state: to_dispach", "state"),
            ("sort: due", "sort: colour", "sort"),
            ('mine: "1"', 'nine: "1"', "nine"),
            ("roles: [dispatcher]", "roles: [king]", "roles"),
            ("code: mine_late", "code: mine", "code"),
        ],
    )
    def test_a_broken_file_says_where(self, city: Platform, old: str, new: str, where: str) -> None:
        assert old in SAMPLE
        with pytest.raises(SourcesBroken) as broken:
            work_lists.RULES.judge(city.code, SAMPLE.replace(old, new, 1))
        assert where in str(broken.value)

    def test_statements_of_the_page(self, desk: Desk) -> None:
        client = browser("dispatcher")

        def asked(path: str) -> int:
            client.get(path)
            with CaptureQueriesContext(connection) as seen:
                assert client.get(path).status_code == 200
            return len(seen)

        waiting(desk, 1)
        few = asked(f"/cases/?{TO_DISPATCH}"), asked("/cases/lists/"), asked("/")
        waiting(desk, 4)
        assert (asked(f"/cases/?{TO_DISPATCH}"), asked("/cases/lists/"), asked("/")) == few
        assert max(few) <= 12, few


class TestWay:
    def test_through_the_list_in_its_order(self, desk: Desk) -> None:
        numbers = waiting(desk, 3)
        actor = foundation.actor("dispatcher")
        for place, number in enumerate(numbers):
            way = case_list.around(actor, TO_DISPATCH, Case.objects.get(number=number))
            before = numbers[place - 1] if place else ""
            after = numbers[place + 1] if place < 2 else ""
            assert (before in way["before"]) and bool(before) == bool(way["before"])
            assert (after in way["after"]) and bool(after) == bool(way["after"])

    def test_after_a_step_the_next_of_the_list_comes(self, desk: Desk) -> None:
        numbers = waiting(desk, 2)
        client = browser("dispatcher", "en")
        listed = urlencode({"list": TO_DISPATCH})
        page = client.get(f"/cases/{numbers[0]}/?{listed}").content.decode()
        assert f"/cases/{numbers[1]}/?{listed}" in page and f"/do/dispatch/?{listed}" in page
        answers = {"unit": municipal(), "key": "k1"}
        got = client.post(f"/cases/{numbers[0]}/do/dispatch/?{listed}", answers, follow=True)
        assert got.redirect_chain[-1][0] == f"/cases/{numbers[1]}/?{listed}"
        assert numbers[0] in words(got.content.decode()), "what was done is said with its number"
        got = client.post(f"/cases/{numbers[1]}/do/dispatch/?{listed}", {**answers, "key": "k2"}, follow=True)
        assert got.redirect_chain[-1][0] == f"/cases/?{TO_DISPATCH}"

    def test_beside_the_list(self, desk: Desk) -> None:
        number = waiting(desk, 1)[0]
        client = browser("dispatcher", "en")
        pane = client.get(f"/cases/{number}/?pane=1&{urlencode({'list': TO_DISPATCH})}").content.decode()
        assert "<html" not in pane and 'id="pane-title"' in pane and "/do/dispatch/" in pane
        assert browser("greening").get(f"/cases/{number}/?pane=1").status_code == 404


class TestBulk:
    def chosen(self, numbers: list[str], **more: str) -> dict[str, Any]:
        return {"bulk.case": numbers, "bulk.list": TO_DISPATCH, **more}

    def test_preview_names_every_refusal_and_the_rest_is_done(self, desk: Desk) -> None:
        numbers = waiting(desk, 3)
        reported = desk.report().number
        client = browser("dispatcher", "en")
        page = words(client.post("/cases/bulk/", self.chosen([*numbers, reported])).content.decode())
        assert "4 cases chosen" in page and "Dispatch 3 of 4" in page
        before = Event.objects.count()
        got = client.post("/cases/bulk/", self.chosen([*numbers, reported], **{"bulk.action": "dispatch"}))
        page = words(got.content.decode())
        assert "3 of 4 will be done" in page and "is not possible while the case is “Reported”" in page
        assert Event.objects.count() == before, "a preview writes nothing"
        sure = {"bulk.action": "dispatch", "bulk.sure": "1", "unit": municipal(), "key": "abc"}
        page = words(client.post("/cases/bulk/", self.chosen([*numbers, reported], **sure)).content.decode())
        assert "3 cases done" in page and "Take back" in page
        assert set(Case.objects.filter(number__in=numbers).values_list("state", flat=True)) == {"to_receive"}
        again = words(client.post("/cases/bulk/", self.chosen([*numbers, reported], **sure)).content.decode())
        assert "3 cases done" in again and Event.objects.filter(action="dispatch").count() == 3, "a second click"
        other = words(client.post("/cases/bulk/", self.chosen(numbers, **{**sure, "key": "abd"})).content.decode())
        assert "None of these cases allows it" in other and Event.objects.filter(action="dispatch").count() == 3

    def test_taken_back_within_the_window_and_not_after(self, desk: Desk, clock: Clock) -> None:
        numbers = waiting(desk, 2)
        client = browser("dispatcher", "en")
        sure = {"bulk.action": "dispatch", "bulk.sure": "1", "unit": municipal(), "key": "abcd"}
        client.post("/cases/bulk/", self.chosen(numbers, **sure))
        batch = Event.objects.filter(action="dispatch").values_list("batch", flat=True)[0]
        assert browser("intake").post("/cases/bulk/undo/", {"batch": batch}).status_code in (403, 404)
        client.post("/cases/bulk/undo/", {"batch": batch, "bulk.list": TO_DISPATCH})
        assert set(Case.objects.filter(number__in=numbers).values_list("state", flat=True)) == {"to_dispatch"}
        client.post("/cases/bulk/", self.chosen(numbers, **{**sure, "key": "abce"}))
        batch = Event.objects.filter(action="dispatch").order_by("-id").values_list("batch", flat=True)[0]
        clock.at += timedelta(seconds=40)
        page = client.post("/cases/bulk/undo/", {"batch": batch}, follow=True).content.decode()
        assert "too late" in page
        assert set(Case.objects.filter(number__in=numbers).values_list("state", flat=True)) == {"to_receive"}

    def test_a_missing_answer_is_said_and_nothing_is_written(self, desk: Desk) -> None:
        numbers = waiting(desk, 2)
        sure = {"bulk.action": "dispatch", "bulk.sure": "1", "unit": "", "key": "x"}
        got = browser("dispatcher", "en").post("/cases/bulk/", self.chosen(numbers, **sure))
        assert got.status_code == 422 and not Event.objects.filter(action="dispatch").exists()

    def test_only_what_is_in_sight(self, desk: Desk) -> None:
        numbers = waiting(desk, 1)
        got = browser("greening").post("/cases/bulk/", self.chosen(numbers))
        assert got.status_code == 302, "nothing was chosen that this person may see"
        assert browser("dispatcher").post("/cases/bulk/", {"bulk.case": ["no such"]}).status_code == 302
        assert (
            browser("dispatcher").post("/cases/bulk/", self.chosen(numbers, **{"bulk.action": "nothing"})).status_code
            == 404
        )
