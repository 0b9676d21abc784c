"""Draught sent before and after each silence: loading at the dark port makes a ship deeper, if the crew updates the value."""

from __future__ import annotations

import pandas as pd
import polars as pl

OLDEST_DAYS = 10
"""A draught sent longer than this before the silence, or first sent longer after it, says nothing about the silence."""


def around(gaps: pd.DataFrame, statics: pl.DataFrame) -> pd.DataFrame:
    """One row per gap: `gap_id`, `before_m`, `after_m` [m]; NaN where no draught was sent within ten days on that side.

    `statics` (`tables.STATICS`) has the first and last time of each day at which a ship sent a draught. Of two that a ship sent
    by turns on the day of the silence, the one that may have been sent nearest to it is taken.
    """
    edges = pl.DataFrame(
        {
            "gap_id": gaps["gap_id"].tolist(),
            "vessel_key": gaps["vessel_key"].tolist(),
            "start": gaps["start_utc"].astype("int64").tolist(),
            # An open silence has no "after".
            "end": gaps["end_utc"].astype("int64").where(gaps["end_utc"].notna(), None).tolist(),
        },
        schema={"gap_id": pl.String, "vessel_key": pl.String, "start": pl.Int64, "end": pl.Int64},
        strict=False,
    )
    sent = statics.filter(pl.col("draught_m").is_not_null()).select(
        "vessel_key", "draught_m", first=pl.col("first_utc").dt.epoch("us"), last=pl.col("last_utc").dt.epoch("us")
    )
    span = OLDEST_DAYS * 86_400_000_000
    pairs = edges.join(sent, on="vessel_key").with_columns(
        late=pl.col("start") - pl.min_horizontal("last", "start"),
        early=pl.max_horizontal("first", "end") - pl.col("end"),
    )
    before = pairs.filter((pl.col("first") <= pl.col("start")) & (pl.col("late") <= span))
    after = pairs.filter((pl.col("last") >= pl.col("end")) & (pl.col("early") <= span))
    # Among sets that reach up to the silence itself, the one that began last, or ended first, is the nearest.
    before = before.sort("late", "first", "draught_m", descending=[False, True, False]).unique(
        "gap_id", keep="first", maintain_order=True
    )
    after = after.sort("early", "last", "draught_m").unique("gap_id", keep="first", maintain_order=True)
    both = (
        edges.select("gap_id")
        .join(before.select("gap_id", before_m="draught_m"), on="gap_id", how="left")
        .join(after.select("gap_id", after_m="draught_m"), on="gap_id", how="left")
    )
    return both.sort("gap_id").to_pandas().astype({"before_m": "float64", "after_m": "float64"})
