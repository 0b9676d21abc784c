"""What was heard, small enough to think on: the hours and the static data in memory, single positions only when asked for.

hours, statics   everything, summarised          positions(windows)   the rows of some ships at some times, from wherever
lost             rows that nobody believes                            they lie: memory, a folder, a store
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from ghostships import statics, tables
from ghostships.steps import days

WINDOWS: dict[str, pl.DataType] = {
    "vessel_key": pl.String(),
    "start_utc": pl.Datetime("us", "UTC"),
    "end_utc": pl.Datetime("us", "UTC"),
}
"""One row asks for the positions of one ship from `start_utc` to `end_utc`, both included."""

Fetch = Callable[[pl.DataFrame, Sequence[str] | None], pl.DataFrame]
"""Windows, columns -> rows of `tables.POSITIONS` of (at least) those ships in those times, every row once, in any order, with (at
least) those columns; None asks for all."""

_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Traffic:
    """Everything heard in some span of time.

    Attributes
    ----------
    hours : `tables.VESSEL_HOURS`
    statics : `tables.STATICS`
    lost : `tables.LOST`; in none of the hours
    fetch : finds single positions
    """

    hours: pl.DataFrame
    statics: pl.DataFrame
    lost: pl.DataFrame
    fetch: Fetch

    @classmethod
    def nothing(cls) -> Traffic:
        """No ship was heard, or no AIS was given."""
        return cls.of_positions(tables.empty_polars(tables.POSITIONS))

    @classmethod
    def of_positions(cls, positions: pl.DataFrame) -> Traffic:
        """Rows of `tables.POSITIONS` that are all in memory; duplicates are taken out."""
        messages, contents = statics.part(positions)
        made = days.make(messages, contents)
        kept = statics.join(made.messages, contents)
        return cls(made.hours, made.statics, made.lost, lambda windows, _: inside(kept, windows))

    @property
    def is_empty(self) -> bool:
        return self.hours.is_empty()

    def positions(self, windows: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The believed positions inside `windows`, each once, in the order of `tables.POSITIONS`.

        `columns` are those wanted, the key of `tables.POSITIONS` among them: what ships say of themselves is most of a row.
        """
        if windows.is_empty() or self.hours.is_empty():
            return tables.empty_polars(tables.POSITIONS).select(columns or tables.POSITIONS.names)
        found = self.fetch(windows, columns)
        found = inside(found if columns is None else found.select(columns), windows)
        if self.lost.height:
            found = found.join(self.lost, on=["source_file", "source_row"], how="anti")
        return found.sort(tables.POSITIONS.key)

    def of_ships(self, keys: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All believed positions of the ships in the column `vessel_key`."""
        span = self.hours.join(keys, on="vessel_key", how="semi").group_by("vessel_key")
        return self.positions(
            span.agg(start_utc=pl.col("first_heard_utc").min(), end_utc=pl.col("last_heard_utc").max()), columns
        )

    def without(self, mmsi: pl.DataFrame) -> Traffic:
        """The same without the ships of the column `mmsi`."""
        keep = {"on": "mmsi", "how": "anti", "maintain_order": "left"}
        return replace(self, hours=self.hours.join(mmsi, **keep), statics=self.statics.join(mmsi, **keep))  # type: ignore[arg-type]

    def within(
        self, *, from_utc: datetime | None, to_utc: datetime | None, as_of_utc: datetime | None
    ) -> tuple[Traffic, pl.DataFrame]:
        """What was heard from `from_utc` to `to_utc` (both included) and not after `as_of_utc`; None is no bound.

        Returns
        -------
        traffic : hours and static data of the rows inside alone
        refused : `tables.LOST`, the rows outside; `time_future` goes before `time_out_of_span`
        """
        ends = [bound for bound in (to_utc, as_of_utc) if bound is not None]
        first, last = from_utc or _FIRST, min(ends, default=_LAST)
        is_out = (pl.col("first_heard_utc") < first) | (pl.col("last_heard_utc") > last)
        touched = self.hours.filter(is_out)
        if touched.is_empty():
            return self, tables.empty_polars(tables.LOST)
        rows = self.positions(touched.select("vessel_key", start_utc="first_heard_utc", end_utc="last_heard_utc"))
        at = pl.col("time_utc")
        rule = (
            pl.when(at > (as_of_utc or _LAST))
            .then(pl.lit("time_future"))
            .when((at < first) | (at > last))
            .then(pl.lit("time_out_of_span"))
        )
        marked = rows.with_columns(rule=rule)
        refused = marked.filter(pl.col("rule").is_not_null())
        split = touched.filter((pl.col("last_heard_utc") >= first) & (pl.col("first_heard_utc") <= last))
        kept = marked.filter(pl.col("rule").is_null()).with_columns(hour_utc=at.dt.truncate("1h"))
        again = days.summarise(kept.join(split, on=["vessel_key", "hour_utc"], how="semi").select(rows.columns))
        hours = pl.concat([self.hours.filter(~is_out), again]).sort(tables.VESSEL_HOURS.key)
        said = self._statics_within(first, last)
        out = refused.select(tables.LOST.names).sort(tables.LOST.key)

        def fetch(windows: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
            found = self.fetch(windows, columns)
            return found.filter(pl.col("time_utc").is_between(pl.lit(first), pl.lit(last)))

        return replace(self, hours=hours, statics=said, fetch=fetch), out

    def _statics_within(self, first: datetime, last: datetime) -> pl.DataFrame:
        is_out = (pl.col("first_utc") < first) | (pl.col("last_utc") > last)
        split = self.statics.filter(is_out & (pl.col("last_utc") >= first) & (pl.col("first_utc") <= last))
        windows = split.select(
            "vessel_key",
            start_utc=pl.max_horizontal("first_utc", pl.lit(first, pl.Datetime("us", "UTC"))),
            end_utc=pl.min_horizontal("last_utc", pl.lit(last, pl.Datetime("us", "UTC"))),
        )
        rows = self.positions(windows).with_columns(day_utc=pl.col("time_utc").dt.truncate("1d"))
        by = ["day_utc", *statics.SET]
        counted = rows.group_by(by).agg(
            n_messages=pl.len().cast(pl.Int64), first_utc=pl.col("time_utc").min(), last_utc=pl.col("time_utc").max()
        )
        again = split.drop("n_messages", "first_utc", "last_utc").join(counted, on=by, nulls_equal=True)
        return pl.concat([self.statics.filter(~is_out), again.select(self.statics.columns)]).sort(tables.STATICS.key)


def inside(positions: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The rows of `positions` inside any of the windows, each once, in the order they come."""
    some = positions.join(windows.select("vessel_key").unique(), on="vessel_key", how="semi", maintain_order="left")
    if some.is_empty():
        return some
    spans = _joined(windows)
    if spans.height == spans["vessel_key"].n_unique():
        held = some.join(spans, on="vessel_key", maintain_order="left")
        return held.filter(pl.col("time_utc").is_between("start_utc", "end_utc")).select(positions.columns)
    # The last window that begins at or before a row is the only one that can hold it, once windows do not overlap.
    at = some.with_row_index("at").sort("time_utc")
    held = at.join_asof(
        spans.sort("start_utc"),
        left_on="time_utc",
        right_on="start_utc",
        by="vessel_key",
        strategy="backward",
        check_sortedness=False,
    ).filter(pl.col("time_utc") <= pl.col("end_utc"))
    return held.sort("at").select(positions.columns)


def _joined(windows: pl.DataFrame) -> pl.DataFrame:
    """Windows of one ship that overlap or touch become one."""
    ordered = windows.select(*WINDOWS).sort("vessel_key", "start_utc", "end_utc")
    reached = pl.col("end_utc").cum_max().shift(1).over("vessel_key")
    starts = (pl.col("start_utc") > reached).fill_null(True)
    return (
        ordered.with_columns(n=starts.cum_sum())
        .group_by("vessel_key", "n", maintain_order=True)
        .agg(pl.col("start_utc").min(), pl.col("end_utc").max())
        .drop("n")
    )
