"""Navigation shows what the person may use, in the order of the verbs, and marks where one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.template.loader import render_to_string

from xiuhua import manifest
from xiuhua.manifest import NAV_GROUPS, Manifest, NavItem, Text
from xiuhua.ui import context
from xiuhua.ui.context import Shell, navigation


def item(code: str, group: str, permission: str = "", order: int = 100) -> NavItem:
    return NavItem(Text(f"{code}页", code), code, group, "inbox", permission, order)


ROOMS = (
    Manifest(
        "a",
        Text("甲", "a"),
        nav=(
            item("people", "settings", "accounts.manage"),
            item("cases", "command", "case.read", 2),
            item("report", "command", "case.report", 3),
        ),
    ),
    Manifest("b", Text("乙", "b"), nav=(item("home", "desk"), item("map", "command", "case.read", 1))),
)
URLS = {"people": "/people", "cases": "/cases/", "report": "/cases/new", "home": "/", "map": "/map"}


@pytest.fixture(autouse=True)
def urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "url_of", lambda name: URLS.get(name, ""))


def names(groups: Any) -> dict[str, list[str]]:
    return {group.code: [entry.title.en for entry in group.items] for group in groups}


def test_only_what_the_person_may_use_and_no_empty_group(someone: Callable[..., Any]) -> None:
    assert names(navigation(ROOMS, someone(), "/")) == {"desk": ["home"]}
    assert names(navigation(ROOMS, someone("case.read"), "/")) == {"desk": ["home"], "command": ["map", "cases"]}
    every = names(navigation(ROOMS, someone("case.read", "case.report", "accounts.manage"), "/"))
    assert every == {"desk": ["home"], "command": ["map", "cases", "report"], "settings": ["people"]}


def test_nobody_signed_in_sees_nothing() -> None:
    assert navigation(ROOMS, None, "/") == ()


def test_groups_keep_the_order_of_the_verbs(someone: Callable[..., Any]) -> None:
    shown = [g.code for g in navigation(ROOMS, someone("case.read", "accounts.manage"), "/")]
    assert shown == [code for code in NAV_GROUPS if code in shown]


@pytest.mark.parametrize(
    ("path", "active"),
    [
        ("/", ["home"]),
        ("/cases/", ["cases"]),
        ("/cases/42120020261123", ["cases"]),
        ("/cases/new", ["report"]),
        ("/mapping", []),
        ("/elsewhere", []),
    ],
)
def test_the_longest_address_is_marked(someone: Callable[..., Any], path: str, active: list[str]) -> None:
    groups = navigation(ROOMS, someone("case.read", "case.report"), path)
    assert [e.title.en for g in groups for e in g.items if e.active] == active


def test_a_page_that_no_room_serves_is_left_out(someone: Callable[..., Any]) -> None:
    lost = (Manifest("c", Text("丙", "c"), nav=(item("lost", "desk"),)),)
    assert navigation(lost, someone(), "/") == ()


@pytest.mark.parametrize(("language", "word"), [("zh-hans", "cases页"), ("en", "cases")])
def test_the_page_shows_it(
    monkeypatch: pytest.MonkeyPatch,
    request_for: Callable[..., Any],
    someone: Callable[..., Any],
    settings: Any,
    language: str,
    word: str,
) -> None:
    from django.utils import translation

    monkeypatch.setattr(manifest, "rooms", lambda: ROOMS)
    monkeypatch.setitem(URLS, "logout", "/logout")
    with translation.override(language):
        html = render_to_string("ui/page.html", {}, request_for("/cases/", someone("case.read")))
    assert f"<span>{word}</span>" in html
    assert 'aria-current="page"' in html
    assert "people" not in html
    assert '<form method="post" action="/logout">' in html
    assert 'href="/search"' not in html


def test_the_bottom_bar_has_at_most_four_things_and_more(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., Any], someone: Callable[..., Any]
) -> None:
    many = Manifest("m", Text("多", "m"), nav=tuple(item(f"p{n}", "desk") for n in range(6)))
    monkeypatch.setattr(manifest, "rooms", lambda: (many,))
    monkeypatch.setattr(context, "url_of", lambda name: f"/{name}")
    assert [e.title.en for e in Shell(request_for("/", someone())).bottom] == ["p0", "p1", "p2"]


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("<b>", "auto"), (None, "auto")])
def test_theme_of_this_device(request_for: Callable[..., Any], cookie: str | None, theme: str) -> None:
    request = request_for()
    if cookie:
        request.COOKIES["xiuhua_theme"] = cookie
    assert Shell(request).theme == theme
