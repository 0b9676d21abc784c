"""Tracks for the page: suspects point by point, the rest as faint simplified lines, nothing drawn across a silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

FULL_POINTS = 110_000
"""Points of suspects kept with their times: about 1.3 MB of the page's 3."""

CONTEXT_POINTS = 30_000
CONTEXT_TOLERANCES_DEG = (0.005, 0.01, 0.02, 0.05, 0.1)
"""Context lines are simplified with the first of these that fits the budget (0.01 degrees is about half a nautical mile)."""

_FULL_SCALE, _CONTEXT_SCALE = 100_000, 1_000
Ints = npt.NDArray[np.int64]
Piece = tuple[Ints, npt.NDArray[np.float64], npt.NDArray[np.float64]]


def encode(
    tracks: pd.DataFrame, gaps: pd.DataFrame, trips: pd.DataFrame, vessel_at: Mapping[str, int]
) -> tuple[dict[str, Any], list[str]]:
    """Delta-coded lines and the sentences that say what was thinned.

    `full` holds `[vessel row, [t, lat, lon, dt, dlat, dlon, ...], ...]` (seconds, 1e-5 degrees), `context` holds
    `[vessel row, [lat, lon, dlat, dlon, ...], ...]` (1e-3 degrees).
    """
    pieces = _pieces(tracks, gaps)
    points = {vessel: sum(len(p[0]) for p in of_vessel) for vessel, of_vessel in pieces.items()}
    full: list[str] = []
    left = FULL_POINTS
    thinned: list[str] = []
    for vessel in _suspects(trips):
        if vessel in pieces:
            fits = points[vessel] <= left
            (full if fits else thinned).append(vessel)
            left -= points[vessel] if fits else 0
    rest = sorted(set(pieces) - set(full))
    tolerance, context = _thin(pieces, rest)
    notes = []
    if rest:
        notes.append(
            f"Tracks of {len(rest)} ships are faint context without times, simplified to {tolerance:g} degrees "
            f"({tolerance * 60:.1f} nm of latitude). The kept track is in tracks.parquet."
        )
    if thinned:
        notes.append(
            f"Too many track points for one page: {len(thinned)} ships with a trip in the list are shown as context only."
        )
    lines = {
        "full": [
            [vessel_at[v], *(_deltas(p, _FULL_SCALE, timed=True) for p in pieces[v])] for v in full if v in vessel_at
        ],
        "context": [[vessel_at[v], *context[v]] for v in rest if v in vessel_at and context[v]],
    }
    return lines, notes


def _suspects(trips: pd.DataFrame) -> list[str]:
    """Ships with a trip, the most probable first."""
    known = trips[trips["vessel_key"].notna()]
    best = known.assign(p=known["p_trip"].fillna(0.0)).groupby("vessel_key")["p"].max()
    return [str(key) for key in sorted(best.index, key=lambda key: (-best[key], key))]


def _pieces(tracks: pd.DataFrame, gaps: pd.DataFrame) -> dict[str, list[Piece]]:
    """Per ship the pieces of its track between silences, each starting and ending where the ship was last or next known."""
    silences: dict[str, list[tuple[Any, ...]]] = {}
    ordered = gaps.sort_values(["segment_id", "start_utc"])
    starts, ends = _seconds(ordered["start_utc"]), _seconds(ordered["end_utc"])
    places = ordered[["start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg"]].to_numpy(dtype=np.float64)
    open_ = ordered["end_utc"].isna().to_numpy()
    for i, segment in enumerate(ordered["segment_id"]):
        silences.setdefault(segment, []).append((starts[i], None if open_[i] else ends[i], *places[i]))
    out: dict[str, list[Piece]] = {}
    ordered = tracks.sort_values(["vessel_key", "segment_id", "time_utc"])
    times = _seconds(ordered["time_utc"])
    lats, lons = ordered["lat_deg"].to_numpy(dtype=np.float64), ordered["lon_deg"].to_numpy(dtype=np.float64)
    vessels, segments = ordered["vessel_key"].tolist(), ordered["segment_id"].tolist()
    first = 0
    for row in range(1, len(ordered) + 1):
        if row < len(ordered) and (vessels[row], segments[row]) == (vessels[first], segments[first]):
            continue
        piece = (times[first:row], lats[first:row], lons[first:row])
        out.setdefault(vessels[first], []).extend(_cut(piece, silences.get(segments[first], [])))
        first = row
    return out


def _cut(piece: Piece, silences: list[tuple[Any, ...]]) -> list[Piece]:
    """The piece without the silences; the thinned track may lack their end points, which the gaps still know."""
    times, lats, lons = piece
    cut: list[Piece] = []
    first = 0
    lead: tuple[Any, Any, Any] | None = None
    for start, end, start_lat, start_lon, end_lat, end_lon in silences:
        last = int(np.searchsorted(times, start, side="right"))
        cut.append(_joined(piece, first, last, lead, (start, start_lat, start_lon)))
        first = len(times) if end is None else max(last, int(np.searchsorted(times, end, side="left")))
        lead = None if end is None or np.isnan(end_lat) else (end, end_lat, end_lon)
    cut.append(_joined(piece, first, len(times), lead, None))
    return [p for p in cut if len(p[0])]


def _joined(
    piece: Piece, first: int, last: int, lead: tuple[Any, Any, Any] | None, tail: tuple[Any, Any, Any] | None
) -> Piece:
    times, lats, lons = piece[0][first:last], piece[1][first:last], piece[2][first:last]
    if lead is not None and (not len(times) or times[0] > lead[0]):
        times, lats, lons = np.insert(times, 0, lead[0]), np.insert(lats, 0, lead[1]), np.insert(lons, 0, lead[2])
    if tail is not None and (not len(times) or times[-1] < tail[0]):
        times, lats, lons = np.append(times, tail[0]), np.append(lats, tail[1]), np.append(lons, tail[2])
    return times, lats, lons


def _thin(pieces: Mapping[str, list[Piece]], vessels: list[str]) -> tuple[float, dict[str, list[list[int]]]]:
    """Context lines with the finest tolerance whose points fit; the coarsest one when none does."""
    for tolerance in CONTEXT_TOLERANCES_DEG:
        thin = {vessel: [_simple(p, tolerance) for p in pieces[vessel] if len(p[0]) > 1] for vessel in vessels}
        if sum(len(line) // 2 for lines in thin.values() for line in lines) <= CONTEXT_POINTS:
            break
    return tolerance, thin


def _simple(piece: Piece, tolerance_deg: float) -> list[int]:
    line = shapely.simplify(shapely.linestrings(piece[2], piece[1]), tolerance_deg, preserve_topology=False)
    xy = shapely.get_coordinates(line)
    zeros = np.zeros(len(xy), dtype=np.int64)
    return _deltas((zeros, xy[:, 1], xy[:, 0]), _CONTEXT_SCALE, timed=False)


def _deltas(piece: Piece, scale: int, *, timed: bool) -> list[int]:
    """First point as it is, then differences: small numbers are short numbers."""
    times, lats, lons = piece
    grid = [np.rint(lats * scale).astype(np.int64), np.rint(lons * scale).astype(np.int64)]
    columns = [times, *grid] if timed else grid
    flat: list[int] = np.column_stack([np.diff(c, prepend=0) for c in columns]).ravel().tolist()
    return flat


def _seconds(times: pd.Series) -> Ints:
    """Whole epoch seconds; not a time is the smallest integer and never used."""
    seconds: Ints = times.dt.tz_convert(None).to_numpy(dtype="datetime64[s]").astype(np.int64)
    return seconds
