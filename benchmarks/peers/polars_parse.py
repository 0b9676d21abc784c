"""The yardstick: four columns of a day, parsed leniently by Polars, and nothing else.

`polars_parse.py schema DAY.csv ...` lets the CSV parser make the times; `text` reads them as text and makes them afterwards,
which is the faster way with Polars 2.1.
"""

from __future__ import annotations

import json
import sys

import polars as pl


def main(how: str, files: list[str]) -> None:
    time = pl.Datetime("us") if how == "schema" else pl.String()
    columns = {"MMSI": pl.Int64(), "BaseDateTime": time, "LAT": pl.Float64(), "LON": pl.Float64()}
    rows = pl.scan_csv(
        files, schema_overrides=columns, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True
    ).select([*columns])
    if how == "text":
        rows = rows.with_columns(pl.col("BaseDateTime").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False))
    parsed = rows.collect(engine="streaming")
    print(json.dumps({"rows": parsed.height}))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("schema", "text"):
        raise SystemExit("usage: polars_parse.py schema|text DAY.csv ...")
    main(sys.argv[1], sys.argv[2:])
