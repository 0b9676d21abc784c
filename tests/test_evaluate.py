"""The judge: every score worked out by hand on a world of six sightings, four candidate trips and three true ones."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ghostships import routes
from ghostships.errors import UsageError
from ghostships.evaluate import (
    Scores,
    evaluate,
    expected_calibration_error,
    interval,
    log_loss_skill,
    read_truth,
    write,
)
from ghostships.naive import judge_by_hand

A, B, C = "mmsi:799000101", "mmsi:799000108", "mmsi:799000115"
NAJIN = routes.load().dark_port


def day(text: str) -> pd.Timestamp:
    """March 2019, as `12` or `12T06`."""
    return pd.Timestamp(f"2019-03-{text}" + (":00Z" if "T" in text else "T00:00Z"))


# The world. Day:  1   3   5   7   9   11  13  15  17  19
#   A silent        [--call--]   [--call--]                    two trips, the first seen
#   B silent            [-- at anchor at home --]              no trip
#   C silent                              [---call---]         one trip
#   nobody                   X       X                         a hull without a transponder at the dark port
SIGHTINGS = pd.DataFrame(
    [  # id, true ship, what it was, where, day, length
        ("s1", A, "dark", "NAJIN", "03T03", 115.0),
        ("s2", A, "dark", "NAJIN", "08T03", 118.0),
        ("s3", None, "no_transponder", "NAJIN", "06T03", 96.0),
        ("s4", None, "clutter", "NAJIN", "09T03", 60.0),
        ("s5", B, "dark", "VOSTOCHNY", "05T03", 131.0),
        ("s6", C, "transmitting", "VOSTOCHNY", "05T03", 99.0),
    ],
    columns=["sighting_id", "vessel_key", "state", "port", "day", "length_m"],
)
TRIPS = pd.DataFrame(
    [
        ("t1", A, "02T00", "04T00", "01T06", "05T00"),
        ("t2", A, "07T12", "09T00", "07T00", "10T00"),
        ("t3", C, "14T00", "16T00", "13T00", "17T00"),
    ],
    columns=["trip", "vessel_key", "arrival_utc", "departure_utc", "off_utc", "on_utc"],
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The world above as `simulate` would have written it, 30 days long."""
    (tmp_path / "truth").mkdir()
    told = {
        "dark_port": NAJIN.model_dump(mode="json"),
        "scenario": {"name": "by-hand", "days": 30, "start_utc": "2019-03-01T00:00:00Z"},
        "seed": 1,
    }
    (tmp_path / "scenario.json").write_text(json.dumps(told))
    SIGHTINGS[["sighting_id", "vessel_key", "state", "port"]].to_parquet(tmp_path / "truth" / "sightings.parquet")
    trips = TRIPS.assign(port="NAJIN", **{c: TRIPS[c].map(day) for c in TRIPS if c.endswith("_utc")})
    trips.to_parquet(tmp_path / "truth" / "trips.parquet")
    return tmp_path


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """What a run might have made of it: right on s1, s3, s5, s6; wrong on s2 and s4."""
    matches = pd.DataFrame(
        [  # s2: A has 0.25 + 0.20 in two silences, which together still lose to "none" with 0.55
            ("s1", "dark", A, 0.8),
            ("s1", "none", None, 0.2),
            ("s2", "dark", A, 0.25),
            ("s2", "dark", A, 0.2),
            ("s2", "none", None, 0.55),
            ("s3", "none", None, 0.9),
            ("s3", "dark", B, 0.1),
            ("s4", "dark", B, 0.6),
            ("s4", "none", None, 0.4),
            ("s5", "dark", B, 0.7),
            ("s5", "none", None, 0.3),
            ("s6", "transmitting", C, 0.99),
            ("s6", "none", None, 0.01),
        ],
        columns=["sighting_id", "hypothesis", "vessel_key", "p_match"],
    )
    round_trips = pd.DataFrame(
        [  # r1 right; r2 right ship, wrong time; r3 right but below the threshold; r4 nobody
            ("r1", A, "01T06", "05T00", 0.9, True),
            ("r2", B, "03T00", "10T00", 0.8, True),
            ("r3", C, "13T00", "17T00", 0.3, False),
            ("r4", None, None, None, np.nan, False),
        ],
        columns=["trip_id", "vessel_key", "dark_start_utc", "dark_end_utc", "p_trip", "is_flagged"],
    )
    for column in ("dark_start_utc", "dark_end_utc"):
        round_trips[column] = pd.to_datetime(
            [day(v) if isinstance(v, str) else pd.NaT for v in round_trips[column]], utc=True
        )
    home = {
        "start_lat_deg": 42.75,
        "start_lon_deg": 133.05,
        "end_lat_deg": 42.75,
        "end_lon_deg": 133.05,
        "state": "closed",
    }
    gaps = pd.DataFrame(
        [
            ("g1", A, "01T06", "05T00"),
            ("g2", A, "07T00", "10T00"),
            ("g3", B, "03T00", "10T00"),
            ("g4", C, "13T00", "17T00"),
        ],
        columns=["gap_id", "vessel_key", "start_utc", "end_utc"],
    ).assign(**home)
    for column in ("start_utc", "end_utc"):
        gaps[column] = gaps[column].map(day)
    when = SIGHTINGS["day"].map(day)
    sightings = SIGHTINGS[["sighting_id", "length_m", "port"]].assign(
        start_utc=when, end_utc=when, lat_deg=np.nan, lon_deg=np.nan
    )
    vessels = pd.DataFrame({"vessel_key": [A, B, C], "length_m": [116.0, 130.0, 100.0]})
    return {
        "gaps": gaps,
        "sightings": sightings,
        "vessels": vessels,
        "matches": matches,
        "round_trips": round_trips.assign(dark_port="NAJIN"),
    }


