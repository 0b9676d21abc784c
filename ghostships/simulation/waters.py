"""Where simulated ships may be: a fine mask of land, moorings, and lanes that never cross it.

This is a second, coarser way of finding paths at sea, on purpose not the one that the analysis measures distances with:
a world built with the analysis' own distances could not find them wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.features import rasterize
from scipy.ndimage import binary_dilation, label
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from ghostships.routes import Route
from ghostships.sea_grid import land_polygons

Floats = npt.NDArray[np.float64]

CELL_DEG = 0.005
LAT_MIN, LAT_MAX, LON_MIN, LON_MAX = 31.0, 49.0, 125.0, 149.0
"""Wider than the area of the route: ships leave the export's box and come back."""

EXTRA_PORTS: dict[str, tuple[float, float]] = {
    "ULSAN": (35.45, 129.42),
    "POHANG": (36.05, 129.45),
    "DONGHAE": (37.49, 129.17),
    "SAKAIMINATO": (35.56, 133.28),
    "TSURUGA": (35.70, 136.05),
    "AKITA": (39.76, 140.03),
    "HAKODATE": (41.76, 140.68),
    "OTARU": (43.22, 141.03),
    "OLGA": (43.71, 135.28),
}
"""Roadsteads of further ports that ordinary traffic uses; rounded, only the simulator knows them."""

EXITS: dict[str, tuple[float, float]] = {"EXIT_SW": (32.0, 127.6), "EXIT_E": (41.3, 148.3), "EXIT_NE": (46.2, 148.3)}
"""Where ships leave the box: the Korea Strait, the Tsugaru Strait, La Perouse Strait."""


