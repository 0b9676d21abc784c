"""Vessel hours of each hull, and its segments -> gaps: the silences of at least the policy's length.

```
heard      | | ||  |                          o   | | |  |          o = heard without a position: it ends the silence,
           0  hour  1  ...                                           its place is the next one known
                   A <------- one gap -------> B
                   last_heard of one row       first_heard of the next
```
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl

from ghostships import sphere, tables
from ghostships.routes import Port, Route
from ghostships.units import US_PER_HOUR

TRUSTED_TRACK_H = 24.0
"""Under a number with several tracks only one heard over at least a day may be silent "still": shorter ones are as likely a false
position that came and went (own judgement)."""


def find(
    segment_hours: pl.DataFrame,
    segments: pl.DataFrame,
    *,
    min_gap_h: float,
    as_of_utc: datetime | None,
    route: Route,
    vessels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Say when each hull was not heard for `min_gap_h` [h] or longer, exactly that long included.

    One row per silence (`tables.GAPS`). A silence that lasts until `as_of_utc` is an open gap. `gap_id` hashes the ship and the
    position that opens the gap, nothing else, so it stays the same when the gap closes or the threshold changes. `vessels` gives
    names and IMO numbers. `distance_nm`, `expected_heard` and `p_off` are null and `n_other_ships_heard` is 0: later steps know
    better.

    Limits: a ship never heard with a position has no place and so no gap. No gap joins two hulls. A track of a shared number that
    ends where several tracks fitted (`lost`), or that was heard for less than a day, is not called silent at the end of the data.
    """
    hull = ["vessel_key", "hull"]
    shortest_us = round(min_gap_h * US_PER_HOUR)
    rows = _placed(segment_hours.sort(*hull, "hour_utc"))
    following = {
        name: pl.col(name).shift(-1).over(hull) for name in ("first_heard_utc", "to_lat", "to_lon", "first_source")
    }
    silent_us = (following["first_heard_utc"] - pl.col("last_heard_utc")).dt.total_microseconds()
    closed = rows.with_columns(
        end_utc=following["first_heard_utc"],
        end_lat_deg=following["to_lat"],
        end_lon_deg=following["to_lon"],
        end_source=following["first_source"],
        silent_us=silent_us,
        is_open=pl.lit(False),
    ).filter(pl.col("silent_us") >= shortest_us)
    parts = [closed]
    if as_of_utc is not None:
        parts.append(_open(rows, segments, shortest_us=shortest_us, as_of_utc=as_of_utc).select(closed.columns))
    found = pl.concat(parts).filter(pl.col("from_lat").is_not_null())
    return tables.to_pandas(_described(found, route, vessels), tables.GAPS)


def _placed(rows: pl.DataFrame) -> pl.DataFrame:
    """The hours with the last place known at their end, and the first known from their start on.

    A hull first heard without a position is put where it is first seen.
    """
    hull = ["vessel_key", "hull"]

    def known(column: str, *fills: str) -> pl.Expr:
        out = pl.col(column)
        for fill in fills:
            out = out.fill_null(strategy=fill).over(hull)  # type: ignore[arg-type]
        return out

    return rows.with_columns(
        from_lat=pl.coalesce(known("last_lat_deg", "forward"), known("first_lat_deg", "backward")),
        from_lon=pl.coalesce(known("last_lon_deg", "forward"), known("first_lon_deg", "backward")),
        to_lat=known("first_lat_deg", "backward"),
        to_lon=known("first_lon_deg", "backward"),
    )


def _open(rows: pl.DataFrame, segments: pl.DataFrame, *, shortest_us: int, as_of_utc: datetime) -> pl.DataFrame:
    """The last hour of each hull that may be called silent until now."""
    n_hulls = segments.filter(pl.col("reason") != "jump").group_by("vessel_key").agg(n_hulls=pl.col("hull").n_unique())
    lost = segments.filter(pl.col("reason") == "lost").select("vessel_key", "hull").unique()
    last = rows.group_by("vessel_key", "hull", maintain_order=True).agg(
        pl.all().last(), heard_h=(pl.col("last_heard_utc").last() - pl.col("first_heard_utc").first()).dt.total_hours()
    )
    return (
        last.join(lost, on=["vessel_key", "hull"], how="anti", maintain_order="left")
        .join(n_hulls, on="vessel_key", how="left", maintain_order="left")
        .filter((pl.col("n_hulls") == 1) | (pl.col("heard_h") >= TRUSTED_TRACK_H))
        .with_columns(
            end_utc=pl.lit(None, pl.Datetime("us", "UTC")),
            end_lat_deg=pl.lit(None, pl.Float64),
            end_lon_deg=pl.lit(None, pl.Float64),
            end_source=pl.lit(None, pl.String),
            silent_us=(
                pl.lit(as_of_utc).cast(pl.Datetime("us", "UTC")) - pl.col("last_heard_utc")
            ).dt.total_microseconds(),
            is_open=pl.lit(True),
        )
        .filter(pl.col("silent_us") >= shortest_us)
    )


