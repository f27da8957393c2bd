"""The whole URL map: every view says what it asks, and nobody gets in without it or sees what is out of sight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import walkers
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import get_resolver
from walkers import Door, Known

from xiuhua.casework import library, permits
from xiuhua.casework.models import Case
from xiuhua.city import memory, roles, tokens
from xiuhua.city.access import actor_for
from xiuhua.city.models import User
from xiuhua.demo.tests import small_city

DOORS = walkers.doors(get_resolver())
#: One account of every role; two of units, one of them with no case; a county's.
WALKERS = (
    "hotline", "intake", "dispatcher", "municipal", "greening", "handler", "crew", "collector", "collector3", "chief",
    "leader", "coordinator", "evaluator", "auditor", "admin", "jiayu-intake", "jiayu-chief",
)  # fmt: skip


@pytest.fixture(scope="module")
def _ground(django_db_setup: Any, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        memory.forget()
        library.version.cache_clear()
        outer = transaction.atomic()
        outer.__enter__()
        try:
            small_city.build()
            yield
        finally:
            transaction.set_rollback(True)
            outer.__exit__(None, None, None)
            memory.forget()
            library.version.cache_clear()


@pytest.fixture
def known(_ground: None, db: Any, settings: Any, tmp_path: Any) -> Known:
    """A case of the city with a task, a photo and a token, and the same of a county."""
    settings.DATA_DIR = tmp_path
    memory.forget()
    cache.clear()
    return walkers.fill()


def test_every_view_says_what_it_asks() -> None:
    assert len(DOORS) > 40, "the map is walked to its leaves"
    assert [door.route for door in DOORS if door.access is None] == []
    assert [door.route for door in DOORS if door.access.kind == "public" and not door.access.why] == []


def test_what_is_public_is_known() -> None:
    """A new public address is a decision: it is written here."""
    public = {door.route for door in DOORS if door.access.kind == "public"}
    assert public <= {
        "api/v1/", "api/v1/openapi.json", "api/v1/<path:path>", "login", "logout", "language", "i18n/language",
        "ui/language", "healthz", "readyz", "metrics", "ogc/api",
        "l/<str:token>", "link/<int:pk>/", "link/<int:pk>/<str:deed>",
    }, public  # fmt: skip


def test_every_role_walks() -> None:
    everybody = {person.username: person for person in walkers.people()}
    walked = {everybody[name].post.rpartition(":")[2] for name in WALKERS}
    assert len(walked) >= len(roles.roles()) - 1, "hotline is a post of an intake operator"


def test_nobody_gets_in(known: Known) -> None:
    for door in DOORS:
        if door.access.kind == "public":
            continue
        for method, url in door.calls(known.mine):
            got = Client().generic(method, url)
            if door.is_api:
                assert got.status_code in (401, 403, 405), (method, url, got.status_code)
            else:
                assert got.status_code in (302, 403, 405), (method, url, got.status_code)
                assert got.status_code != 302 or got.headers["Location"].startswith("/login"), url
            known.nothing_of(got, url)


@pytest.mark.parametrize("name", WALKERS)
def test_pages_let_in_by_permission_and_sight(known: Known, name: str) -> None:
    user = User.objects.get(username=name)
    actor = actor_for(user)
    client = Client()
    client.force_login(user)
    sees = {number for number in known.numbers if permits.visible(actor).filter(number=number).exists()}
    for door in (one for one in DOORS if not one.is_api):
        for place in known.places:
            for method, url in door.calls(place):
                before = walkers.state()
                got = client.generic(method, url, "", "application/x-www-form-urlencoded")
                where = (name, method, url, got.status_code)
                assert got.status_code < 500, where
                if door.access.kind == "permission" and not any(actor.has(one) for one in door.access.permissions):
                    assert got.status_code == 403, where
                elif door.names_case and place.number not in sees:
                    assert got.status_code in (403, 404, 405), where
                if method != "GET":
                    assert walkers.state() == before, f"an empty form changes nothing: {where}"
                known.nothing_of(got, where, but=sees)
        if door.route == "logout":
            client.force_login(user)


@pytest.mark.parametrize("name", WALKERS)
def test_operations_let_in_by_permission_and_sight(known: Known, name: str) -> None:
    user = User.objects.get(username=name)
    actor = actor_for(user)
    scopes = [one for one in roles.permissions() if actor.has(one)]
    _walk_api(known, user, actor, scopes, name)


@pytest.mark.parametrize("scope", ["ground.read", "case.report"])
def test_a_token_opens_no_more_than_its_scopes(known: Known, scope: str) -> None:
    user = User.objects.get(username="chief")
    _walk_api(known, user, actor_for(user).with_scopes([scope]), [scope], f"token {scope}")


def _walk_api(known: Known, user: User, actor: Any, scopes: list[str], name: str) -> None:
    _row, raw = tokens.issue(user, actor_for(user), "walk", scopes, 2, check=False)
    actor = replace(actor, scopes=frozenset(scopes))
    bearer = {"Authorization": f"Bearer {raw}"}
    sees = {number for number in known.numbers if permits.visible(actor).filter(number=number).exists()}
    for door in (one for one in DOORS if one.is_api):
        for place in known.places:
            for method, url in door.calls(place):
                before = walkers.state()
                body, kind = ("", "") if method == "GET" else (json.dumps({}), "application/json")
                got = Client().generic(method, url, body, kind, headers=bearer)
                where = (name, method, url, got.status_code)
                assert got.status_code < 500, where
                access = door.access_of(method)
                if got.status_code == 405:
                    continue
                if access.kind == "permission" and not any(actor.has(one) for one in access.permissions):
                    assert got.status_code == 403, where
                elif door.names_case and place.number not in sees:
                    assert got.status_code in (403, 404, 415, 422), where
                if got.status_code >= 400:
                    assert got.headers["Content-Type"] == "application/problem+json", where
                    assert walkers.state() == before, where
                known.nothing_of(got, where, but=sees)


def test_the_walk_meets_open_doors_too(known: Known) -> None:
    """Otherwise a map that refuses everybody would pass."""
    client = Client()
    client.force_login(User.objects.get(username="chief"))
    opened = {
        door.route
        for door in DOORS
        if not door.is_api
        and any(client.get(url).status_code == 200 for method, url in door.calls(known.mine) if method == "GET")
    }
    assert {"", "cases/", "cases/<str:number>/", "cases/<str:number>/why/", "map/", "procedures/"} <= opened
    assert Case.objects.count() >= 2


def test_a_files_address_does_not_open_it(known: Known) -> None:
    for name, status in (("chief", 200), ("hotline", 200), ("greening", 404), ("jiayu-intake", 404)):
        client = Client()
        client.force_login(User.objects.get(username=name))
        assert client.get(f"/files/{known.mine.sha256}").status_code == status, name


_ = Door
