"""The same stay, or another? How long stays last at a port, and whether one more look at a ship belongs to one.

E[(D - x)+], D the length of a stay: proportional to the chance that a stay begun at any time covers two looks x hours
apart.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import shapely
from scipy.optimize import linear_sum_assignment

from ghostships.inference.looks import (
    SAME_LENGTH_SIGMAS,
    Apart,
    Look,
    are_apart,
    great_circle_km,
    hours_of,
    in_time,
    number_of,
    plain_name,
    same_ship,
    text_of,
)
from ghostships.routes import Port, Route
from ghostships.units import nm

Distance = Callable[[str, str], float | None]

OUTSIDE_TRADE_SIGMAS = 1.645
"""A length is outside the trade when it is so with 95 % one-sided certainty: 190 +- 12 m against a limit of 170 m
is."""
P_SEEN_BY_ANALYST = 0.98
"""How surely a published "no ship at the berth" means that there was none (own judgement; it is not certainty)."""
P_SEEN_TYPICALLY = 0.8
"""Chance that a picture of the berths shows a ship alongside, when one is asked whether another was missed (own judgement)."""
BOUND_P_SEEN = 0.8
"""A picture bounds a call only when it would have shown the ship with at least this probability."""
LAY_UP_FACTOR = 4.0
"""Stays away from the dark port last longer: LADY R lay at Vladivostok from 10 February to 7 March 2024, four times
the longest stay at Najin in the route file (NK News via KBS World, 2024-03-11)."""
SHOWN_P = 0.05
"""From here on a possible continuation is shown beside the new call."""
# Ships of this trade unload first and load then. Chance of the next picture's berth, given the berth before: own
# judgement from the published shifts (10 and 11 October, 26 and 27 October, 17 to 19 December 2023, 10 and 12 March
# 2024: four of four in this order).
NEXT_BERTH = {
    ("unloading", "unloading"): 0.5,
    ("unloading", "loading"): 0.5,
    ("loading", "loading"): 0.95,
    ("loading", "unloading"): 0.05,
}
FIRST_BERTH = {"unloading": 0.4, "loading": 0.6}


@dataclass
class Empty:
    """A look at a port in which a hull was not seen: `calls` are those that the same picture does show."""

    start_h: float
    end_h: float
    berth: str | None
    p_seen: float
    what: str
    scene: str | None
    calls: set[int] = field(default_factory=set)


@dataclass
class Stay:
    """A call while it grows."""

    seen: list[Look]
    p_steps: list[float] = field(default_factory=list)
    continues: int | None = None
    p_continues: float | None = None

    def length(self) -> tuple[float | None, float]:
        """Lengths of independent looks, weighted by their errors."""
        known = [(s.length_m, s.sigma_m) for s in self.seen if s.length_m is not None]
        if not known:
            return None, 0.0
        weights = [1 / sigma**2 for _, sigma in known]
        total = sum(weights)
        return sum(m * w for (m, _), w in zip(known, weights, strict=True)) / total, 1 / math.sqrt(total)

    def first(self, what: str) -> Any:
        return next((value for s in self.seen if (value := getattr(s, what)) is not None), None)


def named_elsewhere(sightings: pd.DataFrame) -> list[tuple[float, float, str, dict[str, Any]]]:
    """Every statement that puts a named ship somewhere, transponder statements included."""
    out = []
    for row in sightings[sightings["observation_type"].isin(["vessel", "ais"])].to_dict("records"):
        who: dict[str, Any] = {"ship": None, "imo": number_of(row["imo"]), "name": plain_name(row["vessel_name"])}
        port = text_of(row["port"])
        if port is not None and "|" not in port and (who["imo"] is not None or who["name"] is not None):
            out.append((hours_of(row["start_utc"]), hours_of(row["end_utc"]), port, who))
    return sorted(out, key=lambda item: (item[0], item[1], item[2], str(item[3])))


def empty_looks(
    sightings: pd.DataFrame, scenes: pd.DataFrame, ports: list[str], route: Route
) -> dict[str, list[Empty]]:
    """Looks at each port in which a hull could have been missing: statements of absence, pictures that cover it."""
    out: dict[str, list[Empty]] = {port: [] for port in ports}
    for row in sightings[sightings["observation_type"] == "absent"].to_dict("records"):
        port = text_of(row["port"])
        if port in out:
            what = f"{row['sighting_id']}: no ship"
            start, end = hours_of(row["start_utc"]), hours_of(row["end_utc"])
            out[port].append(Empty(start, end, text_of(row["berth"]), P_SEEN_BY_ANALYST, what, None))
    if len(scenes):
        footprints = shapely.from_wkt(scenes["wkt"].to_numpy(dtype=object))
        for name in ports:
            found = route.find_port(name)
            if found is None:
                continue
            covers = shapely.contains_xy(footprints, found.lon_deg, found.lat_deg)
            for row in scenes[covers].to_dict("records"):
                p_seen = route.sensor(text_of(row["sensor"])).p_detect_berth * float(row["clear_fraction"])
                scene, start, end = str(row["scene_id"]), hours_of(row["start_utc"]), hours_of(row["end_utc"])
                out[name].append(Empty(start, end, None, p_seen, f"scene {scene}: no such ship", scene))
    return {port: sorted(found, key=lambda e: (e.start_h, e.end_h, e.what)) for port, found in out.items()}


def fewest_hours(route: Route, distance_nm: Distance | None) -> Callable[[str, str, float | None], float]:
    """Fewest hours between two ports for a ship of a length; 0 where nothing is known (never called impossible)."""

    ways: dict[tuple[str, str], float] = {}

    def way_nm(one: str, other: str) -> float:
        a, b = route.find_port(one), route.find_port(other)
        if a is None or b is None or a.id == b.id:
            return 0.0
        by_sea = distance_nm(a.id, b.id) if distance_nm else None
        if by_sea is None:
            here = (a.roadstead_lat_deg, a.roadstead_lon_deg)
            by_sea = nm(great_circle_km(*here, b.roadstead_lat_deg, b.roadstead_lon_deg))
        return by_sea

    def hours(one: str, other: str, length_m: float | None) -> float:
        if (one, other) not in ways:
            ways[one, other] = way_nm(one, other)
        return ways[one, other] / route.default_top_speed_kn(length_m)

    return hours


class Berthing:
    """Stays at one port: how long they last, and whether a look belongs to one."""

    def __init__(
        self,
        route: Route,
        port: str,
        leg: Callable[[str, str, float | None], float],
        elsewhere: list[tuple[float, float, str, dict[str, Any]]],
        empties: list[Empty],
        apart: Apart = frozenset(),
    ) -> None:
        self.route, self.port, self.leg, self.apart = route, port, leg, apart
        self.elsewhere = [item for item in elsewhere if item[2] not in port.split("|")]
        self.elsewhere_starts = [item[0] for item in self.elsewhere]
        self.empties = empties
        self.empty_starts = [e.start_h for e in empties]
        self.by_scene = {e.scene: e for e in empties if e.scene is not None}
        self.ports = [p for part in port.split("|") if (p := route.find_port(part))]
        priors = route.priors
        scale = 1.0 if route.dark_port_id in port.split("|") else LAY_UP_FACTOR
        self.max_h = priors.stay_max_h * scale
        self.mean_h = priors.stay_median_h * scale * math.exp(priors.stay_log_sd**2 / 2)
        # E[(D - x)+] of a stay D, which is proportional to the chance that a stay begun at any time covers two looks x
        # hours apart.
        self.grid_h = np.linspace(0.0, self.max_h, 673)
        middle = (self.grid_h[1:] + self.grid_h[:-1]) / 2
        density = np.exp(-0.5 * (np.log(middle / (priors.stay_median_h * scale)) / priors.stay_log_sd) ** 2) / middle
        share = np.append(density / density.sum(), 0.0)
        lasting = np.append(np.cumsum(share[:-1][::-1])[::-1], 0.0)
        step = self.grid_h[1]
        self.covers = np.append(np.cumsum((lasting[:-1] * step)[::-1])[::-1], 0.0)
        # Another hull comes at the rate of the whole trade: one stay and one pause after another.
        self.per_h = 1.0 / (self.mean_h + priors.between_mean_h)
        self.berths = {b.id: b for p in self.ports for b in p.berths}
        self._turnarounds: dict[float | None, float] = {}

    def join(self, looks: list[Look], settled: Sequence[Stay] = ()) -> list[Stay]:
        """Looks in order of time into calls; the looks of one picture go to different calls, the best way together.

        The calls of `settled` come first, and no look joins them.
        """
        watched = sum(e.p_seen for e in self.empties if e.scene is not None)
        if watched > 0:
            # Where every picture is listed, they tell how busy the port is: hulls alongside on average, each for a mean stay.
            self.per_h = max(self.per_h, len(looks) / watched / self.mean_h)
        calls: list[Stay] = list(settled)
        for index, call in enumerate(calls):
            for scene in frozenset().union(*(s.scenes for s in call.seen)) & self.by_scene.keys():
                self.by_scene[scene].calls.add(index)
        batches: dict[str, list[Look]] = {}
        for seen in looks:
            batches.setdefault(seen.batch, []).append(seen)
        live = len(calls)
        for batch in sorted(batches.values(), key=lambda b: in_time(b[0])):
            first_h = min(s.start_h for s in batch)
            while live < len(calls) and first_h - max(s.end_h for s in calls[live].seen) > self.max_h:
                live += 1
            recent = list(range(live, len(calls)))
            p = np.array([[self.p_same(calls[c], s, c) for s in batch] for c in recent]).reshape(
                len(recent), len(batch)
            )
            gain = np.log(np.clip(p, 1e-9, 1 - 1e-9) / np.clip(1 - p, 1e-9, 1))
            chosen = dict(zip(*reversed(linear_sum_assignment(-np.maximum(gain, 0.0))), strict=True)) if recent else {}
            for n, seen in enumerate(batch):
                at = int(chosen.get(n, -1))
                if at >= 0 and p[at, n] >= 0.5:
                    index = recent[at]
                    calls[index].seen.append(seen)
                    calls[index].p_steps.append(float(p[at, n]))
                else:
                    index = len(calls)
                    calls.append(Stay([seen]))
                    best = int(np.argmax(np.where(p[:, n] < 0.5, p[:, n], 0.0))) if recent else -1
                    if best >= 0 and SHOWN_P <= p[best, n] < 0.5:
                        calls[index].continues, calls[index].p_continues = recent[best], float(p[best, n])
                for scene in seen.scenes & self.by_scene.keys():
                    self.by_scene[scene].calls.add(index)
        return calls

    def p_same(self, call: Stay, seen: Look, index: int) -> float:
        """Probability that a look shows the stay that a call has shown so far."""
        if seen.start_h - min([s.end_h for s in call.seen]) > self.max_h:
            return 0.0
        if any(s.batch == seen.batch or not s.scenes.isdisjoint(seen.scenes) for s in call.seen):
            return 0.0
        if self.apart and are_apart((i for s in call.seen for i in s.ids), seen.ids, self.apart):
            return 0.0
        named = same_ship(
            {"ship": call.first("ship"), "imo": call.first("imo"), "name": plain_name(call.first("name"))},
            {"ship": seen.ship, "imo": seen.imo, "name": plain_name(seen.name)},
        )
        if named is False:
            return 0.0
        odds_length = self._length_odds(call, seen) if named is None else 1.0
        if odds_length == 0.0:
            return 0.0
        last = max(call.seen, key=_middle)
        first = min(call.seen, key=_middle)
        if self._was_elsewhere(call, seen, last):
            return 0.0
        so_far = self._cover(first, last) if first is not last else float(self.covers[0])
        held = min(1.0, self._cover(first, seen) / so_far) if so_far > 0 else 0.0
        stayed, gone = held * self._unseen_between(call, last, seen, index), 1.0 - held
        pauses = np.maximum(_instants(seen)[None, :] - _instants(last)[:, None], 0.0)
        if named:
            # It must have left early enough to be back; then half of what is left is its mean time to return.
            spare = np.maximum(pauses - self._turnaround_h(seen.length_m), 0.0)
            in_time = spare / np.maximum(pauses, 1.0)
            other = gone * float(np.mean(in_time * -np.expm1(-spare / 2 / self.route.priors.between_mean_h)))
        else:
            # Another hull came: after this one left, or while it lay there and this picture missed it.
            missed = 1 - P_SEEN_TYPICALLY if seen.scenes & self.by_scene.keys() else 0.0
            came = float(np.mean(-np.expm1(-self.per_h * np.minimum(pauses / 2, self.mean_h))))
            other = (gone + (1 - gone) * missed) * came
        odds_berth = self._berth_odds(last.berth, seen.berth)
        weight = stayed * odds_length * odds_berth
        return weight / (weight + other) if weight > 0 else 0.0

    def _cover(self, one: Look, other: Look) -> float:
        """Chance, up to a factor, that one stay covers an instant of each window; over both windows evenly."""
        spans = np.abs(_instants(other)[None, :] - _instants(one)[:, None])
        return float(np.mean(np.interp(spans, self.grid_h, self.covers)))

    def _length_odds(self, call: Stay, seen: Look) -> float:
        """Same hull against any hull of the trade, by length; 1 where one is missing, 0 where too far apart."""
        length, sigma = call.length()
        if length is None or seen.length_m is None:
            return 1.0
        both = math.hypot(sigma, seen.sigma_m)
        apart = seen.length_m - length
        if abs(apart) > SAME_LENGTH_SIGMAS * both:
            return 0.0
        priors = self.route.priors
        middle = (priors.trade_length_min_m + priors.trade_length_max_m) / 2
        return _normal(apart, both) / _normal(seen.length_m - middle, math.hypot(priors.hull_length_sd_m, seen.sigma_m))

    def _was_elsewhere(self, call: Stay, seen: Look, last: Look) -> bool:
        """The named ship was at another port between the two looks."""
        who = {"ship": None, "imo": call.first("imo") or seen.imo, "name": plain_name(call.first("name") or seen.name)}
        at = bisect_left(self.elsewhere, last.end_h, key=lambda item: item[0])
        for start, end, _, other in self.elsewhere[at:]:
            if start > seen.start_h:
                break
            if end <= seen.start_h and same_ship(who, other):
                return True
        return False

    def _unseen_between(self, call: Stay, last: Look, seen: Look, index: int) -> float:
        """Chance that the ship was there and every picture between the two looks missed it."""
        chance = 1.0
        at = bisect_left(self.empty_starts, last.end_h)
        for empty in self.empties[at:]:
            if empty.start_h > seen.start_h:
                break
            if empty.end_h > seen.start_h or index in empty.calls:
                continue
            if empty.scene is None and (empty.berth is None or empty.berth == last.berth == seen.berth):
                return 0.0
            chance *= 1.0 - empty.p_seen * self._there(empty.berth, last.berth, seen.berth)
        return chance

    def _there(self, berth: str | None, before: str | None, after: str | None) -> float:
        """Chance that a ship in port lay at the berth a picture shows, given the berths before and after."""
        if berth is None:
            return 1.0
        if berth in (before, after):
            return 0.5
        return 0.0 if before and after else 1.0 / max(1, sum(b.in_trade for b in self.berths.values()))

    def _turnaround_h(self, length_m: float | None) -> float:
        """Fewest hours to leave, call at the nearest counterpart port and be back."""
        if length_m not in self._turnarounds:
            self._turnarounds[length_m] = self._fewest_away_h(length_m)
        return self._turnarounds[length_m]

    def _fewest_away_h(self, length_m: float | None) -> float:
        here = [p.id for p in self.ports]
        others = [p for p in self.route.ports if p.role != "alternative" and p.id not in here]
        trips = [2 * self.leg(h, p.id, length_m) + p.min_stay_h for h in here for p in others]
        return min(trips, default=0.0)

    def _berth_odds(self, before: str | None, after: str | None) -> float:
        """The order of work: unloading then loading speaks for one stay, loading then unloading for two."""
        uses = [self.berths[b].use if b in self.berths else "" for b in (before, after)]
        if uses[1] not in FIRST_BERTH or (uses[0], uses[1]) not in NEXT_BERTH:
            return 1.0
        return NEXT_BERTH[uses[0], uses[1]] / FIRST_BERTH[uses[1]]

    # --- what is told of a call ---

    def row(self, own: int, call: Stay, ids: list[str]) -> dict[str, Any]:
        """One row of the table `port_calls`."""
        seen = sorted(call.seen, key=_middle)
        length, sigma = call.length()
        not_before, why_before = self._bound(call, seen[0], before=True)
        not_after, why_after = self._bound(call, seen[-1], before=False)
        ship = call.first("ship")
        berths = [b for n, s in enumerate(seen) if (b := s.berth) and b not in [x.berth for x in seen[:n]][-1:]]
        sightings = [i for s in seen for i in s.ids]
        lat, lon = self._point(seen)
        return {
            "call_id": ids[own],
            "port": self.port,
            "arrival_not_before_utc": not_before,
            "arrival_not_after_utc": moment_of(min(s.end_h for s in seen)),
            "departure_not_before_utc": moment_of(max(s.start_h for s in seen)),
            "departure_not_after_utc": not_after,
            "n_sightings": len(seen),
            "length_m": None if length is None else round(length, 1),
            "berths": berths,
            "kind": "unattributed" if ship is None else "transmitting",
            "vessel_key": ship,
            "mmsi": int(ship[5:]) if ship and ship.startswith("mmsi:") and ship[5:].isdigit() else None,
            "p_vessel": None,
            "vessel_name": call.first("name"),
            "imo": call.first("imo"),
            "length_sigma_m": None if length is None else round(sigma, 1),
            "in_trade": self._in_trade([s.berth for s in seen if s.berth], length, sigma),
            "sighting_ids": sightings,
            "continues_call_id": None if call.continues is None else ids[call.continues],
            "p_continues": None if call.p_continues is None else round(call.p_continues, 6),
            "lat_deg": lat,
            "lon_deg": lon,
            "because": self._because(call, seen, berths, [why_before, why_after]),
        }

    def _bound(self, call: Stay, edge: Look, *, before: bool) -> tuple[pd.Timestamp | None, str]:
        """Last clear look without the ship before the first sighting (or first after the last), or its stay elsewhere."""
        low, high = min(s.start_h for s in call.seen), max(s.end_h for s in call.seen)
        found: list[tuple[float, str]] = []
        scenes = frozenset().union(*(s.scenes for s in call.seen))
        for empty in self._near(self.empties, self.empty_starts, low, high, before):
            fits = empty.berth is None or empty.berth == edge.berth
            if empty.p_seen < BOUND_P_SEEN or not fits or (empty.scene is not None and empty.scene in scenes):
                continue
            if before and empty.end_h <= low:
                found.append((empty.start_h, empty.what))
            if not before and empty.start_h >= high:
                found.append((empty.end_h, empty.what))
        who = {"ship": None, "imo": call.first("imo"), "name": plain_name(call.first("name"))}
        named = [] if who["imo"] is None and who["name"] is None else self.elsewhere
        for start, end, port, other in self._near(named, self.elsewhere_starts, low, high, before):
            if not same_ship(who, other):
                continue
            hours = min((self.leg(port, p.id, call.length()[0]) for p in self.ports), default=0.0)
            if before and end <= low and start + hours <= low:
                found.append((start + hours, f"named at {port} before"))
            if not before and start >= high and end - hours >= high:
                found.append((end - hours, f"named at {port} after"))
        if not found:
            return None, ""
        at, why = max(found) if before else min(found)
        return moment_of(at), f"{'arrived after' if before else 'left by'} {moment_of(at):%Y-%m-%d %H:%M} UTC ({why})"

    def _near(self, looks: list[Any], starts: list[float], low: float, high: float, before: bool) -> list[Any]:
        """Those looks that begin within the longest lay-up before `low`, or after `high`; others bound nothing."""
        reach = self.max_h if self.max_h > self.route.priors.stay_max_h else self.max_h * LAY_UP_FACTOR
        if not looks:
            return []
        if before:
            return looks[bisect_left(starts, low - reach) : bisect_right(starts, low)]
        return looks[bisect_left(starts, high) : bisect_right(starts, high + reach)]

    def _in_trade(self, berths: list[str], length: float | None, sigma: float) -> bool:
        priors = self.route.priors
        # Radar puts a ship at the next pier often enough: the berth it was seen at most often decides, and a tie is in doubt.
        outside = sum(b in self.berths and not self.berths[b].in_trade for b in berths)
        if outside > len(berths) / 2:
            return False
        margin = OUTSIDE_TRADE_SIGMAS * sigma
        return length is None or (
            length - margin <= priors.trade_length_max_m and length + margin >= priors.trade_length_min_m
        )

    def _point(self, seen: list[Look]) -> tuple[float | None, float | None]:
        """The port's point; for a place that the route does not know, where the ship was seen."""
        if self.ports:
            port: Port = next((p for p in self.ports if p.id == self.route.dark_port_id), self.ports[0])
            return port.lat_deg, port.lon_deg
        return next(((s.lat_deg, s.lon_deg) for s in seen if s.lat_deg is not None), (None, None))

    def _because(self, call: Stay, seen: list[Look], berths: list[str], bounds: list[str]) -> str:
        offset = self.ports[0].utc_offset_h if self.ports else 0.0
        days = [f"{', '.join(s.ids)} ({_day(s, offset)}{f', {s.berth}' if s.berth else ''})" for s in seen]
        parts = [f"seen {'once' if len(seen) == 1 else f'{len(seen)} times'}: {'; '.join(days)}"]
        if len(berths) > 1:
            parts.append(f"berth shift {' to '.join(berths)}, not another ship")
        if call.p_steps:
            parts.append(f"one stay with p {min(call.p_steps):.2f} at the weakest step")
        if call.p_continues is not None:
            parts.append(f"a continuation of the call before it with p {call.p_continues:.2f}, otherwise a new one")
        if "|" in self.port:
            parts.append("the source leaves the port open: counted once")
        return "; ".join([*parts, *(b for b in bounds if b)])


def _middle(seen: Look) -> tuple[float, tuple[str, ...]]:
    return seen.middle_h, seen.ids


def _instants(seen: Look) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Instants that stand for a window: one for a picture with a time, else the middles of seven equal parts."""
    if seen.end_h <= seen.start_h:
        return np.array([seen.start_h])
    return seen.start_h + (np.arange(7) + 0.5) / 7 * (seen.end_h - seen.start_h)


def _normal(x: float, sigma: float) -> float:
    return math.exp(-0.5 * (x / sigma) ** 2) / sigma


def moment_of(hours: float) -> pd.Timestamp:
    """To the whole second: the inputs are given to the second, and hours are fractions."""
    return pd.Timestamp(round(hours * 3600), unit="s", tz="UTC")


def _day(seen: Look, offset_h: float) -> str:
    """The local day or days of a look."""
    first, last = (f"{moment_of(h + offset_h):%Y-%m-%d}" for h in (seen.start_h, seen.end_h))
    return first if first == last else f"{first} to {last}"
