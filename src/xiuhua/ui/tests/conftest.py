"""Requests as the shell sees them: an actor is anything with `has`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from xiuhua import messages


@dataclass(frozen=True)
class Someone:
    """An actor with these permissions."""

    permissions: frozenset[str]
    display_name: str = "测试员"

    def has(self, permission: str) -> bool:
        return permission in self.permissions


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    messages.compile_all(("ui",))


@pytest.fixture
def someone() -> Callable[..., Someone]:
    return lambda *permissions: Someone(frozenset(permissions))


@pytest.fixture
def request_for(rf: RequestFactory) -> Callable[..., Any]:
    """A GET request with an actor and an anonymous session user."""

    def make(path: str = "/", actor: Any = None) -> Any:
        request: Any = rf.get(path)
        request.actor = actor
        request.user = AnonymousUser()
        return request

    return make
