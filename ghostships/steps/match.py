"""Who was it: every dark call in pictures against every silence that could hold it, and "none of these".

`weigh` puts together what is known of each silence (factors that depend on no history, the histories that fit) and solves all of
them at once; `steps/decide.py` turns the solution into the `matches` table and its evidence.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.special import ndtr

from ghostships import units
from ghostships.inference import factors, histories, joint
from ghostships.inference.factors import Factor
from ghostships.inference.joint import Weighed
from ghostships.inference.profile import Profile, where
from ghostships.inference.together import Together, one_thread
from ghostships.routes import Port, Route

US = units.US_PER_HOUR
CHANCE_SHIFTS = (0.31, 0.64)
"""Pictures are moved by these shares of their span to see what chance alone would carry; far enough apart to be two answers."""
CHANCE_ROUNDS = 6
"""Enough for a sum of shares to a few per cent; it is an estimate with an error of its own."""
RAREST_DRAUGHT_CHANGE = 0.12
"""A draught that changes across a silence is never taken for rarer than this otherwise: ships load in any port."""
ONE_LOOK_H = 2.0
DURATION_PRIOR_GAPS = 20.0
DURATION_SLOPE = 0.7
DURATION_WIDTH = 0.3
"""Durations of silences in general: a Pareto law worth 20 silences, and the run's own smoothed by this width (in log h)."""


@dataclass(frozen=True)
class Watch:
    """Looks at one port in order of time: (time in microseconds, chance of seeing a ship at its berths, id), and the look that
    each scene belongs to."""

    looks: tuple[tuple[int, float, str], ...]
    of_scene: dict[str, str]

    def between(self, first_us: int, last_us: int) -> tuple[tuple[int, float, str], ...]:
        """The looks from one time to another, both included."""
        low = bisect_left(self.looks, first_us, key=lambda look: look[0])
        return self.looks[low : bisect_right(self.looks, last_us, key=lambda look: look[0])]


