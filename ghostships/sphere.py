"""Great circles on a sphere, and the equal-area cells of the reception count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELL_ROWS = 720
CELL_ROW_DEG = 0.25
_CELLS_AT_EQUATOR = 1440
"""Rows of a quarter degree, round(1440 cos(lat)) cells in a row: cells of about 770 km2 everywhere (method.md 2)."""

_TURNS_PER_DEG = 1 / 360
"""Multiplied, not divided by 360: Polars divides by a constant that way, and both must give the same last bit."""


def gc_km(lat1: npt.ArrayLike, lon1: npt.ArrayLike, lat2: npt.ArrayLike, lon2: npt.ArrayLike) -> Floats:
    """Great-circle distance [km] on a sphere of the Earth's mean radius, within 0.56 % of the ellipsoid's; NaN in, NaN out."""
    phi1, phi2 = np.radians(np.asarray(lat1, dtype=np.float64)), np.radians(np.asarray(lat2, dtype=np.float64))
    d_lambda = np.radians(np.asarray(lon2, dtype=np.float64) - np.asarray(lon1, dtype=np.float64))
    h = np.sin((phi2 - phi1) / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(d_lambda / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0, 1))))


def gc_nm_expr(lat1: pl.Expr, lon1: pl.Expr, lat2: pl.Expr, lon2: pl.Expr) -> pl.Expr:
    """Great-circle distance [nm] of columns in degrees: `gc_km` for Polars, null where a coordinate is null."""
    a = ((lat2 - lat1).radians() / 2).sin() ** 2
    b = lat1.radians().cos() * lat2.radians().cos() * ((lon2 - lon1).radians() / 2).sin() ** 2
    return (a + b).clip(0, 1).sqrt().arcsin() * (2 * EARTH_RADIUS_KM / KM_PER_NM)


def _cells_in_row(row: Ints) -> Ints:
    middle = np.radians((row + 0.5) * CELL_ROW_DEG - 90)
    return np.asarray(np.rint(_CELLS_AT_EQUATOR * np.cos(middle)), dtype=np.int64)


def cell(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Ints:
    """Number of the equal-area cell of a place: row * 1440 + column; -1 where a coordinate is NaN.

    Rows count from the South Pole, columns from 180 W eastward; 180 E is 180 W, and the North Pole is in the last row.
    """
    lat, lon = np.broadcast_arrays(np.asarray(lat_deg, dtype=np.float64), np.asarray(lon_deg, dtype=np.float64))
    known = np.isfinite(lat) & np.isfinite(lon)
    row = np.clip(np.floor((np.where(known, lat, 0.0) + 90) / CELL_ROW_DEG), 0, CELL_ROWS - 1).astype(np.int64)
    n = _cells_in_row(row)
    col = np.floor((np.where(known, lon, 0.0) + 180) * n * _TURNS_PER_DEG).astype(np.int64) % n
    return np.asarray(np.where(known, row * _CELLS_AT_EQUATOR + col, -1), dtype=np.int64)


def cell_expr(lat: pl.Expr, lon: pl.Expr) -> pl.Expr:
    """The same number as `cell`, as a Polars expression; null where a coordinate is null or NaN."""
    row = ((lat + 90) / CELL_ROW_DEG).floor().clip(0, CELL_ROWS - 1)
    # Polars rounds halves away from zero, numpy to even: no row has a half (tests/test_sea.py).
    n = (_CELLS_AT_EQUATOR * ((row + 0.5) * CELL_ROW_DEG - 90).radians().cos()).round()
    col = ((lon + 180) * n * _TURNS_PER_DEG).floor() % n
    number = row * _CELLS_AT_EQUATOR + col
    return pl.when(lat.is_finite() & lon.is_finite()).then(number).cast(pl.Int64)


def cell_centre(cell_number: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Latitude and longitude of the middle of a cell [degrees]; NaN for -1."""
    number = np.asarray(cell_number, dtype=np.int64)
    row, col = np.divmod(number, _CELLS_AT_EQUATOR)
    known = (number >= 0) & (row < CELL_ROWS)
    n = _cells_in_row(np.where(known, row, 0))
    lat = np.where(known, (row + 0.5) * CELL_ROW_DEG - 90, np.nan)
    return lat, np.where(known, (col + 0.5) / n * 360 - 180, np.nan)
