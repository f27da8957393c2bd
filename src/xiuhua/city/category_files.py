"""Reads a folder of category lists (``schemes.yaml`` + CSV) into complete schemes, derived classes included.

Nothing here touches the database. Two rules of derivation, declared in the YAML: every component of the 2026
standard is also a matter (its name + 异常) under the same digits, with the component's conditions; and the
2013 scheme is made from the 2026 classes that carry a 2013 number, because its text is not free.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xiuhua.city.roles import TextData

FOLDER = Path(__file__).parent / "data" / "categories"

Kind = Literal["component", "event"]


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong where: ``2026.csv, line 12, limit: …``."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, {self.field}: {self.message}"


class CategoryFilesError(ValueError):
    """The folder cannot be imported; nothing was changed."""

    def __init__(self, faults: Iterable[RowFault | str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class ConditionRow:
    zh: str
    en: str
    limit: Decimal | None
    unit: str
    close_zh: str
    close_en: str
    source: str

    @property
    def gap(self) -> str:
        """What is missing for filing: some of ``chinese,limit,unit``; '' when the row can be filed under."""
        missing = (("chinese", self.zh), ("limit", self.limit), ("unit", self.unit))
        return ",".join(name for name, value in missing if not value)


@dataclass(frozen=True, slots=True)
class ClassRow:
    kind: Kind
    major: str
    minor: str
    zh: str
    en: str
    legacy: str
    unit_zh: str
    unit_en: str
    confirmed: bool
    source: str
    derived: str = ""
    conditions: tuple[ConditionRow, ...] = ()

    @property
    def code(self) -> str:
        return self.major + self.minor


@dataclass(frozen=True, slots=True)
class Scheme:
    """One complete scheme, ready to import; ``digest`` changes with anything a reader could see."""

    meta: SchemeData
    classes: tuple[ClassRow, ...]
    digest: str = field(default="")

    def major(self, kind: Kind, code: str) -> TextData:
        return self.meta.majors[kind][code]


class ComponentFaults(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    suffix_zh: str
    prefix_en: str
    exceptions: dict[str, str] = {}


class SchemeData(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,15}$")
    name: TextData
    standard: str
    valid_from: date | None = None
    sample: bool
    source: str
    minor_digits: int = Field(ge=2, le=4)
    files: list[str]
    derive_from: str = ""
    majors: dict[Kind, dict[str, TextData]]
    component_faults: ComponentFaults | None = None


class _Folder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sources: dict[str, str]
    schemes: list[SchemeData]

    @model_validator(mode="after")
    def _codes(self) -> _Folder:
        known: set[str] = set()
        for scheme in self.schemes:
            if scheme.code in known:
                raise ValueError(f"scheme {scheme.code!r} stands twice")
            if scheme.derive_from and scheme.derive_from not in known:
                raise ValueError(f"scheme {scheme.code!r} derives from {scheme.derive_from!r}, which must come first")
            known.add(scheme.code)
        return self


class _Line(BaseModel):
    """One line of a CSV. A limit needs its unit and the other way round; no other word is a unit."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    kind: Kind
    major: str = Field(pattern=r"^[0-9]{2}$")
    minor: str = Field(pattern=r"^[0-9]{2,4}$")
    name_zh: str = Field(min_length=1, max_length=60)
    name_en: str = Field(max_length=120)
    legacy_code: str = Field(pattern=r"^([0-9]{4})?$")
    unit_zh: str = Field(max_length=60)
    unit_en: str = Field(max_length=80)
    confirmed: Literal["yes", "no"]
    condition_zh: str = Field(max_length=300)
    condition_en: str = Field(max_length=300)
    limit: str = Field(pattern=r"^([0-9]{1,4}(\.[0-9]{1,2})?)?$")
    limit_unit: Literal["", "hour", "day", "work_hour", "work_day"]
    close_zh: str = Field(max_length=200)
    close_en: str = Field(max_length=200)
    source: str

    @model_validator(mode="after")
    def _positive(self) -> _Line:
        if self.limit and Decimal(self.limit) <= 0:
            raise ValueError("limit must be above zero")
        return self

    def condition(self, source: str) -> ConditionRow:
        return ConditionRow(
            self.condition_zh,
            self.condition_en,
            Decimal(self.limit) if self.limit else None,
            self.limit_unit,
            self.close_zh,
            self.close_en,
            source,
        )


