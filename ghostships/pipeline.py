"""The whole river on one page, no disk: positions and sightings in, every table of the contract out.

positions --clean--> --days--> vessel_hours --segments--> segment_hours --gaps--> gaps --reach, reception--> gaps
sightings --transmitting--> who is not dark --calls--> port_calls --match--> who it may have been --trips--> round_trips
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import tables, units
from ghostships.inference import factors, findings, headings, scatter, weakest
from ghostships.inference.by_chance import Chance
from ghostships.inference.joint import Weighed
from ghostships.inference.looks import Apart
from ghostships.routes import Route
from ghostships.sea import Sea
from ghostships.sea_grid import LAND_BOX_DEG
from ghostships.steps import (
    beginnings,
    calls,
    clean,
    days,
    decide,
    declared,
    false_places,
    gaps,
    identity,
    match,
    next_look,
    passing,
    placebo,
    reach,
    reception,
    segments,
    stacks,
    throughput,
    tracks,
    transmitting,
    trips,
    vessels,
    voyages,
    whose,
)
from ghostships.traffic import Traffic

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TRANSMITTING_FROM_P = 0.5
"""A sighting is put down to a transmitting ship, and taken out of the dark calls, when that is likelier than not."""


@dataclass(frozen=True)
class Inputs:
    """What was read. Every frame obeys its declaration in `tables.py`; an input that was not given is an empty table."""

    traffic: Traffic
    rejects: pl.DataFrame
    sightings: pd.DataFrame
    scenes: pd.DataFrame
    registry: pd.DataFrame


@dataclass(frozen=True)
class Settings:
    """What was asked.

    `scope` is `selected` when the export holds chosen ships: silence of others then proves nothing. `unobserved` are spans for
    which a source has not delivered: whoever is silent there was not listened to.
    """

    route: Route
    min_gap_h: float
    scope: Literal["area", "selected"] = "area"
    from_utc: datetime | None = None
    to_utc: datetime | None = None
    as_of_utc: datetime | None = None
    unobserved: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True)
class Result:
    """Every table, by its name in `tables.py`, and what a reader must be told.

    `tables` holds pandas frames for all public tables except `rejects`, which stays a Polars frame. In rejects found after
    reading, `file_sha256` is the prefix and `raw` is empty until the books are settled. `placebo` says how many flags chance gives,
    `look_next` which pictures would tell most (`steps.placebo.panel`, `steps.next_look.rank`).
    """

    tables: dict[str, pd.DataFrame]
    rejects: pl.DataFrame
    as_of_utc: datetime | None
    warnings: list[str] = field(default_factory=list)
    placebo: list[dict[str, Any]] = field(default_factory=list)
    look_next: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Heard:
    """What the traffic alone says: every silence with its reach and its reception, and the ships that keep them."""

    ships: Traffic
    hours: pl.DataFrame
    silences: pd.DataFrame
    in_reach: pd.DataFrame
    beginnings: pd.DataFrame
    beginnings_in_reach: pd.DataFrame
    fleet: pd.DataFrame
    fastest_kn: dict[str, float]
    identities: pd.DataFrame
    stops: pd.DataFrame
    declared: pd.DataFrame
    reception_says: dict[str, str]
    off_evidence: pd.DataFrame
    refused: pl.DataFrame
    min_gap_h: float
    as_of_utc: datetime | None
    now: datetime | None
    warnings: list[str]


@dataclass(frozen=True)
class Judged:
    """What follows from pictures: `tables` by name, not yet in their declared shape; `weighed` is what they were made from, and
    `chance` says what of the calls that chance carries taught it no level."""

    tables: dict[str, pd.DataFrame]
    weighed: Weighed
    warnings: list[str]
    chance: Chance = "unexplained"

    def finished(self) -> dict[str, pd.DataFrame]:
        """The tables in their declared shape and order."""
        declared = {t.name: t for t in tables.PUBLIC}
        return {name: _frame([frame], declared[name]) for name, frame in self.tables.items()}


def run(inputs: Inputs, settings: Settings, sea: Sea) -> Result:
    """Gaps, port calls, matches, evidence and round trips from what was read."""
    heard = listen(inputs, settings, sea)
    judged = judge(heard, inputs.sightings, inputs.scenes, route=settings.route, sea=sea)
    late = pl.concat([heard.refused, inputs.traffic.lost]).select(
        pl.col("source_file").alias("file_sha256"), pl.col("source_row").alias("row"), "rule", pl.lit("").alias("raw")
    )
    out = judged.finished()
    by_chance, look_next = _beside(heard, judged, out, inputs.scenes, route=settings.route, sea=sea)
    rejects, warnings = pl.concat([inputs.rejects, late]), heard.warnings + judged.warnings
    return Result(out, rejects, heard.now, warnings, by_chance, look_next)


def _beside(
    heard: Heard, judged: Judged, out: dict[str, pd.DataFrame], scenes: pd.DataFrame, *, route: Route, sea: Sea
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What stands beside the flags: how many chance gives, and which pictures would tell most."""
    asked = {"route": route, "legs_nm": _legs_nm(route, sea), "as_of_us": _microseconds(heard.now)}
    pictures = (_dark_calls(out["port_calls"], route), out["sightings"], scenes)
    silent = (out["gaps"], out["reach"])
    by_chance = placebo.panel(judged.weighed, *silent, *pictures, heard.fleet, sea=sea, chance=judged.chance, **asked)
    look_next = next_look.rank(out["round_trips"], out["matches"], *pictures, *silent, heard.fleet, **asked)
    return by_chance, look_next


