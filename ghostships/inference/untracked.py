"""How many hulls nobody knows there may be in a picture of open water: the level that "none of these" stands on.

A fixed number for a whole coast is wrong twice: too high in an empty sea and far too low at an anchorage, where hulls without a
transponder are as common as ships are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import sphere

Floats = npt.NDArray[np.float64]

PER_HEARD = 0.27
"""Hulls that no export knows, per ship heard in the same waters: at least 21 % of the transport and energy vessels that satellites
saw were not tracked publicly (Paolo et al. 2024, doi 10.1038/s41586-023-06825-8: 21 to 30 %)."""

CELL_KM2 = 770.0
"""Area of the cells in which heard ships are counted (`sphere.cell`)."""


def per_km2(
    lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike, hours: pl.DataFrame | None, *, dark_hulls_per_1000_km2: float
) -> Floats:
    """Hulls that nobody knows at places at sea [per km2]: the route's level, and a share of the ships heard around each place.

    `hours` has one row per ship and hour in which it was heard (`hour_utc`, `last_lat_deg`, `last_lon_deg`); without it the
    route's level stands alone. Limits: where ships are heard badly they are counted too low.
    """
    at = sphere.cell(lat_deg, lon_deg)
    base = dark_hulls_per_1000_km2 / 1000
    if hours is None or hours.is_empty():
        return np.full(at.shape, base)
    cells = hours.select(cell=sphere.cell_expr(pl.col("last_lat_deg"), pl.col("last_lon_deg"))).drop_nulls()
    ship_hours = dict(cells.group_by("cell").len().iter_rows())
    span_h = int(hours.select((pl.col("hour_utc").max() - pl.col("hour_utc").min()).dt.total_hours()).item()) + 1
    heard = np.array([ship_hours.get(int(c), 0) for c in at.ravel()], dtype=float).reshape(at.shape) / span_h
    return np.asarray(base + PER_HEARD * heard / CELL_KM2)
