"""When a silent ship may have lain at a port, for all silences at once: every history of one call, on one calendar.

    silence            |------- from ------>|= = = a call of some length = = =|------ to ------->|
    calendar (steps)   0 . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . n

`histories` sums all sequences of stays of one silence, each on its own grid. Questions asked of every silence, again and again
(what if all pictures had been taken on other days? at which hour would a picture tell most?), need less and must cost less: a
silence holds one call here, and time runs on a grid that all share, so that moving a picture is moving an index. With one call a
silence the weights are those of `histories` to within the step (`tests/inference/test_alongside.py`).

All times are hours since one zero that the caller chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ghostships.inference import histories
from ghostships.inference.histories import Array, Stays

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

STEPS_H = (2.0, 3.0, 4.0, 6.0, 12.0, 24.0)
"""Divisors of a day, so that a day's shift is a whole number of steps."""

MOST_STEPS = 1500
"""The finest step is taken that keeps the calendar within this many: four months by two hours, a year by six."""

LEAST_MISSED = 1e-9
"""No picture is more certain than this to show who is there."""


@dataclass(frozen=True)
class Reached:
    """Silences in which a port was within reach; one entry per silence [h].

    `end_h` is "now" for an open one. `from_h` and `to_h` are the fastest passages there and back; `to_h` of an open silence is the
    fastest way to where it would be heard again.
    """

    start_h: Array
    end_h: Array
    is_open: Bools
    from_h: Array
    to_h: Array

    def __len__(self) -> int:
        return len(self.start_h)


@dataclass(frozen=True)
class Pictured:
    """A call in pictures: weights of the stays that explain it, from arrival `first + row` to departure `last + column`, in steps;
    `mass` is what they sum to for hulls that arrive once an hour."""

    first: int
    last: int
    stays: Array
    mass: float

    def moved(self, steps: int) -> Pictured:
        """The same call so many steps later."""
        return Pictured(self.first + steps, self.last + steps, self.stays, self.mass)


Stayed: TypeAlias = Pictured | sparse.csr_array
"""How stays are weighed: those of one call in pictures, or all that nobody saw."""


def waiting(n: int, mean_h: float, step_h: float) -> Array:
    """Chance of losing 0 to n - 1 steps on the way."""
    return histories.kernel(n, mean_h, step_h)


def call_weights(slack_h: Array, stays: Stays, before_mean_h: float, step_h: float = 1.0) -> Array:
    """Density [per h] of being back just so many hours later than the fastest passages there and back alone would allow.

    That is what a silence with that slack is worth as one call when no picture was taken; 0 where the slack is negative.
    """
    fits = np.isfinite(slack_h) & (slack_h >= 0)
    if not fits.any():
        return np.zeros(len(slack_h))
    n = int(np.ceil(slack_h[fits].max() / step_h)) + 2
    returned = _returned(n, stays, before_mean_h, step_h) / step_h
    steps = np.where(fits, slack_h, 0.0) / step_h
    return np.where(fits, np.interp(steps, np.arange(n), returned), 0.0)


def underway_weights(left_h: Array, back_h: Array, stays: Stays, before_mean_h: float, step_h: float = 1.0) -> Array:
    """The same for open silences: the chance to have arrived by now and not to be back yet.

    Parameters
    ----------
    left_h : hours since the ship could first have been there
    back_h : hours that the way back takes at best
    """
    fits = np.isfinite(left_h) & (left_h >= 0)
    if not fits.any():
        return np.zeros(len(left_h))
    n = int(np.ceil(left_h[fits].max() / step_h)) + 2
    here, gone = np.cumsum(waiting(n, before_mean_h, step_h)), np.cumsum(_returned(n, stays, before_mean_h, step_h))
    at = np.where(fits, left_h, 0.0) / step_h
    back = at - back_h / step_h
    arrived = np.interp(at, np.arange(n), here)
    returned = np.where(back >= 0, np.interp(np.maximum(back, 0.0), np.arange(n), gone), 0.0)
    return np.where(fits, np.maximum(arrived - returned, 0.0), 0.0)


