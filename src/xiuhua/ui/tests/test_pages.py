"""Error pages, the language switch and the doors of the shell's own pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation
from django.views import defaults

from xiuhua import doors
from xiuhua.ui import views

HEADINGS = {
    "400": ("请求无法识别", "could not be read"),
    "403": ("您无权查看此页", "not open to you"),
    "403_csrf": ("表单已过期", "form has expired"),
    "404": ("没有这个页面", "no such page"),
    "429": ("尝试次数过多", "Too many tries"),
    "500": ("系统出错了", "wrong on our side"),
}


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", HEADINGS)
def test_error_pages_render_without_request_or_context(name: str, language: str) -> None:
    with translation.override(language):
        html = render_to_string(f"{name}.html")
    assert HEADINGS[name][language == "en"] in html
    assert f'<html lang="{"en" if language == "en" else "zh-Hans"}"' in html


def test_server_error_uses_ours(request_for: Callable[..., Any]) -> None:
    response = defaults.server_error(request_for())
    assert response.status_code == 500
    assert 'data-error="500"' in response.content.decode()


def test_refusal_says_what_was_refused(request_for: Callable[..., Any]) -> None:
    html = defaults.permission_denied(request_for(), PermissionDenied("岗位不含:派遣")).content.decode()
    assert "岗位不含:派遣" in html
    assert "Your posts do not include" not in html


def test_too_many_says_how_long(request_for: Callable[..., Any]) -> None:
    with translation.override("en"):
        response = views.too_many_requests(request_for(), 30)
    assert response.status_code == 429 and response.headers["Retry-After"] == "30"
    assert "30 seconds" in response.content.decode()


@pytest.mark.django_db
def test_unknown_address_shows_the_designed_page(client: Client) -> None:
    response = client.get("/no/such/page", headers={"accept-language": "zh-hans"})
    assert response.status_code == 404
    assert "没有这个页面" in response.content.decode()


@pytest.mark.django_db
def test_language_is_kept_and_leads_back(client: Client) -> None:
    response = client.post("/ui/language", {"language": "en", "next": "/login?next=/x"})
    assert response.status_code == 302 and response.headers["Location"] == "/login?next=/x"
    assert response.cookies[settings.LANGUAGE_COOKIE_NAME].value == "en"
    assert "no such page" in client.get("/no/such/page").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_language_leads_nowhere_else(client: Client, target: str) -> None:
    assert client.post("/ui/language", {"language": "en", "next": target}).headers["Location"] == "/"


@pytest.mark.django_db
def test_unknown_language_changes_nothing(client: Client) -> None:
    response = client.post("/ui/language", {"language": "xx", "next": "/"})
    assert settings.LANGUAGE_COOKIE_NAME not in response.cookies
    assert client.get("/ui/language").status_code == 405


@pytest.mark.django_db
def test_the_guide_asks_to_log_in(client: Client) -> None:
    response = client.get("/ui/guide")
    assert response.status_code == 302 and "login" in response.headers["Location"]


def test_the_guide_shows_its_pages_and_pieces(request_for: Callable[..., Any], someone: Callable[..., Any]) -> None:
    from django.http import Http404

    assert views.guide(request_for("/ui/guide?page=form", someone())).status_code == 200
    for name in ("counties", "cases", "options", "place"):
        assert views.guide_piece(request_for(f"/ui/guide/{name}", someone()), name).status_code == 200
    with pytest.raises(Http404):
        views.guide_piece(request_for("/ui/guide/x", someone()), "x")
    with pytest.raises(Http404):
        views.guide(request_for("/ui/guide?page=../base", someone()))


def page(request: Any) -> HttpResponse:
    return HttpResponse("in")


def test_doors(request_for: Callable[..., Any], someone: Callable[..., Any]) -> None:
    locked = doors.requires("case.read", "case.act")(page)
    assert locked.access == doors.Access("permission", ("case.read", "case.act"))  # type: ignore[attr-defined]
    assert locked(request_for("/a?b=1")).headers["Location"] == "/login?next=/a%3Fb%3D1"
    with pytest.raises(PermissionDenied):
        locked(request_for("/a", someone("case.report")))
    assert locked(request_for("/a", someone("case.act"))).content == b"in"
    assert doors.signed_in(page)(request_for("/a", someone())).content == b"in"
    assert doors.public("a test page")(page)(request_for("/a")).content == b"in"
    for wrong in (lambda: doors.public(" "), lambda: doors.requires(), lambda: doors.requires("")):
        with pytest.raises(ValueError):
            wrong()


def test_an_htmx_request_moves_the_page_to_the_login(request_for: Callable[..., Any]) -> None:
    request = request_for("/part")
    request.META.update(HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL="http://testserver/cases?tag=1")
    response = doors.signed_in(page)(request)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/login?next=/cases%3Ftag%3D1"
