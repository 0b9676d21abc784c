"""Whole worlds for tests of the thinking part: tiny ones written by hand, and the shipped example.

Nothing here exists: the MMSIs lie outside every country's numbers and the names say what they are. In the tiny worlds ships lie
in the roads of Vostochny, about 125 nm by sea from the dark port, and are heard every hour unless they are silent.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pandas as pd
import platformdirs
import polars as pl
import small_world

from ghostships import intake, job, pipeline, routes, tables
from ghostships.readers import ais
from ghostships.sea import Sea
from ghostships.traffic import Traffic

START = datetime(2019, 5, 1, tzinfo=UTC)
HARE, TORTOISE, OWL = 999_000_001, 999_000_002, 999_000_003
NAMES = {HARE: "SIM HARE", TORTOISE: "SIM TORTOISE", OWL: "SIM OWL"}
DAYS = 16
SILENT_H = (120.0, 192.0)
"""Hours between which a ship is silent: three days, after five days in the data."""

FOOTPRINT = "POLYGON ((130.2 42.1,130.5 42.1,130.5 42.4,130.2 42.4,130.2 42.1))"
"""All of the dark port."""

Silences = Sequence[tuple[float, float]]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@cache
def small_route() -> routes.Route:
    """The shipped route cut down to three ports."""
    return routes.Route(**tomllib.loads(small_world.route_text()))


@cache
def small_sea() -> Sea:
    return Sea.of(small_route().area, use_disk=False)


@dataclass(frozen=True)
class Ship:
    """One invented ship: hourly positions at one place, another place after its first silence."""

    mmsi: int
    silent: Silences = ()
    length_m: float | None = 118.0
    name: str | None = None
    before: tuple[float, float] = (42.757, 133.028)
    after: tuple[float, float] = (42.750, 133.020)
    ship_type: int | None = 70
    draughts: tuple[float, float] | None = None

    def rows(self) -> Iterable[dict[str, object]]:
        first = self.silent[0][0] if self.silent else math.inf
        for step in range(DAYS * 24 + 1):
            if any(a < step < b for a, b in self.silent):
                continue
            late = step > first
            lat, lon = self.after if late else self.before
            yield {
                "vessel_key": f"mmsi:{self.mmsi}",
                "mmsi": self.mmsi,
                "time_utc": at(step),
                "lat_deg": round(lat + 0.0005 * math.sin(step), 7),
                "lon_deg": round(lon + 0.0005 * math.cos(step), 7),
                "sog_kn": 0.1,
                "vessel_name": self.name or NAMES[self.mmsi],
                "length_m": self.length_m,
                "ship_type": self.ship_type,
                "draught_m": None if self.draughts is None else self.draughts[late],
                "source_file": "f" * 12,
                "source_row": self.mmsi % 1000 * 10_000 + step,
            }


@dataclass(frozen=True)
class Picture:
    """One picture of the dark port: who is in it, and when; nobody in it is an empty berth."""

    hours: float
    name: str | None = None
    length_m: float | None = None
    is_empty: bool = False
    port: str = "NAJIN"
    scene: str | None = None
    observation_type: str = "vessel"
    lasting_h: float = 0.0


@dataclass(frozen=True)
class World:
    """What there was, and what was seen of it."""

    ships: tuple[Ship, ...] = (Ship(HARE, (SILENT_H,)), Ship(OWL))
    pictures: tuple[Picture, ...] = ()
    scenes_h: tuple[float, ...] = ()
    listed: tuple[int, ...] = field(default=())

    def inputs(self) -> pipeline.Inputs:
        positions = table_polars((r for s in self.ships for r in s.rows()), tables.POSITIONS)
        seen = [
            {
                "sighting_id": f"SIM-{n}",
                "observation_type": p.observation_type,
                "start_utc": at(p.hours),
                "end_utc": at(p.hours + p.lasting_h),
                "length_m": p.length_m,
                "sensor": "optical",
                "scene_id": p.scene,
                "port": p.port,
                "vessel_name": p.name,
                "source": "simulated",
                "source_row": f"{'e' * 12}:{n + 2}",
            }
            for n, p in enumerate(self.pictures)
            if not p.is_empty
        ]
        looked = sorted({*self.scenes_h, *(p.hours for p in self.pictures if p.is_empty or p.scene)})
        named = {p.hours: p.scene for p in self.pictures if p.scene}
        scenes = [
            {
                "scene_id": named.get(h) or f"SIM-SCENE-{n}",
                "start_utc": at(h),
                "end_utc": at(h),
                "wkt": FOOTPRINT,
                "sensor": "optical",
                "clear_fraction": 1.0,
                "source_row": f"{'d' * 12}:{n + 2}",
            }
            for n, h in enumerate(looked)
        ]
        registry = [
            {"mmsi": mmsi, "list": "SIM-LIST", "since": "2018-01-01", "source_row": f"{'c' * 12}:{n + 2}"}
            for n, mmsi in enumerate(self.listed)
        ]
        return pipeline.Inputs(
            Traffic.of_positions(positions),
            pl.DataFrame(schema=tables.REJECTS.polars_schema),
            table(seen, tables.SIGHTINGS),
            table(scenes, tables.SCENES),
            table(registry, tables.REGISTRY),
        )

    def analysed(self) -> Found:
        route = small_route()
        settings = pipeline.Settings(route=route, min_gap_h=6.0)
        return Found(pipeline.run(self.inputs(), settings, small_sea()))


def table_polars(rows: Iterable[dict[str, object]], declared: tables.Table) -> pl.DataFrame:
    schema = declared.polars_schema
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def table(rows: Iterable[dict[str, object]], declared: tables.Table) -> pd.DataFrame:
    return tables.to_pandas(table_polars(rows, declared), declared)


@dataclass(frozen=True)
class Found:
    """The tables of a tiny world, with the questions that tests ask of them."""

    result: pipeline.Result

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.result.tables[name]

    def trips(self, mmsi: int = HARE) -> pd.DataFrame:
        rows = self["round_trips"]
        return rows[(rows["vessel_key"] == f"mmsi:{mmsi}") & rows["tier"].isin(["seen", "inferred"])]

    def trip(self, mmsi: int = HARE) -> pd.Series:
        rows = self.trips(mmsi)
        assert len(rows) == 1, f"{len(rows)} trips"
        return rows.iloc[0]

    def p_trip(self, mmsi: int = HARE) -> float:
        """Probability of the ship's likeliest trip; 0 stands for "not even shown"."""
        return float(self.trips(mmsi)["p_trip"].max()) if len(self.trips(mmsi)) else 0.0

    def p_match(self, mmsi: int | None = HARE, sighting: int = 0) -> float:
        """Probability that a picture shows a ship; None: nobody known."""
        rows = self["matches"]
        rows = rows[rows["sighting_id"] == f"SIM-{sighting}"]
        mine = rows["hypothesis"] == "none" if mmsi is None else rows["vessel_key"] == f"mmsi:{mmsi}"
        return float(rows.loc[mine, "p_match"].sum())

    def bits(self, subject: str, factor: str) -> float:
        rows = self["evidence"]
        return float(rows.loc[(rows["subject_id"] == subject) & (rows["factor"] == factor), "bits"].sum())


@dataclass(frozen=True)
class Demo:
    """The shipped example as read: 36 simulated ships and their pictures on the real coast.

    The positions lie beside the inputs, all of them in memory, for tests that cut or shift them.
    """

    positions: pl.DataFrame
    inputs: pipeline.Inputs
    route: routes.Route


@cache
def demo() -> Demo:
    """Lists are read by `intake`, positions by the reader alone: the way of the days is not the truth here."""
    request = job.demo_request()
    route = routes.load(request.route)
    files = {role: [*map(Path, getattr(request, role))] for role in ("ais", "sightings", "scenes", "vessels")}
    positions = ais.read(files["ais"]).positions
    read = intake.read(
        [],
        sighting_files=files["sightings"],
        scene_files=files["scenes"],
        vessel_files=files["vessels"],
        dialect=None,
        route=route,
    )
    lists = read.sightings, read.scenes, read.registry
    return Demo(positions, pipeline.Inputs(Traffic.of_positions(positions), read.rejects, *lists), route)


@cache
def demo_sea() -> Sea:
    """Kept on disk where the command keeps it, so that it is computed once per machine."""
    return Sea.of(demo().route.area, platformdirs.user_cache_path("ghostships"))
