"""Looks at a ship: one sighting, or the sightings of several publishers and pictures that are one look at one hull.

Published sightings are recycled between outlets, and pictures of one pass overlap: what tells of one hull on one
ship-day is one observation, with one likelihood.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from ghostships.routes import Route
from ghostships.units import EARTH_RADIUS_KM

SAME_LENGTH_SIGMAS = 2.0
"""Lengths further apart than this many combined standard errors are two hulls (5 % of equal ones are split)."""
SHIP_DAY_H = 26.0
"""Longest window that still tells one day: a local day, or the union of two days an hour apart."""
SAME_PASS_H = 1.0
"""Pictures of one pass overlap within seconds to minutes; a moored ship in both is seen once, not twice."""
_HOUR_US = 3_600_000_000

Apart = frozenset[frozenset[str]]
"""Pairs of sighting ids of which an analyst says that they show two hulls, whatever length and time say."""


@dataclass
class Look:
    """One independent look at one hull: a sighting, or the sightings of one ship-day. Times in hours since 1970."""

    ids: tuple[str, ...]
    start_h: float
    end_h: float
    port: str
    berth: str | None
    name: str | None
    imo: int | None
    ship: str | None
    length_m: float | None
    sigma_m: float
    scenes: frozenset[str]
    batch: str
    lat_deg: float | None
    lon_deg: float | None

    @property
    def middle_h(self) -> float:
        return (self.start_h + self.end_h) / 2


def group(sightings: pd.DataFrame, route: Route, *, apart: Apart = frozenset()) -> pd.DataFrame:
    """The sightings with `observation_group` filled: rows that tell of one hull in one picture or on one ship-day.

    Joined are rows of different sources whose windows overlap at one port, with names, lengths and berths that do not
    exclude each other, and rows of overlapping pictures of one pass at one place. Two rows of one source and picture
    are two ships, and so are the pairs of `apart`. Groups that the input names are kept. A row alone in its group has
    none.
    """
    out = sightings.copy()
    parent = {str(i): str(i) for i in out["sighting_id"]}
    rows = _group_rows(out, route)
    members: dict[str, list[dict[str, Any]]] = {row["id"]: [row] for row in rows}

    def root(one: str) -> str:
        while parent[one] != one:
            one = parent[one]
        return one

    for _, one, other in sorted(_pairs(rows, route)):
        a, b = sorted((root(one), root(other)))
        if a == b or are_apart((x["id"] for x in members[a]), [y["id"] for y in members[b]], apart):
            continue
        if all(_one_look(x, y) is not None for x in members[a] for y in members[b]):
            parent[b] = a
            members[a] += members.pop(b)
    named: dict[str, str] = {}
    for ids in members.values():
        if len(ids) > 1:
            label = f"OG-{digest(*sorted(r['id'] for r in ids))}"
            named.update({r["id"]: label for r in ids})
    given = out["observation_group"]
    out["observation_group"] = pd.Series(
        [g if isinstance(g, str) else named.get(str(i)) for g, i in zip(given, out["sighting_id"], strict=True)],
        index=out.index,
        dtype="str",
    )
    return out


def are_apart(ones: Iterable[str], others: Collection[str], apart: Apart) -> bool:
    """Whether a sighting of the one side and one of the other are a pair of `apart`."""
    return bool(apart) and any(frozenset((one, other)) in apart for one in ones for other in others)


def _group_rows(sightings: pd.DataFrame, route: Route) -> list[dict[str, Any]]:
    """What grouping needs, one dictionary per ship sighting of a ship-day at a port, in order of time."""
    rows = []
    for row in sightings[sightings["observation_type"] == "vessel"].to_dict("records"):
        port = text_of(row["port"])
        if port is None or text_of(row["observation_group"]) is not None:
            continue
        start, end = hours_of(row["start_utc"]), hours_of(row["end_utc"])
        if end - start > SHIP_DAY_H:
            continue
        length, sigma = true_length(row, route)
        rows.append(
            {
                "id": str(row["sighting_id"]),
                "port": port,
                "start": start,
                "end": end,
                "name": plain_name(row["vessel_name"]),
                "imo": number_of(row["imo"]),
                "ship": None,
                "length": length,
                "sigma": sigma,
                "source": text_of(row["source"]) or "",
                "scene": text_of(row["scene_id"]),
                "berth": text_of(row["berth"]),
                "lat": number_of(row["lat_deg"]),
                "lon": number_of(row["lon_deg"]),
                "place_sigma": number_of(row["position_sigma_m"]),
            }
        )
    return sorted(rows, key=lambda r: (r["port"], r["start"], r["end"], r["id"]))


def _pairs(rows: list[dict[str, Any]], route: Route) -> Iterable[tuple[tuple[float, float], str, str]]:
    """Pairs that may be one look, best first: names agree, then lengths."""
    for i, one in enumerate(rows):
        for other in rows[i + 1 :]:
            if other["port"] != one["port"] or other["start"] > one["end"] + SAME_PASS_H:
                break
            rank = _one_look(one, other)
            if rank is not None:
                yield rank, *sorted((one["id"], other["id"]))


def _one_look(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, float] | None:
    """How well two rows fit as one hull seen once (smaller is better), None when they cannot be."""
    named = same_ship(one, other)
    if named is False:
        return None
    apart = 0.0
    if one["length"] is not None and other["length"] is not None:
        apart = abs(one["length"] - other["length"]) / math.hypot(one["sigma"], other["sigma"])
    if apart > SAME_LENGTH_SIGMAS:
        return None
    overlap = one["start"] <= other["end"] and other["start"] <= one["end"]
    two_pictures = one["scene"] is not None and other["scene"] is not None and one["scene"] != other["scene"]
    if two_pictures or not overlap:
        return (0.0 if named else 1.0, apart) if _one_pass(one, other) else None
    if one["source"] == other["source"]:
        same_statement = named and one["scene"] == other["scene"] and one["start"] == other["start"]
        return (0.0, apart) if same_statement and one["end"] == other["end"] else None
    if not named and one["berth"] and other["berth"] and one["berth"] != other["berth"]:
        return None
    return (0.0 if named else 1.0, apart)


def _one_pass(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Two pictures within the hour, both with a time, showing a hull at the same place within the errors of both."""
    if one["end"] - one["start"] > SAME_PASS_H or other["end"] - other["start"] > SAME_PASS_H:
        return False
    if one["lat"] is None or other["lat"] is None or abs(one["start"] - other["start"]) > SAME_PASS_H:
        return False
    error_m = math.hypot(one["place_sigma"] or 0.0, other["place_sigma"] or 0.0)
    return great_circle_km(one["lat"], one["lon"], other["lat"], other["lon"]) * 1000 <= SAME_LENGTH_SIGMAS * error_m


