"""Gaps and vessel hours -> what should have been heard, and whether the silence means anything.

Nobody publishes where the receivers of this coast are; the traffic itself tells. Opportunities are counted, not messages: a step
from one heard hour of a ship to the next, `d` hours on, is `d` opportunities of which one was taken.

```
heard   | | . . | | . . . . . . . . |      . an hour of a short step: missed, though the ship was on
                  ^-- a silence --^          an hour of a silence: missed as far as the ship was on
```

`inference.opportunities` counts them, `inference.heard` learns from them how often ships are heard, `inference.outages` when the
feed was down, and `inference.quietest` says what the quietest course open to a silent ship would have been. No course can be
quieter, so the chance of silence with the transponder on is an upper bound and `p_off` a lower one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy import sparse
from scipy.spatial import cKDTree

from ghostships import sea, sphere
from ghostships.inference import heard, opportunities, outages, quietest
from ghostships.inference.opportunities import KINDS, Tries
from ghostships.inference.quietest import Window, nm, unit
from ghostships.routes import Route
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM, US_PER_HOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEAR_KM = 25.0
"""A cell is 28 km high: what is heard within 25 km was heard in the same or the next cell."""
POOL_KM = 60.0
"""Cells share what they learned with neighbours within this, less with distance: reception changes over tens of miles (own
judgement)."""
LEAST_OTHERS = 3
"""Fewer other ships heard near the course say nothing about reception there."""
LEAST_EXPECTED_H = 1.0
"""Below one expected hour `p_off` would be the route's prior with a veneer: cannot say."""
WORTH_A_COURSE_H = 0.5
"""Expected hours on the envelope from which a true course is looked for: below, no course brings it to `LEAST_EXPECTED_H` (on
simulated traffic nine in ten add less than 0.6 of it, so few are missed)."""
SQUARE = 4
"""Cells along the side of a square that is asked on its own whether its feed was down: about 110 km, the range of a station."""
SURELY_DOWN = 0.5
"""The feed counts as down where that is likelier than not; the odds against an outage are already in `outages`."""

Spans = Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True)
class Reception:
    """What the traffic tells about being heard: cells, how often and when ships are heard there, and who was heard where."""

    unit: Floats
    """Centre of each cell as a unit vector, one row a cell."""
    ids: Ints
    """Number of each cell (`sphere.cell`), sorted."""
    rim: Bools
    """Cells from which a ship may leave what is known: there it is not expected to be heard."""
    is_charted: bool
    """Where water is, is known, so that courses can be followed around land."""
    heard: heard.Heard
    p_on: dict[tuple[str, int], float]
    """Per ship and start of a silence that ended [us]: chance that it was on, had it gone straight."""
    first_hour: int
    """Hours since 1970."""
    deaf: Bools
    """Per hour of the run: a source left it out, at least in part."""
    down: Bools
    """Per place (the whole area, each hearing zone, each square) and hour: the feed was down."""
    square: Ints
    """Per cell: number of its square."""
    seen: Ints
    """Sorted `cell * 2^40 + hour * 2^20 + ship`: who was heard where and when."""
    ships: dict[str, int]
    is_b: dict[str, bool]
    """Ships of class B."""
    hull_hours: dict[tuple[str, int], Ints]
    """Of numbers with several tracks: the hours in which each hull was heard."""
    hull_of: dict[str, int]
    """Hull of each segment."""

    @property
    def n_hours(self) -> int:
        return len(self.deaf)


