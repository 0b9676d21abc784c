"""Parquet and GeoParquet tables as columns of text, bound by their names like any other table.

The values go through the same rules as text, so that a file and its CSV twin give the same rows.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from ghostships.readers import dialects
from ghostships.readers.containers import escape
from ghostships.readers.jsonl import Records
from ghostships.readers.text import Refused

MAX_COLUMNS = 2_000
MAX_UNPACKED_BYTES = 8 * 2**30
_WGS84 = ("OGC:CRS84", "EPSG:4326")


def read(data: bytes, *, wanted: dialects.Dialect | None) -> Records:
    """A whole Parquet file; only the columns that mean something are decoded.

    Raises
    ------
    Refused
        when it is damaged, over the limits, not in WGS84, or no dialect fits its columns.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        names, place = _within_limits(file), _points(file)
        known = [*names, *(("lat", "lon") if place and not {"lat", "lon"} & set(names) else ())]
        binding = _bind(known, wanted)
        wanted_columns = [known[i] for i in binding.index.values() if i < len(names)]
        needs_points = place is not None and len(wanted_columns) < len(binding.index)
        table = file.read(columns=[*wanted_columns, *([place] if needs_points and place else [])])
        if needs_points and place:
            table = _with_points(table, place)
    except Refused:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, shapely.errors.ShapelyError) as error:
        raise Refused("damaged", f"damaged Parquet: {str(error).splitlines()[0][:200]}") from error
    frame = pl.DataFrame(
        {field: _text(pl.Series(table.column(known[i]).combine_chunks())) for field, i in binding.index.items()}
    ).with_columns(row=pl.int_range(1, table.num_rows + 1, dtype=pl.Int64))
    fields = [*binding.index]

    def raw(row: int) -> str:
        cells = frame.row(row - 1, named=True)
        return escape(json.dumps({known[binding.index[f]]: cells[f] for f in fields}, ensure_ascii=True).encode())

    return Records(frame, binding, (), table.num_rows, 0, raw)


def _within_limits(file: pq.ParquetFile) -> list[str]:
    meta = file.metadata
    if meta.num_columns > MAX_COLUMNS:
        raise Refused("limit", f"has {meta.num_columns} columns, more than {MAX_COLUMNS}")
    unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    if unpacked > MAX_UNPACKED_BYTES:
        raise Refused("decompression_limit", f"decompression limit: {unpacked} bytes, more than {MAX_UNPACKED_BYTES}")
    if meta.num_rows == 0:
        raise Refused("header_only", "columns but no rows")
    return [str(name) for name in file.schema_arrow.names]


def _points(file: pq.ParquetFile) -> str | None:
    """The geometry column of a GeoParquet file in WGS84; null without one."""
    declared = (file.schema_arrow.metadata or {}).get(b"geo")
    if not declared:
        return None
    geo: dict[str, Any] = json.loads(declared)
    name = str(geo["primary_column"])
    column = geo["columns"][name]
    code = (column.get("crs") or {}).get("id", {})
    crs = f"{code.get('authority')}:{code.get('code')}" if column.get("crs") else "OGC:CRS84"
    if crs not in _WGS84:
        raise Refused("crs", f"geometry is in {crs}; re-export in WGS84 (EPSG:4326)")
    return name if column.get("encoding") == "WKB" else None


def _with_points(table: pa.Table, place: str) -> pa.Table:
    points = shapely.from_wkb(np.array(table.column(place).to_pylist(), dtype=object), on_invalid="ignore")
    is_point = shapely.get_type_id(points) == 0
    lat, lon = (np.where(is_point, get(points), np.nan) for get in (shapely.get_y, shapely.get_x))
    return table.append_column("lat", pa.array(lat)).append_column("lon", pa.array(lon))


def _bind(names: list[str], wanted: dialects.Dialect | None) -> dialects.Binding:
    try:
        return dialects.best(names, shape="table", wanted=wanted)
    except dialects.NotRecognised as error:
        raise Refused(error.rule, str(error)) from error


def _text(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Datetime):
        zoned = values.dtype.time_zone is not None
        at = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else values
        return at.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if zoned else "")).fill_null("")
    if values.dtype in (pl.Binary, pl.List, pl.Struct, pl.Object, pl.Null):
        return pl.Series(values.name, [""], dtype=pl.String()).new_from_index(0, len(values))
    return values.cast(pl.String()).fill_null("")
