"""Days on disk as the traffic the analysis thinks on: summaries in memory, single positions read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import polars as pl

from ghostships import tables
from ghostships.bulk import files
from ghostships.steps import days as day_steps
from ghostships.traffic import Traffic, inside


class DayOnDisk(Protocol):
    """A day whose files can be had: `files.DayFiles`, or a day of a store that fetches them when asked."""

    @property
    def day(self) -> date: ...
    @property
    def positions(self) -> Path: ...
    @property
    def hours(self) -> Path: ...
    @property
    def statics(self) -> Path: ...
    @property
    def lost(self) -> Path: ...


def of_days(days: Sequence[DayOnDisk], *, ships: tuple[str, str] | None = None) -> Traffic:
    """The traffic of some days, in any order; with `ships` only of those from one vessel key to another, both included.

    Ships do not depend on each other until reception is learned: what is asked of each alone can be asked range by range.
    """
    ordered = sorted(days, key=lambda one: one.day)
    lost = files.read([one.lost for one in ordered], tables.LOST).sort(tables.LOST.key)
    return Traffic(
        hours=day_steps.merge([files.read([one.hours for one in ordered], tables.VESSEL_HOURS, ships=ships)]),
        statics=files.read([one.statics for one in ordered], tables.STATICS, ships=ships).sort(tables.STATICS.key),
        lost=lost,
        fetch=lambda windows, columns: _fetch(ordered, windows, columns),
    )


def _fetch(days: Sequence[DayOnDisk], windows: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
    """Rows inside the windows; only the row groups of the days and ships, and the columns, that are asked for are read."""
    schema = {n: t for n, t in tables.POSITIONS.polars_schema.items() if columns is None or n in columns}
    found = []
    for one in days:
        start = datetime(one.day.year, one.day.month, one.day.day, tzinfo=UTC)
        on_day = windows.filter((pl.col("end_utc") >= start) & (pl.col("start_utc") < start + timedelta(days=1)))
        if on_day.is_empty():
            continue
        keys = on_day["vessel_key"].unique().sort()
        rows = (
            pl.scan_parquet(one.positions, hive_partitioning=False, glob=False)
            .filter(pl.col("vessel_key").is_in(keys.implode()))
            .select(pl.col(n).cast(t) for n, t in schema.items())
            .collect()
        )
        found.append(inside(rows, on_day))
    return pl.concat(found) if found else tables.empty_polars(tables.POSITIONS).select(list(schema))
