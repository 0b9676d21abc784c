"""Was it off? Held against a simulated month, whose reception is richer than what is learned of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
import pytest

from ghostships import pipeline, routes, simulate, tables
from ghostships.readers import ais
from ghostships.sea import Sea
from ghostships.simulation.scenario import preset
from ghostships.traffic import Traffic

DAYS = 30


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The silences of a simulated month, and of each the share that was off and the hours an outage took."""
    folder: Path = tmp_path_factory.mktemp("world") / "month"
    simulate.simulate(folder, seed=1, scenario=preset("default").changed(days=DAYS), is_zipped=False)
    route = routes.load()
    nothing = [tables.empty_pandas(t) for t in (tables.SIGHTINGS, tables.SCENES, tables.REGISTRY)]
    traffic = Traffic.of_positions(ais.read([folder / "ais.csv"]).positions)
    inputs = pipeline.Inputs(traffic, tables.empty_polars(tables.REJECTS), *nothing)
    sea = Sea.of(route.area, platformdirs.user_cache_path("ghostships"))
    heard = pipeline.listen(inputs, pipeline.Settings(route, 6.0), sea)
    found = heard.silences
    end = found["end_utc"].fillna(pd.Timestamp(heard.as_of_utc))
    hours = (end - found["start_utc"]).dt.total_seconds() / 3600
    silences = pd.read_parquet(folder / "truth" / "silences.parquet")
    outages = pd.read_parquet(folder / "truth" / "outages.parquet").assign(vessel_key="")

    def shared(true: pd.DataFrame, key: str | None) -> np.ndarray:
        out = np.zeros(len(found))
        for start, stop, ship in zip(true["start_utc"], true["end_utc"], true["vessel_key"], strict=True):
            common = (end.clip(upper=stop) - found["start_utc"].clip(lower=start)).dt.total_seconds() / 3600
            out += np.where(True if key is None else found[key] == ship, common.clip(lower=0), 0.0)
        return out

    off, outage = shared(silences, "vessel_key"), shared(outages, None)
    return found.assign(
        is_off=off >= hours / 2,
        was_outage=(outage > 0) & (hours - outage < 6) & (off < hours / 2),
        outage_h=outage,
        off_h=off,
    )


@pytest.mark.slow
@pytest.mark.long
def test_p_off_is_a_lower_bound_at_every_level(judged: pd.DataFrame) -> None:
    """For whoever reads 0.9: at least nine in ten of such silences were switched off, at every level, within chance."""
    said = judged[judged["p_off"].notna()]
    assert len(said) > 200
    for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        some = said[(said["p_off"] >= low) & (said["p_off"] < high)]
        chance = np.sqrt((some["p_off"] * (1 - some["p_off"])).sum()) / len(some)
        assert some["is_off"].mean() >= some["p_off"].mean() - 2 * chance, (low, high, len(some))


@pytest.mark.slow
@pytest.mark.long
def test_p_off_tells_switched_off_from_not_heard(judged: pd.DataFrame) -> None:
    """It must rank, not only be shy: nine in ten pairs of an off and an on silence are in the right order."""
    said = judged[judged["p_off"].notna()]
    off, on = said.loc[said["is_off"], "p_off"].to_numpy(), said.loc[~said["is_off"], "p_off"].to_numpy()
    assert len(on) > 20
    better = (off[:, None] > on).mean() + (off[:, None] == on).mean() / 2
    assert better > 0.9
    # Silences of ships that were on, outages aside, mostly get no verdict at all.
    assert judged.loc[~judged["is_off"] & (judged["state"] != "void"), "p_off"].isna().mean() > 0.85


@pytest.mark.slow
@pytest.mark.long
def test_outages_void_the_gaps_that_they_made_and_hardly_any_other(judged: pd.DataFrame) -> None:
    """Whole-feed and coast-only outages alike; what is voided wrongly was itself mostly inside an outage."""
    void = judged["state"] == "void"
    assert judged["was_outage"].sum() > 50
    assert void[judged["was_outage"]].mean() > 0.85
    assert (void & (judged["outage_h"] == 0)).sum() <= 0.01 * len(judged)
