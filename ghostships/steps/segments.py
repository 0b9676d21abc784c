"""Vessel hours, and all positions of the few suspects -> segments: the believable tracks of one hull each.

One number may be sent by several hulls, and one hull may be reported where it is not. Only ships with an impossible step in
their hours are looked at position by position; everyone else is one segment, `whole`.

```
                     o---o---o---o          o--o        hull 1 (far away)
    o--o--o---o--o-----o----o----o---o--o--o-----o      hull 0
                  x                                     jump: nobody follows it; never the edge of a gap
```

Published segmenters allow 25 kn and 15 minutes of slack between a track and its next position (gpsdio-segment's documented
defaults); so does this one, more for ships that report more. Which of several possible tracks a position continues is judged by
how far it lies from where the track's last leg points, against how far a ship strays in that time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from ghostships import sphere, tables
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM, US_PER_HOUR

WHOLE = "whole"
"""No impossible step, or none that held on a closer look."""
SHARED = "shared"
"""One of several believable tracks under one number."""
SILENCE = "silence"
"""A track of a shared number goes on after a long silence: the same hull, as nobody else fits."""
AMBIGUOUS = "ambiguous"
"""Several tracks fitted its first position: they end here and a new hull begins, so that no gap joins two hulls."""
LOST = "lost"
"""This track ends where another begins with reason `ambiguous`: that it is silent afterwards cannot be said."""
JUMP = "jump"
"""Positions out of reach of every track that nobody follows: teleports, corrupt messages. Never the edge of a gap."""

SLACK_H = 0.25
STRAY_NM, STRAY_KN, STRAY_MAX_NM = 0.5, 2.0, 120.0
"""How far a ship is from where its last leg points: half a mile at once, then 2 kn, up to 120 nm. Own judgement, checked
on `design/segments_416000000.py`: 1, 2 and 4 kn agree with the published labels by 0.70, 0.68 and 0.59 (adjusted Rand index)."""
DEAD_RECKONING_H = 1.0
"""A last leg says nothing of where the ship is after more than this (own judgement: a river pilot's hour)."""
LEAST_TRACK = 3
"""A track of fewer positions, under a number that has longer ones, is a jump."""
FORGET_JUMP_H = 24.0
"""After this a would-be track that nobody followed is given up. Otherwise, days later, it would be within reach of everything."""
SURE = math.log(10.0)
"""One track must explain a position ten times better than the next one (the ambiguity factor published segmenters use)."""
NEWCOMER_NM = 500.0
"""Under a shared number one more hull, anywhere within this, is a rival too, as many times over as other hulls are known (a
sea's width; 500 to 1000 nm fit the published labels best)."""
FOLLOWED_H = 1.0
"""Within this a ship is followed, and the better track is taken even if the next is nearly as good: passing ships must not
shred each other's tracks, and no gap of the shortest policy lies in between."""

ALSO = ("imo",)
"""Columns of positions that `find` looks at, beside those that `summarise` does."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_NM = EARTH_RADIUS_KM / KM_PER_NM


@dataclass(slots=True)
class _Track:
    """A track while it grows: its last position as unit vector, its last leg as velocity [radians/h], and its rows."""

    hull: int
    reason: str
    x: float
    y: float
    z: float
    at_h: float
    vx: float = 0.0
    vy: float = 0.0
    vz: float = 0.0
    sog_kn: float = 0.0
    imo: int = 0
    rows: list[int] = field(default_factory=list)
    before: _Track | None = None
    """The track of the same hull that this one goes on from."""

    def weight(self) -> int:
        """Positions of the hull so far."""
        return len(self.rows) + (self.before.weight() if self.before else 0)

    def is_followed(
        self, now: float, x: float, y: float, z: float, sog_kn: float, imo: int, follow_kn: float, within_h: float
    ) -> bool:
        """Whether a position is of this hull beyond doubt when no other track is open: soon after and within reach."""
        passed = now - self.at_h
        if passed > within_h or (imo and self.imo and imo != self.imo):
            return False
        away = _NM * math.hypot(x - self.x, y - self.y, z - self.z)
        return away <= max(follow_kn, 1.1 * max(sog_kn, self.sog_kn)) * (passed + SLACK_H)

    def go_on(self, row: int, now: float, x: float, y: float, z: float, sog_kn: float, imo: int) -> None:
        """The track's next position."""
        passed = now - self.at_h
        if passed > 0:
            self.vx, self.vy, self.vz = (x - self.x) / passed, (y - self.y) / passed, (z - self.z) / passed
        self.x, self.y, self.z, self.at_h, self.sog_kn = x, y, z, now, sog_kn
        self.imo = imo or self.imo
        self.rows.append(row)

    def pass_by(self, first: int, last: int, now: float, x: float, y: float, z: float, sog_kn: float, imo: int) -> None:
        """Several positions at once, of which only the last is told; the leg is that of the next one (`go_on`)."""
        self.x, self.y, self.z, self.at_h, self.sog_kn, self.imo = x, y, z, now, sog_kn, imo
        self.rows.extend(range(first, last + 1))


def find(
    vessel_hours: pl.DataFrame,
    positions: pl.DataFrame,
    *,
    summarise: Callable[..., pl.DataFrame],
    max_speed_kn: float,
    follow_kn: float = 25.0,
    max_silence_h: float = 48.0,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split each ship's messages into believable tracks.

    Parameters
    ----------
    positions : messages, of at least the ships that `suspects` names; of their columns at least `ALSO` and what `summarise` needs
    summarise : `days.summarise`, to make the hours of each hull again
    max_speed_kn : a ship with a faster step than this is looked at position by position
    follow_kn : speed within which a position continues a track, unless the ship itself reports more
    max_silence_h : under a shared number a silence longer than this starts a new segment of the same hull

    Returns
    -------
    segments : `tables.SEGMENTS`
    segment_hours : `tables.VESSEL_HOURS` with `segment_id` and `hull`, one row per hull and hour; jumps are left out

    Limits: a false track that keeps to believable speeds is a track, and so is a spoofed circle smaller than the slack. Messages
    without a position of a shared number go to the hull heard nearest in time.
    """
    names = suspects(vessel_hours, max_speed_kn=max_speed_kn)
    clean = vessel_hours.join(names, on="vessel_key", how="anti")
    whole = _whole(clean)
    hours = [clean.join(whole.select("vessel_key", "segment_id", "hull"), on="vessel_key")]
    segments = [whole]
    order = ("time_utc", "lat_deg", "lon_deg", "source_file", "source_row")
    dirty = positions.join(names, on="vessel_key", how="semi").sort("vessel_key", *order, nulls_last=True)
    labelled = []
    for messages in dirty.partition_by("vessel_key", maintain_order=True):
        found, followed = _follow(messages, follow_kn=follow_kn, max_silence_h=max_silence_h)
        segments.append(found)
        labelled.append(followed.filter(~pl.col("jump")))
    if labelled:
        hours.append(summarise(pl.concat(labelled), also_by=("hull", "segment_id")))
    columns = [*tables.VESSEL_HOURS.names, "segment_id", "hull"]
    return (
        pl.concat(segments).sort("segment_id"),
        pl.concat([h.select(columns) for h in hours]).sort("vessel_key", "hull", "hour_utc", "segment_id"),
    )


def suspects(vessel_hours: pl.DataFrame, *, max_speed_kn: float) -> pl.DataFrame:
    """The ships with an impossible step, within an hour or from one to the next: one column, `vessel_key`, in order.

    Steps between hours are also impossible where 40 kn and the slack do not suffice over an hour or more: no cargo ship sails that.
    """
    rows = vessel_hours.filter(pl.col("n_positions") > 0).sort("vessel_key", "hour_utc")
    before = {n: pl.col(f"last_{n}").shift(1).over("vessel_key") for n in ("utc", "lat_deg", "lon_deg")}
    step_nm = sphere.gc_nm_expr(before["lat_deg"], before["lon_deg"], pl.col("first_lat_deg"), pl.col("first_lon_deg"))
    step_h = (pl.col("first_utc") - before["utc"]).dt.total_microseconds() / US_PER_HOUR
    between = step_nm > max_speed_kn * step_h.clip(lower_bound=1 / 60)
    long = (step_h >= 1) & (step_nm > min(max_speed_kn, 40.0) * (step_h + SLACK_H))
    impossible = (pl.col("max_step_kn") > max_speed_kn) | between | long
    return rows.filter(impossible.fill_null(False)).select("vessel_key").unique().sort("vessel_key")


def segment_id(vessel_key: str, time_us: int, lat_e7: int | None, lon_e7: int | None) -> str:
    """`S-` and a hash of the ship and the segment's first position, in whole microseconds and 1e-7 degrees."""
    text = f"{vessel_key}|{time_us}|{lat_e7}|{lon_e7}"
    return "S-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _e7(degrees: float | None) -> int | None:
    return None if degrees is None else round(degrees * 1e7)


def _whole(vessel_hours: pl.DataFrame) -> pl.DataFrame:
    """One segment for each ship; a ship heard only without a position starts at its first message."""
    ships = (
        vessel_hours.sort("vessel_key", "hour_utc")
        .group_by("vessel_key", maintain_order=True)
        .agg(
            start_utc=pl.coalesce(pl.col("first_utc").drop_nulls().first(), pl.col("first_heard_utc").first()),
            end_utc=pl.coalesce(pl.col("last_utc").drop_nulls().last(), pl.col("last_heard_utc").last()),
            n_positions=pl.col("n_positions").sum(),
            lat=pl.col("first_lat_deg").drop_nulls().first(),
            lon=pl.col("first_lon_deg").drop_nulls().first(),
        )
        .with_columns(time_us=pl.col("start_utc").dt.epoch("us"))
    )
    ids = [
        segment_id(key, time, _e7(lat), _e7(lon))
        for key, time, lat, lon in ships.select("vessel_key", "time_us", "lat", "lon").iter_rows()
    ]
    ships = ships.with_columns(
        segment_id=pl.Series(ids, dtype=pl.String), hull=pl.lit(0, pl.Int64), reason=pl.lit(WHOLE)
    )
    return ships.select([pl.col(n).cast(t) for n, t in tables.SEGMENTS.polars_schema.items()])


def _follow(messages: pl.DataFrame, *, follow_kn: float, max_silence_h: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Segments of one suspect, and its messages with `segment_id`, `hull` and `jump`."""
    placed = messages.filter(pl.col("lat_deg").is_not_null())
    silent = messages.filter(pl.col("lat_deg").is_null())
    tracks, jumps = _tracks(placed, follow_kn=follow_kn, max_silence_h=max_silence_h)
    key = messages["vessel_key"][0]
    time_us = placed["time_utc"].dt.epoch("us").to_numpy()
    lat, lon = placed["lat_deg"].to_numpy(), placed["lon_deg"].to_numpy()
    numbers, hulls = np.zeros(len(placed), dtype=np.int64), np.zeros(len(placed), dtype=np.int64)
    jump = np.zeros(len(placed), dtype=bool)
    rows: list[dict[str, object]] = []
    believed = np.concatenate([np.array(t.rows, dtype=np.int64) for t in tracks])
    for track in tracks:
        hulls[track.rows] = track.hull
    believed.sort()
    nearest = _nearest(time_us[believed], time_us)
    for number, track in enumerate([*tracks, *jumps]):
        first = track.rows[0]
        is_jump = track.reason == JUMP
        # A jump was probably sent by the hull heard nearest in time, wherever it says it is.
        hull = int(hulls[believed[nearest[first]]]) if is_jump else track.hull
        name = segment_id(key, int(time_us[first]), _e7(float(lat[first])), _e7(float(lon[first])))
        numbers[track.rows], hulls[track.rows], jump[track.rows] = number, hull, is_jump
        start, end = placed["time_utc"][first], placed["time_utc"][track.rows[-1]]
        rows.append(
            dict(zip(tables.SEGMENTS.names, (name, key, hull, start, end, len(track.rows), track.reason), strict=True))
        )
    found = pl.DataFrame(rows, schema=tables.SEGMENTS.polars_schema)
    ids = found["segment_id"]
    labelled = [placed.with_columns(ids.gather(numbers), hull=pl.Series(hulls), jump=pl.Series(jump))]
    if len(silent):
        at = believed[_nearest(time_us[believed], silent["time_utc"].dt.epoch("us").to_numpy())]
        labelled.append(
            silent.with_columns(ids.gather(numbers[at]), hull=pl.Series(hulls[at]), jump=pl.lit(False)),
        )
    return found, pl.concat(labelled)


def _nearest(sorted_times: Ints, times: Ints) -> Ints:
    """For each time the index of the nearest of the sorted ones, the earlier where two are equally near."""
    after = np.searchsorted(sorted_times, times).clip(0, len(sorted_times) - 1)
    before = (after - 1).clip(0)
    nearer = np.abs(times - sorted_times[before]) <= np.abs(sorted_times[after] - times)
    return np.where(nearer, before, after)


def _followed(
    placed: pl.DataFrame, places: tuple[list[float], list[float], list[float]], *, follow_kn: float, within_h: float
) -> tuple[list[int], list[int]]:
    """How far each position is followed without a doubt, were its track the only one, and the IMO number told until then.

    The first says for each position the last one that moves on from the one before it, of those that come in an unbroken run of
    `_Track.is_followed`; the position itself, or one before, where there is none. Whatever lies within the last bits of a limit
    ends a run and is judged alone.
    """
    n = len(placed)
    hours = placed["time_utc"].dt.epoch("us").to_numpy() / US_PER_HOUR
    passed = np.diff(hours, prepend=hours[:1])
    away = _NM * np.sqrt(sum(np.diff(np.array(v), prepend=v[:1]) ** 2 for v in places))
    sog = placed["sog_kn"].fill_null(0.0).to_numpy()
    fastest = np.maximum(sog, np.append(sog[:1], sog[:-1]))
    imo = placed["imo"].fill_null(0).to_numpy()
    index = np.arange(n)
    told = imo[np.maximum.accumulate(np.where(imo != 0, index, 0))]
    told_before = np.append(told[:1], told[:-1])
    sure = (imo == 0) | (told_before == 0) | (imo == told_before)
    sure &= passed <= within_h
    sure &= away * (1 + 1e-9) <= np.maximum(follow_kn, 1.1 * fastest) * (passed + SLACK_H)
    sure[:1] = False
    ends = np.append(np.flatnonzero(~sure), n)
    until = ends[np.searchsorted(ends, index, side="right")] - 1
    moving = np.maximum.accumulate(np.where(passed > 0, index, 0))
    return moving[until].tolist(), told.tolist()


def _tracks(placed: pl.DataFrame, *, follow_kn: float, max_silence_h: float) -> tuple[list[_Track], list[_Track]]:
    """Believable tracks in order of their first position, hulls numbered so, and jumps."""
    hours: list[float] = (placed["time_utc"].dt.epoch("us").to_numpy() / US_PER_HOUR).tolist()
    lat, lon = np.radians(placed["lat_deg"].to_numpy()), np.radians(placed["lon_deg"].to_numpy())
    xs: list[float] = (np.cos(lat) * np.cos(lon)).tolist()
    ys: list[float] = (np.cos(lat) * np.sin(lon)).tolist()
    zs: list[float] = np.sin(lat).tolist()
    sogs: list[float] = placed["sog_kn"].fill_null(0.0).to_list()
    imos: list[int] = placed["imo"].fill_null(0).to_list()
    open_tracks: list[_Track] = []
    done: list[_Track] = []
    n_hulls = 0
    follow_at_once_h = min(FOLLOWED_H, max_silence_h)

    def begin(row: int, hull: int, reason: str, before: _Track | None = None) -> None:
        track = _Track(
            hull, reason, xs[row], ys[row], zs[row], hours[row], sog_kn=sogs[row], imo=imos[row], before=before
        )
        track.rows.append(row)
        open_tracks.append(track)

    followed, told = _followed(placed, (xs, ys, zs), follow_kn=follow_kn, within_h=follow_at_once_h)
    row = -1
    while (row := row + 1) < len(hours):
        now, x, y, z, sog, imo = hours[row], xs[row], ys[row], zs[row], sogs[row], imos[row]
        if len(open_tracks) == 1 and open_tracks[0].is_followed(now, x, y, z, sog, imo, follow_kn, follow_at_once_h):
            track = open_tracks[0]
            track.go_on(row, now, x, y, z, sog, imo)
            last = followed[row] - 1
            if last > row and track.imo == told[row]:
                track.pass_by(row + 1, last, hours[last], xs[last], ys[last], zs[last], sogs[last], told[last])
                row = last
            continue
        fitting: list[tuple[int, float, float]] = []
        stale = False
        for index, track in enumerate(open_tracks):
            passed = now - track.at_h
            if (
                passed > FORGET_JUMP_H
                and len(track.rows) < LEAST_TRACK
                and track.before is None
                and len(open_tracks) > 1
            ):
                stale = True
                continue
            if imo and track.imo and imo != track.imo:
                continue
            away = _NM * math.hypot(x - track.x, y - track.y, z - track.z)
            reach_kn = max(follow_kn, 1.1 * max(sog, track.sog_kn))
            if away > reach_kn * (passed + SLACK_H):
                continue
            if passed <= DEAD_RECKONING_H:
                ahead = (track.x + track.vx * passed, track.y + track.vy * passed, track.z + track.vz * passed)
                away = min(away, _NM * math.dist((x, y, z), ahead))
            fitting.append((index, passed, away))
        if not fitting:
            begin(row, n_hulls, SHARED)
            n_hulls += 1
        elif len(fitting) == 1 and fitting[0][1] <= follow_at_once_h:
            # Most positions: one track fits, heard just before. Nothing to compare.
            open_tracks[fitting[0][0]].go_on(row, now, x, y, z, sog, imo)
        else:
            ranked = sorted((_score(open_tracks[i], i, passed, away) for i, passed, away in fitting), key=_best_first)
            score, best, passed, weight = ranked[0]
            track = open_tracks[best]
            rivals = [index for s, index, *_ in ranked[1:] if score - s < SURE]
            if passed > FOLLOWED_H and (rivals or score - weight - _newcomer(track, open_tracks) < SURE):
                for index in sorted([best, *rivals], reverse=True):
                    done.append(open_tracks.pop(index))
                    done[-1].reason = LOST
                begin(row, n_hulls, AMBIGUOUS)
                n_hulls += 1
            elif passed > max_silence_h and len(open_tracks) > 1:
                done.append(open_tracks.pop(best))
                begin(row, track.hull, SILENCE, before=track)
            else:
                track.go_on(row, now, x, y, z, sog, imo)
        if stale:
            kept = [
                t
                for t in open_tracks
                if now - t.at_h <= FORGET_JUMP_H or len(t.rows) >= LEAST_TRACK or t.before is not None
            ]
            done.extend(t for t in open_tracks if t not in kept)
            open_tracks = kept
    return _settle([*done, *open_tracks])


def _score(track: _Track, index: int, passed: float, away: float) -> tuple[float, int, float, float]:
    """How well a position continues a track: log-likelihood, index, hours since, and the part that does not depend on the place."""
    stray = min(STRAY_NM + STRAY_KN * passed, STRAY_MAX_NM)
    # A heavy-tailed spread over an area, and how much was heard of the track so far.
    weight = math.log(track.weight())
    return weight - 2 * math.log(stray) - 2 * math.log1p((away / stray) ** 2), index, passed, weight


def _best_first(ranked: tuple[float, int, float, float]) -> tuple[float, int]:
    return -ranked[0], ranked[1]


def _newcomer(track: _Track, open_tracks: list[_Track]) -> float:
    """Log-likelihood that a position is of one more hull of a shared number: minus infinity while one hull is known.

    Other hulls count in proportion to how much was heard of them, so that a dozen false positions do not make a ship's number a
    shared one.
    """
    weight = track.weight()
    others = sum(
        min(1.0, t.weight() / weight) for t in open_tracks if t.hull != track.hull and t.weight() >= LEAST_TRACK
    )
    return math.log(others) - 2 * math.log(NEWCOMER_NM) if others else -math.inf


def _settle(tracks: list[_Track]) -> tuple[list[_Track], list[_Track]]:
    """Part tracks from jumps and number the hulls in the order first heard."""
    tracks.sort(key=lambda t: t.rows[0])
    sizes: dict[int, int] = {}
    for track in tracks:
        sizes[track.hull] = sizes.get(track.hull, 0) + len(track.rows)
    largest = max(sizes.values())
    jumps = [t for t in tracks if sizes[t.hull] < min(LEAST_TRACK, largest)]
    kept = [t for t in tracks if sizes[t.hull] >= min(LEAST_TRACK, largest)]
    numbers: dict[int, int] = {}
    for track in kept:
        track.hull = numbers.setdefault(track.hull, len(numbers))
    for track in jumps:
        track.reason = JUMP
    if len(kept) == 1:
        kept[0].reason = WHOLE
    return kept, jumps
