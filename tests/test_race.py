"""Fifty clients race one action over HTTP against a running server: one wins, and everybody is told clearly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from live import Answer, Live

CLIENTS = 50
REPORT = {"answers": {"source": "media", "description": "井盖缺失", "address": "模拟大道3号"}}


def race(call: Callable[[int], Answer]) -> list[Answer]:
    """The call from every client, all let go at one moment."""
    line = Barrier(CLIENTS)

    def one(number: int) -> Answer:
        line.wait(60)
        return call(number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def whole(live: Live) -> None:
    checked = live.command("log", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_one_of_fifty_acts_and_the_rest_are_refused(live: Live) -> None:
    hotline = live.program("hotline")
    number = hotline.post("/cases", REPORT).json["number"]
    path = f"/cases/{number}/actions/send_verification"
    # With and without the number of the event that was seen: both must let one through.
    got = race(
        lambda i: hotline.post(
            path, {"answers": {"collector": "collector"}, **({"seq": 1} if i % 2 else {})}, f"race-{i}"
        )
    )
    won = [one for one in got if one.status == 200]
    lost = [one for one in got if one.status != 200]
    assert len(won) == 1 and len(lost) == CLIENTS - 1, Counter(one.status for one in got)
    assert {(one.status, one.json["code"]) for one in lost} <= {(409, "not_now"), (409, "stale")}
    assert all(one.json["detail"] for one in lost)
    events = live.program("chief").get(f"/cases/{number}/events").json["items"]
    assert [one["action"] for one in events] == ["report", "send_verification"]
    tasks = live.program("chief").get("/cases?procedure=verification_task&limit=200").json["items"]
    assert len([row for row in tasks if row["number"].startswith(f"{number}-")]) == 1, "one task, not fifty"
    whole(live)


def test_fifty_creations_with_one_key_make_one_case(live: Live) -> None:
    hotline = live.program("hotline")
    got = race(lambda i: hotline.post("/cases", REPORT, "the-same-call"))
    assert {one.status for one in got} == {201}, Counter(one.status for one in got)
    assert len({one.json["number"] for one in got}) == 1
    assert [one.json["replayed"] for one in got].count(False) == 1
    whole(live)


def test_fifty_reports_get_fifty_numbers(live: Live) -> None:
    hotline = live.program("hotline")
    got = race(lambda i: hotline.post("/cases", REPORT, f"call-{i}"))
    assert {one.status for one in got} == {201}, Counter(one.status for one in got)
    assert len({one.json["number"] for one in got}) == CLIENTS
    whole(live)
