"""Which looks are one stay, and whose: looks at hulls, silences and hulls that nobody knows, drawn together (Gibbs sampling).

A state says for every look whether it is no hull at all, or which *visit* it belongs to, and for every visit which silence of a
known ship made it, or that its hull is unknown. The weight of a state is the product of

- per silence, its histories with the visits it made (`held.Held`), under the odds of its ship: how prone it is to trips is learned
  from its other silences that pictures carry, in the same state;
- per visit of an unknown hull, how often hulls of that length come (those of the other visits of the state come back), times the
  stays that fit the looks and the pictures that missed it;
- per look, the length and the name read against its hull; or a false alarm.

Looks are moved one at a time, visits are given to ships one at a time and swapped in pairs; each step draws from what it weighs, so
that after a while states come up as often as they deserve (Geman & Geman 1984, doi 10.1109/TPAMI.1984.4767596). What is published
are means over states of several chains, each visit with the chances of all its ships. Draws come from a fixed seed: the same
input gives the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ghostships.inference.held import Span
from ghostships.inference.state import PARKED, UNKNOWN, Lengths, Visit, itself
from ghostships.inference.visits import (
    ROOT_TWO_PI,
    Answer,
    Floats,
    Ints,
    Model,
    Quiet,
    Said,
    Sight,
    consensus,
    normal,
    say,
)

_HOPELESS = 1e-4
_UNLIKE_SIGMAS = 4.0
"""A look is not tried with a visit whose length is further from its own than this many errors, or that nearly no stay covers."""
REST = 0.25
"""Looks that never moved while a chain settled are moved in this share of its sweeps, others the more often the more they did."""
SEED = 20190301
_NEGLIGIBLE = 1e-9


class Sampler:
    """Draws states of a `Model`."""

    def __init__(
        self,
        model: Model,
        start: Sequence[Sequence[int]],
        seed: int,
        *,
        level: float | None = None,
    ) -> None:
        self.m = model
        # Every look has numbers of its own, so that a look more or less leaves what is drawn for the others as it was.
        self._random = [np.random.Generator(np.random.Philox(key=[seed, x.key])) for x in model.sights]
        self._restless = np.ones(len(model.sights))
        self.is_learning = level is None
        self._at = np.zeros(len(model.sights), dtype=np.int64)
        for port in model.ports:
            self._at[port.looks] = np.arange(len(port.looks))
        self._order = self._at.tolist()
        self._mass: list[list[list[float]]] = [port.mass.tolist() for port in model.ports]
        self._picture = [x.picture for x in model.sights]
        self._start_h = [x.start_h for x in model.sights]
        self._length_m = model.ship_length_m.tolist()
        self._known: dict[tuple[int, ...], Said] = {}
        self._inside = [self._reach(q) for q in model.silences]
        self._candidates = self._per_look()
        self._pairs: dict[tuple[int, int], tuple[Ints, Floats, Floats]] = {}
        self._ship = np.array([q.ship for q in model.silences], dtype=np.int64)
        self._fixed = np.exp2(np.array([q.bits for q in model.silences]))
        self._trip = np.array([q.trip for q in model.silences])
        self._other = np.array([q.other for q in model.silences])
        self._feasible = np.array([q.is_feasible for q in model.silences], dtype=bool)
        self._watched = np.where(self._feasible, np.array([q.watched for q in model.silences]), 0.0)
        n_ships = int(self._ship.max()) + 1 if len(self._ship) else 0
        self._looked_of_ship = np.bincount(self._ship, self._watched, n_ships)
        self._made_of_ship = np.zeros(n_ships)
        """Silences of each ship that a visit to the dark port carries in this state, and below what they were watched for."""
        self._made_watched = np.zeros(n_ships)
        self._level = model.p_trip if level is None else level
        self.visit_of: list[Visit | None] = [None] * len(model.sights)
        self.visits: list[list[Visit]] = [[] for _ in model.ports]
        self.of_silence: list[list[Visit]] = [[] for _ in model.silences]
        self._has_dark = np.zeros(len(model.silences), dtype=bool)
        self._lengths = [Lengths(len(port.looks) + 2) for port in model.ports]
        self._close = self._together()
        self._sums: dict[tuple[int, tuple[tuple[int, ...], ...]], tuple[float, float]] = {}
        for looks in start:
            ordered = tuple(sorted(looks, key=self._order.__getitem__))
            visit = Visit(model.sights[looks[0]].port, ordered, self._said(ordered))
            self.visits[visit.port].append(visit)
            self._lengths[visit.port].keep(visit)
            for s in looks:
                self.visit_of[s] = visit

    # --- what never changes ---

    @staticmethod
    def _reach(q: Quiet) -> dict[int, tuple[int, int]]:
        """Look -> its place and its number there."""
        return {int(s): (place, n) for place, own in q.held.within.items() for n, s in enumerate(own.looks.tolist())}

    def _per_look(self) -> list[Ints]:
        out: list[list[int]] = [[] for _ in self.m.sights]
        for g, inside in enumerate(self._inside):
            for s in inside:
                out[s].append(g)
        return [np.array(own, dtype=np.int64) for own in out]

    def _together(self) -> list[list[int]]:
        """Of each look, those of its port that one stay could hold with it."""
        out: list[list[int]] = [[] for _ in self.m.sights]
        for port in self.m.ports:
            fits = np.maximum(port.mass, port.mass.T) > 0
            for s, others in zip(port.looks.tolist(), fits, strict=True):
                out[s] = [t for t in port.looks[others].tolist() if t != s]
        return out

    def _pair(self, first: int, last: int) -> tuple[Ints, Floats, Floats]:
        """Silences that could hold one stay from one look to another, with its weights."""
        key = (first, last)
        if key not in self._pairs:
            own, quiet, trip = [], [], []
            for g in self._candidates[first].tolist():
                inside = self._inside[g]
                if last in inside:
                    (place, i), (other, j) = inside[first], inside[last]
                    if place == other:
                        a, b = self.m.silences[g].held.together(((place, i, j),))
                        if a > 0 or b > 0:
                            own.append(g)
                            quiet.append(a)
                            trip.append(b)
            self._pairs[key] = np.array(own, dtype=np.int64), np.array(quiet), np.array(trip)
        return self._pairs[key]

    # --- the parts of a visit ---

    def _said(self, looks: tuple[int, ...]) -> Said:
        if looks not in self._known:
            self._known[looks] = say(self.m, looks)
        return self._known[looks]

    def _unknown(self, visit: Visit) -> float:
        """Weight of an unknown hull for this visit, given the other visits of unknown hulls in this state."""
        seen = self._alike(visit.port, [visit.said], visit)
        return self._of_unknown(visit.port, visit.looks, visit.said, float(seen[0]))

    def _of_unknown(self, number: int, looks: tuple[int, ...], said: Said, seen: float) -> float:
        """The same, with `seen`, how well the length is that of the others."""
        port = self.m.ports[number]
        mass = self._mass[number][self._order[looks[0]]][self._order[looks[-1]]]
        fresh = port.fresh_per_h * said.usual
        if port.watched_h <= 0:
            return mass * fresh
        return mass * (fresh * port.strength_h + max(seen, 0.0)) / (port.strength_h + port.watched_h)

    def _alike(self, port: int, said: Sequence[Said], but: Visit | None = None) -> Floats:
        """How well each length is that of the visits of unknown hulls at a port, one left out, summed over them [per m]."""
        lengths = self._lengths[port]
        others = np.flatnonzero(lengths.is_unknown)
        if but is not None and but.slot >= 0:
            others = others[others != but.slot]
        if not len(others):
            return np.zeros(len(said))
        mean, variance = lengths.mean_m[others], lengths.variance[others]
        own = np.array([x.mean_m for x in said])[:, None]
        spread = variance + np.array([x.sigma_m for x in said])[:, None] ** 2
        density = np.exp(-0.5 * (own - mean) ** 2 / spread) / (np.sqrt(spread) * ROOT_TWO_PI)
        total: Floats = density.sum(axis=1)
        if np.isnan(total).any():
            usual = np.array([x.usual for x in said])[:, None]
            total = np.where(np.isnan(own), 1.0, np.where(np.isnan(density), usual, density)).sum(axis=1)
        return total

    def _odds(self, own: Ints) -> Floats:
        """Odds of a trip of silences, by the others of their ship in this state. None of them has a visit to the dark port now."""
        ship = self._ship[own]
        strength = self.m.habit_strength
        looked = self._looked_of_ship[ship] - self._watched[own] - self._made_watched[ship] + self._made_of_ship[ship]
        made = self._made_of_ship[ship]
        p = (strength * self._level + self.m.earned * made) / (strength + np.maximum(looked, made))
        p = np.minimum(p, 1 - 1e-9)
        out: Floats = p / (1 - p) * self._fixed[own]
        return out

    def _fits(self, said: Said, own: Ints) -> Floats:
        """Length and name against the ship of each silence."""
        ships = self._ship[own]
        if said.mean_m != said.mean_m:
            density = np.ones(len(own))
        else:
            z = (said.mean_m - self.m.ship_length_m[ships]) / said.sigma_m
            density = np.exp(-0.5 * z * z) / (said.sigma_m * ROOT_TWO_PI)
            density = np.where(np.isnan(density), said.usual, density)
        if said.names:
            name = np.array([said.names.get(ship, 1.0) for ship in ships.tolist()])
            # With a name read, length adds nothing more: the name usually rests on hull and length.
            density = np.where(name != 1.0, said.usual * name, density)
        out: Floats = density
        return out

    def _fit(self, said: Said, g: int) -> float:
        """The same for one silence."""
        ship = int(self._ship[g])
        name = said.names.get(ship, 1.0)
        if name != 1.0:
            return said.usual * name
        length_m = self._length_m[ship]
        if said.mean_m != said.mean_m or length_m != length_m:
            return said.usual
        return normal(said.mean_m - length_m, said.sigma_m)

    def _spans(self, g: int, visits: Sequence[tuple[int, ...]]) -> tuple[Span, ...] | None:
        """Visits (their looks) as the silence holds them, in order of time; None where it cannot hold them."""
        inside = self._inside[g]
        spans = []
        for looks in visits:
            a, b = inside.get(looks[0]), inside.get(looks[-1])
            if a is None or b is None or a[0] != b[0]:
                return None
            spans.append((self._start_h[looks[0]], looks[0], (a[0], a[1], b[1])))
        if len(spans) > 1:
            spans.sort()
        return tuple(span for _, _, span in spans)

    def _held(self, g: int, visits: Sequence[tuple[int, ...]], odds: float) -> float:
        """Weight of the histories of a silence with these visits."""
        if not visits:
            return float(self._other[g] + odds * self._trip[g])
        key = (g, tuple(visits))
        if key not in self._sums:
            spans = self._spans(g, visits)
            self._sums[key] = (0.0, 0.0) if spans is None else self.m.silences[g].held.together(spans)
        quiet, trip = self._sums[key]
        return quiet + odds * trip

    def _by_silence(self, visit: Visit) -> tuple[Ints, Floats]:
        """Every silence that could have made a visit that is nobody's now, with its weight."""
        own, quiet, trip = self._pair(visit.looks[0], visit.looks[-1])
        if not len(own):
            return own, np.zeros(0)
        odds = self._odds(own)
        fits = self._fits(visit.said, own)
        weights = (quiet + odds * trip) / (self._other[own] + odds * self._trip[own]) * fits
        for n, g in enumerate(own.tolist()):
            others = self.of_silence[g]
            if others:
                if fits[n] < _HOPELESS * visit.said.usual:
                    weights[n] = 0.0
                    continue
                p = self._odds_with(g)
                held = [v.looks for v in others]
                before = self._held(g, held, p)
                weights[n] = self._held(g, [*held, visit.looks], p) / before * fits[n] if before > 0 else 0.0
        return own, weights

    def _odds_with(self, g: int) -> float:
        """Odds of one silence, whatever it holds in this state."""
        held = bool(self._has_dark[g])
        ship = self._ship[g]
        made = self._made_of_ship[ship] - held
        made_watched = self._made_watched[ship] - (self._watched[g] if held else 0.0)
        looked = self._looked_of_ship[ship] - self._watched[g] - made_watched + made
        strength = self.m.habit_strength
        p = min((strength * self._level + self.m.earned * made) / (strength + max(looked, made)), 1 - 1e-9)
        return float(p / (1 - p) * self._fixed[g])

    def _odds_of_all(self) -> Floats:
        """The same for all silences."""
        made = self._made_of_ship[self._ship] - self._has_dark
        made_watched = self._made_watched[self._ship] - np.where(self._has_dark, self._watched, 0.0)
        looked = self._looked_of_ship[self._ship] - self._watched - made_watched + made
        strength = self.m.habit_strength
        p = (strength * self._level + self.m.earned * made) / (strength + np.maximum(looked, made))
        p = np.minimum(p, 1 - 1e-9)
        out: Floats = p / (1 - p) * self._fixed
        return out

    # --- changes of state ---

    def _give(self, visit: Visit, g: int) -> None:
        if g >= 0:
            if self.m.ports[visit.port].is_dark and not self._has_dark[g]:
                self._has_dark[g] = True
                self._made_of_ship[self._ship[g]] += 1
                self._made_watched[self._ship[g]] += self._watched[g]
            self.of_silence[g].append(visit)
        visit.label = g
        self._lengths[visit.port].keep(visit)

    def _take(self, visit: Visit) -> None:
        g = visit.label
        if g >= 0:
            self.of_silence[g].remove(visit)
            if self.m.ports[visit.port].is_dark and not any(self.m.ports[v.port].is_dark for v in self.of_silence[g]):
                self._has_dark[g] = False
                self._made_of_ship[self._ship[g]] -= 1
                self._made_watched[self._ship[g]] -= self._watched[g]
        visit.label = PARKED
        self._lengths[visit.port].keep(visit)

    def _relabel(self, visit: Visit) -> tuple[Ints, Floats, float]:
        """Give a visit to one of those that could have made it; their weights, and that of an unknown hull."""
        self._take(visit)
        own, weights = self._by_silence(visit)
        unknown = self._unknown(visit)
        total = weights.sum() + unknown
        self._give(visit, self._one_of(own, weights, unknown, self._random[visit.looks[0]].random() * total))
        return own, weights, unknown

    @staticmethod
    def _one_of(own: Ints, weights: Floats, unknown: float, x: float) -> int:
        """Who stands at `x` when all weights are laid side by side, the unknown hull first."""
        if x < unknown or not len(own):
            return UNKNOWN
        n = min(int(np.searchsorted(np.cumsum(weights), x - unknown, side="right")), len(own) - 1)
        return int(own[n]) if weights[n] > 0 else UNKNOWN

    def _joined(self, visit: Visit, looks: tuple[int, ...], seen: tuple[float, float]) -> float:
        """How much more (or less) a visit weighs with these looks instead of its own.

        `seen` is how well its length, then and now, is that of all visits of unknown hulls, itself among them.
        """
        said = self._said(looks)
        common = said.common / visit.said.common
        g = visit.label
        if g == UNKNOWN:
            before = self._of_unknown(visit.port, visit.looks, visit.said, seen[0] - itself(visit.said, visit.said))
            after = self._of_unknown(visit.port, looks, said, seen[1] - itself(said, visit.said))
            return common * after / before if before > 0 else 0.0
        odds = self._odds_with(g)
        others = [v.looks for v in self.of_silence[g] if v is not visit]
        before = self._held(g, [*others, visit.looks], odds) * self._fit(visit.said, g)
        return common * self._held(g, [*others, looks], odds) * self._fit(said, g) / before if before > 0 else 0.0

    def _is_near(self, x: Sight, s: int, visit: Visit) -> bool:
        """Whether a look could belong to a visit at all, before anything is weighed in full."""
        i, j, k = self._order[visit.looks[0]], self._order[visit.looks[-1]], self._order[s]
        mass = self._mass[x.port]
        if mass[min(i, k)][max(j, k)] <= _HOPELESS * mass[i][j]:
            return False
        if abs(x.length_m - visit.said.mean_m) > _UNLIKE_SIGMAS * math.hypot(x.sigma_m, visit.said.sigma_m):
            return False
        return not any(self._picture[t] == x.picture or (s, t) in self.m.apart for t in visit.looks)

    def _move(self, s: int) -> None:
        """Take one look out of the state, and put it where it belongs by chance of its weight."""
        x = self.m.sights[s]
        old = self.visit_of[s]
        if old is not None:
            if len(old.looks) > 1:
                old.looks = tuple(t for t in old.looks if t != s)
                old.said = self._said(old.looks)
                self._lengths[x.port].keep(old)
            else:
                self._take(old)
                self.visits[x.port].remove(old)
                self._lengths[x.port].drop(old)
            self.visit_of[s] = None
        around = dict.fromkeys(v for t in self._close[s] if (v := self.visit_of[t]) is not None)
        near = [v for v in around if self._is_near(x, s, v)]
        joined = [tuple(sorted((*v.looks, s), key=self._order.__getitem__)) for v in near]
        fresh = Visit(x.port, (s,), self._said((s,)))
        asked = [v.said for v in near] + [self._said(looks) for looks in joined] + [fresh.said]
        seen = self._alike(x.port, asked).tolist()
        options: list[tuple[float, Visit | None, tuple[int, ...]]] = [(x.alarm, None, ())]
        for n, (v, together) in enumerate(zip(near, joined, strict=True)):
            options.append((self._joined(v, together, (seen[n], seen[len(near) + n])), v, together))
        own, weights = self._by_silence(fresh)
        unknown = self._of_unknown(x.port, fresh.looks, fresh.said, seen[-1])
        options.append((fresh.said.common * (unknown + float(weights.sum())), fresh, fresh.looks))
        at = self._random[s].random() * math.fsum(w for w, _, _ in options)
        chosen, looks = options[-1][1:]
        for weight, visit, members in options:
            at -= weight
            if at < 0:
                chosen, looks = visit, members
                break
        self.visit_of[s] = chosen
        if chosen is None:
            return
        if chosen is fresh:
            self.visits[x.port].append(fresh)
            y = self._random[s].random() * (unknown + float(weights.sum()))
            self._give(fresh, self._one_of(own, weights, unknown, y))
        else:
            chosen.looks, chosen.said = looks, self._said(looks)
            self._lengths[x.port].keep(chosen)

    def _swap(self, one: Visit, other: Visit) -> None:
        """Let two visits change their ships, if that weighs as much or by chance of how much less (Metropolis)."""
        a, b = one.label, other.label
        before = self._both(one, a, other, b)
        after = self._both(one, b, other, a)
        if before > 0 and after < before * self._random[one.looks[0]].random():
            after = -1.0
        self._take(one)
        self._take(other)
        swapped = after >= 0 and after > 0
        self._give(one, b if swapped else a)
        self._give(other, a if swapped else b)

    def _both(self, one: Visit, a: int, other: Visit, b: int) -> float:
        """Weight of two visits with these labels, against the state with neither."""
        self._take(one)
        self._take(other)
        first = self._labelled(one, a)
        if first <= 0:
            return 0.0
        self._give(one, a)
        return first * self._labelled(other, b)

    def _labelled(self, visit: Visit, g: int) -> float:
        if g == UNKNOWN:
            return self._unknown(visit)
        odds = self._odds_with(g)
        held = [v.looks for v in self.of_silence[g]]
        before = self._held(g, held, odds)
        if before <= 0:
            return 0.0
        return self._held(g, [*held, visit.looks], odds) / before * self._fit(visit.said, g)

    def sweep(self) -> None:
        """Move the looks, give every visit anew, swap neighbours, learn the level."""
        at = np.array([random.random(2) for random in self._random]).reshape(-1, 2)
        chosen = np.flatnonzero(at[:, 0] < self._restless)
        for s in chosen[np.argsort(at[chosen, 1], kind="stable")].tolist():
            self._move(s)
        for visits in self.visits:
            visits.sort(key=lambda v: (self._start_h[v.looks[0]], v.looks[0]))
            for visit in visits:
                self._relabel(visit)
            for n, visit in enumerate(visits):
                step = 1 + int(self._random[visit.looks[0]].random() * 3)
                if n + step < len(visits) and visits[n].label != visits[n + step].label:
                    self._swap(visits[n], visits[n + step])
        made = float(self._made_of_ship.sum())
        unmade = float(self._watched.sum() - self._made_watched.sum())
        strength = self.m.p_trip_strength
        if self.is_learning:
            self._level = (strength * self.m.p_trip + self.m.earned * made) / (strength + made + unmade)

    def known(self) -> list[float]:
        """Of every visit of this state, the probability that a silence made it."""
        out = []
        for visits in self.visits:
            for visit in visits:
                _, weights, unknown = self._chances(visit)
                known = float(weights.sum())
                out.append(known / (known + unknown))
        return out

    def carried(
        self,
        *,
        n_before: int,
        n_states: int,
        is_fixed: bool = False,
        shares: dict[tuple[int, ...], float] | None = None,
    ) -> float:
        """Calls at the dark port that silences are expected to explain, all together; the mean over some states.

        With `is_fixed` no look is moved: only who made each visit is drawn. `shares` says how far each visit counts.
        """
        if is_fixed:
            self._restless[:] = 0.0
        total = 0.0
        for n in range(n_before + n_states):
            self.sweep()
            if n >= n_before:
                every = [visit for visits in self.visits for visit in visits]
                for visit, p in zip(every, self.known(), strict=True):
                    if self.m.ports[visit.port].is_dark:
                        total += p * (1.0 if shares is None else shares[tuple(sorted(visit.looks))]) / n_states
        return total

    @property
    def level(self) -> float:
        """How common trips are among the silences that fit, in this state."""
        return self._level

    def worth(self, s: int) -> float:
        """Weight of a look as a stay of its own, whoever made it, the rest of the state as it is."""
        x = self.m.sights[s]
        fresh = Visit(x.port, (s,), self._said((s,)))
        _, weights = self._by_silence(fresh)
        seen = float(self._alike(x.port, [fresh.said], self.visit_of[s])[0])
        return fresh.said.common * (float(weights.sum()) + self._of_unknown(x.port, fresh.looks, fresh.said, seen))

    def alone(self, p_ship: Floats) -> list[dict[int, float]]:
        """Per look, what each silence would be worth if the look were a stay of its own, and no other visit known: `{silence: p}`.

        `p_ship` is how prone the ship of each silence is to trips.
        """
        prone_odds = p_ship / (1 - np.minimum(p_ship, 1 - 1e-9))
        out = []
        for s, x in enumerate(self.m.sights):
            said = self._said((s,))
            own, quiet, trip = self._pair(s, s)
            odds = prone_odds[own] * self._fixed[own]
            weights = (quiet + odds * trip) / (self._other[own] + odds * self._trip[own]) * self._fits(said, own)
            seen = self._alike(x.port, [said], self.visit_of[s])
            nobody = x.alarm / said.common + self._of_unknown(x.port, (s,), said, float(seen[0]))
            total = float(weights.sum()) + nobody
            out.append(
                {g: w / total for g, w in zip(own.tolist(), weights.tolist(), strict=True) if w > _NEGLIGIBLE * total}
            )
        return out

    def partition(self) -> list[list[int]]:
        """The looks of every visit of this state."""
        return [list(v.looks) for visits in self.visits for v in visits]

    def run(self, *, n_before: int, n_states: int) -> Answer:
        """Means over states, after a number of sweeps that are forgotten, in which it shows which looks move at all."""
        n_sights, n_silences = len(self.m.sights), len(self.m.silences)
        moved = np.zeros(n_sights)
        for n in range(n_before):
            before = [v.looks if v is not None else () for v in self.visit_of]
            self.sweep()
            if 2 * n >= n_before:
                moved += [b != (v.looks if v is not None else ()) for b, v in zip(before, self.visit_of, strict=True)]
        self._restless = REST + (1 - REST) * moved / max(n_before - (n_before + 1) // 2, 1)
        by_look: list[dict[int, float]] = [{} for _ in range(n_sights)]
        alarm, trip, pictured, p_ship = (
            np.zeros(n_sights),
            np.zeros(n_silences),
            np.zeros(n_silences),
            np.zeros(n_silences),
        )
        level = 0.0
        states: list[list[list[int]]] = []
        for _ in range(n_states):
            self.sweep()
            made, unmade = np.zeros(n_silences), np.ones(n_silences)
            for visits in self.visits:
                for visit in visits:
                    if self.m.ports[visit.port].is_dark and visit.label >= 0:
                        made[visit.label] = 1.0
                    # Not the label that was drawn: the chances of all who may have made it count (Rao and Blackwell).
                    own, weights, unknown = self._chances(visit)
                    chances = weights / (float(weights.sum()) + unknown)
                    if self.m.ports[visit.port].is_dark:
                        unmade[own] *= 1 - chances
                    for g, p in zip(own.tolist(), chances.tolist(), strict=True):
                        if p > _NEGLIGIBLE:
                            for s in visit.looks:
                                by_look[s][g] = by_look[s].get(g, 0.0) + p / n_states
            alarm += [at is None for at in self.visit_of]
            odds = self._odds_of_all()
            unseen = odds * self._trip / (self._other + odds * self._trip)
            trip += np.where(self._feasible, np.maximum(made, unseen), 0.0)
            pictured += made
            # One state more, of chances instead of draws: what came up in all states is not certain for that.
            trip += np.where(self._feasible, 1 - unmade * (1 - unseen), 0.0) / n_states
            pictured += np.where(self._feasible, 1 - unmade, 0.0) / n_states
            prone = odds / self._fixed
            p_ship += prone / (1 + prone)
            level += self._level
            states.append(self.partition())
        n = n_states
        return Answer(
            by_look,
            alarm / n,
            trip / (n + 1),
            pictured / (n + 1),
            p_ship / n,
            level / n,
            consensus(states),
            0.0,
            n,
            states,
        )

    def _chances(self, visit: Visit) -> tuple[Ints, Floats, float]:
        """Weights of all who may have made a visit, the rest of the state as it is, and of an unknown hull."""
        label = visit.label
        self._take(visit)
        own, weights = self._by_silence(visit)
        unknown = self._unknown(visit)
        self._give(visit, label)
        return own, weights, unknown
