"""One thread that watches the log for all listeners of this process, with one database connection.

1. Read the events of the last `news.WINDOW` that were not heard yet (on SQLite only when another connection has
   written, which costs no query).
2. For every distinct actor among the listeners decide once what they may see, and hand it to their queues.
3. Wait `PAUSE`, counted from the end of the work: a crowd of listeners makes news later, never more frequent queries.

The last `KEPT` events stay in memory: a listener that comes back hears what it missed, or that it missed too much.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection

from xiuhua import metrics
from xiuhua.casework import moments
from xiuhua.casework.live import news
from xiuhua.casework.live.news import Happened
from xiuhua.city.access import Actor

log = logging.getLogger(__name__)

#: Seconds between two looks; after a failed look.
PAUSE, PAUSE_IN_TROUBLE = 0.25, 2.0
KEPT = 5000
#: How far a fresh process reads back, so that listeners of the one before it resume.
BEFORE = timedelta(minutes=5)
#: Messages that may wait for one listener; one that reads slower is cut off and comes back.
QUEUE = 500
#: Seconds without a successful look after which the process is ill.
SILENCE = 15.0

Message = tuple[str, dict[str, Any]]


@dataclass(eq=False)
class Listener:
    """One open stream. ``None`` in the queue ends it."""

    actor: Actor
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Message | None] = field(default_factory=lambda: asyncio.Queue(QUEUE + 1))

    def tell(self, messages: list[Message]) -> None:
        """From any thread."""
        self.loop.call_soon_threadsafe(self._put, messages)

    def _put(self, messages: list[Message]) -> None:
        for message in messages:
            if self.queue.qsize() >= QUEUE:
                metrics.STREAM_REFUSED.labels("slow").inc()
                while not self.queue.empty():
                    self.queue.get_nowait()
                self.queue.put_nowait(None)
                return
            self.queue.put_nowait(message)
            metrics.STREAM_TOLD.inc()


class Hub:
    """Listeners, and the thread that tells them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._kept: OrderedDict[int, Happened] = OrderedDict()
        self._covers = 0
        self._data_version: int | None = None
        self._seen_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # -- the thread ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and every stream."""
        self._stop.set()
        for listener in self.listeners():
            listener.loop.call_soon_threadsafe(listener.queue.put_nowait, None)
        if self._thread is not None:
            self._thread.join(5)

    def well(self) -> bool:
        """Whether the log was looked at within the last seconds."""
        return time.monotonic() - self._seen_at < SILENCE if self._seen_at else False

    def _run(self) -> None:
        self._covers = news.id_at(moments.now() - BEFORE)
        while not self._stop.is_set():
            pause = PAUSE
            try:
                self.look()
                self._seen_at = time.monotonic()
            except DatabaseError as error:
                log.warning("the log cannot be read", extra={"fields": {"fault": type(error).__name__}})
                self._data_version = None
                connection.close()
                pause = PAUSE_IN_TROUBLE
            self._stop.wait(pause)
        connection.close()

    def look(self) -> None:
        """Read what is new and tell it."""
        if not self._written():
            return
        newest = max(self._kept, default=0)
        floor = max(self._covers, news.look_back(newest)) if newest else self._covers
        happened, complete = news.since(floor, self._kept)
        with self._lock:
            for one in happened:
                self._kept[one.event] = one
            while len(self._kept) > KEPT:
                self._covers = max(self._covers, self._kept.popitem(last=False)[0])
            listeners = list(self._listeners)
        if not complete:
            # More at once than anybody reads: begin anew from here, and let everybody look for themselves.
            with self._lock:
                self._covers = news.id_at(moments.now() - news.WINDOW)
                self._kept.clear()
            self._data_version = None
            for listener in listeners:
                listener.tell([("reset", {})])
            return
        by_actor: defaultdict[Actor, list[Listener]] = defaultdict(list)
        for listener in listeners:
            by_actor[listener.actor].append(listener)
        if happened:
            for actor, theirs in by_actor.items():
                messages: list[Message] = [("case", data) for data in news.heard_by(actor, happened)]
                for listener in theirs if messages else ():
                    listener.tell(messages)

    def _written(self) -> bool:
        """False only when SQLite says that nobody has written since the last look."""
        if connection.vendor != "sqlite":
            return True
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            version = int(cursor.fetchone()[0])
        changed, self._data_version = version != self._data_version, version
        return changed

    # -- listeners -------------------------------------------------------------------------------------------------

    def listeners(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)

    def of_user(self, user_id: int | None) -> int:
        """How many streams a person has open."""
        return sum(1 for one in self.listeners() if one.actor.user_id == user_id)

    def join(self, listener: Listener, floor: int | None) -> None:
        """Begin to tell this listener; what happened after the event id ``floor`` is told first.

        Reads the database, so not from the loop's thread. It may hear a thing twice, but misses none.
        """
        with self._lock:
            self._listeners.add(listener)
            missed = [] if floor is None else [one for event, one in self._kept.items() if event > floor]
            too_old = floor is not None and floor < self._covers
        metrics.LISTENERS.inc()
        messages: list[Message] = [("hello", {})]
        if too_old:
            messages.append(("reset", {}))
        else:
            messages += [("case", data) for data in news.heard_by(listener.actor, missed)]
        listener.tell(messages[:QUEUE])

    def leave(self, listener: Listener) -> None:
        with self._lock:
            if listener not in self._listeners:
                return
            self._listeners.discard(listener)
        metrics.LISTENERS.dec()
