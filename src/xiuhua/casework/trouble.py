"""How an outbox handler says what is wrong, and when a failed row comes again.

Any exception means "try again later". `NotNow` says when (a rate limit), `Hopeless` that trying again is of no use (the
number does not exist): the row is dead at once and shown to the operators. Messages are shown and kept, so they carry
no secret and no personal data.
"""

from __future__ import annotations

import random
from datetime import timedelta

MAX_ATTEMPTS = 8
LONGEST = 3600.0  # seconds
#: Up to so much of the pause is added by chance, so that rows that failed together do not come again together.
JITTER = 0.2
_chance = random.SystemRandom()


class NotNow(Exception):
    """The other side asks for patience; ``wait`` until the next try."""

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.wait = wait


class Hopeless(Exception):
    """Another try would end the same way: a person has to look."""


def pause(attempts: int) -> timedelta:
    """The pause after so many failed attempts (from 1): 5 s, 15 s, 45 s … one hour, and up to a fifth more by chance."""
    seconds = min(LONGEST, 5.0 * 3 ** (max(attempts, 1) - 1))
    return timedelta(seconds=seconds * (1 + JITTER * _chance.random()))


def wait_after(error: Exception, attempts: int) -> timedelta:
    """When a row that raised ``error`` comes again; never sooner than the other side asked."""
    own = pause(attempts)
    return max(own, error.wait) if isinstance(error, NotNow) else own


def is_dead(error: Exception, attempts: int) -> bool:
    return isinstance(error, Hopeless) or attempts >= MAX_ATTEMPTS


def words(error: Exception) -> str:
    """What is kept of an error: its kind unless it speaks for itself, and its message."""
    told = str(error)
    return (told if isinstance(error, NotNow | Hopeless) else f"{type(error).__name__}: {told}")[:2000]
