"""All ships, all pictures, and nobody: what the joint answer must do, told by the tables of tiny worlds."""

from __future__ import annotations

from functools import cache

import pytest
from worlds import HARE, OWL, SILENT_H, TORTOISE, Found, Picture, Ship, World

from ghostships.steps import trips


def ship(mmsi: int, *silent: tuple[float, float], length_m: float | None = 118.0) -> Ship:
    return Ship(mmsi, silent or (SILENT_H,), length_m)


@cache
def analysed(world: World) -> Found:
    return world.analysed()


def world(*pictures: Picture, ships: tuple[Ship, ...], scenes_h: tuple[float, ...] = ()) -> Found:
    found = analysed(World((*ships, Ship(OWL)), pictures, scenes_h))
    p = found["matches"].groupby("sighting_id")["p_match"].sum()
    assert p.round(6).eq(1).all()
    return found


def test_two_ships_alike_share_one_picture_alike() -> None:
    """Nothing tells them apart: the same probability, and more room is left to nobody than to certainty about either."""
    found = world(Picture(156, None, 118.0), ships=(ship(HARE), ship(TORTOISE)))
    hare, tortoise, none = found.p_match(HARE), found.p_match(TORTOISE), found.p_match(None)
    assert hare == pytest.approx(tortoise, rel=0.15)
    assert hare + tortoise + none == pytest.approx(1, abs=1e-6)


def test_a_rival_takes_part_of_the_picture() -> None:
    """One hull in the picture: whoever else was silent and could be there lowers the first one's share."""
    picture = Picture(156, None, 118.0)
    alone = world(picture, ships=(ship(HARE),))
    together = world(picture, ships=(ship(HARE), ship(TORTOISE)))
    assert together.p_match(HARE) < alone.p_match(HARE)
    assert together.p_trip(HARE) < alone.p_trip(HARE)


def test_a_name_settles_between_rivals() -> None:
    """The picture is HARE's by name: TORTOISE, silent at the same time, is explained away."""
    found = world(Picture(156, "SIM HARE", 118.0), ships=(ship(HARE), ship(TORTOISE)))
    assert found.p_match(HARE) > 0.8 > 0.05 > found.p_match(TORTOISE)
    assert found.p_trip(TORTOISE) < world(Picture(156, None, 118.0), ships=(ship(HARE), ship(TORTOISE))).p_trip(
        TORTOISE
    )


def test_the_length_that_fits_wins_but_names_nobody() -> None:
    """118 m seen: the ship of 118 m before the one of 180 m, and nobody stays likelier than either."""
    found = world(Picture(156, None, 118.0), ships=(ship(HARE), ship(TORTOISE, length_m=180.0)))
    assert found.p_match(HARE) > 3 * found.p_match(TORTOISE)
    assert found.p_match(None) > 0.3


def test_two_hulls_in_one_picture_and_one_silent_ship() -> None:
    """Side by side in one scene, both of its length: the ship is one of them at most."""
    pair = (Picture(156, None, 118.0, scene="SIM-PAIR"), Picture(156, None, 120.0, scene="SIM-PAIR"))
    found = world(*pair, ships=(ship(HARE),))
    assert len(found["port_calls"]) == 2
    assert found.p_match(HARE, 0) + found.p_match(HARE, 1) <= 1 + 1e-6


def test_two_names_in_one_picture_are_two_ships() -> None:
    """Each name goes to its ship."""
    pair = (
        Picture(156, "SIM HARE", 118.0, scene="SIM-PAIR"),
        Picture(156, "SIM TORTOISE", 118.0, scene="SIM-PAIR"),
    )
    found = world(*pair, ships=(ship(HARE), ship(TORTOISE)))
    assert found.p_match(HARE, 0) > 0.8 > 0.1 > found.p_match(TORTOISE, 0)
    assert found.p_match(TORTOISE, 1) > 0.8 > 0.1 > found.p_match(HARE, 1)
    assert found.p_trip(HARE) > 0.8
    assert found.p_trip(TORTOISE) > 0.8


def test_two_pictures_of_one_stay_are_one_call_of_one_ship() -> None:
    """12 hours apart, same length: one call, and both pictures show the same ship to about the same degree."""
    found = world(Picture(150, "SIM HARE", 118.0), Picture(162, None, 119.0), ships=(ship(HARE), ship(TORTOISE)))
    assert len(found["port_calls"]) == 1
    assert found.p_match(HARE, 0) > 0.8
    assert found.p_match(HARE, 1) > 0.5
    assert found.trip(HARE)["n_sightings"] == 2


def test_a_ship_on_the_air_at_the_pier_leaves_only_the_rest_to_silent_ones() -> None:
    """TORTOISE transmits from the pier, but is longer than the hull seen: it may be that hull, and the silent HARE shares what
    TORTOISE leaves."""
    picture = Picture(156, None, 118.0)
    alone = world(picture, ships=(ship(HARE),)).p_match(HARE)
    beside = world(picture, ships=(ship(HARE), Ship(TORTOISE, (), 160.0, before=(42.229, 130.284))))
    heard = beside.p_match(TORTOISE)
    assert 0.05 < heard < 0.5
    assert beside.p_match(HARE) == pytest.approx(alone * (1 - heard), rel=0.05)


