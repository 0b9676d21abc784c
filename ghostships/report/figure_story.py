"""What a figure tells of one flagged trip, gathered from the tables once and for all figures; nothing here draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from ghostships.report import text
from ghostships.routes import Port, Route

LEAD_SHARE, LEAD_MIN_H, LEAD_MAX_H = 0.25, 24.0, 72.0
"""Time shown before and after the silence: a share of its length, within bounds; enough to see where the ship came from."""

MAP_LEAD_H = 168.0
"""Track on the map before and after the silence: a week mostly shows the voyage before, where a day may be one berth."""

CLOUDED = 0.5
"""Below this clear share a picture without a ship says little; it is drawn so, as in the page."""

Row = dict[str, Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """One scene that covers the dark port: when, and what came of it."""

    at: datetime
    kind: str  # ship, none or cloud


@dataclass(frozen=True)
class Heard:
    """A stretch without a long silence: its bounds and the track kept of it (longitude, latitude)."""

    start: datetime
    end: datetime
    lon: Floats
    lat: Floats


@dataclass(frozen=True)
class Story:
    """One flagged trip with all that stands on its figure.

    Attributes
    ----------
    reach_kn : top speed per gap [kn], None where none was measured
    cited : sightings of its calls; others at the dark port in the time shown are `beside`
    others : silences of the same ship in the time shown that are not the trip's own
    heard : stretches between long silences over `MAP_LEAD_H`, more than the time shown
    sources : `name SHA-256 prefix` of the inputs that gaps and sightings shown come from
    """

    trip: Row
    gaps: list[Row]
    reach_kn: list[float | None]
    calls: list[Row]
    cited: list[Row]
    beside: list[Row]
    others: list[Row]
    heard: list[Heard]
    looks: list[Look]
    evidence: list[tuple[str, float, str]]
    start: datetime
    end: datetime
    as_of: datetime
    sources: list[str]
    n_more_sources: int


def told(frames: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], route: Route) -> Iterator[Story]:
    """A story per flagged trip, by trip id."""
    trips = frames["round_trips"]
    flagged = _rows(trips[trips["is_flagged"].astype(bool)].sort_values("trip_id"))
    if not flagged:
        return
    gap_ids = {gap for trip in flagged for gap in trip["gap_ids"]}
    gaps = frames["gaps"]
    segments = set(gaps.loc[gaps["gap_id"].isin(gap_ids), "segment_id"])
    of_segment = defaultdict(list)
    for row in _rows(gaps[gaps["segment_id"].isin(segments)].sort_values(["segment_id", "start_utc", "gap_id"])):
        of_segment[row["segment_id"]].append(row)
    by_gap = {row["gap_id"]: row for rows in of_segment.values() for row in rows}
    tracks = frames["tracks"]
    kept = tracks[tracks["segment_id"].isin(segments)].sort_values(["segment_id", "time_utc"])
    points = {segment: part for segment, part in kept.groupby("segment_id", sort=True)}
    reach = frames["reach"]
    dark = reach[(reach["port"] == route.dark_port_id) & reach["gap_id"].isin(gap_ids)]
    speeds = dict(zip(dark["gap_id"], dark["fastest_kn"], strict=True))
    calls = {row["call_id"]: row for row in _rows(frames["port_calls"])}
    sightings = _rows(frames["sightings"].sort_values(["start_utc", "sighting_id"]))
    by_sighting = {row["sighting_id"]: row for row in sightings}
    there = [row for row in sightings if route.dark_port_id in str(row["port"] or "").split("|")]
    looks = _looks(frames["scenes"], there, route.dark_port)
    evidence = frames["evidence"]
    weighed: dict[str, list[tuple[str, float, str]]] = defaultdict(list)
    mine = evidence[evidence["subject_id"].isin({trip["trip_id"] for trip in flagged})]
    for row in _rows(mine.sort_values(["subject_id", "rank"])):
        weighed[row["subject_id"]].append((row["factor"], row["bits"], row["because"]))
    names = _input_names(manifest)
    as_of = _time(manifest.get("as_of_utc") or manifest.get("as_of"))
    for trip in flagged:
        own = [by_gap[g] for g in trip["gap_ids"] if g in by_gap]
        own_calls = [calls[c] for c in trip["call_ids"] if c in calls]
        cited_ids = dict.fromkeys(s for call in own_calls for s in call["sighting_ids"])
        cited = [by_sighting[s] for s in cited_ids if s in by_sighting]
        ends = [gap["end_utc"] or gap["start_utc"] for gap in own] + [
            call["departure_not_before_utc"] for call in own_calls
        ]
        starts = [gap["start_utc"] for gap in own] + [call["arrival_not_after_utc"] for call in own_calls]
        begin: datetime = trip["dark_start_utc"] or min(starts)
        over: datetime = trip["dark_end_utc"] or max([as_of or begin, *ends])
        now = as_of or over
        lead = timedelta(hours=min(LEAD_MAX_H, max(LEAD_MIN_H, LEAD_SHARE * (over - begin) / timedelta(hours=1))))
        start, end = min([begin, *starts]) - lead, max([over, *ends]) + lead
        ids = list(dict.fromkeys(gap["segment_id"] for gap in own))
        wide = timedelta(hours=MAP_LEAD_H)
        heard = [h for s in ids for h in _heard(points.get(s), of_segment[s], begin - wide, over + wide)]
        behind = [gap["start_source"] for gap in own] + [gap["end_source"] for gap in own]
        prefixes = dict.fromkeys(str(s).partition(":")[0] for s in [*behind, *(c["source_row"] for c in cited)] if s)
        yield Story(
            trip,
            own,
            [_known(speeds.get(gap["gap_id"])) for gap in own],
            own_calls,
            cited,
            [s for s in there if s["sighting_id"] not in cited_ids and s["start_utc"] <= end and s["end_utc"] >= start],
            [
                g
                for s in ids
                for g in of_segment[s]
                if g not in own and g["start_utc"] <= end and (g["end_utc"] or now) >= start
            ],
            heard,
            [look for look in looks if start <= look.at <= end],
            weighed[trip["trip_id"]],
            start,
            end,
            now,
            [f"{names.get(prefix, 'input')} {prefix}" for prefix in prefixes],
            len(set(names) - set(prefixes)),
        )


def _rows(frame: pd.DataFrame) -> list[Row]:
    """Rows with None where a value is missing, times as datetimes."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        {str(k): v.to_pydatetime(warn=False) if isinstance(v, pd.Timestamp) else v for k, v in row.items()}
        for row in rows
    ]


