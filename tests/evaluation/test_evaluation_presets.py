"""Worlds that differ from the default in one thing: they differ in that, and older worlds keep their bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ghostships import routes
from ghostships.simulate import PRESETS, preset, simulate
from ghostships.simulation import hulls, journeys
from ghostships.simulation.journeys import DAY, HOUR, Silence

SMALL = {"days": 20, "n_ships": 30, "n_traders": 4, "n_lookalikes": 5, "n_coal_ships": 1, "trips_per_month": 18.0}


def test_numbers_that_came_later_are_told_only_where_they_are_used() -> None:
    """`scenario.json` of an older world must not change because a newer one knows more."""
    later = {"off_at_berth_share", "no_length_share", "n_silent_throughout"}
    assert not later & set(preset("default").as_dict())
    assert preset("no-lengths").as_dict()["no_length_share"] == 0.3
    assert preset("off-at-berth").as_dict()["off_at_berth_share"] == 1.0
    assert preset("silent-throughout").as_dict()["n_silent_throughout"] == 2
    for scenario in PRESETS.values():
        told = scenario.as_dict()
        assert type(scenario)(**told) == scenario  # type: ignore[arg-type]


def test_three_ships_in_ten_have_no_length_and_nothing_else_moves() -> None:
    """The same hulls, of the same true length; of every role some tell it and some do not."""
    fleets = [hulls.launch(preset(name), routes.load(), np.random.default_rng(4)) for name in ("default", "no-lengths")]
    assert all(h.tells_length for h in fleets[0])
    silent = [h for h in fleets[1] if not h.tells_length]
    assert len(silent) / len(fleets[1]) == pytest.approx(0.3, abs=0.03)
    assert [(h.mmsi, h.length_m, h.cruise_kn) for h in fleets[0]] == [
        (h.mmsi, h.length_m, h.cruise_kn) for h in fleets[1]
    ]
    traders = [h.tells_length for h in fleets[1] if h.role == "trader"]
    assert any(traders) and not all(traders)


@pytest.mark.slow
@pytest.mark.long
def test_nobody_knows_the_length_of_those_ships(tmp_path: Path) -> None:
    """Neither the export nor the registry has it; the truth does."""
    scenario = preset("no-lengths").changed(**SMALL)
    simulate(tmp_path / "w", seed=3, scenario=scenario)
    heard = pl.read_csv(tmp_path / "w" / "ais.csv.gz", infer_schema_length=None, columns=["simulated_mmsi", "length_m"])
    without = (
        heard.group_by("simulated_mmsi").agg(pl.col("length_m").drop_nulls().len().alias("n")).filter(pl.col("n") == 0)
    )
    registry = pd.read_csv(tmp_path / "w" / "vessels.csv")
    unknown = set(registry.loc[registry["length_m"].isna(), "mmsi"])
    assert 6 <= without.height <= 12
    assert unknown and unknown <= set(without["simulated_mmsi"].to_list())
    assert pd.read_parquet(tmp_path / "w" / "truth" / "ships.parquet")["length_m"].notna().all()


@pytest.mark.slow
@pytest.mark.long
def test_traders_that_switch_off_at_the_berth_vanish_and_come_back_at_one(tmp_path: Path) -> None:
    """The last and the next place heard of a trip are within the port: nothing tells that it went out."""
    scenario = preset("off-at-berth").changed(**SMALL, p_short_reappearance=0.0)
    simulate(tmp_path / "w", seed=3, scenario=scenario)
    trips = pd.read_parquet(tmp_path / "w" / "truth" / "trips.parquet")
    calls = pd.read_parquet(tmp_path / "w" / "truth" / "calls.parquet")
    start = pd.Timestamp(scenario.start_utc)
    whole = trips[(trips["off_utc"] > start) & ~trips["is_open"]]
    at_quay = []
    for trip in whole.itertuples(index=False):
        home = calls[(calls["hull_id"] == trip.hull_id) & (calls["port"] != trip.port)]
        # A stay at home ends after the transponder does, and another has begun before it is back.
        at_quay.append(
            ((home["arrival_utc"] <= trip.off_utc) & (home["departure_utc"] >= trip.off_utc)).any()
            and (home["arrival_utc"] <= trip.on_utc).any()
        )
    assert len(whole) >= 5
    assert np.mean(at_quay) >= 0.8


def test_a_ship_silent_throughout_is_heard_before_and_after_and_never_between() -> None:
    """Its other silences in that time are part of the one; one at either end moves the sign of life, and stays as it was."""
    hull = hulls.launch(preset("demo"), routes.load(), np.random.default_rng(4))[0]
    quiet = (
        Silence(2 * HOUR, 6 * HOUR, "lay-up in port"),
        Silence(20 * HOUR, 40 * HOUR, "trip"),
        Silence(10 * DAY, 12 * DAY, "trip"),
        Silence(28.5 * DAY, np.inf, "trip"),
    )
    none = np.zeros(0)
    lived = journeys.Journey(
        hull, none, none, none, none.astype(int), none.astype(bool), none.astype(str), none.astype(str), (), quiet
    )
    *before, long, after = journeys.silent_between(lived, DAY, 29 * DAY).silences
    assert (*before, after) == (quiet[0], quiet[1], quiet[3])
    assert (long.start_s, long.end_s, long.cause) == (42 * HOUR, 28.5 * DAY - journeys.PEEP_S, "trip")


@pytest.mark.slow
@pytest.mark.long
def test_two_traders_make_all_their_trips_in_one_silence(tmp_path: Path) -> None:
    """Heard on the first day and the last ones, never between; the truth puts every trip of theirs into that silence."""
    scenario = preset("silent-throughout").changed(**SMALL)
    simulate(tmp_path / "w", seed=3, scenario=scenario)
    silences = pd.read_parquet(tmp_path / "w" / "truth" / "silences.parquet")
    long = silences[silences["duration_h"] > 0.6 * 24 * 20]
    assert (long["cause"] == "trip").all()
    assert long["vessel_key"].nunique() == len(long) == 2
    heard = pl.read_csv(tmp_path / "w" / "ais.csv.gz", infer_schema_length=None, columns=["simulated_mmsi", "time_utc"])
    for one in long.itertuples(index=False):
        own = heard.filter(pl.col("simulated_mmsi") == int(one.vessel_key.removeprefix("mmsi:")))
        times = own["time_utc"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False).drop_nulls()
        within = times.is_between(
            one.start_utc.to_pydatetime().replace(tzinfo=None), one.end_utc.to_pydatetime().replace(tzinfo=None)
        )
        assert within.mean() < 0.01, "but for wrong clocks"
        assert len(times) > 5
