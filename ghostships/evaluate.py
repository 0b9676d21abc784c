"""The judge: the tables of a run against the truth of a simulated world, and the script by hand on the same tables.

The scores are those of the method's section 9. Two kinds of questions are asked: was each dark or unknown sighting put down to
the right ship (or rightly to none), and were the round trips found. The truth never says how anything was found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from ghostships import routes
from ghostships.errors import UsageError
from ghostships.evaluation import scoring, summary
from ghostships.evaluation.scoring import Bools, expected_calibration_error, interval, log_loss_skill
from ghostships.naive import judge_by_hand

__all__ = [
    "WANTED",
    "Outcomes",
    "Scores",
    "Truth",
    "evaluate",
    "expected_calibration_error",
    "interval",
    "log_loss_skill",
    "outcomes",
    "read_tables",
    "read_truth",
    "write",
]

Score = float | int | None

_TABLES = ("gaps", "sightings", "vessels", "matches", "round_trips")
_NOBODY = ""
"""Stands for "none of these" where a ship's key would stand."""

WANTED = {
    "right_attribution": ">= 0.85",
    "ece": "<= 0.03",
    "trip_precision": ">= 0.95",
    "trip_recall": ">= 0.85",
    "trip_ap": ">= 0.95",
    "false_flags_per_60_days": "<= 1",
}
"""What the method's section 9 asks for; the last of them of traffic without any trip."""

_MEANING = {
    "right_attribution": "dark or unknown hulls at the dark port put down to the right ship, or rightly to none",
    "right_attribution_of_ships": "the same for dark ships alone",
    "right_attribution_of_none": 'the same for hulls that are nobody known: "none" kept',
    "right_attribution_everywhere": "dark or unknown sightings anywhere",
    "right_attribution_transmitting": "sightings of transmitting ships put down to the right ship",
    "ece": "expected calibration error of the top answers, 10 equal-count bins",
    "calibration_gap": "mean p of top answers within 0.2 to 0.95, less the share of them that is right",
    "log_loss_skill": "1 - log loss / log loss of the base rate, top answers",
    "trip_precision": "flagged trips that overlap a true call of that ship",
    "trip_recall": "true calls that a flagged trip of that ship overlaps",
    "trip_precision_one_to_one": "the same when one call can vouch for one flag only",
    "trip_recall_one_to_one": "the same when one flag can find one call only",
    "trip_ap": "average precision over all candidate trips; calls without a candidate count as never found",
    "trip_ece": "expected calibration error of p_trip over the candidates",
    "trip_log_loss_skill": "1 - log loss / log loss of the base rate, p_trip over the candidates",
    "flags_per_60_days": "flagged trips in 60 days",
    "false_flags_per_60_days": "flagged trips in 60 days that no true call supports",
}


@dataclass(frozen=True)
class Truth:
    """What the judge reads of a simulated world."""

    scenario: str
    seed: int
    days: float
    dark_port: routes.Port
    sightings: pd.DataFrame
    trips: pd.DataFrame
    start_utc: pd.Timestamp


@dataclass(frozen=True)
class Outcomes:
    """What was answered and what was true, row by row: what all scores and curves are made of.

    `answers`: one row per true sighting with the top answer, its `p` (null: none given) and `is_right`. `candidates`: one row per
    candidate trip of a known ship with `p`, `is_flagged` and `is_supported`. `reached` is the share of true calls that any
    candidate overlaps; null where there is no true call.
    """

    answers: pd.DataFrame
    candidates: pd.DataFrame
    reached: float | None

    @property
    def asked(self) -> pd.DataFrame:
        """The answers of dark or unknown hulls at the dark port that were given one."""
        at_port = self.answers[self.answers["is_dark_or_unknown"] & self.answers["is_at_dark_port"]]
        return at_port[at_port["p"].notna()].sort_values(["p", "sighting_id"])


