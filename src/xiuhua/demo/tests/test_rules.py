"""A city edits its rules in the application: checked with places, published as versions, in force at once, kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from xiuhua.casework import library, rule_files
from xiuhua.casework.models import Case, ProcedureVersion, RuleVersion
from xiuhua.casework.procedure_commands import check as check_command
from xiuhua.casework.procedure_commands import publish as publish_command
from xiuhua.casework.yaml_source import SourcesBroken
from xiuhua.city import memory
from xiuhua.city.models import User
from xiuhua.command import routing
from xiuhua.demo.tests.test_city_case import Desk, Time, desk, time  # noqa: F401  fixtures

OVERRIDE = """\
override: city_case
for: two_centre
clocks:
  intake: {limit: {value: 20, unit: minute}, source: "Document 12", sample: false}
"""
NAME = "city_case.two_centre"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Versions rolled back leave their numbers to other texts."""
    library.version.cache_clear()
    yield
    library.version.cache_clear()


def book(kind: str = "procedure") -> rule_files.Book:
    return rule_files.books()[kind]


def publish(desk: Desk, text: str, name: str = NAME, *, base: int = 0, kind: str = "procedure") -> RuleVersion:  # noqa: F811
    return rule_files.publish(book(kind), name, text, base=base, actor=desk.who("admin"), reason="第12号文")


def faults(kind: str, name: str, text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(SourcesBroken) as caught:
        book(kind).judge(name, text)
    return [(one.line, one.column, one.field, one.message.en) for one in caught.value.faults]


def intake(case: Case) -> Any:
    return library.version(case.procedure_id).clocks["intake"].limit


def client(name: str = "admin", language: str = "en") -> Client:
    made = Client(headers={"Accept-Language": language})
    made.cookies["xiuhua_language"] = language
    made.force_login(User.objects.get(username=name))
    return made


# -- procedures --------------------------------------------------------------------------------------------------------


def test_new_cases_run_on_what_is_published_and_old_ones_on_theirs(desk: Desk, time: Time) -> None:  # noqa: F811
    before = desk.report()
    row = publish(desk, OVERRIDE)
    after = desk.report()
    assert (row.version, row.published_by, row.reason) == (1, User.objects.get(username="admin"), "第12号文")
    assert after.procedure.rule == row and after.procedure.variant == "two_centre"
    assert before.procedure_id != after.procedure_id and intake(before) != intake(after)
    before.refresh_from_db()
    assert before.procedure.rule is None
    changed = OVERRIDE.replace("20", "25")
    assert publish(desk, changed, base=1).version == 2
    third = desk.report()
    assert (third.procedure.version, after.procedure.version) == (2, 1)
    assert [row.text for row in rule_files.versions("procedure", NAME)] == [changed, OVERRIDE]


def test_taken_back_what_ships_is_in_force_again(desk: Desk, time: Time) -> None:  # noqa: F811
    shipped = desk.report().procedure_id
    publish(desk, OVERRIDE)
    assert desk.report().procedure_id != shipped
    assert publish(desk, "", base=1).text == ""
    assert desk.report().procedure_id == shipped
    assert publish(desk, OVERRIDE, base=2).version == 3
    assert desk.report().procedure.version == 2, "published again it is a version of its own"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("override: city_case\nfor: two_centre\nclocks: [", (3, 10, "")),
        (OVERRIDE.replace("minute", "fortnight"), (4, 12, "clocks.intake.limit")),
        (OVERRIDE + "actions:\n  dispatch: {by: [wizard]}\n", (6, 19, "actions.dispatch.by[0]")),
        (OVERRIDE.replace("two_centre", "one_centre"), (1, 1, "override")),
        (OVERRIDE.replace("city_case", "no_case"), (1, 1, "override")),
        (OVERRIDE + "stages: &x {}\nstates: *x\n", (5, 9, "states")),
        (" ", (1, 1, "")),
    ],
)
def test_every_fault_has_its_place_and_nothing_takes_effect(desk: Desk, text: str, place: tuple[int, int, str]) -> None:  # noqa: F811
    before = list(ProcedureVersion.objects.values_list("pk", "active"))
    found = faults("procedure", NAME, text)
    assert place in [one[:3] for one in found], found
    with pytest.raises(SourcesBroken):
        publish(desk, text)
    assert list(ProcedureVersion.objects.values_list("pk", "active")) == before
    assert not RuleVersion.objects.exists()


