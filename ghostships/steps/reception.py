"""Gaps and vessel hours -> what should have been heard, and whether the silence means anything.

Nobody publishes where the receivers of this coast are; the traffic itself tells. Opportunities are counted, not messages: a step
from one heard hour of a ship to the next, `d` hours on, is `d` opportunities of which one was taken. Steps shorter than the
shortest gap count in full; longer ones by the probability that the ship was on, which depends on the result and is iterated, from
the side that thinks worst of the reception.

For a gap the ship is put, hour by hour, where it would have been heard least among all places it could have reached and come back
from:

```
    A  1 1 1                          1 1 1  B       expected to be heard, summed: E
        \\  .9  .4  0  0  0  0  .4  .9  /
         the farther it can have gone, the quieter the quietest place within reach
```

No course can be quieter, so the chance of silence with the transponder on is an upper bound and `p_off` a lower one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy import sparse
from scipy.spatial import cKDTree

from ghostships import sea, sphere
from ghostships.routes import Area, Route
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM, US_PER_HOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELL_DEG = 0.25
NEAR_KM = 25.0
"""A cell is 28 km high: what is heard within 25 km was heard in the same or the next cell."""
POOL_KM = 60.0
"""Cells share what they learned with neighbours within this, less with distance: reception changes over tens of miles (own
judgement)."""
LEAST_OPPORTUNITIES = 20.0
"""A cell with fewer, its neighbours' share included, is unknown, and unknown is not heard: it adds nothing to E."""
LEAST_OTHERS = 3
"""Fewer other ships heard near the course say nothing about reception there."""
LEAST_EXPECTED_H = 1.0
"""Below one expected hour `p_off` would be the route's prior with a veneer: cannot say."""
SHIP_SHAPE = 2.0
"""Ships differ in antenna and power: the expected hours of a ship are those of the place times a gamma-distributed factor of this
shape (sd 0.7), so that silence has a tail (1 + E/k)^-k instead of exp(-E) (own judgement; to be fitted on simulated and blanked
tracks)."""
OUTAGE_EXPECTED, OUTAGE_SHARE = 3.0, 0.1
"""The feed was down in an hour in which at least 3 ships were expected and less than a tenth of what was expected was heard."""
DOUBT_P_OFF = 0.05
"""Prior, while learning, that a long silence was chosen. Far below a route's prior on purpose: with that one, a coast where
everybody is heard every nine hours comes out as one where everybody switches off (`tests/steps/test_reception.py`)."""
ROUNDS = 3
"""Each round believes a little less in silences and so more in the reception: on simulated traffic the mean heard-rate moved by
0.032, 0.014, 0.009 and 0.006 in rounds 2 to 5. Stopping early errs towards "was not heard", the side of the ship."""


Spans = Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True)
class Reception:
    """What the traffic tells about being heard: cells, their rate, the feed's level hour by hour, and who was heard where."""

    unit: Floats
    """Centre of each cell as a unit vector, one row a cell."""
    heard_rate: Floats
    """Per cell: probability that an ordinary ship is heard in an hour of a working feed; 0 where unknown."""
    opportunities: Floats
    """Per cell, with the neighbours' share."""
    first_hour: int
    feed: Floats
    """Per hour of the run, from `first_hour` (hours since 1970): heard over expected, at most 1."""
    expected: Floats
    """Per hour of the run: ships expected to be heard."""
    audibility: dict[str, float]
    """Per ship: how well it is heard where it is known to be on, against others there; at most 1."""
    seen: Ints
    """Sorted `cell * 2^40 + hour * 2^20 + ship`: who was heard where and when."""
    ships: dict[str, int]
    hull_hours: dict[tuple[str, int], Ints]
    """Of numbers with several tracks: the hours in which each hull was heard."""
    hull_of: dict[str, int]
    """Hull of each segment."""


@dataclass(frozen=True)
class _Window:
    """One silence, in hours since 1970; `to` is None where the ship has not come back."""

    gap_id: str
    vessel_key: str
    start_us: int
    start_h: float
    end_h: float
    at: Floats
    to: Floats | None
    fastest_kn: float
    segment_id: str

    @property
    def hours(self) -> range:
        """Hours that lie in the silence from beginning to end."""
        return range(math.floor(self.start_h) + 1, max(math.floor(self.start_h) + 1, math.floor(self.end_h)))


