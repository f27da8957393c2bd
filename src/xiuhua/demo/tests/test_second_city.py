"""Boston as a second city: described in a folder, loaded with its real cases, and worked on in English."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from xiuhua.casework import library, verify
from xiuhua.casework.models import Case, Event, Outbox
from xiuhua.city import memory
from xiuhua.city.models import CalendarNotice, Duty, Organisation, Platform, User
from xiuhua.demo import city_folder, city_load
from xiuhua.demo.city_folder import CARRIED, CityFolderError

BOSTON = CARRIED["boston"]
#: Every twelfth case, with the cases that duplicates name: enough for every outcome.
STEP = 12


def cut(into: Path) -> Path:
    """Boston's folder with a part of its cases."""
    shutil.copytree(BOSTON, into)
    (into / "cases.csv.gz").unlink()
    head, *lines = gzip.decompress((BOSTON / "cases.csv.gz").read_bytes()).decode().splitlines()
    chosen = lines[::STEP]
    named = {line.split(",")[5] for line in chosen if line.split(",")[5]}
    chosen += [line for line in lines if line.split(",")[0] in named and line not in chosen]
    (into / "cases.csv").write_text("\n".join([head, *chosen, ""]), "utf-8")
    return into


@pytest.fixture(scope="module")
def _boston(django_db_setup: Any, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with django_db_blocker.unblock():
        memory.forget()
        library.version.cache_clear()
        outer = transaction.atomic()
        outer.__enter__()
        try:
            folder = cut(tmp_path_factory.mktemp("city") / "boston")
            done = city_load.load(city_folder.read(folder))
            assert not done.cases.refused, done.cases.refused[:3]
            yield folder
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)
            memory.forget()
            library.version.cache_clear()


@pytest.fixture
def boston(_boston: Path, db: Any) -> Path:
    memory.forget()
    return _boston


def browser(username: str) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.get(username=username))
    return client


def test_every_outcome_of_the_source_is_a_state_with_its_real_times(boston: Path) -> None:
    rows = {row.id: row for _line, row in city_folder.read(boston).cases}
    states = {
        "closed": "closed",
        "open": "handling",
        "void": "voided",
        "duplicate": "voided",
        "ordered": "forced_closed",
    }
    zone = city_folder.read(boston).zone
    found = Case.objects.filter(parent__isnull=True)
    assert found.count() == len(rows) > 200
    assert {row.outcome for row in rows.values()} == set(states)
    for case in found:
        row = rows[re.search(r"Source number (\S+)\.$", case.description)[1]]  # type: ignore[index]
        assert case.state == states[row.outcome], row.id
        assert case.reported_at == row.reported.replace(tzinfo=zone)
        assert case.number.startswith("2507002011")
        assert case.county.startswith("2507"), row.address
        if row.ended is not None:
            late = case.closed_at - row.ended.replace(tzinfo=zone) if case.closed_at else timedelta()
            assert timedelta() <= late < timedelta(milliseconds=1), (
                row.id
            )  # steps of one instant follow by microseconds
        assert (case.main_case_id is not None) == bool(row.duplicate_of)
    assert not Outbox.objects.filter(
        done_at__isnull=True, case_id__in=found.values("pk"), kind__startswith="clock"
    ).exclude(case__open=True)


def test_closed_in_time_and_out_of_time_as_the_source_has_it(boston: Path) -> None:
    """Limits are medians, so single cases differ; nine of ten agree, and both kinds are there."""
    rows = {row.id: row for _line, row in city_folder.read(boston).cases}
    agree = []
    late = 0
    for case in Case.objects.filter(parent__isnull=True, state="closed"):
        row = rows[re.search(r"Source number (\S+)\.$", case.description)[1]]  # type: ignore[index]
        if row.due is not None and row.ended is not None and case.handled_at and case.handling_due_at:
            was_late = case.handled_at > case.handling_due_at
            late += was_late
            agree.append(was_late == (row.ended > row.due))
    assert sum(agree) / len(agree) > 0.9
    assert 5 < late < len(agree) - 5


def test_the_chains_verify(boston: Path) -> None:
    report = verify.verify()
    assert report.ok, report.faults[:3]
    assert Event.objects.count() > 1000


