"""Histories against plain enumeration, and against sums worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ghostships.inference import histories as h

STAYS = h.Stays(median_h=10, log_sd=0.5, minimum_h=4, maximum_h=16)
WAITS = h.Waits(before_mean_h=6, between_mean_h=8, p_another_call=0.4)


def enumerate_all(silence: h.Silence, odds: float, likelihoods: dict[int, float], *, blind: bool = False):
    """Every history of at most three stays, one by one, with none of the module's recursions."""
    n, step = len(silence.grid), silence.step_h

    def wait(k: int, mean: float) -> float:
        if k < 0:
            return 0.0
        quick, slow = np.exp(-step / mean), np.exp(-step / (mean * h.LONG_FACTOR))
        return (1 - h.LONG_SHARE) * (1 - quick) * quick**k + h.LONG_SHARE * (1 - slow) * slow**k

    def steps(hours: float) -> int:
        return int(np.floor(hours / step + 1e-9))

    end = round(silence.end_h / step)
    totals = {"other": silence.density, "trip": 0.0}
    by_call: dict[int, float] = {}
    by_number: dict[int, float] = {}
    options = []
    for p, place in enumerate(silence.places):
        kinds = [None] if place.is_dark else []
        if not blind:
            kinds += [s for s in place.seen if s.call in likelihoods]
        options += [(p, kind) for kind in kinds]
    matrices = {
        (p, kind.call if kind else None): h.stay_weights(silence.places[p], silence.grid, step, kind, blind=blind)
        for p, kind in options
    }
    for length in (1, 2, 3):
        for sequence in itertools.product(options, repeat=length):
            if any(a[0] == b[0] and not silence.places[a[0]].is_dark for a, b in itertools.pairwise(sequence)):
                continue
            for times in itertools.combinations_with_replacement(range(n), 2 * length):
                weight, called = 1.0, 0
                for i, (p, kind) in enumerate(sequence):
                    place, arrive, depart = silence.places[p], times[2 * i], times[2 * i + 1]
                    if i == 0:
                        weight *= wait(arrive - steps(place.from_start_h), WAITS.before_mean_h)
                    else:
                        q = sequence[i - 1][0]
                        mean = WAITS.between_mean_h if p == q else WAITS.before_mean_h
                        weight *= wait(arrive - times[2 * i - 1] - silence._legs[q, p], mean)
                    if weight == 0:
                        break
                    weight *= place.visit_weight * (WAITS.p_another_call if called and place.is_dark else 1)
                    weight *= matrices[p, kind.call if kind else None][arrive, depart]
                    weight *= likelihoods[kind.call] if kind else 1.0
                    called += place.is_dark
                if weight == 0:
                    continue
                weight *= (
                    wait(end - times[-1] - steps(silence.places[sequence[-1][0]].to_end_h), WAITS.before_mean_h) / step
                )
                weight *= (1 - WAITS.p_another_call) if called else 1.0
                totals["trip" if called else "other"] += weight
                by_number[called] = by_number.get(called, 0.0) + weight
                for _, kind in sequence:
                    if kind:
                        by_call[kind.call] = by_call.get(kind.call, 0.0) + weight * (odds if called else 1.0)
    whole = totals["other"] + odds * totals["trip"]
    return totals, {c: w / whole for c, w in by_call.items()}, by_number


def small_silence(duration_h: float = 28.0) -> h.Silence:
    looks = (h.Look(12.0, 0.6, "a"), h.Look(18.0, 0.8, "b"), h.Look(22.0, 0.5, "c"))
    dark = h.Place("X", True, 6.0, 4.0, STAYS, looks, (h.Seen(7, ((18.0, 18.0),), frozenset({"b"}), (0.8,)),))
    home = h.Place("H", False, 2.0, 2.0, STAYS, (), (h.Seen(9, ((21.0, 26.0),), frozenset(), ()),), visit_weight=0.3)
    legs = np.array([[12.0, 6.0], [6.0, 0.0]])
    # A coarse grid keeps the enumeration of three stays within reach.
    return h.Silence(duration_h=duration_h, is_open=False, density=0.003, places=[dark, home], legs_h=legs, waits=WAITS)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> h.Silence:
    monkeypatch.setattr(h, "GRID_POINTS", 8)
    return small_silence()