def learn(
    segment_hours: pl.DataFrame,
    gaps: pd.DataFrame,
    *,
    min_gap_h: float,
    route: Route,
    as_of_utc: datetime | None,
    waters: sea.Sea,
    fastest_kn: Mapping[str, float] | None = None,
    unobserved: Spans = (),
) -> Reception:
    """Learn from the traffic where and when ships are heard.

    In the spans `unobserved` a source did not deliver: nobody is expected to be heard then. `waters` tells where a ship could be
    though nobody was heard there. Limits: outages are those of the whole feed, not of one receiver; moored and moving ships and the
    hours of the day share one rate per cell.
    """
    rows = _rows(segment_hours)
    unit, ids = _cells(rows, waters, route.area)
    steps = _steps(rows, ids, min_gap_h=min_gap_h)
    windows = _windows(gaps, fastest_kn or {}, route, as_of_utc)
    share = _shares(unit)
    p_on = {(w.vessel_key, w.start_us): 1 - DOUBT_P_OFF for w in windows}
    n_hours = int(steps.hour.max() - steps.first_hour + 1) if len(steps.hour) else 0
    learned = Reception(
        unit=unit,
        heard_rate=np.zeros(len(ids)),
        opportunities=np.zeros(len(ids)),
        first_hour=steps.first_hour,
        feed=np.ones(n_hours),
        expected=np.zeros(n_hours),
        audibility={},
        seen=steps.seen,
        ships=steps.ships,
        hull_hours=_shared(rows),
        hull_of=dict(rows.select("segment_id", "hull").unique().iter_rows()),
    )
    within = [_within_reach(window, unit) for window in windows]
    for turn in range(ROUNDS):
        if turn:
            for window, reach in zip(windows, within, strict=True):
                p_off = _p_off(_expected_heard(window, learned, reach), DOUBT_P_OFF)
                p_on[window.vessel_key, window.start_us] = 1 - p_off
        weight = np.array([p_on.get(key, 1 - DOUBT_P_OFF) for key in steps.silence])
        weight = np.where(steps.certain, 1.0, weight)
        learned = _deaf(_estimate(learned, steps, weight, share), unobserved)
    return learned


def _deaf(reception: Reception, unobserved: Spans) -> Reception:
    """The feed's level is 0 in every hour that a source left out, even in part."""
    feed = reception.feed.copy()
    for start_h, end_h in ((start.timestamp() / 3600, end.timestamp() / 3600) for start, end in unobserved):
        first = math.floor(start_h) - reception.first_hour
        feed[max(first, 0) : max(math.ceil(end_h) - reception.first_hour, 0)] = 0.0
    return replace(reception, feed=feed)


