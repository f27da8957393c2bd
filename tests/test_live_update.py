"""Live update from a stream process of its own: who hears what, resumption, limits, and what comes when it is away."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import live as live_module
import pytest
from live import Live, Visitor

from xiuhua.demo.tests.small_city import POINT


@dataclass
class Ear:
    """One open stream, read by hand."""

    response: http.client.HTTPResponse
    line: http.client.HTTPConnection
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def next(self, kind: str = "") -> dict[str, Any]:
        """The next message, of that kind; the socket's time limit is the patience."""
        name, number = "", ""
        while True:
            row = self.response.readline().decode()
            assert row, "the stream ended"
            if row.startswith("event: "):
                name = row[7:].strip()
            elif row.startswith("id: "):
                number = row[4:].strip()
            elif row.startswith("data: "):
                data = json.loads(row[6:])
                assert not number or data["id"] == number
                self.heard.append((name, data))
                if not kind or kind == name:
                    return dict(data)

    def until(self, number: str, seq: int) -> dict[str, Any]:
        while True:
            data = self.next("case")
            if (data["case"], data["seq"]) == (number, seq):
                return data


def stream_port(live: Live) -> int:
    """Where the pages say it is."""
    page = live.visitor("chief").get("/").body.decode()
    found = re.search(r'data-stream=":(\d+)/stream"', page)
    assert found, page[:2000]
    return int(found[1])


@pytest.fixture(scope="module")
def port(live: Live) -> int:
    made = stream_port(live)
    end = time.monotonic() + live_module.PATIENCE
    while get(live, made, "/stream/health").status != 200:
        assert time.monotonic() < end, live.said()[-3000:]
        time.sleep(0.05)
    return made


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes


