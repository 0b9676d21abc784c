"""All positions of the few suspects -> places that nobody should believe: jamming clusters, tracks drawn by a machine.

```
   ship 1   o--o--o--o            o--o--o      many ships at once are suddenly elsewhere, all at the same place, and later
   ship 2   o--o--o                 o--o--o    suddenly back: not one of them could have sailed there
   ship 3     o--o--o--o        o--o--o
                        x x x x                 <- not believed: heard, but nowhere
```

Such a position stays a message: the ship was heard, so it is not silent, and where it was is not known. Published detectors work in
the same two stages, impossible jumps first and then ships that share where they jump to (arXiv 2602.16257, 2603.11055).

Limits: only ships with an impossible step are looked at; a false place near enough to have been sailed to is believed. Jamming that
scatters ships instead of gathering them is left to `segments`. Of two places that a ship is thrown between, the one where it was
heard least is the false one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ghostships import sphere, tables
from ghostships.inference import coincidence, findings
from ghostships.inference.findings import Finding
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM, US_PER_HOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
IsAshore = Callable[[Floats, Floats], Bools]

JUMP_NM = 2.0
"""Shorter impossible steps are clocks: a ship of 20 kn moves as far in the five minutes that shore stations differ by."""
PAUSE_H = 1.0
FOLLOW_KN, SLACK_H = 40.0, 1 / 30
"""What continues a track after a break; no cargo ship or ferry of these waters is faster (`segments.suspects` uses the same). Two
minutes of slack, not the quarter of an hour of `segments`: in that a ship may be put ten miles off."""
OFF_PATH_NM, BEFORE_H, AFTER_H = 3.0, 48.0, 2.0
"""A stray this near to where its ship was in the two days before is a way back from a false place to which it never jumped; near to
where it was within two hours, a wrong clock. Neither is a false place."""
STRAY_NM, STRAY_KN, STRAY_MAX_NM = 0.5, 2.0, 120.0
"""How far a ship is from where it was heard last: as in `segments`."""
TRUST_ENOUGH = 30.0
"""Positions after which a track is trusted no more than before: weeks at home must not draw a circle far away to themselves."""
FORGET_H = 24.0
"""A stray track is over after this; only the one with most positions may be silent for longer."""
GATHER_KM, GATHER_H = 15.0, 3.0
"""Strays that begin within this of each other are one event: published circles are up to about 10 km wide, and receivers lose
their fix within an hour or two of each other (own judgement)."""
LEAST_SHIPS, LEAST_RINGS, LEAST_BITS = 3, 2, 10.0
"""Two ships may be two mistakes, but not two circles around one centre. 10 bits: less than one false cluster in a thousand feeds
like this one."""
WIDEST_KM = 25.0
"""A stray that spreads farther is a ship under way: another hull, not a false fix."""
LEAST_OWN_SHARE = 2 / 3
"""A jammed ship has one transponder: while it is elsewhere it is hardly heard at home. Two hulls that send one number are heard
at both places, each about half of the time."""
LEAST_SHAPE, LEAST_SHAPE_H = 10, 1.0
CIRCLE_KM = (1.0, 15.0)
CIRCLE_AROUND_H = 24.0
"""A ship at anchor swings on a circle too, of at most half a kilometre (300 m of ship, 275 m of chain)."""
SAME_CENTRE_KM = 2.0
CIRCLE_RESIDUAL, CIRCLE_OPEN_DEG = 0.03, 90.0
LINE_H, LINE_NM, LINE_RESIDUAL_KM = 2.0, 10.0, 0.02
"""No ship under way for two hours stays within 20 m of where constant speed would have it: a tenth of a knot is 370 m."""
MOST_LEFT_OUT = 0.2
"""Share of a straight run that may lie off it, as stray positions do."""
_RESIDENT_H = 24.0
_SLACK_AROUND_H, _SLACK_AROUND_KM = 1.0, 3.0
_MOST_AROUND_KM = 100.0


@dataclass(frozen=True)
class _Sent:
    """Positions of the suspects in order of ship and time, as arrays; `h` counts hours from the first."""

    frame: pl.DataFrame
    ship: Ints
    h: Floats
    lat: Floats
    lon: Floats
    unit: Floats
    jumps: Ints
    """Index of each position that an impossible step leads to."""
    breaks: Ints
    """The same, and positions after an hour or more, of ships with an impossible step."""
    step_kn: Floats


@dataclass(frozen=True)
class _Tracks:
    """What each ship's positions fall into when every impossible step is a break; `of` numbers the track of each position."""

    of: Ints
    n: Ints
    first: Ints
    last: Ints
    centre: Floats
    reach_km: Floats
    """Farthest position from the centre."""
    is_main: Bools
    run_starts: Ints
    run_ends: Ints
    """First and last position of each run between breaks."""

    def rows(self, track: int) -> Ints:
        """Positions of one track."""
        first = int(self.first[track])
        return first + np.flatnonzero(self.of[first : self.last[track] + 1] == track)


