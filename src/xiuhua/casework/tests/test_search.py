"""Search: what a text is taken for, what it finds, and that nobody finds what he may not see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import shapely
from django.db import connection
from django.test.utils import CaptureQueriesContext

from xiuhua.casework.models import Case
from xiuhua.casework.search import clean, search
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city import memory
from xiuhua.city.access import SYSTEM, Actor
from xiuhua.city.locator import TABLE_NAME
from xiuhua.city.models import Division, Place, UnitGrid

COMMUNITY = "421202001001"
GRIDS = ("421202001001001", "421202001001002", "421202001001003")


@pytest.fixture
def ground(city: City) -> Iterator[City]:
    """Three grids side by side along a road, in one community."""
    west = 114.30
    for number, code in enumerate(GRIDS):
        box = shapely.box(west + number * 0.001, 29.840, west + (number + 1) * 0.001, 29.841)
        UnitGrid.objects.create(
            code=code,
            community=COMMUNITY,
            platform=city.platform,
            boundary=shapely.to_wkb(box),
            area_m2=10_000,
            valid_from=date(2026, 1, 1),
        )
    for code, name, name_en, level in (
        ("421202", "咸安区", "Xian'an District", "county"),
        ("421202001", "浮山街道", "Fushan", "township"),
        (COMMUNITY, "希望桥社区", "", "village"),
    ):
        Division.objects.create(code=code, name=name, name_en=name_en, level=level)
    Place.objects.create(
        platform=city.platform,
        kind="road",
        name="长安大道",
        name_en="Changan Avenue",
        aliases="迎宾路\n老国道",
        geometry=shapely.to_wkb(shapely.LineString([(west + 0.0001, 29.8405), (west + 0.0014, 29.8405)])),
        lon_e7=0,
        lat_e7=0,
    )
    memory.bump(TABLE_NAME)
    memory.forget()
    yield city


def at(city: City, number: int, **more: Any) -> Case:
    """A case in the middle of a grid."""
    return city.case(position={"lon": 114.3005 + number * 0.001, "lat": 29.8405}, **more)


def found(actor: Actor, text: str) -> set[int]:
    return set(search(actor, text).cases.values_list("pk", flat=True))


class TestNumbers:
    def test_whole_and_tail(self, city: City, clock: TestClock) -> None:
        first = city.case()
        second = city.case()
        clock.forward(days=1)
        later = city.case()
        assert first.number == "4212002026030400001" and later.number == "4212002026030500001"
        for text in (first.number, f" {first.number[:6]} {first.number[6:]} ", "030400001", "2026030400001"):
            assert found(city.operator, text) == {first.pk}, text
        assert found(city.operator, "00002") == found(city.operator, "2") == {second.pk}
        assert found(city.operator, "1") == {first.pk, later.pk}
        assert found(city.operator, "030600001") == set()

    def test_children_by_their_whole_number(self, city: City) -> None:
        case = city.act(city.handled(), "look", collector="collector")
        child = Case.objects.get(parent=case)
        assert found(city.operator, child.number) == found(city.collector, child.number) == {child.pk}
        assert found(city.park_unit, child.number) == set()

    def test_a_number_is_found_without_reading_the_table(self, city: City) -> None:
        number = city.case().number
        with CaptureQueriesContext(connection) as seen:
            list(search(SYSTEM, number).cases)
        assert len(seen) == 2 and not any("LIKE" in one["sql"] for one in seen)  # the row, and the list of it


class TestWords:
    def test_title_description_and_address(self, city: City) -> None:
        case = city.case(title="井盖缺失", description="咸宁大道北侧Manhole 缺盖", address="咸宁大道 12 号")
        other = city.case(title="路灯不亮", description="两盏", address="金桂路")
        for text in ("井盖", "manhole", "咸宁大道 12", "大道 北侧", "MANHOLE 井盖"):
            assert found(city.operator, text) == {case.pk}, text
        assert found(city.operator, "井盖 路灯") == set()
        assert found(city.operator, "") == {case.pk, other.pk}

    def test_wild_cards_and_quotes_mean_themselves(self, city: City) -> None:
        case = city.case(title="100%损坏", description="it's_x\\")
        city.case(title="100 损坏", description="itsAx")
        for text in ("100%损", "it's_", "_x\\"):
            assert found(city.operator, text) == {case.pk}, text

    @pytest.mark.parametrize(
        "text", ["\0", "\ud800", "a\0b", "\u202e", " \t\n", "x" * 5000, "' OR 1=1 --", "٣٤٥", "％"]
    )
    def test_odd_texts(self, city: City, text: str) -> None:
        list(search(city.operator, text).cases)
        assert len(clean(text)) <= 100 and "\0" not in clean(text)


class TestPlaces:
    def test_divisions_roads_and_grids(self, ground: City) -> None:
        cases = [at(ground, number) for number in range(3)]
        outside = ground.case()
        assert cases[0].grid == GRIDS[0] and cases[0].community == COMMUNITY and not outside.grid
        everything = {case.pk for case in cases}
        for text in ("咸安区", "咸安", "浮山街道", "浮山", "fushan", "希望桥", "希望桥社区"):
            assert found(ground.operator, text) == everything, text
        for text in ("长安大道", "迎宾路", "changan avenue"):
            assert found(ground.operator, text) == {cases[0].pk, cases[1].pk}, text
        assert found(ground.operator, GRIDS[2]) == {cases[2].pk}
        assert found(ground.operator, "桥社区") == set()  # a part of a name is no name
        assert found(ground.operator, "国道") == set()

    def test_a_place_and_a_word(self, ground: City) -> None:
        case = at(ground, 0, title="井盖缺失")
        at(ground, 1, title="路灯不亮", description="两盏")
        assert found(ground.operator, "浮山 井盖") == {case.pk}


class TestTelephones:
    PHONE = "13800138000"

    @pytest.mark.parametrize(
        "text",
        ["13800138000", "１３８００１３８０００", "+86 138 0013 8000", "＋８６ 138-0013-8000", "008613800138000"],
    )
    def test_however_it_is_written(self, city: City, text: str) -> None:
        case = city.case(reporter_phone=self.PHONE)
        city.case(reporter_phone="13800138001")
        assert found(city.operator, text) == {case.pk}
        assert search(city.operator, text).phone_refused is False

    def test_a_land_line(self, city: City) -> None:
        case = city.case(reporter_phone="0715-8123456")
        for text in ("0715-8123456", "07158123456", "+86 715 8123456", "(0715) 8123456"):
            assert found(city.operator, text) == {case.pk}, text

    def test_only_who_may(self, city: City) -> None:
        city.case(reporter_phone=self.PHONE)
        refused = search(city.dispatcher, self.PHONE)
        assert refused.phone_refused and not refused.cases.exists()
        narrowed = city.operator.with_scopes({"case.read"})
        assert not search(narrowed, self.PHONE).cases.exists()
        assert search(SYSTEM, self.PHONE).cases.exists()

    def test_an_identity_number(self, city: City) -> None:
        case = city.case(reporter_id="11010519491231002X")
        assert found(city.operator, "11010519491231002x") == {case.pk}
        assert found(city.dispatcher, "11010519491231002x") == set()

    def test_a_part_of_a_telephone_or_a_name_finds_nothing(self, city: City) -> None:
        city.case(reporter_phone=self.PHONE, reporter_name="欧阳测试")
        for text in ("1380013", "38000", "欧阳", "欧阳测试"):
            assert found(city.operator, text) == set(), text


def test_only_what_the_actor_may_see(city: City) -> None:
    case = city.handled(title="井盖缺失")
    assert found(city.unit, "井盖") == {case.pk}
    for text in ("井盖", case.number, "1", ""):
        assert found(city.park_unit, text) == set(), text
        assert found(city.collector, text) == set(), text
