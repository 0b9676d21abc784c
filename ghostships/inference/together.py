"""The histories of many silences, weighed at once: the same sums as `histories.Silence.weigh`, for a whole fleet in one sweep.

Two things make that cheap. A stay is never shorter than the shortest one allowed: what arrives within a stretch of time of that
length departs after it, so one sweep from stretch to stretch, forwards for arrivals and backwards for what they are worth, sums
every history exactly:

```
    arrivals before t  --stays-->  departures in [t, t + shortest)  --waits, passages-->  arrivals in [t, t + shortest)
```

And the weight of a stay is a product: of its length, the same everywhere, of its arrival and of its departure, which hold the
pictures. So all stays of all silences go through one matrix of lengths, a `row` for each kind of stay: one that nobody saw, or
one that explains a certain call. Rows of one place add up in a `lane`; a place has one lane for ships that have called at the dark
port and, unless it is the dark port, one for those that have not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from ghostships.inference import histories
from ghostships.inference.histories import Array, Silence, Stays

Ints = npt.NDArray[np.int64]

PADDING = 1.6
"""Silences share a block while the longest has at most so many times the grid points of the shortest (and a dozen more)."""

MOST_LOGS = 500.0
"""Pictures that miss a ship by more than exp(-500) in all do not factor in double precision: such silences are weighed alone."""


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Products of matrices on one thread: these are too small to share, and rounding must not depend on the number of cores."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@dataclass(frozen=True)
class Sums:
    """Per silence the weights `trip` and `other` of `histories.Verdict`; per pair of a silence and a call, `share` of it."""

    trip: Array
    other: Array
    share: Array


class Together:
    """Silences ready to be weighed together, again and again.

    Parameters
    ----------
    silences : any number, of any lengths
    calls : for each silence, the calls in question (some of `Silence.calls`). Pairs are numbered silence by silence in this order.

    is_blind : leave every picture out, of ships and of empty berths; no calls then

    Silences with a call whose window lasts are weighed one by one: there arrival and departure do not factor.
    """

    def __init__(self, silences: Sequence[Silence], calls: Sequence[Sequence[int]], *, is_blind: bool = False) -> None:
        first = np.concatenate([[0], np.cumsum([len(own) for own in calls])]).astype(np.int64)
        self._n_silences, self._n_pairs = len(silences), int(first[-1])
        self._pairs = [np.arange(a, b) for a, b in zip(first, first[1:], strict=False)]
        self._alone = [
            (g, s, c)
            for g, (s, c) in enumerate(zip(silences, calls, strict=True))
            if not is_blind and not _factors(s, c)
        ]
        alone = {g for g, _, _ in self._alone}
        sizes = {g: (_alike(s), len(s.grid)) for g, s in enumerate(silences) if g not in alone}
        order = sorted(sizes, key=lambda g: (sizes[g], g))
        self._blocks: list[tuple[Ints, Ints, _Block]] = []
        while order:
            kind, shortest = sizes[order[0]]
            own = [g for g in order if sizes[g][0] == kind and sizes[g][1] <= PADDING * shortest + 12]
            order = order[len(own) :]
            block = _Block([silences[g] for g in own], [calls[g] for g in own], is_blind=is_blind)
            self._blocks.append((np.array(own), np.concatenate([self._pairs[g] for g in own]), block))

    def weigh(self, odds: Array, likelihoods: Array) -> Sums:
        """Sum all histories of every silence.

        Parameters
        ----------
        odds : per silence, prior odds of a trip
        likelihoods : per pair, how much better this ship explains the call than an unknown hull does; 0: cannot be it
        """
        sums = Sums(np.zeros(self._n_silences), np.zeros(self._n_silences), np.zeros(self._n_pairs))
        for silences, pairs, block in self._blocks:
            part = block.weigh(odds[silences], likelihoods[pairs])
            sums.trip[silences], sums.other[silences], sums.share[pairs] = part.trip, part.other, part.share
        for g, silence, calls in self._alone:
            weights = dict(zip(calls, likelihoods[self._pairs[g]].tolist(), strict=True))
            verdict = silence.weigh(odds=float(odds[g]), likelihoods=weights)
            sums.trip[g], sums.other[g] = verdict.trip, verdict.other
            sums.share[self._pairs[g]] = [verdict.by_call.get(call, 0.0) for call in calls]
        return sums


def sums_of(values: Array, group: Ints, n_groups: int) -> Array:
    """The sum of the values of each group."""
    return np.bincount(group, values, n_groups).astype(np.float64)


def _factors(silence: Silence, calls: Sequence[int]) -> bool:
    """Whether every stay is a product of its arrival, length and departure, in numbers that fit."""
    instants = all(silence.explained(call).values is None for call in calls)
    return instants and all(-upto[-1] <= MOST_LOGS for _, upto in silence.missed)


def _alike(silence: Silence) -> tuple[float, int, float, float]:
    """What silences of one block have in common: their step, the shortest stay in steps, and how time is lost on the way."""
    shortest = min(int(np.flatnonzero(p.stays.masses(silence.step_h))[0]) for p in silence.places)
    return silence.step_h, shortest, silence.waits.before_mean_h, silence.waits.between_mean_h


@dataclass(frozen=True)
class _Move:
    """A way from the lane left to the lane arrived in: steps at sea, the kind of waiting before, and the weight of going."""

    start: int
    goal: int
    kind: int
    steps: int
    weight: float


class _Block:
    """Silences on grids of about one size; every array is padded to the longest."""

    def __init__(self, silences: Sequence[Silence], calls: Sequence[Sequence[int]], *, is_blind: bool) -> None:
        step_h, stretch, before_h, between_h = _alike(silences[0])
        self._stretch = stretch
        self._n = -(-max(len(s.grid) for s in silences) // self._stretch) * self._stretch
        self._density = np.array([s.density for s in silences])
        starts, ends, arrives, leaves = (_Padded(self._n) for _ in range(4))
        owner: list[int] = []
        has_called: list[bool] = []
        row_lane: list[int] = []
        row_pair: list[int] = []
        row_stays: list[Stays] = []
        moves: list[_Move] = []
        self._pair_owner = np.repeat(np.arange(len(silences)), [len(own) for own in calls])
        n_pairs = 0
        for number, (silence, own) in enumerate(zip(silences, calls, strict=True)):
            lanes: dict[tuple[int, bool], int] = {}
            for index, place in enumerate(silence.places):
                before, upto = (np.zeros(len(silence.grid)),) * 2 if is_blind else silence.missed[index]
                rows = [(n_pairs + i, silence.explained(call)) for i, call in enumerate(own)]
                rows = [(pair, seen) for pair, seen in rows if seen.place == index]
                if not rows and not place.is_dark:
                    continue
                for after in (True,) if place.is_dark else (False, True):
                    lane = lanes[index, after] = len(owner)
                    owner.append(number)
                    has_called.append(after)
                    begins = place.is_dark or not after
                    starts.add(silence.start_weights(index) * begins)
                    ends.add(silence.end_weights(index, has_called=after))
                    if place.is_dark:
                        row_lane.append(lane)
                        row_pair.append(-1)
                        arrives.add(silence.begun * np.exp(-before))
                        leaves.add(np.exp(upto))
                    for pair, seen in rows:
                        row_lane.append(lane)
                        row_pair.append(pair)
                        arrives.add(seen.arrive * np.exp(-before))
                        leaves.add(seen.leave * np.exp(upto))
                row_stays += [place.stays] * (len(row_lane) - len(row_stays))
            moves += _moves(silence, lanes)
            n_pairs += len(own)
        self._owner, self._has_called = np.array(owner, dtype=np.int64), np.array(has_called, dtype=bool)
        self._lane, self._pair = np.array(row_lane, dtype=np.int64), np.array(row_pair, dtype=np.int64)
        self._starts, self._ends = starts.array(), ends.array()
        self._arrives, self._leaves = arrives.array(), leaves.array()
        self._lengths = _Lengths(row_stays, step_h, self._stretch)
        self._waiting = _Waiting(before_h, between_h, step_h, self._stretch)
        self._forwards = _Passages([(m.start, m.goal, m) for m in moves], len(owner), self._n)
        self._backwards = _Passages([(m.goal, m.start, m) for m in moves], len(owner), self._n)

    def weigh(self, odds: Array, likelihoods: Array) -> Sums:
        """`Together.weigh` for the silences and pairs of this block."""
        weights = np.where(self._pair < 0, 1.0, np.append(likelihoods, 0.0)[self._pair])
        into_lanes = sparse.csr_array(
            (weights, (self._lane, np.arange(len(weights)))), (len(self._owner), len(weights))
        )
        departures, gone = self._forward(into_lanes)
        ends = (departures * self._ends).sum(axis=1)
        trip = sums_of(ends * self._has_called, self._owner, len(self._density))
        other = self._density + sums_of(ends * ~self._has_called, self._owner, len(self._density))
        if not len(likelihoods):
            return Sums(trip, other, np.zeros(0))
        last = self._ends * np.where(self._has_called, odds[self._owner], 1.0)[:, None]
        worth = self._backward(into_lanes, last)
        mass = weights * np.einsum("ij,ij->i", gone, worth[self._lane])
        seen = self._pair >= 0
        share = sums_of(mass[seen], self._pair[seen], len(likelihoods))
        return Sums(trip, other, share / (other + odds * trip)[self._pair_owner])

    def _forward(self, into_lanes: sparse.csr_array) -> tuple[Array, Array]:
        """Departures over time: of each lane, and of each row before its likelihood."""
        n, step = self._n, self._stretch
        arrivals, departures = self._starts.copy(), np.zeros_like(self._starts)
        arrived = arrivals[self._lane] * self._arrives
        gone = np.zeros_like(arrived)
        waited, state = np.zeros((2, len(arrivals), 2 * n)), self._waiting.empty(len(arrivals))
        for t in range(0, n, step):
            now = slice(t, t + step)
            gone[:, now] = self._lengths.departing(arrived[:, :t]) * self._leaves[:, now]
            departures[:, now] = into_lanes @ gone[:, now]
            waited[:, :, n + t : n + t + step], state = self._waiting.go_on(departures[:, now], state)
            arrivals[:, now] += self._forwards.after(waited, t, step)
            arrived[:, now] = arrivals[self._lane, now] * self._arrives[:, now]
        return departures, gone

    def _backward(self, into_lanes: sparse.csr_array, last: Array) -> Array:
        """What each departure is worth: as the last one, and by all that may follow. Time runs from the end to the start."""
        n, step = self._n, self._stretch
        # Stored from the end to the start, so that everything reads as in `_forward`.
        worth = np.ascontiguousarray(last[:, ::-1])
        leave, arrive = np.ascontiguousarray(self._leaves[:, ::-1]), np.ascontiguousarray(self._arrives[:, ::-1])
        leaving = worth[self._lane] * leave
        waited, state = np.zeros((2, len(worth), 2 * n)), self._waiting.empty(len(worth))
        for t in range(0, n, step):
            now = slice(t, t + step)
            arriving = into_lanes @ (self._lengths.departing(leaving[:, :t]) * arrive[:, now])
            waited[:, :, n + t : n + t + step], state = self._waiting.go_on(arriving, state)
            worth[:, now] += self._backwards.after(waited, t, step)
            leaving[:, now] = worth[self._lane, now] * leave[:, now]
        return worth[:, ::-1]


class _Padded:
    """Rows of one length in the making."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._rows: list[Array] = []

    def add(self, values: Array) -> None:
        """One row more, zero where its silence has ended."""
        self._rows.append(values)

    def array(self) -> Array:
        """All rows."""
        whole = np.zeros((len(self._rows), self._n))
        for row, values in zip(whole, self._rows, strict=True):
            row[: len(values)] = values
        return whole


