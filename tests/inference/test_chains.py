"""What is made of the draws before it is published: doubt, and odds as bold as they deserve."""

from __future__ import annotations

import numpy as np
import pytest
from test_sampler import PROBLEMS, model

from ghostships.inference import chains


@pytest.fixture(scope="module", params=sorted(PROBLEMS))
def drawn(request: pytest.FixtureRequest) -> tuple:  # type: ignore[type-arg]
    m = model(*PROBLEMS[request.param])
    start = [[s] for s in range(len(m.sights))]
    return m, chains.draw(m, start, n_before=5, n_states=20, n_chains=2)


def test_no_look_is_ever_surely_anybodys(drawn: tuple) -> None:  # type: ignore[type-arg]
    """For a court: a hull that nobody knows is never ruled out, and a look's shares never exceed one."""
    m, answer = drawn
    for own in chains.doubted(m, answer).by_look:
        assert sum(own.values()) <= chains.SUREST + 1e-12


def test_without_doubt_nothing_changes_but_certainty(drawn: tuple) -> None:  # type: ignore[type-arg]
    """The mixture is the only change: with none of it the draws stand."""
    m, answer = drawn
    for before, after in zip(answer.by_look, chains.doubted(m, answer, doubt=0.0).by_look, strict=True):
        for g, p in before.items():
            assert after[g] == pytest.approx(p, abs=1e-3)


def test_calibration_brings_no_flag_and_takes_none_away(drawn: tuple) -> None:  # type: ignore[type-arg]
    """One half stays one half: odds are bolder on both sides, and none passes to the other."""
    m, answer = drawn
    after = chains.calibrated(m, answer)
    assert np.array_equal(after.trip >= 0.5, answer.trip >= 0.5)
    assert (after.trip <= chains.SUREST).all() or max(p for own in answer.by_look for p in own.values()) > chains.SUREST


def test_a_trip_is_as_likely_as_any_look_at_its_ship_there(drawn: tuple) -> None:  # type: ignore[type-arg]
    """Whoever is in the picture called: no calibration may contradict that."""
    m, answer = drawn
    after = chains.calibrated(m, chains.doubted(m, answer))
    for s in (s for port in m.ports if port.is_dark for s in port.looks.tolist()):
        for g, p in after.by_look[s].items():
            assert after.trip[g] >= p


def test_what_looks_like_another_trade_is_a_ship_of_this_one_as_seldom_as_told(drawn: tuple) -> None:  # type: ignore[type-arg]
    """For the ship at the coal pier: never ruled out, but far less likely than at a pier of this trade."""
    m, _ = drawn
    start = [[s] for s in range(len(m.sights))]
    doubtful = chains.of_another_trade(m, start, [0], p_wrong=0.15)
    assert doubtful.sights[1:] == m.sights[1:]
    plain, answer = (chains.draw(x, start, n_before=20, n_states=400, n_chains=2) for x in (m, doubtful))
    assert 0.0 < sum(answer.by_look[0].values()) < 0.5 * sum(plain.by_look[0].values())
    assert answer.alarm[0] > 0.6
