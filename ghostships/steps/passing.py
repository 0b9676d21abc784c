"""Sightings away from ports: which silent ship could have been passing there.

Between vanishing at A and returning at B a ship is thought of on a bridge: most likely near the straight course at the pace that
brings it to B in time, and anywhere within reach with less weight. Outside its reach it cannot have been.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ghostships import sphere, units
from ghostships.inference import factors
from ghostships.inference.factors import Factor
from ghostships.routes import Route

US = units.US_PER_HOUR

WIDTH_SHARE = 0.4
"""Standard deviation of the bridge as a share of what the ship can stray from the straight course and still be in time."""

LEAST_WIDTH_KM = 5.0

P_AT_SEA = 0.5
"""Share of a silence that a ship spends under way or adrift rather than in a port; own judgement."""


def weigh(
    sightings: pd.DataFrame,
    gaps: pd.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    fastest_kn: dict[str, float],
    as_of_us: int,
) -> dict[str, list[tuple[str, list[Factor]]]]:
    """Per sighting of a ship at sea, the silences that could hold it, each with its factors (they add up to log-odds).

    `sightings` are those that belong to no port call. A window of time is read at its middle; sightings without a place have no
    row here.
    """
    usable = gaps[gaps["state"] != "void"].sort_values("gap_id").reset_index(drop=True)
    if not len(usable):
        return {}
    start = usable["start_utc"].astype("int64").to_numpy()
    end = usable["end_utc"].astype("int64").to_numpy().copy()
    end[usable["is_open"].to_numpy(dtype=bool)] = as_of_us
    is_open = usable["is_open"].to_numpy(dtype=bool)
    a_lat, a_lon = usable["start_lat_deg"].to_numpy(), usable["start_lon_deg"].to_numpy()
    b_lat = usable["end_lat_deg"].fillna(usable["start_lat_deg"]).to_numpy()
    b_lon = usable["end_lon_deg"].fillna(usable["start_lon_deg"]).to_numpy()
    speed = np.array([fastest_kn[k] for k in usable["vessel_key"]]) * units.KM_PER_NM
    direct = sphere.gc_km(a_lat, a_lon, b_lat, b_lon)
    ships = vessels.set_index("vessel_key")
    unknown = route.priors.dark_hulls_per_1000_km2 / 1000
    middle = (route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2
    found: dict[str, list[tuple[str, list[Factor]]]] = {}
    at_sea = sightings[(sightings["observation_type"] == "vessel") & sightings["lat_deg"].notna()]
    for s in at_sea.sort_values("sighting_id").itertuples(index=False):
        at = (s.start_utc.value + s.end_utc.value) // 2000
        after_h, before_h = (at - start) / US, (end - at) / US
        lat, lon = np.full(len(usable), s.lat_deg), np.full(len(usable), s.lon_deg)
        to_a, to_b = sphere.gc_km(a_lat, a_lon, lat, lon), sphere.gc_km(lat, lon, b_lat, b_lon)
        sensor = route.sensor(s.sensor if isinstance(s.sensor, str) else None)
        slack = sensor.position_sigma_m / 1000 * 2
        can = (after_h >= 0) & (before_h >= 0) & (to_a <= speed * after_h + slack)
        can &= is_open | (to_b <= speed * before_h + slack)
        rows = []
        for i in np.flatnonzero(can):
            total_h = after_h[i] + before_h[i]
            if is_open[i]:
                off_km, width = to_a[i], LEAST_WIDTH_KM + 0.5 * speed[i] * after_h[i]
            else:
                share = after_h[i] / total_h if total_h > 0 else 0.5
                mid_lat = a_lat[i] + share * (b_lat[i] - a_lat[i])
                mid_lon = a_lon[i] + share * (b_lon[i] - a_lon[i])
                off_km = float(sphere.gc_km(np.array([mid_lat]), np.array([mid_lon]), lat[:1], lon[:1])[0])
                stray = (
                    0.5
                    * math.sqrt(max((speed[i] * total_h) ** 2 - direct[i] ** 2, 0.0))
                    * 2
                    * math.sqrt(share * (1 - share))
                )
                width = LEAST_WIDTH_KM + WIDTH_SHARE * stray
            density = math.exp(-0.5 * (off_km / width) ** 2) / (2 * math.pi * width**2)
            rows.append((i, off_km, P_AT_SEA * density / unknown))
        if not rows:
            continue
        claimed = s.length_sigma_m if s.length_sigma_m == s.length_sigma_m else 0.0
        sigma = max(claimed, sensor.length_sigma_m)
        length = s.length_m / sensor.length_ratio
        spread = math.hypot(route.priors.hull_length_sd_m, sigma)
        background = factors.normal(length, middle, spread) if length == length else 1.0
        weighed = []
        for i, off_km, place in rows:
            gap = usable.iloc[i]
            ship = ships.loc[gap["vessel_key"]]
            fit, length_text = factors.length(length, sigma, float(ship["length_m"]), background=background)
            name, name_text = factors.name_read(
                s.vessel_name if isinstance(s.vessel_name, str) else None,
                None if pd.isna(s.imo) else int(s.imo),
                ship["vessel_name"] if isinstance(ship["vessel_name"], str) else None,
                None if pd.isna(ship["imo"]) else int(ship["imo"]),
                p_correct=route.priors.p_name_correct,
            )
            shape = 0.0 if name != 1 else factors.ratio_bits(fit, background)
            steps = [
                Factor(
                    "time_and_place",
                    factors.ratio_bits(place, 1.0),
                    f"{off_km:.0f} km from its likely course at that time",
                ),
                Factor("length", shape, length_text),
                Factor("name_read", factors.ratio_bits(name, 1.0), name_text),
            ]
            weighed.append((str(gap["gap_id"]), steps, 2.0 ** math.fsum(f.bits for f in steps)))
        total = math.fsum(w for _, _, w in weighed)
        found[str(s.sighting_id)] = [
            (
                gap_id,
                [
                    *steps,
                    Factor(
                        "competition",
                        factors.bits_of(w / (1 + total)) - math.fsum(f.bits for f in steps),
                        "other silent ships that could have passed there, and hulls that no silence explains",
                    ),
                ],
            )
            for gap_id, steps, w in weighed
        ]
    return found
