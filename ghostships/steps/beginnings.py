"""Ships that were first heard only after the data began: they may have been anywhere before, also in a picture.

Such a silence is no gap: nobody heard the ship vanish, so it has no position that opens it and no row in `gaps`. It only keeps a
sighting of those days from being put down to somebody else, or to nobody.
"""

from __future__ import annotations

import hashlib

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.tables import GAPS

BEFORE_DATA_H = 72.0
"""Such a silence is taken to have begun so long before the data: about a passage and a stay (own judgement)."""


def find(hours: pl.DataFrame, *, min_gap_h: float) -> pd.DataFrame:
    """Silences before ships were first heard, as rows of `tables.GAPS` whose ids begin with `B-`.

    One row per vessel key first heard with a position `min_gap_h` or more after the first message of all. Start and end are both at
    that first position: where the ship came from is not known, and nothing is made of it.
    """
    if hours.is_empty():
        return tables.empty_pandas(GAPS)
    begin = hours["first_heard_utc"].min()
    first = (
        hours.sort("vessel_key", "first_heard_utc")
        .group_by("vessel_key", maintain_order=True)
        .agg(pl.col("mmsi", "first_heard_utc", "first_lat_deg", "first_lon_deg", "first_source").first())
        .filter(pl.col("first_lat_deg").is_not_null())
        .filter(pl.col("first_heard_utc") - pl.lit(begin) >= pl.duration(hours=min_gap_h))
    )
    if first.is_empty():
        return tables.empty_pandas(GAPS)
    start = pd.Timestamp(begin) - pd.Timedelta(hours=BEFORE_DATA_H)  # type: ignore[arg-type]
    rows = [
        {
            "gap_id": "B-" + hashlib.sha256(f"{row['vessel_key']}".encode()).hexdigest()[:16],
            "vessel_key": row["vessel_key"],
            "mmsi": row["mmsi"],
            "segment_id": "",
            "start_utc": start,
            "end_utc": row["first_heard_utc"],
            "duration_h": (pd.Timestamp(row["first_heard_utc"]) - start).total_seconds() / 3600,
            "start_lat_deg": row["first_lat_deg"],
            "start_lon_deg": row["first_lon_deg"],
            "end_lat_deg": row["first_lat_deg"],
            "end_lon_deg": row["first_lon_deg"],
            "is_open": False,
            "state": "closed",
            "n_other_ships_heard": 0,
            "start_source": "",
            "end_source": row["first_source"],
        }
        for row in first.iter_rows(named=True)
    ]
    frame = pd.DataFrame(rows)
    return tables.to_pandas(frame.assign(**{c.name: None for c in GAPS.columns if c.name not in frame}), GAPS)
