"""``xiuhua doctor``: what is configured, reachable and wrong; exit code 1 when something is a fault.

    xiuhua doctor [--json] [--lang zh|en]

Every check yields findings of level ``ok``, ``warn`` or ``fault``; a check that itself breaks is a fault.
Values of secrets are never shown.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xiuhua import cli, demo_env, manifest
from xiuhua.env import PREFIX, Env, EnvError, env
from xiuhua.manifest import Text
from xiuhua.rooms import ROOMS

Level = Literal["ok", "warn", "fault"]
MIN_FREE, LOW_FREE = 200 * 2**20, 2 * 2**30  # bytes: below is a fault, below is a warning
MIN_POSTGRESQL = 15
LOCAL_HOSTS = {"127.0.0.1", "localhost", "[::1]"}


@dataclass(frozen=True)
class Finding:
    level: Level
    topic: Text
    message: Text


def same(text: str) -> Text:
    """A message that needs no translation (a path, a version, a database's own words)."""
    return Text(text, text)


PYTHON = Text("Python", "Python")
ENVIRONMENT = Text("环境变量", "Environment")
DATA = Text("数据目录", "Data folder")
DATABASE = Text("数据库", "Database")
LOG = Text("日志防篡改", "Log guards")
ROOMS_TOPIC = Text("模块", "Rooms")
ASSETS = Text("前端文件", "Front-end files")
LANGUAGE = Text("译文", "Translations")
MAP = Text("地图底图", "Map tiles")
CALENDAR = Text("工作日历", "Work calendar")
SAFETY = Text("安全", "Safety")
GROWTH = Text("增长与磁盘", "Growth")
NOTICES = Text("通知", "Notices")
PEOPLE = Text("账号", "Accounts")


def check_python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "fault", PYTHON, same(version))


def check_environment() -> Iterator[Finding]:
    known = {f"{PREFIX}{field.upper()}" for field in Env.model_fields}
    present = sorted(name for name in os.environ if name.startswith(PREFIX))
    names = ", ".join(name for name in present if name in known) or "-"
    yield Finding("ok", ENVIRONMENT, Text(f"已设置:{names}", f"set: {names}"))
    for name in present:
        if name not in known and not name.startswith(f"{PREFIX}TEST_"):
            yield Finding(
                "warn",
                ENVIRONMENT,
                Text(f"未知变量 {name},不起作用", f"{name} is not a setting; it has no effect"),
            )


def check_data_folder() -> Iterator[Finding]:
    folder = env().data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("fault", DATA, Text(f"{folder} 不可写:{error}", f"{folder} cannot be written: {error}"))
        return
    free = shutil.disk_usage(folder).free
    level: Level = "fault" if free < MIN_FREE else "warn" if free < LOW_FREE else "ok"
    gigabytes = f"{free / 2**30:.1f} GiB"
    yield Finding(level, DATA, Text(f"{folder},剩余 {gigabytes}", f"{folder}, {gigabytes} free"))
    secrets = folder / demo_env.NAME
    if secrets.exists() and secrets.stat().st_mode & 0o077:
        yield Finding("fault", DATA, Text(f"{secrets} 可被他人读取", f"{secrets} can be read by others; chmod 600 it"))


def check_database() -> Iterator[Finding]:
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        connection.ensure_connection()
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        yield Finding("fault", DATABASE, Text(f"无法连接:{reason}", f"not reachable: {reason}"))
        return
    yield from _check_sqlite() if connection.vendor == "sqlite" else _check_postgresql()
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        count = len(waiting)
        yield Finding(
            "fault",
            DATABASE,
            Text(f"有 {count} 个迁移未执行:xiuhua migrate", f"{count} migration(s) not applied: xiuhua migrate"),
        )


def _check_sqlite() -> Iterator[Finding]:
    from django.db import connection

    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "recursive_triggers": 1,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
        version = cursor.fetchone()[0]
        for pragma, value in wanted.items():
            cursor.execute(f"PRAGMA {pragma}")
            found = cursor.fetchone()[0]
            if found != value:
                yield Finding("fault", DATABASE, same(f"PRAGMA {pragma} = {found} (≠ {value})"))
    yield Finding("ok", DATABASE, same(f"SQLite {version}, {connection.settings_dict['NAME']}"))


