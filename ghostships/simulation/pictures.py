"""Who is photographed: scenes that were taken, and what an observer reports from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ghostships.routes import Route
from ghostships.simulation.hulls import Hull
from ghostships.simulation.journeys import ALONGSIDE, DAY, HOUR, Call, Journey
from ghostships.simulation.scenario import Scenario
from ghostships.simulation.waters import Waters, flat_nm

_SLANT_S = 113.0
"""Azimuth shift of a moving ship in a radar picture: slant range 850 km over satellite speed 7.5 km/s gives metres per m/s."""


@dataclass(frozen=True)
class Place:
    """A place that satellites are told to look at; `share` of the pictures of the dark port."""

    name: str
    south: float
    north: float
    west: float
    east: float
    share: float
    is_open_sea: bool = False


def places(route: Route) -> list[Place]:
    """The dark port, its counterpart ports and two stretches of sea between them."""
    out = []
    for port in route.ports:
        if port.role == "alternative":
            continue
        share = {"dark": 1.0, "counterpart": 0.6 if port.id in ("VOSTOCHNY", "DUNAY") else 0.35}[port.role]
        # A frame of about 16 km, which holds the berths and the nearest roads.
        out.append(
            Place(
                port.id,
                round(min(port.lat_deg, port.roadstead_lat_deg) - 0.05, 3),
                round(max(port.lat_deg, port.roadstead_lat_deg) + 0.05, 3),
                round(min(port.lon_deg, port.roadstead_lon_deg) - 0.06, 3),
                round(max(port.lon_deg, port.roadstead_lon_deg) + 0.06, 3),
                share,
            )
        )
    dark = route.dark_port
    out.append(
        Place(
            "SEA_NEAR", round(dark.lat_deg - 0.9, 3), round(dark.lat_deg + 0.6, 3), 130.2, 132.6, 0.4, is_open_sea=True
        )
    )
    out.append(Place("SEA_SOUTH", 40.0, 41.6, 130.2, 133.0, 0.1, is_open_sea=True))
    return out


def take(
    scenario: Scenario,
    route: Route,
    waters: Waters,
    journeys: list[Journey],
    unknown: list[tuple[Hull, tuple[Call, ...]]],
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scenes, sightings and the truth about each sighting.

    One row of the truth says which hull a sighting is (null: a false alarm or a small craft) and whether its transponder was on.
    """
    scenes, rows, truths = [], [], []
    cloud = _weather(scenario, rng)
    hulls = {j.hull.hull_id: j.hull for j in journeys} | {h.hull_id: h for h, _ in unknown}
    named = [h for h in hulls.values() if h.imo is not None and h.role in ("trader", "lookalike")]
    for scene in _schedule(scenario, route, cloud, rng):
        number = len(scenes)
        scene_id = f"SIM-{'O' if scene['is_optical'] else 'R'}{number:05d}"
        place: Place = scene["place"]
        scenes.append(
            {
                "scene_id": scene_id,
                "start_s": scene["time_s"],
                "lat_min": place.south,
                "lat_max": place.north,
                "lon_min": place.west,
                "lon_max": place.east,
                "sensor": "simulated optical" if scene["is_optical"] else "simulated SAR",
                "clear_fraction": scene["clear"],
            }
        )
        present = _present(scene, route, journeys, unknown, rng)
        for found in _detect(scene, present, scenario, route, waters, rng):
            sighting_id = f"SIM-S{len(rows):05d}"
            hull = hulls.get(found.pop("hull_id") or "")
            state = found.pop("state")
            name = imo = None
            wrong = False
            if (
                hull is not None
                and hull in named
                and found["is_dark_port"]
                and scene["is_optical"]
                and rng.random() < scenario.named_share
            ):
                wrong = bool(rng.random() < scenario.wrong_name_share) and len(named) > 1
                shown = [h for h in named if h is not hull][int(rng.integers(len(named) - 1))] if wrong else hull
                name, imo = shown.name, shown.imo
            rows.append(
                {
                    "sighting_id": sighting_id,
                    "start_s": scene["time_s"],
                    "lat_deg": found["lat_deg"],
                    "lon_deg": found["lon_deg"],
                    "position_sigma_m": 60.0 if scene["is_optical"] else 250.0,
                    "length_m": found["length_m"],
                    "length_sigma_m": 8.0 if scene["is_optical"] else 20.0,
                    "port": found["port"],
                    "berth": found["berth"],
                    "sensor": scenes[-1]["sensor"],
                    "scene_id": scene_id,
                    "vessel_name": name,
                    "imo": imo,
                    "identification_basis": "hull and length" if name else None,
                }
            )
            truths.append(
                {
                    "sighting_id": sighting_id,
                    "hull_id": hull.hull_id if hull is not None else None,
                    "vessel_key": hull.vessel_key if hull is not None else None,
                    "state": state,
                    "port": found["true_port"],
                    "true_length_m": found["true_length_m"],
                    "is_wrongly_named": wrong,
                }
            )
    return pd.DataFrame(scenes), pd.DataFrame(rows), pd.DataFrame(truths)


