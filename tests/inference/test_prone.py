"""How much ships differ: the width of habits, from counts whose makers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostships.inference import prone


def counts(strength: float, level: float, *, n_ships: int, looked: int) -> tuple[np.ndarray, np.ndarray]:
    """Calls of ships whose shares of silences with a call are drawn from a Beta of this width."""
    rng = np.random.default_rng(7)
    shares = rng.beta(strength * level, strength * (1 - level), n_ships)
    return rng.binomial(looked, shares).astype(float), np.full(n_ships, float(looked))


@pytest.mark.parametrize("true", [0.5, 2.0, 8.0])
def test_the_width_that_made_the_counts_comes_back(true: float) -> None:
    """For the analyst who asks whether few ships make all trips: 400 ships of 12 watched silences tell it to within 40 %."""
    made, looked = counts(true, 0.2, n_ships=400, looked=12)
    assert prone.strength(made, looked, 0.2, prior=3.0) == pytest.approx(true, rel=0.4)


def test_without_any_watched_silence_the_route_is_believed() -> None:
    """Nothing seen, nothing learned."""
    assert prone.strength(np.zeros(5), np.zeros(5), 0.05, prior=3.0) == pytest.approx(3.0, rel=0.15)


def test_few_ships_that_make_all_calls_are_habitual_and_evenly_spread_calls_are_not() -> None:
    """Six ships with all thirty calls, or thirty with one each: the same level, another fleet."""
    looked = np.full(60, 6.0)
    few, many = np.zeros(60), np.zeros(60)
    few[:6], many[:30] = 5.0, 1.0
    assert (
        prone.strength(few, looked, 30 / 360, prior=3.0) < 1.0 < 5.0 < prone.strength(many, looked, 30 / 360, prior=3.0)
    )


@given(st.lists(st.tuples(st.floats(0, 8), st.floats(0, 8)), max_size=12), st.floats(0, 1), st.floats(0.5, 20))
def test_it_is_always_a_width_that_was_tried(ships: list[tuple[float, float]], level: float, prior: float) -> None:
    """Whatever a state of the draws holds, also more calls than watched silences, the odds stay finite."""
    made, looked = np.array([a for a, _ in ships]), np.array([b for _, b in ships])
    found = prone.strength(made, looked, level, prior=prior)
    assert prone.STRENGTHS[0] <= found <= prone.STRENGTHS[-1]
