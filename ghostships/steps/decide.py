"""The `matches` table: for every sighting of a ship, each ship it may be, and "none of these".

A port call says which ships may have been alongside; a picture of several ships says which of them is which. For each sighting the
call's answer is taken without this sighting's own length, the length is weighed again for this sighting alone, and a ship is one
detection of a picture at most.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ghostships import units
from ghostships.inference import association, factors
from ghostships.inference.drawn import Drawn
from ghostships.inference.factors import Factor
from ghostships.inference.joint import Weighed
from ghostships.routes import Route

US = units.US_PER_HOUR

FALSE_ALARMS_PER_CALL = 0.02
"""Detections that are no ship at all, per call in the pictures; own judgement."""

LEAST_ODDS = 1e-7
EDGE_H = 1.0
"""A ship whose call has ended or not begun by more than this is not alongside."""

_ROW = ("start_utc", "end_utc", "sensor", "scene_id", "length_m", "length_sigma_m", "vessel_name", "imo")
_SHIP = ("mmsi", "vessel_name", "imo", "length_m")
"""What is read of sightings and of ships, one by one."""

Passing = dict[str, list[tuple[str, list[Factor]]]]


@dataclass(frozen=True)
class _Sighting:
    """A sighting within its call: its length, and that of the rest of the call."""

    sighting_id: str
    call: int
    at_us: int
    scene: str
    length_m: float
    sigma_m: float
    rest_m: float
    rest_sigma_m: float
    vessel_name: str | None
    imo: int | None

    @property
    def is_named(self) -> bool:
        return self.vessel_name is not None or self.imo is not None


def decide(
    weighed: Weighed,
    port_calls: pd.DataFrame,
    transmitting: pd.DataFrame,
    passing: Passing,
    sightings: pd.DataFrame,
    gaps: pd.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    drawn: Drawn | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`matches` and their evidence. With `drawn` its probabilities are published, else those of the calls are shared out.

    The rows of one sighting sum to 1; "none" is one minus the others, and has no waterfall of its own.
    """
    by_gap = gaps.set_index("gap_id")[["vessel_key", "duration_h"]].to_dict("index")
    if drawn is None:
        alongside = _alongside(weighed, port_calls, sightings, by_gap, vessels, route)
    else:
        alongside = _as_drawn(drawn, weighed, port_calls, sightings, by_gap, vessels, route)
    mmsi_of = dict(zip(vessels["vessel_key"], vessels["mmsi"], strict=True))
    call_of = {s: c.call_id for c in port_calls.itertuples(index=False) for s in c.sighting_ids}
    heard: dict[str, list[Any]] = {}
    if len(transmitting):
        for pair in transmitting.sort_values("vessel_key", kind="stable").itertuples(index=False):
            heard.setdefault(str(pair.sighting_id), []).append(pair)
    rows: list[dict[str, object]] = []
    evidence: list[dict[str, object]] = []
    for sighting_id in sorted(sightings.loc[sightings["observation_type"] == "vessel", "sighting_id"]):
        hypotheses: list[tuple[str, str, object, str | None, list[Factor]]] = []
        p_heard = 0.0
        if sighting_id in heard:
            for pair in heard[sighting_id]:
                steps = [
                    Factor("position", pair.position, pair.position_because),
                    Factor("length", pair.length, pair.length_because),
                    Factor("name_read", pair.name_read, pair.name_read_because),
                    Factor("competition", pair.competition, "other ships, and other detections of the same picture"),
                ]
                p_heard += pair.p
                hypotheses.append(("transmitting", pair.vessel_key, pair.mmsi, None, steps))
        at_sea, hypotheses = _side_by_side(passing.get(sighting_id, []), hypotheses, p_heard)
        room = max(1.0 - p_heard, 0.0)
        for gap_id, steps in [*alongside.get(sighting_id, []), *at_sea]:
            key = by_gap[gap_id]["vessel_key"] if gap_id in by_gap or drawn is None else drawn.ships[gap_id]
            if p_heard > 0 and not at_sea:
                shown = math.fsum(f.bits for f in steps)
                left = factors.bits_of(factors.probability(shown) * room) - shown
                steps = [*steps, Factor("transmitting_ships", left, "room left by transmitting ships")]
            # A silence from before the ship was first heard has no row in `gaps`.
            hypotheses.append(("dark", key, mmsi_of[key], gap_id if gap_id in by_gap else None, steps))
        rows += _rows_of(sighting_id, call_of.get(sighting_id), hypotheses, evidence)
    return pd.DataFrame(rows), pd.DataFrame(evidence)


