"""What is heard and is not true: jammed receivers, numbers that two hulls send, a ship that takes another number, drawn tracks.

All of it changes what messages say, after it was decided which of them are heard: the radio still comes from where the ship is.
Each piece of it is a row of `truth/identities.parquet`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships.routes import Route
from ghostships.simulation.hulls import Hull
from ghostships.simulation.journeys import DAY, HOUR
from ghostships.simulation.scenario import Scenario
from ghostships.simulation.waters import Floats, flat_nm

SECOND_MMSI = 799_900_001
"""First of the numbers that ships take instead of their own; as invented as the others."""

_KM_PER_DEG = 111.195
_JAMMED_PORTS = ("VLADIVOSTOK", "NAKHODKA", "VOSTOCHNY", "BUSAN", "NIIGATA")
_JAMMED_WITHIN_NM = 35.0
_LEAST_JAMMED = 4
_P_JAMMED = 0.85
"""Share of the ships near a jammer that lose their place; the others have a better receiver or another angle."""


@dataclass(frozen=True)
class Falsehood:
    """One falsehood: kind, the keys and hulls concerned, when, and where its false (or second) places are."""

    kind: str
    vessel_keys: tuple[str, ...]
    hull_ids: tuple[str, ...]
    start_s: float
    end_s: float
    lat_deg: float
    lon_deg: float
    n_positions: int


def spread(
    heard: pl.DataFrame, hulls: list[Hull], scenario: Scenario, route: Route, rng: np.random.Generator
) -> tuple[pl.DataFrame, list[Falsehood]]:
    """The heard messages with the scenario's falsehoods in them, and the truth about each.

    No ship has a part in two of them, traders in none but jamming: what their truth says of silences stays true.
    """
    told: list[Falsehood] = []
    taken: set[int] = set()
    for number in range(scenario.n_jamming_clusters):
        heard = _jam(heard, hulls, scenario, route, rng, number, taken, told)
    ordinary = [h for h in hulls if h.mmsi is not None and h.role in ("cargo", "away", "lookalike")]
    for _ in range(scenario.n_shared_numbers):
        heard = _share(heard, [h for h in ordinary if h.mmsi not in taken], rng, taken, told)
    for number in range(scenario.n_renumbered_ships):
        heard = _renumber(
            heard, [h for h in ordinary if h.mmsi not in taken and h.imo], scenario, rng, number, taken, told
        )
    for number in range(scenario.n_drawn_tracks):
        heard = _draw(heard, [h for h in ordinary if h.mmsi not in taken], scenario, rng, number, taken, told)
    return heard, told


def _jam(
    heard: pl.DataFrame,
    hulls: list[Hull],
    scenario: Scenario,
    route: Route,
    rng: np.random.Generator,
    number: int,
    taken: set[int],
    told: list[Falsehood],
) -> pl.DataFrame:
    """Ships near a port are suddenly at one place inland, or on circles around it, and hours later back."""
    ports = [p for p in route.ports if p.id in _JAMMED_PORTS]
    best: tuple[npt.NDArray[np.bool_], float, float, tuple[float, float]] | None = None
    for _ in range(12):
        port = ports[int(rng.integers(len(ports)))]
        length_s = float(rng.uniform(5, 14)) * HOUR
        start_s = float(rng.uniform(1.5 * DAY, scenario.days * DAY - length_s - DAY))
        near = flat_nm(port.lat_deg, port.lon_deg, _column(heard, "lat_deg"), _column(heard, "lon_deg"))
        seconds = _column(heard, "seconds")
        within = (near <= _JAMMED_WITHIN_NM) & (seconds >= start_s) & (seconds <= start_s + length_s)
        n_ships = heard.filter(pl.Series(within))["simulated_mmsi"].n_unique()
        angle, away_km = rng.uniform(0, 2 * np.pi), rng.uniform(25, 60)
        place = (
            port.lat_deg + away_km * np.cos(angle) / _KM_PER_DEG,
            port.lon_deg + away_km * np.sin(angle) / _KM_PER_DEG / np.cos(np.radians(port.lat_deg)),
        )
        if best is None or n_ships > heard.filter(pl.Series(best[0]))["simulated_mmsi"].n_unique():
            best = (within, start_s, start_s + length_s, place)
        if n_ships >= 2 * _LEAST_JAMMED:
            break
    assert best is not None
    within, start_s, end_s, place = best
    is_circle = number % 2 == 1
    seconds, mmsi = _column(heard, "seconds"), heard["simulated_mmsi"].to_numpy()
    lat, lon = _column(heard, "lat_deg").copy(), _column(heard, "lon_deg").copy()
    sog = heard["sog_kn"].to_numpy().copy()
    changed = np.zeros(len(lat), dtype=bool)
    caught = []
    for hull in (h for h in hulls if h.mmsi is not None and h.mmsi not in taken):
        is_hit, early, late = rng.random() < _P_JAMMED, *rng.uniform(0, 0.5, 2) * HOUR
        radius_km, phase, speed_kn = rng.uniform(2, 6), rng.uniform(0, 2 * np.pi), rng.uniform(20, 32)
        noise = rng.normal(0, 0.1 if is_circle else 0.4, (2, 1)) / _KM_PER_DEG
        own = np.flatnonzero(within & (mmsi == hull.mmsi) & (seconds >= start_s + early) & (seconds <= end_s - late))
        if not is_hit or not len(own):
            continue
        wobble = rng.normal(0, 0.02, (2, len(own))) / _KM_PER_DEG
        lat[own], lon[own] = place[0] + noise[0] + wobble[0], place[1] + noise[1] + wobble[1]
        sog[own] = np.abs(rng.normal(0, 0.1, len(own))).round(1)
        if is_circle:
            turned = phase + speed_kn * 1.852 / radius_km * seconds[own] / HOUR
            lat[own] += radius_km * np.cos(turned) / _KM_PER_DEG
            lon[own] += radius_km * np.sin(turned) / _KM_PER_DEG / np.cos(np.radians(place[0]))
            sog[own] = round(float(speed_kn), 1)
        changed[own] = True
        caught.append(hull)
    if len(caught) < _LEAST_JAMMED:
        return heard
    taken |= {h.mmsi for h in caught if h.mmsi is not None}
    told.append(
        Falsehood(
            "jamming_cluster",
            tuple(str(h.vessel_key) for h in caught),
            tuple(h.hull_id for h in caught),
            float(seconds[changed].min()),
            float(seconds[changed].max()),
            place[0],
            place[1],
            int(changed.sum()),
        )
    )
    return heard.with_columns(
        lat_deg=pl.Series(lat.round(5)), lon_deg=pl.Series(lon.round(5)), sog_kn=pl.Series(sog, dtype=pl.Float64)
    )


def _share(
    heard: pl.DataFrame, free: list[Hull], rng: np.random.Generator, taken: set[int], told: list[Falsehood]
) -> pl.DataFrame:
    """One hull sends another's number for the whole time; each goes on sending its own name."""
    n_heard = dict(heard["simulated_mmsi"].value_counts().iter_rows())
    often = [h for h in free if n_heard.get(h.mmsi, 0) >= 300]
    first, second = (often[int(i)] for i in rng.permutation(len(often))[:2])
    theirs = heard.filter(pl.col("simulated_mmsi") == second.mmsi)
    taken |= {int(h.mmsi) for h in (first, second) if h.mmsi is not None}
    told.append(
        Falsehood(
            "shared_mmsi",
            (str(first.vessel_key),),
            (first.hull_id, second.hull_id),
            float(theirs["seconds"].min()),  # type: ignore[arg-type]
            float(theirs["seconds"].max()),  # type: ignore[arg-type]
            float(theirs["lat_deg"][0]),
            float(theirs["lon_deg"][0]),
            theirs.height,
        )
    )
    return heard.with_columns(simulated_mmsi=pl.col("simulated_mmsi").replace({second.mmsi: first.mmsi}))