def find(
    positions: pl.DataFrame, *, max_speed_kn: float, is_ashore: IsAshore | None = None
) -> tuple[pd.DataFrame, pl.DataFrame]:
    """Name the places at which ships cannot have been.

    Parameters
    ----------
    positions : all messages (`tables.POSITIONS`) of at least the ships with an impossible step
    max_speed_kn : a faster step than this is impossible
    is_ashore : says of places whether they are on land; only told in the sentence, never decisive, as coasts are coarse

    Returns
    -------
    findings : `tables.IDENTITIES`, kinds `jamming_cluster` (with bits: how far beyond chance) and `spoofed_track`
    false_rows : `source_file` and `source_row` of the positions not to be believed, sorted
    """
    nothing = positions.select("source_file", "source_row").clear()
    sent = _sent(positions, max_speed_kn)
    if sent is None or not len(sent.jumps):
        return findings.table([]), nothing
    tracks = _tracks(sent)
    found: list[Finding] = []
    false = np.zeros(len(sent.h), dtype=bool)
    circles = _circles(sent)
    for members, bits in _gatherings(sent, tracks, [rows for rows, _ in circles]):
        rows, finding = _jamming(sent, members, bits, is_ashore)
        false[rows] = True
        found.append(finding)
    for rows, shape in [*circles, *_lines(sent, tracks)]:
        left = rows[~false[rows]]
        if 2 * len(left) > len(rows):
            false[left] = True
            found.append(_drawn(sent, left, shape, is_ashore))
    rows_of = sent.frame.filter(pl.Series(false)).select("source_file", "source_row")
    return findings.table(found), rows_of.sort("source_file", "source_row")


def unplaced(positions: pl.DataFrame, false_rows: pl.DataFrame) -> pl.DataFrame:
    """The messages with the places, speeds and courses of `false_rows` taken away: heard, but nowhere. In the same order."""
    if false_rows.is_empty():
        return positions
    marked = positions.join(
        false_rows.with_columns(false=pl.lit(True)), on=["source_file", "source_row"], how="left", maintain_order="left"
    )
    told = [c for c in ("lat_deg", "lon_deg", "sog_kn", "cog_deg", "heading_deg") if c in positions.columns]
    return marked.with_columns(pl.when(pl.col("false").is_null()).then(pl.col(told))).select(positions.columns)


