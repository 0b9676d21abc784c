"""Draws against the sum over all states, one by one, on problems small enough to write all of them down."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import norm

from ghostships.inference import chains, sampler, visits
from ghostships.inference import histories as h
from ghostships.inference.held import Held, Within

STAYS = h.Stays(median_h=20, log_sd=0.5, minimum_h=6, maximum_h=48)
WAITS = h.Waits(before_mean_h=8, between_mean_h=24, p_another_call=0.2)
MIDDLE_M, SPREAD_M = 120.0, 25.0
SHIP_M = (100.0, 125.0)
NAMED = {0: 0.05, 1: 8.0}


def sight(at_h: float, length_m: float, picture: str, names: dict[int, float] | None = None) -> visits.Sight:
    alarm = 0.05 * norm.pdf(length_m, MIDDLE_M, 45)
    gain = math.log(0.8 / 0.2)
    key = int(at_h * 1000 + length_m)
    return visits.Sight(0, at_h, at_h, length_m, 9.0, key, picture, picture, gain, alarm, "", names or {})


def model(sights: list[visits.Sight], starts_h: tuple[float, ...], length_h: float, odds: float) -> visits.Model:
    times = np.array([x.start_h for x in sights])
    pictures = [h.Look(t, 0.8, p) for t, p in sorted({(x.start_h, x.picture) for x in sights})]
    quiet = []
    for ship, start in enumerate(starts_h):
        looks = tuple(
            h.Look(x.time_h - start, x.p_detect, x.scene) for x in pictures if 0 <= x.time_h - start <= length_h
        )
        place = h.Place("X", True, 6.0, 6.0, STAYS, looks, ())
        silence = h.Silence(
            duration_h=length_h, is_open=False, density=0.002, places=[place], legs_h=np.array([[24.0]]), waits=WAITS
        )
        inside = np.flatnonzero((times >= start + 6) & (times <= start + length_h - 6))
        within = {0: Within(inside, times[inside] - start, times[inside] - start)} if len(inside) else {}
        verdict = silence.weigh(odds=1.0, likelihoods={})
        quiet.append(visits.Quiet(ship, math.log2(odds), verdict.trip, verdict.other, 0.9, True, Held(silence, within)))
    looks_at = np.arange(len(sights))
    port = visits.Port(True, looks_at, 0.01, 0.0, 720.0, visits.masses(times, times, pictures, STAYS), STAYS.maximum_h)
    # One silence for each ship, and a level that does not move: then the odds of each are the same in every state.
    return visits.Model(sights, quiet, [port], np.array(SHIP_M), MIDDLE_M, SPREAD_M, 0.5, 1e12, 1e12, 1.0, shifts={})


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    first, *rest = items
    for n in range(len(rest) + 1):
        for mates in itertools.combinations(rest, n):
            for others in partitions([i for i in rest if i not in mates]):
                yield [[first, *mates], *others]


def enumerate_states(m: visits.Model) -> tuple[list[dict[int, float]], list[float], list[float], list[float]]:
    """Per look the share of each silence and of no hull; per silence, of any call and of a pictured one."""
    n, n_ships = len(m.sights), len(m.silences)
    total, alarm = 0.0, [0.0] * n
    by_look: list[dict[int, float]] = [{} for _ in range(n)]
    pictured, trip = [0.0] * n_ships, [0.0] * n_ships
    port = m.ports[0]
    for mask in itertools.product((False, True), repeat=n):
        hulls = [s for s in range(n) if not mask[s]]
        for found in partitions(hulls):
            if any(len({m.sights[s].picture for s in visit}) < len(visit) for visit in found):
                continue
            for labels in itertools.product(range(-1, n_ships), repeat=len(found)):
                weight = math.prod(m.sights[s].alarm for s in range(n) if mask[s])
                own: dict[int, list[list[int]]] = {}
                for visit, g in zip(found, labels, strict=True):
                    weight *= math.prod(math.exp(m.sights[s].gain) for s in visit)
                    lengths = [m.sights[s].length_m for s in visit]
                    if g >= 0:
                        own.setdefault(g, []).append(visit)
                        names = [m.sights[s].names.get(m.silences[g].ship, 1.0) for s in visit]
                        name = math.prod(names)
                        if name == 1:
                            weight *= math.prod(norm.pdf(x, SHIP_M[m.silences[g].ship], 9.0) for x in lengths)
                        else:
                            weight *= density_of_unknown(lengths) * name
                    else:
                        weight *= port.fresh_per_h * port.mass[visit[0], visit[-1]] * density_of_unknown(lengths)
                for g, q in enumerate(m.silences):
                    nothing = q.other + 2.0**q.bits * q.trip
                    if g in own:
                        spans = []
                        for visit in sorted(own[g]):
                            inside = q.held.within.get(0)
                            where = {int(s): k for k, s in enumerate(inside.looks)} if inside else {}
                            if visit[0] not in where or visit[-1] not in where:
                                spans = []
                                break
                            spans.append((0, where[visit[0]], where[visit[-1]]))
                        quiet, trips = q.held.together(tuple(spans)) if spans else (0.0, 0.0)
                        weight *= (quiet + 2.0**q.bits * trips) / nothing
                if weight <= 0:
                    continue
                total += weight
                for s in range(n):
                    alarm[s] += weight * mask[s]
                for visit, g in zip(found, labels, strict=True):
                    for s in visit if g >= 0 else ():
                        by_look[s][g] = by_look[s].get(g, 0.0) + weight
                for g, q in enumerate(m.silences):
                    odds = 2.0**q.bits
                    unseen = odds * q.trip / (q.other + odds * q.trip)
                    pictured[g] += weight * (g in own)
                    trip[g] += weight * (1.0 if g in own else unseen)
    return (
        [{g: w / total for g, w in own.items()} for own in by_look],
        [w / total for w in alarm],
        [w / total for w in trip],
        [w / total for w in pictured],
    )


def density_of_unknown(lengths: list[float]) -> float:
    """Density of lengths measured of one hull of the trade, by numbers on a fine grid of its true length."""
    true = np.linspace(0, 260, 5201)
    density = norm.pdf(true, MIDDLE_M, SPREAD_M) * math.prod(norm.pdf(x, true, 9.0) for x in lengths)
    return float(density.sum() * (true[1] - true[0]))


PROBLEMS = {
    "one ship, two looks": ([sight(30, 101, "a"), sight(50, 97, "b")], (0.0,), 96.0, 0.3),
    "two ships alike and one picture of two hulls": (
        [sight(30, 104, "a"), sight(30, 118, "a"), sight(52, 112, "b")],
        (0.0, 8.0),
        90.0,
        0.5,
    ),
    "two calls in one silence, and a name": (
        [sight(30, 110, "a"), sight(54, 121, "b", NAMED), sight(120, 118, "c")],
        (0.0, 10.0),
        170.0,
        1.0,
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_draws_come_as_often_as_the_sum_over_all_states_says(name: str) -> None:
    """For whoever stakes a name on a probability: drawn and summed answers agree within the error of drawing."""
    m = model(*PROBLEMS[name])
    by_look, alarm, trip, pictured = enumerate_states(m)
    answer = chains.draw(m, [[s] for s in range(len(m.sights))], n_before=50, n_states=1_500, n_chains=2)
    for s, expected in enumerate(by_look):
        for g in range(len(m.silences)):
            assert answer.by_look[s].get(g, 0.0) == pytest.approx(expected.get(g, 0.0), abs=0.03), (s, g)
    assert answer.alarm == pytest.approx(alarm, abs=0.03)
    assert answer.trip == pytest.approx(trip, abs=0.03)
    assert answer.pictured == pytest.approx(pictured, abs=0.03)


def test_the_same_problem_is_drawn_the_same_way_again() -> None:
    """For a court: the same input gives the same answer, digit by digit."""
    m, n = model(*PROBLEMS["two ships alike and one picture of two hulls"]), [[0], [1], [2]]
    first, second = (chains.draw(m, n, n_before=3, n_states=5, n_chains=2) for _ in range(2))
    assert first.by_look == second.by_look
    assert np.array_equal(first.trip, second.trip)
    assert first.visits == second.visits


def test_no_look_is_lost_or_in_two_visits() -> None:
    """For nobody: whatever moves, every look is in one visit or none, and no visit holds two detections of one picture."""
    m = model(*PROBLEMS["two ships alike and one picture of two hulls"])
    chain = sampler.Sampler(m, [[0, 2], [1]], 5)
    for _ in range(200):
        chain.sweep()
        inside = [s for visit in chain.partition() for s in visit]
        assert len(inside) == len(set(inside))
        assert sorted(inside) == [s for s, v in enumerate(chain.visit_of) if v is not None]
        for visit in chain.partition():
            assert len({m.sights[s].picture for s in visit}) == len(visit)
