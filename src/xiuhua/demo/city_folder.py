"""A city described in one folder: what stands in its files, read and checked before anything is written.

The files are those of ``data/boston/README.md``; what a column may hold is told in ``docs/operators/another-city.md``.
Every fault is told with its file and row, all of them at once.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import shapely
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from shapely.geometry import shape

from xiuhua.casework.yaml_source import SourceFile
from xiuhua.city import calendar_hours, calendar_load, category_files, organisation_import
from xiuhua.city.calendar_load import NoticeDay
from xiuhua.city.codes import CodeError, division_level
from xiuhua.city.models import Division, Platform
from xiuhua.demo.foundation import People, Person

#: Cities that are carried, by the name that the command line takes.
CARRIED = {"boston": Path(__file__).parent / "data" / "boston"}
MAX_BYTES = 200_000_000

Outcome = Literal["closed", "open", "void", "duplicate", "ordered"]
VOID_REASONS = ("not_our_matter", "below_condition", "not_found", "unclear", "consultation", "other")


class CityFolderError(ValueError):
    """The folder cannot be used; ``faults`` has one sentence each, with file and row. Nothing was written."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class PlatformForm(_Form):
    code: str = Field(pattern=r"^[0-9]{6,12}$")
    zh: str = Field(min_length=1, max_length=60)
    en: str = Field(default="", max_length=120)
    level: Platform.Level
    centre_model: Platform.CentreModel = Platform.CentreModel.TWO
    parent: str = ""


class DivisionsForm(_Form):
    source: str = Field(max_length=200)
    simulated: bool


class CityForm(_Form):
    """``city.yaml``."""

    code: str
    time_zone: str
    language: Literal["zh", "en"]
    since: date
    sample: bool
    platforms: list[PlatformForm] = Field(min_length=1)
    divisions: DivisionsForm
    scheme: str

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r}") from None
        return value


class DutyRow(_Form):
    """One row of ``duties.csv``: ``class`` is the beginning of a class code."""

    prefix: str = Field(alias="class", pattern=r"^[0-9]{2,8}$")
    unit: str
    basis: str = Field(min_length=1, max_length=200)


