"""The settings that come from the environment, typed and checked once at start.

Every variable is named ``XIUHUA_<FIELD>``. A wrong or missing value stops the start with a sentence per
variable; there is no debug mode, secret or password by default. The demo (`xiuhua run`) generates its
own secrets into the data folder and reads them back from there.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from xiuhua.map_provider import MapProvider
from xiuhua.notify_channel import Channel, Network

PREFIX = "XIUHUA_"


class EnvError(Exception):
    """The environment cannot be used; the message has one line per variable."""


class Env(BaseSettings):
    """All settings of the house; a field ``data_dir`` is the variable ``XIUHUA_DATA_DIR``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    secret_key: str = Field(min_length=32, description="Signs sessions and tokens: at least 32 random characters.")
    data_key: str = Field(
        description="Encrypts personal data at rest: 32 random bytes in base64. Losing it loses the data."
    )
    data_dir: Path = Field(default=Path("var"), description="Folder of database, files and collected assets.")
    database_url: str = Field(
        default="",
        description="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; empty = SQLite in DATA_DIR.",
    )
    sqlite_synchronous: Literal["FULL", "NORMAL", "OFF"] = Field(
        default="FULL", description="SQLite durability; anything but FULL may lose acknowledged reports."
    )
    demo: bool = Field(default=False, description="This is the demonstration city: log-ins are shown.")
    demo_password: str = Field(default="", description="Password of the demo log-ins; only together with DEMO.")
    debug: bool = Field(default=False, description="Django debug pages; only together with DEMO.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1", "localhost", "[::1]"), description="Host names served, comma-separated."
    )
    trusted_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins that may post forms behind a proxy: https://host, comma-separated."
    )
    https: bool = Field(default=False, description="Behind HTTPS: secure cookies and HSTS.")
    static: Literal["hashed", "plain"] = Field(
        default="hashed", description="hashed = collected files with digests in their names."
    )
    digest: Literal["sm3", "sha256"] = Field(default="sm3", description="Digest of the event chain.")
    map_tile_url: str = Field(default="", description="Raster tiles {z}/{x}/{y}; empty = own layers only.")
    map_tile_datum: Literal["wgs84", "cgcs2000", "gcj02", "bd09"] = Field(default="wgs84")
    map_tile_attribution: str = Field(default="", description="Shown on the map; licences ask for it.")
    map_providers: tuple[MapProvider, ...] = Field(
        default=(), description="Base maps through the tile proxy, lowest first: a JSON list (docs/operators/map.md)."
    )
    map_cache_mib: int = Field(default=2048, ge=16, description="Disk for cached base-map tiles, MiB.")
    notify_channels: tuple[Channel, ...] = Field(
        default=(), description="Ways out for notices: a JSON list (docs/operators/notices.md)."
    )
    notify_private: tuple[Network, ...] = Field(
        default=(), description='Private networks that webhooks may reach: a JSON list, ["10.20.0.0/16"].'
    )
    public_url: str = Field(
        default="", description="How people reach this house: https://host. One-time links begin with it; empty = none."
    )
    stream_url: str = Field(
        default="",
        description="Where browsers reach `xiuhua stream`: /stream through a proxy, or :PORT/stream beside the pages; "
        "empty = pages look every 20 s.",
    )
    stream_pages_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of the pages that may read a stream on a port of its own; 0 = none.",
    )
    upload_max_bytes: int = Field(default=20 * 2**20, ge=1024, description="Largest single upload, bytes.")
    workers: int = Field(
        default=0, ge=0, le=64, description="Processes of the page server; 0 = one per core (at most 4), one on SQLite."
    )
    worker_threads: int = Field(default=4, ge=1, le=64, description="Request threads of each page server process.")
    log_format: Literal["json", "line"] = Field(
        default="json", description="json = one object a line for programs; line = for a terminal."
    )
    metrics_token: str = Field(
        default="", description="Bearer token that opens /metrics; empty = only from this machine itself."
    )

    @field_validator("allowed_hosts", "trusted_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("data_key")
    @classmethod
    def _key_bytes(cls, value: str) -> str:
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("is not base64") from error
        if len(raw) != 32:
            raise ValueError(f"must be 32 bytes in base64, not {len(raw)}")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        database(value or "sqlite:///x", "FULL")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _long_token(cls, value: str) -> str:
        if value and len(value) < 20:
            raise ValueError("must be at least 20 characters")
        return value

    @field_validator("map_tile_url")
    @classmethod
    def _tile_url(cls, value: str) -> str:
        if value and not (
            value.startswith(("http://", "https://", "/")) and all(p in value for p in ("{z}", "{x}", "{y}"))
        ):
            raise ValueError("must start with http(s):// or / and contain {z}, {x} and {y}")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query
        ):
            raise ValueError("must be https://host or http://host, without a path")
        return value.rstrip("/")

    @field_validator("stream_url")
    @classmethod
    def _stream(cls, value: str) -> str:
        if value and not re.fullmatch(r"(:\d{1,5})?/[\w./-]*", value):
            raise ValueError("must be a path such as /stream or a port and a path such as :8001/stream")
        return value

    @field_validator("map_providers", "notify_channels")
    @classmethod
    def _named_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        codes = [one.code for one in value]
        if len(set(codes)) < len(codes):
            raise ValueError("two of them have the same code")
        return value

    @model_validator(mode="after")
    def _debug_only_in_demo(self) -> Env:
        if self.debug and not self.demo:
            raise ValueError(f"{PREFIX}DEBUG is allowed only together with {PREFIX}DEMO")
        if self.demo_password and not self.demo:
            raise ValueError(f"{PREFIX}DEMO_PASSWORD is allowed only together with {PREFIX}DEMO")
        return self

    @property
    def data_key_bytes(self) -> bytes:
        return base64.b64decode(self.data_key)

    def server_processes(self) -> int:
        """How many processes serve pages. SQLite has one writer at a time: a second process would only wait for it."""
        if self.workers:
            return self.workers
        return min(4, os.cpu_count() or 1) if self.database_url.startswith("postgres") else 1

    def databases(self) -> dict[str, Any]:
        """The value of Django's ``DATABASES['default']``."""
        url = self.database_url or f"sqlite:///{self.data_dir / 'xiuhua.sqlite3'}"
        return database(url, self.sqlite_synchronous)


