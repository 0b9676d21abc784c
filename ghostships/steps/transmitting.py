"""First, who is not dark: sightings that a transmitting ship explains.

For every sighting, each ship heard around its time is put where it was at that instant, with an error that grows with the time to
its nearest position. The ship competes with a hull without a transponder, and explains at most one detection of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import sphere, units
from ghostships.inference import association, factors, untracked
from ghostships.routes import Route

Floats = npt.NDArray[np.float64]

WINDOW_INSTANTS = 7
"""A day's window is read at this many instants, evenly spread: presence at one unknown instant, not throughout."""

P_DETECT = 0.9
"""Chance that a ship that was there is in the list of detections; only the order of magnitude matters here."""

DARK_HULLS_IN_PORT = 0.3
"""Hulls without a transponder expected in a picture of a port; own judgement, tested in simulation."""

AZIMUTH_KM_PER_KN = 0.04
"""Radar shifts a moving ship along the flight path by v / v_satellite * slant range: 475 to 514 m were measured at 12 to 13 kn
(shared notes on Sentinel-1); applied to every sensor, because few exports say which is radar."""

DRIFT_SHARE = 0.35
"""Error of an interpolated place, as a share of what the ship sails in the time to its nearest position."""

LEAST_CONTRADICTION_KM = 10.0
"""Nearer than this a port's size and the errors of both sources explain the difference."""

CONTRADICTION_H = 3.0
"""A position within this of a sighting can contradict it; later the ship may have sailed anywhere on the coast."""

NEEDED = ("vessel_key", "time_utc", "lat_deg", "lon_deg", "sog_kn", "source_file", "source_row")
"""Columns of positions that the two questions below look at."""

STILL_H = 24.0
STILL_KM = 0.5
STILL_KN = 0.7
"""A ship heard at one place, not moving, and heard there again within so long lay there in between, whatever was not heard: at the
dark port nobody leaves, calls elsewhere and is back at the same berth within a day (own judgement)."""

SWING_KM = 0.15
"""How far a ship that lies still is from where it was heard: her length, her swing, the error of a fix."""

BOX_LAT_DEG = 1.0
BOX_LON_DEG = 1.5
"""Ships farther than this at the nearest heard hour are not looked at: 110 km, more than six hours at 9 kn in ports' reach."""


def wanted(
    sightings: pd.DataFrame,
    segment_hours: pl.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    max_bracket_h: float,
    within_h: float = CONTRADICTION_H,
) -> pl.DataFrame:
    """Say which positions the two questions below need: one row per ship and span (`vessel_key`, `start_utc`, `end_utc`)."""
    seen = sightings[sightings["observation_type"] == "vessel"]
    parts = []
    instants = _instants(seen, route)
    if not instants.is_empty() and not segment_hours.is_empty():
        pairs = _near(instants, segment_hours, max_bracket_h)
        parts.append(_spans(pairs.select("vessel_key", "at"), max_bracket_h))
        still = _still(instants, segment_hours, max_bracket_h)
        parts.append(_spans(still.select("vessel_key", "at"), STILL_H))
    named = [
        (str(ship.vessel_key), s.start_utc.to_pydatetime())
        for s, _ in _exact_and_named(seen, route)
        for ship in _ships_read(s, vessels, route)
    ]
    schema = {"vessel_key": pl.String, "at": pl.Datetime("us", "UTC")}
    parts.append(_spans(pl.DataFrame(named, schema=schema, orient="row"), within_h))
    return pl.concat(parts).unique().sort("vessel_key", "start_utc", "end_utc")


def _spans(moments: pl.DataFrame, around_h: float) -> pl.DataFrame:
    around = pl.duration(microseconds=round(around_h * units.US_PER_HOUR))
    return moments.select("vessel_key", start_utc=pl.col("at") - around, end_utc=pl.col("at") + around)