def _weather(scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    """Clear fraction of each day: clear and cloudy spells of a few days."""
    level, out = 0.0, []
    for _ in range(scenario.days + 1):
        level = 0.6 * level + rng.normal(0, 0.8)
        out.append(level)
    ranks = np.argsort(np.argsort(out)) / max(1, len(out) - 1)
    # The clearest share of days is nearly clear, the rest half hidden or worse.
    clear = np.where(
        ranks > 1 - scenario.clear_share, 0.8 + 0.2 * ranks, 0.5 * ranks / max(1e-9, 1 - scenario.clear_share)
    )
    return clear.clip(0, 1).round(2)


def _schedule(scenario: Scenario, route: Route, cloud: np.ndarray, rng: np.random.Generator) -> list[dict]:  # type: ignore[type-arg]
    """Every picture, in order of time: optical ones around noon, radar ones at dawn and dusk passes."""
    out = []
    offset_h = route.dark_port.utc_offset_h
    for place in places(route):
        for day in range(scenario.days):
            optical = 0.0 if scenario.is_all_radar or place.is_open_sea else scenario.optical_per_day * place.share
            radar = scenario.radar_per_day * max(place.share, 0.3 if place.is_open_sea else 0.0)
            if scenario.is_all_radar:
                radar += scenario.optical_per_day * place.share
            for is_optical, mean in ((True, optical), (False, radar)):
                for _ in range(int(rng.poisson(mean))):
                    local = rng.uniform(10.0, 15.0) if is_optical else rng.choice([6.2, 18.1]) + rng.normal(0, 0.3)
                    clear = 1.0
                    if is_optical:
                        clear = round(float(np.clip(cloud[day] + rng.normal(0, 0.08), 0, 1)), 2)
                    time_s = float(round(day * DAY + (local - offset_h) % 24 * HOUR))
                    out.append({"place": place, "time_s": time_s, "is_optical": is_optical, "clear": clear})
    # Pictures that show nothing but cloud are not looked at.
    looked_at = [s for s in out if s["clear"] > 0.05]
    return sorted(looked_at, key=lambda s: (s["time_s"], s["place"].name, s["is_optical"]))


def _present(
    scene: dict,  # type: ignore[type-arg]
    route: Route,
    journeys: list[Journey],
    unknown: list[tuple[Hull, tuple[Call, ...]]],
    rng: np.random.Generator,
) -> list[dict]:  # type: ignore[type-arg]
    """Every hull that was truly within the frame."""
    place: Place = scene["place"]
    now = np.array([scene["time_s"]])
    out = []
    for journey in journeys:
        lats, lons, knots = journey.at(now)
        lat, lon, knot = float(lats[0]), float(lons[0]), int(knots[0])
        if place.south <= lat <= place.north and place.west <= lon <= place.east:
            step = journey.times_s[knot + 1] - journey.times_s[knot]
            north = (journey.lats[knot + 1] - journey.lats[knot]) * 111_320 / max(step, 1)
            east = (journey.lons[knot + 1] - journey.lons[knot]) * 111_320 * np.cos(np.radians(lat)) / max(step, 1)
            out.append(
                {
                    "hull_id": journey.hull.hull_id,
                    "lat": lat,
                    "lon": lon,
                    "length": journey.hull.length_m,
                    "alongside": journey.modes[knot] == ALONGSIDE,
                    "berth": str(journey.berths[knot]),
                    "state": "dark" if journey.is_silent(now)[0] else "transmitting",
                    "east_m_s": float(east),
                    "north_m_s": float(north),
                }
            )
    for hull, calls in unknown:
        for call in calls:
            if place.name == call.port and call.arrival_s <= scene["time_s"] <= call.departure_s:
                share = (scene["time_s"] - call.arrival_s) / (call.departure_s - call.arrival_s)
                berth_id = call.berths[min(int(share * len(call.berths)), len(call.berths) - 1)]
                berth = next((b for b in route.port(call.port).berths if b.id == berth_id), None)
                at = (
                    (berth.lat_deg, berth.lon_deg)
                    if berth
                    else (route.port(call.port).lat_deg, route.port(call.port).lon_deg)
                )
                out.append(
                    {
                        "hull_id": hull.hull_id,
                        "lat": at[0],
                        "lon": at[1],
                        "length": hull.length_m,
                        "alongside": True,
                        "berth": berth_id,
                        "state": "no_transponder",
                        "east_m_s": 0.0,
                        "north_m_s": 0.0,
                    }
                )
    return out


def _detect(
    scene: dict,  # type: ignore[type-arg]
    present: list[dict],  # type: ignore[type-arg]
    scenario: Scenario,
    route: Route,
    waters: Waters,
    rng: np.random.Generator,
) -> list[dict]:  # type: ignore[type-arg]
    """What an observer reports of a scene: ships with error, some missed, and things that are none of the known hulls."""
    place: Place = scene["place"]
    optical = scene["is_optical"]
    dark = route.dark_port
    # Cloud hides a quay as a whole, not ship by ship.
    quay_is_clear = bool(rng.random() < scene["clear"])
    out = []
    candidates = list(present)
    if place.name == dark.id:
        rate = scenario.false_alarms_per_optical_scene if optical else scenario.false_alarms_per_radar_scene
        for _ in range(int(rng.poisson(rate))):
            berth = dark.berths[int(rng.integers(len(dark.berths)))] if dark.berths else None
            candidates.append(
                _nobody(
                    berth.lat_deg if berth else dark.lat_deg,
                    berth.lon_deg if berth else dark.lon_deg,
                    rng.uniform(45, 170),
                    "clutter",
                )
            )
        for _ in range(int(rng.poisson(scenario.small_craft_per_scene))):
            # Fishing boats and tugs of the port lie and move in its bay.
            share = rng.uniform(0.1, 0.9)
            lat = dark.lat_deg + share * (dark.roadstead_lat_deg - dark.lat_deg) + rng.normal(0, 0.004)
            lon = dark.lon_deg + share * (dark.roadstead_lon_deg - dark.lon_deg) + rng.normal(0, 0.004)
            candidates.append(_nobody(float(lat), float(lon), rng.uniform(15, 55), "small_craft"))
    for ship in candidates:
        clutter = ship["state"] == "clutter"
        if optical:
            visible = quay_is_clear if ship["alongside"] or clutter else bool(rng.random() < scene["clear"])
            p_detect = 0.92 if ship["length"] > 60 else 0.55
        else:
            visible = True
            p_detect = (0.55 if ship["alongside"] else 0.88) * (1.0 if ship["length"] > 60 else 0.5)
        if not clutter and not (visible and rng.random() < p_detect):
            continue
        if clutter and not visible:
            continue
        sigma = 45.0 if optical else 160.0
        lat = ship["lat"] + rng.normal(0, sigma) / 111_320
        lon = ship["lon"] + rng.normal(0, sigma) / 111_320 / np.cos(np.radians(ship["lat"]))
        if not optical:
            # The satellite flies north-north-west and looks to its right: radial speed is about the ship's speed eastward.
            lat += -_SLANT_S * ship["east_m_s"] * 0.6 / 111_320
        if optical:
            length = ship["length"] * rng.normal(1.0, 0.03) + rng.normal(0, 6.0) * (4.0 if rng.random() < 0.04 else 1.0)
        else:
            length = ship["length"] * rng.lognormal(0.03, 0.16)
        is_dark_port = place.name == dark.id
        near = _port_of(route, float(lat), float(lon))
        berth = None
        if is_dark_port and (ship["alongside"] or clutter) and optical and rng.random() < 0.75:
            metres = [flat_nm(b.lat_deg, b.lon_deg, np.array([lat]), np.array([lon]))[0] * 1852 for b in dark.berths]
            told = ship["berth"] or (dark.berths[int(np.argmin(metres))].id if metres else "")
            berth = told or None
        out.append(
            {
                "hull_id": ship["hull_id"],
                "state": ship["state"],
                "lat_deg": round(float(lat), 5),
                "lon_deg": round(float(lon), 5),
                "length_m": round(float(np.clip(length, 8, 400)), 0),
                "true_length_m": round(float(ship["length"]), 1),
                "port": near,
                "true_port": _port_of(route, ship["lat"], ship["lon"]),
                "berth": berth,
                "is_dark_port": is_dark_port,
            }
        )
    return out


def _nobody(lat: float, lon: float, length_m: float, state: str) -> dict:  # type: ignore[type-arg]
    return {
        "hull_id": None,
        "lat": lat,
        "lon": lon,
        "length": float(length_m),
        "alongside": state == "clutter",
        "berth": "",
        "state": state,
        "east_m_s": 0.0,
        "north_m_s": 0.0,
    }


def _port_of(route: Route, lat: float, lon: float) -> str | None:
    """The port within whose radius a place lies; the nearest if there are several."""
    near = [(flat_nm(p.lat_deg, p.lon_deg, np.array([lat]), np.array([lon]))[0] * 1.852, p) for p in route.ports]
    inside = [(km, p.id) for km, p in near if km <= p.radius_km]
    return min(inside)[1] if inside else None
