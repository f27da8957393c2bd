"""A desktop GIS on a running server: GDAL's own OAPIF driver, which QGIS uses too, with a token."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pyogrio
import pytest
import shapely
from live import Live

from xiuhua.demo.tests.small_city import COVER, POINT

SHADES = itertools.count(60)


@pytest.fixture
def gdal(live: Live) -> Iterator[Any]:
    """Reads a collection as somebody; GDAL keeps nothing between tests."""

    def read(name: str, layer: str, **options: Any) -> Any:
        pyogrio.set_gdal_config_options(
            {
                "GDAL_HTTP_AUTH": "BEARER",
                "GDAL_HTTP_BEARER": live.tokens[name],
                "GDAL_HTTP_TIMEOUT": "30",
                "GDAL_HTTP_MAX_RETRY": "0",
                "OGR_GEOJSON_MAX_OBJ_SIZE": "200",
            }
        )
        return pyogrio.raw.read(f"OAPIF:{live.url}/ogc", layer=layer, **options)

    yield read
    pyogrio.set_gdal_config_options({"GDAL_HTTP_AUTH": None, "GDAL_HTTP_BEARER": None})


def report(live: Live, words: str) -> str:
    program = live.program("hotline")
    answers = {
        "source": "patrol",
        "description": words,
        "address": "模拟大道1号",
        "position": POINT,
        "photos": [program.photo(next(SHADES))],
    }
    made = program.post("/cases", {"procedure": "city_case", "answers": answers})
    assert made.status == 201, made.body
    return str(made.json["number"])


def column(found: Any, name: str) -> list[Any]:
    meta, _fids, _geometry, fields = found
    return list(fields[list(meta["fields"]).index(name)])


def test_the_driver_is_there() -> None:
    assert pyogrio.list_drivers().get("OAPIF") == "r"


def test_gdal_lists_the_collections(live: Live, gdal: Any) -> None:
    gdal("dispatcher", "components")
    layers = {name for name, _geometry in pyogrio.list_layers(f"OAPIF:{live.url}/ogc")}
    assert {"cases", "components", "unit-grids", "divisions", "places"} <= layers


def test_gdal_reads_components_where_they_stand(gdal: Any) -> None:
    meta, fids, geometry, fields = gdal("dispatcher", "components")
    assert column((meta, fids, geometry, fields), "code") == [COVER]
    point = shapely.from_wkb(geometry[0])
    assert (point.x, point.y) == (114.32, 29.84)
    # CRS84: longitude first, as the coordinates come.
    assert "CRS84" in meta["crs"] or "4326" in meta["crs"]


def test_gdal_reads_shapes(gdal: Any) -> None:
    for layer in ("unit-grids", "divisions", "places"):
        shapes = shapely.from_wkb(gdal("dispatcher", layer)[2])
        assert len(shapes) and shapely.is_valid(shapes).all(), layer


def test_gdal_follows_pages_and_boxes_in_sight(live: Live, gdal: Any) -> None:
    numbers = {report(live, f"第{n}处井盖破损") for n in range(5)}
    # Pages of two: the driver follows the next links.
    whole = column(gdal("dispatcher", "cases", PAGE_SIZE="2"), "number")
    assert numbers <= set(whole) and len(whole) == len(set(whole))
    near = gdal("dispatcher", "cases", bbox=(114.3199, 29.8399, 114.3201, 29.8401), PAGE_SIZE="2")
    assert numbers <= set(column(near, "number"))
    assert len(gdal("dispatcher", "cases", bbox=(100.0, 20.0, 100.1, 20.1))[2]) == 0
    theirs = gdal("greening", "cases")
    assert numbers.isdisjoint(column(theirs, "number") if len(theirs[2]) else [])


def test_gdal_is_told_when_the_token_is_wrong(live: Live, gdal: Any) -> None:
    pyogrio.set_gdal_config_options({"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": "xh_wrong"})
    with pytest.raises(pyogrio.errors.DataSourceError, match="401"):
        pyogrio.list_layers(f"OAPIF:{live.url}/ogc")
