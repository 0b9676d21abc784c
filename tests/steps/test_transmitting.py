"""Who is not dark: ships that were transmitting where and when a picture shows a ship."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import SIM_A, SIM_B, at, messages, river

from ghostships import routes, sphere, tables
from ghostships.steps import identity, transmitting, vessels
from ghostships.traffic import Traffic

ROUTE = routes.load()
BRACKET_H = 6.0
PIER = (42.2290, 130.2840)
"""Najin, Pier 2 of the route file."""


def away(km_north: float, km_east: float = 0.0) -> tuple[float, float]:
    """A place so far from the pier."""
    return PIER[0] + km_north / 111.2, PIER[1] + km_east / (111.2 * np.cos(np.radians(PIER[0])))


def sighting(name: str, hours: float, place: tuple[float, float] | None = PIER, **said: object) -> dict[str, object]:
    """One ship in one optical picture."""
    start = at(hours)
    return {
        "sighting_id": name,
        "observation_type": "vessel",
        "start_utc": start,
        "end_utc": start + timedelta(hours=float(str(said.pop("lasting_h", 0)))),
        "lat_deg": place[0] if place else None,
        "lon_deg": place[1] if place else None,
        "sensor": "optical",
        "source": "simulated",
        "source_row": "f" * 12 + ":1",
        **said,
    }


def table(*rows: dict[str, object]) -> pd.DataFrame:
    full = [{name: row.get(name) for name in tables.SIGHTINGS.names} for row in rows]
    return tables.to_pandas(pl.DataFrame(full, schema=tables.SIGHTINGS.polars_schema), tables.SIGHTINGS)


def explain(positions: pl.DataFrame, *rows: dict[str, object]) -> pd.DataFrame:
    """The step under test, after the steps before it."""
    segments, hours = river(positions)
    said = Traffic.of_positions(positions).statics
    fleet = vessels.describe(said, tables.empty_pandas(tables.REGISTRY), segments=segments)
    return transmitting.explain(table(*rows), positions, hours, fleet, route=ROUTE, max_bracket_h=BRACKET_H)


def p_of(found: pd.DataFrame, sighting_id: str = "S", mmsi: int = SIM_A) -> float:
    """Probability that this ship is the one seen; 0 where it has no row."""
    rows = found[(found["sighting_id"] == sighting_id) & (found["vessel_key"] == f"mmsi:{mmsi}")]
    return float(rows["p"].sum())


def moored(place: tuple[float, float] = PIER, *, hours: range = range(0, 25), **said: object) -> pl.DataFrame:
    return messages(*((h, *place) for h in hours), sog_kn=0.0, **said)  # type: ignore[arg-type]


def test_a_ship_moored_where_and_when_it_is_seen_explains_the_sighting() -> None:
    """It transmits from the pier: nobody dark is needed."""
    assert p_of(explain(moored(), sighting("S", 10.4))) > 0.9


def test_a_ship_20_km_away_explains_nothing() -> None:
    """A moored ship heard every hour is known to within metres."""
    assert p_of(explain(moored(away(20)), sighting("S", 10.4))) < 0.001


@pytest.mark.parametrize(("silent_h", "is_candidate"), [(5, True), (6, False), (30, False)])
def test_a_ship_silent_for_the_bracket_or_longer_is_not_transmitting(silent_h: int, is_candidate: bool) -> None:
    """The same policy that makes a gap takes the ship out here, wherever it may have been in between: it came back 2 km away."""
    positions = pl.concat([moored(hours=range(0, 6)), moored(away(2), hours=range(5 + silent_h, 50))])
    found = explain(positions, sighting("S", 5 + silent_h / 2, away(1)))
    assert (p_of(found) > 0) == is_candidate


@pytest.mark.parametrize(("silent_h", "is_candidate"), [(6, True), (15, True), (24, True), (25, False)])
def test_a_ship_heard_at_one_berth_before_and_after_lay_there_for_up_to_a_day(
    silent_h: int, is_candidate: bool
) -> None:
    """A coal ship at the dark port that a satellite misses for a night is not a hull nobody knows."""
    positions = pl.concat([moored(hours=range(0, 6)), moored(hours=range(5 + silent_h, 60))])
    found = explain(positions, sighting("S", 5 + silent_h / 2))
    assert (p_of(found) > 0.9) == is_candidate == (p_of(found) > 0)


def test_a_ship_that_was_under_way_when_last_heard_did_not_lie_still() -> None:
    """Arriving is not lying: where it went after its last message is not known."""
    positions = pl.concat([messages((0, *PIER), (1, *PIER), sog_kn=9.0), moored(hours=range(11, 30))])
    assert p_of(explain(positions, sighting("S", 6.0))) == 0


def test_before_it_was_first_heard_and_after_it_was_last_heard_a_ship_explains_nothing() -> None:
    """One side alone does not say that it stayed."""
    found = explain(moored(hours=range(10, 20)), sighting("E", 9.5), sighting("L", 19.5))
    assert p_of(found, "E") == p_of(found, "L") == 0


def test_a_ship_under_way_is_put_between_its_positions() -> None:
    """At 10 knots it is half-way after half the time, and not where it was heard last."""
    north = 10 * 1.852
    track = messages(*((h, *away(north * h)) for h in range(5)), sog_kn=10.0)
    half, last, far = (sighting(n, 2.5, away(north * h)) for n, h in (("HALF", 2.5), ("LAST", 2.0), ("FAR", 1.0)))
    found = explain(track, half, last, far)
    assert p_of(found, "HALF") > 0.9
    assert p_of(found, "HALF") > p_of(found, "LAST") > p_of(found, "FAR")
    assert p_of(found, "FAR") < 0.01


def test_the_longer_ago_it_was_heard_the_less_a_ship_explains() -> None:
    """The error of its place grows with the time to the nearest position."""
    east = 8 * 1.852
    p = []
    for every_h in (1, 2, 4):
        track = messages(*((h, *away(0, east * (h - 10))) for h in range(2, 19, every_h)), sog_kn=8.0)
        p.append(p_of(explain(track, sighting("S", 10 + every_h / 2, away(0, east * every_h / 2)))))
    assert p[0] > p[1] > p[2] > 0


def test_one_ship_is_one_detection_of_a_picture() -> None:
    """Two hulls side by side in one picture, one transmitting ship: at most one of the two is it."""
    scene = {"scene_id": "SIM-SCENE"}
    found = explain(moored(), sighting("S1", 10.4, **scene), sighting("S2", 10.4, away(0.05), **scene))
    both = p_of(found, "S1") + p_of(found, "S2")
    assert 0.9 < both <= 1 + 1e-6
    assert max(p_of(found, "S1"), p_of(found, "S2")) < 0.9


def test_one_ship_may_be_in_two_pictures() -> None:
    """Pictures of 10 and 12 o'clock both show the moored ship."""
    found = explain(moored(), sighting("S1", 10, scene_id="SIM-1"), sighting("S2", 12, scene_id="SIM-2"))
    assert p_of(found, "S1") > 0.9
    assert p_of(found, "S2") > 0.9


