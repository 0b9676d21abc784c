"""Tracks for the page: suspects point by point, the rest as faint simplified lines, nothing drawn across a silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

FULL_POINTS = 110_000
"""Points of suspects kept to the metre and the second: at most 0.9 MB of the page."""

CONTEXT_POINTS = 150_000
CONTEXT_TOLERANCES_DEG = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""The other ships are simplified with the first of these that fits the budget: zero keeps every point (0.7 MB of the page)."""

FULL_SCALE, CONTEXT_SCALE = 100_000, 10_000
"""Units of a degree in which places are written: about a metre for suspects, about 11 m for the others."""

CONTEXT_STEP_S = 60
"""Times of the other ships are whole minutes: they say who was under way, not when to the second."""

Ints = npt.NDArray[np.int64]
Piece = tuple[Ints, npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Lines:
    """Tracks as whole numbers, in the order in which the page reads them, and what was thinned on the way.

    Attributes
    ----------
    full, context : per ship its row in `vessels`, the number of pieces, and per piece the number of points and the points as
        differences from the one before: time, latitude, longitude (seconds and 1e-5 degrees; minutes and 1e-4 degrees)
    tolerance_deg : how far a drawn context line may lie from the kept track; 0 where every point is there
    n_thinned : ships with a trip that did not fit among the suspects
    """

    full: list[Ints]
    context: list[Ints]
    tolerance_deg: float
    n_thinned: int

    @property
    def sentences(self) -> list[str]:
        """What a reader must know of what was left out."""
        notes = []
        if self.context:
            kept = (
                f"simplified to {self.tolerance_deg:g} degrees ({self.tolerance_deg * 60:.1f} nm of latitude)"
                if self.tolerance_deg
                else "to 11 m and a minute"
            )
            notes.append(
                f"Tracks of {len(self.context)} ships are faint context, {kept}. The kept track is in tracks.parquet."
            )
        if self.n_thinned:
            notes.append(
                f"Too many track points for one page: {self.n_thinned} ships with a trip in the list are shown as context only."
            )
        return notes


def encode(tracks: pd.DataFrame, gaps: pd.DataFrame, trips: pd.DataFrame, vessel_at: Mapping[str, int]) -> Lines:
    """The tracks of the page: suspects as they are, the rest as far as they fit."""
    pieces = _pieces(tracks, gaps)
    points = {vessel: sum(len(p[0]) for p in of_vessel) for vessel, of_vessel in pieces.items()}
    full: list[str] = []
    left = FULL_POINTS
    n_thinned = 0
    for vessel in _suspects(trips):
        if vessel in pieces and vessel in vessel_at:
            fits = points[vessel] <= left
            n_thinned += not fits
            left -= points[vessel] if fits else 0
            full += [vessel] if fits else []
    rest = sorted(set(pieces).intersection(vessel_at) - set(full))
    tolerance, context = _thin(pieces, rest)
    return Lines(
        [_ship(vessel_at[v], pieces[v], FULL_SCALE, 1) for v in full],
        [_ship(vessel_at[v], context[v], CONTEXT_SCALE, CONTEXT_STEP_S) for v in rest if context[v]],
        tolerance,
        n_thinned,
    )


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


def _thin(pieces: Mapping[str, list[Piece]], vessels: list[str]) -> tuple[float, dict[str, list[Piece]]]:
    """Context lines with the finest tolerance whose points fit; the coarsest one when none does."""
    for tolerance in CONTEXT_TOLERANCES_DEG:
        thin = {vessel: [_simple(p, tolerance) for p in pieces[vessel] if len(p[0]) > 1] for vessel in vessels}
        if sum(len(p[0]) for lines in thin.values() for p in lines) <= CONTEXT_POINTS:
            break
    return tolerance, thin


def _simple(piece: Piece, tolerance_deg: float) -> Piece:
    """The piece with fewer points; those kept keep their times (as the third coordinate, which simplifying leaves alone)."""
    if not tolerance_deg:
        return piece
    times, lats, lons = piece
    line = shapely.linestrings(np.column_stack([lons, lats, times.astype(np.float64)]))
    kept = shapely.get_coordinates(shapely.simplify(line, tolerance_deg, preserve_topology=False), include_z=True)
    return kept[:, 2].astype(np.int64), kept[:, 1], kept[:, 0]


def _ship(vessel: int, pieces: list[Piece], scale: int, step_s: int) -> Ints:
    """One ship as whole numbers: small differences are short in the page."""
    parts = [np.array([vessel, len(pieces)], dtype=np.int64)]
    for times, lats, lons in pieces:
        columns = [times // step_s, *(np.rint(c * scale).astype(np.int64) for c in (lats, lons))]
        deltas = np.column_stack([np.diff(c, prepend=0) for c in columns]).ravel()
        parts += [np.array([len(times)], dtype=np.int64), deltas]
    return np.concatenate(parts)


def _seconds(times: pd.Series) -> Ints:
    """Whole epoch seconds; not a time is the smallest integer and never used."""
    seconds: Ints = times.dt.tz_convert(None).to_numpy(dtype="datetime64[s]").astype(np.int64)
    return seconds
