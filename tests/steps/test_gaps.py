"""Silences: each one exactly as long as it was, none invented, none lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import SIM_A, SIM_B, at, hourly, messages, river, suez
from pandas.testing import assert_frame_equal

from ghostships import routes, tables
from ghostships.steps import clean, gaps

ROUTE = routes.load()


def _find(positions: pl.DataFrame, *, min_gap_h: float = 6.0, as_of_h: float | None = None) -> pd.DataFrame:
    found, hours = river(positions)
    return gaps.find(hours, found, min_gap_h=min_gap_h, as_of_utc=None if as_of_h is None else at(as_of_h), route=ROUTE)


@pytest.mark.parametrize(("more_us", "expected"), [(0, 1), (1, 1), (-1, 0), (-1_000_000, 0)])
def test_exactly_the_threshold_is_a_gap_and_a_microsecond_less_is_not(more_us: int, expected: int) -> None:
    """Times are whole microseconds: `inclusive` must not hang on floating point."""
    pair = messages((0.1, 42.0, 132.0), (6.1, 42.0, 132.0))
    later = pl.when(pl.col("source_row") == 2).then(pl.lit(timedelta(microseconds=more_us))).otherwise(timedelta(0))
    assert len(_find(pair.with_columns(pl.col("time_utc") + later))) == expected


def test_a_gap_of_an_hour_is_found_across_midnight() -> None:
    """1 h is the shortest policy, and the day's border is where a summary by day would lose it."""
    found = _find(messages((23.4, 42.0, 132.0), (24.4, 42.0, 132.0)), min_gap_h=1)
    assert found["duration_h"].to_list() == [1.0]


def test_a_gap_has_its_places_ports_and_sources() -> None:
    """What the card shows must lead back to the two lines of the file."""
    port = ROUTE.dark_port
    row = _find(messages((0, port.lat_deg, port.lon_deg), (10, 43.0, 132.0))).iloc[0]
    assert (row.start_utc, row.end_utc) == (at(0), at(10))
    assert (row.start_lat_deg, row.end_lat_deg, row.end_lon_deg) == (port.lat_deg, 43.0, 132.0)
    assert row.start_port == port.id
    assert pd.isna(row.end_port)
    assert (row.start_source, row.end_source) == ("ffffffffffff:1", "ffffffffffff:2")
    assert row.implied_speed_kn == pytest.approx(row.distance_gc_nm / 10)
    assert (row.state, row.is_open, row.n_other_ships_heard) == ("closed", False, 0)
    assert pd.isna(row.p_off)
    assert pd.isna(row.distance_nm)


def test_a_message_without_a_position_ends_the_silence() -> None:
    """91/181 and static data prove that the transponder was on; the place is the next one known."""
    found = _find(messages((0, 42.0, 132.0), (5,), (9, 42.5, 132.0)), min_gap_h=4)
    assert found.sort_values("start_utc")["duration_h"].to_list() == [5.0, 4.0]
    first, second = found.sort_values("start_utc").itertuples()
    assert (first.end_utc, first.end_lat_deg) == (at(5), 42.5)
    assert (second.start_utc, second.start_lat_deg) == (at(5), 42.0)
    assert len(_find(messages((0, 42.0, 132.0), (5,), (9, 42.5, 132.0)), min_gap_h=6)) == 0


def test_a_gap_that_ends_in_a_message_never_followed_by_a_place_ends_nowhere() -> None:
    """Its end is known, its place is not: null, never the place where it vanished."""
    row = _find(messages((0, 42.0, 132.0), (10,))).iloc[0]
    assert row.duration_h == 10.0
    assert pd.isna(row.end_lat_deg)
    assert pd.isna(row.distance_gc_nm)


def test_a_ship_silent_at_the_end_of_the_data_has_an_open_gap_whose_id_survives_closing() -> None:
    """What was published tonight must be found again tomorrow."""
    heard = hourly(range(5))
    opened = _find(heard, as_of_h=10.0)
    assert opened[["is_open", "state"]].to_numpy().tolist() == [[True, "open"]]
    assert opened["duration_h"].isna().all()
    assert len(_find(heard, as_of_h=9.999)) == 0
    closed = _find(pl.concat([heard, messages((40, 43.0, 133.0), row=50)]), as_of_h=41.0)
    assert closed["gap_id"].to_list() == opened["gap_id"].to_list()
    assert closed["state"].to_list() == ["closed"]


def test_the_gap_id_depends_on_the_ship_and_the_opening_position_alone() -> None:
    """Neither file, nor row, nor threshold, nor what came before may rename a published gap."""
    base = messages((0, 42.0, 132.0), (10, 42.0, 132.0))
    other_file = base.with_columns(source_file=pl.lit("0" * 12), source_row=pl.col("source_row") + 7)
    earlier = pl.concat([messages((-2, 42.0, 132.0), row=9), base])
    ids = {_find(p, min_gap_h=h)["gap_id"].item() for p in (base, other_file, earlier) for h in (6, 8)}
    assert len(ids) == 1
    assert ids.pop().startswith("G-")
    assert _find(base.with_columns(vessel_key=pl.lit("mmsi:799000009")))["gap_id"].item() not in ids


