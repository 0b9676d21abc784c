"""Vessel hours -> simplified tracks for the map, and stays of transmitting ships at ports."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl
import shapely

from ghostships import sphere, tables
from ghostships.routes import Route
from ghostships.units import US_PER_HOUR


def simplify(segment_hours: pl.DataFrame, *, tolerance_deg: float = 0.005, min_gap_h: float = 6.0) -> pd.DataFrame:
    """The points of each track that a map needs (`tables.TRACKS`).

    First and last position of every hour, thinned by Douglas and Peucker to within about `tolerance_deg` (0.005 degrees are some
    500 m, a pixel or two of the report's map). Where a ship was silent for `min_gap_h` [h] both ends stay, so that a silence is
    never smoothed over. Limits: turns within an hour are not seen.
    """
    points = _points(segment_hours, min_gap_h=min_gap_h, grain_deg=tolerance_deg / 2)
    if points.is_empty():
        return tables.empty_pandas(tables.TRACKS)
    keep = points["edge"].to_numpy().copy()
    places = points.select("lon_deg", "lat_deg").to_numpy()
    starts = np.flatnonzero(points["begins"].to_numpy())
    ends = np.append(starts[1:], len(points))
    line = np.repeat(np.arange(len(starts)), ends - starts)
    size = np.maximum.reduceat(places, starts) - np.minimum.reduceat(places, starts)
    has_shape = (ends - starts >= 3) & (size >= tolerance_deg).any(axis=1)
    keep[starts[~has_shape]] = keep[ends[~has_shape] - 1] = True
    drawn = has_shape[line]
    lines = shapely.linestrings(places[drawn], indices=np.unique(line[drawn], return_inverse=True)[1])
    thin, number = shapely.get_coordinates(
        shapely.simplify(lines, tolerance_deg, preserve_topology=False), return_index=True
    )
    # A line that comes back to a place it keeps, keeps every passage there.
    kept = pl.DataFrame({"line": np.flatnonzero(has_shape)[number], "lon_deg": thin[:, 0], "lat_deg": thin[:, 1]})
    everyone = pl.DataFrame({"line": line, "lon_deg": places[:, 0], "lat_deg": places[:, 1]}).with_row_index("row")
    keep[everyone.join(kept, on=["line", "lon_deg", "lat_deg"], how="semi")["row"].to_numpy()] = True
    return tables.to_pandas(points.filter(pl.Series(keep)), tables.TRACKS)


def _points(segment_hours: pl.DataFrame, *, min_gap_h: float, grain_deg: float) -> pl.DataFrame:
    """First and last position of each hour, one row per instant; of a run within one square of `grain_deg` its first and last.

    Ships lie still most of the time, and the thinning's time grows with the square of the points. `begins` marks the first point
    of a line: of a segment, or beyond the 180th meridian. `edge` marks both ends of each silence.
    """
    ship = ["vessel_key", "segment_id"]
    ends = [
        segment_hours.filter(pl.col(f"{end}_utc").is_not_null()).select(
            *ship, time_utc=f"{end}_utc", lat_deg=f"{end}_lat_deg", lon_deg=f"{end}_lon_deg"
        )
        for end in ("first", "last")
    ]
    points = pl.concat(ends).sort(*ship, "time_utc", "lat_deg", "lon_deg")
    points = points.unique([*ship, "time_utc"], keep="first", maintain_order=True)
    quiet_us = (pl.col("time_utc") - pl.col("time_utc").shift(1).over(ship)).dt.total_microseconds()
    around = (pl.col("lon_deg") - pl.col("lon_deg").shift(1).over(ship)).abs() > 180
    after = (quiet_us >= round(min_gap_h * US_PER_HOUR)).fill_null(True)
    square = pl.struct((pl.col("lat_deg") / grain_deg).floor(), (pl.col("lon_deg") / grain_deg).floor())
    marked = points.with_columns(
        begins=around.fill_null(True), after=after, run=square.rle_id().over(ship)
    ).with_columns(edge=pl.col("after") | pl.col("after").shift(-1).over(ship).fill_null(True))
    ends_run = (pl.col("run") != pl.col("run").shift(1).over(ship)) | (
        pl.col("run") != pl.col("run").shift(-1).over(ship)
    )
    return marked.filter(ends_run.fill_null(True) | pl.col("edge") | pl.col("begins"))


def stops(segment_hours: pl.DataFrame, route: Route, *, min_gap_h: float | None = None) -> pd.DataFrame:
    """Stays of transmitting ships within a port's radius (`tables.STOPS`).

    A stay is a run of positions (the first and last of each hour) within the radius of the same port, without a silence of
    `min_gap_h` [h] (the route's policy if not given): a ship silent for longer may have been elsewhere and come back. Where the
    radii of ports overlap the nearest port counts. Passing ships have stays too, short ones.

    The stop detector of movingpandas finds places where a ship lingers, wherever they are. Ports are known here, so a run of
    positions is the plainer answer, and it needs no window length; for 130 ships and 60 days it takes a quarter of a second.
    """
    shortest_us = round((route.policy.min_gap_h if min_gap_h is None else min_gap_h) * US_PER_HOUR)
    hull = ["vessel_key", "hull"]
    hours = segment_hours.sort(*hull, "hour_utc", "segment_id").with_columns(
        quiet_us=(pl.col("first_heard_utc") - pl.col("last_heard_utc").shift(1).over(hull)).dt.total_microseconds()
    )
    # The number of silences so far goes with every row, so that one also parts hours between which no position was sent.
    hours = hours.with_columns(era=(pl.col("quiet_us") >= shortest_us).fill_null(False).cum_sum().over(hull))
    ends = [
        hours.filter(pl.col(f"{end}_utc").is_not_null()).select(
            *hull, "segment_id", "era", time_utc=f"{end}_utc", lat=f"{end}_lat_deg", lon=f"{end}_lon_deg"
        )
        for end in ("first", "last")
    ]
    points = pl.concat(ends).sort(*hull, "time_utc", "lat", "lon")
    lat, lon = points["lat"].to_numpy(), points["lon"].to_numpy()
    nearest, at = np.full(len(points), math.inf), np.full(len(points), None, dtype=object)
    for port in route.ports:
        away_km = sphere.gc_km(lat, lon, port.lat_deg, port.lon_deg)
        inside = (away_km <= port.radius_km) & (away_km < nearest)
        at[inside], nearest[inside] = port.id, away_km[inside]
    points = points.with_columns(port=pl.Series(at.tolist(), dtype=pl.String))
    stays = (
        points.with_columns(run=pl.struct("port", "era").rle_id().over(hull))
        .filter(pl.col("port").is_not_null())
        .group_by(*hull, "run", "port", maintain_order=True)
        .agg(
            pl.col("segment_id").first(),
            start_utc=pl.col("time_utc").first(),
            end_utc=pl.col("time_utc").last(),
        )
    )
    return tables.to_pandas(stays.unique(tables.STOPS.key, keep="first", maintain_order=True), tables.STOPS)
