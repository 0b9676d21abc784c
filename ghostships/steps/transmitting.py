"""First, who is not dark: sightings that a transmitting ship explains.

For every sighting, each ship heard around its time is put where it was at that instant, with an error that grows with the time to
its nearest position. The ship competes with a hull without a transponder, and explains at most one detection of a picture.
"""

from __future__ import annotations

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
    transmitting and have no row.
    """
    seen = sightings[sightings["observation_type"] == "vessel"]
    instants = _instants(seen, route)
    if instants.is_empty() or positions.is_empty():
        return _nothing()
    pairs = _near(instants, segment_hours, max_bracket_h)
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
    ).filter(pl.col("before_h") + pl.col("after_h") < max_bracket_h)
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
    drift = DRIFT_SHARE * (speed_kn + 0.3) * units.KM_PER_NM * nearest_h
    sigma = np.sqrt(f["sigma_km"] ** 2 + drift**2 + (AZIMUTH_KM_PER_KN * speed_kn) ** 2)
    distance = sphere.gc_km(lat, lon, f["lat"], f["lon"])
    density = np.exp(-0.5 * (distance / sigma) ** 2) / (2 * np.pi * sigma**2)
    return (
        joined.select("sighting_id", "vessel_key", "n_instants")
        .with_columns(pl.Series("distance_km", distance), pl.Series("density", density))
        .sort("sighting_id", "vessel_key", "distance_km")
    )


def _decide(
    pairs: pd.DataFrame, seen: pd.DataFrame, vessels: pd.DataFrame, route: Route, unknown_at_sea: dict[str, float]
) -> pd.DataFrame:
    """Weigh each pair against a hull without a transponder, and let one ship explain one detection of a picture."""
    by_id, ships = seen.set_index("sighting_id").to_dict("index"), vessels.set_index("vessel_key").to_dict("index")
    middle = (route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2
    weights, rows = [], []
    for pair in pairs.itertuples(index=False):
        s, ship = by_id[pair.sighting_id], ships[pair.vessel_key]
        sensor = route.sensor(_text(s["sensor"]))
        port = next((p for p in route.ports if p.id == s["port"]), None)
        area_density = DARK_HULLS_IN_PORT / (np.pi * port.radius_km**2) if port else unknown_at_sea[pair.sighting_id]
        position = factors.ratio_bits(P_DETECT * pair.density, area_density)
        claimed = s["length_sigma_m"] if s["length_sigma_m"] == s["length_sigma_m"] else 0.0
        sigma = max(claimed, sensor.length_sigma_m)
        background = factors.normal(
            s["length_m"] if s["length_m"] == s["length_m"] else middle,
            middle,
            np.hypot(route.priors.hull_length_sd_m, sigma),
        )
        named, name_text = factors.name_read(
            _text(s["vessel_name"]),
            None if pd.isna(s["imo"]) else int(s["imo"]),
            _text(ship["vessel_name"]),
            None if pd.isna(ship["imo"]) else int(ship["imo"]),
            p_correct=route.priors.p_name_correct if pd.isna(s["p_name_correct"]) else float(s["p_name_correct"]),
        )
        fit, length_text = factors.length(
            s["length_m"] / sensor.length_ratio, sigma, float(ship["length_m"]), background=background
        )
        length = 0.0 if named > 1 else factors.ratio_bits(fit, background)
        name = factors.ratio_bits(named, 1.0)
        weights.append(2.0 ** (position + length + name))
        rows.append(
            {
                "sighting_id": pair.sighting_id,
                "vessel_key": pair.vessel_key,
                "mmsi": ship["mmsi"],
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
    scene = [by_id[i]["scene_id"] if isinstance(by_id[i]["scene_id"], str) else f"|{i}" for i in pairs["sighting_id"]]
    ship = pd.factorize(pairs["vessel_key"] + "|" + pd.Series(scene, index=pairs.index))[0]
    out["p"] = association.one_each(np.array(weights), pd.factorize(pairs["sighting_id"])[0], ship)
    alone = out["position"] + out["length"] + out["name_read"]
    out["competition"] = [factors.bits_of(p) for p in out["p"]] - alone
    return out
