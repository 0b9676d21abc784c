"""Which rows are believed, what "now" is, and whose numbers are no ship's."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import SIM_B, START, at, hourly, messages
from polars.testing import assert_frame_equal

from ghostships.steps import clean, days
from ghostships.traffic import Traffic


@pytest.mark.parametrize(
    ("mmsi", "expected"),
    [
        (273_123_456, "ship"),
        (445_000_000, "ship"),
        (None, "ship"),
        (0, "default_mmsi"),
        (111_111_111, "default_mmsi"),
        (123_456_789, "default_mmsi"),
        (999_999_999, "default_mmsi"),
        (1_193_046, "default_mmsi"),
        (2_320_001, "non_ship"),  # 00 and a MID: coast station
        (23_200_001, "non_ship"),  # 0 and a MID: group of ships
        (111_232_001, "non_ship"),
        (992_351_234, "non_ship"),
        (970_012_345, "non_ship"),
        (972_012_345, "non_ship"),
        (974_012_345, "non_ship"),
        (982_351_234, "non_ship"),
        (150_000_001, "unknown_mid"),
        (812_345_678, "unknown_mid"),
        (799_000_001, "unknown_mid"),
        (999_000_001, "unknown_mid"),
    ],
)
def test_a_number_is_classed_by_the_forms_of_the_itu(mmsi: int | None, expected: str) -> None:
    """BI-054 to BI-056: a buoy's or nobody's silence must not reach an analyst as a ship's; an odd country code may."""
    assert clean.vessel_class(mmsi) == expected


def test_rows_of_no_ship_are_kept_apart_and_counted_never_lost() -> None:
    """Whoever counts rows must find all of them: set aside is not rejected."""
    positions = pl.concat([hourly(range(3)), hourly(range(4), mmsi=0), hourly(range(5), mmsi=992_351_234)])
    heard = Traffic.of_positions(positions)
    others = clean.set_aside(heard.hours)
    assert others.rows() == [(0, "default_mmsi"), (992_351_234, "non_ship")]
    ships, aside = heard.without(others), heard.hours.join(others, on="mmsi")
    assert ships.hours["mmsi"].unique().to_list() == [799_000_001]
    assert ships.statics["mmsi"].unique().to_list() == [799_000_001]
    assert ships.hours["n_messages"].sum() + aside["n_messages"].sum() == len(positions)
    told = aside.group_by("vessel_class").agg(pl.col("n_messages").sum())
    assert dict(told.iter_rows()) == {"default_mmsi": 4, "non_ship": 5}


def test_ids_that_are_no_mmsi_are_ships() -> None:
    """A dialect without MMSIs must not lose its ships."""
    positions = hourly(range(3), mmsi=None, key="id:ffffffffffff:7")
    heard = Traffic.of_positions(positions)
    others = clean.set_aside(heard.hours)
    assert others.is_empty()
    assert heard.without(others).hours.equals(heard.hours)
    # Nor do numbers set aside take ships without a number with them.
    assert heard.without(pl.DataFrame({"mmsi": [0, 992_351_234]})).hours.equals(heard.hours)


@given(st.floats(0.02, 1e6), st.integers(1, 5))
def test_one_ship_with_a_fast_clock_never_moves_now(ahead_h: float, n_rows: int) -> None:
    """P8: a lone future clock, by a minute or by a century, changes neither now nor which rows of others count."""
    honest = pl.concat([hourly(range(48)), hourly(range(49), mmsi=SIM_B)])
    fast = messages(*((48 + ahead_h + k, 40.0, 130.0) for k in range(n_rows)), mmsi=799_000_003)
    both = pl.concat([honest, fast])
    heard = Traffic.of_positions(both)
    now = clean.as_of(heard.hours)
    assert now == at(48)
    believed, refused = heard.within(as_of_utc=now, from_utc=None, to_utc=None)
    assert set(refused["rule"]) == {"time_future"}
    assert len(refused) == n_rows
    assert_frame_equal(believed.hours, Traffic.of_positions(honest).hours)


def test_now_of_a_single_ship_is_its_last_message() -> None:
    """An export of one ship has only its own word for the time."""
    assert clean.as_of(days.summarise(hourly(range(5)))) == at(4)
    assert clean.as_of(days.summarise(hourly(range(0)))) is None


def test_the_span_asked_for_includes_both_ends() -> None:
    """--from and --to name instants that belong to the answer; the rest is refused by name."""
    positions = hourly(range(10))
    believed, refused = Traffic.of_positions(positions).within(from_utc=at(3), to_utc=at(6), as_of_utc=None)
    assert believed.hours["hour_utc"].to_list() == [at(h) for h in (3, 4, 5, 6)]
    assert believed.of_ships(positions)["time_utc"].to_list() == [at(h) for h in (3, 4, 5, 6)]
    assert refused["rule"].to_list() == ["time_out_of_span"] * 6
    assert refused["source_row"].to_list() == [1, 2, 3, 8, 9, 10]


def test_a_row_at_null_island_is_refused_unless_the_ship_is_there() -> None:
    """BI-050: receivers without a fix send 0, 0; a ship in the Gulf of Guinea may really pass it."""
    broken = messages((0, 42.0, 132.0), (1, 0.0, 0.0), (2, 42.0, 132.1))
    heard = Traffic.of_positions(broken)
    assert heard.lost.select("source_row", "rule").rows() == [(2, "null_island")]
    assert heard.hours["hour_utc"].to_list() == [at(0), at(2)]
    assert heard.of_ships(broken)["source_row"].to_list() == [1, 3]
    there = messages((0, 0.1, 0.1), (1, 0.0, 0.0), (2, -0.1, 0.0), mmsi=SIM_B)
    assert Traffic.of_positions(there).lost.is_empty()


def test_null_island_is_judged_within_the_day_alone() -> None:
    """A day must be a pure function of its own rows, or nightly runs would not equal one batch."""
    late = messages((23.9, 0.0, 0.0), (24.1, 0.05, 0.0))
    for positions in (late, late.filter(pl.col("time_utc") < START + timedelta(days=1))):
        assert Traffic.of_positions(positions).lost.rows() == [("f" * 12, 1, "null_island")]