@pytest.fixture
def scores(world: Path, tables: dict[str, pd.DataFrame]) -> Scores:
    return evaluate(world, tables)


def test_attribution_counts_ships_and_nobody_apart(scores: Scores) -> None:
    """At the dark port s1 and s3 of s1 to s4 are right; of ships s1 of two, of nobody s3 of two; anywhere s1, s3, s5 of five."""
    assert scores.run["right_attribution"] == 0.5
    assert scores.run["right_attribution_of_ships"] == 0.5
    assert scores.run["right_attribution_of_none"] == 0.5
    assert scores.run["right_attribution_everywhere"] == 0.6
    assert scores.run["right_attribution_transmitting"] == 1.0


def test_calibration_is_scored_over_top_answers(scores: Scores) -> None:
    """Top answers at the dark port: p .8 right, .55 wrong, .9 right, .6 wrong; each is its own bin."""
    assert scores.run["ece"] == pytest.approx((0.2 + 0.55 + 0.1 + 0.6) / 4)
    assert scores.run["calibration_gap"] == pytest.approx((0.8 + 0.55 + 0.9 + 0.6) / 4 - 0.5)
    ours = -(math.log(0.8) + math.log(0.45) + math.log(0.9) + math.log(0.4)) / 4
    assert scores.run["log_loss_skill"] == pytest.approx(1 - ours / math.log(2), abs=1e-6)
    assert [row["mean_p"] for row in scores.calibration] == [0.55, 0.6, 0.7, 0.8, 0.9]
    assert [row["share_right"] for row in scores.calibration] == [0, 0, 1, 1, 1]


def test_trips_are_recovered_by_overlap_with_the_true_call(scores: Scores) -> None:
    """r1 finds t1; r2 is for nothing; t2 has no candidate; t3's candidate is not flagged."""
    assert scores.run["trip_precision"] == 0.5
    assert scores.run["trip_recall"] == pytest.approx(1 / 3, abs=1e-6)
    assert scores.run["flags_per_60_days"] == 4.0
    assert scores.run["false_flags_per_60_days"] == 2.0


def test_average_precision_counts_trips_without_a_candidate_as_never_found(scores: Scores) -> None:
    """Ranked r1 (true), r2 (false), r3 (true): 1/2 * 1 + 1/2 * 2/3 = 5/6; two of three calls have a candidate at all."""
    assert scores.run["trip_ap"] == pytest.approx(5 / 6 * 2 / 3, abs=1e-6)


