"""Where to look next: what a picture is worth, and that the table points at the hours and the berths that would decide."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pandas as pd
import pytest
from worlds import HARE, OWL, TORTOISE, Picture, Ship, World, at, small_route, small_sea

from ghostships import pipeline
from ghostships.steps import next_look

SILENT = World((Ship(HARE, ((120.0, 192.0),)), Ship(OWL)), (Picture(60, None, 140.0),))
"""Three days of silence, a day's sailing to the dark port and back, and nobody looked."""


@cache
def judged(world: World) -> tuple[pipeline.Heard, pipeline.Judged]:
    inputs = world.inputs()
    heard = pipeline.listen(inputs, pipeline.Settings(route=small_route(), min_gap_h=6.0), small_sea())
    return heard, pipeline.judge(heard, inputs.sightings, inputs.scenes, route=small_route(), sea=small_sea())


def rank(
    world: World, *, p: float = 0.5, ship: int = HARE, scenes_h: tuple[float, ...] = (), backwards: bool = False
) -> list[dict[str, Any]]:
    """The table, were the trip of a ship of that probability, with more scenes of the dark port than the world has."""
    heard, found = judged(world)
    gaps = heard.silences
    gap_id = gaps.loc[gaps["vessel_key"] == f"mmsi:{ship}", "gap_id"].iloc[0]
    trips = pd.DataFrame(
        [{"trip_id": "T-HARE", "gap_ids": [gap_id], "p_trip": p, "tier": "inferred", "cycle": 1}],
    )
    scenes = World(scenes_h=scenes_h).inputs().scenes if scenes_h else found.tables["scenes"]
    frames = {
        "round_trips": trips,
        "matches": found.tables["matches"],
        "port_calls": found.tables["port_calls"],
        "sightings": found.tables["sightings"],
        "scenes": scenes,
        "gaps": gaps,
        "reach": heard.in_reach,
        "vessels": heard.fleet,
    }
    if backwards:
        frames = {name: frame.iloc[::-1].reset_index(drop=True) for name, frame in frames.items()}
    return next_look.rank(
        **frames,
        route=small_route(),
        legs_nm=pipeline._legs_nm(small_route(), small_sea()),
        as_of_us=pd.Timestamp(heard.now).value // 1000,
    )


def hours(text: str) -> float:
    return (pd.Timestamp(text) - pd.Timestamp(at(0))).total_seconds() / 3600


def test_what_a_yes_or_no_tells_is_known_for_simple_cases() -> None:
    """Worked by hand: a certain sign of an even chance is one bit, no sign is none, and a miss in ten costs a quarter bit."""
    assert next_look.information(0.5, 1.0, 0.0) == pytest.approx(1.0, abs=1e-9)
    assert next_look.information(0.3, 0.4, 0.4) == pytest.approx(0.0, abs=1e-12)
    # H(0.45) - 0.5 H(0.9) = 0.99277 - 0.5 * 0.46900
    assert next_look.information(0.5, 0.9, 0.0) == pytest.approx(0.75828, abs=1e-5)
    assert next_look.information(0.1, 1.0, 0.0) == pytest.approx(-0.1 * math.log2(0.1) - 0.9 * math.log2(0.9), abs=1e-9)


def test_the_best_picture_is_of_the_dark_port_while_the_ship_could_be_there_by_day() -> None:
    """Eight hours there and eight back: only the hours between can show it, and the middle shows it best."""
    best = rank(SILENT)[0]
    assert best["port"] == "NAJIN"
    assert 128 < hours(best["start_utc"]) < hours(best["end_utc"]) < 184
    assert not best["is_future"]
    assert best["sensor"] == "optical"
    assert 6 <= (hours(best["start_utc"]) + 9) % 24 < 18
    assert best["trip_ids"] == ["T-HARE"]
    assert 0.3 < best["bits"] < 1
    assert "SIM HARE (p 0.50)" in best["because"]
    assert "from an archive" in best["because"]