def hours_unplaced(
    vessel_hours: pl.DataFrame,
    positions: pl.DataFrame,
    false_rows: pl.DataFrame,
    *,
    summarise: Callable[..., pl.DataFrame],
) -> pl.DataFrame:
    """The vessel hours with those of `false_rows` made again; `positions` are the messages of (at least) their ships."""
    if false_rows.is_empty():
        return vessel_hours
    hour = pl.col("time_utc").dt.truncate("1h").alias("hour_utc")
    touched = positions.join(false_rows, on=["source_file", "source_row"], how="semi").select("vessel_key", hour)
    rows = positions.with_columns(hour).join(touched.unique(), on=["vessel_key", "hour_utc"], how="semi")
    again = summarise(unplaced(rows.select(positions.columns), false_rows))
    kept = vessel_hours.join(touched.unique(), on=["vessel_key", "hour_utc"], how="anti")
    return pl.concat([kept, again.select(kept.columns)]).sort(tables.VESSEL_HOURS.key)


# Tracks --------------------------------------------------------------------------------------------------------------


def _sent(positions: pl.DataFrame, max_speed_kn: float) -> _Sent | None:
    order = ("vessel_key", "time_utc", "lat_deg", "lon_deg", "source_file", "source_row")
    frame = positions.select(order).filter(pl.col("lat_deg").is_not_null()).sort(order)
    if frame.height < 2:
        return None
    us = frame["time_utc"].dt.epoch("us").to_numpy()
    h = (us - us.min()) / US_PER_HOUR
    lat, lon = frame["lat_deg"].to_numpy(), frame["lon_deg"].to_numpy()
    ship = frame["vessel_key"].rle_id().to_numpy().astype(np.int64)
    step_nm = np.append(0.0, sphere.gc_km(lat[:-1], lon[:-1], lat[1:], lon[1:])) / KM_PER_NM
    # Timed as at least a minute, as in `days`: exports round, receivers stamp late.
    step_h = np.maximum(np.diff(h, prepend=h[0]), 1 / 60)
    same = np.append(False, ship[1:] == ship[:-1])
    is_jump = same & (step_nm >= JUMP_NM) & (step_nm > max_speed_kn * step_h)
    # After an hour a ship may be far along, or back from a false place to which it never jumped: looked at again.
    is_break = same & (step_nm >= JUMP_NM) & (step_h >= PAUSE_H) & (np.bincount(ship, is_jump) > 0)[ship]
    phi, lam = np.radians(lat), np.radians(lon)
    unit = np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    breaks = np.flatnonzero(is_jump | is_break)
    return _Sent(frame, ship, h, lat, lon, unit, np.flatnonzero(is_jump), breaks, step_nm / step_h)


def _tracks(sent: _Sent) -> _Tracks:
    """Runs between breaks, put together again where one goes on from another."""
    begins = np.append(True, sent.ship[1:] != sent.ship[:-1])
    begins[sent.breaks] = True
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(begins)) - 1
    track_of_run = np.empty(len(starts), dtype=np.int64)
    ships = sent.ship[starts]
    bounds = np.append(np.flatnonzero(np.append(True, ships[1:] != ships[:-1])), len(starts))
    n_tracks = 0
    for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if b - a == 1:
            track_of_run[a] = n_tracks
            n_tracks += 1
            continue
        own = _joined(sent, starts[a:b], ends[a:b])
        track_of_run[a:b] = own + n_tracks
        n_tracks += int(own.max()) + 1
    of = np.repeat(track_of_run, ends - starts + 1)
    n = np.bincount(of, minlength=n_tracks)
    index = np.arange(len(of))
    first, last = np.full(n_tracks, len(of)), np.zeros(n_tracks, dtype=np.int64)
    np.minimum.at(first, of, index)
    np.maximum.at(last, of, index)
    sums = np.column_stack([np.bincount(of, sent.unit[:, k], n_tracks) for k in range(3)]).astype(np.float64)
    centre = sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-12)[:, None]
    away = np.zeros(n_tracks)
    np.maximum.at(away, of, np.linalg.norm(sent.unit - centre[of], axis=1))
    # The heaviest track of each ship, the earliest of equals.
    order = np.lexsort((first, -n, sent.ship[first]))
    is_main = np.zeros(n_tracks, dtype=bool)
    is_main[order[np.append(True, np.diff(sent.ship[first[order]]) != 0)]] = True
    return _Tracks(of, n, first, last, centre, away * EARTH_RADIUS_KM, is_main, starts, ends)


