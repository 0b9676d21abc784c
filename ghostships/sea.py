"""Distances around land.

    sea = Sea.of(route.area)
    sea.distance_km(route.dark_port, lat_deg, lon_deg)     # many places, one port
    sea.between_km(lat1, lon1, lat2, lon2)                 # many pairs of places

`sea_grid` holds the raster and the fields, `sea_courses` the graph for pairs of places that are not ports.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import platformdirs

from ghostships.sea_courses import Courses
from ghostships.sea_grid import PORT_SNAP_KM, Bools, Cache, Floats, Grid, Spots, geodesic_km, land_polygons

__all__ = [
    "Place",
    "Sea",
    "Snap",
    "geodesic_km",
    "land_polygons",
]


_SPOTS_KEPT = 4


class HasRoadstead(Protocol):
    """A port, as far as distances need to know: `routes.Port` and `Place` are two."""

    @property
    def id(self) -> str: ...
    @property
    def roadstead_lat_deg(self) -> float: ...
    @property
    def roadstead_lon_deg(self) -> float: ...


class HasBox(Protocol):
    """An area, as far as the grid needs to know: `routes.Area` is one."""

    @property
    def lat_min_deg(self) -> float: ...
    @property
    def lat_max_deg(self) -> float: ...
    @property
    def lon_min_deg(self) -> float: ...
    @property
    def lon_max_deg(self) -> float: ...


@dataclass(frozen=True)
class Place:
    """A point from which distances are measured as from a port: a placebo port, say."""

    id: str
    roadstead_lat_deg: float
    roadstead_lon_deg: float


@dataclass(frozen=True)
class Snap:
    """Where the distances of a port are measured from, and how far [km] that is from its roadstead (0: not moved)."""

    lat_deg: float
    lon_deg: float
    moved_km: float


class Sea:
    """The sea of one area. Everything is computed when first asked for, then kept in memory and in a cache folder.

    Limits: a course never leaves the area, so a way around outside it is not found; ice, depth and traffic lanes are ignored.
    Outside the area, outside the shipped coast (116-147 E, 28-53 N) and on land beyond snapping the answer is NaN: not known.
    """

    def __init__(self, grid: Grid | None, cache: Cache) -> None:
        self.grid = grid
        self._cache = cache
        self._courses = None if grid is None else Courses(grid, cache)
        self._snaps: dict[tuple[float, float], Snap | None] = {}
        self._fields: dict[tuple[float, float], npt.NDArray[np.float32]] = {}
        self._spots: dict[tuple[bytes, bytes], Spots] = {}

    @staticmethod
    def of(route_area: HasBox, cache_dir: Path | None = None, *, use_disk: bool = True) -> Sea:
        """The sea of a route's area.

        Parameters
        ----------
        cache_dir
            folder for what is slow to compute; None is the user's own cache folder. One that cannot be written costs time only.
        use_disk
            false keeps everything in memory.
        """
        folder = (
            (cache_dir or Path(platformdirs.user_cache_dir("ghostships", appauthor=False)) / "sea")
            if use_disk
            else None
        )
        cache = Cache(folder)
        grid = Grid.of(
            route_area.lon_min_deg, route_area.lat_min_deg, route_area.lon_max_deg, route_area.lat_max_deg, cache
        )
        return Sea(grid, cache)

    def is_water(self, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Bools:
        """True where a place lies in a water cell of the grid: false on land, in lakes and outside the area."""
        lat, lon = _pair(lat_deg, lon_deg)
        if self.grid is None:
            return np.zeros(lat.shape, dtype=bool)
        row, _, moved = self.grid.snap(lat.ravel(), lon.ravel())
        return np.asarray((row >= 0) & (moved == 0)).reshape(lat.shape)

    def snap(self, port: HasRoadstead) -> Snap | None:
        """Where the distances of a port are measured from; None when no water of the area is within 3 km of its roadstead."""
        key = (port.roadstead_lat_deg, port.roadstead_lon_deg)
        if key not in self._snaps:
            self._snaps[key] = self._snap(*key)
        return self._snaps[key]

    def _snap(self, lat_deg: float, lon_deg: float) -> Snap | None:
        if self.grid is None:
            return None
        row, col, moved = self.grid.snap(
            lat_deg, lon_deg, within_cells=PORT_SNAP_KM / float(self.grid.row_cell_km.min())
        )
        if row[0] < 0 or moved[0] > PORT_SNAP_KM:
            return None
        if moved[0] == 0:
            return Snap(lat_deg, lon_deg, 0.0)
        lat, lon = self.grid.centre(row[0], col[0])
        return Snap(float(lat), float(lon), float(moved[0]))

    def field(self, port: HasRoadstead) -> npt.NDArray[np.float32] | None:
        """Distance by sea [km] from a port to every cell of `grid`, NaN where none is known; None for a port without water."""
        snap = self.snap(port)
        if self.grid is None or snap is None:
            return None
        key = (snap.lat_deg, snap.lon_deg)
        if key not in self._fields:
            self._fields[key] = self.grid.field(*key, self._cache)
        return self._fields[key]

    def distance_km(self, port: HasRoadstead, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Floats:
        """Distance by sea [km] from a port's roadstead to places, never less than the geodesic.

        Limits: NaN where it is not known. Error +0.15 % in the median over the oracle pairs, at most 1.8 % or 1 km of them
        (`design/sea_distance.py`): within a few cells of a shore the raster rounds corners by a cell.
        """
        lat, lon = _pair(lat_deg, lon_deg)
        field, snap = self.field(port), self.snap(port)
        if self.grid is None or field is None or snap is None:
            return np.full(lat.shape, np.nan)
        by_sea = self.grid.read(field, self._located(lat.ravel(), lon.ravel())) + snap.moved_km
        straight = geodesic_km(port.roadstead_lat_deg, port.roadstead_lon_deg, lat.ravel(), lon.ravel())
        return np.asarray(np.maximum(by_sea, straight)).reshape(lat.shape)

    def _located(self, lat: Floats, lon: Floats) -> Spots:
        """The same places are mostly asked of every port, one port after another: the last few are kept."""
        assert self.grid is not None
        key = (lat.tobytes(), lon.tobytes())
        if key not in self._spots:
            for old in list(self._spots)[: max(len(self._spots) - _SPOTS_KEPT + 1, 0)]:
                del self._spots[old]
            self._spots[key] = self.grid.locate(lat, lon)
        return self._spots[key]

    def between_km(self, lat1: npt.ArrayLike, lon1: npt.ArrayLike, lat2: npt.ArrayLike, lon2: npt.ArrayLike) -> Floats:
        """Distance by sea [km] between places: the geodesic where it is open water, else a course found on a coarse graph.

        Limits: NaN where it is not known. Around land the course is a possible one, if not quite the shortest. Against the fields
        of ports half of the answers agree within 0.1 % and 95 % within 2 %; where the course took the wrong side of an island the
        rest are too long by up to 14 km (`design/sea_distance.py`). No verdict should rest on it alone.
        """
        a, b, c, d = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (lat1, lon1, lat2, lon2)))
        out = np.full(a.size, np.nan)
        if self._courses is None or not a.size:
            return out.reshape(a.shape)
        # Each pair once, southern place first: many silences start and end at the same few berths.
        pairs = np.column_stack([v.ravel() for v in (a, b, c, d)])
        known = np.isfinite(pairs).all(axis=1)
        pairs = pairs[known]
        turn = (pairs[:, 2] < pairs[:, 0]) | ((pairs[:, 2] == pairs[:, 0]) & (pairs[:, 3] < pairs[:, 1]))
        pairs[turn] = pairs[turn][:, [2, 3, 0, 1]]
        unique, back = np.unique(pairs, axis=0, return_inverse=True)
        if unique.size:
            km = self._courses.between_km(unique[:, 0], unique[:, 1], unique[:, 2], unique[:, 3])
            out[known] = km[back.ravel()]
        return out.reshape(a.shape)


def _pair(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> tuple[Floats, Floats]:
    lat, lon = np.broadcast_arrays(np.asarray(lat_deg, dtype=np.float64), np.asarray(lon_deg, dtype=np.float64))
    return lat, lon