def test_the_sums_over_time_equal_plain_enumeration(coarse: h.Silence) -> None:
    """For the reader of a probability: it is the sum over every history, none left out (stays up to three fit here)."""
    assert coarse.step_h == 4.0
    likelihoods = {7: 5.0, 9: 40.0}
    expected, by_call, by_number = enumerate_all(coarse, 0.2, likelihoods)
    got = coarse.weigh(odds=0.2, likelihoods=likelihoods, count_calls=True)
    assert got.trip == pytest.approx(expected["trip"], rel=1e-9)
    assert got.other == pytest.approx(expected["other"], rel=1e-9)
    assert got.by_call == pytest.approx(by_call, rel=1e-9)
    assert got.n_calls is not None
    whole = expected["other"] + 0.2 * expected["trip"]
    for number, weight in by_number.items():
        if number:
            assert got.n_calls[number] == pytest.approx(0.2 * weight / whole, rel=1e-6)


def test_blind_means_that_no_picture_counts(coarse: h.Silence) -> None:
    """For the waterfall: the step before pictures must hold nothing of them."""
    expected, _, _ = enumerate_all(coarse, 0.2, {}, blind=True)
    got = coarse.weigh(odds=0.2, likelihoods={7: 5.0, 9: 40.0}, blind=True)
    assert got.trip == pytest.approx(expected["trip"], rel=1e-9)
    assert got.other == pytest.approx(0.003)


def test_a_clear_empty_picture_speaks_against_a_stay() -> None:
    """For the analyst: an empty berth in a clear picture is evidence, a clouded one is not."""
    places = [
        h.Place("X", True, 6.0, 6.0, STAYS, tuple(h.Look(t, p, str(t)) for t in (12.0, 18.0, 24.0)), ())
        for p in (0.0, 0.5, 0.95)
    ]
    legs = np.array([[18.0]])
    clouded, hazy, clear = (
        h.Silence(duration_h=36, is_open=False, density=0.01, places=[p], legs_h=legs, waits=WAITS)
        .weigh(odds=1.0, likelihoods={})
        .trip
        for p in places
    )
    assert clouded > hazy > clear > 0


def test_stays_below_the_minimum_never_happen() -> None:
    """For the ship that had four hours to spare: no history squeezes a shorter stay in."""
    place = h.Place("X", True, 10.0, 10.0, STAYS, (), ())
    tight = h.Silence(
        duration_h=23, is_open=False, density=0.01, places=[place], legs_h=np.array([[25.0]]), waits=WAITS
    )
    assert tight.weigh(odds=1.0, likelihoods={}).trip == 0.0
    just = h.Silence(duration_h=24, is_open=False, density=0.01, places=[place], legs_h=np.array([[25.0]]), waits=WAITS)
    assert just.weigh(odds=1.0, likelihoods={}).trip > 0.0


def test_an_open_silence_may_still_be_alongside() -> None:
    """For the night's report: a ship that has not come back can be at the dark port now."""
    place = h.Place("X", True, 10.0, 10.0, STAYS, (), ())
    silence = h.Silence(
        duration_h=20, is_open=True, density=0.5, places=[place], legs_h=np.array([[25.0]]), waits=WAITS
    )
    verdict = silence.weigh(odds=1.0, likelihoods={})
    assert 0 < verdict.trip < 1


def test_number_of_calls_grows_with_the_silence() -> None:
    """For throughput: ships of this trade made nine trips in one silence of months."""
    stays = h.Stays(50, 0.45, 6, 168)
    waits = h.Waits(14, 60, 0.5)
    medians = []
    for days in (4, 20, 60):
        place = h.Place("X", True, 10.0, 10.0, stays, (), ())
        silence = h.Silence(
            duration_h=24 * days, is_open=False, density=1e-9, places=[place], legs_h=np.array([[26.0]]), waits=waits
        )
        n_calls = silence.weigh(odds=1.0, likelihoods={}, count_calls=True).n_calls
        assert n_calls is not None
        assert n_calls.sum() == pytest.approx(1.0)
        medians.append(h.percentiles(n_calls, given_any=True)[1])
    assert medians[0] == 1
    assert medians[0] < medians[1] < medians[2]
