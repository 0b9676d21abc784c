"""What was drawn, in the names of the tables: between the step that draws and those that publish."""

from __future__ import annotations

from dataclasses import dataclass

UNSURE_FROM = 0.1
"""Chains of draws that differ by more than this in a probability are told of."""


@dataclass(frozen=True)
class Drawn:
    """What the draws say, in the names of the tables.

    `visits` lists the sightings of each stay; `by_sighting` gives per sighting the probability of each silence; `p_trip`,
    `pictured` and `p_ship` per silence the probability of a call at the dark port, that pictures carry one, and how prone its ship
    is to one, `ships` its vessel key; `level` is that of the trade. `spread` is the largest difference of a probability between
    chains.
    """

    visits: list[list[str]]
    by_sighting: dict[str, dict[str, float]]
    p_trip: dict[str, float]
    pictured: dict[str, float]
    p_ship: dict[str, float]
    ships: dict[str, str]
    level: float
    spread: float
    n_states: int

    @property
    def warnings(self) -> list[str]:
        """What a reader must be told of the draws themselves."""
        if self.spread <= UNSURE_FROM:
            return []
        return [
            f"who was seen was drawn {self.n_states} times; where the pier is crowded, chains of draws differ by up to "
            f"{self.spread:.2f} in the probability of a single sighting"
        ]
