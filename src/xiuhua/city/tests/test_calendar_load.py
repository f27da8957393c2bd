"""Loading notices and office hours: exact faults, nothing half, versions, and who is told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from xiuhua.city import calendar, calendar_load, memory
from xiuhua.city.calendar_hours import SAMPLE, HoursError, HoursForm, read_hours
from xiuhua.city.calendar_load import NoticeError, hours_main, main, read_notice, show_main
from xiuhua.city.models import CalendarNotice, OfficeHours, Platform, TableVersion
from xiuhua.city.models.calendar import AppendOnlyError

GOOD = "date,name,kind\n2027-01-01,元旦,off\n2027-01-09,元旦,work\n2026-12-31,元旦,off\n"
LISTED = Path(__file__).parent / "data" / "calendar" / "holiday_cn.csv"


@pytest.fixture
def fresh(db):
    memory.forget()
    yield
    memory.forget()


def test_csv_and_both_json_forms_say_the_same() -> None:
    days = read_notice(GOOD, 2027)
    assert [(str(d.day), d.kind, d.name) for d in days] == [
        ("2026-12-31", "off", "元旦"),
        ("2027-01-01", "off", "元旦"),
        ("2027-01-09", "work", "元旦"),
    ]
    rows = [{"date": str(d.day), "name": d.name, "kind": d.kind} for d in days]
    assert read_notice(json.dumps(rows), 2027) == days
    theirs = {"days": [{"date": str(d.day), "name": d.name, "isOffDay": d.kind == "off"} for d in days]}
    assert read_notice("\ufeff" + json.dumps(theirs), 2027) == days


def test_a_file_of_many_years_is_loaded_year_by_year() -> None:
    text = LISTED.read_text(encoding="utf-8")
    days = read_notice(text, 2019)
    assert str(days[0].day) == "2018-12-29"
    assert {d.day.year for d in days} == {2018, 2019}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("date,name\n2027-01-01,元旦\n", ["header: column kind is missing"]),
        ("", ["header: column date, name, kind is missing"]),
        ("[1]", ["row 1, row: is not an object"]),
        ("{", ["file: is no JSON"]),
        ('{"days": 5}', ["file: has no list of days"]),
        ("date,name,kind\n2027-01-09,元旦,work\n", ["file: lists no day off in 2027"]),
        (
            "date,name,kind\n2027-13-01,元旦,off\n2027-01-01,,holiday\n2025-01-01,元旦,off\n2028-01-01,元旦,off\n",
            [
                "row 1, date: '2027-13-01' is no date of the form 2027-01-31",
                "row 2, name: is empty",
                "row 2, kind: 'holiday' is neither off nor work",
                "row 3, date: 2025-01-01 is neither in 2027 nor in the December before",
                "row 4, date: 2028-01-01 is neither in 2027 nor in the December before",
            ],
        ),
        (GOOD + "2027-01-01,元旦,work\n", ["row 4, date: 2027-01-01 is listed twice"]),
    ],
)
def test_faults_name_row_and_field(text: str, faults: list[str]) -> None:
    with pytest.raises(NoticeError) as caught:
        read_notice(text, 2027)
    found = str(caught.value).split("\n")
    assert len(found) == len(faults)
    assert all(one.startswith(said) for one, said in zip(found, faults, strict=True))


def test_loading_makes_the_year_announced_and_tells_who_must_recount(fresh, tmp_path, capsys) -> None:
    told: list[tuple[int | None, int]] = []
    file = tmp_path / "2027.csv"
    file.write_text(GOOD, encoding="utf-8")
    before = calendar.calendar_for(None)
    assert (before.status(2027), before.version) == ("assumed", 0)
    calendar.on_calendar_change.append(lambda platform, version: told.append((platform, version)))
    try:
        assert main([str(file), "--year", "2027", "--source", "notice of November"]) == 0
    finally:
        calendar.on_calendar_change.pop()
    notice = CalendarNotice.objects.get()
    assert told == [(None, notice.pk)]
    assert "2027 is announced: 2 days off and 1 swapped working days" in capsys.readouterr().out
    after = calendar.calendar_for(None)
    assert (after.status(2027), after.version) == ("announced", notice.pk)
    assert not after.is_workday(date(2026, 12, 31))
    assert calendar.calendar_for(None, 0).version == 0  # as it was
    assert calendar.calendar_for(None, 0).is_workday(date(2026, 12, 31))
    assert TableVersion.objects.get(name="calendar").version == 1


def test_a_refused_file_leaves_nothing(fresh, tmp_path, capsys) -> None:
    file = tmp_path / "2027.csv"
    file.write_text("date,name,kind\n2027-01-01,元旦,off\n2027-02-30,春节,off\n", encoding="utf-8")
    assert main([str(file), "--year", "2027"]) == 1
    assert "row 2, date" in capsys.readouterr().err
    assert main([str(tmp_path / "none.csv"), "--year", "2027"]) == 1
    file.write_bytes(b"\xff\xfe\x00")
    assert main([str(file), "--year", "2027"]) == 1
    file.write_text(GOOD, encoding="utf-8")
    assert main([str(file), "--year", "2027", "--platform", "999999"]) == 1
    assert main([str(file), "--year", "1999"]) == 1
    assert not CalendarNotice.objects.exists()


def test_a_failing_recount_takes_the_notice_back(fresh) -> None:
    def fail(platform: int | None, version: int) -> None:
        raise RuntimeError("no")

    calendar.on_calendar_change.append(fail)
    try:
        with pytest.raises(RuntimeError):
            calendar_load.store_notice(read_notice(GOOD, 2027), 2027)
    finally:
        calendar.on_calendar_change.pop()
    assert not CalendarNotice.objects.exists()


def test_a_notice_of_one_platform_holds_for_it_alone(fresh, tmp_path) -> None:
    one = Platform.objects.create(code="421200", name="市", name_en="City", level="city", adcode="421200")
    other = Platform.objects.create(code="421221", name="县", name_en="County", level="county", adcode="421221")
    file = tmp_path / "2027.csv"
    file.write_text(GOOD, encoding="utf-8")
    assert main([str(file), "--year", "2027", "--platform", "421221", "--assumed"]) == 0
    assert calendar.calendar_for(one.pk).version == 0
    theirs = calendar.calendar_for(other.pk)
    assert theirs.version == CalendarNotice.objects.get().pk
    assert theirs.status(2027) == "assumed"
    assert not theirs.is_workday(date(2027, 1, 1))


def test_notices_are_only_added(fresh) -> None:
    calendar_load.store_notice(read_notice(GOOD, 2027), 2027)
    notice = CalendarNotice.objects.get()
    notice.source = "changed"
    with pytest.raises(AppendOnlyError):
        notice.save()
    with pytest.raises(AppendOnlyError):
        notice.delete()


HOURS = """
title: {zh: 作息, en: Hours}
source: a notice
valid_from: 2026-11-01
seasons:
  - {from: "01-01", to: "12-31", slots: [["09:00", "12:00"], ["13:00", "24:00"]]}