def read(folder: Path = FOLDER) -> dict[str, Scheme]:
    """All schemes of a folder by code; raises `CategoryFilesError` with every fault found."""
    try:
        data = _Folder.model_validate(yaml.safe_load((folder / "schemes.yaml").read_text("utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise CategoryFilesError([f"schemes.yaml: {error}"]) from error
    except ValidationError as error:
        raise CategoryFilesError(
            f"schemes.yaml: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors(include_url=False)
        ) from error
    faults: list[RowFault] = []
    schemes: dict[str, Scheme] = {}
    for meta in data.schemes:
        classes: dict[tuple[str, str], ClassRow] = {}
        for name in meta.files:
            for row in _read_csv(folder / name, meta, data.sources, faults):
                classes[row.kind, row.code] = row
        if meta.component_faults is not None:
            _add_component_faults(classes, meta.component_faults, data.sources, faults)
        if meta.derive_from and meta.derive_from in schemes:
            _add_legacy(classes, meta, schemes[meta.derive_from], data.sources, faults)
        rows = tuple(classes[key] for key in sorted(classes))
        schemes[meta.code] = Scheme(meta, rows, _digest(meta, rows))
    if faults:
        raise CategoryFilesError(faults)
    return schemes


def _read_csv(path: Path, meta: SchemeData, sources: dict[str, str], faults: list[RowFault]) -> Iterable[ClassRow]:
    classes: dict[tuple[str, str], ClassRow] = {}
    try:
        stream = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        faults.append(RowFault(path.name, 0, "file", str(error.strerror)))
        return ()
    with stream:
        reader = csv.DictReader(stream)
        wrong = set(_Line.model_fields) ^ set(reader.fieldnames or ())
        if wrong:
            faults.append(RowFault(path.name, 1, "head", f"missing or unknown columns: {', '.join(sorted(wrong))}"))
            return ()
        for raw in reader:
            try:
                line = _Line.model_validate({k: v or "" for k, v in raw.items()})
            except ValidationError as error:
                faults += [
                    RowFault(path.name, reader.line_num, ".".join(map(str, e["loc"])) or "row", str(e["msg"]))
                    for e in error.errors(include_url=False)
                ]
                continue
            faults += _place(path.name, reader.line_num, line, meta, sources)
            key = (line.kind, line.major + line.minor)
            if line.source not in sources:
                continue
            condition = line.condition(sources[line.source])
            row = ClassRow(
                line.kind,
                line.major,
                line.minor,
                line.name_zh,
                line.name_en,
                line.legacy_code,
                line.unit_zh,
                line.unit_en,
                line.confirmed == "yes",
                sources[line.source],
            )
            known = classes.get(key)
            if known is None:
                classes[key] = replace(row, conditions=(condition,))
                continue
            if replace(known, conditions=(), source="") != replace(row, source=""):
                faults.append(RowFault(path.name, reader.line_num, "minor", f"{key[1]} is described differently above"))
            if any(c.zh == condition.zh and c.en == condition.en for c in known.conditions):
                faults.append(RowFault(path.name, reader.line_num, "condition_zh", "the same condition stands above"))
            classes[key] = replace(known, conditions=(*known.conditions, condition))
    return classes.values()


def _place(file: str, number: int, line: _Line, meta: SchemeData, sources: dict[str, str]) -> Iterable[RowFault]:
    if len(line.minor) != meta.minor_digits:
        yield RowFault(file, number, "minor", f"scheme {meta.code} has {meta.minor_digits} digits")
    if line.major not in meta.majors.get(line.kind, {}):
        yield RowFault(file, number, "major", f"{line.kind} major {line.major} is not in schemes.yaml")
    if line.source not in sources:
        yield RowFault(file, number, "source", f"{line.source!r} is not in schemes.yaml")


def _add_component_faults(
    classes: dict[tuple[str, str], ClassRow],
    rule: ComponentFaults,
    sources: dict[str, str],
    faults: list[RowFault],
) -> None:
    for row in [row for row in classes.values() if row.kind == "component"]:
        if ("event", row.code) in classes:
            faults.append(RowFault("schemes.yaml", 0, "component_faults", f"event {row.code} is listed already"))
        classes["event", row.code] = replace(
            row,
            kind="event",
            zh=rule.exceptions.get(row.code, row.zh + rule.suffix_zh),
            en=rule.prefix_en + row.en,
            legacy="",
            derived="component_fault",
            source=sources.get("derived:component", ""),
        )


def _add_legacy(
    classes: dict[tuple[str, str], ClassRow],
    meta: SchemeData,
    base: Scheme,
    sources: dict[str, str],
    faults: list[RowFault],
) -> None:
    for row in base.classes:
        if not row.legacy:
            continue
        major, minor = row.legacy[:2], row.legacy[2:]
        if (row.kind, row.legacy) in classes:
            faults.append(RowFault("schemes.yaml", 0, "derive_from", f"{row.kind} {row.legacy} comes twice"))
        if major not in meta.majors.get(row.kind, {}):
            faults.append(RowFault("schemes.yaml", 0, "majors", f"{row.kind} {major} is not named"))
        classes[row.kind, row.legacy] = replace(
            row, major=major, minor=minor, derived="legacy_code", source=sources.get("derived:legacy", "")
        )


def _digest(meta: SchemeData, rows: Iterable[ClassRow]) -> str:
    content = [meta.model_dump(mode="json", exclude={"files"}), [asdict(row) for row in rows]]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a derived scheme lacks. ``without_number``: classes of the base that carry no old number, so it
    is unknown whether the old scheme had them; ``never_seen``: old numbers below the highest seen in their
    major that no source shows; ``not_fileable``: classes with no condition that can be filed under."""

    scheme: str
    base: str
    without_number: tuple[ClassRow, ...]
    never_seen: dict[tuple[str, str], tuple[str, ...]]
    not_fileable: tuple[ClassRow, ...]


def gaps(schemes: dict[str, Scheme], code: str = "2013") -> Gaps:
    """List the gaps of a scheme that is derived from another; a plain scheme only has `not_fileable`."""
    scheme = schemes[code]
    base = schemes.get(scheme.meta.derive_from)
    without = tuple(
        row for row in (base.classes if base else ()) if not row.legacy and row.derived != "component_fault"
    )
    seen: dict[tuple[str, str], set[int]] = {}
    for row in scheme.classes:
        seen.setdefault((row.kind, row.major), set()).add(int(row.minor))
    width = scheme.meta.minor_digits
    never = {
        (kind, major): tuple(f"{major}{number:0{width}d}" for number in range(1, max(found)) if number not in found)
        for (kind, major), found in sorted(seen.items())
    }
    return Gaps(
        scheme=code,
        base=scheme.meta.derive_from,
        without_number=without,
        never_seen={key: value for key, value in never.items() if value} if base else {},
        not_fileable=tuple(row for row in scheme.classes if all(c.gap for c in row.conditions)),
    )
