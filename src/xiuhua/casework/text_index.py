"""An index for words inside the texts of cases, without which a rare word is looked for in every case.

Chinese has no blanks and two characters are a word, so the index holds pairs of neighbouring characters of title,
description and address. A case that has all pairs of a word may have the word; whether it has is asked of the text. One
character alone has no pair and is looked for in the texts.

PostgreSQL keeps a GIN index over a function of the three columns (its statistics tell the planner which words are common).
SQLite keeps a contentless FTS5 table of pairs in hexadecimal digits, filled by triggers that `guard_rails` watches over;
there a word whose every pair is common is left to the order of the list, which finds a page of it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, Q, Value
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Lookup

TABLE = "casework_words"
TEXTS = ("title", "description", "address")
#: From so many cases on a pair is common (SQLite only).
COMMON = 20_000
DROP_FUNCTIONS = "DROP FUNCTION IF EXISTS casework_grams(text), casework_grams(text, text, text)"
#: SQLite: rewrites the table of pairs as one part, without what was taken from it.
JOIN_PARTS = f"INSERT INTO {TABLE}({TABLE}) VALUES ('optimize')"  # noqa: S608
_ASCII_LOWER = str.maketrans({chr(c): chr(c + 32) for c in range(ord("A"), ord("Z") + 1)})


def pairs(word: str) -> list[str]:
    """Neighbouring characters, small letters for large ones of ASCII, each pair once, in order."""
    small = word.translate(_ASCII_LOWER)
    return list(dict.fromkeys(small[i : i + 2] for i in range(len(small) - 1)))


def may_have(words: Iterable[str]) -> dict[str, Q]:
    """For each word the cases that may have it in their texts; `Q()` when the index cannot tell. At most one statement."""
    found = {word: pairs(word) for word in words}
    if connections["default"].vendor == "postgresql":
        return {w: Q(_Holds(_grams(*map(F, TEXTS)), _grams(Value(w)))) if of else Q() for w, of in found.items()}
    asked = {word: [pair.encode().hex() for pair in of] for word, of in found.items() if of}
    common = _common({pair for of in asked.values() for pair in of})
    match = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608
    return {
        word: Q(pk__in=RawSQL(match, [" ".join(asked[word])]))  # noqa: S611
        if word in asked and not common.issuperset(asked[word])
        else Q()
        for word in found
    }


class _Holds(Lookup):
    """``array @> array``"""

    lookup_name = "holds"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} @> {right}", (*left_params, *right_params)


def _grams(*texts: Any) -> Func:
    return Func(*texts, function="casework_grams", output_field=models.TextField())


def _common(asked: set[str]) -> set[str]:
    """Those of the pairs that many cases have."""
    if not asked:
        return set()
    marks = ", ".join(["%s"] * len(asked))
    with connections["default"].cursor() as cursor:
        cursor.execute(
            f"SELECT term FROM {TABLE}_vocab WHERE term IN ({marks}) AND doc > %s",  # noqa: S608
            [*sorted(asked), COMMON],
        )
        return {str(term) for (term,) in cursor.fetchall()}


def is_part(table: str) -> bool:
    """Whether a table of SQLite belongs to the index: its rows are no records, and it cannot be counted."""
    return table == TABLE or table.startswith(f"{TABLE}_")


# -- what stands in the database -----------------------------------------------------------------------------------

# A loop, because subscripts in a query cost the length of the array each (seventeen times slower); and no function calls
# the other, because a restore builds the index with an empty search path.
_FUNCTION = """
CREATE OR REPLACE FUNCTION casework_grams({arguments}) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 500 AS $$
DECLARE
  letters text[] := string_to_array(lower({text}), NULL);
  found text[] := '{{}}';
BEGIN
  FOR i IN 1 .. cardinality(letters) - 1 LOOP
    found[i] := letters[i] || letters[i + 1];
  END LOOP;
  RETURN found;
END $$
"""
_POSTGRES = (
    _FUNCTION.format(arguments="word text", text="word"),
    _FUNCTION.format(arguments=", ".join(f"{name} text" for name in TEXTS), text=" || chr(10) || ".join(TEXTS)),
    "CREATE INDEX IF NOT EXISTS case_grams ON casework_case USING gin (casework_grams(title, description, address))",
)


def _pairs_of(row: str) -> str:
    """SQL for the pairs of a row in a trigger or a query, hexadecimal, blanks between."""
    text = " || char(10) || ".join(f"{row}.{name}" for name in TEXTS)
    return (  # names of columns only
        f"(WITH RECURSIVE g(t, i) AS (SELECT lower({text}), 1 UNION ALL SELECT t, i + 1 FROM g WHERE i < length(t) - 1) "  # noqa: S608
        "SELECT group_concat(hex(substr(t, i, 2)), ' ') FROM g)"
    )


def sqlite_triggers() -> Mapping[str, str]:
    """Name -> statement of the triggers that keep the table of pairs."""
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in TEXTS)
    put = f"INSERT INTO {TABLE}(rowid, grams) VALUES (NEW.id, {_pairs_of('NEW')});"  # noqa: S608
    take = f"INSERT INTO {TABLE}({TABLE}, rowid, grams) VALUES ('delete', OLD.id, {_pairs_of('OLD')});"  # noqa: S608
    return {
        f"{TABLE}_insert": f"CREATE TRIGGER {TABLE}_insert AFTER INSERT ON casework_case BEGIN {put} END",
        f"{TABLE}_update": f"CREATE TRIGGER {TABLE}_update AFTER UPDATE OF {', '.join(TEXTS)} ON casework_case "
        f"WHEN {changed} BEGIN {take} {put} END",
        f"{TABLE}_delete": f"CREATE TRIGGER {TABLE}_delete AFTER DELETE ON casework_case BEGIN {take} END",
    }


def create(connection: BaseDatabaseWrapper) -> None:
    """Make the index and fill it from the cases that stand."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for sql in _POSTGRES:
                cursor.execute(sql)
            return
        options = "content='', detail=none, columnsize=0"
        cursor.execute(f"CREATE VIRTUAL TABLE {TABLE} USING fts5(grams, {options})")
        cursor.execute(f"CREATE VIRTUAL TABLE {TABLE}_vocab USING fts5vocab({TABLE}, row)")
    fill(connection)


def fill(connection: BaseDatabaseWrapper) -> None:
    """Fill an empty table of pairs (SQLite)."""
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE}(rowid, grams) SELECT c.id, {_pairs_of('c')} FROM casework_case AS c")  # noqa: S608


def drop(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP INDEX IF EXISTS case_grams")
            cursor.execute(DROP_FUNCTIONS)
            return
        for name in sqlite_triggers():
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}_vocab")
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
