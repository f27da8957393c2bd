"""A file is checked without writing, imported whole or not at all, and undone; what is wrong is said row by row."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from xiuhua.casework import verify
from xiuhua.city.models import Component, Organisation, Place, User
from xiuhua.ledgers import columns, exports, history, imports, scope, store, undo, write
from xiuhua.ledgers.models import Batch, LedgerEvent
from xiuhua.ledgers.store import FileRefused
from xiuhua.ledgers.tests.conftest import GRID, Ground, component_code

HEADER = "标识码,部件名称,权属单位代码,经度,纬度"
pytestmark = pytest.mark.django_db


def row(
    serial: int, name: str = "供水井盖", lon: str = "114.32", lat: str = "29.84", owner: str = "cg-municipal"
) -> str:
    return f"{component_code(serial)},{name},{owner},{lon},{lat}"


def rows_of(digest: str) -> list[dict[str, str]]:
    text = store.path_of(digest).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_a_file_is_checked_imported_and_undone(ground: Ground, csv_of: Any) -> None:
    old = ground.cover(1, name="旧名")
    before = Component.objects.count()
    batch = ground.send("components", "a.csv", csv_of(HEADER, row(1), row(2), row(3)), system="wgs84")
    assert batch.status == "checked", batch.error
    assert {k: batch.counts[k] for k in ("rows", "new", "changed", "refused")} == {
        "rows": 3, "new": 2, "changed": 1, "refused": 0,
    }  # fmt: skip
    assert Component.objects.count() == before and LedgerEvent.objects.count() == 0, "a dry run writes nothing"

    assert imports.go(batch, only_good=False)
    batch = ground.work(batch)
    assert batch.status == "done"
    made = Component.objects.get(code=component_code(2))
    assert (made.grid_code, made.platform, made.owner, made.major, made.minor, made.scheme) == (
        GRID, ground.city, ground.unit, "01", "001", "2026",
    )  # fmt: skip
    assert (made.lon_e7, made.lat_e7, made.datum, made.source) == (1_143_200_000, 298_400_000, "wgs84", "a.csv")
    old.refresh_from_db()
    assert old.name == "供水井盖"
    change = history.of_row("components", old.pk)[0]
    assert change.actor_name == "人admin" and change.before is not None and change.after is not None
    assert (change.before["name"], change.after["name"]) == ("旧名", "供水井盖")
    assert verify.verify().ok

    assert undo.ask(batch, ground.actor())
    assert ground.work(batch).status == "undone"
    assert Component.objects.count() == before
    old.refresh_from_db()
    assert old.name == "旧名" and old.source == ""
    assert [one.action for one in history.of_row("components", old.pk)] == ["undo", "change"]
    assert verify.verify().ok


def test_refused_rows_are_reported_mended_and_sent_again(ground: Ground, csv_of: Any) -> None:
    bad = [
        row(1), row(1), row(2, lon="214.3"), row(3, owner="nobody"), row(4, name="=HYPERLINK(1)"), "123,短码,,114.32,29.84",
        row(5, lon="116.0"), f"42120299999{6:06d},无此类,,114.32,29.84", row(7, name=""), row(8, lon="abc"),
    ]  # fmt: skip
    batch = ground.send("components", "a.csv", csv_of(HEADER, *bad), system="wgs84")
    assert (batch.counts["new"], batch.counts["refused"]) == (1, 9)
    assert not imports.go(batch, only_good=False), "refused rows are not passed over unasked"
    report = rows_of(batch.report)
    assert [one["行号 Row"] for one in report] == [str(n) for n in range(3, 12)]
    assert "与第2行重复" in report[0]["问题 Problem"] and "row 2" in report[0]["问题 Problem"]
    assert all(one["问题 Problem"] for one in report)
    assert report[3]["部件名称"] == "'=HYPERLINK(1)", "raw kept for repair, and harmless in a spreadsheet"

    assert imports.go(batch, only_good=True)
    assert ground.work(batch).counts["new"] == 1
    text = store.path_of(batch.report).read_text(encoding="utf-8-sig").splitlines()
    mended = [text[0], text[2].replace("214.3", "114.3"), text[3].replace("nobody", "cg-municipal")]
    again = ground.bring("components", "mended.csv", "\n".join(mended).encode(), system="wgs84")
    assert (again.counts["new"], again.counts["refused"]) == (2, 0)


def test_identifiers_of_16_and_17_digits(ground: Ground, csv_of: Any) -> None:
    batch = ground.bring(
        "components",
        "a.csv",
        csv_of(HEADER, row(1), f"{component_code(9, '2013')},上水井盖,,114.32,29.84"),
        system="wgs84",
    )
    assert batch.counts["new"] == 2
    old = Component.objects.get(code=component_code(9, "2013"))
    assert (old.scheme, old.major, old.minor) == ("2013", "01", "01")


@pytest.mark.parametrize(
    ("system", "x", "y"),
    [
        ("cgcs2000", "114.32", "29.84"),
        ("gcj02", "114.325548", "29.837438"),
        ("bd09", "114.332005", "29.843679"),
        ("epsg4547", "530903.87", "3302365.22"),
        ("epsg4526", "38530903.87", "3302365.22"),
    ],
)
def test_coordinate_systems(ground: Ground, csv_of: Any, system: str, x: str, y: str) -> None:
    from xiuhua.city.coordinates import from_wgs84

    if system != "epsg4526":
        x, y = (str(one) for one in from_wgs84(114.32, 29.84, system))
    else:
        east, north = from_wgs84(114.32, 29.84, "epsg4547")
        x, y = str(east + 38_000_000), str(north)
    batch = ground.bring("components", "a.csv", csv_of(HEADER, row(1, lon=x, lat=y)), system=system)
    assert batch.counts["new"] == 1
    made = Component.objects.get(code=component_code(1))
    assert abs(made.lon_e7 - 1_143_200_000) < 50 and abs(made.lat_e7 - 298_400_000) < 50


def test_coordinates_without_a_system_are_not_guessed(ground: Ground, csv_of: Any) -> None:
    batch = ground.send("components", "a.csv", csv_of(HEADER, row(1)))
    assert batch.status == "refused" and "坐标系" in batch.error["zh"] and "choose one" in batch.error["en"]
    assert imports.again(batch, {"system": "wgs84"})
    assert ground.work(batch).status == "checked"


def test_the_wrong_grid_is_refused(ground: Ground, csv_of: Any) -> None:
    """The best sign that coordinates are in another system than was said."""
    header = HEADER + ",SZDYWGBSM"
    batch = ground.send(
        "components", "a.csv", csv_of(header, row(1) + f",{GRID}", row(2) + ",421202001002009"), system="wgs84"
    )
    assert (batch.counts["new"], batch.counts["refused"]) == (1, 1)


def test_columns_are_chosen_by_hand(ground: Ground, csv_of: Any) -> None:
    batch = ground.send("organisations", "a.csv", csv_of("甲,乙,丙,丁", "u-1,一队,crew,421200"))
    assert batch.status == "refused" and "代码" in batch.error["zh"]
    assert batch.headers == ["甲", "乙", "丙", "丁"]
    assert imports.again(batch, {"mapping": {"甲": "code", "乙": "name", "丙": "kind", "丁": "platform"}})
    batch = ground.work(batch)
    assert batch.counts["new"] == 1 and imports.go(batch, only_good=False)
    ground.work(batch)
    assert Organisation.objects.get(code="u-1").name == "一队"


def test_a_killed_import_leaves_nothing_half(ground: Ground, csv_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CHUNK", 2)
    batch = ground.send("components", "a.csv", csv_of(HEADER, *(row(n) for n in range(1, 8))), system="wgs84")
    assert imports.go(batch, only_good=False)
    batch.refresh_from_db()
    calls = []
    real = write.apply

    def dies(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(write, "apply", dies)
    with pytest.raises(KeyboardInterrupt):
        imports.run(batch)
    assert (Component.objects.count(), LedgerEvent.objects.count()) == (0, 0)
    assert Batch.objects.get(pk=batch.pk).status == "queued"
    monkeypatch.setattr(write, "apply", real)
    assert ground.work(batch).status == "done", "the outbox row comes again"
    assert Component.objects.count() == 7


def test_delivered_twice_it_is_imported_once(ground: Ground, csv_of: Any) -> None:
    batch = ground.send("components", "a.csv", csv_of(HEADER, row(1)), system="wgs84")
    imports.go(batch, only_good=False)
    batch.refresh_from_db()
    again = Batch.objects.get(pk=batch.pk)
    imports.run(batch)
    imports.run(again)  # a second worker, that read the row before the first had finished
    assert Component.objects.count() == 1 and LedgerEvent.objects.count() == 1


def test_a_row_changed_since_keeps_the_batch(ground: Ground, csv_of: Any) -> None:
    batch = ground.bring("components", "a.csv", csv_of(HEADER, row(1), row(2)), system="wgs84")
    ground.bring("components", "b.csv", csv_of(HEADER, row(2, name="新名")), system="wgs84")
    assert undo.ask(batch, ground.actor())
    batch = ground.work(batch)
    assert batch.status == "done" and component_code(2) in batch.error["zh"]
    assert Component.objects.count() == 2


def test_places_come_with_their_shapes(ground: Ground) -> None:
    text = """{"type":"FeatureCollection","features":[
    {"type":"Feature","properties":{"name":"甲园","kind":"area","platform":"421200"},
     "geometry":{"type":"Polygon","coordinates":[[[114.31,29.83],[114.32,29.83],[114.32,29.84],[114.31,29.83]]]}},
    {"type":"Feature","properties":{"name":"乙园","kind":"area","platform":"421200"},
     "geometry":{"type":"Polygon","coordinates":[[[114.31,29.83],[114.32,29.84],[114.32,29.83],[114.31,29.84],[114.31,29.83]]]}}]}"""
    batch = ground.send("places", "a.geojson", text.encode())
    assert (batch.counts["new"], batch.counts["refused"]) == (1, 1)
    assert "自相交" in rows_of(batch.report)[0]["问题 Problem"]
    assert rows_of(batch.report)[0]["wkt"].startswith("POLYGON"), "the shape is kept for repair"
    imports.go(batch, only_good=True)
    batch = ground.work(batch)
    place = Place.objects.get(name="甲园")
    assert abs(place.lon_e7 - 1_143_166_666) < 50_000
    undo.ask(batch, ground.actor())
    assert ground.work(batch).status == "undone" and not Place.objects.filter(name="甲园").exists()


def test_people_come_sealed(ground: Ground, csv_of: Any) -> None:
    header = "登录名,姓名,所属平台,手机"
    batch = ground.bring("people", "a.csv", csv_of(header, "zhang1,甲某,421200,13912345678", "li2,乙某,421200,"))
    assert batch.counts["new"] == 2
    person = User.objects.get(username="zhang1")
    assert "13912345678" not in person.phone_cipher and person.phone_cipher and not person.has_usable_password()
    payloads = LedgerEvent.objects.filter(row=person.pk).values_list("payload__body", flat=True)
    assert payloads and all("13912345678" not in text for text in payloads)
    again = ground.send("people", "b.csv", csv_of(header, "zhang1,甲某,421200,139****5678"))
    assert again.counts["same"] == 1, "a masked number that comes back changes nothing"
    changed = ground.bring("people", "c.csv", csv_of(header, "zhang1,甲某,421200,13800000000"))
    undo.ask(changed, ground.actor())
    ground.work(changed)
    person.refresh_from_db()
    book = columns.book(ground.ledger("people"))
    plain = columns.plain(book, person, columns.Refs().of_rows(book, [person]))
    assert columns.opened(book, plain, "phone") == "13912345678"


def test_what_is_exported_comes_back_unchanged(ground: Ground) -> None:
    ground.cover(1, note="=1+1", name="-供水", owner=ground.unit, state="lost")
    ground.cover(2, surveyed_on="2026-05-01")
    ledger = ground.ledger("components")
    book = columns.book(ledger)
    for form in ("csv", "xlsx", "geojson", "gpkg"):
        content = b"".join(exports.made(book, scope.visible(ledger, ground.actor()), form))
        batch = ground.send("components", f"a.{form}", content, system="cgcs2000")
        assert not batch.error, (form, batch.error)
        assert (batch.status, batch.counts["same"], batch.counts["refused"]) == ("checked", 2, 0), (
            form,
            batch.counts,
            batch.error,
        )


def test_a_county_imports_into_its_own(ground: Ground, csv_of: Any) -> None:
    header = "代码,名称,类别,所属平台"
    batch = ground.send(
        "organisations", "a.csv", csv_of(header, "a-1,甲,班组,421221", "a-2,乙,班组,421200"), who="county-admin"
    )
    assert (batch.counts["new"], batch.counts["refused"]) == (1, 1)
    assert "范围" in rows_of(batch.report)[0]["问题 Problem"]


def test_who_may_no_longer_manage_imports_nothing(ground: Ground, csv_of: Any) -> None:
    batch = ground.send("components", "a.csv", csv_of(HEADER, row(1)), system="wgs84")
    imports.go(batch, only_good=False)
    ground.users["admin"].appointments.all().delete()
    assert ground.work(batch).status == "refused"
    assert Component.objects.count() == 0


def test_old_files_are_forgotten(ground: Ground, csv_of: Any) -> None:
    batch = ground.send("components", "a.csv", csv_of(HEADER, row(1)), system="wgs84")
    Batch.objects.filter(pk=batch.pk).update(created_at=batch.created_at - 2 * imports.KEEP)
    assert store.path_of(batch.sha256).exists()
    imports.forget_old()
    assert not store.path_of(batch.sha256).exists()
    batch.refresh_from_db()
    with pytest.raises(FileRefused):
        imports.open_batch(batch)