def _moves(silence: Silence, lanes: dict[tuple[int, bool], int]) -> list[_Move]:
    """All ways between the lanes of a silence, by place and whether the dark port has been visited."""
    found = []
    for (start, after), lane in lanes.items():
        for goal, there in enumerate(silence.places):
            into = lanes.get((goal, after or there.is_dark))
            if into is not None and (goal != start or there.is_dark):
                again = silence.waits.p_another_call if after and there.is_dark else 1.0
                steps = silence.passage_steps(start, goal)
                found.append(_Move(lane, into, int(goal == start), steps, there.visit_weight * again))
    return found


class _Lengths:
    """How long stays last: what departs in the next stretch of all that arrived before it. Rows may differ in their stays."""

    def __init__(self, stays: Sequence[Stays], step_h: float, stretch: int) -> None:
        kinds = list(dict.fromkeys(stays))
        self._rows = [np.array([kind == s for s in stays]) for kind in kinds]
        self._by_length = []
        for kind in kinds:
            masses = kind.masses(step_h)
            # Row i: arrived `most - i` steps before the stretch; column: step of the stretch.
            most = len(masses) - 1
            length = most - np.arange(most)[:, None] + np.arange(stretch)[None, :]
            self._by_length.append(np.where(length <= most, masses[np.minimum(length, most)], 0.0))
        self._stretch = stretch

    def departing(self, arrived: Array) -> Array:
        """Departures in each step of the stretch that follows the arrivals."""
        if len(self._by_length) == 1:
            return self._of(arrived, self._by_length[0])
        out = np.empty((len(arrived), self._stretch))
        for rows, by_length in zip(self._rows, self._by_length, strict=True):
            out[rows] = self._of(arrived[rows], by_length)
        return out

    @staticmethod
    def _of(arrived: Array, by_length: Array) -> Array:
        n = min(arrived.shape[1], len(by_length))
        departing: Array = arrived[:, arrived.shape[1] - n :] @ by_length[len(by_length) - n :]
        return departing