def _joined(sent: _Sent, starts: Ints, ends: Ints) -> Ints:
    """Track of each run of one ship, numbered in order of their beginning."""
    out = np.empty(len(starts), dtype=np.int64)
    weights = np.zeros(len(starts))
    end_at = np.zeros(len(starts), dtype=np.int64)
    open_tracks = np.zeros(0, dtype=np.int64)
    n_tracks = 0
    for run, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        now = sent.h[start]
        best = -1
        if n_tracks == 1 and _goes_on(sent, int(end_at[0]), start):
            best = 0
        elif n_tracks:
            passed = now - sent.h[end_at[open_tracks]]
            heaviest = weights[open_tracks] == weights[open_tracks].max()
            lives = (passed <= FORGET_H) | heaviest
            open_tracks, passed = open_tracks[lives], passed[lives]
            away = np.linalg.norm(sent.unit[end_at[open_tracks]] - sent.unit[start], axis=1) * (
                EARTH_RADIUS_KM / KM_PER_NM
            )
            fits = away <= FOLLOW_KN * (passed + SLACK_H)
            if fits.any():
                stray = np.minimum(STRAY_NM + STRAY_KN * passed, STRAY_MAX_NM)
                trust = np.log(np.minimum(weights[open_tracks], TRUST_ENOUGH))
                score = trust - 2 * np.log(stray) - 2 * np.log1p((away / stray) ** 2)
                best = int(open_tracks[int(np.argmax(np.where(fits, score, -np.inf)))])
        if best < 0:
            best, n_tracks = n_tracks, n_tracks + 1
            open_tracks = np.append(open_tracks, best)
        out[run], end_at[best] = best, end
        weights[best] += end - start + 1
    return out


def _goes_on(sent: _Sent, end: int, start: int) -> bool:
    """Whether one ship can have sailed from one position to a later one."""
    away_nm = math.dist(sent.unit[end], sent.unit[start]) * (EARTH_RADIUS_KM / KM_PER_NM)
    return away_nm <= FOLLOW_KN * (float(sent.h[start] - sent.h[end]) + SLACK_H)


# Many ships at one place -----------------------------------------------------------------------------------------------


