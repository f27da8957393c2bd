"""From a declaration follow list, saved views, detail with history, form, bulk edit and undo; statements are counted."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import verify
from xiuhua.city.models import Component, Duty, Organisation, Place, User
from xiuhua.ledgers import history, registry
from xiuhua.ledgers.models import Batch, LedgerEvent, LedgerPayload, SavedView
from xiuhua.ledgers.tests.conftest import GRID, Ground, component_code

pytestmark = pytest.mark.django_db
LIST = "/ledgers/components/"
#: Statements of a list page: session and seats, scope, the page, the count, saved views, references, the chosen unit.
MOST_OF_A_LIST = 15


def codes(html: bytes) -> list[str]:
    """The identifiers of the list in their order."""
    return list(dict.fromkeys(re.findall(r"\b42120201001\d{6}\b", html.decode())))


def forms(answer: Any) -> Any:
    return answer.context["form"]


def test_every_declaration_fits_its_model_and_has_its_pages(ground: Ground) -> None:
    assert {"components", "organisations", "people", "appointments", "duties", "places"} <= set(registry.ledgers())
    client = ground.client()
    for code, ledger in registry.ledgers().items():
        assert registry.faults_of(ledger) == []
        assert client.get(f"/ledgers/{code}/").status_code == 200
        assert client.get(f"/ledgers/{code}/add/").status_code == 200
        assert client.get(f"/ledgers/{code}/import/").status_code == 200
        assert client.get(f"/ledgers/{code}/map/").status_code == (200 if ledger.shape else 404)


def test_the_list_is_filtered_searched_and_sorted(ground: Ground) -> None:
    for serial in range(1, 6):
        ground.cover(serial, state="lost" if serial % 2 else "intact", name=f"井盖{serial}")
    client = ground.client()

    def shown(**asked: str) -> list[str]:
        return codes(client.get(LIST, asked).content)

    assert shown() == [component_code(n) for n in (5, 4, 3, 2, 1)], "newest first"
    assert shown(sort="code") == [component_code(n) for n in (1, 2, 3, 4, 5)]
    assert shown(state="lost", sort="oldest") == [component_code(n) for n in (1, 3, 5)]
    assert shown(q="井盖4") == [component_code(4)]
    assert shown(q=component_code(2)) == [component_code(2)]
    assert shown(owner="cg-municipal", state="intact", sort="code") == [component_code(2), component_code(4)]
    assert shown(grid_code="421202001002") == shown() and shown(grid_code="9") == []
    wrong = client.get(LIST, {"state": "no-such", "surveyed_on_from": "yesterday"})
    assert wrong.status_code == 200 and len(wrong.context["wrong"]) == 2, "a wrong filter is said, not obeyed"


@pytest.mark.parametrize("sort", ["newest", "oldest", "code", "grid"])
def test_pages_by_key_hold_every_row_once(ground: Ground, sort: str) -> None:
    for serial in range(1, 121):
        ground.cover(serial)
    client, seen, query = ground.client(), [], {"sort": sort}
    for _page in range(3):
        answer = client.get(LIST, query)
        seen += [line.pk for line in answer.context["lines"]]
        query = {k: v[0] for k, v in parse_qs(urlsplit(answer.context["next_url"]).query).items()}
    assert not query and len(seen) == len(set(seen)) == 120
    assert str(answer.context["total"]) == "120"


def test_a_list_page_costs_the_same_however_many_rows(ground: Ground) -> None:
    ground.cover(1)
    client = ground.client()
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for serial in range(2, 60):
        unit = Organisation.objects.create(code=f"u{serial}", name=f"单位{serial}", kind="crew", platform=ground.city)
        ground.cover(serial, owner=unit, maintainer=unit)
    with CaptureQueriesContext(connection) as many:
        assert len(client.get(LIST).context["lines"]) == 50
    assert len(many) <= len(few) + 1 and len(many) <= MOST_OF_A_LIST, [q["sql"][:120] for q in many.captured_queries]
    with CaptureQueriesContext(connection) as filtered:
        client.get(LIST, {"owner": "u7", "state": "intact", "q": "供"})
    assert len(filtered) <= MOST_OF_A_LIST + 3, [q["sql"][:120] for q in filtered.captured_queries]


def test_views_are_saved_shared_with_a_role_and_dropped(ground: Ground) -> None:
    client, other, county = ground.client("watch"), ground.client("admin"), ground.client("county-admin")
    ground.cover(1, state="lost")
    ground.cover(2)
    client.post(LIST + "views/save/", {"name": "丢失的", "query": "state=lost&evil=1&after=x", "role": ""})
    view = SavedView.objects.get()
    assert (view.query, view.role) == ("state=lost", ""), "only what the list knows is kept"
    assert codes(client.get(f"{LIST}?{view.query}").content) == [component_code(1)]
    names = lambda who: [tag.label for tag in who.get(LIST).context["tags"]]  # noqa: E731
    assert names(client) == ["丢失的"] and names(other) == []
    client.post(LIST + "views/save/", {"name": "丢失的", "query": "state=broken", "role": "dispatcher"})
    assert SavedView.objects.get().query == "state=broken", "the same name again replaces it"
    other.post(LIST + "views/save/", {"name": "管理", "query": "state=lost", "role": "administrator"})
    assert names(county) == [], "shared on the own platform only"
    client.post(LIST + "views/save/", {"name": "不给", "query": "state=lost", "role": "administrator"})
    assert SavedView.objects.get(name="不给").role == "", "only with a role that one holds"
    other.post(LIST + "views/", {"drop": str(view.pk)})
    assert SavedView.objects.filter(pk=view.pk).exists(), "another person's view"
    client.post(LIST + "views/", {"drop": str(view.pk)})
    assert not SavedView.objects.filter(pk=view.pk).exists()


def test_the_form_checks_saves_and_refuses_what_another_changed(ground: Ground) -> None:
    client = ground.client()
    data = {
        "code": component_code(1), "name": "供水井盖", "state": "intact", "owner": "cg-municipal",
        "position.lon": "114.32", "position.lat": "29.84", "position.datum": "wgs84",
    }  # fmt: skip
    bad = client.post(LIST + "add/", {**data, "code": "123", "state": "exploded"})
    assert bad.status_code == 422 and Component.objects.count() == 0
    said = {q.name: q.errors for q in forms(bad).questions if q.errors}
    assert set(said) == {"state"}, "values first, then what the ledger itself checks"
    short = client.post(LIST + "add/", {**data, "code": "123"})
    assert "17 digits" in " ".join(q for one in forms(short).questions for q in one.errors)
    assert b"123" in bad.content, "what was typed is kept"
    assert client.post(LIST + "add/", data).status_code == 302
    row = Component.objects.get()
    assert (row.grid_code, row.scheme, row.owner) == (GRID, "2026", ground.unit)
    assert client.post(LIST + "add/", data).status_code == 422, "the same key again"

    page = client.get(f"{LIST}{row.pk}/edit/")
    change = {"name": "新名", "state": "broken", "version": forms(page).hidden["version"], "owner": "cg-municipal"}
    Component.objects.filter(pk=row.pk).update(note="同时")
    late = client.post(f"{LIST}{row.pk}/edit/", change)
    assert late.status_code == 422 and "Somebody else" in late.content.decode()
    change["version"] = forms(late).hidden["version"]
    assert client.post(f"{LIST}{row.pk}/edit/", change).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.state, row.note) == ("新名", "broken", "同时")
    change["version"] = forms(client.get(f"{LIST}{row.pk}/edit/")).hidden["version"]
    client.post(f"{LIST}{row.pk}/edit/", {**change, "code": component_code(9)})
    row.refresh_from_db()
    assert row.code == component_code(1), "an identifier is for life"


def test_the_page_of_a_row_tells_who_changed_what_when(ground: Ground) -> None:
    client = ground.client()
    row = ground.cover(1)
    for name in ("甲名", "乙名"):
        version = forms(client.get(f"{LIST}{row.pk}/edit/")).hidden["version"]
        client.post(f"{LIST}{row.pk}/edit/", {"name": name, "state": "intact", "version": version})
    answer = client.get(f"{LIST}{row.pk}/")
    newest = answer.context["moments"][0]
    assert newest.who == "人admin" and "甲名 → 乙名" in [str(fact.value) for fact in newest.rows]
    change = history.of_row("components", row.pk)[0]
    assert change.before is not None and change.after is not None
    assert (change.before["name"], change.after["name"], change.actor) == (
        "甲名", "乙名", f"user:{ground.users['admin'].pk}",
    )  # fmt: skip
    assert "name" in change.fields and "state" not in change.fields
    with CaptureQueriesContext(connection) as asked:
        client.get(f"{LIST}{row.pk}/")
    assert len(asked) <= 20, [q["sql"][:120] for q in asked.captured_queries]
    assert verify.verify().ok


def test_log_verify_finds_an_altered_history(ground: Ground) -> None:
    client = ground.client()
    row = ground.cover(1)
    version = forms(client.get(f"{LIST}{row.pk}/edit/")).hidden["version"]
    client.post(f"{LIST}{row.pk}/edit/", {"name": "改名", "state": "intact", "version": version})
    event = LedgerEvent.objects.get(row=row.pk)
    with pytest.raises(Exception, match=r"(?i)append|refus|never|change"), transaction.atomic():
        LedgerEvent.objects.filter(pk=event.pk).update(actor="user:0")
    payload = LedgerPayload.objects.get(event=event)
    LedgerPayload.objects.filter(event=event).update(body=payload.body.replace("改名", "别名"))
    report = verify.verify()
    assert not report.ok and [fault.code for fault in report.faults] == ["payload_altered"]


def test_bulk_edit_shows_guards_writes_and_can_be_undone(ground: Ground) -> None:
    rows = [ground.cover(n, state="intact") for n in range(1, 6)]
    client = ground.client()
    url = LIST + "bulk/?state=intact"
    preview = client.post(url, {"column": "state", "state": "broken"})
    assert preview.status_code == 200 and len(preview.context["proposal"].changed) == 5
    assert set(Component.objects.values_list("state", flat=True)) == {"intact"}, "a preview writes nothing"
    mark = preview.context["proposal"].mark
    rows.append(ground.cover(6, state="intact"))
    guarded = client.post(url, {"column": "state", "state": "broken", "mark": mark})
    assert guarded.status_code == 409 and not Batch.objects.exists(), "not what was seen"
    mark = guarded.context["proposal"].mark
    done = client.post(url, {"column": "state", "state": "broken", "mark": mark})
    batch = Batch.objects.get()
    assert done.status_code == 302 and batch.counts["changed"] == 6
    assert set(Component.objects.values_list("state", flat=True)) == {"broken"}
    assert {e.batch for e in LedgerEvent.objects.all()} == {str(batch.pk)}
    client.post(f"{LIST}batches/{batch.pk}/undo/", {"sure": "1"})
    assert ground.work(batch).status == "undone"
    assert set(Component.objects.values_list("state", flat=True)) == {"intact"} and verify.verify().ok
    bad = client.post(url, {"column": "state", "state": "exploded"})
    assert bad.status_code == 422
    assert client.post(url, {"column": "code", "code": "1"}).context["col"].name != "code", "only bulk columns"


def test_a_bulk_edit_keeps_to_what_one_manages(ground: Ground) -> None:
    own = Organisation.objects.create(code="jy-1", name="嘉鱼一队", kind="crew", platform=ground.county)
    answer = ground.client("county-admin").post("/ledgers/organisations/bulk/", {"column": "kind", "kind": "sub_unit"})
    assert {d.row.pk for d in answer.context["proposal"].changed} == {own.pk, ground.county_unit.pk}


def test_duties_places_and_organisations_are_checked(ground: Ground) -> None:
    client = ground.client()
    duty = {
        "platform": "421200", "organisation": "cg-municipal", "scheme": "2026", "kind": "component",
        "class_prefix": "01001", "division_prefix": "421202", "basis": "职责表", "priority": "1",
        "valid_from": "2026-01-01", "valid_until": "2025-01-01",
    }  # fmt: skip
    bad = client.post("/ledgers/duties/add/", duty)
    assert bad.status_code == 422 and not Duty.objects.exists()
    assert [q.name for q in forms(bad).questions if q.errors] == ["valid_until"]
    assert client.post("/ledgers/duties/add/", {**duty, "valid_until": ""}).status_code == 302
    assert Duty.objects.get().organisation == ground.unit
    unit = {"code": "x-1", "name": "甲", "kind": "crew", "platform": "421200", "credit_code": "91420000MA4K000000"}
    bad = client.post("/ledgers/organisations/add/", unit)
    assert [q.name for q in forms(bad).questions if q.errors] == ["credit_code"]
    place = {"name": "甲园", "kind": "poi", "platform": "421200", "position.lon": "114.32", "position.lat": "29.84"}
    answer = client.post("/ledgers/places/add/", place)
    assert answer.status_code == 302, [(q.name, q.errors) for q in forms(answer).questions if q.errors]
    row = Place.objects.get()
    assert client.post(f"/ledgers/places/{row.pk}/remove/", {"sure": "1"}).status_code == 302
    assert not Place.objects.exists() and history.of_row("places", row.pk)[0].action == "remove"
    assert client.post(f"/ledgers/components/{ground.cover(1).pk}/remove/", {"sure": "1"}).status_code == 404, (
        "components are retired, never removed"
    )


def test_phones_are_sealed_masked_found_whole_and_every_look_is_an_event(ground: Ground) -> None:
    client, number = ground.client(), "13912345678"
    data = {"username": "zhang1", "display_name": "甲某", "platform": "421200", "phone": number, "kind": "person"}
    answer = client.post("/ledgers/people/add/", data)
    assert answer.status_code == 302, [(q.name, q.errors) for q in forms(answer).questions if q.errors]
    person = User.objects.get(username="zhang1")
    assert person.phone_cipher and number not in person.phone_cipher
    for address in ("", f"{person.pk}/", f"{person.pk}/edit/", "export/?format=csv"):
        page = client.get(f"/ledgers/people/{address}")
        text = b"".join(page.streaming_content if page.streaming else [page.content]).decode()
        assert number not in text and "139" in text, address
    assert [line.pk for line in client.get("/ledgers/people/", {"q": number}).context["lines"]] == [person.pk]
    assert not client.get("/ledgers/people/", {"q": "1391234"}).context["lines"]
    seen = LedgerEvent.objects.filter(row=person.pk).count()
    assert client.get(f"/ledgers/people/{person.pk}/reveal/phone/").status_code == 405
    shown = client.post(f"/ledgers/people/{person.pk}/reveal/phone/", {"sure": "1"})
    assert number in shown.content.decode()
    look = history.of_row("people", person.pk)[0]
    assert LedgerEvent.objects.filter(row=person.pk).count() == seen + 1
    assert (look.action, look.actor_name, look.fields) == ("reveal", "人admin", ("phone",))
    assert all(number not in body for body in LedgerPayload.objects.values_list("body", flat=True))
    assert ground.client("watch").post(f"/ledgers/people/{person.pk}/reveal/phone/", {"sure": "1"}).status_code == 403
    outside = ground.client("county-admin")
    assert outside.post(f"/ledgers/people/{person.pk}/reveal/phone/", {"sure": "1"}).status_code == 404
    assert LedgerEvent.objects.filter(row=person.pk).count() == seen + 1 and verify.verify().ok