def explain(
    sightings: pd.DataFrame,
    positions: pl.DataFrame,
    segment_hours: pl.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    max_bracket_h: float,
) -> pd.DataFrame:
    """Say which transmitting ships could be the ship in each sighting.

    One row per sighting and ship: `sighting_id`, `vessel_key`, `mmsi`, `distance_km`, `p` and the bits of `position`, `length`,
    `name_read` and `competition`, with their sentences. Ships not heard on both sides within `max_bracket_h` [h] are not
    transmitting and have no row, but for those that lay still: heard at one place before and after, within `STILL_H`.
    """
    seen = sightings[sightings["observation_type"] == "vessel"]
    instants = _instants(seen, route)
    if instants.is_empty() or positions.is_empty():
        return _nothing()
    near = _near(instants, segment_hours, max_bracket_h)
    pairs = pl.concat([near, _still(instants, segment_hours, max_bracket_h).select(near.columns)]).unique()
    if pairs.is_empty():
        return _nothing()
    placed = _place(pairs, positions, max_bracket_h)
    if placed.is_empty():
        return _nothing()
    per_pair = placed.group_by("sighting_id", "vessel_key", maintain_order=True).agg(
        pl.col("density").sum() / pl.col("n_instants").first(), pl.col("distance_km").min()
    )
    per_pair = per_pair.filter(pl.col("density") > 0).sort("sighting_id", "vessel_key")
    if per_pair.is_empty():
        return _nothing()
    somewhere = seen[seen["lat_deg"].notna()]
    unknown = untracked.per_km2(
        somewhere["lat_deg"].to_numpy(dtype=float),
        somewhere["lon_deg"].to_numpy(dtype=float),
        segment_hours,
        dark_hulls_per_1000_km2=route.priors.dark_hulls_per_1000_km2,
    )
    at_sea = dict(zip(somewhere["sighting_id"], unknown.tolist(), strict=True))
    return _decide(per_pair.to_pandas(), seen, vessels, route, at_sea)


def _exact_and_named(seen: pd.DataFrame, route: Route) -> list[tuple[Any, tuple[float, float]]]:
    """Sightings at one instant in which a name or IMO number was read, with their place."""
    exact = seen[(seen["start_utc"] == seen["end_utc"]) & (seen["vessel_name"].notna() | seen["imo"].notna())]
    out: list[tuple[Any, tuple[float, float]]] = []
    row: Any
    for row in exact.sort_values("sighting_id").itertuples(index=False):
        port = next((p for p in route.ports if p.id == row.port), None)
        place = (
            (row.lat_deg, row.lon_deg) if row.lat_deg == row.lat_deg else (port.lat_deg, port.lon_deg) if port else None
        )
        if place is not None:
            out.append((row, place))
    return out


def _ships_read(s: Any, vessels: pd.DataFrame, route: Route) -> list[Any]:
    """Ships whose name or IMO number is the one read in a sighting."""
    name, imo = _text(s.vessel_name), None if pd.isna(s.imo) else int(s.imo)
    found = []
    for ship in vessels.itertuples(index=False):
        own_imo = None if pd.isna(ship.imo) else int(ship.imo)
        own = (name, imo, _text(ship.vessel_name), own_imo)
        if factors.name_read(*own, p_correct=route.priors.p_name_correct)[0] > 1:
            found.append(ship)
    return found


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(
        {"sighting_id": pd.Series(dtype="str"), "vessel_key": pd.Series(dtype="str"), "p": pd.Series(dtype=float)}
    )


