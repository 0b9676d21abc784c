"""Who was it: every dark call in pictures against every silence that could hold it, and "none of these".

`weigh` puts together what is known of each silence (factors that depend on no history, the histories that fit) and solves all of
them at once; `steps/decide.py` turns the solution into the `matches` table and its evidence.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ghostships import units
from ghostships.inference import factors, histories, joint, silences
from ghostships.inference.circumstances import Durations, fixed_factors
from ghostships.inference.drawn import Drawn
from ghostships.inference.joint import Weighed
from ghostships.inference.together import Together, one_thread
from ghostships.routes import Route

US = units.US_PER_HOUR


@one_thread()
def weigh(
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    vessels: pd.DataFrame,
    declared: pd.DataFrame,
    *,
    route: Route,
    legs_nm: pd.DataFrame,
    as_of_us: int,
    reception_says: dict[str, str],
    stacks: pd.DataFrame | None = None,
    drawn: Drawn | None = None,
) -> Weighed:
    """Solve who made which dark call.

    Parameters
    ----------
    port_calls : calls that no transmitting ship explains
    declared : what each ship said before and after (`steps.declared.around`)
    legs_nm : sea distance between ports [nm], both ways, indexed by port id
    as_of_us : "now" [microseconds], where open silences are cut
    reception_says : per gap, the sentence behind `p_off`
    drawn : what was drawn sighting by sighting, where scenes are listed; then it is the answer, and nothing is solved here
    stacks : times in which container stacks at the dark port changed, or did not (`steps.stacks.compare`)
    """
    usable = gaps[gaps["state"] != "void"].sort_values("gap_id")
    calls = port_calls.sort_values("call_id").reset_index(drop=True)
    by_port = {port.id: silences.looks(scenes, sightings, port, route) for port in route.ports}
    known, windows = _known(calls, sightings, by_port, route)
    cases = silences.cases(usable, reach, calls, windows, route, as_of_us)
    span_h = silences.span_h(gaps, scenes, as_of_us)
    # Published sightings are positive only: rates of unknown hulls are learned where scenes are listed, and only there.
    watched_h = {
        port.id: silences.watched_hours(by_port[port.id].looks, silences.stays_of(port, route), span_h)
        if len(scenes)
        else 0.0
        for port in route.ports
    }
    ships = vessels.set_index("vessel_key")
    fixed = fixed_factors(cases, reach, ships, declared, route, reception_says, stacks)
    durations = Durations.of(cases)
    bits = [math.fsum(f.bits for f in steps) for steps in fixed]
    silents, fits, sentences = _silents(cases, bits, calls, windows, known, by_port, ships, route, legs_nm, durations)
    priors = route.priors
    levels = joint.Levels(
        priors.p_trip,
        priors.p_trip_strength,
        priors.habit_strength,
        priors.unknown_hulls_per_day / 24,
        priors.unknown_hull_strength_days * 24,
    )
    if drawn is not None:
        solution, warnings = _of_draws(drawn, cases, calls, silents, known, fits, levels, watched_h), drawn.warnings
    else:
        solution, warnings = joint.solve(silents, known, fits, levels, watched_h=watched_h), []
    if not solution.is_converged:
        warnings.append(
            f"the joint solution still moved after {solution.n_rounds} rounds; probabilities are less sure than shown"
        )
    return Weighed(
        [c.gap.gap_id for c in cases],
        list(calls["call_id"]),
        silents,
        known,
        solution,
        fixed,
        sentences,
        _any_length(known, solution, levels, watched_h),
        warnings,
    )


def _of_draws(
    drawn: Drawn,
    cases: list[silences.Case],
    calls: pd.DataFrame,
    silents: list[joint.Silent],
    known: list[joint.Known],
    fits: dict[tuple[int, int], tuple[float, float]],
    levels: joint.Levels,
    watched_h: dict[str, float],
) -> joint.Solution:
    """The solution that the draws are, call by call: a call's share is the mean over its sightings."""
    by_gap: list[dict[str, float]] = []
    for ids in calls["sighting_ids"]:
        total: dict[str, float] = {}
        for i in ids:
            for gap_id, p in drawn.by_sighting.get(i, {}).items():
                total[gap_id] = total.get(gap_id, 0.0) + p / len(ids)
        by_gap.append(total)
    gap_ids = [str(case.gap.gap_id) for case in cases]
    shares = [{c: by_gap[c].get(gap_ids[g], 0.0) for c in s.silence.calls} for g, s in enumerate(silents)]
    # All who may have made a call, those without a row in `gaps` too.
    taken = [math.fsum(by_gap[c].values()) for c in range(len(known))]
    none = [max(1.0 - total, 0.0) for total in taken]
    others = [{c: min(max(1.0 - taken[c] + p, 1e-6), 1.0) for c, p in own.items()} for own in shares]
    rates = joint.UnknownHulls(known, levels, watched_h).rates(np.array(none)).tolist()
    p_ship = [drawn.p_ship.get(gap_id, drawn.level) for gap_id in gap_ids]
    odds = np.array([2.0 ** (factors.bits_of(p) + s.bits) for p, s in zip(p_ship, silents, strict=True)])
    likelihoods = np.array(
        [joint.likelihood(known[c], fits[g, c], rates[c]) * others[g][c] for g, own in enumerate(shares) for c in own]
    )
    sums = Together([s.silence for s in silents], [list(own) for own in shares]).weigh(odds, likelihoods)
    return joint.Solution(
        shares=shares,
        others=others,
        verdicts=[histories.Verdict(*v, by_call={}) for v in zip(sums.trip.tolist(), sums.other.tolist(), strict=True)],
        none=none,
        p_trip=drawn.level,
        p_ship=p_ship,
        pictured=[drawn.pictured.get(gap_id, 0.0) for gap_id in gap_ids],
        unknown_rate=rates,
        n_feasible=sum(s.is_feasible for s in silents),
        n_rounds=0,
        is_converged=True,
        fits=fits,
        drawn={g: drawn.p_trip[i] for g, i in enumerate(gap_ids) if silents[g].is_feasible and i in drawn.p_trip},
    )


