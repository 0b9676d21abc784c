"""The bound that no judge can pass: exact on cases that can be counted, honest on a simulated world."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ghostships.evaluation import oracle
from ghostships.evaluation.oracle import _Hull, _joined, _Looks, _Stay
from ghostships.simulation.scenario import PRESETS

LOOKS = _Looks(np.array([0.0, 24.0, 48.0, 72.0]), np.array([0.9, 0.9, 0.9, 0.9]), ("a", "b", "c", "d"))


def stay(name: str, *hours: float, length_m: float = 110.0, scenes: str = "", read: str | None = None) -> _Stay:
    n = len(hours)
    return _Stay(
        truth=name,
        ids=tuple(f"{name}{h:g}" for h in hours),
        at_h=hours,
        scenes=tuple(scenes) or tuple("x" * n),
        lengths_m=(length_m,) * n,
        optical=(True,) * n,
        names=(read,) * n,
    )


def by_counting(stays: list[_Stay], weights: np.ndarray) -> np.ndarray:
    """Every way to give hulls to stays, one by one; the last column is a false alarm, which may be anywhere."""
    n, m = weights.shape
    out = np.zeros_like(weights)
    for answer in itertools.product(range(m), repeat=n):
        allowed = all(
            a != b or a == m - 1 or max(min(s.at_h), min(t.at_h)) >= min(max(s.at_h), max(t.at_h)) + oracle.TURNAROUND_H
            for (a, s), (b, t) in itertools.combinations(zip(answer, stays, strict=True), 2)
        )
        if allowed:
            weight = float(np.prod([weights[k, a] for k, a in enumerate(answer)]))
            for k, a in enumerate(answer):
                out[k, a] += weight
    return out / out.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_joint_posterior_is_that_of_plain_counting(seed: int) -> None:
    """Four or five stays that overlap at random, three hulls and a false alarm: the sum over time is the sum over everything."""
    rng = np.random.default_rng(seed)
    stays = []
    for n in range(4 + seed % 2):
        start = float(rng.uniform(0, 120))
        stays.append(stay(f"S{n}", start, start + float(rng.uniform(1, 60))))
    stays.sort(key=lambda s: s.at_h)
    weights = rng.uniform(0.05, 1.0, (len(stays), 4))
    assert _joined(stays, weights) == pytest.approx(by_counting(stays, weights), abs=1e-6)


def test_a_hull_cannot_be_at_two_stays_at_once() -> None:
    """Two stays on the same days, one ship that fits both and another that fits one a little: they are not the same ship."""
    stays = [stay("A", 0, 30), stay("B", 10, 40)]
    weights = np.array([[1.0, 0.0, 1e-6], [1.0, 0.2, 1e-6]])
    posterior = _joined(stays, weights)
    assert posterior[0, 0] > 0.999
    assert posterior[1, 1] > 0.999


def test_lengths_are_weighed_as_pictures_measure_them() -> None:
    """The densities integrate to 1, and lie where the simulator puts them: logarithms of radar lengths are 0.03 long on average."""
    grid = np.arange(1.0, 600.0, 0.05)
    for is_optical in (True, False):
        total = sum(oracle._length(float(x), 110.0, is_optical) for x in grid) * 0.05
        assert total == pytest.approx(1.0, abs=2e-3)
    best = max(grid, key=lambda x: oracle._length(float(x), 110.0, False) * x)
    assert best == pytest.approx(110.0 * np.exp(0.03), abs=0.1)


def test_pictures_that_should_have_shown_it_count_against_a_stay() -> None:
    """Seen at 24 h and 72 h but not at 48 h: a tenth of what it would be without that picture, by a detection chance of 0.9."""
    hull = _Hull("A", 110.0, "unknown", 1.0, None, None)
    missed = oracle._pictures(stay("A", 24, 72, scenes="bd"), hull, LOOKS)
    kept = [0, 1, 3]
    without = _Looks(LOOKS.at_h[kept], LOOKS.p_seen[kept], ("a", "b", "d"))
    assert missed == pytest.approx(0.1 * oracle._pictures(stay("A", 24, 72, scenes="bd"), hull, without), rel=1e-9)


def test_a_silence_too_short_for_what_was_seen_explains_nothing() -> None:
    """Seen at 24 h and 72 h: a ship back under way at 60 h was not there."""
    short = _Hull("A", 110.0, "known", 1.0, ((0.0, 60.0),), "SIM A")
    long = _Hull("A", 110.0, "known", 1.0, ((0.0, 90.0),), "SIM A")
    seen = stay("A", 24, 72, scenes="bd")
    assert oracle._pictures(seen, short, LOOKS) == 0.0
    assert oracle._pictures(seen, long, LOOKS) > 0.0


def test_a_name_read_is_right_as_often_as_the_simulator_reads_right() -> None:
    """Nine names in ten are right; a wrong one falls on any other trader or look-alike. A hull without transponder has no name."""
    scenario = PRESETS["default"]
    named, other, unknown = (
        _Hull("A", 110.0, "known", 1.0, ((0.0, 90.0),), "SIM A"),
        _Hull("B", 110.0, "known", 1.0, ((0.0, 90.0),), "SIM B"),
        _Hull("|H", 110.0, "unknown", 1.0, None, None),
    )
    hulls = [named, other, unknown]
    chances = [oracle._names(stay("A", 24, read="SIM A"), hull, scenario, hulls) for hull in hulls]
    n_others = scenario.n_traders + scenario.n_lookalikes - 1
    assert chances[0] / chances[1] == pytest.approx(0.9 / (0.1 / n_others))
    assert chances[2] == 0.0


@pytest.mark.slow
@pytest.mark.long
def test_the_oracle_means_what_it_says_and_beats_a_guess(tmp_path: Path) -> None:
    """On a small world: its probabilities promise about what comes true, and ships it can tell apart it names."""
    from ghostships import job
    from ghostships.simulate import preset, simulate

    scenario = preset("default").changed(
        name="small", days=40, n_ships=36, n_lookalikes=6, n_coal_ships=1, trips_per_month=18.0, n_hulls_without_ais=3
    )
    shares, promised = [], []
    for seed in (11, 12):
        folder = tmp_path / str(seed)
        simulate(folder, seed=seed, scenario=scenario)
        found = oracle.bound(folder, job.work(job.request_of_folder(folder), None))
        assert found["n_sightings"] > 30 and found["n_stays"] < found["n_sightings"]
        in_question = 1 - found["n_out_of_question"] / found["n_sightings"]
        shares.append(found["right_attribution"] / in_question)
        promised.append(found["expected_right"])
    # About 40 independent stays in all: two standard errors are 0.15.
    assert np.mean(shares) == pytest.approx(np.mean(promised), abs=0.15)
    assert np.mean(shares) > 0.6


def test_the_oracle_scores_a_world_written_by_hand(tmp_path: Path) -> None:
    """One trader of 110 m and one hull of 150 m without a transponder, each seen twice: no doubt who is who."""
    (tmp_path / "truth").mkdir()
    start = pd.Timestamp("2019-03-01T00:00Z")

    def at(hours: float) -> pd.Timestamp:
        return start + pd.Timedelta(hours=hours)

    scenario = PRESETS["default"].changed(name="by-hand", days=10)
    port = {
        "id": "NAJIN",
        "lat_deg": 42.2271,
        "lon_deg": 130.2826,
        "roadstead_lat_deg": 42.2,
        "roadstead_lon_deg": 130.355,
    }
    import json

    told = {"scenario": scenario.as_dict(), "dark_port": port, "seed": 1}
    (tmp_path / "scenario.json").write_text(json.dumps(told), encoding="utf-8")
    key = "mmsi:799000101"
    ships = [("H0", "trader", key, "SIM A", 110.0), ("H9", "unknown", None, "no transponder", 150.0)]
    pd.DataFrame(ships, columns=["hull_id", "role", "vessel_key", "vessel_name", "length_m"]).to_parquet(
        tmp_path / "truth" / "ships.parquet"
    )
    calls = [("H0", key, "NAJIN", at(20), at(80), True), ("H9", None, "NAJIN", at(40), at(80), True)]
    pd.DataFrame(
        calls, columns=["hull_id", "vessel_key", "port", "arrival_utc", "departure_utc", "is_dark"]
    ).to_parquet(tmp_path / "truth" / "calls.parquet")
    truth = [
        ("s1", "H0", key, "dark"),
        ("s2", "H0", key, "dark"),
        ("s3", "H9", None, "no_transponder"),
        ("s4", "H9", None, "no_transponder"),
    ]
    pd.DataFrame(truth, columns=["sighting_id", "hull_id", "vessel_key", "state"]).assign(port="NAJIN").to_parquet(
        tmp_path / "truth" / "sightings.parquet"
    )
    scenes = [
        (f"P{n}", at(h).isoformat(), 42.0, 42.4, 130.1, 130.5, "simulated optical", 1.0)
        for n, h in enumerate((24, 48, 72))
    ]
    pd.DataFrame(
        scenes, columns=["scene_id", "time", "lat_min", "lat_max", "lon_min", "lon_max", "sensor", "clear_fraction"]
    ).to_csv(tmp_path / "scenes.csv", index=False)
    seen = pd.DataFrame(
        [
            ("s1", at(24), 112.0, "P0"),
            ("s2", at(48), 108.0, "P1"),
            ("s3", at(48), 152.0, "P1"),
            ("s4", at(72), 147.0, "P2"),
        ],
        columns=["sighting_id", "start_utc", "length_m", "scene_id"],
    ).assign(sensor="simulated optical", vessel_name=None)
    gaps = pd.DataFrame(
        [(key, at(8), at(95), 42.75, 133.05, 42.75, 133.05, "closed", False)],
        columns=[
            "vessel_key",
            "start_utc",
            "end_utc",
            "start_lat_deg",
            "start_lon_deg",
            "end_lat_deg",
            "end_lon_deg",
            "state",
            "is_open",
        ],
    )
    vessels = pd.DataFrame({"vessel_key": [key], "fastest_kn": [14.0]})
    found = oracle.bound(tmp_path, {"gaps": gaps, "vessels": vessels, "sightings": seen})
    assert (
        found["right_attribution"] == found["right_attribution_of_ships"] == found["right_attribution_of_none"] == 1.0
    )
    assert found["expected_right"] > 0.98
    assert (found["n_sightings"], found["n_stays"], found["n_out_of_question"]) == (4, 2, 0)
    # The same ship never silent: its two sightings are out of question, and then nobody's.
    short = gaps.assign(end_utc=at(30))
    lost = oracle.bound(tmp_path, {"gaps": short, "vessels": vessels, "sightings": seen})
    assert lost["n_out_of_question"] == 2
    assert lost["right_attribution_of_ships"] == 0.0