def test_loading_again_changes_nothing(boston: Path) -> None:
    def counts() -> list[int]:
        return [
            model.objects.count() for model in (Case, Event, Outbox, Organisation, Duty, CalendarNotice, Platform, User)
        ]

    User.objects.filter(username="operator").update(password="kept")
    before = counts()
    done = city_load.load(city_folder.read(boston))
    assert (done.cases.cases, done.cases.known) == (0, Case.objects.filter(parent__isnull=True).count())
    assert counts() == before
    assert User.objects.get(username="operator").password == "kept"


def test_what_a_cut_short_load_left_out_is_added(boston: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(boston, tmp_path / "more")
    head, *lines = (folder / "cases.csv").read_text().splitlines()
    fields = lines[0].split(",")
    (folder / "cases.csv").write_text("\n".join([head, *lines, ",".join(["one-more", *fields[1:]]), ""]))
    done = city_load.load(city_folder.read(folder))
    assert not done.cases.refused
    assert done.cases.known == len(lines)
    assert Case.objects.filter(description__endswith="Source number one-more.").count() == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("cases.csv", ",event:", ",event:99", r"cases\.csv, row \d+: category: event:99\d+ is not in the scheme"),
        ("cases.csv", ",pwd,", ",pdw,", r"cases\.csv, row \d+: unit: there is no unit 'pdw'"),
        ("cases.csv", "2011-07-0", "2011-17-0", r"cases\.csv, row \d+: reported: "),
        ("cases.csv", "id,reported", "id,opened", r"cases\.csv, row 1: missing or unknown columns: opened, reported"),
        ("city.yaml", "America/New_York", "America/Boston", r"city\.yaml: time_zone: .*America/Boston"),
        ("city.yaml", "scheme: boston-2011", "scheme: boston", r"city\.yaml: scheme: 'boston' is not in"),
        ("duties.csv", ",pwd,", ",none,", r"duties\.csv: \d+: there is no unit 'none'"),
        ("divisions.geojson", '"250701"', '"2507x1"', r"divisions\.geojson, feature \d+: .*2507x1"),
        ("organisations.yaml", "parent: city", "parent: town", r"organisations\.yaml: .*'town'"),
        ("categories/boston-2011.csv", "work_day", "weeks", r"categories/boston-2011\.csv, line \d+, limit_unit"),
        ("office_hours.yaml", '"08:00"', '"18:00"', r"office_hours\.yaml: "),
        ("holidays.csv", "2011-07-04", "2011-07-44", r"holidays\.csv: row 1, date"),
        ("people.yaml", "post:", "seat:", r"people\.yaml: people\.0\.post"),
    ],
)
def test_a_fault_is_told_with_file_and_row(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    folder = cut(tmp_path / "bad")
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), "utf-8")
    with pytest.raises(CityFolderError, match=told):
        city_folder.read(folder)


def test_a_database_of_another_city_is_left_alone(boston: Path) -> None:
    Platform.objects.filter(code="250700").update(code="421200")
    with pytest.raises(CityFolderError, match="holds the city 421200"):
        city_load.load(city_folder.read(boston))


