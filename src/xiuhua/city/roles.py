"""Roles and permissions: product data in ``data/roles.yaml``, validated once and kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xiuhua.manifest import Text

FILE = Path(__file__).parent / "data" / "roles.yaml"


class Reads(StrEnum):
    """Which cases a role sees, widest first."""

    ALL = "all"
    PLATFORM = "platform"
    ORGANISATION = "organisation"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Role:
    code: str
    title: Text
    permissions: frozenset[str]
    reads: Reads


class RolesError(ValueError):
    """The roles file cannot be used; the message names field and fault, one per line."""


class TextData(BaseModel):
    """A title in both languages, as written in data files."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def text(self) -> Text:
        return Text(self.zh, self.en)


class _Role(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^[a-z][a-z_]{1,23}$")
    title: TextData
    reads: Reads
    permissions: list[str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    permissions: dict[str, TextData]
    roles: list[_Role]

    @model_validator(mode="after")
    def _consistent(self) -> _File:
        seen: set[str] = set()
        for role in self.roles:
            if role.code in seen:
                raise ValueError(f"role {role.code!r} stands twice")
            seen.add(role.code)
            unknown = sorted(set(role.permissions) - set(self.permissions))
            if unknown:
                raise ValueError(f"role {role.code!r} has unknown permissions: {', '.join(unknown)}")
        return self


@dataclass(frozen=True, slots=True)
class RoleBook:
    roles: dict[str, Role]
    permissions: dict[str, Text]


def parse(text: str, name: str = "roles.yaml") -> RoleBook:
    """Read a roles file; raises `RolesError` with one line per fault."""
    try:
        data = _File.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise RolesError(f"{name}: {error}") from error
    except ValidationError as error:
        lines = [
            f"{name}: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors(include_url=False)
        ]
        raise RolesError("\n".join(lines)) from error
    return RoleBook(
        roles={r.code: Role(r.code, r.title.text(), frozenset(r.permissions), r.reads) for r in data.roles},
        permissions={code: title.text() for code, title in data.permissions.items()},
    )


@cache
def book() -> RoleBook:
    """The roles of this product version."""
    return parse(FILE.read_text("utf-8"))


def roles() -> dict[str, Role]:
    return book().roles


def permissions() -> dict[str, Text]:
    return book().permissions


def role(code: str) -> Role | None:
    """The role of that code; None for a code that this version does not know (such a seat gives nothing)."""
    return book().roles.get(code)
