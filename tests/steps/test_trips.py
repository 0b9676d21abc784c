"""Round trips, told by tables of tiny worlds: which silence was one, what it rests on, and what must never be one."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest
from worlds import HARE, OWL, SILENT_H, TORTOISE, Found, Picture, Ship, World, at, small_route

from ghostships.inference import factors
from ghostships.steps import trips

SILENT_HARE = Ship(HARE, (SILENT_H,))
NAMED = Picture(156, "SIM HARE", 118.0)
CLEAR_H = tuple(range(114, 200, 6))


def world(*pictures: Picture, ships: tuple[Ship, ...] = (SILENT_HARE, Ship(OWL)), **said: object) -> Found:
    return analysed(World(ships, pictures, **said))  # type: ignore[arg-type]


@cache
def analysed(told: World) -> Found:
    return told.analysed()


def test_a_named_picture_at_the_dark_port_during_the_silence_is_a_trip_seen() -> None:
    """The clear case: three days silent, a day's sailing there and back, read by name at the pier half-way."""
    found = world(NAMED)
    trip, gap = found.trip(), found["gaps"].set_index("vessel_key").loc[f"mmsi:{HARE}"]
    assert trip["p_trip"] > 0.8
    assert trip["tier"] == "seen"
    assert trip["is_flagged"]
    assert trip["vessel_name"] == "SIM HARE"
    assert (trip["origin_port"], trip["dark_port"], trip["destination_port"]) == ("VOSTOCHNY", "NAJIN", "VOSTOCHNY")
    assert (trip["dark_start_utc"], trip["dark_end_utc"]) == (at(SILENT_H[0]), at(SILENT_H[1]))
    assert list(trip["gap_ids"]) == [gap["gap_id"]]
    (call,) = found["port_calls"].to_dict("records")
    assert list(trip["call_ids"]) == [call["call_id"]]
    assert (call["kind"], call["vessel_key"]) == ("dark", f"mmsi:{HARE}")
    assert trip["n_sightings"] == 1
    assert found["vessels"].set_index("vessel_key").at[f"mmsi:{HARE}", "n_trips"] == 1


def test_the_card_says_what_a_sailor_can_check() -> None:
    """About 125 nm there and as much back in 72 h: 4 knots do, and more than two days are left at top speed."""
    trip = world(NAMED).trip()
    assert trip["needs_kn"] == pytest.approx(250 / (72 - 6), abs=0.3)
    assert trip["slack_h"] == pytest.approx(72 - 250 / 16, abs=1.5)
    assert "72.0 h" in trip["because"]
    assert "consistent with" in trip["because"]


def test_the_weakest_link_of_a_trip_that_one_picture_carries_is_that_picture() -> None:
    """Take it away and nothing is left; the card says which call, and what p would be."""
    trip = world(NAMED).trip()
    assert trip["call_ids"][0] in trip["weakest_link"] or "name_read" in trip["weakest_link"]
    shown = "over 0.99" if trip["p_trip"] > 0.99 else f"{trip['p_trip']:.2f}"
    assert f"instead of {shown}" in trip["weakest_link"]


def test_a_clearer_picture_means_a_surer_trip() -> None:
    """Read as this ship > a hull of its length > a hull of any length > read as another ship."""
    p = [
        world(picture).p_trip()
        for picture in (NAMED, Picture(156, None, 118.0), Picture(156), Picture(156, "SIM FOX", 118.0))
    ]
    assert p[0] > p[1] > p[2] > 0
    assert p[1] > p[3]
    assert p[0] > 0.8 > 0.5 > p[1]


def test_another_name_leaves_the_trip_unflagged_and_the_picture_to_nobody() -> None:
    """Read as a ship that is not in the data: most probably that ship."""
    found = world(Picture(156, "SIM FOX", 118.0))
    assert not found.trips()["is_flagged"].any()
    assert found.p_match(None) > 0.9


@pytest.mark.parametrize("hours", [96, 119, 193, 240])
def test_a_picture_before_or_after_the_silence_carries_nothing(hours: float) -> None:
    """The ship was heard off its own coast at that hour, whatever name was read."""
    found = world(Picture(hours, "SIM HARE", 118.0))
    assert found.p_match() < 0.01
    assert found.p_match(None) > 0.99
    assert not found.trips()["is_flagged"].any()
    assert found.p_trip() == pytest.approx(world().p_trip(), abs=0.02)


