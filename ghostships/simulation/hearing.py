"""Who is heard: coast stations, satellite passes, antennas, fading, outages and dirt, and the positions that remain.

Richer on purpose than what the analysis assumes: range changes with the hour, satellites pass in windows and hear a dense
coast badly, a ship's messages fade together for whole hours, and one ship in ten has a poor installation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships.routes import Route
from ghostships.simulation.declaring import declared
from ghostships.simulation.journeys import DAY, HOUR, UNDER_WAY, Journey
from ghostships.simulation.scenario import Scenario
from ghostships.simulation.waters import Floats, Waters, flat_nm

_STATIONS: tuple[tuple[str, float, float, float], ...] = (
    ("Vladivostok", 43.09, 131.93, 62.0),
    ("Nakhodka", 42.78, 132.95, 60.0),
    ("Slavyanka", 42.87, 131.42, 38.0),
    ("Posyet", 42.63, 130.85, 30.0),
    ("Olga", 43.73, 135.30, 35.0),
    ("Kholmsk", 47.05, 142.03, 45.0),
    ("Busan", 35.10, 129.10, 65.0),
    ("Ulsan", 35.50, 129.40, 55.0),
    ("Pohang", 36.05, 129.55, 55.0),
    ("Donghae", 37.50, 129.15, 60.0),
    ("Sokcho", 38.20, 128.60, 50.0),
    ("Ulleung", 37.50, 130.90, 60.0),
    ("Sakaiminato", 35.55, 133.25, 50.0),
    ("Tsuruga", 35.70, 136.05, 45.0),
    ("Wajima", 37.40, 136.90, 55.0),
    ("Niigata", 37.95, 139.05, 55.0),
    ("Akita", 39.75, 140.05, 50.0),
    ("Hakodate", 41.75, 140.70, 55.0),
    ("Otaru", 43.20, 141.00, 50.0),
)
"""Invented receivers: name, place, usual range [km]. Published: 60 to 80 km (Spire FAQ, Ocean Navigator 2014-10)."""

_HARD_TO_HEAR: tuple[tuple[float, float, float, float, float], ...] = (
    (38.5, 42.6, 127.0, 130.9, 0.45),
    (33.0, 36.2, 126.0, 131.0, 0.40),
    (33.5, 37.8, 132.0, 139.5, 0.65),
    (42.4, 43.4, 130.6, 133.3, 0.75),
)
"""Boxes (south, north, west, east) in which a satellite hears a share only: messages collide on dense coasts."""

_DECLARING = 1
"""Number of the random stream of destinations among those of one ship."""

_BLOCK_H = 3.0
"""Propagation changes over hours: one draw a station and block."""


@dataclass(frozen=True)
class Sky:
    """What is the same for all ships: satellite passes, propagation by station, outages."""

    pass_starts_s: Floats
    pass_ends_s: Floats
    pass_strengths: Floats
    range_factors: Floats
    """By station and block of hours."""
    outages: tuple[tuple[float, float, bool], ...]
    """Start, end, and whether the satellites' feed is down too."""


def sky(scenario: Scenario, rng: np.random.Generator) -> Sky:
    """Draw the passes, the propagation and the outages of a scenario."""
    end = scenario.days * DAY
    n = int(scenario.days * 24 / scenario.satellite_pass_every_h * 1.5) + 20
    starts = np.cumsum(rng.gamma(1.6, scenario.satellite_pass_every_h / 1.6, n)) * HOUR
    lengths = rng.uniform(6, 14, n) * 60
    strengths = rng.beta(4, 1.5, n)
    keep = starts < end
    blocks = int(scenario.days * 24 / _BLOCK_H) + 2
    noise = np.zeros((len(_STATIONS), blocks))
    draws = rng.normal(0, 0.12, (len(_STATIONS), blocks))
    for block in range(1, blocks):
        noise[:, block] = 0.7 * noise[:, block - 1] + draws[:, block]
    outages = []
    for number in range(scenario.n_outages):
        start = float(rng.uniform(0.05, 0.95) * end)
        outages.append((start, start + float(rng.uniform(7, 15)) * HOUR, number % 2 == 0))
    return Sky(starts[keep], (starts + lengths)[keep], strengths[keep], np.exp(noise), tuple(outages))


