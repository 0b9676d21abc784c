"""The script that an analyst writes by hand: the method to beat, on the same tables.

A silence of six hours or more "fits" when a straight line to the dark port and on to where the ship came back takes no longer
at 15 knots. Every unexplained picture of the dark port is put down to the silent ship of the nearest length that could be
there at that time, always and with certainty; a silence that got a picture is a trip. There is no "none of these", which is
what there is to learn from it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from ghostships.routes import Port
from ghostships.sea_grid import geodesic_km
from ghostships.units import KM_PER_NM


def judge_by_hand(
    gaps: pd.DataFrame,
    sightings: pd.DataFrame,
    vessels: pd.DataFrame,
    dark_port: Port,
    *,
    min_gap_h: float = 6.0,
    speed_kn: float = 15.0,
    near_port_km: float = 10.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Matches and trips as the script would have them, with the columns of the tables that the judge reads.

    One row of the first table is one sighting and the answer to it, one row of the second a silence with a picture. `sightings`
    are those that no transmitting ship explains: the analyst has struck those out already.
    """
    silent = gaps[gaps["state"] != "void"].sort_values("gap_id")
    end = silent["end_utc"].fillna(silent["end_utc"].max())
    hours = (end - silent["start_utc"]).dt.total_seconds() / 3600
    out_km = geodesic_km(silent["start_lat_deg"], silent["start_lon_deg"], dark_port.lat_deg, dark_port.lon_deg)
    back_km = geodesic_km(silent["end_lat_deg"], silent["end_lon_deg"], dark_port.lat_deg, dark_port.lon_deg)
    # A ship that is still silent has not come back: the way home costs nothing yet.
    out_h, back_h = out_km / KM_PER_NM / speed_kn, np.nan_to_num(np.asarray(back_km)) / KM_PER_NM / speed_kn
    there = silent.assign(
        earliest_utc=silent["start_utc"] + pd.to_timedelta(out_h, unit="h"),
        latest_utc=end - pd.to_timedelta(back_h, unit="h"),
    )
    fits = there[((hours >= min_gap_h) & (hours >= out_h + back_h)).to_numpy()]
    lengths = (
        fits["vessel_key"].map(vessels.set_index("vessel_key")["length_m"]).to_numpy(dtype="float64", na_value=np.nan)
    )
    answers = []
    for sighting in sightings.sort_values("sighting_id").to_dict("records"):
        answer: dict[str, object] = {"sighting_id": sighting["sighting_id"], "vessel_key": None, "gap_id": None}
        if len(fits) and _is_at(sighting, dark_port, near_port_km):
            during = (fits["earliest_utc"] <= sighting["end_utc"]) & (fits["latest_utc"] >= sighting["start_utc"])
            apart = np.nan_to_num(np.abs(lengths - float(sighting["length_m"])), nan=1e6)
            apart = np.where(during.to_numpy(), apart, np.inf)
            if np.isfinite(apart).any():
                best = fits.iloc[int(apart.argmin())]
                answer |= {"vessel_key": best["vessel_key"], "gap_id": best["gap_id"]}
        answers.append(answer | {"hypothesis": "dark" if answer["gap_id"] else "none", "p_match": 1.0})
    matches = pd.DataFrame(answers, columns=["sighting_id", "vessel_key", "gap_id", "hypothesis", "p_match"])
    called = fits[fits["gap_id"].isin(set(matches["gap_id"].dropna()))]
    trips = pd.DataFrame(
        {
            "trip_id": called["gap_id"],
            "vessel_key": called["vessel_key"],
            "dark_port": dark_port.id,
            "dark_start_utc": called["start_utc"],
            "dark_end_utc": called["end_utc"],
            "p_trip": 1.0,
            "is_flagged": True,
            "tier": "seen",
        }
    )
    return matches, trips.reset_index(drop=True)


def _is_at(sighting: dict[Hashable, Any], port: Port, near_port_km: float) -> bool:
    """Whether a sighting says the port, or lies near its point."""
    said = sighting["port"]
    if isinstance(said, str) and port.id in said.split("|"):
        return True
    return bool(geodesic_km(sighting["lat_deg"], sighting["lon_deg"], port.lat_deg, port.lon_deg) <= near_port_km)
