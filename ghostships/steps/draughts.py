"""Draught sent before and after each silence: loading at the dark port makes a ship deeper, if the crew updates the value."""

from __future__ import annotations

import pandas as pd
import polars as pl

OLDEST_DAYS = 10
"""A draught sent longer than this before the silence, or first sent longer after it, says nothing about the silence."""


def around(gaps: pd.DataFrame, positions: pl.DataFrame) -> pd.DataFrame:
    """One row per gap: `gap_id`, `before_m`, `after_m` [m]; NaN where no draught was sent within ten days on that side."""
    edges = pl.DataFrame(
        {
            "gap_id": gaps["gap_id"].tolist(),
            "vessel_key": gaps["vessel_key"].tolist(),
            "start": gaps["start_utc"].astype("int64").tolist(),
            # An open silence has no "after": the far end is put before all data, so that nothing matches.
            "end": gaps["end_utc"].astype("int64").where(gaps["end_utc"].notna(), -1).tolist(),
        },
        schema={"gap_id": pl.String, "vessel_key": pl.String, "start": pl.Int64, "end": pl.Int64},
    )
    sent = (
        positions.filter(pl.col("draught_m").is_not_null())
        .select("vessel_key", pl.col("time_utc").dt.epoch("us").alias("at"), "draught_m")
        .sort("at", "vessel_key", "draught_m")
    )
    if edges.is_empty() or sent.is_empty():
        return pd.DataFrame({"gap_id": gaps["gap_id"], "before_m": float("nan"), "after_m": float("nan")})
    span = OLDEST_DAYS * 86_400_000_000
    before = edges.sort("start").join_asof(
        sent,
        left_on="start",
        right_on="at",
        by="vessel_key",
        strategy="backward",
        tolerance=span,
        check_sortedness=False,
    )
    after = (
        edges.filter(pl.col("end") >= 0)
        .sort("end")
        .join_asof(
            sent,
            left_on="end",
            right_on="at",
            by="vessel_key",
            strategy="forward",
            tolerance=span,
            check_sortedness=False,
        )
    )
    both = before.select("gap_id", pl.col("draught_m").alias("before_m")).join(
        after.select("gap_id", pl.col("draught_m").alias("after_m")), on="gap_id", how="left"
    )
    return both.sort("gap_id").to_pandas().astype({"before_m": "float64", "after_m": "float64"})
