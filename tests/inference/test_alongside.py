"""One call a silence on a calendar: held against plain enumeration, and against the histories of each silence on its own grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ghostships.inference import histories
from ghostships.inference.alongside import Alongside, Reached, call_weights, underway_weights

STAYS = histories.Stays(24.0, 0.5, 6.0, 72.0)
BEFORE_H = 10.0
LOOKS = [(50.0, 0.9, "a"), (74.0, 0.5, "b"), (98.0, 0.7, "c")]


def reached(*, is_open: bool = False, end_h: float = 144.0) -> Reached:
    """A silence of four days from hour 48 on, eight hours from the port on one side and six on the other."""
    one = [np.array([v]) for v in (48.0, end_h, 8.0, 6.0)]
    return Reached(one[0], one[1], np.array([is_open]), one[2], one[3])


def calendar(silences: Reached | None = None) -> Alongside:
    return Alongside(silences or reached(), STAYS, BEFORE_H, from_h=24.0, until_h=168.0)


def enumerated(looks: list[tuple[float, float]], at_h: float | None = None) -> float:
    """Every arrival and departure in turn, by the definition: wait, stay, wait, and missed by every picture between."""
    step = 2.0
    wait, stay = histories.kernel(200, BEFORE_H, step), STAYS.masses(step)
    total = 0.0
    for late, length in itertools.product(range(100), range(1, len(stay))):
        arrival = 48.0 + 8.0 + late * step
        departure = arrival + length * step
        back = (144.0 - 6.0 - departure) / step
        if back < 0 or (at_h is not None and not arrival <= at_h < departure):
            continue
        missed = np.prod([1 - p for t, p in looks if arrival <= t <= departure])
        total += wait[late] * stay[length] * wait[round(back)] / step * missed
    return float(total)


@pytest.mark.parametrize("looks", [[], [(t, p) for t, p, _ in LOOKS]])
def test_weights_are_those_of_counting_every_arrival_and_departure(looks: list[tuple[float, float]]) -> None:
    """With pictures and without: for whoever compares flags on true dates with flags on others."""
    own = calendar()
    assert own.step_h == 2.0
    assert own.weights(own.unseen(looks))[0] == pytest.approx(enumerated(looks), rel=1e-9)


def test_presence_is_the_weight_of_all_stays_that_cover_an_hour() -> None:
    """Where to look next rests on it: at every hour, what counting gives."""
    own, looks = calendar(), [(t, p) for t, p, _ in LOOKS]
    there = own.presence(own.arriving[0], own.worth[0], own.unseen(looks))
    for hour, weight in zip(own.times_h(), there, strict=True):
        assert weight == pytest.approx(enumerated(looks, float(hour)), abs=1e-15, rel=1e-7)
    assert there.max() > 0


def silence(*, is_open: bool, looks: tuple[histories.Look, ...] = ()) -> histories.Silence:
    """The same silence as `histories` has it, with one call at most."""
    place = histories.Place("X", True, 8.0, 6.0, STAYS, looks, ())
    waits = histories.Waits(BEFORE_H, 1e5, 0.0)
    return histories.Silence(
        duration_h=96.0, is_open=is_open, density=1.0, places=[place], legs_h=np.array([[1e5]]), waits=waits
    )


@pytest.mark.parametrize("is_open", [False, True])
def test_one_call_a_silence_weighs_what_its_histories_weigh(is_open: bool) -> None:
    """Closed and open, without pictures: the closed form, the calendar and the histories agree to within their steps."""
    blind = silence(is_open=is_open).weigh(odds=1.0, likelihoods={}, blind=True).trip
    own = calendar(reached(is_open=is_open))
    assert own.weights(own.unseen([]))[0] == pytest.approx(blind, rel=0.06)
    if is_open:
        closed_form = underway_weights(np.array([88.0]), np.array([6.0]), STAYS, BEFORE_H)
    else:
        closed_form = call_weights(np.array([96.0 - 14.0]), STAYS, BEFORE_H)
    assert closed_form[0] == pytest.approx(blind, rel=0.02)


def test_pictures_count_as_they_do_in_the_histories() -> None:
    """Three pictures that missed the ship, on two grids of different steps."""
    looks = tuple(histories.Look(t - 48.0, p, scene) for t, p, scene in LOOKS)
    seen = silence(is_open=False, looks=looks).weigh(odds=1.0, likelihoods={}).trip
    own = calendar()
    assert own.weights(own.unseen([(t, p) for t, p, _ in LOOKS]))[0] == pytest.approx(seen, rel=0.1)


def test_a_call_in_pictures_weighs_what_it_does_in_the_histories() -> None:
    """Seen at hour 80 in scene "s", missed in the three others: the share of histories that explain it."""
    looks = [*LOOKS, (80.0, 0.9, "s")]
    place_looks = tuple(histories.Look(t - 48.0, p, scene) for t, p, scene in sorted(looks))
    seen = histories.Seen(0, ((32.0, 32.0),), frozenset({"s"}), (0.9,))
    place = histories.Place("X", True, 8.0, 6.0, STAYS, place_looks, (seen,))
    whole = histories.Silence(
        duration_h=96.0,
        is_open=False,
        density=1.0,
        places=[place],
        legs_h=np.array([[1e5]]),
        waits=histories.Waits(BEFORE_H, 1e5, 0.0),
    ).weigh(odds=1.0, likelihoods={0: 1.0})
    by_histories = whole.by_call[0] * (whole.other + whole.trip)
    own = calendar()
    call = own.pictured([(80.0, 80.0)], frozenset({"s"}), (0.9,), sorted(looks))
    assert call is not None
    assert own.weights_of(call)[0] == pytest.approx(by_histories, rel=0.1)
    covered = own.presence(own.arriving[0], own.worth[0], call)
    # It lay there when the picture was taken, all but the few stays that ended in that very step.
    assert 0.9 < covered[int((80.0 - own.zero_h) / own.step_h)] / own.weights_of(call)[0] < 1


def test_moving_a_call_is_building_it_later() -> None:
    """A day later, with all its pictures: the same weights as the call that was seen a day later."""
    own = calendar()
    looks = [*LOOKS, (80.0, 0.9, "s")]
    call = own.pictured([(80.0, 80.0)], frozenset({"s"}), (0.9,), sorted(looks))
    later = own.pictured([(104.0, 104.0)], frozenset({"s"}), (0.9,), sorted((t + 24, p, s) for t, p, s in looks))
    assert call is not None
    assert later is not None
    assert own.weights_of(call.moved(12))[0] == pytest.approx(own.weights_of(later)[0], rel=1e-12)


def test_a_port_out_of_reach_or_a_call_outside_the_silence_weighs_nothing() -> None:
    """Nothing fits: exactly nothing, not a little."""
    far = Reached(np.array([48.0]), np.array([144.0]), np.array([False]), np.array([60.0]), np.array([60.0]))
    own = calendar(far)
    assert own.weights(own.unseen([]))[0] == 0
    early = calendar()
    call = early.pictured([(30.0, 30.0)], frozenset(), (), [])
    assert call is not None
    assert early.weights_of(call)[0] == 0
    assert call_weights(np.array([-1.0, np.nan]), STAYS, BEFORE_H).tolist() == [0, 0]


def test_a_long_calendar_takes_a_coarser_step_that_divides_a_day() -> None:
    """A year of silences: bounded memory, and days still move by whole steps."""
    year = Alongside(reached(), STAYS, BEFORE_H, from_h=0.0, until_h=365 * 24.0)
    assert year.n <= 1600
    assert 24 % year.step_h == 0