"""


def test_office_hours_are_loaded_with_a_version(fresh, tmp_path, capsys) -> None:
    file = tmp_path / "hours.yaml"
    file.write_text(HOURS, encoding="utf-8")
    assert hours_main([str(file)]) == 0
    assert OfficeHours.objects.count() == 1
    now = calendar.calendar_for(None)
    assert now.version == CalendarNotice.objects.get().pk
    assert now.slots(date(2026, 11, 2))[-1][1] == datetime(2026, 11, 2, 16, tzinfo=UTC)  # midnight in Shanghai
    assert now.slots(date(2026, 10, 30))[-1][1] == datetime(2026, 10, 30, 9, 30, tzinfo=UTC)
    assert calendar.calendar_for(None, 0).slots(date(2026, 11, 2))[0][0] == datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (('"09:00"', '"9:00"'), "seasons.0.slots.0.0"),
        (('"12-31"', '"12-30"'), "12-31 belongs to no season"),
        (('"12-31"', '"13-31"'), "seasons.0.to"),
        (("source: a notice\n", ""), "source: Field required"),
        (("title:", "titel:"), "title: Field required"),
        (("seasons:", "seasons: ["), "hours.yaml"),
    ],
)
def test_hours_faults_name_the_place(tmp_path, change, place) -> None:
    file = tmp_path / "hours.yaml"
    file.write_text(HOURS.replace(*change), encoding="utf-8")
    with pytest.raises(HoursError, match=place):
        read_hours(file)


def test_the_sample_says_that_it_is_one_and_the_schema_is_that_of_the_code() -> None:
    assert read_hours(SAMPLE).sample
    schema = json.loads((SAMPLE.parent / "office_hours.schema.json").read_text(encoding="utf-8"))
    assert schema == HoursForm.model_json_schema(by_alias=True)


def test_show(fresh, capsys) -> None:
    assert show_main(["2026"]) == 0
    out = capsys.readouterr().out
    assert "2026: announced, calendar version 0" in out
    assert "2026-02-14  work  春节" in out
    assert "248 working days" in out
    assert show_main(["1999"]) == 1