def judge(
    gaps: pd.DataFrame,
    reception: Reception,
    *,
    min_gap_h: float,
    route: Route,
    scope: Literal["area", "selected"],
    as_of_utc: datetime | None,
    fastest_kn: Mapping[str, float] | None = None,
    unobserved: Spans = (),
) -> pd.DataFrame:
    """Say of each silence how often the ship should have been heard, and so whether its transponder was off.

    One row per gap, in the order of `gaps`: `gap_id`, `expected_heard` [h], `p_off`, `n_other_ships_heard`, `state`, `because`.
    `p_off` is a lower bound. It is null where the data cannot say: chosen ships only (`scope` selected), a feed that was down,
    fewer than three other ships near the course, less than one expected hour, or messages under the same number from elsewhere
    meanwhile. A silence of which less than `min_gap_h` is left without the hours that nobody listened (`unobserved`, spans that
    do not overlap, and hours in which the feed was down) is void.
    """
    rows: list[dict[str, object]] = []
    states = dict(zip(gaps["gap_id"], gaps["state"], strict=True))
    for window in _windows(gaps, fastest_kn or {}, route, as_of_utc):
        others, hours_heard = _others(window, reception)
        lost_h, missing_h = _hours_lost(window, reception, unobserved)
        lost_h = missing_h if scope == "selected" else lost_h
        void = window.end_h - window.start_h - lost_h < min_gap_h and lost_h > 0
        expected: float | None = None if scope == "selected" else _expected_heard(window, reception)
        p_off: float | None = None
        lost = (lost_h, missing_h) if void else None
        cannot = _cannot_say(window, reception, scope=scope, lost=lost, others=others, expected=expected)
        if cannot is None and expected is not None:
            p_off = round(_p_off(expected, route.priors.p_off), 6)
            because = (
                f"{others} other ships within {NEAR_KM:.0f} km of the straight course were heard in {hours_heard} of these"
                f" {len(window.hours)} hours; even on the quietest course open to it this ship should have been heard in at"
                f" least {expected:.1f}; it was heard in 0"
            )
        else:
            because = f"cannot say: {cannot}"
        rows.append(
            {
                "gap_id": window.gap_id,
                "expected_heard": None if expected is None else round(expected, 3),
                "p_off": p_off,
                "n_other_ships_heard": others,
                "state": "void" if void else states[window.gap_id],
                "because": because,
            }
        )
    judged = pd.DataFrame(
        rows, columns=["gap_id", "expected_heard", "p_off", "n_other_ships_heard", "state", "because"]
    )
    kinds = {"gap_id": "str", "expected_heard": "float64", "p_off": "float64", "n_other_ships_heard": "Int64"}
    return judged.astype({**kinds, "state": "str", "because": "str"})


def _cannot_say(
    window: _Window,
    reception: Reception,
    *,
    scope: str,
    lost: tuple[float, float] | None,
    others: int,
    expected: float | None,
) -> str | None:
    """Why the data cannot tell an unheard ship from one switched off; None where it can."""
    if lost and lost[1]:
        return f"a source delivered nothing for {lost[1]:.1f} of the {window.end_h - window.start_h:.1f} hours of this silence"
    if scope == "selected":
        return "the export holds chosen ships, so the silence of one says nothing beside that of ships left out"
    if lost:
        return f"the feed was down in {lost[0]:.0f} hours of this silence"
    elsewhere = _heard_elsewhere(window, reception)
    if elsewhere:
        return f"messages under this number came from another track in {elsewhere} hours of this silence"
    if others < LEAST_OTHERS:
        return f"only {others} other ships were heard within {NEAR_KM:.0f} km of the straight course meanwhile"
    if expected is None or expected < LEAST_EXPECTED_H:
        return f"on the quietest course open to it this ship should have been heard in {expected or 0:.1f} hours only"
    return None


def _p_off(expected_heard: float, prior: float) -> float:
    """Posterior that the transponder was off, when silence with it on has the tail (1 + E/k)^-k."""
    silent_if_on = (1 + expected_heard / SHIP_SHAPE) ** -SHIP_SHAPE
    return float(prior / (prior + (1 - prior) * silent_if_on))


# What the rows say ---------------------------------------------------------------------------------------------------


def _rows(segment_hours: pl.DataFrame) -> pl.DataFrame:
    """Hours of hulls with a place, in total order; one without a position is put where the hull was last seen, else next."""
    hull = ["vessel_key", "hull"]

    def known(column: str) -> pl.Expr:
        return pl.col(column).fill_null(strategy="forward").over(hull).fill_null(strategy="backward").over(hull)

    return (
        segment_hours.sort(*hull, "hour_utc", "segment_id")
        .with_columns(
            hour=pl.col("hour_utc").dt.epoch("us") // US_PER_HOUR,
            lat=known("last_lat_deg"),
            lon=known("last_lon_deg"),
        )
        .filter(pl.col("lat").is_not_null())
        .with_columns(place=sphere.cell_expr(pl.col("lat"), pl.col("lon")))
    )


