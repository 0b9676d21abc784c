"""The quietest course: where a silent ship may have been hour by hour, and the least it can have been exposed to being heard.

First an envelope: at every hour the ship is put into the cell where it would have been heard least among all cells it could have
reached from where it vanished and from which it could still be where it came back:

```
A  3 3 2                          2 3 3  B       rate per hour, summed
    \\  1 .5  0  0  0  0  .5  1  /
     the farther it can have gone, the quieter the quietest cell within reach
```

No real course is quieter; but the envelope may be at opposite ends of the sea in two hours that follow. Therefore, where that
could matter, the quietest of all courses that a ship can sail is looked for: hour by hour from cell to cell no farther apart than
its speed allows, inside the same reach (dynamic programming over all of them; `tests/inference/test_quietest.py` enumerates).
That one is no quieter than the envelope, and no louder than what the ship did: of all ways to look at a real course once an hour,
one finds no more than the hours do in full.

Reach goes around land: distances are those of a graph of cells that touch, made short enough that no course on the water is
shorter (`SHORTEST`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from ghostships import sea, sphere
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TOUCH_KM = 41.0
"""Centres of cells that share an edge or a corner are at most this far apart; others at least 55 km (`sphere.cell`)."""
SHORTEST = 1 / 1.16
"""From centre to centre a course zigzags: in rows of cells that are shifted against each other it is at most 15.5 % longer than
the straight line (a triangular lattice's worst direction), less its ends, which `EDGE_NM` allows for."""
EDGE_NM = sphere.CELL_ROW_DEG * 60 / math.sqrt(2)
"""A ship reaches a cell when it reaches its corner, half a diagonal before the centre."""
ENDS_NM = 2 * TOUCH_KM / KM_PER_NM
"""A course may cut a corner of the first and of the last cell on its way."""
FARTHEST_NM = 400.0
"""Land is gone around up to this far. Farther off it is ignored, which puts a ship nearer than it can be, never farther."""

SPEEDS_NM = (6.0, 9.0, 12.0, 15.0, 18.0, 22.0, 27.0, 35.0, 50.0)
"""What a ship may sail in an hour is rounded up to one of these, so that the cells within reach need be found for these alone."""
MOST_STATES = 60_000
"""Cells times hours up to which a course is looked for; beyond, the envelope stands. Two days within 100 nm are 20 000. On
simulated traffic five times as many cost most of a second more and hardly changed a verdict."""


def unit(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Floats:
    """Places as unit vectors, one row a place."""
    lat, lon = np.radians(np.asarray(lat_deg, dtype=np.float64)), np.radians(np.asarray(lon_deg, dtype=np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def nm(a: Floats, b: Floats) -> Floats:
    """Great circle [nm] between unit vectors."""
    chord: Floats = np.sqrt(((a - b) ** 2).sum(axis=-1))
    return 2 * np.arcsin(np.minimum(chord / 2, 1)) * (EARTH_RADIUS_KM / KM_PER_NM)


def cross(a: Floats, b: Floats) -> Floats:
    """Vector product of two places; numpy's own takes ten times as long for two."""
    (x, y, z), (u, v, w) = a.tolist(), b.tolist()
    return np.array([y * w - z * v, z * u - x * w, x * v - y * u])


@dataclass(frozen=True)
class Window:
    """One silence, in hours since 1970; `to` is None where the ship has not come back."""

    start_h: float
    end_h: float
    at: Floats
    to: Floats | None
    at_cell: int
    to_cell: int
    """Numbers of the cells of both ends in the list of cells; -1 where it does not hold them, or for no end."""
    fastest_kn: float

    @cached_property
    def first_hour(self) -> int:
        return math.floor(self.start_h) + 1

    @cached_property
    def n_hours(self) -> int:
        """Hours that lie in the silence from beginning to end."""
        return max(0, math.floor(self.end_h) - self.first_hour)


@dataclass(frozen=True)
class Reach:
    """The cells that a silent ship can have been in, and the first and last hour of its window in which it can."""

    cells: Ints
    first: Ints
    last: Ints


def cells_of(heard: Ints, waters: sea.Sea, box: tuple[float, float, float, float]) -> tuple[Floats, Ints]:
    """Centres and ids of the cells a ship may be in, sorted by id: all with water in the box (south, north, west, east), all in
    which one was heard, and outside the box those within two cells of where one was heard.

    Farther outside need not be listed: to be there a ship passes the rim (`rim_of`). Limits: where the coast is not charted a ship
    in the box is taken to have been only where ships were heard.
    """
    south, north, west, east = box
    step = sphere.CELL_ROW_DEG
    around = [heard]
    if len(heard):
        lat, lon = sphere.cell_centre(heard)
        for up in (-2, -1, 0, 1, 2):
            next_lat = np.clip(lat + up * step, -89.9, 89.9)
            width = step / np.cos(np.radians(next_lat))
            around += [sphere.cell(next_lat, (lon + right * width + 180) % 360 - 180) for right in (-2, -1, 0, 1, 2)]
    outside = np.unique(np.concatenate(around))
    lat, lon = sphere.cell_centre(outside)
    outside = outside[(lat < south) | (lat > north) | (lon < west) | (lon > east) | np.isin(outside, heard)]
    ids = np.unique(np.concatenate([_wet(waters), outside]))
    return unit(*sphere.cell_centre(ids)), ids


def rim_of(ids: Ints, box: tuple[float, float, float, float]) -> Bools:
    """Cells beside one that is not listed and lies outside the box: from there a ship may leave what is known."""
    south, north, west, east = box
    lat, lon = sphere.cell_centre(ids)
    rim = np.zeros(len(ids), dtype=bool)
    for up in (-1, 0, 1):
        next_lat = np.clip(lat + up * sphere.CELL_ROW_DEG, -89.9, 89.9)
        width = sphere.CELL_ROW_DEG / np.cos(np.radians(next_lat))
        for right in (-1, 0, 1):
            next_lon = (lon + right * width + 180) % 360 - 180
            is_inside = (next_lat > south) & (next_lat < north) & (next_lon > west) & (next_lon < east)
            rim |= ~np.isin(sphere.cell(next_lat, next_lon), ids) & ~is_inside
    return rim


def _wet(waters: sea.Sea) -> Ints:
    """Cells that hold a water cell of the fine grid: a cove in a corner is enough to lie in."""
    grid = waters.grid
    if grid is None:
        return np.empty(0, dtype=np.int64)
    row = np.floor((grid.row_lat_deg + 90) / sphere.CELL_ROW_DEG)
    starts = np.flatnonzero(np.r_[True, np.diff(row) != 0])
    wet = np.logical_or.reduceat(grid.water, starts, axis=0)
    at, col = np.nonzero(wet)
    _, lon = grid.centre(starts[at], col)
    return np.unique(sphere.cell((row[starts][at] + 0.5) * sphere.CELL_ROW_DEG - 90, lon))


def touching(centres: Floats) -> sparse.csr_matrix:
    """Distances [nm] between the centres of cells that touch."""
    n = len(centres)
    if not n:
        return sparse.csr_matrix((0, 0))
    tree = cKDTree(centres)
    near = tree.sparse_distance_matrix(tree, 2 * math.sin(TOUCH_KM / EARTH_RADIUS_KM / 2), output_type="ndarray")
    near = near[near["i"] != near["j"]]
    away = 2 * np.arcsin(np.minimum(near["v"] / 2, 1)) * (EARTH_RADIUS_KM / KM_PER_NM)
    matrix = sparse.csr_matrix((away, (near["i"], near["j"])), shape=(n, n))
    matrix.sort_indices()
    return matrix


def around_land(graph: sparse.csr_matrix, sources: Ints, *, rim: Bools) -> npt.NDArray[np.float32]:
    """From each source cell to every cell: the least it can be around land [nm], 0 where land is not known to be in the way.

    `rim` marks cells from which a ship may leave what is known; out there it is let go from rim to rim in no time.
    """
    n = graph.shape[0]
    if not len(sources):
        return np.zeros((0, n), dtype=np.float32)
    out = np.full((len(sources), n), np.inf, dtype=np.float32)
    most = (FARTHEST_NM + ENDS_NM) / SHORTEST
    for at in range(0, len(sources), 128):
        out[at : at + 128] = dijkstra(graph, indices=sources[at : at + 128], limit=most)
    if rim.any():
        # The nearest point of the rim from both sides, with nothing in between.
        to_rim = dijkstra(graph, indices=np.flatnonzero(rim), limit=most, min_only=True)
        np.minimum(out, (to_rim[sources][:, None] + to_rim[None, :]).astype(np.float32), out=out)
    out = np.where(np.isinf(out), 0.0, out * SHORTEST - ENDS_NM).astype(np.float32)
    return np.asarray(np.maximum(out, 0.0), dtype=np.float32)


def reach(
    window: Window, centres: Floats, out_nm: npt.NDArray[np.float32] | None, home_nm: npt.NDArray[np.float32] | None
) -> Reach:
    """The cells that fit between both ends. `out_nm` and `home_nm` are distances around land where they are known."""
    n, first = window.n_hours, window.first_hour
    most_nm = window.fastest_kn * (window.end_h - window.start_h) + 2 * EDGE_NM
    most = most_nm * KM_PER_NM / EARTH_RADIUS_KM
    x, y, z = centres.T
    cells = np.arange(len(centres))
    if most < math.pi:
        cells = np.flatnonzero(x * window.at[0] + y * window.at[1] + z * window.at[2] >= math.cos(most))
    out = nm(centres[cells], window.at)
    if out_nm is not None:
        out = np.maximum(out, out_nm[cells])
    enter = np.ceil(window.start_h + (out - EDGE_NM) / window.fastest_kn - first - 1).clip(0)
    leave = np.full(len(cells), n - 1.0)
    if window.to is not None:
        home = nm(centres[cells], window.to)
        if home_nm is not None:
            home = np.maximum(home, home_nm[cells])
        leave = np.floor(window.end_h - (home - EDGE_NM) / window.fastest_kn - first).clip(max=n - 1)
    fits = enter <= leave
    return Reach(cells[fits], enter[fits].astype(np.int64), leave[fits].astype(np.int64))


def least(values: Floats, first: Ints, last: Ints, n: int) -> Floats:
    """The least of the values of all spans (first to last, both included) that cover each of `n` hours; infinite where none does.

    A span is two overlapping ones of a length that is a power of two; each of those passes its value on to its halves.
    """
    level = np.frexp(last - first + 1.0)[1] - 1
    table = np.full((int(level.max(initial=0)) + 1, n), np.inf)
    np.minimum.at(table, (level, first), values)
    np.minimum.at(table, (level, last + 1 - (1 << level)), values)
    for up in range(len(table) - 1, 0, -1):
        half = 1 << (up - 1)
        np.minimum(table[up - 1], table[up], out=table[up - 1])
        np.minimum(table[up - 1, half:], table[up, : n - half], out=table[up - 1, half:])
    return np.asarray(table[0])


def exposure(
    n: int, within: Reach, rate: Floats, zone: Ints, level: Floats, silent: Sequence[tuple[Ints, int, int]] = ()
) -> Floats:
    """Per hour of a silence of `n` hours the least rate, times the level of the hour, of all cells within reach in it.

    Parameters
    ----------
    rate, zone
        per cell.
    level
        per zone and hour of the silence.
    silent
        cells in which nobody was listened to from one hour of the silence to another (excluded).
    """
    if not n or not len(within.cells):
        return np.zeros(n)
    n_zones = len(level)
    # Zone after zone on one line of hours, so that one pass serves all.
    shift = zone[within.cells] * n
    quiet = least(rate[within.cells], within.first + shift, within.last + shift, n_zones * n).reshape(n_zones, n)
    with np.errstate(invalid="ignore"):
        now = np.where(np.isinf(quiet), np.inf, quiet * level).min(axis=0)
    for cells, start, end in silent:
        there = np.isin(within.cells, cells)
        for a, b in zip(within.first[there], within.last[there], strict=True):
            now[max(a, start) : min(b + 1, end)] = 0.0
    return np.where(np.isinf(now), 0.0, now)


def steps_from(centres: Floats, ids: Ints, hourly_nm: float) -> Ints:
    """For each cell those that a ship may be in an hour later: one column a cell, padded with the number of cells."""
    n = len(centres)
    lat, lon = sphere.cell_centre(ids)
    tree = cKDTree(centres)
    side = sphere.CELL_ROW_DEG * 60
    most_km = (hourly_nm + 1.5 * side) * KM_PER_NM
    near = tree.sparse_distance_matrix(tree, 2 * math.sin(most_km / EARTH_RADIUS_KM / 2), output_type="ndarray")
    i, j = near["i"].astype(np.int64), near["j"].astype(np.int64)
    # From edge to edge, not from centre to centre; the narrower of the two rows is the shorter way.
    width = (
        np.cos(np.radians(lat)) * 60 * 360 / np.maximum(np.rint(360 / sphere.CELL_ROW_DEG * np.cos(np.radians(lat))), 1)
    )
    east = (
        np.abs((lon[i] - lon[j] + 180) % 360 - 180)
        * 60
        * np.cos(np.radians(np.maximum(np.abs(lat[i]), np.abs(lat[j]))))
    )
    gap = np.hypot(
        np.maximum(np.abs(lat[i] - lat[j]) * 60 - side, 0), np.maximum(east - np.maximum(width[i], width[j]), 0)
    )
    fits = gap <= hourly_nm + 0.5
    order = np.lexsort((j[fits], i[fits]))
    i, j = i[fits][order], j[fits][order]
    count = np.bincount(i, minlength=n)
    table = np.full((int(count.max(initial=1)), n), n, dtype=np.int64)
    table[np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count), i] = j
    return table


def course(cost: npt.NDArray[np.float64], within: Reach, steps: Ints, rim: Bools) -> Floats:
    """The least that each kind of cost can sum to over all courses.

    Parameters
    ----------
    cost
        per kind, hour of the silence, and cell of `within`.
    steps
        of all cells, as `steps_from` gives them.
    rim
        per cell of all: from it a ship may leave what is known, and come back anywhere on the rim at once.

    Limits: infinite where no course fits, which cannot be where the speed is that of `within`, but for the rounding of cells.
    """
    n_kinds, n, m = cost.shape
    number = np.full(len(rim) + 1, m)
    number[within.cells] = np.arange(m)
    after = number[steps[:, within.cells]]
    on_rim = np.flatnonzero(rim[within.cells])
    # One cell more, in which nobody can be, for the padding.
    total = np.full((n_kinds, m + 1), np.inf)
    total[:, :m] = np.where(within.first <= 0, cost[:, 0], np.inf)
    for hour in range(1, n):
        best = total.take(after, axis=1).min(axis=1)
        if len(on_rim):
            best[:, on_rim] = np.minimum(best[:, on_rim], total[:, on_rim].min(axis=1, keepdims=True))
        best += cost[:, hour]
        best[:, (within.first > hour) | (within.last < hour)] = np.inf
        total[:, :m] = best
    return np.asarray(total[:, :m].min(axis=1, initial=np.inf), dtype=np.float64)