@dataclass(frozen=True)
class Scores:
    """Scores of a run and of the script by hand, by name; None where there is nothing to score."""

    scenario: str
    seed: int
    counts: dict[str, int]
    run: dict[str, Score]
    by_hand: dict[str, Score]
    calibration: list[dict[str, float | int]]
    """The run's answers within 0.2 to 0.95, in bins: mean p, share right, and its 95 % interval."""

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "counts": self.counts,
            "run": self.run,
            "by_hand": self.by_hand,
            "calibration": self.calibration,
        }

    def as_text(self) -> str:
        """A plain table for people."""
        counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items())
        lines = [f"scenario {self.scenario}, seed {self.seed}", counts, ""]
        lines.append(f"{'score':<32}{'run':>9}{'by hand':>9}  {'wanted':<8}meaning")
        for name, meaning in _MEANING.items():
            values = "".join(f"{_shown(side.get(name)):>9}" for side in (self.run, self.by_hand))
            lines.append(f"{name:<32}{values}  {WANTED.get(name, ''):<8}{meaning}")
        lines += ["", "top answers with p within 0.2 to 0.95:  mean p   right   95 % interval     n"]
        for row in self.calibration:
            lines.append(
                f"{'':<38}{row['mean_p']:>8.3f}{row['share_right']:>8.3f}"
                f"   {row['low']:.3f} to {row['high']:.3f}{row['n']:>6}"
            )
        return "\n".join(lines) + "\n"


def evaluate(scenario: Path, tables: Path | Mapping[str, pd.DataFrame]) -> Scores:
    """Score the tables of a run on a simulated world, beside the script by hand.

    Parameters
    ----------
    scenario
        a folder that `simulate` wrote.
    tables
        the output folder of a run on its files, or the tables by name.

    Raises
    ------
    UsageError
        when the folder is not a simulation, or a table is missing.
    """
    truth, found = read_truth(scenario), read_tables(tables)
    seen = truth.sightings
    run, by_hand = outcomes(truth, found), _by_hand(truth, found)
    run_scores = _attribution(run) | _trips(run, truth)
    hand_scores = _attribution(by_hand) | _trips(by_hand, truth)
    hand_scores["right_attribution_transmitting"] = None
    dark = run.answers[run.answers["is_dark_or_unknown"] & run.answers["p"].notna()].sort_values(["p", "sighting_id"])
    at_port = seen["is_dark_or_unknown"] & seen["is_at_dark_port"]
    return Scores(
        scenario=truth.scenario,
        seed=truth.seed,
        counts={
            "gaps": len(found["gaps"]),
            "sightings": len(seen),
            "dark_or_unknown_at_dark_port": int(at_port.sum()),
            "of_them_nobody_known": int((at_port & seen["is_nobody"]).sum()),
            "sightings_without_an_answer": int(run.answers["p"].isna().sum()),
            "true_trips": len(truth.trips),
            "candidate_trips": int(found["round_trips"]["p_trip"].notna().sum()),
            "flagged_trips": int(found["round_trips"]["is_flagged"].astype(bool).sum()),
            "flagged_by_hand": int(by_hand.candidates["is_flagged"].sum()),
        },
        run=run_scores,
        by_hand=hand_scores,
        calibration=scoring.calibration(dark["p"].to_numpy(dtype=float), dark["is_right"].to_numpy(dtype=bool)),
    )


def outcomes(truth: Truth, found: Mapping[str, pd.DataFrame]) -> Outcomes:
    """Compare `matches` and `round_trips` with the truth, row by row."""
    return _outcomes(truth, found["matches"], found["round_trips"], truth.sightings)


def _outcomes(truth: Truth, matches: pd.DataFrame, trips: pd.DataFrame, seen: pd.DataFrame) -> Outcomes:
    candidates = trips[trips["vessel_key"].notna() & trips["p_trip"].notna()].sort_values("trip_id", ignore_index=True)
    overlaps = _overlaps(candidates, truth.trips)
    judged = candidates.assign(
        p=candidates["p_trip"].astype("float64"),
        is_flagged=candidates["is_flagged"].astype(bool),
        is_supported=overlaps.any(axis=1).astype(bool),
    )
    reached = float(overlaps.any(axis=0).mean()) if len(truth.trips) else None
    return Outcomes(_top_answers(matches, seen), judged, reached)


