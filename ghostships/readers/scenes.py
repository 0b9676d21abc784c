"""Scenes: every picture that was looked at, with ships or without; an empty berth in a clear picture is evidence,
cloud is not.

What a catalogue offers is no scene. A search result (STAC, Copernicus, Planet) says that a picture exists, not that anybody
looked at it: taken for looked at, a month of search results would be a month of empty berths that nobody saw. Its pictures
become scenes only where the file says so (`ghostships:looked`, for one picture or beside all); the others are handed on as
offered, for whoever asks where to look next.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars as pl
import shapely

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import fields, records, shapes
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
    "clear_percent": (),
    "cloud_percent": ("cloud_cover", "eo_cloud_cover", "cloud_cover_percent"),
    "cloud_fraction": (),
    "looked": ("looked_at", "ghostships_looked"),
    "collection": (),
}
OFFERED = "pictures that a catalogue offers and nobody is said to have looked at"
"""How the note begins that a user must see: what was handed in as scenes weighs nothing."""
MAX_VERTICES = 100_000
"""Largest footprint taken: a picture's outline has 5 to 50 points; a traced coast is not a footprint."""


@dataclass(frozen=True)
class Scenes:
    """Pictures of one file. `offered` has those that nobody is known to have looked at, as rows of `tables.CONTEXT`."""

    looked: pd.DataFrame
    offered: pd.DataFrame
    rejects: pl.DataFrame
    account: ListAccount


def read_scenes(path: Path, *, route: Route) -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    """Scenes of one file, the rows refused, and where every row went (those offered count as accepted; `read` has them).

    Raises
    ------
    FileRefused
        when the file is damaged, or has no time or no footprint column.
    """
    found = read(path, route=route)
    return found.looked, found.rejects, found.account


def read(path: Path, *, route: Route) -> Scenes:
    """Pictures of one file, those looked at and those offered.

    A picture without `clear_fraction` is taken as clear; for an optical sensor the account says so, because cloud
    would make an empty berth mean nothing.

    Raises
    ------
    FileRefused
        when the file is damaged, or has no time or no footprint column.
    """
    found = records.read(path)
    shape = shapes.recognise(found)
    shape = shape if shape is not None and shape.role == "scenes" else None
    names = fields.names_of(found, ALIASES, shape)
    ours = set(names.values())
    usable = any(not record.rule for record in found.rows)
    if usable and not ours & {"start_utc", "scene_id"}:
        raise FileRefused(
            found.path, "no_time", "has no column with the time of the picture; expected `start_utc` or `time`"
        )
    if usable and "wkt" not in ours and not {"lat_min", "lat_max", "lon_min", "lon_max"} <= ours:
        expected = "expected `wkt`, or lat_min, lon_min, lat_max, lon_max"
        raise FileRefused(found.path, "no_footprint", f"has no footprint; {expected}")
    notes = fields.unused(found, names, shape)
    are_shares = _are_shares(found, names, notes)
    rows, sources, broken = fields.rows_of(
        found, names, lambda values, row, said: _scene(values, row, route, said, are_shares), notes
    )
    kept, duplicate = records.once(rows, sources, "scene_id", broken)
    looked = [row for row in kept if row["is_looked_at"]]
    offered = [row for row in kept if not row["is_looked_at"]]
    if offered:
        notes.append(
            f"{OFFERED}: {len(offered)}; they are no scenes and "
            'weigh nothing, and are listed in context. Looked at them? Say "ghostships:looked": true in the properties of a '
            "picture, or once beside the features"
        )
    return Scenes(
        fields.framed(looked, tables.SCENES),
        fields.framed([_offer(row, route) for row in offered], tables.CONTEXT),
        records.rejects(found.sha256, broken),
        records.account(found, len(kept), duplicate, broken, notes),
    )


