"""The database refuses to change the log; its triggers survive migrations and the test reset."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.operations import AlterField
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_migrate, pre_migrate

from xiuhua.casework import anchors, guard_rails, rule_files, verify
from xiuhua.casework.models import Anchor, AnchorEntry, Case, Event, RuleVersion
from xiuhua.casework.tests.conftest import City

REFUSED = "append-only"


def refused(sql: str, *params: object) -> None:
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


@pytest.mark.parametrize("table", guard_rails.SEALED)
def test_change_and_removal_are_refused(city: City, table: str) -> None:
    city.case()
    anchors.take()
    rule_files.store("routing", "", "sample: true", by=None, reason="test")
    refused(f"UPDATE {table} SET id = id")
    refused(f"DELETE FROM {table}")
    if connection.vendor == "postgresql":
        refused(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", guard_rails.SEALED)
def test_replacing_a_row_is_refused(city: City, table: str) -> None:
    city.case()
    anchors.take()
    rule_files.store("routing", "", "sample: true", by=None, reason="test")
    model = {m._meta.db_table: m for m in (Event, Anchor, AnchorEntry, RuleVersion)}[table]
    row = model._base_manager.values_list().first()
    columns = [f.column for f in model._meta.concrete_fields]
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    values = [connection.ops.adapt_datetimefield_value(v) if hasattr(v, "tzinfo") else v for v in row]
    if connection.vendor == "sqlite":
        refused(f"INSERT OR REPLACE INTO {table}({names}) VALUES ({marks})", *values)
        other = [values[0] + 1, *values[1:]]  # another id, the same (case, seq)
        if table != "casework_anchor":
            refused(f"INSERT OR REPLACE INTO {table}({names}) VALUES ({marks})", *other)
    else:
        refused(
            f"INSERT INTO {table}({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id", *values
        )


def test_the_orm_is_refused_too(city: City) -> None:
    event = Event.objects.get(case=city.case())
    event.action = "close"
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
        event.save()
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
        Event.objects.all().update(action="close")


def test_all_triggers_stand_and_a_missing_one_is_said(city: City) -> None:
    assert guard_rails.faults() == []
    for name in guard_rails.expected(connection):
        with transaction.atomic():
            _drop(name)
            assert guard_rails.faults() == [f"trigger {name} is missing"]
            transaction.set_rollback(True)
    assert guard_rails.faults() == []


def _drop(name: str) -> None:
    on = "" if connection.vendor == "sqlite" else f" ON {guard_rails._table_of(name)}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}{on}")


def test_a_trigger_that_was_weakened_is_said(city: City) -> None:
    name = next(iter(guard_rails.expected(connection)))
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                _drop(name)
                cursor.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON casework_event BEGIN SELECT 1; END")
            else:
                cursor.execute(f"ALTER TABLE casework_event DISABLE TRIGGER {name}")
        assert len(guard_rails.faults()) == 1
        transaction.set_rollback(True)


def _migrate(model: type[models.Model], signals: bool = True) -> None:
    """What `migrate` does with a column that gets another type; SQLite makes the table anew for it. There and back."""
    config = apps.get_app_config("casework")
    arguments = {
        "app_config": config,
        "verbosity": 0,
        "interactive": False,
        "using": "default",
        "plan": [],
        "apps": apps,
    }
    column = "stage" if model is Case else "digest"
    before = ProjectState.from_apps(apps)
    change = AlterField(model._meta.model_name or "", column, models.TextField(default=""))
    after = before.clone()
    change.state_forwards("casework", after)
    for old, new in ((before, after), (after, before)):
        if signals:
            pre_migrate.send(sender=config, **arguments)
        with connection.schema_editor() as editor:
            change.database_forwards("casework", editor, old, new)
        if signals:
            post_migrate.send(sender=config, **arguments)


@pytest.mark.parametrize("model", [Event, Anchor, Case])
def test_triggers_and_log_survive_a_migration(city: City, model: type[models.Model]) -> None:
    case = city.handled()
    anchors.take()
    _migrate(model)
    assert guard_rails.faults() == []
    assert verify.verify().ok
    refused("UPDATE casework_event SET action = 'x'")
    assert city.act(case, "finish").seq == case.seq + 1


def test_a_migration_that_forgets_the_triggers_is_found(city: City) -> None:
    """An altered event table without the signal: SQLite has lost the triggers, `verify` and `doctor` say so."""
    if connection.vendor != "sqlite":
        return  # PostgreSQL keeps the triggers of an altered table
    city.case()
    guard_rails.step_aside_for_migrate()
    _migrate(Event, signals=False)
    assert "trigger casework_event_no_update is missing" in guard_rails.faults()
    report = verify.verify()
    assert not report.ok and report.broken == 0 and report.unguarded
    guard_rails.install()
    assert verify.verify().ok


def test_flush_empties_a_test_database_and_the_triggers_stand(city: City) -> None:
    city.case()
    call_command("flush", interactive=False, verbosity=0)
    assert Event.objects.count() == 0
    assert guard_rails.faults() == []


def test_flush_is_refused_on_a_live_system(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    city.case()
    with monkeypatch.context() as live, pytest.raises(CommandError, match="never emptied"):
        live.setattr("xiuhua.casework.management.commands.flush.is_test_database", lambda connection: False)
        call_command("flush", interactive=False, verbosity=0)
    assert Event.objects.count() == 1
