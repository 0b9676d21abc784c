"""What a trip rests on: its silence weighed again with parts of the evidence taken away, and the link that breaks most easily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ghostships.inference import factors, joint, weakest
from ghostships.inference.factors import Factor
from ghostships.inference.histories import Array
from ghostships.inference.joint import Weighed
from ghostships.inference.together import Together
from ghostships.inference.weakest import Link
from ghostships.routes import Route

WEAKEST_FROM_SHARE = 0.05
"""A call that a silence holds less likely than this is not what its trip rests on."""

MANY_FROM_P = 0.1
"""A silence with a trip whose chance of a second call is less than this is one call; nothing more is summed to know how
many."""

STRANGERS_FACTOR = 2.7
STRANGERS_SHARES = (0.3, 0.4, 0.3)
"""How far the rate of unknown hulls that look like a ship is known, and the shares of a lower, the learned and a higher one: some
four of them are seen in two months, so it is known to about sixty per cent (own judgement)."""

_SAID_OTHERWISE = frozenset({"prior", "pictures_without_it", "pictures", "name_read", "competition", "number_of_calls"})
"""Factors that are no link of their own: names and pictures are taken away call by call, the level of the trade is put back to
the route's, and the rest says how those play together."""


@dataclass(frozen=True)
class Again:
    """A silence weighed again with part of the evidence.

    Log-odds [bits] without any picture (`blind`), with empty ones, then with calls but neither length nor name, without name, and
    with both. `whole` are the log-odds with everything but what drawing adds, `without` and `unnamed` those without the pictures of
    each call, and without the name read in them. `fewer` is of silences with several calls: the call that is held most surely, and
    the chances of 0, 1, 2... calls with it and without it.
    """

    blind: float
    unseen: float
    pictures: float
    length: float
    name_read: float
    whole: float
    without: dict[int, float]
    unnamed: dict[int, float]
    fewer: tuple[int, Array, Array] | None = None

    def left(self, bits: float, taken: float) -> float:
        """The probability that is left of log-odds `bits` when these fall from `whole` to `taken`.

        What was drawn may be surer than these (all states held the trip), which another drawing without it need not be: then what
        is left is `taken` itself.
        """
        return factors.probability(round(min(taken, bits - self.whole + taken), 3))


def likelihoods(weighed: Weighed, g: int) -> dict[int, float]:
    """How much better the ship of a silence explains each of its calls than anyone else may, as the joint solution has it."""
    s = weighed.solution
    full = {c: joint.likelihood(weighed.known[c], s.fits[g, c], s.unknown_rate[c]) for c in s.shares[g]}
    return {c: weight * s.others[g][c] for c, weight in full.items()}


def _unnamed(weighed: Weighed, g: int, c: int) -> float:
    """The same for one call, the name read in its pictures left out."""
    s = weighed.solution
    return joint.likelihood(weighed.known[c], s.fits[g, c], s.unknown_rate[c], with_name=False) * s.others[g][c]


def weigh_again(weighed: Weighed, silences: list[int]) -> dict[int, Again]:
    """All that the waterfalls of these silences need, in one sweep."""
    s = weighed.solution
    asked: list[tuple[int, float, dict[int, float]]] = []
    for g in silences:
        bare = [(weighed.known[c], s.fits[g, c], s.unknown_rate[c], c) for c in s.shares[g]]
        asked.append((g, 1.0, {}))
        for options in ({"with_length": False, "with_name": False}, {"with_name": False}, {}):
            asked.append((g, 1.0, {c: joint.likelihood(k, fit, rate, **options) for k, fit, rate, c in bare}))
        full, odds = likelihoods(weighed, g), s.odds(g, weighed.silents[g])
        asked.append((g, odds, full))
        asked += [(g, odds, {k: w for k, w in full.items() if k != c}) for c in _leaned_on(weighed, g)]
        asked += [(g, odds, {**full, c: _unnamed(weighed, g, c)}) for c in _named(weighed, g)]
    own = [weighed.silents[g].silence for g, _, _ in asked]
    values = np.array([w for _, _, weights in asked for w in weights.values()])
    odds_of = np.array([o for _, o, _ in asked])
    sums = Together(own, [list(weights) for _, _, weights in asked]).weigh(odds_of, values)
    blind = Together([weighed.silents[g].silence for g in silences], [()] * len(silences), is_blind=True)
    in_blind = blind.weigh(np.ones(len(silences)), np.zeros(0))
    bits = [
        factors.ratio_bits(float(o * trip), float(other))
        for o, trip, other in zip(odds_of, sums.trip, sums.other, strict=True)
    ]
    found, at = {}, 0
    for n, g in enumerate(silences):
        calls, named = _leaned_on(weighed, g), _named(weighed, g)
        first = factors.ratio_bits(float(in_blind.trip[n]), float(in_blind.other[n]))
        unseen, pictures, length, name_read, whole = bits[at : at + 5]
        less = bits[at + 5 : at + 5 + len(calls) + len(named)]
        at += 5 + len(less)
        without = dict(zip(calls, less, strict=False))
        unnamed = dict(zip(named, less[len(calls) :], strict=True))
        found[g] = Again(first, unseen, pictures, length, name_read, whole, without, unnamed)
    return found


def _leaned_on(weighed: Weighed, g: int) -> list[int]:
    return [c for c, share in sorted(weighed.solution.shares[g].items()) if share >= WEAKEST_FROM_SHARE]


