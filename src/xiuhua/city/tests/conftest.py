"""Fixtures of the ground."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xiuhua.city.division_import import XIANNING


@pytest.fixture(scope="session")
def small_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The carried data cut down to one sub-district and its communities: quick to import."""
    folder = tmp_path_factory.mktemp("small-city")
    for name in ("platforms.yaml", "boundaries_epsg4490.geojson"):
        shutil.copy(XIANNING / name, folder)
    for name in ("townships.csv", "villages.csv"):
        lines = (XIANNING / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = lines[:1] + [line for line in lines if line.startswith("421202001")]
        (folder / name).write_text("".join(kept), encoding="utf-8")
    return folder
