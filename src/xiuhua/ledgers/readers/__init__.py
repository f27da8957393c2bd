"""Files as tables: CSV, XLSX, GeoJSON, GeoPackage and zipped shapefiles behind one function, and nothing trusted.

A file that cannot be used is refused as a whole (`store.FileRefused`); what is wrong with one row is said of that row.
"""

from __future__ import annotations

from pathlib import Path

from xiuhua.ledgers.readers.table import MOST_COLUMNS, MOST_ROWS, Raw, Table
from xiuhua.ledgers.store import FileRefused

__all__ = ["FORMATS", "MOST_COLUMNS", "MOST_ROWS", "FileRefused", "Raw", "Table", "open_table"]

FORMATS = (".csv", ".xlsx", ".geojson", ".json", ".gpkg", ".zip")


def open_table(path: Path, name: str, *, encoding: str = "auto", layer: str = "") -> Table:
    """Open a file by the ending of the name that it came with; raises `FileRefused`.

    ``encoding``: auto, utf-8 or gb18030 (which has all of GBK). ``layer``: table of a GeoPackage, sheet of a workbook.
    """
    from xiuhua.ledgers.readers import delimited, geojson, vector, workbook

    if path.stat().st_size == 0:
        raise FileRefused("文件是空的。", "The file is empty.")
    suffix = Path(name).suffix.lower()
    if suffix in (".csv", ".txt", ".tsv"):
        return delimited.open_table(path, encoding)
    if suffix == ".xlsx":
        return workbook.open_table(path, layer)
    if suffix in (".geojson", ".json"):
        return geojson.open_table(path, encoding)
    if suffix == ".gpkg":
        return vector.open_geopackage(path, layer)
    if suffix == ".zip":
        return vector.open_shapefile(path, encoding, layer)
    raise FileRefused(
        f"不支持“{suffix or name}”文件；可用 CSV、XLSX、GeoJSON、GeoPackage（.gpkg）和 SHP 压缩包（.zip）。",
        f"Files of the kind {suffix or name!r} are not taken; use CSV, XLSX, GeoJSON, GeoPackage (.gpkg) or a zipped shapefile.",
    )
