"""Who is photographed: scenes that were taken, and what an observer reports from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ghostships.routes import Route
from ghostships.simulation.hulls import Hull
from ghostships.simulation.journeys import ALONGSIDE, DAY, HOUR, Call, Journey
from ghostships.simulation.scenario import Scenario
from ghostships.simulation.waters import Floats, flat_nm
from ghostships.units import KM_PER_NM

_SHIFT_S = 113.0
"""Azimuth shift of a moving ship in a radar picture [m per m/s]: slant range 850 km over satellite speed 7.5 km/s."""

_METRES_PER_DEG = 111_320.0
"""Metres in a degree of latitude, to a part in 500."""


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


@dataclass(frozen=True)
class Scene:
    """One picture that was taken and looked at."""

    place: Place
    time_s: float
    is_optical: bool
    clear: float


@dataclass(frozen=True)
class Ship:
    """Something in a picture that looks like a ship, where it truly is; `hull` is None where it is nobody known."""

    hull: Hull | None
    state: Literal["transmitting", "dark", "no_transponder", "small_craft", "clutter"]
    lat: float
    lon: float
    length_m: float
    is_alongside: bool
    berth: str = ""
    east_m_s: float = 0.0


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
    journeys: list[Journey],
    unknown: list[tuple[Hull, tuple[Call, ...]]],
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scenes, sightings and the truth about each sighting.

    One row of the truth says which hull a sighting is (null: a false alarm or a small craft) and what its transponder did.
    """
    hulls = [j.hull for j in journeys]
    named = [h for h in hulls if h.role in ("trader", "lookalike")]
    scenes: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    truths: list[dict[str, object]] = []
    for number, scene in enumerate(_schedule(scenario, route, rng)):
        place, sensor = scene.place, "simulated optical" if scene.is_optical else "simulated SAR"
        scene_id = f"SIM-{'O' if scene.is_optical else 'R'}{number:05d}"
        frame = {"lat_min": place.south, "lat_max": place.north, "lon_min": place.west, "lon_max": place.east}
        told = {"sensor": sensor, "clear_fraction": scene.clear}
        scenes.append({"scene_id": scene_id, "start_s": scene.time_s} | frame | told)
        ships = _present(scene, route, journeys, unknown)
        if place.name == route.dark_port_id:
            ships += _false_and_small(scene, scenario, route, rng)
        for ship in _detected(scene, ships, rng):
            sighting_id = f"SIM-S{len(rows):05d}"
            lat, lon, length_m = _measured(scene, ship, rng)
            shown, is_wrong = None, False
            can_be_named = ship.hull in named and place.name == route.dark_port_id and scene.is_optical
            if ship.hull is not None and can_be_named and rng.random() < scenario.named_share:
                others = [h for h in named if h is not ship.hull]
                is_wrong = bool(rng.random() < scenario.wrong_name_share) and bool(others)
                shown = others[int(rng.integers(len(others)))] if is_wrong else ship.hull
            rows.append(
                {
                    "sighting_id": sighting_id,
                    "start_s": scene.time_s,
                    "lat_deg": lat,
                    "lon_deg": lon,
                    "position_sigma_m": 60.0 if scene.is_optical else 250.0,
                    "length_m": length_m,
                    "length_sigma_m": 8.0 if scene.is_optical else 20.0,
                    "port": _port_of(route, lat, lon),
                    "berth": _berth_told(scene, ship, route, lat, lon, rng),
                    "sensor": sensor,
                    "scene_id": scene_id,
                    "vessel_name": shown.name if shown else None,
                    "imo": shown.imo if shown else None,
                    "identification_basis": "hull and length" if shown else None,
                }
            )
            truths.append(
                {
                    "sighting_id": sighting_id,
                    "hull_id": ship.hull.hull_id if ship.hull else None,
                    "vessel_key": ship.hull.vessel_key if ship.hull else None,
                    "state": ship.state,
                    "port": _port_of(route, ship.lat, ship.lon),
                    "true_length_m": round(ship.length_m, 1),
                    "is_wrongly_named": is_wrong,
                }
            )
    return pd.DataFrame(scenes), pd.DataFrame(rows), pd.DataFrame(truths)


