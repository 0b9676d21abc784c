"""Sightings and silences as they are drawn together (`sampler`): looks, silences, ports, and what comes out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ghostships.inference import histories
from ghostships.inference.held import Held
from ghostships.inference.histories import Look, Stays

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MASS_STEP_H = 2.0


@dataclass(frozen=True)
class Sight:
    """One look at one hull. Times in hours since any fixed time.

    `key` tells it from all others, whatever its number; `picture` is the picture, in which a hull is seen once at most, and `look`
    the look that it belongs to: pictures of one pass, of which `gain`, the logarithm of the odds of detection, counts once (0
    where pictures are not listed). `alarm` is the weight of being no hull at all [per m]; `berth` the berth it was seen at, if
    told; `names` per ship the likelihood ratio of the name read, empty where none was.
    """

    port: int
    start_h: float
    end_h: float
    length_m: float
    sigma_m: float
    key: int
    picture: str
    look: str
    gain: float
    alarm: float
    berth: str
    names: dict[int, float]


@dataclass(frozen=True)
class Quiet:
    """A silence.

    `ship` numbers its ship; `bits` is the evidence that depends on no history; `trip` and `other` the weights without any visit;
    `watched` the chance that a call would have been seen; `held` what it could explain.
    """

    ship: int
    bits: float
    trip: float
    other: float
    watched: float
    is_feasible: bool
    held: Held


@dataclass(frozen=True)
class Port:
    """A port with its looks in order of time.

    `fresh_per_h` is the prior rate of unknown hulls, worth `strength_h`; `watched_h` the hours in which one would have been seen
    (0: the rate is not learned); `mass[i, j]` the hours of arrivals that fit a stay from its look i to its look j; `longest_h` the
    longest stay.
    """

    is_dark: bool
    looks: Ints
    fresh_per_h: float
    watched_h: float
    strength_h: float
    mass: Floats
    longest_h: float


@dataclass(frozen=True)
class Model:
    """Everything that does not change from draw to draw.

    `earned` is the share of pictured calls that teaches how common trips are and how prone a ship is to them; the rest is what
    chance alone would carry. `ship_length_m` is by number of the ship, NaN where not known; `shifts` gives, per berth and the next
    one that a hull is seen at, the logarithm of how much likelier that is of one stay than of any hull; `apart` the pairs of looks
    (both ways) that are never one stay.
    """

    sights: Sequence[Sight]
    silences: Sequence[Quiet]
    ports: Sequence[Port]
    ship_length_m: Floats
    middle_m: float
    spread_m: float
    p_trip: float
    p_trip_strength: float
    habit_strength: float
    earned: float
    shifts: dict[tuple[str, str], float]
    apart: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Answer:
    """Means over the states drawn.

    `by_look[s][g]` is the probability that look `s` shows the ship of silence `g`, `alarm[s]` that it shows no hull; `trip[g]` that
    silence `g` holds a call at the dark port, `pictured[g]` that pictures carry one; `p_ship[g]` and `p_trip` the levels; `visits`
    the state that agrees best with all others, as lists of looks; `spread` the largest difference between chains in any of
    `by_look`.
    """

    by_look: list[dict[int, float]]
    alarm: Floats
    trip: Floats
    pictured: Floats
    p_ship: Floats
    p_trip: float
    visits: list[list[int]]
    spread: float
    n_states: int
    states: list[list[list[int]]]
    """The visits of every state."""


def masses(starts_h: Sequence[float], ends_h: Sequence[float], pictures: Sequence[Look], stays: Stays) -> Floats:
    """Hours of arrivals that fit a stay from look i to look j: seen from the one to the other, missed by all other pictures.

    Zero where no stay lasts so long. The odds of detection in the looks themselves are for the caller to multiply.
    """
    n, longest, step = len(starts_h), stays.maximum_h, MASS_STEP_H
    out = np.zeros((n, n))
    if not n:
        return out
    grid = np.arange(min(starts_h) - longest, max(ends_h) + longest + step, step)
    before, upto = histories.missed(pictures, grid)
    by_length = stays.masses(step)
    for i in range(n):
        arrive = np.flatnonzero((grid <= starts_h[i]) & (grid >= starts_h[i] - longest))
        # One row of departures per look i: the weight of every departure from then on, then cumulated from the end.
        leave = np.flatnonzero((grid >= ends_h[i]) & (grid <= starts_h[i] + longest + step))
        length = leave[None, :] - arrive[:, None]
        fits = (length >= 0) & (length < len(by_length))
        weights = np.where(fits, by_length[np.clip(length, 0, len(by_length) - 1)], 0.0)
        weights = weights * np.exp(np.minimum(upto[leave][None, :] - before[arrive][:, None], 0.0))
        until_end = np.append(np.cumsum(weights.sum(axis=0)[::-1])[::-1], 0.0)
        for j in range(i, n):
            if ends_h[j] - starts_h[i] > longest:
                break
            out[i, j] = until_end[np.searchsorted(grid[leave], ends_h[j])] * step
    return out


@dataclass(frozen=True)
class Said:
    """What the looks of a visit say together, whoever it is."""

    mean_m: float
    sigma_m: float
    common: float
    usual: float
    names: dict[int, float]


def say(model: Model, looks: Sequence[int]) -> Said:
    """What the looks of a visit say together."""
    sights = model.sights
    weight = total = log_common = 0.0
    counted: set[str] = set()
    names: dict[int, float] = {}
    before = ""
    for s in looks:
        x = sights[s]
        if x.length_m == x.length_m:
            w = x.sigma_m**-2
            weight += w
            total += w * x.length_m
        if x.look not in counted:
            counted.add(x.look)
            log_common += x.gain
        for ship, ratio in x.names.items():
            names[ship] = names.get(ship, 1.0) * ratio
        if x.berth:
            log_common += model.shifts.get((before, x.berth), 0.0)
            before = x.berth
    if weight == 0:
        return Said(math.nan, 0.0, math.exp(log_common), 1.0, names)
    mean_m, sigma_m = total / weight, weight**-0.5
    # How well the lengths agree with each other: the part of their likelihood that holds for any hull.
    for s in looks:
        x = sights[s]
        if x.length_m == x.length_m:
            z = (x.length_m - mean_m) / x.sigma_m
            log_common -= 0.5 * z * z + math.log(x.sigma_m) + HALF_LOG_TWO_PI
    log_common += math.log(sigma_m) + HALF_LOG_TWO_PI
    usual_density = normal(mean_m - model.middle_m, math.hypot(model.spread_m, sigma_m))
    return Said(mean_m, sigma_m, math.exp(log_common), usual_density, names)


def merged(chains: Sequence[Answer]) -> Answer:
    """Means over chains of equal length."""
    n = len(chains)
    by_look: list[dict[int, float]] = []
    spread = 0.0
    for own in zip(*(chain.by_look for chain in chains), strict=True):
        keys = sorted(set().union(*own))
        by_look.append({g: math.fsum(p.get(g, 0.0) for p in own) / n for g in keys})
        for g in keys:
            values = [p.get(g, 0.0) for p in own]
            spread = max(spread, max(values) - min(values))
    states = [state for chain in chains for state in chain.states]
    return Answer(
        by_look=by_look,
        alarm=np.mean([chain.alarm for chain in chains], axis=0),
        trip=np.mean([chain.trip for chain in chains], axis=0),
        pictured=np.mean([chain.pictured for chain in chains], axis=0),
        p_ship=np.mean([chain.p_ship for chain in chains], axis=0),
        p_trip=math.fsum(chain.p_trip for chain in chains) / n,
        visits=consensus(states),
        spread=spread,
        n_states=sum(chain.n_states for chain in chains),
        states=states,
    )


def at_least(model: Model, answer: Answer) -> Answer:
    """A silence holds a call at the dark port at least as likely as any look there shows its ship: draws of both have errors."""
    trip, pictured = answer.trip.copy(), answer.pictured.copy()
    for s in [s for port in model.ports if port.is_dark for s in port.looks.tolist()]:
        for g, p in answer.by_look[s].items():
            trip[g], pictured[g] = max(trip[g], p), max(pictured[g], p)
    return replace(answer, trip=trip, pictured=pictured)


def consensus(states: Sequence[list[list[int]]]) -> list[list[int]]:
    """The state whose pairs of looks agree best with those of all states (Binder's loss); the first of equals."""
    together: Counter[tuple[int, int]] = Counter(
        pair for state in states for visit in state for pair in combinations(visit, 2)
    )
    half = len(states) / 2
    best, best_gain = states[0], -math.inf
    for state in states:
        gain = math.fsum(together[pair] - half for visit in state for pair in combinations(visit, 2))
        if gain > best_gain + 1e-9:
            best, best_gain = state, gain
    return [sorted(visit) for visit in best]


ROOT_TWO_PI = math.sqrt(2 * math.pi)
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def normal(x: float, sigma: float) -> float:
    """Density of a normal error."""
    return math.exp(-0.5 * (x / sigma) ** 2) / (sigma * ROOT_TWO_PI)
