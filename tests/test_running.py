"""A running house as its operator sees it: figures of several processes, log lines without names, an end in good order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import live as live_module
import pytest
from live import PATIENCE, Live, Visitor

NAME, PHONE = "欧阳测试壹贰", "13871234567"


@pytest.fixture(scope="module")
def house() -> Iterator[Live]:
    """Two server processes and a worker."""
    made, database = live_module.make()
    made.environment["XIUHUA_WORKERS"] = "2"
    try:
        live_module.start(made)
        yield made
    finally:
        live_module.end(made, database)


@contextlib.contextmanager
def writers_locked_out(live: Live) -> Iterator[None]:
    """Nobody else can write while the block runs; reading goes on."""
    url = live.environment["XIUHUA_DATABASE_URL"]
    if url.startswith("postgres"):
        import psycopg

        with psycopg.connect(url) as line:
            line.execute("LOCK TABLE casework_case IN EXCLUSIVE MODE")
            yield
    else:
        with contextlib.closing(sqlite3.connect(live.folder / "xiuhua.sqlite3", isolation_level=None)) as line:
            line.execute("BEGIN IMMEDIATE")
            yield
            line.execute("ROLLBACK")


def until(true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def figures(live: Live) -> dict[str, float]:
    got = Visitor(live.host, live.port).get("/metrics")
    assert got.status == 200, got.body
    lines = [line for line in got.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _space, value in (line.rpartition(" ") for line in lines)}


def lines(live: Live) -> list[dict[str, Any]]:
    return [json.loads(line) for line in live.said().splitlines() if line.startswith("{")]


def test_ready_with_a_worker(house: Live) -> None:
    until(lambda: Visitor(house.host, house.port).get("/readyz").status == 200)


def test_any_process_answers_for_all(house: Live) -> None:
    key = 'xiuhua_http_requests_total{method="GET",route="login",status="200"}'
    before = figures(house).get(key, 0)
    for _number in range(12):
        assert Visitor(house.host, house.port).get("/login").status == 200
    assert {figures(house)[key] for _number in range(6)} == {before + 12}


def test_log_lines_are_json_with_numbers_and_without_names(house: Live) -> None:
    visitor = house.visitor("hotline")
    visitor.get(f"/search/?q={PHONE}")
    visitor.get("/search/?q=%E6%AC%A7%E9%98%B3%E6%B5%8B%E8%AF%95")
    answers = {
        "source": "media", "description": f"{NAME} {PHONE}", "address": NAME,
        "reporter_name": NAME, "reporter_phone": PHONE,
    }  # fmt: skip
    made = house.program("hotline").post("/cases", {"answers": answers})
    assert made.status == 201
    house.program("hotline").post("/cases", {"answers": {**answers, "source": NAME}})
    number = made.headers["x-request-id"]
    told = next(line for line in lines(house) if line.get("request") == number)
    assert (told["method"], told["status"], told["logger"]) == ("POST", 201, "xiuhua.request")
    assert told["route"] == "api/v1/cases" and told["actor"].startswith("user:") and told["ms"] > 0
    said = house.said()
    for word in (NAME, PHONE, "%E6%AC%A7", "欧阳"):
        assert word not in said


def test_a_request_in_hand_is_answered_before_the_end(house: Live) -> None:
    assert house.process is not None
    got: list[Any] = []
    report = {"answers": {"source": "media", "description": "井盖缺失", "address": "模拟大道3号"}}
    caller = threading.Thread(target=lambda: got.append(house.program("hotline").post("/cases", report)))
    with writers_locked_out(house):
        caller.start()
        until(lambda: figures(house)["xiuhua_http_requests_in_hand"] >= 2)  # the report, and the one that asks
        house.process.send_signal(signal.SIGTERM)
        until(lambda: socket.socket().connect_ex((house.host, house.port)) != 0)
        assert not got, "it waits"
    caller.join(PATIENCE)
    assert got and got[0].status == 201, got
    assert house.process.wait(PATIENCE) == 0
    found = house.command("log", "verify", "--case", got[0].json["number"])
    assert found.returncode == 0, found.stdout + found.stderr
    house.process = None
    live_module.start(house)


def test_a_new_start_forgets_the_figures_of_dead_processes(house: Live) -> None:
    folder = Path(house.environment["XIUHUA_DATA_DIR"]) / "metrics"
    assert figures(house)["xiuhua_workers"] >= 0  # it serves
    live_module.stop(house)
    assert list(folder.glob("counter_*.db"))
    live_module.start(house)
    numbers = {int(path.stem.rpartition("-")[2]) for path in folder.glob("*.db")}
    assert all(Path(f"/proc/{number}").exists() or os.getpid() == number for number in numbers)
