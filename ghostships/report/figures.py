"""One figure per flagged trip, PNG and SVG, for documents: map, timeline, waterfall, and where it all comes from.

A figure stands alone once it is pasted somewhere: it says what it is and is not, in which times, from which files. The same tables
and manifest give the same bytes. File names are made of our own trip ids, never of text from outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import shapely

from ghostships.errors import UsageError
from ghostships.report import figure_map, figure_rows, figure_story, lettering, sheet, text
from ghostships.report.figure_map import Extent, Land
from ghostships.report.figure_story import Story
from ghostships.report.sheet import PT_PER_CM, WIDTH_CM, Sheet
from ghostships.routes import Route

FOLDER = "figures"

_TRIP_ID = re.compile(r"T-[A-Za-z0-9-]{1,64}")
_MAP = (0.95, 10.45, 7.2)
"""Left edge, width and height of the map [cm]; beside it the key."""

_KEY_CM = 11.75
_SOURCE_PT, _SOURCE_CM = 5.8, 0.26


def write(frames: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], route: Route, folder: Path) -> list[str]:
    """Draw every flagged trip into the folder, which is made when there is one, and return the names of the files.

    `manifest` is that of the run, with the hashes of its `tables`: the source line names them.
    """
    stories = list(figure_story.told(frames, manifest, route))
    if not stories:
        return []
    folder.mkdir(exist_ok=True)
    boxes = [figure_map.extent(story, route, *_MAP[1:]) for story in stories]
    land = Land.of(boxes, figure_map.covers(route.dark_port))
    names: list[str] = []
    with sheet.style():
        for story, box in zip(stories, boxes, strict=True):
            names += _draw(story, box, land, manifest, route).save(folder, file_stem(story.trip["trip_id"]))
    return names


def file_stem(trip_id: str) -> str:
    """The trip id, once it is sure to be one of ours: letters, digits and hyphens after `T-`.

    Raises
    ------
    UsageError
        for any other: a table that somebody wrote by hand must not choose where files go.
    """
    if not _TRIP_ID.fullmatch(trip_id):
        raise UsageError(
            f"round_trips: trip id {text.shown(trip_id)} is not one of ours; right would be T- and letters and digits"
        )
    return trip_id


def _draw(story: Story, box: Extent, land: Land, manifest: Mapping[str, Any], route: Route) -> Sheet:
    is_simulated = bool(manifest.get("is_simulated"))
    rows = figure_rows.waterfall_rows(story)
    sources = _sources(story, manifest, route)
    banner = 0.62 if is_simulated else 0.0
    head, map_high = 2.15 + banner, _MAP[2]
    time_high, fall_high = figure_rows.timeline_height_cm(story), figure_rows.waterfall_height_cm(rows)
    time_top = head + map_high + 0.5
    fall_top = time_top + time_high + 0.05
    foot_top = fall_top + fall_high + 0.1
    paper = Sheet(foot_top + 0.12 + _SOURCE_CM * len(sources) + 0.1)
    if is_simulated:
        paper.box(0, 0.03, WIDTH_CM, 0.5, fill="#ffd24a", edge="black", width_pt=0.8)
        paper.text(
            WIDTH_CM / 2,
            0.38,
            "SIMULATED: invented ships and pictures, no real event",
            8,
            bold=True,
            align="center",
            colour="black",
        )
    _head(paper, story, manifest, route, banner)
    place = (_MAP[0], head, _MAP[1], map_high)
    all_in_reach = figure_map.draw(paper, story, route, land, place, box, is_simulated=is_simulated)
    _key(paper, story, route, land, head, map_high, all_in_reach=all_in_reach)
    min_gap_h = figure_rows.threshold(manifest, "min_gap_h", route.policy.min_gap_h)
    figure_rows.timeline(paper, story, route, time_top, min_gap_h=min_gap_h)
    figure_rows.waterfall(paper, story, rows, fall_top)
    paper.line([0, WIDTH_CM], [foot_top, foot_top], colour=sheet.QUIET, width_pt=0.5)
    for n, line in enumerate(sources):
        paper.text(0, foot_top + 0.12 + _SOURCE_CM * (n + 0.75), line, _SOURCE_PT, colour=sheet.QUIET)
    return paper


def _head(paper: Sheet, story: Story, manifest: Mapping[str, Any], route: Route, top: float) -> None:
    """Who, what the evidence is consistent with, and how probable it is."""
    trip = story.trip
    who = lettering.drawable(trip["vessel_name"] or trip["vessel_key"] or "ship not known", limit=64, bold=True)
    paper.text(0, top + 0.5, who, 13, bold=True, room_cm=11.6)
    numbers = [
        f"MMSI {trip['mmsi']}" if trip["mmsi"] is not None else "no MMSI",
        f"IMO {trip['imo']}" if trip["imo"] else "",
    ]
    paper.text(
        0,
        top + 0.98,
        " · ".join([n for n in numbers if n] + [lettering.drawable(trip["trip_id"])]),
        7.2,
        colour=sheet.QUIET,
        room_cm=11.6,
    )
    dark = lettering.drawable(route.dark_port.name, limit=32)
    way = f"{_port(trip['origin_port'], route)} → {dark} → {_port(trip['destination_port'], route)}"
    paper.text(0, top + 1.44, f"Consistent with a round trip {way}", 8.4, bold=True, room_cm=11.6)
    hours = (trip["dark_end_utc"] or story.as_of) - (trip["dark_start_utc"] or story.start)
    silent = f"Not heard {_when(trip['dark_start_utc'])} to {_when(trip['dark_end_utc'])} UTC"
    silent += f" ({figure_rows.lasting(hours.total_seconds() / 3600)}). "
    paper.text(0, top + 1.86, silent + "A reason to look, not a finding.", 6.9, room_cm=11.6)
    tier = {"seen": "seen in pictures", "inferred": "inferred, no picture"}.get(trip["tier"], str(trip["tier"]))
    left = 11.75
    paper.box(left, top + 0.02, WIDTH_CM - left, 1.93, fill="#fdf3ec", edge=sheet.GAP, width_pt=0.8)
    paper.text(left + 0.15, top + 0.66, figure_rows.percent(trip["p_trip"]), 15, bold=True)
    paper.text(left + 0.15, top + 1.04, f"flagged, {tier}", 6.6, bold=True)
    paper.text(
        left + 0.15, top + 1.42, f"{figure_rows.percent(trip['p_trip_without_habit'])} without its other calls", 6.4
    )
    paper.text(
        left + 0.15, top + 1.76, f"{figure_rows.percent(trip['p_trip_without_watchlist'])} without watch lists", 6.4
    )


def _key(paper: Sheet, story: Story, route: Route, land: Land, top: float, high: float, *, all_in_reach: bool) -> None:
    """What the signs mean, and the dark port from near by where pictures carry the trip."""
    x, y, room = _KEY_CM, top + 0.22, WIDTH_CM - _KEY_CM - 0.95
    middle = x + 0.33

    def say(words: str, *more: str) -> None:
        nonlocal y
        for line in (words, *more):
            paper.text(x + 0.85, y + 0.08, line, 6.4, room_cm=room + 0.1)
            y += 0.29
        y += 0.07

    sheet.stroke(paper.axes, [x, x + 0.66], [y, y], colour=sheet.AIS, width_pt=1.4)
    say("AIS track, up to", f"{figure_story.MAP_LEAD_H / 24:g} days before and after")
    sheet.stroke(paper.axes, [x, x + 0.66], [y, y], colour=sheet.GAP, width_pt=1.4, dash=figure_map.DASH)
    say("not heard: straight line,", "not a path")
    known = [kn for kn in story.reach_kn if kn is not None]
    if len(known) < len(story.gaps) or not known:
        say("limit of reach: cannot say,", "no top speed is known")
    elif all_in_reach:
        say("all of this map was in", "reach over the whole", f"silence at {max(known):.1f} kn")
    else:
        sheet.area(paper.axes, [_box(x, y - 0.12, 0.66, 0.24)], edge=sheet.OUT_OF_REACH, width_pt=0.0, hatch="//////")
        sheet.stroke(paper.axes, [x, x + 0.66], [y - 0.12] * 2, colour=sheet.INK, width_pt=0.9, dash=figure_map.DOTS)
        say("out of reach over the", f"whole silence at {max(known):.1f} kn", "(land and ice ignored)")
    kinds = dict.fromkeys(s["observation_type"] for s in [*story.cited, *story.beside])
    for kind in (k for k in figure_rows.KINDS if k in kinds or k == "vessel"):
        sheet.mark(paper.axes, middle, y, kind, 6.2)
        say(figure_rows.KINDS[kind] + ("" if kind in {s["observation_type"] for s in story.cited} else " (timeline)"))
    for kind, words in (("none", "looked, no ship reported"), ("cloud", "looked, mostly cloud")):
        if any(look.kind == kind for look in story.looks):
            sheet.mark(paper.axes, middle, y, kind, 5.4)
            say(words)
    if story.calls:
        paper.box(x, y - 0.12, 0.66, 0.24, fill="#f0dfec", edge=sheet.SEEN, width_pt=0.6)
        paper.box(x + 0.2, y - 0.12, 0.26, 0.24, fill=sheet.SEEN)
        say("call: there at the longest,", "at the shortest (dark)")
    sheet.mark(paper.axes, middle, y, "port", 4.2)
    say("port")
    placed = [s for s in story.cited if s["lat_deg"] is not None]
    bottom = top + high
    if placed and bottom - y > 2.2:
        close_high = min(3.4, bottom - y - 0.35)
        name = lettering.drawable(route.dark_port.name, limit=24)
        paper.text(x, bottom - close_high - 0.1, f"{name}, squares: its piers", 6.4, bold=True, room_cm=4.2)
        figure_map.close_up(paper, story, route.dark_port, land, (x, bottom - close_high, WIDTH_CM - x, close_high))


def _sources(story: Story, manifest: Mapping[str, Any], route: Route) -> list[str]:
    """Lines that say from what this was drawn."""
    tables = manifest.get("tables") or {}
    hashes = " · ".join(
        f"{n} {tables[n]['sha256'][:12]}" for n in ("round_trips", "evidence", "gaps", "sightings") if n in tables
    )
    inputs = " · ".join(story.sources) or "none named"
    if story.n_more_sources:
        inputs += f" · and {story.n_more_sources} more, listed in manifest.json"
    words = [
        f"Rests on (file, SHA-256): {inputs}",
        f"Tables (SHA-256): {hashes}" if hashes else "",
        f"Weakest link: {story.trip['weakest_link']}" if story.trip["weakest_link"] else "",
        f"Route {route.name} (SHA-256 {route.sha256[:12] or 'unknown'}) · ghostships {manifest.get('ghostships', '')} · "
        f"as of {_when(story.as_of)} UTC · coast GSHHG, simplified; piers ±300 m · Mercator",
        "A probability is no proof: the evidence is consistent with a call that AIS did not show; "
        "other explanations are weighed, not excluded.",
    ]
    if manifest.get("is_simulated"):
        words.append("SIMULATED data: ships, positions and pictures are invented.")
    room = WIDTH_CM * PT_PER_CM
    return [
        line for said in words if said for line in lettering.wrap(lettering.drawable(said), room, _SOURCE_PT, lines=3)
    ]


def _port(port_id: str | None, route: Route) -> str:
    if port_id is None:
        return "port not known"
    names = {port.id: port.name for port in route.ports}
    return lettering.drawable(names.get(port_id, port_id), limit=32)


def _when(at: Any) -> str:
    return "the end of the data" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _box(x: float, y: float, wide: float, high: float) -> Any:
    return shapely.box(x, y, x + wide, y + high)