def hear(
    journey: Journey, scenario: Scenario, route: Route, waters: Waters, sky: Sky, seed: np.random.SeedSequence
) -> pl.DataFrame:
    """The positions of one ship that reach the export, in order of time, before any dirt."""
    rng = np.random.default_rng(seed)
    hull = journey.hull
    interval = scenario.report_interval_min * 60 * (1.4 if hull.ais_class == "B" else 1.0) * rng.lognormal(0, 0.12)
    steps = interval * rng.uniform(0.7, 1.3, int(scenario.days * DAY / interval * 1.1) + 50)
    times = np.floor(np.cumsum(steps))
    times = times[times < scenario.days * DAY]
    lats, lons, knot = journey.at(times)
    area = route.area
    inside = (
        (lats > area.lat_min_deg) & (lats < area.lat_max_deg) & (lons > area.lon_min_deg) & (lons < area.lon_max_deg)
    )
    keep = inside & ~journey.is_silent(times)
    times, lats, lons, knot = times[keep], lats[keep], lons[keep], knot[keep]
    heard = _is_heard(times, lats, lons, hull.audibility, scenario, sky, rng)
    times, lats, lons, knot = times[heard], lats[heard], lons[heard], knot[heard]
    # What is typed has a seed of its own: another way of typing moves no ship and hears no message more.
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, _DECLARING))
    is_dark = journey.is_silent(journey.times_s)
    typed = declared(hull, journey.bound_for, is_dark, route, np.random.default_rng(own))
    return _messages(journey, times, lats, lons, knot, typed, waters, rng)