def _side_by_side(
    silent: list[tuple[str, list[Factor]]],
    heard: list[tuple[str, str, object, str | None, list[Factor]]],
    p_heard: float,
) -> tuple[list[tuple[str, list[Factor]]], list[tuple[str, str, object, str | None, list[Factor]]]]:
    """Silent and transmitting ships of one sighting at sea, which leave each other room.

    Both sides were weighed against the same hull that nobody knows, so their odds against it stand side by side; giving all the
    room to the transmitting ships first took hidden real ships for their neighbours in one case of five.
    """
    if not silent or not heard:
        return silent, heard
    p_silent = math.fsum(factors.probability(math.fsum(f.bits for f in steps)) for _, steps in silent)
    left_heard, left_silent = max(1.0 - p_heard, 1e-6), max(1.0 - p_silent, 1e-6)
    nobody = 1.0 / (p_heard / left_heard + p_silent / left_silent + 1.0)

    def moved(name: str, steps: list[Factor], change: float, because: str) -> list[Factor]:
        shown = math.fsum(f.bits for f in steps)
        return [*steps, Factor(name, factors.bits_of(factors.probability(shown) * change) - shown, because)]

    return (
        [
            (gap_id, moved("transmitting_ships", steps, nobody / left_silent, "room left by transmitting ships"))
            for gap_id, steps in silent
        ],
        [
            (*told, moved("silent_ships", steps, nobody / left_heard, "room left by silent ships"))
            for *told, steps in heard
        ],
    )


def _alongside(
    weighed: Weighed,
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    by_gap: dict[Any, dict[Any, Any]],
    vessels: pd.DataFrame,
    route: Route,
) -> Passing:
    """Per sighting in a call, the silences whose ship it may be, each with the factors of that match."""
    number = {call_id: c for c, call_id in enumerate(weighed.call_ids)}
    calls = port_calls[port_calls["call_id"].isin(number)]
    ships = vessels.set_index("vessel_key")[list(_SHIP)].to_dict("index")
    claims = _claims(weighed)
    spans: dict[int, tuple[int, int]] = {}
    seen: list[_Sighting] = []
    by_id = sightings.set_index("sighting_id")[list(_ROW)].to_dict("index")
    for call in calls.itertuples(index=False):
        own = _members(number[call.call_id], [(i, by_id[i]) for i in call.sighting_ids], route)
        seen += own
        spans[number[call.call_id]] = (min(s.at_us for s in own), max(s.at_us for s in own))
    together: dict[str, list[int]] = {}
    for c in spans:
        together.setdefault(weighed.known[c].port, []).append(c)
    weights, detections, ships_in_picture, kept = [], [], [], []
    for n, s in enumerate(sorted(seen, key=lambda s: s.sighting_id)):
        edge = EDGE_H * US
        here = [c for c in together[weighed.known[s.call].port] if spans[c][0] - edge <= s.at_us <= spans[c][1] + edge]
        unknown, unknown_text = _unknown_density(s, weighed, here)
        best: dict[int, tuple[float, int]] = {}
        for c in sorted({s.call, *here}):
            for g, odds in claims.get(c, {}).items():
                ship = ships[by_gap[weighed.gap_ids[g]]["vessel_key"]]
                # The call's own odds hold the name; a ship known from another call must still answer to the name read here.
                change = _without(s, weighed, g, ship) if c == s.call else _name_ratio(s, ship, route)
                if g not in best or odds * change > best[g][0]:
                    best[g] = (odds * change, c)
        for g, (odds, c) in sorted(best.items()):
            ship = ships[by_gap[weighed.gap_ids[g]]["vessel_key"]]
            fit, text = factors.length(s.length_m, s.sigma_m, float(ship["length_m"]), background=unknown)
            ratio = 1.0 if s.is_named else fit / unknown
            if odds * ratio < LEAST_ODDS:
                continue
            weights.append(odds * ratio)
            detections.append(n)
            ships_in_picture.append(f"{ship['mmsi']}|{by_gap[weighed.gap_ids[g]]['vessel_key']}|{s.scene}")
            if s.is_named:
                text = "adds nothing to a name read, which usually rests on it"
            kept.append((s, g, c, odds, ratio, f"{text}; {unknown_text}"))
    if not kept:
        return {}
    shares = association.one_each(np.array(weights), np.array(detections), pd.factorize(np.array(ships_in_picture))[0])
    found: Passing = {}
    for (s, g, c, odds, ratio, text), share in zip(kept, shares, strict=True):
        length_text, name_text = weighed.sentences.get((g, c), ("", ""))
        duration = by_gap[weighed.gap_ids[g]]["duration_h"]
        silent = f"silent for {duration:.1f} h" if duration == duration else "silent since"
        first, second = factors.ratio_bits(odds, 1.0), factors.ratio_bits(ratio, 1.0)
        because = f"{silent}; call {weighed.call_ids[c]} put down to it without this sighting's length ({name_text})"
        steps = [
            Factor("alongside", first, because),
            Factor("length", second, text),
            Factor(
                "competition",
                factors.bits_of(float(share)) - first - second,
                "other ships that may be this detection, and other detections of the same picture",
            ),
        ]
        found.setdefault(s.sighting_id, []).append((weighed.gap_ids[g], steps))
    return found