def _check_postgresql() -> Iterator[Finding]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
    old = int(version.split(".")[0]) < MIN_POSTGRESQL
    yield Finding("fault" if old else "ok", DATABASE, same(f"PostgreSQL {version}"))
    if old:
        yield Finding("fault", DATABASE, Text(f"需要 {MIN_POSTGRESQL} 以上", f"{MIN_POSTGRESQL} or newer is needed"))
    if encoding != "UTF8":
        yield Finding("fault", DATABASE, Text(f"编码为 {encoding},应为 UTF8", f"encoding is {encoding}, not UTF8"))


def check_log() -> Iterator[Finding]:
    found: list[str] = manifest.load("xiuhua.casework.guard_rails:faults")()
    for sentence in found:
        yield Finding("fault", LOG, same(sentence))
    if not found:
        yield Finding("ok", LOG, Text("触发器齐全", "all triggers stand"))


def check_rooms() -> Iterator[Finding]:
    for sentence in manifest.check(manifest.rooms()):
        yield Finding("fault", ROOMS_TOPIC, same(sentence))
    yield Finding("ok", ROOMS_TOPIC, same(", ".join(ROOMS)))


def check_assets() -> Iterator[Finding]:
    from django.conf import settings

    missing = manifest.load("xiuhua.ui.assets:missing")()
    collected = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if missing:
        yield Finding("fault", ASSETS, Text(f"缺少 {', '.join(missing)}", f"missing: {', '.join(missing)}; bin/run"))
    elif env().static == "hashed" and not collected.is_file():
        yield Finding(
            "fault",
            ASSETS,
            Text("尚未收集:bin/run", "not collected: bin/run, or xiuhua manage collectstatic"),
        )
    else:
        yield Finding("ok", ASSETS, Text("齐全", "built and collected"))
    node = shutil.which("node")
    if missing and not node:
        yield Finding("warn", ASSETS, Text("未找到 Node;bin/run 会自带", "no Node found; bin/run brings one"))


def check_translations() -> Iterator[Finding]:
    here = Path(__file__).resolve().parent
    stale = [
        str(po.relative_to(here))
        for po in sorted(here.glob("*/locale/*/LC_MESSAGES/*.po"))
        if not (mo := po.with_suffix(".mo")).is_file() or mo.stat().st_mtime_ns < po.stat().st_mtime_ns
    ]
    if stale:
        yield Finding("fault", LANGUAGE, Text(f"未编译:{', '.join(stale)}", f"not compiled: {', '.join(stale)}"))
    else:
        yield Finding("ok", LANGUAGE, Text("已编译", "compiled"))


def check_map() -> Iterator[Finding]:
    url = env().map_tile_url
    if not url:
        yield Finding("ok", MAP, Text("未配置,使用本市图层", "none configured; the city's own layers are drawn"))
        return
    if url.startswith("/"):
        yield Finding("ok", MAP, same(url))
        return
    # The tile over Xianning's middle (zoom 5): any server that has the country has it.
    probe = url.replace("{z}", "5").replace("{x}", "26").replace("{y}", "13")
    host = url.split("/")[2]
    try:
        with urllib.request.urlopen(probe, timeout=5):  # noqa: S310  (http(s), checked in env)
            pass
    except (OSError, ValueError) as error:
        yield Finding("warn", MAP, Text(f"{host} 无法访问:{error}", f"{host} is not reachable: {error}"))
    else:
        yield Finding("ok", MAP, same(f"{host} ({env().map_tile_datum})"))
    if not env().map_tile_attribution:
        yield Finding("warn", MAP, Text("未写明底图来源", f"no attribution: set {PREFIX}MAP_TILE_ATTRIBUTION"))


def check_notices() -> Iterator[Finding]:
    for level, zh, en in manifest.load("xiuhua.notify.doctor:findings")():
        yield Finding(level, NOTICES, Text(zh, en))


def check_growth() -> Iterator[Finding]:
    for level, zh, en in manifest.load("xiuhua.ops.growth:findings")():
        yield Finding(level, GROWTH, Text(zh, en))