def _is_heard(
    times: Floats,
    lats: Floats,
    lons: Floats,
    audibility: float,
    scenario: Scenario,
    sky: Sky,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    block = (times / (_BLOCK_H * HOUR)).astype(np.int64)
    local_hour = (times / HOUR + 9) % 24
    night = np.where((local_hour > 19) | (local_hour < 7), 1.1, 1.0)
    unheard = np.ones(len(times))
    for number, (_, lat, lon, range_km) in enumerate(_STATIONS):
        km = flat_nm(lat, lon, lats, lons) * 1.852
        reach = range_km * sky.range_factors[number, block] * night * (0.45 + 0.55 * audibility)
        unheard *= 1 - 0.95 / (1 + np.exp(np.clip((km - reach) / 5.0, -50, 50)))
    by_coast = rng.random(len(times)) < 1 - unheard
    # Whole hours fade for one ship: masts, cranes and the other side of a hill.
    hours = (times / HOUR).astype(np.int64)
    faded = rng.random(scenario.days * 24 + 2) < 0.04 + 0.25 * (1 - audibility)
    by_coast &= ~faded[hours]
    nth = np.searchsorted(sky.pass_starts_s, times, side="right") - 1
    in_pass = (
        (nth >= 0) & (times <= sky.pass_ends_s[np.maximum(nth, 0)])
        if len(sky.pass_starts_s)
        else np.zeros(len(times), bool)
    )
    place = np.ones(len(times))
    for south, north, west, east, share in _HARD_TO_HEAR:
        inside = (lats > south) & (lats < north) & (lons > west) & (lons < east)
        place = np.where(inside, np.minimum(place, share), place)
    # One draw a pass and ship: the pass hears it or it does not; then most of its messages come through.
    luck = rng.random(len(sky.pass_starts_s) + 1)
    chance = (
        scenario.satellite_quality
        * audibility
        * place
        * (sky.pass_strengths[np.maximum(nth, 0)] if len(luck) > 1 else 0.0)
    )
    by_satellite = in_pass & (luck[np.maximum(nth, 0)] < chance) & (rng.random(len(times)) < 0.8)
    coast_up, space_up = np.ones(len(times), bool), np.ones(len(times), bool)
    for start, end, takes_all in sky.outages:
        during = (times >= start) & (times < end)
        coast_up &= ~during
        if takes_all:
            space_up &= ~during
    out: npt.NDArray[np.bool_] = (by_coast & coast_up) | (by_satellite & space_up)
    return out


def _messages(
    journey: Journey,
    times: Floats,
    lats: Floats,
    lons: Floats,
    knot: npt.NDArray[np.int64],
    typed: npt.NDArray[np.str_],
    waters: Waters,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """What the heard messages say: speed, course and status from the journey, with the noise of real sets."""
    hull, n = journey.hull, len(times)
    mode = journey.modes[knot]
    d_lat = journey.lats[knot + 1] - journey.lats[knot]
    d_lon = (journey.lons[knot + 1] - journey.lons[knot]) * np.cos(np.radians(lats))
    seconds = np.maximum(journey.times_s[knot + 1] - journey.times_s[knot], 1.0)
    speed = 60 * np.hypot(d_lat, d_lon) / (seconds / HOUR)
    course = np.degrees(np.arctan2(d_lon, d_lat)) % 360
    moving = speed > 0.3
    sog = np.where(moving, speed + rng.normal(0, 0.2, n), np.abs(rng.normal(0, 0.06, n))).clip(0, 60)
    cog = np.where(moving, course + rng.normal(0, 2.5, n), rng.uniform(0, 360, n)) % 360
    heading = (
        np.where(moving, course + rng.normal(0, 3, n), (hull.length_m * 7 + 40 * np.sin(times / 21_000)) % 360) % 360
    )
    swing = np.where(mode == 1, 120.0, np.where(mode == 2, 250.0, 12.0)) / 1852 / 60
    phase = times / 3 / HOUR
    new_lats = lats + np.where(moving, 8 / 1852 / 60, swing) * (np.sin(phase) * 0.5 + rng.normal(0, 0.35, n))
    new_lons = lons + np.where(moving, 8 / 1852 / 60, swing) * (np.cos(phase) * 0.5 + rng.normal(0, 0.35, n))
    afloat = waters.is_water(new_lats, new_lons)
    new_lats, new_lons = np.where(afloat, new_lats, lats), np.where(afloat, new_lons, lons)
    # Officers forget to set the status; class B has none.
    status = np.where(rng.random(n) < 0.05, UNDER_WAY, mode)
    is_b = hull.ais_class == "B"
    lacks_static = rng.random(n) < (0.3 if is_b else 0.04)
    draught = np.where(journey.is_laden[knot], hull.laden_draught_m, hull.light_draught_m)

    def static(value: object, dtype: pl.DataType) -> pl.Series:
        column = pl.Series([value], dtype=dtype).new_from_index(0, n)
        return pl.DataFrame({"v": column, "gone": lacks_static}).select(pl.when(~pl.col("gone")).then("v")).to_series()

    bound = pl.Series(typed[knot].astype(str), dtype=pl.String())
    empty = pl.Series([None], dtype=pl.Float64()).new_from_index(0, n)
    return pl.DataFrame(
        {
            "simulated_mmsi": pl.Series([hull.mmsi], dtype=pl.Int64()).new_from_index(0, n),
            "seconds": times.astype(np.int64),
            "lat_deg": new_lats.round(5),
            "lon_deg": new_lons.round(5),
            "sog_kn": sog.round(1),
            "cog_deg": (cog.round(1)) % 360,
            "heading_deg": empty if is_b else pl.Series(heading.round(0) % 360),
            "nav_status": pl.Series([None], dtype=pl.Int64()).new_from_index(0, n) if is_b else pl.Series(status),
            "ais_class": pl.Series([hull.ais_class], dtype=pl.String()).new_from_index(0, n),
            "imo": static(hull.imo, pl.Int64()),
            "vessel_name": static(hull.name, pl.String()),
            "call_sign": static(hull.call_sign, pl.String()),
            "ship_type": static(hull.ship_type, pl.Int64()),
            "length_m": static(hull.length_m if hull.tells_length else None, pl.Float64()),
            "draught_m": empty if is_b else pl.Series(draught),
            "destination": pl.Series([None], dtype=pl.String()).new_from_index(0, n) if is_b else bound,
        },
        schema_overrides={"heading_deg": pl.Float64(), "draught_m": pl.Float64(), "nav_status": pl.Int64()},
    )


def soil(positions: pl.DataFrame, scenario: Scenario, rng: np.random.Generator) -> pl.DataFrame:
    """Add the dirt of real exports and say of each row what was done to it in `dirt`.

    Rows are repeated, lose their place to 91/181, jump by degrees, or carry the clock of another day. A share of the rows
    has the speed, course or heading that means "not available". A wrong clock may speak in the middle of a silence.
    """
    n = len(positions)
    kinds = rng.choice(
        ["", "repeated", "no_position", "wrong_place", "wrong_time"],
        size=n,
        p=[1 - scenario.dirty_share, *(np.array([0.55, 0.35, 0.08, 0.02]) * scenario.dirty_share)],
    )
    far_lat, far_lon = rng.normal(0, 2.0, n), rng.normal(0, 2.0, n)
    days_off = rng.integers(2, 5, n)
    no_sog, no_cog, no_heading = rng.random(n) < 0.003, rng.random(n) < 0.004, rng.random(n) < 0.01
    dirty = positions.with_columns(
        dirt=pl.Series(kinds),
        far_lat=pl.Series(far_lat),
        far_lon=pl.Series(far_lon),
        days_off=pl.Series(days_off),
        no_sog=pl.Series(no_sog),
        no_cog=pl.Series(no_cog),
        no_heading=pl.Series(no_heading),
    ).with_columns(
        lat_deg=pl.when(pl.col("dirt") == "no_position")
        .then(91.0)
        .when(pl.col("dirt") == "wrong_place")
        .then((pl.col("lat_deg") + pl.col("far_lat")).round(5))
        .otherwise("lat_deg"),
        lon_deg=pl.when(pl.col("dirt") == "no_position")
        .then(181.0)
        .when(pl.col("dirt") == "wrong_place")
        .then((pl.col("lon_deg") + pl.col("far_lon")).round(5))
        .otherwise("lon_deg"),
        seconds=pl.when(pl.col("dirt") == "wrong_time")
        .then((pl.col("seconds") - pl.col("days_off") * int(DAY)).clip(0))
        .otherwise("seconds"),
        sog_kn=pl.when("no_sog").then(102.3).otherwise("sog_kn"),
        cog_deg=pl.when("no_cog").then(360.0).otherwise("cog_deg"),
        heading_deg=pl.when(pl.col("no_heading") & pl.col("heading_deg").is_not_null())
        .then(511.0)
        .otherwise("heading_deg"),
    )
    again = dirty.filter(pl.col("dirt") == "repeated")
    return (
        pl.concat([dirty, again])
        .select([*positions.columns, "dirt"])
        .sort(["seconds", "simulated_mmsi"], maintain_order=True)
    )
