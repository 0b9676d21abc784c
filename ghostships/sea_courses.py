"""Distances between any two places at sea: the great circle where it is open, else a coarse graph, pulled taut.

Blocks of 10 by 10 fine cells hold one node per piece of water in them, so a strait that is open on the fine grid is open here too:

    +-------+-------+        o  node: the water cell nearest to the middle of its block
    |   o---+---o   |        #  land of the fine grid; the left block has two nodes,
    |#####  |  /    |           one on either side of the spit
    |  o    | /     |        -  edges: blocks that touch through water, and blocks up to two
    +---\\---+-------+           steps away whose straight line is open on the fine grid

The shortest path through the graph zigzags, up to 2.7 % too long in open water. It is then pulled taut: each course is
straightened from corner to corner as far as the fine grid lets one see, and measured on the ellipsoid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from ghostships.sea_grid import Bools, Cache, Floats, Grid, Ints, geodesic_km

BLOCK = 10
"""Fine cells along the side of a block: 0.1 degrees (method.md 4)."""

_KNIGHT_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (2, -1), (1, -2))
"""Half of the sixteen neighbours; the other half are the same edges backwards."""

_CORNER_ROUNDS = 2
_LEG_SHARES = np.array([0.0, 0.01, 0.03, 0.08, 0.2, 0.5, 0.8, 0.92, 0.97, 0.99])
"""How often corners are cut, and where on a leg; `design/sea_distance.py` shows what that gains."""

_GRAPH_VERSION = 1
"""Part of the cache key: raise it when the same grid would give another graph."""

_SAMPLES_AT_ONCE = 4_000_000
"""A bound on working memory: about 0.2 GiB."""
_SOURCES_AT_ONCE = 8
"""Searches of about equal reach that are made together, under the limit of the farthest: with 128, four times as long."""


def _unit(lat_deg: Floats, lon_deg: Floats) -> Floats:
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _along(a: Floats, b: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Latitude and longitude at a share of the great circle between unit vectors."""
    angle = 2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=-1) / 2, 0, 1))
    sine = np.maximum(np.sin(angle), 1e-12)
    short = angle < 1e-9  # 6 mm: sin(t w) / sin(w) has become 0 / 0, and its limit is t
    weight_a = np.where(short, 1 - share, np.sin((1 - share) * angle) / sine)
    weight_b = np.where(short, share, np.sin(share * angle) / sine)
    x, y, z = (weight_a * a[..., i] + weight_b * b[..., i] for i in range(3))
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def in_sight(grid: Grid, lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Bools:
    """True where the great circle between two water places stays on water of the grid, looked at every half cell.

    The course is first looked at every eight cells, which settles most of those that cross land.
    """
    open_ = np.isfinite(lat1) & np.isfinite(lat2) & np.isfinite(lon1) & np.isfinite(lon2)
    length = np.where(open_, geodesic_km(lat1, lon1, lat2, lon2), 0.0)
    smallest = float(grid.row_cell_km.min())
    for spacing in (8.0, 0.5):
        left = np.flatnonzero(open_)
        n = np.maximum(np.ceil(length[left] / (spacing * smallest)).astype(np.int64), 1) + 1
        for some in np.split(np.arange(left.size), np.flatnonzero(np.diff(np.cumsum(n) // _SAMPLES_AT_ONCE)) + 1):
            if some.size:
                who = left[some]
                open_[who] = _all_water(grid, lat1[who], lon1[who], lat2[who], lon2[who], n[some])
    return open_


def _all_water(grid: Grid, lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats, n: Ints) -> Bools:
    """True where `n` evenly spaced points of each course, both ends included, are water."""
    course = np.repeat(np.arange(n.size), n)
    start = np.cumsum(n) - n
    share = (np.arange(course.size) - start[course]) / (n[course] - 1)
    lat, lon = _along(_unit(lat1, lon1)[course], _unit(lat2, lon2)[course], share)
    row_f, col_f = grid.at(lat, lon)
    row, col = np.rint(row_f).astype(np.int64), np.rint(col_f).astype(np.int64)
    n_rows, n_cols = grid.water.shape
    inside = (row >= 0) & (row < n_rows) & (col >= 0) & (col < n_cols)
    wet = inside & grid.water[np.clip(row, 0, n_rows - 1), np.clip(col, 0, n_cols - 1)]
    return np.asarray(np.logical_and.reduceat(wet, start))


@dataclass(frozen=True)
class Courses:
    """The coarse graph over one grid."""

    grid: Grid
    cache: Cache

    @cached_property
    def _pieces(self) -> tuple[npt.NDArray[np.int32], Ints, Ints]:
        """Node number of every fine cell (-1 on land), and the fine row and column of every node."""
        n_rows, n_cols = self.grid.water.shape
        high, wide = -(-n_rows // BLOCK), -(-n_cols // BLOCK)
        # Walls of land one cell thick between the blocks make the pieces of each block separate components.
        walled = np.zeros((high, BLOCK + 1, wide, BLOCK + 1), dtype=bool)
        padded = np.zeros((high * BLOCK, wide * BLOCK), dtype=bool)
        padded[:n_rows, :n_cols] = self.grid.water
        walled[:, :BLOCK, :, :BLOCK] = padded.reshape(high, BLOCK, wide, BLOCK)
        labels, n_pieces = ndimage.label(walled.reshape(high * (BLOCK + 1), wide * (BLOCK + 1)))
        labels = labels.reshape(high, BLOCK + 1, wide, BLOCK + 1)[:, :BLOCK, :, :BLOCK]
        piece = np.ascontiguousarray(labels).reshape(padded.shape)[:n_rows, :n_cols].astype(np.int32) - 1
        node = np.zeros(n_pieces, dtype=np.int64)
        cell = np.arange(n_rows * n_cols).reshape(n_rows, n_cols)
        row, col = (v.ravel() for v in np.mgrid[:BLOCK, :BLOCK])
        middle = (BLOCK - 1) / 2
        # From the corners of all blocks at once inwards: what is nearest to the middle is written last, and stays.
        for n in np.lexsort((col, row, (row - middle) ** 2 + (col - middle) ** 2))[::-1].tolist():
            here = piece[row[n] :: BLOCK, col[n] :: BLOCK]
            node[here[here >= 0]] = cell[row[n] :: BLOCK, col[n] :: BLOCK][here >= 0]
        return piece, *np.divmod(node, n_cols)

    @cached_property
    def _graph(self) -> sparse.csr_matrix:
        """Edges [km] between nodes, in both directions."""
        _, row, _ = self._pieces
        name = f"graph-{self.grid.key}-{BLOCK}-{_GRAPH_VERSION}"
        kept = self.cache.get(name, (3, -1), np.float64)
        if kept is None:
            kept = self._edges()
            self.cache.put(name, kept)
        a, b = kept[:2].astype(np.int64)
        one_way = sparse.csr_matrix((kept[2].astype(np.float64), (a, b)), shape=(row.size, row.size))
        return (one_way + one_way.T).tocsr()

    def _edges(self) -> Floats:
        """Two nodes and the distance [km] of each edge, in columns, lower node first, in order."""
        piece, row, col = self._pieces
        lat, lon = self.grid.centre(row, col)
        a, b, km = self._through_water(piece, lat, lon)
        high, wide = row.max() // BLOCK + 1, col.max() // BLOCK + 1
        # Longer edges join only the largest piece of each block; the others are reached through the blocks they touch.
        size = np.bincount(piece[piece >= 0], minlength=row.size)
        largest = np.full((high, wide), -1, dtype=np.int64)
        by_size = np.argsort(size, kind="stable")
        largest[row[by_size] // BLOCK, col[by_size] // BLOCK] = by_size
        for down, right in _KNIGHT_STEPS:
            here = largest[: high - down, max(0, -right) : wide - max(0, right)].ravel()
            there = largest[down:, max(0, right) : wide - max(0, -right)].ravel()
            both = (here >= 0) & (there >= 0)
            here, there = here[both], there[both]
            seen = in_sight(self.grid, lat[here], lon[here], lat[there], lon[there])
            here, there = here[seen], there[seen]
            a, b = np.concatenate([a, here]), np.concatenate([b, there])
            km = np.concatenate([km, geodesic_km(lat[here], lon[here], lat[there], lon[there])])
        a, b = np.minimum(a, b), np.maximum(a, b)
        order = np.lexsort((km, b, a))
        a, b, km = a[order], b[order], km[order]
        first = np.r_[True, (np.diff(a) != 0) | (np.diff(b) != 0)]
        a, b, km = a[first], b[first], km[first]
        # On a regular grid many paths are equally long. A ten-millionth, different for each edge, leaves one shortest path, so
        # that the answer for two places depends neither on the direction nor on what else is asked at the same time.
        return np.stack([a, b, km * (1 + 1e-7 * np.random.default_rng(0).random(km.size))]).astype(np.float64)

    def _through_water(self, piece: npt.NDArray[np.int32], lat: Floats, lon: Floats) -> tuple[Ints, Ints, Floats]:
        """Edges between pieces that touch across the border of two blocks, by way of the best water cell on it."""
        found = []
        for d_row, d_col in ((1, 0), (0, 1)):
            n_rows, n_cols = piece.shape
            here, there = piece[: n_rows - d_row, : n_cols - d_col], piece[d_row:, d_col:]
            rows, cols = np.nonzero((here >= 0) & (there >= 0) & (here != there))
            a, b = here[rows, cols].astype(np.int64), there[rows, cols].astype(np.int64)
            lat_x, lon_x = self.grid.centre(rows, cols)
            km = geodesic_km(lat[a], lon[a], lat_x, lon_x) + geodesic_km(lat_x, lon_x, lat[b], lon[b])
            found.append((a, b, km))
        a, b, km = (np.concatenate(v) for v in zip(*found, strict=True))
        return a, b, km

    def between_km(self, lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Floats:
        """Distance by sea [km]; NaN outside the grid, on land beyond snapping, and where no water leads."""
        out = np.full(lat1.shape, np.nan)
        row1, col1, moved1 = self.grid.snap(lat1, lon1)
        row2, col2, moved2 = self.grid.snap(lat2, lon2)
        ok = np.flatnonzero((row1 >= 0) & (row2 >= 0))
        if not ok.size:
            return out
        # A place on land starts from the water it was snapped to; the way there is added at the end.
        lat_a, lon_a = _moved(self.grid, lat1[ok], lon1[ok], row1[ok], col1[ok], moved1[ok])
        lat_b, lon_b = _moved(self.grid, lat2[ok], lon2[ok], row2[ok], col2[ok], moved2[ok])
        # Looked at from the southern end too: the points of a course differ in their last bits between its two directions.
        turn = (lat_b < lat_a) | ((lat_b == lat_a) & (lon_b < lon_a))
        lat_s, lon_s = np.where(turn, lat_b, lat_a), np.where(turn, lon_b, lon_a)
        straight = in_sight(self.grid, lat_s, lon_s, np.where(turn, lat_a, lat_b), np.where(turn, lon_a, lon_b))
        km = np.where(straight, geodesic_km(lat_a, lon_a, lat_b, lon_b), np.nan)
        around = np.flatnonzero(~straight)
        if around.size:
            who = ok[around]
            km[around] = self._around(
                (lat_a[around], lon_a[around], row1[who], col1[who]),
                (lat_b[around], lon_b[around], row2[who], col2[who]),
            )
        # To the millimetre: far below any error, and above the last bits that vectorised sines may differ in.
        km = np.round(km, 6)
        out[ok] = np.maximum(km + moved1[ok] + moved2[ok], geodesic_km(lat1[ok], lon1[ok], lat2[ok], lon2[ok]))
        return out

    def _around(self, a: tuple[Floats, Floats, Ints, Ints], b: tuple[Floats, Floats, Ints, Ints]) -> Floats:
        """Through the graph, for pairs that do not see each other."""
        piece, row, col = self._pieces
        node_a, node_b = piece[a[2], a[3]].astype(np.int64), piece[b[2], b[3]].astype(np.int64)
        # One search per node of whichever side has fewer different nodes.
        if np.unique(node_b).size < np.unique(node_a).size:
            a, b, node_a, node_b = b, a, node_b, node_a
        path = self._paths(node_a, node_b, geodesic_km(a[0], a[1], b[0], b[1]))
        out = np.full(node_a.size, np.nan)
        reached = np.flatnonzero(path[:, 0] >= 0)
        if reached.size:
            ends = (a[0][reached], a[1][reached]), (b[0][reached], b[1][reached])
            out[reached] = self._taut(path[reached], *ends)
        return out

    def _paths(self, node_a: Ints, node_b: Ints, straight_km: Floats) -> Ints:
        """Nodes of the shortest path of each pair, from B back to A, padded with -1; all -1 where there is none.

        Searches for near pairs stop early: first a limit that most courses keep, then none for those that did not.
        """
        found_paths: list[tuple[Ints, Ints]] = []
        left = np.arange(node_a.size)
        for detour, spare_km in ((1.5, 100.0), (np.inf, np.inf)):
            sources, which = np.unique(node_a[left], return_inverse=True)
            need_km = np.zeros(sources.size)
            np.maximum.at(need_km, which, straight_km[left])
            rank = np.empty(sources.size, dtype=np.int64)
            rank[np.lexsort((sources, need_km))] = np.arange(sources.size)
            sources, need_km, rank = sources[np.argsort(rank)], need_km[np.argsort(rank)], rank[which]
            missed = []
            for at in range(0, sources.size, _SOURCES_AT_ONCE):
                some = left[(rank >= at) & (rank < at + _SOURCES_AT_ONCE)]
                search = rank[(rank >= at) & (rank < at + _SOURCES_AT_ONCE)] - at
                batch = slice(at, at + _SOURCES_AT_ONCE)
                km, before = csgraph.dijkstra(
                    self._graph,
                    indices=sources[batch],
                    return_predecessors=True,
                    limit=max(need_km[batch]) * detour + spare_km,
                )
                found = np.isfinite(km[search, node_b[some]])
                missed.append(some[~found])
                if found.any():
                    found_paths.append((some[found], _walk_back(before, search[found], node_b[some[found]])))
            left = np.sort(np.concatenate(missed)) if missed else left[:0]
            if not left.size:
                break
        path = np.full((node_a.size, max([1, *(p.shape[1] for _, p in found_paths)])), -1, dtype=np.int64)
        for who, nodes in found_paths:
            path[who, : nodes.shape[1]] = nodes
        return path

    def _taut(self, path: Ints, a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> Floats:
        """Length [km] of the courses after straightening; `path` is one course per row, from B back to A, padded with -1."""
        _, row, col = self._pieces
        n = path.shape[0]
        lat_n, lon_n = self.grid.centre(row, col)
        lat = np.column_stack([b[0], lat_n[path], np.zeros(n)])
        lon = np.column_stack([b[1], lon_n[path], np.zeros(n)])
        last = (path >= 0).sum(axis=1) + 1
        each = np.arange(n)
        lat[each, last], lon[each, last] = a
        # Straightening starts from the southern (then western) end, whichever end was asked for first.
        turn = (b[0] > a[0]) | ((b[0] == a[0]) & (b[1] > a[1]))
        index = np.where(turn[:, None], np.maximum(last[:, None] - np.arange(lat.shape[1]), 0), np.arange(lat.shape[1]))
        lat, lon = lat[each[:, None], index], lon[each[:, None], index]
        lat, lon, last, unseen, km = self._straighten(lat, lon, last)
        for _ in range(_CORNER_ROUNDS):
            # The corners are still nodes, some kilometres off the headland: cut them, coming from the other end.
            lat, lon, last, unseen, shorter = self._straighten(*_between_corners(lat, lon, last, unseen))
            km = np.minimum(km, shorter)
        return km

    def _straighten(self, lat: Floats, lon: Floats, last: Ints) -> tuple[Floats, Floats, Ints, Bools, Floats]:
        """Leave out every place of a course that is passed in sight of a later one.

        From each corner the farthest place that can be seen is looked for by halving: always a course on water, if not always the
        very shortest. Where not even the next place is seen (a narrow channel with a bend), it is taken all the same.

        Returns
        -------
        latitudes and longitudes of the corners, the number of the last corner, which legs are not in sight, and the length [km]
        """
        n = lat.shape[0]
        each = np.arange(n)
        at, total, n_legs = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n, dtype=np.int64)
        lats, lons, unseen = [lat[:, 0]], [lon[:, 0]], []
        while (going := np.flatnonzero(at < last)).size:
            here = at[going]
            low, high, any_seen = here, last[going], np.zeros(going.size, dtype=bool)
            middle = high  # the far end first: most courses have few corners
            while (open_ := np.flatnonzero(low < high)).size:
                who, to = going[open_], middle[open_]
                seen = in_sight(self.grid, lat[who, here[open_]], lon[who, here[open_]], lat[who, to], lon[who, to])
                low, high = low.copy(), high.copy()
                low[open_] = np.where(seen, to, low[open_])
                high[open_] = np.where(seen, high[open_], to - 1)
                any_seen[open_] |= seen
                middle = (low + high + 1) // 2
            low = np.where(any_seen, low, here + 1)
            total[going] += geodesic_km(lat[going, here], lon[going, here], lat[going, low], lon[going, low])
            at[going] = low
            blind = np.zeros(n, dtype=bool)
            blind[going] = ~any_seen
            lats.append(lat[each, at])
            lons.append(lon[each, at])
            unseen.append(blind)
            n_legs[going] += 1
        return np.column_stack(lats), np.column_stack(lons), n_legs, np.column_stack(unseen), total


def _between_corners(lat: Floats, lon: Floats, last: Ints, unseen: Bools) -> tuple[Floats, Floats, Ints]:
    """The same courses from the other end, with places along the great circle of each leg, closer together toward the corners.

    Legs not in sight get no places of their own (copies of their start): a point of their great circle may lie on land.
    """
    n, m = lat.shape
    each = np.arange(n)[:, None]
    corner = np.maximum(last[:, None] - np.arange(m), 0)  # what follows the end of a course repeats it
    lat, lon = lat[each, corner], lon[each, corner]
    unseen = unseen[each, np.maximum(last[:, None] - 1 - np.arange(m - 1), 0)]
    share = np.where(unseen[:, :, None], 0.0, _LEG_SHARES)
    a, b = _unit(lat[:, :-1], lon[:, :-1]), _unit(lat[:, 1:], lon[:, 1:])
    lat_p, lon_p = _along(a[:, :, None], b[:, :, None], share)
    # Corners are kept to the last bit, not recomputed: a corner may sit on the edge of its water cell.
    lat_p = np.where(share == 0, lat[:, :-1, None], lat_p).reshape(n, -1)
    lon_p = np.where(share == 0, lon[:, :-1, None], lon_p).reshape(n, -1)
    return np.column_stack([lat_p, lat[:, -1]]), np.column_stack([lon_p, lon[:, -1]]), last * _LEG_SHARES.size


def _moved(grid: Grid, lat: Floats, lon: Floats, row: Ints, col: Ints, moved: Floats) -> tuple[Floats, Floats]:
    """The place itself when it is in a water cell, else the middle of the water cell it was snapped to."""
    lat_c, lon_c = grid.centre(row, col)
    return np.where(moved > 0, lat_c, lat), np.where(moved > 0, lon_c, lon)


def _walk_back(before: npt.NDArray[np.int32], search: Ints, node: Ints) -> Ints:
    """Nodes from each target back to its source, one course per row, padded with -1."""
    steps = [node]
    while True:
        node = np.where(node >= 0, before[search, np.maximum(node, 0)], -1).astype(np.int64)
        node = np.where(node < 0, -1, node)  # the search marks "no predecessor" with -9999
        if not (node >= 0).any():
            return np.column_stack(steps)
        steps.append(node)
