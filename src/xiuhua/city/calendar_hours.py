"""Office-hours files: the form of `data/calendar/office_hours.sample.yaml`, checked field by field."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xiuhua.city.work_calendar import OfficeProfile, Season, Slot

SAMPLE = Path(__file__).parent / "data" / "calendar" / "office_hours.sample.yaml"
MonthDay = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
TimeOfDay = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Title(_Form):
    """A title in the two languages."""

    zh: str
    en: str


class SeasonForm(_Form):
    """One season: first and last day (month-day, may run over New Year) and the office hours of its days."""

    title: Title | None = None
    start: MonthDay = Field(alias="from")
    to: MonthDay
    slots: list[tuple[TimeOfDay, TimeOfDay]] = Field(min_length=1)

    def season(self) -> Season:
        return Season(month_day(self.start), month_day(self.to), tuple(slot(a, b) for a, b in self.slots))


class HoursForm(_Form):
    """A whole file."""

    title: Title
    source: str
    sample: bool = False
    valid_from: date | None = None  # None: from the first day of the calendar
    seasons: list[SeasonForm] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole_year(self) -> HoursForm:
        self.profile()
        return self

    def profile(self) -> OfficeProfile:
        return OfficeProfile(tuple(season.season() for season in self.seasons), self.sample)


class HoursError(ValueError):
    """An office-hours file that cannot be used; the message has one line per fault."""


def read_hours(path: Path) -> HoursForm:
    """The checked content of a file. Raises `HoursError` with the place of each fault."""
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise HoursError(f"{path.name}: {error}") from None
    try:
        return HoursForm.model_validate(data)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        raise HoursError("\n".join(f"{path.name}: {fault}" for fault in faults)) from None


def month_day(text: str) -> tuple[int, int]:
    """(5, 1) of "05-01"."""
    month, day = text.split("-")
    return int(month), int(day)


def slot(a: str, b: str) -> Slot:
    """Seconds of the day of two texts like "08:00"."""
    return _seconds(a), _seconds(b)


def _seconds(text: str) -> int:
    if not re.fullmatch(r"\d\d:\d\d", text):
        raise ValueError(f"{text!r} is no time of day")
    return int(text[:2]) * 3600 + int(text[3:]) * 60