class _Passages:
    """All ways into the lanes, looked up at once: what comes is what left the other end so many steps ago."""

    def __init__(self, ways: list[tuple[int, int, _Move]], n_lanes: int, n: int) -> None:
        out_of, into = (np.array([way[i] for way in ways], dtype=np.int64) for i in (0, 1))
        kind = np.array([move.kind for *_, move in ways], dtype=np.int64)
        steps = np.array([min(move.steps, n) for *_, move in ways], dtype=np.int64)
        weights = np.array([move.weight for *_, move in ways], dtype=np.float64)
        self._first = ((kind * n_lanes + out_of) * 2 * n + n - steps)[:, None]
        self._into = sparse.csr_array((weights, (into, np.arange(len(ways)))), (n_lanes, len(ways)))

    def after(self, waited: Array, t: int, n_steps: int) -> Array:
        """What comes into each lane from step `t` on. `waited` (kinds, lanes, 2n) has time 0 in the middle, zeros before."""
        came: Array = self._into @ waited.reshape(-1).take(self._first + np.arange(t, t + n_steps))
        return came


class _Waiting:
    """`histories.kernel` as a recursion, stretch by stretch, for both kinds of waiting: before a passage, between calls."""

    def __init__(self, before_h: float, between_h: float, step_h: float, stretch: int) -> None:
        self._stretch = stretch
        # Rows: what leaves in the stretch, then four sums still waiting; columns: what has waited, by kind, then the new sums.
        self._matrix = np.zeros((stretch + 4, 2 * stretch + 4))
        late = np.arange(stretch)[None, :] - np.arange(stretch)[:, None]
        ages = np.arange(1, stretch + 1)
        for kind, mean_h in enumerate((before_h, between_h)):
            columns = slice(kind * stretch, (kind + 1) * stretch)
            for slow, share in enumerate((1 - histories.LONG_SHARE, histories.LONG_SHARE)):
                stay = float(np.exp(-step_h / (mean_h * histories.LONG_FACTOR if slow else mean_h)))
                own = 2 * kind + slow
                left = np.where(late >= 0, (1 - stay) * stay ** np.maximum(late, 0), 0.0)
                self._matrix[:stretch, columns] += share * left
                self._matrix[stretch + own, columns] = share * stay**ages
                self._matrix[:stretch, 2 * stretch + own] = left[:, -1]
                self._matrix[stretch + own, 2 * stretch + own] = stay**stretch

    def empty(self, n_lanes: int) -> Array:
        """Nobody waits yet."""
        return np.zeros((n_lanes, 4))

    def go_on(self, leaving: Array, state: Array) -> tuple[Array, Array]:
        """One stretch: what has waited, by kind (2, lanes, stretch), and who waits still."""
        out = np.concatenate([leaving, state], axis=1) @ self._matrix
        waited = out[:, : 2 * self._stretch].reshape(len(out), 2, self._stretch).transpose(1, 0, 2)
        return waited, out[:, 2 * self._stretch :]
