"""Make `fixtures/published/sightings.csv` from a gathered table of published sightings: our columns, every source kept.

    python design/make_published.py ../shared/facts/sightings.csv fixtures/published/sightings.csv

What it changes: column names; `vessel_present` and its like become `vessel`, `absent`, `containers`, `ais`; the
coordinates get the error that they really have, because they are points of a port or pier and not measured in a picture;
confidence, basis, title and date of the publication go into the note. What it never changes: dates, lengths, names,
berths as written, sources and their addresses.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

KINDS = {"vessel_present": "vessel", "vessel_absent": "absent", "containers_only": "containers", "ais_position": "ais"}
COLUMNS = (
    *(
        "sighting_id",
        "kind",
        "start_utc",
        "end_utc",
        "port",
        "berth",
        "lat_deg",
        "lon_deg",
        "position_sigma_m",
        "length_m",
    ),
    *("length_sigma_m", "sensor", "scene_id", "vessel_name", "imo", "source", "source_url", "note"),
)
BERTH_SIGMA_M = 300
"""Pier points are estimates of +-300 m (route file)."""
PORT_SIGMA_M = 3000
"""A port's gazetteer point may be a few kilometres from the berth; Dunay's is the settlement, +-3 km."""


def row(given: dict[str, str]) -> dict[str, str]:
    """One published sighting under our column names."""
    placed = bool(given["lat"])
    note = [given["note"], f"title: {given['source_title']}", f"published: {given['source_date']}"]
    note += [f"confidence: {given['confidence']}", f"basis: {given['basis']}"]
    return {
        "sighting_id": given["sighting_id"],
        "kind": KINDS[given["observation_type"]],
        "start_utc": given["time_start_utc"],
        "end_utc": given["time_end_utc"],
        "port": given["port"],
        "berth": given["berth"],
        "lat_deg": given["lat"],
        "lon_deg": given["lon"],
        "position_sigma_m": str(BERTH_SIGMA_M if given["berth"] else PORT_SIGMA_M) if placed else "",
        "length_m": given["length_m"],
        "length_sigma_m": given["length_sigma_m"],
        "sensor": given["sensor"],
        "scene_id": "",
        "vessel_name": given["vessel_name"],
        "imo": given["imo"],
        "source": given["publisher"],
        "source_url": given["source_url"],
        "note": _public(" | ".join(part for part in note if part and not part.endswith(": "))),
    }


def _public(note: str) -> str:
    """Without the gatherer's own numbers for press articles ("seed 000"), which mean nothing to a reader."""
    return re.sub(r"\bseed \d{3}\b", "one outlet", re.sub(r"\s*\(seed \d{3}\)", "", note))


def main(gathered: Path, made: Path) -> None:
    """Read the gathered table and write ours, in the same order."""
    with gathered.open(encoding="utf-8", newline="") as source:
        rows = [row(given) for given in csv.DictReader(source)]
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