@dataclass(frozen=True)
class Waters:
    """A mask of land and a graph of points at sea, each edge of which is clear of it."""

    land: npt.NDArray[np.bool_]
    lats: Floats
    lons: Floats
    edges: csr_array
    moorings: dict[str, tuple[int, ...]]
    """Nodes at which ships lie, by port; the first is the roadstead."""
    open_sea: npt.NDArray[np.int64]
    """Nodes well off any coast."""
    _paths: dict[tuple[int, int], tuple[Floats, Floats]] = field(default_factory=dict, compare=False)
    _trees: dict[int, npt.NDArray[np.int32]] = field(default_factory=dict, compare=False)

    def is_water(self, lats: Floats, lons: Floats) -> npt.NDArray[np.bool_]:
        """True where no land touches the cell of a point."""
        return ~_at(self.land, lats, lons)

    def path(self, start: int, end: int) -> tuple[Floats, Floats]:
        """Latitudes and longitudes of the corners of a short way by sea between two nodes."""
        if (start, end) not in self._paths:
            if start not in self._trees:
                _, before = dijkstra(self.edges, directed=False, indices=start, return_predecessors=True)
                self._trees[start] = before
            before = self._trees[start]
            nodes = [end]
            while nodes[-1] != start:
                assert before[nodes[-1]] >= 0, f"no way by sea from node {start} to node {end}"
                nodes.append(int(before[nodes[-1]]))
            self._paths[start, end] = self._straightened(np.array(nodes[::-1]))
        return self._paths[start, end]

    def _straightened(self, nodes: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Leave out corners where the straight way is clear of the coast as well."""
        lats, lons = self.lats[nodes], self.lons[nodes]
        kept, at = [0], 0
        while at < len(nodes) - 1:
            ends = np.arange(at + 2, len(nodes))
            clear = np.zeros(0, dtype=bool)
            if len(ends):
                start = np.full(len(ends), at)
                clear = _is_clear(self.land, lats[start], lons[start], lats[ends], lons[ends], margin_cells=2)
            at = int(ends[clear].max()) if clear.any() else at + 1
            kept.append(at)
        return lats[kept], lons[kept]

    def nodes_between(self, lat: float, lon: float, *, near_nm: float, far_nm: float) -> npt.NDArray[np.int64]:
        """Open-sea nodes at a distance from a place; never empty, the nearest if none fits."""
        distance = flat_nm(lat, lon, self.lats[self.open_sea], self.lons[self.open_sea])
        fits = (distance >= near_nm) & (distance <= far_nm)
        return self.open_sea[fits] if fits.any() else self.open_sea[[int(np.argmin(np.abs(distance - near_nm)))]]


def flat_nm(lat: float | Floats, lon: float | Floats, lats: Floats, lons: Floats) -> Floats:
    """Distance [nm] on a plane: within 0.5 % for the few hundred miles over which it is used here."""
    mean = np.radians((lat + lats) / 2)
    out: Floats = 60.0 * np.hypot(lats - lat, (lons - lon) * np.cos(mean))
    return out


@lru_cache(maxsize=2)
def build(route: Route) -> Waters:
    """The waters of a route: its ports and the extra ones with moorings, and lanes between all of them."""
    shape = (round((LAT_MAX - LAT_MIN) / CELL_DEG), round((LON_MAX - LON_MIN) / CELL_DEG))
    burned = rasterize(
        [(polygon, 1) for polygon in land_polygons((LON_MIN, LAT_MIN, LON_MAX, LAT_MAX)).geometry],
        out_shape=shape,
        transform=Affine(CELL_DEG, 0.0, LON_MIN, 0.0, -CELL_DEG, LAT_MAX),
        all_touched=True,
        dtype="uint8",
    )
    bodies, _ = label(burned == 0)
    sizes = np.bincount(bodies.ravel())
    sizes[0] = 0
    land = bodies != int(sizes.argmax())
    roads = {p.id: (p.roadstead_lat_deg, p.roadstead_lon_deg) for p in route.ports} | EXTRA_PORTS | EXITS
    centres = {p.id: (p.lat_deg, p.lon_deg) for p in route.ports} | EXTRA_PORTS
    points: list[tuple[float, float]] = []
    spacing: list[float] = []
    moorings: dict[str, tuple[int, ...]] = {}
    for port, road in roads.items():
        places = [_nearest_water(land, *road)]
        if port in centres:
            around = [(road[0] + 0.012 * i, road[1] + 0.016 * j) for i in (-2, -1, 1, 2) for j in (-2, -1, 1, 2)]
            places += [p for p in around if not _at(land, np.array([p[0]]), np.array([p[1]]))[0]]
            places.append(_nearest_water(land, *centres[port]))
            places += [
                _nearest_water(land, b.lat_deg, b.lon_deg) for p in route.ports if p.id == port for b in p.berths
            ]
        places = list(dict.fromkeys(places))
        moorings[port] = tuple(range(len(points), len(points) + len(places)))
        points += places
        spacing += [0.03] * len(places)
    for step, reach in ((0.02, 0.12), (0.1, 0.5), (0.5, 99.0)):
        lattice = _lattice(land, step, list(roads.values()), reach)
        points += lattice
        spacing += [step] * len(lattice)
    lats, lons = (np.array(values) for values in zip(*points, strict=True))
    edges = _edges(land, lats, lons, np.array(spacing))
    near_coast = binary_dilation(land[::4, ::4], iterations=8)
    is_open = (np.array(spacing) == 0.5) & ~near_coast[_row(lats) // 4, _column(lons) // 4]
    connected = np.isfinite(dijkstra(edges, directed=False, indices=0))
    for port, nodes in moorings.items():
        reachable = tuple(n for n in nodes if connected[n])
        assert reachable, f"no mooring of {port} can be reached by sea"
        moorings[port] = reachable
    return Waters(land, lats, lons, edges, moorings, np.flatnonzero(is_open & connected))


def _row(lats: Floats) -> npt.NDArray[np.int64]:
    return np.clip(((LAT_MAX - lats) / CELL_DEG).astype(np.int64), 0, round((LAT_MAX - LAT_MIN) / CELL_DEG) - 1)


def _column(lons: Floats) -> npt.NDArray[np.int64]:
    return np.clip(((lons - LON_MIN) / CELL_DEG).astype(np.int64), 0, round((LON_MAX - LON_MIN) / CELL_DEG) - 1)


def _at(mask: npt.NDArray[np.bool_], lats: Floats, lons: Floats) -> npt.NDArray[np.bool_]:
    out: npt.NDArray[np.bool_] = mask[_row(lats), _column(lons)]
    return out


def _nearest_water(land: npt.NDArray[np.bool_], lat: float, lon: float) -> tuple[float, float]:
    """Centre of the nearest cell of water whose eight neighbours are water too: a swinging ship stays afloat."""
    row, column = int(_row(np.array([lat]))[0]), int(_column(np.array([lon]))[0])
    reach = 24
    window = land[row - reach - 1 : row + reach + 2, column - reach - 1 : column + reach + 2]
    free = ~binary_dilation(window, structure=np.ones((3, 3)))[1:-1, 1:-1]
    rows, columns = np.nonzero(free)
    assert len(rows), f"no water within {reach} cells of {lat}, {lon}"
    apart = np.hypot(rows - reach, (columns - reach) * np.cos(np.radians(lat)))
    best = int(apart.argmin())
    return (
        round(LAT_MAX - (row + rows[best] - reach + 0.5) * CELL_DEG, 6),
        round(LON_MIN + (column + columns[best] - reach + 0.5) * CELL_DEG, 6),
    )


def _lattice(
    land: npt.NDArray[np.bool_], step: float, around: list[tuple[float, float]], reach: float
) -> list[tuple[float, float]]:
    """Points of a lattice at sea within a square of every given place."""
    grid = np.meshgrid(
        np.arange(LAT_MIN + step / 2, LAT_MAX, step), np.arange(LON_MIN + step / 2, LON_MAX, step), indexing="ij"
    )
    lats, lons = grid[0].ravel().round(6), grid[1].ravel().round(6)
    near = np.zeros(len(lats), dtype=bool)
    for lat, lon in around:
        near |= (np.abs(lats - lat) <= reach) & (np.abs(lons - lon) <= reach)
    near &= ~_at(land, lats, lons)
    return list(zip(lats[near].tolist(), lons[near].tolist(), strict=True))


def _edges(land: npt.NDArray[np.bool_], lats: Floats, lons: Floats, spacing: Floats) -> csr_array:
    """Edges between near nodes of which the whole straight line is water; the wider of two spacings says what is near."""
    tree = cKDTree(np.column_stack([lats, lons * np.cos(np.radians(40))]))
    found: list[npt.NDArray[np.int64]] = []
    for step, reach in ((0.5, 1.15), (0.1, 0.35), (0.03, 0.12), (0.02, 0.06)):
        members = np.flatnonzero(spacing >= step)
        inner = cKDTree(tree.data[members])
        pairs = inner.query_pairs(reach, output_type="ndarray")
        found.append(members[pairs])
        coarse = np.flatnonzero(spacing == 0.5)
        if step == 0.1:
            fine = np.flatnonzero(spacing == 0.1)
            hits = cKDTree(tree.data[coarse]).query_ball_point(tree.data[fine], 0.7)
            found.append(np.array([(fine[i], coarse[j]) for i, row in enumerate(hits) for j in row], dtype=np.int64))
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    a, b = pairs[:, 0], pairs[:, 1]
    clear = _is_clear(land, lats[a], lons[a], lats[b], lons[b], margin_cells=0)
    a, b = a[clear], b[clear]
    roomy = _is_clear(land, lats[a], lons[a], lats[b], lons[b], margin_cells=2)
    # Ships keep off the coast where they can: a lane that brushes it counts as a fifth longer.
    weight = flat_nm(lats[a], lons[a], lats[b], lons[b]) * np.where(roomy, 1.0, 1.2)
    return csr_array((weight, (a, b)), shape=(len(lats), len(lats)))


def _is_clear(
    land: npt.NDArray[np.bool_], lat_a: Floats, lon_a: Floats, lat_b: Floats, lon_b: Floats, *, margin_cells: int
) -> npt.NDArray[np.bool_]:
    """Whether straight lines stay on water; with a margin, also the lines to either side.

    Lines up to 0.2 degrees are looked at every eighth of a cell, since near harbours a corner is soon cut; longer ones
    every half.
    """
    length = np.maximum(np.abs(lat_b - lat_a), np.abs(lon_b - lon_a))
    out = np.ones(len(lat_a), dtype=bool)
    norm = np.maximum(np.hypot(lat_b - lat_a, lon_b - lon_a), 1e-9)
    sides = (0,) if margin_cells == 0 else (-margin_cells, 0, margin_cells)
    for chunk in np.array_split(np.argsort(length, kind="stable"), max(1, len(lat_a) // 2000)):
        if not len(chunk):
            continue
        longest = length[chunk].max()
        n = int(np.ceil(longest / (CELL_DEG / (8 if longest < 0.2 else 2)))) + 2
        share = np.linspace(0, 1, n)[None, :]
        for side in sides:
            off_lat = side * CELL_DEG * (lon_b - lon_a)[chunk] / norm[chunk]
            off_lon = -side * CELL_DEG * (lat_b - lat_a)[chunk] / norm[chunk]
            lats = (lat_a[chunk] + off_lat)[:, None] + share * (lat_b - lat_a)[chunk][:, None]
            lons = (lon_a[chunk] + off_lon)[:, None] + share * (lon_b - lon_a)[chunk][:, None]
            out[chunk] &= ~_at(land, lats, lons).any(axis=1)
    return out
