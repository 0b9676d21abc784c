"""Chance and shape: how surprising it is that things fall together, and how well positions fit a circle or a straight run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc

from ghostships.inference.factors import CLIP_BITS
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM

Floats = npt.NDArray[np.float64]

_KM_PER_DEG = EARTH_RADIUS_KM * math.pi / 180


def together_bits(n_others: int, expected: float, *, n_tried: int) -> float:
    """How surprising it is that `n_others` of something fell beside one of `n_tried`, where chance brings `expected` there.

    -log2 of the chance, under a Poisson law, of at least so many beside any of those tried (Bonferroni). 0 when chance alone
    does it, at most 30.
    """
    if n_others <= 0:
        return 0.0
    # P(X >= n) of a Poisson variable is the regularised lower incomplete gamma function of n at its mean.
    chance = float(gammainc(n_others, max(expected, 0.0))) * max(n_tried, 1)
    if chance >= 1:
        return 0.0
    return min(CLIP_BITS, -math.log2(chance)) if chance > 0 else CLIP_BITS


@dataclass(frozen=True)
class Circle:
    """The circle nearest to some positions: centre, radius [km], rms distance from it [km], largest arc [deg] without one."""

    lat_deg: float
    lon_deg: float
    radius_km: float
    residual_km: float
    open_arc_deg: float


def circle(lat_deg: Floats, lon_deg: Floats) -> Circle | None:
    """The circle through at least four positions within some tens of kilometres, by least squares; None where there is none.

    Kasa's linear form (1976, doi 10.1109/TIM.1976.6312298): exact for points on a circle, biased for short arcs, which is why
    the open arc is told. Plane geometry: 0.1 % off over 30 km in middle latitudes.
    """
    if len(lat_deg) < 4:
        return None
    x, y, lat0, lon0 = _plane(lat_deg, lon_deg)
    sides = np.column_stack([x, y, np.ones(len(x))])
    solved, _, rank, _ = np.linalg.lstsq(sides, x * x + y * y, rcond=None)
    if rank < 3:
        return None
    cx, cy = solved[0] / 2, solved[1] / 2
    radius2 = solved[2] + cx * cx + cy * cy
    if not radius2 > 0:
        return None
    radius = math.sqrt(radius2)
    off = np.hypot(x - cx, y - cy) - radius
    angle = np.sort(np.degrees(np.arctan2(y - cy, x - cx)))
    arcs = np.diff(np.append(angle, angle[0] + 360))
    lat = lat0 + cy / _KM_PER_DEG
    lon = lon0 + cx / (_KM_PER_DEG * math.cos(math.radians(lat0)))
    return Circle(lat, (lon + 180) % 360 - 180, radius, float(np.sqrt(np.mean(off**2))), float(arcs.max()))


@dataclass(frozen=True)
class Line:
    """The straight run at constant speed nearest to some timed positions: speed [kn], length [nm], rms distance from it [km]."""

    speed_kn: float
    length_nm: float
    residual_km: float


def line(lat_deg: Floats, lon_deg: Floats, hours: Floats) -> Line | None:
    """The straight run at constant speed through at least four timed positions, by least squares; None without a time between.

    On a sphere a constant heading is no straight line in the plane: 0.05 km off over 30 nm, 0.5 km over 100 nm.
    """
    if len(lat_deg) < 4 or not hours.max() > hours.min():
        return None
    east, north, off = _run(lat_deg, lon_deg, hours)
    speed = math.hypot(east, north) / KM_PER_NM
    return Line(speed, speed * float(np.ptp(hours)), float(np.sqrt(np.mean(off**2))))


def off_line_km(lat_deg: Floats, lon_deg: Floats, hours: Floats) -> Floats:
    """Distance [km] of each position from where the straight run nearest to all of them has it at that time."""
    return _run(lat_deg, lon_deg, hours)[2]


def _run(lat_deg: Floats, lon_deg: Floats, hours: Floats) -> tuple[float, float, Floats]:
    """Speed eastward and northward [km/h] of the nearest straight run, and the distance of each position from it [km]."""
    x, y, *_ = _plane(lat_deg, lon_deg)
    since = hours - hours.mean()
    spread = float((since**2).sum())
    east, north = float((since * x).sum()) / spread, float((since * y).sum()) / spread
    return east, north, np.hypot(x - x.mean() - east * since, y - y.mean() - north * since)


def _plane(lat_deg: Floats, lon_deg: Floats) -> tuple[Floats, Floats, float, float]:
    """East and north [km] of the mean place, and that place."""
    lat0 = float(lat_deg.mean())
    east = (lon_deg - lon_deg[0] + 180) % 360 - 180
    lon0 = float(lon_deg[0] + east.mean())
    x = (east - east.mean()) * _KM_PER_DEG * math.cos(math.radians(lat0))
    return x, (lat_deg - lat0) * _KM_PER_DEG, lat0, lon0