def test_habit_is_learned_from_pictures_of_other_silences_only() -> None:
    """HARE was read at the pier in its first silence: its second, without a picture, gains; the first gains nothing by itself."""
    silent = ((24.0, 96.0), (216.0, 288.0))
    seen = Picture(60, "SIM HARE", 118.0)
    once = world(seen, ships=(ship(HARE, *silent),))
    never = world(ships=(ship(HARE, *silent),))
    first, second = once.trips(HARE).sort_values("dark_start_utc")["trip_id"]
    assert once.bits(second, "habit") > 0
    assert once.bits(first, "habit") <= 0
    rows = once.trips(HARE).set_index("trip_id")
    assert rows.at[second, "p_trip"] > rows.at[second, "p_trip_without_habit"]
    assert rows.at[second, "tier"] == "inferred"
    assert rows.at[second, "p_trip"] > never.p_trip(HARE)


def test_no_picture_no_habit() -> None:
    """Inferred trips never feed back: three silences that fit, none pictured, and no bit of habit for any."""
    found = world(ships=(ship(HARE, (24.0, 96.0), (120.0, 192.0), (216.0, 288.0)),))
    habits = found["evidence"].query("factor == 'habit'")["bits"]
    assert (habits <= 0).all()


def test_another_ships_habit_is_not_ones_own() -> None:
    """HARE's pictured call makes no habit of TORTOISE's; it may only move the level that all share."""
    found = world(
        Picture(60, "SIM HARE", 118.0),
        ships=(ship(HARE, (24.0, 96.0), (216.0, 288.0)), ship(TORTOISE, (120.0, 192.0), (216.0, 288.0))),
    )
    for trip_id in found.trips(TORTOISE)["trip_id"]:
        assert found.bits(trip_id, "habit") <= 0


def test_hulls_that_come_when_nobody_is_silent_make_nobody_likelier() -> None:
    """The pier is pictured daily and hulls of 118 m come and go while everyone is on the air: the next one is probably
    nobody's either. Forcing every picture onto a suspect is the classic error."""
    every_day = tuple(float(h) for h in range(12, 384, 24))
    strangers = tuple(Picture(h, None, 118.0, scene=f"SIM-D{h}") for h in (12.0, 300.0, 372.0))
    picture = Picture(156.0, None, 118.0, scene="SIM-D156")
    quiet = world(picture, ships=(ship(HARE),), scenes_h=every_day)
    busy = world(picture, *strangers, ships=(ship(HARE),), scenes_h=every_day)
    assert busy.p_match(None, 0) > quiet.p_match(None, 0)
    assert all(busy.p_match(HARE, n) < 0.01 for n in (1, 2, 3))


def test_a_picture_at_a_counterpart_port_says_where_the_ship_was_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by name at Nakhodka in the middle of a silence of three days: little time is left for the dark port."""
    monkeypatch.setattr(trips, "SHOWN_FROM_P", 0.0)  # so that the least likely trip has a row to compare
    silent = (SILENT_H,)
    analysed.cache_clear()
    there = world(Picture(156, "SIM HARE", 118.0, port="NAKHODKA"), ships=(ship(HARE, *silent),))
    nowhere = world(ships=(ship(HARE, *silent),))
    analysed.cache_clear()
    assert there.p_match(HARE) > 0.3
    assert there.p_trip(HARE) < nowhere.p_trip(HARE)


def test_a_picture_outside_the_time_of_the_data_is_nobodys_and_said_to_be() -> None:
    """A month later: no silence can explain it, and the reader is told that this proves nothing."""
    found = world(Picture(24 * 40, "SIM HARE", 118.0), ships=(ship(HARE),))
    assert found.p_match(None) == 1
    assert found.p_match(HARE) == 0
    assert any("1 sightings lie outside" in w for w in found.result.warnings)


def test_pictures_alone_name_no_ship_of_the_data() -> None:
    """Without AIS every picture is nobody's, and nothing is flagged."""
    found = analysed(World((), (Picture(156, "SIM HARE", 118.0),)))
    assert found.p_match(None) == 1
    assert len(found["port_calls"]) == 1
    assert not found["round_trips"]["is_flagged"].any()


def test_the_order_in_which_ships_and_pictures_are_told_does_not_matter() -> None:
    """The same world told backwards: the same rows."""
    ships = (ship(HARE), ship(TORTOISE, (130.0, 180.0)))
    pictures = (Picture(156, None, 118.0), Picture(157, "SIM TORTOISE", 110.0))
    one = world(*pictures, ships=ships)
    other = world(*pictures[::-1], ships=ships[::-1])
    for mmsi in (HARE, TORTOISE, None):
        assert one.p_match(mmsi, 0) == pytest.approx(other.p_match(mmsi, 1), abs=2e-6)
    for mmsi in (HARE, TORTOISE):
        assert one.p_trip(mmsi) == pytest.approx(other.p_trip(mmsi), abs=2e-6)


def test_a_port_that_the_source_leaves_open_is_weighed_like_one_that_is_named() -> None:
    """For whoever holds published reports beside scenes: "Najin or Vostochny" must not turn the picture into nobody's."""
    ships = (ship(HARE),)
    for scene in (None, "SIM-OPEN"):
        named, left_open = (
            world(Picture(156, "SIM HARE", 118.0, port=port, scene=scene), ships=ships)
            for port in ("NAJIN", "NAJIN|VOSTOCHNY")
        )
        assert named.p_match(HARE) > 0.5
        assert left_open.p_match(HARE) == named.p_match(HARE)
        assert left_open.p_trip(HARE) == named.p_trip(HARE)
