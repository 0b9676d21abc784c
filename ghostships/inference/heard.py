"""How often ships are heard: rates of places and kinds of ships, the level of each hour, and how ships and silences differ.

One *opportunity* is one ship and one hour in which it was there and on. The chance to hear it is

    1 - exp(-a * level * rate)      rate   of the cell, class and state (moored or under way), per hour
                                    level  of the hour: satellite passes, time of day, a feed that limps; 1 on average
                                    a      of the ship: how well it is heard beside others, never known exactly

so that the chance of a long silence is the exponential of a sum. Silences have a heavier tail than that (a berth behind a hill, a
wet antenna): the sum is multiplied by a gamma-distributed factor of mean 1 whose shape `tail` is learned from short silences.

Silences of ships that may have been switched off count by the chance that they were on. After every heard hour a ship may be
missed for so long by chance, or be switched off; how often and for how long ships are switched off is learned too. That chance
depends on the rates and the rates on it: both are iterated, as in expectation-maximisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ghostships.inference.opportunities import KINDS, Tries

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_OPPORTUNITIES = 20.0
"""A cell with fewer, its neighbours' share included, is unknown, and unknown is not heard: it adds nothing to E."""
MOST_HEARD = 0.995
"""A rate is at most this an hour, however many opportunities were taken: a silent hour must stay possible."""
ZONES_FROM = (0.35, 0.75)
"""Cells are poorly, fairly or well heard below and from these rates. Each zone has a level of its own hour by hour: a satellite
pass lifts the open sea and not the harbours, a coast network that fails takes the harbours and not the open sea (own judgement)."""
AREA_STRENGTH = 10.0
"""Opportunities that the level of the whole area is worth in a neighbourhood (own judgement; any real traffic outweighs it)."""
KIND_STRENGTH = 50.0
"""Expected hours that "kinds do not differ" is worth."""
CLOCK_STRENGTH, LEVEL_STRENGTH = 30.0, 2.0
"""Expected hours that "all hours of the day are alike" is worth, and opportunities that the usual level at that time of day is
worth in one single hour: with few ships about, one unheard ship is not a dead feed."""
LEVELS = (0.0, 4.0)
AUDIBILITIES = np.geomspace(0.05, 2.0, 16)
"""How well a ship may be heard beside others, as a factor on the rate. The prior over these is learned from all ships."""
CLOUDED = 3.0
"""Hours of a ship are alike for about three on end (weather, the same berth, the same pass), so they count as a third of as many
independent ones when its audibility is judged (own judgement)."""
TAILS = 2.0 ** np.arange(-1.0, 4.25, 0.25)
USUAL_TAIL = 2.0
"""Where silences between heard hours are too few to learn from: sd 0.7 (own judgement)."""
LEAST_STEPS = 200
LONGEST_STEP_H = 6
"""Silences longer than any of the usual thresholds are never taken for certainly-on, whatever the policy."""
FIRST_P_OFF = 0.05
"""Before anything is learned, the share of long silences taken for chosen. Far below a route's prior on purpose: with that one, a
coast where everybody is heard every nine hours comes out as one where everybody switches off (`tests/steps/test_reception.py`)."""
ROUNDS = 6
"""On simulated traffic the mean heard-rate still moves by 0.017, 0.012 and 0.008 in rounds 4, 6 and 10. Each round believes a
little less in long silences and so more in the reception: with ten, `p_off` ranks better (0.98 for 0.97), but its low values are
no longer a lower bound. Stopping early errs towards "was not heard", the side of the ship."""


@dataclass(frozen=True)
class Heard:
    """What was learned."""

    rate: Floats
    """Per cell and kind: rate [1/h]; 0 where unknown."""
    zone: Ints
    """Per cell: 0 poorly, 1 fairly, 2 well heard."""
    clock: Floats
    """Per zone and hour of the UTC day: usual level."""
    level: Floats
    """Per zone and hour of the run: level."""
    audible: Floats
    """Per ship: weights of `AUDIBILITIES`; the last row is that of a ship of which nothing is known."""
    tail: float
    p_on: Floats
    """Per silence: chance that the ship was on."""
    lengths_h: Ints
    chosen: Floats
    """Chance, after any heard hour, to be switched off for at least so long, by rising length."""

    def silent_if_on(self, summed: Floats, ship: Ints) -> Floats:
        """Chance that a ship with its transponder on is not heard at all where rates and levels sum to `summed`.

        How well the ship is heard, and this one silence beside others, are integrated over, not plugged in.
        """
        return unheard(summed, self.audible[ship], self.tail)

    def on(self, summed: Floats, ship: Ints, length_h: Ints) -> Floats:
        """Chance that ships silent for so long are on, were rates and levels to sum to `summed` on the course they took."""
        by_chance = self.silent_if_on(summed, ship)
        at = np.searchsorted(self.lengths_h, length_h)
        chosen = np.append(self.chosen, self.chosen[-1:])[at] if len(self.chosen) else np.zeros(len(at))
        return np.asarray(by_chance / np.maximum(by_chance + chosen, 1e-300))


