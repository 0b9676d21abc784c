"""The map of a figure: land from the package, ports, track, the silence as a straight line, what was in reach, what was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.axes import Axes

from ghostships import sea, sphere
from ghostships.report import lettering, sheet
from ghostships.report.figure_story import Story
from ghostships.report.sheet import PT_PER_CM, Sheet
from ghostships.routes import Port, Route
from ghostships.units import EARTH_RADIUS_KM, KM_PER_NM

EARTH_RADIUS_NM = EARTH_RADIUS_KM / KM_PER_NM
MARGIN_SHARE, SMALLEST_DEG = 0.16, 0.9
"""Sea around what must be seen, and the narrowest map: less than 50 nm shows no coast to know it by."""

LAND_TOLERANCE_DEG = 0.001
"""A third of a dot of the narrowest map at 200 dots per inch."""

DASH = (0, (4, 2.5))
DOTS = (0, (1, 1.8))
Floats = npt.NDArray[np.float64]
Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class Land:
    """The coast for a set of figures, on a Mercator plane whose unit is a degree of longitude."""

    pieces: Any
    near: Any

    @staticmethod
    def of(boxes: Sequence[Extent], near: Extent) -> Land:
        """Land inside all the boxes (of the Mercator plane) together, read and simplified once; `near` as fine as it ships."""
        west, south = min(b[0] for b in boxes), float(_lat(min(b[1] for b in boxes)))
        east, north = max(b[2] for b in boxes), float(_lat(max(b[3] for b in boxes)))
        found = sea.land_polygons((west, south, east, north), LAND_TOLERANCE_DEG).geometry.to_numpy()
        close = (near[0], float(_lat(near[1])), near[2], float(_lat(near[3])))
        fine = sea.land_polygons(close, 0.0).geometry.to_numpy()
        return Land(shapely.transform(found, _project), shapely.transform(fine, _project))

    def within(self, box: Extent, *, is_near: bool = False) -> Any:
        """Pieces cut to a box, as fine as it can show."""
        pad = (box[2] - box[0]) * 0.02
        cut = shapely.clip_by_rect(
            self.near if is_near else self.pieces, box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad
        )
        fine = shapely.simplify(cut[~shapely.is_empty(cut)], (box[2] - box[0]) / 2500)
        return fine[shapely.is_valid(fine)] if len(fine) else fine


def extent(story: Story, route: Route, wide_cm: float, high_cm: float) -> Extent:
    """What the map shows: both ends of every silence, the ports called at, the sightings cited; filled up to its shape."""
    ports = [
        p
        for p in route.ports
        if p.id in (route.dark_port_id, story.trip["origin_port"], story.trip["destination_port"])
    ]
    lon = [p.lon_deg for p in ports] + [s["lon_deg"] for s in story.cited if s["lon_deg"] is not None]
    lat = [p.lat_deg for p in ports] + [s["lat_deg"] for s in story.cited if s["lat_deg"] is not None]
    for gap in story.gaps:
        lon += [gap["start_lon_deg"]] + ([] if gap["end_lon_deg"] is None else [gap["end_lon_deg"]])
        lat += [gap["start_lat_deg"]] + ([] if gap["end_lat_deg"] is None else [gap["end_lat_deg"]])
    x0, x1 = min(lon), max(lon)
    y0, y1 = float(_north(min(lat))), float(_north(max(lat)))
    wide = max((x1 - x0) * (1 + 2 * MARGIN_SHARE), SMALLEST_DEG, (y1 - y0) * (1 + 2 * MARGIN_SHARE) * wide_cm / high_cm)
    high = wide * high_cm / wide_cm
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def draw(
    paper: Sheet, story: Story, route: Route, land: Land, place: Extent, box: Extent, *, is_simulated: bool
) -> bool:
    """Draw the map into `place` (x, y, width, height in cm); says whether all of it was in reach."""
    x_cm, y_cm, wide_cm, high_cm = place
    axes = paper.frame(x_cm, y_cm, wide_cm, high_cm, box)
    _ground(axes, land, box)
    all_in_reach = _reach(axes, story, box)
    _grid(paper, axes, place, box)
    per_cm = (box[2] - box[0]) / wide_cm
    labels = _Labels(paper, axes, place, box, per_cm)
    for heard in story.heard:
        north = _north(heard.lat)
        sheet.stroke(axes, heard.lon, north, colour=sheet.AIS, width_pt=1.3, order=3)
        labels.take_along(heard.lon, north)
    for gap in story.gaps:
        ends = [(gap["start_lon_deg"], gap["start_lat_deg"])]
        ends += [] if gap["end_lon_deg"] is None else [(gap["end_lon_deg"], gap["end_lat_deg"])]
        xs, ys = [e[0] for e in ends], [float(_north(e[1])) for e in ends]
        sheet.stroke(axes, xs, ys, colour=sheet.GAP, width_pt=1.4, dash=DASH, order=4)
        labels.take_along(xs, ys)
    ports = [p for p in route.ports if box[0] < p.lon_deg < box[2] and box[1] < float(_north(p.lat_deg)) < box[3]]
    # The ports of this trip get their names first, where there is space for all.
    ports.sort(
        key=lambda p: (
            p.id not in (route.dark_port_id, story.trip["origin_port"], story.trip["destination_port"]),
            p.role,
            p.id,
        )
    )
    for port in ports:
        labels.take(port.lon_deg, float(_north(port.lat_deg)))
    _seen(axes, story, labels)
    for gap in story.gaps:
        labels.put(
            gap["start_lon_deg"],
            float(_north(gap["start_lat_deg"])),
            f"last heard {gap['start_utc']:%d %b %H:%M}",
            sheet.GAP,
            bold=True,
        )
        sheet.mark(axes, gap["start_lon_deg"], float(_north(gap["start_lat_deg"])), "end", 5.5, order=7)
        if gap["end_lon_deg"] is not None:
            labels.put(
                gap["end_lon_deg"],
                float(_north(gap["end_lat_deg"])),
                f"next heard {gap['end_utc']:%d %b %H:%M}",
                sheet.GAP,
                bold=True,
            )
            sheet.mark(axes, gap["end_lon_deg"], float(_north(gap["end_lat_deg"])), "end", 5.5, order=7)
    for port in ports:
        x, y = port.lon_deg, float(_north(port.lat_deg))
        sheet.mark(axes, x, y, "port", 4.6 if port.role == "dark" else 3.4, order=5)
        labels.put(x, y, lettering.drawable(port.name, limit=24), sheet.INK, bold=port.id == route.dark_port_id)
    _scale(paper, place, box)
    paper.box(x_cm, y_cm, wide_cm, high_cm, edge=sheet.INK, width_pt=0.8)
    if is_simulated:
        paper.box(x_cm + wide_cm - 2.25, y_cm + 0.12, 2.13, 0.42, fill="white", edge=sheet.INK, width_pt=0.7)
        paper.text(x_cm + wide_cm - 1.185, y_cm + 0.42, "SIMULATED", 7.5, bold=True, align="center")
    if not _coast_known(box):
        paper.text(
            x_cm + 0.15,
            y_cm + 0.35,
            "part of this map lies outside the coast that is known here",
            6,
            colour=sheet.QUIET,
        )
    return all_in_reach


def close_up(paper: Sheet, story: Story, port: Port, land: Land, place: Extent) -> None:
    """The dark port with its berths and the sightings cited, each at its own place."""
    x_cm, y_cm, wide_cm, high_cm = place
    shown = [s for s in story.cited if s["lat_deg"] is not None]
    lon = [port.lon_deg, *(b.lon_deg for b in port.berths), *(s["lon_deg"] for s in shown)]
    lat = [port.lat_deg, *(b.lat_deg for b in port.berths), *(s["lat_deg"] for s in shown)]
    ys = _north(np.array(lat))
    wide = max((max(lon) - min(lon)) * 1.5, (ys.max() - ys.min()) * 1.5 * wide_cm / high_cm, 0.03)
    x, y = (max(lon) + min(lon)) / 2, float(ys.max() + ys.min()) / 2
    box = (x - wide / 2, y - wide * high_cm / wide_cm / 2, x + wide / 2, y + wide * high_cm / wide_cm / 2)
    axes = paper.frame(x_cm, y_cm, wide_cm, high_cm, box)
    _ground(axes, land, box, is_near=True)
    for berth in port.berths:
        sheet.mark(axes, berth.lon_deg, float(_north(berth.lat_deg)), "port", 2.6, order=3)
    for sighting in shown:
        sheet.mark(axes, sighting["lon_deg"], float(_north(sighting["lat_deg"])), sighting["observation_type"], 5.5)
    _scale(paper, place, box)
    paper.box(*place, edge=sheet.INK, width_pt=0.6)


def covers(port: Port) -> Extent:
    """The box of a port's surroundings, for `Land.of`."""
    y = float(_north(port.lat_deg))
    return port.lon_deg - 0.4, y - 0.4, port.lon_deg + 0.4, y + 0.4


