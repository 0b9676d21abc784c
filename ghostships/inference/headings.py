"""Headings read in pictures: does the hull point along the way that a silent ship would have sailed?

    A o ---> (x) ---> o B        (x) heading along A-x or x-B: a little for this ship; across both: a little against it

A hull in a picture has a direction, but bow and stern are easily mixed up, so 20 degrees and 200 degrees are the same here.
A ship at a berth lies as the quay does, and a ship at anchor as wind and current want: there a heading says nothing of where it
goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ghostships import sphere
from ghostships.inference import association, factors
from ghostships.inference.factors import Factor

SIGMA_DEG = 20.0
"""Error of a heading read in a picture, and how far a ship is off the straight way to where it goes (own judgement)."""

ON_THE_WAY = 0.5
"""Share of ships under way that head along the straight lines from where they vanished or to where they go; the others may head
anywhere (own judgement). So no heading weighs more than 1.5 bits for a ship, or 1 bit against it."""

UNDER_WAY_KM = 5.0
"""Nearer to where it vanished or came back than this a ship may lie still, and the line to that place has no sure direction."""

Passing = dict[str, list[tuple[str, list[Factor]]]]


def bearing_deg(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Initial bearing of the great circle from one place to another [degrees from north]."""
    a, b, turn = math.radians(lat), math.radians(to_lat), math.radians(to_lon - lon)
    east = math.sin(turn) * math.cos(b)
    north = math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(turn)
    return math.degrees(math.atan2(east, north)) % 360


def off_deg(one_deg: float, other_deg: float) -> float:
    """The angle between two headings whose bow and stern may be mixed up: 0 to 90 degrees."""
    return abs((one_deg - other_deg + 90) % 180 - 90)


def mean_deg(headings_deg: Sequence[float]) -> float:
    """The mean of headings whose bow and stern may be mixed up, 0 up to 180; NaN of none, or of such as point all ways."""
    east = math.fsum(math.sin(math.radians(2 * h)) for h in headings_deg)
    north = math.fsum(math.cos(math.radians(2 * h)) for h in headings_deg)
    if math.hypot(east, north) <= 1e-9:
        return math.nan
    return math.degrees(math.atan2(east, north)) / 2 % 180


def density(heading_deg: float, ways_deg: Sequence[float]) -> float:
    """How likely a heading is for a ship that sails one of these ways, against any heading; 1 where no way is known."""
    if not ways_deg:
        return 1.0
    # Over half a circle the two nearest turns are all that counts at this width.
    near = [factors.normal(off_deg(heading_deg, way), 0.0, SIGMA_DEG) for way in ways_deg]
    far = [factors.normal(180 - off_deg(heading_deg, way), 0.0, SIGMA_DEG) for way in ways_deg]
    mean = math.fsum([*near, *far]) / len(ways_deg)
    return 1 - ON_THE_WAY + ON_THE_WAY * 180 * mean


def lane(sighting: dict[Any, Any], gap: dict[Any, Any]) -> list[float]:
    """The ways of a silent ship through the place of a sighting: from where it vanished, and to where it came back [degrees]."""
    here = float(sighting["lat_deg"]), float(sighting["lon_deg"])
    ends = [(float(gap["start_lat_deg"]), float(gap["start_lon_deg"]))]
    if not gap["is_open"]:
        ends.append((float(gap["end_lat_deg"]), float(gap["end_lon_deg"])))
    # A line read backwards is the same line when bow and stern may be mixed up.
    return [bearing_deg(*here, *end) for end in ends if sphere.gc_km(*here, *end) >= UNDER_WAY_KM]