def listen(inputs: Inputs, settings: Settings, sea: Sea) -> Heard:
    """Positions -> silences: who was not heard, whether it should have been, and where it could have been."""
    route, warnings = settings.route, list[str]()
    others = clean.set_aside(inputs.traffic.hours)
    ships = inputs.traffic.without(others.select("mmsi"))
    as_of = settings.as_of_utc or settings.to_utc or clean.as_of(ships.hours)
    heard_by_then, refused = ships.within(as_of_utc=as_of, from_utc=settings.from_utc, to_utc=settings.to_utc)
    if others.height:
        warnings.append(_set_aside_sentence(inputs.traffic.hours.join(others, on="mmsi")))
    if not (settings.as_of_utc or settings.to_utc):
        warnings += _too_late(ships.hours, as_of)

    vessel_hours = heard_by_then.hours
    suspects = segments.suspects(vessel_hours, max_speed_kn=route.policy.max_speed_kn)
    sent = heard_by_then.of_ships(suspects, [*days.SUMMARISED, *segments.ALSO])
    identities, false = false_places.find(
        sent, max_speed_kn=route.policy.max_speed_kn, is_ashore=_is_ashore(route, sea)
    )
    if false.height:
        heard_by_then = _unplaced(heard_by_then, sent, false)
        vessel_hours, sent = heard_by_then.hours, false_places.unplaced(sent, false)
    hulls, hours = segments.find(
        vessel_hours,
        sent,
        summarise=days.summarise,
        max_speed_kn=route.policy.max_speed_kn,
    )
    fleet = vessels.describe(heard_by_then.statics, inputs.registry, segments=hulls, vessel_class=clean.vessel_class)
    fastest = _top_speeds(vessel_hours, fleet, route)
    silences = gaps.find(hours, hulls, min_gap_h=settings.min_gap_h, as_of_utc=as_of, route=route, vessels=fleet)
    silences = reach.distances(silences, sea)
    now = as_of or _last_seen(inputs.sightings, inputs.scenes)
    speeds = {"fastest_kn": fastest, "default_fastest_kn": route.default_top_speed_kn(None), "as_of": now}
    in_reach = reach.measure(silences, route, sea, **speeds)
    earlier = beginnings.find(vessel_hours, min_gap_h=settings.min_gap_h)
    policy = {"min_gap_h": settings.min_gap_h, "route": route, "as_of_utc": as_of, "fastest_kn": fastest}
    heard = reception.learn(hours, silences, waters=sea, unobserved=settings.unobserved, **policy)
    said = reception.judge(silences, heard, scope=settings.scope, unobserved=settings.unobserved, **policy)
    named = findings.table([*identity.shared(hours), *identity.renumbered(heard_by_then.statics, hours)])
    identities = _frame([identities, named], tables.IDENTITIES)
    warnings += _identity_sentence(identities)
    said = identity.excuse(said, silences, identities, min_gap_h=settings.min_gap_h, as_of_utc=as_of)
    judged, off_evidence = _weighed_off(said, route)
    silences = _with_reception(silences, judged)
    stops = tracks.stops(hours, route)
    return Heard(
        ships=heard_by_then,
        hours=hours,
        silences=silences,
        in_reach=in_reach,
        beginnings=earlier,
        beginnings_in_reach=reach.measure(earlier, route, sea, **speeds).assign(distance_from_nm=math.nan),
        fleet=fleet,
        fastest_kn=fastest,
        identities=identities,
        stops=stops,
        declared=declared.around(silences, heard_by_then.statics, stops, inputs.registry),
        reception_says=dict(zip(judged["gap_id"], judged["because"], strict=True)),
        off_evidence=off_evidence,
        refused=refused,
        min_gap_h=settings.min_gap_h,
        as_of_utc=as_of,
        now=now,
        warnings=warnings,
    )


