"""Where to look next: which port at which time, in an archive or by tasking, would decide most of what is still open.

    expected bits of a picture = sum over undecided trips of  H(trip) - E[ H(trip | "such a ship is seen" or not) ]

A picture of a port at one time shows a ship like the one in question, or does not. How likely that is if the silence was a trip,
and if it was none, follows from the histories of the silence: when it could have been alongside, given its reach, how long stays
last, and the pictures that there are. Other hulls as long as this one make "seen" say less: hulls that nobody knows, calls seen at
that time, and the other undecided ships. "Not seen" says as much as the sensor sees. Trips are taken as independent, so the sum is
what one picture is worth at least (one look at all berths may say more of two ships together than of each alone).

At a counterpart port a silent ship lies with the share of silences that the route gives to dark stays there, before or after its
call at the dark port if there was one. That is why such pictures are rarely worth as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from ghostships import units
from ghostships.inference import factors, silences
from ghostships.inference.alongside import Alongside, Reached, Stayed, waiting
from ghostships.inference.histories import Array
from ghostships.inference.together import one_thread
from ghostships.routes import Port, Route, Sensor

US = units.US_PER_HOUR
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

UNDECIDED = (0.05, 0.95)
"""Trips between these probabilities are asked about."""

MOST_ROWS = 10
LEAST_BITS = 0.01
"""The table holds the ten best pictures, and none that is worth less than this."""

WINDOW_SHARE = 0.8
"""A window is the time around the best moment in which a picture is worth at least this share of it."""

APART_H = 12.0
"""Rows of one port are so far apart: a second picture of the same day mostly shows what the first did."""

NAMED_SHARE = 0.1
"""Trips are named with a picture when they make up at least this share of what it is worth."""

DAYLIGHT_LOCAL_H = (6.0, 18.0)
"""Local hours in which a sensor that needs daylight sees, as for sightings that have a date alone."""


@dataclass(frozen=True)
class _Asked:
    """Undecided trips, one entry each, and their silences; `carried` is the share of each call in pictures that a silence holds."""

    trip_ids: list[str]
    names: list[str]
    gap_ids: list[str]
    p: Array
    length_m: Array
    start_h: Array
    end_h: Array
    is_open: Bools
    fastest_kn: Array
    carried: list[dict[str, float]]

    def __len__(self) -> int:
        return len(self.trip_ids)


@dataclass(frozen=True)
class _Board:
    """One port: its calendar, the stays there that no picture saw, when it was looked at, and who could have been there."""

    port: Port
    calendar: Alongside
    unseen: sparse.csr_array
    watch: silences.Watch
    is_reached: Bools


@dataclass(frozen=True)
class _Presence:
    """Chance to be alongside over time (trip, time): if it was a trip, if it was none, and of stays that no picture saw."""

    if_trip: Array
    if_none: Array
    unseen: Array


@one_thread()
def rank(
    round_trips: pd.DataFrame,
    matches: pd.DataFrame,
    port_calls: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    legs_nm: pd.DataFrame,
    as_of_us: int,
) -> list[dict[str, Any]]:
    """The pictures worth most, best first; each is worth its bits beyond those of the rows above it.

    One entry per port and time window: `port`, `start_utc`, `end_utc`, `is_future`, `sensor`, `bits`, `trip_ids`, `because`. A
    window after "now" is for tasking, all others are for archives. Empty where nothing is undecided.

    Parameters
    ----------
    port_calls : calls that no transmitting ship explains
    legs_nm : sea distance between ports [nm], indexed by port id
    as_of_us : "now" [microseconds]

    Limits: pictures are taken as cloudless. Ships still on their way to the dark port are not in the numbers. Names that a
    picture may show are not counted, nor that it tells two calls apart. Only the first cycle of a silence is asked about.
    """
    asked = _undecided(round_trips, matches, port_calls, gaps, reach, vessels, route, as_of_us)
    if not len(asked):
        return []
    homes = [p for p in route.ports if p.role == "counterpart" and p.id != route.dark_port_id]
    boards = [
        _board(port, asked, reach, sightings, scenes, homes, legs_nm, route) for port in (route.dark_port, *homes)
    ]
    dark, kinds = boards[0], _kinds(asked, boards[0], port_calls, sightings, route)
    at_dark = _at_dark(asked, dark, kinds)
    values, sensors = [], []
    for board in boards:
        there = at_dark if board is dark else _at_home(asked, dark, board, kinds, legs_nm, len(homes), route)
        seen_by = _sensors(board.port, board.calendar.times_h(), route)
        hulls = _strangers(board, port_calls, asked, scenes, route)
        values.append(_values(asked, board, there, hulls, seen_by, route))
        sensors.append(seen_by)
    return _chosen(asked, [b.port for b in boards], values, sensors, at_dark, dark.calendar, as_of_us / US, route)


def _hours(times: pd.Series) -> Array:
    """Hours since 1970; NaN where there is no time."""
    stamps = times.astype("datetime64[us, UTC]")
    return np.where(stamps.isna().to_numpy(), np.nan, stamps.astype("int64").to_numpy(dtype=np.float64) / US)


def _undecided(
    round_trips: pd.DataFrame,
    matches: pd.DataFrame,
    port_calls: pd.DataFrame,
    gaps: pd.DataFrame,
    reach: pd.DataFrame,
    vessels: pd.DataFrame,
    route: Route,
    as_of_us: int,
) -> _Asked:
    low, high = UNDECIDED
    p = round_trips["p_trip"].astype("float64")
    wanted = round_trips[(p >= low) & (p <= high) & round_trips["tier"].isin(["seen", "inferred"])]
    wanted = wanted[wanted["cycle"] == 1].sort_values("trip_id") if "cycle" in wanted else wanted.sort_values("trip_id")
    near = reach[(reach["port"] == route.dark_port_id) & reach["verdict"].isin(["feasible", "marginal"])].set_index(
        "gap_id"
    )
    by_gap = gaps.set_index("gap_id")
    start, end = _hours(by_gap["start_utc"]), _hours(by_gap["end_utc"])
    by_gap = by_gap.assign(start_h=start, end_h=np.where(by_gap["is_open"].to_numpy(dtype=bool), as_of_us / US, end))
    lasted = (by_gap["end_h"] - by_gap["start_h"]).to_dict()
    rows = []
    for trip_id, chain, p_trip in zip(wanted["trip_id"], wanted["gap_ids"], wanted["p_trip"], strict=True):
        # Of silences with short reappearances between them, the call falls into the longest that holds one.
        own = sorted((str(g) for g in chain if g in near.index), key=lambda g: (-lasted[g], g))
        if own:
            rows.append((str(trip_id), own[0], float(p_trip)))
    gap_ids = [g for _, g, _ in rows]
    chosen = by_gap.loc[gap_ids]
    ships = vessels.set_index("vessel_key").loc[chosen["vessel_key"]]
    names = [n if isinstance(n, str) else str(k) for n, k in zip(ships["vessel_name"], ships.index, strict=True)]
    return _Asked(
        [t for t, _, _ in rows],
        names,
        gap_ids,
        np.array([p for _, _, p in rows]),
        ships["length_m"].to_numpy(dtype=np.float64, na_value=np.nan),
        chosen["start_h"].to_numpy(dtype=np.float64),
        chosen["end_h"].to_numpy(dtype=np.float64),
        chosen["is_open"].to_numpy(dtype=bool),
        near.loc[gap_ids, "fastest_kn"].to_numpy(dtype=np.float64),
        _carried(gap_ids, matches, port_calls) if gap_ids else [],
    )


def _carried(gap_ids: Sequence[str], matches: pd.DataFrame, port_calls: pd.DataFrame) -> list[dict[str, float]]:
    """Per silence, how likely it holds each call in pictures: the likeliest of its sightings speaks for the call."""
    call_of = {
        str(s): str(c) for c, ids in zip(port_calls["call_id"], port_calls["sighting_ids"], strict=True) for s in ids
    }
    out: dict[str, dict[str, float]] = {g: {} for g in gap_ids}
    own = matches[matches["gap_id"].isin(set(gap_ids)) & matches["sighting_id"].isin(set(call_of))]
    for gap_id, sighting_id, p in zip(own["gap_id"], own["sighting_id"], own["p_match"], strict=True):
        calls, call = out[str(gap_id)], call_of[str(sighting_id)]
        calls[call] = max(calls.get(call, 0.0), float(p))
    return [out[g] for g in gap_ids]


def _board(
    port: Port,
    asked: _Asked,
    reach: pd.DataFrame,
    sightings: pd.DataFrame,
    scenes: pd.DataFrame,
    homes: Sequence[Port],
    legs_nm: pd.DataFrame,
    route: Route,
) -> _Board:
    here = reach[(reach["port"] == port.id) & reach["verdict"].isin(["feasible", "marginal"])].set_index("gap_id")
    here = here.reindex(asked.gap_ids)
    from_h = _hours(here["earliest_arrival_utc"]) - asked.start_h
    back_nm = min((_leg_nm(legs_nm, port.id, h.id) for h in homes if h.id != port.id), default=0.0)
    back_h = np.where(asked.is_open, back_nm / asked.fastest_kn, np.nan)
    to_h = np.where(asked.is_open, back_h, asked.end_h - _hours(here["latest_departure_utc"]))
    is_reached = np.isfinite(from_h) & np.isfinite(to_h)
    beyond = asked.end_h - asked.start_h + 1.0
    calendar = Alongside(
        Reached(
            asked.start_h,
            asked.end_h,
            asked.is_open,
            # Out of reach: it would arrive after the end.
            np.where(is_reached, from_h, 2 * beyond),
            np.where(is_reached, to_h, 2 * beyond),
        ),
        silences.stays_of(port, route),
        route.priors.before_mean_h,
        from_h=float(asked.start_h.min()),
        until_h=float(asked.end_h.max()),
    )
    watch = silences.looks(scenes, sightings, port, route)
    return _Board(port, calendar, calendar.unseen([(t / US, p) for t, p, _ in watch.looks]), watch, is_reached)


def _leg_nm(legs_nm: pd.DataFrame, one: str, other: str) -> float:
    """Sea distance between two ports [nm]; 0 where it is not known, so that nothing is called too far."""
    leg = float(legs_nm.loc[[one], [other]].to_numpy(dtype=np.float64)[0, 0])
    return leg if leg == leg else 0.0


Kinds = list[list[tuple[float, Stayed]]]
"""Per trip, the ways in which it may have called at the dark port, each with its share: seen in a call, or by nobody."""


def _kinds(asked: _Asked, dark: _Board, port_calls: pd.DataFrame, sightings: pd.DataFrame, route: Route) -> Kinds:
    wanted = {c for carried in asked.carried for c in carried}
    times = sightings.set_index("sighting_id")[["start_utc", "end_utc", "scene_id", "sensor"]]
    looks = [(t / US, p, look) for t, p, look in dark.watch.looks]
    calls: dict[str, Stayed] = {}
    own_calls = port_calls[port_calls["call_id"].isin(wanted)].sort_values("call_id")
    columns = (own_calls["call_id"], own_calls["port"], own_calls["sighting_ids"])
    for call_id, port, ids in zip(*columns, strict=True):
        if route.dark_port_id not in str(port).split("|"):
            continue
        seen = times.loc[[str(s) for s in ids]].sort_values(["start_utc", "end_utc", "scene_id"])
        windows = list(zip(_hours(seen["start_utc"]).tolist(), _hours(seen["end_utc"]).tolist(), strict=True))
        of_look = [dark.watch.of_scene.get(s) if isinstance(s, str) else None for s in seen["scene_id"]]
        one = dark.calendar.pictured(windows, frozenset(x for x in of_look if x is not None), (), looks)
        if one is not None:
            calls[str(call_id)] = one
    kinds: Kinds = []
    for n, carried in enumerate(asked.carried):
        own = sorted((c, share) for c, share in carried.items() if c in calls and share > 0)
        held = [(share, calls[c]) for c, share in own if _weight(dark.calendar, n, calls[c]) > 0]
        total = math.fsum(share for share, _ in held)
        p = float(asked.p[n])
        scale = min(1.0, p / total) if total > 0 else 0.0
        ways: list[tuple[float, Stayed]] = [(share * scale / p, call) for share, call in held]
        rest = max(1.0 - math.fsum(share for share, _ in ways), 0.0)
        if rest > 0 and _weight(dark.calendar, n, dark.unseen) > 0:
            ways.append((rest, dark.unseen))
        kinds.append(ways)
    return kinds


def _weight(calendar: Alongside, n: int, stays: Stayed) -> float:
    return float(calendar.arriving[n] @ calendar.ahead(calendar.worth[n], stays))


def _at_dark(asked: _Asked, dark: _Board, kinds: Kinds) -> _Presence:
    """At the dark port: only ships on a trip lie there."""
    calendar = dark.calendar
    if_trip, unseen = np.zeros((len(asked), calendar.n)), np.zeros((len(asked), calendar.n))
    for n, ways in enumerate(kinds):
        for share, stays in ways:
            there = (
                share * calendar.presence(calendar.arriving[n], calendar.worth[n], stays) / _weight(calendar, n, stays)
            )
            if_trip[n] += there
            if stays is dark.unseen:
                unseen[n] += asked.p[n] * there
    return _Presence(np.minimum(if_trip, 1.0), np.zeros_like(if_trip), unseen)


def _at_home(
    asked: _Asked, dark: _Board, home: _Board, kinds: Kinds, legs_nm: pd.DataFrame, n_homes: int, route: Route
) -> _Presence:
    """At a counterpart port: alone in the silence, or before or after the call at the dark port."""
    calendar, prior = home.calendar, route.priors.p_visit_counterpart / n_homes
    shape = (len(asked), calendar.n)
    if_trip, if_none = np.zeros(shape), np.zeros(shape)
    lost = waiting(calendar.n, route.priors.before_mean_h, calendar.step_h)
    leg_nm = _leg_nm(legs_nm, dark.port.id, home.port.id)
    for n in np.flatnonzero(home.is_reached).tolist():
        arriving, worth = calendar.arriving[n], calendar.worth[n]
        alone = _weight(calendar, n, home.unseen)
        if alone > 0:
            if_none[n] = prior * calendar.presence(arriving, worth, home.unseen) / alone
        gone, ahead = np.zeros(calendar.n), np.zeros(calendar.n)
        for share, stays in kinds[n]:
            scale = share / _weight(dark.calendar, n, stays)
            gone += scale * dark.calendar.gone(dark.calendar.arriving[n], stays)
            ahead += scale * dark.calendar.ahead(dark.calendar.worth[n], stays)
        leg = int(leg_nm / asked.fastest_kn[n] / calendar.step_h)
        after = _later(np.convolve(gone, lost)[: calendar.n], leg)
        before = _later(np.convolve(ahead[::-1], lost)[: calendar.n], leg)[::-1]
        both = float(after @ calendar.ahead(worth, home.unseen)) + float(arriving @ calendar.ahead(before, home.unseen))
        if both > 0:
            there = calendar.presence(after, worth, home.unseen) + calendar.presence(arriving, before, home.unseen)
            # How much better or worse the silence fits a second stay tells how likely there was one.
            p_both = prior * both / (1 - prior + prior * both)
            if_trip[n] = p_both * there / both
    return _Presence(np.minimum(if_trip, 1.0), np.minimum(if_none, 1.0), np.zeros(shape))


def _later(values: Array, steps: int) -> Array:
    return np.concatenate([np.zeros(min(steps, len(values))), values[: max(len(values) - steps, 0)]])


def _sensors(port: Port, times_h: Array, route: Route) -> Ints:
    """Per time, the number of the sensor of the route that sees most at a berth then."""
    local = (times_h + port.utc_offset_h) % 24
    is_day = (local >= DAYLIGHT_LOCAL_H[0]) & (local < DAYLIGHT_LOCAL_H[1])
    known = [n for n, s in enumerate(route.sensors) if s.kind != "other"] or list(range(len(route.sensors)))
    sees = np.zeros((len(known), len(times_h)))
    for row, n in enumerate(known):
        sensor = route.sensors[n]
        sees[row] = np.where(is_day | (not sensor.needs_daylight), sensor.p_detect_berth, 0.0)
    return np.asarray(np.array(known)[np.argmax(sees, axis=0)], dtype=np.int64)


@dataclass(frozen=True)
class _Hulls:
    """Other hulls at a port: calls in pictures (when, how long, and how likely the ship of each trip made them, if it was one), and
    how many hulls that nobody knows lie there at any time."""

    first_h: Array
    last_h: Array
    length_m: Array
    sigma_m: Array
    own_if_trip: Array
    unknown: float


def _strangers(board: _Board, port_calls: pd.DataFrame, asked: _Asked, scenes: pd.DataFrame, route: Route) -> _Hulls:
    at_port = [board.port.id in str(port).split("|") for port in port_calls["port"]]
    here = port_calls[np.array(at_port, dtype=bool)].sort_values("call_id")
    ids = [str(c) for c in here["call_id"]]
    carried = np.array([[own.get(c, 0.0) for c in ids] for own in asked.carried]).reshape(len(asked), len(ids))
    priors, stays = route.priors, silences.stays_of(board.port, route)
    per_h = priors.unknown_hulls_per_day / 24
    times = board.calendar.times_h()
    watched_h = silences.watched_hours(board.watch.looks, stays, float(times[-1] - times[0])) if len(scenes) else 0.0
    if watched_h > 0:
        # All calls seen count as others here: for the question whether another hull lies there, whose it is does not matter.
        strength_h = priors.unknown_hull_strength_days * 24
        per_h = (per_h * strength_h + len(ids)) / (strength_h + watched_h)
    masses = stays.masses(board.calendar.step_h)
    mean_h = float(masses @ np.arange(len(masses))) * board.calendar.step_h
    return _Hulls(
        _hours(here["arrival_not_after_utc"]),
        _hours(here["departure_not_before_utc"]),
        here["length_m"].to_numpy(dtype=np.float64, na_value=np.nan),
        np.nan_to_num(here["length_sigma_m"].to_numpy(dtype=np.float64, na_value=np.nan)),
        np.minimum(carried / asked.p[:, None], 1.0),
        per_h * mean_h,
    )


def _values(asked: _Asked, board: _Board, there: _Presence, hulls: _Hulls, seen_by: Ints, route: Route) -> Array:
    """Expected bits of a picture for each trip (row) over time; 0 where the port was looked at within two hours."""
    times = board.calendar.times_h()
    out = np.zeros((len(asked), len(times)))
    covers = (hulls.first_h[:, None] <= times) & (times <= hulls.last_h[:, None])
    middle = (route.priors.trade_length_min_m + route.priors.trade_length_max_m) / 2
    for number in np.unique(seen_by):
        sensor = route.sensors[number]
        own = seen_by == number
        error = math.hypot(sensor.length_sigma_m, factors.OWN_LENGTH_SIGMA_M)
        spread = math.hypot(route.priors.hull_length_sd_m, error)
        fresh = error / spread * np.exp(-0.5 * ((asked.length_m - middle) / spread) ** 2)
        n_like = hulls.unknown * np.where(np.isnan(fresh), 1.0, fresh)[:, None] + np.zeros(own.sum())
        alike = _like(asked.length_m, asked.length_m, np.full(len(asked), error))
        np.fill_diagonal(alike, 0.0)
        n_like += alike @ there.unseen[:, own]
        # Hulls that nobody knows are as good as Poisson. A call in pictures is a hull that lies there: this ship's or another's if
        # the silence was a trip, another's if it was none.
        p_seen = sensor.p_detect_berth
        taken = p_seen * _like(asked.length_m, hulls.length_m, np.hypot(error, hulls.sigma_m))
        known = covers[:, own].astype(np.float64)
        missed_if_trip = np.exp(np.log1p(-taken * (1 - hulls.own_if_trip)) @ known - p_seen * n_like)
        missed_if_none = np.exp(np.log1p(-taken) @ known - p_seen * n_like)
        seen_if_trip = 1 - (1 - p_seen * there.if_trip[:, own]) * missed_if_trip
        seen_if_none = 1 - (1 - p_seen * there.if_none[:, own]) * missed_if_none
        out[:, own] = information(asked.p[:, None], seen_if_trip, seen_if_none)
    looked = np.array([t / US for t, _, _ in board.watch.looks])
    if len(looked):
        at = np.searchsorted(looked, times)
        nearest = np.minimum(
            np.abs(times - looked[np.maximum(at - 1, 0)]), np.abs(times - looked[np.minimum(at, len(looked) - 1)])
        )
        out[:, nearest <= silences.ONE_LOOK_H] = 0.0
    return out


def _like(one_m: Array, other_m: Array, error_m: Array) -> Array:
    """How easily hulls (columns) are taken for ships (rows), by their lengths; 1 where one is not known."""
    away = (one_m[:, None] - other_m[None, :]) / error_m[None, :]
    like = np.exp(-0.5 * away**2)
    return np.where(np.isnan(like), 1.0, like)


def information(p: npt.ArrayLike, seen_if_true: npt.ArrayLike, seen_if_not: npt.ArrayLike) -> Array:
    """Bits that "seen or not" is expected to tell about a hypothesis of probability `p`."""
    prior, a, b = (np.asarray(v, dtype=np.float64) for v in (p, seen_if_true, seen_if_not))
    told = entropy(prior * a + (1 - prior) * b) - prior * entropy(a) - (1 - prior) * entropy(b)
    return np.asarray(np.maximum(told, 0.0))


def entropy(p: npt.ArrayLike) -> Array:
    """Entropy of a yes or no [bits]."""
    q = np.clip(np.asarray(p, dtype=np.float64), 1e-15, 1 - 1e-15)
    return np.asarray(-q * np.log2(q) - (1 - q) * np.log2(1 - q))


def _chosen(
    asked: _Asked,
    ports: Sequence[Port],
    values: Sequence[Array],
    sensors: Sequence[Ints],
    at_dark: _Presence,
    calendar: Alongside,
    now_h: float,
    route: Route,
) -> list[dict[str, Any]]:
    """The best picture, then the best beyond it, and so on: what is decided already is worth nothing again."""
    times = calendar.times_h()
    is_future = times > now_h
    open_share, whole = np.ones(len(asked)), entropy(asked.p)
    free = [np.ones(len(times), dtype=bool) for _ in ports]
    rows: list[dict[str, Any]] = []
    while len(rows) < MOST_ROWS:
        worth = [np.round(np.where(ok, open_share @ value, 0.0), 6) for ok, value in zip(free, values, strict=True)]
        where = max(range(len(ports)), key=lambda i: (float(worth[i].max()), -i))
        best = int(np.argmax(worth[where]))
        peak = float(worth[where][best])
        if peak < LEAST_BITS:
            break
        same = (worth[where] >= WINDOW_SHARE * peak) & free[where]
        same &= (is_future == is_future[best]) & (sensors[where] == sensors[where][best])
        low, high = best, best
        while low > 0 and same[low - 1]:
            low -= 1
        while high + 1 < len(times) and same[high + 1]:
            high += 1
        each = open_share * values[where][:, best]
        order = sorted(range(len(asked)), key=lambda n: (-round(float(each[n]), 6), asked.trip_ids[n]))
        named = [n for n in order if each[n] >= NAMED_SHARE * each.sum()] or order[:1]
        start, end = (
            pd.Timestamp(round(t * US), unit="us", tz="UTC") for t in (times[low], times[high] + calendar.step_h)
        )
        sensor = route.sensors[int(sensors[where][best])]
        future = bool(is_future[best])
        rows.append(
            {
                "port": ports[where].id,
                "start_utc": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "end_utc": f"{end:%Y-%m-%dT%H:%M:%SZ}",
                "is_future": future,
                "sensor": sensor.id,
                "bits": round(peak, 3),
                "trip_ids": [asked.trip_ids[n] for n in named],
                "because": _sentence(
                    asked, named, ports[where], start, end, sensor, future, at_dark, best, where, route
                ),
            }
        )
        open_share *= np.clip(1.0 - values[where][:, best] / whole, 0.0, 1.0)
        free[where][(times >= times[low] - APART_H) & (times <= times[high] + APART_H)] = False
    return rows


def _sentence(
    asked: _Asked,
    named: Sequence[int],
    port: Port,
    start: pd.Timestamp,
    end: pd.Timestamp,
    sensor: Sensor,
    future: bool,
    at_dark: _Presence,
    best: int,
    where: int,
    route: Route,
) -> str:
    first = named[0]
    kind = {"optical": "an optical picture", "radar": "a radar picture"}.get(sensor.kind, "a picture")
    how = "to be taken" if future else "from an archive"
    when = f"{port.name}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, {kind} {how}"
    ship = f"{asked.names[first]} (p {asked.p[first]:.2f})"
    if where == 0:
        there = at_dark.if_trip[first, best]
        chance = "over 0.99" if there > 0.99 else f"{there:.2f}"
        why = f"if the silence of {ship} held a call, it lay there then with probability {chance}"
    else:
        why = f"a dark stay of {ship} there would tell how much time was left for a call at {route.dark_port.name}"
    more = len(named) - 1
    return f"{when}: {why}" + (
        f"; {more} more undecided trip{'s hang' if more > 1 else ' hangs'} on it" if more else ""
    )
