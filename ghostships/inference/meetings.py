"""Meetings at sea: could a silent ship have met another one instead of calling at a port, and how often does chance alone say so?

    A o- - - - -.                .- - - - o B      the silent ship: vanished at A, came back at B
                 `- - [ P ] - -'                   P: where another ship lay still at sea for hours, or was silent too

A partner is a ship that lay still at sea, or was itself silent, at a place and for hours at which the silent ship may have been. In
busy waters chance alone finds such ships for most long silences. So the same traffic is looked at again at other times (the
partners moved by fixed shifts, the silence left where it is), and what counts is how many more there are than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import units
from ghostships.inference.otherwise import Meeting
from ghostships.routes import Route
from ghostships.sphere import gc_km

Floats = npt.NDArray[np.float64]

MEETING_H = 3.0
"""Making fast, working cargo and letting go takes at least so long."""

STILL_KN = 2.0
LONGEST_H = 72.0
"""Ships slower than this between two hours lie still; those that do so for longer than three days lie at anchor, at a yard or in a
port that the route does not know."""

OFFSHORE_NM = 10.0
"""At least so far from every port of the route: nearer, ships lie still for many reasons."""

CARGO_TYPES = (70, 89)
"""Cargo ships and tankers by the codes of ITU-R M.1371; others (fishing, tugs) lie still at sea for a living."""

SHIFTS_DAYS = (-17.0, -11.0, -5.0, 5.0, 11.0, 17.0)
"""Partners are moved by so many days to see what chance gives; far enough apart to be six answers."""

HEARD_PARTNER, SILENT_PARTNER = 0.4, 0.4
"""Of meetings, those with a ship that goes on transmitting, and with one that is silent too; the rest are with hulls that are not
in the data (own judgement)."""

OFFSHORE_IF_MEETING = 0.7
"""Share of meetings whose silence begins and ends off every port (own judgement)."""

MOST_PAIRS = 500_000
"""So many pairs of a silence and a partner are looked at together: what is held in memory stays small, however large the fleet."""

MOST_RATIO = 20.0
"""No pattern of traffic makes a meeting likelier than this many times (own judgement)."""


@dataclass(frozen=True)
class _Spans:
    """Ships that could be met: at a place (a silent one: between two places) from one time to another [h since 1970]."""

    ship: npt.NDArray[np.int64]
    lat: Floats
    lon: Floats
    start_h: Floats
    end_h: Floats


@dataclass(frozen=True)
class _Lenses:
    """Where silent ships may have been: from A at the start to B at the end at top speed; B is A while a silence is open."""

    ship: npt.NDArray[np.int64]
    a_lat: Floats
    a_lon: Floats
    b_lat: Floats
    b_lon: Floats
    start_h: Floats
    end_h: Floats
    km_h: Floats
    is_open: npt.NDArray[np.bool_]

    def rows(self, part: slice) -> _Lenses:
        """Some of them."""
        return _Lenses(*(getattr(self, field.name)[part] for field in fields(self)))

    def windows(self, lat: Floats, lon: Floats) -> tuple[Floats, Floats]:
        """Earliest and latest time at which each silent ship (row) can be at each place (column) [h]."""
        out = gc_km(self.a_lat[:, None], self.a_lon[:, None], lat[None, :], lon[None, :]) / self.km_h[:, None]
        back = gc_km(self.b_lat[:, None], self.b_lon[:, None], lat[None, :], lon[None, :]) / self.km_h[:, None]
        back = np.where(self.is_open[:, None], 0.0, back)
        return self.start_h[:, None] + out, self.end_h[:, None] - back


def find(
    gap_ids: Iterable[str],
    gaps: pd.DataFrame,
    hours: pl.DataFrame,
    vessels: pd.DataFrame,
    *,
    route: Route,
    fastest_kn: dict[str, float],
    as_of: datetime | None,
) -> dict[str, Meeting]:
    """For each of these silences, how much likelier the traffic around it is if it held a meeting at sea, and a sentence.

    With k partners where chance gives m on average, a real one among them makes k of them k / m times likelier (Poisson). Nobody is
    flagged for it. Limits: distances are great circles, so a partner behind a headland counts as within reach.
    """
    usable = gaps[gaps["state"] != "void"].sort_values("gap_id").reset_index(drop=True)
    asked = usable[usable["gap_id"].isin(set(gap_ids))].reset_index(drop=True)
    if not len(asked) or hours.is_empty() or as_of is None:
        return {}
    number = {str(key): n for n, key in enumerate(sorted(vessels["vessel_key"].astype(str)))}
    lenses = _lenses(asked, number, fastest_kn, as_of)
    type_of = dict(zip(vessels["vessel_key"].astype(str), vessels["ship_type"], strict=True))
    traders = {key for key, code in type_of.items() if pd.isna(code) or CARGO_TYPES[0] <= code <= CARGO_TYPES[1]}
    still = _lying_still(hours, traders, number, route)
    others = usable[usable["vessel_key"].astype(str).isin(traders)]
    ends = ("start_lat_deg", "start_lon_deg"), ("end_lat_deg", "end_lon_deg")
    is_off = np.ones(len(others), dtype=bool)
    for lat, lon in ends:
        is_off &= _offshore(others[lat].to_numpy(dtype=float), others[lon].to_numpy(dtype=float), route)
    silent = _lenses(others[is_off & ~others["is_open"].to_numpy(dtype=bool)], number, fastest_kn, as_of)
    span = _hours_of(hours["first_heard_utc"].min()), _hours_of(hours["last_heard_utc"].max())
    met, usual, best = _partners(lenses, still, _still_windows, span)
    beside, usual_silent, _ = _partners(lenses, silent, _silent_windows, span)
    off = [_offshore(asked[lat].to_numpy(dtype=float), asked[lon].to_numpy(dtype=float), route) for lat, lon in ends]
    is_offshore = off[0] & (off[1] | lenses.is_open)
    share = (is_offshore.sum() + 1) / (len(asked) + 2)
    keys = sorted(number)
    found = {}
    for n, gap_id in enumerate(asked["gap_id"]):
        heard = HEARD_PARTNER * met[n] / usual[n]
        unheard = SILENT_PARTNER * beside[n] / usual_silent[n]
        where = OFFSHORE_IF_MEETING / share if is_offshore[n] else (1 - OFFSHORE_IF_MEETING) / (1 - share)
        ratio = (heard + unheard + 1 - HEARD_PARTNER - SILENT_PARTNER) * where
        found[str(gap_id)] = Meeting(
            float(min(ratio, MOST_RATIO)),
            _sentence(int(met[n]), int(beside[n]), usual[n], usual_silent[n], int(best[n]), still, keys),
        )
    return found


Others = TypeVar("Others", _Spans, _Lenses)


def _hours_of(at: object) -> float:
    return float(pd.Timestamp(at).timestamp() / 3600)  # type: ignore[arg-type]


def _lenses(gaps: pd.DataFrame, number: dict[str, int], fastest_kn: dict[str, float], as_of: datetime) -> _Lenses:
    is_open = gaps["is_open"].to_numpy(dtype=bool)
    a_lat, a_lon = gaps["start_lat_deg"].to_numpy(dtype=float), gaps["start_lon_deg"].to_numpy(dtype=float)
    keys = gaps["vessel_key"].astype(str).tolist()
    end = gaps["end_utc"].where(~gaps["is_open"].astype(bool), pd.Timestamp(as_of))
    return _Lenses(
        np.array([number[key] for key in keys], dtype=np.int64),
        a_lat,
        a_lon,
        np.where(is_open, a_lat, gaps["end_lat_deg"].to_numpy(dtype=float)),
        np.where(is_open, a_lon, gaps["end_lon_deg"].to_numpy(dtype=float)),
        gaps["start_utc"].astype("int64").to_numpy() / units.US_PER_HOUR,
        end.astype("datetime64[us, UTC]").astype("int64").to_numpy() / units.US_PER_HOUR,
        np.array([fastest_kn[key] for key in keys]) * units.KM_PER_NM,
        is_open,
    )


def _offshore(lat: Floats, lon: Floats, route: Route) -> npt.NDArray[np.bool_]:
    """Whether places lie off every port of the route; an unknown place does not."""
    away = np.full(len(lat), math.inf)
    for port in route.ports:
        away = np.minimum(away, gc_km(lat, lon, port.lat_deg, port.lon_deg))
    return np.asarray(away >= OFFSHORE_NM * units.KM_PER_NM)


def _lying_still(hours: pl.DataFrame, traders: set[str], number: dict[str, int], route: Route) -> _Spans:
    """Times in which cargo ships and tankers lay still at sea while they were heard."""
    hull = ["vessel_key", "segment_id"]
    seen = (
        hours.filter(pl.col("last_lat_deg").is_not_null() & pl.col("vessel_key").is_in(list(traders)))
        .select(*hull, at="last_utc", lat="last_lat_deg", lon="last_lon_deg")
        .sort(*hull, "at")
    )
    if seen.is_empty():
        none = np.zeros(0)
        return _Spans(np.zeros(0, dtype=np.int64), none, none, none, none)
    at = seen["at"].dt.epoch("us").to_numpy() / units.US_PER_HOUR
    lat, lon = seen["lat"].to_numpy(), seen["lon"].to_numpy()
    who = seen.select(pl.struct(hull).rle_id())["vessel_key"].to_numpy()
    step_h = np.diff(at)
    is_still = (np.diff(who) == 0) & (step_h > 0) & (step_h <= MEETING_H)
    moved_km = gc_km(lat[:-1], lon[:-1], lat[1:], lon[1:])
    is_still &= moved_km <= STILL_KN * units.KM_PER_NM * np.maximum(step_h, 1e-9)
    # A run of steps, each slow, from row `first` to row `last`.
    edges = np.diff(np.concatenate([[0], is_still.astype(np.int8), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lasted = at[last] - at[first]
    middle = (first + last) // 2
    keep = (lasted >= MEETING_H) & (lasted <= LONGEST_H) & _offshore(lat[middle], lon[middle], route)
    first, last, middle = first[keep], last[keep], middle[keep]
    keys = seen["vessel_key"].gather(middle).to_list()
    ships = np.array([number[key] for key in keys], dtype=np.int64)
    return _Spans(ships, lat[middle], lon[middle], at[first], at[last])


def _partners(
    lenses: _Lenses, others: Others, windows: Callable[[_Lenses, Others], _Windows], span: tuple[float, float]
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Per silence, partners found, partners that chance gives, and the time that is longest in common."""
    n = max(1, MOST_PAIRS // max(len(others.ship), 1))
    parts = []
    for first in range(0, len(lenses.ship), n):
        some = lenses.rows(slice(first, first + n))
        found = windows(some, others)
        met, best = _met(found, some.ship)
        parts.append((met, _usual([_met(found, some.ship, days * 24, span)[0] for days in SHIFTS_DAYS]), best))
    met, usual, best = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return met, usual, best


@dataclass(frozen=True)
class _Windows:
    """When each silent ship (row) may have been at each place (column), and from when to when the other ship was there [h].
    `begins` is when the other ship's whole time begins: it is moved as a whole."""

    early: Floats
    late: Floats
    ship: npt.NDArray[np.int64]
    start: Floats
    end: Floats
    begins: Floats


def _still_windows(lenses: _Lenses, still: _Spans) -> _Windows:
    early, late = lenses.windows(still.lat, still.lon)
    return _Windows(early, late, still.ship, still.start_h, still.end_h, still.start_h)


def _silent_windows(lenses: _Lenses, silent: _Lenses) -> _Windows:
    """The places looked at are those where the other ship vanished and came back, and half-way: its lens is widest there."""
    parts = []
    for share in (0.0, 0.5, 1.0):
        lat = silent.a_lat + share * (silent.b_lat - silent.a_lat)
        lon = silent.a_lon + share * (silent.b_lon - silent.a_lon)
        out = gc_km(silent.a_lat, silent.a_lon, lat, lon) / silent.km_h
        back = gc_km(silent.b_lat, silent.b_lon, lat, lon) / silent.km_h
        parts.append((*lenses.windows(lat, lon), silent.start_h + out, silent.end_h - back))
    early, late, start, end = (np.concatenate([part[i] for part in parts], axis=-1) for i in range(4))
    return _Windows(early, late, np.tile(silent.ship, 3), start, end, np.tile(silent.start_h, 3))


def _met(
    windows: _Windows, own: npt.NDArray[np.int64], by_h: float = 0.0, span: tuple[float, float] | None = None
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Per silence, how many other ships it may have met, and which time of theirs has most hours in common with it (-1: none).

    With `span`, the others are moved by some hours, the end of the data wrapped to its start.
    """
    if not len(windows.ship):
        return np.zeros(len(own)), np.full(len(own), -1)
    by = np.zeros(len(windows.begins))
    if span is not None:
        by = span[0] + (windows.begins - span[0] + by_h) % max(span[1] - span[0], 1.0) - windows.begins
    common = np.minimum(windows.late, windows.end + by) - np.maximum(windows.early, windows.start + by)
    is_met = (common >= MEETING_H) & (own[:, None] != windows.ship)
    best = np.where(is_met.any(axis=1), np.argmax(np.where(is_met, common, -1.0), axis=1), -1)
    return _ships(is_met, windows.ship), best


def _ships(is_met: npt.NDArray[np.bool_], ship: npt.NDArray[np.int64]) -> Floats:
    """How many different ships are met in each row."""
    order = np.argsort(ship, kind="stable")
    starts = np.flatnonzero(np.diff(ship[order], prepend=-1))
    return np.asarray(np.logical_or.reduceat(is_met[:, order], starts, axis=1).sum(axis=1), dtype=np.float64)


def _usual(counts: list[Floats]) -> Floats:
    """Partners by chance: the mean over the shifts, with half a ship more, so that nothing found by none of them is no proof."""
    return np.asarray((np.sum(counts, axis=0) + 0.5) / len(counts))


def _sentence(
    met: int, beside: int, usual: float, usual_silent: float, best: int, still: _Spans, keys: list[str]
) -> str:
    chance = f"chance gives {usual:.1f} and {usual_silent:.1f}"
    where = ""
    if best >= 0:
        at = pd.Timestamp(round(still.start_h[best] * units.US_PER_HOUR), unit="us", tz="UTC")
        lasted = still.end_h[best] - still.start_h[best]
        where = f", {keys[still.ship[best]]} for {lasted:.0f} h from {at:%Y-%m-%d %H:%M} UTC"
    return f"within its reach {met} ships lay still at sea{where}, and {beside} were silent; {chance}"
