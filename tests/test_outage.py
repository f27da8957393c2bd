"""A full disk is said as one, on pages and to programs; any other failure stays a 500."""

from __future__ import annotations

import errno
import os

import pytest
from django.db import OperationalError
from django.test import Client

from xiuhua.ops import health


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"),
    [(OSError(errno.ENOSPC, "x"), 503), (OperationalError("disk"), 503), (OSError(errno.EACCES, "x"), 500)],
)
def test_what_a_page_answers(monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(health, "questions", broken)
    got = Client(raise_request_exception=False).get("/readyz", headers={"accept-language": "en"})
    assert got.status_code == status
    assert ("Retry-After" in got.headers) == (status == 503)
    assert got.headers["X-Request-ID"] in got.content.decode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_the_systems_own_word_for_full_is_known() -> None:
    from xiuhua import outage

    with pytest.raises(OSError) as caught, open("/dev/full", "w") as file:  # noqa: PTH123
        file.write("x")
        file.flush()
    assert outage.is_outage(caught.value)