def _any_length(
    known: list[joint.Known], solution: joint.Solution, levels: joint.Levels, watched_h: dict[str, float]
) -> list[float]:
    """Arrivals per hour of unknown hulls of any length at the port of each call."""
    bare = [replace(call, length_m=math.nan, background=1.0) for call in known]
    rates: list[float] = joint.UnknownHulls(bare, levels, watched_h).rates(np.array(solution.none)).tolist()
    return rates


def _silents(
    cases: list[silences.Case],
    bits: list[float],
    calls: pd.DataFrame,
    windows: silences.Windows,
    known: list[joint.Known],
    by_port: dict[str, silences.Watch],
    ships: pd.DataFrame,
    route: Route,
    legs_nm: pd.DataFrame,
    durations: Durations,
) -> tuple[list[joint.Silent], dict[tuple[int, int], tuple[float, float]], dict[tuple[int, int], tuple[str, str]]]:
    """The silences ready to be weighed, and how well each fits the calls it meets, in numbers and in words."""
    by_ship, by_call = ships.to_dict("index"), calls.to_dict("index")
    silents: list[joint.Silent] = []
    fits: dict[tuple[int, int], tuple[float, float]] = {}
    sentences: dict[tuple[int, int], tuple[str, str]] = {}
    between = {(a, b): float(legs_nm.at[a, b]) for a in legs_nm.index for b in legs_nm.columns}
    own = [silences.silence(case, by_call, windows, by_port, route, between, durations) for case in cases]
    feasible = [g for g, case in enumerate(cases) if case.is_feasible]
    blind, unseen = np.zeros(len(cases)), np.zeros(len(cases))
    for trip, is_blind in ((blind, True), (unseen, False)):
        at_rest = Together([own[g] for g in feasible], [()] * len(feasible), is_blind=is_blind)
        trip[feasible] = at_rest.weigh(np.ones(len(feasible)), np.zeros(0)).trip
    for g, (case, silence) in enumerate(zip(cases, own, strict=True)):
        fits_in = case.is_feasible and bool(blind[g] > 0)
        watched = float(1 - unseen[g] / blind[g]) if blind[g] > 0 else 0.0
        silents.append(joint.Silent(case.gap.vessel_key, silence, bits[g], watched, fits_in))
        for c in silence.calls:
            fits[g, c], sentences[g, c] = _fit(by_call[c], known[c], by_ship[case.gap.vessel_key], route)
    return silents, fits, sentences


