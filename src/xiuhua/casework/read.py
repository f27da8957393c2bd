"""The reading statements of a step, written once: what the ORM would compile anew at every request.

Composing one of these statements by the ORM costs some ten times what the database needs to answer it. The columns and
their conversions come from the model, so a new column needs no change here.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from xiuhua.casework.models import Case
from xiuhua.database import prepared_cursor


class Answered(NamedTuple):
    """An earlier request of the same key: digest of what it asked, and the answer (JSON text or its value)."""

    digest: str
    answer: Any


class _Shape(NamedTuple):
    """How a row becomes a case: attribute names, and (place, column, converters) where the database gives other types."""

    columns: str
    names: tuple[str, ...]
    convert: tuple[tuple[int, Any, tuple[Any, ...]], ...]


@cache
def _shape(vendor: str) -> _Shape:
    connection, names, columns, convert = connections["default"], [], [], []
    for place, field in enumerate(Case._meta.concrete_fields):
        names.append(field.attname)
        columns.append(f"casework_case.{field.column}")
        column = field.cached_col
        if found := (*connection.ops.get_db_converters(column), *column.get_db_converters(connection)):
            convert.append((place, column, tuple(found)))
    return _Shape(", ".join(columns), tuple(names), tuple(convert))


def _case(connection: BaseDatabaseWrapper, row: tuple[Any, ...]) -> Case:
    shape = _shape(connection.vendor)
    values = list(row[: len(shape.names)])
    for place, column, converters in shape.convert:
        for one in converters:
            values[place] = one(values[place], column, connection)
    return Case.from_db("default", list(shape.names), values)


def by_number(number: str) -> Case | None:
    """The case of a number, whoever asks."""
    return _one("casework_case.number", number)


def by_id(pk: int) -> Case | None:
    return _one("casework_case.id", pk)


def _one(column: str, value: Any) -> Case | None:
    connection = connections["default"]
    with prepared_cursor(connection) as cursor:
        cursor.execute(f"SELECT {_shape(connection.vendor).columns} FROM casework_case WHERE {column} = %s", [value])
        row = cursor.fetchone()
    return None if row is None else _case(connection, row)


_DIGEST = "(SELECT i.request_digest FROM casework_idempotency i WHERE i.actor = %s AND i.door = %s AND i.key = %s)"
_ANSWER = "(SELECT i.answer FROM casework_idempotency i WHERE i.actor = %s AND i.door = %s AND i.key = %s)"


def locked(pk: int, actor: str, door: str, key: str | None) -> tuple[Case, Answered | None]:
    """The case, locked until the transaction ends, and what was answered to this key; in one statement.

    Raises Case.DoesNotExist.
    """
    connection = connections["default"]
    shape = _shape(connection.vendor)
    more, parameters = "", []
    if key:
        more = f", {_DIGEST}, {_ANSWER}"
        parameters = [actor, door, key] * 2
    lock = " FOR UPDATE OF casework_case" if connection.vendor == "postgresql" else ""
    with prepared_cursor(connection) as cursor:
        cursor.execute(
            f"SELECT {shape.columns}{more} FROM casework_case WHERE casework_case.id = %s{lock}", [*parameters, pk]
        )
        row = cursor.fetchone()
    if row is None:
        raise Case.DoesNotExist
    earlier = Answered(row[-2], row[-1]) if key and row[-2] is not None else None
    return _case(connection, row), earlier


def answered(actor: str, door: str, key: str) -> Answered | None:
    """What was answered to a key before."""
    with prepared_cursor(connections["default"]) as cursor:
        cursor.execute(
            "SELECT request_digest, answer FROM casework_idempotency WHERE actor = %s AND door = %s AND key = %s",
            [actor, door, key],
        )
        row = cursor.fetchone()
    return None if row is None else Answered(*row)


def next_serial(prefix: str, actor: str, door: str, key: str | None) -> tuple[int, Answered | None]:
    """The next serial under a prefix, whose row stays locked until the commit, and what was answered to this key."""
    with prepared_cursor(connections["default"]) as cursor:
        cursor.execute(
            "INSERT INTO casework_numbering(prefix, value) VALUES (%s, 1) "
            "ON CONFLICT (prefix) DO UPDATE SET value = casework_numbering.value + 1 RETURNING value, "
            f"{_DIGEST}, {_ANSWER}",
            [prefix, *[actor, door, key or ""] * 2],
        )
        serial, digest, answer = cursor.fetchone()
    return serial, None if digest is None else Answered(digest, answer)
