"""One ship, one detection of a picture: held against every assignment, one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostships.inference.association import one_each

Pairs = list[tuple[int, int, float]]
"""(detection, ship, odds against "none of these")"""

odds = st.floats(-12, 12).map(lambda bits: 2.0**bits)


def plainly(pairs: Pairs) -> list[float]:
    """Probability of each pair by writing down every assignment there is."""
    total, each = 0.0, [0.0] * len(pairs)
    for size in range(len(pairs) + 1):
        for chosen in itertools.combinations(range(len(pairs)), size):
            detections, ships = {pairs[i][0] for i in chosen}, {pairs[i][1] for i in chosen}
            if len(detections) < size or len(ships) < size:
                continue
            weight = math.prod(pairs[i][2] for i in chosen)
            total += weight
            for i in chosen:
                each[i] += weight
    return [value / total for value in each]


def solved(pairs: Pairs) -> np.ndarray:
    return one_each(
        np.array([w for _, _, w in pairs]), np.array([d for d, _, _ in pairs]), np.array([s for _, s, _ in pairs])
    )


def sums(pairs: Pairs, shares: np.ndarray, side: int) -> np.ndarray:
    return np.bincount([p[side] for p in pairs], shares)


@st.composite
def trees(draw: st.DrawFn) -> Pairs:
    """Pairs that form no cycle: each new pair brings a new detection or a new ship, or begins another tree."""
    pairs: Pairs = []
    n_detections = n_ships = 0
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["detection", "ship", "both"])) if pairs else "both"
        if kind == "detection":
            pair = (n_detections, draw(st.integers(0, n_ships - 1)))
            n_detections += 1
        elif kind == "ship":
            pair = (draw(st.integers(0, n_detections - 1)), n_ships)
            n_ships += 1
        else:
            pair = (n_detections, n_ships)
            n_detections, n_ships = n_detections + 1, n_ships + 1
        pairs.append((*pair, draw(odds)))
    return pairs


@st.composite
def tangles(draw: st.DrawFn, largest_bits: float = 12) -> Pairs:
    """Up to three detections and three ships, any of the nine pairs, cycles welcome."""
    every = list(itertools.product(range(3), range(3)))
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=9, unique=True))
    weight = st.floats(-largest_bits, largest_bits).map(lambda bits: 2.0**bits)
    return [(d, s, draw(weight)) for d, s in sorted(chosen)]


def test_one_pair_is_its_odds() -> None:
    """Odds of 3 to 1 against nobody are three quarters."""
    np.testing.assert_allclose(solved([(0, 0, 3.0)]), [0.75])


def test_two_ships_share_one_detection_by_their_odds() -> None:
    """3 : 1 : 1 (none)."""
    np.testing.assert_allclose(solved([(0, 0, 3.0), (0, 1, 1.0)]), [0.6, 0.2])


def test_one_ship_is_not_both_of_two_detections() -> None:
    """By hand: neither 1, first 9, second 9, both not allowed."""
    np.testing.assert_allclose(solved([(0, 0, 9.0), (1, 0, 9.0)]), [9 / 19, 9 / 19])


def test_a_ship_that_is_wanted_elsewhere_leaves_room() -> None:
    """By hand, detection 0 fits ships 0 and 1, detection 1 only ship 0: 1 + 2 + 2 + 2 + 2 * 2 = 11."""
    np.testing.assert_allclose(solved([(0, 0, 2.0), (0, 1, 2.0), (1, 0, 2.0)]), [2 / 11, 6 / 11, 6 / 11])


@given(trees())
def test_without_cycles_it_is_exact(pairs: Pairs) -> None:
    """On trees messages are exact, whatever the odds (Pearl): nine digits."""
    np.testing.assert_allclose(solved(pairs), plainly(pairs), rtol=1e-9, atol=1e-12)


def test_with_cycles_it_is_close() -> None:
    """On cycles messages count some evidence twice: good where one assignment stands out, worse in a toss-up between several.

    Measured on 400 random cases up to three by three at odds up to 8 to 1: 0.003 off on average, 0.036 in the worst case of
    a hundred. The bounds are twice that; a mistake in the equations moves the mean by a hundredth and more.
    """
    random = np.random.default_rng(1)
    off = []
    for _ in range(400):
        pairs = [(d, s, float(2 ** random.uniform(-3, 3))) for d in range(3) for s in range(3) if random.random() < 0.8]
        if pairs:
            off.append(np.abs(solved(pairs) - plainly(pairs)))
    assert np.mean([case.mean() for case in off]) <= 0.006
    assert np.quantile([case.max() for case in off], 0.99) <= 0.08


def test_two_sure_ships_and_two_detections_keep_their_doubt() -> None:
    """Both ships were there for sure; the evidence which is which is 2 to 1. The answer is two thirds, not certainty.

    Two ships that lie side by side in one picture are an everyday case, and an analyst would take 0.999 for proof.
    """
    sure = 1e4
    shares = solved([(0, 0, 2 * sure), (0, 1, sure), (1, 0, sure), (1, 1, sure)])
    np.testing.assert_allclose(shares, [2 / 3, 1 / 3, 1 / 3, 2 / 3], atol=0.1)


@given(tangles(largest_bits=6))
def test_nobody_is_given_away_twice(pairs: Pairs) -> None:
    """The shares of a detection, and those of a ship within a picture, are at most 1; with "none" they are a distribution."""
    shares = solved(pairs)
    assert (shares >= 0).all()
    assert sums(pairs, shares, 0).max() <= 1
    assert sums(pairs, shares, 1).max() <= 1 + 1e-6


@given(tangles(largest_bits=40))
def test_a_detection_is_never_given_away_twice_however_sure_the_odds(pairs: Pairs) -> None:
    """Rows of one sighting must sum to 1 in every case."""
    assert sums(pairs, solved(pairs), 0).max() <= 1 + 1e-12


@given(tangles(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(pairs: Pairs, random: object) -> None:
    """Each pair keeps its share wherever it stands in the list."""
    order = list(range(len(pairs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_allclose(solved([pairs[i] for i in order]), solved(pairs)[order], rtol=1e-9, atol=1e-12)


@given(trees(), st.integers(0, 7), st.floats(1.1, 100))
def test_better_odds_never_make_a_pair_less_probable(pairs: Pairs, which: int, times: float) -> None:
    """Evidence for a pair can only help it."""
    which %= len(pairs)
    better = [(d, s, w * times if i == which else w) for i, (d, s, w) in enumerate(pairs)]
    assert solved(better)[which] > solved(pairs)[which]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_ships_alike_share_detections_alike(n: int) -> None:
    """Full symmetry in, full symmetry out."""
    shares = solved([(d, s, 4.0) for d in range(n) for s in range(n)])
    np.testing.assert_allclose(shares, shares[0])
    assert shares.sum() <= n