def _known(
    calls: pd.DataFrame, sightings: pd.DataFrame, by_port: dict[str, silences.Watch], route: Route
) -> tuple[list[joint.Known], list[tuple[list[tuple[int, int]], list[str], list[float]]]]:
    """Each call as the joint solution meets it, and its windows [microseconds], scenes and chances of detection."""
    by_id = sightings.set_index("sighting_id", drop=False).to_dict("index")
    middle = (route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2
    known, windows = [], []
    for call in calls.itertuples(index=False):
        port = route.port(str(call.port).split("|")[0])
        rows = sorted((by_id[i] for i in call.sighting_ids), key=lambda row: (row["start_utc"], row["end_utc"]))
        spans: list[tuple[int, int]] = []
        seen_in: dict[str, float] = {}
        groups: set[str] = set()
        for row in rows:
            # Rows of one picture or ship-day are one observation: the first stands for all.
            group = silences.text(row["observation_group"]) or str(row["sighting_id"])
            if group in groups:
                continue
            groups.add(group)
            spans.append((row["start_utc"].value // 1000, row["end_utc"].value // 1000))
            look = by_port[port.id].of_scene.get(silences.text(row["scene_id"]) or "")
            if look is not None:
                seen_in[look] = route.sensor(silences.text(row["sensor"])).p_detect_berth
        sigma = call.length_sigma_m if call.length_sigma_m == call.length_sigma_m else 0.0
        spread = math.hypot(route.priors.hull_length_sd_m, sigma)
        length = float(call.length_m)
        background = factors.normal(length, middle, spread) if length == length else 1.0
        zero = spans[0][0]
        # The hull that nobody knows is charged for the pictures that missed it, exactly as a ship is.
        stays = silences.stays_of(port, route)
        near_us = round((stays.maximum_h + 2) * US)
        near = by_port[port.id].between(min(a for a, _ in spans) - near_us, max(b for _, b in spans) + near_us)
        others = tuple(histories.Look((t - zero) / US, p, look) for t, p, look in near)
        place = histories.Place(port.id, True, 0, 0, stays, others, ())
        scene_ids, p_detects = list(seen_in), list(seen_in.values())
        hours = tuple(((a - zero) / US, (b - zero) / US) for a, b in spans)
        seen = histories.Seen(0, hours, frozenset(scene_ids), tuple(p_detects))
        mass = histories.unknown_hull_mass(place, seen)
        known.append(joint.Known(port.id, port.id == route.dark_port_id, mass, length, sigma, max(background, 1e-6)))
        windows.append((spans, scene_ids, p_detects))
    return known, windows


def _imo(value: object) -> int | None:
    return None if pd.isna(value) else int(value)  # type: ignore[call-overload]


def _fit(
    call: dict[Any, Any], known: joint.Known, ship: dict[Any, Any], route: Route
) -> tuple[tuple[float, float], tuple[str, str]]:
    """How well a ship fits the length and the name of a call."""
    length, length_text = factors.length(
        known.length_m, known.sigma_m, float(ship["length_m"]), background=known.background
    )
    name, name_text = factors.name_read(
        silences.text(call["vessel_name"]),
        _imo(call["imo"]),
        silences.text(ship["vessel_name"]),
        _imo(ship["imo"]),
        p_correct=route.priors.p_name_correct,
    )
    if name != 1:
        length_text = f"{length_text}; adds nothing to a name read, which usually rests on it"
    return (length, name), (length_text, name_text)
