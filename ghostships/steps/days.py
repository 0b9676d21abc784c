"""Positions -> vessel hours: the one summary of the bulk data, a pure function of a day's rows alone, mergeable in any order.

```
messages of one ship   . .  .   |.          |            |      . .      one row per UTC hour in which it was heard;
hours                  [  row  ][   row    ]   no row   no row  [ row ]  a silence of an hour or more is always the step
                             last_heard <------------------> first_heard from one row to the next
```

No setting enters, so that a stored day never has to be made again because a threshold changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from ghostships import sea, tables
from ghostships.units import US_PER_HOUR

MOVING_KN = 0.5
"""A ship that reports at least this is under way; below it is the noise of a satellite fix at anchor (own judgement)."""

SHORTEST_STEP_S = 60.0
"""Steps are timed as at least this. Many exports round times to the minute and receivers stamp late by as much, so that a
shorter interval says little about speed; it also keeps two positions of one instant from being infinitely fast."""

ORDER = ("time_utc", "lat_deg", "lon_deg", "source_file", "source_row")
"""Order of a ship's messages. Two places in one second are a conflict: both stay, in order of place, then of source."""


def summarise(positions: pl.DataFrame, *, also_by: Sequence[str] = ()) -> pl.DataFrame:
    """One row per ship and UTC hour in which it was heard (`tables.VESSEL_HOURS`).

    `max_step_kn` is the largest speed implied by two consecutive positions *within* the hour, timed as at least a minute; the
    step into the next hour follows from the rows. `also_by` names further columns to part the hours by (hulls of one number);
    they lead the result after the declared columns.
    """
    by = ["vessel_key", *also_by]
    each_hour = [*by, "hour_utc"]
    if positions.is_empty():
        extra = {name: positions.schema[name] for name in also_by}
        return pl.DataFrame(schema={**tables.VESSEL_HOURS.polars_schema, **extra})
    placed = pl.col("lat_deg").is_not_null()
    rows = (
        positions.lazy()
        .select(*by, "mmsi", *ORDER, "sog_kn", "ais_class", hour_utc=pl.col("time_utc").dt.truncate("1h"))
        .sort(*by, *ORDER, nulls_last=True)
    )
    before = {name: pl.col(name).shift(1).over(each_hour) for name in ("lat_deg", "lon_deg", "time_utc")}
    step_nm = sea.gc_nm_expr(before["lat_deg"], before["lon_deg"], pl.col("lat_deg"), pl.col("lon_deg"))
    step_h = (pl.col("time_utc") - before["time_utc"]).dt.total_microseconds() / US_PER_HOUR
    steps = (
        rows.filter(placed)
        .select(*each_hour, step_kn=step_nm / step_h.clip(lower_bound=SHORTEST_STEP_S / 3600))
        .group_by(each_hour)
        .agg(max_step_kn=pl.col("step_kn").max())
    )
    source = pl.format("{}:{}", "source_file", "source_row")
    hours = rows.group_by(each_hour, maintain_order=True).agg(
        pl.col("mmsi").max(),
        n_messages=pl.len().cast(pl.Int64),
        n_positions=placed.sum().cast(pl.Int64),
        n_moving=(placed & (pl.col("sog_kn") >= MOVING_KN)).sum().cast(pl.Int64),
        first_heard_utc=pl.col("time_utc").first(),
        last_heard_utc=pl.col("time_utc").last(),
        first_utc=pl.col("time_utc").filter(placed).first(),
        first_lat_deg=pl.col("lat_deg").filter(placed).first(),
        first_lon_deg=pl.col("lon_deg").filter(placed).first(),
        first_source=source.first(),
        last_utc=pl.col("time_utc").filter(placed).last(),
        last_lat_deg=pl.col("lat_deg").filter(placed).last(),
        last_lon_deg=pl.col("lon_deg").filter(placed).last(),
        last_source=source.last(),
        ais_class=pl.col("ais_class").min(),
    )
    return (
        hours.join(steps, on=each_hour, how="left")
        .with_columns(cell=sea.cell_expr(pl.col("last_lat_deg"), pl.col("last_lon_deg")))
        .select(
            [pl.col(n).cast(t) for n, t in tables.VESSEL_HOURS.polars_schema.items()] + [pl.col(n) for n in also_by]
        )
        .sort(each_hour)
        .collect()
    )


def merge(summaries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The vessel hours of several days, in any order.

    Days are disjoint sets of hours: when late rows come, a day is summarised again and replaced whole, never added to.
    """
    parts = [part for part in summaries if not part.is_empty()]
    if not parts:
        return tables.empty_polars(tables.VESSEL_HOURS)
    merged = pl.concat(parts).sort(tables.VESSEL_HOURS.key)
    assert not merged.select(pl.struct(tables.VESSEL_HOURS.key).is_duplicated().any()).item(), (
        "an hour is in two summaries"
    )
    return merged
