"""A tile of ours from a provider's tiles.

1. What is on the shelf and young enough is the answer. 2. Else one thread per tile works, the others wait for it.
3. The provider's own tiles are looked for on the shelf too: four of ours share each of them. 4. What is plain goes
through as it came; the rest is drawn anew. 5. When the provider fails, an old tile is better than none.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from xiuhua.city.basemap import fetch, resample
from xiuhua.city.basemap.fetch import Breaker, Missing, Pace, Unavailable
from xiuhua.city.basemap.shelf import Shelf
from xiuhua.map_provider import MapProvider

DAY = 86_400.0
#: A tile that does not exist is remembered for a day, as an empty file.
NOTHING = b""
#: Fetches of one tile at a time; a tile of degrees or GCJ-02 wants up to nine.
TOGETHER = 4


class Single:
    """One worker per name: whoever comes second waits and finds the first one's result on the shelf."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    def lock(self, name: str) -> threading.Lock:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
            return lock

    def done(self, name: str) -> None:
        with self._guard:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)


class Proxy:
    """One provider with its shelf and its pace."""

    def __init__(self, provider: MapProvider, shelf: Shelf, pace: Pace | None = None) -> None:
        self.provider, self.shelf = provider, shelf
        self.pace = pace or Pace(provider.per_second)
        self.breaker = Breaker()
        self._single = Single()
        # Another cut, datum or address of the same code is another map: its tiles must not be mixed.
        told = f"{provider.url}|{provider.matrix}|{provider.datum}"
        self._name = f"{provider.code}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"
        self._pool = ThreadPoolExecutor(TOGETHER, thread_name_prefix="basemap")

    def tile(self, z: int, x: int, y: int) -> bytes:
        """The bytes of an image (PNG, JPEG or WebP); raises `Missing`, `Unavailable`."""
        if self.provider.plain:
            return self._source(z, x, y)
        return self._kept(f"{self._name}/drawn/{z}/{x}/{y}", lambda: self._draw(z, x, y))

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The body from the shelf while it is young, else made by one thread; an old one when it cannot be made."""
        kept = self.shelf.get(name)
        if kept and kept[1] < self._fresh(kept[0]):
            return _something(kept[0])
        lock = self._single.lock(name)
        try:
            with lock:
                kept = self.shelf.get(name)
                if kept and kept[1] < self._fresh(kept[0]):
                    return _something(kept[0])
                try:
                    body = make()
                except Missing:
                    body = NOTHING
                except Unavailable:
                    if kept and kept[0]:
                        return kept[0]
                    raise
                self.shelf.put(name, body)
                return _something(body)
        finally:
            self._single.done(name)

    def _fresh(self, body: bytes) -> float:
        return self.provider.keep_days * DAY if body else DAY

    def _draw(self, z: int, x: int, y: int) -> bytes:
        there = resample.plan(z, x, y, self.provider.matrix, self.provider.datum)
        wide = 1 << z
        high = max(1, wide // 2) if self.provider.matrix == "degrees" else wide
        wanted = [(column, row) for column, row in there.tiles if 0 <= column < wide and 0 <= row < high]
        found = dict(zip(wanted, self._pool.map(lambda at: self._picture(z, *at), wanted), strict=True))
        pictures = {at: picture for at, picture in found.items() if picture is not None}
        if not pictures:
            raise Missing
        drawn = resample.draw(there, pictures)
        out = io.BytesIO()
        image = Image.fromarray(drawn)
        if drawn[..., 3].min() == 255:
            image = image.convert("RGB")
        image.save(out, "PNG", compress_level=4)
        return out.getvalue()

    def _picture(self, z: int, column: int, row: int) -> resample.Picture | None:
        try:
            body = self._source(z, column, row)
        except Missing:
            return None
        with Image.open(io.BytesIO(body)) as image:
            if image.size != (resample.SIZE, resample.SIZE):
                raise Unavailable(f"{self.provider.code}: tiles of {image.size[0]} x {image.size[1]} pixels")
            return np.asarray(image.convert("RGBA"))

    def _source(self, z: int, x: int, y: int) -> bytes:
        """A tile as the provider has it, from the shelf or fetched."""
        return self._kept(f"{self._name}/as-is/{z}/{x}/{y}", lambda: self._ask(z, x, y))

    def _ask(self, z: int, x: int, y: int) -> bytes:
        """Ask the provider, unless it is asked too much already or has not answered for a while."""
        code = self.provider.code
        if self.breaker.open:
            raise Unavailable(f"{code}: not asked, it failed {fetch.FAILURES} times in a row")
        if not self.pace.turn():
            raise Unavailable(f"{code}: more than {self.provider.per_second:g} tiles a second")
        try:
            body = fetch.fetch(self.provider, z, x, y)
        except Missing:
            self.breaker.told(answered=True)
            raise
        except Unavailable:
            self.breaker.told(answered=False)
            raise
        self.breaker.told(answered=True)
        return body


def _something(body: bytes) -> bytes:
    if not body:
        raise Missing
    return body


@cache
def proxies(providers: tuple[MapProvider, ...], folder: Path, limit: int) -> dict[str, Proxy]:
    """The proxies of the settings by code; one shelf for all."""
    shelf = Shelf(folder, limit)
    return {one.code: Proxy(one, shelf) for one in providers}
