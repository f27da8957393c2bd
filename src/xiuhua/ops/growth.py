"""How fast the house fills its disk: one measurement a day, kept in ``DATA_DIR/growth.jsonl``, and a forecast from them.

Every backup and every `xiuhua doctor` measures; the last measurement of a day stays, for 400 days. The forecast is the
least-squares line through the last 90 days of what lies on the disk of the data folder, so that one large import
or one vacuum does not decide it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from xiuhua.casework import moments
from xiuhua.casework.models import Attachment, Event
from xiuhua.doctor import MIN_FREE, Level

NAME = "growth.jsonl"
KEPT = 400  # measurements, one a day
WINDOW = timedelta(days=90)
#: Fewer measurements or a shorter time say nothing.
FEWEST, SHORTEST = 3, timedelta(days=2)
WARN_DAYS, FAULT_DAYS = 30, 7
DAY = 86_400
HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Measure:
    """``at``: ISO 8601 in UTC; ``database`` and ``files``: bytes; ``events``: events in the log."""

    at: str
    database: int
    files: int
    events: int

    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


def database_is_here() -> bool:
    """Whether the database fills this machine's disk: SQLite, or PostgreSQL by socket or loopback."""
    host = str(connection.settings_dict.get("HOST") or "")
    return connection.vendor == "sqlite" or host in HERE or host.startswith("/")


def measure() -> Measure:
    """Sizes as they are now; raises DatabaseError or OSError."""
    # The sum of all rows: bytes that two cases share count twice, which errs on the safe side.
    files = Attachment.objects.aggregate(n=Sum("size"))["n"] or 0
    return Measure(moments.now().isoformat(timespec="seconds"), _database_bytes(), int(files), Event.objects.count())


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute("PRAGMA page_size")
        return int(pages) * int(cursor.fetchone()[0])


def kept(path: Path) -> list[Measure]:
    """All measurements, oldest first; a line that a crash or a hand spoilt is passed over."""
    found = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            one = Measure(**json.loads(line))
            one.moment()
        except (ValueError, TypeError):
            continue
        found.append(one)
    return sorted(found, key=Measure.moment)


def record() -> list[Measure]:
    """Measure, keep it as this day's, and return all; raises DatabaseError or OSError (then the old ones stay)."""
    path = Path(settings.DATA_DIR) / NAME
    new = measure()
    all_ = [*(one for one in kept(path) if one.at[:10] != new.at[:10]), new][-KEPT:]
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(asdict(one)) + "\n" for one in all_), "utf-8")
    part.replace(path)
    return all_


def per_day(points: Sequence[tuple[datetime, int]]) -> float | None:
    """Slope of the least-squares line through (moment, amount), per day; None when there is too little to say."""
    if len(points) < FEWEST or points[-1][0] - points[0][0] < SHORTEST:
        return None
    days = [(at - points[0][0]).total_seconds() / DAY for at, _amount in points]
    middle, mean = sum(days) / len(days), sum(amount for _at, amount in points) / len(points)
    spread = sum((day - middle) ** 2 for day in days)
    return sum((d - middle) * (a - mean) for d, (_at, a) in zip(days, points, strict=True)) / spread


def days_left(free: int, growth: float) -> float | None:
    """Days until fewer than `MIN_FREE` bytes are free; None when nothing grows."""
    return max(0, free - MIN_FREE) / growth if growth > 0 else None


def findings() -> Iterator[tuple[Level, str, str]]:
    """For `xiuhua doctor`: level, Chinese, English."""
    recent = record()
    recent = [one for one in recent if one.moment() >= recent[-1].moment() - WINDOW]
    here = database_is_here()
    grown = per_day([(one.moment(), one.files + (one.database if here else 0)) for one in recent])
    if grown is None:
        n = len(recent)
        yield (
            "ok",
            f"测量 {n} 次，尚不足以预测（至少 {FEWEST} 天，每次备份或检查测量一次）",
            f"{n} measurement(s), too few to foresee anything ({FEWEST} days at least; every backup and doctor measures)",
        )
        return
    rates = [
        per_day([(one.moment(), amount) for one, amount in zip(recent, amounts, strict=True)]) or 0.0
        for amounts in ([o.database for o in recent], [o.files for o in recent], [o.events for o in recent])
    ]
    database, files, events = rates[0] / 2**20, rates[1] / 2**20, rates[2]
    left = days_left(shutil.disk_usage(settings.DATA_DIR).free, grown)
    level: Level = "ok" if left is None or left >= WARN_DAYS else "warn" if left >= FAULT_DAYS else "fault"
    end = "不增长" if left is None else f"约 {left:,.0f} 天后写满"
    end_en = "nothing grows" if left is None else f"full in about {left:,.0f} days"
    yield (
        level,
        f"每天：数据库 {database:+,.1f} MiB，文件 {files:+,.1f} MiB，日志 {events:+,.0f} 条；{end}",
        f"a day: database {database:+,.1f} MiB, files {files:+,.1f} MiB, log {events:+,.0f} events; {end_en}",
    )
    if not here:
        yield (
            "ok",
            "数据库在另一台机器上，其磁盘未计入",
            "the database is on another machine, whose disk is not foreseen",
        )