def _ground(axes: Axes, land: Land, box: Extent, *, is_near: bool = False) -> None:
    sheet.area(axes, [shapely.box(*box)], fill=sheet.SEA, order=0)
    sheet.area(axes, land.within(box, is_near=is_near), fill=sheet.LAND, edge="#8c8675", width_pt=0.45, order=1)


def _reach(axes: Axes, story: Story, box: Extent) -> bool:
    """Hatch what no silence of the trip left time for; says whether that is nowhere on the map."""
    limits = []
    for gap, fastest_kn in zip(story.gaps, story.reach_kn, strict=True):
        if fastest_kn is None:
            return False
        hours = ((gap["end_utc"] or story.as_of) - gap["start_utc"]).total_seconds() / 3600
        a = (gap["start_lat_deg"], gap["start_lon_deg"])
        b = a if gap["end_lat_deg"] is None else (gap["end_lat_deg"], gap["end_lon_deg"])
        # An open silence has no way back to make: all of it may be the way out.
        total = hours * fastest_kn * (2 if gap["end_utc"] is None else 1)
        ring = limit_of_reach(a, b, total)
        if ring is None:
            return True
        limits.append(shapely.Polygon(np.column_stack([ring[:, 1], _north(ring[:, 0])])).buffer(0))
    frame = shapely.box(*box)
    inside = shapely.union_all(limits)
    if not limits or inside.contains(frame):
        return bool(limits)
    sheet.area(axes, [frame.difference(inside)], edge=sheet.OUT_OF_REACH, width_pt=0.0, order=1.5, hatch="////")
    edge = inside.boundary.intersection(frame)
    for part in shapely.get_parts(edge):
        if part.geom_type == "LineString":
            xy = shapely.get_coordinates(part)
            sheet.stroke(axes, xy[:, 0], xy[:, 1], colour=sheet.INK, width_pt=0.9, dash=DOTS, order=1.6)
    return False