def judge(
    heard: Heard,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    *,
    route: Route,
    sea: Sea,
    apart: Apart = frozenset(),
) -> Judged:
    """Silences and pictures -> who was seen where, and which silences were round trips.

    Only this part is run again for another list of sightings or another dark port. Pairs of sightings in `apart` are not
    taken for one hull seen once, nor for one stay.
    """
    silences, in_reach, fleet, hours = heard.silences, heard.in_reach, heard.fleet, heard.hours
    warnings = list[str]()
    sightings = calls.group(sightings, route, apart=apart)
    near = {"route": route, "max_bracket_h": heard.min_gap_h}
    asked_for = transmitting.wanted(sightings, hours, fleet, **near)
    positions = heard.ships.positions(asked_for, transmitting.NEEDED)
    explained = transmitting.explain(sightings, positions, hours, fleet, **near)
    known = _explained(explained)
    route = scatter.learned(route, sightings, explained, fleet)
    asked = {"route": route, "transmitting": known, "distance_nm": _port_distance(route, sea), "apart": apart}
    stays = calls.find(sightings, scenes, **asked)
    boxes = stacks.compare(sightings, stays, route=route)
    weighing = {
        "route": route,
        "legs_nm": _legs_nm(route, sea),
        "as_of_us": _microseconds(heard.now),
        "reception_says": heard.reception_says,
        "stacks": boxes,
    }
    drawn = whose.draw(
        pd.concat([silences, heard.beginnings], ignore_index=True),
        pd.concat([in_reach, heard.beginnings_in_reach], ignore_index=True),
        _dark_calls(stays, route),
        _other_trade(stays, route),
        sightings,
        scenes,
        fleet,
        heard.declared,
        apart=apart,
        **weighing,
    )
    if drawn is not None:
        sightings = calls.regroup(sightings, drawn.visits)
        stays = calls.find(sightings, scenes, visits=drawn.visits, **asked)
    warnings += stacks.untold(boxes, route=route)
    weighed = match.weigh(
        silences,
        in_reach,
        _dark_calls(stays, route),
        sightings,
        scenes,
        fleet,
        heard.declared,
        drawn=drawn,
        **weighing,
    )
    warnings += weighed.warnings
    at_ports = {s for ids in stays["sighting_ids"] for s in ids}
    # Also those that a transmitting ship explains: silent and transmitting ships answer for them together (`decide`).
    at_sea = sightings[~sightings["sighting_id"].isin(at_ports)]
    passed = passing.weigh(
        at_sea,
        silences,
        fleet,
        route=route,
        fastest_kn=heard.fastest_kn,
        as_of_us=_microseconds(heard.now),
        hours=hours,
    )
    passed = headings.weighed(passed, at_sea, silences)
    matches, match_evidence = decide.decide(
        weighed, stays, explained, passed, sightings, silences, fleet, route=route, drawn=drawn
    )
    matches = weakest.of_matches(matches, match_evidence)
    around = trips.Around(sightings, scenes, matches, heard.declared, hours, heard.fastest_kn, heard.now)
    found = trips.find(weighed, silences, in_reach, stays, heard.stops, fleet, around, route=route)
    if found.n_not_shown:
        warnings.append(
            f"{found.n_not_shown} silences would have allowed a call at {route.dark_port.name} but are no likelier than "
            f"{trips.SHOWN_FROM_P:.0%} to hold one: they have no row in round_trips"
        )
    stays = _attributed(stays, weighed, silences, known, fleet)
    told, told_evidence = voyages.trips(
        stays[stays["kind"] != "transmitting"],
        sightings,
        route=route,
        distance_nm=_port_distance(route, sea),
        explained_call_ids=frozenset(stays.loc[stays["kind"] == "dark", "call_id"]),
    )
    round_trips = _frame([pd.DataFrame(found.trips), told], tables.ROUND_TRIPS)
    evidence = _frame(
        [heard.off_evidence, match_evidence, pd.DataFrame(found.evidence), told_evidence],
        tables.EVIDENCE,
    )
    contradicted = findings.table(identity.contradicted(sightings, positions, fleet, route=route))
    out = {
        "gaps": silences,
        "reach": in_reach,
        "sightings": sightings,
        "scenes": scenes,
        "port_calls": stays,
        "matches": matches,
        "evidence": evidence,
        "round_trips": round_trips,
        "tracks": tracks.simplify(hours),
        "vessels": _counted(fleet, heard.fastest_kn, silences, round_trips),
        "identities": _frame([heard.identities, contradicted], tables.IDENTITIES),
        "throughput": throughput.estimate(stays, sightings, scenes, round_trips, route=route),
    }
    warnings += contradicted["because"].tolist()
    warnings += _sightings_outside(sightings, heard.ships.hours) + _without_place(sightings, route)
    return Judged(out, weighed, warnings, "unexplained" if drawn is None else "kept")


