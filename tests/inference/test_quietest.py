"""The quietest course is a bound: it must be the least of all courses, found by trying them all where that can be done."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostships import sphere
from ghostships.inference import quietest
from ghostships.inference.quietest import Reach, Window

BOX = (33.0, 48.0, 126.0, 147.0)


def _patch(n_rows: int, n_cols: int, lat: float = 40.0, lon: float = 135.0) -> tuple[np.ndarray, np.ndarray]:
    """Ids and centres of a patch of cells, sorted by id."""
    rows, cols = np.meshgrid(np.arange(n_rows), np.arange(n_cols), indexing="ij")
    width = 0.25 / math.cos(math.radians(lat))
    ids = np.unique(sphere.cell(lat + 0.125 + 0.25 * rows.ravel(), lon + width * (cols.ravel() + 0.5)))
    return ids, quietest.unit(*sphere.cell_centre(ids))


def _window(hours: float, at: tuple[float, float], to: tuple[float, float] | None, kn: float) -> Window:
    return Window(0.5, 0.5 + hours, quietest.unit(*at), None if to is None else quietest.unit(*to), -1, -1, kn)


def _cheapest(cost: np.ndarray, within: Reach, next_cells: list[set[int]]) -> float:
    """The least sum over every sequence of cells, one by one."""
    n, best = cost.shape[0], math.inf
    for course in itertools.product(range(len(within.cells)), repeat=n):
        fits = all(within.first[c] <= hour <= within.last[c] for hour, c in enumerate(course))
        steps = zip(course, course[1:], strict=False)
        if fits and all(within.cells[b] in next_cells[within.cells[a]] for a, b in steps):
            best = min(best, sum(cost[hour, c] for hour, c in enumerate(course)))
    return best


def test_the_least_over_spans_is_the_plain_minimum() -> None:
    """For whoever trusts E: the quick way to the quietest cell of every hour is the minimum over all cells within reach."""
    rng = np.random.default_rng(7)
    for _ in range(50):
        n, m = int(rng.integers(1, 60)), int(rng.integers(0, 40))
        first = rng.integers(0, n, m)
        last = np.minimum(first + rng.integers(0, n, m), n - 1)
        values = rng.random(m) * (rng.random(m) < 0.8)
        spans = list(zip(values, first, last, strict=True))
        plain = [min((v for v, a, b in spans if a <= h <= b), default=math.inf) for h in range(n)]
        assert quietest.least(values, first, last, n).tolist() == plain


def test_the_course_found_is_the_quietest_of_all_courses() -> None:
    """Six cells, five hours: all 7776 sequences are tried by hand, with ends to keep and cells that come and go."""
    rng = np.random.default_rng(3)
    ids, centres = _patch(2, 3)
    steps = quietest.steps_from(centres, ids, 6.0)
    next_cells = [{int(c) for c in column if c < len(ids)} for column in steps.T]
    rim = np.zeros(len(ids), dtype=bool)
    n_hours, found = 5, 0
    for _ in range(12):
        first = rng.integers(0, 3, len(ids))
        within = Reach(np.arange(len(ids)), first, np.minimum(first + rng.integers(1, 5, len(ids)), n_hours - 1))
        cost = rng.random((n_hours, len(ids)))
        expected = _cheapest(cost, within, next_cells)
        got = quietest.course(cost[None], within, steps, rim)[0]
        assert got == pytest.approx(expected)
        found += math.isfinite(expected)
    assert found >= 6


def test_from_the_rim_a_ship_may_leave_what_is_known_and_come_back_anywhere_on_it() -> None:
    """Worked by hand: eight cells in a row, seen to cost 1 each hour but the two at the ends, which are the rim and cost nothing.

    Home is the fourth: three hours out to the nearest rim, where it stays. With both ends of the row as the only places to be in
    hours 3 and 4, it crosses from one to the other at once.
    """
    ids, centres = _patch(1, 8)
    steps = quietest.steps_from(centres, ids, 6.0)
    rim = np.array([True, *[False] * 6, True])
    cost = np.ones((1, 6, 8))
    cost[0, :, [0, 7]] = 0.0
    first, last = np.array([3, 0, 0, 0, 5, 5, 5, 4]), np.array([3, 5, 5, 5, 5, 5, 5, 5])
    got = quietest.course(cost, Reach(np.arange(8), first, last), steps, rim)
    # Fourth, third, second cell: 3; the western rim in hour 3, the eastern in 4 and 5: nothing.
    assert got.tolist() == [3.0]
    assert quietest.course(cost, Reach(np.arange(8), first, last), steps, np.zeros(8, dtype=bool)).tolist() == [5.0]


def test_a_course_is_never_quieter_than_the_envelope_and_both_hear_more_where_more_is_heard() -> None:
    """Laws: envelope <= course, and a louder cell, in any hour, never lowers either."""
    rng = np.random.default_rng(5)
    ids, centres = _patch(5, 5)
    steps = quietest.steps_from(centres, ids, 12.0)
    rim, zone = np.zeros(len(ids), dtype=bool), rng.integers(0, 3, len(ids))
    window = _window(14, (40.2, 135.2), (41.1, 136.3), 12.0)
    within = quietest.reach(window, centres, None, None)
    n = window.n_hours
    for _ in range(20):
        rate, level = rng.random(len(ids)), rng.random((3, n)) * 2
        louder = rate + rng.random(len(ids)) * (rng.random(len(ids)) < 0.3)
        sums = []
        for each in (rate, louder):
            now = each[within.cells] * level[zone[within.cells]].T
            envelope = quietest.exposure(n, within, each, zone, level)
            sums.append((envelope.sum(), quietest.course(now[None], within, steps, rim)[0]))
            plain = [
                min(
                    each[c] * level[zone[c], h]
                    for c, a, b in zip(within.cells, within.first, within.last, strict=True)
                    if a <= h <= b
                )
                for h in range(n)
            ]
            np.testing.assert_allclose(envelope, plain)
            assert sums[-1][0] <= sums[-1][1] + 1e-12
        assert sums[0][0] <= sums[1][0] + 1e-12
        assert sums[0][1] <= sums[1][1] + 1e-12


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_no_straight_run_of_an_hour_leaves_the_cells_an_hour_away(seed: int) -> None:
    """A ship that sails 12 nm in the hour ends in a cell that the table allows, wherever it starts and whichever way it goes."""
    rng = np.random.default_rng(seed)
    ids, centres = _patch(7, 7)
    steps = quietest.steps_from(centres, ids, 12.0)
    lat, lon = 40.8 + rng.random(50) * 0.2, 136.0 + rng.random(50) * 0.3
    course = rng.random(50) * 2 * np.pi
    nm = 12.0 * np.sqrt(rng.random(50))
    to_lat = lat + nm * np.cos(course) / 60.01
    to_lon = lon + nm * np.sin(course) / 60.01 / np.cos(np.radians((lat + to_lat) / 2))
    here, there = np.searchsorted(ids, sphere.cell(lat, lon)), np.searchsorted(ids, sphere.cell(to_lat, to_lon))
    for a, b in zip(here, there, strict=True):
        assert b in steps[:, a]


def test_reach_is_what_the_speed_allows_from_both_ends() -> None:
    """Worked by hand: eleven whole hours lie in twelve; in the sixth the ship is up to 65 nm out at 10 kn (60 at
    the turn, and a bound may not know how the hour is used)."""
    ids, centres = _patch(1, 14, lon=134.0)
    lat, lon = sphere.cell_centre(ids)
    start = (float(lat[0]), float(lon[0]))
    within = quietest.reach(_window(12, start, start, 10.0), centres, None, None)
    away = sphere.gc_km(lat, lon, *start) / 1.852
    assert set(within.cells) == set(np.flatnonzero(away - quietest.EDGE_NM <= 65).tolist())
    assert (within.first[0], within.last[0]) == (0, 10)
    one_way = quietest.reach(_window(12, start, None, 10.0), centres, None, None)
    assert set(one_way.cells) == set(np.flatnonzero(away - quietest.EDGE_NM <= 120).tolist())
    # Fifth cell, 60 nm off, less 10.6 to its corner: in reach from 4.94 h after the start on, until as long before the end.
    assert (within.first[4], within.last[4]) == (4, 6)


def test_reach_goes_around_land() -> None:
    """A wall of land ten cells long between two bays: the far side is a whole wall's length away, not one cell."""
    ids, centres = _patch(12, 3)
    lat, _ = sphere.cell_centre(ids)
    column = np.concatenate([np.arange((lat == each).sum()) for each in np.unique(lat)])
    row = np.unique(lat, return_inverse=True)[1]
    water = (column != 1) | (row == 11)
    ids, centres, column, row = ids[water], centres[water], column[water], row[water]
    graph = quietest.touching(centres)
    west, east = int(np.flatnonzero((column == 0) & (row == 0))[0]), int(np.flatnonzero((column == 2) & (row == 0))[0])
    nobody = np.zeros(len(ids), dtype=bool)
    apart = quietest.around_land(graph, np.array([west]), rim=nobody)[0]
    straight = float(quietest.nm(centres[west], centres[east]))
    # Up ten or eleven rows of 15 nm and down again, from edge to edge at least 300 nm; the bound keeps its distance from that.
    assert straight < 40
    assert 200 < apart[east] < 300
    # Out of the open rim on both sides of the wall the ship can have been anywhere.
    free = quietest.around_land(graph, np.array([west]), rim=(row == 0))[0]
    assert free[east] == 0


def test_the_way_around_land_is_never_longer_than_the_way_by_sea() -> None:
    """A bound that is too long would call a quiet place out of reach: held against courses on open water in every direction."""
    ids, centres = _patch(16, 16)
    graph = quietest.touching(centres)
    apart = quietest.around_land(graph, np.arange(len(ids)), rim=np.zeros(len(ids), dtype=bool))
    for each, row in zip(centres, apart, strict=True):
        assert (row <= quietest.nm(centres, each) + 1e-3).all()


def test_cells_beside_the_unknown_are_the_rim() -> None:
    """Nobody knows the sea beyond the route's area: its outermost cells may be left, those in the middle of it may not."""
    ids, _ = _patch(5, 5)
    lat, lon = sphere.cell_centre(ids)
    tight = (float(lat.min()) - 0.1, float(lat.max()) + 0.1, float(lon.min()) - 0.1, float(lon.max()) + 0.1)
    rim = quietest.rim_of(ids, tight)
    middle = (np.abs(lat - np.median(lat)) < 0.3) & (np.abs(lon - np.median(lon)) < 0.4)
    assert rim[lat == lat.max()].all()
    assert not rim[middle].any()
    assert not quietest.rim_of(ids, BOX).any()
