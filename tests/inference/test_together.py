"""Many silences in one sweep must say what each says alone."""

from __future__ import annotations

import numpy as np
import pytest

from ghostships.inference import histories as h
from ghostships.inference.together import Together

WAITS = h.Waits(before_mean_h=6, between_mean_h=8, p_another_call=0.4)


def random_silence(rng: np.random.Generator, first_call: int) -> h.Silence:
    """Some ports, some pictures, some calls: by one instant, by several, and within windows."""
    duration_h = float(rng.uniform(9, 400))
    n_places = int(rng.integers(1, 4))
    has_dark = rng.random() < 0.8
    call, places = first_call, []
    for p in range(n_places):
        stays = h.Stays(30.0, 0.5, float(rng.choice([4.0, 6.0])), 96.0)
        times = np.sort(rng.uniform(0, duration_h, 12))
        looks = [h.Look(float(t), float(rng.uniform(0.2, 0.95)), f"{p}-{i}") for i, t in enumerate(times)]
        seen = []
        for _ in range(int(rng.integers(0, 4))):
            at = int(rng.integers(0, 11))
            span = rng.choice([0.0, 0.0, 0.0, 24.0])
            windows = [(looks[at].time_h, looks[at].time_h + float(span))]
            if rng.random() < 0.5:
                windows.append((looks[at + 1].time_h, looks[at + 1].time_h))
            scenes = frozenset(looks[at + i].scene for i in range(len(windows)))
            seen.append(
                h.Seen(call, tuple(windows), scenes, tuple(looks[at + i].p_detect for i in range(len(windows))))
            )
            call += 1
        fastest = rng.uniform(0, 12, 2)
        is_dark = has_dark and p == 0
        places.append(
            h.Place(f"P{p}", is_dark, *map(float, fastest), stays, tuple(looks), tuple(seen), 1.0 if is_dark else 0.3)
        )
    return h.Silence(
        duration_h=duration_h,
        is_open=bool(rng.random() < 0.3),
        density=0.003,
        places=places,
        legs_h=rng.uniform(0, 20, (n_places, n_places)),
        waits=WAITS,
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_fleet_weighed_at_once_says_what_each_silence_says_alone(seed: int) -> None:
    """For whoever trusts the fast sums: on random silences they are the plain ones, stay by stay."""
    rng = np.random.default_rng(seed)
    silences = [random_silence(rng, 100 * i) for i in range(25)]
    calls = [s.calls for s in silences]
    assert sum(map(len, calls)) > 20
    together = Together(silences, calls)
    for _ in range(2):
        odds = rng.uniform(0.01, 2.0, len(silences))
        likelihoods = [rng.uniform(0.0, 50.0, len(own)) * (rng.random(len(own)) < 0.9) for own in calls]
        sums = together.weigh(odds, np.concatenate(likelihoods))
        first = 0
        for g, (silence, own) in enumerate(zip(silences, calls, strict=True)):
            alone = silence.weigh(odds=float(odds[g]), likelihoods=dict(zip(own, likelihoods[g].tolist(), strict=True)))
            assert sums.trip[g] == pytest.approx(alone.trip, rel=1e-9)
            assert sums.other[g] == pytest.approx(alone.other, rel=1e-9)
            shares = [alone.by_call.get(call, 0.0) for call in own]
            assert sums.share[first : first + len(own)] == pytest.approx(shares, rel=1e-9, abs=1e-12)
            first += len(own)


def test_nobody_at_all_is_no_error() -> None:
    """For a run without silences that meet a call."""
    sums = Together([], []).weigh(np.zeros(0), np.zeros(0))
    assert len(sums.trip) == len(sums.other) == len(sums.share) == 0
