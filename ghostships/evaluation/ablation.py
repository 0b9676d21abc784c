"""What each factor of the evidence is worth: the same answers without it, scored again.

The evidence of a row adds up to its log-odds, so a factor is taken out by taking its bits out. What was learned with the factor in
place (levels, habits, the shares of rival ships) stays as it was: this is the worth of a factor at the end, a lower bound of what
it is worth in all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ghostships.evaluation import scoring
from ghostships.inference import factors

EVERYTHING = "(nothing left out)"
_NOBODY = ""


def of_trips(candidates: pd.DataFrame, evidence: pd.DataFrame, *, reached: float) -> list[dict[str, Any]]:
    """Scores of `p_trip` with all factors, then without each: one row per factor, those that help the ranking most first.

    Parameters
    ----------
    candidates
        `trip_id`, `p`, `is_supported`: what each candidate said and whether a true call supports it.
    evidence
        the table of the run; its rows for these candidates.
    reached
        share of the true calls that have a candidate.
    """
    subjects = candidates["trip_id"].astype(str).to_numpy()
    bits = _bits(evidence, subjects)
    right = candidates["is_supported"].to_numpy(dtype=bool)
    whole = bits.sum(axis=1).to_numpy() if bits.shape[1] else np.zeros(len(candidates))

    def row(name: str, log_odds: scoring.Floats, n: int) -> dict[str, Any]:
        p = np.array([factors.probability(float(b)) for b in log_odds])
        return {
            "factor": name,
            "n_rows": n,
            "ap": scoring.average_precision(p, right, reached=reached) if len(p) else None,
            "log_loss": scoring.log_loss_of(p, right),
            "ece": scoring.expected_calibration_error(p, right),
        }

    rows = [row(EVERYTHING, whole, len(candidates))]
    rows += [row(name, whole - bits[name].to_numpy(), int((bits[name] != 0).sum())) for name in bits.columns]
    return _ordered(rows, "ap")


def of_sightings(answers: pd.DataFrame, matches: pd.DataFrame, evidence: pd.DataFrame) -> list[dict[str, Any]]:
    """Scores of the top answers with all factors, then without each; the rivals of a sighting share the room anew.

    Parameters
    ----------
    answers
        `sighting_id`, `vessel_key` (null: nobody known): the truth about the sightings to score.
    matches, evidence
        the tables of the run.
    """
    rows = matches[matches["sighting_id"].isin(set(answers["sighting_id"]))].sort_values("match_id")
    truth = answers.set_index("sighting_id")["vessel_key"].fillna(_NOBODY).astype(str)
    ids = np.array(sorted(set(rows["sighting_id"])), dtype=object)
    none = rows[rows["hypothesis"] == "none"].set_index("sighting_id")["p_match"].reindex(ids).to_numpy(dtype=float)
    named = rows[rows["hypothesis"] != "none"].reset_index(drop=True)
    place = np.searchsorted(ids.astype(str), named["sighting_id"].astype(str).to_numpy())
    bits = _bits(evidence, named["match_id"].astype(str).to_numpy())
    odds = named["p_match"].to_numpy(dtype=float) / np.maximum(none[place], scoring.SURE)
    true_ship = truth.reindex(ids).to_numpy()

    def row(name: str, weight: scoring.Floats, n: int) -> dict[str, Any]:
        total = 1.0 + np.bincount(place, weight, minlength=len(ids))
        ships = pd.DataFrame({"n": place, "ship": named["vessel_key"].astype(str), "p": weight / total[place]})
        nobody = pd.DataFrame({"n": np.arange(len(ids)), "ship": _NOBODY, "p": 1.0 / total})
        by_ship = pd.DataFrame(ships.groupby(["n", "ship"])["p"].sum()).reset_index()
        every: pd.DataFrame = pd.concat([by_ship, nobody], ignore_index=True)
        top = every.sort_values(["n", "p", "ship"], ascending=[True, False, True]).drop_duplicates("n")
        right = (top["ship"].to_numpy() == true_ship).astype(bool)
        p = top["p"].to_numpy(dtype=float).clip(0, 1)
        return {
            "factor": name,
            "n_rows": n,
            "right_attribution": round(float(right.mean()), 6) if len(right) else None,
            "log_loss": scoring.log_loss_of(p, right),
            "ece": scoring.expected_calibration_error(p, right),
        }

    out = [row(EVERYTHING, odds, len(named))]
    out += [
        row(name, odds * 2.0 ** -bits[name].to_numpy(), int((bits[name] != 0).sum()))
        for name in bits.columns
        # What the joint solution adds is made anew by sharing the room.
        if name not in ("competition", "transmitting_ships")
    ]
    return _ordered(out, "right_attribution")


def _bits(evidence: pd.DataFrame, subjects: Any) -> pd.DataFrame:
    """Bits by subject (in the order given) and factor (in order of name); 0 where a subject has no such factor."""
    own = evidence[evidence["subject_id"].isin(set(subjects))]
    wide = own.pivot_table(index="subject_id", columns="factor", values="bits", aggfunc="sum", fill_value=0.0)
    return wide.reindex(index=list(subjects), fill_value=0.0).sort_index(axis=1)


def _ordered(rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
    """The whole first; then the factor whose loss costs most."""
    first, rest = rows[0], rows[1:]
    return [first, *sorted(rest, key=lambda r: (r[score] if r[score] is not None else 0.0, r["factor"]))]