def database(url: str, synchronous: str) -> dict[str, Any]:
    """Django's connection settings for a database URL; raises ValueError for one we do not speak.

    SQLite: WAL, one writer queueing from BEGIN IMMEDIATE on (no late "database is locked"), erased bytes
    are overwritten (secure_delete) and REPLACE fires the triggers that keep events append-only
    (recursive_triggers). See docs/adr/0002.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        name = unquote(parts.path[1:]) if parts.path.startswith("//") or not parts.netloc else ""
        if not name:
            raise ValueError("a SQLite URL is sqlite:///relative/path or sqlite:////absolute/path")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA secure_delete=ON; "
                    "PRAGMA recursive_triggers=ON; PRAGMA busy_timeout=20000"
                ),
            },
            "TEST": {"NAME": f"{name}.test"},
        }
    if parts.scheme in ("postgresql", "postgres"):
        name = unquote(parts.path.lstrip("/"))
        if not name:
            raise ValueError("a PostgreSQL URL is postgresql://USER:PASSWORD@HOST:PORT/NAME")
        options: dict[str, Any] = dict(parse_qsl(parts.query))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": options.pop("host", unquote(parts.hostname or "")),
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": options,
        }
    raise ValueError(f"unknown database scheme {parts.scheme!r}; sqlite:// or postgresql:// are spoken")


def read(**overrides: Any) -> Env:
    """Read the environment or raise `EnvError` naming every variable at fault (values are never shown)."""
    try:
        return Env(**overrides)
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            field = str(fault["loc"][0]) if fault["loc"] else ""
            message = str(fault["msg"]).removeprefix("Value error, ")
            if len(fault["loc"]) > 1:
                message = f"{'.'.join(str(part) for part in fault['loc'][1:])}: {message}"
            if fault["type"] == "missing":
                message = f"is not set. {Env.model_fields[field].description}"
            lines.append(f"{PREFIX}{field.upper()}: {message}" if field else message)
        raise EnvError("\n".join(lines)) from None
    except SettingsError as error:
        names = ("map_providers", "notify_channels", "notify_private")
        name = next((one for one in names if f'"{one}"' in str(error)), names[0])
        raise EnvError(f"{PREFIX}{name.upper()}: is not JSON. {Env.model_fields[name].description}") from None


@cache
def env() -> Env:
    """The environment as it was when first asked."""
    return read()
