"""`ghostships.gpkg`: layers that QGIS opens styled, labelled and playable over time. Parquet stays the record.

Layers come in the order in which they are to be drawn, the lowest first. Names of ships are values of cells and of labels made from
cells: nothing in them is read as SQL, as an expression or as markup.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
import shapely

from ghostships.report import styles, text
from ghostships.tables import ALL

FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""GeoPackage wants a time of last change; a real one would make equal runs differ, so every file says this."""

WGS84 = "EPSG:4326"
_STRAIGHT = "straight line between the places last and next heard, not a path"

_SAYS = {
    "tracks": "AIS heard: kept points of each stretch, joined; thinned for maps",
    "gaps_lines": "not heard: " + _STRAIGHT,
    "gaps": "last place heard before each silence",
    "sightings": "what was seen, or not, in pictures; a window means one unknown instant in it",
    "port_calls": "stays of one hull at one port: bounds, not times",
    "round_trips": "consistent with a round trip; a reason to look, not a finding",
}

Frames = Mapping[str, pd.DataFrame]


def write_layers(frames: Frames, path: Path, *, is_simulated: bool = False) -> None:
    """Write the GeoPackage: gaps (places and lines), sightings, port_calls, round_trips and tracks, each with a QGIS style.

    Lists become texts joined by `; `, texts have their invisible characters written out. Rows without a place have no geometry, as
    in the tables. Every layer has a column `data` that says whether it is simulated.

    Raises
    ------
    OSError
        when the file cannot be written, whatever GDAL or SQLite call that.
    """
    layers: dict[str, gpd.GeoDataFrame] = {
        "tracks": _tracks(frames["tracks"], frames["gaps"]),
        "gaps_lines": _gap_lines(frames["gaps"], frames["round_trips"]),
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
                layer.assign(data="SIMULATED" if is_simulated else "as delivered"),
                path,
                layer=name,
                driver="GPKG",
                append=number > 0,
                geometry_type=kind,
                layer_options={"SPATIAL_INDEX": "NO"},
                # Newer ones make QGIS 3.22 and its GDAL 3.6 warn; nothing of 1.4 is used.
                **({} if number else {"dataset_options": {"VERSION": "1.3"}}),
            )
        _finish(path, is_simulated=is_simulated)
        _check(path, {name: len(layer) for name, layer in layers.items()})
    except (RuntimeError, sqlite3.Error) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise OSError(errno.EIO, f"{path.name}: {reason[0]}") from error
    finally:
        pyogrio.set_gdal_config_options(before)


def _points(frame: pd.DataFrame, name: str) -> gpd.GeoDataFrame:
    place = ALL[name].place
    assert place is not None
    lat, lon = (frame[c].to_numpy(dtype="float64", na_value=float("nan")) for c in place)
    points = shapely.points(lon, lat)
    points[pd.isna(lat) | pd.isna(lon)] = None
    return gpd.GeoDataFrame(_flat(frame, name), geometry=points, crs=WGS84)


def _gap_lines(gaps: pd.DataFrame, trips: pd.DataFrame) -> gpd.GeoDataFrame:
    """One line per gap that has ended, and whether a trip of the list, flagged or not, spans it."""
    ended = gaps[gaps["end_lat_deg"].notna()].reset_index(drop=True)
    ends = ended[["start_lon_deg", "start_lat_deg", "end_lon_deg", "end_lat_deg"]].to_numpy(dtype="float64")
    is_flagged = trips["is_flagged"].astype(bool)
    flagged = {gap for ids in trips.loc[is_flagged, "gap_ids"] for gap in ids}
    other = {gap for ids in trips.loc[~is_flagged, "gap_ids"] for gap in ids} - flagged
    carries = ["flagged trip" if g in flagged else "trip" if g in other else "no trip" for g in ended["gap_id"]]
    rows = _flat(ended, "gaps").assign(carries=carries, line=_STRAIGHT)
    return gpd.GeoDataFrame(rows, geometry=shapely.linestrings(ends.reshape(-1, 2, 2)), crs=WGS84)


def _tracks(tracks: pd.DataFrame, gaps: pd.DataFrame) -> gpd.GeoDataFrame:
    """One line per stretch that was heard: a line never crosses a silence of the gaps layers, whose ends it touches."""
    place = ["vessel_key", "segment_id", "time_utc", "lat_deg", "lon_deg"]
    ends = [
        gaps[["vessel_key", "segment_id", f"{end}_utc", f"{end}_lat_deg", f"{end}_lon_deg"]].set_axis(place, axis=1)
        for end in ("start", "end")
    ]
    # The thinned track may lack the ends of a silence, which the gaps know. Its own point goes first where both have one.
    known = pd.concat([tracks[place], *(e[e["lat_deg"].notna()] for e in ends)], ignore_index=True)
    known = known[known["segment_id"].isin(set(tracks["segment_id"]))]
    known = known.drop_duplicates(["vessel_key", "segment_id", "time_utc"]).sort_values(
        ["vessel_key", "segment_id", "time_utc"], kind="stable"
    )
    starts = {
        str(key): _instants(part["start_utc"].sort_values()) for key, part in gaps.groupby("segment_id", sort=True)
    }
    none = np.empty(0, dtype="datetime64[us]")
    rows: list[dict[str, Any]] = []
    lines: list[shapely.LineString] = []
    for (vessel, segment), part in known.groupby(["vessel_key", "segment_id"], sort=True):
        times, places = _instants(part["time_utc"]), part[["lon_deg", "lat_deg"]].to_numpy(dtype=np.float64)
        # A point at the start of a silence still belongs to what was heard before it.
        stretch = np.searchsorted(starts.get(str(segment), none), times, side="left")
        for number in np.unique(stretch):
            heard = stretch == number
            if heard.sum() > 1:
                first, last = (pd.Timestamp(t).floor("ms") for t in times[heard][[0, -1]])
                said = {"vessel_key": text.shown(vessel), "segment_id": segment, "start_utc": first, "end_utc": last}
                rows.append(said | {"n_points": int(heard.sum())})
                lines.append(shapely.linestrings(places[heard]))
    frame = pd.DataFrame(rows, columns=["vessel_key", "segment_id", "start_utc", "end_utc", "n_points"]).astype(
        {"n_points": "int64", "start_utc": "datetime64[ms]", "end_utc": "datetime64[ms]"}
    )
    for column in ("start_utc", "end_utc"):
        frame[column] = frame[column].dt.tz_localize("UTC")
    return gpd.GeoDataFrame(frame, geometry=lines, crs=WGS84)


def _instants(times: pd.Series) -> npt.NDArray[np.datetime64]:
    instants: npt.NDArray[np.datetime64] = times.dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    return instants


def _flat(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Columns that a GeoPackage can hold."""
    out = frame.copy()
    for column in ALL[name].columns:
        if column.dtype == "list[str]":
            out[column.name] = ["; ".join(map(text.sentence, v)) if v is not None else "" for v in frame[column.name]]
        elif column.dtype == "str":
            out[column.name] = [text.sentence(v) if isinstance(v, str) else None for v in frame[column.name]]
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


def _finish(path: Path, *, is_simulated: bool) -> None:
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
        for layer, said in _SAYS.items():
            database.execute(
                "UPDATE gpkg_contents SET description = ? WHERE table_name = ?",
                (("SIMULATED data: " if is_simulated else "") + said, layer),
            )
        database.execute("UPDATE gpkg_contents SET last_change = ?", (FIXED_TIME,))
        database.execute("VACUUM")
    finally:
        database.close()
