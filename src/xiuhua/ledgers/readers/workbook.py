"""XLSX by openpyxl, read row by row. Formulas, merged cells and numbers that the spreadsheet rounded are told of their rows."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.cell import range_boundaries

from xiuhua.ledgers.readers import archive
from xiuhua.ledgers.readers.table import MOST_COLUMNS, MOST_ROWS, Raw, Table, headers_of, too_many_rows
from xiuhua.ledgers.store import FileRefused
from xiuhua.manifest import Text

_MERGED = re.compile(rb'<mergeCell [^>]*?ref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')
#: Spreadsheets keep fifteen digits of a number; a longer identifier typed as one has lost its end.
_EXACT = 10**15


def open_table(path: Path, sheet: str) -> Table:
    """The first sheet, or the one named; headers from its first row."""
    archive.open_zip(path).close()
    with _opened(path) as book:
        names = book.sheetnames
        if not names:
            raise FileRefused("工作簿里没有工作表。", "There is no sheet in the workbook.")
        chosen = sheet or names[0]
        if chosen not in names:
            raise FileRefused(
                f"没有工作表“{chosen}”，有：{'、'.join(names[:10])}。",
                f"There is no sheet {chosen!r}; there are: {', '.join(names[:10])}.",
            )
        try:
            page = book[chosen]
            member = getattr(page, "_worksheet_path", "")
            page.reset_dimensions()
            first = next(page.iter_rows(max_row=1, max_col=MOST_COLUMNS + 200, values_only=True), ())
        except Exception:
            raise _damaged() from None
        headers = headers_of(first)
    merged = _merged(path, member)
    if any(top == 1 for top, _bottom, _ref in merged):
        raise FileRefused("表头有合并单元格，请取消合并。", "Cells of the header row are merged; split them.")

    def rows() -> Iterator[Raw]:
        with _opened(path) as book:
            page = book[chosen]
            page.reset_dimensions()
            try:
                for number, cells in enumerate(page.iter_rows(min_row=2, max_col=len(headers)), 2):
                    if number > MOST_ROWS:
                        raise too_many_rows()
                    raw = _raw(number, headers, cells)
                    if raw is None:
                        continue
                    raw.faults += [
                        Text(
                            f"合并单元格{ref}，请取消合并并逐行填写。",
                            f"Cells {ref} are merged; split them and fill in every row.",
                        )
                        for top, bottom, ref in merged
                        if top <= number <= bottom
                    ]
                    yield raw
            except FileRefused:
                raise
            except Exception:  # openpyxl meets broken XML in many ways
                raise _damaged() from None

    return Table(headers, rows, count=0)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook by an open file: openpyxl judges paths by their ending, and ours have none."""
    with path.open("rb") as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
        except Exception:  # openpyxl meets broken XML in many ways
            raise _damaged() from None
        try:
            yield book
        finally:
            book.close()


def _damaged() -> FileRefused:
    return FileRefused("工作簿无法读取，文件已损坏或不是 XLSX。", "The workbook cannot be read: damaged, or no XLSX.")


def _raw(number: int, headers: list[str], cells: Any) -> Raw | None:
    values: dict[str, Any] = {}
    faults: list[Text] = []
    for header, cell in zip(headers, cells, strict=False):
        value = cell.value
        if value is None or not header:
            continue
        if cell.data_type == "e":
            faults.append(Text(f"“{header}”是错误值{value}。", f"{header!r} holds the error {value}."))
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _EXACT:
            faults.append(
                Text(
                    f"“{header}”被表格软件按数字存储，末位已丢失，请设为文本格式重填。",
                    f"{header!r} was kept as a number and has lost its last digits; format the column as text.",
                )
            )
        if isinstance(value, float) and not value.is_integer():
            value = repr(value)
        if value != "":
            values[header] = value
    return Raw(number, values, faults=faults) if values else None


def _merged(path: Path, member: str) -> list[tuple[int, int, str]]:
    """First row, last row and name of every merged range: openpyxl does not tell when it reads row by row."""
    found: list[tuple[int, int, str]] = []
    with zipfile.ZipFile(path) as packed:
        name = member.lstrip("/")
        if name not in packed.namelist():
            return found
        with packed.open(name) as file:
            tail = b""
            while chunk := file.read(1 << 20):
                text = tail + chunk
                for match in _MERGED.finditer(text):
                    if match.end() > len(tail):
                        ref = match.group(1).decode()
                        _left, top, _right, bottom = range_boundaries(ref)
                        found.append((int(top or 1), int(bottom or 1), ref))
                tail = text[-200:]
    return found
