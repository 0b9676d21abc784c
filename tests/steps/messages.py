"""Invented messages of invented ships, as the positions table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from ghostships import tables
from ghostships.steps import days, segments

START = datetime(2024, 1, 1, tzinfo=UTC)
SIM_A, SIM_B = 799_000_001, 799_000_002


def at(hours: float) -> datetime:
    """Hours after the start of the story, to the microsecond."""
    return START + timedelta(microseconds=round(hours * 3_600_000_000))


def messages(
    *sent: tuple[object, ...], mmsi: int | None = SIM_A, key: str | None = None, row: int = 1, **said: object
) -> pl.DataFrame:
    """Messages `(hours, lat, lon)` or `(hours,)` without a place; `said` goes into every one."""
    rows = [
        {
            "vessel_key": key or f"mmsi:{mmsi}",
            "mmsi": mmsi,
            "time_utc": at(float(str(one[0]))),
            "lat_deg": one[1] if len(one) > 1 else None,
            "lon_deg": one[2] if len(one) > 1 else None,
            "source_file": "f" * 12,
            "source_row": row + number,
            **said,
        }
        for number, one in enumerate(sent)
    ]
    schema = tables.POSITIONS.polars_schema
    full = [{name: r.get(name) for name in schema} for r in rows]
    return pl.DataFrame(full, schema=schema)


def hourly(hours: range | list[float], lat: float = 42.0, lon: float = 132.0, **said: object) -> pl.DataFrame:
    """A ship that lies still and is heard at these hours."""
    return messages(*((h, lat, lon) for h in hours), **said)  # type: ignore[arg-type]


def river(positions: pl.DataFrame, *, max_speed_kn: float = 60.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Segments and hours of hulls of these positions."""
    hours = days.summarise(positions)
    return segments.find(hours, positions, summarise=days.summarise, max_speed_kn=max_speed_kn)


def suez(shared: Path) -> pl.DataFrame:
    """The Suez export, parsed by itself: truth must not hang on the readers."""
    raw = pl.read_csv(shared / "data/suez/boat-positions.csv", encoding="utf8")
    raw = raw.rename({raw.columns[0]: "id"}).with_row_index("source_row", 2)
    known = raw.select(
        pl.format("id:{}:{}", pl.lit("f" * 12), pl.col("id")).alias("vessel_key"),
        pl.col("ais_pos_timestamp")
        .str.to_datetime("%d/%m/%Y %H:%M", time_unit="us", time_zone="UTC")
        .alias("time_utc"),
        pl.col("latitude").round(7).alias("lat_deg"),
        pl.col("longitude").round(7).alias("lon_deg"),
        pl.lit("f" * 12).alias("source_file"),
        pl.col("source_row").cast(pl.Int64),
    )
    schema = tables.POSITIONS.polars_schema
    return known.with_columns([pl.lit(None, t).alias(n) for n, t in schema.items() if n not in known.columns]).select(
        list(schema)
    )
