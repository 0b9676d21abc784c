"""Only the splitter of movingpandas, on some of the ships: `movingpandas_gaps.py SHIPS DAY.csv`.

The rows are clean, de-duplicated and in a GeoDataFrame before the clock starts. Prints how many rows there were and the CPU
seconds of building the trajectories and splitting them at silences of six hours; the caller scales to the whole day by rows. A
silence next to a stretch of a single row is lost with that stretch: the splitter keeps no trajectory of one point.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from datetime import timedelta

import geopandas as gpd
import polars as pl

warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning)

import movingpandas as mpd  # noqa: E402 (it warns of optional parts when imported)


def main(n_ships: int, file: str) -> None:
    columns = {"MMSI": pl.Int64(), "BaseDateTime": pl.String(), "LAT": pl.Float64(), "LON": pl.Float64()}
    rows = (
        pl.scan_csv(file, schema_overrides=columns, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True)
        .select("MMSI", pl.col("BaseDateTime").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False), "LAT", "LON")
        .filter(
            pl.col("MMSI").is_between(201_000_000, 775_999_999)
            & (pl.col("BaseDateTime").dt.year() >= 2000)
            & (pl.col("LAT").abs() <= 90)
            & (pl.col("LON").abs() <= 180)
        )
        .unique()
        .collect(engine="streaming")
    )
    every = rows["MMSI"].unique().sort()
    rows = rows.filter(pl.col("MMSI").is_in(every.head(n_ships).implode())).sort("MMSI", "BaseDateTime")
    since = rows.select(pl.col("BaseDateTime").diff().over("MMSI")).to_series()
    frame = rows.to_pandas().set_index("BaseDateTime")
    points = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["LON"], frame["LAT"]), crs="EPSG:4326")
    begun = time.process_time()
    whole = mpd.TrajectoryCollection(points, traj_id_col="MMSI")
    # Splits where the step is longer than asked; times are whole seconds.
    parts = mpd.ObservationGapSplitter(whole).split(gap=timedelta(hours=6) - timedelta(seconds=1))
    cpu_s = time.process_time() - begun
    answer = {
        "rows": rows.height,
        "cpu_s": round(cpu_s, 2),
        "gaps": len(parts) - len(whole),
        "gaps_in_sample": int((since >= timedelta(hours=6)).sum()),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