def of_match(sighting: dict[Any, Any], gap: dict[Any, Any]) -> Factor:
    """The heading of a sighting at sea against the course of a ship that was silent then."""
    told = float(sighting["heading_deg"])
    if told != told:
        return Factor("heading", 0.0, "no heading is told of this picture, counts nothing")
    ways = lane(sighting, gap)
    if not ways or len(ways) < (1 if gap["is_open"] else 2):
        return Factor(
            "heading", 0.0, f"heading {told:.0f}, near where it vanished or came back: it may lie still, counts nothing"
        )
    named = " and ".join(f"{off_deg(told, way):.0f}" for way in ways)
    return Factor(
        "heading",
        factors.ratio_bits(density(told, ways), 1.0),
        f"heading {told:.0f} (or the other way round), {named} degrees off its way from the one place and to the other",
    )


def weighed(passing: Passing, sightings: pd.DataFrame, gaps: pd.DataFrame) -> Passing:
    """What passing ships weigh (`steps.passing.weigh`), with the headings of the sightings that have one.

    A heading changes who competes for a detection, so the shares of its picture are worked out again.
    """
    told = sightings[sightings["heading_deg"].notna() & sightings["lat_deg"].notna()]
    if not len(told) or not set(told["sighting_id"]) & set(passing):
        return passing
    by_id = sightings.set_index("sighting_id").to_dict("index")
    by_gap = gaps.set_index("gap_id").to_dict("index")
    pairs: list[tuple[str, str, list[Factor]]] = []
    for sighting_id in sorted(passing):
        for gap_id, steps in passing[sighting_id]:
            own = [f for f in steps if f.name != "competition"]
            if by_id[sighting_id]["heading_deg"] == by_id[sighting_id]["heading_deg"]:
                own.append(of_match(by_id[sighting_id], by_gap[gap_id]))
            pairs.append((sighting_id, gap_id, own))
    scenes = [
        f"{scene if isinstance(scene := by_id[s]['scene_id'], str) else '|' + s}|{by_gap[g]['vessel_key']}"
        for s, g, _ in pairs
    ]
    weights = np.array([2.0 ** math.fsum(f.bits for f in steps) for _, _, steps in pairs])
    detection = pd.factorize(np.array([s for s, _, _ in pairs]))[0]
    shares = association.one_each(weights, detection, pd.factorize(np.array(scenes))[0])
    rivals = {
        (s, g): f.because
        for s, found in passing.items()
        for g, steps in found
        for f in steps
        if f.name == "competition"
    }
    out: Passing = {}
    for (sighting_id, gap_id, steps), share in zip(pairs, shares.tolist(), strict=True):
        left = factors.bits_of(share) - math.fsum(f.bits for f in steps)
        out.setdefault(sighting_id, []).append(
            (gap_id, [*steps, Factor("competition", left, rivals.get((sighting_id, gap_id), ""))])
        )
    return out


def of_trip(
    seen: Sequence[tuple[dict[Any, Any], float]], gap: dict[Any, Any], *, dark_lat: float, dark_lon: float, name: str
) -> Factor:
    """Headings at sea of sightings that may be the silent ship, each with that probability: bound for the dark port, or from it?

    Against a ship that only sails from where it vanished to where it came back. Sightings close to the dark port or to either end
    say nothing.
    """
    bits, told = 0.0, []
    for sighting, p in seen:
        here, heading_deg = (float(sighting["lat_deg"]), float(sighting["lon_deg"])), float(sighting["heading_deg"])
        straight = lane(sighting, gap)
        if not straight or sphere.gc_km(*here, dark_lat, dark_lon) < UNDER_WAY_KM:
            continue
        way = bearing_deg(*here, dark_lat, dark_lon)
        ratio = density(heading_deg, [way]) / density(heading_deg, straight)
        bits += math.log2(p * ratio + 1 - p)
        told.append(f"{heading_deg:.0f} is {off_deg(heading_deg, way):.0f} degrees off the way to or from {name}")
    if not told:
        return Factor("heading", 0.0, "no heading is told of any picture of it under way, counts nothing")
    return Factor("heading", factors.capped(bits, TRIP_CAP_BITS), f"heading at sea {'; '.join(told)}")


TRIP_CAP_BITS = 2.0
"""However many pictures show a ship on its way, ships pass the dark port on other voyages too (own judgement)."""
