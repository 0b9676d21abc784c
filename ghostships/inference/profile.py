"""How common properties are among silences that are alike in others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PROFILE_PRIOR = 4.0
"""How many silences the overall share is worth where few agree in the properties before."""


def where(holds: Bools, value: Floats) -> Floats:
    """1 where it holds, 0 where it does not, NaN where the value is not known."""
    return np.where(np.isnan(value), np.nan, holds.astype(float))


class Profile:
    """Shares of silences that have a property, each among those that agree in every property added before."""

    def __init__(self, counted: Bools) -> None:
        self._counted = counted
        self._seen: list[Floats] = []

    def shares(self, value: Floats, *, prior: float) -> Floats:
        """Per silence, the share of the others like it that have the property.

        Two made-up silences, of which the share `prior` have it, keep it off 0 and 1. With the share among trips as the prior, a
        property weighs nothing while there is nothing to compare it with. A property that is not known of a silence is left out
        where others are compared with it; a silence of which one is not known is not like one of which it is.
        """
        known = self._counted & ~np.isnan(value)
        has = np.where(known, value, 0.0)
        mean = (has.sum() - has + 2 * prior) / (known.sum() - known + 2)
        out = np.empty(len(value))
        # Silences of one kind (a handful of kinds, however many silences) are compared with the same others.
        before = np.array(self._seen).reshape(len(self._seen), len(value)).T
        kinds, kind = np.unique(np.nan_to_num(before, nan=-1.0), axis=0, return_inverse=True)
        for number, properties in enumerate(kinds):
            asked = properties >= 0
            alike = known & (before[:, asked] == properties[asked]).all(axis=1)
            own = kind.reshape(-1) == number
            itself = (known & alike)[own]
            n_have, n = has[alike].sum() - has[own] * itself, alike.sum() - itself
            out[own] = (n_have + PROFILE_PRIOR * mean[own]) / (n + PROFILE_PRIOR)
        return out

    def add(self, value: Floats, *, prior: float) -> Floats:
        """The same, and from now on silences must agree in this property too."""
        out = self.shares(value, prior=prior)
        self._seen.append(value)
        return out
