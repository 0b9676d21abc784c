"""Visits while they are being drawn (`sampler`), and what all visits of a port that are nobody's have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ghostships.inference.visits import Said, normal

UNKNOWN = -1
"""The label of a visit whose hull nobody knows; the other is that of a visit that is nobody's while it is being weighed."""
PARKED = -2
ALIKE_SD_M = 4.0
"""How well the mean lengths of two visits of one hull agree beyond the error of each."""


@dataclass(eq=False)
class Visit:
    """A stay of one hull at a port: its looks in order of time, what they say together, and the silence that made it."""

    port: int
    looks: tuple[int, ...]
    said: Said
    label: int = UNKNOWN
    slot: int = -1
    """Where its length stands among those of all visits of its port (`Lengths`); none before it is part of the state."""


class Lengths:
    """Mean lengths of the visits of a port and their errors, and whose hull nobody knows: what `Sampler._alike` sums over."""

    def __init__(self, n: int) -> None:
        self.mean_m, self.variance = np.zeros(n), np.ones(n)
        self.is_unknown = np.zeros(n, dtype=bool)
        self._free = list(range(n - 1, -1, -1))

    def keep(self, visit: Visit) -> None:
        """Note a visit as it is now."""
        if visit.slot < 0:
            visit.slot = self._free.pop()
        self.mean_m[visit.slot] = visit.said.mean_m
        self.variance[visit.slot] = visit.said.sigma_m**2 + ALIKE_SD_M**2
        self.is_unknown[visit.slot] = visit.label == UNKNOWN

    def drop(self, visit: Visit) -> None:
        """Forget a visit that is no part of the state any more."""
        self.is_unknown[visit.slot] = False
        self._free.append(visit.slot)
        visit.slot = -1


def itself(said: Said, other: Said) -> float:
    """What a visit of an unknown hull would count for itself, were it not left out."""
    if said.mean_m != said.mean_m:
        return 1.0
    if other.mean_m != other.mean_m:
        return said.usual
    return normal(said.mean_m - other.mean_m, math.sqrt(said.sigma_m**2 + other.sigma_m**2 + ALIKE_SD_M**2))
