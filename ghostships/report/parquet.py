"""Tables on disk: Parquet whose bytes depend on the rows alone, GeoParquet 1.1 where a table has a place."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ghostships import tables
from ghostships.tables import Table

GEOMETRY = "geometry"
_WKB_POINT = struct.Struct("<BIdd")
"""Little-endian WKB: byte order 1, geometry type 1 (point), x, y (OGC 06-103r4, section 8.2)."""

_ROW_GROUP_ROWS = 1 << 20
"""One row group for every table we expect; fixed because its size is part of the bytes."""


def write_table(frame: pd.DataFrame | pl.DataFrame, table: Table, path: Path) -> int:
    """Write the declared columns, sorted by key, and say how many rows were written.

    The file carries no time and no path: the same rows with the same library versions give the same bytes. A table with a
    `place` gets a `geometry` column of WKB points in longitude, latitude (CRS84); a row without a place has a null there.
    """
    arrow = tables.to_arrow(frame, table)
    if table.place is not None:
        arrow = _with_points(arrow, table.place)
    pq.write_table(
        arrow,
        path,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        row_group_size=_ROW_GROUP_ROWS,
        coerce_timestamps="us",
        use_dictionary=True,
        write_statistics=True,
    )
    return int(arrow.num_rows)


def read_table(path: Path, table: Table) -> pd.DataFrame:
    """The table as pandas, without the geometry that repeats its place columns.

    A column that was declared after the file was written, and may be null, is null in every row: older folders stay readable.
    """
    there = set(pq.read_schema(path).names)
    arrow = pq.read_table(
        path, columns=[n for n in table.names if n in there or not _may_lack(table, n)], partitioning=None
    )
    for field in table.arrow_schema:
        if field.name not in arrow.column_names:
            arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    return tables.to_pandas(arrow.select(table.names), table)


def _may_lack(table: Table, name: str) -> bool:
    return next(column.nullable for column in table.columns if column.name == name)


def _with_points(arrow: pa.Table, place: tuple[str, str]) -> pa.Table:
    """The table with a WKB point per row and the `geo` metadata of GeoParquet 1.1."""
    lats, lons = (arrow.column(name).to_pylist() for name in place)
    points = [
        None if lat is None or lon is None else _WKB_POINT.pack(1, 1, lon, lat)
        for lat, lon in zip(lats, lons, strict=True)
    ]
    known = [(lon, lat) for lat, lon in zip(lats, lons, strict=True) if lat is not None and lon is not None]
    # Without `crs` the standard's default applies: OGC:CRS84, longitude before latitude.
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if known:
        xs, ys = [x for x, _ in known], [y for _, y in known]
        column["bbox"] = [min(xs), min(ys), max(xs), max(ys)]
    geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    arrow = arrow.append_column(pa.field(GEOMETRY, pa.binary(), True), pa.array(points, pa.binary()))
    metadata = dict(arrow.schema.metadata or {})
    metadata[b"geo"] = json.dumps(geo, sort_keys=True, separators=(",", ":")).encode()
    return arrow.replace_schema_metadata(metadata)