def _gatherings(sent: _Sent, tracks: _Tracks, rings: list[Ints]) -> list[tuple[Ints, float]]:
    """Stray tracks and circles of several ships that begin together at one place, beyond chance: their rows, and the bits."""
    had_before = np.append(False, sent.ship[1:] == sent.ship[:-1])[tracks.first]
    share = tracks.n / (tracks.last - tracks.first + 1)
    is_jump = np.zeros(len(sent.h) + 1, dtype=bool)
    is_jump[sent.jumps] = True
    # Thrown there, or thrown away from there: a place that a ship only came to after a pause it may have sailed to.
    is_thrown = is_jump[tracks.first] | is_jump[tracks.last + 1]
    is_stray = ~tracks.is_main & had_before & is_thrown & (tracks.reach_km <= WIDEST_KM) & (share >= LEAST_OWN_SHARE)
    # A circle is one of its own here, whatever track it was found in: one that began or ended with a pause is part of another.
    for rows in rings:
        is_stray[tracks.of[rows[0]]] = False
    stray = np.flatnonzero(is_stray)
    stray = stray[_is_off_path(sent, tracks, stray)]
    if len(stray) + len(rings) < 2:
        return []
    first = np.append(tracks.first[stray], [rows[0] for rows in rings]).astype(np.int64)
    last = np.append(tracks.last[stray], [rows[-1] for rows in rings]).astype(np.int64)
    begin, end, ship = sent.h[first], sent.h[last], sent.ship[first]
    middles = [tracks.centre[stray], *(sent.unit[rows].mean(axis=0, keepdims=True) for rows in rings)]
    place = np.concatenate(middles) * EARTH_RADIUS_KM
    points = np.column_stack([place / GATHER_KM, begin / GATHER_H])
    pairs = cKDTree(points).query_pairs(1.0, p=np.inf, output_type="ndarray")
    # Circles around one centre at one time belong together, whenever each of them was first heard.
    ring = np.arange(len(stray), len(first))
    a, b = (index.ravel() for index in np.meshgrid(ring, ring))
    same = np.linalg.norm(place[a] - place[b], axis=1) <= SAME_CENTRE_KM
    same &= (begin[a] <= end[b] + GATHER_H) & (begin[b] <= end[a] + GATHER_H) & (a < b)
    pairs = np.concatenate([pairs.reshape(-1, 2), np.column_stack([a, b])[same]])
    links = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(first), len(first)))
    _, group = connected_components(links, directed=False)
    group = _together(group, place, begin, end, ship)
    cells = len(np.unique(sphere.cell(sent.lat, sent.lon)))
    area_km2 = max(cells, 20) * 770.0
    span_h = max(float(np.ptp(sent.h)), GATHER_H)
    out = []
    ships_in, rings_in = _ships_in(group, ship), _ships_in(group[ring], ship[ring], len(group))
    for number in np.flatnonzero((ships_in >= LEAST_SHIPS) | (rings_in[: len(ships_in)] >= LEAST_RINGS)):
        own = np.flatnonzero(group == number)
        n_ships = int(ships_in[number])
        window_h = float(np.ptp(begin[own])) + GATHER_H
        others = np.flatnonzero((begin < begin[own].min() - GATHER_H) | (begin > end[own].max() + GATHER_H))
        here = np.linalg.norm(place[others] - np.median(place[own], axis=0), axis=1) <= GATHER_KM
        anywhere = (len(others) + 1) * math.pi * GATHER_KM**2 / area_km2
        expected = max(float(here.sum()), anywhere) * min(window_h / span_h, 1.0)
        bits = coincidence.together_bits(n_ships - 1, expected, n_tried=len(first)) if n_ships >= LEAST_SHIPS else 0.0
        centred = len(rings) * math.pi * SAME_CENTRE_KM**2 / area_km2 * min(window_h / span_h, 1.0)
        bits = max(bits, coincidence.together_bits(int(rings_in[number]) - 1, centred, n_tried=len(rings)))
        if bits >= LEAST_BITS:
            strays = [tracks.rows(track) for track in stray[own[own < len(stray)]].tolist()]
            rows = np.concatenate([*strays, *(rings[i - len(stray)] for i in own[own >= len(stray)])])
            out.append((np.unique(rows), bits))
    return out


def _is_off_path(sent: _Sent, tracks: _Tracks, stray: Ints) -> Bools:
    """Strays that are nowhere near the way of their ship at that time."""
    out = np.ones(len(stray), dtype=bool)
    ends = np.searchsorted(sent.ship, np.arange(sent.ship[-1] + 2))
    limit = OFF_PATH_NM * KM_PER_NM / EARTH_RADIUS_KM
    for i, track in enumerate(stray.tolist()):
        first, last = tracks.first[track], tracks.last[track]
        begin, end = ends[sent.ship[first]], ends[sent.ship[first] + 1]
        a, b = np.searchsorted(sent.h[begin:end], (sent.h[first] - BEFORE_H, sent.h[last] + AFTER_H)) + begin
        other = np.flatnonzero(tracks.is_main[tracks.of[a:b]]) + a
        out[i] = not (np.linalg.norm(sent.unit[other] - tracks.centre[track], axis=1) < limit).any()
    return out


