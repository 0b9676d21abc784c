"""Pieces hidden from real tracks: which to hide, and the traffic without them.

    heard   | | | | | | | | | | | | | |        a steady stretch: never silent as long as a gap
    hidden        x x x x x x                  a piece of it, strictly between two positions that stay
    left    | | |             | | | | |        which the analysis must take for an ordinary gap

Random pieces are easy: few ships are silent at a time and most move. So whole anchorages are hidden too: every position of every
ship within a circle for a day, after which many ships are silent together, miles apart at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from ghostships import sphere, statics, tables
from ghostships.steps import days
from ghostships.traffic import WINDOWS, Traffic, inside
from ghostships.units import US_PER_HOUR

EDGE_H = 1.0
"""A piece begins and ends at least this far inside its steady stretch, so that the ship is heard on both sides."""

APART_H = 6.0
"""Two pieces of one ship are at least this far apart: it was heard between two silences, not for one message."""

STILL_KM = 0.3
"""A ship that moves less within an hour lies at anchor or alongside: swing and the noise of satellite fixes."""

LEAST_AT_ANCHOR = 3
"""Fewer ships make no anchorage."""

Kind = Literal["piece", "anchorage"]


@dataclass(frozen=True)
class Piece:
    """What is hidden of one ship: every message from `start_us` to `end_us`, both included. `area` numbers the anchorage."""

    vessel_key: str
    start_us: int
    end_us: int
    kind: Kind
    area: int = -1


@dataclass(frozen=True)
class Area:
    """An anchorage that is hidden as a whole: a circle and a time."""

    number: int
    lat_deg: float
    lon_deg: float
    radius_km: float
    start_us: int
    end_us: int


def steady(hours: pl.DataFrame, *, min_gap_h: float, max_speed_kn: float) -> pl.DataFrame:
    """Stretches in which a ship was heard without a gap: one row per stretch, `vessel_key`, `start_us`, `end_us`.

    Hours with a step faster than `max_speed_kn` are in none: whose positions those are is in doubt.
    """
    limit_us = round(min_gap_h * US_PER_HOUR)
    doubtful = pl.col("max_step_kn").fill_null(0.0) > max_speed_kn
    rows = (
        hours.filter(pl.col("last_lat_deg").is_not_null())
        .sort("vessel_key", "hour_utc")
        .with_columns(
            start_us=pl.col("first_heard_utc").dt.epoch("us"),
            end_us=pl.col("last_heard_utc").dt.epoch("us"),
            bad=doubtful,
        )
    )
    before = pl.col("end_us").shift(1).over("vessel_key")
    new = (pl.col("start_us") - before >= limit_us).fill_null(True) | pl.col("bad")
    new |= pl.col("bad").shift(1).over("vessel_key").fill_null(False)
    return (
        rows.with_columns(stretch=new.cum_sum().over("vessel_key"))
        .group_by("vessel_key", "stretch")
        .agg(pl.col("start_us").min(), pl.col("end_us").max(), pl.col("bad").any())
        .filter(~pl.col("bad"))
        .select("vessel_key", "start_us", "end_us")
        .sort("vessel_key", "start_us")
    )


def choose(
    stretches: pl.DataFrame,
    rng: np.random.Generator,
    *,
    n: int,
    shortest_h: float,
    longest_h: float,
    tries_each: int = 20,
) -> list[Piece]:
    """Draw up to `n` pieces: a ship, one of its steady stretches (longer ones more often), a duration, a start.

    Every ship is as likely as any other, so that the longest tracks do not answer for all. Durations are even on a logarithmic
    scale from `shortest_h` to `longest_h`, or to six tenths of the stretch. Fewer than `n` come out where the tracks hold no more.
    """
    edge, apart = round(EDGE_H * US_PER_HOUR), round(APART_H * US_PER_HOUR)
    least = round(shortest_h * US_PER_HOUR)
    long_enough = stretches.filter(pl.col("end_us") - pl.col("start_us") > least + 2 * edge)
    by_ship = {
        str(key): (own["start_us"].to_numpy(), own["end_us"].to_numpy())
        for (key,), own in long_enough.group_by("vessel_key", maintain_order=True)
    }
    ships = sorted(by_ship)
    taken: dict[str, list[tuple[int, int]]] = {}
    out: list[Piece] = []
    for _ in range(n * tries_each if ships else 0):
        if len(out) == n:
            break
        ship = ships[int(rng.integers(len(ships)))]
        starts, ends = by_ship[ship]
        lengths = (ends - starts).astype(float)
        k = int(rng.choice(len(starts), p=lengths / lengths.sum()))
        most = min(longest_h * US_PER_HOUR, max(0.6 * lengths[k], float(least)))
        lasting = round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))
        room = int(ends[k] - starts[k]) - 2 * edge - lasting
        if room <= 0:
            continue
        start = int(starts[k]) + edge + int(rng.integers(room))
        end = start + lasting
        if any(start < b + apart and end > a - apart for a, b in taken.get(ship, [])):
            continue
        taken.setdefault(ship, []).append((start, end))
        out.append(Piece(ship, start, end, "piece"))
    return sorted(out, key=lambda p: (p.start_us, p.vessel_key))


def anchorages(
    hours: pl.DataFrame, rng: np.random.Generator, *, n: int, radius_km: float, window_h: float
) -> list[Area]:
    """Draw up to `n` places and days at which most ships lay still: one circle each, no two in the same place."""
    placed = hours.filter(pl.col("last_lat_deg").is_not_null() & pl.col("cell").is_not_null())
    if placed.is_empty():
        return []
    moved_km = sphere.gc_km(
        *(placed[c].to_numpy() for c in ("first_lat_deg", "first_lon_deg", "last_lat_deg", "last_lon_deg"))
    )
    lying = placed.filter(pl.Series(moved_km < STILL_KM) & (pl.col("n_moving") == 0))
    first_us = int(placed["first_heard_utc"].dt.epoch("us").to_numpy().min())
    last_us = int(placed["last_heard_utc"].dt.epoch("us").to_numpy().max())
    span, edge = round(window_h * US_PER_HOUR), round(EDGE_H * US_PER_HOUR)
    if last_us - first_us < span + 2 * edge:
        return []
    busy = (
        lying.with_columns(day=pl.col("hour_utc").dt.truncate("1d"))
        .group_by("cell", "day")
        .agg(
            n_ships=pl.col("vessel_key").n_unique(),
            lat_deg=pl.col("last_lat_deg").median(),
            lon_deg=pl.col("last_lon_deg").median(),
        )
        .filter(pl.col("n_ships") >= LEAST_AT_ANCHOR)
        .sort(["n_ships", "cell", "day"], descending=[True, False, False])
        .head(5 * max(n, 1))
    )
    out: list[Area] = []
    for k in rng.permutation(busy.height):
        row = busy.row(int(k), named=True)
        near = [
            a for a in out if float(sphere.gc_km(a.lat_deg, a.lon_deg, row["lat_deg"], row["lon_deg"])) < 3 * radius_km
        ]
        if len(out) == n or near:
            continue
        noon_us = int(row["day"].timestamp() * 1e6) + 12 * US_PER_HOUR
        start = int(
            np.clip(
                noon_us - span // 2 + int(rng.integers(-3, 4)) * US_PER_HOUR, first_us + edge, last_us - edge - span
            )
        )
        out.append(Area(len(out), row["lat_deg"], row["lon_deg"], radius_km, start, start + span))
    return out


def of_area(area: Area, traffic: Traffic, *, shortest_h: float) -> list[Piece]:
    """What is hidden of every ship that was in the circle meanwhile: each time it was inside without a break.

    Times shorter than `shortest_h` stay: a ship that only passes through is hidden nowhere else, and its silence would be no gap.
    """
    around = traffic.hours.filter(
        (pl.col("last_heard_utc").dt.epoch("us") >= area.start_us)
        & (pl.col("first_heard_utc").dt.epoch("us") <= area.end_us)
    )
    rows = traffic.positions(
        _windows([(str(k), area.start_us, area.end_us) for k in around["vessel_key"].unique().sort()])
    )
    rows = rows.filter(pl.col("lat_deg").is_not_null()).sort("vessel_key", "time_utc", "source_file", "source_row")
    out: list[Piece] = []
    for (key,), own in rows.group_by("vessel_key", maintain_order=True):
        km = sphere.gc_km(own["lat_deg"].to_numpy(), own["lon_deg"].to_numpy(), area.lat_deg, area.lon_deg)
        within = km <= area.radius_km
        at = own["time_utc"].dt.epoch("us").to_numpy()
        edges = np.flatnonzero(np.diff(np.concatenate([[False], within, [False]]).astype(int)))
        for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
            if at[last] - at[first] >= shortest_h * US_PER_HOUR:
                out.append(Piece(str(key), int(at[first]), int(at[last]), "anchorage", area.number))
    return out


def blank(traffic: Traffic, hidden: list[Piece], held_out: list[str]) -> Traffic:
    """The traffic as if the pieces, and the ships `held_out` as a whole, had never been heard."""
    gone = pl.DataFrame({"vessel_key": held_out}, schema={"vessel_key": pl.String})
    windows = _windows([(p.vessel_key, p.start_us, p.end_us) for p in hidden])
    hours, said = (
        f.join(gone, on="vessel_key", how="anti", maintain_order="left") for f in (traffic.hours, traffic.statics)
    )
    unheard = replace(
        traffic,
        hours=hours,
        statics=said,
        fetch=lambda asked, columns: _without(traffic.fetch(asked, columns), windows, gone),
    )
    touched = _touched(hours, windows, "first_heard_utc", "last_heard_utc")
    left = unheard.positions(touched.select("vessel_key", start_utc="first_heard_utc", end_utc="last_heard_utc"))
    left = left.with_columns(hour_utc=pl.col("time_utc").dt.truncate("1h"))
    again = days.summarise(left.join(touched, on=["vessel_key", "hour_utc"], how="semi").select(tables.POSITIONS.names))
    keep = hours.join(touched, on=["vessel_key", "hour_utc"], how="anti", maintain_order="left")
    new_hours = pl.concat([keep, again.select(keep.columns)]).sort(tables.VESSEL_HOURS.key)
    return replace(unheard, hours=new_hours, statics=_statics_left(unheard, said, windows))


def _statics_left(unheard: Traffic, said: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """What ships said of themselves in the messages that are left: a draught sent only in a hidden piece is hidden too."""
    split = _touched(said, windows, "first_utc", "last_utc")
    rows = unheard.positions(split.select("vessel_key", start_utc="first_utc", end_utc="last_utc"))
    by = ["day_utc", *statics.SET]
    counted = (
        rows.with_columns(day_utc=pl.col("time_utc").dt.truncate("1d"))
        .group_by(by)
        .agg(n_messages=pl.len().cast(pl.Int64), first_utc=pl.col("time_utc").min(), last_utc=pl.col("time_utc").max())
    )
    again = split.drop("n_messages", "first_utc", "last_utc").join(counted, on=by, nulls_equal=True)
    keep = said.join(split, on=tables.STATICS.key, how="anti", maintain_order="left")
    return pl.concat([keep, again.select(keep.columns)]).sort(tables.STATICS.key)


def _touched(frame: pl.DataFrame, windows: pl.DataFrame, first: str, last: str) -> pl.DataFrame:
    """Rows whose span meets a window of their ship."""
    meets = (pl.col(last) >= pl.col("start_utc")) & (pl.col(first) <= pl.col("end_utc"))
    ids = frame.with_row_index("row").join(windows, on="vessel_key", how="inner").filter(meets)["row"].unique()
    return frame.with_row_index("row").join(ids.to_frame(), on="row", how="semi", maintain_order="left").drop("row")


def _without(rows: pl.DataFrame, windows: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    """Positions outside all windows, of ships that are not gone."""
    left = rows.join(gone, on="vessel_key", how="anti", maintain_order="left")
    return left.join(inside(left, windows), on=["source_file", "source_row"], how="anti", maintain_order="left")


def _windows(spans: list[tuple[str, int, int]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        spans, schema={"vessel_key": pl.String, "start_utc": pl.Int64, "end_utc": pl.Int64}, orient="row"
    )
    return frame.with_columns(
        pl.from_epoch(c, time_unit="us").dt.replace_time_zone("UTC").alias(c) for c in ("start_utc", "end_utc")
    ).cast(WINDOWS)  # type: ignore[arg-type]


def rows_of(traffic: Traffic, hidden: list[Piece]) -> dict[Piece, pl.DataFrame]:
    """The positions of each piece that have a place, in order of time."""
    every = traffic.positions(_windows([(p.vessel_key, p.start_us, p.end_us) for p in hidden]))
    every = every.filter(pl.col("lat_deg").is_not_null()).sort("time_utc", "source_file", "source_row")
    by_ship = {str(key): own for (key,), own in every.group_by("vessel_key", maintain_order=True)}
    at = pl.col("time_utc").dt.epoch("us")
    nothing = every.clear()
    return {p: by_ship.get(p.vessel_key, nothing).filter(at.is_between(p.start_us, p.end_us)) for p in hidden}
