"""Headings in pictures: along the way counts a little for a ship, across it a little against; a berth, or nothing told, nothing."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ghostships.inference import factors, headings
from ghostships.inference.factors import Factor

GAP = {
    "gap_id": "G",
    "vessel_key": "mmsi:799000001",
    "is_open": False,
    "start_lat_deg": 41.0,
    "start_lon_deg": 132.0,
    "end_lat_deg": 41.0,
    "end_lon_deg": 134.0,
}
NAJIN = {"dark_lat": 42.24, "dark_lon": 130.31, "name": "Najin"}
angles = st.floats(0, 360)


def seen(heading_deg: float, *, lat: float = 41.0, lon: float = 133.0) -> dict[str, object]:
    return {"sighting_id": "S", "scene_id": "P", "lat_deg": lat, "lon_deg": lon, "heading_deg": heading_deg}


@given(angles, st.lists(angles, max_size=3))
def test_bow_and_stern_may_be_mixed_up(told: float, ways: list[float]) -> None:
    """A heading and its opposite weigh the same, and no heading ever more than 1.5 bits for a ship or 1 bit against it."""
    here = headings.density(told, ways)
    assert headings.density((told + 180) % 360, ways) == pytest.approx(here)
    assert -1.01 <= math.log2(here) <= 1.6


def test_a_heading_says_nothing_on_average() -> None:
    """It is a density: over all headings it averages to that of any heading."""
    mean = np.mean([headings.density(float(h), [70.0, 120.0]) for h in np.arange(0, 180, 0.5)])
    assert mean == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("to", "bearing"), [((42.0, 132.0), 0.0), ((41.0, 132.1), 90.0), ((40.0, 132.0), 180.0), ((41.0, 131.9), 270.0)]
)
def test_bearings_are_those_of_a_chart(to: tuple[float, float], bearing: float) -> None:
    """North, east, south, west."""
    assert headings.bearing_deg(41.0, 132.0, *to) == pytest.approx(bearing, abs=0.1)


def test_along_the_way_counts_for_the_ship_and_across_against_it() -> None:
    """Half-way from west to east: 90 and 270 degrees are along, 0 is across."""
    along, back, across = (headings.of_match(seen(h), GAP) for h in (90.0, 270.0, 0.0))
    assert along.bits == pytest.approx(back.bits, abs=1e-6)
    assert along.bits > 1 > 0 > across.bits > -1.01
    assert "0 and 0 degrees off" in along.because or "1 and" in along.because


def test_what_is_not_told_or_says_nothing_of_the_way_weighs_nothing() -> None:
    """No heading; a ship near where it vanished, which may lie still; no place to go."""
    assert headings.of_match(seen(math.nan), GAP).bits == 0
    assert headings.of_match(seen(0.0, lon=132.01), GAP).bits == 0
    assert headings.of_trip([], GAP, **NAJIN).bits == 0
    assert headings.of_trip([(seen(0.0, lat=42.24, lon=130.30), 1.0)], GAP, **NAJIN).bits == 0


def test_a_ship_that_points_to_the_dark_port_off_its_way_home_speaks_for_a_trip() -> None:
    """As surely as the picture shows this ship, and never more than two bits."""
    way = headings.bearing_deg(41.0, 133.0, NAJIN["dark_lat"], NAJIN["dark_lon"])
    sure, unsure = (headings.of_trip([(seen(way), p)], GAP, **NAJIN).bits for p in (1.0, 0.2))
    assert sure > unsure > 0
    assert headings.of_trip([(seen(90.0), 1.0)], GAP, **NAJIN).bits < 0
    assert headings.of_trip([(seen(way), 1.0)] * 9, GAP, **NAJIN).bits == headings.TRIP_CAP_BITS


def passing(*odds: float) -> headings.Passing:
    """One sighting that may be any of several silent ships, before headings: their shares of it."""
    whole = 1 + sum(odds)
    return {
        "S": [
            (
                f"G{n}",
                [
                    Factor("time_and_place", math.log2(o), "near"),
                    Factor("competition", factors.bits_of(o / whole) - math.log2(o), "others"),
                ],
            )
            for n, o in enumerate(odds)
        ]
    }


def silences() -> pd.DataFrame:
    north = {"start_lat_deg": 40.0, "start_lon_deg": 133.0, "end_lat_deg": 42.0, "end_lon_deg": 133.0}
    return pd.DataFrame([{**GAP, "gap_id": "G0"}, {**GAP, **north, "gap_id": "G1", "vessel_key": "mmsi:799000002"}])


def test_of_two_ships_that_cross_the_one_that_the_hull_points_along_gains() -> None:
    """West to east or south to north through one place: heading 90 takes it from one to the other, and all still sums to 1."""
    before = passing(1.0, 1.0)
    after = headings.weighed(before, pd.DataFrame([seen(90.0)]), silences())
    p = {gap: factors.probability(math.fsum(f.bits for f in steps)) for gap, steps in after["S"]}
    assert p["G0"] > 1 / 3 > p["G1"]
    assert p["G0"] + p["G1"] < 1
    assert [f.name for _, steps in after["S"] for f in steps] == ["time_and_place", "heading", "competition"] * 2


def test_without_any_heading_nothing_is_touched() -> None:
    """The very same rows: what nobody told weighs nothing."""
    before = passing(1.0, 0.5)
    assert headings.weighed(before, pd.DataFrame([seen(math.nan)]), silences()) is before


@given(st.lists(angles, min_size=1, max_size=5))
def test_the_mean_of_headings_does_not_care_for_bow_or_stern(told: list[float]) -> None:
    """Turned round, each of them, the mean is the same line; of opposite lines there is none."""
    # Headings that point all ways have no mean worth the name.
    assume(abs(sum(np.exp(2j * np.radians(h)) for h in told)) > 1e-3)
    mean, turned = headings.mean_deg(told), headings.mean_deg([(h + 180) % 360 for h in told])
    assert headings.off_deg(mean, turned) < 1e-6
    assert headings.off_deg(headings.mean_deg([10.0, 190.0]), 10.0) < 1e-9
    assert math.isnan(headings.mean_deg([]))