def _renumber(
    heard: pl.DataFrame,
    free: list[Hull],
    scenario: Scenario,
    rng: np.random.Generator,
    number: int,
    taken: set[int],
    told: list[Falsehood],
) -> pl.DataFrame:
    """A ship is not heard for some hours and goes on under another number, mostly with a new name; its IMO number stays."""
    n_heard = dict(heard["simulated_mmsi"].value_counts().iter_rows())
    often = [h for h in free if n_heard.get(h.mmsi, 0) >= 300]
    hull = often[int(rng.integers(len(often)))]
    when = float(rng.uniform(0.3, 0.7)) * scenario.days * DAY
    silent = float(rng.uniform(2, 40)) * HOUR
    own = pl.col("simulated_mmsi") == hull.mmsi
    kept = heard.filter(~(own & pl.col("seconds").is_between(when, when + silent)))
    later = own & (pl.col("seconds") >= when)
    name, call_sign = f"SIM ALIAS {number + 1}", f"SIMX{number}"
    is_renamed = rng.random() < 0.6
    second = SECOND_MMSI + 7 * number
    rows = kept.filter(later)
    taken.add(int(hull.mmsi or 0))
    told.append(
        Falsehood(
            "same_ship_other_mmsi",
            (str(hull.vessel_key), f"mmsi:{second}"),
            (hull.hull_id,),
            float(rows["seconds"].min()),  # type: ignore[arg-type]
            float(rows["seconds"].max()),  # type: ignore[arg-type]
            float(rows["lat_deg"][0]),
            float(rows["lon_deg"][0]),
            rows.height,
        )
    )
    said = {"vessel_name": name, "call_sign": call_sign} if is_renamed else {"call_sign": call_sign}
    return kept.with_columns(
        *(
            pl.when(later & pl.col(c).is_not_null()).then(pl.lit(value)).otherwise(pl.col(c)).alias(c)
            for c, value in said.items()
        ),
        simulated_mmsi=pl.when(later).then(pl.lit(second, pl.Int64)).otherwise(pl.col("simulated_mmsi")),
    )