@pytest.mark.parametrize("hours", [122, 190])
def test_a_picture_at_the_dark_port_too_soon_or_too_late_to_be_reached_carries_nothing(hours: float) -> None:
    """Two hours after vanishing, 125 nm away: no ship of this trade does 60 knots."""
    found = world(Picture(hours, "SIM HARE", 118.0))
    assert found.p_match() == 0
    assert not found.trips()["is_flagged"].any()


def test_clear_empty_pictures_throughout_speak_against_a_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Absence seen is evidence; where nobody looked, nothing is said."""
    monkeypatch.setattr(trips, "SHOWN_FROM_P", 0.0)  # so that the least likely trip has a row to compare
    analysed.cache_clear()
    unwatched, watched = world().p_trip(), world(scenes_h=CLEAR_H).p_trip()
    analysed.cache_clear()
    assert 0.001 < unwatched < 0.1
    assert watched < unwatched / 2


def test_empty_pictures_outside_the_silence_say_nothing_about_it() -> None:
    """A week before and after it the pier was empty: the ship was heard elsewhere then anyway."""
    outside = tuple(range(12, 100, 12)) + tuple(range(240, 360, 12))
    assert world(scenes_h=outside).p_trip() == pytest.approx(world().p_trip(), rel=0.35)


@pytest.mark.parametrize("length_h", [8, 14, 20])
def test_a_silence_too_short_to_call_and_come_back_is_never_a_trip(length_h: float) -> None:
    """About 8 h there, 6 h of stay and 8 h back: even a picture read by name does not make it one."""
    short = Ship(HARE, ((120, 120 + length_h),))
    found = world(Picture(120 + length_h / 2, "SIM HARE", 118.0), ships=(short, Ship(OWL)))
    gap = found["gaps"].set_index("vessel_key").at[f"mmsi:{HARE}", "gap_id"]
    reach = found["reach"].set_index(["gap_id", "port"]).loc[(gap, "NAJIN")]
    assert reach["verdict"] == "impossible"
    assert reach["slack_h"] < small_route().dark_port.min_stay_h
    assert found.trips().empty
    assert found.p_match() == 0


def test_a_silence_with_time_for_a_short_stay_can_be_a_trip() -> None:
    """The other side of the bound: 44 h leave a day alongside."""
    found = world(Picture(142, "SIM HARE", 118.0), ships=(Ship(HARE, ((120, 164),)), Ship(OWL)))
    assert found.p_trip() > 0.05


def test_a_silence_that_goes_on_may_be_a_trip_already() -> None:
    """Not back yet: read by name at the pier, the end of the silence is open and so is the destination."""
    found = world(Picture(350, "SIM HARE", 118.0), ships=(Ship(HARE, ((320, 10_000),)), Ship(OWL), Ship(TORTOISE)))
    trip = found.trip()
    assert trip["p_trip"] > 0.5
    assert trip["dark_end_utc"] is pd.NaT
    assert not isinstance(trip["destination_port"], str)


@pytest.mark.parametrize("until", [10_000, 384])
def test_one_picture_in_five_days_of_silence_is_one_call_and_not_two(until: float) -> None:
    """8 h there, two days alongside, 8 h back, days at home, 8 h there again: a second call within 114 h would be a feat, and no
    picture shows one. Whether the ship is back at the end or not heard yet makes no second flag."""
    found = world(Picture(300, "SIM HARE", 118.0), ships=(Ship(HARE, ((270, until),)), Ship(OWL), Ship(TORTOISE)))
    trips = found.trips().sort_values("cycle")
    assert trips.iloc[0]["n_calls_p50"] == 1
    assert list(trips["is_flagged"]) == [True]


def test_two_silences_with_a_short_sign_of_life_at_sea_are_one_trip() -> None:
    """Heard for two hours on the way, away from any port: one card with both silences, from first to last."""
    ship = Ship(HARE, ((120, 160), (162, 210)), before=(42.3, 132.0), after=(42.4, 132.2))
    found = world(Picture(136, "SIM HARE", 118.0), ships=(ship, Ship(OWL)))
    trip = found.trip()
    gaps = found["gaps"].query("vessel_key == 'mmsi:999000001'").sort_values("start_utc")
    assert list(trip["gap_ids"]) == list(gaps["gap_id"])
    assert len(gaps) == 2
    assert (trip["dark_start_utc"], trip["dark_end_utc"]) == (at(120), at(210))


def test_two_silences_with_a_day_heard_between_them_are_two() -> None:
    """A day on the air is no short sign of life: each silence is judged by itself, and only one holds the picture."""
    found = world(NAMED, ships=(Ship(HARE, ((120, 192), (216, 290))), Ship(OWL)))
    trips = found.trips()
    assert all(len(ids) == 1 for ids in trips["gap_ids"])
    flagged = trips[trips["is_flagged"]]
    assert list(flagged["dark_start_utc"]) == [at(120)]
    assert flagged["n_sightings"].item() == 1


def test_a_watch_list_raises_attention_but_the_number_without_it_stands_beside() -> None:
    """Same world, ship listed: p rises, and p without the list is what it was."""
    plain, listed = world(Picture(156)), world(Picture(156), listed=(HARE,))
    assert listed.p_trip() > plain.p_trip()
    assert listed.trip()["p_trip_without_watchlist"] == pytest.approx(plain.p_trip(), abs=0.05)
    assert plain.trip()["p_trip_without_watchlist"] == plain.p_trip()


def test_a_listed_ship_with_a_pictured_past_is_not_flagged_for_it() -> None:
    """Habit and list alone flag nobody: wherever a trip is flagged, other factors speak for it."""
    ship = Ship(HARE, ((24, 96), (120, 192), (216, 288)))
    found = world(
        Picture(60, "SIM HARE", 118.0), Picture(156, "SIM HARE", 118.0), ships=(ship, Ship(OWL)), listed=(HARE,)
    )
    habits = []
    for trip in found.trips().to_dict("records"):
        shown = found["evidence"].query("subject_id == @trip['trip_id']").set_index("factor")["bits"]
        habits.append(shown["habit"])
        if trip["is_flagged"]:
            assert shown.drop(["prior", "habit", "watch_list"]).sum() > 0
        rest = sum(round(1000 * b) for f, b in shown.items() if f != "habit")
        assert trip["p_trip_without_habit"] == factors.probability(rest / 1000)
        assert shown["habit"] > 0 and trip["p_trip_without_habit"] < trip["p_trip"] or shown["habit"] <= 0
    assert max(habits) > 0, "pictures in other silences make a habit"


def test_deeper_after_the_silence_speaks_for_loading() -> None:
    """Among ships whose draught stays what it was: deeper > not sent > lighter, all else equal."""
    # One after the other: seven ships silent at once would be a feed that is down.
    spans = [(a, a + 60.0) for a in (30.0, 60.0, 95.0, 200.0, 230.0, 260.0)]
    others = tuple(
        Ship(999_000_010 + n, (span,), name=f"SIM EXTRA {n}", draughts=(6.0, 6.0)) for n, span in enumerate(spans)
    )
    p = {}
    for name, draughts in {"deeper": (5.0, 7.0), "unsent": None, "lighter": (7.0, 5.0)}.items():
        ship = Ship(HARE, (SILENT_H,), draughts=draughts)
        p[name] = world(Picture(156, "SIM HARE"), ships=(ship, Ship(OWL), *others)).p_trip()
    assert p["deeper"] > p["unsent"] > p["lighter"]


def test_a_ship_always_on_the_air_makes_no_trip() -> None:
    """No silence, no trip, whatever is read at the pier: its transponder says that it is 200 km away."""
    found = world(NAMED, ships=(Ship(HARE), Ship(OWL)))
    assert found["gaps"].empty
    assert found.trips().empty
    assert found.p_match() < 0.01


def test_a_stay_seen_at_another_port_splits_the_silence_into_cycles() -> None:
    """Najin, then Nakhodka, then Najin again, all read by name in one silence: the first cycle ends where the second begins."""
    pictures = (
        Picture(160, "SIM HARE", 118.0),
        Picture(230, "SIM HARE", 118.0, port="NAKHODKA"),
        Picture(310, "SIM HARE", 118.0),
    )
    found = world(*pictures, ships=(Ship(HARE, ((120, 360),)), Ship(OWL), Ship(TORTOISE)))
    trips_found = found.trips().sort_values("cycle")
    assert list(trips_found["cycle"]) == [1, 2]
    first, second = trips_found.iloc[0], trips_found.iloc[1]
    assert (first["dark_start_utc"], first["dark_end_utc"], first["destination_port"]) == (at(120), at(230), "NAKHODKA")
    assert (second["dark_start_utc"], second["dark_end_utc"], second["origin_port"]) == (at(230), at(360), "NAKHODKA")