def _as_drawn(
    drawn: Drawn,
    weighed: Weighed,
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    by_gap: dict[Any, dict[Any, Any]],
    vessels: pd.DataFrame,
    route: Route,
) -> Passing:
    """Per sighting in a call, the silences whose ship it may be, as they were drawn.

    Length and name of the sighting are shown against a hull that nobody knows; what all else adds is `competition`.
    """
    number = {call_id: c for c, call_id in enumerate(weighed.call_ids)}
    calls = port_calls[port_calls["call_id"].isin(number)]
    ships = vessels.set_index("vessel_key")[list(_SHIP)].to_dict("index")
    by_id = sightings.set_index("sighting_id")[list(_ROW)].to_dict("index")
    found: Passing = {}
    for call in calls.itertuples(index=False):
        for s in _members(number[call.call_id], [(i, by_id[i]) for i in call.sighting_ids], route):
            unknown, unknown_text = _unknown_density(s, weighed, [s.call])
            for gap_id, p in sorted(drawn.by_sighting.get(s.sighting_id, {}).items()):
                if p < LEAST_ODDS:
                    continue
                key = drawn.ships[gap_id]
                fit, text = factors.length(s.length_m, s.sigma_m, float(ships[key]["length_m"]), background=unknown)
                name, name_text = 1.0, "no name was read in the picture"
                if s.is_named:
                    name, name_text = _name(s, ships[key], route)
                    text, fit = "adds nothing to a name read, which usually rests on it", unknown
                first, second = factors.ratio_bits(fit / unknown, 1.0), factors.ratio_bits(name, 1.0)
                duration = by_gap[gap_id]["duration_h"] if gap_id in by_gap else math.nan
                silent = f"silent for {duration:.1f} h" if duration == duration else "silent since"
                if gap_id not in by_gap:
                    silent = "not yet heard"
                rest = factors.bits_of(min(p, 1 - LEAST_ODDS)) - first - second
                because = (
                    f"{silent}; its own history, the other pictures of the stay ({call.call_id}) and all other ships that may be "
                    "this detection"
                )
                steps = [
                    Factor("length", first, f"{text}; {unknown_text}"),
                    Factor("name_read", second, name_text),
                    Factor("competition", rest, because),
                ]
                found.setdefault(s.sighting_id, []).append((gap_id, steps))
    for sighting_id in sorted(set(by_id) & set(drawn.by_sighting) - set(found)):
        # Its call is of another trade by its berth or size: nothing but the draws spoke of it.
        for gap_id, p in sorted(drawn.by_sighting[sighting_id].items()):
            if p >= LEAST_ODDS:
                because = (
                    "berth or size are of another trade, which is not always so; its length, its own history, and all other "
                    "ships that may be this detection"
                )
                steps = [Factor("competition", factors.bits_of(min(p, 1 - LEAST_ODDS)), because)]
                found.setdefault(sighting_id, []).append((gap_id, steps))
    return found


