"""Messages -> days -> vessel hours: the one summary of the bulk data, a pure function of a day alone, mergeable in any order.

```
messages of one ship   . .  .   |.          |            |      . .      one row per UTC hour in which it was heard;
hours                  [  row  ][   row    ]   no row   no row  [ row ]  a silence of an hour or more is always the step
                             last_heard <------------------> first_heard from one row to the next
```

No setting enters, so that a stored day never has to be made again because a threshold changed. Ships are independent of each
other: a day may be made ship by ship, or range of ships by range of ships, and put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import sphere, tables
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM, US_PER_HOUR

MOVING_KN = 0.5
"""A ship that reports at least this is under way; below it is the noise of a satellite fix at anchor (own judgement)."""

BELIEVABLE_KN = (3.0, 60.0)
"""Speeds a ship under way reports: slower is manoeuvring and anchor swing, faster is noise (no cargo ship or ferry does more)."""

SHORTEST_STEP_S = 60.0
"""Steps are timed as at least this. Many exports round times to the minute and receivers stamp late by as much, so that a
shorter interval says little about speed; it also keeps two positions of one instant from being infinitely fast."""

NULL_ISLAND_DEG = 0.001
"""A receiver without a fix sends 0, 0 or its noise around it; 0.001 degrees is about 100 m."""

NULL_ISLAND_REACH_KN = 30.0
"""A ship really off null island has a neighbouring position within reach at this speed (fast container ship 25 kn, with room)."""

_TIME_BITS = 33
"""Milliseconds of 99 days; with the 30 bits of an MMSI they make one number."""

PLACE = ("lat_deg", "lon_deg", "source_file", "source_row")
ORDER = ("time_utc", *PLACE)
"""Order of a ship's messages. Two places in one second are a conflict: both stay, in order of place, then of source."""

SUMMARISED = ("vessel_key", "mmsi", *ORDER, "sog_kn", "ais_class")
"""Columns of positions that `summarise` looks at."""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Day:
    """Some ships of a day, or of several days at once.

    Attributes
    ----------
    messages : `tables.MESSAGES`, in order, without duplicates
    hours : `tables.VESSEL_HOURS` of the messages that are believed
    statics : `tables.STATICS` of them
    lost : `tables.LOST`, the messages that are not believed
    duplicates : rows taken out, by source file
    """

    messages: pl.DataFrame
    hours: pl.DataFrame
    statics: pl.DataFrame
    lost: pl.DataFrame
    duplicates: dict[str, int]


def make(messages: pl.DataFrame, contents: pl.DataFrame) -> Day:
    """Order, clear of duplicates, and summarise messages; `contents` are their sets of static data (`statics.part`)."""
    ordered, duplicates = settle(messages)
    lost = null_islands(ordered)
    believed = ordered
    if lost.height:
        believed = ordered.join(lost, on=["source_file", "source_row"], how="anti", maintain_order="left")
    return Day(ordered, hours(believed, contents), describe(believed, contents), lost, duplicates)


