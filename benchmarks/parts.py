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

from ghostships import routes, statics, tables
from ghostships.steps import days, gaps, segments

spent: dict[str, float] = {}


@contextmanager
def timed(name: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    spent[name] = round(time.process_time() - begun, 2)


def messages(files: list[str]) -> pl.DataFrame:
    """Rows of `tables.MESSAGES` with ship, time, place and source alone; nobody says anything of himself."""
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
            mmsi=pl.col("MMSI").cast(pl.Int32, strict=False),
            time_utc=pl.col("BaseDateTime").str.to_datetime(
                "%Y-%m-%dT%H:%M:%S", strict=False, time_zone="UTC", time_unit="us"
            ),
            lat_deg=pl.col("LAT"),
            lon_deg=pl.col("LON"),
            source_row=pl.col("row").cast(pl.Int64) + 2,
        )
        parts.append(
            rows.filter(
                pl.col("mmsi").is_between(201_000_000, 775_999_999)
                & (pl.col("time_utc").dt.year() >= 2000)
                & (pl.col("lat_deg").abs() <= 90)
                & (pl.col("lon_deg").abs() <= 180)
            )
            .with_columns(
                own_id=pl.lit(None, pl.String),
                sog_kn=pl.lit(None, pl.Float64),
                cog_deg=pl.lit(None, pl.Float64),
                heading_deg=pl.lit(None, pl.Float64),
                nav_status=pl.lit(None, pl.Int64),
                said=pl.lit(0, statics.SAID),
                source_file=pl.lit(f"{nth:012d}"),
            )
            .collect(engine="streaming")
        )
    return pl.concat(parts)


NOBODY = pl.DataFrame({"said": [0]}, schema={"said": statics.SAID}).with_columns(
    pl.lit(None, dtype).alias(name) for name, dtype in statics.CONTENTS_SCHEMA.items() if name != "said"
)
"""The one empty set of static data."""


def main(files: list[str]) -> None:
    route = routes.load()
    with timed("parse"):
        rows = messages(files)
    with timed("deduplicate"):
        rows, _ = days.settle(rows)
    with timed("summarise"):
        hours = days.hours(rows, NOBODY)
    with timed("segments"):
        max_speed_kn = route.policy.max_speed_kn
        suspects = segments.suspects(hours, max_speed_kn=max_speed_kn)
        assert suspects.is_empty(), "the invented ships of the bulk day make no impossible steps"
        none = tables.empty_polars(tables.POSITIONS)
        hulls, hull_hours = segments.find(hours, none, summarise=days.summarise, max_speed_kn=max_speed_kn)
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
