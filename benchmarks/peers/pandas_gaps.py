"""Summaries per ship and hour and silences of six hours or more, in pandas (see README.md for the job)."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd

EARTH_NM = 6371.0088 / 1.852


def read(file: str) -> pd.DataFrame:
    raw = pd.read_csv(file, usecols=["MMSI", "BaseDateTime", "LAT", "LON"], dtype=str, engine="c", on_bad_lines="skip")
    return pd.DataFrame(
        {
            # 3.67E+08, as a spreadsheet leaves it, is a number too, but nobody's.
            "mmsi": pd.to_numeric(raw["MMSI"].where(raw["MMSI"].str.fullmatch("[0-9]{9}")), errors="coerce"),
            "time": pd.to_datetime(raw["BaseDateTime"], format="%Y-%m-%dT%H:%M:%S", errors="coerce"),
            "lat": pd.to_numeric(raw["LAT"], errors="coerce"),
            "lon": pd.to_numeric(raw["LON"], errors="coerce"),
        }
    )


def main(files: list[str]) -> None:
    rows = pd.concat([read(file) for file in files], ignore_index=True)
    believable = (
        rows["mmsi"].between(201_000_000, 775_999_999)
        & (rows["time"] >= pd.Timestamp(2000, 1, 1))
        & (rows["lat"].abs() <= 90)
        & (rows["lon"].abs() <= 180)
    )
    rows = rows[believable].drop_duplicates().sort_values(["mmsi", "time", "lat", "lon"], ignore_index=True)
    rows["hour"] = rows["time"].dt.floor("h")
    same_ship = rows["mmsi"].eq(rows["mmsi"].shift())
    since_s = rows["time"].diff().dt.total_seconds().where(same_ship)
    lat, lon = np.radians(rows["lat"]), np.radians(rows["lon"])
    half = np.sin(lat.diff() / 2) ** 2 + np.cos(lat) * np.cos(lat.shift()) * np.sin(lon.diff() / 2) ** 2
    knots = 2 * EARTH_NM * np.arcsin(np.sqrt(half)) / (since_s.clip(lower=60) / 3600)
    rows["knots"] = knots.where(rows["hour"].eq(rows["hour"].shift()))
    hours = rows.groupby(["mmsi", "hour"], sort=False).agg(
        n=("time", "size"),
        first=("time", "first"),
        first_lat=("lat", "first"),
        first_lon=("lon", "first"),
        last=("time", "last"),
        last_lat=("lat", "last"),
        last_lon=("lon", "last"),
        max_knots=("knots", "max"),
    )
    gaps = since_s[since_s >= 6 * 3600]
    answer = {
        "good": len(rows),
        "vessels": int(rows["mmsi"].nunique()),
        "vessel_hours": len(hours),
        "gaps": len(gaps),
        "gap_seconds": int(gaps.sum()),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