def _weather(scenario: Scenario, rng: np.random.Generator) -> Floats:
    """Clear fraction of each day: clear and cloudy spells of a few days."""
    level = np.zeros(scenario.days + 1)
    for day, change in enumerate(rng.normal(0, 0.8, scenario.days)):
        level[day + 1] = 0.6 * level[day] + change
    rank = np.argsort(np.argsort(level[1:])) / max(1, scenario.days - 1)
    cloudy = 1 - scenario.clear_share
    # The clearest share of days is nearly clear, the rest half hidden or worse.
    out: Floats = np.where(rank >= cloudy, 0.8 + 0.2 * rank, 0.5 * rank / max(1e-9, cloudy)).clip(0, 1)
    return out


def _schedule(scenario: Scenario, route: Route, rng: np.random.Generator) -> list[Scene]:
    """Every picture, in order of time: optical ones around noon, radar ones at dawn and dusk passes."""
    weather = _weather(scenario, rng)
    offset_h = route.dark_port.utc_offset_h
    out = []
    for place in places(route):
        optical = 0.0 if scenario.is_all_radar or place.is_open_sea else scenario.optical_per_day * place.share
        radar = scenario.radar_per_day * max(place.share, 0.3 if place.is_open_sea else 0.0)
        if scenario.is_all_radar:
            radar += scenario.optical_per_day * place.share
        for day in range(scenario.days):
            for is_optical, mean in ((True, optical), (False, radar)):
                for _ in range(int(rng.poisson(mean))):
                    local = rng.uniform(10.0, 15.0) if is_optical else rng.choice([6.2, 18.1]) + rng.normal(0, 0.3)
                    clear = float(np.clip(weather[day] + rng.normal(0, 0.08), 0, 1)) if is_optical else 1.0
                    time_s = float(round(day * DAY + (local - offset_h) % 24 * HOUR))
                    out.append(Scene(place, time_s, is_optical, round(clear, 2)))
    # Pictures that show nothing but cloud are not looked at.
    looked_at = [s for s in out if s.clear > 0.05]
    return sorted(looked_at, key=lambda s: (s.time_s, s.place.name, s.is_optical))


def _present(
    scene: Scene, route: Route, journeys: list[Journey], unknown: list[tuple[Hull, tuple[Call, ...]]]
) -> list[Ship]:
    """Every hull that was truly within the frame."""
    place, now = scene.place, np.array([scene.time_s])
    out = []
    for journey in journeys:
        lats, lons, knots = journey.at(now)
        lat, lon, knot = float(lats[0]), float(lons[0]), int(knots[0])
        if place.south <= lat <= place.north and place.west <= lon <= place.east:
            seconds = max(1.0, float(journey.times_s[knot + 1] - journey.times_s[knot]))
            degrees = float(journey.lons[knot + 1] - journey.lons[knot])
            out.append(
                Ship(
                    hull=journey.hull,
                    state="dark" if journey.is_silent(now)[0] else "transmitting",
                    lat=lat,
                    lon=lon,
                    length_m=journey.hull.length_m,
                    is_alongside=bool(journey.modes[knot] == ALONGSIDE),
                    berth=str(journey.berths[knot]),
                    east_m_s=degrees * _METRES_PER_DEG * math.cos(math.radians(lat)) / seconds,
                )
            )
    for hull, calls in unknown:
        for call in calls:
            if place.name != call.port or not call.arrival_s <= scene.time_s <= call.departure_s:
                continue
            share = (scene.time_s - call.arrival_s) / (call.departure_s - call.arrival_s)
            berth_id = call.berths[min(int(share * len(call.berths)), len(call.berths) - 1)]
            port = route.port(call.port)
            at = next((b for b in port.berths if b.id == berth_id), port)
            out.append(Ship(hull, "no_transponder", at.lat_deg, at.lon_deg, hull.length_m, True, berth_id))
    return out


