"""Log lines for programs (JSON) and for a terminal. Neither holds personal data.

A line has a moment, a level, a logger, a message of ours, the number of the request, and ``fields`` given by
``extra={"fields": {...}}``: codes, numbers and durations only. Of an exception the kind, the database's error code and
the places in the code are told, never its message: a database quotes the row that it refuses.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

from xiuhua import request_id

#: So many places of a traceback are told, the innermost.
PLACES = 12


def error_of(record: logging.LogRecord) -> dict[str, Any]:
    """What may be told of the exception of a record; empty when there is none."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
    told: dict[str, Any] = {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or error
    if state := getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None):
        told["database"] = str(state)
    if isinstance(error, OSError) and error.strerror:
        told["system"] = error.strerror
    return told


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if number := request_id.current():
            line["request"] = number
        line |= getattr(record, "fields", {})
        line |= error_of(record)
        return json.dumps(line, ensure_ascii=False, default=str)


class LineFormatter(logging.Formatter):
    """The same for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        words = [moment, f"{record.levelname:<7}", f"{record.name}:", record.getMessage()]
        if number := request_id.current():
            words.append(f"[{number}]")
        words += [f"{name}={value}" for name, value in getattr(record, "fields", {}).items()]
        told = error_of(record)
        places = [f"\n    {place}" for place in told.pop("at", [])]
        return " ".join([*words, *(f"{name}={value}" for name, value in told.items())]) + "".join(places)


def config(form: str) -> dict[str, Any]:
    """``logging.dictConfig`` of every process; ``form`` is json or line. Requests are logged by ``xiuhua.request``."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "xiuhua.logs.JsonFormatter"},
            "line": {"()": "xiuhua.logs.LineFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "xiuhua": {"level": "INFO"},
            # A terminal is for what goes wrong; a line for each request is for programs.
            "xiuhua.request": {"level": "INFO" if form == "json" else "WARNING"},
            "django": {"level": "WARNING"},
            # Said by `xiuhua.request` already, and with the address, which may hold what somebody looked for.
            "django.request": {"level": "ERROR"},
            "django.db.backends": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }
