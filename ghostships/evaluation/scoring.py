"""Scores of stated probabilities: do they mean what they say, and do they say anything?"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, log_loss

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Bin = dict[str, float | int]

SURE = 1e-6
"""Probabilities are published in steps of 1e-6; a logarithm of less would be of rounding."""

MIDDLE = (0.2, 0.95)
"""Answers that are neither sure nor hopeless: there a constant cannot look good."""


def expected_calibration_error(p: Floats, right: Bools, *, n_bins: int = 10) -> float | None:
    """Mean distance of stated and true share over bins of equal count, weighted by count; None for no answers."""
    if not len(p):
        return None
    return round(float(sum(len(b) * abs(p[b].mean() - right[b].mean()) for b in _bins(p, n_bins)) / len(p)), 6)


def log_loss_of(p: Floats, right: Bools) -> float | None:
    """Mean logarithmic loss [nats]; None for no answers."""
    return round(float(log_loss(right, p.clip(SURE, 1 - SURE), labels=[False, True])), 6) if len(p) else None


def log_loss_skill(p: Floats, right: Bools) -> float | None:
    """How much better than always saying the base rate; None where all answers are right or all wrong."""
    if not len(p) or right.all() or not right.any():
        return None
    base = np.full(len(p), right.mean())
    ours = log_loss(right, p.clip(SURE, 1 - SURE), labels=[False, True])
    return round(float(1 - ours / log_loss(right, base, labels=[False, True])), 6)


def average_precision(p: Floats, right: Bools, *, reached: float = 1.0) -> float:
    """Area under the steps of precision over recall; `reached` is the share of what is to be found that has a candidate at all."""
    return round(float(average_precision_score(right, p) * reached), 6) if right.any() else 0.0


def interval(n_right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (doi 10.1080/01621459.1927.10502953): honest for few and for extreme shares."""
    z = 1.959964
    share, spread = n_right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def reliability(p: Floats, right: Bools, *, n_bins: int) -> list[Bin]:
    """Stated and true share in bins of equal count, lowest p first, each with Wilson's interval: `mean_p`, `share_right`, `low`,
    `high`, `n`."""
    out: list[Bin] = []
    for rows in _bins(p, n_bins):
        low, high = interval(int(right[rows].sum()), len(rows))
        out.append(
            {
                "mean_p": round(float(p[rows].mean()), 6),
                "share_right": round(float(right[rows].mean()), 6),
                "low": round(low, 6),
                "high": round(high, 6),
                "n": len(rows),
            }
        )
    return out


def calibration(p: Floats, right: Bools, *, n_bins: int = 5) -> list[Bin]:
    """Reliability of the answers within `MIDDLE` alone."""
    middle = (p >= MIDDLE[0]) & (p <= MIDDLE[1])
    return reliability(p[middle], right[middle], n_bins=n_bins)


def calibration_gap(p: Floats, right: Bools) -> float | None:
    """Mean p of the answers within `MIDDLE` less the share of them that is right: above zero is too bold."""
    middle = (p >= MIDDLE[0]) & (p <= MIDDLE[1])
    return round(float(p[middle].mean() - right[middle].mean()), 6) if middle.any() else None


def precision_recall(p: Floats, right: Bools, *, reached: float = 1.0) -> list[dict[str, float]]:
    """Precision and recall at every threshold, the highest first: `threshold`, `precision`, `recall`.

    Candidates of equal p stand and fall together. Recall counts what has no candidate as never found (`reached`). The steps of
    this curve hold the area that `average_precision` gives.
    """
    if not right.any():
        return []
    order = np.argsort(-p, kind="stable")
    found, taken = np.cumsum(right[order]), np.arange(1, len(p) + 1)
    last = np.append(np.diff(p[order]) != 0, True)
    return [
        {
            "threshold": round(float(t), 6),
            "precision": round(float(k / n), 6),
            "recall": round(float(k / found[-1] * reached), 6),
        }
        for t, k, n in zip(p[order][last], found[last], taken[last], strict=True)
    ]


def _bins(p: Floats, n_bins: int) -> list[npt.NDArray[np.int64]]:
    """Rows in bins of equal count, lowest p first; never an empty one."""
    return [b for b in np.array_split(np.argsort(p, kind="stable"), n_bins) if len(b)]
