"""Silences ready to be weighed: which of them could have held a stay at which port, and the pictures that were taken meanwhile."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from ghostships import units
from ghostships.inference import histories
from ghostships.inference.circumstances import Durations
from ghostships.routes import Port, Route

US = units.US_PER_HOUR
ONE_LOOK_H = 2.0

CHANCE_SHIFTS = (0.31, 0.64)
"""Pictures are moved by these shares of their span to see what chance alone would carry; far enough apart to be two answers."""

Ints = npt.NDArray[np.int64]
Windows = list[tuple[list[tuple[int, int]], list[str], list[float]]]
"""Per port call, the windows of its looks [microseconds], the looks that show it, and their chances of detection."""


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
        # Many scenes have one footprint, and few of them show this port.
        which, footprints = pd.factorize(scenes["wkt"].to_numpy(dtype=object))
        shapes = shapely.from_wkt(footprints)
        covered = np.mean([shapely.intersects_xy(shapes, lon, lat) for lon, lat in points], axis=0)[which]
        shown = covered > 0
        for row, share in zip(scenes[shown].itertuples(index=False), covered[shown], strict=True):
            p = route.sensor(text(row.sensor)).p_detect_berth * row.clear_fraction * float(share)
            if p > 0:
                found.append(((row.start_utc.value + row.end_utc.value) // 2000, min(p, 0.99), str(row.scene_id)))
    absent = sightings[(sightings["observation_type"] == "absent") & (sightings["port"] == port.id)]
    for row in absent.itertuples(index=False):
        if row.end_utc - row.start_utc <= pd.Timedelta(days=1):
            p = route.sensor(text(row.sensor)).p_detect_berth
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


def text(value: object) -> str | None:
    """Text, or None for anything missing."""
    return value if isinstance(value, str) else None


def stays_of(port: Port, route: Route) -> histories.Stays:
    """How long ships stay at a port of this route."""
    p = route.priors
    return histories.Stays(p.stay_median_h, p.stay_log_sd, port.min_stay_h, p.stay_max_h)


@dataclass(frozen=True)
class Case:
    """A gap that could hold a stay somewhere that matters, with its reach by port and the calls it meets."""

    gap: Any
    start_us: int
    duration_h: float
    reach: dict[str, Any]
    is_feasible: bool
    calls: tuple[int, ...]


def span_h(gaps: pd.DataFrame, scenes: pd.DataFrame, as_of_us: int) -> float:
    """Hours from the first silence or picture until "now"."""
    starts = [t.value // 1000 for frame in (gaps, scenes) if len(frame) for t in [frame["start_utc"].min()]]
    return max((as_of_us - min(starts)) / US, 0.0) if starts else 0.0


def within_reach(reach: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per gap, the rows of the ports within reach."""
    by_gap: dict[str, dict[str, Any]] = {}
    for row in reach[reach["verdict"].isin(["feasible", "marginal"])].itertuples(index=False):
        by_gap.setdefault(row.gap_id, {})[row.port] = row
    return by_gap


@dataclass(frozen=True)
class _Met:
    """Calls at one port by the earliest end of their windows, with the latest start; `spread` is the most that lies between."""

    calls: Ints
    until: Ints
    since: Ints
    spread: int

    @staticmethod
    def of(calls: Ints, until: Ints, since: Ints) -> _Met:
        order = np.argsort(until, kind="stable")
        return _Met(calls[order], until[order], since[order], int((until - since).max(initial=0)))

    def between(self, arrival: int, leave: int) -> list[int]:
        """Those that a ship can have made which arrived and left at these times."""
        low, high = self.until.searchsorted(arrival), self.until.searchsorted(leave + self.spread, "right")
        found: list[int] = self.calls[low:high][self.since[low:high] <= leave].tolist()
        return found


def cases(
    gaps: pd.DataFrame,
    reach: pd.DataFrame | dict[str, dict[str, Any]],
    calls: pd.DataFrame,
    windows: Windows,
    route: Route,
    as_of_us: int,
) -> list[Case]:
    """Gaps that fit the dark port, or that meet a dark call at another port within reach.

    Who asks more than once gives what `within_reach` made of `reach`.
    """
    by_gap = within_reach(reach) if isinstance(reach, pd.DataFrame) else reach
    numbers: dict[str, list[int]] = {}
    for c, ports_of_call in enumerate(calls["port"]):
        for port in str(ports_of_call).split("|"):
            numbers.setdefault(port, []).append(c)
    first_end = np.array([min(b for _, b in spans) for spans, _, _ in windows], dtype=np.int64)
    last_start = np.array([max(a for a, _ in spans) for spans, _, _ in windows], dtype=np.int64)
    met_by_port = {port: _Met.of(np.array(cs), first_end[cs], last_start[cs]) for port, cs in numbers.items()}
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
                met += met_by_port[port].between(arrival, leave)
        feasible = route.dark_port_id in ports
        if feasible or met:
            cases.append(Case(gap, start, (end - start) / US, ports, feasible, tuple(sorted(set(met)))))
    return cases


def silence(
    case: Case,
    calls: dict[Any, dict[Any, Any]],
    windows: Windows,
    by_port: dict[str, Watch],
    route: Route,
    legs_nm: dict[tuple[str, str], float],
    durations: Durations,
    *,
    is_bare: bool = False,
) -> histories.Silence:
    """The silence on its grid, with the dark port (if within reach) and every port where it meets a call.

    `is_bare` leaves the calls themselves out: then it has the ports and the pictures, and every stay is one that nobody saw.
    """
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
        for c in () if is_bare else case.calls:
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


def shifted(windows: Windows, by_port: dict[str, Watch], share: float) -> tuple[Windows, dict[str, Watch]]:
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
