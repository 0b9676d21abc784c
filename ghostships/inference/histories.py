"""Histories of one silence: every sequence of stays that fits between vanishing and returning, weighed on a grid of time.

    vanish                 stay (picture)                 stay (nobody looked)                     return
      |---- leg ----|==========X==========|---- turnaround ----|========X========|---- leg ----|
      t0            a1                    d1                   a2                d2            t1

A history is a sequence of stays at ports. Its weight is the product of: the time lost before the first arrival, the length of
each stay, the time between stays, the time from the last departure to the return, and what the pictures say about each stay. A
stay that covers a picture in which it was not seen pays `1 - p_detect`; a stay that explains a port call seen in pictures gains
how much better it explains it than a hull nobody knows. Weights are summed forwards and backwards over the grid, so that the
chance of each call, and of any call at all, comes out of one pass; `tests/inference` holds it against plain enumeration.

All times are hours since the silence began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LONG_SHARE = 0.15
LONG_FACTOR = 7.0
"""Share and length of the slow tail of every waiting time: queues, weather and lay-by. Own judgement, tested in simulation."""

GRID_STEPS_H = (1.0, 2.0, 3.0, 4.0, 6.0, 12.0, 24.0)
GRID_POINTS = 240
"""The finest step is taken that keeps a silence within this many points: 10 days by the hour, 40 days by four hours."""

NEGLIGIBLE = 1e-12
"""Sequences of one more stay are added until the share they could still bring is below this."""


@dataclass(frozen=True)
class Stays:
    """How long a ship stays: log-normal, cut at a minimum and a maximum [h]."""

    median_h: float
    log_sd: float
    minimum_h: float
    maximum_h: float

    def masses(self, step_h: float) -> Array:
        """Probability of a stay of 0, 1, 2... steps; sums to 1, and is zero below the minimum (always for 0). Not to be changed."""
        return _masses(self, step_h)


@lru_cache(maxsize=512)
def _masses(stays: Stays, step_h: float) -> Array:
    n = max(int(np.ceil(stays.maximum_h / step_h)), 1)
    lengths = np.arange(n + 1) * step_h
    density = np.zeros(n + 1)
    fits = (lengths >= stays.minimum_h) & (lengths > 0)
    z = (np.log(lengths[fits]) - np.log(stays.median_h)) / stays.log_sd
    density[fits] = np.exp(-0.5 * z * z) / lengths[fits]
    if not fits.any():
        density[-1] = 1.0
    masses: Array = density / density.sum()
    return masses


@dataclass(frozen=True)
class Look:
    """A picture of a port: when, and the chance of seeing a ship that is alongside."""

    time_h: float
    p_detect: float
    scene: str = ""


@dataclass(frozen=True)
class Seen:
    """A port call in pictures, as a history meets it: windows in which it was alongside at one unknown instant each."""

    call: int
    windows: tuple[tuple[float, float], ...]
    scenes: frozenset[str]
    p_detects: tuple[float, ...]


@dataclass(frozen=True)
class Place:
    """A port as this silence meets it. Stays nobody saw are considered at the dark port only."""

    name: str
    is_dark: bool
    from_start_h: float
    to_end_h: float
    stays: Stays
    looks: tuple[Look, ...]
    seen: tuple[Seen, ...]
    visit_weight: float = 1.0


@dataclass(frozen=True)
class Waits:
    """Mean times lost beyond the fastest passage [h], and the chance of another call in the same silence."""

    before_mean_h: float
    between_mean_h: float
    p_another_call: float


def missed(looks: Sequence[Look], grid: Array, skip: frozenset[str] = frozenset()) -> tuple[Array, Array]:
    """Cumulated log(1 - p_detect) of pictures before each grid time, and up to and including it."""
    used = [look for look in looks if look.scene not in skip or not look.scene]
    times = np.array([look.time_h for look in used])
    logs = np.log1p(-np.array([look.p_detect for look in used]))
    order = np.argsort(times, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(logs[order])])
    ordered = times[order]
    return total[np.searchsorted(ordered, grid, "left")], total[np.searchsorted(ordered, grid, "right")]


def stay_weights(place: Place, grid: Array, step_h: float, seen: Seen | None, *, blind: bool = False) -> Array:
    """Weight of a stay from each grid time (row) to each later one (column).

    With `seen`, the weight of the stay that explains this call: overlap with its windows, seen in its pictures, missed in
    all others. With `blind`, pictures count for nothing.
    """
    n = len(grid)
    masses = place.stays.masses(step_h)[:n]
    # By length of stay from -(n - 1) to n - 1: each row of the matrix is a window on it.
    by_length = np.concatenate([np.zeros(n - 1), masses, np.zeros(n - len(masses))])
    weights: Array = np.lib.stride_tricks.sliding_window_view(by_length, n)[::-1]
    if not blind:
        before, upto = missed(place.looks, grid, seen.scenes if seen else frozenset())
        weights = weights * np.exp(np.minimum(upto[None, :] - before[:, None], 0.0))
    if seen is not None:
        for start, end in seen.windows:
            if end <= start:
                weights = weights * ((grid[:, None] <= start) & (grid[None, :] >= start))
            else:
                overlap = np.minimum(grid[None, :], end) - np.maximum(grid[:, None], start)
                # A stay on a coarse grid may touch a short window without overlapping it by length: half a step then.
                touches = (grid[None, :] >= start) & (grid[:, None] <= end)
                share = np.clip(np.maximum(overlap, 0.5 * step_h * touches), 0.0, end - start) / (end - start)
                weights = weights * share
        weights = weights * float(np.prod(seen.p_detects))
    return np.array(weights)


@dataclass(frozen=True)
class Explained:
    """How the weight of a stay changes when it explains a call: times `arrive` of its arrival and `leave` of its departure.

    That is all as long as the call's windows are instants (and no picture is certain); a window that lasts weighs arrival and
    departure together, and then `values` holds the whole weight of such a stay instead.
    """

    place: int
    arrive: Array
    leave: Array
    values: Array | None


def _explained(index: int, place: Place, seen: Seen, grid: Array, step_h: float) -> Explained | None:
    """The stays of a place that are seen in the pictures of a call; None where none of them fits."""
    skipped = [look for look in place.looks if look.scene and look.scene in seen.scenes]
    if any(end > start for start, end in seen.windows) or any(look.p_detect >= 1 for look in place.looks):
        values = stay_weights(place, grid, step_h, seen)
        ones = np.ones(len(grid))
        return Explained(index, ones, ones, values) if values.any() else None
    before, upto = missed(skipped, grid)
    first, last = min(start for start, _ in seen.windows), max(start for start, _ in seen.windows)
    arrive = np.where(grid <= first, np.exp(before) * float(np.prod(seen.p_detects)), 0.0)
    leave = np.where(grid >= last, np.exp(-upto), 0.0)
    arrivals, departures = np.flatnonzero(arrive), np.flatnonzero(leave)
    if not len(arrivals) or not len(departures):
        return None
    shortest = max(int(departures[0] - arrivals[-1]), 0)
    fits = place.stays.masses(step_h)[shortest : len(grid)].any()
    return Explained(index, arrive, leave, None) if fits else None


def unknown_hull_mass(place: Place, seen: Seen) -> float:
    """Expected number of stays that look like this call, of hulls that arrive once an hour on average [1].

    Multiply with the arrivals per hour of unknown hulls of this length to have the weight of "none of these".
    """
    first = min(start for start, _ in seen.windows)
    last = max(end for _, end in seen.windows)
    grid = np.arange(first - place.stays.maximum_h, last + place.stays.maximum_h + 1.0)
    if len(grid) > 4 * GRID_POINTS:
        step = (grid[-1] - grid[0]) / (4 * GRID_POINTS)
        grid = np.arange(grid[0], grid[-1] + step, step)
    step = float(grid[1] - grid[0])
    return float(stay_weights(place, grid, step, seen).sum() * step)


def _geometric(mean_h: float, step_h: float) -> float:
    """Chance of waiting one more step."""
    return float(np.exp(-step_h / mean_h))


def kernel(n: int, mean_h: float, step_h: float) -> Array:
    """Chance of losing 0, 1, 2... steps on the way: exponential, with a slow tail."""
    quick, slow = _geometric(mean_h, step_h), _geometric(mean_h * LONG_FACTOR, step_h)
    late = np.arange(n)
    chances: Array = (1 - LONG_SHARE) * (1 - quick) * quick**late + LONG_SHARE * (1 - slow) * slow**late
    return chances


@lru_cache(maxsize=64)
def _wait_matrix(n: int, mean_h: float, step_h: float) -> Array:
    """`departures @ matrix` are the arrivals of `_wait` without a delay."""
    padded = np.concatenate([np.zeros(n - 1), kernel(n, mean_h, step_h)])
    return np.array(np.lib.stride_tricks.sliding_window_view(padded, n)[::-1])


def _waits(n: int, mean_h: float, step_h: float) -> Array:
    """The corner of one matrix for all lengths up to a multiple of 80 steps: what is kept stays small."""
    return _wait_matrix(-(-n // 80) * 80, mean_h, step_h)[:n, :n]


def waited(departures: Array, delay_steps: int, mean_h: float, step_h: float) -> Array:
    """Spread departures (last axis: time) over later arrivals: a fixed delay, then an exponential wait with a slow tail."""
    n = departures.shape[-1]
    arrivals = np.zeros(departures.shape)
    if delay_steps < n:
        # Whoever leaves within the delay of the end arrives after it.
        left = n - delay_steps
        arrivals[..., delay_steps:] = departures[..., :left] @ _waits(left, mean_h, step_h)
    return arrivals


def waited_back(values: Array, delay_steps: int, mean_h: float, step_h: float) -> Array:
    """The same, read backwards: what a departure is worth when arrivals are worth `values`."""
    n = values.shape[-1]
    worth = np.zeros(values.shape)
    if delay_steps < n:
        left = n - delay_steps
        worth[..., :left] = values[..., delay_steps:] @ _waits(left, mean_h, step_h).T
    return worth


@dataclass(frozen=True)
class Verdict:
    """What the histories of one silence say.

    `trip` and `other` are unnormalised weights of "at least one stay at the dark port" (before prior odds) and of everything
    else; `by_call` the share of all histories in which this silence explains a call, under the prior odds given.
    """

    trip: float
    other: float
    by_call: dict[int, float]
    n_calls: Array | None = None


class Silence:
    """One silence with its grid and stay matrices, ready to be weighed again and again with other likelihoods.

    Parameters
    ----------
    duration_h : length; for an open silence the time until now
    density : weight of "nothing of the kind" for this duration, per hour (closed) or as a chance to last so long (open)
    legs_h : fastest passages between places [h]; the diagonal of the dark port holds the fastest way home and back
    """

    def __init__(
        self,
        *,
        duration_h: float,
        is_open: bool,
        density: float,
        places: Sequence[Place],
        legs_h: Array,
        waits: Waits,
    ) -> None:
        self.places, self.waits, self.is_open, self.density = tuple(places), waits, is_open, density
        longest = max((p.stays.maximum_h for p in places), default=0.0) if is_open else 0.0
        self.step_h = next((s for s in GRID_STEPS_H if (duration_h + longest) / s <= GRID_POINTS), GRID_STEPS_H[-1])
        n = int(np.ceil((duration_h + longest) / self.step_h)) + 1
        self.grid: Array = np.arange(n, dtype=np.float64) * self.step_h
        self.end_h = duration_h
        self._legs = np.floor(np.minimum(legs_h, 1e6) / self.step_h + 1e-9).astype(int)
        # In an open silence a stay that would begin after now is none yet: the ship is still on its way.
        self._now = round(duration_h / self.step_h) if is_open else n - 1
        self._begun = (np.arange(n) <= self._now).astype(np.float64)
        self.missed = [missed(p.looks, self.grid) for p in self.places]
        self._seen: dict[int, Explained] = {}
        for index, place in enumerate(self.places):
            for seen in place.seen:
                explained = _explained(index, place, seen, self.grid, self.step_h)
                if explained is not None:
                    self._seen[seen.call] = explained
        self._start = [self._from_start(p) for p in self.places]
        self._end = [self._to_end(p) for p in self.places]
        self._coming = [self._not_yet_again(i) for i in range(len(self.places))]

    @property
    def calls(self) -> list[int]:
        """Calls in pictures that some history of this silence can explain."""
        return sorted(self._seen)

    @cached_property
    def _stays(self) -> list[Array]:
        """Per place, stays nobody saw, missed by every picture they cover; those that explain a call are made from them."""
        return [stay_weights(p, self.grid, self.step_h, None) for p in self.places]

    @property
    def begun(self) -> Array:
        """1 at the times at which a stay can have begun, 0 after now."""
        return self._begun

    def explained(self, call: int) -> Explained:
        """How this silence meets a call."""
        return self._seen[call]

    def start_weights(self, place: int) -> Array:
        """Weight of arriving at a place first, over time."""
        return self._start[place] * self.places[place].visit_weight

    def end_weights(self, place: int, *, has_called: bool) -> Array:
        """Worth of departing from a place as the last one, over time."""
        return self._last(place) if has_called else self._end[place]

    def passage_steps(self, start: int, goal: int) -> int:
        """Fastest passage between two places, in steps."""
        return int(self._legs[start, goal])

    def _delayed(self, fastest_h: float) -> Array:
        """Chance of arriving 0, 1, 2... steps after leaving, over a passage of this length at best."""
        n, delay = len(self.grid), int(np.floor(min(fastest_h, 1e6) / self.step_h + 1e-9))
        spread = np.zeros(n)
        if delay < n:
            spread[delay:] = kernel(n - delay, self.waits.before_mean_h, self.step_h)
        return spread

    def _from_start(self, place: Place) -> Array:
        return self._delayed(place.from_start_h)

    def _to_end(self, place: Place) -> Array:
        """Worth of each departure time: density of returning just when it did, or the chance not to be back by now."""
        spread = self._delayed(place.to_end_h)
        last = round(self.end_h / self.step_h)
        worth = np.zeros(len(self.grid))
        if self.is_open:
            worth[last:] = 1.0
            worth[:last] = 1.0 - np.cumsum(spread)[1 : last + 1][::-1]
        else:
            worth[: last + 1] = spread[: last + 1][::-1] / self.step_h
        return worth

    def _not_yet_again(self, place: int) -> Array:
        """Chance that the next call, if there is one, begins after now, for each departure time; zero when the ship is back."""
        n = len(self.grid)
        if not self.is_open or not self.places[place].is_dark:
            return np.zeros(n)
        begun = np.zeros(n)
        begun[: self._now + 1] = 1.0
        leg = int(self._legs[place, place])
        return 1.0 - waited_back(begun, leg, self.waits.between_mean_h, self.step_h)

    def _last(self, place: int) -> Array:
        """Worth of each departure from a place as the last one, once the dark port has been visited."""
        again = self.waits.p_another_call
        return (1 - again) * self._end[place] + again * self._coming[place]

    def weigh(
        self, *, odds: float, likelihoods: dict[int, float], blind: bool = False, count_calls: bool = False
    ) -> Verdict:
        """Sum all histories.

        Parameters
        ----------
        odds : prior odds of a trip, with all evidence that does not depend on the history
        likelihoods : per call, how much better this ship explains it than an unknown hull does; absent: cannot be it
        blind : leave every picture out, of ships and of empty berths
        count_calls : also give the distribution of the number of stays at the dark port
        """
        n_places, n = len(self.places), len(self.grid)
        used = {} if blind else {c: w for c, w in likelihoods.items() if c in self._seen and w > 0}
        matrices = [self._matrix(index, used, blind=blind) for index in range(n_places)]
        live = [p for p in range(n_places) if matrices[p] is not None]
        again = self.waits.p_another_call
        # enter[p]: factor for arriving at p before and after the dark port has been visited (rows of all arrays below).
        enter = np.array([[p.visit_weight, p.visit_weight * (again if p.is_dark else 1.0)] for p in self.places])
        total = np.zeros((n_places, 2, n))
        front = np.zeros((n_places, 2, n))
        for place in live:
            front[place, 0] = self._start[place] * enter[place, 0]
        count_front: list[dict[int, Array]] = []
        ends = np.zeros(2)
        counts: dict[int, float] = {}
        if count_calls:
            count_front = [{0: front[p, 0].copy()} for p in range(n_places)]
        for _ in range(n):
            total += front
            gone = np.zeros_like(front)
            for place in live:
                gone[place] = front[place] @ matrices[place]
                if self.places[place].is_dark:
                    gone[place, 1] += gone[place, 0]
                    gone[place, 0] = 0.0
                ends += (gone[place, 0] @ self._end[place], gone[place, 1] @ self._last(place))
            front = np.zeros_like(front)
            for start in live:
                for goal in live:
                    if goal != start or self.places[start].is_dark:
                        arrive = waited(gone[start], int(self._legs[start, goal]), self._mean(start, goal), self.step_h)
                        front[goal] += enter[goal][:, None] * arrive
            if front.sum() <= NEGLIGIBLE * total.sum():
                break
        other = self.density + ends[0]
        trip = ends[1]
        if count_calls:
            counts = self._count(count_front, matrices, live)
        whole = other + odds * trip
        by_call = self._shares(total, matrices, live, used, odds, whole, enter) if used else {}
        n_calls = None
        if count_calls:
            n_calls = np.zeros(max(counts, default=0) + 1)
            for number, weight in counts.items():
                n_calls[number] += odds * weight if number else 0.0
            n_calls[0] = other
            n_calls = n_calls / n_calls.sum()
        return Verdict(trip, other, by_call, n_calls)

    def _matrix(self, place: int, used: dict[int, float], *, blind: bool) -> Array | None:
        """Weights of all stays at a place, those that nobody saw and those that explain calls; None where there are none."""
        is_dark = self.places[place].is_dark
        if blind:
            if not is_dark:
                return None
            whole = stay_weights(self.places[place], self.grid, self.step_h, None, blind=True)
            return np.asarray(whole * self._begun[:, None])
        here = [(self._seen[c], w) for c, w in used.items() if self._seen[c].place == place]
        if not here and not is_dark:
            return None
        arrive = [self._begun * is_dark, *(e.arrive * w for e, w in here if e.values is None)]
        leave = [np.ones(len(self.grid)), *(e.leave for e, _ in here if e.values is None)]
        matrix: Array = self._stays[place] * (np.array(arrive).T @ np.array(leave))
        for explained, weight in here:
            if explained.values is not None:
                matrix += weight * explained.values
        return matrix

    def _mean(self, start: int, goal: int) -> float:
        """Mean time lost on the way: between two calls at the dark port there is a stay at home, of unknown length."""
        return self.waits.between_mean_h if goal == start else self.waits.before_mean_h

    def _shares(
        self,
        arrivals: Array,
        matrices: list[Array | None],
        live: list[int],
        used: dict[int, float],
        odds: float,
        whole: float,
        enter: Array,
    ) -> dict[int, float]:
        """Backward pass: what each departure is worth, and with it the share of histories that explain each call."""
        n_places, n = len(self.places), len(self.grid)
        worth = np.zeros((n_places, 2, n))
        new = np.zeros_like(worth)
        for place in live:
            new[place, 0] = self._end[place]
            new[place, 1] = odds * self._last(place)
        for _ in range(n):
            worth += new
            previous = np.zeros_like(worth)
            for goal in live:
                matrix = matrices[goal]
                assert matrix is not None
                after = new[goal, [1, 1]] if self.places[goal].is_dark else new[goal]
                value = enter[goal][:, None] * (after @ matrix.T)
                for start in live:
                    if start != goal or self.places[goal].is_dark:
                        leg = int(self._legs[start, goal])
                        previous[start] += waited_back(value, leg, self._mean(start, goal), self.step_h)
            new = previous
            if new.sum() <= NEGLIGIBLE * worth.sum():
                break
        shares: dict[int, float] = {}
        for call, weight in used.items():
            seen = self._seen[call]
            stays = self._stays[seen.place] if seen.values is None else seen.values
            after = worth[seen.place, [1, 1]] if self.places[seen.place].is_dark else worth[seen.place]
            mass = float((((arrivals[seen.place] * seen.arrive) @ stays) * after * seen.leave).sum())
            shares[call] = weight * mass / whole if whole > 0 else 0.0
        return shares

    def _count(self, front: list[dict[int, Array]], matrices: list[Array | None], live: list[int]) -> dict[int, float]:
        """Weight of histories by their number of stays at the dark port (0 only where another port was visited)."""
        again = self.waits.p_another_call
        counts: dict[int, float] = {}
        largest = sum(float(a.sum()) for place in front for a in place.values())
        for _ in range(len(self.grid)):
            following: list[dict[int, Array]] = [{} for _ in self.places]
            for place in live:
                matrix = matrices[place]
                assert matrix is not None
                here = self.places[place]
                for number, arrivals in front[place].items():
                    gone = arrivals @ matrix
                    after = number + 1 if here.is_dark else number
                    weight = float(gone @ (self._last(place) if after else self._end[place]))
                    counts[after] = counts.get(after, 0.0) + weight
                    for goal in live:
                        if goal == place and not here.is_dark:
                            continue
                        arrive = waited(gone, int(self._legs[place, goal]), self._mean(place, goal), self.step_h)
                        factor = self.places[goal].visit_weight
                        factor *= again if after and self.places[goal].is_dark else 1.0
                        waiting = following[goal].setdefault(after, np.zeros(len(self.grid)))
                        waiting += factor * arrive
            front = following
            if sum(float(a.sum()) for place in front for a in place.values()) <= 1e-7 * largest:
                break
        return counts


def percentiles(n_calls: Array, *, given_any: bool, at: Sequence[float] = (0.05, 0.5, 0.95)) -> list[int]:
    """Percentiles of the number of calls; with `given_any`, of those histories that hold at least one."""
    shares = n_calls.copy()
    if given_any:
        shares[0] = 0.0
    total = shares.sum()
    if total <= 0:
        return [0 for _ in at]
    cumulated = np.cumsum(shares) / total
    return [int(np.searchsorted(cumulated, q - 1e-12)) for q in at]
