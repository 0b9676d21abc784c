"""Parts of one day -> the day: a pure function of their rows, whatever their order, however often the same rows were delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from ghostships import statics, tables
from ghostships.bulk.delivered import RANGE_ROWS
from ghostships.bulk.files import DayFiles, DayWriter
from ghostships.steps import days


def make(day: date, parts: Sequence[Path], work: Path) -> DayFiles:
    """Make the files of a day in the folder `work` from its parts (`Part.path`).

    Of rows that say the same, that of the smallest source file and row is kept.
    """
    writer = DayWriter(day, work, day.isoformat())
    for positions in _ranges(parts):
        messages, contents = statics.part(positions)
        writer.add(days.make(messages, contents), contents)
    return writer.close()


def _ranges(parts: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """All rows of the parts, range of ships by range of ships, in order of vessel key."""
    every = [pl.scan_parquet(path, hive_partitioning=False, glob=False) for path in sorted(set(parts))]
    n_rows = sum(int(one.select(pl.len()).collect().item()) for one in every)
    together = pl.concat([one.select(tables.POSITIONS.names) for one in every])
    if n_rows <= RANGE_ROWS:
        yield together.collect()
        return
    counts = together.group_by("vessel_key").len().sort("vessel_key").collect(engine="streaming")
    # A ship is never cut: its range ends where the rows up to and with it fill one more.
    ends = (
        counts.with_columns(n=pl.col("len").cum_sum() // RANGE_ROWS)
        .group_by("n", maintain_order=True)
        .agg(first=pl.col("vessel_key").first(), last=pl.col("vessel_key").last())
    )
    for _, first, last in ends.iter_rows():
        yield together.filter(pl.col("vessel_key").is_between(pl.lit(first), pl.lit(last))).collect()
