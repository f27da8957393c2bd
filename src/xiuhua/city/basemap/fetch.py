"""One tile from a provider: no redirects, a time limit, a size limit, an image or nothing; so many a second.

The address is made of the provider's setting and three whole numbers, so nobody can send the proxy elsewhere. What goes
wrong is told without the address, which holds the token.
"""

from __future__ import annotations

import http.client
import io
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from PIL import Image

from xiuhua.map_provider import MapProvider

MOST_BYTES = 2 * 2**20
#: Pixels on a side.
LARGEST = 1024
#: How long a request waits for its turn before it is told to come back, seconds.
PATIENCE = 2.0
FAILURES = 4
PAUSE = 30.0
IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8")


class Missing(Exception):
    """The provider has no such tile: 404, nothing in the answer, or beyond its edge (WMTS: TileOutOfRange)."""


class Unavailable(Exception):
    """The provider cannot be used now; the message has no address in it."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class Pace:
    """A bucket of ``per_second`` tokens. `turn` waits for one at most `PATIENCE` seconds; False = come back later."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_second, self.clock, self.sleep = per_second, clock, sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def turn(self) -> bool:
        with self._lock:
            now = self.clock()
            # A second's worth may go at once; after that every fetch has its own moment.
            at = max(self._next, now - 1.0)
            wait = at - now
            if wait > PATIENCE:
                return False
            self._next = at + 1.0 / self.per_second
        if wait > 0:
            self.sleep(wait)
        return True


class Breaker:
    """After `FAILURES` fetches in a row that failed, nobody asks the provider for `PAUSE` seconds.

    A provider that hangs would otherwise hold the threads that serve pages, and one whose quota is spent would be
    asked all day.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._failed = 0
        self._until = 0.0

    @property
    def open(self) -> bool:
        """Whether asking is useless now."""
        return self.clock() < self._until

    def told(self, *, answered: bool) -> None:
        """What came of a fetch."""
        if answered:
            self._failed = 0
            return
        self._failed += 1
        if self._failed >= FAILURES:
            # One more failure after the pause is enough to begin the next.
            self._failed, self._until = FAILURES - 1, self.clock() + PAUSE


_opener = urllib.request.build_opener(_NoRedirect())


def address(provider: MapProvider, z: int, x: int, y: int) -> str:
    """The provider's address of one tile; the servers take turns by place, so that caches on the way help."""
    url = provider.url.replace("{z}", str(int(z))).replace("{x}", str(int(x))).replace("{y}", str(int(y)))
    if provider.servers:
        url = url.replace("{s}", provider.servers[(x + y) % len(provider.servers)])
    return url.replace("{token}", provider.token.get_secret_value())


def _read(answer: Any, end: float) -> bytes:
    """The body up to the limit; raises TimeoutError for one that drips longer than a fetch may take."""
    body = bytearray()
    while len(body) <= MOST_BYTES and (part := answer.read1(65_536)):
        body += part
        if time.monotonic() > end:
            raise TimeoutError
    return bytes(body)


def fetch(provider: MapProvider, z: int, x: int, y: int) -> bytes:
    """The bytes of one image; raises `Missing` or `Unavailable`."""
    headers = {"User-Agent": "Xiuhua tile proxy", "Accept": "image/*"}
    if provider.referer:
        headers["Referer"] = provider.referer
    # The scheme is http or https: the setting is checked at start.
    request = urllib.request.Request(address(provider, z, x, y), headers=headers)  # noqa: S310
    try:
        with _opener.open(request, timeout=provider.timeout) as answer:
            body = _read(answer, time.monotonic() + provider.timeout)
    except urllib.error.HTTPError as error:
        with error:
            out_of_range = error.code == 400 and b"TileOutOfRange" in error.read(4096)
        if error.code == 404 or out_of_range:
            raise Missing from None
        raise Unavailable(f"{provider.code}: HTTP {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{provider.code}: {type(error).__name__}") from None
    if len(body) > MOST_BYTES:
        raise Unavailable(f"{provider.code}: a tile larger than {MOST_BYTES} bytes")
    if not body:
        raise Missing
    if not body.startswith(IMAGES):
        # Providers answer a wrong token or a spent quota with a page and status 200.
        raise Unavailable(f"{provider.code}: the answer is no image")
    try:
        # A connection that broke off leaves half a picture, which must not be kept for weeks.
        with Image.open(io.BytesIO(body)) as image:
            if max(image.size) <= LARGEST:
                image.load()
                return body
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise Unavailable(f"{provider.code}: a tile that is no picture") from None
    raise Unavailable(f"{provider.code}: a tile of more than {LARGEST} pixels")