def _together(group: Ints, place: Floats, begin: Floats, end: Floats, ship: Ints) -> Ints:
    """Groups joined by what goes on at the same place at the same time: ships that come into a jammed area later, or leave and
    come back."""
    group = group.copy()
    cores = np.flatnonzero(_ships_in(group, ship) >= LEAST_SHIPS)
    for core in cores:
        while (group == core).any():
            own = group == core
            away = np.linalg.norm(place - np.median(place[own], axis=0), axis=1)
            near = away <= min(away[own].max() + _SLACK_AROUND_KM, GATHER_KM)
            during = (begin <= end[own].max()) & (begin >= begin[own].min() - _SLACK_AROUND_H)
            more = np.unique(group[near & during & ~own])
            if not len(more):
                break
            group[np.isin(group, more)] = core
    return group


def _ships_in(group: Ints, ship: Ints, n: int = 0) -> Ints:
    """Different ships in each group, by its number; of at least the first `n` groups."""
    return np.bincount(np.unique(np.column_stack([group, ship]), axis=0)[:, 0].astype(np.int64), minlength=n)


def _jamming(sent: _Sent, rows: Ints, bits: float, is_ashore: IsAshore | None) -> tuple[Ints, Finding]:
    """Rows not to be believed, and the finding: those given, and what other ships with impossible steps sent from there."""
    middle = np.median(sent.unit[rows], axis=0)
    middle /= np.linalg.norm(middle)
    wide_km = 1.2 * float((np.linalg.norm(sent.unit[rows] - middle, axis=1) * EARTH_RADIUS_KM).max()) + 1.0
    begin, end = float(sent.h[rows].min()), float(sent.h[rows].max())
    then = np.flatnonzero((sent.h >= begin - _RESIDENT_H) & (sent.h <= end + _RESIDENT_H))
    inside = then[np.linalg.norm(sent.unit[then] - middle, axis=1) * EARTH_RADIUS_KM <= wide_km]
    is_now = (sent.h[inside] >= begin - _SLACK_AROUND_H) & (sent.h[inside] <= end + _SLACK_AROUND_H)
    now, resident = inside[is_now], inside[~is_now]
    during = np.zeros(len(sent.h), dtype=bool)
    during[now] = True
    thrown = sent.ship[sent.jumps[during[sent.jumps] ^ during[sent.jumps - 1]]]
    joined = np.setdiff1d(thrown, sent.ship[resident])
    rows = np.union1d(rows, now[np.isin(sent.ship[now], joined)])
    ships, first_row = np.unique(sent.ship[rows], return_index=True)
    firsts = rows[first_row]
    by_jump = firsts[np.isin(firsts, sent.jumps)]
    fastest_kn = float(sent.step_kn[by_jump].max()) if len(by_jump) else 0.0
    came_from = firsts - 1
    known = (came_from >= 0) & (sent.ship[np.maximum(came_from, 0)] == sent.ship[firsts])
    around = _around(sent, came_from[known])
    lat, lon = _degrees(middle)
    start_utc, end_utc = _times(sent, rows)
    half_km = float(np.median(np.linalg.norm(sent.unit[rows] - middle, axis=1) * EARTH_RADIUS_KM))
    n_rows = len(rows)
    because = (
        f"{len(ships)} ships were suddenly heard within {wide_km:.0f} km of {_place(lat, lon)} between "
        f"{findings.moment(start_utc)} and {findings.moment(end_utc)} (half of these {n_rows} positions within {half_km:.1f} km); "
        f"{len(by_jump)} of them would have come there faster than any ship, at up to {fastest_kn:.0f} kn: consistent with jamming "
        f"or spoofing of satellite navigation"
    )
    sources = [_source(sent, int(i)) for i in firsts]
    keys = [str(sent.frame["vessel_key"][int(i)]) for i in firsts]
    told = because + _ashore(sent, rows, is_ashore)
    return rows, Finding(
        "jamming_cluster", keys, start_utc, end_utc, lat, lon, len(ships), told, sources, bits=bits, around=around
    )


