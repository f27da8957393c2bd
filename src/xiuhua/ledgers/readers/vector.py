"""GeoPackage and zipped shapefiles by GDAL (pyogrio), a few thousand features at a time.

Only files whose first bytes are those of their kind reach GDAL, under names of ours, so that no other driver is tempted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely

from xiuhua.ledgers.readers import archive
from xiuhua.ledgers.readers.table import MOST_ROWS, Raw, Table, headers_of, too_many_rows
from xiuhua.ledgers.shapes import EPSG
from xiuhua.ledgers.store import FileRefused
from xiuhua.manifest import Text

CHUNK = 10_000
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def open_geopackage(path: Path, layer: str) -> Table:
    """One table of a GeoPackage."""
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            raise FileRefused("不是 GeoPackage。", "This is no GeoPackage.")
    try:
        names = [str(name) for name, _kind in pyogrio.list_layers(path)]
    except Exception:
        raise _damaged() from None
    if not names:
        raise FileRefused("GeoPackage 里没有图层。", "There is no layer in the GeoPackage.")
    if len(names) > 1 and not layer:
        raise FileRefused(
            f"有多个图层，请写明用哪一个：{'、'.join(names[:10])}。",
            f"There are several layers; say which: {', '.join(names[:10])}.",
        )
    if layer and layer not in names:
        raise FileRefused(
            f"没有图层“{layer}”，有：{'、'.join(names[:10])}。",
            f"There is no layer {layer!r}; there are: {', '.join(names[:10])}.",
        )
    return _table(path, layer or names[0], "GPKG", "utf-8")


def open_shapefile(path: Path, encoding: str, layer: str) -> Table:
    """The shapefile in an archive; its parts are unpacked under names of ours."""
    packed = archive.open_zip(path)
    members: dict[str, dict[str, str]] = {}
    for name in packed.namelist():
        pure = PurePosixPath(name.replace("\\", "/"))
        if pure.suffix.lower() in _PARTS and not pure.name.startswith("."):
            members.setdefault(str(pure.with_suffix("")), {})[pure.suffix.lower()] = name
    shapes = {stem: parts for stem, parts in members.items() if ".shp" in parts}
    if layer:
        shapes = {stem: parts for stem, parts in shapes.items() if PurePosixPath(stem).name == layer}
    if not shapes:
        raise FileRefused("压缩包里没有 .shp 文件。", "There is no .shp file in the archive.")
    if len(shapes) > 1:
        names = sorted(PurePosixPath(stem).name for stem in shapes)
        raise FileRefused(
            f"压缩包里有多个 SHP，请写明用哪一个：{'、'.join(names[:10])}。",
            f"There are several shapefiles; say which: {', '.join(names[:10])}.",
        )
    parts = next(iter(shapes.values()))
    missing = [part for part in (".shx", ".dbf") if part not in parts]
    if missing:
        raise FileRefused(
            f"SHP 缺少{'、'.join(missing)}文件。", f"The shapefile lacks its {' and '.join(missing)} file."
        )
    holder = tempfile.TemporaryDirectory(prefix="xiuhua-shp-")
    folder = Path(holder.name)
    for suffix, member in parts.items():
        archive.copy(packed, member, folder / f"data{suffix}")
    packed.close()
    with (folder / "data.shp").open("rb") as file:
        if file.read(4) != b"\x00\x00\x27\x0a":
            raise FileRefused(".shp 文件已损坏。", "The .shp file is damaged.")
    chosen = _dbf_encoding(folder, encoding)
    table = _table(folder / "data.shp", "data", "ESRI Shapefile", chosen)
    table.rows = _keeping(holder, table.rows)
    if ".prj" not in parts:
        table.system = ""
        table.problem = Text(
            "压缩包缺少 .prj，不知道坐标系；请自己选定。",
            "There is no .prj, so the coordinate system is unknown; choose one.",
        )
    return table


def _keeping(holder: Any, rows: Any) -> Any:
    """The unpacked folder lives as long as the table can be read."""

    def keep() -> Iterator[Raw]:
        assert holder is not None
        yield from rows()

    return keep


def _dbf_encoding(folder: Path, wanted: str) -> str:
    """What was chosen, else what the .cpg says, else UTF-8 when all records can be read so, else GB 18030."""
    if wanted != "auto":
        return "gb18030" if wanted.startswith("gb") else "utf-8"
    said = ""
    if (folder / "data.cpg").exists():
        said = (folder / "data.cpg").read_bytes()[:40].decode("ascii", "ignore").strip().lower()
        (folder / "data.cpg").unlink()  # GDAL would recode a second time
    if said in ("utf-8", "utf8", "65001"):
        return "utf-8"
    if said.startswith(("gb", "936", "cp936", "ansi 936", "54936")):
        return "gb18030"
    with (folder / "data.dbf").open("rb") as file:
        head = file.read(32)
        start, size = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
        file.seek(start)
        while size and (record := file.read(size)):
            try:
                record.decode("utf-8")
            except UnicodeDecodeError:
                return "gb18030"
    return "utf-8"


@contextmanager
def _gdal() -> Iterator[None]:
    try:
        yield
    except FileRefused:
        raise
    except UnicodeDecodeError as error:
        raise FileRefused(
            f"属性不是 {error.encoding} 编码，请换一种编码。",
            f"The attributes are not in {error.encoding}; choose another encoding.",
        ) from None
    except Exception:  # GDAL tells broken files in many ways
        raise _damaged() from None


def _damaged() -> FileRefused:
    return FileRefused("空间数据文件已损坏，无法读取。", "The file of shapes is damaged and cannot be read.")


def _table(path: Path, layer: str, driver: str, encoding: str) -> Table:
    with _gdal():
        info = pyogrio.read_info(path, layer=layer, encoding=encoding)
    if info.get("driver") != driver:
        raise _damaged()
    count = int(info.get("features") or 0)
    if count == 0:
        raise FileRefused("文件里没有要素。", "There are no features in the file.")
    if count > MOST_ROWS:
        raise too_many_rows()
    headers = headers_of([str(name) for name in info["fields"]]) if len(info["fields"]) else []
    system, problem = _system(info.get("crs"))

    def rows() -> Iterator[Raw]:
        for start in range(0, count, CHUNK):
            with _gdal():
                meta, _fids, wkb, fields = pyogrio.raw.read(
                    path,
                    layer=layer,
                    encoding=encoding,
                    skip_features=start,
                    max_features=CHUNK,
                    datetime_as_string=True,
                )
            names = [str(name) for name in meta["fields"]]
            columns = [column.tolist() for column in fields]
            shapes = wkb if wkb is not None else np.full(len(columns[0]) if columns else 0, None)
            for place, geometry in enumerate(shapes):
                values = {name: _flat(column[place]) for name, column in zip(names, columns, strict=True)}
                raw = Raw(start + place + 1, values)
                if geometry is not None:
                    try:
                        raw.geometry = shapely.from_wkb(geometry)
                    except shapely.errors.ShapelyError:
                        raw.faults.append(Text("图形无法读取。", "The shape cannot be read."))
                yield raw

    return Table(headers, rows, count=count, system=system, problem=problem, shaped=True, encoding=encoding)


def _flat(value: Any) -> Any:
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, bytes):
        return None
    if isinstance(value, str):
        text = value.strip()
        # GDAL gives a day as 2026/11/23 or 2026-11-23T00:00:00.
        return text[:10] if text[10:] in ("T00:00:00", "T00:00:00.000", " 00:00:00") else text
    return value


def _system(crs: str | None) -> tuple[str, Text | None]:
    """Our name for the file's coordinate system; '' and why when there is none that we know."""
    if not crs:
        return "", Text("文件没有说明坐标系，请自己选定。", "The file does not say its coordinate system; choose one.")
    try:
        found = pyproj.CRS.from_user_input(crs)
        code = found.to_epsg(min_confidence=60)
    except pyproj.exceptions.CRSError:
        code, found = None, None
    if code in EPSG:
        return EPSG[code], None
    name = (found.name if found is not None else crs)[:60]
    return "", Text(
        f"文件的坐标系“{name}”不在支持之列，请转换后再导入或自己选定。",
        f"The file's coordinate system {name!r} is not among those supported; convert the file or choose one.",
    )