def test_rows_are_worth_less_and_less_and_all_lie_within_reach() -> None:
    """What the first picture decides, the second cannot decide again."""
    rows = rank(SILENT)
    assert 1 < len(rows) <= next_look.MOST_ROWS
    bits = [row["bits"] for row in rows]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] >= next_look.LEAST_BITS
    for row in rows:
        assert 120 <= hours(row["start_utc"]) < hours(row["end_utc"]) <= 194


def test_a_counterpart_port_is_worth_less_than_the_dark_port() -> None:
    """A dark stay at home says little of a trip: wherever one is listed, the dark port has been listed before."""
    ports = [row["port"] for row in rank(SILENT)]
    assert ports[0] == "NAJIN"
    assert ports.count("NAJIN") > ports.count("VOSTOCHNY") + ports.count("NAKHODKA")


@pytest.mark.parametrize("p", [0.001, 0.04, 0.96, 0.9999])
def test_what_is_decided_is_not_asked_about(p: float) -> None:
    """No row, so that nobody orders a picture for nothing."""
    assert rank(SILENT, p=p) == []


def test_an_even_chance_has_most_to_gain() -> None:
    """The more open the question, the more a picture is worth."""
    worth = {p: rank(SILENT, p=p)[0]["bits"] for p in (0.1, 0.5, 0.9)}
    assert worth[0.5] > worth[0.1]
    assert worth[0.5] > worth[0.9]


def test_hours_that_were_looked_at_are_not_asked_for_again() -> None:
    """Clear pictures every six hours: what is left between them is worth less, and none of the table is within two hours of one."""
    taken = tuple(range(120, 196, 6))
    rows = rank(SILENT, scenes_h=taken)
    assert sum(row["bits"] for row in rows) < 0.7 * sum(row["bits"] for row in rank(SILENT))
    for row in rows:
        if row["port"] == "NAJIN":
            # A window is told in whole steps of two hours; the moments that count are its steps.
            first = hours(row["start_utc"])
            assert min(abs(first - t) for t in taken) > 2


def test_a_crowded_port_makes_a_picture_worth_less() -> None:
    """Ten hulls as long as the ship, seen at the pier by nobody's name: one more hull seen says little."""
    seen = tuple(Picture(float(h), None, 118.0, scene=f"SIM-{h}") for h in range(12, 372, 24) if not 110 < h < 200)
    crowded = World(SILENT.ships, seen)
    assert 0 < rank(crowded)[0]["bits"] < rank(SILENT)[0]["bits"]


def test_a_hull_already_seen_there_is_no_news() -> None:
    """A call of another ship, named, through the silence: its hull is expected, and only a second one would tell."""
    beside = World(SILENT.ships, (Picture(140, "SIM FOX", 118.0), Picture(172, "SIM FOX", 118.0)))
    inside = [row for row in rank(beside) if hours(row["start_utc"]) >= 140 and hours(row["end_utc"]) <= 172]
    alone = [row for row in rank(SILENT) if hours(row["start_utc"]) >= 140 and hours(row["end_utc"]) <= 172]
    assert max((row["bits"] for row in inside), default=0.0) < 0.5 * max(row["bits"] for row in alone)


def test_an_open_silence_asks_for_pictures_to_be_taken() -> None:
    """Still silent three days on: it may lie there now and tomorrow, and a satellite can be told."""
    open_world = World((Ship(HARE, ((312.0, 400.0),)), Ship(OWL), Ship(TORTOISE)), SILENT.pictures)
    heard, _ = judged(open_world)
    assert heard.silences["is_open"].tolist() == [True]
    rows = rank(open_world)
    now_h = hours(str(heard.now))
    future = [row for row in rows if row["is_future"]]
    assert future
    assert all(hours(row["start_utc"]) >= now_h for row in future)
    assert all("to be taken" in row["because"] for row in future)


def test_the_table_does_not_depend_on_the_order_of_rows() -> None:
    """The same input, the same bytes."""
    assert rank(SILENT) == rank(SILENT, backwards=True)