def _around(sent: _Sent, came_from: Ints) -> tuple[float, float, float]:
    """Where the ships were just before: middle and radius [km] that holds nine tenths of them."""
    if not len(came_from):
        return math.nan, math.nan, math.nan
    middle = np.median(sent.unit[came_from], axis=0)
    middle /= np.linalg.norm(middle)
    away_km = np.linalg.norm(sent.unit[came_from] - middle, axis=1) * EARTH_RADIUS_KM
    return *_degrees(middle), min(float(np.quantile(away_km, 0.9)) + 5.0, _MOST_AROUND_KM)


# One ship drawn by a machine ------------------------------------------------------------------------------------------


def _circles(sent: _Sent) -> list[tuple[Ints, str]]:
    """Circles that a ship was thrown to or from: their rows, and what they look like."""
    out: list[tuple[Ints, str]] = []
    tried: set[tuple[int, int, float]] = set()
    seen = np.zeros(len(sent.h), dtype=bool)
    ends = np.searchsorted(sent.ship, np.arange(sent.ship[-1] + 2))
    edges = np.unique(np.concatenate([sent.jumps, sent.jumps - 1]))
    cells, days = sphere.cell(sent.lat[edges], sent.lon[edges]), sent.h[edges] // CIRCLE_AROUND_H
    keys = zip(sent.ship[edges].tolist(), cells.tolist(), days.tolist(), strict=True)
    for at, key in zip(edges.tolist(), keys, strict=True):
        if seen[at] or key in tried:
            continue
        tried.add(key)
        first, last = ends[sent.ship[at]], ends[sent.ship[at] + 1]
        a, b = np.searchsorted(
            sent.h[first:last], (sent.h[at] - CIRCLE_AROUND_H, sent.h[at] + CIRCLE_AROUND_H), side="left"
        )
        near = np.linalg.norm(sent.unit[first + a : first + b] - sent.unit[at], axis=1) * EARTH_RADIUS_KM
        rows = first + a + np.flatnonzero(near <= 2.2 * CIRCLE_KM[1])
        # Of a circle beside the ship's own place only what lies on it is looked at a second time.
        for _ in range(2):
            if len(rows) < LEAST_SHAPE or sent.h[rows[-1]] - sent.h[rows[0]] < LEAST_SHAPE_H:
                break
            found = coincidence.circle(sent.lat[rows], sent.lon[rows])
            if found is None or not CIRCLE_KM[0] <= found.radius_km <= CIRCLE_KM[1]:
                break
            if found.residual_km <= CIRCLE_RESIDUAL * found.radius_km and found.open_arc_deg <= CIRCLE_OPEN_DEG:
                shape = (
                    f"lie on a circle of {found.radius_km:.1f} km around {_place(found.lat_deg, found.lon_deg)}, to within "
                    f"{1000 * found.residual_km:.0f} m"
                )
                out.append((rows, shape))
                seen[rows] = True
                break
            away = sphere.gc_km(sent.lat[rows], sent.lon[rows], found.lat_deg, found.lon_deg)
            off = np.abs(away - found.radius_km)
            rows = rows[off <= 3 * np.median(off)]
    return out


