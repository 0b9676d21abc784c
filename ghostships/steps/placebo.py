"""How many flags would chance give? The inference where the answer should be "nothing": on other dates, and at other places.

*Other dates.* All pictures are moved together by a number of whole days (`inference.by_chance` says how, and why not day by day).
Levels are learned again from the moved pictures, as the run learns them.

*Other places.* The dark port is moved to empty points of the same coast: at least `CLEAR_OF_PORTS_KM` from every port of the route,
about as far by sea from the home ports as the dark port, spread evenly. Nobody looked there, so nothing is learned there: the level
of the trade stays where the route file begins, and what is flagged is reach and circumstances alone. A harder question beside it
keeps the level that the run learned at the dark port: so many of its flags would be raised for any port as far away. Habit is left
out of both: it was seen at another port.

Both use `inference.alongside`: one call a silence, the dark port alone. How many silences that shorter inference flags on the true
dates is said beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ghostships import units
from ghostships.inference import factors, silences
from ghostships.inference.alongside import Reached, call_weights, underway_weights
from ghostships.inference.by_chance import Asked, Chance, Dates
from ghostships.inference.histories import Array, Stays
from ghostships.inference.joint import Weighed
from ghostships.inference.together import one_thread
from ghostships.routes import Route
from ghostships.sea import Place, Sea
from ghostships.sphere import gc_km

Ints = npt.NDArray[np.int64]

US = units.US_PER_HOUR
N_PLACES = 20
CLEAR_OF_PORTS_KM = 20.0
"""An empty point is so far from every port of the route: twice the largest radius of one."""

OFFSHORE_CELLS = 3
"""Roadsteads lie within so many cells of the grid (2 to 3 km) of land."""

AS_FAR = (0.5, 2.0)
"""Empty points are between half and twice as far from the home ports as the dark port: nearer or farther ones would flatter."""

WAY_CELL_DEG = 0.1
"""Size of the cells whose ends of silences share their ways to the empty points: each way costs a millisecond."""


@dataclass(frozen=True)
class _Silent(Asked):
    """The silences with what other places need: top speeds, and where each began and ended (latitudes and longitudes)."""

    fastest_kn: Array
    ends: tuple[Array, Array, Array, Array]

    def only(self, kept: Ints) -> _Silent:
        """Some of them."""
        r = self.reached
        return _Silent(
            self.bits[kept],
            self.listed[kept],
            self.density[kept],
            self.ship[kept],
            [self.keys[i] for i in kept],
            Reached(r.start_h[kept], r.end_h[kept], r.is_open[kept], r.from_h[kept], r.to_h[kept]),
            self.fastest_kn[kept],
            (self.ends[0][kept], self.ends[1][kept], self.ends[2][kept], self.ends[3][kept]),
        )


@one_thread()
def panel(
    weighed: Weighed,
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    sea: Sea,
    legs_nm: pd.DataFrame,
    as_of_us: int,
    chance: Chance,
) -> list[dict[str, Any]]:
    """The placebo panel: one entry per kind, none where nothing could be asked.

    Each has `what`, `n_runs`, `flags_median`, `flags_max`, `flags_here` and `because`. `flags_here` is what the same short
    inference flags on the true dates, or at the dark port itself without its pictures: that is what the others compare with.

    Parameters
    ----------
    port_calls : calls that no transmitting ship explains
    legs_nm : sea distance between ports [nm], indexed by port id
    as_of_us : "now" [microseconds]
    chance : what of the calls that chance carries the run keeps from teaching it levels (`inference.by_chance`)

    Limits: one call a silence, and stays at other ports are left out. Silences too short for the dark port are not asked of a point
    that would be nearer.
    """
    asked = _asked(weighed, gaps, reach, vessels, route, legs_nm, as_of_us)
    if not len(asked):
        return []
    dates = Dates(asked, port_calls, sightings, scenes, vessels, route)
    return [
        *_dates(dates, len(asked), chance, route),
        *_places(asked, float(weighed.solution.p_trip), route, sea),
    ]


def _asked(
    weighed: Weighed,
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    vessels: pd.DataFrame,
    route: Route,
    legs_nm: pd.DataFrame,
    as_of_us: int,
) -> _Silent:
    own = [g for g, silent in enumerate(weighed.silents) if silent.is_feasible]
    ids = [weighed.gap_ids[g] for g in own]
    rows = gaps.set_index("gap_id").loc[ids]
    near = reach[reach["port"] == route.dark_port_id].set_index("gap_id").loc[ids]
    start, end = _hours(rows["start_utc"]), _hours(rows["end_utc"])
    is_open = rows["is_open"].to_numpy(dtype=bool)
    end = np.where(is_open, as_of_us / US, end)
    kn = near["fastest_kn"].to_numpy(dtype=np.float64)
    homes = [p.id for p in route.ports if p.role == "counterpart"]
    home_nm = legs_nm.loc[route.dark_port_id, homes].min() if homes else 0.0
    back = end - _hours(near["latest_departure_utc"])
    reached = Reached(
        start,
        end,
        is_open,
        _hours(near["earliest_arrival_utc"]) - start,
        np.where(is_open, (home_nm if home_nm == home_nm else 0.0) / kn, back),
    )
    keys = [str(key) for key in rows["vessel_key"]]
    listed = [math.fsum(f.bits for f in weighed.fixed[g] if f.name in ("watch_list", "registry")) for g in own]
    places = ("start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg")
    a, b, c, d = (rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in places)
    return _Silent(
        np.array([weighed.silents[g].bits for g in own]),
        np.array(listed),
        np.array([weighed.silents[g].silence.density for g in own]),
        np.unique(keys, return_inverse=True)[1].astype(np.int64) if keys else np.zeros(0, dtype=np.int64),
        keys,
        reached,
        kn,
        (a, b, c, d),
    )


def _hours(times: pd.Series) -> Array:
    """Hours since 1970; NaN where there is no time."""
    stamps = times.astype("datetime64[us, UTC]")
    hours = stamps.astype("int64").to_numpy(dtype=np.float64) / US
    return np.where(stamps.isna().to_numpy(), np.nan, hours)


def _dates(dates: Dates, n_asked: int, chance: Chance, route: Route) -> list[dict[str, Any]]:
    if not dates.n_runs:
        return []
    on_true, *counts = dates.flags(chance=chance)
    return [
        {
            "what": "sighting dates shuffled: all pictures moved together to other days",
            "n_runs": len(counts),
            "flags_median": float(np.median(counts)),
            "flags_max": int(max(counts)),
            "flags_here": on_true,
            "because": (
                f"pictures of {dates.n_days} days moved together by {dates.shifts[0]} to {dates.shifts[-1]} days, the end wrapped "
                f"to the start, and the levels learned again; {n_asked} silences that fit {route.dark_port.name} asked, one call "
                f"each; the same short inference flags {on_true} on the true dates"
            ),
        }
    ]


def _places(asked: _Silent, p_trip: float, route: Route, sea: Sea) -> list[dict[str, Any]]:
    points = empty_points(route, sea)
    if not points:
        return []
    stays, before_mean_h = silences.stays_of(route.dark_port, route), route.priors.before_mean_h
    limit = factors.bits_of(route.policy.flag_threshold)
    prior, kept = factors.bits_of(route.priors.p_trip), factors.bits_of(p_trip)
    some = asked.only(_possible(asked, max(prior, kept), stays, before_mean_h, limit))
    from_nm, to_nm = _ways_nm(points, some, sea)
    name = route.dark_port.name
    fewer = "" if len(points) == N_PLACES else f", no more than {len(points)} were found"
    where = (
        f"points at least {CLEAR_OF_PORTS_KM:.0f} km from every port and {AS_FAR[0]:g} to {AS_FAR[1]:g} times as far from the home "
        f"ports{fewer}; nobody looked there"
    )
    told = {
        "learned there": (
            prior,
            f"so nothing is learned and the level of the trade stays the route's own, {route.priors.p_trip:.1%}",
        ),
        f"kept from {name}": (
            kept,
            f"but the level of the trade that the run learned at {name}, {p_trip:.1%}, is kept",
        ),
    }
    panel = []
    for how, (level, why) in told.items():
        counts = [
            _flagged_at(some, from_nm[n], to_nm[n], level, stays, before_mean_h, limit) for n in range(len(points))
        ]
        here = _flagged_there(asked, level, stays, before_mean_h, limit)
        panel.append(
            {
                "what": f"{name} moved to {len(points)} empty points of the same coast, the level of the trade {how}",
                "n_runs": len(points),
                "flags_median": float(np.median(counts)),
                "flags_max": int(max(counts)),
                "flags_here": here,
                "because": (
                    f"{where}, {why}; {len(asked)} silences that fit {name} asked, one call each; at {name} itself, without its "
                    f"pictures, that level flags {here}"
                ),
            }
        )
    return panel


def _ways_nm(points: Sequence[Place], asked: _Silent, sea: Sea) -> tuple[Array, Array]:
    """Sea distances [nm] from each point (row) to where each silence began and ended.

    Ends within a tenth of a degree share one way, the southernmost's: at most 14 km wrong, an hour of a silence of days.
    """
    a_lat, a_lon, b_lat, b_lon = asked.ends
    lat, lon = np.concatenate([a_lat, b_lat]), np.concatenate([a_lon, b_lon])
    order = np.lexsort((lon, lat))
    cells = np.stack([np.floor(lat[order] / WAY_CELL_DEG), np.floor(lon[order] / WAY_CELL_DEG)])
    _, first, cell = np.unique(cells, axis=1, return_index=True, return_inverse=True)
    some = order[first]
    here = np.array([[p.roadstead_lat_deg, p.roadstead_lon_deg] for p in points])
    km = sea.between_km(here[:, :1], here[:, 1:], lat[None, some], lon[None, some])
    whole = np.empty((len(points), len(lat)))
    whole[:, order] = units.nm(1.0) * km[:, cell.reshape(-1)]
    return whole[:, : len(asked)], whole[:, len(asked) :]


def _possible(asked: _Silent, level: float, stays: Stays, before_mean_h: float, limit: float) -> Ints:
    """Silences that could be flagged somewhere: with the slack that weighs most, of what their length leaves."""
    r = asked.reached
    whole = r.end_h - r.start_h
    n = int(np.ceil(np.nanmax(whole))) + 2
    best = np.maximum.accumulate(call_weights(np.arange(n, dtype=np.float64), stays, before_mean_h))
    most = np.where(r.is_open, 1.0, np.interp(whole, np.arange(n), best))
    return np.flatnonzero(_log_odds(asked, most, level) >= limit)


def _log_odds(asked: _Silent, weights: Array, level: float) -> Array:
    """Log-odds of a trip [bits] in silences of which nothing was seen."""
    with np.errstate(divide="ignore"):
        return np.asarray(level + asked.bits + np.log2(weights) - np.log2(asked.density))


def _flagged_at(
    asked: _Silent, from_nm: Array, to_nm: Array, level: float, stays: Stays, before_mean_h: float, limit: float
) -> int:
    """Silences flagged for a port so far from their two ends; a way that is not known fits nothing."""
    r = asked.reached
    moved = replace(r, from_h=from_nm / asked.fastest_kn, to_h=np.where(r.is_open, r.to_h, to_nm / asked.fastest_kn))
    return _flagged_there(replace(asked, reached=moved), level, stays, before_mean_h, limit)


def _flagged_there(asked: _Silent, level: float, stays: Stays, before_mean_h: float, limit: float) -> int:
    r = asked.reached
    left = r.end_h - r.start_h - r.from_h
    closed = call_weights(np.where(r.is_open, np.nan, left - r.to_h), stays, before_mean_h)
    still = underway_weights(np.where(r.is_open, left, np.nan), r.to_h, stays, before_mean_h)
    bits = _log_odds(asked, np.where(r.is_open, still, closed), level)
    return int(((bits >= limit) & (bits - level - asked.listed > 0)).sum())


def empty_points(route: Route, sea: Sea) -> list[Place]:
    """Up to `N_PLACES` points in water close to the coast, clear of every port, spread evenly; the first is nearest the dark port.

    Each further one is the candidate farthest from all chosen so far (of equals the southernmost, then the westernmost).
    """
    lat, lon = _coast(route, sea)
    if not len(lat):
        return []
    clear = np.ones(len(lat), dtype=bool)
    for port in route.ports:
        clear &= gc_km(port.lat_deg, port.lon_deg, lat, lon) >= CLEAR_OF_PORTS_KM
        clear &= gc_km(port.roadstead_lat_deg, port.roadstead_lon_deg, lat, lon) >= CLEAR_OF_PORTS_KM
    lat, lon = lat[clear], lon[clear]
    away, own = _home_km(route, sea, lat, lon)
    fits = (away >= AS_FAR[0] * own) & (away <= AS_FAR[1] * own)
    lat, lon = lat[fits], lon[fits]
    if not len(lat):
        return []
    dark = route.dark_port
    chosen = [int(np.argmin(gc_km(dark.lat_deg, dark.lon_deg, lat, lon)))]
    nearest = gc_km(lat[chosen[0]], lon[chosen[0]], lat, lon)
    while len(chosen) < N_PLACES and nearest.max() > 0:
        chosen.append(int(np.argmax(np.round(nearest, 6))))
        nearest = np.minimum(nearest, gc_km(lat[chosen[-1]], lon[chosen[-1]], lat, lon))
    return [Place(f"PLACEBO-{n + 1:02d}", float(lat[i]), float(lon[i])) for n, i in enumerate(chosen)]


def _coast(route: Route, sea: Sea) -> tuple[Array, Array]:
    """Water cells near land within reach of the home ports, south to north, west to east [degrees]."""
    grid = sea.grid
    if grid is None:
        return np.zeros(0), np.zeros(0)
    homes = _homes(route)
    dark = route.dark_port
    own = min(float(gc_km(dark.lat_deg, dark.lon_deg, h.lat_deg, h.lon_deg)) for h in homes)
    # By sea the dark port may be a little farther than straight: half as much again is beyond every candidate.
    margin = 1.5 * AS_FAR[1] * max(own, CLEAR_OF_PORTS_KM) / 100.0
    n_rows, n_cols = grid.water.shape
    box_lat = [h.lat_deg for h in homes]
    box_lon = [h.lon_deg for h in homes]
    (row_a, row_b), (col_a, col_b) = grid.at(
        np.array([min(box_lat) - margin, max(box_lat) + margin]),
        np.array([min(box_lon) - 1.5 * margin, max(box_lon) + 1.5 * margin]),
    )
    low, high = max(int(row_a), 0), min(int(row_b) + 1, n_rows)
    west, east = max(int(col_a), 0), min(int(col_b) + 1, n_cols)
    water = grid.water[low:high, west:east]
    land = ~water
    # Cells that a square around a land cell covers: beside the coast, lakes and land excepted.
    near = land.copy()
    for axis in (0, 1):
        grown = near.copy()
        for step in range(1, OFFSHORE_CELLS + 1):
            ahead = [slice(None), slice(None)]
            behind = [slice(None), slice(None)]
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            grown[tuple(ahead)] |= near[tuple(behind)]
            grown[tuple(behind)] |= near[tuple(ahead)]
        near = grown
    rows, cols = np.nonzero(near & water)
    return grid.centre(rows + low, cols + west)


def _homes(route: Route) -> list[Any]:
    """The ports where the trade is at home; all others where the route names none, the dark port itself where it is alone."""
    homes = [p for p in route.ports if p.role == "counterpart"]
    return homes or [p for p in route.ports if p.id != route.dark_port_id] or [route.dark_port]


def _home_km(route: Route, sea: Sea, lat: Array, lon: Array) -> tuple[Array, float]:
    """Sea distance from the nearest home port [km], of these places and of the dark port."""
    dark = route.dark_port
    away = np.full(len(lat), np.inf)
    own = math.inf
    for home in _homes(route):
        if home.id != dark.id:
            away = np.fmin(away, sea.distance_km(home, lat, lon))
            own = min(
                own,
                float(
                    np.nan_to_num(sea.distance_km(home, dark.roadstead_lat_deg, dark.roadstead_lon_deg), nan=math.inf)
                ),
            )
    if not math.isfinite(own):
        return np.full(len(lat), CLEAR_OF_PORTS_KM), CLEAR_OF_PORTS_KM
    return away, own
