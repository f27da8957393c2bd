"""Category lists: what the product carries, how it is derived, versioned, searched and refused."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from xiuhua.city import category_commands, category_files
from xiuhua.city.categories import Catalogue, build
from xiuhua.city.category_files import CategoryFilesError, Scheme, gaps
from xiuhua.city.category_import import import_folder
from xiuhua.city.models import Category, CategoryScheme, FileCondition, TableVersion
from xiuhua.city.pinyin import initials


@pytest.fixture(scope="module")
def schemes() -> dict[str, Scheme]:
    return category_files.read()


@pytest.fixture(scope="module")
def loaded(django_db_setup: None, django_db_blocker: Any) -> Iterator[Catalogue]:
    """The product's lists, imported once for the module in a transaction that is rolled back at its end."""
    with django_db_blocker.unblock(), transaction.atomic():
        import_folder()
        yield build()
        transaction.set_rollback(True)


@pytest.fixture
def catalogue(loaded: Catalogue, db: None) -> Catalogue:
    return loaded


@pytest.fixture
def empty(db: None) -> None:
    FileCondition.objects.all().delete()
    Category.objects.all().delete()
    CategoryScheme.objects.all().delete()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(category_files.FOLDER, tmp_path / "categories"))


def edit(path: Path, change: Callable[[list[dict[str, str]]], None]) -> None:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def count(scheme: Scheme, kind: str, derived: str | None = None) -> int:
    return sum(c.kind == kind and (derived is None or c.derived == derived) for c in scheme.classes)


def test_the_2026_scheme_has_the_numbers_of_the_standard(schemes: dict[str, Scheme]) -> None:
    scheme = schemes["2026"]
    assert count(scheme, "component") == 153
    assert count(scheme, "event") == 250
    assert count(scheme, "event", "component_fault") == 153
    per_major = {m: sum(c.kind == "event" and c.major == m for c in scheme.classes) for m in ("06", "09", "10")}
    assert per_major == {"06": 51, "09": 21, "10": 2}


def test_component_faults_carry_the_conditions_of_the_component(schemes: dict[str, Scheme]) -> None:
    by_code = {(c.kind, c.code): c for c in schemes["2026"].classes}
    cover, fault = by_code["component", "01001"], by_code["event", "01001"]
    assert (fault.zh, fault.en) == ("供水井盖异常", "Fault: Water-supply manhole cover")
    assert fault.conditions == cover.conditions and len(fault.conditions) == 4
    assert by_code["event", "01066"].zh == "紧急报警点异常SOS"


def test_the_2013_scheme_is_derived_without_local_rows(schemes: dict[str, Scheme]) -> None:
    derived = {(c.kind, c.code): c for c in schemes["2013"].classes}
    assert derived["event", "0110"].zh == "暴露垃圾"
    assert derived["component", "0506"].zh == "水域附属设施"  # 01069 in 2026: the major moved
    assert ("component", "0199") not in derived and ("event", "0492") not in derived
    legacy = {(c.kind, c.legacy) for c in schemes["2026"].classes if c.legacy}
    own = {key for key, c in derived.items() if not c.derived}
    assert set(derived) == legacy | own and not legacy & own
    assert all(len(c.minor) == 2 for c in schemes["2013"].classes + schemes["local"].classes)


def test_gaps_of_2013(schemes: dict[str, Scheme]) -> None:
    found = gaps(schemes)
    assert len(found.without_number) == 122
    assert all(not row.legacy for row in found.without_number)
    assert found.never_seen["component", "04"] == ("0403",)
    assert found.never_seen["event", "06"] == ("0601",)
    assert ("component", "03") not in found.never_seen
    seen = {(c.kind, c.code) for c in schemes["2013"].classes}
    assert not seen & {(kind, code) for (kind, _m), codes in found.never_seen.items() for code in codes}


def test_gaps_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert category_commands.gaps_main([]) == 0
    printed = capsys.readouterr().out
    assert "122 classes of 2026 carry no number of 2013" in printed
    assert "component 04: 0403" in printed
    assert category_commands.gaps_main(["--scheme", "1999"]) == 1


def test_what_lacks_chinese_limit_or_unit_cannot_be_filed_under(catalogue: Catalogue) -> None:
    for row in FileCondition.objects.all():
        complete = bool(row.zh and row.limit_value and row.limit_unit)
        assert row.fileable is complete and bool(row.gap) is not complete
    power = catalogue.category("2026", "component", "01005")
    assert power and not power.fileable and power.conditions[0].gap == "chinese,limit,unit"


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(("emptied", "gap"), [("condition_zh", "chinese"), ("limit", "limit"), ("limit_unit", "unit")])
def test_each_missing_part_is_named(folder: Path, emptied: str, gap: str) -> None:
    edit(folder / "2026.csv", lambda rows: rows[0].update({emptied: ""}))
    import_folder(folder)
    row = FileCondition.objects.get(category__scheme__code="2026", ref="c01001-1")
    assert (row.fileable, row.gap) == (False, gap)


def test_everything_is_a_marked_sample_with_a_source(catalogue: Catalogue) -> None:
    assert all(scheme.sample for scheme in catalogue.schemes)
    assert not FileCondition.objects.filter(sample=False).exists()
    assert not Category.objects.filter(source="").exists()
    assert Category.objects.filter(scheme__code="2026", derived="", confirmed=True).count() == 66 + 54


