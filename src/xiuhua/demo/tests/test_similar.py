"""Similar open cases beside the filing form: the rule of the class, nearness, time, sight, and the way to attach."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import similar
from xiuhua.casework.models import Case
from xiuhua.casework.yaml_source import SourcesBroken
from xiuhua.city import categories
from xiuhua.city.models import Platform
from xiuhua.demo import foundation
from xiuhua.demo.tests.small_city import POINT
from xiuhua.demo.tests.test_city_case import Desk, Time, time
from xiuhua.demo.tests.test_pages_told import browser, words

__all__ = ["time"]
SAMPLE = similar.RULES.start("")
PLACE = (114.32, 29.84)
M_LAT = 1 / 111_195.0  # degrees of one metre to the north


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


def category(kind: str, code: str) -> categories.CategoryInfo:
    found = categories.catalogue().category("2026", kind, code)
    assert found is not None
    return found


def at(metres: float) -> dict[str, Any]:
    return {**POINT, "lat": f"{PLACE[1] + metres * M_LAT:.7f}"}


def report(desk: Desk, of: categories.CategoryInfo | None, metres: float = 0) -> str:
    more = {"category": of.id} if of else {}
    return desk.report(position=at(metres), component=None, **more).number


def found(desk: Desk, of: categories.CategoryInfo | None, name: str = "hotline", **more: Any) -> dict[str, int]:
    reach = similar.RULES.value("421200").reach(of)
    rows = similar.find(foundation.actor(name), "city_case", reach, of, PLACE, **more)
    return {one.case.number: one.metres for one in rows}


class TestRule:
    def test_the_longest_code_counts_then_the_kind_then_the_rest(self, desk: Desk) -> None:
        book = similar.RULES.value("421200")
        assert book.reach(category("component", "01001")).radius_m == 30
        assert book.reach(category("component", "01050")) == book.kinds["component"]
        assert book.reach(category("event", "06028")).same == "class"
        assert book.reach(category("event", "09005")).days == 1
        assert book.reach(None) == book.otherwise

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (SAMPLE.replace("city_case:", "city_cake:"), "there is no procedure 'city_cake'"),
            (SAMPLE.replace("patrol_report", "patrol"), "the procedure has no action 'patrol'"),
            (SAMPLE.replace('code: "06028"', 'code: "99999"'), "there is no class '99999'"),
            (SAMPLE.replace('code: "01002"', 'code: "01001"'), "stands twice"),
            (SAMPLE.replace("radius_m: 300", "radius_m: 0"), "radius_m"),
            (SAMPLE.replace("same: any", "same: colour"), "same"),
        ],
    )
    def test_what_a_city_writes_is_checked(self, desk: Desk, wrong: str, said: str) -> None:
        with pytest.raises(SourcesBroken) as broken:
            similar.RULES.judge("421200", wrong)
        assert said in str(broken.value)

    def test_the_sample_is_faultless(self, desk: Desk) -> None:
        similar.RULES.judge("421200", SAMPLE + "\n")


class TestFind:
    def test_nearest_first_within_the_radius_of_the_class(self, desk: Desk) -> None:
        cover = category("component", "01001")
        far, near, mid = report(desk, cover, 29), report(desk, cover, 3), report(desk, cover, -20)
        report(desk, cover, 32)
        assert found(desk, cover) == {near: 3, mid: 20, far: 29}
        assert list(found(desk, cover)) == [near, mid, far]
        assert list(found(desk, cover, most=2)) == [near, mid]
        assert near not in found(desk, cover, but=Case.objects.get(number=near).pk)

    def test_like_in_class(self, desk: Desk) -> None:
        noise, smoke = category("event", "06028"), category("event", "06027")
        mine, other, unknown = report(desk, noise), report(desk, smoke), report(desk, None)
        assert set(found(desk, noise)) == {mine, unknown}, "the same class, and what has none yet"
        assert set(found(desk, category("event", "06012"))) == {mine, other, unknown}, "the major class"
        assert set(found(desk, None)) == {mine, other, unknown}

    def test_a_component_and_its_fault_are_alike(self, desk: Desk) -> None:
        number = report(desk, category("event", "01001"))
        assert number in found(desk, category("component", "01001"))

    def test_not_long_ago_and_open(self, desk: Desk, time: Time) -> None:
        trade = category("event", "09005")
        number = report(desk, trade)
        assert number in found(desk, trade)
        time.pass_(hours=25)
        assert number not in found(desk, trade)
        second = report(desk, trade)
        desk.do("hotline", "void", reason="not_found")
        assert second not in found(desk, trade)

    def test_within_sight_only(self, desk: Desk) -> None:
        cover = category("component", "01001")
        number = report(desk, cover)
        assert number in found(desk, cover, "dispatcher")
        for stranger in ("jiayu-intake", "collector"):
            assert found(desk, cover, stranger) == {}

    def test_one_statement_however_many(self, desk: Desk) -> None:
        cover = category("component", "01001")
        for metres in range(8):
            report(desk, cover, metres)
        found(desk, cover)
        actor, reach = foundation.actor("hotline"), similar.RULES.value("421200").reach(cover)
        with CaptureQueriesContext(connection) as seen:
            assert len(similar.find(actor, "city_case", reach, cover, PLACE)) == 8
        assert len(seen) == 1


class TestPart:
    URL = "/similar/city_case/report/"

    def ask(self, name: str = "hotline", url: str = "", **given: Any) -> str:
        got = browser(name, "en").get(url or self.URL, given)
        assert got.status_code == 200
        return got.content.decode()

    def place(self, metres: float = 0) -> dict[str, str]:
        return {f"position.{part}": str(at(metres)[part]) for part in ("lon", "lat", "datum")}

    def test_it_follows_class_and_place(self, desk: Desk, time: Time) -> None:
        cover = category("component", "01001")
        number = report(desk, cover, 40)
        time.pass_(hours=3)
        assert number not in self.ask(category=cover.id)
        assert "as soon as the place is known" in self.ask(category=cover.id)
        assert number not in self.ask(category=cover.id, **self.place())
        told = words(self.ask(category=cover.id, **self.place(35)))
        assert number in told and "5 m" in told and "3 hours ago" in told and "Reported" in told
        assert "same major class, within 30 m, in the last 30 days" in told
        assert number in self.ask(**self.place()), "no class yet: whatever it is"

    def test_nonsense_is_borne(self, desk: Desk) -> None:
        report(desk, None)
        for given in (
            {"category": "x", "position.lon": "east", "position.lat": "1"},
            {"category": "9" * 30, **self.place(), "position.datum": "moon"},
            {"position.lon": "1e400", "position.lat": "nan"},
            {"position.lon": "114.32"},
        ):
            assert "as soon as the place is known" in self.ask(**given)

    def test_only_forms_that_there_are(self, desk: Desk) -> None:
        number = report(desk, None)
        client = browser("hotline")
        for url in (
            "/similar/nothing/report/", "/similar/city_case/nothing/", "/similar/city_case/file/",
            f"/similar/city_case/report/?case={number}", "/similar/city_case/file/?case=421200-nothing",
            f"/similar/check_task/assign/?case={number}",
        ):  # fmt: skip
            assert client.get(url).status_code == 404, url
        assert browser("jiayu-intake").get(f"/similar/city_case/file/?case={number}").status_code == 404

    def test_it_stands_beside_the_forms_of_the_rules(self, desk: Desk) -> None:
        number = report(desk, None)
        client = browser("hotline")
        assert 'hx-get="/similar/city_case/report/"' in client.get("/report/city_case/report/").content.decode()
        page = client.get(f"/cases/{number}/do/file/").content.decode()
        assert f'hx-get="/similar/city_case/file/?case={number}"' in page
        assert "/similar/" not in client.get(f"/cases/{number}/do/void/").content.decode()

    def test_a_case_is_attached_from_beside_its_form(self, desk: Desk) -> None:
        main = report(desk, None)
        number = report(desk, None)
        told = self.ask(url=f"/similar/city_case/file/?case={number}")
        way = f"/cases/{number}/do/merge_duplicate/?main_case={main}"
        assert way in told and f"/cases/{main}/" in told
        page = browser("hotline", "en").get(way).content.decode()
        assert f'<option value="{main}" selected>' in page
        assert "merge_duplicate" not in self.ask("dispatcher", f"/similar/city_case/file/?case={number}")

    def test_a_report_is_attached_after_it_was_made(self, desk: Desk) -> None:
        main = report(desk, None)
        assert 'name="attach"' in self.ask(**self.place())
        assert 'name="attach"' not in self.ask("dispatcher", **self.place()), "who may not merge is not asked"
        client = browser("hotline", "en")
        answers = {"source": "patrol", "description": "again", "address": "there", **self.place(), "attach": main}
        made = client.post("/report/city_case/report/", answers)
        number = Case.objects.exclude(number=main).get(parent=None).number
        assert made["Location"] == f"/cases/{number}/do/merge_duplicate/?main_case={main}"
        done = client.post(made["Location"], {"main_case": main})
        assert done.status_code == 302
        after = Case.objects.get(number=number)
        assert (after.state, after.main_case) == ("voided", Case.objects.get(number=main))

    @pytest.mark.parametrize("wanted", ["", "421200-none", "../../x"])
    def test_what_cannot_be_attached_is_a_case_of_its_own(self, desk: Desk, wanted: str) -> None:
        answers = {"source": "patrol", "description": "new", "address": "there", "attach": wanted}
        made = browser("hotline").post("/report/city_case/report/", answers)
        assert made["Location"] == f"/cases/{Case.objects.get().number}/"
