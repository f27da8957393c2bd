"""``xiuhua city load FOLDER``: a city described in a folder (`city_folder`), brought into the database.

Loading again changes what changed in the files and adds what is missing; accounts that stand keep their passwords,
cases that stand are left alone. Ground and rules come in one transaction, cases a hundred at a time.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass

from django.db import transaction

from xiuhua.casework import library, rule_files, rule_procedures
from xiuhua.casework.models import RuleVersion
from xiuhua.casework.yaml_source import SourcesBroken
from xiuhua.city import calendar_load, category_import, division_import, duty_import, memory, organisation_import
from xiuhua.city.access import SYSTEM
from xiuhua.city.locator import TABLE_NAME as GROUND
from xiuhua.city.models import CalendarNotice, Division, Duty, Organisation, Platform
from xiuhua.city.organisation_import import ProfileError
from xiuhua.demo import city_cases, city_folder, foundation
from xiuhua.demo.city_cases import LoadedCases
from xiuhua.demo.city_folder import CARRIED, CityFolder, CityFolderError

#: Language codes of accounts, by the city's.
LANGUAGES = {"zh": "zh-hans", "en": "en"}


@dataclass(frozen=True)
class LoadedCity:
    divisions: int
    organisations: int
    classes: int
    duties: int
    cases: LoadedCases


def main(argv: list[str]) -> int:
    """Load a city from a folder, or a carried one by its name; exit code 1 and every fault on stderr."""
    parser = argparse.ArgumentParser(prog="xiuhua city load", description=main.__doc__)
    parser.add_argument("city", help=f"a folder with a city.yaml, or {', '.join(sorted(CARRIED))}")
    parser.add_argument("--check", action="store_true", help="only read and report, change nothing")
    options = parser.parse_args(argv)
    try:
        folder = city_folder.read(city_folder.find(options.city))
        if options.check:
            print(f"{folder.form.code}: {len(folder.divisions)} divisions and {len(folder.cases)} cases can be loaded")
            return 0
        done = load(folder)
    except (CityFolderError, ProfileError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{folder.form.code}: {done.divisions} divisions, {done.organisations} units, {done.classes} classes, "
        f"{done.duties} duties; {done.cases.cases} cases with tasks and {done.cases.events} events written, "
        f"{done.cases.known} were there"
    )
    for sentence in done.cases.refused:
        print(sentence, file=sys.stderr)
    return 1 if done.cases.refused else 0


def load(folder: CityFolder) -> LoadedCity:
    """Raises `CityFolderError` or `ProfileError`, and then nothing of ground and rules was written."""
    try:
        with transaction.atomic():
            platform = _ground(folder)
            units = organisation_import.import_profile(folder.organisations, city=platform.code)
            done = category_import.import_folder(folder.path / "categories")
            memory.forget()
            duties = _duties(folder, platform)
            _calendar(folder, platform)
            _procedures(folder)
            password = os.environ.get("XIUHUA_DEMO_PASSWORD")
            language = LANGUAGES[folder.form.language]
            foundation.accounts(folder.people, password, since=folder.form.since, language=language, keep=True)
    finally:
        memory.forget()
    cases = city_cases.load(folder, platform)
    memory.forget()
    return LoadedCity(Division.objects.count(), units.organisations, sum(one.classes for one in done), duties, cases)


def _ground(folder: CityFolder) -> Platform:
    """Refuses a database that holds another city: one database is one city (design: the ladder)."""
    known = {one.code for one in folder.form.platforms}
    if other := Platform.objects.filter(level=Platform.Level.CITY).exclude(code__in=known).first():
        raise CityFolderError([f"city.yaml: the database holds the city {other.code}; one database is one city"])
    division_import.write_platforms([{**one.model_dump(), "adcode": one.code[:6]} for one in folder.form.platforms])
    division_import.write_divisions(folder.divisions)
    memory.bump(GROUND)
    return Platform.objects.get(code=folder.form.code)


def _duties(folder: CityFolder, platform: Platform) -> int:
    units = {one.code: one for one in Organisation.objects.filter(platform=platform)}
    rows = [
        Duty(
            platform=platform,
            scheme=folder.form.scheme,
            kind="",
            class_prefix=row.prefix,
            division_prefix="",
            organisation=units[row.unit],
            basis=row.basis,
            basis_en=row.basis,
            priority=200 if len(row.prefix) == 2 else 100,
            valid_from=folder.form.since,
            sample=folder.form.sample,
        )
        for row in folder.duties
    ]
    duty_import.store(rows, sample=folder.form.sample)
    return len(rows)


def _calendar(folder: CityFolder, platform: Platform) -> None:
    """Notices are only added, so one that says the same as the last one is left out."""
    mine = CalendarNotice.objects.filter(platform=platform).order_by("-pk")
    for year, days in folder.holidays.items():
        listed = [[one.day.isoformat(), one.kind, one.name] for one in days]
        last = mine.filter(kind=CalendarNotice.Kind.DAYS, year=year).first()
        if last is None or last.days != listed:
            calendar_load.store_notice(days, year, platform_id=platform.pk, source=f"{folder.path.name}/holidays.csv")
    if folder.hours is not None:
        last = mine.filter(kind=CalendarNotice.Kind.HOURS).first()
        slots = [[one.start, one.to, [list(slot) for slot in one.slots]] for one in folder.hours.seasons]
        stored = [[one.from_md, one.to_md, one.slots] for one in last.hours.order_by("pk")] if last else None
        if slots != stored:
            calendar_load.store_hours(folder.hours, platform_id=platform.pk)


def _procedures(folder: CityFolder) -> None:
    """What ships, then the city's own files over it; a file that stands as it is is left alone."""
    library.publish()
    memory.forget()
    book = rule_files.books()[rule_procedures.KIND]
    for source in folder.procedures:
        if not book.knows(source.name):
            raise CityFolderError([f"procedures/{source.name}.yaml: is no procedure of its own and no variant"])
        last = RuleVersion.objects.filter(kind=book.kind, name=source.name).order_by("-version").first()
        if last is not None and last.text == source.text:
            continue
        base = last.version if last is not None else 0
        reason = f"city load {folder.path.name}"[:200]
        try:
            rule_files.publish(book, source.name, source.text, base=base, actor=SYSTEM, reason=reason)
        except SourcesBroken as broken:
            raise CityFolderError([f"procedures/{source.name}.yaml: {fault}" for fault in broken.faults]) from broken
        memory.forget()