def _false_and_small(scene: Scene, scenario: Scenario, route: Route, rng: np.random.Generator) -> list[Ship]:
    """What is in a picture of the dark port besides ships: cranes and stacks taken for ships, and the port's small craft."""
    port = route.dark_port
    rate = scenario.false_alarms_per_optical_scene if scene.is_optical else scenario.false_alarms_per_radar_scene
    out = []
    for _ in range(int(rng.poisson(rate))):
        at = port.berths[int(rng.integers(len(port.berths)))] if port.berths else port
        out.append(Ship(None, "clutter", at.lat_deg, at.lon_deg, float(rng.uniform(45, 170)), True))
    for _ in range(int(rng.poisson(scenario.small_craft_per_scene))):
        # They lie and move in the bay, between the quays and the roads.
        share = rng.uniform(0.1, 0.9)
        lat = port.lat_deg + share * (port.roadstead_lat_deg - port.lat_deg) + rng.normal(0, 0.004)
        lon = port.lon_deg + share * (port.roadstead_lon_deg - port.lon_deg) + rng.normal(0, 0.004)
        out.append(Ship(None, "small_craft", float(lat), float(lon), float(rng.uniform(15, 55)), False))
    return out


def _detected(scene: Scene, ships: list[Ship], rng: np.random.Generator) -> list[Ship]:
    """The ships that the observer finds. Cloud hides a quay as a whole, not ship by ship; false alarms are found by nature."""
    quay_is_clear = bool(rng.random() < scene.clear)
    out = []
    for ship in ships:
        small = ship.length_m <= 60
        if scene.is_optical:
            is_visible = quay_is_clear if ship.is_alongside else bool(rng.random() < scene.clear)
            p_detect = 0.55 if small else 0.92
        else:
            is_visible = True
            p_detect = (0.55 if ship.is_alongside else 0.88) * (0.5 if small else 1.0)
        luck = rng.random()
        if is_visible and (ship.state == "clutter" or luck < p_detect):
            out.append(ship)
    return out


def _measured(scene: Scene, ship: Ship, rng: np.random.Generator) -> tuple[float, float, float]:
    """Place and length as measured: wider errors than the observer states, and now and then a bad one."""
    sigma_m = 45.0 if scene.is_optical else 160.0
    lat = ship.lat + rng.normal(0, sigma_m) / _METRES_PER_DEG
    lon = ship.lon + rng.normal(0, sigma_m) / _METRES_PER_DEG / math.cos(math.radians(ship.lat))
    if scene.is_optical:
        blunder = 4.0 if rng.random() < 0.04 else 1.0
        length = ship.length_m * rng.normal(1.0, 0.03) + rng.normal(0, 6.0) * blunder
    else:
        # The satellite flies north or south and looks east or west: the radial speed is a part of the speed eastward.
        lat -= _SHIFT_S * 0.6 * ship.east_m_s / _METRES_PER_DEG
        length = ship.length_m * rng.lognormal(0.03, 0.16)
    return round(float(lat), 5), round(float(lon), 5), round(float(np.clip(length, 8, 400)))


def _berth_told(scene: Scene, ship: Ship, route: Route, lat: float, lon: float, rng: np.random.Generator) -> str | None:
    """The berth, as three optical reports in four of the dark port tell it."""
    port = route.dark_port
    told = rng.random() < 0.75
    if not (told and scene.is_optical and ship.is_alongside and scene.place.name == port.id and port.berths):
        return None
    if ship.berth:
        return ship.berth
    at = (np.array([lat]), np.array([lon]))
    return min(port.berths, key=lambda b: float(flat_nm(b.lat_deg, b.lon_deg, *at)[0])).id


def _port_of(route: Route, lat: float, lon: float) -> str | None:
    """The port within whose radius a place lies; the nearest if there are several."""
    at = (np.array([lat]), np.array([lon]))
    km = {p.id: float(flat_nm(p.lat_deg, p.lon_deg, *at)[0]) * KM_PER_NM for p in route.ports}
    inside = [(km[p.id], p.id) for p in route.ports if km[p.id] <= p.radius_km]
    return min(inside)[1] if inside else None
