"""How far the data itself goes: the best any judge could answer "who is in this picture", told what no judge is told.

The oracle knows the simulator: which sightings are one stay, the true length of every hull, which ships call at the dark port and
how often, how long stays last, how pictures detect and measure, and how names are read wrongly. It does not know who it was. From
all that it computes the exact posterior of each stay

    P(hull | its sightings) ~ calls of that hull per hour x chance of exactly these pictures x lengths x names

over the silent ships that could be there for all of it, the hulls without a transponder, and false alarms, and joins the stays: no
hull is at two stays at once. A judge who is told less cannot do better on average; where it is as good as the oracle, better
pictures are needed, not better inference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ghostships.evaluation import scoring
from ghostships.simulation.scenario import Scenario
from ghostships.sphere import gc_km
from ghostships.units import KM_PER_NM

Floats = npt.NDArray[np.float64]

HOUR_S = 3600.0
STEP_H = 1.0
"""Arrivals and departures are summed on a grid of an hour: stays last days."""

TURNAROUND_H = 12.0
"""No simulated hull is back within this of leaving (`journeys.unknown_calls`; a trader's way home and back is longer)."""

_LATE_H = 6.0
"""A ship first heard later than this after the data begins may have been silent before."""

_STAYS = {"known": (46.0, 0.45, 18.0, 110.0), "unknown": (34.0, 0.5, 8.0, 120.0)}
"""Median [h], log-sd, shortest and longest stay, as `journeys` draws them."""

_SEEN = {"optical": 0.92, "radar": 0.55}
"""Chance that a ship alongside is found (`pictures._detected`); optical, once the quay is clear of cloud."""

_CLUTTER_M, _SMALL_M = (45.0, 170.0), (15.0, 55.0)
"""Lengths of false alarms and small craft, evenly spread (`pictures._false_and_small`)."""

_SMALL_SEEN = {"optical": 0.55, "radar": 0.44}

LEAST_SHARE = 1e-9
"""Answers and states of the world less likely than this, next to the likeliest, are left out of the sums."""

NOBODY = ""

_State = tuple[tuple[int, int], ...]
"""Hulls that are somewhere, each with the number of the stay that keeps it."""


@dataclass(frozen=True)
class _Stay:
    """The sightings that truly are one stay (or one false alarm), and who it was."""

    truth: str
    ids: tuple[str, ...]
    at_h: tuple[float, ...]
    scenes: tuple[str, ...]
    lengths_m: tuple[float, ...]
    optical: tuple[bool, ...]
    names: tuple[str | None, ...]


@dataclass(frozen=True)
class _Hull:
    """A hull that may be seen at the dark port. `windows_h` are the times it may spend there (None: always); `rate` its calls per
    hour of arrival that such a window allows."""

    key: str
    length_m: float
    law: str
    rate: float
    windows_h: tuple[tuple[float, float], ...] | None
    name: str | None


@dataclass(frozen=True)
class _Looks:
    """Pictures of the dark port, in order of time: hours, chance that a ship alongside is found, and their names."""

    at_h: Floats
    p_seen: Floats
    scene: tuple[str, ...]


def bound(scenario: Path, tables: Path | Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Score the oracle's answers about the dark or unknown sightings at the dark port of a simulated world.

    Parameters
    ----------
    scenario
        a folder that `simulate` wrote.
    tables
        the output folder of a run on its files, or the tables by name: `gaps`, `vessels` and `sightings` are read, nothing that
        the run concluded.

    Returns
    -------
    dict
        `right_attribution`, `right_attribution_of_ships` and `right_attribution_of_none` of the oracle's top answers;
        `expected_right`, what its own probabilities promise; `ece`; `n_sightings`, `n_stays`, and `n_out_of_question`, sightings of
        ships that no silence of the tables covers, which nobody can answer.

    Limits: places and berths in the picture are not used (all berths of the trade lie within a few hundred metres), nor are
    pictures of other ports. Ships differ in how often they call as they truly did in these very days.
    """
    told = json.loads((scenario / "scenario.json").read_text(encoding="utf-8"))
    scene_of = Scenario(**told["scenario"])
    port, start = told["dark_port"], pd.Timestamp(told["scenario"]["start_utc"])
    given = {n: _table(tables, n) for n in ("gaps", "vessels", "sightings")}
    truth = {n: pd.read_parquet(scenario / "truth" / f"{n}.parquet") for n in ("ships", "calls", "sightings")}
    scenes = pd.read_csv(scenario / "scenes.csv")
    stays = _stays(truth, given["sightings"], port, start)
    looks = _looks(scenes, truth["sightings"], given["sightings"], port, start)
    hulls = _hulls(truth, given, scene_of, port, start)
    weights = np.zeros((len(stays), len(hulls) + 1))
    for n, stay in enumerate(stays):
        weights[n, :-1] = [_weight(stay, hull, looks, scene_of, hulls) for hull in hulls]
        weights[n, -1] = _false(stay, looks, scene_of)
    posterior = _joined(stays, weights)
    return _scored(stays, hulls, posterior, weights)


def _table(tables: Path | Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    return pd.read_parquet(tables / f"{name}.parquet") if isinstance(tables, Path) else pd.DataFrame(tables[name])


def _hours(times: pd.Series, start: pd.Timestamp) -> Floats:
    return np.asarray((pd.to_datetime(times, utc=True) - start).dt.total_seconds() / HOUR_S, dtype=float)


def _stays(
    truth: Mapping[str, pd.DataFrame], seen: pd.DataFrame, port: Mapping[str, Any], start: pd.Timestamp
) -> list[_Stay]:
    """Dark or unknown sightings at the dark port, joined as they truly belong together."""
    rows = truth["sightings"]
    rows = rows[(rows["state"] != "transmitting") & (rows["port"] == port["id"])]
    rows = rows.merge(
        seen[["sighting_id", "start_utc", "length_m", "sensor", "scene_id", "vessel_name"]], on="sighting_id"
    )
    rows = rows.assign(at_h=_hours(rows["start_utc"], start)).sort_values(["at_h", "sighting_id"])
    calls = truth["calls"][truth["calls"]["port"] == port["id"]]
    calls = calls.assign(a_h=_hours(calls["arrival_utc"], start), d_h=_hours(calls["departure_utc"], start))
    groups: dict[tuple[str, float], list[dict[Any, Any]]] = {}
    for row in rows.to_dict("records"):
        key = (f"|{row['sighting_id']}", 0.0)
        if isinstance(row["hull_id"], str):
            own = calls[calls["hull_id"] == row["hull_id"]]
            # A ship that waits in the roads before its berth, or has just left it, belongs to the nearest call.
            apart = np.maximum(np.maximum(own["a_h"] - row["at_h"], row["at_h"] - own["d_h"]), 0.0)
            near = own["a_h"][apart[apart <= 48.0].sort_values(kind="stable").index[:1]]
            first = float(near.iloc[0]) if len(near) else math.floor(row["at_h"] / 24) * 24.0
            key = (str(row["hull_id"]), first)
        groups.setdefault(key, []).append(row)
    return [
        _Stay(
            truth=NOBODY if pd.isna(own[0]["vessel_key"]) else str(own[0]["vessel_key"]),
            ids=tuple(str(r["sighting_id"]) for r in own),
            at_h=tuple(float(r["at_h"]) for r in own),
            scenes=tuple(str(r["scene_id"]) for r in own),
            lengths_m=tuple(float(r["length_m"]) for r in own),
            optical=tuple("optical" in str(r["sensor"]) for r in own),
            names=tuple(str(r["vessel_name"]) if isinstance(r["vessel_name"], str) else None for r in own),
        )
        for own in sorted(groups.values(), key=lambda own: (own[0]["at_h"], own[0]["sighting_id"]))
    ]


def _looks(
    scenes: pd.DataFrame, true: pd.DataFrame, seen: pd.DataFrame, port: Mapping[str, Any], start: pd.Timestamp
) -> _Looks:
    """Pictures that hold the dark port. Where any ship alongside was found in an optical one, its quay was clear."""
    own = scenes[
        (scenes["lat_min"] <= port["lat_deg"])
        & (scenes["lat_max"] >= port["lat_deg"])
        & (scenes["lon_min"] <= port["lon_deg"])
        & (scenes["lon_max"] >= port["lon_deg"])
    ]
    own = own.assign(at_h=_hours(own["time"], start)).sort_values(["at_h", "scene_id"])
    ships = true[true["hull_id"].notna() & (true["port"] == port["id"])]
    clear = set(seen.loc[seen["sighting_id"].isin(set(ships["sighting_id"])), "scene_id"])
    p = [
        _SEEN["radar"]
        if "SAR" in str(s.sensor)
        else _SEEN["optical"] * (1.0 if s.scene_id in clear else float(s.clear_fraction))
        for s in own.itertuples(index=False)
    ]
    return _Looks(own["at_h"].to_numpy(dtype=float), np.array(p), tuple(own["scene_id"].astype(str)))


def _hulls(
    truth: Mapping[str, pd.DataFrame],
    given: Mapping[str, pd.DataFrame],
    scenario: Scenario,
    port: Mapping[str, Any],
    start: pd.Timestamp,
) -> list[_Hull]:
    """Every hull that truly called at the dark port unheard, with its rate of calls and the times its silences leave it."""
    ships = truth["ships"].set_index("hull_id")
    calls = truth["calls"][(truth["calls"]["port"] == port["id"]) & truth["calls"]["is_dark"].astype(bool)]
    seen = truth["sightings"]
    seen = seen[(seen["state"] == "dark") & (seen["port"] == port["id"])]
    n_calls = calls["hull_id"].value_counts()
    span_h = scenario.days * 24.0
    fastest = given["vessels"].set_index("vessel_key")["fastest_kn"]
    out = []
    for hull_id in sorted({*n_calls.index, *seen["hull_id"].dropna()}):
        ship = ships.loc[hull_id]
        n = max(int(n_calls.get(hull_id, 0)), 1)
        if ship["role"] == "unknown":
            out.append(_Hull(f"|{hull_id}", float(ship["length_m"]), "unknown", n / span_h, None, None))
            continue
        key = str(ship["vessel_key"])
        own = given["gaps"][(given["gaps"]["vessel_key"] == key) & (given["gaps"]["state"] != "void")]
        windows = _windows(own, float(fastest.get(key, 16.0)), port, start, span_h)
        windows = (*_unheard_before(given["vessels"], key, start), *windows)
        room = sum(_room(a, b, "known") for a, b in windows)
        if room > 0:
            name = str(ship["vessel_name"]) if ship["role"] in ("trader", "lookalike") else None
            out.append(_Hull(key, float(ship["length_m"]), "known", n / room, windows, name))
    return out


def _windows(
    gaps: pd.DataFrame, fastest_kn: float, port: Mapping[str, Any], start: pd.Timestamp, span_h: float
) -> tuple[tuple[float, float], ...]:
    """When a ship can be at the port within its silences, by straight lines at its top speed: generous."""
    there = (port["roadstead_lat_deg"], port["roadstead_lon_deg"])
    out = []
    # A single message between two silences may carry a wrong clock: the oracle knows that such messages are.
    rows = gaps.sort_values("start_utc").to_dict("records")
    whole: list[dict[Any, Any]] = []
    for gap in rows:
        if whole and whole[-1]["end_utc"] == gap["start_utc"]:
            after = {n: gap[n] for n in ("end_utc", "end_lat_deg", "end_lon_deg", "is_open")}
            whole[-1] = whole[-1] | after
        else:
            whole.append(gap)
    for gap in whole:
        first = float((gap["start_utc"] - start).total_seconds() / HOUR_S)
        last = span_h if gap["is_open"] else float((gap["end_utc"] - start).total_seconds() / HOUR_S)
        first += float(gc_km(gap["start_lat_deg"], gap["start_lon_deg"], *there)) / KM_PER_NM / fastest_kn
        if not gap["is_open"]:
            last -= float(gc_km(gap["end_lat_deg"], gap["end_lon_deg"], *there)) / KM_PER_NM / fastest_kn
        if last > first:
            out.append((first, last))
    return tuple(out)


def _unheard_before(vessels: pd.DataFrame, key: str, start: pd.Timestamp) -> tuple[tuple[float, float], ...]:
    """The time before a ship was first heard, if that was late: it may have been silent from before the data began."""
    if "first_heard_utc" not in vessels:
        return ()
    times = vessels.loc[vessels["vessel_key"] == key, "first_heard_utc"]
    first_h = float(_hours(times, start)[0]) if len(times) and times.notna().all() else 0.0
    return ((-_STAYS["known"][3], first_h),) if first_h >= _LATE_H else ()


def _law(law: str) -> tuple[Floats, Floats]:
    """Stays on the grid: hours and their chances."""
    median, log_sd, shortest, longest = _STAYS[law]
    hours = np.arange(math.ceil(shortest / STEP_H), math.floor(longest / STEP_H) + 1, dtype=np.float64) * STEP_H
    weight = np.exp(-0.5 * (np.log(hours / median) / log_sd) ** 2) / hours
    return hours, weight / weight.sum()


def _room(first_h: float, last_h: float, law: str) -> float:
    """Hours at which a stay may begin within a window, weighed by the chance that it fits."""
    hours, chance = _law(law)
    return float((np.maximum(last_h - first_h - hours, 0.0) * chance).sum())


def _weight(stay: _Stay, hull: _Hull, looks: _Looks, scenario: Scenario, hulls: list[_Hull]) -> float:
    """Expected number of stays of this hull that look exactly like these sightings."""
    named = _names(stay, hull, scenario, hulls)
    if named == 0:
        return 0.0
    shape = math.prod(_length(m, hull.length_m, o) for m, o in zip(stay.lengths_m, stay.optical, strict=True))
    return hull.rate * _pictures(stay, hull, looks) * shape * named


def _pictures(stay: _Stay, hull: _Hull, looks: _Looks) -> float:
    """Hours of arrival times the chance that a stay shows in exactly these pictures and in no other."""
    hours, chance = _law(hull.law)
    first, last = min(stay.at_h), max(stay.at_h)
    longest = float(hours[-1])
    arrivals = first - np.arange(0.0, longest + STEP_H, STEP_H)
    ends = last + np.arange(0.0, longest + STEP_H, STEP_H)
    mine = np.isin(np.array(looks.scene), np.array(stay.scenes))
    seen = float(np.prod(np.where(mine, looks.p_seen, 1.0)))
    between = (looks.at_h > first) & (looks.at_h < last) & ~mine
    seen *= float(np.prod(1 - looks.p_seen[between]))
    missed = np.log(np.maximum(1 - looks.p_seen, 1e-12))
    before = np.exp([missed[(looks.at_h >= a) & (looks.at_h < first) & ~mine].sum() for a in arrivals])
    after = np.exp([missed[(looks.at_h <= e) & (looks.at_h > last) & ~mine].sum() for e in ends])
    lasting = ends[None, :] - arrivals[:, None]
    density = np.interp(lasting, hours, chance / STEP_H, left=0.0, right=0.0)
    fits = np.ones_like(density, dtype=bool)
    if hull.windows_h is not None:
        fits = np.zeros_like(fits)
        for a, b in hull.windows_h:
            fits |= (arrivals[:, None] >= a) & (ends[None, :] <= b)
    return float(seen * (density * fits * before[:, None] * after[None, :]).sum() * STEP_H * STEP_H)


def _length(measured_m: float, true_m: float, is_optical: bool) -> float:
    """Density of a measured length [per m], as `pictures._measured` draws it."""
    if not is_optical:
        z = (math.log(max(measured_m, 1.0) / true_m) - 0.03) / 0.16
        return math.exp(-0.5 * z * z) / (0.16 * max(measured_m, 1.0) * math.sqrt(2 * math.pi))
    out = 0.0
    for share, error in ((0.96, 6.0), (0.04, 24.0)):
        sigma = math.hypot(0.03 * true_m, error)
        out += share * math.exp(-0.5 * ((measured_m - true_m) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return out


def _names(stay: _Stay, hull: _Hull, scenario: Scenario, hulls: list[_Hull]) -> float:
    """Chance of the names read, and of none being read: only traders and look-alikes are ever named, in optical pictures."""
    others = max(scenario.n_traders + scenario.n_lookalikes - 1, 1)
    can_be_named = hull.name is not None
    out = 1.0
    for name, is_optical in zip(stay.names, stay.optical, strict=True):
        if name is None:
            out *= 1 - scenario.named_share if can_be_named and is_optical else 1.0
        elif not can_be_named or not is_optical:
            return 0.0
        else:
            right = 1 - scenario.wrong_name_share
            out *= scenario.named_share * (right if name == hull.name else scenario.wrong_name_share / others)
    return out


def _false(stay: _Stay, looks: _Looks, scenario: Scenario) -> float:
    """Expected number of false alarms and small craft that look like this: only single sightings can be one."""
    if len(stay.ids) > 1 or stay.names[0] is not None:
        return 0.0
    is_optical, measured = stay.optical[0], stay.lengths_m[0]
    rate = scenario.false_alarms_per_optical_scene if is_optical else scenario.false_alarms_per_radar_scene
    here = [p for p, scene in zip(looks.p_seen, looks.scene, strict=True) if scene == stay.scenes[0]]
    small_seen = _SMALL_SEEN["optical" if is_optical else "radar"]
    if is_optical and here:
        small_seen *= here[0] / _SEEN["optical"]
    out = 0.0
    for n, (low, high) in ((rate, _CLUTTER_M), (scenario.small_craft_per_scene * small_seen, _SMALL_M)):
        lengths = np.linspace(low, high, 126)
        out += n * float(np.mean([_length(measured, float(m), is_optical) for m in lengths]))
    return out


def _joined(stays: list[_Stay], weights: Floats) -> Floats:
    """Posterior of each stay when no hull is at two stays at once, exactly: stays in order of time, remembering who is where.

    Stays overlap as intervals do, so that it is enough to remember the hulls of those that are not over; forwards and backwards.
    """
    n, false = len(stays), weights.shape[1] - 1
    ends = [max(s.at_h) + TURNAROUND_H for s in stays]
    begins = [min(s.at_h) for s in stays]
    forward: list[dict[_State, float]] = [{(): 1.0}]
    steps: list[dict[_State, list[tuple[int, _State, float]]]] = []
    for k in range(n):
        scale = float(weights[k].max()) or 1.0
        options = [(h, float(w) / scale) for h, w in enumerate(weights[k]) if w > LEAST_SHARE * scale] or [(false, 1.0)]
        after: dict[_State, float] = {}
        moves: dict[_State, list[tuple[int, _State, float]]] = {}
        for state, mass in forward[-1].items():
            active = tuple((h, s) for h, s in state if ends[s] > begins[k])
            busy = {h for h, _ in active}
            for h, w in options:
                if h in busy:
                    continue
                then = active if h == false else tuple(sorted((*active, (h, k))))
                after[then] = after.get(then, 0.0) + mass * w
                moves.setdefault(state, []).append((h, then, w))
        total = math.fsum(after.values())
        if total <= 0:
            # Told visits that contradict each other: let this one be anything.
            after, moves, total = (
                {s: m for s, m in forward[-1].items()},
                {s: [(false, s, 1.0)] for s in forward[-1]},
                1.0,
            )
        forward.append({s: m / total for s, m in after.items() if m > LEAST_SHARE * total})
        steps.append(moves)
    posterior = np.zeros_like(weights)
    backward: dict[_State, float] = dict.fromkeys(forward[-1], 1.0)
    for k in range(n - 1, -1, -1):
        before: dict[_State, float] = {}
        for state, mass in forward[k].items():
            for h, then, w in steps[k].get(state, []):
                onward = w * backward.get(then, 0.0)
                posterior[k, h] += mass * onward
                before[state] = before.get(state, 0.0) + onward
        most = max(before.values(), default=1.0) or 1.0
        backward = {s: m / most for s, m in before.items()}
        posterior[k] /= posterior[k].sum() or 1.0
    return posterior


def _scored(stays: list[_Stay], hulls: list[_Hull], posterior: Floats, weights: Floats) -> dict[str, Any]:
    rows = []
    for n, stay in enumerate(stays):
        ships: dict[str, float] = {NOBODY: 0.0}
        for hull, p in zip([h.key for h in hulls] + ["|"], posterior[n], strict=True):
            answer = NOBODY if hull.startswith("|") else hull
            ships[answer] = ships.get(answer, 0.0) + float(p)
        p_top, answer = max((p, key) for key, p in ships.items())
        known = [h for h, hull in enumerate(hulls) if hull.key == stay.truth]
        covered = stay.truth == NOBODY or any(weights[n, h] > 0 for h in known)
        rows += [(i, stay.truth, answer, p_top, covered) for i in stay.ids]
    found = pd.DataFrame(rows, columns=["sighting_id", "truth", "answer", "p", "covered"])
    right = (found["answer"] == found["truth"]).to_numpy(dtype=bool)
    of_nobody = (found["truth"] == NOBODY).to_numpy(dtype=bool)
    p = found["p"].to_numpy(dtype=float).clip(0, 1)
    return {
        "right_attribution": _share(right),
        "right_attribution_of_ships": _share(right[~of_nobody]),
        "right_attribution_of_none": _share(right[of_nobody]),
        "expected_right": round(float(p.mean()), 6) if len(p) else None,
        "ece": scoring.expected_calibration_error(p, right),
        "n_sightings": len(found),
        "n_stays": len(stays),
        "n_out_of_question": int((~found["covered"]).sum()),
    }


def _share(right: npt.NDArray[np.bool_]) -> float | None:
    return round(float(right.mean()), 6) if len(right) else None
