"""Ledgers as files: CSV, XLSX, GeoJSON and GeoPackage, of what a list shows, read by key a few thousand rows at a time.

What a spreadsheet would take for a formula gets an apostrophe before it, which the import takes off again. Personal
columns stay masked. Positions are CGCS2000 degrees; GeoJSON says so by RFC 7946 (equal to WGS 84 here).
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyogrio
import shapely
from django.db.models import Model, QuerySet
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from xiuhua.ledgers import columns, shapes
from xiuhua.ledgers.columns import Book, Plain, Refs, neutral
from xiuhua.ledgers.declare import Ledger
from xiuhua.manifest import Text

CHUNK = 2000
#: Rows of one file made while somebody waits; more by ``xiuhua ledger export``.
MOST = {"csv": 1_000_000, "xlsx": 100_000, "geojson": 500_000, "gpkg": 300_000}
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
}
_PLACE = {"lon": Text("经度", "Longitude"), "lat": Text("纬度", "Latitude"), "wkt": Text("图形", "Shape (WKT)")}


def formats(ledger: Ledger) -> tuple[str, ...]:
    return ("csv", "xlsx", "geojson", "gpkg") if ledger.shape is not None else ("csv", "xlsx")


def values(book: Book, rows: QuerySet[Model]) -> Iterator[tuple[Model, dict[str, Plain]]]:
    """Rows in order of id with their plain values, personal ones masked; one page of statements per `CHUNK`."""
    refs, last = Refs(), 0
    while True:
        part = list(rows.filter(pk__gt=last).order_by("pk")[:CHUNK])
        if not part:
            return
        refs.of_rows(book, part)
        for row in part:
            yield row, columns.masked(book, columns.plain(book, row, refs))
        last = part[-1].pk


def headers(book: Book, names: list[str]) -> list[str]:
    """Titles in the language of who asks; the import knows them again."""
    return [str(book.cols[name].title if name in book.cols else _PLACE.get(name, name)) for name in names]


def names_of(book: Book) -> list[str]:
    """Columns of a file in their order, with the position at the end."""
    found = list(book.cols)
    if book.ledger.shape is not None:
        found += ["lon", "lat", *(["wkt"] if book.ledger.shape.geometry else [])]
    return found


def _cells(book: Book, names: list[str], plain: dict[str, Plain]) -> list[Any]:
    """Values as people read and the import takes them: choices by title, references by code, yes and no."""
    found: list[Any] = []
    for name in names:
        col, value = book.cols.get(name), plain.get(name)
        if value is None:
            found.append("")
        elif col is None:
            found.append(value)
        elif col.type in ("choice", "bool"):
            found.append(neutral(str(columns.shown(col, value))))
        else:
            found.append(neutral(value))
    return found


def csv_lines(book: Book, rows: QuerySet[Model]) -> Iterator[bytes]:
    """UTF-8 with a mark, so that a spreadsheet reads Chinese."""
    names, buffer = names_of(book), io.StringIO()
    writer = csv.writer(buffer)

    def taken() -> bytes:
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text.encode()

    buffer.write("\ufeff")
    writer.writerow(headers(book, names))
    for count, (_row, plain) in enumerate(values(book, rows), 1):
        writer.writerow(_cells(book, names, plain))
        if count % 500 == 0:
            yield taken()
    yield taken()


def geojson_lines(book: Book, rows: QuerySet[Model]) -> Iterator[bytes]:
    """A FeatureCollection, feature by feature."""
    yield b'{"type":"FeatureCollection","features":['
    first = True
    for row, plain in values(book, rows):
        geometry = shapes.geometry_of(book.ledger, row)
        properties = {name: neutral(plain.get(name)) for name in book.cols}
        feature = {
            "type": "Feature",
            "id": str(row.pk),
            "geometry": None if geometry is None else json.loads(shapely.to_geojson(geometry)),
            "properties": properties,
        }
        yield (b"" if first else b",\n") + json.dumps(feature, ensure_ascii=False).encode()
        first = False
    yield b"]}\n"


def write_xlsx(book: Book, rows: QuerySet[Model], path: Path) -> None:
    """One sheet, every cell text or number, none a formula."""
    names = names_of(book)
    file = openpyxl.Workbook(write_only=True)
    sheet = file.create_sheet(str(book.ledger.title)[:31])
    sheet.freeze_panes = "A2"
    sheet.append(headers(book, names))
    for _row, plain in values(book, rows):
        sheet.append(
            [ILLEGAL_CHARACTERS_RE.sub("", c) if isinstance(c, str) else c for c in _cells(book, names, plain)]
        )
    file.save(path)


def write_gpkg(book: Book, rows: QuerySet[Model], path: Path) -> None:
    """One layer named by the ledger, CGCS2000; rows without a shape have none."""
    names = list(book.cols)
    part: list[tuple[Any, list[Any]]] = []

    def flush(append: bool) -> None:
        geometry = np.array([None if shape is None else shapely.to_wkb(shape) for shape, _cells in part], dtype=object)
        fields = [np.array([cells[i] for _shape, cells in part], dtype=object) for i in range(len(names))]
        kinds = book.ledger.shape.kinds if book.ledger.shape else ()
        pyogrio.raw.write(
            path, geometry, fields, np.array(names, dtype=object), layer=book.ledger.code, driver="GPKG",
            geometry_type="Point" if kinds == ("Point",) else "Unknown", crs="EPSG:4490", append=append,
        )  # fmt: skip
        part.clear()

    append = False
    for row, plain in values(book, rows):
        cells = [None if plain.get(name) is None else neutral(str(plain[name])) for name in names]
        part.append((shapes.geometry_of(book.ledger, row), cells))
        if len(part) >= CHUNK * 5:
            flush(append)
            append = True
    if part or not append:
        flush(append)


WRITERS: dict[str, Callable[[Book, QuerySet[Model], Path], None]] = {"xlsx": write_xlsx, "gpkg": write_gpkg}
LINES: dict[str, Callable[[Book, QuerySet[Model]], Iterator[bytes]]] = {"csv": csv_lines, "geojson": geojson_lines}


def to_file(book: Book, rows: QuerySet[Model], form: str, path: Path) -> None:
    """Write a whole file."""
    if form in WRITERS:
        WRITERS[form](book, rows, path)
        return
    with path.open("wb") as file:
        for line in LINES[form](book, rows):
            file.write(line)


def made(book: Book, rows: QuerySet[Model], form: str) -> Iterator[bytes]:
    """A file in pieces for an answer; XLSX and GeoPackage are written aside first and removed behind."""
    if form in LINES:
        yield from LINES[form](book, rows)
        return
    with tempfile.TemporaryDirectory(prefix="xiuhua-export-") as folder:
        path = Path(folder) / f"{book.ledger.code}.{form}"
        WRITERS[form](book, rows, path)
        with path.open("rb") as file:
            while piece := file.read(1 << 18):
                yield piece


def template(book: Book, form: str) -> bytes:
    """An empty file with the headers that the import asks for, the required ones marked with *."""
    cols = [col for col in book.cols.values() if col.column.edit]
    titles = [f"{col.title}{'*' if col.required else ''}" for col in cols]
    if book.ledger.shape is not None:
        titles += headers(book, ["lon", "lat"] + (["wkt"] if book.ledger.shape.geometry else []))
    if form == "xlsx":
        file = openpyxl.Workbook()
        sheet = file.active
        assert sheet is not None
        sheet.title = str(book.ledger.title)[:31]
        sheet.append(titles)
        for cell in sheet[1]:
            sheet.column_dimensions[cell.column_letter].width = 18
            sheet.column_dimensions[cell.column_letter].number_format = "@"
        out = io.BytesIO()
        file.save(out)
        return out.getvalue()
    text = io.StringIO()
    csv.writer(text).writerow(titles)
    return ("\ufeff" + text.getvalue()).encode()
