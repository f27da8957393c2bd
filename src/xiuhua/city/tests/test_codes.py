"""Codes of grids, components and divisions: what is read can be written again, and faults name their digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiuhua.city.codes import (
    COMPONENT_SCHEMES,
    GRID_SCHEMES,
    CodeError,
    component_code,
    division_level,
    division_parent,
    faults,
    grid_code,
    make_component_code,
    make_grid_code,
)


@given(st.integers(1, 999), st.integers(1, 999), st.integers(1, 999))
def test_a_grid_code_round_trips(street, village, number):
    community = f"421202{street:03d}{village:03d}"
    read = grid_code(make_grid_code(community, number))
    assert (read.county, read.sub_district, read.community) == ("421202", community[:9], community)
    assert read.number == number


@given(st.sampled_from(["2013", "2026"]), st.integers(1, 99), st.integers(1, 99), st.integers(1, 999_999))
def test_a_component_identifier_round_trips(scheme, major, minor, serial):
    width = 2 if scheme == "2013" else 3
    class_code = f"{major:02d}{minor:0{width}d}"
    read = component_code(make_component_code(scheme, "421202", class_code, serial), scheme)
    assert (read.class_code, read.serial, len(read.code)) == (class_code, serial, 14 + width)


def test_the_sample_of_the_2013_standard():
    read = component_code("3205080101000001", "2013")
    assert (read.county, read.major, read.minor, read.serial) == ("320508", "01", "01", 1)


@pytest.mark.parametrize(
    ("code", "kind", "first", "last"),
    [
        ("42120200100200", "length", 1, 14),
        ("4212020010020011", "length", 1, 16),
        ("", "length", 1, 0),
        ("42120200100200A", "not_a_digit", 15, 15),
        ("４21202001002001", "not_a_digit", 1, 1),
        ("021202001002001", "county", 1, 6),
        ("421202000002001", "sub_district", 7, 9),
        ("421202001000001", "community", 10, 12),
        ("421202001002000", "number", 13, 15),
    ],
)
def test_a_grid_fault_names_its_digits(code, kind, first, last):
    with pytest.raises(CodeError) as caught:
        grid_code(code)
    fault = caught.value.faults[0]
    assert (fault.kind, fault.first, fault.last) == (kind, first, last)
    assert fault.message.zh and fault.message.en


def test_all_faults_are_told_at_once():
    found = faults("021202000002000", GRID_SCHEMES["grid15"])
    assert [fault.kind for fault in found] == ["county", "sub_district", "number"]


def test_a_2013_identifier_is_not_taken_for_2026():
    assert [f.kind for f in faults("3205080101000001", COMPONENT_SCHEMES["2026"])] == ["length"]


@given(st.text(max_size=20))
def test_any_text_is_judged_and_never_breaks(text):
    found = faults(text, GRID_SCHEMES["grid15"])
    assert bool(found) != (len(text) == 15 and _reads(text))


def _reads(text: str) -> bool:
    try:
        grid_code(text)
    except CodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("code", "level", "parent"),
    [
        ("42", "province", ""),
        ("421200", "city", "42"),
        ("421202", "county", "421200"),
        ("421202001", "township", "421202"),
        ("421202001002", "village", "421202001"),
    ],
)
def test_division_levels(code, level, parent):
    assert (division_level(code), division_parent(code)) == (level, parent)


@pytest.mark.parametrize("code", ["", "4", "042", "42120", "4212020010021", "42120A", "021202"])
def test_what_is_no_division_code(code):
    with pytest.raises(CodeError):
        division_level(code)