def _claims(weighed: Weighed) -> dict[int, dict[int, float]]:
    """Per call and silence, the odds of the joint solution against "none of these"."""
    claims: dict[int, dict[int, float]] = {}
    for g, shares in enumerate(weighed.solution.shares):
        for c, share in shares.items():
            if share > LEAST_ODDS:
                claims.setdefault(c, {})[g] = share / max(weighed.solution.none[c], 1e-9)
    return claims


def _members(call: int, rows: list[tuple[str, dict[Any, Any]]], route: Route) -> list[_Sighting]:
    """Sightings of a call, each with the combined length of the others."""
    measured = []
    for sighting_id, row in rows:
        sensor = route.sensor(row["sensor"] if isinstance(row["sensor"], str) else None)
        claimed = row["length_sigma_m"] if row["length_sigma_m"] == row["length_sigma_m"] else 0.0
        measured.append((sighting_id, row, row["length_m"] / sensor.length_ratio, max(claimed, sensor.length_sigma_m)))
    weight = {i: 1 / sigma**2 for i, _, length, sigma in measured if length == length}
    total, mean = (
        math.fsum(weight.values()),
        math.fsum(weight[i] * length for i, _, length, _ in measured if i in weight),
    )
    members = []
    for sighting_id, row, length, sigma in measured:
        rest = total - weight.get(sighting_id, 0.0)
        is_alone = rest <= 1e-12
        rest_m = (
            math.nan
            if is_alone
            else (mean - weight.get(sighting_id, 0.0) * (length if length == length else 0.0)) / rest
        )
        scene = row["scene_id"] if isinstance(row["scene_id"], str) else f"|{sighting_id}"
        at = (row["start_utc"].value + row["end_utc"].value) // 2000
        name = row["vessel_name"] if isinstance(row["vessel_name"], str) else None
        imo = None if pd.isna(row["imo"]) else int(row["imo"])
        rest_sigma = math.nan if is_alone else rest**-0.5
        members.append(_Sighting(sighting_id, call, at, scene, length, sigma, rest_m, rest_sigma, name, imo))
    return members


def _unknown_density(s: _Sighting, weighed: Weighed, here: list[int]) -> tuple[float, str]:
    """Density of the length if it is a hull nobody knows [per m]: the call's own hull, one of another call, or clutter."""
    known = weighed.known[s.call]
    if s.length_m != s.length_m:
        return 1.0, "no length to compare"
    if s.rest_m == s.rest_m:
        sigma = math.sqrt(s.sigma_m**2 + s.rest_sigma_m**2)
        own = factors.normal(s.length_m, s.rest_m, sigma)
        text = f"the other sightings of its call measure {s.rest_m:.0f} m"
    else:
        rate = weighed.solution.unknown_rate[s.call]
        total = weighed.unknown_per_h[s.call]
        own, text = rate / total if total > 0 else known.background, "set against hulls that nobody knows"
    none = weighed.solution.none
    clutter = FALSE_ALARMS_PER_CALL / max(none[s.call], FALSE_ALARMS_PER_CALL)
    density = own + clutter * known.background
    for c in here:
        other = weighed.known[c]
        if c != s.call and other.length_m == other.length_m:
            sigma = math.hypot(s.sigma_m, other.sigma_m)
            density += none[c] / max(none[s.call], 0.01) * factors.normal(s.length_m, other.length_m, sigma)
    return max(density, 1e-9), text


