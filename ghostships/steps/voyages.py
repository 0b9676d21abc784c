"""Voyages that pictures alone tell: a ship named at the dark port, and the ports at which it is named before and after.

    Vladivostok  7 Mar  LADY R  |--- no more than 34 h of sailing ---|  Najin 10-12 Mar  LADY R  |---|  Vostochny 14
    Mar  LADY R

No transponder is needed and none is consulted. A ship at the dark port that nobody named stays without a name and
without a probability: a length is not a name.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ghostships import tables
from ghostships.inference.factors import Factor, bits_of, probability, waterfall
from ghostships.routes import Route
from ghostships.units import EARTH_RADIUS_KM, nm

Distance = Callable[[str, str], float | None]

CHAIN_H = 336.0
"""Longest time [h] between two named calls that are still told as one voyage: two weeks, own judgement. LADY R's
published voyage of April 2024 (Vostochny 2-3 April, Najin 14 April; Yomiuri Shimbun 2024-06-09) has eleven days."""


@dataclass(frozen=True)
class _Named:
    """A named call as the chain needs it; times in hours since 1970."""

    call_id: str
    port: str
    name: str
    imo: int | None
    first_h: float
    """It had arrived by then: the end of the first window."""
    last_h: float
    """It was still there: the start of the last window."""
    earliest_h: float
    latest_h: float
    n_sightings: int
    sighting_ids: tuple[str, ...]


@dataclass(frozen=True)
class _Leg:
    """The way from one named call to the next."""

    other: _Named
    available_h: float
    sailing_h: float | None
    distance_nm: float | None


def trips(
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    *,
    route: Route,
    distance_nm: Distance | None = None,
    explained_call_ids: frozenset[str] = frozenset(),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Round trips readable from pictures alone, and the evidence for those that name a ship.

    One row per call at the dark port that no transponder explains: tier `pictures_only` when a name was read, else
    `unattributed` with `p_trip` null. Calls of ships and berths outside the trade make no row, nor do those in
    `explained_call_ids` (calls that a silence already carries). `distance_nm` gives sea distances between ports [nm];
    without it great circles between roadsteads serve, which can only make a leg look easier.

    The model: a name read in a picture is right with the reader's `p_name_correct`; the same name read at a
    counterpart port before or after adds the ratio of how soon a ship of this trade moves on to how soon it would be
    seen there by chance. A leg that is too short to sail leaves one of the two readings wrong.

    Limits: outlets copy each other's names, so further readings at the same call add nothing. Ports where nobody
    looked are unknown, not uncalled.
    """
    named = [_named(row) for row in port_calls.to_dict("records") if isinstance(row["vessel_name"], str)]
    p_name = _p_names(sightings, route)
    rows: list[dict[str, Any]] = []
    evidence: list[dict[str, Any]] = []
    for row in port_calls.to_dict("records"):
        ports = str(row["port"]).split("|")
        mine = route.dark_port_id in ports and row["in_trade"] and row["kind"] != "transmitting"
        if not mine or row["call_id"] in explained_call_ids:
            continue
        made = _trip(row, named, p_name, route, distance_nm)
        rows.append(made[0])
        evidence += made[1]
    frames = []
    for found, table in ((rows, tables.ROUND_TRIPS), (evidence, tables.EVIDENCE)):
        frame = pd.DataFrame(found, columns=table.names)
        frames.append(tables.to_pandas(frame, table) if found else tables.empty_pandas(table))
    return frames[0], frames[1]


def _named(row: Any) -> _Named:
    return _Named(
        call_id=str(row["call_id"]),
        port=str(row["port"]),
        name=str(row["vessel_name"]),
        imo=None if row["imo"] is None or row["imo"] is pd.NA else int(row["imo"]),
        first_h=_hours(row["arrival_not_after_utc"]),
        last_h=_hours(row["departure_not_before_utc"]),
        # Bounds that come from the same name elsewhere would make the leg test circular: only the sightings' own times
        # count here.
        earliest_h=min(_hours(row["arrival_not_after_utc"]), _hours(row["departure_not_before_utc"])),
        latest_h=max(_hours(row["arrival_not_after_utc"]), _hours(row["departure_not_before_utc"])),
        n_sightings=int(row["n_sightings"]),
        sighting_ids=tuple(row["sighting_ids"]),
    )


