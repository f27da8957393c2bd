"""A refused action: what was refused, why, who could do it, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """One missing or wrong answer of a form."""

    field: str
    message: str


@dataclass(frozen=True)
class Refusal:
    """``code`` is stable for programs, ``message`` a sentence in the user's language.

    Codes: unknown_action, not_now (state), closed, not_yours (role or scope), invalid (form), guard, conflict
    (the same key with other content), stale (the case moved on), not_found.
    """

    code: str
    message: str
    who: tuple[str, ...] = ()
    missing: tuple[FieldError, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "who": list(self.who),
            "missing": [{"field": m.field, "message": m.message} for m in self.missing],
        }


@dataclass
class Refused(Exception):
    """Raised by the engine; nothing was changed."""

    refusal: Refusal
    detail: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        missing = "".join(f" {m.field}: {m.message}" for m in self.refusal.missing)
        return f"{self.refusal.code}: {self.refusal.message}{missing}"
