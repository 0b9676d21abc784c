"""How well do the distances around land hold, and what do they cost? Run from the checkout; prints the tables quoted in the docs.

    python design/sea_distance.py [ORACLE.csv] > design/sea_distance.md

The oracle is `fixtures/sea_distances.csv`: distances of a visibility graph over the full-resolution coast, a method that has
nothing in common with the grid. The second comparison sets the coarse graph (`Sea.between_km`) against the fields
(`Sea.distance_km`) at random places, which no oracle covers.
"""

from __future__ import annotations

import csv
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ghostships import routes
from ghostships.sea import Place, Sea
from ghostships.steps import reach

CHECKOUT = Path(__file__).resolve().parents[1]


def timed(label: str, results: list[tuple[str, float]], start: float) -> None:
    results.append((label, time.process_time() - start))


def oracle_lines(sea: Sea, path: Path) -> Iterator[str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    errors_field, errors_graph = [], []
    yield "| from | to | oracle km | field km | error % | graph km | error % |"
    yield "|---|---|---|---|---|---|---|"
    for row in csv.DictReader(lines):
        start = Place(row["from"], float(row["from_lat_deg"]), float(row["from_lon_deg"]))
        to, km = (float(row["to_lat_deg"]), float(row["to_lon_deg"])), float(row["distance_km"])
        by_field = float(sea.distance_km(start, *to))
        by_graph = float(sea.between_km(start.roadstead_lat_deg, start.roadstead_lon_deg, *to))
        errors_field.append(100 * (by_field / km - 1))
        errors_graph.append(100 * (by_graph / km - 1))
        yield (
            f"| {row['from']} | {row['to']} | {km:.1f} | {by_field:.1f} | {errors_field[-1]:+.2f} "
            f"| {by_graph:.1f} | {errors_graph[-1]:+.2f} |"
        )
    yield (
        f"| median | | | | {np.median(errors_field):+.2f} | | {np.median(errors_graph):+.2f} |\n"
        f"| largest | | | | {np.max(np.abs(errors_field)):.2f} | | {np.max(np.abs(errors_graph)):.2f} |"
    )


def graph_lines(sea: Sea, route: routes.Route) -> Iterator[str]:
    rng = np.random.default_rng(1)
    yield "| from | places | median % | p95 % | p99 % | p99 km | largest km | p1 km |"
    yield "|---|---|---|---|---|---|---|---|"
    for port in [p for p in route.ports if p.role != "alternative"]:
        lat, lon = rng.uniform(34, 46, 1500), rng.uniform(128, 142, 1500)
        by_field = sea.distance_km(port, lat, lon)
        by_graph = sea.between_km(port.roadstead_lat_deg, port.roadstead_lon_deg, lat, lon)
        known = np.isfinite(by_field) & np.isfinite(by_graph)
        off, share = (by_graph - by_field)[known], 100 * (by_graph / by_field - 1)[known]
        yield (
            f"| {port.id} | {known.sum()} | {np.median(share):+.2f} | {np.percentile(share, 95):+.2f} "
            f"| {np.percentile(share, 99):+.2f} | {np.percentile(off, 99):+.1f} | {off.max():+.1f} | {np.percentile(off, 1):+.1f} |"
        )


def silences(route: routes.Route, n: int) -> pd.DataFrame:
    """Invented gaps whose ends lie near ports or anywhere, as those of real traffic do."""
    rng = np.random.default_rng(2)
    near = np.array([(p.roadstead_lat_deg, p.roadstead_lon_deg) for p in route.ports])
    ends = np.where(
        rng.random((2, n, 1)) < 0.5,
        near[rng.integers(0, len(near), (2, n))] + rng.normal(0, 0.05, (2, n, 2)),
        np.stack([rng.uniform(34, 47, (2, n)), rng.uniform(127, 146, (2, n))], axis=2),
    )
    start = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 60 * 86400, n), unit="s")
    end = start + pd.to_timedelta(rng.integers(6 * 3600, 200 * 3600, n), unit="s")
    return pd.DataFrame(
        {
            "gap_id": [f"G-{i:05d}" for i in range(n)],
            "vessel_key": [f"mmsi:9990{i % 134:05d}" for i in range(n)],
            "start_utc": start.as_unit("us"),
            "end_utc": end.as_unit("us"),
            "is_open": False,
            "start_lat_deg": ends[0, :, 0],
            "start_lon_deg": ends[0, :, 1],
            "end_lat_deg": ends[1, :, 0],
            "end_lon_deg": ends[1, :, 1],
        }
    )


def main(oracle: Path) -> None:
    route = routes.load("najin-primorye")
    took: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        at = time.process_time()
        sea = Sea.of(route.area, Path(folder))
        timed("grid, first time", took, at)
        at = time.process_time()
        fields = [sea.field(port) for port in route.ports]
        n_fields = sum(f is not None for f in fields)
        timed(f"{n_fields} fields, first time", took, at)
        peak_fields = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        gaps = silences(route, 3000)
        at = time.process_time()
        sea.between_km(42.2271, 130.2826, 43.10, 131.88)
        timed("graph, first time", took, at)
        at = time.process_time()
        reach.measure(gaps, route, sea, as_of=gaps["end_utc"].max(), fastest_kn={}, default_fastest_kn=14)
        timed(f"reach.measure, 3000 gaps x {len(route.ports)} ports", took, at)
        at = time.process_time()
        answer = reach.distances(gaps, sea)
        known = answer["distance_nm"].notna().sum()
        timed(f"reach.distances, 3000 gaps ({known} by sea)", took, at)

        again = Sea.of(route.area, Path(folder))
        at = time.process_time()
        for port in route.ports:
            again.field(port)
        timed(f"{n_fields} fields, from the cache", took, at)
        out = [
            "# Distances around land: error and cost",
            "",
            "Made by `design/sea_distance.py`.",
            "",
            "## Against the oracle",
            "",
        ]
        out += [*oracle_lines(sea, oracle), "", "## The coarse graph against the fields, at random places", ""]
        out += [*graph_lines(sea, route), "", "## Cost", ""]
        rows, cols = sea.grid.water.shape if sea.grid else (0, 0)
        out += [f"Grid of {rows} x {cols} cells.", "", "| step | CPU s |", "|---|---|"]
        out += [f"| {label} | {seconds:.2f} |" for label, seconds in took]
        size = sum(f.stat().st_size for f in Path(folder).iterdir()) / 2**20
        out += ["", f"Peak memory after the fields: {peak_fields:.0f} MiB; cache on disk: {size:.0f} MiB.", ""]
        sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "fixtures" / "sea_distances.csv")
