"""When the feed was down: against every way the hours may have gone, and with few false alarms."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.stats import betabinom

from ghostships.inference import outages


def test_the_chance_of_an_outage_is_the_share_of_all_histories_with_one() -> None:
    """Seven hours have 128 histories of up and down: their chances, added by hand, are what forwards and backwards give."""
    weigh = np.array([[-0.5, 1.2, 2.0, 1.5, 3.0, -1.0, -2.0], [0.1, -0.2, 0.3, 0.0, 5.0, 5.0, 0.2]])
    fails, returns = 1 / outages.HOURS_UP, 1 / outages.HOURS_DOWN
    # Before the first hour the feed is down as often as it is in the long run.
    odds = outages.HOURS_DOWN / outages.HOURS_UP
    begin = np.array([1, odds]) / (1 + odds)
    move = np.array([[1 - fails, fails], [returns, 1 - returns]])
    got = outages._smoothed(weigh)
    for row, found in zip(weigh, got, strict=True):
        total, down = 0.0, np.zeros(7)
        for states in itertools.product((0, 1), repeat=7):
            chance = begin[states[0]] * np.prod([move[a, b] for a, b in zip(states, states[1:], strict=False)])
            chance *= np.exp(sum(w for w, state in zip(row, states, strict=True) if state))
            total += chance
            down += chance * np.array(states)
        np.testing.assert_allclose(found, down / total, rtol=1e-9)


def test_the_chance_of_hearing_so_many_is_the_beta_binomial() -> None:
    """Against scipy's, less what does not depend on the state."""
    heard, tried, share, spread = (
        np.array([0.0, 3, 7, 9]),
        np.full(4, 9.0),
        np.array([0.9, 0.5, 0.9, 0.2]),
        np.full(4, 0.1),
    )
    other = np.full(4, 0.3)
    worth = 1 / spread - 1
    plain = betabinom.logpmf(heard, 9, share * worth, (1 - share) * worth) - betabinom.logpmf(
        heard, 9, other * worth, (1 - other) * worth
    )
    got = outages._log_chance(heard, tried, share, spread) - outages._log_chance(heard, tried, other, spread)
    np.testing.assert_allclose(got, plain, atol=1e-9)


def _counts(
    n_places: int, n_hours: int, n_ships: int, share: float, spread: float, seed: int
) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    tried = np.full((n_places, n_hours), float(n_ships))
    worth = 1 / spread - 1
    of_hour = rng.beta(share * worth, (1 - share) * worth, tried.shape)
    return rng.binomial(n_ships, of_hour).astype(np.float64), tried, tried * share


def test_an_outage_is_found_and_only_there() -> None:
    """Ten hours in which two of twelve are heard instead of eleven, in one of three places."""
    heard, tried, expected = _counts(3, 1000, 12, 0.92, 0.02, seed=1)
    heard[1, 400:410] = 2.0
    down = outages.chance_down(heard, tried, expected) > 0.5
    assert down[1, 400:410].all()
    assert down.sum() <= 12


def test_a_feed_that_never_fails_is_hardly_ever_called_down() -> None:
    """False alarms over 60 places and 60 days: harbours, and a sea where most hours are quiet by nature, one hour in a thousand."""
    for share, spread in ((0.92, 0.02), (0.6, 0.1), (0.25, 0.35)):
        heard, tried, expected = _counts(60, 1440, 20, share, spread, seed=2)
        assert (outages.chance_down(heard, tried, expected) > 0.5).mean() < 0.001


def test_a_few_silent_boats_are_no_outage() -> None:
    """Three boats of one quay, all off for two days: fewer than four are expected, so nothing is said."""
    tried = np.full((1, 200), 3.0)
    heard = tried.copy()
    heard[0, 80:128] = 0.0
    assert outages.chance_down(heard, tried, tried * 0.95).max() < 0.1


def test_no_places_or_hours_are_no_outage() -> None:
    """A run without AIS goes through the same river."""
    assert outages.chance_down(np.zeros((4, 0)), np.zeros((4, 0)), np.zeros((4, 0))).shape == (4, 0)