def _is_ashore(route: Route, sea: Sea) -> Callable[[Floats, Floats], Bools]:
    """Says of places whether they are on land; outside the route's area and the shipped coast nothing is known, so nowhere is."""
    west, south, east, north = LAND_BOX_DEG
    area = route.area
    low, high = max(area.lat_min_deg, south), min(area.lat_max_deg, north)
    left, right = max(area.lon_min_deg, west), min(area.lon_max_deg, east)

    def is_ashore(lat: Floats, lon: Floats) -> Bools:
        known = np.full(lat.shape, sea.grid is not None)
        known &= (lat > low) & (lat < high) & (lon > left) & (lon < right)
        return known & ~sea.is_water(lat, lon)

    return is_ashore


def _unplaced(traffic: Traffic, sent: pl.DataFrame, false: pl.DataFrame) -> Traffic:
    """The traffic with places that nobody believes taken away, wherever its rows are asked for again."""

    def fetch(windows: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
        return false_places.unplaced(traffic.fetch(windows, columns), false)

    hours = false_places.hours_unplaced(traffic.hours, sent, false, summarise=days.summarise)
    return replace(traffic, hours=hours, fetch=fetch)


def _set_aside_sentence(aside: pl.DataFrame) -> str:
    kinds = (
        aside.group_by("vessel_class")
        .agg(pl.col("n_messages").sum(), pl.col("vessel_key").n_unique().alias("keys"))
        .sort("vessel_class")
    )
    parts = [f"{n} messages of {keys} {name.replace('_', ' ')} numbers" for name, n, keys in kinds.iter_rows()]
    return f"{', '.join(parts)}: heard, but no ship can be told by them, so they make no gaps"


def _identity_sentence(identities: pd.DataFrame) -> list[str]:
    """Numbers and places that nobody should believe as sent, counted; the table has each with its sentence."""
    counts = identities["kind"].value_counts().sort_index()
    if not len(counts):
        return []
    told = ", ".join(f"{n} {str(kind).replace('_', ' ')}" for kind, n in counts.items())
    return [
        f"not believed as sent, or doubtful: {told}; each is a row of identities, and silences that lie in such a time are void"
    ]


def _too_late(hours: pl.DataFrame, as_of: datetime | None) -> list[str]:
    """Ships heard only after a "now" that nobody named: a wrong clock, or the last of several exports, lost whole."""
    if as_of is None:
        return []
    late = hours.join(hours.filter(pl.col("first_heard_utc") <= as_of), on="vessel_key", how="anti")
    lost = late["vessel_key"].unique().sort()
    if not len(lost):
        return []
    named = ", ".join(lost.head(5)) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    return [
        f"{len(lost)} ships are heard only after {as_of:%Y-%m-%dT%H:%M:%SZ} and were left out with {late['n_messages'].sum()} "
        f"messages (time_future): {named}; without --as-of, now is the last time at which two ships are heard"
    ]


def _top_speeds(hours: pl.DataFrame, fleet: pd.DataFrame, route: Route) -> dict[str, float]:
    """Practical top speed of every ship [kn]: its own where it reported enough, else the route's for its length."""
    own = reach.speeds(hours).to_dict()
    out = {}
    for key, length in zip(fleet["vessel_key"], fleet["length_m"], strict=True):
        speed = own.get(key, math.nan)
        default = route.default_top_speed_kn(None if length != length else float(length))
        out[str(key)] = float(speed) if speed == speed else default
    return out


def _last_seen(sightings: pd.DataFrame, scenes: pd.DataFrame) -> datetime | None:
    """Without AIS, "now" is the end of the last picture."""
    ends = [frame["end_utc"].max() for frame in (sightings, scenes) if len(frame)]
    latest: pd.Timestamp | None = max(ends) if ends else None
    return latest.to_pydatetime() if latest is not None else None


def _microseconds(now: datetime | None) -> int:
    return 0 if now is None else int(pd.Timestamp(now).value // 1000)


def _weighed_off(judged: pd.DataFrame, route: Route) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`p_off` as the sum of what is shown for it, and that evidence; where it is null there is nothing to show."""
    rows: list[dict[str, object]] = []
    p_off = []
    for row in judged.itertuples(index=False):
        if row.p_off != row.p_off:
            p_off.append(math.nan)
            continue
        prior = factors.bits_of(route.priors.p_off)
        steps = [
            factors.Factor(
                "prior", prior, f"{route.priors.p_off:.0%} of silences are taken for switched-off transponders"
            ),
            factors.Factor("reception", factors.bits_of(row.p_off) - prior, str(row.because)),
        ]
        steps, bits = factors.waterfall(steps)
        p_off.append(factors.probability(bits))
        rows += [
            {"subject_id": row.gap_id, "rank": i, "factor": f.name, "bits": f.bits, "because": f.because}
            for i, f in enumerate(steps)
        ]
    return judged.assign(p_off=p_off), pd.DataFrame(rows)


def _with_reception(silences: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    columns = ["expected_heard", "p_off", "n_other_ships_heard", "state"]
    kept = silences.drop(columns=columns)
    return kept.merge(judged[["gap_id", *columns]], on="gap_id", how="left", validate="one_to_one")


def _explained(explained: pd.DataFrame) -> dict[str, str]:
    """Sightings that a transmitting ship explains, and which."""
    if not len(explained):
        return {}
    best = explained[explained["p"] >= TRANSMITTING_FROM_P].sort_values(["sighting_id", "p", "vessel_key"])
    return {str(k): str(v) for k, v in zip(best["sighting_id"], best["vessel_key"], strict=True)}


def _port_distance(route: Route, sea: Sea):  # type: ignore[no-untyped-def]
    legs = _legs_nm(route, sea).to_dict("index")

    def distance_nm(first: str, second: str) -> float:
        return float(legs[first][second])

    return distance_nm


def _legs_nm(route: Route, sea: Sea) -> pd.DataFrame:
    """Sea distances between the roadsteads of all ports [nm], the shorter way where the two directions differ by a grid step."""
    lat = np.array([p.roadstead_lat_deg for p in route.ports])
    lon = np.array([p.roadstead_lon_deg for p in route.ports])
    ids = [p.id for p in route.ports]
    rows = {p.id: units.nm(1.0) * sea.distance_km(p, lat, lon) for p in route.ports}
    one_way = pd.DataFrame(rows, index=ids).T.loc[ids, ids]
    both = np.fmin(one_way.to_numpy(), one_way.to_numpy().T)
    np.fill_diagonal(both, 0.0)
    return pd.DataFrame(both, index=ids, columns=ids)


def _dark_calls(stays: pd.DataFrame, route: Route) -> pd.DataFrame:
    """Calls that a silent ship may have made: not by a transmitting ship, of this trade, at ports of the route."""
    ids = {port.id for port in route.ports}
    known = stays["port"].map(lambda text: ids.issuperset(str(text).split("|"))).astype(bool)
    return stays[(stays["kind"] != "transmitting") & stays["in_trade"].astype(bool) & known]


def _other_trade(stays: pd.DataFrame, route: Route) -> pd.DataFrame:
    """Calls at the dark port whose berth or size is of another trade, by no transmitting ship."""
    at_port = stays["port"] == route.dark_port_id
    return stays[at_port & (stays["kind"] != "transmitting") & ~stays["in_trade"].astype(bool)]


def _attributed(
    stays: pd.DataFrame, weighed: Weighed, silences: pd.DataFrame, known: dict[str, str], fleet: pd.DataFrame
) -> pd.DataFrame:
    """Port calls with the ship each is put down to: the likeliest silence, where it is likelier than not."""
    of_gap = silences.set_index("gap_id")["vessel_key"]
    ships = fleet.set_index("vessel_key")
    best: dict[str, tuple[float, str]] = {}
    for g, shares in enumerate(weighed.solution.shares):
        for c, p in shares.items():
            if p >= 0.5:
                best[weighed.call_ids[c]] = (p, str(of_gap[weighed.gap_ids[g]]))
    told = {name: stays[name].tolist() for name in ("kind", "vessel_key", "p_vessel", "mmsi")}
    for n, (call_id, ids) in enumerate(zip(stays["call_id"], stays["sighting_ids"], strict=True)):
        heard = [known[s] for s in ids if s in known]
        if heard:
            kind, key, p = "transmitting", heard[0], math.nan
        elif call_id in best:
            p, key = best[call_id]
            kind = "dark"
        else:
            continue
        for name, value in zip(told, (kind, key, round(p, 6), ships.at[key, "mmsi"]), strict=True):
            told[name][n] = value
    return stays.assign(**{n: pd.Series(v, stays.index, stays[n].dtype) for n, v in told.items()})


def _counted(
    fleet: pd.DataFrame, fastest: dict[str, float], silences: pd.DataFrame, round_trips: pd.DataFrame
) -> pd.DataFrame:
    flagged = round_trips[round_trips["is_flagged"].astype(bool)]
    return fleet.assign(
        fastest_kn=fleet["vessel_key"].map(fastest),
        n_gaps=fleet["vessel_key"].map(silences["vessel_key"].value_counts()).fillna(0).astype(int),
        n_trips=fleet["vessel_key"].map(flagged["vessel_key"].value_counts()).fillna(0).astype(int),
    )


def _sightings_outside(sightings: pd.DataFrame, vessel_hours: pl.DataFrame) -> list[str]:
    """Sightings before the first or after the last message: no silence can explain them, and that proves nothing."""
    if vessel_hours.is_empty() or not len(sightings):
        return []
    first, last = vessel_hours.select(pl.col("first_heard_utc").min(), pl.col("last_heard_utc").max()).row(0)
    n = int(((sightings["end_utc"] < first) | (sightings["start_utc"] > last)).sum())
    return (
        [f"{n} sightings lie outside the time of the AIS data ({first} to {last}): no ship can be matched to them"]
        if n
        else []
    )


def _without_place(sightings: pd.DataFrame, route: Route) -> list[str]:
    """Ships seen at a port that the route does not know, without coordinates: they are in no call, nor anywhere at sea."""
    unplaced = sightings["sighting_id"].isin(calls.unplaced(sightings, route)) & sightings["lat_deg"].isna()
    lost = sightings[unplaced].sort_values("sighting_id")
    if not len(lost):
        return []
    named = [f"{s} ({port})" for s, port in zip(lost["sighting_id"], lost["port"], strict=True)]
    more = f" and {len(named) - 20} more" if len(named) > 20 else ""
    return [
        f"{len(named)} sightings are in no port call, because route {route.name} does not know the port and they have no "
        f"coordinates: {', '.join(named[:20])}{more}"
    ]


def _frame(parts: list[pd.DataFrame], table: tables.Table) -> pd.DataFrame:
    """Rows of several parts as one declared table, in its sort order; a column that a part does not know is null."""
    rows = [part for part in parts if len(part)]
    if not rows:
        return tables.empty_pandas(table)
    if len(rows) == 1:
        (only,) = rows
        missing = {c.name: None for c in table.columns if c.name not in only}
        return tables.to_pandas(only.assign(**missing), table)
    columns = {
        c.name: [
            v for part in rows for v in (part[c.name].astype(object).tolist() if c.name in part else [None] * len(part))
        ]
        for c in table.columns
    }
    return tables.to_pandas(pd.DataFrame(columns, dtype=object), table)
