"""What each hull does: where it is at every moment, when its transponder is off and why, and where it calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ghostships.routes import Route
from ghostships.simulation.hulls import PRIMORYE, Hull
from ghostships.simulation.scenario import Scenario
from ghostships.simulation.waters import EXTRA_PORTS, Floats, Waters, flat_nm

HOUR = 3600.0
DAY = 86400.0

ALONGSIDE, ANCHORED, UNDER_WAY, DRIFTING, FISHING = 5, 1, 0, 2, 7
"""What a ship does between two knots, in the codes of the navigational status (ITU-R M.1371, table 45)."""


@dataclass(frozen=True)
class Call:
    """One stay at a port, from first to last line."""

    port: str
    berths: tuple[str, ...]
    arrival_s: float
    departure_s: float
    is_trade: bool = False
    """A dark call of the trade: with its silence, a round trip."""


@dataclass(frozen=True)
class Silence:
    """One time with the transponder off, on purpose or not."""

    start_s: float
    end_s: float
    cause: str


@dataclass(frozen=True)
class Journey:
    """One hull's whole life in the world. Between two knots it moves in a straight line at a constant speed."""

    hull: Hull
    times_s: Floats
    lats: Floats
    lons: Floats
    modes: npt.NDArray[np.int64]
    """What it does from this knot to the next."""
    is_laden: npt.NDArray[np.bool_]
    bound_for: npt.NDArray[np.str_]
    berths: npt.NDArray[np.str_]
    """The berth where it lies from this knot to the next; empty elsewhere."""
    calls: tuple[Call, ...]
    silences: tuple[Silence, ...]

    def at(self, times_s: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """Latitude, longitude and the number of the knot before, at any times."""
        knot = np.clip(np.searchsorted(self.times_s, times_s, side="right") - 1, 0, len(self.times_s) - 2)
        return np.interp(times_s, self.times_s, self.lats), np.interp(times_s, self.times_s, self.lons), knot

    def is_silent(self, times_s: Floats) -> npt.NDArray[np.bool_]:
        """True where the transponder is off."""
        out = np.zeros(len(times_s), dtype=bool)
        for silence in self.silences:
            out |= (times_s > silence.start_s) & (times_s < silence.end_s)
        return out


@dataclass
class _Log:
    """A journey while it is written, from one act to the next."""

    hull: Hull
    waters: Waters
    route: Route
    rng: np.random.Generator
    now: float
    node: int
    port: str
    rest_factor: float
    """Stretches the stays at home so that all planned acts fit the time."""
    rest_s: float = 0.0
    laden: bool = False
    bound_for: str = ""
    knots: list[tuple[float, float, float, int, bool, str, str]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)

    def knot(self, lat: float, lon: float, mode: int, berth: str = "") -> None:
        self.knots.append((self.now, lat, lon, mode, self.laden, self.bound_for, berth))

    def here(self) -> tuple[float, float]:
        return float(self.waters.lats[self.node]), float(self.waters.lons[self.node])

    def stay(self, hours: float, mode: int, berth: str = "") -> None:
        self.knot(*self.here(), mode, berth)
        self.now += hours * HOUR
        self.knot(*self.here(), mode, berth)

    def rest(self, hours: float) -> None:
        """Lie at the quay of the port for some hours, more or less as the time to fill asks for."""
        start = self.now
        self.stay(hours * self.rest_factor, ALONGSIDE)
        self.rest_s += hours * HOUR
        self.calls.append(Call(self.port, (), start, self.now))

    def sail(self, port: str, *, to: int | None = None, anchor: bool = False, speed_kn: float | None = None) -> None:
        """Go to a mooring of a port (or a node at sea, `port` then empty), off the straight lane by some miles."""
        self.bound_for = port or self.bound_for
        end = to if to is not None else self.mooring(port, anchor=anchor)
        if end != self.node:
            self._sail(end, speed_kn or self.hull.cruise_kn * self.rng.lognormal(0, 0.05))
        self.port, self.node = port, end

    def mooring(self, port: str, *, anchor: bool) -> int:
        """One of the port's berths, or of its anchorages."""
        nodes = self.waters.moorings[port]
        if port.startswith("EXIT"):
            return nodes[0]
        inner, outer = quays_and_anchorages(self.waters, self.route, port)
        return int(self.rng.choice(outer if anchor else inner))

    def _sail(self, end: int, speed_kn: float) -> None:
        corner_lats, corner_lons = self.waters.path(self.node, end)
        legs = flat_nm_between(corner_lats, corner_lons)
        total = float(legs.sum())
        along = np.concatenate([[0.0], np.cumsum(legs)])
        steps = np.unique(np.concatenate([along, np.linspace(0, total, max(2, int(total / 4) + 1))]))
        lats, lons = np.interp(steps, along, corner_lats), np.interp(steps, along, corner_lons)
        # Real ships do not follow one lane: they bow out by a few miles, back at both ends; less where land is near.
        bow = self.rng.normal(0, min(6.0, total / 25)) / 60
        turn = self.rng.uniform(0, np.pi)
        for damping in (1.0, 0.4, 0.0):
            sway = bow * damping * np.sin(np.pi * steps / max(total, 1e-9))
            bent_lats, bent_lons = lats + sway * np.sin(turn), lons + sway * np.cos(turn) / np.cos(np.radians(lats))
            dense = np.linspace(0, total, max(4, int(total / 0.1)))
            if (
                damping == 0.0
                or self.waters.is_water(np.interp(dense, steps, bent_lats), np.interp(dense, steps, bent_lons)).all()
            ):
                break
        legs = flat_nm_between(bent_lats, bent_lons)
        near_end = np.minimum(steps[1:], total - steps[:-1]) < 3.0
        speeds = speed_kn * np.where(near_end, 0.6, 1.0) * self.rng.normal(1, 0.03, len(legs)).clip(0.9, 1.1)
        for lat, lon, hours in zip(bent_lats[:-1], bent_lons[:-1], legs / speeds, strict=True):
            self.knot(float(lat), float(lon), UNDER_WAY)
            self.now += float(hours) * HOUR
        self.knot(float(bent_lats[-1]), float(bent_lons[-1]), UNDER_WAY)

    def off(self, start: float, end: float, cause: str) -> None:
        if end > start:
            self.silences.append(Silence(start, end, cause))


def flat_nm_between(lats: Floats, lons: Floats) -> Floats:
    """Lengths of the legs of a line [nm]."""
    mean = np.radians((lats[1:] + lats[:-1]) / 2)
    out: Floats = 60.0 * np.hypot(np.diff(lats), np.diff(lons) * np.cos(mean))
    return out


def quays_and_anchorages(waters: Waters, route: Route, port: str) -> tuple[list[int], list[int]]:
    """The port's moorings, split at four fifths of the radius within which the route file counts a ship as in port."""
    nodes = list(waters.moorings[port])
    centre = next(((p.lat_deg, p.lon_deg, p.radius_km) for p in route.ports if p.id == port), None)
    if centre is None:
        return nodes[1:] or nodes, nodes
    km = flat_nm(centre[0], centre[1], waters.lats[nodes], waters.lons[nodes]) * 1.852
    inner = [n for n, d in zip(nodes, km, strict=True) if d <= 0.8 * centre[2]] or [nodes[int(km.argmin())]]
    return inner, [n for n in nodes if n not in inner] or nodes


def travel(
    hull: Hull, scenario: Scenario, route: Route, waters: Waters, n_trips: int, seed: np.random.SeedSequence
) -> Journey:
    """Write a hull's journey: once to see how long its acts take, then again with the rests made to fit."""
    length_s = (scenario.days + 4) * DAY
    log = _write(hull, scenario, route, waters, n_trips, np.random.default_rng(seed), 1.0)
    acts = log.now + 2 * DAY - log.rest_s
    factor = float(np.clip((length_s - acts) / max(log.rest_s, 1.0), 0.3, 6.0))
    if hull.role in ("trader", "lookalike"):
        log = _write(hull, scenario, route, waters, n_trips, np.random.default_rng(seed), factor)
    times, lats, lons, modes, laden, bound_for, berths = zip(*log.knots, strict=True)
    return Journey(
        hull=hull,
        times_s=np.array(times),
        lats=np.array(lats),
        lons=np.array(lons),
        modes=np.array(modes),
        is_laden=np.array(laden),
        bound_for=np.array(bound_for),
        berths=np.array(berths),
        calls=tuple(log.calls),
        silences=tuple(sorted(log.silences, key=lambda s: s.start_s)),
    )


def _write(
    hull: Hull,
    scenario: Scenario,
    route: Route,
    waters: Waters,
    n_trips: int,
    rng: np.random.Generator,
    rest_factor: float,
) -> _Log:
    # Two days before the data begins, so that nobody starts in port on the first midnight.
    log = _Log(hull, waters, route, rng, -2 * DAY, waters.moorings[hull.home][0], hull.home, rest_factor)
    log.node = log.mooring(hull.home, anchor=False)
    log.bound_for = hull.home
    end = scenario.days * DAY
    if hull.role in ("trader", "lookalike"):
        acts = _plan(hull, scenario, n_trips, rng)
        log.rest(float(rng.uniform(4, 60)))
        for number, act in enumerate(acts):
            goes_on = act == "trip" and acts[number + 1 : number + 2] == ["trip"]
            _ACTS[act](log, scenario, goes_on)
            log.rest(float(rng.gamma(2.0, 30.0)))
        while log.now < end + DAY:
            if rest_factor == 1.0:
                break
            log.rest(24.0 / rest_factor)
    else:
        log.rest(float(rng.uniform(0, 48)))
        while log.now < end + DAY:
            _ORDINARY[hull.role](log, scenario)
    if hull.role not in ("trader", "local"):
        _failures(log, scenario)
    if hull.role == "trader" and rng.random() < 0.5:
        _failures(log, scenario)
    return log


def _plan(hull: Hull, scenario: Scenario, n_trips: int, rng: np.random.Generator) -> list[str]:
    """The acts of a trader or a look-alike, in order."""
    months = scenario.days / 30
    if hull.role == "trader":
        acts = ["trip"] * n_trips
        others = {"voyage": 0.8, "lay_up": 0.7, "drift": 0.2}
        if n_trips == 0:
            others = {"voyage": 2.0, "lay_up": 1.5, "drift": 1.0, "chongjin": 0.8}
    else:
        acts = []
        others = {"voyage": 2.5, "lay_up": 0.4, "drift": 0.35, "chongjin": 0.4, "wonsan": 0.1, "dark_anchor": 0.4}
    for act, monthly in others.items():
        acts += [act] * int(rng.poisson(monthly * months))
    return [acts[i] for i in rng.permutation(len(acts))]


def _trip(log: _Log, scenario: Scenario, goes_on: bool) -> None:
    """A dark round trip: out, unload, shift, load, back; off from about when it leaves until about when it is back."""
    rng, hull = log.rng, log.hull
    left = log.now
    carried = next((s for s in log.silences[-1:] if s.cause == "trip" and s.end_s == np.inf), None)
    log.laden = bool(rng.random() < 0.3)
    dark = log.route.dark_port
    log.sail(dark.id, anchor=True)
    out_s = log.now - left
    at_roads = log.now
    if rng.random() < 0.35:
        log.stay(float(rng.gamma(1.5, 4.0)), ANCHORED)
    stay_h = float(np.clip(rng.lognormal(np.log(46), 0.45), 18, 110))
    unloading = stay_h * float(rng.uniform(0.25, 0.55))
    berths = [b for b in dark.berths if b.in_trade]
    first = next((b for b in berths if b.use == "unloading"), berths[0])
    loading = [b for b in berths if b is not first] or [first]
    second = loading[int(rng.integers(len(loading)))]
    arrival = log.now + 0.5 * HOUR
    for berth, hours in ((first, unloading), (second, stay_h - unloading)):
        log.now += 0.5 * HOUR
        log.knot(berth.lat_deg, berth.lon_deg, ALONGSIDE, berth.id)
        log.now += hours * HOUR
        log.knot(berth.lat_deg, berth.lon_deg, ALONGSIDE, berth.id)
    log.calls.append(Call(dark.id, (first.id, second.id), arrival, log.now, is_trade=True))
    log.laden = True
    log.now += 0.5 * HOUR
    leaving = log.now
    others = [p for p in PRIMORYE[:4] if p != hull.home]
    log.sail(hull.home if rng.random() < 0.75 else str(rng.choice(others)))
    back_s, back = log.now - leaving, log.now
    start = (
        left - rng.uniform(0.3, 11) * HOUR
        if rng.random() < scenario.off_at_berth_share
        else left + min(rng.uniform(1, 4) * HOUR, 0.4 * out_s)
    )
    end = (
        back + rng.uniform(0.4, 12) * HOUR
        if rng.random() < scenario.off_at_berth_share
        else back - min(rng.uniform(0.5, 4) * HOUR, 0.4 * back_s)
    )
    if carried is not None:
        log.silences.pop()
        start = carried.start_s
    else:
        # Heard for a while between two silences, and silent again before it leaves the home waters.
        latest = left - HOUR
        log.silences = [
            s if s.end_s <= latest else Silence(s.start_s, max(latest, s.start_s), s.cause) for s in log.silences
        ]
        start = max(start, max((s.end_s for s in log.silences), default=-np.inf) + 0.5 * HOUR)
    if rng.random() < scenario.p_short_reappearance:
        peep = (at_roads - 0.3 * out_s) if rng.random() < 0.5 else leaving + 0.3 * back_s
        log.off(start, peep, "trip")
        start = peep + rng.uniform(0.3, 1.5) * HOUR
    if goes_on and rng.random() < scenario.p_silence_continues:
        log.silences.append(Silence(start, np.inf, "trip"))
    else:
        log.off(start, end, "trip")


def _voyage(log: _Log, scenario: Scenario, goes_on: bool = False) -> None:
    """A voyage in the open: out, a stay, and home."""
    rng = log.rng
    places = [p for p in (*PRIMORYE, "BUSAN", "KHOLMSK", "OTARU", "SAKAIMINATO") if p != log.port]
    weights = np.array([2.0 if p in PRIMORYE else 1.0 for p in places])
    log.laden = bool(rng.random() < 0.5)
    log.sail(str(rng.choice(places, p=weights / weights.sum())))
    log.rest(float(rng.gamma(2.0, 14.0)) / log.rest_factor)
    log.laden = bool(rng.random() < 0.5)
    log.sail(log.hull.home)


def _lay_up(log: _Log, scenario: Scenario, goes_on: bool = False) -> None:
    """Power off at the quay for some days."""
    start = log.now
    log.stay(float(log.rng.lognormal(np.log(40), 0.7)), ALONGSIDE)
    log.off(start, log.now, "lay-up in port")


def _dark_anchor(log: _Log, scenario: Scenario, goes_on: bool = False) -> None:
    """Out to the home anchorage and silent there."""
    log.sail(log.hull.home, anchor=True)
    start = log.now + 0.5 * HOUR
    log.stay(float(log.rng.lognormal(np.log(45), 0.6)), ANCHORED)
    log.off(start, log.now - 0.5 * HOUR, "silent at anchor")
    log.sail(log.hull.home)


def _drift(log: _Log, scenario: Scenario, goes_on: bool = False) -> None:
    """To a place at sea with the transponder off, drift there, and home."""
    start = log.now + float(log.rng.uniform(-3, 2)) * HOUR
    targets = log.waters.nodes_between(*log.here(), near_nm=35, far_nm=150)
    targets = targets[log.waters.lons[targets] > 130.2]
    log.sail("", to=int(log.rng.choice(targets)))
    log.stay(float(log.rng.gamma(2.0, 14.0)), DRIFTING)
    log.sail(log.hull.home)
    log.off(start, log.now + float(log.rng.uniform(-1, 5)) * HOUR, "drifting at sea")


def _elsewhere(port: str) -> Callable[[_Log, Scenario, bool], None]:
    def call(log: _Log, scenario: Scenario, goes_on: bool = False) -> None:
        """A dark call at another port of the dark coast: the same silence, another place."""
        start = log.now - float(log.rng.uniform(0.3, 8)) * HOUR
        log.sail(port)
        log.rest(float(np.clip(log.rng.lognormal(np.log(42), 0.4), 14, 110)) / log.rest_factor)
        log.laden = not log.laden
        log.sail(log.hull.home)
        log.off(start, log.now + float(log.rng.uniform(0.3, 8)) * HOUR, f"dark call at {port}")

    return call


_ACTS: dict[str, Callable[[_Log, Scenario, bool], None]] = {
    "trip": _trip,
    "voyage": _voyage,
    "lay_up": _lay_up,
    "dark_anchor": _dark_anchor,
    "drift": _drift,
    "chongjin": _elsewhere("CHONGJIN"),
    "wonsan": _elsewhere("WONSAN"),
}


def _cargo(log: _Log, scenario: Scenario) -> None:
    rng = log.rng
    places = [*PRIMORYE, "BUSAN", "NIIGATA", "KHOLMSK", *EXTRA_PORTS]
    weights = np.array([1.3 if p in PRIMORYE[:4] else 0.4 if p in PRIMORYE else 0.8 for p in places])
    weights[[i for i, p in enumerate(places) if p == log.port]] = 0
    port = str(rng.choice(places, p=weights / weights.sum()))
    log.laden = bool(rng.random() < 0.5)
    if rng.random() < 0.4:
        log.sail(port, anchor=True)
        log.stay(float(rng.gamma(1.2, 14.0)), ANCHORED)
    log.sail(port)
    start = log.now
    log.rest(float(rng.gamma(2.0, 18.0)))
    if rng.random() < 0.06:
        log.off(start + HOUR, log.now - HOUR, "lay-up in port")


def _away(log: _Log, scenario: Scenario) -> None:
    rng = log.rng
    log.sail(str(rng.choice(["EXIT_SW", "EXIT_E", "EXIT_NE"], p=[0.5, 0.4, 0.1])))
    log.stay(float(rng.gamma(2.0, 60.0)), UNDER_WAY)
    log.sail(log.hull.home)
    log.rest(float(rng.gamma(2.0, 20.0)))


def _coal(log: _Log, scenario: Scenario) -> None:
    """Calls at the dark port in the open, at the berth of another trade, and goes far away between the calls."""
    rng, dark = log.rng, log.route.dark_port
    if rng.random() < 0.6:
        berth = next((b for b in dark.berths if not b.in_trade), None)
        log.sail(dark.id)
        if berth is not None:
            nodes = list(log.waters.moorings[dark.id])
            apart = flat_nm(berth.lat_deg, berth.lon_deg, log.waters.lats[nodes], log.waters.lons[nodes])
            log.sail(dark.id, to=nodes[int(apart.argmin())])
        start = log.now
        log.stay(float(rng.gamma(4.0, 20.0)), ALONGSIDE, berth.id if berth else "")
        log.calls.append(Call(dark.id, (berth.id,) if berth else (), start, log.now))
        log.laden = True
    _away(log, scenario)


def _fishing(log: _Log, scenario: Scenario) -> None:
    rng = log.rng
    ground = int(rng.choice(log.waters.nodes_between(*log.here(), near_nm=25, far_nm=110)))
    log.sail("", to=ground)
    start = log.now
    until = log.now + float(rng.gamma(2.0, 26.0)) * HOUR
    lat, lon = log.here()
    while log.now < until:
        log.knot(lat, lon, FISHING)
        hours, course, speed = rng.uniform(1, 5), rng.uniform(0, 2 * np.pi), rng.uniform(1.5, 4.0)
        ahead = speed * hours / 60
        new = lat + ahead * np.cos(course), lon + ahead * np.sin(course) / np.cos(np.radians(lat))
        share = np.linspace(0, 1, 60)
        on_water = log.waters.is_water(lat + share * (new[0] - lat), lon + share * (new[1] - lon)).all()
        near = abs(new[0] - log.here()[0]) < 0.5 and abs(new[1] - log.here()[1]) < 0.6
        if on_water and near:
            lat, lon = float(new[0]), float(new[1])
        log.now += hours * HOUR
    log.knot(lat, lon, UNDER_WAY)
    if rng.random() < 0.4:
        log.off(start + rng.uniform(0, 3) * HOUR, log.now - rng.uniform(0, 3) * HOUR, "fishing ground kept secret")
    home = log.here()
    back = flat_nm_between(np.array([lat, home[0]]), np.array([lon, home[1]]))[0]
    # Straight back to the ground's first point may cross a headland: retrace instead when it does.
    share = np.linspace(0, 1, 400)
    if not log.waters.is_water(lat + share * (home[0] - lat), lon + share * (home[1] - lon)).all():
        log.knots[-1] = (*log.knots[-1][:3], DRIFTING, *log.knots[-1][4:])
        log.node = _nearest_clear_node(log, lat, lon)
        home = log.here()
        back = flat_nm_between(np.array([lat, home[0]]), np.array([lon, home[1]]))[0]
    log.now += float(back) / 8 * HOUR
    log.knot(*home, UNDER_WAY)
    log.sail(log.hull.home)
    start = log.now
    log.rest(float(rng.gamma(2.0, 20.0)))
    if rng.random() < 0.25:
        log.off(start + 0.5 * HOUR, log.now - 0.5 * HOUR, "power off in port")


def _nearest_clear_node(log: _Log, lat: float, lon: float) -> int:
    """The nearest node of the lanes with nothing but water on the way."""
    order = np.argsort(flat_nm(lat, lon, log.waters.lats, log.waters.lons), kind="stable")
    share = np.linspace(0, 1, 400)
    for node in order[:200]:
        lats = lat + share * (log.waters.lats[node] - lat)
        lons = lon + share * (log.waters.lons[node] - lon)
        reached = np.isfinite(log.waters.lats[node]) and log.waters.edges[[int(node)], :].nnz > 0
        if reached and log.waters.is_water(lats, lons).all():
            return int(node)
    return log.node


def _local(log: _Log, scenario: Scenario) -> None:
    """A working boat: short runs in its own bay by day, at the quay by night, often with everything off."""
    rng = log.rng
    nodes = [n for n in log.waters.moorings[log.hull.home] if n != log.node]
    for _ in range(int(rng.integers(1, 4))):
        log.sail(log.hull.home, to=int(rng.choice(nodes)))
        log.stay(float(rng.uniform(0.5, 3)), DRIFTING)
    log.sail(log.hull.home)
    start = log.now
    log.stay(float(rng.uniform(8, 40)), ALONGSIDE)
    if rng.random() < 0.35:
        log.off(start + 0.3 * HOUR, log.now - 0.3 * HOUR, "power off in port")


_ORDINARY: dict[str, Callable[[_Log, Scenario], None]] = {
    "cargo": _cargo,
    "away": _away,
    "coal": _coal,
    "fishing": _fishing,
    "local": _local,
}


def _failures(log: _Log, scenario: Scenario) -> None:
    """Equipment that fails anywhere, for hours or days: about once in 40 days."""
    rng = log.rng
    for _ in range(int(rng.poisson(scenario.days / 40))):
        start = float(rng.uniform(0, scenario.days * DAY))
        end = start + float(rng.lognormal(np.log(16), 0.7)) * HOUR
        if all(end < s.start_s or start > s.end_s for s in log.silences):
            log.off(start, end, "equipment failure")


PEEP_S = 2 * HOUR
"""A ship that is silent throughout is heard for so long before and after, so that it is known at all."""


def silent_between(journey: Journey, start_s: float, end_s: float) -> Journey:
    """The same journey with the transponder off all the time between, after a last sign of life and until the next.

    Where it would be silent at either end anyway, the sign of life comes when that silence is over, or before it begins.
    """
    first, last = start_s, end_s
    for silence in journey.silences:
        if silence.start_s < first + PEEP_S and silence.end_s > first - PEEP_S:
            first = silence.end_s + PEEP_S
    for silence in reversed(journey.silences):
        if silence.start_s < last + PEEP_S and silence.end_s > last - PEEP_S:
            last = silence.start_s - PEEP_S
    if not first < last:
        return journey
    apart = [s for s in journey.silences if s.end_s < first or s.start_s > last]
    return replace(journey, silences=tuple(sorted([*apart, Silence(first, last, "trip")], key=lambda s: s.start_s)))


def unknown_calls(hull: Hull, scenario: Scenario, route: Route, rng: np.random.Generator) -> tuple[Call, ...]:
    """The calls of a hull without a transponder at the dark port; where it is between them nobody knows."""
    dark = route.dark_port
    is_coal = hull.length_m > route.priors.trade_length_max_m
    berths = [b.id for b in dark.berths if b.in_trade != is_coal] or [""]
    calls, now = [], float(rng.uniform(-2, scenario.unknown_call_every_days)) * DAY
    while now < scenario.days * DAY:
        stay_h = float(np.clip(rng.lognormal(np.log(34), 0.5), 8, 120))
        used = [berths[int(rng.integers(len(berths)))]]
        if len(berths) > 1 and rng.random() < 0.4:
            used.append(next(b for b in berths if b != used[0]))
        calls.append(Call(dark.id, tuple(used), now, now + stay_h * HOUR))
        now += stay_h * HOUR + max(12.0, float(rng.gamma(3.0, scenario.unknown_call_every_days * 8.0))) * HOUR
    return tuple(calls)