def test_no_gap_joins_two_hulls_and_a_teleport_makes_none() -> None:
    """BI-057 and BI-062, as the table that people read must show them."""
    here = hourly([*range(10), *range(20, 30)])
    there = messages(*((h, 25.0, 125.0) for h in range(30)), row=200)
    shared = _find(pl.concat([here, there]))
    assert shared["duration_h"].to_list() == [11.0]
    spike = pl.concat([here, messages((15, 25.0, 160.0), row=300)])
    assert _find(spike)["duration_h"].to_list() == [11.0]


def test_a_track_that_was_lost_is_not_called_silent_for_ever() -> None:
    """Two hulls vanish, one comes back and nobody can say which: neither may stand in the list as open."""
    first = messages(*((h / 2, 42.0, 132.0) for h in range(60)))
    second = messages(*((h / 2 + 0.1, 42.0, 134.0) for h in range(60)), row=200)
    back = messages(*((h, 42.0, 133.0) for h in range(90, 120)), row=400)
    assert len(_find(pl.concat([first, second, back]), as_of_h=121)) == 0


def test_a_false_stay_leaves_no_open_gap_but_a_real_second_hull_does() -> None:
    """A spoofed hour far away is over, not dark; a second hull heard for days and then silent is."""
    own = messages(*((h / 4, 42.0, 132.0) for h in range(400)))
    false = messages(*((50 + h / 10, 37.5, 126.5) for h in range(1, 8)), row=1000)
    assert len(_find(pl.concat([own, false]), as_of_h=100)) == 0
    second = messages(*((h, 5.0, 60.0) for h in range(30)), row=1000)
    found = _find(pl.concat([own, second]), as_of_h=100)
    assert found[["is_open", "start_lat_deg"]].to_numpy().tolist() == [[True, 5.0]]


def test_a_ship_never_heard_with_a_place_has_no_gap() -> None:
    """A gap without a place cannot be judged; the vessel table still lists the ship."""
    assert len(_find(messages((0,), (10,)), as_of_h=30)) == 0


_MOMENTS = st.lists(st.integers(0, 200_000), min_size=2, max_size=30, unique=True)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(_MOMENTS, st.integers(1, 48), st.integers(1, 48))
def test_a_longer_threshold_never_adds_a_gap(minutes: list[int], one: int, other: int) -> None:
    """Law: raising the policy can only remove rows, and those that stay keep every value."""
    positions = messages(*((m / 60, 42.0, 132.0) for m in minutes))
    short, long = sorted((one, other))
    few, many = _find(positions, min_gap_h=long, as_of_h=4000), _find(positions, min_gap_h=short, as_of_h=4000)
    kept = many[many["gap_id"].isin(few["gap_id"])].reset_index(drop=True)
    assert_frame_equal(kept, few)


@settings(max_examples=25, deadline=None)
@given(_MOMENTS, st.integers(1, 24))
def test_gaps_are_exactly_the_steps_between_messages_that_are_long_enough(minutes: list[int], least: int) -> None:
    """The truth by hand: sort the messages, take the differences."""
    times = sorted(minutes)
    expected = [(b - a) / 60 for a, b in zip(times, times[1:], strict=False) if b - a >= least * 60]
    found = _find(messages(*((m / 60, 42.0, 132.0) for m in minutes)), min_gap_h=least)
    assert sorted(found["duration_h"]) == pytest.approx(sorted(expected), abs=1e-9)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(_MOMENTS, st.integers(-5000, 5000))
def test_shifting_all_clocks_by_hours_changes_no_duration(minutes: list[int], hours: int) -> None:
    """Law: the calendar has no say in how long a silence is."""
    positions = messages(*((m / 60, 42.0, 132.0) for m in minutes))
    later = positions.with_columns(pl.col("time_utc") + timedelta(hours=hours))
    a, b = (_find(p).sort_values("start_utc") for p in (positions, later))
    assert a["duration_h"].to_list() == b["duration_h"].to_list()


@settings(max_examples=20, deadline=None)
@given(_MOMENTS, _MOMENTS, st.integers(0, 99))
def test_ships_do_not_touch_each_other_nor_the_order_of_rows_the_table(
    mine: list[int], yours: list[int], seed: int
) -> None:
    """P7 and P9."""
    a = messages(*((m / 60, 42.0, 132.0) for m in mine), mmsi=SIM_A)
    b = messages(*((m / 60, 42.0, 132.0) for m in yours), mmsi=SIM_B, row=500)
    both = _find(pl.concat([a, b]).sample(fraction=1, shuffle=True, seed=seed), as_of_h=4000)
    alone = _find(a, as_of_h=4000)
    assert_frame_equal(both[both["vessel_key"] == f"mmsi:{SIM_A}"].reset_index(drop=True), alone)
    assert tables.check(pl.DataFrame(pl.from_arrow(tables.to_arrow(both, tables.GAPS))), tables.GAPS)[1].is_empty()


@pytest.mark.real
def test_suez_has_the_143_silences_counted_by_hand(shared: Path) -> None:
    """22 287 fixes, 143 pairs at least 6 h apart, two of them exactly 6 h (README of the shared data)."""
    positions = suez(shared)
    found, hours = river(positions)
    silences = gaps.find(hours, found, min_gap_h=6, as_of_utc=clean.as_of(hours), route=ROUTE)
    closed = silences[~silences["is_open"]]
    assert len(closed) == 143
    assert (closed["duration_h"] == 6.0).sum() == 2
    assert silences["gap_id"].is_unique
