"""Sightings away from ports: which silent ship could have been passing there, or lying there.

Between vanishing at A and returning at B a ship is thought of in one of several ways at once, each a blot on the map:

    o A: has not left yet        ... (x) ...  on an even straight course, or near it       o B: is there already
                                 somewhere off the course, within what the time allows

How much weight each way has is learned from ships while they were heard: their own tracks, with the middle left out. Outside its
reach a ship cannot have been. Distances are great circles, the shortest there can be: reach is generous around land, and known
where no land is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import sphere, units
from ghostships.inference import association, factors, untracked
from ghostships.inference.factors import Factor
from ghostships.routes import Route

US = units.US_PER_HOUR
Floats = npt.NDArray[np.float64]

SPANS_H = (8, 12, 24, 48)
SHARES = (0.25, 0.5, 0.75)
"""Tracks are learned from with the middle left out: from an hour to the one so much later, looked at after these shares of it."""

SAME_PLACE_KM = 2.0
"""Ships that come back so near to where they vanished mostly never left: they are a class of their own."""

LONG_H = (10.0, 20.0)
"""Silences up to 10 h, up to 20 h and longer are classes of their own: the longer, the less is known."""

LYING_KM = 0.4
"""Spread of a ship that lies where it was last heard: anchor swing of a large ship and noise, about two cables."""

PRIOR_TRACKS = 40.0
"""How many looks at tracks the weights below are worth where few ships were heard."""

# Order: at A, at B, even straight course, near it, anywhere within reach.
PRIOR_CLOSED: dict[bool, tuple[float, ...]] = {True: (0.3, 0.3, 0.1, 0.2, 0.1), False: (0.1, 0.1, 0.2, 0.35, 0.25)}
"""Weights of the ways before anything is learned, by whether the ship came back to the same place; own judgement."""

# Order: at A, gone a little, gone as far as it may.
PRIOR_OPEN = (0.3, 0.2, 0.5)

LEAST_ODDS = 1e-7
EM_ROUNDS = 25
MOST_LOOKS = 2000
"""Looks at tracks that one class is learned from; more change nothing in the second digit."""


@dataclass(frozen=True)
class Habits:
    """Weights of the ways a ship may spend a time in which nobody hears it, by class: (same place, class of length)."""

    closed: dict[tuple[bool, int], Floats]
    open: dict[int, Floats]
    n_looks: int


@dataclass(frozen=True)
class _Bridge:
    """Silences as arrays, one entry each; `b_*` repeats `a_*` and `before_h` is infinite while a silence is open."""

    a_lat: Floats
    a_lon: Floats
    b_lat: Floats
    b_lon: Floats
    after_h: Floats
    before_h: Floats
    speed_km_h: Floats

    @property
    def total_h(self) -> Floats:
        return self.after_h + self.before_h

    def distances(self, lat: Floats, lon: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """From A, from B and from an even straight course to the place; and from A to B [km]."""
        share = np.divide(self.after_h, self.total_h, out=np.full(len(lat), 0.5), where=self.total_h > 0)
        share = np.where(np.isfinite(self.total_h), share, 0.0)
        # The short way round the world, also where A and B lie on both sides of 180 degrees.
        turn = (self.b_lon - self.a_lon + 180) % 360 - 180
        mid_lat, mid_lon = self.a_lat + share * (self.b_lat - self.a_lat), self.a_lon + share * turn
        return (
            sphere.gc_km(self.a_lat, self.a_lon, lat, lon),
            sphere.gc_km(self.b_lat, self.b_lon, lat, lon),
            sphere.gc_km(mid_lat, mid_lon, lat, lon),
            sphere.gc_km(self.a_lat, self.a_lon, self.b_lat, self.b_lon),
        )

    def stray_km(self, direct_km: Floats) -> Floats:
        """How far the ship can be off an even straight course at this time and still come back to it."""
        share = np.clip(self.after_h / np.maximum(self.total_h, 1e-9), 0, 1)
        whole = np.maximum((self.speed_km_h * self.total_h) ** 2 - direct_km**2, 0.0)
        return np.asarray(np.sqrt(whole) * np.sqrt(share * (1 - share)))


def weigh(
    sightings: pd.DataFrame,
    gaps: pd.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    fastest_kn: dict[str, float],
    as_of_us: int,
    hours: pl.DataFrame | None = None,
) -> dict[str, list[tuple[str, list[Factor]]]]:
    """Per sighting of a ship at sea, the silences that could hold it, each with its factors (they add up to log-odds).

    `sightings` are those that belong to no port call. A window of time is read at its middle; sightings without a place have no
    row here. `hours` are the heard hours of each hull, from which the ways of ships are learned (`learn`), and how many hulls that
    nobody knows there may be in crowded waters; without them the priors stand alone. Silences of a feed that was down take no part.

    Limits: distances are great circles, so a ship behind a headland counts as within reach. Two sightings at different times are
    weighed each for itself.
    """
    usable = gaps[gaps["state"] != "void"].sort_values("gap_id").reset_index(drop=True)
    at_sea = sightings[(sightings["observation_type"] == "vessel") & sightings["lat_deg"].notna()]
    at_sea = at_sea.sort_values("sighting_id")
    if not len(usable) or not len(at_sea):
        return {}
    habits = learn(hours, fastest_kn)
    start = usable["start_utc"].astype("int64").to_numpy()
    end = usable["end_utc"].astype("int64").to_numpy().copy()
    is_open = usable["is_open"].to_numpy(dtype=bool)
    end[is_open] = as_of_us
    a_lat, a_lon = usable["start_lat_deg"].to_numpy(dtype=float), usable["start_lon_deg"].to_numpy(dtype=float)
    b_lat = usable["end_lat_deg"].fillna(usable["start_lat_deg"]).to_numpy(dtype=float)
    b_lon = usable["end_lon_deg"].fillna(usable["start_lon_deg"]).to_numpy(dtype=float)
    keys = usable["vessel_key"].astype(str).tolist()
    speed = np.array([fastest_kn[k] for k in keys]) * units.KM_PER_NM
    ships = vessels.set_index("vessel_key").to_dict("index")
    unknown = untracked.per_km2(
        at_sea["lat_deg"].to_numpy(dtype=float),
        at_sea["lon_deg"].to_numpy(dtype=float),
        hours,
        dark_hulls_per_1000_km2=route.priors.dark_hulls_per_1000_km2,
    )
    kept: list[tuple[str, int, list[Factor], float]] = []
    scenes: list[str] = []
    for s, nobody in zip(at_sea.to_dict("records"), unknown, strict=True):
        at = (s["start_utc"].value + s["end_utc"].value) // 2000
        sensor = route.sensor(s["sensor"] if isinstance(s["sensor"], str) else None)
        given = s["position_sigma_m"] if s["position_sigma_m"] == s["position_sigma_m"] else 0.0
        sigma_km = max(given, sensor.position_sigma_m) / 1000
        silent = np.flatnonzero((start <= at) & (at <= end))
        if not silent.size:
            continue
        bridge = _Bridge(
            a_lat[silent],
            a_lon[silent],
            b_lat[silent],
            b_lon[silent],
            (at - start[silent]) / US,
            np.where(is_open[silent], math.inf, (end[silent] - at) / US),
            speed[silent],
        )
        lat, lon = np.full(silent.size, s["lat_deg"]), np.full(silent.size, s["lon_deg"])
        away = bridge.distances(lat, lon)
        can = (away[0] <= bridge.speed_km_h * bridge.after_h + 2 * sigma_km) & (
            np.isinf(bridge.before_h) | (away[1] <= bridge.speed_km_h * bridge.before_h + 2 * sigma_km)
        )
        density = np.where(can, _density(bridge, away, sigma_km, habits), 0.0)
        odds = sensor.p_detect_sea * density / nobody
        scene = s["scene_id"] if isinstance(s["scene_id"], str) else f"|{s['sighting_id']}"
        for i in np.flatnonzero(odds > LEAST_ODDS):
            gap = int(silent[i])
            steps = _factors(
                s,
                ships[keys[gap]],
                float(odds[i]),
                tuple(float(d[i]) for d in away[:3]),
                bool(is_open[gap]),
                route,
            )
            weight = 2.0 ** math.fsum(f.bits for f in steps)
            if weight > LEAST_ODDS:
                kept.append((str(s["sighting_id"]), gap, steps, weight))
                scenes.append(f"{scene}|{keys[gap]}")
    return _shared(kept, scenes, usable)


def _shared(
    kept: list[tuple[str, int, list[Factor], float]], scenes: list[str], usable: pd.DataFrame
) -> dict[str, list[tuple[str, list[Factor]]]]:
    """The room shared among rivals: a ship is one detection of a picture at most, a detection one ship at most."""
    if not kept:
        return {}
    detection = pd.factorize(np.array([k[0] for k in kept]))[0]
    share = association.one_each(np.array([k[3] for k in kept]), detection, pd.factorize(np.array(scenes))[0])
    found: dict[str, list[tuple[str, list[Factor]]]] = {}
    for (sighting_id, gap, steps, _), p in zip(kept, share, strict=True):
        rivals = Factor(
            "competition",
            factors.bits_of(float(p)) - math.fsum(f.bits for f in steps),
            "other silent ships that could have passed there, other ships of the picture, and hulls that no silence explains",
        )
        found.setdefault(sighting_id, []).append((str(usable.at[gap, "gap_id"]), [*steps, rivals]))
    return found


def _factors(
    s: dict[Any, Any],
    ship: dict[Any, Any],
    odds: float,
    away_km: tuple[float, ...],
    is_open: bool,
    route: Route,
) -> list[Factor]:
    """Place, length and name of one sighting for one silent ship."""
    sensor = route.sensor(s["sensor"] if isinstance(s["sensor"], str) else None)
    middle = (route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2
    claimed = s["length_sigma_m"] if s["length_sigma_m"] == s["length_sigma_m"] else 0.0
    sigma = max(claimed, sensor.length_sigma_m)
    length = s["length_m"] / sensor.length_ratio
    background = (
        factors.normal(length, middle, math.hypot(route.priors.hull_length_sd_m, sigma)) if length == length else 1.0
    )
    fit, length_text = factors.length(length, sigma, float(ship["length_m"]), background=max(background, LEAST_DENSITY))
    name, name_text = factors.name_read(
        s["vessel_name"] if isinstance(s["vessel_name"], str) else None,
        None if pd.isna(s["imo"]) else int(s["imo"]),
        ship["vessel_name"] if isinstance(ship["vessel_name"], str) else None,
        None if pd.isna(ship["imo"]) else int(ship["imo"]),
        p_correct=route.priors.p_name_correct,
    )
    where = f"{away_km[0]:.1f} km from where it vanished"
    if not is_open:
        where += f", {away_km[1]:.1f} km from where it came back, {away_km[2]:.1f} km from an even straight course at that time"
    return [
        Factor("time_and_place", factors.ratio_bits(odds, 1.0), f"{where} (in straight lines)"),
        Factor("length", 0.0 if name != 1 else factors.ratio_bits(fit, max(background, LEAST_DENSITY)), length_text),
        Factor("name_read", factors.ratio_bits(name, 1.0), name_text),
    ]


LEAST_DENSITY = 1e-3
"""Density of lengths of hulls nobody knows [per m], at least: outside the trade's range ships of all lengths sail, from 10 to
400 m, some more of them small."""


def learn(hours: pl.DataFrame | None, fastest_kn: dict[str, float]) -> Habits:
    """Learn from tracks how ships spend the time between two hours, by leaving the hours between out.

    Weights are fitted by expectation-maximisation on looks at heard ships (`SPANS_H`, `SHARES`), each class for itself, and
    shrink to the priors where there are few.

    Limits: ships that are heard may behave otherwise than ships that are silent on purpose.
    """
    closed: dict[tuple[bool, int], Floats] = {}
    opened: dict[int, Floats] = {}
    looks = None if hours is None else _looks(hours, fastest_kn)
    n = 0 if looks is None else len(looks[1])
    for kind in range(len(LONG_H) + 1):
        opened[kind] = np.array(PRIOR_OPEN)
        for same in (True, False):
            closed[same, kind] = np.array(PRIOR_CLOSED[same])
    if looks is None or not n:
        return Habits(closed, opened, 0)
    bridge, lat, lon = looks
    away = bridge.distances(lat, lon)
    same_place, length = away[3] <= SAME_PLACE_KM, _class_of(bridge.total_h)
    for same, kind in closed:
        mine = _every(np.flatnonzero((same_place == same) & (length == kind)))
        closed[same, kind] = _fitted(_closed(_pick(bridge, mine), [d[mine] for d in away], 0.0), PRIOR_CLOSED[same])
    length = _class_of(bridge.after_h)
    for kind in opened:
        mine = _every(np.flatnonzero(length == kind))
        opened[kind] = _fitted(_open(_pick(bridge, mine), [d[mine] for d in away], 0.0), PRIOR_OPEN)
    return Habits(closed, opened, n)


def _class_of(total_h: Floats) -> npt.NDArray[np.int64]:
    return np.asarray(np.searchsorted(LONG_H, total_h), dtype=np.int64)


def _every(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """So many rows that there are not more than `MOST_LOOKS`, evenly spread."""
    step = max(1, -(-len(rows) // MOST_LOOKS))
    return rows[::step]


def _pick(bridge: _Bridge, rows: npt.NDArray[np.int64]) -> _Bridge:
    return _Bridge(
        bridge.a_lat[rows],
        bridge.a_lon[rows],
        bridge.b_lat[rows],
        bridge.b_lon[rows],
        bridge.after_h[rows],
        bridge.before_h[rows],
        bridge.speed_km_h[rows],
    )


def _fitted(parts: Floats, prior: tuple[float, ...]) -> Floats:
    """Weights of a mixture whose parts are known: one row per look, one column per way."""
    start = np.array(prior)
    weights = start
    for _ in range(EM_ROUNDS):
        own = parts * weights
        total = own.sum(axis=1, keepdims=True)
        counts = np.divide(own, total, out=np.zeros_like(own), where=total > 0).sum(axis=0)
        weights = (counts + PRIOR_TRACKS * start) / (counts.sum() + PRIOR_TRACKS)
    return weights


def _density(bridge: _Bridge, away: tuple[Floats, ...], sigma_km: float, habits: Habits) -> Floats:
    """How likely each silent ship is to be at the place [per km2]."""
    is_open = np.isinf(bridge.before_h)
    out = np.zeros(len(is_open))
    kinds, same = _class_of(np.where(is_open, bridge.after_h, bridge.total_h)), away[3] <= SAME_PLACE_KM
    if is_open.any():
        rows = np.flatnonzero(is_open)
        weights = np.array([habits.open[int(kinds[i])] for i in rows])
        out[rows] = (_open(_pick(bridge, rows), [d[rows] for d in away], sigma_km) * weights).sum(axis=1)
    if not is_open.all():
        rows = np.flatnonzero(~is_open)
        weights = np.array([habits.closed[bool(same[i]), int(kinds[i])] for i in rows])
        out[rows] = (_closed(_pick(bridge, rows), [d[rows] for d in away], sigma_km) * weights).sum(axis=1)
    return out


def _closed(bridge: _Bridge, away: list[Floats], sigma_km: float) -> Floats:
    """Density of each way [per km2], in the order of `PRIOR_CLOSED`, for silences that ended."""
    stray = bridge.stray_km(away[3])
    return np.column_stack(
        [
            _blot(away[0], LYING_KM, sigma_km),
            _blot(away[1], LYING_KM, sigma_km),
            _blot(away[2], 1.0 + 0.05 * stray, sigma_km),
            _blot(away[2], 3.0 + 0.2 * stray, sigma_km),
            _blot(away[2], 5.0 + 0.7 * stray, sigma_km),
        ]
    )


def _open(bridge: _Bridge, away: list[Floats], sigma_km: float) -> Floats:
    """Density of each way [per km2], in the order of `PRIOR_OPEN`, for silences that still last."""
    reach = bridge.speed_km_h * bridge.after_h
    return np.column_stack(
        [
            _blot(away[0], LYING_KM, sigma_km),
            _blot(away[0], 3.0 + 0.1 * reach, sigma_km),
            _blot(away[0], 5.0 + 0.5 * reach, sigma_km),
        ]
    )


def _blot(away_km: Floats, width_km: Floats | float, sigma_km: float) -> Floats:
    """Density of a round normal distribution [per km2]."""
    variance = np.asarray(width_km, dtype=float) ** 2 + sigma_km**2
    return np.asarray(np.exp(-0.5 * away_km**2 / variance) / (2 * math.pi * variance))


def _looks(hours: pl.DataFrame, fastest_kn: dict[str, float]) -> tuple[_Bridge, Floats, Floats] | None:
    """Heard tracks with the middle left out: from every sixth hour of each hull on, where it was heard at all three times."""
    at = pl.col("hour_utc").dt.epoch("s") // 3600
    rows = (
        hours.filter(pl.col("last_lat_deg").is_not_null())
        .select(
            "vessel_key",
            "hull",
            hour=at,
            lat="last_lat_deg",
            lon="last_lon_deg",
            at_us=pl.col("last_heard_utc").dt.epoch("us"),
        )
        .unique(["vessel_key", "hull", "hour"], keep="first", maintain_order=True)
    )
    first = rows.filter(pl.col("hour") % 6 == 0)
    found = []
    for span in SPANS_H:
        for share in SHARES:
            one = first
            for suffix, later in (("_x", round(span * share)), ("_b", span)):
                other = rows.with_columns(pl.col("hour") - later)
                one = one.join(other, on=["vessel_key", "hull", "hour"], suffix=suffix, maintain_order="left")
            found.append(one)
    looks = pl.concat(found).sort("vessel_key", "hull", "hour", "at_us_b", "at_us_x")
    if looks.is_empty():
        return None
    f = {c: looks[c].to_numpy().astype(float) for c in looks.columns if c not in ("vessel_key", "hull")}
    speed = (
        looks["vessel_key"].replace_strict(fastest_kn, default=12.0, return_dtype=pl.Float64).to_numpy()
        * units.KM_PER_NM
    )
    bridge = _Bridge(
        f["lat"],
        f["lon"],
        f["lat_b"],
        f["lon_b"],
        (f["at_us_x"] - f["at_us"]) / US,
        (f["at_us_b"] - f["at_us_x"]) / US,
        speed,
    )
    return bridge, f["lat_x"], f["lon_x"]