def settle(messages: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Messages in order of ship and `ORDER`, one of those that say the same: that of the smallest source file and row.

    Two messages say the same when every column but the source agrees.

    Returns
    -------
    messages : in order
    duplicates : rows taken out, by source file
    """
    ship = _ship(messages)
    ordered = _sorted(messages, ship)
    moment = pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(1)) for c in (*ship, "time_utc"))
    same: Bools = ordered.select(moment).to_series().fill_null(False).to_numpy().copy()
    if len(same):
        same[0] = False
    tied = same | np.append(same[1:], False)
    if not tied.any():
        return ordered, {}
    # Only rows that share their instant are put in order of place and source, and compared in full.
    at = np.flatnonzero(tied)
    few = ordered.filter(pl.Series(tied)).with_columns(at=pl.Series(at), group=pl.Series(np.cumsum(~same)[at]))
    few = few.sort("group", *PLACE, nulls_last=True)
    told = [name for name in tables.MESSAGES.names if name not in ("source_file", "source_row")]
    kept = few.unique(subset=["group", *told], keep="first", maintain_order=True)
    lost = few.join(kept.select("at"), on="at", how="anti")
    group = kept["group"].to_numpy()
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    nth = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    first_of = np.searchsorted(np.cumsum(~same), group)
    order = np.arange(ordered.height)
    order[at] = -1
    order[first_of + nth] = kept["at"].to_numpy()
    counts = dict(lost.group_by("source_file").len().sort("source_file").iter_rows())
    return ordered[order[order >= 0]], counts


def _sorted(messages: pl.DataFrame, ship: Sequence[str]) -> pl.DataFrame:
    """By ship and time; where both fit into one number of 63 bits by that number, in half the time."""
    if len(ship) == 1 and messages.height:
        at = messages["time_utc"].dt.epoch("us")
        first, last = at.min(), at.max()
        assert isinstance(first, int) and isinstance(last, int)
        if (last - first) // 1000 < 2**_TIME_BITS and not (at % 1000 != first % 1000).any():
            key = pl.col("mmsi").cast(pl.Int64) * 2**_TIME_BITS + (at - first) // 1000
            return messages.with_columns(key=key).sort("key").drop("key")
    return messages.sort(*ship, "time_utc")


def null_islands(messages: pl.DataFrame) -> pl.DataFrame:
    """Messages at 0, 0 of ships whose neighbouring positions of the same UTC day are out of reach, or that have none.

    The same day only, so that a day stays a pure function of its own rows. `tables.LOST`, sorted.
    """
    at_zero = (pl.col("lat_deg").abs() < NULL_ISLAND_DEG) & (pl.col("lon_deg").abs() < NULL_ISLAND_DEG)
    if messages.filter(at_zero).is_empty():
        return tables.empty_polars(tables.LOST)
    ship_day = [*_ship(messages), "day"]
    days = messages.with_columns(day=pl.col("time_utc").dt.truncate("1d"), zero=at_zero.fill_null(False))
    suspects = days.filter(pl.col("zero")).select(ship_day).unique()
    near = days.filter(pl.col("lat_deg").is_not_null()).join(suspects, on=ship_day, nulls_equal=True)
    near = near.sort(*ship_day, *ORDER)
    # Distance from 0, 0 by the spherical law of cosines: safe here, as anything but the exact value near 0 is far away.
    lat, lon = pl.col("lat_deg").radians(), pl.col("lon_deg").radians()
    from_zero_nm = (lat.cos() * lon.cos()).clip(-1, 1).arccos() * (EARTH_RADIUS_KM / KM_PER_NM)
    real = pl.when(~pl.col("zero"))
    reachable = pl.lit(False)
    for fill in ("forward", "backward"):
        time = real.then(pl.col("time_utc")).fill_null(strategy=fill).over(ship_day)
        away = real.then(from_zero_nm).fill_null(strategy=fill).over(ship_day)
        late_h = (pl.col("time_utc") - time).dt.total_microseconds().abs() / US_PER_HOUR
        reachable = reachable | (away <= NULL_ISLAND_REACH_KN * (late_h + 0.25)).fill_null(False)
    lost = near.with_columns(reachable=reachable).filter(pl.col("zero") & ~pl.col("reachable"))
    return lost.select("source_file", "source_row", rule=pl.lit("null_island")).sort("source_file", "source_row")


def describe(messages: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """What ships said of themselves, day by day (`tables.STATICS`)."""
    day = pl.col("time_utc").dt.truncate("1d").alias("day_utc")
    used = messages.group_by(day, "said").agg(
        n_messages=pl.len().cast(pl.Int64), first_utc=pl.col("time_utc").min(), last_utc=pl.col("time_utc").max()
    )
    told = used.join(contents, on="said", how="left").sort("day_utc", "said")
    return told.select(pl.col(n).cast(t) for n, t in tables.STATICS.polars_schema.items())


def hours(messages: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """One row per ship and UTC hour (`tables.VESSEL_HOURS`); `messages` in order, as `settle` gives them."""
    if messages.is_empty():
        return tables.empty_polars(tables.VESSEL_HOURS)
    size = int(contents["said"].max()) + 1  # type: ignore[arg-type]
    classes = np.full(size, 2, np.int8)
    classes[contents["said"].to_numpy()] = contents["ais_class"].replace_strict(
        {"A": 0, "B": 1}, default=2, return_dtype=pl.Int8
    )
    rows = messages.with_columns(ais_class=pl.Series(classes[messages["said"].to_numpy()]))
    found = _runs(rows, _ship(messages))
    own_id = pl.col("own_id") if "own_id" in found.columns else pl.lit(None, pl.String)
    key = pl.coalesce(own_id, pl.format("mmsi:{}", pl.col("mmsi").cast(pl.String).str.zfill(9)))
    return found.with_columns(vessel_key=key).select(
        pl.col(n).cast(t) for n, t in tables.VESSEL_HOURS.polars_schema.items()
    )


def summarise(positions: pl.DataFrame, *, also_by: Sequence[str] = ()) -> pl.DataFrame:
    """The hours of rows of `tables.POSITIONS`, in any order.

    `also_by` names further columns to part the hours by (hulls of one number); they follow the declared columns.
    """
    extra = {name: positions.schema[name] for name in also_by}
    if positions.is_empty():
        return pl.DataFrame(schema={**tables.VESSEL_HOURS.polars_schema, **extra})
    by = ["vessel_key", *also_by]
    code = pl.col("ais_class").replace_strict({"A": 0, "B": 1}, default=2, return_dtype=pl.Int8)
    rows = positions.select(*SUMMARISED, *also_by).sort(*by, *ORDER, nulls_last=True).with_columns(ais_class=code)
    return _runs(rows, by).select(
        [pl.col(n).cast(t) for n, t in {**tables.VESSEL_HOURS.polars_schema, **extra}.items()]
    )


def merge(summaries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The vessel hours of several days, in any order.

    Days are disjoint sets of hours: when late rows come, a day is summarised again and replaced whole, never added to.
    """
    parts = [part for part in summaries if not part.is_empty()]
    if not parts:
        return tables.empty_polars(tables.VESSEL_HOURS)
    merged = pl.concat(parts).sort(tables.VESSEL_HOURS.key)
    twice = pl.all_horizontal(pl.col(c) == pl.col(c).shift(1) for c in tables.VESSEL_HOURS.key)
    assert not merged.select(twice.any()).item(), "an hour is in two summaries"
    return merged


def _ship(messages: pl.DataFrame) -> list[str]:
    """Columns that tell ships apart, in the order of vessel keys: `id:...` comes before `mmsi:...`."""
    return ["mmsi", "own_id"] if messages["own_id"].null_count() < messages.height else ["mmsi"]


def _runs(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Hours of sorted rows: a run of rows of one ship in one hour is one row. `ais_class` is coded 0 (A), 1 (B), 2 (unknown)."""
    rows = rows.with_columns(hour_utc=pl.col("time_utc").dt.truncate("1h"))
    changed = pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1)) for c in (*by, "hour_utc"))
    is_new: Bools = rows.select(changed).to_series().to_numpy().copy()
    is_new[0] = True
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], rows.height)
    placed: Bools = rows["lat_deg"].is_not_null().to_numpy()
    sog = rows["sog_kn"]
    moving: Bools = (sog >= MOVING_KN).fill_null(False).to_numpy() & placed
    slow, fast = BELIEVABLE_KN
    speeds = pl.select(pl.when(sog.is_between(slow, fast)).then(sog).otherwise(-1.0)).to_series().to_numpy()
    fastest = np.maximum.reduceat(speeds, starts)
    at = np.flatnonzero(placed)
    first, last = np.searchsorted(at, starts), np.searchsorted(at, ends)
    has_place = last > first
    # Where an hour has no position its first row stands in, and is made null.
    at = np.append(at, 0)
    first_at = np.where(has_place, at[np.minimum(first, len(at) - 1)], starts)
    last_at = np.where(has_place, at[last - 1], starts)
    codes = np.minimum.reduceat(rows["ais_class"].to_numpy(), starts)
    begin, end = rows[starts], rows[ends - 1]
    begin_place, end_place = rows[first_at], rows[last_at]
    source = pl.format("{}:{}", "source_file", "source_row")
    known = pl.Series("has_place", has_place)
    found = begin.select(
        *by, "hour_utc", *(() if "mmsi" in by else ("mmsi",)), first_heard_utc="time_utc"
    ).with_columns(
        pl.Series("n_messages", ends - starts),
        pl.Series("n_positions", _summed(placed, starts)),
        pl.Series("n_moving", _summed(moving, starts)),
        end["time_utc"].alias("last_heard_utc"),
        begin.select(source.alias("first_source")).to_series(),
        end.select(source.alias("last_source")).to_series(),
        pl.Series("ais_class", codes).replace_strict({0: "A", 1: "B"}, default=None, return_dtype=pl.String),
        pl.Series("max_step_kn", _steps(rows, starts, placed)).fill_nan(None),
        pl.Series("fastest_kn", np.where(fastest < 0, np.nan, fastest)).fill_nan(None),
        begin_place["time_utc"].alias("first_utc"),
        begin_place["lat_deg"].alias("first_lat_deg"),
        begin_place["lon_deg"].alias("first_lon_deg"),
        end_place["time_utc"].alias("last_utc"),
        end_place["lat_deg"].alias("last_lat_deg"),
        end_place["lon_deg"].alias("last_lon_deg"),
        known,
    )
    edges = [f"{side}_{name}" for side in ("first", "last") for name in ("utc", "lat_deg", "lon_deg")]
    found = found.with_columns(pl.when("has_place").then(pl.col(edges)))
    return found.with_columns(cell=sphere.cell_expr(pl.col("last_lat_deg"), pl.col("last_lon_deg")))


def _summed(mask: Bools, starts: Ints) -> Ints:
    return np.add.reduceat(mask.astype(np.int64), starts)


def _steps(rows: pl.DataFrame, starts: Ints, placed: Bools) -> npt.NDArray[np.float64]:
    """For each hour the largest speed implied by two consecutive positions *within* it, timed as at least a minute; else NaN.

    The step into the next hour follows from the rows of the summary.
    """
    run = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, rows.height)))[placed]
    out = np.full(len(starts), -1.0)
    if len(run) < 2:
        return np.full(len(starts), np.nan)
    some = rows.filter(pl.Series(placed)).select("time_utc", "lat_deg", "lon_deg")
    before = {name: pl.col(name).shift(1) for name in some.columns}
    step_nm = sphere.gc_nm_expr(before["lat_deg"], before["lon_deg"], pl.col("lat_deg"), pl.col("lon_deg"))
    step_h = (pl.col("time_utc") - before["time_utc"]).dt.total_microseconds() / US_PER_HOUR
    kn = some.select(step_nm / step_h.clip(lower_bound=SHORTEST_STEP_S / 3600)).to_series().to_numpy()
    inside = np.flatnonzero(run[1:] == run[:-1]) + 1
    if len(inside):
        heads = np.flatnonzero(np.append(True, run[inside][1:] != run[inside][:-1]))
        out[run[inside][heads]] = np.maximum.reduceat(kn[inside], heads)
    return np.where(out < 0, np.nan, out)
