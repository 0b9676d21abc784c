"""The judge: the tables of a run against the truth of a simulated world, and the script by hand on the same tables.

The scores are those of the method's section 9. Two kinds of questions are asked: was each dark or unknown sighting put down to
the right ship (or rightly to none), and were the round trips found. The truth never says how anything was found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from sklearn.metrics import average_precision_score, log_loss

from ghostships import routes
from ghostships.errors import UsageError
from ghostships.naive import judge_by_hand

Score = float | int | None
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_TABLES = ("gaps", "sightings", "vessels", "matches", "round_trips")
_NOBODY = ""
"""Stands for "none of these" where a ship's key would stand."""

_SURE = 1e-6
"""Probabilities are published in steps of 1e-6; a logarithm of less would be of rounding."""

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
    truth = read_truth(scenario)
    found = _tables(tables)
    seen = truth.sightings
    unexplained = seen.loc[seen["is_dark_or_unknown"], "sighting_id"]
    by_hand_matches, by_hand_trips = judge_by_hand(
        found["gaps"],
        found["sightings"][found["sightings"]["sighting_id"].isin(set(unexplained))],
        found["vessels"],
        truth.dark_port,
    )
    answers = _top_answers(found["matches"], seen)
    by_hand = _top_answers(by_hand_matches, seen[seen["is_dark_or_unknown"]])
    run_scores = _attribution(answers) | _trips(found["round_trips"], truth)
    hand_scores = _attribution(by_hand) | _trips(by_hand_trips, truth)
    hand_scores["right_attribution_transmitting"] = None
    at_port = seen["is_dark_or_unknown"] & seen["is_at_dark_port"]
    return Scores(
        scenario=truth.scenario,
        seed=truth.seed,
        counts={
            "gaps": len(found["gaps"]),
            "sightings": len(seen),
            "dark_or_unknown_at_dark_port": int(at_port.sum()),
            "of_them_nobody_known": int((at_port & seen["is_nobody"]).sum()),
            "sightings_without_an_answer": int(answers["p"].isna().sum()),
            "true_trips": len(truth.trips),
            "candidate_trips": int(found["round_trips"]["p_trip"].notna().sum()),
            "flagged_trips": int(found["round_trips"]["is_flagged"].astype(bool).sum()),
            "flagged_by_hand": len(by_hand_trips),
        },
        run=run_scores,
        by_hand=hand_scores,
        calibration=_calibration(answers[answers["is_dark_or_unknown"]]),
    )


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