def test_a_case_that_nobody_can_act_on_is_told(boston: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(boston, tmp_path / "mute")
    people = (folder / "people.yaml").read_text()
    (folder / "people.yaml").write_text("\n".join(line for line in people.splitlines() if '"isd:desk"' not in line))
    User.objects.get(username="inspections").appointments.all().delete()
    with pytest.raises(CityFolderError, match=r"nobody sits at the desk .* of isd"):
        city_load.load(city_folder.read(folder))


# --- the desk, in English -------------------------------------------------------------------------------------------

CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+")
#: The language switch says the other language in its own words.
OWN_NAMES = ("简体中文", ">中<")


def shown(html: str) -> str:
    """The words of a page without its scripts; attributes count, because screen readers speak them."""
    html = re.sub(r"<script\b.*?</script>", " ", html, flags=re.S)
    for word in OWN_NAMES:
        html = html.replace(word, "")
    return html


def one(state: str) -> Case:
    found = Case.objects.filter(parent__isnull=True, state=state).order_by("pk").first()
    assert found is not None
    return found


def pages() -> list[tuple[str, str]]:
    handling, closed = one("handling"), one("closed")
    unit = Organisation.objects.get(code="pwd").pk
    county = handling.county
    desk = [
        "/", "/cases/", "/cases/?open=1&sort=due", f"/cases/?category={closed.category_id}", f"/cases/?unit={unit}",
        "/cases/?state=handling", "/cases/?q=pothole", f"/cases/?county={county}", "/cases/?source=call", "/cases/?overdue=1",
        "/cases/?from=2011-08-01&to=2011-08-31", f"/cases/{handling.number}/", f"/cases/{closed.number}/",
        f"/cases/{closed.number}/why/", "/map/", "/report/city_case/report/", "/procedures/",
    ]  # fmt: skip
    return [
        *(("dispatcher", path) for path in desk),
        *(("operator", path) for path in ("/", "/report/city_case/report/", f"/cases/{handling.number}/")),
        *(("public-works", path) for path in ("/", "/cases/?open=1", "/notices/")),
        *(("chief", path) for path in ("/overview/", "/hand-over/", "/ring/")),
        *(("admin", path) for path in ("/rules/", "/outbox/")),
    ]


def test_the_whole_desk_answers_in_english(boston: Path) -> None:
    failed = []
    for who, path in pages():
        answer = browser(who).get(path, follow=True)
        found = sorted(set(CHINESE.findall(shown(answer.content.decode()))))
        if answer.status_code != 200 or found:
            failed.append((who, path, answer.status_code, found[:8]))
    assert not failed, "\n".join(map(str, failed))


def test_filters_find_what_they_name(boston: Path) -> None:
    client = browser("dispatcher")
    pothole = Case.objects.filter(parent__isnull=True, description__icontains="pothole").first()
    assert pothole is not None
    assert pothole.number in client.get("/cases/?q=pothole").content.decode()
    unit = Organisation.objects.get(code="parks").pk
    page = client.get(f"/cases/?unit={unit}").content.decode()
    assert "Parks and Recreation Department" in page
    assert one("handling").number in client.get(f"/cases/{one('handling').number}/").content.decode()


def test_a_request_is_taken_in_filed_and_dispatched_to_its_department(boston: Path) -> None:
    """The routine of an operator, with a telephone number of the country and a place in town."""
    operator = browser("operator")
    look_up = operator.get("/lookup/category/?q=pothole").content.decode()
    assert "Request for Pothole Repair" in look_up
    sample = Case.objects.filter(parent__isnull=True, description__startswith="Request for Pothole Repair").first()
    assert sample is not None
    answers = {
        "source": "call",
        "category": str(sample.category_id),
        "description": "A deep hole in the right lane",
        "address": "Corner of Dudley St & Ramsey St, Dorchester",
        "position.lon": "-71.0654",
        "position.lat": "42.3172",
        "position.datum": "wgs84",
        "reporter_name": "Jane Alder",
        "reporter_phone": "+1 617 635 4500",
    }
    answer = operator.post("/report/city_case/report/", answers)
    assert answer.status_code == 302, shown(answer.content.decode())
    case = Case.objects.filter(parent__isnull=True).latest("created_at")
    assert (case.state, case.category_id) == ("reported", sample.category_id)
    assert case.number in operator.get("/cases/", {"q": "+1 617 635 4500"}).content.decode()
    form = shown(operator.get(f"/cases/{case.number}/do/file_and_dispatch/").content.decode())
    assert "Public Works Department" in form
    assert not CHINESE.findall(form)
    condition = sample.condition_id
    unit = Organisation.objects.get(code="pwd").pk
    sent = operator.post(
        f"/cases/{case.number}/do/file_and_dispatch/", {"condition": condition, "unit": unit, "seq": case.seq}
    )
    assert sent.status_code in (200, 302), shown(sent.content.decode())
    case.refresh_from_db()
    assert (case.state, case.responsible_org_id) == ("to_receive", unit)
    assert case.number in browser("public-works").get("/").content.decode()
