"""The sea as a grid: land rasterised on a Mercator grid, snapping to water, distance fields, and their cache on disk.

The grid is the ellipsoidal Mercator projection, measured in degrees along the equator. It is conformal: one local scale holds in
every direction, so a fast-marching field on it is a field of true WGS84 kilometres.

    row n-1  +---+---+---+   north; y = isometric latitude
             |   |   |   |   a cell is `step_deg` wide in both directions;
    row 0    +---+---+---+   its size in km is that times N(lat) cos(lat)
             col 0 ... col m-1 (east)
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio.features
import scipy
import shapely
import skfmm
from affine import Affine
from pyproj import Geod
from scipy import ndimage

from ghostships.units import WGS84_A_KM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LAND_FILE = Path(__file__).with_name("data") / "land.parquet"
LAND_BOX_DEG = (116.0, 28.0, 147.0, 53.0)
"""West, south, east, north of the shipped land (`data/README.md`). Beyond it nothing is known: not even that it is sea."""

STEP_DEG = 0.01
"""Cell width: 0.8 km at 43 N, enough to keep the channels between the islands of Peter the Great Gulf open (method.md 4)."""

SNAP_CELLS = 2.0
"""Positions on land this far from water are ships in a harbour that the raster closes (method.md 4)."""

PORT_SNAP_KM = 3.0
"""Roadsteads of ports may be this far from water (method.md 4)."""

_SOURCE_RADIUS_CELLS = 3.0
"""Fast marching errs most around a point source; inside this radius the distance is the geodesic itself."""

_ALGORITHM = "1"
"""Goes into every cache key: raise it when the same land and grid would give other numbers."""

_ECCENTRICITY = float(np.sqrt(Geod(ellps="WGS84").es))
_GEOD = Geod(ellps="WGS84")
_NEAREST_POLE = 1 - 2.0**-53
"""Largest sine taken for a latitude: the largest double below one."""


def geodesic_km(lat1: npt.ArrayLike, lon1: npt.ArrayLike, lat2: npt.ArrayLike, lon2: npt.ArrayLike) -> Floats:
    """Length of the shortest line on the WGS84 ellipsoid [km]; NaN where a coordinate is NaN."""
    a, b, c, d = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (lat1, lon1, lat2, lon2)))
    known = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & np.isfinite(d)
    out = np.full(a.shape, np.nan)
    if known.any():
        out[known] = _GEOD.inv(b[known], a[known], d[known], c[known])[2] / 1000
    return out


def mercator_y(lat_deg: npt.ArrayLike) -> Floats:
    """Isometric latitude of the WGS84 ellipsoid [degrees along the equator]."""
    # The pole is infinitely far on this map; a position sent from there must not warn, only lie outside every grid.
    sine = np.clip(np.sin(np.radians(np.asarray(lat_deg, dtype=np.float64))), -_NEAREST_POLE, _NEAREST_POLE)
    return np.asarray(np.degrees(np.arctanh(sine) - _ECCENTRICITY * np.arctanh(_ECCENTRICITY * sine)))


def mercator_lat(y_deg: npt.ArrayLike) -> Floats:
    """Latitude [degrees] of an isometric latitude: the inverse of `mercator_y`, to 1e-12 degrees."""
    psi = np.radians(np.asarray(y_deg, dtype=np.float64))
    sine = np.tanh(psi)
    for _ in range(8):  # each round gains a factor of about e^2 = 1/149
        sine = np.tanh(psi + _ECCENTRICITY * np.arctanh(_ECCENTRICITY * sine))
    return np.degrees(np.arcsin(sine))


@cache
def _land_bytes_sha256() -> str:
    return hashlib.sha256(LAND_FILE.read_bytes()).hexdigest()


@cache
def _land() -> gpd.GeoDataFrame:
    return gpd.read_parquet(LAND_FILE)


def land_polygons(bbox: tuple[float, float, float, float], tolerance_deg: float = 0.0) -> gpd.GeoDataFrame:
    """Land inside a box, simplified for drawing.

    One row is one piece of land. Pieces smaller than the tolerance in both directions are left out.

    Parameters
    ----------
    bbox
        west, south, east, north [degrees].
    tolerance_deg
        how far the simplified coast may lie from the shipped one; 0 leaves it as it is.

    Limits: empty outside 116-147 E, 28-53 N, which means that the coast there is not known, not that there is none.
    """
    land = _land()
    west, south, east, north = bbox
    near = land.iloc[np.sort(land.sindex.query(shapely.box(west, south, east, north)))]
    shapes = near.geometry.clip_by_rect(west, south, east, north)
    if tolerance_deg > 0:
        size = shapes.bounds
        big = (size.maxx - size.minx > tolerance_deg) | (size.maxy - size.miny > tolerance_deg)
        shapes = shapes[big].simplify(tolerance_deg)
    pieces = shapes.explode(index_parts=False)
    pieces = pieces[~pieces.is_empty & (pieces.geom_type == "Polygon")]
    return gpd.GeoDataFrame(geometry=pieces.reset_index(drop=True), crs=land.crs)


class Cache:
    """Arrays in a folder, by name; a folder that cannot be used costs time, never an answer.

    A file is the SHA-256 of what follows, then the bytes of the array. A file that is short, damaged or unreadable is as good as
    absent. Writing is aside and by rename, so two processes may share the folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[np.generic] | None:
        """The array, or None where there is none to trust; a length of -1 is taken from the file.

        It is mapped, not read: the fields of many ports then take page cache, which the system may drop, and no memory of ours.
        """
        if self.folder is None:
            return None
        path = self.folder / name
        try:
            with path.open("rb") as file:
                digest = file.read(32)
                if hashlib.file_digest(file, "sha256").digest() != digest:
                    return None
                items, rest = divmod(file.tell() - 32, np.dtype(dtype).itemsize)
            expected = int(np.prod([n for n in shape if n >= 0]))
            if rest or items == 0 or (items % expected if -1 in shape else items != expected):
                return None
            return np.memmap(path, dtype=dtype, mode="r", offset=32, shape=(items,)).reshape(shape)
        except (OSError, ValueError):
            return None

    def put(self, name: str, array: npt.NDArray[np.generic]) -> None:
        """Keep the array for the next run, if the folder allows it."""
        if self.folder is None:
            return
        body = np.ascontiguousarray(array).tobytes()
        aside: str | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(prefix=".draft-", dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            Path(aside).replace(self.folder / name)
        except OSError:
            if aside is not None:
                with suppress(OSError):
                    Path(aside).unlink()


@dataclass(frozen=True)
class Spots:
    """Places as a field is read at them: the water cell of each that is `known`, the four cells around it and their weights."""

    n: int
    known: Ints
    row: Ints
    col: Ints
    off_km: Floats
    """From the place to the middle of its cell."""
    is_moved: Bools
    south: Ints
    west: Ints
    weights: Floats


@dataclass(frozen=True)
class Grid:
    """The water of a box: `water[row, col]` is true in the largest connected body of water."""

    west_deg: float
    south_y: float
    water: Bools
    step_deg: float
    key: str

    @staticmethod
    def of(
        west: float, south: float, east: float, north: float, cache: Cache, step_deg: float = STEP_DEG
    ) -> Grid | None:
        """Rasterise the shipped land in a box [degrees], cut to where land is shipped; None where that leaves no water."""
        west, south = max(west, LAND_BOX_DEG[0]), max(south, LAND_BOX_DEG[1])
        east, north = min(east, LAND_BOX_DEG[2]), min(north, LAND_BOX_DEG[3])
        if east - west < 10 * step_deg or north - south < 10 * step_deg:
            return None
        south_y, north_y = float(mercator_y(south)), float(mercator_y(north))
        n_cols, n_rows = int((east - west) / step_deg + 1e-6), int((north_y - south_y) / step_deg + 1e-6)
        recipe = f"{_ALGORITHM} {_land_bytes_sha256()} {west:.6f} {south:.6f} {n_cols} {n_rows} {step_deg:.6f}"
        key = hashlib.sha256(f"{recipe} {rasterio.__gdal_version__} {scipy.__version__}".encode()).hexdigest()[:16]
        packed = cache.get(f"water-{key}", (n_rows, -(-n_cols // 8)), np.uint8)
        if packed is not None:
            water = np.unpackbits(packed.astype(np.uint8), axis=1, count=n_cols).astype(bool)
        else:
            water = _largest_water(west, south_y, n_rows, n_cols, step_deg, (west, south, east, north))
            cache.put(f"water-{key}", np.packbits(water, axis=1))
        return Grid(west, south_y, water, step_deg, key) if water.any() else None

    @cached_property
    def row_lat_deg(self) -> Floats:
        """Latitude of the middle of each row."""
        return mercator_lat(self.south_y + (np.arange(self.water.shape[0]) + 0.5) * self.step_deg)

    @cached_property
    def row_cell_km(self) -> Floats:
        """Width and height of the cells of each row [km]: N(lat) cos(lat) times the step."""
        lat = np.radians(self.row_lat_deg)
        normal = WGS84_A_KM / np.sqrt(1 - (_ECCENTRICITY * np.sin(lat)) ** 2)
        return np.asarray(normal * np.cos(lat) * np.radians(self.step_deg))

    def at(self, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Row and column as fractions: whole numbers are the middles of cells."""
        row = (mercator_y(lat_deg) - self.south_y) / self.step_deg - 0.5
        col = (np.asarray(lon_deg, dtype=np.float64) - self.west_deg) / self.step_deg - 0.5
        return row, col

    def centre(self, row: npt.ArrayLike, col: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Latitude and longitude of the middles of cells [degrees]."""
        lat = self.row_lat_deg[np.asarray(row, dtype=np.int64)]
        return lat, self.west_deg + (np.asarray(col, dtype=np.float64) + 0.5) * self.step_deg

    def inside(self, row: Floats, col: Floats) -> Bools:
        """True where a fractional place lies in the box; false for NaN."""
        n_rows, n_cols = self.water.shape
        return np.asarray((row >= -0.5) & (row <= n_rows - 0.5) & (col >= -0.5) & (col <= n_cols - 0.5))

    def snap(
        self, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike, *, within_cells: float = SNAP_CELLS
    ) -> tuple[Ints, Ints, Floats]:
        """Row and column of the nearest water cell, and how far the place was moved [km].

        A place whose own cell is water keeps it and moves 0 km; a place on land moves to the middle of the nearest water cell
        within reach. Row and column are -1 and the distance NaN where there is none, or outside the box.
        """
        lat, lon = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (lat_deg, lon_deg))
        row_f, col_f = self.at(lat, lon)
        inside = self.inside(row_f, col_f)
        row0 = np.where(inside, np.rint(np.where(inside, row_f, 0)), 0).astype(np.int64)
        col0 = np.where(inside, np.rint(np.where(inside, col_f, 0)), 0).astype(np.int64)
        n_rows, n_cols = self.water.shape
        row0, col0 = np.clip(row0, 0, n_rows - 1), np.clip(col0, 0, n_cols - 1)
        row, col = np.where(inside, row0, -1), np.where(inside, col0, -1)
        moved = np.where(inside, 0.0, np.nan)
        ashore = np.flatnonzero(inside & ~self.water[row0, col0])
        if not ashore.size:
            return row, col, moved
        reach = int(np.ceil(within_cells)) + 1
        d_row, d_col = (v.ravel() for v in np.mgrid[-reach : reach + 1, -reach : reach + 1])
        rows, cols = row0[ashore, None] + d_row, col0[ashore, None] + d_col
        valid = (rows >= 0) & (rows < n_rows) & (cols >= 0) & (cols < n_cols)
        wet = valid & self.water[np.clip(rows, 0, n_rows - 1), np.clip(cols, 0, n_cols - 1)]
        away = np.hypot(rows - row_f[ashore, None], cols - col_f[ashore, None])
        away[~wet | (away > within_cells)] = np.inf
        best = np.argmin(away, axis=1)
        pick = np.arange(ashore.size)
        found = np.isfinite(away[pick, best])
        row[ashore] = np.where(found, rows[pick, best], -1)
        col[ashore] = np.where(found, cols[pick, best], -1)
        lat_c, lon_c = self.centre(np.clip(row[ashore], 0, None), col[ashore])
        moved[ashore] = np.where(found, geodesic_km(lat[ashore], lon[ashore], lat_c, lon_c), np.nan)
        return row, col, moved

    def field(self, lat_deg: float, lon_deg: float, cache: Cache) -> npt.NDArray[np.float32]:
        """Distance by sea [km] from a place in water to the middle of every cell; NaN on land and where no path leads."""
        recipe = f"{_ALGORITHM} {self.key} {lat_deg:.6f} {lon_deg:.6f} {_SOURCE_RADIUS_CELLS} {skfmm.__version__}"
        name = f"field-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
        kept = cache.get(name, self.water.shape, np.float32)
        if kept is None:
            field = self._march(lat_deg, lon_deg)
            cache.put(name, field)
            kept = cache.get(name, self.water.shape, np.float32)
            return field if kept is None else kept.astype(np.float32, copy=False)
        return kept.astype(np.float32, copy=False)

    def _march(self, lat_deg: float, lon_deg: float) -> npt.NDArray[np.float32]:
        """Fast marching of order 2 outward from a small disc of water around the place (Sethian 1996; scikit-fmm)."""
        row_f, col_f = (float(v) for v in self.at(lat_deg, lon_deg))
        centre = (round(row_f), round(col_f))
        radius_km = _SOURCE_RADIUS_CELLS * float(self.row_cell_km[centre[0]])
        reach = int(_SOURCE_RADIUS_CELLS) + 2
        window = tuple(
            slice(max(0, c - reach), min(n, c + reach + 1)) for c, n in zip(centre, self.water.shape, strict=True)
        )
        rows, cols = (v.ravel() for v in np.mgrid[window])
        lat_c, lon_c = self.centre(rows, cols)
        near = geodesic_km(lat_deg, lon_deg, lat_c, lon_c).reshape(self.water[window].shape)
        # Water of the disc that is cut off from its centre by a spit is not in the disc: it is reached the long way round.
        labels, _ = ndimage.label(self.water[window] & (near < radius_km))
        home = labels[centre[0] - window[0].start, centre[1] - window[1].start]
        disc = (labels == home) & (home > 0)

        level = np.full(self.water.shape, 1.0)
        level[window] = np.where(disc, near - radius_km, np.maximum(near - radius_km, 1e-3))
        # The front's own units are cells. The level set is only read around the disc, where it must be a distance in them.
        level[window] /= self.row_cell_km[centre[0]]
        cells_per_km = np.broadcast_to(1 / self.row_cell_km[:, None], self.water.shape)
        time = skfmm.travel_time(np.ma.MaskedArray(level, ~self.water), cells_per_km, dx=1.0, order=2)
        field = np.ma.filled(time + radius_km, np.nan).astype(np.float32)
        field[window] = np.where(disc, near, field[window])
        field[~self.water] = np.nan
        return np.asarray(field, dtype=np.float32)

    def locate(self, lat_deg: Floats, lon_deg: Floats) -> Spots:
        """Places on the grid, once for all fields that are read at them."""
        row, col, moved = self.snap(lat_deg, lon_deg)
        known = np.flatnonzero(row >= 0)
        row, col = row[known], col[known]
        row_f, col_f = self.at(lat_deg[known], lon_deg[known])
        n_rows, n_cols = self.water.shape
        r0 = np.clip(np.floor(row_f).astype(np.int64), 0, n_rows - 2)
        c0 = np.clip(np.floor(col_f).astype(np.int64), 0, n_cols - 2)
        fr, fc = np.clip(row_f - r0, 0, 1), np.clip(col_f - c0, 0, 1)
        weights = np.stack([(1 - fr) * (1 - fc), (1 - fr) * fc, fr * (1 - fc), fr * fc])
        off_km = geodesic_km(lat_deg[known], lon_deg[known], *self.centre(row, col))
        return Spots(len(lat_deg), known, row, col, off_km, moved[known] > 0, r0, c0, weights)

    def read(self, field: npt.NDArray[np.float32], at: Spots) -> Floats:
        """Distance [km] of places from a field: bilinear in open water, from the nearest water cell beside the shore.

        With one of the four cells around a place on land, its value is continued as a plane through the other three.
        """
        out = np.full(at.n, np.nan)
        if not at.known.size:
            return out
        r0, c0 = at.south, at.west
        corner = np.stack([field[r0, c0], field[r0, c0 + 1], field[r0 + 1, c0], field[r0 + 1, c0 + 1]]).astype(float)
        missing = np.isnan(corner)
        beside = np.array([[1, 2, 3], [0, 3, 2], [0, 3, 1], [1, 2, 0]])  # two neighbours, then the opposite corner
        single = missing.sum(axis=0) == 1
        for i, (a, b, opposite) in enumerate(beside):
            fill = single & missing[i]
            corner[i, fill] = corner[a, fill] + corner[b, fill] - corner[opposite, fill]
        smooth = (at.weights * corner).sum(axis=0)
        stepwise = field[at.row, at.col] + at.off_km
        out[at.known] = np.where(np.isnan(smooth) | at.is_moved, stepwise, smooth)
        return out


def _largest_water(
    west: float, south_y: float, n_rows: int, n_cols: int, step: float, box: tuple[float, float, float, float]
) -> Bools:
    """Cells whose middle is not on land, of the largest body of water (neighbours share an edge, as in fast marching)."""
    land = land_polygons(box).geometry.to_numpy()
    projected = shapely.transform(land, lambda xy: np.column_stack([xy[:, 0], mercator_y(xy[:, 1])]))
    north_up = Affine(step, 0, west, 0, -step, south_y + n_rows * step)
    if projected.size:
        raster = rasterio.features.rasterize(projected, (n_rows, n_cols), fill=0, transform=north_up, dtype="uint8")
    else:
        raster = np.zeros((n_rows, n_cols), dtype=np.uint8)
    labels, n_bodies = ndimage.label(raster[::-1] == 0)
    if n_bodies == 0:
        return np.zeros((n_rows, n_cols), dtype=bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(np.argmax(sizes)))