def _are_shares(found: records.Records, names: dict[str, str], notes: list[str]) -> bool:
    """Whether `cloud_cover` is written as a share. Decided for the whole file, towards the reading that claims less.

    Nothing above 1: shares, or percentages of an almost cloudless month. Taken as shares the pictures are cloudier, and an
    empty berth in them says less.
    """
    columns = [column for column, ours in names.items() if ours == "cloud_percent"]
    if columns != ["cloud_cover"]:
        return False
    texts = [record.fields.get("cloud_cover", "") for record in found.rows]
    try:
        values = [float(text) for text in texts if text]
    except ValueError:
        return False
    if not values or max(values) > 1 or max(values) == 0:
        return False
    notes.append(
        "cloud_cover has no value above 1: taken as shares, the reading under which the pictures show less; name the column "
        "cloud_percent if they are percentages"
    )
    return True


def _scene(
    values: dict[str, str], source_row: str, route: Route, notes: list[str], are_shares: bool
) -> dict[str, object]:
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
    clear = _clear(values, are_shares)
    if clear is None:
        clear = 1.0
        if route.sensor(sensor).kind != "radar":
            notes.append("clear fraction not given for a picture that is not radar: taken as clear")
    kind = values.get(fields.KIND_OF_ITEM, "")
    shape = shapes.BY_KIND.get(kind)
    if shape is not None and sensor and route.sensor(sensor).id == "default":
        notes.append(f"sensor {sensor!r} is none of the route's: kept as told, judged as its default")
    said = fields.yes_or_no(values, "looked")
    is_offer = shape is not None and shape.is_search
    return {
        "scene_id": values.get("scene_id") or f"SC-{records.digest(values)}",
        "start_utc": start,
        "end_utc": end,
        "wkt": _footprint(values, route),
        "sensor": sensor,
        "clear_fraction": round(clear, 6),
        "source_row": source_row,
        "is_looked_at": not is_offer if said is None else said,
        "publisher": shape.publisher if shape else "",
        "collection": values.get("collection") or None,
        "is_clear_told": _clear(values, are_shares) is not None,
    }


def _clear(values: dict[str, str], are_shares: bool) -> float | None:
    """Share of the picture without cloud, from the most direct statement there is; None where there is none."""
    clear = fields.number(values, "clear_fraction", 0, 1)
    percent = fields.number(values, "clear_percent", 0, 100)
    cloud = fields.number(values, "cloud_fraction", 0, 1)
    cloud_percent = fields.number(values, "cloud_percent", 0, 100)
    if clear is not None:
        return clear
    if percent is not None:
        return percent / 100
    if cloud is not None:
        return 1 - cloud
    return None if cloud_percent is None else 1 - cloud_percent / (1 if are_shares else 100)


def _offer(row: dict[str, object], route: Route) -> dict[str, object]:
    """A picture that exists, as context: when, which ports of the route it covers, from whom."""
    area = shapely.from_wkt(str(row["wkt"]))
    middle = area.representative_point()
    ports = [port.id for port in route.ports if shapely.intersects_xy(area, port.lon_deg, port.lat_deg)]
    publisher = str(row["publisher"]) or "not said"
    said = [str(row["sensor"] or "sensor not said")]
    said += [f"collection {row['collection']}"] if row["collection"] else []
    said += [f"{100 * float(str(row['clear_fraction'])):g} % clear"] if row["is_clear_told"] else []
    return {
        "context_id": f"X-{records.digest({'publisher': publisher, 'picture': str(row['scene_id'])})}",
        "kind": "picture",
        "publisher": publisher,
        "publisher_id": row["scene_id"],
        "start_utc": row["start_utc"],
        "end_utc": row["end_utc"],
        "port": ";".join(ports) or None,
        "lat_deg": round(middle.y, 7),
        "lon_deg": round(middle.x, 7),
        "agrees_also_with": [],
        "source_row": row["source_row"],
        "note": ", ".join(said),
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
        raise Broken("footprint_across_antimeridian" if west >= -360 and east <= 360 else "footprint_range")
    if any(one.bounds[2] - one.bounds[0] > 180 for one in getattr(area, "geoms", [area])):
        # Read as drawn it would cover half the globe: right would be two parts, one on either side (RFC 7946, 3.1.9).
        raise Broken("footprint_across_antimeridian")
    return str(shapely.to_wkt(shapely.force_2d(area), rounding_precision=7))
