"""Layers for maps: `ghostships.gpkg` for QGIS, `trips.kml` for globes. Parquet stays the record; these are for looking."""

from __future__ import annotations

import errno
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely

from ghostships.report import styles, text
from ghostships.tables import ALL

FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""GeoPackage wants a time of last change; a real one would make equal runs differ, so every file says this."""

WGS84 = "EPSG:4326"
_KML = "http://www.opengis.net/kml/2.2"
_STRAIGHT = "straight line between the places last and next heard, not a path"

Frames = Mapping[str, pd.DataFrame]


def write_layers(frames: Frames, path: Path) -> None:
    """Write the GeoPackage: gaps (places and lines), sightings, port_calls, round_trips and tracks, each with a QGIS style.

    Lists become texts joined by `; `. Rows without a place have no geometry, as in the tables.

    Raises
    ------
    OSError
        when the file cannot be written, whatever GDAL or SQLite call that.
    """
    layers: dict[str, gpd.GeoDataFrame] = {
        "tracks": _tracks(frames["tracks"]),
        "gaps_lines": _gap_lines(frames["gaps"]),
        **{name: _points(frames[name], name) for name in ("gaps", "sightings", "port_calls", "round_trips")},
    }
    options = {"OGR_CURRENT_DATE": FIXED_TIME}
    before = {name: pyogrio.get_gdal_config_option(name) for name in options}
    pyogrio.set_gdal_config_options(options)
    try:
        for number, (name, layer) in enumerate(layers.items()):
            kind = "LineString" if name in ("tracks", "gaps_lines") else "Point"
            # Spatial indices are left out: their page layout is not needed at this size and differs between builds.
            pyogrio.write_dataframe(
                layer,
                path,
                layer=name,
                driver="GPKG",
                append=number > 0,
                geometry_type=kind,
                layer_options={"SPATIAL_INDEX": "NO"},
            )
        _finish(path)
        _check(path, {name: len(layer) for name, layer in layers.items()})
    except (RuntimeError, sqlite3.Error) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise OSError(errno.EIO, f"{path.name}: {reason[0]}") from error
    finally:
        pyogrio.set_gdal_config_options(before)


def write_kml(frames: Frames, path: Path, *, is_simulated: bool) -> None:
    """Write the trips as KML: the silence as a dashed thought, the dark port as a point, the numbers in words."""
    ET.register_namespace("", _KML)
    root = ET.Element(f"{{{_KML}}}kml")
    document = _child(root, "Document")
    _child(document, "name", ("SIMULATED: " if is_simulated else "") + "ghostships trips")
    _child(document, "description", "Consistent with, not proof of. Lines are straight lines, not paths.")
    for style, colour in (("flagged", "ff004ac0"), ("other", "ff75665f")):
        made = _child(document, "Style", id=style)
        line = _child(made, "LineStyle")
        _child(line, "color", colour)
        _child(line, "width", "2")
    gaps = frames["gaps"].set_index("gap_id")
    for trip in frames["round_trips"].to_dict("records"):
        _placemark(document, trip, gaps, is_simulated=is_simulated)
    ET.indent(root, " ")
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _placemark(document: ET.Element, trip: Mapping[Any, Any], gaps: pd.DataFrame, *, is_simulated: bool) -> None:
    p = "cannot say" if pd.isna(trip["p_trip"]) else f"{trip['p_trip']:.2f}"
    who = trip["vessel_name"] if isinstance(trip["vessel_name"], str) else trip["vessel_key"]
    who = text.shown(who) if isinstance(who, str) else "ship not known"
    folder = _child(document, "Folder")
    _child(folder, "name", f"{'SIMULATED: ' if is_simulated else ''}{who}, p {p}")
    _child(folder, "description", text.sentence(trip["because"]))
    style = "#flagged" if trip["is_flagged"] else "#other"
    mark = _child(folder, "Placemark")
    _child(mark, "name", text.shown(trip["dark_port"]))
    _child(mark, "description", f"{text.shown(trip['trip_id'])}, tier {trip['tier']}, p {p}")
    _child(_child(mark, "Point"), "coordinates", f"{trip['lon_deg']:.5f},{trip['lat_deg']:.5f}")
    for gap_id in trip["gap_ids"]:
        if gap_id not in gaps.index:
            continue
        gap = gaps.loc[gap_id]
        line = _child(folder, "Placemark")
        _child(line, "name", _STRAIGHT)
        span = _child(line, "TimeSpan")
        _child(span, "begin", gap["start_utc"].strftime("%Y-%m-%dT%H:%M:%SZ"))
        if not pd.isna(gap["end_utc"]):
            _child(span, "end", gap["end_utc"].strftime("%Y-%m-%dT%H:%M:%SZ"))
        _child(line, "styleUrl", style)
        places = [(gap["start_lon_deg"], gap["start_lat_deg"]), (gap["end_lon_deg"], gap["end_lat_deg"])]
        known = [f"{lon:.5f},{lat:.5f}" for lon, lat in places if not pd.isna(lon)]
        kind = "LineString" if len(known) == 2 else "Point"
        _child(_child(line, kind), "coordinates", " ".join(known))


def _child(parent: ET.Element, tag: str, content: str | None = None, **attributes: str) -> ET.Element:
    """A child with text; `text.shown` has written out what XML may not hold, control characters and lone surrogates."""
    child = ET.SubElement(parent, f"{{{_KML}}}{tag}", attributes)
    child.text = content
    return child


def _points(frame: pd.DataFrame, name: str) -> gpd.GeoDataFrame:
    place = ALL[name].place
    assert place is not None
    lat, lon = (frame[c].to_numpy(dtype="float64", na_value=float("nan")) for c in place)
    points = shapely.points(lon, lat)
    points[pd.isna(lat) | pd.isna(lon)] = None
    return gpd.GeoDataFrame(_flat(frame, name), geometry=points, crs=WGS84)


def _gap_lines(gaps: pd.DataFrame) -> gpd.GeoDataFrame:
    """One line per gap that has ended."""
    ended = gaps[gaps["end_lat_deg"].notna()].reset_index(drop=True)
    ends = ended[["start_lon_deg", "start_lat_deg", "end_lon_deg", "end_lat_deg"]].to_numpy(dtype="float64")
    return gpd.GeoDataFrame(
        _flat(ended, "gaps").assign(line=_STRAIGHT), geometry=shapely.linestrings(ends.reshape(-1, 2, 2)), crs=WGS84
    )


def _tracks(tracks: pd.DataFrame) -> gpd.GeoDataFrame:
    """One line per segment; it also crosses the segment's silences, which the gaps layers show."""
    rows: list[dict[str, Any]] = []
    lines: list[shapely.LineString] = []
    for (vessel, segment), part in tracks.sort_values(["vessel_key", "segment_id", "time_utc"]).groupby(
        ["vessel_key", "segment_id"], sort=True
    ):
        if len(part) > 1:
            rows.append({"vessel_key": vessel, "segment_id": segment, "n_points": len(part)})
            lines.append(shapely.linestrings(part["lon_deg"].to_numpy(), part["lat_deg"].to_numpy()))
    frame = pd.DataFrame(rows, columns=["vessel_key", "segment_id", "n_points"]).astype({"n_points": "int64"})
    return gpd.GeoDataFrame(frame, geometry=lines, crs=WGS84)


