"""What the page knows: the tables as small JSON, every text made safe to read, rows pointing at each other by number.

Names from outside are never keys: `__proto__` is a possible ship name and two long ids may look alike once cut, so a trip holds
the row numbers of its gaps, calls and sightings, not their ids. Coast and tracks are not JSON but `Payload.packed`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from ghostships import tables
from ghostships.report import text, tracks
from ghostships.routes import Route
from ghostships.tables import Table

SENTENCES = frozenset({"because", "weakest_link", "alternatives", "assumptions", "note", "identity_note", "definition"})
"""Columns that hold sentences; all other texts are cut like names."""

SMALLEST_MATCH_SHOWN = 0.005
"""Hypotheses below this are left to matches.parquet: they would print as 0 %."""

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Payload:
    """Everything the page's script draws: `data` for `text.json_block`, `packed` for `packed.text`, `notes` of what is left out."""

    data: dict[str, Any]
    packed: list[npt.NDArray[np.int64]]
    notes: list[str]


def build(
    frames: Frames, manifest: Mapping[str, Any], route: Route, scenarios: Sequence[Mapping[str, Any]] = ()
) -> Payload:
    """The tables as the page's script needs them.

    Parameters
    ----------
    scenarios : kept "what if" answers as plain data (`scenarios.Scenario.as_dict`); only those compared with these tables are shown
    """
    vessels, gaps, calls = frames["vessels"], frames["gaps"], frames["port_calls"]
    sightings, trips = frames["sightings"], frames["round_trips"]
    vessel_at, gap_at = _positions(vessels, "vessel_key"), _positions(gaps, "gap_id")
    call_at, sighting_at = _positions(calls, "call_id"), _positions(sightings, "sighting_id")
    lines = tracks.encode(frames["tracks"], gaps, trips, vessel_at)
    scenes, n_scenes_elsewhere = _scenes(frames["scenes"], sightings, route)
    notes = list(lines.sentences)
    if n_scenes_elsewhere:
        notes.append(
            f"{n_scenes_elsewhere} scenes that cover no port of the route are not on the timelines; see scenes.parquet."
        )
    reach = _reach(frames["reach"], trips)
    told = _scenarios(scenarios, _positions(trips, "trip_id"))
    data: dict[str, Any] = {
        "route": _route(route),
        "policy": {
            "min_gap_h": _threshold(manifest, "min_gap_h", route.policy.min_gap_h),
            "flag": _threshold(manifest, "flag_threshold", route.policy.flag_threshold),
        },
        "files": _file_names(manifest),
        "vessels": _records(vessels, tables.VESSELS),
        "gaps": _records(
            gaps,
            tables.GAPS,
            links={"v": [vessel_at.get(k) for k in gaps["vessel_key"]], **_dark_reach(frames["reach"], route, gap_at)},
            drop=("segment_id", "is_open"),
        ),
        "calls": _records(
            calls,
            tables.PORT_CALLS,
            drop=("lat_deg", "lon_deg", "sighting_ids"),
            links={
                "v": [vessel_at.get(k) if isinstance(k, str) else None for k in calls["vessel_key"]],
                "s": [_found(ids, sighting_at) for ids in calls["sighting_ids"]],
            },
        ),
        "sightings": _records(
            sightings,
            tables.SIGHTINGS,
            links={"url": [text.web_address(u) if isinstance(u, str) else None for u in sightings["source_url"]]},
            drop=("source_url", "retrieved_utc"),
        )
        | {"matches": _matches(frames["matches"], sighting_at, vessel_at, gap_at)},
        "trips": _records(
            trips,
            tables.ROUND_TRIPS,
            drop=("gap_ids", "call_ids"),
            links={
                "v": [vessel_at.get(k) if isinstance(k, str) else None for k in trips["vessel_key"]],
                "g": [_found(ids, gap_at) for ids in trips["gap_ids"]],
                "c": [_found(ids, call_at) for ids in trips["call_ids"]],
                "evidence": _evidence(frames["evidence"], trips["trip_id"]),
                "reach": [[row for gap in ids for row in reach.get(gap, [])] for ids in trips["gap_ids"]],
            },
        ),
        "scenes": scenes,
        "identities": _identities(frames, vessel_at),
        "context": _context(frames, vessel_at),
        "scenarios": [scenario["name"] for scenario in told],
        "void": _void(gaps),
        "timed": lines.tolerance_deg == 0,
    }
    data["trips"]["columns"]["scenarios"] = [
        [[n, *scenario["trips"][row]] for n, scenario in enumerate(told) if row in scenario["trips"]]
        for row in range(len(trips))
    ]
    counts = [np.array([len(ships)], dtype=np.int64) for ships in (lines.full, lines.context)]
    return Payload(data, [counts[0], *lines.full, counts[1], *lines.context], notes)


