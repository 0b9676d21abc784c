"""Our summaries and gaps alone: the four columns parsed leniently by Polars, then the package's own steps; no store, no rejects.

    python benchmarks/parts.py DAY.csv ...

Prints one line of JSON: the answer, and the CPU seconds of each step within this process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import polars as pl

from ghostships import routes, tables
from ghostships.readers import ais
from ghostships.steps import days, gaps, segments

spent: dict[str, float] = {}


@contextmanager
def timed(name: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    spent[name] = round(time.process_time() - begun, 2)


def positions(files: list[str]) -> pl.DataFrame:
    """Rows of `tables.POSITIONS` with nothing but ship, time, place and source: the other columns are null."""
    columns = {"MMSI": pl.Int64(), "BaseDateTime": pl.String(), "LAT": pl.Float64(), "LON": pl.Float64()}
    parts = []
    for nth, file in enumerate(files):
        rows = pl.scan_csv(
            file,
            schema_overrides=columns,
            infer_schema=False,
            ignore_errors=True,
            truncate_ragged_lines=True,
            row_index_name="row",
        ).select(
            mmsi=pl.col("MMSI"),
            time_utc=pl.col("BaseDateTime").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_zone="UTC"),
            lat_deg=pl.col("LAT"),
            lon_deg=pl.col("LON"),
            source_file=pl.lit(f"{nth:012d}"),
            source_row=pl.col("row").cast(pl.Int64) + 2,
        )
        parts.append(
            rows.filter(
                pl.col("mmsi").is_between(201_000_000, 775_999_999)
                & (pl.col("time_utc").dt.year() >= 2000)
                & (pl.col("lat_deg").abs() <= 90)
                & (pl.col("lon_deg").abs() <= 180)
            )
            .with_columns(vessel_key=pl.format("mmsi:{}", pl.col("mmsi")))
            .collect(engine="streaming")
        )
    found = pl.concat(parts)
    given = set(found.columns)
    return found.select(
        pl.col(name).cast(dtype) if name in given else pl.lit(None, dtype).alias(name)
        for name, dtype in tables.POSITIONS.polars_schema.items()
    )


def main(files: list[str]) -> None:
    route = routes.load()
    with timed("parse"):
        rows = positions(files)
    with timed("deduplicate"):
        rows, _ = ais.deduplicate(rows)
    with timed("summarise"):
        hours = days.summarise(rows)
    with timed("segments"):
        hulls, hull_hours = segments.find(hours, rows, summarise=days.summarise, max_speed_kn=route.policy.max_speed_kn)
    with timed("gaps"):
        as_of: datetime | None = None
        found = gaps.find(hull_hours, hulls, min_gap_h=6.0, as_of_utc=as_of, route=route)
    answer = {
        "good": rows.height,
        "vessels": hours["vessel_key"].n_unique(),
        "vessel_hours": hours.height,
        "gaps": len(found),
        "gap_seconds": round(float((found["duration_h"] * 3600).sum())),
        "cpu_s": spent,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