def same_ship(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """True or False where names, IMO numbers or transmitting ships tell, None where they do not."""
    if one["ship"] is not None or other["ship"] is not None:
        return bool(one["ship"] == other["ship"])
    for what in ("imo", "name"):
        if one[what] is not None and other[what] is not None:
            return bool(one[what] == other[what])
    return None


def independent(sightings: pd.DataFrame, route: Route, transmitting: dict[str, str]) -> list[Look]:
    """Ship sightings as independent looks: the rows of one group are one."""
    groups: dict[str, list[Any]] = {}
    for row in sightings[sightings["observation_type"] == "vessel"].to_dict("records"):
        label = text_of(row["observation_group"]) or f"alone {row['sighting_id']}"
        groups.setdefault(f"{label} {text_of(row['port'])}", []).append(row)
    return [_look(rows, route, transmitting) for _, rows in sorted(groups.items())]


def _look(rows: list[Any], route: Route, transmitting: dict[str, str]) -> Look:
    rows = sorted(rows, key=lambda r: str(r["sighting_id"]))
    lengths = [(m, s) for m, s in (true_length(r, route) for r in rows) if m is not None]
    # The tightest window: all rows tell of one instant. Where windows do not overlap (one pass), the whole of it.
    start, end = max(hours_of(r["start_utc"]) for r in rows), min(hours_of(r["end_utc"]) for r in rows)
    if start > end:
        start, end = min(hours_of(r["start_utc"]) for r in rows), max(hours_of(r["end_utc"]) for r in rows)
    scenes = frozenset(scene for r in rows if (scene := text_of(r["scene_id"])))
    first = rows[0]
    alone = f"{first['source']} {start} {end}"
    return Look(
        ids=tuple(str(r["sighting_id"]) for r in rows),
        start_h=start,
        end_h=end,
        port=str(first["port"]),
        berth=next((b for r in rows if (b := text_of(r["berth"]))), None),
        name=next((n for r in rows if (n := text_of(r["vessel_name"]))), None),
        imo=next((int(i) for r in rows if (i := number_of(r["imo"])) is not None), None),
        ship=next((transmitting[str(r["sighting_id"])] for r in rows if str(r["sighting_id"]) in transmitting), None),
        length_m=sum(m for m, _ in lengths) / len(lengths) if lengths else None,
        sigma_m=min((s for _, s in lengths), default=0.0),
        scenes=scenes,
        batch=min(scenes) if scenes else alone,
        lat_deg=number_of(first["lat_deg"]),
        lon_deg=number_of(first["lon_deg"]),
    )


def true_length(row: Mapping[Any, Any], route: Route) -> tuple[float | None, float]:
    """Length with the sensor's bias taken out, and the larger of the claimed and the sensor's own error [m]."""
    length = number_of(row["length_m"])
    sensor = route.sensor(text_of(row["sensor"]))
    return (None if length is None else length / sensor.length_ratio), max(
        number_of(row["length_sigma_m"]) or 0.0, sensor.length_sigma_m
    )


def in_time(seen: Look) -> tuple[float, float, tuple[str, ...]]:
    """Sort key: order of time, then of ids, so that it is total."""
    return seen.middle_h, seen.start_h, seen.ids


def hours_of(time: Any) -> float:
    """Hours since 1970 of a time."""
    return float(pd.Timestamp(time).value) / 1000 / _HOUR_US


def text_of(value: Any) -> str | None:
    """Text, or None for anything missing or empty."""
    return value if isinstance(value, str) and value else None


def number_of(value: Any) -> float | None:
    """A number, or None for anything missing."""
    return None if value is None or value is pd.NA or value != value else float(value)


def plain_name(value: Any) -> str | None:
    """A ship's name for comparison: letters and digits only, whatever their case."""
    return _plain(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def _plain(text: str) -> str | None:
    return "".join(c for c in text.casefold() if c.isalnum()) or None


def great_circle_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great circle [km] on the mean sphere."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


def digest(*parts: str) -> str:
    """Twelve hexadecimal digits of a SHA-256 over all parts."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]
