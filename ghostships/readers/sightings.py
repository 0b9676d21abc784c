"""Sightings: statements about ships in pictures, from an analyst's list or a detector's output.

One row is one statement. Columns are recognised by name, with the names that the usual suppliers use as aliases; a
column that is not known is named in the account and otherwise left alone. A row that cannot be used goes to `rejects`
with its bytes and the rule.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl

from ghostships import tables
from ghostships.errors import FileRefused
from ghostships.readers import fields, records
from ghostships.readers.fields import Broken
from ghostships.readers.records import ListAccount
from ghostships.routes import Port, Route
from ghostships.units import EARTH_RADIUS_KM

# What suppliers call our columns: Global Fishing Watch SAR detections, Skylight events, xView3 labels and detectors,
# KSAT vessel reports, and the words of published lists. Processing times are not in it on purpose: only the time a
# picture was taken counts.
ALIASES: dict[str, tuple[str, ...]] = {
    "sighting_id": ("detect_id", "detection_id", "event_id", "sighting", "target_id", "id"),
    "kind": ("observation_type", "observation_kind"),
    "start_utc": (
        *(
            "time_start_utc",
            "start_time",
            "start_time_utc",
            "start",
            "time_utc",
            "time",
            "timestamp",
            "detect_timestamp",
        ),
        *("acquisition_time", "acquisition_time_utc", "acquired", "acq_time", "datetime_utc", "datetime", "event_time"),
    ),
    "end_utc": ("time_end_utc", "end_time", "end_time_utc", "end"),
    "date": ("local_date", "day"),
    "port": ("port_id", "port_name"),
    "berth": ("pier",),
    "lat_deg": ("lat", "latitude", "detect_lat", "center_lat"),
    "lon_deg": ("lon", "lng", "long", "longitude", "detect_lon", "center_lon"),
    "position_sigma_m": ("position_error_m",),
    "length_m": (
        "vessel_length_m",
        "estimated_length",
        "estimated_length_m",
        "length",
        "length_meters",
        "ship_length_m",
    ),
    "length_sigma_m": ("length_error_m",),
    "sensor": ("satellite", "satellite_name", "instrument", "sensor_type"),
    "scene_id": ("image_id", "scene", "product_id", "granule_id"),
    "vessel_name": ("name", "ship_name", "vessel"),
    "imo": ("imo_number",),
    "identification_basis": ("name_basis",),
    "p_name_correct": (),
    "observation_group": ("group",),
    "source": ("publisher", "provider", "data_source"),
    "source_url": ("url", "link"),
    "retrieved_utc": ("retrieved",),
    "note": ("notes", "remark", "comment"),
    "heading_deg": (
        *("heading", "orientation", "orientation_deg"),
        *("vessel_heading", "estimated_heading", "heading_degrees"),
    ),
}
KINDS = {
    **dict.fromkeys(("", "vessel", "vessel_present", "present", "ship", "vessel_detection"), "vessel"),
    **dict.fromkeys(("sar_detection", "eo_detection", "sar_sentinel1", "eo_sentinel2", "eo_landsat_8_9"), "vessel"),
    **dict.fromkeys(("absent", "vessel_absent", "empty"), "absent"),
    **dict.fromkeys(("containers", "containers_only"), "containers"),
    **dict.fromkeys(("ais", "ais_position"), "ais"),
}
SCENE_TIME_TOLERANCE = timedelta(hours=1)
"""A stated time may differ this much from the one in the scene's name before the two contradict each other (own
judgement)."""


def read_sightings(path: Path, *, route: Route) -> tuple[pd.DataFrame, pl.DataFrame, ListAccount]:
    """Sightings of one file, the rows refused, and where every row went.

    Limits: a name is kept as given, never corrected; a place is never moved; axes are never swapped.

    Raises
    ------
    FileRefused
        when the file is damaged, or has no column from which a time or a place could come.
    """
    found = records.read(path)
    names = records.matched(found.columns, ALIASES)
    if any(not record.rule for record in found.rows):
        _refuse_unusable(found.path, set(names.values()))
    return fields.judged(
        found, names, tables.SIGHTINGS, "sighting_id", lambda values, row, notes: _sighting(values, row, route, notes)
    )


def _refuse_unusable(path: str, ours: set[str]) -> None:
    if not ours & {"start_utc", "date", "scene_id"}:
        known = ", ".join(("start_utc", "date", *ALIASES["start_utc"][:6]))
        raise FileRefused(path, "no_time", f"has no column with the time of the picture; expected one of {known}")
    if not ours & {"port"} and not {"lat_deg", "lon_deg"} <= ours:
        raise FileRefused(path, "no_place", "has neither a port nor lat and lon; expected `port`, or `lat` and `lon`")


def _sighting(values: dict[str, str], source_row: str, route: Route, notes: list[str]) -> dict[str, object]:
    """One row of the table, or the rule that it breaks."""
    kind = KINDS.get(values.get("kind", "").casefold())
    if kind is None:
        raise Broken("kind_value")
    lat, lon = _coordinates(values, route)
    port, ports = port_of(values.get("port", ""), lat, lon, route)
    if port is None and lat is None:
        raise Broken("sighting_has_a_place")
    scene = values.get("scene_id") or None
    sensor_text = values.get("sensor") or fields.sensor_of(scene)
    sensor = route.sensor(sensor_text)
    start, end = _window(values, ports, lon, sensor.kind == "optical")
    sigma = fields.number(values, "position_sigma_m", 0, 1e6)
    if lat is not None and not sigma and _is_port_point(lat, lon, ports):
        sigma = ports[0].radius_km * 1000
        notes.append(f"the place is the gazetteer point of {port}, not a measured one: {sigma:g} m assumed")
    elif lat is not None and not sigma:
        sigma = sensor.position_sigma_m
        notes.append(f"position error not given: {sigma:g} m assumed for sensor {sensor.id!r}")
    berth = _berth(values.get("berth", ""), ports, lat, lon, sigma, route)
    name = values.get("vessel_name") or None
    p_name = fields.number(values, "p_name_correct", 0, 1)
    if name is not None and p_name is None:
        p_name = route.priors.p_name_correct
    retrieved = values.get("retrieved_utc", "")
    return {
        "sighting_id": values.get("sighting_id") or f"O-{records.digest(values)}",
        "observation_type": kind,
        "observation_group": values.get("observation_group") or None,
        "start_utc": start,
        "end_utc": end,
        "lat_deg": lat,
        "lon_deg": lon,
        "position_sigma_m": sigma if lat is not None else None,
        "length_m": fields.number(values, "length_m", 1, 500),
        "length_sigma_m": fields.number(values, "length_sigma_m", 0, 500),
        "sensor": sensor_text,
        "scene_id": scene,
        "port": port,
        "berth": berth,
        "vessel_name": name,
        "imo": fields.imo(values),
        "identification_basis": values.get("identification_basis") or None,
        "p_name_correct": p_name,
        "source": values.get("source") or source_row,
        "source_url": values.get("source_url") or None,
        "retrieved_utc": _retrieved(retrieved),
        "source_row": source_row,
        "note": values.get("note") or None,
        "heading_deg": _heading(values, notes),
    }


def _heading(values: dict[str, str], notes: list[str]) -> float | None:
    """The direction of the hull, 0 up to 360; what is no such number (-1, 511 and the like) is taken for "not known", aloud."""
    try:
        told = fields.number(values, "heading_deg", 0, 360)
    except Broken:
        notes.append("heading_deg is no number from 0 to 360 and was left out")
        return None
    return None if told is None else told % 360


def _retrieved(text: str) -> datetime | None:
    if not text:
        return None
    return fields.instant(f"{text}T00:00:00Z" if fields.is_date(text) else text, "retrieved_utc")


def _coordinates(values: dict[str, str], route: Route) -> tuple[float | None, float | None]:
    """Latitude and longitude, both or neither. Swapped axes are refused by name and never put right in silence."""
    lat, lon = (fields.number(values, name, -1e9, 1e9) for name in ("lat_deg", "lon_deg"))
    if (lat is None) != (lon is None):
        raise Broken("lat_and_lon_together")
    if lat is None or lon is None:
        return None, None
    area = route.area

    def within(a: float, b: float) -> bool:
        return area.lat_min_deg <= a <= area.lat_max_deg and area.lon_min_deg <= b <= area.lon_max_deg

    if not within(lat, lon) and within(lon, lat):
        raise Broken("lat_lon_swapped")
    if not -90 <= lat <= 90:
        raise Broken("lat_deg_range")
    if not -180 <= lon <= 180:
        raise Broken("lon_deg_range")
    return round(lat, 7), round(lon, 7)


def port_of(text: str, lat: float | None, lon: float | None, route: Route) -> tuple[str | None, list[Port]]:
    """The port as the table has it, and the ports of the route that it may be.

    `A_OR_B`, `A or B` and `A|B` leave it open. A port that the route does not know stays as given; a place inside a
    port's radius names it when no port is given.
    """
    parts = [part.strip() for part in re.split(r"\||_OR_|\s+or\s+", text, flags=re.IGNORECASE) if part.strip()]
    if parts:
        found = [(route.find_port(part), part) for part in parts]
        names = sorted({port.id if port else part for port, part in found})
        known = {port.id: port for port, _ in found if port}
        return "|".join(names), [known[n] for n in names if n in known]
    if lat is None or lon is None:
        return None, []
    near = [(_km(lat, lon, port.lat_deg, port.lon_deg), port) for port in route.ports]
    inside = sorted(((d, p) for d, p in near if d <= p.radius_km), key=lambda item: (item[0], item[1].id))
    return (inside[0][1].id, [inside[0][1]]) if inside else (None, [])


def _is_port_point(lat: float, lon: float | None, ports: list[Port]) -> bool:
    """True where the coordinates are copied from a gazetteer: the port's own point to the fourth decimal (11 m)."""
    return any(abs(lat - p.lat_deg) < 1e-4 and lon is not None and abs(lon - p.lon_deg) < 1e-4 for p in ports)