@pytest.mark.usefixtures("empty")
def test_an_unchanged_list_makes_no_new_version() -> None:
    first = import_folder()
    before = TableVersion.objects.get(name="categories").version
    again = import_folder()
    assert [one.changed for one in first] == [True] * 3
    assert [(one.changed, one.version) for one in again] == [(False, 1)] * 3
    assert TableVersion.objects.get(name="categories").version == before


@pytest.mark.usefixtures("empty")
def test_a_changed_list_supersedes_and_leaves_old_rows_alone(folder: Path) -> None:
    import_folder()
    old = FileCondition.objects.get(category__scheme__code="2026", ref="c01001-1")
    frozen = list(FileCondition.objects.order_by("pk").values()), list(Category.objects.order_by("pk").values())
    edit(folder / "2026.csv", lambda rows: rows[0].update(limit="3"))
    done = {one.scheme: one for one in import_folder(folder)}
    assert (done["2026"].version, done["2026"].changed, done["local"].changed) == (2, True, False)
    assert done["2013"].changed, "derived from 2026, so changed with it"
    kept = (
        list(FileCondition.objects.filter(pk__lte=frozen[0][-1]["id"]).order_by("pk").values()),
        list(Category.objects.filter(pk__lte=frozen[1][-1]["id"]).order_by("pk").values()),
    )
    assert kept == frozen
    catalogue = build()
    of_old_case = catalogue.of_condition(old.pk)
    assert of_old_case and of_old_case[1].limit_value == 2 and not of_old_case[0].scheme.current
    now = catalogue.category("2026", "component", "01001")
    assert now and now.conditions[0].limit_value == 3 and now.scheme.version == 2
    assert CategoryScheme.objects.filter(code="2026", superseded_at__isnull=True).count() == 1


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limit_unit": "fortnight"}, "limit_unit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "0"}, "limit must be above zero"),
        ({"major": "77"}, "major 77 is not in schemes.yaml"),
        ({"minor": "01"}, "has 3 digits"),
        ({"name_zh": ""}, "name_zh"),
        ({"kind": "thing"}, "kind"),
        ({"source": "hearsay"}, "source"),
        ({"name_en": "Something else"}, "described differently above"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_imported(folder: Path, change: dict[str, str], field: str) -> None:
    edit(folder / "2026.csv", lambda rows: rows[1].update(change))
    with pytest.raises(CategoryFilesError) as caught:
        import_folder(folder)
    assert any("2026.csv, line 3" in str(fault) and field in str(fault) for fault in caught.value.faults)
    assert not CategoryScheme.objects.exists()


def test_a_doubled_condition_is_refused(folder: Path) -> None:
    edit(folder / "local.csv", lambda rows: rows.append(dict(rows[-1])))
    with pytest.raises(CategoryFilesError, match="the same condition stands above"):
        category_files.read(folder)


def test_broken_files_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "local.csv").write_text("kind,major\ncomponent,01\n", "utf-8")
    assert category_commands.import_main(["--folder", str(folder), "--check"]) == 1
    assert "local.csv, line 1, head: missing or unknown columns" in capsys.readouterr().err
    (folder / "schemes.yaml").write_text("schemes: [", "utf-8")
    with pytest.raises(CategoryFilesError, match=r"schemes\.yaml"):
        category_files.read(folder)
    with pytest.raises(CategoryFilesError):
        category_files.read(folder / "nowhere")


@pytest.mark.parametrize(
    ("text", "scheme", "first"),
    [
        ("01001", "2026", "01001"),
        ("供水井盖", "2026", "01001"),
        ("gsjg", "2026", "01001"),
        ("water-supply", "2026", "01001"),
        ("暴露垃圾", "2026", "06010"),
        ("bllj", "2026", "06010"),
        ("BLLJ", "2013", "0110"),
        ("０１００１", "2026", "01001"),
        ("路灯", "2026", "01037"),
    ],
)
def test_search_finds(catalogue: Catalogue, text: str, scheme: str, first: str) -> None:
    assert catalogue.search(text, scheme=scheme)[0].code == first


def test_search_narrows(catalogue: Catalogue) -> None:
    assert {row.kind for row in catalogue.search("井盖", kind="event", limit=99)} == {"event"}
    assert all(row.fileable for row in catalogue.search("井盖", fileable=True, limit=99))
    assert len(catalogue.search("井盖", limit=3)) == 3
    assert all("井盖" in row.title.zh for row in catalogue.search("井盖 燃气"))
    assert catalogue.search("不存在的类别") == []
    assert catalogue.search("zzzz") == []
    assert len(catalogue.search("", scheme="2026", limit=1000)) == 403


def test_search_reads_conditions_last(catalogue: Catalogue) -> None:
    found = catalogue.search("跳响", scheme="2026", kind="component")
    assert found and all(any("跳响" in c.text.zh for c in row.conditions) for row in found)


def test_majors_and_default_scheme(catalogue: Catalogue) -> None:
    from datetime import date

    majors = catalogue.majors("2026", "event")
    assert [code for code, _title, _count in majors] == [f"{n:02d}" for n in range(1, 11)]
    assert sum(number for _code, _title, number in majors) == 250
    assert catalogue.default_scheme(date(2026, 7, 1)) == "2026"
    assert catalogue.default_scheme(date(2026, 6, 30)) == "2013"
    assert catalogue.default_scheme(date(2000, 1, 1)) == ""


def test_every_class_has_initials(catalogue: Catalogue) -> None:
    assert all(row.initials for row in catalogue.current())
    assert initials("行道树") == "xds" and initials("垃圾间（楼）") == "ljjl"