def get(live: Live, port: int, path: str, **headers: str) -> Got:
    line = http.client.HTTPConnection(live.host, port, timeout=30)
    try:
        line.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = line.getresponse()
        return Got(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    except ConnectionRefusedError:
        return Got(0, {}, b"")
    finally:
        line.close()


def cookies(visitor: Visitor) -> str:
    return "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())


@contextmanager
def ear(live: Live, port: int, visitor: Visitor, path: str = "/stream", **headers: str) -> Iterator[Ear]:
    line = http.client.HTTPConnection(live.host, port, timeout=30)
    sent = {"Cookie": cookies(visitor), "Origin": live.url, **{k.replace("_", "-"): v for k, v in headers.items()}}
    line.request("GET", path, headers=sent)
    response = line.getresponse()
    try:
        assert response.status == 200, response.read()
        made = Ear(response, line)
        made.next("hello")
        yield made
    finally:
        response.close()
        line.close()


def report(live: Live, who: str = "hotline", shade: int = 70) -> str:
    answers = {
        "source": "patrol", "description": "井盖缺失 13912345678", "address": "模拟大道1号", "position": POINT,
        "photos": [live.program(who).photo(shade)],
    }  # fmt: skip
    made = live.program(who).post("/cases", {"procedure": "city_case", "answers": answers})
    assert made.status == 201, made.body
    return str(made.json["number"])


def test_what_one_does_another_hears_and_nothing_personal_is_in_it(live: Live, port: int) -> None:
    with ear(live, port, live.visitor("chief")) as chief, ear(live, port, live.visitor("hotline")) as hotline:
        number = report(live)
        theirs, mine = chief.until(number, 1), hotline.until(number, 1)
    assert set(theirs) == {"id", "case", "seq", "mine", "arrived"}
    assert (theirs["mine"], mine["mine"]) == (False, True)
    assert not mine["arrived"]


def test_who_may_not_see_a_case_does_not_hear_of_it(live: Live, port: int) -> None:
    stranger = live.visitor("handler")
    assert stranger.get("/").status == 200
    with ear(live, port, stranger) as theirs, ear(live, port, live.visitor("chief")) as chief:
        number = report(live)
        assert live.program("handler").get(f"/cases/{number}").status == 404
        chief.until(number, 1)
        # A listener that comes after the fact is told what it missed before anything else: still nothing.
        with ear(live, port, stranger, f"/stream?at={int(time.time() * 1000) - 5000}") as later:
            pass
        asked = stranger.get(f"/live/?at={int(time.time() * 1000) - 5000}").json
    said = [data["case"] for _kind, data in (*theirs.heard, *later.heard) if data] + [n["case"] for n in asked["news"]]
    assert number not in said


def test_a_listener_that_comes_back_hears_what_it_missed(live: Live, port: int) -> None:
    chief = live.visitor("chief")
    with ear(live, port, chief) as first:
        heard = first.until(report(live), 1)
    missed = report(live, shade=71)
    with ear(live, port, chief, Last_Event_ID=heard["id"]) as again:
        again.until(missed, 1)
    with ear(live, port, chief, f"/stream?after={heard['id']}") as anew:
        anew.until(missed, 1)
    with ear(live, port, chief, Last_Event_ID="1") as old:
        assert old.next() == {} and old.heard[-1][0] == "reset"  # too long ago to be told one by one


def test_only_sessions_and_only_pages_of_this_house(live: Live, port: int) -> None:
    known = cookies(live.visitor("chief"))
    assert get(live, port, "/stream", Origin=live.url).status == 401
    assert get(live, port, "/stream", Origin=live.url, Cookie="xiuhua_session=abc").status == 401
    for origin in ("http://evil.example", f"http://127.0.0.1:{live.port + 7}", "null", "http://a@127.0.0.1:99999"):
        refused = get(live, port, "/stream", Origin=origin, Cookie=known)
        assert refused.status == 403 and "access-control-allow-origin" not in refused.headers, origin
    assert get(live, port, "/stream", Host="evil.example", Cookie=known).status == 400
    assert get(live, port, "/elsewhere", Cookie=known).status == 404
    out = live.visitor("chief")
    kept = cookies(out)
    out.post("/logout", {})
    assert get(live, port, "/stream", Origin=live.url, Cookie=kept).status == 401


def test_a_person_has_so_many_streams_and_no_more(live: Live, port: int) -> None:
    from contextlib import ExitStack

    from xiuhua.casework.live.app import PER_USER

    person = live.visitor("chief2")
    with ExitStack() as stack:
        for _n in range(PER_USER):
            stack.enter_context(ear(live, port, person))
        more = get(live, port, "/stream", Origin=live.url, Cookie=cookies(person))
        assert more.status == 429
        figures = live_figures(live)
        assert figures["xiuhua_stream_listeners"] >= PER_USER
        assert figures['xiuhua_stream_refused_total{why="many"}'] >= 1
    end = time.monotonic() + 60
    while live_figures(live)["xiuhua_stream_listeners"] > 0:  # those who left are not counted for long
        assert time.monotonic() < end
        time.sleep(0.1)


def live_figures(live: Live) -> dict[str, float]:
    text = Visitor(live.host, live.port).get("/metrics").body.decode()
    rows = (row.rpartition(" ") for row in text.splitlines() if not row.startswith("#"))
    return {name: float(value) for name, _space, value in rows}


def test_pages_name_the_stream_in_their_policy(live: Live, port: int) -> None:
    got = live.visitor("chief").get("/")
    assert f"connect-src 'self' http://127.0.0.1:{port}" in got.headers["content-security-policy"]


def test_asking_tells_the_same(live: Live, port: int) -> None:
    chief = live.visitor("chief")
    number = report(live, shade=72)
    told = chief.get(f"/live/?at={int(time.time() * 1000)}").json
    assert not told["reset"] and (number, 1) in [(one["case"], one["seq"]) for one in told["news"]]
    assert chief.get("/live/?after=1").json["reset"]
    assert chief.get("/live/?after=x").json["reset"]
    assert chief.get(f"/cases/{number}/changed/?seq=1").status == 204
    changed = chief.get(f"/cases/{number}/changed/?seq=0")
    assert changed.status == 200 and 'data-seq="1"' in changed.body.decode()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_the_stream_ends_with_its_house() -> None:
    made, database = live_module.make()
    try:
        live_module.start(made)
        port = stream_port(made)
        end = time.monotonic() + live_module.PATIENCE
        while get(made, port, "/stream/health").status != 200:
            assert time.monotonic() < end, made.said()[-3000:]
            time.sleep(0.05)
        with ear(made, port, made.visitor("chief")):
            live_module.stop(made)
        assert get(made, port, "/stream/health").status == 0
    finally:
        live_module.end(made, database)
