"""How much ships differ in how prone they are to trips: few that call all the time, or many that call now and then?

Of each ship, in how many silences that pictures watched a call was seen. If ships share one level and differ as a Beta distribution
does, the counts of all ships tell how wide it is (empirical Bayes, beta-binomial). Where they tell nothing, the route's own
`habit_strength` stands.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

Floats = npt.NDArray[np.float64]

STRENGTHS: Floats = np.geomspace(0.25, 32.0, 15)
"""Tried widths, as the number of silences that the common level is worth: a quarter is all or nothing, 32 nearly no habit."""

PRIOR_FACTOR = 3.0
"""The route's own strength is trusted to about this factor (own judgement)."""


def strength(made: Floats, looked: Floats, level: float, *, prior: float) -> float:
    """How many silences the level of the trade is worth when one ship's habit is judged.

    Parameters
    ----------
    made, looked : per ship, calls at the dark port and silences in which one would have been seen; fractions are welcome
    level : share of silences with a call, over all ships
    prior : the route's own strength
    """
    known = looked > 0
    made, looked = np.minimum(made[known], looked[known])[:, None], looked[known][:, None]
    level = min(max(level, 1e-6), 1 - 1e-6)
    yes, no = STRENGTHS * level, STRENGTHS * (1 - level)
    told = (betaln(yes + made, no + looked - made) - betaln(yes, no)).sum(axis=0)
    log_p = told - 0.5 * (np.log(STRENGTHS / prior) / np.log(PRIOR_FACTOR)) ** 2
    p = np.exp(log_p - log_p.max())
    return float(np.exp((p * np.log(STRENGTHS)).sum() / p.sum()))
