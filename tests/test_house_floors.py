"""Relations in the database point down only."""

from __future__ import annotations

import pytest

from xiuhua import floors


@pytest.mark.parametrize(
    ("own", "other", "refused"),
    [
        ("casework", "city", False),
        ("demo", "casework", False),
        ("casework", "casework", False),
        ("casework", "auth", False),
        ("sessions", "city", False),
        ("city", "casework", True),
        ("city", "ui", True),
        ("ui", "city", True),
        ("casework", "command", True),
    ],
)
def test_up_and_sideways_are_refused(own: str, other: str, refused: bool) -> None:
    assert floors.upward(own, other) is refused


def test_the_sentence_names_field_and_rooms() -> None:
    (sentence,) = floors.relation_faults([("city", "Place.case", "casework")])
    assert sentence == "Place.case of city points at casework, which is not on a lower floor"


def test_our_models_and_migrations_point_down() -> None:
    relations = floors.model_relations()
    assert ("casework", "Case.platform", "city") in relations
    assert floors.relation_faults([*relations, *floors.migration_relations()]) == []
