"""The same question asked of PostGIS: which unit grid, community, sub-district and county has this point.

Polygons are indexed (GiST) and analysed, points are loaded and have their geometry before the clock starts; the clock
covers one statement that finds the four codes of every point and stores them, on one core. What is counted is the
processor time of the serving process, so that other work on the machine does not make PostGIS look slow.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import bench_pg
import psycopg
import shapely

LAYERS = ("grids", "communities", "sub_districts", "counties")


def install() -> None:
    """PostGIS of the PostgreSQL that the benches use; brought by apt where it is missing and we are root."""
    folder = bench_pg.binaries()
    version = folder.parent.name
    if Path(f"/usr/share/postgresql/{version}/extension/postgis.control").exists():
        return
    package = f"postgresql-{version}-postgis-3"
    if os.geteuid() != 0:
        raise SystemExit(f"PostGIS is not installed (Debian: apt-get install {package})")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", package], check=True, **quiet)  # type: ignore[call-overload]


def _used(pid: int) -> float:
    """Processor seconds that a process has used, its own and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(ground: Any, lons: Any, lats: Any) -> tuple[float, list[tuple[str, ...]], str]:
    """Processor seconds, the four codes of each point in order, and which PostGIS."""
    install()
    with bench_pg.server() as url, psycopg.connect(url, autocommit=True) as db, db.cursor() as cursor:
        cursor.execute("CREATE EXTENSION postgis")
        version = str(cursor.execute("SELECT postgis_lib_version()").fetchone()[0])  # type: ignore[index]
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        for name in LAYERS:
            layer = getattr(ground, name)
            cursor.execute(f"CREATE TABLE {name} (code text PRIMARY KEY, shape geometry)")
            with cursor.copy(f"COPY {name} (code, shape) FROM STDIN") as copy:
                for code, shape in zip(layer.codes, layer.shapes, strict=True):
                    copy.write_row((code, shapely.to_wkb(shape, hex=True)))
            cursor.execute(f"CREATE INDEX ON {name} USING gist (shape)")
        cursor.execute("CREATE TABLE points (id int PRIMARY KEY, shape geometry)")
        with cursor.copy("COPY points (id, shape) FROM STDIN") as copy:
            for serial, point in enumerate(shapely.points(lons, lats)):
                copy.write_row((serial, shapely.to_wkb(point, hex=True)))
        cursor.execute("VACUUM ANALYZE")
        joins = "".join(
            f" LEFT JOIN LATERAL (SELECT code FROM {name} WHERE ST_Intersects(shape, points.shape)"  # noqa: S608
            f" ORDER BY code LIMIT 1) AS {name} ON true"
            for name in LAYERS
        )
        codes = ", ".join(f"coalesce({name}.code, '') AS {name}" for name in LAYERS)
        sql = f"CREATE TABLE found AS SELECT id, {codes} FROM points{joins}"  # noqa: S608
        pid = int(cursor.execute("SELECT pg_backend_pid()").fetchone()[0])  # type: ignore[index]
        began = _used(pid)
        cursor.execute(sql)  # type: ignore[arg-type]
        seconds = _used(pid) - began
        rows = cursor.execute(f"SELECT {', '.join(LAYERS)} FROM found ORDER BY id").fetchall()  # noqa: S608
    return seconds, [tuple(map(str, row)) for row in rows], version
