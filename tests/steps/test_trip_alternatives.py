"""Round trips and what they may have been instead: legs one way, several calls in one silence, other ports, meetings, headings."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
from worlds import (
    HARE,
    OWL,
    SILENT_H,
    TORTOISE,
    Found,
    Picture,
    Ship,
    World,
    at,
    demo,
    demo_sea,
    small_route,
    small_sea,
    table,
)

from ghostships import pipeline, tables
from ghostships.inference import chains, factors

NAKHODKA = (42.80, 132.88)
OTHERS = (Ship(OWL), Ship(TORTOISE))


@cache
def analysed(told: World) -> Found:
    return told.analysed()


def hundredths(sentence: str) -> int:
    """All probabilities that a list of alternatives names, in hundredths."""
    listed = re.sub(r" \((?:no evidence|whether|within its reach).*", "", sentence)
    return sum(round(100 * float(x)) for x in re.findall(r" (\d\.\d\d)(?=[,;]|$)", listed))


def sums_to_one(trips: pd.DataFrame) -> bool:
    told = trips[trips["tier"].isin(["seen", "inferred"])]
    shown = told[told["alternatives"] != "all else together under 0.01"]
    return all(
        hundredths(a) + round(100 * p) == 100 for a, p in zip(shown["alternatives"], shown["p_trip"], strict=True)
    )


@pytest.mark.parametrize(
    ("ship", "pictures"),
    [
        (Ship(HARE, (SILENT_H,)), (Picture(156, "SIM HARE", 118.0),)),
        (Ship(HARE, (SILENT_H,), after=NAKHODKA), (Picture(156, None, 118.0),)),
        (
            Ship(HARE, ((120, 260),)),
            (Picture(150, "SIM HARE", 118.0), Picture(215, "SIM HARE", 118.0, port="NAKHODKA")),
        ),
        (Ship(HARE, ((320, 10_000),)), (Picture(350, "SIM HARE", 118.0),)),
    ],
)
def test_a_trip_and_its_alternatives_sum_to_one(ship: Ship, pictures: tuple[Picture, ...]) -> None:
    """Closed, one way, seen at two ports, not back yet."""
    trips = analysed(World((ship, *OTHERS), pictures)).trips()
    assert len(trips)
    assert sums_to_one(trips)


def test_a_silence_that_ends_at_another_port_is_a_leg_each_way() -> None:
    """From Vostochny to the dark port, from there to Nakhodka: origin and destination differ."""
    trip = analysed(
        World((Ship(HARE, (SILENT_H,), after=NAKHODKA), Ship(OWL)), (Picture(156, "SIM HARE", 118.0),))
    ).trip()
    assert (trip["origin_port"], trip["destination_port"]) == ("VOSTOCHNY", "NAKHODKA")
    assert trip["is_flagged"]
    assert (trip["n_calls_p05"], trip["n_calls_p50"], trip["n_calls_p95"]) == (1, 1, 1)


def test_three_pictures_by_name_in_one_silence_are_three_cycles_and_the_third_hangs_on_one_of_them() -> None:
    """13 days, read at the pier every five: a row per cycle, at least three calls, and one picture less is one call less."""
    pictures = tuple(Picture(hours, "SIM HARE", 118.0) for hours in (80, 190, 310))
    trips = analysed(World((Ship(HARE, ((48, 360),)), *OTHERS), pictures)).trips().sort_values("cycle")
    assert list(trips["cycle"]) == [1, 2, 3]
    assert trips["p_trip"].is_monotonic_decreasing
    assert (trips["n_calls_p05"] == 3).all()
    assert (trips["n_calls_p50"] == 3).all()
    last = trips.iloc[2]
    named = re.fullmatch(
        r"the only sighting \(SIM-(\d)\) of call .*: without it, all else as it stands, (0\.\d\d) instead of over 0\.99",
        last["weakest_link"],
    )
    assert named is not None, last["weakest_link"]
    fewer = tuple(p for n, p in enumerate(pictures) if n != int(named[1]))
    again = analysed(World((Ship(HARE, ((48, 360),)), *OTHERS), fewer)).trips()
    third = again.loc[again["cycle"] == 3, "p_trip"]
    assert third.max() == pytest.approx(float(named[2]), abs=0.25) if len(third) else float(named[2]) < 0.6
    assert sums_to_one(trips)


def test_calls_at_several_ports_of_one_silence_are_told() -> None:
    """Read at the dark port and then at Nakhodka: the trip goes there, and of what it may have been instead Nakhodka has most."""
    pictures = (Picture(150, "SIM HARE", 118.0), Picture(215, "SIM HARE", 118.0, port="NAKHODKA"))
    trip = analysed(World((Ship(HARE, ((120, 260),)), *OTHERS), pictures)).trip()
    assert trip["destination_port"] == "NAKHODKA"
    assert trip["alternatives"].startswith("NAKHODKA")


def course(*spots: tuple[float, float, float, float | None]) -> tuple[pd.DataFrame, ...]:
    """Inputs of the clear case with sightings at sea (hours, lat, lon, heading)."""
    inputs = World((Ship(HARE, (SILENT_H,)), Ship(OWL)), (Picture(156, None, 118.0),)).inputs()
    rows = inputs.sightings.to_dict("records")
    rows += [
        {
            "sighting_id": f"SIM-SEA-{n}",
            "observation_type": "vessel",
            "start_utc": at(hours),
            "end_utc": at(hours),
            "lat_deg": lat,
            "lon_deg": lon,
            "position_sigma_m": 100.0,
            "length_m": 118.0,
            "sensor": "optical",
            "source": "simulated",
            "source_row": f"{'e' * 12}:{n + 90}",
            "heading_deg": heading,
        }
        for n, (hours, lat, lon, heading) in enumerate(spots)
    ]
    plain = [{k: None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in row.items()} for row in rows]
    settings = pipeline.Settings(route=small_route(), min_gap_h=6.0)
    result = pipeline.run(replace(inputs, sightings=table(plain, tables.SIGHTINGS)), settings, small_sea())
    return result.tables["matches"], result.tables["evidence"], result.tables["round_trips"]


def bits_of(evidence: pd.DataFrame, subject: str, factor: str) -> float:
    return float(evidence.loc[(evidence["subject_id"] == subject) & (evidence["factor"] == factor), "bits"].sum())


def test_a_hull_that_points_to_the_dark_port_at_sea_speaks_for_the_ship_and_its_trip() -> None:
    """Half-way to Najin on the right afternoon: along the way, across it, or not told. Evidence still adds up."""
    found = {}
    for heading in (235.0, 325.0, None):
        matches, evidence, trips = course((128.0, 42.45, 131.7, heading))
        mine = matches[(matches["sighting_id"] == "SIM-SEA-0") & (matches["vessel_key"] == f"mmsi:{HARE}")].iloc[0]
        own = evidence[evidence["subject_id"] == mine["match_id"]]
        assert mine["p_match"] == factors.probability(sum(round(1000 * b) for b in own["bits"]) / 1000)
        trip = trips[trips["vessel_key"] == f"mmsi:{HARE}"].iloc[0]
        own = evidence[evidence["subject_id"] == trip["trip_id"]]
        assert trip["p_trip"] == factors.probability(sum(round(1000 * b) for b in own["bits"]) / 1000)
        found[heading] = (
            bits_of(evidence, mine["match_id"], "heading"),
            mine["p_match"],
            bits_of(evidence, trip["trip_id"], "heading"),
        )
    along, across, untold = found[235.0], found[325.0], found[None]
    assert along[0] > 0.5 > untold[0] == 0 > across[0]
    assert along[1] > untold[1] > across[1]
    # Its way home is its way to the dark port here, so the same heading hardly tells a trip from none.
    assert untold[2] == 0
    assert abs(along[2]) < 0.1 > abs(across[2])


@pytest.fixture(scope="module")
def example() -> dict[str, pd.DataFrame]:
    """The shipped example."""
    return _example(())


@cache
def _heard() -> pipeline.Heard:
    settings = pipeline.Settings(route=demo().route, min_gap_h=demo().route.policy.min_gap_h)
    return pipeline.listen(demo().inputs, settings, demo_sea())


def _example(dropped: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    sightings = demo().inputs.sightings
    kept = sightings[~sightings["sighting_id"].isin(dropped)].reset_index(drop=True)
    return pipeline.judge(_heard(), kept, demo().inputs.scenes, route=demo().route, sea=demo_sea()).finished()


@pytest.mark.slow
def test_every_trip_of_the_example_sums_to_one_with_its_alternatives(example: dict[str, pd.DataFrame]) -> None:
    """The law of total probability where ports, pictures and other ships are many."""
    assert sums_to_one(example["round_trips"])


@pytest.mark.slow
def test_the_pictures_named_as_weakest_link_are_those_whose_loss_moves_the_trip_most(
    example: dict[str, pd.DataFrame],
) -> None:
    """Taken away for good and all weighed anew (`whatif --drop`): the probability falls, further than without any other call."""
    trips = example["round_trips"]
    calls = example["port_calls"].set_index("call_id")["sighting_ids"]
    asked = 0
    for trip in trips[trips["is_flagged"].astype(bool)].to_dict("records"):
        named = re.search(r"sightings? (?:\(\S+\) )?of call (\S+):", trip["weakest_link"])
        # At the limit of what draws may say a trip stands on more than one leg, and loses none of it by the loss of one.
        if named is None or trip["p_trip"] >= chains.SUREST:
            continue
        asked += 1
        own, ids = set(calls[named[1]]), set(trip["gap_ids"])
        matches = example["matches"]
        near = matches[matches["gap_id"].isin(ids) & matches["call_id"].notna() & (matches["p_match"] >= 0.02)]
        rivals = sorted({c for c in near["call_id"] if c != named[1]})[:2]
        left = {c: _p(_example(tuple(calls[c])), ids, trip["cycle"]) for c in (named[1], *rivals)}
        assert own
        # In bits: from 0.999 a trip may fall far and still be likely.
        assert factors.bits_of(left[named[1]]) < factors.bits_of(trip["p_trip"]) - 0.1
        assert left[named[1]] == min(left.values())
    assert asked >= 1


def _p(found: dict[str, pd.DataFrame], gap_ids: set[str], cycle: int) -> float:
    trips = found["round_trips"]
    mine = trips[[bool(gap_ids & set(own)) for own in trips["gap_ids"]]]
    return float(mine.loc[mine["cycle"] == cycle, "p_trip"].max()) if len(mine) else 0.0