def _named(weighed: Weighed, g: int) -> list[int]:
    """Calls that it leans on in whose pictures a name was read that speaks for this ship."""
    return [c for c in _leaned_on(weighed, g) if weighed.solution.fits[g, c][1] > 1]


def weakest_link(
    weighed: Weighed,
    g: int,
    again: Again,
    steps: Sequence[Factor],
    bits: float,
    calls: pd.DataFrame,
    *,
    route: Route,
    cycle: int = 1,
) -> str:
    """What moves the probability most when it is taken away: a factor, all pictures of one call, or the name read in them.

    Where none of these moves it, what this run has taught of the level of the trade, which all trips rest on alike. A call with one
    sighting is that sighting. Of several sightings of one call only all together are taken away: one less leaves the stay as it
    was, unless it alone bears the name. A second or third cycle of one silence rests on there being so many calls: the one that it
    holds most surely is taken away.
    """
    links = weakest.of_factors(steps, bits, leave_out=_SAID_OTHERWISE)
    sightings_of = dict(zip(calls.index, calls["sighting_ids"], strict=True))
    p = factors.probability(bits)
    without = {c: again.left(bits, taken) for c, taken in again.without.items()}
    unnamed = {c: again.left(bits, taken) for c, taken in again.unnamed.items()}
    if cycle > 1:
        without, unnamed = _one_less(again.fewer, p, cycle), {}
    for c, p_without in without.items():
        links.append(Link(p_without, _pictures_of(sightings_of[weighed.call_ids[c]], weighed.call_ids[c])))
    for c, p_without in unnamed.items():
        name = calls.at[weighed.call_ids[c], "vessel_name"]
        who = f"the name {name} read" if isinstance(name, str) else "the name read"
        links.append(Link(p_without, f"{who} in the pictures of call {weighed.call_ids[c]}"))
    level: list[Link] = []
    learned = next(f.bits for f in steps if f.name == "prior")
    assumed = factors.bits_of(route.priors.p_trip)
    if learned > assumed:
        p_without = factors.probability(round(bits - learned + assumed, 3))
        share = f"{weighed.solution.p_trip:.1%}, not the route's {route.priors.p_trip:.1%}"
        level = [Link(p_without, f"that trips are as common as this run has taught ({share})")]
    nothing = "nothing in particular: no single sighting, name or assumption moves it"
    return weakest.sentence(p, links, nothing=weakest.sentence(p, level, nothing=nothing))


def number_of_calls(weighed: Weighed, g: int, n_calls: Array) -> Array:
    """Chances of 0, 1, 2... calls at the dark port in a silence; `n_calls` are those that the levels as learned give.

    How often hulls call that nobody knows is learned from few of them, and it moves all calls of a silence alike: each is this
    ship's or a stranger's. So the number is summed over that rate too, at `STRANGERS_FACTOR` more and less: without that, two
    months of silence in simulated worlds held fewer calls than the 5th percentile too often. Whether there is any call at all
    stays as it is.
    """
    s, silent = weighed.solution, weighed.silents[g]
    if n_calls[0] >= 1:
        return n_calls
    p = s.drawn.get(g, 1.0 - float(n_calls[0]))
    if_any = [(STRANGERS_SHARES[1], n_calls[1:] / n_calls[1:].sum())]
    if if_any[0][1][1:].sum() >= MANY_FROM_P:
        weights, odds = likelihoods(weighed, g), s.odds(g, silent)
        for share, factor in ((STRANGERS_SHARES[0], 1 / STRANGERS_FACTOR), (STRANGERS_SHARES[2], STRANGERS_FACTOR)):
            more = {c: w * factor for c, w in weights.items()}
            counts = silent.silence.weigh(odds=odds, likelihoods=more, count_calls=True).n_calls
            if counts is not None and counts[1:].sum() > 0:
                if_any.append((share, counts[1:] / counts[1:].sum()))
    out = np.zeros(1 + max(len(counts) for _, counts in if_any))
    out[0] = 1 - p
    whole = sum(share for share, _ in if_any)
    for share, counts in if_any:
        out[1 : 1 + len(counts)] += p * share / whole * counts
    return out


def fewer(weighed: Weighed, g: int, again: Again, n_calls: Array) -> Again:
    """The same, with how the number of calls falls when the call that it most surely holds is taken away.

    `n_calls` are the chances of 0, 1, 2... calls with all of them. Only for silences that are shown as more than one cycle: each
    such sum takes as long as weighing ten silences.
    """
    shares = weighed.solution.shares[g]
    dark = {c: p for c, p in shares.items() if weighed.known[c].is_dark_port and c in again.without}
    top = max(sorted(dark), key=lambda c: dark[c], default=None)
    if top is None:
        return again
    silent = weighed.silents[g]
    weights = {c: w for c, w in likelihoods(weighed, g).items() if c != top}
    left = silent.silence.weigh(odds=weighed.solution.odds(g, silent), likelihoods=weights, count_calls=True).n_calls
    return again if left is None else replace(again, fewer=(top, n_calls, left))


def _one_less(counts: tuple[int, Array, Array] | None, p: float, cycle: int) -> dict[int, float]:
    """What is left of a later cycle without the call that the silence most surely holds."""
    if counts is None:
        return {}
    call, before, after = counts
    whole, left = float(before[cycle:].sum()), float(after[cycle:].sum())
    return {call: min(p * left / whole, p)} if whole > 0 else {}


def _pictures_of(ids: Sequence[str], call_id: str) -> str:
    if len(ids) == 1:
        return f"the only sighting ({ids[0]}) of call {call_id}"
    return f"the {len(ids)} sightings of call {call_id}"
