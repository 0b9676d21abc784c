"""Round trips: which silences were cycles to the dark port, how sure that is, and what it rests on."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from ghostships import units
from ghostships.inference import alternatives, factors, headings, histories, meetings, otherwise, rests_on
from ghostships.inference.alternatives import Shares
from ghostships.inference.factors import Factor
from ghostships.inference.joint import Weighed
from ghostships.inference.rests_on import Again
from ghostships.inference.together import one_thread
from ghostships.inference.weakest import shown
from ghostships.routes import Route

US = units.US_PER_HOUR

SHOWN_FROM_P = 0.01
"""Silences whose trip is less likely than this have no row in `round_trips`; how many fit and were less likely is said."""

SEEN_SHARE = 0.5
"""A trip is "seen" when pictures carry at least half of its probability, else "inferred"."""

SHORT_REAPPEARANCE_H = 6.0
"""Two silences of a ship with less than this between them, and no port call, are one trip (method, section 8)."""

LISTS = ("watch_list", "registry")
"""What others say of a ship or its papers: `p_trip_without_watchlist` is the number without both."""

REPUTATION = ("prior", "habit", *LISTS)
"""What is known of the trade and of the ship, not of this silence. However likely these make a trip, they flag nobody."""

PORT_BEFORE_H = 48.0
"""The last port counts as the origin when the ship left it at most this long before the silence, and likewise after."""


@dataclass
class Found:
    """Trips of one run: rows, evidence, and how many silences fit but are not shown."""

    trips: list[dict[str, object]] = field(default_factory=list)
    evidence: list[dict[str, object]] = field(default_factory=list)
    n_not_shown: int = 0


@dataclass(frozen=True)
class Around:
    """What else a run knows of the silences and of the time around them.

    `matches` says who each sighting may be, `declared` what ships said before and after (`steps.declared.around`), `hours` are the
    heard hours of every hull; `as_of` cuts what is still open.
    """

    sightings: pd.DataFrame
    scenes: pd.DataFrame
    matches: pd.DataFrame
    declared: pd.DataFrame
    hours: pl.DataFrame
    fastest_kn: dict[str, float]
    as_of: datetime | None


@one_thread()
def find(
    weighed: Weighed,
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    port_calls: pd.DataFrame,
    stops: pd.DataFrame,
    vessels: pd.DataFrame,
    around: Around,
    *,
    route: Route,
) -> Found:
    """Round trips of the ships in the data: tiers *seen* and *inferred*.

    One row per cycle. `p_trip` is the probability that the silence holds at least that many calls at the dark port. `vessels` gives
    the lengths that must fit the quay where a call was told to lie, `around` what the alternatives of a trip are weighed by.
    """
    found = Found()
    by_gap = gaps.set_index("gap_id")
    at_dark = reach[reach["port"] == route.dark_port_id].set_index("gap_id")
    chain = _chains(gaps, stops)
    calls = port_calls.set_index("call_id")
    lengths = dict(zip(vessels["vessel_key"], vessels["length_m"].astype(float), strict=True))
    best: dict[str, tuple[float, int]] = {}
    for g, silent in enumerate(weighed.silents):
        if not silent.is_feasible:
            continue
        p = weighed.solution.p(g, silent)
        if p < SHOWN_FROM_P:
            found.n_not_shown += 1
            continue
        head = chain[weighed.gap_ids[g]][0]
        if head in best and best[head][0] >= p:
            continue
        best[head] = (p, g)
    shown = sorted((g for _, g in best.values()), key=lambda g: weighed.gap_ids[g])
    again = rests_on.weigh_again(weighed, shown)
    instead = _instead(weighed, shown, gaps, reach, vessels, around, route)
    under_way = _under_way(around)
    for g in shown:
        gap_id = weighed.gap_ids[g]
        length_m = float(lengths.get(weighed.silents[g].ship, math.nan))
        seen_there = _alongside(weighed, g, calls, length_m, around.sightings, route)
        at_sea = _heading(seen_there, under_way.get(gap_id, []), by_gap.loc[gap_id].to_dict(), route)
        steps, bits, verdict = _waterfall(weighed, g, again[g], at_sea)
        n_calls = np.array([1.0]) if verdict.n_calls is None else verdict.n_calls
        n_calls = rests_on.number_of_calls(weighed, g, n_calls)
        low, middle, high = histories.percentiles(n_calls, given_any=True)
        at_least = np.cumsum(n_calls[::-1])[::-1]
        if at_least[2:3].sum() >= SEEN_SHARE:
            again[g] = rests_on.fewer(weighed, g, again[g], n_calls)
        carried = _carried(weighed, g)
        ordered = sorted(
            carried, key=lambda c: (calls.at[weighed.call_ids[c], "arrival_not_after_utc"], weighed.call_ids[c])
        )
        for cycle in range(1, len(n_calls)):
            if cycle > 1 and at_least[cycle] < SEEN_SHARE:
                break
            cycle_steps = list(steps)
            if cycle > 1:
                change = factors.bits_of(float(at_least[cycle])) - bits
                cycle_steps.append(
                    Factor("number_of_calls", change, f"at least {cycle} calls in one silence, not only one")
                )
            mine = ordered[cycle - 1 : cycle] if cycle < len(n_calls) - 1 and len(ordered) > 1 else ordered[cycle - 1 :]
            row, rows = _row(
                weighed,
                g,
                cycle,
                cycle_steps,
                mine,
                by_gap,
                chain[gap_id],
                at_dark,
                instead[g],
                factors.probability(bits),
                calls,
                stops,
                route,
                again[g],
            )
            row |= {"n_calls_p05": low, "n_calls_p50": middle, "n_calls_p95": high}
            found.trips.append(row)
            found.evidence += rows
    return found


def _carried(weighed: Weighed, g: int) -> list[int]:
    """Calls at the dark port that this silence holds rather than not."""
    shares = weighed.solution.shares[g]
    return [c for c, share in shares.items() if weighed.known[c].is_dark_port and share >= 0.5]


def _waterfall(
    weighed: Weighed, g: int, again: Again, alongside: list[Factor]
) -> tuple[list[Factor], float, histories.Verdict]:
    """The factors of a trip, each as the change it makes, and their sum in bits.

    The order is fixed: what is known before the silence is looked at, then time and reach, then pictures without and with length
    and name, then what the joint solution adds.
    """
    s, silent = weighed.solution, weighed.silents[g]
    own = [i for i, other in enumerate(weighed.silents) if other.ship == silent.ship and other.is_feasible and i != g]
    steps = [
        factors.level(s.p_trip, n_feasible=s.n_feasible, n_pictured=math.fsum(s.pictured)),
        factors.habit(s.p_ship[g], s.p_trip, others=len(own), pictured=math.fsum(s.pictured[i] for i in own)),
        *weighed.fixed[g],
    ]
    silence, shares = silent.silence, s.shares[g]
    blind, unseen = again.blind, again.unseen
    looked = len(silence.places[0].looks)
    hours = silence.end_h
    steps.append(
        Factor(
            "time_and_reach",
            blind,
            f"{hours:.1f} h are enough for {silence.places[0].from_start_h:.1f} h there, a stay and "
            f"{silence.places[0].to_end_h:.1f} h back at top speed; against silences of that length in general",
        )
    )
    steps.append(Factor("pictures_without_it", unseen - blind, f"{looked} pictures of the port in that time"))
    before = unseen
    named = [weighed.call_ids[c] for c in sorted(shares)]
    for name, after, text in (
        ("pictures", again.pictures, f"calls that it may have made: {', '.join(named) or 'none'}"),
        ("length", again.length, "lengths measured against its own"),
        ("name_read", again.name_read, "names read in pictures"),
    ):
        detail = _details(weighed, g, name)
        steps.append(Factor(name, after - before, f"{text}{': ' + detail if detail else ''}"))
        before = after
    verdict = silence.weigh(odds=s.odds(g, silent), likelihoods=rests_on.likelihoods(weighed, g), count_calls=True)
    joined, text = factors.ratio_bits(verdict.trip, verdict.other), "other ships that may have made the same calls"
    if g in s.drawn:
        text = (
            "what drawing all sightings and silences together adds: other ships, and other ways to tell the stays apart; "
            "as bold as such odds turned out to deserve on simulated traffic"
        )
        # What was drawn is the answer; the odds that it began with stand above.
        joined = factors.bits_of(s.p(g, silent)) - factors.ratio_bits(s.odds(g, silent), 1.0)
    steps += alongside
    steps.append(Factor("competition", joined - before, text))
    steps, total = factors.waterfall(steps)
    return steps, total, verdict


def _alongside(
    weighed: Weighed, g: int, calls: pd.DataFrame, length_m: float, sightings: pd.DataFrame, route: Route
) -> list[Factor]:
    """Berth and heading of the likeliest call at the dark port, weighed after the joint solution as far as the silence holds it."""
    shares = {c: p for c, p in weighed.solution.shares[g].items() if weighed.known[c].is_dark_port}
    top = max(sorted(shares), key=lambda c: shares[c], default=None)
    told = [] if top is None else list(calls.at[weighed.call_ids[top], "berths"])
    # Of several berths of one call the longest quay counts: a shift from one to another is told of ships that fit both.
    known = [berth for berth in route.dark_port.berths if berth.id in told]
    berth = max(known, key=lambda b: (b.quay_m or 0.0, b.id), default=None)
    share = 0.0 if top is None else shares[top]
    own = set() if top is None else set(calls.at[weighed.call_ids[top], "sighting_ids"])
    pointing = sightings.loc[sightings["sighting_id"].isin(own), "heading_deg"].dropna().tolist()
    return [
        factors.berth(
            None if berth is None else berth.name,
            length_m=length_m,
            quay_m=None if berth is None else berth.quay_m,
            share=share,
        ),
        factors.heading(headings.mean_deg(pointing), quay_deg=None if berth is None else berth.quay_deg, share=share),
    ]


def _under_way(around: Around) -> dict[str, list[tuple[dict[Any, Any], float]]]:
    """Per silence, sightings at sea with a heading that may be its ship, each with that probability."""
    told = around.sightings["heading_deg"].notna() & around.sightings["lat_deg"].notna()
    rows = around.sightings[told].set_index("sighting_id", drop=False).to_dict("index")
    found: dict[str, list[tuple[dict[Any, Any], float]]] = {}
    if not rows:
        return found
    mine = around.matches[around.matches["sighting_id"].isin(set(rows)) & around.matches["call_id"].isna()]
    mine = mine[mine["gap_id"].notna()].sort_values(["gap_id", "sighting_id"])
    for gap_id, sighting_id, p in zip(mine["gap_id"], mine["sighting_id"], mine["p_match"], strict=True):
        found.setdefault(str(gap_id), []).append((rows[sighting_id], float(p)))
    return found


def _heading(
    alongside: list[Factor], under_way: list[tuple[dict[Any, Any], float]], gap: dict[Any, Any], route: Route
) -> list[Factor]:
    """Berth and heading, with what headings at sea add to the heading alongside."""
    berth, quay = alongside
    dark = route.dark_port
    sea = headings.of_trip(
        under_way, gap, dark_lat=dark.roadstead_lat_deg, dark_lon=dark.roadstead_lon_deg, name=dark.name
    )
    if not under_way:
        return [berth, quay]
    return [berth, Factor("heading", quay.bits + sea.bits, f"{sea.because}; alongside: {quay.because}")]


def _instead(
    weighed: Weighed,
    shown: list[int],
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    vessels: pd.DataFrame,
    around: Around,
    route: Route,
) -> dict[int, Shares]:
    """What each of these silences was if it was no trip."""
    met = meetings.find(
        [weighed.gap_ids[g] for g in shown],
        gaps,
        around.hours,
        vessels,
        route=route,
        fastest_kn=around.fastest_kn,
        as_of=around.as_of,
    )
    said = (gaps, reach, around.declared, around.sightings, around.scenes)
    return otherwise.shares(weighed, shown, *said, route=route, meetings=met)


def _details(weighed: Weighed, g: int, factor: str) -> str:
    """The sentences of the likeliest call of this silence."""
    shares = weighed.solution.shares[g]
    if not shares or factor == "pictures":
        return ""
    top = max(sorted(shares), key=lambda c: shares[c])
    length_text, name_text = weighed.sentences[g, top]
    return f"{weighed.call_ids[top]}: {length_text if factor == 'length' else name_text}"


def _chains(gaps: pd.DataFrame, stops: pd.DataFrame) -> dict[str, list[str]]:
    """Per gap, the gaps that make one trip with it: a short reappearance, without a port call, between them."""
    ports: dict[str, list[tuple[pd.Timestamp, pd.Timestamp]]] = {}
    for stop in stops.itertuples(index=False):
        ports.setdefault(stop.vessel_key, []).append((stop.start_utc, stop.end_utc))
    chains: dict[str, list[str]] = {}
    usable = gaps[gaps["state"] != "void"].sort_values(["vessel_key", "start_utc", "gap_id"])
    columns = (usable[c].tolist() for c in ("vessel_key", "gap_id", "start_utc", "end_utc", "is_open"))
    current: list[str] = []
    ship, until = "", None
    for key, gap_id, start, end, is_open in zip(*columns, strict=True):
        goes_on = key == ship and until is not None and (start - until).total_seconds() / 3600 <= SHORT_REAPPEARANCE_H
        if not goes_on or any(a <= start and b >= until for a, b in ports.get(key, [])):
            current = []
        current.append(gap_id)
        chains[gap_id] = current
        ship, until = key, None if is_open else end
    return chains


def _row(
    weighed: Weighed,
    g: int,
    cycle: int,
    steps: list[Factor],
    carried: list[int],
    by_gap: pd.DataFrame,
    gap_ids: list[str],
    at_dark: pd.DataFrame,
    instead: Shares,
    p_any: float,
    calls: pd.DataFrame,
    stops: pd.DataFrame,
    route: Route,
    again: Again,
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """One row of `round_trips` and its evidence."""
    gap_id = weighed.gap_ids[g]
    gap, first, last = by_gap.loc[gap_id], by_gap.loc[gap_ids[0]], by_gap.loc[gap_ids[-1]]
    steps, bits = factors.waterfall(steps)
    p = factors.probability(bits)
    habit = next(f.bits for f in steps if f.name == "habit")
    listed = math.fsum(f.bits for f in steps if f.name in LISTS)
    tier = "seen" if _pictured(weighed, g) >= SEEN_SHARE * p else "inferred"
    trip_id = "T-" + hashlib.sha256(f"{gap_ids[0]}|{cycle}".encode()).hexdigest()[:14]
    near = at_dark.loc[gap_id]
    dark_start, dark_end = first["start_utc"], last["end_utc"]
    origin = _port_before(stops, gap["vessel_key"], dark_start) or _known(first["start_port"])
    destination = _known(last["end_port"]) or (
        _port_after(stops, gap["vessel_key"], dark_end) if dark_end == dark_end else None
    )
    split_start, split_end = _split_by_stays(weighed, g, carried, calls)
    if split_start is not None:
        dark_start, origin = split_start
    if split_end is not None:
        dark_end, destination = split_end
    loads = [load.containers for load in route.loads]
    dark = route.dark_port
    ids = [weighed.call_ids[c] for c in carried]
    seen = int(sum(calls.at[i, "n_sightings"] for i in ids))
    names = {port.id: port.name for port in route.ports}
    because = _sentence(gap, p, tier, origin, destination, dark.name, cycle, ids, near, names)
    row: dict[str, object] = {
        "trip_id": trip_id,
        "vessel_key": gap["vessel_key"],
        "mmsi": gap["mmsi"],
        "vessel_name": gap["vessel_name"],
        "imo": gap["imo"],
        "origin_port": origin,
        "dark_port": dark.id,
        "destination_port": destination,
        "dark_start_utc": dark_start,
        "dark_end_utc": dark_end,
        "gap_ids": list(gap_ids),
        "call_ids": ids,
        "n_sightings": seen,
        "p_trip": p,
        "p_trip_without_habit": factors.probability(round(bits - habit, 3)),
        "p_trip_without_watchlist": factors.probability(round(bits - listed, 3)),
        "tier": tier,
        "is_flagged": is_flagged(steps, p, flag_threshold=route.policy.flag_threshold),
        "needs_kn": near["needs_kn"],
        "slack_h": near["slack_h"],
        "alternatives": alternatives.sentence(
            p,
            instead,
            fewer=None if cycle == 1 else (f"fewer than {cycle} calls at {dark.name}", max(p_any - p, 0.0)),
            is_off_known=gap["p_off"] == gap["p_off"],
        ),
        "weakest_link": rests_on.weakest_link(weighed, g, again, steps, bits, calls, route=route, cycle=cycle),
        "containers_low": min(loads) if loads else None,
        "containers_high": max(loads) if loads else None,
        "because": because,
        "cycle": cycle,
        "lat_deg": dark.lat_deg,
        "lon_deg": dark.lon_deg,
    }
    rows: list[dict[str, object]] = [
        {"subject_id": trip_id, "rank": i, "factor": f.name, "bits": f.bits, "because": f.because}
        for i, f in enumerate(steps)
    ]
    return row, rows


def _split_by_stays(
    weighed: Weighed, g: int, carried: list[int], calls: pd.DataFrame
) -> tuple[tuple[pd.Timestamp, str] | None, tuple[pd.Timestamp, str] | None]:
    """Where pictures show the silent ship at another port before or after its call: that stay bounds the cycle, with its port."""
    if not carried:
        return None, None
    mine = calls.loc[[weighed.call_ids[c] for c in carried]]
    first, last = mine["arrival_not_after_utc"].min(), mine["departure_not_before_utc"].max()
    shares = weighed.solution.shares[g]
    ids = sorted(
        weighed.call_ids[c] for c, p in shares.items() if p >= SEEN_SHARE and not weighed.known[c].is_dark_port
    )
    stays = calls.loc[ids].sort_values("arrival_not_after_utc")
    before = stays[stays["departure_not_before_utc"] <= first]
    after = stays[stays["arrival_not_after_utc"] >= last]
    start = (before.iloc[-1]["departure_not_before_utc"], str(before.iloc[-1]["port"])) if len(before) else None
    end = (after.iloc[0]["arrival_not_after_utc"], str(after.iloc[0]["port"])) if len(after) else None
    return start, end


def _pictured(weighed: Weighed, g: int) -> float:
    return math.fsum(p for c, p in weighed.solution.shares[g].items() if weighed.known[c].is_dark_port)


def _known(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _port_before(stops: pd.DataFrame, key: str, at: pd.Timestamp) -> str | None:
    own = stops[(stops["vessel_key"] == key) & (stops["end_utc"] <= at)]
    own = own[own["end_utc"] >= at - pd.Timedelta(hours=PORT_BEFORE_H)]
    return str(own.sort_values(["end_utc", "port"]).iloc[-1]["port"]) if len(own) else None


def _port_after(stops: pd.DataFrame, key: str, at: pd.Timestamp) -> str | None:
    own = stops[(stops["vessel_key"] == key) & (stops["start_utc"] >= at)]
    own = own[own["start_utc"] <= at + pd.Timedelta(hours=PORT_BEFORE_H)]
    return str(own.sort_values(["start_utc", "port"]).iloc[0]["port"]) if len(own) else None


def is_flagged(steps: list[Factor], p: float, *, flag_threshold: float) -> bool:
    """Whether a trip is flagged: likely enough, and something of this very silence speaks for it.

    Habit, watch list and registry may raise attention; alone they never flag (method, section 7).
    """
    speaks = math.fsum(f.bits for f in steps if f.name not in REPUTATION)
    return bool(p >= flag_threshold and speaks > 0)


def _sentence(
    gap: pd.Series,
    p: float,
    tier: str,
    origin: str | None,
    destination: str | None,
    dark_name: str,
    cycle: int,
    call_ids: list[str],
    near: pd.Series,
    names: dict[str, str],
) -> str:
    """The trip in one sentence, in words that can be defended."""
    length = f"{gap['duration_h']:.1f} h" if gap["duration_h"] == gap["duration_h"] else "still"
    where = f"from {names.get(origin or '', 'no known port')} to {names.get(destination or '', 'no known port')}"
    if tier != "seen":
        carried = "no picture carries it"
    elif call_ids:
        carried = f"pictures carry it ({', '.join(call_ids)})"
    else:
        carried = "pictures carry it together, though no single call is likelier than not to be its own"
    needs = f"; calling needs {near['needs_kn']:.1f} kn" if near["needs_kn"] == near["needs_kn"] else ""
    number = f", cycle {cycle}" if cycle > 1 else ""
    return (
        f"silent for {length}, {where}: consistent with a call at {dark_name} (p {shown(p)}){number}; {carried}{needs}"
    )
