"""How well do our tracks of one shared number agree with the published ones?

MMSI 416000000 is sent by many hulls around Taiwan and one in the Indian Ocean. `segmented-416000000.json` (gpsdio-segment's own
test data, Apache-2.0, commit in `COMMIT` beside it) carries 29 published labels for 1 668 positions. Counted over all pairs of
positions: do the two labellings agree on "same track" and "not the same"? (Rand index; and adjusted for chance, where 0 is chance
and 1 the same.)

Run: `python design/segments_416000000.py ../shared/data/gpsdio_segment`
"""

from __future__ import annotations

import itertools
import json
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
from sklearn.metrics import adjusted_rand_score, rand_score

from ghostships import tables
from ghostships.steps import segments


def read(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """The positions of one file of JSON lines, and the published label of each (empty where the file has none)."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    times = [datetime.fromisoformat(r["timestamp"].replace(" ", "T").removesuffix("Z") + "+00:00") for r in rows]
    known = {
        "vessel_key": [f"mmsi:{r['ssvid']}" for r in rows],
        "mmsi": [r["ssvid"] for r in rows],
        "time_utc": times,
        "lat_deg": [round(r["lat"], 7) for r in rows],
        "lon_deg": [round(r["lon"], 7) for r in rows],
        "sog_kn": [float(r["speed"]) if 0 <= (r.get("speed") or 0) < 102.3 else None for r in rows],
        "source_file": ["0" * 12] * len(rows),
        "source_row": list(range(1, len(rows) + 1)),
    }
    schema = tables.POSITIONS.polars_schema
    frame = pl.DataFrame(known, schema={k: schema[k] for k in known})
    frame = frame.with_columns([pl.lit(None, t).alias(n) for n, t in schema.items() if n not in known])
    return frame.select(tables.POSITIONS.names), [r.get("segment", "") for r in rows]


def labels(positions: pl.DataFrame, *, max_silence_h: float = 48.0) -> pl.DataFrame:
    """The positions in order of their rows, with our `segment_id`, `hull` and `jump`."""
    order = ("time_utc", "lat_deg", "lon_deg", "source_file", "source_row")
    _, labelled = segments._follow(positions.sort(*order), follow_kn=25.0, max_silence_h=max_silence_h)
    return labelled.sort("source_row")


def main(folder: Path) -> None:
    """Print both indices around the settings in use."""
    positions, published = read(folder / "segmented-416000000.json")
    used = (segments.STRAY_KN, segments.NEWCOMER_NM)
    for stray_kn, newcomer_nm in itertools.product((1.0, 2.0, 4.0, 8.0), (250.0, 500.0, 1000.0, 2000.0)):
        segments.STRAY_KN, segments.NEWCOMER_NM = stray_kn, newcomer_nm
        ours = labels(positions)
        ids, hulls = ours["segment_id"].to_list(), ours["hull"].to_list()
        sys.stdout.write(
            f"{'*' if (stray_kn, newcomer_nm) == used else ' '} stray {stray_kn:2} kn, newcomer {newcomer_nm:6} nm:"
            f" {len(set(ids)):3} tracks, {len(set(hulls)):3} hulls, {ours['jump'].sum():3} positions in jumps,"
            f" Rand {rand_score(published, ids):.4f}, adjusted {adjusted_rand_score(published, ids):.4f}\n"
        )
    segments.STRAY_KN, segments.NEWCOMER_NM = used


if __name__ == "__main__":
    main(Path(sys.argv[1]))