def _tables(tables: Path | Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables the judge needs, from a folder or from memory."""
    if not isinstance(tables, Path):
        missing = [name for name in _TABLES if name not in tables]
        if missing:
            raise UsageError(f"tables to score lack {', '.join(missing)}; needed: {', '.join(_TABLES)}")
        return {name: pd.DataFrame(tables[name]) for name in _TABLES}
    missing = [name for name in _TABLES if not (tables / f"{name}.parquet").is_file()]
    if missing:
        raise UsageError(
            f"{tables}: has no {', '.join(f'{name}.parquet' for name in missing)}; give the output folder of a run"
        )
    return {name: pd.read_parquet(tables / f"{name}.parquet") for name in _TABLES}


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


def _attribution(answers: pd.DataFrame) -> dict[str, Score]:
    """Was each sighting put down to the right ship, and did p say how sure that was?"""
    unknown = answers[answers["is_dark_or_unknown"]]
    at_port = unknown[unknown["is_at_dark_port"]]
    answered = at_port[at_port["p"].notna()].sort_values(["p", "sighting_id"])
    p, right = answered["p"].to_numpy(dtype="float64"), answered["is_right"].to_numpy(dtype=bool)
    middle = (p >= 0.2) & (p <= 0.95)
    return {
        "right_attribution": _share(at_port["is_right"]),
        "right_attribution_of_ships": _share(at_port.loc[~at_port["is_nobody"], "is_right"]),
        "right_attribution_of_none": _share(at_port.loc[at_port["is_nobody"], "is_right"]),
        "right_attribution_everywhere": _share(unknown["is_right"]),
        "right_attribution_transmitting": _share(answers.loc[~answers["is_dark_or_unknown"], "is_right"]),
        "ece": expected_calibration_error(p, right),
        "calibration_gap": round(float(p[middle].mean() - right[middle].mean()), 6) if middle.any() else None,
        "log_loss_skill": log_loss_skill(p, right),
    }


def expected_calibration_error(p: Floats, right: Bools, *, n_bins: int = 10) -> float | None:
    """Mean distance of stated and true share over bins of equal count, weighted by count; None for no answers."""
    if not len(p):
        return None
    order = np.argsort(p, kind="stable")
    bins = [b for b in np.array_split(order, n_bins) if len(b)]
    return round(float(sum(len(b) * abs(p[b].mean() - right[b].mean()) for b in bins) / len(p)), 6)


def log_loss_skill(p: Floats, right: Bools) -> float | None:
    """How much better than always saying the base rate; None where all answers are right or all wrong."""
    if not len(p) or right.all() or not right.any():
        return None
    base = np.full(len(p), right.mean())
    ours = log_loss(right, p.clip(_SURE, 1 - _SURE), labels=[False, True])
    return round(float(1 - ours / log_loss(right, base, labels=[False, True])), 6)


def interval(n_right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (doi 10.1080/01621459.1927.10502953): honest for few and for extreme shares."""
    z = 1.959964
    share, spread = n_right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _calibration(answers: pd.DataFrame, *, n_bins: int = 5) -> list[dict[str, float | int]]:
    """Stated and true share of the answers that are neither sure nor hopeless: there a constant cannot look good."""
    middle = answers[(answers["p"] >= 0.2) & (answers["p"] <= 0.95)].sort_values(["p", "sighting_id"])
    out: list[dict[str, float | int]] = []
    for rows in np.array_split(np.arange(len(middle)), n_bins):
        if not len(rows):
            continue
        part = middle.iloc[rows]
        low, high = interval(int(part["is_right"].sum()), len(part))
        out.append(
            {
                "mean_p": round(float(part["p"].mean()), 6),
                "share_right": round(float(part["is_right"].mean()), 6),
                "low": round(low, 6),
                "high": round(high, 6),
                "n": len(part),
            }
        )
    return out


def _trips(trips: pd.DataFrame, truth: Truth) -> dict[str, Score]:
    """Were the round trips found, and how many flags were there for nothing?

    Overlap is sharing time at the dark port: a candidate's silence with the stay of a true call of the same ship.
    """
    candidates = trips[trips["vessel_key"].notna() & trips["p_trip"].notna()].sort_values("trip_id", ignore_index=True)
    flagged = candidates["is_flagged"].to_numpy(dtype=bool)
    p = candidates["p_trip"].to_numpy(dtype="float64")
    overlaps = _overlaps(candidates, truth.trips)
    supported: Bools = np.asarray(overlaps.any(axis=1), dtype=bool)
    n_true, n_flagged = len(truth.trips), int(flagged.sum())
    paired = _most_pairs(overlaps[flagged])
    scale = 60.0 / truth.days
    ap: float | None = None
    if n_true:
        # Calls that no candidate overlaps can never be found, at any threshold.
        reached = overlaps.any(axis=0).sum() / n_true
        ap = round(float(average_precision_score(supported, p) * reached), 6) if supported.any() else 0.0
    return {
        "trip_precision": _ratio(int((flagged & supported).sum()), n_flagged),
        "trip_recall": _ratio(int(overlaps[flagged].any(axis=0).sum()), n_true),
        "trip_precision_one_to_one": _ratio(paired, n_flagged),
        "trip_recall_one_to_one": _ratio(paired, n_true),
        "trip_ap": ap,
        "trip_ece": expected_calibration_error(p, supported),
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