def check_calendar() -> Iterator[Finding]:
    from django.utils import timezone

    year = timezone.localdate().year
    status = manifest.load("xiuhua.city.calendar:calendar_for")(None).status(year)
    texts = {
        "announced": Text(f"{year} 年放假安排已载入", f"the notice for {year} is loaded"),
        "assumed": Text(f"{year} 年放假安排为推定", f"{year} is assumed; load the notice when it is published"),
    }
    unknown = Text(f"没有 {year} 年的放假安排", f"nothing is known about {year}; load its notice")
    yield Finding("ok" if status == "announced" else "warn", CALENDAR, texts.get(str(status), unknown))


def check_safety() -> Iterator[Finding]:
    it = env()
    outside = sorted(set(it.allowed_hosts) - LOCAL_HOSTS)
    if it.demo:
        level: Level = "warn" if outside else "ok"
        yield Finding(level, SAFETY, Text("演示模式:账号公开显示", "demo: its log-ins are shown to everyone"))
        if it.debug:
            yield Finding("warn", SAFETY, Text("调试模式已打开", "debug mode is on"))
    else:
        if "*" in it.allowed_hosts:
            yield Finding("fault", SAFETY, Text("ALLOWED_HOSTS 不能为 *", f"{PREFIX}ALLOWED_HOSTS must not be *"))
        if not it.https:
            yield Finding("warn", SAFETY, Text("未启用 HTTPS", f"cookies travel in the clear: set {PREFIX}HTTPS"))
        if it.sqlite_synchronous != "FULL":
            yield Finding(
                "fault",
                SAFETY,
                Text(
                    "SQLITE_SYNCHRONOUS 不是 FULL",
                    "SQLITE_SYNCHRONOUS is not FULL: an acknowledged report can be lost",
                ),
            )


def check_people() -> Iterator[Finding]:
    from xiuhua import database

    if database.has_people():
        yield Finding("ok", PEOPLE, Text("已有账号", "there are accounts"))
    else:
        yield Finding("warn", PEOPLE, Text("没有任何账号", "nobody can log in yet"))


Check = Callable[[], Iterable[Finding]]
CHECKS: tuple[tuple[Text, Check], ...] = (
    (PYTHON, check_python),
    (ENVIRONMENT, check_environment),
    (SAFETY, check_safety),
    (DATA, check_data_folder),
    (ROOMS_TOPIC, check_rooms),
    (DATABASE, check_database),
    (LOG, check_log),
    (GROWTH, check_growth),
    (PEOPLE, check_people),
    (CALENDAR, check_calendar),
    (MAP, check_map),
    (NOTICES, check_notices),
    (ASSETS, check_assets),
    (LANGUAGE, check_translations),
)


def examine(checks: Iterable[tuple[Text, Check]] = CHECKS) -> list[Finding]:
    """All findings; a broken environment ends the examination at once, as nothing else can be asked."""
    try:
        cli.ready()
    except EnvError as error:
        return [
            *check_python(),
            *(Finding("fault", ENVIRONMENT, same(line)) for line in str(error).splitlines()),
        ]
    found: list[Finding] = []
    for topic, check in checks:
        try:
            found.extend(check())
        except Exception as error:  # a doctor reports; it does not fall ill itself
            kind = type(error).__name__
            words = " ".join(str(error).split())
            found.append(Finding("fault", topic, Text(f"检查失败:{kind}:{words}", f"check failed: {kind}: {words}")))
    return found


def report(found: Iterable[Finding], language: str) -> str:
    marks = {"ok": "✓", "warn": "!", "fault": "✗"}
    return "\n".join(
        f"{marks[f.level]} {f.topic.in_language(language)}: {f.message.in_language(language)}" for f in found
    )


def as_json(found: Iterable[Finding]) -> str:
    return json.dumps(
        [
            {
                "level": f.level,
                "topic": {"zh": f.topic.zh, "en": f.topic.en},
                "message": {"zh": f.message.zh, "en": f.message.en},
            }
            for f in found
        ],
        ensure_ascii=False,
        indent=2,
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="xiuhua doctor", description="What is configured, reachable and wrong.")
    parser.add_argument("--json", action="store_true", help="findings as JSON, in both languages")
    parser.add_argument("--lang", choices=["zh", "en"], default=cli.terminal_language())
    options = parser.parse_args(argv)
    found = examine()
    print(as_json(found) if options.json else report(found, options.lang))
    return 1 if any(f.level == "fault" for f in found) else 0
