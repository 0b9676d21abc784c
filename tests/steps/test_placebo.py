"""How many flags chance gives: pictures on other days, and a dark port where there is none."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from worlds import HARE, OWL, TORTOISE, Picture, Ship, World, small_route, small_sea

from ghostships import pipeline
from ghostships.inference import factors
from ghostships.inference.by_chance import Dates, _length_fits, _shifts
from ghostships.sea import land_polygons
from ghostships.sphere import gc_km
from ghostships.steps import placebo

SHIPS = (Ship(HARE, ((120.0, 192.0),)), Ship(TORTOISE, ((6.0, 54.0),), 150.0), Ship(OWL, ((306.0, 354.0),), 90.0))
NAMED = World(SHIPS, (Picture(156, "SIM HARE", 118.0),))
"""A picture that fits one silence by name, and no other day than its own."""


@cache
def judged(world: World) -> tuple[pipeline.Heard, pipeline.Judged]:
    inputs = world.inputs()
    heard = pipeline.listen(inputs, pipeline.Settings(route=small_route(), min_gap_h=6.0), small_sea())
    return heard, pipeline.judge(heard, inputs.sightings, inputs.scenes, route=small_route(), sea=small_sea())


def asked_of(world: World, *, backwards: bool = False) -> dict[str, Any]:
    heard, found = judged(world)
    frames = {
        "gaps": heard.silences,
        "reach": heard.in_reach,
        "port_calls": found.tables["port_calls"],
        "sightings": found.tables["sightings"],
        "scenes": found.tables["scenes"],
        "vessels": heard.fleet,
    }
    if backwards:
        frames = {name: frame.iloc[::-1].reset_index(drop=True) for name, frame in frames.items()}
    return {
        **frames,
        "route": small_route(),
        "legs_nm": pipeline._legs_nm(small_route(), small_sea()),
        "as_of_us": pd.Timestamp(heard.now).value // 1000,
    }


def panel(world: World, *, backwards: bool = False, chance: Any = "unexplained") -> list[dict[str, Any]]:
    asked = asked_of(world, backwards=backwards)
    return placebo.panel(judged(world)[1].weighed, sea=small_sea(), chance=chance, **asked)


def dates(world: World) -> Dates:
    asked = asked_of(world)
    silent = placebo._asked(
        judged(world)[1].weighed,
        *(asked[name] for name in ("gaps", "reach", "vessels", "route", "legs_nm", "as_of_us")),
    )
    return Dates(silent, *(asked[name] for name in ("port_calls", "sightings", "scenes", "vessels", "route")))


@pytest.mark.parametrize("chance", ["kept", "unexplained", "taken_out"])
def test_a_name_read_on_other_days_flags_nobody(chance: str) -> None:
    """One flag on the true dates and none on any other: for whoever must know what that flag is worth."""
    own = dates(NAMED)
    on_true, *others = own.flags(chance=chance)  # type: ignore[arg-type]
    assert on_true == 1
    assert len(others) >= 8
    assert max(others) == 0
    shown = panel(NAMED, chance=chance)[0]
    assert (shown["n_runs"], shown["flags_median"], shown["flags_max"]) == (len(others), 0, 0)
    assert shown["flags_here"] == 1
    assert "flags 1 on the true dates" in shown["because"]


def test_what_other_dates_carry_as_well_is_chance() -> None:
    """A hull of no special length, and a ship silent all the time: any day would do. A name on its day: no other does."""
    always = World((Ship(HARE, ((24.0, 372.0),)), Ship(OWL)), (Picture(156, None, 118.0),))
    assert dates(always).share() > 0.8
    assert dates(NAMED).share() < 0.05


def test_without_pictures_no_date_can_be_shuffled() -> None:
    """Nothing to move: the panel says nothing of dates rather than "no flags"."""
    assert dates(World(SHIPS)).n_runs == 0
    assert all("dates" not in row["what"] for row in panel(World(SHIPS)))


def test_without_silences_there_is_no_panel() -> None:
    """Nobody was silent: no placebo was run, and the page says so."""
    assert panel(World((Ship(HARE), Ship(OWL)), (Picture(156, None, 118.0),))) == []


def test_the_panel_does_not_depend_on_the_order_of_rows() -> None:
    """The same input, the same bytes."""
    assert panel(NAMED) == panel(NAMED, backwards=True)


def test_an_empty_point_gives_no_flag_where_the_dark_port_without_its_pictures_gives_none() -> None:
    """Three silences that fit and a trade nearly unknown: reach alone flags nobody, wherever the port."""
    rows = [row for row in panel(NAMED) if "empty points" in row["what"]]
    assert [row["n_runs"] for row in rows] == [placebo.N_PLACES] * 2
    assert [row["flags_max"] for row in rows] == [0, 0]


def test_a_sure_level_of_the_trade_is_told_at_every_point() -> None:
    """Keep a level of 60 % and every silence that fits is flagged anywhere: the panel must show that, not hide it."""
    asked = asked_of(NAMED)
    weighed = judged(NAMED)[1].weighed
    silent = placebo._asked(
        weighed, *(asked[name] for name in ("gaps", "reach", "vessels", "route", "legs_nm", "as_of_us"))
    )
    learned, kept = placebo._places(silent, 0.6, small_route(), small_sea())
    assert learned["flags_max"] == 0
    assert kept["flags_median"] >= 1
    assert "60.0%" in kept["because"]


def test_empty_points_lie_in_water_by_the_coast_and_far_from_ports() -> None:
    """Twenty of them, spread out, each with land in sight; the same every time."""
    points = placebo.empty_points(small_route(), small_sea())
    assert len(points) == len({(p.roadstead_lat_deg, p.roadstead_lon_deg) for p in points}) == placebo.N_PLACES
    assert points == placebo.empty_points(small_route(), small_sea())
    lat = np.array([p.roadstead_lat_deg for p in points])
    lon = np.array([p.roadstead_lon_deg for p in points])
    assert small_sea().is_water(lat, lon).all()
    land = shapely.union_all(land_polygons((129.0, 41.0, 135.0, 44.0)).geometry.to_numpy())
    # Three cells of a hundredth of a degree along both sides of a square, and half a cell of rounding.
    assert shapely.distance(land, shapely.points(lon, lat)).max() < 0.05
    for port in small_route().ports:
        assert gc_km(port.lat_deg, port.lon_deg, lat, lon).min() >= placebo.CLEAR_OF_PORTS_KM
    apart = gc_km(lat[:, None], lon[:, None], lat[None, :], lon[None, :]) + np.eye(len(lat)) * 1e3
    assert apart.min() > 3


@pytest.mark.parametrize("n_days", [1, 2, 3, 4, 9, 16, 60, 365])
def test_pictures_are_never_left_where_they_were(n_days: int) -> None:
    """Moved by at least five days, or a quarter of a short calendar, in either direction; each shift once."""
    shifts = _shifts(n_days)
    least = max(min(5, n_days // 4), 1)
    assert len(set(shifts)) == len(shifts) == min(20, max(n_days - 2 * least + 1, 0))
    assert all(least <= d <= n_days - least for d in shifts)


def test_lengths_weigh_as_they_do_one_by_one() -> None:
    """The same numbers as `factors.length`, for ships whose length is known and one whose is not."""
    own = [118.0, 126.0, 90.0, float("nan")]
    one_by_one = [factors.length(120.0, 10.0, m, background=0.015)[0] for m in own]
    assert _length_fits(120.0, 10.0, np.array(own), 0.015) == pytest.approx(one_by_one, rel=1e-12)
