"""Rows of ``cases.csv`` as histories of the city case, written by the bulk writer: real times, real chains.

A row says when a case began and how it ended. The steps between stand in the first and the last minutes of the span,
so that the handling clock runs for the time that the case really took. Which rows are loaded already is read from the
end of the descriptions, where the source's own number stands: loading again writes what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from xiuhua.casework import bulk, moments
from xiuhua.casework.bulk import History, Step
from xiuhua.casework.models import Case
from xiuhua.city import categories
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.models import Appointment, Platform
from xiuhua.demo.city_folder import VOID_REASONS, CaseRow, CityFolder, CityFolderError

PROCEDURE = "city_case"
_MARK = re.compile(r"Source number (\S+)\.$")
#: Minutes after the report, and before the end; squeezed together where a case was shorter than their sum.
FILED, DISPATCHED, SIGNED = 1, 2, 10
SUBMITTED, CONFIRMED, SENT, CHECKED = 8, 6, 5, 2
_SPAN = SIGNED + SUBMITTED


@dataclass
class LoadedCases:
    """``refused``: file, row and why, one sentence each."""

    cases: int = 0
    events: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)


class Crew:
    """Who acts in the histories: the first account of each role, and of the desk of each unit."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.by_role: dict[str, Actor] = {}
        self.desks: dict[str, Actor] = {}
        rows = Appointment.objects.filter(post__platform=platform).select_related("user", "post__organisation")
        for row in rows.order_by("pk"):
            role, unit = row.post.role, row.post.organisation
            if role == "unit" and unit is not None and unit.code not in self.desks:
                self.desks[unit.code] = actor_for(row.user)
            elif role not in self.by_role:
                self.by_role[role] = actor_for(row.user)

    def missing(self, units: set[str]) -> list[str]:
        roles = {"intake_operator", "dispatcher", "collector", "leader"} - set(self.by_role)
        return [f"people.yaml: nobody has the role {role}" for role in sorted(roles)] + [
            f"people.yaml: nobody sits at the desk (role unit) of {unit}" for unit in sorted(units - set(self.desks))
        ]


def load(folder: CityFolder, platform: Platform) -> LoadedCases:
    """Write the cases of a folder that are not there yet. Raises `CityFolderError` when nobody could act in them."""
    done = LoadedCases()
    if not folder.cases:
        return done
    crew = Crew(platform)
    if faults := crew.missing({row.unit for _line, row in folder.cases}):
        raise CityFolderError(faults)
    numbers = known(platform)
    ways = _Ways(folder, crew, numbers)
    # A duplicate names its main case by number, so the main cases are written before.
    for duplicates in (False, True):
        rows = [
            (line, row)
            for line, row in sorted(folder.cases, key=lambda one: (one[1].reported, one[1].id))
            if (row.outcome == "duplicate") == duplicates
        ]
        done.known += sum(row.id in numbers for _line, row in rows)
        _write(done, folder, [one for one in rows if one[1].id not in numbers], ways, numbers)
    return done


def known(platform: Platform) -> dict[str, str]:
    """Source number -> case number of what was loaded before."""
    rows = Case.objects.filter(platform=platform, parent__isnull=True, description__contains="Source number ")
    found = {}
    for description, number in rows.values_list("description", "number").iterator():
        if mark := _MARK.search(description):
            found[mark[1]] = number
    return found


def _write(
    done: LoadedCases, folder: CityFolder, rows: list[tuple[int, CaseRow]], ways: _Ways, numbers: dict[str, str]
) -> None:
    playable = []
    for line, row in rows:
        if row.duplicate_of and row.duplicate_of not in numbers:
            done.refused.append(f"{folder.cases_file}, row {line}: duplicate_of: {row.duplicate_of} was not loaded")
        else:
            playable.append((line, row))
    # Reminders and notices of years ago are nobody's business now.
    loaded = bulk.load((ways.history(row) for _line, row in playable), settled=moments.now())
    done.cases += loaded.cases
    done.events += loaded.events
    for place, step, refusal in loaded.refused:
        line, row = playable[place]
        action = ways.history(row).steps[step].action
        done.refused.append(f"{folder.cases_file}, row {line}: {action}: {refusal.message}")
    refused = {place for place, _step, _refusal in loaded.refused}
    written = (row for place, (_line, row) in enumerate(playable) if place not in refused)
    numbers.update(zip((row.id for row in written), loaded.numbers, strict=True))


