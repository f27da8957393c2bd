"""The sample organisation, its tree, and profiles that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from xiuhua.city import memory, organisations, roles
from xiuhua.city.models import Organisation, Platform, Post
from xiuhua.city.organisation_import import SAMPLE, ProfileError, import_profile
from xiuhua.city.organisations import Tree, tree

COUNTIES = ("421202", "421221", "421222", "421223", "421224", "421281")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def platforms(db: None) -> dict[str, Platform]:
    top = Platform.objects.create(code="421200", name="市", level="city", adcode="421200")
    found = {
        code: Platform.objects.create(code=code, name=code, level="county", adcode=code, parent=top)
        for code in COUNTIES
    }
    return {"421200": top, **found}


@pytest.fixture
def sample(platforms: dict[str, Platform]) -> Tree:
    import_profile()
    return tree()


def test_the_model_is_one_one_three_with_36_departments(sample: Tree) -> None:
    city = Organisation.objects.filter(platform__code="421200")
    top = Organisation.objects.get(kind="commission")
    below = city.filter(parent=top)
    kinds = sorted(below.values_list("kind", flat=True))
    assert kinds == ["centre", "enforcement", "professional", "professional", "professional"]
    assert city.filter(assessed=True).count() == 36
    assert city.filter(kind="contractor").count() == 8
    assert Organisation.objects.filter(kind="county", assessed=True).count() == len(COUNTIES)


def test_every_unit_says_that_it_is_simulated_in_both_languages(sample: Tree) -> None:
    for unit in sample.by_id.values():
        assert unit.simulated and unit.name.zh.endswith("（模拟）") and unit.name.en.endswith("(simulated)")


def test_a_contractor_reaches_down_to_its_crews(sample: Tree) -> None:
    codes = {sample.by_id[i].code for i in sample.subtree_ids(sample.by_code["co-road-a"].id)}
    assert codes == {"co-road-a", "co-road-a-1", "co-road-a-1-1", "co-road-a-1-2"}
    crew = sample.by_code["co-road-a-1-1"].id
    up = [sample.by_id[i].code for i in sample.ancestor_ids(crew)]
    assert up == ["co-road-a-1-1", "co-road-a-1", "co-road-a", "cg-municipal", "cg"]
    assert sample.within(crew, sample.by_code["cg"].id)
    assert not sample.within(crew, sample.by_code["cg-sanitation"].id)
    assert not sample.within(sample.by_code["cg"].id, crew)


def test_the_tree_answers_nothing_for_what_it_does_not_know(sample: Tree) -> None:
    assert sample.subtree_ids(None) == sample.subtree_ids(-1) == frozenset()
    assert sample.ancestor_ids(None) == ()
    assert not sample.within(None, None)


def test_counties_have_their_own_units_on_their_own_platform(sample: Tree, platforms: dict[str, Platform]) -> None:
    for code in COUNTIES:
        units = sample.of_platform(platforms[code].pk)
        assert {unit.code.split("-", 1)[1] for unit in units} == {
            "bureau", "centre", "enforce", "municipal", "sanitation", "greening",
        }  # fmt: skip
        assert sample.of_platform(platforms[code].pk, ["centre"])[0].parent_id == (sample.by_code[f"{code}-bureau"].id)


def test_every_role_has_a_post_and_every_post_a_role(sample: Tree) -> None:
    assert {*Post.objects.values_list("role", flat=True)} == set(roles.roles())
    for platform in Platform.objects.all():
        held = set(Post.objects.filter(platform=platform).values_list("role", flat=True))
        assert {"intake_operator", "dispatcher", "duty_chief", "collector", "unit"} <= held


def test_importing_twice_changes_no_row(sample: Tree) -> None:
    before = list(Organisation.objects.order_by("pk").values()), list(Post.objects.order_by("pk").values())
    import_profile()
    after = list(Organisation.objects.order_by("pk").values()), list(Post.objects.order_by("pk").values())
    assert before == after


def profile(tmp_path: Path, **change: object) -> Path:
    data = yaml.safe_load(SAMPLE.read_text("utf-8")) | change
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return path


UNIT = {"code": "a", "kind": "department", "zh": "甲", "en": "A"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"organisations": [UNIT, UNIT]}, r"organisations\.1 \(a\): code 'a' stands twice"),
        ({"organisations": [{**UNIT, "parent": "nobody"}]}, "parent 'nobody' does not stand above"),
        ({"organisations": [{**UNIT, "kind": "club"}]}, r"organisations\.0\.kind"),
        ({"organisations": [{**UNIT, "zh": ""}]}, r"organisations\.0\.zh"),
        ({"organisations": [{**UNIT, "credit_code": "123"}]}, r"organisations\.0\.credit_code"),
        ({"surprise": 1}, "surprise"),
        (
            {"posts": [{"code": "x", "role": "king", "kinds": ["centre"], "zh": "王", "en": "King"}]},
            "unknown role 'king'",
        ),
        (
            {"counties": {"platforms": {"999999": {"zh": "无", "en": "None"}}, "organisations": [UNIT]}},
            "platform '999999' does not exist",
        ),
    ],
)
def test_a_bad_profile_is_refused_whole(
    platforms: dict[str, Platform], tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        import_profile(profile(tmp_path, **change))
    assert not Organisation.objects.exists() and not Post.objects.exists()


@pytest.mark.django_db
def test_without_a_city_nothing_is_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert organisations.main([]) == 1
    assert "name the city platform" in capsys.readouterr().err


def test_the_command(platforms: dict[str, Platform], capsys: pytest.CaptureFixture[str]) -> None:
    assert organisations.main([]) == 0
    assert "organisations and" in capsys.readouterr().out
    assert organisations.main(["--file", "/nowhere/x.yaml"]) == 1
