"""Who may read and manage which rows: by division, department and company, on pages, in files, on the map, in the API.

What is out of scope is not found, and no list, count or file tells that it is there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from django.test import Client

from xiuhua.city import memory, tokens
from xiuhua.city.models import Appointment, Component, Organisation, Post, User
from xiuhua.ledgers.models import Batch, LedgerEvent
from xiuhua.ledgers.tests.conftest import Ground, component_code

pytestmark = pytest.mark.django_db
LIST = "/ledgers/components/"
API = "/api/v1/ledgers"


@dataclass
class People:
    """Three rows and three who each see one: by division, by department, by company."""

    ground: Ground
    rows: dict[str, Component]

    def client(self, name: str) -> Client:
        client = Client(headers={"accept-language": "en"})
        client.force_login(User.objects.get(username=name))
        return client


@pytest.fixture
def people(ground: Ground) -> People:
    company = Organisation.objects.create(code="lamp-co", name="路灯公司", kind="contractor", platform=ground.city)
    crew = Organisation.objects.create(
        code="lamp-crew", name="路灯班", kind="crew", platform=ground.city, parent=company
    )
    rows = {
        "division": ground.cover(1, owner=None, grid_code="421202001002001"),
        "department": ground.cover(2, owner=ground.unit, grid_code="421202009009001"),
        "company": ground.cover(3, owner=None, maintainer=crew, grid_code="421202009009001"),
    }
    for name, role, unit, division in (
        ("division", "administrator", None, "421202001"),
        ("department", "unit", ground.unit, ""),
        ("company", "unit", company, ""),
    ):
        user = User.objects.create(username=name, display_name=name, platform=ground.city, organisation=unit)
        post = Post.objects.create(
            code=f"p-{name}", name=name, role=role, platform=ground.city, organisation=unit, division_prefix=division
        )
        Appointment.objects.create(user=user, post=post, since=date(2026, 1, 1))
    memory.forget()
    return People(ground, rows)


@pytest.mark.parametrize("who", ["division", "department", "company"])
def test_each_sees_his_own_everywhere_and_the_rest_is_not_there(people: People, who: str) -> None:
    client, own = people.client(who), people.rows[who]
    hidden = [row for name, row in people.rows.items() if name != who]
    page = client.get(LIST)
    assert [line.pk for line in page.context["lines"]] == [own.pk] and str(page.context["total"]) == "1"
    assert client.get(f"{LIST}{own.pk}/").status_code == 200
    drawn = json.loads(client.get(f"{LIST}rows.geojson").content)["features"]
    assert [one["properties"]["url"] for one in drawn] == [f"{LIST}{own.pk}/"]
    for form in ("csv", "geojson"):
        text = b"".join(client.get(f"{LIST}export/", {"format": form}).streaming_content).decode()
        assert own.code in text and not any(row.code in text for row in hidden)
    listed = client.get(f"{API}/components?count=true").json()
    assert [one["id"] for one in listed["items"]] == [str(own.pk)] and listed["count"] == 1
    for row in hidden:
        assert client.get(f"{LIST}{row.pk}/").status_code == 404
        assert client.get(f"{API}/components/rows/{row.pk}").status_code == 404
        assert client.get(f"{API}/components/rows/{row.pk}/history").status_code == 404
        assert not client.get(LIST, {"q": row.code}).context["lines"]


def test_who_manages_a_division_cannot_reach_out_of_it(people: People) -> None:
    client, outside = people.client("division"), people.rows["department"]
    assert client.get(f"{LIST}{outside.pk}/edit/").status_code == 404
    assert client.post(f"{LIST}{outside.pk}/edit/", {"name": "x"}).status_code == 404
    preview = client.post(LIST + "bulk/", {"column": "state", "state": "lost"})
    assert [d.row.pk for d in preview.context["proposal"].changed] == [people.rows["division"].pk]
    header = "标识码,部件名称,经度,纬度"
    text = f"{header}\n{outside.code},改名,114.32,29.84\n"
    batch = people.ground.work(_sent(client, text))
    assert (batch.counts["new"], batch.counts["changed"], batch.counts["refused"]) == (0, 0, 1)


def _sent(client: Client, text: str) -> Batch:
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("a.csv", text.encode())
    answer = client.post(LIST + "import/", {"file": file, "system": "wgs84", "encoding": "auto"})
    assert answer.status_code == 302
    return Batch.objects.latest("id")


def test_who_only_reads_is_refused_every_change(people: People) -> None:
    row = people.rows["department"]
    client = people.client("department")
    for method, address in (
        ("get", "add/"), ("get", "bulk/"), ("get", "import/"), ("get", "batches/"), ("get", "template.csv"),
        ("get", f"{row.pk}/edit/"), ("post", f"{row.pk}/edit/"), ("post", "bulk/"), ("post", "import/"),
    ):  # fmt: skip
        assert getattr(client, method)(LIST + address).status_code == 403, address
    assert client.get("/ledgers/people/").status_code == 403
    assert client.get("/ledgers/no-such/").status_code == 404
    assert people.client("none").get(LIST).status_code == 403, "without a post nothing"
    assert LedgerEvent.objects.count() == 0


def test_batches_are_not_found_by_others(people: People, csv_of: Any) -> None:
    ground = people.ground
    batch = ground.send("components", "a.csv", csv_of("标识码,名称,经度,纬度", "1,x,1,1"), system="wgs84")
    assert ground.client("admin").get(f"{LIST}batches/{batch.pk}/").status_code == 200
    other = ground.client("county-admin")
    for address in ("", "report.csv", "file", "state/", "undo/"):
        assert other.get(f"{LIST}batches/{batch.pk}/{address}").status_code == 404, address
    assert other.post(f"{LIST}batches/{batch.pk}/go/").status_code == 404
    assert other.get(f"{API}/components/imports/{batch.pk}").status_code == 404


# -- API -----------------------------------------------------------------------------------------------------------


@dataclass
class Caller:
    client: Client
    headers: dict[str, str]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        more = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return getattr(self.client, method)(API + path, headers=self.headers, **more)


def caller(ground: Ground, *scopes: str) -> Caller:
    _row, raw = tokens.issue(ground.users["admin"], ground.actor(), "接口", scopes, 1)
    return Caller(Client(), {"Authorization": f"Bearer {raw}", "accept-language": "en"})


def test_the_api_lists_makes_changes_and_tells_history(ground: Ground) -> None:
    call = caller(ground, "ground.read", "ground.manage")
    known = {one["code"]: one for one in call("get", "").json()["items"]}
    assert "people" not in known and known["components"]["may_manage"], "scopes of the token narrow the posts"
    values = {"code": component_code(1), "name": "供水井盖", "owner": "cg-municipal", "lon": 114.32, "lat": 29.84}
    made = call("post", "/components", {"values": values, "system": "wgs84"})
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["values"]["owner"], row["values"]["lon"], row["values"]["minor"]) == (
        "cg-municipal", "114.3200000", "001",
    )  # fmt: skip
    assert call("post", "/components", {"values": values}).status_code == 409
    url = f"/components/rows/{row['id']}"
    changed = call("patch", url, {"values": {"name": "新名"}, "version": row["version"]})
    assert changed.status_code == 200 and changed.json()["values"]["name"] == "新名"
    stale = call("patch", url, {"values": {"name": "再改"}, "version": row["version"]})
    assert stale.status_code == 409, "somebody has changed it since"
    told = call("get", f"{url}/history").json()["items"]
    assert [one["action"] for one in told] == ["change", "create"]
    assert (told[0]["before"]["name"], told[0]["after"]["name"]) == ("供水井盖", "新名")
    assert told[0]["actor"] == f"user:{ground.users['admin'].pk}" and told[0]["at"] > told[1]["at"]


def test_the_api_names_what_is_wrong(ground: Ground) -> None:
    call = caller(ground, "ground.read", "ground.manage")
    for values, field in (
        ({"code": "1", "name": "x", "lon": 114.32, "lat": 29.84}, "code"),
        ({"code": component_code(1), "lon": 114.32, "lat": 29.84}, "name"),
        ({"code": component_code(1), "name": "x", "lon": 1, "lat": 2}, "position"),
        ({"code": component_code(1), "name": "x", "lon": 114.32, "lat": 29.84, "owner": "nobody"}, "owner"),
        ({"code": component_code(1), "name": "x", "lon": 114.32, "lat": 29.84, "evil": 1}, "evil"),
        ({"code": component_code(1), "name": "x", "lon": 114.32, "lat": 29.84, "note": ["a"]}, "note"),
    ):
        answer = call("post", "/components", {"values": values})
        assert answer.status_code == 422 and field in json.dumps(answer.json()["errors"]), (field, answer.content)
    assert Component.objects.count() == 0
    assert call("get", "/components?state=exploded").status_code == 422
    assert call("get", "/components?cursor=evil").status_code == 400
    assert call("get", "/no-such").status_code == 404


def test_tokens_without_the_scope_are_refused(ground: Ground) -> None:
    row = ground.cover(1)
    reads = caller(ground, "ground.read")
    assert reads("get", "/components").status_code == 200
    assert reads("post", "/components", {"values": {"code": "1"}}).status_code == 403
    assert reads("patch", f"/components/rows/{row.pk}", {"values": {}, "version": "x"}).status_code == 403
    assert reads("get", "/people").status_code == 403
    assert Client().get(f"{API}/components").status_code in (401, 403)


def test_the_api_pages_by_key_with_few_statements(ground: Ground, django_assert_max_num_queries: Any) -> None:
    for serial in range(1, 26):
        ground.cover(serial)
    call, seen, cursor = caller(ground, "ground.read"), [], ""
    call("get", "/components")
    while True:
        with django_assert_max_num_queries(10):
            page = call("get", f"/components?limit=10&sort=code&cursor={cursor}").json()
        seen += [one["values"]["code"] for one in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == [component_code(n) for n in range(1, 26)]


def test_phones_stay_masked_in_the_api(ground: Ground) -> None:
    call = caller(ground, "accounts.manage")
    made = call("post", "/people", {"values": {
        "username": "zhang1", "display_name": "甲", "platform": "421200", "phone": "13912345678", "kind": "person"}})  # fmt: skip
    assert made.status_code == 201, made.content
    told = call("get", f"/people/rows/{made.json()['id']}/history")
    for answer in (made, call("get", "/people"), told):
        assert "13912345678" not in answer.content.decode()
    assert told.json()["items"][0]["after"]["phone"] == "***"


def test_a_file_is_imported_by_the_api(ground: Ground, csv_of: Any) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    call = caller(ground, "ground.read", "ground.manage")
    content = csv_of("标识码,部件名称,经度,纬度", f"{component_code(1)},井盖,114.32,29.84", f"{component_code(2)},,1,1")
    sent = call.client.post(
        f"{API}/components/imports?system=wgs84", {"file": SimpleUploadedFile("a.csv", content)}, headers=call.headers
    )
    assert sent.status_code == 202, sent.content
    batch = Batch.objects.get(pk=int(sent.json()["id"]))
    ground.work(batch)
    url = f"/components/imports/{batch.pk}"
    assert call("get", url).json()["counts"]["refused"] == 1
    assert call("post", f"{url}/go", {}).status_code == 409, "refused rows are not passed over unasked"
    assert call("post", f"{url}/go", {"only_good": True}).status_code == 202
    ground.work(batch)
    assert Component.objects.get().code == component_code(1)
    assert call("post", f"{url}/undo", {}).status_code == 202
    ground.work(batch)
    assert not Component.objects.exists() and call("get", url).json()["status"] == "undone"