def _described(found: pl.DataFrame, route: Route, vessels: pd.DataFrame | None) -> pl.DataFrame:
    """The silences with every declared column."""
    start, end = (pl.col("from_lat"), pl.col("from_lon")), (pl.col("end_lat_deg"), pl.col("end_lon_deg"))
    opens = found.select("vessel_key", pl.col("last_heard_utc").dt.epoch("us"), "from_lat", "from_lon").iter_rows()
    ids = [gap_id(key, time_us, round(lat * 1e7), round(lon * 1e7)) for key, time_us, lat, lon in opens]
    known = tables.empty_pandas(tables.VESSELS) if vessels is None else vessels
    names = pl.DataFrame(pl.from_arrow(tables.to_arrow(known, tables.VESSELS))).select(
        "vessel_key", "imo", "vessel_name"
    )
    hours = pl.col("silent_us") / US_PER_HOUR
    return (
        found.with_columns(gap_id=pl.Series(ids, dtype=pl.String), distance_gc_nm=sphere.gc_nm_expr(*start, *end))
        .join(names, on="vessel_key", how="left", maintain_order="left")
        .select(
            "gap_id",
            "vessel_key",
            "mmsi",
            "imo",
            "vessel_name",
            "segment_id",
            pl.col("last_heard_utc").alias("start_utc"),
            "end_utc",
            pl.when(~pl.col("is_open")).then(hours).alias("duration_h"),
            pl.col("from_lat").alias("start_lat_deg"),
            pl.col("from_lon").alias("start_lon_deg"),
            "end_lat_deg",
            "end_lon_deg",
            "distance_gc_nm",
            pl.lit(None, pl.Float64).alias("distance_nm"),
            (pl.col("distance_gc_nm") / hours).alias("implied_speed_kn"),
            _port_at(found["from_lat"], found["from_lon"], route.ports).alias("start_port"),
            _port_at(found["end_lat_deg"], found["end_lon_deg"], route.ports).alias("end_port"),
            "is_open",
            pl.when("is_open").then(pl.lit("open")).otherwise(pl.lit("closed")).alias("state"),
            pl.lit(None, pl.Float64).alias("expected_heard"),
            pl.lit(None, pl.Float64).alias("p_off"),
            pl.lit(0, pl.Int64).alias("n_other_ships_heard"),
            pl.col("last_source").alias("start_source"),
            "end_source",
        )
    )


def gap_id(vessel_key: str, time_us: int, lat_e7: int, lon_e7: int) -> str:
    """`G-` and a hash of the ship and of when and where it was last heard, in whole microseconds and 1e-7 degrees."""
    return "G-" + hashlib.sha256(f"{vessel_key}|{time_us}|{lat_e7}|{lon_e7}".encode()).hexdigest()[:16]


def _port_at(lat_deg: pl.Series, lon_deg: pl.Series, ports: tuple[Port, ...]) -> pl.Series:
    """Id of the nearest port whose radius holds each place; the first of the route file where two are equally near."""
    out = np.full(len(lat_deg), None, dtype=object)
    lat, lon = lat_deg.cast(pl.Float64).to_numpy(), lon_deg.cast(pl.Float64).to_numpy()
    nearest = np.full(len(lat), np.inf)
    for port in ports:
        away_km = sphere.gc_km(lat, lon, port.lat_deg, port.lon_deg)
        inside = (away_km <= port.radius_km) & (away_km < nearest)
        out[inside] = port.id
        nearest[inside] = away_km[inside]
    return pl.Series(out.tolist(), dtype=pl.String)