def _returned(n: int, stays: Stays, before_mean_h: float, step_h: float) -> Array:
    """Chance of having lost and stayed 0 to n - 1 steps in all: before the call, in it, and after it."""
    way, stay = waiting(n, before_mean_h, step_h), stays.masses(step_h)[:n]
    size = 1 << (3 * n).bit_length()
    parts = [np.fft.rfft(way, size), np.fft.rfft(stay, size), np.fft.rfft(way, size)]
    whole: Array = np.fft.irfft(parts[0] * parts[1] * parts[2], size)[:n]
    # Transforms leave rounding of either sign behind where the sum is nothing.
    return np.where(whole > 1e-15, whole, 0.0)


class Alongside:
    """Silences against one port on one calendar.

    Parameters
    ----------
    until_h : the calendar goes at least so far
    """

    def __init__(self, reached: Reached, stays: Stays, before_mean_h: float, *, from_h: float, until_h: float) -> None:
        span = until_h - from_h + stays.maximum_h
        self.step_h = next((s for s in STEPS_H if span / s <= MOST_STEPS), STEPS_H[-1])
        # Whole days from the zero: pictures moved by days stay on the same steps.
        self.zero_h = float(np.floor(from_h / 24) * 24)
        self.n = int(np.ceil((until_h + stays.maximum_h - self.zero_h) / self.step_h)) + 1
        self.stays = stays
        masses = stays.masses(self.step_h)
        self._lengths = np.flatnonzero(masses)
        self._masses = masses[self._lengths]
        lost = waiting(self.n, before_mean_h, self.step_h)
        first = self._steps(reached.start_h + reached.from_h)
        last = self._steps(reached.end_h - reached.to_h)
        now = self._steps(reached.end_h)
        grid = np.arange(self.n)
        late, early = grid[None, :] - first[:, None], last[:, None] - grid[None, :]
        padded = np.append(lost, 0.0)
        begun = np.where(reached.is_open[:, None], grid[None, :] <= now[:, None], True)
        self.arriving: Array = padded[np.where((late >= 0) & begun, np.minimum(late, self.n - 1), self.n)]
        closed = padded[np.where(early >= 0, np.minimum(early, self.n - 1), self.n)] / self.step_h
        away = np.append(1.0 - np.cumsum(lost), 1.0)[np.where(early >= 0, np.minimum(early, self.n - 1), self.n)]
        self.worth: Array = np.where(reached.is_open[:, None], away, closed)

    def _steps(self, time_h: Array) -> Ints:
        return np.floor((time_h - self.zero_h) / self.step_h + 0.5).astype(np.int64)

    def times_h(self) -> Array:
        """The times of the calendar."""
        return np.asarray(self.zero_h + np.arange(self.n) * self.step_h, dtype=np.float64)

    def unseen(self, looks: Sequence[tuple[float, float]]) -> sparse.csr_array:
        """Weights of stays from each step (row) to each later one (column) that none of these looks (time, chance to see) saw."""
        before, upto = self._missed(looks)
        rows = np.repeat(np.arange(self.n), len(self._lengths))
        columns = rows + np.tile(self._lengths, self.n)
        inside = columns < self.n
        rows, columns = rows[inside], columns[inside]
        values = np.tile(self._masses, self.n)[inside] * np.exp(np.minimum(upto[columns] - before[rows], 0.0))
        return sparse.csr_array((values, (rows, columns)), (self.n, self.n))

    def _missed(self, looks: Sequence[tuple[float, float]]) -> tuple[Array, Array]:
        """Cumulated log of the chance to be missed by all looks before each step, and up to and including it."""
        ordered = sorted(looks)
        times = np.array([t for t, _ in ordered])
        chance = np.array([p for _, p in ordered])
        total = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(1.0 - chance, LEAST_MISSED)))])
        grid = self.times_h()
        return total[np.searchsorted(times, grid, "left")], total[np.searchsorted(times, grid, "right")]

    def pictured(
        self,
        windows: Sequence[tuple[float, float]],
        scenes: frozenset[str],
        p_detects: tuple[float, ...],
        looks: Sequence[tuple[float, float, str]],
    ) -> Pictured | None:
        """A call seen in these windows and scenes, and missed in all other looks (time, chance, scene); None where no stay fits."""
        most = self.stays.maximum_h
        start, end = min(a for a, _ in windows), max(b for _, b in windows)
        low = int(np.floor((start - most - self.zero_h) / self.step_h))
        high = int(np.ceil((end + most - self.zero_h) / self.step_h))
        grid: Array = np.asarray(self.zero_h + np.arange(low, high + 1) * self.step_h - start, dtype=np.float64)
        near = tuple(
            histories.Look(t - start, min(p, 1 - LEAST_MISSED), scene)
            for t, p, scene in looks
            if start - most - self.step_h <= t <= end + most + self.step_h
        )
        place = histories.Place("", True, 0.0, 0.0, self.stays, near, ())
        seen = histories.Seen(0, tuple((a - start, b - start) for a, b in windows), scenes, p_detects)
        weights = histories.stay_weights(place, grid, self.step_h, seen)
        rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
        if not len(rows):
            return None
        part = np.ascontiguousarray(weights[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        return Pictured(low + int(rows[0]), low + int(columns[0]), part, float(weights.sum() * self.step_h))

    def weights(self, stays: sparse.csr_array) -> Array:
        """Per silence, the weight of one call whose stay is weighed so."""
        gone = (stays.T @ self.arriving.T).T
        return np.asarray(np.einsum("ij,ij->i", gone, self.worth))

    def weights_of(self, call: Pictured) -> Array:
        """Per silence, the weight of one call that is this one."""
        (rows, a), (columns, b) = self._cut(call)
        out = np.zeros(len(self.arriving))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return out
        live = np.flatnonzero(self.arriving[:, rows].any(axis=1) & self.worth[:, columns].any(axis=1))
        gone = self.arriving[live, rows] @ call.stays[a, b]
        out[live] = np.einsum("ij,ij->i", gone, self.worth[live, columns])
        return out

    def gone(self, arriving: Array, stays: Stayed) -> Array:
        """Departures over time, of what arrives so."""
        if not isinstance(stays, Pictured):
            return np.asarray(stays.T @ arriving)
        (rows, a), (columns, b) = self._cut(stays)
        out = np.zeros(self.n)
        out[columns] = arriving[rows] @ stays.stays[a, b]
        return out

    def ahead(self, worth: Array, stays: Stayed) -> Array:
        """What arrivals are worth over time, when departures are worth so."""
        if not isinstance(stays, Pictured):
            return np.asarray(stays @ worth)
        (rows, a), (columns, b) = self._cut(stays)
        out = np.zeros(self.n)
        out[rows] = stays.stays[a, b] @ worth[columns]
        return out

    def presence(self, arriving: Array, worth: Array, stays: Stayed) -> Array:
        """Weight over time of being alongside: what has arrived by each step, less what has left by it."""
        came, left = arriving * self.ahead(worth, stays), self.gone(arriving, stays) * worth
        return np.maximum(np.cumsum(came) - np.cumsum(left), 0.0)

    def _cut(self, call: Pictured) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where a call lies on the calendar, and which part of it does: (rows, theirs), (columns, theirs)."""
        out = []
        for at, size in ((call.first, call.stays.shape[0]), (call.last, call.stays.shape[1])):
            low, high = min(max(at, 0), self.n), min(max(at + size, 0), self.n)
            out.append((slice(low, high), slice(low - at, high - at)))
        return out[0], out[1]
