"""Whose stays are in the pictures: sightings at ports and silences of ships, drawn together sighting by sighting.

The calls that `steps/calls.py` finds are where the draws begin; what comes out may split and join them (`Drawn.visits`). Only where
scenes are listed: a list of sightings alone is positive only, and says nothing of the pictures that missed a ship.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ghostships import units
from ghostships.inference import chains, factors, held, histories, looks, one_stay, silences, visits
from ghostships.inference.circumstances import Durations, fixed_factors
from ghostships.inference.drawn import Drawn
from ghostships.inference.together import Together, one_thread
from ghostships.routes import Port, Route

US = units.US_PER_HOUR

ALARM_SPREAD_M = 40.0
"""Lengths of what is taken for a ship and is none scatter by this much around those of the trade (own judgement)."""
SAME_BERTH = 0.9
"""Chance that a hull seen again at a berth of the same use lies at the same berth (own judgement)."""
MOST_STAY_H = 400.0
"""Visits that last longer once their pictures are moved in time were torn apart where the end is wrapped to the start."""
OTHER_USE = 0.1
"""Chance that it lies at a berth for something else, where the order of work says nothing."""
BY_PLACE_SIGMA_M = 100.0
"""Places at least so sure tell the berth where nobody says it: berths are some 250 m apart."""
N_SETTLE, N_BEFORE, N_STATES, N_CHAINS = 8, 6, 24, 2
"""Sweeps of the first chain; of each later one before its states count, and states that count."""


@one_thread()
def draw(
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    port_calls: pd.DataFrame,
    other_trade: pd.DataFrame,
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
    apart: looks.Apart = frozenset(),
) -> Drawn | None:
    """Draw who was seen, by the sightings of `port_calls`; None without listed scenes or without such sightings.

    Parameters are those of `steps.match.weigh`; `gaps` and `reach` may hold silences before a ship was first heard as well.
    `other_trade` are calls at the dark port whose berth or size is of another trade: their sightings are weighed beside the others,
    each for itself, and no stay of `Drawn.visits` holds one.
    """
    dark = port_calls.sort_values("call_id")
    if not len(scenes) or not len(dark):
        return None
    aside = {s for ids in other_trade["sighting_ids"] for s in ids}
    asked = pd.concat([dark, other_trade])
    port_of = {s: str(port) for ids, port in zip(asked["sighting_ids"], asked["port"], strict=True) for s in ids}
    seen = _looks(sightings[sightings["sighting_id"].isin(set(port_of))], port_of, route)
    ports = [port for port in route.ports if any(x.port == port.id for x in seen)]
    seen = sorted(seen, key=lambda x: ([p.id for p in ports].index(x.port), *looks.in_time(x)))
    by_port = {port.id: silences.looks(scenes, sightings, port, route) for port in route.ports}
    zero_h = min(x.start_h for x in seen)
    ships = vessels.set_index("vessel_key")
    ship_numbers = {str(key): n for n, key in enumerate(vessels["vessel_key"])}
    rows = sightings.set_index("sighting_id").to_dict("index")
    sights = [
        _sight(x, rows, [p.id for p in ports].index(x.port), by_port[x.port], ships, ship_numbers, route, zero_h)
        for x in seen
    ]
    usable = gaps[gaps["state"] != "void"].sort_values("gap_id")
    windows: silences.Windows = [([(_us(x.start_h), _us(x.end_h))], [], []) for x in seen]
    as_calls = pd.DataFrame({"port": [x.port for x in seen]})
    cases = silences.cases(usable, reach, as_calls, windows, route, as_of_us)
    fixed = fixed_factors(cases, reach, ships, declared, route, reception_says, stacks)
    durations = Durations.of(cases)
    between = {(a, b): float(legs_nm.at[a, b]) for a in legs_nm.index for b in legs_nm.columns}
    by_number = as_calls.to_dict("index")
    own = [
        silences.silence(case, by_number, windows, by_port, route, between, durations, is_bare=True) for case in cases
    ]
    span_h = silences.span_h(gaps, scenes, as_of_us)
    bits = [math.fsum(f.bits for f in steps) for steps in fixed]
    quiet = _quiet(cases, own, bits, sights, ports, ship_numbers, zero_h)
    place = {i: n for n, x in enumerate(seen) for i in x.ids}
    pairs = ((place[a], place[b]) for pair in apart for a in pair for b in pair if a in place and b in place)
    model = visits.Model(
        sights=sights,
        silences=quiet,
        ports=[_port(n, port, sights, by_port[port.id], route, span_h, zero_h) for n, port in enumerate(ports)],
        ship_length_m=vessels["length_m"].to_numpy(dtype=float, na_value=np.nan),
        middle_m=(route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2,
        spread_m=route.priors.hull_length_sd_m,
        p_trip=route.priors.p_trip,
        p_trip_strength=route.priors.p_trip_strength,
        habit_strength=route.priors.habit_strength,
        earned=1.0,
        shifts={pair: bits for n, port in enumerate(ports) for pair, bits in _shifts(n, port, sights).items()},
        apart=frozenset((a, b) for a, b in pairs if a != b),
    )
    begin = [sorted({place[i] for i in ids}) for ids in dark["sighting_ids"]]
    model = chains.of_another_trade(model, begin, sorted({place[i] for i in aside}))
    settled = chains.settle(model, begin, n_sweeps=N_SETTLE)
    if settled.made > 0:
        # The same pictures at other times: what silences and visits have in common then is chance, and teaches nothing.
        by_gap = dict(zip([case.gap.gap_id for case in cases], bits, strict=True))
        chance = []
        for share in silences.CHANCE_SHIFTS:
            moved_windows, moved_looks = silences.shifted(windows, by_port, share)
            moved = silences.cases(usable, reach, as_calls, moved_windows, route, as_of_us)
            moved_own = [
                silences.silence(case, by_number, moved_windows, moved_looks, route, between, durations, is_bare=True)
                for case in moved
            ]
            times = [span for (span,), _, _ in moved_windows]
            moved_sights = [
                replace(x, start_h=a / US - zero_h, end_h=b / US - zero_h)
                for x, (a, b) in zip(model.sights, times, strict=True)
            ]
            moved_bits = [by_gap.get(case.gap.gap_id, 0.0) for case in moved]
            other = replace(
                model,
                sights=moved_sights,
                silences=_quiet(moved, moved_own, moved_bits, moved_sights, ports, ship_numbers, zero_h),
            )
            chance.append(chains.by_chance(other, _unbroken(settled, moved_sights)))
        model = replace(model, earned=1.0 - min(float(np.mean(chance)) / settled.made, 1.0))
    answer = chains.draw(model, settled.visits, n_before=N_BEFORE, n_states=N_STATES, n_chains=N_CHAINS)
    answer = chains.calibrated(model, chains.doubted(model, answer))
    gap_ids = [str(case.gap.gap_id) for case in cases]
    feasible = [g for g, case in enumerate(cases) if case.is_feasible]
    return Drawn(
        visits=[own for visit in _all(answer.visits, len(seen)) if (own := _ids(visit, seen, aside))],
        by_sighting={
            i: {gap_ids[g]: p for g, p in answer.by_look[n].items()} for n, x in enumerate(seen) for i in x.ids
        },
        p_trip={gap_ids[g]: float(answer.trip[g]) for g in feasible},
        pictured={gap_ids[g]: float(answer.pictured[g]) for g in feasible},
        p_ship={gap_ids[g]: float(answer.p_ship[g]) for g in feasible},
        ships={gap_ids[g]: str(case.gap.vessel_key) for g, case in enumerate(cases)},
        level=answer.p_trip,
        spread=answer.spread,
        n_states=answer.n_states,
    )


def _unbroken(settled: chains.Settled, sights: list[visits.Sight]) -> chains.Settled:
    """The visits without those that the wrapped end of the pictures tears apart."""
    whole = []
    for visit in settled.visits:
        times = [sights[s].start_h for s in visit]
        whole.append(max(times) - min(times) <= MOST_STAY_H)
    return replace(
        settled,
        visits=[visit for visit, is_whole in zip(settled.visits, whole, strict=True) if is_whole],
        none=[p for p, is_whole in zip(settled.none, whole, strict=True) if is_whole],
    )


def _ids(visit: list[int], seen: list[looks.Look], aside: set[str]) -> list[str]:
    """The sightings of a stay, without those of another trade."""
    return sorted(i for s in visit for i in seen[s].ids if i not in aside)


def _all(found: list[list[int]], n: int) -> list[list[int]]:
    """The visits, and every look that is in none as one of its own."""
    inside = {s for visit in found for s in visit}
    return [*found, *([s] for s in range(n) if s not in inside)]


def _us(hours: float) -> int:
    return round(hours * US)


def _looks(sightings: pd.DataFrame, port_of: dict[str, str], route: Route) -> list[looks.Look]:
    """Sightings as looks: rows of listed scenes each alone, others by the ship-day that they tell of.

    Two pictures of one pass may show two hulls side by side; which is which is for the draws to find out.
    """
    alone = sightings.copy()
    alone["observation_group"] = alone["observation_group"].where(alone["scene_id"].isna(), None)
    seen = looks.independent(alone, route, {})
    for x in seen:
        # A port that the source leaves open is that of its call; where that is open too, the dark port if it is one of them.
        ports = port_of[x.ids[0]].split("|")
        x.port = route.dark_port_id if route.dark_port_id in ports else ports[0]
    return seen


def _sight(
    x: looks.Look,
    rows: dict[Any, dict[Any, Any]],
    port: int,
    watch: silences.Watch,
    ships: pd.DataFrame,
    ship_numbers: dict[str, int],
    route: Route,
    zero_h: float,
) -> visits.Sight:
    row = rows[x.ids[0]]
    sensor = route.sensor(silences.text(row["sensor"]))
    look = watch.of_scene.get(silences.text(row["scene_id"]) or "")
    p_look = next((p for _, p, name in watch.looks if name == look), None)
    alarm = sensor.false_alarms_per_scene
    if x.length_m is not None:
        priors = route.priors
        middle = (priors.trade_length_min_m + priors.trade_length_max_m) / 2
        alarm *= factors.normal(x.length_m, middle, math.hypot(ALARM_SPREAD_M, x.sigma_m))
    names: dict[int, float] = {}
    if x.name is not None or x.imo is not None:
        for key, name, imo in zip(ships.index, ships["vessel_name"], ships["imo"], strict=True):
            own_imo = None if pd.isna(imo) else int(imo)
            names[ship_numbers[str(key)]] = factors.name_read(
                x.name, x.imo, silences.text(name), own_imo, p_correct=route.priors.p_name_correct
            )[0]
    return visits.Sight(
        port=port,
        start_h=x.start_h - zero_h,
        end_h=x.end_h - zero_h,
        key=int(looks.digest(*sorted(x.ids)), 16),
        length_m=math.nan if x.length_m is None else x.length_m,
        sigma_m=x.sigma_m,
        picture=silences.text(row["scene_id"]) or x.ids[0],
        look=look or x.ids[0],
        gain=0.0 if p_look is None else math.log(sensor.p_detect_berth / (1 - p_look)),
        alarm=alarm,
        berth=_berth(x, row, route.port(x.port)),
        names=names,
    )


def _berth(x: looks.Look, row: dict[Any, Any], port: Port) -> str:
    """The berth as told, else the one that a sure place lies at; empty where neither tells."""
    ids = {b.id for b in port.berths}
    if x.berth is not None:
        return x.berth if x.berth in ids else ""
    sigma_m = row["position_sigma_m"]
    if x.lat_deg is None or x.lon_deg is None or not sigma_m <= BY_PLACE_SIGMA_M:
        return ""
    away = [(looks.great_circle_km(x.lat_deg, x.lon_deg, b.lat_deg, b.lon_deg) * 1000, b.id) for b in port.berths]
    nearest = min(away, default=(math.inf, ""))
    return nearest[1] if nearest[0] <= 3 * sigma_m else ""


def _shifts(number: int, port: Port, sights: list[visits.Sight]) -> dict[tuple[str, str], float]:
    """Log-ratio for a hull seen at one berth to be seen at another next, against any hull of this port."""
    berths = {b.id: b.use for b in port.berths}
    counts = Counter(x.berth for x in sights if x.port == number and x.berth)
    total = sum(counts.values()) + len(berths)
    n_of_use = Counter(berths.values())
    out = {}
    for before, use in berths.items():
        for after, other in berths.items():
            p = one_stay.NEXT_BERTH.get((use, other))
            if p is None:
                p = 1 - OTHER_USE if use == other else OTHER_USE / max(len(n_of_use) - 1, 1)
            n = n_of_use[other]
            if use == other and n > 1:
                p *= SAME_BERTH if before == after else (1 - SAME_BERTH) / (n - 1)
            elif use != other:
                p /= n
            out[before, after] = math.log(p / ((counts[after] + 1) / total))
    return out


def _port(
    number: int,
    port: Port,
    sights: list[visits.Sight],
    watch: silences.Watch,
    route: Route,
    span_h: float,
    zero_h: float,
) -> visits.Port:
    own = [s for s, x in enumerate(sights) if x.port == number]
    stays = silences.stays_of(port, route)
    pictures = [histories.Look(t / US - zero_h, p, name) for t, p, name in watch.looks]
    return visits.Port(
        is_dark=port.id == route.dark_port_id,
        looks=np.array(own, dtype=np.int64),
        fresh_per_h=route.priors.unknown_hulls_per_day / 24,
        watched_h=silences.watched_hours(watch.looks, stays, span_h),
        strength_h=route.priors.unknown_hull_strength_days * 24,
        mass=visits.masses([sights[s].start_h for s in own], [sights[s].end_h for s in own], pictures, stays),
        longest_h=stays.maximum_h,
    )


def _quiet(
    cases: list[silences.Case],
    own: list[histories.Silence],
    bits: list[float],
    sights: list[visits.Sight],
    ports: list[Port],
    ship_numbers: dict[str, int],
    zero_h: float,
) -> list[visits.Quiet]:
    """Each silence with the looks it could explain."""
    feasible = [g for g, case in enumerate(cases) if case.is_feasible]
    blind = np.zeros(len(cases))
    at_rest = Together([own[g] for g in feasible], [()] * len(feasible), is_blind=True)
    blind[feasible] = at_rest.weigh(np.ones(len(feasible)), np.zeros(0)).trip
    sums = Together(own, [()] * len(own)).weigh(np.ones(len(own)), np.zeros(0))
    numbers = {port.id: n for n, port in enumerate(ports)}
    start = np.array([x.start_h for x in sights])
    end = np.array([x.end_h for x in sights])
    at = np.array([x.port for x in sights])
    out = []
    for g, (case, silence) in enumerate(zip(cases, own, strict=True)):
        begin_h = case.start_us / US - zero_h
        within = {}
        for place, there in enumerate(silence.places):
            low, high = begin_h + there.from_start_h, begin_h + silence.end_h - there.to_end_h
            here = np.flatnonzero((at == numbers.get(there.name, -1)) & (end >= low) & (start <= high))
            if len(here):
                within[place] = held.Within(here, start[here] - begin_h, end[here] - begin_h)
        is_feasible = case.is_feasible and bool(blind[g] > 0)
        out.append(
            visits.Quiet(
                ship=ship_numbers[str(case.gap.vessel_key)],
                bits=bits[g],
                trip=float(sums.trip[g]),
                other=float(sums.other[g]),
                watched=float(1 - sums.trip[g] / blind[g]) if is_feasible else 0.0,
                is_feasible=is_feasible,
                held=held.Held(silence, within),
            )
        )
    return out