def unheard(summed: Floats, weights: Floats, tail: float) -> Floats:
    """Mean of `(1 + a * summed / tail) ** -tail` over the audibilities `a`, weighted row by row."""
    each = (1 + summed[:, None] * AUDIBILITIES / tail) ** -tail
    return np.asarray((each * weights).sum(axis=1), dtype=np.float64)


def learn(tries: Tries, share: sparse.csr_matrix, *, min_gap_h: float, deaf: Bools) -> Heard:
    """Learn rates, levels, audibilities and the tail together.

    Parameters
    ----------
    share
        how much each cell learns from each other one, itself excluded.
    deaf
        per hour of the run: a source left it out, at least in part, so nothing in it counts.
    """
    n_slots = tries.n_cells * KINDS
    rate = np.zeros(n_slots)
    zone = np.zeros(tries.n_cells, dtype=np.int64)
    level, clock = np.ones((3, tries.n_hours)), np.ones((3, 24))
    weights = np.full((tries.n_ships + 1, len(AUDIBILITIES)), 0.0)
    weights[:, np.abs(AUDIBILITIES - 1).argmin()] = 1.0
    p_on = np.full(tries.n_silences, 1 - FIRST_P_OFF)
    kinds, tail = np.ones(KINDS), USUAL_TAIL
    listened, summed = ~deaf, np.zeros(tries.n_silences)
    for turn in range(ROUNDS):
        if turn:
            p_on = _p_on(tries, summed, weights, tail, p_on)
        slot, at = (
            np.concatenate([tries.hour_slot, tries.silent_slot]),
            np.concatenate([tries.hour_at, tries.silent_at]),
        )
        n = np.concatenate([tries.hour_tries, p_on[tries.silence]]) * listened[at]
        heard = np.concatenate([tries.hour_heard, p_on[tries.silence] * tries.silent_heard]) * listened[at]
        rate, kinds = _rates(slot, at, n, heard, rate, kinds, level, zone, share, tries.n_cells)
        zone = np.digitize(_chance(rate.reshape(-1, KINDS).max(axis=1)), ZONES_FROM).astype(np.int64)
        clock, level = _levels(slot, at, n, heard, rate, zone, tries.n_hours, tries.first_hour)
        weights = _audible(tries, rate, level, zone, p_on, listened)
        summed = _summed(tries, rate, level, zone, listened)
        tail = _tail(tries, rate, weights, min_gap_h)
    return Heard(
        rate.reshape(-1, KINDS),
        zone,
        clock,
        level * listened,
        weights,
        tail,
        p_on,
        *_chosen(tries, p_on),
    )


def _chance(rate: Floats) -> Floats:
    return -np.expm1(-rate)


def _rate(chance: Floats) -> Floats:
    return -np.log1p(-np.minimum(chance, MOST_HEARD))


def _sums(index: Ints, values: Floats, n: int) -> Floats:
    return np.bincount(index, values, n).astype(np.float64)