def _trip(
    row: Any, named: list[_Named], p_name: dict[str, float], route: Route, distance_nm: Distance | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row of round_trips and its evidence."""
    dark = route.dark_port
    call = _named(row) if isinstance(row["vessel_name"], str) else None
    trip_id = f"T-{hashlib.sha256((str(row['call_id']) + ':1').encode()).hexdigest()[:12]}"
    origin = _nearest(call, named, route, distance_nm, before=True) if call else None
    onward = _nearest(call, named, route, distance_nm, before=False) if call else None
    legs = [leg for leg in (origin, onward) if leg is not None]
    steps = _factors(call, origin, onward, p_name, named, "|" in str(row["port"]), route) if call else []
    shown, total = waterfall(steps)
    p_trip = probability(total) if call else None
    loads = [load.containers for load in route.loads]
    spare = [leg.available_h - leg.sailing_h for leg in legs if leg.sailing_h is not None]
    needs = [leg.distance_nm / leg.available_h for leg in legs if leg.distance_nm is not None and leg.available_h > 0]
    others = [p for p in str(row["port"]).split("|") if p != dark.id]
    out = {
        "trip_id": trip_id,
        "vessel_key": None,
        "mmsi": None,
        "vessel_name": call.name if call else None,
        "imo": call.imo if call else None,
        "origin_port": origin.other.port if origin else None,
        "dark_port": dark.id,
        "destination_port": onward.other.port if onward else None,
        "dark_start_utc": None,
        "dark_end_utc": None,
        "gap_ids": [],
        "call_ids": [
            *([origin.other.call_id] if origin else []),
            str(row["call_id"]),
            *([onward.other.call_id] if onward else []),
        ],
        "n_sightings": int(row["n_sightings"]) + sum(leg.other.n_sightings for leg in legs),
        "p_trip": p_trip,
        "p_trip_without_habit": p_trip,
        "p_trip_without_watchlist": p_trip,
        "tier": "pictures_only" if call else "unattributed",
        "is_flagged": False,
        "needs_kn": round(max(needs), 2) if needs else None,
        "slack_h": round(min(spare), 2) if spare else None,
        "alternatives": ", ".join(f"{port} (the source leaves it open)" for port in others),
        "weakest_link": _weakest(call, legs, total),
        "containers_low": min(loads) if loads else None,
        "containers_high": max(loads) if loads else None,
        "because": _because(row, call, origin, onward, route),
        "cycle": 1,
        "n_calls_p05": None,
        "n_calls_p50": None,
        "n_calls_p95": None,
        "lat_deg": dark.lat_deg,
        "lon_deg": dark.lon_deg,
    }
    rows = [
        {"subject_id": trip_id, "rank": rank, "factor": step.name, "bits": step.bits, "because": step.because}
        for rank, step in enumerate(shown)
    ]
    return out, rows


def _nearest(
    call: _Named, named: list[_Named], route: Route, distance_nm: Distance | None, *, before: bool
) -> _Leg | None:
    """The last call of the same name at another known port before this one (or the first after), within `CHAIN_H`.

    A call of the same name at the dark port in between ends the chain: that voyage is another one.
    """
    later: list[tuple[float, str, _Named]] = []
    for other in named:
        if other.call_id == call.call_id or not _same(call, other) or "|" in other.port:
            continue
        apart = call.earliest_h - other.latest_h if before else other.earliest_h - call.latest_h
        comes = other.earliest_h < call.earliest_h if before else other.latest_h > call.latest_h
        if comes and apart <= CHAIN_H:
            later.append((apart, other.call_id, other))
    if not later:
        return None
    other = min(later, key=lambda item: item[:2])[2]
    port = route.find_port(other.port)
    if other.port == route.dark_port_id or (port is not None and port.role == "dark"):
        return None
    # The most that the pictures leave: it left after its last sighting there and had come by the first sighting here.
    available = call.first_h - other.last_h if before else other.first_h - call.last_h
    length = _sea(other.port, route.dark_port_id, route, distance_nm)
    sailing = None if length is None else length / route.default_top_speed_kn(None)
    return _Leg(other, available, sailing, length)


def _same(one: _Named, other: _Named) -> bool:
    if one.imo is not None and other.imo is not None:
        return one.imo == other.imo
    return _plain(one.name) == _plain(other.name)


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _factors(
    call: _Named,
    origin: _Leg | None,
    onward: _Leg | None,
    p_name: dict[str, float],
    named: list[_Named],
    is_open: bool,
    route: Route,
) -> list[Factor]:
    """What adds up to the log-odds of the trip, in bits, in a fixed order."""
    names = {c.imo if c.imo is not None else _plain(c.name) for c in named}
    start = bits_of(1 / (len(names) + 1))
    because = f"{len(names)} ships are named in the pictures; any of them, or none, may have lain there"
    out = [Factor("prior", start, because)]
    reading = max((p_name[i] for i in call.sighting_ids if i in p_name), default=route.priors.p_name_correct)
    who = ", ".join(i for i in call.sighting_ids if i in p_name)
    because = f"{call.name} was read in the picture ({who}); such readings are right with p {reading:g}"
    out.append(Factor("name_read", bits_of(reading) - start, because))
    out.append(_leg_factor("leg_in", origin, route))
    out.append(_leg_factor("leg_out", onward, route))
    if is_open:
        p = 1 / (1 + 2.0 ** -sum(step.bits for step in out))
        out.append(
            Factor("port_open", bits_of(p / 2) - bits_of(p), "the source leaves open at which of two ports: half")
        )
    return out


def _leg_factor(name: str, leg: _Leg | None, route: Route) -> Factor:
    """How much the same name at a counterpart port before or after speaks for the reading at the dark port."""
    if leg is None:
        side = "before" if name == "leg_in" else "after"
        return Factor(name, 0.0, f"not named at another port within {CHAIN_H / 24:.0f} days {side}: says nothing")
    where, ids = leg.other.port, ", ".join(leg.other.sighting_ids)
    if leg.sailing_h is None:
        return Factor(name, 0.0, f"named at {where} ({ids}); the distance is not known: says nothing")
    told = f"named at {where} ({ids}), {leg.distance_nm:.0f} nm away by sea, at most {leg.available_h:.0f} h apart"
    if leg.available_h < leg.sailing_h:
        because = f"{told}: {leg.sailing_h:.0f} h of sailing do not fit, so one of the readings is wrong"
        return Factor(name, -bits_of(route.priors.p_name_correct), because)
    mean_h = route.priors.between_mean_h
    likely = math.exp(-(leg.available_h - leg.sailing_h) / mean_h) / mean_h
    # A ship that lies idle for long is no evidence against its voyage: never below nothing.
    return Factor(name, max(0.0, math.log2(likely * CHAIN_H)), f"{told}; {leg.sailing_h:.0f} h of sailing fit")


def _because(row: Any, call: _Named | None, origin: _Leg | None, onward: _Leg | None, route: Route) -> str:
    offset = route.dark_port.utc_offset_h
    first, last = (
        f"{pd.Timestamp(round((h + offset) * 3600), unit='s', tz='UTC'):%Y-%m-%d}"
        for h in (
            min(_hours(row["arrival_not_after_utc"]), _hours(row["departure_not_before_utc"])),
            max(_hours(row["arrival_not_after_utc"]), _hours(row["departure_not_before_utc"])),
        )
    )
    when = first if first == last else f"{first} to {last}"
    if call is None:
        length = row["length_m"]
        size = "a ship" if length != length else f"a ship of about {length:.0f} m"
        return f"{size} lay at {row['port']} ({when}); nobody read a name, so which ship it was cannot be said"
    told = [f"{call.name} was read at {row['port']} ({when})"]
    if origin is not None:
        told.append(f"at {origin.other.port} before")
    if onward is not None:
        told.append(f"at {onward.other.port} after")
    return f"{', '.join(told)}: consistent with one voyage; no transponder data was used"


def _weakest(call: _Named | None, legs: list[_Leg], total: float) -> str:
    if call is None:
        return "no name was read in any picture of this call"
    ids = ", ".join(call.sighting_ids)
    if any(leg.sailing_h is not None and leg.available_h < leg.sailing_h for leg in legs):
        return f"the name {call.name} in {ids} and the one at the other port cannot both be right"
    return f"the name {call.name} in {ids}: without it nothing says which ship this was ({total:.1f} bits rest on it)"


def _p_names(sightings: pd.DataFrame, route: Route) -> dict[str, float]:
    """How far each sighting's name is trusted."""
    read = sightings[sightings["vessel_name"].notna()]
    default = route.priors.p_name_correct
    return {
        str(i): min(0.999, max(0.001, default if p != p else float(p)))
        for i, p in zip(read["sighting_id"], read["p_name_correct"], strict=True)
    }


def _sea(one: str, other: str, route: Route, distance_nm: Distance | None) -> float | None:
    a, b = route.find_port(one), route.find_port(other)
    if a is None or b is None:
        return None
    by_sea = distance_nm(a.id, b.id) if distance_nm else None
    if by_sea is not None:
        return by_sea
    lat_a, lat_b = math.radians(a.roadstead_lat_deg), math.radians(b.roadstead_lat_deg)
    east = math.radians(b.roadstead_lon_deg - a.roadstead_lon_deg)
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(east / 2) ** 2
    return nm(2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h))))


def _hours(time: Any) -> float:
    return float(pd.Timestamp(time).value) / 3.6e12