def _flat(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Columns that a GeoPackage can hold."""
    out = frame.copy()
    for column in ALL[name].columns:
        if column.dtype == "list[str]":
            out[column.name] = ["; ".join(v) if v is not None else "" for v in frame[column.name]]
        elif column.dtype == "time":
            # GDAL keeps milliseconds; the microseconds stay in Parquet.
            out[column.name] = frame[column.name].dt.floor("ms")
    return out.reset_index(drop=True)


def _check(path: Path, rows: Mapping[str, int]) -> None:
    """Count what arrived: GDAL tells of some failed writes only when the file is closed, and then to nobody."""
    database = sqlite3.connect(path)
    try:
        for name, expected in rows.items():
            found = database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # our own layer names
            if found != expected:
                raise OSError(errno.EIO, f"{path.name}: layer {name} has {found} of {expected} rows")
            # What GDAL writes last, and after a failure not at all: the count that QGIS shows, the extent, the triggers.
            told = database.execute(
                "SELECT feature_count FROM gpkg_ogr_contents WHERE table_name = ?", (name,)
            ).fetchone()
            has_place = database.execute(f'SELECT count(*) FROM "{name}" WHERE geom IS NOT NULL').fetchone()[0]
            extent = database.execute("SELECT min_x FROM gpkg_contents WHERE table_name = ?", (name,)).fetchone()
            (n_triggers,) = database.execute(
                "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (name,)
            ).fetchone()
            if told != (expected,) or extent is None or (has_place and extent[0] is None) or n_triggers != 2:
                raise OSError(errno.EIO, f"{path.name}: layer {name} was not finished")
        if database.execute("PRAGMA application_id").fetchone() != (0x47504B47,):  # "GPKG"
            raise OSError(errno.EIO, f"{path.name}: was not finished")
    finally:
        database.close()


def _finish(path: Path) -> None:
    """Add the styles, fix the times, and rewrite the file so that its bytes depend on its content alone."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT, "
            "f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, "
            "owner TEXT, ui TEXT, update_time DATETIME)"
        )
        for number, (layer, qml) in enumerate(sorted(styles.ALL.items()), start=1):
            database.execute(
                "INSERT INTO layer_styles VALUES (?, '', '', ?, 'geom', 'ghostships', ?, '', 1, '', '', NULL, ?)",
                (number, layer, qml, FIXED_TIME),
            )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
            (FIXED_TIME,),
        )
        database.execute("UPDATE gpkg_contents SET last_change = ?", (FIXED_TIME,))
        database.execute("VACUUM")
    finally:
        database.close()
