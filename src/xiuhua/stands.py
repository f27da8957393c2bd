"""Does everything stand for serving? Asked at each start without Django, whose import costs more than all the answers.

Translations, collected static files, migrations, demo: each is looked at with a listing of files or one small query.
Any doubt is a no; then `xiuhua run` loads Django and goes through the steps, which say what is wrong in words.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xiuhua.env import Env
from xiuhua.rooms import DJANGO_APPS, ROOMS

HERE = Path(__file__).resolve().parent
DEMO_MARK = "xiuhua_demo_mark"


def everything(env: Env) -> bool:
    """True when no step of a start has any work to do."""
    return not stale_translations() and (env.static != "hashed" or static_stands(env)) and database_stands(env)


def stale_translations(rooms: tuple[str, ...] = ROOMS, base: Path = HERE) -> list[Path]:
    """The .po files that are newer than their .mo."""
    found = []
    for room in rooms:
        for po in sorted((base / room).glob("locale/*/LC_MESSAGES/*.po")):
            mo = po.with_suffix(".mo")
            if not mo.exists() or mo.stat().st_mtime_ns < po.stat().st_mtime_ns:
                found.append(po)
    return found


def static_stamp(env: Env) -> Path:
    return env.data_dir / "static" / ".stamp"


def static_digest() -> str:
    """Of names, sizes and times of all static files of the rooms; the apps of Django that we use bring none."""
    digest = hashlib.sha256()
    for room in ROOMS:
        folder = HERE / room / "static"
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            stat = path.stat()
            digest.update(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def static_stands(env: Env) -> bool:
    stamp = static_stamp(env)
    return stamp.is_file() and stamp.read_text() == static_digest()


def migrations() -> set[tuple[str, str]]:
    """(app, name) of every migration file of the rooms and of the apps of Django."""
    django = find_spec("django")
    assert django and django.submodule_search_locations
    contrib = Path(django.submodule_search_locations[0]) / "contrib"
    folders = {room: HERE / room / "migrations" for room in ROOMS}
    folders |= {app: contrib / app / "migrations" for app in DJANGO_APPS}
    return {
        (app, file.stem)
        for app, folder in folders.items()
        for file in folder.glob("*.py")
        if not file.name.startswith(("_", "~"))
    }


def database_stands(env: Env) -> bool:
    """Whether every migration has been applied, and the demo, where this is one, loaded to its end."""
    questions = ["SELECT app, name FROM django_migrations"]
    if env.demo:
        questions.append(f"SELECT state FROM {DEMO_MARK}")  # noqa: S608
    answers = _ask(env, questions)
    if answers is None or not migrations() <= set(answers[0]):
        return False
    return not env.demo or answers[1] == [("loaded",)]


def _ask(env: Env, questions: list[str]) -> list[list[tuple[Any, ...]]] | None:
    """The rows of each question; None when the database is away, new or not ours."""
    if env.database_url.startswith("postgres"):
        import psycopg

        try:
            with psycopg.connect(env.database_url, connect_timeout=10) as line:
                return [line.execute(question).fetchall() for question in questions]
        except psycopg.Error:
            return None
    path = Path(env.databases()["NAME"])
    if not path.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as base:
            return [base.execute(question).fetchall() for question in questions]
    except sqlite3.Error:
        return None
