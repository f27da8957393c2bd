"""The tile proxy against a stand-in WMTS: where tiles are drawn, who is asked what, what happens when it fails."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image
from pydantic import ValidationError

from xiuhua.city.basemap import fetch, stand_in
from xiuhua.city.basemap.fetch import Breaker, Missing, Pace, Unavailable
from xiuhua.city.basemap.proxy import DAY, Proxy
from xiuhua.city.basemap.shelf import Shelf
from xiuhua.city.basemap.stand_in import TOKEN, StandIn, serving
from xiuhua.city.models import Platform, User
from xiuhua.env import EnvError, read
from xiuhua.map_provider import MapProvider

#: A tile of zoom 15 in the city.
Z = 15
X = int((114.32 + 180) / 360 * 2**Z)
Y = int((1 - np.arcsinh(np.tan(np.radians(29.84))) / np.pi) / 2 * 2**Z)
Serve = Callable[..., StandIn]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serving(StandIn(**options)))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def provider(there: StandIn, **more: Any) -> MapProvider:
    own = {"code": "vec", "url": there.url(), "token": TOKEN, "matrix": there.matrix, "datum": there.datum}
    return MapProvider(
        **{**own, "attribution": "天地图", "review_number": "GS(2026)0001号", "per_second": 1e6, "timeout": 30, **more}
    )


def made(there: StandIn, folder: Path, clock: Callable[[], float] | None = None, **more: Any) -> Proxy:
    return Proxy(provider(there, **more), Shelf(folder, 2**30, *([clock] if clock else [])))


def rgb(body: bytes) -> Any:
    with Image.open(io.BytesIO(body)) as image:
        assert image.size == (256, 256)
        return np.asarray(image.convert("RGB")).astype(int)


# -- where -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", ["mercator", "degrees"])
@pytest.mark.parametrize("datum", ["cgcs2000", "gcj02", "bd09"])
@pytest.mark.parametrize("zoom", [14, 16])
def test_every_pixel_stands_where_it_belongs(serve: Serve, tmp_path: Path, matrix: str, datum: str, zoom: int) -> None:
    there = serve(matrix=matrix, datum=datum)
    scale = 2.0 ** (zoom - Z)
    x, y = int(X * scale), int(Y * scale)
    drawn = rgb(made(there, tmp_path).tile(zoom, x, y))
    expected = stand_in.colours(*stand_in.pixels(zoom, x, y, "mercator")).astype(int)
    # At zoom 14 a pixel beside the right one differs by up to 6.5 levels.
    away = np.abs(drawn - expected)
    assert away.mean() < 0.6 and away.max() <= 3, (away.mean(), away.max())


def test_a_map_that_is_not_moved_back_would_be_noticed(serve: Serve, tmp_path: Path) -> None:
    there = serve(matrix="mercator", datum="gcj02")
    drawn = rgb(made(there, tmp_path, datum="cgcs2000").tile(Z, X, Y))
    expected = stand_in.colours(*stand_in.pixels(Z, X, Y, "mercator")).astype(int)
    assert np.abs(drawn - expected).mean() > 10


def test_what_is_plain_goes_through_as_it_came(serve: Serve, tmp_path: Path) -> None:
    there = serve(matrix="mercator")
    assert made(there, tmp_path).tile(Z, X, Y) == stand_in.picture(Z, X, Y, "mercator", "cgcs2000")
    assert there.asked == {f"{Z}/{X}/{Y}": 1}


def test_a_map_ends_at_its_edge(serve: Serve, tmp_path: Path) -> None:
    """At zoom 1 the degrees have two tiles in one row; beyond 85 degrees north there is nothing to ask for."""
    there = serve(matrix="degrees")
    body = made(there, tmp_path).tile(1, 1, 1)
    assert set(there.asked) <= {"1/0/0", "1/1/0"}
    assert len(rgb(body))


# -- how often -------------------------------------------------------------------------------------------------------


def test_many_at_once_ask_once(serve: Serve, tmp_path: Path) -> None:
    there = serve(matrix="mercator", hold=threading.Event())
    one = made(there, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(one.tile, Z, X, Y) for _ in range(8)]
        assert there.hold is not None
        there.hold.set()
        assert len({each.result() for each in waiting}) == 1
    assert there.count == 1
    assert one._single._locks == {}


def test_neighbours_share_the_providers_tiles(serve: Serve, tmp_path: Path) -> None:
    there = serve(matrix="degrees")
    one = made(there, tmp_path)
    for dx in (0, 1):
        for dy in (0, 1):
            one.tile(Z, X + dx, Y + dy)
    assert set(there.asked.values()) == {1}
    before = there.count
    assert made(there, tmp_path).tile(Z, X, Y), "another process finds it on the shelf"
    assert there.count == before


def test_a_tile_is_fetched_again_when_old_and_kept_when_that_fails(serve: Serve, tmp_path: Path) -> None:
    there, clock = serve(matrix="mercator"), Clock()
    clock.now = 2_000_000_000.0
    one = made(there, tmp_path, clock, keep_days=10)
    body = one.tile(Z, X, Y)
    clock.now += 9 * DAY
    one.tile(Z, X, Y)
    assert there.count == 1
    clock.now += 2 * DAY
    there.fault = "broken"
    assert one.tile(Z, X, Y) == body and there.count == 2
    there.fault = ""
    one.tile(Z, X, Y)
    assert there.count == 3
    one.tile(Z, X, Y)
    assert there.count == 3


def test_what_is_missing_is_asked_for_once_a_day(serve: Serve, tmp_path: Path) -> None:
    for fault in ("gone", "out_of_range", "empty"):
        there, clock = serve(matrix="degrees", fault=fault), Clock()
        one = made(there, tmp_path / fault, clock)
        for _ in range(3):
            with pytest.raises(Missing):
                one.tile(Z, X, Y)
        once = there.count
        assert set(there.asked.values()) == {1}, fault
        clock.now += 2 * DAY
        with pytest.raises(Missing):
            one.tile(Z, X, Y)
        assert there.count == 2 * once


def test_the_pace_is_kept() -> None:
    clock, slept = Clock(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    pace = Pace(10, clock, sleep)
    assert all(pace.turn() for _ in range(30))
    assert sum(slept) == pytest.approx(1.9, abs=0.2), "ten at once, then one every tenth of a second"
    still = Pace(10, clock, lambda _seconds: None)
    assert not all(still.turn() for _ in range(50)), "nobody waits longer than the patience"


def test_the_shelf_stays_below_its_limit(tmp_path: Path) -> None:
    clock = Clock()
    shelf = Shelf(tmp_path, 100_000, clock)
    for n in range(400):
        clock.now += 1
        shelf.put(f"vec/{n}", bytes(1000))
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 106_000
    assert shelf.get("vec/0") is None and shelf.get("vec/399") is not None


def test_a_full_disk_costs_the_keeping_only(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = serve(matrix="mercator")
    one = made(there, tmp_path)

    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    assert one.tile(Z, X, Y)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# -- what fails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["quota", "broken", "moved", "huge", "torn", "silent", "dripping"])
def test_a_failure_is_told_without_the_address(serve: Serve, tmp_path: Path, fault: str) -> None:
    there = serve(matrix="degrees", fault=fault)
    one = made(there, tmp_path, timeout=0.3 if fault in ("silent", "dripping") else 30)
    with pytest.raises(Unavailable) as told:
        one.tile(Z, X, Y)
    assert TOKEN not in str(told.value) and "127.0.0.1" not in str(told.value)
    assert told.value.__cause__ is None and (told.value.__context__ is None or told.value.__suppress_context__)
    there.fault = ""
    # With a patience that a busy machine does not exhaust.
    assert made(there, tmp_path, timeout=30).tile(Z, X, Y), "a failure is not kept"


def test_a_wrong_token_and_a_closed_port(serve: Serve, tmp_path: Path) -> None:
    there = serve(matrix="mercator")
    with pytest.raises(Unavailable, match="HTTP 403"):
        made(there, tmp_path, token="wrong").tile(Z, X, Y)
    nobody = StandIn(matrix="mercator", port=9)
    with pytest.raises(Unavailable, match="URLError"):
        made(nobody, tmp_path).tile(Z, X, Y)


def test_a_provider_that_fails_is_left_alone_for_a_while(serve: Serve, tmp_path: Path) -> None:
    there, clock = serve(matrix="mercator", fault="quota"), Clock()
    one = made(there, tmp_path)
    one.breaker = Breaker(clock)
    for n in range(10):
        with pytest.raises(Unavailable):
            one.tile(Z, X + n, Y)
    assert there.count == fetch.FAILURES
    clock.now += fetch.PAUSE + 1
    with pytest.raises(Unavailable):
        one.tile(Z, X, Y)
    assert there.count == fetch.FAILURES + 1 and one.breaker.open, "one more failure begins the next pause"
    clock.now += fetch.PAUSE + 1
    there.fault = ""
    assert one.tile(Z, X, Y) and not one.breaker.open


# -- over HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(db: None, settings: Any, tmp_path: Path) -> Client:
    settings.DATA_DIR = tmp_path
    place = Platform.objects.create(code="421200", name="咸宁市", level="city", adcode="421200")
    user = User.objects.create_user(username="somebody", password=None, display_name="某人", platform=place)
    found = Client()
    found.force_login(user)
    return found


def test_only_configured_layers_and_zooms(client: Client, serve: Serve, settings: Any) -> None:
    there = serve(matrix="mercator")
    settings.MAP_PROVIDERS = (provider(there, min_zoom=10, max_zoom=16),)
    assert client.get(f"/basemap/vec/{Z}/{X}/{Y}").status_code == 200
    n = there.count
    for path in ("img/15/1/1", "vec/9/1/1", "vec/17/1/1", "vec/10/1024/1", "vec/10/1/1024", "vec/10/-1/1", "vec/x/1/1"):
        assert client.get(f"/basemap/{path}").status_code == 404, path
    assert client.get(f"/basemap/vec/{Z}/{X}/{Y}?url=http://example.com").status_code == 200
    assert there.count == n, "nothing else is ever asked for"
    assert Client().get(f"/basemap/vec/{Z}/{X}/{Y}").status_code == 302


def test_answers_say_how_long_they_hold(client: Client, serve: Serve, settings: Any) -> None:
    there = serve(matrix="mercator")
    settings.MAP_PROVIDERS = (provider(there, referer="https://city.example/"),)
    url = f"/basemap/vec/{Z}/{X}/{Y}"
    first = client.get(url)
    assert first["Content-Type"] == "image/png" and first["Cache-Control"] == "private, max-age=86400"
    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert there.referers == {"https://city.example/"}
    there.fault = "gone"
    gone = client.get(f"/basemap/vec/{Z}/{X + 1}/{Y}")
    assert gone.status_code == 204 and gone.content == b""


def test_the_token_never_reaches_browser_or_log(
    client: Client, serve: Serve, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    there = serve(matrix="degrees")
    settings.MAP_PROVIDERS = (provider(there),)
    caplog.set_level(logging.DEBUG)
    seen = b""
    for fault in ("", "quota", "broken", "moved"):
        there.fault = fault
        answer = client.get(f"/basemap/vec/{Z}/{X + len(fault)}/{Y}")
        assert answer.status_code == (503 if fault else 200)
        assert not fault or (answer["Cache-Control"] == "no-store" and answer["Retry-After"])
        seen += answer.content + repr(answer.headers).encode()
    assert TOKEN.encode() not in seen
    assert TOKEN not in caplog.text and "vec:" in caplog.text
    assert TOKEN not in repr(settings.MAP_PROVIDERS)


def test_the_map_is_told_ours_and_the_review_number(serve: Serve, settings: Any) -> None:
    from xiuhua.ui.parts import MapView

    there = serve(matrix="degrees")
    settings.MAP_PROVIDERS = (provider(there), provider(there, code="cva", overlay=True, review_number=""))
    config = MapView([]).config
    assert TOKEN not in config and "127.0.0.1" not in config
    below, above = json.loads(config)["tiles"]
    assert below["url"] == "/basemap/vec/{z}/{x}/{y}" and below["attribution"] == "天地图 GS(2026)0001号"
    assert above["overlay"] and above["attribution"] == "天地图"


# -- the setting -----------------------------------------------------------------------------------------------------

GOOD = {"code": "vec", "url": "https://t{s}.example.cn/{z}/{x}/{y}?tk={token}", "token": "a", "servers": ["0", "1"],
        "attribution": "天地图"}  # fmt: skip


def test_the_servers_take_turns() -> None:
    one = MapProvider.model_validate(GOOD)
    assert fetch.address(one, 3, 4, 5) == "https://t1.example.cn/3/4/5?tk=a"
    assert fetch.address(one, 3, 4, 6) == "https://t0.example.cn/3/4/6?tk=a"


@pytest.mark.parametrize(
    "change",
    [
        {"url": "file:///etc/{z}{x}{y}"},
        {"url": "https://{token}.example.cn/{z}/{x}/{y}"},
        {"url": "https://user@example.cn/{z}/{x}/{y}"},
        {"url": "https://example.cn/{z}/{x}"},
        {"token": ""},
        {"servers": []},
        {"min_zoom": 9, "max_zoom": 3},
        {"code": "../x"},
        {"attribution": ""},
        {"colour": "red"},
    ],
)
def test_a_provider_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MapProvider.model_validate({**GOOD, **change})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[{", "not JSON"),
        (json.dumps([GOOD, GOOD]), "same code"),
        (json.dumps([{**GOOD, "token": ""}]), "wants a token"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_words(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setenv("XIUHUA_MAP_PROVIDERS", value)
    with pytest.raises(EnvError, match=said) as told:
        read()
    assert "XIUHUA_MAP_PROVIDERS" in str(told.value)
