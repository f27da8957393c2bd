"""A stand-in for a provider of base maps, on loopback: a WMTS asked as Tianditu's is, with its ways to fail.

Its picture is made of the true position of every pixel, so that a test can tell where a tile was drawn. Nothing of it
is served by Xiuhua; `python -m xiuhua.city.basemap.stand_in` runs it to look at a map without a network.
"""

from __future__ import annotations

import argparse
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image

from xiuhua.city.basemap.resample import SIZE, Matrix
from xiuhua.city.coordinates import Datum, to_wgs84

Fault = Literal["", "quota", "broken", "gone", "out_of_range", "empty", "moved", "huge", "torn", "silent", "dripping"]
Floats = npt.NDArray[np.float64]
TOKEN = "stand-in-token-9f31"  # noqa: S105  opens nothing but the stand-in
#: The picture repeats itself after so many degrees, at zooms where a period is at least 16 pixels wide.
PERIOD = 0.004


def colours(lon: Any, lat: Any) -> npt.NDArray[np.uint8]:
    """RGB of true positions (degrees): red waves from west to east, green from south to north, on pale ground."""
    red = 196 + 48 * np.sin(2 * np.pi * np.asarray(lon) / PERIOD)
    green = 196 + 48 * np.sin(2 * np.pi * np.asarray(lat) / PERIOD)
    return np.rint(np.stack([red, green, np.full_like(red, 214.0)], axis=-1)).astype(np.uint8)


def pixels(z: int, column: int, row: int, matrix: Matrix) -> tuple[Floats, Floats]:
    """Longitude and latitude of the pixels' middles of a tile, in the datum of the picture."""
    n = 1 << z
    x = (column + (np.arange(SIZE) + 0.5) / SIZE) / n
    y = (row + (np.arange(SIZE) + 0.5) / SIZE) / n
    lats = 90.0 - y * 360.0 if matrix == "degrees" else np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y))))
    lon, lat = np.meshgrid(x * 360.0 - 180.0, lats)
    return lon, lat


def picture(z: int, column: int, row: int, matrix: Matrix, datum: str) -> bytes:
    """A PNG as the provider has it: drawn in its datum, cut in its way."""
    lon, lat = pixels(z, column, row, matrix)
    if datum in (Datum.GCJ02, Datum.BD09):
        shape = lon.shape
        lon, lat = to_wgs84(lon.ravel(), lat.ravel(), datum)
        lon, lat = lon.reshape(shape), lat.reshape(shape)
    out = io.BytesIO()
    Image.fromarray(colours(lon, lat)).save(out, "PNG")
    return out.getvalue()


@dataclass
class StandIn:
    """What was asked and how to answer. ``fault`` may be changed while it runs; ``hold`` keeps answers back."""

    matrix: Matrix = "degrees"
    datum: str = "cgcs2000"
    fault: Fault = ""
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    referers: set[str] = field(default_factory=set)
    hold: threading.Event | None = None
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        return self.asked.total()

    def url(self) -> str:
        """The address as a setting has it."""
        query = (
            "SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=vec&STYLE=default&FORMAT=tiles"
            f"&TILEMATRIXSET={'c' if self.matrix == 'degrees' else 'w'}"
            "&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk={token}"
        )
        return f"http://127.0.0.1:{self.port}/vec/wmts?{query}"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type, body; as Tianditu answers."""
        asked = {name.lower(): values[-1] for name, values in parse_qs(urlsplit(path).query).items()}
        if asked.get("tk") != TOKEN:
            return 403, "application/json", json.dumps({"msg": "非法Key", "code": 301001}).encode()
        wanted = "c" if self.matrix == "degrees" else "w"
        if asked.get("request") != "GetTile" or asked.get("tilematrixset") != wanted:
            return 400, "text/xml", b"<ows:ExceptionReport/>"
        z, column, row = (int(asked[name]) for name in ("tilematrix", "tilecol", "tilerow"))
        self.asked[f"{z}/{column}/{row}"] += 1
        match self.fault:
            case "quota":
                return 200, "text/html", "<p>访问次数超限</p>".encode()
            case "broken":
                return 500, "text/html", b"<p>error</p>"
            case "gone":
                return 404, "text/html", b""
            case "out_of_range":
                code = b'<ows:Exception exceptionCode="TileOutOfRange" locator="TileRow"/>'
                return 400, "text/xml", b"<ows:ExceptionReport>" + code + b"</ows:ExceptionReport>"
            case "empty":
                return 200, "image/png", b""
            case "huge":
                return 200, "image/png", b"\x89PNG\r\n\x1a\n" + bytes(3 * 2**20)
            case "torn":
                return 200, "image/png", picture(z, column, row, self.matrix, self.datum)[:400]
        return 200, "image/png", picture(z, column, row, self.matrix, self.datum)


@contextmanager
def serving(stand_in: StandIn, port: int = 0) -> Iterator[StandIn]:
    """Serve it on a port of 127.0.0.1, a free one by default."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            stand_in.referers.add(self.headers.get("Referer", ""))
            if stand_in.hold is not None:
                stand_in.hold.wait(30)
            status, kind, body = stand_in.answer(self.path)
            if stand_in.fault == "silent":
                stand_in.over.wait(30)
                self.close_connection = True
                return
            if stand_in.fault == "moved":
                status, body = 302, b""
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"http://127.0.0.1:{stand_in.port}/elsewhere")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if stand_in.fault == "dripping":
                for place in range(len(body)):
                    if stand_in.over.wait(0.02):
                        break
                    self.wfile.write(body[place : place + 1])
                    self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    stand_in.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the stand-in and print the setting that uses it.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--matrix", choices=("mercator", "degrees"), default="degrees")
    parser.add_argument("--datum", choices=("cgcs2000", "gcj02", "bd09"), default="cgcs2000")
    options = parser.parse_args()
    made = StandIn(matrix=options.matrix, datum=options.datum)
    with serving(made, options.port):
        setting = {
            "code": "stand-in",
            "url": made.url(),
            "token": TOKEN,
            "matrix": made.matrix,
            "datum": made.datum,
            "attribution": "Stand-in",
            "review_number": "GS(0000)0000号",
        }
        print(f"XIUHUA_MAP_PROVIDERS='{json.dumps([setting], ensure_ascii=False)}'", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