def test_of_two_ships_side_by_side_the_one_of_the_length_seen_is_likelier() -> None:
    """Same place: the length decides, and both together never exceed one."""
    ships = pl.concat([moored(length_m=118.0), moored(away(0.05), mmsi=SIM_B, length_m=190.0)])
    found = explain(ships, sighting("S", 10.4, length_m=120.0))
    long, short = p_of(found, mmsi=SIM_B), p_of(found, mmsi=SIM_A)
    assert short > 5 * long > 0
    assert short + long <= 1


def test_a_name_read_decides_between_two_ships() -> None:
    """Who was read is likelier, whatever the other's length."""
    ships = pl.concat([moored(vessel_name="SIM HARE"), moored(away(0.05), mmsi=SIM_B, vessel_name="SIM TORTOISE")])
    found = explain(ships, sighting("S", 10.4, vessel_name="Sim-Tortoise"))
    assert p_of(found, mmsi=SIM_B) > 0.9 > 0.1 > p_of(found, mmsi=SIM_A)


def test_a_day_without_a_time_is_weaker_than_a_picture_with_one() -> None:
    """Alongside until noon: presence at one unknown instant of the day is explained for half of it only."""
    ship = pl.concat([moored(hours=range(0, 13)), messages(*((h, *away(60)) for h in range(18, 30)), sog_kn=0.0)])
    ship = ship.sort("time_utc")
    sharp = p_of(explain(ship, sighting("S", 6)))
    vague = p_of(explain(ship, sighting("S", 0.5, lasting_h=23.0)))
    assert 0 < vague < sharp


def test_only_ships_seen_are_explained() -> None:
    """An empty berth, a container stack or an AIS position told in print is no ship seen."""
    rows = [sighting(kind, 10.4, observation_type=kind) for kind in ("absent", "containers", "ais")]
    assert explain(moored(), *rows).empty


def test_what_is_said_is_what_was_measured() -> None:
    """The sentence carries the distance, and the bits add up to the probability."""
    (row,) = explain(moored(away(0.2)), sighting("S", 10.4)).to_dict("records")
    assert row["distance_km"] == pytest.approx(0.2, rel=0.02)
    assert "0.2 km" in row["position_because"]
    bits = row["position"] + row["length"] + row["name_read"] + row["competition"]
    assert 1 / (1 + 2**-bits) == pytest.approx(row["p"], abs=1e-9)


place = st.tuples(st.floats(-30, 30), st.floats(-30, 30)).map(lambda km: away(*km))


