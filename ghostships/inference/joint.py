"""All silences and all calls at once: who made which call, with "none of these" as an answer.

A call in pictures was made by one hull: by a ship in one of the silences, or by a hull that no silence explains. The silences and
the calls send each other messages until the shares stop moving (sum-product association, Williams & Lau 2014,
doi 10.1109/TAES.2014.120568, with a whole silence and its histories in the place of a single target). Three levels are learned
on the way, by empirical Bayes, and shrink to their priors where nothing is seen: how common trips are, how prone each ship is to
them (only from calls that pictures carry in its *other* silences), and how often unknown hulls of each length call.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ghostships.inference import factors
from ghostships.inference.histories import Array, Silence, Verdict
from ghostships.inference.together import Together, sums_of

ROUNDS = 80
TOLERANCE = 1e-4
UNCHANGED = 1e-4
"""A silence is weighed again only when its odds or one of its likelihoods moved by more than this share."""

DAMPING = 0.5
"""Messages move half-way (in logarithms) in each round; undamped, crowded months were seen to swing between two answers."""

SAME_HULL_SD_M = 4.0
"""How well the lengths measured of one unknown hull agree from call to call, beyond the error of each picture."""


@dataclass(frozen=True)
class Silent:
    """A silence of a ship. `bits` is the evidence for a trip that depends on no history; `watched` the chance that a call would
    have been seen; `is_feasible` whether the dark port was within reach."""

    ship: str
    silence: Silence
    bits: float
    watched: float
    is_feasible: bool


@dataclass(frozen=True)
class Known:
    """A port call in pictures. `unknown_mass` is from `histories.unknown_hull_mass`; `background` the density of its length."""

    port: str
    is_dark_port: bool
    unknown_mass: float
    length_m: float
    sigma_m: float
    background: float


@dataclass(frozen=True)
class Levels:
    """Prior levels and what they are worth."""

    p_trip: float
    p_trip_strength: float
    habit_strength: float
    unknown_per_h: float
    unknown_strength_h: float


@dataclass
class Solution:
    """Shares and levels after the last round.

    `shares[g][c]` is the probability that silence `g` explains call `c`; `others[g][c]` the room that the other silences leave
    it; `unknown_rate[c]` arrivals per hour (and per metre where its length is known) of hulls that look like call `c`.
    """

    shares: list[dict[int, float]]
    others: list[dict[int, float]]
    verdicts: list[Verdict]
    none: list[float]
    p_trip: float
    p_ship: list[float]
    pictured: list[float]
    unknown_rate: list[float]
    n_feasible: int
    n_rounds: int
    is_converged: bool
    fits: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    drawn: dict[int, float] = field(default_factory=dict)
    """Where the answer was drawn (`sampler`), the probability of a trip of each silence."""

    def p(self, g: int, silent: Silent) -> float:
        """Probability that a silence holds a call at the dark port."""
        if g in self.drawn:
            return self.drawn[g]
        odds, verdict = self.odds(g, silent), self.verdicts[g]
        return odds * verdict.trip / (verdict.other + odds * verdict.trip)

    def odds(self, g: int, silent: Silent) -> float:
        """Prior odds of a trip with every factor that depends on no history."""
        return float(2.0 ** (factors.bits_of(self.p_ship[g]) + silent.bits))


def likelihood(
    known: Known, fit: tuple[float, float], rate: float, *, with_length: bool = True, with_name: bool = True
) -> float:
    """How much better a ship explains a call than an unknown hull does. `fit` is (length density, name ratio)."""
    length, name = fit
    # With a name read, length adds nothing more: the name usually rests on hull and length.
    named = name != 1
    shape = length if with_length and not named else known.background
    return shape * (name if with_name else 1.0) / (known.unknown_mass * rate) if known.unknown_mass > 0 else 0.0


class _Pairs:
    """Every silence with every call it could hold, numbered silence by silence, and what does not change from round to round."""

    def __init__(
        self, silents: list[Silent], calls: list[Known], fits: dict[tuple[int, int], tuple[float, float]]
    ) -> None:
        self.reach = [[c for c in s.silence.calls if (g, c) in fits] for g, s in enumerate(silents)]
        self.active = np.array([g for g, own in enumerate(self.reach) if own], dtype=np.int64)
        of = [(g, c) for g, own in enumerate(self.reach) for c in own]
        self.silence, self.call = np.array(of, dtype=np.int64).reshape(-1, 2).T
        self.quality = np.array([likelihood(calls[c], fits[g, c], 1.0) for g, c in of])
        self.is_dark = np.array([calls[c].is_dark_port for _, c in of], dtype=bool)
        self.n_silences, self.n_calls = len(silents), len(calls)

    def per_silence(self, values: Array) -> Array:
        """Sums over the calls of each silence."""
        return sums_of(values, self.silence, self.n_silences)

    def per_call(self, values: Array) -> Array:
        """Sums over the silences of each call."""
        return sums_of(values, self.call, self.n_calls)

    def as_dicts(self, values: Array) -> list[dict[int, float]]:
        """By silence and call, as a `Solution` has it."""
        by_pair = iter(values.tolist())
        return [{c: next(by_pair) for c in own} for own in self.reach]


def solve(
    silents: list[Silent],
    calls: list[Known],
    fits: dict[tuple[int, int], tuple[float, float]],
    levels: Levels,
    *,
    watched_h: dict[str, float],
) -> Solution:
    """Shares of every call among the silences that could have made it, and "none of these".

    Parameters
    ----------
    fits : (silence, call) -> (density of the call's length if it is this ship [per m], likelihood ratio of the name read)
    watched_h : per port, the hours in which an arriving hull would have been seen; 0 where no pictures are listed, and then
        unknown hulls are not learned, because published sightings are positive only
    """
    pairs, learner = _Pairs(silents, calls, fits), _Learner(silents, calls, levels, watched_h)
    # Start from "nobody knows any of them", so that the rate of unknown hulls is argued down by evidence and not up.
    none, share, room = np.ones(len(calls)), np.zeros(len(pairs.call)), np.ones(len(pairs.call))
    state = learner.at_prior(none)
    # Silences that meet no call say the same in every round.
    by_silence = np.zeros(len(silents), dtype=bool)
    by_silence[pairs.active] = True
    alone = np.flatnonzero(~by_silence)
    trip, other = np.zeros(len(silents)), np.ones(len(silents))
    sums = Together([silents[g].silence for g in alone], [[] for _ in alone]).weigh(np.ones(len(alone)), np.zeros(0))
    trip[alone], other[alone] = sums.trip, sums.other
    n_rounds, is_converged = 0, not len(pairs.active)
    if is_converged:
        state = learner.learn(pairs, share, none, state)
    bits = np.array([s.bits for s in silents])
    together = Together([silents[g].silence for g in pairs.active], [pairs.reach[g] for g in pairs.active])
    by_call = np.zeros(len(pairs.call))
    old_odds, old_weights = np.full(len(silents), np.nan), np.full(len(pairs.call), np.nan)
    while n_rounds < ROUNDS and not is_converged:
        n_rounds += 1
        weights = room * pairs.quality / state.unknown_rate[pairs.call]
        odds = 2.0 ** (_bits_of(state.p_ship) + bits)
        sums = together.weigh(odds[pairs.active], weights)
        # A silence is weighed again only where something moved: otherwise rounding would keep the rounds going.
        moved = _has_moved(odds, old_odds) | (
            pairs.per_silence(_has_moved(weights, old_weights).astype(np.float64)) > 0
        )
        again = moved[pairs.silence]
        by_call[again], old_weights[again] = sums.share[again], weights[again]
        old_odds[moved] = odds[moved]
        now = moved[pairs.active]
        trip[pairs.active[now]], other[pairs.active[now]] = sums.trip[now], sums.other[now]
        made = np.clip(by_call, 0.0, 1 - 1e-12)
        pull = made / ((1 - made) * room)
        total = pairs.per_call(pull)
        left = 1.0 / (1.0 + np.maximum(total[pairs.call] - pull, 0.0))
        room = np.exp((1 - DAMPING) * np.log(room) + DAMPING * np.log(left))
        before, share = share, pull / (1.0 + total[pairs.call])
        none = 1.0 / (1.0 + total)
        change = float(np.abs(share - before).max())
        p_before = state.p_trip
        state = learner.learn(pairs, share, none, state)
        change = max(change, abs(state.p_trip - p_before) / max(state.p_trip, 1e-9) * 0.01)
        is_converged = change < TOLERANCE
    return Solution(
        shares=pairs.as_dicts(share),
        others=pairs.as_dicts(room),
        verdicts=[Verdict(*v) for v in zip(trip.tolist(), other.tolist(), pairs.as_dicts(by_call), strict=True)],
        none=none.tolist(),
        p_trip=state.p_trip,
        p_ship=state.p_ship.tolist(),
        pictured=learner.pictured(pairs, share).tolist(),
        unknown_rate=state.unknown_rate.tolist(),
        n_feasible=int(learner.feasible.sum()),
        n_rounds=n_rounds,
        is_converged=is_converged,
        fits=fits,
    )


def _has_moved(new: Array, old: Array) -> npt.NDArray[np.bool_]:
    """Whether odds or likelihoods are not what they were, to within a hair."""
    return ~(np.abs(new - old) <= UNCHANGED * np.maximum(new, old))


def _bits_of(p: Array) -> Array:
    """`factors.bits_of` of an array."""
    with np.errstate(divide="ignore"):
        bits: Array = np.clip(np.log2(p) - np.log2(1 - p), -factors.CLIP_BITS, factors.CLIP_BITS)
    return bits


@dataclass(frozen=True)
class _Levels:
    """The three levels after a round: of the trade, of the ship of each silence, and arrivals of hulls like each call."""

    p_trip: float
    p_ship: Array
    unknown_rate: Array


class _Learner:
    """Learns the three levels from the shares of a round."""

    def __init__(self, silents: list[Silent], calls: list[Known], levels: Levels, watched_h: dict[str, float]) -> None:
        self._levels = levels
        self.feasible = np.array([s.is_feasible for s in silents], dtype=bool)
        self._watched = np.array([s.watched for s in silents])
        self._ship = np.unique([s.ship for s in silents], return_inverse=True)[1] if silents else np.zeros(0, dtype=int)
        self._unknown = UnknownHulls(calls, levels, watched_h)

    def at_prior(self, none: Array) -> _Levels:
        """Before the first round."""
        p_trip = self._levels.p_trip
        return _Levels(p_trip, np.full(len(self.feasible), p_trip), self._unknown.rates(none))

    def pictured(self, pairs: _Pairs, share: Array) -> Array:
        """Calls at the dark port that pictures carry, per silence."""
        return np.where(self.feasible, np.minimum(pairs.per_silence(share * pairs.is_dark), 1.0), 0.0)

    def learn(self, pairs: _Pairs, share: Array, none: Array, before: _Levels) -> _Levels:
        """The levels that follow from the shares."""
        levels, feasible = self._levels, self.feasible
        made = self.pictured(pairs, share)
        # A silence counts against the trade only as far as a call in it would have been seen.
        looked = np.where(feasible, np.maximum(self._watched, made), 0.0)
        strength = levels.p_trip_strength
        p_trip = float((strength * levels.p_trip + made.sum()) / (strength + looked.sum()))
        # Of a ship, only its other silences count.
        ship_made = np.bincount(self._ship, made)[self._ship] - made
        ship_looked = np.bincount(self._ship, looked)[self._ship] - looked
        strength = levels.habit_strength
        p_ship = (strength * p_trip + ship_made) / (strength + ship_looked)
        return _Levels(p_trip, np.where(feasible, p_ship, before.p_ship), self._unknown.rates(none))


class UnknownHulls:
    """Arrivals of unknown hulls that look like each call. With no length known they look like every call at their port.

    A hull that comes back raises the rate at its own length: it is one ship with a habit, not fresh clutter each time.
    """

    def __init__(self, calls: list[Known], levels: Levels, watched_h: dict[str, float]) -> None:
        self._levels = levels
        self._background = np.array([known.background for known in calls])
        self._watched = np.array([watched_h.get(known.port, 0.0) for known in calls])
        at_port: dict[str, list[int]] = defaultdict(list)
        for c, known in enumerate(calls):
            at_port[known.port].append(c)
        self._alike = [(np.array(own), _alike([calls[c] for c in own])) for own in at_port.values()]

    def rates(self, none: Array) -> Array:
        """Per call, arrivals per hour (and per metre where its length is known); `none` is how far each is nobody's."""
        seen = np.zeros(len(none))
        for own, alike in self._alike:
            seen[own] = alike @ none[own]
        prior = self._levels.unknown_per_h * self._background
        strength = self._levels.unknown_strength_h
        return np.where(self._watched > 0, (prior * strength + seen) / (strength + self._watched), prior)


def _alike(calls: list[Known]) -> Array:
    """How well the length of each call (row) is that of each other one (column) [per m]; 1 where it is not known."""
    length, sigma = np.array([known.length_m for known in calls]), np.array([known.sigma_m for known in calls])
    spread = np.sqrt(sigma[:, None] ** 2 + sigma[None, :] ** 2 + SAME_HULL_SD_M**2)
    away = (length[:, None] - length[None, :]) / spread
    density = np.exp(-0.5 * away**2) / (spread * math.sqrt(2 * math.pi))
    background = np.array([known.background for known in calls])
    density = np.where(np.isnan(length)[None, :], background[:, None], density)
    density = np.where(np.isnan(length)[:, None], 1.0, density)
    np.fill_diagonal(density, 0.0)
    return density


@dataclass(frozen=True)
class Weighed:
    """The joint solution with what it was made from. `silents[i]` belongs to gap `gap_ids[i]`, `known[j]` to `call_ids[j]`."""

    gap_ids: list[str]
    call_ids: list[str]
    silents: list[Silent]
    known: list[Known]
    solution: Solution
    fixed: list[list[factors.Factor]]
    sentences: dict[tuple[int, int], tuple[str, str]]
    unknown_per_h: list[float]
    warnings: list[str]
