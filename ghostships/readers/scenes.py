"""Scenes: every picture that was looked at, with ships or without; an empty berth in a clear picture is evidence,
cloud is not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import shapely

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import fields, records
from ghostships.readers.fields import Broken
from ghostships.readers.records import ListAccount
from ghostships.routes import Route

ALIASES: dict[str, tuple[str, ...]] = {
    "scene_id": ("image_id", "scene", "product_id", "granule_id", "id"),
    "start_utc": (
        *("time_start_utc", "start_time", "start", "time_utc", "time", "timestamp", "acquisition_time", "acquired"),
        *("datetime", "sensing_start"),
    ),
    "end_utc": ("time_end_utc", "end_time", "end", "sensing_stop"),
    "wkt": ("footprint", "geometry_wkt", "polygon"),
    "lat_min": ("lat_min_deg", "min_lat", "south"),
    "lat_max": ("lat_max_deg", "max_lat", "north"),
    "lon_min": ("lon_min_deg", "min_lon", "west"),
    "lon_max": ("lon_max_deg", "max_lon", "east"),
    "sensor": ("satellite", "instrument", "platform"),
    "clear_fraction": ("clear",),
    "cloud_percent": ("cloud_cover", "eo_cloud_cover", "cloud_cover_percent"),
}
MAX_VERTICES = 100_000
"""Largest footprint taken: a picture's outline has 5 to 50 points; a traced coast is not a footprint."""


def read_scenes(path: Path, *, route: Route) -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    """Scenes of one file, the rows refused, and where every row went.

    A picture without `clear_fraction` is taken as clear; for an optical sensor the account says so, because cloud
    would make an empty berth mean nothing.

    Raises
    ------
    FileRefused
        when the file is damaged, or has no time or no footprint column.
    """
    found = records.read(path)
    names = records.matched(found.columns, ALIASES)
    ours = set(names.values())
    usable = any(not record.rule for record in found.rows)
    if usable and not ours & {"start_utc", "scene_id"}:
        raise FileRefused(
            found.path, "no_time", "has no column with the time of the picture; expected `start_utc` or `time`"
        )
    if usable and "wkt" not in ours and not {"lat_min", "lat_max", "lon_min", "lon_max"} <= ours:
        expected = "expected `wkt`, or lat_min, lon_min, lat_max, lon_max"
        raise FileRefused(found.path, "no_footprint", f"has no footprint; {expected}")
    return fields.judged(
        found, names, tables.SCENES, "scene_id", lambda values, row, notes: _scene(values, row, route, notes)
    )


def _scene(values: dict[str, str], source_row: str, route: Route, notes: list[str]) -> dict[str, object]:
    in_name = fields.scene_times(values.get("scene_id", ""))
    first = values.get("start_utc", "")
    if first:
        start = fields.instant(first, "start_utc")
        end = fields.instant(values["end_utc"], "end_utc") if values.get("end_utc") else start
    elif in_name:
        start, end = in_name
    else:
        raise Broken("time_missing")
    if end < start:
        raise Broken("scene_ends_after_it_starts")
    sensor = values.get("sensor") or fields.sensor_of(values.get("scene_id"))
    clear = fields.number(values, "clear_fraction", 0, 1)
    cloud = fields.number(values, "cloud_percent", 0, 100)
    if clear is None and cloud is not None:
        clear = 1 - cloud / 100
    if clear is None:
        clear = 1.0
        if route.sensor(sensor).kind != "radar":
            notes.append("clear fraction not given for a picture that is not radar: taken as clear")
    return {
        "scene_id": values.get("scene_id") or f"SC-{records.digest(values)}",
        "start_utc": start,
        "end_utc": end,
        "wkt": _footprint(values, route),
        "sensor": sensor,
        "clear_fraction": round(clear, 6),
        "source_row": source_row,
    }


def _footprint(values: dict[str, str], route: Route) -> str:
    """An area in longitude and latitude; swapped axes are refused by name."""
    text = values.get("wkt", "")
    if text:
        try:
            area = shapely.from_wkt(text)
        except shapely.errors.ShapelyError as error:
            raise Broken("wkt_syntax") from error
    else:
        sides = [fields.number(values, name, -1e9, 1e9) for name in ("lon_min", "lat_min", "lon_max", "lat_max")]
        west, south, east, north = sides
        if west is None or south is None or east is None or north is None:
            raise Broken("footprint_missing")
        if west >= east or south >= north:
            raise Broken("footprint_is_empty")
        area = shapely.box(west, south, east, north)
    if area is None or area.is_empty or area.geom_type not in ("Polygon", "MultiPolygon"):
        raise Broken("geometry_type")
    if shapely.get_num_coordinates(area) > MAX_VERTICES:
        raise Broken("footprint_vertices")
    if not area.is_valid:
        raise Broken("footprint_not_valid")
    west, south, east, north = area.bounds
    if not (south >= -90 and north <= 90):
        box = route.area
        swapped = box.lat_min_deg <= west <= box.lat_max_deg and box.lon_min_deg <= south <= box.lon_max_deg
        raise Broken("lat_lon_swapped" if swapped else "footprint_range")
    if not (west >= -180 and east <= 180):
        raise Broken("footprint_range")
    return str(shapely.to_wkt(shapely.force_2d(area), rounding_precision=7))
