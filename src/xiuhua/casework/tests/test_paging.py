"""Keyset paging: every row once and in order, whatever is equal or missing; a cursor fits its list only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xiuhua.casework import paging
from xiuhua.casework.models import Case, ProcedureVersion
from xiuhua.casework.paging import CASE_SORTS, Count, CursorRefused
from xiuhua.city.models import Platform

DAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def rows(db: None) -> Any:
    """``rows([(due in hours or None, updated in hours), …])`` makes these cases."""
    platform = Platform.objects.create(code="421200", name="测试市", level="city", adcode="421200")
    version = ProcedureVersion.objects.create(code="x", version=1, digest="", text="{}", published_at=DAY)

    def make(hours: list[tuple[int | None, int]]) -> list[Case]:
        Case.objects.all().delete()
        return Case.objects.bulk_create(
            Case(
                id=number,
                number=f"{number:019d}",
                platform=platform,
                procedure=version,
                procedure_code="x",
                state="open",
                due_at=None if due is None else DAY + timedelta(hours=due),
                updated_at=DAY + timedelta(hours=updated),
                created_at=DAY,
            )
            for number, (due, updated) in enumerate(hours, 1)
        )

    return make


def walk(sort: str, size: int) -> list[int]:
    found: list[int] = []
    cursor = ""
    for _round in range(100):
        page = paging.page(Case.objects.all(), CASE_SORTS[sort], filters={"a": 1}, cursor=cursor, size=size)
        assert len(page.rows) <= size
        found += [case.pk for case in page.rows]
        cursor = page.next
        if not cursor:
            return found
        assert len(page.rows) == size, "only the last page may be short"
    raise AssertionError("no end")


def expected(sort: str, cases: list[Case]) -> list[int]:
    """The slow and obvious order."""
    late = datetime.max.replace(tzinfo=UTC)
    keys: dict[str, Any] = {
        "newest": lambda c: -c.pk,
        "due": lambda c: (c.due_at or late, c.pk),
        "updated": lambda c: (-c.updated_at.timestamp(), -c.pk),
        "changes": lambda c: (c.updated_at, c.pk),
    }
    return [case.pk for case in sorted(cases, key=keys[sort])]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.tuples(st.none() | st.integers(0, 3), st.integers(0, 3)), max_size=14), size=st.integers(1, 6))
def test_every_row_once_and_in_order(rows: Any, hours: list[tuple[int | None, int]], size: int) -> None:
    cases = rows(hours)
    for sort in CASE_SORTS:
        assert walk(sort, size) == expected(sort, cases), sort


def test_a_row_that_comes_in_between_moves_no_page(rows: Any) -> None:
    rows([(None, 0)] * 4)
    first = paging.page(Case.objects.all(), CASE_SORTS["newest"], size=2)
    Case.objects.filter(pk=3).delete()  # the last row seen goes away
    second = paging.page(Case.objects.all(), CASE_SORTS["newest"], cursor=first.next, size=2)
    assert [case.pk for case in (*first.rows, *second.rows)] == [4, 3, 2, 1]


def test_a_page_is_one_statement_and_two_where_values_are_missing(rows: Any) -> None:
    rows([(1, 1), (2, 1), (None, 1)])
    for sort, size, most in (("newest", 2, 1), ("due", 1, 1), ("due", 3, 2), ("updated", 2, 1)):
        with CaptureQueriesContext(connection) as seen:
            paging.page(Case.objects.all(), CASE_SORTS[sort], size=size)
        assert len(seen) == most, (sort, size)


def test_every_sort_has_an_index_that_ends_in_id() -> None:
    """Over the whole table or per platform; the primary key is the index of the newest."""
    indexes = [tuple(name.lstrip("-") for name in index.fields) for index in Case._meta.indexes]
    for sort in CASE_SORTS.values():
        if sort.column != "id":
            assert any(fields[-2:] == (sort.column, "id") for fields in indexes), sort


class TestCursors:
    def cursor(self, rows: Any, **filters: Any) -> str:
        rows([(1, 1), (2, 2), (3, 3)])
        return paging.page(Case.objects.all(), CASE_SORTS["due"], filters=filters, size=1).next

    def test_another_filter_or_sort(self, rows: Any) -> None:
        cursor = self.cursor(rows, state="open")
        for sort, filters in (("due", {}), ("due", {"state": "closed"}), ("newest", {"state": "open"})):
            with pytest.raises(CursorRefused, match=r"another filter|其他"):
                paging.page(Case.objects.all(), CASE_SORTS[sort], filters=filters, cursor=cursor)

    def test_empty_filters_are_no_filters(self, rows: Any) -> None:
        cursor = self.cursor(rows, state="", grid=None)
        assert paging.page(Case.objects.all(), CASE_SORTS["due"], filters={}, cursor=cursor, size=1).rows[0].pk == 2

    @pytest.mark.parametrize("wrong", ["x", "漢", "a" * 1000, "WyJhIiwgMSwgMl0", "\0", "a:b"])
    def test_rubbish(self, rows: Any, wrong: str) -> None:
        with pytest.raises(CursorRefused):
            paging.page(Case.objects.all(), CASE_SORTS["due"], cursor=wrong)

    def test_every_changed_character_is_found(self, rows: Any) -> None:
        cursor = self.cursor(rows)
        for at in range(len(cursor)):
            other = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
            with pytest.raises(CursorRefused):
                paging.page(Case.objects.all(), CASE_SORTS["due"], cursor=other)


def test_counts_are_capped(rows: Any) -> None:
    rows([(None, 0)] * 5)
    assert paging.count(Case.objects.order_by("number"), cap=5) == Count(5)
    assert paging.count(Case.objects.all(), cap=4) == Count(4, True)
    assert str(Count(10_000, True)) == "10,000+" and str(Count(9_999)) == "9,999"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.integers(0, 3)), min_size=1, max_size=9))
def test_before_and_after_a_row_as_in_the_slow_order(rows: Any, hours: list[tuple[int | None, int]]) -> None:
    cases = rows(hours)
    for sort in CASE_SORTS:
        order = expected(sort, cases)
        by_pk = {case.pk: case for case in cases}
        for place, pk in enumerate(order):
            before, after = paging.around(Case.objects.all(), CASE_SORTS[sort], by_pk[pk])
            assert (before and before.pk) == (order[place - 1] if place else None)
            assert (after and after.pk) == (order[place + 1] if place + 1 < len(order) else None)