def _name_ratio(s: _Sighting, ship: dict[Any, Any], route: Route) -> float:
    """What the name read in this very sighting says of a ship, against a hull nobody knows."""
    return _name(s, ship, route)[0]


def _name(s: _Sighting, ship: dict[Any, Any], route: Route) -> tuple[float, str]:
    """The same, with its sentence."""
    own_name = ship["vessel_name"] if isinstance(ship["vessel_name"], str) else None
    own_imo = None if pd.isna(ship["imo"]) else int(ship["imo"])
    return factors.name_read(s.vessel_name, s.imo, own_name, own_imo, p_correct=route.priors.p_name_correct)


def _without(s: _Sighting, weighed: Weighed, g: int, ship: dict[Any, Any]) -> float:
    """What the call's odds for a ship change by when this sighting's length is taken out of them."""
    known, (whole, name) = weighed.known[s.call], weighed.solution.fits[g, s.call]
    if s.length_m != s.length_m or name != 1:
        return 1.0
    if s.rest_m != s.rest_m:
        total = weighed.unknown_per_h[s.call]
        return weighed.solution.unknown_rate[s.call] / total / whole if total > 0 else 1.0
    rest, _ = factors.length(s.rest_m, s.rest_sigma_m, float(ship["length_m"]), background=known.background)
    return rest / whole


@dataclass
class _Shown:
    """A hypothesis about one sighting as its row will have it."""

    hypothesis: str
    vessel_key: str
    mmsi: object
    gap_id: str | None
    steps: list[Factor]
    p: float


def _rows_of(
    sighting_id: str,
    call_id: str | None,
    hypotheses: list[tuple[str, str, object, str | None, list[Factor]]],
    evidence: list[dict[str, object]],
) -> list[dict[str, object]]:
    """Rows of one sighting, their evidence appended; the last row is "none of these"."""
    shown: list[_Shown] = []
    for hypothesis, vessel_key, mmsi, gap_id, steps in hypotheses:
        steps, bits = factors.waterfall(steps)
        p = factors.probability(bits)
        if p > 0:
            shown.append(_Shown(hypothesis, vessel_key, mmsi, gap_id, steps, p))
    # Rounding to 0.001 bit may lift the sum over 1 by a hair: take it from the last step of the likeliest.
    while shown and sum(round(s.p * 1e6) for s in shown) > 1_000_000:
        top = max(shown, key=lambda s: (s.p, s.vessel_key))
        last = top.steps[-1]
        top.steps[-1] = Factor(last.name, round(last.bits - 0.001, 3), last.because)
        top.p = factors.probability(round(math.fsum(f.bits for f in top.steps), 3))
    rows = []
    for s in shown:
        match_id = (
            "M-" + hashlib.sha256(f"{sighting_id}|{s.hypothesis}|{s.vessel_key}|{s.gap_id}".encode()).hexdigest()[:14]
        )
        rows.append(_match(match_id, sighting_id, call_id, s.hypothesis, s.vessel_key, s.mmsi, s.gap_id, s.p))
        evidence += [
            {"subject_id": match_id, "rank": i, "factor": f.name, "bits": f.bits, "because": f.because}
            for i, f in enumerate(s.steps)
        ]
    none = (1_000_000 - sum(round(s.p * 1e6) for s in shown)) / 1e6
    match_id = "M-" + hashlib.sha256(f"{sighting_id}|none".encode()).hexdigest()[:14]
    rows.append(_match(match_id, sighting_id, call_id, "none", None, None, None, none))
    return rows


def _match(
    match_id: str,
    sighting_id: str,
    call_id: str | None,
    hypothesis: str,
    key: str | None,
    mmsi: object,
    gap: str | None,
    p: float,
) -> dict[str, object]:
    return {
        "match_id": match_id,
        "sighting_id": sighting_id,
        "call_id": call_id,
        "hypothesis": hypothesis,
        "vessel_key": key,
        "mmsi": mmsi,
        "gap_id": gap,
        "p_match": p,
    }
