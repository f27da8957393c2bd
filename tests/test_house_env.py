"""The environment: what is refused, and that the refusal names the variable and never shows a secret."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.env import EnvError, database, read

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "s" * 48


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [n for n in os.environ if n.startswith("XIUHUA_")]:
        monkeypatch.delenv(name)


def test_nothing_set_names_both_keys() -> None:
    with pytest.raises(EnvError) as refusal:
        read()
    assert "XIUHUA_SECRET_KEY: is not set" in str(refusal.value)
    assert "XIUHUA_DATA_KEY: is not set" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SECRET_KEY", "short", "at least 32"),
        ("DATA_KEY", "not base64 at all!", "is not base64"),
        ("DATA_KEY", base64.b64encode(b"16 bytes of data").decode(), "not 16"),
        ("DATABASE_URL", "mysql://host/name", "unknown database scheme 'mysql'"),
        ("DATABASE_URL", "postgresql://host", "postgresql://USER"),
        ("DATABASE_URL", "sqlite://name", "sqlite:///"),
        ("DIGEST", "md5", "sm3"),
        ("UPLOAD_MAX_BYTES", "ten", "integer"),
        ("MAP_TILE_URL", "https://tiles.example/{z}/{x}", "{y}"),
        ("MAP_TILE_DATUM", "mars", "gcj02"),
        ("DEMO", "perhaps", "boolean"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    for key, good in {"SECRET_KEY": SECRET, "DATA_KEY": KEY, name: value}.items():
        monkeypatch.setenv(f"XIUHUA_{key}", good)
    with pytest.raises(EnvError) as refusal:
        read()
    assert str(refusal.value).startswith(f"XIUHUA_{name}: ")
    assert says in str(refusal.value)
    if name.endswith("KEY"):
        assert value not in str(refusal.value)


@pytest.mark.parametrize("field", ["debug", "demo_password"])
def test_debug_and_a_known_password_exist_only_in_the_demo(field: str) -> None:
    value: object = True if field == "debug" else "abcd"
    with pytest.raises(EnvError, match=f"XIUHUA_{field.upper()} is allowed only together with XIUHUA_DEMO"):
        read(secret_key=SECRET, data_key=KEY, **{field: value})
    assert getattr(read(secret_key=SECRET, data_key=KEY, demo=True, **{field: value}), field) == value


def test_defaults_are_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    env = read(secret_key=SECRET, data_key=KEY)
    assert (env.demo, env.debug, env.demo_password) == (False, False, "")
    assert set(env.allowed_hosts) == {"127.0.0.1", "localhost", "[::1]"}
    monkeypatch.setenv("XIUHUA_ALLOWED_HOSTS", "a.example, b.example,")
    assert read(secret_key=SECRET, data_key=KEY).allowed_hosts == ("a.example", "b.example")


def test_sqlite_urls() -> None:
    assert database("sqlite:///var/x.sqlite3", "FULL")["NAME"] == "var/x.sqlite3"
    made = database("sqlite:////data/x.sqlite3", "FULL")
    assert made["NAME"] == "/data/x.sqlite3"
    assert made["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "recursive_triggers=ON"):
        assert pragma in made["OPTIONS"]["init_command"]


_word = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(user=_word, password=_word, name=_word)
def test_postgresql_urls_carry_any_character(user: str, password: str, name: str) -> None:
    from urllib.parse import quote

    who, what = f"{quote(user, safe='')}:{quote(password, safe='')}", quote(name, safe="")
    made = database(f"postgresql://{who}@db.example:5433/{what}?sslmode=require", "FULL")
    assert (made["USER"], made["PASSWORD"], made["NAME"]) == (user, password, name)
    assert (made["HOST"], made["PORT"]) == ("db.example", "5433")
    assert made["OPTIONS"] == {"sslmode": "require"}


def test_postgresql_by_socket_folder() -> None:
    made = database("postgresql:///city?host=/run/postgresql", "FULL")
    assert (made["HOST"], made["NAME"]) == ("/run/postgresql", "city")
