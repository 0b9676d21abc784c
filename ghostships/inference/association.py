"""One ship is one detection of a picture at most, and a detection one ship at most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_SHIPS_EXACT = 10
"""Pictures with more ships in question than this are solved approximately: exact sums grow with two to the power of the ships."""

ROUNDS = 50


def one_each(weights: Floats, detection: Ints, ship: Ints) -> Floats:
    """Probability of each pair of a detection and a ship, from its odds against "none of these".

    Every way to give ships to detections is summed, picture by picture. Where more than ten ships are in question together the
    sum-product approximation stands in (Williams & Lau 2014, doi 10.1109/TAES.2014.120568). `ship` numbers a ship within a picture:
    the same ship in another picture has another number.
    """
    if not len(weights):
        return np.zeros(0)
    n_detections, n_ships = int(detection.max()) + 1, int(ship.max()) + 1
    size = n_detections + n_ships
    graph = coo_matrix((np.ones(len(weights)), (detection, n_detections + ship)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    part_of = component[detection]
    out = np.zeros(len(weights))
    order = np.argsort(part_of, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(part_of[order])) + 1):
        solve = _exact if len(np.unique(ship[rows])) <= MOST_SHIPS_EXACT else _approximate
        out[rows] = solve(
            weights[rows],
            np.unique(detection[rows], return_inverse=True)[1],
            np.unique(ship[rows], return_inverse=True)[1],
        )
    return out


def _exact(weights: Floats, detection: Ints, ship: Ints) -> Floats:
    """Sum over all assignments, detection by detection, over the sets of ships already given away."""
    n, sets = int(detection.max()) + 1, 1 << (int(ship.max()) + 1)
    pairs = [[(int(s), float(w)) for d, s, w in zip(detection, ship, weights, strict=True) if d == k] for k in range(n)]
    before = np.zeros((n + 1, sets))
    before[0, 0] = 1.0
    used = np.arange(sets)
    for k in range(n):
        before[k + 1] = before[k]
        for s, w in pairs[k]:
            free = used[(used >> s) & 1 == 0]
            before[k + 1, free | (1 << s)] += w * before[k, free]
    after = np.ones(sets)
    share: dict[tuple[int, int], float] = {}
    total = float(before[n].sum())
    for k in range(n - 1, -1, -1):
        here = after.copy()
        for s, w in pairs[k]:
            free = used[(used >> s) & 1 == 0]
            gain = w * after[free | (1 << s)]
            share[k, s] = float(before[k, free] @ gain) / total
            here[free] += gain
        after = here
    return np.array([share[int(d), int(s)] for d, s in zip(detection, ship, strict=True)])


def _approximate(weights: Floats, detection: Ints, ship: Ints) -> Floats:
    towards_detection, towards_ship = weights.copy(), np.ones_like(weights)
    for _ in range(ROUNDS):
        rest = np.bincount(ship, weights * towards_ship)[ship] - weights * towards_ship
        towards_detection = weights / (1 + np.maximum(rest, 0))
        rest = np.bincount(detection, towards_detection)[detection] - towards_detection
        towards_ship = 1 / (1 + np.maximum(rest, 0))
    share: Floats = towards_detection / (1 + np.bincount(detection, towards_detection)[detection])
    return share
