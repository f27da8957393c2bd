"""The rooms of the house, by floor. Adding a room is one word here (and one line in the import contract)."""

from __future__ import annotations

#: Lower floors first; a room imports, points and migrates only to lower floors.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("city", "ui"),
    ("casework",),
    ("ledgers", "notify", "ops"),
    ("command",),
    ("demo",),
)

ROOMS: tuple[str, ...] = tuple(room for floor in FLOORS for room in floor)

#: What we use of ``django.contrib``.
DJANGO_APPS: tuple[str, ...] = ("contenttypes", "auth", "sessions", "messages", "staticfiles")


def floor_of(room: str) -> int:
    """Number of the floor a room stands on, lowest 0; raises LookupError for a room not in the house."""
    for number, floor in enumerate(FLOORS):
        if room in floor:
            return number
    raise LookupError(room)