def looks(scenes: pd.DataFrame, sightings: pd.DataFrame, port: Port, route: Route) -> Watch:
    """Pictures of a port.

    A listed scene counts over the berths it covers; an "absent" sighting is a picture too, the only kind published reports have.
    Pictures taken within two hours are one look: a ship hidden from one (a crane, a shadow, haze) is mostly hidden from all.
    """
    found: list[tuple[int, float, str]] = []
    points = [(port.lon_deg, port.lat_deg), *((b.lon_deg, b.lat_deg) for b in port.berths)]
    if len(scenes):
        footprints = shapely.from_wkt(scenes["wkt"].to_numpy(dtype=object))
        covered = np.mean([shapely.intersects_xy(footprints, lon, lat) for lon, lat in points], axis=0)
        for row, share in zip(scenes.itertuples(index=False), covered, strict=True):
            p = route.sensor(_text(row.sensor)).p_detect_berth * row.clear_fraction * float(share)
            if p > 0:
                found.append(((row.start_utc.value + row.end_utc.value) // 2000, min(p, 0.99), str(row.scene_id)))
    absent = sightings[(sightings["observation_type"] == "absent") & (sightings["port"] == port.id)]
    for row in absent.itertuples(index=False):
        if row.end_utc - row.start_utc <= pd.Timedelta(days=1):
            p = route.sensor(_text(row.sensor)).p_detect_berth
            found.append(((row.start_utc.value + row.end_utc.value) // 2000, p, str(row.sighting_id)))
    kept: list[tuple[int, float, str]] = []
    of_scene: dict[str, str] = {}
    for at, p, scene in sorted(found):
        if kept and at - kept[-1][0] <= ONE_LOOK_H * US:
            kept[-1] = (kept[-1][0], max(kept[-1][1], p), kept[-1][2])
        else:
            kept.append((at, p, scene))
        of_scene[scene] = kept[-1][2]
    return Watch(tuple(kept), of_scene)


def watched_hours(port_looks: tuple[tuple[int, float, str], ...], stays: histories.Stays, span_h: float) -> float:
    """Hours of the span in which an arriving hull would have been seen: the sum of that chance over arrival times."""
    if not port_looks or span_h <= 0:
        return 0.0
    start = port_looks[0][0]
    times = np.array([(t - start) / US for t, _, _ in port_looks])
    place = histories.Place(
        "", True, 0, 0, stays, tuple(histories.Look(t, p) for t, (_, p, _) in zip(times, port_looks, strict=True)), ()
    )
    total, at = 0.0, -stays.maximum_h
    while at < times[-1]:
        grid = np.arange(at, at + 2 * stays.maximum_h, 4.0)
        part = histories.stay_weights(place, grid, 4.0, None)
        arrivals = grid < at + stays.maximum_h
        total += float((1 - part[arrivals].sum(axis=1)).clip(0, 1).sum() * 4.0)
        at += stays.maximum_h
    return min(total, span_h)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _imo(value: object) -> int | None:
    return None if pd.isna(value) else int(value)  # type: ignore[call-overload]


def stays_of(port: Port, route: Route) -> histories.Stays:
    """How long ships stay at a port of this route."""
    p = route.priors
    return histories.Stays(p.stay_median_h, p.stay_log_sd, port.min_stay_h, p.stay_max_h)


@one_thread()
def weigh(
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    vessels: pd.DataFrame,
    draughts: pd.DataFrame,
    *,
    route: Route,
    legs_nm: pd.DataFrame,
    as_of_us: int,
    reception_says: dict[str, str],
) -> Weighed:
    """Solve who made which dark call.

    Parameters
    ----------
    port_calls : calls that no transmitting ship explains
    draughts : `gap_id`, `before_m`, `after_m`
    legs_nm : sea distance between ports [nm], both ways, indexed by port id
    as_of_us : "now" [microseconds], where open silences are cut
    reception_says : per gap, the sentence behind `p_off`
    """
    usable = gaps[gaps["state"] != "void"].sort_values("gap_id")
    calls = port_calls.sort_values("call_id").reset_index(drop=True)
    by_port = {port.id: looks(scenes, sightings, port, route) for port in route.ports}
    known, windows = _known(calls, sightings, by_port, route)
    cases = _cases(usable, reach, calls, windows, route, as_of_us)
    span_h = _span_h(gaps, scenes, as_of_us)
    # Published sightings are positive only: rates of unknown hulls are learned where scenes are listed, and only there.
    watched_h = {
        port.id: watched_hours(by_port[port.id].looks, stays_of(port, route), span_h) if len(scenes) else 0.0
        for port in route.ports
    }
    ships = vessels.set_index("vessel_key")
    fixed = _fixed_factors(cases, reach, ships, draughts, route, reception_says)
    durations = _Durations.of(cases)
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
    solution = joint.solve(silents, known, fits, levels, watched_h=watched_h)
    made = joint.carried_by(silents, known, solution)
    if made > 0 and len(scenes):
        # The same pictures at other times: what silences and calls have in common then is chance, and teaches nothing.
        by_gap = dict(zip([c.gap.gap_id for c in cases], bits, strict=True))
        chance = []
        for share in CHANCE_SHIFTS:
            moved_windows, moved_looks = _shifted(windows, by_port, share)
            other = _cases(usable, reach, calls, moved_windows, route, as_of_us)
            other_bits = [by_gap.get(c.gap.gap_id, 0.0) for c in other]
            moved, moved_fits, _ = _silents(
                other, other_bits, calls, moved_windows, known, moved_looks, ships, route, legs_nm, durations
            )
            by_chance = joint.solve(
                moved,
                known,
                moved_fits,
                levels,
                watched_h=watched_h,
                start=solution,
                is_learning=False,
                rounds=CHANCE_ROUNDS,
            )
            # Only calls that are nobody's can be carried by chance; those that a silence explains are its own.
            chance.append(joint.carried_by(moved, known, by_chance, solution.none))
        levels = replace(levels, chance_share=min(float(np.mean(chance)) / made, 1.0))
        solution = joint.solve(silents, known, fits, levels, watched_h=watched_h, start=solution)
    warnings = []
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


def _any_length(
    known: list[joint.Known], solution: joint.Solution, levels: joint.Levels, watched_h: dict[str, float]
) -> list[float]:
    """Arrivals per hour of unknown hulls of any length at the port of each call."""
    bare = [replace(call, length_m=math.nan, background=1.0) for call in known]
    rates: list[float] = joint.UnknownHulls(bare, levels, watched_h).rates(np.array(solution.none)).tolist()
    return rates


Windows = list[tuple[list[tuple[int, int]], list[str], list[float]]]


def _silents(
    cases: list[_Case],
    bits: list[float],
    calls: pd.DataFrame,
    windows: Windows,
    known: list[joint.Known],
    by_port: dict[str, Watch],
    ships: pd.DataFrame,
    route: Route,
    legs_nm: pd.DataFrame,
    durations: _Durations,
) -> tuple[list[joint.Silent], dict[tuple[int, int], tuple[float, float]], dict[tuple[int, int], tuple[str, str]]]:
    """The silences ready to be weighed, and how well each fits the calls it meets, in numbers and in words."""
    by_ship, by_call = ships.to_dict("index"), calls.to_dict("index")
    silents: list[joint.Silent] = []
    fits: dict[tuple[int, int], tuple[float, float]] = {}
    sentences: dict[tuple[int, int], tuple[str, str]] = {}
    between = {(a, b): float(legs_nm.at[a, b]) for a in legs_nm.index for b in legs_nm.columns}
    silences = [_silence(case, by_call, windows, by_port, route, between, durations) for case in cases]
    feasible = [g for g, case in enumerate(cases) if case.is_feasible]
    blind, unseen = np.zeros(len(cases)), np.zeros(len(cases))
    for trip, is_blind in ((blind, True), (unseen, False)):
        at_rest = Together([silences[g] for g in feasible], [()] * len(feasible), is_blind=is_blind)
        trip[feasible] = at_rest.weigh(np.ones(len(feasible)), np.zeros(0)).trip
    for g, (case, silence) in enumerate(zip(cases, silences, strict=True)):
        fits_in = case.is_feasible and bool(blind[g] > 0)
        watched = float(1 - unseen[g] / blind[g]) if blind[g] > 0 else 0.0
        silents.append(joint.Silent(case.gap.vessel_key, silence, bits[g], watched, fits_in))
        for c in silence.calls:
            fits[g, c], sentences[g, c] = _fit(by_call[c], known[c], by_ship[case.gap.vessel_key], route)
    return silents, fits, sentences


def _shifted(windows: Windows, by_port: dict[str, Watch], share: float) -> tuple[Windows, dict[str, Watch]]:
    """Calls and pictures moved in time together, by a share of the time that the pictures cover, the end wrapped to the start."""
    times = [t for watch in by_port.values() for t, _, _ in watch.looks]
    first, last = min(times), max(times)
    span = max(last - first, 1)
    by = int(span * share) // 86_400_000_000 * 86_400_000_000  # whole days, so that daylight stays daylight

    def moved(t: int) -> int:
        return first + (t - first + by) % span

    out: Windows = []
    for spans, scenes, p_detects in windows:
        step = moved(spans[0][0]) - spans[0][0]
        out.append(([(a + step, b + step) for a, b in spans], scenes, p_detects))
    looks = {
        port: Watch(tuple(sorted((moved(t), p, look) for t, p, look in watch.looks)), watch.of_scene)
        for port, watch in by_port.items()
    }
    return out, looks


@dataclass(frozen=True)
class _Case:
    """A gap that could hold a stay somewhere that matters, with its reach by port and the calls it meets."""

    gap: Any
    start_us: int
    duration_h: float
    reach: dict[str, Any]
    is_feasible: bool
    calls: tuple[int, ...]


def _span_h(gaps: pd.DataFrame, scenes: pd.DataFrame, as_of_us: int) -> float:
    starts = [t.value // 1000 for frame in (gaps, scenes) if len(frame) for t in [frame["start_utc"].min()]]
    return max((as_of_us - min(starts)) / US, 0.0) if starts else 0.0


def _known(
    calls: pd.DataFrame, sightings: pd.DataFrame, by_port: dict[str, Watch], route: Route
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
            group = _text(row["observation_group"]) or str(row["sighting_id"])
            if group in groups:
                continue
            groups.add(group)
            spans.append((row["start_utc"].value // 1000, row["end_utc"].value // 1000))
            look = by_port[port.id].of_scene.get(_text(row["scene_id"]) or "")
            if look is not None:
                seen_in[look] = route.sensor(_text(row["sensor"])).p_detect_berth
        sigma = call.length_sigma_m if call.length_sigma_m == call.length_sigma_m else 0.0
        spread = math.hypot(route.priors.hull_length_sd_m, sigma)
        length = float(call.length_m)
        background = factors.normal(length, middle, spread) if length == length else 1.0
        zero = spans[0][0]
        # The hull that nobody knows is charged for the pictures that missed it, exactly as a ship is.
        stays = stays_of(port, route)
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


def _cases(
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    calls: pd.DataFrame,
    windows: list[tuple[list[tuple[int, int]], list[str], list[float]]],
    route: Route,
    as_of_us: int,
) -> list[_Case]:
    """Gaps that fit the dark port, or that meet a dark call at another port within reach."""
    fits = reach[reach["verdict"].isin(["feasible", "marginal"])]
    by_gap: dict[str, dict[str, Any]] = {}
    for row in fits.itertuples(index=False):
        by_gap.setdefault(row.gap_id, {})[row.port] = row
    numbers: dict[str, list[int]] = {}
    for c, ports_of_call in enumerate(calls["port"]):
        for port in str(ports_of_call).split("|"):
            numbers.setdefault(port, []).append(c)
    first_end = np.array([min(b for _, b in spans) for spans, _, _ in windows], dtype=np.int64)
    last_start = np.array([max(a for a, _ in spans) for spans, _, _ in windows], dtype=np.int64)
    met_by_port = {port: (np.array(cs), first_end[cs], last_start[cs]) for port, cs in numbers.items()}
    cases = []
    for gap in gaps.itertuples(index=False):
        ports = by_gap.get(gap.gap_id, {})
        start = gap.start_utc.value // 1000
        end = as_of_us if gap.is_open else gap.end_utc.value // 1000
        met: list[int] = []
        for port, row in ports.items():
            if port in met_by_port:
                arrival = row.earliest_arrival_utc.value // 1000
                leave = end if gap.is_open else row.latest_departure_utc.value // 1000
                own, until, since = met_by_port[port]
                met += own[(until >= arrival) & (since <= leave)].tolist()
        feasible = route.dark_port_id in ports
        if feasible or met:
            cases.append(_Case(gap, start, (end - start) / US, ports, feasible, tuple(sorted(set(met)))))
    return cases


def _silence(
    case: _Case,
    calls: dict[Any, dict[Any, Any]],
    windows: list[tuple[list[tuple[int, int]], list[str], list[float]]],
    by_port: dict[str, Watch],
    route: Route,
    legs_nm: dict[tuple[str, str], float],
    durations: _Durations,
) -> histories.Silence:
    """The silence on its grid, with the dark port (if within reach) and every port where it meets a call."""
    wanted = {route.dark_port_id} if case.is_feasible else set()
    for c in case.calls:
        wanted |= set(str(calls[c]["port"]).split("|")) & set(case.reach)
    ids = sorted(wanted, key=lambda i: (i != route.dark_port_id, i))
    fastest = float(next(iter(case.reach.values())).fastest_kn)
    # From each port to those where this trade is at home, with the shortest stay there.
    homes = [p for p in route.ports if p.role == "counterpart"]
    ways = {i: [(legs_nm[i, p.id], p.min_stay_h) for p in homes if p.id != i] for i in ids}
    ways_home = {i: [(d, stay) for d, stay in own if d == d] for i, own in ways.items()}
    taken: set[int] = set()
    places = []
    for port_id in ids:
        port, row = route.port(port_id), case.reach[port_id]
        arrive_h = (row.earliest_arrival_utc.value // 1000 - case.start_us) / US
        if case.gap.is_open:
            leave_h = min((d / fastest for d, _ in ways_home[port_id]), default=0.0)
        else:
            leave_h = case.duration_h - (row.latest_departure_utc.value // 1000 - case.start_us) / US
        seen = []
        for c in case.calls:
            # A call whose port the sources leave open is met at the first of its ports within reach, once.
            if c in taken or port_id not in str(calls[c]["port"]).split("|"):
                continue
            taken.add(c)
            spans, scenes, p_detects = windows[c]
            hours = tuple(((a - case.start_us) / US, (b - case.start_us) / US) for a, b in spans)
            seen.append(histories.Seen(c, hours, frozenset(scenes), tuple(p_detects)))
        until = case.start_us + case.duration_h * US
        looked = tuple(
            histories.Look((t - case.start_us) / US, p, scene)
            for t, p, scene in by_port[port_id].between(case.start_us, math.floor(until))
        )
        is_dark = port_id == route.dark_port_id
        places.append(
            histories.Place(
                port_id,
                is_dark,
                max(arrive_h, 0.0),
                max(float(leave_h), 0.0),
                stays_of(port, route),
                looked,
                tuple(seen),
                1.0 if is_dark else route.priors.p_visit_counterpart,
            )
        )
    legs = np.array([[_leg_h(a, b, legs_nm, ways_home, fastest) for b in ids] for a in ids])
    density = durations.lasting(case.duration_h) if case.gap.is_open else durations.density(case.duration_h)
    waits = histories.Waits(route.priors.before_mean_h, route.priors.between_mean_h, route.priors.p_another_call)
    return histories.Silence(
        duration_h=case.duration_h,
        is_open=bool(case.gap.is_open),
        density=density,
        places=places,
        legs_h=legs,
        waits=waits,
    )


def _leg_h(
    a: str,
    b: str,
    legs_nm: dict[tuple[str, str], float],
    ways_home: dict[str, list[tuple[float, float]]],
    fastest_kn: float,
) -> float:
    """Fastest passage; from the dark port to itself: home to the nearest counterpart port, its shortest stay, and back."""
    if a != b:
        d = legs_nm[a, b]
        return d / fastest_kn if d == d else 0.0
    times = [2 * d / fastest_kn + stay for d, stay in ways_home[a]]
    return min(times, default=0.0)


@dataclass(frozen=True)
class _Durations:
    """How long silences that fit last: a smooth density over the run's own, with a Pareto law as the prior."""

    logs: npt.NDArray[np.float64]
    shortest_h: float

    @staticmethod
    def of(cases: list[_Case]) -> _Durations:
        fitting = [c for c in cases if c.is_feasible]
        closed = sorted(c.duration_h for c in fitting if not c.gap.is_open)
        return _Durations(np.log(np.array(closed)), min((c.duration_h for c in fitting), default=1.0))

    def density(self, duration_h: float) -> float:
        """Density of a closed silence of this duration [per h]."""
        prior = DURATION_SLOPE * self.shortest_h**DURATION_SLOPE / duration_h ** (DURATION_SLOPE + 1)
        z = (math.log(duration_h) - self.logs) / DURATION_WIDTH
        own = math.fsum(np.exp(-0.5 * z * z)) / (math.sqrt(2 * math.pi) * DURATION_WIDTH * duration_h)
        return float((DURATION_PRIOR_GAPS * prior + own) / (DURATION_PRIOR_GAPS + len(self.logs)))

    def lasting(self, duration_h: float) -> float:
        """Chance that a silence lasts at least so long."""
        prior = min((self.shortest_h / duration_h) ** DURATION_SLOPE, 1.0)
        own = math.fsum(ndtr((self.logs - math.log(duration_h)) / DURATION_WIDTH))
        return float((DURATION_PRIOR_GAPS * prior + own) / (DURATION_PRIOR_GAPS + len(self.logs)))


def _fixed_factors(
    cases: list[_Case],
    reach: pd.DataFrame,
    ships: pd.DataFrame,
    draughts: pd.DataFrame,
    route: Route,
    reception_says: dict[str, str],
) -> list[list[Factor]]:
    """Factors that depend on no history, per silence, in their fixed order.

    How common a value is otherwise is learned from the silences that fit, each factor among those that agree in all factors before
    it: a cargo ship of the right size that vanishes and comes back near home is one kind of ship, not four coincidences.
    """
    priors = route.priors
    home = [p.id for p in route.ports if p.role == "counterpart"]
    near = reach[reach["port"].isin(home)].groupby("gap_id")[["distance_from_nm", "distance_to_nm"]].min()
    gap_ids = [c.gap.gap_id for c in cases]
    keys = [c.gap.vessel_key for c in cases]
    is_open = np.array([bool(c.gap.is_open) for c in cases], dtype=bool)
    feasible = np.array([c.is_feasible for c in cases], dtype=bool)
    here = near.reindex(gap_ids)
    drafts = draughts.set_index("gap_id").reindex(gap_ids)
    from_nm = here["distance_from_nm"].to_numpy(dtype=float)
    to_nm = np.where(is_open, np.nan, here["distance_to_nm"].to_numpy(dtype=float))
    moved_nm = np.array([c.gap.distance_gc_nm for c in cases], dtype=float)
    kind = ships["ship_type"].reindex(keys).to_numpy(dtype=float, na_value=np.nan)
    length = ships["length_m"].reindex(keys).to_numpy(dtype=float, na_value=np.nan)
    change = (drafts["after_m"] - drafts["before_m"]).to_numpy(dtype=float)
    tidal = np.sign(change) * (np.abs(change) >= factors.DRAUGHT_CHANGE_M)
    profile = Profile(feasible)
    shares_from = profile.add(where(from_nm <= priors.near_home_nm, from_nm), prior=priors.p_near_home_if_trip)
    shares_to = profile.add(where(to_nm <= priors.near_home_nm, to_nm), prior=priors.p_near_home_if_trip)
    shares_same = profile.add(where(moved_nm <= factors.SAME_PLACE_NM, moved_nm), prior=priors.p_same_place_if_trip)
    shares_kind = profile.add(
        where((kind >= 70) & (kind <= 79), np.where(kind > 0, kind, np.nan)), prior=priors.p_cargo_if_trip
    )
    sized = (length >= priors.trade_length_min_m) & (length <= priors.trade_length_max_m)
    shares_size = profile.add(where(sized, length), prior=priors.p_size_if_trip)
    deeper = np.maximum(profile.shares(where(tidal > 0, change), prior=priors.p_deeper_if_trip), RAREST_DRAUGHT_CHANGE)
    lighter = np.maximum(
        profile.shares(where(tidal < 0, change), prior=priors.p_lighter_if_trip), RAREST_DRAUGHT_CHANGE
    )
    p_offs = [c.gap.p_off for c in cases if c.is_feasible and c.gap.p_off == c.gap.p_off]
    usual_off = float(np.mean(p_offs)) if p_offs else priors.p_off
    fixed = []
    for n, case in enumerate(cases):
        gap, ship = case.gap, ships.loc[case.gap.vessel_key]
        listed = factors.watch_list(list(ship["watch_list_hits"]), priors.watch_list_bits)
        places = {"limit_nm": priors.near_home_nm, "p_if_trip": priors.p_near_home_if_trip}
        fixed.append(
            [
                listed,
                factors.near_home("last_place", from_nm[n], p_otherwise=shares_from[n], when="before", **places),
                factors.near_home("next_place", to_nm[n], p_otherwise=shares_to[n], when="after", **places),
                factors.same_place(moved_nm[n], p_if_trip=priors.p_same_place_if_trip, p_otherwise=shares_same[n]),
                factors.ship_type(
                    _imo(ship["ship_type"]), p_if_trip=priors.p_cargo_if_trip, p_otherwise=shares_kind[n]
                ),
                factors.ship_size(
                    length[n],
                    low_m=priors.trade_length_min_m,
                    high_m=priors.trade_length_max_m,
                    p_if_trip=priors.p_size_if_trip,
                    p_otherwise=shares_size[n],
                ),
                factors.draught(
                    float(drafts["before_m"].iloc[n]),
                    float(drafts["after_m"].iloc[n]),
                    deeper=(priors.p_deeper_if_trip, deeper[n]),
                    lighter=(priors.p_lighter_if_trip, lighter[n]),
                ),
                factors.transponder(
                    float(gap.p_off), usual_off, reception_says.get(gap.gap_id, "reception was not measured")
                ),
            ]
        )
    return fixed


def _fit(
    call: dict[Any, Any], known: joint.Known, ship: dict[Any, Any], route: Route
) -> tuple[tuple[float, float], tuple[str, str]]:
    """How well a ship fits the length and the name of a call."""
    length, length_text = factors.length(
        known.length_m, known.sigma_m, float(ship["length_m"]), background=known.background
    )
    name, name_text = factors.name_read(
        _text(call["vessel_name"]),
        _imo(call["imo"]),
        _text(ship["vessel_name"]),
        _imo(ship["imo"]),
        p_correct=route.priors.p_name_correct,
    )
    if name != 1:
        length_text = f"{length_text}; adds nothing to a name read, which usually rests on it"
    return (length, name), (length_text, name_text)