def _lines(sent: _Sent, tracks: _Tracks) -> list[tuple[Ints, str]]:
    """Rows that keep to one course and one speed as no ship does, and what they look like.

    Looked at are stray tracks, and of every track the run that a jump begins or ends: a false run may begin or end with a pause,
    and is part of the ship's own track then.
    """
    h, of = sent.h, tracks.of
    pieces = [
        tracks.rows(track)
        for track in np.flatnonzero(
            ~tracks.is_main & (tracks.n >= LEAST_SHAPE) & (h[tracks.last] - h[tracks.first] >= LINE_H)
        ).tolist()
    ]
    is_jump = np.zeros(len(h) + 1, dtype=bool)
    is_jump[sent.jumps] = True
    a, b = tracks.run_starts, tracks.run_ends
    # A true run that one stray position cuts in two goes on at once.
    order = np.argsort(of[a], kind="stable")
    goes_on = np.zeros(len(a) + 1, dtype=bool)
    goes_on[1:-1] = (of[a][order][1:] == of[a][order][:-1]) & (h[a[order][1:]] - h[b[order][:-1]] < PAUSE_H)
    from_before, to_next = np.empty(len(a), dtype=bool), np.empty(len(a), dtype=bool)
    from_before[order], to_next[order] = goes_on[:-1], goes_on[1:]
    begins, ends = is_jump[a] & ~from_before, is_jump[b + 1] & ~to_next
    long = (b - a + 1 >= LEAST_SHAPE) & (h[b] - h[a] >= LINE_H)
    pieces += [np.arange(a[run], b[run] + 1) for run in np.flatnonzero((begins | ends) & long)]
    out = []
    for piece in pieces:
        rows = piece
        # A stray position or two among them are left out.
        for _ in range(3):
            found = coincidence.line(sent.lat[rows], sent.lon[rows], h[rows])
            if found is None or len(rows) < LEAST_SHAPE or found.length_nm < LINE_NM:
                break
            if found.residual_km <= LINE_RESIDUAL_KM and len(rows) >= (1 - MOST_LEFT_OUT) * len(piece):
                shape = (
                    f"keep to one course at {found.speed_kn:.2f} kn over {found.length_nm:.0f} nm, to within "
                    f"{1000 * found.residual_km:.0f} m"
                )
                out.append((rows, shape))
                break
            off = coincidence.off_line_km(sent.lat[rows], sent.lon[rows], h[rows])
            rows = rows[off <= 3 * np.median(off)]
    return out


def _drawn(sent: _Sent, rows: Ints, shape: str, is_ashore: IsAshore | None) -> Finding:
    """A track drawn by a machine, as a finding."""
    start_utc, end_utc = _times(sent, rows)
    middle = sent.unit[rows].mean(axis=0)
    lat, lon = _degrees(middle / np.linalg.norm(middle))
    key = str(sent.frame["vessel_key"][int(rows[0])])
    because = (
        f"{len(rows)} positions of {key} from {findings.moment(start_utc)} to {findings.moment(end_utc)} {shape}, and no ship "
        f"sails between these and its other positions: consistent with a track drawn by a machine"
    )
    sources = [_source(sent, int(rows[0])), _source(sent, int(rows[-1]))]
    told = because + _ashore(sent, rows, is_ashore)
    return Finding("spoofed_track", [key], start_utc, end_utc, lat, lon, 1, told, sources)


# Words ----------------------------------------------------------------------------------------------------------------


def _ashore(sent: _Sent, rows: Ints, is_ashore: IsAshore | None) -> str:
    if is_ashore is None:
        return ""
    ashore = float(np.mean(is_ashore(sent.lat[rows], sent.lon[rows])))
    return f"; {ashore:.0%} of them are on land" if ashore >= 0.01 else ""


def _degrees(unit: Floats) -> tuple[float, float]:
    return float(np.degrees(np.arcsin(np.clip(unit[2], -1, 1)))), float(np.degrees(np.arctan2(unit[1], unit[0])))


def _place(lat: float, lon: float) -> str:
    return f"{abs(lat):.3f} {'N' if lat >= 0 else 'S'} {abs(lon):.3f} {'E' if lon >= 0 else 'W'}"


def _times(sent: _Sent, rows: Ints) -> tuple[pd.Timestamp, pd.Timestamp]:
    times = sent.frame["time_utc"].gather(rows)
    return pd.Timestamp(times.min()), pd.Timestamp(times.max())  # type: ignore[arg-type]


def _source(sent: _Sent, row: int) -> str:
    return f"{sent.frame['source_file'][row]}:{sent.frame['source_row'][row]}"
