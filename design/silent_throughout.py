"""Ships that are silent for two months: how often the true number of their calls lies between the 5th and 95th percentile given.

    python design/silent_throughout.py WORK 101-106

Every world is simulated (unless it lies in WORK already) by the preset `silent-throughout`: two of its five traders are heard on
the first day and again at the end, and make all their trips in between. One line per such ship: the calls it made, what
`round_trips` says of its one long silence, and whether the number lies in between. A ship found in no trip has zeros.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from ghostships import job
from ghostships.simulate import preset, simulate

LONG_SHARE = 0.6
"""A silence of at least this share of the world is the one that is meant."""


def told(world: Path) -> list[dict[str, object]]:
    """What a run says of every ship silent throughout, beside what it did."""
    tables = job.work(job.request_of_folder(world), None).tables
    silences = pd.read_parquet(world / "truth" / "silences.parquet")
    made = pd.read_parquet(world / "truth" / "trips.parquet")
    span_h = (silences["end_utc"].max() - silences["start_utc"].min()).total_seconds() / 3600
    found = []
    for silence in silences[silences["duration_h"] > LONG_SHARE * span_h].itertuples(index=False):
        own = made[made["vessel_key"] == silence.vessel_key]
        n = int(((own["arrival_utc"] < silence.end_utc) & (own["departure_utc"] > silence.start_utc)).sum())
        gaps = tables["gaps"]
        within = (gaps["vessel_key"] == silence.vessel_key) & (
            gaps["duration_h"].fillna(1e9) > 0.9 * silence.duration_h
        )
        ids = set(gaps.loc[within & (gaps["start_utc"] < silence.end_utc), "gap_id"])
        trips = tables["round_trips"]
        rows = trips[[bool(ids & set(own_ids)) for own_ids in trips["gap_ids"]]].sort_values("cycle")
        first = rows.iloc[0] if len(rows) else None
        found.append(
            {
                "world": world.name,
                "ship": silence.vessel_key,
                "calls": n,
                "p_trip": 0.0 if first is None else float(rows["p_trip"].max()),
                "p05": 0 if first is None else int(first["n_calls_p05"]),
                "p50": 0 if first is None else int(first["n_calls_p50"]),
                "p95": 0 if first is None else int(first["n_calls_p95"]),
            }
        )
    return found


def main(arguments: list[str]) -> int:
    """One line per ship, then how many lie within."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("seeds")
    asked = parser.parse_args(arguments)
    first, _, last = asked.seeds.partition("-")
    rows: list[dict[str, object]] = []
    for seed in range(int(first), int(last or first) + 1):
        world = asked.work / f"silent-throughout{seed}"
        if not world.is_dir():
            simulate(world, seed=seed, scenario=preset("silent-throughout"))
        rows += told(world)
    frame = pd.DataFrame(rows)
    frame["within"] = (frame["p05"] <= frame["calls"]) & (frame["calls"] <= frame["p95"])
    print(frame.to_string(index=False))  # noqa: T201
    print(f"{int(frame['within'].sum())} of {len(frame)} within p05 to p95")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