def _instants(seen: pd.DataFrame, route: Route) -> pl.DataFrame:
    """One row per sighting and instant of its window, with place and error [km]."""
    rows = []
    for s in seen.itertuples(index=False):
        port = next((p for p in route.ports if p.id == s.port), None)
        if s.lat_deg == s.lat_deg:
            lat, lon = s.lat_deg, s.lon_deg
            given = s.position_sigma_m if s.position_sigma_m == s.position_sigma_m else 0.0
            sigma_km = max(given, route.sensor(_text(s.sensor)).position_sigma_m) / 1000
        elif port is not None:
            lat, lon, sigma_km = port.lat_deg, port.lon_deg, port.radius_km / 2
        else:
            continue
        start, end = s.start_utc.value // 1000, s.end_utc.value // 1000
        n = 1 if end <= start else WINDOW_INSTANTS
        for k in range(n):
            at = start + (end - start) * (2 * k + 1) // (2 * n)
            rows.append((s.sighting_id, at, lat, lon, sigma_km, n))
    schema = ["sighting_id", "at", "lat", "lon", "sigma_km", "n_instants"]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))).sort("sighting_id", "at")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _near(instants: pl.DataFrame, segment_hours: pl.DataFrame, max_bracket_h: float) -> pl.DataFrame:
    """Ships heard within the bracket of an instant, in a box around the sighting."""
    span = int(np.ceil(max_bracket_h))
    around = instants.with_columns(
        pl.col("at").dt.truncate("1h").alias("hour"), pl.lit(list(range(-span, span + 1))).alias("offset")
    ).explode("offset")
    around = around.with_columns((pl.col("hour") + pl.duration(hours=pl.col("offset"))).alias("hour_utc"))
    heard = segment_hours.filter(pl.col("last_lat_deg").is_not_null()).select(
        "vessel_key", "hour_utc", "last_lat_deg", "last_lon_deg"
    )
    near = around.join(heard, on="hour_utc", how="inner").filter(
        ((pl.col("last_lat_deg") - pl.col("lat")).abs() <= BOX_LAT_DEG)
        & ((pl.col("last_lon_deg") - pl.col("lon")).abs() <= BOX_LON_DEG)
    )
    columns = ["sighting_id", "at", "lat", "lon", "sigma_km", "n_instants", "vessel_key"]
    return near.select(columns).unique().sort("vessel_key", "at", "sighting_id")