def learn(
    segment_hours: pl.DataFrame,
    gaps: pd.DataFrame,
    *,
    min_gap_h: float,
    route: Route,
    waters: sea.Sea,
    unobserved: Spans = (),
    as_of_utc: datetime | None = None,
    fastest_kn: Mapping[str, float] | None = None,
) -> Reception:
    """Learn from the traffic where and when ships are heard.

    Hours inside `gaps` count by the chance that the ship was on, which is learned with the rest. In the spans `unobserved` a
    source did not deliver: nobody is expected to be heard then. `waters` tells where a ship could be though nobody was heard
    there. `as_of_utc` and `fastest_kn` belong to the policy that `judge` is given too; learning needs neither.

    Limits: a square of which fewer than four ships are expected to be heard in an hour cannot be found down on its own. A ship
    is taken to have gone straight from where it vanished to where it came back, for learning only. Open gaps teach nothing.
    """
    rows = opportunities.placed(segment_hours)
    area = route.area
    box = (area.lat_min_deg, area.lat_max_deg, area.lon_min_deg, area.lon_max_deg)
    centres, ids = quietest.cells_of(np.unique(rows["place"].to_numpy()).astype(np.int64), waters, box)
    ships = {name: number for number, name in enumerate(rows["vessel_key"].unique().sort().to_list())}
    rows = rows.with_columns(
        cell=pl.Series(np.searchsorted(ids, rows["place"].to_numpy()), dtype=pl.Int64),
        ship=pl.col("vessel_key").replace_strict(ships, return_dtype=pl.Int64) if ships else pl.lit(0, pl.Int64),
    )
    tries, silences = opportunities.count(rows, gaps, ids, n_ships=len(ships))
    deaf = _deaf(tries, unobserved)
    learned = heard.learn(tries, _shares(centres), min_gap_h=min_gap_h, deaf=deaf)
    square = _squares(ids)
    classes = rows.group_by("vessel_key").agg(is_b=pl.col("is_b").last())
    return Reception(
        unit=centres,
        ids=ids,
        rim=quietest.rim_of(ids, box),
        is_charted=waters.grid is not None,
        heard=learned,
        p_on=dict(zip(silences, learned.p_on.tolist(), strict=True)),
        first_hour=tries.first_hour,
        deaf=deaf,
        down=_down(tries, learned, square, deaf),
        square=square,
        seen=rows.select(pl.col("cell") * 2**40 + pl.col("hour") * 2**20 + pl.col("ship"))
        .to_series()
        .unique()
        .sort()
        .to_numpy(),
        ships=ships,
        is_b=dict(classes.iter_rows()),
        hull_hours=_shared(rows),
        hull_of=dict(rows.select("segment_id", "hull").unique().iter_rows()),
    )


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
    `p_off` is a lower bound: the lower of what the quietest course makes of the route's prior, and of what silences of this run
    like it come to on the straight course (on the spot, for a ship that has not come back). It is null where the data cannot say:
    chosen ships only (`scope` selected), a feed that was down, fewer than three other ships near the course, less than one
    expected hour, or messages under the same number from elsewhere
    meanwhile. A silence of which less than `min_gap_h` is left without the hours that nobody listened (`unobserved`, spans that
    do not overlap, and hours in which the feed was down where the ship would have been) is void.
    """
    windows = _windows(gaps, reception, fastest_kn or {}, route, as_of_utc)
    missing = _left_out(windows, unobserved)
    lost = missing if scope == "selected" else missing + _hours_down(windows, reception)
    length = np.array([w.end_h - w.start_h for w in windows], dtype=np.float64)
    void = (lost > 0) & (length - lost < min_gap_h)
    keys = list(gaps["vessel_key"])
    near = [_others(w, reception, reception.ships.get(key, -1)) for w, key in zip(windows, keys, strict=True)]
    matters = ~void & np.array([n >= LEAST_OTHERS for n, _ in near], dtype=bool)
    expected, by_chance = _exposed(windows, keys, reception, matters) if scope == "area" else (lost * 0, lost * 0 + 1)
    p_on = _on_straight(windows, keys, reception)
    rows: list[dict[str, object]] = []
    facts = zip(gaps["gap_id"], keys, gaps["segment_id"], gaps["state"], windows, near, strict=True)
    for number, (gap_id, key, segment, state, window, (others, hours_heard)) in enumerate(facts):
        length_h, is_void = float(length[number]), bool(void[number])
        if is_void and missing[number]:
            cannot = f"a source delivered nothing for {missing[number]:.1f} of the {length_h:.1f} hours of this silence"
        elif scope == "selected":
            cannot = "the export holds chosen ships, so the silence of one says nothing beside that of ships left out"
        elif is_void:
            cannot = f"the feed was down in {lost[number]:.0f} hours of this silence"
        elif elsewhere := _heard_elsewhere(window, key, segment, reception):
            cannot = f"messages under this number came from another track in {elsewhere} hours of this silence"
        elif others < LEAST_OTHERS:
            cannot = f"only {others} other ships were heard within {NEAR_KM:.0f} km of the straight course meanwhile"
        elif expected[number] < LEAST_EXPECTED_H:
            cannot = f"on the quietest course open to it this ship should have been heard in {expected[number]:.1f} hours only"
        else:
            cannot = ""
        p_off, because = math.nan, f"cannot say: {cannot}"
        if not cannot:
            p_off, straight = _p_off(float(by_chance[number]), route.priors.p_off, float(p_on[number]))
            # Rounded down: "at least" stays true.
            because = (
                f"{others} other ships within {NEAR_KM:.0f} km of the straight course were heard in {hours_heard} of these"
                f" {window.n_hours} hours; even on the quietest course open to it this ship should have been heard in at"
                f" least {math.floor(10 * expected[number]) / 10:.1f}; it was heard in 0{straight}"
            )
        rows.append(
            {
                "gap_id": gap_id,
                "expected_heard": None if scope == "selected" else round(float(expected[number]), 3),
                "p_off": p_off,
                "n_other_ships_heard": others,
                "state": "void" if is_void else state,
                "because": because,
            }
        )
    judged = pd.DataFrame(
        rows, columns=["gap_id", "expected_heard", "p_off", "n_other_ships_heard", "state", "because"]
    )
    kinds = {"gap_id": "str", "expected_heard": "float64", "p_off": "float64", "n_other_ships_heard": "Int64"}
    return judged.astype({**kinds, "state": "str", "because": "str"})


def _p_off(by_chance: float, prior: float, p_on: float) -> tuple[float, str]:
    """The lower of two: what the quietest course makes of the route's prior, and what silences of this run like it come to on the
    straight course; with the words for the second where it is the lower one."""
    quietest_p = prior / (prior + (1 - prior) * by_chance)
    if 1 - p_on >= quietest_p:
        return round(quietest_p, 6), ""
    return round(1 - p_on, 6), f"; yet of silences like it on the straight course {p_on:.0%} come about by chance"


# What the rows say ---------------------------------------------------------------------------------------------------


def _shared(rows: pl.DataFrame) -> dict[tuple[str, int], Ints]:
    """Hours in which each hull of a number with several was heard."""
    several = rows.group_by("vessel_key").agg(n=pl.col("hull").n_unique()).filter(pl.col("n") > 1)
    hours = (
        rows.join(several, on="vessel_key", how="semi")
        .group_by("vessel_key", "hull")
        .agg(pl.col("hour").unique().sort())
    )
    return {(key, hull): np.array(each, dtype=np.int64) for key, hull, each in hours.iter_rows()}


def _windows(
    gaps: pd.DataFrame,
    reception: Reception,
    fastest_kn: Mapping[str, float],
    route: Route,
    as_of_utc: datetime | None,
) -> list[Window]:
    """The silences as numbers. A ship that came back faster than it can sail is let sail as fast as that took."""
    default_kn = route.default_top_speed_kn(None)
    start_us = _microseconds(gaps["start_utc"])
    until = gaps["end_utc"].where(gaps["end_utc"].notna(), pd.Timestamp(as_of_utc) if as_of_utc else gaps["start_utc"])
    end_us = _microseconds(until)
    lat0, lon0, lat1, lon1 = (
        gaps[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg")
    )
    came_back = np.isfinite(lat1)
    at, to = unit(lat0, lon0), unit(np.where(came_back, lat1, lat0), np.where(came_back, lon1, lon0))
    at_cell, to_cell = (_index(reception.ids, sphere.cell(*place)) for place in ((lat0, lon0), (lat1, lon1)))
    own = np.array([float(fastest_kn.get(key, math.nan)) for key in gaps["vessel_key"]], dtype=np.float64)
    kn = np.where(own > 0, own, default_kn)
    hours = np.maximum((end_us - start_us) / US_PER_HOUR, 1e-6)
    kn = np.where(came_back, np.maximum(kn, nm(at, to) / hours), kn)
    return [
        Window(
            start_us[i] / US_PER_HOUR,
            end_us[i] / US_PER_HOUR,
            at[i],
            to[i] if came_back[i] else None,
            int(at_cell[i]),
            int(to_cell[i]),
            float(kn[i]),
        )
        for i in range(len(gaps))
    ]


def _microseconds(times: pd.Series) -> Ints:
    return np.asarray(times.astype("datetime64[us, UTC]").astype("int64"), dtype=np.int64)


def _index(ids: Ints, cells: Ints) -> Ints:
    """Where each cell stands in the list; -1 where it does not."""
    if not len(ids):
        return np.full(len(cells), -1, dtype=np.int64)
    at = np.searchsorted(ids, cells).clip(max=len(ids) - 1)
    return np.asarray(np.where(ids[at] == cells, at, -1), dtype=np.int64)


# What follows from them ----------------------------------------------------------------------------------------------


def _shares(centres: Floats) -> sparse.csr_matrix:
    """How much each cell learns from each other one: falling off as a bell with distance; nothing from itself."""
    if not len(centres):
        return sparse.csr_matrix((0, 0))
    tree = cKDTree(centres)
    # Straight through the Earth, and back to the surface.
    near = tree.sparse_distance_matrix(tree, 2 * np.sin(POOL_KM / EARTH_RADIUS_KM / 2), output_type="ndarray")
    near = near[near["i"] != near["j"]]
    away_km = 2 * np.arcsin(np.minimum(near["v"] / 2, 1)) * EARTH_RADIUS_KM
    # Half a pool's radius is one standard deviation: 0.14 at the rim.
    bell = np.exp(-2 * (away_km / POOL_KM) ** 2)
    matrix = sparse.csr_matrix((bell, (near["i"], near["j"])), shape=(len(centres), len(centres)))
    matrix.sort_indices()
    return matrix


def _squares(ids: Ints) -> Ints:
    """Number of the square that each cell is in, from 0."""
    if not len(ids):
        return np.zeros(0, dtype=np.int64)
    lat, lon = sphere.cell_centre(ids)
    high = SQUARE * sphere.CELL_ROW_DEG
    row = np.floor((lat + 90) / high)
    wide = high / np.cos(np.radians((row + 0.5) * high - 90))
    number = row * 1000 + np.floor((lon + 180) / wide)
    return np.unique(number, return_inverse=True)[1].astype(np.int64)


def _deaf(tries: Tries, unobserved: Spans) -> Bools:
    """Every hour that a source left out, even in part."""
    deaf = np.zeros(tries.n_hours, dtype=bool)
    for start_h, end_h in _hours_of(unobserved):
        deaf[max(math.floor(start_h) - tries.first_hour, 0) : max(math.ceil(end_h) - tries.first_hour, 0)] = True
    return deaf


def _hours_of(spans: Spans) -> list[tuple[float, float]]:
    return [(start.timestamp() / 3600, end.timestamp() / 3600) for start, end in spans]


def _down(tries: Tries, learned: heard.Heard, square: Ints, deaf: Bools) -> Bools:
    """Places and hours in which the feed was down; the first place is the whole area, then come the zones, then the squares."""
    n_squares = int(square.max()) + 1 if len(square) else 0
    n_hours = tries.n_hours
    slot, at = np.concatenate([tries.hour_slot, tries.silent_slot]), np.concatenate([tries.hour_at, tries.silent_at])
    # All as if on: where an outage is not known yet, those whom it silenced look as if switched off.
    tried = np.concatenate([tries.hour_tries, np.ones(len(tries.silence))])
    got = np.concatenate([tries.hour_heard, tries.silent_heard * 1.0])
    rate = learned.rate.ravel()[slot]
    use = (rate > 0) & ~deaf[at]
    slot, at, tried, got, rate = slot[use], at[use], tried[use], got[use], rate[use]
    cell = slot // KINDS
    zone = learned.zone[cell]
    of_day = (at + tries.first_hour) % 24
    due = tried * -np.expm1(-rate * learned.clock[zone, of_day])
    tables = []
    for values in (got, tried, due):
        by_square = np.bincount(square[cell] * n_hours + at, values, n_squares * n_hours).reshape(n_squares, n_hours)
        by_zone = np.bincount(zone * n_hours + at, values, 3 * n_hours).reshape(3, n_hours)
        tables.append(np.vstack([by_zone.sum(axis=0), by_zone, by_square]).astype(np.float64))
    return np.asarray((outages.chance_down(*tables) > SURELY_DOWN) & ~deaf)


def _left_out(windows: Sequence[Window], unobserved: Spans) -> Floats:
    """Hours of each silence that a source left out."""
    return np.array(
        [
            math.fsum(max(0.0, min(end, w.end_h) - max(start, w.start_h)) for start, end in _hours_of(unobserved))
            for w in windows
        ],
        dtype=np.float64,
    )


def _hours_down(windows: Sequence[Window], reception: Reception) -> Floats:
    """Hours of each silence in which the feed was down where the ship would have been, had it gone straight (or stayed)."""
    lost = np.zeros(len(windows))
    any_down = np.flatnonzero(reception.down.any(axis=0))
    for number, window in enumerate(windows):
        first, last = math.floor(window.start_h) - reception.first_hour, window.end_h - reception.first_hour
        hours = any_down[np.searchsorted(any_down, first) : np.searchsorted(any_down, last)]
        if not len(hours):
            continue
        begin = hours + reception.first_hour
        part = (begin + 0.5 - window.start_h) / max(window.end_h - window.start_h, 1e-9)
        place = window.at + part.clip(0, 1)[:, None] * ((window.at if window.to is None else window.to) - window.at)
        place /= np.linalg.norm(place, axis=1, keepdims=True)
        lat, lon = np.degrees(np.arcsin(place[:, 2].clip(-1, 1))), np.degrees(np.arctan2(place[:, 1], place[:, 0]))
        cell = _index(reception.ids, sphere.cell(lat, lon))
        zone, square = reception.heard.zone[cell], reception.square[cell]
        down = reception.down[0, hours]
        down |= (cell >= 0) & (reception.down[1 + zone, hours] | reception.down[4 + square, hours])
        inside = np.minimum(begin + 1, window.end_h) - np.maximum(begin, window.start_h)
        lost[number] = float((inside * down).sum())
    return lost


def _exposed(
    windows: Sequence[Window], keys: Sequence[str], reception: Reception, matters: Bools
) -> tuple[Floats, Floats]:
    """Of each silence: the hours in which the ship should have been heard on the quietest course open to it, and an upper bound of
    the chance that it was not heard at all with its transponder on. Where neither `matters` the envelope will do."""
    n = len(windows)
    learned = reception.heard
    ship = np.array([reception.ships.get(key, len(reception.ships)) for key in keys], dtype=np.int64)
    if not n or not len(reception.unit):
        return np.zeros(n), np.ones(n)
    ends = np.unique([cell for w in windows for cell in (w.at_cell, w.to_cell) if cell >= 0]).astype(np.int64)
    apart = None
    if reception.is_charted:
        apart = quietest.around_land(quietest.touching(reception.unit), ends, rim=reception.rim)
    # Moored or under way, as it was heard less.
    rates = [np.where(reception.rim, 0.0, learned.rate[:, 2 * b : 2 * b + 2].min(axis=1)) for b in (0, 1)]
    # Chance to be heard in an hour, by rate, for each ship; straight lines between these lie below the curve.
    at_rates = np.concatenate([[0.0], np.geomspace(0.01, 40.0, 60)])
    chances = learned.audible @ -np.expm1(-np.outer(heard.AUDIBILITIES, at_rates))
    runs = _runs(reception)
    steps: dict[float, Ints] = {}
    expected, summed = np.zeros(n), np.zeros(n)
    for number, (window, key) in enumerate(zip(windows, keys, strict=True)):
        if not window.n_hours:
            continue
        out, home = (
            apart[np.searchsorted(ends, cell)] if cell >= 0 and apart is not None else None
            for cell in (window.at_cell, window.to_cell)
        )
        within = quietest.reach(window, reception.unit, out, home)
        first = window.first_hour - reception.first_hour
        at = np.arange(first, first + window.n_hours)
        known = (at >= 0) & (at < reception.n_hours)
        level = np.where(known, learned.level[:, at.clip(0, reception.n_hours - 1)], 0.0)
        silent = [(cells, a - first, b - first) for cells, a, b in runs if a < first + window.n_hours and b > first]
        rate = rates[reception.is_b.get(key, False)]
        chance = chances[ship[number]]
        hourly = quietest.exposure(window.n_hours, within, rate, learned.zone, level, silent)
        expected[number], summed[number] = np.interp(hourly, at_rates, chance).sum(), hourly.sum()
        hourly_nm = next((kn for kn in quietest.SPEEDS_NM if kn >= window.fastest_kn), math.nan)
        can = hourly_nm > 0 and len(within.cells) * window.n_hours <= quietest.MOST_STATES
        if not (can and matters[number] and reception.is_charted and expected[number] >= WORTH_A_COURSE_H):
            continue
        if hourly_nm not in steps:
            steps[hourly_nm] = quietest.steps_from(reception.unit, reception.ids, hourly_nm)
        now = rate[within.cells] * level[learned.zone[within.cells]].T
        for cells, a, b in silent:
            now[max(a, 0) : max(b, 0), np.isin(within.cells, cells)] = 0.0
        best = quietest.course(
            np.stack([np.interp(now, at_rates, chance), now]), within, steps[hourly_nm], reception.rim
        )
        if np.isfinite(best).all():
            expected[number], summed[number] = np.maximum(best, (expected[number], summed[number]))
    return expected, learned.silent_if_on(summed, ship)


def _on_straight(windows: Sequence[Window], keys: Sequence[str], reception: Reception) -> Floats:
    """Chance that each ship was on, had it gone straight to where it came back; one that has not come back, had it stayed."""
    learned = reception.heard
    out = np.ones(len(windows))
    for number, (window, key) in enumerate(zip(windows, keys, strict=True)):
        known = reception.p_on.get((key, round(window.start_h * US_PER_HOUR)))
        if known is not None or window.at_cell < 0:
            out[number] = 1.0 if known is None else known
            continue
        first = max(window.first_hour - reception.first_hour, 0)
        last = max(window.first_hour + window.n_hours - reception.first_hour, first)
        kind = 2 * reception.is_b.get(key, False)
        rate = learned.rate[window.at_cell, kind : kind + 2].min()
        summed = rate * learned.level[learned.zone[window.at_cell], first:last].sum()
        ship = np.array([reception.ships.get(key, len(reception.ships))])
        out[number] = learned.on(np.array([summed]), ship, np.array([window.n_hours + 1]))[0]
    return out


def _runs(reception: Reception) -> list[tuple[Ints, int, int]]:
    """Cells of each square and the hours from one to another (excluded) in which its feed was down."""
    out = []
    for number, row in enumerate(reception.down[4:]):
        edges = np.flatnonzero(np.diff(np.r_[False, row, False]))
        cells = np.flatnonzero(reception.square == number)
        out += [(cells, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return out


def _others(window: Window, reception: Reception, ship: int) -> tuple[int, int]:
    """Other ships heard near the straight course during the silence, and in how many of its hours."""
    if not window.n_hours or not len(reception.seen):
        return 0, 0
    cells = _near_course(window, reception.unit)
    first = window.first_hour
    low = np.searchsorted(reception.seen, (cells << 40) + (first << 20))
    high = np.searchsorted(reception.seen, (cells << 40) + ((first + window.n_hours) << 20))
    found = np.concatenate([reception.seen[a:b] for a, b in zip(low, high, strict=True)] or [np.empty(0, np.int64)])
    other = found[(found & 0xFFFFF) != ship]
    return len(np.unique(other & 0xFFFFF)), len(np.unique((other >> 20) & 0xFFFFF))


def _near_course(window: Window, centres: Floats) -> Ints:
    """Cells whose centres are within `NEAR_KM` of the great circle between both ends, or of the one end that is known."""
    near_nm = NEAR_KM / KM_PER_NM
    to = window.at if window.to is None else window.to
    middle = window.at + to
    middle = middle / np.linalg.norm(middle)
    # All of it lies in this circle, which few cells do.
    radius = min(math.pi, (float(nm(window.at, to)) / 2 + near_nm) * KM_PER_NM / EARTH_RADIUS_KM + 1e-6)
    x, y, z = centres.T
    cells = np.flatnonzero(x * middle[0] + y * middle[1] + z * middle[2] >= math.cos(radius))
    some = centres[cells]
    close = (nm(some, window.at) <= near_nm) | (nm(some, to) <= near_nm)
    pole = quietest.cross(window.at, to)
    size = float(np.sqrt((pole**2).sum()))
    if size > 1e-9:
        off_nm = np.abs(np.arcsin(np.clip(some @ pole / size, -1, 1))) * (EARTH_RADIUS_KM / KM_PER_NM)
        between = (some @ quietest.cross(pole, window.at) >= 0) & (some @ quietest.cross(to, pole) >= 0)
        close |= (off_nm <= near_nm) & between
    return cells[close].astype(np.int64)


def _heard_elsewhere(window: Window, key: str, segment: str, reception: Reception) -> int:
    """Hours of the silence in which another track of the same number was heard."""
    own = reception.hull_of.get(segment, 0)
    of_others = [hours for (other, hull), hours in reception.hull_hours.items() if other == key and hull != own]
    if not of_others:
        return 0
    hours = np.unique(np.concatenate(of_others))
    return int(np.diff(np.searchsorted(hours, (window.first_hour, window.first_hour + window.n_hours)))[0])