class _Ways:
    """From a row to the steps of its history."""

    def __init__(self, folder: CityFolder, crew: Crew, numbers: dict[str, str]) -> None:
        self.scheme, self.zone, self.crew, self.numbers = folder.form.scheme, folder.zone, crew, numbers
        self.book = categories.catalogue()
        self.endings: dict[str, Callable[[CaseRow], Iterator[Step]]] = {
            "closed": self._closed,
            "open": self._handling,
            "void": self._void,
            "duplicate": self._duplicate,
            "ordered": self._ordered,
        }

    def history(self, row: CaseRow) -> History:
        return History(PROCEDURE, self.crew.platform, (self._report(row), *self.endings[row.outcome](row)))

    def _utc(self, moment: datetime) -> datetime:
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def _squeeze(self, row: CaseRow) -> float:
        """1, or less where the whole case took less time than all steps."""
        if row.ended is None:
            return 1.0
        return min(1.0, (self._utc(row.ended) - self._utc(row.reported)) / timedelta(minutes=_SPAN))

    def _after(self, row: CaseRow, minutes: float) -> datetime:
        return self._utc(row.reported) + timedelta(minutes=minutes * self._squeeze(row))

    def _before_end(self, row: CaseRow, minutes: float) -> datetime:
        assert row.ended is not None
        return self._utc(row.ended) - timedelta(minutes=minutes * self._squeeze(row))

    def _position(self, row: CaseRow) -> dict[str, Any]:
        return {"lon": f"{row.lon:.7f}", "lat": f"{row.lat:.7f}", "datum": "wgs84"}

    def _report(self, row: CaseRow) -> Step:
        data = {
            "source": row.source,
            "category": f"{self.scheme}:{row.category}",
            "description": f"{row.description} Source number {row.id}.",
            "address": row.address,
            "position": self._position(row),
        }
        return Step("report", self.crew.by_role["intake_operator"], data, self._utc(row.reported))

    def _handling(self, row: CaseRow) -> Iterator[Step]:
        kind, code = row.category.split(":")
        found = self.book.category(self.scheme, kind, code)
        assert found is not None  # checked with the file
        condition = next((one for one in found.conditions if one.fileable), None)
        operator, by_role = self.crew.by_role["intake_operator"], self.crew.by_role
        filed = {"condition": condition.id if condition is not None else None}
        yield Step("file", operator, filed, self._after(row, FILED))
        yield Step("dispatch", by_role["dispatcher"], {"unit": row.unit}, self._after(row, DISPATCHED))
        yield Step("sign", self.crew.desks[row.unit], {}, self._after(row, SIGNED))

    def _closed(self, row: CaseRow) -> Iterator[Step]:
        yield from self._handling(row)
        desk, operator = self.crew.desks[row.unit], self.crew.by_role["intake_operator"]
        collector = self.crew.by_role["collector"]
        result = {"result": row.result or "—"}
        yield Step("submit_result", desk, result, self._before_end(row, SUBMITTED))
        yield Step("confirm_result", desk, {}, self._before_end(row, CONFIRMED))
        yield Step("send_check", operator, {"collector": collector.user_id}, self._before_end(row, SENT))
        passed = {"position": self._position(row)}
        yield Step("pass", collector, passed, self._before_end(row, CHECKED), child=0)
        yield Step("close", operator, {"condition_met": True}, self._before_end(row, 0))

    def _void(self, row: CaseRow) -> Iterator[Step]:
        named = row.reason in VOID_REASONS
        data = {"reason": row.reason if named else "other", "explanation": "" if named else row.reason}
        yield Step("void", self.crew.by_role["intake_operator"], data, self._before_end(row, 0))

    def _duplicate(self, row: CaseRow) -> Iterator[Step]:
        data = {"main_case": self.numbers[row.duplicate_of]}
        yield Step("merge_duplicate", self.crew.by_role["intake_operator"], data, self._before_end(row, 0))

    def _ordered(self, row: CaseRow) -> Iterator[Step]:
        yield from self._handling(row)
        data = {"approval": "As the source says", "reason": row.result or "Closed by order"}
        yield Step("force_close", self.crew.by_role["leader"], data, self._before_end(row, 0))