def _summed(tries: Tries, rate: Floats, level: Floats, zone: Ints, listened: Bools) -> Floats:
    """Rates times levels of each silence's missed hours, along the straight line."""
    missed = ~tries.silent_heard & listened[tries.silent_at]
    slot, at = tries.silent_slot[missed], tries.silent_at[missed]
    return _sums(tries.silence[missed], rate[slot] * level[zone[slot // KINDS], at], tries.n_silences)


def _p_on(tries: Tries, summed: Floats, weights: Floats, tail: float, p_on: Floats) -> Floats:
    """Chance that each silent ship was on, had it gone straight from where it vanished to where it came back.

    After every heard hour a ship may be missed for so long by chance, or be switched off and stay off at least that long. How
    often ships are switched off, and for how long, is what was learned of the silences in the last round.
    """
    ship = np.full(tries.n_silences, -1, dtype=np.int64)
    ship[tries.silence] = tries.silent_ship
    by_chance = unheard(summed, weights[ship], tail)
    length = np.bincount(tries.silence, minlength=tries.n_silences)
    lengths, chosen = _chosen(tries, p_on)
    return np.asarray(by_chance / (by_chance + chosen[np.searchsorted(lengths, length)]))


def _chosen(tries: Tries, p_on: Floats) -> tuple[Ints, Floats]:
    """Lengths of silences [h], and the chance after a heard hour to be switched off for at least so long."""
    lengths, which = np.unique(np.bincount(tries.silence, minlength=tries.n_silences), return_inverse=True)
    n_off = _sums(which, 1 - p_on, len(lengths))
    return lengths, np.cumsum(n_off[::-1])[::-1] / max(tries.ship_steps.sum() + tries.n_silences, 1.0)


def _rates(
    slot: Ints,
    at: Ints,
    n: Floats,
    heard: Floats,
    before: Floats,
    kinds: Floats,
    level: Floats,
    zone: Ints,
    share: sparse.csr_matrix,
    n_cells: int,
) -> tuple[Floats, Floats]:
    """Rate of each slot and factor of each kind: kind within cell within neighbours within area."""
    # An hour in which the feed hears half as much is half an opportunity.
    ordinary = before[slot]
    now = _chance(ordinary * level[zone[slot // KINDS], at])
    worth = np.divide(now, _chance(ordinary), out=np.ones(len(slot)), where=ordinary > 0)
    hits = _sums(slot, heard, n_cells * KINDS).reshape(-1, KINDS)
    tried = np.maximum(_sums(slot, n * worth, n_cells * KINDS).reshape(-1, KINDS), hits)
    # In every cell as if all ships were of the ordinary kind.
    per_cell = np.divide(tried @ kinds, tried.sum(axis=1), out=np.ones(n_cells), where=tried.sum(axis=1) > 0)
    cell_hits, cell_tried = hits.sum(axis=1), tried.sum(axis=1)
    area = float(cell_hits.sum() / cell_tried.sum()) if cell_tried.sum() else 0.0
    near_hits, near_tried = share @ cell_hits, share @ cell_tried
    nearby = (near_hits + AREA_STRENGTH * area) / (near_tried + AREA_STRENGTH)
    strength = _strength(cell_hits, cell_tried, nearby)
    place = _rate((cell_hits + strength * nearby) / (cell_tried + strength)) / per_cell
    expected = _chance(place[:, None] * kinds)
    kinds = _settled(
        kinds * _factor(hits.sum(axis=0), (tried * expected).sum(axis=0), tried.sum(axis=0)), tried.sum(axis=0)
    )
    expected = _chance(np.minimum(place[:, None] * kinds, _rate(np.array(1.0))))
    rate = _rate((hits + strength * expected) / (tried + strength))
    rate[cell_tried + near_tried < LEAST_OPPORTUNITIES] = 0.0
    return rate.ravel(), kinds


def _settled(kinds: Floats, tried: Floats) -> Floats:
    """The factors of the kinds with mean 1 over the opportunities; a state in which no ship of its class was is as the other."""
    if not tried.any():
        return np.ones(KINDS)
    table, n = kinds.reshape(-1, 2), tried.reshape(-1, 2)
    table = np.where((n == 0) & (n[:, ::-1] > 0), table[:, ::-1], table)
    table = np.where(n.sum(axis=1, keepdims=True) > 0, table, 1.0)
    return np.asarray(table.ravel() * tried.sum() / (table.ravel() @ tried), dtype=np.float64)


def _factor(heard: Floats, expected: Floats, n: Floats) -> Floats:
    """Factor on the rate that turns what was expected of `n` opportunities into what was heard, held back towards 1."""
    size = np.maximum(n, 1e-9)
    usual = np.clip(expected / size, 1e-6, MOST_HEARD)
    found = np.clip((heard + KIND_STRENGTH * usual) / (size + KIND_STRENGTH), 1e-6, MOST_HEARD)
    return np.asarray(np.where(n > 0, np.log1p(-found) / np.log1p(-usual), 1.0))


def _strength(hits: Floats, tried: Floats, usual: Floats) -> float:
    """How many opportunities the neighbourhood is worth in a cell: by moments of the spread around it, 2 to 50."""
    good = (tried >= LEAST_OPPORTUNITIES) & (usual > 0) & (usual < 1)
    if good.sum() < 3:
        return 10.0
    share, p = hits[good] / tried[good], usual[good]
    chance = float((p * (1 - p)).mean())
    spread = float(((share - p) ** 2 - p * (1 - p) / tried[good]).mean())
    return float(np.clip(chance / spread - 1, 2, 50)) if spread > 0 else 50.0


def _levels(
    slot: Ints, at: Ints, n: Floats, heard: Floats, rate: Floats, zone: Ints, n_hours: int, first_hour: int
) -> tuple[Floats, Floats]:
    """Level of each zone by hour of the day, and hour by hour, held back towards that."""
    where = zone[slot // KINDS]
    usable = rate[slot] > 0
    at_zone = where[usable] * n_hours + at[usable]
    due = _sums(at_zone, n[usable] * _chance(rate[slot][usable]), 3 * n_hours).reshape(3, n_hours)
    size = _sums(at_zone, n[usable], 3 * n_hours).reshape(3, n_hours)
    got = _sums(at_zone, heard[usable], 3 * n_hours).reshape(3, n_hours)
    of_day = (np.arange(n_hours) + first_hour) % 24
    day = [np.stack([np.bincount(of_day, row, 24) for row in table]) for table in (got, due, size)]
    usual = np.divide(day[1], day[2], out=np.full((3, 24), 0.5), where=day[2] > 0).clip(1e-6, MOST_HEARD)
    found = ((day[0] + CLOCK_STRENGTH * usual) / (day[2] + CLOCK_STRENGTH)).clip(1e-6, MOST_HEARD)
    clock = np.clip(np.log1p(-found) / np.log1p(-usual), *LEVELS)
    usual_now = np.divide(due, size, out=np.full((3, n_hours), 0.5), where=size > 0).clip(1e-6, MOST_HEARD)
    as_usual = -np.expm1(clock[:, of_day] * np.log1p(-usual_now))
    found_now = ((got + LEVEL_STRENGTH * as_usual) / (size + LEVEL_STRENGTH)).clip(0.0, MOST_HEARD)
    level = np.clip(np.log1p(-found_now) / np.log1p(-usual_now), *LEVELS)
    # A zone's cells differ, so that levels of the average cell hear a little too little in all; left alone, rates would creep up.
    due_now = n[usable] * _chance(rate[slot][usable] * level.ravel()[at_zone])
    whole = [_sums(where[usable], values, 3) for values in (heard[usable], due_now, n[usable])]
    return clock, level * _factor(whole[0], whole[1], whole[2])[:, None]


def _audible(tries: Tries, rate: Floats, level: Floats, zone: Ints, p_on: Floats, listened: Bools) -> Floats:
    """Weights of `AUDIBILITIES` for every ship, and for one of which nothing is known: the prior, learned from all."""
    # Where nothing is known (rate 0) nothing is learned of a ship. Rates are taken together in steps of a third.
    steps = np.geomspace(0.02, float(_rate(np.array(1.0))), 20)
    size = tries.n_ships * len(steps)
    per_hour = rate[tries.ship_slot]
    known = per_hour > 0
    cell = tries.ship_of[known] * len(steps) + np.searchsorted(steps, per_hour[known]).clip(max=len(steps) - 1)
    n_heard = _sums(cell, tries.ship_steps[known], size)
    n_missed = _sums(cell, (tries.ship_steps * (tries.ship_step_h - 1))[known], size)
    summed = steps[:, None] * AUDIBILITIES
    log_like = n_heard.reshape(-1, len(steps)) @ np.log(_chance(summed)) - n_missed.reshape(-1, len(steps)) @ summed
    missed = ~tries.silent_heard & listened[tries.silent_at]
    at_zone = zone[tries.silent_slot[missed] // KINDS]
    due = rate[tries.silent_slot[missed]] * level[at_zone, tries.silent_at[missed]] * p_on[tries.silence[missed]]
    log_like -= _sums(tries.silent_ship[missed], due, tries.n_ships)[:, None] * AUDIBILITIES
    log_like /= CLOUDED
    like = np.exp(log_like - log_like.max(axis=1, keepdims=True))
    # Where every ship is alike the prior still has some width: a lognormal of sd 0.5, worth ten ships.
    broad = np.exp(-0.5 * (np.log(AUDIBILITIES) / 0.5) ** 2)
    broad /= broad.sum()
    prior = broad
    for _ in range(10):
        weights = like * prior
        weights /= weights.sum(axis=1, keepdims=True)
        prior = (weights.sum(axis=0) + 10 * broad) / (tries.n_ships + 10)
    weights = like * prior
    weights /= weights.sum(axis=1, keepdims=True)
    return np.vstack([weights, prior])


def _tail(tries: Tries, rate: Floats, weights: Floats, min_gap_h: float) -> float:
    """Shape of the gamma factor under which the lengths of short silences are likeliest.

    Only steps surely shorter than the shortest gap are looked at, as those that end within it: switching off plays no part.
    """
    longest = min(int(np.ceil(min_gap_h)) - 1, LONGEST_STEP_H)
    known = (rate[tries.ship_slot] > 0) & (tries.ship_step_h <= longest)
    n, length = tries.ship_steps[known], tries.ship_step_h[known].astype(np.float64)
    if longest < 2 or n.sum() < LEAST_STEPS:
        return USUAL_TAIL
    mean = (weights @ AUDIBILITIES)[tries.ship_of[known]]
    per_hour = rate[tries.ship_slot[known]] * mean
    best = []
    for tail in TAILS:
        since, until, end = ((1 + hours * per_hour / tail) ** -tail for hours in (length - 1, length, longest))
        best.append(float((n * (np.log(since - until) - np.log1p(-end))).sum()))
    return float(TAILS[int(np.argmax(best))])