def bounds(frames: Frames, route: Route) -> tuple[float, float, float, float]:
    """West, south, east, north of everything the map may be asked to show [degrees]."""
    lats: list[float] = []
    lons: list[float] = []
    for name, lat, lon in (
        ("tracks", "lat_deg", "lon_deg"),
        ("gaps", "start_lat_deg", "start_lon_deg"),
        ("gaps", "end_lat_deg", "end_lon_deg"),
        ("sightings", "lat_deg", "lon_deg"),
    ):
        known = frames[name][[lat, lon]].dropna()
        lats += [known[lat].min(), known[lat].max()] if len(known) else []
        lons += [known[lon].min(), known[lon].max()] if len(known) else []
    if not lats:
        lats, lons = [p.lat_deg for p in route.ports], [p.lon_deg for p in route.ports]
    return min(lons), min(lats), max(lons), max(lats)


def _threshold(manifest: Mapping[str, Any], name: str, default: float) -> float:
    found = (manifest.get("thresholds") or {}).get(name)
    return float(found) if isinstance(found, int | float) else float(default)


def _positions(frame: pd.DataFrame, key: str) -> dict[str, int]:
    return {value: row for row, value in enumerate(frame[key])}


def _found(ids: Iterable[str], at: Mapping[str, int]) -> list[int]:
    return [at[i] for i in ids if i in at]


def _records(
    frame: pd.DataFrame, table: Table, *, links: Mapping[str, Any] | None = None, drop: Sequence[str] = ()
) -> dict[str, Any]:
    """Column-wise JSON: texts visible and cut and each written once, times as epoch seconds, numbers rounded to be read."""
    columns: dict[str, Any] = {}
    for column in table.columns:
        if column.name in drop:
            continue
        limit = text.SENTENCE_GRAPHEMES if column.name in SENTENCES else text.NAME_GRAPHEMES
        values: list[Any] = frame[column.name].tolist()
        if column.dtype == "str":
            columns[column.name] = _once([None if _is_null(v) else text.shown(v, limit=limit) for v in values])
        elif column.dtype == "list[str]":
            columns[column.name] = [[] if _is_null(v) else [text.shown(i) for i in v] for v in values]
        elif column.dtype == "time":
            columns[column.name] = [None if _is_null(v) else _seconds(v) for v in values]
        elif column.dtype == "float64":
            decimals = 6 if column.name.startswith("p_") else 5 if column.unit == "deg" else 3
            columns[column.name] = [None if _is_null(v) or not math.isfinite(v) else round(v, decimals) for v in values]
        else:
            columns[column.name] = [None if _is_null(v) else v for v in values]
    for name, linked in (links or {}).items():
        columns[name] = linked if isinstance(linked, Mapping) else list(linked)
    return {"n": len(frame), "columns": columns}


def _once(values: list[str | None]) -> list[str | None] | dict[str, Any]:
    """A column of texts; where most come again, the texts once and their numbers per row: a ship has a name, and many silences."""
    known = {value: n for n, value in enumerate(dict.fromkeys(values))}
    if len(known) * 2 > len(values):
        return values
    return {"of": list(known), "at": [known[value] for value in values]}


