"""The content policy stands on every response, and no template or script would break it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from xiuhua import rooms
from xiuhua.ui.middleware import HEADER, ContentPolicyMiddleware, policy, tile_origin

SOURCES = Path(rooms.__file__).parent


def templates() -> Iterator[Path]:
    for room in rooms.ROOMS:
        yield from sorted((SOURCES / room).rglob("templates/**/*.html"))


def test_policy_allows_nothing_inline_evaluated_or_from_afar() -> None:
    directives = dict(part.split(" ", 1) for part in policy("").split("; "))
    assert directives["default-src"] == "'self'"
    assert directives["script-src"] == directives["style-src"] == directives["worker-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy("")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("", ""),
        ("/tiles/{z}/{x}/{y}.png", ""),
        ("https://t.example.cn/{z}/{x}/{y}", "https://t.example.cn"),
        ("http://t.example.cn:8080/{z}/{x}/{y}?k=1", "http://t.example.cn:8080"),
        ("https://t{s}.example.cn/{z}/{x}/{y}", "https://*.example.cn"),
    ],
)
def test_tiles_widen_pictures_and_connections_only(url: str, origin: str) -> None:
    assert tile_origin(url) == origin
    directives = dict(part.split(" ", 1) for part in policy(url).split("; "))
    for name, value in directives.items():
        assert (bool(origin) and origin in value) == (bool(origin) and name in ("img-src", "connect-src")), name


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/login", "/ui/guide", "/no/such/page", "/api/v1/openapi.json"])
def test_every_response_carries_the_headers(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.headers[HEADER] == policy("")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("made to fail")


urlpatterns = [path("broken", broken)]


@pytest.mark.urls(__name__)
def test_a_failing_page_carries_them_too(client: Client) -> None:
    client.raise_request_exception = False
    response = client.get("/broken")
    assert response.status_code == 500
    assert response.headers[HEADER] == policy("")


def test_a_stricter_policy_of_a_view_stays(rf: RequestFactory) -> None:
    own = HttpResponse(headers={HEADER: "default-src 'none'"})
    assert ContentPolicyMiddleware(lambda request: own)(rf.get("/")).headers[HEADER] == "default-src 'none'"


@pytest.mark.parametrize("file", list(templates()), ids=lambda p: str(p.relative_to(SOURCES)))
def test_no_template_has_inline_script_or_style(file: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", file.read_text("utf-8"), flags=re.DOTALL)
    tags = re.findall(r"<[a-zA-Z][^>]*>", text)
    for tag in tags:
        assert not re.search(r"\s(style|on[a-z]+|hx-on[:\w-]*)\s*=", tag), tag
        assert not re.search(r"(href|src|action)\s*=\s*[\"']?\s*javascript:", tag, re.IGNORECASE), tag
        assert not re.search(r"hx-(vals|headers|vars)\s*=\s*[\"']\s*js:", tag), tag
    assert not re.search(r"<style\b", text)
    for script in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in script or 'type="application/json"' in script, script


def test_no_own_script_evaluates_text_or_writes_markup() -> None:
    for file in (SOURCES / "ui" / "static" / "ui").glob("*.js"):
        assert not re.search(
            r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|setAttribute\(\"style\"",
            file.read_text("utf-8"),
        ), file.name