def limit_of_reach(a: tuple[float, float], b: tuple[float, float], total_nm: float) -> Floats | None:
    """Places (latitude, longitude) from which the ways to `a` and to `b` add up to `total_nm`; None when that is half a world.

    Great circles: land, ice and currents are ignored, so what is inside is too much, never too little.
    """
    middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    apart = float(_apart_nm(*a, *b))
    if total_nm / 2 / 60 > min(55.0, 84.0 - abs(middle[0])):
        return None
    bearing = np.linspace(0.0, 2 * np.pi, 181)
    low, high = np.zeros(181), np.full(181, max(total_nm, apart) / 2 + apart)
    for _ in range(34):
        half = (low + high) / 2
        lat, lon = _ahead(middle, bearing, half)
        fits = _apart_nm(lat, lon, *a) + _apart_nm(lat, lon, *b) < total_nm
        low, high = np.where(fits, half, low), np.where(fits, high, half)
    return np.column_stack(_ahead(middle, bearing, low))


def _seen(axes: Axes, story: Story, labels: _Labels) -> None:
    """Sightings cited; those at one place share a label."""
    places: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for sighting in story.cited:
        if sighting["lat_deg"] is not None:
            x, y = sighting["lon_deg"], float(_north(sighting["lat_deg"]))
            sheet.mark(axes, x, y, sighting["observation_type"], 6.5)
            near = next((p for p in places if math.hypot(p[0] - x, p[1] - y) < 0.3 * labels.per_cm), (x, y))
            places.setdefault(near, []).append(sighting)
    for (x, y), some in places.items():
        ships = sum(s["observation_type"] == "vessel" for s in some)
        words = f"{len(some)} sighting" + ("s" if len(some) > 1 else "")
        labels.put(x, y, words if ships < len(some) else words + " of a ship", sheet.SEEN, bold=True)


