"""The ASGI application of the stream process: ``/stream`` (text/event-stream) and ``/stream/health``.

A stream belongs to a session: the cookie of the pages counts here too, for cookies know hosts but no ports. Only pages
of this house may read it (`origin_allowed`). After `LIFE` a stream ends, the browser comes back and is looked at anew:
who has logged out or lost a post hears nothing after that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, connections
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from xiuhua import metrics
from xiuhua.casework.live import news
from xiuhua.casework.live.hub import Hub, Listener
from xiuhua.city.access import Actor
from xiuhua.city.middleware import session_actor

#: Seconds that a stream lives; between two signs of life on a quiet one; until a browser comes back.
LIFE, BEAT, RETRY = 300.0, 15.0, 3.0
#: Streams of one person: a desk with several screens and tabs.
PER_USER = 8
#: Streams of this process.
MOST = 2000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def origin_allowed(origin: str, host: str) -> bool:
    """Whether a page of ``origin`` may read what ``host`` serves: the pages' port or the same, or a trusted origin."""
    if not origin or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    page = urlsplit(origin)
    if page.netloc == host:
        return True
    try:
        port = page.port or {"http": 80, "https": 443}.get(page.scheme)
    except ValueError:
        return False
    return bool(settings.STREAM_PAGES_PORT) and (
        page.netloc.rpartition("@")[0] == ""
        and split_domain_port(page.netloc)[0] == split_domain_port(host)[0]
        and port == settings.STREAM_PAGES_PORT
    )


def actor_of(cookies: str) -> Actor | None:
    """The person whose session the cookies name; three queries, and no connection kept."""
    try:
        jar = SimpleCookie(cookies)
    except CookieError:
        return None
    key = jar.get(settings.SESSION_COOKIE_NAME)
    if key is None:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key.value)
    try:
        request.user = get_user(request)
        return session_actor(request)
    finally:
        connections.close_all()


class App:
    """The application; one hub for all its streams."""

    def __init__(self) -> None:
        self.hub = Hub()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.hub.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.hub.stop)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
            return await _answer(send, 400, "host")
        if scope["path"] == "/stream/health":
            well = self.hub.well()
            return await _answer(send, 200 if well else 503, "" if well else "log")
        if scope["path"] != "/stream" or scope["method"] != "GET":
            return await _answer(send, 404, "address")
        if not origin_allowed(origin, host):
            return await _refuse(send, 403, "origin")
        allow = _cors(origin)
        try:
            actor = await asyncio.to_thread(actor_of, headers.get("cookie", ""))
        except DatabaseError:
            return await _refuse(send, 503, "database", allow)
        if actor is None:
            return await _refuse(send, 401, "session", allow)
        if not actor.has("case.read"):
            return await _refuse(send, 403, "permission", allow)
        if self.hub.of_user(actor.user_id) >= PER_USER or len(self.hub.listeners()) >= MOST:
            return await _refuse(send, 429, "many", allow)
        await self._stream(actor, _floor(headers, scope), receive, send, allow)

    async def _stream(self, actor: Actor, floor: int | None, receive: Receive, send: Send, allow: Headers) -> None:
        listener = Listener(actor, asyncio.get_running_loop())
        gone = asyncio.ensure_future(_gone(receive))
        end = listener.loop.time() + LIFE
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [*_STREAM, *allow]})
            await _write(send, f"retry: {int(RETRY * 1000)}\n\n".encode())
            await asyncio.to_thread(self._join, listener, floor)
            while (left := end - listener.loop.time()) > 0 and not gone.done():
                waiting = asyncio.ensure_future(listener.queue.get())
                await asyncio.wait({waiting, gone}, timeout=min(BEAT, left), return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    await _write(send, b"event: beat\ndata: {}\n\n")
                    continue
                message = waiting.result()
                if message is None:
                    break
                await _write(send, news.as_text(*message))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            self.hub.leave(listener)

    def _join(self, listener: Listener, floor: int | None) -> None:
        try:
            self.hub.join(listener, floor)
        finally:
            connections.close_all()


Headers = list[tuple[bytes, bytes]]

_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def _cors(origin: str) -> Headers:
    if not origin:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def _floor(headers: dict[str, str], scope: Scope) -> int | None:
    """The event id after which to tell: of the last message heard, or of the page's moment; None for from now on."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    after = headers.get("last-event-id", "") or query.get("after", [""])[0]
    return news.floor_of(after, query.get("at", [""])[0])


async def _gone(receive: Receive) -> None:
    """Returns when the other side has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _refuse(send: Send, status: int, why: str, headers: Headers | None = None) -> None:
    metrics.STREAM_REFUSED.labels(why).inc()
    await _answer(send, status, why, headers)


async def _answer(send: Send, status: int, why: str, headers: Headers | None = None) -> None:
    body = json.dumps({"ok": status == 200, "why": why}).encode()
    named = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})
