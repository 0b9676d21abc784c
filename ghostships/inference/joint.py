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

from ghostships.inference import factors
from ghostships.inference.histories import Silence, Verdict

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
    chance_share: float = 0.0
    """Share of pictured calls that silences would carry by chance alone: it teaches neither the level nor a habit."""


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


def solve(
    silents: list[Silent],
    calls: list[Known],
    fits: dict[tuple[int, int], tuple[float, float]],
    levels: Levels,
    *,
    watched_h: dict[str, float],
    start: Solution | None = None,
    is_learning: bool = True,
    rounds: int = ROUNDS,
) -> Solution:
    """Shares of every call among the silences that could have made it, and "none of these".

    Parameters
    ----------
    fits : (silence, call) -> (density of the call's length if it is this ship [per m], likelihood ratio of the name read)
    watched_h : per port, the hours in which an arriving hull would have been seen; 0 where no pictures are listed, and then
        unknown hulls are not learned, because published sightings are positive only
    start : begin with the levels of this solution; when learning, with its messages too (the same silences and calls then)
    is_learning : keep the levels as they were at the start when false
    """
    reach: list[list[int]] = [[c for c in s.silence.calls if (g, c) in fits] for g, s in enumerate(silents)]
    feasible = [g for g, s in enumerate(silents) if s.is_feasible]
    by_ship: dict[str, list[int]] = defaultdict(list)
    for g in feasible:
        by_ship[silents[g].ship].append(g)
    room = [dict.fromkeys(cs, 1.0) for cs in reach]
    solution = Solution(
        shares=[dict.fromkeys(cs, 0.0) for cs in reach],
        others=room,
        verdicts=[Verdict(0.0, 1.0, {}) for _ in silents],
        none=[1.0] * len(calls),
        p_trip=levels.p_trip,
        p_ship=[levels.p_trip] * len(silents),
        pictured=[0.0] * len(silents),
        unknown_rate=[levels.unknown_per_h * known.background for known in calls],
        n_feasible=len(feasible),
        n_rounds=0,
        is_converged=not any(reach),
        fits=fits,
    )
    # Start from "nobody knows any of them", so that the rate of unknown hulls is argued down by evidence and not up.
    for c, known in enumerate(calls):
        solution.unknown_rate[c] = unknown_rate(c, known, calls, solution.none, levels, watched_h.get(known.port, 0.0))
    if start is not None:
        solution.p_trip, solution.unknown_rate = start.p_trip, list(start.unknown_rate)
        solution.p_ship = [start.p_trip] * len(silents)
        if is_learning:
            for own, before in zip(room, start.others, strict=True):
                own.update({c: before[c] for c in own})
    for g, silent in enumerate(silents):
        if not reach[g]:
            solution.verdicts[g] = silent.silence.weigh(odds=1.0, likelihoods={})
    if not any(reach) and is_learning:
        _learn(solution, silents, calls, levels, feasible, by_ship, watched_h)
    if not any(reach):
        return solution
    weighed_with: dict[int, tuple[float, dict[int, float]]] = {}
    for _ in range(rounds):
        solution.n_rounds += 1
        pull: dict[int, dict[int, float]] = defaultdict(dict)
        moved = 0.0
        for g, silent in enumerate(silents):
            if not reach[g]:
                continue
            weights = {c: room[g][c] * likelihood(calls[c], fits[g, c], solution.unknown_rate[c]) for c in reach[g]}
            odds = solution.odds(g, silent)
            if not _is_same((odds, weights), weighed_with.get(g)):
                solution.verdicts[g] = silent.silence.weigh(odds=odds, likelihoods=weights)
                weighed_with[g] = (odds, weights)
            verdict = solution.verdicts[g]
            for c in reach[g]:
                share = min(max(verdict.by_call.get(c, 0.0), 0.0), 1 - 1e-12)
                pull[c][g] = share / ((1 - share) * room[g][c])
        for c, from_silences in pull.items():
            total = math.fsum(from_silences.values())
            for g, weight in from_silences.items():
                new = 1.0 / (1.0 + max(total - weight, 0.0))
                room[g][c] = math.exp((1 - DAMPING) * math.log(room[g][c]) + DAMPING * math.log(new))
                share = weight / (1.0 + total)
                moved = max(moved, abs(share - solution.shares[g][c]))
                solution.shares[g][c] = share
            solution.none[c] = 1.0 / (1.0 + total)
        if is_learning:
            moved = max(moved, _learn(solution, silents, calls, levels, feasible, by_ship, watched_h))
        if moved < TOLERANCE:
            solution.is_converged = True
            break
    return solution