class CaseRow(_Form):
    """One row of ``cases.csv`` or ``cases.csv.gz``. Times without a zone are the city's own."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^\S+$")
    reported: datetime
    due: datetime | None
    ended: datetime | None
    outcome: Outcome
    duplicate_of: str
    reason: str
    source: str
    category: str = Field(pattern=r"^(event|component):[0-9]+$")
    unit: str
    address: str = Field(min_length=1, max_length=200)
    lon: float
    lat: float
    description: str = Field(min_length=1, max_length=900)
    result: str = Field(max_length=1000)

    @field_validator("due", "ended", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return value or None

    def faults(self) -> Iterator[str]:
        """What does not fit together."""
        if self.outcome == "open" and self.ended is not None:
            yield "ended: an open case has not ended"
        if self.outcome != "open" and self.ended is None:
            yield f"ended: is empty, but the case is {self.outcome}"
        if self.ended is not None and self.ended < self.reported:
            yield "ended: is before reported"
        if (self.outcome == "duplicate") != bool(self.duplicate_of):
            yield "duplicate_of: names a case exactly when the outcome is duplicate"
        if self.outcome == "void" and not self.reason:
            yield "reason: is empty, but the case is void"


@dataclass(frozen=True)
class CityFolder:
    """Everything that a folder says."""

    path: Path
    form: CityForm
    divisions: list[Division]
    schemes: dict[str, category_files.Scheme]
    duties: list[DutyRow]
    people: tuple[Person, ...]
    hours: calendar_hours.HoursForm | None
    holidays: dict[int, list[NoticeDay]]
    procedures: list[SourceFile]
    cases: list[tuple[int, CaseRow]] = field(default_factory=list)
    cases_file: str = "cases.csv"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.form.time_zone)

    @property
    def organisations(self) -> Path:
        return self.path / "organisations.yaml"


def find(name: str) -> Path:
    """The folder of a carried city, or the folder of that name. Raises `CityFolderError`."""
    folder = CARRIED.get(name) or Path(name)
    if not (folder / "city.yaml").is_file():
        known = ", ".join(sorted(CARRIED))
        raise CityFolderError([f"{name}: is no folder with a city.yaml, and no carried city ({known})"])
    return folder


def read(folder: Path) -> CityFolder:
    """Everything that stands in a folder. Raises `CityFolderError` with every fault that was found."""
    faults: list[str] = []
    form = _yaml(folder / "city.yaml", CityForm, faults)
    people = _yaml(folder / "people.yaml", People, faults)
    schemes = _told(faults, "categories/", category_files.read, folder / "categories") or {}
    profile = _told(faults, "", organisation_import.read, folder / "organisations.yaml")
    hours_file = folder / "office_hours.yaml"
    hours = _told(faults, "", calendar_hours.read_hours, hours_file) if hours_file.exists() else None
    duties = [row for _n, row in _csv(folder / "duties.csv", DutyRow, faults)]
    holidays = _holidays(folder / "holidays.csv", faults)
    files = sorted((folder / "procedures").glob("*.yaml"))
    procedures = [SourceFile(file.stem, file.read_text("utf-8")) for file in files]
    if form is None or people is None or profile is None or faults:
        raise CityFolderError(faults)
    divisions = list(_divisions(folder / "divisions.geojson", form, faults))
    units = {row.code for row in profile[1]}
    faults += [f"duties.csv: {row.prefix}: there is no unit {row.unit!r}" for row in duties if row.unit not in units]
    if form.scheme not in schemes:
        faults.append(f"city.yaml: scheme: {form.scheme!r} is not in categories/schemes.yaml")
    file = next((f for f in (folder / "cases.csv.gz", folder / "cases.csv") if f.exists()), None)
    cases = list(_csv(file, CaseRow, faults)) if file is not None else []
    if file is not None and form.scheme in schemes:
        classes = {f"{row.kind}:{row.code}" for row in schemes[form.scheme].classes}
        faults += _case_faults(file.name, cases, classes, units)
    if faults:
        raise CityFolderError(faults)
    return CityFolder(
        folder, form, divisions, schemes, duties, tuple(people.people), hours, holidays, procedures, cases,
        file.name if file is not None else "cases.csv",
    )  # fmt: skip


def _told(faults: list[str], before: str, reader: Any, path: Path) -> Any:
    """What a reader of a lower floor makes of a file; its own words where it refuses."""
    try:
        return reader(path)
    except ValueError as error:
        faults += [f"{before}{line}" for line in str(error).splitlines()]
        return None


def _yaml(path: Path, schema: Any, faults: list[str]) -> Any:
    try:
        return schema.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        for one in error.errors(include_url=False):
            faults.append(f"{path.name}: {'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}")
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        faults.append(f"{path.name}: {error}")
    return None


def _text(path: Path) -> str:
    if path.suffix != ".gz":
        return path.read_text("utf-8-sig")
    with gzip.open(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES} bytes")
    return data.decode("utf-8-sig")


def _csv(path: Path, schema: Any, faults: list[str]) -> Iterator[tuple[int, Any]]:
    """Checked rows with their lines; the head is line 1."""
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    except (OSError, ValueError, EOFError) as error:
        faults.append(f"{path.name}: {error}")
        return
    names = {one.alias or name for name, one in schema.model_fields.items()}
    if wrong := names ^ set(reader.fieldnames or ()):
        faults.append(f"{path.name}, row 1: missing or unknown columns: {', '.join(sorted(map(str, wrong)))}")
        return
    for raw in reader:
        try:
            yield reader.line_num, schema.model_validate(raw)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                where = ".".join(map(str, one["loc"])) or "row"
                faults.append(f"{path.name}, row {reader.line_num}: {where}: {one['msg']}")


def _holidays(path: Path, faults: list[str]) -> dict[int, list[NoticeDay]]:
    if not path.exists():
        return {}
    try:
        text = path.read_text("utf-8-sig")
        years = {int(row["list_year"]) for row in csv.DictReader(io.StringIO(text))}
        return {year: calendar_load.read_notice(text, year) for year in sorted(years)}
    except (OSError, KeyError, ValueError) as error:
        faults += [f"{path.name}: {line}" for line in str(error).splitlines()]
        return {}


def _divisions(path: Path, form: CityForm, faults: list[str]) -> Iterator[Division]:
    try:
        features = json.loads(path.read_text("utf-8"))["features"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        faults.append(f"{path.name}: is no GeoJSON FeatureCollection ({error})")
        return
    for number, feature in enumerate(features, 1):
        try:
            given = feature["properties"]
            code, name = str(given["code"]), str(given["name"])
            division_level(code)
            geometry = feature["geometry"]
            outline = shape(geometry) if geometry is not None else None
            if outline is not None and not (outline.is_valid and outline.area):
                raise ValueError("the outline is no valid polygon")
        except (CodeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
            faults.append(f"{path.name}, feature {number}: {error}")
            continue
        label = outline.representative_point() if outline is not None else None
        yield Division(
            code=code,
            name=name,
            name_en=str(given.get("name_en") or name),
            kind_zh=str(given.get("kind") or ""),
            boundary=shapely.to_wkb(outline) if outline is not None else None,
            label_lon=label.x if label is not None else None,
            label_lat=label.y if label is not None else None,
            simulated=form.divisions.simulated,
            source=form.divisions.source,
        )


def _case_faults(file: str, cases: list[tuple[int, CaseRow]], classes: set[str], units: set[str]) -> Iterator[str]:
    seen: dict[str, CaseRow] = {}
    for line, row in cases:
        where = f"{file}, row {line}"
        if row.id in seen:
            yield f"{where}: id: {row.id} stands twice"
        seen[row.id] = row
        if row.category not in classes:
            yield f"{where}: category: {row.category} is not in the scheme"
        if row.unit not in units:
            yield f"{where}: unit: there is no unit {row.unit!r}"
        yield from (f"{where}: {fault}" for fault in row.faults())
    for line, row in cases:
        if row.duplicate_of:
            main = seen.get(row.duplicate_of)
            if main is None or main.outcome == "duplicate":
                yield f"{file}, row {line}: duplicate_of: {row.duplicate_of} is no case of this file that stands alone"
            elif main.reported > row.reported:
                yield f"{file}, row {line}: duplicate_of: {row.duplicate_of} was reported later"
