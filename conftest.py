"""Fixtures of the house; each room has its own beside its tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium that drives the browser tests (``XIUHUA_TEST_CHROMIUM``, else Debian's)."""
    path = os.environ.get("XIUHUA_TEST_CHROMIUM") or shutil.which("chromium")
    if not path:
        message = "no Chromium: apt-get install chromium fonts-noto-cjk"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One headless browser per session; take ``browser.new_context(...)`` per test."""
    from playwright.sync_api import sync_playwright

    # Playwright's loop runs in this thread, where the tests also touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    arguments = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    arguments += [
        "--disable-component-update",
        "--disable-sync",
        "--use-gl=swiftshader",
        "--enable-unsafe-swiftshader",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=arguments)
        yield running
        running.close()