class _Labels:
    """Places for words beside their points, the first that covers nothing; far ones get a leader."""

    def __init__(self, paper: Sheet, axes: Axes, place: Extent, box: Extent, per_cm: float) -> None:
        self.paper, self.axes, self.place, self.box, self.per_cm = paper, axes, place, box, per_cm
        self._taken: list[Extent] = []
        right, top = box[2], box[3]
        # The scale bar, and the mark of simulated data.
        self._taken.append((box[0], box[1], box[0] + 3.6 * per_cm, box[1] + 0.75 * per_cm))
        self._taken.append((right - 2.4 * per_cm, top - 0.65 * per_cm, right, top))

    def take(self, x: float, y: float, half_cm: float = 0.11) -> None:
        """Keep words off a point."""
        half = half_cm * self.per_cm
        self._taken.append((x - half, y - half, x + half, y + half))

    def take_along(self, xs: Sequence[float] | Floats, ys: Sequence[float] | Floats) -> None:
        """Keep words off a line: off points of it, close enough together that no word fits between."""
        x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
        inside = (x > self.box[0] - 1) & (x < self.box[2] + 1) & (y > self.box[1] - 1) & (y < self.box[3] + 1)
        if len(x) < 2 or not inside.any():
            return
        far = np.hypot(np.diff(x), np.diff(y)) / self.per_cm
        for n in np.flatnonzero(inside[:-1] | inside[1:]):
            for share in np.linspace(0, 1, min(60, max(2, math.ceil(far[n] / 0.2) + 1))):
                self.take(x[n] + share * (x[n + 1] - x[n]), y[n] + share * (y[n + 1] - y[n]), 0.07)

    def put(self, x: float, y: float, words: str, colour: str, *, bold: bool = False, size_pt: float = 6.6) -> None:
        wide = lettering.width_pt(words, size_pt, bold=bold) / PT_PER_CM * self.per_cm
        high = 0.27 * self.per_cm
        found = None
        for far in (0.17, 0.42, 0.75, 1.1, 1.5):
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                cx = x + dx * (far * self.per_cm + wide / 2)
                cy = y + dy * (far * self.per_cm + high / 2)
                spot = (cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2)
                if self._is_free(spot):
                    found = (cx, cy, spot, far)
                    break
            if found:
                break
        if found is None:
            # Rather over something else than not at all.
            cx, cy, far = x + 0.17 * self.per_cm + wide / 2, y, 0.17
            found = (cx, cy, (cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2), far)
        cx, cy, spot, far = found
        self._taken.append(spot)
        if far > 0.2:
            near_x = min(max(x, spot[0]), spot[2])
            near_y = min(max(y, spot[1]), spot[3])
            sheet.stroke(self.axes, [x, near_x], [y, near_y], colour=colour, width_pt=0.5, order=4.5)
        x_cm = self.place[0] + (spot[0] - self.box[0]) / self.per_cm
        y_cm = self.place[1] + (self.box[3] - cy) / self.per_cm
        self.paper.box(x_cm - 0.05, y_cm - 0.14, wide / self.per_cm + 0.1, 0.28, fill="white", alpha=0.75)
        self.paper.text(x_cm, y_cm + 0.085, words, size_pt, bold=bold, colour=colour)

    def _is_free(self, spot: Extent) -> bool:
        edge = 0.06 * self.per_cm
        if (
            spot[0] < self.box[0] + edge
            or spot[2] > self.box[2] - edge
            or spot[1] < self.box[1] + edge
            or spot[3] > self.box[3] - edge
        ):
            return False
        return not any(spot[0] < t[2] and t[0] < spot[2] and spot[1] < t[3] and t[1] < spot[3] for t in self._taken)