def _unit(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Floats:
    lat, lon = np.radians(np.asarray(lat_deg, dtype=np.float64)), np.radians(np.asarray(lon_deg, dtype=np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _nm(a: Floats, b: Floats) -> Floats:
    """Great circle [nm] between unit vectors."""
    chord: Floats = np.sqrt(((a - b) ** 2).sum(axis=-1))
    return 2 * np.arcsin(np.minimum(chord / 2, 1)) * (EARTH_RADIUS_KM / KM_PER_NM)


def _cells(rows: pl.DataFrame, waters: sea.Sea, area: Area) -> tuple[Floats, Ints]:
    """Centres and ids of the cells a ship may be in, sorted by id: those where one was heard, and the water within two cells.

    Water farther off need not be listed: to be there a ship passes the rim, where nobody was heard either. Outside the area of the
    route nothing is known, so a ship may be there.
    """
    heard = np.unique(rows["place"].to_numpy()).astype(np.int64)
    if not len(heard):
        return np.empty((0, 3)), heard
    lat, lon = sphere.cell_centre(heard)
    around = []
    for up in (-2, -1, 0, 1, 2):
        next_lat = np.clip(lat + up * CELL_DEG, -89.9, 89.9)
        width = CELL_DEG / np.cos(np.radians(next_lat))
        around += [sphere.cell(next_lat, (lon + right * width + 180) % 360 - 180) for right in (-2, -1, 0, 1, 2)]
    ids = np.unique(np.concatenate([*around, heard]))
    lat, lon = sphere.cell_centre(ids)
    possible = np.isin(ids, heard)
    possible |= (
        (lat < area.lat_min_deg) | (lat > area.lat_max_deg) | (lon < area.lon_min_deg) | (lon > area.lon_max_deg)
    )
    # Nine points of a cell: a cove in a corner is enough to lie in.
    for north in (-0.3, 0.0, 0.3):
        for east in (-0.3, 0.0, 0.3):
            width = CELL_DEG / np.cos(np.radians(lat))
            possible |= waters.is_water(lat + north * CELL_DEG, lon + east * width)
    ids = ids[possible]
    return _unit(*sphere.cell_centre(ids)), ids


@dataclass(frozen=True)
class _Steps:
    """Opportunities: one entry per hour and hull in which it was heard, or missed between two hours in which it was."""

    hour: Ints
    cell: Ints
    """Index into the cells, -1 where no listed cell holds the place."""
    heard: npt.NDArray[np.bool_]
    certain: npt.NDArray[np.bool_]
    """Part of a step shorter than the shortest gap: the ship was on."""
    silence: list[tuple[str, int]]
    """Ship and start [us] of the silence that the entry belongs to."""
    ship: Ints
    first_hour: int
    seen: Ints
    ships: dict[str, int]


def _steps(rows: pl.DataFrame, ids: Ints, *, min_gap_h: float) -> _Steps:
    """Every step between heard hours of one hull, laid out hour by hour along the straight line."""
    hull = ["vessel_key", "hull"]
    names = sorted(rows["vessel_key"].unique().to_list())
    ships = {name: number for number, name in enumerate(names)}
    steps = rows.with_columns(
        hour0=pl.col("hour").shift(1).over(hull),
        lat0=pl.col("lat").shift(1).over(hull),
        lon0=pl.col("lon").shift(1).over(hull),
        start_us=pl.col("last_heard_utc").dt.epoch("us").shift(1).over(hull),
    ).filter(pl.col("hour0").is_not_null() & (pl.col("hour0") < pl.col("hour")))
    silent_us = (steps["first_heard_utc"].dt.epoch("us") - steps["start_us"]).to_numpy()
    hour0, hour1 = steps["hour0"].to_numpy(), steps["hour"].to_numpy()
    n = hour1 - hour0
    at = np.repeat(np.arange(len(n)), n)
    offset = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + 1
    part = offset / np.maximum(n[at], 1)
    lat0, lat1 = steps["lat0"].to_numpy()[at], steps["lat"].to_numpy()[at]
    lon0, lon1 = steps["lon0"].to_numpy()[at], steps["lon"].to_numpy()[at]
    east = (lon1 - lon0 + 180) % 360 - 180
    place = sphere.cell(lat0 + part * (lat1 - lat0), (lon0 + part * east + 180) % 360 - 180)
    index = np.searchsorted(ids, place).clip(0, max(len(ids) - 1, 0))
    cell = np.where(ids[index] == place, index, -1) if len(ids) else np.full(len(place), -1)
    keys = list(zip(steps["vessel_key"].to_list(), steps["start_us"].to_list(), strict=True))
    ship = np.array([ships[key] for key, _ in keys], dtype=np.int64)
    everywhere = np.searchsorted(ids, rows["place"].to_numpy())
    who = np.array([ships[key] for key in rows["vessel_key"].to_list()], dtype=np.int64)
    seen = np.unique((everywhere.astype(np.int64) << 40) + (rows["hour"].to_numpy() << 20) + who)
    return _Steps(
        hour=hour0[at] + offset,
        cell=cell,
        heard=offset == n[at],
        certain=(silent_us < round(min_gap_h * US_PER_HOUR))[at],
        silence=[keys[i] for i in at],
        ship=ship[at] if len(at) else np.empty(0, dtype=np.int64),
        first_hour=int(rows["hour"].min()) if len(rows) else 0,  # type: ignore[arg-type]
        seen=seen,
        ships=ships,
    )


def _shared(rows: pl.DataFrame) -> dict[tuple[str, int], Ints]:
    """Hours in which each hull of a number with several was heard."""
    several = rows.group_by("vessel_key").agg(n=pl.col("hull").n_unique()).filter(pl.col("n") > 1)
    heard = (
        rows.join(several, on="vessel_key", how="semi")
        .group_by("vessel_key", "hull")
        .agg(pl.col("hour").unique().sort())
    )
    return {(key, hull): np.array(hours, dtype=np.int64) for key, hull, hours in heard.iter_rows()}


def _windows(
    gaps: pd.DataFrame, fastest_kn: Mapping[str, float], route: Route, as_of_utc: datetime | None
) -> list[_Window]:
    """The silences as numbers. A ship that came back faster than it can sail is let sail as fast as that took."""
    columns = [
        "gap_id",
        "vessel_key",
        "start_utc",
        "end_utc",
        "start_lat_deg",
        "start_lon_deg",
        "end_lat_deg",
        "end_lon_deg",
        "segment_id",
    ]
    default_kn = route.default_top_speed_kn(None)
    out = []
    for gap, key, start, end, lat0, lon0, lat1, lon1, segment in gaps[columns].itertuples(index=False):
        start_us = start.value // 1000
        until = end if not pd.isna(end) else as_of_utc
        end_us = start_us if until is None else pd.Timestamp(until).value // 1000
        at = _unit(lat0, lon0)
        to = None if pd.isna(lat1) else _unit(lat1, lon1)
        hours = max((end_us - start_us) / US_PER_HOUR, 1e-6)
        kn = fastest_kn.get(key, math.nan)
        kn = kn if kn > 0 else default_kn
        if to is not None:
            kn = max(kn, float(_nm(at, to)) / hours)
        out.append(_Window(gap, key, start_us, start_us / US_PER_HOUR, end_us / US_PER_HOUR, at, to, kn, segment))
    return out


# What follows from them ----------------------------------------------------------------------------------------------


def _shares(unit: Floats) -> sparse.csr_matrix:
    """How much each cell learns from each other one: 1 from itself, falling off as a bell with distance."""
    if not len(unit):
        return sparse.csr_matrix((0, 0))
    tree = cKDTree(unit)
    # Straight through the Earth, and back to the surface.
    near = tree.sparse_distance_matrix(tree, 2 * np.sin(POOL_KM / EARTH_RADIUS_KM / 2), output_type="ndarray")
    away_km = 2 * np.arcsin(np.minimum(near["v"] / 2, 1)) * EARTH_RADIUS_KM
    # Half a pool's radius is one standard deviation: 0.14 at the rim.
    bell = np.exp(-2 * (away_km / POOL_KM) ** 2)
    matrix = sparse.csr_matrix((bell, (near["i"], near["j"])), shape=(len(unit), len(unit)))
    matrix.sort_indices()
    return matrix


def _estimate(before: Reception, steps: _Steps, weight: Floats, share: sparse.csr_matrix) -> Reception:
    """Heard-rates, feed and audibility, given how likely the ship was on in each hour."""
    n_cells, n_hours, n_ships = len(before.unit), len(before.feed), len(steps.ships)
    known = steps.cell >= 0
    cell, hour, ship = steps.cell[known], (steps.hour - steps.first_hour)[known], steps.ship[known]
    heard, on = steps.heard[known].astype(np.float64), weight[known]
    on = np.where(steps.heard[known], 1.0, on)
    tries = _sums(cell, on * before.feed[hour], n_cells)
    hits = _sums(cell, heard, n_cells)
    tries = np.maximum(tries, hits)
    level = float(hits.sum() / tries.sum()) if tries.sum() else 0.0
    strength = _strength(hits, tries, level)
    pooled_tries, pooled_hits = share @ tries, share @ hits
    rate = (pooled_hits + strength * level) / (pooled_tries + strength)
    rate = np.where(pooled_tries >= LEAST_OPPORTUNITIES, rate, 0.0)
    expected = _sums(hour, on * rate[cell], n_hours)
    # One ship more in both keeps hours with little traffic near 1.
    trusted = rate[cell] > 0
    feed = np.minimum((_sums(hour, heard * trusted, n_hours) + 1) / (expected + 1), 1.0)
    due = _sums(ship, on * rate[cell] * feed[hour], n_ships)
    got = _sums(ship, heard * trusted, n_ships)
    # Three hours of an ordinary ship are mixed in, so that a ship hardly ever heard is ordinary.
    audible = np.minimum((got + 3) / (due + 3), 1.0)
    return replace(
        before,
        heard_rate=rate,
        opportunities=pooled_tries,
        feed=feed,
        expected=expected,
        audibility={name: float(audible[number]) for name, number in steps.ships.items()},
    )


def _sums(index: Ints, values: Floats, n: int) -> Floats:
    """Sum of the values of each index below n."""
    return np.bincount(index, values, n).astype(np.float64)


def _strength(hits: Floats, tries: Floats, level: float) -> float:
    """How many opportunities the area's level is worth in a cell: by moments of the spread between well-observed cells, 2 to 50."""
    good = tries >= LEAST_OPPORTUNITIES
    if good.sum() < 3 or not 0 < level < 1:
        return 10.0
    spread = float(np.mean((hits[good] / tries[good] - level) ** 2 - level * (1 - level) / tries[good]))
    return float(np.clip(level * (1 - level) / spread - 1, 2, 50)) if spread > 0 else 50.0


@dataclass(frozen=True)
class _WithinReach:
    """The cells that a silent ship can have been in, and the first and last hour of its window in which it can."""

    cells: Ints
    first: Ints
    last: Ints


def _within_reach(window: _Window, unit: Floats) -> _WithinReach:
    n = len(window.hours)
    first = window.hours[0] if n else 0
    # A ship reaches a cell when it reaches its edge, about half a cell's height before the centre.
    edge_nm = CELL_DEG * 60 / 2
    out_h = (_nm(unit, window.at) - edge_nm) / window.fastest_kn
    enter = np.ceil(window.start_h + out_h - first - 1).clip(0)
    leave = np.full(len(out_h), n - 1.0)
    if window.to is not None:
        home_h = (_nm(unit, window.to) - edge_nm) / window.fastest_kn
        leave = np.floor(window.end_h - home_h - first).clip(max=n - 1)
    cells = np.flatnonzero(enter <= leave)
    # Kept for every silence through all rounds, so in few bytes.
    return _WithinReach(cells.astype(np.int32), enter[cells].astype(np.int32), leave[cells].astype(np.int32))


def _least(values: Floats, first: Ints, last: Ints, n: int) -> Floats:
    """The least of the values of all spans (first to last, both included) that cover each of `n` hours; 0 where none does.

    A span is two overlapping ones of a length that is a power of two; each of those passes its value on to its halves.
    """
    level = np.frexp(last - first + 1.0)[1] - 1
    table = np.full((int(level.max(initial=0)) + 1, n), np.inf)
    np.minimum.at(table, (level, first), values)
    np.minimum.at(table, (level, last + 1 - (1 << level)), values)
    for up in range(len(table) - 1, 0, -1):
        half = 1 << (up - 1)
        np.minimum(table[up - 1], table[up], out=table[up - 1])
        np.minimum(table[up - 1, half:], table[up, : n - half], out=table[up - 1, half:])
    return np.where(np.isinf(table[0]), 0.0, table[0])


def _expected_heard(window: _Window, reception: Reception, within: _WithinReach | None = None) -> float:
    """E: the hours in which the ship should have been heard on the quietest course open to it."""
    n = len(window.hours)
    if n == 0 or not len(reception.unit) or not len(reception.feed):
        return 0.0
    within = within or _within_reach(window, reception.unit)
    quietest = _least(reception.heard_rate[within.cells], within.first, within.last, n)
    at = np.arange(window.hours[0], window.hours[0] + n) - reception.first_hour
    known = (at >= 0) & (at < len(reception.feed))
    feed = np.where(known, reception.feed[at.clip(0, max(len(reception.feed) - 1, 0))], 0.0)
    return float((quietest * feed).sum() * reception.audibility.get(window.vessel_key, 1.0))


def _hours_lost(window: _Window, reception: Reception, unobserved: Spans) -> tuple[float, float]:
    """Hours of the silence in which nobody listened, and of them those that a source left out.

    The others are those in which the feed was down: ships were expected, and hardly any was heard. An hour counts once.
    """
    hours = np.arange(math.floor(window.start_h), math.ceil(window.end_h))
    left_out = np.zeros(len(hours))
    for start_h, end_h in ((start.timestamp() / 3600, end.timestamp() / 3600) for start, end in unobserved):
        first, last = max(start_h, window.start_h), min(end_h, window.end_h)
        left_out += np.clip(np.minimum(hours + 1, last) - np.maximum(hours, first), 0, None)
    at = hours - reception.first_hour
    known = (at >= 0) & (at < len(reception.feed))
    # The ship itself is one of those expected.
    expected, feed = reception.expected[at[known]] - 1, reception.feed[at[known]]
    heard = feed * (reception.expected[at[known]] + 1) - 1
    down = np.zeros(len(hours))
    down[known] = (expected >= OUTAGE_EXPECTED) & (heard <= OUTAGE_SHARE * expected)
    # An hour of which a source left out a part was not down, its expectation was taken away.
    lost = np.where(left_out > 0, left_out, down)
    return float(lost.sum()), float(left_out.sum())


def _others(window: _Window, reception: Reception) -> tuple[int, int]:
    """Other ships heard near the straight course during the silence, and in how many of its hours."""
    hours = window.hours
    if not len(hours):
        return 0, 0
    near_nm = NEAR_KM / KM_PER_NM
    close = _nm(reception.unit, window.at) <= near_nm
    if window.to is not None:
        close |= _nm(reception.unit, window.to) <= near_nm
        pole = np.cross(window.at, window.to)
        size = float(np.linalg.norm(pole))
        if size > 1e-9:
            pole = pole / size
            off_nm = np.abs(np.arcsin(np.clip(reception.unit @ pole, -1, 1))) * (EARTH_RADIUS_KM / KM_PER_NM)
            between = (np.cross(window.at, reception.unit) @ pole >= 0) & (
                np.cross(reception.unit, window.to) @ pole >= 0
            )
            close |= (off_nm <= near_nm) & between
    cells = np.flatnonzero(close).astype(np.int64)
    low = np.searchsorted(reception.seen, (cells << 40) + (hours[0] << 20))
    high = np.searchsorted(reception.seen, (cells << 40) + ((hours[-1] + 1) << 20))
    found = np.concatenate([reception.seen[a:b] for a, b in zip(low, high, strict=True)] or [np.empty(0, np.int64)])
    who = found & 0xFFFFF
    other = found[who != reception.ships.get(window.vessel_key, -1)]
    return len(np.unique(other & 0xFFFFF)), len(np.unique((other >> 20) & 0xFFFFF))


def _heard_elsewhere(window: _Window, reception: Reception) -> int:
    """Hours of the silence in which another track of the same number was heard."""
    own = reception.hull_of.get(window.segment_id, 0)
    hours = [h for (key, hull), h in reception.hull_hours.items() if key == window.vessel_key and hull != own]
    return len({int(h) for each in hours for h in each if h in window.hours})
