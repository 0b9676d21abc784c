"""`trips.kml`: trips, silences, sightings and tracks on a globe, each with its time, so that a globe can play them.

Children of an element stand in the order that the KML 2.2 schema asks for; only `gx:Track` is Google's extension (a line of places
with times). Descriptions are HTML to a globe, so what comes from outside is escaped for HTML first and for XML after. No icon is
fetched from anywhere: pins are the globe's own, coloured.
"""

from __future__ import annotations

import html
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ghostships.report import text

KML, GX = "http://www.opengis.net/kml/2.2", "http://www.google.com/kml/ext/2.2"
STRAIGHT = "straight line between the places last and next heard, not a path"
_LINES = {"flagged": ("ff004ac0", "3"), "other": ("ff75665f", "1.5"), "track": ("ffb27200", "2")}
_PINS = {"vessel": "ff732e8b", "absent": "ff50463b", "containers": "ff4f7000", "ais": "ffb27200", "port": "ff2c2116"}
"""KML writes colours as alpha, blue, green, red."""

_KINDS = {
    "vessel": "ship seen",
    "absent": "no ship seen",
    "containers": "containers seen",
    "ais": "AIS position, as published",
}

Frames = Mapping[str, pd.DataFrame]
Row = Mapping[Any, Any]


def write(frames: Frames, path: Path, *, is_simulated: bool) -> None:
    """Write every trip as a folder: the dark port, its silences, its calls' sightings; then the tracks of flagged ships.

    Rows of equal tables give equal bytes.
    """
    ET.register_namespace("", KML)
    ET.register_namespace("gx", GX)
    root = ET.Element(f"{{{KML}}}kml")
    document = _child(root, "Document")
    mark = "SIMULATED: " if is_simulated else ""
    _child(document, "name", mark + "ghostships trips")
    _child(document, "open", "1")
    _child(
        document, "description", "Consistent with, not proof of. Lines are straight lines, not paths. Times are UTC."
    )
    _styles(document)
    trips = frames["round_trips"].sort_values(
        ["p_trip", "trip_id"], ascending=[False, True], na_position="last", kind="stable"
    )
    gaps = {row["gap_id"]: row for row in _rows(frames["gaps"])}
    calls = {row["call_id"]: row for row in _rows(frames["port_calls"])}
    sightings = {row["sighting_id"]: row for row in _rows(frames["sightings"])}
    for heading, is_flagged in (("Flagged trips", True), ("Trips below the flag, or of ships not known", False)):
        group = _child(document, "Folder")
        _child(group, "name", mark + heading)
        if not is_flagged:
            _child(group, "visibility", "0")
        for trip in _rows(trips[trips["is_flagged"].astype(bool) == is_flagged]):
            _trip(group, trip, gaps, calls, sightings, mark=mark)
    _tracks(document, frames, mark=mark)
    ET.indent(root, " ")
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _styles(document: ET.Element) -> None:
    for name, (colour, width) in _LINES.items():
        style = _child(document, "Style", id=name)
        if name == "track":
            _child(_child(style, "IconStyle"), "scale", "0.6")
        line = _child(style, "LineStyle")
        _child(line, "color", colour)
        _child(line, "width", width)
        _balloon(style)
    for name, colour in _PINS.items():
        style = _child(document, "Style", id=name)
        pin = _child(style, "IconStyle")
        _child(pin, "color", colour)
        _child(pin, "scale", "0.8")
        _balloon(style)


def _balloon(style: ET.Element) -> None:
    """Only the description: a globe's own balloon would show the name as HTML."""
    _child(_child(style, "BalloonStyle"), "text", "$[description]")


def _trip(
    group: ET.Element,
    trip: Row,
    gaps: Mapping[str, Row],
    calls: Mapping[str, Row],
    sightings: Mapping[str, Row],
    *,
    mark: str,
) -> None:
    p = "cannot say" if trip["p_trip"] is None else "over 0.99" if trip["p_trip"] > 0.99 else f"{trip['p_trip']:.2f}"
    who = text.shown(trip["vessel_name"] or trip["vessel_key"] or "ship not known")
    shown = "1" if trip["is_flagged"] else "0"
    folder = _child(group, "Folder")
    _child(folder, "name", f"{mark}{who}, p {p}")
    _child(folder, "visibility", shown)
    _child(folder, "description", _html(f"{mark}{trip['because']}"))
    port = _placemark(
        folder,
        f"{mark}{text.shown(trip['dark_port'])}",
        f"{mark}{who}: {trip['trip_id']}, tier {trip['tier']}, p {p}. Consistent with, not proof of. "
        f"Weakest link: {trip['weakest_link'] or 'not said'}",
        "port",
        trip["dark_start_utc"],
        trip["dark_end_utc"],
        shown=shown,
    )
    _child(_child(port, "Point"), "coordinates", f"{trip['lon_deg']:.5f},{trip['lat_deg']:.5f}")
    for gap in (gaps[g] for g in trip["gap_ids"] if g in gaps):
        line = _placemark(
            folder,
            f"{mark}not heard: {STRAIGHT}",
            f"{mark}{who}: {gap['gap_id']}, last heard {_said(gap['start_utc'])}, next heard {_said(gap['end_utc'])}. {STRAIGHT}.",
            "flagged" if trip["is_flagged"] else "other",
            gap["start_utc"],
            gap["end_utc"],
            shown=shown,
        )
        places = [(gap["start_lon_deg"], gap["start_lat_deg"]), (gap["end_lon_deg"], gap["end_lat_deg"])]
        known = [f"{lon:.5f},{lat:.5f}" for lon, lat in places if lon is not None]
        shape = _child(line, "LineString" if len(known) == 2 else "Point")
        if len(known) == 2:
            _child(shape, "tessellate", "1")
        _child(shape, "coordinates", " ".join(known))
    cited = dict.fromkeys(s for c in trip["call_ids"] if c in calls for s in calls[c]["sighting_ids"])
    for seen in (sightings[s] for s in cited if s in sightings):
        if seen["lat_deg"] is None:
            continue
        kind = _KINDS[seen["observation_type"]]
        length = "" if seen["length_m"] is None else f", {seen['length_m']:g} m"
        pin = _placemark(
            folder,
            f"{mark}{kind}{length}",
            f"{mark}{kind}{length}; {_said(seen['start_utc'])} to {_said(seen['end_utc'])}; source: {text.shown(seen['source'])}; "
            f"scene {text.shown(seen['scene_id'] or 'not named')}; row {seen['source_row']}",
            seen["observation_type"],
            seen["start_utc"],
            seen["end_utc"],
            shown=shown,
        )
        _child(_child(pin, "Point"), "coordinates", f"{seen['lon_deg']:.5f},{seen['lat_deg']:.5f}")


