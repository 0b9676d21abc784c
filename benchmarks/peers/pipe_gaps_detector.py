"""Only the detector of Global Fishing Watch's open gap pipeline (`pipe-gaps`, Apache-2.0): `pipe_gaps_detector.py DAY.csv ...`.

The rows are clean, de-duplicated and Python dicts by ship before the clock starts: reading, cleaning and building them is not
counted. The pipeline is on no package registry (its own README says so) and asks for another pandas than ours, so it is not
installed here; put the `src` folder of a checkout, with `geopy` and `rich`, on PYTHONPATH. Ends with status 3 where it cannot be
imported.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from datetime import timedelta

import polars as pl

try:
    from pipe_gaps.core import GapDetector
except ImportError as missing:
    print(f"not installed: {missing}", file=sys.stderr)
    raise SystemExit(3) from None


def main(files: list[str]) -> None:
    columns = {"MMSI": pl.Int64(), "BaseDateTime": pl.String(), "LAT": pl.Float64(), "LON": pl.Float64()}
    rows = (
        pl.scan_csv(files, schema_overrides=columns, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True)
        .select(
            pl.col("MMSI"),
            pl.col("BaseDateTime").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False).dt.epoch("s").alias("time"),
            "LAT",
            "LON",
        )
        .filter(
            pl.col("MMSI").is_between(201_000_000, 775_999_999)
            & (pl.col("time") >= 946_684_800)
            & (pl.col("LAT").abs() <= 90)
            & (pl.col("LON").abs() <= 180)
        )
        .unique()
        .collect(engine="streaming")
    )
    ships: dict[int, list[dict[str, object]]] = defaultdict(list)
    for mmsi, second, lat, lon in rows.iter_rows():
        ships[mmsi].append(
            {"ssvid": str(mmsi), "timestamp": second, "lat": lat, "lon": lon, "receiver_type": "terrestrial"}
        )
    # It wants longer than the threshold; times are whole seconds.
    detector = GapDetector(threshold=timedelta(hours=6) - timedelta(seconds=1))
    begun = time.process_time()
    found = [gap for messages in ships.values() for gap in detector.detect(messages)]
    cpu_s = time.process_time() - begun
    print(json.dumps({"rows": rows.height, "cpu_s": round(cpu_s, 2), "gaps": len(found)}))


if __name__ == "__main__":
    main(sys.argv[1:])
