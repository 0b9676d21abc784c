"""What one silence could hold: weights of every stay at a port between two pictures, alone or one after another.

    H(nothing seen) = other + odds * trip            H(a stay seen from look i to look j) = quiet[i, j] + odds * trip[i, j]

`quiet` sums the histories without, `trip` those with a stay at the dark port. Stays that nobody saw may come before and after the
pictured ones. Likelihoods of lengths and names, and the odds of detection, are for the caller to multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ghostships.inference import histories
from ghostships.inference.histories import Array, Silence

Ints = npt.NDArray[np.int64]

NEGLIGIBLE = 1e-6
"""Calls that nobody saw are added until the share they could still bring is below this."""
_MOST_STAYS = 60


@dataclass(frozen=True)
class Within:
    """Looks at one place that a silence could explain: their numbers, and when each begins and ends [h since the silence began]."""

    looks: Ints
    start_h: Array
    end_h: Array


Span = tuple[int, int, int]
"""A stay in pictures as a silence holds it: place, and the places of its first and last look in `Within`."""


class Held:
    """One silence and the looks it could explain, place by place (those without any are left out)."""

    def __init__(self, silence: Silence, within: dict[int, Within]) -> None:
        self.silence, self.within = silence, within
        self._dark = next((i for i, p in enumerate(silence.places) if p.is_dark), None)
        self._n = len(silence.grid)
        self._chains: dict[tuple[Span, ...], tuple[float, float]] = {}
        self._fronts: dict[tuple[Span, ...], Array] = {}
        self._left: dict[tuple[Span, ...], Array] = {}
        self._values: dict[Span, tuple[Array, Array]] = {}

    @cached_property
    def _stays(self) -> list[Array]:
        begun = self.silence.begun[:, None]
        return [
            histories.stay_weights(p, self.silence.grid, self.silence.step_h, None) * begun for p in self.silence.places
        ]

    @cached_property
    def _arrivals(self) -> Array:
        """Weight of arriving at each place over time (place, has called at the dark port before, time)."""
        s, n = self.silence, self._n
        out = np.zeros((len(s.places), 2, n))
        for place in range(len(s.places)):
            out[place, 0] = s.start_weights(place)
        return self._with_unseen(out)

    def _with_unseen(self, arrivals: Array) -> Array:
        """Arrivals (place, has called before, time) with those after calls at the dark port that nobody saw."""
        if self._dark is None:
            return arrivals
        out = arrivals.copy()
        front = arrivals[self._dark].sum(axis=0)
        total = front.sum()
        for _ in range(_MOST_STAYS):
            came = self._onwards(front @ self._stays[self._dark], self._dark, has_called=True)
            out[:, 1] += came
            front = came[self._dark]
            if front.sum() <= NEGLIGIBLE * max(total, 1e-300):
                break
        return out

    @cached_property
    def _worth(self) -> tuple[Array, Array]:
        """Worth of leaving each place (place, has called before leaving, time): without any call at the dark port, with one."""
        s, n = self.silence, self._n
        quiet, trip = np.zeros((len(s.places), 2, n)), np.zeros((len(s.places), 2, n))
        for place in range(len(s.places)):
            quiet[place, 0] = s.end_weights(place, has_called=False)
            trip[place, 1] = s.end_weights(place, has_called=True)
        if self._dark is None:
            return quiet, trip
        new = trip[self._dark, 1].copy()
        total = new.sum()
        for _ in range(_MOST_STAYS):
            arriving = self._stays[self._dark] @ new
            for start in range(len(s.places)):
                for called in (0, 1):
                    if start == self._dark and not called:
                        continue
                    gain = self._passed_back(arriving, start, self._dark, has_called=bool(called))
                    trip[start, called] += gain
                    if start == self._dark:
                        new = gain
            if new.sum() <= NEGLIGIBLE * max(total, 1e-300):
                break
        return quiet, trip

    def _factor(self, goal: int, *, has_called: bool) -> float:
        s = self.silence
        again = s.waits.p_another_call if has_called and s.places[goal].is_dark else 1.0
        return s.places[goal].visit_weight * again

    def _mean(self, start: int, goal: int) -> float:
        waits = self.silence.waits
        return waits.between_mean_h if start == goal else waits.before_mean_h

    def _onwards(self, gone: Array, start: int, *, has_called: bool) -> Array:
        """Arrivals at every place (place, time) of what left one; the time lost on the way is spread once for all of them."""
        s = self.silence
        lost: dict[float, Array] = {}
        out = np.zeros((len(s.places), self._n))
        for goal in range(len(s.places)):
            steps, mean_h = s.passage_steps(start, goal), self._mean(start, goal)
            if steps >= self._n or (start == goal and goal != self._dark):
                continue
            if mean_h not in lost:
                lost[mean_h] = histories.waited(gone, 0, mean_h, s.step_h)
            out[goal, steps:] = self._factor(goal, has_called=has_called) * lost[mean_h][: self._n - steps]
        return out

    def _passed_back(self, worth: Array, start: int, goal: int, *, has_called: bool) -> Array:
        if start == goal and goal != self._dark:
            return np.zeros_like(worth)
        steps = self.silence.passage_steps(start, goal)
        return self._factor(goal, has_called=has_called) * histories.waited_back(
            worth, steps, self._mean(start, goal), self.silence.step_h
        )

    @cached_property
    def _edges(self) -> dict[int, tuple[Array, Array]]:
        """Per place, whether a stay from a grid time has begun by a look, and one until then still lasts (look, time)."""
        grid, out = self.silence.grid, {}
        for place, own in self.within.items():
            span = np.maximum(own.end_h - own.start_h, 1e-9)[:, None]
            begun = np.clip((own.end_h[:, None] - grid) / span, 0.0, 1.0)
            lasts = np.clip((grid - own.start_h[:, None]) / span, 0.0, 1.0)
            instant = (own.end_h <= own.start_h)[:, None]
            begun = np.where(instant, grid <= own.start_h[:, None], begun)
            lasts = np.where(instant, grid >= own.start_h[:, None], lasts)
            out[place] = (begun.astype(np.float64), lasts.astype(np.float64))
        return out

    @cached_property
    def alone(self) -> dict[int, tuple[Array, Array]]:
        """Per place, weights of one stay in pictures, from look i (row) to look j (column): (`quiet`, `trip`)."""
        out = {}
        quiet_worth, trip_worth = self._worth
        for place in self.within:
            begun, lasts = self._edges[place]
            stays, came = self._stays[place], self._arrivals[place]
            if place == self._dark:
                whole = (came[0] + came[1])[:, None] * stays * trip_worth[place, 1]
                trip = begun @ whole @ lasts.T
                quiet = np.zeros_like(trip)
            else:
                quiet = begun @ (came[0][:, None] * stays * quiet_worth[place, 0]) @ lasts.T
                whole = (
                    came[0][:, None] * stays * trip_worth[place, 0] + came[1][:, None] * stays * trip_worth[place, 1]
                )
                trip = begun @ whole @ lasts.T
            out[place] = (quiet, trip)
        return out

    def together(self, spans: tuple[Span, ...]) -> tuple[float, float]:
        """Weights (`quiet`, `trip`) of several stays in pictures, in order of time."""
        if len(spans) == 1:
            place, i, j = spans[0]
            quiet, trip = self.alone[place]
            return float(quiet[i, j]), float(trip[i, j])
        if spans not in self._chains:
            *before, last = spans
            came = self._came(tuple(before), last[0])
            quiet_worth, trip_worth = self._worth_of(last)
            self._chains[spans] = float(came[0] @ quiet_worth), float((came * trip_worth).sum())
        return self._chains[spans]

    def _came(self, spans: tuple[Span, ...], goal: int) -> Array:
        """Weight of arriving at a place after these stays (has called at the dark port before, time)."""
        if not spans:
            first: Array = self._arrivals[goal]
            return first
        if spans not in self._fronts:
            gone, start = self._gone(spans), spans[-1][0]
            front = np.stack([self._onwards(gone[c], start, has_called=bool(c)) for c in (0, 1)], axis=1)
            self._fronts[spans] = self._with_unseen(front)
        came: Array = self._fronts[spans][goal]
        return came

    def _gone(self, spans: tuple[Span, ...]) -> Array:
        """Weight of leaving the last of these stays (has called at the dark port by then, time)."""
        if spans not in self._left:
            *before, (place, i, j) = spans
            begun, lasts = self._edges[place]
            gone: Array = (self._came(tuple(before), place) * begun[i]) @ self._stays[place] * lasts[j]
            if place == self._dark:
                gone = np.array([np.zeros(self._n), gone[0] + gone[1]])
            self._left[spans] = gone
        return self._left[spans]

    def _worth_of(self, span: Span) -> tuple[Array, Array]:
        """Worth of arriving for this last stay in pictures: without any call at the dark port (not called before), with one."""
        if span not in self._values:
            place, i, j = span
            begun, lasts = self._edges[place]
            quiet_worth, trip_worth = self._worth
            stays = self._stays[place]
            if place == self._dark:
                trip = begun[i] * (stays @ (lasts[j] * trip_worth[place, 1]))
                self._values[span] = np.zeros(self._n), np.array([trip, trip])
            else:
                quiet = begun[i] * (stays @ (lasts[j] * quiet_worth[place, 0]))
                self._values[span] = quiet, begun[i] * ((trip_worth[place] * lasts[j]) @ stays.T)
        return self._values[span]
