"""What is exported comes in again equal: any text, date, choice, reference and position, in all four formats."""

from __future__ import annotations

import string
from datetime import date
from typing import Any

import pytest
from django.utils.translation import override
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from xiuhua.city.models import Component, Organisation, Place
from xiuhua.ledgers import columns, exports, scope
from xiuhua.ledgers.columns import Plain, Refs
from xiuhua.ledgers.models import Batch
from xiuhua.ledgers.tests.conftest import Ground, component_code

pytestmark = pytest.mark.django_db

#: Text as people and spreadsheets mangle it: Chinese, quotes, separators, signs of formulas, apostrophes, edges of Unicode.
_SIGNS = st.sampled_from([*string.ascii_letters, *string.digits, *"=+-@'\",;|（）、，。 井盖供水街道路𠮷é\u00a0"])
_LINE = st.text(_SIGNS, max_size=30).map(str.strip)
_NAME = _LINE.filter(bool)
_DAY = st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
_ROW = st.fixed_dictionaries(
    {
        "name": _NAME, "name_en": _LINE, "note": _LINE, "surveyed_on": _DAY, "changed_on": _DAY, "source": _LINE,
        "state": st.sampled_from(["intact", "broken", "lost", "abandoned", "removed"]),
        "owned": st.booleans(),
        "lon_e7": st.integers(1_143_010_000, 1_143_390_000), "lat_e7": st.integers(298_210_000, 298_590_000),
    }
)  # fmt: skip
# Without shrinking: an example costs two imports, and a failing one is small enough as it is.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
_PROPERTY = settings(
    max_examples=5, deadline=None, phases=_PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def plain_of(ground: Ground, code: str) -> dict[str, dict[str, Plain]]:
    """Key -> plain values of all rows."""
    ledger = ground.ledger(code)
    book = columns.book(ledger)
    rows = list(scope.visible(ledger, ground.actor()))
    refs = Refs().of_rows(book, rows)
    found = {}
    for row in rows:
        values = columns.plain(book, row, refs)
        found["/".join(str(values[name]) for name in ledger.key)] = values
    return found


def taken_out(ground: Ground, code: str, form: str) -> bytes:
    ledger = ground.ledger(code)
    return b"".join(exports.made(columns.book(ledger), scope.visible(ledger, ground.actor()), form))


def equal(before: dict[str, Any], after: dict[str, Any], except_for: tuple[str, ...] = ()) -> None:
    def cut(rows: dict[str, Any]) -> dict[str, Any]:
        return {key: {k: v for k, v in row.items() if k not in except_for} for key, row in rows.items()}

    assert cut(after) == cut(before)


@pytest.mark.parametrize("form", ["csv", "xlsx", "geojson", "gpkg"])
@_PROPERTY
@given(rows=st.lists(_ROW, min_size=1, max_size=4))
def test_components_come_back_equal(ground: Ground, form: str, rows: list[dict[str, Any]]) -> None:
    """First over the rows that stand (nothing changes), then into an empty ledger (the same rows)."""
    Component.objects.all().delete()
    for serial, row in enumerate(rows, 1):
        values = dict(row)
        owner = ground.unit if values.pop("owned") else None
        ground.cover(serial, **values, owner=owner, datum="cgcs2000")
    before, file = plain_of(ground, "components"), taken_out(ground, "components", form)
    over = ground.send("components", f"a.{form}", file, system="cgcs2000")
    assert (over.status, over.counts.get("same"), over.counts.get("refused")) == ("checked", len(rows), 0), (
        over.error, over.counts,
    )  # fmt: skip
    Component.objects.all().delete()
    batch = ground.bring("components", f"a.{form}", file, system="cgcs2000")
    assert batch.status == "done" and batch.counts["new"] == len(rows)
    # An empty source is filled with the name of the file that brought the row.
    for key, row in before.items():
        row["source"] = row["source"] or f"a.{form}"
        assert component_code(1)[:11] in key
    equal(before, plain_of(ground, "components"))


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("form", ["csv", "xlsx", "geojson", "gpkg"])
def test_lines_and_polygons_come_back_equal(ground: Ground, form: str, language: str) -> None:
    """Headers are in the language of whoever takes the file out."""
    shapes = {
        "点": "POINT (114.32 29.84)",
        "线": "LINESTRING (114.31 29.83, 114.32 29.84, 114.33 29.83)",
        "面": "POLYGON ((114.31 29.83, 114.33 29.83, 114.33 29.85, 114.31 29.83))",
        "洞": "POLYGON ((114.3 29.82, 114.34 29.82, 114.34 29.86, 114.3 29.86, 114.3 29.82),"
        " (114.31 29.83, 114.32 29.83, 114.32 29.84, 114.31 29.83))",
        "多": "MULTIPOLYGON (((114.31 29.83, 114.32 29.83, 114.32 29.84, 114.31 29.83)),"
        " ((114.33 29.83, 114.34 29.83, 114.34 29.84, 114.33 29.83)))",
    }
    header = "name,kind,platform,wkt"
    lines = [f'{name},area,421200,"{wkt}"' for name, wkt in shapes.items()]
    first = ground.bring("places", "p.csv", "\n".join([header, *lines]).encode(), system="cgcs2000")
    assert first.counts["new"] == len(shapes), first.counts
    with override(language):
        before, file = plain_of(ground, "places"), taken_out(ground, "places", form)
    assert ground.send("places", f"a.{form}", file, system="cgcs2000").counts["same"] == len(shapes)
    Place.objects.all().delete()
    assert ground.bring("places", f"a.{form}", file, system="cgcs2000").counts["new"] == len(shapes)
    equal(before, plain_of(ground, "places"))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@_PROPERTY
@given(names=st.lists(st.tuples(_NAME, _LINE, st.booleans()), min_size=1, max_size=5))
def test_organisations_come_back_equal(ground: Ground, form: str, names: list[tuple[str, str, bool]]) -> None:
    Organisation.objects.filter(code__startswith="t-").delete()
    for number, (name, short, active) in enumerate(names):
        Organisation.objects.create(
            code=f"t-{number:03d}", name=name, short_name=short[:20], kind="crew", platform=ground.city,
            parent=ground.unit, active=active,
        )  # fmt: skip
    before, file = plain_of(ground, "organisations"), taken_out(ground, "organisations", form)
    batch: Batch = ground.send("organisations", f"a.{form}", file)
    assert (batch.counts.get("same"), batch.counts.get("refused")) == (len(before), 0), f"{batch.error} {batch.counts}"
    Organisation.objects.filter(code__startswith="t-").delete()
    assert ground.bring("organisations", f"a.{form}", file).counts["new"] == len(names)
    equal(before, plain_of(ground, "organisations"))
