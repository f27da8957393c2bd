"""CSV in UTF-8 (with or without mark) or GB 18030 (GBK), separated by comma, semicolon or tab."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path

from xiuhua.ledgers.readers.table import MOST_ROWS, Raw, Table, headers_of, too_many_rows
from xiuhua.ledgers.store import FileRefused
from xiuhua.manifest import Text

csv.field_size_limit(1 << 20)
_NAMES = {"utf-8": "utf-8-sig", "gb18030": "gb18030", "gbk": "gb18030"}


def open_table(path: Path, encoding: str) -> Table:
    """Headers from the first line, encoding proved over the whole file."""
    with path.open("rb") as raw_file:
        start = raw_file.read(4096)
    if start[:2] == b"PK" or start[:4] == b"\xd0\xcf\x11\xe0":
        raise FileRefused(
            "这是 Excel 文件，不是 CSV；请另存为 .xlsx 或 CSV。",
            "This is a workbook, not CSV; save it as .xlsx or as CSV.",
        )
    chosen = _encoding(path, start, encoding)
    with path.open(encoding=chosen, newline="") as file:
        first = file.readline(1 << 20)
        delimiter = max(",;\t", key=first.count)
        file.seek(0)
        headers = headers_of(next(csv.reader(file, delimiter=delimiter), []))
        count = sum(1 for _line in file)

    def rows() -> Iterator[Raw]:
        with path.open(encoding=chosen, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            try:
                next(reader)
                for number, cells in enumerate(reader):
                    if number >= MOST_ROWS:
                        raise too_many_rows()
                    if not any(cells):
                        continue
                    raw = Raw(reader.line_num, dict(zip(headers, cells, strict=False)))
                    raw.values.pop("", None)
                    if len(cells) > len(headers) and any(cells[len(headers) :]):
                        raw.faults.append(
                            Text(
                                f"有{len(cells)}格，表头只有{len(headers)}列。",
                                f"There are {len(cells)} cells under {len(headers)} headers.",
                            )
                        )
                    yield raw
            except csv.Error as error:
                raise FileRefused(
                    f"第{reader.line_num}行无法按 CSV 读取（引号不配对或内容过长）。",
                    f"Line {reader.line_num} cannot be read as CSV: {error}.",
                ) from None

    return Table(headers, rows, count=count, encoding=chosen)


def _encoding(path: Path, start: bytes, wanted: str) -> str:
    """The first encoding under which every byte of the file can be read."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tries = ["utf-16"]
    elif b"\0" in start:
        raise FileRefused("这不是文本文件。", "This is no text file.")
    elif wanted == "auto":
        tries = ["utf-8-sig", "gb18030"]
    else:
        tries = [_NAMES.get(wanted, "utf-8-sig")]
    furthest = 0
    for one in tries:
        line, decoder = 1, codecs.getincrementaldecoder(one)()
        try:
            with path.open("rb") as file:
                for piece in iter(lambda file=file: file.readline(1 << 16), b""):  # type: ignore[misc]
                    decoder.decode(piece)
                    line += 1
                decoder.decode(b"", final=True)
            return one
        except UnicodeDecodeError:
            # The encoding that reads furthest is most likely the right one: its line is where to look.
            furthest = max(furthest, line)
    said = "、".join(tries)
    raise FileRefused(
        f"第{furthest}行不是 {said} 编码；请换一种编码，或另存为 UTF-8。",
        f"Line {furthest} is not in {', '.join(tries)}; choose another encoding or save the file as UTF-8.",
    )