def test_one_silence_over_two_calls_finds_both_but_pairs_off_with_one(
    world: Path, tables: dict[str, pd.DataFrame]
) -> None:
    """A flag that spans everything must not look as good as two flags that say when."""
    wide = tables["round_trips"].copy()
    wide.loc[0, "dark_end_utc"] = day("11")
    found = evaluate(world, tables | {"round_trips": wide}).run
    assert found["trip_recall"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["trip_recall_one_to_one"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["trip_precision_one_to_one"] == 0.5


def test_an_open_trip_overlaps_what_comes_after_its_start(world: Path, tables: dict[str, pd.DataFrame]) -> None:
    """A missing end is the future, not the past."""
    still_out = tables["round_trips"].copy()
    still_out.loc[2, ["dark_end_utc", "is_flagged"]] = [pd.NaT, True]
    assert evaluate(world, tables | {"round_trips": still_out}).run["trip_recall"] == pytest.approx(2 / 3, abs=1e-6)


def test_the_script_by_hand_forces_every_picture_on_a_ship(scores: Scores) -> None:
    """s1 (115 m) to A (116 m) over B (130 m), s2 likewise, s3 (96 m) to B alone silent then, s4 (60 m) to A: 2 of 4 right, p 1.

    Silences with a picture: both of A and that of B. Two are trips, the third true trip got no picture: 2/3 and 2/3. Their
    average precision is 2/3 over tied candidates, of which 2 of 3 calls have one.
    """
    assert scores.by_hand["right_attribution"] == 0.5
    assert scores.by_hand["right_attribution_of_none"] == 0.0
    assert scores.by_hand["ece"] == 0.5
    assert scores.by_hand["trip_precision"] == pytest.approx(2 / 3, abs=1e-6)
    assert scores.by_hand["trip_recall"] == pytest.approx(2 / 3, abs=1e-6)
    assert scores.by_hand["trip_ap"] == pytest.approx(4 / 9, abs=1e-6)
    assert scores.counts["flagged_by_hand"] == 3


def test_the_script_by_hand_knows_how_fast_a_ship_can_be_there(tables: dict[str, pd.DataFrame]) -> None:
    """Vostochny to Najin is 127 nm straight, 8.4 h at 15 kn: 8 h after vanishing it cannot be that ship, after 9 h it can."""
    gaps = tables["gaps"].iloc[[0]]
    seen = tables["sightings"].iloc[[0, 0]].reset_index(drop=True)
    seen["sighting_id"] = ["early", "later"]
    seen["start_utc"] = seen["end_utc"] = [day("01T14"), day("01T15")]
    matches, trips = judge_by_hand(gaps, seen, tables["vessels"], NAJIN)
    assert matches.set_index("sighting_id")["hypothesis"].to_dict() == {"early": "none", "later": "dark"}
    assert list(trips["trip_id"]) == ["g1"]
    short = gaps.assign(end_utc=gaps["start_utc"] + pd.Timedelta(hours=16.5))
    assert judge_by_hand(short, seen, tables["vessels"], NAJIN)[1].empty


def test_a_sighting_without_an_answer_is_wrong_but_not_badly_calibrated(
    world: Path, tables: dict[str, pd.DataFrame]
) -> None:
    """Silence is no way to a better score: s3 counts as wrong, and only p that were stated are weighed."""
    fewer = tables["matches"][tables["matches"]["sighting_id"] != "s3"]
    found = evaluate(world, tables | {"matches": fewer})
    assert found.run["right_attribution"] == 0.25
    assert found.run["ece"] == pytest.approx((0.2 + 0.55 + 0.6) / 3)
    assert found.counts["sightings_without_an_answer"] == 1


def test_the_order_of_rows_changes_no_score(world: Path, tables: dict[str, pd.DataFrame], scores: Scores) -> None:
    """The judge reads tables, not files."""
    turned = {name: frame.iloc[::-1].reset_index(drop=True) for name, frame in tables.items()}
    assert evaluate(world, turned).as_dict() == scores.as_dict()


def test_a_trip_that_began_before_the_data_is_not_asked_for(world: Path) -> None:
    """Nobody heard that ship vanish."""
    path = world / "truth" / "trips.parquet"
    early = pd.read_parquet(path)
    early.loc[0, "off_utc"] = pd.Timestamp("2019-02-27T00:00Z")
    early.to_parquet(path)
    assert list(read_truth(world).trips["trip"]) == ["t2", "t3"]


def test_a_world_without_trips_has_flags_but_no_recall(world: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Nothing to find is not a score of 0 or 1: it is none; every flag there is for nothing."""
    path = world / "truth" / "trips.parquet"
    pd.read_parquet(path).iloc[:0].to_parquet(path)
    found = evaluate(world, tables).run
    assert found["trip_recall"] is None and found["trip_ap"] is None
    assert found["trip_precision"] == 0.0
    assert found["false_flags_per_60_days"] == 4.0


def test_a_run_that_finds_nothing_gets_scores_too(world: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Empty tables are a result."""
    empty = tables | {"round_trips": tables["round_trips"].iloc[:0], "matches": tables["matches"].iloc[:0]}
    found = evaluate(world, empty).run
    assert found["right_attribution"] == 0.0 and found["trip_recall"] == 0.0 and found["trip_ap"] == 0.0
    assert found["ece"] is None and found["trip_precision"] is None


def test_the_answer_is_json_and_a_table_for_people(scores: Scores) -> None:
    """One goes into a file, the other onto a screen; the table names every score with its meaning."""
    again = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert again["run"]["trip_precision"] == 0.5
    text = scores.as_text()
    assert all(name in text for name in scores.run)
    line = next(line for line in text.splitlines() if line.startswith("trip_precision "))
    assert line.split()[1:5] == ["0.500", "0.667", ">=", "0.95"]


def test_tables_are_read_from_a_folder_too(
    world: Path, tables: dict[str, pd.DataFrame], scores: Scores, tmp_path: Path
) -> None:
    """The output folder of a run is enough."""
    out = tmp_path / "out"
    out.mkdir()
    for name, frame in tables.items():
        frame.to_parquet(out / f"{name}.parquet")
    assert evaluate(world, out).as_dict() == scores.as_dict()


def test_wrong_folders_are_named(world: Path, tmp_path: Path) -> None:
    """What is missing, and where."""
    with pytest.raises(UsageError, match="not a folder written by `ghostships simulate`"):
        evaluate(tmp_path / "nowhere", tmp_path)
    with pytest.raises(UsageError, match="has no gaps.parquet, sightings.parquet"):
        evaluate(world, tmp_path)


def test_the_calibration_error_is_zero_only_for_honest_answers() -> None:
    """Ten bins of ten: p = 0.1 ... 1.0, as many right as stated. Then the same answers, each bin 0.1 too bold."""
    p = np.repeat(np.arange(1, 11) / 10, 10)
    right = np.concatenate([np.arange(10) < n for n in range(1, 11)])
    assert expected_calibration_error(p, right) == pytest.approx(0.0, abs=1e-9)
    assert expected_calibration_error(p, np.concatenate([np.arange(10) < n for n in range(10)])) == pytest.approx(0.1)
    assert expected_calibration_error(np.array([]), np.array([], dtype=bool)) is None


def test_a_constant_has_no_skill() -> None:
    """Saying the base rate every time must not look good."""
    right = np.array([True, True, True, False])
    assert log_loss_skill(np.full(4, 0.75), right) == pytest.approx(0.0, abs=1e-9)
    assert log_loss_skill(np.array([0.9, 0.9, 0.9, 0.1]), right) > 0.5  # type: ignore[operator]
    assert log_loss_skill(np.full(2, 0.9), np.array([True, True])) is None


def test_the_interval_is_wilsons() -> None:
    """Published example: 81 of 263 gives 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17, 857, method 3)."""
    low, high = interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert interval(0, 20)[0] == 0.0 and 0 < interval(0, 20)[1] < 0.2


@pytest.fixture
def with_evidence(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The same run with ids and the evidence of r1 and of the match of s1 with A."""
    matches = tables["matches"].assign(match_id=[f"m{n}" for n in range(len(tables["matches"]))])
    rows = [("r1", "prior", -1.0), ("r1", "pictures", 4.17), ("m0", "alongside", 2.0)]
    evidence = pd.DataFrame(rows, columns=["subject_id", "factor", "bits"])
    return tables | {"matches": matches, "evidence": evidence}


def test_the_judges_folder_tells_all_and_repeats_itself(
    world: Path, with_evidence: dict[str, pd.DataFrame], scores: Scores, tmp_path: Path
) -> None:
    """Page, scores, curves, worth of factors and two figures; the same tables give the same bytes."""
    digests = []
    for name in ("one", "two"):
        told, files = write(tmp_path / name, world, with_evidence)
        assert told.as_dict() == scores.as_dict()
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1]
    assert {"summary.md", "scores.json", "reliability.png", "reliability.svg", "precision_recall.png"} <= set(
        digests[0]
    )
    kept = json.loads((tmp_path / "one" / "scores.json").read_text())
    assert kept["run"] == scores.run
    # r1 (right, .9) and r2 (wrong, .8), then r3 (right, .3); two of three calls have a candidate.
    assert [(c["precision"], c["recall"]) for c in kept["curves"]["precision_recall"]] == [
        (1.0, pytest.approx(1 / 3, abs=1e-6)),
        (0.5, pytest.approx(1 / 3, abs=1e-6)),
        (pytest.approx(2 / 3, abs=1e-6), pytest.approx(2 / 3, abs=1e-6)),
    ]
    assert sum(b["n"] for b in kept["curves"]["reliability_of_sightings"]) == 4
    assert {row["factor"] for row in kept["ablation"]["trips"]} == {"(nothing left out)", "prior", "pictures"}
    assert "trip_log_loss_skill" in (tmp_path / "one" / "summary.md").read_text()


def test_a_folder_of_something_else_is_left_alone(
    world: Path, with_evidence: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """The judge replaces only what a judge wrote, and needs the evidence to say what a factor is worth."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something"):
        write(mine, world, with_evidence)
    with pytest.raises(UsageError, match="lack evidence"):
        write(tmp_path / "new", world, {k: v for k, v in with_evidence.items() if k != "evidence"})


def test_the_skill_of_trips_is_scored_over_all_candidates(scores: Scores) -> None:
    """r1 right at .9, r2 wrong at .8, r3 right at .3; the base rate is 2/3."""
    ours = -(math.log(0.9) + math.log(0.2) + math.log(0.3)) / 3
    base = -(2 * math.log(2 / 3) + math.log(1 / 3)) / 3
    assert scores.run["trip_log_loss_skill"] == pytest.approx(1 - ours / base, abs=1e-6)