@settings(max_examples=12, deadline=None)
@given(st.lists(place, min_size=1, max_size=4), st.lists(place, min_size=1, max_size=4), st.integers(0, 3))
def test_no_ship_and_no_sighting_is_given_away_twice(
    ships: list[tuple[float, float]], seen: list[tuple[float, float]], days: int
) -> None:
    """Whatever lies where: shares of a sighting sum to 1 at most, and so do those of a ship in one picture; a week later the
    answer is the same, and so it is with the rows in another order."""
    positions = pl.concat([moored(p, mmsi=SIM_A + i, hours=range(8, 13), row=100 * i) for i, p in enumerate(ships)])
    rows = [sighting(f"S{i}", 10.5, p, scene_id="SIM-SCENE", length_m=110.0) for i, p in enumerate(seen)]
    found = explain(positions, *rows)
    assert found["p"].between(0, 1).all()
    if len(found):
        assert found.groupby("sighting_id")["p"].sum().max() <= 1 + 1e-9
        assert found.groupby("vessel_key")["p"].sum().max() <= 1 + 1e-6
    week = timedelta(days=7 * days)
    later = [r | {"start_utc": r["start_utc"] + week, "end_utc": r["end_utc"] + week} for r in rows]  # type: ignore[operator]
    moved = explain(positions.with_columns(pl.col("time_utc") + week)[::-1], *later[::-1])
    pd.testing.assert_frame_equal(moved, found)


@settings(max_examples=12, deadline=None)
@given(place, place)
def test_of_two_moored_ships_the_nearer_is_never_the_less_likely(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    """Nothing else known, nearness decides."""
    found = explain(pl.concat([moored(one), moored(other, mmsi=SIM_B, row=500)]), sighting("S", 10.5))
    first, second = (float(sphere.gc_km(*p, *PIER)) for p in (one, other))
    if first < second:
        assert p_of(found, mmsi=SIM_A) >= p_of(found, mmsi=SIM_B)
    elif second < first:
        assert p_of(found, mmsi=SIM_B) >= p_of(found, mmsi=SIM_A)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(place, st.integers(1, 7), st.integers(0, 30)), min_size=1, max_size=4),
    st.lists(st.tuples(place, st.integers(0, 60), st.sampled_from([0, 0, 20])), min_size=1, max_size=4),
)
def test_the_positions_that_are_wanted_say_all_that_all_positions_say(
    ships: list[tuple[tuple[float, float], int, int]], seen: list[tuple[tuple[float, float], int, int]]
) -> None:
    """Only some positions are read back from the days: the answers must be those of all of them, neither more nor less. Ships are
    heard more or less often, some are read by number where they may not be, some pictures have a day and no time."""
    sent = [
        messages(
            *((first + every * k, *where) for k in range(12)), sog_kn=3.0, mmsi=SIM_A + i, row=100 * i, imo=9_074_729
        )
        for i, (where, every, first) in enumerate(ships)
    ]
    positions = pl.concat(sent)
    segments, hours = river(positions)
    heard = Traffic.of_positions(positions)
    fleet = vessels.describe(heard.statics, tables.empty_pandas(tables.REGISTRY), segments=segments)
    sightings = table(
        *(
            sighting(f"S{i}", at_h, where, lasting_h=lasting, **({"imo": 9_074_729} if i % 2 else {}))
            for i, (where, at_h, lasting) in enumerate(seen)
        )
    )
    near = {"route": ROUTE, "max_bracket_h": BRACKET_H}
    wanted = heard.positions(transmitting.wanted(sightings, hours, fleet, **near))
    by_all, by_wanted = (transmitting.explain(sightings, p, hours, fleet, **near) for p in (positions, wanted))
    pd.testing.assert_frame_equal(by_wanted, by_all)
    told, told_by_wanted = (identity.contradicted(sightings, p, fleet, route=ROUTE) for p in (positions, wanted))
    assert told_by_wanted == told
    assert wanted.join(positions, on="source_row", how="anti").is_empty()


def test_few_positions_are_wanted_of_many() -> None:
    """A month of a hundred ships is not read back for one picture: only who was near, and only about its time."""
    positions = pl.concat([moored(hours=range(700)), moored(away(400), hours=range(700), mmsi=SIM_B, row=1000)])
    segments, hours = river(positions)
    heard = Traffic.of_positions(positions)
    fleet = vessels.describe(heard.statics, tables.empty_pandas(tables.REGISTRY), segments=segments)
    windows = transmitting.wanted(table(sighting("S", 300.5)), hours, fleet, route=ROUTE, max_bracket_h=BRACKET_H)
    wanted = heard.positions(windows)
    assert wanted["time_utc"].to_list() == [at(h) for h in range(295, 307)]
    assert wanted["mmsi"].unique().to_list() == [SIM_A]