def _is_null(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _seconds(value: datetime) -> int:
    return math.floor(value.timestamp())


def _route(route: Route) -> dict[str, Any]:
    return {
        "name": text.shown(route.name),
        "title": text.shown(route.title),
        "dark": [p.id for p in route.ports].index(route.dark_port_id),
        "ports": [
            {
                "id": text.shown(p.id),
                "name": text.shown(p.name),
                "country": text.shown(p.country),
                "role": p.role,
                "at": [p.lat_deg, p.lon_deg],
                "radius_km": p.radius_km,
                "berths": [[text.shown(b.id), text.shown(b.name), b.lat_deg, b.lon_deg] for b in p.berths],
            }
            for p in route.ports
        ],
    }


def _file_names(manifest: Mapping[str, Any]) -> list[list[str]]:
    """SHA-256 prefix and name of every input, so that a citation can say which file and row."""
    names = []
    for item in manifest.get("inputs") or []:
        if isinstance(item, Mapping) and isinstance(item.get("sha256"), str):
            names.append([item["sha256"][:12], text.shown(PurePath(str(item.get("path", "?"))).name)])
    return sorted(names)


def _dark_reach(reach: pd.DataFrame, route: Route, gap_at: Mapping[str, int]) -> dict[str, Any]:
    """Per gap: verdict, slack, needed and top speed for the dark port; null where nothing was measured."""
    verdicts: list[str | None] = [None] * len(gap_at)
    numbers: dict[str, list[float | None]] = {
        name: [None] * len(gap_at) for name in ("reach_slack_h", "reach_needs_kn", "reach_fastest_kn")
    }
    dark = reach[reach["port"] == route.dark_port_id]
    for gap, verdict, *values in zip(
        dark["gap_id"], dark["verdict"], dark["slack_h"], dark["needs_kn"], dark["fastest_kn"], strict=True
    ):
        if gap in gap_at:
            verdicts[gap_at[gap]] = verdict
            for column, value in zip(numbers.values(), values, strict=True):
                column[gap_at[gap]] = _round(value, 2)
    return {"reach": _once(verdicts), **numbers}


def _reach(reach: pd.DataFrame, trips: pd.DataFrame) -> dict[str, list[list[Any]]]:
    """All ports for the gaps of trips: the other ports that fit are alternatives the reader must see."""
    wanted = {gap for ids in trips["gap_ids"] for gap in ids}
    rows: dict[str, list[list[Any]]] = defaultdict(list)
    part = reach[reach["gap_id"].isin(wanted)].sort_values(["gap_id", "port"])
    for gap, port, verdict, slack, needs, d_from, d_to in zip(
        part["gap_id"],
        part["port"],
        part["verdict"],
        part["slack_h"],
        part["needs_kn"],
        part["distance_from_nm"],
        part["distance_to_nm"],
        strict=True,
    ):
        rows[gap].append(
            [text.shown(port), verdict, _round(slack, 1), _round(needs, 1), _round(d_from, 1), _round(d_to, 1)]
        )
    return rows


def _round(value: float, decimals: int) -> float | None:
    return None if _is_null(value) else round(float(value), decimals)


def _evidence(evidence: pd.DataFrame, trip_ids: pd.Series) -> list[list[list[Any]]]:
    rows: dict[str, list[list[Any]]] = {trip: [] for trip in trip_ids}
    part = evidence[evidence["subject_id"].isin(set(rows))].sort_values(["subject_id", "rank"])
    for subject, factor, bits, because in zip(
        part["subject_id"], part["factor"], part["bits"], part["because"], strict=True
    ):
        rows[subject].append([text.shown(factor), _round(bits, 3), text.sentence(because)])
    return [rows[trip] for trip in trip_ids]


def _matches(
    matches: pd.DataFrame, sighting_at: Mapping[str, int], vessel_at: Mapping[str, int], gap_at: Mapping[str, int]
) -> list[list[list[Any]]]:
    """Per sighting: hypothesis, ship, gap, p and the fact that it leans on most, most probable first."""
    out: list[list[list[Any]]] = [[] for _ in sighting_at]
    part = matches[matches["p_match"] >= SMALLEST_MATCH_SHOWN].sort_values(
        ["sighting_id", "p_match", "match_id"], ascending=[True, False, True]
    )
    columns = ("sighting_id", "hypothesis", "vessel_key", "gap_id", "p_match", "weakest_link")
    for sighting, hypothesis, vessel, gap, p, link in zip(*(part[c] for c in columns), strict=True):
        if sighting in sighting_at:
            leans_on = text.shown(link, limit=text.SENTENCE_GRAPHEMES) if isinstance(link, str) else None
            row = [hypothesis, vessel_at.get(vessel), gap_at.get(gap), _round(p, 6), leans_on]
            out[sighting_at[sighting]].append(row)
    return out


def _scenes(scenes: pd.DataFrame, sightings: pd.DataFrame, route: Route) -> tuple[list[list[Any]], int]:
    """Scenes that cover a port: id, start, end, sensor, clear share, ports covered, ports where a ship was seen in it."""
    points = shapely.points([[p.lon_deg, p.lat_deg] for p in route.ports])
    seen: dict[str, set[str]] = defaultdict(set)
    vessels = sightings[(sightings["observation_type"] == "vessel") & sightings["scene_id"].notna()]
    for scene, port in zip(vessels["scene_id"], vessels["port"], strict=True):
        if isinstance(port, str):
            seen[scene].update(port.split("|"))
    ids = [p.id for p in route.ports]
    rows: list[list[Any]] = []
    for scene, start, end, wkt, sensor, clear in zip(
        scenes["scene_id"],
        scenes["start_utc"],
        scenes["end_utc"],
        scenes["wkt"],
        scenes["sensor"],
        scenes["clear_fraction"],
        strict=True,
    ):
        footprint = shapely.from_wkt(wkt, on_invalid="ignore")
        covered = [] if footprint is None else [i for i, p in enumerate(points) if footprint.intersects(p)]
        if covered:
            with_ship = [i for i in covered if ids[i] in seen.get(scene, ())]
            name = None if _is_null(sensor) else text.shown(sensor)
            rows.append([text.shown(scene), _seconds(start), _seconds(end), name, _round(clear, 2), covered, with_ship])
    rows.sort(key=lambda r: (r[1], r[0]))
    return rows, len(scenes) - len(rows)


def _identities(frames: Frames, vessel_at: Mapping[str, int]) -> dict[str, Any]:
    """Findings about who a ship is, the ships by row number; a folder of an older version has no such table."""
    found = frames.get(tables.IDENTITIES.name)
    found = tables.empty_pandas(tables.IDENTITIES) if found is None else found
    ships = [[[vessel_at.get(key), text.shown(key)] for key in keys] for keys in found["vessel_keys"]]
    return _records(found, tables.IDENTITIES, links={"ships": ships}, drop=("vessel_keys",))


def _context(frames: Frames, vessel_at: Mapping[str, int]) -> dict[str, Any] | None:
    """What other publishers say, beside what was found; None where nothing of the kind was given."""
    said = frames.get(tables.CONTEXT.name)
    if said is None:
        return None
    ships = [vessel_at.get(key) if isinstance(key, str) else None for key in said["vessel_key"]]
    return _records(said, tables.CONTEXT, links={"v": ships})


def _void(gaps: pd.DataFrame) -> list[list[int]]:
    """When silences are void (feed down, or places not believed), and of how many ships: `[time, number from then on]`."""
    void = gaps[gaps["state"] == "void"]
    changes: dict[int, int] = defaultdict(int)
    for start, end in zip(void["start_utc"], void["end_utc"], strict=True):
        changes[_seconds(start)] += 1
        if not _is_null(end):
            changes[_seconds(end)] -= 1
    out, number = [], 0
    for at in sorted(changes):
        number += changes[at]
        out.append([at, number])
    return out


def _scenarios(scenarios: Sequence[Mapping[str, Any]], trip_at: Mapping[str, int]) -> list[dict[str, Any]]:
    """What each current scenario makes of the trips it touches, by the trip's row: ways, p and flag after, why."""
    return [
        {"name": text.shown(one["name"]), "trips": _touched(one["answer"]["trips"], trip_at)}
        for one in scenarios
        if one["is_current"]
    ]


def _touched(trips: Sequence[Mapping[str, Any]], trip_at: Mapping[str, int]) -> dict[int, list[Any]]:
    out: dict[int, list[Any]] = {}
    for trip in trips:
        row = trip_at.get(trip["trip_id"])
        if row is not None:
            after = trip["after"] or {}
            p = after.get("p_trip")
            out[row] = [
                [text.shown(word) for word in trip["change"]],
                None if p is None else _round(p, 6),
                bool(after.get("is_flagged")),
                text.sentence(trip["why"]),
            ]
    return out
