"""One ship is one detection of a picture at most, and a detection one ship at most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDS = 25


def one_each(weights: Floats, detection: Ints, ship: Ints) -> Floats:
    """Probability of each pair of a detection and a ship, from its odds against "none of these".

    Sum-product association (Williams & Lau 2014, doi 10.1109/TAES.2014.120568): exact where the pairs form no cycle, and convergent
    always. `ship` numbers a ship within a picture: the same ship in another picture has another number.
    """
    towards_detection, towards_ship = weights.copy(), np.ones_like(weights)
    for _ in range(ROUNDS):
        rest = np.bincount(ship, weights * towards_ship)[ship] - weights * towards_ship
        towards_detection = weights / (1 + np.maximum(rest, 0))
        rest = np.bincount(detection, towards_detection)[detection] - towards_detection
        towards_ship = 1 / (1 + np.maximum(rest, 0))
    share: Floats = towards_detection / (1 + np.bincount(detection, towards_detection)[detection])
    return share
