"""What a silence could hold, against the sums over all histories that are tested by plain enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from ghostships.inference import histories as h
from ghostships.inference.held import Held, Within

STAYS = h.Stays(median_h=10, log_sd=0.5, minimum_h=4, maximum_h=16)
WAITS = h.Waits(before_mean_h=6, between_mean_h=8, p_another_call=0.4)
LOOKS = (h.Look(12.0, 0.6, "a"), h.Look(18.0, 0.8, "b"), h.Look(22.0, 0.5, "c"), h.Look(60.0, 0.7, "d"))
AT = {"a": 12.0, "b": 18.0, "c": 22.0, "d": 60.0}
P = {look.scene: look.p_detect for look in LOOKS}
ODDS = 0.2


def silence(*seen: h.Seen, duration_h: float = 80.0, at_home: tuple[h.Seen, ...] = ()) -> h.Silence:
    dark = h.Place("X", True, 6.0, 4.0, STAYS, LOOKS, seen)
    home = h.Place("H", False, 2.0, 2.0, STAYS, (), at_home, visit_weight=0.3)
    legs = np.array([[12.0, 6.0], [6.0, 0.0]])
    return h.Silence(duration_h=duration_h, is_open=False, density=0.003, places=[dark, home], legs_h=legs, waits=WAITS)


def held(bare: h.Silence, home_h: float = 40.0) -> Held:
    at = np.array(list(AT.values()))
    return Held(
        bare, {0: Within(np.arange(4), at, at), 1: Within(np.array([9]), np.array([home_h]), np.array([home_h]))}
    )


def whole(s: h.Silence, likelihoods: dict[int, float]) -> float:
    verdict = s.weigh(odds=ODDS, likelihoods=likelihoods)
    return verdict.other + ODDS * verdict.trip


def call(number: int, scenes: str) -> h.Seen:
    return h.Seen(number, tuple((AT[s], AT[s]) for s in scenes), frozenset(scenes), tuple(P[s] for s in scenes))


@pytest.mark.parametrize("scenes", ["a", "b", "bc", "abc", "d"])
def test_a_stay_from_look_to_look_weighs_what_the_histories_say(scenes: str) -> None:
    """For the reader of a match: a visit in pictures, with unseen calls before and after, has the weight of its histories."""
    with_call = silence(call(7, scenes))
    expected = whole(with_call, {7: 1.0}) - whole(with_call, {})
    quiet, trip = held(silence()).together(((0, "abcd".index(scenes[0]), "abcd".index(scenes[-1])),))
    detected = np.prod([P[s] / (1 - P[s]) for s in scenes])
    missed = 1.0
    assert (quiet + ODDS * trip) * detected * missed == pytest.approx(expected, rel=1e-5)


def test_a_stay_at_another_port_may_be_with_or_without_a_call_at_the_dark_port() -> None:
    """For the silence that a picture at home bounds: both kinds of histories are kept apart, for the odds to weigh."""
    seen = h.Seen(9, ((40.0, 40.0),), frozenset(), ())
    with_call = silence(at_home=(seen,))
    quiet, trip = held(silence()).together(((1, 0, 0),))
    for odds in (0.01, 1.0, 50.0):
        with_it = with_call.weigh(odds=odds, likelihoods={9: 1.0})
        without = with_call.weigh(odds=odds, likelihoods={})
        gained = with_it.other - without.other + odds * (with_it.trip - without.trip)
        assert quiet + odds * trip == pytest.approx(gained, rel=1e-5)


def test_two_stays_in_one_silence_weigh_what_histories_with_both_do() -> None:
    """For a ship that stays dark for two trips: both visits together, the passage home between them."""
    both = silence(call(7, "b"), call(8, "d"))
    expected = whole(both, {7: 1.0, 8: 1.0}) - whole(both, {7: 1.0}) - whole(both, {8: 1.0}) + whole(both, {})
    quiet, trip = held(silence()).together(((0, 1, 1), (0, 3, 3)))
    detected = P["b"] / (1 - P["b"]) * P["d"] / (1 - P["d"])
    assert quiet == 0
    # With all that nobody saw before, between and after.
    assert ODDS * trip * detected == pytest.approx(expected, rel=1e-5)


def test_stays_that_overlap_weigh_nothing() -> None:
    """For nobody: one ship cannot lie at two places at once, nor leave before it came."""
    one = held(silence(), home_h=18.0)
    assert one.together(((0, 1, 2), (1, 0, 0))) == (0.0, 0.0)
    assert one.together(((0, 0, 2), (0, 1, 1))) == (0.0, 0.0)