def _berth(
    text: str, ports: list[Port], lat: float | None, lon: float | None, sigma_m: float | None, route: Route
) -> str | None:
    """The berth of the route, else as given. A place names one only when more exact than the berth is large."""
    if len(ports) != 1:
        return text or None
    if text:
        known = route.find_berth(ports[0], text)
        return known.id if known else text
    if lat is None or lon is None or sigma_m is None:
        return None
    near = sorted((_km(lat, lon, b.lat_deg, b.lon_deg) * 1000, b.id, b) for b in ports[0].berths)
    return near[0][1] if near and near[0][0] <= near[0][2].radius_m and sigma_m <= near[0][2].radius_m else None


def _window(values: dict[str, str], ports: list[Port], lon: float | None, optical: bool) -> tuple[datetime, datetime]:
    """First and last instant to which the observation may belong.

    A date alone is that local day at the port, at an open port the union of both; a time only in the scene's name is
    taken from there, and a time that contradicts the scene's name is refused: it is likely the time of processing.
    """
    first = values.get("start_utc") or values.get("date", "")
    last = values.get("end_utc") or first
    in_name = fields.scene_times(values.get("scene_id", ""))
    if not first:
        if in_name is None:
            raise Broken("time_missing")
        return in_name
    if fields.is_date(first) or fields.is_date(last):
        if not (fields.is_date(first) and fields.is_date(last)):
            raise Broken("window_mixes_dates_and_times")
        offsets = sorted({p.utc_offset_h for p in ports})
        if not offsets:
            if lon is None:
                raise Broken("local_day_at_unknown_place")
            offsets = [float(round(lon / 15))]
        days = [fields.local_day(first, last, hours, daylight=optical) for hours in offsets]
        start, end = min(d[0] for d in days), max(d[1] for d in days)
    else:
        start, end = fields.instant(first, "start_utc"), fields.instant(last, "end_utc")
    if end < start:
        raise Broken("window_ends_after_it_starts")
    if in_name and not (start - SCENE_TIME_TOLERANCE <= in_name[0] and in_name[1] <= end + SCENE_TIME_TOLERANCE):
        raise Broken("time_contradicts_scene_id")
    return start, end


def _km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great circle [km] on the mean sphere: 0.5 % at worst, where a port's radius is a round number."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))
