"""How often ships are heard: what is put into invented traffic must come out again, and the mathematics must be the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, sparse, stats

from ghostships.inference import heard
from ghostships.inference.opportunities import KINDS, Tries

HOURS = 24 * 40


def _world(
    rates: list[float],
    *,
    n_ships: int = 12,
    audibility: np.ndarray | None = None,
    factor_b: float = 1.0,
    level: np.ndarray | None = None,
    p_off: float = 0.0,
    seed: int = 1,
    min_gap_h: int = 6,
) -> tuple[Tries, np.ndarray]:
    """Ships that lie in one cell each, half of them of class B, heard at random; and whether each silence was chosen.

    A ship is switched off after a heard hour with probability `p_off`, for 12 to 60 hours.
    """
    rng = np.random.default_rng(seed)
    level = np.ones(HOURS) if level is None else level
    audibility = np.ones(n_ships * len(rates)) if audibility is None else audibility
    hour_rows, ship_rows, silent_rows, chosen = [], [], [], []
    for ship, a in enumerate(audibility):
        cell, is_b = ship % len(rates), (ship // len(rates)) % 2
        slot = cell * KINDS + 2 * is_b
        p = -np.expm1(-a * level * rates[cell] * (factor_b if is_b else 1.0))
        off_until, last, was_off = -1, None, False
        for hour in range(HOURS):
            if hour < off_until or rng.random() >= p[hour]:
                continue
            if last is not None:
                length = hour - last
                if length > min_gap_h:
                    for h in range(last + 1, hour + 1):
                        silent_rows.append((slot, h, h == hour, ship, len(chosen)))
                    chosen.append(was_off)
                else:
                    hour_rows += [(slot, h, h == hour) for h in range(last + 1, hour + 1)]
                    ship_rows.append((ship, slot, length))
            last, was_off = hour, bool(rng.random() < p_off)
            if was_off:
                off_until = hour + int(rng.integers(12, 60))
    keys, counts = np.unique(np.array([r[:2] for r in hour_rows]), axis=0, return_inverse=True)
    steps, n_steps = np.unique(np.array(ship_rows), axis=0, return_counts=True)
    silent = np.array(silent_rows, dtype=np.int64).reshape(-1, 5)
    return Tries(
        n_cells=len(rates),
        n_hours=HOURS,
        n_ships=len(audibility),
        first_hour=0,
        hour_slot=keys[:, 0],
        hour_at=keys[:, 1],
        hour_tries=np.bincount(counts.ravel()).astype(np.float64),
        hour_heard=np.bincount(counts.ravel(), [float(r[2]) for r in hour_rows]),
        ship_of=steps[:, 0],
        ship_slot=steps[:, 1],
        ship_step_h=steps[:, 2],
        ship_steps=n_steps.astype(np.float64),
        silent_slot=silent[:, 0],
        silent_at=silent[:, 1],
        silent_heard=silent[:, 2].astype(bool),
        silent_ship=silent[:, 3],
        silence=silent[:, 4],
        n_silences=len(chosen),
    ), np.array(chosen, dtype=bool)


def _learn(tries: Tries, *, deaf: np.ndarray | None = None) -> heard.Heard:
    nothing = sparse.csr_matrix((tries.n_cells, tries.n_cells))
    deaf = np.zeros(tries.n_hours, dtype=bool) if deaf is None else deaf
    return heard.learn(tries, nothing, min_gap_h=6, deaf=deaf)


def _chance(rate: np.ndarray) -> np.ndarray:
    return -np.expm1(-rate)


def test_rates_that_were_put_in_come_out() -> None:
    """Recovery: a sea heard in a quarter of the hours, a bay in half, a harbour in nine of ten; within 0.03."""
    rates = [0.29, 0.69, 2.3]
    tries, _ = _world(rates)
    learned = _learn(tries)
    np.testing.assert_allclose(_chance(learned.rate[:, 0]), _chance(np.array(rates)), atol=0.03)
    assert learned.zone.tolist() == [0, 1, 2]


def test_a_kind_that_is_heard_less_is_told_apart() -> None:
    """Class B at a third of the rate of class A, in the same cells: both come out within 0.05."""
    rates = [0.5, 0.9, 2.3]
    tries, _ = _world(rates, factor_b=1 / 3)
    learned = _learn(tries)
    np.testing.assert_allclose(_chance(learned.rate[:, 0]), _chance(np.array(rates)), atol=0.05)
    np.testing.assert_allclose(_chance(learned.rate[:, 2]), _chance(np.array(rates) / 3), atol=0.05)


def test_a_cell_of_few_opportunities_leans_on_its_neighbours_and_one_of_none_is_unknown() -> None:
    """Empirical Bayes: three hours heard of three say little; unknown is not heard."""
    tries, _ = _world([0.3, 0.3, 0.3, 0.3])
    few = (tries.hour_slot // KINDS == 3) & (np.cumsum(tries.hour_slot // KINDS == 3) > 3)
    cut = Tries(
        **{
            **tries.__dict__,
            "n_cells": 5,
            **{n: getattr(tries, n)[~few] for n in ("hour_slot", "hour_at", "hour_tries")},
            "hour_heard": np.where(tries.hour_slot // KINDS == 3, tries.hour_tries, tries.hour_heard)[~few],
            "silent_slot": np.where(tries.silent_slot // KINDS == 3, 0, tries.silent_slot),
            "ship_slot": np.where(tries.ship_slot // KINDS == 3, 0, tries.ship_slot),
        }
    )
    beside = np.zeros((5, 5))
    beside[3, :3] = 0.5
    learned = heard.learn(cut, sparse.csr_matrix(beside), min_gap_h=6, deaf=np.zeros(HOURS, dtype=bool))
    assert 0.2 < _chance(learned.rate[3, 0]) < 0.6
    assert (learned.rate[4] == 0).all()


def test_chosen_silences_do_not_make_reception_look_worse_nor_chance_ones_better() -> None:
    """Long silences count by the chance that the ship was on: a harbour full of boats switched off is still a harbour."""
    rates = [0.29, 2.3]
    tries, chosen = _world(rates, n_ships=20, p_off=0.02)
    learned = _learn(tries)
    np.testing.assert_allclose(_chance(learned.rate[:, 0]), _chance(np.array(rates)), atol=0.05)
    in_harbour = (tries.silent_slot[np.searchsorted(tries.silence, np.arange(len(chosen)))] // KINDS) == 1
    assert learned.p_on[in_harbour & chosen].max() < 0.1
    assert chosen.sum() > 50
    # Calibrated as a whole: as many are taken for chosen as were, within a third after a few rounds.
    assert (1 - learned.p_on).sum() == pytest.approx(chosen.sum(), rel=1 / 3)


def test_a_coast_where_all_are_heard_every_nine_hours_is_not_one_where_all_switch_off() -> None:
    """With nothing but long silences the rates must not run away: silences stay chance."""
    tries, _ = _world([0.08], n_ships=30)
    learned = _learn(tries)
    assert _chance(learned.rate[0, 0]) == pytest.approx(_chance(np.array(0.08)), abs=0.03)
    assert np.median(learned.p_on) > 0.8


def test_hours_in_which_a_zone_hears_nothing_are_told_from_those_in_which_it_hears_all() -> None:
    """The level of an hour follows the feed: passes at sea every third hour, nothing between them."""
    level = np.where(np.arange(HOURS) % 3 == 0, 3.0, 0.0)
    tries, _ = _world([0.29], n_ships=40, level=level)
    learned = _learn(tries)
    zone = learned.zone[0]
    assert learned.level[zone, 3::3].mean() > 2
    assert np.delete(learned.level[zone], np.arange(0, HOURS, 3)).mean() < 0.3


def test_hours_that_a_source_left_out_teach_nothing() -> None:
    """A day without a delivery is no evidence of bad reception, and nobody is expected in it."""
    deaf = np.zeros(HOURS, dtype=bool)
    deaf[200:260] = True
    level = np.where(deaf, 0.0, 1.0)
    tries, _ = _world([0.69], n_ships=30, level=level)
    learned = _learn(tries, deaf=deaf)
    assert _chance(learned.rate[0, 0]) == pytest.approx(0.5, abs=0.03)
    assert (learned.level[:, deaf] == 0).all()


def test_ships_that_are_heard_badly_are_known_by_it() -> None:
    """One ship in five is heard at a third of the rate: its audibility comes out lower, a newcomer's is everybody's."""
    audibility = np.where(np.arange(40) % 5 == 0, 0.33, 1.0)
    tries, _ = _world([0.9], n_ships=40, audibility=audibility)
    learned = _learn(tries)
    mean = learned.audible @ heard.AUDIBILITIES
    assert mean[:-1][audibility < 1].max() < mean[:-1][audibility == 1].min()
    assert mean[:-1].min() < mean[-1] < mean[:-1].max()
    np.testing.assert_allclose(learned.audible.sum(axis=1), 1)


def test_the_chance_of_silence_integrates_over_what_is_not_known() -> None:
    """Against numerical integration: a ship of two possible audibilities, a silence of gamma-distributed depth."""
    weights = np.zeros((1, len(heard.AUDIBILITIES)))
    weights[0, 3], weights[0, 12] = 0.3, 0.7
    summed, tail = 4.0, 2.5
    depth = stats.gamma(tail, scale=1 / tail)
    plain = sum(
        w * integrate.quad(lambda b, a=a: depth.pdf(b) * np.exp(-a * b * summed), 0, 60)[0]
        for w, a in zip(weights[0], heard.AUDIBILITIES, strict=True)
        if w
    )
    got = float(heard.unheard(np.array([summed]), weights, tail)[0])
    assert got == pytest.approx(plain, rel=1e-6)
    # Not plugged in: silence is likelier than for the ship's mean audibility in a silence of the usual depth.
    assert got > np.exp(-float(weights[0] @ heard.AUDIBILITIES) * summed)


def test_more_exposure_never_makes_silence_likelier() -> None:
    """Law, for every audibility and tail."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        weights = rng.dirichlet(np.ones(len(heard.AUDIBILITIES)))[None]
        silent = heard.unheard(np.linspace(0, 50, 40), np.repeat(weights, 40, axis=0), float(rng.uniform(0.5, 16)))
        assert silent[0] == pytest.approx(1)
        assert (np.diff(silent) < 0).all()
