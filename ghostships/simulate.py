"""Traffic with known truth: a simulated sea, its ships, who hears and who photographs them, written as ordinary inputs.

The files are what an analyst would be given (an AIS export, sightings, scenes, a registry); the `truth` folder beside them
is what the judge knows. The AIS file's identity column is headed `simulated_mmsi`, so that nothing made from it can pass
as real.

    OUT/ais.csv.gz  sightings.csv  scenes.csv  vessels.csv  scenario.json
    OUT/truth/ships.parquet  trips.parquet  calls.parquet  silences.parquet  sightings.parquet  outages.parquet
    OUT/truth/identities.parquet  in a world with false places or numbers
"""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from ghostships import routes
from ghostships.errors import UsageError
from ghostships.routes import Route
from ghostships.simulation import falsehoods, hearing, hulls, journeys, pictures, waters
from ghostships.simulation.journeys import DAY
from ghostships.simulation.scenario import PRESETS, Scenario, preset

__all__ = ["PRESETS", "Scenario", "Simulated", "preset", "simulate"]

# fmt: off
_AIS_COLUMNS = (
    "simulated_mmsi", "time_utc", "lat_deg", "lon_deg", "sog_kn", "cog_deg", "heading_deg", "nav_status", "ais_class", "imo",
    "vessel_name", "call_sign", "ship_type", "length_m", "draught_m", "destination",
)
# fmt: on
_IDENTITY_COLUMNS = [
    *("kind", "vessel_keys", "hull_ids", "start_utc", "end_utc", "lat_deg", "lon_deg", "n_ships", "n_positions")
]


@dataclass(frozen=True)
class Simulated:
    """Where a world was written and what is in it."""

    folder: Path
    scenario: Scenario
    seed: int
    n_positions: int
    n_ships: int
    n_trips: int
    n_silences: int
    n_scenes: int
    n_sightings: int

    def as_dict(self) -> dict[str, object]:
        counts = ("n_positions", "n_ships", "n_trips", "n_silences", "n_scenes", "n_sightings")
        return {"folder": str(self.folder), "seed": self.seed, "scenario": self.scenario.name} | {
            name: getattr(self, name) for name in counts
        }


def simulate(
    out: Path,
    *,
    seed: int,
    scenario: Scenario | None = None,
    route: Route | None = None,
    is_zipped: bool = True,
) -> Simulated:
    """Write a simulated world into a folder and say what is in it.

    The same seed, scenario and versions give the same bytes. Each part of the world has a seed of its own: more pictures,
    say, do not move a ship.

    Parameters
    ----------
    out
        a folder that is absent, empty, or holds an earlier simulation, which is replaced.
    is_zipped
        write `ais.csv.gz`, else `ais.csv`.

    Raises
    ------
    UsageError
        when the folder holds anything else, the seed is negative, or the route lacks the ports that simulated ships know.
    """
    scenario = scenario or PRESETS["default"]
    route = route or routes.load()
    if seed < 0:
        raise UsageError(f"seed must not be negative; found {seed}")
    missing = [p for p in (*hulls.PRIMORYE, *hulls.ELSEWHERE) if p not in {port.id for port in route.ports}]
    if missing:
        raise UsageError(
            f"route {route.name}: simulated ships sail the Sea of Japan and need its ports {', '.join(missing)}"
        )
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "scenario.json").is_file())):
        raise UsageError(f"{out}: holds something that is not a simulation; give a new or an empty folder")
    world = _World(scenario, route, seed)
    draft = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "truth").mkdir(parents=True)
    made = world.write(draft, is_zipped=is_zipped)
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return Simulated(folder=out, scenario=scenario, seed=seed, **made)