def _draw(
    heard: pl.DataFrame,
    free: list[Hull],
    scenario: Scenario,
    rng: np.random.Generator,
    number: int,
    taken: set[int],
    told: list[Falsehood],
) -> pl.DataFrame:
    """One ship sends a circle, every other time a straight run, for some hours, far from where it is."""
    mmsi, seconds = heard["simulated_mmsi"].to_numpy(), _column(heard, "seconds")
    for _ in range(60):
        hull = free[int(rng.integers(len(free)))]
        length_s = float(rng.uniform(6, 20)) * HOUR
        start_s = float(rng.uniform(DAY, scenario.days * DAY - length_s - DAY))
        own = np.flatnonzero((mmsi == hull.mmsi) & (seconds >= start_s) & (seconds <= start_s + length_s))
        if len(own) >= 25:
            break
    lat, lon = _column(heard, "lat_deg").copy(), _column(heard, "lon_deg").copy()
    sog, cog = heard["sog_kn"].to_numpy().copy(), heard["cog_deg"].to_numpy().copy()
    angle, away_km = rng.uniform(0, 2 * np.pi), rng.uniform(60, 250)
    lat0 = float(lat[own[0]]) + away_km * np.cos(angle) / _KM_PER_DEG
    lon0 = float(lon[own[0]]) + away_km * np.sin(angle) / _KM_PER_DEG / np.cos(np.radians(lat0))
    since_h = (seconds[own] - seconds[own[0]]) / HOUR
    squeeze = np.cos(np.radians(lat0))
    if number % 2 == 0:
        radius_km, speed_kn = float(rng.uniform(2.0, 8.0)), float(rng.uniform(12, 28))
        turned = speed_kn * 1.852 / radius_km * since_h
        lat[own] = lat0 + radius_km * np.cos(turned) / _KM_PER_DEG
        lon[own] = lon0 + radius_km * np.sin(turned) / _KM_PER_DEG / squeeze
        course = np.degrees(turned) + 90
    else:
        speed_kn, heading = float(rng.uniform(8, 16)), float(rng.uniform(0, 2 * np.pi))
        sailed_km = speed_kn * 1.852 * since_h
        lat[own] = lat0 + sailed_km * np.cos(heading) / _KM_PER_DEG
        lon[own] = lon0 + sailed_km * np.sin(heading) / _KM_PER_DEG / squeeze
        course = np.full(len(own), np.degrees(heading))
    sog[own], cog[own] = round(speed_kn, 1), (course % 360).round(1) % 360
    taken.add(int(hull.mmsi or 0))
    told.append(
        Falsehood(
            "spoofed_track", (str(hull.vessel_key),), (hull.hull_id,), float(seconds[own].min()), float(seconds[own].max()),
            float(lat[own].mean()), float(lon[own].mean()), len(own),
        )
    )  # fmt: skip
    return heard.with_columns(
        lat_deg=pl.Series(lat.round(5)),
        lon_deg=pl.Series(lon.round(5)),
        sog_kn=pl.Series(sog, dtype=pl.Float64),
        cog_deg=pl.Series(cog, dtype=pl.Float64),
    )


def _column(heard: pl.DataFrame, name: str) -> Floats:
    return heard[name].cast(pl.Float64).to_numpy()
