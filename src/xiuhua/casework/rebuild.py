"""``xiuhua casework rebuild``: derives every case row from its events again and compares.

Deadlines are counted from the clocks of the log on the calendar version under which they were last counted; they must
come out as they are stored, to the microsecond.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connections

from xiuhua.casework import clock, deadlines, library, log_reader, projection
from xiuhua.casework.models import Case, Event
from xiuhua.casework.moments import from_us
from xiuhua.city.calendar import calendar_for

BATCH = 500


@dataclass(frozen=True)
class Difference:
    """A case whose row is not what its events say. ``columns``: name -> (stored, derived)."""

    case_id: int
    number: str
    columns: dict[str, tuple[Any, Any]]
    deadlines: bool = False

    def __str__(self) -> str:
        told = "; ".join(f"{c}: {a!r}, the log says {b!r}" for c, (a, b) in self.columns.items())
        return f"case {self.number}: {'deadlines: ' if self.deadlines else ''}{told}"


def compare(*, using: str = "default", fix: bool = False) -> Iterator[Difference]:
    """Every difference between rows and log, in order of case; with ``fix`` the row is put right."""
    connection = connections[using]
    us = log_reader.microseconds(connection.vendor)
    rows = log_reader.events(connection)
    events = ((case, list(found)) for case, found in groupby(rows, key=lambda r: r.case_id))
    for batch in _batches(events):
        cases = Case.objects.using(using).in_bulk([case for case, _found in batch])
        for case_id, found in batch:
            case = cases.get(case_id)
            if case is not None:
                yield from _differences(case, found, us, using, fix)


def _batches(
    events: Iterable[tuple[int, list[log_reader.EventRow]]],
) -> Iterator[list[tuple[int, list[log_reader.EventRow]]]]:
    batch = []
    for one in events:
        batch.append(one)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    yield batch


def _differences(case: Case, found: list[log_reader.EventRow], us: Any, using: str, fix: bool) -> Iterator[Difference]:
    events = [
        (
            Event(seq=row.seq, at=from_us(us(row.at)), to_state=row.to_state, digest=row.digest, body=row.body),
            row.payload,
        )
        for row in found
    ]
    derived = projection.replay(case, events)
    columns = projection.differences(case, derived)
    if columns:
        yield Difference(case.pk, case.number, {c: (getattr(case, c), getattr(derived, c)) for c in columns})
        if fix:
            values = {c: getattr(derived, c) for c in columns}
            Case.objects.using(using).filter(pk=case.pk, seq=case.seq).update(**values)
    if wrong := deadline_differences(derived):
        yield Difference(case.pk, case.number, wrong, deadlines=True)


def deadline_differences(case: Case) -> dict[str, tuple[Any, Any]]:
    """Deadlines of a row that its clocks, on the calendar version of the case, do not give."""
    if not case.clocks:
        return {}
    calendar = calendar_for(case.platform_id, case.calendar_version)
    counted = deadlines.due_columns(clock.from_json(case.clocks), library.version(case.procedure_id), calendar)
    return {c: (getattr(case, c), value) for c, value in counted.items() if getattr(case, c) != value}


def main(argv: list[str]) -> int:
    """Derive every case row again from the log, and put right what differs."""
    parser = argparse.ArgumentParser(prog="xiuhua casework rebuild", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 when something differs")
    options = parser.parse_args(argv)
    count = 0
    for difference in compare(fix=not options.check):
        count += 1
        print(difference, file=sys.stderr)
    total = Case.objects.count()
    if not count:
        print(f"{total:,} cases are what their events say.")
        return 0
    print(f"{count:,} of {total:,} cases differed{'' if options.check else ' and were put right'}.")
    return 1 if options.check else 0
