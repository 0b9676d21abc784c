"""Hours of hulls -> opportunities to be heard: the counts from which reception is learned.

```
heard   | | . . | | . . . . . . . . |      . an hour of a short step: missed, though the ship was on
                  ^-- a silence --^          an hour of a silence: missed as far as the ship was on
```

A step from one heard hour of a ship to the next, `d` hours on, is `d` opportunities of which one was taken. Messages are not
counted: forty of them may be one satellite pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import sphere
from ghostships.units import US_PER_HOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KINDS = 4
"""Class A or B (unknown counts as A), moored or under way: kind = 2 * is_b + is_moored."""


@dataclass(frozen=True)
class Tries:
    """Opportunities, counted. A slot is `cell * KINDS + kind`; hours count from the first hour of the run.

    `by_hour`: one row per slot and hour of opportunities of ships that were certainly on.
    `by_ship`: one row per ship, slot and length [h] of the step that the opportunities belong to.
    `silent`: one row per hour of a silence that may have been chosen; `silence` numbers the silences, the last hour was heard.
    """

    n_cells: int
    n_hours: int
    n_ships: int
    first_hour: int
    """Hours since 1970."""
    hour_slot: Ints
    hour_at: Ints
    hour_tries: Floats
    hour_heard: Floats
    ship_of: Ints
    ship_slot: Ints
    ship_step_h: Ints
    ship_steps: Floats
    """Steps of that length: each is one heard hour after `step - 1` unheard ones."""
    silent_slot: Ints
    silent_at: Ints
    silent_heard: Bools
    silent_ship: Ints
    silence: Ints
    n_silences: int


def placed(segment_hours: pl.DataFrame) -> pl.DataFrame:
    """Hours of hulls with a place, class and state, in total order; one without a position is put where the hull was last seen,
    else next."""
    hull = ["vessel_key", "hull"]

    def known(column: str | pl.Expr) -> pl.Expr:
        column = pl.col(column) if isinstance(column, str) else column
        return column.fill_null(strategy="forward").over(hull).fill_null(strategy="backward").over(hull)

    has_place = pl.col("n_positions") > 0
    return (
        segment_hours.sort(*hull, "hour_utc", "segment_id")
        .with_columns(
            hour=pl.col("hour_utc").dt.epoch("us") // US_PER_HOUR,
            lat=known("last_lat_deg"),
            lon=known("last_lon_deg"),
            moored=known(pl.when(has_place).then(2 * pl.col("n_moving") < pl.col("n_positions"))),
            is_b=((pl.col("ais_class") == "B").any() & ~(pl.col("ais_class") == "A").any()).over("vessel_key"),
        )
        .filter(pl.col("lat").is_not_null())
        .with_columns(place=sphere.cell_expr(pl.col("lat"), pl.col("lon")), is_b=pl.col("is_b").fill_null(False))
    )


_OPPORTUNITY = {"step": pl.Int64(), "slot": pl.Int64(), "at": pl.Int64(), "heard": pl.Boolean()}


def count(rows: pl.DataFrame, gaps: pd.DataFrame, ids: Ints, *, n_ships: int) -> tuple[Tries, list[tuple[str, int]]]:
    """Every step between heard hours of one hull as opportunities, its missed hours along the straight line; and ship and start
    [us] of each silence."""
    hull = ["vessel_key", "hull"]
    first_hour = int(rows["hour"].min()) if len(rows) else 0  # type: ignore[arg-type]
    n_hours = int(rows["hour"].max()) - first_hour + 1 if len(rows) else 0  # type: ignore[arg-type]
    chosen = pl.DataFrame(
        {
            "vessel_key": pl.Series(gaps["vessel_key"].to_list(), dtype=pl.String),
            "start_utc": pl.Series(gaps["start_utc"]).cast(pl.Datetime("us", "UTC")),
        }
    ).unique()
    steps = (
        rows.with_columns(
            hour0=pl.col("hour").shift(1).over(hull),
            lat0=pl.col("lat").shift(1).over(hull),
            lon0=pl.col("lon").shift(1).over(hull),
            moored0=pl.col("moored").shift(1).over(hull),
            start_utc=pl.col("last_heard_utc").shift(1).over(hull),
        )
        .filter(pl.col("hour0") < pl.col("hour"))
        .join(chosen.with_columns(is_gap=True), on=["vessel_key", "start_utc"], how="left", maintain_order="left")
        .with_columns(pl.col("is_gap").fill_null(False))
    )
    n = (steps["hour"] - steps["hour0"]).to_numpy()
    is_gap = steps["is_gap"].to_numpy()
    kind = 2 * steps["is_b"].cast(pl.Int64).to_numpy()
    ended = kind + steps["moored"].cast(pl.Int64).to_numpy()
    stayed = kind + (steps["moored"] & steps["moored0"]).cast(pl.Int64).to_numpy()
    end_cell = steps["cell"].to_numpy()
    hour = steps["hour"].to_numpy() - first_hour

    # Missed hours, along the line; the hour that ends a step lies where the ship was heard.
    at = np.repeat(np.arange(len(n)), n - 1)
    offset = np.arange(len(at)) - np.repeat(np.cumsum(n - 1) - (n - 1), n - 1) + 1
    part = offset / n[at]
    lat0, lon0 = steps["lat0"].to_numpy()[at], steps["lon0"].to_numpy()[at]
    lat = lat0 + part * (steps["lat"].to_numpy()[at] - lat0)
    east = (steps["lon"].to_numpy()[at] - lon0 + 180) % 360 - 180
    place = sphere.cell(lat, (lon0 + part * east + 180) % 360 - 180)
    index = np.searchsorted(ids, place).clip(0, max(len(ids) - 1, 0))
    on_list = ids[index] == place if len(ids) else np.zeros(0, dtype=bool)
    missed = pl.DataFrame(
        {"step": at, "slot": index * KINDS + stayed[at], "at": (hour - n)[at] + offset, "heard": False},
        schema=_OPPORTUNITY,
    ).filter(pl.Series(on_list, dtype=pl.Boolean))
    ends = pl.DataFrame(
        {"step": np.arange(len(n)), "slot": end_cell * KINDS + ended, "at": hour, "heard": True},
        schema=_OPPORTUNITY,
    )
    every = pl.concat([missed, ends])
    of_gap = pl.Series(is_gap)[every["step"]] if len(every) else pl.Series([], dtype=pl.Boolean)
    sure = (
        every.filter(~of_gap)
        .group_by("slot", "at")
        .agg(tries=pl.len().cast(pl.Float64), heard=pl.col("heard").sum().cast(pl.Float64))
        .sort("slot", "at")
    )
    short = (
        steps.filter(~pl.col("is_gap"))
        .select("ship", slot=pl.Series(end_cell * KINDS + ended).filter(pl.Series(~is_gap)), n=pl.Series(n[~is_gap]))
        .group_by("ship", "slot", "n")
        .agg(steps=pl.len().cast(pl.Float64))
        .sort("ship", "slot", "n")
    )
    silent = every.filter(of_gap).sort("step", "at")
    number = np.cumsum(is_gap) - 1
    ship = steps["ship"].to_numpy()
    chosen_steps = steps.filter("is_gap")
    silences = list(zip(chosen_steps["vessel_key"], chosen_steps["start_utc"].dt.epoch("us"), strict=True))
    return Tries(
        n_cells=len(ids),
        n_hours=n_hours,
        n_ships=n_ships,
        first_hour=first_hour,
        hour_slot=sure["slot"].to_numpy(),
        hour_at=sure["at"].to_numpy(),
        hour_tries=sure["tries"].to_numpy(),
        hour_heard=sure["heard"].to_numpy(),
        ship_of=short["ship"].to_numpy(),
        ship_slot=short["slot"].to_numpy(),
        ship_step_h=short["n"].to_numpy(),
        ship_steps=short["steps"].to_numpy(),
        silent_slot=silent["slot"].to_numpy(),
        silent_at=silent["at"].to_numpy(),
        silent_heard=silent["heard"].to_numpy(),
        silent_ship=ship[silent["step"].to_numpy()],
        silence=number[silent["step"].to_numpy()],
        n_silences=len(silences),
    ), silences
