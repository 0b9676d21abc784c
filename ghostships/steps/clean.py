"""Positions -> believable positions, and the rows refused with the name of the rule.

What one row can say about itself (ranges, sentinels) was settled by the readers and `tables.check`. Here are the rules that
need the run ("now", `--from`, `--to`) or a neighbour (null island), and the identities that are not ships.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM, US_PER_HOUR

VesselClass = Literal["ship", "default_mmsi", "non_ship", "unknown_mid"]

DEFAULT_MMSIS = (1_193_046, 123_456_789, 987_654_321, *(digit * 111_111_111 for digit in range(10)))
"""What a transponder sends that nobody programmed: factory settings (1193046 is 0x123456) and one digit nine times."""

FIRST_MID, LAST_MID = 201, 775
"""Maritime identification digits are allotted within these bounds (ITU table of MIDs, ITU-R M.585-9, annex 1)."""

NULL_ISLAND_DEG = 0.001
"""A receiver without a fix sends 0, 0 or its noise around it; 0.001 degrees is about 100 m."""

NULL_ISLAND_REACH_KN = 30.0
"""A ship really off null island has a neighbouring position within reach at this speed (fast container ship 25 kn, with room)."""


def vessel_class(mmsi: int | None) -> VesselClass:
    """What an MMSI stands for: a ship, a number nobody programmed, a station that is no ship, or an unallotted number.

    Forms of ITU-R M.585-9: 00 coast station, 0 group of ships, 111 search-and-rescue aircraft, 970/972/974 distress beacons,
    98 tender of a ship, 99 aid to navigation. The last three kinds go on with a MID; where what follows is no possible MID
    the number is of unknown allotment rather than a buoy. An id that is not an MMSI at all (None) is a ship.
    """
    if mmsi is None:
        return "ship"
    if mmsi in DEFAULT_MMSIS:
        return "default_mmsi"
    digits = f"{mmsi:09d}"
    if digits.startswith(("0", "970", "972", "974")):
        return "non_ship"
    after = digits[3:6] if digits.startswith("111") else digits[2:5] if digits.startswith(("98", "99")) else None
    if after is not None and int(after) <= LAST_MID:
        return "non_ship"
    return "ship" if FIRST_MID <= int(digits[:3]) <= LAST_MID else "unknown_mid"


def set_aside(positions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows of ships from those of numbers that are nobody's (defaults) or no ship's (stations, buoys, beacons).

    Returns
    -------
    ships : positions of ships, unallotted numbers included (they are kept, with low confidence in the identity)
    others : the other rows with `vessel_class`; accepted and counted, but a silence of theirs means nothing
    """
    numbers = positions.select(pl.col("mmsi").unique()).to_series().sort()
    classes = pl.DataFrame(
        {"mmsi": numbers, "vessel_class": [vessel_class(n) for n in numbers.to_list()]},
        schema={"mmsi": pl.Int64, "vessel_class": pl.String},
    )
    others = classes.filter(pl.col("vessel_class").is_in(["default_mmsi", "non_ship"]))
    if others.is_empty():
        return positions, positions.clear().with_columns(vessel_class=pl.lit(None, pl.String))
    return (
        positions.join(others, on="mmsi", how="anti", maintain_order="left"),
        positions.join(others, on="mmsi", how="inner", maintain_order="left"),
    )


def as_of(positions: pl.DataFrame) -> datetime | None:
    """Say what "now" is: the latest time at or after which two ships are heard, or the last time of the only ship.

    This is the last message of the ship that was heard second to last. One ship whose clock runs ahead, by a minute or by ten
    years, is always the very last and so never decides. Limits: two wrong clocks do move it, and in an export of two ships of
    which one vanished "now" is that vanishing; then `--as-of` must say it. None without a ship.
    """
    last = positions.group_by("vessel_key").agg(pl.col("time_utc").max())["time_utc"].top_k(2)
    found: datetime | None = last.min() if len(last) else None  # type: ignore[assignment]
    return found


def believe(
    positions: pl.DataFrame,
    *,
    as_of_utc: datetime | None = None,
    from_utc: datetime | None = None,
    to_utc: datetime | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split off the rows that cannot be used in this run.

    Rules, first that fits: `time_future` (later than now), `time_out_of_span` (before `from_utc` or after `to_utc`; both bounds
    belong to the span), `null_island` (0, 0 without a neighbour in reach).

    Returns
    -------
    believed : rows of `positions`
    rejects : the other rows, with `rule`; `source_file` and `source_row` lead the caller to the bytes
    """
    rules: list[pl.Expr] = []
    if as_of_utc is not None:
        rules.append(pl.when(pl.col("time_utc") > as_of_utc).then(pl.lit("time_future")))
    outside = pl.lit(False)
    if from_utc is not None:
        outside = outside | (pl.col("time_utc") < from_utc)
    if to_utc is not None:
        outside = outside | (pl.col("time_utc") > to_utc)
    rules.append(pl.when(outside).then(pl.lit("time_out_of_span")))
    marked = positions.with_columns(rule=pl.coalesce(rules))
    lost = _null_islands(marked.filter(pl.col("rule").is_null()))
    if not lost.is_empty():
        key = ["source_file", "source_row"]
        marked = marked.join(lost.select(*key, found=pl.lit("null_island")), on=key, how="left", maintain_order="left")
        marked = marked.with_columns(rule=pl.coalesce("rule", "found")).drop("found")
    bad = pl.col("rule").is_not_null()
    return marked.filter(~bad).drop("rule"), marked.filter(bad)


def _null_islands(positions: pl.DataFrame) -> pl.DataFrame:
    """Rows at 0, 0 of ships whose neighbouring positions of the same UTC day are out of reach, or that have none.

    The same day only, so that a day stays a pure function of its own rows.
    """
    at_zero = (pl.col("lat_deg").abs() < NULL_ISLAND_DEG) & (pl.col("lon_deg").abs() < NULL_ISLAND_DEG)
    if positions.filter(at_zero).is_empty():
        return positions.clear()
    ship_day = ["vessel_key", "day"]
    days = positions.with_columns(day=pl.col("time_utc").dt.truncate("1d"), zero=at_zero.fill_null(False))
    suspects = days.filter(pl.col("zero")).select(ship_day).unique()
    near = days.filter(pl.col("lat_deg").is_not_null()).join(suspects, on=ship_day)
    near = near.sort(*ship_day, "time_utc", "lat_deg", "lon_deg", "source_file", "source_row")
    # Distance from 0, 0 by the spherical law of cosines: safe here, as anything but the exact value near 0 is far away.
    lat, lon = pl.col("lat_deg").radians(), pl.col("lon_deg").radians()
    from_zero_nm = (lat.cos() * lon.cos()).clip(-1, 1).arccos() * (EARTH_RADIUS_KM / KM_PER_NM)
    real = pl.when(~pl.col("zero"))
    reachable = pl.lit(False)
    for fill in ("forward", "backward"):
        time = real.then(pl.col("time_utc")).fill_null(strategy=fill).over(ship_day)
        away = real.then(from_zero_nm).fill_null(strategy=fill).over(ship_day)
        hours = (pl.col("time_utc") - time).dt.total_microseconds().abs() / US_PER_HOUR
        reachable = reachable | (away <= NULL_ISLAND_REACH_KN * (hours + 0.25)).fill_null(False)
    return near.with_columns(reachable=reachable).filter(pl.col("zero") & ~pl.col("reachable"))