def _grid(paper: Sheet, axes: Axes, place: Extent, box: Extent) -> None:
    """Meridians and parallels with their degrees outside the frame."""
    x_cm, y_cm, wide_cm, high_cm = place
    step = next(
        s for s in (1 / 12, 1 / 6, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0) if (box[2] - box[0]) / s < 6 or s == 30.0
    )
    for n in range(math.ceil(box[0] / step), math.floor(box[2] / step) + 1):
        x = n * step
        sheet.stroke(axes, [x, x], [box[1], box[3]], colour="#b9c2ca", width_pt=0.35, order=1.2)
        at = x_cm + (x - box[0]) / (box[2] - box[0]) * wide_cm
        paper.text(at, y_cm + high_cm + 0.3, _degrees(x, "EW"), 6, colour=sheet.QUIET, align="center")
    south, north = float(_lat(box[1])), float(_lat(box[3]))
    for n in range(math.ceil(south / step), math.floor(north / step) + 1):
        y = float(_north(n * step))
        sheet.stroke(axes, [box[0], box[2]], [y, y], colour="#b9c2ca", width_pt=0.35, order=1.2)
        at = y_cm + high_cm - (y - box[1]) / (box[3] - box[1]) * high_cm
        paper.text(x_cm - 0.08, at + 0.08, _degrees(n * step, "NS"), 6, colour=sheet.QUIET, align="right")


def _degrees(value: float, sides: str) -> str:
    minutes = round(abs(value) * 60)
    side = "" if not minutes else sides[0] if value > 0 else sides[1]
    return f"{minutes // 60}°{minutes % 60:02d}′{side}" if minutes % 60 else f"{minutes // 60}°{side}"


def _scale(paper: Sheet, place: Extent, box: Extent) -> None:
    """A bar that is true at the middle parallel, which is named where the map is tall enough for it to matter."""
    x_cm, y_cm, wide_cm, high_cm = place
    middle = float(_lat((box[1] + box[3]) / 2))
    nm_per_cm = 60 * math.cos(math.radians(middle)) * (box[2] - box[0]) / wide_cm
    fitting = [
        n for n in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n / nm_per_cm < min(2.6, 0.45 * wide_cm)
    ]
    nm = fitting[-1] if fitting else 0.2
    long = nm / nm_per_cm
    x, y = x_cm + 0.22, y_cm + high_cm - 0.2
    at = f" at {middle:.1f}° N" if wide_cm > 6 and middle >= 0 else f" at {-middle:.1f}° S" if wide_cm > 6 else ""
    words = f"{nm:g} nm ({round(nm * KM_PER_NM, 1 if nm < 10 else 0):g} km){at}"
    room = max(long, lettering.width_pt(words, 6) / PT_PER_CM)
    paper.box(x - 0.1, y - 0.44, room + 0.2, 0.55, fill="white")
    paper.text(x, y - 0.16, words, 6)
    paper.line([x, x, x + long, x + long], [y - 0.08, y, y, y - 0.08], colour=sheet.INK, width_pt=1.0)


def _coast_known(box: Extent) -> bool:
    """Whether the shipped coast (116-147 E, 28-53 N) covers the map."""
    return box[0] >= 116 and box[2] <= 147 and float(_lat(box[1])) >= 28 and float(_lat(box[3])) <= 53


def _project(lon_lat: Floats) -> Floats:
    return np.column_stack([lon_lat[:, 0], _north(lon_lat[:, 1])])


def _north(lat_deg: npt.ArrayLike) -> Any:
    """Mercator's way north [degrees of longitude], as the page's map has it."""
    return np.degrees(np.arcsinh(np.tan(np.radians(np.asarray(lat_deg, dtype=np.float64)))))


def _lat(north: npt.ArrayLike) -> Any:
    return np.degrees(np.arctan(np.sinh(np.radians(np.asarray(north, dtype=np.float64)))))


def _apart_nm(lat1: npt.ArrayLike, lon1: npt.ArrayLike, lat2: npt.ArrayLike, lon2: npt.ArrayLike) -> Floats:
    return sphere.gc_km(lat1, lon1, lat2, lon2) / KM_PER_NM


def _ahead(start: tuple[float, float], bearing: Floats, nm: Floats) -> tuple[Floats, Floats]:
    d, lat = nm / EARTH_RADIUS_NM, math.radians(start[0])
    there = np.arcsin(np.clip(math.sin(lat) * np.cos(d) + math.cos(lat) * np.sin(d) * np.cos(bearing), -1, 1))
    turn = np.arctan2(np.sin(bearing) * np.sin(d) * math.cos(lat), np.cos(d) - math.sin(lat) * np.sin(there))
    return np.degrees(there), start[1] + np.degrees(turn)