class _World:
    """Everything that happened, drawn once."""

    def __init__(self, scenario: Scenario, route: Route, seed: int) -> None:
        self.scenario, self.route, self.seed = scenario, route, seed
        self.start = datetime.fromisoformat(scenario.start_utc).astimezone(UTC)
        self.waters = waters.build(route)
        of_hulls, of_trips, of_journeys, of_sky, of_hearing, of_dirt, of_pictures, of_unknown = np.random.SeedSequence(
            seed
        ).spawn(8)
        self.hulls = hulls.launch(scenario, route, np.random.default_rng(of_hulls))
        afloat = [h for h in self.hulls if h.mmsi is not None]
        trips = _share_out(scenario, np.random.default_rng(of_trips))
        self.journeys = [
            journeys.travel(hull, scenario, route, self.waters, trips[n] if n < len(trips) else 0, own)
            for n, (hull, own) in enumerate(zip(afloat, of_journeys.spawn(len(afloat)), strict=True))
        ]
        quiet = {h.hull_id for h in [h for h in afloat if h.role == "trader"][: scenario.n_silent_throughout]}
        self.journeys = [
            journeys.silent_between(j, DAY, (scenario.days - 1) * DAY) if j.hull.hull_id in quiet else j
            for j in self.journeys
        ]
        rng = np.random.default_rng(of_unknown)
        self.unknown = [(h, journeys.unknown_calls(h, scenario, route, rng)) for h in self.hulls if h.mmsi is None]
        self.sky = hearing.sky(scenario, np.random.default_rng(of_sky))
        heard = [
            hearing.hear(journey, scenario, route, self.waters, self.sky, own)
            for journey, own in zip(self.journeys, of_hearing.spawn(len(self.journeys)), strict=True)
        ]
        sent, self.falsehoods = pl.concat(heard), list[falsehoods.Falsehood]()
        if scenario.has_falsehoods:
            # A ninth seed: the first eight are the same as in a world without.
            of_falsehoods = np.random.default_rng(np.random.SeedSequence(seed).spawn(9)[8])
            sent, self.falsehoods = falsehoods.spread(sent, self.hulls, scenario, route, of_falsehoods)
        self.positions = hearing.soil(sent, scenario, np.random.default_rng(of_dirt))
        self.scenes, self.sightings, self.seen = pictures.take(
            scenario, route, self.journeys, self.unknown, np.random.default_rng(of_pictures)
        )

    def write(self, folder: Path, *, is_zipped: bool) -> dict[str, int]:
        """All files of the world; returns the counts."""
        epoch = pl.lit(self.start.replace(tzinfo=None)).cast(pl.Datetime("ms"))
        text = (
            self.positions.with_columns(
                time_utc=(epoch + pl.duration(seconds="seconds")).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
                heading_deg=pl.col("heading_deg").cast(pl.Int64),
                length_m=pl.col("length_m").cast(pl.Int64),
            )
            .select(_AIS_COLUMNS)
            .write_csv()
        )
        if is_zipped:
            # No name and no time inside the gzip header: the same bytes every time.
            (folder / "ais.csv.gz").write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
        else:
            (folder / "ais.csv").write_text(text, encoding="utf-8")
        self._write_pictures(folder)
        self._registry().to_csv(folder / "vessels.csv", index=False)
        counts = self._write_truth(folder / "truth")
        told = {
            "what": "a simulated world: no ship, position or picture in it is real",
            "seed": self.seed,
            "route": self.route.name,
            "dark_port": self.route.dark_port.model_dump(mode="json"),
            "scenario": self.scenario.as_dict(),
            "counts": counts,
            "python": {"numpy": np.__version__, "pandas": pd.__version__, "polars": pl.__version__},
        }
        (folder / "scenario.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return counts

    def _time(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=round(seconds))

    def _iso(self, seconds: pd.Series) -> pd.Series:
        return pd.Series(
            [self._time(s).strftime("%Y-%m-%dT%H:%M:%SZ") for s in seconds], index=seconds.index, dtype="str"
        )

    def _write_pictures(self, folder: Path) -> None:
        scenes = self.scenes.copy()
        if len(scenes):
            scenes.insert(1, "time", self._iso(scenes.pop("start_s")))
        scenes.to_csv(folder / "scenes.csv", index=False)
        rows = self.sightings.copy()
        if len(rows):
            rows.insert(1, "kind", "vessel")
            rows.insert(2, "time", self._iso(rows.pop("start_s")))
            rows["imo"] = rows["imo"].astype("Int64")
            rows["source"] = "simulated"
        rows.to_csv(folder / "sightings.csv", index=False)

    def _registry(self) -> pd.DataFrame:
        """Registry rows of all ships with an IMO number, and a watch list of some."""
        listed_since = (self.start - timedelta(days=200)).date().isoformat()
        rows = []
        for hull in self.hulls:
            if hull.imo is None:
                continue
            known_m = hull.length_m if hull.tells_length else None
            row = {"mmsi": hull.mmsi, "imo": hull.imo, "name": hull.name, "length_m": known_m}
            row["teu"] = round(hull.length_m**2 / 45) if hull.role in ("trader", "lookalike", "cargo") else None
            rows.append(row | {"list": None, "since": None})
            if hull.is_listed:
                rows.append(row | {"list": "SIM-LIST", "since": listed_since})
        table = pd.DataFrame(rows, columns=["mmsi", "imo", "name", "length_m", "teu", "list", "since"])
        return table.astype({"mmsi": "Int64", "imo": "Int64", "teu": "Int64"})

    def _write_truth(self, folder: Path) -> dict[str, int]:
        """What the judge knows."""
        end = self.scenario.days * DAY
        ships = pd.DataFrame(
            [
                {
                    "hull_id": h.hull_id,
                    "role": h.role,
                    "vessel_key": h.vessel_key,
                    "mmsi": h.mmsi,
                    "imo": h.imo,
                    "vessel_name": h.name,
                    "length_m": h.length_m,
                    "home": h.home,
                    "audibility": h.audibility,
                    "is_listed": h.is_listed,
                }
                for h in self.hulls
            ]
        ).astype({"mmsi": "Int64", "imo": "Int64"})
        calls: list[dict[str, object]] = []
        trips: list[dict[str, object]] = []
        silences: list[dict[str, object]] = []
        everyone = [(j.hull, j.calls, j.silences) for j in self.journeys]
        everyone += [(hull, visits, ()) for hull, visits in self.unknown]
        for hull, visits, quiet in everyone:
            for call in visits:
                if call.departure_s <= 0 or call.arrival_s >= end:
                    continue
                within = [s for s in quiet if s.start_s < call.departure_s and s.end_s > call.arrival_s]
                dark = any(s.start_s <= call.arrival_s and s.end_s >= call.departure_s for s in within)
                row: dict[str, object] = {
                    "hull_id": hull.hull_id,
                    "vessel_key": hull.vessel_key,
                    "port": call.port,
                    "arrival_utc": self._time(call.arrival_s),
                    "departure_utc": self._time(call.departure_s),
                    "berths": "|".join(call.berths),
                    "is_dark": dark or hull.mmsi is None,
                }
                calls.append(row)
                if call.is_trade:
                    around = [s for s in within if s.cause == "trip"]
                    trips.append(
                        {
                            "trip": f"{hull.hull_id}-{sum(t['hull_id'] == hull.hull_id for t in trips) + 1}",
                            **{k: row[k] for k in ("hull_id", "vessel_key", "port", "arrival_utc", "departure_utc")},
                            "off_utc": self._time(around[0].start_s),
                            "on_utc": self._time(min(around[0].end_s, end)),
                            "is_open": around[0].end_s >= end,
                        }
                    )
            silences += [
                {
                    "hull_id": hull.hull_id,
                    "vessel_key": hull.vessel_key,
                    "start_utc": self._time(max(s.start_s, 0)),
                    "end_utc": self._time(min(s.end_s, end)),
                    "cause": s.cause,
                    "duration_h": round((min(s.end_s, end) - max(s.start_s, 0)) / 3600, 3),
                }
                for s in quiet
                if s.start_s < end and s.end_s > 0
            ]
        outages = [
            {"start_utc": self._time(a), "end_utc": self._time(min(b, end)), "is_whole_feed": whole}
            for a, b, whole in sorted(self.sky.outages)
        ]
        n_sightings = len(self.seen)
        tables: dict[str, tuple[pd.DataFrame | list[dict[str, object]], list[str]]] = {
            "ships": (ships, list(ships.columns)),
            "calls": (calls, ["hull_id", "vessel_key", "port", "arrival_utc", "departure_utc", "berths", "is_dark"]),
            "trips": (
                trips,
                [
                    "trip",
                    "hull_id",
                    "vessel_key",
                    "port",
                    "arrival_utc",
                    "departure_utc",
                    "off_utc",
                    "on_utc",
                    "is_open",
                ],
            ),
            "silences": (silences, ["hull_id", "vessel_key", "start_utc", "end_utc", "cause", "duration_h"]),
            "outages": (outages, ["start_utc", "end_utc", "is_whole_feed"]),
            "sightings": (
                self.seen,
                ["sighting_id", "hull_id", "vessel_key", "state", "port", "true_length_m", "is_wrongly_named"],
            ),
        }
        if self.scenario.has_falsehoods:
            tables["identities"] = (self._identities(), _IDENTITY_COLUMNS)
        for name, (rows, columns) in tables.items():
            _plain(pd.DataFrame(rows, columns=columns)).write_parquet(folder / f"{name}.parquet", compression="zstd")
        return {
            "n_positions": len(self.positions),
            "n_ships": len(self.journeys),
            "n_trips": len(trips),
            "n_silences": len(silences),
            "n_scenes": len(self.scenes),
            "n_sightings": n_sightings,
        }

    def _identities(self) -> list[dict[str, object]]:
        return [
            {
                "kind": f.kind,
                "vessel_keys": "|".join(f.vessel_keys),
                "hull_ids": "|".join(f.hull_ids),
                "start_utc": self._time(f.start_s),
                "end_utc": self._time(f.end_s),
                "lat_deg": round(f.lat_deg, 5),
                "lon_deg": round(f.lon_deg, 5),
                "n_ships": len(f.hull_ids),
                "n_positions": f.n_positions,
            }
            for f in self.falsehoods
        ]


def _share_out(scenario: Scenario, rng: np.random.Generator) -> list[int]:
    """How many trips each trader makes: unequal, since real fleets are."""
    total = round(scenario.trips_per_month * scenario.days / 30)
    if not scenario.n_traders:
        return []
    weights = rng.dirichlet(np.full(scenario.n_traders, 12.0))
    exact = weights * total
    counts = np.floor(exact).astype(int)
    for n in np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]:
        counts[n] += 1
    return [int(n) for n in counts]


def _plain(frame: pd.DataFrame) -> pl.DataFrame:
    """Truth tables as Polars frames: times in UTC microseconds, strings and nulls plain."""
    table = pl.from_pandas(frame, include_index=False) if len(frame.columns) else pl.DataFrame()
    times = [c for c in table.columns if c.endswith("_utc")]
    texts = [c for c in table.columns if table[c].dtype == pl.Null]
    return table.with_columns(
        [pl.col(c).cast(pl.Datetime("us", "UTC")) for c in times]
        + [pl.col(c).cast(pl.String) for c in texts if c not in times]
    )
