"""When was the feed down, and where? A state that lasts for hours, told by how many ships are heard of those expected.

```
expected  9 9 8 9 9 9 9 8 9 9 9 9         whole feed, each hearing zone, each square of a degree or so: all are asked
heard     9 8 8 9 0 1 0 0 0 0 9 8         down here, from the 5th hour to the 10th
```

Single hours prove little: at sea most hours are quiet. Therefore a feed is up or down for hours on end, and the chance of each is
summed over all ways the hours may have gone (a hidden Markov model, forwards and backwards).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HOURS_UP, HOURS_DOWN = 2000.0, 10.0
"""A feed fails once in about three months and comes back after half a day (own judgement): a place is called down by mistake
only where dozens of bits of silence outweigh that."""
DOWN_HEARS, DOWN_SPREAD = 0.2, 0.25
"""Of a feed that is down a fifth of what is expected is heard, in some hours much more: satellites or stations of another provider
(own judgement)."""
CLOUDED = 3.0
"""Hours of a place are alike for about three on end (propagation, the same ships at the same berths), so the evidence of each
counts a third (own judgement, as in `heard`)."""
LEAST_EXPECTED = 4.0
"""Fewer ships than four expected to be heard in an hour, the silent one among them, say nothing about the feed in it: that two or
three boats of one quay are switched off together is no outage."""
SPREADS = (0.005, 0.5)
"""Bounds on how alike the ships of one hour are (correlation within an hour)."""


def chance_down(heard: Floats, tried: Floats, expected: Floats) -> Floats:
    """Chance that the feed was down, one row per place and one column per hour.

    Parameters
    ----------
    heard, tried, expected
        per place and hour: ships heard, ships that were there, and how many of those should have been heard were all on.
    """
    if not heard.size:
        return np.zeros_like(heard)
    share = np.divide(expected, tried, out=np.full(heard.shape, 0.5), where=tried > 0)
    counts = (expected >= LEAST_EXPECTED) & (tried > 0)
    down = np.zeros_like(heard)
    # How much the hours of a place differ is learned from hours that were not an outage, and those follow from it.
    for _ in range(2):
        # Some ships of a place are switched off on any day; that is how it usually is there, and no outage.
        up = counts & (down < 0.5)
        due = np.where(up, expected, 0.0).sum(axis=1)
        worth = np.divide(np.where(up, heard, 0.0).sum(axis=1), due, out=np.ones(len(heard)), where=due > 0)
        usual = (share * worth[:, None]).clip(1e-3, 1 - 1e-3)
        spread = _spread(heard, tried, usual, up)
        place = np.nonzero(counts)[0]
        some = heard[counts], tried[counts], usual[counts]
        if_down = _log_chance(some[0], some[1], some[2] * DOWN_HEARS, np.full(len(place), DOWN_SPREAD))
        weigh = np.zeros_like(heard)
        weigh[counts] = (if_down - _log_chance(*some, spread[place])) / CLOUDED
        down = _smoothed(weigh)
    return down


def _spread(heard: Floats, tried: Floats, usual: Floats, counts: Bools) -> Floats:
    """How alike the ships of one hour are, by place: by moments, from the hours that count."""
    by_chance = tried * usual * (1 - usual)
    excess = np.where(counts, (heard - tried * usual) ** 2 - by_chance, 0.0).sum(axis=1)
    possible = np.where(counts, by_chance * np.maximum(tried - 1, 0), 0.0).sum(axis=1)
    found = np.divide(excess, possible, out=np.full(len(heard), SPREADS[0]), where=possible > 0)
    return np.asarray(np.clip(found, *SPREADS), dtype=np.float64)


def _log_chance(heard: Floats, tried: Floats, share: Floats, spread: Floats) -> Floats:
    """Log-chance of `heard` of `tried` when their share varies from hour to hour (beta-binomial, less what both states share)."""
    worth = 1 / spread - 1
    got = np.minimum(heard, tried)
    after: Floats = betaln(share * worth + got, (1 - share) * worth + tried - got)
    return np.asarray(after - betaln(share * worth, (1 - share) * worth), dtype=np.float64)


def _smoothed(weigh: Floats) -> Floats:
    """Chance of the state "down" given all hours; `weigh` is log-chance if down less log-chance if up."""
    fails, returns = 1 / HOURS_UP, 1 / HOURS_DOWN
    n_places, n_hours = weigh.shape
    weigh = weigh.clip(-50, 50)
    # Odds of down, forwards: after the hour's own evidence; backwards: evidence of all later hours.
    odds = np.full(n_places, HOURS_DOWN / HOURS_UP)
    before, after = np.empty_like(weigh), np.empty_like(weigh)
    later = np.ones(n_places)
    for hour in range(n_hours):
        before[:, hour] = odds * np.exp(weigh[:, hour])
        p = before[:, hour] / (1 + before[:, hour])
        p = p * (1 - returns) + (1 - p) * fails
        odds = p / (1 - p)
    for hour in range(n_hours - 1, -1, -1):
        after[:, hour] = later
        seen = later * np.exp(weigh[:, hour])
        later = (seen * (1 - returns) + returns) / (seen * fails + 1 - fails)
    both = before * after
    return np.asarray(both / (1 + both))
