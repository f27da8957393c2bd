"""The map: tiles in sight and under the list's filters, counted once, checked by tags; drawn areas; near components."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import mapbox_vector_tile
import pytest
import shapely
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from xiuhua.casework import moments, permits
from xiuhua.casework.ids import new_id
from xiuhua.casework.maps import area
from xiuhua.casework.models import Case
from xiuhua.city import memory
from xiuhua.city.models import Component, Platform
from xiuhua.demo.tests.test_city_case import Desk, Time
from xiuhua.demo.tests.test_pages import browser

#: A town of about 4 km; its tile of zoom 11 and the numbers of the tiles below it.
WEST, SOUTH, EAST, NORTH = 114.30, 29.82, 114.34, 29.86


@pytest.fixture
def desk(city: Platform) -> Desk:
    return Desk(city)


@pytest.fixture
def time() -> Iterator[Time]:
    source = Time()
    with moments.clock_set(source):
        yield source


def scatter(case: Case, count: int, seed: int = 1) -> list[Case]:
    """Copies of a case strewn over the town, of mixed urgency; some share one spot."""
    rng = random.Random(seed)
    rows = []
    for n in range(count):
        copy = Case.objects.get(pk=case.pk)
        copy.pk, copy.number = new_id(), f"T{seed}-{n:05d}"
        spot = rng.random() < 0.1
        copy.lon_e7 = 1_143_200_000 if spot else round(rng.uniform(WEST, EAST) * 1e7)
        copy.lat_e7 = 298_400_000 if spot else round(rng.uniform(SOUTH, NORTH) * 1e7)
        copy.urgency = rng.choice(["ordinary", "ordinary", "urgent", "very_urgent"])
        rows.append(copy)
    return Case.objects.bulk_create(rows)


def tiles(z: int) -> list[tuple[int, int]]:
    """The tiles of a zoom that the town touches."""
    import math

    n = 2**z

    def at(lon: float, lat: float) -> tuple[int, int]:
        return int((lon + 180) / 360 * n), int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n)

    (x0, y1), (x1, y0) = at(WEST, SOUTH), at(EAST, NORTH)
    return [(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)]


def features(client: Client, layer: str, z: int, query: str = "") -> list[dict[str, Any]]:
    found = []
    for x, y in tiles(z):
        response = client.get(f"/tiles/{layer}/{z}/{x}/{y}.mvt{query}")
        assert response.status_code == 200
        if response.content:
            found += mapbox_vector_tile.decode(response.content)[layer]["features"]
    return found


def counted(found: list[dict[str, Any]]) -> int:
    return sum(one["properties"].get("point_count", 1) for one in found)


@pytest.mark.parametrize("zoom", [9, 12, 14, 15, 17])
def test_every_case_is_counted_once_at_every_zoom(desk: Desk, zoom: int) -> None:
    scatter(desk.report(), 400)
    found = features(browser("dispatcher"), "cases", zoom)
    assert counted(found) == 401
    urgent = sum(one["properties"].get("urgent", one["properties"].get("urgency") == "urgent") for one in found)
    assert urgent == Case.objects.filter(urgency="urgent").count()
    if zoom >= 15:
        assert {one["properties"]["number"] for one in found} == set(Case.objects.values_list("number", flat=True))


def test_a_cluster_says_where_its_cases_are(desk: Desk) -> None:
    scatter(desk.report(), 200)
    clusters = [
        one["properties"] for one in features(browser("dispatcher"), "cases", 12) if "said" in one["properties"]
    ]
    assert clusters
    for one in clusters:
        inside = Case.objects.filter(
            lon_e7__range=(round(one["west"] * 1e7), round(one["east"] * 1e7)),
            lat_e7__range=(round(one["south"] * 1e7), round(one["north"] * 1e7)),
        )
        assert inside.count() >= one["point_count"]


def test_the_map_takes_the_filters_of_the_list(desk: Desk) -> None:
    scatter(desk.report(), 150)
    client = browser("dispatcher")
    for query in ("?urgency=urgent", "?overdue=1", "?open=0", "?q=井盖&urgency=very_urgent", "?state=reported"):
        listed = client.get(f"/cases/count/{query}").context["total"].value
        for zoom in (12, 16):
            assert counted(features(client, "cases", zoom, query)) == listed, (query, zoom)


def test_nobody_sees_another_ones_cases_in_tiles(desk: Desk) -> None:
    scatter(desk.report(), 60)
    for name in ("dispatcher", "municipal", "jiayu-intake", "collector", "crew", "auditor"):
        actor = desk.who(name)
        seen = permits.visible(actor).filter(parent__isnull=True, lon_e7__isnull=False).count()
        assert counted(features(browser(name), "cases", 13)) == seen, name
    assert permits.visible(desk.who("jiayu-intake")).count() == 0, "a county that sees nothing is among them"


def test_tags_follow_the_log_the_filter_and_the_reader(desk: Desk, time: Time) -> None:
    scatter(desk.report(), 30)
    (x, y), *_rest = tiles(12)
    url = f"/tiles/cases/12/{x}/{y}.mvt"
    client = browser("dispatcher")
    first = client.get(url)
    assert first["Cache-Control"] == "private, no-cache"
    assert "Cookie" in first["Vary"] and "Authorization" in first["Vary"]
    tag = first["ETag"]
    with CaptureQueriesContext(connection) as asked:
        assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert not any("GROUP BY" in q["sql"] for q in asked), "a kept tile is not made again"
    assert client.get(f"{url}?open=1")["ETag"] != tag
    assert browser("hotline").get(url, headers={"If-None-Match": tag}).status_code == 200, "a tag is one reader's"
    assert browser("dispatcher", "en").get(url)["ETag"] != tag
    desk.report()
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200
    tag = client.get(url)["ETag"]
    time.pass_(minutes=1)
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200, "what is overdue changes with time"


def test_a_tile_costs_a_constant_number_of_statements(desk: Desk) -> None:
    base = desk.report()
    client = browser("dispatcher")
    costs = []
    for seed, count in ((1, 20), (2, 200)):
        scatter(base, count, seed)
        for zoom in (12, 16):
            (x, y), *_rest = tiles(zoom)
            client.get(f"/tiles/cases/{zoom}/{x}/{y}.mvt")
            with CaptureQueriesContext(connection) as asked:
                client.get(f"/tiles/cases/{zoom}/{x}/{y}.mvt")
            costs.append(len(asked))
    assert max(costs) <= 8, costs


def test_a_tile_holds_nothing_personal(desk: Desk) -> None:
    desk.report()
    body = b"".join(browser("dispatcher").get(f"/tiles/cases/16/{x}/{y}.mvt").content for x, y in tiles(16))
    assert desk.number.encode() in body
    assert "市民甲".encode() not in body and b"13900000001" not in body


@pytest.mark.parametrize("path", ["cases/3/9/0", "cases/23/0/0", "people/3/1/1", "cases/2/0/4"])
def test_what_is_no_tile_is_not_found(city: Platform, path: str) -> None:
    assert browser("dispatcher").get(f"/tiles/{path}.mvt").status_code == 404


def add_components(city: Platform, count: int) -> None:
    rng = random.Random(5)
    Component.objects.bulk_create(
        Component(
            code=f"4212020201{n:06d}", scheme="2013", major="02", minor="001", name="路灯", name_en="Street lamp",
            platform=city, lon_e7=round(rng.uniform(WEST, EAST) * 1e7), lat_e7=round(rng.uniform(SOUTH, NORTH) * 1e7),
        )
        for n in range(count)
    )  # fmt: skip


def test_components_are_counted_once_and_follow_changes(city: Platform) -> None:
    add_components(city, 500)
    client = browser("dispatcher")
    for zoom in (11, 13, 15, 16):
        assert counted(features(client, "components", zoom)) == 501, zoom
    single = features(client, "components", 16)
    assert {one["properties"]["name"] for one in single} == {"路灯", "供水井盖"}
    assert {one["properties"]["name"] for one in features(browser("collector", "en"), "components", 16)} >= {
        "Street lamp"
    }
    (x, y), *_rest = tiles(13)
    tag = client.get(f"/tiles/components/13/{x}/{y}.mvt")["ETag"]
    assert client.get(f"/tiles/components/13/{x}/{y}.mvt", headers={"If-None-Match": tag}).status_code == 304
    Component.objects.filter(code__startswith="4212020201").update(state="removed")
    memory.forget()
    assert counted(features(client, "components", 16)) == 1
    assert client.get(f"/tiles/components/13/{x}/{y}.mvt", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("change", ["save", "delete", "bulk_update", "queryset_delete"])
def test_every_way_to_change_a_component_is_noticed(city: Platform, change: str) -> None:
    from xiuhua.city.models.component import TABLE_NAME

    add_components(city, 1)
    row = Component.objects.get(code="4212020201000000")
    before = memory.stored_version(TABLE_NAME)
    match change:
        case "save":
            row.save()
        case "delete":
            row.delete()
        case "bulk_update":
            Component.objects.bulk_update([row], ["name"])
        case _:
            Component.objects.filter(pk=row.pk).delete()
    assert memory.stored_version(TABLE_NAME) > before


def test_grids_and_roads_cover_the_town(city: Platform) -> None:
    client = browser("dispatcher")
    assert {one["properties"]["code"] for one in features(client, "grids", 14)} == {"421202001002001"}
    assert {one["properties"]["name"] for one in features(client, "roads", 14)} == {"模拟大道"}
    # The grid is the town itself: the pieces of all tiles cover it, give or take their common margin.
    whole = 0.0
    for x, y in tiles(14):
        body = client.get(f"/tiles/grids/14/{x}/{y}.mvt").content
        if body:
            square = shapely.box(0, 0, 4096, 4096)
            for one in mapbox_vector_tile.decode(body)["grids"]["features"]:
                whole += shapely.geometry.shape(one["geometry"]).intersection(square).area
    tile_degrees = 360 / 2**14
    assert whole / 4096**2 == pytest.approx(
        (EAST - WEST) / tile_degrees * ((NORTH - SOUTH) / tile_degrees / 0.8675), rel=0.01
    )


TRIANGLE = "114.305,29.825;114.335,29.83;114.318,29.858"


def test_a_drawn_area_filters_list_and_map(desk: Desk) -> None:
    scatter(desk.report(), 300)
    corners = area.read(TRIANGLE)
    assert corners is not None
    polygon = shapely.Polygon([(lon / 1e7, lat / 1e7) for lon, lat in corners])
    inside = {c.number for c in Case.objects.all() if polygon.covers(shapely.Point(c.lon, c.lat))}
    assert 50 < len(inside) < 250
    client = browser("dispatcher")
    query = f"?area={quote(TRIANGLE)}"
    page = client.get(f"/cases/{query}")
    assert client.get(f"/cases/count/{query}").context["total"].value == len(inside)
    assert "平方千米" in page.content.decode()
    numbers, after = set(), page
    while True:
        numbers |= {row.case.number for row in after.context["rows"]}
        if not after.context["next_url"]:
            break
        after = client.get(f"/cases/{after.context['next_url']}")
    assert numbers == inside
    assert counted(features(client, "cases", 13, query)) == len(inside)
    config = json.loads(client.get(f"/map/{query}").context["map"].config)
    assert "area" in {layer["kind"] for layer in config["layers"]}
    assert Counter(layer["kind"] for layer in config["layers"])["cases"] == 1
    # An area that cannot be read filters nothing and breaks nothing.
    assert client.get("/cases/count/?area=1,2;x").context["total"].value == 301


def test_an_area_in_sql_is_the_area_in_python(desk: Desk) -> None:
    """Ragged areas, points on corners and edges included: the same cases to the last one."""
    rows = scatter(desk.report(), 200)
    rng = random.Random(3)
    for _round in range(12):
        corners = [(row.lon_e7, row.lat_e7) for row in rng.sample(rows, rng.randint(3, 9))]
        if len({lon for lon, _ in corners}) < 2:
            continue
        found = set(Case.objects.filter(area.condition(corners)).values_list("pk", flat=True))
        assert found == {row.pk for row in Case.objects.all() if area.inside(corners, row.lon_e7, row.lat_e7)}


def test_the_nearest_components_come_first_with_their_distance(city: Platform) -> None:
    add_components(city, 800)
    client = browser("collector")
    rows = client.get("/nearest/?lon=114.32&lat=29.84&datum=cgcs2000").json()["results"]
    assert rows[0]["value"] == "42120201001000001" and rows[0]["far"] == "0 米"
    far = [int(row["far"].split()[0]) for row in rows]
    assert far == sorted(far) and far[-1] <= 50
    # GCJ-02 of the same point, as a phone map gives it.
    from xiuhua.city.coordinates import from_wgs84

    lon, lat = from_wgs84(114.32, 29.84, "gcj02")
    assert client.get(f"/nearest/?lon={lon}&lat={lat}&datum=gcj02").json()["results"][0]["value"] == rows[0]["value"]
    for bad in ("", "?lon=x&lat=1", "?lon=1&lat=95", "?lon=1&lat=2&datum=mars"):
        assert client.get(f"/nearest/{bad}").json() == {"results": []}


def test_the_form_offers_components_with_and_without_the_map(city: Platform) -> None:
    text = browser("hotline").get("/report/city_case/report/").content.decode()
    assert 'data-nearby="/nearest/"' in text and "/lookup/component/" in text
