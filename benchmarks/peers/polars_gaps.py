"""Summaries per ship and hour and silences of six hours or more, in plain Polars (see README.md for the job)."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta

import polars as pl

EARTH_NM = 6371.0088 / 1.852


def main(files: list[str]) -> None:
    columns = {"MMSI": pl.Int64(), "BaseDateTime": pl.String(), "LAT": pl.Float64(), "LON": pl.Float64()}
    rows = (
        pl.scan_csv(files, schema_overrides=columns, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True)
        .select(
            pl.col("MMSI").alias("mmsi"),
            pl.col("BaseDateTime").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False).alias("time"),
            pl.col("LAT").alias("lat"),
            pl.col("LON").alias("lon"),
        )
        .filter(
            pl.col("mmsi").is_between(201_000_000, 775_999_999)
            & (pl.col("time") >= datetime(2000, 1, 1))  # noqa: DTZ001 (the column has no zone; it is UTC)
            & (pl.col("lat").abs() <= 90)
            & (pl.col("lon").abs() <= 180)
        )
        .collect(engine="streaming")
        .sort("mmsi", "time", "lat", "lon")
    )
    same = pl.all_horizontal(pl.all() == pl.all().shift(1))
    rows = rows.filter(~same.fill_null(False))
    ship = pl.col("mmsi") == pl.col("mmsi").shift(1)
    hour = pl.col("time").dt.truncate("1h")
    lat, lon = pl.col("lat").radians(), pl.col("lon").radians()
    half = ((lat - lat.shift(1)) / 2).sin() ** 2 + lat.cos() * lat.shift(1).cos() * (
        (lon - lon.shift(1)) / 2
    ).sin() ** 2
    step_h = ((pl.col("time") - pl.col("time").shift(1)).dt.total_seconds()).clip(60) / 3600
    rows = rows.with_columns(
        hour=hour,
        since=pl.when(ship).then(pl.col("time") - pl.col("time").shift(1)),
        knots=pl.when(ship & (hour == hour.shift(1))).then(2 * EARTH_NM * half.sqrt().arcsin() / step_h),
    )
    gaps = rows.filter(pl.col("since") >= timedelta(hours=6))
    hours = rows.group_by("mmsi", "hour", maintain_order=True).agg(
        n=pl.len(),
        first=pl.col("time").first(),
        first_lat=pl.col("lat").first(),
        first_lon=pl.col("lon").first(),
        last=pl.col("time").last(),
        last_lat=pl.col("lat").last(),
        last_lon=pl.col("lon").last(),
        max_knots=pl.col("knots").max(),
    )
    answer = {
        "good": rows.height,
        "vessels": hours["mmsi"].n_unique(),
        "vessel_hours": hours.height,
        "gaps": gaps.height,
        "gap_seconds": int(gaps["since"].dt.total_seconds().sum()),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
