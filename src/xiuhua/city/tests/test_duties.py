"""Routing rows: every class has a unit everywhere, the most specific row goes first and says why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import transaction
from django.utils import timezone

from xiuhua.city import duties, memory
from xiuhua.city.categories import catalogue
from xiuhua.city.category_import import import_folder
from xiuhua.city.duties import duties_for
from xiuhua.city.duty_import import SAMPLE, import_profile
from xiuhua.city.models import CategoryScheme, Duty, Organisation, Platform
from xiuhua.city.organisation_import import ProfileError
from xiuhua.city.organisation_import import import_profile as import_organisations

COUNTIES = ("421202", "421221", "421222", "421223", "421224", "421281")


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: Any) -> Iterator[Platform]:
    """The sample city, loaded once for the module in a transaction that is rolled back at its end."""
    with django_db_blocker.unblock(), transaction.atomic():
        memory.forget()
        top = Platform.objects.create(code="421200", name="市", level="city", adcode="421200")
        for code in COUNTIES:
            Platform.objects.create(code=code, name=code, level="county", adcode=code, parent=top)
        import_organisations()
        import_folder()
        import_profile()
        yield top
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def city(loaded: Platform, db: None) -> Platform:
    return loaded


@pytest.fixture
def ground(city: Platform) -> Platform:
    """The same without any duty."""
    Duty.objects.all().delete()
    memory.bump("duties")
    return city


def first(platform: int | str, kind: str, code: str, division: str = "", scheme: str = "2026") -> str:
    return duties_for(platform, scheme, kind, code, division)[0].organisation_code


def test_every_class_has_a_unit_on_every_platform(city: Platform) -> None:
    for row in catalogue().current():
        for code in ("421200", *COUNTIES):
            found = duties_for(code, row.scheme.code, row.kind, row.code)
            assert found, f"nobody answers for {row.kind} {row.code} on {code}"
            assert all(duty.basis.zh and duty.basis.en and duty.sample for duty in found)


def test_the_owner_of_a_cover_goes_before_its_major(city: Platform) -> None:
    found = duties_for(city.pk, "2026", "component", "01001", "421202001001")
    assert [duty.organisation_code for duty in found] == ["d-water", "cg-municipal"]
    assert found[0].basis.zh == "权责清单（示例）：供水井盖由供水企业负责"
    assert found[0].basis.en.endswith("water-supply manhole cover is the duty of the water utility")


@pytest.mark.parametrize(
    ("kind", "code", "division", "unit"),
    [
        ("event", "06010", "421202001001", "cg-sanitation"),
        ("event", "09001", "421202001001", "cg-enforce-1"),
        ("event", "09001", "421202003001", "cg-enforce-3"),
        ("event", "09001", "", "cg-enforce"),
        ("component", "01023", "421202002001", "st-421202002"),
        ("component", "01037", "", "d-lighting"),
        ("component", "04002", "", "cg-greening"),
        ("event", "01001", "", "d-water"),
    ],
)
def test_who_answers_in_the_city(city: Platform, kind: str, code: str, division: str, unit: str) -> None:
    assert first("421200", kind, code, division) == unit


def test_schemes_are_kept_apart(city: Platform) -> None:
    assert first("421200", "event", "0401", scheme="2013") == "cg-enforce"  # street order in 2013
    assert first("421200", "event", "04001", scheme="2026") == "cg-greening"  # a greening fault in 2026


def test_things_in_another_county_name_its_bureau(city: Platform) -> None:
    found = duties_for("421200", "2026", "event", "06010", "421221100001")
    bureau = next(duty for duty in found if duty.organisation_code == "421221-bureau")
    assert bureau.division_prefix == "421221" and "嘉鱼县" in bureau.basis.zh
    elsewhere = duties_for("421200", "2026", "event", "06010", "421222100001")
    assert "421221-bureau" not in {duty.organisation_code for duty in elsewhere}


def test_an_unknown_class_is_answered_by_territory_only(city: Platform) -> None:
    assert [d.organisation_code for d in duties_for("421200", "2026", "event", "", "421281")] == ["421281-bureau"]
    assert duties_for("421200", "2026", "event", "") == []
    assert duties_for("999999", "2026", "event", "06010") == []


def test_rows_count_only_while_in_force(city: Platform) -> None:
    Duty.objects.filter(organisation__code="d-water").update(valid_until=date(2026, 6, 30))
    memory.bump("duties")
    assert duties_for("421200", "2026", "component", "01001", day=date(2026, 6, 30))[0].organisation_code == "d-water"
    assert duties_for("421200", "2026", "component", "01001", day=date(2026, 7, 1))[0].organisation_code == (
        "cg-municipal"
    )
    assert duties_for("421200", "2026", "component", "01001", day=date(2025, 12, 31)) == []


def test_a_closed_unit_gets_nothing(city: Platform) -> None:
    Organisation.objects.filter(code="d-water").update(active=False)
    memory.bump("duties")
    assert first("421200", "component", "01001") == "cg-municipal"


def own(tmp_path: Path, change: object) -> Path:
    data = yaml.safe_load(SAMPLE.read_text("utf-8"))
    change(data)  # type: ignore[operator]
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return path


def test_importing_again_updates_and_ends_but_never_deletes(city: Platform, tmp_path: Path) -> None:
    before = set(Duty.objects.values_list("pk", flat=True))
    import_profile()
    assert set(Duty.objects.filter(valid_until__isnull=True).values_list("pk", flat=True)) == before
    import_profile(own(tmp_path, lambda data: data["city"]["units"].pop("供水企业")))
    ended = Duty.objects.filter(valid_until__isnull=False)
    assert set(Duty.objects.values_list("pk", flat=True)) == before
    assert {duty.organisation.code for duty in ended} == {"d-water"}
    assert {duty.valid_until for duty in ended} == {timezone.localdate() - timedelta(days=1)}
    assert first("421200", "component", "01001") == "cg-municipal"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["city"]["units"].update(供水企业="nobody"), "organisation 'nobody' does not exist"),
        (lambda d: d["city"]["majors"]["component"].pop("01"), "major 01 of scheme 2026 has no unit"),
        (lambda d: d["counties"]["platforms"].append("999999"), "platform '999999' does not exist"),
        (lambda d: d["city"]["territory"][0].update(division="x"), r"city\.territory\.0\.division"),
        (lambda d: d.pop("basis"), "basis"),
    ],
)
def test_a_bad_profile_is_refused_whole(ground: Platform, tmp_path: Path, change: object, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        import_profile(own(tmp_path, change))
    assert not Duty.objects.exists()


def test_the_command(ground: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert duties.main(["--city", "999999"]) == 1
    assert "name the city platform" in capsys.readouterr().err
    CategoryScheme.objects.update(superseded_at=timezone.now())
    memory.bump("categories")
    assert duties.main([]) == 1
    assert "import the categories first" in capsys.readouterr().err
    CategoryScheme.objects.update(superseded_at=None)
    memory.bump("categories")
    assert duties.main([]) == 0
    assert "duties stand" in capsys.readouterr().out