def carried_by(silents: list[Silent], calls: list[Known], solution: Solution, none: list[float] | None = None) -> float:
    """Calls at the dark port that pictures carry in all silences; with `none`, each as far as it is unexplained."""
    total = 0.0
    for g, silent in enumerate(silents):
        if silent.is_feasible:
            shares = solution.shares[g].items()
            total += min(math.fsum(p * (none[c] if none else 1.0) for c, p in shares if calls[c].is_dark_port), 1.0)
    return total


def _is_same(new: tuple[float, dict[int, float]], old: tuple[float, dict[int, float]] | None) -> bool:
    """Whether odds and likelihoods are what they were, to within a hair."""
    if old is None:
        return False
    pairs = [(new[0], old[0]), *((w, old[1][c]) for c, w in new[1].items())]
    return all(abs(a - b) <= UNCHANGED * max(a, b) for a, b in pairs)


def _learn(
    solution: Solution,
    silents: list[Silent],
    calls: list[Known],
    levels: Levels,
    feasible: list[int],
    by_ship: dict[str, list[int]],
    watched_h: dict[str, float],
) -> float:
    """Update the three levels from the shares; returns how far the level of the trade moved, relative to itself."""
    for g in feasible:
        made = math.fsum(share for c, share in solution.shares[g].items() if calls[c].is_dark_port)
        solution.pictured[g] = min(made, 1.0)
    # A silence counts against the trade only as far as a call in it would have been seen.
    looked = [max(silents[g].watched, solution.pictured[g]) for g in feasible]
    earned = 1.0 - levels.chance_share
    total_made = earned * math.fsum(solution.pictured[g] for g in feasible)
    before = solution.p_trip
    solution.p_trip = (levels.p_trip_strength * levels.p_trip + total_made) / (
        levels.p_trip_strength + math.fsum(looked)
    )
    strength = levels.habit_strength
    for silences in by_ship.values():
        made = math.fsum(solution.pictured[g] for g in silences)
        seen = math.fsum(max(silents[g].watched, solution.pictured[g]) for g in silences)
        for g in silences:
            own = max(silents[g].watched, solution.pictured[g])
            solution.p_ship[g] = (strength * solution.p_trip + earned * (made - solution.pictured[g])) / (
                strength + seen - own
            )
    for c, known in enumerate(calls):
        solution.unknown_rate[c] = unknown_rate(c, known, calls, solution.none, levels, watched_h.get(known.port, 0.0))
    return abs(solution.p_trip - before) / max(solution.p_trip, 1e-9) * 0.01


def unknown_rate(
    c: int, known: Known, calls: list[Known], none: list[float], levels: Levels, watched_h: float
) -> float:
    """Arrivals per hour (and per metre) of unknown hulls that look like this call.

    A hull that comes back raises the rate at its own length: it is one ship with a habit, not fresh clutter each time.
    """
    prior = levels.unknown_per_h * levels.unknown_strength_h * known.background
    if watched_h <= 0:
        return levels.unknown_per_h * known.background
    seen = 0.0
    for other, mate in enumerate(calls):
        if other == c or mate.port != known.port or none[other] <= 0:
            continue
        if known.length_m != known.length_m:
            seen += none[other]
        elif mate.length_m != mate.length_m:
            seen += none[other] * known.background
        else:
            sigma = math.sqrt(known.sigma_m**2 + mate.sigma_m**2 + SAME_HULL_SD_M**2)
            seen += none[other] * factors.normal(known.length_m, mate.length_m, sigma)
    return (prior + seen) / (levels.unknown_strength_h + watched_h)


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