def test_what_the_law_asks_stays(desk: Desk) -> None:  # noqa: F811
    base = library.version(library.current("city_case", desk.city)[0])
    lawful = next(a for a in base.actions.values() if a.lawful or any(guard.lawful for guard in a.guards))
    found = faults("procedure", NAME, f"override: city_case\nfor: two_centre\nactions:\n  {lawful.code}: null\n")
    assert any("required by law" in said for *_place, said in found), found


def test_a_procedure_of_the_citys_own(desk: Desk) -> None:  # noqa: F811
    text = book().start("lamp_check")
    publish(desk, text, "lamp_check")
    assert library.current("lamp_check", desk.city)[1].title.en == "Lamp check"
    assert not book().knows("city_case"), "what ships is overridden, not replaced"
    found = faults("procedure", "city_case", text.replace("lamp_check", "city_case"))
    assert any("already in" in said for *_place, said in found)
    publish(desk, "", "lamp_check", base=1)
    with pytest.raises(KeyError):
        library.current("lamp_check", desk.city)


def test_a_publication_of_what_ships_keeps_what_the_city_wrote(
    desk: Desk,  # noqa: F811
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(desk, OVERRIDE)
    assert publish_command([]) == 0 and capsys.readouterr().out == ""
    file = tmp_path / "city.yaml"
    file.write_text(OVERRIDE.replace("20", "30"), "utf-8")
    assert check_command([str(file)]) == 0
    assert publish_command([str(file)]) == 0 and "city_case.two_centre v2" in capsys.readouterr().out
    rows = rule_files.versions("procedure", NAME)
    assert [(row.version, row.published_by) for row in rows] == [(2, None), (1, User.objects.get(username="admin"))]
    file.write_text("override: city_case\nfor: two_centre\nclocks: 3\n", "utf-8")
    assert publish_command([str(file)]) == 1 and len(rows.all()) == 2


# -- two editors -------------------------------------------------------------------------------------------------------


def test_who_comes_second_is_told(desk: Desk) -> None:  # noqa: F811
    first = publish(desk, OVERRIDE)
    with pytest.raises(rule_files.Overtaken) as caught:
        publish(desk, OVERRIDE.replace("20", "40"))
    assert caught.value.row == first
    with pytest.raises(rule_files.Unchanged):
        publish(desk, OVERRIDE, base=1)


# -- tables of rules ---------------------------------------------------------------------------------------------------


def test_the_citys_own_order_of_routing(desk: Desk, time: Time) -> None:  # noqa: F811
    desk.filed()
    assert routing.propose(desk.case)[0].rule == "owner"
    text = (
        book("routing").start("").replace("component: [owner, maintainer, duty", "component: [duty, owner, maintainer")
    )
    publish(desk, text, "", kind="routing")
    assert routing.propose(desk.case)[0].rule == "duty"
    publish(desk, "", "", base=1, kind="routing")
    assert routing.propose(desk.case)[0].rule == "owner"


@pytest.mark.parametrize(
    ("kind", "old", "new", "field"),
    [
        ("routing", "[owner, maintainer, duty", "[owner, wizard, duty", "order.component[1]"),
        ("routing", "  event:", "  planet:", "order.planet"),
        ("routing", '  duty: {zh: "职责清单", en: "Duty list"}', "", "order.component[2]"),
        ("routing", "sample: true", "sample: perhaps", "sample"),
        ("direct_dispatch", "cg-centre:collect", "cg-centre:nobody", "rules[0].posts[0]"),
        ("direct_dispatch", "units: [owner, maintainer]", "units: [owner, wizard]", "rules[0].units[1]"),
        ("direct_dispatch", "condition: 1", "condition: 99", "rules[0].classes[0].condition"),
        ("direct_dispatch", '"01001"', '"99999"', "rules[0].classes[0]"),
        ("direct_dispatch", "near_m: 30", "near_m: 9000", "near_m"),
        ("direct_dispatch", "urgency: [ordinary, urgent]", "urgency: [asap]", "rules[0].urgency[0]"),
    ],
)
def test_a_fault_in_a_table_of_rules_has_its_place(desk: Desk, kind: str, old: str, new: str, field: str) -> None:  # noqa: F811
    name = desk.city.code if kind == "direct_dispatch" else ""
    text = book(kind).start(name)
    assert old in text
    found = faults(kind, name, text.replace(old, new))
    line = text[: text.index(old)].count("\n") + 1
    assert found[0][2] == field and (new == "" or found[0][0] == line), found


def test_rules_that_no_longer_fit_are_out_of_use_and_said(desk: Desk) -> None:  # noqa: F811
    """As after an upgrade that changed the schema."""
    rule_files.store("routing", "", "sample: true\n", by=None, reason="of an older release")
    memory.forget()
    assert routing.rules().order["component"][0] == "owner"
    page = client().get("/rules/routing/").content.decode()
    assert "no longer takes effect" in page and "is required" in page


# -- pages -------------------------------------------------------------------------------------------------------------


def test_the_page_checks_previews_and_publishes(desk: Desk) -> None:  # noqa: F811
    admin = client()
    address = f"/rules/procedure/{NAME}/"
    assert "override: city_case" in admin.get(address).content.decode()
    wrong = OVERRIDE.replace("minute", "fortnight")
    got = admin.post(address, {"text": wrong.replace("\n", "\r\n"), "do": "check", "base": "0"})
    page = got.content.decode()
    assert got.status_code == 422 and "Line 4, column" in page and "clocks.intake.limit" in page
    assert "fortnight" in page.split("<textarea")[1].split("</textarea>")[0], "nothing typed is lost"
    got = admin.post(address, {"text": OVERRIDE, "do": "check", "base": "0"})
    page = got.content.decode()
    assert got.status_code == 200 and "<svg" in page and not RuleVersion.objects.exists()
    assert 0 < page.count('class="is-new"') < 10, "beside what the platform runs by now, not as if all were new"
    got = admin.post(address, {"text": OVERRIDE, "do": "publish", "base": "0", "reason": " "})
    assert got.status_code == 422 and "Say why" in got.content.decode() and not RuleVersion.objects.exists()
    sent = {"text": OVERRIDE.replace("\n", "\r\n"), "do": "publish", "base": "0", "reason": "Document 12"}
    assert admin.post(address, sent).status_code == 302
    assert RuleVersion.objects.get().text == OVERRIDE
    got = admin.post(address, {**sent, "text": OVERRIDE.replace("20", "40")})
    page = got.content.decode()
    assert got.status_code == 409 and "published version 1" in page and "value: 40" in page
    for url in ("/procedures/", "/procedures/city_case/", "/rules/"):
        page = admin.get(url).content.decode()
        assert "override" in page if url != "/rules/" else "Document 12" in page
    assert admin.post(address, {"text": "", "do": "withdraw", "base": "1", "reason": "no more"}).status_code == 302
    page = admin.get(f"{address}?version=1").content.decode()
    assert "value: 20" in page and "taken back" in page


def test_chinese_faults_for_chinese_readers(desk: Desk) -> None:  # noqa: F811
    got = client(language="zh-hans").post("/rules/routing/", {"text": "sample: 3\n", "do": "check"})
    assert "第 1 行" in got.content.decode() and "应为 true 或 false" in got.content.decode()


def test_each_platform_edits_its_own(desk: Desk) -> None:  # noqa: F811
    """A county's duty of rules does not reach the city's, nor the other way."""
    county = User.objects.get(username="jiayu-chief")
    from xiuhua.city.models import Appointment, Post

    post = Appointment.objects.get(user=county).post
    Post.objects.filter(pk=post.pk).update(role="administrator")
    own, other = f"/rules/direct_dispatch/{post.platform.code}/", f"/rules/direct_dispatch/{desk.city.code}/"
    assert [client("jiayu-chief").get(url).status_code for url in (own, other, "/rules/routing/")] == [200, 404, 404]
    assert [client("admin").get(url).status_code for url in (own, other, "/rules/routing/")] == [404, 200, 200]
    page = client("jiayu-chief").get("/rules/").content.decode()
    assert own in page and other not in page and "/rules/routing/" not in page
    assert client("chief").get("/rules/").status_code == 403


def test_pages_ask_no_more_for_more_rows(desk: Desk, django_assert_max_num_queries: Any) -> None:  # noqa: F811
    for n in range(4):
        publish(desk, OVERRIDE.replace("20", str(20 + n)), base=n)
        desk.report()
    admin = client()
    for url in ("/rules/", "/procedures/", "/procedures/city_case/", f"/rules/procedure/{NAME}/"):
        admin.get(url)
        with django_assert_max_num_queries(14):
            assert admin.get(url).status_code == 200