def _still(instants: pl.DataFrame, segment_hours: pl.DataFrame, max_bracket_h: float) -> pl.DataFrame:
    """Ships that lay in a box around a sighting, heard before and after it at one place, longer apart than the bracket."""
    ship = ["vessel_key", "segment_id"]
    steps = (
        segment_hours.filter(pl.col("first_utc").is_not_null())
        .sort(*ship, "hour_utc")
        .select(
            "vessel_key",
            pl.col("last_utc").shift(1).over(ship).alias("since"),
            pl.col("first_utc").alias("until"),
            pl.col("last_lat_deg").shift(1).over(ship).alias("at_lat"),
            pl.col("last_lon_deg").shift(1).over(ship).alias("at_lon"),
            pl.col("first_lat_deg").alias("to_lat"),
            pl.col("first_lon_deg").alias("to_lon"),
        )
        .with_columns(
            ((pl.col("until") - pl.col("since")).dt.total_microseconds() / units.US_PER_HOUR).alias("whole_h")
        )
        .filter(pl.col("whole_h").is_between(max_bracket_h, STILL_H))
    )
    km = sphere.gc_km(*(steps[c].to_numpy() for c in ("at_lat", "at_lon", "to_lat", "to_lon")))
    steps = steps.filter(pl.Series(km <= STILL_KM)).sort("vessel_key", "since")
    ordered = instants.sort("at", "sighting_id")
    first = ordered["at"].search_sorted(steps["since"], side="left").to_numpy().astype(np.int64)
    last = ordered["at"].search_sorted(steps["until"], side="right").to_numpy().astype(np.int64)
    counts = np.maximum(last - first, 0)
    row = np.repeat(np.arange(len(steps)), counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs: pl.DataFrame = pl.concat([ordered[np.repeat(first, counts) + within], steps[row]], how="horizontal")
    pairs = pairs.filter(
        ((pl.col("at_lat") - pl.col("lat")).abs() <= BOX_LAT_DEG)
        & ((pl.col("at_lon") - pl.col("lon")).abs() <= BOX_LON_DEG)
    )
    columns = [*instants.columns, "vessel_key"]
    return pairs.select(columns).unique().sort("vessel_key", "at", "sighting_id")


def _place(pairs: pl.DataFrame, positions: pl.DataFrame, max_bracket_h: float) -> pl.DataFrame:
    """Where each ship was at each instant, and how well that fits the sighting [per km2]."""
    tracks = (
        positions.filter(pl.col("lat_deg").is_not_null())
        .join(pairs.select("vessel_key").unique(), on="vessel_key", how="semi")
        .select("vessel_key", "time_utc", "lat_deg", "lon_deg", "sog_kn")
        .unique(subset=["vessel_key", "time_utc"], keep="first", maintain_order=True)
        .sort("vessel_key", "time_utc")
    )
    if tracks.is_empty():
        return tracks
    pairs = pairs.sort("vessel_key", "at")
    joined = pairs
    for side, strategy in (("before", "backward"), ("after", "forward")):
        joined = joined.sort("at").join_asof(
            tracks.rename({c: f"{side}_{c}" for c in ("time_utc", "lat_deg", "lon_deg", "sog_kn")}).sort(
                f"{side}_time_utc"
            ),
            left_on="at",
            right_on=f"{side}_time_utc",
            by="vessel_key",
            strategy=strategy,
            check_sortedness=False,
        )
    us = units.US_PER_HOUR
    joined = joined.with_columns(
        ((pl.col("at") - pl.col("before_time_utc")).dt.total_microseconds() / us).alias("before_h"),
        ((pl.col("after_time_utc") - pl.col("at")).dt.total_microseconds() / us).alias("after_h"),
    )
    moved = sphere.gc_km(
        *(joined[f"{side}_{c}_deg"].to_numpy() for side in ("before", "after") for c in ("lat", "lon"))
    )
    lay_still = (moved <= STILL_KM) & (joined["before_sog_kn"].fill_null(0.0).to_numpy() <= STILL_KN)
    whole = (joined["before_h"] + joined["after_h"]).to_numpy()
    with np.errstate(invalid="ignore"):
        kept = (whole < max_bracket_h) | (lay_still & (whole <= STILL_H))
    joined, lay_still = joined.filter(pl.Series(kept)), (lay_still & (whole >= max_bracket_h))[kept]
    if joined.is_empty():
        return joined
    f = {c: joined[c].to_numpy() for c in ("before_h", "after_h", "lat", "lon", "sigma_km")}
    f |= {c: joined[c].to_numpy() for c in ("before_lat_deg", "before_lon_deg", "after_lat_deg", "after_lon_deg")}
    whole = f["before_h"] + f["after_h"]
    share = np.divide(f["before_h"], whole, out=np.zeros_like(whole), where=whole > 0)
    lat = f["before_lat_deg"] + share * (f["after_lat_deg"] - f["before_lat_deg"])
    lon = f["before_lon_deg"] + share * (f["after_lon_deg"] - f["before_lon_deg"])
    sailed = sphere.gc_km(f["before_lat_deg"], f["before_lon_deg"], f["after_lat_deg"], f["after_lon_deg"])
    reported = joined["before_sog_kn"].fill_null(0.0).to_numpy()
    implied_kn = np.divide(units.nm(1.0) * sailed, whole, out=np.zeros_like(whole), where=whole > 0)
    speed_kn = np.maximum(reported, implied_kn)
    nearest_h = np.minimum(f["before_h"], f["after_h"])
    drift = np.where(lay_still, SWING_KM, DRIFT_SHARE * (speed_kn + 0.3) * units.KM_PER_NM * nearest_h)
    sigma = np.sqrt(f["sigma_km"] ** 2 + drift**2 + (AZIMUTH_KM_PER_KN * speed_kn) ** 2)
    distance = sphere.gc_km(lat, lon, f["lat"], f["lon"])
    density = np.exp(-0.5 * (distance / sigma) ** 2) / (2 * np.pi * sigma**2)
    return (
        joined.select("sighting_id", "vessel_key", "n_instants")
        .with_columns(pl.Series("distance_km", distance), pl.Series("density", density))
        .sort("sighting_id", "vessel_key", "distance_km")
    )


@dataclass(frozen=True)
class _Read:
    """What a sighting says of its ship, whichever ship that is; hulls without a transponder per km2 where it is."""

    per_km2: float
    length_m: float
    sigma_m: float
    background: float
    vessel_name: str | None
    imo: int | None
    p_name_correct: float
    scene_id: str | None


def _read(s: Any, route: Route, unknown_at_sea: dict[str, float]) -> _Read:
    sensor = route.sensor(_text(s.sensor))
    port = next((p for p in route.ports if p.id == s.port), None)
    middle = (route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2
    sigma = max(s.length_sigma_m if s.length_sigma_m == s.length_sigma_m else 0.0, sensor.length_sigma_m)
    spread = np.hypot(route.priors.hull_length_sd_m, sigma)
    return _Read(
        DARK_HULLS_IN_PORT / (np.pi * port.radius_km**2) if port else unknown_at_sea[s.sighting_id],
        s.length_m / sensor.length_ratio,
        sigma,
        factors.normal(s.length_m if s.length_m == s.length_m else middle, middle, spread),
        _text(s.vessel_name),
        None if pd.isna(s.imo) else int(s.imo),
        route.priors.p_name_correct if pd.isna(s.p_name_correct) else float(s.p_name_correct),
        _text(s.scene_id),
    )


def _decide(
    pairs: pd.DataFrame, seen: pd.DataFrame, vessels: pd.DataFrame, route: Route, unknown_at_sea: dict[str, float]
) -> pd.DataFrame:
    """Weigh each pair against a hull without a transponder, and let one ship explain one detection of a picture."""
    wanted = seen[seen["sighting_id"].isin(pairs["sighting_id"])]
    by_id = {str(s.sighting_id): _read(s, route, unknown_at_sea) for s in wanted.itertuples(index=False)}
    ships = {
        str(v.vessel_key): (v.mmsi, float(v.length_m), _text(v.vessel_name), None if pd.isna(v.imo) else int(v.imo))
        for v in vessels.itertuples(index=False)
    }
    weights, rows = [], []
    for pair in pairs.itertuples(index=False):
        s, (mmsi, length_m, ship_name, imo) = by_id[pair.sighting_id], ships[pair.vessel_key]
        position = factors.ratio_bits(P_DETECT * pair.density, s.per_km2)
        named, name_text = factors.name_read(s.vessel_name, s.imo, ship_name, imo, p_correct=s.p_name_correct)
        fit, length_text = factors.length(s.length_m, s.sigma_m, length_m, background=s.background)
        length = 0.0 if named > 1 else factors.ratio_bits(fit, s.background)
        name = factors.ratio_bits(named, 1.0)
        weights.append(2.0 ** (position + length + name))
        rows.append(
            {
                "sighting_id": pair.sighting_id,
                "vessel_key": pair.vessel_key,
                "mmsi": mmsi,
                "distance_km": pair.distance_km,
                "position": position,
                "position_because": f"transmitting {pair.distance_km:.1f} km from the sighting at its time",
                "length": length,
                "length_because": length_text,
                "name_read": name,
                "name_read_because": name_text,
            }
        )
    out = pd.DataFrame(rows)
    # A ship in a picture without an id is bound to its own sighting alone.
    scene = [f"|{i}" if by_id[i].scene_id is None else by_id[i].scene_id for i in pairs["sighting_id"]]
    ship = pd.factorize(pairs["vessel_key"] + "|" + pd.Series(scene, index=pairs.index))[0]
    out["p"] = association.one_each(np.array(weights), pd.factorize(pairs["sighting_id"])[0], ship)
    alone = out["position"] + out["length"] + out["name_read"]
    out["competition"] = [factors.bits_of(p) for p in out["p"]] - alone
    return out
