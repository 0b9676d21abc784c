"""Sightings made from hidden pieces of real tracks, and the decoys among them.

true       a hidden position with the noise of a picture: the answer is its ship
decoys     a ship that the export no longer knows at all, a place that no hidden ship could reach in time, a hull 60 m longer or
           shorter than the ship that lay there, and clutter: the answer is "none of these"
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from ghostships import sphere, tables
from ghostships.evaluation.pieces import Area, Piece
from ghostships.units import KM_PER_NM, US_PER_HOUR

Floats = npt.NDArray[np.float64]

SENSORS = {"blanked optical": (60.0, 8.0), "blanked SAR": (250.0, 20.0)}
"""Standard errors of place and length [m] of a good optical and an ordinary radar picture, as observers state them."""

WRONG_BY_M = 60.0
"""A decoy's length differs from the ship's by this."""

OUT_OF_REACH_KN = 30.0
"""No ship of these exports sails faster; what lies beyond is out of reach of all."""

OUT_OF_REACH_KM = 20.0
"""Beyond reach by at least this, so that no error of a place brings it back."""

KINDS = ("piece", "anchorage", "unknown_ship", "impossible_place", "wrong_length", "clutter")
DECOYS = KINDS[2:]
_KM_PER_DEG = 111.195


@dataclass
class Cases:
    """Sightings to be judged and what is true of each: `sightings` as `tables.SIGHTINGS`; `truth` with `sighting_id`, `kind` and
    `vessel_key` (null: nobody that the export knows)."""

    sightings: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True)
class Heard:
    """Where ships were heard, one place an hour and ship, in order of time."""

    at_us: npt.NDArray[np.int64]
    lat_deg: Floats
    lon_deg: Floats

    @classmethod
    def of(cls, hours: pl.DataFrame) -> Heard:
        """From rows of `tables.VESSEL_HOURS`."""
        rows = hours.filter(pl.col("last_lat_deg").is_not_null()).sort("last_heard_utc", "vessel_key")
        at = rows["last_heard_utc"].dt.epoch("us").to_numpy()
        return cls(at, rows["last_lat_deg"].to_numpy(), rows["last_lon_deg"].to_numpy())

    def place(self, k: int) -> tuple[float, float]:
        """The place of a row."""
        return float(self.lat_deg[k]), float(self.lon_deg[k])

    def nearest_km(self, at_us: int, place: tuple[float, float], *, within_h: float = 2.0) -> float:
        """Distance of the nearest ship heard about an instant; infinite where none was."""
        span = round(within_h * US_PER_HOUR)
        first, last = np.searchsorted(self.at_us, [at_us - span, at_us + span])
        if first == last:
            return math.inf
        return float(sphere.gc_km(self.lat_deg[first:last], self.lon_deg[first:last], *place).min())


class Camera:
    """Takes sightings from hidden positions, one seeded draw after the other."""

    def __init__(self, rng: np.random.Generator, lengths_m: dict[str, float]) -> None:
        self.rng, self.lengths_m = rng, lengths_m
        self.rows: list[dict[str, Any]] = []
        self.truth: list[dict[str, Any]] = []

    def see(
        self,
        kind: str,
        ship: str | None,
        at_us: int,
        place: tuple[float, float],
        length_m: float | None,
        *,
        scene: str | None = None,
        sensor: str | None = None,
    ) -> None:
        """One more sighting: the place and length given, with the noise of a sensor."""
        sensor = sensor or list(SENSORS)[int(self.rng.integers(len(SENSORS)))]
        place_m, size_m = SENSORS[sensor]
        north, east, longer = self.rng.normal(0, 1, 3)
        lat = place[0] + north * place_m / 1000 / _KM_PER_DEG
        lon = place[1] + east * place_m / 1000 / _KM_PER_DEG / max(np.cos(np.radians(place[0])), 0.01)
        sighting_id = f"B-{len(self.rows):05d}"
        at = datetime.fromtimestamp(at_us / 1e6, tz=UTC)
        self.rows.append(
            {
                "sighting_id": sighting_id,
                "observation_type": "vessel",
                "start_utc": at,
                "end_utc": at,
                "lat_deg": round(float(np.clip(lat, -90, 90)), 5),
                "lon_deg": round(float((lon + 180) % 360 - 180), 5),
                "position_sigma_m": place_m,
                "length_m": None if length_m is None else round(float(np.clip(length_m + longer * size_m, 5, 450))),
                "length_sigma_m": None if length_m is None else size_m,
                "sensor": sensor,
                "scene_id": scene,
                "source": "blanked",
                "source_row": f"{'b' * 12}:{len(self.rows) + 2}",
            }
        )
        self.truth.append({"sighting_id": sighting_id, "kind": kind, "vessel_key": ship})

    def cases(self) -> Cases:
        """Everything seen."""
        schema = tables.SIGHTINGS.polars_schema
        frame = pl.DataFrame([{n: row.get(n) for n in schema} for row in self.rows], schema=schema)
        truth = pd.DataFrame(self.truth, columns=["sighting_id", "kind", "vessel_key"])
        return Cases(tables.to_pandas(frame, tables.SIGHTINGS), truth)


def lengths_of(statics: pl.DataFrame) -> dict[str, float]:
    """The length that each ship said of itself most often."""
    said = (
        statics.filter(pl.col("length_m").is_not_null())
        .group_by("vessel_key", "length_m")
        .agg(pl.col("n_messages").sum())
    )
    best = said.sort(["vessel_key", "n_messages", "length_m"], descending=[False, True, False]).unique(
        "vessel_key", keep="first"
    )
    return dict(best.select("vessel_key", "length_m").sort("vessel_key").iter_rows())


def look_at_pieces(camera: Camera, rows: dict[Piece, pl.DataFrame], *, wrong_every: int) -> None:
    """A sighting of each random piece; of every so-many-th whose ship has a length, a hull of another length instead."""
    n = 0
    for piece in sorted((p for p in rows if p.kind == "piece"), key=lambda p: (p.start_us, p.vessel_key)):
        spot = _spot(rows[piece], camera.rng)
        if spot is None:
            continue
        length = camera.lengths_m.get(piece.vessel_key)
        n += length is not None
        if length is not None and n % wrong_every == 0:
            # A small ship can only be taken for a longer one.
            sign = 1.0 if length < 2 * WRONG_BY_M else float(camera.rng.choice([-1.0, 1.0]))
            camera.see("wrong_length", None, *spot, length + sign * WRONG_BY_M)
        else:
            camera.see("piece", piece.vessel_key, *spot, length)


def look_at_areas(camera: Camera, areas: list[Area], rows: dict[Piece, pl.DataFrame], *, clutter_each: int) -> None:
    """One picture of each hidden anchorage: every ship hidden there at that instant, and some clutter."""
    for area in areas:
        at_us = area.start_us + round((area.end_us - area.start_us) * float(camera.rng.uniform(0.35, 0.65)))
        sensor = list(SENSORS)[area.number % len(SENSORS)]
        scene = f"B-AREA-{area.number}"
        own = sorted((p for p in rows if p.area == area.number), key=lambda p: (p.vessel_key, p.start_us))
        for piece in own:
            place = _place_at(rows[piece], at_us)
            if place is not None:
                camera.see(
                    "anchorage",
                    piece.vessel_key,
                    at_us,
                    place,
                    camera.lengths_m.get(piece.vessel_key),
                    scene=scene,
                    sensor=sensor,
                )
        for _ in range(clutter_each):
            away, turn = area.radius_km * np.sqrt(camera.rng.random()), camera.rng.uniform(0, 2 * np.pi)
            place = _moved((area.lat_deg, area.lon_deg), float(away * np.cos(turn)), float(away * np.sin(turn)))
            camera.see("clutter", None, at_us, place, _any_length(camera), scene=scene, sensor=sensor)


def look_at_unknown(camera: Camera, rows: dict[Piece, pl.DataFrame]) -> None:
    """Positions of ships that are held out as a whole: real places and times, of hulls that the export does not know."""
    for piece in sorted(rows, key=lambda p: (p.start_us, p.vessel_key)):
        spot = _spot(rows[piece], camera.rng)
        if spot is not None:
            camera.see("unknown_ship", None, *spot, camera.lengths_m.get(piece.vessel_key))


def look_where_nobody_can_be(
    camera: Camera, silences: pd.DataFrame, heard: Heard, *, n: int, tries_each: int = 60
) -> None:
    """Places where ships were heard at other times, at instants when no ship of the export can be there, silent or heard.

    `silences` is the table `gaps` of the export without the pieces: the decoy is out of reach of ships that nobody hid, too.
    """
    start = silences["start_utc"].astype("int64").to_numpy()
    is_open = silences["is_open"].to_numpy(dtype=bool)
    end = silences["end_utc"].astype("int64").to_numpy().copy()
    end[is_open] = np.iinfo(np.int64).max // 2
    ends = [silences[c].to_numpy(dtype=float) for c in ("start_lat_deg", "start_lon_deg", "end_lat_deg", "end_lon_deg")]
    made = 0
    for _ in range(n * tries_each if len(silences) and len(heard.at_us) else 0):
        if made == n:
            break
        piece = int(camera.rng.integers(len(silences)))
        until = end[piece] if not is_open[piece] else start[piece] + 24 * US_PER_HOUR
        at_us = int(camera.rng.integers(start[piece], until + 1))
        place = heard.place(int(camera.rng.integers(len(heard.at_us))))
        away_a, away_b = sphere.gc_km(ends[0], ends[1], *place), sphere.gc_km(ends[2], ends[3], *place)
        reach_a, reach_b = (
            OUT_OF_REACH_KN * KM_PER_NM * np.maximum(h, 0) / US_PER_HOUR + OUT_OF_REACH_KM
            for h in (at_us - start, end - at_us)
        )
        silent = (start <= at_us) & (at_us <= end)
        can = silent & (away_a <= reach_a) & (is_open | (away_b <= reach_b))
        if not can.any() and heard.nearest_km(at_us, place) > OUT_OF_REACH_KM:
            length = camera.lengths_m.get(str(silences["vessel_key"].iloc[piece]))
            camera.see("impossible_place", None, at_us, place, length)
            made += 1


def look_at_clutter(camera: Camera, heard: Heard, *, n: int) -> None:
    """Something like a ship somewhere near where ships are heard, at any time."""
    for _ in range(n if len(heard.at_us) else 0):
        k = int(camera.rng.integers(len(heard.at_us)))
        north, east = camera.rng.normal(0, 10.0, 2)
        place = _moved(heard.place(k), float(north), float(east))
        at_us = int(camera.rng.integers(heard.at_us[0], heard.at_us[-1] + 1))
        camera.see("clutter", None, at_us, place, _any_length(camera))


def _any_length(camera: Camera) -> float | None:
    """A length as false alarms have it; none in an export that has none at all, where it would give the decoy away."""
    return float(camera.rng.uniform(45, 170)) if camera.lengths_m else None


def _spot(rows: pl.DataFrame, rng: np.random.Generator) -> tuple[int, tuple[float, float]] | None:
    """The hidden position nearest to a random instant of the piece: long quiet stretches count as much as chatty ones."""
    if rows.is_empty():
        return None
    at = rows["time_utc"].dt.epoch("us").to_numpy()
    k = int(np.abs(at - (at[0] + rng.random() * (at[-1] - at[0]))).argmin())
    return int(at[k]), (float(rows["lat_deg"][k]), float(rows["lon_deg"][k]))


def _place_at(rows: pl.DataFrame, at_us: int) -> tuple[float, float] | None:
    """Where a hidden ship was at an instant, between two hidden positions at most three hours apart; None elsewhere."""
    at = rows["time_utc"].dt.epoch("us").to_numpy()
    k = int(np.searchsorted(at, at_us, side="right"))
    if k == 0 or k == len(at) or at[k] - at[k - 1] > 3 * US_PER_HOUR:
        return None
    lat, lon = rows["lat_deg"].to_numpy(), rows["lon_deg"].to_numpy()
    return float(np.interp(at_us, at[k - 1 : k + 1], lat[k - 1 : k + 1])), float(
        np.interp(at_us, at[k - 1 : k + 1], lon[k - 1 : k + 1])
    )


def _moved(place: tuple[float, float], north_km: float, east_km: float) -> tuple[float, float]:
    lat = float(np.clip(place[0] + north_km / _KM_PER_DEG, -89.9, 89.9))
    return lat, (place[1] + east_km / _KM_PER_DEG / np.cos(np.radians(lat)) + 180) % 360 - 180
