"""Chains of draws (`sampler`): one to settle, some to answer, some to see what chance alone would carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from ghostships.inference.sampler import SEED, Sampler
from ghostships.inference.visits import Answer, Model, at_least, merged

CHANCE_SWEEPS = 4
"""Enough for a sum over all visits to a few per cent: an estimate of chance has an error of its own."""

DOUBT = 0.06
"""How often the draws are wrong about which sightings belong together, so that a sighting alone is the better witness. Fitted
on simulated worlds (design/calibration.md): without it one answer in seventy was called certain and was wrong."""

TRIP_SLOPE = 1.4
"""The logarithm of the odds of a trip is taken so many times. Fitted by logistic regression on simulated worlds and held against
others (design/calibration.md): as drawn, trips called likely were likelier still, and unlikely ones unlikelier. One half stays one
half, so no flag comes or goes by it."""

SUREST = 0.999
"""No answer of the draws is surer than this, whatever they say: of some 300 candidates above .98 none was wrong in simulation,
which carries a claim of .99; the rest is own judgement, for names that were read."""


P_IN_TRADE_AFTER_ALL = 0.15
"""How often what looks like a ship of another trade (its berth, its size) is worth weighing as one of this trade. Fitted in
simulation (design/calibration.md): one in twelve of them was a ship of this trade, and all were said to be none, for certain."""


@dataclass(frozen=True)
class Settled:
    """Where a first chain came to: visits, how far each is nobody's, how many calls at the dark port silences carry, the level."""

    visits: list[list[int]]
    none: list[float]
    made: float
    level: float


def of_another_trade(
    model: Model, start: Sequence[Sequence[int]], looks: Sequence[int], *, p_wrong: float = P_IN_TRADE_AFTER_ALL
) -> Model:
    """The model in which some looks are of another trade, and of this one only so often; alone, each is none of ours else."""
    state, sights = Sampler(model, start, SEED), list(model.sights)
    for s in looks:
        sights[s] = replace(sights[s], alarm=sights[s].alarm + state.worth(s) * (1 - p_wrong) / p_wrong)
    return replace(model, sights=sights)


def settle(model: Model, start: Sequence[Sequence[int]], *, n_sweeps: int) -> Settled:
    """A first chain of some sweeps."""
    chain = Sampler(model, start, SEED)
    made = chain.carried(n_before=n_sweeps, n_states=CHANCE_SWEEPS)
    return Settled(chain.partition(), [1 - p for p in chain.known()], made, chain.level)


def by_chance(model: Model, settled: Settled) -> float:
    """How many calls at the dark port silences carry in a model whose pictures were taken at other times, under the settled level.

    Visits that a silence explains at their own time count less: they are its own, though a ship that is silent most of the time
    would carry them at others too.
    """
    none = {tuple(sorted(visit)): p for visit, p in zip(settled.visits, settled.none, strict=True)}
    chain = Sampler(model, settled.visits, SEED, level=settled.level)
    return chain.carried(n_before=CHANCE_SWEEPS, n_states=CHANCE_SWEEPS, is_fixed=True, shares=none)


def draw(
    model: Model, start: Sequence[Sequence[int]], *, n_before: int, n_states: int, n_chains: int, seed: int = SEED
) -> Answer:
    """Means over the states of several chains, each after a number of sweeps that are forgotten.

    `start` lists the looks of each visit to begin with.
    """
    chains = [Sampler(model, start, seed + n + 1).run(n_before=n_before, n_states=n_states) for n in range(n_chains)]
    return at_least(model, merged(chains))


def doubted(model: Model, answer: Answer, *, doubt: float = DOUBT) -> Answer:
    """The answer, mixed with what each look says alone: the draws may be wrong about which looks are one stay.

    Of every look at least 1 - `SUREST` is left for a hull that nobody knows.
    """
    alone = Sampler(model, answer.visits, SEED, level=answer.p_trip).alone(answer.p_ship)
    by_look = [
        {g: (1 - doubt) * drawn.get(g, 0.0) + doubt * own.get(g, 0.0) for g in sorted(drawn.keys() | own.keys())}
        for drawn, own in zip(answer.by_look, alone, strict=True)
    ]
    shares = [SUREST / max(math.fsum(own.values()), SUREST) for own in by_look]
    by_look = [{g: p * share for g, p in own.items()} for own, share in zip(by_look, shares, strict=True)]
    return at_least(model, replace(answer, by_look=by_look))


def calibrated(model: Model, answer: Answer, *, slope: float = TRIP_SLOPE) -> Answer:
    """The answer with the odds of trips as bold as they turned out to deserve; never below what a look there says of the ship."""
    bold = expit(slope * logit(np.clip(answer.trip, 1e-9, 1 - 1e-9)))
    return at_least(model, replace(answer, trip=np.minimum(bold, SUREST), pictured=np.minimum(answer.pictured, SUREST)))