def _tracks(document: ET.Element, frames: Frames, *, mark: str) -> None:
    """What was heard of the hulls of flagged trips: one track per stretch between silences, in its own time."""
    trips, gaps, tracks = frames["round_trips"], frames["gaps"], frames["tracks"]
    of_trips = {g for ids in trips.loc[trips["is_flagged"].astype(bool), "gap_ids"] for g in ids}
    hulls = gaps[gaps["segment_id"].isin(set(gaps.loc[gaps["gap_id"].isin(of_trips), "segment_id"]))]
    group = _child(document, "Folder")
    _child(group, "name", mark + "AIS tracks of ships with a flagged trip")
    for segment, silences in hulls.sort_values(["segment_id", "start_utc"]).groupby("segment_id", sort=True):
        points = [(r["time_utc"], r["lon_deg"], r["lat_deg"]) for r in _rows(tracks[tracks["segment_id"] == segment])]
        rows = _rows(silences)
        for gap in rows:
            points.append((gap["start_utc"], gap["start_lon_deg"], gap["start_lat_deg"]))
            if gap["end_lat_deg"] is not None:
                points.append((gap["end_utc"], gap["end_lon_deg"], gap["end_lat_deg"]))
        points = sorted({time: (time, lon, lat) for time, lon, lat in reversed(points)}.values())
        who = text.shown(rows[0]["vessel_name"] or rows[0]["vessel_key"])
        begin: datetime | None = None
        ends: list[dict[str, Any] | None] = [*rows, None]
        for end in ends:
            until = None if end is None else end["start_utc"]
            part = [x for x in points if (begin is None or x[0] >= begin) and (until is None or x[0] <= until)]
            if len(part) > 1:
                heard = _child(group, "Placemark")
                _child(heard, "name", f"{mark}{who}, AIS heard")
                _child(
                    heard,
                    "description",
                    _html(f"{mark}{who}: AIS heard {_said(part[0][0])} to {_said(part[-1][0])}, thinned"),
                )
                _child(heard, "styleUrl", "#track")
                track = _child(heard, "Track", space=GX)
                for time, _, _ in part:
                    _child(track, "when", _iso(time))
                for _, lon, lat in part:
                    _child(track, "coord", f"{lon:.5f} {lat:.5f} 0", space=GX)
            if end is None or end["end_utc"] is None:
                break
            begin = end["end_utc"]


def _placemark(
    parent: ET.Element, name: str, described: str, style: str, start: Any, end: Any, *, shown: str
) -> ET.Element:
    """A placemark up to its geometry, children in the order of the schema."""
    made = _child(parent, "Placemark")
    _child(made, "name", name)
    _child(made, "visibility", shown)
    _child(made, "description", _html(described))
    if start is not None and start == end:
        _child(_child(made, "TimeStamp"), "when", _iso(start))
    elif start is not None or end is not None:
        span = _child(made, "TimeSpan")
        if start is not None:
            _child(span, "begin", _iso(start))
        if end is not None:
            _child(span, "end", _iso(end))
    _child(made, "styleUrl", f"#{style}")
    return made


def _child(
    parent: ET.Element, tag: str, content: str | None = None, *, space: str = KML, **attributes: str
) -> ET.Element:
    """A child with text; `text.shown` has written out what XML may not hold, control characters and lone surrogates."""
    child = ET.SubElement(parent, f"{{{space}}}{tag}", attributes)
    child.text = content
    return child


def _html(words: str) -> str:
    return html.escape(text.sentence(words), quote=True)


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _said(at: datetime | None) -> str:
    return "not by the end of the data" if at is None else f"{at:%Y-%m-%d %H:%M UTC}"


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None where a value is missing."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(k): v for k, v in row.items()} for row in rows]