def _looks(scenes: pd.DataFrame, there: list[Row], port: Port) -> list[Look]:
    """Scenes whose footprint holds the dark port, in order of time."""
    with_ship = {
        row["scene_id"] for row in there if row["observation_type"] == "vessel" and row["scene_id"] is not None
    }
    point = shapely.Point(port.lon_deg, port.lat_deg)
    footprints = shapely.from_wkt(scenes["wkt"].to_numpy(dtype=object), on_invalid="ignore")
    covers = shapely.intersects(footprints, point)
    out = []
    for row in _rows(scenes[covers].sort_values(["start_utc", "scene_id"])):
        clouded = row["clear_fraction"] is not None and row["clear_fraction"] < CLOUDED
        kind = "ship" if row["scene_id"] in with_ship else "cloud" if clouded else "none"
        out.append(Look(row["start_utc"] + (row["end_utc"] - row["start_utc"]) / 2, kind))
    return out


def _heard(track: pd.DataFrame | None, silences: list[Row], start: datetime, end: datetime) -> list[Heard]:
    """The stretches between long silences within the time shown; each begins and ends where the gaps say it does."""
    if track is None or track.empty:
        return []
    times = track["time_utc"].dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    lon, lat = track["lon_deg"].to_numpy(dtype=np.float64), track["lat_deg"].to_numpy(dtype=np.float64)
    out = []
    begin, place = track["time_utc"].iloc[0].to_pydatetime(warn=False), None
    last = track["time_utc"].iloc[-1].to_pydatetime(warn=False)
    for gap in [*silences, None]:
        over = last if gap is None else gap["start_utc"]
        if over >= begin and begin <= end and over >= start:
            a, b = max(begin, start), min(over, end)
            inside = (times >= _naive(a)) & (times <= _naive(b))
            xs, ys = lon[inside], lat[inside]
            if place is not None and begin >= start:
                xs, ys = np.insert(xs, 0, place[0]), np.insert(ys, 0, place[1])
            if gap is not None and over <= end:
                xs, ys = np.append(xs, gap["start_lon_deg"]), np.append(ys, gap["start_lat_deg"])
            out.append(Heard(a, b, xs, ys))
        if gap is None or gap["end_utc"] is None:
            break
        begin = gap["end_utc"]
        place = None if gap["end_lon_deg"] is None else (gap["end_lon_deg"], gap["end_lat_deg"])
    return out


def _input_names(manifest: Mapping[str, Any]) -> dict[str, str]:
    """File name by SHA-256 prefix, as the sources of rows name it; the folders around it say nothing to a reader."""
    found = [
        item
        for item in manifest.get("inputs") or []
        if isinstance(item, Mapping) and isinstance(item.get("sha256"), str)
    ]
    return {item["sha256"][:12]: text.shown(PurePath(str(item.get("path", "?"))).name, limit=40) for item in found}


def _naive(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "us")


def _time(value: object) -> datetime | None:
    """The as-of of a manifest; None where there is none that is a time."""
    try:
        at = None if value is None else pd.Timestamp(str(value))
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at.tz_convert("UTC").to_pydatetime(warn=False)


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