def _by_hand(truth: Truth, found: Mapping[str, pd.DataFrame]) -> Outcomes:
    """What the script by hand makes of the same gaps and pictures."""
    seen = truth.sightings[truth.sightings["is_dark_or_unknown"]]
    shown = found["sightings"][found["sightings"]["sighting_id"].isin(set(seen["sighting_id"]))]
    matches, trips = judge_by_hand(found["gaps"], shown, found["vessels"], truth.dark_port)
    return _outcomes(truth, matches, trips, seen)


def write(out: Path, scenario: Path, tables: Path | Mapping[str, pd.DataFrame]) -> tuple[Scores, list[Path]]:
    """Score as `evaluate` does and write the judge's folder: page, figures, curves, and what each factor is worth.

    Raises
    ------
    UsageError
        when the folder holds something else, or a table is missing.
    """
    summary.check_folder(out)
    given = read_tables(tables, (*_TABLES, "evidence"))
    scores = evaluate(scenario, given)
    return scores, summary.write(out, scores, outcomes(read_truth(scenario), given), given)


def read_truth(scenario: Path) -> Truth:
    """The truth of a simulated world.

    Trips whose silence began before the data are left out: nobody heard the ship vanish, so nobody can be asked.
    """
    try:
        told = json.loads((scenario / "scenario.json").read_text(encoding="utf-8"))
        sightings = pd.read_parquet(scenario / "truth" / "sightings.parquet")
        trips = pd.read_parquet(scenario / "truth" / "trips.parquet")
        days, start = float(told["scenario"]["days"]), pd.Timestamp(told["scenario"]["start_utc"])
        dark_port = routes.Port(**told["dark_port"])
        name, seed = str(told["scenario"]["name"]), int(told["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{scenario}: not a folder written by `ghostships simulate`: {error}") from error
    sightings = sightings.assign(
        is_nobody=sightings["vessel_key"].isna(),
        is_dark_or_unknown=sightings["state"] != "transmitting",
        is_at_dark_port=sightings["port"] == dark_port.id,
    ).sort_values("sighting_id", ignore_index=True)
    trips = trips[(trips["off_utc"] >= start) & (trips["port"] == dark_port.id)].reset_index(drop=True)
    return Truth(name, seed, days, dark_port, sightings, trips, start)


def read_tables(tables: Path | Mapping[str, pd.DataFrame], names: tuple[str, ...] = _TABLES) -> dict[str, pd.DataFrame]:
    """The tables the judge needs, from a folder or from memory.

    Raises
    ------
    UsageError
        naming what is missing.
    """
    if not isinstance(tables, Path):
        missing = [name for name in names if name not in tables]
        if missing:
            raise UsageError(f"tables to score lack {', '.join(missing)}; needed: {', '.join(names)}")
        return {name: pd.DataFrame(tables[name]) for name in names}
    missing = [name for name in names if not (tables / f"{name}.parquet").is_file()]
    if missing:
        raise UsageError(
            f"{tables}: has no {', '.join(f'{name}.parquet' for name in missing)}; give the output folder of a run"
        )
    return {name: pd.read_parquet(tables / f"{name}.parquet") for name in names}


def _top_answers(matches: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """One row per true sighting: the answer given with the highest p, that p, and whether it is right.

    A ship with several silences (or heard and dark at once) is one answer: its rows add up. p is null and the answer wrong
    where a run has no rows for a sighting.
    """
    rows = matches.assign(ship=matches["vessel_key"].where(matches["hypothesis"] != "none").fillna(_NOBODY).astype(str))
    by_ship = (
        rows.groupby(["sighting_id", "ship"])["p_match"]
        .sum()
        .reset_index()
        .sort_values(["sighting_id", "p_match", "ship"], ascending=[True, False, True])
    )
    top = by_ship.drop_duplicates("sighting_id")
    out = seen.merge(top.rename(columns={"p_match": "p"}), on="sighting_id", how="left")
    true_ship = out["vessel_key"].fillna(_NOBODY).astype(str)
    right = (out["ship"] == true_ship) & out["p"].notna()
    return out.assign(is_right=right.astype(bool), p=out["p"].astype("float64").clip(0.0, 1.0))


def _attribution(found: Outcomes) -> dict[str, Score]:
    """Was each sighting put down to the right ship, and did p say how sure that was?"""
    answers = found.answers
    unknown = answers[answers["is_dark_or_unknown"]]
    at_port = unknown[unknown["is_at_dark_port"]]
    p, right = found.asked["p"].to_numpy(dtype="float64"), found.asked["is_right"].to_numpy(dtype=bool)
    return {
        "right_attribution": _share(at_port["is_right"]),
        "right_attribution_of_ships": _share(at_port.loc[~at_port["is_nobody"], "is_right"]),
        "right_attribution_of_none": _share(at_port.loc[at_port["is_nobody"], "is_right"]),
        "right_attribution_everywhere": _share(unknown["is_right"]),
        "right_attribution_transmitting": _share(answers.loc[~answers["is_dark_or_unknown"], "is_right"]),
        "ece": expected_calibration_error(p, right),
        "calibration_gap": scoring.calibration_gap(p, right),
        "log_loss_skill": log_loss_skill(p, right),
    }


def _trips(found: Outcomes, truth: Truth) -> dict[str, Score]:
    """Were the round trips found, and how many flags were there for nothing?

    Overlap is sharing time at the dark port: a candidate's silence with the stay of a true call of the same ship.
    """
    flagged = found.candidates["is_flagged"].to_numpy(dtype=bool)
    p = found.candidates["p"].to_numpy(dtype="float64")
    supported = found.candidates["is_supported"].to_numpy(dtype=bool)
    overlaps = _overlaps(found.candidates, truth.trips)
    n_true, n_flagged = len(truth.trips), int(flagged.sum())
    paired = _most_pairs(overlaps[flagged])
    scale = 60.0 / truth.days
    # Calls that no candidate overlaps can never be found, at any threshold.
    ap = None if found.reached is None else scoring.average_precision(p, supported, reached=found.reached)
    return {
        "trip_precision": _ratio(int((flagged & supported).sum()), n_flagged),
        "trip_recall": _ratio(int(overlaps[flagged].any(axis=0).sum()), n_true),
        "trip_precision_one_to_one": _ratio(paired, n_flagged),
        "trip_recall_one_to_one": _ratio(paired, n_true),
        "trip_ap": ap,
        "trip_ece": expected_calibration_error(p, supported),
        "trip_log_loss_skill": log_loss_skill(p, supported),
        "flags_per_60_days": round(n_flagged * scale, 3),
        "false_flags_per_60_days": round(int((flagged & ~supported).sum()) * scale, 3),
    }


def _overlaps(candidates: pd.DataFrame, calls: pd.DataFrame) -> Bools:
    """Whether each candidate trip is of the ship of each true call and shares time with it."""
    if not len(candidates) or not len(calls):
        return np.zeros((len(candidates), len(calls)), dtype=bool)
    start, end = _microseconds(candidates["dark_start_utc"], -1), _microseconds(candidates["dark_end_utc"], 1)
    arrival, departure = _microseconds(calls["arrival_utc"], -1), _microseconds(calls["departure_utc"], 1)
    same_ship = candidates["vessel_key"].astype(str).to_numpy()[:, None] == calls["vessel_key"].astype(str).to_numpy()
    same_port = candidates["dark_port"].astype(str).to_numpy()[:, None] == calls["port"].astype(str).to_numpy()
    out: Bools = same_ship & same_port & (start[:, None] < departure) & (end[:, None] > arrival)
    return out


def _microseconds(times: pd.Series, missing: int) -> npt.NDArray[np.int64]:
    """Times as integers; a missing bound is open: before or after everything."""
    known = times.notna().to_numpy()
    out = np.full(len(times), missing * np.iinfo(np.int64).max, dtype=np.int64)
    out[known] = pd.to_datetime(times[known], utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy()
    return out


def _most_pairs(overlaps: Bools) -> int:
    """The most flags and calls that can be paired off, each once."""
    if not overlaps.any():
        return 0
    pairs = maximum_bipartite_matching(csr_array(overlaps.astype(np.int8)), perm_type="column")
    return int((pairs >= 0).sum())


def _share(right: pd.Series) -> Score:
    return round(float(right.astype("float64").mean()), 6) if len(right) else None


def _ratio(part: int, whole: int) -> Score:
    return round(part / whole, 6) if whole else None


def _shown(value: Score) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
