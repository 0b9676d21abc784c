"""Tracks drawn on the map, and stays at ports."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import geopandas
import numpy as np
import polars as pl
import pytest
import shapely
from messages import at, hourly, messages, river

from ghostships import routes, tables
from ghostships.steps import tracks

ROUTE = routes.load()
PORT = ROUTE.port("DUNAY")


def _check(frame: object, table: tables.Table) -> None:
    arrow = tables.to_arrow(frame, table)  # type: ignore[arg-type]
    assert tables.check(pl.DataFrame(pl.from_arrow(arrow)), table)[1].is_empty()


def test_a_straight_course_keeps_its_ends_and_a_bend_its_corner() -> None:
    """Two lines need three points: the map must be light without moving a ship."""
    out = [(h / 2, 42.0 + h / 20, 132.0) for h in range(20)]
    back = [(10 + h / 2, 43.0, 132.0 + h / 20) for h in range(20)]
    found = tracks.simplify(river(messages(*out, *back))[1])
    _check(found, tables.TRACKS)
    assert found["time_utc"].to_list() == [at(0), at(10), at(19.5)]


def test_no_position_lies_farther_from_the_drawn_line_than_the_tolerance() -> None:
    """A track across a spit of land would be our mistake, not the ship's; the tolerance and the grain of half of it are allowed."""
    rng = np.random.default_rng(3)
    lat, lon = 42 + np.cumsum(rng.normal(0, 0.02, 300)), 132 + np.cumsum(rng.normal(0, 0.02, 300))
    _, hours = river(
        messages(*((float(h), round(a, 7), round(o, 7)) for h, (a, o) in enumerate(zip(lat, lon, strict=True))))
    )
    found = tracks.simplify(hours, tolerance_deg=0.02)
    assert 2 < len(found) < 290
    line = shapely.LineString(found[["lon_deg", "lat_deg"]].to_numpy())
    assert shapely.distance(line, shapely.points(lon, lat)).max() <= 0.02 + 0.02 / 2 * 2**0.5 + 1e-9


def test_both_ends_of_a_silence_stay_on_the_map() -> None:
    """The dashed line of a gap starts and ends at points of the track."""
    _, hours = river(messages(*((h, 42.0 + h / 100, 132.0) for h in [*range(10), *range(30, 40)])))
    assert {at(9), at(30)} <= set(tracks.simplify(hours)["time_utc"])


def test_a_ship_at_anchor_is_two_points_and_a_line_over_the_180th_meridian_is_two_lines() -> None:
    """Weeks at anchor weigh nothing; and no line may run once around the world."""
    assert len(tracks.simplify(river(hourly(range(200)))[1])) == 2
    east = messages(*((h, 50.0, 179.0 + h / 5) if h < 5 else (h, 50.0, -180 + (h - 5) / 5) for h in range(10)))
    found = tracks.simplify(river(east)[1])
    assert {at(4), at(5)} <= set(found["time_utc"])


def test_thinning_does_not_depend_on_the_order_of_rows() -> None:
    """P9."""
    positions = messages(*((h / 3, 42.0 + (h % 7) / 10, 132.0 + h / 100) for h in range(100)))
    first = tracks.simplify(river(positions)[1])
    second = tracks.simplify(
        river(positions.sample(fraction=1, shuffle=True, seed=1))[1].sample(fraction=1, shuffle=True, seed=2)
    )
    assert first.equals(second)


def test_no_hours_make_no_tracks_and_no_stops() -> None:
    """A run without AIS goes through the same river."""
    _, hours = river(hourly([]))
    assert tracks.simplify(hours).empty
    assert tracks.stops(hours, ROUTE).empty


def test_a_stay_at_a_port_has_the_first_and_last_position_within_its_radius() -> None:
    """Bounds of a heard call are what was heard, not the hours around it."""
    away = PORT.lat_deg - 0.5
    sent = [(h + 0.25, away, PORT.lon_deg) for h in range(5)]
    sent += [(h + 0.25, PORT.lat_deg, PORT.lon_deg) for h in range(8, 15)]
    sent += [(h + 0.25, away, PORT.lon_deg) for h in range(18, 22)]
    found = tracks.stops(river(messages(*sent))[1], ROUTE)
    _check(found, tables.STOPS)
    assert found[["port", "start_utc", "end_utc"]].to_numpy().tolist() == [[PORT.id, at(8.25), at(14.25)]]


@pytest.mark.parametrize(("silence_h", "n_stays"), [(5, 1), (6, 2), (60, 2)])
def test_a_silence_of_the_policy_ends_a_stay(silence_h: int, n_stays: int) -> None:
    """A ship that vanishes from its berth and is back there two days later may have made a trip: that is not one stay."""
    hours = [*range(5), *range(4 + silence_h, 10 + silence_h)]
    found = tracks.stops(river(hourly(hours, lat=PORT.lat_deg, lon=PORT.lon_deg))[1], ROUTE)
    assert len(found) == n_stays


def test_thinned_lines_are_those_of_the_published_generalizer() -> None:
    """For whoever knows movingpandas: all lines thinned at once keep the points that its Douglas and Peucker keeps one by one."""
    rng = np.random.default_rng(3)
    n, start = 400, datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(minutes=30 * i) for i in range(n)]
    lat, lon = 42 + np.cumsum(rng.normal(0, 0.01, n)), 131 + np.cumsum(rng.normal(0, 0.01, n))
    both = {"utc": times, "lat_deg": lat, "lon_deg": lon}
    hours = pl.DataFrame(
        {f"{end}_{name}": values[k::2] for k, end in enumerate(("first", "last")) for name, values in both.items()}
    ).with_columns(vessel_key=pl.lit("mmsi:1"), segment_id=pl.lit("S-1"))
    thin = tracks.simplify(hours, tolerance_deg=0.02, min_gap_h=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import movingpandas

        whole = tracks._points(hours, min_gap_h=6, grain_deg=0.01).to_pandas()
        frame = geopandas.GeoDataFrame(
            whole[["time_utc"]],
            geometry=geopandas.points_from_xy(whole["lon_deg"], whole["lat_deg"]),
            crs="EPSG:4326",
        ).set_index(whole["time_utc"].dt.tz_localize(None))
        line = movingpandas.Trajectory(frame, traj_id=1)
        expected = movingpandas.DouglasPeuckerGeneralizer(line).generalize(tolerance=0.02).df["time_utc"]
    assert 2 < len(expected) < len(whole)
    assert set(thin["time_utc"]) == set(expected)
